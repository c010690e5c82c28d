/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>

#include "core/mem.h"
#include "core/par.h"
#include "core/rng.h"

enum { SLICE = 256 };

struct signs {
	const double *d; /* differences that are not 0 */
	size_t n, draws;
	double reach; /* |sum| from which on a draw counts as far */
	const struct sm_resampling *how;
	size_t *far; /* one a slice */
};

static bool is_far(const struct signs *s, double sum)
{
	return fabs(sum) >= s->reach;
}

/* Signs as the bits of a number: every sum is made anew, so none carries another's rounding. */
static size_t count_all(const struct signs *s)
{
	size_t far = 0;
	for (uint32_t bits = 0; bits < (uint32_t)1 << s->n; bits++) {
		double sum = 0;
		for (size_t i = 0; i < s->n; i++)
			sum += bits >> i & 1 ? -s->d[i] : s->d[i];
		far += is_far(s, sum);
	}
	return far;
}

static enum sm_status draw_slice(void *ctx, size_t slice, struct sm_err *err)
{
	const struct signs *s = ctx;
	(void)err;
	for (size_t k = slice * SLICE; k < (slice + 1) * SLICE && k < s->draws; k++) {
		struct sm_rng rng;
		uint32_t word = 0;
		double sum = 0;
		sm_rng_init(&rng, s->how->seed, "permutation", s->how->name, 0, k);
		for (size_t i = 0; i < s->n; i++) {
			word = i % 32 ? word >> 1 : sm_rng_u32(&rng);
			sum += word & 1 ? -s->d[i] : s->d[i];
		}
		s->far[slice] += is_far(s, sum);
	}
	return SM_OK;
}

static enum sm_status test(struct signs *s, struct sm_paired *out, struct sm_err *err)
{
	if (s->n <= SM_SIGNS_EXACT) {
		out->exact = true;
		out->draws = (size_t)1 << s->n;
		out->p = (double)count_all(s) / (double)out->draws;
		return SM_OK;
	}
	size_t slices = (s->draws + SLICE - 1) / SLICE, far = 0;
	s->far = sm_calloc(NULL, slices + 1, sizeof *s->far, "permutation test", err);
	if (!s->far)
		return SM_BUDGET;
	enum sm_status st = sm_par_for(slices, s->how->jobs, draw_slice, s, err);
	for (size_t i = 0; i < slices; i++)
		far += s->far[i];
	sm_free(s->far);
	out->draws = s->draws;
	out->p = (1 + (double)far) / (1 + (double)s->draws);
	return st;
}

enum sm_status sm_permutation(const double *a, const double *b, size_t n,
			      const struct sm_resampling *how, struct sm_paired *out,
			      struct sm_err *err)
{
	*out = (struct sm_paired){.statistic = NAN, .p = NAN};
	double *d = sm_alloc(NULL, n + 1, sizeof *d, "permutation test", err);
	if (!d)
		return SM_BUDGET;
	const double slack = sm_paired_slack(a, b, n);
	double sum = 0;
	struct signs s = {.d = d, .draws = how->resamples, .how = how};
	for (size_t i = 0; i < n; i++) {
		double v = a[i] - b[i];
		if (!isfinite(a[i]) || !isfinite(b[i]))
			continue;
		out->n++;
		if (fabs(v) > slack)
			d[s.n++] = v;
		else
			out->zero++;
	}
	enum sm_status st = SM_OK;
	if (out->n) {
		sum = sm_sum_f64(d, s.n);
		out->statistic = sum / (double)out->n;
		/* Means that are equal but for rounding are as far. */
		s.reach = fabs(sum) - slack * (double)out->n;
		st = test(&s, out, err);
	}
	sm_free(d);
	return st;
}
