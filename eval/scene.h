/* SPDX-License-Identifier: Apache-2.0
 *
 * A case to be looked at: its scan, truth and prediction on one grid, with a gray window; and which
 * cases these are. For the pictures (montage.c) and the viewer (viewer.c).
 */
#ifndef SM_EVAL_SCENE_H
#define SM_EVAL_SCENE_H

#include "core/vol.h"
#include "eval/report.h"

struct sm_scene {
	struct sm_vol image;             /* float32 */
	struct sm_vol truth, prediction; /* uint8 labels */
	const char *role;                /* of the image: "flair", ... */
	double low, high;                /* gray window: black and white */
};

/* Reads a case of the main model from the folders of ingest and predict, with the checks of
 * evaluate, and finds the window: from 0.5 to 99.5 % of the image's values that are not 0. The
 * caller clears it, also after a failure. */
enum sm_status sm_scene_load(const struct sm_report *report, const char *key,
			     struct sm_scene *scene, struct sm_err *err);
void sm_scene_clear(struct sm_scene *scene);

/* 0..255 of an image's value. */
uint8_t sm_scene_gray(const struct sm_scene *scene, float value);

/* True when the folders that pictures need are given. */
bool sm_scene_possible(const struct sm_report *report);

/* Which cases to show. rank: place from the worst (0) on; index: number in the main model's book.
 */
enum { SM_CHOSEN_MAX = 100 };
struct sm_chosen {
	size_t n;
	struct sm_chosen_case {
		size_t index, rank;
		bool median;
	} at[SM_CHOSEN_MAX];
	size_t of; /* cases that have a rank */
};

/* Of n values of one column, one a case: the worst first, then those about the median, in order of
 * rank and never one twice; at most `most` in all, where the median ones (at least one of them)
 * keep their places. Ties by number. Infinite is worst; cases without value are left out. better
 * says which end is worse; what shall be 0 is worse the farther from it. SM_BUDGET. */
struct sm_choice {
	size_t worst, median, most;
	enum sm_better better;
};
enum sm_status sm_choose_cases(const struct sm_cell *cell, size_t n, const struct sm_choice *how,
			       struct sm_chosen *out, struct sm_err *err);

/* By the first row and first column of the main model. */
enum sm_status sm_report_choose(const struct sm_report *report, size_t worst, size_t median,
				size_t most, struct sm_chosen *out, struct sm_err *err);

#endif
