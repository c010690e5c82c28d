/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/metrics.h"

struct sm_counts sm_joint_region(const struct sm_joint *joint, uint64_t members)
{
	struct sm_counts c = {0};
	for (size_t t = 0; t < SM_MAP_CLASSES; t++)
		for (size_t p = 0; p < SM_MAP_CLASSES; p++) {
			bool in_truth = members >> t & 1, in_prediction = members >> p & 1;
			uint64_t *cell = in_truth        ? in_prediction ? &c.tp : &c.fn
					 : in_prediction ? &c.fp
							 : &c.tn;
			*cell += joint->n[t][p];
		}
	return c;
}

bool sm_truth_empty(const struct sm_counts *c)
{
	return c->tp + c->fn == 0;
}

bool sm_prediction_empty(const struct sm_counts *c)
{
	return c->tp + c->fp == 0;
}
