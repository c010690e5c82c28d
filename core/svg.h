/* SPDX-License-Identifier: Apache-2.0
 *
 * Deterministic drawings in SVG: numbers have a fixed format, ticks come from whole steps, nothing
 * is measured with fonts. Colours of text and lines are currentColor, so a drawing fits a light or
 * a dark page; data colours are the caller's (sm_okabe_ito is safe for colour-blind readers).
 */
#ifndef SM_CORE_SVG_H
#define SM_CORE_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/text.h"

/* Okabe and Ito's palette without black: orange, sky blue, bluish green, yellow, blue, vermilion,
 * reddish purple, as "#rrggbb". */
enum { SM_ORANGE, SM_SKY, SM_GREEN, SM_YELLOW, SM_BLUE, SM_VERMILION, SM_PURPLE, SM_COLOURS };
extern const char *const sm_okabe_ito[SM_COLOURS];
/* Beside them: 4.5 times as dark as white, 3.4 times as bright as a dark page. */
#define SM_GREY_COLOUR "#767676"

/* A coordinate with at most two decimals and no trailing zeros; 0 for what is not finite. */
void sm_svg_number(struct sm_text *out, double v);

/* Tick places first, first + step, ... (count of them, within [lo, hi] widened outwards to whole
 * steps); step is 1, 2 or 5 times a power of ten. decimals = digits that tell them apart. want is
 * the number aimed at, at least 2. A bound that is not finite counts as 0; a range
 * that is empty goes from lo to lo + 1. */
struct sm_ticks {
	double first, step;
	int count, decimals;
};
struct sm_ticks sm_ticks_nice(double lo, double hi, int want);

/* One curve; y that are not finite leave a gap. Borrowed pointers. */
struct sm_svg_series {
	const char *name, *colour;
	const double *x, *y;
	size_t n;
	bool dashed;
};

/* A chart with axes, grid and legend. y_low and y_high NaN = from the data. */
struct sm_svg_chart {
	const char *label; /* what it shows, for those who cannot see it */
	const char *x_title;
	double width, height; /* of the view box */
	double y_low, y_high;
	double mark; /* a vertical line at this x; NaN = none */
	const char *mark_name;
	const struct sm_svg_series *series;
	size_t count;
};
void sm_svg_lines(struct sm_text *out, const struct sm_svg_chart *chart);

/* Values in columns, one dot a value, the median as a line; y axis from 0 to 1. */
struct sm_svg_column {
	const char *name, *colour;
	const double *y; /* sorted ascending; finite */
	size_t n;
};
void sm_svg_dots(struct sm_text *out, const char *label, double width, double height,
		 const struct sm_svg_column *columns, size_t count);

/* Path data ("M3 4h5v2h-5z...") of the outline of the pixels that are not 0 in mask (width x
 * height, rows from the top), along pixel edges, in pixel units; nothing for an empty mask. Shapes
 * that touch at a corner only get outlines of their own. SM_BUDGET when out of memory. */
enum sm_status sm_svg_outline(struct sm_text *out, const uint8_t *mask, int64_t width,
			      int64_t height, struct sm_err *err);

/* A whole file of these outlines: a unit is a pixel of the mask, the view box its size; black,
 * holes left open by the even-odd rule. Drawn without smoothing at its own size it is the mask
 * again. SM_BUDGET. */
enum sm_status sm_svg_mask(struct sm_text *out, const uint8_t *mask, int64_t width, int64_t height,
			   struct sm_err *err);

#endif
