/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored words to the numbers of a volume (see dcm_volume.h): the loops every voxel goes through.
 */
#include <math.h>
#include <string.h>

#include "ingest/series/dcm_volume.h"

/* Pixels stand at any byte of a file. */
typedef uint16_t any16 __attribute__((aligned(1), may_alias));
typedef uint32_t any32 __attribute__((aligned(1), may_alias));
typedef float any_f32 __attribute__((aligned(1), may_alias));
typedef double any_f64 __attribute__((aligned(1), may_alias));

#define CHUNK 512

void sm_words_declared(const struct sm_pixel_format *f, int64_t *lowest, int64_t *highest)
{
	int64_t span = (int64_t)1 << f->bits_stored;
	*lowest = f->is_signed ? -span / 2 : 0;
	*highest = *lowest + span - 1;
}

enum sm_status sm_words_type(const struct sm_dcm_head *heads, const struct sm_series *series,
			     enum sm_dtype *type, struct sm_err *err)
{
	static const struct {
		enum sm_dtype type;
		int64_t lo, hi;
	} rows[] = {
		{SM_U8, 0, 255},         {SM_I16, -32768, 32767},
		{SM_U16, 0, 65535},      {SM_I32, INT32_MIN, INT32_MAX},
		{SM_U32, 0, UINT32_MAX},
	};
	int64_t lo = 0, hi = 0;
	for (size_t k = 0; k < series->n; k++) {
		int64_t a, b;
		const struct sm_pixel_format *f = &heads[series->slice[k].head].format;
		if (f->is_float) {
			*type = SM_F32;
			return SM_OK;
		}
		sm_words_declared(f, &a, &b);
		lo = a < lo ? a : lo;
		hi = b > hi ? b : hi;
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (lo >= rows[i].lo && hi <= rows[i].hi) {
			*type = rows[i].type;
			return SM_OK;
		}
	return SM_FAIL(
		err, SM_INPUT,
		"the slices mix signed and unsigned numbers of 32 bits; allowed is one of both");
}

struct bits {
	int shift;
	uint32_t mask, sign;
};

static struct bits bits_of(const struct sm_pixel_format *f)
{
	return (struct bits){
		.shift = f->high_bit - f->bits_stored + 1,
		.mask = f->bits_stored >= 32 ? 0xffffffffu : (1u << f->bits_stored) - 1,
		.sign = f->is_signed ? 1u << (f->bits_stored - 1) : 0,
	};
}

/* The common case, one pass that the compiler turns into vector code: 16 bits to 16 bits. Comparing
 * unsigned numbers as signed ones with the top bit turned round saves instructions that the oldest
 * processors of the architecture lack. (w ^ sign) - sign extends the sign bit without branches. */
static void run16(const any16 *from, size_t n, const struct sm_words *s, uint16_t turn,
		  uint16_t *restrict to, int16_t *lowest, int16_t *highest)
{
	int16_t lo = *lowest, hi = *highest;
	const struct bits b = bits_of(&s->head->format);
	const int shift = b.shift;
	const uint16_t times = (uint16_t)s->times, plus = (uint16_t)s->plus;
	const uint16_t mask = (uint16_t)b.mask, sign = (uint16_t)b.sign;
#pragma omp simd reduction(min : lo) reduction(max : hi)
	for (size_t i = 0; i < n; i++) {
		uint16_t w = (uint16_t)((from[i] >> shift) & mask);
		w = (uint16_t)((w ^ sign) - sign);
		to[i] = (uint16_t)((uint32_t)w * times + plus);
		int16_t v = (int16_t)(w ^ turn);
		lo = v < lo ? v : lo;
		hi = v > hi ? v : hi;
	}
	*lowest = lo;
	*highest = hi;
}

static void store16(const struct sm_words *s, struct sm_vol *vol, size_t at, size_t rows,
		    size_t row, double *lowest, double *highest)
{
	const struct sm_pixel_format *f = &s->head->format;
	int16_t lo = INT16_MAX, hi = INT16_MIN;
	uint16_t turn = f->is_signed ? 0 : 0x8000;
	for (size_t y = 0; y < rows; y++)
		run16((const any16 *)s->from + y * s->stride, row, s, turn,
		      (uint16_t *)vol->data + at + y * row, &lo, &hi);
	*lowest = f->is_signed ? lo : (double)(uint16_t)((uint16_t)lo ^ turn);
	*highest = f->is_signed ? hi : (double)(uint16_t)((uint16_t)hi ^ turn);
}

/* n stored numbers from word `at` on. */
static void unpack(const struct sm_words *s, size_t at, size_t n, int64_t *out)
{
	const struct sm_pixel_format *f = &s->head->format;
	const struct bits b = bits_of(f);
	for (size_t i = 0; i < n; i++) {
		uint32_t w = f->bits_allocated <= 8    ? ((const uint8_t *)s->from)[at + i]
			     : f->bits_allocated == 16 ? ((const any16 *)s->from)[at + i]
						       : ((const any32 *)s->from)[at + i];
		w = ((w >> b.shift & b.mask) ^ b.sign) - b.sign;
		out[i] = f->is_signed ? (int64_t)(int32_t)w : (int64_t)w;
	}
	if (s->mirror) {
		int64_t lo, hi;
		sm_words_declared(f, &lo, &hi);
		for (size_t i = 0; i < n; i++)
			out[i] = lo + hi - out[i];
	}
}

static void put(const struct sm_words *s, struct sm_vol *vol, size_t at, const int64_t *v, size_t n)
{
	switch (vol->dtype) {
	case SM_U8:
		for (size_t i = 0; i < n; i++)
			((uint8_t *)vol->data)[at + i] = (uint8_t)v[i];
		break;
	case SM_I16:
	case SM_U16: /* the same bits */
		for (size_t i = 0; i < n; i++)
			((uint16_t *)vol->data)[at + i] =
				(uint16_t)((uint32_t)v[i] * (uint32_t)s->times + (uint32_t)s->plus);
		break;
	case SM_F32:
		for (size_t i = 0; i < n; i++)
			((float *)vol->data)[at + i] =
				(float)(s->slope * (double)v[i] + s->intercept);
		break;
	default: /* SM_I32, SM_U32 */
		for (size_t i = 0; i < n; i++)
			((uint32_t *)vol->data)[at + i] = (uint32_t)v[i];
	}
}

static void store_any(const struct sm_words *s, struct sm_vol *vol, size_t at, size_t rows,
		      size_t row, double *lowest, double *highest)
{
	int64_t v[CHUNK], lo = INT64_MAX, hi = INT64_MIN;
	for (size_t y = 0; y < rows; y++)
		for (size_t x = 0; x < row; x += CHUNK) {
			size_t n = row - x < CHUNK ? row - x : CHUNK;
			unpack(s, y * s->stride + x, n, v);
			for (size_t i = 0; i < n; i++) {
				lo = v[i] < lo ? v[i] : lo;
				hi = v[i] > hi ? v[i] : hi;
			}
			put(s, vol, at + y * row + x, v, n);
		}
	*lowest = (double)lo;
	*highest = (double)hi;
}

static void store_float(const struct sm_words *s, struct sm_vol *vol, size_t at, size_t rows,
			size_t row, double *lowest, double *highest)
{
	bool wide = s->head->format.bits_allocated == 64;
	float *to = (float *)vol->data + at;
	for (size_t y = 0; y < rows; y++)
		for (size_t x = 0; x < row; x++) {
			size_t i = y * s->stride + x;
			double v = wide ? ((const any_f64 *)s->from)[i]
					: (double)((const any_f32 *)s->from)[i];
			to[y * row + x] = (float)(s->slope * v + s->intercept);
		}
	*lowest = *highest = 0;
}

void sm_words_store(const struct sm_words *s, struct sm_vol *vol, size_t at, double *lowest,
		    double *highest)
{
	size_t rows = s->rows ? s->rows : (size_t)s->head->tile_rows,
	       row = (size_t)s->head->tile_columns;
	if (s->stride == row) { /* one run */
		row *= rows;
		rows = 1;
	}
	if (s->head->format.is_float)
		store_float(s, vol, at, rows, row, lowest, highest);
	else if (s->head->format.bits_allocated == 16 && !s->mirror &&
		 (vol->dtype == SM_I16 || vol->dtype == SM_U16))
		store16(s, vol, at, rows, row, lowest, highest);
	else
		store_any(s, vol, at, rows, row, lowest, highest);
}
