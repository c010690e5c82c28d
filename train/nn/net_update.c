/* SPDX-License-Identifier: Apache-2.0 */
/* From gradients to weights. */
#include <math.h>
#include <string.h>

#include "train/nn/net.h"

#define CHUNK ((size_t)65536)
/* Of one parameter, and from where on waking the other threads is worth it. */
#define SMALL_CHUNK ((size_t)4096)
static const float no_gradient[SMALL_CHUNK];
#define MANY (2 * SMALL_CHUNK)
#define LANES ((size_t)16)

/* In LANES sums, as one would wait for each addition. */
SM_CLONES static double squares(const float *g, size_t n)
{
	double lane[LANES] = {0}, sum = 0;
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (size_t k = 0; k < LANES; k++)
			lane[k] += (double)g[i + k] * (double)g[i + k];
	for (; i < n; i++)
		lane[0] += (double)g[i] * (double)g[i];
	for (size_t k = 0; k < LANES; k++)
		sum += lane[k];
	return sum;
}

/* L2 norm of the gradient; blocks and their order are fixed. */
static double grad_norm(struct sm_net *net)
{
	size_t n = net->g->param_count;
	double sum = 0;
#pragma omp parallel for schedule(static) num_threads(net->opt.threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t from = op_block_start(n, b);
		net->norm_partial[b] = squares(net->grads + from, op_block_start(n, b + 1) - from);
	}
	for (int b = 0; b < OP_BLOCKS; b++)
		sum += net->norm_partial[b];
	return sqrt(sum);
}

/* Weights a..end by g (of a first), which all have the same decay. */
static void update_run(struct sm_net *net, float lr, float scale, float decay, const float *g,
		       size_t a, size_t end)
{
	float *state[2] = {net->optim_state[0] + a,
			   net->optim_state[1] ? net->optim_state[1] + a : NULL};
	net->optim_row->update(&net->optim, net->optim_steps, lr, scale, decay, net->weights + a, g,
			       state, end - a);
}

/* Parameters of rank 1 are scales, shifts, biases and slopes. */
static float decay_of(const struct sm_net *net, const struct sm_param *p)
{
	return net->optim.decay_norm || p->rank > 1 ? (float)net->optim.weight_decay : 0.0f;
}

/* Cuts [from, end) where the decay changes; parameters fill the array in order. */
static void update_chunk(struct sm_net *net, float lr, float scale, size_t from, size_t end)
{
	const struct sm_param *p = net->params_pub;
	size_t a = from;
	float decay = 0;
	for (int i = 0; i < net->g->params; i++) {
		if (p[i].offset + p[i].count <= from)
			continue;
		if (p[i].offset >= end)
			break;
		float d = decay_of(net, &p[i]);
		if (p[i].offset > a && d != decay) {
			update_run(net, lr, scale, decay, net->grads + a, a, p[i].offset);
			a = p[i].offset;
		}
		decay = d;
	}
	update_run(net, lr, scale, decay, net->grads + a, a, end);
}

static enum sm_status update(struct sm_net *net, double lr, double *norm, struct sm_err *err)
{
	double size = grad_norm(net), clip = net->optim.clip_norm;
	if (norm)
		*norm = size;
	if (!isfinite(size))
		return SM_FAIL(err, SM_INPUT,
			       "training: the gradient is not finite after %llu updates; the "
			       "weights were left "
			       "as they were",
			       (unsigned long long)net->optim_steps);
	/* PyTorch's clip_grad_norm_, with its 1e-6. */
	float scale = clip > 0 && size + 1e-6 > clip ? (float)(clip / (size + 1e-6)) : 1.0f;
	net->optim_steps++;
	size_t n = net->g->param_count;
	double t = (double)net->optim_steps, keep = (1 + t) / (10 + t);
	keep = keep < net->optim.ema_decay ? keep : net->optim.ema_decay;
#pragma omp parallel for schedule(static) num_threads(net->opt.threads)
	for (size_t i = 0; i < n; i += CHUNK) {
		size_t end = n - i < CHUNK ? n : i + CHUNK;
		update_chunk(net, (float)lr, scale, i, end);
		if (net->ema)
			optim_average(net->ema + i, net->weights + i, (float)keep, end - i);
	}
	net->repack = true;
	return SM_OK;
}

void net_clear(const struct sm_net *net, float *g, size_t n)
{
#pragma omp parallel for schedule(static) num_threads(net->opt.threads) if (n > MANY)
	for (size_t i = 0; i < n; i += SMALL_CHUNK)
		memset(g + i, 0, (n - i < SMALL_CHUNK ? n - i : SMALL_CHUNK) * sizeof *g);
}

bool net_update_param(struct sm_net *net, const struct sm_param *p, double lr, const float *g)
{
	bool finite = true;
	float decay = decay_of(net, p);
#pragma omp parallel for schedule(static) num_threads(net->opt.threads) reduction(&& : finite) \
	if (p->count > MANY)
	for (size_t i = 0; i < p->count; i += SMALL_CHUNK) {
		size_t end = p->count - i < SMALL_CHUNK ? p->count : i + SMALL_CHUNK;
		const float *from = g ? g + i : no_gradient;
		bool good = !g || isfinite(squares(from, end - i));
		finite = finite && good;
		if (good)
			update_run(net, (float)lr, 1, decay, from, p->offset + i, p->offset + end);
	}
	return finite;
}

enum sm_status sm_net_update(struct sm_net *net, double lr, double *norm, struct sm_err *err)
{
	SM_TRY(net_check_ready(net, true, false, err));
	if (!net->optim_row || net->opt.fused)
		return SM_FAIL(err, SM_INTERNAL, "network: planned %s",
			       net->opt.fused ? "for sm_net_train" : "without an optimiser");
	struct net_threads before = net_threads_enter(net);
	enum sm_status st = update(net, lr, norm, err);
	net_threads_leave(net, before);
	return st;
}

void sm_net_ema_swap(struct sm_net *net)
{
	if (!net->ema)
		return;
	for (size_t i = 0; i < net->g->param_count; i++) {
		float w = net->weights[i];
		net->weights[i] = net->ema[i];
		net->ema[i] = w;
	}
	net->averaged = !net->averaged;
	net->repack = true;
}
