/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of surface distances share: masks, and one call that measures all.
 */
#ifndef SM_TESTS_SURFACE_HELPERS_H
#define SM_TESTS_SURFACE_HELPERS_H

#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/surface.h"

#define BOTH (1u << SM_FROM_SURFACE | 1u << SM_FROM_SURFELS)

static const double tolerances[] = {1, 2.5};

static inline struct sm_surface measured(const uint8_t *t, const uint8_t *p, const int64_t n[3],
					 const double mm[3], int jobs)
{
	const struct sm_surface_settings s = {.spacing = {mm[0], mm[1], mm[2]},
					      .tolerance_mm = tolerances,
					      .tolerances = 2,
					      .families = BOTH,
					      .flat = {n[0] == 1, n[1] == 1, n[2] == 1},
					      .jobs = jobs};
	struct sm_surface out;
	struct sm_err err = {0};
	assert_good(sm_surface_measure(t, p, n, &s, &out, &err), err);
	return out;
}

static inline uint8_t *grid(const int64_t n[3])
{
	uint8_t *v = calloc((size_t)(n[0] * n[1] * n[2]), 1);
	assert_non_null(v);
	return v;
}

static inline void fill(uint8_t *v, const int64_t n[3], int64_t x, int64_t y, int64_t z, int64_t w,
			int64_t h, int64_t d)
{
	for (int64_t k = z; k < z + d; k++)
		for (int64_t j = y; j < y + h; j++)
			memset(v + (k * n[1] + j) * n[0] + x, 1, (size_t)w);
}

static inline void assert_near(double found, double wanted, double relative)
{
	if (!(fabs(found - wanted) <= relative * fabs(wanted)))
		fail_msg("found %.17g, wanted %.17g", found, wanted);
}

static inline double value_of(const char *key, size_t tolerance, const struct sm_surface *s)
{
	struct sm_column c = {.tolerance = tolerance};
	for (size_t i = 0; i < sm_metric_count; i++)
		if (strcmp(sm_metric_rows[i].key, key) == 0)
			c.metric = &sm_metric_rows[i];
	assert_non_null(c.metric);
	return sm_surface_value(&c, s);
}

#endif
