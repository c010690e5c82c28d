/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_volume.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "ingest/series/dcm_load.h"
#include "ingest/series/dcm_stack.h"

static const char *const scaling_names[] = {
	[SM_SCALING_NONE] = "none",
	[SM_SCALING_EXACT] = "applied",
	[SM_SCALING_HEADER] = "header",
	[SM_SCALING_FLOAT] = "applied_per_slice",
};

const char *sm_scaling_name(enum sm_scaling scaling)
{
	return scaling_names[scaling];
}

static enum sm_meaning meaning_of(const struct sm_dcm_head *h, const struct sm_dcm_frame *f)
{
	/* Without rescale elements nothing says that a CT's stored numbers are HU. */
	if (strcmp(h->modality, "CT") == 0 && f->scale == SM_SCALE_RESCALE &&
	    (!*h->units || strcmp(h->units, "HU") == 0))
		return SM_MEANING_HU;
	return strcmp(h->modality, "PT") == 0 ? sm_pet_meaning(h->units, "") : SM_MEANING_ARBITRARY;
}

void sm_series_judge_meaning(struct sm_series *s, const struct sm_dcm_head *heads)
{
	const struct sm_dcm_frame *first = sm_slice_frame(heads, s->slice[0]);
	enum sm_verdict was = s->verdict;
	if (!first || (was != SM_VERDICT_OK && !sm_verdict_can_regrid(was)))
		return;
	enum sm_meaning meaning = meaning_of(&heads[s->slice[0].head], first);
	for (size_t k = 1; k < s->n; k++) {
		const struct sm_dcm_frame *f = sm_slice_frame(heads, s->slice[k]);
		if (!f || (meaning_of(&heads[s->slice[k].head], f) == meaning &&
			   f->scale == first->scale))
			continue;
		s->verdict = SM_VERDICT_OK; /* it is worse than what an even grid mends */
		sm_series_judge(
			s, SM_VERDICT_BAD_RESCALE,
			"slices differ in what their numbers mean (rescale, RescaleType or Units); "
			"allowed is one meaning");
		return;
	}
}

static bool whole(double v)
{
	return fabs(v) < 1e9 && floor(v) == v;
}

static enum sm_status rescale_slice(void *ctx, size_t k, struct sm_err *err)
{
	struct sm_load_work *w = ctx;
	struct sm_vol *vol = &w->out->vol;
	size_t n = sm_vol_count(vol) / w->series->n;
	uint16_t *v = (uint16_t *)vol->data + k * n;
	/* Modulo 2^16: the results fit, whether the stored numbers are signed or not. */
	uint16_t m = (uint16_t)(int64_t)w->out->slope, c = (uint16_t)(int64_t)w->out->intercept;
	(void)err;
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		v[i] = (uint16_t)((uint32_t)v[i] * m + c);
	return SM_OK;
}

/* Would HU of the stored numbers lowest..highest be whole numbers of int16? */
static bool fits(const struct sm_load_work *w, double lowest, double highest)
{
	double a = w->out->slope * lowest + w->out->intercept;
	double b = w->out->slope * highest + w->out->intercept;
	return a >= -32768 && b >= -32768 && a <= 32767 && b <= 32767;
}

/* Can the rescale be exact: whole numbers, stored in 16 bits? */
static bool may_be_exact(const struct sm_load_work *w)
{
	const struct sm_series_volume *o = w->out;
	return o->vol.meaning == SM_MEANING_HU && !w->per_slice &&
	       (o->vol.dtype == SM_I16 || o->vol.dtype == SM_U16) && whole(o->slope) &&
	       whole(o->intercept);
}

/* When all numbers that may be stored fit, no second pass is needed. */
static bool exact_at_once(const struct sm_load_work *w)
{
	bool good = may_be_exact(w);
	for (size_t k = 0; good && k < w->series->n; k++) {
		int64_t lowest, highest;
		sm_words_declared(&sm_load_head(w, k)->format, &lowest, &highest);
		good = fits(w, (double)lowest, (double)highest);
	}
	return good;
}

/* Whole-number rescale of stored 16-bit numbers in place, when every result fits int16. */
static bool apply_exact(struct sm_load_work *w, int jobs)
{
	if (!may_be_exact(w))
		return false;
	for (size_t k = 0; k < w->series->n && !w->exact; k++)
		if (!fits(w, w->lowest[k], w->highest[k]))
			return false;
	if (!w->exact)
		sm_par_for(w->series->n, jobs, rescale_slice, w, NULL);
	w->out->vol.dtype = SM_I16;
	return true;
}

static void scale(struct sm_load_work *w, int jobs)
{
	struct sm_series_volume *o = w->out;
	if (w->per_slice) {
		o->scaling = SM_SCALING_FLOAT;
	} else if (o->slope == 1 && o->intercept == 0) {
		o->scaling = SM_SCALING_NONE;
	} else if (apply_exact(w, jobs)) {
		o->scaling = SM_SCALING_EXACT;
	} else {
		o->scaling = SM_SCALING_HEADER;
		o->vol.slope = o->slope;
		o->vol.inter = o->intercept;
	}
}

struct sorter {
	struct sm_slice slice;
	size_t k;
};

static int by_file(const void *a, const void *b)
{
	const struct sorter *x = a, *y = b;
	if (x->slice.head != y->slice.head)
		return x->slice.head < y->slice.head ? -1 : 1;
	return (x->slice.frame > y->slice.frame) - (x->slice.frame < y->slice.frame);
}

/* Which slices each file holds. */
static enum sm_status plan(struct sm_load_work *w, int jobs, struct sm_err *err)
{
	size_t n = w->series->n;
	struct sorter *sorted = calloc(n, sizeof *sorted);
	w->order = calloc(n, sizeof *w->order);
	w->load = calloc(n, sizeof *w->load);
	if (!sorted || !w->order || !w->load) {
		free(sorted);
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", n);
	}
	for (size_t k = 0; k < n; k++)
		sorted[k] = (struct sorter){w->series->slice[k], k};
	qsort(sorted, n, sizeof *sorted, by_file);
	for (size_t i = 0; i < n; i++) {
		w->order[i] = sorted[i].k;
		if (i == 0 || sorted[i].slice.head != sorted[i - 1].slice.head)
			w->load[w->loads++].first = i;
		w->load[w->loads - 1].n++;
	}
	free(sorted);
	/* Few files with many frames: one after the other, each on all threads. */
	w->inner = w->loads < 2 * (size_t)jobs ? jobs : 1;
	return SM_OK;
}

/* Step of the fourth axis in s when time points are even within 5 %, else 0. */
static double even_seconds(const struct sm_series *s)
{
	if (!s->time_s || s->times < 2)
		return 0;
	double step = s->time_s[s->times - 1] / (double)(s->times - 1);
	for (size_t t = 1; t < s->times; t++)
		if (fabs(s->time_s[t] - s->time_s[t - 1] - step) > 0.05 * step)
			return 0;
	return step;
}

/* What all slices' numbers mean (sm_series_judge_meaning), and their common factors. */
static void find_meaning(struct sm_load_work *w)
{
	struct sm_series_volume *o = w->out;
	enum sm_meaning meaning = meaning_of(sm_load_head(w, 0), sm_load_frame(w, 0));
	o->slope = sm_load_frame(w, 0)->slope;
	o->intercept = sm_load_frame(w, 0)->intercept;
	o->source = sm_load_frame(w, 0)->scale;
	for (size_t k = 0; k < w->series->n; k++) {
		const struct sm_dcm_head *h = sm_load_head(w, k);
		const struct sm_dcm_frame *f = sm_load_frame(w, k);
		w->per_slice = w->per_slice || f->slope != o->slope || f->intercept != o->intercept;
		o->inverted = o->inverted || (h->inverted && meaning == SM_MEANING_ARBITRARY);
		o->inverted_kept =
			o->inverted_kept || (h->inverted && meaning != SM_MEANING_ARBITRARY);
	}
	o->vol.meaning = meaning;
}

static enum sm_status prepare(struct sm_load_work *w, int jobs, struct sm_err *err)
{
	struct sm_series_volume *o = w->out;
	const struct sm_series *s = w->series;
	const struct sm_dcm_head *first = sm_load_head(w, 0);
	enum sm_dtype type = SM_F32;
	w->pet = strcmp(first->modality, "PT") == 0;
	find_meaning(w);
	enum sm_meaning meaning = o->vol.meaning;
	if (!w->per_slice)
		SM_TRY(sm_words_type(w->scan->head, s, &type, err));
	int64_t dim[4] = {first->tile_columns, first->tile_rows, (int64_t)s->depth,
			  (int64_t)s->times};
	SM_TRY(sm_vol_init(&o->vol, dim, type, w->mem, "series", err));
	o->vol.meaning = meaning;
	w->exact = exact_at_once(w);
	o->vol.frame_seconds = even_seconds(s);
	SM_TRY(sm_sidecar_times_init(&o->by_time, s->times, w->mem, err));
	sm_stack_affine(&s->stack, o->vol.affine);
	w->lowest = sm_calloc(w->mem, s->n, sizeof *w->lowest, "series", err);
	w->highest = sm_calloc(w->mem, s->n, sizeof *w->highest, "series", err);
	return w->lowest && w->highest ? plan(w, jobs, err) : SM_BUDGET;
}

static enum sm_status regrid(struct sm_load_work *w, int jobs, struct sm_err *err)
{
	size_t n = w->series->depth;
	const struct sm_dcm_frame **frames = calloc(n, sizeof *frames);
	if (!frames)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	for (size_t k = 0; k < n; k++)
		frames[k] = sm_load_frame(w, k);
	enum sm_status st = sm_stack_regrid(w->out, &w->series->stack, frames, w->mem, jobs, err);
	free(frames);
	return st;
}

static enum sm_status load_all(struct sm_load_work *w, int jobs, char sha256[65],
			       struct sm_err *err)
{
	if (sha256)
		SM_TRY(sm_series_files_list(w->series, &w->files, err));
	SM_TRY(sm_par_for(w->loads, w->inner > 1 ? 1 : jobs, sm_load_file, w, err));
	sm_mem_trim(); /* what the files took, before the next that takes as much */
	if (!sha256)
		return SM_OK;
	SM_TRY(sm_series_files_hash(&w->files, w->root, w->scan, w->salt, jobs, err));
	return sm_series_files_sum(&w->files, sha256, err);
}

enum sm_status sm_series_read(const char *root, const struct sm_scan *scan,
			      const struct sm_series *series, const struct sm_salt *salt,
			      bool allow_regrid, struct sm_mem *mem, int jobs,
			      struct sm_series_volume *out, struct sm_err *err)
{
	return sm_series_read_hashed(root, scan, series, salt, allow_regrid, mem, jobs, NULL, out,
				     err);
}

enum sm_status sm_series_read_hashed(const char *root, const struct sm_scan *scan,
				     const struct sm_series *series, const struct sm_salt *salt,
				     bool allow_regrid, struct sm_mem *mem, int jobs,
				     char sha256[65], struct sm_series_volume *out,
				     struct sm_err *err)
{
	memset(out, 0, sizeof *out);
	out->polarity = -1;
	struct sm_load_work w = {.root = root,
			 .scan = scan,
			 .series = series,
			 .salt = salt,
			 .mem = mem,
			 .out = out,
			 .lock = PTHREAD_MUTEX_INITIALIZER};
	bool tilted = series->notes >> SM_VERDICT_TILT & 1;
	bool uneven = sm_verdict_can_regrid(series->verdict);
	if (series->verdict != SM_VERDICT_OK && !(uneven && allow_regrid))
		return SM_FAIL(err, SM_INPUT, "%s: %s", sm_verdict_code(series->verdict),
			       series->why);
	enum sm_status st = prepare(&w, jobs, err);
	if (st == SM_OK)
		st = load_all(&w, jobs, sha256, err);
	if (st == SM_OK)
		scale(&w, jobs);
	if (st == SM_OK && allow_regrid && (uneven || tilted))
		st = regrid(&w, jobs, err);
	/* Of SUV, only that by body weight is called so. */
	if (st == SM_OK && w.pet)
		out->vol.meaning = sm_pet_meaning(out->pet.units, out->pet.suv_type);
	sm_free(w.lowest);
	sm_free(w.highest);
	sm_series_files_clear(&w.files);
	free(w.order);
	free(w.load);
	pthread_mutex_destroy(&w.lock);
	if (st != SM_OK)
		sm_series_volume_clear(out);
	return st;
}

void sm_series_volume_clear(struct sm_series_volume *v)
{
	sm_vol_clear(&v->vol);
	sm_sidecar_times_clear(&v->by_time);
	free(v->slice_times);
	memset(v, 0, sizeof *v);
}
