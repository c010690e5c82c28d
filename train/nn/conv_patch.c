/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions whose kernel is as large as their stride (2x2x2 by 2 down, transposed up, 1x1x1):
 * every input voxel belongs to one output, so that each pass is one matrix product between the rows
 * of outputs and those of patches, done on the tensors where they lie.
 * Lanes are channels, sums run over channels in order: bits do not depend on the number of threads
 * nor on the instruction set (conv_patch_body.h). bfloat16 is storage: it is widened before and
 * rounded behind the sums, as memory is the limit here, and products of bfloat16 are on some CPUs
 * slower than of floats. */
#include "train/nn/conv_patch.h"

#include <omp.h>
#include <stdio.h>

#include "train/nn/conv_wino.h"
#include "train/nn/op.h"
#include "train/nn/stream.h"

#define RUN 48 /* outputs that go through a panel of weights together */

static size_t weights_of(const struct conv_desc *d)
{
	return (size_t)patch_taps(d) * d->ic * d->oc;
}

static bool shape_fits(const struct conv_desc *d, enum sm_pass pass)
{
	if (patch_taps(d) > PATCH_MOST_TAPS)
		return false;
	for (int i = 0; i < 3; i++)
		if (d->k[i] != d->stride[i] || d->lo[i] || d->hi[i] ||
		    d->in[i] != d->out[i] * d->k[i])
			return false;
	if (weights_of(d) > INT32_MAX / 2)
		return false;
	if (pass == SM_BACKWARD_WEIGHTS)
		return patch_grad_fits(d);
	return (pass == SM_FORWARD ? d->oc : d->ic) % PATCH_LANES == 0;
}

static bool fits_avx512(const struct conv_desc *d, enum sm_pass pass)
{
	return patch_isa_avx512 && wino_has_avx512() && shape_fits(d, pass);
}

static bool fits_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	return patch_isa_avx2 && wino_has_avx2() && shape_fits(d, pass);
}

/* Channels written: forward those of an output, backward those of a patch. */
static size_t written(const struct conv_plan *p)
{
	return p->pass == SM_FORWARD ? (size_t)p->d.oc : (size_t)patch_taps(&p->d) * p->d.ic;
}

static size_t panels(const struct conv_plan *p)
{
	return (written(p) + PATCH_PANEL - 1) / PATCH_PANEL;
}

/* Products in each sum. */
static size_t depth_of(const struct conv_plan *p)
{
	return p->pass == SM_FORWARD ? (size_t)patch_taps(&p->d) * p->d.ic : (size_t)p->d.oc;
}

/* A run of the operand is made floats first. */
static bool staged(const struct conv_plan *p)
{
	return (p->pass == SM_FORWARD ? p->d.xe : p->d.ye) == ELEM_BF16;
}

static size_t staged_bytes(const struct conv_plan *p)
{
	return staged(p) ? (RUN * depth_of(p) * sizeof(float) + 63) / 64 * 64 : 0;
}

static enum sm_status create(struct conv_plan *p, const struct patch_isa *isa)
{
	bool grad = p->pass == SM_BACKWARD_WEIGHTS;
	p->packed = grad ? 0 : panels(p) * depth_of(p) * PATCH_PANEL * sizeof(float);
	p->ws = grad ? patch_grad_bytes(&p->d) : p->d.threads * staged_bytes(p);
	snprintf(p->impl, sizeof p->impl, "patches %s", isa->name);
	return SM_OK;
}

/* (panel, summed, 32): forward sums (tap, ic), backward oc; channels behind the last are 0. */
static void pack_forward(const struct conv_desc *d, const float *w, size_t panel, float *to)
{
	size_t taps = (size_t)patch_taps(d), ic = (size_t)d->ic, first = panel * PATCH_PANEL;
	size_t count = d->oc - first < PATCH_PANEL ? d->oc - first : PATCH_PANEL;
	to += panel * taps * ic * PATCH_PANEL;
	for (size_t i = 0; i < ic; i++)
		for (size_t j = 0; j < PATCH_PANEL; j++)
			for (size_t t = 0; t < taps; t++)
				to[(t * ic + i) * PATCH_PANEL + j] =
				    j < count ? w[((first + j) * ic + i) * taps + t] : 0;
}

static void pack_backward(const struct conv_desc *d, const float *w, size_t o, float *to)
{
	size_t taps = (size_t)patch_taps(d), ic = (size_t)d->ic, oc = (size_t)d->oc, c = 0;
	for (size_t t = 0; t < taps; t++)
		for (size_t i = 0; i < ic; i++, c++)
			to[(c / PATCH_PANEL * oc + o) * PATCH_PANEL + c % PATCH_PANEL] =
			    w[(o * ic + i) * taps + t];
	for (; c % PATCH_PANEL; c++)
		to[(c / PATCH_PANEL * oc + o) * PATCH_PANEL + c % PATCH_PANEL] = 0;
}

static enum sm_status pack(const struct conv_plan *p, const struct conv_args *a, struct sm_err *err)
{
	(void)err;
	const struct conv_desc *d = &p->d;
	bool fwd = p->pass == SM_FORWARD;
	size_t count = fwd ? panels(p) : (size_t)d->oc;
#pragma omp parallel for schedule(static) num_threads(d->threads)
	for (size_t q = 0; q < count; q++) {
		if (fwd)
			pack_forward(d, a->w, q, a->packed);
		else
			pack_backward(d, a->w, q, a->packed);
	}
	return SM_OK;
}

/* Rows of taps of a run of patches as floats, one behind the other. */
static const float *stage_patches(const struct conv_desc *d, const float *x, size_t first, int n,
				  float *to)
{
	size_t width = n * patch_step(d), lines = (size_t)d->k[0] * d->k[1];
	for (size_t l = 0; l < lines; l++) {
		size_t z = l / d->k[1], h = l % d->k[1];
		size_t from = first + (z * d->in[1] + h) * d->in[2] * d->ic;
		elem_move(to, ELEM_F32, l * width, x, d->xe, from, width);
	}
	return to;
}

/* n outputs of a line; their first value and that of their patches. */
struct run {
	ptrdiff_t x, y;
	int n;
};

/* Run i where a line is cut into `runs`. */
static struct run run_at(const struct conv_desc *d, size_t i, size_t runs)
{
	size_t line = i / runs, b = i % runs, w = d->out[2] * b / runs;
	return (struct run){.x = (ptrdiff_t)(patch_line(d, line) + w * patch_step(d)),
			    .y = (ptrdiff_t)((line * d->out[2] + w) * d->oc),
			    .n = (int)(d->out[2] * (b + 1) / runs - w)};
}

/* y = bias + sum over taps and ic; the next run is `ahead` values on. */
static void gather(const struct conv_plan *p, const struct conv_args *a,
		   const struct patch_isa *isa, const size_t *tap, const struct run *run,
		   ptrdiff_t ahead, float *stage)
{
	const struct conv_desc *d = &p->d;
	size_t oc = (size_t)d->oc, step = patch_step(d), at[PATCH_MOST_TAPS];
	size_t first = (size_t)run->x, y = (size_t)run->y;
	int n = run->n;
	bool copy = staged(p);
	size_t line_up = d->ye == ELEM_F32 ? PATCH_LANES : PATCH_PANEL;
	bool stream = patch_lines(d) * d->out[2] * oc >= STREAM_MIN && oc % line_up == 0 &&
		      stream_fits(a->y, PATCH_LANES);
	const float *from = copy ? stage_patches(d, a->x, first, n, stage) : a->x + first;
	/* Taps along the width stand side by side: one long tap. */
	for (int t = 0; t < d->k[0] * d->k[1]; t++)
		at[t] = copy ? t * n * step : tap[t * d->k[2]];
	struct patch_product m = {.a = from,
				  .lda = step,
				  .n = step,
				  .at = at,
				  .taps = d->k[0] * d->k[1],
				  .step = oc,
				  .e = d->ye,
				  .relu = d->relu,
				  .stream = stream};
	for (size_t q = 0; q < panels(p); q++) {
		size_t o = q * PATCH_PANEL;
		m.ahead = q || copy ? 0 : ahead;
		m.b = (const float *)a->packed + q * depth_of(p) * PATCH_PANEL;
		m.bias = d->bias ? a->bias + o : NULL;
		m.to[0] = elem_at(a->y, d->ye, y + o);
		m.to[1] = elem_at(a->y, d->ye, y + o + PATCH_LANES);
		isa->product(&m, n, oc - o > PATCH_LANES ? 2 : 1);
	}
}

/* Channel c of a patch. */
static size_t channel_at(const struct conv_desc *d, const size_t *tap, size_t c)
{
	return tap[c / d->ic] + c % d->ic;
}

/* Patches x = sum over oc. */
static void scatter(const struct conv_plan *p, const struct conv_args *a,
		    const struct patch_isa *isa, const size_t *tap, const struct run *run,
		    ptrdiff_t ahead, float *stage)
{
	const struct conv_desc *d = &p->d;
	const size_t none = 0, all = written(p);
	size_t oc = (size_t)d->oc, step = patch_step(d), first = (size_t)run->x, y = (size_t)run->y;
	int n = run->n;
	bool half = d->xe == ELEM_BF16;
	bool stream = (size_t)d->n * d->in[0] * d->in[1] * d->in[2] * d->ic >= STREAM_MIN &&
		      stream_fits(a->x, PATCH_LANES);
	if (staged(p))
		elem_move(stage, ELEM_F32, 0, a->y, d->ye, y, n * oc);
	struct patch_product m = {.a = staged(p) ? stage : a->y + y,
				  .lda = oc,
				  .n = oc,
				  .at = &none,
				  .taps = 1,
				  .step = step,
				  .e = d->xe};
	for (size_t q = 0; q < panels(p); q++) {
		size_t c = q * PATCH_PANEL, e = c + PATCH_LANES;
		m.ahead = q || staged(p) ? 0 : ahead;
		int cols = all > e ? 2 : 1;
		size_t x0 = first + channel_at(d, tap, c);
		size_t x1 = cols > 1 ? first + channel_at(d, tap, e) : x0;
		bool lines = x1 == x0 + PATCH_LANES && x0 % PATCH_PANEL == 0 &&
			     step % PATCH_PANEL == 0;
		m.b = (const float *)a->packed + q * depth_of(p) * PATCH_PANEL;
		m.to[0] = elem_at(a->x, d->xe, x0);
		m.to[1] = elem_at(a->x, d->xe, x1);
		m.stream = stream && (!half || lines);
		isa->product(&m, n, cols);
	}
}

static void run(const struct conv_plan *p, const struct conv_args *a, const struct patch_isa *isa)
{
	const struct conv_desc *d = &p->d;
	if (p->pass == SM_BACKWARD_WEIGHTS) {
		patch_grad(d, a, isa);
		return;
	}
	size_t tap[PATCH_MOST_TAPS], runs = ((size_t)d->out[2] + RUN - 1) / RUN;
	size_t items = patch_lines(d) * runs, bytes = staged_bytes(p);
	patch_taps_at(d, tap);
#pragma omp parallel num_threads(d->threads)
	{
		float *stage = (float *)(void *)((char *)a->ws + omp_get_thread_num() * bytes);
#pragma omp for schedule(dynamic, op_portion(items, d->threads))
		for (size_t i = 0; i < items; i++) {
			struct run at = run_at(d, i, runs);
			struct run next = i + 1 < items ? run_at(d, i + 1, runs) : at;
			if (p->pass == SM_FORWARD)
				gather(p, a, isa, tap, &at, next.x - at.x, stage);
			else
				scatter(p, a, isa, tap, &at, next.y - at.y, stage);
		}
		stream_end();
	}
}

/* Gradients of weights where the library may use no more than one thread (conv_slab.c). */
static bool library_is_alone(const struct conv_desc *d, enum sm_pass pass)
{
	return pass == SM_BACKWARD_WEIGHTS && d->n == 1 && d->out[0] == 1;
}

/* By steps of bench/train.sh --layers. bfloat16: nearly always, the library's is slower than its
 * float32 here. Else up to so many weights (the next size was as fast or faster in the library),
 * and where that is alone; one tap: where one side has few channels. */
static bool wins_avx512(const struct conv_desc *d, enum sm_pass pass)
{
	static const size_t most[SM_PASSES] = {
	    [SM_FORWARD] = 1 << 13, [SM_BACKWARD_DATA] = 1 << 20, [SM_BACKWARD_WEIGHTS] = 1 << 16};
	if (d->xe == ELEM_BF16 || d->ye == ELEM_BF16) /* half a line a voxel is not streamed */
		return pass != SM_BACKWARD_DATA || patch_taps(d) > 1 || d->ic > PATCH_LANES;
	if (patch_taps(d) == 1)
		return pass == SM_FORWARD ? d->ic < PATCH_LANES : d->oc <= PATCH_LANES / 2;
	return weights_of(d) <= most[pass] || library_is_alone(d, pass);
}

/* Taking turns with the library on one thread and on two (Zen 3). Several taps: up to 3 << 18
 * weights 1.0 to 3 times as fast forward and backward, with 1 << 20 forward took 1.2 times as long
 * on two threads; gradients of weights 1.1 to 5 times below 1 << 18, from where on conv_stride is
 * 1.1 to 1.5 times as fast as this (with a stride of 2). One tap: faster for gradients of
 * weights where outputs have fewer channels (1.2 to 2 times), and backward from very few to many;
 * forward the library is. */
static bool wins_avx2(const struct conv_desc *d, enum sm_pass pass)
{
	if (wino_has_avx512()) /* that row has said no */
		return false;
	if (d->xe == ELEM_BF16 || d->ye == ELEM_BF16) /* the library has none there */
		return true;
	if (patch_taps(d) > 1 && pass == SM_BACKWARD_WEIGHTS && d->stride[2] == 2)
		return weights_of(d) < (size_t)1 << 18;
	if (patch_taps(d) > 1)
		return weights_of(d) <= (size_t)3 << 18 || library_is_alone(d, pass);
	if (pass == SM_BACKWARD_WEIGHTS)
		return d->oc < d->ic && weights_of(d) <= 1 << 13;
	return pass == SM_BACKWARD_DATA && d->oc <= 4 && d->ic >= 64;
}

#define KERNEL(isa) \
	static enum sm_status create_##isa(struct conv_plan *p, struct sm_err *err) \
	{ \
		(void)err; \
		return create(p, patch_isa_##isa); \
	} \
	static enum sm_status run_##isa(const struct conv_plan *p, const struct conv_args *a, \
					struct sm_err *err) \
	{ \
		(void)err; \
		run(p, a, patch_isa_##isa); \
		return SM_OK; \
	} \
	const struct conv_kernel conv_patch_##isa = {.name = "patch_" #isa, \
						     .fits = fits_##isa, \
						     .create = create_##isa, \
						     .pack = pack, \
						     .run = run_##isa, \
						     .destroy = conv_destroy_none, \
						     .wins = wins_##isa, \
						     .bf16 = true}
KERNEL(avx512);
KERNEL(avx2);
