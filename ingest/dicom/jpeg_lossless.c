/* SPDX-License-Identifier: Apache-2.0
 *
 * Lossless JPEG (T.81 annex H).
 */
#include "ingest/dicom/jpeg_in.h"

static int predict(int selector, int a, int b, int c)
{
	switch (selector) {
	case 1:
		return a;
	case 2:
		return b;
	case 3:
		return c;
	case 4:
		return a + b - c;
	case 5:
		return a + ((b - c) >> 1);
	case 6:
		return b + ((a - c) >> 1);
	default:
		return (a + b) >> 1;
	}
}

/* Samples of one component: before point transform, in out's own words. */
struct words {
	void *out;
	bool wide;
	size_t samples;
};

static inline int get(const struct words *w, size_t i)
{
	return w->wide ? ((const uint16_t *)w->out)[i] : ((const uint8_t *)w->out)[i];
}

static inline void put(const struct words *w, size_t i, int v)
{
	if (w->wide)
		((uint16_t *)w->out)[i] = (uint16_t)v;
	else
		((uint8_t *)w->out)[i] = (uint8_t)v;
}

/* One row; top: nothing stands above it (H.1.1). */
static bool row(struct jpeg *j, const struct words *w, int y, bool top)
{
	size_t step = w->samples, line = (size_t)j->columns * step, at = (size_t)y * line;
	int mask = (1 << j->precision) - 1;
	for (int x = 0; x < j->columns; x++, at += step)
		for (int s = 0; s < j->scan_count; s++) {
			const struct component *c = j->scan[s];
			size_t i = at + (size_t)(c - j->comp);
			int n = jpeg_symbol(&j->bits, &j->dc[c->dc]), p;
			if (n < 0 || n > 16)
				return false;
			if (top)
				p = x ? get(w, i - step) : 1 << (j->precision - j->al - 1);
			else if (!x)
				p = get(w, i - line);
			else
				p = predict(j->ss, get(w, i - step), get(w, i - line),
					    get(w, i - line - step));
			/* Modulo 2^16; less precise samples lie in 0..2^precision - 1 by
			 * themselves. */
			put(w, i, (p + jpeg_difference(&j->bits, n)) & mask);
		}
	return !jpeg_overrun(&j->bits);
}

bool sm_jpeg_lossless(struct jpeg *j, const struct sm_pixel_format *f, void *out)
{
	struct words w = {out, f->bits_allocated == 16, (size_t)j->count};
	int rows_between = j->restart / j->columns;
	if (j->ss < 1 || j->ss > 7 || j->al >= j->precision || j->restart % j->columns)
		return false;
	for (int s = 0; s < j->scan_count; s++)
		if (!j->dc[j->scan[s]->dc].there)
			return false;
	for (int y = 0; y < j->rows; y++) {
		bool again = rows_between && y && y % rows_between == 0;
		if (again && !sm_jpeg_restart(&j->bits, y / rows_between - 1))
			return false;
		if (!row(j, &w, y, !y || again))
			return false;
	}
	if (j->al)
		for (size_t i = 0; i < (size_t)j->rows * (size_t)j->columns; i++)
			for (int s = 0; s < j->scan_count; s++) {
				size_t k = i * w.samples + (size_t)(j->scan[s] - j->comp);
				put(&w, k, get(&w, k) << j->al);
			}
	return true;
}
