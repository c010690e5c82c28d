/* SPDX-License-Identifier: Apache-2.0 */
/* The table of losses and how a row becomes nodes. */
#include "train/nn/loss.h"

#include <string.h>

#include "train/nn/op.h"

#define EPS 1e-5f

enum { BOTH, ONLY_SOFTMAX, ONLY_SIGMOID };
#define EITHER SM_LOSS_EITHER
#define SOFTMAX SM_LOSS_SOFTMAX
#define SIGMOID SM_LOSS_SIGMOID

static const struct loss_row {
	const char *name;
	enum loss_region region;
	enum loss_point point;
	int outputs; /* that it takes */
	enum sm_loss_outputs made_for; /* what a head is by itself */
	bool all; /* channel 0 always counts in the region part */
} losses[] = {
	{"soft_dice", REGION_SQUARED, POINT_NONE, BOTH, EITHER, false},
	{"dice", REGION_SQUARED, POINT_NONE, BOTH, EITHER, false},
	{"generalised_dice", REGION_GENERALISED, POINT_NONE, BOTH, EITHER, true},
	{"dice_ce", REGION_DICE, POINT_CE, BOTH, SOFTMAX, false},
	{"dice_bce", REGION_DICE, POINT_CE, ONLY_SIGMOID, SIGMOID, false},
	{"dice_focal", REGION_DICE, POINT_FOCAL, BOTH, SOFTMAX, false},
	{"ce", REGION_NONE, POINT_CE, ONLY_SOFTMAX, SOFTMAX, false},
	{"bce", REGION_NONE, POINT_CE, ONLY_SIGMOID, SIGMOID, false},
	{"tversky", REGION_TVERSKY, POINT_NONE, BOTH, EITHER, false},
};
#define LOSSES (sizeof losses / sizeof *losses)

const char *sm_loss_name(size_t i)
{
	return i < LOSSES ? losses[i].name : NULL;
}

enum sm_loss_outputs sm_loss_outputs(size_t i)
{
	return i < LOSSES ? losses[i].made_for : SM_LOSS_EITHER;
}

bool sm_loss_weighs_background(size_t i)
{
	return i < LOSSES && (losses[i].all || losses[i].point != POINT_NONE);
}

struct sm_loss_opt sm_loss_default(const char *name)
{
	return (struct sm_loss_opt){
		.name = name, .alpha = 0.3f, .beta = 0.7f, .gamma = 2.0f, .smooth = EPS};
}

static int add(struct sm_graph *g, const struct loss_attr *l, int x, int target, float weight)
{
	struct op_attr attr = {.value = {weight, 0}, .loss = *l};
	return graph_add(g, OP_KIND_loss, NULL, (int[]){x, target}, 2, &attr);
}

static struct loss_attr plain(enum loss_act act, enum loss_region region, enum loss_point point)
{
	struct loss_attr l = {.act = act, .region = region, .point = point, .eps = EPS};
	for (int j = 0; j < SM_LOSS_CHANNELS; j++)
		l.weight[j] = 1;
	return l;
}

int sm_g_loss_bce(struct sm_graph *g, int logits, int target, float weight)
{
	struct loss_attr l = plain(LOSS_SIGMOID, REGION_NONE, POINT_CE);
	return add(g, &l, logits, target, weight);
}

static const struct loss_row *find(struct sm_graph *g, const char *name)
{
	char known[256] = "";
	size_t at = 0;
	for (size_t i = 0; i < LOSSES; i++)
		if (strcmp(losses[i].name, name) == 0)
			return &losses[i];
	for (size_t i = 0; i < LOSSES && at < sizeof known; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
				       losses[i].name);
	sm_graph_fail(g, "loss \"%s\" is unknown; known are %s", name, known);
	return NULL;
}

static struct loss_attr attr_of(const struct loss_row *row, const struct sm_loss_opt *o, int c)
{
	struct loss_attr l =
		plain(o->softmax ? LOSS_SOFTMAX : LOSS_SIGMOID, row->region, row->point);
	l.alpha = o->alpha;
	l.beta = o->beta;
	l.gamma = o->gamma;
	l.eps = o->smooth != 0 ? o->smooth : EPS;
	l.batch = o->batch_dice;
	l.first = o->softmax && !o->background && !row->all ? 1 : 0;
	for (int j = 0; o->class_weight && j < c && j < SM_LOSS_CHANNELS; j++)
		l.weight[j] = o->class_weight[j];
	return l;
}

/* Share of head i of so many: 1, 1/2, 1/4.. over their sum. */
static float head_weight(int i, int used)
{
	double sum = 0;
	for (int k = 0; k < used; k++)
		sum += 1.0 / (1 << k);
	return (float)(1.0 / (1 << i) / sum);
}

int sm_g_loss(struct sm_graph *g, const struct sm_loss_opt *o, const struct sm_heads *heads)
{
	const struct loss_row *row = find(g, o->name ? o->name : "");
	if (!row)
		return -1;
	if (row->outputs == (o->softmax ? ONLY_SIGMOID : ONLY_SOFTMAX))
		return sm_graph_fail(g, "loss \"%s\" needs %s outputs", row->name,
				     o->softmax ? "sigmoid" : "softmax");
	if (heads->count < 1 || heads->count > SM_HEADS)
		return sm_graph_fail(g, "loss: %d heads, must be 1 to %d", heads->count, SM_HEADS);
	struct sm_shape full = sm_graph_shape(g, heads->logits[0]);
	struct loss_attr l = attr_of(row, o, full.c);
	int used = heads->count > 2 ? heads->count - 1 : heads->count, first = -1;
	int target = sm_g_input(g, "target", full);
	for (int i = 0; i < used; i++) {
		struct sm_shape s = sm_graph_shape(g, heads->logits[i]);
		int t = i ? sm_g_sample(g, target, s.d, s.h, s.w) : target;
		int y = add(g, &l, heads->logits[i], t, head_weight(i, used));
		first = i ? first : y;
	}
	return first;
}
