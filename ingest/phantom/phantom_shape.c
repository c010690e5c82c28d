/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/phantom/phantom_shape.h"

#include <math.h>

void sm_lattice_draw(struct sm_lattice *lattice, struct sm_rng *rng)
{
	for (int z = 0; z < SM_LATTICE; z++)
		for (int y = 0; y < SM_LATTICE; y++)
			for (int x = 0; x < SM_LATTICE; x++)
				lattice->v[z][y][x] = 2 * sm_rng_f32(rng) - 1;
}

static double blend(double a, double b, double w)
{
	return a + (b - a) * w;
}

double sm_lattice_at(const struct sm_lattice *lattice, const double p[3], double frequency,
		     double shift)
{
	unsigned low[3], high[3];
	double w[3];
	for (int a = 0; a < 3; a++) {
		/* The prime-like factors keep the three axes from reading the same values. */
		double t = p[a] * frequency + shift * (1 + 0.37 * a) + 1024;
		double f = floor(t);
		low[a] = (unsigned)(int64_t)f % SM_LATTICE;
		high[a] = (low[a] + 1) % SM_LATTICE;
		t -= f;
		w[a] = t * t * (3 - 2 * t);
	}
	const float *v00 = lattice->v[low[2]][low[1]], *v01 = lattice->v[low[2]][high[1]];
	const float *v10 = lattice->v[high[2]][low[1]], *v11 = lattice->v[high[2]][high[1]];
	double near = blend(blend((double)v00[low[0]], (double)v00[high[0]], w[0]),
			    blend((double)v01[low[0]], (double)v01[high[0]], w[0]), w[1]);
	double far = blend(blend((double)v10[low[0]], (double)v10[high[0]], w[0]),
			   blend((double)v11[low[0]], (double)v11[high[0]], w[0]), w[1]);
	return blend(near, far, w[2]);
}

void sm_ellipsoid_set(struct sm_ellipsoid *e, const double centre[3], const double semi[3],
		      const double q[4])
{
	static const double unturned[4] = {1, 0, 0, 0};
	if (!q)
		q = unturned;
	double w = q[0], x = q[1], y = q[2], z = q[3];
	const double r[3][3] = {
		{1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
		{2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
		{2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)},
	};
	for (int a = 0; a < 3; a++) {
		e->centre[a] = centre[a];
		e->semi[a] = semi[a];
		for (int b = 0; b < 3; b++)
			e->rows[a][b] = r[a][b] / semi[a];
	}
}

double sm_ellipsoid_at(const struct sm_ellipsoid *e, const double p[3])
{
	double sum = 0;
	for (int a = 0; a < 3; a++) {
		double t = e->rows[a][0] * (p[0] - e->centre[0]) +
			   e->rows[a][1] * (p[1] - e->centre[1]) +
			   e->rows[a][2] * (p[2] - e->centre[2]);
		sum += t * t;
	}
	return sqrt(sum);
}

void sm_quaternion_draw(double q[4], struct sm_rng *rng)
{
	double n = 0;
	for (int i = 0; i < 4; i++) {
		q[i] = sm_rng_normal(rng);
		n += q[i] * q[i];
	}
	n = sqrt(n);
	for (int i = 0; i < 4; i++)
		q[i] = n > 0 ? q[i] / n : i == 0;
}

void sm_smooth_draw(struct sm_smooth *s, struct sm_rng *rng)
{
	double sum = 0;
	for (int i = 0; i < SM_SMOOTH_TERMS; i++) {
		s->c[i] = sm_uniform(rng, -1, 1);
		sum += fabs(s->c[i]);
	}
	for (int i = 0; i < SM_SMOOTH_TERMS; i++)
		s->c[i] /= sum > 0 ? sum : 1;
}

double sm_smooth_at(const struct sm_smooth *s, const double p[3])
{
	double x = p[0], y = p[1], z = p[2];
	const double *c = s->c;
	double linear = c[0] * x + c[1] * y + c[2] * z;
	double square = c[3] * x * x + c[4] * y * y + c[5] * z * z + c[6] * x * y + c[7] * x * z +
			c[8] * y * z;
	double cube = c[9] * x * x * x + c[10] * y * y * y + c[11] * z * z * z + c[12] * x * y * z;
	return linear + square + cube;
}

double sm_uniform(struct sm_rng *rng, double low, double high)
{
	return low + (high - low) * sm_rng_f64(rng);
}

double sm_soft_step(double x, double width)
{
	double t = 0.5 + 0.5 * x / width;
	return t < 0 ? 0 : t > 1 ? 1 : t;
}
