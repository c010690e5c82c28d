/* SPDX-License-Identifier: Apache-2.0
 *
 * Small picture files that ask for much: refused before memory or seconds are spent.
 */
#include "tests/unit/tap.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/picture.h"

static unsigned char b[1 << 18];
static size_t n;

static void raw(const void *bytes, size_t count)
{
	assert_true(count <= sizeof b - n);
	memcpy(b + n, bytes, count);
	n += count;
}

static void be(uint32_t v, int bytes)
{
	while (bytes--) {
		unsigned char c = (unsigned char)(v >> (8 * bytes));
		raw(&c, 1);
	}
}

static enum sm_status parse(size_t budget, struct sm_err *err)
{
	struct sm_image image;
	struct sm_mem mem;
	sm_mem_init(&mem, budget);
	enum sm_status st = sm_picture_parse(b, n, "p", &mem, &image, NULL, err);
	sm_image_clear(&image);
	assert_int_equal(atomic_load(&mem.used), 0);
	return st;
}

/* One bit a pixel: the file could hold the bits, and bytes are eight times as many. */
static void test_png_of_bits_that_become_bytes(void **state)
{
	(void)state;
	struct sm_err err = {0};
	n = 0;
	raw("\x89PNG\r\n\x1a\n", 8);
	be(13, 4);
	raw("IHDR", 4);
	be(20000, 4);
	be(20000, 4);
	raw("\1\0\0\0\0", 5);
	be((uint32_t)crc32(0, b + 12, 17), 4);
	be(100000, 4);
	raw("IDAT", 4);
	memset(b + n, 0, 100004);
	n += 100004;
	assert_refused(parse(0, &err), SM_INPUT, err, "cannot hold 20000 x 20000 pixels");
}

static void table(unsigned kind, unsigned symbol)
{
	be(0xffc40014, 4);
	be(kind, 1);
	be(1, 1);
	for (int i = 0; i < 15; i++)
		be(0, 1);
	be(symbol, 1);
}

static void scan(unsigned first, unsigned last, unsigned bits)
{
	be(0xffda0008, 4);
	be(0x010100, 3);
	be(first << 16 | last << 8 | bits, 3);
}

/* 8192 x 8192 progressive pixels: a scan of all blocks takes 80 bytes. */
static void test_jpeg_of_scans_without_bytes(void **state)
{
	(void)state;
	struct sm_err err = {0};
	static unsigned char zeros[1024 * 1024 / 8];
	n = 0;
	be(0xffd8ffdb, 4);
	be(0x004300, 3);
	for (int i = 0; i < 64; i++)
		be(1, 1);
	be(0xffc2000b, 4);
	be(8, 1);
	be(8192u << 16 | 8192, 4);
	be(0x01011100, 4);
	table(0, 0);
	scan(0, 0, 0);
	raw(zeros, sizeof zeros);
	/* One symbol: 16384 blocks without a wave. 64 of them, 15 bits each, all zero. */
	table(0x10, 0xe0);
	for (unsigned low = 14; low--;) {
		scan(1, 63, (low == 13 ? 0 : low + 1) << 4 | low);
		raw(zeros, 120);
	}
	be(0xffd9, 2);
	assert_refused(parse(0, &err), SM_INPUT, err, "9 scans of 1048576 blocks");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_png_of_bits_that_become_bytes),
		cmocka_unit_test(test_jpeg_of_scans_without_bytes),
	};
	return run_tap(tests);
}
