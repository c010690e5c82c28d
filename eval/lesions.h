/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of one region lesion by lesion: those of the BraTS 2023 challenge by its rule, detection
 * and panoptic quality (eval/match.h). docs/metrics.md has the definitions.
 */
#ifndef SM_EVAL_LESIONS_H
#define SM_EVAL_LESIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "eval/match.h"

/* A lesion is at most a limit of volume when it is not larger by more than this share of it: spacings
 * come from affines in float32, and one of a turned grid is not quite its length. */
#define SM_LESION_SLACK 1e-6

/* The challenge's rule of a task. Truth voxels whose dilations hang together are one lesion; the
 * predicted components that touch its dilation are its prediction. */
struct sm_lesion_rule {
	const char *name;                    /* in manifests: "gli" */
	const char *words;                   /* "BraTS 2023 adult glioma" */
	int dilate;                          /* times by `step` */
	double min_mm3;                      /* lesions not above it are left out */
	enum sm_neighbours step, neighbours; /* of the dilation; of components */
	double penalty_mm;                   /* distance of a missed lesion, and of a false one */
};

enum {
	SM_LESIONS_GLI,
	SM_LESIONS_SSA,
	SM_LESIONS_PED,
	SM_LESIONS_MEN,
	SM_LESIONS_MET,
	SM_LESION_RULES
};
extern const struct sm_lesion_rule sm_lesion_rules[SM_LESION_RULES];

/* Sets to 1 in out (n voxels, x fastest, zeroed by the caller) what the rule's dilation of the
 * components covers; planes of z on up to `jobs` threads, the same bytes on any number. */
enum sm_status sm_lesions_dilate(const struct sm_components *of, const struct sm_lesion_rule *rule,
				 const int64_t n[3], uint8_t *out, int jobs, struct sm_err *err);

struct sm_lesions {
	/* The challenge's: true lesions of its grouping, predicted components; lesions found, false
	 * components of any size, lesions missed (both without those left out), lesions left out.
	 */
	uint32_t truth, predicted, tp, fp, fn, filtered;
	/* Sum over lesions / (lesions + fp); nothing to count: 1 and 0. */
	double dice, hd95;
	/* Of connected components as they are, by rule. */
	struct sm_detection detection[SM_MATCH_RULES];
	double precision, recall, f1; /* those of SM_MATCH_OVERLAP */
	double pq, sq, rq;            /* at the threshold given */
	uint32_t components;          /* of the truth, not dilated */
};

/* One true lesion. */
struct sm_lesion {
	int64_t first[3]; /* its first voxel in the box */
	double mm3;
	double dice, hd95;   /* of its prediction; hd95 = the rule's penalty where it is missed */
	uint32_t components; /* predicted ones that touch it; 0 = missed */
	bool filtered;       /* too small to count */
};

/* Measures one region: masks of one box of n voxels (x fastest, a byte each), spacing in mm along
 * its axes. The box may be any that holds both masks: the numbers do not depend on it. Empty masks
 * are fine. `iou` is the threshold of one-to-one pairs, 0.5 as a rule. Results do not depend on
 * `jobs`. SM_BUDGET. */
enum sm_status sm_lesions_measure(const uint8_t *truth, const uint8_t *prediction,
				  const int64_t n[3], const double spacing[3],
				  const struct sm_lesion_rule *rule, double iou, int jobs,
				  struct sm_mem *mem, struct sm_lesions *out, struct sm_err *err);

/* The same of a box of an image that has one voxel along the axes `flat` (2-D: a region has no
 * surface along them; _measure takes it for a part of a volume), and the lesions one by one, in the
 * order of their first voxels: *list is sm_alloc memory of out->truth entries, which the caller
 * frees. */
enum sm_status sm_lesions_list(const uint8_t *truth, const uint8_t *prediction, const int64_t n[3],
			       const double spacing[3], const bool flat[3],
			       const struct sm_lesion_rule *rule, double iou, int jobs,
			       struct sm_mem *mem, struct sm_lesions *out, struct sm_lesion **list,
			       struct sm_err *err);

/* The value of a metric of family SM_FROM_LESIONS by its key, NaN where it has none:
 * lesion_dice, lesion_hd95, lesion_tp, lesion_fp, lesion_fn, lesions_filtered, lesions_truth,
 * lesions_prediction; detection_precision, detection_recall, detection_f1 (any overlap), the same
 * with _iou and _centroid behind; pq, sq, rq. */
double sm_lesions_value(const char *key, const struct sm_lesions *lesions);

#endif
