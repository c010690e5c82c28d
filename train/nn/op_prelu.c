/* SPDX-License-Identifier: Apache-2.0 */
/* PReLU (He et al. 2015) with one slope a channel. */
#include "train/nn/norm_rows.h"
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

/* The values [at, at + n) of rows of c: whole rows, or part of one. */
SM_CLONES static void piece_forward(const struct op_run *r, size_t at, size_t n, size_t c)
{
	float a[ELEM_PIECE], b[ELEM_PIECE];
	const float *x = elem_read(r->x[0], r->xe[0], at, n, a), *w = r->w[0] + at % c;
	float *y = elem_begin(r->y, r->ye, at, b);
	size_t width = n < c ? n : c;
	for (size_t i = 0; i < n; i += width)
#pragma omp simd
		for (size_t j = 0; j < width; j++)
			y[i + j] = x[i + j] > 0 ? x[i + j] : w[j] * x[i + j];
	elem_end(r->y, r->ye, at, n, y);
}

/* What n values add to the slopes' sums: in float by places in a line (rows that fill vectors), and
 * those sums are added up in double. n < c is a part of a row. */
SM_INLINE void slope_sums(const float *restrict x, const float *restrict gy, size_t n, size_t c,
			  double *restrict sum)
{
	float f[ELEM_PIECE];
	size_t whole = norm_line(c), line = n < c ? n : whole <= n ? whole : c, i = 0;
#pragma omp simd
	for (size_t j = 0; j < line; j++)
		f[j] = 0;
	for (; i + line <= n; i += line)
#pragma omp simd
		for (size_t j = 0; j < line; j++)
			f[j] += (x[i + j] > 0 ? 0.0f : x[i + j]) * gy[i + j];
	for (size_t j = 0; i + j < n; j++)
		f[j] += (x[i + j] > 0 ? 0.0f : x[i + j]) * gy[i + j];
	size_t width = line < c ? line : c;
	for (size_t k = 0; k < line; k += width)
#pragma omp simd
		for (size_t j = 0; j < width; j++)
			sum[j] += (double)f[k + j];
}

SM_CLONES static void piece_backward(const struct op_run *r, size_t at, size_t n, size_t c,
				     double *restrict sum)
{
	float a[ELEM_PIECE], b[ELEM_PIECE], d[ELEM_PIECE];
	const float *x = elem_read(r->x[0], r->xe[0], at, n, a), *w = r->w[0] + at % c;
	const float *gy = elem_read(r->gy, r->ye, at, n, b);
	size_t width = n < c ? n : c;
	bool acc = r->node->acc[0];
	slope_sums(x, gy, n, c, sum + at % c);
	if (!r->gx[0])
		return;
	float *gx = acc ? elem_modify(r->gx[0], r->xe[0], at, n, d)
			: elem_begin(r->gx[0], r->xe[0], at, d);
	for (size_t i = 0; i < n; i += width)
#pragma omp simd
		for (size_t j = 0; j < width; j++) {
			float g = gy[i + j], v = x[i + j] > 0 ? g : w[j] * g;
			gx[i + j] = acc ? gx[i + j] + v : v;
		}
	elem_end(r->gx[0], r->xe[0], at, n, gx);
}

static enum sm_status prelu_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_out_shape(r->graph, r->node);
	size_t rows = op_rows(s), c = (size_t)s.c;
	OP_FOR(OP_BLOCKS, r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t end = op_block_start(rows, b + 1) * c;
		for (size_t i = op_block_start(rows, b) * c, n; i < end; i += n) {
			n = op_piece(i, end, c);
			piece_forward(r, i, n, c);
		}
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
	OP_FOR(OP_BLOCKS, r->threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t end = op_block_start(rows, b + 1) * c;
		memset(partial + b * c, 0, c * sizeof *partial);
		for (size_t i = op_block_start(rows, b) * c, n; i < end; i += n) {
			n = op_piece(i, end, c);
			piece_backward(r, i, n, c, partial + b * c);
		}
	}
	for (int b = 1; b < OP_BLOCKS; b++)
		for (size_t j = 0; j < c; j++)
			partial[j] += partial[b * c + j];
	for (size_t j = 0; r->gw[0] && j < c; j++)
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
