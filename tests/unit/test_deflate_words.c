/* SPDX-License-Identifier: Apache-2.0
 *
 * core/deflate_words.h against two inflaters, and the pair of hashes of core/hash.h against one
 * after the
 * other. */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/deflate_words.h"
#include "core/hash.h"
#include "core/rng.h"
#include "tests/unit/tap.h"

#define WORDS 600001 /* more than four blocks */

/* Packs, and inflates by libdeflate and by zlib. Returns the packed size. */
static size_t there_and_back(const uint32_t *in, size_t words)
{
	unsigned char *packed = NULL, *back = malloc(4 * words);
	size_t n = 0, used = 0, made = 0;
	uLongf length = 4 * words;
	struct sm_err err = {0};
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	assert_non_null(back);
	assert_int_equal(sm_deflate_words(in, 4 * words, &packed, &n, &err), SM_OK);
	assert_int_equal(libdeflate_zlib_decompress_ex(d, packed, n, back, 4 * words, &used, &made),
			 LIBDEFLATE_SUCCESS);
	assert_int_equal(used, n);
	assert_int_equal(made, 4 * words);
	assert_memory_equal(back, in, 4 * words);
	memset(back, 0, 4 * words);
	assert_int_equal(uncompress(back, &length, packed, n), Z_OK);
	assert_int_equal(length, 4 * words);
	assert_memory_equal(back, in, 4 * words);
	assert_true(n <= 4 * words + 4 * words / 8192 + 64);
	libdeflate_free_decompressor(d);
	sm_free(packed);
	free(back);
	return n;
}

/* Values of `kinds` different words in `period` places, of which a share is background. */
static void fill(uint32_t *v, size_t words, uint32_t kinds, uint32_t period, double background)
{
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test", "words", kinds, period);
	for (size_t i = 0; i < words; i++) {
		uint32_t k = sm_rng_below(&rng, 1000) < background * 1000
				     ? 0
				     : sm_rng_below(&rng, kinds);
		v[i] = (k + 1) * 2654435761u ^ (uint32_t)(i % period) * 40503u;
	}
}

static void test_words_of_every_sort_come_back(void **state)
{
	(void)state;
	static const struct {
		uint32_t kinds, period;
		double background;
		double most; /* of the packed size, as a share */
	} sorts[] = {{1, 1, 0, 0.01},
		     {1, 16, 1, 0.01},
		     {2, 16, 0.5, 0.25},
		     {300, 16, 0.5, 0.6},
		     {300, 16, 0, 0.9},
		     {5000, 1, 0.1, 1.001},
		     {4000000000u, 1, 0, 1.001},
		     {4000000000u, 7, 0.9, 0.5},
		     {40, 8192, 0, 1.001},
		     {3, 8193, 0, 1.001}};
	uint32_t *v = malloc(WORDS * sizeof *v);
	assert_non_null(v);
	for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++) {
		fill(v, WORDS, sorts[i].kinds, sorts[i].period, sorts[i].background);
		size_t n = there_and_back(v, WORDS);
		assert_true((double)n <= sorts[i].most * 4 * WORDS);
	}
	free(v);
}

static void test_words_of_any_number_come_back(void **state)
{
	(void)state;
	uint32_t v[700];
	fill(v, 700, 5, 3, 0.5);
	for (size_t n = 1; n <= 700; n++)
		there_and_back(v, n);
	/* what changes in the middle: the codes of one block do not fit the next, which is then
	 * stored or not */
	uint32_t *w = malloc(WORDS * sizeof *w);
	assert_non_null(w);
	fill(w, WORDS / 2, 1, 1, 1);
	fill(w + WORDS / 2, WORDS - WORDS / 2, 4000000000u, 1, 0);
	there_and_back(w, WORDS);
	fill(w, WORDS / 3, 4000000000u, 1, 0);
	there_and_back(w, WORDS);
	free(w);
}

static void test_words_refuses_parts_of_words(void **state)
{
	(void)state;
	struct sm_err err = {0};
	unsigned char *packed = NULL;
	size_t n = 0;
	assert_int_equal(sm_deflate_words("abcdef", 6, &packed, &n, &err), SM_INTERNAL);
	assert_int_equal(sm_deflate_words("", 0, &packed, &n, &err), SM_INTERNAL);
	assert_null(packed);
}

/* The bytes made shall not depend on the machine: a change here changes files.sha256 of data
 * sets. */
static void test_words_give_the_same_bytes_everywhere(void **state)
{
	(void)state;
	uint32_t *v = malloc(WORDS * sizeof *v);
	unsigned char *packed = NULL;
	size_t n = 0;
	char hex[65];
	assert_non_null(v);
	fill(v, WORDS, 300, 16, 0.5);
	assert_int_equal(sm_deflate_words(v, 4 * WORDS, &packed, &n, NULL), SM_OK);
	sm_sha256_bytes(packed, n, hex);
	assert_string_equal(hex,
			    "937e63f861ec9eb4ba8208357fb21d699485c14c40e00d3a4a74f390dad1edc4");
	sm_free(packed);
	free(v);
}

static void test_pair_of_hashes_is_two_hashes(void **state)
{
	(void)state;
	unsigned char bytes[1000];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 256);
	/* what the first had before, and the lengths of two parts */
	for (size_t before = 0; before <= 128; before += 32)
		for (size_t n = 0; n < 400; n += 13) {
			char a[65], b[65], one[65], other[65];
			struct sm_sha256 *p = sm_sha256_begin(), *q = sm_sha256_begin();
			struct sm_sha256 *r = sm_sha256_begin();
			sm_sha256_add(p, bytes, before);
			sm_sha256_add(r, bytes, before);
			sm_sha256_add_pair(p, q, bytes, n);
			sm_sha256_add_pair(p, q, bytes + n, 500);
			sm_sha256_add(r, bytes, n + 500);
			sm_sha256_end(p, a);
			sm_sha256_end(q, b);
			sm_sha256_end(r, one);
			sm_sha256_bytes(bytes, n + 500, other);
			assert_string_equal(a, one);
			assert_string_equal(b, other);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_of_every_sort_come_back),
		cmocka_unit_test(test_words_of_any_number_come_back),
		cmocka_unit_test(test_words_refuses_parts_of_words),
		cmocka_unit_test(test_words_give_the_same_bytes_everywhere),
		cmocka_unit_test(test_pair_of_hashes_is_two_hashes),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
