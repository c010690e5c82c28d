/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of PReLU's slopes: float sums of lines against sums in double, for channels and rows
 * of all kinds (whole lines, lines longer than a piece, parts of a row), both storages, 1 and 2
 * threads, written over the output's gradient and added to one. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/field.h"
#include "core/rng.h"
#include "tests/unit/tap.h"
#include "train/nn/net.h"

#define MOST ((size_t)400000)

/* Values of one call. */
static float x[MOST], gy[MOST], gx[2][MOST], wanted_x[MOST];
static elem_half hx[MOST], hgy[MOST];
static double wanted[6000], size[6000], partial[64 * 6000];
static float slope[6000], gw[2][6000];

static float drawn(struct sm_rng *rng, double low, double high)
{
	return (float)(low + (high - low) * sm_rng_f64(rng));
}

static struct sm_graph *graph_of(size_t rows, int c)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_shape s = {1, 1, 1, (int)rows, c};
	sm_g_prelu(g, sm_g_input(g, "x", s), "a");
	return g;
}

static void through_half(float *v, elem_half *h)
{
	elem_move(h, ELEM_BF16, 0, v, ELEM_F32, 0, 1);
	elem_move(v, ELEM_F32, 0, h, ELEM_BF16, 0, 1);
}

static void fill(size_t rows, size_t c, uint64_t seed, bool half)
{
	struct sm_rng rng;
	sm_rng_init(&rng, seed, "test", "prelu", 0, rows * 10000 + c);
	memset(wanted, 0, sizeof wanted);
	memset(size, 0, sizeof size);
	for (size_t j = 0; j < c; j++)
		slope[j] = drawn(&rng, -1, 1);
	for (size_t i = 0; i < rows * c; i++) {
		x[i] = drawn(&rng, -2, 1);
		gy[i] = drawn(&rng, -1, 1) + 0.25f;
		if (half) {
			through_half(&x[i], &hx[i]);
			through_half(&gy[i], &hgy[i]);
		}
		double v = x[i] > 0 ? 0 : (double)x[i] * (double)gy[i];
		wanted[i % c] += v;
		size[i % c] += fabs(v);
		wanted_x[i] = x[i] > 0 ? gy[i] : slope[i % c] * gy[i];
	}
}

/* over: the gradient of x stands where that of y stood. */
static void run(size_t rows, size_t c, bool half, bool over, bool acc, int threads, float *to,
		float *w)
{
	struct sm_graph *g = graph_of(rows, (int)c);
	struct node *n = &g->node[1];
	struct sm_err err = {0};
	struct op_run r = {.graph = g,
			   .node = n,
			   .threads = threads,
			   .x = {half ? (const float *)(const void *)hx : x},
			   .gy = half   ? (float *)(void *)hgy
				 : over ? to
					: gy,
			   .gx = {to},
			   .w = {slope},
			   .gw = {w},
			   .ws = partial};
	r.xe[0] = r.ye = half ? ELEM_BF16 : ELEM_F32;
	n->acc[0] = acc;
	if (over)
		memcpy(to, gy, rows * c * sizeof *to);
	else
		memset(to, 0, rows * c * sizeof *to);
	for (size_t j = 0; j < c; j++)
		w[j] = 3; /* is added to */
	assert_good(op_row(OP_KIND_prelu)->impl->backward(&r, &err), err);
	sm_graph_free(g);
}

/* A float sum has at most 128 addends of a piece, each half a unit off: 128 / 2^24 of the sum of
 * sizes, and the result is rounded once more to float. */
static void compare(size_t rows, size_t c, bool half)
{
	fill(rows, c, 7, half);
	for (int way = 0; way < (half ? 1 : 3); way++) {
		for (int t = 0; t < 2; t++)
			run(rows, c, half, way == 1, way == 2, t + 1, gx[t], gw[t]);
		assert_memory_equal(gw[0], gw[1], c * sizeof *gw[0]);
		assert_memory_equal(gx[0], gx[1],
				    rows * c * (half ? sizeof(elem_half) : sizeof(float)));
		for (size_t j = 0; j < c; j++) {
			double off = fabs((double)gw[0][j] - 3 - wanted[j]);
			if (!(off <= size[j] * 8e-6 + 1e-6 * (3 + fabs(wanted[j]))))
				fail_msg("%zu rows of %zu, channel %zu: %g, should be %g", rows, c,
					 j, (double)gw[0][j] - 3, wanted[j]);
		}
		if (!half)
			assert_memory_equal(gx[0], wanted_x, rows * c * sizeof(float));
	}
}

static void test_sums_of_slopes(void **state)
{
	(void)state;
	static const size_t channels[] = {1,   2,   3,    16,   20,   48,   100, 127,
					  128, 300, 1000, 2047, 2048, 2049, 5000};
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test", "prelu", 0, 0);
	for (size_t k = 0; k < SM_COUNT(channels); k++)
		for (int n = 0; n < 3; n++) {
			size_t c = channels[k], most = MOST / c / (n ? 1 : 8);
			size_t rows = 1 + sm_rng_below(&rng, (uint32_t)most);
			compare(rows, c, false);
			compare(rows, c, true);
		}
	compare(1, 16, false); /* blocks without a row */
}

/* A unit at 0 takes the slope's side, and NaN comes through. */
static void test_at_zero_and_nan(void **state)
{
	(void)state;
	fill(40, 16, 3, false);
	for (size_t i = 0; i < 640; i++)
		x[i] = 0;
	run(40, 16, false, false, false, 2, gx[0], gw[0]);
	for (size_t i = 0; i < 640; i++)
		assert_true(gx[0][i] == slope[i % 16] * gy[i]);
	for (size_t j = 0; j < 16; j++)
		assert_true(gw[0][j] == 3);
	x[37 * 16 + 5] = NAN;
	run(40, 16, false, false, false, 2, gx[0], gw[0]);
	for (size_t j = 0; j < 16; j++)
		assert_int_equal(isnan(gw[0][j]) != 0, j == 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_of_slopes),
		cmocka_unit_test(test_at_zero_and_nan),
	};
	return run_tap(tests);
}
