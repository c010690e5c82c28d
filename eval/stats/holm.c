/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/stats/stats.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

struct test {
	double p;
	size_t i;
};

static int by_p(const void *a, const void *b)
{
	const struct test *x = a, *y = b;
	if (x->p != y->p)
		return x->p < y->p ? -1 : 1;
	return (x->i > y->i) - (x->i < y->i);
}

enum sm_status sm_holm(double *p, size_t n, struct sm_err *err)
{
	struct test *tests = sm_alloc(NULL, n + 1, sizeof *tests, "Holm's correction", err);
	size_t m = 0;
	double least = 0;
	if (!tests)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++)
		if (!isnan(p[i]))
			tests[m++] = (struct test){p[i], i};
	qsort(tests, m, sizeof *tests, by_p);
	for (size_t k = 0; k < m; k++) {
		double v = tests[k].p * (double)(m - k);
		least = v > least ? v : least;
		p[tests[k].i] = least < 1 ? least : 1;
	}
	sm_free(tests);
	return SM_OK;
}
