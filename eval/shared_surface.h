/* SPDX-License-Identifier: Apache-2.0
 *
 * HD95 by surface elements of many small lesions against the same large predicted components. The
 * corner points of the components are sorted into cells once; of a lesion, cells, then parts of
 * them, that lie on one side of the percentile for certain are told by their bounds, and only the
 * points in between are measured.
 *
 * Components of 26 neighbours share no corner point, so the surface of several is theirs together.
 */
#ifndef SM_EVAL_SHARED_SURFACE_H
#define SM_EVAL_SHARED_SURFACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/components.h"
#include "eval/surfel.h"

/* Voxels of a component: from low to the one before high. */
struct sm_component_box {
	int64_t low[3], high[3];
};

struct sm_shared_surface {
	struct sm_shared_cell *cell; /* owned, as is all that follows */
	uint32_t *point;             /* place in the cell << 8 | code */
	size_t *first;               /* first cell of each component, and one more */
	double scale, step[3];       /* as in struct sm_rows_near */
	double area[SM_SURFEL_CODES];
	struct sm_mem *mem;
};

/* Of the components of SM_CORNERS that are `needed`, a byte each, in a volume of n voxels that is
 * flat along no axis. SM_BUDGET; the caller clears, also after failure. */
enum sm_status sm_shared_surface_init(struct sm_shared_surface *s, const struct sm_components *of,
				      const struct sm_component_box *box, const uint8_t *needed,
				      const int64_t n[3], const double spacing[3],
				      struct sm_mem *mem, struct sm_err *err);
void sm_shared_surface_clear(struct sm_shared_surface *s);

/* A corner point of a lesion in the same volume: point x lies between voxels x - 1 and x. */
struct sm_site {
	int32_t at[3];
	uint8_t code;
};

/* Cells that a lesion with these components has to look at. */
size_t sm_shared_surface_cells(const struct sm_shared_surface *s, const uint32_t *component,
			       size_t components);

/* The larger HD95 of both directions between the sites (at least one) and the components, the same
 * double as sm_surface_measure's where the spacing is equal, otherwise all but its last bits. False
 * in *sure: which distance it is hangs on the rounding of a sum, and nothing is told. Thread-safe.
 */
enum sm_status sm_shared_surface_hd95(const struct sm_shared_surface *s, const uint32_t *component,
				      size_t components, const struct sm_site *site, size_t sites,
				      double *hd95, bool *sure, struct sm_err *err);

#endif
