/* SPDX-License-Identifier: Apache-2.0
 *
 * Perceptual hashes: the same picture again, rescaled, with noise, mirrored, shifted by a voxel or
 * stored in other bits, has almost the same hash; another patient's has not.
 *
 * In each of three planes the mid slices (an eighth of the extent) are averaged, brought to 34 x 34
 * cells by area, and of a window of 32 x 32 cells the signs of the 16 x 16 lowest frequencies of
 * the cosine transform, but for the mean, make 255 bits (after C. Zauner, "Implementation and
 * Benchmarking of Perceptual Image Hash Functions", 2010). The window at all nine places gives nine
 * hashes, so that a shift of up to a cell, a 32nd of the extent, finds its
 * fellow. */
#ifndef SM_PREPROCESS_NEAR_H
#define SM_PREPROCESS_NEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/vol.h"

#define SM_NEAR_PLANES 3 /* normal to z, y, x */
#define SM_NEAR_SHIFTS 9
#define SM_NEAR_MIDDLE 4 /* the shift that is none */
#define SM_NEAR_WORDS 4
#define SM_NEAR_TEXT (SM_NEAR_PLANES * SM_NEAR_WORDS * 16 + 1)

struct sm_near_hash {
	bool has[SM_NEAR_PLANES]; /* false: constant, or below 8 voxels along an axis */
	uint64_t bits[SM_NEAR_PLANES][SM_NEAR_SHIFTS][SM_NEAR_WORDS];
};

/* Hash of `frames` frames of vol from `first` on, averaged. Values are real ones or stored ones:
 * the hash does not depend on scale and offset, but for a negative slope. SM_BUDGET when out of
 * memory. */
enum sm_status sm_near_hash(const struct sm_vol *vol, int64_t first, int64_t frames,
			    struct sm_mem *mem, struct sm_near_hash *out, struct sm_err *err);

/* Share of bits that differ, 0 to 1, over the planes that both have, at the shift of each plane and
 * the mirroring where it is least; 1 without a common plane, and where it is above 0.4 beyond
 * doubt. flip (may be NULL): bits 1, 2, 4 = mirrored along x, y, z; none among equals. */
double sm_near_distance(const struct sm_near_hash *a, const struct sm_near_hash *b, unsigned *flip);

/* Planes that both have. */
int sm_near_planes(const struct sm_near_hash *a, const struct sm_near_hash *b);

/* The unshifted hash in hexadecimal digits; a plane that is missing is '-'. And back, where only
 * the unshifted hash is known then (all nine are it); false when it is none. */
void sm_near_to_text(const struct sm_near_hash *hash, char text[SM_NEAR_TEXT]);
bool sm_near_of_text(const char *text, struct sm_near_hash *out);

#endif
