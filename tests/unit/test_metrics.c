/* SPDX-License-Identifier: Apache-2.0
 *
 * Overlap scores: closed forms on boxes, properties on random labels, and real masks against
 * numpy (scripts/golden_dice.py).
 */
#include "tests/unit/tap.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/rng.h"
#include "eval/metrics.h"

enum { W = 20, H = 16, D = 12, N = W * H * D };

/* A box of one label from (x, y, z), size (w, h, d). */
static void box(uint8_t *v, uint8_t label, int x, int y, int z, int w, int h, int d)
{
	for (int k = z; k < z + d; k++)
		for (int j = y; j < y + h; j++)
			for (int i = x; i < x + w; i++)
				v[(k * H + j) * W + i] = label;
}

static enum sm_status count(const uint8_t *truth, const uint8_t *prediction, size_t n, int jobs,
			    struct sm_joint *joint, struct sm_err *err)
{
	return sm_joint_count(&sm_brats_map, truth, "truth", prediction, "prediction", n, jobs,
			      joint, err);
}

static struct sm_scores scores_of(const uint8_t *truth, const uint8_t *prediction, size_t n,
				  int jobs, enum sm_empty policy)
{
	struct sm_err err = {0};
	struct sm_joint joint;
	struct sm_scores out;
	assert_good(count(truth, prediction, n, jobs, &joint, &err), err);
	sm_scores_from_joint(&sm_brats_map, &joint, policy, &out);
	return out;
}

/* Two boxes of 6 x 4 x 3 shifted by 2 along x share 4 x 4 x 3: Dice = 4 / 6. */
static void shifted_boxes_have_the_dice_of_their_volumes(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	box(t, 2, 3, 3, 3, 6, 4, 3);
	box(p, 2, 5, 3, 3, 6, 4, 3);
	struct sm_scores s = scores_of(t, p, N, 1, SM_EMPTY_BRATS);
	const struct sm_counts *c = &s.counts[SM_WT];
	assert_int_equal(c->tp, 48);
	assert_int_equal(c->fp, 24);
	assert_int_equal(c->fn, 24);
	assert_int_equal(c->tn, N - 96);
	assert_true(s.value[SM_WT][SM_DICE] == 96.0 / 144);
	assert_true(s.value[SM_WT][SM_SENSITIVITY] == 48.0 / 72);
	assert_true(s.value[SM_WT][SM_SPECIFICITY] == (double)(N - 96) / (N - 72));
}

/* Truth NCR beside ET, prediction all ET: each region by hand. */
static void regions_are_unions_of_labels(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	box(t, 2, 2, 2, 2, 8, 8, 4); /* 256 */
	box(t, 1, 2, 2, 2, 4, 4, 4); /* 64 */
	box(t, 4, 6, 2, 2, 4, 4, 4); /* 64 */
	box(p, 4, 2, 2, 2, 8, 4, 4); /* 128: the core, all called enhancing */
	struct sm_scores s = scores_of(t, p, N, 1, SM_EMPTY_BRATS);
	assert_true(s.value[SM_WT][SM_DICE] == 2.0 * 128 / (256 + 128));
	assert_true(s.value[SM_TC][SM_DICE] == 1);
	assert_true(s.value[SM_ET][SM_DICE] == 2.0 * 64 / (64 + 128));
	assert_true(s.value[SM_TC_ORIGINAL][SM_DICE] == 0);
	assert_true(s.value[SM_LABEL_1][SM_DICE] == 0);
	assert_true(s.value[SM_LABEL_2][SM_DICE] == 0);
	assert_true(s.value[SM_LABEL_4][SM_DICE] == s.value[SM_ET][SM_DICE]);
	assert_true(s.value[SM_ET][SM_SENSITIVITY] == 1);
}

static void identical_is_one_and_disjoint_is_zero(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	box(t, 4, 1, 1, 1, 4, 4, 4);
	box(p, 4, 10, 8, 6, 4, 4, 4);
	struct sm_scores same = scores_of(t, t, N, 1, SM_EMPTY_BRATS);
	struct sm_scores apart = scores_of(t, p, N, 1, SM_EMPTY_BRATS);
	for (size_t m = 0; m < SM_METRICS; m++)
		assert_true(same.value[SM_WT][m] == 1);
	assert_true(apart.value[SM_WT][SM_DICE] == 0);
	assert_true(apart.value[SM_WT][SM_SENSITIVITY] == 0);
	assert_true(apart.value[SM_WT][SM_SPECIFICITY] < 1);
}

static void empty_regions_follow_the_policy(void **state)
{
	(void)state;
	uint8_t none[N] = {0}, some[N] = {0};
	box(some, 1, 1, 1, 1, 2, 2, 2);
	struct sm_scores s = scores_of(none, none, N, 1, SM_EMPTY_BRATS);
	assert_true(s.value[SM_ET][SM_DICE] == 1 && s.value[SM_ET][SM_SENSITIVITY] == 1);
	s = scores_of(none, some, N, 1, SM_EMPTY_BRATS);
	assert_true(s.value[SM_TC][SM_DICE] == 0 && s.value[SM_TC][SM_SENSITIVITY] == 0);
	assert_true(s.value[SM_ET][SM_DICE] == 1);
	s = scores_of(none, some, N, 1, SM_EMPTY_SKIP);
	assert_true(isnan(s.value[SM_TC][SM_DICE]) && isnan(s.value[SM_ET][SM_DICE]));
	assert_true(isnan(s.value[SM_TC][SM_SENSITIVITY]));
	assert_true(s.value[SM_TC][SM_SPECIFICITY] == (double)(N - 8) / N);
	/* A region that was missed is a plain 0 under either. */
	s = scores_of(some, none, N, 1, SM_EMPTY_SKIP);
	assert_true(s.value[SM_TC][SM_DICE] == 0);
}

/* A truth that fills the volume has no negatives: specificity says nothing. */
static void a_full_truth_has_no_specificity(void **state)
{
	(void)state;
	uint8_t full[64];
	memset(full, 4, sizeof full);
	struct sm_scores s = scores_of(full, full, sizeof full, 1, SM_EMPTY_BRATS);
	assert_true(isnan(s.value[SM_ET][SM_SPECIFICITY]));
	assert_true(s.value[SM_ET][SM_DICE] == 1);
}

static void fill_random(uint8_t *v, size_t n, uint64_t seed)
{
	static const uint8_t label[] = {0, 0, 0, 0, 0, 1, 2, 4};
	struct sm_rng rng;
	sm_rng_init(&rng, seed, "test.metrics", "", 0, 0);
	for (size_t i = 0; i < n; i++)
		v[i] = label[sm_rng_below(&rng, 8)];
}

static void dice_is_symmetric_and_blind_to_flips(void **state)
{
	(void)state;
	uint8_t t[N], p[N], ft[N], fp[N];
	for (uint64_t seed = 0; seed < 20; seed++) {
		fill_random(t, N, 2 * seed);
		fill_random(p, N, 2 * seed + 1);
		for (size_t i = 0; i < N; i++) {
			ft[i] = t[N - 1 - i];
			fp[i] = p[N - 1 - i];
		}
		struct sm_scores a = scores_of(t, p, N, 1, SM_EMPTY_BRATS);
		struct sm_scores b = scores_of(p, t, N, 1, SM_EMPTY_BRATS);
		struct sm_scores c = scores_of(ft, fp, N, 1, SM_EMPTY_BRATS);
		for (size_t r = 0; r < SM_BRATS_ROWS; r++) {
			const struct sm_counts *n = &a.counts[r];
			assert_int_equal(n->tp + n->fp + n->fn + n->tn, N);
			assert_true(a.value[r][SM_DICE] == b.value[r][SM_DICE]);
			assert_int_equal(a.counts[r].fp, b.counts[r].fn);
			assert_memory_equal(&a.counts[r], &c.counts[r], sizeof a.counts[r]);
			assert_true(a.value[r][SM_DICE] > 0 && a.value[r][SM_DICE] < 1);
		}
	}
}

/* Several blocks, a length that is no multiple of 8: the joint counts equal a plain count. */
static void counts_do_not_depend_on_threads(void **state)
{
	(void)state;
	size_t n = ((size_t)3 << 20) + 13;
	uint8_t *t = malloc(n), *p = malloc(n);
	struct sm_joint one, four, plain = {0};
	struct sm_err err = {0};
	assert_non_null(t);
	assert_non_null(p);
	fill_random(t, n, 5);
	fill_random(p, n, 6);
	memset(t + 1000, 0, n / 2);
	memset(p + 1000, 0, n / 2);
	for (size_t i = 0; i < n; i++)
		plain.n[t[i] == 4 ? 3 : t[i]][p[i] == 4 ? 3 : p[i]]++;
	assert_good(count(t, p, n, 1, &one, &err), err);
	assert_good(count(t, p, n, 4, &four, &err), err);
	assert_memory_equal(&one, &plain, sizeof one);
	assert_memory_equal(&four, &plain, sizeof one);
	free(t);
	free(p);
}

static void labels_outside_the_map_are_named(void **state)
{
	(void)state;
	uint8_t t[N] = {0}, p[N] = {0};
	struct sm_joint joint;
	struct sm_err err = {0};
	p[77] = 3;
	assert_refused(count(t, p, N, 1, &joint, &err), SM_INPUT, err,
		       "prediction: label 3 at voxel number 77 is not in the label map: allowed "
		       "are 0, 1, 2, 4");
	t[5] = 200;
	assert_refused(count(t, p, N, 2, &joint, &err), SM_INPUT, err,
		       "truth: label 200 at voxel number 5");
}

static void real_masks_score_as_in_numpy(void **state)
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
		struct sm_counts c;
		double v[SM_METRICS];
		if (line[0] == '#')
			continue;
		assert_int_equal(sscanf(line,
					"%127s %31s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
					" %lf %lf %lf",
					file, region, &c.tp, &c.fp, &c.fn, &c.tn, &v[SM_DICE],
					&v[SM_SENSITIVITY], &v[SM_SPECIFICITY]),
				 9);
		if (strcmp(last, file) != 0) {
			sm_vol_clear(&prediction);
			path = sm_path_join(dir, file);
			assert_good(sm_nii_read(path, NULL, &prediction, NULL, &err), err);
			free(path);
			snprintf(last, sizeof last, "%s", file);
		}
		struct sm_scores s = scores_of(truth.data, prediction.data, sm_vol_count(&truth), 2,
					       SM_EMPTY_BRATS);
		size_t r = 0;
		while (r < SM_BRATS_ROWS && strcmp(sm_brats_map.row[r].key, region) != 0)
			r++;
		assert_true(r < SM_BRATS_ROWS);
		assert_memory_equal(&s.counts[r], &c, sizeof c);
		for (size_t m = 0; m < SM_METRICS; m++)
			assert_true(s.value[r][m] == v[m]);
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
		cmocka_unit_test(shifted_boxes_have_the_dice_of_their_volumes),
		cmocka_unit_test(regions_are_unions_of_labels),
		cmocka_unit_test(identical_is_one_and_disjoint_is_zero),
		cmocka_unit_test(empty_regions_follow_the_policy),
		cmocka_unit_test(a_full_truth_has_no_specificity),
		cmocka_unit_test(dice_is_symmetric_and_blind_to_flips),
		cmocka_unit_test(counts_do_not_depend_on_threads),
		cmocka_unit_test(labels_outside_the_map_are_named),
		cmocka_unit_test(real_masks_score_as_in_numpy),
	};
	return run_tap(tests);
}
