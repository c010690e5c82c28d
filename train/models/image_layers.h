/* SPDX-License-Identifier: Apache-2.0
 *
 * What the builders of translate.h share: settled options and the layers that follow them.
 */
#ifndef SM_TRAIN_IMAGE_LAYERS_H
#define SM_TRAIN_IMAGE_LAYERS_H

#include "train/models/translate.h"

enum sm_image_norm { SM_IMAGE_NONE, SM_IMAGE_BATCH, SM_IMAGE_INSTANCE };

struct sm_image_build {
	struct sm_graph *g;
	const struct sm_image_network *network;
	struct sm_image_opt o; /* settled: nothing left to the network */
	enum sm_image_norm norm;
	const char *prefix;
};

/* Channels for a count of the paper's at this width: rounded, at least 1. */
int sm_image_width(const struct sm_image_build *b, int channels);

/* Square kernel of side k over one slice, stride s, padding as TensorFlow's SAME; initial weights
 * N(0, 0.02). conv.out is taken as it stands. name is put behind the prefix. */
int sm_image_conv(const struct sm_image_build *b, int x, const char *name, int k, int s,
		  struct sm_conv conv);

/* Twice as large: a 4x4 transposed convolution of stride 2, or what opt.resize says. */
int sm_image_up(const struct sm_image_build *b, int x, const char *name, struct sm_conv conv);

/* The same as CycleGAN has it: 3x3, or nearest up-sampling before it. */
int sm_image_up3(const struct sm_image_build *b, int x, const char *name, int channels);

/* The norm chosen with (leaky) ReLU behind it: slope 0 = ReLU, below 0 = none. `normed` false: the
 * activation alone. */
int sm_image_norm_act(const struct sm_image_build *b, int x, const char *name, bool normed,
		      double slope);

int sm_build_pix2pix(const struct sm_image_build *b, int x, struct sm_judge *judge);
int sm_build_casnet(const struct sm_image_build *b, int x, struct sm_judge *judge);
int sm_build_resnet(const struct sm_image_build *b, int x, struct sm_judge *judge);
int sm_build_patch94(const struct sm_image_build *b, int x, struct sm_judge *judge);
int sm_build_patch70(const struct sm_image_build *b, int x, struct sm_judge *judge);
int sm_build_judge3(const struct sm_image_build *b, int x, struct sm_judge *judge);

#endif
