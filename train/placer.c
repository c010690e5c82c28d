/* SPDX-License-Identifier: Apache-2.0 */
#include "train/placer.h"

#include <math.h>
#include <string.h>

static size_t plane_values(const struct sm_task *task, const int64_t dim[3])
{
	return (size_t)dim[0] * (size_t)dim[1] * (size_t)task->channels;
}

size_t sm_placer_bytes(const struct sm_way_back *way, const struct sm_task *task,
		       const int64_t dim[3])
{
	size_t label;
	if (!sm_mul3((size_t)way->dim[0], (size_t)way->dim[1], (size_t)way->dim[2], &label))
		return SIZE_MAX;
	return label +
	       (plane_values(task, dim) + (size_t)(way->dim[0] * task->channels)) * sizeof(float) +
	       (size_t)way->dim[0] * sizeof(int64_t);
}

enum sm_status sm_placer_begin(struct sm_placer *p, struct sm_mem *mem, struct sm_err *err)
{
	const int64_t *s = p->way->dim, dim[4] = {s[0], s[1], s[2], 1};
	p->exact = sm_way_back_exact(p->way);
	p->bases = 0;
	SM_TRY(sm_vol_init(&p->label, dim, SM_U8, mem, "prediction", err));
	memset(p->label.data, 0, sm_vol_count(&p->label));
	memcpy(p->label.affine, p->way->affine, sizeof p->label.affine);
	p->label.meaning = SM_MEANING_LABEL;
	p->carry = sm_alloc(mem, plane_values(p->task, p->dim), sizeof *p->carry, "a plane", err);
	if (!p->carry)
		return SM_BUDGET;
	p->row = sm_alloc(mem, (size_t)(s[0] * p->task->channels), sizeof *p->row, "a row", err);
	p->where = p->row ? sm_alloc(mem, (size_t)s[0], sizeof *p->where, "a row", err) : NULL;
	return p->where ? SM_OK : SM_BUDGET;
}

void sm_placer_clear(struct sm_placer *p)
{
	sm_vol_clear(&p->label);
	sm_free(p->carry);
	sm_free(p->row);
	sm_free(p->where);
	p->carry = p->row = NULL;
	p->where = NULL;
}

/* Planes at hand: `first` .. end-1, the first one perhaps from the run before. */
struct planes {
	const float *p;
	int64_t z, end; /* of p */
};

static const float *plane_at(const struct sm_placer *p, const struct planes *q, int64_t z)
{
	return z < q->z ? p->carry : q->p + (size_t)(z - q->z) * plane_values(p->task, p->dim);
}

/* Where source voxel (x, y, z) lies along axis a. */
static double place(const struct sm_way_back *way, int a, int64_t x, int64_t y, int64_t z)
{
	const double *m = way->way[a];
	return m[0] * (double)x + m[1] * (double)y + m[2] * (double)z + m[3];
}

/* The range of x in a row for which `low` <= place along a < high, made wider by
 * rounding at most. */
static void narrow(const struct sm_way_back *way, int a, double low, double high, int64_t y,
		   int64_t z, int64_t *from, int64_t *to)
{
	double start = place(way, a, 0, y, z), by = way->way[a][0];
	if (by == 0) {
		if (start < low || start >= high)
			*to = *from;
		return;
	}
	double u = (low - start) / by, w = (high - start) / by;
	double first = floor(fmin(u, w)) - 1, last = ceil(fmax(u, w)) + 2;
	if (first > (double)*from)
		*from = first < (double)*to ? (int64_t)first : *to;
	if (last < (double)*to)
		*to = last > (double)*from ? (int64_t)last : *from;
}

/* Fills row and where with the voxels of a source row that lie in the planes; their number. */
static int64_t copy_row(struct sm_placer *p, const struct planes *q, int64_t y, int64_t z)
{
	const struct sm_way_back *way = p->way;
	const int64_t *d = p->dim, k = p->task->channels;
	const double low[3] = {0, 0, (double)q->z};
	const double high[3] = {(double)d[0], (double)d[1], (double)q->end};
	int64_t from = 0, to = way->dim[0], n = 0, first[3], by[3];
	for (int a = 0; a < 3; a++) {
		narrow(way, a, low[a], high[a], y, z, &from, &to);
		first[a] = (int64_t)place(way, a, 0, y, z);
		by[a] = (int64_t)way->way[a][0];
	}
	for (int64_t x = from; x < to; x++) {
		int64_t at[3];
		for (int a = 0; a < 3; a++)
			at[a] = first[a] + x * by[a];
		if (at[0] < 0 || at[0] >= d[0] || at[1] < 0 || at[1] >= d[1] || at[2] < q->z ||
		    at[2] >= q->end)
			continue;
		const float *v = q->p + (((at[2] - q->z) * d[1] + at[1]) * d[0] + at[0]) * k;
		for (int64_t c = 0; c < k; c++)
			p->row[n * k + c] = v[c];
		p->where[n++] = x;
	}
	return n;
}

/* Linear interpolation at one place; false when its voxel belongs to other planes. */
static bool interpolate(const struct sm_placer *p, const struct planes *q, int64_t until,
			const double at[3], float *out)
{
	const int64_t *d = p->dim, k = p->task->channels;
	double f[3];
	int64_t low[3];
	for (int a = 0; a < 3; a++) {
		double last = (double)(d[a] - 1);
		if (!(at[a] >= -0.5 && at[a] <= last + 0.5))
			return false;
		double u = at[a] < 0 ? 0 : at[a] > last ? last : at[a], whole = floor(u);
		f[a] = u - whole;
		low[a] = (int64_t)whole;
	}
	if (low[2] < p->bases || low[2] >= until)
		return false;
	int64_t across = f[0] > 0 ? k : 0, down = f[1] > 0 ? d[0] * k : 0;
	const float *near = plane_at(p, q, low[2]) + (low[1] * d[0] + low[0]) * k;
	const float *far =
		f[2] > 0 ? plane_at(p, q, low[2] + 1) + (low[1] * d[0] + low[0]) * k : near;
	for (int64_t c = 0; c < k; c++) {
		double sum = 0;
		for (int i = 0; i < 8; i++) {
			double w = (i & 1 ? f[0] : 1 - f[0]) * (i & 2 ? f[1] : 1 - f[1]) *
				   (i & 4 ? f[2] : 1 - f[2]);
			sum += w * (double)(i & 4 ? far : near)[c + (i & 1 ? across : 0) +
								(i & 2 ? down : 0)];
		}
		out[c] = (float)sum;
	}
	return true;
}

static int64_t interpolate_row(struct sm_placer *p, const struct planes *q, int64_t until,
			       int64_t y, int64_t z)
{
	const int64_t *d = p->dim, k = p->task->channels;
	int64_t from = 0, to = p->way->dim[0], n = 0;
	narrow(p->way, 0, -0.5, (double)d[0], y, z, &from, &to);
	narrow(p->way, 1, -0.5, (double)d[1], y, z, &from, &to);
	narrow(p->way, 2, p->bases ? (double)p->bases : -0.5, (double)until, y, z, &from, &to);
	for (int64_t x = from; x < to; x++) {
		double at[3];
		for (int a = 0; a < 3; a++)
			at[a] = place(p->way, a, x, y, z);
		if (interpolate(p, q, until, at, p->row + n * k))
			p->where[n++] = x;
	}
	return n;
}

static void put_row(struct sm_placer *p, int64_t n, int64_t y, int64_t z, uint8_t *work)
{
	const int64_t *s = p->way->dim, k = p->task->channels;
	size_t start = (size_t)((z * s[1] + y) * s[0]), frame = (size_t)(s[0] * s[1] * s[2]);
	uint8_t *label = (uint8_t *)p->label.data + start;
	for (int64_t at = 0; at < n; at += 256) {
		int64_t m = n - at < 256 ? n - at : 256;
		sm_task_labels(p->task, p->row + at * k, (size_t)m, p->threshold, work);
		for (int64_t i = 0; i < m; i++)
			label[p->where[at + i]] = work[i];
	}
	for (int64_t c = 0; p->map && c < k; c++)
		for (int64_t i = 0; i < n; i++)
			p->map[(size_t)c * frame + start + (size_t)p->where[i]] = p->row[i * k + c];
}

enum sm_status sm_placer_planes(void *ctx, int64_t z, int64_t n, const float *v, struct sm_err *err)
{
	struct sm_placer *p = ctx;
	const int64_t *s = p->way->dim;
	const struct planes q = {v, z, z + n};
	size_t plane = plane_values(p->task, p->dim);
	/* What lies between the last plane and the next one has to wait for it. */
	int64_t until = q.end < p->dim[2] ? q.end - 1 : q.end;
	uint8_t work[256];
	(void)err;
	for (int64_t sz = 0; sz < s[2]; sz++)
		for (int64_t sy = 0; sy < s[1]; sy++) {
			int64_t found = p->exact ? copy_row(p, &q, sy, sz)
						 : interpolate_row(p, &q, until, sy, sz);
			put_row(p, found, sy, sz, work);
		}
	p->bases = until;
	memcpy(p->carry, v + (size_t)(n - 1) * plane, plane * sizeof *v);
	if (p->let_go)
		p->let_go(p->ctx);
	return SM_OK;
}
