/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions whose kernel is as large as their stride: what their passes (conv_patch.c) and the
 * gradient of their weights (conv_patch_grad.c) share. A panel is 32 channels of what is written,
 * the last one maybe 16; the channels of a patch count through its taps.
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

/* The gradient of the weights: ic in whole blocks of 16, or oc when there is one tap. */
bool patch_grad_fits(const struct conv_desc *d);
size_t patch_grad_bytes(const struct conv_desc *d);
void patch_grad(const struct conv_desc *d, const struct conv_args *a);

#endif
