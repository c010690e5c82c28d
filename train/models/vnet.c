/* SPDX-License-Identifier: Apache-2.0 */
/* V-Net as the BraTS notebooks have it: blocks of two conv5 + norm + ReLU with the identity added,
 * plain strided convolutions down and transposed ones up, up before skip in the concatenation; the
 * first and the last convolution stand alone. Drop-out behind each way down and each block. */
#include "train/models/builders.h"

#define LEVELS 4

static int block(const struct sm_build *b, int x, const char *stage, int channels)
{
	const struct sm_conv conv5 = {.out = channels, .k = {5, 5, 5}};
	int y = sm_build_layer(b, x, stage, 1, conv5);
	y = sm_build_layer(b, y, stage, 2, conv5);
	return sm_build_dropout(b, sm_g_add(b->g, x, y));
}

static struct sm_conv halve(int channels)
{
	return (struct sm_conv){.out = channels, .k = {2, 2, 2}, .stride = {2, 2, 2}};
}

void sm_build_vnet(const struct sm_build *b, struct sm_heads *heads)
{
	static const int width[LEVELS + 1] = {16, 32, 64, 128, 256};
	static const char *const down[LEVELS + 1] = {"", "down1", "down2", "down3", "down4"};
	static const char *const enc[LEVELS + 1] = {"", "enc1", "enc2", "enc3", "bottom"};
	static const char *const up[LEVELS] = {"up0", "up1", "up2", "up3"};
	static const char *const dec[LEVELS] = {"", "dec1", "dec2", "dec3"};
	const struct sm_conv conv5 = {.k = {5, 5, 5}};
	struct sm_conv first = conv5, last = conv5;
	int skip[LEVELS], x = sm_build_input(b, heads);

	first.out = width[0];
	skip[0] = x = sm_build_conv(b, x, "stem", first);
	for (int l = 1; l <= LEVELS; l++) {
		x = sm_build_dropout(b, sm_build_conv(b, x, down[l], halve(width[l])));
		x = block(b, x, enc[l], width[l]);
		if (l < LEVELS)
			skip[l] = x;
	}
	for (int l = LEVELS - 1; l > 0; l--) {
		x = sm_build_conv_t(b, x, up[l], halve(width[l]));
		x = sm_g_concat(b->g, (int[]){x, skip[l]}, 2);
		x = block(b, x, dec[l], 2 * width[l]);
	}
	x = sm_build_conv_t(b, x, up[0], halve(width[0]));
	x = sm_g_concat(b->g, (int[]){x, skip[0]}, 2);
	last.out = 2 * width[0];
	x = sm_g_add(b->g, x, sm_build_dropout(b, sm_build_conv(b, x, "last", last)));
	sm_build_head(b, x, "head", heads);
	sm_build_prob(b, heads);
}
