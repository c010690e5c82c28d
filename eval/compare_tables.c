/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "eval/compare.h"

size_t sm_compare_cases(const struct sm_comparing *c)
{
	return c->pairs ? sm_scorebook_cases(c->pair[0].book) : 0;
}

/* ---- CSV ------------------------------------------------------------------------------------- */

static void csv_names(const struct sm_comparing *c, const struct sm_rated *p, struct sm_text *out)
{
	sm_text_f(out, "%s,%s", c->member[p->reference].name, c->member[p->compared].name);
}

static void csv_row(const struct sm_comparing *c, size_t row, struct sm_text *out)
{
	char labels[SM_REGION_LABELS];
	sm_region_labels(&c->map, row, labels);
	sm_text_f(out, ",%s,", c->map.row[row].key);
	sm_text_csv(out, labels);
}

static void csv_number(struct sm_text *out, double v)
{
	sm_text_str(out, ",");
	sm_text_number(out, v, 6, "");
}

/* All rows of one case and pair. */
static void pair_rows(const struct sm_comparing *c, const struct sm_rated *p, const char *key,
		      const struct sm_case_scores *s, struct sm_text *out)
{
	for (size_t r = 0; r < c->map.n; r++) {
		const struct sm_counts *n = &s->counts[r];
		sm_text_csv(out, key);
		sm_text_str(out, ",");
		csv_names(c, p, out);
		csv_row(c, r, out);
		for (size_t k = 0; k < c->columns.n; k++) {
			sm_text_str(out, ",");
			sm_text_cell(out, &s->cell[r * s->columns + k], 6, "");
		}
		sm_text_f(out, ",%s,%llu,%llu,%llu,%llu\n", sm_situation_keys[s->situation[r]],
			  (unsigned long long)n->tp, (unsigned long long)n->fp,
			  (unsigned long long)n->fn, (unsigned long long)n->tn);
	}
}

/* pairs.csv goes to its file case by case. */
static enum sm_status write_pairs(struct sm_comparing *c, json_t *outputs, struct sm_err *err)
{
	struct sm_outfile file = {0};
	struct sm_text text = {0};
	struct sm_case_scores s = {0};
	char hex[65], *path = sm_path_join(c->run->out, "pairs.csv");
	enum sm_status st = path ? SM_OK : SM_FAIL(err, SM_BUDGET, "pairs.csv: out of memory");
	if (st == SM_OK)
		SM_GOTO(st, sm_outfile_begin(&file, path, true, err));
	SM_GOTO(st, sm_case_scores_init(&s, c->map.n, c->columns.n, err));
	sm_text_str(&text, "case,reference,compared,region,labels");
	for (size_t k = 0; k < c->columns.n; k++)
		sm_text_f(&text, ",%s", c->columns.at[k].key);
	sm_text_str(&text, ",situation,tp,fp,fn,tn\n");
	for (size_t i = 0; i <= sm_compare_cases(c); i++) {
		for (size_t p = 0; p < c->pairs && i < sm_compare_cases(c); p++) {
			struct sm_scorebook *book = c->pair[p].book;
			SM_GOTO(st, sm_scorebook_case(book, i, &s, err));
			pair_rows(c, &c->pair[p], sm_scorebook_key(book, i), &s, &text);
		}
		SM_GOTO(st, sm_text_check(&text, "pairs.csv", err));
		if (fwrite(text.data, 1, text.n, file.stream) != text.n)
			SM_GOTO(st, SM_FAIL(err, SM_IO, "pairs.csv: cannot be written"));
		text.n = 0;
	}
	SM_GOTO(st, sm_outfile_commit(&file, err));
	SM_GOTO(st, sm_sha256_file(path, hex, err));
	json_array_append_new(outputs, json_pack("{s:s, s:s, s:s}", "path", "pairs.csv", "role",
						 "pairs", "sha256", hex));
out:
	sm_outfile_abandon(&file);
	sm_text_clear(&text);
	sm_case_scores_clear(&s);
	free(path);
	return st;
}

static void summary_csv(const struct sm_comparing *c, struct sm_text *out)
{
	sm_text_str(out,
		    "reference,compared,region,labels,metric,unit,mean,sd,median,q1,q3,min,max,"
		    "ci_low,ci_high,n,both_empty,reference_empty,compared_empty,infinite,left_"
		    "out\n");
	for (size_t p = 0; p < c->pairs; p++)
		for (size_t r = 0; r < c->map.n; r++)
			for (size_t k = 0; k < c->columns.n; k++) {
				const struct sm_summary_cell *cell =
					sm_summary_at(&c->pair[p].summary, r, k);
				const struct sm_spread *s = &cell->s;
				const double v[] = {s->mean, s->sd,  s->median, s->q1,    s->q3,
						    s->min,  s->max, s->low95,  s->high95};
				csv_names(c, &c->pair[p], out);
				csv_row(c, r, out);
				sm_text_f(out, ",%s,%s", c->columns.at[k].key,
					  c->columns.at[k].metric->unit);
				for (size_t i = 0; i < SM_COUNT(v); i++)
					csv_number(out, v[i]);
				sm_text_f(out, ",%zu,%zu,%zu,%zu,%zu,%zu\n", s->n,
					  cell->situation[SM_BOTH_EMPTY],
					  cell->situation[SM_TRUTH_EMPTY],
					  cell->situation[SM_PREDICTION_EMPTY], s->infinite,
					  s->left_out);
			}
}

/* staple.csv: a row a case, region and rater, from the records. */
static enum sm_status staple_csv(const struct sm_comparing *c, struct sm_text *out,
				 struct sm_err *err)
{
	size_t i;
	json_t *record;
	sm_text_str(out, "case,region,labels,rater,sensitivity,specificity,prior,iterations,"
			 "converged\n");
	sm_records_foreach(c->run->ledger.records, i, record)
	{
		const json_t *staple = json_object_get(record, "staple");
		for (size_t r = 0; staple && r < c->map.n; r++)
			for (size_t m = 0; m < c->raters; m++) {
				const json_t *one = json_object_get(staple, c->map.row[r].key);
				const json_t *v = json_object_get(json_object_get(one, "raters"),
								  c->member[m].name);
				const json_t *yes = json_object_get(v, "sensitivity"),
					     *no = json_object_get(v, "specificity");
				sm_text_csv(out, sm_record_key(record));
				csv_row(c, r, out);
				sm_text_f(out, ",%s", c->member[m].name);
				csv_number(out, json_is_number(yes) ? json_number_value(yes) : NAN);
				csv_number(out, json_is_number(no) ? json_number_value(no) : NAN);
				csv_number(out, json_number_value(json_object_get(one, "prior")));
				sm_text_f(out, ",%lld,%s\n",
					  (long long)json_integer_value(
						  json_object_get(one, "iterations")),
					  json_is_true(json_object_get(one, "converged")) ? "yes"
											  : "no");
			}
	}
	return sm_records_check(c->run->ledger.records, err);
}

static void tests_csv(const struct sm_comparing *c, struct sm_text *out)
{
	sm_text_str(out, "a,b,region,labels,metric,n,left_out,difference,ci_low,ci_high,wilcoxon_p,"
			 "wilcoxon_holm,wilcoxon_exact,permutation_p,permutation_holm,permutation_"
			 "exact,wilcoxon_n,no_number,infinite\n");
	for (size_t i = 0; i < c->tests; i++) {
		const struct sm_rater_test *t = &c->test[i];
		sm_text_f(out, "%s,%s", c->member[t->a].name, c->member[t->b].name);
		csv_row(c, t->row, out);
		sm_text_f(out, ",%s,%zu,%zu", c->columns.at[t->column].key, t->n, t->left_out);
		csv_number(out, t->difference);
		csv_number(out, t->low);
		csv_number(out, t->high);
		csv_number(out, t->wilcoxon.p);
		csv_number(out, t->holm_wilcoxon);
		sm_text_str(out, t->wilcoxon.exact ? ",yes" : ",no");
		csv_number(out, t->permutation.p);
		csv_number(out, t->holm_permutation);
		sm_text_f(out, ",%s,%zu,%zu,%zu\n", t->permutation.exact ? "yes" : "no",
			  t->wilcoxon.n, t->no_number, t->infinite);
	}
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *test_to_json(const struct sm_comparing *c, const struct sm_rater_test *t)
{
	json_t *one = json_object();
	json_object_set_new(one, "a", json_string(c->member[t->a].name));
	json_object_set_new(one, "b", json_string(c->member[t->b].name));
	json_object_set_new(one, "region", json_string(c->map.row[t->row].key));
	json_object_set_new(one, "metric", json_string(c->columns.at[t->column].key));
	json_object_set_new(one, "n", json_integer((json_int_t)t->n));
	json_object_set_new(one, "left_out", json_integer((json_int_t)t->left_out));
	json_object_set_new(one, "no_number", json_integer((json_int_t)t->no_number));
	json_object_set_new(one, "infinite", json_integer((json_int_t)t->infinite));
	json_object_set_new(one, "wilcoxon_n", json_integer((json_int_t)t->wilcoxon.n));
	json_object_set_new(one, "difference", number(t->difference));
	json_object_set_new(one, "low95", number(t->low));
	json_object_set_new(one, "high95", number(t->high));
	json_object_set_new(one, "wilcoxon_p", number(t->wilcoxon.p));
	json_object_set_new(one, "wilcoxon_holm", number(t->holm_wilcoxon));
	json_object_set_new(one, "permutation_p", number(t->permutation.p));
	json_object_set_new(one, "permutation_holm", number(t->holm_permutation));
	return one;
}

static json_t *quality_to_json(const struct sm_comparing *c)
{
	json_t *rows = json_object();
	for (size_t r = 0; r < c->map.n; r++) {
		json_t *raters = json_object();
		json_object_set_new(rows, c->map.row[r].key, raters);
		for (size_t m = 0; m < c->raters; m++) {
			const struct sm_rater_quality *q = &c->quality[r * c->raters + m];
			json_t *one = json_object();
			json_object_set_new(one, "sensitivity", number(q->sensitivity.mean));
			json_object_set_new(one, "sensitivity_sd", number(q->sensitivity.sd));
			json_object_set_new(one, "specificity", number(q->specificity.mean));
			json_object_set_new(one, "specificity_sd", number(q->specificity.sd));
			json_object_set_new(one, "n", json_integer((json_int_t)q->sensitivity.n));
			json_object_set_new(raters, c->member[m].name, one);
		}
	}
	return rows;
}

static enum sm_status summary_json(const struct sm_comparing *c, struct sm_text *out,
				   struct sm_err *err)
{
	json_t *all = json_object(), *pairs = json_array();
	json_object_set_new(all, "cases", json_integer((json_int_t)sm_compare_cases(c)));
	json_object_set(all, "members", json_object_get(c->run->ledger.header, "members"));
	json_object_set_new(all, "empty", json_string(sm_policy_names[c->section.empty]));
	json_object_set_new(all, "pairs", pairs);
	for (size_t p = 0; p < c->pairs; p++) {
		json_t *one = json_object();
		json_object_set_new(one, "reference",
				    json_string(c->member[c->pair[p].reference].name));
		json_object_set_new(one, "compared",
				    json_string(c->member[c->pair[p].compared].name));
		json_object_set_new(one, "summary",
				    sm_summary_to_json(&c->pair[p].summary, c->pair[p].book,
						       &c->map, &c->columns));
		json_array_append_new(pairs, one);
	}
	if (c->quality)
		json_object_set_new(all, "staple", quality_to_json(c));
	if (c->tests) {
		json_t *tests = json_array();
		for (size_t i = 0; i < c->tests; i++)
			json_array_append_new(tests, test_to_json(c, &c->test[i]));
		json_object_set_new(all, "tests", tests);
	}
	char *line = sm_json_line(all);
	json_decref(all);
	if (!line)
		return SM_FAIL(err, SM_BUDGET, "summary.json: out of memory");
	sm_text_str(out, line);
	sm_text_str(out, "\n");
	free(line);
	return SM_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static enum sm_status write_files(struct sm_comparing *c, json_t *outputs, struct sm_err *err)
{
	struct sm_run *run = c->run;
	struct sm_text summary = {0}, staple = {0}, tests = {0}, json = {0};
	struct sm_compare_pages pages = {{0}, {0}};
	enum sm_status st;
	SM_GOTO(st, write_pairs(c, outputs, err));
	summary_csv(c, &summary);
	SM_GOTO(st, sm_run_write(run, "summary.csv", "summary", &summary, outputs, err));
	if (c->staple != SM_NONE) {
		SM_GOTO(st, staple_csv(c, &staple, err));
		SM_GOTO(st, sm_run_write(run, "staple.csv", "staple", &staple, outputs, err));
	}
	if (c->tests) {
		tests_csv(c, &tests);
		SM_GOTO(st, sm_run_write(run, "tests.csv", "tests", &tests, outputs, err));
	}
	sm_compare_pages_make(c, &pages);
	SM_GOTO(st, sm_run_write(run, "table.md", "table", &pages.md, outputs, err));
	SM_GOTO(st, sm_run_write(run, "table.tex", "table", &pages.tex, outputs, err));
	SM_GOTO(st, summary_json(c, &json, err));
	st = sm_run_write(run, "summary.json", "summary", &json, outputs, err);
out:
	sm_text_clear(&summary);
	sm_text_clear(&staple);
	sm_text_clear(&tests);
	sm_text_clear(&json);
	sm_text_clear(&pages.md);
	sm_text_clear(&pages.tex);
	return st;
}

enum sm_status sm_compare_write(struct sm_comparing *c, struct sm_err *err)
{
	struct sm_text screen = {0};
	json_t *outputs = json_array();
	enum sm_status st = SM_OK;
	json_object_set_new(c->run->ledger.header, "outputs", outputs);
	if (c->run->out)
		SM_GOTO(st, write_files(c, outputs, err));
	if (sm_compare_cases(c))
		sm_compare_print(c, &screen);
	SM_GOTO(st, sm_text_check(&screen, "table", err));
	if (screen.n)
		fputs(screen.data, stdout);
out:
	sm_text_clear(&screen);
	return st;
}
