/* SPDX-License-Identifier: Apache-2.0 */
/* 3-D U-Net with 5 levels, widths doubling from 16: two layers a level without biases (the norm
 * behind them has its own), max-pool, transposed convolution, skip before up in the concatenation.
 * The network of the engine's benchmarks; width 2 is the usual base of 32. */
#include "train/models/builders.h"

#define LEVELS 5

static int pair(const struct sm_build *b, int x, const char *stage, int channels)
{
	const struct sm_conv conv = {
		.out = channels, .k = {3, 3, 3}, .no_bias = b->norm != SM_BUILD_NONE};
	x = sm_build_layer(b, x, stage, 1, conv);
	return sm_build_layer(b, x, stage, 2, conv);
}

void sm_build_basic_unet3d(const struct sm_build *b, struct sm_heads *heads)
{
	static const int width[LEVELS] = {16, 32, 64, 128, 256};
	static const char *const enc[LEVELS] = {"enc0", "enc1", "enc2", "enc3", "enc4"};
	static const char *const dec[LEVELS] = {"dec0", "dec1", "dec2", "dec3"};
	static const char *const up[LEVELS] = {"up0", "up1", "up2", "up3"};
	int skip[LEVELS], x = sm_build_input(b, heads);

	for (int l = 0; l < LEVELS; l++) {
		skip[l] = x = pair(b, x, enc[l], width[l]);
		if (l < LEVELS - 1)
			x = sm_g_max_pool(b->g, x, 2, 2, 2);
	}
	for (int l = LEVELS - 2; l >= 0; l--) {
		x = sm_build_conv_t(b, x, up[l],
				    (struct sm_conv){.out = width[l],
						     .k = {2, 2, 2},
						     .stride = {2, 2, 2},
						     .no_bias = true});
		x = sm_g_concat(b->g, (int[]){skip[l], x}, 2);
		x = pair(b, x, dec[l], width[l]);
	}
	sm_build_head(b, x, "head", heads);
	sm_build_prob(b, heads);
}
