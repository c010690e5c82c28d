/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <math.h>
#include <string.h>

#include "derive/interleave.h"

static struct sm_mem mem;
static struct sm_err err;

static void make(struct sm_vol *vol, int64_t x, int64_t y, int64_t z, enum sm_dtype type)
{
	/* oblique, two axes flipped, unequal spacings, tilted */
	static const double affine[4][4] = {{-0.8, 0.3, 0.1, 12.25},
					    {0.2, -0.7, 0.4, -100.5},
					    {0.1, 0.2, -3.1, 7.75},
					    {0, 0, 0, 1}};
	const int64_t dim[4] = {x, y, z, 1};
	assert_good(sm_vol_init(vol, dim, type, &mem, "test", &err), err);
	memcpy(vol->affine, affine, sizeof affine);
}

static void where(double affine[4][4], const double at[3], double out[3])
{
	for (int i = 0; i < 3; i++)
		out[i] = affine[i][0] * at[0] + affine[i][1] * at[1] + affine[i][2] * at[2] +
			 affine[i][3];
}

/* Slice k of both has the same bytes and lies in the same place. */
static void check_original(const struct sm_interleave *il, int64_t k)
{
	size_t size = sm_dtype_size(il->source->dtype);
	for (int64_t y = 0; y < il->from.height; y++)
		for (int64_t x = 0; x < il->from.width; x++) {
			size_t a = (size_t)x * il->from.step_x + (size_t)y * il->from.step_y +
				   (size_t)k * il->from.step,
			       b = (size_t)x * il->to.step_x + (size_t)y * il->to.step_y +
				   (size_t)(k * il->factor) * il->to.step;
			assert_memory_equal((const char *)il->source->data + a * size,
					    (const char *)il->out.data + b * size, size);
		}
	for (int corner = 0; corner < 4; corner++) {
		double at[3], old[3], new[3];
		int axis = il->from.axis, other = axis == 0 ? 1 : 0, last = axis == 2 ? 1 : 2;
		at[other] = corner & 1 ? (double)il->from.width - 1 : 0;
		at[last] = corner & 2 ? (double)il->from.height - 1 : 0;
		at[axis] = (double)k;
		where(((struct sm_vol *)(uintptr_t)il->source)->affine, at, old);
		at[axis] = (double)(k * il->factor);
		where(((struct sm_interleave *)(uintptr_t)il)->out.affine, at, new);
		for (int i = 0; i < 3; i++)
			assert_true(fabs(old[i] - new[i]) < 1e-12 * 200);
	}
}

static void test_interleave_keeps_every_original_for_every_factor_axis_and_type(void **state)
{
	(void)state;
	static const enum sm_fill fill[] = {SM_FILL_NEAREST, SM_FILL_LINEAR, SM_FILL_CUBIC};
	for (int factor = SM_FACTOR_MIN; factor <= SM_FACTOR_MAX; factor++)
		for (int axis = 0; axis < 3; axis++)
			for (int type = SM_U8; type <= SM_F64; type++) {
				struct sm_vol vol;
				struct sm_interleave il;
				struct sm_filler filler = {
					.method = fill[(factor + axis + type) % 3]};
				make(&vol, 3, 4, 5, (enum sm_dtype)type);
				/* any bits, NaN among them */
				unsigned char *bytes = vol.data;
				for (size_t i = 0; i < 60 * sm_dtype_size(vol.dtype); i++)
					bytes[i] = (unsigned char)(i * 151 + 13 * (size_t)factor);
				vol.slope = 0.5;
				vol.inter = -3;
				assert_good(sm_interleave_begin(&il, &vol, axis, factor, "t", &mem,
								&err),
					    err);
				assert_int_equal(il.out.dim[axis],
						 (vol.dim[axis] - 1) * factor + 1);
				assert_int_equal(sm_vol_count(&il.out) * (size_t)vol.dim[axis],
						 60 * (size_t)il.out.dim[axis]);
				assert_true(il.out.slope == 0.5 && il.out.inter == -3 &&
					    il.out.dtype == vol.dtype);
				assert_good(sm_interleave_fill(&il, &filler, 2, &mem, &err), err);
				for (int64_t k = 0; k < il.from.count; k++)
					check_original(&il, k);
				sm_interleave_clear(&il);
				sm_vol_clear(&vol);
			}
	assert_int_equal(atomic_load(&mem.used), 0);
}

/* What a row of one voxel columns says at the new slices. */
static void along(const double *values, int n, enum sm_dtype type, int factor,
		  const struct sm_filler *filler, double *out)
{
	struct sm_vol vol;
	struct sm_interleave il;
	make(&vol, 1, 1, n, SM_F64);
	memcpy(vol.data, values, (size_t)n * sizeof *values);
	if (type != SM_F64) {
		struct sm_vol narrow;
		struct sm_planes p;
		make(&narrow, 1, 1, n, type);
		p = sm_planes_of(&narrow, 2);
		for (int k = 0; k < n; k++)
			sm_planes_put(&narrow, &p, k, (float[]){(float)values[k]});
		sm_vol_clear(&vol);
		vol = narrow;
	}
	assert_good(sm_interleave_begin(&il, &vol, 2, factor, "t", &mem, &err), err);
	assert_good(sm_interleave_fill(&il, filler, 1, &mem, &err), err);
	for (int k = 0; k < (n - 1) * factor + 1; k++)
		out[k] = sm_vol_at(&il.out, (size_t)k);
	sm_interleave_clear(&il);
	sm_vol_clear(&vol);
}

static void test_interleave_straight_lines_stay_straight(void **state)
{
	(void)state;
	double line[6], out[64];
	for (int factor = 2; factor <= 10; factor++)
		for (int slices = 2; slices <= 6; slices++)
			for (int cubic = 0; cubic < 2; cubic++) {
				struct sm_filler filler = {.method = cubic ? SM_FILL_CUBIC
									   : SM_FILL_LINEAR};
				for (int k = 0; k < slices; k++)
					line[k] = 7.0 * factor * k - 100;
				along(line, slices, SM_I16, factor, &filler, out);
				for (int k = 0; k <= (slices - 1) * factor; k++)
					assert_true(out[k] == 7.0 * k - 100);
			}
}

static void test_interleave_cubic_bends_as_parabolas_do_up_to_the_ends(void **state)
{
	(void)state;
	const struct sm_filler cubic = {.method = SM_FILL_CUBIC},
			       linear = {.method = SM_FILL_LINEAR};
	double parabola[5], out[64], flat[64];
	for (int k = 0; k < 5; k++)
		parabola[k] = 3.0 * k * k - 2 * k + 1;
	for (int factor = 2; factor <= 10; factor++) {
		along(parabola, 5, SM_F64, factor, &cubic, out);
		along(parabola, 5, SM_F64, factor, &linear, flat);
		for (int k = 0; k <= 4 * factor; k++) {
			double x = (double)k / factor, t = x - floor(x);
			double want = 3 * x * x - 2 * x + 1;
			assert_true(fabs(out[k] - want) < 1e-5);
			/* and a chord lies 3 t (1-t) above it */
			assert_true(fabs(flat[k] - want - 3 * t * (1 - t)) < 1e-5);
		}
	}
}

/* As the baseline of stage evaluate does (test_image_baselines). */
static void test_interleave_beside_slices_that_hold_nothing(void **state)
{
	(void)state;
	/* -1000: nothing; the others lie on a parabola, which cubic keeps up to its ends */
	const double values[7] = {-1000, -1000, 4, 9, 16, 25, -1000};
	const bool none[7] = {true, true, false, false, false, false, true};
	const enum sm_fill methods[] = {SM_FILL_CUBIC, SM_FILL_LINEAR, SM_FILL_NEAREST};
	struct sm_vol vol;
	make(&vol, 1, 1, 7, SM_F64);
	memcpy(vol.data, values, sizeof values);
	for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
		const struct sm_filler filler = {.method = methods[m]};
		struct sm_interleave il;
		assert_good(sm_interleave_begin(&il, &vol, 2, 2, "t", &mem, &err), err);
		il.none = none;
		assert_good(sm_interleave_fill(&il, &filler, 1, &mem, &err), err);
		for (int k = 0; k <= 12; k++) {
			double x = 0.5 * k, got = sm_vol_at(&il.out, (size_t)k);
			double between = methods[m] == SM_FILL_CUBIC    ? x * x
					 : methods[m] == SM_FILL_LINEAR ? x * x + 0.25
									: (x + 0.5) * (x + 0.5);
			assert_true(got == (k < 4 || k > 10 ? -1000 : k % 2 ? between : x * x));
		}
		sm_interleave_clear(&il);
	}
	sm_vol_clear(&vol);
}

static void test_interleave_nearest_takes_the_later_of_two(void **state)
{
	(void)state;
	const struct sm_filler nearest = {.method = SM_FILL_NEAREST};
	double out[9];
	along((double[]){5, 9, 2}, 3, SM_U8, 4, &nearest, out);
	const double want[9] = {5, 5, 9, 9, 9, 9, 2, 2, 2};
	for (int k = 0; k < 9; k++)
		assert_true(out[k] == want[k]);
}

static void test_interleave_rounds_half_to_even_and_clamps(void **state)
{
	(void)state;
	const struct sm_filler linear = {.method = SM_FILL_LINEAR},
			       cubic = {.method = SM_FILL_CUBIC};
	double out[16];
	along((double[]){0, 1, 2, 3}, 4, SM_U8, 2, &linear, out);
	assert_true(out[1] == 0 && out[3] == 2 && out[5] == 2);
	along((double[]){-3, -2, -1, 0}, 4, SM_I16, 2, &linear, out);
	assert_true(out[1] == -2 && out[3] == -2 && out[5] == 0);
	/* cubic overshoots beside a step: 255 and 0 are the ends of uint8 */
	along((double[]){0, 0, 255, 255}, 4, SM_U8, 4, &cubic, out);
	assert_true(out[3] == 0 && out[9] == 255 && out[6] == 128);
	along((double[]){0, 0, 255, 255}, 4, SM_F32, 4, &cubic, out);
	assert_true(out[3] < 0 && out[9] > 255);
	along((double[]){NAN, 4, 8}, 3, SM_F32, 2, &linear, out);
	assert_true(isnan(out[0]) && isnan(out[1]) && out[3] == 6);
}

/* ---- halving ----------------------------------------------------------------------------------
 */

struct calls {
	int n;
	bool fails;
};

/* Of squares of positions the middle is known exactly. */
static enum sm_status square_middle(void *ctx, const float *a, const float *c, float *out,
				    int64_t width, int64_t height, struct sm_err *e)
{
	struct calls *calls = ctx;
	if (calls->fails && calls->n == 3)
		return SM_FAIL(e, SM_INPUT, "no middle");
	calls->n++;
	for (int64_t i = 0; i < width * height; i++) {
		float half = (sqrtf(a[i]) + sqrtf(c[i])) / 2;
		out[i] = half * half;
	}
	return SM_OK;
}

static void test_interleave_halving_is_exact_at_dyadic_places_and_near_elsewhere(void **state)
{
	(void)state;
	static const int wanted_calls[11] = {0, 0, 1, 3, 3, 7, 7, 7, 7, 15, 15};
	struct calls calls;
	struct sm_filler filler = {SM_FILL_MIDDLE, square_middle, &calls};
	double out[64];
	for (int factor = 2; factor <= 10; factor++) {
		int fine = 1 << sm_interleave_depth(factor);
		assert_true(fine >= factor && fine < 2 * factor);
		calls = (struct calls){0};
		along((double[]){0, 1, 4, 9}, 4, SM_F64, factor, &filler, out);
		assert_true(calls.n <= 3 * wanted_calls[factor]);
		for (int k = 0; k <= 3 * factor; k++) {
			double x = (double)k / factor;
			bool dyadic = k * fine % factor == 0;
			/* a chord of a parabola over 1/fine is off by 1 / (4 fine^2) at most */
			assert_true(fabs(out[k] - x * x) <=
				    (dyadic ? 1e-6 : 0.25 / fine / fine + 1e-6));
			assert_true(dyadic || out[k] > x * x);
		}
	}
	calls = (struct calls){0};
	along((double[]){0, 1}, 2, SM_F32, 2, &filler, out);
	assert_int_equal(calls.n, 1);
	assert_true(out[1] == 0.25);
	/* 1/3 lies between 1/4 and 2/4 */
	along((double[]){0, 1}, 2, SM_F64, 3, &filler, out);
	assert_true(fabs(out[1] - (2.0 / 3 / 16 + 1.0 / 3 / 4)) < 1e-7);
}

static void test_interleave_failures_of_a_network_come_through(void **state)
{
	(void)state;
	struct calls calls = {.fails = true};
	struct sm_filler filler = {SM_FILL_MIDDLE, square_middle, &calls};
	struct sm_vol vol;
	struct sm_interleave il;
	make(&vol, 2, 2, 3, SM_F32);
	memset(vol.data, 0, 12 * sizeof(float));
	assert_good(sm_interleave_begin(&il, &vol, 2, 4, "t", &mem, &err), err);
	assert_refused(sm_interleave_fill(&il, &filler, 4, &mem, &err), SM_INPUT, err, "no middle");
	sm_interleave_clear(&il);
	sm_vol_clear(&vol);
	assert_int_equal(atomic_load(&mem.used), 0);
}

static void test_interleave_refuses_with_a_sentence(void **state)
{
	(void)state;
	struct sm_vol vol;
	struct sm_interleave il;
	make(&vol, 2, 3, 1, SM_U8);
	assert_refused(sm_interleave_begin(&il, &vol, 2, 2, "scan", &mem, &err), SM_INPUT, err,
		       "scan: has one slice along axis 2");
	assert_refused(sm_interleave_begin(&il, &vol, 1, 11, "scan", &mem, &err), SM_USAGE, err,
		       "factor is 11");
	assert_refused(sm_interleave_begin(&il, &vol, 1, 1, "scan", &mem, &err), SM_USAGE, err,
		       "factor is 1");
	assert_refused(sm_interleave_begin(&il, &vol, 3, 2, "scan", &mem, &err), SM_USAGE, err,
		       "axis is 3");
	sm_vol_clear(&vol);
	const int64_t dim[4] = {2, 2, 2, 3};
	assert_good(sm_vol_init(&vol, dim, SM_U8, &mem, "t", &err), err);
	assert_refused(sm_interleave_begin(&il, &vol, 2, 2, "scan", &mem, &err), SM_INPUT, err,
		       "fourth axis of 3");
	sm_vol_clear(&vol);
	struct sm_mem small;
	sm_mem_init(&small, 4096);
	make(&vol, 20, 20, 20, SM_U8);
	assert_refused(sm_interleave_begin(&il, &vol, 2, 2, "scan", &small, &err), SM_BUDGET, err,
		       "scan");
	assert_null(il.out.data);
	sm_vol_clear(&vol);
}

static void test_interleave_threads_change_no_bit(void **state)
{
	(void)state;
	const struct sm_filler cubic = {.method = SM_FILL_CUBIC};
	struct sm_vol vol;
	struct sm_interleave a, b;
	make(&vol, 7, 5, 9, SM_F32);
	for (int i = 0; i < 315; i++)
		((float *)vol.data)[i] = (float)((i * 7919) % 1000) / 3;
	assert_good(sm_interleave_begin(&a, &vol, 1, 7, "t", &mem, &err), err);
	assert_good(sm_interleave_begin(&b, &vol, 1, 7, "t", &mem, &err), err);
	assert_good(sm_interleave_fill(&a, &cubic, 1, &mem, &err), err);
	assert_good(sm_interleave_fill(&b, &cubic, 4, &mem, &err), err);
	assert_memory_equal(a.out.data, b.out.data, sm_vol_count(&a.out) * sizeof(float));
	sm_interleave_clear(&a);
	sm_interleave_clear(&b);
	sm_vol_clear(&vol);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_interleave_keeps_every_original_for_every_factor_axis_and_type),
		cmocka_unit_test(test_interleave_straight_lines_stay_straight),
		cmocka_unit_test(test_interleave_cubic_bends_as_parabolas_do_up_to_the_ends),
		cmocka_unit_test(test_interleave_beside_slices_that_hold_nothing),
		cmocka_unit_test(test_interleave_nearest_takes_the_later_of_two),
		cmocka_unit_test(test_interleave_rounds_half_to_even_and_clamps),
		cmocka_unit_test(
			test_interleave_halving_is_exact_at_dyadic_places_and_near_elsewhere),
		cmocka_unit_test(test_interleave_failures_of_a_network_come_through),
		cmocka_unit_test(test_interleave_refuses_with_a_sentence),
		cmocka_unit_test(test_interleave_threads_change_no_bit),
	};
	sm_mem_init(&mem, 1u << 30);
	return run_tap(tests);
}
