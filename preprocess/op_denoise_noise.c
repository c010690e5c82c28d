/* SPDX-License-Identifier: Apache-2.0
 *
 * The noise of a frame from pseudo-residuals (T. Gasser and others, Biometrika 73, 1986; as in
 * Coupe 2008): e = sqrt(k / (k + 1)) (x - mean of the k face neighbours) has the noise's own
 * variance where the signal is linear, and the median absolute deviation does not see the few
 * voxels at edges.
 */
#include <math.h>
#include <string.h>

#include "preprocess/op_denoise.h"
#include "preprocess/quantile.h"
#include "preprocess/threshold.h"

/* Residuals of the voxels that count, one after the other; returns how many. */
static size_t residuals(const struct sm_frame *f, bool deep, double threshold, float *out)
{
	const int64_t nx = f->n[0], ny = f->n[1], nz = f->n[2], sy = nx, sz = nx * ny;
	const int k = deep ? 6 : 4;
	const double factor = sqrt((double)k / (k + 1));
	size_t n = 0;
	for (int64_t z = deep; z < nz - deep; z++)
		for (int64_t y = 1; y < ny - 1; y++)
			for (int64_t x = 1; x < nx - 1; x++) {
				int64_t i = (z * ny + y) * nx + x;
				const float *v = f->v + i;
				if (f->mask ? !f->mask[i] : !((double)*v > threshold))
					continue;
				double sum = (double)v[-1] + (double)v[1] + (double)v[-sy] +
					     (double)v[sy];
				if (deep)
					sum += (double)v[-sz] + (double)v[sz];
				out[n++] = (float)(factor * ((double)*v - sum / k));
			}
	return n;
}

enum sm_status sm_denoise_noise(const struct sm_frame *f, bool in_plane, double *sigma,
				struct sm_err *err)
{
	const size_t count = (size_t)(f->n[0] * f->n[1] * f->n[2]);
	double lo, hi;
	*sigma = 0;
	sm_value_range(f->v, count, &lo, &hi);
	if (lo == hi)
		return SM_OK;
	float *e = sm_alloc(f->mem, count, sizeof *e, "residuals", err);
	if (!e)
		return SM_BUDGET;
	size_t n = residuals(f, !in_plane && f->n[2] > 2,
			     f->mask ? 0 : sm_threshold_otsu(f->v, count, lo, hi), e);
	if (n) {
		float middle = (float)sm_percentile_f32(e, NULL, n, n, 50);
		for (size_t i = 0; i < n; i++)
			e[i] = fabsf(e[i] - middle);
		*sigma = sm_percentile_f32(e, NULL, n, n, 50) / 0.6744897501960817;
	}
	sm_free(e);
	return SM_OK;
}
