/* SPDX-License-Identifier: Apache-2.0
 *
 * What a step with `when` sees of a case: the volumes it is for, the rest put aside and brought
 * back behind it.
 */
#ifndef SM_PREPROCESS_VIEW_H
#define SM_PREPROCESS_VIEW_H

#include "core/field.h"
#include "preprocess/case.h"

/* True when a DICOM modality is what a manifest calls `when`: in either case, and PT is pet too. */
bool sm_modality_is(const char *modality, const char *when);

/* True for a word that is a modality, in either case: one of DICOM's for images, or pet. */
bool sm_modality_known(const char *word);

struct sm_view {
	size_t seen; /* volumes that the step sees; 0 = it is not for this case */
	bool whole;  /* it sees everything: nothing was put aside */
	/* What was put aside, or what the step has left to be brought back. */
	struct sm_role_vol *vols;
	size_t count;
	struct sm_vol label, mask, regions;
	char (*region_names)[SM_ROLE_MAX];
};

/* Puts aside what a step for `when` must not see. It sees the volumes whose role is `when`, or all
 * when the case's modality is that (in either case; CT, MR and mr, PT and pet). If these are not
 * all volumes, it is one, for roles differ: then label, mask and regions are put aside too,
 * c->aside points to *view (which must stay where it is), and the mask is the one that earlier such
 * steps made for this volume alone. With seen == 0 nothing was done. SM_BUDGET when out of
 * memory. */
enum sm_status sm_view_open(struct sm_case *c, const char *when, struct sm_view *view,
			    struct sm_err *err);

/* Brings everything back, also after a failed step. A mask that the step made is the volume's own,
 * and also the case's when all its volumes lie on one grid. SM_INPUT when the step has stacked its
 * volumes, or has made one of a role that was put aside. */
enum sm_status sm_view_close(struct sm_case *c, struct sm_view *view, struct sm_err *err);

/* The volume of a role, also of those put aside: to be read, not to be changed. NULL = none. */
const struct sm_role_vol *sm_view_reference(const struct sm_case *c, const char *role);

/* The mask that lies on a reference: its own, or that of the case (put aside or not); NULL =
 * none. */
const struct sm_vol *sm_view_reference_mask(const struct sm_case *c,
					    const struct sm_role_vol *reference);

/* SM_INPUT when the case's label is put aside: an operation on labels is for the whole case. */
enum sm_status sm_view_needs_label(const struct sm_case *c, struct sm_err *err);

/* SM_USAGE for the first of n steps whose `when` no case can meet: a channel of an image that an
 * earlier step stacked, or a volume behind that step; and, with roles given (all that cases can
 * hold beside series named by their modality), what is neither one of them nor a modality; the
 * sentence calls the roles `allowed`. */
enum sm_status sm_when_check(const struct sm_steps *steps, size_t n, const struct sm_strings *roles,
			     const char *allowed, struct sm_err *err);

#endif
