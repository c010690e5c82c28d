/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of networks: one row and one file each. A builder appends to a graph the operators of
 * the paper's figure between an input called "x" and an output called "p". docs/networks.md tells
 * where each comes from, with parameter counts.
 */
#ifndef SM_TRAIN_MODELS_H
#define SM_TRAIN_MODELS_H

#include "train/nn/nn.h"

/* sm_model_default() first, then the fields that differ. */
struct sm_model_opt {
	int batch;              /* samples a run */
	int in_channels;        /* of "x" */
	int channels;           /* of "p": struct sm_task's */
	bool softmax;           /* "p" is the softmax of the logits; else the sigmoid */
	int d, h, w;            /* input size in voxels; 2-D networks take d slices on their own */
	double spacing[3];      /* of D,H,W in mm: nnunet3d's rule reads it; all 0 = equal */
	double width; /* factor on the first layer's channels, rounded, at least 1: all others are
			 multiples of them; 1 = the original */
	const char *norm;       /* none, batch, instance, depth; NULL or "auto": the model's own */
	const char *activation; /* relu, leaky_relu (0.01), prelu; NULL or "auto" as above */
	double dropout;         /* rate in [0, 1); below 0: the model's own */
	int deep_supervision;   /* 1: logits of coarser levels too; 0; below 0: the model's own */
};

/* struct sm_heads, which a builder leaves for the loss, is in nn.h. */

struct sm_build; /* builders.h */

struct sm_model {
	const char *name, *summary;
	int multiple[3];         /* input D,H,W must be multiples of these */
	int base;                /* channels of its first layer at width 1; others are multiples */
	const char *norms;       /* choices by '|', the model's own first */
	const char *activations; /* the same */
	double dropout;          /* its own rate; below 0: there is none to set */
	int deep_supervision;    /* its own; below 0: there is none to set */
	bool softmax;            /* its original's outputs; else sigmoid */
	/* Further rules on sizes and channels; may be NULL. */
	enum sm_status (*check)(const struct sm_build *b, struct sm_err *err);
	void (*build)(const struct sm_build *b, struct sm_heads *heads);
};

/* Row i of the table, NULL behind the last. */
const struct sm_model *sm_model_at(size_t i);
const struct sm_model *sm_model_find(const char *name);

/* Name of norm or activation i, NULL behind the last; "auto" is none of them. */
const char *sm_model_norm(size_t i);
const char *sm_model_activation(size_t i);

/* 4 channels, 3 sigmoid outputs, 16x160x160, batch 1, width 1, all else the model's own. */
struct sm_model_opt sm_model_default(void);

/* Whether model name can be built with opt, before anything is built. SM_USAGE with a sentence:
 * unknown name (with the list of names), a size that does not fit (with the nearest that do), an
 * option that the model does not have (with those it has), a number out of range. */
enum sm_status sm_model_check(const char *name, const struct sm_model_opt *opt, struct sm_err *err);

/* Checks opt and builds the model into g. Mistakes stay in g and are returned too: those of
 * sm_model_check. */
enum sm_status sm_model_build(const char *name, const struct sm_model_opt *opt, struct sm_graph *g,
			      struct sm_heads *heads, struct sm_err *err);

#endif
