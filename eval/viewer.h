/* SPDX-License-Identifier: Apache-2.0
 *
 * The viewer of the page: scan, truth and prediction of a few cases inside of the page, as small
 * 8-bit volumes, drawn by NiiVue, whose text (one file, BSD-2-Clause, not part of this repository)
 * is put into the page as well. `make viewer` fetches it; without it the page has pictures alone.
 */
#ifndef SM_EVAL_VIEWER_H
#define SM_EVAL_VIEWER_H

#include "eval/scene.h"

#define SM_VIEWER_VERSION "0.69.0"
#define SM_VIEWER_FILE "niivue-0.69.0.umd.js" /* beside the program */
#define SM_VIEWER_SHA256 "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"

/* Reads the library into report->viewer, when the manifest wants it and the page has cases to show,
 * and adds it to the item's inputs: from `given`, or (NULL) from beside the program. SM_INPUT for a
 * file of another hash, SM_IO for a given one that is missing; without a file beside the program
 * report->viewer_missing says so and the return is SM_OK. Free with sm_viewer_clear. */
enum sm_status sm_viewer_find(struct sm_report *report, const char *given, struct sm_item *item,
			      struct sm_err *err);
void sm_viewer_clear(struct sm_report *report);

/* The section "viewer" with its volumes; nothing when no cases can be shown, a sentence without the
 * library. */
enum sm_status sm_report_viewer(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err);
/* The library's licence, for the page's footer. */
extern const char sm_viewer_licence[]; /* viewer_licence.c: the text of eval/assets/ */
void sm_viewer_notice(struct sm_text *out);
/* The library and what drives it, for the end of the page. */
void sm_viewer_script(const struct sm_report *report, struct sm_text *out);

/* Which part of a scene is shown: from `low`, n voxels an axis, each the first (labels) or the mean
 * (scan) of step x step x step voxels. */
struct sm_viewer_part {
	int64_t low[3], n[3];
	int step;
};

/* Most voxels of a volume in the page. */
enum { SM_VIEWER_VOXELS = 4 << 20 };

/* The box of what is not 0 in scan, truth or prediction, with a margin of 2 voxels; where that has
 * more than `most` voxels, the box of truth and prediction with 25 mm around it; where that has too
 * many, too, every second (third, ...) voxel of it. */
struct sm_viewer_part sm_viewer_choose_part(const struct sm_scene *scene, size_t most);

/* 8-bit volumes of the part: gray values of the window; labels; and where the two sets of labels
 * differ: 1 the same label, 2 another one, 3 in the prediction alone, 4 in the truth alone. Each is
 * cleared by the caller, also after a failure. */
enum {
	SM_VIEWER_SCAN,
	SM_VIEWER_TRUTH,
	SM_VIEWER_PREDICTION,
	SM_VIEWER_DIFFERENCE,
	SM_VIEWER_VOLUMES
};
enum sm_status sm_viewer_cut(const struct sm_scene *scene, const struct sm_viewer_part *part,
			     struct sm_mem *mem, struct sm_vol out[SM_VIEWER_VOLUMES],
			     struct sm_err *err);

#endif
