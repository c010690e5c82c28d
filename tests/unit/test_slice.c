/* SPDX-License-Identifier: Apache-2.0
 *
 * Orientation of pictures: one bright voxel at a known corner of the body, in volumes stored in
 * every direction.
 */
#include "tests/unit/tap.h"

#include <string.h>

#include "preprocess/slice.h"

static struct sm_err err;

/* A volume of 3 x 4 x 5 voxels whose index axes grow towards the three letters, with value 1 at the
 * voxel that lies farthest to the patient's right, front and head. */
static struct sm_vol marked(const char axes[3])
{
	struct sm_vol v;
	const int64_t dim[4] = {3, 4, 5, 1};
	static const char letters[] = "RLAPSI";
	int64_t at[3];
	assert_good(sm_vol_init(&v, dim, SM_F32, NULL, "test", &err), err);
	memset(v.data, 0, 60 * sizeof(float));
	memset(v.affine, 0, sizeof v.affine);
	v.affine[3][3] = 1;
	for (int a = 0; a < 3; a++) {
		long k = strchr(letters, axes[a]) - letters;
		v.affine[k / 2][a] = k % 2 ? -2 : 2;
		at[a] = k % 2 ? 0 : dim[a] - 1;
	}
	((float *)v.data)[(at[2] * 4 + at[1]) * 3 + at[0]] = 1;
	return v;
}

static void test_every_storage_order_gives_the_same_view(void **state)
{
	(void)state;
	static const char *const orders[] = {"RAS", "LPS", "LAS", "PSR",
					     "IRP", "SLA", "ARI", "LIP"};
	for (size_t o = 0; o < sizeof orders / sizeof *orders; o++)
		for (int plane = 0; plane < 3; plane++) {
			struct sm_vol v = marked(orders[o]);
			struct sm_slice_view view;
			struct sm_image image = {0};
			int64_t seen = 0;
			sm_slice_plan(&v, (enum sm_plane)plane, &view);
			assert_good(sm_image_init(&image, view.width, view.height, 1, 8, NULL,
						  &err),
				    err);
			for (int64_t i = 0; i < view.count; i++) {
				sm_slice_draw(v.data, v.dim, &view, i, 0, 1, &image);
				for (int64_t p = 0; p < view.width * view.height; p++)
					if (((uint8_t *)image.data)[p]) {
						/* right, front and head are all at the left or the
						 * top */
						assert_int_equal(p, 0);
						assert_int_equal(((uint8_t *)image.data)[p], 255);
						seen++;
					}
			}
			assert_int_equal(seen, 1);
			assert_true(view.pixel_mm[0] == 2 && view.slice_mm == 2);
			sm_image_clear(&image);
			sm_vol_clear(&v);
		}
}

static void test_window_maps_and_rounds(void **state)
{
	(void)state;
	struct sm_vol v;
	const int64_t dim[4] = {4, 1, 1, 1};
	struct sm_slice_view view;
	struct sm_image image = {0};
	assert_good(sm_vol_init(&v, dim, SM_F32, NULL, "test", &err), err);
	v.affine[0][0] = v.affine[1][1] = -1; /* LPS: no flips */
	memcpy(v.data, (const float[]){-5, 10, 15, 99}, 16);
	sm_slice_plan(&v, SM_PLANE_AXIAL, &view);
	assert_good(sm_image_init(&image, 4, 1, 1, 16, NULL, &err), err);
	sm_slice_draw(v.data, v.dim, &view, 0, 10, 20, &image);
	const uint16_t *p = image.data;
	assert_true(p[0] == 0 && p[1] == 0 && p[2] == 32768 && p[3] == 65535);
	sm_slice_draw(v.data, v.dim, &view, 0, 10, 10, &image);
	assert_true(p[3] == 0);
	sm_image_clear(&image);
	assert_good(sm_image_init(&image, 4, 1, 1, 8, NULL, &err), err);
	sm_slice_draw_labels((const uint8_t[]){0, 3, 2, 255}, v.dim, &view, 0, &image);
	assert_memory_equal(image.data, ((const uint8_t[]){0, 3, 2, 255}), 4);
	sm_image_clear(&image);
	sm_vol_clear(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_storage_order_gives_the_same_view),
		cmocka_unit_test(test_window_maps_and_rounds),
	};
	return run_tap(tests);
}
