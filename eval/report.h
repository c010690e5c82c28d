/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stage report: what the page is made from, and the pieces that make it. Every piece adds
 * HTML (or CSV, LaTeX, Markdown) to a text; nothing in it depends on clock, host or folder.
 */
#ifndef SM_EVAL_REPORT_H
#define SM_EVAL_REPORT_H

#include "core/stage.h"
#include "core/svg.h"
#include "eval/column.h"
#include "eval/policy.h"
#include "eval/report_models.h"
#include "eval/summary.h"
#include "eval/trainlog.h"

/* Ledgers in the order of the road; header NULL = not given. */
enum { SM_FROM_INGEST, SM_FROM_SPLIT, SM_FROM_TRAIN, SM_FROM_PREDICT, SM_FROM_EVALUATE, SM_FROMS };
extern const char *const sm_from_stage[SM_FROMS];

struct sm_report {
	struct sm_run *run;
	const struct sm_report_section *settings;
	const char *name;          /* the manifest's, "" when none was given */
	const char *dir[SM_FROMS]; /* folders, NULL = not given */
	struct sm_ledger from[SM_FROMS];
	struct sm_label_map map;    /* rows of every table, as evaluate had them; of all models */
	struct sm_columns columns;  /* metrics, as evaluate had them; of all models */
	enum sm_policy policy;      /* for empty regions, as evaluate had it */
	struct sm_models models;    /* main: its pictures and training are shown; n 0 for pairs */
	size_t count, rejected;     /* cases of the main model */
	struct sm_trainlog history; /* columns 0 = no training given */
	unsigned char *viewer;      /* text of the viewer's library (eval/viewer.h), owned; NULL =
				       page without it */
	size_t viewer_n;            /* its bytes */
	const char *viewer_missing; /* why there is none, NULL = none wanted */
};

/* Colour of a region in charts and pictures; of a model where several stand side by side. */
const char *sm_region_colour(const struct sm_label_map *map, size_t row);
const char *sm_model_colour(size_t model);

/* Its words, or "label 2", "labels 1, 2". */
void sm_region_words(const struct sm_label_map *map, size_t row, struct sm_text *out);

/* report_origin.c: which cases these are, from the fold that predict was asked for: "held-out ",
 * "validation ", "training ", or "" when it is mixed or not known. */
const char *sm_report_fold(const struct sm_report *report);

void sm_report_origin(const struct sm_report *report, struct sm_text *out);

/* report_page.c: the whole page. */
enum sm_status sm_report_page(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err);

/* Sections of the page, each <section id="..."> with an <h2>, or nothing when there is nothing to
 * show. report_scores.c: means with the counts behind them, paired tests. */
void sm_report_scores(const struct sm_report *report, struct sm_text *out);
void sm_report_duels(const struct sm_report *report, struct sm_text *out);
/* report_plots.c: boxes and violins by region and model; report_volumes.c: Bland and Altman's plot
 * of the volumes. */
enum sm_status sm_report_plots(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err);
enum sm_status sm_report_volumes(const struct sm_report *report, struct sm_text *out,
				 struct sm_err *err);
/* report_curves.c */
enum sm_status sm_report_curves(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err);
/* report_cases.c: every case, and those without a score. */
enum sm_status sm_report_cases(const struct sm_report *report, struct sm_text *out,
			       struct sm_err *err);
/* report_definitions.c */
void sm_report_definitions(const struct sm_report *report, struct sm_text *out);
/* report_published_regions.c (id "published"), report_flow.c (id "flow"), report_checklist.c
 * (id "checklist"). */
enum sm_status sm_report_published(const struct sm_report *report, struct sm_text *out,
				   struct sm_err *err);
enum sm_status sm_report_flow(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err);
enum sm_status sm_report_checklist(const struct sm_report *report, struct sm_text *out,
				   struct sm_err *err);

/* montage.c: slices of the worst and the median cases with the outlines of truth and prediction.
 * Needs the folders of predict and ingest; where they are not given nothing is added. */
enum sm_status sm_report_montage(const struct sm_report *report, struct sm_text *out,
				 struct sm_err *err);

/* want (or fewer) slices spread through first..last: the middles of equal parts; returns their
 * number. */
size_t sm_spread_slices(int64_t first, int64_t last, size_t want, int64_t *out);

#endif
