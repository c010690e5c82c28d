/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of augmentation: what an operation works on, and the table of operations. Not for others.
 */
#ifndef SM_TRAIN_AUGMENT_ROWS_H
#define SM_TRAIN_AUGMENT_ROWS_H

#include "core/rng.h"
#include "train/augment.h"
#include "train/augment_warp.h"

/* Vector code for the CPU at hand from plain loops; sums keep their order, so every clone gives the
 * same bits. Sanitizers cannot run the resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SM_AUGMENT_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define SM_AUGMENT_CLONES
#endif

/* A sample at work. */
struct sm_augmented {
	int64_t size[3]; /* z, y, x */
	size_t channels, voxels;
	float *x;
	uint8_t *y;
	bool thin;           /* axes: auto means the plane alone */
	struct sm_warp warp; /* moves that are not done yet */
	struct sm_rng
		bulk; /* for an operation that needs a number a voxel: only its name is used */
	/* scratch */
	float *x2; /* as x */
	uint8_t *y2;
	void *work; /* of sm_warp_run, or for filters: 72 n numbers of the longest axis */
};

/* Draws and applies one operation. Those of space change s->warp alone. The probability of the
 * sample is drawn already, unless `own_p`. */
typedef void sm_augment_fn(struct sm_augmented *s, const struct sm_augment_params *a,
			   struct sm_rng *rng);
struct sm_augment_row {
	const char *name;
	sm_augment_fn *apply;
};
#define SM_AUGMENT_DECLARE(name, doc) sm_augment_fn sm_augment_##name;
SM_AUGMENTS(SM_AUGMENT_DECLARE)
#undef SM_AUGMENT_DECLARE

/* Moves that wait are done now. */
void sm_augment_settle(struct sm_augmented *s);

/* Uniform in [lo, hi). */
static inline double sm_augment_draw(struct sm_rng *rng, double lo, double hi)
{
	return lo + (hi - lo) * sm_rng_f64(rng);
}

/* Whether axes means the plane of the slices alone. */
static inline bool sm_augment_plane(const struct sm_augmented *s, const struct sm_augment_params *a)
{
	return s->size[0] == 1 || a->axes == SM_AXES_PLANE || (a->axes == SM_AXES_AUTO && s->thin);
}

/* Longest filter: sigma 8, cut at 4 sigma. */
#define SM_AUGMENT_TAPS 65

#endif
