/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors and workspaces live when, and which may share one block of the arena. Node i runs
 * forward at time i and backward at 2 nodes - 1 - i. */
#include <stdlib.h>

#include "train/nn/net.h"

/* Libraries, generated code and small tables of a process with a net, measured. */
#define CODE_BYTES ((size_t)13 << 20)

/* Of the search for what to forget; each tries all tensors. */
#define FORGET_ROUNDS 3

int net_add_block(struct sm_net *net, size_t size, int first, int last, struct sm_err *err)
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

/* Whether backward of node n writes the gradient of its input k. */
static bool grad_flows(const struct sm_graph *g, const struct node *n, int k)
{
	bool target = (op_row(n->kind)->flags & OP_LOSS) && k == 1;
	return n->runs_backward && g->tensor[n->src[k]].wants_grad && !target;
}

static size_t tensor_bytes(const struct tensor *t)
{
	return t->count * elem_size(t->elem);
}

void net_stretch(struct plan_block *b, int time)
{
	if (time < b->first)
		b->first = time;
	if (time > b->last)
		b->last = time;
}

int net_back_time(const struct sm_net *net, int node)
{
	return 2 * net->g->nodes - 1 - node;
}

static bool reads(const struct node *n, int tensor)
{
	for (int k = 0; k < n->nsrc; k++)
		if (n->src[k] == tensor)
			return true;
	return false;
}

/* Whether node n reads the tensor once forward is over: in its own turn, or to make its output
 * again. */
static bool reads_later(const struct sm_graph *g, const struct node *n, int tensor)
{
	return ((n->runs_backward && n->needs_x) || g->tensor[n->out].forget) && reads(n, tensor);
}

static bool reads_own(const struct node *n)
{
	return n->runs_backward && n->needs_y;
}

/* Whether nobody wants tensor x once node i has run forward. */
static bool dead_behind(const struct sm_graph *g, int x, int i)
{
	const struct tensor *t = &g->tensor[x];
	const struct node *p = &g->node[t->producer];
	if (t->is_output || p->kind == OP_KIND_input || (!t->forget && reads_own(p)))
		return false;
	for (int j = t->producer + 1; j < g->nodes; j++) {
		const struct node *n = &g->node[j];
		if ((!t->forget && reads_later(g, n, x)) || (j > i && reads(n, x)))
			return false;
	}
	return true;
}

/* The input over which node i may write its output; -1 = none. */
static int over_input(const struct sm_graph *g, int i)
{
	const struct node *n = &g->node[i];
	if (!(op_row(n->kind)->flags & OP_OVER))
		return -1;
	for (int k = 0; k < n->nsrc; k++)
		if (tensor_bytes(&g->tensor[n->src[k]]) == tensor_bytes(&g->tensor[n->out]) &&
		    dead_behind(g, n->src[k], i))
			return k;
	return -1;
}

/* Outputs are made again where the plan may forget them: the operator can, and backward reads
 * them. */
static bool can_forget(const struct sm_net *net, int x)
{
	const struct sm_graph *g = net->g;
	const struct tensor *t = &g->tensor[x];
	const struct node *p = &g->node[t->producer];
	bool cheap = !(op_row(p->kind)->flags & OP_KERNEL) && !p->needs_y;
	if (net->opt.recompute == SM_RECOMPUTE_NOTHING || !op_row(p->kind)->impl->again ||
	    !p->runs_backward || t->is_output ||
	    (net->opt.recompute == SM_RECOMPUTE_CHEAP && !cheap))
		return false;
	for (int j = t->producer + 1; j < g->nodes; j++)
		if (reads_later(g, &g->node[j], x))
			return true;
	return reads_own(p);
}

static enum sm_status value_block(struct sm_net *net, int i, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	struct node *n = &g->node[i];
	struct tensor *t = &g->tensor[n->out];
	if (n->joined)
		return SM_OK;
	bool input = n->kind == OP_KIND_input;
	int over = over_input(g, i), end = 2 * g->nodes;
	/* Inputs are filled before the run and keep their contents; outputs are read after. */
	if (over >= 0)
		t->block = g->tensor[n->src[over]].block;
	else
		t->block = net_add_block(net, tensor_bytes(t), input ? 0 : i, i, err);
	if (t->block < 0)
		return err->code;
	if (input || t->is_output)
		net_stretch(&net->block[t->block], end);
	for (int k = 0; k < n->nsrc; k++) {
		struct tensor *x = &g->tensor[n->src[k]];
		net_stretch(&net->block[x->block], i);
		if (n->runs_backward && n->needs_x && !x->forget)
			net_stretch(&net->block[x->block], net_back_time(net, i));
	}
	net_stretch(&net->block[t->block], i);
	if (reads_own(n) && !t->forget)
		net_stretch(&net->block[t->block], net_back_time(net, i));
	return SM_OK;
}

/* The place of what node n reads in backward as input k, when that is not read again and the node
 * is done with it before it writes gradients; else -1. */
static int dead_value(const struct sm_net *net, const struct node *n, int k, int back)
{
	const struct tensor *x = &net->g->tensor[n->src[k]];
	int block = x->forget ? x->again_block : x->block;
	if (!(op_row(n->kind)->flags & OP_OVER_X) || block < 0 || block == x->grad_block ||
	    net->block[block].last != back || net->block[block].size != tensor_bytes(x))
		return -1;
	return block;
}

/* A gradient lives from its first writer, the last node forward that reads the tensor, to its
 * producer's turn. That writer may put it in the place of its output's gradient or of x. */
static enum sm_status grad_blocks(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	for (int i = g->nodes - 1; i >= 0; i--) {
		struct node *n = &g->node[i];
		struct tensor *y = &g->tensor[n->out];
		int back = net_back_time(net, i);
		if (y->gets_grad) {
			if (y->grad_block < 0)
				y->grad_block =
				    net_add_block(net, tensor_bytes(y), back, back, err);
			if (y->grad_block < 0)
				return err->code;
			net_stretch(&net->block[y->grad_block], back);
		}
		bool over = (op_row(n->kind)->flags & OP_OVER) != 0;
		for (int k = 0; k < n->nsrc; k++) {
			struct tensor *x = &g->tensor[n->src[k]];
			if (!grad_flows(g, n, k))
				continue;
			if (x->grad_block < 0 && over && k == 0 && x->elem == y->elem)
				x->grad_block = y->grad_block;
			else if (x->grad_block < 0)
				x->grad_block = dead_value(net, n, k, back);
			if (x->grad_block < 0)
				x->grad_block =
				    net_add_block(net, tensor_bytes(x), back, back, err);
			if (x->grad_block < 0)
				return err->code;
			net_stretch(&net->block[x->grad_block], back);
		}
	}
	return SM_OK;
}

/* Time `time` is one at which x is read in backward. */
static void meet(int time, int *first, int *last)
{
	*first = *first < 0 || time < *first ? time : *first;
	*last = time > *last ? time : *last;
}

/* The place of what is made again of tensor x alone, over x, where nothing else reads x; or -1. */
static int again_over(const struct sm_graph *g, int x, int time)
{
	const struct tensor *t = &g->tensor[x];
	int block = -1;
	for (int j = t->producer + 1; j < g->nodes; j++) {
		const struct tensor *y = &g->tensor[g->node[j].out];
		if (!y->forget || y->again_time != time || !reads(&g->node[j], x))
			continue;
		if (block >= 0 || !(op_row(g->node[j].kind)->flags & OP_OVER) ||
		    tensor_bytes(y) != tensor_bytes(t))
			return -1;
		block = y->again_block;
	}
	return block;
}

/* The workspace for its making: one for all that is made again at that time. */
static enum sm_status again_workspace(struct sm_net *net, int x, struct sm_err *err)
{
	const struct sm_graph *g = net->g;
	struct tensor *t = &net->g->tensor[x];
	size_t need = g->node[t->producer].ws_forward;
	if (!need)
		return SM_OK;
	for (int i = x + 1; i < g->tensors && t->again_ws_block < 0; i++)
		if (g->tensor[i].forget && g->tensor[i].again_time == t->again_time)
			t->again_ws_block = g->tensor[i].again_ws_block;
	if (t->again_ws_block < 0)
		t->again_ws_block =
			net_add_block(net, need, t->again_time, t->again_time, err);
	if (t->again_ws_block < 0)
		return err->code;
	struct plan_block *b = &net->block[t->again_ws_block];
	b->size = b->size > need ? b->size : need;
	return SM_OK;
}

/* The second life of a tensor that is forgotten, with the workspace for its making. It is read by
 * what reads it in backward, and by what is made again of it: tensors behind it come first. */
static enum sm_status again_blocks(struct sm_net *net, int x, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	struct tensor *t = &g->tensor[x];
	struct node *p = &g->node[t->producer];
	int first = -1, last = -1;
	if (reads_own(p))
		meet(net_back_time(net, t->producer), &first, &last);
	bool backward = first >= 0;
	for (int j = t->producer + 1; j < g->nodes; j++) {
		const struct node *n = &g->node[j];
		if (!reads(n, x))
			continue;
		if (n->runs_backward && n->needs_x) {
			meet(net_back_time(net, j), &first, &last);
			backward = true;
		}
		if (g->tensor[n->out].forget && g->tensor[n->out].again_time >= 0)
			meet(g->tensor[n->out].again_time, &first, &last);
	}
	t->again_time = first;
	if (first < 0)
		return SM_OK;
	if (!backward && first == last)
		t->again_block = again_over(g, x, first);
	if (t->again_block < 0)
		t->again_block = net_add_block(net, tensor_bytes(t), first, last, err);
	if (t->again_block < 0)
		return err->code;
	for (int k = 0; k < p->nsrc; k++)
		if (!g->tensor[p->src[k]].forget)
			net_stretch(&net->block[g->tensor[p->src[k]].block], first);
	return again_workspace(net, x, err);
}

/* Saved data, workspaces, and temporaries of operators that cannot add to a gradient. */
static enum sm_status node_blocks(struct sm_net *net, int i, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	struct node *n = &g->node[i];
	int back = net_back_time(net, i);
	if (n->save &&
	    (n->save_block = net_add_block(net, n->save, i, n->runs_backward ? back : i, err)) < 0)
		return err->code;
	if (n->ws_forward &&
	    (n->ws_forward_block = net_add_block(net, n->ws_forward, i, i, err)) < 0)
		return err->code;
	if (!n->runs_backward)
		return SM_OK;
	if (n->ws_backward &&
	    (n->ws_backward_block = net_add_block(net, n->ws_backward, back, back, err)) < 0)
		return err->code;
	for (int k = 0; k < n->nsrc; k++) {
		if (!grad_flows(g, n, k) || !n->acc[k] || (op_row(n->kind)->flags & OP_ACC))
			continue;
		n->add_block[k] = dead_value(net, n, k, back);
		for (int j = 0; j < k; j++) /* the same tensor once more */
			if (n->src[j] == n->src[k])
				n->add_block[k] = -1;
		if (n->add_block[k] < 0)
			n->add_block[k] = net_add_block(net, tensor_bytes(&g->tensor[n->src[k]]),
							back, back, err);
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
	f->grads = net->opt.train && !net->opt.fused ? bytes : 0;
	f->optim = net->optim_row ? bytes * net->optim_row->arrays : 0;
	f->optim += net->optim.ema_decay > 0 ? bytes : 0;
	f->state = g->state_count * sizeof(float) * (net->opt.live_norm ? 2 : 1);
	f->fixed = g->fixed_count * sizeof(float);
	f->code = CODE_BYTES;
	f->library = net_library_bytes(net);
	for (int i = 0; i < g->nodes; i++) {
		g->node[i].packed_at = f->packed;
		f->packed += (g->node[i].packed + 63) / 64 * 64;
	}
	f->total = f->params + f->grads + f->optim + f->state + f->fixed + f->arena + f->packed +
		   f->code;
	for (int i = 0; i < net->blocks; i++)
		f->unplanned += net->block[i].size;
}

/* All blocks for the present choice of what is forgotten; *arena = bytes. */
static enum sm_status solve(struct sm_net *net, size_t *arena, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	net->blocks = 0;
	for (int i = 0; i < g->tensors; i++) {
		struct tensor *t = &g->tensor[i];
		t->block = t->grad_block = t->again_block = t->again_ws_block = -1;
	}
	for (int i = 0; i < g->nodes; i++)
		SM_TRY(value_block(net, i, err));
	for (int i = g->tensors - 1; i >= 0; i--)
		if (g->tensor[i].forget)
			SM_TRY(again_blocks(net, i, err));
	if (net->opt.fused)
		net_fused_uses(net);
	SM_TRY(grad_blocks(net, err));
	if (net->opt.fused)
		SM_TRY(net_fused_blocks(net, err));
	for (int i = 0; i < g->nodes; i++)
		SM_TRY(node_blocks(net, i, err));
	*arena = plan_solve(net->block, (size_t)net->blocks, err);
	return *arena || !net->blocks ? SM_OK : err->code;
}

/* Forgets or keeps one tensor after the other, from the last layer to the first, and stays with
 * what needs less memory, or with `keep` what needs as much but has less to make again. */
static enum sm_status try_each(struct sm_net *net, bool keep, size_t *arena, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	for (int i = g->tensors - 1; i >= 0; i--) {
		struct tensor *t = &g->tensor[i];
		bool before = t->forget;
		size_t now;
		if (keep ? !before : !before && !can_forget(net, i))
			continue;
		t->forget = !before;
		SM_TRY(solve(net, &now, err));
		if (now < *arena || (keep && now == *arena))
			*arena = now;
		else
			t->forget = before;
	}
	return SM_OK;
}

/* Begins with all forgotten that can be; with `one` only what is made again of one input. */
static enum sm_status descend(struct sm_net *net, bool one, size_t *arena, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	for (int i = 0; i < g->tensors; i++)
		g->tensor[i].forget = false;
	for (int i = g->tensors - 1; i >= 0; i--)
		g->tensor[i].forget = (!one || g->node[g->tensor[i].producer].nsrc == 1) &&
				      can_forget(net, i);
	SM_TRY(solve(net, arena, err));
	size_t before = 0;
	for (int round = 0; round < FORGET_ROUNDS && *arena != before; round++) {
		before = *arena;
		SM_TRY(try_each(net, false, arena, err));
	}
	return try_each(net, true, arena, err);
}

/* Whether only nodes of its own stage read tensor x. */
static bool stays_in_stage(const struct sm_graph *g, int x)
{
	int producer = g->tensor[x].producer;
	for (int j = producer + 1; j < g->nodes; j++)
		if (reads(&g->node[j], x) && g->node[j].stage != g->node[producer].stage)
			return false;
	return true;
}

/* All that a stage keeps to itself; not of the last one, where backward begins. Nothing where that
 * needs no less memory: small kernels used often may have to keep their inputs for late gradients.
 */
static enum sm_status forget_stages(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	size_t kept, again;
	int last = 0;
	SM_TRY(solve(net, &kept, err));
	for (int i = 0; i < g->nodes; i++)
		if (g->node[i].runs_backward && g->node[i].stage > last)
			last = g->node[i].stage;
	for (int i = g->tensors - 1; i >= 0; i--) {
		int stage = g->node[g->tensor[i].producer].stage;
		g->tensor[i].forget =
			stage && stage != last && can_forget(net, i) && stays_in_stage(g, i);
	}
	SM_TRY(solve(net, &again, err));
	for (int i = 0; again >= kept && i < g->tensors; i++)
		g->tensor[i].forget = false;
	return SM_OK;
}

/* By a search: begins with what is made again of one input, and with all. */
static enum sm_status forget_cheap(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	size_t one = 0, all = 0;
	bool any = false;
	SM_TRY(descend(net, true, &one, err));
	for (int i = 0; i < g->tensors; i++)
		any |= can_forget(net, i) && g->node[g->tensor[i].producer].nsrc > 1;
	if (any) {
		SM_TRY(descend(net, false, &all, err));
		if (all > one)
			SM_TRY(descend(net, true, &one, err));
	}
	return SM_OK;
}

static enum sm_status choose_forgotten(struct sm_net *net, size_t *arena, struct sm_err *err)
{
	if (net->opt.recompute == SM_RECOMPUTE_STAGES)
		SM_TRY(forget_stages(net, err));
	if (net->opt.recompute == SM_RECOMPUTE_CHEAP)
		SM_TRY(forget_cheap(net, err));
	SM_TRY(solve(net, arena, err));
	*arena = plan_improve(net->block, (size_t)net->blocks, *arena, err);
	return *arena || !net->blocks ? SM_OK : err->code;
}

enum sm_status net_plan_memory(struct sm_net *net, struct sm_err *err)
{
	SM_TRY(choose_forgotten(net, &net->forecast.arena, err));
	sum_up(net);
	return SM_OK;
}
