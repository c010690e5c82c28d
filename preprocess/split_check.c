/* SPDX-License-Identifier: Apache-2.0
 *
 * What must not stand in two folds, and what is kept in one (preprocess/split.h).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preprocess/split.h"

bool sm_split_apart(const struct sm_split_case *a, const struct sm_split_case *b)
{
	return !a->left_out && !b->left_out &&
	       (a->fold != b->fold || a->fold_index != b->fold_index);
}

struct sm_split_place sm_split_place(const struct sm_split_case *c)
{
	struct sm_split_place place;
	const char *name = sm_split_fold_name(c->fold);
	if (c->fold_index >= 0)
		snprintf(place.text, sizeof place.text, "fold %" PRId64 " (%s)", c->fold_index,
			 name);
	else
		snprintf(place.text, sizeof place.text, "%s", name);
	return place;
}

const char *sm_split_advice(const struct sm_split_case *a, const struct sm_split_case *b)
{
	return (a->fold_index < 0) != (b->fold_index < 0)
		       ? "leave one of them out, or name both in test_cases or none"
		       : "leave one of them out, or keep them together (near_duplicates: join)";
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
		if (strcmp(m[i].what, m[i - 1].what) == 0 && sm_split_apart(m[i].of, m[i - 1].of))
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
			     leak->what, leak[-1].of->key, sm_split_place(leak[-1].of).text,
			     leak->of->key, sm_split_place(leak->of).text);
		goto out;
	}
	leak = first_leak(m, images);
	if (leak)
		st = SM_FAIL(err, SM_INPUT,
			     "the same image (content %.16s...) stands in two folds: case %s in %s "
			     "and case %s in %s: %s",
			     leak->what, leak[-1].of->key, sm_split_place(leak[-1].of).text,
			     leak->of->key, sm_split_place(leak->of).text,
			     sm_split_advice(leak[-1].of, leak->of));
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
			sm_split_join(cases, n, (size_t)(m[i].of - cases),
				      (size_t)(m[i - 1].of - cases));
	free(m);
	return SM_OK;
}

/* ---- a fixed test list ---------------------------------------------------------------------- */

/* Every other case of the patients named must be named, too. */
static enum sm_status check_whole(const struct sm_split_case *cases, size_t n, struct sm_err *err)
{
	struct mark *m = malloc((n + 1) * sizeof *m);
	enum sm_status st = SM_OK;
	size_t k = 0;
	if (!m)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < n; i++)
		if (!cases[i].left_out)
			m[k++] = (struct mark){cases[i].patient, &cases[i]};
	qsort(m, k, sizeof *m, by_what);
	for (size_t i = 1; i < k; i++) {
		const struct sm_split_case *a = m[i - 1].of, *b = m[i].of;
		if (strcmp(m[i].what, m[i - 1].what) != 0 || a->tests == b->tests)
			continue;
		st = SM_FAIL(err, SM_INPUT,
			     "split.test_cases: case %s of patient %s is named, but not the "
			     "patient's case %s: name all cases of a patient (or the patient), or "
			     "leave the others out (leave_out)",
			     a->tests ? a->key : b->key, m[i].what, a->tests ? b->key : a->key);
		break;
	}
	free(m);
	return st;
}

enum sm_status sm_split_name_tests(struct sm_split_case *cases, size_t n,
				   const struct sm_strings *names, const struct sm_strings *gone,
				   struct sm_err *err)
{
	for (size_t k = 0; k < names->n; k++) {
		const char *name = names->v[k];
		size_t found = 0, left_out = 0;
		bool twice = false;
		for (size_t i = 0; i < k; i++)
			if (strcmp(name, names->v[i]) == 0)
				return SM_FAIL(err, SM_INPUT,
					       "split.test_cases: found %s twice, allowed is once",
					       name);
		for (size_t i = 0; i < n; i++) {
			struct sm_split_case *c = &cases[i];
			if (strcmp(c->key, name) != 0 && strcmp(c->patient, name) != 0)
				continue;
			if (c->tests)
				return SM_FAIL(err, SM_INPUT,
					       "split.test_cases: %s names case %s, which is named "
					       "before, allowed is once",
					       name, c->key);
			c->tests = true;
			found++;
			left_out += c->left_out;
			twice = twice || (c->left_out && strcmp(c->key, name) == 0);
		}
		/* Of a patient some cases may be left out: the others test. */
		if (twice || (found && left_out == found))
			return SM_FAIL(err, SM_INPUT,
				       "split.test_cases: %s is named in leave_out, too: allowed "
				       "is one of them",
				       name);
		if (!found && !sm_split_is_gone(gone, name))
			return SM_FAIL(err, SM_INPUT,
				       "split.test_cases: %s is no case and no patient here", name);
	}
	return check_whole(cases, n, err);
}
