/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the Winograd convolution, written once over a thin layer of vector macros (vec,
 * VL, v_*) that each conv_wino_<set>.c defines before including this; that file also says how many
 * tiles by output blocks fit the registers (WINO_ROWS*, WINO_GRAD*). Lanes are channels and never
 * meet, so that sets with fused multiply-add give the same bits whatever their width.
 */
#ifdef SM_TRAIN_CONV_WINO_BODY_H
#error "included once by each instruction set"
#endif
#define SM_TRAIN_CONV_WINO_BODY_H

#ifndef v_stream
#define v_stream(p, a) v_store(p, a)
#define v_stream_end() ((void)0)
#endif

#define VN (WINO_LANES / VL)
#define INLINE static inline __attribute__((always_inline))
#define PRAGMA(x) _Pragma(#x)
#ifdef __clang__
#define UNROLL(n) PRAGMA(clang loop unroll(full))
#define UNROLL_BY(n) PRAGMA(clang loop unroll_count(n))
#else
#define UNROLL(n) PRAGMA(GCC unroll n)
#define UNROLL_BY(n) PRAGMA(GCC unroll n)
#endif

/* ---- one axis ------------------------------------------------------------------------------- */

/* Input points: B^T of the points above, the same for every size of kernel. */
INLINE void points_data(const vec d[6], vec o[6])
{
	vec c4 = v_set1(4), c5 = v_set1(5), c2 = v_set1(2);
	vec a = v_fnma(c4, d[2], d[4]), b = v_fnma(c4, d[1], d[3]);
	vec e = v_sub(d[4], d[2]), f = v_mul(c2, v_sub(d[3], d[1]));
	o[0] = v_fma(c4, d[0], v_fnma(c5, d[2], d[4]));
	o[1] = v_add(a, b);
	o[2] = v_sub(a, b);
	o[3] = v_add(e, f);
	o[4] = v_sub(e, f);
	o[5] = v_fma(c4, d[1], v_fnma(c5, d[3], d[5]));
}

/* Value at each point of the polynomial d[0] + d[1] p + ..., over the product of the distances from
 * the other points; the last is the leading coefficient. Kernels (n = 3, 5) and, for the weight
 * gradient, gradients of outputs (n = 4, 2). */
INLINE void points_poly(const vec *d, int n, vec o[6])
{
	vec e1 = d[0], f1 = d[1], e2 = d[0], f2 = v_mul(v_set1(2), d[1]);
	if (n > 2) {
		e1 = v_add(e1, d[2]);
		e2 = v_fma(v_set1(4), d[2], e2);
	}
	if (n > 3) {
		f1 = v_add(f1, d[3]);
		f2 = v_fma(v_set1(8), d[3], f2);
	}
	if (n > 4) {
		e1 = v_add(e1, d[4]);
		e2 = v_fma(v_set1(16), d[4], e2);
	}
	vec s6 = v_set1(-1 / 6.0f), s24 = v_set1(1 / 24.0f);
	o[0] = v_mul(v_set1(0.25f), d[0]);
	o[1] = v_mul(s6, v_add(e1, f1));
	o[2] = v_mul(s6, v_sub(e1, f1));
	o[3] = v_mul(s24, v_add(e2, f2));
	o[4] = v_mul(s24, v_sub(e2, f2));
	o[5] = d[n - 1];
}

/* Coefficients from the points: outputs (n = 4, 2) and gradients of kernels (n = 3, 5). */
INLINE void points_back(const vec m[6], int n, vec *o)
{
	vec s1 = v_add(m[1], m[2]), e1 = v_sub(m[1], m[2]);
	vec s2 = v_add(m[3], m[4]), e2 = v_sub(m[3], m[4]);
	o[0] = v_add(v_add(m[0], s1), s2);
	o[1] = v_fma(v_set1(2), e2, e1);
	if (n > 2)
		o[2] = v_fma(v_set1(4), s2, s1);
	if (n > 3)
		o[3] = v_fma(v_set1(8), e2, e1);
	if (n > 4)
		o[4] = v_fma(v_set1(16), s2, s1);
	o[n - 1] = v_add(o[n - 1], m[5]);
}

/* ---- tiles to points ------------------------------------------------------------------------ */

INLINE vec load_half(const elem_half *p, int n)
{
	if (n >= VL)
		return v_load_h(p);
	float t[VL] = {0};
	for (int i = 0; i < n; i++)
		t[i] = vm_float((uint32_t)p[i] << 16);
	return v_load(t);
}

INLINE void store_half(elem_half *p, vec a, int n)
{
	float t[VL];
	if (n >= VL) {
		v_store_h(p, a);
		return;
	}
	v_store(t, a);
	elem_narrow(t, p, n > 0 ? (size_t)n : 0);
}

/* n values from number `at` on, zeros behind them. */
INLINE vec load_elem(const void *p, enum elem e, size_t at, int n)
{
	if (e == ELEM_BF16)
		return load_half((const elem_half *)p + at, n);
	return n >= VL ? v_load((const float *)p + at) : v_load_n((const float *)p + at, n);
}

/* Part of a tile that lies in the plane: rows [r0, r1), columns [q0, q1). */
struct inside {
	int r0, r1, q0, q1;
};

/* side x side pixels from number `at` on, c channels (of a block), to 36 points; edge: with zeros
 * around what is inside; poly: gradients of outputs. Loops over rows stay loops: unrolled, their
 * addresses alone take the registers. */
INLINE void tile_points(const void *src, enum elem e, int64_t at, size_t rs, size_t cs, int c,
			int side, bool edge, struct inside in, bool poly, float *v, size_t fs)
{
	for (int l = 0; l < WINO_LANES; l += VL) {
		vec t[6][6];
		UNROLL(1)
		for (int r = 0; r < side; r++) {
			vec d[6];
			UNROLL(6)
			for (int q = 0; q < side; q++) {
				int64_t from = at + (int64_t)(r * rs + q * cs) + l;
				int n = c >= WINO_LANES ? VL : c - l;
				if (edge && (r < in.r0 || r >= in.r1 || q < in.q0 || q >= in.q1))
					from = n = 0;
				d[q] = load_elem(src, e, (size_t)from, n);
			}
			if (poly)
				points_poly(d, side, t[r]);
			else
				points_data(d, t[r]);
		}
		UNROLL(1)
		for (int q = 0; q < 6; q++) {
			vec d[6], o[6];
			UNROLL(6)
			for (int r = 0; r < side; r++)
				d[r] = t[r][q];
			if (poly)
				points_poly(d, side, o);
			else
				points_data(d, o);
			UNROLL(6)
			for (int k = 0; k < 6; k++)
				v_store(v + (k * 6 + q) * fs + l, o[k]);
		}
	}
}

INLINE void plane_row(const struct wino_plane *p, const void *src, enum elem e, int row, float *v,
		      int side, bool poly)
{
	int h0 = row * p->step - p->lo_h;
	size_t rs = (size_t)p->w * p->c, cs = (size_t)p->c;
	for (int cb = 0; cb * WINO_LANES < p->c; cb++) {
		int c = p->c - cb * WINO_LANES;
		for (int t = 0; t < p->tw; t++) {
			int w0 = (p->t0 + t) * p->step - p->lo_w;
			struct inside in = {-h0, p->h - h0, -w0, p->w - w0};
			int64_t at = ((int64_t)h0 * p->w + w0) * p->c + cb * WINO_LANES;
			float *to = v + cb * p->cbs + (size_t)t * WINO_LANES;
			if (in.r0 > 0 || in.r1 < side || in.q0 > 0 || in.q1 < side)
				tile_points(src, e, at, rs, cs, c, side, true, in, poly, to, p->fs);
			else if (c >= WINO_LANES)
				tile_points(src, e, at, rs, cs, WINO_LANES, side, false, in, poly,
					    to, p->fs);
			else
				tile_points(src, e, at, rs, cs, c, side, false, in, poly, to,
					    p->fs);
		}
	}
}

/* For each element type code of its own. */
#define PLANE_ROW(side, poly) \
	(p->e == ELEM_BF16 ? plane_row(p, src, ELEM_BF16, row, v, side, poly) \
			   : plane_row(p, src, ELEM_F32, row, v, side, poly))

static void data_row(const struct wino_plane *p, const void *src, int row, float *v)
{
	PLANE_ROW(6, false);
}

static void grad_row(const struct wino_plane *p, const void *src, int row, float *v)
{
	if (p->step == 4)
		PLANE_ROW(4, true);
	else
		PLANE_ROW(2, true);
}

/* ---- products ------------------------------------------------------------------------------- */

/* Touches the next n lines of what is ahead. */
INLINE void look_ahead(struct wino_ahead *a, size_t n)
{
	for (; n > 0 && a->piece < a->pieces; n--) {
		int k = a->piece;
		__builtin_prefetch(a->at[k] + a->row * a->stride[k] + a->done, 0, 2);
		a->done += 64;
		if (a->done < a->width[k])
			continue;
		a->done = 0;
		if (++a->row == a->rows[k]) {
			a->row = 0;
			a->piece++;
		}
	}
}

/* acc[tile][block] += v[tile][i] u[block][i] over ni channels. */
INLINE void rank_one(const int nt, const int nb, const float *v, const float *u, size_t u_obs,
		     vec *acc, int i)
{
	vec w[WINO_NB * VN];
	UNROLL(8)
	for (int j = 0; j < nb * VN; j++)
		w[j] = v_load(u + j / VN * u_obs + i * WINO_LANES + j % VN * VL);
	UNROLL(28)
	for (int t = 0; t < nt; t++) {
		vec x = v_set1(v[t * WINO_LANES + i]);
		UNROLL(8)
		for (int j = 0; j < nb * VN; j++)
			acc[t * nb * VN + j] = v_fma(x, w[j], acc[t * nb * VN + j]);
	}
}

INLINE void product(const int nt, const int nb, const struct wino_gemm *g, size_t vo, size_t uo,
		    float *m)
{
	vec acc[WINO_MAX1 * VN * WINO_NB];
	UNROLL(56)
	for (int q = 0; q < nt * nb * VN; q++) {
		int t = q / (nb * VN), j = q % (nb * VN);
		acc[q] = g->add ? v_load(m + j / VN * g->m_obs + t * WINO_LANES + j % VN * VL)
				: v_set1(0);
	}
	for (int k = 0; k < g->taps; k++) {
		const float *v = g->v[k] + vo, *u = g->u[k] + uo;
		int left = g->ic;
		if (g->ahead)
			look_ahead(g->ahead, g->ahead->step);
		for (; left >= WINO_LANES; left -= WINO_LANES) {
			UNROLL_BY(2)
			for (int i = 0; i < WINO_LANES; i++) {
				rank_one(nt, nb, v, u, g->u_obs, acc, i);
			}
			v += g->v_cbs;
			u += WINO_LANES * WINO_LANES;
		}
		for (int i = 0; i < left; i++)
			rank_one(nt, nb, v, u, g->u_obs, acc, i);
	}
	UNROLL(56)
	for (int q = 0; q < nt * nb * VN; q++) {
		int t = q / (nb * VN), j = q % (nb * VN);
		v_store(m + j / VN * g->m_obs + t * WINO_LANES + j % VN * VL, acc[q]);
	}
}

typedef void product_fn(const struct wino_gemm *g, size_t vo, size_t uo, float *m);
#define ROW1(n) \
	static void product_##n##_1(const struct wino_gemm *g, size_t vo, size_t uo, float *m) \
	{ \
		product(n, 1, g, vo, uo, m); \
	}
WINO_ROWS1(ROW1)
#define NAME1(n) product_##n##_1,
static product_fn *const products1[] = {WINO_ROWS1(NAME1)};
#if WINO_NB > 1
#define ROW2(n) \
	static void product_##n##_2(const struct wino_gemm *g, size_t vo, size_t uo, float *m) \
	{ \
		product(n, 2, g, vo, uo, m); \
	}
WINO_ROWS2(ROW2)
#define NAME2(n) product_##n##_2,
static product_fn *const products2[] = {WINO_ROWS2(NAME2)};
#endif

/* Tiles in equal parts, so that none is a short rest. */
INLINE void product_tiles(const struct wino_gemm *g, product_fn *const *fn, int most, int f, int ob)
{
	int parts = (g->tiles + most - 1) / most;
	size_t uo = f * g->u_fs + ob * g->u_obs;
	float *m = g->m + f * g->m_fs + ob * g->m_obs;
	for (int b = 0; b < parts; b++) {
		int t0 = g->tiles * b / parts, t1 = g->tiles * (b + 1) / parts;
		size_t at = (size_t)t0 * WINO_LANES;
		fn[t1 - t0 - 1](g, f * g->v_fs + at, uo, m + at);
	}
}

static void products(const struct wino_gemm *g, int points)
{
	int nb = g->obs < WINO_NB ? g->obs : WINO_NB, most = WINO_MAX1 / nb;
	size_t parts = (g->tiles + most - 1) / most * (size_t)((g->obs + nb - 1) / nb);
	if (g->ahead)
		wino_ahead_share(g->ahead, points * parts * g->taps);
	for (int f = 0; f < points; f++) {
		int ob = 0;
#if WINO_NB > 1
		for (; ob + 1 < g->obs; ob += 2)
			product_tiles(g, products2, WINO_MAX2, f, ob);
#endif
		for (; ob < g->obs; ob++)
			product_tiles(g, products1, WINO_MAX1, f, ob);
	}
}

static void gemm(const struct wino_gemm *g)
{
	products(g, WINO_POINTS);
}

#include "train/nn/conv_wino_products.h"

/* ---- points to outputs ---------------------------------------------------------------------- */

INLINE void tile_output(const struct wino_out *o, const float *m, int c, int side, int h, int w,
			int cb, enum elem e, bool stream, void *plane)
{
	int rows = o->h - h < side ? o->h - h : side, cols = o->w - w < side ? o->w - w : side;
	for (int l = 0; l < WINO_LANES && l < c; l += VL) {
		vec s[4][6];
		UNROLL(6)
		for (int q = 0; q < 6; q++) {
			vec d[6], t[4];
			UNROLL(6)
			for (int k = 0; k < 6; k++)
				d[k] = v_load(m + (k * 6 + q) * o->m_fs + l);
			points_back(d, side, t);
			UNROLL(4)
			for (int k = 0; k < side; k++)
				s[k][q] = t[k];
		}
		vec bias = o->bias ? v_load_n(o->bias + cb * WINO_LANES + l, c - l) : v_set1(0);
		UNROLL(4)
		for (int r = 0; r < side; r++) {
			if (r >= rows)
				break;
			vec t[4];
			points_back(s[r], side, t);
			size_t at = ((size_t)(h + r) * o->w + w) * o->c + cb * WINO_LANES + l;
			float *to = (float *)plane + at;
			UNROLL(4)
			for (int q = 0; q < side; q++) {
				vec y = v_add(t[q], bias);
				y = o->relu ? v_relu(y) : y;
				if (e == ELEM_BF16) {
					if (q < cols)
						store_half((elem_half *)plane + at +
								   (size_t)q * o->c,
							   y, c >= WINO_LANES ? VL : c - l);
				} else if (q < cols && stream)
					v_stream(to + (size_t)q * o->c, y);
				else if (q < cols && c >= WINO_LANES)
					v_store(to + (size_t)q * o->c, y);
				else if (q < cols)
					v_store_n(to + (size_t)q * o->c, y, c - l);
			}
		}
	}
}

INLINE void outputs(const struct wino_out *o, const float *m, int t0, int tiles, int ob0, int ob1,
		    void *plane, enum elem e, int side)
{
	bool stream = e == ELEM_F32 && o->stream && o->c % WINO_LANES == 0 &&
		      (uintptr_t)plane % 64 == 0;
	for (int t = 0; t < tiles; t++) {
		int h = (t0 + t) / o->tw * side, w = (t0 + t) % o->tw * side;
		for (int ob = ob0; ob < ob1; ob++)
			tile_output(o, m + (ob - ob0) * o->m_obs + (size_t)t * WINO_LANES,
				    o->c - ob * WINO_LANES, side, h, w, ob, e, stream, plane);
	}
	if (stream)
		v_stream_end();
}

static void output(const struct wino_out *o, const float *m, int t0, int tiles, int ob0, int ob1,
		   void *plane)
{
	if (o->step == 4 && o->e == ELEM_BF16)
		outputs(o, m, t0, tiles, ob0, ob1, plane, ELEM_BF16, 4);
	else if (o->step == 4)
		outputs(o, m, t0, tiles, ob0, ob1, plane, ELEM_F32, 4);
	else if (o->e == ELEM_BF16)
		outputs(o, m, t0, tiles, ob0, ob1, plane, ELEM_BF16, 2);
	else
		outputs(o, m, t0, tiles, ob0, ob1, plane, ELEM_F32, 2);
}

#include "train/nn/conv_wino_depth.h"
#include "train/nn/conv_wino_weights.h"
#include "train/nn/conv_up_body.h"

#define WINO_ISA(called) \
	{ \
		.name = called, .group = WINO_MAX1 / WINO_NB, \
		.data_row = data_row, .grad_row = grad_row, .gemm = gemm, \
		.products = products, .pair = pair, .output = output, \
		.weights = weights, .grad = grad, .weights_back = weights_back, \
		.up = UP_ISA \
	}
