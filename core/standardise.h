/* SPDX-License-Identifier: Apache-2.0
 *
 * Scaling of a tile before a network sees it. The tile stage does it for training and the predict
 * stage for each window of a whole volume: both must do exactly the same.
 */
#ifndef SM_CORE_STANDARDISE_H
#define SM_CORE_STANDARDISE_H

#include <stddef.h>
#include <stdint.h>

enum sm_standardise {
	SM_STANDARDISE_NONE,
	SM_STANDARDISE_SLICE, /* each z slice to mean 0 and std 1 (divisor n) */
	SM_STANDARDISE_TILE,  /* the whole tile to mean 0 and std 1 */
	SM_STANDARDISE_UNIT,  /* the whole tile to [0,1] */
};

/* Its name in manifests and ledgers: none, slice, tile, unit; NULL behind the last. */
const char *sm_standardise_name(size_t how);

/* Scales x (channel,z,y,x) of size x,y,z in place, each channel by itself; a constant slice or tile
 * becomes 0. Sums run in double in a fixed order. Thread-safe for different x. */
void sm_standardise(float *x, const int64_t size[3], int64_t channels, enum sm_standardise how);

#endif
