/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "eval/compare.h"

const struct sm_rated *sm_compare_pair(const struct sm_comparing *c, size_t reference,
				       size_t compared)
{
	for (size_t p = 0; p < c->pairs; p++)
		if (c->pair[p].reference == reference && c->pair[p].compared == compared)
			return &c->pair[p];
	return NULL;
}

void sm_compare_clear(struct sm_comparing *c)
{
	for (size_t p = 0; p < c->pairs; p++) {
		sm_scorebook_close(c->pair[p].book);
		sm_summary_clear(&c->pair[p].summary);
	}
	sm_free(c->pair);
	sm_free(c->quality);
	sm_free(c->test);
	c->pair = NULL;
	c->quality = NULL;
	c->test = NULL;
	c->pairs = c->tests = 0;
}

/* ---- books ----------------------------------------------------------------------------------- */

/* A book for each pair, in the order of a record's pairs: those without fusions first. */
static enum sm_status open_books(struct sm_comparing *c, struct sm_err *err)
{
	struct sm_run *run = c->run;
	c->pair = sm_calloc(&run->mem, c->members * c->members + 1, sizeof *c->pair, "scores", err);
	if (!c->pair)
		return SM_BUDGET;
	for (int fusions = 0; fusions < 2; fusions++)
		for (size_t r = 0; r < c->members; r++)
			for (size_t m = 0; m < c->members; m++) {
				bool fused = c->member[r].kind > SM_MEMBER_TRUTH ||
					     c->member[m].kind > SM_MEMBER_TRUTH;
				if (fused != (fusions == 1) || !sm_members_meet(c, r, m))
					continue;
				struct sm_rated *p = &c->pair[c->pairs++];
				p->reference = r;
				p->compared = m;
				SM_TRY(sm_scorebook_open(run->out, c->map.n, c->columns.n, &p->book,
							 err));
			}
	return SM_OK;
}

static enum sm_status add_record(struct sm_comparing *c, const json_t *record, struct sm_err *err)
{
	const json_t *pairs = json_object_get(record, "pairs");
	const char *key = sm_record_key(record);
	for (size_t p = 0; p < c->pairs; p++) {
		const json_t *one = json_array_get(pairs, p);
		struct sm_case_scores s;
		SM_TRY(sm_case_scores_from_json(&c->map, &c->columns, one, key, &s, err));
		enum sm_status st = sm_scorebook_add(c->pair[p].book, key,
						     sm_json_text(record, "patient"), &s, err);
		sm_case_scores_clear(&s);
		SM_TRY(st);
	}
	return SM_OK;
}

/* ---- quality --------------------------------------------------------------------------------- */

/* Column i of a row's rater over all records: 0 sensitivity, 1 specificity. */
static enum sm_status read_quality(struct sm_comparing *c, double *value, size_t n,
				   struct sm_err *err)
{
	static const char *const keys[2] = {"sensitivity", "specificity"};
	size_t i, k = 0;
	json_t *record;
	sm_records_foreach(c->run->ledger.records, i, record)
	{
		const json_t *staple = json_object_get(record, "staple");
		if (!sm_record_ok(record))
			continue;
		for (size_t row = 0; row < c->map.n; row++)
			for (size_t r = 0; r < c->raters; r++) {
				const json_t *one = json_object_get(
					json_object_get(
						json_object_get(staple, c->map.row[row].key),
						"raters"),
					c->member[r].name);
				for (size_t what = 0; what < 2; what++) {
					const json_t *v = json_object_get(one, keys[what]);
					value[((row * c->raters + r) * 2 + what) * n + k] =
						json_is_number(v) ? json_number_value(v) : NAN;
				}
			}
		k++;
	}
	return sm_records_check(c->run->ledger.records, err);
}

static enum sm_status rate(struct sm_comparing *c, size_t n, struct sm_err *err)
{
	struct sm_run *run = c->run;
	size_t cells = c->map.n * c->raters;
	double *value = sm_alloc(&run->mem, cells * 2 + 1, (n + 1) * sizeof *value, "STAPLE", err);
	enum sm_status st = SM_BUDGET;
	c->quality = sm_calloc(&run->mem, cells + 1, sizeof *c->quality, "STAPLE", err);
	if (!value || !c->quality)
		goto out;
	SM_GOTO(st, read_quality(c, value, n, err));
	const struct sm_resampling none = {.name = "", .level = 0.95, .jobs = 1};
	for (size_t i = 0; i < cells; i++) {
		SM_GOTO(st, sm_spread_of(value + 2 * i * n, NULL, n, &none,
					 &c->quality[i].sensitivity, err));
		SM_GOTO(st, sm_spread_of(value + (2 * i + 1) * n, NULL, n, &none,
					 &c->quality[i].specificity, err));
	}
out:
	sm_free(value);
	return st;
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* Pairs of two raters against the truth, a patient once; room for n each. */
struct paired {
	double *a, *b;               /* of numbers */
	double *ranked_a, *ranked_b; /* without NaN: infinite values have a rank */
	size_t ranked;
};

/* Cases are the same ones in the same order in every book. */
static enum sm_status pair_up(struct sm_comparing *c, struct sm_rater_test *t, size_t cases,
			      struct paired *p, struct sm_err *err)
{
	struct sm_scorebook *book[2] = {sm_compare_pair(c, c->truth, t->a)->book,
					sm_compare_pair(c, c->truth, t->b)->book};
	const uint32_t *patients = sm_scorebook_clusters(book[0], NULL);
	struct sm_cell *cell = sm_alloc(NULL, cases + 1, 2 * sizeof *cell, "paired scores", err);
	double *x = sm_alloc(NULL, cases + 1, 2 * sizeof *x, "paired scores", err);
	enum sm_status st = SM_BUDGET;
	if (!cell || !x)
		goto out;
	for (size_t s = 0; s < 2; s++)
		SM_GOTO(st, sm_scorebook_column(book[s], t->row, t->column, cell + s * cases, err));
	for (size_t i = 0; i < cases; i++) {
		x[i] = sm_cell_number(&cell[i]);
		x[cases + i] = sm_cell_number(&cell[cases + i]);
		if (isnan(x[i]) || isnan(x[cases + i]))
			t->no_number++;
		else
			t->infinite += isinf(x[i]) || isinf(x[cases + i]);
	}
	t->left_out = t->no_number + t->infinite;
	SM_GOTO(st, sm_cluster_means(x, x + cases, patients, cases, p->a, p->b, &t->n, err));
	st = sm_cluster_means_infinite(x, x + cases, patients, cases, p->ranked_a, p->ranked_b,
				       &p->ranked, err);
out:
	sm_free(cell);
	sm_free(x);
	return st;
}

static enum sm_status test_one(struct sm_comparing *c, struct sm_rater_test *t, size_t cases,
			       struct paired *p, struct sm_err *err)
{
	double *a = p->a, *b = p->b;
	enum sm_interval why;
	char name[2 * SM_MEMBER_NAME + SM_MAP_NAME + 40];
	snprintf(name, sizeof name, "%s/%s/%s/%s", c->map.row[t->row].key,
		 c->columns.at[t->column].key, c->member[t->a].name, c->member[t->b].name);
	const struct sm_resampling how = {.seed = c->run->seed,
					  .name = name,
					  .resamples = (size_t)c->section.resamples,
					  .level = 0.95,
					  .jobs = c->run->jobs};
	struct sm_resampling signs = how;
	double sum = 0;
	signs.resamples = signs.resamples ? signs.resamples : SM_RESAMPLES; /* 0: no intervals */
	SM_TRY(pair_up(c, t, cases, p, err));
	SM_TRY(sm_wilcoxon(p->ranked_a, p->ranked_b, p->ranked, &t->wilcoxon, err));
	SM_TRY(sm_permutation(a, b, t->n, &signs, &t->permutation, err));
	for (size_t i = 0; i < t->n; i++)
		sum += a[i] -= b[i];
	t->difference = t->n ? sum / (double)t->n : NAN;
	return sm_bootstrap_bca(a, NULL, t->n, &how, &t->low, &t->high, &why, err);
}

/* Holm's correction within one column. */
static enum sm_status adjust(struct sm_rater_test *t, size_t n, struct sm_err *err)
{
	double *p = sm_alloc(NULL, 2 * n + 1, sizeof *p, "p values", err);
	if (!p)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++) {
		p[i] = t[i].wilcoxon.p;
		p[n + i] = t[i].permutation.p;
	}
	enum sm_status st = sm_holm(p, n, err);
	if (st == SM_OK)
		st = sm_holm(p + n, n, err);
	for (size_t i = 0; st == SM_OK && i < n; i++) {
		t[i].holm_wilcoxon = p[i];
		t[i].holm_permutation = p[n + i];
	}
	sm_free(p);
	return st;
}

static enum sm_status test_all(struct sm_comparing *c, size_t cases, struct sm_err *err)
{
	size_t duels = c->raters * (c->raters - 1) / 2, rows = c->map.shown;
	enum sm_status st = SM_BUDGET;
	double *a = sm_alloc(NULL, cases + 1, 4 * sizeof *a, "paired scores", err);
	c->test = sm_calloc(&c->run->mem, c->columns.n * rows * duels + 1, sizeof *c->test,
			    "paired tests", err);
	if (!a || !c->test)
		goto out;
	struct paired p = {a, a + cases, a + 2 * cases, a + 3 * cases, 0};
	st = SM_OK;
	for (size_t column = 0; column < c->columns.n; column++) {
		struct sm_rater_test *family = c->test + c->tests;
		for (size_t row = 0; row < rows; row++)
			for (size_t i = 0; i < c->raters; i++)
				for (size_t k = i + 1; k < c->raters; k++) {
					struct sm_rater_test *t = &c->test[c->tests++];
					*t = (struct sm_rater_test){
						.a = i, .b = k, .row = row, .column = column};
					SM_GOTO(st, test_one(c, t, cases, &p, err));
				}
		SM_GOTO(st, adjust(family, rows * duels, err));
	}
out:
	sm_free(a);
	return st;
}

enum sm_status sm_compare_sum_up(struct sm_comparing *c, struct sm_err *err)
{
	const struct sm_summary_settings how = {.seed = c->run->seed,
						.resamples = (size_t)c->section.resamples,
						.jobs = c->run->jobs};
	enum sm_status st = SM_OK;
	size_t i, cases = 0;
	json_t *record;
	SM_TRY(open_books(c, err));
	sm_records_foreach(c->run->ledger.records, i, record)
	{
		if (st != SM_OK || !sm_record_ok(record))
			continue;
		st = add_record(c, record, err);
		cases++;
	}
	SM_TRY(st);
	SM_TRY(sm_records_check(c->run->ledger.records, err));
	for (size_t p = 0; p < c->pairs; p++)
		SM_TRY(sm_summarise(c->pair[p].book, &c->map, &c->columns, &how,
				    &c->pair[p].summary, err));
	if (c->staple != SM_NONE)
		SM_TRY(rate(c, cases, err));
	/* A test of one case says nothing. */
	return c->truth != SM_NONE && cases > 1 ? test_all(c, cases, err) : SM_OK;
}
