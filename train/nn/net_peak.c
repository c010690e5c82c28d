/* SPDX-License-Identifier: Apache-2.0 */
/* What lives at the moment when most of the arena is in use: the question of anyone who wants a
 * network to need less. */
#include <stdlib.h>

#include "train/nn/net.h"

static size_t alive_at(const struct sm_net *net, int time)
{
	size_t sum = 0;
	for (int i = 0; i < net->blocks; i++)
		if (net->block[i].first <= time && time <= net->block[i].last)
			sum += net->block[i].size;
	return sum;
}

/* Node and direction of a time. */
static const char *moment(const struct sm_net *net, int time, bool *back)
{
	int nodes = net->g->nodes;
	*back = time >= nodes;
	if (time >= 2 * nodes)
		return "end";
	return net->g->node[*back ? 2 * nodes - 1 - time : time].name;
}

static void print_block(const struct sm_net *net, int block, const char *what, const char *of,
			int time, FILE *out)
{
	if (block < 0)
		return;
	const struct plan_block *b = &net->block[block];
	bool back[2];
	const char *first = moment(net, b->first, &back[0]), *last = moment(net, b->last, &back[1]);
	if (b->first > time || time > b->last || b->size < (size_t)1 << 18)
		return;
	fprintf(out, "%9.1f MiB  %-9s %-18s from %s%s to %s%s\n", (double)b->size / 1048576, what,
		of, back[0] ? "back " : "", first, back[1] ? "back " : "", last);
}

static void print_node(const struct sm_net *net, const struct node *n, int time, FILE *out)
{
	const struct tensor *t = &net->g->tensor[n->out];
	print_block(net, t->block, "value", n->name, time, out);
	print_block(net, t->grad_block, "gradient", n->name, time, out);
	print_block(net, t->again_block, "again", n->name, time, out);
	print_block(net, t->again_ws_block, "work", n->name, time, out);
	print_block(net, n->save_block, "saved", n->name, time, out);
	print_block(net, n->ws_forward_block, "work", n->name, time, out);
	print_block(net, n->ws_backward_block, "work", n->name, time, out);
	for (int k = 0; k < n->nsrc; k++)
		print_block(net, n->add_block[k], "to add", n->name, time, out);
}

void sm_net_print_memory(const struct sm_net *net, FILE *out)
{
	size_t most = 0, now;
	int peak = 0, nodes = net->g->nodes;
	bool back;
	for (int t = 0; t <= 2 * nodes; t++)
		if ((now = alive_at(net, t)) > most) {
			most = now;
			peak = t;
		}
	const char *at = moment(net, peak, &back);
	fprintf(out,
		"activations: %.1f MiB in %d blocks; most, %.1f MiB, at %s%s (below: 0.25 MiB and "
		"more)\n",
		(double)net->forecast.arena / 1048576, net->blocks, (double)most / 1048576,
		back ? "back " : "", at);
	for (int i = 0; i < nodes; i++)
		print_node(net, &net->g->node[i], peak, out);
	for (int i = 0; net->opt.fused && i < net->g->params; i++)
		print_block(net, net->g->param[i].grad_block, "weights'", net->g->param[i].name,
			    peak, out);
}
