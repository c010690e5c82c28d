/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <string.h>

#include "ingest/dicom/rle.h"

/* Header of n segments, the first at 64, each of the given length. */
static size_t head(unsigned char *b, unsigned n, const unsigned *length)
{
	unsigned at = 64;
	memset(b, 0, 64);
	b[0] = (unsigned char)n;
	for (unsigned s = 0; s < n && s < 15; s++) {
		b[4 + 4 * s] = (unsigned char)at;
		at += length[s];
	}
	return at;
}

static void test_rle_runs_and_literals(void **state)
{
	(void)state;
	unsigned char b[80], out[6];
	const unsigned length[] = {6};
	struct sm_err err = {0};
	size_t n = head(b, 1, length);
	const unsigned char packed[] = {1, 10, 20, 0xfe /* 3 times */, 7, 0x80};
	memcpy(b + 64, packed, sizeof packed);
	assert_good(sm_rle_decode(b, n, 1, 1, out, 5, &err), err);
	const unsigned char want[] = {10, 20, 7, 7, 7};
	assert_memory_equal(out, want, 5);
	assert_refused(sm_rle_decode(b, n, 1, 1, out, 6, &err), SM_INPUT, err,
		       "gives 5 bytes, 6 are needed");
	/* More than needed is padding. */
	assert_good(sm_rle_decode(b, n, 1, 1, out, 4, &err), err);
}

static void test_rle_planes_are_most_significant_first(void **state)
{
	(void)state;
	unsigned char b[80];
	uint16_t out[2];
	const unsigned length[] = {2, 3};
	struct sm_err err = {0};
	size_t n = head(b, 2, length);
	const unsigned char packed[] = {0xff /* twice */, 0x12, 1, 0x34, 0x56};
	memcpy(b + 64, packed, sizeof packed);
	assert_good(sm_rle_decode(b, n, 2, 1, out, sizeof out, &err), err);
	assert_int_equal(out[0], 0x1234);
	assert_int_equal(out[1], 0x1256);
}

static void test_rle_damage(void **state)
{
	(void)state;
	unsigned char b[80], out[8];
	const unsigned length[] = {4, 4};
	struct sm_err err = {0};
	size_t n = head(b, 2, length);
	memset(b + 64, 0, 8);
	assert_refused(sm_rle_decode(b, 63, 1, 1, out, 2, &err), SM_INPUT, err,
		       "lack their header");
	assert_refused(sm_rle_decode(b, n, 1, 1, out, 2, &err), SM_INPUT, err,
		       "tells 2 segments, allowed are 1");
	b[8] = 200; /* the second segment past the end */
	assert_refused(sm_rle_decode(b, n, 2, 1, out, 4, &err), SM_INPUT, err,
		       "RLE segment 0 lies at");
	b[8] = 3; /* inside the header */
	assert_refused(sm_rle_decode(b, n, 2, 1, out, 4, &err), SM_INPUT, err,
		       "RLE segment 0 lies at");
	/* A run without its byte, a literal cut short. */
	const unsigned one[] = {1};
	n = head(b, 1, one);
	b[64] = 0xfe;
	assert_refused(sm_rle_decode(b, n, 1, 1, out, 3, &err), SM_INPUT, err, "gives 0 bytes");
	b[64] = 5;
	assert_refused(sm_rle_decode(b, n, 1, 1, out, 3, &err), SM_INPUT, err, "gives 0 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rle_runs_and_literals),
		cmocka_unit_test(test_rle_planes_are_most_significant_first),
		cmocka_unit_test(test_rle_damage),
	};
	return run_tap(tests);
}
