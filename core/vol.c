/* SPDX-License-Identifier: Apache-2.0 */
#include "core/vol.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"

#define BLOCK ((size_t)1 << 18) /* values one task converts */

static const struct {
	size_t size;
	const char *name;
} dtypes[] = {
	[SM_U8] = {1, "uint8"},    [SM_I8] = {1, "int8"},    [SM_I16] = {2, "int16"},
	[SM_U16] = {2, "uint16"},  [SM_I32] = {4, "int32"},  [SM_U32] = {4, "uint32"},
	[SM_I64] = {8, "int64"},   [SM_U64] = {8, "uint64"}, [SM_F32] = {4, "float32"},
	[SM_F64] = {8, "float64"},
};

size_t sm_dtype_size(enum sm_dtype dtype)
{
	return dtypes[dtype].size;
}

const char *sm_dtype_name(enum sm_dtype dtype)
{
	return dtypes[dtype].name;
}

const char *sm_meaning_name(enum sm_meaning meaning)
{
	static const char *const names[] = {
		[SM_MEANING_ARBITRARY] = "arbitrary",
		[SM_MEANING_HU] = "HU",
		[SM_MEANING_SUV] = "SUV",
		[SM_MEANING_BQML] = "Bq/ml",
		[SM_MEANING_LABEL] = "label",
	};
	return names[meaning];
}

enum sm_status sm_vol_init(struct sm_vol *vol, const int64_t dim[4], enum sm_dtype dtype,
			   struct sm_mem *mem, const char *what, struct sm_err *err)
{
	size_t count = 1;
	*vol = (struct sm_vol){.dtype = dtype, .slope = 1};
	for (int a = 0; a < 4; a++) {
		if (dim[a] < 1)
			return SM_FAIL(err, SM_INPUT,
				       "%s: size of axis %d is %lld, must be at least 1", what,
				       a + 1, (long long)dim[a]);
		if (!sm_mul(count, (size_t)dim[a], &count))
			return SM_FAIL(
				err, SM_BUDGET,
				"%s: %lld x %lld x %lld x %lld values overflow the address space",
				what, (long long)dim[0], (long long)dim[1], (long long)dim[2],
				(long long)dim[3]);
	}
	void *data = sm_alloc(mem, count, sm_dtype_size(dtype), what, err);
	if (!data)
		return SM_BUDGET;
	vol->data = data;
	memcpy(vol->dim, dim, sizeof vol->dim);
	for (int a = 0; a < 4; a++)
		vol->affine[a][a] = 1;
	return SM_OK;
}

void sm_vol_clear(struct sm_vol *vol)
{
	sm_free(vol->data);
	*vol = (struct sm_vol){0};
}

size_t sm_vol_frame_count(const struct sm_vol *vol)
{
	return (size_t)vol->dim[0] * (size_t)vol->dim[1] * (size_t)vol->dim[2];
}

size_t sm_vol_count(const struct sm_vol *vol)
{
	return sm_vol_frame_count(vol) * (size_t)vol->dim[3];
}

void sm_vol_spacing(const struct sm_vol *vol, double spacing[3])
{
	for (int a = 0; a < 3; a++) {
		double x = vol->affine[0][a], y = vol->affine[1][a], z = vol->affine[2][a];
		spacing[a] = sqrt(x * x + y * y + z * z);
	}
}

void sm_vol_axes(const struct sm_vol *vol, char out[4])
{
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	double spacing[3], best = -1;
	const int *order = orders[0];
	sm_vol_spacing(vol, spacing);
	/* The assignment of index axes to world axes with the largest sum of cosines: taking each
	 * axis's largest component alone could name one world axis twice. */
	for (int o = 0; o < 6; o++) {
		double sum = 0;
		for (int a = 0; a < 3; a++)
			sum += spacing[a] > 0 ? fabs(vol->affine[orders[o][a]][a]) / spacing[a] : 0;
		if (sum > best) {
			best = sum;
			order = orders[o];
		}
	}
	for (int a = 0; a < 3; a++)
		out[a] = (vol->affine[order[a]][a] < 0 ? "LPI" : "RAS")[order[a]];
	out[3] = 0;
}

/* Applies EXPR to every type: `s` is the typed source pointer. */
#define BY_TYPE(dtype, src, STATEMENT) \
	do { \
		switch (dtype) { \
		case SM_U8: { \
			const uint8_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_I8: { \
			const int8_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_I16: { \
			const int16_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_U16: { \
			const uint16_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_I32: { \
			const int32_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_U32: { \
			const uint32_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_I64: { \
			const int64_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_U64: { \
			const uint64_t *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_F32: { \
			const float *s = (src); \
			STATEMENT; \
			break; \
		} \
		case SM_F64: { \
			const double *s = (src); \
			STATEMENT; \
			break; \
		} \
		} \
	} while (0)

double sm_vol_at(const struct sm_vol *vol, size_t index)
{
	double v = 0;
	BY_TYPE(vol->dtype, vol->data, v = (double)s[index]);
	return vol->slope * v + vol->inter;
}

struct convert {
	enum sm_dtype dtype;
	const void *src;
	float *dst;
	double slope, inter;
	size_t n;
};

/* n values from src on as slope * value + inter. */
static void to_f32(enum sm_dtype dtype, const void *src, double slope, double inter, size_t n,
		   float *dst)
{
	if (slope == 1 && inter == 0)
		BY_TYPE(dtype, src, for (size_t i = 0; i < n; i++) dst[i] = (float)s[i]);
	else
		BY_TYPE(dtype, src,
			for (size_t i = 0; i < n; i++) dst[i] =
				(float)(slope * (double)s[i] + inter));
}

static enum sm_status convert_block(void *ctx, size_t block, struct sm_err *err)
{
	(void)err;
	const struct convert *c = ctx;
	size_t lo = block * BLOCK, n = c->n - lo < BLOCK ? c->n - lo : BLOCK,
	       size = sm_dtype_size(c->dtype);
	const char *src = (const char *)c->src + lo * size;
	to_f32(c->dtype, src, c->slope, c->inter, n, c->dst + lo);
	/* The two volumes are never there whole at once. */
	if (c->src != c->dst && c->n > 4 * BLOCK)
		sm_let_go(src, n * size);
	return SM_OK;
}

void sm_vol_run_f32(const struct sm_vol *vol, size_t at, size_t n, float *out)
{
	const char *src = (const char *)vol->data + at * sm_dtype_size(vol->dtype);
	to_f32(vol->dtype, src, vol->slope, vol->inter, n, out);
}

/* Integers without a factor all fit, so only float64 and scaled values are looked at. */
enum sm_status sm_vol_fits_f32(const struct sm_vol *vol, struct sm_err *err)
{
	double lo, hi;
	size_t bad;
	bool scaled = vol->slope != 1 || vol->inter != 0;
	/* 2^64 is above every integer type. */
	if (vol->dtype != SM_F64 &&
	    (!scaled || (vol->dtype != SM_F32 &&
			 fabs(vol->slope) * 0x1p64 + fabs(vol->inter) <= (double)FLT_MAX)))
		return SM_OK;
	sm_vol_range(vol, &lo, &hi, &bad);
	if (fabs(lo) <= (double)FLT_MAX && fabs(hi) <= (double)FLT_MAX)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "values from %.6g to %.6g do not fit float32, allowed are -3.4e38 to 3.4e38",
		       lo, hi);
}

enum sm_status sm_vol_to_f32(struct sm_vol *vol, struct sm_mem *mem, int jobs, struct sm_err *err)
{
	if (vol->dtype == SM_F32 && vol->slope == 1 && vol->inter == 0)
		return SM_OK;
	struct convert c = {.dtype = vol->dtype,
			    .src = vol->data,
			    .dst = vol->data,
			    .slope = vol->slope,
			    .inter = vol->inter,
			    .n = sm_vol_count(vol)};
	SM_TRY(sm_vol_fits_f32(vol, err));
	if (vol->dtype != SM_F32)
		c.dst = sm_alloc(mem, c.n, sizeof(float), "volume as float32", err);
	if (!c.dst)
		return SM_BUDGET;
	enum sm_status st = sm_par_for((c.n + BLOCK - 1) / BLOCK, jobs, convert_block, &c, err);
	if (st != SM_OK) {
		if (c.dst != vol->data)
			sm_free(c.dst);
		return st;
	}
	if (c.dst != vol->data)
		sm_free(vol->data);
	vol->data = c.dst;
	vol->dtype = SM_F32;
	vol->slope = 1;
	vol->inter = 0;
	return SM_OK;
}

/* Index of the first value that is no whole number in 0..255, n when all are. */
static size_t labels_from(const struct sm_vol *vol, size_t n, uint8_t *dst)
{
	double slope = vol->slope, inter = vol->inter;
#define TO_LABEL \
	for (size_t i = 0; i < n; i++) { \
		double v = slope * (double)s[i] + inter; \
		if (!(v >= 0 && v <= 255) || v != (double)(uint8_t)v) \
			return i; \
		dst[i] = (uint8_t)v; \
	}
	BY_TYPE(vol->dtype, vol->data, TO_LABEL);
#undef TO_LABEL
	return n;
}

enum sm_status sm_vol_to_labels(struct sm_vol *vol, struct sm_mem *mem, const char *what,
				struct sm_err *err)
{
	size_t n = sm_vol_count(vol);
	if (vol->dtype != SM_U8 || vol->slope != 1 || vol->inter != 0) {
		uint8_t *dst = sm_alloc(mem, n, 1, "volume as labels", err);
		if (!dst)
			return SM_BUDGET;
		size_t bad = labels_from(vol, n, dst);
		if (bad < n) {
			double v = sm_vol_at(vol, bad);
			size_t x = (size_t)vol->dim[0], y = (size_t)vol->dim[1];
			char text[40];
			snprintf(text, sizeof text, "%.9g", v);
			/* What looks whole and is not gets all its digits. */
			if (v != floor(v) && strtod(text, NULL) == floor(strtod(text, NULL)))
				snprintf(text, sizeof text, "%.17g", v);
			sm_free(dst);
			return SM_FAIL(err, SM_INPUT,
				       "%s: value %s at voxel (%zu, %zu, %zu) is no label: "
				       "allowed are whole numbers in 0..255",
				       what, text, bad % x, bad / x % y,
				       bad / x / y % (size_t)vol->dim[2]);
		}
		sm_free(vol->data);
		vol->data = dst;
		vol->dtype = SM_U8;
		vol->slope = 1;
		vol->inter = 0;
	}
	vol->meaning = SM_MEANING_LABEL;
	return SM_OK;
}

double sm_affine_gap_mm(double a[4][4], double b[4][4], const int64_t dim[3])
{
	double worst = 0;
	for (int corner = 0; corner < 8; corner++) {
		double sum = 0;
		for (int r = 0; r < 3; r++) {
			double d = a[r][3] - b[r][3];
			for (int c = 0; c < 3; c++)
				if (corner >> c & 1)
					d += (a[r][c] - b[r][c]) * (double)(dim[c] - 1);
			sum += d * d;
		}
		double gap = sqrt(sum);
		if (!(gap <= worst)) /* a NaN is a gap too */
			worst = gap;
	}
	return worst;
}

double sm_vol_gap_mm(const struct sm_vol *a, const struct sm_vol *b)
{
	double p[4][4], q[4][4];
	memcpy(p, a->affine, sizeof p);
	memcpy(q, b->affine, sizeof q);
	return sm_affine_gap_mm(p, q, a->dim);
}

enum sm_status sm_vol_same_grid(const struct sm_vol *a, const char *name_a, const struct sm_vol *b,
				const char *name_b, double tol_mm, struct sm_err *err)
{
	for (int i = 0; i < 3; i++)
		if (a->dim[i] != b->dim[i])
			return SM_FAIL(
				err, SM_INPUT,
				"%s: size along %c is %lld, but %s has %lld: both must be on the "
				"same grid",
				name_b, "xyz"[i], (long long)b -> dim[i], name_a,
				(long long)a -> dim[i]);
	double gap = sm_vol_gap_mm(a, b);
	if (!(gap <= tol_mm))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: a corner voxel lies %.4g mm from where it lies in %s, allowed are "
			"%.4g mm",
			name_b, gap, name_a, tol_mm);
	return SM_OK;
}

enum sm_status sm_vol_copy(struct sm_vol *dst, const struct sm_vol *src, struct sm_mem *mem,
			   struct sm_err *err)
{
	*dst = (struct sm_vol){0};
	size_t count = sm_vol_count(src), size = sm_dtype_size(src->dtype);
	void *data = sm_alloc(mem, count, size, "copy of a volume", err);
	if (!data)
		return SM_BUDGET;
	memcpy(data, src->data, count * size);
	*dst = *src;
	dst->data = data;
	return SM_OK;
}

size_t sm_vol_zero_not_finite(struct sm_vol *vol)
{
	size_t n = sm_vol_count(vol), found = 0;
	double zero = vol->inter == 0 ? 0 : -vol->inter / vol->slope;
	float *f = vol->data;
	double *d = vol->data;
	if (vol->dtype == SM_F32) {
		for (size_t i = 0; i < n; i++)
			if (!isfinite(f[i])) {
				f[i] = (float)zero;
				found++;
			}
	} else if (vol->dtype == SM_F64) {
		for (size_t i = 0; i < n; i++)
			if (!isfinite(d[i])) {
				d[i] = zero;
				found++;
			}
	}
	return found;
}

struct range {
	double min, max;
	size_t bad;
};

/* Extremes of the stored float or double values; a compare with NaN is false, so only Inf needs a
 * test of its own. */
#define RANGE_FLOAT(T, NAME) \
	static struct range NAME(const T *s, size_t n) { \
		T lo = (T)INFINITY, hi = -(T)INFINITY; \
		size_t bad = 0; \
		for (size_t i = 0; i < n; i++) { \
			T v = s[i]; \
			int finite = v - v == 0; \
			bad += !finite; \
			lo = finite && v < lo ? v : lo; \
			hi = finite && v > hi ? v : hi; \
		} \
		return (struct range){lo, hi, bad}; \
	}
RANGE_FLOAT(float, range_f32)
RANGE_FLOAT(double, range_f64)

static struct range range_int(const struct sm_vol *vol, size_t n)
{
	struct range r = {0};
#define EXTREMES \
	__typeof__(*s + 0) lo = s[0], hi = s[0]; \
	for (size_t i = 1; i < n; i++) { \
		lo = s[i] < lo ? s[i] : lo; \
		hi = s[i] > hi ? s[i] : hi; \
	} \
	r.min = (double)lo; \
	r.max = (double)hi
	BY_TYPE(vol->dtype, vol->data, EXTREMES);
#undef EXTREMES
	return r;
}

void sm_vol_range(const struct sm_vol *vol, double *min, double *max, size_t *not_finite)
{
	size_t n = sm_vol_count(vol);
	struct range r = vol->dtype == SM_F32   ? range_f32(vol->data, n)
			 : vol->dtype == SM_F64 ? range_f64(vol->data, n)
						: range_int(vol, n);
	if (r.bad == n)
		r.min = r.max = 0;
	else if (vol->slope < 0) {
		double t = r.min;
		r.min = r.max;
		r.max = t;
	}
	*min = r.bad == n ? 0 : vol->slope * r.min + vol->inter;
	*max = r.bad == n ? 0 : vol->slope * r.max + vol->inter;
	*not_finite = r.bad;
}
