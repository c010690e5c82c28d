/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/quantile.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Maps a float to an integer of the same order; -0 and +0 become neighbours. */
static uint32_t order_key(float f)
{
	uint32_t u;
	memcpy(&u, &f, sizeof u);
	return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static float key_value(uint32_t key)
{
	uint32_t u = key & 0x80000000u ? key & 0x7fffffffu : ~key;
	float f;
	memcpy(&f, &u, sizeof f);
	return f;
}

/* Four counters a bin: the same bin time after time, as in a background of zeros, would make each
 * addition wait for the last one. */
#define LANES 4

static void count_digits(const float *v, const uint8_t *keep, size_t n, uint32_t prefix,
			 uint32_t mask, int shift, uint32_t digit, size_t bins[LANES][2048])
{
	memset(bins, 0, LANES * sizeof bins[0]);
	for (size_t i = 0; i < n; i++) {
		uint32_t key = order_key(v[i]);
		if ((!keep || keep[i]) && (key & mask) == prefix)
			bins[i % LANES][key >> shift & digit]++;
	}
	for (uint32_t b = 0; b <= digit; b++)
		bins[0][b] += bins[1][b] + bins[2][b] + bins[3][b];
}

/* The value of rank k; *last is true when the next rank holds a larger one. */
static float select_rank(const float *v, const uint8_t *keep, size_t n, size_t k, bool *last)
{
	static const int shifts[] = {21, 10, 0}, widths[] = {11, 11, 10};
	uint32_t prefix = 0, mask = 0;
	size_t bins[LANES][2048];
	for (int pass = 0; pass < 3; pass++) {
		uint32_t digit = (1u << widths[pass]) - 1, b = 0;
		count_digits(v, keep, n, prefix, mask, shifts[pass], digit, bins);
		while (b < digit && k >= bins[0][b])
			k -= bins[0][b++];
		prefix |= b << shifts[pass];
		mask |= digit << shifts[pass];
		*last = k + 1 >= bins[0][b];
	}
	return key_value(prefix);
}

float sm_select_f32(const float *v, const uint8_t *keep, size_t n, size_t k)
{
	bool last;
	return select_rank(v, keep, n, k, &last);
}

/* The smallest kept value above a; there must be one. */
static float next_above(const float *v, const uint8_t *keep, size_t n, float a)
{
	uint32_t above = order_key(a), best = UINT32_MAX;
	for (size_t i = 0; i < n; i++) {
		uint32_t key = order_key(v[i]);
		if ((!keep || keep[i]) && key > above && key < best)
			best = key;
	}
	return key_value(best);
}

/* Rank below the percentile, and how far beyond it towards the next. */
static size_t place(size_t kept, double p, double *share)
{
	double h = p / 100 * (double)(kept - 1), below = floor(h);
	*share = h - below;
	return (size_t)below;
}

double sm_percentile_f32(const float *v, const uint8_t *keep, size_t n, size_t kept, double p)
{
	double share;
	size_t k = place(kept, p, &share);
	bool last;
	float a = select_rank(v, keep, n, k, &last);
	if (k + 1 >= kept || share == 0 || !last)
		return (double)a;
	return (double)a + share * ((double)next_above(v, keep, n, a) - (double)a);
}

double sm_percentile_sorted(const float *sorted, size_t kept, double p)
{
	double share;
	size_t k = place(kept, p, &share);
	double a = (double)sorted[k];
	if (k + 1 >= kept || share == 0)
		return a;
	return a + share * ((double)sorted[k + 1] - a);
}

float sm_ranked_value(struct sm_ranked r)
{
	return key_value(r.key);
}

static void scatter(const struct sm_ranked *from, struct sm_ranked *to, size_t n, int shift)
{
	size_t at[2048] = {0}, sum = 0;
	for (size_t i = 0; i < n; i++)
		at[from[i].key >> shift & 2047]++;
	for (int b = 0; b < 2048; b++) {
		size_t count = at[b];
		at[b] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i].key >> shift & 2047]++] = from[i];
}

enum sm_status sm_rank_f32(const float *v, const uint8_t *keep, size_t n, size_t kept,
			   struct sm_mem *mem, struct sm_ranked **out, struct sm_err *err)
{
	*out = NULL;
	if (n > UINT32_MAX)
		return SM_FAIL(err, SM_INPUT, "a volume of %zu voxels, allowed are %u", n,
			       UINT32_MAX);
	struct sm_ranked *a = sm_alloc(mem, kept + 1, sizeof *a, "sorted values", err);
	struct sm_ranked *b = a ? sm_alloc(mem, kept + 1, sizeof *b, "sorted values", err) : NULL;
	if (!b) {
		sm_free(a);
		return SM_BUDGET;
	}
	size_t k = 0;
	for (size_t i = 0; i < n; i++)
		if (!keep || keep[i])
			a[k++] = (struct sm_ranked){order_key(v[i] == 0 ? 0 : v[i]), (uint32_t)i};
	scatter(a, b, kept, 0);
	scatter(b, a, kept, 11);
	scatter(a, b, kept, 22);
	sm_free(a);
	*out = b;
	return SM_OK;
}

/* As scatter, of keys alone: half the memory. */
static void scatter_keys(const uint32_t *from, uint32_t *to, size_t n, int shift)
{
	size_t at[2048] = {0}, sum = 0;
	for (size_t i = 0; i < n; i++)
		at[from[i] >> shift & 2047]++;
	for (int b = 0; b < 2048; b++) {
		size_t count = at[b];
		at[b] = sum;
		sum += count;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i] >> shift & 2047]++] = from[i];
}

enum sm_status sm_sort_f32(const float *v, const uint8_t *keep, size_t n, size_t kept,
			   struct sm_mem *mem, float **out, struct sm_err *err)
{
	size_t k = 0;
	uint32_t *a = sm_alloc(mem, kept + 1, sizeof *a, "sorted values", err);
	uint32_t *b = a ? sm_alloc(mem, kept + 1, sizeof *b, "sorted values", err) : NULL;
	*out = NULL;
	if (!b) {
		sm_free(a);
		return SM_BUDGET;
	}
	for (size_t i = 0; i < n; i++)
		if (!keep || keep[i])
			a[k++] = order_key(v[i] == 0 ? 0 : v[i]);
	scatter_keys(a, b, kept, 0);
	scatter_keys(b, a, kept, 11);
	scatter_keys(a, b, kept, 22);
	/* The values take the place of the first keys. */
	*out = (float *)(void *)a;
	for (size_t i = 0; i < kept; i++)
		(*out)[i] = key_value(b[i]);
	sm_free(b);
	return SM_OK;
}
