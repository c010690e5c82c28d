/* SPDX-License-Identifier: Apache-2.0
 *
 * sum_frames: a volume with F time frames becomes one frame: the mean (sum of frame / F, as in the
 * original PET preparation) or the sum. Sums are taken in double in frame order.
 */
#include "core/par.h"
#include "preprocess/case.h"
#include "preprocess/op_table.h"

struct sum_frames {
	int method;
	char *role;
};
enum { MEAN, SUM };

#define AT(member) .offset = offsetof(struct sum_frames, member)
static const struct sm_field fields[] = {
	{"method", SM_F_CHOICE, AT(method), "mean", .choices = "mean|sum",
	 .doc = "mean or sum of the frames"},
	{"role", SM_F_STRING, AT(role),
	 .doc = "volume to work on; absent = all with more than one frame"},
};
const struct sm_fieldset sm_op_sum_frames_fields =
	SM_FIELDSET("sum_frames", struct sum_frames, fields, "frames to one");

struct job {
	const float *in;
	float *out;
	size_t frame, frames, row;
	double factor;
};

/* One block of `row` voxels. */
static enum sm_status one(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *j = ctx;
	size_t lo = i * j->row, hi = lo + j->row < j->frame ? lo + j->row : j->frame;
	(void)err;
	for (size_t k = lo; k < hi; k++) {
		double sum = 0;
		for (size_t f = 0; f < j->frames; f++)
			sum += (double)j->in[f * j->frame + k];
		j->out[k] = (float)(sum * j->factor);
	}
	return SM_OK;
}

static enum sm_status collapse(struct sm_case *c, struct sm_vol *v, int method, struct sm_err *err)
{
	struct sm_vol out;
	const int64_t dim[4] = {v->dim[0], v->dim[1], v->dim[2], 1};
	SM_TRY(sm_vol_to_f32(v, c->mem, c->jobs, err));
	SM_TRY(sm_vol_init(&out, dim, SM_F32, c->mem, c->key, err));
	struct job job = {.in = v->data,
			  .out = out.data,
			  .frame = sm_vol_frame_count(v),
			  .frames = (size_t)v->dim[3],
			  .row = 16384,
			  .factor = method == MEAN ? 1.0 / (double)v->dim[3] : 1.0};
	enum sm_status st =
		sm_par_for((job.frame + job.row - 1) / job.row, c->jobs, one, &job, err);
	for (int r = 0; r < 4; r++)
		for (int a = 0; a < 4; a++)
			out.affine[r][a] = v->affine[r][a];
	out.meaning = v->meaning;
	sm_vol_clear(v);
	*v = out;
	return st;
}

enum sm_status sm_op_sum_frames(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct sum_frames *p = params;
	size_t done = 0;
	if (c->stacked)
		return SM_FAIL(err, SM_INPUT,
			       "%s: is stacked already: sum_frames must stand before stack",
			       c->key);
	if (p->role && !sm_case_find(c, p->role))
		return SM_FAIL(err, SM_INPUT, "%s: has no volume '%s'", c->key, p->role);
	for (size_t i = 0; i < c->count; i++) {
		struct sm_vol *v = &c->vols[i].vol;
		if ((p->role && v != sm_case_find(c, p->role)) || v->dim[3] == 1)
			continue;
		SM_TRY(collapse(c, v, p->method, err));
		done++;
	}
	if (!done)
		return SM_FAIL(err, SM_INPUT, "%s: %s has 1 frame, allowed are 2 or more", c->key,
			       p->role ? p->role : "each volume");
	return SM_OK;
}
