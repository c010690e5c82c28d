/* SPDX-License-Identifier: Apache-2.0
 *
 * What must not stand in two folds, and what is kept in one (preprocess/split.h).
 */
#include <stdlib.h>
#include <string.h>

#include "preprocess/split.h"

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

/* All images of all cases that are not left out; malloc memory with room for as many patients. */
static struct mark *image_marks(const struct sm_split_case *cases, size_t n, size_t *count)
{
	size_t images = 0, k = 0;
	for (size_t i = 0; i < n; i++)
		images += cases[i].image_count;
	struct mark *m = malloc((n + images + 1) * sizeof *m);
	for (size_t i = 0; m && i < n; i++)
		for (size_t j = 0; !cases[i].left_out && j < cases[i].image_count; j++)
			m[k++] = (struct mark){cases[i].images[j], &cases[i]};
	*count = k;
	return m;
}

enum sm_status sm_split_check(const struct sm_split_case *cases, size_t n, struct sm_err *err)
{
	size_t images, patients = 0;
	enum sm_status st = SM_OK;
	struct mark *m = image_marks(cases, n, &images), *p = m ? m + images : NULL;
	if (!m)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < n; i++)
		if (!cases[i].left_out)
			p[patients++] = (struct mark){cases[i].patient, &cases[i]};
	const struct mark *leak = first_leak(p, patients);
	if (leak) {
		st = SM_FAIL(err, SM_INPUT,
			     "patient %s stands in two folds: case %s in %s and case %s in %s",
			     leak->what, leak[-1].of->key, sm_split_fold_name(leak[-1].of->fold),
			     leak->of->key, sm_split_fold_name(leak->of->fold));
		goto out;
	}
	leak = first_leak(m, images);
	if (leak)
		st = SM_FAIL(err, SM_INPUT,
			     "the same image (content %.16s...) stands in two folds: case %s in %s "
			     "and case %s in %s: leave one of them out, or keep them together "
			     "(near_duplicates: join)",
			     leak->what, leak[-1].of->key, sm_split_fold_name(leak[-1].of->fold),
			     leak->of->key, sm_split_fold_name(leak->of->fold));
out:
	free(m);
	return st;
}

void sm_split_join(struct sm_split_case *cases, size_t n, size_t a, size_t b)
{
	size_t x = cases[a].joined, y = cases[b].joined;
	if (x && y && x != y) {
		for (size_t i = 0; i < n; i++)
			if (cases[i].joined == y)
				cases[i].joined = x;
	} else {
		cases[a].joined = cases[b].joined = x ? x : y ? y : a + 1;
	}
}

enum sm_status sm_split_join_equal(struct sm_split_case *cases, size_t n, struct sm_err *err)
{
	size_t images;
	struct mark *m = image_marks(cases, n, &images);
	if (!m)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	qsort(m, images, sizeof *m, by_what);
	for (size_t i = 1; i < images; i++)
		if (strcmp(m[i].what, m[i - 1].what) == 0 &&
		    strcmp(m[i].of->patient, m[i - 1].of->patient) != 0)
			sm_split_join(cases, n, (size_t)(m[i].of - cases), (size_t)(m[i - 1].of - cases));
	free(m);
	return SM_OK;
}
