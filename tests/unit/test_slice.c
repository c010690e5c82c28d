/* SPDX-License-Identifier: Apache-2.0
 *
 * Orientation of pictures: one bright voxel at a known corner of the body, in volumes stored in
 * every direction.
 */
#include "tests/unit/tap.h"

#include <stdlib.h>
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
			sm_slice_plan(&v, (enum sm_plane)plane, SM_VIEW_RADIOLOGICAL, &view);
			assert_good(sm_image_init(&image, view.width, view.height, 1, 8, NULL,
						  &err),
				    err);
			for (int64_t i = 0; i < view.count; i++) {
				float cut[20];
				sm_slice_cut(v.data, v.dim, &view, i, cut);
				sm_slice_paint(cut, 0, 1, &image);
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
	sm_slice_plan(&v, SM_PLANE_AXIAL, SM_VIEW_RADIOLOGICAL, &view);
	assert_good(sm_image_init(&image, 4, 1, 1, 16, NULL, &err), err);
	float cut[4];
	sm_slice_cut(v.data, v.dim, &view, 0, cut);
	sm_slice_paint(cut, 10, 20, &image);
	const uint16_t *p = image.data;
	assert_true(p[0] == 0 && p[1] == 0 && p[2] == 32768 && p[3] == 65535);
	sm_slice_paint(cut, 10, 10, &image);
	assert_true(p[3] == 0);
	sm_image_clear(&image);
	uint8_t labels[4];
	sm_slice_cut_labels((const uint8_t[]){0, 3, 2, 255}, v.dim, &view, 0, labels);
	assert_memory_equal(labels, ((const uint8_t[]){0, 3, 2, 255}), 4);
	/* colours come plane by plane and leave side by side */
	assert_good(sm_image_init(&image, 2, 1, 3, 8, NULL, &err), err);
	sm_slice_paint((const float[]){0, 1, 2, 3, 4, 255}, 0, 255, &image);
	assert_memory_equal(image.data, ((const uint8_t[]){0, 2, 4, 1, 3, 255}), 6);
	sm_image_clear(&image);
	sm_vol_clear(&v);
}

static void test_stored_view_is_index_order(void **state)
{
	(void)state;
	static const int want[SM_PLANES][3] = {{0, 1, 2}, {0, 2, 1}, {1, 2, 0}};
	struct sm_vol v =
		marked("LAS"); /* columns of every radiological view are turned somewhere */
	for (int plane = 0; plane < SM_PLANES; plane++) {
		struct sm_slice_view view;
		sm_slice_plan(&v, (enum sm_plane)plane, SM_VIEW_STORED, &view);
		assert_true(view.column == want[plane][0] && view.row == want[plane][1] &&
			    view.normal == want[plane][2]);
		assert_false(view.flip_column || view.flip_row);
		assert_true(view.width == v.dim[view.column] && view.height == v.dim[view.row]);
	}
	sm_vol_clear(&v);
}

static void test_choice_of_slices(void **state)
{
	(void)state;
	struct sm_case c;
	struct sm_slice_view view;
	int64_t *index;
	size_t n;
	assert_good(sm_case_init(&c, "case", NULL, 1, &err), err);
	struct sm_vol v = marked("RAS");
	sm_slice_plan(&v, SM_PLANE_AXIAL, SM_VIEW_RADIOLOGICAL, &view);
	assert_good(sm_case_take(&c, "t1", &v, &err), err);
	c.vols[0].keep = calloc(5, 1);
	memcpy(c.vols[0].keep, (const uint8_t[]){1, 0, 1, 1, 0}, 5);
	assert_good(sm_slice_choose(&c, &c.vols[0].vol, &view, "t1", 1, -1, &index, &n, &err), err);
	assert_true(n == 2 && index[0] == 2 && index[1] == 3);
	free(index);
	assert_int_equal(sm_slice_choose(&c, &c.vols[0].vol, &view, "t1", 1, 5, &index, &n, &err),
			 SM_INPUT);
	/* z slices say nothing of other planes */
	sm_slice_plan(&c.vols[0].vol, SM_PLANE_CORONAL, SM_VIEW_RADIOLOGICAL, &view);
	assert_good(sm_slice_choose(&c, &c.vols[0].vol, &view, "t1", 0, -1, &index, &n, &err), err);
	assert_true(n == 4 && index[1] == 1);
	free(index);
	sm_case_clear(&c);
}

/* Cut and put back, every value lies where it lay, whatever way the axes point. */
static void test_a_slice_goes_back_to_its_place(void **state)
{
	(void)state;
	static const double oblique[3][3] = {
		{-1.6, 0.336, -0.324}, {-1.2, -0.448, 0.432}, {0, 0.42, 0.72}};
	static const char *const orders[] = {"RAS", "LPS", "PSR", "IRP", "SLA"};
	for (size_t o = 0; o < 6; o++)
		for (int which = 0; which < 6; which++) {
			struct sm_vol v = marked(o < 5 ? orders[o] : "RAS");
			float *f = v.data, back[60] = {0};
			struct sm_slice_view view;
			for (int i = 0; i < 60; i++)
				f[i] = (float)(i + 1);
			for (int i = 0; o == 5 && i < 9; i++)
				v.affine[i / 3][i % 3] = oblique[i / 3][i % 3];
			sm_slice_plan(&v, (enum sm_plane)(which / 2),
				      which % 2 ? SM_VIEW_STORED : SM_VIEW_RADIOLOGICAL, &view);
			for (int64_t k = 0; k < view.count; k++) {
				float cut[20];
				sm_slice_cut(f, v.dim, &view, k, cut);
				sm_slice_put(cut, v.dim, &view, k, back);
			}
			assert_memory_equal(f, back, sizeof back);
			sm_vol_clear(&v);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_storage_order_gives_the_same_view),
		cmocka_unit_test(test_window_maps_and_rounds),
		cmocka_unit_test(test_stored_view_is_index_order),
		cmocka_unit_test(test_choice_of_slices),
		cmocka_unit_test(test_a_slice_goes_back_to_its_place),
	};
	return run_tap(tests);
}
