/* SPDX-License-Identifier: Apache-2.0 */
/* The generator of CycleGAN (Zhu et al. 2017, from Johnson et al. 2016): two halvings, residual
 * blocks, two doublings; borders mirrored. */
#include <stdio.h>

#include "train/models/image_layers.h"

/* A k x k convolution without padding of its own. */
static int valid_conv(const struct sm_image_build *b, int x, const char *name, int k, int out)
{
	return sm_image_conv(b, sm_g_reflect_pad(b->g, x, k / 2, k / 2), name, k, 1,
			     (struct sm_conv){.out = out, .pad = SM_PAD_EXPLICIT});
}

static int block(const struct sm_image_build *b, int x, int i, int channels)
{
	char name[32];
	int y = x;
	for (int k = 1; k <= 2; k++) {
		snprintf(name, sizeof name, "block%d.conv%d", i, k);
		y = valid_conv(b, y, name, 3, channels);
		snprintf(name, sizeof name, "block%d.norm%d", i, k);
		y = sm_image_norm_act(b, y, name, true, k == 1 ? b->o.slope : -1);
	}
	return sm_g_add(b->g, x, y);
}

int sm_build_resnet(const struct sm_image_build *b, int x, struct sm_judge *judge)
{
	(void)judge;
	int w = sm_image_width(b, 64);
	double slope = b->o.slope;
	const struct sm_conv half = {
		.pad = SM_PAD_EXPLICIT, .pad_lo = {0, 1, 1}, .pad_hi = {0, 1, 1}};
	struct sm_conv down1 = half, down2 = half;
	down1.out = 2 * w;
	down2.out = 4 * w;
	sm_graph_stage_begin(b->g);
	x = sm_image_norm_act(b, valid_conv(b, x, "first.conv", 7, w), "first.norm", true, slope);
	x = sm_image_conv(b, x, "down1.conv", 3, 2, down1);
	x = sm_image_norm_act(b, x, "down1.norm", true, slope);
	x = sm_image_conv(b, x, "down2.conv", 3, 2, down2);
	x = sm_image_norm_act(b, x, "down2.norm", true, slope);
	for (int i = 1; i <= b->o.blocks; i++)
		x = block(b, x, i, 4 * w);
	x = sm_image_up3(b, x, "up1.conv", 2 * w);
	x = sm_image_norm_act(b, x, "up1.norm", true, slope);
	x = sm_image_up3(b, x, "up2.conv", w);
	x = sm_image_norm_act(b, x, "up2.norm", true, slope);
	x = sm_g_tanh(b->g, valid_conv(b, x, "last", 7, b->o.channels));
	sm_graph_stage_end(b->g);
	return x;
}
