/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16 between the operators: which tensors are stored so, and float copies around operators
 * that know float32 only. */
#include "train/nn/conv.h"
#include "train/nn/net.h"

static size_t round64(size_t n)
{
	return (n + 63) / 64 * 64;
}

enum sm_status net_choose_elements(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	if (!net->opt.bf16)
		return SM_OK;
	if (!conv_lib_bf16())
		return SM_FAIL(err, SM_USAGE,
			       "network: precision bf16 needs a CPU with AVX-512, without it oneDNN "
			       "has no bfloat16 convolutions; use float32");
	for (int i = 0; i < g->tensors; i++)
		g->tensor[i].elem = g->tensor[i].is_output ? ELEM_F32 : ELEM_BF16;
	for (int i = 0; i < g->nodes; i++) {
		const struct node *n = &g->node[i];
		if (!(op_row(n->kind)->flags & OP_FLOAT))
			continue;
		g->tensor[n->out].elem = ELEM_F32;
		for (int k = 0; k < n->nin; k++)
			g->tensor[n->in[k]].elem = ELEM_F32;
	}
	return SM_OK;
}

static bool wrapped(const struct sm_graph *g, const struct node *n)
{
	bool half = g->tensor[n->out].elem == ELEM_BF16;
	for (int k = 0; k < n->nin; k++)
		half |= g->tensor[n->in[k]].elem == ELEM_BF16;
	return half && !(op_row(n->kind)->flags & OP_BF16);
}

void net_wrap_sizes(const struct sm_net *net, struct node *n)
{
	const struct sm_graph *g = net->g;
	if (!wrapped(g, n))
		return;
	size_t out = round64(g->tensor[n->out].count * sizeof(float)), in = 0;
	for (int k = 0; k < n->nin; k++)
		in += round64(g->tensor[n->in[k]].count * sizeof(float));
	n->ws_forward = round64(n->ws_forward) + in + out;
	if (n->runs_backward)
		n->ws_backward = round64(n->ws_backward) + 2 * in + 2 * out;
}

/* The next `count` floats behind what the operator itself uses, filled from src unless NULL. */
static float *copy(char **at, const void *src, size_t count, int threads)
{
	float *to = (float *)(void *)*at;
	*at += round64(count * sizeof(float));
	if (src)
		elem_convert(to, ELEM_F32, src, ELEM_BF16, count, threads);
	return to;
}

static enum sm_status wrapped_call(const struct op_run *r, bool back, struct sm_err *err)
{
	const struct sm_graph *g = r->graph;
	const struct node *n = r->node;
	const struct op_impl *impl = op_row(n->kind)->impl;
	size_t out = g->tensor[n->out].count, copies = round64(out * sizeof(float));
	for (int k = 0; k < n->nin; k++)
		copies += round64(g->tensor[n->in[k]].count * sizeof(float));
	size_t all = back ? n->ws_backward : n->ws_forward;
	char *at = (char *)r->ws + (all - (back ? 2 : 1) * copies);
	struct op_run f = *r;
	for (int k = 0; k < n->nin; k++) {
		size_t count = g->tensor[n->in[k]].count;
		if (r->xe[k] == ELEM_F32)
			continue;
		f.xe[k] = ELEM_F32;
		if (!back || n->needs_x)
			f.x[k] = copy(&at, r->x[k], count, r->threads);
		if (back && r->gx[k])
			f.gx[k] = copy(&at, n->acc[k] ? r->gx[k] : NULL, count, r->threads);
	}
	if (r->ye == ELEM_BF16) {
		f.ye = ELEM_F32;
		if (!back || n->needs_y)
			f.y = copy(&at, back ? r->y : NULL, out, r->threads);
		if (back)
			f.gy = copy(&at, r->gy, out, r->threads);
	}
	SM_TRY(back ? impl->backward(&f, err) : impl->forward(&f, err));
	for (int k = 0; back && k < n->nin; k++)
		if (r->gx[k] && r->xe[k] == ELEM_BF16)
			elem_convert(r->gx[k], ELEM_BF16, f.gx[k], ELEM_F32,
				     g->tensor[n->in[k]].count, r->threads);
	if (!back && r->ye == ELEM_BF16)
		elem_convert(r->y, ELEM_BF16, f.y, ELEM_F32, out, r->threads);
	return SM_OK;
}

enum sm_status net_call(const struct op_run *r, bool back, struct sm_err *err)
{
	const struct op_impl *impl = op_row(r->node->kind)->impl;
	if (wrapped(r->graph, r->node))
		return wrapped_call(r, back, err);
	return back ? impl->backward(r, err) : impl->forward(r, err);
}
