/* SPDX-License-Identifier: Apache-2.0
 *
 * Non-local means, offset by offset (J. Darbon and others, ISBI 2008): for one offset t the
 * distances of all patches to the patches t away are a box sum of (x(i) - x(i + t))^2, made axis by
 * axis and shared between neighbours. A weight serves both i and i + t, so half of the offsets do.
 * The grid is cut into blocks of rows that stay in the cache; a weight that crosses a block's face
 * is made in both blocks. Every sum of a voxel has the same order whatever the blocks: offsets in
 * order, and for each first the voxel that lies before, then the one after.
 */
#include <math.h>
#include <string.h>

#include "core/par.h"
#include "core/elementary.h"
#include "preprocess/op_denoise.h"

#define BLOCK_Y 24
#define BLOCK_Z 12

struct nlm {
	const struct sm_frame *f;
	const float *x, *u; /* padded: what is compared, what is averaged (x, or its squares) */
	int64_t pad[3], patch[3], search[3];
	int64_t row, plane; /* steps in padded memory */
	int64_t blocks_y, blocks_z;
	float scale; /* 1 / (voxels of a patch * h^2) */
	float less;  /* taken off the exponent */
	float cutoff;
	float twice_variance; /* 2 noise^2 for Rician data, else 0 */
	bool rician;
};

/* What one block works with. Rows of scratch hold x = -search - patch ... nx + search + patch. */
struct block {
	int64_t y0, y1, z0, z1;
	float *num, *den;
	float *squares; /* one row of squared differences */
	float *rows;    /* sums along x of one plane's rows */
	float *planes;  /* ring of 2 patch + 1 planes: sums along x and y */
	float *weight;  /* one row */
};

/* One offset and the voxels i that are looked at: the hull of the block and the block moved by -t.
 * */
struct shift {
	int64_t t[3], step;
	int64_t xa, xb, ya, yb, za, zb;
};

SM_DENOISE_CLONES static void difference(const float *restrict a, const float *restrict b,
					 float *restrict out, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		float d = a[i] - b[i];
		out[i] = d * d;
	}
}

/* out[i] = sum of a[i + k * step], k = 0..taps-1. */
SM_DENOISE_CLONES static void sum_taps(const float *restrict a, int64_t step, int64_t taps,
				       float *restrict out, int64_t n)
{
	if (taps == 1) {
		memcpy(out, a, (size_t)n * sizeof *out);
	} else if (taps == 3) {
		for (int64_t i = 0; i < n; i++)
			out[i] = a[i] + a[i + step] + a[i + 2 * step];
	} else {
		for (int64_t i = 0; i < n; i++)
			out[i] = a[i] + a[i + step] + a[i + 2 * step] + a[i + 3 * step] +
				 a[i + 4 * step];
		for (int64_t k = 5; k < taps; k++)
			for (int64_t i = 0; i < n; i++)
				out[i] += a[i + k * step];
	}
}

SM_DENOISE_CLONES static void weights(float *w, const struct nlm *m, int64_t n)
{
	const float scale = m->scale, less = m->less, cutoff = m->cutoff;
	for (int64_t i = 0; i < n; i++) {
		float d = w[i] * scale - less;
		d = d > 0.0f ? d : 0.0f;
		float e = sm_expf_near(-(d < 87.0f ? d : 87.0f));
		w[i] = d > cutoff ? 0.0f : e;
	}
}

/* Sums of differences: a flat region stays what it is to the last bit. */
SM_DENOISE_CLONES static void add(float *restrict num, float *restrict den, const float *restrict w,
				  const float *restrict centre, const float *restrict other,
				  int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		num[i] += w[i] * (other[i] - centre[i]);
		den[i] += w[i];
	}
}

SM_DENOISE_CLONES static void finish(const float *restrict num, const float *restrict den,
				     const float *restrict centre, const struct nlm *m,
				     float *restrict out, int64_t n)
{
	if (!m->rician) {
		for (int64_t i = 0; i < n; i++)
			out[i] = centre[i] + num[i] / den[i];
		return;
	}
	for (int64_t i = 0; i < n; i++) {
		float s = centre[i] + num[i] / den[i] - m->twice_variance;
		out[i] = s > 0.0f ? sqrtf(s) : 0.0f;
	}
}

/* Padded memory index of voxel (0, y, z). */
static int64_t place(const struct nlm *m, int64_t y, int64_t z)
{
	return (z + m->pad[2]) * m->plane + (y + m->pad[1]) * m->row + m->pad[0];
}

/* Sums along x and y of the squared differences of plane z, rows ya..yb. */
static void plane_sums(const struct nlm *m, const struct block *b, const struct shift *s, int64_t z)
{
	const int64_t px = m->patch[0], py = m->patch[1], taps = 2 * m->patch[2] + 1;
	const int64_t n = s->xb - s->xa, height = s->yb - s->ya;
	float *out = b->planes + (z + m->pad[2]) % taps * (height * m->row);
	for (int64_t y = s->ya - py; y < s->yb + py; y++) {
		const float *a = m->x + place(m, y, z) + s->xa - px;
		difference(a, a + s->step, b->squares, n + 2 * px);
		sum_taps(b->squares, 1, 2 * px + 1, b->rows + (y - s->ya + py) * m->row, n);
	}
	for (int64_t y = 0; y < height; y++)
		sum_taps(b->rows + y * m->row, m->row, 2 * py + 1, out + y * m->row, n);
}

/* Weights of row (y, z) and where they count. */
static void use_row(const struct nlm *m, const struct block *b, const struct shift *s, int64_t y,
		    int64_t z)
{
	const int64_t nx = m->f->n[0], n = s->xb - s->xa, height = s->yb - s->ya;
	const int64_t ty = y + s->t[1], tz = z + s->t[2], tx = s->t[0];
	bool first = y >= b->y0 && y < b->y1 && z >= b->z0;
	bool second = ty >= b->y0 && ty < b->y1 && tz < b->z1;
	if (!first && !second)
		return;
	sum_taps(b->planes + (y - s->ya) * m->row, height * m->row, 2 * m->patch[2] + 1, b->weight,
		 n);
	weights(b->weight, m, n);
	const float *u = m->u + place(m, y, z);
	const float *w = b->weight - s->xa;
	if (second) {
		int64_t at = ((tz - b->z0) * BLOCK_Y + ty - b->y0) * nx;
		add(b->num + at, b->den + at, w - tx, u - tx + s->step, u - tx, nx);
	}
	if (first) {
		int64_t at = ((z - b->z0) * BLOCK_Y + y - b->y0) * nx;
		add(b->num + at, b->den + at, w, u, u + s->step, nx);
	}
}

static void one_offset(const struct nlm *m, const struct block *b, struct shift *s)
{
	const int64_t nx = m->f->n[0], pz = m->patch[2];
	s->step = s->t[2] * m->plane + s->t[1] * m->row + s->t[0];
	s->xa = s->t[0] > 0 ? -s->t[0] : 0;
	s->xb = s->t[0] > 0 ? nx : nx - s->t[0];
	s->ya = s->t[1] > 0 ? b->y0 - s->t[1] : b->y0;
	s->yb = s->t[1] > 0 ? b->y1 : b->y1 - s->t[1];
	s->za = b->z0 - s->t[2];
	s->zb = b->z1;
	for (int64_t z = s->za - pz; z < s->za + pz; z++)
		plane_sums(m, b, s, z);
	for (int64_t z = s->za; z < s->zb; z++) {
		plane_sums(m, b, s, z + pz);
		for (int64_t y = s->ya; y < s->yb; y++)
			use_row(m, b, s, y, z);
	}
}

static void all_offsets(const struct nlm *m, const struct block *b)
{
	/* The voxel itself has weight 1. */
	for (int64_t i = 0; i < m->f->n[0] * BLOCK_Y * BLOCK_Z; i++) {
		b->num[i] = 0;
		b->den[i] = 1;
	}
	for (int64_t tz = 0; tz <= m->search[2]; tz++)
		for (int64_t ty = tz ? -m->search[1] : 0; ty <= m->search[1]; ty++)
			for (int64_t tx = tz || ty ? -m->search[0] : 1; tx <= m->search[0]; tx++) {
				struct shift s = {.t = {tx, ty, tz}};
				one_offset(m, b, &s);
			}
}

static enum sm_status one_block(void *ctx, size_t item, struct sm_err *err)
{
	const struct nlm *m = ctx;
	const int64_t nx = m->f->n[0], ny = m->f->n[1], nz = m->f->n[2];
	const int64_t by = (int64_t)item % m->blocks_y, bz = (int64_t)item / m->blocks_y;
	struct block b = {.y0 = by * BLOCK_Y, .z0 = bz * BLOCK_Z};
	b.y1 = b.y0 + BLOCK_Y < ny ? b.y0 + BLOCK_Y : ny;
	b.z1 = b.z0 + BLOCK_Z < nz ? b.z0 + BLOCK_Z : nz;
	const size_t sums = (size_t)(nx * BLOCK_Y * BLOCK_Z), row = (size_t)m->row;
	const size_t tall = (size_t)(BLOCK_Y + m->search[1]);
	const size_t rows = tall + 2 * (size_t)m->patch[1];
	const size_t planes = tall * (size_t)(2 * m->patch[2] + 1);
	float *all = sm_alloc(m->f->mem, 2 * sums + row * (2 + rows + planes), sizeof *all,
			      "block of non-local means", err);
	if (!all)
		return SM_BUDGET;
	b.num = all;
	b.den = b.num + sums;
	b.squares = b.den + sums;
	b.weight = b.squares + row;
	b.rows = b.weight + row;
	b.planes = b.rows + rows * row;
	all_offsets(m, &b);
	for (int64_t z = b.z0; z < b.z1; z++)
		for (int64_t y = b.y0; y < b.y1; y++) {
			int64_t at = ((z - b.z0) * BLOCK_Y + y - b.y0) * nx;
			finish(b.num + at, b.den + at, m->u + place(m, y, z), m,
			       m->f->v + (z * ny + y) * nx, nx);
		}
	sm_free(all);
	return SM_OK;
}

enum sm_status sm_denoise_nlm(const struct sm_frame *f, const struct denoise *p, double noise,
			      struct sm_err *err)
{
	const bool flat = p->in_plane || f->n[2] == 1;
	double h = p->h > 0 ? p->h : sqrt(2.0) * noise, variance = noise * noise;
	struct nlm m = {.f = f, .cutoff = (float)p->cutoff, .rician = p->rician};
	float *squares = NULL;
	enum sm_status st = SM_BUDGET;
	if (!(h > 0))
		return SM_OK; /* nothing but flat regions */
	double patch = 1;
	for (int a = 0; a < 3; a++) {
		m.patch[a] = a == 2 && flat ? 0 : p->patch;
		m.search[a] = a == 2 && flat ? 0 : p->search;
		m.pad[a] = m.patch[a] + m.search[a];
		patch *= (double)(2 * m.patch[a] + 1);
	}
	m.row = f->n[0] + 2 * m.pad[0];
	m.plane = m.row * (f->n[1] + 2 * m.pad[1]);
	m.blocks_y = (f->n[1] + BLOCK_Y - 1) / BLOCK_Y;
	m.blocks_z = (f->n[2] + BLOCK_Z - 1) / BLOCK_Z;
	m.scale = (float)(1 / (patch * h * h));
	m.less = p->subtract ? (float)(2 * variance / (h * h)) : 0;
	m.twice_variance = (float)(2 * variance);
	float *x = sm_frame_padded(f, m.pad, SM_BORDER_WHOLE, err);
	if (!x)
		return SM_BUDGET;
	m.x = m.u = x;
	if (p->rician) {
		size_t count = (size_t)(m.plane * (f->n[2] + 2 * m.pad[2]));
		squares = sm_alloc(f->mem, count, sizeof *squares, "squared volume", err);
		if (!squares)
			goto out;
		for (size_t i = 0; i < count; i++)
			squares[i] = x[i] * x[i];
		m.u = squares;
	}
	st = sm_par_for((size_t)(m.blocks_y * m.blocks_z), f->jobs, one_block, &m, err);
out:
	sm_free(squares);
	sm_free(x);
	return st;
}
