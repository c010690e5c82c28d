/* SPDX-License-Identifier: Apache-2.0 */
/* 2-D U-Net (Ronneberger et al. 2015) as the slice-wise BraTS tutorial has it: drop-out at the
 * bottom, nearest up-sampling and a 2x2 convolution, skip before up in the concatenation. The depth
 * axis holds slices that know nothing of each other (but for a norm's statistics). */
#include "train/models/builders.h"

#define LEVELS 4

static int pair(const struct sm_build *b, int x, const char *stage, int channels)
{
	const struct sm_conv conv3 = {.out = channels, .k = {1, 3, 3}};
	x = sm_build_layer(b, x, stage, 1, conv3);
	return sm_build_layer(b, x, stage, 2, conv3);
}

void sm_build_unet2d(const struct sm_build *b, struct sm_heads *heads)
{
	static const int width[LEVELS] = {32, 64, 128, 256};
	static const char *const enc[LEVELS] = {"enc0", "enc1", "enc2", "enc3"};
	static const char *const up[LEVELS] = {"up0", "up1", "up2", "up3"};
	static const char *const dec[LEVELS] = {"dec0", "dec1", "dec2", "dec3"};
	int skip[LEVELS], x = sm_build_input(b, heads);

	for (int l = 0; l < LEVELS; l++) {
		skip[l] = pair(b, x, enc[l], width[l]);
		x = sm_g_max_pool(b->g, skip[l], 1, 2, 2);
	}
	x = sm_build_dropout(b, pair(b, x, "bottom", 512));
	for (int l = LEVELS - 1; l >= 0; l--) {
		x = sm_g_upsample(b->g, x, 1, 2, 2);
		x = sm_build_layer(b, x, up[l], 1,
				   (struct sm_conv){.out = width[l], .k = {1, 2, 2}});
		x = sm_g_concat(b->g, (int[]){skip[l], x}, 2);
		x = pair(b, x, dec[l], width[l]);
	}
	sm_build_head(b, x, "head", heads);
	sm_build_prob(b, heads);
}
