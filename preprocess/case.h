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
	/* The grid it was taken with; operations that cut or pad leave it alone. */
	int64_t source_dim[3];
	double source_affine[4][4];
};

struct sm_case {
	char key[104];
	struct sm_mem *mem; /* borrowed; may be NULL */
	int jobs;           /* threads an operation may use; never changes a result */

	struct sm_role_vol *vols; /* intensity volumes sorted by role; one, "image", once stacked */
	size_t count;
	bool stacked;                  /* the fourth axis of vols[0] is the channel */
	char (*channels)[SM_ROLE_MAX]; /* names of the channels once stacked */
	struct sm_vol label, mask;     /* uint8; data NULL = none */

	/* The way back. */
	int64_t source_dim[3];
	double source_affine[4][4];
	int64_t offset[3];   /* index of source voxel (0,0,0) in today's grid; may be negative */
	int (*label_map)[2]; /* pairs: original label, label today */
	size_t label_map_count;
	json_t *facts; /* array: what operations found, for the record */
};

/* An empty case. SM_BUDGET when out of memory. */
enum sm_status sm_case_init(struct sm_case *c, const char *key, struct sm_mem *mem, int jobs,
			    struct sm_err *err);
/* Frees everything; a zeroed case is fine. */
void sm_case_clear(struct sm_case *c);

/* Adds an intensity volume as it was read; takes its data (vol is emptied) also on failure. Its grid
 * is kept as its source grid, and that of the first volume is the case's. Roles must differ. */
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
 * index shift: cuts and pads. Intensities outside get fill, label and mask 0; affines and offset
 * follow. All volumes of the case must have the same three sizes. */
enum sm_status sm_case_regrid(struct sm_case *c, const int64_t dim[3], const int64_t shift[3],
			      double fill, struct sm_err *err);

/* Fails (SM_INPUT) unless all volumes, label and mask have the same three sizes. */
enum sm_status sm_case_one_size(const struct sm_case *c, struct sm_err *err);

/* Adds a fact (reference is taken) under the operation's name. */
void sm_case_fact(struct sm_case *c, const char *op, json_t *fact);

#endif
