/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the engine: what the loss operator is made of. loss.c holds the table and builds nodes,
 * op_loss.c is the operator, loss_rows.c the loops over voxels.
 */
#ifndef SM_TRAIN_LOSS_H
#define SM_TRAIN_LOSS_H

#include "train/nn/nn.h"

enum loss_act { LOSS_SIGMOID, LOSS_SOFTMAX }; /* from input to p */
enum loss_region { REGION_NONE, REGION_SQUARED, REGION_DICE, REGION_GENERALISED, REGION_TVERSKY };
enum loss_point { POINT_NONE, POINT_CE, POINT_FOCAL };

struct loss_attr {
	enum loss_act act;
	enum loss_region region;
	enum loss_point point;
	bool batch; /* sums of the region part over the batch */
	int first;  /* first channel of the region part */
	float alpha, beta, gamma, eps;
	float weight[SM_LOSS_CHANNELS]; /* of the channels */
};

/* Sums over voxels: I[c], P[c], T[c] (t p, p or p^2, t or t^2), then the point part's sum and
 * its weight (of softmax; of sigmoids it is known beforehand). */
#define LOSS_SUMS(c) (3 * (size_t)(c) + 2)

/* How the gradient of the region part with respect to p follows from t and p:
 * a[c] t + b[c] p + d[c]; `point` scales the point part's. */
struct loss_slope {
	float a[SM_LOSS_CHANNELS], b[SM_LOSS_CHANNELS], d[SM_LOSS_CHANNELS], point;
};

/* s[LOSS_SUMS(c)] = sums over rows of z and t, (rows, c) each. */
void loss_rows_forward(const struct loss_attr *l, int c, const float *z, const float *t,
		       size_t rows, double *s);
/* g = (or with acc: +=) gradient with respect to z. */
void loss_rows_backward(const struct loss_attr *l, int c, const float *z, const float *t,
			const struct loss_slope *slope, size_t rows, bool acc, float *g);

#endif
