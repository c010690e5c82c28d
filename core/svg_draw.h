/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the drawings (core/svg.c, core/svg_spread.c): the frame of a chart and the elements
 * that all of them have. Not for other modules.
 */
#ifndef SM_CORE_SVG_DRAW_H
#define SM_CORE_SVG_DRAW_H

#include "core/svg.h"

/* Margins of a chart: room for tick labels (sm_svg_left: more where they are long), for the legend
 * above and the axis title below. */
enum { SM_SVG_LEFT = 46, SM_SVG_RIGHT = 14, SM_SVG_TOP = 30, SM_SVG_BOTTOM = 40 };

/* A rectangle of the page and the values at its edges. */
struct sm_svg_frame {
	double left, right, top, bottom;
	double x0, x1, y0, y1;
};

double sm_svg_at_x(const struct sm_svg_frame *f, double x);
double sm_svg_at_y(const struct sm_svg_frame *f, double y);

/* ` name="1.5"` */
void sm_svg_attribute(struct sm_text *out, const char *name, double v);

/* more: further attributes. */
void sm_svg_line(struct sm_text *out, double x1, double y1, double x2, double y2, const char *more);

/* anchor: "start", "middle" or "end". */
void sm_svg_words(struct sm_text *out, double x, double y, const char *anchor, const char *words);
void sm_svg_words_of(struct sm_text *out, double x, double y, const char *anchor, double v,
		     int decimals);

/* <svg ...> with its name for those who cannot see it; the caller adds "</svg>\n". */
void sm_svg_begin(struct sm_text *out, const char *what, double width, double height);

/* The left margin that the numbers of an axis need: SM_SVG_LEFT or more. Widths are those of a wide
 * face, as nothing is measured with fonts. */
double sm_svg_left(const struct sm_ticks *t);

/* Lines across the frame with their numbers to the left. */
void sm_svg_y_axis(struct sm_text *out, const struct sm_svg_frame *f, const struct sm_ticks *t);

/* Names of series in a row from x on, at height y; a dash (or a square where `filled`) of its
 * colour before each. Width is guessed at 7 units a letter: legends are a few short words. */
void sm_svg_legend(struct sm_text *out, double x, double y, const struct sm_svg_series *series,
		   size_t n, bool filled);

/* Dots of sorted values around `centre`: those that would cover an earlier one step aside, right
 * and left in turn, at most `room`. */
void sm_svg_swarm(struct sm_text *out, const struct sm_svg_frame *f, double centre, double room,
		  double radius, const struct sm_svg_column *c);

#endif
