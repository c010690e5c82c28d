/* SPDX-License-Identifier: Apache-2.0
 *
 * sum_frames: a volume with F time frames becomes one frame.
 *	mean      sum of frame / F (the original PET preparation)
 *	sum       sum of frame
 *	weighted  sum of duration * frame / sum of duration: of frames in Bq/ml or SUV the mean over
 *	          the time that they cover, which mean is only when all last equally long
 * Durations are FrameDuration of ingest's sidecar, or `durations`. Sums are taken in double in
 * frame order. Source: the definition of a mean.
 */
#include <stdlib.h>

#include "core/par.h"
#include "preprocess/op_table.h"
#include "preprocess/sidecar.h"

struct sum_frames {
	int method, single;
	char *role;
	struct sm_floats durations;
};
enum { MEAN, SUM, WEIGHTED };
enum { REJECT, KEEP };

#define AT(member) .offset = offsetof(struct sum_frames, member)
static const struct sm_field fields[] = {
	{"method", SM_F_CHOICE, AT(method), "mean", .choices = "mean|sum|weighted",
	 .doc = "mean, sum, or mean weighted by the frames' durations"},
	{"single", SM_F_CHOICE, AT(single), "reject", .choices = "reject|keep",
	 .doc = "a case (or volume `role`) of one frame is rejected, or stays as it is"},
	{"role", SM_F_STRING, AT(role),
	 .doc = "volume to work on; absent = all with more than one frame"},
	{"durations", SM_F_FLOATS, AT(durations), NULL, 1e-6, 1e6,
	 .doc = "of method weighted: seconds a frame; absent = as ingest's sidecar says",
	 .only = "method weighted"},
};
const struct sm_fieldset sm_op_sum_frames_fields =
	SM_FIELDSET("sum_frames", struct sum_frames, fields, "frames to one");

struct job {
	const float *in;
	float *out;
	size_t frame, frames, row;
	const double *weight; /* NULL = 1 each */
	double total;         /* what the sum is divided by */
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
			sum += (double)j->in[f * j->frame + k] * (j->weight ? j->weight[f] : 1);
		j->out[k] = (float)(sum / j->total);
	}
	return SM_OK;
}

/* Seconds of each frame in malloc memory. */
static enum sm_status take_durations(const struct sm_case *c, const struct sm_role_vol *rv,
				     const struct sum_frames *p, double **out, struct sm_err *err)
{
	size_t frames = (size_t)rv->vol.dim[3];
	if (p->durations.n && p->durations.n != frames)
		return SM_FAIL(err, SM_INPUT, "%s: %s has %zu frames, but durations lists %zu",
			       c->key, rv->role, frames, p->durations.n);
	double *seconds = calloc(frames, sizeof *seconds);
	if (!seconds)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	enum sm_status st = SM_OK;
	for (size_t f = 0; f < p->durations.n; f++)
		seconds[f] = p->durations.v[f];
	if (!p->durations.n)
		st = sm_sidecar_numbers(c, rv, "FrameDuration", seconds, err);
	for (size_t f = 0; st == SM_OK && f < frames; f++)
		if (!(seconds[f] > 0))
			st = SM_FAIL(err, SM_INPUT,
				     "%s: frame %zu of %s lasts %g s, allowed is above 0", c->key,
				     f, rv->role, seconds[f]);
	if (st != SM_OK)
		free(seconds);
	else
		*out = seconds;
	return st;
}

static enum sm_status collapse(struct sm_case *c, struct sm_role_vol *rv,
			       const struct sum_frames *p, struct sm_err *err)
{
	struct sm_vol out, *v = &rv->vol;
	const int64_t dim[4] = {v->dim[0], v->dim[1], v->dim[2], 1};
	double *seconds = NULL, total = p->method == MEAN ? (double)v->dim[3] : 1;
	if (p->method == WEIGHTED) {
		SM_TRY(take_durations(c, rv, p, &seconds, err));
		total = 0;
		for (int64_t f = 0; f < v->dim[3]; f++)
			total += seconds[f];
	}
	enum sm_status st = sm_vol_to_f32(v, c->mem, c->jobs, err);
	if (st == SM_OK)
		st = sm_vol_init(&out, dim, SM_F32, c->mem, c->key, err);
	if (st != SM_OK) {
		free(seconds);
		return st;
	}
	struct job job = {.in = v->data,
			  .out = out.data,
			  .frame = sm_vol_frame_count(v),
			  .frames = (size_t)v->dim[3],
			  .row = 16384,
			  .weight = seconds,
			  .total = total};
	st = sm_par_for((job.frame + job.row - 1) / job.row, c->jobs, one, &job, err);
	for (int r = 0; r < 4; r++)
		for (int a = 0; a < 4; a++)
			out.affine[r][a] = v->affine[r][a];
	out.meaning = v->meaning;
	out.form_code = v->form_code;
	sm_case_fact(c, "sum_frames",
		     json_pack("{s:s, s:I, s:f}", "role", rv->role, "frames", (json_int_t)v->dim[3],
			       "divided_by", total));
	sm_vol_clear(v);
	*v = out;
	free(seconds);
	sm_sidecar_one_frame(rv);
	return st;
}

enum sm_status sm_op_sum_frames(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct sum_frames *p = params;
	size_t done = 0;
	SM_TRY(sm_case_frames(c, "sum_frames", p->role, err));
	for (size_t i = 0; i < c->count; i++) {
		struct sm_role_vol *rv = &c->vols[i];
		if ((p->role && &rv->vol != sm_case_find(c, p->role)) || rv->vol.dim[3] == 1)
			continue;
		SM_TRY(collapse(c, rv, p, err));
		done++;
	}
	if (!done && p->single == REJECT)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s has 1 frame, allowed are 2 or more (single: keep lets it "
			       "pass)",
			       c->key, p->role ? p->role : "each volume");
	return SM_OK;
}
