/* SPDX-License-Identifier: Apache-2.0 */
/* The sections evaluate, compare and report. */
#include <string.h>

#include "core/vol.h"
#include "manifests/label_map.h"
#include "manifests/schema_rows.h"

/* clang-format off: a row is a line or two */
static const struct sm_field label[] = {
	{"value", SM_F_INT, AT(sm_evaluate_label, value), .min = 1, .max = 255, .required = true,
	 .doc = "in the volumes"},
	{"name", SM_F_STRING, AT(sm_evaluate_label, name), .required = true,
	 .doc = "in the tables"},
};
static const struct sm_fieldset label_set =
	SM_FIELDSET("label", struct sm_evaluate_label, label, "a label and its name");
static const struct sm_field evaluate[] = {
	/* The choices are rows of eval/policy.h; test_policy compares them. */
	ONEOF(sm_evaluate_section, empty, "brats2020", "brats2020|nnunet|strict|seed",
	      "where truth or prediction lack a region (docs/metrics.md): brats2020: overlap 1 and "
	      "distance 0 when both do, 0 and 373.1287 mm when one does; nnunet: left out where "
	      "undefined; strict: as brats2020, but the distance is infinite, counted and never "
	      "averaged; seed: smoothed ratios of the original study"),
	REAL(sm_evaluate_section, grid_tolerance, SM_GRID_MM_TEXT, 0, 10,
	     "mm that the grids of prediction and truth may differ"),
	ONEOF_IF(sm_evaluate_section, map, "no labels", "brats", "brats|brats2023",
		 "labels and regions where none are given: brats: 1, 2, 4 and WT, TC, ET; "
		 "brats2023: 1, 2, 3"),
	{"labels", SM_F_LIST, AT(sm_evaluate_section, labels), .of = &label_set,
	 .doc = "labels that truth and prediction may hold beside 0, each a row of the tables; "
		"absent = those of map"},
	{"regions", SM_F_LIST, AT(sm_evaluate_section, regions), .of = &sm_region_fieldset,
	 .doc = "unions of these labels, rows above theirs, larger ones first"},
	{"metrics", SM_F_STRINGS, AT(sm_evaluate_section, metrics),
	 .doc = "columns of the tables by key (docs/metrics.md), or all; absent = dice, iou, "
		"sensitivity, specificity, precision, hd95, assd, nsd, volume_difference. dataset "
		"pair: mae, rmse, psnr, ssim, ssim_3d, ms_ssim, ncc, mi, "
		"dice_bone, dice_ink, jump, bias; "
		"absent = all but ssim_3d, dice_bone where the unit is HU, dice_ink of pictures "
		"with masks (predict.mask_threshold)"},
	{"tolerances", SM_F_FLOATS, AT(sm_evaluate_section, tolerances), "1", 1e-3, 1e3,
	 .doc = "mm of the normalised surface Dice, a column each"},
	{"threshold", SM_F_FLOAT, AT(sm_evaluate_section, threshold), "none", -1e9, 1e9,
	 .none = true,
	 .doc = "masks that are no whole numbers: a voxel above it belongs to the one label; none = "
		"they are refused"},
	{"outputs", SM_F_INTS, AT(sm_evaluate_section, outputs), .min = 1, .max = 255,
	 .doc = "label of each output of the network, in their order: their probabilities (predict "
		"--probabilities) above threshold (none = 0.5) are scored, each output on its own, as "
		"the original study did; absent = the label volume, where a voxel has one label"},
	ONEOF(sm_evaluate_section, missing, "reject", "reject|list|worst",
	      "a truth without prediction: rejected with its reason, listed alone, or scored as an "
	      "empty prediction"),
	{"by", SM_F_STRINGS, AT(sm_evaluate_section, by), "voxel",
	 .doc = "voxel, slice, tile: overlap columns of whole volumes, and their means over a "
		"case's slices and tiles (--tiles)"},
	ONEOF(sm_evaluate_section, slice_axis, "axial", "axial|x|y|z",
	      "slices across it: the patient's axial planes, or an axis of the grid"),
	ONEOF(sm_evaluate_section, slices, "either", "either|truth|all",
	      "slices that count for a region: those where truth or prediction has it, where the "
	      "truth has it, or all"),
	/* The choices behind off are rows of eval/lesions.h; test_lesions compares them. */
	ONEOF(sm_evaluate_section, lesions, "off", "off|gli|ssa|ped|men|met",
	      "adds lesion-wise columns by the rule of a BraTS 2023 challenge; off: gli where "
	      "metrics names such columns"),
	REAL(sm_evaluate_section, match_iou, "0.5", 0, 1,
	     "parts of truth and prediction match from this IoU on: panoptic quality, detection"),
	WHOLE(sm_evaluate_section, resamples, "10000", 0, 1e6,
	      "of the bootstrap (95 % intervals of means); 0 = none"),
	ONEOF(sm_evaluate_section, held, "held_out", "held_out|test|valid|train|all",
	      "dataset pair: folds whose slices are scored; held_out: none that was trained on"),
	REAL(sm_evaluate_section, range, "0", -1, 1e9,
	     "dataset pair: range of values L of PSNR and SSIM in the target's own unit; 0 = what "
	     "[-1, 1] stands for, -1 = of each true image"),
	ONEOF(sm_evaluate_section, ssim_from, "zero", "zero|low",
	      "dataset pair: what SSIM and MS-SSIM take for 0: the unit's own, or low, what -1 "
	      "stands for (SynthRAD 2023: HU + 1024)"),
	ONEOF(sm_evaluate_section, body, "auto", "auto|off|otsu|value",
	      "dataset pair: body mask from the true volume; auto: above -300 of HU, otherwise "
	      "Otsu's; none of pictures"),
	REAL_IF(sm_evaluate_section, body_threshold, "body value", "0", -1e9, 1e9,
		"value: the body lies above it, own unit"),
	REAL(sm_evaluate_section, bone, "150", -1e9, 1e9,
	     "dataset pair: dice_bone compares what lies above it, own unit"),
	REAL(sm_evaluate_section, ink, "0", 0, 65535,
	     "dataset pair, pictures: dice_ink compares greys at or below it; 0 = "
	     "predict.mask_threshold of the pictures, 128 where that is 0"),
	ONEOF(sm_evaluate_section, ink_tone, "auto", "dark|bright|auto",
	      "dataset pair, pictures: ink is dark, or bright: above evaluate.ink; auto = as in "
	      "predict"),
};
/* clang-format on */
static enum sm_status check_evaluate(const void *base, struct sm_err *err)
{
	const struct sm_evaluate_section *s = base;
	struct sm_label_map map;
	SM_TRY(sm_label_map_make(s, &map, err));
	for (size_t i = 0; i < s->by.n; i++) {
		if (strcmp(s->by.v[i], "voxel") != 0 && strcmp(s->by.v[i], "slice") != 0 &&
		    strcmp(s->by.v[i], "tile") != 0)
			return SM_FAIL(err, SM_USAGE,
				       "by: found '%s', allowed are voxel, slice and tile",
				       s->by.v[i]);
		for (size_t k = 0; k < i; k++)
			if (strcmp(s->by.v[i], s->by.v[k]) == 0)
				return SM_FAIL(err, SM_USAGE,
					       "by: found '%s' again, allowed is once", s->by.v[i]);
	}
	return SM_OK;
}
const struct sm_fieldset sm_evaluate_fieldset = SM_FIELDSET_CHECKED(
	check_evaluate, "evaluate", struct sm_evaluate_section, evaluate, "scores");

/* clang-format off */
static const struct sm_field compare[] = {
	ONEOF(sm_compare_section, fuse, "auto", "auto|off|majority|staple|both",
	      "label volumes of all raters together, which they are compared with too: the label of "
	      "most raters, STAPLE's (Warfield 2004); auto: both from three raters on"),
	ONEOF(sm_compare_section, ties, "background", "background|first",
	      "a fused voxel with several winners: 0, or the first rater's of these labels"),
	REAL(sm_compare_section, prior, "0", 0, 1,
	     "STAPLE of a region: its share of the volume before anything is known; 0 = the mean "
	     "over raters"),
	WHOLE(sm_compare_section, iterations, "1000", 1, 1000000, "rounds of STAPLE, at most"),
};
const struct sm_fieldset sm_compare_fieldset =
	SM_FIELDSET("compare", struct sm_compare_section, compare, "raters against each other");

static const struct sm_field published[] = {
	{"name", SM_F_STRING, AT(sm_report_published, name), .required = true,
	 .doc = "of the model, a row of the table"},
	{"source", SM_F_STRING, AT(sm_report_published, source), .required = true,
	 .doc = "where the number is printed"},
	{"row", SM_F_STRING, AT(sm_report_published, row), .required = true,
	 .doc = "region or label, by its key in scores.csv (wt) or its name in the tables "
		"(WT); dataset pair: whole or body, as region in summary.csv"},
	{"metric", SM_F_STRING, AT(sm_report_published, metric), .required = true,
	 .doc = "column, by its key in scores.csv (hd95, dice_by_tile); dataset pair: key of "
		"evaluate.metrics in the own unit (mae), in normalised units with _normalised "
		"behind (mae_normalised)"},
	REAL(sm_report_published, value, NULL, -1e9, 1e9, "the number as printed"),
	WHOLE(sm_report_published, cases, "0", 0, 1e9, "that it is the mean of; 0 = not told"),
};
static const struct sm_fieldset published_set =
	SM_FIELDSET("published", struct sm_report_published, published, "a number of a paper");

static const struct sm_field report[] = {
	{"title", SM_F_STRING, AT(sm_report_section, title), .doc = "heading of the page"},
	WHOLE(sm_report_section, montage_cases, "4", 0, 100, "cases shown as pictures, at most: those of worst and median"),
	WHOLE(sm_report_section, montage_slices, "5", 1, 50, "slices a case"),
	{"window", SM_F_FLOATS, AT(sm_report_section, window), .min = -1e9, .max = 1e9, .count = 2,
	 .doc = "dataset pair, volumes: values of output and target that are black and white; "
		"absent = -1000 and 1000 of HU, of other units 0.5 and 99.5 % of each true "
		"image's values"},
	REAL(sm_report_section, error_scale, "0", 0, 1e9,
	     "dataset pair: error maps go from minus this to this, in the target's unit; 0 = twice "
	     "the MAE of the best baseline, rounded up"),
	WHOLE(sm_report_section, worst, "5", 0, 100, "worst cases shown; at least one about the median keeps its place"),
	WHOLE(sm_report_section, median, "1", 0, 100, "cases about the median, shown"),
	{"viewer", SM_F_BOOL, AT(sm_report_section, viewer), "true",
	 .doc = "a viewer of scans, truth and prediction in the page, where its library is there "
		"(make viewer)"},
	WHOLE(sm_report_section, viewer_cases, "2", 0, 20, "cases in the viewer, at most: those of worst and median"),
	{"published", SM_F_LIST, AT(sm_report_section, published), .of = &published_set,
	 .doc = "numbers of papers, rows of the table beside one's own"},
};
/* clang-format on */
static enum sm_status check_report(const void *base, struct sm_err *err)
{
	const struct sm_report_section *s = base;
	if (s->window.n && !(s->window.v[0] < s->window.v[1]))
		return SM_FAIL(err, SM_USAGE,
			       "window: found %g and %g, allowed are two numbers, the lower first",
			       s->window.v[0], s->window.v[1]);
	return SM_OK;
}
const struct sm_fieldset sm_report_fieldset =
	SM_FIELDSET_CHECKED(check_report, "report", struct sm_report_section, report, "the page");
