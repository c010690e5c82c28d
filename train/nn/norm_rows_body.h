/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of the norms (norm_rows.h), included by one file for each instruction set, which says
 * how many values its vectors have and how many vectors of a strip its registers hold. A block's
 * rows are read line by line. Sums: the vectors of a strip of the line stay in registers over FLUSH
 * lines, summed in float; those sums are added up in double. A value of a line has sums of its own,
 * so that the width of vectors and strips changes no bit.
 */
#ifdef SM_TRAIN_NORM_ROWS_BODY_H
#error "included once by each instruction set"
#endif
#define SM_TRAIN_NORM_ROWS_BODY_H

#include "train/nn/norm_rows.h"
#include "train/nn/vec.h"

#define FLUSH ((size_t)64)

SM_INLINE size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

SM_INLINE float value_at(const void *p, enum elem e, size_t at)
{
	return e == ELEM_F32 ? ((const float *)p)[at]
			     : vm_float((uint32_t)((const elem_half *)p)[at] << 16);
}

/* Adds a line's float sums to the channels' double sums. */
SM_INLINE void flush(const float *restrict f, double *restrict sum, size_t line, size_t c)
{
	for (size_t i = 0; i < line; i += c)
		for (size_t j = 0; j < c; j++)
			sum[j] += (double)f[i + j];
}

/* n vectors of some lines, from `at` on, into f0 and f1. */
SM_INLINE void sums_strip(const struct norm_rows *g, enum elem e, size_t at, size_t lines, int n,
			  const float *shift, float *f0, float *f1)
{
	vec a[WIDE] = {{0}}, b[WIDE] = {{0}}, s[WIDE];
	VEC_UNROLL for (int j = 0; j < n; j++)
		vec_load(&s[j], shift + j * VEC);
	for (size_t k = 0; k < lines; k++, at += g->line)
		VEC_UNROLL for (int j = 0; j < n; j++)
		{
			vec x;
			vec_read(&x, g->x, e, at + j * VEC, j);
			x -= s[j];
			a[j] += x;
			b[j] += x * x;
		}
	VEC_UNROLL for (int j = 0; j < n; j++)
	{
		vec_store(f0 + j * VEC, &a[j]);
		vec_store(f1 + j * VEC, &b[j]);
	}
}

SM_INLINE void back_sums_strip(const struct norm_rows *g, enum elem xe, enum elem ye, size_t at,
			       size_t lines, int n, const float *value, float *f0, float *f1)
{
	const float *mean = value + NORM_MEAN * g->line, *scale = value + NORM_SCALE * g->line;
	const float *shift = value + NORM_SHIFT * g->line;
	vec a[WIDE] = {{0}}, b[WIDE] = {{0}};
	for (size_t k = 0; k < lines; k++, at += g->line)
		VEC_UNROLL for (int j = 0; j < n; j++)
		{
			vec z, v, m, s, t, low;
			vec_read(&z, g->x, xe, at + j * VEC, j);
			vec_read(&v, g->gy, ye, at + j * VEC, j);
			vec_load(&m, mean + j * VEC);
			vec_load(&s, scale + j * VEC);
			vec_load(&t, shift + j * VEC);
			z -= m;
			t += z * s;
			low = v * g->slope;
			vec_choose(&v, &t, &low);
			a[j] += v;
			b[j] += v * z;
		}
	VEC_UNROLL for (int j = 0; j < n; j++)
	{
		vec_store(f0 + j * VEC, &a[j]);
		vec_store(f1 + j * VEC, &b[j]);
	}
}

/* The strips of a line, for some lines. */
SM_INLINE void strips(const struct norm_rows *g, bool back, enum elem xe, enum elem ye, size_t at,
		      size_t lines, float *f0, float *f1)
{
#define STRIPS(n) \
	for (; g->line - i >= (n) * VEC; i += (n) * VEC) { \
		if (back) \
			back_sums_strip(g, xe, ye, at + i, lines, n, g->value + i, f0 + i, \
					f1 + i); \
		else \
			sums_strip(g, xe, at + i, lines, n, g->value + i, f0 + i, f1 + i); \
	}
	size_t i = 0;
	STRIPS(WIDE)
	STRIPS(HALF)
	STRIPS(1)
#undef STRIPS
}

/* The n < line values at the end of a block, added to f0 and f1. */
SM_INLINE void rest(const struct norm_rows *g, bool back, enum elem xe, enum elem ye, size_t at,
		    size_t n, float *f0, float *f1)
{
	const float *mean = g->value + NORM_MEAN * g->line, *scale = mean + g->line;
	const float *shift = scale + g->line;
	for (size_t j = 0; j < n; j++) {
		float z = value_at(g->x, xe, at + j) - mean[j], v = z;
		if (back) {
			v = value_at(g->gy, ye, at + j);
			v = z * scale[j] + shift[j] > 0 ? v : v * g->slope;
		}
		f0[j] += v;
		f1[j] += v * z;
	}
}

SM_INLINE void sum_up(const struct norm_rows *g, bool back, enum elem xe, enum elem ye, size_t at,
		      size_t count, double *sum)
{
	float *f0 = (float *)(sum + 2 * g->c), *f1 = f0 + g->line;
	memset(sum, 0, 2 * g->c * sizeof *sum);
	while (count) {
		size_t lines = lesser(count / g->line, FLUSH);
		strips(g, back, xe, ye, at, lines, f0, f1);
		at += lines * g->line;
		count -= lines * g->line;
		if (lines < FLUSH) {
			rest(g, back, xe, ye, at, count, f0, f1);
			count = 0;
		}
		flush(f0, sum, g->line, g->c);
		flush(f1, sum + g->c, g->line, g->c);
	}
}

/* Calls f with the usual element types as constants. */
#define BY_ELEM(f, ...) \
	do { \
		if (g->xe == ELEM_F32 && g->ye == ELEM_F32) \
			f(ELEM_F32, ELEM_F32, __VA_ARGS__); \
		else if (g->xe == ELEM_BF16 && g->ye == ELEM_BF16) \
			f(ELEM_BF16, ELEM_BF16, __VA_ARGS__); \
		else \
			f(g->xe, g->ye, __VA_ARGS__); \
	} while (0)

static void sums(const struct norm_rows *g, size_t at, size_t count, double *sum)
{
	if (g->xe == ELEM_F32)
		sum_up(g, false, ELEM_F32, ELEM_F32, at, count, sum);
	else
		sum_up(g, false, ELEM_BF16, ELEM_F32, at, count, sum);
}

static void back_sums(const struct norm_rows *g, size_t at, size_t count, double *sum)
{
#define BACK_SUMS(xe, ye, ...) sum_up(g, true, xe, ye, __VA_ARGS__)
	BY_ELEM(BACK_SUMS, at, count, sum);
#undef BACK_SUMS
}

/* y or gx: whether the block can be written past the caches in whole lines of these. */
static bool streams(bool wanted, const void *p, enum elem e, size_t at)
{
	return wanted && (uintptr_t)elem_at(p, e, at) % 64 == 0;
}

SM_INLINE void apply_line(const struct norm_rows *g, enum elem xe, enum elem ye, size_t at,
			  bool stream)
{
	for (size_t j = 0; j < g->line; j += VEC_LINE * VEC)
		VEC_UNROLL for (int k = 0; k < VEC_LINE; k++, at += VEC)
		{
			const float *value = g->value + j + k * VEC;
			vec v, m, s, t;
			vec_read(&v, g->x, xe, at, k);
			vec_load(&m, value + NORM_MEAN * g->line);
			vec_load(&s, value + NORM_SCALE * g->line);
			vec_load(&t, value + NORM_SHIFT * g->line);
			v = (v - m) * s + t;
			vec up = v, low = v * g->slope;
			vec_choose(&v, &up, &low);
			if (stream)
				vec_stream(g->y, ye, at, &v);
			else
				vec_write(g->y, ye, at, &v);
		}
}

SM_INLINE void apply(enum elem xe, enum elem ye, const struct norm_rows *all, size_t at,
		     size_t count)
{
	const struct norm_rows own = *all, *g = &own; /* no store can change it */
	bool stream = streams(g->stream_y, g->y, ye, at);
	for (; count >= g->line; count -= g->line, at += g->line)
		if (stream)
			apply_line(g, xe, ye, at, true);
		else
			apply_line(g, xe, ye, at, false);
	const float *mean = g->value + NORM_MEAN * g->line, *scale = mean + g->line;
	const float *shift = scale + g->line;
	for (size_t j = 0; j < count; j++, at++) {
		float u = (value_at(g->x, xe, at) - mean[j]) * scale[j] + shift[j];
		u = u > 0 ? u : u * g->slope;
		if (ye == ELEM_F32)
			((float *)g->y)[at] = u;
		else
			elem_narrow(&u, (elem_half *)g->y + at, 1);
	}
	if (stream)
		stream_end();
}

static void apply_rows(const struct norm_rows *g, size_t at, size_t count)
{
	BY_ELEM(apply, g, at, count);
}

SM_INLINE void back_vec(const struct norm_rows *g, enum elem xe, enum elem ye, size_t at,
			const float *value, int k, vec *v)
{
	vec z, m, s, t, m0, m1, low;
	vec_read(&z, g->x, xe, at, k);
	vec_read(v, g->gy, ye, at, k);
	vec_load(&m, value + NORM_MEAN * g->line);
	vec_load(&s, value + NORM_SCALE * g->line);
	vec_load(&t, value + NORM_SHIFT * g->line);
	vec_load(&m0, value + NORM_KEEP0 * g->line);
	vec_load(&m1, value + NORM_KEEP1 * g->line);
	z -= m;
	t += z * s;
	low = *v * g->slope;
	vec_choose(v, &t, &low);
	*v = s * (*v - m0 - z * m1);
}

enum way { PLAIN, STREAM, ADD };

SM_INLINE void back_line(const struct norm_rows *g, enum elem xe, enum elem ye, size_t at,
			 enum way way)
{
	for (size_t j = 0; j < g->line; j += VEC_LINE * VEC)
		VEC_UNROLL for (int k = 0; k < VEC_LINE; k++, at += VEC)
		{
			vec v, old;
			if (way == ADD)
				vec_read(&old, g->gx, xe, at, k);
			back_vec(g, xe, ye, at, g->value + j + k * VEC, k, &v);
			if (way == ADD)
				v = old + v;
			if (way == STREAM)
				vec_stream(g->gx, xe, at, &v);
			else
				vec_write(g->gx, xe, at, &v);
		}
}

SM_INLINE void back(enum elem xe, enum elem ye, const struct norm_rows *all, size_t at,
		    size_t count)
{
	const struct norm_rows own = *all, *g = &own; /* no store can change it */
	bool stream = streams(g->stream_gx, g->gx, xe, at);
	for (; count >= g->line; count -= g->line, at += g->line)
		if (g->acc)
			back_line(g, xe, ye, at, ADD);
		else if (stream)
			back_line(g, xe, ye, at, STREAM);
		else
			back_line(g, xe, ye, at, PLAIN);
	const float *mean = g->value + NORM_MEAN * g->line, *scale = mean + g->line;
	const float *shift = scale + g->line, *m0 = shift + g->line, *m1 = m0 + g->line;
	for (size_t j = 0; j < count; j++, at++) {
		float z = value_at(g->x, xe, at) - mean[j], v = value_at(g->gy, ye, at);
		v = z * scale[j] + shift[j] > 0 ? v : v * g->slope;
		v = scale[j] * (v - m0[j] - z * m1[j]);
		v = g->acc ? value_at(g->gx, xe, at) + v : v;
		if (xe == ELEM_F32)
			((float *)g->gx)[at] = v;
		else
			elem_narrow(&v, (elem_half *)g->gx + at, 1);
	}
	if (stream)
		stream_end();
}

static void back_rows(const struct norm_rows *g, size_t at, size_t count)
{
	BY_ELEM(back, g, at, count);
}

#define NORM_ISA {.sums = sums, .back_sums = back_sums, .apply = apply_rows, .back = back_rows}
