/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles: where they lie in a case, and cutting and standardising one. Results depend on the case
 * key, the seed, the rule and the volumes alone.
 */
#ifndef SM_PREPROCESS_TILE_H
#define SM_PREPROCESS_TILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/vol.h"
#include "manifests/schema.h"

struct sm_tile_rule {
	int64_t size[3]; /* x, y, z */
	int choice;      /* enum sm_tile_choice */
	double overlap;       /* of grid: share of a tile that neighbours share */
	bool skip_background; /* of grid: max_background counts */
	const double
		*class_shares; /* of balanced: shares of the labels 0 to classes - 1, borrowed */
	size_t classes;
	int64_t per_case;
	double max_background; /* a uniform tile is kept when its share of label 0 is below this */
	int64_t tries;         /* uniform positions tried a case */
	double tumour_share;
	uint64_t seed, epoch; /* of the random streams; stage tile's epoch is 0 */
};

struct sm_tile_starts {
	int32_t (*start)[3]; /* count positions x, y, z; sm_alloc memory */
	int64_t count;
	int64_t tumour;          /* the first so many are centred on labelled voxels */
	int64_t tries;           /* positions tried: uniform ones, or of the grid */
	int64_t of_class[256];   /* of balanced: tiles centred on each label */
	double least_background; /* smallest share of label 0 among those; 1 when none was looked at
				  */
};

/* Chooses tiles of a case. label (x,y,z uint8) must be at least as large as the tile (SM_INPUT).
 *
 * random: The first round(tumour_share * per_case) tiles are centred, as far as the grid allows, on
 * voxels drawn uniformly among those with a label (stream "tile.centre" of the rule's epoch, index
 * k). The others are the original's: starts drawn uniformly among all that fit (stream
 * "tile.start", index = number of the try), kept when the share of label 0 is below
 * max_background, until per_case tiles are there or `tries` are used up. So count may be below
 * per_case, even 0: the caller decides. Uses a table of 4 bytes a voxel.
 *
 * grid: starts at multiples of the step, max(1, floor(size * (1 - overlap) + 0.5)), along each
 * axis, and a last tile that ends at the volume's edge, so that every voxel lies in a tile; x
 * fastest, then y, z. per_case does not count; with skip_background tiles whose share of label 0 is
 * not below max_background are left out.
 *
 * balanced: per_case tiles, for each label as many as its share gives by largest remainder (the
 * lower label among equals); labels that the case has not take no part. They are centred, as far as
 * the grid allows, on voxels drawn uniformly among those of the label (stream "tile.class", index
 * k). A label without a share, from `classes` on, is SM_INPUT, and so is a case without any voxel
 * of a label with a share. */
enum sm_status sm_tile_choose(const struct sm_vol *label, const char *key,
			      const struct sm_tile_rule *rule, struct sm_mem *mem,
			      struct sm_tile_starts *out, struct sm_err *err);
void sm_tile_starts_clear(struct sm_tile_starts *starts);

/* Cuts the tile at start out of image (x,y,z,channel of any type; its real values as float32) into
 * x (channel,z,y,x) and of label into y (z,y,x), and scales x: per channel, by z slice or over the
 * tile to mean 0 and std 1 (divisor n), or to [0,1] over the tile; a constant slice or tile becomes
 * 0. Sums run in double in a fixed order. */
void sm_tile_cut(const struct sm_vol *image, const struct sm_vol *label, const int64_t size[3],
		 const int32_t start[3], enum sm_standardise how, float *x, uint8_t *y);
/* Its parts: one channel of image into x (z,y,x), and the labels. */
void sm_tile_cut_channel(const struct sm_vol *image, int64_t channel, const int64_t size[3],
			 const int32_t start[3], enum sm_standardise how, float *x);
void sm_tile_cut_label(const struct sm_vol *label, const int64_t size[3], const int32_t start[3],
		       uint8_t *y);

#endif
