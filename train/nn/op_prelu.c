/* SPDX-License-Identifier: Apache-2.0 */
/* PReLU (He et al. 2015) with one slope a channel. */
#include "train/nn/op.h"

#include <string.h>

static enum sm_status prelu_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				  struct sm_err *err)
{
	const int shape[5] = {op_in_shape(g, n, 0).c};
	n->param[0] = graph_param(g, n->name, "weight", 1, shape, "quarter", 1, 1, err);
	if (n->param[0] < 0)
		return err->code;
	n->needs_x = true;
	*out = op_in_shape(g, n, 0);
	return SM_OK;
}

static enum sm_status prelu_prepare(const struct op_env *env, struct node *n, struct sm_err *err)
{
	(void)err;
	n->ws_backward = (size_t)OP_BLOCKS * op_out_shape(env->graph, n).c * sizeof(double);
	return SM_OK;
}

SM_CLONES static void rows_forward(const float *x, float *y, const float *w, size_t rows, size_t c)
{
	for (size_t i = 0; i < rows; i++)
#pragma omp simd
		for (size_t j = 0; j < c; j++)
			y[i * c + j] = x[i * c + j] > 0 ? x[i * c + j] : w[j] * x[i * c + j];
}

SM_CLONES static void rows_slope(const float *x, const float *gy, size_t rows, size_t c,
				 double *restrict sum)
{
	memset(sum, 0, c * sizeof *sum);
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < c; j++) {
			float v = x[i * c + j] > 0 ? 0.0f : x[i * c + j];
			sum[j] += (double)v * (double)gy[i * c + j];
		}
}

SM_CLONES static void rows_backward(const float *x, const float *gy, float *gx, const float *w,
				    size_t rows, size_t c, bool acc)
{
	for (size_t i = 0; i < rows; i++)
#pragma omp simd
		for (size_t j = 0; j < c; j++) {
			float g = gy[i * c + j], v = x[i * c + j] > 0 ? g : w[j] * g;
			gx[i * c + j] = acc ? gx[i * c + j] + v : v;
		}
}

static enum sm_status prelu_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), c = (size_t)s.c;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = op_block_start(rows, b), e = op_block_start(rows, b + 1);
		rows_forward(r->x[0] + a * c, r->y + a * c, r->w[0], e - a, c);
	}
	return SM_OK;
}

/* As PyTorch at 0: the slope's side. */
static enum sm_status prelu_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), c = (size_t)s.c;
	double *partial = r->ws;
#pragma omp parallel for schedule(static) num_threads(r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t a = op_block_start(rows, b), e = op_block_start(rows, b + 1);
		rows_slope(r->x[0] + a * c, r->gy + a * c, e - a, c, partial + b * c);
		if (r->gx[0])
			rows_backward(r->x[0] + a * c, r->gy + a * c, r->gx[0] + a * c, r->w[0],
				      e - a, c, r->node->acc[0]);
	}
	for (int b = 1; b < OP_BLOCKS; b++)
		for (size_t j = 0; j < c; j++)
			partial[j] += partial[b * c + j];
	for (size_t j = 0; j < c; j++)
		r->gw[0][j] += (float)partial[j];
	return SM_OK;
}

const struct op_impl op_prelu = {.shape = prelu_shape,
				 .prepare = prelu_prepare,
				 .forward = prelu_forward,
				 .backward = prelu_backward};

int sm_g_prelu(struct sm_graph *g, int x, const char *name)
{
	return graph_add(g, OP_KIND_prelu, name, &x, 1, NULL);
}
