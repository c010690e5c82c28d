/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks of image translation: generators, which turn an image in [-1, 1] into another, and
 * discriminators, which give a map of logits (real above 0). One row and one file each; several can
 * stand in one graph, each under a prefix of its own for its parameters. docs/networks.md tells
 * where each comes from, with parameter counts.
 */
#ifndef SM_TRAIN_TRANSLATE_H
#define SM_TRAIN_TRANSLATE_H

#include "train/nn/nn.h"

/* sm_image_default() first, then the fields that differ. */
struct sm_image_opt {
	int in_channels;  /* of what it reads */
	int channels;     /* of a generator's image */
	double width;     /* factor on all layers' channels; 1 = the original */
	const char *norm; /* none, batch, instance; NULL or "auto": the network's own */
	int levels;       /* halvings of a U-net's encoder; 0: its own */
	int chain;        /* casnet: U-nets one behind the other; 0: its own */
	int blocks;       /* resnet: residual blocks; 0: its own */
	bool resize;      /* nearest up-sampling and a 3x3 convolution in place of a transposed one:
			     no checkerboards (Odena et al. 2016) */
	double slope;     /* of the leaky ReLU, 0 = ReLU; below 0: the network's own */
	double dropout;   /* of a decoder's first three layers, [0, 1); below 0: its own */
};

#define SM_FEATURES 8

/* What a discriminator leaves. */
struct sm_judge {
	int logits;
	int feature[SM_FEATURES], count; /* outputs of its hidden layers, in order */
};

struct sm_image_build; /* image_layers.h */

struct sm_image_network {
	const char *name, *summary;
	const char *norms; /* choices by '|', its own first */
	int levels, chain, blocks; /* its own; 0: there is none to set */
	double slope, dropout;     /* its own; dropout below 0: there is none to set */
	bool judges;               /* a discriminator */
	/* Image sides must be multiples of this, with so many levels; at least `smallest`. */
	int (*multiple)(int levels);
	int smallest;
	int (*build)(const struct sm_image_build *b, int x, struct sm_judge *judge);
};

/* Row i of the table, NULL behind the last. */
const struct sm_image_network *sm_image_at(size_t i);
const struct sm_image_network *sm_image_find(const char *name);

/* One channel to one channel, width 1, all else the network's own. */
struct sm_image_opt sm_image_default(void);

/* Whether the network can be built with opt for images of h x w. SM_USAGE with a sentence: unknown
 * name (with the list of names), a size that does not fit (with the nearest that do), an option
 * that it does not have, a number out of range. */
enum sm_status sm_image_check(const char *name, const struct sm_image_opt *opt, int h, int w,
			      struct sm_err *err);

/* Appends the network to g, its parameters named prefix.LAYER. Return the image's tensor, or logits
 * and features in *judge; -1 and the mistake in g when it cannot be built. A generator used twice
 * under one prefix shares its parameters. */
int sm_generator_build(struct sm_graph *g, const char *name, const char *prefix, int x,
		       const struct sm_image_opt *opt);
void sm_judge_build(struct sm_graph *g, const char *name, const char *prefix, int x,
		    const struct sm_image_opt *opt, struct sm_judge *judge);

#endif
