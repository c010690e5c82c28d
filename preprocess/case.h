/* SPDX-License-Identifier: Apache-2.0
 *
 * A case in memory while operations work on it: its volumes by role, label, mask, and what is
 * needed to bring a result back to the source's grid and label numbers.
 */
#ifndef SM_PREPROCESS_CASE_H
#define SM_PREPROCESS_CASE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/vol.h"

#define SM_ROLE_MAX 64  /* bytes of a role's name with its zero */
#define SM_CASE_VOLS 64 /* intensity volumes a case may hold */

struct sm_role_vol {
	char role[SM_ROLE_MAX];
	struct sm_vol vol;
	json_t *sidecar; /* owned; see preprocess/sidecar.h; NULL = none */
	uint8_t *keep; /* its z slices that are of use: a byte each, vol.dim[2] of them; NULL = all
			*/
	/* Made for this volume alone, by steps with `when` that saw no other
	 * (preprocess/view.h). */
	struct sm_vol mask; /* uint8 on its grid; data NULL = none */
	/* The grid it was taken with; operations that move voxels leave it alone. */
	int64_t source_dim[3];
	double source_affine[4][4];
	double way[4][4]; /* voxel index in that grid -> voxel index today; exact for whole shifts,
			     flips, swaps */
};

struct sm_view; /* preprocess/view.h */

struct sm_case {
	char key[104];
	struct sm_mem *mem; /* borrowed; may be NULL */
	int jobs;           /* threads an operation may use; never changes a result */
	double grid_tolerance; /* mm that two volumes' voxels may differ and still lie on one grid
				*/

	struct sm_role_vol *vols; /* intensity volumes sorted by role; one, "image", once stacked */
	size_t count;
	bool stacked; /* the fourth axis of vols[0] is the channel; but see apart */
	bool may_stay_apart;           /* the caller and the steps to come can do with: */
	bool apart;    /* stacked, but each channel still is a volume of its own, in their order */
	bool pictures; /* came from pictures: one slice, row 0 at the top, the fourth axis is colour
			*/
	char modality[17];             /* DICOM modality of the series ("CT"); "" = not known */
	char (*channels)[SM_ROLE_MAX]; /* names of the channels once stacked */
	struct sm_vol label, mask;     /* uint8; data NULL = none */
	struct sm_vol regions; /* uint8 0 and 1, the fourth axis is the region; data NULL = none */
	char (*region_names)[SM_ROLE_MAX];
	/* What a step with `when` must not see or change, while it runs; NULL = it sees
	 * everything. */
	const struct sm_view *aside;

	/* The way back. */
	int64_t source_dim[3];
	double source_affine[4][4];
	double way[4][4];    /* source voxel index -> voxel index today, as in struct sm_role_vol */
	int (*label_map)[2]; /* pairs: original label, label today */
	size_t label_map_count;
	json_t *facts; /* array: what operations found, for the record */
};

/* Frees what a volume of a case owns, and zeroes it. */
void sm_role_vol_clear(struct sm_role_vol *vol);

/* An empty case. SM_BUDGET when out of memory. */
enum sm_status sm_case_init(struct sm_case *c, const char *key, struct sm_mem *mem, int jobs,
			    struct sm_err *err);
/* Frees everything; a zeroed case is fine. */
void sm_case_clear(struct sm_case *c);

/* Adds an intensity volume as it was read; takes its data (vol is emptied) also on failure. Its
 * grid is kept as its source grid, and that of the first volume is the case's. Roles must
 * differ. */
enum sm_status sm_case_take(struct sm_case *c, const char *role, struct sm_vol *vol,
			    struct sm_err *err);

/* The volume of a role, or NULL. */
struct sm_vol *sm_case_find(const struct sm_case *c, const char *role);

/* The case's source grid becomes that with which this volume was taken. */
void sm_case_set_source(struct sm_case *c, const struct sm_role_vol *vol);

/* One stretch of float32 values that are normalised together: a channel of a stacked image, or a
 * whole named volume (all its frames). x fastest; z counts the planes of all frames. */
struct sm_block {
	float *v;
	int64_t nx, ny, nz;
	const char *name;
};

/* Converts all volumes to float32 and lists their blocks: *blocks is malloc memory of the caller,
 * *n its length. */
enum sm_status sm_case_blocks(struct sm_case *c, struct sm_block **blocks, size_t *n,
			      struct sm_err *err);

/* Moves every volume, label and mask to a grid of dim voxels in which today's voxel (0,0,0) has
 * index shift: cuts and pads. Intensities outside get fill, label and mask 0; affines and ways
 * follow. It stands in grid.c. All volumes of the case must have the same three sizes. */
enum sm_status sm_case_regrid(struct sm_case *c, const int64_t dim[3], const int64_t shift[3],
			      double fill, struct sm_err *err);

/* Fails (SM_INPUT) unless all volumes, label, regions and mask have the same three sizes; it says
 * nothing of their places in mm (sm_case_one_grid in grid.h does). */
enum sm_status sm_case_one_size(const struct sm_case *c, struct sm_err *err);

/* SM_INPUT when the case is stacked already, which operation `op` on named volumes needs before, or
 * has no volume of `role` (NULL = any will do). */
enum sm_status sm_case_named(const struct sm_case *c, const char *op, const char *role,
			     struct sm_err *err);
/* The same of an operation on time frames: pictures have none. */
enum sm_status sm_case_frames(const struct sm_case *c, const char *op, const char *role,
			      struct sm_err *err);

/* Adds a fact (reference is taken) under the operation's name. */
void sm_case_fact(struct sm_case *c, const char *op, json_t *fact);

#endif
