/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/column.h"

#include <stdio.h>
#include <string.h>

#define FORMULA SM_EMPTY_FORMULA
#define OVERLAP SM_EMPTY_OVERLAP
#define DISTANCE SM_EMPTY_DISTANCE
#define COUNT SM_EMPTY_COUNT
#define HIGH SM_IS_HIGH
#define LOW SM_IS_LOW
#define ZERO SM_IS_ZERO

#define COUNTS(key, name, formula, equals, empty, decimals, by_default) \
	{ \
		key, name, "1", formula, equals, SM_FROM_COUNTS, HIGH, empty, decimals, false, \
			by_default, true \
	}
#define SURFACE(key, name, formula, equals, by_default) \
	{ \
		key, name, "mm", formula, equals, SM_FROM_SURFACE, LOW, DISTANCE, 2, false, \
			by_default, false \
	}
#define SURFELS(key, name, formula, equals) \
	{ \
		key, name, "mm", formula, equals, SM_FROM_SURFELS, LOW, DISTANCE, 2, false, false, \
			false \
	}
#define LESIONS(key, name, unit, formula, equals, better, empty, decimals) \
	{ \
		key, name, unit, formula, equals, SM_FROM_LESIONS, better, empty, decimals, false, \
			false, false \
	}
#define VOLUMES(key, name, unit, formula, equals, better, empty, decimals, by_default) \
	{ \
		key, name, unit, formula, equals, SM_FROM_VOLUMES, better, empty, decimals, false, \
			by_default, false \
	}

/* d1: from each edge voxel of the truth to the nearest of the prediction; d2: the other way. */
const struct sm_metric sm_metric_rows[] = {
	COUNTS("dice", "Dice", "2 TP / (2 TP + FP + FN)",
	       "MONAI compute_dice, MedPy dc, nnU-Net Dice", OVERLAP, 3, true),
	COUNTS("iou", "IoU", "TP / (TP + FP + FN)", "MONAI compute_iou, MedPy jc, nnU-Net IoU",
	       OVERLAP, 3, true),
	COUNTS("sensitivity", "Sensitivity", "TP / (TP + FN)", "MedPy recall", OVERLAP, 3, true),
	COUNTS("specificity", "Specificity", "TN / (TN + FP)", "MedPy specificity", FORMULA, 4,
	       true),
	COUNTS("precision", "Precision", "TP / (TP + FP)", "MedPy precision", OVERLAP, 3, true),
	COUNTS("npv", "NPV", "TN / (TN + FN)", NULL, FORMULA, 4, false),
	COUNTS("accuracy", "Accuracy", "(TP + TN) / (TP + FP + FN + TN)",
	       "scikit-learn accuracy_score", FORMULA, 4, false),
	COUNTS("balanced_accuracy", "Balanced accuracy", "(sensitivity + specificity) / 2",
	       "scikit-learn balanced_accuracy_score", OVERLAP, 3, false),
	COUNTS("kappa", "Kappa",
	       "Cohen's (po - pe) / (1 - pe), po = accuracy, "
	       "pe = ((TP + FP)(TP + FN) + (TN + FP)(TN + FN)) / N^2",
	       "scikit-learn cohen_kappa_score", OVERLAP, 3, false),
	COUNTS("mcc", "MCC",
	       "Matthews' (TP TN - FP FN) / sqrt((TP + FP)(TP + FN)(TN + FP)(TN + FN))",
	       "scikit-learn matthews_corrcoef", OVERLAP, 3, false),

	SURFACE("hd", "HD", "largest of d1 and d2, edge voxels",
		"MONAI compute_hausdorff_distance, MedPy hd", false),
	SURFACE("hd95", "HD95", "larger of the 95th percentiles of d1 and of d2, edge voxels",
		"MONAI compute_hausdorff_distance(percentile=95)", true),
	SURFACE("hd95_pooled", "HD95 (pooled)",
		"95th percentile of d1 and d2 together, edge voxels", "MedPy hd95, panoptica HD95",
		false),
	SURFACE("assd", "ASSD", "mean of d1 and d2 together, edge voxels",
		"MONAI compute_average_surface_distance(symmetric=True), MedPy assd", true),
	SURFACE("assd_mean", "MASD", "mean of the means of d1 and of d2, edge voxels",
		"panoptica ASSD", false),
	SURFACE("masd_truth", "MSD from truth", "mean of d1, edge voxels",
		"MedPy asd(truth, prediction)", false),
	SURFACE("masd_prediction", "MSD from prediction", "mean of d2, edge voxels",
		"MedPy asd(prediction, truth), MONAI compute_average_surface_distance", false),
	{"nsd", "NSD", "1", "share of d1 and d2 at most the tolerance, edge voxels",
	 "MONAI compute_surface_dice", SM_FROM_SURFACE, HIGH, OVERLAP, 3, true, true, false},

	SURFELS("hd_surfel", "HD (surfels)", "largest distance between surface elements",
		"surface-distance compute_robust_hausdorff(100)"),
	SURFELS("hd95_surfel", "HD95 (surfels)",
		"larger of the 95th percentiles of d1 and of d2 by area, surface elements",
		"surface-distance compute_robust_hausdorff(95)"),
	SURFELS("asd_surfel_truth", "MSD from truth (surfels)",
		"mean of d1 by area, surface elements",
		"surface-distance compute_average_surface_distance, first"),
	SURFELS("asd_surfel_prediction", "MSD from prediction (surfels)",
		"mean of d2 by area, surface elements",
		"surface-distance compute_average_surface_distance, second"),
	{"nsd_surfel", "NSD (surfels)", "1",
	 "share of the area of both surfaces within the tolerance of the other, surface elements",
	 "surface-distance compute_surface_dice_at_tolerance", SM_FROM_SURFELS, HIGH, OVERLAP, 3,
	 true, false, false},

	VOLUMES("volume_truth", "Volume of truth", "mL", "(TP + FN) voxels", NULL, ZERO, COUNT, 2,
		false),
	VOLUMES("volume_prediction", "Volume of prediction", "mL", "(TP + FP) voxels", NULL, ZERO,
		COUNT, 2, false),
	VOLUMES("volume_difference", "Volume difference", "mL", "prediction - truth", NULL, ZERO,
		COUNT, 2, true),
	VOLUMES("volume_difference_absolute", "|Volume difference|", "mL", "|prediction - truth|",
		NULL, LOW, COUNT, 2, false),
	VOLUMES("volume_difference_relative", "Relative volume difference", "1",
		"(prediction - truth) / truth", "panoptica RVD", ZERO, FORMULA, 3, false),
	VOLUMES("volume_similarity", "Volume similarity", "1", "1 - |FP - FN| / (2 TP + FP + FN)",
		NULL, HIGH, OVERLAP, 3, false),

	LESIONS("lesion_dice", "Dice by lesion", "1",
		"sum of the Dice of each true lesion / (lesions + false ones)",
		"BraTS 2023 lesion-wise Dice", HIGH, OVERLAP, 3),
	LESIONS("lesion_hd95", "HD95 by lesion", "mm",
		"(sum of each true lesion's HD95 by surface elements + 374 mm for each false one) "
		"/ "
		"(lesions + false ones)",
		"BraTS 2023 lesion-wise HD95", LOW, DISTANCE, 2),
	LESIONS("lesion_tp", "Lesions found", "lesions",
		"true lesions that a predicted part touches", "BraTS 2023 num TP", ZERO, COUNT, 0),
	LESIONS("lesion_fp", "False lesions", "lesions",
		"predicted parts that touch no true lesion", "BraTS 2023 num FP", LOW, COUNT, 0),
	LESIONS("lesion_fn", "Lesions missed", "lesions",
		"true lesions that no predicted part touches", "BraTS 2023 num FN", LOW, COUNT, 0),
	LESIONS("lesions_filtered", "Lesions left out", "lesions",
		"true lesions too small for the rule", NULL, ZERO, COUNT, 0),
	LESIONS("lesions_truth", "Lesions of truth", "lesions",
		"true lesions, as the rule groups them", NULL, ZERO, COUNT, 0),
	LESIONS("lesions_prediction", "Lesions of prediction", "lesions", "predicted parts", NULL,
		ZERO, COUNT, 0),
	LESIONS("detection_precision", "Detection precision", "1",
		"predicted parts that share a voxel with the truth / predicted parts", NULL, HIGH,
		OVERLAP, 3),
	LESIONS("detection_recall", "Detection recall", "1",
		"parts of the truth that share a voxel with the prediction / parts of the truth",
		NULL, HIGH, OVERLAP, 3),
	LESIONS("detection_f1", "Detection F1", "1", "2 precision recall / (precision + recall)",
		NULL, HIGH, OVERLAP, 3),
	LESIONS("detection_precision_iou", "Detection precision (IoU)", "1",
		"parts matched one to one by IoU / predicted parts", NULL, HIGH, OVERLAP, 3),
	LESIONS("detection_recall_iou", "Detection recall (IoU)", "1",
		"parts matched one to one by IoU / parts of the truth", NULL, HIGH, OVERLAP, 3),
	LESIONS("detection_f1_iou", "Detection F1 (IoU)", "1",
		"2 precision recall / (precision + recall)", NULL, HIGH, OVERLAP, 3),
	LESIONS("detection_precision_centroid", "Detection precision (centroid)", "1",
		"predicted parts whose centroid lies in the truth / predicted parts", NULL, HIGH,
		OVERLAP, 3),
	LESIONS("detection_recall_centroid", "Detection recall (centroid)", "1",
		"parts of the truth that hold the centroid of a predicted one / parts of the truth",
		NULL, HIGH, OVERLAP, 3),
	LESIONS("detection_f1_centroid", "Detection F1 (centroid)", "1",
		"2 precision recall / (precision + recall)", NULL, HIGH, OVERLAP, 3),
	LESIONS("pq", "PQ", "1", "RQ SQ", "panoptica PQ", HIGH, OVERLAP, 3),
	LESIONS("sq", "SQ", "1", "mean IoU of the parts matched one to one", "panoptica SQ", HIGH,
		OVERLAP, 3),
	LESIONS("rq", "RQ", "1", "TP / (TP + FP / 2 + FN / 2) of parts matched one to one",
		"panoptica RQ", HIGH, OVERLAP, 3),
};
const size_t sm_metric_count = SM_COUNT(sm_metric_rows);

static const char *const by_keys[SM_BYS] = {"voxel", "slice", "tile"};

size_t sm_column_find(const struct sm_columns *columns, const char *key)
{
	size_t i = 0;
	while (i < columns->n && strcmp(columns->at[i].key, key) != 0)
		i++;
	return i;
}

/* A column; `tolerance` and `by` as in struct sm_column. */
static enum sm_status add_one(struct sm_columns *c, const struct sm_metric *metric,
			      size_t tolerance, enum sm_by by, struct sm_err *err)
{
	struct sm_column *column = &c->at[c->n];
	if (c->n == SM_COLUMNS)
		return SM_FAIL(err, SM_USAGE,
			       "metrics: found more than %d columns, allowed are at "
			       "most that many",
			       SM_COLUMNS);
	*column = (struct sm_column){.metric = metric, .by = by};
	if (metric->per_tolerance) {
		column->tolerance = tolerance;
		column->tolerance_mm = c->tolerance_mm[tolerance];
		snprintf(column->key, sizeof column->key, "%s_%gmm", metric->key,
			 column->tolerance_mm);
		snprintf(column->name, sizeof column->name, "%s %g mm", metric->name,
			 column->tolerance_mm);
	} else if (by != SM_BY_VOXEL) {
		snprintf(column->key, sizeof column->key, "%s_by_%s", metric->key, by_keys[by]);
		snprintf(column->name, sizeof column->name, "%s by %s", metric->name, by_keys[by]);
	} else {
		snprintf(column->key, sizeof column->key, "%s", metric->key);
		snprintf(column->name, sizeof column->name, "%s", metric->name);
	}
	const size_t first = sm_column_find(c, column->key);
	if (first < c->n && metric->per_tolerance && c->at[first].tolerance != tolerance)
		return SM_FAIL(err, SM_USAGE,
			       "evaluate.tolerances: found %.17g and %.17g, which are both called "
			       "'%s', allowed is each once",
			       c->at[first].tolerance_mm, column->tolerance_mm, column->key);
	if (first < c->n)
		return SM_FAIL(err, SM_USAGE, "metrics: found '%s' again, allowed is once",
			       column->key);
	if (by == SM_BY_VOXEL)
		c->families |= 1u << metric->family;
	c->units |= 1u << by;
	c->n++;
	return SM_OK;
}

/* All columns of a metric by voxel. */
static enum sm_status add_metric(struct sm_columns *c, const struct sm_metric *metric,
				 struct sm_err *err)
{
	size_t n = metric->per_tolerance ? c->tolerances : 1;
	for (size_t t = 0; t < n; t++)
		SM_TRY(add_one(c, metric, t, SM_BY_VOXEL, err));
	return SM_OK;
}

static const struct sm_metric *find_metric(const char *key)
{
	for (size_t m = 0; m < sm_metric_count; m++)
		if (strcmp(sm_metric_rows[m].key, key) == 0)
			return &sm_metric_rows[m];
	return NULL;
}

/* A metric by the manifest's word: its key. */
static enum sm_status add_named(struct sm_columns *c, const char *key, struct sm_err *err)
{
	const struct sm_metric *metric = find_metric(key);
	if (metric)
		return add_metric(c, metric, err);
	char known[2048] = "";
	size_t used = 0;
	for (size_t m = 0; m < sm_metric_count; m++)
		used += (size_t)snprintf(known + used, sizeof known - used, ", %s",
					 sm_metric_rows[m].key);
	return SM_FAIL(err, SM_USAGE, "metrics: found '%s', allowed are all%s", key, known);
}

static enum sm_status add_tolerances(struct sm_columns *c, const struct sm_floats *mm,
				     struct sm_err *err)
{
	if (mm->n > SM_TOLERANCES)
		return SM_FAIL(err, SM_USAGE,
			       "evaluate.tolerances: found %zu, allowed are at most %d", mm->n,
			       SM_TOLERANCES);
	for (size_t i = 0; i < mm->n; i++) {
		if (!(mm->v[i] > 0))
			return SM_FAIL(err, SM_USAGE,
				       "evaluate.tolerances: found %g, allowed is above 0",
				       mm->v[i]);
		c->tolerance_mm[c->tolerances++] = mm->v[i];
	}
	return SM_OK;
}

/* Columns by slice or tile of the metrics that have them among the columns by voxel. */
static enum sm_status add_units(struct sm_columns *c, enum sm_by by, struct sm_err *err)
{
	size_t n = c->n;
	for (size_t i = 0; i < n; i++)
		if (c->at[i].by == SM_BY_VOXEL && c->at[i].metric->per_unit)
			SM_TRY(add_one(c, c->at[i].metric, 0, by, err));
	return SM_OK;
}

static bool is_by(const struct sm_strings *list, enum sm_by by)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], by_keys[by]) == 0)
			return true;
	return false;
}

enum sm_status sm_columns_make(const struct sm_evaluate_section *s, struct sm_columns *out,
			       struct sm_err *err)
{
	*out = (struct sm_columns){0};
	SM_TRY(add_tolerances(out, &s->tolerances, err));
	bool all = s->metrics.n == 1 && strcmp(s->metrics.v[0], "all") == 0;
	for (size_t m = 0; (all || !s->metrics.n) && m < sm_metric_count; m++) {
		const struct sm_metric *metric = &sm_metric_rows[m];
		if (all || metric->by_default || (s->lesions && metric->family == SM_FROM_LESIONS))
			SM_TRY(add_metric(out, metric, err));
	}
	for (size_t i = 0; !all && i < s->metrics.n; i++)
		SM_TRY(add_named(out, s->metrics.v[i], err));
	for (enum sm_by by = SM_BY_SLICE; by < SM_BYS; by++)
		if (is_by(&s->by, by))
			SM_TRY(add_units(out, by, err));
	return out->n ? SM_OK
		      : SM_FAIL(err, SM_USAGE, "metrics: found no column, needed is at least one");
}

json_t *sm_columns_to_json(const struct sm_columns *columns)
{
	static const char *const better[] = {"high", "low", "zero"};
	json_t *list = json_array();
	for (size_t i = 0; i < columns->n; i++) {
		const struct sm_column *c = &columns->at[i];
		json_t *one = json_object();
		json_object_set_new(one, "key", json_string(c->key));
		json_object_set_new(one, "metric", json_string(c->metric->key));
		json_object_set_new(one, "name", json_string(c->name));
		json_object_set_new(one, "unit", json_string(c->metric->unit));
		json_object_set_new(one, "formula", json_string(c->metric->formula));
		if (c->metric->equals)
			json_object_set_new(one, "equals", json_string(c->metric->equals));
		json_object_set_new(one, "best", json_string(better[c->metric->better]));
		json_object_set_new(one, "by", json_string(by_keys[c->by]));
		if (c->metric->per_tolerance)
			json_object_set_new(one, "tolerance_mm", json_real(c->tolerance_mm));
		json_array_append_new(list, one);
	}
	return list;
}

/* The number of a tolerance, added where it is new. */
static enum sm_status tolerance_of(struct sm_columns *c, double mm, size_t *number,
				   struct sm_err *err)
{
	for (*number = 0; *number < c->tolerances; ++*number)
		if (c->tolerance_mm[*number] == mm)
			return SM_OK;
	return add_tolerances(c, &(struct sm_floats){&mm, 1}, err);
}

static enum sm_status read_one(struct sm_columns *c, const json_t *one, struct sm_err *err)
{
	const char *key = json_string_value(json_object_get(one, "metric"));
	const char *by = json_string_value(json_object_get(one, "by"));
	const struct sm_metric *metric = key ? find_metric(key) : NULL;
	size_t tolerance = 0, unit = 0;
	if (!metric)
		return SM_FAIL(err, SM_INPUT, "columns: found metric '%s', which is not known",
			       key ? key : "");
	while (by && unit < SM_BYS && strcmp(by, by_keys[unit]) != 0)
		unit++;
	if (unit == SM_BYS || (unit && !metric->per_unit))
		return SM_FAIL(err, SM_INPUT, "columns: %s: found by '%s', which is not known", key,
			       by);
	if (metric->per_tolerance)
		SM_TRY(tolerance_of(c, json_number_value(json_object_get(one, "tolerance_mm")),
				    &tolerance, err));
	return add_one(c, metric, tolerance, (enum sm_by)unit, err);
}

enum sm_status sm_columns_read(const json_t *columns, struct sm_columns *out, struct sm_err *err)
{
	static const char *const old[] = {"dice", "sensitivity", "specificity"};
	struct sm_err why = {0};
	size_t i;
	json_t *one;
	*out = (struct sm_columns){0};
	for (size_t k = 0; !columns && k < SM_COUNT(old); k++)
		SM_TRY(add_named(out, old[k], err));
	json_array_foreach(columns, i, one) if (read_one(out, one, &why) != SM_OK) return SM_FAIL(
		err, SM_INPUT, "evaluate ledger: %s: run stage evaluate again", why.text);
	if (!out->n)
		return SM_FAIL(err, SM_INPUT,
			       "evaluate ledger: columns: is no list of them: run stage evaluate "
			       "again");
	return SM_OK;
}
