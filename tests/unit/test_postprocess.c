/* SPDX-License-Identifier: Apache-2.0 */
/* What is removed of connected components, against a flood fill. */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "train/postprocess.h"

static struct sm_err err;

/* Marks all that hangs together with voxel `from`. */
static int64_t flood(uint8_t *label, const int64_t d[3], int64_t from, int neighbours,
		     const uint8_t *member, uint8_t *seen, int64_t *stack)
{
	int64_t n = 0, size = 0;
	(void)label;
	stack[n++] = from;
	seen[from] = 1;
	while (n) {
		int64_t at = stack[--n], x = at % d[0], y = at / d[0] % d[1], z = at / d[0] / d[1];
		size++;
		for (int k = 0; k < 27; k++) {
			int dx = k % 3 - 1, dy = k / 3 % 3 - 1, dz = k / 9 - 1;
			if (abs(dx) + abs(dy) + abs(dz) > neighbours + 1 || x + dx < 0 ||
			    x + dx >= d[0] || y + dy < 0 || y + dy >= d[1] || z + dz < 0 ||
			    z + dz >= d[2])
				continue;
			int64_t next = at + dx + d[0] * (dy + d[1] * dz);
			if (member[label[next]] && !seen[next]) {
				seen[next] = 1;
				stack[n++] = next;
			}
		}
	}
	return size;
}

static void test_removing_is_what_a_flood_fill_says(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.parts", "", 0, 0);
	for (int round = 0; round < 300; round++) {
		const int64_t d[3] = {1 + sm_rng_below(&rng, 14), 1 + sm_rng_below(&rng, 12),
				      1 + sm_rng_below(&rng, 10)};
		int64_t n = d[0] * d[1] * d[2], voxels, parts, want_voxels = 0, want_parts = 0,
			largest = -1;
		uint8_t label[1680], was[1680], seen[1680] = {0};
		int64_t stack[1680], size[1680] = {0}, most = 0;
		struct sm_clean rule = {.neighbours = (enum sm_neighbours)(round % 3),
					.largest = round / 3 % 2,
					.least = round / 6 % 3 * 3};
		rule.member[1] = 1;
		rule.member[3] = (uint8_t)(round % 2);
		for (int64_t i = 0; i < n; i++)
			label[i] = sm_rng_below(&rng, 10) < 5
					   ? 0
					   : (uint8_t)(1 + sm_rng_below(&rng, 3));
		memcpy(was, label, (size_t)n);
		for (int64_t i = 0; i < n; i++)
			if (rule.member[was[i]] && !seen[i]) {
				size[i] = flood(was, d, i, (int)rule.neighbours, rule.member, seen,
						stack);
				if (size[i] > most) {
					most = size[i];
					largest = i;
				}
			}
		assert_good(sm_clean(label, d, &rule, NULL, &voxels, &parts, &err), err);
		memset(seen, 0, sizeof seen);
		for (int64_t i = 0; i < n; i++)
			if (size[i] && ((rule.largest && i != largest) || size[i] < rule.least)) {
				uint8_t part[1680] = {0};
				flood(was, d, i, (int)rule.neighbours, rule.member, part, stack);
				for (int64_t k = 0; k < n; k++)
					seen[k] |= part[k];
				want_voxels += size[i];
				want_parts++;
			}
		for (int64_t i = 0; i < n; i++)
			assert_int_equal(label[i], seen[i] ? 0 : was[i]);
		assert_int_equal(voxels, want_voxels);
		assert_int_equal(parts, want_parts);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_removing_is_what_a_flood_fill_says),
	};
	return run_tap(tests);
}
