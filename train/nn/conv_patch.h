/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions whose kernel is as large as their stride: what their passes (conv_patch.c), the
 * gradient of their weights (conv_patch_grad.c) and the inner loops of both (conv_patch_body.h, one
 * table for each instruction set) share. A panel is 32 channels of what is written, two blocks of
 * 16, the last one maybe one; the channels of a patch count through its taps.
 */
#ifndef SM_TRAIN_CONV_PATCH_H
#define SM_TRAIN_CONV_PATCH_H

#include "train/nn/conv.h"

#define PATCH_LANES 16
#define PATCH_PANEL 32
#define PATCH_MOST_TAPS 64

static inline int patch_taps(const struct conv_desc *d)
{
	return d->k[0] * d->k[1] * d->k[2];
}

/* Values from the patch of an output to that of the next one in its line. */
static inline size_t patch_step(const struct conv_desc *d)
{
	return (size_t)d->k[2] * d->ic;
}

static inline size_t patch_lines(const struct conv_desc *d)
{
	return (size_t)d->n * d->out[0] * d->out[1];
}

/* First value of the patch of output (line, 0); line = (n, od, oh). */
static inline size_t patch_line(const struct conv_desc *d, size_t line)
{
	size_t h = line % d->out[1], q = line / d->out[1];
	return ((q * d->k[0] * d->in[1]) + h * d->k[1]) * d->in[2] * d->ic;
}

/* Where each tap stands in a patch. */
static inline void patch_taps_at(const struct conv_desc *d, size_t *at)
{
	for (int t = 0; t < patch_taps(d); t++) {
		int w = t % d->k[2], h = t / d->k[2] % d->k[1], z = t / d->k[2] / d->k[1];
		at[t] = (((size_t)z * d->in[1] + h) * d->in[2] + w) * d->ic;
	}
}

/* Rows by one or two blocks: sums over taps and k of a[v * lda + at[tap] + k] times rows of a
 * panel. */
struct patch_product {
	const float *a, *b;
	size_t lda, n; /* n values of k a tap */
	const size_t *at;
	int taps;
	ptrdiff_t ahead; /* values to what is read later and asked for meanwhile; 0 = nothing */
	/* Where the sums go: two blocks of channels, the second maybe elsewhere. */
	void *to[2];
	size_t step; /* values from row to row */
	enum elem e;
	const float *bias; /* or NULL */
	bool relu, stream; /* stream: whole cache lines are written, of bfloat16 by two blocks */
};

/* A few broadcast channels by one or two blocks of lanes over n rows. */
struct patch_tile {
	const void *lanes[2]; /* of the first row */
	const float *b;
	size_t step, nb;
	int n, cols;
	const char *ahead; /* a line asked for meanwhile; with each 1 << slow rows the next one, */
	size_t stride;     /* so many bytes on */
	int slow;
	float *to; /* (broadcast channel, 32) */
};

struct patch_isa {
	const char *name;
	int depth;  /* broadcast channels of a tile, at most */
	int blocks; /* blocks of lanes of a tile, at most */
	void (*product)(const struct patch_product *p, int n, int cols);
	void (*tile)(const struct patch_tile *t, int count, bool half);
};

/* NULL where not compiled. */
extern const struct patch_isa *const patch_isa_avx512, *const patch_isa_avx2;

/* The gradient of the weights: ic in whole blocks of 16, or oc when there is one tap. */
bool patch_grad_fits(const struct conv_desc *d);
size_t patch_grad_bytes(const struct conv_desc *d);
void patch_grad(const struct conv_desc *d, const struct conv_args *a, const struct patch_isa *isa);

#endif
