/* SPDX-License-Identifier: Apache-2.0 */
/* Mirrored borders over height and width, the border itself not repeated (PyTorch's
 * ReflectionPad2d). */
#include "train/nn/op.h"

#include <string.h>

/* window: rows above and below, columns left and right */
static enum sm_status pad_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	int rows = n->attr.window[0], columns = n->attr.window[1];
	if (rows < 0 || columns < 0 || rows >= s.h || columns >= s.w)
		return SM_FAIL(
			err, SM_USAGE,
			"reflect pad: %d rows and %d columns around an image of %dx%d, must be "
			"at least 0 and below its size",
			rows, columns, s.h, s.w);
	*out = (struct sm_shape){s.n, s.d, s.h + 2 * rows, s.w + 2 * columns, s.c};
	return SM_OK;
}

static int mirrored(int i, int size)
{
	i = i < 0 ? -i : i;
	return i >= size ? 2 * (size - 1) - i : i;
}

static enum sm_status pad_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	int rows = r->node->attr.window[0], columns = r->node->attr.window[1];
	size_t c = (size_t)s.c;
	OP_FOR(o.n * o.d * o.h, r->threads)
	for (int line = 0; line < o.n * o.d * o.h; line++) {
		size_t plane = line / o.h, y = mirrored(line % o.h - rows, s.h);
		size_t from = (plane * s.h + y) * s.w * c, to = (size_t)line * o.w * c;
		for (int x = 0; x < columns; x++) {
			elem_move(r->y, r->ye, to + x * c, r->x[0], r->xe[0],
				  from + mirrored(x - columns, s.w) * c, c);
			elem_move(r->y, r->ye, to + (columns + s.w + x) * c, r->x[0], r->xe[0],
				  from + mirrored(s.w + x, s.w) * c, c);
		}
		elem_move(r->y, r->ye, to + columns * c, r->x[0], r->xe[0], from, s.w * c);
	}
	return SM_OK;
}

/* The places of a padded line that show place i; at most 3. */
static int shown_at(int i, int size, int pad, int at[3])
{
	int n = 0;
	at[n++] = i + pad;
	if (i >= 1 && i <= pad)
		at[n++] = pad - i;
	if (i <= size - 2 && i >= size - 1 - pad)
		at[n++] = 2 * (size - 1) - i + pad;
	return n;
}

/* Sum of the gradients of all places that show voxel (y, x), channels [c0, c0 + n). */
static void gather(const struct op_run *r, size_t plane, const int *ys, int ny, const int *xs,
		   int nx, size_t c0, size_t n, float *sum)
{
	struct sm_shape o = op_out_shape(r->graph, r->node);
	float buffer[ELEM_PIECE];
	memset(sum, 0, n * sizeof *sum);
	for (int j = 0; j < ny; j++)
		for (int i = 0; i < nx; i++) {
			size_t at = ((plane * o.h + ys[j]) * o.w + xs[i]) * o.c + c0;
			const float *gy = elem_read(r->gy, r->ye, at, n, buffer);
			for (size_t k = 0; k < n; k++)
				sum[k] += gy[k];
		}
}

static enum sm_status pad_backward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0);
	int rows = r->node->attr.window[0], columns = r->node->attr.window[1];
	size_t c = (size_t)s.c;
	OP_FOR(s.n * s.d * s.h, r->threads)
	for (int line = 0; line < s.n * s.d * s.h; line++) {
		int ys[3], xs[3], ny = shown_at(line % s.h, s.h, rows, ys);
		for (int x = 0; x < s.w; x++) {
			int nx = shown_at(x, s.w, columns, xs);
			for (size_t c0 = 0, n; c0 < c; c0 += n) {
				float sum[ELEM_PIECE], buffer[ELEM_PIECE];
				size_t at = ((size_t)line * s.w + x) * c + c0;
				n = c - c0 < ELEM_PIECE ? c - c0 : ELEM_PIECE;
				gather(r, (size_t)line / s.h, ys, ny, xs, nx, c0, n, sum);
				float *gx = elem_modify(r->gx[0], r->xe[0], at, n, buffer);
				for (size_t k = 0; k < n; k++)
					gx[k] = r->node->acc[0] ? gx[k] + sum[k] : sum[k];
				elem_end(r->gx[0], r->xe[0], at, n, gx);
			}
		}
	}
	return SM_OK;
}

const struct op_impl op_reflect_pad = {
	.shape = pad_shape, .forward = pad_forward, .backward = pad_backward, .again = pad_forward};

int sm_g_reflect_pad(struct sm_graph *g, int x, int rows, int columns)
{
	struct op_attr attr = {.window = {rows, columns, 0}};
	return graph_add(g, OP_KIND_reflect_pad, NULL, &x, 1, &attr);
}
