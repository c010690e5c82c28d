/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stage report for image translation: the page, its pictures, and the pages that scroll
 * through the slices of a case. Pieces add HTML to a text; nothing in it depends on clock, host or
 * folder.
 */
#ifndef SM_EVAL_TRANSLATE_PAGE_H
#define SM_EVAL_TRANSLATE_PAGE_H

#include "eval/report.h"
#include "eval/report_published.h"
#include "eval/translate.h"

struct sm_translate_report {
	const struct sm_report *base; /* run, settings, ledgers, history */
	struct sm_translate_table table;
	const struct sm_image_settings *settings; /* of the table */
	const char *source, *target, *model;      /* names */
	bool pictured;            /* the folders of predict and preprocess are given */
	bool pictures;            /* cases are pictures, not volumes */
	struct sm_translations t; /* when pictured */
	size_t *order;            /* cases, the largest MAE first; those without one last */
	double reach;             /* error maps show -reach to reach, own unit */
	const char *reach_of;     /* the baseline that it comes from; NULL = none */
	double reach_mae;         /* its MAE */
	struct sm_published published;
};

/* `scanmill report` of dataset pair; base has ledgers and history, truth is the folder of
 * preprocess (may be NULL). Writes all files of the item. */
enum sm_status sm_translate_report(const struct sm_report *base, const char *truth,
				   struct sm_item *item, struct sm_err *err);

/* Writes a file below --out, whole, and adds it to the item. Not before sm_run_begin. */
enum sm_status sm_report_write(struct sm_item *item, const char *name, const char *role,
			       const struct sm_text *text, struct sm_err *err);

/* ---- translate_html.c: sections ---- */
extern const char sm_translate_css[]; /* besides that of eval/page.h */
void sm_translate_head(const struct sm_translate_report *r, struct sm_text *out);
void sm_translate_scores(const struct sm_translate_report *r, struct sm_text *out);
void sm_translate_cases(const struct sm_translate_report *r, struct sm_text *out);
void sm_translate_definitions(const struct sm_translate_report *r, struct sm_text *out);

/* How a verdict is written: the words before the baseline's name, and what escapes the rest. */
struct sm_verdict_form {
	const char *better, *not_better;
	void (*escape)(struct sm_text *out, const char *words);
};
/* "not better than Linear (41.2 against 38.1 HU; better in 1 of 8 cases)" of the network; full:
 * with the tests and what was not compared. */
void sm_translate_verdict(const struct sm_translate_report *r, int scale, int region, int metric,
			  bool full, const struct sm_verdict_form *form, struct sm_text *out);

/* ---- translate_published.c ---- */

/* Published numbers beside those of the table; rows 0 without any. As sm_published_grid. */
enum sm_status sm_translate_published(struct sm_translate_report *r, struct sm_err *err);

/* ---- translate_tex.c ---- */

/* table.tex: for each region a table in the images' own unit with the verdicts beneath. */
void sm_translate_tex(const struct sm_translate_report *r, struct sm_text *out);

/* ---- translate_panels.c: pictures ---- */

/* What a panel shows. */
enum sm_panel { SM_PANEL_INPUT, SM_PANEL_OUTPUT, SM_PANEL_TARGET, SM_PANEL_ERROR, SM_PANELS };
extern const char *const sm_panel_names[SM_PANELS];

/* How the values of a case become gray or colours. */
struct sm_look {
	double window[2][2]; /* black and white of the input; of output and target alike */
	double reach;        /* of the error map */
	int64_t most;        /* pixels of the longest side; larger ones are averaged in blocks */
	int shown;           /* its length on the page */
};

/* A case to be shown: of triplets the input is (A + C) / 2. Clear with sm_made_clear. */
enum sm_status sm_translate_load(const struct sm_translate_report *r, const char *key,
				 struct sm_made *c, struct sm_look *look, struct sm_err *err);

/* <img> of slice k (number among those scored) with its PNG inside. */
enum sm_status sm_panel_add(const struct sm_translate_report *r, const struct sm_made *c,
			    const struct sm_look *look, enum sm_panel panel, int64_t k,
			    struct sm_text *out, struct sm_err *err);

/* Mean absolute error of slice k. */
double sm_slice_mae(const struct sm_made *c, int64_t k);

/* The colours of error maps with their values and where these come from. */
void sm_panel_legend(const struct sm_translate_report *r, struct sm_text *out);
/* <p>: black and white of a case's input, output and target. */
void sm_panel_window(const struct sm_translate_report *r, const struct sm_look *look,
		     struct sm_text *out);

/* The section of the worst, the median and the best case. */
enum sm_status sm_translate_pictures(const struct sm_translate_report *r, struct sm_text *out,
				     struct sm_err *err);

/* ---- translate_scroll.c ---- */

/* Name of the page of a case, or of all pictures, relative to the report; malloc memory. */
char *sm_scroll_name(const struct sm_translate_report *r, const char *key);
/* Writes them all. */
enum sm_status sm_scroll_pages(const struct sm_translate_report *r, struct sm_item *item,
			       struct sm_err *err);

#endif
