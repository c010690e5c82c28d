/* SPDX-License-Identifier: Apache-2.0
 *
 * remove_background beyond test_ops.c: presets, shapes, frames, colours, several volumes, and real
 * heads and mammograms where ../shared/data has them (masks: tests/unit/test_denoise.c).
 */
#include "tests/unit/ops_yaml.h"

#include <stdio.h>
#include <unistd.h>

#include "core/nii.h"
#include "core/picture.h"

static size_t inside(const struct sm_case *c)
{
	size_t n = 0;
	for (size_t i = 0; i < sm_vol_count(&c->mask); i++)
		n += ((uint8_t *)c->mask.data)[i];
	return n;
}

/* A bright disc with a bridge one voxel wide to a smaller one, and a bright stripe apart. */
static struct sm_vol discs(int64_t frames)
{
	struct sm_vol v = volume(40, 24, 1, frames, SM_F32);
	for (int64_t t = 0; t < frames; t++)
		for (int y = 0; y < 24; y++)
			for (int x = 0; x < 40; x++) {
				bool big = (x - 12) * (x - 12) + (y - 12) * (y - 12) <= 64;
				bool small = (x - 30) * (x - 30) + (y - 12) * (y - 12) <= 16;
				bool bridge = y == 12 && x > 12 && x < 30;
				bool hole = (x - 12) * (x - 12) + (y - 12) * (y - 12) <= 4;
				bool on = (big || small || bridge || x == 38) && !hole;
				((float *)v.data)[(t * 24 + y) * 40 + x] =
					on ? (float)(100 + t * 50) : (float)(t * 10);
			}
	return v;
}

static struct sm_case case_of(struct sm_vol v)
{
	struct sm_case c = fresh();
	assert_good(sm_case_take(&c, "a", &v, &err), err);
	return c;
}

static void test_opening_cuts_bridges(void **state)
{
	(void)state;
	struct sm_case c = case_of(discs(1));
	assert_good(steps(&c, "remove_background: {threshold: value, value: 50, only_mask: true}"),
		    err);
	const uint8_t *m = c.mask.data;
	assert_true(m[12 * 40 + 30] == 1 && m[12 * 40 + 12] == 1 && m[38] == 0);
	assert_true(values(&c, 0)[38] == 100); /* only the mask was made */
	assert_good(
		steps(&c,
		      "remove_background: {threshold: value, value: 50, opening: 1, closing: 0}"),
		err);
	m = c.mask.data;
	assert_true(m[12 * 40 + 30] == 0 && m[12 * 40 + 24] == 0 && m[12 * 40 + 12] == 1);
	assert_true(values(&c, 0)[38] == 0 && values(&c, 0)[12 * 40 + 30] == 0);
	sm_case_clear(&c);
	c = case_of(discs(1));
	/* A closing wide enough for the hole fills it without fill_holes. */
	assert_good(
		steps(&c, "remove_background: {threshold: value, value: 50, fill_holes: false}"),
		err);
	assert_int_equal(((uint8_t *)c.mask.data)[12 * 40 + 12], 0);
	assert_good(steps(&c, "remove_background: {threshold: value, value: 50, fill_holes: false, "
			      "closing: 3}"),
		    err);
	assert_int_equal(((uint8_t *)c.mask.data)[12 * 40 + 12], 1);
	sm_case_clear(&c);
}

static void test_nothing_left_is_refused(void **state)
{
	(void)state;
	struct sm_case c = case_of(discs(1));
	assert_refused(steps(&c, "remove_background: {threshold: value, value: 500}"), SM_INPUT,
		       err, "no voxel of a is left above the threshold 500");
	assert_refused(steps(&c, "remove_background: {threshold: value, value: 50, opening: 20}"),
		       SM_INPUT, err, "opening 20 mm");
	assert_refused(steps(&c, "remove_background: {role: b}"), SM_INPUT, err,
		       "no volume or channel 'b'");
	assert_null(c.mask.data);
	sm_case_clear(&c);
}

static void test_frames_and_colours_decide_by_their_mean(void **state)
{
	(void)state;
	struct sm_case c = case_of(discs(3));
	c.pictures = true;
	/* Means: 150 on, 10 off. */
	assert_good(steps(&c, "remove_background: {threshold: value, value: 149, fill: 255}"), err);
	const float *v = values(&c, 0);
	for (int t = 0; t < 3; t++)
		assert_true(v[(t * 24 + 0) * 40 + 0] == 255 &&
			    v[(t * 24 + 12) * 40 + 20] == (float)(100 + 50 * t));
	assert_int_equal(c.mask.dim[3], 1);
	assert_refused(steps(&c, "remove_background: {threshold: value, value: 300}"), SM_INPUT,
		       err, "no voxel");
	sm_case_clear(&c);
}

static void test_one_mask_for_all_volumes(void **state)
{
	(void)state;
	struct sm_case c = case_of(discs(1));
	struct sm_vol b = volume(40, 24, 1, 2, SM_I16), other = volume(5, 5, 1, 1, SM_F32);
	for (size_t i = 0; i < sm_vol_count(&b); i++)
		((int16_t *)b.data)[i] = 7;
	assert_good(sm_case_take(&c, "b", &b, &err), err);
	assert_good(steps(&c, "remove_background: {role: a, threshold: otsu}"), err);
	size_t sevens = 0;
	for (size_t i = 0; i < 2 * 40 * 24; i++)
		sevens += values(&c, 1)[i] == 7;
	assert_int_equal(sevens, 2 * inside(&c));
	assert_good(sm_case_take(&c, "c", &other, &err), err);
	assert_refused(steps(&c, "remove_background: {}"), SM_INPUT, err, "must be equal");
	sm_case_clear(&c);
}

static bool real(const char *file, char path[1024])
{
	const char *root = getenv("SM_SHARED_DATA");
	snprintf(path, 1024, "%s/%s", root ? root : "../shared/data", file);
	if (access(path, R_OK) == 0)
		return true;
	print_message("# no %s\n", file);
	return false;
}

static void test_real_heads(void **state)
{
	(void)state;
	char path[1024];
	struct sm_vol v;
	if (!real("t1_head_nifti/colin27_ch2.nii.gz", path))
		skip();
	assert_good(sm_nii_read(path, NULL, &v, NULL, &err), err);
	struct sm_case c = case_of(v);
	const size_t centre = (90 * 217 + 108) * 181 + 90, scalp = (90 * 217 + 108) * 181 + 10;
	assert_good(steps(&c, "remove_background: {preset: head, only_mask: true}"), err);
	const uint8_t *m = c.mask.data;
	/* 3 % of what a person saw to be the head. */
	assert_true(m[centre] && !m[0] && inside(&c) > 4030000 && inside(&c) < 4280000);
	for (int64_t z = 60; z < 120; z++) /* no holes: sinuses, ventricles, skull */
		assert_true(m[(z * 217 + 108) * 181 + 90] && m[(z * 217 + 60) * 181 + 60]);
	assert_good(steps(&c, "remove_background: {preset: brain}"), err);
	m = c.mask.data;
	/* The brain of this man has 1.75 to 1.85 litres in this space. */
	assert_true(m[centre] && !m[scalp] && inside(&c) > 1700000 && inside(&c) < 1900000);
	assert_true(values(&c, 0)[scalp] == 0 && values(&c, 0)[centre] > 0);
	sm_case_clear(&c);
}

static void test_real_ct(void **state)
{
	(void)state;
	char path[1024];
	struct sm_vol v;
	if (!real("sts_ct_mr_pet/nifti/STS_002/CT_image.nii.gz", path))
		skip();
	assert_good(sm_nii_read(path, NULL, &v, NULL, &err), err);
	v.meaning = SM_MEANING_HU;
	struct sm_case c = case_of(v);
	assert_good(steps(&c, "remove_background: {preset: head, fill: -1000}"), err);
	json_t *fact = json_array_get(c.facts, 0);
	assert_true(json_real_value(json_object_get(fact, "threshold")) == -300);
	assert_true(values(&c, 0)[0] != -1000 ||
		    values(&c, 0)[sm_vol_count(&c.vols[0].vol) - 1] == -1000);
	/* The table below the leg is apart: everything else above -300 HU is in. */
	assert_true(inside(&c) > 650000 && inside(&c) < 700000);
	sm_case_clear(&c);
}

static struct sm_case picture(const char *path)
{
	struct sm_image image;
	assert_good(sm_picture_read(path, NULL, &image, NULL, &err), err);
	assert_int_equal(image.bits, 8);
	struct sm_vol v = volume(image.width, image.height, 1, image.channels, SM_F32);
	const size_t n = (size_t)image.width * (size_t)image.height;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < (size_t)image.channels; k++)
			((float *)v.data)[k * n + i] =
				((uint8_t *)image.data)[i * (size_t)image.channels + k];
	sm_image_clear(&image);
	struct sm_case c = case_of(v);
	c.pictures = true;
	return c;
}

static void test_real_mammograms(void **state)
{
	(void)state;
	/* Shares of the picture that a person saw to be the breast, to 2 %; x, y of a place on a
	 * label or on a frame beside it, and of one inside. */
	static const struct {
		const char *file;
		double share;
		int out[2], in[2];
	} all[] = {
		{"mammo_mias/mdb001_benign.pgm", 0.314, {900, 100}, {600, 600}},
		{"mammo_mias/mdb002_benign.pgm", 0.377, {880, 150}, {300, 600}},
		{"mammo_mias/mdb023_malignant.pgm", 0.426, {190, 60}, {600, 600}},
		{"mammo_mias/mdb028_malignant.pgm", 0.51, {860, 80}, {300, 600}},
		{"mammo_pairs/A/10.png", 0.668, {5, 5}, {128, 128}},
		{"mammo_pairs/A/18.png", 0.645, {20, 60}, {128, 128}},
		{"mammo_pairs/A/361.png", 0.717, {245, 10}, {100, 150}},
	};
	for (size_t i = 0; i < SM_COUNT(all); i++) {
		char path[1024];
		if (!real(all[i].file, path))
			skip();
		struct sm_case c = picture(path);
		assert_good(steps(&c, "remove_background: {preset: breast}"), err);
		const int64_t nx = c.mask.dim[0];
		const uint8_t *m = c.mask.data;
		double share = (double)inside(&c) / (double)sm_vol_count(&c.mask);
		if (fabs(share - all[i].share) > 0.02 || m[all[i].out[1] * nx + all[i].out[0]] ||
		    !m[all[i].in[1] * nx + all[i].in[0]])
			fail_msg("%s: %.3f of the picture", all[i].file, share);
		sm_case_clear(&c);
	}
}

/* A leg: bright fat around muscle, in dim noise. Where there is much more muscle than air, muscle
 * is the histogram's main peak. */
static struct sm_vol leg(int radius)
{
	struct sm_vol v = volume(64, 64, 4, 1, SM_F32);
	float *p = v.data;
	for (int i = 0; i < 64 * 64 * 4; i++) {
		const int x = i % 64 - 32, y = i / 64 % 64 - 32, r = x * x + y * y,
			  noise = i * 7919 % 13;
		p[i] = (float)(r < (radius - 5) * (radius - 5) ? 300 + 4 * noise
			       : r < radius * radius           ? 900 + noise
							       : noise);
	}
	return v;
}

static void test_tissue_parted_from_tissue_is_warned_of(void **state)
{
	(void)state;
	struct sm_case c = case_of(leg(36));
	assert_good(steps(&c, "remove_background: {preset: head, only_mask: true, fill_holes: "
			      "false, closing: 0}"),
		    err);
	const char *text =
		json_string_value(json_object_get(json_array_get(c.facts, 0), "warning"));
	assert_true(text &&
		    strstr(text, "times as many as were kept, are brighter than background"));
	sm_case_clear(&c);
	c = case_of(leg(20)); /* much air: it is the peak */
	assert_good(steps(&c, "remove_background: {preset: head, only_mask: true}"), err);
	assert_null(json_object_get(json_array_get(c.facts, 0), "warning"));
	assert_true(((uint8_t *)c.mask.data)[32 * 64 + 32]);
	sm_case_clear(&c);
}

static void test_real_legs(void **state)
{
	(void)state;
	/* Of two the threshold lies within muscle. */
	static const struct {
		const char *file;
		bool told;
	} all[] = {
		{"sts_ct_mr_pet/nifti/STS_008/MR_T1_image.nii.gz", true},
		{"sts_ct_mr_pet/nifti/STS_012/MR_T1_image.nii.gz", true},
		{"sts_ct_mr_pet/nifti/STS_002/MR_T1_image.nii.gz", false},
		{"sts_ct_mr_pet/nifti/STS_042/MR_T1_image.nii.gz", false},
		{"tumour_pyradiomics/brain1_image.nii.gz", false},
	};
	for (size_t i = 0; i < SM_COUNT(all); i++) {
		char path[1024];
		struct sm_vol v;
		if (!real(all[i].file, path))
			skip();
		assert_good(sm_nii_read(path, NULL, &v, NULL, &err), err);
		struct sm_case c = case_of(v);
		assert_good(steps(&c, "remove_background: {preset: head, only_mask: true}"), err);
		assert_int_equal(json_object_get(json_array_get(c.facts, 0), "warning") != NULL,
				 all[i].told);
		sm_case_clear(&c);
	}
}

static void test_the_mask_lies_where_the_judge_lies(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	for (int i = 0; i < 2; i++) {
		struct sm_vol v = volume(4, 4, 4, 1, SM_F32);
		((float *)v.data)[21] = 9;
		v.affine[0][3] = i ? 0.008 : 0; /* within the tolerance */
		assert_good(sm_case_take(&c, i ? "b" : "a", &v, &err), err);
	}
	assert_good(steps(&c, "remove_background: {role: b, threshold: value, value: 5}"), err);
	assert_true(c.mask.affine[0][3] == 0.008);
	assert_int_equal(inside(&c), 1);
	sm_case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening_cuts_bridges),
		cmocka_unit_test(test_nothing_left_is_refused),
		cmocka_unit_test(test_frames_and_colours_decide_by_their_mean),
		cmocka_unit_test(test_one_mask_for_all_volumes),
		cmocka_unit_test(test_the_mask_lies_where_the_judge_lies),
		cmocka_unit_test(test_tissue_parted_from_tissue_is_warned_of),
		cmocka_unit_test(test_real_legs),
		cmocka_unit_test(test_real_heads),
		cmocka_unit_test(test_real_ct),
		cmocka_unit_test(test_real_mammograms),
	};
	return run_tap(tests);
}
