/* SPDX-License-Identifier: Apache-2.0
 *
 * Training metrics beside loss and Dice, by name: those of the 2-D U-Net's original. A step's sums
 * go over all its samples, and its values are averaged over an epoch weighted by samples, as Keras
 * does; accuracy and mean_iou are of all voxels of the epoch. Over channels c and voxels, p is the
 * output, t the target, round() is to 0 or 1 with 0.5 to 0:
 *   accuracy         softmax: share of voxels whose largest output is the true one (the first of
 *                    equal ones); sigmoid: share of outputs with round(p) = t
 *   mean_iou         mean over the channels that occur of |P and T| / |P or T|, P = largest output
 *                    (sigmoid: round(p)). The original's handed one-hot values to MeanIoU as if
 *                    they were labels: a mistake that is not repeated
 *   dice_coef        mean over c of (2 sum t p + 1) / (sum t + sum p + 1), the background counts
 *   dice_coef_class  a column for each c but the background: 2 sum t p / (sum t^2 + sum p^2 + 1e-6)
 *                    (the original's dice_coef_necrotic, _edema, _enhancing)
 *   precision        sum round(t p) / (sum round(p) + 1e-7), over all c
 *   sensitivity      sum round(t p) / (sum t + 1e-7)
 *   specificity      sum round((1-t)(1-p)) / (sum (1-t) + 1e-7)
 * Source: the original's notebook (BraTS2020 3D/2D U-Net, cells "dice loss" and "define metrics").
 */
#ifndef SM_TRAIN_METRICS_H
#define SM_TRAIN_METRICS_H

#include "train/task.h"

struct sm_metrics; /* sums of one phase (training or validation) of an epoch */

/* Name of row i of the table, NULL behind the last. */
const char *sm_metric_name(size_t i);

/* Which rows are wanted ("all" = every one), as bits. SM_USAGE: an unknown name, with the known
 * ones, or one that is wanted already. */
enum sm_status sm_metrics_choose(const char *const *names, size_t n, unsigned *rows,
				 struct sm_err *err);

/* Number of columns of these rows, and the name of column i in out: "accuracy", "dice_coef_2". */
size_t sm_metrics_columns(unsigned rows, const struct sm_task *task);
void sm_metrics_column(unsigned rows, const struct sm_task *task, size_t i, char out[64]);

/* task is borrowed. NULL with err filled when out of memory. */
struct sm_metrics *sm_metrics_make(unsigned rows, const struct sm_task *task, struct sm_err *err);
void sm_metrics_free(struct sm_metrics *m); /* NULL is fine */

/* Forgets all sums. */
void sm_metrics_clear(struct sm_metrics *m);

/* The sums of n voxels, p and t (n, channels), as sm_metrics_part_size doubles, which may come from
 * another process, and adding them to the step at work. Sums go over fixed blocks: their bits do
 * not depend on threads. */
size_t sm_metrics_part_size(const struct sm_metrics *m);
void sm_metrics_measure(const struct sm_metrics *m, const float *p, const float *t, size_t n,
			int threads, double *part);
void sm_metrics_add_part(struct sm_metrics *m, const double *part);

/* Ends a step of so many samples. */
void sm_metrics_step(struct sm_metrics *m, int64_t samples);

/* The values of the epoch, one a column. */
void sm_metrics_values(const struct sm_metrics *m, double *out);

#endif
