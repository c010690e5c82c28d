/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* nnU-Net's own numbers, in the order in which its writer sorts them; other columns follow under
 * their keys. */
enum { KEY = 6 * SM_MAP_CLASSES }; /* "(1, 2, 4)" */
enum { N_DICE, N_FN, N_FP, N_IOU, N_TN, N_TP, N_PRED, N_REF, N_OWN };
static const char *const own_names[N_OWN] = {"Dice", "FN", "FP",     "IoU",
					     "TN",   "TP", "n_pred", "n_ref"};

/* What the whole file needs. */
struct file {
	struct sm_scorebook *book;
	struct sm_records *records;
	const struct sm_label_map *map;
	const struct sm_columns *columns;
	size_t own[N_OWN];          /* column of Dice, of IoU; columns->n = none */
	char key[SM_MAP_ROWS][KEY]; /* "" = stands there already */
	FILE *stream;
	struct sm_err *err;
};

/* A region is named as Python prints the tuple of its labels, a single label by its number. */
static void name_row(const struct sm_label_map *map, size_t row, char out[KEY])
{
	size_t n = 0, members = (size_t)__builtin_popcountll(map->row[row].members);
	out[0] = '\0';
	for (size_t c = 0; c < map->classes; c++)
		if (map->row[row].members >> c & 1)
			n += (size_t)snprintf(out + n, KEY - n, "%s%u",
					      n             ? ", "
					      : members > 1 ? "("
							    : "",
					      (unsigned)map->value[c]);
	if (members > 1)
		snprintf(out + n, KEY - n, ")");
}

static void name_rows(struct file *f)
{
	for (size_t r = 0; r < f->map->n; r++) {
		name_row(f->map, r, f->key[r]);
		for (size_t k = 0; k < r; k++)
			if (strcmp(f->key[k], f->key[r]) == 0)
				f->key[r][0] = '\0';
	}
}

static double share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : NAN;
}

static void own_numbers(const struct file *f, const struct sm_counts *c, double dice, double iou,
			double v[N_OWN])
{
	v[N_DICE] =
		f->own[N_DICE] < f->columns->n ? dice : share(2 * c->tp, 2 * c->tp + c->fp + c->fn);
	v[N_IOU] = f->own[N_IOU] < f->columns->n ? iou : share(c->tp, c->tp + c->fp + c->fn);
	v[N_FN] = (double)c->fn;
	v[N_FP] = (double)c->fp;
	v[N_TN] = (double)c->tn;
	v[N_TP] = (double)c->tp;
	v[N_PRED] = (double)(c->tp + c->fp);
	v[N_REF] = (double)(c->tp + c->fn);
}

static bool is_own(const struct file *f, size_t column)
{
	return column == f->own[N_DICE] || column == f->own[N_IOU];
}

/* Counts stay whole numbers. */
static json_t *number(double v, bool whole)
{
	if (!isfinite(v))
		return json_null();
	return whole ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *case_row(const struct file *f, const struct sm_case_scores *s, size_t row)
{
	const struct sm_cell *cell = &s->cell[row * s->columns];
	double v[N_OWN], at[2];
	json_t *o = json_object();
	for (int k = 0; k < 2; k++) {
		size_t column = f->own[k ? N_IOU : N_DICE];
		at[k] = column < f->columns->n ? sm_cell_number(&cell[column]) : NAN;
	}
	own_numbers(f, &s->counts[row], at[0], at[1], v);
	for (int k = 0; k < N_OWN; k++)
		json_object_set_new(o, own_names[k], number(v[k], k != N_DICE && k != N_IOU));
	for (size_t c = 0; c < f->columns->n; c++)
		if (!is_own(f, c))
			json_object_set_new(o, f->columns->at[c].key,
					    number(sm_cell_number(&cell[c]), false));
	return o;
}

/* The path of a record's input of this role, or NULL. */
static const char *input_of(const json_t *record, const char *role)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(record, "inputs"), i, one)
	{
		const char *is = json_string_value(json_object_get(one, "role"));
		if (is && strcmp(is, role) == 0)
			return json_string_value(json_object_get(one, "path"));
	}
	return NULL;
}

static void add_files(const struct file *f, const char *key, json_t *o)
{
	static const char *const names[2] = {"prediction_file", "reference_file"};
	static const char *const roles[2] = {"prediction", "truth"};
	json_t *record =
		f->records ? sm_records_get(f->records, sm_records_find(f->records, key)) : NULL;
	for (int k = 0; k < 2; k++) {
		const char *path = input_of(record, roles[k]);
		json_object_set_new(o, names[k], json_string(path ? path : key));
	}
	/* No key of nnU-Net's, and there only where the file named is none. */
	if (json_is_true(json_object_get(record, "prediction_missing")))
		json_object_set_new(o, "prediction_missing", json_true());
	json_decref(record);
}

/* Prints an object on a line and frees it. */
static enum sm_status print(const struct file *f, const char *before, json_t *o)
{
	char *text = o ? json_dumps(o, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	json_decref(o);
	if (!text)
		return SM_FAIL(f->err, SM_BUDGET, "summary.json: out of memory");
	int done = fprintf(f->stream, "%s%s", before, text);
	free(text);
	return done < 0
		       ? SM_FAIL(f->err, SM_IO, "summary.json: writing failed: %s", strerror(errno))
		       : SM_OK;
}

static enum sm_status print_case(const struct file *f, size_t i, struct sm_case_scores *s)
{
	const char *key = sm_scorebook_key(f->book, i);
	SM_TRY(sm_scorebook_case(f->book, i, s, f->err));
	json_t *o = json_object(), *rows = json_object();
	json_object_set_new(o, "metrics", rows);
	for (size_t r = 0; r < f->map->n; r++)
		if (f->key[r][0])
			json_object_set_new(rows, f->key[r], case_row(f, s, r));
	add_files(f, key, o);
	return print(f, i ? ",\n" : "\n", o);
}

static enum sm_status print_cases(const struct file *f)
{
	struct sm_case_scores s;
	enum sm_status st = SM_OK;
	SM_TRY(sm_case_scores_init(&s, f->map->n, f->columns->n, f->err));
	for (size_t i = 0; st == SM_OK && i < sm_scorebook_cases(f->book); i++)
		st = print_case(f, i, &s);
	sm_case_scores_clear(&s);
	return st;
}

/* Mean of what is a number, as numpy.nanmean; infinite values are no numbers here. */
static double mean_of(double *v, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < n; i++)
		if (isfinite(v[i]))
			v[kept++] = v[i];
	return kept ? sm_sum_f64(v, kept) / (double)kept : NAN;
}

/* Means of a row: N_OWN numbers, then one a column. */
static enum sm_status row_means(const struct file *f, size_t row, double *mean)
{
	const size_t n = sm_scorebook_cases(f->book);
	struct sm_cell *cell = sm_alloc(NULL, 2 * n + 1, sizeof *cell, "summary.json", f->err);
	struct sm_counts *c = sm_alloc(NULL, n + 1, sizeof *c, "summary.json", f->err);
	double *v = sm_alloc(NULL, N_OWN * n + 1, sizeof *v, "summary.json", f->err);
	enum sm_status st = SM_BUDGET;
	if (!cell || !c || !v)
		goto out;
	SM_GOTO(st, sm_scorebook_counts(f->book, row, c, f->err));
	for (int k = 0; k < 2; k++)
		if (f->own[k ? N_IOU : N_DICE] < f->columns->n)
			SM_GOTO(st, sm_scorebook_column(f->book, row, f->own[k ? N_IOU : N_DICE],
							cell + (size_t)k * n, f->err));
	for (size_t i = 0; i < n; i++) {
		double own[N_OWN];
		own_numbers(
			f, &c[i], f->own[N_DICE] < f->columns->n ? sm_cell_number(&cell[i]) : NAN,
			f->own[N_IOU] < f->columns->n ? sm_cell_number(&cell[n + i]) : NAN, own);
		for (size_t k = 0; k < N_OWN; k++)
			v[k * n + i] = own[k];
	}
	for (size_t k = 0; k < N_OWN; k++)
		mean[k] = mean_of(v + k * n, n);
	for (size_t k = 0; k < f->columns->n; k++) {
		SM_GOTO(st, sm_scorebook_column(f->book, row, k, cell, f->err));
		for (size_t i = 0; i < n; i++)
			v[i] = sm_cell_number(&cell[i]);
		mean[N_OWN + k] = mean_of(v, n);
	}
out:
	sm_free(v);
	sm_free(c);
	sm_free(cell);
	return st;
}

static json_t *means_to_json(const struct file *f, const double *mean)
{
	json_t *o = json_object();
	for (size_t k = 0; k < N_OWN; k++)
		json_object_set_new(o, own_names[k], number(mean[k], false));
	for (size_t c = 0; c < f->columns->n; c++)
		if (!is_own(f, c))
			json_object_set_new(o, f->columns->at[c].key,
					    number(mean[N_OWN + c], false));
	return o;
}

/* nnU-Net has regions or labels, and its foreground is the mean of the means of all of them. Ours
 * has both: regions make the foreground where there are any. */
static bool is_foreground(const struct sm_label_map *map, size_t row)
{
	return map->regions ? row < map->regions : row >= map->singles;
}

static enum sm_status print_means(const struct file *f)
{
	const size_t n = N_OWN + f->columns->n;
	double *mean = sm_calloc(NULL, 2 * n, sizeof *mean, "summary.json", f->err);
	json_t *rows = json_object();
	size_t count = 0;
	enum sm_status st = mean && rows ? SM_OK : SM_BUDGET;
	for (size_t r = 0; st == SM_OK && r < f->map->n; r++) {
		if (!f->key[r][0])
			continue;
		SM_GOTO(st, row_means(f, r, mean));
		json_object_set_new(rows, f->key[r], means_to_json(f, mean));
		if (!is_foreground(f->map, r))
			continue;
		/* A mean that is none makes the foreground's none, as numpy.mean does. */
		for (size_t k = 0; k < n; k++)
			mean[n + k] += mean[k];
		count++;
	}
	if (st != SM_OK)
		goto out;
	for (size_t k = 0; k < n; k++)
		mean[n + k] = count ? mean[n + k] / (double)count : NAN;
	SM_GOTO(st, print(f, "\n],\n\"mean\": ", json_incref(rows)));
	st = print(f, ",\n\"foreground_mean\": ", means_to_json(f, mean + n));
out:
	json_decref(rows);
	sm_free(mean);
	return st;
}

enum sm_status sm_summary_nnunet(struct sm_scorebook *book, struct sm_records *records,
				 const struct sm_label_map *map, const struct sm_columns *columns,
				 struct sm_outfile *out, struct sm_err *err)
{
	struct file *f = sm_calloc(NULL, 1, sizeof *f, "summary.json", err);
	if (!f)
		return SM_BUDGET;
	*f = (struct file){.book = book,
			   .records = records,
			   .map = map,
			   .columns = columns,
			   .stream = out->stream,
			   .err = err};
	f->own[N_DICE] = sm_column_find(columns, "dice");
	f->own[N_IOU] = sm_column_find(columns, "iou");
	name_rows(f);
	enum sm_status st = SM_OK;
	if (fputs("{\"metric_per_case\": [", f->stream) < 0)
		st = SM_FAIL(err, SM_IO, "summary.json: writing failed: %s", strerror(errno));
	if (st == SM_OK)
		st = print_cases(f);
	if (st == SM_OK)
		st = print_means(f);
	if (st == SM_OK && fputs("\n}\n", f->stream) < 0)
		st = SM_FAIL(err, SM_IO, "summary.json: writing failed: %s", strerror(errno));
	sm_free(f);
	return st;
}
