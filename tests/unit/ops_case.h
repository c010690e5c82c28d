/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of operations share: cases and volumes made from numbers, an operation run by its
 * name and parameters as text.
 */
#ifndef SM_TESTS_OPS_CASE_H
#define SM_TESTS_OPS_CASE_H

#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/field.h"
#include "preprocess/case.h"
#include "preprocess/op_table.h"

static struct sm_err err;

static inline struct sm_case fresh(void)
{
	struct sm_case c;
	memset(&err, 0, sizeof err);
	assert_good(sm_case_init(&c, "case_1", NULL, 2, &err), err);
	return c;
}

static inline struct sm_vol volume(int64_t x, int64_t y, int64_t z, int64_t t, enum sm_dtype dtype)
{
	struct sm_vol v;
	const int64_t dim[4] = {x, y, z, t};
	assert_good(sm_vol_init(&v, dim, dtype, NULL, "test", &err), err);
	memset(v.data, 0, sm_vol_count(&v) * sm_dtype_size(dtype));
	return v;
}

static inline void add_f32(struct sm_case *c, const char *role, int64_t x, int64_t y, int64_t z,
		    const float *values)
{
	struct sm_vol v = volume(x, y, z, 1, SM_F32);
	memcpy(v.data, values, sm_vol_count(&v) * sizeof *values);
	assert_good(sm_case_take(c, role, &v, &err), err);
}

static inline void add_label(struct sm_case *c, int64_t x, int64_t y, int64_t z,
			     const uint8_t *values)
{
	c->label = volume(x, y, z, 1, SM_U8);
	memcpy(c->label.data, values, sm_vol_count(&c->label));
}

/* Runs an operation with parameters given as pairs of texts, ended by NULL. */
static inline enum sm_status op(struct sm_case *c, const char *name, ...)
{
	const struct sm_op *row = sm_op_find(name);
	struct sm_arena arena = {0};
	va_list args;
	assert_non_null(row);
	void *params = sm_arena_alloc(&arena, row->params->size);
	assert_good(sm_fields_default(row->params, params, &arena, &err), err);
	va_start(args, name);
	for (const char *key = va_arg(args, const char *); key; key = va_arg(args, const char *)) {
		const char *value = va_arg(args, const char *);
		const struct sm_field *f = NULL;
		for (size_t i = 0; i < row->params->count; i++)
			if (strcmp(row->params->fields[i].key, key) == 0)
				f = &row->params->fields[i];
		assert_non_null(f);
		assert_good(sm_field_set(f, key, value, params, &arena, &err), err);
	}
	va_end(args);
	enum sm_status st = row->apply(c, params, &err);
	sm_arena_clear(&arena);
	return st;
}

static inline const float *values(const struct sm_case *c, size_t i)
{
	assert_int_equal(c->vols[i].vol.dtype, SM_F32);
	return c->vols[i].vol.data;
}

static inline void assert_values(const float *got, const float *wanted, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (got[i] != wanted[i])
			fail_msg("value %zu is %.9g, wanted %.9g", i, (double)got[i],
				 (double)wanted[i]);
}

#endif
