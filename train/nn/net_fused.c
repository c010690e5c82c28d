/* SPDX-License-Identifier: Apache-2.0 */
/* Updates inside of backward. A parameter's gradient lives from its first use in backward to its
 * last, where it is applied; a parameter without a use there is moved by a gradient of 0 behind it.
 * Kernels that are used several times and are larger than what they read and their outputs'
 * gradients are late: these are kept instead, and the gradient is computed at the last use alone,
 * for all uses. */
#include "train/nn/net.h"

static float *place(const struct sm_net *net, const struct param *p)
{
	return (float *)(net->arena + net->block[p->grad_block].offset);
}

/* Bytes of what node n's late gradient needs: its inputs and its output's gradient. */
static size_t kept_bytes(const struct sm_graph *g, const struct node *n)
{
	size_t bytes = g->tensor[n->out].count * elem_size(g->tensor[n->out].elem);
	for (int k = 0; k < n->nsrc; k++)
		bytes += g->tensor[n->src[k]].count * elem_size(g->tensor[n->src[k]].elem);
	return bytes;
}

static bool uses(const struct node *n, int param)
{
	return n->runs_backward && (n->param[0] == param || n->param[1] == param);
}

/* What is read late must stay where it is until then. */
static void keep_until(struct sm_net *net, const struct node *n, int time)
{
	const struct sm_graph *g = net->g;
	for (int k = 0; k < n->nsrc; k++) {
		const struct tensor *x = &g->tensor[n->src[k]];
		net_stretch(&net->block[x->forget ? x->again_block : x->block], time);
	}
}

void net_fused_uses(struct sm_net *net)
{
	struct sm_graph *g = net->g;
	for (int p = 0; p < g->params; p++) {
		struct param *param = &g->param[p];
		size_t kept = 0;
		int count = 0;
		bool can = true;
		param->first_use = param->last_use = -1;
		for (int i = g->nodes - 1; i >= 0; i--) {
			const struct node *n = &g->node[i];
			if (!uses(n, p))
				continue;
			if (param->first_use < 0)
				param->first_use = i;
			param->last_use = i;
			kept += kept_bytes(g, n);
			can = can && n->param[0] == p && op_row(n->kind)->impl->late;
			count++;
		}
		/* What is made again has to be kept then, too: the search for what to forget would
		 * not find its way. */
		param->late = can && net->opt.recompute != SM_RECOMPUTE_CHEAP && count > 1 &&
			      kept < param->pub.count * sizeof(float);
		for (int i = 0; param->late && i < g->nodes; i++) {
			struct node *n = &g->node[i], *last = &g->node[param->last_use];
			if (!uses(n, p))
				continue;
			keep_until(net, n, net_back_time(net, param->last_use));
			/* All of them run in the last one's workspace. */
			if (n->ws_backward > last->ws_backward)
				last->ws_backward = n->ws_backward;
		}
	}
}

/* Behind grad_blocks: gradients of outputs stay too. */
enum sm_status net_fused_blocks(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	for (int p = 0; p < g->params; p++) {
		struct param *param = &g->param[p];
		param->grad_block = -1;
		if (param->last_use < 0)
			continue;
		int last = net_back_time(net, param->last_use),
		    first = param->late ? last : net_back_time(net, param->first_use);
		param->grad_block =
			net_add_block(net, param->pub.count * sizeof(float), first, last, err);
		if (param->grad_block < 0)
			return err->code;
		for (int i = 0; param->late && i < g->nodes; i++)
			if (uses(&g->node[i], p))
				net_stretch(&net->block[g->tensor[g->node[i].out].grad_block],
					    last);
	}
	return SM_OK;
}

static int number_of(const struct sm_net *net, const struct node *n)
{
	return (int)(n - net->g->node);
}

/* The gradients of the uses before this one, the last. */
static enum sm_status late_gradients(struct sm_net *net, int param, const struct op_run *r,
				     struct sm_err *err)
{
	struct sm_graph *g = net->g;
	const struct param *p = &g->param[param];
	for (int i = p->first_use; i > p->last_use; i--) {
		struct node *n = &g->node[i];
		if (!uses(n, param))
			continue;
		struct op_run late = net_backward_call(net, n, r->step);
		SM_TRY(net_recall(net, n, &late, err));
		late.ws = r->ws;
		late.gw[0] = place(net, p);
		SM_TRY(op_row(n->kind)->impl->late(&late, err));
	}
	return SM_OK;
}

enum sm_status net_fused_before(struct sm_net *net, struct node *n, struct op_run *r,
				struct sm_err *err)
{
	for (int k = 0; k < 2; k++) {
		if (n->param[k] < 0)
			continue;
		const struct param *p = &net->g->param[n->param[k]];
		int i = number_of(net, n);
		if (p->late && i != p->last_use)
			r->gw[k] = NULL;
		else if (i == (p->late ? p->last_use : p->first_use))
			net_clear(net, place(net, p), p->pub.count);
		/* Before its own: the order, and so the bits, of a net that is not fused. */
		if (p->late && i == p->last_use)
			SM_TRY(late_gradients(net, n->param[k], r, err));
	}
	return SM_OK;
}

void net_fused_behind(struct sm_net *net, struct node *n)
{
	for (int k = 0; k < 2; k++) {
		if (n->param[k] < 0)
			continue;
		const struct param *p = &net->g->param[n->param[k]];
		if (number_of(net, n) != p->last_use)
			continue;
		if (net->fused_lr >= 0 &&
		    !net_update_param(net, &p->pub, net->fused_lr, place(net, p)) && !net->bad)
			net->bad = p;
	}
}

/* Their gradient is 0 in the array of all; decay and momentum move them there, and so here. */
void net_fused_rest(struct sm_net *net)
{
	for (int i = 0; net->fused_lr >= 0 && i < net->g->params; i++)
		if (net->g->param[i].last_use < 0)
			net_update_param(net, &net->g->param[i].pub, net->fused_lr, NULL);
}
