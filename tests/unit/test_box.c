/* SPDX-License-Identifier: Apache-2.0
 *
 * One look at two label volumes against plain loops, and all rows of a map against each alone.
 */
#include "tests/unit/surface_helpers.h"

#include "core/rng.h"
#include "eval/box.h"

static void scans_of_pairs_count_and_find_boxes(void **state)
{
	(void)state;
	static const uint8_t label[] = {0, 1, 2, 4};
	static struct sm_joint plain, joint;
	static struct sm_regions boxes;
	struct sm_rng rng;
	struct sm_err err = {0};
	sm_rng_init(&rng, 3, "test.surface", "", 0, 0);
	for (int i = 0; i < 12; i++) {
		const int64_t n[3] = {1 + sm_rng_below(&rng, 150), 1 + sm_rng_below(&rng, 40),
				      1 + sm_rng_below(&rng, 300)};
		const size_t all = (size_t)(n[0] * n[1] * n[2]);
		uint8_t *v[2] = {grid(n), grid(n)}, *mask = grid(n);
		for (size_t k = 0; k < all; k++)
			for (int w = 0; w < 2 && k % 100 < 40; w++)
				v[w][k] = label[sm_rng_below(&rng, 200) < 4 * (uint32_t)i
							? sm_rng_below(&rng, i % 3 ? 4 : 2)
						: k % 97 < 20 && i > 5 ? 2
								       : 0];
		plain = (struct sm_joint){0};
		for (size_t k = 0; k < all; k++)
			plain.n[v[0][k] == 4 ? 3 : v[0][k]][v[1][k] == 4 ? 3 : v[1][k]]++;
		assert_good(sm_scan_pair(&sm_brats_map, v[0], "t", v[1], "p", n, 1 + i % 3, &joint,
					 &boxes, &err),
			    err);
		assert_memory_equal(&plain, &joint, sizeof plain);
		for (size_t r = 0; r < sm_brats_map.n; r++) {
			uint8_t member[256];
			struct sm_box found[2];
			sm_region_members(&sm_brats_map, r, member);
			for (int w = 0; w < 2; w++) {
				for (size_t k = 0; k < all; k++)
					mask[k] = member[v[w][k]];
				found[w] = sm_box_of(mask, n);
			}
			assert_memory_equal(&found[0], &boxes.truth[r], sizeof found[0]);
			assert_memory_equal(&found[1], &boxes.prediction[r], sizeof found[0]);
			found[0] = sm_box_join(&found[0], &found[1]);
			assert_memory_equal(&found[0], &boxes.both[r], sizeof found[0]);
		}
		v[1][all - 1] = 3;
		assert_refused(sm_scan_pair(&sm_brats_map, v[0], "t", v[1], "p", n, 2, &joint,
					    &boxes, &err),
			       SM_INPUT, err, "is not in the label map: allowed are 0, 1, 2, 4");
		free(v[0]);
		free(v[1]);
		free(mask);
	}
}

/* All rows in one call are what each gives alone; equal rows too; a missing region is left out. */
static void rows_of_a_map_are_measured_as_alone(void **state)
{
	(void)state;
	static const uint8_t label[] = {0, 1, 2, 2};
	static const int64_t n[3] = {40, 30, 20};
	static const double mm[3] = {0.9, 0.9, 3};
	static struct sm_joint joint;
	static struct sm_regions boxes;
	struct sm_surface out[SM_BRATS_ROWS];
	const struct sm_surface_settings s = {.spacing = {mm[0], mm[1], mm[2]},
					      .tolerance_mm = tolerances,
					      .tolerances = 2,
					      .families = BOTH,
					      .jobs = 2};
	struct sm_err err = {0};
	struct sm_rng rng;
	uint8_t *t = grid(n), *p = grid(n), *cut[2] = {grid(n), grid(n)};
	sm_rng_init(&rng, 4, "test.surface", "", 0, 0);
	for (int64_t z = 5; z < 15; z++)
		for (int64_t y = 6; y < 20; y++)
			for (int64_t x = 7; x < 30; x++) {
				t[(z * n[1] + y) * n[0] + x] = label[sm_rng_below(&rng, 4)];
				p[(z * n[1] + y + 2) * n[0] + x - 3] = label[sm_rng_below(&rng, 4)];
			}
	t[17 * n[0] * n[1]] = 4;
	assert_good(sm_scan_pair(&sm_brats_map, t, "t", p, "p", n, 1, &joint, &boxes, &err), err);
	assert_good(sm_surface_regions(&sm_brats_map, t, p, n, &boxes, &s, out, &err), err);
	for (size_t r = 0; r < SM_BRATS_ROWS; r++) {
		if (r == SM_ET || r == SM_LABEL_4) {
			assert_int_equal(out[r].n[0] + out[r].n[1], 0);
			continue;
		}
		const struct sm_box *box = &boxes.both[r];
		const int64_t m[3] = {box->n[0] + 2, box->n[1] + 2, box->n[2] + 2};
		sm_region_cut(&sm_brats_map, r, t, n, box, 1, cut[0]);
		sm_region_cut(&sm_brats_map, r, p, n, box, 1, cut[1]);
		const struct sm_surface alone = measured(cut[0], cut[1], m, mm, 1);
		assert_memory_equal(&alone, &out[r], sizeof alone);
	}
	assert_memory_equal(&out[SM_TC_ORIGINAL], &out[SM_LABEL_1], sizeof *out);
	free(t);
	free(p);
	free(cut[0]);
	free(cut[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scans_of_pairs_count_and_find_boxes),
		cmocka_unit_test(rows_of_a_map_are_measured_as_alone),
	};
	return run_tap(tests);
}
