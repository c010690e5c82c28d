/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/overlap.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"

/* A product of two differences of counts of one volume does not fit into 64 bits. */
__extension__ typedef __int128 wide;

static double ratio(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : NAN;
}

static double dice(const struct sm_counts *c)
{
	return ratio(2 * c->tp, 2 * c->tp + c->fp + c->fn);
}

static double iou(const struct sm_counts *c)
{
	return ratio(c->tp, c->tp + c->fp + c->fn);
}

static double sensitivity(const struct sm_counts *c)
{
	return ratio(c->tp, c->tp + c->fn);
}

static double specificity(const struct sm_counts *c)
{
	return ratio(c->tn, c->tn + c->fp);
}

static double precision(const struct sm_counts *c)
{
	return ratio(c->tp, c->tp + c->fp);
}

static double npv(const struct sm_counts *c)
{
	return ratio(c->tn, c->tn + c->fn);
}

static double accuracy(const struct sm_counts *c)
{
	return ratio(c->tp + c->tn, c->tp + c->fp + c->fn + c->tn);
}

static double balanced_accuracy(const struct sm_counts *c)
{
	return (sensitivity(c) + specificity(c)) / 2;
}

/* TP TN - FP FN, of which both kappa and MCC are multiples. */
static wide determinant(const struct sm_counts *c)
{
	return (wide)c->tp * c->tn - (wide)c->fp * c->fn;
}

/* (po - pe) / (1 - pe) without the differences of numbers near 1:
 * 2 (TP TN - FP FN) / ((TP + FP)(TN + FP) + (TP + FN)(TN + FN)). */
static double kappa(const struct sm_counts *c)
{
	wide below =
		(wide)(c->tp + c->fp) * (c->tn + c->fp) + (wide)(c->tp + c->fn) * (c->tn + c->fn);
	return below ? (double)(2 * determinant(c)) / (double)below : NAN;
}

static double mcc(const struct sm_counts *c)
{
	wide a = (wide)(c->tp + c->fp) * (c->tp + c->fn);
	wide b = (wide)(c->tn + c->fp) * (c->tn + c->fn);
	if (!a || !b)
		return NAN;
	/* Where both are one the quotient is: the roots' last bits are not asked. */
	return a == b ? (double)determinant(c) / (double)a
		      : (double)determinant(c) / (sqrt((double)a) * sqrt((double)b));
}

static double in_ml(uint64_t voxels, double voxel_mm3)
{
	return (double)voxels * voxel_mm3 / 1000;
}

static double surplus(const struct sm_counts *c)
{
	return (double)((int64_t)c->fp - (int64_t)c->fn);
}

static double volume_truth(const struct sm_counts *c, double mm3)
{
	return in_ml(c->tp + c->fn, mm3);
}

static double volume_prediction(const struct sm_counts *c, double mm3)
{
	return in_ml(c->tp + c->fp, mm3);
}

static double volume_difference(const struct sm_counts *c, double mm3)
{
	return surplus(c) * mm3 / 1000;
}

static double volume_difference_absolute(const struct sm_counts *c, double mm3)
{
	return fabs(volume_difference(c, mm3));
}

static double volume_difference_relative(const struct sm_counts *c, double mm3)
{
	(void)mm3;
	uint64_t truth = c->tp + c->fn;
	return truth ? surplus(c) / (double)truth : NAN;
}

static double volume_similarity(const struct sm_counts *c, double mm3)
{
	(void)mm3;
	uint64_t sum = 2 * c->tp + c->fp + c->fn;
	return sum ? 1 - fabs(surplus(c)) / (double)sum : NAN;
}

/* The row's formula; of SM_POLICY_SEED part and whole of the smoothed one, where it has one. */
static const struct {
	const char *key;
	double (*of)(const struct sm_counts *c);
	double (*with_size)(const struct sm_counts *c, double voxel_mm3);
} formulas[] = {
	{"dice", dice, NULL},
	{"iou", iou, NULL},
	{"sensitivity", sensitivity, NULL},
	{"specificity", specificity, NULL},
	{"precision", precision, NULL},
	{"npv", npv, NULL},
	{"accuracy", accuracy, NULL},
	{"balanced_accuracy", balanced_accuracy, NULL},
	{"kappa", kappa, NULL},
	{"mcc", mcc, NULL},
	{"volume_truth", NULL, volume_truth},
	{"volume_prediction", NULL, volume_prediction},
	{"volume_difference", NULL, volume_difference},
	{"volume_difference_absolute", NULL, volume_difference_absolute},
	{"volume_difference_relative", NULL, volume_difference_relative},
	{"volume_similarity", NULL, volume_similarity},
};

double sm_overlap_value(const struct sm_metric *metric, const struct sm_counts *c, double voxel_mm3)
{
	for (size_t i = 0; i < SM_COUNT(formulas); i++)
		if (strcmp(formulas[i].key, metric->key) == 0)
			return formulas[i].of ? formulas[i].of(c)
					      : formulas[i].with_size(c, voxel_mm3);
	return NAN;
}

/* The ratios that the original study smooths; false of others. */
static bool smoothed(const char *key, const struct sm_counts *c, double *v)
{
	const struct {
		const char *key;
		uint64_t part, whole;
		double above, below;
	} rows[] = {
		{"dice", 2 * c->tp, 2 * c->tp + c->fp + c->fn, 1, 1},
		{"iou", c->tp, c->tp + c->fp + c->fn, 1, 1},
		{"sensitivity", c->tp, c->tp + c->fn, 0, 1e-7},
		{"specificity", c->tn, c->tn + c->fp, 0, 1e-7},
		{"precision", c->tp, c->tp + c->fp, 0, 1e-7},
		{"npv", c->tn, c->tn + c->fn, 0, 1e-7},
	};
	for (size_t i = 0; i < SM_COUNT(rows); i++)
		if (strcmp(rows[i].key, key) == 0) {
			*v = ((double)rows[i].part + rows[i].above) /
			     ((double)rows[i].whole + rows[i].below);
			return true;
		}
	return false;
}

struct sm_cell sm_overlap_cell(enum sm_policy policy, const struct sm_metric *metric,
			       const struct sm_counts *counts, double voxel_mm3)
{
	double v = sm_overlap_value(metric, counts, voxel_mm3);
	double plain = v;
	if (policy == SM_POLICY_SEED && smoothed(metric->key, counts, &v))
		return (struct sm_cell){v, isnan(plain) ? SM_BY_POLICY : SM_HAS_VALUE};
	enum sm_why why = sm_policy_value(policy, metric, sm_situation_of(counts), &v);
	return (struct sm_cell){v, (uint8_t)why};
}

void sm_parts_counts_clear(struct sm_parts_counts *parts)
{
	sm_free(parts->counts);
	*parts = (struct sm_parts_counts){0};
}

static bool counts_in(int which, const struct sm_counts *c)
{
	switch (which) {
	case SM_SLICES_TRUTH:
		return !sm_truth_empty(c);
	case SM_SLICES_EITHER:
		return sm_situation_of(c) != SM_BOTH_EMPTY;
	default:
		return true;
	}
}

struct sm_cell sm_parts_cell(enum sm_policy policy, int which, const struct sm_metric *metric,
			     const struct sm_parts_counts *parts, size_t row)
{
	double sum = 0;
	size_t n = 0;
	bool any = false;
	struct sm_cell last = {NAN, SM_NOT_DEFINED};
	for (size_t p = 0; p < parts->parts; p++) {
		const struct sm_counts *c = &parts->counts[p * parts->rows + row];
		if (!counts_in(which, c))
			continue;
		any = true;
		struct sm_cell cell = sm_overlap_cell(policy, metric, c, 0);
		if (isnan(cell.v)) {
			last = cell;
			continue;
		}
		sum += cell.v;
		n++;
	}
	if (n)
		return (struct sm_cell){sum / (double)n, SM_HAS_VALUE};
	if (!any) {
		last.v = NAN;
		last.why = (uint8_t)sm_policy_value(policy, metric, SM_BOTH_EMPTY, &last.v);
	}
	return last;
}
