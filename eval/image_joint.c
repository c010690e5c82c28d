/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/elementary.h"
#include "core/par.h"
#include "eval/image_parts.h"

#define LANES 8
#define CHUNKS \
	16 /* of a joint histogram, whatever the number of threads: each has counts of its own */
/* As in image_ssim.c. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define CLONES
#endif

struct joint_job {
	const struct sm_joint_image *image;
	uint64_t *count; /* CHUNKS tables of bins * bins: truth's bin, test's bin */
};

static int bin_of(float v, double low, double scale, double top)
{
	double b = ((double)v - low) * scale;
	return (int)(b < 0 ? 0 : b > top ? top : b);
}

static enum sm_status count_chunk(void *ctx, size_t chunk, struct sm_err *err)
{
	const struct joint_job *job = ctx;
	const struct sm_joint_image *m = job->image;
	const double scale = m->high > m->low ? m->bins / (m->high - m->low) : 0, top = m->bins - 1;
	uint64_t *count = job->count + chunk * (size_t)(m->bins * m->bins);
	const size_t from = m->n / CHUNKS * chunk,
		     to = chunk == CHUNKS - 1 ? m->n : from + m->n / CHUNKS;
	size_t at = m->mask ? from % m->period : 0;
	(void)err;
	for (size_t i = from; i < to; i++) {
		if (m->mask) {
			bool in = m->mask[at];
			at = at + 1 == m->period ? 0 : at + 1;
			if (!in)
				continue;
		}
		count[bin_of(m->truth[i], m->low, scale, top) * m->bins +
		      bin_of(m->test[i], m->low, scale, top)]++;
	}
	return SM_OK;
}

enum sm_status sm_mutual_information(const struct sm_joint_image *image, int jobs, double *out,
				     struct sm_err *err)
{
	const size_t bins = (size_t)image->bins, cells = bins * bins;
	struct joint_job job = {.image = image};
	double *side = NULL, total = 0, sum = 0;
	enum sm_status st = SM_BUDGET;
	*out = NAN;
	job.count =
		sm_calloc(image->mem, cells * CHUNKS, sizeof *job.count, "joint histogram", err);
	side = sm_calloc(image->mem, 2 * bins, sizeof *side, "joint histogram", err);
	if (!job.count || !side)
		goto out;
	SM_GOTO(st, sm_par_for(CHUNKS, jobs, count_chunk, &job, err));
	for (size_t i = 0; i < cells; i++) {
		for (size_t c = 1; c < CHUNKS; c++)
			job.count[i] += job.count[c * cells + i];
		side[i / bins] += (double)job.count[i];
		side[bins + i % bins] += (double)job.count[i];
		total += (double)job.count[i];
	}
	if (!(total > 0))
		goto out;
	for (size_t i = 0; i < cells; i++) {
		double n = (double)job.count[i];
		if (n > 0)
			sum += n / total *
			       sm_log(n * total / (side[i / bins] * side[bins + i % bins]));
	}
	*out = sum < 0 ? 0 : sum;
out:
	sm_free(side);
	sm_free(job.count);
	return st;
}

CLONES static void jump_lanes(const float *restrict a, const float *restrict b,
			      const uint8_t *restrict m, const uint8_t *restrict o, size_t n,
			      double *restrict lane)
{
	for (size_t i = 0; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			double w = m[i + l] && o[i + l] ? 1 : 0;
			lane[l] += w * fabs((double)b[i + l] - (double)a[i + l]);
		}
}

CLONES static void jump_plain(const float *restrict a, const float *restrict b, size_t n,
			      double *restrict lane)
{
	for (size_t i = 0; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++)
			lane[l] += fabs((double)b[i + l] - (double)a[i + l]);
}

/* Sum of |b - a|, inside both masks when there are any. */
static double jump_sum(const float *const v[2], const uint8_t *const mask[2], size_t n)
{
	double lane[LANES] = {0}, sum = 0;
	if (mask)
		jump_lanes(v[0], v[1], mask[0], mask[1], n, lane);
	else
		jump_plain(v[0], v[1], n, lane);
	for (size_t i = n / LANES * LANES; i < n; i++)
		if (!mask || (mask[0][i] && mask[1][i]))
			lane[0] += fabs((double)v[1][i] - (double)v[0][i]);
	for (int l = 0; l < LANES; l++)
		sum += lane[l];
	return sum;
}

void sm_jump_gap(const float *test[2], const float *truth[2], const uint8_t *mask[2], size_t n,
		 struct sm_jump_sums *out)
{
	*out = (struct sm_jump_sums){.n = n};
	if (mask) {
		out->n = 0;
		for (size_t i = 0; i < n; i++)
			out->n += mask[0][i] && mask[1][i];
	}
	out->test = jump_sum(test, mask, n);
	out->truth = jump_sum(truth, mask, n);
}

struct finite_job {
	const float *v;
	const char *name;
	const int64_t *dim;
};

/* 1 when a value's exponent is all ones: NaN or infinite. */
CLONES static uint32_t any_bad(const float *restrict v, size_t n)
{
	uint32_t bad = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, v + i, sizeof bits);
		bad |= (bits & 0x7f800000u) == 0x7f800000u;
	}
	return bad;
}

static enum sm_status check_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct finite_job *job = ctx;
	const int64_t nx = job->dim[0], nz = job->dim[2];
	const size_t n = (size_t)(nx * job->dim[1]);
	const float *v = job->v + slice * n;
	if (!any_bad(v, n))
		return SM_OK;
	int64_t i = 0;
	while (isfinite(v[i]))
		i++;
	return SM_FAIL(
		err, SM_INPUT,
		"%s: the value at voxel (%lld, %lld, %lld) of channel %lld is %s: scores need "
		"finite numbers everywhere",
		job->name, (long long)(i % nx), (long long)(i / nx),
		(long long)((int64_t)slice % nz), (long long)((int64_t)slice / nz),
		isnan(v[i]) ? "NaN" : "infinite");
}

enum sm_status sm_image_refuse(const float *v, const char *name, const int64_t dim[3],
			       int64_t channels, int jobs, struct sm_err *err)
{
	struct finite_job job = {.v = v, .name = name, .dim = dim};
	return sm_par_for((size_t)(dim[2] * channels), jobs, check_slice, &job, err);
}
