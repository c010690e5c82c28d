/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of sixteen taps (4x4: generators and discriminators of images), one image at a time
 * or few: products of matrices. A pixel's patch is a row of K = 16 I values in the order of
 * PyTorch's weights (O, I, taps), in which these stay: deep levels have millions of them and few
 * pixels, so that whoever puts them into an order of his own, as libraries do, moves more memory
 * than he computes.
 *   forward            y (P x O)  = patches (P x K) times weights (O x K) transposed
 *   backward, weights  gw (O x K) += gy (P x O) transposed times patches
 *   backward, data     patches' gradients (P x K) = gy times weights, then added up in x
 * Patches are made where they are used: 16 channels (256 columns) of so many pixels, in panels of
 * 64 columns (of 64 pixels for forward, whose vectors are pixels) that stand together in the first
 * cache. Every sum belongs to one thread and runs in the same order however the work is cut, in
 * every instruction set (conv_columns_body.h): bits do not depend on the number of threads. */
#include "train/nn/conv_columns.h"

#include <omp.h>
#include <stdio.h>

#include "train/nn/conv_wino.h"

#define TAPS COLUMNS_TAPS
#define LANES COLUMNS_LANES
#define GROUP COLUMNS_GROUP
#define WIDE COLUMNS_WIDE
#define SPAN COLUMNS_SPAN
#define STRETCH COLUMNS_STRETCH
#define FEW 32 /* pixels at most for sums along K, which need no transposed patches */

static struct columns_shape shape_of(const struct conv_desc *d)
{
	struct columns_shape s = {.ic = (size_t)d->ic, .oc = (size_t)d->oc, .k = (size_t)d->ic * TAPS};
	s.line = (size_t)d->out[1] * d->out[2];
	s.pixels = (size_t)d->n * d->out[0] * s.line;
	s.groups = (s.ic + LANES - 1) / LANES;
	return s;
}

static bool shape_fits(const struct conv_desc *d)
{
	return !d->up && d->k[0] == 1 && d->k[1] * d->k[2] == TAPS && d->stride[0] == 1 &&
	       !d->lo[0] && !d->hi[0];
}

static bool fits_avx512(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return columns_isa_avx512 && wino_has_avx512() && shape_fits(d);
}

static bool fits_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	(void)pass;
	return columns_isa_avx2 && wino_has_avx2() && shape_fits(d);
}

/* Floats in whole lines. */
static size_t lines(size_t floats)
{
	return (floats + LANES - 1) / LANES * LANES;
}

/* Floats of a thread's own. */
static size_t own_floats(const struct columns_shape *s, enum sm_pass pass)
{
	if (pass == SM_FORWARD && s->pixels <= FEW)
		return 0;
	if (pass == SM_FORWARD)
		return SPAN * (GROUP + lines(s->oc)) +
		       SPAN * TAPS * sizeof(ptrdiff_t) / sizeof(float);
	return (size_t)STRETCH * GROUP + (pass == SM_BACKWARD_DATA ? s->oc * GROUP : 0);
}

/* Floats of all threads: the patches of few pixels. */
static size_t shared_floats(const struct columns_shape *s, enum sm_pass pass)
{
	return pass == SM_FORWARD && s->pixels <= FEW ? s->pixels * s->k : 0;
}

static enum sm_status create(struct conv_plan *p, const struct columns_isa *isa)
{
	struct columns_shape s = shape_of(&p->d);
	p->ws = (shared_floats(&s, p->pass) + p->d.threads * own_floats(&s, p->pass)) *
		sizeof(float);
	snprintf(p->impl, sizeof p->impl, "columns %s", isa->name);
	return SM_OK;
}

static void forward(const struct columns_isa *isa, const struct conv_desc *d,
		    const struct columns_shape *s, const struct conv_args *a, float *own)
{
	size_t threads = (size_t)d->threads, panels = (s->pixels + WIDE - 1) / WIDE;
	/* Fewer panels than threads: these share out the outputs. */
	size_t cuts = panels < threads ? threads : 1;
	size_t each = ((s->oc + cuts - 1) / cuts + LANES - 1) / LANES * LANES;
	size_t spans = (s->pixels + SPAN - 1) / SPAN;
	spans = least((spans + threads - 1) / threads * threads, panels);
#pragma omp for schedule(dynamic, 1)
	for (size_t j = 0; j < spans * cuts; j++) {
		size_t q = j / cuts, from = panels * q / spans * WIDE;
		size_t end = least(s->pixels, panels * (q + 1) / spans * WIDE);
		struct columns_part job = {.from = from,
					   .count = end - from,
					   .o0 = j % cuts * each,
					   .o1 = least(s->oc, (j % cuts + 1) * each)};
		if (job.o0 < job.o1)
			isa->forward(d, s, a, &job, own);
	}
}

/* Groups of channels are jobs; where they are few, each is cut in so many. */
static size_t cuts_of(const struct columns_shape *s, int threads)
{
	return s->groups >= 4 * (size_t)threads || s->groups % threads == 0 ? 1 : (size_t)threads;
}

static void backward_weights(const struct columns_isa *isa, const struct conv_desc *d,
			     const struct columns_shape *s, const struct conv_args *a, float *own)
{
	size_t cuts = cuts_of(s, d->threads);
#pragma omp for schedule(dynamic, 1)
	for (size_t j = 0; j < s->groups * cuts; j++) {
		size_t cut = j % cuts;
		isa->weights(d, s, a, j / cuts, s->oc * cut / cuts, s->oc * (cut + 1) / cuts, own);
	}
}

static void backward_data(const struct columns_isa *isa, const struct conv_desc *d,
			  const struct columns_shape *s, const struct conv_args *a, float *own)
{
	size_t cuts = least(cuts_of(s, d->threads), d->in[1]), planes = (size_t)d->n * d->in[0];
#pragma omp for schedule(dynamic, 1)
	for (size_t j = 0; j < s->groups * planes * cuts; j++) {
		int cut = (int)(j % cuts), rows = d->in[1];
		struct columns_band b = {.g = j / cuts / planes,
					 .plane = j / cuts % planes,
					 .y0 = rows * cut / (int)cuts,
					 .y1 = rows * (cut + 1) / (int)cuts};
		isa->data(d, s, a, &b, own);
	}
}

static void run(const struct conv_plan *plan, const struct conv_args *a,
		const struct columns_isa *isa)
{
	const struct conv_desc *d = &plan->d;
	const struct columns_shape s = shape_of(d);
	size_t shared = shared_floats(&s, plan->pass), each = own_floats(&s, plan->pass);
#pragma omp parallel num_threads(d->threads)
	{
		float *own = (float *)a->ws + shared + (size_t)omp_get_thread_num() * each;
		if (plan->pass == SM_BACKWARD_WEIGHTS)
			backward_weights(isa, d, &s, a, own);
		else if (plan->pass == SM_BACKWARD_DATA)
			backward_data(isa, d, &s, a, own);
		else if (s.pixels <= FEW)
			isa->few(d, &s, a, a->ws);
		else
			forward(isa, d, &s, a, own);
	}
}

/* With few channels turning lanes round costs more than the products: the library is up to 4 times
 * as fast forward and backward to data, but not in the sums of weights, nor where it has to put
 * many weights into its own order after every step. */
static bool wins_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	if (pass == SM_BACKWARD_WEIGHTS)
		return d->ic >= 64 || d->oc >= 64;
	if (pass == SM_FORWARD && d->ic >= 256)
		return true;
	return d->ic >= 64 && d->oc >= 64;
}

#define KERNEL(isa, rule) \
	static enum sm_status create_##isa(struct conv_plan *p, struct sm_err *err) \
	{ \
		(void)err; \
		return create(p, columns_isa_##isa); \
	} \
	static enum sm_status run_##isa(const struct conv_plan *p, const struct conv_args *a, \
					struct sm_err *err) \
	{ \
		(void)err; \
		run(p, a, columns_isa_##isa); \
		return SM_OK; \
	} \
	const struct conv_kernel conv_columns_##isa = {.name = "columns_" #isa, \
						       .fits = fits_##isa, \
						       .create = create_##isa, \
						       .run = run_##isa, \
						       .destroy = conv_destroy_none, \
						       .wins = rule}
KERNEL(avx512, NULL);
KERNEL(avx2, wins_avx2); /* where AVX-512 runs it stands first in the table */
