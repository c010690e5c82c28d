/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stage compare: raters (or models), the truth and the fusions of the raters are members;
 * each ordered pair of them that makes sense is scored as evaluate scores prediction and truth.
 */
#ifndef SM_EVAL_COMPARE_H
#define SM_EVAL_COMPARE_H

#include "core/stage.h"
#include "core/text.h"
#include "core/vol.h"
#include "eval/column.h"
#include "eval/fuse.h"
#include "eval/scorebook.h"
#include "eval/summary.h"
#include "manifests/label_map.h"
#include "manifests/schema.h"

/* Those that are keys of sections evaluate and compare stand above the manifest's. */
struct sm_compare_options {
	struct sm_strings raters, names, metrics;
	char *truth;
	struct sm_floats tolerances;
	int empty, map, lesions, fuse, ties;
	double threshold;
};

enum sm_member_kind { SM_MEMBER_RATER, SM_MEMBER_TRUTH, SM_MEMBER_MAJORITY, SM_MEMBER_STAPLE };
enum { SM_MEMBERS = SM_RATERS + 3, SM_MEMBER_NAME = 40 };

struct sm_named;

struct sm_member {
	char name[SM_MEMBER_NAME];
	enum sm_member_kind kind;
	const char *place; /* a file or a folder; NULL of fusions */
	bool folder;
	struct sm_ledger ledger; /* of predict or ingest; header NULL = a plain folder, or a file */
	struct sm_named *named;  /* eval/label_files.h; of a plain folder, by key; in the run's arena */
	size_t files;
};

/* Reference stands where the truth does in a score. */
struct sm_rated {
	size_t reference, compared;
	struct sm_scorebook *book;
	struct sm_summary summary;
};

/* What STAPLE says of a rater, over cases. */
struct sm_rater_quality {
	struct sm_spread sensitivity, specificity;
};

/* Two raters against the truth, tested on the cases that both have a number for. */
struct sm_rater_test {
	size_t a, b, row, column;
	size_t n, left_out; /* pairs of numbers (patients where one has several cases); cases
			       without two */
	size_t no_number, infinite; /* of left_out: a rater has no value; one is infinite, which
				       counts in Wilcoxon's ranks alone */
	double difference, low, high; /* mean of a - b, interval of 95 %, NaN = none */
	struct sm_paired wilcoxon, permutation;
	double holm_wilcoxon, holm_permutation; /* over pairs of raters and shown regions of a
						   column */
};

struct sm_comparing {
	struct sm_run *run;
	const struct sm_compare_options *o;
	struct sm_evaluate_section section; /* the manifest's, with the options */
	struct sm_compare_section settings;
	struct sm_label_map map;
	struct sm_columns columns;
	struct sm_member member[SM_MEMBERS]; /* raters, then the truth, then fusions */
	size_t members, raters;
	size_t truth, majority, staple; /* numbers of members, SM_NONE = not there */
	bool folders;                   /* raters are folders; otherwise files of one case */
	const char **key;               /* of cases, sorted; in the run's arena */
	size_t cases;
	/* Once all cases are done: */
	struct sm_rated *pair; /* owned */
	size_t pairs;
	struct sm_rater_quality *quality; /* [row * raters + rater]; NULL without STAPLE; owned */
	struct sm_rater_test *test;       /* by column, row, a, b; owned */
	size_t tests;
};

/* compare_members.c: who takes part, and which cases there are. SM_USAGE names the option. */
enum sm_status sm_members_open(struct sm_comparing *c, struct sm_err *err);
void sm_members_close(struct sm_comparing *c);
/* Whether `compared` is scored against `reference`: raters against raters, and all but the truth
 * against the truth and against fusions. */
bool sm_members_meet(const struct sm_comparing *c, size_t reference, size_t compared);
/* sm_items.inputs of a case: what every member has of it; nothing when there is no --out. */
enum sm_status sm_members_input(struct sm_comparing *c, struct sm_item *item, struct sm_err *err);
/* Reads all members that are files (fusions stay zero) on up to item->jobs threads and declares
 * what inputs were put off. SM_INPUT says who has none, or what is wrong with it. The caller clears
 * vol[0..members), also on failure. */
enum sm_status sm_members_read(struct sm_comparing *c, struct sm_item *item, struct sm_vol *vol,
			       struct sm_err *err);
/* What error sentences call member m's volume: "rater-a case01.nii.gz" in the run of one case's
 * work; malloc memory, NULL when out of it. */
char *sm_member_file(const struct sm_comparing *c, size_t m, const char *key);
/* The patient of a case as a ledger knows it; malloc memory, NULL when none does. */
char *sm_members_patient(const struct sm_comparing *c, const char *key);

/* compare_case.c: one case: read, scored, fused, written. */
enum sm_status sm_compare_case(struct sm_comparing *c, struct sm_item *item, struct sm_err *err);

/* compare_sums.c: books and statistics of all good cases. */
enum sm_status sm_compare_sum_up(struct sm_comparing *c, struct sm_err *err);
void sm_compare_clear(struct sm_comparing *c);
/* The pair of a reference and a compared member, NULL when they are not scored. */
const struct sm_rated *sm_compare_pair(const struct sm_comparing *c, size_t reference,
				       size_t compared);

/* compare_tables.c: the files of all cases, and the terminal. */
enum sm_status sm_compare_write(struct sm_comparing *c, struct sm_err *err);

size_t sm_compare_cases(const struct sm_comparing *c); /* good ones */

/* compare_pages.c: the tables for people, as Markdown and LaTeX, and the terminal's. */
struct sm_compare_pages {
	struct sm_text md, tex;
};
void sm_compare_pages_make(const struct sm_comparing *c, struct sm_compare_pages *out);
void sm_compare_print(const struct sm_comparing *c, struct sm_text *out);

/* compare_grid.c: a table of texts, written as Markdown, LaTeX or plain text. */
struct sm_grid {
	size_t rows, columns; /* row 0 is the head; rows may be lowered */
	size_t cells;         /* that were allocated */
	char **cell;          /* malloc texts, NULL = empty */
	bool failed;
	/* Of LaTeX alone, where the columns are put below each other in blocks that fit the page:
	 * columns that every block begins and ends with (lead 0 = 1), and how many in between stay
	 * together (0 = 1). */
	size_t lead, tail, group;
	const char *const *tail_heads; /* short ones, as LaTeX; NULL = those of row 0 */
};
void sm_grid_init(struct sm_grid *grid, size_t rows, size_t columns);
void sm_grid_clear(struct sm_grid *grid);
void sm_grid_put(struct sm_grid *grid, size_t row, size_t column, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void sm_grid_md(const struct sm_grid *grid, struct sm_text *out);
void sm_grid_tex(const struct sm_grid *grid, const char *caption, struct sm_text *out);
void sm_grid_plain(const struct sm_grid *grid, struct sm_text *out);

#endif
