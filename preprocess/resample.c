/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/resample.h"

#include <math.h>
#include <string.h>

#include "core/par.h"

#define SLACK 1e-6 /* voxels */

/* ---- maps ------------------------------------------------------------------------------------ */

void sm_affine_product(double a[4][4], double b[4][4], double product[4][4])
{
	for (int r = 0; r < 4; r++)
		for (int c = 0; c < 4; c++) {
			double sum = 0;
			for (int k = 0; k < 4; k++)
				sum += a[r][k] * b[k][c];
			product[r][c] = sum;
		}
}

/* -1 when column or row r has not exactly one component that is not 0. */
static int only_column(double m[4][4], int r)
{
	int found = -1;
	for (int c = 0; c < 3; c++) {
		if (m[r][c] == 0)
			continue;
		if (found >= 0)
			return -1;
		found = c;
	}
	for (int k = 0; found >= 0 && k < 3; k++)
		if (k != r && m[k][found] != 0)
			return -1;
	return found;
}

static bool lined_up(double m[4][4])
{
	return only_column(m, 0) >= 0 && only_column(m, 1) >= 0 && only_column(m, 2) >= 0;
}

/* Inverse of an affine; without rounding where it is a signed permutation with whole shifts. */
static bool invert(double m[4][4], double out[4][4])
{
	double inverse[4][4] = {{0}};
	if (lined_up(m)) {
		for (int r = 0; r < 3; r++) {
			int c = only_column(m, r);
			inverse[c][r] = 1 / m[r][c];
			inverse[c][3] = -m[r][3] / m[r][c];
		}
	} else {
		double det = 0;
		for (int r = 0; r < 3; r++)
			for (int c = 0; c < 3; c++) {
				int r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3,
				    c2 = (c + 2) % 3;
				inverse[c][r] = m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1];
			}
		for (int c = 0; c < 3; c++)
			det += m[0][c] * inverse[c][0];
		for (int r = 0; r < 3; r++) {
			for (int c = 0; c < 3; c++)
				inverse[r][c] /= det;
			for (int c = 0; c < 3; c++)
				inverse[r][3] -= inverse[r][c] * m[c][3];
		}
	}
	inverse[3][3] = 1;
	for (int r = 0; r < 4; r++)
		for (int c = 0; c < 4; c++) {
			out[r][c] = inverse[r][c] + 0.0; /* no -0 */
			if (!isfinite(out[r][c]))
				return false;
		}
	return true;
}

void sm_target_map(const struct sm_vol *v, const int64_t dim[3], double map[4][4],
		   struct sm_target *t)
{
	double affine[4][4];
	memcpy(affine, v->affine, sizeof affine);
	memcpy(t->dim, dim, sizeof t->dim);
	memcpy(t->map, map, sizeof t->map);
	sm_affine_product(affine, t->map, t->affine);
}

static double snapped(double v, double extent)
{
	double whole = floor(v + 0.5);
	return fabs(v - whole) * extent < 1e-3 ? whole + 0.0 : v;
}

enum sm_status sm_target_like(const struct sm_vol *v, const struct sm_vol *like,
			      struct sm_target *t, struct sm_err *err)
{
	double own[4][4], back[4][4];
	memcpy(own, v->affine, sizeof own);
	memcpy(t->affine, like->affine, sizeof t->affine);
	memcpy(t->dim, like->dim, sizeof t->dim);
	if (!invert(own, back))
		return SM_FAIL(err, SM_INPUT, "the affine is singular: it places no voxel");
	sm_affine_product(back, t->affine, t->map);
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 4; c++)
			t->map[r][c] = snapped(t->map[r][c], c < 3 ? (double)like->dim[c] : 1);
	return SM_OK;
}

bool sm_target_exact(const struct sm_target *t)
{
	double m[4][4];
	memcpy(m, t->map, sizeof m);
	for (int r = 0; r < 3; r++) {
		int c = only_column(m, r);
		if (c < 0 || fabs(m[r][c]) != 1 || m[r][3] != floor(m[r][3]))
			return false;
	}
	return true;
}

bool sm_target_same(const struct sm_vol *v, const struct sm_target *t)
{
	for (int r = 0; r < 3; r++) {
		if (t->dim[r] != v->dim[r])
			return false;
		for (int c = 0; c < 4; c++)
			if (t->map[r][c] != (r == c))
				return false;
	}
	return true;
}

bool sm_target_back(const struct sm_target *t, double back[4][4])
{
	double m[4][4];
	memcpy(m, t->map, sizeof m);
	return invert(m, back);
}

/* ---- copies and choices of voxels ------------------------------------------------------------ */

struct copying {
	const struct sm_vol *in;
	struct sm_vol *out;
	const struct sm_target *t;
	size_t size; /* bytes a voxel */
	bool vote;
	unsigned char fill[8]; /* one voxel */
};

static void position(const struct sm_target *t, int64_t x, int64_t y, int64_t z, double u[3])
{
	for (int r = 0; r < 3; r++) {
		const double *m = t->map[r];
		u[r] = m[0] * (double)x + m[1] * (double)y + m[2] * (double)z + m[3];
	}
}

static bool inside(const int64_t dim[3], const double u[3])
{
	for (int a = 0; a < 3; a++)
		if (u[a] < -0.5 - SLACK || u[a] > (double)dim[a] - 0.5 + SLACK)
			return false;
	return true;
}

/* Index within a frame of the nearest voxel; of a position outside, one on the edge. */
static int64_t nearest(const int64_t dim[3], const double u[3])
{
	int64_t i[3];
	for (int a = 0; a < 3; a++) {
		/* Inside u is at least -0.5 - SLACK: + 1.5 cuts towards zero as floor would. */
		i[a] = (int64_t)(u[a] + 1.5) - 1;
		i[a] = i[a] < 0 ? 0 : i[a] >= dim[a] ? dim[a] - 1 : i[a];
	}
	return (i[2] * dim[1] + i[1]) * dim[0] + i[0];
}

/* The label with the largest share of the eight voxels around, the smallest of equals. */
static uint8_t vote_at(const uint8_t *v, const int64_t dim[3], const double u[3])
{
	int64_t at[3][2];
	double f[3][2], share[8] = {0};
	uint8_t label[8], around[8];
	int n = 0, best = 0, differ = 0;
	for (int a = 0; a < 3; a++) {
		double last = (double)(dim[a] - 1);
		double w = u[a] < 0 ? 0 : u[a] > last ? last : u[a];
		at[a][0] = (int64_t)w;
		at[a][1] = at[a][0] + (at[a][0] < dim[a] - 1);
		f[a][1] = w - (double)at[a][0];
		f[a][0] = 1 - f[a][1];
	}
	for (int k = 0; k < 8; k++) {
		around[k] = v[(at[2][k >> 2] * dim[1] + at[1][k >> 1 & 1]) * dim[0] + at[0][k & 1]];
		differ |= around[k] ^ around[0];
	}
	if (!differ)
		return around[0];
	for (int k = 0; k < 8; k++) {
		int i = k & 1, j = k >> 1 & 1, l = k >> 2, s = 0;
		uint8_t here = around[k];
		while (s < n && label[s] != here)
			s++;
		if (s == n)
			label[n++] = here;
		share[s] += f[0][i] * f[1][j] * f[2][l];
	}
	/* Shares that differ by rounding alone are equal. */
	for (int s = 1; s < n; s++) {
		double more = share[s] - share[best];
		if (more > 1e-9 || (more > -1e-9 && label[s] < label[best]))
			best = s;
	}
	return label[best];
}

static void put(void *to, const void *from, size_t size)
{
	switch (size) {
	case 1:
		memcpy(to, from, 1);
		break;
	case 2:
		memcpy(to, from, 2);
		break;
	case 4:
		memcpy(to, from, 4);
		break;
	default:
		memcpy(to, from, 8);
		break;
	}
}

/* A row of an exact target: old voxels at a fixed stride. */
static void copy_row(const struct copying *c, const char *in, char *out, int64_t y, int64_t z)
{
	const int64_t *d = c->in->dim;
	int64_t n = c->t->dim[0], lo = 0, hi = n, start = 0, step = 0, width = 1;
	double u[3];
	position(c->t, 0, y, z, u);
	for (int a = 0; a < 3; a++) {
		int64_t first = (int64_t)u[a], by = (int64_t)c->t->map[a][0];
		/* 0 <= first + x * by < d[a] */
		int64_t low = by > 0 ? -first : by < 0 ? first - d[a] + 1 : 0;
		int64_t high = by > 0 ? d[a] - first : by < 0 ? first + 1 : n;
		if (!by && (first < 0 || first >= d[a]))
			high = 0;
		lo = low > lo ? low : lo;
		hi = high < hi ? high : hi;
		start += first * width;
		step += by * width;
		width *= d[a];
	}
	lo = lo > n ? n : lo;
	hi = hi < lo ? lo : hi;
	for (int64_t x = 0; x < lo; x++)
		put(out + (size_t)x * c->size, c->fill, c->size);
	for (int64_t x = hi; x < n; x++)
		put(out + (size_t)x * c->size, c->fill, c->size);
	if (hi == lo)
		return;
	const char *from = in + (start + lo * step) * (int64_t)c->size;
	if (step == 1)
		memcpy(out + (size_t)lo * c->size, from, (size_t)(hi - lo) * c->size);
	else
		for (int64_t x = lo; x < hi; x++, from += step * (int64_t)c->size)
			put(out + (size_t)x * c->size, from, c->size);
}

/* The nearest voxels of a row whose axis runs along one old axis: the other two stay. */
static void nearest_row(const struct copying *c, const char *in, char *out, int64_t y, int64_t z)
{
	const int64_t *d = c->in->dim;
	double u[3];
	int axis = 0;
	while (c->t->map[axis][0] == 0)
		axis++;
	position(c->t, 0, y, z, u);
	double step = c->t->map[axis][0], first = u[axis], last = (double)d[axis] - 0.5;
	u[axis] = 0;
	bool all = inside(d, u);
	int64_t base = nearest(d, u), stride = axis == 0 ? 1 : axis == 1 ? d[0] : d[0] * d[1];
	for (int64_t x = 0; x < c->t->dim[0]; x++, out += c->size) {
		double at = step * (double)x + first;
		int64_t i = all && at >= -0.5 - SLACK && at <= last + SLACK
				    ? (int64_t)(at + 1.5) - 1
				    : -2;
		if (i == -2) {
			put(out, c->fill, c->size);
			continue;
		}
		i = i < 0 ? 0 : i >= d[axis] ? d[axis] - 1 : i;
		put(out, in + (size_t)(base + i * stride) * c->size, c->size);
	}
}

static void choose_row(const struct copying *c, const char *in, char *out, int64_t y, int64_t z)
{
	const int64_t *d = c->in->dim;
	double start[3];
	position(c->t, 0, y, z, start);
	for (int64_t x = 0; x < c->t->dim[0]; x++, out += c->size) {
		double u[3];
		for (int r = 0; r < 3; r++)
			u[r] = c->t->map[r][0] * (double)x + start[r];
		if (!inside(d, u))
			put(out, c->fill, c->size);
		else if (c->vote)
			*(uint8_t *)out = vote_at((const uint8_t *)in, d, u);
		else
			put(out, in + (size_t)nearest(d, u) * c->size, c->size);
	}
}

static enum sm_status copy_plane(void *ctx, size_t plane, struct sm_err *err)
{
	const struct copying *c = ctx;
	const int64_t *n = c->t->dim;
	int64_t z = (int64_t)plane % n[2], frame = (int64_t)plane / n[2];
	const char *in = (const char *)c->in->data +
			 (size_t)frame * sm_vol_frame_count(c->in) * c->size;
	char *out = (char *)c->out->data + plane * (size_t)(n[0] * n[1]) * c->size;
	double map[4][4];
	memcpy(map, c->t->map, sizeof map);
	bool exact = sm_target_exact(c->t), table = !c->vote && lined_up(map);
	(void)err;
	for (int64_t y = 0; y < n[1]; y++, out += (size_t)n[0] * c->size) {
		if (exact)
			copy_row(c, in, out, y, z);
		else if (table)
			nearest_row(c, in, out, y, z);
		else
			choose_row(c, in, out, y, z);
	}
	return SM_OK;
}

static enum sm_status copy_voxels(const struct sm_vol *v, const struct sm_target *t, bool vote,
				  double fill, struct sm_mem *mem, int jobs, struct sm_vol *out,
				  struct sm_err *err)
{
	const int64_t dim[4] = {t->dim[0], t->dim[1], t->dim[2], v->dim[3]};
	struct copying c = {
		.in = v, .out = out, .t = t, .size = sm_dtype_size(v->dtype), .vote = vote};
	float f = (float)fill;
	if (v->dtype == SM_F32)
		memcpy(c.fill, &f, sizeof f);
	SM_TRY(sm_vol_init(out, dim, v->dtype, mem, "moved volume", err));
	return sm_par_for((size_t)(dim[2] * dim[3]), jobs, copy_plane, &c, err);
}

/* ---- volumes --------------------------------------------------------------------------------- */

/* True when a new voxel may lie outside the old grid: a corner does. */
static bool reaches_outside(const struct sm_vol *v, const struct sm_target *t)
{
	for (int k = 0; k < 8; k++) {
		double u[3];
		position(t, k & 1 ? t->dim[0] - 1 : 0, k & 2 ? t->dim[1] - 1 : 0,
			 k & 4 ? t->dim[2] - 1 : 0, u);
		if (!inside(v->dim, u))
			return true;
	}
	return false;
}

/* The new volume takes over what is not numbers. */
static void take_over(struct sm_vol *v, struct sm_vol *out, const struct sm_target *t)
{
	memcpy(out->affine, t->affine, sizeof out->affine);
	out->slope = v->slope;
	out->inter = v->inter;
	out->meaning = v->meaning;
	out->frame_seconds = v->frame_seconds;
	out->form_code = v->form_code;
	sm_vol_clear(v);
	*v = *out;
}

enum sm_status sm_vol_resample(struct sm_vol *v, const struct sm_target *t,
			       const struct sm_resample *how, struct sm_mem *mem, int jobs,
			       struct sm_err *err)
{
	struct sm_vol out = {0};
	struct sm_target u = *t;
	enum sm_status st;
	if (sm_target_same(v, t)) {
		memcpy(v->affine, t->affine, sizeof v->affine);
		return SM_OK;
	}
	bool choice = sm_target_exact(t) || how->method == SM_NEAREST;
	/* Stored 0 means 0 only without intercept: other integers become real first. */
	if (!choice || ((how->fill != 0 || v->inter != 0) && reaches_outside(v, t)))
		SM_TRY(sm_vol_to_f32(v, mem, jobs, err));
	if (choice) {
		st = copy_voxels(v, t, false, how->fill, mem, jobs, &out, err);
	} else if (lined_up(u.map)) {
		/* First the old axes in the order of the new ones. */
		struct sm_target turn = {.map[3][3] = 1};
		bool turned = false;
		for (int a = 0; a < 3; a++) {
			int from = 0;
			while (u.map[from][a] == 0)
				from++;
			turn.map[from][a] = 1;
			turn.dim[a] = v->dim[from];
			u.map[a][a] = t->map[from][a];
			u.map[a][3] = t->map[from][3];
			turned = turned || from != a;
		}
		if (turned) {
			SM_TRY(copy_voxels(v, &turn, false, 0, mem, jobs, &out, err));
			take_over(v, &out, t);
		}
		st = sm_resample_axes(v, &u, how, mem, jobs, &out, err);
	} else {
		st = sm_resample_oblique(v, t, how, mem, jobs, &out, err);
	}
	if (st != SM_OK) {
		sm_vol_clear(&out);
		return st;
	}
	take_over(v, &out, t);
	return SM_OK;
}

enum sm_status sm_labels_resample(struct sm_vol *v, const struct sm_target *t, bool vote,
				  struct sm_mem *mem, int jobs, struct sm_err *err)
{
	struct sm_vol out = {0};
	if (sm_target_same(v, t)) {
		memcpy(v->affine, t->affine, sizeof v->affine);
		return SM_OK;
	}
	enum sm_status st = copy_voxels(v, t, vote, 0, mem, jobs, &out, err);
	if (st != SM_OK) {
		sm_vol_clear(&out);
		return st;
	}
	take_over(v, &out, t);
	return SM_OK;
}
