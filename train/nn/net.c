/* SPDX-License-Identifier: Apache-2.0 */
#include "train/nn/net.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/conv.h"

/* Whether all that read tensor x are convolutions that `takes` says can read what it is made of. */
static bool readers_take(const struct op_env *env, int x,
			 bool (*takes)(const struct op_env *env, const struct node *n))
{
	const struct sm_graph *g = env->graph;
	int readers = 0;
	for (int i = 0; i < g->nodes; i++)
		for (int k = 0; k < g->node[i].nsrc; k++) {
			if (g->node[i].src[k] != x)
				continue;
			if (g->node[i].nsrc > 1 || !takes(env, &g->node[i]))
				return false;
			readers++;
		}
	return readers > 0;
}

/* Whether the convolutions that read node c, a concatenation, can read its parts instead. */
static bool can_join(const struct op_env *env, const struct node *c)
{
	const struct sm_graph *g = env->graph;
	const struct tensor *t = &g->tensor[c->out];
	if (c->kind != OP_KIND_concat || t->is_output)
		return false;
	for (int k = 0; k < c->nin; k++) {
		const struct tensor *part = &g->tensor[c->in[k]];
		if (part->shape.c % CONV_PART || part->elem != t->elem)
			return false;
	}
	return readers_take(env, c->out, op_conv_takes_parts);
}

/* Concatenations that only convolutions with kernels for parts read need not be made. */
static void join_concats(const struct op_env *env)
{
	struct sm_graph *g = env->graph;
	for (int c = 0; c < g->nodes; c++) {
		struct node *concat = &g->node[c];
		if (!can_join(env, concat))
			continue;
		concat->joined = true;
		for (int i = c + 1; i < g->nodes; i++)
			if (g->node[i].src[0] == concat->out && g->node[i].nsrc == 1) {
				g->node[i].nsrc = concat->nsrc;
				memcpy(g->node[i].src, concat->src, sizeof concat->src);
			}
		concat->nsrc = 0;
	}
}

/* Up-samplings by 1x2x2 that only convolutions with kernels for their source read need not be made,
 * too. */
static void join_upsamples(const struct op_env *env)
{
	struct sm_graph *g = env->graph;
	for (int u = 0; u < g->nodes; u++) {
		struct node *up = &g->node[u];
		const int *f = up->attr.window;
		const struct tensor *t = &g->tensor[up->out], *x = &g->tensor[up->in[0]];
		if (up->kind != OP_KIND_upsample || f[0] != 1 || f[1] != 2 || f[2] != 2 ||
		    t->is_output || t->elem != x->elem ||
		    !readers_take(env, up->out, op_conv_takes_source))
			continue;
		up->joined = true;
		up->nsrc = 0;
		for (int i = u + 1; i < g->nodes; i++)
			if (g->node[i].nsrc == 1 && g->node[i].src[0] == up->out) {
				g->node[i].src[0] = up->src[0];
				g->node[i].up = true;
			}
	}
}

/* Which tensors have a parameter before them and a loss behind them; which nodes run backward, and
 * whether they meet a gradient that is already there. */
static void find_gradients(struct sm_graph *g)
{
	for (int i = 0; i < g->nodes; i++) {
		struct node *n = &g->node[i];
		/* An input's value[0] asks for its gradient: used by tests and by input
		 * optimisation. */
		bool wants = n->param[0] >= 0 || (n->kind == OP_KIND_input && n->attr.value[0] > 0);
		for (int k = 0; k < n->nin; k++)
			wants |= g->tensor[n->in[k]].wants_grad;
		g->tensor[n->out].wants_grad = wants && n->kind != OP_KIND_detach;
	}
	for (int i = g->nodes - 1; i >= 0; i--) {
		struct node *n = &g->node[i];
		const struct op_row *row = op_row(n->kind);
		bool loss = row->flags & OP_LOSS;
		if (!row->impl->backward || !g->tensor[n->out].wants_grad ||
		    !(loss || g->tensor[n->out].gets_grad))
			continue;
		n->runs_backward = true;
		for (int k = 0; k < n->nsrc; k++) {
			struct tensor *t = &g->tensor[n->src[k]];
			if (!t->wants_grad || (loss && k == 1))
				continue;
			n->acc[k] = t->gets_grad;
			t->gets_grad = true;
		}
	}
}

static enum sm_status prepare_nodes(struct sm_net *net, struct sm_err *err)
{
	struct op_env env = {.graph = net->g, .opt = &net->opt, .conv = net->conv};
	join_concats(&env);
	join_upsamples(&env);
	if (net->opt.train)
		find_gradients(net->g);
	for (int i = 0; i < net->g->nodes; i++) {
		struct node *n = &net->g->node[i];
		const struct op_row *row = op_row(n->kind);
		net->losses += (row->flags & OP_LOSS) != 0;
		if (row->impl->prepare)
			SM_TRY(row->impl->prepare(&env, n, err));
	}
	return SM_OK;
}

static enum sm_status check_options(struct sm_net *net, const struct sm_net_opt *opt,
				    struct sm_err *err)
{
	SM_TRY(sm_graph_status(net->g, err));
	if (opt->threads < 1)
		return SM_FAIL(err, SM_USAGE, "network: %d threads, must be >= 1", opt->threads);
	/* oneDNN plans for the threads that it asks for, and with fewer leaves out some of the work
	 * without a word. */
	if (opt->threads > omp_get_thread_limit())
		return SM_FAIL(err, SM_USAGE,
			       "network: %d threads, OMP_THREAD_LIMIT allows at most %d",
			       opt->threads, omp_get_thread_limit());
	if (opt->optim) {
		net->optim = *opt->optim;
		SM_TRY(optim_check(opt->optim, &net->optim_row, err));
	}
	if (opt->fused &&
	    (!opt->optim || opt->optim->clip_norm > 0 || opt->optim->ema_decay > 0))
		return SM_FAIL(err, SM_USAGE,
			       "network: fused updates need an optimiser without clip_norm and "
			       "ema_decay");
	net->fused_lr = -1;
	for (int i = 0; i < net->g->nodes; i++) {
		struct sm_shape s = net->g->tensor[net->g->node[i].out].shape;
		if (net->batch && s.n != net->batch)
			return SM_FAIL(err, SM_USAGE, "network: inputs with batch %d and %d",
				       net->batch, s.n);
		net->batch = s.n;
	}
	if (!net->batch)
		return SM_FAIL(err, SM_USAGE, "network: the graph is empty");
	return SM_OK;
}

static struct sm_param *publish(const struct param *p, int n)
{
	struct sm_param *pub = calloc((size_t)n + 1, sizeof *pub);
	for (int i = 0; pub && i < n; i++)
		pub[i] = p[i].pub;
	return pub;
}

/* Those that are not lent. */
static struct sm_param *publish_own(const struct param *p, int n)
{
	struct sm_param *pub = calloc((size_t)n + 1, sizeof *pub);
	for (int i = 0, k = 0; pub && i < n; i++)
		if (p[i].lender < 0)
			pub[k++] = p[i].pub;
	return pub;
}

static enum sm_status plan(struct sm_net *net, struct sm_err *err)
{
	net->valid = net->batch;
	SM_TRY(conv_lib_create(&net->conv, err));
	SM_TRY(net_find_lenders(net, err));
	SM_TRY(net_choose_elements(net, err));
	SM_TRY(prepare_nodes(net, err));
	SM_TRY(net_plan_memory(net, err));
	net->params_pub = publish(net->g->param, net->g->params);
	net->states_pub = publish_own(net->g->state, net->g->states);
	net->fixed_pub = publish_own(net->g->fixed, net->g->fixeds);
	if (!net->params_pub || !net->states_pub || !net->fixed_pub)
		return SM_FAIL(err, SM_BUDGET, "network: out of memory");
	return SM_OK;
}

enum sm_status sm_net_plan(struct sm_graph *g, const struct sm_net_opt *opt, struct sm_net **out,
			   struct sm_err *err)
{
	struct sm_err local = {0};
	err = err ? err : &local;
	*out = NULL;
	struct sm_net *net = calloc(1, sizeof *net);
	if (!net) {
		sm_graph_free(g);
		return SM_FAIL(err, SM_BUDGET, "network: out of memory");
	}
	net->g = g;
	net->opt = *opt;
	enum sm_status st = check_options(net, opt, err);
	if (st == SM_OK) {
		struct net_threads before = net_threads_enter(net);
		st = plan(net, err);
		net_threads_leave(net, before);
	}
	if (st != SM_OK)
		sm_net_free(net);
	else
		*out = net;
	return st;
}

struct sm_forecast sm_net_forecast(const struct sm_net *net)
{
	return net->forecast;
}

/* The arena grows with the batch in proportion, the rest does not. */
static enum sm_status check_budget(const struct sm_net *net, const struct sm_mem *mem,
				   struct sm_err *err)
{
	const struct sm_forecast *f = &net->forecast;
	size_t used = mem ? atomic_load(&mem->used) : 0;
	if (!mem || (used <= mem->limit && f->total <= mem->limit - used))
		return SM_OK;
	size_t free_bytes = mem->limit > used ? mem->limit - used : 0, fixed = f->total - f->arena;
	size_t each = f->arena / net->batch;
	size_t fits = free_bytes > fixed && each ? (free_bytes - fixed) / each : 0;
	if (!fits)
		return SM_FAIL(
		    err, SM_BUDGET,
		    "network: batch %d needs %zu MiB, %zu MiB are allowed, and not even batch 1 "
		    "would fit",
		    net->batch, sm_mib_up(f->total), free_bytes >> 20);
	return SM_FAIL(
	    err, SM_BUDGET,
	    "network: batch %d needs %zu MiB, %zu MiB are allowed; the largest batch that fits is "
	    "about %zu",
	    net->batch, sm_mib_up(f->total), free_bytes >> 20, fits);
}

static void *at_block(struct sm_net *net, int block)
{
	return block < 0 ? NULL : net->arena + net->block[block].offset;
}

enum sm_status sm_net_alloc(struct sm_net *net, struct sm_mem *mem, struct sm_err *err)
{
	struct sm_err local = {0};
	err = err ? err : &local;
	struct sm_graph *g = net->g;
	SM_TRY(check_budget(net, mem, err));
	size_t n = g->param_count ? g->param_count : 1;
	size_t doubles = (size_t)(net->losses + 1) * net->batch + OP_BLOCKS;
	net->weights = sm_calloc(mem, n, sizeof(float), "weights", err);
	net->state = sm_calloc(mem, g->state_count + 1, sizeof(float), "running statistics", err);
	if (!net->arena_owner)
		net->arena = sm_calloc(mem, net->forecast.arena, 1, "activations", err);
	net->fixed = sm_calloc(mem, g->fixed_count + 1, sizeof(float), "frozen weights", err);
	net->loss = sm_calloc(mem, doubles, sizeof(double), "losses", err);
	bool ok = net->weights && net->state && net->arena && net->loss && net->fixed;
	if (net->opt.live_norm)
		ok = (net->spare_state = sm_calloc(mem, g->state_count + 1, sizeof(float),
						   "statistics", err)) &&
		     ok;
	if (net->opt.train)
		ok = (net->opt.fused ||
		      (net->grads = sm_calloc(mem, n, sizeof(float), "gradients", err))) &&
		     ok;
	for (int i = 0; net->optim_row && i < net->optim_row->arrays; i++)
		ok = (net->optim_state[i] = sm_calloc(mem, n, sizeof(float), "optimiser", err)) &&
		     ok;
	if (net->optim.ema_decay > 0)
		ok = (net->ema = sm_calloc(mem, n, sizeof(float), "average of weights", err)) && ok;
	if (net->forecast.packed)
		ok = (net->packed =
			  sm_calloc(mem, net->forecast.packed, 1, "packed weights", err)) &&
		     ok;
	if (!ok)
		return err->code; /* sm_net_free releases the rest */
	net->sample = net->loss + (size_t)net->losses * net->batch;
	net->norm_partial = net->sample + net->batch;
	for (int i = 0; i < g->tensors; i++) {
		g->tensor[i].a = at_block(net, g->tensor[i].block);
		g->tensor[i].g = at_block(net, g->tensor[i].grad_block);
		g->tensor[i].again = at_block(net, g->tensor[i].again_block);
	}
	net->repack = true;
	return SM_OK;
}

void sm_net_free(struct sm_net *net)
{
	if (!net)
		return;
	sm_graph_free(net->g);
	conv_lib_free(net->conv);
	sm_free(net->weights);
	sm_free(net->grads);
	sm_free(net->state);
	if (!net->arena_owner)
		sm_free(net->arena);
	sm_free(net->fixed);
	sm_free(net->spare_state);
	sm_free(net->packed);
	sm_free(net->loss);
	for (int i = 0; i < 2; i++)
		sm_free(net->optim_state[i]);
	sm_free(net->ema);
	free(net->params_pub);
	free(net->states_pub);
	free(net->fixed_pub);
	free(net->block);
	free(net);
}

void sm_net_init(struct sm_net *net, uint64_t seed)
{
	struct sm_graph *g = net->g;
	for (int i = 0; i < g->params; i++)
		init_fill(&g->param[i], seed, net->weights + g->param[i].pub.offset,
			  net->opt.threads);
	for (int i = 0; i < g->states; i++)
		for (size_t k = 0; k < g->state[i].pub.count; k++)
			net->state[g->state[i].pub.offset + k] = g->state[i].value;
	for (int i = 0; net->optim_row && i < net->optim_row->arrays; i++)
		memset(net->optim_state[i], 0, g->param_count * sizeof(float));
	if (net->ema)
		memcpy(net->ema, net->weights, g->param_count * sizeof(float));
	net->averaged = false;
	net->optim_steps = 0;
	net->grad_samples = 0;
	net->repack = true;
}
