/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions with stride 2 as products of matrices in cache (conv_stride.c: forward and
 * backward-data; conv_stride_grad.c: weights). What a tap meets is every second pixel of every
 * second row: rows are put down by classes, the even and the odd pixels of the even and the odd
 * rows apart, as [block of 16 channels][depth tap][class of rows][class of pixels][row][pixel][16],
 * so that what a tap meets of a chunk stands in one run of pixels. Backward to data it is the other
 * way round: gradients of outputs stand in one class, and each class of inputs meets some taps.
 * The products are those of the Winograd convolutions at one point (conv_wino.h), of which the
 * distances between points (v_fs and so on) are not used. Padding is zeros that are multiplied: a
 * weight that is not finite makes NaN of what it meets of padding, and a gradient of an output that
 * is not finite NaN of the gradients of weights that meet padding to the left or right there.
 */
#ifndef SM_TRAIN_CONV_STRIDE_H
#define SM_TRAIN_CONV_STRIDE_H

#include "train/nn/conv.h"
#include "train/nn/conv_wino.h"

#define STRIDE_MOST 2 /* largest stride */
#define STRIDE_K 3    /* largest kernel */
#define STRIDE_TAPS (STRIDE_K * STRIDE_K * STRIDE_K)
#define STRIDE_ROWS 64 /* of a chunk */

/* "lines" are rows of what is computed: outputs, backward to data every second row of inputs.
 * Index 0, 1 of arrays: height, width. */
struct stride_priv {
	const struct wino_isa *isa;
	bool back;           /* backward to data */
	int cb, ob, taps;    /* blocks of channels, in the direction in which it runs */
	int planes, lines;   /* lines a plane */
	int width;           /* pixels of a line */
	int rows;            /* lines of a chunk, at most */
	int step[2];         /* from pixel to pixel of a class */
	bool met[2][STRIDE_MOST];  /* whether taps meet a class of rows, of pixels */
	int first[2][STRIDE_MOST]; /* a class's first row or pixel, in such steps, of line 0 */
	int margin[2];       /* rows and pixels more than lines and their pixels */
	int all_rows, pitch; /* rows of a class; pixels from row to row */
	size_t v_cbs, v_size, m_obs, m_size; /* grad: m are the gradients of outputs */
	size_t u_obs, u_ks, u_size;          /* weights or their gradients, a tap apart */
	int parts;                           /* forward, data: of the blocks of outputs */
	int groups, ranges; /* grad: of input blocks, of lines of all planes; else 1, 0 */
};

/* Lines [y0, y0 + rows) of plane z of sample n. */
struct stride_chunk {
	int n, z, y0, rows;
};

/* The plane that depth tap k meets; -1 = none. */
int stride_plane(const struct stride_priv *q, const struct conv_desc *d, int z, int k);
/* Tap k along axis 1 or 2 of d meets this class; returns how many steps further than line or pixel
 * 0. (Not back.) */
int stride_shift(const struct conv_desc *d, int axis, int k, int *which);
/* The place in v where taps of this depth, classes and shifts begin to meet the chunk's first
 * line. */
size_t stride_place(const struct stride_priv *q, int k, const int which[2], const int shift[2]);
/* What the chunk meets of x, blocks [c0, c1), to v; zeros around it. */
void stride_rows(const struct stride_priv *q, const struct conv_desc *d, const void *x,
		 const struct stride_chunk *c, int c0, int c1, float *v);

/* Blocks [c0, c1) of 16 channels of a pixel, each to its place, cbs floats apart. */
SM_INLINE void stride_put(float *to, size_t cbs, const void *x, enum elem e, size_t at, int c0,
			  int c1)
{
	for (int cb = c0; cb < c1; cb++, to += cbs) {
		size_t from = at + (size_t)cb * WINO_LANES;
		if (e == ELEM_BF16)
			elem_widen((const elem_half *)x + from, to, WINO_LANES);
		else
			memcpy(to, (const float *)x + from, WINO_LANES * sizeof *to);
	}
}

/* Ranges and groups, from the shape alone, before the chunks. */
void stride_set_items(struct stride_priv *q);
void stride_backward_weights(const struct conv_plan *p, const struct conv_args *a);

#endif
