/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of conv_wino_body.h that goes by Winograd's scheme along the depth too, two outputs from
 * taps + 1 slices by as many products; included by it. Three taps: F(2,3) at the points 0, 1, -1
 * and infinity; five: F(2,5) at the six points of the plane. Slices are kept as they are and mixed
 * a point of the plane, some tiles and some channels at a time, in the first cache, just before
 * their products.
 */
#ifndef SM_TRAIN_CONV_WINO_DEPTH_H
#define SM_TRAIN_CONV_WINO_DEPTH_H

/* The points are in this order for both: 0, 1, -1, (2, -2,) infinity. */
INLINE void deep_data(const int points, const vec *d, vec *o)
{
	if (points == 6) {
		points_data(d, o);
		return;
	}
	o[0] = v_sub(d[0], d[2]);
	o[1] = v_add(d[1], d[2]);
	o[2] = v_sub(d[2], d[1]);
	o[3] = v_sub(d[3], d[1]);
}

/* points - 1 taps. */
INLINE void deep_kernel(const int points, const vec *d, vec *o)
{
	if (points == 6) {
		points_poly(d, 5, o);
		return;
	}
	vec half = v_set1(0.5f);
	vec e = v_mul(half, v_add(d[0], d[2])), f = v_mul(half, d[1]);
	o[0] = d[0];
	o[1] = v_add(e, f);
	o[2] = v_sub(e, f);
	o[3] = d[2];
}

static const float no_slice[WINO_LANES];

/* n values of the slices (NULL = zeros) to the depth points, zs apart. */
INLINE void mix_points(const int points, const float *const *s, size_t at, size_t n, float *w,
		       size_t zs)
{
	const float *p[WINO_MAX_DEEP];
	size_t step[WINO_MAX_DEEP];
	UNROLL(6)
	for (int k = 0; k < points; k++) {
		p[k] = s[k] ? s[k] + at : no_slice;
		step[k] = s[k] ? 1 : 0;
	}
	for (size_t i = 0; i < n; i += VL) {
		vec d[WINO_MAX_DEEP], o[WINO_MAX_DEEP];
		UNROLL(6)
		for (int k = 0; k < points; k++)
			d[k] = v_load(p[k] + i * step[k]);
		deep_data(points, d, o);
		UNROLL(6)
		for (int k = 0; k < points; k++)
			v_store(w + k * zs + i, o[k]);
	}
}

/* Channels [i0, i0 + ic) of `tiles` tiles, at point f of the plane, of a pair's slices v. */
static void mix(const struct wino_pair *g, const float *const *v, int f, int t0, int tiles, int i0,
		int ic)
{
	for (int cb = 0; cb * WINO_LANES < ic; cb++) {
		size_t at = f * g->v_fs + (i0 / WINO_LANES + cb) * g->v_cbs +
			    (size_t)t0 * WINO_LANES;
		size_t n = (size_t)tiles * WINO_LANES;
		if (g->points == 6)
			mix_points(6, v, at, n, g->w + cb * g->w_cbs, g->w_zs);
		else
			mix_points(4, v, at, n, g->w + cb * g->w_cbs, g->w_zs);
	}
}

/* acc += v u over the input channels, at depth point z. */
INLINE void pair_sum(const int nt, const int nb, const struct wino_pair *g, const float *v,
		     const float *u, int z, vec *acc)
{
	int left = g->ic;
	v += z * g->w_zs;
	u += z * g->u_zs;
	look_ahead(g->ahead, g->ahead->step);
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

/* The same at two depth points, side by side where one alone has fewer multiply-adds than hide
 * their latency; each sum is in the same order either way. */
INLINE void pair_sums(const int nt, const int nb, const struct wino_pair *g, const float *v,
		      const float *u, int y, vec *p, int z, vec *q)
{
	if (nt * nb * VN >= 8) {
		pair_sum(nt, nb, g, v, u, y, p);
		pair_sum(nt, nb, g, v, u, z, q);
		return;
	}
	int left = g->ic;
	const size_t vz = (z - y) * g->w_zs, uz = (z - y) * g->u_zs;
	v += y * g->w_zs;
	u += y * g->u_zs;
	look_ahead(g->ahead, 2 * g->ahead->step);
	for (; left >= WINO_LANES; left -= WINO_LANES) {
		UNROLL_BY(2)
		for (int i = 0; i < WINO_LANES; i++) {
			rank_one(nt, nb, v, u, g->u_obs, p, i);
			rank_one(nt, nb, v + vz, u + uz, g->u_obs, q, i);
		}
		v += g->w_cbs;
		u += WINO_LANES * WINO_LANES;
	}
	for (int i = 0; i < left; i++) {
		rank_one(nt, nb, v, u, g->u_obs, p, i);
		rank_one(nt, nb, v + vz, u + uz, g->u_obs, q, i);
	}
}

/* p, q <- a p + b q, c p + d q. */
INLINE void pair_turn(int n, vec *p, vec *q, float a, float b, float c, float d)
{
	UNROLL(28)
	for (int i = 0; i < n; i++) {
		vec t = v_fma(v_set1(a), p[i], v_mul(v_set1(b), q[i]));
		q[i] = v_fma(v_set1(c), p[i], v_mul(v_set1(d), q[i]));
		p[i] = t;
	}
}

/* p, q <- p + q, c (p - q). */
INLINE void pair_ends(int n, vec *p, vec *q, float c)
{
	UNROLL(28)
	for (int i = 0; i < n; i++) {
		vec sum = v_add(p[i], q[i]);
		q[i] = v_mul(v_set1(c), v_sub(p[i], q[i]));
		p[i] = sum;
	}
}

/* Both outputs stay in registers. They are p + q and c (p - q) of the sums p at the point c and q
 * at -c: so these add up in the outputs' own registers, turned to what the next two points need.
 * The points 0 and infinity belong to one output each. */
INLINE void pair_product(const int nt, const int nb, const struct wino_pair *g, const float *w,
			 const float *u, float *m)
{
	const int n = nt * nb * VN;
	vec p[WINO_PAIR1 * VN * WINO_NB], q[WINO_PAIR1 * VN * WINO_NB];
	UNROLL(28)
	for (int i = 0; i < n; i++) {
		const float *from = m + i % (nb * VN) / VN * g->m_obs +
				    i / (nb * VN) * WINO_LANES + i % VN * VL;
		p[i] = g->add ? v_load(from) : v_set1(0);
		q[i] = g->add ? v_load(from + g->m_ds) : v_set1(0);
	}
	if (g->add)
		pair_turn(n, p, q, 0.5f, 0.5f, 0.5f, -0.5f);
	pair_sums(nt, nb, g, w, u, 1, p, 2, q);
	if (g->points == 6) {
		pair_turn(n, p, q, 0.75f, 0.25f, 0.25f, 0.75f);
		pair_sums(nt, nb, g, w, u, 3, p, 4, q);
		pair_ends(n, p, q, 2);
	} else {
		pair_ends(n, p, q, 1);
	}
	pair_sums(nt, nb, g, w, u, 0, p, g->points - 1, q);
	UNROLL(28)
	for (int i = 0; i < n; i++) {
		float *to = m + i % (nb * VN) / VN * g->m_obs + i / (nb * VN) * WINO_LANES +
			    i % VN * VL;
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

/* One point of the plane, a pair, tiles [t0, t0 + tiles), channels [i0, i0 + g->ic) into m. */
INLINE void pair_part(const struct wino_pair *g, int f, int at, int t0, int tiles, int i0)
{
	const float *u = g->u + f * g->u_fs + (size_t)i0 * WINO_LANES;
	float *m = g->m + 2 * at * g->m_ds + f * g->m_fs + (size_t)t0 * WINO_LANES;
	int ob = 0;
	mix(g, g->v + 2 * at, f, t0, tiles, i0, g->ic);
#if WINO_NB > 1
	for (; ob + 1 < g->obs; ob += 2)
		pair_tiles(g, pairs2, WINO_PAIR2, tiles, u + ob * g->u_obs, m + ob * g->m_obs);
#endif
	for (; ob < g->obs; ob++)
		pair_tiles(g, pairs1, WINO_PAIR1, tiles, u + ob * g->u_obs, m + ob * g->m_obs);
}

static void pair(const struct wino_pair *all)
{
	struct wino_pair g = *all;
	int parts = (g.tiles + g.part - 1) / g.part;
	int nb = g.obs < WINO_NB ? g.obs : WINO_NB, most = WINO_PAIR1 / nb;
	size_t calls = (g.tiles + most - 1) / most * (size_t)((g.obs + nb - 1) / nb) *
		       ((g.ic + g.part_ic - 1) / g.part_ic) * g.pairs;
	wino_ahead_share(g.ahead, WINO_POINTS * g.points * calls);
	for (int f = 0; f < WINO_POINTS; f++)
		for (int i = 0; i < g.pairs * parts; i++) {
			int b = i % parts;
			int t0 = g.tiles * b / parts, tiles = g.tiles * (b + 1) / parts - t0;
			for (int i0 = 0; i0 < all->ic; i0 += g.part_ic) {
				g.ic = all->ic - i0 < g.part_ic ? all->ic - i0 : g.part_ic;
				g.add = i0 > 0;
				pair_part(&g, f, i / parts, t0, tiles, i0);
			}
		}
}

#endif
