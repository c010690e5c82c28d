/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes of the phantoms: ellipsoids in any direction, smooth noise on a lattice, smooth
 * polynomials. Only + - * /, sqrt and floor are used, so that a phantom has the same bits on every
 * machine. Everything is drawn from named streams of core/rng.h.
 */
#ifndef SM_INGEST_PHANTOM_PHANTOM_SHAPE_H
#define SM_INGEST_PHANTOM_PHANTOM_SHAPE_H

#include "core/rng.h"

/* Value noise: random values in [-1, 1) on a periodic lattice, blended smoothly between. */
#define SM_LATTICE 16
struct sm_lattice {
	float v[SM_LATTICE][SM_LATTICE][SM_LATTICE];
};

void sm_lattice_draw(struct sm_lattice *lattice, struct sm_rng *rng);

/* Noise in (-1, 1) at point p with `frequency` lattice cells a unit of p; `shift` moves to another
 * part of the lattice, so that one lattice serves several purposes. */
double sm_lattice_at(const struct sm_lattice *lattice, const double p[3], double frequency,
		     double shift);

/* Axes are rows of a rotation divided by the semi-axis: |rows (p - centre)| = 1 on the surface. */
struct sm_ellipsoid {
	double centre[3];
	double semi[3]; /* as drawn, before rotation */
	double rows[3][3];
};

/* Axis-parallel, or turned by the unit quaternion q (w, x, y, z) when q is not NULL. */
void sm_ellipsoid_set(struct sm_ellipsoid *e, const double centre[3], const double semi[3],
		      const double q[4]);

/* 0 at the centre, 1 on the surface, growing outwards. */
double sm_ellipsoid_at(const struct sm_ellipsoid *e, const double p[3]);

/* A unit quaternion, uniform over rotations. */
void sm_quaternion_draw(double q[4], struct sm_rng *rng);

/* A polynomial in x, y, z without constant: degrees 1 to 3, its value within [-1, 1] for
 * |x|, |y|, |z| <= 1. */
#define SM_SMOOTH_TERMS 13
struct sm_smooth {
	double c[SM_SMOOTH_TERMS];
};
void sm_smooth_draw(struct sm_smooth *s, struct sm_rng *rng);
double sm_smooth_at(const struct sm_smooth *s, const double p[3]);

/* Uniform in [low, high). */
double sm_uniform(struct sm_rng *rng, double low, double high);

/* 0 below -width, 1 above width, linear between: a soft step of x. width > 0. */
double sm_soft_step(double x, double width);

#endif
