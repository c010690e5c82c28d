/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "train/models/builders.h"

#define NAME 48

/* PyTorch's instance norm; Keras' batch norm (its momentum 0.99 is the weight of the old value). */
#define INSTANCE_EPS 1e-5f
#define BATCH_EPS 1e-3f
#define BATCH_MOMENTUM 0.01f
#define SLOPE 0.01f

int sm_build_input(const struct sm_build *b, struct sm_heads *heads)
{
	const struct sm_model_opt *o = &b->o;
	heads->input = sm_g_input(b->g, "x",
				  (struct sm_shape){o->batch, o->d, o->h, o->w, o->in_channels});
	return heads->input;
}

int sm_build_conv(const struct sm_build *b, int x, const char *name, struct sm_conv conv)
{
	conv.out = sm_build_width(b, conv.out);
	return sm_g_conv(b->g, x, name, conv);
}

int sm_build_conv_t(const struct sm_build *b, int x, const char *name, struct sm_conv conv)
{
	conv.out = sm_build_width(b, conv.out);
	return sm_g_conv_transposed(b->g, x, name, conv);
}

int sm_build_act(const struct sm_build *b, int x, const char *stage, int i)
{
	char name[NAME];
	snprintf(name, sizeof name, "%s.act%d", stage, i);
	switch (b->act) {
	case SM_BUILD_LEAKY:
		return sm_g_leaky_relu(b->g, x, SLOPE);
	case SM_BUILD_PRELU:
		return sm_g_prelu(b->g, x, name);
	default:
		return sm_g_relu(b->g, x);
	}
}

/* The norm chosen and with it the activation `fuse`; x itself when there is no norm. */
static int norm(const struct sm_build *b, int x, const char *stage, int i, enum sm_fuse fuse)
{
	char name[NAME];
	snprintf(name, sizeof name, "%s.norm%d", stage, i);
	if (b->norm == SM_BUILD_NONE)
		return x;
	if (b->norm == SM_BUILD_DEPTH)
		return sm_g_depth_norm(b->g, x, name, BATCH_EPS, BATCH_MOMENTUM);
	bool batch = b->norm == SM_BUILD_BATCH;
	return sm_g_norm(b->g, x, name,
			 (struct sm_norm){.batch = batch,
					  .eps = batch ? BATCH_EPS : INSTANCE_EPS,
					  .momentum = BATCH_MOMENTUM,
					  .fuse = fuse,
					  .slope = SLOPE});
}

int sm_build_norm(const struct sm_build *b, int x, const char *stage, int i)
{
	return norm(b, x, stage, i, SM_FUSE_NONE);
}

int sm_build_norm_act(const struct sm_build *b, int x, const char *stage, int i)
{
	bool fused = (b->norm == SM_BUILD_BATCH || b->norm == SM_BUILD_INSTANCE) &&
		     b->act != SM_BUILD_PRELU;
	if (fused)
		return norm(b, x, stage, i,
			    b->act == SM_BUILD_LEAKY ? SM_FUSE_LEAKY_RELU : SM_FUSE_RELU);
	return sm_build_act(b, sm_build_norm(b, x, stage, i), stage, i);
}

int sm_build_layer(const struct sm_build *b, int x, const char *stage, int i, struct sm_conv conv)
{
	char name[NAME];
	bool fused = b->norm == SM_BUILD_NONE && b->act == SM_BUILD_RELU;
	snprintf(name, sizeof name, "%s.conv%d", stage, i);
	conv.fuse = fused ? SM_FUSE_RELU : SM_FUSE_NONE;
	x = sm_build_conv(b, x, name, conv);
	return fused ? x : sm_build_norm_act(b, x, stage, i);
}

int sm_build_pair(const struct sm_build *b, int x, const char *stage, int c1, int c2)
{
	x = sm_build_layer(b, x, stage, 1, (struct sm_conv){.out = c1, .k = {3, 3, 3}});
	return sm_build_layer(b, x, stage, 2, (struct sm_conv){.out = c2, .k = {3, 3, 3}});
}

int sm_build_dropout(const struct sm_build *b, int x)
{
	return b->o.dropout > 0 ? sm_g_dropout(b->g, x, (float)b->o.dropout) : x;
}

void sm_build_head(const struct sm_build *b, int x, const char *name, struct sm_heads *heads)
{
	if (heads->count == SM_HEADS) {
		sm_graph_fail(b->g, "model %s: more than %d heads", b->model->name, SM_HEADS);
		return;
	}
	heads->logits[heads->count++] =
		sm_g_conv(b->g, x, name, (struct sm_conv){.out = b->o.channels, .k = {1, 1, 1}});
}

void sm_build_prob(const struct sm_build *b, struct sm_heads *heads)
{
	int z = heads->logits[0];
	heads->prob = sm_g_output(
		b->g, b->o.softmax ? sm_g_softmax(b->g, z) : sm_g_sigmoid(b->g, z), "p");
}
