/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that claim what they do not have: lengths, counts, frames, tables, code streams that
 * contradict their header. Each costs nothing and is refused by name.
 */
#include <stdio.h>
#include <unistd.h>
#include <zlib.h>

#include "ingest/dicom/dcm_codec.h"
#include "tests/unit/dicom_stream.h"

#define JPEG50 "1.2.840.10008.1.2.4.50"
#define JPEG57 "1.2.840.10008.1.2.4.57"
#define JPEGLS80 "1.2.840.10008.1.2.4.80"
#define JPEGLS81 "1.2.840.10008.1.2.4.81"
#define GIB3 0xc0000000u
#define SEEDS "tests/fuzz/seeds/fuzz_dicom_jpeg/"

/* Opens the stream as a file with `zeros` zero bytes behind it. */
static enum sm_status open_file(const struct stream *s, uint64_t zeros, enum sm_dicom_part part,
				size_t budget, size_t *peak, struct sm_err *err)
{
	char path[] = "/tmp/sm-bounds-XXXXXX";
	struct sm_mem mem;
	struct sm_dicom *dcm;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->b, s->n), s->n);
	assert_int_equal(ftruncate(fd, (off_t)(s->n + zeros)), 0);
	close(fd);
	sm_mem_init(&mem, budget);
	enum sm_status st = sm_dicom_open(path, part, &mem, &dcm, err);
	if (st == SM_OK)
		sm_dicom_close(dcm);
	unlink(path);
	assert_int_equal(atomic_load(&mem.used), 0);
	*peak = atomic_load(&mem.peak);
	return st;
}

static void test_lengths_of_gigabytes_are_not_read(void **state)
{
	(void)state;
	struct sm_err err = {0};
	size_t peak;
	for (int part = SM_DICOM_HEAD; part <= SM_DICOM_WHOLE; part++) {
		struct stream *s = start(LE);
		head(s, 0x00204091, "SQ", GIB3);
		assert_refused(open_file(s, GIB3, part, 1 << 20, &peak, &err), SM_INPUT, err,
			       "do not fit");
		s->n = 144;
		head(s, 0x00020102, "OB", GIB3);
		assert_refused(open_file(s, GIB3, part, 1 << 20, &peak, &err), SM_INPUT, err,
			       "meta header of more than");
		meta(s, LE);
		body(s);
		head(s, 0x00291010, "OB", GIB3);
		assert_refused(open_file(s, GIB3, part, 1 << 20, &peak, &err), SM_INPUT, err,
			       "more than 256 MiB");
		/* An item with a value that nobody can pass over. */
		meta(s, LE);
		head(s, 0x00081140, "SQ", GIB3);
		item(s, 0xfffee000, GIB3 - 8);
		head(s, 0x00091010, "OB", GIB3 - 20);
		assert_refused(open_file(s, GIB3, part, 1 << 20, &peak, &err), SM_INPUT, err,
			       "more than 256 MiB");
		free(s);
	}
}

static void test_only_the_picture_is_held(void **state)
{
	(void)state;
	struct sm_err err = {0};
	size_t peak;
	struct stream *s = start(LE);
	body(s);
	head(s, 0x7fe00010, "OW", 12);
	raw(s, "abcdefghijkl", 12);
	assert_good(open_file(s, 100 << 20, SM_DICOM_WHOLE, 1 << 20, &peak, &err), err);
	assert_refused(open_file(s, GIB3, SM_DICOM_WHOLE, 1 << 20, &peak, &err), SM_INPUT, err,
		       "more than 256 MiB");
	/* 80 MiB of pixels and a header: little more than that. */
	s->n -= 16;
	num(s, 80 << 20, 4);
	assert_good(open_file(s, 80 << 20, SM_DICOM_WHOLE, 90 << 20, &peak, &err), err);
	assert_true(peak >= (size_t)80 << 20);
	/* Fragments of 70 MiB, whose end is looked for first. */
	meta(s, JPEG57);
	body(s);
	head(s, 0x7fe00010, "OB", 0xffffffffu);
	item(s, 0xfffee000, 0);
	item(s, 0xfffee000, 70 << 20);
	assert_refused(open_file(s, 70 << 20, SM_DICOM_WHOLE, 90 << 20, &peak, &err), SM_INPUT, err,
		       "ends in fragment");
	free(s);
}

static void test_numbers_of_elements_are_bounded(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_dicom *dcm;
	struct stream *s = start(LE);
	size_t each = 8, many = 100001, from;
	body(s);
	unsigned char *b = malloc(s->n + 64 + each * many);
	assert_non_null(b);
	for (int nested = 0; nested < 2; nested++) {
		if (nested) {
			head(s, 0x52009230, "SQ", 0xffffffffu);
			item(s, 0xfffee000, 0xffffffffu);
		}
		from = s->n;
		head(s, 0x00200010, "SH", 0);
		memcpy(b, s->b, s->n);
		for (size_t i = 1; i < many; i++)
			memcpy(b + from + each * i, s->b + from, each);
		s->n = from;
		assert_refused(
			sm_dicom_parse(b, from + each * many, SM_DICOM_HEAD, NULL, &dcm, &err),
			SM_INPUT, err,
			nested ? "item in sequence (5200,9230) with more than 100000"
			       : "more than 100000 elements");
	}
	free(b);
	free(s);
}

static void test_deflated_claims(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_mem mem;
	struct sm_dicom *dcm;
	struct stream *s = start(DEFLATED), *in = start(LE);
	in->n = 0;
	body(in);
	head(in, 0x00291010, "OB", 1u << 30);
	memset(in->b + in->n, 0, 65536);
	z_stream z = {.next_in = in->b,
		      .avail_in = (unsigned)in->n + 65536,
		      .next_out = s->b + s->n,
		      .avail_out = (unsigned)(sizeof s->b - s->n)};
	assert_int_equal(deflateInit2(&z, 0, Z_DEFLATED, -15, 8, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FULL_FLUSH), Z_OK);
	s->n = sizeof s->b - z.avail_out;
	deflateEnd(&z);
	/* So many bytes that the ratio of 1000 lets the claim pass. */
	size_t long_n = s->n + (2 << 20);
	unsigned char *b = calloc(1, long_n);
	assert_non_null(b);
	memcpy(b, s->b, s->n);
	sm_mem_init(&mem, 64 << 20);
	assert_refused(sm_dicom_parse(b, long_n, SM_DICOM_HEAD, &mem, &dcm, &err), SM_INPUT, err,
		       "more than 256 MiB");
	free(b);
	free(s);
	free(in);
}

/* A file of compressed frames. */
struct piece {
	const void *bytes;
	size_t n;
};

static struct sm_dicom *packed(struct stream *s, const char *syntax, const struct piece *table,
			       const uint64_t *extended, size_t entries, const uint64_t *lengths,
			       const struct piece *pieces, size_t n)
{
	meta(s, syntax);
	body(s);
	if (extended) {
		head(s, 0x7fe00001, "OV", (uint32_t)(8 * entries));
		raw(s, extended, 8 * entries);
	}
	if (lengths) {
		head(s, 0x7fe00002, "OV", (uint32_t)(8 * entries));
		raw(s, lengths, 8 * entries);
	}
	head(s, 0x7fe00010, "OB", 0xffffffffu);
	item(s, 0xfffee000, table ? (uint32_t)table->n : 0);
	if (table)
		raw(s, table->bytes, table->n);
	for (size_t i = 0; i < n; i++) {
		item(s, 0xfffee000, (uint32_t)pieces[i].n);
		raw(s, pieces[i].bytes, pieces[i].n);
	}
	item(s, 0xfffee0dd, 0);
	return parse(s, SM_DICOM_WHOLE);
}

static void test_frames_that_the_header_does_not_count(void **state)
{
	(void)state;
	static const unsigned char jpeg[8] = {0xff, 0xd8, 0xff, 0xc3};
	const struct piece three[3] = {{jpeg, 8}, {jpeg, 8}, {jpeg, 8}};
	const uint32_t two[2] = {0, 16}, late[3] = {16, 32, 48}, right[3] = {0, 16, 32};
	const uint64_t far[3] = {0, 16, 32}, wrong[3] = {0, 16, 16}, short_[3] = {8, 4, 8},
		       full[3] = {8, 7, 8};
	const struct piece tables[] = {{two, 8}, {late, 12}, {right, 12}};
	static const struct {
		int table; /* -1: none */
		bool extended, wrong, lengths, short_;
		size_t frames;
		const char *syntax, *part; /* NULL: good */
	} rows[] = {
		{-1, false, false, false, false, 1, JPEG57,
		 "3 compressed pictures, NumberOfFrames tells 1"},
		{-1, false, false, false, false, 2, JPEG57,
		 "3 compressed pictures, NumberOfFrames tells 2"},
		{-1, false, false, false, false, 1, RLE,
		 "3 compressed pictures, NumberOfFrames tells 1"},
		{-1, false, false, false, false, 3, JPEG57, NULL},
		{-1, false, false, false, false, 3, RLE, NULL},
		{0, false, false, false, false, 3, JPEG57, "2 entries for 3 frames"},
		{1, false, false, false, false, 3, JPEG57, "begins with 16, allowed is 0"},
		{2, false, false, false, false, 3, JPEG57, NULL},
		{-1, true, false, true, false, 3, JPEG57, NULL},
		{-1, true, false, true, true, 3, JPEG57,
		 "frame 2 has 4 bytes, its fragments have 8"},
		{2, true, false, true, false, 3, JPEG57, NULL},
		{2, true, true, true, false, 3, JPEG57, "tables of PixelData differ"},
		{2, true, true, false, false, 3, JPEG57, "table of PixelData differ at frame 3"},
	};
	struct stream *s = start(LE);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sm_err err = {0};
		const uint64_t *lengths = rows[i].short_ ? short_ : full;
		struct sm_dicom *dcm =
			packed(s, rows[i].syntax, rows[i].table < 0 ? NULL : &tables[rows[i].table],
			       rows[i].extended ? rows[i].wrong ? wrong : far : NULL, 3,
			       rows[i].lengths ? lengths : NULL, three, 3);
		const struct sm_syntax *syntax = sm_syntax_find(rows[i].syntax);
		struct sm_pixel_format f = {.rows = 1,
					    .columns = 1,
					    .samples = 1,
					    .frames = (int)rows[i].frames,
					    .bits_allocated = 8};
		enum sm_status st = sm_frames_check(dcm, syntax, &f, &err);
		if (!rows[i].part)
			assert_good(st, err);
		else if (i == 11)
			assert_refused(st, SM_INPUT, err, "differ at frame 3");
		else
			assert_refused(st, SM_INPUT, err, rows[i].part);
		sm_dicom_close(dcm);
	}
	free(s);
}

static void test_bytes_behind_the_last_native_frame(void **state)
{
	(void)state;
	static const struct {
		uint32_t n;
		char fill;
		bool good, padded;
	} rows[] = {{12, 0, true, false},    {13, 'x', true, false}, {20, 0, true, true},
		    {20, 'x', false, false}, {24, 0, false, false},  {36, 'x', false, false}};
	struct stream *s = start(LE);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sm_err err = {0};
		meta(s, LE);
		body(s);
		head(s, 0x7fe00010, "OW", rows[i].n);
		for (uint32_t k = 0; k < rows[i].n; k++)
			raw(s, k < 12 ? "p" : &rows[i].fill, 1);
		struct sm_dicom *dcm = parse(s, SM_DICOM_WHOLE);
		struct sm_pixel_format f = {
			.rows = 2, .columns = 3, .samples = 1, .frames = 1, .bits_allocated = 16};
		enum sm_status st = sm_frames_check(dcm, sm_syntax_find(LE), &f, &err);
		if (rows[i].good) {
			assert_good(st, err);
			assert_int_equal(sm_frames_padded(dcm, &f), rows[i].padded);
		} else {
			assert_refused(st, SM_INPUT, err, "zeros of less than a frame");
		}
		sm_dicom_close(dcm);
	}
	free(s);
}

/* An invented picture of 9 x 9 pixels (see fuzz_dicom_jpeg). */
static struct piece seed(const char *name, unsigned char b[1024])
{
	char path[64];
	snprintf(path, sizeof path, SEEDS "%s", name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(b, 1, 1024, f);
	fclose(f);
	return (struct piece){b + 3, n - 3};
}

static enum sm_status decode(const char *syntax, const struct piece *p, int stored, bool is_signed,
			     unsigned overlay, void *out, struct sm_err *err)
{
	struct stream *s = start(syntax);
	body(s);
	if (overlay)
		us(s, 0x60000102, overlay);
	head(s, 0x7fe00010, "OB", 0xffffffffu);
	item(s, 0xfffee000, 0);
	item(s, 0xfffee000, (uint32_t)p->n);
	raw(s, p->bytes, p->n);
	item(s, 0xfffee0dd, 0);
	struct sm_dicom *dcm = parse(s, SM_DICOM_WHOLE);
	struct sm_pixel_format f = {.rows = 9,
				    .columns = 9,
				    .samples = 1,
				    .frames = 1,
				    .bits_allocated = stored > 8 ? 16 : 8,
				    .bits_stored = stored,
				    .high_bit = stored - 1,
				    .is_signed = is_signed,
				    .photometric = "MONOCHROME2"};
	if (stored < 0) {
		f.bits_allocated = 16;
		f.bits_stored = -stored;
		f.high_bit = -stored - 1;
	}
	enum sm_status st = sm_frames_check(dcm, sm_syntax_find(syntax), &f, err);
	if (st == SM_OK)
		st = sm_frame_decode(dcm, sm_syntax_find(syntax), &f, 0, NULL, out, err);
	sm_dicom_close(dcm);
	free(s);
	return st;
}

static void test_bits_of_the_stream_against_the_header(void **state)
{
	(void)state;
	static const char *const names[] = {"lossless", "ls"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		unsigned char b[1024];
		uint16_t plain[81], out[81];
		struct sm_err err = {0};
		const char *syntax = i ? JPEGLS80 : JPEG57;
		struct piece p = seed(names[i], b);
		assert_good(decode(syntax, &p, 16, false, 0, plain, &err), err);
		int bits = 0;
		for (size_t k = 0; k < 81; k++)
			while (plain[k] >> bits)
				bits++;
		assert_in_range(bits, 9, 12);
		/* Values beyond BitsStored, unless an overlay is said to stand there. */
		assert_refused(decode(syntax, &p, -(bits - 1), false, 0, out, &err), SM_INPUT, err,
			       "no overlay accounts for");
		assert_good(decode(syntax, &p, -(bits - 1), false, 15, out, &err), err);
		assert_memory_equal(out, plain, sizeof out);
	}
}

/* A picture of 8 bits under a header that says 16 signed ones: its own highest bit is the sign. */
static void test_signs_of_short_streams(void **state)
{
	(void)state;
	static const char *const names[] = {"baseline", "ls7"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		unsigned char b[1024];
		uint16_t plain[81], out[81];
		struct sm_err err = {0};
		const char *syntax = i ? JPEGLS81 : JPEG50;
		struct piece p = seed(names[i], b);
		int negative = 0;
		assert_good(decode(syntax, &p, 16, false, 0, plain, &err), err);
		assert_good(decode(syntax, &p, 16, true, 0, out, &err), err);
		for (size_t k = 0; k < 81; k++) {
			assert_in_range(plain[k], 0, 255);
			assert_int_equal((int16_t)out[k], (int8_t)plain[k]);
			negative += (int16_t)out[k] < 0;
		}
		assert_in_range(negative, 1, 80);
	}
}

static void test_streams_that_are_not_what_the_syntax_says(void **state)
{
	(void)state;
	unsigned char b[1024], twice[2048];
	uint16_t out[81];
	struct sm_err err = {0};
	struct piece p = seed("baseline", b);
	assert_good(decode(JPEG50, &p, 8, false, 0, out, &err), err);
	assert_refused(decode(JPEG, &p, 8, false, 0, out, &err), SM_INPUT, err,
		       "compressed with loss");
	p = seed("ls7", b);
	assert_refused(decode(JPEGLS80, &p, 8, false, 0, out, &err), SM_INPUT, err,
		       "compressed with loss");
	/* A second picture in the same fragment. */
	p = seed("lossless", b);
	size_t n = p.n;
	while (b[3 + n - 1] != 0xd9)
		n--;
	memcpy(twice, b + 3, n);
	twice[n] = 0;
	memcpy(twice + n + 1, b + 3, n);
	struct piece two = {twice, 2 * n + 1};
	assert_refused(decode(JPEG57, &two, 16, false, 0, out, &err), SM_INPUT, err,
		       "a second compressed picture");
	two.n = n + 1;
	assert_good(decode(JPEG57, &two, 16, false, 0, out, &err), err);
}

/* A stream without its end marker may have lost more; text may stand before the marker. */
static void test_streams_without_end(void **state)
{
	(void)state;
	static const struct {
		const char *seed, *syntax;
		int bits;
	} rows[] = {{"lossless", JPEG57, 16}, {"baseline", JPEG50, 8}, {"ls", JPEGLS80, 16}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned char b[1024];
		uint16_t out[81];
		struct sm_err err = {0};
		struct piece p = seed(rows[i].seed, b);
		size_t n = p.n;
		while (b[3 + n - 1] != 0xd9)
			n--;
		p.n = n;
		assert_good(decode(rows[i].syntax, &p, rows[i].bits, false, 0, out, &err), err);
		memcpy(b + 3 + n - 2, "\xff\xfe\0\x04hm\xff\xff\xd9", 9);
		p.n = n + 7;
		assert_good(decode(rows[i].syntax, &p, rows[i].bits, false, 0, out, &err), err);
		p.n = n + 6;
		assert_refused(decode(rows[i].syntax, &p, rows[i].bits, false, 0, out, &err),
			       SM_INPUT, err, "no end marker");
		p.n = n - 2;
		assert_refused(decode(rows[i].syntax, &p, rows[i].bits, false, 0, out, &err),
			       SM_INPUT, err, "no end marker");
	}
}

static void test_jpegls_selectors(void **state)
{
	(void)state;
	unsigned char b[1024];
	uint16_t out[81];
	struct sm_err err = {0};
	struct piece p = seed("ls", b);
	unsigned char *scan = memmem(b, p.n, "\xff\xda\0\x08\x01", 5);
	assert_non_null(scan);
	scan[5] ^= 0x40;
	assert_refused(decode(JPEGLS80, &p, 16, false, 0, out, &err), SM_INPUT, err,
		       "scan has component");
	scan[5] ^= 0x40;
	scan[6] = 1;
	assert_refused(decode(JPEGLS80, &p, 16, false, 0, out, &err), SM_INPUT, err,
		       "mapping table 1");
}

static void test_claims_of_tiny_streams(void **state)
{
	(void)state;
	static const unsigned char jpeg[340] = {0xff, 0xd8, 0xff, 0xf7};
	const struct piece one = {jpeg, sizeof jpeg};
	struct sm_err err = {0};
	struct stream *s = start(LE);
	struct sm_dicom *dcm = packed(s, JPEGLS80, NULL, NULL, 0, NULL, &one, 1);
	struct sm_pixel_format f = {
		.rows = 8192, .columns = 8192, .samples = 1, .frames = 1, .bits_allocated = 8};
	assert_refused(sm_frames_check(dcm, sm_syntax_find(JPEGLS80), &f, &err), SM_INPUT, err,
		       "a ratio of 1000");
	f.rows = f.columns = 2048;
	assert_good(sm_frames_check(dcm, sm_syntax_find(JPEGLS80), &f, &err), err);
	sm_dicom_close(dcm);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths_of_gigabytes_are_not_read),
		cmocka_unit_test(test_only_the_picture_is_held),
		cmocka_unit_test(test_numbers_of_elements_are_bounded),
		cmocka_unit_test(test_deflated_claims),
		cmocka_unit_test(test_frames_that_the_header_does_not_count),
		cmocka_unit_test(test_bytes_behind_the_last_native_frame),
		cmocka_unit_test(test_bits_of_the_stream_against_the_header),
		cmocka_unit_test(test_signs_of_short_streams),
		cmocka_unit_test(test_streams_that_are_not_what_the_syntax_says),
		cmocka_unit_test(test_streams_without_end),
		cmocka_unit_test(test_jpegls_selectors),
		cmocka_unit_test(test_claims_of_tiny_streams),
	};
	return run_tap(tests);
}
