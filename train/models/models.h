/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of networks: one row and one file each. A builder appends to a graph the operators of
 * the paper's figure between an input called "x" and an output called "p".
 */
#ifndef SM_TRAIN_MODELS_H
#define SM_TRAIN_MODELS_H

#include "train/nn/nn.h"

struct sm_model_opt {
	int batch;       /* samples a run */
	int in_channels; /* of "x" */
	int classes;     /* channels of "p" */
	int d, h, w;     /* input size in voxels */
	double width;    /* factor on all widths, each at least 1; 1 = the original */
};

/* What a builder leaves for the loss: tensor numbers in the graph. */
struct sm_heads {
	int input, logits, prob;
};

struct sm_model {
	const char *name, *summary;
	int multiple[3]; /* input D,H,W must be multiples of these */
	void (*build)(struct sm_graph *g, const struct sm_model_opt *opt, struct sm_heads *heads);
};

/* Row i of the table, NULL behind the last. */
const struct sm_model *sm_model_at(size_t i);
const struct sm_model *sm_model_find(const char *name);

/* 4 channels, 3 classes, 16x160x160, batch 1, width 1. */
struct sm_model_opt sm_model_default(void);

/* Finds the model, checks opt and builds it into g. Mistakes stay in g and are returned too:
 * unknown name (with the list of names), size that is not a multiple, width <= 0. */
enum sm_status sm_model_build(const char *name, const struct sm_model_opt *opt, struct sm_graph *g,
			      struct sm_heads *heads, struct sm_err *err);

/* width factor applied to a channel count: rounded to nearest, at least 1. */
int sm_model_width(const struct sm_model_opt *opt, int channels);

#endif
