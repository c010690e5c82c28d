/* SPDX-License-Identifier: Apache-2.0
 *
 * select_slices: marks the axial (z) slices that are of use; the stages slice and pair honour it,
 * no voxel changes. A slice is kept when all that is asked for holds:
 *	range       first <= z <= last
 *	foreground  the share of foreground voxels in the slice is at least min_foreground
 *	entropy     -sum p log2 p of the slice's histogram is at least min_entropy bits; 256 equal
 *	            bins from the volume's smallest to its largest value, binned as numpy.histogram
 *	            (C. E. Shannon, Bell System Technical Journal 27, 1948)
 * and in every volume or channel looked at (of several time frames or colours: in one of them). The
 * volumes lie on one grid. Each has its own choice, which moves with it.
 * Foreground is the case's mask, the label, values above a number, or values that differ from the
 * volume's most frequent one. Steps add up: what an earlier one dropped stays dropped.
 */
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "core/elementary.h"
#include "preprocess/grid.h"
#include "preprocess/op_table.h"
#include "preprocess/quantile.h"
#include "preprocess/scope.h"

#define BINS 256

struct select_slices {
	int64_t first, last;
	int beyond, foreground;
	double min_foreground, above, min_entropy;
	struct sm_strings roles;
};
enum { REJECT, CUT, ALL };
enum { AUTO, MASK, LABEL, ABOVE, NOT_MODE };

#define AT(member) .offset = offsetof(struct select_slices, member)
static const struct sm_field fields[] = {
	{"first", SM_F_INT, AT(first), "0", 0, 1e6, .doc = "first slice, from 0"},
	{"last", SM_F_INT, AT(last), "-1", -1, 1e6, .doc = "last slice; -1 = to the end"},
	{"beyond", SM_F_CHOICE, AT(beyond), "reject", .choices = "reject|cut|all",
	 .doc = "a range that goes beyond the volume rejects the case, ends with the volume, or "
		"(all) ends with it "
		"and is ignored where the volume ends before `first`: the record then says so"},
	{"min_foreground", SM_F_FLOAT, AT(min_foreground), "0", 0, 1,
	 .doc = "share of the slice that must be foreground"},
	{"foreground", SM_F_CHOICE, AT(foreground), "auto",
	 .choices = "auto|mask|label|above|not_mode",
	 .doc = "what foreground is: the mask, the label, values above `above`, values that differ "
		"from the volume's most frequent one; auto = mask where there is one, else "
		"not_mode"},
	{"above", SM_F_FLOAT, AT(above), "0", -1e9, 1e9, .doc = "of foreground above: the number",
	 .only = "foreground above"},
	{"min_entropy", SM_F_FLOAT, AT(min_entropy), "0", 0, 8,
	 .doc = "bits that the slice's histogram must have"},
	{"roles", SM_F_STRINGS, AT(roles), .doc = "volumes or channels to look at; absent = all"},
};
const struct sm_fieldset sm_op_select_slices_fields =
	SM_FIELDSET("select_slices", struct select_slices, fields, "slices that are of use");

enum sm_status sm_op_select_slices_check(const void *params, struct sm_err *err)
{
	const struct select_slices *p = params;
	if (p->last >= 0 && p->last < p->first)
		return SM_FAIL(err, SM_USAGE,
			       "first %lld is above last %lld, allowed is first <= "
			       "last",
			       (long long)p->first, (long long)p->last);
	if (p->foreground > AUTO && p->min_foreground == 0)
		return SM_FAIL(err, SM_USAGE,
			       "foreground is given without min_foreground, which is 0");
	bool range = p->first > 0 || p->last >= 0;
	if (!range && p->min_foreground == 0 && p->min_entropy == 0)
		return SM_FAIL(
			err, SM_USAGE,
			"none of first, last, min_foreground and min_entropy is given: every slice "
			"would be kept");
	if (!range && p->beyond != REJECT)
		return SM_FAIL(err, SM_USAGE,
			       "beyond: is given, but counts only with first or last");
	return SM_OK;
}

/* One frame or channel in real numbers. */
struct job {
	const struct select_slices *p;
	const float *v;
	const uint8_t *given; /* mask or label, NULL = by value */
	float lo, hi, mode;
	size_t plane;
	uint8_t *good; /* a slice each */
};

static double share_of(const struct job *j, size_t z)
{
	const float *v = j->v + z * j->plane;
	size_t n = 0;
	if (j->given)
		for (size_t i = 0; i < j->plane; i++)
			n += j->given[z * j->plane + i] != 0;
	else if (j->p->foreground == ABOVE)
		for (size_t i = 0; i < j->plane; i++)
			n += (double)v[i] > j->p->above;
	else
		for (size_t i = 0; i < j->plane; i++)
			n += v[i] != j->mode;
	return (double)n / (double)j->plane;
}

/* Lower edge of a bin. */
static double edge(const struct job *j, int bin)
{
	double lo = (double)j->lo, hi = (double)j->hi;
	return bin == BINS ? hi : lo + bin * ((hi - lo) / BINS);
}

static double entropy_of(const struct job *j, size_t z)
{
	const float *v = j->v + z * j->plane;
	size_t count[BINS] = {0};
	double lo = (double)j->lo, hi = (double)j->hi, sum = 0, n = (double)j->plane;
	if (lo == hi)
		return 0;
	for (size_t i = 0; i < j->plane; i++) {
		double x = (double)v[i];
		int b = (int)((x - lo) / (hi - lo) * BINS);
		b = b < BINS ? b : BINS - 1;
		b -= x < edge(j, b);
		b += b < BINS - 1 && x >= edge(j, b + 1);
		count[b]++;
	}
	for (int b = 0; b < BINS; b++)
		if (count[b])
			sum += (double)count[b] * sm_log((double)count[b] / n);
	return -sum / n / 0.69314718055994530942;
}

static enum sm_status one(void *ctx, size_t z, struct sm_err *err)
{
	const struct job *j = ctx;
	(void)err;
	j->good[z] = (j->p->min_foreground == 0 || share_of(j, z) >= j->p->min_foreground) &&
		     (j->p->min_entropy == 0 || entropy_of(j, z) >= j->p->min_entropy);
	return SM_OK;
}

/* The most frequent value, the smallest of several. */
static enum sm_status mode_of(struct sm_case *c, const float *v, size_t n, float *mode,
			      struct sm_err *err)
{
	float *sorted = NULL;
	size_t best = 0;
	SM_TRY(sm_sort_f32(v, NULL, n, n, c->mem, &sorted, err));
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from; to < n && sorted[to] == sorted[from]; to++)
			;
		if (to - from > best) {
			best = to - from;
			*mode = sorted[from];
		}
	}
	sm_free(sorted);
	return SM_OK;
}

static enum sm_status look(struct sm_case *c, struct job *j, size_t n, struct sm_err *err)
{
	j->lo = j->hi = j->v[0];
	for (size_t i = 0; j->p->min_entropy > 0 && i < n; i++) {
		j->lo = j->v[i] < j->lo ? j->v[i] : j->lo;
		j->hi = j->v[i] > j->hi ? j->v[i] : j->hi;
	}
	if (j->p->min_foreground > 0 && !j->given && j->p->foreground != ABOVE)
		SM_TRY(mode_of(c, j->v, n, &j->mode, err));
	return sm_par_for(n / j->plane, c->jobs, one, j, err);
}

/* Drops from keep what one volume says; good and some have room for its slices. */
static enum sm_status volume(struct sm_case *c, struct sm_role_vol *rv, struct job *j,
			     uint8_t *keep, uint8_t *some, struct sm_err *err)
{
	size_t depth = (size_t)rv->vol.dim[2], frame = sm_vol_frame_count(&rv->vol);
	struct sm_vol real = {0};
	enum sm_status st = SM_OK;
	bool copied = rv->vol.dtype != SM_F32 || rv->vol.slope != 1 || rv->vol.inter != 0;
	/* The numbers stay what they are: looked at is a copy where they are not float. */
	if (copied) {
		SM_TRY(sm_vol_copy(&real, &rv->vol, c->mem, err));
		st = sm_vol_to_f32(&real, c->mem, c->jobs, err);
	}
	j->plane = frame / depth;
	memset(some, c->stacked, depth);
	for (int64_t f = 0; st == SM_OK && f < rv->vol.dim[3]; f++) {
		if (c->stacked && !sm_roles_hold(&j->p->roles, c->channels[f]))
			continue;
		j->v = (const float *)(copied ? real.data : rv->vol.data) + (size_t)f * frame;
		st = look(c, j, frame, err);
		for (size_t z = 0; st == SM_OK && z < depth; z++)
			some[z] = c->stacked ? some[z] && j->good[z] : some[z] || j->good[z];
	}
	for (size_t z = 0; st == SM_OK && z < depth; z++)
		keep[z] = keep[z] && some[z];
	sm_vol_clear(&real);
	return st;
}

static enum sm_status check_case(const struct sm_case *c, const struct select_slices *p,
				 struct sm_err *err)
{
	int64_t depth = c->vols[0].vol.dim[2], last = p->last < 0 ? p->first : p->last;
	const char *gone = c->aside ? "`when` hides it from the step" : "the case has none";
	SM_TRY(sm_case_one_grid(c, err)); /* slice z of one is that of another */
	if (last >= depth && p->beyond == REJECT)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has slices 0 to %lld, but the range reaches %lld (beyond: cut "
			       "ends it)",
			       c->key, (long long)depth - 1, (long long)last);
	if (p->foreground == MASK && !c->mask.data)
		return SM_FAIL(err, SM_INPUT,
			       "%s: foreground is mask, but the case has none (remove_background "
			       "makes one)",
			       c->key);
	if (p->foreground == LABEL && !c->label.data)
		return SM_FAIL(err, SM_INPUT, "%s: foreground is label, but %s", c->key, gone);
	if (p->foreground == LABEL)
		return sm_case_on_grid(c, &c->label, "the label", err);
	if (p->foreground == MASK || p->foreground == AUTO)
		return sm_case_on_grid(c, &c->mask, "the mask", err);
	return SM_OK;
}

static enum sm_status check_roles(const struct sm_case *c, const struct sm_strings *roles,
				  struct sm_err *err)
{
	for (size_t i = 0; i < roles->n; i++) {
		bool found = !c->stacked && sm_case_find(c, roles->v[i]);
		for (int64_t k = 0; c->stacked && k < c->vols[0].vol.dim[3]; k++)
			found = found || strcmp(c->channels[k], roles->v[i]) == 0;
		if (!found)
			return SM_FAIL(err, SM_INPUT, "%s: has no volume '%s', but roles lists it",
				       c->key, roles->v[i]);
	}
	return SM_OK;
}

/* Each volume keeps what it kept and this step keeps; *left counts what is left. */
static enum sm_status drop(struct sm_case *c, struct sm_role_vol *v, const uint8_t *keep,
			   size_t depth, size_t *left, struct sm_err *err)
{
	*left = 0;
	if (!v->keep) {
		v->keep = malloc(depth);
		if (!v->keep)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
		memset(v->keep, 1, depth);
	}
	for (size_t z = 0; z < depth; z++) {
		v->keep[z] = v->keep[z] && keep[z];
		*left += v->keep[z];
	}
	return *left ? SM_OK
		     : SM_FAIL(err, SM_INPUT, "%s: no slice of %zu is of use", c->key, depth);
}

static enum sm_status finish(struct sm_case *c, uint8_t *keep, size_t depth, bool missed,
			     struct sm_err *err)
{
	size_t first = 0, left;
	for (size_t i = 0; i < c->count; i++) {
		SM_TRY(drop(c, &c->vols[i], keep, depth, &left, err));
		first = i ? first : left;
	}
	json_t *fact = json_pack("{s:I, s:I}", "kept", (json_int_t)first, "of", (json_int_t)depth);
	if (missed)
		json_object_set_new(fact, "range",
				    json_string("ignored: the volume ends before it"));
	sm_case_fact(c, "select_slices", fact);
	return SM_OK;
}

enum sm_status sm_op_select_slices(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct select_slices *p = params;
	bool values = p->min_foreground > 0 || p->min_entropy > 0;
	SM_TRY(sm_op_select_slices_check(params, err));
	if (!c->count)
		return SM_FAIL(err, SM_INPUT, "%s: has no intensity volume", c->key);
	SM_TRY(check_case(c, p, err));
	SM_TRY(check_roles(c, &p->roles, err));
	size_t depth = (size_t)c->vols[0].vol.dim[2];
	uint8_t *keep = calloc(3 * depth, 1);
	if (!keep)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	struct job job = {.p = p, .good = keep + depth};
	job.given = p->foreground == LABEL                           ? c->label.data
		    : p->foreground == MASK || p->foreground == AUTO ? c->mask.data
								     : NULL;
	bool missed = p->beyond == ALL && p->first >= (int64_t)depth;
	for (size_t z = 0; z < depth; z++)
		keep[z] = missed ||
			  ((int64_t)z >= p->first && (p->last < 0 || (int64_t)z <= p->last));
	enum sm_status st = SM_OK;
	for (size_t i = 0; values && st == SM_OK && i < c->count; i++)
		if (c->stacked || sm_roles_hold(&p->roles, c->vols[i].role))
			st = volume(c, &c->vols[i], &job, keep, keep + 2 * depth, err);
	if (st == SM_OK)
		st = finish(c, keep, depth, missed, err);
	free(keep);
	return st;
}
