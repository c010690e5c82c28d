/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples for networks that turn one image into another: which slices of a case are samples, in
 * which fold each stands, and writing them. Results depend on the case, its key and the manifest
 * alone (split patient: and on the case's fold), so that a new case changes no other one.
 */
#ifndef SM_PREPROCESS_PAIR_H
#define SM_PREPROCESS_PAIR_H

#include "core/stage.h"
#include "manifests/folds.h"
#include "manifests/schema.h"
#include "preprocess/case.h"
#include "preprocess/slice.h"

/* One image of a sample: channels of a volume. */
struct sm_pair_side {
	struct sm_vol *vol; /* NULL = the case has none */
	int64_t first;      /* its first channel along the fourth axis */
	int64_t channels;
	double low, high; /* black and white of PNG */
	char name[SM_ROLE_MAX];
};

/* Samples of one case and one domain: slices `index` with their folds. */
struct sm_pair_set {
	const struct sm_pair_section *s;
	struct sm_case *c;
	char domain;                /* 'a' or 'b' of unpaired, 0 otherwise */
	struct sm_pair_side x, b;   /* b.vol is NULL for unpaired; triplets: both are the volume */
	struct sm_slice_view view;
	int64_t *index;
	uint8_t *fold; /* enum sm_fold */
	size_t n;
	size_t left_out; /* slices in gaps between blocks */
};

/* Finds the image that a manifest calls `name` (NULL: the case's only one): a volume's role, a
 * channel of a stacked image, or the case's modality when it has one volume. side->vol is NULL when
 * there is none. */
void sm_pair_find(const struct sm_case *c, const char *name, struct sm_pair_side *side);

/* SM_INPUT unless both sides have the same voxels within tol mm (pictures: the same size); the
 * sentence tells sizes, the largest distance of corners and the step that helps. */
enum sm_status sm_pair_same_grid(const struct sm_case *c, const struct sm_pair_side *a,
				 const struct sm_pair_side *b, double tol, struct sm_err *err);

/* How samples come to their folds. */
struct sm_pair_rule {
	enum sm_pair_split split;
	double shares[SM_FOLDS];
	uint64_t seed;
	int64_t block, gap;
	enum sm_fold fold; /* of the case, for SM_BY_PATIENT */
};
#define SM_PAIR_GAP 255 /* a sample between two blocks, in no fold */

/* The fold of each of the n samples at slices `index` (ascending):
 *   patient: rule->fold. first: SM_TRAIN, until all cases are known.
 *   slices: the samples are put in a random order (stream "pair.slices"); the one at rank r of n
 * gets the fold into whose share (r + u) / n falls, u one random number in [0,1): in each case the
 * numbers are right to one sample, and over all cases on average. blocks: the same with blocks of
 * rule->block samples (stream "pair.blocks"); a sample whose slice lies at most rule->gap behind
 * the last one of a block of another fold is SM_PAIR_GAP. */
enum sm_status sm_pair_folds(const struct sm_pair_rule *rule, const char *key, char domain,
			     const int64_t *index, size_t n, uint8_t *fold, struct sm_err *err);

/* Fills set->index, fold, n and left_out: the slices of the manifest and of the case's choice; for
 * triplets those with both neighbours. SM_INPUT with fewer than 3 slices for triplets, or when no
 * sample is left. */
enum sm_status sm_pair_choose(struct sm_pair_set *set, const struct sm_pair_rule *rule,
			      struct sm_err *err);
void sm_pair_set_clear(struct sm_pair_set *set);

/* Path of sample k's picture below --out, malloc memory: side 'A' or 'B' behind the fold's name,
 * which is left out with SM_BY_FIRST. */
char *sm_pair_picture_path(const struct sm_pair_section *s, const char *key, char side,
			   enum sm_fold fold, int64_t slice);
/* The same of the set's shard. */
char *sm_pair_shard_path(const char *key, char domain);

/* Writes the set as HDF5 and as PNG as the manifest says, on item->jobs threads, and adds the
 * outputs to the record. The volumes become float32. */
enum sm_status sm_pair_write(struct sm_pair_set *set, struct sm_item *item, struct sm_err *err);

#endif
