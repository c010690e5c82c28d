/* SPDX-License-Identifier: Apache-2.0 */
/* The norms' loops for the CPU at hand, and the lines that they go by. */
#include "train/nn/norm_rows.h"

#define UNIT ((size_t)16)  /* the widest vectors' values */
#define LINE ((size_t)128)

size_t norm_line(size_t c)
{
	size_t step = c;
	while (step % UNIT)
		step += c;
	return step >= LINE ? step : (LINE + step - 1) / step * step;
}

void norm_repeat(float *to, size_t c)
{
	for (size_t i = c, line = norm_line(c); i < line; i++)
		to[i] = to[i - c];
}

static const struct norm_isa *isa(void)
{
#ifdef __x86_64__
	if (norm_isa_avx512 && __builtin_cpu_supports("avx512f"))
		return norm_isa_avx512;
	if (norm_isa_avx2 && __builtin_cpu_supports("avx2"))
		return norm_isa_avx2;
#endif
	return &norm_isa_portable;
}

void norm_sums(const struct norm_rows *g, size_t at, size_t count, double *sum)
{
	isa()->sums(g, at, count, sum);
}

void norm_back_sums(const struct norm_rows *g, size_t at, size_t count, double *sum)
{
	isa()->back_sums(g, at, count, sum);
}

void norm_apply(const struct norm_rows *g, size_t at, size_t count)
{
	isa()->apply(g, at, count);
}

void norm_back(const struct norm_rows *g, size_t at, size_t count)
{
	isa()->back(g, at, count);
}
