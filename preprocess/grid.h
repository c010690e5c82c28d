/* SPDX-License-Identifier: Apache-2.0
 *
 * A case on other grids: volumes, label, mask, regions and kept slices move together, each voxel
 * keeps its place in mm, and the ways back follow.
 */
#ifndef SM_PREPROCESS_GRID_H
#define SM_PREPROCESS_GRID_H

#include "preprocess/case.h"
#include "preprocess/resample.h"

#define SM_GRID_MAX 16384 /* voxels along an axis that an operation may ask for */

/* Where everything of a case goes; those of what the case has not are not looked at. */
struct sm_plan {
	struct sm_target vol[SM_CASE_VOLS], label, mask, regions;
};

/* True when both lie on one grid: the same sizes, and the corners within c->grid_tolerance mm. Pictures
 * have no place in mm: sizes decide. What uses the voxels of one volume on another by their index
 * asks this first. */
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

/* SM_USAGE for a method and an antialias (enum sm_method, enum sm_antialias) that exclude each other. */
enum sm_status sm_method_check(int method, int antialias, struct sm_err *err);

#endif
