/* SPDX-License-Identifier: Apache-2.0
 *
 * Brightness of stored numbers for the search for burned-in text.
 */
#ifndef SM_INGEST_BURNED_TEXT_LEVELS_H
#define SM_INGEST_BURNED_TEXT_LEVELS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/vol.h"

/* Stored number -> brightness: (v - low) * scale, cut at 0 and SM_TEXT_WHITE. Of numbers of up to
 * 16 bits low is whole, and scale 0.5 or a power of two from 1 on. */
struct sm_text_levels {
	double low, scale;
	int contrast, even;
};

/* The range of a sample without what lies far from the rest of it: fill, padding, a hot voxel.
 * Numbers beyond it become black and white, which leaves text what it is. A scale of 0: all finite
 * numbers are the same. SM_BUDGET. */
enum sm_status sm_text_levels_find(const struct sm_vol *vol, struct sm_mem *mem,
				   struct sm_text_levels *levels, struct sm_err *err);

/* Is one of n stored numbers from `from` on NaN or infinite? vol is float32 or float64. */
bool sm_text_has_holes(const struct sm_vol *vol, size_t from, size_t n);

/* Of the same numbers a picture of what is not finite: NaN, finite, -infinity and infinity have a
 * brightness each, from 0 to SM_TEXT_WHITE. */
void sm_text_holes(const struct sm_vol *vol, size_t from, size_t n, int16_t *out);

/* The i-th stored number. */
double sm_text_stored(const void *v, enum sm_dtype dtype, size_t i);

#endif
