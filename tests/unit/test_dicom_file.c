/* SPDX-License-Identifier: Apache-2.0
 *
 * The DICOM reader on byte streams made by hand: one rule after the other.
 */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/unit/dicom_stream.h"

static void has_body(const struct sm_dicom *dcm)
{
	struct sm_dataset set = sm_dicom_data(dcm);
	char got[32];
	double v;
	assert_true(sm_dataset_text(&set, 0x00080060, got, sizeof got));
	assert_string_equal(got, "MR");
	assert_true(sm_dataset_number_or(&set, 0x00280010, 0) == 2);
	assert_true(sm_dataset_exactly(&set, 0x00280011, &v, 1) && v == 3);
	assert_true(sm_dataset_number_or(&set, 0x00281053, 0) == 1.5);
	assert_false(sm_dataset_has(&set, 0x00281052));
}

static void test_syntaxes(void **state)
{
	(void)state;
	const char *const uids[] = {LE, ILE, BE};
	for (size_t i = 0; i < 3; i++) {
		struct stream *s = start(uids[i]);
		body(s);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		assert_string_equal(sm_dicom_syntax(dcm), uids[i]);
		has_body(dcm);
		sm_dicom_close(dcm);
		/* Every cut is either seen, or falls between two elements. */
		size_t whole = s->n, accepted = 0;
		for (s->n = 0; s->n < whole; s->n++) {
			struct sm_err err = {0};
			if (sm_dicom_parse(s->b, s->n, SM_DICOM_WHOLE, NULL, &dcm, &err) == SM_OK)
				accepted++;
			sm_dicom_close(dcm);
		}
		assert_int_equal(accepted, 3);
		free(s);
	}
}

static void test_without_meta_header(void **state)
{
	(void)state;
	const struct {
		bool implicit, big;
		const char *uid;
	} ways[] = {{false, false, LE}, {true, false, ILE}, {false, true, BE}};
	for (size_t i = 0; i < 3; i++) {
		struct stream *s = start(LE);
		s->n = 0;
		s->implicit = ways[i].implicit;
		s->big = ways[i].big;
		body(s);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		assert_string_equal(sm_dicom_syntax(dcm), ways[i].uid);
		has_body(dcm);
		sm_dicom_close(dcm);
		free(s);
	}
}

static void test_wrong_about_vrs(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct stream *s = start(i ? LE : ILE);
		s->implicit = i;
		body(s);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		has_body(dcm);
		sm_dicom_close(dcm);
		free(s);
	}
}

static void test_meta_length_is_missing_or_wrong(void **state)
{
	(void)state;
	struct stream *s = start(LE);
	body(s);
	s->b[132 + 8]++; /* of (0002,0000) */
	struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
	has_body(dcm);
	sm_dicom_close(dcm);
	memmove(s->b + 132, s->b + 144, s->n - 144);
	s->n -= 12;
	dcm = parse(s, SM_DICOM_HEAD);
	assert_string_equal(sm_dicom_syntax(dcm), LE);
	has_body(dcm);
	sm_dicom_close(dcm);
	free(s);
}

static void test_not_dicom(void **state)
{
	(void)state;
	struct stream *s = start(LE);
	s->n = 0;
	refused(s, "is empty");
	raw(s, "\x5c\x01\0\0 a NIfTI header, say, or a text file", 40);
	refused(s, "is no DICOM file");
	meta(s, LE);
	refused(s, "holds no elements");
	free(s);
}

/* Deflates what follows byte `from`. */
static void deflate_rest(struct stream *s, size_t from)
{
	z_stream z = {0};
	unsigned char *packed = malloc(sizeof s->b);
	assert_non_null(packed);
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = s->b + from;
	z.avail_in = (unsigned)(s->n - from);
	z.next_out = packed;
	z.avail_out = sizeof s->b;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	memcpy(s->b + from, packed, z.total_out);
	s->n = from + z.total_out;
	deflateEnd(&z);
	free(packed);
}

static void test_deflated(void **state)
{
	(void)state;
	struct stream *s = start(DEFLATED);
	size_t from = s->n;
	body(s);
	head(s, 0x7fe00010, "OW", 60000);
	for (int i = 0; i < 30000; i++)
		num(s, (uint64_t)(i * i), 2);
	size_t plain = s->n;
	deflate_rest(s, from);
	struct sm_dicom *dcm = parse(s, SM_DICOM_WHOLE);
	struct sm_dicom_pixels p;
	has_body(dcm);
	assert_true(sm_dicom_pixels(dcm, &p) && p.native && p.n == 60000);
	assert_int_equal(p.bytes[2 * 111 + 1], 111 * 111 >> 8);
	struct sm_element e = {.bytes = p.bytes};
	assert_int_equal(sm_dicom_offset(dcm, &e), plain - 60000);
	sm_dicom_close(dcm);
	dcm = parse(s, SM_DICOM_HEAD);
	has_body(dcm);
	sm_dicom_close(dcm);
	struct sm_mem mem;
	struct sm_err err = {0};
	sm_mem_init(&mem, 1 << 17);
	assert_refused(sm_dicom_parse(s->b, s->n, SM_DICOM_WHOLE, &mem, &dcm, &err), SM_BUDGET, err,
		       "the pixel data of a file: needs");
	/* The end of a gzip file may stand behind it, no more. */
	raw(s, "crc+size", 9);
	sm_dicom_close(parse(s, SM_DICOM_WHOLE));
	raw(s, "x", 1);
	refused(s, "is deflated, and 10 bytes that are no part of the stream follow it");
	s->n -= 30;
	refused(s, "ends early");
	free(s);
}

/* Appends from[0..n) as a gzip member. */
static void add_member(struct stream *s, const unsigned char *from, size_t n)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)from,
		      .avail_in = (unsigned)n,
		      .next_out = s->b + s->n,
		      .avail_out = (unsigned)(sizeof s->b - s->n)};
	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	s->n += z.total_out;
	deflateEnd(&z);
}

/* All members are one file; what is no member is named, and nothing is lost in silence. */
static void test_gzip_members(void **state)
{
	(void)state;
	struct stream *s = start(LE), *gz = malloc(sizeof *gz);
	struct sm_dicom *dcm;
	struct sm_dicom_pixels p;
	struct sm_element e;
	assert_non_null(gz);
	body(s);
	head(s, 0x7fe00010, "OW", 40000);
	for (int i = 0; i < 20000; i++)
		num(s, (uint64_t)(i * i), 2);
	size_t pixels_end = s->n;
	text(s, 0x7fe10010, "LO", "the rest");
	const size_t cuts[] = {1, 100, 300, pixels_end - 20000, pixels_end, s->n};
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		gz->n = 0;
		add_member(gz, s->b, cuts[i]);
		if (cuts[i] < s->n)
			add_member(gz, s->b + cuts[i], s->n - cuts[i]);
		dcm = parse(gz, SM_DICOM_WHOLE);
		has_body(dcm);
		assert_true(sm_dicom_pixels(dcm, &p) && p.n == 40000);
		assert_int_equal(p.bytes[2 * 19999 + 1], 19999 * 19999 >> 8 & 255);
		struct sm_dataset set = sm_dicom_data(dcm);
		assert_true(sm_dataset_find(&set, 0x7fe10010, &e));
		sm_dicom_close(dcm);
		dcm = parse(gz, SM_DICOM_HEAD);
		has_body(dcm);
		sm_dicom_close(dcm);
	}
	/* Zeros are padding. */
	raw(gz, "\0\0\0\0\0\0", 6);
	sm_dicom_close(parse(gz, SM_DICOM_WHOLE));
	raw(gz, "a name", 6);
	refused(gz, "is gzip-compressed, and 12 bytes that are no part of the stream follow it");
	/* A second whole file behind the first; its preamble looks like padding. */
	gz->n = 0;
	add_member(gz, s->b, pixels_end);
	add_member(gz, s->b, pixels_end);
	refused(gz, "is no whole DICOM file: element (0000,0000)");
	/* Words, read as an element of more than may stand there: they end early, and are not too
	 * many. */
	gz->n = 0;
	add_member(gz, s->b, pixels_end);
	add_member(gz, (const unsigned char *)"hello world, again", 18);
	refused(gz, "is no whole DICOM file: it ends inside element (6568,6C6C)");
	gz->n = 0;
	add_member(gz, s->b, s->n);
	raw(gz, "\x1f", 1);
	refused(gz, "ends early");
	free(gz);
	free(s);
}

/* Pixels of a deflated file in pieces: the same bytes, in little memory, and what follows is looked
 * at. */
static void test_deflated_in_pieces(void **state)
{
	(void)state;
	static const size_t pieces[] = {1, 999, 0, 20000, 16384, 13000, 616};
	struct stream *s = start(DEFLATED);
	size_t from = s->n;
	body(s);
	head(s, 0x7fe00010, "OW", 60000);
	for (int i = 0; i < 25500; i++)
		num(s, (uint64_t)(i * i), 2);
	for (int i = 0; i < 4500; i++)
		num(s, 0, 2);
	text(s, 0x7fe10010, "LO", "behind  ");
	deflate_rest(s, from);
	struct sm_mem mem;
	struct sm_err err = {0};
	unsigned char *got = calloc(1, 60000);
	assert_non_null(got);
	for (int zeros_from = 0; zeros_from < 2; zeros_from++) {
		struct sm_dicom *dcm;
		bool zeros;
		size_t at = 0, most = zeros_from ? 7 : 4;
		sm_mem_init(&mem, 110000);
		assert_good(sm_dicom_parse(s->b, s->n, SM_DICOM_PIECES, &mem, &dcm, &err), err);
		assert_true(sm_dicom_pixels_in_pieces(dcm));
		for (size_t i = 0; i < most; at += pieces[i++])
			assert_good(sm_dicom_pixels_next(dcm, i == 3 ? NULL : got + at, pieces[i],
							 &err),
				    err);
		for (size_t i = 0; i < at; i++)
			if (i < 1000 || i >= 21000)
				assert_int_equal(got[i],
						 i / 2 >= 25500
							 ? 0
							 : (uint8_t)(i / 2 * (i / 2) >> i % 2 * 8));
		assert_refused(sm_dicom_pixels_next(dcm, got, 60001 - at, &err), SM_INPUT, err,
			       "PixelData holds 60000 bytes");
		assert_good(sm_dicom_pixels_finish(dcm, &zeros, &err), err);
		assert_int_equal(zeros, zeros_from);
		assert_false(sm_dicom_pixels_in_pieces(dcm));
		has_body(dcm);
		struct sm_dataset set = sm_dicom_data(dcm);
		char value[16];
		assert_true(sm_dataset_text(&set, 0x7fe10010, value, sizeof value));
		assert_string_equal(value, "behind");
		sm_dicom_close(dcm);
	}
	for (size_t cut = 20; cut < 20000; cut += 15000) {
		struct sm_dicom *dcm;
		enum sm_status st = SM_OK;
		assert_good(sm_dicom_parse(s->b, s->n - cut, SM_DICOM_PIECES, NULL, &dcm, &err),
			    err);
		bool zeros;
		st = sm_dicom_pixels_next(dcm, got, 60000, &err);
		if (st == SM_OK)
			st = sm_dicom_pixels_finish(dcm, &zeros, &err);
		assert_refused(st, SM_INPUT, err, "ends early");
		sm_dicom_close(dcm);
	}
	free(got);
	free(s);
}

static void test_deflated_bomb(void **state)
{
	(void)state;
	struct stream *s = start(DEFLATED);
	size_t from = s->n;
	body(s);
	head(s, 0x7fe00010, "OW", 0xfffffff0u);
	num(s, 0, 8);
	deflate_rest(s, from);
	refused(s, "allowed is a ratio");
	/* A HEAD does not care. */
	struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
	has_body(dcm);
	sm_dicom_close(dcm);
	struct sm_err err = {0};
	assert_refused(sm_dicom_parse(s->b, s->n, SM_DICOM_PIECES, NULL, &dcm, &err), SM_INPUT, err,
		       "allowed is a ratio");
	free(s);
}

/* One sequence with two items: undefined and stated lengths, within one another. */
static void sequences(struct stream *s, bool undefined)
{
	head(s, 0x00081140, "SQ", undefined ? 0xffffffffu : 0);
	size_t outer = s->n;
	for (int i = 0; i < 2; i++) {
		item(s, 0xfffee000, undefined ? 0xffffffffu : 0);
		size_t inner = s->n;
		text(s, 0x00081155, "UI", i ? "1.2.3" : "1.2.4");
		head(s, 0x0040a170, "SQ", undefined ? 0xffffffffu : 8);
		item(s, 0xfffee000, 0);
		if (undefined) {
			item(s, 0xfffee0dd, 0);
			item(s, 0xfffee00d, 0);
		} else {
			size_t n = s->n;
			s->n = inner - 4;
			num(s, n - inner, 4);
			s->n = n;
		}
	}
	size_t n = s->n;
	if (undefined) {
		item(s, 0xfffee0dd, 0);
	} else {
		s->n = outer - 4;
		num(s, n - outer, 4);
		s->n = n;
	}
}

static void test_sequences(void **state)
{
	(void)state;
	const char *const uids[] = {LE, ILE, BE};
	for (int way = 0; way < 6; way++) {
		struct stream *s = start(uids[way / 2]);
		sequences(s, way % 2);
		body(s);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		struct sm_dataset set = sm_dicom_data(dcm), at, deep;
		char got[16];
		int count = 0;
		has_body(dcm);
		for (struct sm_dicom_items it = sm_dataset_items(&set, 0x00081140);
		     sm_dicom_items_next(&it, &at); count++) {
			assert_true(sm_dataset_text(&at, 0x00081155, got, sizeof got));
			assert_string_equal(got, count ? "1.2.3" : "1.2.4");
			assert_true(sm_dataset_item(&at, 0x0040a170, &deep));
			assert_int_equal(deep.n, 0);
		}
		assert_int_equal(count, 2);
		assert_false(sm_dataset_item(&set, 0x00280010, &at));
		sm_dicom_close(dcm);
		free(s);
	}
}

static void test_unknown_vr_holds_implicit_items(void **state)
{
	(void)state;
	for (int undefined = 0; undefined < 2; undefined++) {
		struct stream *s = start(LE);
		struct stream *in = start(ILE);
		size_t from = in->n;
		text(in, 0x00081155, "UI", "1.2.4");
		uint32_t n = (uint32_t)(in->n - from);
		head(s, 0x00081140, "UN", undefined ? 0xffffffffu : n + 8);
		item(s, 0xfffee000, undefined ? 0xffffffffu : n);
		raw(s, in->b + from, n);
		if (undefined) {
			item(s, 0xfffee00d, 0);
			item(s, 0xfffee0dd, 0);
		}
		head(s, 0x00280010, "UN", 2);
		num(s, 2, 2);
		us(s, 0x00280011, 3);
		struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
		struct sm_dataset set = sm_dicom_data(dcm), at;
		struct sm_element e;
		char got[16];
		assert_true(sm_dataset_find(&set, 0x00280010, &e));
		assert_string_equal(e.vr, "US");
		assert_true(sm_dataset_number_or(&set, 0x00280010, 0) == 2);
		assert_true(sm_dataset_item(&set, 0x00081140, &at));
		assert_true(sm_dataset_text(&at, 0x00081155, got, sizeof got));
		assert_string_equal(got, "1.2.4");
		sm_dicom_close(dcm);
		free(in);
		free(s);
	}
}

static void test_depth(void **state)
{
	(void)state;
	for (int depth = 64; depth <= 65; depth++) {
		struct stream *s = start(LE);
		for (int i = 0; i < depth; i++) {
			head(s, 0x00081140, "SQ", 0xffffffffu);
			item(s, 0xfffee000, 0xffffffffu);
		}
		for (int i = 0; i < depth; i++) {
			item(s, 0xfffee00d, 0);
			item(s, 0xfffee0dd, 0);
		}
		if (depth == 64)
			sm_dicom_close(parse(s, SM_DICOM_HEAD));
		else
			refused(s, "nested deeper than 64");
		free(s);
	}
}

static void test_lengths_that_do_not_fit(void **state)
{
	(void)state;
	struct stream *s = start(LE);
	body(s);
	size_t n = s->n;
	head(s, 0x00290010, "OB", 0xfffffff0u);
	refused(s, "ends inside element (0029,0010)");
	s->n = n;
	head(s, 0x00290010, "UT", 20);
	refused(s, "ends inside element (0029,0010)");
	s->n = n;
	head(s, 0x00081140, "SQ", 16);
	item(s, 0xfffee000, 9);
	us(s, 0x00280010, 1);
	refused(s, "do not fit into it");
	s->n = n;
	head(s, 0x00081140, "SQ", 0xffffffffu);
	item(s, 0xfffee000, 0);
	refused(s, "ends inside element (0008,1140)");
	s->n = n;
	head(s, 0x7fe00010, "OW", 0xffffffffu);
	item(s, 0xfffee000, 0);
	item(s, 0xfffee0dd, 0);
	refused(s, "PixelData without a length");
	s->n = n;
	head(s, 0x7fe00010, "OW", 100);
	raw(s, "abcd", 4);
	refused(s, "PixelData of 100 bytes, 4 are left");
	free(s);
}

static void test_order_and_first_of_two(void **state)
{
	(void)state;
	struct stream *s = start(LE);
	us(s, 0x00280011, 3);
	us(s, 0x00280010, 2);
	text(s, 0x00080060, "CS", "MR");
	text(s, 0x00080060, "CS", "CT");
	text(s, 0x00281053, "DS", "1.5");
	struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
	has_body(dcm);
	sm_dicom_close(dcm);
	free(s);
}

static void test_odd_things_are_stepped_over(void **state)
{
	(void)state;
	struct stream *s = start(LE);
	text(s, 0x00080005, "CS", "");
	head(s, 0x00080008, "CS", 3); /* odd */
	raw(s, "A\\B", 3);
	head(s, 0x00090010, "LO", 4);
	raw(s, "ME  ", 4);
	head(s, 0x00091001, "ZZ", 2); /* no VR of the standard */
	raw(s, "ab", 2);
	head(s, 0x00091002, "SQ", 6); /* a private sequence that is none */
	raw(s, "nonono", 6);
	body(s);
	struct sm_dicom *dcm = parse(s, SM_DICOM_HEAD);
	struct sm_dataset set = sm_dicom_data(dcm);
	char got[8];
	has_body(dcm);
	assert_true(sm_dataset_has(&set, 0x00080005));
	assert_false(sm_dataset_text(&set, 0x00080005, got, sizeof got));
	assert_true(sm_dataset_text(&set, 0x00080008, got, sizeof got));
	assert_string_equal(got, "A\\B");
	assert_false(sm_dataset_text(&set, 0x00080008, got, 3));
	assert_string_equal(got, "");
	assert_int_equal(sm_dataset_private(&set, 9, "ME", 2), 0x00091002);
	assert_int_equal(sm_dataset_private(&set, 9, "YOU", 2), 0);
	assert_int_equal(sm_dataset_private(&set, 8, "ME", 2), 0);
	assert_false(sm_dataset_item(&set, 0x00091002, &set));
	sm_dicom_close(dcm);
	free(s);
}

/* Writes the stream to a file and gives its name. */
static void store(const struct stream *s, size_t hole, char path[64])
{
	snprintf(path, 64, "%s", "/tmp/test_dicom_file.XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, s->b, s->n), (ssize_t)s->n);
	if (hole)
		assert_int_equal(ftruncate(fd, (off_t)hole), 0);
	close(fd);
}

static void test_files_are_read_as_far_as_needed(void **state)
{
	(void)state;
	char path[64];
	struct stream *s = start(LE);
	struct sm_err err = {0};
	struct sm_dicom *dcm;
	struct sm_mem mem;
	/* More than the first piece; a private element of 8 MiB is stepped over. */
	head(s, 0x00080008, "UT", 40000);
	for (int i = 0; i < 20000; i++)
		raw(s, "AB", 2);
	head(s, 0x00091010, "OB", 8 << 20);
	size_t from = s->n;
	store(s, from + (8 << 20), path);
	s->n = 0;
	body(s);
	head(s, 0x7fe00010, "OW", 12);
	raw(s, "abcdefghijkl", 12);
	FILE *f = fopen(path, "r+b");
	assert_non_null(f);
	fseek(f, 0, SEEK_END);
	assert_int_equal(fwrite(s->b, 1, s->n, f), s->n);
	fclose(f);
	sm_mem_init(&mem, 1 << 20);
	assert_good(sm_dicom_open(path, SM_DICOM_HEAD, &mem, &dcm, &err), err);
	struct sm_dataset set = sm_dicom_data(dcm);
	struct sm_element e;
	has_body(dcm);
	assert_true(sm_dataset_find(&set, 0x00091010, &e) && e.n == 0);
	assert_true(sm_dataset_find(&set, 0x00080008, &e) && e.n == 40000);
	assert_true(sm_dataset_find(&set, 0x00080060, &e));
	assert_int_equal(sm_dicom_offset(dcm, &e), from + (8 << 20) + 8);
	sm_dicom_close(dcm);
	assert_int_equal(sm_dicom_open(path, SM_DICOM_WHOLE, &mem, &dcm, &err), SM_BUDGET);
	assert_int_equal(atomic_load(&mem.used), 0);
	assert_good(sm_dicom_open(path, SM_DICOM_WHOLE, NULL, &dcm, &err), err);
	struct sm_dicom_pixels p;
	assert_true(sm_dicom_pixels(dcm, &p) && p.native && p.n == 12);
	assert_memory_equal(p.bytes, "abcdefghijkl", 12);
	sm_dicom_close(dcm);
	unlink(path);
	assert_int_equal(sm_dicom_open(path, SM_DICOM_HEAD, NULL, &dcm, &err), SM_IO);
	assert_int_equal(sm_dicom_open("/dev/null", SM_DICOM_HEAD, NULL, &dcm, &err), SM_IO);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syntaxes),
		cmocka_unit_test(test_without_meta_header),
		cmocka_unit_test(test_wrong_about_vrs),
		cmocka_unit_test(test_meta_length_is_missing_or_wrong),
		cmocka_unit_test(test_not_dicom),
		cmocka_unit_test(test_deflated),
		cmocka_unit_test(test_gzip_members),
		cmocka_unit_test(test_deflated_in_pieces),
		cmocka_unit_test(test_deflated_bomb),
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_unknown_vr_holds_implicit_items),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_lengths_that_do_not_fit),
		cmocka_unit_test(test_order_and_first_of_two),
		cmocka_unit_test(test_odd_things_are_stepped_over),
		cmocka_unit_test(test_files_are_read_as_far_as_needed),
	};
	return run_tap(tests);
}
