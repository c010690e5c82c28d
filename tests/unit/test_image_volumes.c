/* SPDX-License-Identifier: Apache-2.0
 *
 * Image scores of volumes: one grid, one number of channels; and the body mask.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <string.h>

#include "eval/image_metrics.h"

enum { W = 24, H = 20, D = 12, PLANE = W * H, N = PLANE * D };

static void volume(struct sm_vol *vol, int64_t x, int64_t frames)
{
	struct sm_err err = {0};
	const int64_t dim[4] = {x, 12, 2, frames};
	assert_good(sm_vol_init(vol, dim, SM_I16, NULL, "test", &err), err);
	for (size_t i = 0; i < sm_vol_count(vol); i++)
		((int16_t *)vol->data)[i] = (int16_t)(i % 77);
	vol->slope = 2;
}

static void volumes_must_lie_on_one_grid(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_vol a, b, c, colours, mask;
	struct sm_image_scores out;
	struct sm_image_settings s = sm_image_settings_default();
	volume(&a, 14, 1);
	volume(&b, 14, 1);
	volume(&c, 13, 1);
	volume(&colours, 14, 3);
	assert_good(sm_vol_init(&mask, a.dim, SM_U8, NULL, "mask", &err), err);
	memset(mask.data, 1, sm_vol_count(&mask));
	b.affine[0][3] = 0.02;
	assert_refused(sm_image_score_volumes(&b, "made", &a, "true", NULL, 0.01, &s, &out, &err),
		       SM_INPUT, err, "made: a corner voxel lies 0.02 mm");
	assert_good(sm_image_score_volumes(&b, "made", &a, "true", &mask, 0.05, &s, &out, &err),
		    err);
	assert_true(out.value[SM_IMAGE_OWN][SM_IMAGE_WHOLE][SM_IMAGE_MAE] == 0);
	assert_true(out.body == 14 * 12 * 2);
	assert_true(a.dtype == SM_F32 && ((float *)a.data)[76] == 152);
	assert_refused(sm_image_score_volumes(&c, "made", &a, "true", NULL, 0.05, &s, &out, &err),
		       SM_INPUT, err, "size along x is 13");
	assert_refused(
		sm_image_score_volumes(&colours, "made", &a, "true", NULL, 0.05, &s, &out, &err),
		SM_INPUT, err, "has 3 channels, but true has 1");
	assert_refused(sm_image_score_volumes(&b, "made", &a, "true", &c, 0.05, &s, &out, &err),
		       SM_INPUT, err, "body mask: size along x");
	assert_refused(sm_image_score_volumes(&b, "made", &a, "true", &a, 0.05, &s, &out, &err),
		       SM_INPUT, err, "body mask: is float32");
	struct sm_vol *all_of[] = {&a, &b, &c, &colours, &mask};
	for (size_t i = 0; i < sizeof all_of / sizeof *all_of; i++)
		sm_vol_clear(all_of[i]);
}

/* A body with an air hole, a thin couch under it that a bridge joins, and a speck. */
static void the_body_is_the_largest_part_without_holes(void **state)
{
	(void)state;
	static float v[N];
	static uint8_t mask[N];
	struct sm_err err = {0};
	struct sm_body body;
	struct sm_body_settings s = {.axis = 2};
	const int64_t dim[3] = {W, H, D};
	const double spacing[3] = {1, 1, 1};
	for (int i = 0; i < N; i++) {
		int x = i % W, y = i / W % H;
		bool inside = x >= 4 && x < 18 && y >= 3 && y < 13,
		     hole = x >= 8 && x < 11 && y >= 6 && y < 9;
		v[i] = inside && !hole               ? 40
		       : y == 16                     ? 200
		       : x == 10 && y > 12 && y < 16 ? 100
						     : -1000;
	}
	v[0] = 500;
	assert_good(
		sm_body_mask(v, dim, spacing, SM_MEANING_HU, "ct", &s, NULL, 2, mask, &body, &err),
		err);
	assert_true(body.hu && body.threshold == -300);
	assert_int_equal(body.voxels, (14 * 10 + W + 3) * D);
	s.opening = 1;
	assert_good(
		sm_body_mask(v, dim, spacing, SM_MEANING_HU, "ct", &s, NULL, 1, mask, &body, &err),
		err);
	assert_false(mask[16 * W + 3] || mask[0] || mask[14 * W + 10]);
	assert_true(mask[5 * PLANE + 7 * W + 9]);
	s.opening = 0;
	assert_good(sm_body_mask(v, dim, spacing, SM_MEANING_ARBITRARY, "mr", &s, NULL, 1, mask,
				 &body, &err),
		    err);
	assert_true(!body.hu && body.threshold > -1000 && body.threshold < 40);
	s.rule = SM_BODY_VALUE;
	s.value = 1000;
	assert_refused(
		sm_body_mask(v, dim, spacing, SM_MEANING_HU, "ct", &s, NULL, 1, mask, &body, &err),
		SM_INPUT, err, "ct: no voxel is left above the threshold 1000");
	for (int i = 0; i < N; i++)
		v[i] = 5;
	s.rule = SM_BODY_AUTO;
	assert_refused(
		sm_body_mask(v, dim, spacing, SM_MEANING_HU, "ct", &s, NULL, 1, mask, &body, &err),
		SM_INPUT, err, "holds no air");
	assert_refused(sm_body_mask(v, dim, spacing, SM_MEANING_SUV, "pet", &s, NULL, 1, mask,
				    &body, &err),
		       SM_INPUT, err, "pet: is 5 everywhere");
	v[W] = NAN;
	assert_refused(sm_body_mask(v, dim, spacing, SM_MEANING_SUV, "pet", &s, NULL, 1, mask,
				    &body, &err),
		       SM_INPUT, err, "voxel (0, 1, 0)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volumes_must_lie_on_one_grid),
		cmocka_unit_test(the_body_is_the_largest_part_without_holes),
	};
	return run_tap(tests);
}
