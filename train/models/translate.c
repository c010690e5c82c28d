/* SPDX-License-Identifier: Apache-2.0 */
#include "train/models/translate.h"

#include <string.h>

#include "train/models/image_layers.h"

static const char *const norms[] = {"none", "batch", "instance"};
#define NONE -1
#define MOST_LEVELS 12
#define MOST_CHAIN 12
#define MOST_BLOCKS 64

static int by_levels(int levels)
{
	return 1 << levels;
}

static int by_two_halvings(int levels)
{
	(void)levels;
	return 4;
}

static int any(int levels)
{
	(void)levels;
	return 1;
}

/* clang-format off: a row is three lines */
static const struct sm_image_network networks[] = {
	{"pix2pix", "U-net of pix2pix: 4x4 convolutions down to one voxel and back",
	 "batch|instance|none", 8, 0, 0, 0.0, 0.5, false, by_levels, 4, sm_build_pix2pix},
	{"casnet", "CasNet: a chain of 3 U-nets (MedGAN's 6 by `chain`)", "batch|instance|none", 8,
	 3, 0, 0.3, NONE, false, by_levels, 4, sm_build_casnet},
	{"resnet", "CycleGAN's generator of 9 residual blocks", "instance|batch|none", 0, 0, 9, 0.0,
	 NONE, false, by_two_halvings, 16, sm_build_resnet},
	{"patch94", "PatchGAN of four halvings, field 94", "batch|instance|none", 0, 0, 0, 0.3,
	 NONE, true, any, 32, sm_build_patch94},
	{"patch70", "PatchGAN of pix2pix, field 70", "batch|instance|none", 0, 0, 0, 0.2, NONE,
	 true, any, 32, sm_build_patch70},
	{"judge3", "discriminator of three layers, field 11", "batch|instance|none", 0, 0, 0, 0.3,
	 NONE, true, any, 8, sm_build_judge3},
};
/* clang-format on */
#define NETWORKS (sizeof networks / sizeof *networks)

const struct sm_image_network *sm_image_at(size_t i)
{
	return i < NETWORKS ? &networks[i] : NULL;
}

const struct sm_image_network *sm_image_find(const char *name)
{
	for (size_t i = 0; name && i < NETWORKS; i++)
		if (strcmp(networks[i].name, name) == 0)
			return &networks[i];
	return NULL;
}

struct sm_image_opt sm_image_default(void)
{
	return (struct sm_image_opt){
		.in_channels = 1, .channels = 1, .width = 1, .slope = -1, .dropout = -1};
}

static enum sm_status unknown(const char *name, struct sm_err *err)
{
	char known[128] = "";
	size_t at = 0;
	for (size_t i = 0; i < NETWORKS && at < sizeof known; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
				       networks[i].name);
	return SM_FAIL(err, SM_USAGE, "network \"%s\" is unknown; known are %s", name ? name : "",
		       known);
}

/* Index of the norm in `norms`; the first of the row's list when it is left to the network. */
static enum sm_status find_norm(const struct sm_image_network *n, const char *choice, int *index,
				struct sm_err *err)
{
	bool own = !choice || strcmp(choice, "auto") == 0;
	size_t len = own ? strcspn(n->norms, "|") : strlen(choice);
	const char *word = own ? n->norms : choice;
	for (size_t i = 0; i < sizeof norms / sizeof *norms; i++)
		if (strlen(norms[i]) == len && memcmp(norms[i], word, len) == 0) {
			*index = (int)i;
			return SM_OK;
		}
	return SM_FAIL(err, SM_USAGE, "network %s: norm \"%s\", allowed are %s", n->name, choice,
		       n->norms);
}

/* One whole number of the options; `own` is the network's, 0 when it has none to set. */
static enum sm_status settle(const struct sm_image_network *n, const char *what, int own, int most,
			     int *value, struct sm_err *err)
{
	if (*value && !own)
		return SM_FAIL(err, SM_USAGE, "network %s: has no %s to set", n->name, what);
	if (*value < 0 || *value > most)
		return SM_FAIL(err, SM_USAGE, "network %s: %s is %d, must be 1 to %d", n->name,
			       what, *value, most);
	*value = *value ? *value : own;
	return SM_OK;
}

static enum sm_status settle_numbers(const struct sm_image_network *n, struct sm_image_opt *o,
				     struct sm_err *err)
{
	if (o->in_channels < 1 || (!n->judges && o->channels < 1))
		return SM_FAIL(err, SM_USAGE, "network %s: %d channels to %d, must be >= 1",
			       n->name, o->in_channels, o->channels);
	if (!(o->width > 0 && o->width <= 64))
		return SM_FAIL(err, SM_USAGE,
			       "network %s: width %g, must be above 0 and at most 64", n->name,
			       o->width);
	SM_TRY(settle(n, "levels", n->levels, MOST_LEVELS, &o->levels, err));
	SM_TRY(settle(n, "chain", n->chain, MOST_CHAIN, &o->chain, err));
	SM_TRY(settle(n, "blocks", n->blocks, MOST_BLOCKS, &o->blocks, err));
	if (n->levels && o->levels < 2)
		return SM_FAIL(err, SM_USAGE, "network %s: levels is %d, must be 2 to %d", n->name,
			       o->levels, MOST_LEVELS);
	o->slope = o->slope < 0 ? n->slope : o->slope;
	if (!(o->slope <= 1))
		return SM_FAIL(err, SM_USAGE, "network %s: slope %g, must be 0 to 1", n->name,
			       o->slope);
	if (o->dropout > 0 && n->dropout < 0)
		return SM_FAIL(err, SM_USAGE, "network %s: has no dropout to set", n->name);
	o->dropout = o->dropout < 0 ? n->dropout : o->dropout;
	if (!(o->dropout < 1))
		return SM_FAIL(err, SM_USAGE, "network %s: dropout %g, must be in [0, 1)", n->name,
			       o->dropout);
	return SM_OK;
}

/* A side must be a multiple of m and at least `least`. */
static enum sm_status check_side(const struct sm_image_network *n, const char *side, int size,
				 int m, int least, struct sm_err *err)
{
	int below = size / m * m, above = below + m;
	least = (least + m - 1) / m * m;
	if (size >= least && size % m == 0)
		return SM_OK;
	if (below < least)
		return SM_FAIL(
			err, SM_USAGE,
			"network %s: image %s is %d, must be a multiple of %d and at least %d; "
			"the nearest is %d",
			n->name, side, size, m, least, above < least ? least : above);
	return SM_FAIL(
		err, SM_USAGE,
		"network %s: image %s is %d, must be a multiple of %d; the nearest are %d and "
		"%d",
		n->name, side, size, m, below, above);
}

static enum sm_status open(struct sm_image_build *b, const char *name, bool judges,
			   const struct sm_image_opt *opt, int h, int w, struct sm_err *err)
{
	int norm = 0;
	const struct sm_image_network *n = b->network = sm_image_find(name);
	if (!n)
		return unknown(name, err);
	if (n->judges != judges)
		return SM_FAIL(err, SM_USAGE, "network %s: is a %s", name,
			       judges ? "generator, not a discriminator"
				      : "discriminator, not a generator");
	b->o = *opt;
	SM_TRY(find_norm(n, opt->norm, &norm, err));
	b->norm = (enum sm_image_norm)norm;
	SM_TRY(settle_numbers(n, &b->o, err));
	int m = n->multiple(b->o.levels);
	SM_TRY(check_side(n, "height", h, m, n->smallest, err));
	return check_side(n, "width", w, m, n->smallest, err);
}

enum sm_status sm_image_check(const char *name, const struct sm_image_opt *opt, int h, int w,
			      struct sm_err *err)
{
	struct sm_image_build b = {0};
	const struct sm_image_network *n = sm_image_find(name);
	return open(&b, name, n && n->judges, opt, h, w, err);
}

static int build(struct sm_graph *g, const char *name, const char *prefix, bool judges, int x,
		 const struct sm_image_opt *opt, struct sm_judge *judge)
{
	struct sm_image_build b = {.g = g, .prefix = prefix};
	struct sm_shape s = sm_graph_shape(g, x);
	struct sm_err err = {0};
	if (sm_graph_status(g, NULL) != SM_OK)
		return -1;
	if (open(&b, name, judges, opt, s.h, s.w, &err) != SM_OK)
		return sm_graph_fail(g, "%s", err.text);
	if (s.c != opt->in_channels)
		return sm_graph_fail(g, "network %s: image has %d channels, must have %d", name,
				     s.c, opt->in_channels);
	return b.network->build(&b, x, judge);
}

int sm_generator_build(struct sm_graph *g, const char *name, const char *prefix, int x,
		       const struct sm_image_opt *opt)
{
	return build(g, name, prefix, false, x, opt, NULL);
}

void sm_judge_build(struct sm_graph *g, const char *name, const char *prefix, int x,
		    const struct sm_image_opt *opt, struct sm_judge *judge)
{
	*judge = (struct sm_judge){.logits = -1};
	build(g, name, prefix, true, x, opt, judge);
}
