/* SPDX-License-Identifier: Apache-2.0
 *
 * select_frames: some frames of a volume with time, by number (`frames`, or `first` to `last`) or
 * by time (`seconds`: those that begin at or after the first and end at or before the second value,
 * counted from the start of the volume's first frame as ingest's sidecar has it). The numbers are
 * copied as they are.
 */
#include <stdlib.h>
#include <string.h>

#include "preprocess/op_table.h"
#include "preprocess/sidecar.h"

struct select_frames {
	struct sm_ints frames;
	int64_t first, last;
	struct sm_floats seconds;
	char *role;
};

#define AT(member) .offset = offsetof(struct select_frames, member)
static const struct sm_field fields[] = {
	{"frames", SM_F_INTS, AT(frames), NULL, 0, 1e6,
	 .doc = "frames to keep, from 0, rising; absent = first to last"},
	{"first", SM_F_INT, AT(first), "0", 0, 1e6, .doc = "first frame kept"},
	{"last", SM_F_INT, AT(last), "-1", -1, 1e6, .doc = "last frame kept; -1 = to the end"},
	{"seconds", SM_F_FLOATS, AT(seconds), NULL, 0, 1e9, .count = 2,
	 .doc = "instead: frames that lie wholly between these two times"},
	{"role", SM_F_STRING, AT(role),
	 .doc = "volume to work on; absent = all with more than one frame"},
};
const struct sm_fieldset sm_op_select_frames_fields =
	SM_FIELDSET("select_frames", struct select_frames, fields, "some frames of many");

enum sm_status sm_op_select_frames_check(const void *params, struct sm_err *err)
{
	const struct select_frames *p = params;
	bool range = p->first != 0 || p->last != -1;
	if ((p->frames.n > 0) + range + (p->seconds.n > 0) > 1)
		return SM_FAIL(err, SM_USAGE,
			       "found more than one of frames, first and last, seconds, allowed is "
			       "one");
	for (size_t i = 1; i < p->frames.n; i++)
		if (p->frames.v[i] <= p->frames.v[i - 1])
			return SM_FAIL(err, SM_USAGE,
				       "frames lists %lld behind %lld, allowed are "
				       "rising numbers",
				       (long long)p->frames.v[i], (long long)p->frames.v[i - 1]);
	if (p->last >= 0 && p->last < p->first)
		return SM_FAIL(err, SM_USAGE, "first %lld is above last %lld", (long long)p->first,
			       (long long)p->last);
	if (p->seconds.n && p->seconds.v[0] >= p->seconds.v[1])
		return SM_FAIL(err, SM_USAGE, "seconds are %g to %g, allowed is low < high",
			       p->seconds.v[0], p->seconds.v[1]);
	return SM_OK;
}

static enum sm_status by_time(const struct sm_case *c, const struct sm_role_vol *rv,
			      const struct select_frames *p, int64_t *out, size_t *n,
			      struct sm_err *err)
{
	size_t frames = (size_t)rv->vol.dim[3];
	double *start = calloc(2 * frames, sizeof *start), *length = start + frames;
	if (!start)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	enum sm_status st = sm_sidecar_numbers(c, rv, "FrameTimesStart", start, err);
	if (st == SM_OK)
		st = sm_sidecar_numbers(c, rv, "FrameDuration", length, err);
	for (size_t f = 0; st == SM_OK && f < frames; f++)
		/* Clocks of frames come in steps of a millisecond. */
		if (start[f] >= p->seconds.v[0] - 5e-4 &&
		    start[f] + length[f] <= p->seconds.v[1] + 5e-4)
			out[(*n)++] = (int64_t)f;
	free(start);
	return st;
}

/* out has room for as many as the volume has frames. */
static enum sm_status choose(const struct sm_case *c, const struct sm_role_vol *rv,
			     const struct select_frames *p, int64_t *out, size_t *n,
			     struct sm_err *err)
{
	int64_t frames = rv->vol.dim[3], last = p->last < 0 ? frames - 1 : p->last;
	int64_t largest = p->frames.n       ? p->frames.v[p->frames.n - 1]
			  : p->seconds.n    ? 0
			  : last > p->first ? last
					    : p->first;
	*n = 0;
	if (largest >= frames)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s has %lld frames, frame %lld (from 0) is not there", c->key,
			       rv->role, (long long)frames, (long long)largest);
	if (p->seconds.n)
		SM_TRY(by_time(c, rv, p, out, n, err));
	for (size_t i = 0; i < p->frames.n; i++)
		out[(*n)++] = p->frames.v[i];
	for (int64_t f = p->first; !p->frames.n && !p->seconds.n && f <= last; f++)
		out[(*n)++] = f;
	if (!*n)
		return SM_FAIL(err, SM_INPUT, "%s: no frame of %s lies between %g and %g s", c->key,
			       rv->role, p->seconds.v[0], p->seconds.v[1]);
	return SM_OK;
}

static enum sm_status cut(struct sm_case *c, struct sm_role_vol *rv, const int64_t *chosen,
			  size_t n, struct sm_err *err)
{
	struct sm_vol out, *v = &rv->vol;
	const int64_t dim[4] = {v->dim[0], v->dim[1], v->dim[2], (int64_t)n};
	size_t bytes = sm_vol_frame_count(v) * sm_dtype_size(v->dtype);
	bool even = true;
	SM_TRY(sm_vol_init(&out, dim, v->dtype, c->mem, c->key, err));
	for (size_t i = 0; i < n; i++) {
		memcpy((char *)out.data + i * bytes, (char *)v->data + (size_t)chosen[i] * bytes,
		       bytes);
		even = even && (i == 0 || chosen[i] - chosen[i - 1] == chosen[n > 1] - chosen[0]);
	}
	memcpy(out.affine, v->affine, sizeof out.affine);
	out.slope = v->slope;
	out.inter = v->inter;
	out.meaning = v->meaning;
	out.form_code = v->form_code;
	if (n > 1 && even)
		out.frame_seconds = v->frame_seconds * (double)(chosen[1] - chosen[0]);
	sm_sidecar_select(rv, (size_t)v->dim[3], chosen, n);
	sm_case_fact(c, "select_frames",
		     json_pack("{s:s, s:o, s:I}", "role", rv->role, "frames",
			       sm_json_ints(chosen, n), "of", (json_int_t)v->dim[3]));
	sm_vol_clear(v);
	*v = out;
	return SM_OK;
}

static enum sm_status one(struct sm_case *c, struct sm_role_vol *rv, const struct select_frames *p,
			  struct sm_err *err)
{
	size_t n = 0;
	int64_t *chosen = calloc((size_t)rv->vol.dim[3], sizeof *chosen);
	if (!chosen)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	enum sm_status st = choose(c, rv, p, chosen, &n, err);
	if (st == SM_OK)
		st = cut(c, rv, chosen, n, err);
	free(chosen);
	return st;
}

enum sm_status sm_op_select_frames(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct select_frames *p = params;
	size_t done = 0;
	SM_TRY(sm_op_select_frames_check(params, err));
	SM_TRY(sm_case_frames(c, "select_frames", p->role, err));
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *rv = &c->vols[i];
		if (p->role ? strcmp(rv->role, p->role) != 0 : rv->vol.dim[3] == 1)
			continue;
		SM_TRY(one(c, rv, p, err));
		done++;
	}
	if (!done)
		return SM_FAIL(err, SM_INPUT, "%s: no volume has more than 1 frame", c->key);
	return SM_OK;
}
