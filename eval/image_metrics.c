/* SPDX-License-Identifier: Apache-2.0
 *
 * Every slice leaves sums of its own (struct part); they are added in the order of the slices.
 */
#include "eval/image_metrics.h"

#include <math.h>
#include <string.h>

#include "core/elementary.h"
#include "core/par.h"
#include "eval/image_parts.h"

#define LANES 8
/* As in image_ssim.c. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define CLONES
#endif

/* ---- sums of a run of voxels ---- */

struct point {
	uint64_t n;
	double d, abs, square, x, y; /* sums of X - Y, |X - Y|, (X - Y)^2, X - origin, Y - origin */
};

CLONES static void point_sums(const float *restrict x, const float *restrict y,
			      const uint8_t *restrict mask, size_t n, const double origin[2],
			      struct point *out)
{
	const double x0 = origin[0], y0 = origin[1];
	double lane[5][LANES] = {{0}}, sum[5] = {0};
	uint64_t count = 0;
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			double w = mask[i + l] ? 1 : 0;
			double a = (double)x[i + l], b = (double)y[i + l], d = a - b;
			lane[0][l] += w * d;
			lane[1][l] += w * fabs(d);
			lane[2][l] += w * (d * d);
			lane[3][l] += w * (a - x0);
			lane[4][l] += w * (b - y0);
		}
	for (; i < n; i++) {
		double w = mask[i] ? 1 : 0, a = (double)x[i], b = (double)y[i], d = a - b;
		lane[0][0] += w * d;
		lane[1][0] += w * fabs(d);
		lane[2][0] += w * (d * d);
		lane[3][0] += w * (a - x0);
		lane[4][0] += w * (b - y0);
	}
	for (int k = 0; k < 5; k++)
		for (int l = 0; l < LANES; l++)
			sum[k] += lane[k][l];
	for (i = 0; i < n; i++)
		count += mask[i] != 0;
	*out = (struct point){count, sum[0], sum[1], sum[2], sum[3], sum[4]};
}

/* Sums of (X - mx)^2, (Y - my)^2 and their product. */
CLONES static void centred_sums(const float *restrict x, const float *restrict y,
				const uint8_t *restrict mask, size_t n, double mx, double my,
				double out[3])
{
	double lane[3][LANES] = {{0}};
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			double w = mask[i + l] ? 1 : 0;
			double a = w * ((double)x[i + l] - mx), b = w * ((double)y[i + l] - my);
			lane[0][l] += a * a;
			lane[1][l] += b * b;
			lane[2][l] += a * b;
		}
	for (; i < n; i++) {
		double w = mask[i] ? 1 : 0;
		double a = w * ((double)x[i] - mx), b = w * ((double)y[i] - my);
		lane[0][0] += a * a;
		lane[1][0] += b * b;
		lane[2][0] += a * b;
	}
	for (int k = 0; k < 3; k++) {
		out[k] = 0;
		for (int l = 0; l < LANES; l++)
			out[k] += lane[k][l];
	}
}

CLONES static uint64_t count_beyond(const float *restrict v, size_t n, float low, float high)
{
	uint64_t found = 0;
	for (size_t i = 0; i < n; i++)
		found += (v[i] < low) | (v[i] > high);
	return found;
}

/* ---- the images as the sums want them ---- */

struct part {
	struct point point[SM_IMAGE_SCALES][SM_IMAGE_REGIONS];
	struct sm_ssim_sums ssim[SM_IMAGE_SCALES][SM_IMAGE_REGIONS];
	struct sm_ssim_sums ssim3d[SM_IMAGE_SCALES][SM_IMAGE_REGIONS];
	double ms[SM_IMAGE_SCALES][SM_IMAGE_REGIONS];
	double centred[SM_IMAGE_REGIONS][3];
	struct sm_jump_sums jump[SM_IMAGE_REGIONS];
	uint64_t parts[SM_PARTS][SM_IMAGE_REGIONS][3], beyond;
	float least, most; /* of the truth; 0 when nobody needs them */
};

struct work {
	const struct sm_image_settings *s;
	int64_t n[3], channels; /* slices are at right angles to the third axis */
	size_t plane, slices;
	bool windowed;
	const float *test[SM_IMAGE_SCALES], *truth[SM_IMAGE_SCALES];
	const uint8_t
		*mask[SM_IMAGE_REGIONS]; /* of one slice that is all ones; of a channel, or NULL */
	double range[SM_IMAGE_SCALES];
	/* Values of the region's first voxel, from which sums are counted, lest the mean of a
	 * constant image be another number than its values. */
	double origin[SM_IMAGE_REGIONS][2], mean[SM_IMAGE_REGIONS][2];
	struct part *part;
	void *own[6]; /* memory: see prepare */
};

static bool asked(const struct work *w, int metric)
{
	return w->s->which >> metric & 1;
}

static const uint8_t *mask_of(const struct work *w, int region, size_t slice)
{
	const uint8_t *m = w->mask[region];
	return region == SM_IMAGE_WHOLE || !m ? m : m + slice % (size_t)w->n[2] * w->plane;
}

/* Old axes that the new ones run along, for slices at right angles to each axis. */
static const int turned[3][3] = {{1, 2, 0}, {0, 2, 1}, {0, 1, 2}};

struct turn {
	const struct sm_image_pair *pair;
	const struct work *w;
	float *test, *truth;
	uint8_t *mask;
};

static enum sm_status turn_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct turn *t = ctx;
	const int64_t *n = t->w->n, *old = t->pair->dim;
	const int64_t step[3] = {1, old[0], old[0] * old[1]};
	const int *a = turned[t->w->s->axis];
	const int64_t z = (int64_t)slice % n[2], c = (int64_t)slice / n[2];
	(void)err;
	for (int64_t y = 0; y < n[1]; y++)
		for (int64_t x = 0; x < n[0]; x++) {
			int64_t from = x * step[a[0]] + y * step[a[1]] + z * step[a[2]];
			size_t to = slice * t->w->plane + (size_t)(y * n[0] + x);
			int64_t at = c * old[0] * old[1] * old[2] + from;
			t->test[to] = t->pair->test[at];
			t->truth[to] = t->pair->truth[at];
			if (t->mask && !c)
				t->mask[to] = t->pair->mask[from];
		}
	return SM_OK;
}

/* Copies of the images whose slices are planes of memory. */
static enum sm_status turn_images(struct work *w, const struct sm_image_pair *pair,
				  struct sm_err *err)
{
	const size_t all = w->plane * w->slices, one = w->plane * (size_t)w->n[2];
	struct turn t = {.pair = pair, .w = w};
	t.test = w->own[0] = sm_alloc(w->s->mem, all, sizeof *t.test, "turned image", err);
	t.truth = w->own[1] =
		t.test ? sm_alloc(w->s->mem, all, sizeof *t.truth, "turned image", err) : NULL;
	if (!t.truth)
		return SM_BUDGET;
	if (pair->mask) {
		t.mask = w->own[2] = sm_alloc(w->s->mem, one, 1, "turned mask", err);
		if (!t.mask)
			return SM_BUDGET;
		w->mask[SM_IMAGE_BODY] = t.mask;
	}
	w->test[SM_IMAGE_OWN] = t.test;
	w->truth[SM_IMAGE_OWN] = t.truth;
	return sm_par_for(w->slices, w->s->jobs, turn_slice, &t, err);
}

static enum sm_status normalise_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct work *w = ctx;
	const double low = w->s->window[0], scale = 2 / (w->s->window[1] - low);
	(void)err;
	for (int k = 0; k < 2; k++) {
		const float *in = (k ? w->truth : w->test)[SM_IMAGE_OWN] + slice * w->plane;
		float *out = (float *)w->own[3 + k] + slice * w->plane;
		for (size_t i = 0; i < w->plane; i++) {
			double v = ((double)in[i] - low) * scale - 1;
			out[i] = (float)(!w->s->clip ? v : v < -1 ? -1 : v > 1 ? 1 : v);
		}
	}
	return SM_OK;
}

/* own: 0 to 2 turned test, truth, mask; 3 and 4 normalised test, truth; 5 a slice of ones. */
static enum sm_status prepare(struct work *w, const struct sm_image_pair *pair, struct sm_err *err)
{
	const size_t all = w->plane * w->slices;
	w->test[SM_IMAGE_OWN] = pair->test;
	w->truth[SM_IMAGE_OWN] = pair->truth;
	w->mask[SM_IMAGE_BODY] = pair->mask;
	if (w->s->axis != 2)
		SM_TRY(turn_images(w, pair, err));
	w->own[5] = sm_alloc(w->s->mem, w->plane, 1, "mask of a slice", err);
	w->part = sm_calloc(w->s->mem, w->slices, sizeof *w->part, "sums of slices", err);
	if (!w->own[5] || !w->part)
		return SM_BUDGET;
	w->mask[SM_IMAGE_WHOLE] = memset(w->own[5], 1, w->plane);
	if (!w->windowed)
		return SM_OK;
	for (int k = 0; k < 2; k++) {
		w->own[3 + k] = sm_alloc(w->s->mem, all, sizeof(float), "normalised image", err);
		if (!w->own[3 + k])
			return SM_BUDGET;
	}
	w->test[SM_IMAGE_NORMALISED] = w->own[3];
	w->truth[SM_IMAGE_NORMALISED] = w->own[4];
	return sm_par_for(w->slices, w->s->jobs, normalise_slice, w, err);
}

/* ---- the sums of a slice ---- */

static enum sm_status range_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct work *w = ctx;
	const float *v = w->truth[SM_IMAGE_OWN] + slice * w->plane;
	struct part *p = &w->part[slice];
	(void)err;
	p->least = p->most = v[0];
	for (size_t i = 1; i < w->plane; i++) {
		p->least = v[i] < p->least ? v[i] : p->least;
		p->most = v[i] > p->most ? v[i] : p->most;
	}
	return SM_OK;
}

static enum sm_status similarity(const struct work *w, size_t slice, int scale, struct sm_err *err)
{
	const int64_t nz = w->n[2], z = (int64_t)slice % nz;
	const size_t channel = slice / (size_t)nz * (size_t)nz * w->plane;
	struct part *p = &w->part[slice];
	struct sm_ssim_image m = {.test = w->test[scale] + channel,
				  .truth = w->truth[scale] + channel,
				  .mask = w->mask[SM_IMAGE_BODY],
				  .nx = w->n[0],
				  .ny = w->n[1],
				  .nz = nz,
				  .range = w->range[scale],
				  .low = !w->s->from_low          ? 0
					 : scale == SM_IMAGE_OWN ? w->s->low
								 : -1,
				  .mem = w->s->mem};
	if (!(m.range > 0))
		return SM_OK;
	bool fits = m.nx >= SM_MS_SSIM_SIDE && m.ny >= SM_MS_SSIM_SIDE;
	if (asked(w, SM_IMAGE_MS_SSIM) && fits)
		SM_TRY(sm_ms_ssim_slice(&m, z, p->ms[scale], p->ssim[scale], err));
	else if (asked(w, SM_IMAGE_SSIM))
		SM_TRY(sm_ssim_slice(&m, z, false, p->ssim[scale], err));
	if (asked(w, SM_IMAGE_SSIM3D))
		SM_TRY(sm_ssim_slice(&m, z, true, p->ssim3d[scale], err));
	return SM_OK;
}

static void jumps(const struct work *w, size_t slice)
{
	const float *x = w->test[SM_IMAGE_OWN] + slice * w->plane;
	const float *y = w->truth[SM_IMAGE_OWN] + slice * w->plane;
	for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
		const uint8_t *m = mask_of(w, r, slice);
		if (m)
			sm_jump_gap((const float *[]){x, x + w->plane},
				    (const float *[]){y, y + w->plane},
				    r == SM_IMAGE_WHOLE ? NULL
							: (const uint8_t *[]){m, m + w->plane},
				    w->plane, &w->part[slice].jump[r]);
	}
}

/* Bone and ink. */
static void count_parts(const struct work *w, size_t slice)
{
	const float *const x[2] = {w->test[SM_IMAGE_OWN] + slice * w->plane,
				   w->truth[SM_IMAGE_OWN] + slice * w->plane};
	const size_t nz = (size_t)w->n[2];
	for (int k = 0; k < SM_PARTS; k++) {
		const bool joint = sm_image_parts[k].joint;
		const struct sm_ink part = sm_image_part(w->s, k);
		for (int r = 0; asked(w, sm_image_parts[k].metric) && r < SM_IMAGE_REGIONS; r++)
			if (w->mask[r] && (!joint || slice < nz))
				sm_part_counts(x, w->plane, nz * w->plane,
					       joint ? (int)w->channels : 1, &part,
					       mask_of(w, r, slice), w->part[slice].parts[k][r]);
	}
}

static enum sm_status sum_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct work *w = ctx;
	struct part *p = &w->part[slice];
	const float *truth = w->truth[SM_IMAGE_OWN] + slice * w->plane;
	for (int scale = 0; scale <= w->windowed; scale++) {
		for (int r = 0; r < SM_IMAGE_REGIONS; r++)
			if (w->mask[r])
				point_sums(w->test[scale] + slice * w->plane,
					   w->truth[scale] + slice * w->plane, mask_of(w, r, slice),
					   w->plane, w->origin[r], &p->point[scale][r]);
		SM_TRY(similarity(w, slice, scale, err));
	}
	count_parts(w, slice);
	if (asked(w, SM_IMAGE_JUMP) && (int64_t)slice % w->n[2] != w->n[2] - 1)
		jumps(w, slice);
	if (w->windowed)
		p->beyond = count_beyond(truth, w->plane, (float)w->s->window[0],
					 (float)w->s->window[1]);
	return SM_OK;
}

static enum sm_status centre_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct work *w = ctx;
	(void)err;
	for (int r = 0; r < SM_IMAGE_REGIONS; r++)
		if (w->mask[r])
			centred_sums(w->test[SM_IMAGE_OWN] + slice * w->plane,
				     w->truth[SM_IMAGE_OWN] + slice * w->plane,
				     mask_of(w, r, slice), w->plane, w->mean[r][0], w->mean[r][1],
				     w->part[slice].centred[r]);
	return SM_OK;
}

/* ---- scores from sums ---- */

struct place {
	struct sm_image_scores *out;
	int scale, region;
};

static void put(const struct place *at, int metric, double value, enum sm_image_reason why)
{
	at->out->value[at->scale][at->region][metric] = value;
	at->out->why[at->scale][at->region][metric] = (uint8_t)why;
}

static struct point add_points(const struct work *w, int scale, int region)
{
	struct point sum = {0};
	for (size_t i = 0; i < w->slices; i++) {
		const struct point *p = &w->part[i].point[scale][region];
		sum.n += p->n;
		sum.d += p->d;
		sum.abs += p->abs;
		sum.square += p->square;
		sum.x += p->x;
		sum.y += p->y;
	}
	return sum;
}

static void put_points(const struct work *w, const struct place *at)
{
	const struct point sum = add_points(w, at->scale, at->region);
	const double n = (double)sum.n, square = sum.square / n, range = w->range[at->scale];
	if (!sum.n) {
		static const int those[] = {SM_IMAGE_MAE, SM_IMAGE_RMSE, SM_IMAGE_BIAS,
					    SM_IMAGE_PSNR};
		for (size_t k = 0; k < sizeof those / sizeof *those; k++)
			put(at, those[k], NAN, SM_WHY_EMPTY_MASK);
		return;
	}
	put(at, SM_IMAGE_MAE, sum.abs / n, SM_WHY_NONE);
	put(at, SM_IMAGE_RMSE, sqrt(square), SM_WHY_NONE);
	put(at, SM_IMAGE_BIAS, sum.d / n, SM_WHY_NONE);
	if (!(range > 0))
		put(at, SM_IMAGE_PSNR, NAN, SM_WHY_NO_RANGE);
	else if (!(square > 0))
		put(at, SM_IMAGE_PSNR, INFINITY, SM_WHY_EQUAL);
	else
		put(at, SM_IMAGE_PSNR, 10 * (2 * sm_log(range) - sm_log(square)) / sm_log(10),
		    SM_WHY_NONE);
}

static void put_similarity(const struct work *w, const struct place *at)
{
	struct sm_ssim_sums plane = {0}, volume = {0};
	double ms = 0;
	size_t with_ms = 0;
	const bool small = w->n[0] < SM_SSIM_SIDE || w->n[1] < SM_SSIM_SIDE;
	const bool small_ms = w->n[0] < SM_MS_SSIM_SIDE || w->n[1] < SM_MS_SSIM_SIDE;
	for (size_t i = 0; i < w->slices; i++) {
		const struct part *p = &w->part[i];
		plane.ssim += p->ssim[at->scale][at->region].ssim;
		plane.n += p->ssim[at->scale][at->region].n;
		volume.ssim += p->ssim3d[at->scale][at->region].ssim;
		volume.n += p->ssim3d[at->scale][at->region].n;
		if (!isnan(p->ms[at->scale][at->region])) {
			ms += p->ms[at->scale][at->region];
			with_ms++;
		}
	}
	const bool none = !(w->range[at->scale] > 0);
	const enum sm_image_reason why = none ? SM_WHY_NO_RANGE : SM_WHY_NONE;
	put(at, SM_IMAGE_SSIM, none || !plane.n ? NAN : plane.ssim / (double)plane.n,
	    small             ? SM_WHY_SMALL
	    : none || plane.n ? why
			      : SM_WHY_EMPTY_MASK);
	put(at, SM_IMAGE_SSIM3D, none || !volume.n ? NAN : volume.ssim / (double)volume.n,
	    small || w->n[2] < SM_SSIM_SIDE ? SM_WHY_SMALL
	    : none || volume.n              ? why
					    : SM_WHY_EMPTY_MASK);
	put(at, SM_IMAGE_MS_SSIM, none || small_ms || !with_ms ? NAN : ms / (double)with_ms,
	    small_ms          ? SM_WHY_SMALL_MS
	    : none || with_ms ? why
			      : SM_WHY_EMPTY_MASK);
}

static void put_parts(const struct work *w, const struct place *at, bool empty)
{
	for (int k = 0; k < SM_PARTS; k++) {
		double n[3] = {0};
		for (size_t i = 0; i < w->slices; i++)
			for (int j = 0; j < 3; j++)
				n[j] += (double)w->part[i].parts[k][at->region][j];
		const bool any = n[0] + n[1] > 0;
		put(at, sm_image_parts[k].metric, any ? 2 * n[2] / (n[0] + n[1]) : NAN,
		    empty ? SM_WHY_EMPTY_MASK
		    : any ? SM_WHY_NONE
			  : sm_image_parts[k].none);
	}
}

/* NCC, bone, ink and jump; mutual information stands by itself. */
static void put_relations(const struct work *w, const struct place *at)
{
	double c[3] = {0};
	struct sm_jump_sums jump = {0};
	for (size_t i = 0; i < w->slices; i++) {
		const struct part *p = &w->part[i];
		for (int k = 0; k < 3; k++)
			c[k] += p->centred[at->region][k];
		jump.test += p->jump[at->region].test;
		jump.truth += p->jump[at->region].truth;
		jump.n += p->jump[at->region].n;
	}
	const bool empty = !add_points(w, SM_IMAGE_OWN, at->region).n;
	const bool flat = !(c[0] > 0 && c[1] > 0);
	put(at, SM_IMAGE_NCC, flat ? NAN : c[2] / (sqrt(c[0]) * sqrt(c[1])),
	    empty  ? SM_WHY_EMPTY_MASK
	    : flat ? SM_WHY_CONSTANT
		   : SM_WHY_NONE);
	put_parts(w, at, empty);
	put(at, SM_IMAGE_JUMP, jump.truth > 0 ? jump.test / jump.truth : NAN,
	    w->n[2] < 2      ? SM_WHY_ONE_SLICE
	    : !jump.n        ? SM_WHY_EMPTY_MASK
	    : jump.truth > 0 ? SM_WHY_NONE
			     : SM_WHY_STILL);
}

static enum sm_status put_mutual(const struct work *w, const struct place *at, double low,
				 double high, struct sm_err *err)
{
	struct sm_joint_image m = {.test = w->test[SM_IMAGE_OWN],
				   .truth = w->truth[SM_IMAGE_OWN],
				   .mask = at->region == SM_IMAGE_BODY ? w->mask[SM_IMAGE_BODY]
								       : NULL,
				   .n = w->plane * w->slices,
				   .period = w->plane * (size_t)w->n[2],
				   .low = w->windowed ? w->s->window[0] : low,
				   .high = w->windowed ? w->s->window[1] : high,
				   .bins = w->s->bins,
				   .mem = w->s->mem};
	double value;
	SM_TRY(sm_mutual_information(&m, w->s->jobs, &value, err));
	put(at, SM_IMAGE_MI, value, isnan(value) ? SM_WHY_EMPTY_MASK : SM_WHY_NONE);
	return SM_OK;
}

/* Everything is undefined for a reason until it is put. */
static void put_none(const struct work *w, struct sm_image_scores *out)
{
	for (int s = 0; s < SM_IMAGE_SCALES; s++)
		for (int r = 0; r < SM_IMAGE_REGIONS; r++)
			for (int m = 0; m < SM_IMAGE_METRICS; m++)
				put(&(struct place){out, s, r}, m, NAN,
				    s == SM_IMAGE_NORMALISED && !w->windowed ? SM_WHY_NO_WINDOW
				    : !w->mask[r]                            ? SM_WHY_NO_MASK
									     : SM_WHY_NOT_ASKED);
}

static enum sm_status put_all(const struct work *w, double low, double high,
			      struct sm_image_scores *out, struct sm_err *err)
{
	put_none(w, out);
	for (int s = 0; s <= w->windowed; s++)
		for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
			const struct place at = {out, s, r};
			if (!w->mask[r])
				continue;
			put_points(w, &at);
			put_similarity(w, &at);
			if (s == SM_IMAGE_OWN) {
				put_relations(w, &at);
				if (asked(w, SM_IMAGE_MI))
					SM_TRY(put_mutual(w, &at, low, high, err));
			}
			for (int m = 0; m < SM_IMAGE_METRICS; m++)
				if (!asked(w, m))
					put(&at, m, NAN, SM_WHY_NOT_ASKED);
		}
	out->range = w->range[SM_IMAGE_OWN];
	out->voxels = w->plane * w->slices;
	out->body = w->mask[SM_IMAGE_BODY] ? add_points(w, SM_IMAGE_OWN, SM_IMAGE_BODY).n : 0;
	for (size_t i = 0; i < w->slices; i++)
		out->beyond += w->part[i].beyond;
	return SM_OK;
}

static void find_origins(struct work *w)
{
	const uint8_t *m = w->mask[SM_IMAGE_BODY];
	const size_t n = w->plane * (size_t)w->n[2];
	size_t at[SM_IMAGE_REGIONS] = {0};
	while (m && at[SM_IMAGE_BODY] + 1 < n && !m[at[SM_IMAGE_BODY]])
		at[SM_IMAGE_BODY]++;
	for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
		w->origin[r][0] = (double)w->test[SM_IMAGE_OWN][at[r]];
		w->origin[r][1] = (double)w->truth[SM_IMAGE_OWN][at[r]];
	}
}

static enum sm_status score(struct work *w, const struct sm_image_pair *pair,
			    struct sm_image_scores *out, struct sm_err *err)
{
	SM_TRY(prepare(w, pair, err));
	find_origins(w);
	if (w->s->rule == SM_RANGE_TRUTH || (asked(w, SM_IMAGE_MI) && !w->windowed))
		SM_TRY(sm_par_for(w->slices, w->s->jobs, range_slice, w, err));
	float least = w->part[0].least, most = w->part[0].most;
	for (size_t i = 1; i < w->slices; i++) {
		least = w->part[i].least < least ? w->part[i].least : least;
		most = w->part[i].most > most ? w->part[i].most : most;
	}
	w->range[SM_IMAGE_OWN] =
		w->s->rule == SM_RANGE_GIVEN ? w->s->range : (double)most - (double)least;
	w->range[SM_IMAGE_NORMALISED] = 2;
	SM_TRY(sm_par_for(w->slices, w->s->jobs, sum_slice, w, err));
	for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
		struct point sum = add_points(w, SM_IMAGE_OWN, r);
		w->mean[r][0] = w->origin[r][0] + (sum.n ? sum.x / (double)sum.n : 0);
		w->mean[r][1] = w->origin[r][1] + (sum.n ? sum.y / (double)sum.n : 0);
	}
	if (asked(w, SM_IMAGE_NCC))
		SM_TRY(sm_par_for(w->slices, w->s->jobs, centre_slice, w, err));
	return put_all(w, (double)least, (double)most, out, err);
}

enum sm_status sm_image_score(const struct sm_image_pair *pair, const struct sm_image_settings *s,
			      struct sm_image_scores *out, struct sm_err *err)
{
	struct work w = {.s = s, .channels = pair->channels ? pair->channels : 1};
	const size_t parts = sizeof w.own / sizeof *w.own;
	*out = (struct sm_image_scores){0};
	SM_TRY(sm_image_settings_check(s, err));
	for (int a = 0; a < 3; a++) {
		if (pair->dim[a] < 1)
			return SM_FAIL(err, SM_INPUT,
				       "%s: size along %c is %lld, allowed is 1 or more",
				       pair->test_name, "xyz"[a], (long long)pair -> dim[a]);
		w.n[a] = pair->dim[turned[s->axis][a]];
	}
	w.plane = (size_t)(w.n[0] * w.n[1]);
	w.slices = (size_t)(w.n[2] * w.channels);
	w.windowed = s->window[1] > s->window[0];
	SM_TRY(sm_image_refuse(pair->truth, pair->truth_name, pair->dim, w.channels, s->jobs, err));
	SM_TRY(sm_image_refuse(pair->test, pair->test_name, pair->dim, w.channels, s->jobs, err));
	enum sm_status st = score(&w, pair, out, err);
	if (st != SM_OK)
		*out = (struct sm_image_scores){0};
	for (size_t i = 0; i < parts; i++)
		sm_free(w.own[i]);
	sm_free(w.part);
	return st;
}
