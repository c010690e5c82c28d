/* SPDX-License-Identifier: Apache-2.0
 *
 * The models of a report: one folder of stage evaluate each, with the same labels, metrics and
 * rules, scored against the same truths; and the paired tests between them. Case i of one model is
 * not case i of another: pairs are made by key.
 */
#ifndef SM_EVAL_REPORT_MODELS_H
#define SM_EVAL_REPORT_MODELS_H

#include "core/stage.h"
#include "eval/column.h"
#include "eval/policy.h"
#include "eval/scorebook.h"
#include "eval/stats/stats.h"
#include "eval/summary.h"

enum { SM_MODELS_MAX = 16, SM_MODEL_NAME = 40 };

struct sm_model {
	char name[SM_MODEL_NAME]; /* as given, or the network's name in the ledger of train */
	const char *dir;
	struct sm_ledger evaluate;
	struct sm_scorebook *book; /* its good cases by key */
	struct sm_summary summary;
	size_t rejected;
	size_t assumed; /* good cases without a prediction, scored as empty ones */
};

/* A paired comparison of two models on the cases that both have a finite value for. p values stand
 * as they came out and after Holm's correction over all pairs of models and shown regions of the
 * same metric; NaN where the test has no answer. Wilcoxon's test has the pairs with an infinite
 * value, too (of policy strict: a region that was missed), as it looks at ranks: wilcoxon.n. */
struct sm_duel {
	size_t a, b, row, column;
	size_t n, left_out; /* cases of both (patients where one has several) with two numbers;
			       other cases of either */
	size_t no_number, infinite; /* of left_out: cases of both where a model has no value, and
				       the others where one is infinite; the rest only one has */
	double difference;  /* mean of a - b, and its bootstrap interval of 95 % (NaN: none) */
	double low, high;
	struct sm_paired wilcoxon, permutation;
	double holm_wilcoxon, holm_permutation;
};

struct sm_models {
	size_t n, main; /* main: the one whose pictures, curves and cases are shown */
	struct sm_model v[SM_MODELS_MAX];
	struct sm_duel *duel; /* by column, row, a, b; NULL with one model */
	size_t duels;
};

struct sm_report;

/* Reads the folders that --models and --in name into report->models (and the map, the columns and
 * the policy that they share), each one's ledger an input of the item. SM_USAGE: a name twice, not
 * 1..39 plain characters, too many. SM_INPUT: another stage's folder, none with a good case, other
 * settings of evaluate than the first one's (named) where they change a score, another truth for the same case. */
enum sm_status sm_models_read(struct sm_report *report, const struct sm_strings *given,
			      struct sm_item *item, struct sm_err *err);
/* The tests of every two models; nothing with one. */
enum sm_status sm_models_compare(struct sm_report *report, struct sm_err *err);
void sm_models_clear(struct sm_models *m);

/* The model with this name, or SM_NONE; case does not count. */
size_t sm_models_find(const struct sm_models *m, const char *name);

/* Values of a column of two models on the cases of both, in order of keys, a patient once: pairs of
 * numbers, and all pairs without NaN. sm_models_unpair frees them, also after an error. */
struct sm_model_pairs {
	double *a, *b, *ranked_a, *ranked_b; /* in the memory of a */
	size_t n, ranked;
	size_t left_out, no_number, infinite; /* as in a duel */
};
enum sm_status sm_models_pair(const struct sm_models *m, size_t a, size_t b, size_t row,
			      size_t column, struct sm_model_pairs *out, struct sm_err *err);
void sm_models_unpair(struct sm_model_pairs *pairs);

/* Cases that some models have a score of and others have not. */
size_t sm_models_apart(const struct sm_models *m);

/* "evaluate.missing, what becomes of a truth without prediction (A worst, B list)": settings that
 * models side by side do not share, though their scores mean the same; nothing when there is none.
 */
void sm_models_differences(const struct sm_models *m, struct sm_text *out);

#endif
