/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/threshold.h"

#include "core/elementary.h"
#include "preprocess/quantile.h"

#define OTSU_BINS 1024
#define TRIANGLE_BINS 256

void sm_value_range(const float *v, size_t n, double *lo, double *hi)
{
	float least = v[0], most = v[0];
	for (size_t i = 1; i < n; i++) {
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
	}
	*lo = (double)least;
	*hi = (double)most;
}

static void histogram(const float *v, size_t n, double lo, double hi, size_t *bins, int count)
{
	for (size_t i = 0; i < n; i++) {
		int b = (int)(((double)v[i] - lo) / (hi - lo) * count);
		bins[b < count ? b : count - 1]++;
	}
}

double sm_threshold_otsu(const float *v, size_t n, double lo, double hi)
{
	size_t bins[OTSU_BINS] = {0};
	double total = 0, below = 0, weight = 0, best = -1;
	int at = 0;
	histogram(v, n, lo, hi, bins, OTSU_BINS);
	for (int b = 0; b < OTSU_BINS; b++)
		total += (double)b * (double)bins[b];
	for (int b = 0; b < OTSU_BINS - 1; b++) {
		weight += (double)bins[b];
		below += (double)b * (double)bins[b];
		double rest = (double)n - weight;
		if (weight == 0 || rest == 0)
			continue;
		double gap = below / weight - (total - below) / rest;
		double between = weight * rest * gap * gap;
		if (between > best) {
			best = between;
			at = b;
		}
	}
	return lo + (hi - lo) * (double)(at + 1) / OTSU_BINS;
}

double sm_threshold_triangle(const float *v, size_t n, double lo, double hi)
{
	size_t bins[TRIANGLE_BINS] = {0};
	int peak = 0, last = TRIANGLE_BINS - 1;
	histogram(v, n, lo, hi, bins, TRIANGLE_BINS);
	for (int b = 1; b <= last; b++)
		if (bins[b] > bins[peak])
			peak = b;
	/* lo and hi are values of the volume, so the first and the last bin hold something. */
	int step = peak < last - peak ? 1 : -1, end = step > 0 ? last : 0,
	    width = (end - peak) * step;
	double height = (double)bins[peak], best = -1;
	int at = peak;
	for (int k = 0; k < width; k++) { /* from the end of the tail towards the peak */
		int b = end - k * step;
		double under = height * (double)k - (double)width * (double)bins[b];
		if (k == 0 || under > best) {
			best = under;
			at = b;
		}
	}
	return lo + (hi - lo) * ((double)at + 0.5) / TRIANGLE_BINS;
}

double sm_threshold_clipped(const float *v, size_t n, double lo, double hi, float *work)
{
	double bottom = sm_threshold_triangle(v, n, lo, hi);
	size_t above = 0;
	for (size_t i = 0; i < n; i++)
		if ((double)v[i] > bottom)
			work[above++] = v[i];
	if (!above)
		return sm_threshold_otsu(v, n, lo, hi);
	double top = lo + 2 * ((double)sm_select_f32(work, NULL, above, above / 2) - lo);
	if (top >= hi)
		return sm_threshold_otsu(v, n, lo, hi);
	for (size_t i = 0; i < n; i++)
		work[i] = (double)v[i] < top ? v[i] : (float)top;
	/* Rounded to float, the top must not lie above the histogram's end. */
	return sm_threshold_otsu(work, n, lo, (double)(float)top);
}

double sm_threshold_log(const float *v, size_t n, double lo, double hi, float *work)
{
	double least, most;
	for (size_t i = 0; i < n; i++)
		work[i] = (float)sm_log(1 + 255 * ((double)v[i] - lo) / (hi - lo));
	sm_value_range(work, n, &least, &most);
	double at = sm_threshold_otsu(work, n, least, most);
	return lo + (hi - lo) * (sm_exp(at) - 1) / 255;
}
