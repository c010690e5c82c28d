/* SPDX-License-Identifier: Apache-2.0 */
/* Lesion-wise scores: by hand at the corners of the rule, against numpy, surface-distance and
 * panoptica on made and real masks, and what must not change them. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/field.h"
#include "core/file.h"
#include "core/nii.h"
#include "eval/column.h"
#include "eval/lesions.h"
#include "eval/surface.h"
#include "manifests/schema_rows.h"

static struct sm_err err;
static struct sm_mem mem;
static const double one_mm[3] = {1, 1, 1};
static const bool volume[3];

enum { NX = 40, NY = 30, NZ = 20, N = NX * NY * NZ };
static const int64_t grid[3] = {NX, NY, NZ};
static uint8_t truth[N], prediction[N];

static void clear(void)
{
	memset(truth, 0, sizeof truth);
	memset(prediction, 0, sizeof prediction);
}

/* Marks voxels from low, size of them along each axis; what lies outside is cut off. */
static void box(uint8_t *mask, const int64_t n[3], const int64_t low[3], const int64_t size[3])
{
	for (int64_t z = low[2]; z < low[2] + size[2]; z++)
		for (int64_t y = low[1]; y < low[1] + size[1]; y++)
			for (int64_t x = low[0]; x < low[0] + size[0]; x++)
				if (x >= 0 && y >= 0 && z >= 0 && x < n[0] && y < n[1] && z < n[2])
					mask[(z * n[1] + y) * n[0] + x] = 1;
}
#define BOX(mask, x, y, z, a, b, c) \
	box(mask, grid, (const int64_t[3]){x, y, z}, (const int64_t[3]){a, b, c})

static struct sm_lesions measure(int rule)
{
	struct sm_lesions s;
	assert_good(sm_lesions_measure(truth, prediction, grid, one_mm, &sm_lesion_rules[rule], .5,
				       2, &mem, &s, &err),
		    err);
	return s;
}

static void counts(const struct sm_lesions *s, unsigned tp, unsigned fp, unsigned fn,
		   unsigned filtered)
{
	assert_int_equal(s->tp, tp);
	assert_int_equal(s->fp, fp);
	assert_int_equal(s->fn, fn);
	assert_int_equal(s->filtered, filtered);
}

static void is(double got, double want)
{
	if (!(fabs(got - want) < 1e-12 || (isnan(got) && isnan(want))))
		fail_msg("got %.15g, wanted %.15g", got, want);
}

static void test_nothing_and_all(void **state)
{
	(void)state;
	clear();
	struct sm_lesions s = measure(SM_LESIONS_GLI);
	counts(&s, 0, 0, 0, 0);
	is(s.dice, 1);
	is(s.hd95, 0);
	is(s.pq, NAN);
	is(s.f1, NAN);
	BOX(truth, 5, 5, 5, 5, 5, 5);
	BOX(prediction, 5, 5, 5, 5, 5, 5);
	s = measure(SM_LESIONS_GLI);
	counts(&s, 1, 0, 0, 0);
	is(s.dice, 1);
	is(s.hd95, 0);
	is(s.pq, 1);
	is(s.f1, 1);
}

static void test_missed_and_false(void **state)
{
	(void)state;
	clear();
	BOX(truth, 5, 5, 5, 5, 5, 5);
	struct sm_lesions s = measure(SM_LESIONS_GLI);
	counts(&s, 0, 0, 1, 0);
	is(s.dice, 0);
	is(s.hd95, 374);
	is(s.pq, 0);
	is(s.recall, 0);
	is(s.precision, NAN);
	is(s.f1, 0);
	/* One lesion as it is, and a false one of a single voxel: no size excuses it. */
	BOX(prediction, 5, 5, 5, 5, 5, 5);
	BOX(prediction, 30, 20, 15, 1, 1, 1);
	s = measure(SM_LESIONS_GLI);
	counts(&s, 1, 1, 0, 0);
	is(s.dice, .5);
	is(s.hd95, 187);
	is(s.precision, .5);
	is(s.recall, 1);
	is(s.f1, 2. / 3);
	is(s.pq, 2. / 3);
	/* Only the false one. */
	clear();
	BOX(prediction, 30, 20, 15, 1, 1, 1);
	s = measure(SM_LESIONS_GLI);
	counts(&s, 0, 1, 0, 0);
	is(s.dice, 0);
	is(s.hd95, 374);
}

static void test_small_lesions_are_left_out(void **state)
{
	(void)state;
	struct sm_lesions s;
	clear();
	BOX(truth, 5, 5, 5, 5, 5, 2); /* 50 mm3: not above */
	s = measure(SM_LESIONS_GLI);
	counts(&s, 0, 0, 0, 1);
	is(s.dice, 1);
	is(s.hd95, 0);
	is(s.recall, 0); /* detection is of all parts */
	s = measure(SM_LESIONS_MET);
	counts(&s, 0, 0, 1, 0);
	BOX(prediction, 5, 5, 5, 5, 5, 2); /* found, and still left out, and not false */
	s = measure(SM_LESIONS_GLI);
	counts(&s, 0, 0, 0, 1);
	is(s.dice, 1);
	truth[7 * NX * NY + 5 * NX + 5] = 1; /* 51 mm3 */
	s = measure(SM_LESIONS_GLI);
	counts(&s, 1, 0, 0, 0);
	is(s.dice, 100. / 101);
	/* The volume is in mm3, not in voxels. */
	const double fine[3] = {.5, 1, 1};
	assert_good(sm_lesions_measure(truth, prediction, grid, fine,
				       &sm_lesion_rules[SM_LESIONS_GLI], .5, 1, &mem, &s, &err),
		    err);
	counts(&s, 0, 0, 0, 1);
}

static void test_one_prediction_over_two_lesions(void **state)
{
	(void)state;
	clear();
	BOX(truth, 2, 5, 5, 5, 5, 5);
	BOX(truth, 20, 5, 5, 5, 5, 5);
	BOX(prediction, 2, 5, 5, 23, 5, 5);
	struct sm_lesions s = measure(SM_LESIONS_GLI);
	counts(&s, 2, 0, 0, 0);
	is(s.dice, 250. / (125 + 575)); /* the whole part stands against each */
	is(s.precision, 1);
	is(s.recall, 1);
	is(s.pq, 0); /* intersection over union 125 / 575 of both */
	is(s.detection[SM_MATCH_CENTROID].precision, 0); /* it lies between them */
	/* Two parts within one lesion. */
	clear();
	BOX(truth, 2, 5, 5, 20, 5, 5);
	BOX(prediction, 2, 5, 5, 5, 5, 5);
	BOX(prediction, 12, 5, 5, 10, 5, 5);
	s = measure(SM_LESIONS_GLI);
	counts(&s, 1, 0, 0, 0);
	is(s.dice, 750. / (500 + 375));
	assert_int_equal(s.detection[SM_MATCH_CENTROID].found, 1);
	assert_int_equal(s.detection[SM_MATCH_CENTROID].right, 2);
	/* The larger one has an intersection over union of exactly a half: a pair. */
	counts(&s, 1, 0, 0, 0);
	is(s.sq, .5);
	is(s.rq, 1 / 1.5);
	is(s.detection[SM_MATCH_IOU].precision, .5);
	is(s.detection[SM_MATCH_IOU].recall, 1);
	assert_good(sm_lesions_measure(truth, prediction, grid, one_mm, &sm_lesion_rules[0],
				       .5 + 1e-9, 1, &mem, &s, &err),
		    err);
	is(s.pq, 0);
	is(s.f1, 1);
}

static void test_grouping_by_dilation(void **state)
{
	(void)state;
	for (int rule = 0; rule < SM_LESION_RULES; rule++)
		for (int gap = 1; gap < 9; gap++) {
			clear();
			BOX(truth, 2, 5, 5, 6, 5, 5);
			BOX(truth, 8 + gap, 5, 5, 6, 5, 5);
			struct sm_lesions s = measure(rule);
			bool one = gap <= 2 * sm_lesion_rules[rule].dilate;
			assert_int_equal(s.truth, one ? 1 : 2);
			assert_int_equal(s.components, 2);
			assert_int_equal(s.fn, s.truth);
		}
	/* What only touches the dilation is found, with no overlap; one farther on is false. */
	for (int gap = 0; gap < 6; gap++) {
		clear();
		BOX(truth, 2, 5, 5, 6, 5, 5);
		BOX(prediction, 8 + gap, 5, 5, 6, 5, 5);
		struct sm_lesions s = measure(SM_LESIONS_GLI);
		counts(&s, gap < 3, gap >= 3, gap >= 3, 0);
		is(s.dice, 0);
		assert_true(gap < 3 ? s.hd95 > 5 && s.hd95 < 12 : s.hd95 == 374);
		is(s.recall, 0);
	}
	/* A corner away is not a neighbour of the dilation's cross of 18. */
	clear();
	BOX(truth, 2, 2, 2, 4, 4, 4);
	BOX(prediction, 6, 6, 6, 4, 4, 4);
	struct sm_lesions s = measure(SM_LESIONS_MEN);
	counts(&s, 0, 1, 1, 0);
	s = measure(SM_LESIONS_GLI);
	counts(&s, 1, 0, 0, 0);
}

static void test_borders(void **state)
{
	(void)state;
	clear();
	BOX(truth, 0, 0, 0, 5, 5, 5);
	BOX(prediction, NX - 2, 0, 0, 2, 5, 5); /* the row before the next one */
	BOX(prediction, 0, NY - 2, 0, 5, 2, 5);
	BOX(prediction, 0, 0, NZ - 2, 5, 5, 2);
	struct sm_lesions s = measure(SM_LESIONS_GLI);
	counts(&s, 0, 3, 1, 0);
	clear();
	BOX(truth, NX - 5, NY - 5, NZ - 5, 5, 5, 5);
	BOX(prediction, NX - 5, NY - 5, NZ - 5, 5, 5, 5);
	s = measure(SM_LESIONS_GLI);
	counts(&s, 1, 0, 0, 0);
	is(s.hd95, 0);
	memset(truth, 1, sizeof truth); /* the whole grid */
	s = measure(SM_LESIONS_GLI);
	counts(&s, 1, 0, 0, 0);
	is(s.dice, 250. / (N + 125));
}

/* Of a picture the thickness of its slice is in no distance. */
static void test_pictures(void **state)
{
	(void)state;
	static uint8_t t[60 * 50], p[60 * 50];
	const int64_t n[3] = {60, 50, 1};
	const bool flat[3] = {false, false, true};
	box(t, n, (const int64_t[3]){10, 10, 0}, (const int64_t[3]){20, 20, 1});
	box(p, n, (const int64_t[3]){14, 10, 0}, (const int64_t[3]){20, 20, 1});
	struct sm_surface plane;
	struct sm_surface_settings settings = {.spacing = {1, 1, 1},
					       .families = 1u << SM_FROM_SURFELS,
					       .flat = {false, false, true},
					       .mem = &mem,
					       .jobs = 1};
	assert_good(sm_surface_measure(t, p, n, &settings, &plane, &err), err);
	for (double thick = 1; thick < 6; thick += 4) {
		const double mm[3] = {1, 1, thick};
		struct sm_lesions s;
		assert_good(sm_lesions_list(t, p, n, mm, flat, &sm_lesion_rules[SM_LESIONS_GLI], .5,
					    1, &mem, &s, NULL, &err),
			    err);
		assert_true(s.hd95 > 0);
		is(s.hd95, fmax(plane.surfel_hd95[0], plane.surfel_hd95[1]));
	}
}

/* The same numbers below, whatever box holds the masks, and whichever axis comes first. */
static bool same(const struct sm_lesions *a, const struct sm_lesions *b)
{
	const double x[] = {a->dice, a->hd95, a->f1, a->pq}, y[] = {b->dice, b->hd95, b->f1, b->pq};
	for (size_t i = 0; i < SM_COUNT(x); i++)
		if (!(fabs(x[i] - y[i]) < 1e-9 || (isnan(x[i]) && isnan(y[i]))))
			return false;
	return a->tp == b->tp && a->fp == b->fp && a->fn == b->fn && a->filtered == b->filtered &&
	       a->truth == b->truth && a->predicted == b->predicted;
}

struct lcg {
	uint32_t state;
};

static int64_t below(struct lcg *l, int64_t n)
{
	l->state = l->state * 1664525u + 1013904223u;
	return (int64_t)(l->state >> 16) % n;
}

/* As scripts/golden_lesions.py. */
static void made(const int64_t n[3], uint32_t seed, uint8_t *t, uint8_t *p)
{
	struct lcg l = {seed};
	int64_t low[3], size[3];
	memset(t, 0, (size_t)(n[0] * n[1] * n[2]));
	memset(p, 0, (size_t)(n[0] * n[1] * n[2]));
	for (int64_t i = below(&l, 6); i > 0; i--) {
		for (int a = 0; a < 3; a++)
			low[a] = below(&l, n[a]);
		for (int a = 0; a < 3; a++)
			size[a] = 1 + below(&l, 6);
		box(t, n, low, size);
		if (below(&l, 4) == 0)
			continue;
		for (int a = 0; a < 3; a++)
			low[a] += below(&l, 5) - 2;
		for (int a = 0; a < 3; a++)
			size[a] += below(&l, 3) - 1;
		box(p, n, low, size);
	}
	for (int64_t i = below(&l, 3); i > 0; i--) {
		for (int a = 0; a < 3; a++)
			low[a] = below(&l, n[a]);
		for (int a = 0; a < 3; a++)
			size[a] = 1 + below(&l, 4);
		box(p, n, low, size);
	}
}

static void test_what_must_not_matter(void **state)
{
	(void)state;
	enum { A = 17, B = 14, C = 11, M = A * B * C };
	static uint8_t t[M], p[M], big[2][(A + 5) * (B + 4) * (C + 3)], turned[2][M];
	const int64_t n[3] = {A, B, C}, more[3] = {A + 5, B + 4, C + 3}, other[3] = {C, A, B};
	const double mm[3] = {.7, 1.3, 2.1}, turned_mm[3] = {2.1, .7, 1.3};
	for (uint32_t seed = 100; seed < 160; seed++) {
		const struct sm_lesion_rule *rule = &sm_lesion_rules[seed % SM_LESION_RULES];
		struct sm_lesions a, b;
		made(n, seed, t, p);
		assert_good(sm_lesions_measure(t, p, n, mm, rule, .5, 1, &mem, &a, &err), err);
		assert_good(sm_lesions_measure(t, p, n, mm, rule, .5, 4, &mem, &b, &err), err);
		assert_true(same(&a, &b)); /* threads: not a bit */
		assert_true(memcmp(&a.dice, &b.dice, sizeof a.dice) == 0 &&
			    memcmp(&a.hd95, &b.hd95, sizeof a.hd95) == 0);
		memset(big, 0, sizeof big);
		for (int64_t z = 0; z < C; z++)
			for (int64_t y = 0; y < B; y++)
				for (int64_t x = 0; x < A; x++) {
					int64_t from = (z * B + y) * A + x;
					int64_t wide =
						((z + 1) * more[1] + y + 2) * more[0] + x + 4;
					int64_t turn = ((B - 1 - y) * A + x) * C + z; /* flipped */
					big[0][wide] = t[from];
					big[1][wide] = p[from];
					turned[0][turn] = t[from];
					turned[1][turn] = p[from];
				}
		assert_good(
			sm_lesions_measure(big[0], big[1], more, mm, rule, .5, 1, &mem, &b, &err),
			err);
		assert_true(same(&a, &b));
		assert_good(sm_lesions_measure(turned[0], turned[1], other, turned_mm, rule, .5, 1,
					       &mem, &b, &err),
			    err);
		assert_true(same(&a, &b));
		/* The list tells the same. */
		struct sm_lesion *list;
		double dice = 0;
		unsigned tp = 0, filtered = 0, fn = 0;
		assert_good(
			sm_lesions_list(t, p, n, mm, volume, rule, .5, 1, &mem, &b, &list, &err),
			err);
		assert_true(same(&a, &b));
		for (size_t i = 0; i < b.truth; i++) {
			filtered += list[i].filtered;
			tp += !list[i].filtered && list[i].components;
			fn += !list[i].filtered && !list[i].components;
			dice += list[i].filtered ? 0 : list[i].dice;
			assert_true(t[(list[i].first[2] * B + list[i].first[1]) * A +
				      list[i].first[0]]);
		}
		counts(&a, tp, a.fp, fn, filtered);
		if (tp + fn + a.fp)
			is(a.dice, dice / (tp + fn + a.fp));
		sm_free(list);
	}
	assert_int_equal(mem.used, 0);
}

static void near(double got, double want, const char *line)
{
	if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want)) || (isnan(got) && isnan(want))))
		fail_msg("got %.12g, wanted %.12g: %s", got, want, line);
}

/* Numbers as scripts/golden_lesions.py prints them. */
static void check(const struct sm_lesions *s, const double *want, const char *line)
{
	const uint32_t whole[] = {s->truth, s->predicted, s->tp, s->fp, s->fn, s->filtered};
	for (size_t i = 0; i < SM_COUNT(whole); i++)
		near(whole[i], want[i], line);
	near(s->dice, want[6], line);
	near(s->hd95, want[7], line);
	for (int r = 0; r < SM_MATCH_RULES; r++) {
		const struct sm_detection *d = &s->detection[r];
		const double *w = want + 8 + 4 * r;
		near(d->found, w[0], line);
		near(d->missed, w[1], line);
		near(d->right, w[2], line);
		near(d->wrong, w[3], line);
	}
	near(s->pq, want[20], line);
	near(s->sq, want[21], line);
	near(s->rq, want[22], line);
}
enum { NUMBERS = 23 };

static size_t numbers(const char *at, double *out, size_t most)
{
	size_t n = 0;
	for (char *end; n < most; n++, at = end) {
		out[n] = strtod(at, &end);
		if (end == at)
			break;
	}
	return n;
}

static const struct sm_lesion_rule *rule_of(const char *name)
{
	for (int r = 0; r < SM_LESION_RULES; r++)
		if (strcmp(sm_lesion_rules[r].name, name) == 0)
			return &sm_lesion_rules[r];
	fail_msg("no rule '%s'", name);
	return NULL;
}

static void check_made(const char *line)
{
	double v[NUMBERS];
	int64_t n[3];
	long long d[3];
	double mm[3];
	unsigned seed;
	char rule[8];
	int used = 0;
	struct sm_lesions s;
	assert_int_equal(sscanf(line, "made %lld %lld %lld %lf %lf %lf %u %7s%n", &d[0], &d[1],
				&d[2], &mm[0], &mm[1], &mm[2], &seed, rule, &used),
			 8);
	assert_int_equal(numbers(line + used, v, NUMBERS), NUMBERS);
	for (int a = 0; a < 3; a++)
		n[a] = d[a];
	uint8_t *t = malloc((size_t)(n[0] * n[1] * n[2])),
		*p = malloc((size_t)(n[0] * n[1] * n[2]));
	assert_true(t && p);
	made(n, seed, t, p);
	assert_good(sm_lesions_measure(t, p, n, mm, rule_of(rule), .5, 2, &mem, &s, &err), err);
	check(&s, v, line);
	free(t);
	free(p);
}

/* False where the scans are not there. */
static bool mask_of(const char *name, const char *row, struct sm_vol *vol)
{
	const char *root = getenv("SM_SHARED_DATA");
	char path[1024];
	snprintf(path, sizeof path, "%s/brats_tcga_fg_6692/segmentations/%s.nii.gz",
		 root ? root : "../shared/data", name);
	if (!sm_file_exists(path))
		return false;
	assert_good(sm_nii_read(path, &mem, vol, NULL, &err), err);
	assert_good(sm_vol_to_labels(vol, &mem, name, &err), err);
	uint8_t *v = vol->data;
	for (size_t i = 0; i < sm_vol_count(vol); i++)
		v[i] = v[i] == 4 || (v[i] == 1 && row[0] != 'e') || (v[i] == 2 && row[0] == 'w');
	return true;
}

static bool check_real(const char *line)
{
	char name[2][32], row[8], rule[8];
	double v[NUMBERS], mm[3];
	int used = 0;
	struct sm_vol t, p;
	struct sm_lesions s;
	assert_int_equal(
		sscanf(line, "real %31s %31s %7s %7s%n", name[0], name[1], row, rule, &used), 4);
	assert_int_equal(numbers(line + used, v, NUMBERS), NUMBERS);
	if (!mask_of(name[0], row, &t))
		return false;
	assert_true(mask_of(name[1], row, &p));
	sm_vol_spacing(&t, mm);
	assert_good(
		sm_lesions_measure(t.data, p.data, t.dim, mm, rule_of(rule), .5, 2, &mem, &s, &err),
		err);
	check(&s, v, line);
	sm_vol_clear(&t);
	sm_vol_clear(&p);
	return true;
}

static void test_golden_numbers(void **state)
{
	(void)state;
	char line[1024];
	int rows = 0, real = 0;
	FILE *file = fopen("tests/golden/lesions.txt", "r");
	assert_non_null(file);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, "made ", 5) == 0) {
			check_made(line);
			rows++;
		}
	rewind(file);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, "real ", 5) == 0)
			real += check_real(line);
	fclose(file);
	assert_int_equal(rows, 60);
	assert_true(real == 18 || real == 0);
	assert_int_equal(mem.used, 0);
	if (!real)
		skip();
}

static void test_names(void **state)
{
	(void)state;
	char choices[64];
	int used = snprintf(choices, sizeof choices, "off");
	const struct sm_field *f = sm_evaluate_fieldset.fields;
	struct sm_lesions s = {.dice = .25, .sq = .5};
	for (int r = 0; r < SM_LESION_RULES; r++)
		used += snprintf(choices + used, sizeof choices - (size_t)used, "|%s",
				 sm_lesion_rules[r].name);
	while (strcmp(f->key, "lesions") != 0)
		f++;
	assert_string_equal(f->choices, choices);
	is(sm_lesions_value("lesion_dice", &s), .25);
	is(sm_lesions_value("sq", &s), .5);
	is(sm_lesions_value("dice", &s), NAN);
	for (size_t m = 0; m < sm_metric_count; m++)
		if (sm_metric_rows[m].family == SM_FROM_LESIONS)
			is(sm_lesions_value(sm_metric_rows[m].key, &(struct sm_lesions){0}), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_and_all),
		cmocka_unit_test(test_missed_and_false),
		cmocka_unit_test(test_small_lesions_are_left_out),
		cmocka_unit_test(test_one_prediction_over_two_lesions),
		cmocka_unit_test(test_grouping_by_dilation),
		cmocka_unit_test(test_borders),
		cmocka_unit_test(test_pictures),
		cmocka_unit_test(test_what_must_not_matter),
		cmocka_unit_test(test_golden_numbers),
		cmocka_unit_test(test_names),
	};
	sm_mem_init(&mem, 0);
	return run_tap(tests);
}
