/* SPDX-License-Identifier: Apache-2.0
 *
 * A case on other grids: volumes, label, mask, regions and kept slices move together, each voxel
 * keeps its place in mm, and the ways back follow.
 */
#ifndef SM_PREPROCESS_GRID_H
#define SM_PREPROCESS_GRID_H

#include <stddef.h>

#include "core/field.h"
#include "preprocess/case.h"
#include "preprocess/resample.h"

#define SM_GRID_MAX 16384 /* voxels along an axis that an operation may ask for */

/* Where everything of a case goes; those of what the case has not are not looked at. */
struct sm_plan {
	struct sm_target vol[SM_CASE_VOLS], label, mask, regions;
};

/* True when both lie on one grid: the same sizes, and the corners within c->grid_tolerance mm.
 * Pictures have no place in mm: sizes decide. What uses the voxels of one volume on another by
 * their index asks this first. */
bool sm_case_same_grid(const struct sm_case *c, const struct sm_vol *a, const struct sm_vol *b);

/* SM_INPUT with sizes or distance and the step that helps unless all volumes lie on one grid. */
enum sm_status sm_case_one_grid(const struct sm_case *c, struct sm_err *err);

/* The same of v and the first volume; `name` calls v. One without data fits. */
enum sm_status sm_case_on_grid(const struct sm_case *c, const struct sm_vol *v, const char *name,
			       struct sm_err *err);

/* Index of the first volume on whose grid v lies, or c->count. */
size_t sm_case_home(const struct sm_case *c, const struct sm_vol *v);

/* Fills the plans of label, mask and regions from that of the volume on whose grid each lies.
 * SM_INPUT naming sizes or distance and the step that helps when one lies on no volume's. */
enum sm_status sm_plan_companions(const struct sm_case *c, struct sm_plan *plan,
				  struct sm_err *err);

/* Only the check of sm_plan_companions. */
enum sm_status sm_case_check_grids(const struct sm_case *c, struct sm_err *err);

/* Carries a plan out: intensities by `how`, labels nearest or by vote, mask and regions nearest,
 * each volume's kept slices by its nearest slice. SM_INPUT when kept slices would no longer be
 * slices. After a failure the case is only good for sm_case_clear. */
enum sm_status sm_case_move(struct sm_case *c, const struct sm_plan *plan,
			    const struct sm_resample *how, struct sm_err *err);

/* Plans the move of one volume from its own grid; ctx is the caller's. */
typedef void (*sm_plan_fn)(const void *ctx, const struct sm_vol *vol, struct sm_target *out);

/* Moves the case: each volume as `plan` says, label, mask and regions with the volume on whose grid
 * they lie. SM_INPUT as sm_plan_companions and sm_case_move. */
enum sm_status sm_case_move_each(struct sm_case *c, sm_plan_fn plan, const void *ctx,
				 const struct sm_resample *how, struct sm_err *err);

/* Parameters of an operation that makes values between voxels, as a member of its struct, and their
 * rows. */
struct sm_interpolation {
	int method, antialias, labels; /* enum sm_method, enum sm_antialias, 1 = vote */
	int64_t lobes;
};
#define SM_INTERPOLATION_FIELDS(type, member) \
	{"method", \
	 SM_F_CHOICE, \
	 .offset = offsetof(type, member.method), \
	 .fallback = "linear", \
	 .choices = "nearest|linear|cubic|catmull_rom|sinc", \
	 .doc = "intensities; cubic is the interpolating B-spline, sinc is Lanczos"}, \
		{"lobes", \
		 SM_F_INT, \
		 .offset = offsetof(type, member.lobes), \
		 .fallback = "3", \
		 .min = 1, \
		 .max = 8, \
		 .doc = "lobes of sinc to each side, voxels", \
		 .only = "method sinc"}, \
		{"antialias", \
		 SM_F_CHOICE, \
		 .offset = offsetof(type, member.antialias), \
		 .fallback = "none", \
		 .choices = "none|kernel|area|gaussian", \
		 .doc = "where voxels grow: nothing, a wider kernel, means over the new voxel, " \
			"or smoothing first"}, \
	{ \
		"labels", SM_F_CHOICE, .offset = offsetof(type, member.labels), \
				       .fallback = "nearest", .choices = "nearest|vote", \
				       .doc = "label: the nearest voxel's, or the one with the " \
					      "largest linear share" \
	}

/* SM_USAGE for a method and an antialias that exclude each other. */
enum sm_status sm_interpolation_check(const struct sm_interpolation *p, struct sm_err *err);

/* As sm_case_move takes it; fill is 0. */
struct sm_resample sm_interpolation_how(const struct sm_interpolation *p);

#endif
