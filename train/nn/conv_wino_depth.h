/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of conv_wino_body.h for kernels of three taps along the depth: F(2,3) at the points 0,
 * 1, -1 and infinity, two outputs from four slices by four products where taps need six; included by
 * it. Slices are kept as they are and mixed a point of the plane and some tiles at a time, in the
 * first cache, just before their product.
 */
#ifndef SM_TRAIN_CONV_WINO_DEPTH_H
#define SM_TRAIN_CONV_WINO_DEPTH_H

static const float no_slice[WINO_LANES];

/* n values of four slices (NULL = zeros) to the four depth points, zs apart. */
static void mix_data(const float *const s[WINO_DEEP], size_t at, size_t n, float *w, size_t zs)
{
	const float *p[WINO_DEEP];
	size_t step[WINO_DEEP];
	for (int k = 0; k < WINO_DEEP; k++) {
		p[k] = s[k] ? s[k] + at : no_slice;
		step[k] = s[k] ? 1 : 0;
	}
	for (size_t i = 0; i < n; i += VL) {
		vec a = v_load(p[0] + i * step[0]), b = v_load(p[1] + i * step[1]);
		vec c = v_load(p[2] + i * step[2]), d = v_load(p[3] + i * step[3]);
		v_store(w + i, v_sub(a, c));
		v_store(w + zs + i, v_add(b, c));
		v_store(w + 2 * zs + i, v_sub(c, b));
		v_store(w + 3 * zs + i, v_sub(d, b));
	}
}

/* acc += v u over all input channels. */
INLINE void pair_sum(const int nt, const int nb, const struct wino_pair *g, const float *v,
		     const float *u, vec *acc)
{
	int left = g->ic;
	for (; left >= WINO_LANES; left -= WINO_LANES) {
		UNROLL_BY(2)
		for (int i = 0; i < WINO_LANES; i++)
			rank_one(nt, nb, v, u, g->u_obs, acc, i);
		v += g->w_cbs;
		u += WINO_LANES * WINO_LANES;
	}
	for (int i = 0; i < left; i++)
		rank_one(nt, nb, v, u, g->u_obs, acc, i);
}

/* Both outputs stay in registers: the points 1 and -1 first, their sum and difference, the rest. */
INLINE void pair_product(const int nt, const int nb, const struct wino_pair *g, const float *w,
			 const float *u, float *m)
{
	vec p[WINO_PAIR1 * VN * WINO_NB], q[WINO_PAIR1 * VN * WINO_NB];
	UNROLL(28)
	for (int i = 0; i < nt * nb * VN; i++)
		p[i] = q[i] = v_set1(0);
	look_ahead(g->ahead);
	pair_sum(nt, nb, g, w + g->w_zs, u + g->u_zs, p);
	look_ahead(g->ahead);
	pair_sum(nt, nb, g, w + 2 * g->w_zs, u + 2 * g->u_zs, q);
	look_ahead(g->ahead);
	UNROLL(28)
	for (int i = 0; i < nt * nb * VN; i++) {
		vec sum = v_add(p[i], q[i]);
		q[i] = v_sub(p[i], q[i]);
		p[i] = sum;
	}
	pair_sum(nt, nb, g, w, u, p);
	look_ahead(g->ahead);
	pair_sum(nt, nb, g, w + 3 * g->w_zs, u + 3 * g->u_zs, q);
	UNROLL(28)
	for (int i = 0; i < nt * nb * VN; i++) {
		int t = i / (nb * VN), j = i % (nb * VN);
		float *to = m + j / VN * g->m_obs + t * WINO_LANES + j % VN * VL;
		v_store(to, p[i]);
		v_store(to + g->m_ds, q[i]);
	}
}

typedef void pair_fn(const struct wino_pair *g, const float *w, const float *u, float *m);
#define PROW1(n) \
	static void pair_##n##_1(const struct wino_pair *g, const float *w, const float *u, \
				 float *m) \
	{ \
		pair_product(n, 1, g, w, u, m); \
	}
WINO_PAIRS1(PROW1)
#define PNAME1(n) pair_##n##_1,
static pair_fn *const pairs1[] = {WINO_PAIRS1(PNAME1)};
#if WINO_NB > 1
#define PROW2(n) \
	static void pair_##n##_2(const struct wino_pair *g, const float *w, const float *u, \
				 float *m) \
	{ \
		pair_product(n, 2, g, w, u, m); \
	}
WINO_PAIRS2(PROW2)
#define PNAME2(n) pair_##n##_2,
static pair_fn *const pairs2[] = {WINO_PAIRS2(PNAME2)};
#endif

INLINE void pair_tiles(const struct wino_pair *g, pair_fn *const *fn, int most, int tiles,
		       const float *u, float *m)
{
	int parts = (tiles + most - 1) / most;
	for (int b = 0; b < parts; b++) {
		int t0 = tiles * b / parts, t1 = tiles * (b + 1) / parts;
		size_t at = (size_t)t0 * WINO_LANES;
		fn[t1 - t0 - 1](g, g->w + at, u, m + at);
	}
}

static void pair(const struct wino_pair *g)
{
	int parts = (g->tiles + g->part - 1) / g->part;
	int nb = g->obs < WINO_NB ? g->obs : WINO_NB, most = WINO_PAIR1 / nb;
	size_t calls = (g->tiles + most - 1) / most * (size_t)((g->obs + nb - 1) / nb);
	share_ahead(g->ahead, WINO_POINTS * WINO_DEEP * calls);
	for (int f = 0; f < WINO_POINTS; f++)
		for (int b = 0; b < parts; b++) {
			int t0 = g->tiles * b / parts, tiles = g->tiles * (b + 1) / parts - t0;
			size_t at = (size_t)t0 * WINO_LANES;
			for (int cb = 0; cb * WINO_LANES < g->ic; cb++)
				mix_data(g->v, f * g->v_fs + cb * g->v_cbs + at,
					 (size_t)tiles * WINO_LANES, g->w + cb * g->w_cbs,
					 g->w_zs);
			const float *u = g->u + f * g->u_fs;
			float *m = g->m + f * g->m_fs + at;
			int ob = 0;
#if WINO_NB > 1
			for (; ob + 1 < g->obs; ob += 2)
				pair_tiles(g, pairs2, WINO_PAIR2, tiles, u + ob * g->u_obs,
					   m + ob * g->m_obs);
#endif
			for (; ob < g->obs; ob++)
				pair_tiles(g, pairs1, WINO_PAIR1, tiles, u + ob * g->u_obs,
					   m + ob * g->m_obs);
		}
}

#endif
