/* SPDX-License-Identifier: Apache-2.0
 *
 * Median of a cube by forgetful selection: of just over half of the values, the smallest and the
 * largest cannot be the median; both are dropped and the next value comes in. Lanes of neighbouring
 * voxels go through the same exchanges.
 */
#include "core/par.h"
#include "preprocess/op_denoise.h"

#define LANES 16
#define MOST 343 /* 7 x 7 x 7 */

struct median {
	const struct sm_frame *f;
	const float *padded;
	int64_t pad[3];
	int64_t offset[MOST]; /* of the cube's values in the padded copy */
	int count;
};

/* a = the smaller, b = the larger, lane by lane. */
static inline __attribute__((always_inline)) void exchange(float *a, float *b)
{
#pragma omp simd
	for (int k = 0; k < LANES; k++) {
		float x = a[k], y = b[k];
		a[k] = x < y ? x : y;
		b[k] = x < y ? y : x;
	}
}

SM_DENOISE_CLONES static void select_lanes(const struct median *m, const float *at, float *out)
{
	float v[MOST / 2 + 3][LANES];
	int have = m->count / 2 + 2, next = have;
	for (int i = 0; i < have; i++)
		for (int k = 0; k < LANES; k++)
			v[i][k] = at[m->offset[i] + k];
	for (;;) {
		for (int i = 1; i < have; i++)
			exchange(v[0], v[i]);
		for (int i = 1; i < have - 1; i++)
			exchange(v[i], v[have - 1]);
		if (next == m->count)
			break;
		for (int k = 0; k < LANES; k++)
			v[0][k] = at[m->offset[next] + k];
		next++;
		have--;
	}
	for (int k = 0; k < LANES; k++)
		out[k] = v[1][k];
}

static enum sm_status one_plane(void *ctx, size_t z, struct sm_err *err)
{
	const struct median *m = ctx;
	const int64_t nx = m->f->n[0], ny = m->f->n[1];
	const int64_t px = nx + 2 * m->pad[0], py = ny + 2 * m->pad[1];
	(void)err;
	for (int64_t y = 0; y < ny; y++) {
		const float *row = m->padded +
				   (((int64_t)z + m->pad[2]) * py + y + m->pad[1]) * px + m->pad[0];
		float *out = m->f->v + ((int64_t)z * ny + y) * nx;
		for (int64_t x = 0; x < nx; x += LANES) {
			float lanes[LANES];
			select_lanes(m, row + x, lanes);
			for (int64_t k = 0; k < LANES && x + k < nx; k++)
				out[x + k] = lanes[k];
		}
	}
	return SM_OK;
}

enum sm_status sm_denoise_median(const struct sm_frame *f, const struct denoise *p,
				 struct sm_err *err)
{
	bool flat = p->in_plane || f->n[2] == 1;
	const int64_t r = p->radius, rz = flat ? 0 : r;
	/* The last lanes of a row read past its end. */
	struct median m = {.f = f, .pad = {r + LANES, r, rz}};
	const int64_t px = f->n[0] + 2 * m.pad[0], py = f->n[1] + 2 * m.pad[1];
	float *padded = sm_frame_padded(f, m.pad, SM_BORDER_HALF, err);
	if (!padded)
		return SM_BUDGET;
	m.padded = padded;
	for (int64_t z = -rz; z <= rz; z++)
		for (int64_t y = -r; y <= r; y++)
			for (int64_t x = -r; x <= r; x++)
				m.offset[m.count++] = (z * py + y) * px + x;
	enum sm_status st = sm_par_for((size_t)f->n[2], f->jobs, one_plane, &m, err);
	sm_free(padded);
	return st;
}
