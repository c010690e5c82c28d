/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "train/nn/conv.h"
#include "train/nn/net.h"

float *sm_net_buffer(struct sm_net *net, const char *name, struct sm_shape *shape)
{
	for (int i = 0; i < net->g->tensors; i++) {
		struct tensor *t = &net->g->tensor[i];
		if (!t->name || strcmp(t->name, name) != 0)
			continue;
		if (shape)
			*shape = t->shape;
		return t->a;
	}
	if (shape)
		memset(shape, 0, sizeof *shape);
	return NULL;
}

void sm_net_set_valid(struct sm_net *net, int n)
{
	net->valid = n < 1 ? 1 : n > net->batch ? net->batch : n;
}

bool sm_net_has_loss(const struct sm_net *net, const char *name)
{
	for (int i = 0; i < net->g->nodes; i++)
		if ((op_row(net->g->node[i].kind)->flags & OP_LOSS) &&
		    strcmp(net->g->node[i].name, name) == 0)
			return true;
	return false;
}

double sm_net_loss_value(const struct sm_net *net, const char *name)
{
	for (int i = 0, loss = 0; i < net->g->nodes; i++) {
		const struct node *n = &net->g->node[i];
		if (!(op_row(n->kind)->flags & OP_LOSS))
			continue;
		const double *value = net->loss + (size_t)loss++ * net->batch;
		if (strcmp(n->name, name) != 0)
			continue;
		double sum = 0;
		for (int s = 0; s < net->valid; s++)
			sum += value[s];
		return sum / net->valid;
	}
	return NAN;
}

const struct sm_param *sm_net_params(const struct sm_net *net, size_t *count)
{
	*count = (size_t)net->g->params;
	return net->params_pub;
}

size_t sm_net_weight_count(const struct sm_net *net)
{
	return net->g->param_count;
}

float *sm_net_weights(struct sm_net *net)
{
	return net->weights;
}

float *sm_net_gradients(struct sm_net *net)
{
	return net->grads;
}

const struct sm_param *sm_net_fixed(struct sm_net *net, size_t *count, float **values)
{
	*count = 0;
	for (int i = 0; i < net->g->fixeds; i++)
		*count += net->g->fixed[i].lender < 0;
	*values = net->fixed;
	return net->fixed_pub;
}

void sm_net_touch(struct sm_net *net)
{
	net->repack = true;
}

const struct sm_param *sm_net_states(const struct sm_net *net, size_t *count)
{
	*count = 0;
	for (int i = 0; i < net->g->states; i++)
		*count += net->g->state[i].lender < 0;
	return net->states_pub;
}

float *sm_net_state_values(struct sm_net *net)
{
	return net->state;
}

float *sm_net_optim_array(struct sm_net *net, int i, const char **name)
{
	if (net->optim_row && net->ema && i == net->optim_row->arrays) {
		if (name)
			*name = "ema";
		return net->ema;
	}
	if (!net->optim_row || i < 0 || i >= net->optim_row->arrays)
		return NULL;
	if (name)
		*name = net->optim_row->array_name[i];
	return net->optim_state[i];
}

bool sm_net_is_fused(const struct sm_net *net)
{
	return net->opt.fused;
}

const char *sm_net_bad_gradient(const struct sm_net *net)
{
	return net->bad ? net->bad->name : NULL;
}

size_t sm_net_grad_samples(const struct sm_net *net)
{
	return net->grad_samples;
}

uint64_t *sm_net_optim_steps(struct sm_net *net)
{
	return &net->optim_steps;
}

size_t sm_net_layers(const struct sm_net *net)
{
	return (size_t)net->g->nodes;
}

struct sm_layer_time sm_net_profile(const struct sm_net *net, size_t layer)
{
	const struct node *n = &net->g->node[layer];
	const struct op_row *row = op_row(n->kind);
	struct sm_layer_time t = {.name = n->name, .op = row->name};
	for (int p = 0; p < SM_PASSES; p++) {
		t.kernel[p] = n->plan[p] ? n->plan[p]->kernel->name : "";
		t.seconds[p] = n->seconds[p];
		t.runs[p] = n->runs[p];
		t.flops[p] = row->impl->flops ? row->impl->flops(net->g, n, p) : 0;
	}
	return t;
}

void sm_net_profile_reset(struct sm_net *net)
{
	for (int i = 0; i < net->g->nodes; i++) {
		memset(net->g->node[i].seconds, 0, sizeof net->g->node[i].seconds);
		memset(net->g->node[i].runs, 0, sizeof net->g->node[i].runs);
	}
}

static void print_layer(const struct sm_net *net, const struct node *n, FILE *out)
{
	struct sm_shape s = op_out_shape(net->g, n);
	size_t params = 0;
	char shape[80];
	for (int k = 0; k < 2; k++)
		params += n->param[k] >= 0 ? net->g->param[n->param[k]].pub.count : 0;
	snprintf(shape, sizeof shape, "%dx%dx%dx%dx%d", s.n, s.d, s.h, s.w, s.c);
	fprintf(out, "%-22s %-14s %-20s %9zu", n->name, op_row(n->kind)->name, shape, params);
	static const char *const tag[] = {"fwd", "data", "weights"};
	for (int p = 0; p < SM_PASSES; p++)
		if (n->plan[p])
			fprintf(out, "  %s=%s(%s)", tag[p], n->plan[p]->kernel->name,
				n->plan[p]->impl);
	fputc('\n', out);
}

void sm_net_print(const struct sm_net *net, FILE *out)
{
	const struct sm_forecast *f = &net->forecast;
	fprintf(out, "%-22s %-14s %-20s %9s  kernels\n", "layer", "operator", "N x D x H x W x C",
		"parameters");
	for (int i = 0; i < net->g->nodes; i++)
		print_layer(net, &net->g->node[i], out);
	fprintf(out,
		"parameters %zu; memory %.1f MiB: weights %.1f, gradients %.1f, optimiser %.1f, "
		"activations %.1f (without reuse %.1f), packed weights %.1f, code %.1f\n",
		net->g->param_count, (double)f->total / 1048576, (double)f->params / 1048576,
		(double)f->grads / 1048576, (double)f->optim / 1048576, (double)f->arena / 1048576,
		(double)f->unplanned / 1048576, (double)f->packed / 1048576,
		(double)f->code / 1048576);
}
