/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations whose numbers are learnt from cases and then stand in the manifest: match_histogram
 * (quantiles) and nyul (standard scale). Learnt is one list of values a volume or channel, the mean
 * over the cases of what each case says.
 */
#ifndef SM_PREPROCESS_LEARN_H
#define SM_PREPROCESS_LEARN_H

#include "preprocess/op_table.h"
#include "preprocess/scope.h"

/* One entry of the manifest's list: {role: flair, values: [...]}. */
struct sm_learnt {
	char *role;
	struct sm_floats values;
};
extern const struct sm_fieldset sm_learnt_fields;

/* What the parameters of such an operation start with. */
struct sm_learnable {
	struct sm_list learnt; /* struct sm_learnt */
	struct sm_strings roles;
	int scope; /* enum sm_scope */
};

/* The values of a role, or NULL. */
const struct sm_floats *sm_learnt_find(const struct sm_learnable *p, const char *role);

/* SM_USAGE unless each role stands once, with finite values that never fall: `count` of them, or at
 * least 2 with count 0. `key` is the list's name. */
enum sm_status sm_learnt_check(const struct sm_learnable *p, const char *key, size_t count,
			       struct sm_err *err);

/* How an operation learns. */
struct sm_learner {
	enum sm_op_id op;
	const char *key;                      /* of the list among its parameters */
	size_t (*points)(const void *params); /* values a list */
	/* SM_USAGE when the list is empty but needed to run the operation. */
	enum sm_status (*ready)(const void *params, struct sm_err *err);
	/* What the kept values of one block, sorted, say. SM_INPUT when they say nothing. */
	enum sm_status (*measure)(const void *params, const float *sorted, size_t kept,
				  double *values, struct sm_err *err);
};
extern const struct sm_learner sm_match_histogram_learner, sm_nyul_learner;

/* The learner of an operation, or NULL when there is nothing to learn for it. */
const struct sm_learner *sm_learner_find(size_t op);

/* Sums over cases, by role. A zeroed struct is empty. */
struct sm_learning {
	struct sm_learning_role {
		char role[SM_ROLE_MAX];
		double *sum; /* `points` long */
		size_t cases;
	} roles[SM_CASE_VOLS];
	size_t count, points;
};

/* Measures a case that stands right before the step; with `when` it is seen as the step sees it,
 * and out->count 0 tells that the step is not for it. Clear *out also after a failure. */
enum sm_status sm_learn_case(struct sm_case *c, const struct sm_step *step, struct sm_learning *out,
			     struct sm_err *err);

/* Adds what one case said; both must be of the same step. */
enum sm_status sm_learning_add(struct sm_learning *all, const struct sm_learning *one,
			       struct sm_err *err);
void sm_learning_clear(struct sm_learning *learning);

/* The step with the means as an entry of preprocess.steps in YAML; malloc memory, NULL when out of
 * memory. */
char *sm_learning_yaml(const struct sm_learning *learning, const struct sm_step *step);

#endif
