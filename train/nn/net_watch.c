/* SPDX-License-Identifier: Apache-2.0 */
/* The search for the first value that is not finite. Tensors share memory, so the only time to look
 * at one is right after its operator. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/nn/net.h"

static bool finite_all(const float *values, enum elem e, size_t n)
{
	float x[ELEM_PIECE];
	for (size_t i = 0; values && i < n; i += ELEM_PIECE) {
		size_t some = n - i < ELEM_PIECE ? n - i : ELEM_PIECE;
		elem_move(x, ELEM_F32, 0, values, e, i, some);
		for (size_t k = 0; k < some; k++)
			if (!isfinite(x[k]))
				return false;
	}
	return true;
}

static void say(const struct sm_net *net, const char *what, const char *name, const char *op)
{
	snprintf(net->watch, SM_NET_WHAT, "%s %s%s%s%s", what, name, *op ? " (" : "", op,
		 *op ? ")" : "");
}

void net_watch_forward(const struct sm_net *net, const struct op_run *r)
{
	const struct tensor *out = &net->g->tensor[r->node->out];
	/* Samples that do not count may hold anything. */
	size_t n = out->count / net->batch * net->valid;
	if (net->watch[0] || finite_all(r->y, out->elem, n))
		return;
	if (r->node->kind == OP_KIND_input)
		say(net, "input", r->node->name, "");
	else
		say(net, "output of", r->node->name, op_row(r->node->kind)->name);
}

void net_watch_backward(const struct sm_net *net, const struct op_run *r)
{
	const struct sm_graph *g = net->g;
	for (int k = 0; k < 2 && !net->watch[0]; k++)
		if (r->node->param[k] >= 0 && r->gw[k] &&
		    !finite_all(r->gw[k], ELEM_F32, g->param[r->node->param[k]].pub.count))
			say(net, "gradient of", g->param[r->node->param[k]].name, "");
	for (int k = 0; k < r->node->nsrc && !net->watch[0]; k++)
		if (r->gx[k] && !finite_all(r->gx[k], g->tensor[r->node->src[k]].elem,
					   g->tensor[r->node->src[k]].count))
			say(net, "gradient that comes out of", r->node->name,
			    op_row(r->node->kind)->name);
}

static void look_at_states(const struct sm_net *net)
{
	for (int i = 0; i < net->g->states && !net->watch[0]; i++) {
		const struct sm_param *p = &net->g->state[i].pub;
		if (!finite_all(net->state + p->offset, ELEM_F32, p->count))
			say(net, "running statistics", p->name, "");
	}
}

enum sm_status sm_net_find_nonfinite(struct sm_net *net, bool training, char what[SM_NET_WHAT],
				     struct sm_err *err)
{
	double loss;
	what[0] = '\0';
	SM_TRY(net_check_ready(net, training, true, err));
	float *keep = malloc((net->g->state_count + 1) * sizeof *keep);
	if (!keep)
		return SM_FAIL(err, SM_BUDGET, "network: out of memory");
	memcpy(keep, net->state, net->g->state_count * sizeof *keep);
	net->watch = what;
	for (int i = 0; i < net->g->params && !what[0]; i++) {
		const struct sm_param *p = &net->g->param[i].pub;
		if (!finite_all(net->weights + p->offset, ELEM_F32, p->count))
			say(net, "parameter", p->name, "");
	}
	/* A training step does not read them, but one that failed has spoilt them: last. */
	if (!training && !what[0])
		look_at_states(net);
	enum sm_status st = SM_OK;
	if (!what[0])
		st = training ? net_gradients(net, net->last_step, &loss, err)
			      : sm_net_eval(net, &loss, err);
	if (training && !what[0])
		look_at_states(net);
	net->watch = NULL;
	memcpy(net->state, keep, net->g->state_count * sizeof *keep);
	free(keep);
	return st;
}
