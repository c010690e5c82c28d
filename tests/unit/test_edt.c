/* SPDX-License-Identifier: Apache-2.0
 *
 * Distances to the nearest site against trying every site, on random masks and spacings, near and
 * far sites, rows of one and of several words.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "eval/edt.h"

struct scene {
	struct sm_edt_grid g;
	size_t n;
	uint8_t *site;
	double *found, *tried;
};

static void scene_make(struct scene *s, int64_t x, int64_t y, int64_t z, double sx, double sy,
		       double sz)
{
	*s = (struct scene){.g = {.n = {x, y, z}, .spacing = {sx, sy, sz}, .jobs = 2}};
	s->n = (size_t)(x * y * z);
	s->site = calloc(s->n, 1);
	s->found = malloc(s->n * sizeof *s->found);
	s->tried = malloc(s->n * sizeof *s->tried);
	assert_non_null(s->site);
	assert_non_null(s->found);
	assert_non_null(s->tried);
}

static void scene_clear(struct scene *s)
{
	free(s->site);
	free(s->found);
	free(s->tried);
}

static void try_every_site(struct scene *s)
{
	const int64_t *n = s->g.n;
	const double *mm = s->g.spacing;
	size_t sites = 0, *at = malloc(s->n * sizeof *at);
	assert_non_null(at);
	for (size_t i = 0; i < s->n; i++)
		if (s->site[i])
			at[sites++] = i;
	for (size_t i = 0; i < s->n; i++) {
		s->tried[i] = INFINITY;
		for (size_t k = 0; k < sites; k++) {
			const int64_t a = (int64_t)i, b = (int64_t)at[k];
			const double dx = (double)(a % n[0] - b % n[0]) * mm[0],
				     dy = (double)(a / n[0] % n[1] - b / n[0] % n[1]) * mm[1],
				     dz = (double)(a / n[0] / n[1] - b / n[0] / n[1]) * mm[2],
				     square = dx * dx + (dy * dy + dz * dz);
			s->tried[i] = square < s->tried[i] ? square : s->tried[i];
		}
	}
	free(at);
}

/* Equal spacing of a power of two: every bit; otherwise to a rounding. */
static void compare(const struct scene *s, bool every_bit)
{
	for (size_t i = 0; i < s->n; i++) {
		const double slack = every_bit ? 0 : 4e-15 * s->tried[i];
		if (!(fabs(s->found[i] - s->tried[i]) <= slack))
			fail_msg("voxel %zu of %lld x %lld x %lld, spacing %g %g %g: %.17g, trying "
				 "every site %.17g",
				 i, (long long)s->g.n[0], (long long)s->g.n[1],
				 (long long)s->g.n[2], s->g.spacing[0], s->g.spacing[1],
				 s->g.spacing[2], s->found[i], s->tried[i]);
	}
}

static void check(struct scene *s)
{
	struct sm_err err = {0};
	const double *mm = s->g.spacing;
	assert_good(sm_edt_squared(s->site, &s->g, s->found, &err), err);
	try_every_site(s);
	compare(s, mm[0] == mm[1] && mm[0] == mm[2] && (mm[0] == 1 || mm[0] == 0.5));
}

static void random_sites(struct scene *s, struct sm_rng *rng, uint32_t one_in)
{
	for (size_t i = 0; i < s->n; i++)
		s->site[i] = sm_rng_below(rng, one_in) == 0;
	s->site[sm_rng_below(rng, (uint32_t)s->n)] = 1;
}

static void random_masks_agree_with_trying_every_site(void **state)
{
	(void)state;
	static const double spacings[][3] = {
		{1, 1, 1},       {0.5, 0.5, 0.5}, {0.7, 0.7, 0.7},      {1, 1, 5},
		{0.3, 2.1, 0.9}, {4, 0.25, 0.25}, {0.9375, 0.9375, 1.2}};
	static const uint32_t rarity[] = {2, 20, 400, 100000};
	struct sm_rng rng;
	sm_rng_init(&rng, 7, "test.edt", "", 0, 0);
	for (size_t k = 0; k < sizeof spacings / sizeof *spacings; k++)
		for (size_t r = 0; r < sizeof rarity / sizeof *rarity; r++) {
			struct scene s;
			scene_make(&s, 1 + sm_rng_below(&rng, 20), 1 + sm_rng_below(&rng, 14),
				   1 + sm_rng_below(&rng, 11), spacings[k][0], spacings[k][1],
				   spacings[k][2]);
			random_sites(&s, &rng, rarity[r]);
			check(&s);
			scene_clear(&s);
		}
}

/* Rows of three words, and sites that are far from most voxels: planes have to find them. */
static void long_rows_and_far_sites_agree(void **state)
{
	(void)state;
	static const double spacings[][3] = {{1, 1, 1}, {0.8, 1.1, 2.3}};
	struct sm_rng rng;
	sm_rng_init(&rng, 8, "test.edt", "", 0, 0);
	for (size_t k = 0; k < 2; k++)
		for (int sites = 1; sites <= 40; sites += 13) {
			struct scene s;
			scene_make(&s, 150, 45, 40, spacings[k][0], spacings[k][1], spacings[k][2]);
			for (int i = 0; i < sites; i++)
				s.site[sm_rng_below(&rng, (uint32_t)s.n / 3)] = 1;
			check(&s);
			scene_clear(&s);
		}
}

static void lines_and_single_voxels_agree(void **state)
{
	(void)state;
	static const int64_t dims[][3] = {{1, 1, 1},  {200, 1, 1}, {1, 200, 1}, {1, 1, 200},
					  {62, 2, 2}, {63, 3, 1},  {64, 1, 3},  {128, 2, 2}};
	struct sm_rng rng;
	sm_rng_init(&rng, 9, "test.edt", "", 0, 0);
	for (size_t k = 0; k < sizeof dims / sizeof *dims; k++)
		for (int way = 0; way < 4; way++) {
			struct scene s;
			scene_make(&s, dims[k][0], dims[k][1], dims[k][2], 1, 1.5, 0.5);
			s.site[way == 0   ? 0
			       : way == 1 ? s.n - 1
					  : sm_rng_below(&rng, (uint32_t)s.n)] = 1;
			check(&s);
			scene_clear(&s);
		}
}

static void no_site_is_infinitely_far(void **state)
{
	(void)state;
	struct scene s;
	struct sm_err err = {0};
	scene_make(&s, 5, 6, 7, 1, 1, 1);
	assert_good(sm_edt_squared(s.site, &s.g, s.found, &err), err);
	for (size_t i = 0; i < s.n; i++)
		assert_true(isinf(s.found[i]) && s.found[i] > 0);
	scene_clear(&s);
}

/* Any order, twice the same voxel. */
static void asked_voxels_get_what_the_whole_grid_gets(void **state)
{
	(void)state;
	struct scene s;
	struct sm_err err = {0};
	struct sm_rng rng;
	uint32_t where[500];
	double there[500];
	sm_rng_init(&rng, 10, "test.edt", "", 0, 0);
	scene_make(&s, 90, 30, 12, 1, 1, 3);
	random_sites(&s, &rng, 900);
	assert_good(sm_edt_squared(s.site, &s.g, s.found, &err), err);
	for (size_t i = 0; i < 500; i++)
		where[i] = i % 7 ? sm_rng_below(&rng, (uint32_t)s.n) : 4711;
	assert_good(sm_edt_at(s.site, &s.g, where, 500, there, &err), err);
	for (size_t i = 0; i < 500; i++)
		assert_true(there[i] == s.found[where[i]]);
	where[3] = (uint32_t)s.n;
	assert_refused(sm_edt_at(s.site, &s.g, where, 500, there, &err), SM_INTERNAL, err,
		       "voxel number 32400 of 32400");
	scene_clear(&s);
}

static void threads_change_no_bit(void **state)
{
	(void)state;
	struct scene s;
	struct sm_err err = {0};
	struct sm_rng rng;
	sm_rng_init(&rng, 11, "test.edt", "", 0, 0);
	scene_make(&s, 100, 60, 50, 0.9, 1.1, 2);
	for (int i = 0; i < 5; i++)
		s.site[sm_rng_below(&rng, (uint32_t)s.n)] = 1;
	s.g.jobs = 1;
	assert_good(sm_edt_squared(s.site, &s.g, s.found, &err), err);
	s.g.jobs = 5;
	assert_good(sm_edt_squared(s.site, &s.g, s.tried, &err), err);
	assert_memory_equal(s.found, s.tried, s.n * sizeof *s.found);
	scene_clear(&s);
}

static void a_spacing_that_is_no_length_and_memory_beyond_the_budget_are_refused(void **state)
{
	(void)state;
	struct scene s;
	struct sm_err err = {0};
	struct sm_mem mem;
	scene_make(&s, 40, 40, 40, 1, 0, 1);
	assert_refused(sm_edt_squared(s.site, &s.g, s.found, &err), SM_INTERNAL, err,
		       "spacing 0 mm");
	s.g.spacing[1] = 1;
	s.site[5] = 1;
	for (size_t limit = 1000; limit < 40000; limit += 3000) {
		sm_mem_init(&mem, limit);
		s.g.mem = &mem;
		assert_int_equal(sm_edt_squared(s.site, &s.g, s.found, &err), SM_BUDGET);
		assert_int_equal(mem.used, 0);
	}
	scene_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_masks_agree_with_trying_every_site),
		cmocka_unit_test(long_rows_and_far_sites_agree),
		cmocka_unit_test(lines_and_single_voxels_agree),
		cmocka_unit_test(no_site_is_infinitely_far),
		cmocka_unit_test(asked_voxels_get_what_the_whole_grid_gets),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(
			a_spacing_that_is_no_length_and_memory_beyond_the_budget_are_refused),
	};
	return run_tap(tests);
}
