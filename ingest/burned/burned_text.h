/* SPDX-License-Identifier: Apache-2.0
 *
 * Text burned into the pixels of a scan: names, numbers and dates that no header says and that no
 * whitelist of elements keeps back. Finds lines of letters of one even brightness, brighter or
 * darker than all around them, in any slice, and lines that stay the same in every slice while the
 * picture under them changes. It reads no letters and cannot tell a name from "L CC": what it
 * finds, a person must look at.
 */
#ifndef SM_INGEST_BURNED_BURNED_TEXT_H
#define SM_INGEST_BURNED_BURNED_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/vol.h"

/* Where the text stands that was found first. */
struct sm_text_finding {
	bool found;
	int64_t slice[2]; /* first and last slice that shows it, counted through all frames */
	int64_t low[2], high[2]; /* box in pixels: x, y of its first and last column and row */
	int letters;             /* of the line */
	double height;           /* of a letter, pixels */
	const char *why; /* "bright letters", "dark letters", "letters of an upright line", ... */
};

/* Looks at the planes of the first two axes of vol as they were stored: after decoding, before
 * regridding. Stored numbers of any type; what is not finite is looked at on its own. The finding
 * depends on the numbers alone, not on jobs. SM_BUDGET. */
enum sm_status sm_burned_text_find(const struct sm_vol *vol, struct sm_mem *mem, int jobs,
				   struct sm_text_finding *out, struct sm_err *err);

/* One sentence about a finding for records: "text-like marks in the pixels: ..."; text has 200
 * bytes. */
void sm_burned_text_say(const struct sm_text_finding *finding, char text[200]);

#endif
