/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors are stored as bfloat16 between the operators. */
#include "train/nn/conv.h"
#include "train/nn/net.h"

enum sm_status net_choose_elements(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	if (!net->opt.bf16)
		return SM_OK;
	if (!conv_lib_bf16())
		return SM_FAIL(err, SM_USAGE,
			       "network: precision bf16 needs a CPU with AVX-512, without it "
			       "oneDNN has no bfloat16 convolutions; use float32");
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
