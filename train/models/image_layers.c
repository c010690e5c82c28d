/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "train/models/image_layers.h"

#define NAME 96

/* Keras' batch norm (its momentum 0.99 is the weight of the old value), PyTorch's instance norm. */
#define BATCH_EPS 1e-3f
#define BATCH_MOMENTUM 0.01f
#define INSTANCE_EPS 1e-5f
#define INIT "normal_0.02"

int sm_image_width(const struct sm_image_build *b, int channels)
{
	int n = (int)floor(channels * b->o.width + 0.5);
	return n < 1 ? 1 : n;
}

static const char *named(const struct sm_image_build *b, const char *name, char full[NAME])
{
	snprintf(full, NAME, "%s.%s", b->prefix, name);
	return full;
}

int sm_image_conv(const struct sm_image_build *b, int x, const char *name, int k, int s,
		  struct sm_conv conv)
{
	char full[NAME];
	conv.k[1] = conv.k[2] = k;
	conv.stride[1] = conv.stride[2] = s;
	conv.init = INIT;
	return sm_g_conv(b->g, x, named(b, name, full), conv);
}

int sm_image_up(const struct sm_image_build *b, int x, const char *name, struct sm_conv conv)
{
	char full[NAME];
	if (b->o.resize)
		return sm_image_conv(b, sm_g_upsample(b->g, x, 1, 2, 2), name, 3, 1, conv);
	conv.k[1] = conv.k[2] = 4;
	conv.stride[1] = conv.stride[2] = 2;
	conv.init = INIT;
	return sm_g_conv_transposed(b->g, x, named(b, name, full), conv);
}

int sm_image_up3(const struct sm_image_build *b, int x, const char *name, int channels)
{
	char full[NAME];
	if (b->o.resize)
		return sm_image_up(b, x, name, (struct sm_conv){.out = channels});
	/* PyTorch's padding 1 and output_padding 1: the odd line is at the end. */
	return sm_g_conv_transposed(b->g, x, named(b, name, full),
				    (struct sm_conv){.out = channels,
						     .k = {1, 3, 3},
						     .stride = {1, 2, 2},
						     .pad = SM_PAD_EXPLICIT,
						     .pad_lo = {0, 1, 1},
						     .pad_hi = {0, 0, 0},
						     .init = INIT});
}

int sm_image_norm_act(const struct sm_image_build *b, int x, const char *name, bool normed,
		      double slope)
{
	char full[NAME];
	bool batch = b->norm == SM_IMAGE_BATCH;
	enum sm_fuse fuse = slope < 0    ? SM_FUSE_NONE
			    : slope == 0 ? SM_FUSE_RELU
					 : SM_FUSE_LEAKY_RELU;
	if (normed && b->norm != SM_IMAGE_NONE)
		return sm_g_norm(b->g, x, named(b, name, full),
				 (struct sm_norm){.batch = batch,
						  .eps = batch ? BATCH_EPS : INSTANCE_EPS,
						  .momentum = BATCH_MOMENTUM,
						  .fuse = fuse,
						  .slope = slope > 0 ? (float)slope : 0});
	if (slope < 0)
		return x;
	return slope == 0 ? sm_g_relu(b->g, x) : sm_g_leaky_relu(b->g, x, (float)slope);
}
