/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/burned/text_levels.h"

#include <math.h>
#include <stdbool.h>

#include "ingest/burned/text_lines.h"

#define SAMPLES 16384 /* stored numbers that the range is taken from */

double sm_text_number(const void *v, enum sm_dtype dtype, size_t i)
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

/* What v[at] would be in order; moves the numbers. Sorting them all costs more than all the rest of
 * a small picture. */
static double number_in_order(double *v, size_t n, size_t at)
{
	size_t from = 0, end = n;
	while (end - from > 1) {
		double pivot =
			v[from + (end - from - 1) / 2]; /* never the last: the parts shrink */
		size_t i = from, j = end - 1;
		for (;;) {
			while (v[i] < pivot)
				i++;
			while (pivot < v[j])
				j--;
			if (i >= j)
				break;
			double swap = v[i];
			v[i++] = v[j];
			v[j--] = swap;
		}
		/* from..j is not above the pivot, j + 1..end - 1 not below it. */
		if (at <= j)
			end = j + 1;
		else
			from = j + 1;
	}
	return v[at];
}

/* The same for whole numbers from low to low + most: counted. */
static double counted_in_order(const uint16_t *counts, double low, int most, size_t at)
{
	size_t below = 0;
	int k = 0;
	while (k < most && below + counts[k] <= at)
		below += counts[k++];
	return low + k;
}

/* How far the sample's inner 99 per cent reach; moves the numbers. */
static enum sm_status inner_range(double *v, size_t n, double low, double range, bool whole,
				  struct sm_mem *mem, double *out, struct sm_err *err)
{
	size_t first = n / 200, last = n - 1 - n / 200;
	if (whole && range <= UINT16_MAX) {
		uint16_t *counts = sm_calloc(mem, (size_t)range + 1, sizeof *counts,
					     "search for burned-in text", err);
		if (!counts)
			return SM_BUDGET;
		for (size_t i = 0; i < n; i++)
			counts[(size_t)(v[i] - low)]++;
		*out = counted_in_order(counts, low, (int)range, last) -
		       counted_in_order(counts, low, (int)range, first);
		sm_free(counts);
		return SM_OK;
	}
	*out = number_in_order(v, n, last);
	*out -= number_in_order(v, n, first);
	return SM_OK;
}

enum sm_status sm_text_levels_find(const struct sm_vol *vol, struct sm_mem *mem,
				   struct sm_text_levels *levels, struct sm_err *err)
{
	size_t count = sm_vol_count(vol), step = count / SAMPLES + 1, n = 0;
	step += step > 1 && step % 2 == 0; /* not always the same columns */
	double *v = sm_alloc(mem, SAMPLES + 1, sizeof *v, "search for burned-in text", err);
	if (!v)
		return SM_BUDGET;
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < count && n <= SAMPLES; i += step) {
		v[n] = sm_text_number(vol->data, vol->dtype, i);
		n += isfinite(v[n]) != 0;
	}
	*levels = (struct sm_text_levels){0};
	if (n > 1) {
		double low = v[0], high = v[0];
		for (size_t i = 1; i < n; i++) {
			low = v[i] < low ? v[i] : low;
			high = v[i] > high ? v[i] : high;
		}
		double range = high - low, inner;
		bool whole = vol->dtype != SM_F32 && vol->dtype != SM_F64;
		SM_GOTO(st, inner_range(v, n, low, range, whole, mem, &inner, err));
		levels->low = low;
		if (inner <= 0)
			inner = range;
		if (range > 0 && isfinite(range)) {
			levels->scale = !whole || range > 2 * SM_TEXT_WHITE + 1
						? SM_TEXT_WHITE / range
					: range > SM_TEXT_WHITE ? 0.5
								: 1;
			levels->contrast = (int)(inner * levels->scale / 8);
			levels->even = levels->contrast / 16;
			if (levels->contrast < 2)
				levels->contrast = 2;
		}
	}
out:
	sm_free(v);
	return st;
}
