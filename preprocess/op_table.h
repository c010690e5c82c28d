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

/* name, one line for people, check of the parameters or NULL. The order is that of
 * sm_step.which. */
#define SM_OPS(X) \
	X(stack, "named volumes become the channels of one image", sm_op_stack_check) \
	X(normalise, "intensities to a range or to mean 0 and std 1, channel by channel", \
	  sm_op_normalise_check) \
	X(window, "a CT window to a range", sm_op_window_check) \
	X(pad_crop, "every volume to a given size; the shift is kept for the way back", \
	  sm_op_pad_crop_check) \
	X(crop_foreground, "cut to the box of the mask or of what is not 0, plus a margin", NULL) \
	X(sum_frames, "a volume with time frames becomes their sum or mean", NULL) \
	X(remove_background, "0 outside the largest bright object without holes; leaves a mask", \
	  NULL) \
	X(denoise, "median, Gaussian, bilateral filter or non-local means", sm_op_denoise_check) \
	X(bias_field, "the slow shading of MR images, by N4", sm_op_bias_field_check) \
	X(relabel, "numbers of the label volume", sm_op_relabel_check) \
	X(orient, "axes swapped and flipped to named sides (RAS, LPS, ...)", sm_op_orient_check) \
	X(resample, "volumes to a spacing in mm or to another volume's grid", \
	  sm_op_resample_check) \
	X(resize, "volumes to a size in voxels over the same extent", sm_op_resize_check) \
	X(rotate90, "quarter turns in the xy plane", sm_op_rotate90_check) \
	X(remove_band, "intensities within a band become one value", sm_op_remove_band_check) \
	X(scale, "a line through the intensities: x * multiply / divide + add", sm_op_scale_check) \
	X(match_histogram, "the histogram of another volume or of learnt quantiles", \
	  sm_op_match_histogram_check) \
	X(nyul, "MR intensities to a learnt standard scale", sm_op_nyul_check) \
	X(select_frames, "some time frames of many", sm_op_select_frames_check) \
	X(suv, "PET from Bq/ml to SUV by body weight", NULL) \
	X(one_hot, "a region for each label", sm_op_one_hot_check) \
	X(regions, "named unions of labels", sm_op_regions_check) \
	X(select_slices, "marks the slices that are of use", sm_op_select_slices_check)

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

/* SM_USAGE when upto exceeds the number of steps, the parameters of one of the first `upto` steps
 * (0 = all) contradict each other, two steps make regions of the same cases, a `when` can be met by
 * no case (sm_when_check in preprocess/view.h), or one of the first `learnt` steps lacks numbers
 * that preprocess --learn prints; the sentence starts with the step. A stage calls it before it
 * reads a case, with SM_ALL_LEARNT unless it learns. */
#define SM_ALL_LEARNT SIZE_MAX
enum sm_status sm_ops_check(const struct sm_steps *steps, int64_t upto, size_t learnt,
			    struct sm_err *err);

/* Runs the first `upto` steps (0 = all) on the case; the sentence of a failure starts with the
 * step. A value that is NaN or infinite behind a step rejects the case. A step with `when` sees
 * what sm_view_open (preprocess/view.h) leaves; one that is not for this case is skipped, and a
 * fact says so. SM_USAGE when upto exceeds the number of steps. */
enum sm_status sm_ops_run(struct sm_case *c, const struct sm_steps *steps, int64_t upto,
			  struct sm_err *err);

#define SM_OP_DECLARE(name, doc, check) \
	extern const struct sm_fieldset sm_op_##name##_fields; \
	enum sm_status sm_op_##name(struct sm_case *c, const void *params, struct sm_err *err);
SM_OPS(SM_OP_DECLARE)
#undef SM_OP_DECLARE
enum sm_status sm_op_orient_check(const void *params, struct sm_err *err);
enum sm_status sm_op_relabel_check(const void *params, struct sm_err *err);
enum sm_status sm_op_resample_check(const void *params, struct sm_err *err);
enum sm_status sm_op_resize_check(const void *params, struct sm_err *err);
enum sm_status sm_op_stack_check(const void *params, struct sm_err *err);
/* The names of the channels that it makes. */
const struct sm_strings *sm_op_stack_roles(const void *params);
enum sm_status sm_op_normalise_check(const void *params, struct sm_err *err);
enum sm_status sm_op_window_check(const void *params, struct sm_err *err);
enum sm_status sm_op_pad_crop_check(const void *params, struct sm_err *err);
enum sm_status sm_op_rotate90_check(const void *params, struct sm_err *err);
enum sm_status sm_op_remove_band_check(const void *params, struct sm_err *err);
enum sm_status sm_op_scale_check(const void *params, struct sm_err *err);
enum sm_status sm_op_match_histogram_check(const void *params, struct sm_err *err);
enum sm_status sm_op_nyul_check(const void *params, struct sm_err *err);
enum sm_status sm_op_select_frames_check(const void *params, struct sm_err *err);
enum sm_status sm_op_one_hot_check(const void *params, struct sm_err *err);
enum sm_status sm_op_regions_check(const void *params, struct sm_err *err);
enum sm_status sm_op_denoise_check(const void *params, struct sm_err *err);
enum sm_status sm_op_bias_field_check(const void *params, struct sm_err *err);
enum sm_status sm_op_select_slices_check(const void *params, struct sm_err *err);

#endif
