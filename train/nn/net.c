/* SPDX-License-Identifier: Apache-2.0 */
#include "train/nn/net.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/conv.h"

/* Libraries, generated code and small tables of a process with a net, measured. */
#define CODE_BYTES ((size_t)24 << 20)

int net_threads_enter(const struct sm_net *net)
{
	/* oneDNN has no parameter for it: it asks OpenMP. */
	int before = omp_get_max_threads();
	omp_set_num_threads(net->opt.threads);
	return before;
}

void net_threads_leave(int before)
{
	omp_set_num_threads(before);
}

static int add_block(struct sm_net *net, size_t size, int first, int last, struct sm_err *err)
{
	if (net->blocks == net->block_room) {
		int room = net->block_room ? 2 * net->block_room : 64;
		struct plan_block *b = realloc(net->block, room * sizeof *b);
		if (!b)
			return SM_FAIL(err, SM_BUDGET, "memory plan: out of memory"), -1;
		net->block = b;
		net->block_room = room;
	}
	net->block[net->blocks] = (struct plan_block){.size = size, .first = first, .last = last};
	return net->blocks++;
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
		for (int k = 0; k < n->nin; k++) {
			struct tensor *t = &g->tensor[n->in[k]];
			if (!t->wants_grad || (loss && k == 1))
				continue;
			n->acc[k] = t->gets_grad;
			t->gets_grad = true;
		}
	}
}

/* Whether backward of node n writes the gradient of its input k. */
static bool grad_flows(const struct sm_graph *g, const struct node *n, int k)
{
	bool target = (op_row(n->kind)->flags & OP_LOSS) && k == 1;
	return n->runs_backward && g->tensor[n->in[k]].wants_grad && !target;
}

static void stretch(struct plan_block *b, int time)
{
	if (time < b->first)
		b->first = time;
	if (time > b->last)
		b->last = time;
}

/* Live ranges: node i runs forward at time i and backward at 2 nodes - 1 - i. */
static enum sm_status tensor_blocks(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	int end = 2 * g->nodes;
	for (int i = 0; i < g->tensors; i++) {
		struct tensor *t = &g->tensor[i];
		bool input = g->node[t->producer].kind == OP_KIND_input;
		/* Inputs are filled before the run and keep their contents; outputs are read after.
		 */
		t->block = add_block(net, t->count * sizeof(float), input ? 0 : t->producer,
				     input || t->is_output ? end : t->producer, err);
		if (t->block < 0)
			return err->code;
		if (t->gets_grad) {
			int back = end - 1 - t->producer;
			t->grad_block = add_block(net, t->count * sizeof(float), back, back, err);
			if (t->grad_block < 0)
				return err->code;
		}
	}
	for (int i = 0; i < g->nodes; i++) {
		struct node *n = &g->node[i];
		int back = end - 1 - i;
		for (int k = 0; k < n->nin; k++) {
			struct tensor *t = &g->tensor[n->in[k]];
			stretch(&net->block[t->block], i);
			if (n->runs_backward && n->needs_x)
				stretch(&net->block[t->block], back);
			if (grad_flows(g, n, k))
				stretch(&net->block[t->grad_block], back);
		}
		if (n->runs_backward && n->needs_y)
			stretch(&net->block[g->tensor[n->out].block], back);
	}
	return SM_OK;
}

/* Saved data, workspaces, and temporaries of operators that cannot add to a gradient. */
static enum sm_status node_blocks(struct sm_net *net, int i, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	struct node *n = &g->node[i];
	int back = 2 * g->nodes - 1 - i;
	if (n->save &&
	    (n->save_block = add_block(net, n->save, i, n->runs_backward ? back : i, err)) < 0)
		return err->code;
	if (n->ws_forward && (n->ws_forward_block = add_block(net, n->ws_forward, i, i, err)) < 0)
		return err->code;
	if (!n->runs_backward)
		return SM_OK;
	if (n->ws_backward &&
	    (n->ws_backward_block = add_block(net, n->ws_backward, back, back, err)) < 0)
		return err->code;
	for (int k = 0; k < n->nin; k++) {
		if (!grad_flows(g, n, k) || !n->acc[k] || (op_row(n->kind)->flags & OP_ACC))
			continue;
		n->add_block[k] =
		    add_block(net, g->tensor[n->in[k]].count * sizeof(float), back, back, err);
		if (n->add_block[k] < 0)
			return err->code;
	}
	return SM_OK;
}

static void sum_up(struct sm_net *net)
{
	struct sm_graph *g = net->g;
	struct sm_forecast *f = &net->forecast;
	size_t bytes = g->param_count * sizeof(float);
	f->params = bytes;
	f->grads = net->opt.train ? bytes : 0;
	f->optim = net->optim_row ? bytes * net->optim_row->arrays : 0;
	f->state = g->state_count * sizeof(float);
	f->code = CODE_BYTES;
	for (int i = 0; i < g->nodes; i++)
		f->packed += (g->node[i].packed + 63) / 64 * 64;
	f->total = f->params + f->grads + f->optim + f->state + f->arena + f->packed + f->code;
	for (int i = 0; i < net->blocks; i++)
		f->unplanned += net->block[i].size;
}

static enum sm_status plan_memory(struct sm_net *net, struct sm_err *err)
{
	SM_TRY(tensor_blocks(net, err));
	for (int i = 0; i < net->g->nodes; i++)
		SM_TRY(node_blocks(net, i, err));
	net->forecast.arena = plan_solve(net->block, (size_t)net->blocks, err);
	if (!net->forecast.arena)
		return net->blocks ? err->code : SM_OK;
	sum_up(net);
	return SM_OK;
}

static enum sm_status prepare_nodes(struct sm_net *net, struct sm_err *err)
{
	struct op_env env = {.graph = net->g, .opt = &net->opt, .conv = net->conv};
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
	if (opt->optim) {
		net->optim = *opt->optim;
		net->optim_row = optim_find(opt->optim->name);
		if (!net->optim_row)
			return SM_FAIL(err, SM_USAGE,
				       "optimiser \"%s\" is unknown; known are adam, sgd",
				       opt->optim->name ? opt->optim->name : "");
	}
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
	enum sm_status st;
	int before = omp_get_max_threads();
	SM_GOTO(st, check_options(net, opt, err));
	net_threads_enter(net);
	net->valid = net->batch;
	if (opt->train)
		find_gradients(g);
	SM_GOTO(st, conv_lib_create(&net->conv, err));
	SM_GOTO(st, prepare_nodes(net, err));
	SM_GOTO(st, plan_memory(net, err));
	net->params_pub = publish(g->param, g->params);
	net->states_pub = publish(g->state, g->states);
	if (!net->params_pub || !net->states_pub)
		st = SM_FAIL(err, SM_BUDGET, "network: out of memory");
out:
	net_threads_leave(before);
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
		    net->batch, f->total >> 20, free_bytes >> 20);
	return SM_FAIL(
	    err, SM_BUDGET,
	    "network: batch %d needs %zu MiB, %zu MiB are allowed; the largest batch that fits is "
	    "about %zu",
	    net->batch, f->total >> 20, free_bytes >> 20, fits);
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
	net->arena = sm_calloc(mem, net->forecast.arena, 1, "activations", err);
	net->loss = sm_calloc(mem, doubles, sizeof(double), "losses", err);
	bool ok = net->weights && net->state && net->arena && net->loss;
	if (net->opt.train)
		ok = (net->grads = sm_calloc(mem, n, sizeof(float), "gradients", err)) && ok;
	for (int i = 0; net->optim_row && i < net->optim_row->arrays; i++)
		ok = (net->optim_state[i] = sm_calloc(mem, n, sizeof(float), "optimiser", err)) &&
		     ok;
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
	sm_free(net->arena);
	sm_free(net->packed);
	sm_free(net->loss);
	for (int i = 0; i < 2; i++)
		sm_free(net->optim_state[i]);
	free(net->params_pub);
	free(net->states_pub);
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
	net->optim_steps = 0;
	net->repack = true;
}
