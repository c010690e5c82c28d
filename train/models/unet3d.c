/* SPDX-License-Identifier: Apache-2.0 */
/* 3-D U-Net (Cicek et al. 2016) as the BraTS notebooks have it: no norm, nearest up-sampling, skip
 * before up in the concatenation, independent sigmoid outputs. */
#include "train/models/builders.h"

#define LEVELS 3

void sm_build_unet3d(const struct sm_build *b, struct sm_heads *heads)
{
	static const int down[LEVELS][2] = {{32, 64}, {64, 128}, {128, 256}};
	static const int bottom[2] = {256, 512};
	static const int up[LEVELS][2] = {{64, 64}, {128, 128}, {256, 256}};
	static const char *const enc[LEVELS] = {"enc0", "enc1", "enc2"};
	static const char *const dec[LEVELS] = {"dec0", "dec1", "dec2"};
	int skip[LEVELS], x = sm_build_input(b, heads);

	for (int l = 0; l < LEVELS; l++) {
		skip[l] = sm_build_pair(b, x, enc[l], down[l][0], down[l][1]);
		x = sm_g_max_pool(b->g, skip[l], 2, 2, 2);
	}
	x = sm_build_pair(b, x, "bottom", bottom[0], bottom[1]);
	for (int l = LEVELS - 1; l >= 0; l--) {
		x = sm_g_upsample(b->g, x, 2, 2, 2);
		x = sm_g_concat(b->g, (int[]){skip[l], x}, 2);
		x = sm_build_pair(b, x, dec[l], up[l][0], up[l][1]);
	}
	sm_build_head(b, x, "head", heads);
	sm_build_prob(b, heads);
}
