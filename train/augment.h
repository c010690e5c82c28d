/* SPDX-License-Identifier: Apache-2.0
 *
 * Augmentation: what the loader's threads do to a training sample before the network sees it. All
 * draws come from the stream (seed, "augment", operation, epoch, sample), so a sample is the same
 * whatever thread makes it, in whatever order, and after a resumed run. Formulas and sources:
 * docs/augmentation.md.
 */
#ifndef SM_TRAIN_AUGMENT_H
#define SM_TRAIN_AUGMENT_H

#include "manifests/augment.h"
#include "train/loader.h"

struct sm_augment_step {
	enum sm_augment_id id;
	const struct sm_augment_params *params; /* borrowed */
	int again; /* how many steps of the same operation stand before it: each draws for itself */
};

struct sm_augment {
	struct sm_augment_step *step;
	size_t n;
	bool zero; /* positions beyond the sample hold 0 and no label; else what is nearest */
};

/* The steps of a preset, or of the list when the preset is none. Lives as long as `steps` does;
 * freed with sm_augment_clear. SM_BUDGET. */
enum sm_status sm_augment_init(struct sm_augment *a, enum sm_augment_preset preset,
			       const struct sm_steps *steps, enum sm_augment_border border,
			       struct sm_err *err);
void sm_augment_clear(struct sm_augment *a);

const char *sm_augment_name(enum sm_augment_id id);

/* Names of the steps, in order and parted by ", ", for the log. */
void sm_augment_list(const struct sm_augment *a, char *out, size_t room);

/* Bytes of scratch that one thread needs for samples of the shape. */
size_t sm_augment_scratch(const struct sm_augment *a, const struct sm_tile_shape *shape);

/* Applies the steps to x (C,D,H,W) and labels y (D,H,W) in place. Thread-safe for different x, y
 * and scratch. No label appears that the sample did not have, but 0. */
void sm_augment_apply(const struct sm_augment *a, uint64_t seed, int64_t epoch, uint64_t sample,
		      const struct sm_tile_shape *shape, float *x, uint8_t *y, void *scratch);

/* The hook for a loader; no step = no hook. `a` is borrowed. */
struct sm_loader_hook sm_augment_hook(const struct sm_augment *a,
				      const struct sm_tile_shape *shape);

#endif
