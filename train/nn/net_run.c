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
			   .seed = net->opt.seed,
			   .step = step,
			   .y = g->tensor[n->out].a,
			   .save = block_at(net, n->save_block)};
	for (int k = 0; k < n->nin; k++)
		r.x[k] = g->tensor[n->in[k]].a;
	for (int k = 0; k < 2; k++) {
		if (n->param[k] >= 0) {
			size_t at = g->param[n->param[k]].pub.offset;
			r.w[k] = net->weights + at;
			r.gw[k] = net->grads ? net->grads + at : NULL;
		}
		if (n->state[k] >= 0)
			r.state[k] = net->state + g->state[n->state[k]].pub.offset;
	}
	return r;
}

static enum sm_status timed(struct sm_net *net, const struct op_run *r, bool back,
			    struct sm_err *err)
{
	const struct op_row *row = op_row(r->node->kind);
	double start = net->opt.profile ? omp_get_wtime() : 0;
	enum sm_status st = back ? row->impl->backward(r, err) : row->impl->forward(r, err);
	/* Layers with kernels keep their own times by pass. */
	if (net->opt.profile && !(row->flags & OP_KERNEL)) {
		r->node->seconds[back ? SM_BACKWARD_DATA : SM_FORWARD] += omp_get_wtime() - start;
		r->node->runs[back ? SM_BACKWARD_DATA : SM_FORWARD]++;
	}
	return st;
}

static enum sm_status forward(struct sm_net *net, bool train, bool with_loss, uint64_t step,
			      struct sm_err *err)
{
	int loss = 0;
	size_t packed = 0;
	for (int i = 0; i < net->g->nodes; i++) {
		struct node *n = &net->g->node[i];
		struct op_run r = call_of(net, n, train, step);
		r.ws = block_at(net, n->ws_forward_block);
		if (n->packed) {
			r.packed = net->packed + packed;
			r.repack = net->repack;
			packed += (n->packed + 63) / 64 * 64;
		}
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

static enum sm_status backward(struct sm_net *net, uint64_t step, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	memset(net->grads, 0, g->param_count * sizeof(float));
	for (int i = g->nodes - 1; i >= 0; i--) {
		struct node *n = &g->node[i];
		if (!n->runs_backward)
			continue;
		struct op_run r = call_of(net, n, true, step);
		r.ws = block_at(net, n->ws_backward_block);
		r.gy = g->tensor[n->out].g;
		for (int k = 0; k < n->nin; k++)
			r.gx[k] = n->add_block[k] >= 0 ? block_at(net, n->add_block[k])
						       : g->tensor[n->in[k]].g;
		SM_TRY(timed(net, &r, true, err));
		for (int k = 0; k < n->nin; k++)
			if (n->add_block[k] >= 0)
				op_add_to(g->tensor[n->in[k]].g, r.gx[k], g->tensor[n->in[k]].count,
					  net->opt.threads);
	}
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

static enum sm_status check_ready(const struct sm_net *net, bool train, bool loss,
				  struct sm_err *err)
{
	if (!net->arena)
		return SM_FAIL(err, SM_INTERNAL, "network: run before sm_net_alloc");
	if (train && !net->opt.train)
		return SM_FAIL(err, SM_INTERNAL, "network: planned for inference, cannot train");
	if (loss && !net->losses)
		return SM_FAIL(err, SM_INTERNAL, "network: its graph has no loss");
	return SM_OK;
}

enum sm_status sm_net_forward(struct sm_net *net, struct sm_err *err)
{
	SM_TRY(check_ready(net, false, false, err));
	int before = net_threads_enter(net);
	enum sm_status st = forward(net, false, false, 0, err);
	net_threads_leave(before);
	return st;
}

enum sm_status sm_net_eval(struct sm_net *net, double *loss, struct sm_err *err)
{
	SM_TRY(check_ready(net, false, true, err));
	int before = net_threads_enter(net);
	enum sm_status st = forward(net, false, true, 0, err);
	net_threads_leave(before);
	*loss = st == SM_OK ? total_loss(net) : 0;
	return st;
}

enum sm_status sm_net_step(struct sm_net *net, uint64_t step, double *loss, struct sm_err *err)
{
	SM_TRY(check_ready(net, true, true, err));
	int before = net_threads_enter(net);
	enum sm_status st = forward(net, true, true, step, err);
	if (st == SM_OK)
		st = backward(net, step, err);
	net_threads_leave(before);
	*loss = st == SM_OK ? total_loss(net) : 0;
	return st;
}

#define CHUNK ((size_t)65536)

/* L2 norm of the gradient; blocks and their order are fixed. */
static double grad_norm(struct sm_net *net)
{
	size_t n = net->g->param_count;
	double sum = 0;
#pragma omp parallel for schedule(static) num_threads(net->opt.threads)
	for (int b = 0; b < OP_BLOCKS; b++) {
		size_t to = op_block_start(n, b + 1);
		double s = 0;
		for (size_t i = op_block_start(n, b); i < to; i++)
			s += (double)net->grads[i] * (double)net->grads[i];
		net->norm_partial[b] = s;
	}
	for (int b = 0; b < OP_BLOCKS; b++)
		sum += net->norm_partial[b];
	return sqrt(sum);
}

enum sm_status sm_net_update(struct sm_net *net, double lr, double *norm, struct sm_err *err)
{
	SM_TRY(check_ready(net, true, false, err));
	const struct optim_row *o = net->optim_row;
	if (!o)
		return SM_FAIL(err, SM_INTERNAL, "network: planned without an optimiser");
	double size = grad_norm(net), clip = net->optim.clip_norm;
	if (norm)
		*norm = size;
	if (!isfinite(size))
		return SM_FAIL(err, SM_INPUT,
			       "training: the gradient is not finite after %llu updates; the "
			       "weights were left "
			       "as they were",
			       (unsigned long long)net->optim_steps);
	float scale = clip > 0 && size > clip ? (float)(clip / size) : 1.0f;
	net->optim_steps++;
	size_t n = net->g->param_count;
#pragma omp parallel for schedule(static) num_threads(net->opt.threads)
	for (size_t i = 0; i < n; i += CHUNK) {
		float *state[2] = {net->optim_state[0] + i,
				   net->optim_state[1] ? net->optim_state[1] + i : NULL};
		o->update(&net->optim, net->optim_steps, (float)lr, scale, net->weights + i,
			  net->grads + i, state, n - i < CHUNK ? n - i : CHUNK);
	}
	net->repack = true;
	return SM_OK;
}
