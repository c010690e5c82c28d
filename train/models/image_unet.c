/* SPDX-License-Identifier: Apache-2.0 */
/* The generator of pix2pix (Isola et al. 2017, as TensorFlow's tutorial and the mammogram notebook
 * have it): halved to one voxel by 4x4 convolutions and back, with a skip at each size. CasNet
 * (Armanious et al. 2020) is a chain of such U-nets: each improves the image of the one before. */
#include <stdio.h>

#include "train/models/image_layers.h"

#define LEVELS 12
#define DROPPED 3 /* first layers of the decoder with drop-out */

/* The paper's widths: 64, 128, 256, 512, 512 ... */
static int filters(int level)
{
	return level < 3 ? 64 << level : 512;
}

struct look {
	bool first_normed; /* norm behind the encoder's first layer */
	bool up_normed;    /* norm in the decoder */
};

/* One layer of the decoder: in the tutorial drop-out stands between norm and ReLU. */
static int up_layer(const struct sm_image_build *b, int x, const char *stage, int i, int channels,
		    const struct look *look)
{
	char name[48];
	bool drop = i < DROPPED && b->o.dropout > 0;
	snprintf(name, sizeof name, "%sup%d.conv", stage, i + 1);
	x = sm_image_up(b, x, name,
			(struct sm_conv){.out = sm_image_width(b, channels), .no_bias = true});
	snprintf(name, sizeof name, "%sup%d.norm", stage, i + 1);
	if (!drop)
		return sm_image_norm_act(b, x, name, look->up_normed, 0);
	x = sm_image_norm_act(b, x, name, look->up_normed, -1);
	return sm_g_relu(b->g, sm_g_dropout(b->g, x, (float)b->o.dropout));
}

static int unet(const struct sm_image_build *b, int x, const char *stage, const struct look *look)
{
	int skip[LEVELS], levels = b->o.levels;
	char name[48];
	sm_graph_stage_begin(b->g);
	for (int i = 0; i < levels; i++) {
		snprintf(name, sizeof name, "%sdown%d.conv", stage, i + 1);
		x = sm_image_conv(b, x, name, 4, 2,
				  (struct sm_conv){.out = sm_image_width(b, filters(i)),
						   .no_bias = true});
		snprintf(name, sizeof name, "%sdown%d.norm", stage, i + 1);
		skip[i] = x = sm_image_norm_act(b, x, name, i > 0 || look->first_normed,
						b->o.slope);
	}
	for (int i = 0; i < levels - 1; i++) {
		int down = levels - 2 - i;
		x = up_layer(b, x, stage, i, filters(down), look);
		x = sm_g_concat(b->g, (int[]){x, skip[down]}, 2);
	}
	snprintf(name, sizeof name, "%slast", stage);
	x = sm_g_tanh(b->g, sm_image_up(b, x, name, (struct sm_conv){.out = b->o.channels}));
	sm_graph_stage_end(b->g);
	return x;
}

int sm_build_pix2pix(const struct sm_image_build *b, int x, struct sm_judge *judge)
{
	(void)judge;
	return unet(b, x, "", &(struct look){.first_normed = false, .up_normed = true});
}

int sm_build_casnet(const struct sm_image_build *b, int x, struct sm_judge *judge)
{
	(void)judge;
	for (int i = 0; i < b->o.chain; i++) {
		char stage[16];
		snprintf(stage, sizeof stage, "unet%d.", i + 1);
		x = unet(b, x, stage, &(struct look){.first_normed = true, .up_normed = false});
	}
	return x;
}
