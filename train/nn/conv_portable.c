/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: plain loops over any shape, bits independent of threads and of the CPU. Each
 * output element is summed by one thread in a fixed order of taps and channels. */
#include "train/nn/conv.h"
#include "train/nn/op.h"

#include <stdio.h>
#include <string.h>

static bool fits(const struct conv_desc *d, enum sm_pass pass)
{
	(void)d;
	(void)pass;
	return true;
}

static int taps_of(const struct conv_desc *d)
{
	return d->k[0] * d->k[1] * d->k[2];
}

static enum sm_status create(struct conv_plan *p, struct sm_err *err)
{
	(void)err;
	size_t weights = (size_t)p->d.ic * p->d.oc * taps_of(&p->d);
	p->packed = p->pass == SM_BACKWARD_WEIGHTS ? 0 : weights * sizeof(float);
	/* A sum over the outputs for each (tap, ic), in double. */
	p->ws = p->pass == SM_BACKWARD_WEIGHTS ? weights * sizeof(double) : 0;
	snprintf(p->impl, sizeof p->impl, "c");
	return SM_OK;
}

/* Forward reads (tap, ic, oc), backward-data (tap, oc, ic): the channels written are innermost. */
static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	size_t taps = (size_t)taps_of(d), ic = (size_t)d->ic, oc = (size_t)d->oc;
	float *to = a->packed;
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t o = 0; o < oc; o++)
		for (size_t i = 0; i < ic; i++)
			for (size_t t = 0; t < taps; t++) {
				float w = a->w[(o * ic + i) * taps + t];
				if (p->pass == SM_FORWARD)
					to[(t * ic + i) * oc + o] = w;
				else
					to[(t * oc + o) * ic + i] = w;
			}
	return SM_OK;
}

/* y[j] += sum_i x[i] w[i][j] */
SM_CLONES static void row_times(const float *restrict x, const float *restrict w, float *restrict y,
				size_t ni, size_t nj)
{
	for (size_t i = 0; i < ni; i++)
		for (size_t j = 0; j < nj; j++)
			y[j] += x[i] * w[i * nj + j];
}

/* Input position of output o and tap k along axis i, or -1 in the padding. */
static int in_at(const struct conv_desc *d, int i, int o, int k)
{
	int at = o * d->stride[i] + k - d->lo[i];
	return at >= 0 && at < d->in[i] ? at : -1;
}

/* Output position that reads input position x through tap k along axis i, or -1. */
static int out_at(const struct conv_desc *d, int i, int x, int k)
{
	int at = x + d->lo[i] - k;
	return at >= 0 && at % d->stride[i] == 0 && at / d->stride[i] < d->out[i]
		   ? at / d->stride[i]
		   : -1;
}

/* One line (n, pd, ph) of the tensor written: outputs for forward, inputs for backward-data. */
static void line(const struct conv_plan *p, const struct conv_args *a, size_t index)
{
	const struct conv_desc *d = &p->d;
	bool fwd = p->pass == SM_FORWARD;
	int (*at)(const struct conv_desc *, int, int, int) = fwd ? in_at : out_at;
	const int *to = fwd ? d->out : d->in, *from = fwd ? d->in : d->out;
	size_t ni = (size_t)(fwd ? d->ic : d->oc), nj = (size_t)(fwd ? d->oc : d->ic);
	size_t ph = index % to[1], pd = index / to[1] % to[0], n = index / to[1] / to[0];
	const float *src = fwd ? a->x : a->y, *w = a->packed;
	float *dst = (fwd ? a->y : a->x) + index * to[2] * nj;
	for (int pw = 0; pw < to[2]; pw++) {
		float *y = dst + pw * nj;
		if (fwd && d->bias)
			memcpy(y, a->bias, nj * sizeof *y);
		else
			memset(y, 0, nj * sizeof *y);
		for (int kd = 0; kd < d->k[0]; kd++)
			for (int kh = 0; kh < d->k[1]; kh++)
				for (int kw = 0; kw < d->k[2]; kw++) {
					int qd = at(d, 0, (int)pd, kd), qh = at(d, 1, (int)ph, kh);
					int qw = at(d, 2, pw, kw);
					if (qd < 0 || qh < 0 || qw < 0)
						continue;
					size_t row =
					    ((n * from[0] + qd) * from[1] + qh) * from[2] + qw;
					size_t tap = (size_t)(kd * d->k[1] + kh) * d->k[2] + kw;
					row_times(src + row * ni, w + tap * ni * nj, y, ni, nj);
				}
		if (fwd && d->relu)
			for (size_t j = 0; j < nj; j++)
				y[j] = y[j] <= 0 ? 0 : y[j]; /* NaN stays */
	}
}

SM_CLONES static void add_scaled(double *restrict sum, const float *restrict gy, float x, size_t n)
{
	for (size_t j = 0; j < n; j++)
		sum[j] += (double)(x * gy[j]);
}

/* Gradient of the weights of tap t and input channel i. */
static void weights_of(const struct conv_plan *p, const struct conv_args *a, size_t t, size_t i)
{
	const struct conv_desc *d = &p->d;
	size_t taps = (size_t)taps_of(d), oc = (size_t)d->oc, ic = (size_t)d->ic;
	int kw = (int)t % d->k[2], kh = (int)t / d->k[2] % d->k[1], kd = (int)t / d->k[2] / d->k[1];
	double *sum = (double *)a->ws + (t * ic + i) * oc;
	memset(sum, 0, oc * sizeof *sum);
	for (int n = 0; n < d->n; n++)
		for (int od = 0; od < d->out[0]; od++)
			for (int oh = 0; oh < d->out[1]; oh++) {
				int id = in_at(d, 0, od, kd), ih = in_at(d, 1, oh, kh);
				if (id < 0 || ih < 0)
					continue;
				size_t out =
				    (((size_t)n * d->out[0] + od) * d->out[1] + oh) * d->out[2];
				size_t in =
				    (((size_t)n * d->in[0] + id) * d->in[1] + ih) * d->in[2];
				for (int ow = 0; ow < d->out[2]; ow++) {
					int iw = in_at(d, 2, ow, kw);
					if (iw >= 0)
						add_scaled(sum, a->y + (out + ow) * oc,
							   a->x[(in + iw) * ic + i], oc);
				}
			}
	for (size_t o = 0; o < oc; o++)
		a->gw[(o * ic + i) * taps + t] += (float)sum[o];
}

static enum sm_status run(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	if (p->pass == SM_BACKWARD_WEIGHTS) {
		size_t count = (size_t)taps_of(d) * d->ic;
#pragma omp parallel for schedule(static) num_threads(d->threads)
		for (size_t q = 0; q < count; q++)
			weights_of(p, a, q / d->ic, q % d->ic);
		return SM_OK;
	}
	const int *to = p->pass == SM_FORWARD ? d->out : d->in;
	size_t lines = (size_t)d->n * to[0] * to[1];
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t l = 0; l < lines; l++)
		line(p, a, l);
	return SM_OK;
}

static void destroy(struct conv_plan *p)
{
	(void)p;
}

const struct conv_kernel conv_portable = {.name = "portable",
					  .fits = fits,
					  .create = create,
					  .pack = pack,
					  .run = run,
					  .destroy = destroy,
					  .slow = true};
