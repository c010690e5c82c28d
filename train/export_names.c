/* SPDX-License-Identifier: Apache-2.0 */
#include "train/export_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A rule is for names without the leaf ("enc0.conv1" of "enc0.conv1.weight"); the first that fits
 * is taken. In `own`, # is a number (the first is a, the second b) and @ the number L of the
 * deepest stage "enc#". In `theirs`, {...} is a sum of a, b, L and digits; with T before it, 16
 * times 2 to that sum. */
struct rule {
	const char *own, *theirs;
};

/* monai.networks.nets.BasicUNet */
static const struct rule basic_unet[] = {
	{"enc0.conv#", "conv_0.conv_{a-1}.conv"},
	{"enc0.norm#", "conv_0.conv_{a-1}.adn.N"},
	{"enc0.act#", "conv_0.conv_{a-1}.adn.A"},
	{"enc#.conv#", "down_{a}.convs.conv_{b-1}.conv"},
	{"enc#.norm#", "down_{a}.convs.conv_{b-1}.adn.N"},
	{"enc#.act#", "down_{a}.convs.conv_{b-1}.adn.A"},
	{"bottom.conv#", "down_{L+1}.convs.conv_{a-1}.conv"},
	{"bottom.norm#", "down_{L+1}.convs.conv_{a-1}.adn.N"},
	{"bottom.act#", "down_{L+1}.convs.conv_{a-1}.adn.A"},
	{"up#", "upcat_{a+1}.upsample.deconv"},
	{"up#.conv1", "upcat_{a+1}.upsample.postconv"},
	{"up#.norm1", "upcat_{a+1}.upsample.adn.N"},
	{"up#.act1", "upcat_{a+1}.upsample.adn.A"},
	{"dec#.conv#", "upcat_{a+1}.convs.conv_{b-1}.conv"},
	{"dec#.norm#", "upcat_{a+1}.convs.conv_{b-1}.adn.N"},
	{"dec#.act#", "upcat_{a+1}.convs.conv_{b-1}.adn.A"},
	{"head", "final_conv"},
	{NULL, NULL},
};

/* monai.networks.nets.DynUNet */
static const struct rule dyn_unet[] = {
	{"enc0.conv#", "input_block.conv{a}.conv"},
	{"enc0.norm#", "input_block.norm{a}"},
	{"enc0.act#", "input_block.act{a}"},
	{"enc@.conv#", "bottleneck.conv{a}.conv"},
	{"enc@.norm#", "bottleneck.norm{a}"},
	{"enc@.act#", "bottleneck.act{a}"},
	{"enc#.conv#", "downsamples.{a-1}.conv{b}.conv"},
	{"enc#.norm#", "downsamples.{a-1}.norm{b}"},
	{"enc#.act#", "downsamples.{a-1}.act{b}"},
	{"up#", "upsamples.{L-1-a}.transp_conv.conv"},
	{"dec#.conv#", "upsamples.{L-1-a}.conv_block.conv{b}.conv"},
	{"dec#.norm#", "upsamples.{L-1-a}.conv_block.norm{b}"},
	{"dec#.act#", "upsamples.{L-1-a}.conv_block.act{b}"},
	{"head#", "deep_supervision_heads.{a-1}.conv.conv"},
	{"head", "output_block.conv.conv"},
	{NULL, NULL},
};

/* monai.networks.nets.VNet */
static const struct rule v_net[] = {
	{"stem", "in_tr.conv_block.conv"},
	{"enc0.conv1", "in_tr.conv_block.conv"},
	{"enc0.norm1", "in_tr.conv_block.adn.N"},
	{"enc0.act1", "in_tr.act_function"},
	{"down#", "down_tr{Ta}.down_conv"},
	{"down#.norm0", "down_tr{Ta}.bn1"},
	{"down#.act0", "down_tr{Ta}.act_function1"},
	{"enc#.conv#", "down_tr{Ta}.ops.{b-1}.conv_block.conv"},
	{"enc#.norm#", "down_tr{Ta}.ops.{b-1}.conv_block.adn.N"},
	{"enc#.act#", "down_tr{Ta}.ops.{b-1}.act_function"},
	{"bottom.conv#", "down_tr256.ops.{a-1}.conv_block.conv"},
	{"bottom.norm#", "down_tr256.ops.{a-1}.conv_block.adn.N"},
	{"bottom.act#", "down_tr256.ops.{a-1}.act_function"},
	{"up#", "up_tr{Ta+1}.up_conv"},
	{"up#.norm0", "up_tr{Ta+1}.bn1"},
	{"up#.act0", "up_tr{Ta+1}.act_function1"},
	{"dec#.conv#", "up_tr{Ta+1}.ops.{b-1}.conv_block.conv"},
	{"dec#.norm#", "up_tr{Ta+1}.ops.{b-1}.conv_block.adn.N"},
	{"dec#.act#", "up_tr{Ta+1}.ops.{b-1}.act_function"},
	{"last", "up_tr32.ops.0.conv_block.conv"},
	{"head", "out_tr.conv2"},
	{NULL, NULL},
};

static const struct {
	const char *model, *like;
	const struct rule *rule;
} models[] = {
	{"unet3d", "BasicUNet", basic_unet},     {"unet2d", "BasicUNet", basic_unet},
	{"basic_unet3d", "BasicUNet", basic_unet}, {"nnunet3d", "DynUNet", dyn_unet},
	{"vnet", "VNet", v_net},                 {"vnet_paper", "VNet", v_net},
};
#define MODELS (sizeof models / sizeof *models)

const char *sm_export_like(const char *model)
{
	for (size_t i = 0; i < MODELS; i++)
		if (strcmp(models[i].model, model) == 0)
			return models[i].like;
	return NULL;
}

/* Whether the n characters of text fit the pattern; the numbers of # go to v. */
static bool fits(const char *pattern, const char *text, size_t n, int deepest, int v[2])
{
	int found = 0;
	const char *end = text + n;
	for (; *pattern; pattern++) {
		if (*pattern != '#' && *pattern != '@') {
			if (text == end || *text++ != *pattern)
				return false;
			continue;
		}
		int number = 0;
		const char *from = text;
		while (text < end && *text >= '0' && *text <= '9' && text - from < 4)
			number = 10 * number + (*text++ - '0');
		if (text == from || (*pattern == '@' && number != deepest))
			return false;
		if (*pattern == '#' && found < 2)
			v[found++] = number;
	}
	return text == end;
}

/* The sum in the braces that *p stands behind; leaves *p behind the closing one. */
static int evaluate(const char **p, const int v[2], int deepest)
{
	int sum = 0, sign = 1;
	bool power = **p == 'T';
	for (*p += power; **p && **p != '}'; (*p)++) {
		if (**p == '+' || **p == '-') {
			sign = **p == '+' ? 1 : -1;
			continue;
		}
		int term = **p == 'a' ? v[0] : **p == 'b' ? v[1] : **p == 'L' ? deepest : **p - '0';
		sum += sign * term;
		sign = 1;
	}
	*p += **p == '}';
	return power ? 16 << (sum < 0 ? 0 : sum > 20 ? 20 : sum) : sum;
}

static void expand(const char *theirs, const int v[2], int deepest, const char *leaf, char *out,
		   size_t room)
{
	size_t n = 0;
	while (*theirs && n + 1 < room) {
		if (*theirs != '{') {
			out[n++] = *theirs++;
			continue;
		}
		theirs++;
		int k = snprintf(out + n, room - n, "%d", evaluate(&theirs, v, deepest));
		n = k > 0 && (size_t)k < room - n ? n + (size_t)k : room - 1;
	}
	snprintf(out + n, room - n, "%s", leaf);
}

bool sm_export_name(const char *model, const char *own, int deepest, char *out, size_t room)
{
	const char *leaf = strrchr(own, '.');
	snprintf(out, room, "%s", own);
	for (size_t i = 0; leaf && i < MODELS; i++) {
		if (strcmp(models[i].model, model) != 0)
			continue;
		for (const struct rule *r = models[i].rule; r->own; r++) {
			int v[2] = {0, 0};
			if (!fits(r->own, own, (size_t)(leaf - own), deepest, v))
				continue;
			expand(r->theirs, v, deepest, leaf, out, room);
			return true;
		}
	}
	return false;
}
