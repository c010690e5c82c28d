/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest voxel of another grid over the same box: targets of deep-supervision heads. */
#include "train/nn/op.h"

#include <string.h>

static enum sm_status sample_shape(struct sm_graph *g, struct node *n, struct sm_shape *out,
				   struct sm_err *err)
{
	struct sm_shape s = op_in_shape(g, n, 0);
	const int *to = n->attr.window;
	if (to[0] < 1 || to[1] < 1 || to[2] < 1)
		return SM_FAIL(err, SM_USAGE, "sample: to %dx%dx%d voxels, must be >= 1", to[0],
			       to[1], to[2]);
	*out = (struct sm_shape){s.n, to[0], to[1], to[2], s.c};
	return SM_OK;
}

/* floor((i + 1/2) in / out) */
static size_t from(int i, int in, int out)
{
	return (size_t)(((int64_t)2 * i + 1) * in / ((int64_t)2 * out));
}

static enum sm_status sample_forward(const struct op_run *r, struct sm_err *err)
{
	(void)err;
	struct sm_shape s = op_in_shape(r->graph, r->node, 0), o = op_out_shape(r->graph, r->node);
	size_t c = (size_t)s.c;
	OP_FOR(o.n * o.d, r->threads)
	for (int i = 0; i < o.n * o.d; i++)
		for (int y = 0; y < o.h; y++) {
			size_t row = ((size_t)(i / o.d) * s.d + from(i % o.d, s.d, o.d)) * s.h +
				     from(y, s.h, o.h);
			const float *src = r->x[0] + row * s.w * c;
			float *dst = r->y + ((size_t)i * o.h + y) * o.w * c;
			for (int x = 0; x < o.w; x++)
				memcpy(dst + x * c, src + from(x, s.w, o.w) * c, c * sizeof *dst);
		}
	return SM_OK;
}

const struct op_impl op_sample = {.shape = sample_shape, .forward = sample_forward};

int sm_g_sample(struct sm_graph *g, int x, int d, int h, int w)
{
	struct op_attr attr = {.window = {d, h, w}};
	return graph_add(g, OP_KIND_sample, NULL, &x, 1, &attr);
}
