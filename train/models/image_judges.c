/* SPDX-License-Identifier: Apache-2.0 */
/* Discriminators that judge patches: each logit sees a square of the image, its receptive field. */
#include <stdio.h>

#include "train/models/image_layers.h"

static int layer(const struct sm_image_build *b, int x, int i, int k, int s, bool normed,
		 struct sm_conv conv, struct sm_judge *judge)
{
	char name[32];
	conv.out = sm_image_width(b, conv.out);
	snprintf(name, sizeof name, "layer%d.conv", i);
	x = sm_image_conv(b, x, name, k, s, conv);
	snprintf(name, sizeof name, "layer%d.norm", i);
	x = sm_image_norm_act(b, x, name, normed, b->o.slope);
	judge->feature[judge->count++] = x;
	return x;
}

/* The mammogram notebook's: four halvings, field 94. */
int sm_build_patch94(const struct sm_image_build *b, int x, struct sm_judge *judge)
{
	for (int i = 0; i < 4; i++)
		x = layer(b, x, i + 1, 4, 2, i > 0,
			  (struct sm_conv){.out = 64 << i, .no_bias = true}, judge);
	return judge->logits = sm_image_conv(b, x, "last", 4, 1, (struct sm_conv){.out = 1});
}

/* PatchGAN of pix2pix: three halvings, then two layers without, a voxel of zeros around: field 70.
 */
int sm_build_patch70(const struct sm_image_build *b, int x, struct sm_judge *judge)
{
	const struct sm_conv around = {
		.pad = SM_PAD_EXPLICIT, .pad_lo = {0, 1, 1}, .pad_hi = {0, 1, 1}};
	struct sm_conv wide = around, last = around;
	wide.out = 512;
	wide.no_bias = true;
	last.out = 1;
	for (int i = 0; i < 3; i++)
		x = layer(b, x, i + 1, 4, 2, i > 0,
			  (struct sm_conv){.out = 64 << i, .no_bias = true}, judge);
	x = layer(b, x, 4, 4, 1, true, wide, judge);
	return judge->logits = sm_image_conv(b, x, "last", 4, 1, last);
}

/* MedCycleGAN's, of three layers: field 11. */
int sm_build_judge3(const struct sm_image_build *b, int x, struct sm_judge *judge)
{
	x = layer(b, x, 1, 3, 2, true, (struct sm_conv){.out = 64}, judge);
	x = layer(b, x, 2, 3, 2, true, (struct sm_conv){.out = 128}, judge);
	return judge->logits = sm_image_conv(b, x, "last", 2, 1, (struct sm_conv){.out = 1});
}
