/* SPDX-License-Identifier: Apache-2.0
 *
 * Which predicted component belongs to which true one. The components of two masks and the voxels
 * that each two of them share are found once; match rules, each with a name, read them.
 */
#ifndef SM_EVAL_MATCH_H
#define SM_EVAL_MATCH_H

#include <stdint.h>

#include "core/components.h"

/* Voxels that a true and a predicted component share; at least 1. */
struct sm_shared {
	uint32_t truth, prediction;
	int64_t voxels;
};

/* Components of both masks, and of each the list of shares, sorted by truth, then prediction. */
struct sm_overlap {
	struct sm_components truth, prediction;
	struct sm_shared *shared;
	size_t n;
};

/* Both masks are of one box of n voxels (x fastest), a byte each, 0 = outside. The caller clears.
 * SM_BUDGET. Thread-safe. */
enum sm_status sm_overlap_find(struct sm_overlap *out, const uint8_t *truth,
			       const uint8_t *prediction, const int64_t n[3],
			       enum sm_neighbours neighbours, struct sm_mem *mem,
			       struct sm_err *err);
void sm_overlap_clear(struct sm_overlap *overlap);

/* When a component counts as found. */
enum sm_match_rule {
	SM_MATCH_OVERLAP,  /* it shares at least one voxel with a component of the other side */
	SM_MATCH_IOU,      /* one to one, intersection over union at least a threshold: the best
			    * pairs first, of equals the first ones */
	SM_MATCH_CENTROID, /* truth: the centroid of a predicted component lies in it (in the voxel
			    * that holds the centroid); prediction: its centroid lies in a true one
			    */
	SM_MATCH_RULES
};
extern const char *const sm_match_keys[SM_MATCH_RULES];  /* "overlap", "iou", "centroid" */
extern const char *const sm_match_words[SM_MATCH_RULES]; /* for people */

/* True components found and missed, predicted ones that are right and wrong. precision =
 * right / (right + wrong), recall = found / (found + missed), f1 = their harmonic mean, as 2
 * precision recall / (precision + recall), 0 when both are 0. NaN where nothing is divided by
 * nothing; without components on one side f1 is 0, on both NaN. */
struct sm_detection {
	uint32_t found, missed, right, wrong;
	double precision, recall, f1;
};

/* By a rule; `iou` is the threshold of SM_MATCH_IOU, in (0, 1]. */
enum sm_status sm_detect(const struct sm_overlap *overlap, const int64_t n[3],
			 enum sm_match_rule rule, double iou, struct sm_mem *mem,
			 struct sm_detection *out, struct sm_err *err);

/* Panoptic quality (Kirillov et al. 2019) of one class: pairs matched by SM_MATCH_IOU at the
 * threshold, rq = TP / (TP + FP / 2 + FN / 2), sq = mean intersection over union of the pairs (0
 * without one), pq = rq sq. All NaN when neither side has a component. */
struct sm_panoptic {
	uint32_t tp, fp, fn;
	double rq, sq, pq;
};
enum sm_status sm_panoptic_measure(const struct sm_overlap *overlap, double iou, struct sm_mem *mem,
				   struct sm_panoptic *out, struct sm_err *err);

/* The pairs of SM_MATCH_IOU, best first: numbers of `overlap->shared` into pair[], which has room
 * for overlap->n; *pairs is how many. */
enum sm_status sm_match_pairs(const struct sm_overlap *overlap, double iou, struct sm_mem *mem,
			      size_t *pair, size_t *pairs, struct sm_err *err);

#endif
