/* SPDX-License-Identifier: Apache-2.0
 *
 * Which voxels of a volume statistics come from: one rule for all operations on intensities.
 */
#ifndef SM_PREPROCESS_SCOPE_H
#define SM_PREPROCESS_SCOPE_H

#include "core/field.h"
#include "preprocess/case.h"

enum sm_scope {
	SM_SCOPE_VOLUME,     /* all voxels */
	SM_SCOPE_MASK,       /* where the case's mask is not 0 */
	SM_SCOPE_NONZERO,    /* values that are not 0 */
	SM_SCOPE_ABOVE_MEAN, /* values above the mean of all, Nyul's foreground */
};
#define SM_SCOPE_CHOICES "volume|mask|nonzero|above_mean"

struct sm_kept {
	const uint8_t *keep; /* a byte each voxel of the block, not 0 = kept; NULL = all */
	size_t count;        /* of those kept */
	uint8_t *own;        /* what sm_kept_clear frees */
};

/* SM_INPUT when scope is SM_SCOPE_MASK and the case has no mask, or volumes that do not lie on its
 * grid or have several frames. */
enum sm_status sm_scope_check(const struct sm_case *c, enum sm_scope scope, struct sm_err *err);

/* Finds the kept voxels of a block of the case, which sm_scope_check must have passed. Thread-safe.
 * SM_BUDGET. */
enum sm_status sm_scope_keep(const struct sm_case *c, const struct sm_block *b, enum sm_scope scope,
			     struct sm_kept *kept, struct sm_err *err);
void sm_kept_clear(struct sm_kept *kept);

static inline size_t sm_block_count(const struct sm_block *b)
{
	return (size_t)(b->nx * b->ny * b->nz);
}

/* True when the list of names is empty or holds name. */
bool sm_roles_hold(const struct sm_strings *roles, const char *name);

/* SM_INPUT naming the first of roles that no block is called. */
enum sm_status sm_roles_check(const struct sm_case *c, const struct sm_strings *roles,
			      const struct sm_block *blocks, size_t n, struct sm_err *err);

/* The intensities of these volumes (roles empty = all; not `except`, which may be NULL) have lost
 * their unit: meaning and sidecar say so from now on. */
void sm_case_rescaled(struct sm_case *c, const struct sm_strings *roles, const char *except);

#endif
