/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stage report: what the page is made from, and the pieces that make it. Every piece adds
 * HTML (or CSV, LaTeX, Markdown) to a text; nothing in it depends on clock, host or folder.
 */
#ifndef SM_EVAL_REPORT_H
#define SM_EVAL_REPORT_H

#include "core/stage.h"
#include "core/svg.h"
#include "eval/trainlog.h"
#include "eval/summary.h"

/* Ledgers in the order of the road; header NULL = not given. */
enum { SM_FROM_INGEST, SM_FROM_SPLIT, SM_FROM_TRAIN, SM_FROM_PREDICT, SM_FROM_EVALUATE, SM_FROMS };
extern const char *const sm_from_stage[SM_FROMS];

struct sm_report_case {
	const char *key;
	struct sm_scores scores;
	double voxel_mm3;
};

struct sm_report {
	struct sm_run *run;
	const struct sm_report_section *settings;
	const char *name;          /* the manifest's, "" when none was given */
	const char *dir[SM_FROMS]; /* folders, NULL = not given */
	struct sm_ledger from[SM_FROMS];
	struct sm_report_case *cases; /* good ones, by key */
	size_t count, rejected;
	struct sm_label_map map; /* as evaluate had it */
	struct sm_summary summary;
	bool skip_empty;            /* the empty-region policy of evaluate */
	struct sm_trainlog history; /* columns 0 = no training given */
};

/* Colour of a region in charts and pictures. */
const char *sm_region_colour(const struct sm_label_map *map, size_t row);

/* Its words, or "label 2", "labels 1, 2". */
void sm_region_words(const struct sm_label_map *map, size_t row, struct sm_text *out);

/* report_origin.c: which cases these are, from the fold that predict was asked for: "held-out ",
 * "validation ", "training ", or "" when it is mixed or not known. */
const char *sm_report_fold(const struct sm_report *report);

void sm_report_origin(const struct sm_report *report, struct sm_text *out);

/* report_page.c: the whole page. */
enum sm_status sm_report_page(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err);

/* report_parts.c: sections of the page. */
void sm_report_scores(const struct sm_report *report, struct sm_text *out);
enum sm_status sm_report_spread(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err);
enum sm_status sm_report_curves(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err);
void sm_report_cases(const struct sm_report *report, struct sm_text *out);
void sm_report_definitions(const struct sm_report *report, struct sm_text *out);

/* montage.c: slices of some cases with the outlines of truth and prediction. Needs the folders of
 * predict and ingest. */
enum sm_status sm_report_montage(const struct sm_report *report, struct sm_text *out,
				 struct sm_err *err);

/* Indices into cases of the (at most want) cases to show: evenly spread from the lowest to the
 * highest Dice of the map's first row, the lowest first; ties by key, cases without a value last.
 * index and rank have room for want; rank receives each one's place, *count their number. */
enum sm_status sm_report_choose(const struct sm_report_case *cases, size_t n, size_t want,
				size_t *index, size_t *rank, size_t *count, struct sm_err *err);

/* want (or fewer) slices spread through first..last: the middles of equal parts; returns their
 * number. */
size_t sm_spread_slices(int64_t first, int64_t last, size_t want, int64_t *out);

/* report_tables.c: the summary table for papers. */
void sm_report_csv(const struct sm_report *report, struct sm_text *out);
void sm_report_tex(const struct sm_report *report, struct sm_text *out);
void sm_report_md(const struct sm_report *report, struct sm_text *out);

#endif
