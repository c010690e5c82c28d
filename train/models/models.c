/* SPDX-License-Identifier: Apache-2.0 */
#include "train/models/models.h"

#include <math.h>
#include <string.h>

#include "train/models/builders.h"

/* In the order of enum sm_build_norm and enum sm_build_act. */
static const char *const norms[] = {"none", "batch", "instance", "depth"};
static const char *const acts[] = {"relu", "leaky_relu", "prelu"};
#define ANY_ACT "relu|leaky_relu|prelu"

/* For dropout and deep_supervision: the model has none. */
#define NONE -1

/* clang-format off: a row is three lines */
static const struct sm_model models[] = {
	{"unet3d", "3-D U-Net, 3 poolings, no norm, widths 32 to 512", {8, 8, 8}, 32,
	 "none|batch|instance|depth", ANY_ACT, NONE, NONE,
	 false, NULL, sm_build_unet3d},
	{"resunet3d", "3-D residual U-Net, norm before activation, widths 64 to 512", {8, 8, 8}, 64,
	 "batch|none|instance|depth", ANY_ACT, NONE, NONE,
	 false, NULL, sm_build_resunet3d},
	{"vnet", "V-Net with batch norm and two 5x5x5 layers a block, widths 16 to 256",
	 {16, 16, 16}, 16,
	 "batch|none|instance|depth", ANY_ACT, 0.2, NONE,
	 false, NULL, sm_build_vnet},
	{"vnet_paper", "V-Net of Milletari et al. 2016, PReLU, 1 to 3 layers a stage",
	 {16, 16, 16}, 16,
	 "none|batch|instance", "prelu|relu|leaky_relu", NONE, NONE,
	 true, sm_check_vnet_paper, sm_build_vnet_paper},
	{"unet2d", "2-D U-Net, each slice on its own, 4 poolings, widths 32 to 512",
	 {1, 16, 16}, 32,
	 "none|batch", ANY_ACT, 0.2, NONE,
	 true, NULL, sm_build_unet2d},
	{"nnunet3d", "nnU-Net's plain 3-D U-Net: instance norm, leaky ReLU, depth by the patch",
	 {1, 1, 1}, 32,
	 "instance|batch|none", "leaky_relu|relu|prelu", NONE, 1,
	 true, sm_check_nnunet3d, sm_build_nnunet3d},
	{"basic_unet3d", "3-D U-Net, 4 poolings, instance norm, no biases, widths 16 to 256",
	 {16, 16, 16}, 16,
	 "instance|batch|none|depth", ANY_ACT, NONE, NONE,
	 true, NULL, sm_build_basic_unet3d},
};
/* clang-format on */
#define MODELS (sizeof models / sizeof *models)

const struct sm_model *sm_model_at(size_t i)
{
	return i < MODELS ? &models[i] : NULL;
}

const char *sm_model_norm(size_t i)
{
	return i < sizeof norms / sizeof *norms ? norms[i] : NULL;
}

const char *sm_model_activation(size_t i)
{
	return i < sizeof acts / sizeof *acts ? acts[i] : NULL;
}

const struct sm_model *sm_model_find(const char *name)
{
	for (size_t i = 0; i < MODELS; i++)
		if (strcmp(models[i].name, name) == 0)
			return &models[i];
	return NULL;
}

struct sm_model_opt sm_model_default(void)
{
	return (struct sm_model_opt){.batch = 1,
				     .in_channels = 4,
				     .channels = 3,
				     .d = 16,
				     .h = 160,
				     .w = 160,
				     .width = 1.0,
				     .dropout = -1,
				     .deep_supervision = -1};
}

int sm_build_width(const struct sm_build *b, int channels)
{
	int base = b->model->base, first = (int)floor(base * b->o.width + 0.5);
	return channels / base * (first < 1 ? 1 : first);
}

/* Whether word (n characters) stands in "a|b|c". */
static bool listed(const char *list, const char *word, size_t n)
{
	while (true) {
		size_t len = strcspn(list, "|");
		if (len == n && memcmp(list, word, n) == 0)
			return true;
		if (!list[len])
			return false;
		list += len + 1;
	}
}

/* Index in names of the choice, the first of `allowed` when it is left to the model. */
static enum sm_status choose(const struct sm_model *m, const char *what, const char *choice,
			     const char *allowed, const char *const *names, size_t count,
			     int *index, struct sm_err *err)
{
	bool own = !choice || strcmp(choice, "auto") == 0;
	const char *word = own ? allowed : choice;
	size_t n = own ? strcspn(allowed, "|") : strlen(choice);
	for (size_t i = 0; i < count && listed(allowed, word, n); i++)
		if (strlen(names[i]) == n && memcmp(names[i], word, n) == 0) {
			*index = (int)i;
			return SM_OK;
		}
	return SM_FAIL(err, SM_USAGE, "model %s: %s \"%s\", allowed are %s", m->name, what, choice,
		       allowed);
}

enum sm_status sm_build_bad_size(const struct sm_build *b, int axis, const char *allowed, int below,
				 int above, struct sm_err *err)
{
	const int size[3] = {b->o.d, b->o.h, b->o.w};
	char nearest[64];
	if (below > 0 && above > 0)
		snprintf(nearest, sizeof nearest, "the nearest are %d and %d", below, above);
	else
		snprintf(nearest, sizeof nearest, "the nearest is %d", below > 0 ? below : above);
	return SM_FAIL(err, SM_USAGE, "model %s: input size %c is %d, must be %s; %s",
		       b->model->name, "DHW"[axis], size[axis], allowed, nearest);
}

static enum sm_status check_sizes(const struct sm_build *b, struct sm_err *err)
{
	const struct sm_model_opt *o = &b->o;
	const int size[3] = {o->d, o->h, o->w}, *multiple = b->model->multiple;
	for (int i = 0; i < 3; i++) {
		int below = size[i] > 0 ? size[i] / multiple[i] * multiple[i] : 0;
		char allowed[48];
		snprintf(allowed, sizeof allowed, "a multiple of %d", multiple[i]);
		if (size[i] < 1 || size[i] > 1 << 20 || below != size[i])
			return sm_build_bad_size(b, i, allowed, below, below + multiple[i], err);
	}
	return b->model->check ? b->model->check(b, err) : SM_OK;
}

/* Fills *b with the options settled. */
static enum sm_status settle(const char *name, const struct sm_model_opt *opt, struct sm_build *b,
			     struct sm_err *err)
{
	const struct sm_model *m = sm_model_find(name);
	if (!m) {
		char known[256] = "";
		size_t at = 0;
		for (size_t i = 0; i < MODELS && at < sizeof known; i++)
			at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
					       models[i].name);
		return SM_FAIL(err, SM_USAGE, "model \"%s\" is unknown; known are %s", name, known);
	}
	*b = (struct sm_build){.model = m, .o = *opt};
	int norm = 0, act = 0;
	SM_TRY(choose(m, "norm", opt->norm, m->norms, norms, sizeof norms / sizeof *norms, &norm,
		      err));
	SM_TRY(choose(m, "activation", opt->activation, m->activations, acts,
		      sizeof acts / sizeof *acts, &act, err));
	b->norm = (enum sm_build_norm)norm;
	b->act = (enum sm_build_act)act;
	if (!(opt->width > 0 && opt->width <= 16))
		return SM_FAIL(err, SM_USAGE, "model %s: width %g, must be above 0 and at most 16",
			       name, opt->width);
	if (opt->batch < 1 || opt->in_channels < 1 || opt->channels < 1)
		return SM_FAIL(err, SM_USAGE,
			       "model %s: batch %d, %d input channels, %d outputs, must be >= 1",
			       name, opt->batch, opt->in_channels, opt->channels);
	if (!(opt->dropout < 1))
		return SM_FAIL(err, SM_USAGE, "model %s: dropout %g, must be below 1", name,
			       opt->dropout);
	if (opt->dropout > 0 && m->dropout < 0)
		return SM_FAIL(err, SM_USAGE, "model %s: dropout %g, but it has none", name,
			       opt->dropout);
	if (opt->deep_supervision > 0 && m->deep_supervision < 0)
		return SM_FAIL(err, SM_USAGE,
			       "model %s: deep_supervision is asked for, but it has none", name);
	if (opt->dropout < 0 || m->dropout < 0)
		b->o.dropout = m->dropout < 0 ? 0 : m->dropout;
	if (opt->deep_supervision < 0 || m->deep_supervision < 0)
		b->o.deep_supervision = m->deep_supervision < 0 ? 0 : m->deep_supervision;
	return check_sizes(b, err);
}

enum sm_status sm_model_check(const char *name, const struct sm_model_opt *opt, struct sm_err *err)
{
	struct sm_build b;
	return settle(name, opt, &b, err);
}

enum sm_status sm_model_build(const char *name, const struct sm_model_opt *opt, struct sm_graph *g,
			      struct sm_heads *heads, struct sm_err *err)
{
	struct sm_build b;
	struct sm_err local = {0};
	*heads = (struct sm_heads){.input = -1, .prob = -1};
	for (int i = 0; i < SM_HEADS; i++)
		heads->logits[i] = -1;
	if (settle(name, opt, &b, &local) != SM_OK) {
		sm_graph_fail(g, "%s", local.text);
	} else {
		b.g = g;
		b.model->build(&b, heads);
	}
	return sm_graph_status(g, err);
}
