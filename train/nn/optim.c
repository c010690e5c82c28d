/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "train/nn/op.h"

/* Kingma and Ba 2015, with PyTorch's placing of eps: w -= lr/c1 * m / (sqrt(v)/sqrt(c2) + eps).
 * `decay` goes into the gradient, `shrink` is taken off the weight first (Loshchilov and Hutter
 * 2019). */
SM_CLONES static void adam_rows(const struct sm_optim *o, uint64_t step, float lr, float scale,
				float decay, float shrink, float *w, const float *g,
				float *const *state, size_t n)
{
	double t = (double)step;
	float b1 = (float)o->beta1, b2 = (float)o->beta2, eps = (float)o->eps;
	float a1 = (float)(1 - o->beta1), a2 = (float)(1 - o->beta2);
	float rate = (float)((double)lr / (1 - pow(o->beta1, t)));
	float root = (float)(1 / sqrt(1 - pow(o->beta2, t)));
	float *restrict m = state[0], *restrict v = state[1];
	for (size_t i = 0; i < n; i++) {
		float d = g[i] * scale + decay * w[i];
		m[i] = b1 * m[i] + a1 * d;
		v[i] = b2 * v[i] + a2 * d * d;
		w[i] = (w[i] - shrink * w[i]) - rate * m[i] / (sqrtf(v[i]) * root + eps);
	}
}

static void adam(const struct sm_optim *o, uint64_t step, float lr, float scale, float decay,
		 float *w, const float *g, float *const *state, size_t n)
{
	adam_rows(o, step, lr, scale, decay, 0, w, g, state, n);
}

static void adamw(const struct sm_optim *o, uint64_t step, float lr, float scale, float decay,
		  float *w, const float *g, float *const *state, size_t n)
{
	adam_rows(o, step, lr, scale, 0, (float)((double)lr * (double)decay), w, g, state, n);
}

/* As PyTorch: m = momentum m + g; w -= lr m, with Nesterov w -= lr (g + momentum m). */
SM_CLONES static void sgd(const struct sm_optim *o, uint64_t step, float lr, float scale,
			  float decay, float *w, const float *g, float *const *state, size_t n)
{
	(void)step;
	float mu = (float)o->momentum, *restrict m = state[0];
	float fresh = o->nesterov ? 1.0f : 0.0f, old = o->nesterov ? mu : 1.0f;
	for (size_t i = 0; i < n; i++) {
		float d = g[i] * scale + decay * w[i];
		m[i] = mu * m[i] + d;
		w[i] -= lr * (fresh * d + old * m[i]);
	}
}

SM_CLONES void optim_average(float *ema, const float *w, float keep, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ema[i] = w[i] + keep * (ema[i] - w[i]);
}

static const struct optim_row table[] = {
	{"adam", 2, {"adam.m", "adam.v"}, adam},
	{"adamw", 2, {"adamw.m", "adamw.v"}, adamw},
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
	return (struct sm_optim){.name = name,
				 .beta1 = 0.9,
				 .beta2 = 0.999,
				 .eps = 1e-8,
				 .momentum = 0.9,
				 .decay_norm = true};
}

static bool within(double v, double least, double below)
{
	return v >= least && v < below;
}

enum sm_status optim_check(const struct sm_optim *o, const struct optim_row **row,
			   struct sm_err *err)
{
	char known[64] = "";
	size_t at = 0;
	*row = optim_find(o->name);
	for (size_t i = 0; sm_optim_name(i) && at < sizeof known; i++)
		at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "",
				       sm_optim_name(i));
	if (!*row)
		return SM_FAIL(err, SM_USAGE, "optimiser \"%s\" is unknown; known are %s",
			       o->name ? o->name : "", known);
	const struct {
		const char *name;
		double v, least, below;
	} rule[] = {
		{"beta1", o->beta1, 0, 1},
		{"beta2", o->beta2, 0, 1},
		{"momentum", o->momentum, 0, 1},
		{"ema_decay", o->ema_decay, 0, 1},
		{"eps", o->eps, 0, INFINITY},
		{"weight_decay", o->weight_decay, 0, INFINITY},
		{"clip_norm", o->clip_norm, 0, INFINITY},
	};
	for (size_t i = 0; i < sizeof rule / sizeof *rule; i++)
		if (!within(rule[i].v, rule[i].least, rule[i].below))
			return SM_FAIL(err, SM_USAGE,
				       "optimiser %s: %s is %g, must be at least %g and below %g",
				       o->name, rule[i].name, rule[i].v, rule[i].least,
				       rule[i].below);
	if (o->nesterov && o->momentum <= 0)
		return SM_FAIL(err, SM_USAGE, "optimiser %s: nesterov needs a momentum above 0",
			       o->name);
	return SM_OK;
}
