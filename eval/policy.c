/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/policy.h"

#include <math.h>

const char *const sm_policy_names[SM_POLICIES] = {"brats2020", "nnunet", "strict", "seed"};
const char *const sm_policy_words[SM_POLICIES] = {
	[SM_POLICY_BRATS2020] =
		"truth and prediction both empty: overlap 1, distance 0; one of them empty: "
		"overlap 0, distance 373.1287 mm, the challenge's penalty",
	[SM_POLICY_NNUNET] =
		"a score that its formula does not define is left out of the mean: overlap where "
		"both are empty, a distance where either is",
	[SM_POLICY_STRICT] =
		"truth and prediction both empty: overlap 1, distance 0; one of them empty: "
		"overlap 0, distance infinite: counted, never averaged",
	[SM_POLICY_SEED] =
		"the original study's smoothed ratios: Dice (2 TP + 1) / (2 TP + FP + FN + 1), "
		"shares with 1e-7 in the denominator; distances as brats2020",
};
const char *const sm_situation_keys[SM_SITUATIONS] = {"full", "both_empty", "truth_empty",
						      "prediction_empty"};
const char *const sm_situation_names[SM_SITUATIONS] = {"both present", "both empty", "truth empty",
						       "prediction empty"};
const char *const sm_why_keys[SM_CELL_WHYS] = {"value", "undefined", "left_out", "infinite",
					       "policy"};

/* What stands where the formula has no value. */
struct rule {
	enum sm_why why;
	double v;
};
#define IS(value) \
	{ \
		SM_BY_POLICY, value \
	}
#define NONE \
	{ \
		SM_NOT_DEFINED, NAN \
	}
#define OUT \
	{ \
		SM_LEFT_OUT, NAN \
	}
#define ENDLESS \
	{ \
		SM_IS_INFINITE, NAN \
	}
#define FAR IS(SM_BRATS_DISTANCE_MM)

/* In the order of enum sm_situation; where both are there, a formula without value has none. */
static const struct rule rules[SM_POLICIES][SM_ON_EMPTY][SM_SITUATIONS] = {
	[SM_POLICY_BRATS2020] = {[SM_EMPTY_FORMULA] = {NONE, NONE, NONE, NONE},
				 [SM_EMPTY_OVERLAP] = {NONE, IS(1), IS(0), IS(0)},
				 [SM_EMPTY_DISTANCE] = {NONE, IS(0), FAR, FAR},
				 [SM_EMPTY_COUNT] = {NONE, NONE, NONE, NONE}},
	[SM_POLICY_NNUNET] = {[SM_EMPTY_FORMULA] = {NONE, NONE, NONE, NONE},
			      [SM_EMPTY_OVERLAP] = {NONE, OUT, OUT, OUT},
			      [SM_EMPTY_DISTANCE] = {NONE, OUT, OUT, OUT},
			      [SM_EMPTY_COUNT] = {NONE, NONE, NONE, NONE}},
	[SM_POLICY_STRICT] = {[SM_EMPTY_FORMULA] = {NONE, NONE, NONE, NONE},
			      [SM_EMPTY_OVERLAP] = {NONE, IS(1), IS(0), IS(0)},
			      [SM_EMPTY_DISTANCE] = {NONE, IS(0), ENDLESS, ENDLESS},
			      [SM_EMPTY_COUNT] = {NONE, NONE, NONE, NONE}},
	[SM_POLICY_SEED] = {[SM_EMPTY_FORMULA] = {NONE, NONE, NONE, NONE},
			    [SM_EMPTY_OVERLAP] = {NONE, IS(1), IS(0), IS(0)},
			    [SM_EMPTY_DISTANCE] = {NONE, IS(0), FAR, FAR},
			    [SM_EMPTY_COUNT] = {NONE, NONE, NONE, NONE}},
};

enum sm_situation sm_situation_of(const struct sm_counts *c)
{
	if (sm_truth_empty(c))
		return sm_prediction_empty(c) ? SM_BOTH_EMPTY : SM_TRUTH_EMPTY;
	return sm_prediction_empty(c) ? SM_PREDICTION_EMPTY : SM_BOTH_FULL;
}

enum sm_why sm_policy_value(enum sm_policy policy, const struct sm_metric *metric,
			    enum sm_situation situation, double *v)
{
	if (!isnan(*v))
		return SM_HAS_VALUE;
	const struct rule *rule = &rules[policy][metric->empty][situation];
	*v = rule->v;
	return rule->why;
}
