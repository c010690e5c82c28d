/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/par.h"

/* How bad a value is, whatever the metric. */
static double badness(const struct sm_metric *metric, double v)
{
	if (isinf(v))
		return INFINITY;
	switch (metric->better) {
	case SM_IS_HIGH:
		return -v;
	case SM_IS_LOW:
		return v;
	default:
		return fabs(v);
	}
}

static void find_worst(const struct sm_metric *metric, const double *v, size_t n,
		       size_t worst[SM_WORST])
{
	size_t found = 0;
	for (size_t k = 0; k < SM_WORST; k++)
		worst[k] = SM_NONE;
	for (size_t i = 0; i < n; i++) {
		if (isnan(v[i]))
			continue;
		double bad = badness(metric, v[i]);
		size_t at = found;
		while (at && bad > badness(metric, v[worst[at - 1]]))
			at--;
		if (at == SM_WORST)
			continue;
		found += found < SM_WORST;
		for (size_t k = found - 1; k > at; k--)
			worst[k] = worst[k - 1];
		worst[at] = i;
	}
}

/* Values of some cells at a time: as many as make 16 MiB, so that they share the draws of the
 * bootstrap. */
enum { CHUNK_BYTES = 16 << 20, LEAST_CELLS = 4, MOST_CELLS = 128 };

struct job {
	const struct sm_scorebook *book;
	const struct sm_label_map *map;
	const struct sm_columns *columns;
	const struct sm_summary_settings *settings;
	const uint32_t *cluster;
	struct sm_summary *out;
	size_t from; /* first cell of the chunk */
	double *v;   /* one of each case, cell after cell */
};

/* Values and worst cases of a cell of the chunk. */
static enum sm_status read_cell(void *ctx, size_t k, struct sm_err *err)
{
	const struct job *j = ctx;
	const size_t n = j->out->cases, index = j->from + k;
	const size_t row = index / j->out->columns, column = index % j->out->columns;
	double *v = j->v + k * n;
	struct sm_cell *cell = sm_alloc(NULL, n + 1, sizeof *cell, "summary", err);
	if (!cell)
		return SM_BUDGET;
	enum sm_status st = sm_scorebook_column(j->book, row, column, cell, err);
	for (size_t i = 0; st == SM_OK && i < n; i++)
		v[i] = sm_cell_number(&cell[i]);
	if (st == SM_OK)
		find_worst(j->columns->at[column].metric, v, n, j->out->at[index].worst);
	sm_free(cell);
	return st;
}

static enum sm_status one_chunk(struct job *j, size_t cells, struct sm_err *err)
{
	const struct sm_resampling how = {.seed = j->settings->seed,
					  .name = "scores",
					  .resamples = j->settings->resamples,
					  .level = 0.95,
					  .jobs = j->settings->jobs};
	const double *v[MOST_CELLS];
	struct sm_spread spread[MOST_CELLS];
	SM_TRY(sm_par_for(cells, j->settings->jobs, read_cell, j, err));
	for (size_t k = 0; k < cells; k++)
		v[k] = j->v + k * j->out->cases;
	SM_TRY(sm_spreads_of(v, cells, j->cluster, j->out->cases, &how, spread, err));
	for (size_t k = 0; k < cells; k++)
		j->out->at[j->from + k].s = spread[k];
	return SM_OK;
}

static enum sm_status all_cells(struct job *j, struct sm_err *err)
{
	const size_t n = j->out->cases, cells = j->out->rows * j->out->columns;
	size_t per = CHUNK_BYTES / ((n + 1) * sizeof *j->v);
	per = per < LEAST_CELLS ? LEAST_CELLS : per > MOST_CELLS ? MOST_CELLS : per;
	enum sm_status st = SM_OK;
	j->v = sm_alloc(NULL, n + 1, per * sizeof *j->v, "summary", err);
	if (!j->v)
		return SM_BUDGET;
	for (j->from = 0; st == SM_OK && j->from < cells; j->from += per)
		st = one_chunk(j, cells - j->from < per ? cells - j->from : per, err);
	sm_free(j->v);
	return st;
}

/* Agreement of the volumes of a row; scans of one patient are alike, and no cases of their own. */
static enum sm_status volumes(const struct job *j, size_t row, const double *voxel_mm3,
			      struct sm_err *err)
{
	const size_t n = j->out->cases;
	struct sm_counts *c = sm_alloc(NULL, n + 1, sizeof *c, "summary", err);
	double *v = c ? sm_alloc(NULL, 2 * n + 1, sizeof *v, "summary", err) : NULL;
	enum sm_status st = SM_BUDGET;
	if (!v)
		goto out;
	SM_GOTO(st, sm_scorebook_counts(j->book, row, c, err));
	for (size_t i = 0; i < n; i++) {
		double ml = voxel_mm3[i] > 0 ? voxel_mm3[i] / 1000 : NAN;
		v[i] = (double)(c[i].tp + c[i].fp) * ml;
		v[n + i] = (double)(c[i].tp + c[i].fn) * ml;
	}
	st = sm_bland_altman(v, v + n, j->cluster, n, &j->out->volume[row], err);
out:
	sm_free(v);
	sm_free(c);
	return st;
}

/* Situations and volumes of all rows. */
static enum sm_status rows(const struct job *j, struct sm_err *err)
{
	const size_t n = j->out->cases;
	double *voxel_mm3 = sm_alloc(NULL, n + 1, sizeof *voxel_mm3, "summary", err);
	uint8_t *situation = voxel_mm3 ? sm_alloc(NULL, n + 1, 1, "summary", err) : NULL;
	enum sm_status st = SM_BUDGET;
	if (!situation)
		goto out;
	SM_GOTO(st, sm_scorebook_voxels(j->book, voxel_mm3, err));
	for (size_t r = 0; r < j->out->rows; r++) {
		size_t of[SM_SITUATIONS] = {0};
		SM_GOTO(st, volumes(j, r, voxel_mm3, err));
		SM_GOTO(st, sm_scorebook_situations(j->book, r, situation, err));
		for (size_t i = 0; i < n; i++)
			of[situation[i]]++;
		for (size_t c = 0; c < j->out->columns; c++)
			memcpy(j->out->at[r * j->out->columns + c].situation, of, sizeof of);
	}
out:
	sm_free(situation);
	sm_free(voxel_mm3);
	return st;
}

enum sm_status sm_summarise(const struct sm_scorebook *book, const struct sm_label_map *map,
			    const struct sm_columns *columns,
			    const struct sm_summary_settings *settings, struct sm_summary *out,
			    struct sm_err *err)
{
	*out = (struct sm_summary){.cases = sm_scorebook_cases(book),
				   .rows = map->n,
				   .columns = columns->n,
				   .resamples = settings->resamples};
	if (map->n != sm_scorebook_rows(book) || columns->n != sm_scorebook_columns(book))
		return SM_FAIL(err, SM_INTERNAL, "scores: %zu x %zu, not %zu x %zu",
			       sm_scorebook_rows(book), sm_scorebook_columns(book), map->n,
			       columns->n);
	const size_t cells = map->n * columns->n;
	struct job j = {.book = book,
			.map = map,
			.columns = columns,
			.settings = settings,
			.cluster = sm_scorebook_clusters(book, &out->patients),
			.out = out};
	enum sm_status st = SM_BUDGET;
	out->at = sm_calloc(NULL, cells + 1, sizeof *out->at, "summary", err);
	out->volume = sm_calloc(NULL, map->n + 1, sizeof *out->volume, "summary", err);
	if (!out->at || !out->volume)
		goto out;
	SM_GOTO(st, rows(&j, err));
	st = all_cells(&j, err);
out:
	if (st != SM_OK)
		sm_summary_clear(out);
	return st;
}

void sm_summary_clear(struct sm_summary *s)
{
	sm_free(s->at);
	sm_free(s->volume);
	*s = (struct sm_summary){0};
}

const struct sm_summary_cell *sm_summary_at(const struct sm_summary *s, size_t row, size_t column)
{
	return &s->at[row * s->columns + column];
}

static void put(json_t *o, const char *key, double v)
{
	json_object_set_new(o, key, isfinite(v) ? json_real(v) : json_null());
}

static void put_count(json_t *o, const char *key, size_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *cell_to_json(const struct sm_summary_cell *cell, const struct sm_scorebook *book)
{
	const struct sm_spread *s = &cell->s;
	json_t *o = json_object(), *worst = json_array();
	put(o, "mean", s->mean);
	put(o, "sd", s->sd);
	put(o, "median", s->median);
	put(o, "q1", s->q1);
	put(o, "q3", s->q3);
	put(o, "min", s->min);
	put(o, "max", s->max);
	put(o, "low95", s->low95);
	put(o, "high95", s->high95);
	put_count(o, "n", s->n);
	put_count(o, "infinite", s->infinite);
	put_count(o, "left_out", s->left_out);
	put_count(o, "units", s->units);
	put_count(o, "resamples", s->resamples);
	if (s->why_no_interval != SM_INTERVAL_DRAWN)
		json_object_set_new(o, "no_interval",
				    json_string(sm_interval_words[s->why_no_interval]));
	for (size_t k = 0; k < SM_WORST && cell->worst[k] != SM_NONE; k++)
		json_array_append_new(worst, json_string(sm_scorebook_key(book, cell->worst[k])));
	json_object_set_new(o, "worst", worst);
	return o;
}

static json_t *pair_of(const double v[2])
{
	return json_pack("[o, o]", isfinite(v[0]) ? json_real(v[0]) : json_null(),
			 isfinite(v[1]) ? json_real(v[1]) : json_null());
}

static json_t *volume_to_json(const struct sm_agreement *g)
{
	json_t *o = json_object();
	put_count(o, "n", g->n);
	put_count(o, "patients", g->patients);
	put(o, "bias_ml", g->bias);
	put(o, "sd_ml", g->sd);
	put(o, "low_ml", g->low);
	put(o, "high_ml", g->high);
	json_object_set_new(o, "bias_interval", pair_of(g->bias_ci));
	json_object_set_new(o, "low_interval", pair_of(g->low_ci));
	json_object_set_new(o, "high_interval", pair_of(g->high_ci));
	put(o, "slope", g->slope);
	if (isfinite(g->within))
		put(o, "sd_within_ml", g->within);
	return o;
}

static json_t *row_to_json(const struct sm_summary *s, const struct sm_scorebook *book, size_t row,
			   const struct sm_columns *columns)
{
	json_t *o = json_object(), *cases = json_object(), *all = json_object();
	for (size_t k = 0; k < SM_SITUATIONS && s->columns; k++)
		put_count(cases, sm_situation_keys[k], sm_summary_at(s, row, 0)->situation[k]);
	for (size_t c = 0; c < s->columns; c++)
		json_object_set_new(all, columns->at[c].key,
				    cell_to_json(sm_summary_at(s, row, c), book));
	json_object_set_new(o, "cases", cases);
	json_object_set_new(o, "volume", volume_to_json(&s->volume[row]));
	json_object_set_new(o, "columns", all);
	return o;
}

json_t *sm_summary_to_json(const struct sm_summary *s, const struct sm_scorebook *book,
			   const struct sm_label_map *map, const struct sm_columns *columns)
{
	json_t *all = json_object(), *regions = json_object();
	put_count(all, "cases", s->cases);
	put_count(all, "patients", s->patients);
	json_object_set_new(all, "intervals",
			    json_pack("{s:s, s:s, s:f, s:I}", "method", "bootstrap, BCa", "unit",
				      s->patients < s->cases ? "patient" : "case", "level", 0.95,
				      "resamples", (json_int_t)s->resamples));
	for (size_t r = 0; r < s->rows; r++)
		json_object_set_new(regions, map->row[r].key, row_to_json(s, book, r, columns));
	json_object_set_new(all, "regions", regions);
	return all;
}
