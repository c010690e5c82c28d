/* SPDX-License-Identifier: Apache-2.0
 *
 * A 2x2 convolution (zeros behind) of what nearest up-sampling by 2x2 makes, from the source: along
 * an axis u[2k] = u[2k+1] = s[k] and taps a, b give out[2k] = (a + b) s[k] and out[2k+1] = out[2k]
 * + b (s[k+1] - s[k]). So four products of source pixels, with the sum of all taps W0, of those
 * right Wx, of those below Wy and the last one Wxy ("points"), do the work of sixteen. This header
 * stands between the driver (conv_up.c) and its inner loops (conv_up_body.h), a part of
 * conv_wino_body.h whose products they use: data are [point][channel block][pixel][16], weights
 * [point][output block][input channel][16].
 */
#ifndef SM_TRAIN_CONV_UP_H
#define SM_TRAIN_CONV_UP_H

#include <stdbool.h>
#include <stddef.h>

#include "train/nn/elem.h"

#define UP_POINTS 4

/* A plane: h x w pixels of the source; of c channels that stand there, n, a multiple of 16, are
 * read or written. */
struct up_plane {
	enum elem e;
	int h, w, c, n;
	size_t fs, cbs; /* floats from point to point, from channel block to channel block */
};

struct up_out {
	struct up_plane p; /* fs, cbs: of the products */
	const float *bias; /* or NULL */
	bool relu;
	bool stream; /* past the caches, where whole lines are written */
};

struct up_weights {
	int ic, oc; /* of the layer as it runs */
	bool flip;  /* for backward-data, where they stand the other way round */
	size_t fs;
};

struct up_isa {
	/* Pixels [x0, x1) of a row; v: the place of the first one at point 0, block 0.
	 * data: the source and its differences to the right, down and both.
	 * grad: sums of the four outputs' gradients that go with these.
	 * back: the same less those of neighbours: times the weights they add up to a gradient. */
	void (*data)(const struct up_plane *p, const void *src, int row, int x0, int x1, float *v);
	void (*grad)(const struct up_plane *p, const void *gy, int row, int x0, int x1, float *v);
	void (*back)(const struct up_plane *p, const void *gy, int row, int x0, int x1, float *v);
	/* Products m to outputs of these pixels; copy: to the source's gradient, one point. */
	void (*output)(const struct up_out *o, const float *m, int row, int x0, int x1, void *y);
	void (*copy)(const struct up_out *o, const float *m, int row, int x0, int x1, void *gx);
	/* PyTorch's (O,I,1,2,2) to the points: output block ob, channels [i0, i1), into u. */
	void (*weights)(const struct up_weights *p, const float *w, int ob, int i0, int i1,
			float *u);
	/* gw += the sum over `copies` gradients at the points, copy_stride floats apart, in order.
	 */
	void (*weights_back)(const struct up_weights *p, const float *a, int copies,
			     size_t copy_stride, int ob, int i0, int i1, float *gw);
};

#endif
