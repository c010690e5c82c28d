/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of conv_patch.c and conv_patch_grad.c, written once over the vectors of an
 * instruction set (simd_*.h) that each conv_patch_<set>.c includes before this; that file also says
 * how many rows by two vectors fit the registers (PATCH_ROWS, PATCH_DEPTH with their lists of
 * sizes), how a vector is stored past the caches (PATCH_STREAM) and has put_half, which stores
 * bfloat16. Lanes are channels and never meet, sums are in the same order: both sets give the same
 * bits.
 */
#ifdef SM_TRAIN_CONV_PATCH_BODY_H
#error "included once by each instruction set"
#endif
#define SM_TRAIN_CONV_PATCH_BODY_H

#define VN (PATCH_LANES / VL) /* vectors of a block: 1, or 2, and then one block at a time */
#define PATCH_INLINE static inline __attribute__((always_inline))

PATCH_INLINE void put(const struct patch_product *p, size_t first, const int count, const int vecs,
		      const bool stream, vec s[PATCH_ROWS][2])
{
	const size_t step = p->step;
	float *to[2] = {(float *)p->to[0] + first * step, (float *)p->to[1] + first * step};
	_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
		_Pragma("GCC unroll 2") for (int i = 0; i < vecs; i++)
		{
			if (stream)
				PATCH_STREAM(to[i / VN] + v * step + i % VN * VL, s[v][i]);
			else
				v_store(to[i / VN] + v * step + i % VN * VL, s[v][i]);
		}
}

/* Rows [first, first + count). */
PATCH_INLINE void product_of(const struct patch_product *p, size_t first, const int count,
			     const int vecs)
{
	vec s[PATCH_ROWS][2];
	const float *b = p->b;
	size_t lda = p->lda;
	_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
		_Pragma("GCC unroll 2") for (int i = 0; i < vecs; i++) s[v][i] =
			p->bias ? v_load(p->bias + i * VL) : v_set1(0);
	for (int t = 0; t < p->taps; t++) {
		const float *a = p->a + first * lda + p->at[t];
		if (p->ahead)
			for (size_t k = 0; k < p->n; k += PATCH_LANES)
				_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
					__builtin_prefetch(a + v * lda + k + p->ahead);
		for (size_t k = 0; k < p->n; k++, b += PATCH_PANEL) {
			vec w0 = v_load(b), w1 = v_load(b + VL);
			/* Rows by threes: one address register each. */
			const float *row[] = {a + k, a + k + 3 * lda, a + k + 6 * lda,
					      a + k + 9 * lda};
			_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
			{
				vec x = v_set1(row[v / 3][v % 3 * lda]);
				s[v][0] = v_fma(x, w0, s[v][0]);
				if (vecs > 1)
					s[v][1] = v_fma(x, w1, s[v][1]);
			}
		}
	}
	if (p->relu)
		_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
			_Pragma("GCC unroll 2") for (int i = 0; i < vecs; i++) s[v][i] =
				v_positive(s[v][i]);
	if (p->e != ELEM_F32)
		_Pragma("GCC unroll 12") for (int v = 0; v < count; v++)
			put_half(p, (first + v) * p->step, vecs, s[v]);
	else if (p->stream)
		put(p, first, count, vecs, true, s);
	else
		put(p, first, count, vecs, false, s);
}

#define PRODUCT(count) \
	static void product_##count(const struct patch_product *p, size_t first, int cols) \
	{ \
		if (VN == 1 && cols > 1) \
			product_of(p, first, count, 2); \
		else \
			product_of(p, first, count, VN); \
	}
PATCH_ROW_SIZES(PRODUCT)

static void product_rows(const struct patch_product *p, size_t first, int rows, int cols)
{
#define CASE(count) \
	case count: \
		product_##count(p, first, cols); \
		break;
	switch (rows) {
		PATCH_ROW_SIZES(CASE)
	default:
		break;
	}
#undef CASE
}

/* n rows, a few at a time; where blocks go one by one, these few are in the first cache for the
 * second. */
static void product(const struct patch_product *p, int n, int cols)
{
	int parts = (n + PATCH_ROWS - 1) / PATCH_ROWS;
	struct patch_product second = *p;
	second.b += PATCH_LANES;
	second.to[0] = p->to[1];
	second.bias = p->bias ? p->bias + PATCH_LANES : NULL;
	second.ahead = 0;
	for (int i = 0; i < parts; i++) {
		int from = n * i / parts, rows = n * (i + 1) / parts - from;
		product_rows(p, (size_t)from, rows, cols);
		if (VN > 1 && cols > 1)
			product_rows(&second, (size_t)from, rows, 1);
	}
}

/* VL values as floats. */
PATCH_INLINE vec load(const void *p, size_t at, const bool half)
{
	return half ? v_load_h((const elem_half *)p + at) : v_load((const float *)p + at);
}

PATCH_INLINE void tile_of(const struct patch_tile *t, const int count, const int vecs,
			  const bool half)
{
	vec s[PATCH_DEPTH][2];
	const float *b = t->b;
	_Pragma("GCC unroll 8") for (int o = 0; o < count; o++)
		_Pragma("GCC unroll 2") for (int i = 0; i < vecs; i++) s[o][i] =
			v_load(t->to + o * PATCH_PANEL + i * VL);
	for (int v = 0; v < t->n; v++, b += t->nb) {
		vec x0 = load(t->lanes[0], v * t->step, half);
		vec x1 = vecs > 1 ? load(t->lanes[1 / VN], v * t->step + 1 % VN * VL, half) : x0;
		__builtin_prefetch(t->ahead + (size_t)(v >> t->slow) * t->stride);
		_Pragma("GCC unroll 8") for (int o = 0; o < count; o++)
		{
			vec g = v_set1(b[o]);
			s[o][0] = v_fma(g, x0, s[o][0]);
			if (vecs > 1)
				s[o][1] = v_fma(g, x1, s[o][1]);
		}
	}
	_Pragma("GCC unroll 8") for (int o = 0; o < count; o++)
		_Pragma("GCC unroll 2") for (int i = 0; i < vecs; i++)
			v_store(t->to + o * PATCH_PANEL + i * VL, s[o][i]);
}

#define TILE(count) \
	static void tile_##count(const struct patch_tile *t, bool half) \
	{ \
		if (VN == 1 && t->cols > 1 && half) \
			tile_of(t, count, 2, true); \
		else if (VN == 1 && t->cols > 1) \
			tile_of(t, count, 2, false); \
		else if (half) \
			tile_of(t, count, VN, true); \
		else \
			tile_of(t, count, VN, false); \
	}
PATCH_DEPTH_SIZES(TILE)

static void tile(const struct patch_tile *t, int count, bool half)
{
#define CASE(count) \
	case count: \
		tile_##count(t, half); \
		break;
	switch (count) {
		PATCH_DEPTH_SIZES(CASE)
	default:
		break;
	}
#undef CASE
}

#define PATCH_ISA(set) \
	{ \
		.name = set, .depth = PATCH_DEPTH, .blocks = 2 / VN, .product = product, \
		.tile = tile \
	}
