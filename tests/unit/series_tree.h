/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads made by hand, for the tests of grouping, order and names: small trees of files with a frame
 * each, or as many as a test gives
 * them. */
#ifndef SM_TESTS_SERIES_TREE_H
#define SM_TESTS_SERIES_TREE_H

#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/series/dcm_series.h"

#define MOST 24
#define FRAMES 12

/* Files with one frame each, or as many as a test gives them. */
struct tree {
	struct sm_dcm_head heads[MOST];
	struct sm_dcm_frame frames[MOST][FRAMES];
};

static const struct sm_series_rules any_number __attribute__((unused)) = {.min_slices = 1};
static const struct sm_series_rules usual __attribute__((unused)) = {.min_slices = 3};

/* An axial CT slice at (x, y, z). */
static inline struct sm_dcm_frame frame(int number, double x, double y, double z)
{
	return (struct sm_dcm_frame){
		.has_orientation = true,
		.has_position = true,
		.has_spacing = true,
		.across = {1, 0, 0},
		.down = {0, 1, 0},
		.position = {x, y, z},
		.spacing = {0.5, 0.75},
		.thickness = 3,
		.slope = 1,
		.scale = SM_SCALE_RESCALE,
		.instance = number,
		.echo_time = NAN,
		.dated = true,
		.kvp = NAN,
		.kernel_number = NAN,
		.inversion_time = NAN,
		.trigger = NAN,
		.time = NAN,
		.reference = NAN,
		.duration = NAN,
		.decay_factor = NAN,
		.b_value = NAN,
	};
}

static inline void slice(struct tree *t, size_t i, const char *series, int number, double x,
			 double y, double z)
{
	struct sm_dcm_head h = {
		.modality = "CT",
		.format = {.rows = 8,
			   .columns = 6,
			   .samples = 1,
			   .frames = 1,
			   .bits_allocated = 16,
			   .bits_stored = 16,
			   .high_bit = 15,
			   .is_signed = true},
		.tile_rows = 8,
		.tile_columns = 6,
		.frame_count = 1,
		.frame = t->frames[i],
	};
	snprintf(h.series, sizeof h.series, "%s", series);
	snprintf(h.sop, sizeof h.sop, "%s.%03d", series, number);
	t->frames[i][0] = frame(number, x, y, z);
	t->heads[i] = h;
}

static inline enum sm_status all_differ(void *ctx, size_t a, size_t b, bool *same,
					struct sm_err *err)
{
	(void)ctx, (void)a, (void)b, (void)err;
	*same = false;
	return SM_OK;
}

static inline enum sm_status all_same(void *ctx, size_t a, size_t b, bool *same, struct sm_err *err)
{
	(void)ctx, (void)a, (void)b, (void)err;
	*same = true;
	return SM_OK;
}

static inline struct sm_series_list group_by(const struct tree *t, size_t n,
				      const struct sm_series_rules *rules)
{
	struct sm_series_list list;
	struct sm_err err = {0};
	assert_good(sm_series_group(t->heads, n, rules, all_differ, NULL, &list, &err), err);
	return list;
}

static inline struct sm_series_list group(const struct tree *t, size_t n)
{
	return group_by(t, n, &any_number);
}

static inline void expect_one(const struct sm_series_list *list, enum sm_verdict verdict,
			      const char *part)
{
	assert_int_equal(list->n, 1);
	if (list->series[0].verdict != verdict)
		fail_msg("verdict %s: %s", sm_verdict_code(list->series[0].verdict),
			 list->series[0].why);
	if (!strstr(list->series[0].why, part))
		fail_msg("'%s' lacks '%s'", list->series[0].why, part);
}

/* One stack at the given heights, in the given order. */
static inline void stack(struct tree *t, const double *z, size_t n)
{
	for (size_t i = 0; i < n; i++)
		slice(t, i, "1.2", (int)i, -10, 20, z[i]);
}

static inline void expect(const double *z, size_t n, enum sm_verdict verdict, const char *part)
{
	struct tree t;
	stack(&t, z, n);
	struct sm_series_list list = group(&t, n);
	expect_one(&list, verdict, part);
	sm_series_list_clear(&list);
}

/* The same tree under another salt: hashes change, and their order with them. */
static inline void resalt(struct tree *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(t->heads[i].sop, sizeof t->heads[i].sop, "%03zu", (i * 7 + 3) % 101);
}

/* Both give the same volumes: verdicts, sentences, names, slices, and every bit of the geometry. */
static inline void expect_same_volumes(const struct tree *x, const struct tree *y, size_t n)
{
	struct sm_series_list a = group(x, n), b = group(y, n);
	assert_int_equal(a.n, b.n);
	for (size_t i = 0; i < a.n; i++) {
		const struct sm_series *s = &a.series[i], *t = &b.series[i];
		assert_int_equal(s->n, t->n);
		assert_int_equal(s->verdict, t->verdict);
		assert_string_equal(s->why, t->why);
		assert_string_equal(s->name, t->name);
		assert_memory_equal(&s->stack, &t->stack, sizeof s->stack);
		for (size_t k = 0; k < s->n; k++)
			assert_int_equal(s->slice[k].head, t->slice[k].head);
	}
	sm_series_list_clear(&a);
	sm_series_list_clear(&b);
}

#endif
