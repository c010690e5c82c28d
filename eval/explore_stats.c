/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "core/par.h"
#include "eval/cases.h"
#include "eval/explore.h"

enum { FINE = 16384, NEAR = 4 };

/* A fine histogram of the foreground for its percentiles: bin i stands for low + i * width (whole
 * numbers) or for the middle of that bin. */
struct fine {
	double low, width;
	bool whole;
	uint64_t *count;
};

/* The value that most corners of the first frame have, the smallest of those. */
static float corner_value(const struct sm_block *b)
{
	float corner[8], best = 0;
	int most = 0;
	for (int i = 0; i < 8; i++) {
		int64_t x = i & 1 ? b->nx - 1 : 0, y = i & 2 ? b->ny - 1 : 0,
			z = i & 4 ? b->nz - 1 : 0;
		corner[i] = b->v[x + b->nx * (y + b->ny * z)];
	}
	for (int i = 0; i < 8; i++) {
		int n = 0;
		for (int k = 0; k < 8; k++)
			n += corner[k] == corner[i];
		if (n > most || (n == most && corner[i] < best)) {
			most = n;
			best = corner[i];
		}
	}
	return best;
}

static void look_at_slices(const struct sm_block *b, struct sm_values *out)
{
	size_t plane = (size_t)(b->nx * b->ny);
	out->slices = b->nz;
	out->first = 0;
	out->last = -1;
	for (int64_t z = 0; z < b->nz; z++) {
		const float *v = b->v + (size_t)z * plane;
		size_t i = 1;
		while (i < plane && v[i] == v[0])
			i++;
		if (i == plane) {
			out->constant++;
			continue;
		}
		if (out->last < 0)
			out->first = z;
		else
			out->gaps += z - out->last - 1;
		out->last = z;
	}
}

static double fine_value(const struct fine *f, size_t bin)
{
	return f->low + ((double)bin + (f->whole ? 0 : 0.5)) * f->width;
}

/* The value of the rank share * (n - 1), downwards. */
static double percentile(const struct fine *f, uint64_t n, double share)
{
	uint64_t rank = (uint64_t)(share * (double)(n - 1)), seen = 0;
	for (size_t i = 0; i < FINE; i++) {
		seen += f->count[i];
		if (seen > rank)
			return fine_value(f, i);
	}
	return fine_value(f, FINE - 1);
}

static bool is_foreground(const struct sm_values *out, float v)
{
	return !out->has_background || (double)v != out->background;
}

/* Range, whether all are whole numbers, count and mean of the foreground. */
static void first_pass(const float *v, size_t n, struct sm_values *out, struct fine *f,
		       double *high)
{
	double low = INFINITY, sum = 0;
	*high = -INFINITY;
	f->whole = true;
	for (size_t i = 0; i < n; i++) {
		double d = v[i];
		if (!is_foreground(out, v[i]))
			continue;
		low = d < low ? d : low;
		*high = d > *high ? d : *high;
		f->whole = f->whole && floor(d) == d;
		sum += d;
		out->foreground++;
	}
	f->low = low;
	out->mean = sum / (double)out->foreground;
}

static void second_pass(const float *v, size_t n, double high, struct sm_values *out,
			struct fine *f)
{
	double sum = 0, span = high - f->low;
	f->width = span / FINE;
	if (f->whole)
		f->width = span < FINE ? 1 : ceil((span + 1) / FINE);
	for (size_t i = 0; i < n; i++) {
		double d = v[i], t = d - out->mean;
		if (!is_foreground(out, v[i]))
			continue;
		double at = f->width > 0 ? (d - f->low) / f->width : 0;
		f->count[at < FINE ? (size_t)at : FINE - 1]++;
		sum += t * t;
		out->at_low += d == f->low;
		out->at_high += d == high;
	}
	out->sd = sqrt(sum / (double)out->foreground);
}

/* Values heap up at an end of the range: that bin against the mean of its next four that hold any
 * room. */
static bool heaped(const struct fine *f, uint64_t end, uint64_t all, bool low, double high)
{
	size_t last = f->width > 0 ? (size_t)((high - f->low) / f->width) : 0;
	uint64_t near = 0;
	last = last < FINE ? last : FINE - 1;
	if (last < NEAR || end * 100 < all)
		return false;
	for (size_t i = 1; i <= NEAR; i++)
		near += f->count[low ? i : last - i];
	return end > near; /* = 4 times the mean of 4 */
}

enum sm_status sm_values_of(const struct sm_block *b, size_t bins, struct sm_mem *mem,
			    struct sm_values *out, struct sm_err *err)
{
	size_t n = (size_t)(b->nx * b->ny * b->nz), corners = 0;
	struct fine f = {.count = sm_calloc(mem, FINE, sizeof *f.count, "histogram", err)};
	double high;
	float corner = corner_value(b), low = b->v[0], top = b->v[0];
	*out = (struct sm_values){.voxels = n};
	if (!f.count)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++) {
		corners += b->v[i] == corner;
		low = b->v[i] < low ? b->v[i] : low;
		top = b->v[i] > top ? b->v[i] : top;
	}
	out->min = low;
	out->max = top;
	out->has_background = corners > n / 10 && corners < n;
	out->background = corner;
	look_at_slices(b, out);
	first_pass(b->v, n, out, &f, &high);
	second_pass(b->v, n, high, out, &f);
	out->p1 = percentile(&f, out->foreground, 0.01);
	out->p50 = percentile(&f, out->foreground, 0.5);
	out->p99 = percentile(&f, out->foreground, 0.99);
	out->clipped_low = heaped(&f, out->at_low, out->foreground, true, high);
	out->clipped_high = heaped(&f, out->at_high, out->foreground, false, high);
	double from = percentile(&f, out->foreground, 0.001),
	       to = percentile(&f, out->foreground, 0.999);
	/* Bins below 2^-20 of the range tell nothing more; those of whole numbers are at least 1
	 * wide. */
	int least = f.whole ? 0 : ilogb((high > f.low ? high - f.low : 1)) - 20;
	sm_hist_plan(&out->hist, from, to, bins, least);
	for (size_t i = 0; i < n; i++)
		if (is_foreground(out, b->v[i]))
			sm_hist_add(&out->hist, b->v[i]);
	sm_free(f.count);
	return SM_OK;
}

static json_t *values_json(const struct sm_values *v, const char *when, const char *name)
{
	json_t *e = json_object(), *clipped = json_array();
	json_object_set_new(e, "when", json_string(when));
	json_object_set_new(e, "name", json_string(name));
	json_object_set_new(e, "voxels", json_integer((json_int_t)v->voxels));
	json_object_set_new(e, "foreground", json_integer((json_int_t)v->foreground));
	json_object_set_new(e, "background",
			    v->has_background ? json_real(v->background) : json_null());
	const struct {
		const char *key;
		double value;
	} reals[] = {{"min", v->min}, {"max", v->max}, {"mean", v->mean}, {"sd", v->sd},
		     {"p1", v->p1},   {"p50", v->p50}, {"p99", v->p99}};
	for (size_t i = 0; i < SM_COUNT(reals); i++)
		json_object_set_new(e, reals[i].key, json_real(reals[i].value));
	json_object_set_new(e, "slices", json_integer(v->slices));
	json_object_set_new(e, "constant_slices", json_integer(v->constant));
	json_object_set_new(e, "gaps", json_integer(v->gaps));
	json_object_set_new(e, "at_low", json_integer((json_int_t)v->at_low));
	json_object_set_new(e, "at_high", json_integer((json_int_t)v->at_high));
	if (v->clipped_low)
		json_array_append_new(clipped, json_string("low"));
	if (v->clipped_high)
		json_array_append_new(clipped, json_string("high"));
	json_object_set_new(e, "clipped", clipped);
	json_object_set_new(e, "hist", sm_hist_json(&v->hist));
	return e;
}

/* Voxels and slices of every label, and the slices that hold any above 0. */
static enum sm_status label_numbers(const struct sm_case *c, const char *when, json_t *list,
				    int64_t span[2], struct sm_err *err)
{
	const struct sm_vol *l = &c->label;
	size_t plane = (size_t)(l->dim[0] * l->dim[1]);
	uint64_t voxels[SM_EX_LABELS] = {0};
	int64_t slices[SM_EX_LABELS] = {0};
	double mm3 = sm_voxel_mm3(l);
	for (int64_t z = 0; z < l->dim[2]; z++) {
		const uint8_t *v = (const uint8_t *)l->data + (size_t)z * plane;
		uint64_t here[SM_EX_LABELS] = {0};
		for (size_t i = 0; i < plane; i++)
			here[v[i]]++;
		for (int k = 0; k < SM_EX_LABELS; k++) {
			voxels[k] += here[k];
			slices[k] += here[k] > 0;
		}
		if (here[0] == plane)
			continue;
		span[0] = span[0] < 0 ? z : span[0];
		span[1] = z;
	}
	for (int k = 0; k < SM_EX_LABELS; k++) {
		if (!voxels[k])
			continue;
		json_t *e = json_pack("{s:s, s:i, s:I, s:I}", "when", when, "label", k, "voxels",
				      (json_int_t)voxels[k], "slices", (json_int_t)slices[k]);
		if (!e)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
		if (!c->pictures)
			json_object_set_new(e, "cm3", json_real((double)voxels[k] * mm3 / 1000));
		json_array_append_new(list, e);
	}
	return SM_OK;
}

/* Slices of use of the first volume: with labels, else not constant; all when frames lie behind
 * each other. */
static void find_span(const struct sm_case *c, const struct sm_values *v, const int64_t of_label[2],
		      int64_t span[2])
{
	const struct sm_vol *first = &c->vols[0].vol;
	bool frames = !c->stacked && first->dim[3] > 1;
	span[0] = frames || v->last < 0 ? 0 : v->first;
	span[1] = frames || v->last < 0 ? first->dim[2] - 1 : v->last;
	if (of_label[0] < 0 || c->label.dim[2] != first->dim[2])
		return;
	span[0] = of_label[0];
	span[1] = of_label[1];
}

struct work {
	const struct sm_block *blocks;
	struct sm_values *values;
	size_t bins;
	struct sm_mem *mem;
};

static enum sm_status one_block(void *ctx, size_t i, struct sm_err *err)
{
	const struct work *w = ctx;
	return sm_values_of(&w->blocks[i], w->bins, w->mem, &w->values[i], err);
}

static json_t *list_of(json_t *record, const char *name)
{
	if (!json_object_get(record, name))
		json_object_set_new(record, name, json_array());
	return json_object_get(record, name);
}

enum sm_status sm_explore_numbers(struct sm_case *c, const char *when, size_t bins, json_t *record,
				  int64_t span[2], struct sm_err *err)
{
	struct sm_block *blocks = NULL;
	int64_t of_label[2] = {-1, -1};
	size_t n = 0;
	enum sm_status st;
	SM_TRY(sm_case_blocks(c, &blocks, &n, err));
	struct work w = {.blocks = blocks,
			 .bins = bins,
			 .mem = c->mem,
			 .values =
				 sm_calloc(c->mem, n, sizeof *w.values, "numbers of a case", err)};
	if (!w.values) {
		st = SM_BUDGET;
		goto out;
	}
	SM_GOTO(st, sm_par_for(n, c->jobs, one_block, &w, err));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list_of(record, "images"),
				      values_json(&w.values[i], when, blocks[i].name));
	if (c->label.data)
		SM_GOTO(st, label_numbers(c, when, list_of(record, "labels"), of_label, err));
	find_span(c, &w.values[0], of_label, span);
out:
	sm_free(w.values);
	free(blocks);
	return st;
}
