/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "train/nn/op.h"

/* Kingma and Ba 2015, with PyTorch's placing of eps: w -= lr/c1 * m / (sqrt(v)/sqrt(c2) + eps). */
SM_CLONES static void adam(const struct sm_optim *o, uint64_t step, float lr, float scale, float *w,
			   const float *g, float *const *state, size_t n)
{
	double t = (double)step;
	float b1 = (float)o->beta1, b2 = (float)o->beta2, eps = (float)o->eps;
	float a1 = (float)(1 - o->beta1), a2 = (float)(1 - o->beta2);
	float rate = (float)((double)lr / (1 - pow(o->beta1, t)));
	float root = (float)(1 / sqrt(1 - pow(o->beta2, t)));
	float *restrict m = state[0], *restrict v = state[1];
	for (size_t i = 0; i < n; i++) {
		float d = g[i] * scale;
		m[i] = b1 * m[i] + a1 * d;
		v[i] = b2 * v[i] + a2 * d * d;
		w[i] -= rate * m[i] / (sqrtf(v[i]) * root + eps);
	}
}

/* As PyTorch: m = momentum m + g; w -= lr m. */
SM_CLONES static void sgd(const struct sm_optim *o, uint64_t step, float lr, float scale, float *w,
			  const float *g, float *const *state, size_t n)
{
	(void)step;
	float mu = (float)o->momentum, *restrict m = state[0];
	for (size_t i = 0; i < n; i++) {
		m[i] = mu * m[i] + g[i] * scale;
		w[i] -= lr * m[i];
	}
}

static const struct optim_row table[] = {
    {"adam", 2, {"adam.m", "adam.v"}, adam},
    {"sgd", 1, {"sgd.m", NULL}, sgd},
};

const char *sm_optim_name(size_t i)
{
	return i < sizeof table / sizeof *table ? table[i].name : NULL;
}

const struct optim_row *optim_find(const char *name)
{
	for (size_t i = 0; name && i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

struct sm_optim sm_optim_default(const char *name)
{
	return (struct sm_optim){
	    .name = name, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .momentum = 0.9};
}
