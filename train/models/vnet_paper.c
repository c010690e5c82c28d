/* SPDX-License-Identifier: Apache-2.0 */
/* V-Net of Milletari, Navab and Ahmadi 2016, figure 2: stages of 1, 2, 3, 3, 3 conv5 down and 3, 3,
 * 2, 1 up, each with its input added to the output of its last convolution before the PReLU;
 * strided convolutions down, transposed ones up. The input is added to the first stage by repeating
 * its channels. */
#include "train/models/builders.h"

#include <stdio.h>

#define LEVELS 4

static int stage(const struct sm_build *b, int x, int input, const char *name, int convs,
		 int channels)
{
	char conv[48];
	for (int i = 1; i <= convs; i++) {
		snprintf(conv, sizeof conv, "%s.conv%d", name, i);
		x = sm_build_conv(b, x, conv, (struct sm_conv){.out = channels, .k = {5, 5, 5}});
		x = sm_build_norm(b, x, name, i);
		if (i == convs)
			x = sm_g_add(b->g, x, input);
		x = sm_build_act(b, x, name, i);
	}
	return x;
}

static struct sm_conv halve(int channels)
{
	return (struct sm_conv){.out = channels, .k = {2, 2, 2}, .stride = {2, 2, 2}};
}

/* x copied side by side until it has so many channels. */
static int repeat(const struct sm_build *b, int x, int times)
{
	while (times > 1) {
		int n = times % 2 == 0 ? 2 : times % 3 == 0 ? 3 : times % 5 == 0 ? 5 : 7;
		int copy[7] = {x, x, x, x, x, x, x};
		x = sm_g_concat(b->g, copy, n);
		times /= n;
	}
	return x;
}

/* Copies of the input that fill a first stage of so many channels; 0 when no whole number does. */
static int copies(const struct sm_build *b, int first)
{
	int n = first / b->o.in_channels, rest = n;
	if (n * b->o.in_channels != first)
		return 0;
	for (int p = 2; n && p <= 7; p++)
		while (rest % p == 0)
			rest /= p;
	return rest == 1 ? n : 0;
}

enum sm_status sm_check_vnet_paper(const struct sm_build *b, struct sm_err *err)
{
	int first = sm_build_width(b, b->model->base), below = first, above = first;
	char nearest[64];
	if (copies(b, first))
		return SM_OK;
	while (below > 0 && !copies(b, below))
		below--;
	while (!copies(b, above))
		above++;
	size_t at = 0;
	if (below > 0)
		at = (size_t)snprintf(nearest, sizeof nearest, "%g and ",
				      (double)below / b->model->base);
	snprintf(nearest + at, sizeof nearest - at, "%g", (double)above / b->model->base);
	return SM_FAIL(err, SM_USAGE,
		       "model vnet_paper: train.width %g gives %d channels to its first stage, "
		       "allowed are those that copies of the %d input channels fill; the nearest "
		       "widths are %s",
		       b->o.width, first, b->o.in_channels, nearest);
}

void sm_build_vnet_paper(const struct sm_build *b, struct sm_heads *heads)
{
	static const int width[LEVELS + 1] = {16, 32, 64, 128, 256};
	static const int convs[LEVELS + 1] = {1, 2, 3, 3, 3};
	static const char *const down[LEVELS + 1] = {"", "down1", "down2", "down3", "down4"};
	static const char *const enc[LEVELS + 1] = {"enc0", "enc1", "enc2", "enc3", "bottom"};
	static const char *const up[LEVELS] = {"up0", "up1", "up2", "up3"};
	static const char *const dec[LEVELS] = {"dec0", "dec1", "dec2", "dec3"};
	int skip[LEVELS], x = sm_build_input(b, heads);

	int shown = repeat(b, x, copies(b, sm_build_width(b, width[0])));
	x = stage(b, x, shown, enc[0], convs[0], width[0]);
	for (int l = 1; l <= LEVELS; l++) {
		skip[l - 1] = x;
		x = sm_build_conv(b, x, down[l], halve(width[l]));
		x = sm_build_act(b, sm_build_norm(b, x, down[l], 0), down[l], 0);
		x = stage(b, x, x, enc[l], convs[l], width[l]);
	}
	for (int l = LEVELS - 1; l >= 0; l--) {
		x = sm_build_conv_t(b, x, up[l], halve(width[l]));
		x = sm_build_act(b, sm_build_norm(b, x, up[l], 0), up[l], 0);
		x = sm_g_concat(b->g, (int[]){x, skip[l]}, 2);
		x = stage(b, x, x, dec[l], convs[l], 2 * width[l]);
	}
	sm_build_head(b, x, "head", heads);
	sm_build_prob(b, heads);
}
