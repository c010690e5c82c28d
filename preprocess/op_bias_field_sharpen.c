/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/op_bias_field.h"

#include <math.h>
#include <string.h>

#include "core/elementary.h"

#define SIZE_MAX_FFT (2 * SM_SHARPEN_BINS_MAX)

struct complex_line {
	int n; /* a power of two */
	double re[SIZE_MAX_FFT], im[SIZE_MAX_FFT];
};

/* sum_k x(k) exp(-+2 pi i j k / n), in place; not divided by n. */
static void fourier(struct complex_line *x, int sign)
{
	for (int i = 1, j = 0; i < x->n; i++) {
		int bit = x->n >> 1;
		for (; j & bit; bit >>= 1)
			j ^= bit;
		j ^= bit;
		if (i < j) {
			double re = x->re[i], im = x->im[i];
			x->re[i] = x->re[j];
			x->im[i] = x->im[j];
			x->re[j] = re;
			x->im[j] = im;
		}
	}
	for (int half = 1; half < x->n; half *= 2)
		for (int k = 0; k < half; k++) {
			double angle = (double)k / half; /* of pi */
			double c = sm_sinpi(0.5 - angle), s = sign * sm_sinpi(angle);
			for (int a = k; a < x->n; a += 2 * half) {
				int b = a + half;
				double re = x->re[b] * c - x->im[b] * s;
				double im = x->re[b] * s + x->im[b] * c;
				x->re[b] = x->re[a] - re;
				x->im[b] = x->im[a] - im;
				x->re[a] += re;
				x->im[a] += im;
			}
		}
}

/* The Gaussian's spectrum; real, since it is even. */
static void gaussian_spectrum(struct complex_line *f, double width)
{
	const double ln2 = 0.69314718055994530942, pi = 3.14159265358979323846;
	double falloff = 4 * ln2 / (width * width), height = 2 * sqrt(ln2 / pi) / width;
	memset(f->im, 0, sizeof f->im);
	for (int k = 0; k <= f->n / 2; k++) {
		double g = height * sm_exp(-(double)k * k * falloff);
		f->re[k] = g;
		if (k)
			f->re[f->n - k] = g;
	}
	fourier(f, -1);
}

static void scale(struct complex_line *x, const double *by)
{
	for (int k = 0; k < x->n; k++) {
		x->re[k] *= by[k];
		x->im[k] *= by[k];
	}
}

static void fill_histogram(const struct sm_sharpen *s, const float *u, const uint8_t *mask,
			   size_t n, double *bins)
{
	for (size_t i = 0; i < n; i++) {
		if (!mask[i])
			continue;
		double at = ((double)u[i] - s->lo) / s->step;
		int b = (int)at;
		b = b < s->bins - 1 ? b : s->bins - 2;
		bins[b] += 1 - (at - b);
		bins[b + 1] += at - b;
	}
}

int sm_sharpen_make(struct sm_sharpen *s, const float *u, const uint8_t *mask, size_t n, int bins,
		    double fwhm, double noise)
{
	struct complex_line v = {.n = 2}, gauss, top;
	double wiener[SIZE_MAX_FFT];
	float lo = 0, hi = 0;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		if (!mask[i])
			continue;
		lo = !kept || u[i] < lo ? u[i] : lo;
		hi = !kept || u[i] > hi ? u[i] : hi;
		kept++;
	}
	if (!(hi > lo))
		return 1;
	s->bins = bins;
	s->lo = (double)lo;
	s->step = ((double)hi - (double)lo) / (bins - 1);
	while (v.n < 2 * bins)
		v.n *= 2;
	const int before = (v.n - bins) / 2;
	fill_histogram(s, u, mask, n, v.re + before);
	gauss.n = top.n = v.n;
	gaussian_spectrum(&gauss, fwhm / s->step);
	for (int k = 0; k < v.n; k++)
		wiener[k] = gauss.re[k] / (gauss.re[k] * gauss.re[k] + noise);
	fourier(&v, -1);
	scale(&v, wiener);
	fourier(&v, 1);
	for (int k = 0; k < v.n; k++) {
		v.re[k] = v.re[k] > 0 ? v.re[k] / v.n : 0;
		v.im[k] = top.im[k] = 0;
		top.re[k] = (s->lo + (k - before) * s->step) * v.re[k];
	}
	fourier(&top, -1);
	scale(&top, gauss.re);
	fourier(&top, 1);
	fourier(&v, -1);
	scale(&v, gauss.re);
	fourier(&v, 1);
	for (int k = 0; k < bins; k++) {
		double under = v.re[k + before];
		s->expected[k] = under != 0 ? top.re[k + before] / under : 0;
	}
	return 0;
}

double sm_sharpen_at(const struct sm_sharpen *s, double u)
{
	double at = (u - s->lo) / s->step;
	int b = at > 0 ? (int)at : 0;
	if (b >= s->bins - 1)
		return s->expected[s->bins - 1];
	return s->expected[b] + (s->expected[b + 1] - s->expected[b]) * (at - b);
}
