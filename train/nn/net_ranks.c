/* SPDX-License-Identifier: Apache-2.0 */
/* Running statistics of several processes that share each step. */
#include <math.h>

#include "train/nn/net.h"

/* Weight of the new value of state i, by the norm that it belongs to. */
static double momentum_of(const struct sm_graph *g, int i)
{
	for (int k = 0; k < g->nodes; k++) {
		const struct node *n = &g->node[k];
		if (n->state[0] == i || n->state[1] == i)
			return (double)(n->kind == OP_KIND_depth_norm ? n->attr.value[1]
								      : n->attr.norm.momentum);
	}
	return 1;
}

/* Each process made v = (1-m)^k s + what its k parts bring, from the same s. One process would have
 * begun with the value r of those before it instead: v + (1-m)^k (r - s). */
void sm_net_merge_states(struct sm_net *net, const float *start, const double *states,
			 const int *parts, int processes)
{
	const struct sm_graph *g = net->g;
	for (int i = 0; i < g->states; i++) {
		const struct sm_param *p = &g->state[i].pub;
		double keep = 1 - momentum_of(g, i);
		for (size_t k = p->offset; k < p->offset + p->count; k++) {
			double s = (double)start[k], r = s;
			for (int q = 0; q < processes; q++)
				if (parts[q])
					r = states[(size_t)q * g->state_count + k] +
					    pow(keep, parts[q]) * (r - s);
			net->state[k] = (float)r;
		}
	}
}
