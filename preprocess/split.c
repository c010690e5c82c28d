/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

enum sm_status sm_split_counts(size_t n, const double shares[SM_FOLDS], size_t counts[SM_FOLDS],
			       struct sm_err *err)
{
	uint64_t share[SM_FOLDS], rest[SM_FOLDS], sum = 0, given = 0;
	for (int f = 0; f < SM_FOLDS; f++) {
		if (!(shares[f] >= 0 && shares[f] <= 1e6))
			return SM_FAIL(err, SM_USAGE,
				       "split.%s: share is %g, allowed is 0 to 1000000", sm_fold_name((enum sm_fold)f),
				       shares[f]);
		share[f] = (uint64_t)floor(shares[f] * 1e6 + 0.5);
		sum += share[f];
	}
	if (!sum)
		return SM_FAIL(err, SM_USAGE,
			       "split: all shares are 0, at least one must be positive");
	if (n > 1000000)
		return SM_FAIL(err, SM_USAGE, "split: %zu patients, allowed are 1000000", n);
	for (int f = 0; f < SM_FOLDS; f++) {
		counts[f] = (size_t)(n * share[f] / sum);
		rest[f] = n * share[f] % sum;
		given += counts[f];
	}
	for (; given < n; given++) {
		int best = 0;
		for (int f = 1; f < SM_FOLDS; f++)
			if (rest[f] > rest[best])
				best = f;
		counts[best]++;
		rest[best] = 0;
	}
	return SM_OK;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted patient keys, each once; malloc memory. */
static const char **patients_of(const struct sm_split_case *cases, size_t n, size_t *count)
{
	const char **p = malloc((n + 1) * sizeof *p);
	if (!p)
		return NULL;
	for (size_t i = 0; i < n; i++)
		p[i] = cases[i].patient;
	qsort(p, n, sizeof *p, by_text);
	*count = 0;
	for (size_t i = 0; i < n; i++)
		if (!i || strcmp(p[i], p[i - 1]) != 0)
			p[(*count)++] = p[i];
	return p;
}

enum sm_status sm_split_assign(struct sm_split_case *cases, size_t n, const double shares[SM_FOLDS],
			       uint64_t seed, size_t counts[SM_FOLDS], struct sm_err *err)
{
	size_t own[SM_FOLDS], count = 0;
	struct sm_rng rng;
	const char **patients = patients_of(cases, n, &count);
	size_t *order = malloc((n + 1) * sizeof *order);
	enum sm_fold *fold = malloc((n + 1) * sizeof *fold);
	enum sm_status st;
	if (!patients || !order || !fold) {
		st = SM_FAIL(err, SM_BUDGET, "split: out of memory");
		goto out;
	}
	SM_GOTO(st, sm_split_counts(count, shares, own, err));
	sm_rng_init(&rng, seed, "split", "", 0, 0);
	sm_rng_permutation(&rng, order, count);
	for (size_t i = 0; i < count; i++)
		fold[order[i]] = i < own[SM_TRAIN]                  ? SM_TRAIN
				 : i < own[SM_TRAIN] + own[SM_TEST] ? SM_TEST
								    : SM_VALID;
	for (size_t i = 0; i < n; i++) {
		const char **at =
			bsearch(&cases[i].patient, patients, count, sizeof *patients, by_text);
		cases[i].fold = fold[at - patients];
	}
	if (counts)
		memcpy(counts, own, sizeof own);
out:
	free(fold);
	free(order);
	free(patients);
	return st;
}

/* Something that must stand in one fold only. */
struct mark {
	const char *what;
	const struct sm_split_case *of;
};

static int by_what(const void *a, const void *b)
{
	const struct mark *p = a, *q = b;
	int c = strcmp(p->what, q->what);
	return c ? c : strcmp(p->of->key, q->of->key);
}

static const struct mark *first_leak(struct mark *m, size_t n)
{
	qsort(m, n, sizeof *m, by_what);
	for (size_t i = 1; i < n; i++)
		if (strcmp(m[i].what, m[i - 1].what) == 0 && m[i].of->fold != m[i - 1].of->fold)
			return &m[i];
	return NULL;
}

enum sm_status sm_split_check(const struct sm_split_case *cases, size_t n, struct sm_err *err)
{
	size_t images = 0, k = 0;
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < n; i++)
		images += cases[i].image_count;
	struct mark *m = malloc((n + images + 1) * sizeof *m);
	if (!m)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < n; i++)
		m[i] = (struct mark){cases[i].patient, &cases[i]};
	const struct mark *leak = first_leak(m, n);
	if (leak) {
		st = SM_FAIL(err, SM_INPUT,
			     "patient %s stands in two folds: case %s in %s and case %s in %s",
			     leak->what, leak[-1].of->key, sm_fold_name(leak[-1].of->fold), leak->of->key,
			     sm_fold_name(leak->of->fold));
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < cases[i].image_count; j++)
			m[k++] = (struct mark){cases[i].images[j], &cases[i]};
	leak = first_leak(m, images);
	if (leak)
		st = SM_FAIL(err, SM_INPUT,
			     "the same image (content %.16s...) stands in two folds: case %s in %s "
			     "and case %s "
			     "in %s: leave one of them out",
			     leak->what, leak[-1].of->key, sm_fold_name(leak[-1].of->fold), leak->of->key,
			     sm_fold_name(leak->of->fold));
out:
	free(m);
	return st;
}
