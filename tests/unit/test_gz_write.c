/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "core/deflate.h"
#include "core/gz_write.h"
#include "core/mem.h"
#include "core/rng.h"

static struct sm_err err;
static const unsigned char head[352] = "a header";

enum filling { ZEROS, NOISE, SMOOTH, TEXT, FILLINGS };

/* SMOOTH is like a CT: 12-bit values, neighbours alike; TEXT has long matches. */
static unsigned char *fill(size_t n, enum filling how)
{
	unsigned char *p = calloc(n + 1, 1);
	struct sm_rng rng;
	sm_rng_init(&rng, 7, "test.gz", "", 0, 0);
	int value = 1000;
	for (size_t i = 0; how != ZEROS && i < n; i++) {
		uint32_t r = sm_rng_u32(&rng);
		if (how == NOISE)
			p[i] = (unsigned char)r;
		else if (how == TEXT)
			p[i] = (unsigned char)"scanmill "[(i + (r % 97 == 0)) % 9];
		else if (i % 2 == 0)
			p[i] = (unsigned char)(value = (value + (int)(r % 17) - 8) & 0xfff);
		else
			p[i] = (unsigned char)(value >> 8);
	}
	return p;
}

/* The member as bytes of memory (free with free), and the hash of what went into it. */
static unsigned char *write_member(const unsigned char *data, size_t n, int level, int jobs,
				   size_t *size, char hex[65])
{
	char *bytes = NULL;
	FILE *f = open_memstream(&bytes, size);
	struct sm_sha256 *hash = sm_sha256_begin();
	assert_good(
		sm_gz_write(f, head, sizeof head, data, n, level, jobs, hash, NULL, "test", &err),
		err);
	fclose(f);
	sm_sha256_end(hash, hex);
	return (unsigned char *)bytes;
}

/* True when zlib and libdeflate find one member with head and data in it and nothing behind. */
static void assert_member(const unsigned char *gz, size_t size, const unsigned char *data, size_t n)
{
	size_t all = sizeof head + n, used = 0, made = 0;
	unsigned char *out = malloc(all + 1);
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	assert_int_equal(libdeflate_gzip_decompress_ex(d, gz, size, out, all + 1, &used, &made), 0);
	assert_int_equal(used, size);
	assert_int_equal(made, all);
	assert_memory_equal(out, head, sizeof head);
	assert_memory_equal(out + sizeof head, data, n);
	libdeflate_free_decompressor(d);
	memset(out, 1, all + 1);
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)gz,
		      .avail_in = (unsigned)size,
		      .next_out = out,
		      .avail_out = (unsigned)all + 1};
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.avail_in, 0);
	assert_int_equal(z.total_out, all);
	assert_memory_equal(out + sizeof head, data, n);
	inflateEnd(&z);
	free(out);
}

static void check_size(size_t n, enum filling how, int level)
{
	unsigned char *data = fill(n, how), *first = NULL;
	size_t first_n = 0;
	char hex[65], whole[65];
	unsigned char *all = malloc(sizeof head + n);
	memcpy(all, head, sizeof head);
	memcpy(all + sizeof head, data, n);
	sm_sha256_bytes(all, sizeof head + n, whole);
	free(all);
	for (int jobs = 1; jobs <= 4; jobs *= 2) {
		size_t size;
		unsigned char *gz = write_member(data, n, level, jobs, &size, hex);
		assert_string_equal(hex, whole);
		if (!first) {
			assert_member(gz, size, data, n);
			first = gz;
			first_n = size;
			continue;
		}
		assert_int_equal(size, first_n);
		assert_memory_equal(gz, first, size);
		free(gz);
	}
	free(first);
	free(data);
}

static void test_gz_write_sizes_around_chunk_borders(void **state)
{
	(void)state;
	static const size_t sizes[] = {0,
				       1,
				       2,
				       1000,
				       SM_GZ_CHUNK - 1,
				       SM_GZ_CHUNK,
				       SM_GZ_CHUNK + 1,
				       SM_GZ_CHUNK + SM_GZ_CHUNK / 2,
				       SM_GZ_CHUNK + SM_GZ_CHUNK / 2 + 1,
				       2 * SM_GZ_CHUNK - 1,
				       2 * SM_GZ_CHUNK,
				       2 * SM_GZ_CHUNK + 1,
				       5 * SM_GZ_CHUNK + 12345};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int how = 0; how < FILLINGS; how++)
			check_size(sizes[i], (enum filling)how, 1);
	check_size(9 * SM_GZ_CHUNK + 1, SMOOTH, 6);
}

static void test_gz_write_every_level(void **state)
{
	(void)state;
	for (int level = 0; level <= 12; level++)
		for (int how = 0; how < FILLINGS; how++)
			if (level < 10 || how == SMOOTH)
				check_size(2 * SM_GZ_CHUNK + 70000, (enum filling)how, level);
}

/* Voxels are at most 2 % larger than with gzip at the same level; bytes in long matches, which
 * chunks cut, 10 %. */
static void test_gz_write_ratio_is_gzips(void **state)
{
	(void)state;
	static const double most[FILLINGS] = {
		[ZEROS] = 1.1, [NOISE] = 1.02, [SMOOTH] = 1.02, [TEXT] = 1.1};
	size_t n = 4 * SM_GZ_CHUNK, size;
	char hex[65];
	for (int how = 0; how < FILLINGS; how++) {
		unsigned char *data = fill(n, (enum filling)how);
		uLongf theirs_n = compressBound(n);
		unsigned char *theirs = malloc(theirs_n);
		assert_int_equal(compress2(theirs, &theirs_n, data, n, 6), Z_OK);
		free(write_member(data, n, 6, 2, &size, hex));
		if ((double)(size - sizeof head) > most[how] * (double)theirs_n)
			fail_msg("filling %d: %zu bytes, zlib makes %lu", how, size, theirs_n);
		free(theirs);
		free(data);
	}
}

static void test_gz_write_failing_disk_is_told(void **state)
{
	(void)state;
	unsigned char *data = fill(4 * SM_GZ_CHUNK, NOISE);
	FILE *f = fopen("/dev/full", "wb");
	assert_non_null(f);
	for (int jobs = 1; jobs <= 2; jobs++)
		assert_refused(sm_gz_write(f, head, sizeof head, data, 4 * SM_GZ_CHUNK, 1, jobs,
					   NULL, NULL, "x.gz", &err),
			       SM_IO, err, "x.gz: cannot write");
	fclose(f);
	free(data);
}

static void test_gz_write_refuses_level(void **state)
{
	(void)state;
	assert_refused(sm_gz_write(stdout, head, 1, head, 1, 13, 1, NULL, NULL, "x", &err),
		       SM_INTERNAL, err, "0..12");
	assert_refused(sm_gz_write(stdout, head, 1, head, 1, -1, 1, NULL, NULL, "x", &err),
		       SM_INTERNAL, err, "0..12");
}

/* What zlib tells of a stream by Z_BLOCK; false when it refuses. */
static bool zlib_walk(const unsigned char *in, size_t n, struct sm_deflate_end *e)
{
	unsigned char *out = malloc(65536);
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)in, .avail_in = (unsigned)n};
	int r = inflateInit2(&z, -15);
	*e = (struct sm_deflate_end){0};
	while (r == Z_OK || r == Z_BUF_ERROR) {
		z.next_out = out;
		z.avail_out = 65536;
		r = inflate(&z, Z_BLOCK);
		if (r == Z_BUF_ERROR && !z.avail_in)
			break;
		if (r == Z_OK && (z.data_type & 128) && !(z.data_type & 64))
			e->last_block = z.total_in * 8 - (z.data_type & 7);
	}
	e->end = z.total_in * 8 - (z.data_type & 7);
	e->size = z.total_out;
	inflateEnd(&z);
	free(out);
	return r == Z_STREAM_END;
}

static void assert_walk(const unsigned char *in, size_t n)
{
	struct sm_deflate_end ours, theirs;
	assert_true(zlib_walk(in, n, &theirs));
	assert_true(sm_deflate_walk(in, n, &ours));
	assert_int_equal(ours.last_block, theirs.last_block);
	assert_int_equal((ours.end + 7) / 8, (theirs.end + 7) / 8);
	assert_int_equal(ours.size, theirs.size);
	struct sm_deflate_end cut;
	assert_false(sm_deflate_walk(in, n - 1, &cut));
}

static void test_deflate_walk_agrees_with_zlib(void **state)
{
	(void)state;
	static const int strategies[] = {Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE};
	size_t n = 200000, room = 300000;
	unsigned char *packed = malloc(room);
	for (int how = 0; how < FILLINGS; how++) {
		unsigned char *data = fill(n, (enum filling)how);
		for (int level = 1; level <= 12; level += 5) {
			struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
			for (size_t m = 0; m < n; m = m * 3 + 1)
				assert_walk(packed,
					    libdeflate_deflate_compress(c, data, m, packed, room));
			libdeflate_free_compressor(c);
		}
		for (size_t k = 0; k < 8; k++) {
			z_stream z = {.next_in = data, .avail_in = (unsigned)n, .next_out = packed,
				      .avail_out = (unsigned)room};
			assert_int_equal(
				deflateInit2(&z, k & 4 ? 9 : 1, 8, -15, 8, strategies[k & 3]),
				Z_OK);
			assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
			assert_walk(packed, z.total_out);
			deflateEnd(&z);
		}
		free(data);
	}
	free(packed);
}

/* Damaged streams: whatever zlib takes we take with the same ends. */
static void test_deflate_walk_takes_what_zlib_takes(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 9, "test.walk", "", 0, 0);
	unsigned char *data = fill(3000, SMOOTH), *packed = malloc(8000);
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
	size_t taken = 0, refused = 0;
	for (int round = 0; round < 20000; round++) {
		size_t n = libdeflate_deflate_compress(c, data + round % 7,
						       100 + (size_t)round % 2000, packed, 8000);
		for (uint32_t flips = 1 + sm_rng_u32(&rng) % 3; flips; flips--) {
			/* The header of the block is where most rules are. */
			size_t at = sm_rng_u32(&rng) % (round % 2 ? 80 : n);
			packed[at < n ? at : 0] ^= (unsigned char)(1u << sm_rng_u32(&rng) % 8);
		}
		struct sm_deflate_end ours, theirs;
		bool good = zlib_walk(packed, n, &theirs), mine = sm_deflate_walk(packed, n, &ours);
		taken += good;
		refused += !mine;
		if (!good)
			continue;
		assert_true(mine);
		assert_int_equal(ours.last_block, theirs.last_block);
		assert_int_equal((ours.end + 7) / 8, (theirs.end + 7) / 8);
		assert_int_equal(ours.size, theirs.size);
	}
	assert_true(taken > 1000);
	assert_true(refused > 1000);
	libdeflate_free_compressor(c);
	free(packed);
	free(data);
}

/* Every number of bits in the last byte: a stored block must follow well. */
static void test_deflate_open_at_every_bit(void **state)
{
	(void)state;
	unsigned seen = 0;
	unsigned char packed[4096], data[300], out[700];
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
	for (unsigned i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)(i * i % 7 + i % 3);
	for (size_t n = 0; n < sizeof data; n++) {
		struct sm_deflate_end end;
		size_t first = libdeflate_deflate_compress(c, data, n, packed, 2000);
		assert_true(sm_deflate_walk(packed, first, &end));
		/* Rubbish behind the end must not matter. */
		if (end.end % 8)
			packed[first - 1] |= (unsigned char)(0xff << end.end % 8);
		seen |= 1u << end.end % 8;
		first = sm_deflate_open(packed, first, &end);
		size_t second =
			libdeflate_deflate_compress(c, data, sizeof data, packed + first, 2000);
		z_stream z = {.next_in = packed,
			      .avail_in = (unsigned)(first + second),
			      .next_out = out,
			      .avail_out = sizeof out};
		assert_int_equal(inflateInit2(&z, -15), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.avail_in, 0);
		assert_int_equal(z.total_out, n + sizeof data);
		assert_memory_equal(out, data, n);
		assert_memory_equal(out + n, data, sizeof data);
		inflateEnd(&z);
	}
	assert_int_equal(seen, 255);
	libdeflate_free_compressor(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gz_write_sizes_around_chunk_borders),
		cmocka_unit_test(test_gz_write_every_level),
		cmocka_unit_test(test_gz_write_ratio_is_gzips),
		cmocka_unit_test(test_gz_write_failing_disk_is_told),
		cmocka_unit_test(test_gz_write_refuses_level),
		cmocka_unit_test(test_deflate_walk_agrees_with_zlib),
		cmocka_unit_test(test_deflate_walk_takes_what_zlib_takes),
		cmocka_unit_test(test_deflate_open_at_every_bit),
	};
	return run_tap(tests);
}
