/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of conv_wino_body.h for convolutions of up-sampled planes (conv_up.h): pixels to points,
 * products to pixels, weights to points and back; included by it.
 */
#ifndef SM_TRAIN_CONV_UP_BODY_H
#define SM_TRAIN_CONV_UP_BODY_H

#include "train/nn/conv_up.h"

#define UP_TAPS 4

/* VL values from number `at` on, or zeros. */
INLINE vec up_load(const void *p, enum elem e, size_t at, bool there)
{
	return there ? load_elem(p, e, at, VL) : v_set1(0);
}

INLINE void up_store(float *v, size_t fs, vec p, vec x, vec y, vec xy)
{
	v_store(v, p);
	v_store(v + fs, x);
	v_store(v + 2 * fs, y);
	v_store(v + 3 * fs, xy);
}

INLINE void up_data_of(const struct up_plane *p, const void *src, int row, int x0, int x1, float *v,
		       enum elem e)
{
	size_t c = (size_t)p->c, down = (size_t)p->w * c;
	bool below = row + 1 < p->h;
	for (int x = x0; x < x1; x++, v += WINO_LANES) {
		size_t at = ((size_t)row * p->w + x) * c;
		bool right = x + 1 < p->w;
		float *to = v;
		for (int i = 0; i < p->n; i += WINO_LANES, to += p->cbs)
			for (int l = 0; l < WINO_LANES; l += VL) {
				size_t k = at + i + l;
				vec s = up_load(src, e, k, true);
				vec r = up_load(src, e, k + c, right);
				vec b = up_load(src, e, k + down, below);
				vec d = up_load(src, e, k + down + c, below && right);
				vec dx = v_sub(r, s);
				up_store(to + l, p->fs, s, dx, v_sub(b, s), v_sub(v_sub(d, b), dx));
			}
	}
}

INLINE void up_grad_of(const struct up_plane *p, const void *gy, int row, int x0, int x1, float *v,
		       enum elem e)
{
	size_t c = (size_t)p->c, down = 2 * (size_t)p->w * c;
	for (int x = x0; x < x1; x++, v += WINO_LANES) {
		size_t at = 2 * row * down + 2 * x * c;
		float *to = v;
		for (int i = 0; i < p->n; i += WINO_LANES, to += p->cbs)
			for (int l = 0; l < WINO_LANES; l += VL) {
				size_t k = at + i + l;
				vec g00 = up_load(gy, e, k, true);
				vec g01 = up_load(gy, e, k + c, true);
				vec g10 = up_load(gy, e, k + down, true);
				vec g11 = up_load(gy, e, k + down + c, true);
				vec qx = v_add(g01, g11), qy = v_add(g10, g11);
				up_store(to + l, p->fs, v_add(v_add(g00, g10), qx), qx, qy, g11);
			}
	}
}

/* Of the outputs of the pixel: rows above, 0, 1 and columns left, 0, 1. */
INLINE void up_back_of(const struct up_plane *p, const void *gy, int row, int x0, int x1, float *v,
		       enum elem e)
{
	size_t c = (size_t)p->c, down = 2 * (size_t)p->w * c;
	bool above = row > 0;
	for (int x = x0; x < x1; x++, v += WINO_LANES) {
		size_t at = 2 * row * down + 2 * x * c;
		bool left = x > 0;
		float *to = v;
		for (int i = 0; i < p->n; i += WINO_LANES, to += p->cbs)
			for (int l = 0; l < WINO_LANES; l += VL) {
				size_t k = at + i + l;
				vec g00 = up_load(gy, e, k, true);
				vec g01 = up_load(gy, e, k + c, true);
				vec g10 = up_load(gy, e, k + down, true);
				vec g11 = up_load(gy, e, k + down + c, true);
				vec l0 = up_load(gy, e, k - c, left);
				vec l1 = up_load(gy, e, k + down - c, left);
				vec a0 = up_load(gy, e, k - down, above);
				vec a1 = up_load(gy, e, k - down + c, above);
				vec al = up_load(gy, e, k - down - c, above && left);
				vec qx = v_add(g01, g11), qy = v_add(g10, g11);
				up_store(to + l, p->fs, v_add(v_add(g00, g10), qx),
					 v_sub(v_add(l0, l1), qx), v_sub(v_add(a0, a1), qy),
					 v_add(v_sub(al, a1), v_sub(g11, l1)));
			}
	}
}

/* For each element type code of its own. */
#define UP_ROW(name) \
	static void name(const struct up_plane *p, const void *src, int row, int x0, int x1, \
			 float *v) \
	{ \
		if (p->e == ELEM_BF16) \
			name##_of(p, src, row, x0, x1, v, ELEM_BF16); \
		else \
			name##_of(p, src, row, x0, x1, v, ELEM_F32); \
	}
UP_ROW(up_data)
UP_ROW(up_grad)
UP_ROW(up_back)

INLINE void up_put(void *y, enum elem e, size_t at, bool stream, vec a)
{
	if (e == ELEM_BF16)
		store_half((elem_half *)y + at, a, VL);
	else if (stream)
		v_stream((float *)y + at, a);
	else
		v_store((float *)y + at, a);
}

INLINE void up_output_of(const struct up_out *o, const float *m, int row, int x0, int x1, void *y,
			 enum elem e, bool stream)
{
	size_t c = (size_t)o->p.c, down = 2 * (size_t)o->p.w * c, fs = o->p.fs;
	for (int x = x0; x < x1; x++, m += WINO_LANES) {
		size_t at = 2 * row * down + 2 * x * c;
		const float *from = m;
		for (int i = 0; i < o->p.n; i += WINO_LANES, from += o->p.cbs)
			for (int l = 0; l < WINO_LANES; l += VL) {
				vec d[4], s = v_load(from + l);
				if (o->bias)
					s = v_add(s, v_load(o->bias + i + l));
				d[0] = s;
				d[1] = v_add(s, v_load(from + fs + l));
				vec my = v_load(from + 2 * fs + l);
				d[2] = v_add(s, my);
				d[3] = v_add(d[1], v_add(my, v_load(from + 3 * fs + l)));
				UNROLL(4)
				for (int k = 0; k < 4; k++) {
					size_t to =
						at + i + l + (k & 1 ? c : 0) + (k & 2 ? down : 0);
					up_put(y, e, to, stream, o->relu ? v_relu(d[k]) : d[k]);
				}
			}
	}
}

static void up_output(const struct up_out *o, const float *m, int row, int x0, int x1, void *y)
{
	if (o->p.e == ELEM_BF16) {
		up_output_of(o, m, row, x0, x1, y, ELEM_BF16, false);
	} else if (o->stream && (uintptr_t)y % 64 == 0) {
		up_output_of(o, m, row, x0, x1, y, ELEM_F32, true);
		v_stream_end();
	} else {
		up_output_of(o, m, row, x0, x1, y, ELEM_F32, false);
	}
}

INLINE void up_copy_of(const struct up_out *o, const float *m, int row, int x0, int x1, void *gx,
		       enum elem e, bool stream)
{
	size_t c = (size_t)o->p.c;
	for (int x = x0; x < x1; x++, m += WINO_LANES) {
		size_t at = ((size_t)row * o->p.w + x) * c;
		const float *from = m;
		for (int i = 0; i < o->p.n; i += WINO_LANES, from += o->p.cbs)
			for (int l = 0; l < WINO_LANES; l += VL)
				up_put(gx, e, at + i + l, stream, v_load(from + l));
	}
}

static void up_copy(const struct up_out *o, const float *m, int row, int x0, int x1, void *gx)
{
	if (o->p.e == ELEM_BF16) {
		up_copy_of(o, m, row, x0, x1, gx, ELEM_BF16, false);
	} else if (o->stream && (uintptr_t)gx % 64 == 0) {
		up_copy_of(o, m, row, x0, x1, gx, ELEM_F32, true);
		v_stream_end();
	} else {
		up_copy_of(o, m, row, x0, x1, gx, ELEM_F32, false);
	}
}

static void up_weights(const struct up_weights *p, const float *w, int ob, int i0, int i1, float *u)
{
	float buf[UP_TAPS * WINO_LANES];
	int o = ob * WINO_LANES;
	for (int i = i0; i < i1; i++, u += WINO_LANES) {
		if (p->flip)
			gather(w + ((size_t)i * p->oc + o) * UP_TAPS, UP_TAPS, WINO_LANES, UP_TAPS,
			       buf);
		else
			gather(w + ((size_t)o * p->ic + i) * UP_TAPS, (size_t)p->ic * UP_TAPS,
			       WINO_LANES, UP_TAPS, buf);
		for (int l = 0; l < WINO_LANES; l += VL) {
			vec w00 = v_load(buf + l), w01 = v_load(buf + WINO_LANES + l);
			vec w10 = v_load(buf + 2 * WINO_LANES + l);
			vec w11 = v_load(buf + 3 * WINO_LANES + l), wx = v_add(w01, w11);
			up_store(u + l, p->fs, v_add(v_add(w00, w10), wx), wx, v_add(w10, w11),
				 w11);
		}
	}
}

static void up_weights_back(const struct up_weights *p, const float *a, int copies,
			    size_t copy_stride, int ob, int i0, int i1, float *gw)
{
	float buf[UP_TAPS * WINO_LANES];
	int o = ob * WINO_LANES;
	for (int i = i0; i < i1; i++, a += WINO_LANES) {
		for (int l = 0; l < WINO_LANES; l += VL) {
			vec s[UP_POINTS];
			UNROLL(4)
			for (int f = 0; f < UP_POINTS; f++) {
				s[f] = v_load(a + f * p->fs + l);
				for (int n = 1; n < copies; n++)
					s[f] = v_add(s[f],
						     v_load(a + n * copy_stride + f * p->fs + l));
			}
			vec g01 = v_add(s[0], s[1]);
			v_store(buf + l, s[0]);
			v_store(buf + WINO_LANES + l, g01);
			v_store(buf + 2 * WINO_LANES + l, v_add(s[0], s[2]));
			v_store(buf + 3 * WINO_LANES + l, v_add(g01, v_add(s[2], s[3])));
		}
		scatter_add(buf, (size_t)p->ic * UP_TAPS, WINO_LANES, UP_TAPS,
			    gw + ((size_t)o * p->ic + i) * UP_TAPS);
	}
}

#define UP_ISA \
	{ \
		.data = up_data, .grad = up_grad, .back = up_back, .output = up_output, \
		.copy = up_copy, .weights = up_weights, .weights_back = up_weights_back \
	}

#endif
