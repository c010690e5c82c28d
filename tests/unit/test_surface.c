/* SPDX-License-Identifier: Apache-2.0
 *
 * Surface distances: closed forms, properties on random masks, and a plain implementation that
 * tries every pair of points.
 */
#include "tests/unit/surface_helpers.h"

#include "core/rng.h"
#include "eval/surfel.h"

static void assert_same(const struct sm_surface *a, const struct sm_surface *b, bool turned,
			double scale)
{
	for (size_t k = 0; k < 2; k++) {
		const size_t j = turned ? 1 - k : k;
		assert_int_equal(a->n[k], b->n[j]);
		assert_near(a->hd[k] * scale, b->hd[j], 1e-14);
		assert_near(a->hd95[k] * scale, b->hd95[j], 1e-14);
		assert_near(a->mean[k] * scale, b->mean[j], 1e-12);
		assert_near(a->surfel_hd[k] * scale, b->surfel_hd[j], 1e-14);
		assert_near(a->surfel_hd95[k] * scale, b->surfel_hd95[j], 1e-14);
		assert_near(a->surfel_mean[k] * scale, b->surfel_mean[j], 1e-12);
		assert_near(a->surfel_area[k] * scale * scale, b->surfel_area[j], 1e-12);
		if (scale == 1) {
			assert_true(a->nsd[k] == b->nsd[k]);
			assert_near(a->surfel_nsd[k], b->surfel_nsd[k], 1e-12);
		}
	}
	assert_near(a->pooled95 * scale, b->pooled95, 1e-14);
	assert_near(a->pooled_mean * scale, b->pooled_mean, 1e-12);
}

/* Voxels (2, 3, 1) and (9, 7, 4): their distance, whatever is asked for; the surface of a voxel is
 * eight corners. */
static void single_voxels_are_as_far_as_they_are(void **state)
{
	(void)state;
	static const int64_t n[3] = {12, 10, 6};
	static const double spacings[][3] = {{1, 1, 1}, {0.5, 1.25, 3}, {2, 0.1, 7}};
	for (size_t i = 0; i < 3; i++) {
		const double *mm = spacings[i];
		uint8_t *t = grid(n), *p = grid(n);
		fill(t, n, 2, 3, 1, 1, 1, 1);
		fill(p, n, 9, 7, 4, 1, 1, 1);
		const struct sm_surface s = measured(t, p, n, mm, 1);
		const double far =
			sqrt(49 * mm[0] * mm[0] + 16 * mm[1] * mm[1] + 9 * mm[2] * mm[2]);
		const double near =
			sqrt(36 * mm[0] * mm[0] + 9 * mm[1] * mm[1] + 4 * mm[2] * mm[2]);
		const double a = mm[1] * mm[2], b = mm[0] * mm[2], c = mm[0] * mm[1];
		for (int k = 0; k < 2; k++) {
			assert_int_equal(s.n[k], 1);
			assert_near(s.hd[k], far, 1e-15);
			assert_near(s.hd95[k], far, 1e-15);
			assert_near(s.mean[k], far, 1e-15);
			assert_near(s.surfel_hd[k], far, 1e-15);
			assert_near(s.surfel_area[k], sqrt(a * a + b * b + c * c), 1e-14);
			assert_true(s.surfel_mean[k] > near && s.surfel_mean[k] < far);
		}
		assert_near(s.pooled95, far, 1e-15);
		assert_near(s.pooled_mean, far, 1e-15);
		assert_true(s.nsd[0] == 0 && s.surfel_nsd[0] == 0);
		free(t);
		free(p);
	}
}

static void a_mask_is_no_distance_from_itself(void **state)
{
	(void)state;
	static const int64_t n[3] = {9, 8, 7};
	static const double mm[3] = {0.7, 1, 2};
	uint8_t *t = grid(n);
	fill(t, n, 0, 2, 1, 5, 4, 6);
	const struct sm_surface s = measured(t, t, n, mm, 1);
	assert_int_equal(s.n[0], 5 * 4 * 6 - 3 * 2 * 4);
	for (int k = 0; k < 2; k++) {
		assert_true(s.hd[k] == 0 && s.hd95[k] == 0 && s.mean[k] == 0);
		assert_true(s.surfel_hd[k] == 0 && s.surfel_hd95[k] == 0 && s.surfel_mean[k] == 0);
		assert_true(s.nsd[k] == 1 && s.surfel_nsd[k] == 1);
	}
	free(t);
}

/* Sheets of one voxel, 5 apart: every distance is the gap. */
static void sheets_are_a_gap_apart(void **state)
{
	(void)state;
	static const int64_t n[3] = {80, 20, 12};
	static const double mm[3] = {0.8, 1.1, 2.5};
	for (int axis = 0; axis < 3; axis++) {
		int64_t at[3] = {0}, size[3] = {n[0], n[1], n[2]};
		uint8_t *t = grid(n), *p = grid(n);
		size[axis] = 1;
		at[axis] = 3;
		fill(t, n, at[0], at[1], at[2], size[0], size[1], size[2]);
		at[axis] = 8;
		fill(p, n, at[0], at[1], at[2], size[0], size[1], size[2]);
		const struct sm_surface s = measured(t, p, n, mm, 1);
		for (int k = 0; k < 2; k++) {
			assert_int_equal(s.n[k], size[0] * size[1] * size[2]);
			assert_near(s.hd[k], 5 * mm[axis], 1e-15);
			assert_near(s.hd95[k], 5 * mm[axis], 1e-15);
			assert_near(s.mean[k], 5 * mm[axis], 1e-13);
		}
		free(t);
		free(p);
	}
}

/* A box in a box with m voxels around: from outside the farthest is corner to corner, from inside
 * the nearest wall. Areas of boxes: faces, edges cut at 45 degrees, corners. */
static void boxes_have_closed_forms(void **state)
{
	(void)state;
	static const int64_t n[3] = {30, 26, 24};
	static const double mm[3] = {1.5, 1, 0.75};
	uint8_t *t = grid(n), *p = grid(n);
	fill(t, n, 8, 7, 6, 10, 12, 9);
	fill(p, n, 5, 4, 3, 16, 18, 15);
	const struct sm_surface s = measured(t, p, n, mm, 2);
	assert_near(s.hd[1], 3 * sqrt(mm[0] * mm[0] + mm[1] * mm[1] + mm[2] * mm[2]), 1e-15);
	assert_near(s.hd[0], 3 * mm[0], 1e-15);
	assert_int_equal(s.n[0], 10 * 12 * 9 - 8 * 10 * 7);
	const double w = 10, h = 12, d = 9, a = mm[1] * mm[2], b = mm[0] * mm[2], c = mm[0] * mm[1];
	const double faces =
		2 * ((h - 1) * (d - 1) * a + (w - 1) * (d - 1) * b + (w - 1) * (h - 1) * c);
	const double edges =
		2 * ((w - 1) * hypot(b, c) + (h - 1) * hypot(a, c) + (d - 1) * hypot(a, b));
	assert_near(s.surfel_area[0], faces + edges + sqrt(a * a + b * b + c * c), 1e-13);
	free(t);
	free(p);
}

/* Two balls of one centre: distances are the difference of radii within a voxel's diagonal, the
 * area is the ball's within the tenth that steps add. */
static void balls_come_near_their_closed_forms(void **state)
{
	(void)state;
	static const int64_t n[3] = {70, 70, 70};
	static const double mm[3] = {1, 1, 1};
	uint8_t *t = grid(n), *p = grid(n);
	for (int64_t i = 0; i < 70 * 70 * 70; i++) {
		const int64_t x = i % 70 - 35, y = i / 70 % 70 - 35, z = i / 4900 - 35,
			      r = x * x + y * y + z * z;
		t[i] = r <= 20 * 20;
		p[i] = r <= 30 * 30;
	}
	const struct sm_surface s = measured(t, p, n, mm, 2);
	for (int k = 0; k < 2; k++) {
		assert_true(s.hd[k] <= 10 + sqrt(3) && s.hd95[k] <= s.hd[k]);
		if (!(fabs(s.mean[k] - 10) < 1 && fabs(s.surfel_mean[k] - 10) < 1))
			fail_msg("means %g and %g", s.mean[k], s.surfel_mean[k]);
	}
	const double pi = 3.141592653589793;
	assert_true(s.surfel_area[0] > 4 * pi * 400 && s.surfel_area[0] < 4.4 * pi * 400);
	assert_true(s.surfel_area[1] > 4 * pi * 900 && s.surfel_area[1] < 4.4 * pi * 900);
	free(t);
	free(p);
}

static void random_mask(uint8_t *v, const int64_t n[3], struct sm_rng *rng)
{
	const size_t all = (size_t)(n[0] * n[1] * n[2]);
	const uint32_t boxes = 1 + sm_rng_below(rng, 4), speckle = 5 + sm_rng_below(rng, 200);
	memset(v, 0, all);
	for (uint32_t i = 0; i < boxes; i++) {
		int64_t at[3], size[3];
		for (int a = 0; a < 3; a++) {
			at[a] = sm_rng_below(rng, (uint32_t)n[a]);
			size[a] = 1 + sm_rng_below(rng, (uint32_t)(n[a] - at[a]));
		}
		fill(v, n, at[0], at[1], at[2], size[0], size[1], size[2]);
	}
	for (size_t i = 0; i < all; i++)
		v[i] ^= sm_rng_below(rng, speckle) == 0;
	v[sm_rng_below(rng, (uint32_t)all)] = 1;
}

static int less(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* An image of one voxel along an axis has the same voxel beside it. */
static unsigned inside(const uint8_t *v, const int64_t n[3], int64_t x, int64_t y, int64_t z)
{
	const bool one = n[0] * n[1] * n[2] == 1;
	x = n[0] == 1 && !one ? 0 : x;
	y = n[1] == 1 && !one ? 0 : y;
	z = n[2] == 1 && !one ? 0 : z;
	return x >= 0 && y >= 0 && z >= 0 && x < n[0] && y < n[1] && z < n[2] &&
	       v[(z * n[1] + y) * n[0] + x];
}

struct point {
	int64_t x, y, z;
	double area;
};

/* Edge voxels, or corner points with their areas. */
static size_t points_of(const uint8_t *v, const int64_t n[3], bool corners, const double area[256],
			struct point *out)
{
	size_t count = 0;
	for (int64_t z = 0; z <= n[2]; z++)
		for (int64_t y = 0; y <= n[1]; y++)
			for (int64_t x = 0; x <= n[0]; x++) {
				unsigned code = 0;
				for (int k = 0; k < 8; k++)
					code = code << 1 |
					       inside(v, n, x - 1 + (k >> 2), y - 1 + (k >> 1 & 1),
						      z - 1 + (k & 1));
				const bool edge =
					x < n[0] && y < n[1] && z < n[2] && inside(v, n, x, y, z) &&
					!(inside(v, n, x - 1, y, z) && inside(v, n, x + 1, y, z) &&
					  inside(v, n, x, y - 1, z) && inside(v, n, x, y + 1, z) &&
					  inside(v, n, x, y, z - 1) && inside(v, n, x, y, z + 1));
				if (corners ? code != 0 && code != 255 : edge)
					out[count++] = (struct point){x, y, z, area[code]};
			}
	return count;
}

static void all_pairs(const struct point *from, size_t n, const struct point *to, size_t m,
		      const double mm[3], double *out)
{
	for (size_t i = 0; i < n; i++) {
		out[i] = INFINITY;
		for (size_t k = 0; k < m; k++) {
			const double x = (double)(from[i].x - to[k].x) * mm[0],
				     y = (double)(from[i].y - to[k].y) * mm[1],
				     z = (double)(from[i].z - to[k].z) * mm[2],
				     d = sqrt(x * x + y * y + z * z);
			out[i] = d < out[i] ? d : out[i];
		}
	}
}

static double sorted_quantile(double *v, size_t n, double q)
{
	qsort(v, n, sizeof *v, less);
	const double at = (double)(n - 1) * q;
	const size_t k = (size_t)at;
	return k + 1 < n ? v[k] + (v[k + 1] - v[k]) * (at - (double)k) : v[k];
}

enum { MOST = 4000 };

static void compare_edges(const struct sm_surface *s, struct point pts[2][MOST], const size_t n[2],
			  const double mm[3])
{
	static double d[2 * MOST];
	double sum[2] = {0};
	size_t near = 0;
	for (size_t k = 0; k < 2; k++) {
		double *mine = d + (k ? n[0] : 0);
		assert_int_equal(s->n[k], n[k]);
		all_pairs(pts[k], n[k], pts[1 - k], n[1 - k], mm, mine);
		for (size_t i = 0; i < n[k]; i++) {
			sum[k] += mine[i];
			near += mine[i] <= 2.5 * (1 + 1e-6);
		}
		assert_near(s->mean[k], sum[k] / (double)n[k], 1e-12);
		assert_near(s->hd95[k], sorted_quantile(mine, n[k], 0.95), 1e-13);
		assert_near(s->hd[k], mine[n[k] - 1], 1e-14);
	}
	assert_near(s->pooled_mean, (sum[0] + sum[1]) / (double)(n[0] + n[1]), 1e-12);
	assert_near(s->pooled95, sorted_quantile(d, n[0] + n[1], 0.95), 1e-13);
	assert_near(s->nsd[1], (double)near / (double)(n[0] + n[1]), 1e-15);
}

struct weighed {
	double d, area;
};

static int nearer(const void *a, const void *b)
{
	return less(&((const struct weighed *)a)->d, &((const struct weighed *)b)->d);
}

static void compare_corners(const struct sm_surface *s, struct point pts[2][MOST],
			    const size_t n[2], const double mm[3])
{
	static double d[MOST];
	static struct weighed w[MOST];
	double near = 0, total = 0;
	for (size_t k = 0; k < 2; k++) {
		double sum = 0, area = 0, so_far = 0;
		all_pairs(pts[k], n[k], pts[1 - k], n[1 - k], mm, d);
		for (size_t i = 0; i < n[k]; i++) {
			w[i] = (struct weighed){d[i], pts[k][i].area};
			sum += d[i] * w[i].area;
			area += w[i].area;
			near += d[i] <= 2.5 * (1 + 1e-6) ? w[i].area : 0;
		}
		total += area;
		qsort(w, n[k], sizeof *w, nearer);
		size_t i = 0;
		while (so_far += w[i].area, so_far < 0.95 * area)
			i++;
		assert_near(s->surfel_area[k], area, 1e-12);
		assert_near(s->surfel_mean[k], sum / area, 1e-12);
		assert_near(s->surfel_hd95[k], w[i].d, 1e-14);
		assert_near(s->surfel_hd[k], w[n[k] - 1].d, 1e-14);
	}
	assert_near(s->surfel_nsd[1], near / total, 1e-12);
}

/* Both definitions on a pair of random masks. */
static void agree_with_all_pairs(const int64_t n[3], const double mm[3], struct sm_rng *rng)
{
	static struct point pts[2][MOST];
	uint8_t *v[2] = {grid(n), grid(n)};
	double area[256];
	size_t count[2];
	random_mask(v[0], n, rng);
	random_mask(v[1], n, rng);
	sm_surfel_areas(mm, area);
	const struct sm_surface s = measured(v[0], v[1], n, mm, 1);
	for (int k = 0; k < 2; k++)
		count[k] = points_of(v[k], n, false, area, pts[k]);
	compare_edges(&s, pts, count, mm);
	for (int k = 0; k < 2; k++)
		count[k] = points_of(v[k], n, true, area, pts[k]);
	compare_corners(&s, pts, count, mm);
	free(v[0]);
	free(v[1]);
}

static void random_masks_agree_with_all_pairs(void **state)
{
	(void)state;
	static const double spacings[][3] = {{1, 1, 1}, {0.5, 1.25, 3}, {0.9, 0.9, 0.9}};
	struct sm_rng rng;
	sm_rng_init(&rng, 1, "test.surface", "", 0, 0);
	for (int i = 0; i < 48; i++) {
		/* Every second one a slice or a line, along each axis. */
		const int64_t n[3] = {i % 8 == 1 || i % 16 == 7 ? 1 : 1 + sm_rng_below(&rng, 15),
				      i % 8 == 3 || i % 16 == 7 ? 1 : 1 + sm_rng_below(&rng, 13),
				      i % 8 == 5 ? 1 : 1 + sm_rng_below(&rng, 9)};
		agree_with_all_pairs(n, spacings[i % 3], &rng);
	}
}

/* Rows of several words, and spacings whose nearest offsets lie along one axis or in one plane:
 * sites across the ends of words, rings of many steps. */
static void long_rows_agree_with_all_pairs(void **state)
{
	(void)state;
	static const double spacings[][3] = {{1, 1, 1},    {0.01, 1, 1},  {1, 0.01, 0.02},
					     {1, 1, 6},    {0.1, 0.1, 4}, {3, 0.4, 0.4},
					     {0.94, 0.94, 1.2}};
	struct sm_rng rng;
	sm_rng_init(&rng, 4, "test.surface", "", 0, 0);
	for (size_t i = 0; i < 42; i++) {
		const int64_t n[3] = {56 + sm_rng_below(&rng, 80), 1 + sm_rng_below(&rng, 4),
				      1 + sm_rng_below(&rng, 4)};
		agree_with_all_pairs(n, spacings[i % 7], &rng);
	}
}

static void pad(const uint8_t *in, const int64_t n[3], uint8_t *out, const int64_t m[3],
		const int64_t at[3], unsigned flips)
{
	for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++) {
		int64_t p[3] = {i % n[0], i / n[0] % n[1], i / n[0] / n[1]};
		for (int a = 0; a < 3; a++)
			p[a] = at[a] + (flips >> a & 1 ? n[a] - 1 - p[a] : p[a]);
		out[(p[2] * m[1] + p[1]) * m[0] + p[0]] = in[i];
	}
}

static void order_padding_flips_and_scale_change_nothing_else(void **state)
{
	(void)state;
	struct sm_rng rng;
	sm_rng_init(&rng, 2, "test.surface", "", 0, 0);
	for (unsigned i = 0; i < 24; i++) {
		const int64_t n[3] = {2 + sm_rng_below(&rng, 70), 2 + sm_rng_below(&rng, 20),
				      2 + sm_rng_below(&rng, 20)};
		const int64_t m[3] = {n[0] + 3 + i, n[1] + 5, n[2] + 4}, at[3] = {1 + i, 2, 4};
		const double mm[3] = {1, i % 2 ? 1 : 1.25, i % 2 ? 1 : 2.5};
		const double twice[3] = {4 * mm[0], 4 * mm[1], 4 * mm[2]};
		uint8_t *t = grid(n), *p = grid(n), *wide_t = grid(m), *wide_p = grid(m);
		random_mask(t, n, &rng);
		random_mask(p, n, &rng);
		pad(t, n, wide_t, m, at, i % 8);
		pad(p, n, wide_p, m, at, i % 8);
		const struct sm_surface s = measured(t, p, n, mm, 1),
					turned = measured(p, t, n, mm, 1),
					wide = measured(wide_t, wide_p, m, mm, 3),
					large = measured(t, p, n, twice, 2);
		assert_same(&s, &turned, true, 1);
		assert_same(&s, &wide, false, 1);
		assert_same(&s, &large, false, 4);
		free(t);
		free(p);
		free(wide_t);
		free(wide_p);
	}
}

/* More than a million points: cut into pieces of work; the same bits on any number of threads. */
static void threads_change_no_bit(void **state)
{
	(void)state;
	static const int64_t n[3] = {130, 110, 90};
	static const double mm[3] = {1, 1.5, 0.8};
	uint8_t *t = grid(n), *p = grid(n);
	for (int64_t i = 0; i < n[0] * n[1] * n[2]; i++) {
		const int64_t x = i % n[0], y = i / n[0] % n[1], z = i / n[0] / n[1];
		t[i] = x + y < 70 && z < 60;
		p[i] = (x - 100) * (x - 100) + (y - 90) * (y - 90) + (z - 60) * (z - 60) < 800 ||
		       (x + y) % 37 == 0;
	}
	t[n[0] * n[1] * n[2] - 1] = 1;
	const struct sm_surface one = measured(t, p, n, mm, 1), five = measured(t, p, n, mm, 5);
	assert_memory_equal(&one, &five, sizeof one);
	free(t);
	free(p);
}

static void every_surface_metric_has_a_value(void **state)
{
	(void)state;
	static const int64_t n[3] = {8, 8, 8};
	static const double mm[3] = {1, 1, 1};
	const struct sm_surface none = {0};
	uint8_t *t = grid(n), *p = grid(n);
	size_t seen = 0;
	fill(t, n, 1, 1, 1, 3, 3, 3);
	fill(p, n, 2, 2, 1, 5, 4, 3);
	const struct sm_surface s = measured(t, p, n, mm, 1);
	for (size_t i = 0; i < sm_metric_count; i++) {
		const struct sm_metric *m = &sm_metric_rows[i];
		if (m->family != SM_FROM_SURFACE && m->family != SM_FROM_SURFELS)
			continue;
		const double v = value_of(m->key, 0, &s);
		assert_true(isfinite(v) && v > 0);
		assert_true(isnan(value_of(m->key, 0, &none)));
		seen++;
	}
	assert_int_equal(seen, 13);
	assert_true(value_of("hd", 0, &s) == fmax(s.hd[0], s.hd[1]));
	assert_true(value_of("assd_mean", 0, &s) == (s.mean[0] + s.mean[1]) / 2);
	assert_true(value_of("masd_prediction", 0, &s) == s.mean[1]);
	assert_true(value_of("nsd", 1, &s) == s.nsd[1] && s.nsd[1] > s.nsd[0]);
	free(t);
	free(p);
}

static void refusals_are_sentences(void **state)
{
	(void)state;
	static const int64_t n[3] = {4, 4, 4}, dim[4] = {4, 4, 4, 1};
	struct sm_surface_settings s = {.spacing = {1, 1, 1}, .families = BOTH, .jobs = 1};
	struct sm_surface out;
	struct sm_vol vol;
	struct sm_mem mem;
	struct sm_err err = {0};
	double mm[3];
	uint8_t *t = grid(n), *p = grid(n);
	fill(t, n, 1, 1, 1, 2, 2, 2);
	assert_refused(sm_surface_measure(t, p, n, &s, &out, &err), SM_INTERNAL, err,
		       "the prediction is empty");
	size_t refused = 0;
	enum sm_status st = SM_BUDGET;
	for (size_t limit = 64; st == SM_BUDGET; limit += 64, refused += st == SM_BUDGET) {
		sm_mem_init(&mem, limit);
		s.mem = &mem;
		st = sm_surface_measure(t, t, n, &s, &out, &err);
		assert_int_equal(mem.used, 0);
	}
	assert_good(st, err);
	assert_in_range(refused, 10, 2000);
	assert_good(sm_vol_init(&vol, dim, SM_U8, NULL, "t", &err), err);
	vol.affine[0][0] = 2;
	vol.affine[1][1] = 0.5;
	assert_good(sm_surface_spacing(&vol, "t.nii", mm, &err), err);
	assert_true(mm[0] == 2 && mm[1] == 0.5 && mm[2] == 1);
	vol.affine[1][2] = 0.2;
	assert_refused(sm_surface_spacing(&vol, "t.nii", mm, &err), SM_INPUT, err,
		       "t.nii: axes y and z of the grid are not at right angles (cosine 0.196116");
	sm_vol_clear(&vol);
	free(t);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_voxels_are_as_far_as_they_are),
		cmocka_unit_test(a_mask_is_no_distance_from_itself),
		cmocka_unit_test(sheets_are_a_gap_apart),
		cmocka_unit_test(boxes_have_closed_forms),
		cmocka_unit_test(balls_come_near_their_closed_forms),
		cmocka_unit_test(random_masks_agree_with_all_pairs),
		cmocka_unit_test(long_rows_agree_with_all_pairs),
		cmocka_unit_test(order_padding_flips_and_scale_change_nothing_else),
		cmocka_unit_test(threads_change_no_bit),
		cmocka_unit_test(every_surface_metric_has_a_value),
		cmocka_unit_test(refusals_are_sentences),
	};
	return run_tap(tests);
}
