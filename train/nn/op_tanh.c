/* SPDX-License-Identifier: Apache-2.0 */
/* tanh: what a generator of images in [-1, 1] ends with. */
#include "train/nn/op.h"
#include "train/nn/vmath.h"

static enum sm_status tanh_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				 struct sm_err *err)
{
	(void)err;
	n->needs_y = true;
	*out = op_in_shape(g, n, 0);
	return SM_OK;
}

SM_CLONES static void values(const float *x, float *y, size_t n)
{
#pragma omp simd
	for (size_t i = 0; i < n; i++)
		y[i] = vm_tanh(x[i]);
}

SM_CLONES static void slopes(const float *y, const float *gy, float *gx, size_t n, bool acc)
{
	if (acc)
#pragma omp simd
		for (size_t i = 0; i < n; i++)
			gx[i] += gy[i] * (1.0f - y[i]) * (1.0f + y[i]);
	else
#pragma omp simd
		for (size_t i = 0; i < n; i++)
			gx[i] = gy[i] * (1.0f - y[i]) * (1.0f + y[i]);
}

static enum sm_status tanh_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	OP_FOR(count / ELEM_PIECE, r->threads)
	for (size_t i = 0; i < count; i += ELEM_PIECE)
		values(r->x[0] + i, r->y + i, count - i < ELEM_PIECE ? count - i : ELEM_PIECE);
	return SM_OK;
}

static enum sm_status tanh_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	size_t count = r->graph->tensor[r->node->out].count;
	OP_FOR(count / ELEM_PIECE, r->threads)
	for (size_t i = 0; i < count; i += ELEM_PIECE)
		slopes(r->y + i, r->gy + i, r->gx[0] + i,
		       count - i < ELEM_PIECE ? count - i : ELEM_PIECE, r->node->acc[0]);
	return SM_OK;
}

const struct op_impl op_tanh = {
	.shape = tanh_shape, .forward = tanh_forward, .backward = tanh_backward};

int sm_g_tanh(struct sm_graph *g, int x)
{
	return graph_add(g, OP_KIND_tanh, NULL, &x, 1, NULL);
}
