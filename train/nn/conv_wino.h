/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd convolution, six points an axis (0, 1, -1, 2, -2, infinity): F(4x4,3x3) and F(2x2,5x5)
 * over height and width; over depth tap by tap, or outputs in pairs by F(2,3) and F(2,5). This
 * header stands between the driver (conv_wino*.c: blocks, threads, workspaces) and its inner loops
 * (conv_wino_body.h), compiled once for each instruction set. Tensors are channels-last; channels
 * go in blocks of 16 whatever the set. Transformed data are [36 points][channel blocks][tiles][16],
 * transformed weights [36 points][output blocks][depth taps or points][input channels][16].
 */
#ifndef SM_TRAIN_CONV_WINO_H
#define SM_TRAIN_CONV_WINO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/nn/conv_up.h"
#include "train/nn/elem.h"

#define WINO_POINTS 36
#define WINO_MAX_KD 5
#define WINO_MAX_DEEP 6 /* points along the depth when that too goes by Winograd's scheme */
#define WINO_MAX_PAIRS 4 /* of depths at a time */
#define WINO_LANES 16

/* A plane to be transformed: what its tiles are and where they go. */
struct wino_plane {
	enum elem e; /* of its values */
	int h, w, c;
	int lo_h, lo_w; /* padding before */
	int step;       /* of the tiles: 4 or 2 */
	int t0, tw;     /* of a row: its first tile, and how many */
	size_t fs, cbs; /* floats from point to point, from channel block to channel block */
};

/* What is read next, touched a little at a time between products so that it comes while they run
 * (all at once would make them wait for it). */
#define WINO_AHEAD 5
struct wino_ahead {
	int pieces, rows[WINO_AHEAD]; /* of a piece: `width` bytes, `stride` apart */
	const char *at[WINO_AHEAD];
	size_t width[WINO_AHEAD], stride[WINO_AHEAD];
	/* Where it is, and how many lines a time. */
	int piece, row;
	size_t done, step;
};

/* Shares what is ahead out to n calls, in whole lines. */
static inline void wino_ahead_share(struct wino_ahead *a, size_t n)
{
	size_t lines = 0;
	for (int k = 0; k < a->pieces; k++)
		lines += (a->width[k] + 63) / 64 * a->rows[k];
	a->step = (lines + n - 1) / n;
}

/* One product: for each point, m[ob][tile] (+)= sum over taps and channels of v * u. */
struct wino_gemm {
	const float *v[WINO_MAX_KD], *u[WINO_MAX_KD]; /* of the taps that meet the input */
	int taps, ic, tiles, obs;
	size_t v_fs, v_cbs, u_fs, u_obs, m_fs, m_obs;
	float *m;
	bool add;
	struct wino_ahead *ahead; /* or NULL */
};

/* Outputs at pairs of depths (m, m_ds apart), each pair from as many slices (NULL = zeros) as there
 * are points along the depth, the next pair's from two further on; `part` tiles and `part_ic`
 * channels at a time mixed in w: [depth points][channel blocks][tiles][16].
 * u: [36][output blocks][depth points][channels][16]. */
struct wino_pair {
	const float *v[WINO_MAX_DEEP + 2 * (WINO_MAX_PAIRS - 1)], *u;
	int pairs, points, ic, tiles, obs, part, part_ic;
	size_t v_fs, v_cbs, u_fs, u_obs, u_zs, m_fs, m_obs, m_ds, w_zs, w_cbs;
	float *m, *w;
	bool add; /* inside: to what other channels left in m */
	struct wino_ahead *ahead;
};

/* Back from the points to the output. */
struct wino_out {
	enum elem e;
	int h, w, c; /* of the output plane */
	int step, tw;
	size_t m_fs, m_obs;
	const float *bias; /* or NULL */
	bool relu;
	bool stream; /* past the caches, where whole lines are written */
};

/* Weights from PyTorch's order (O,I,kD,k,k); flip = for backward-data. */
struct wino_weights {
	int ic, oc;          /* of the convolution as it runs */
	int kd, k, kd0, kd1; /* taps [kd0, kd1) are made, others left out */
	bool flip;
	int deep; /* points that the taps along the depth become, or 0 */
	size_t u_fs, u_obs, u_ks; /* floats from point, output block, tap to the next */
};

#define WINO_GRAD_PAIRS 6

/* Products of the weight gradient, for one point: a[pair][i] (+)= sum over tiles of v * y[pair]; a
 * pair is an output block and a depth tap. */
struct wino_grad {
	const size_t *v_at, *y_at; /* starts of runs of tiles */
	int runs, tiles;           /* tiles a run */
	int ic;                    /* <= 16 */
	int pairs;
	const float *y[WINO_GRAD_PAIRS];
	float *a[WINO_GRAD_PAIRS];
	bool add[WINO_GRAD_PAIRS];
	struct wino_ahead *ahead; /* or NULL; its step is what a call of grad touches */
};

struct wino_isa {
	const char *name;
	int group; /* tiles of a product in registers, by as many output blocks as they hold */
	/* Tile row `row` of a plane: v is the place of its first tile at point 0, block 0.
	 * in: data, 6x6 tiles; out_grad: gradients of outputs, tiles of step x step. */
	void (*data_row)(const struct wino_plane *p, const void *src, int row, float *v);
	void (*grad_row)(const struct wino_plane *p, const void *src, int row, float *v);
	void (*gemm)(const struct wino_gemm *g);
	void (*products)(const struct wino_gemm *g, int points); /* gemm of so many points */
	void (*pair)(const struct wino_pair *g);
	/* Tiles [t0, t0 + tiles) of a plane counted from tile row 0; m: their first. Blocks
	 * [ob0, ob1). */
	void (*output)(const struct wino_out *o, const float *m, int t0, int tiles, int ob0,
		       int ob1, void *plane);
	/* Output block ob, input channels [i0, i1), into u (place of i0, block ob, tap kd0). */
	void (*weights)(const struct wino_weights *p, const float *w, int ob, int i0, int i1,
			float *u);
	void (*grad)(const struct wino_grad *g, const float *v);
	/* gw += the sum over `copies` accumulators of the weight gradient (each as the weights
	 * above, copy_stride floats apart, in index order), output block ob, channels [i0, i1). */
	void (*weights_back)(const struct wino_weights *p, const float *a, int copies,
			     size_t copy_stride, int ob, int i0, int i1, float *gw);
	struct up_isa up;
};

/* Whether this CPU has what the set needs. */
bool wino_has_avx512(void);
bool wino_has_avx2(void);

/* NULL when compiled for another architecture. */
extern const struct wino_isa *const wino_isa_avx512, *const wino_isa_avx2, *const wino_isa_portable;

#endif
