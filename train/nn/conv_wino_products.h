/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of conv_wino_body.h that sums the weight gradient at a point: channels of the data times
 * vectors of gradients (of an output block, shifted by a depth tap: a pair), as many of both as the
 * registers hold; included by it. A value of the data is read once for the pairs of a group.
 */
#ifndef SM_TRAIN_CONV_WINO_PRODUCTS_H
#define SM_TRAIN_CONV_WINO_PRODUCTS_H

/* acc[i][pair] += v[tile][i] y[pair][tile] over runs of tiles. Each call sums on its own before it
 * adds: short sums in turn lose less than a long one. */
INLINE void grad_product(const int ni, const int nb, const struct wino_grad *g, int first,
			 const float *v, int i0)
{
	vec acc[WINO_GRAD_ACC * VN];
	UNROLL(32)
	for (int q = 0; q < ni * nb * VN; q++)
		acc[q] = v_set1(0);
	for (int r = 0; r < g->runs; r++) {
		const float *p = v + g->v_at[r] + i0, *y[WINO_GNB];
		UNROLL(3)
		for (int j = 0; j < nb; j++)
			y[j] = g->y[first + j] + g->y_at[r];
		for (size_t t = 0; t < (size_t)g->tiles * WINO_LANES; t += WINO_LANES) {
			vec w[WINO_GNB * VN];
			UNROLL(12)
			for (int j = 0; j < nb * VN; j++)
				w[j] = v_load(y[j / VN] + t + j % VN * VL);
			UNROLL(16)
			for (int i = 0; i < ni; i++) {
				vec x = v_set1(p[t + i]);
				UNROLL(12)
				for (int j = 0; j < nb * VN; j++)
					acc[i * nb * VN + j] = v_fma(x, w[j], acc[i * nb * VN + j]);
			}
		}
	}
	UNROLL(3)
	for (int j = 0; j < nb; j++) {
		float *a = g->a[first + j] + (size_t)i0 * WINO_LANES;
		if (g->add[first + j]) {
			UNROLL(16)
			for (int q = 0; q < ni * VN; q++) {
				vec *s = &acc[q / VN * nb * VN + j * VN + q % VN];
				*s = v_add(v_load(a + q * VL), *s);
			}
		}
		UNROLL(16)
		for (int q = 0; q < ni * VN; q++)
			v_store(a + q * VL, acc[q / VN * nb * VN + j * VN + q % VN]);
	}
}

typedef void grad_fn(const struct wino_grad *g, int first, const float *v, int i0);
#define GROW(n, nb) \
	static void grad_##n##_##nb(const struct wino_grad *g, int first, const float *v, int i0) \
	{ \
		grad_product(n, nb, g, first, v, i0); \
	}
#define GROW1(n) GROW(n, 1)
#define GNAME1(n) grad_##n##_1,
WINO_GRAD1(GROW1)
static grad_fn *const grads1[] = {WINO_GRAD1(GNAME1)};
#if WINO_GNB > 1
#define GROW2(n) GROW(n, 2)
#define GNAME2(n) grad_##n##_2,
#define GROW3(n) GROW(n, 3)
#define GNAME3(n) grad_##n##_3,
WINO_GRAD3(GROW2)
WINO_GRAD3(GROW3)
static grad_fn *const grads2[] = {WINO_GRAD3(GNAME2)};
static grad_fn *const grads3[] = {WINO_GRAD3(GNAME3)};
#endif

/* Calls of the products that one of grad makes, about. */
static size_t grad_calls(const struct wino_grad *g, int groups)
{
	int most = g->pairs == groups ? WINO_GMAX1 : WINO_GMAX3;
	return (size_t)groups * ((g->ic + most - 1) / most);
}

static void grad(const struct wino_grad *g, const float *v)
{
	int groups = (g->pairs + WINO_GNB - 1) / WINO_GNB;
	size_t calls = grad_calls(g, groups), ahead = g->ahead ? g->ahead->step : 0;
	size_t touched = (ahead + calls - 1) / calls;
	for (int n = 0; n < groups; n++) {
		int first = g->pairs * n / groups, nb = g->pairs * (n + 1) / groups - first;
		int most = nb == 1 ? WINO_GMAX1 : WINO_GMAX3, parts = (g->ic + most - 1) / most;
		grad_fn *const *fn = grads1;
#if WINO_GNB > 1
		fn = nb == 3 ? grads3 : nb == 2 ? grads2 : grads1;
#endif
		for (int b = 0; b < parts; b++) {
			int i0 = g->ic * b / parts, i1 = g->ic * (b + 1) / parts;
			if (touched)
				look_ahead(g->ahead, touched);
			fn[i1 - i0 - 1](g, first, v, i0);
		}
	}
}

#endif
