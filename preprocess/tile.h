/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles: where they lie in a case, and cutting and standardising one. Results depend on the case
 * key, the seed, the rule and the volumes alone.
 */
#ifndef SM_PREPROCESS_TILE_H
#define SM_PREPROCESS_TILE_H

#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/vol.h"
#include "manifests/schema.h"

struct sm_tile_rule {
	int64_t size[3]; /* x, y, z */
	int64_t per_case;
	double max_background; /* a uniform tile is kept when its share of label 0 is below this */
	int64_t tries;         /* uniform positions tried a case */
	double tumour_share;
	uint64_t seed;
};

struct sm_tile_starts {
	int32_t (*start)[3]; /* count positions x, y, z; sm_alloc memory */
	int64_t count;
	int64_t tumour;          /* the first so many are centred on labelled voxels */
	int64_t tries;           /* uniform positions tried */
	double least_background; /* smallest share of label 0 among those; 1 when none was tried */
};

/* Chooses tiles of a case. label (x,y,z uint8) must be at least as large as the tile (SM_INPUT).
 * The first round(tumour_share * per_case) tiles are centred, as far as the grid allows, on voxels
 * drawn uniformly among those with a label (stream "tile.centre", index k). The others are the
 * original's: starts drawn uniformly among all that fit (stream "tile.start", index = number of the
 * try), kept when the share of label 0 is below max_background, until per_case tiles are there or
 * `tries` are used up. So count may be below per_case, even 0: the caller decides. Uses a table of
 * 4 bytes a voxel. */
enum sm_status sm_tile_choose(const struct sm_vol *label, const char *key,
			      const struct sm_tile_rule *rule, struct sm_mem *mem,
			      struct sm_tile_starts *out, struct sm_err *err);
void sm_tile_starts_clear(struct sm_tile_starts *starts);

/* Cuts the tile at start out of image (x,y,z,channel float32) into x (channel,z,y,x) and of label
 * into y (z,y,x), and scales x: per channel, by z slice or over the tile to mean 0 and std 1
 * (divisor n), or to [0,1] over the tile; a constant slice or tile becomes 0. Sums run in double in
 * a fixed order. */
void sm_tile_cut(const struct sm_vol *image, const struct sm_vol *label, const int64_t size[3],
		 const int32_t start[3], enum sm_standardise how, float *x, uint8_t *y);

#endif
