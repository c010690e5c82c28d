/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of letters in one picture: strokes of one even brightness on a darker ground, joined to
 * letters of like height that stand on one line. See burned_text.h for what it is for.
 */
#ifndef SM_INGEST_BURNED_TEXT_LINES_H
#define SM_INGEST_BURNED_TEXT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/mem.h"

/* Brightness 0..SM_TEXT_WHITE. */
#define SM_TEXT_WHITE 32767
/* A plane is at most this wide; larger pictures are cut into overlapping planes. */
#define SM_TEXT_SIDE 1024

struct sm_text_plane {
	const int16_t *v; /* width * height, rows one after the other */
	int width, height;
};

struct sm_text_line {
	int letters;
	int marks;           /* connected strokes: letters that touch are one */
	int low[2], high[2]; /* box: x, y of its first and last pixel */
	int letter_height;   /* median */
	int ink;             /* brightness of the strokes; -1 for soft letters */
};

/* One pixel of a stroke. */
struct sm_text_stroke {
	int16_t x, y, v;
};

/* Memory for one plane's search; one a thread. Zero-initialise; free with sm_text_work_clear. */
struct sm_text_work {
	int16_t *side; /* how far a pixel stands above the ground on both sides of it */
	uint8_t *ink;
	void *runs, *boxes, *marks; /* of text_lines.c */
	int runs_most;              /* more runs of ink than text makes: a texture */
	/* Of text_strokes.c: */
	int16_t *rows;
	int *tally;                     /* strokes of each brightness */
	int low, high;                  /* lowest and highest that was counted */
	int16_t *values;                /* those with strokes */
	struct sm_text_stroke *strokes; /* their pixels, row by row */
	int strokes_n, strokes_most;    /* more than most: the rest was not kept */
};
enum sm_status sm_text_work_init(struct sm_text_work *work, size_t pixels, struct sm_mem *mem,
				 struct sm_err *err);
void sm_text_work_clear(struct sm_text_work *work);

/* Finds the line with most letters; false when there is none of at least four, or of three on
 * an even ground. Strokes stand at least `contrast` above
 * their ground on both sides; pixels within `even` of each other count as equally bright. `soft`
 * also looks for letters without any even pixel (small, smoothed, resampled), which need an even
 * ground around them. */
bool sm_text_line_find(const struct sm_text_plane *plane, int contrast, int even, bool soft,
		       struct sm_text_work *work, struct sm_text_line *out);

#endif
