/* SPDX-License-Identifier: Apache-2.0 */
#include "train/augment_warp.h"

#include <math.h>
#include <string.h>

#include "train/augment_rows.h"

/* Arrays of one row of the result. */
struct row {
	double *p[3];    /* where voxel i comes from: z, y, x */
	double *u[3];    /* its displacement */
	double *knot[3]; /* control points of the row */
	double *basis;   /* [4][width]: weights of the B-spline along x */
	int *cell;       /* first of the four points */
	int *at;         /* flat index of the lowest neighbour */
	float *upper[3]; /* share of the upper neighbour along z, y, x */
	float *w[8];     /* of the neighbours, in order of their index, one behind the other */
	int step[3];     /* to the next neighbour along z, y, x; 0 = there is none */
};

void sm_warp_reset(struct sm_warp *w)
{
	memset(w->m, 0, sizeof w->m);
	memset(w->t, 0, sizeof w->t);
	memset(w->grid, 0, sizeof w->grid);
	for (int a = 0; a < 3; a++)
		w->m[a][a] = 1;
}

void sm_warp_then(struct sm_warp *w, const double m[3][3], const double t[3])
{
	double product[3][3];
	for (int a = 0; a < 3; a++) {
		double moved = 0;
		for (int b = 0; b < 3; b++) {
			product[a][b] = 0;
			for (int k = 0; k < 3; k++)
				product[a][b] += w->m[a][k] * m[k][b];
			moved += w->m[a][b] * t[b];
		}
		w->t[a] += moved;
	}
	memcpy(w->m, product, sizeof product);
}

bool sm_warp_is_nothing(const struct sm_warp *w)
{
	bool still = w->grid[2] == 0;
	for (int a = 0; a < 3; a++) {
		still = still && w->t[a] == 0;
		for (int b = 0; b < 3; b++)
			still = still && w->m[a][b] == (a == b);
	}
	return still;
}

int sm_warp_points(int64_t n, double spacing)
{
	return (int)((double)(n - 1) / spacing) + 4;
}

/* ---- exact moves ---------------------------------------------------------------------------- */

/* Whether m holds one 1 or -1 in each row and column, and nothing else moves: which[a] is the axis
 * of the result that axis a of the source follows, sign[a] the direction. */
static bool is_exact(const struct sm_warp *w, int which[3], int sign[3])
{
	int used = 0;
	if (w->grid[2])
		return false;
	for (int a = 0; a < 3; a++) {
		int ones = 0;
		if (w->t[a] != 0)
			return false;
		for (int b = 0; b < 3; b++) {
			if (w->m[a][b] == 0)
				continue;
			if (fabs(w->m[a][b]) != 1)
				return false;
			ones++;
			used |= 1 << b;
			which[a] = b;
			sign[a] = w->m[a][b] > 0 ? 1 : -1;
		}
		if (ones != 1)
			return false;
	}
	return used == 7;
}

static void copy_exactly(const int64_t size[3], const int which[3], const int sign[3],
			 int64_t channels, const float *x, const uint8_t *y, float *out_x,
			 uint8_t *out_y)
{
	const int64_t stride[3] = {size[1] * size[2], size[2], 1};
	int64_t step[3], start = 0, voxels = size[0] * stride[0];
	for (int a = 0; a < 3; a++) {
		step[which[a]] = sign[a] * stride[a];
		start += sign[a] < 0 ? (size[a] - 1) * stride[a] : 0;
	}
	for (int64_t c = -1; c < channels; c++)
		for (int64_t i = 0; i < size[0]; i++)
			for (int64_t j = 0; j < size[1]; j++) {
				int64_t from = start + i * step[0] + j * step[1];
				int64_t to = i * stride[0] + j * stride[1];
				if (c < 0) {
					for (int64_t k = 0; k < size[2]; k++)
						out_y[to + k] = y[from + k * step[2]];
					continue;
				}
				const float *s = x + c * voxels + from;
				float *d = out_x + c * voxels + to;
				if (step[2] == 1)
					memcpy(d, s, (size_t)size[2] * sizeof *d);
				else
					for (int64_t k = 0; k < size[2]; k++)
						d[k] = s[k * step[2]];
			}
}

/* ---- displacement --------------------------------------------------------------------------- */

/* Weights of the four points around a position, 0 <= f < 1 from the second on. */
static void basis_of(double f, double b[4])
{
	double g = 1 - f;
	b[0] = g * g * g / 6;
	b[1] = (3 * f * f * f - 6 * f * f + 4) / 6;
	b[2] = (3 * g * g * g - 6 * g * g + 4) / 6;
	b[3] = f * f * f / 6;
}

/* First point and weights for voxel i; an axis of one point has that alone. Returns how many. */
static int points_of(int points, double spacing, int64_t i, int *first, double b[4])
{
	double at = (double)i / spacing;
	*first = 0;
	b[0] = 1;
	b[1] = b[2] = b[3] = 0;
	if (points == 1)
		return 1;
	*first = (int)at;
	basis_of(at - *first, b);
	return 4;
}

static void prepare_basis(const struct sm_warp *w, int64_t width, struct row *r)
{
	for (int64_t i = 0; i < width; i++) {
		double b[4];
		points_of(w->grid[2], w->spacing, i, &r->cell[i], b);
		for (int k = 0; k < 4; k++)
			r->basis[k * width + i] = b[k];
	}
}

/* The displacement of row (z, y). */
SM_AUGMENT_CLONES
static void displace_row(const struct sm_warp *w, int64_t z, int64_t y, int64_t width,
			 struct row *r)
{
	double bz[4], by[4];
	int z0, y0, nz = points_of(w->grid[0], w->spacing, z, &z0, bz),
		    ny = points_of(w->grid[1], w->spacing, y, &y0, by);
	const double *b0 = r->basis, *b1 = b0 + width, *b2 = b1 + width, *b3 = b2 + width;
	const int *cell = r->cell;
	for (int a = 0; a < 3; a++) {
		double *knot = r->knot[a], *u = r->u[a];
		int gx = w->grid[2];
		for (int k = 0; k < gx; k++)
			knot[k] = 0;
		for (int i = 0; i < nz; i++)
			for (int j = 0; j < ny; j++) {
				double share = bz[i] * by[j];
				const double *c =
					w->control +
					(((size_t)a * w->grid[0] + z0 + i) * w->grid[1] + y0 + j) *
						gx;
				for (int k = 0; k < gx; k++)
					knot[k] += share * c[k];
			}
		for (int64_t i = 0; i < width; i++)
			u[i] = b0[i] * knot[cell[i]] + b1[i] * knot[cell[i] + 1] +
			       b2[i] * knot[cell[i] + 2] + b3[i] * knot[cell[i] + 3];
	}
}

/* ---- a row ---------------------------------------------------------------------------------- */

SM_AUGMENT_CLONES
static void place_row(const struct sm_warp *w, const int64_t size[3], int64_t z, int64_t y,
		      struct row *r)
{
	double c[3], oz, oy, half;
	int64_t width = size[2];
	for (int a = 0; a < 3; a++)
		c[a] = (double)(size[a] - 1) / 2;
	oz = (double)z - c[0];
	oy = (double)y - c[1];
	half = c[2];
	for (int a = 0; a < 3; a++) {
		double base = c[a] + w->t[a] + w->m[a][0] * oz + w->m[a][1] * oy;
		double mx = w->m[a][2], *p = r->p[a];
		for (int64_t i = 0; i < width; i++)
			p[i] = base + mx * ((double)(int)i - half);
	}
	if (!w->grid[2])
		return;
	displace_row(w, z, y, width, r);
	for (int a = 0; a < 3; a++) {
		double m0 = w->m[a][0], m1 = w->m[a][1], m2 = w->m[a][2], *p = r->p[a];
		const double *uz = r->u[0], *uy = r->u[1], *ux = r->u[2];
		for (int64_t i = 0; i < width; i++)
			p[i] += m0 * uz[i] + m1 * uy[i] + m2 * ux[i];
	}
}

/* One axis of n voxels of a row: adds the lower neighbour's index to at, gives the share of the
 * upper one, and adds to far how far outside the position lies. */
SM_AUGMENT_CLONES
static void place_axis(const double *restrict p, int width, int64_t n, int stride, int *restrict at,
		       float *restrict upper, double *restrict far)
{
	const double end = (double)(n - 1);
	const int last = n > 1 ? (int)n - 2 : 0;
	for (int i = 0; i < width; i++) {
		double v = p[i] > 0 ? p[i] : 0;
		v = v < end ? v : end;
		int k = (int)v;
		k = k < last ? k : last;
		at[i] += k * stride;
		upper[i] = (float)(v - (double)k);
		far[i] += fabs(p[i] - v);
	}
}

/* Rounding may put a position of the outermost voxels this far outside. */
#define SLACK 1e-6

SM_AUGMENT_CLONES
static void multiply_weights(int width, const float *restrict fz, const float *restrict fy,
			     const float *restrict fx, float *restrict w)
{
	for (int i = 0; i < width; i++) {
		float gz = 1 - fz[i], gy = 1 - fy[i], gx = 1 - fx[i];
		w[i] = gz * gy * gx;
		w[width + i] = gz * gy * fx[i];
		w[2 * width + i] = gz * fy[i] * gx;
		w[3 * width + i] = gz * fy[i] * fx[i];
		w[4 * width + i] = fz[i] * gy * gx;
		w[5 * width + i] = fz[i] * gy * fx[i];
		w[6 * width + i] = fz[i] * fy[i] * gx;
		w[7 * width + i] = fz[i] * fy[i] * fx[i];
	}
}

/* Neighbours and weights of a row whose voxels stand at r->p; of a flat one those in its plane. */
static void weigh_row(const int64_t size[3], bool flat, bool zero, struct row *r)
{
	const int width = (int)size[2], stride[3] = {(int)(size[1] * size[2]), width, 1};
	double *far = r->u[0]; /* not needed any more */
	memset(r->at, 0, (size_t)width * sizeof *r->at);
	memset(far, 0, (size_t)width * sizeof *far);
	memset(r->upper[0], 0, (size_t)width * sizeof(float));
	for (int a = flat; a < 3; a++)
		place_axis(r->p[a], width, size[a], stride[a], r->at, r->upper[a], far);
	multiply_weights(width, r->upper[0], r->upper[1], r->upper[2], r->w[0]);
	for (int i = 0; zero && i < width; i++)
		for (int k = 0; k < 8 && far[i] > SLACK; k++)
			r->w[k][i] = 0;
}

SM_AUGMENT_CLONES
static void sum8(const struct row *r, int width, const float *restrict x, float *restrict out)
{
	const int *restrict at = r->at;
	const float *w0 = r->w[0], *w1 = r->w[1], *w2 = r->w[2], *w3 = r->w[3], *w4 = r->w[4],
		    *w5 = r->w[5], *w6 = r->w[6], *w7 = r->w[7];
	const float *x1 = x + r->step[2], *x2 = x + r->step[1], *x3 = x2 + r->step[2],
		    *x4 = x + r->step[0], *x5 = x4 + r->step[2], *x6 = x4 + r->step[1],
		    *x7 = x6 + r->step[2];
	for (int i = 0; i < width; i++) {
		int k = at[i];
		out[i] = ((w0[i] * x[k] + w1[i] * x1[k]) + (w2[i] * x2[k] + w3[i] * x3[k])) +
			 ((w4[i] * x4[k] + w5[i] * x5[k]) + (w6[i] * x6[k] + w7[i] * x7[k]));
	}
}

/* The same of a row that stays in its plane. */
SM_AUGMENT_CLONES
static void sum4(const struct row *r, int width, const float *restrict x, float *restrict out)
{
	const int *restrict at = r->at;
	const float *w0 = r->w[0], *w1 = r->w[1], *w2 = r->w[2], *w3 = r->w[3];
	const float *x1 = x + r->step[2], *x2 = x + r->step[1], *x3 = x2 + r->step[2];
	for (int i = 0; i < width; i++) {
		int k = at[i];
		out[i] = (w0[i] * x[k] + w1[i] * x1[k]) + (w2[i] * x2[k] + w3[i] * x3[k]);
	}
}

/* The label with the largest share, the smaller one of two alike. */
static uint8_t vote(const uint8_t *label, const float *weight, int n)
{
	float most = -1;
	uint8_t best = 0;
	for (int k = 0; k < n; k++) {
		float sum = 0;
		for (int j = 0; j < n; j++)
			sum += label[j] == label[k] ? weight[j] : 0;
		if (sum > most || (sum == most && label[k] < best)) {
			most = sum;
			best = label[k];
		}
	}
	return best;
}

static void label_row(const struct row *r, int width, int n, const uint8_t *y, uint8_t *out)
{
	int step[8];
	for (int k = 0; k < 8; k++)
		step[k] = (k & 4 ? r->step[0] : 0) + (k & 2 ? r->step[1] : 0) +
			  (k & 1 ? r->step[2] : 0);
	for (int i = 0; i < width; i++) {
		const uint8_t *at = y + r->at[i];
		uint8_t label[8], differ = 0;
		float weight[8], all = 0;
		for (int k = 0; k < n; k++) {
			label[k] = at[step[k]];
			differ |= label[k] ^ label[0];
			weight[k] = r->w[k][i];
			all += weight[k];
		}
		out[i] = all == 0 ? 0 : differ ? vote(label, weight, n) : label[0];
	}
}

/* Whether every voxel stays in its slice. */
static bool stays_in_plane(const struct sm_warp *w)
{
	bool in = w->m[0][0] == 1 && w->m[0][1] == 0 && w->m[0][2] == 0 && w->m[1][0] == 0 &&
		  w->m[2][0] == 0 && w->t[0] == 0;
	size_t points = (size_t)w->grid[0] * w->grid[1] * w->grid[2];
	for (size_t i = 0; in && i < points; i++)
		in = w->control[i] == 0;
	return in;
}

static void *cut_off(char **at, size_t bytes)
{
	void *p = *at;
	*at += (bytes + 63) / 64 * 64;
	return p;
}

/* Where the arrays of a row stand from `at` on (an offset from NULL measures). */
static size_t lay_out(struct row *r, char *at, int64_t width, int grid_x)
{
	char *start = at;
	size_t n = (size_t)width;
	for (int a = 0; a < 3; a++) {
		r->p[a] = cut_off(&at, n * sizeof(double));
		r->u[a] = cut_off(&at, n * sizeof(double));
		r->knot[a] = cut_off(&at, (size_t)grid_x * sizeof(double));
	}
	r->basis = cut_off(&at, 4 * n * sizeof(double));
	r->cell = cut_off(&at, n * sizeof(int));
	r->at = cut_off(&at, n * sizeof(int));
	for (int a = 0; a < 3; a++)
		r->upper[a] = cut_off(&at, n * sizeof(float));
	r->w[0] = cut_off(&at, 8 * n * sizeof(float));
	for (int k = 1; k < 8; k++)
		r->w[k] = r->w[0] + (size_t)k * n;
	return (size_t)(at - start);
}

size_t sm_warp_work(int64_t width, int grid_x)
{
	size_t arrays = 3 * 3 + 1 + 2 + 3 + 1, n = (size_t)width;
	return arrays * 64 + 10 * n * sizeof(double) + 3 * (size_t)grid_x * sizeof(double) +
	       2 * n * sizeof(int) + 11 * n * sizeof(float);
}

void sm_warp_run(const struct sm_warp *w, const int64_t size[3], int64_t channels, const float *x,
		 const uint8_t *y, float *out_x, uint8_t *out_y, void *work)
{
	int which[3], sign[3], width = (int)size[2];
	int64_t plane = size[1] * size[2], voxels = size[0] * plane;
	struct row r;
	if (is_exact(w, which, sign)) {
		copy_exactly(size, which, sign, channels, x, y, out_x, out_y);
		return;
	}
	bool flat = stays_in_plane(w);
	lay_out(&r, work, size[2], w->grid[2]);
	r.step[0] = size[0] > 1 ? (int)plane : 0;
	r.step[1] = size[1] > 1 ? width : 0;
	r.step[2] = size[2] > 1 ? 1 : 0;
	if (w->grid[2])
		prepare_basis(w, size[2], &r);
	for (int64_t i = 0; i < size[0]; i++)
		for (int64_t j = 0; j < size[1]; j++) {
			int64_t to = i * plane + j * width, from = flat ? i * plane : 0;
			place_row(w, size, i, j, &r);
			weigh_row(size, flat, w->zero, &r);
			for (int64_t c = 0; c < channels; c++)
				(flat ? sum4 : sum8)(&r, width, x + c * voxels + from,
						     out_x + c * voxels + to);
			label_row(&r, width, flat ? 4 : 8, y + from, out_y + to);
		}
}
