/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole case by every column: what must not change a score (threads, flips, padding, the order of
 * the two volumes where the definition is symmetric), and how spacing scales one.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "eval/case_score.h"

enum { W = 23, H = 19, D = 14 };

/* A pair of label volumes with a margin of `pad` voxels; flip: bits of axes. */
struct pair {
	struct sm_vol vol[2];
};

static void blob(uint8_t *v, const double c[3], double r, uint8_t label)
{
	for (int z = 0; z < D; z++)
		for (int y = 0; y < H; y++)
			for (int x = 0; x < W; x++) {
				double dx = x - c[0], dy = y - c[1], dz = (z - c[2]) * 1.4;
				if (dx * dx + dy * dy + dz * dz <= r * r)
					v[(z * H + y) * W + x] = label;
			}
}

/* Blobs that share some of their centres, with single voxels beside them. */
static void draw(uint64_t seed, uint8_t v[2][W * H * D])
{
	static const uint8_t label[3] = {2, 1, 4};
	struct sm_rng rng;
	sm_rng_init(&rng, seed, "test.case_score", "", 0, 0);
	memset(v, 0, 2 * (size_t)W * H * D);
	for (int k = 0; k < 6; k++) {
		double c[3] = {(double)sm_rng_below(&rng, W), (double)sm_rng_below(&rng, H),
			       (double)sm_rng_below(&rng, D)};
		double r = 1 + (double)sm_rng_below(&rng, 5);
		uint8_t l = label[sm_rng_below(&rng, 3)];
		if (k != 4)
			blob(v[0], c, r, l);
		c[0] += (double)sm_rng_below(&rng, 3);
		if (k != 5)
			blob(v[1], c, r, l);
	}
	for (int k = 0; k < 10; k++)
		v[k % 2][sm_rng_below(&rng, W * H * D)] = label[sm_rng_below(&rng, 3)];
}

static void make(uint64_t seed, int pad, unsigned flip, double scale, struct pair *p)
{
	static uint8_t v[2][W * H * D];
	const int64_t dim[4] = {W + 2 * pad, H + 2 * pad, D + 2 * pad, 1};
	const double spacing[3] = {0.9, 1.1, 2.5};
	struct sm_err err = {0};
	draw(seed, v);
	for (int k = 0; k < 2; k++) {
		struct sm_vol *to = &p->vol[k];
		assert_good(sm_vol_init(to, dim, SM_U8, NULL, "volume", &err), err);
		memset(to->data, 0, sm_vol_count(to));
		for (int a = 0; a < 3; a++)
			to->affine[a][a] = spacing[a] * scale;
		for (int z = 0; z < D; z++)
			for (int y = 0; y < H; y++)
				for (int x = 0; x < W; x++) {
					int64_t i = flip & 1 ? W - 1 - x : x;
					int64_t j = flip & 2 ? H - 1 - y : y;
					int64_t m = flip & 4 ? D - 1 - z : z;
					((uint8_t *)
						 to->data)[((m + pad) * dim[1] + j + pad) * dim[0] +
							   i + pad] = v[k][(z * H + y) * W + x];
				}
	}
}

static struct sm_columns columns;
static struct sm_evaluate_section section;
static double mm[] = {1, 3};

static void score(struct pair *p, bool swap, int jobs, struct sm_case_scores *out)
{
	struct sm_err err = {0};
	assert_good(sm_case_score(&p->vol[swap], "truth", &p->vol[!swap], "prediction", &section,
				  &sm_brats_map, &columns, NULL, jobs, out, &err),
		    err);
	sm_vol_clear(&p->vol[0]);
	sm_vol_clear(&p->vol[1]);
}

static int begin(void **state)
{
	static char *all[] = {"all"}, *by[] = {"voxel", "slice"};
	struct sm_err err = {0};
	(void)state;
	section = (struct sm_evaluate_section){.threshold = NAN,
					       .tolerances = {mm, 2},
					       .metrics = {all, 1},
					       .by = {by, 2},
					       .grid_tolerance = 0.01,
					       .match_iou = 0.5,
					       .lesions = 1 + SM_LESIONS_MET};
	return sm_columns_make(&section, &columns, &err) != SM_OK;
}

static bool near(double a, double b)
{
	return (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * (1 + fabs(a));
}

static void threads_change_no_bit(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct pair p, q;
		struct sm_case_scores one, four;
		make(seed, 0, 0, 1, &p);
		make(seed, 0, 0, 1, &q);
		score(&p, false, 1, &one);
		score(&q, false, 4, &four);
		assert_memory_equal(one.cell, four.cell, one.rows * one.columns * sizeof *one.cell);
		sm_case_scores_clear(&one);
		sm_case_scores_clear(&four);
	}
}

static void flips_change_no_score(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct pair p;
		struct sm_case_scores plain;
		make(seed, 0, 0, 1, &p);
		score(&p, false, 1, &plain);
		for (unsigned flip = 1; flip < 8; flip++) {
			struct sm_case_scores turned;
			make(seed, 0, flip, 1, &p);
			score(&p, false, 1, &turned);
			for (size_t i = 0; i < plain.rows * plain.columns; i++) {
				assert_int_equal(plain.cell[i].why, turned.cell[i].why);
				assert_true(near(plain.cell[i].v, turned.cell[i].v));
			}
			sm_case_scores_clear(&turned);
		}
		sm_case_scores_clear(&plain);
	}
}

/* Background around the volume: only what counts true negatives may tell. */
static void padding_changes_only_what_counts_background(void **state)
{
	(void)state;
	static const char *const background[] = {"specificity",       "npv",   "accuracy",
						 "balanced_accuracy", "kappa", "mcc"};
	size_t changed = 0;
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct pair p;
		struct sm_case_scores plain, padded;
		make(seed, 0, 0, 1, &p);
		score(&p, false, 1, &plain);
		make(seed, 3, 0, 1, &p);
		score(&p, false, 1, &padded);
		for (size_t i = 0; i < plain.rows * plain.columns; i++) {
			const struct sm_metric *m = columns.at[i % plain.columns].metric;
			bool knows = false;
			for (size_t k = 0; k < SM_COUNT(background); k++)
				knows |= strcmp(m->key, background[k]) == 0;
			bool same = near(plain.cell[i].v, padded.cell[i].v);
			assert_true(same || knows);
			changed += !same;
		}
		sm_case_scores_clear(&plain);
		sm_case_scores_clear(&padded);
	}
	assert_true(changed > 100);
}

/* Scores that do not know which volume is the truth, and those that change places. */
static void the_order_of_the_volumes(void **state)
{
	(void)state;
	static const char *const even[] = {"dice",
					   "iou",
					   "accuracy",
					   "kappa",
					   "mcc",
					   "hd",
					   "hd95",
					   "hd95_pooled",
					   "assd",
					   "assd_mean",
					   "nsd_1mm",
					   "nsd_3mm",
					   "hd_surfel",
					   "hd95_surfel",
					   "nsd_surfel_1mm",
					   "volume_similarity",
					   "pq",
					   "sq",
					   "rq",
					   "detection_f1_iou"};
	static const char *const turn[][2] = {{"sensitivity", "precision"},
					      {"specificity", "npv"},
					      {"masd_truth", "masd_prediction"},
					      {"asd_surfel_truth", "asd_surfel_prediction"},
					      {"volume_truth", "volume_prediction"},
					      {"detection_recall_iou", "detection_precision_iou"}};
	for (uint64_t seed = 0; seed < 6; seed++) {
		struct pair p;
		struct sm_case_scores a, b;
		make(seed, 0, 0, 1, &p);
		score(&p, false, 1, &a);
		make(seed, 0, 0, 1, &p);
		score(&p, true, 1, &b);
		for (size_t r = 0; r < a.rows; r++) {
			if (a.situation[r] != SM_BOTH_FULL)
				continue;
			for (size_t k = 0; k < SM_COUNT(even); k++) {
				size_t i = r * a.columns + sm_column_find(&columns, even[k]);
				assert_true(near(a.cell[i].v, b.cell[i].v));
			}
			for (size_t k = 0; k < SM_COUNT(turn); k++) {
				size_t i = r * a.columns + sm_column_find(&columns, turn[k][0]);
				size_t j = r * a.columns + sm_column_find(&columns, turn[k][1]);
				assert_true(near(a.cell[i].v, b.cell[j].v));
				assert_true(near(a.cell[j].v, b.cell[i].v));
			}
		}
		sm_case_scores_clear(&a);
		sm_case_scores_clear(&b);
	}
}

static void distances_scale_with_the_spacing(void **state)
{
	(void)state;
	static const char *const lengths[] = {"hd",   "hd95",      "hd95_pooled",
					      "assd", "hd_surfel", "asd_surfel_truth"};
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct pair p;
		struct sm_case_scores a, b;
		make(seed, 0, 0, 1, &p);
		score(&p, false, 1, &a);
		make(seed, 0, 0, 3, &p);
		score(&p, false, 1, &b);
		for (size_t r = 0; r < a.rows; r++) {
			if (a.situation[r] != SM_BOTH_FULL)
				continue;
			const struct sm_cell *x = &a.cell[r * a.columns],
					     *y = &b.cell[r * b.columns];
			for (size_t k = 0; k < SM_COUNT(lengths); k++) {
				size_t i = sm_column_find(&columns, lengths[k]);
				assert_true(near(3 * x[i].v, y[i].v));
			}
			/* 1 mm there is 3 mm here. */
			assert_true(near(x[sm_column_find(&columns, "nsd_1mm")].v,
					 y[sm_column_find(&columns, "nsd_3mm")].v));
			assert_true(near(27 * x[sm_column_find(&columns, "volume_truth")].v,
					 y[sm_column_find(&columns, "volume_truth")].v));
		}
		sm_case_scores_clear(&a);
		sm_case_scores_clear(&b);
	}
}

static void a_volume_agrees_with_itself(void **state)
{
	(void)state;
	struct pair p, q;
	struct sm_case_scores s;
	make(1, 0, 0, 1, &p);
	make(1, 0, 0, 1, &q);
	sm_vol_clear(&p.vol[1]);
	p.vol[1] = q.vol[0];
	sm_vol_clear(&q.vol[1]);
	score(&p, false, 2, &s);
	for (size_t r = 0; r < s.rows; r++)
		for (size_t c = 0; c < s.columns; c++) {
			const struct sm_metric *m = columns.at[c].metric;
			double v = s.cell[r * s.columns + c].v;
			if (m->empty == SM_EMPTY_OVERLAP)
				assert_true(near(v, 1));
			if (m->empty == SM_EMPTY_DISTANCE)
				assert_true(v == 0);
			if (m->better == SM_IS_LOW || strcmp(m->key, "volume_difference") == 0)
				assert_true(v == 0);
		}
	sm_case_scores_clear(&s);
}

/* What is refused before anything is measured. */
static void volumes_that_do_not_match_have_no_score(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_case_scores s;
	struct pair p;
	make(1, 0, 0, 1, &p);
	p.vol[1].affine[1][3] = 0.5;
	assert_refused(sm_case_score(&p.vol[0], "truth t", &p.vol[1], "prediction p", &section,
				     &sm_brats_map, &columns, NULL, 1, &s, &err),
		       SM_INPUT, err, "0.5 mm");
	assert_null(s.cell);
	p.vol[0].affine[1][3] = 0.5;
	p.vol[0].affine[0][1] = p.vol[1].affine[0][1] = 0.3;
	assert_refused(sm_case_score(&p.vol[0], "truth t", &p.vol[1], "prediction p", &section,
				     &sm_brats_map, &columns, NULL, 1, &s, &err),
		       SM_INPUT, err, "truth t: ");
	assert_null(s.cell);
	((uint8_t *)p.vol[1].data)[5] = 9;
	assert_refused(sm_case_score(&p.vol[0], "truth t", &p.vol[1], "prediction p", &section,
				     &sm_brats_map, &columns, NULL, 1, &s, &err),
		       SM_INPUT, err, "prediction p: label 9 at voxel");
	sm_vol_clear(&p.vol[0]);
	sm_vol_clear(&p.vol[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(threads_change_no_bit, begin),
		cmocka_unit_test_setup(flips_change_no_score, begin),
		cmocka_unit_test_setup(padding_changes_only_what_counts_background, begin),
		cmocka_unit_test_setup(the_order_of_the_volumes, begin),
		cmocka_unit_test_setup(distances_scale_with_the_spacing, begin),
		cmocka_unit_test_setup(a_volume_agrees_with_itself, begin),
		cmocka_unit_test_setup(volumes_that_do_not_match_have_no_score, begin),
	};
	return run_tap(tests);
}
