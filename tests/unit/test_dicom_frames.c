/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames made by hand: uncompressed ones, and damaged code streams. Those of files stand in
 * test_dicom_pictures.c.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/dicom/dcm_codec.h"
#include "ingest/dicom/jpeg.h"
#include "ingest/dicom/jpegls.h"

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

#define SEEDS "tests/fuzz/seeds/"

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
	struct sm_stream about;
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
	assert_good(sm_jpeg_decode(c.b, c.n, &f, NULL, out, &about, &err), err);
	assert_memory_equal(out, pixels, 20);
	/* Markers count: 1 for 0 means that an interval is missing. */
	unsigned char *first = memmem(c.b, c.n, "\xff\xd0", 2);
	assert_non_null(first);
	first[1] = 0xd1;
	assert_int_equal(sm_jpeg_decode(c.b, c.n, &f, NULL, out, &about, &err), SM_INPUT);
	first[1] = 0xd0;
	/* Without its restart markers it is damaged. */
	c.b[20] = 15;
	assert_int_equal(sm_jpeg_decode(c.b, c.n, &f, NULL, out, &about, &err), SM_INPUT);
}

/* A stream of fuzz_dicom_jpeg: three bytes of format, then JPEG or JPEG-LS. */
static enum sm_status decode_seed(const unsigned char *b, size_t n, struct sm_err *err)
{
	struct sm_stream about;
	unsigned char out[9 * 9 * 3 * 2];
	const struct sm_pixel_format f = {.rows = 9,
					  .columns = 9,
					  .frames = 1,
					  .samples = b[2] & 1 ? 3 : 1,
					  .bits_allocated = b[2] & 2 ? 16 : 8,
					  .bits_stored = b[2] & 2 ? 16 : 8};
	return b[2] & 4 ? sm_jpegls_decode(b + 3, n - 3, &f, NULL, out, &about, err)
			: sm_jpeg_decode(b + 3, n - 3, &f, NULL, out, &about, err);
}

/* One frame out of a file that is not in memory, as if it were. */
static void test_frames_of_a_file(void **state)
{
	(void)state;
	static const struct {
		const char *syntax;
		int bits;
		bool good;
	} rows[] = {{"1.2.840.10008.1.2.1", 8, true},     {"1.2.840.10008.1.2.1", 16, true},
		    {"1.2.840.10008.1.2.2", 16, true},    {"1.2.840.10008.1.2.2", 32, true},
		    {"1.2.840.10008.1.2.2", 8, false},    {"1.2.840.10008.1.2.1", 1, false},
		    {"1.2.840.10008.1.2.1.99", 8, false}, {"1.2.840.10008.1.2.5", 8, false}};
	unsigned char b[5 + 3 * 24], out[24];
	struct sm_err err = {0};
	FILE *f = tmpfile();
	assert_non_null(f);
	for (size_t i = 0; i < sizeof b; i++)
		b[i] = (unsigned char)(i * 37);
	assert_int_equal(fwrite(b, 1, sizeof b, f), sizeof b);
	assert_int_equal(fflush(f), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct sm_syntax *syntax = sm_syntax_find(rows[i].syntax);
		struct sm_pixel_format p = {.rows = 2,
					    .columns = 3,
					    .samples = 1,
					    .frames = 3,
					    .bits_allocated = rows[i].bits};
		size_t width = (size_t)rows[i].bits / 8, n = 6 * width;
		assert_int_equal(sm_native_readable(syntax, &p), rows[i].good);
		enum sm_status st = sm_native_read(fileno(f), 5, syntax, &p, 1, out, &err);
		if (!rows[i].good) {
			assert_refused(st, SM_INPUT, err, "cannot be read by itself");
			continue;
		}
		assert_good(st, err);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(
				out[k],
				b[5 + n +
				  (syntax->big_endian ? k / width * width + width - 1 - k % width
						      : k)]);
		assert_refused(sm_native_read(fileno(f), 5 + sizeof b, syntax, &p, 1, out, &err),
			       SM_INPUT, err, "cannot be read");
	}
	fclose(f);
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
		cmocka_unit_test(test_restart_intervals),
		cmocka_unit_test(test_frames_of_a_file),
		cmocka_unit_test(test_damaged_streams),
	};
	return run_tap(tests);
}
