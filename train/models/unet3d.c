/* SPDX-License-Identifier: Apache-2.0 */
/* 3-D U-Net (Cicek et al. 2016) as the BraTS notebooks have it: no norm, nearest up-sampling, skip
 * before up in the concatenation, independent sigmoid outputs. */
#include <stdio.h>

#include "train/models/builders.h"

#define LEVELS 3

static int conv3(struct sm_graph *g, const struct sm_model_opt *o, int x, const char *stage, int i,
		 int channels)
{
	char name[32];
	snprintf(name, sizeof name, "%s.conv%d", stage, i);
	return sm_g_conv(g, x, name,
			 (struct sm_conv){.out = sm_model_width(o, channels),
					  .k = {3, 3, 3},
					  .fuse = SM_FUSE_RELU});
}

static int pair(struct sm_graph *g, const struct sm_model_opt *o, int x, const char *stage,
		const int width[2])
{
	x = conv3(g, o, x, stage, 1, width[0]);
	return conv3(g, o, x, stage, 2, width[1]);
}

void sm_build_unet3d(struct sm_graph *g, const struct sm_model_opt *o, struct sm_heads *heads)
{
	static const int down[LEVELS][2] = {{32, 64}, {64, 128}, {128, 256}};
	static const int bottom[2] = {256, 512};
	static const int up[LEVELS][2] = {{64, 64}, {128, 128}, {256, 256}};
	static const char *const enc[LEVELS] = {"enc0", "enc1", "enc2"};
	static const char *const dec[LEVELS] = {"dec0", "dec1", "dec2"};
	int skip[LEVELS];

	int x = sm_g_input(g, "x", (struct sm_shape){o->batch, o->d, o->h, o->w, o->in_channels});
	heads->input = x;
	for (int l = 0; l < LEVELS; l++) {
		skip[l] = pair(g, o, x, enc[l], down[l]);
		x = sm_g_max_pool(g, skip[l], 2, 2, 2);
	}
	x = pair(g, o, x, "bottom", bottom);
	for (int l = LEVELS - 1; l >= 0; l--) {
		x = sm_g_upsample(g, x, 2, 2, 2);
		x = sm_g_concat(g, (int[]){skip[l], x}, 2);
		x = pair(g, o, x, dec[l], up[l]);
	}
	heads->logits =
	    sm_g_conv(g, x, "head", (struct sm_conv){.out = o->classes, .k = {1, 1, 1}});
	heads->prob = sm_g_output(g, sm_g_sigmoid(g, heads->logits), "p");
}
