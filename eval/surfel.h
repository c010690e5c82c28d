/* SPDX-License-Identifier: Apache-2.0
 *
 * Surface elements between voxels: each corner point that the surface passes stands for a piece of
 * it, whose area depends on which of the 8 voxels around are set (marching cubes).
 */
#ifndef SM_EVAL_SURFEL_H
#define SM_EVAL_SURFEL_H

#include <stddef.h>
#include <stdint.h>

#include "eval/edge.h"

/* Normals of the pieces in a cube of 8 voxels, in eighths of a voxel's face; unused ones are zero.
 * Bit 4 a + 2 b + c of the code, from the highest down, is voxel (a, b, c) of the cube.
 * Made by scripts/make_surfels.py. */
enum { SM_SURFEL_PIECES = 3, SM_SURFEL_CODES = 256 };
extern const uint8_t sm_surfel_normals[SM_SURFEL_CODES][SM_SURFEL_PIECES][3];

/* mm2 of each code for a spacing in mm. */
void sm_surfel_areas(const double spacing[3], double area[SM_SURFEL_CODES]);

/* Codes of all set bits of `corner` (of sm_bits_corners of mask, or some of them) in the order of
 * the rows. */
void sm_surfels_list(const struct sm_bits *mask, const struct sm_bits *corner, uint8_t *code);

/* Adds the points `set` of word k of a row to the counts of their codes. */
void sm_surfels_count(const struct sm_bits *mask, size_t row, size_t k, uint64_t set,
		      uint32_t count[SM_SURFEL_CODES]);

#endif
