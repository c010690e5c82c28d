/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/translate/placed.h"

#define FILL -1000.0f

static struct sm_mem mem;
static struct sm_err err;

/* A volume with value f(x, y, z); all its slices along `normal` are predicted. */
struct made {
	struct sm_vol vol;
	uint8_t kind[16];
};

static float at(int64_t x, int64_t y, int64_t z)
{
	return (float)(100 * z + 10 * y + x);
}

static void fill(struct made *m, int64_t nx, int64_t ny, int64_t nz)
{
	const int64_t dim[4] = {nx, ny, nz, 1};
	assert_good(sm_vol_init(&m->vol, dim, SM_F32, &mem, "t", &err), err);
	for (int64_t z = 0; z < nz; z++)
		for (int64_t y = 0; y < ny; y++)
			for (int64_t x = 0; x < nx; x++)
				((float *)m->vol.data)[(z * ny + y) * nx + x] = at(x, y, z);
	memset(m->kind, SM_MADE_PREDICTED, sizeof m->kind);
}

static struct sm_placing way_of(const struct made *m, int64_t nx, int64_t ny, int64_t nz)
{
	return (struct sm_placing){.dim = {nx, ny, nz},
				   .way = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}},
				   .made = &m->vol,
				   .normal = 2,
				   .kind = m->kind,
				   .fill = FILL};
}

static void assert_kinds(const struct sm_placed *placed, const char *kinds)
{
	for (size_t k = 0; kinds[k]; k++)
		assert_int_equal(placed->kind[k], kinds[k] - '0');
}

static void test_shifts_flips_and_swaps_copy(void **state)
{
	(void)state;
	struct made m;
	float out[4 * 5 * 3];
	struct sm_placed placed;
	fill(&m, 3, 2, 5);
	struct sm_placing p = way_of(&m, 3, 2, 5);
	assert_true(sm_placing_is_identity(&p));
	/* scan x -> made z turned round, scan y -> made x shifted, scan z -> made y */
	const double way[3][4] = {{0, 1, 0, -1}, {0, 0, 1, 0}, {-1, 0, 0, 4}};
	p = way_of(&m, 4, 5, 3);
	memcpy(p.way, way, sizeof way);
	assert_false(sm_placing_is_identity(&p));
	assert_good(sm_placing_run(&p, out, &placed, &err), err);
	size_t outside = 0;
	for (int64_t z = 0; z < 3; z++)
		for (int64_t y = 0; y < 5; y++)
			for (int64_t x = 0; x < 4; x++) {
				bool in = y >= 1 && y <= 3 && z < 2;
				outside += !in;
				assert_true(out[(z * 5 + y) * 4 + x] ==
					    (in ? at(y - 1, z, 4 - x) : FILL));
			}
	assert_int_equal(placed.outside, outside);
	assert_int_equal(placed.axis, 0);
	assert_kinds(&placed, "1111");
	sm_placed_clear(&placed);
	sm_vol_clear(&m.vol);
}

static void test_between_voxels_it_is_linear(void **state)
{
	(void)state;
	struct made m;
	float out[7 * 4 * 9];
	struct sm_placed placed;
	fill(&m, 4, 4, 4);
	struct sm_placing p = way_of(&m, 7, 4, 9);
	const double way[3][4] = {{0.5, 0, 0, 0.25}, {0, 1, 0, 0}, {0, 0, 0.5, -0.5}};
	memcpy(p.way, way, sizeof way);
	assert_good(sm_placing_run(&p, out, &placed, &err), err);
	for (int64_t z = 0; z < 9; z++)
		for (int64_t x = 0; x < 7; x++) {
			/* the edge goes on for half a voxel: z = 0 lies at -0.5, z = 8 at 3.5 */
			double u = 0.5 * (double)x + 0.25, w = 0.5 * (double)z - 0.5;
			u = u > 3 ? 3 : u;
			w = w < 0 ? 0 : w > 3 ? 3 : w;
			assert_true(fabs(out[(z * 4 + 2) * 7 + x] - (100 * w + 20 + u)) < 1e-4);
		}
	assert_int_equal(placed.outside, 0);
	sm_placed_clear(&placed);
	p.way[2][3] = -1; /* now the first one lies a whole voxel outside */
	assert_good(sm_placing_run(&p, out, &placed, &err), err);
	assert_int_equal(placed.outside, 7 * 4);
	assert_true(out[0] == FILL);
	assert_kinds(&placed, "011111111");
	sm_placed_clear(&placed);
	sm_vol_clear(&m.vol);
}

static void test_slices_that_nobody_made_are_no_values(void **state)
{
	(void)state;
	struct made m;
	float out[2 * 2 * 11];
	struct sm_placed placed;
	fill(&m, 2, 2, 6);
	m.kind[0] = m.kind[1] = m.kind[5] = SM_MADE_NOT;
	struct sm_placing p = way_of(&m, 2, 2, 11);
	p.way[2][2] = 0.5;
	assert_good(sm_placing_run(&p, out, &placed, &err), err);
	/* slices 2 to 4 of the made ones are 4 to 8 of the scan, half a slice beyond 3 and 9 */
	assert_kinds(&placed, "00011111110");
	assert_int_equal(placed.outside, 4 * 4);
	const double value[11] = {FILL, FILL, FILL, 200, 200, 250, 300, 350, 400, 400, FILL};
	for (int z = 0; z < 11; z++)
		assert_true(fabs(out[z * 4] - value[z]) < 1e-4);
	sm_placed_clear(&placed);
	/* the source's own: predicted is what has a share of a predicted one */
	memset(m.kind, SM_MADE_PROCESSED, 6);
	m.kind[3] = SM_MADE_PREDICTED;
	assert_good(sm_placing_run(&p, out, &placed, &err), err);
	assert_kinds(&placed, "22222111222");
	assert_int_equal(placed.outside, 0);
	sm_placed_clear(&placed);
	sm_vol_clear(&m.vol);
}

static void test_way_is_read_from_the_record(void **state)
{
	(void)state;
	struct sm_placing p = {0};
	const char *one = "[1,0,0,0, 0,1,0,0, 0,0,1,0, 0,0,0,1]",
		   *two = "[2,0,0,0, 0,1,0,0, 0,0,1,0, 0,0,0,1]";
	char text[600];
	snprintf(text, sizeof text,
		 "{\"source_grid\":{\"dim\":[2,3,4],\"affine\":%s},\"way\":%s,\"grids\":{\"mr\":"
		 "{\"dim\":[5,6,7],\"affine\":%s,\"way\":%s}}}",
		 one, one, one, two);
	json_t *record = json_loads(text, 0, NULL);
	assert_non_null(record);
	assert_good(sm_placing_read(record, "k", "mr", &p, &err), err);
	assert_true(p.dim[0] == 5 && p.dim[2] == 7 && p.way[0][0] == 2);
	assert_refused(sm_placing_read(record, "k", "ct", &p, &err), SM_INPUT, err,
		       "k: its record lacks the grid of ct");
	json_object_del(record, "grids");
	assert_good(sm_placing_read(record, "k", "ct", &p, &err), err);
	assert_true(p.dim[0] == 2 && p.way[0][0] == 1);
	json_array_set_new(json_object_get(record, "way"), 3, json_real(1e300));
	assert_refused(sm_placing_read(record, "k", "ct", &p, &err), SM_INPUT, err, "out of range");
	json_decref(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shifts_flips_and_swaps_copy),
		cmocka_unit_test(test_between_voxels_it_is_linear),
		cmocka_unit_test(test_slices_that_nobody_made_are_no_values),
		cmocka_unit_test(test_way_is_read_from_the_record),
	};
	sm_mem_init(&mem, 1u << 30);
	return run_tap(tests);
}
