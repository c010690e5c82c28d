/* SPDX-License-Identifier: Apache-2.0
 *
 * What the output channels of a network mean: exclusive classes with a background (softmax),
 * classes one by one, or regions that overlap (sigmoid). Targets are made from labels and labels
 * from probabilities here and nowhere else.
 */
#ifndef SM_TRAIN_TASK_H
#define SM_TRAIN_TASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define SM_TASK_CHANNELS 64 /* as SM_LOSS_CHANNELS of train/nn/nn.h */
#define SM_TASK_NAME 32

/* Plain data; copied by assignment. */
struct sm_task {
	bool softmax;  /* channel 0 is the background and the channels of a voxel sum to 1 */
	bool regions;  /* channels may overlap; false of sigmoid: one channel a label */
	int channels;  /* outputs of the network, the background of softmax among them */
	int labels;    /* labels are 0..labels */
	uint8_t member[SM_TASK_CHANNELS][256]; /* 1: voxels of this label belong to the channel */
	uint8_t paint[SM_TASK_CHANNELS];       /* label that a voxel of the channel gets */
	char name[SM_TASK_CHANNELS][SM_TASK_NAME]; /* safe in a CSV file */
};

/* A channel for the background (softmax only) and one for each of the labels 1..labels, named "1",
 * "2", ... SM_USAGE: more than SM_TASK_CHANNELS channels. */
enum sm_status sm_task_classes(struct sm_task *task, int labels, bool softmax, struct sm_err *err);

/* Begins a task of regions of the labels 1..labels; then sm_task_region adds one channel a call and
 * sm_task_check ends it. */
void sm_task_regions(struct sm_task *task, int labels);

/* Adds the region `name`: voxels of these n labels. SM_USAGE: a label that is not 1..labels or
 * twice, no label, a name used before or not of 1..31 letters, digits, '_', '-', one too many. */
enum sm_status sm_task_region(struct sm_task *task, const char *name, const int64_t *label,
			      size_t n, struct sm_err *err);

/* Finds the label that each region paints: the smallest one of it that no later region holds, as
 * BraTS's WT {1,2,3}, TC {1,3}, ET {3} give 2, 1, 3 (nnU-Net's regions_class_order). SM_USAGE: a
 * region all of whose labels stand in later ones, since nothing of it would be seen (larger regions
 * come first), and a task without a region. */
enum sm_status sm_task_check(struct sm_task *task, struct sm_err *err);

/* First channel that is no background: 1 of softmax, else 0. */
int sm_task_first(const struct sm_task *task);

/* Labels of n voxels -> (n, channels) of 0 and 1. A label above task->labels belongs to no channel.
 */
void sm_task_target(const struct sm_task *task, const uint8_t *label, size_t n, float *dst);

/* Probabilities (n, channels) -> labels of n voxels. Softmax: the most probable channel (of equal
 * ones the first). Classes: the most probable one above the threshold, else 0. Regions: painted in
 * their order where above the threshold, so that later ones cover earlier ones. */
void sm_task_labels(const struct sm_task *task, const float *p, size_t n, double threshold,
		    uint8_t *dst);

/* As JSON (new reference, NULL when out of memory), and back; false when it is none or out of
 * range. */
json_t *sm_task_dump(const struct sm_task *task);
bool sm_task_parse(const json_t *json, struct sm_task *task);

/* Same channels with the same meaning; names do not matter. */
bool sm_task_equal(const struct sm_task *a, const struct sm_task *b);

#endif
