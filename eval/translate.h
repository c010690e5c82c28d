/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the scores and pages of image translation (dataset: pair): made images, true images and
 * sources by case, as the network saw them: planes of pair's view, in the target's own unit. Not
 * for other folders.
 */
#ifndef SM_EVAL_TRANSLATE_H
#define SM_EVAL_TRANSLATE_H

#include "eval/image_baselines.h"
#include "eval/image_summary.h"
#include "preprocess/cases.h"
#include "preprocess/slice.h"

/* ---- what was trained on (eval/translate_pairs.c) ---- */

/* The samples that stage pair has listed. */
struct sm_pairs {
	struct sm_ledger ledger;
	json_t *config;      /* config.json */
	char source, target; /* domains 'a' and 'b'; 0 of pairs and triplets */
};

/* Reads ledger and config.json of a folder of pair; b_to_a: domain a is the target of an unpaired
 * set. SM_INPUT when they do not belong together. */
enum sm_status sm_pairs_open(struct sm_run *run, const char *dir, bool unpaired, bool b_to_a,
			     struct sm_pairs *out, struct sm_err *err);
void sm_pairs_close(struct sm_pairs *pairs);

/* SM_INPUT when the network of a predict ledger was not trained on these samples, or the ledger
 * does not tell: what another folder holds out may have been trained on. */
enum sm_status sm_pairs_trained_on(const struct sm_pairs *pairs, const json_t *predict,
				   struct sm_err *err);

/* The slices of a case that `held` asks for, of `count` in all: use[z] is 1 or 0; their number.
 * SM_SCORE_HELD_OUT is of the source's domain, without those that the target's was trained on. */
size_t sm_pairs_slices(const struct sm_pairs *pairs, const char *key, enum sm_scored held,
		       uint8_t *use, int64_t count);

/* What the inside of the body is (evaluate.body; eval/translate_body.c). */
struct sm_body_rules {
	struct sm_body_settings how;
	enum sm_meaning meaning;
	const char *name; /* of the target */
	double range[2];  /* own values of -1 and 1 */
};

/* The targets that a network was trained on, as the shards hold them. */
struct sm_training_targets {
	int64_t width, height, channels; /* of the mean image */
	float *mean;     /* channels x height x width; NULL when they are not of one size */
	double constant; /* mean of all values */
	uint64_t images; /* 0 = there is none */
	const char *why; /* there is no mean image: why; NULL when there is one */
	/* Inside the body, own unit: the mean of the targets in whose body a pixel lies, and of all
	 * body voxels. The body of a case is that of its training slices as one stack. */
	float *body_mean; /* height x width; NULL when there is no mean image or no body */
	double body_constant;
	const char *no_body; /* why there is neither; NULL when there is */
};

/* Reads all samples of fold train; rules NULL: nobody asks for the body. SM_INPUT: a shard is not
 * what the ledger says, or damaged; a value is not finite. Clear with sm_training_targets_clear. */
enum sm_status sm_training_targets_read(struct sm_run *run, const char *dir,
					const struct sm_pairs *pairs,
					const struct sm_body_rules *rules,
					struct sm_training_targets *out, struct sm_err *err);
void sm_training_targets_clear(struct sm_training_targets *targets);

/* ---- a case (eval/translate_case.c) ---- */

/* A folder of predict beside the folder of preprocess that it was made from. */
struct sm_translations {
	struct sm_run *run;
	const struct sm_pair_section *pair;
	const char *dir; /* of predict */
	struct sm_ledger predict;
	struct sm_cases cases;
	const char *source, *target; /* roles, channels or modalities */
	const char *unit;            /* "HU", "grey"; "1" = normalised */
	const char *model;           /* name of the network, or "model" */
	double range[2];             /* own values of -1 and 1 */
	bool triplets, unpaired, b_to_a;
	double tolerance; /* mm of grids */
};

/* Reads both ledgers. SM_INPUT: predict was not of pairs, or made from another preprocess. */
enum sm_status sm_translations_open(struct sm_run *run, const char *predict, const char *truth,
				    struct sm_translations *out, struct sm_err *err);
void sm_translations_close(struct sm_translations *t);

/* The number of a case in t->cases, SM_NONE without a good record there; whether it has a truth. */
size_t sm_translations_find(const struct sm_translations *t, const char *key);
enum sm_status sm_translations_truth(const struct sm_translations *t, size_t at, bool *has,
				     struct sm_err *err);

/* One case. Stacks hold slice c * n + k (row by row) of channel c, scored slice k. */
struct sm_made {
	struct sm_slice_view view;
	int64_t width, height, channels, source_channels;
	int64_t *slice;   /* their numbers along the view's normal, ascending; n of them */
	int64_t n, count; /* count = slices of the volume */
	bool neighbours;  /* each is one behind the one before */
	bool pictures;
	float *test, *truth, *source; /* own unit; source in [-1, 1] as it came, NULL of triplets */
	float *whole;                 /* the true volume: channels x count slices, own unit */
	uint8_t *mask;                /* n slices; NULL = none */
	double threshold;             /* of the mask */
	char *no_mask;                /* why there is none; NULL = not asked for */
};

/* Reads the images of a case. use: slices to take (`count` of them, from sm_made_plan), NULL =
 * all that predict made. SM_INPUT: files that are not what their ledgers say, another grid (the
 * sentence names the step that helps), no slice left. Clear with sm_made_clear. */
typedef enum sm_status (*sm_slice_filter)(const void *ctx, const char *key, uint8_t *use,
					  int64_t count, struct sm_err *err);
enum sm_status sm_made_load(const struct sm_translations *t, const json_t *record,
			    sm_slice_filter filter, const void *ctx, int jobs, struct sm_made *out,
			    struct sm_err *err);
void sm_made_clear(struct sm_made *c);

/* ---- the body (eval/translate_body.c) ---- */

/* False when the settings ask for none. */
bool sm_body_rules(const struct sm_translations *t, const struct sm_evaluate_section *s,
		   bool pictures, struct sm_body_rules *out);

/* Adds the body mask of the truth as the settings say; none is no error: no_mask says why. */
enum sm_status sm_made_body(const struct sm_translations *t, const struct sm_evaluate_section *s,
			    int jobs, struct sm_made *c, struct sm_err *err);

/* The body of training targets, summed up case by case; zeroed but for the rules. */
struct sm_body_sum {
	struct sm_body_rules rules;
	struct sm_mem *mem;
	int64_t dim[3]; /* of the stack; its slices so far */
	float *stack;   /* training slices of the case at work, own unit */
	double *sum;    /* of plane pixels, the size of the first case; others add to total alone */
	uint64_t *count;
	size_t plane;
	double total;
	uint64_t voxels; /* 0 = no body was found */
};
/* A case of at most `images` slices, these in [-1, 1], its end. SM_BUDGET. */
enum sm_status sm_body_sum_begin(struct sm_body_sum *b, int64_t width, int64_t height,
				 size_t images, struct sm_mem *mem, struct sm_err *err);
void sm_body_sum_add(struct sm_body_sum *b, const float *image);
enum sm_status sm_body_sum_end(struct sm_body_sum *b, int jobs, struct sm_err *err);
/* Mean image (the caller's; NULL without a body) and mean of the body, own unit. */
enum sm_status sm_body_sum_get(const struct sm_body_sum *b, float **mean, double *constant,
			       struct sm_err *err);
void sm_body_sum_clear(struct sm_body_sum *b);

/* ---- baselines of a case (eval/translate_base.c) ---- */

/* NULL when baseline `which` can be made of the case; else why not, in words. "" = it is not one
 * of this kind of data. targets may be NULL. */
const char *sm_made_lacks(const struct sm_translations *t,
			  const struct sm_training_targets *targets, const struct sm_made *c,
			  int which);

/* Makes it: a stack like c->test. */
enum sm_status sm_made_base(const struct sm_translations *t,
			    const struct sm_training_targets *targets, const struct sm_made *c,
			    int which, int jobs, float *out, struct sm_err *err);

/* ---- the stage (eval/translate_scores.c) ---- */

/* `scanmill evaluate` of dataset pair: all but parsing. */
enum sm_status sm_translate_evaluate(struct sm_run *run, const char *truth, const char *pairs,
				     struct sm_err *err);

/* Settings of the scores. SM_USAGE: a metric that is not known. `pictures`: there are no slices. */
enum sm_status sm_translate_score_settings(const struct sm_translations *t,
					   const struct sm_evaluate_section *s, bool pictures,
					   struct sm_image_settings *out, struct sm_err *err);

/* ---- tables (eval/translate_tables.c) ---- */

/* Rows of a run: the network and the baselines. Row 0 is the network. */
enum { SM_TRANSLATE_ROWS = 1 + SM_BASELINES };
const char *sm_translate_row_key(int row);
const char *sm_translate_row_name(const char *model, int row);

/* Scores of all good records of an evaluate ledger. Owned; clear with sm_translate_table_clear. */
struct sm_translate_table {
	struct sm_image_scores *scores; /* [row][case] */
	struct sm_image_row rows[SM_TRANSLATE_ROWS];
	char **keys;
	uint32_t *patient; /* number of each case's; NULL = none has two */
	size_t cases, rejected;
	struct sm_image_settings settings;
	struct sm_image_table table;
};
enum sm_status sm_translate_table_read(struct sm_records *records, const char *model,
				       const struct sm_image_settings *settings,
				       struct sm_translate_table *out, struct sm_err *err);
void sm_translate_table_clear(struct sm_translate_table *t);

#endif
