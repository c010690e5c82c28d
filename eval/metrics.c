/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/par.h"

#define BLOCK ((size_t)1 << 20)

static double ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : NAN;
}

static double dice(const struct sm_counts *c)
{
	return ratio(2 * c->tp, 2 * c->tp + c->fp + c->fn);
}

static double sensitivity(const struct sm_counts *c)
{
	return ratio(c->tp, c->tp + c->fn);
}

static double specificity(const struct sm_counts *c)
{
	return ratio(c->tn, c->tn + c->fp);
}

const struct sm_metric sm_metrics[SM_METRICS] = {
	[SM_DICE] = {"dice", "Dice", "1", "2 TP / (2 TP + FP + FN)", dice, 3, SM_EMPTY_BY_POLICY},
	[SM_SENSITIVITY] = {"sensitivity", "Sensitivity", "1", "TP / (TP + FN)", sensitivity, 3,
			    SM_EMPTY_BY_POLICY},
	[SM_SPECIFICITY] = {"specificity", "Specificity", "1", "TN / (TN + FP)", specificity, 4,
			    SM_EMPTY_AS_USUAL},
};

struct count_job {
	const struct sm_label_map *map;
	const uint8_t *truth, *prediction;
	const char *truth_name, *prediction_name;
	size_t n;
	uint8_t class_of[256];    /* of each value; SM_MAP_CLASSES = none */
	struct sm_joint *partial; /* one a block */
};

static enum sm_status bad_label(const struct sm_label_map *map, const char *what, unsigned value,
				size_t at, struct sm_err *err)
{
	char list[6 * SM_MAP_CLASSES] = "";
	size_t used = 0;
	for (size_t c = 0; c < map->classes; c++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%u", used ? ", " : "",
					 (unsigned)map->value[c]);
	return SM_FAIL(err, SM_INPUT,
		       "%s: label %u at voxel number %zu is not in the label map: allowed are %s",
		       what, value, at, list);
}

/* One block. Eight background voxels at a time are most of a scan. */
static enum sm_status count_block(void *ctx, size_t block, struct sm_err *err)
{
	const struct count_job *job = ctx;
	size_t from = block * BLOCK, to = from + BLOCK < job->n ? from + BLOCK : job->n;
	uint64_t *n = &job->partial[block].n[0][0];
	for (size_t i = from; i < to;) {
		if (to - i >= 8) {
			uint64_t t, p;
			memcpy(&t, job->truth + i, 8);
			memcpy(&p, job->prediction + i, 8);
			if (!(t | p)) {
				n[0] += 8;
				i += 8;
				continue;
			}
		}
		size_t end = to - i >= 8 ? i + 8 : to;
		for (; i < end; i++) {
			size_t t = job->class_of[job->truth[i]];
			size_t p = job->class_of[job->prediction[i]];
			if (t == SM_MAP_CLASSES)
				return bad_label(job->map, job->truth_name, job->truth[i], i, err);
			if (p == SM_MAP_CLASSES)
				return bad_label(job->map, job->prediction_name, job->prediction[i],
						 i, err);
			n[t * SM_MAP_CLASSES + p]++;
		}
	}
	return SM_OK;
}

enum sm_status sm_joint_count(const struct sm_label_map *map, const uint8_t *truth,
			      const char *truth_name, const uint8_t *prediction,
			      const char *prediction_name, size_t n, int jobs, struct sm_joint *out,
			      struct sm_err *err)
{
	size_t blocks = (n + BLOCK - 1) / BLOCK;
	struct count_job job = {.map = map,
				.truth = truth,
				.prediction = prediction,
				.truth_name = truth_name,
				.prediction_name = prediction_name,
				.n = n};
	memset(job.class_of, SM_MAP_CLASSES, sizeof job.class_of);
	for (size_t c = 0; c < map->classes; c++)
		job.class_of[map->value[c]] = (uint8_t)c;
	*out = (struct sm_joint){0};
	job.partial =
		sm_calloc(NULL, blocks ? blocks : 1, sizeof *job.partial, "label counts", err);
	if (!job.partial)
		return SM_BUDGET;
	enum sm_status st = sm_par_for(blocks, jobs, count_block, &job, err);
	for (size_t b = 0; st == SM_OK && b < blocks; b++)
		for (size_t i = 0; i < (size_t)SM_MAP_CLASSES * SM_MAP_CLASSES; i++)
			(&out->n[0][0])[i] += (&job.partial[b].n[0][0])[i];
	sm_free(job.partial);
	return st;
}

struct sm_counts sm_joint_region(const struct sm_joint *joint, uint64_t members)
{
	struct sm_counts c = {0};
	for (size_t t = 0; t < SM_MAP_CLASSES; t++)
		for (size_t p = 0; p < SM_MAP_CLASSES; p++) {
			bool in_truth = members >> t & 1, in_prediction = members >> p & 1;
			uint64_t *cell = in_truth        ? in_prediction ? &c.tp : &c.fn
					 : in_prediction ? &c.fp
							 : &c.tn;
			*cell += joint->n[t][p];
		}
	return c;
}

bool sm_truth_empty(const struct sm_counts *c)
{
	return c->tp + c->fn == 0;
}

bool sm_prediction_empty(const struct sm_counts *c)
{
	return c->tp + c->fp == 0;
}

double sm_metric_value(const struct sm_metric *metric, const struct sm_counts *counts,
		       enum sm_empty policy)
{
	if (metric->rule == SM_EMPTY_BY_POLICY && sm_truth_empty(counts)) {
		if (policy == SM_EMPTY_SKIP)
			return NAN;
		return sm_prediction_empty(counts) ? 1 : 0;
	}
	return metric->of(counts);
}

void sm_scores_from_joint(const struct sm_label_map *map, const struct sm_joint *joint,
			  enum sm_empty policy, struct sm_scores *out)
{
	for (size_t r = 0; r < map->n; r++) {
		out->counts[r] = sm_joint_region(joint, map->row[r].members);
		for (size_t m = 0; m < SM_METRICS; m++)
			out->value[r][m] = sm_metric_value(&sm_metrics[m], &out->counts[r], policy);
	}
}
