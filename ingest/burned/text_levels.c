/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/text_levels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "ingest/burned/text_strokes.h"

#define SAMPLES 16384 /* stored numbers that the range is taken from */
#define RARE 128      /* fewer of them that differ: the others are looked for one by one */
#define PART 4096     /* stored numbers that are asked at once whether one differs */
#define FAR 3   /* what is so many times the range of the rest away from it does not belong to it */
#define TAIL 16 /* inner ranges above and below the inner range that keep their order */
#define COARSE 16 /* whole numbers of an inner range below it are stretched: one may be a letter */
#define STRETCH 16 /* at least so much */

double sm_text_stored(const void *v, enum sm_dtype dtype, size_t i)
{
	switch (dtype) {
	case SM_U8:
		return ((const uint8_t *)v)[i];
	case SM_I8:
		return ((const int8_t *)v)[i];
	case SM_U16:
		return ((const uint16_t *)v)[i];
	case SM_I16:
		return ((const int16_t *)v)[i];
	case SM_U32:
		return ((const uint32_t *)v)[i];
	case SM_I32:
		return ((const int32_t *)v)[i];
	case SM_U64:
		return (double)((const uint64_t *)v)[i];
	case SM_I64:
		return (double)((const int64_t *)v)[i];
	case SM_F32:
		return ((const float *)v)[i];
	case SM_F64:
		return ((const double *)v)[i];
	}
	return 0;
}

static const char what[] = "search for burned-in text";

/* Different numbers in order, and how often the sample has each. */
struct sample {
	double *v;
	uint16_t *times;
	size_t n; /* numbers; afterwards different ones */
	bool whole;
};

/* Whole numbers, the same order as that of the finite numbers. */
static uint64_t key_of(double v)
{
	uint64_t bits;
	v += 0.0; /* one zero */
	memcpy(&bits, &v, sizeof bits);
	return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

static double number_of(uint64_t bits)
{
	double v;
	bits = bits >> 63 ? bits & ~((uint64_t)1 << 63) : ~bits;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Byte by byte: comparisons cost more than all the rest of a small picture. */
static enum sm_status sort(double *v, size_t n, struct sm_mem *mem, struct sm_err *err)
{
	uint32_t many[8][256] = {{0}};
	uint64_t *keys = sm_alloc(mem, 2 * n, sizeof *keys, what, err);
	if (!keys)
		return SM_BUDGET;
	uint64_t *from = keys, *to = keys + n;
	for (size_t i = 0; i < n; i++) {
		from[i] = key_of(v[i]);
		for (int k = 0; k < 8; k++)
			many[k][from[i] >> 8 * k & 255]++;
	}
	for (int k = 0; k < 8; k++) {
		uint32_t at = 0;
		if (many[k][from[0] >> 8 * k & 255] == n)
			continue;
		for (int d = 0; d < 256; d++) {
			uint32_t next = at + many[k][d];
			many[k][d] = at;
			at = next;
		}
		for (size_t i = 0; i < n; i++)
			to[many[k][from[i] >> 8 * k & 255]++] = from[i];
		uint64_t *swap = from;
		from = to;
		to = swap;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = number_of(from[i]);
	sm_free(keys);
	return SM_OK;
}

/* Whole numbers close together are counted, others sorted. */
static enum sm_status order(struct sample *s, struct sm_mem *mem, struct sm_err *err)
{
	double low = s->v[0], high = s->v[0];
	size_t m = 0;
	for (size_t i = 1; i < s->n; i++) {
		low = s->v[i] < low ? s->v[i] : low;
		high = s->v[i] > high ? s->v[i] : high;
	}
	bool counted = s->whole && high - low <= UINT16_MAX;
	size_t places = counted ? (size_t)(high - low) + 1 : s->n;
	sm_free(s->times);
	if (!(s->times = sm_calloc(mem, places, sizeof *s->times, what, err)))
		return SM_BUDGET;
	if (counted) {
		for (size_t i = 0; i < s->n; i++)
			s->times[(size_t)(s->v[i] - low)]++;
		for (size_t k = 0; k < places; k++)
			if (s->times[k]) {
				s->v[m] = low + (double)k;
				s->times[m++] = s->times[k];
			}
	} else {
		SM_TRY(sort(s->v, s->n, mem, err));
		for (size_t i = 0; i < s->n; i++) {
			m += i > 0 && s->v[i] != s->v[m];
			s->v[m] = s->v[i];
			s->times[m]++;
		}
		m++;
	}
	s->n = m;
	return SM_OK;
}

/* How many of `n` stored numbers from `from` on are finite and not `common`. */
SM_TEXT_CLONES static size_t unlike(const struct sm_vol *vol, size_t from, size_t n, double common)
{
	size_t sum = 0;
#define UNLIKE(which, type) \
	case which: { \
		const type *v = (const type *)vol->data + from; \
		for (size_t i = 0; i < n; i++) \
			sum += ((double)v[i] != common) & (v[i] - v[i] == 0); \
	} break
	switch (vol->dtype) {
		UNLIKE(SM_U8, uint8_t);
		UNLIKE(SM_I8, int8_t);
		UNLIKE(SM_U16, uint16_t);
		UNLIKE(SM_I16, int16_t);
		UNLIKE(SM_U32, uint32_t);
		UNLIKE(SM_I32, int32_t);
		UNLIKE(SM_U64, uint64_t);
		UNLIKE(SM_I64, int64_t);
		UNLIKE(SM_F32, float);
		UNLIKE(SM_F64, double);
	}
#undef UNLIKE
	return sum;
}

/* A sample of all stored numbers but `common`, and that one once; NaN: of all. */
static size_t sample_others(const struct sm_vol *vol, double common, double *v)
{
	size_t count = sm_vol_count(vol), size = sm_dtype_size(vol->dtype), others = 0, n = 0;
	if (!memcmp(vol->data, (const char *)vol->data + size, (count - 1) * size))
		return 0;
	for (size_t i = 0; i < count; i += PART)
		others += unlike(vol, i, count - i < PART ? count - i : PART, common);
	size_t step = others / SAMPLES + 1, skip = 0;
	for (size_t i = 0; i < count; i += PART) {
		size_t end = count - i < PART ? count : i + PART;
		size_t left = unlike(vol, i, end - i, common);
		for (size_t k = i; k < end && left; k++) {
			double x = sm_text_stored(vol->data, vol->dtype, k);
			if (!isfinite(x) || x == common)
				continue;
			left--;
			if (skip-- == 0) {
				v[n++] = x;
				skip = step - 1;
			}
		}
	}
	if (n && !isnan(common))
		v[n++] = common;
	return n;
}

/* The different numbers in order. A volume that is nearly all one number, by a sample of its
 * places, is asked for the others: text in one slice is few of them. */
static enum sm_status take_sample(const struct sm_vol *vol, struct sample *s, struct sm_mem *mem,
				  struct sm_err *err)
{
	size_t count = sm_vol_count(vol), step = count / SAMPLES + 1, most = 0;
	step += step > 1 && step % 2 == 0; /* not always the same columns */
	if (!(s->v = sm_alloc(mem, SAMPLES + 2, sizeof *s->v, what, err)))
		return SM_BUDGET;
	for (size_t i = 0; i < count && s->n <= SAMPLES; i += step) {
		s->v[s->n] = sm_text_stored(vol->data, vol->dtype, i);
		s->n += isfinite(s->v[s->n]) != 0;
	}
	size_t n = s->n;
	if (n)
		SM_TRY(order(s, mem, err));
	for (size_t i = 0; i < s->n; i++)
		most = s->times[i] > s->times[most] ? i : most;
	if (n && n - s->times[most] >= RARE)
		return SM_OK;
	s->n = sample_others(vol, n ? s->v[most] : NAN, s->v);
	return s->n ? order(s, mem, err) : SM_OK;
}

/* What belongs together, first to last of the different numbers: the closest half of them, and what
 * is not far away from it. Fill, padding and a hot voxel are few different numbers, however often
 * they come, and far away. */
static void belong(const struct sample *s, size_t *first, size_t *last)
{
	const double *v = s->v;
	size_t half = s->n / 2;
	*first = 0;
	for (size_t i = 1; i + half < s->n; i++)
		if (v[i + half] - v[i] < v[*first + half] - v[*first])
			*first = i;
	*last = *first + half;
	for (;;) {
		double most = FAR * (v[*last] - v[*first]);
		double below = *first > 0 ? v[*first] - v[*first - 1] : INFINITY;
		double above = *last + 1 < s->n ? v[*last + 1] - v[*last] : INFINITY;
		if (below <= above && below <= most && *first > 0)
			--*first;
		else if (above <= most && *last + 1 < s->n)
			++*last;
		else
			return;
	}
}

/* The number below which `below` of those from first on lie. */
static double number_in_order(const struct sample *s, size_t first, size_t below)
{
	while (below >= s->times[first])
		below -= s->times[first++];
	return s->v[first];
}

static void choose(const struct sample *s, struct sm_text_levels *levels)
{
	size_t first, last, n = 0;
	belong(s, &first, &last);
	for (size_t i = first; i <= last; i++)
		n += s->times[i];
	double from = number_in_order(s, first, n / 200);
	double to = number_in_order(s, first, n - 1 - n / 200);
	double low = s->v[0], high = s->v[s->n - 1];
	double all = s->v[last] - s->v[first], inner = to > from ? to - from : all;
	bool coarse = s->whole && inner < COARSE;
	double most = coarse ? SM_TEXT_WHITE / STRETCH : SM_TEXT_WHITE;
	if (!s->whole || high - low > most) {
		/* What is left out stays darker or brighter than the rest. */
		low = first > 0 ? fmax(low, s->v[first] - all) : low;
		high = last + 1 < s->n ? fmin(high, s->v[last] + all) : high;
	}
	if (!s->whole || high - low > (coarse ? most : 2 * SM_TEXT_WHITE + 1)) {
		low = fmax(low, from - TAIL * inner);
		high = fmin(high, to + TAIL * inner);
	}
	double range = high - low;
	if (!(range > 0) || !isfinite(range))
		return;
	levels->low = low;
	levels->scale = !s->whole || range > 2 * SM_TEXT_WHITE + 1 ? SM_TEXT_WHITE / range
			: range > SM_TEXT_WHITE                    ? 0.5
								   : 1;
	while (coarse && 2 * levels->scale * range <= SM_TEXT_WHITE)
		levels->scale *= 2;
	levels->contrast = (int)(inner * levels->scale / 8);
	levels->even = levels->contrast / 16;
	if (levels->contrast < 2)
		levels->contrast = 2;
}

enum sm_status sm_text_levels_find(const struct sm_vol *vol, struct sm_mem *mem,
				   struct sm_text_levels *levels, struct sm_err *err)
{
	struct sample s = {.whole = vol->dtype != SM_F32 && vol->dtype != SM_F64};
	*levels = (struct sm_text_levels){0};
	enum sm_status st = take_sample(vol, &s, mem, err);
	if (st == SM_OK && s.n > 1)
		choose(&s, levels);
	sm_free(s.v);
	sm_free(s.times);
	return st;
}

SM_TEXT_CLONES bool sm_text_has_holes(const struct sm_vol *vol, size_t from, size_t n)
{
	const float *v = (const float *)vol->data + from;
	uint32_t bits, some = 0;
	if (vol->dtype == SM_F64) /* no number is equal to NaN */
		return unlike(vol, from, n, NAN) < n;
	/* The exponent's highest step carries into the sign's place. */
	for (size_t i = 0; i < n; i++) {
		memcpy(&bits, &v[i], sizeof bits);
		some |= (bits & INT32_MAX) + 0x800000;
	}
	return some >> 31;
}

SM_TEXT_CLONES void sm_text_holes(const struct sm_vol *vol, size_t from, size_t n,
				  int16_t *restrict out)
{
	const float *f = (const float *)vol->data + from;
	const double *d = (const double *)vol->data + from;
#define HOLE(v) \
	((v) - (v) == 0 ? SM_TEXT_WHITE / 2 \
	 : (v) < 0      ? SM_TEXT_WHITE / 4 * 3 \
	 : (v) > 0      ? SM_TEXT_WHITE \
			: 0)
	if (vol->dtype == SM_F64)
		for (size_t i = 0; i < n; i++)
			out[i] = (int16_t)HOLE(d[i]);
	else
		for (size_t i = 0; i < n; i++)
			out[i] = (int16_t)HOLE(f[i]);
#undef HOLE
}
