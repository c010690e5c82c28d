/* SPDX-License-Identifier: Apache-2.0 */
#include "train/way_back.h"

#include <math.h>
#include <string.h>

bool sm_way_back_exact(const struct sm_way_back *way)
{
	for (int r = 0; r < 3; r++) {
		int in_row = 0, in_column = 0;
		for (int a = 0; a < 3; a++) {
			double v = way->way[r][a];
			if (v != 0 && v != 1 && v != -1)
				return false;
			in_row += v != 0;
			in_column += way->way[a][r] != 0;
		}
		double shift = way->way[r][3];
		if (in_row != 1 || in_column != 1 || shift != floor(shift))
			return false;
	}
	return true;
}

int sm_way_back_labels(const struct sm_way_back *way, int classes, uint8_t original[256])
{
	int unclear = -1;
	for (int label = 0; label < 256; label++) {
		int found = 0;
		original[label] = (uint8_t)label;
		for (size_t i = 0; i < way->pair_count; i++)
			if (way->pairs[i][1] == label) {
				original[label] = (uint8_t)way->pairs[i][0];
				found++;
			}
		if (found > 1) {
			original[label] = (uint8_t)label;
			if (unclear < 0 && label >= 1 && label <= classes)
				unclear = label;
		}
	}
	return unclear;
}

static enum sm_status source_vol(const struct sm_way_back *way, int64_t frames, enum sm_dtype type,
				 struct sm_mem *mem, struct sm_vol *out, struct sm_err *err)
{
	const int64_t dim[4] = {way->dim[0], way->dim[1], way->dim[2], frames};
	SM_TRY(sm_vol_init(out, dim, type, mem, "prediction", err));
	memset(out->data, 0, sm_vol_count(out) * sm_dtype_size(type));
	memcpy(out->affine, way->affine, sizeof out->affine);
	return SM_OK;
}

/* One row of the source: probabilities of all classes, class by class. */
struct row {
	const struct sm_vol *prob;
	const struct sm_way_back *way;
	bool exact;
	int64_t n; /* voxels of a row */
	float *p;  /* classes * n */
};

/* Where source voxel (x, y, z) lies. */
static void place_of(const struct sm_way_back *way, int64_t x, int64_t y, int64_t z, double at[3])
{
	for (int r = 0; r < 3; r++) {
		const double *m = way->way[r];
		at[r] = m[0] * (double)x + m[1] * (double)y + m[2] * (double)z + m[3];
	}
}

static void copy_row(struct row *row, int64_t y, int64_t z)
{
	const int64_t *d = row->prob->dim;
	const float *from = row->prob->data;
	double at[3];
	int64_t lo = 0, hi = row->n, start = 0, step = 0, width = 1;
	place_of(row->way, 0, y, z, at);
	for (int a = 0; a < 3; a++) {
		int64_t first = (int64_t)at[a], by = (int64_t)row->way->way[a][0];
		/* 0 <= first + x * by < d[a] */
		int64_t low = by > 0 ? -first : by < 0 ? first - d[a] + 1 : 0;
		int64_t high = by > 0 ? d[a] - first : by < 0 ? first + 1 : row->n;
		if (!by && (first < 0 || first >= d[a]))
			high = 0;
		lo = low > lo ? low : lo;
		hi = high < hi ? high : hi;
		start += first * width;
		step += by * width;
		width *= d[a];
	}
	for (int64_t c = 0; c < d[3]; c++)
		for (int64_t x = lo; x < hi; x++)
			row->p[c * row->n + x] = from[c * width + start + x * step];
}

static void interpolate_row(struct row *row, int64_t y, int64_t z)
{
	const int64_t *d = row->prob->dim, frame = d[0] * d[1] * d[2];
	const int64_t stride[3] = {1, d[0], d[0] * d[1]};
	const float *from = row->prob->data;
	for (int64_t x = 0; x < row->n; x++) {
		double at[3], f[3];
		int64_t base = 0, next[3];
		bool inside = true;
		place_of(row->way, x, y, z, at);
		for (int a = 0; a < 3; a++) {
			double last = (double)(d[a] - 1);
			inside = inside && at[a] >= -0.5 && at[a] <= last + 0.5;
			double u = at[a] < 0 ? 0 : at[a] > last ? last : at[a], low = floor(u);
			f[a] = u - low;
			next[a] = f[a] > 0 ? stride[a] : 0;
			base += inside ? (int64_t)low * stride[a] : 0;
		}
		for (int64_t c = 0; inside && c < d[3]; c++) {
			const float *p = from + c * frame + base;
			double sum = 0;
			for (int k = 0; k < 8; k++) {
				double w = (k & 1 ? f[0] : 1 - f[0]) * (k & 2 ? f[1] : 1 - f[1]) *
					   (k & 4 ? f[2] : 1 - f[2]);
				sum += w * (double)p[(k & 1 ? next[0] : 0) + (k & 2 ? next[1] : 0) +
						     (k & 4 ? next[2] : 0)];
			}
			row->p[c * row->n + x] = (float)sum;
		}
	}
}

static void fill_row(struct row *row, int64_t y, int64_t z)
{
	memset(row->p, 0, (size_t)(row->n * row->prob->dim[3]) * sizeof *row->p);
	if (row->exact)
		copy_row(row, y, z);
	else
		interpolate_row(row, y, z);
}

static enum sm_status row_init(struct row *row, const struct sm_vol *prob,
			       const struct sm_way_back *way, struct sm_mem *mem,
			       struct sm_err *err)
{
	*row = (struct row){
		.prob = prob, .way = way, .exact = sm_way_back_exact(way), .n = way->dim[0]};
	row->p = sm_alloc(mem, (size_t)row->n, (size_t)prob->dim[3] * sizeof *row->p, "a row", err);
	return row->p ? SM_OK : SM_BUDGET;
}

static uint8_t label_at(const float *p, size_t stride, int classes, float threshold)
{
	int best = 0;
	float value = threshold;
	for (int c = 0; c < classes; c++)
		if (p[(size_t)c * stride] > value) {
			value = p[(size_t)c * stride];
			best = c + 1;
		}
	return (uint8_t)best;
}

enum sm_status sm_infer_labels(const struct sm_vol *prob, const struct sm_way_back *way,
			       double threshold, const uint8_t original[256], struct sm_mem *mem,
			       struct sm_vol *out, int64_t counts[256], struct sm_err *err)
{
	const int64_t *s = way->dim;
	struct row row;
	*out = (struct sm_vol){0};
	SM_TRY(row_init(&row, prob, way, mem, err));
	enum sm_status st = source_vol(way, 1, SM_U8, mem, out, err);
	out->meaning = SM_MEANING_LABEL;
	uint8_t *label = out->data;
	for (int64_t z = 0; st == SM_OK && z < s[2]; z++)
		for (int64_t y = 0; y < s[1]; y++) {
			fill_row(&row, y, z);
			for (int64_t x = 0; x < s[0]; x++)
				label[(z * s[1] + y) * s[0] + x] =
					original[label_at(row.p + x, (size_t)s[0],
							  (int)prob->dim[3], (float)threshold)];
		}
	size_t n = st == SM_OK ? sm_vol_count(out) : 0;
	for (int i = 0; counts && i < 256; i++)
		counts[i] = 0;
	for (size_t i = 0; counts && i < n; i++)
		counts[label[i]]++;
	sm_free(row.p);
	return st;
}

enum sm_status sm_infer_place(const struct sm_vol *prob, const struct sm_way_back *way,
			      struct sm_mem *mem, struct sm_vol *out, struct sm_err *err)
{
	const int64_t *s = way->dim;
	struct row row;
	*out = (struct sm_vol){0};
	SM_TRY(row_init(&row, prob, way, mem, err));
	enum sm_status st = source_vol(way, prob->dim[3], SM_F32, mem, out, err);
	for (int64_t z = 0; st == SM_OK && z < s[2]; z++)
		for (int64_t y = 0; y < s[1]; y++) {
			fill_row(&row, y, z);
			for (int64_t c = 0; c < prob->dim[3]; c++)
				memcpy((float *)out->data + ((c * s[2] + z) * s[1] + y) * s[0],
				       row.p + c * s[0], (size_t)s[0] * sizeof(float));
		}
	sm_free(row.p);
	return st;
}
