/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads of classic and flat objects from hand-made data sets.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/series/dcm_class.h"
#include "tests/unit/dcm_build.h"

static void test_head_reads_a_classic_slice(void **state)
{
	(void)state;
	struct build b = slice(ct);
	build_text(&b, T(0x28, 0x1052), "DS", "-1024");
	build_text(&b, T(0x28, 0x1053), "DS", "2");
	struct sm_dcm_head h = head_of(&b);
	assert_int_equal(h.verdict, SM_VERDICT_OK);
	assert_int_equal(h.kind, SM_DCM_CLASSIC);
	assert_string_equal(h.maker, "ge");
	assert_int_equal(h.frame_count, 1);
	assert_true(h.tile_rows == 64 && h.tile_columns == 48);
	const struct sm_dcm_frame *f = h.frame;
	/* rows lie 0.75 mm apart, columns 0.5 mm */
	assert_true(f->spacing[0] == 0.5 && f->spacing[1] == 0.75);
	assert_true(f->position[0] == -10 && f->position[1] == 20.5 && f->position[2] == 30);
	assert_true(f->across[0] == 1 && f->down[1] == 1 && f->instance == 3);
	assert_true(f->slope == 2 && f->intercept == -1024 && f->scale == SM_SCALE_RESCALE);
	/* the day after the study's, 10.5 s after midnight */
	assert_true(f->time == 86400 + 10.5);
	assert_true(isnan(f->b_value) && isnan(f->echo_time) && isnan(f->reference));
	assert_string_equal(f->image_kind, "AXIAL");
	sm_dcm_head_clear(&h);
}

static void test_head_keeps_no_name(void **state)
{
	(void)state;
	struct build b =
		begin((struct who){"ORIGINAL\\DOE^JOHN\\DOE^JOHN", "MR", "DOE^JOHN", NULL});
	series(&b);
	place(&b);
	picture(&b, NULL, 64, 48);
	build_text(&b, T(0x28, 0x1052), "DS", "0");
	build_text(&b, T(0x28, 0x1053), "DS", "1");
	build_text(&b, T(0x28, 0x1054), "LO", "DOE^JOHN");
	build_text(&b, T(0x54, 0x1000), "CS", "DOE^JOHN");
	build_text(&b, T(0x54, 0x1001), "CS", "DOE^JOHN");
	struct sm_dcm_head h = head_with(&b, "salt", false), other = head_with(&b, "pepper", false);
	assert_int_equal(h.verdict, SM_VERDICT_OK);
	assert_int_equal(strlen(h.patient), 64);
	assert_int_equal(strlen(h.series), 64);
	assert_string_not_equal(h.patient, other.patient);
	assert_string_not_equal(h.frame->image_kind, other.frame->image_kind);
	static const char *const never[] = {"DOE", "JOHN", "2.25", "7001", "Doe"};
	for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
		assert_null(memmem(&h, sizeof h, never[i], strlen(never[i])));
		assert_null(memmem(h.frame, sizeof *h.frame, never[i], strlen(never[i])));
	}
	sm_dcm_head_clear(&h);
	sm_dcm_head_clear(&other);
}

static void test_head_names_what_is_missing(void **state)
{
	(void)state;
	struct build b = begin(ct);
	series(&b);
	picture(&b, NULL, 64, 48);
	check(&b, SM_VERDICT_NO_ORIENTATION, "ImageOrientationPatient is missing");
	b = begin(ct);
	place(&b);
	picture(&b, NULL, 64, 48);
	check(&b, SM_VERDICT_NO_SERIES, "SeriesInstanceUID");
	b = begin(ct);
	series(&b);
	place(&b);
	check(&b, SM_VERDICT_NO_SIZE, "Rows and Columns are missing");
	b = begin((struct who){"", "SR", NULL, NULL});
	check(&b, SM_VERDICT_NOT_IMAGE, "modality SR");
	b = begin(ct);
	series(&b);
	place(&b);
	picture(&b, "5", 64, 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "NumberOfFrames 5");
	b = begin(ct);
	series(&b);
	place(&b);
	picture(&b, "1A", 64, 48);
	check(&b, SM_VERDICT_BAD_FRAMES,
	      "NumberOfFrames is no number, allowed is one whole number");
	b = begin(ct);
	series(&b);
	place(&b);
	picture(&b, "1.5", 64, 48);
	check(&b, SM_VERDICT_BAD_FRAMES, "NumberOfFrames is 1.5, allowed is one whole number");
	b = slice((struct who){"ORIGINAL\\PRIMARY\\LOCALIZER", "CT", NULL, NULL});
	build_text(&b, T(0x28, 0x1053), "DS", "0");
	check(&b, SM_VERDICT_LOCALISER, "LOCALIZER"); /* the gravest finding stands */
	b = slice((struct who){"ORIGINAL\\PRIMARY\\SCOUT", "CT", NULL, NULL});
	check(&b, SM_VERDICT_LOCALISER, "SCOUT");
}

/* picture() with another PixelSpacing. */
static void spaced(const char *text, const char *part)
{
	struct build b = begin(ct);
	series(&b);
	place(&b);
	build_us(&b, T(0x28, 2), 1);
	build_text(&b, T(0x28, 4), "CS", "MONOCHROME2");
	build_us(&b, T(0x28, 0x10), 64);
	build_us(&b, T(0x28, 0x11), 48);
	if (text)
		build_text(&b, T(0x28, 0x30), "DS", text);
	build_us(&b, T(0x28, 0x100), 16);
	build_us(&b, T(0x28, 0x101), 12);
	build_us(&b, T(0x28, 0x102), 11);
	build_us(&b, T(0x28, 0x103), 0);
	check(&b, SM_VERDICT_NO_SPACING, part);
}

/* A value is told only when it cannot be a name. */
static void test_head_tells_the_value_found(void **state)
{
	(void)state;
	spaced(NULL, "PixelSpacing is missing, allowed are two positive numbers of mm");
	spaced("", "PixelSpacing is empty, allowed");
	spaced("0\\0", "PixelSpacing is 0\\0, allowed");
	spaced("0,5\\0,5", "PixelSpacing is 0,5\\0,5, allowed");
	spaced("NaN\\NaN", "PixelSpacing is NaN\\NaN, allowed");
	spaced("DOE^JOHN", "PixelSpacing is no number, allowed");
	spaced("-1\\1\\1", "PixelSpacing is -1\\1\\1, allowed");
	struct build b = begin(ct);
	series(&b);
	build_text(&b, T(0x20, 0x32), "DS", "1\\2");
	build_text(&b, T(0x20, 0x37), "DS", "1\\0\\0\\0\\1\\0");
	picture(&b, NULL, 64, 48);
	check(&b, SM_VERDICT_NO_POSITION,
	      "ImagePositionPatient is 1\\2, allowed are three numbers");
	b = begin(ct);
	series(&b);
	build_text(&b, T(0x20, 0x32), "DS", "1\\2\\3");
	build_text(&b, T(0x20, 0x37), "DS", "1\\0\\0\\1\\0\\0");
	picture(&b, NULL, 64, 48);
	check(&b, SM_VERDICT_NO_ORIENTATION,
	      "ImageOrientationPatient is 1\\0\\0\\1\\0\\0, allowed");
}

/* Classes without pictures under the modality of a scanner. */
static void test_head_sets_classes_without_pictures_aside(void **state)
{
	(void)state;
	static const char *const none[] = {
		"1.2.840.10008.5.1.4.1.1.66",	  "1.2.840.10008.5.1.4.1.1.66.1",
		"1.2.840.10008.5.1.4.1.1.66.5",	  "1.2.840.10008.5.1.4.1.1.11.1",
		"1.2.840.10008.5.1.4.1.1.88.59",  "1.2.840.10008.5.1.4.1.1.9.1.1",
		"1.2.840.10008.5.1.4.1.1.481.5",  "1.2.840.10008.5.1.4.1.1.104.1",
		"1.2.840.10008.5.1.4.1.1.4.2",	  "1.3.12.2.1107.5.9.1",
	};
	static const char *const some[] = {
		"1.2.840.10008.5.1.4.1.1.4",	 "1.2.840.10008.5.1.4.1.1.2",
		"1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.66.4",
		"1.2.840.10008.5.1.4.1.1.4.1",	 "1.2.840.10008.5.1.4.1.1.660",
	};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		struct build b = begin((struct who){"ORIGINAL\\PRIMARY", "MR", "SIEMENS", none[i]});
		series(&b);
		check(&b, SM_VERDICT_NOT_IMAGE,
		      "modality MR, but the object holds no picture: it is ");
	}
	/* Cut off, and not to be passed over. */
	for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
		struct build b = begin((struct who){"ORIGINAL\\PRIMARY", "MR", "SIEMENS", some[i]});
		series(&b);
		place(&b);
		check(&b, SM_VERDICT_NO_SIZE, "Rows and Columns are missing");
	}
	assert_int_equal(sm_modality_flags("MG"), SM_MODALITY_KNOWN | SM_MODALITY_FLAT);
	assert_int_equal(sm_modality_flags("SR"), SM_MODALITY_KNOWN | SM_MODALITY_NO_IMAGE);
	assert_int_equal(sm_modality_flags("CT"), SM_MODALITY_KNOWN);
	assert_int_equal(sm_modality_flags("DOE"), 0);
}

static void test_head_misses_pixels(void **state)
{
	(void)state;
	struct build b = slice(ct);
	struct sm_err err = {0};
	struct sm_dicom *dcm;
	struct sm_dcm_head h;
	struct sm_salt salt = {0};
	assert_good(sm_dicom_parse(b.bytes, b.n, SM_DICOM_HEAD, NULL, &dcm, &err), err);
	assert_good(sm_dcm_head_read(dcm, &salt, NULL, &h, &err), err);
	assert_int_equal(h.verdict, SM_VERDICT_NO_PIXELS);
	sm_dcm_head_clear(&h);
	sm_dicom_close(dcm);
	b = begin((struct who){"ORIGINAL\\PRIMARY\\RECON TOMO\\EMISSION", "NM", NULL, NULL});
	series(&b);
	picture(&b, "8", 30, 20);
	check(&b, SM_VERDICT_BAD_FRAMES, "RECON TOMO");
}

static void test_head_colour_and_labels_by_name(void **state)
{
	(void)state;
	struct build b = begin((struct who){"DERIVED\\SECONDARY", "OT", NULL, NULL});
	series(&b);
	build_us(&b, T(0x28, 2), 3);
	build_text(&b, T(0x28, 4), "CS", "RGB");
	build_us(&b, T(0x28, 0x10), 5);
	build_us(&b, T(0x28, 0x11), 5);
	build_us(&b, T(0x28, 0x100), 8);
	check(&b, SM_VERDICT_COLOUR, "RGB");
	b = begin((struct who){"DERIVED\\SECONDARY", "OT", NULL, NULL});
	series(&b);
	build_us(&b, T(0x28, 2), 1);
	build_text(&b, T(0x28, 4), "CS", "JOHN SMITH");
	build_us(&b, T(0x28, 0x10), 5);
	build_us(&b, T(0x28, 0x11), 5);
	build_us(&b, T(0x28, 0x100), 8);
	check(&b, SM_VERDICT_COLOUR, "1 sample a pixel, PhotometricInterpretation of no term");
	b = begin((struct who){"DERIVED\\PRIMARY", "SEG", NULL, NULL});
	series(&b);
	build_us(&b, T(0x28, 2), 1);
	build_text(&b, T(0x28, 4), "CS", "MONOCHROME2");
	build_us(&b, T(0x28, 0x10), 5);
	build_us(&b, T(0x28, 0x11), 5);
	build_us(&b, T(0x28, 0x100), 1);
	check(&b, SM_VERDICT_SEGMENTATION, "SEG with BitsAllocated 1");
}

static void test_head_flat_pictures(void **state)
{
	(void)state;
	struct build b = begin((struct who){"ORIGINAL\\PRIMARY", "MG", "HOLOGIC", NULL});
	build_text(&b, T(0x18, 0x1164), "DS", "0.07\\0.065");
	series(&b);
	build_us(&b, T(0x28, 2), 1);
	build_text(&b, T(0x28, 4), "CS", "MONOCHROME1");
	build_us(&b, T(0x28, 0x10), 30);
	build_us(&b, T(0x28, 0x11), 20);
	build_us(&b, T(0x28, 0x100), 16);
	struct sm_dcm_head h = head_of(&b);
	assert_int_equal(h.verdict, SM_VERDICT_OK);
	assert_int_equal(h.kind, SM_DCM_FLAT);
	assert_true(h.inverted && h.frame->has_spacing && !h.frame->has_orientation);
	assert_true(h.frame->spacing[0] == 0.065 && h.frame->spacing[1] == 0.07);
	assert_string_equal(h.spacing_from, "ImagerPixelSpacing");
	sm_dcm_head_clear(&h);
	b = begin((struct who){"DERIVED", "CT", NULL, "1.2.840.10008.5.1.4.1.1.7.2"});
	series(&b);
	picture(&b, "8", 30, 20);
	h = head_of(&b);
	assert_int_equal(h.kind, SM_DCM_FLAT);
	assert_int_equal(h.frame_count, 8);
	assert_int_equal(h.frame[7].picture, 7);
	assert_string_equal(h.spacing_from, "PixelSpacing");
	sm_dcm_head_clear(&h);
	b = begin((struct who){"DERIVED", "US", NULL, NULL});
	series(&b);
	picture(&b, "2147483647", 30, 20);
	check(&b, SM_VERDICT_BAD_FRAMES, "NumberOfFrames 2147483647");
}

static void philips(struct build *b, float scale)
{
	build_text(b, T(0x2005, 0x10), "LO", "Philips MR Imaging DD 001");
	build_fl(b, T(0x2005, 0x100e), scale);
}

static void expect_scale(const struct build *b, bool display, enum sm_scale_source source,
			 double slope, double intercept)
{
	struct sm_dcm_head h = head_with(b, "", display);
	if (h.verdict != SM_VERDICT_OK)
		fail_msg("verdict %s: %s", sm_verdict_code(h.verdict), h.why);
	assert_int_equal(h.frame->scale, source);
	if (fabs(h.frame->slope - slope) > 1e-9 || fabs(h.frame->intercept - intercept) > 1e-9)
		fail_msg("scale %.12g %.12g", h.frame->slope, h.frame->intercept);
	sm_dcm_head_clear(&h);
}

static void test_head_scales(void **state)
{
	(void)state;
	static const char *const makers[] = {"Philips", "UNKNOWN", "SIEMENS"};
	struct build b = slice(mr);
	expect_scale(&b, false, SM_SCALE_NONE, 1, 0);
	for (int i = 0; i < 3; i++) {
		b = slice((struct who){"ORIGINAL\\PRIMARY\\M", "MR", makers[i], NULL});
		build_text(&b, T(0x28, 0x1052), "DS", "-8");
		build_text(&b, T(0x28, 0x1053), "DS", "4");
		philips(&b, 0.125f);
		/* (stored * 4 - 8) / (4 * 0.125) */
		if (i < 2)
			expect_scale(&b, false, SM_SCALE_PHILIPS, 8, -16);
		else
			expect_scale(&b, false, SM_SCALE_RESCALE, 4, -8);
		expect_scale(&b, true, SM_SCALE_RESCALE, 4, -8);
	}
	b = slice((struct who){"ORIGINAL\\PRIMARY\\M", "MR", "Philips", NULL});
	philips(&b, 0.5f);
	expect_scale(&b, false, SM_SCALE_PHILIPS, 2, 0);
	b = slice(mr);
	build_text(&b, T(0x28, 0x1053), "DS", "0");
	check(&b, SM_VERDICT_BAD_RESCALE, "RescaleSlope is 0");
	b = slice(mr);
	build_text(&b, T(0x28, 0x1053), "DS", "");
	check(&b, SM_VERDICT_BAD_RESCALE, "not one number");
	b = slice(mr);
	build_text(&b, T(0x28, 0x1053), "DS", "1e300");
	check(&b, SM_VERDICT_BAD_RESCALE, "range");
}

static void real_world(struct build *b, double slope, double intercept)
{
	build_item(b);
	build_fd(b, T(0x40, 0x9224), &intercept, 1);
	build_fd(b, T(0x40, 0x9225), &slope, 1);
	build_item_end(b);
}

static void test_head_takes_real_world_values_only_alone(void **state)
{
	(void)state;
	struct build b = slice(mr);
	build_open(&b, T(0x40, 0x9096));
	real_world(&b, 0.25, -3);
	build_close(&b);
	expect_scale(&b, false, SM_SCALE_REAL_WORLD, 0.25, -3);
	b = slice(mr);
	build_open(&b, T(0x40, 0x9096));
	real_world(&b, 0.25, -3);
	real_world(&b, 0.5, -3);
	build_close(&b);
	check(&b, SM_VERDICT_BAD_RESCALE, "2 RealWorldValueMappings");
	b = slice(mr);
	build_text(&b, T(0x28, 0x1052), "DS", "1");
	build_text(&b, T(0x28, 0x1053), "DS", "2");
	build_open(&b, T(0x40, 0x9096));
	real_world(&b, 0.25, -3);
	build_close(&b);
	expect_scale(&b, false, SM_SCALE_RESCALE, 2, 1);
}

static void test_head_components(void **state)
{
	(void)state;
	static const struct {
		const char *type, *complex, *philips;
		enum sm_component component;
		const char *kind;
	} rows[] = {
		{"ORIGINAL\\PRIMARY\\M\\ND", NULL, NULL, SM_MAGNITUDE, "M"},
		{"ORIGINAL\\PRIMARY\\P\\ND", NULL, NULL, SM_PHASE, "P"},
		{"ORIGINAL\\PRIMARY\\R\\ND", NULL, NULL, SM_REAL, "R"},
		{"ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE", NULL, NULL, SM_PHASE, "PHASE MAP"},
		{"ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE", NULL, "P", SM_PHASE, "M_FFE"},
		{"ORIGINAL\\PRIMARY\\OTHER", "IMAGINARY", NULL, SM_IMAGINARY, "OTHER"},
		{"ORIGINAL\\PRIMARY\\OTHER", "MIXED", NULL, SM_MAGNITUDE, "OTHER"},
		{"DERIVED\\PRIMARY\\DIFFUSION\\ADC\\ND", NULL, NULL, SM_DERIVED_MAP, "ADC"},
		{"DERIVED\\PRIMARY\\DIFFUSION\\FA", "MAGNITUDE", NULL, SM_DERIVED_MAP, "FA"},
		{"ORIGINAL\\PRIMARY\\B0\\B0\\FFE", NULL, "B0", SM_FIELD_MAP, "B0"},
		{"ORIGINAL\\PRIMARY\\M_SE", NULL, "T2", SM_DERIVED_MAP, "M_SE"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct build b = {0};
		build_text(&b, T(8, 8), "CS", rows[i].type);
		build_text(&b, T(8, 0x60), "CS", "MR");
		if (rows[i].complex)
			build_text(&b, T(8, 0x9208), "CS", rows[i].complex);
		series(&b);
		place(&b);
		picture(&b, NULL, 4, 4);
		if (rows[i].philips) {
			build_text(&b, T(0x2005, 0x10), "LO", "Philips MR Imaging DD 001");
			build_text(&b, T(0x2005, 0x1011), "CS", rows[i].philips);
		}
		struct sm_dcm_head h = head_of(&b);
		if (h.frame->component != rows[i].component)
			fail_msg("row %zu: component %d", i, h.frame->component);
		assert_string_equal(h.frame->image_kind, rows[i].kind);
		sm_dcm_head_clear(&h);
	}
}

static void expect_diffusion(const struct build *b, double value, const double v[3], bool local)
{
	struct sm_dcm_head h = head_of(b);
	if (h.frame->b_value != value)
		fail_msg("b %g", h.frame->b_value);
	for (int i = 0; i < 3; i++)
		assert_true(fabs(h.frame->b_vector[i] - v[i]) < 1e-6);
	assert_int_equal(h.frame->b_vector_local, local);
	sm_dcm_head_clear(&h);
}

static void test_head_diffusion_of_makers(void **state)
{
	(void)state;
	const double v[3] = {0.6, 0, -0.8}, none[3] = {0};
	struct build b = begin(mr);
	build_text(&b, T(0x19, 0x10), "LO", "SIEMENS MR HEADER");
	build_text(&b, T(0x19, 0x100c), "IS", "1000");
	build_fd(&b, T(0x19, 0x100e), v, 3);
	series(&b);
	place(&b);
	picture(&b, NULL, 4, 4);
	expect_diffusion(&b, 1000, v, false);
	b = begin((struct who){"ORIGINAL\\PRIMARY\\OTHER", "MR", NULL, NULL});
	build_text(&b, T(0x19, 0x10), "LO", "GEMS_ACQU_01");
	build_text(&b, T(0x19, 0x10bb), "DS", "0.6");
	build_text(&b, T(0x19, 0x10bc), "DS", "0");
	build_text(&b, T(0x19, 0x10bd), "DS", "-0.8");
	series(&b);
	place(&b);
	picture(&b, NULL, 4, 4);
	build_text(&b, T(0x43, 0x10), "LO", "GEMS_PARM_01");
	build_text(&b, T(0x43, 0x1039), "IS", "1000000800\\8\\0\\0");
	expect_diffusion(&b, 800, v, true);
	/* Lying head first, phase along the columns, axial: along frequency and phase against the
	 * rows and columns; a length of 0.5 stands for a quarter of the b-value. */
	const double turned[3] = {-0.6, 0, -0.8};
	b = begin((struct who){"ORIGINAL\\PRIMARY\\OTHER", "MR", NULL, NULL});
	build_text(&b, T(0x18, 0x1312), "CS", "COL");
	build_text(&b, T(0x18, 0x5100), "CS", "HFS");
	build_text(&b, T(0x19, 0x10), "LO", "GEMS_ACQU_01");
	build_text(&b, T(0x19, 0x10bb), "DS", "0.3");
	build_text(&b, T(0x19, 0x10bc), "DS", "0");
	build_text(&b, T(0x19, 0x10bd), "DS", "-0.4");
	series(&b);
	place(&b);
	picture(&b, NULL, 4, 4);
	build_text(&b, T(0x43, 0x10), "LO", "GEMS_PARM_01");
	build_text(&b, T(0x43, 0x1039), "IS", "1000000800\\8\\0\\0");
	expect_diffusion(&b, 200, turned, false);
	b = slice((struct who){"ORIGINAL\\PRIMARY\\M", "MR", "Philips", NULL});
	build_text(&b, T(0x2001, 0x10), "LO", "Philips Imaging DD 001");
	build_fl(&b, T(0x2001, 0x1003), 600);
	build_text(&b, T(0x2005, 0x10), "LO", "Philips MR Imaging DD 001");
	build_fl(&b, T(0x2005, 0x10b0), 0.6f);
	build_fl(&b, T(0x2005, 0x10b1), 0);
	build_fl(&b, T(0x2005, 0x10b2), -0.8f);
	expect_diffusion(&b, 600, v, false);
	b = begin(mr);
	build_fd(&b, T(0x18, 0x9087), (const double[1]){300}, 1);
	build_fd(&b, T(0x18, 0x9089), none, 3);
	series(&b);
	place(&b);
	picture(&b, NULL, 4, 4);
	expect_diffusion(&b, 300, none, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_reads_a_classic_slice),
		cmocka_unit_test(test_head_keeps_no_name),
		cmocka_unit_test(test_head_names_what_is_missing),
		cmocka_unit_test(test_head_tells_the_value_found),
		cmocka_unit_test(test_head_sets_classes_without_pictures_aside),
		cmocka_unit_test(test_head_misses_pixels),
		cmocka_unit_test(test_head_colour_and_labels_by_name),
		cmocka_unit_test(test_head_flat_pictures),
		cmocka_unit_test(test_head_scales),
		cmocka_unit_test(test_head_takes_real_world_values_only_alone),
		cmocka_unit_test(test_head_components),
		cmocka_unit_test(test_head_diffusion_of_makers),
	};
	return run_tap(tests);
}
