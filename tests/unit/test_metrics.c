/* SPDX-License-Identifier: Apache-2.0
 *
 * Overlap scores: closed forms on boxes, properties on random labels, and real masks against
 * exact fractions (scripts/golden_dice.py).
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/rng.h"
#include "eval/box.h"
#include "eval/overlap.h"

enum { W = 20, H = 16, D = 12, N = W * H * D };

/* A box of one label from (x, y, z), size (w, h, d). */
static void box(uint8_t *v, uint8_t label, int x, int y, int z, int w, int h, int d)
{
	for (int k = z; k < z + d; k++)
		for (int j = y; j < y + h; j++)
			for (int i = x; i < x + w; i++)
				v[(k * H + j) * W + i] = label;
}

static const int64_t whole[3] = {W, H, D};

/* The counts of every row. */
struct rows {
	struct sm_counts counts[SM_BRATS_ROWS];
};

static struct rows rows_of(const uint8_t *truth, const uint8_t *prediction)
{
	struct sm_err err = {0};
	struct sm_joint joint;
	struct sm_regions regions;
	struct rows out;
	assert_good(sm_scan_pair(&sm_brats_map, truth, "truth", prediction, "prediction", whole, 1,
				 &joint, &regions, &err),
		    err);
	for (size_t r = 0; r < SM_BRATS_ROWS; r++)
		out.counts[r] = sm_joint_region(&joint, sm_brats_map.row[r].members);
	return out;
}

static const struct sm_metric *metric(const char *key)
{
	for (size_t m = 0; m < sm_metric_count; m++)
		if (strcmp(sm_metric_rows[m].key, key) == 0)
			return &sm_metric_rows[m];
	fail_msg("no metric %s", key);
	return NULL;
}

static double score(const struct sm_counts *c, const char *key)
{
	return sm_overlap_value(metric(key), c, 2);
}

/* Two boxes of 6 x 4 x 3 shifted by 2 along x share 4 x 4 x 3. */
static void shifted_boxes_have_the_scores_of_their_volumes(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	box(t, 2, 3, 3, 3, 6, 4, 3);
	box(p, 2, 5, 3, 3, 6, 4, 3);
	struct rows s = rows_of(t, p);
	const struct sm_counts *c = &s.counts[SM_WT];
	assert_int_equal(c->tp, 48);
	assert_int_equal(c->fp, 24);
	assert_int_equal(c->fn, 24);
	assert_int_equal(c->tn, N - 96);
	assert_true(score(c, "dice") == 96.0 / 144);
	assert_true(score(c, "iou") == 48.0 / 96);
	assert_true(score(c, "sensitivity") == 48.0 / 72);
	assert_true(score(c, "precision") == 48.0 / 72);
	assert_true(score(c, "specificity") == (double)(N - 96) / (N - 72));
	assert_true(score(c, "npv") == (double)(N - 96) / (N - 72));
	assert_true(score(c, "accuracy") == (double)(N - 48) / N);
	assert_true(score(c, "balanced_accuracy") == (48.0 / 72 + (double)(N - 96) / (N - 72)) / 2);
	/* With equal margins kappa and MCC are one. */
	double kappa = (48.0 * (N - 96) - 24.0 * 24) / (72.0 * (N - 72));
	assert_true(fabs(score(c, "kappa") - kappa) < 1e-15);
	assert_true(fabs(score(c, "mcc") - kappa) < 1e-15);
	assert_true(score(c, "volume_difference") == 0);
	assert_true(score(c, "volume_truth") == 72 * 2 / 1000.0);
	assert_true(score(c, "volume_similarity") == 1);
}

/* Label 1 in a box, label 4 in half of it, label 2 around them. */
static void regions_are_unions_of_labels(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	box(t, 2, 2, 2, 2, 8, 8, 4);
	box(t, 1, 2, 2, 2, 8, 4, 4);
	box(t, 4, 2, 2, 2, 8, 2, 4);
	box(p, 4, 2, 2, 2, 8, 4, 4);
	struct rows s = rows_of(t, p);
	assert_true(score(&s.counts[SM_WT], "dice") == 2.0 * 128 / (256 + 128));
	assert_true(score(&s.counts[SM_TC], "dice") == 1);
	assert_true(score(&s.counts[SM_ET], "dice") == 2.0 * 64 / (64 + 128));
	assert_true(score(&s.counts[SM_TC_ORIGINAL], "dice") == 0);
	assert_true(score(&s.counts[SM_LABEL_2], "dice") == 0);
	assert_true(score(&s.counts[SM_ET], "sensitivity") == 1);
	assert_true(score(&s.counts[SM_ET], "precision") == 0.5);
	assert_true(score(&s.counts[SM_ET], "volume_difference") == 64 * 2 / 1000.0);
	assert_true(score(&s.counts[SM_ET], "volume_difference_relative") == 1);
	assert_true(score(&s.counts[SM_LABEL_2], "volume_difference") == -128 * 2 / 1000.0);
	assert_true(score(&s.counts[SM_LABEL_2], "volume_difference_absolute") == 128 * 2 / 1000.0);
	assert_true(score(&s.counts[SM_LABEL_2], "volume_difference_relative") == -1);
}

static void identical_is_best_and_disjoint_is_worst(void **state)
{
	(void)state;
	static const char *const best[] = {
		"dice",      "iou", "sensitivity",      "specificity",
		"precision", "npv", "accuracy",         "balanced_accuracy",
		"kappa",     "mcc", "volume_similarity"};
	uint8_t t[N] = {0}, p[N] = {0};
	box(t, 4, 1, 1, 1, 4, 4, 4);
	box(p, 4, 8, 8, 6, 4, 4, 4);
	struct rows same = rows_of(t, t), apart = rows_of(t, p);
	for (size_t i = 0; i < SM_COUNT(best); i++)
		assert_true(score(&same.counts[SM_WT], best[i]) == 1);
	const struct sm_counts *c = &apart.counts[SM_WT];
	assert_true(score(c, "dice") == 0 && score(c, "iou") == 0 && score(c, "sensitivity") == 0);
	assert_true(score(c, "precision") == 0 && score(c, "specificity") < 1);
	assert_true(score(c, "kappa") < 0 && score(c, "mcc") < 0);
	assert_true(score(c, "volume_similarity") == 1);
}

/* Where the formula divides by nothing it has no value: the policy speaks then. */
static void empty_regions_have_no_value_of_their_own(void **state)
{
	(void)state;
	const struct sm_counts both = {0, 0, 0, 100}, no_truth = {0, 8, 0, 92},
			       none_found = {0, 0, 8, 92}, full = {64, 0, 0, 0};
	static const char *const ratios[] = {"dice",
					     "iou",
					     "sensitivity",
					     "precision",
					     "balanced_accuracy",
					     "kappa",
					     "mcc",
					     "volume_difference_relative",
					     "volume_similarity"};
	for (size_t i = 0; i < SM_COUNT(ratios); i++)
		assert_true(isnan(score(&both, ratios[i])));
	assert_true(score(&both, "specificity") == 1 && score(&both, "accuracy") == 1);
	assert_true(score(&both, "volume_difference") == 0);
	assert_true(score(&no_truth, "dice") == 0 && isnan(score(&no_truth, "sensitivity")));
	assert_true(score(&no_truth, "precision") == 0 && score(&no_truth, "kappa") == 0);
	assert_true(isnan(score(&no_truth, "mcc")));
	assert_true(isnan(score(&no_truth, "volume_difference_relative")));
	assert_true(score(&none_found, "sensitivity") == 0);
	assert_true(isnan(score(&none_found, "precision")));
	assert_true(score(&none_found, "balanced_accuracy") == 0.5);
	assert_true(score(&none_found, "volume_difference_relative") == -1);
	assert_true(isnan(score(&full, "specificity")) && score(&full, "dice") == 1);
}

/* Products of counts of a large volume do not fit into 64 bits. */
static void large_counts_do_not_overflow(void **state)
{
	(void)state;
	const uint64_t m = (uint64_t)1 << 40;
	const struct sm_counts c = {3 * m, m, 2 * m, 5 * m};
	const struct sm_counts small = {3, 1, 2, 5};
	assert_true(fabs(score(&c, "mcc") - score(&small, "mcc")) < 1e-15);
	assert_true(fabs(score(&c, "kappa") - score(&small, "kappa")) < 1e-15);
	assert_true(fabs(score(&small, "mcc") - 13 / sqrt(4.0 * 5 * 6 * 7)) < 1e-15);
	assert_true(fabs(score(&small, "kappa") - 26.0 / (4 * 6 + 5 * 7)) < 1e-15);
}

static void fill_random(uint8_t *v, size_t n, uint64_t seed)
{
	static const uint8_t label[] = {0, 0, 0, 0, 0, 1, 2, 4};
	struct sm_rng rng;
	sm_rng_init(&rng, seed, "test.metrics", "", 0, 0);
	for (size_t i = 0; i < n; i++)
		v[i] = label[sm_rng_below(&rng, 8)];
}

static void scores_are_symmetric_and_blind_to_flips(void **state)
{
	(void)state;
	static const char *const even[] = {"dice", "iou", "accuracy", "kappa", "mcc"};
	uint8_t t[N], p[N], ft[N], fp[N];
	for (uint64_t seed = 0; seed < 20; seed++) {
		fill_random(t, N, 2 * seed);
		fill_random(p, N, 2 * seed + 1);
		for (size_t i = 0; i < N; i++) {
			ft[i] = t[N - 1 - i];
			fp[i] = p[N - 1 - i];
		}
		struct rows a = rows_of(t, p), b = rows_of(p, t), c = rows_of(ft, fp);
		for (size_t r = 0; r < SM_BRATS_ROWS; r++) {
			const struct sm_counts *n = &a.counts[r], *back = &b.counts[r];
			assert_int_equal(n->tp + n->fp + n->fn + n->tn, N);
			assert_int_equal(n->fp, back->fn);
			assert_memory_equal(n, &c.counts[r], sizeof *n);
			for (size_t i = 0; i < SM_COUNT(even); i++)
				assert_true(score(n, even[i]) == score(back, even[i]));
			assert_true(score(n, "sensitivity") == score(back, "precision"));
			assert_true(score(n, "volume_difference") ==
				    -score(back, "volume_difference"));
			assert_true(score(n, "dice") > 0 && score(n, "dice") < 1);
			double dice = score(n, "dice");
			assert_true(fabs(score(n, "iou") - dice / (2 - dice)) < 1e-15);
		}
	}
}

/* Slices across each axis and tiles that cover the volume add up to the whole. */
static void parts_add_up_to_the_whole(void **state)
{
	(void)state;
	uint8_t t[N], p[N];
	int64_t start[8][3];
	struct sm_tile_list tiles = {{W / 2, H / 2, D / 2}, start, 8};
	struct sm_err err = {0};
	fill_random(t, N, 3);
	fill_random(p, N, 4);
	for (int64_t i = 0; i < 8; i++) {
		start[i][0] = i % 2 * W / 2;
		start[i][1] = i / 2 % 2 * H / 2;
		start[i][2] = i / 4 * D / 2;
	}
	struct rows whole_ones = rows_of(t, p);
	for (int axis = 0; axis < 4; axis++) {
		struct sm_parts_counts parts, again;
		if (axis < 3) {
			assert_good(sm_slice_counts(&sm_brats_map, t, p, whole, axis, 1, NULL,
						    &parts, &err),
				    err);
			assert_good(sm_slice_counts(&sm_brats_map, t, p, whole, axis, 3, NULL,
						    &again, &err),
				    err);
		} else {
			assert_good(sm_tile_counts(&sm_brats_map, t, p, whole, &tiles, 1, NULL,
						   &parts, &err),
				    err);
			assert_good(sm_tile_counts(&sm_brats_map, t, p, whole, &tiles, 3, NULL,
						   &again, &err),
				    err);
		}
		assert_int_equal(parts.parts, axis < 3 ? (size_t)whole[axis] : 8);
		assert_memory_equal(parts.counts, again.counts,
				    parts.parts * parts.rows * sizeof *parts.counts);
		for (size_t r = 0; r < SM_BRATS_ROWS; r++) {
			struct sm_counts sum = {0};
			for (size_t i = 0; i < parts.parts; i++) {
				const struct sm_counts *c = &parts.counts[i * parts.rows + r];
				sum.tp += c->tp;
				sum.fp += c->fp;
				sum.fn += c->fn;
				sum.tn += c->tn;
			}
			assert_memory_equal(&sum, &whole_ones.counts[r], sizeof sum);
		}
		sm_parts_counts_clear(&parts);
		sm_parts_counts_clear(&again);
	}
}

/* A tile may reach beyond the volume: there is background. */
static void tiles_beyond_the_edge_are_background(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	int64_t start[2][3] = {{-2, -1, 0}, {W + 5, 0, 0}};
	struct sm_tile_list tiles = {{4, 4, 4}, start, 2};
	struct sm_parts_counts parts;
	struct sm_err err = {0};
	memset(t, 4, sizeof t);
	box(p, 4, 0, 0, 0, 1, 1, 1);
	assert_good(sm_tile_counts(&sm_brats_map, t, p, whole, &tiles, 1, NULL, &parts, &err), err);
	const struct sm_counts *c = &parts.counts[SM_ET], *out = &parts.counts[parts.rows + SM_ET];
	assert_true(c->tp == 1 && c->fp == 0 && c->fn == 2 * 3 * 4 - 1 && c->tn == 64 - 24);
	assert_true(out->tn == 64 && out->tp + out->fp + out->fn == 0);
	sm_parts_counts_clear(&parts);
}

/* Two slices with Dice 1 and 0.5, one with truth alone, one with prediction alone, the rest empty.
 */
static void means_over_slices_say_which_slices_count(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	struct sm_parts_counts parts;
	struct sm_err err = {0};
	box(t, 4, 0, 0, 2, 4, 4, 3);
	box(p, 4, 0, 0, 2, 4, 4, 1);
	box(p, 4, 2, 0, 3, 4, 4, 1);
	box(p, 4, 0, 0, 5, 4, 4, 1);
	assert_good(sm_slice_counts(&sm_brats_map, t, p, whole, 2, 1, NULL, &parts, &err), err);
	const struct sm_metric *dice = metric("dice"), *sensitivity = metric("sensitivity");
	struct sm_cell c =
		sm_parts_cell(SM_POLICY_BRATS2020, SM_SLICES_EITHER, dice, &parts, SM_ET);
	assert_true(c.v == 1.5 / 4 && c.why == SM_HAS_VALUE);
	c = sm_parts_cell(SM_POLICY_BRATS2020, SM_SLICES_TRUTH, dice, &parts, SM_ET);
	assert_true(c.v == 1.5 / 3);
	c = sm_parts_cell(SM_POLICY_BRATS2020, SM_SLICES_ALL, dice, &parts, SM_ET);
	assert_true(c.v == (1.5 + D - 4) / D);
	/* nnU-Net's way leaves out what is not defined: sensitivity where there is no truth. */
	c = sm_parts_cell(SM_POLICY_NNUNET, SM_SLICES_EITHER, sensitivity, &parts, SM_ET);
	assert_true(c.v == 1.5 / 3);
	/* No slice counts: the region is nowhere. */
	c = sm_parts_cell(SM_POLICY_BRATS2020, SM_SLICES_EITHER, dice, &parts, SM_LABEL_1);
	assert_true(c.v == 1 && c.why == SM_BY_POLICY);
	c = sm_parts_cell(SM_POLICY_NNUNET, SM_SLICES_EITHER, dice, &parts, SM_LABEL_1);
	assert_true(isnan(c.v) && c.why == SM_LEFT_OUT);
	sm_parts_counts_clear(&parts);
}

static void the_slice_axis_is_the_patients(void **state)
{
	(void)state;
	const double ras[4][4] = {{2, 0, 0, 0}, {0, 2, 0, 0}, {0, 0, 3, 0}, {0, 0, 0, 1}};
	/* Sagittal slices: x is front to back, y head to feet, z left to right. */
	const double sagittal[4][4] = {
		{0, 0.1, 4, 0}, {-1, 0, 0, 0}, {0, -1, 0.2, 0}, {0, 0, 0, 1}};
	struct sm_evaluate_section s = {0};
	assert_int_equal(sm_slice_axis(&s, ras), 2);
	assert_int_equal(sm_slice_axis(&s, sagittal), 1);
	s.slice_axis = SM_SLICE_X;
	assert_int_equal(sm_slice_axis(&s, sagittal), 0);
}

/* Several blocks, a length that is no multiple of 8: the joint counts equal a plain count. */
static void counts_do_not_depend_on_threads(void **state)
{
	(void)state;
	const int64_t dim[3] = {131, 97, 251};
	size_t n = (size_t)(dim[0] * dim[1] * dim[2]);
	uint8_t *t = malloc(n), *p = malloc(n);
	struct sm_joint one, four, plain = {0};
	struct sm_regions boxes, again;
	struct sm_err err = {0};
	assert_non_null(t);
	assert_non_null(p);
	fill_random(t, n, 5);
	fill_random(p, n, 6);
	memset(t + 1000, 0, n / 2);
	memset(p + 1000, 0, n / 2);
	for (size_t i = 0; i < n; i++)
		plain.n[t[i] == 4 ? 3 : t[i]][p[i] == 4 ? 3 : p[i]]++;
	assert_good(sm_scan_pair(&sm_brats_map, t, "t", p, "p", dim, 1, &one, &boxes, &err), err);
	assert_good(sm_scan_pair(&sm_brats_map, t, "t", p, "p", dim, 4, &four, &again, &err), err);
	assert_memory_equal(&one, &plain, sizeof one);
	assert_memory_equal(&four, &plain, sizeof one);
	for (size_t r = 0; r < SM_BRATS_ROWS; r++)
		assert_memory_equal(&boxes.both[r], &again.both[r], sizeof boxes.both[r]);
	free(t);
	free(p);
}

static void labels_outside_the_map_are_named(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	struct sm_joint joint;
	struct sm_regions regions;
	struct sm_err err = {0};
	p[77] = 3;
	assert_refused(sm_scan_pair(&sm_brats_map, t, "truth", p, "prediction", whole, 1, &joint,
				    &regions, &err),
		       SM_INPUT, err,
		       "prediction: label 3 at voxel number 77 is not in the label map: allowed "
		       "are 0, 1, 2, 4");
	t[5] = 200;
	assert_refused(sm_scan_pair(&sm_brats_map, t, "truth", p, "prediction", whole, 2, &joint,
				    &regions, &err),
		       SM_INPUT, err, "truth: label 200 at voxel number 5");
}

/* The golden file's columns behind the counts. */
static const char *const golden[] = {"dice",
				     "iou",
				     "sensitivity",
				     "specificity",
				     "precision",
				     "npv",
				     "accuracy",
				     "balanced_accuracy",
				     "kappa",
				     "mcc",
				     "volume_difference_relative"};

static void check_line(const struct sm_vol *truth, const struct sm_vol *prediction,
		       const char *region, const char *numbers)
{
	struct sm_joint joint;
	struct sm_regions regions;
	struct sm_err err = {0};
	struct sm_counts want;
	char *rest = NULL;
	size_t r = 0;
	assert_good(sm_scan_pair(&sm_brats_map, truth->data, "truth", prediction->data,
				 "prediction", truth->dim, 2, &joint, &regions, &err),
		    err);
	while (r < SM_BRATS_ROWS && strcmp(sm_brats_map.row[r].key, region) != 0)
		r++;
	assert_true(r < SM_BRATS_ROWS);
	struct sm_counts c = sm_joint_region(&joint, sm_brats_map.row[r].members);
	want.tp = strtoull(numbers, &rest, 10);
	want.fp = strtoull(rest, &rest, 10);
	want.fn = strtoull(rest, &rest, 10);
	want.tn = strtoull(rest, &rest, 10);
	assert_memory_equal(&c, &want, sizeof c);
	for (size_t m = 0; m < SM_COUNT(golden); m++) {
		double v = strtod(rest, &rest), found = score(&c, golden[m]);
		/* Ratios of two whole numbers are rounded once, the others a few times. */
		assert_true(fabs(found - v) <= (m < 7 ? 0 : 4e-16));
	}
}

static void real_masks_score_as_in_exact_fractions(void **state)
{
	(void)state;
	const char *root = getenv("SM_SHARED_DATA");
	struct sm_err err = {0};
	struct sm_vol truth = {0}, prediction = {0};
	char line[512], last[128] = "";
	size_t lines = 0;
	if (!root)
		root = "../shared/data";
	char *dir = sm_strf("%s/brats_tcga_fg_6692/segmentations", root);
	FILE *f = fopen("tests/golden/dice.txt", "r");
	assert_non_null(f);
	if (!sm_is_dir(dir)) {
		fclose(f);
		free(dir);
		skip();
		return;
	}
	char *path = sm_path_join(dir, "fusion_mav.nii.gz");
	assert_good(sm_nii_read(path, NULL, &truth, NULL, &err), err);
	free(path);
	while (fgets(line, sizeof line, f)) {
		char file[128], region[32];
		int used = 0;
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line, "%127s %31s %n", file, region, &used), 2);
		if (strcmp(last, file) != 0) {
			sm_vol_clear(&prediction);
			path = sm_path_join(dir, file);
			assert_good(sm_nii_read(path, NULL, &prediction, NULL, &err), err);
			free(path);
			snprintf(last, sizeof last, "%s", file);
		}
		check_line(&truth, &prediction, region, line + used);
		lines++;
	}
	assert_int_equal(lines, 35);
	fclose(f);
	free(dir);
	sm_vol_clear(&truth);
	sm_vol_clear(&prediction);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shifted_boxes_have_the_scores_of_their_volumes),
		cmocka_unit_test(regions_are_unions_of_labels),
		cmocka_unit_test(identical_is_best_and_disjoint_is_worst),
		cmocka_unit_test(empty_regions_have_no_value_of_their_own),
		cmocka_unit_test(large_counts_do_not_overflow),
		cmocka_unit_test(counts_do_not_depend_on_threads),
		cmocka_unit_test(labels_outside_the_map_are_named),
		cmocka_unit_test(scores_are_symmetric_and_blind_to_flips),
		cmocka_unit_test(parts_add_up_to_the_whole),
		cmocka_unit_test(tiles_beyond_the_edge_are_background),
		cmocka_unit_test(means_over_slices_say_which_slices_count),
		cmocka_unit_test(the_slice_axis_is_the_patients),
		cmocka_unit_test(real_masks_score_as_in_exact_fractions),
	};
	return run_tap(tests);
}
