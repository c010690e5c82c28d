/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows of a slice may hold letters: a fast look at the stored numbers, before the search of
 * text_lines.h. Stems of letters are bars of one value that stand out on both sides; tissue hardly
 * ever is.
 */
#ifndef SM_INGEST_BURNED_TEXT_SCREEN_H
#define SM_INGEST_BURNED_TEXT_SCREEN_H

#include <stdint.h>

#include "core/vol.h"

#define SM_TEXT_BAND 16   /* rows that get one verdict */
#define SM_TEXT_NARROW 82 /* pictures that are not so wide get no look: nothing may be in them */
/* Bits of a verdict. */
#define SM_TEXT_BRIGHT 1
#define SM_TEXT_DARK 2

/* The verdict of the SM_TEXT_BAND rows from y on. slice: width * height stored numbers. `contrast`:
 * how far stems stand above or below their ground at least, `even`: how far pixels of one value may
 * differ; both in stored numbers. */
uint8_t sm_text_screen(const void *slice, enum sm_dtype dtype, int64_t width, int64_t height,
		       int64_t y, double contrast, double even);

#endif
