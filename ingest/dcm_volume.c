/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/dcm_volume.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/par.h"
#include "ingest/dcm_pixels.h"

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

struct work {
	const char *root;
	const struct sm_scan *scan;
	const struct sm_series *series;
	const struct sm_salt *salt;
	struct sm_mem *mem;
	struct sm_series_volume *out;
	int64_t *lowest, *highest; /* stored numbers of each slice */
	bool per_slice;            /* slope or intercept differ: real values at once */
};

static const struct sm_dcm_head *head_of(const struct work *w, size_t k)
{
	return &w->scan->head[w->series->head[k]];
}

/* The range that a header allows its stored numbers. */
static void declared(const struct sm_dcm_head *h, int64_t *lo, int64_t *hi)
{
	int64_t span = (int64_t)1 << h->bits_stored;
	*lo = h->is_signed ? -span / 2 : 0;
	*hi = *lo + span - 1;
}

static enum sm_status stored_type(const struct work *w, enum sm_dtype *type, struct sm_err *err)
{
	static const struct {
		enum sm_dtype type;
		int64_t lo, hi;
	} rows[] = {
		{SM_U8, 0, 255},         {SM_I16, -32768, 32767},
		{SM_U16, 0, 65535},      {SM_I32, INT32_MIN, INT32_MAX},
		{SM_U32, 0, UINT32_MAX},
	};
	int64_t lo = 0, hi = 0;
	for (size_t k = 0; k < w->series->n; k++) {
		int64_t a, b;
		declared(head_of(w, k), &a, &b);
		lo = a < lo ? a : lo;
		hi = b > hi ? b : hi;
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (lo >= rows[i].lo && hi <= rows[i].hi) {
			*type = rows[i].type;
			return SM_OK;
		}
	return SM_FAIL(
		err, SM_INPUT,
		"the slices mix signed and unsigned numbers of 32 bits; allowed is one of both");
}

static enum sm_meaning meaning_of(const struct sm_dcm_head *h)
{
	/* Without rescale elements nothing says that a CT's stored numbers are HU. */
	if (strcmp(h->modality, "CT") == 0 && h->has_rescale &&
	    (!*h->rescale_type || strcmp(h->rescale_type, "HU") == 0))
		return SM_MEANING_HU;
	if (strcmp(h->modality, "PT") == 0 && strcmp(h->units, "BQML") == 0)
		return SM_MEANING_BQML;
	if (strcmp(h->modality, "PT") == 0 && strcmp(h->units, "GML") == 0)
		return SM_MEANING_SUV;
	return SM_MEANING_ARBITRARY;
}

static void put(struct sm_vol *vol, size_t at, const int32_t *from, size_t n)
{
	switch (vol->dtype) {
	case SM_U8:
		for (size_t i = 0; i < n; i++)
			((uint8_t *)vol->data)[at + i] = (uint8_t)from[i];
		break;
	case SM_I16:
	case SM_U16: /* the same bits */
		for (size_t i = 0; i < n; i++)
			((uint16_t *)vol->data)[at + i] = (uint16_t)from[i];
		break;
	default: /* SM_I32, SM_U32 */
		memcpy((int32_t *)vol->data + at, from, n * sizeof *from);
	}
}

static int64_t number(const struct sm_dcm_head *h, int32_t stored)
{
	return h->is_signed ? stored : (int64_t)(uint32_t)stored;
}

/* MONOCHROME1 shows small numbers bright: stored numbers are mirrored inside their declared
 * range. */
static void mirror(const struct sm_dcm_head *h, int32_t *v, size_t n)
{
	int64_t lo, hi;
	declared(h, &lo, &hi);
	for (size_t i = 0; i < n; i++)
		v[i] = (int32_t)(uint32_t)(lo + hi - number(h, v[i]));
}

static void finish_slice(struct work *w, size_t k, int32_t *v, size_t n)
{
	const struct sm_dcm_head *h = head_of(w, k);
	int64_t lo = INT64_MAX, hi = INT64_MIN;
	if (h->inverted && w->out->inverted)
		mirror(h, v, n);
	for (size_t i = 0; i < n; i++) {
		int64_t x = number(h, v[i]);
		lo = x < lo ? x : lo;
		hi = x > hi ? x : hi;
	}
	w->lowest[k] = lo;
	w->highest[k] = hi;
	if (!w->per_slice) {
		put(&w->out->vol, k * n, v, n);
		return;
	}
	float *to = (float *)w->out->vol.data + k * n;
	for (size_t i = 0; i < n; i++)
		to[i] = (float)(h->slope * (double)number(h, v[i]) + h->intercept);
}

static enum sm_status one_slice(void *ctx, size_t k, struct sm_err *err)
{
	struct work *w = ctx;
	const struct sm_dcm_head *h = head_of(w, k);
	const char *path = sm_scan_path(w->scan, w->series->head[k]);
	size_t n = sm_vol_frame_count(&w->out->vol) / w->series->n;
	char *full = sm_path_join(w->root, path), alias[13];
	int32_t *numbers = full ? sm_alloc(w->mem, n, sizeof *numbers, "one slice", err) : NULL;
	enum sm_status st = SM_BUDGET;
	if (!full)
		SM_FAIL(err, SM_BUDGET, "series: out of memory");
	if (numbers)
		st = sm_slice_read(full, h, w->mem, numbers, &w->out->text[k], err);
	if (st == SM_OK) {
		finish_slice(w, k, numbers, n);
	} else {
		sm_file_alias(w->salt, path, alias);
		/* Which slice finds the budget used up depends on the threads: it is not named. */
		if (st != SM_BUDGET)
			sm_err_prefix(err, "file-%s (slice %zu)", alias, k);
	}
	sm_free(numbers);
	free(full);
	return st;
}

static bool whole(double v)
{
	return fabs(v) < 1e9 && floor(v) == v;
}

/* Whole-number rescale of stored 16-bit numbers in place, when every result fits int16. */
static bool apply_exact(struct work *w)
{
	struct sm_vol *vol = &w->out->vol;
	double slope = w->out->slope, intercept = w->out->intercept;
	if ((vol->dtype != SM_I16 && vol->dtype != SM_U16) || !whole(slope) || !whole(intercept))
		return false;
	for (size_t k = 0; k < w->series->n; k++) {
		double a = slope * (double)w->lowest[k] + intercept;
		double b = slope * (double)w->highest[k] + intercept;
		if (a < -32768 || b < -32768 || a > 32767 || b > 32767)
			return false;
	}
	size_t n = sm_vol_count(vol);
	int16_t *to = vol->data;
	const uint16_t *from = vol->data;
	int64_t m = (int64_t)slope, c = (int64_t)intercept;
	bool sign = vol->dtype == SM_I16;
	for (size_t i = 0; i < n; i++) {
		int64_t stored = sign ? (int64_t)(int16_t)from[i] : (int64_t)from[i];
		to[i] = (int16_t)(m * stored + c);
	}
	vol->dtype = SM_I16;
	return true;
}

static void scale(struct work *w)
{
	struct sm_series_volume *o = w->out;
	if (w->per_slice) {
		o->scaling = SM_SCALING_FLOAT;
	} else if (o->slope == 1 && o->intercept == 0) {
		o->scaling = SM_SCALING_NONE;
	} else if (o->vol.meaning == SM_MEANING_HU && apply_exact(w)) {
		o->scaling = SM_SCALING_EXACT;
	} else {
		o->scaling = SM_SCALING_HEADER;
		o->vol.slope = o->slope;
		o->vol.inter = o->intercept;
	}
}

static enum sm_status prepare(struct work *w, struct sm_err *err)
{
	struct sm_series_volume *o = w->out;
	const struct sm_dcm_head *first = head_of(w, 0);
	size_t n = w->series->n;
	enum sm_meaning meaning = meaning_of(first);
	enum sm_dtype type = SM_F32;
	o->slope = first->slope;
	o->intercept = first->intercept;
	for (size_t k = 0; k < n; k++) {
		const struct sm_dcm_head *h = head_of(w, k);
		w->per_slice = w->per_slice || h->slope != o->slope || h->intercept != o->intercept;
		o->inverted = o->inverted || (h->inverted && meaning == SM_MEANING_ARBITRARY);
		o->inverted_kept =
			o->inverted_kept || (h->inverted && meaning != SM_MEANING_ARBITRARY);
		if (meaning_of(h) != meaning)
			return SM_FAIL(err, SM_INPUT,
				       "slices differ in what their numbers mean "
				       "(rescale, RescaleType or Units); allowed is one meaning");
	}
	if (!w->per_slice)
		SM_TRY(stored_type(w, &type, err));
	int64_t dim[4] = {first->columns, first->rows, (int64_t)n, 1};
	SM_TRY(sm_vol_init(&o->vol, dim, type, w->mem, "series", err));
	o->vol.meaning = meaning;
	sm_stack_affine(&w->series->stack, o->vol.affine);
	o->text = sm_calloc(w->mem, n, sizeof *o->text, "sidecar of the series", err);
	w->lowest = sm_calloc(w->mem, n, sizeof *w->lowest, "series", err);
	w->highest = sm_calloc(w->mem, n, sizeof *w->highest, "series", err);
	return o->text && w->lowest && w->highest ? SM_OK : SM_BUDGET;
}

static enum sm_status regrid(struct work *w, int jobs, struct sm_err *err)
{
	size_t n = w->series->n;
	SM_TRY(sm_vol_to_f32(&w->out->vol, w->mem, jobs, err));
	const struct sm_dcm_head **heads = calloc(n, sizeof *heads);
	if (!heads)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	for (size_t k = 0; k < n; k++)
		heads[k] = head_of(w, k);
	enum sm_status st = sm_stack_regrid(w->out, &w->series->stack, heads, w->mem, jobs, err);
	free(heads);
	return st;
}

enum sm_status sm_series_read(const char *root, const struct sm_scan *scan,
			      const struct sm_series *series, const struct sm_salt *salt,
			      bool allow_regrid, struct sm_mem *mem, int jobs,
			      struct sm_series_volume *out, struct sm_err *err)
{
	*out = (struct sm_series_volume){0};
	struct work w = {
		.root = root, .scan = scan, .series = series, .salt = salt, .mem = mem, .out = out};
	bool tilted = series->notes >> SM_VERDICT_TILT & 1;
	bool uneven = sm_verdict_can_regrid(series->verdict);
	if (series->verdict != SM_VERDICT_OK && !(uneven && allow_regrid))
		return SM_FAIL(err, SM_INPUT, "%s: %s", sm_verdict_code(series->verdict),
			       series->why);
	enum sm_status st = prepare(&w, err);
	if (st == SM_OK)
		st = sm_par_for(series->n, jobs, one_slice, &w, err);
	if (st == SM_OK)
		scale(&w);
	if (st == SM_OK && allow_regrid && (uneven || tilted))
		st = regrid(&w, jobs, err);
	sm_free(w.lowest);
	sm_free(w.highest);
	if (st != SM_OK)
		sm_series_volume_clear(out);
	return st;
}

void sm_series_volume_clear(struct sm_series_volume *v)
{
	sm_vol_clear(&v->vol);
	sm_free(v->text);
	*v = (struct sm_series_volume){0};
}
