/* SPDX-License-Identifier: Apache-2.0 */
/* Connected components: against scipy's numbers, their order, memory. */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/components.h"

static struct sm_err err;
static const uint8_t ones[256] = {0, 1};

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? 1 : x > y ? -1 : 0;
}

static void test_numbers_of_scipy(void **state)
{
	(void)state;
	char line[512];
	int rows = 0;
	FILE *file = fopen("tests/golden/parts.txt", "r");
	assert_non_null(file);
	for (; fgets(line, sizeof line, file); rows++) {
		long long n[16];
		int count = 0, used;
		for (char *p = line; count < 16 && sscanf(p, "%lld%n", n + count, &used) == 1;
		     p += used)
			count++;
		assert_true(count >= 8);
		const int64_t dim[3] = {n[0], n[1], n[2]};
		size_t voxels = (size_t)(dim[0] * dim[1] * dim[2]);
		uint8_t *label = malloc(voxels);
		uint32_t lcg = (uint32_t)n[3];
		struct sm_components parts;
		int64_t sum = 0;
		assert_non_null(label);
		for (size_t i = 0; i < voxels; i++) {
			lcg = lcg * 1664525u + 1013904223u;
			label[i] = (lcg >> 16) % 1000 < (uint32_t)n[4];
		}
		assert_good(sm_components_find(&parts, label, dim, ones,
					       n[5] == 6    ? SM_FACES
					       : n[5] == 18 ? SM_EDGES
							    : SM_CORNERS,
					       NULL, &err),
			    err);
		assert_int_equal(parts.count, n[6]);
		for (size_t i = 0; i < parts.count; i++)
			sum += parts.size[i];
		assert_int_equal(sum, n[7]);
		qsort(parts.size, parts.count, sizeof *parts.size, by_size);
		for (int i = 8; i < count; i++)
			assert_int_equal(parts.size[i - 8], n[i]);
		sm_components_clear(&parts);
		free(label);
	}
	fclose(file);
	assert_int_equal(rows, 75);
}

static void test_memory_is_bounded(void **state)
{
	(void)state;
	static uint8_t label[64 * 64 * 64];
	const int64_t dim[3] = {64, 64, 64};
	struct sm_components parts;
	struct sm_mem mem;
	for (size_t i = 0; i < sizeof label; i++)
		label[i] = i % 2 == 0;
	sm_mem_init(&mem, 100000);
	assert_int_equal(sm_components_find(&parts, label, dim, ones, SM_FACES, &mem, &err),
			 SM_BUDGET);
	assert_int_equal(mem.used, 0);
	memset(label, 1, sizeof label);
	sm_mem_init(&mem, 0);
	assert_good(sm_components_find(&parts, label, dim, ones, SM_FACES, &mem, &err), err);
	assert_true(mem.peak < sizeof label);
	assert_true(parts.count == 1 && parts.size[0] == sizeof label);
	sm_components_clear(&parts);
}

/* A label set is the mask of its labels, also where label 0 is in it. */
static void test_any_label_set(void **state)
{
	(void)state;
	static const uint8_t sets[][4] = {{1, 0, 0, 0}, {1, 0, 1, 0}, {0, 1, 0, 1}, {1, 1, 1, 1}};
	uint8_t label[33 * 17 * 9], mask[sizeof label];
	const int64_t dim[3] = {33, 17, 9};
	uint32_t lcg = 3;
	for (size_t i = 0; i < sizeof label; i++) {
		lcg = lcg * 1664525u + 1013904223u;
		label[i] = lcg >> 28 < 9 ? 0 : (uint8_t)(lcg >> 16 & 3);
	}
	for (size_t k = 0; k < sizeof sets / sizeof *sets; k++) {
		uint8_t member[256] = {0};
		struct sm_components a, b;
		memcpy(member, sets[k], 4);
		for (size_t i = 0; i < sizeof label; i++)
			mask[i] = member[label[i]];
		assert_good(sm_components_find(&a, label, dim, member, SM_EDGES, NULL, &err), err);
		assert_good(sm_components_find(&b, mask, dim, ones, SM_EDGES, NULL, &err), err);
		assert_int_equal(a.count, b.count);
		assert_int_equal(a.runs, b.runs);
		assert_memory_equal(a.row, b.row, (a.rows + 1) * sizeof *a.row);
		assert_memory_equal(a.run, b.run, a.runs * sizeof *a.run);
		assert_memory_equal(a.size, b.size, a.count * sizeof *a.size);
		sm_components_clear(&a);
		sm_components_clear(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_of_scipy),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_any_label_set),
	};
	return run_tap(tests);
}
