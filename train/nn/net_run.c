/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <omp.h>
#include <string.h>

#include "train/nn/net.h"

static void *block_at(const struct sm_net *net, int block)
{
	return block < 0 ? NULL : net->arena + net->block[block].offset;
}

/* Fills what forward and backward have in common. */
static struct op_run call_of(struct sm_net *net, struct node *n, bool train, uint64_t step)
{
	struct sm_graph *g = net->g;
	struct op_run r = {.graph = g,
			   .node = n,
			   .threads = net->opt.threads,
			   .valid = net->valid,
			   .train = train,
			   .profile = net->opt.profile,
			   .weight = net->sample_weight,
			   .seed = net->opt.seed,
			   .step = step,
			   .y = g->tensor[n->out].a,
			   .ye = g->tensor[n->out].elem,
			   .save = block_at(net, n->save_block),
			   .packed = n->packed ? net->packed + n->packed_at : NULL};
	for (int k = 0; k < n->nsrc; k++) {
		r.x[k] = g->tensor[n->src[k]].a;
		r.xe[k] = g->tensor[n->src[k]].elem;
	}
	for (int k = 0; k < 2; k++) {
		if (n->param[k] >= 0) {
			size_t at = g->param[n->param[k]].pub.offset;
			r.w[k] = net->weights + at;
			r.gw[k] = net->grads ? net->grads + at : NULL;
			if (net->opt.fused && net->opt.train)
				r.gw[k] = block_at(net, g->param[n->param[k]].grad_block);
		}
		if (n->fixed[k] >= 0)
			r.w[k] = net_fixed_at(net, n->fixed[k]);
		if (n->state[k] >= 0)
			r.state[k] = net_state_at(net, n->state[k]);
	}
	return r;
}

static enum sm_status timed(struct sm_net *net, const struct op_run *r, bool back,
			    struct sm_err *err)
{
	const struct op_row *row = op_row(r->node->kind);
	double start = net->opt.profile ? omp_get_wtime() : 0;
	enum sm_status st = back ? row->impl->backward(r, err) : row->impl->forward(r, err);
	if (net->watch && st == SM_OK)
		back ? net_watch_backward(net, r) : net_watch_forward(net, r);
	/* Layers with kernels keep their own times by pass. */
	if (net->opt.profile && !(row->flags & OP_KERNEL)) {
		r->node->seconds[back ? SM_BACKWARD_DATA : SM_FORWARD] += omp_get_wtime() - start;
		r->node->runs[back ? SM_BACKWARD_DATA : SM_FORWARD]++;
	}
	return st;
}

/* Inference with some operators as in training; statistics of the batch are then not kept. */
static void live(const struct sm_net *net, struct op_run *r)
{
	const struct node *n = r->node;
	if (r->train)
		return;
	if (n->kind == OP_KIND_dropout)
		r->train = net->opt.live_dropout;
	if (n->kind != OP_KIND_batch_norm || !net->opt.live_norm)
		return;
	r->train = true;
	for (int k = 0; k < 2; k++)
		r->state[k] = net->spare_state + net->g->state[n->state[k]].pub.offset;
}

static enum sm_status forward(struct sm_net *net, bool train, bool with_loss, uint64_t step,
			      struct sm_err *err)
{
	int loss = 0;
	for (int i = 0; i < net->g->nodes; i++) {
		struct node *n = &net->g->node[i];
		if (n->joined)
			continue;
		struct op_run r = call_of(net, n, train, step);
		live(net, &r);
		r.ws = block_at(net, n->ws_forward_block);
		r.repack = net->repack;
		if (op_row(n->kind)->flags & OP_LOSS) {
			r.loss = net->loss + (size_t)loss++ * net->batch;
			if (!with_loss)
				continue;
		}
		SM_TRY(timed(net, &r, false, err));
	}
	net->repack = false;
	return SM_OK;
}

/* What happens to the gradients that are there. */
struct join {
	bool accumulate;
	size_t behind; /* samples of others that stand before these; not with accumulate */
};

/* Gradients are means over samples: those that are there make room for new ones. */
static void clear_or_scale(struct sm_net *net, struct join join)
{
	size_t before = join.accumulate ? net->grad_samples : 0, n = net->g->param_count;
	net->grad_samples = before + join.behind + (size_t)net->valid;
	net->sample_weight = 1.0 / (double)net->grad_samples;
	float keep = (float)((double)before / (double)net->grad_samples);
	if (net->opt.fused)
		return;
#pragma omp parallel for schedule(static) num_threads(net->opt.threads)
	for (size_t i = 0; i < n; i++)
		net->grads[i] = before ? net->grads[i] * keep : 0;
}

/* Makes a forgotten value again, for its first reader in backward; what it is made of may have been
 * forgotten too. */
static enum sm_status make_again(struct sm_net *net, struct tensor *t, uint64_t step,
				 struct sm_err *err)
{
	struct node *p = &net->g->node[t->producer];
	if (t->made)
		return SM_OK;
	t->made = true;
	struct op_run again = call_of(net, p, true, step);
	for (int k = 0; k < p->nsrc; k++) {
		struct tensor *x = &net->g->tensor[p->src[k]];
		if (!x->forget)
			continue;
		SM_TRY(make_again(net, x, step, err));
		again.x[k] = x->again;
	}
	double start = net->opt.profile ? omp_get_wtime() : 0;
	again.y = t->again;
	again.ws = block_at(net, t->again_ws_block);
	SM_TRY(op_row(p->kind)->impl->again(&again, err));
	if (net->opt.profile && !(op_row(p->kind)->flags & OP_KERNEL))
		p->seconds[SM_BACKWARD_DATA] += omp_get_wtime() - start;
	return SM_OK;
}

enum sm_status net_recall(struct sm_net *net, const struct node *n, struct op_run *r,
			  struct sm_err *err)
{
	struct tensor *y = &net->g->tensor[n->out];
	if (y->forget && n->needs_y) {
		r->y = y->again;
		SM_TRY(make_again(net, y, r->step, err));
	}
	for (int k = 0; k < n->nsrc; k++) {
		struct tensor *t = &net->g->tensor[n->src[k]];
		if (!t->forget || !n->needs_x)
			continue;
		r->x[k] = t->again;
		SM_TRY(make_again(net, t, r->step, err));
	}
	return SM_OK;
}

struct op_run net_backward_call(struct sm_net *net, struct node *n, uint64_t step)
{
	struct sm_graph *g = net->g;
	struct op_run r = call_of(net, n, true, step);
	r.ws = block_at(net, n->ws_backward_block);
	r.gy = g->tensor[n->out].g;
	for (int k = 0; k < n->nsrc; k++)
		r.gx[k] = n->add_block[k] >= 0 ? block_at(net, n->add_block[k])
					       : g->tensor[n->src[k]].g;
	return r;
}

static enum sm_status backward(struct sm_net *net, uint64_t step, struct join join,
			       struct sm_err *err)
{
	struct sm_graph *g = net->g;
	clear_or_scale(net, join);
	for (int i = 0; i < g->tensors; i++)
		g->tensor[i].made = false;
	for (int i = g->nodes - 1; i >= 0; i--) {
		struct node *n = &g->node[i];
		if (!n->runs_backward)
			continue;
		struct op_run r = net_backward_call(net, n, step);
		SM_TRY(net_recall(net, n, &r, err));
		if (net->opt.fused)
			SM_TRY(net_fused_before(net, n, &r, err));
		SM_TRY(timed(net, &r, true, err));
		if (net->opt.fused)
			net_fused_behind(net, n);
		for (int k = 0; k < n->nsrc; k++)
			if (n->add_block[k] >= 0)
				elem_add(g->tensor[n->src[k]].g, r.xe[k], r.gx[k], r.xe[k],
					 g->tensor[n->src[k]].count, net->opt.threads);
	}
	if (net->opt.fused)
		net_fused_rest(net);
	return SM_OK;
}

/* Weighted sum over loss nodes of each sample, and its mean over those that count. */
static double total_loss(struct sm_net *net)
{
	double mean = 0;
	memset(net->sample, 0, net->batch * sizeof *net->sample);
	for (int i = 0, loss = 0; i < net->g->nodes; i++) {
		const struct node *n = &net->g->node[i];
		if (!(op_row(n->kind)->flags & OP_LOSS))
			continue;
		const double *value = net->loss + (size_t)loss++ * net->batch;
		for (int s = 0; s < net->batch; s++)
			net->sample[s] += (double)n->attr.value[0] * value[s];
	}
	for (int s = 0; s < net->valid; s++)
		mean += net->sample[s];
	return mean / net->valid;
}

enum sm_status net_check_ready(const struct sm_net *net, bool train, bool loss,
			       struct sm_err *err)
{
	if (!net->arena)
		return SM_FAIL(err, SM_INTERNAL, "network: run before sm_net_alloc");
	if (train && !net->opt.train)
		return SM_FAIL(err, SM_INTERNAL, "network: planned for inference, cannot train");
	if (train && net->averaged)
		return SM_FAIL(err, SM_INTERNAL,
			       "network: cannot train while its weights are the moving average");
	if (loss && !net->losses)
		return SM_FAIL(err, SM_INTERNAL, "network: its graph has no loss");
	return SM_OK;
}

enum sm_status sm_net_forward(struct sm_net *net, struct sm_err *err)
{
	SM_TRY(net_check_ready(net, false, false, err));
	struct net_threads before = net_threads_enter(net);
	enum sm_status st = forward(net, false, false, net->forwards++, err);
	net_threads_leave(net, before);
	return st;
}

void sm_net_number_forward(struct sm_net *net, uint64_t number)
{
	net->forwards = number;
}

enum sm_status sm_net_eval(struct sm_net *net, double *loss, struct sm_err *err)
{
	SM_TRY(net_check_ready(net, false, true, err));
	struct net_threads before = net_threads_enter(net);
	enum sm_status st = forward(net, false, true, 0, err);
	net_threads_leave(net, before);
	*loss = st == SM_OK ? total_loss(net) : 0;
	return st;
}

static enum sm_status train_step(struct sm_net *net, uint64_t step, struct join join, double *loss,
				 struct sm_err *err)
{
	SM_TRY(net_check_ready(net, true, true, err));
	net->last_step = step;
	struct net_threads before = net_threads_enter(net);
	enum sm_status st = forward(net, true, true, step, err);
	/* A fused net would spoil its weights. */
	bool spoilt = net->fused_lr >= 0 && st == SM_OK && !isfinite(total_loss(net));
	if (st == SM_OK && !spoilt) {
		net->optim_steps += net->fused_lr >= 0;
		st = backward(net, step, join, err);
	}
	net_threads_leave(net, before);
	*loss = st == SM_OK ? total_loss(net) : 0;
	return st;
}

enum sm_status net_gradients(struct sm_net *net, uint64_t step, double *loss, struct sm_err *err)
{
	return train_step(net, step, (struct join){false, 0}, loss, err);
}

static enum sm_status not_fused(const struct sm_net *net, struct sm_err *err)
{
	return net->opt.fused ? SM_FAIL(err, SM_INTERNAL, "network: planned for sm_net_train")
			      : SM_OK;
}

enum sm_status sm_net_step(struct sm_net *net, uint64_t step, double *loss, struct sm_err *err)
{
	SM_TRY(not_fused(net, err));
	return train_step(net, step, (struct join){false, 0}, loss, err);
}

enum sm_status sm_net_accumulate(struct sm_net *net, uint64_t step, double *loss,
				 struct sm_err *err)
{
	SM_TRY(not_fused(net, err));
	return train_step(net, step, (struct join){true, 0}, loss, err);
}

enum sm_status sm_net_step_behind(struct sm_net *net, uint64_t step, size_t before, double *loss,
				  struct sm_err *err)
{
	SM_TRY(not_fused(net, err));
	return train_step(net, step, (struct join){false, before}, loss, err);
}

enum sm_status sm_net_train(struct sm_net *net, uint64_t step, double lr, double *loss,
			    struct sm_err *err)
{
	if (!net->opt.fused) {
		SM_TRY(sm_net_step(net, step, loss, err));
		return sm_net_update(net, lr, NULL, err);
	}
	net->fused_lr = lr;
	net->bad = NULL;
	enum sm_status st = net_gradients(net, step, loss, err);
	net->fused_lr = -1;
	if (st == SM_OK && net->bad)
		return SM_FAIL(err, SM_INPUT,
			       "training: the gradient of %s is not finite after %llu updates",
			       net->bad->name, (unsigned long long)net->optim_steps - 1);
	return st;
}
