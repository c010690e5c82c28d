/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/phantom/phantom_head.h"

#include <math.h>
#include <stdbool.h>

const char *const sm_tissue_names[SM_TISSUES - 1] = {"soft",  "skull",      "csf",    "grey",
						     "white", "ventricles", "vessels"};

/* Lengths |v| of the shells: skin, skull, cerebrospinal fluid, brain. */
#define SKIN 1.08
#define BONE 1.0
#define FLUID 0.92
#define BRAIN 0.885

/* Points number 0, 1, 2, ... of the unit cube that keep away from each other however many there
 * are: a Kronecker sequence with powers of 1 / g, g^7 = g + 1. Where it begins is drawn. */
#define SPREAD 6
static void spread(double at[SPREAD], uint64_t seed, const char *domain, size_t number)
{
	static const double step[SPREAD] = {0.8986537126286992, 0.8075784952213447,
					    0.7257334129697597, 0.6521830259439715,
					    0.5860866975779693, 0.5266889867007357};
	struct sm_rng rng;
	sm_rng_init(&rng, seed, "phantom.spread", domain, 0, 0);
	for (int a = 0; a < SPREAD; a++) {
		double v = sm_rng_f64(&rng) + step[a] * (double)number;
		at[a] = v - floor(v);
	}
}

/* A small turn: about the long axis of the body most, by the share `about` (0 to 1) of what is
 * possible. */
static void draw_turn(double q[4], double about, struct sm_rng *rng)
{
	static const double most[3] = {0, 0.12, 0.1};
	double n = 1;
	q[0] = 1;
	for (int i = 1; i < 4; i++) {
		q[i] = i < 3 ? sm_uniform(rng, -most[i], most[i]) : 0.3 * (2 * about - 1);
		n += q[i] * q[i];
	}
	for (int i = 0; i < 4; i++)
		q[i] /= sqrt(n);
}

static void draw_ellipsoid(struct sm_ellipsoid *e, struct sm_rng *rng, const double place[3],
			   const double semi[3], double loose)
{
	double at[3], size[3];
	for (int a = 0; a < 3; a++) {
		at[a] = place[a] + sm_uniform(rng, -loose, loose);
		size[a] = semi[a] * sm_uniform(rng, 1 - 5 * loose, 1 + 5 * loose);
	}
	sm_ellipsoid_set(e, at, size, NULL);
}

static void draw_inside(struct sm_head *h, struct sm_rng *rng)
{
	static const double nose[3] = {0, -1, -0.4}, nose_semi[3] = {0.15, 0.26, 0.24};
	static const double ear_semi[3] = {0.13, 0.15, 0.2};
	static const double sinus[SM_SINUSES][3] = {
		{0.13, -0.83, -0.3}, {-0.13, -0.83, -0.3}, {0, -0.42, -0.62}};
	static const double sinus_semi[SM_SINUSES][3] = {
		{0.09, 0.055, 0.13}, {0.09, 0.055, 0.13}, {0.16, 0.12, 0.1}};
	static const double deep_semi[3] = {0.13, 0.22, 0.16},
			    ventricle_semi[3] = {0.075, 0.34, 0.12};
	double wide = sm_uniform(rng, 0.65, 1.5);
	draw_ellipsoid(&h->face[0], rng, nose, nose_semi, 0.03);
	for (int i = 0; i < SM_SINUSES; i++)
		draw_ellipsoid(&h->sinus[i], rng, sinus[i], sinus_semi[i], 0.03);
	for (int side = 0; side < 2; side++) {
		double sign = side ? -1 : 1;
		const double ear[3] = {sign * 0.99, 0.06, -0.25},
			     deep[3] = {sign * 0.22, 0.02, -0.1};
		const double ventricle[3] = {sign * (0.06 + 0.05 * wide), 0, 0.12};
		const double semi[3] = {ventricle_semi[0] * wide, ventricle_semi[1],
					ventricle_semi[2] * wide};
		draw_ellipsoid(&h->face[1 + side], rng, ear, ear_semi, 0.03);
		draw_ellipsoid(&h->deep[side], rng, deep, deep_semi, 0.02);
		draw_ellipsoid(&h->ventricle[side], rng, ventricle, semi, 0.03);
	}
	h->neck[0] = sm_uniform(rng, -0.12, 0.12);
	h->neck[1] = sm_uniform(rng, 0, 0.35);
	h->neck[3] = sm_uniform(rng, 0.5, 0.75);
	for (int i = 0; i < SM_VESSELS; i++) {
		h->vessel[i][0] = sm_uniform(rng, -0.5, 0.5);
		h->vessel[i][1] = sm_uniform(rng, -0.5, 0.5);
		h->vessel[i][2] = sm_uniform(rng, 0.02, 0.05);
	}
}

void sm_head_draw(struct sm_head *h, uint64_t seed, const char *domain, size_t number,
		  const char *key, const double extent[3])
{
	struct sm_rng rng;
	double q[4], shift[3], semi[3], even[SPREAD];
	/* The smaller of what width and depth allow; a head is 0.78 times as wide as deep. */
	double wide = 0.5 * extent[0] * 0.77 / 0.78, deep = 0.5 * extent[1] * 0.7;
	double unit = wide < deep ? wide : deep;
	sm_rng_init(&rng, seed, "phantom.anatomy", key, 0, 0);
	sm_lattice_draw(&h->lattice, &rng);
	for (int a = 0; a < 3; a++) {
		sm_smooth_draw(&h->warp[a], &rng);
		shift[a] = sm_uniform(&rng, -0.12, 0.12);
		semi[a] = sm_uniform(&rng, 0.76, 1.06);
	}
	spread(even, seed, domain, number);
	for (int a = 0; a < 2; a++)
		semi[a] = 0.7 + 0.4 * even[a];
	shift[0] = 0.12 * (2 * even[2] - 1);
	shift[2] = 0.22 * (2 * even[4] - 1);
	sm_smooth_draw(&h->bias, &rng);
	draw_turn(q, even[3], &rng);
	sm_ellipsoid_set(&h->frame, shift, semi, q);
	h->neck[2] = -0.3 + 0.8 * even[5];
	h->table[0] = sm_uniform(&rng, 1.2, 1.32);
	h->table[1] = sm_uniform(&rng, -0.12, 0.12);
	h->table[2] = sm_uniform(&rng, 0.6, 1.3);
	h->half[0] = 0.78 * unit;
	h->half[1] = unit;
	h->half[2] = 0.5 * extent[2] * 1.05;
	draw_inside(h, &rng);
}

void sm_head_slice(const struct sm_head *h, double z, struct sm_head_slice *slice)
{
	slice->z = z;
	for (int i = 0; i < SM_VESSELS; i++) {
		/* Each winds along a path of its own. */
		const double on[3] = {i * 2.3, i * 4.1, z / h->half[2]};
		const double *v = h->vessel[i];
		double r = v[2] * h->half[1];
		slice->vessel[i][0] =
			(v[0] + 0.16 * sm_lattice_at(&h->lattice, on, 4, 5.3)) * h->half[0];
		slice->vessel[i][1] =
			(v[1] + 0.16 * sm_lattice_at(&h->lattice, on, 4, 11.7)) * h->half[1];
		slice->vessel[i][2] = r * r;
	}
}

static bool in_any(const struct sm_ellipsoid *e, int n, const double v[3], double size)
{
	for (int i = 0; i < n; i++)
		if (sm_ellipsoid_at(&e[i], v) < size)
			return true;
	return false;
}

static bool in_vessel(const struct sm_head_slice *s, double x, double y)
{
	for (int i = 0; i < SM_VESSELS; i++) {
		double dx = x - s->vessel[i][0], dy = y - s->vessel[i][1];
		if (dx * dx + dy * dy < s->vessel[i][2])
			return true;
	}
	return false;
}

/* Below the skull: soft tissue around spine and airway. */
static enum sm_tissue in_neck(const struct sm_head *h, const double v[3])
{
	double below = -0.4 - v[2];
	if (below < 0)
		return SM_AIR;
	double x = v[0] - h->neck[0], y = v[1] - h->neck[1] - h->neck[2] * below, r = h->neck[3];
	double back = y - 0.25 * r, front = y + 0.45 * r;
	if (x * x + y * y >= r * r || x * x + front * front < 0.03 * r * r)
		return SM_AIR;
	double spine = x * x + back * back;
	return spine < 0.02 * r * r ? SM_CSF : spine < 0.12 * r * r ? SM_SKULL : SM_SOFT;
}

static enum sm_tissue inside(const struct sm_head *h, const double v[3], double r, double lumps)
{
	if (in_any(h->ventricle, 2, v, 1))
		return SM_VENTRICLE;
	if (in_any(h->deep, 2, v, 1))
		return SM_GREY;
	/* Cortex, with sulci that the fluid fills. */
	double folds = sm_lattice_at(&h->lattice, v, 9, 21.7);
	if (r > 0.72 && folds > 0.45)
		return SM_CSF;
	return r > 0.7 - 0.08 * (lumps + folds) ? SM_GREY : SM_WHITE;
}

void sm_head_at(const struct sm_head *h, const struct sm_head_slice *slice, double x, double y,
		struct sm_head_point *at)
{
	const double p[3] = {x / h->half[0], y / h->half[1], slice->z / h->half[2]};
	double v[3], square = 0;
	for (int a = 0; a < 3; a++) {
		const double *row = h->frame.rows[a];
		v[a] = 0;
		for (int b = 0; b < 3; b++)
			v[a] += row[b] * (p[b] - h->frame.centre[b]);
	}
	for (int a = 0; a < 3; a++) {
		at->v[a] = v[a] + 0.4 * sm_smooth_at(&h->warp[a], v);
		square += at->v[a] * at->v[a];
	}
	at->p[0] = p[0];
	at->p[1] = p[1];
	at->tissue = SM_AIR;
	at->deep = at->lumps = 0;
	double r = sqrt(square);
	if (r >= BONE)
		at->tissue = in_neck(h, at->v);
	if (r >= SKIN && at->tissue == SM_AIR && !(r < 1.5 && in_any(h->face, 3, at->v, 1)))
		return;
	at->lumps = sm_lattice_at(&h->lattice, at->v, 5, 3.1);
	if (at->tissue != SM_AIR)
		return;
	r += 0.01 * at->lumps;
	if (r >= BONE)
		at->tissue = SM_SOFT;
	else if (in_any(h->sinus, SM_SINUSES, at->v, 1))
		at->tissue = SM_AIR;
	else if (r >= FLUID || in_any(h->sinus, SM_SINUSES, at->v, 1.4)) {
		double deep = fabs(r - 0.5 * (BONE + FLUID)) / (0.5 * (BONE - FLUID));
		at->tissue = SM_SKULL;
		at->deep = deep > 1 ? 1 : deep;
	} else if (r >= BRAIN)
		at->tissue = SM_CSF;
	else
		at->tissue = in_vessel(slice, x, y) ? SM_VESSEL : inside(h, at->v, r, at->lumps);
}

double sm_head_hu(const struct sm_head *h, const struct sm_head_point *at)
{
	static const double hu[SM_TISSUES] = {[SM_CSF] = 8,
					      [SM_GREY] = 38,
					      [SM_WHITE] = 29,
					      [SM_VENTRICLE] = 5,
					      [SM_VESSEL] = 130};
	switch (at->tissue) {
	case SM_AIR: {
		/* A bowed plate behind the head, dense skins around foam. */
		double y = at->p[1] - h->table[0] - h->table[1] * at->p[0] * at->p[0];
		if (y > 0 && y < 0.1 && fabs(at->p[0]) < h->table[2])
			return y < 0.02 || y > 0.08 ? -180 : -880;
		return -1000;
	}
	case SM_SOFT:
		return 10 + 70 * at->lumps;
	case SM_SKULL:
		return 900 + 550 * at->deep + 100 * at->lumps;
	default:
		return hu[at->tissue] + 1.5 * sm_lattice_at(&h->lattice, at->v, 12, 17.9);
	}
}

double sm_head_t1(const struct sm_head *h, const struct sm_head_point *at, double bias)
{
	static const double level[SM_TISSUES] = {
		[SM_SOFT] = 1.15, [SM_SKULL] = 0.1,      [SM_CSF] = 0.28,   [SM_GREY] = 0.72,
		[SM_WHITE] = 1,   [SM_VENTRICLE] = 0.25, [SM_VESSEL] = 0.12};
	double s = level[at->tissue];
	if (at->tissue == SM_AIR)
		return 0;
	if (at->tissue == SM_SOFT)
		s += 0.3 * at->lumps;
	else if (at->tissue == SM_SKULL)
		s += 0.35 * (1 - at->deep);
	else
		s += 0.03 * sm_lattice_at(&h->lattice, at->v, 12, 17.9);
	return s * (1 + bias * sm_smooth_at(&h->bias, at->v));
}
