/* SPDX-License-Identifier: Apache-2.0 */
/* 3-D residual U-Net (Zhang et al. 2018 in 3-D) as the BraTS notebooks have it: (norm, ReLU, conv3)
 * twice beside a 1x1x1 shortcut, the first convolution and the shortcut with the stride; nearest
 * up-sampling, up before skip in the concatenation. */
#include <stdio.h>

#include "train/models/builders.h"

#define LEVELS 3

static int conv(const struct sm_build *b, int x, const char *stage, const char *leaf, int channels,
		int k, int stride)
{
	char name[48];
	snprintf(name, sizeof name, "%s.%s", stage, leaf);
	return sm_build_conv(b, x, name,
			     (struct sm_conv){.out = channels,
					      .k = {k, k, k},
					      .stride = {stride, stride, stride}});
}

static int stem(const struct sm_build *b, int x, int channels)
{
	int shortcut = conv(b, x, "stem", "shortcut", channels, 1, 1);
	x = sm_build_layer(b, x, "stem", 1, (struct sm_conv){.out = channels, .k = {3, 3, 3}});
	x = conv(b, x, "stem", "conv2", channels, 3, 1);
	return sm_g_add(b->g, x, shortcut);
}

static int block(const struct sm_build *b, int x, const char *stage, int channels, int stride)
{
	int shortcut = conv(b, x, stage, "shortcut", channels, 1, stride);
	x = sm_build_norm_act(b, x, stage, 1);
	x = conv(b, x, stage, "conv1", channels, 3, stride);
	x = sm_build_norm_act(b, x, stage, 2);
	x = conv(b, x, stage, "conv2", channels, 3, 1);
	return sm_g_add(b->g, x, shortcut);
}

void sm_build_resunet3d(const struct sm_build *b, struct sm_heads *heads)
{
	static const int width[LEVELS] = {64, 128, 256};
	static const char *const enc[LEVELS] = {"stem", "enc1", "enc2"};
	static const char *const dec[LEVELS] = {"dec0", "dec1", "dec2"};
	int skip[LEVELS], x = sm_build_input(b, heads);

	skip[0] = stem(b, x, width[0]);
	for (int l = 1; l < LEVELS; l++)
		skip[l] = block(b, skip[l - 1], enc[l], width[l], 2);
	x = block(b, skip[LEVELS - 1], "bottom", 512, 2);
	for (int l = LEVELS - 1; l >= 0; l--) {
		x = sm_g_upsample(b->g, x, 2, 2, 2);
		x = sm_g_concat(b->g, (int[]){x, skip[l]}, 2);
		x = block(b, x, dec[l], width[l], 1);
	}
	sm_build_head(b, x, "head", heads);
	sm_build_prob(b, heads);
}
