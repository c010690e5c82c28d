/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel runs which pass of which convolution, in words, and what oneDNN brings along. */
#include <string.h>

#include "train/nn/conv.h"
#include "train/nn/net.h"

/* Slow passes that a sentence names; the largest come first. */
#define NAMED 4

/* oneDNN's share of a process, measured (docs/benchmarks.md): the pages of its code that are
 * touched once it runs anything; buffers and code of its products of matrices, where it takes these
 * for gradients of weights alone, and where for other passes (dnnl_cut); generated code,
 * descriptors and engines of each pass. */
#define LIBRARY_ANY ((size_t)4 << 20)
#define LIBRARY_GRAD ((size_t)3 << 20)
#define LIBRARY_CUT ((size_t)11 << 19)
#define LIBRARY_PASS ((size_t)40 << 10)

struct slow {
	const struct node *node;
	int pass;
	double flops;
};

static const char *const pass_name[SM_PASSES] = {"forward", "gradient of the input",
						 "gradient of the weights"};

/* "enc0.conv1 (conv 3x3x3 stride 1x1x1, 1x16x64x64x4 to 1x16x64x64x16), forward" */
static int say_pass(const struct sm_net *net, const struct node *n, int pass, char *out,
		    size_t room)
{
	const struct sm_conv *c = &n->attr.conv;
	const struct sm_shape x = op_in_shape(net->g, n, 0), y = op_out_shape(net->g, n);
	return snprintf(out, room,
			"%s (%s %dx%dx%d stride %dx%dx%d, %dx%dx%dx%dx%d to %dx%dx%dx%dx%d), %s",
			n->name, op_row(n->kind)->name, c->k[0], c->k[1], c->k[2], c->stride[0],
			c->stride[1], c->stride[2], x.n, x.d, x.h, x.w, x.c, y.n, y.d, y.h, y.w,
			y.c, pass_name[pass]);
}

void sm_net_tell_kernels(const struct sm_net *net, void (*tell)(void *ctx, const char *line),
			 void *ctx)
{
	char pass[400], line[800];
	for (int i = 0; i < net->g->nodes; i++)
		for (int p = 0; p < SM_PASSES; p++) {
			const struct node *n = &net->g->node[i];
			const struct conv_plan *plan = n->plan[p];
			if (!plan)
				continue;
			say_pass(net, n, p, pass, sizeof pass);
			snprintf(line, sizeof line, "%s: %s (%s)%s%s", pass, plan->kernel->name,
				 plan->impl, plan->why[0] ? "; passed over: " : "", plan->why);
			tell(ctx, line);
		}
}

size_t net_library_bytes(const struct sm_net *net)
{
	size_t passes = 0, products = 0;
	for (int i = 0; i < net->g->nodes; i++)
		for (int p = 0; p < SM_PASSES; p++) {
			const struct conv_plan *plan = net->g->node[i].plan[p];
			if (!plan || !plan->kernel->library)
				continue;
			passes++;
			const size_t most =
				plan->pass == SM_BACKWARD_WEIGHTS ? LIBRARY_GRAD : LIBRARY_CUT;
			if (strstr(plan->impl, "gemm") && products < most)
				products = most;
		}
	return (passes ? LIBRARY_ANY : 0) + products + passes * LIBRARY_PASS;
}

/* Keeps the NAMED largest in falling order. */
static void rank(struct slow most[NAMED], struct slow s)
{
	for (int i = 0; i < NAMED; i++)
		if (!most[i].node || s.flops > most[i].flops) {
			const struct slow next = most[i];
			most[i] = s;
			s = next;
		}
}

double sm_net_slow(const struct sm_net *net, char *text, size_t room)
{
	struct slow most[NAMED] = {0};
	double all = 0, slow = 0;
	int count = 0;
	for (int i = 0; i < net->g->nodes; i++)
		for (int p = 0; p < SM_PASSES; p++) {
			const struct node *n = &net->g->node[i];
			if (!n->plan[p])
				continue;
			const double flops = op_row(n->kind)->impl->flops(net->g, n, p);
			all += flops;
			if (!n->plan[p]->kernel->slow)
				continue;
			slow += flops;
			count++;
			rank(most, (struct slow){n, p, flops});
		}
	size_t at = 0;
	text[0] = 0;
	for (int i = 0; i < NAMED && most[i].node && at < room; i++) {
		at += (size_t)snprintf(text + at, room - at, "%s", i ? "; " : "");
		if (at < room)
			at += (size_t)say_pass(net, most[i].node, most[i].pass, text + at,
					       room - at);
	}
	if (count > NAMED && at < room)
		snprintf(text + at, room - at, "; and %d more", count - NAMED);
	return all > 0 ? slow / all : 0;
}
