/* SPDX-License-Identifier: Apache-2.0 */
/* Lesions that are little beside their prediction are measured another way (eval/shared_surface.h):
 * it must not be seen in a number. And the limit of size on turned grids. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/vol.h"
#include "eval/column.h"
#include "eval/lesions.h"
#include "eval/shared_surface.h"
#include "eval/surface.h"

static struct sm_err err;
static struct sm_mem mem;
static const bool volume[3];

enum { NX = 90, NY = 80, NZ = 70, N = NX * NY * NZ, WALL = 44 };
static const int64_t grid[3] = {NX, NY, NZ};
static uint8_t truth[N], prediction[N], one[N], half[N];

static uint32_t state;
static int64_t below(int64_t n)
{
	state = state * 1664525u + 1013904223u;
	return (int64_t)(state >> 16) % n;
}

/* Two predicted components, of noise with a lattice to hold it together, a gap of two planes
 * between; true lesions of 1 to 4 voxels along an axis, so far apart that none grow together. */
static void make(uint32_t seed, int64_t share)
{
	state = seed;
	memset(truth, 0, sizeof truth);
	for (int64_t z = 0, i = 0; z < NZ; z++)
		for (int64_t y = 0; y < NY; y++)
			for (int64_t x = 0; x < NX; x++, i++)
				prediction[i] = x != WALL && x != WALL + 1 &&
						(below(100) < share || (x % 2 == 0 && y % 9 == 0) ||
						 (x % 2 == 0 && z % 9 == 0) ||
						 (y % 9 == 0 && z % 9 == 0));
	for (int64_t z = 2; z < NZ - 8; z += 16)
		for (int64_t y = 2; y < NY - 8; y += 18)
			for (int64_t x = 2; x < NX - 8; x += 20) {
				int64_t at[3] = {x + below(4), y + below(4), z + below(4)};
				int64_t size[3] = {1 + below(4), 1 + below(4), 1 + below(4)};
				for (int64_t k = 0; k < size[0] * size[1] * size[2]; k++)
					truth[((at[2] + k / size[0] / size[1]) * NY + at[1] +
					       k / size[0] % size[1]) *
						      NX +
					      at[0] + k % size[0]] = k == 0 || below(4) != 0;
			}
}

/* What one lesion would be given alone: the voxels of the truth within 5 of its first one. */
static double alone(const struct sm_lesion *l, const double mm[3])
{
	struct sm_surface s;
	struct sm_surface_settings settings = {.spacing = {mm[0], mm[1], mm[2]},
					       .families = 1u << SM_FROM_SURFELS,
					       .mem = &mem,
					       .jobs = 2};
	memset(one, 0, sizeof one);
	for (int64_t i = 0; i < N; i++) {
		const int64_t at[3] = {i % NX, i / NX % NY, i / NX / NY};
		bool here = true;
		for (int a = 0; a < 3; a++)
			here = here && llabs(at[a] - l->first[a]) <= 5;
		one[i] = here && truth[i];
		half[i] = prediction[i] &&
			  (l->components == 2 || (at[0] < WALL) == (l->first[0] < WALL));
	}
	assert_good(sm_surface_measure(one, half, grid, &settings, &s, &err), err);
	return fmax(s.surfel_hd95[0], s.surfel_hd95[1]);
}

static void test_shared_is_as_alone(void **unused)
{
	(void)unused;
	static const double spacing[][3] = {{1, 1, 1}, {.75, .75, .75}, {.7, 1.3, 2.1}};
	static const int64_t share[] = {50, 70, 96};
	unsigned both = 0;
	for (uint32_t k = 0; k < 3; k++) {
		const double *mm = spacing[k];
		const bool equal = mm[0] == mm[1] && mm[0] == mm[2];
		struct sm_lesions a, b;
		struct sm_lesion *list, *again;
		make(k + 1, share[k]);
		assert_good(sm_lesions_list(truth, prediction, grid, mm, volume,
					    &sm_lesion_rules[SM_LESIONS_MEN], .5, 1, &mem, &a, &list,
					    &err),
			    err);
		assert_good(sm_lesions_list(truth, prediction, grid, mm, volume,
					    &sm_lesion_rules[SM_LESIONS_MEN], .5, 3, &mem, &b,
					    &again, &err),
			    err);
		assert_int_equal(a.truth, 4 * 4 * 4);
		assert_int_equal(a.predicted, 2);
		assert_true(memcmp(&a.hd95, &b.hd95, sizeof a.hd95) == 0);
		for (uint32_t i = 0; i < a.truth; i++) {
			assert_true(memcmp(&list[i].hd95, &again[i].hd95, sizeof list->hd95) == 0);
			both += list[i].components == 2;
			if (i % 6 || !list[i].components ||
			    (list[i].components == 1 && llabs(list[i].first[0] - WALL) < 6))
				continue; /* beside the gap it may be either one's */
			const double wanted = alone(&list[i], mm);
			if (equal)
				assert_true(list[i].hd95 == wanted);
			else
				assert_true(fabs(list[i].hd95 - wanted) <= 1e-12 * wanted);
		}
		sm_free(list);
		sm_free(again);
	}
	assert_true(both > 0);
}

/* One cube against one voxel: all corner points of the lesion weigh the same, so whether 95 % of
 * them is reached can hang on rounding, and then nothing may be told. */
static void test_what_is_unsure_is_not_told(void **unused)
{
	(void)unused;
	static const double mm[3] = {1, 1, 1};
	struct sm_components of;
	struct sm_shared_surface s;
	struct sm_site site[20];
	const uint32_t component = 0;
	uint8_t member[256] = {0, 1}, needed = 1;
	const struct sm_component_box box = {{10, 10, 10}, {11, 11, 11}};
	double hd95;
	bool sure;
	memset(one, 0, sizeof one);
	one[(10 * NY + 10) * NX + 10] = 1;
	for (int i = 0; i < 20; i++) /* one of 20 is farther than the others: 19 are 95 % */
		site[i] = (struct sm_site){{i == 7 ? 60 : 30, 10, 10}, 1};
	assert_good(sm_components_find(&of, one, grid, member, SM_CORNERS, &mem, &err), err);
	assert_good(sm_shared_surface_init(&s, &of, &box, &needed, grid, mm, &mem, &err), err);
	assert_int_equal(sm_shared_surface_cells(&s, &component, 1), 1);
	assert_good(sm_shared_surface_hd95(&s, &component, 1, site, 20, &hd95, &sure, &err), err);
	assert_false(sure);
	site[8].at[0] = 60;
	assert_good(sm_shared_surface_hd95(&s, &component, 1, site, 20, &hd95, &sure, &err), err);
	assert_true(sure);
	assert_true(hd95 == 49);
	sm_shared_surface_clear(&s);
	sm_components_clear(&of);
}

/* A missed lesion of so many voxels of a grid turned by some angles, its affine in float32. */
static void turned(double angle, double scale, int64_t voxels, unsigned left_out)
{
	const double c = cos(angle), s = sin(angle), d = cos(2 * angle), e = sin(2 * angle);
	const double turn[3][3] = {{c * d, -s, c * e}, {s * d, c, s * e}, {-e, 0, d}};
	struct sm_vol vol = {.dim = {NX, NY, NZ}};
	struct sm_lesions out;
	double mm[3];
	for (int r = 0; r < 3; r++)
		for (int k = 0; k < 3; k++)
			vol.affine[r][k] = (float)(scale * turn[r][k]);
	sm_vol_spacing(&vol, mm);
	memset(truth, 0, sizeof truth);
	memset(prediction, 0, sizeof prediction);
	for (int64_t i = 0; i < voxels; i++)
		truth[((3 + i / 25) * NY + 3 + i / 5 % 5) * NX + 3 + i % 5] = 1;
	assert_good(sm_lesions_measure(truth, prediction, grid, mm,
				       &sm_lesion_rules[SM_LESIONS_GLI], .5, 1, &mem, &out, &err),
		    err);
	assert_int_equal(out.filtered, left_out);
	assert_int_equal(out.fn, 1 - left_out);
	assert_true(out.dice == left_out);
}

static void test_limit_on_turned_grids(void **unused)
{
	(void)unused;
	for (int i = 0; i < 60; i++) {
		turned(i * .1, 1, 50, 1);
		turned(i * .1, 1, 51, 0);
		turned(i * .1, 1.00001, 50, 0); /* larger for real */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_is_as_alone),
		cmocka_unit_test(test_what_is_unsure_is_not_told),
		cmocka_unit_test(test_limit_on_turned_grids),
	};
	sm_mem_init(&mem, 0);
	return run_tap(tests);
}
