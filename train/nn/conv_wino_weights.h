/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of conv_wino_body.h that turns weights into points and gradients at the points back into
 * gradients of weights; included by it. 16 output channels are the lanes, which in memory are far
 * apart: blocks of 4x4 are transposed in registers.
 */
#ifndef SM_TRAIN_CONV_WINO_WEIGHTS_H
#define SM_TRAIN_CONV_WINO_WEIGHTS_H

#include <string.h>

typedef float quad __attribute__((vector_size(16)));

#define MAX_TAPS (WINO_MAX_KD * 25)

INLINE void transpose4(quad r[4])
{
	quad a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
	quad b = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
	quad c = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
	quad d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
	r[0] = __builtin_shufflevector(a, c, 0, 1, 4, 5);
	r[1] = __builtin_shufflevector(a, c, 2, 3, 6, 7);
	r[2] = __builtin_shufflevector(b, d, 0, 1, 4, 5);
	r[3] = __builtin_shufflevector(b, d, 2, 3, 6, 7);
}

/* dst[col][16] = src[row][col]; rows beyond `rows` become zeros. */
static void gather(const float *src, size_t rs, int rows, int cols, float *dst)
{
	for (int r = 0; r < WINO_LANES; r += 4) {
		int c = 0;
		if (r + 4 <= rows) {
			/* The last one overlaps: there are at least 9 columns. */
			for (; c < cols; c += 4) {
				c = c + 4 <= cols ? c : cols - 4;
				quad q[4];
				for (int i = 0; i < 4; i++)
					memcpy(&q[i], src + (r + i) * rs + c, sizeof q[i]);
				transpose4(q);
				for (int i = 0; i < 4; i++)
					memcpy(dst + (c + i) * WINO_LANES + r, &q[i], sizeof q[i]);
			}
		}
		for (; c < cols; c++)
			for (int i = r; i < r + 4; i++)
				dst[c * WINO_LANES + i] = i < rows ? src[i * rs + c] : 0;
	}
}

/* dst[row][col] += src[col][16]. */
static void scatter_add(const float *src, size_t rs, int rows, int cols, float *dst)
{
	for (int r = 0; r < rows; r += 4) {
		int c = 0;
		if (r + 4 <= rows) {
			for (; c + 4 <= cols; c += 4) {
				quad q[4], old;
				for (int i = 0; i < 4; i++)
					memcpy(&q[i], src + (c + i) * WINO_LANES + r, sizeof q[i]);
				transpose4(q);
				for (int i = 0; i < 4; i++) {
					memcpy(&old, dst + (r + i) * rs + c, sizeof old);
					old += q[i];
					memcpy(dst + (r + i) * rs + c, &old, sizeof old);
				}
			}
		}
		for (; c < cols; c++)
			for (int i = r; i < r + 4 && i < rows; i++)
				dst[i * rs + c] += src[c * WINO_LANES + i];
	}
}

/* k x k taps, lanes innermost, to 36 points; step is -1 when the taps are read backwards. */
INLINE void kernel_points(const float *g, int k, int step, float *u, size_t fs)
{
	for (int l = 0; l < WINO_LANES; l += VL) {
		vec t[5][6];
		UNROLL(5)
		for (int r = 0; r < k; r++) {
			vec d[5];
			UNROLL(5)
			for (int q = 0; q < k; q++)
				d[q] = v_load(g + step * (r * k + q) * WINO_LANES + l);
			points_poly(d, k, t[r]);
		}
		UNROLL(6)
		for (int q = 0; q < 6; q++) {
			vec d[5], o[6];
			UNROLL(5)
			for (int r = 0; r < k; r++)
				d[r] = t[r][q];
			points_poly(d, k, o);
			UNROLL(6)
			for (int r = 0; r < 6; r++)
				v_store(u + (r * 6 + q) * fs + l, o[r]);
		}
	}
}

/* Taps of n values, read backwards when flipped, to the depth points. */
INLINE void deep_points(const int points, const float *g, size_t n, bool flip, float *u)
{
	for (size_t i = 0; i < n; i += VL) {
		vec d[WINO_MAX_DEEP], o[WINO_MAX_DEEP];
		UNROLL(6)
		for (int k = 0; k < points - 1; k++)
			d[k] = v_load(g + (flip ? points - 2 - k : k) * n + i);
		deep_kernel(points, d, o);
		UNROLL(6)
		for (int k = 0; k < points; k++)
			v_store(u + k * n + i, o[k]);
	}
}

static void weights(const struct wino_weights *p, const float *w, int ob, int i0, int i1, float *u)
{
	float buf[MAX_TAPS * WINO_LANES], points[WINO_MAX_DEEP * 25 * WINO_LANES];
	int square = p->k * p->k, taps = p->kd * square, o = ob * WINO_LANES;
	int rows = p->oc - o < WINO_LANES ? p->oc - o : WINO_LANES;
	int cols = (p->kd1 - p->kd0) * square, made = p->deep ? p->deep : p->kd1 - p->kd0;
	w += (p->flip ? p->kd - p->kd1 : p->kd0) * square;
	for (int i = i0; i < i1; i++) {
		if (p->flip)
			gather(w + ((size_t)i * p->oc + o) * taps, (size_t)taps, rows, cols, buf);
		else
			gather(w + ((size_t)o * p->ic + i) * taps, (size_t)p->ic * taps, rows, cols,
			       buf);
		if (p->deep == 6)
			deep_points(6, buf, (size_t)square * WINO_LANES, p->flip, points);
		else if (p->deep)
			deep_points(4, buf, (size_t)square * WINO_LANES, p->flip, points);
		for (int k = 0; k < made; k++) {
			int from = p->flip && !p->deep ? made - 1 - k : k;
			int first = from * square + (p->flip ? square - 1 : 0);
			const float *g = (p->deep ? points : buf) + first * WINO_LANES;
			float *to = u + k * p->u_ks + (size_t)(i - i0) * WINO_LANES;
			if (p->k == 3)
				kernel_points(g, 3, p->flip ? -1 : 1, to, p->u_fs);
			else
				kernel_points(g, 5, p->flip ? -1 : 1, to, p->u_fs);
		}
	}
}

INLINE void kernel_back(const float *a, int copies, size_t copy_stride, size_t fs, int k, float *g)
{
	for (int l = 0; l < WINO_LANES; l += VL) {
		vec s[5][6];
		for (int q = 0; q < 6; q++) {
			vec d[6], t[5];
			UNROLL(6)
			for (int r = 0; r < 6; r++) {
				const float *at = a + (r * 6 + q) * fs + l;
				d[r] = v_load(at);
				for (int n = 1; n < copies; n++)
					d[r] = v_add(d[r], v_load(at + n * copy_stride));
			}
			points_back(d, k, t);
			UNROLL(5)
			for (int r = 0; r < k; r++)
				s[r][q] = t[r];
		}
		UNROLL(5)
		for (int r = 0; r < k; r++) {
			vec t[5];
			points_back(s[r], k, t);
			UNROLL(5)
			for (int q = 0; q < k; q++)
				v_store(g + (r * k + q) * WINO_LANES + l, t[q]);
		}
	}
}

static void weights_back(const struct wino_weights *p, const float *a, int copies,
			 size_t copy_stride, int ob, int i0, int i1, float *gw)
{
	float buf[MAX_TAPS * WINO_LANES];
	int square = p->k * p->k, taps = p->kd * square, o = ob * WINO_LANES;
	int rows = p->oc - o < WINO_LANES ? p->oc - o : WINO_LANES, made = p->kd1 - p->kd0;
	for (int i = i0; i < i1; i++) {
		for (int k = 0; k < made; k++) {
			const float *at = a + k * p->u_ks + (size_t)(i - i0) * WINO_LANES;
			float *to = buf + (size_t)k * square * WINO_LANES;
			if (p->k == 3)
				kernel_back(at, copies, copy_stride, p->u_fs, 3, to);
			else
				kernel_back(at, copies, copy_stride, p->u_fs, 5, to);
		}
		scatter_add(buf, (size_t)p->ic * taps, rows, made * square,
			    gw + ((size_t)o * p->ic + i) * taps + p->kd0 * square);
	}
}

#endif
