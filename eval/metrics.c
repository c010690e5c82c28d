/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/par.h"

#define BLOCK ((size_t)1 << 20)

#define BIT(label) (1u << (label))
const struct sm_region sm_regions[SM_REGIONS] = {
	[SM_WT] = {"wt", "WT", "whole tumour, labels 1, 2 and 4", BIT(1) | BIT(2) | BIT(4), false},
	[SM_TC] = {"tc", "TC", "tumour core as BraTS defines it, labels 1 and 4", BIT(1) | BIT(4),
		   false},
	[SM_ET] = {"et", "ET", "enhancing tumour, label 4", BIT(4), false},
	[SM_TC_ORIGINAL] =
		{"tc_original", "TC (original)",
		 "what the original study called tumour core: the network's first output, thresholded "
		 "on its own. Here a voxel gets one label, that of the largest output, so this "
		 "always equals label 1",
		 BIT(1), true},
	[SM_LABEL_1] = {"label_1", "label 1 (NCR)", "necrosis and non-enhancing core", BIT(1),
			false},
	[SM_LABEL_2] = {"label_2", "label 2 (ED)", "oedema", BIT(2), false},
	[SM_LABEL_4] = {"label_4", "label 4 (ET)", "enhancing tumour", BIT(4), false},
};

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
	const uint8_t *truth, *prediction;
	size_t n;
	uint32_t allowed;
	struct sm_joint *partial; /* one a block */
};

static enum sm_status bad_label(const char *what, unsigned value, size_t at, uint32_t allowed,
				struct sm_err *err)
{
	char list[8 * SM_LABELS] = "";
	size_t used = 0;
	for (unsigned label = 0; label < SM_LABELS; label++)
		if (allowed >> label & 1)
			used += (size_t)snprintf(list + used, sizeof list - used, "%s%u",
						 used ? ", " : "", label);
	return SM_FAIL(err, SM_INPUT,
		       "%s: label %u at voxel number %zu is not in the label map: allowed are %s",
		       what, value, at, list);
}

static bool is_allowed(uint32_t allowed, unsigned value)
{
	return value < SM_LABELS && (allowed >> value & 1);
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
			unsigned t = job->truth[i], p = job->prediction[i];
			if (!is_allowed(job->allowed, t))
				return bad_label("truth", t, i, job->allowed, err);
			if (!is_allowed(job->allowed, p))
				return bad_label("prediction", p, i, job->allowed, err);
			n[t * SM_LABELS + p]++;
		}
	}
	return SM_OK;
}

enum sm_status sm_joint_count(const uint8_t *truth, const uint8_t *prediction, size_t n,
			      uint32_t allowed, int jobs, struct sm_joint *out, struct sm_err *err)
{
	size_t blocks = (n + BLOCK - 1) / BLOCK;
	struct count_job job = {.truth = truth,
				.prediction = prediction,
				.n = n,
				/* The shortcut counts label 0 without a look at the map. */
				.allowed = allowed | 1};
	*out = (struct sm_joint){0};
	job.partial =
		sm_calloc(NULL, blocks ? blocks : 1, sizeof *job.partial, "label counts", err);
	if (!job.partial)
		return SM_BUDGET;
	enum sm_status st = sm_par_for(blocks, jobs, count_block, &job, err);
	for (size_t b = 0; st == SM_OK && b < blocks; b++)
		for (size_t i = 0; i < SM_LABELS * SM_LABELS; i++)
			(&out->n[0][0])[i] += (&job.partial[b].n[0][0])[i];
	sm_free(job.partial);
	return st;
}

struct sm_counts sm_joint_region(const struct sm_joint *joint, uint32_t labels)
{
	struct sm_counts c = {0};
	for (unsigned t = 0; t < SM_LABELS; t++)
		for (unsigned p = 0; p < SM_LABELS; p++) {
			bool in_truth = labels >> t & 1, in_prediction = labels >> p & 1;
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

void sm_scores_from_joint(const struct sm_joint *joint, enum sm_empty policy, struct sm_scores *out)
{
	for (size_t r = 0; r < SM_REGIONS; r++) {
		out->counts[r] = sm_joint_region(joint, sm_regions[r].labels);
		for (size_t m = 0; m < SM_METRICS; m++)
			out->value[r][m] = sm_metric_value(&sm_metrics[m], &out->counts[r], policy);
	}
}
