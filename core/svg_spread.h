/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawings of how values spread: box plots, violins, and the scatter of a Bland-Altman plot. Same
 * rules as core/svg.h: fixed formats, no fonts measured, and no function of the C library whose
 * last bit differs between machines.
 */
#ifndef SM_CORE_SVG_SPREAD_H
#define SM_CORE_SVG_SPREAD_H

#include "core/svg.h"

/* Groups side by side (regions), in each the same number of series (models). Where names or notes
 * would run into each other every second one stands lower. */
struct sm_svg_groups {
	const char *label;   /* what it shows, for those who cannot see it */
	const char *y_title; /* above the axis: "mm"; NULL = none */
	double width, height;
	double low, high; /* the axis reaches at least from low to high; NaN = from the data */
	size_t groups, series;
	const struct sm_svg_column *column; /* [group * series + series]; values sorted, finite */
	const char *const *group;           /* names below the axis */
	const char *const *note;            /* a second line below each; NULL = none */
	const char *const *name;            /* of the series, in a legend; NULL = no legend */
};

/* Box from the first to the third quartile (linear between order statistics, numpy's default),
 * median, whiskers to the outermost values within 1.5 times the box's length, and beside it a dot a
 * value; of more than 60 values only those beyond the whiskers. Of fewer than 5 values no box, dots
 * and median alone. */
void sm_svg_boxes(struct sm_text *out, const struct sm_svg_groups *groups);

/* Density by a biweight kernel whose width follows Silverman's rule, cut off at the smallest and
 * the largest value, every violin as wide as the others; in it the quartiles as a bar and the
 * median as a dot. Of fewer than 5 values, or equal ones, dots and median alone. */
void sm_svg_violins(struct sm_text *out, const struct sm_svg_groups *groups);

/* A line across a scatter, named at its right end. */
struct sm_svg_level {
	double y;
	const char *name;
	bool dashed;
};
/* Points of the chart's series, not joined, with levels across, the highest first; levels that are
 * not finite are left out. The chart's x need not be whole numbers. */
void sm_svg_scatter(struct sm_text *out, const struct sm_svg_chart *chart, const char *y_title,
		    const struct sm_svg_level *level, size_t levels);

/* Quantile q of sorted values, linear between order statistics; NaN for n 0. */
double sm_svg_quantile(const double *sorted, size_t n, double q);

/* n to the power -1/5, by Newton's steps. */
double sm_svg_fifth_root_inverse(double n);

#endif
