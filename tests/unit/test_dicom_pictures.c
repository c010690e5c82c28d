/* SPDX-License-Identifier: Apache-2.0
 *
 * Every compressed picture of the real samples against its uncompressed truth and against what
 * other programs decode, damaged ones, and one invented picture in several syntaxes.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "ingest/dicom/dcm_codec.h"

static char *real(const char *name)
{
	const char *dir = getenv("SM_SHARED_DATA");
	char *path = sm_path_join(dir ? dir : "../shared/data", name);
	if (!path || !sm_file_exists(path)) {
		free(path);
		return NULL;
	}
	return path;
}

struct picture {
	struct sm_pixel_format f;
	size_t n; /* values of all frames */
	int64_t *v;
};

static int64_t value_of(const void *words, size_t i, const struct sm_pixel_format *f)
{
	uint32_t w = f->bits_allocated <= 8    ? ((const uint8_t *)words)[i]
		     : f->bits_allocated == 16 ? ((const uint16_t *)words)[i]
					       : ((const uint32_t *)words)[i];
	int64_t range = (int64_t)1 << f->bits_stored, v = w & (uint32_t)(range - 1);
	return f->is_signed && v >= range / 2 ? v - range : v;
}

static enum sm_status decode(const char *path, struct picture *out, struct sm_err *err)
{
	struct sm_dicom *dcm;
	struct sm_dicom_pixels p;
	size_t size;
	SM_TRY(sm_dicom_open(path, SM_DICOM_WHOLE, NULL, &dcm, err));
	struct sm_dataset set = sm_dicom_data(dcm);
	const struct sm_syntax *syntax = sm_syntax_find(sm_dicom_syntax(dcm));
	struct sm_pixel_format f = {
		.rows = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 0x10), 0),
		.columns = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 0x11), 0),
		.samples = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 2), 1),
		.frames = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 8), 1),
		.bits_allocated = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 0x100), 0),
		.bits_stored = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 0x101), 32),
		.high_bit = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 0x102), 0),
		.is_signed = sm_dataset_number_or(&set, SM_TAG(0x28, 0x103), 0) == 1,
		.is_float = sm_dicom_pixels(dcm, &p) && p.tag != SM_TAG(0x7fe0, 0x10),
		.planar = (int)sm_dataset_number_or(&set, SM_TAG(0x28, 6), 0),
	};
	sm_dataset_text(&set, SM_TAG(0x28, 4), f.photometric, sizeof f.photometric);
	enum sm_status st = sm_frames_check(dcm, syntax, &f, err);
	*out = (struct picture){.f = f};
	void *words = st == SM_OK && sm_frame_size(&f, &size) ? malloc(size) : NULL;
	if (words) {
		size_t count = (size_t)f.rows * (size_t)f.columns * (size_t)f.samples;
		out->v = malloc((size_t)f.frames * count * sizeof *out->v);
		assert_non_null(out->v);
		for (int i = 0; st == SM_OK && i < f.frames; i++) {
			st = sm_frame_decode(dcm, syntax, &f, (size_t)i, NULL, words, err);
			for (size_t k = 0; st == SM_OK && k < count; k++)
				out->v[out->n++] = value_of(words, k, &f);
		}
	}
	free(words);
	sm_dicom_close(dcm);
	return st;
}

struct row {
	const char *name, *truth;
	int64_t bound;  /* most difference allowed */
	int64_t offset; /* that the encoder added */
};

#define CT0012 "codecs/dicomparser/CT0012.explicit_little_endian.dcm"
#define CT1 "codecs/wg04/CT1_UNC.dcm"
#define MR1 "codecs/wg04/MR1_UNC.dcm"
#define MR4 "codecs/wg04/MR4_UNC.dcm"
#define NM1 "codecs/wg04/NM1_UNC.dcm"
#define US1 "codecs/wg04/US1_UNC.dcm"
#define EMRI "codecs/pydicom_data/emri_small.dcm"
#define ODD "dicom_odd/pydicom/"

static const struct row rows[] = {
	{"codecs/dicomparser/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm", CT0012, 14, 1023},
	{"codecs/dicomparser/CT0012.fragmented_no_bot_jpeg_lossless.57.dcm", CT0012, 0, 0},
	{"codecs/dicomparser/CT0012.fragmented_no_bot_jpeg_lossless.70.dcm", CT0012, 0, 0},
	{"codecs/dicomparser/CT0012.fragmented_no_bot_jpeg_ls.80.dcm", CT0012, 0, 0},
	{"codecs/dicomparser/CT0012.fragmented_no_bot_jpeg_ls.81.dcm", CT0012, 2, 0},
	{"codecs/dicomparser/CT0012.not_fragmented_bot_jpeg_ls.80.dcm", CT0012, 0, 0},
	{"codecs/dicomparser/CT0012.not_fragmented_bot_rle.dcm", CT0012, 0, 0},
	{"codecs/dicomparser/CT0012.not_fragmented_no_bot_jpeg_ls.80.dcm", CT0012, 0, 0},
	{"codecs/dicomparser/CT0012.not_fragmented_no_bot_rle.dcm", CT0012, 0, 0},
	{"codecs/dicomparser/CT1_UNC.explicit_big_endian.dcm", CT1, 0, 0},
	{"codecs/dicomparser/CT1_UNC.implicit_little_endian.dcm", CT1, 0, 0},
	{"codecs/dicomparser/CT1_UNC.fragmented_bot_jpeg_ls.80.dcm", CT1, 0, 0},
	{"codecs/dicomparser/CT1_UNC.fragmented_no_bot_jpeg_ls.80.dcm", CT1, 0, 0},
	{"codecs/dicomparser/CT1_UNC.not_fragmented_bot_jpeg_ls.80.dcm", CT1, 0, 0},
	{"codecs/dicomparser/deflate_image_dfl.dcm", ODD "image_dfl.dcm", 0, 0},
	{"codecs/pydicom_data/emri_small_RLE.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/emri_small_big_endian.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/emri_small_jpeg_2k_lossless.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/emri_small_jpeg_ls_lossless.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/liver_rle.dcm", "codecs/pydicom_data/liver.dcm", 0, 0},
	{"codecs/wg04/CT1_J2KI.dcm", CT1, 352, 0},
	{"codecs/wg04/CT1_J2KR.dcm", CT1, 0, 0},
	{"codecs/wg04/CT1_JLSL.dcm", CT1, 0, 0},
	{"codecs/wg04/CT1_JLSN.dcm", CT1, 4, 0},
	{"codecs/wg04/CT1_JPLL.dcm", CT1, 0, 0},
	{"codecs/wg04/CT1_RLE.dcm", CT1, 0, 0},
	{"codecs/wg04/MR1_J2KI.dcm", MR1, 396, 0},
	{"codecs/wg04/MR1_J2KR.dcm", MR1, 0, 0},
	{"codecs/wg04/MR1_JLSL.dcm", MR1, 0, 0},
	{"codecs/wg04/MR1_JLSN.dcm", MR1, 4, 0},
	{"codecs/wg04/MR1_JPLL.dcm", MR1, 0, 0},
	{"codecs/wg04/MR1_JPLY.dcm", MR1, 128, 0},
	{"codecs/wg04/MR1_RLE.dcm", MR1, 0, 0},
	{"codecs/wg04/MR4_J2KI.dcm", MR4, 29, 0},
	{"codecs/wg04/MR4_J2KR.dcm", MR4, 0, 0},
	{"codecs/wg04/MR4_JLSL.dcm", MR4, 0, 0},
	{"codecs/wg04/MR4_JLSN.dcm", MR4, 4, 0},
	{"codecs/wg04/MR4_JPLL.dcm", MR4, 0, 0},
	{"codecs/wg04/MR4_JPLY.dcm", MR4, 40, 0},
	{"codecs/wg04/MR4_RLE.dcm", MR4, 0, 0},
	{"codecs/wg04/NM1_J2KI.dcm", NM1, 101, 0},
	{"codecs/wg04/NM1_J2KR.dcm", NM1, 0, 0},
	{"codecs/wg04/NM1_JLSL.dcm", NM1, 0, 0},
	{"codecs/wg04/NM1_JLSN.dcm", NM1, 4, 0},
	{"codecs/wg04/NM1_JPLL.dcm", NM1, 0, 0},
	{"codecs/wg04/NM1_JPLY.dcm", NM1, 36, 0},
	{"codecs/wg04/NM1_RLE.dcm", NM1, 0, 0},
	{"codecs/wg04/US1_J2KI.dcm", US1, 124, 0},
	{"codecs/wg04/US1_J2KR.dcm", US1, 0, 0},
	{"codecs/wg04/US1_RLE.dcm", US1, 0, 0},
	{ODD "JPEG2000.dcm", NM1, 101, 0},
	{ODD "JPEG-lossy.dcm", NM1, 36, 0},
	{ODD "MR_small_RLE.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_bigendian.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_expb.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_implicit.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_jp2klossless.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_jpeg_ls_lossless.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_padded.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "SC_rgb_small_odd_big_endian.dcm", ODD "SC_rgb_small_odd.dcm", 0, 0},
	{ODD "SC_rgb_small_odd_jpeg.dcm", ODD "SC_rgb_small_odd.dcm", 4, 0},
	{ODD "liver_expb_1frame.dcm", ODD "liver_1frame.dcm", 0, 0},
};

static void compare(const struct row *r, const struct picture *got, const struct picture *truth)
{
	int64_t most = 0;
	assert_int_equal(got->n, truth->n);
	for (size_t i = 0; i < got->n; i++) {
		int64_t d = llabs(got->v[i] - truth->v[i] - r->offset);
		most = d > most ? d : most;
	}
	if (most > r->bound)
		fail_msg("%s differs by %lld from its truth, allowed is %lld", r->name,
			 (long long)most, (long long)r->bound);
}

static void test_pictures_equal_their_truth(void **state)
{
	(void)state;
	size_t seen = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		char *path = real(r->name), *truth_path = real(r->truth);
		struct picture got = {0}, truth = {0};
		struct sm_err err = {0};
		if (path && truth_path) {
			if (decode(path, &got, &err) != SM_OK)
				fail_msg("%s: %s", r->name, err.text);
			assert_good(decode(truth_path, &truth, &err), err);
			compare(r, &got, &truth);
			seen++;
		}
		free(got.v);
		free(truth.v);
		free(path);
		free(truth_path);
	}
	if (!seen)
		skip();
	assert_int_equal(seen, sizeof rows / sizeof *rows);
}

/* What follows name and decoder in a line of tests/golden/decoded.txt (scripts/golden_decoded.py).
 */
static void compare_decoded(const char *name, const char *line, const struct picture *got)
{
	char *end, hex[65];
	assert_int_equal(strtoull(line, &end, 10), got->n);
	long bound = strtol(end, &end, 10);
	if (bound == 0) {
		sm_sha256_bytes(got->v, got->n * sizeof *got->v, hex);
		if (strcspn(end + 1, "\n") != 64 || strncmp(end + 1, hex, 64) != 0)
			fail_msg("%s: values of SHA-256 %s, wanted%s", name, hex, end);
		return;
	}
	for (size_t k = 0; k < 128; k++) {
		int64_t v = got->v[k * 1000003 % got->n], want = strtoll(end, &end, 10);
		if (llabs(v - want) > bound)
			fail_msg("%s: value %lld where %lld is wanted", name, (long long)v,
				 (long long)want);
	}
	for (size_t k = 0; k < 16; k++) {
		size_t from = got->n * k / 16, to = got->n * (k + 1) / 16;
		double sum = 0, want = strtod(end, &end);
		for (size_t i = from; i < to; i++)
			sum += (double)got->v[i];
		if (fabs(sum / (double)(to - from) - want) > 0.05)
			fail_msg("%s: mean %.4f of part %zu, wanted %.4f", name,
				 sum / (double)(to - from), k, want);
	}
	assert_int_equal(*end, '\n');
}

static void test_pictures_equal_other_decoders(void **state)
{
	(void)state;
	size_t seen = 0, missing = 0;
	char line[4096], name[256];
	int rest;
	FILE *f = fopen("tests/golden/decoded.txt", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		struct picture got = {0};
		struct sm_err err = {0};
		if (*line == '#')
			continue;
		assert_int_equal(sscanf(line, "%255s %*s %n", name, &rest), 1);
		char *path = real(name);
		missing += !path;
		if (path) {
			if (decode(path, &got, &err) != SM_OK)
				fail_msg("%s: %s", name, err.text);
			compare_decoded(name, line + rest, &got);
			seen++;
		}
		free(got.v);
		free(path);
	}
	fclose(f);
	if (!seen)
		skip();
	assert_int_equal(missing, 0);
}

static void test_damaged_pictures_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *part;
	} bad[] = {
		{"malformed/dicom/rle_16_segments.dcm", "16 segments"},
		{"malformed/dicom/rle_offset_past_end.dcm", "RLE segment 0"},
		{"malformed/dicom/rle_trunc.dcm", "ends in fragment"},
		{"malformed/dicom/jpegls_trunc.dcm", "ends in fragment"},
		{"malformed/dicom/j2k_trunc.dcm", "ends in fragment"},
		{"malformed/dicom/deflate_trunc.dcm", "ends early"},
		{"malformed/dicom/rows_65535.dcm", "65535 rows"},
		{"malformed/dicom/pixels_too_short_but_consistent.dcm", "need 8192"},
		{"malformed/dicom/bits_allocated_13.dcm", "BitsAllocated is 13"},
		{"malformed/dicom/unknown_transfer_syntax.dcm", "not supported"},
		{"codecs/pydicom_data/liver_deflate.dcm", "deflated image frame is not supported"},
		{ODD "emri_small_jpeg_2k_lossless_too_short.dcm", "ends in fragment"},
		{ODD "JPEG2000-embedded-sequence-delimiter.dcm", "columns and 1024 rows"},
	};
	size_t seen = 0;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char *path = real(bad[i].name);
		struct picture got = {0};
		struct sm_err err = {0};
		if (path) {
			assert_refused(decode(path, &got, &err), SM_INPUT, err, bad[i].part);
			seen++;
		}
		free(got.v);
		free(path);
	}
	if (!seen)
		skip();
}

#define SEEDS "tests/fuzz/seeds/"

/* One invented picture in several syntaxes (scripts/golden_dicom_seeds.py). */
static void test_invented_picture_is_the_same_in_all_syntaxes(void **state)
{
	(void)state;
	static const char *const names[] = {"big", "lossless", "ls", "rle"};
	struct picture want;
	struct sm_err err = {0};
	assert_good(decode(SEEDS "fuzz_dicom/explicit", &want, &err), err);
	assert_int_equal(want.n, 2 * 9 * 9);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct picture got;
		char path[64];
		snprintf(path, sizeof path, SEEDS "fuzz_dicom/%s", names[i]);
		assert_good(decode(path, &got, &err), err);
		assert_int_equal(got.n, want.n);
		assert_memory_equal(got.v, want.v, want.n * sizeof *want.v);
		free(got.v);
	}
	free(want.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_invented_picture_is_the_same_in_all_syntaxes),
		cmocka_unit_test(test_pictures_equal_their_truth),
		cmocka_unit_test(test_pictures_equal_other_decoders),
		cmocka_unit_test(test_damaged_pictures_are_refused),
	};
	return run_tap(tests);
}
