/* SPDX-License-Identifier: Apache-2.0 */
/* The norms' loops: every instruction set that this CPU has gives the bits of plain C, for channels
 * and rows of all kinds (parts of a line, many lines), both storages, results streamed or not, over
 * an input, added to one; and plain C the numbers of the formulas in double. (Not of NaN: its sign
 * is the compiler's.) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "tests/unit/tap.h"
#include "train/nn/norm_rows.h"

#define MOST ((size_t)40000)
#define MOST_LINE ((size_t)8192)

/* What a call reads and writes; the last two take the results. */
struct buffers {
	_Alignas(64) float x[MOST], gy[MOST], y[MOST], gx[MOST];
	float value[NORM_VALUES * MOST_LINE];
	double sum[2 * MOST_LINE + 2 * MOST_LINE], back[2 * MOST_LINE + 2 * MOST_LINE];
};

static struct buffers first, wanted, made;

static float drawn(struct sm_rng *rng, double low, double high)
{
	return (float)(low + (high - low) * sm_rng_f64(rng));
}

static void put(void *to, enum elem e, size_t i, float v)
{
	elem_move(to, e, i, &v, ELEM_F32, 0, 1);
}

static void fill(struct norm_rows *g, size_t rows, uint64_t seed)
{
	struct sm_rng rng;
	sm_rng_init(&rng, seed, "test", "norm", 0, rows * 10000 + g->c);
	memset(&first, 0, sizeof first);
	for (size_t i = 0; i < rows * g->c; i++) {
		put(first.x, g->xe, i, drawn(&rng, 3, 5));
		put(first.gy, g->ye, i, drawn(&rng, -1, 1));
		put(first.gx, g->xe, i, drawn(&rng, -1, 1));
	}
	for (int k = 0; k < NORM_VALUES; k++) {
		float *line = first.value + k * g->line;
		for (size_t j = 0; j < g->c; j++)
			line[j] = k == NORM_MEAN ? drawn(&rng, 3.9, 4.1) : drawn(&rng, -0.5, 0.9);
		norm_repeat(line, g->c);
	}
}

/* All four loops over the values [at, at + count) of b. */
static void run(const struct norm_isa *isa, struct norm_rows g, struct buffers *b, size_t at,
		size_t count)
{
	memcpy(b, &first, sizeof first);
	g.x = b->x;
	g.gy = b->gy;
	g.y = b->y;
	g.gx = b->gx;
	g.value = b->value;
	isa->sums(&g, at, count, b->sum);
	isa->back_sums(&g, at, count, b->back);
	isa->apply(&g, at, count);
	isa->back(&g, at, count);
	/* the room behind the sums is the loops' own */
	memset(b->sum + 2 * g.c, 0, sizeof b->sum - 2 * g.c * sizeof *b->sum);
	memset(b->back + 2 * g.c, 0, sizeof b->back - 2 * g.c * sizeof *b->back);
}

static float got(const void *p, enum elem e, size_t i)
{
	float v;
	elem_move(&v, ELEM_F32, 0, p, e, i, 1);
	return v;
}

static bool near(double a, double b, double size)
{
	return fabs(a - b) <= size;
}

/* The definitions in double. */
static void judge(const struct norm_rows *g, size_t at, size_t count)
{
	const struct buffers *b = &wanted;
	const float *mean = b->value, *scale = mean + g->line, *shift = scale + g->line;
	const float *keep0 = shift + g->line, *keep1 = keep0 + g->line;
	double half = g->xe == ELEM_BF16 || g->ye == ELEM_BF16 ? 1.0 / 256 : 1e-5;
	static double sum[4 * MOST_LINE];
	memset(sum, 0, 4 * g->c * sizeof *sum);
	for (size_t i = at; i < at + count; i++) {
		size_t j = i % g->c;
		/* as the loops round it: which side of the kink it is on */
		float side = (got(first.x, g->xe, i) - mean[j]) * scale[j] + shift[j];
		double z = (double)got(first.x, g->xe, i) - (double)mean[j];
		double v = (double)got(first.gy, g->ye, i);
		double u = z * (double)scale[j] + (double)shift[j];
		double to = side > 0 ? u : u * (double)g->slope;
		assert_true(near((double)got(b->y, g->ye, i), to, half * (fabs(to) + 1e-1)));
		double t = side > 0 ? v : v * (double)g->slope;
		sum[j] += z;
		sum[g->c + j] += z * z;
		sum[2 * g->c + j] += t;
		sum[3 * g->c + j] += t * z;
		t = (double)scale[j] * (t - (double)keep0[j] - z * (double)keep1[j]);
		t += g->acc ? (double)got(first.gx, g->xe, i) : 0;
		assert_true(near((double)got(b->gx, g->xe, i), t, half * (fabs(t) + 1e-1)));
	}
	for (size_t j = 0; j < 2 * g->c; j++) {
		double n = (double)count / (double)g->c;
		assert_true(near(b->sum[j], sum[j], 1e-5 * n));
		assert_true(near(b->back[j], sum[2 * g->c + j], 1e-5 * n));
	}
}

static int same_on(const struct norm_isa *isa, const struct norm_rows *g, size_t at, size_t count)
{
	assert_non_null(isa); /* what the CPU can must have been compiled */
	run(isa, *g, &made, at, count);
	assert_memory_equal(&made, &wanted, sizeof made);
	return 1;
}

static void test_every_set_gives_the_bits_of_plain_c(void **state)
{
	(void)state;
	static const size_t channels[] = {1, 3, 8, 16, 20, 32, 48, 100, 128, 256, 320};
	int sets = 0;
	for (size_t k = 0; k < sizeof channels / sizeof *channels * 32; k++) {
		size_t c = channels[k / 32], most = MOST / c;
		struct sm_rng rng;
		sm_rng_init(&rng, 11, "test", "norm shapes", 0, k);
		/* mostly few rows, now and then more than FLUSH lines */
		size_t rows = 1 + sm_rng_below(&rng, (uint32_t)(k % 4 ? most / 20 + 3 : most - 1));
		size_t skip = sm_rng_below(&rng, (uint32_t)rows);
		struct norm_rows g = {.xe = k & 1 ? ELEM_BF16 : ELEM_F32,
				      .ye = k & 2 ? ELEM_BF16 : ELEM_F32,
				      .slope = k % 3 == 0 ? 1.0f : k % 3 == 1 ? 0.0f : 0.01f,
				      .stream_y = k & 4,
				      .stream_gx = (k & 12) == 12,
				      .acc = (k & 24) == 16,
				      .c = c,
				      .line = norm_line(c)};
		fill(&g, rows, k);
		run(&norm_isa_portable, g, &wanted, skip * c, (rows - skip) * c);
		judge(&g, skip * c, (rows - skip) * c);
#ifdef __x86_64__
		if (__builtin_cpu_supports("avx2"))
			sets += same_on(norm_isa_avx2, &g, skip * c, (rows - skip) * c);
		if (__builtin_cpu_supports("avx512f"))
			sets += same_on(norm_isa_avx512, &g, skip * c, (rows - skip) * c);
#endif
	}
	print_message("%d comparisons with plain C\n", sets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_set_gives_the_bits_of_plain_c),
	};
	return run_tap(tests);
}
