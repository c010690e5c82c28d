/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stage explore: numbers of one case, which stand in its record, and the page that is
 * made of all records. Cases are looked at one by one; what is kept of each is a few numbers and a
 * histogram whose bins fit those of every other case.
 */
#ifndef SM_EVAL_EXPLORE_H
#define SM_EVAL_EXPLORE_H

#include <stdint.h>
#include <stdio.h>

#include "core/stage.h"
#include "core/svg.h"
#include "manifests/folds.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"

/* Ledgers in the order of the road; header NULL = not given. */
enum { SM_EX_INGEST, SM_EX_PREPROCESS, SM_EX_SPLIT, SM_EX_DATA, SM_EX_FROMS };

enum { SM_EX_LABELS = 256 };

/* ---- explore_hist.c -------------------------------------------------------------------------- */

#define SM_HIST_MAX 512 /* bins */

/* Bins of width 2^power; bin i holds first + i <= v / 2^power < first + i + 1. Since all edges are
 * whole multiples of a power of two, histograms of different cases add up without a common range
 * known beforehand, in any order, to the same counts. */
struct sm_hist {
	int power;
	int64_t first;
	size_t n;              /* bins, 0 = empty */
	uint64_t below, above; /* values outside the bins */
	uint64_t count[SM_HIST_MAX];
};

/* Bins for values from low to high, at most `bins` of them, none narrower than 2^least: the finest
 * that do. Counts are 0. */
void sm_hist_plan(struct sm_hist *h, double low, double high, size_t bins, int least);
void sm_hist_add(struct sm_hist *h, double v);
/* Adds b to a; a keeps at most `bins` bins. */
void sm_hist_merge(struct sm_hist *a, const struct sm_hist *b, size_t bins);
/* {"power", "first", "below", "above", "counts": "3 0 12"}: the counts as text, which takes a tenth
 * of an array's memory. */
json_t *sm_hist_json(const struct sm_hist *h);
bool sm_hist_read(const json_t *json, struct sm_hist *h);

/* ---- explore_stats.c ------------------------------------------------------------------------- */

/* What is known of the values of one channel or volume of a case. Foreground: values other than the
 * background, which is the value that most of the eight corners have, when more than a tenth of all
 * voxels have it. Percentiles are exact for whole numbers that span less than 16384, else to
 * 1/16384 of the foreground's range. */
struct sm_values {
	uint64_t voxels, foreground;
	bool has_background;
	double background;
	double min, max;               /* of all */
	double mean, sd, p1, p50, p99; /* of the foreground */
	int64_t slices, constant,
		gaps;        /* constant = all of one value; gaps = constant ones between others */
	int64_t first, last; /* slices that are not constant; last -1 = none */
	uint64_t at_low, at_high; /* foreground voxels of its lowest and highest value */
	bool clipped_low,
		clipped_high; /* 1 % of the foreground or more, and four times its neighbours */
	struct sm_hist hist;  /* of the foreground, from its 0.1 to its 99.9 percentile */
};
enum sm_status sm_values_of(const struct sm_block *block, size_t bins, struct sm_mem *mem,
			    struct sm_values *out, struct sm_err *err);

/* Adds to the lists "images" and "labels" of a record what the volumes and the label of the case
 * hold; when = "ingest" or "preprocess". Volumes become float32. span (may be NULL) receives the
 * first and the last slice of use of the first volume: with labels, else not constant. */
enum sm_status sm_explore_numbers(struct sm_case *c, const char *when, size_t bins, json_t *record,
				  int64_t span[2], struct sm_err *err);

/* ---- explore_sheet.c, explore_samples.c: pictures of one case -------------------------------- */

/* One plane on its way onto a sheet. */
struct sm_panel {
	char caption[2][80]; /* two lines, "" = none */
	int64_t width, height;
	double pixel_mm[2];
	int colours;          /* 1 or 3: planes one behind the other */
	float *v;             /* borrowed */
	double low, high;     /* black and white */
	const uint8_t *label; /* outlines, or NULL */
	const int *now;       /* SM_EX_LABELS: label whose colour a label has, NULL = its own */
};

/* Rows of panels as one SVG drawing that stands alone; rows are opened with their name. */
struct sm_sheet {
	struct sm_text body;
	double y, width;
	int pixels; /* longest side of a picture; larger ones are averaged down */
	struct sm_mem *mem;
};
/* Adds a row of n panels; name stands at its left, NULL = none. */
enum sm_status sm_sheet_row(struct sm_sheet *sheet, const char *name, const struct sm_panel *panels,
			    size_t n, struct sm_err *err);
/* Adds the whole drawing to out; words says what it shows. Frees the sheet. */
enum sm_status sm_sheet_finish(struct sm_sheet *sheet, const char *words, struct sm_text *out,
			       struct sm_err *err);
/* Frees it unfinished. */
void sm_sheet_clear(struct sm_sheet *sheet);
/* Colour of a label's outline and bar. */
const char *sm_label_colour(int label);

/* Where slices of a case were cut, so that its other grids are cut at the same places. */
#define SM_EX_SLICES 12
struct sm_cuts {
	size_t n;
	bool world; /* mm says where; else slice numbers do */
	double mm[SM_EX_SLICES][3];
	bool mapped;
	int now[SM_EX_LABELS]; /* label of the scans -> label after preprocess, whose colour it gets
				*/
};
/* Adds the rows of a case: of its first volume the middle slices of `want` equal parts of span (n 0
 * in cuts: they are chosen and noted there), of the others the middle one. Volumes must be float32.
 */
enum sm_status sm_sheet_case(struct sm_sheet *sheet, const char *name, const struct sm_case *c,
			     const int64_t span[2], size_t want, struct sm_cuts *cuts,
			     struct sm_err *err);

/* Adds what the data set's stage (header of its ledger) made of a case (its record): tiles, slices
 * or pairs, `want` of each of its files. pictures: three channels are colours. */
enum sm_status sm_sheet_samples(struct sm_sheet *sheet, const char *dir, const json_t *header,
				const json_t *record, bool pictures, size_t want,
				struct sm_err *err);

/* ---- explore_cohort.c: all records together -------------------------------------------------- */

/* What is kept of the values of a channel in each case. */
enum sm_number { SM_N_MIN, SM_N_MAX, SM_N_MEAN, SM_N_SD, SM_N_P1, SM_N_P50, SM_N_P99, SM_NUMBERS };
extern const char *const sm_number_keys[SM_NUMBERS];
struct sm_numbers {
	double v[SM_NUMBERS]; /* NaN: none */
	bool has;             /* the case has the channel */
	unsigned odd;         /* bit k: of kind k of enum sm_odd */
};

struct sm_channel {
	const char *when, *name;
	size_t cases, drawn;    /* that have it; whose values stand in hist */
	struct sm_numbers *of;  /* by record of the run's ledger */
	struct sm_hist hist;
};
enum { SM_EX_CHANNELS = 128 };

/* A label over all cases, after the last of whens. */
struct sm_label_sums {
	size_t cases; /* that hold it */
	double voxels, slices;
	double *v; /* cm3 of each that tells (of pictures voxels), sorted; NULL = none */
	size_t n;
};

/* What a case's record has drawings of. */
enum { SM_EX_SHEET = 1, SM_EX_SAMPLES = 2 };

/* Numbers of the cohort: of the records themselves one at a time is in memory. */
struct sm_explore {
	struct sm_run *run;
	const struct sm_explore_section *s;
	const char *name; /* the manifest's, "" when none was given */
	const char *dir[SM_EX_FROMS];
	struct sm_ledger from[SM_EX_FROMS];
	struct sm_channel *channels; /* SM_EX_CHANNELS */
	size_t channel_count;
	const char *whens[2]; /* "ingest" and "preprocess" as far as they are there */
	size_t when_count;
	bool holds[SM_EX_LABELS]; /* labels 1.. that the last of whens has */
	struct sm_label_sums labels[SM_EX_LABELS];
	size_t labelled; /* cases with a label volume */
	bool cm3;        /* volumes are known, not pixels alone */
	json_t *label_map; /* of the first case of preprocess that maps labels; NULL = none */
	uint8_t *drawn;  /* by record: SM_EX_SHEET, SM_EX_SAMPLES */
	size_t samples, fold_samples[SM_FOLDS]; /* of the data set */
};

/* Gathers all this from run->ledger's records and the ledgers; sm_explore_clear frees it. */
enum sm_status sm_explore_gather(struct sm_explore *x, struct sm_err *err);
void sm_explore_clear(struct sm_explore *x);
/* The entry of a list of a record by "when" and, when given, "name"; NULL when there is none. */
json_t *sm_explore_entry(const json_t *record, const char *list, const char *when,
			 const char *name);
/* The entry of a label. */
json_t *sm_explore_label(const json_t *record, const char *when, int label);
double sm_explore_real(const json_t *entry, const char *key); /* NaN when it is no number */
/* The case's fold as split's ledger names it; malloc memory, NULL when it does not. */
char *sm_explore_fold(const struct sm_explore *x, const char *key);

/* What is odd, over the cohort. */
enum sm_odd {
	SM_ODD_CONSTANT, /* one value in the whole volume */
	SM_ODD_GAP,      /* constant slices between others */
	SM_ODD_EMPTY,    /* more than half of the slices constant */
	SM_ODD_CLIPPED,  /* where values come from only (first of whens) */
	SM_ODD_MEDIAN,
	SM_ODD_HIGH,
	SM_ODD_SPREAD, /* far from the cohort's, by `outlier` of the manifest */
	SM_ODD_KINDS
};
extern const char *const sm_odd_words[SM_ODD_KINDS];

/* explore_charts.c */
void sm_chart_hist(struct sm_text *out, const struct sm_hist *h, const char *colour,
		   const char *words, const double *medians, size_t n);
struct sm_strip {
	char name[24];
	const char *colour;
	const double *v;
	size_t n;
};
void sm_chart_strips(struct sm_text *out, const char *words, const char *unit,
		     const struct sm_strip *strips, size_t n);
struct sm_bar {
	char name[48];
	const char *note;
	size_t part[SM_COLOURS];
};
void sm_chart_bars(struct sm_text *out, const char *words, const struct sm_bar *bars, size_t n,
		   size_t parts);

/* explore_tables.c: written case by case. */
enum sm_status sm_explore_csv_images(const struct sm_explore *x, FILE *f, struct sm_err *err);
enum sm_status sm_explore_csv_hist(const struct sm_explore *x, FILE *f, struct sm_err *err);
enum sm_status sm_explore_csv_labels(const struct sm_explore *x, FILE *f, struct sm_err *err);
enum sm_status sm_explore_csv_split(const struct sm_explore *x, FILE *f, struct sm_err *err);

/* explore_page.c, explore_parts.c, explore_split.c */
enum sm_status sm_explore_page(const struct sm_explore *x, struct sm_text *out, struct sm_err *err);
enum sm_status sm_explore_histograms(const struct sm_explore *x, struct sm_text *out,
				     struct sm_err *err);
enum sm_status sm_explore_labels(const struct sm_explore *x, struct sm_text *out,
				 struct sm_err *err);
bool sm_explore_by_patient(
	const struct sm_explore *x); /* samples have the folds of their patients */
enum sm_status sm_explore_split(const struct sm_explore *x, struct sm_text *out,
				struct sm_err *err);
void sm_explore_steps(const struct sm_explore *x, struct sm_text *out);
void sm_explore_rejected(const struct sm_explore *x, struct sm_text *out);
void sm_explore_origin(const struct sm_explore *x, struct sm_text *out);
extern const char *const sm_ex_stage[SM_EX_FROMS];

/* Number of samples that a record of the data set holds. */
size_t sm_explore_samples(const json_t *record);

#endif
