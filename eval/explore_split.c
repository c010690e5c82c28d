/* SPDX-License-Identifier: Apache-2.0
 *
 * Section of the page on the split: cases, patients and samples by fold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sorter.h"
#include "eval/explore.h"

enum { MOST_NUMBERS = 32, STRATUM_MAX = 128 };

/* What the records of split tell, counted. */
struct sums {
	char strata[SM_COLOURS][STRATUM_MAX]; /* in the order of their names; at most 7, the rest
						 counts as the last */
	size_t strata_count;
	size_t part[SM_FOLDS][SM_COLOURS]; /* cases by stratum */
	size_t cases[SM_FOLDS];
	size_t patients[SM_FOLDS + 1]; /* distinct ones; the last of all folds together */
	size_t numbered[MOST_NUMBERS]; /* cases of k folds by number */
	size_t numbers;
};

/* How two names of strata stand to each other, as far as the page tells them. */
static int order(const char *a, const char *b)
{
	return strncmp(a, b, STRATUM_MAX - 1);
}

static void add_stratum(struct sums *s, const char *name)
{
	size_t at = 0, n = s->strata_count;
	while (name && at < n && order(s->strata[at], name) < 0)
		at++;
	if (!name || (at < n && order(s->strata[at], name) == 0) || n == SM_COLOURS)
		return;
	memmove(s->strata[at + 1], s->strata[at], (n - at) * sizeof *s->strata);
	snprintf(s->strata[at], STRATUM_MAX, "%s", name);
	s->strata_count++;
}

static void add_case(struct sums *s, const json_t *record)
{
	const char *fold = sm_json_text(record, "fold"), *stratum = sm_json_text(record, "stratum");
	const json_t *number = json_object_get(record, "fold_index");
	json_int_t k = json_integer_value(number);
	int f = fold ? sm_fold_of(fold) : SM_FOLDS;
	size_t at = 0;
	if (json_is_integer(number) && k >= 0 && k < MOST_NUMBERS) {
		s->numbered[k]++;
		s->numbers = (size_t)k + 1 > s->numbers ? (size_t)k + 1 : s->numbers;
	}
	if (f == SM_FOLDS)
		return;
	while (stratum && at + 1 < s->strata_count && order(s->strata[at], stratum) != 0)
		at++;
	s->part[f][at]++;
	s->cases[f]++;
}

/* Distinct patients: sorted by patient, then by fold. */
static enum sm_status count_patients(struct sums *s, struct sm_sorter *sorter, struct sm_err *err)
{
	char *last = NULL;
	const char *patient, *fold;
	bool seen[SM_FOLDS + 1] = {0};
	enum sm_status st;
	while ((st = sm_sorter_next(sorter, &patient, &fold, err)) == SM_OK && patient) {
		if (!last || strcmp(last, patient) != 0) {
			free(last);
			last = strdup(patient);
			memset(seen, 0, sizeof seen);
			s->patients[SM_FOLDS]++;
		}
		int f = sm_fold_of(fold);
		s->patients[f] += f != SM_FOLDS && !seen[f];
		seen[f] = true;
	}
	free(last);
	return st;
}

static enum sm_status count(const struct sm_explore *x, struct sums *s, struct sm_err *err)
{
	struct sm_records *split = x->from[SM_EX_SPLIT].records;
	struct sm_sorter *sorter = sm_sorter_new(x->run->out, 0);
	enum sm_status st = sorter ? SM_OK : SM_FAIL(err, SM_BUDGET, "split: out of memory");
	size_t i;
	json_t *record;
	sm_records_foreach(split, i, record)
	{
		const char *fold = sm_json_text(record, "fold"),
			   *patient = sm_json_text(record, "patient");
		add_stratum(s, sm_json_text(record, "stratum"));
		if (st == SM_OK && patient && fold)
			st = sm_sorter_add(sorter, patient, fold, err);
	}
	sm_records_foreach(split, i, record)
		add_case(s, record);
	if (st == SM_OK)
		st = sm_records_check(split, err);
	if (st == SM_OK)
		st = count_patients(s, sorter, err);
	sm_sorter_free(sorter);
	return st;
}

bool sm_explore_by_patient(const struct sm_explore *x)
{
	const json_t *manifest = json_object_get(
		json_object_get(x->from[SM_EX_DATA].header, "settings"), "manifest");
	const char *rule = sm_json_text(json_object_get(manifest, "pair"), "split");
	return !rule || strcmp(rule, "patient") == 0;
}

static void fold_bars(const struct sm_explore *x, const struct sums *s, struct sm_text *out)
{
	static const int folds[SM_FOLDS] = {SM_TRAIN, SM_VALID, SM_TEST};
	static const char *const words[SM_FOLDS] = {
		[SM_TRAIN] = "training", [SM_VALID] = "validation", [SM_TEST] = "test"};
	struct sm_bar bars[SM_FOLDS] = {0};
	char notes[SM_FOLDS][120];
	size_t n = s->strata_count;
	for (int b = 0; b < SM_FOLDS; b++) {
		int f = folds[b];
		memcpy(bars[b].part, s->part[f], sizeof bars[b].part);
		snprintf(bars[b].name, sizeof bars[b].name, "%s", words[f]);
		int used = snprintf(notes[b], sizeof notes[b], "%zu case%s, %zu patient%s",
				    s->cases[f], s->cases[f] == 1 ? "" : "s", s->patients[f],
				    s->patients[f] == 1 ? "" : "s");
		if (x->from[SM_EX_DATA].header)
			snprintf(notes[b] + used, sizeof notes[b] - (size_t)used, ", %zu samples",
				 x->fold_samples[f]);
		bars[b].note = notes[b];
	}
	sm_text_str(out, "<figure class=\"chart broad\">\n");
	if (n > 1) {
		static const int colour[] = {SM_SKY,    SM_ORANGE,    SM_GREEN, SM_YELLOW,
					     SM_PURPLE, SM_VERMILION, SM_BLUE};
		sm_text_str(out, "<figcaption class=\"legend\">");
		for (size_t i = 0; i < n; i++) {
			sm_text_f(out, "<span><i class=\"key\" style=\"background:%s\"></i>",
				  sm_okabe_ito[colour[i % SM_COUNT(colour)]]);
			sm_text_html(out, s->strata[i]);
			sm_text_str(out, "</span> ");
		}
		sm_text_str(out, "</figcaption>\n");
	}
	sm_chart_bars(out, "Cases by fold", bars, SM_FOLDS, n > 1 ? n : 1);
	sm_text_str(out, "</figure>\n");
}

/* Of a k-fold split: cases by number of the fold. */
static void numbered_folds(const struct sums *s, struct sm_text *out)
{
	struct sm_bar bars[MOST_NUMBERS] = {0};
	char notes[MOST_NUMBERS][48];
	if (!s->numbers)
		return;
	for (size_t i = 0; i < s->numbers; i++) {
		bars[i].part[0] = s->numbered[i];
		snprintf(bars[i].name, sizeof bars[i].name, "fold %zu", i);
		snprintf(notes[i], sizeof notes[i], "%zu case%s", s->numbered[i],
			 s->numbered[i] == 1 ? "" : "s");
		bars[i].note = notes[i];
	}
	sm_text_str(out, "<figure class=\"chart broad\">\n<figcaption>Folds of the "
			 "cross-validation</figcaption>\n");
	sm_chart_bars(out, "Cases by number of the fold", bars, s->numbers, 1);
	sm_text_str(out, "</figure>\n");
}

enum sm_status sm_explore_split(const struct sm_explore *x, struct sm_text *out, struct sm_err *err)
{
	const struct sm_ledger *split = &x->from[SM_EX_SPLIT];
	json_int_t shared =
		json_integer_value(json_object_get(x->from[SM_EX_DATA].header, "shared_patients"));
	struct sums s = {0};
	if (!split->header)
		return SM_OK;
	SM_TRY(count(x, &s, err));
	sm_text_f(out,
		  "<section id=\"split\">\n<h2>Split</h2>\n<p>%zu cases of %zu patients, split by "
		  "patient. <code>split.csv</code> lists them.</p>\n",
		  sm_records_count(split->records), s.patients[SM_FOLDS]);
	if (!sm_explore_by_patient(x))
		sm_text_f(out,
			  "<p>The samples follow a rule of their own (<code>pair.split</code>): "
			  "those of "
			  "%lld patient%s stand in more than one fold.</p>\n",
			  (long long)shared, shared == 1 ? "" : "s");
	fold_bars(x, &s, out);
	numbered_folds(&s, out);
	sm_text_str(out, "</section>\n");
	return SM_OK;
}
