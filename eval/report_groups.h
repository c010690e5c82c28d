/* SPDX-License-Identifier: Apache-2.0
 *
 * Spread over trainings: of models that are called alike up to a '#' (UNet3D#1, UNet3D#2: other
 * seeds, other folds), and over the folds of a cross validation of the main model.
 */
#ifndef SM_EVAL_REPORT_GROUPS_H
#define SM_EVAL_REPORT_GROUPS_H

#include "eval/report.h"

struct sm_groups_row {
	char name[SM_MODEL_NAME]; /* "UNet3D", or the main model's */
	bool folds;               /* groups are folds of one model, else trainings */
	size_t row, column;
	struct sm_between between;
};
struct sm_groups {
	size_t n;
	struct sm_groups_row *row; /* sm_alloc memory */
};

/* n 0 when there are no such groups. SM_BUDGET, SM_IO, SM_INPUT. */
enum sm_status sm_groups_make(const struct sm_report *report, struct sm_groups *out,
			      struct sm_err *err);
void sm_groups_clear(struct sm_groups *g);

/* <section id="groups"> of the page; groups.csv:
 * name,groups,region,metric,n_groups,mean,sd,min,max, sd_within. Nothing without groups. */
enum sm_status sm_report_groups(const struct sm_report *report, struct sm_text *out,
				struct sm_err *err);
void sm_groups_csv(const struct sm_report *report, const struct sm_groups *g, struct sm_text *out);

#endif
