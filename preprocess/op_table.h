/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of operations on a case: one row here and one file op_<name>.c each. The file holds the
 * parameters' struct and field table (sm_op_<name>_fields) and the function sm_op_<name>.
 */
#ifndef SM_PREPROCESS_OP_TABLE_H
#define SM_PREPROCESS_OP_TABLE_H

#include "core/err.h"
#include "core/field.h"

struct sm_case;

/* name, one line for people, check of the parameters or NULL. The order is that of sm_step.which. */
#define SM_OPS(X) \
	X(stack, "named volumes become the channels of one image", NULL) \
	X(normalise, "intensities to a range or to mean 0 and std 1, channel by channel", NULL) \
	X(window, "a CT window to a range", NULL) \
	X(pad_crop, "every volume to a given size; the shift is kept for the way back", NULL) \
	X(crop_foreground, "cut to the box of the mask or of what is not 0, plus a margin", NULL) \
	X(sum_frames, "a volume with time frames becomes their sum or mean", NULL) \
	X(remove_background, "0 outside the largest bright object without holes; leaves a mask", NULL) \
	X(relabel, "numbers of the label volume", sm_op_relabel_check) \
	X(remove_band, "intensities within a band become one value", NULL)

enum sm_op_id {
#define SM_OP_ID(name, doc, check) SM_OP_##name,
	SM_OPS(SM_OP_ID)
#undef SM_OP_ID
	SM_OP_COUNT
};

struct sm_op {
	const char *name, *doc;
	const struct sm_fieldset *params;
	/* SM_USAGE when the parameters contradict each other, whatever the cases hold; NULL = the
	 * field table says it all. */
	enum sm_status (*check)(const void *params, struct sm_err *err);
	/* Changes the case in place. SM_INPUT when the case is not what the operation needs (it is
	 * then rejected), SM_USAGE when the parameters contradict each other (the stage stops): the
	 * sentence names the case's key, the volume or parameter, what was found and allowed. */
	enum sm_status (*apply)(struct sm_case *c, const void *params, struct sm_err *err);
};

extern const struct sm_op sm_ops[SM_OP_COUNT];

/* One field of kind SM_F_MAPPING an operation, in table order: what a manifest's steps may hold. */
extern const struct sm_fieldset sm_ops_fieldset;

/* The row of a name, or NULL. */
const struct sm_op *sm_op_find(const char *name);

/* SM_USAGE when upto exceeds the number of steps or the parameters of one of the first `upto` steps
 * (0 = all) contradict each other; the sentence starts with the step. A stage calls it before it
 * reads a case. */
enum sm_status sm_ops_check(const struct sm_steps *steps, int64_t upto, struct sm_err *err);

/* Runs the first `upto` steps (0 = all) on the case; the sentence of a failure starts with the
 * step. SM_USAGE when upto exceeds the number of steps. */
enum sm_status sm_ops_run(struct sm_case *c, const struct sm_steps *steps, int64_t upto,
			  struct sm_err *err);

#define SM_OP_DECLARE(name, doc, check) \
	extern const struct sm_fieldset sm_op_##name##_fields; \
	enum sm_status sm_op_##name(struct sm_case *c, const void *params, struct sm_err *err);
SM_OPS(SM_OP_DECLARE)
#undef SM_OP_DECLARE
enum sm_status sm_op_relabel_check(const void *params, struct sm_err *err);

#endif
