/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/rng.h"
#include "train/nn/op.h"

/* He et al. 2015; Glorot and Bengio 2010; DCGAN's N(0, 0.02). Normal rows are not truncated. */
static double he(double in, double out)
{
	(void)out;
	return sqrt(2.0 / in);
}

static double he_width(double in, double out)
{
	(void)out;
	return sqrt(6.0 / in);
}

static double xavier(double in, double out)
{
	return sqrt(2.0 / (in + out));
}

static double xavier_width(double in, double out)
{
	return sqrt(6.0 / (in + out));
}

static double small(double in, double out)
{
	(void)in;
	(void)out;
	return 0.02;
}

static const struct init_row table[] = {
    {"he_normal", false, he, 0},
    {"he_uniform", true, he_width, 0},
    {"xavier_normal", false, xavier, 0},
    {"xavier_uniform", true, xavier_width, 0},
    {"normal_0.02", false, small, 0},
    {"zeros", false, NULL, 0},
    {"ones", false, NULL, 1},
    {"quarter", false, NULL, 0.25f},
};

const struct init_row *init_find(const char *name)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

/* A stream of its own for each run of this many elements, so that threads can share the work. */
#define CHUNK ((size_t)16384)

void init_fill(const struct param *p, uint64_t seed, float *w, int threads)
{
	double scale = p->init->scale ? p->init->scale(p->fan_in, p->fan_out) : 0;
#pragma omp parallel for schedule(static) num_threads(threads)
	for (size_t i = 0; i < p->pub.count; i += CHUNK) {
		struct sm_rng rng;
		size_t end = i + CHUNK < p->pub.count ? i + CHUNK : p->pub.count;
		sm_rng_init(&rng, seed, "nn.init", p->name, 0, i / CHUNK);
		for (size_t k = i; k < end; k++) {
			double v = (double)p->init->constant;
			if (p->init->scale)
				v = scale * (p->init->uniform ? 2 * sm_rng_f64(&rng) - 1
							      : sm_rng_normal(&rng));
			w[k] = (float)v;
		}
	}
}
