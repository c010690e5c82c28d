/* SPDX-License-Identifier: Apache-2.0
 *
 * The bilateral filter as its definition says: every neighbour of the box, its spatial weight from
 * a small table, its range weight computed.
 */
#include <string.h>

#include "core/par.h"
#include "core/elementary.h"
#include "preprocess/op_denoise.h"

struct bilateral {
	const struct sm_frame *f;
	const float *padded;
	int64_t pad[3];
	const double *spatial[3]; /* weight of each axis, index k + pad */
	float scale;              /* 1 / (2 range^2) */
};

/* Adds one neighbour of every voxel of a row, as a difference: a flat region stays what it is to
 * the last bit. */
SM_DENOISE_CLONES static void add_row(const float *restrict centre, const float *restrict other,
				      float spatial, float scale, float *restrict num,
				      float *restrict den, int64_t n)
{
	for (int64_t x = 0; x < n; x++) {
		float d = other[x] - centre[x];
		float w = spatial * sm_expf_weight(-(d * d) * scale);
		num[x] += w * d;
		den[x] += w;
	}
}

static enum sm_status one_plane(void *ctx, size_t z, struct sm_err *err)
{
	const struct bilateral *b = ctx;
	const int64_t nx = b->f->n[0], ny = b->f->n[1];
	const int64_t px = nx + 2 * b->pad[0], py = ny + 2 * b->pad[1];
	float *sums = sm_alloc(b->f->mem, (size_t)nx * 2, sizeof *sums, "sums", err);
	if (!sums)
		return SM_BUDGET;
	for (int64_t y = 0; y < ny; y++) {
		const float *row = b->padded +
				   (((int64_t)z + b->pad[2]) * py + y + b->pad[1]) * px + b->pad[0];
		float *out = b->f->v + ((int64_t)z * ny + y) * nx;
		memset(sums, 0, (size_t)nx * 2 * sizeof *sums);
		for (int64_t k = -b->pad[2]; k <= b->pad[2]; k++)
			for (int64_t j = -b->pad[1]; j <= b->pad[1]; j++)
				for (int64_t i = -b->pad[0]; i <= b->pad[0]; i++) {
					double w = b->spatial[0][i + b->pad[0]] *
						   b->spatial[1][j + b->pad[1]] *
						   b->spatial[2][k + b->pad[2]];
					add_row(row, row + (k * py + j) * px + i, (float)w,
						b->scale, sums, sums + nx, nx);
				}
		for (int64_t x = 0; x < nx; x++)
			out[x] = row[x] + sums[x] / sums[nx + x];
	}
	sm_free(sums);
	return SM_OK;
}

/* Half the box of an axis: none when sigma is 0. */
static int64_t reach(double sigma)
{
	if (!(sigma > 0))
		return 0;
	int64_t r = (int64_t)(3 * sigma);
	r += (double)r < 3 * sigma;
	return r < 2 ? 2 : r;
}

enum sm_status sm_denoise_bilateral(const struct sm_frame *f, const struct denoise *p, double noise,
				    struct sm_err *err)
{
	struct bilateral b = {.f = f};
	double sigma[3], range = p->range > 0 ? p->range : 2 * noise;
	double *tables = NULL;
	float *padded = NULL;
	enum sm_status st = SM_BUDGET;
	if (!(range > 0))
		return SM_OK; /* nothing but flat regions */
	sm_denoise_sigma(f, p, sigma);
	size_t total = 0, at = 0;
	for (int a = 0; a < 3; a++) {
		b.pad[a] = reach(sigma[a]);
		if (b.pad[a] > 64)
			return SM_FAIL(err, SM_INPUT,
				       "sigma: found %g voxels along %c for method bilateral, "
				       "allowed are 21",
				       sigma[a], "xyz"[a]);
		total += (size_t)(2 * b.pad[a] + 1);
	}
	tables = sm_alloc(f->mem, total, sizeof *tables, "spatial weights", err);
	padded = tables ? sm_frame_padded(f, b.pad, SM_BORDER_HALF, err) : NULL;
	if (!padded)
		goto out;
	for (int a = 0; a < 3; a++) {
		b.spatial[a] = tables + at;
		for (int64_t k = -b.pad[a]; k <= b.pad[a]; k++)
			tables[at++] =
				k ? sm_exp(-0.5 * (double)(k * k) / (sigma[a] * sigma[a])) : 1;
	}
	b.padded = padded;
	b.scale = (float)(0.5 / (range * range));
	st = sm_par_for((size_t)f->n[2], f->jobs, one_plane, &b, err);
out:
	sm_free(padded);
	sm_free(tables);
	return st;
}
