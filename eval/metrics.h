/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts of voxels, in whole numbers: of every pair (true class, predicted class) of two label
 * volumes (eval/box.h makes them), and from these of any region of a label map. Scores are made of
 * them in eval/overlap.h.
 */
#ifndef SM_EVAL_METRICS_H
#define SM_EVAL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "manifests/label_map.h"

/* n[t][p] = voxels whose true class is t and whose predicted class is p (struct sm_label_map). */
struct sm_joint {
	uint64_t n[SM_MAP_CLASSES][SM_MAP_CLASSES];
};

/* Voxels inside both (tp), in the prediction alone (fp), in the truth alone (fn), in neither (tn).
 */
struct sm_counts {
	uint64_t tp, fp, fn, tn;
};

/* Of the region whose classes are the bits of `members`. */
struct sm_counts sm_joint_region(const struct sm_joint *joint, uint64_t members);

/* True when the region is empty in the truth, in the prediction. */
bool sm_truth_empty(const struct sm_counts *counts);
bool sm_prediction_empty(const struct sm_counts *counts);

#endif
