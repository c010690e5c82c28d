/* SPDX-License-Identifier: Apache-2.0
 *
 * Brightness of stored numbers for the search for burned-in text.
 */
#ifndef SM_INGEST_BURNED_TEXT_LEVELS_H
#define SM_INGEST_BURNED_TEXT_LEVELS_H

#include "core/vol.h"

/* Stored number -> brightness: (v - low) * scale, cut at 0 and SM_TEXT_WHITE. */
struct sm_text_levels {
	double low, scale;
	int contrast, even;
};

/* The range of a sample: numbers beyond it become black and white, which leaves text what it is. A
 * scale of 0: all numbers are the same. SM_BUDGET. */
enum sm_status sm_text_levels_find(const struct sm_vol *vol, struct sm_mem *mem,
				   struct sm_text_levels *levels, struct sm_err *err);

/* The i-th stored number. */
double sm_text_number(const void *v, enum sm_dtype dtype, size_t i);

#endif
