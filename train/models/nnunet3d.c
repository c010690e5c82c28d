/* SPDX-License-Identifier: Apache-2.0 */
/* nnU-Net's plain convolutional U-Net (Isensee et al. 2021): two conv + instance norm + leaky ReLU
 * a level, strided convolutions down, transposed ones up, up before skip in the concatenation,
 * heads on coarser levels for deep supervision. How often each axis is halved and which kernels are
 * flat is nnU-Net's rule of patch size and spacing. */
#include "train/models/builders.h"

#include <stdio.h>

#define MIN_SIZE 4 /* no axis gets smaller */
#define POOLINGS 5
#define LEVELS (POOLINGS + 1)

struct levels {
	int count;
	int stride[LEVELS][3], kernel[LEVELS][3]; /* stride: on the way into the level */
	int factor[3];                            /* product of the strides */
};

/* nnU-Net's get_pool_and_conv_props: axes whose spacing is within a factor 2 of the finest one are
 * halved together while all stay at MIN_SIZE or more; a kernel is flat along an axis until its
 * spacing is. Here also along an axis of one voxel, where 3 taps would see only padding. */
static struct levels rule(const int patch[3], const double mm[3])
{
	struct levels l = {.count = 1, .factor = {1, 1, 1}, .stride = {{1, 1, 1}}};
	bool known = mm[0] > 0 && mm[1] > 0 && mm[2] > 0;
	double spacing[3];
	int size[3], kernel[3] = {1, 1, 1};
	for (int i = 0; i < 3; i++) {
		spacing[i] = known ? mm[i] : 1;
		size[i] = patch[i];
	}
	while (true) {
		double finest = 0, least = spacing[0];
		int axes = 0, only = 0;
		for (int i = 0; i < 3; i++) {
			least = spacing[i] < least ? spacing[i] : least;
			if (size[i] >= 2 * MIN_SIZE && (!(finest > 0) || spacing[i] < finest))
				finest = spacing[i];
		}
		for (int i = 0; i < 3; i++)
			if (patch[i] > 1 && spacing[i] / least < 2)
				kernel[i] = 3;
		int at = l.count - 1, stride[3] = {1, 1, 1};
		for (int i = 0; i < 3; i++) {
			l.kernel[at][i] = kernel[i];
			if (size[i] >= 2 * MIN_SIZE && spacing[i] / finest < 2) {
				stride[i] = 2;
				only = i;
				axes++;
			}
		}
		if (l.count == LEVELS || axes == 0 || (axes == 1 && size[only] < 3 * MIN_SIZE))
			break;
		for (int i = 0; i < 3; i++) {
			l.stride[l.count][i] = stride[i];
			l.factor[i] *= stride[i];
			spacing[i] *= stride[i];
			size[i] = (size[i] + stride[i] - 1) / stride[i];
		}
		l.count++;
	}
	/* The bottom is never flat. */
	for (int i = 0; i < 3; i++)
		l.kernel[l.count - 1][i] = patch[i] > 1 ? 3 : 1;
	return l;
}

static int factor_of(const struct sm_build *b, int axis, int size)
{
	int patch[3] = {b->o.d, b->o.h, b->o.w};
	patch[axis] = size;
	return rule(patch, b->o.spacing).factor[axis];
}

enum sm_status sm_check_nnunet3d(const struct sm_build *b, struct sm_err *err)
{
	const int size[3] = {b->o.d, b->o.h, b->o.w};
	for (int i = 0; i < 3; i++) {
		int below = size[i], above = size[i], f = factor_of(b, i, size[i]);
		char allowed[64];
		if (size[i] % f == 0)
			continue;
		while (below > 0 && below % factor_of(b, i, below))
			below--;
		while (above % factor_of(b, i, above))
			above++;
		snprintf(allowed, sizeof allowed, "divisible as often as it is halved, by %d", f);
		return sm_build_bad_size(b, i, allowed, below, above, err);
	}
	return SM_OK;
}

static struct sm_conv conv_of(const int kernel[3], const int stride[3], int channels)
{
	struct sm_conv c = {.out = channels, .pad = SM_PAD_EXPLICIT};
	for (int i = 0; i < 3; i++) {
		c.k[i] = kernel[i];
		c.stride[i] = stride[i];
		c.pad_lo[i] = c.pad_hi[i] = kernel[i] / 2; /* PyTorch's, on both sides */
	}
	return c;
}

static int pair(const struct sm_build *b, int x, char side, int level, const struct levels *l,
		int channels)
{
	static const int one[3] = {1, 1, 1};
	char stage[16];
	snprintf(stage, sizeof stage, "%s%d", side == 'e' ? "enc" : "dec", level);
	x = sm_build_layer(
		b, x, stage, 1,
		conv_of(l->kernel[level], side == 'e' ? l->stride[level] : one, channels));
	return sm_build_layer(b, x, stage, 2, conv_of(l->kernel[level], one, channels));
}

void sm_build_nnunet3d(const struct sm_build *b, struct sm_heads *heads)
{
	static const int width[LEVELS] = {32, 64, 128, 256, 320, 320};
	const struct levels l = rule((int[]){b->o.d, b->o.h, b->o.w}, b->o.spacing);
	int skip[LEVELS], top[LEVELS], x = sm_build_input(b, heads);
	char name[16];

	for (int i = 0; i < l.count; i++)
		skip[i] = x = pair(b, x, 'e', i, &l, width[i]);
	top[0] = x;
	for (int i = l.count - 2; i >= 0; i--) {
		struct sm_conv up = {.out = width[i]};
		for (int a = 0; a < 3; a++)
			up.k[a] = up.stride[a] = l.stride[i + 1][a];
		snprintf(name, sizeof name, "up%d", i);
		x = sm_build_conv_t(b, x, name, up);
		x = sm_g_concat(b->g, (int[]){x, skip[i]}, 2);
		top[i] = x = pair(b, x, 'd', i, &l, width[i]);
	}
	sm_build_head(b, top[0], "head", heads);
	for (int i = 1; b->o.deep_supervision && i < l.count - 1; i++) {
		snprintf(name, sizeof name, "head%d", i);
		sm_build_head(b, top[i], name, heads);
	}
	sm_build_prob(b, heads);
}
