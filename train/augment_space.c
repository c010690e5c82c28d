/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentations of space: each changes the move that waits in s->warp; one resampling does them
 * all. */
#include "core/elementary.h"
#include "train/augment_rows.h"

static const double nowhere[3] = {0, 0, 0};

void sm_augment_flip(struct sm_augmented *s, const struct sm_augment_params *a, struct sm_rng *rng)
{
	double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
	for (int k = 0; k < 3; k++) {
		bool drawn = sm_rng_f64(rng) < a->p;
		if (drawn && (k > 0 || !sm_augment_plane(s, a)))
			m[k][k] = -1;
	}
	sm_warp_then(&s->warp, m, nowhere);
}

/* Turn in the plane of axes b and c, as cosine and sine: m = m * turn. */
static void turn(double m[3][3], int b, int c, double cosine, double sine)
{
	for (int a = 0; a < 3; a++) {
		double x = m[a][b], y = m[a][c];
		m[a][b] = x * cosine + y * sine;
		m[a][c] = y * cosine - x * sine;
	}
}

void sm_augment_rotate90(struct sm_augmented *s, const struct sm_augment_params *a,
			 struct sm_rng *rng)
{
	static const double cosine[4] = {1, 0, -1, 0}, sine[4] = {0, 1, 0, -1};
	double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
	int axis = (int)sm_rng_below(rng, 3), quarters = 1 + (int)sm_rng_below(rng, 3);
	if (sm_augment_plane(s, a))
		axis = 0;
	int b = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2;
	if (s->size[b] != s->size[c])
		quarters = 2;
	turn(m, b, c, cosine[quarters], sine[quarters]);
	sm_warp_then(&s->warp, m, nowhere);
}

void sm_augment_rotation(struct sm_augmented *s, const struct sm_augment_params *a,
			 struct sm_rng *rng)
{
	double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
	bool plane = sm_augment_plane(s, a);
	double most = plane && a->plane_degrees >= 0 ? a->plane_degrees : a->degrees;
	for (int axis = 0; axis < 3; axis++) {
		double half_turns = sm_augment_draw(rng, -most, most) / 180;
		if (axis == 0 || !plane)
			turn(m, axis == 0 ? 1 : 0, axis == 2 ? 1 : 2, sm_sinpi(half_turns + 0.5),
			     sm_sinpi(half_turns));
	}
	sm_warp_then(&s->warp, m, nowhere);
}

void sm_augment_scaling(struct sm_augmented *s, const struct sm_augment_params *a,
			struct sm_rng *rng)
{
	double m[3][3] = {{0}}, first = 1;
	for (int k = 0; k < 3; k++) {
		double f = sm_augment_draw(rng, a->range.v[0], a->range.v[1]);
		first = k == 0 ? f : first;
		m[k][k] = a->per_axis ? f : first;
	}
	if (sm_augment_plane(s, a))
		m[0][0] = 1;
	sm_warp_then(&s->warp, m, nowhere);
}

void sm_augment_translation(struct sm_augmented *s, const struct sm_augment_params *a,
			    struct sm_rng *rng)
{
	static const double m[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
	double t[3];
	for (int k = 0; k < 3; k++)
		t[k] = sm_augment_draw(rng, -a->share, a->share) * (double)s->size[k];
	if (sm_augment_plane(s, a))
		t[0] = 0;
	sm_warp_then(&s->warp, m, t);
}

/* A displacement below 0.4 spacing at every point cannot fold the field (Choi and Lee 2000). */
static double bounded(double v, double spacing)
{
	double most = 0.4 * spacing;
	return v > most ? most : v < -most ? -most : v;
}

void sm_augment_elastic(struct sm_augmented *s, const struct sm_augment_params *a,
			struct sm_rng *rng)
{
	bool plane = sm_augment_plane(s, a);
	struct sm_warp *w = &s->warp;
	size_t points = 1;
	if (a->magnitude == 0)
		return;
	if (w->grid[2]) /* two fields do not add up to one */
		sm_augment_settle(s);
	for (int k = 0; k < 3; k++) {
		w->grid[k] = k == 0 && plane ? 1 : sm_warp_points(s->size[k], a->spacing);
		points *= (size_t)w->grid[k];
	}
	w->spacing = a->spacing;
	for (size_t i = 0; i < 3 * points; i++) {
		double v = bounded(a->magnitude * sm_rng_normal(rng), a->spacing);
		w->control[i] = plane && i < points ? 0 : v;
	}
}
