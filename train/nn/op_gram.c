/* SPDX-License-Identifier: Apache-2.0 */
/* Gram matrix of the channels over all voxels of a sample: what style is compared by (Gatys et al.
 * 2016), divided by the number of voxels. */
#include "train/nn/op.h"

#include <string.h>

#define ROWS 8             /* of the matrix, summed together */
#define RUN ((size_t)512)  /* voxels summed in float before they go to double */
#define MOST_CHANNELS 2048

static enum sm_status gram_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	if (s.c > MOST_CHANNELS)
		return SM_FAIL(err, SM_USAGE, "Gram matrix: %d channels, must be at most %d", s.c,
			       MOST_CHANNELS);
	n->needs_x = true;
	*out = (struct sm_shape){s.n, 1, 1, s.c, s.c};
	return SM_OK;
}

static size_t groups(size_t c)
{
	return (c + ROWS - 1) / ROWS;
}

/* Workspaces: forward sums of a group of rows in float and double; backward the symmetric matrix.
 */
static enum sm_status gram_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(env->graph, n, 0);
	size_t c = (size_t)s.c;
	n->ws_forward = groups(c) * ROWS * c * (sizeof(double) + sizeof(float));
	n->ws_backward = c * c * sizeof(float);
	return SM_OK;
}

/* part[j][k] += the sum over n voxels of x[i0 + j] * x[k] */
SM_CLONES static void outer(const float *x, size_t n, size_t c, size_t i0, size_t rows,
			    float *restrict part)
{
	for (size_t p = 0; p < n; p++)
		for (size_t j = 0; j < rows; j++) {
			float a = x[p * c + i0 + j], *restrict to = part + j * c;
			const float *b = x + p * c;
#pragma omp simd
			for (size_t k = 0; k < c; k++)
				to[k] += a * b[k];
		}
}

static enum sm_status gram_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	size_t c = (size_t)s.c, voxels = op_rows(s) / s.n, count = groups(c);
	double *sums = r->ws;
	float *parts = (float *)(sums + count * ROWS * c);
	for (int b = 0; b < s.n; b++)
		OP_FOR(count, r->threads)
		for (size_t q = 0; q < count; q++) {
			const float *x = r->x[0] + b * voxels * c;
			double *sum = sums + q * ROWS * c;
			float *part = parts + q * ROWS * c;
			size_t i0 = q * ROWS, rows = c - i0 < ROWS ? c - i0 : ROWS;
			memset(sum, 0, rows * c * sizeof *sum);
			for (size_t p = 0; p < voxels; p += RUN) {
				size_t n = voxels - p < RUN ? voxels - p : RUN;
				memset(part, 0, rows * c * sizeof *part);
				outer(x + p * c, n, c, i0, rows, part);
				for (size_t k = 0; k < rows * c; k++)
					sum[k] += (double)part[k];
			}
			float *y = r->y + ((size_t)b * c + i0) * c;
			for (size_t k = 0; k < rows * c; k++)
				y[k] = (float)(sum[k] / (double)voxels);
		}
	return SM_OK;
}

SM_CLONES static void times_matrix(const float *x, const float *m, size_t c, bool acc,
				   float *restrict gx)
{
	if (!acc)
		memset(gx, 0, c * sizeof *gx);
	for (size_t j = 0; j < c; j++) {
		const float *row = m + j * c;
#pragma omp simd
		for (size_t k = 0; k < c; k++)
			gx[k] += x[j] * row[k];
	}
}

/* gx = (g + g transposed) x / voxels */
static enum sm_status gram_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	size_t c = (size_t)s.c, voxels = op_rows(s) / s.n;
	float *m = r->ws;
	for (int b = 0; b < s.n; b++) {
		const float *g = r->gy + b * c * c;
		for (size_t i = 0; i < c; i++)
			for (size_t j = 0; j < c; j++)
				m[i * c + j] = (g[i * c + j] + g[j * c + i]) / (float)voxels;
		OP_FOR(voxels, r->threads)
		for (size_t p = 0; p < voxels; p++) {
			size_t at = (b * voxels + p) * c;
			times_matrix(r->x[0] + at, m, c, r->node->acc[0], r->gx[0] + at);
		}
	}
	return SM_OK;
}

const struct op_impl op_gram = {.shape = gram_shape,
				.prepare = gram_prepare,
				.forward = gram_forward,
				.backward = gram_backward};

int sm_g_gram(struct sm_graph *g, int x)
{
	return graph_add(g, OP_KIND_gram, NULL, &x, 1, NULL);
}
