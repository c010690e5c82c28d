/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <string.h>

#include "derive/dicom_series.h"
#include "tests/unit/folder.h"

static struct sm_mem mem;
static struct sm_err err;

static const struct sm_series_about ct = {.kind = SM_DICOM_CT,
					  .axis = 2,
					  .patient_id = "p0123",
					  .derivation = "made by a test",
					  .synthetic = true};

static void make(struct sm_vol *vol, int64_t x, int64_t y, int64_t z, enum sm_dtype type)
{
	static const double affine[4][4] = {
		{-0.5, 0, 0, 10}, {0, -0.75, 0, 20}, {0, 0, 3, -30}, {0, 0, 0, 1}};
	const int64_t dim[4] = {x, y, z, 1};
	assert_good(sm_vol_init(vol, dim, type, &mem, "test", &err), err);
	memcpy(vol->affine, affine, sizeof affine);
	vol->meaning = SM_MEANING_HU;
	memset(vol->data, 0, sm_vol_count(vol) * sm_dtype_size(type));
}

static void close_to(const double *got, const double *want, int n)
{
	for (int i = 0; i < n; i++)
		if (!(fabs(got[i] - want[i]) < 1e-9))
			fail_msg("number %d is %.12g, wanted %.12g", i, got[i], want[i]);
}

/* The 16-bit words at the end of instance `number`. */
static void pixels(const struct sm_dicom_series *s, int64_t number, int16_t *out, size_t n)
{
	unsigned char *bytes;
	size_t size;
	assert_good(sm_dicom_series_write(s, number, NULL, at("one.dcm"), NULL, &err), err);
	assert_good(sm_file_read(at("one.dcm"), 0, &mem, &bytes, &size, &err), err);
	assert_true(size > 400 + 2 * n);
	assert_memory_equal(bytes + 128, "DICM", 4);
	memcpy(out, bytes + size - 2 * n, 2 * n);
	sm_free(bytes);
}

static void test_series_geometry_is_lps_and_numbers_follow_the_normal(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series s;
	make(&vol, 3, 2, 4, SM_I16);
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	close_to(s.across, (double[]){1, 0, 0}, 3);
	close_to(s.down, (double[]){0, 1, 0}, 3);
	close_to(s.first, (double[]){-10, -20, -30}, 3);
	close_to(s.pixel, (double[]){0.75, 0.5}, 2);
	assert_true(s.apart == 3 && !s.reversed && sm_dicom_series_slice(&s, 1) == 0);
	/* slices the other way round, and columns the other way round, turn the order of numbers */
	vol.affine[2][2] = -3;
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_true(s.reversed && sm_dicom_series_slice(&s, 1) == 3 &&
		    sm_dicom_series_slice(&s, 4) == 0);
	vol.affine[0][0] = 0.5;
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_false(s.reversed);
	close_to(s.across, (double[]){-1, 0, 0}, 3);
	/* along the first axis columns are the second axis and rows the third */
	struct sm_series_about about = ct;
	about.axis = 0;
	assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &s, &err), err);
	close_to(s.across, (double[]){0, 1, 0}, 3);
	close_to(s.down, (double[]){0, 0, -1}, 3);
	close_to(s.pixel, (double[]){3, 0.75}, 2);
	assert_true(s.slices == 3 && s.apart == 0.5);
	sm_vol_clear(&vol);
}

static void test_series_oblique_and_tilted_affines(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series s;
	make(&vol, 2, 2, 2, SM_I16);
	/* turned about x by 3-4-5, then slices shifted along the rows by a gantry's tilt */
	const double turned[4][4] = {
		{-2, 0, 0, 1}, {0, -1.6, -1.2, 2}, {0, -1.2, 1.6, 3}, {0, 0, 0, 1}};
	memcpy(vol.affine, turned, sizeof turned);
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	close_to(s.down, (double[]){0, 0.8, -0.6}, 3);
	close_to(s.normal, (double[]){0, 0.6, 0.8}, 3);
	assert_true(fabs(s.apart - 2) < 1e-6);
	vol.affine[1][2] -= 0.8;
	vol.affine[2][2] -= 0.6;
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_true(fabs(s.apart - 2) < 1e-6);
	close_to(s.step, (double[]){0, 2, 1}, 3);
	sm_vol_clear(&vol);
}

static void test_series_numbers_of_float32_become_the_decimals_they_were(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series s;
	make(&vol, 2, 2, 2, SM_I16);
	vol.affine[0][0] = -0.976562f;
	vol.affine[2][2] = 3.27f;
	vol.affine[2][3] = -272.95f;
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_true(s.pixel[1] == 0.976562 && s.step[2] == 3.27 && s.first[2] == -272.95);
	vol.affine[2][2] = 3.27 / 7; /* no float32: stays */
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_true(s.step[2] == 3.27 / 7);
	sm_vol_clear(&vol);
}

static void test_series_whole_numbers_keep_every_bit(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series s;
	int16_t got[6];
	static const int16_t want[6] = {-32768, 32767, 0, -1, 1, -1000};
	make(&vol, 3, 2, 2, SM_I16);
	memcpy((int16_t *)vol.data + 6, want, sizeof want);
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_true(s.stored && s.is_signed && s.slope == 1 && s.inter == 0);
	pixels(&s, 2, got, 6);
	assert_memory_equal(got, want, sizeof want);
	sm_vol_clear(&vol);
	/* float32 that is whole, as HU often are */
	make(&vol, 3, 2, 1, SM_F32);
	for (int i = 0; i < 6; i++)
		((float *)vol.data)[i] = want[i];
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_true(s.stored && s.is_signed && s.slope == 1 && s.inter == 0);
	pixels(&s, 1, got, 6);
	assert_memory_equal(got, want, sizeof want);
	sm_vol_clear(&vol);
	/* unsigned with slope and intercept */
	make(&vol, 3, 2, 1, SM_U16);
	((uint16_t *)vol.data)[5] = 65535;
	vol.slope = 0.25;
	vol.inter = -1024;
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), err);
	assert_true(s.stored && !s.is_signed && s.slope == 0.25 && s.inter == -1024);
	pixels(&s, 1, got, 6);
	assert_true(got[5] == -1 && got[0] == 0);
	sm_vol_clear(&vol);
}

static void test_series_other_numbers_are_off_by_half_a_step_at_most(void **state)
{
	(void)state;
	static const enum sm_dicom_kind kinds[] = {SM_DICOM_CT, SM_DICOM_MR, SM_DICOM_PT,
						   SM_DICOM_PT};
	for (int round = 0; round < 4; round++) {
		struct sm_vol vol;
		struct sm_dicom_series s;
		struct sm_series_about about = ct;
		int16_t got[100];
		about.kind = kinds[round];
		make(&vol, 10, 10, 1, SM_F32);
		float *v = vol.data;
		for (int i = 0; i < 100; i++)
			v[i] = (float)i * 0.731f - (round == 2 ? 0 : 17.3f);
		assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &s, &err), err);
		assert_false(s.stored);
		assert_true(round < 2 || s.inter == 0);
		pixels(&s, 1, got, 100);
		for (int i = 0; i < 100; i++) {
			double stored = s.is_signed ? got[i] : (uint16_t)got[i];
			assert_true(fabs(stored * s.slope + s.inter - v[i]) <= s.slope * 0.5000001);
		}
		assert_true(s.slope < 0.731 * 100 / 32767 * 1.01);
		sm_vol_clear(&vol);
	}
}

static void test_series_uids_are_of_the_content(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series a, b;
	struct sm_series_about about = ct;
	char first[65], again[65], other[65];
	make(&vol, 3, 2, 2, SM_I16);
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &a, &err), err);
	assert_good(sm_dicom_series_make(&vol, &ct, "another name", &mem, &b, &err), err);
	assert_string_equal(a.uid, b.uid);
	assert_string_equal(a.study, b.study);
	assert_good(sm_dicom_series_write(&a, 1, NULL, at("a.dcm"), first, &err), err);
	assert_good(sm_dicom_series_write(&b, 1, NULL, at("b.dcm"), again, &err), err);
	assert_good(sm_dicom_series_write(&b, 2, NULL, at("c.dcm"), other, &err), err);
	assert_string_equal(first, again);
	assert_string_not_equal(first, other);
	assert_int_equal(strncmp(a.uid, "2.25.", 5), 0);
	assert_true(strlen(a.uid) <= 64);
	((int16_t *)vol.data)[11] = 1;
	assert_good(sm_dicom_series_make(&vol, &ct, "t", &mem, &b, &err), err);
	assert_string_not_equal(a.uid, b.uid);
	((int16_t *)vol.data)[11] = 0;
	about.synthetic = false;
	assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &b, &err), err);
	assert_string_not_equal(a.uid, b.uid);
	/* one study, one space: of the hashes alone */
	about.study = "aa";
	about.frame = "bb";
	assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &a, &err), err);
	about.kind = SM_DICOM_MR;
	assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &b, &err), err);
	assert_string_not_equal(a.uid, b.uid);
	assert_string_equal(a.study, b.study);
	assert_string_equal(a.frame, b.frame);
	assert_string_not_equal(a.study, a.frame);
	sm_vol_clear(&vol);
}

static void test_series_refuses_with_a_sentence(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series s;
	struct sm_series_about about = ct;
	make(&vol, 3, 2, 2, SM_F32);
	((float *)vol.data)[3] = NAN;
	assert_refused(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), SM_INPUT, err,
		       "t: holds 1 values that are NaN");
	((float *)vol.data)[3] = 0;
	vol.affine[1][0] = 0.01;
	assert_refused(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), SM_INPUT, err,
		       "not perpendicular");
	vol.affine[1][0] = 0;
	vol.affine[2][2] = 0;
	vol.affine[0][2] = 1;
	assert_refused(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), SM_INPUT, err,
		       "within their own plane");
	vol.affine[2][2] = 1;
	about.patient_id = "Doe^Jane";
	assert_refused(sm_dicom_series_make(&vol, &about, "t", &mem, &s, &err), SM_INPUT, err,
		       "patient key");
	about.patient_id = "p";
	about.derivation = "a\\b";
	assert_refused(sm_dicom_series_make(&vol, &about, "t", &mem, &s, &err), SM_INPUT, err,
		       "derivation");
	sm_vol_clear(&vol);
	const int64_t dim[4] = {2, 2, 2, 2};
	assert_good(sm_vol_init(&vol, dim, SM_U8, &mem, "t", &err), err);
	memset(vol.data, 0, 16);
	assert_refused(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), SM_INPUT, err,
		       "fourth axis");
	sm_vol_clear(&vol);
	const int64_t wide[4] = {70000, 1, 1, 1};
	assert_good(sm_vol_init(&vol, wide, SM_U8, &mem, "t", &err), err);
	memset(vol.data, 0, 70000);
	assert_refused(sm_dicom_series_make(&vol, &ct, "t", &mem, &s, &err), SM_INPUT, err,
		       "70000 x 1 x 1");
	sm_vol_clear(&vol);
}

/* The file of an instance holds the text. */
static bool holds(const struct sm_dicom_series *s, int64_t instance, const char *text)
{
	unsigned char *bytes;
	size_t size;
	assert_good(sm_dicom_series_write(s, instance, NULL, at("one.dcm"), NULL, &err), err);
	assert_good(sm_file_read(at("one.dcm"), 0, &mem, &bytes, &size, &err), err);
	bool found = memmem(bytes, size, text, strlen(text)) != NULL;
	sm_free(bytes);
	return found;
}

static void test_series_tells_copies_from_what_was_processed(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series s, other;
	struct sm_series_about about = ct;
	static const bool predicted[3] = {false, true, false}, processed[3] = {true, false, false};
	make(&vol, 2, 2, 3, SM_I16);
	about.predicted = predicted;
	assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &other, &err), err);
	assert_true(holds(&other, 1, "AXIAL\\COPIED"));
	about.processed = processed;
	assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &s, &err), err);
	assert_string_not_equal(s.uid, other.uid);
	assert_true(holds(&s, 1, "AXIAL\\PROCESSED") && holds(&s, 1, "processed, not predicted"));
	assert_false(holds(&s, 1, "copied from"));
	assert_true(holds(&s, 2, "AXIAL\\SYNTHETIC"));
	assert_true(holds(&s, 3, "AXIAL\\COPIED") && holds(&s, 3, "copied from the source scan"));
	sm_vol_clear(&vol);
}

static void test_series_position_in_pet_is_in_codes(void **state)
{
	(void)state;
	static const struct {
		const char *position, *way, *turn;
	} row[] = {{"HFS", "F-10470", "F-10340"},  {"HFP", "F-10470", "F-10310"},
		   {"FFS", "F-10480", "F-10340"},  {"FFP", "F-10480", "F-10310"},
		   {"HFDR", "F-10470", "F-10317"}, {"FFDL", "F-10480", "F-10319"},
		   {"LFS", NULL, NULL},            {"HFX", NULL, NULL}};
	struct sm_vol vol;
	struct sm_dicom_series s;
	struct sm_series_about about = ct;
	about.kind = SM_DICOM_PT;
	make(&vol, 2, 2, 2, SM_I16);
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		json_t *sidecar = json_pack("{s:s}", "PatientPosition", row[i].position);
		about.sidecar = sidecar;
		assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &s, &err), err);
		assert_int_equal(holds(&s, 1, "F-10450"), row[i].way != NULL);
		assert_int_equal(holds(&s, 1, "F-10470"),
				 row[i].way && strcmp(row[i].way, "F-10470") == 0);
		assert_int_equal(holds(&s, 1, "F-10480"),
				 row[i].way && strcmp(row[i].way, "F-10480") == 0);
		assert_true(!row[i].turn || holds(&s, 1, row[i].turn));
		json_decref(sidecar);
	}
	sm_vol_clear(&vol);
}

static void test_series_hostile_sidecar_says_nothing(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_dicom_series s;
	struct sm_series_about about = ct;
	unsigned char *bytes;
	size_t size;
	json_t *sidecar = json_loads("{\"BodyPartExamined\":\"Doe^Jane\",\"PatientPosition\":["
				     "\"HFS\",\"doe\"],\"KVP\":\"Doe\","
				     "\"SliceThickness\":-3,\"Manufacturer\":\"Doe\","
				     "\"ScanningSequence\":{\"a\":\"DOE\"},"
				     "\"SeriesDescription\":\"DOE\"}",
				     0, NULL);
	assert_non_null(sidecar);
	about.sidecar = sidecar;
	make(&vol, 2, 2, 2, SM_I16);
	for (int kind = SM_DICOM_CT; kind <= SM_DICOM_PT; kind++) {
		about.kind = (enum sm_dicom_kind)kind;
		assert_good(sm_dicom_series_make(&vol, &about, "t", &mem, &s, &err), err);
		assert_good(sm_dicom_series_write(&s, 1, NULL, at("one.dcm"), NULL, &err), err);
		assert_good(sm_file_read(at("one.dcm"), 0, &mem, &bytes, &size, &err), err);
		assert_null(memmem(bytes, size, "oe", 2));
		assert_null(memmem(bytes, size, "DOE", 3));
		assert_non_null(memmem(bytes, size, "SYNTHETIC", 9));
		sm_free(bytes);
	}
	json_decref(sidecar);
	sm_vol_clear(&vol);
}

static int set_up(void **state)
{
	(void)state;
	sm_mem_init(&mem, 1u << 30);
	return folder_make();
}

static int tear_down(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_series_geometry_is_lps_and_numbers_follow_the_normal),
		cmocka_unit_test(test_series_oblique_and_tilted_affines),
		cmocka_unit_test(test_series_numbers_of_float32_become_the_decimals_they_were),
		cmocka_unit_test(test_series_whole_numbers_keep_every_bit),
		cmocka_unit_test(test_series_other_numbers_are_off_by_half_a_step_at_most),
		cmocka_unit_test(test_series_uids_are_of_the_content),
		cmocka_unit_test(test_series_refuses_with_a_sentence),
		cmocka_unit_test(test_series_tells_copies_from_what_was_processed),
		cmocka_unit_test(test_series_position_in_pet_is_in_codes),
		cmocka_unit_test(test_series_hostile_sidecar_says_nothing),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
