/* SPDX-License-Identifier: Apache-2.0
 *
 * How a Winograd convolution is cut up. "slab": each thread takes some rows of tiles of one sample
 * and walks through the depth with a ring of transformed slices; transformed weights are kept. For
 * few channels and many tiles. "whole": all tiles are transformed first, then threads share out the
 * output channels and transform the weights they need on the way, in cache: for many channels,
 * whose transformed weights are larger than the cache and read as often as there are few tiles.
 * "flat": slabs that reach over planes, where these have nothing to do with each other (one tap
 * along the depth): enough tiles for each reading of many weights.
 */
#ifndef SM_TRAIN_CONV_WINO_PLAN_H
#define SM_TRAIN_CONV_WINO_PLAN_H

#include "train/nn/conv.h"
#include "train/nn/conv_wino.h"

/* Weight gradients of slabs are summed by this many workers, whatever the number of threads. */
#define WINO_WORKERS 8
/* Input channels whose weights a thread brings to the points, or back, at a time. */
#define WINO_SOME_IC 4

struct wino_priv {
	const struct wino_isa *isa;
	enum elem xe, ye;      /* of what it reads and writes; x and y of the weight gradient */
	int n, ic, oc, cb, ob; /* channels and their blocks, in the direction in which it runs */
	int in[3], out[3], lo[3];
	int kd, kd0, kd1;  /* depth taps; those that meet the input anywhere */
	int step, k;       /* outputs of a tile and kernel over height and width */
	int th, tw, tiles; /* of a plane */
	bool whole, flat;
	int deep; /* points along the depth when Winograd's scheme is taken there too, outputs in
		   * pairs; or 0 */
	/* slab */
	int rows, slabs, ring; /* tile rows a slab, slabs a sample (forward), slices in the ring */
	int cuts;              /* forward: pieces of a row of tiles, one row a slab */
	int deeps;             /* forward: pieces along the depth */
	int tail, tail_tiles;  /* forward: the last slabs, in two, the first of so many tiles */
	/* data and gradients at the points: floats from point to point, block to block */
	size_t v_fs, v_cbs, v_size, y_fs, y_cbs, y_size;
	/* weights, or their gradients, at the points */
	int ic_part, ob_part; /* whole: channels and output blocks made at a time */
	size_t u_fs, u_obs, u_ks, u_size;
	/* products */
	int m_tiles, m_obs_count; /* tiles and output blocks a piece */
	size_t m_fs, m_obs, m_size;
	int pairs; /* deep: pairs of depths at a time */
	int mix_tiles, mix_ic; /* deep: tiles and channels mixed at a time, and floats for them */
	size_t mix;
	int chunks, workers; /* flat: slabs in chunks */
	/* whole, weight gradient: samples and tile rows at a time; runs of tiles of each tap */
	int part_n, part_rows;
	size_t *run_v, *run_y;
	int runs[WINO_MAX_KD];
};

/* Bytes before the threads' own parts of the workspace, and of one such part. */
size_t wino_shared_bytes(const struct wino_priv *q, enum sm_pass pass);
size_t wino_thread_bytes(const struct wino_priv *q, enum sm_pass pass);

/* whole: pieces of the weights that are made, or summed, on their own. */
size_t wino_parts(const struct wino_priv *q);

struct wino_weights wino_weights_of(const struct wino_priv *q, bool flip);
struct wino_plane wino_data_plane(const struct wino_priv *q);
struct wino_plane wino_grad_plane(const struct wino_priv *q);

/* A tensor in parts along its channels, blocks of WINO_LANES each unless it is one. */
struct wino_side {
	const struct conv_part *part;
	int parts;
};

/* A piece of a row of tiles, of a plane counted over samples. */
struct wino_row {
	size_t plane;
	int row, t0, tiles;
};

/* isa->data_row for all parts. */
void wino_data_row(const struct wino_priv *q, struct wino_side src, struct wino_row at, float *v);

/* Adds rows of `width` bytes, `stride` apart, to what is ahead; left out when there is no room. */
void wino_ahead_add(struct wino_ahead *a, const void *at, int rows, size_t stride, size_t width);
/* Adds what wino_data_row reads for `rows` rows of tiles, from `at` on. */
void wino_ahead_slice(const struct wino_priv *q, struct wino_side src, struct wino_row at, int rows,
		      struct wino_ahead *a);

/* src (N,in,ic) -> dst (N,out,oc); u: packed weights of a slab plan, w: plain ones of a whole. */
void wino_forward(const struct wino_priv *q, struct wino_side src, const float *w, const float *u,
		  const float *bias, bool relu, bool flip, struct wino_side dst, void *ws,
		  int threads);
void wino_backward_weights(const struct wino_priv *q, struct wino_side x, const void *gy, float *gw,
			   void *ws, int threads);

#endif
