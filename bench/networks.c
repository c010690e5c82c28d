/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/networks.md's table: parameters, GFLOP of a training step and memory forecast of
 * every network at its own size and full width, one sample, soft Dice and Adam, planned as
 * `scanmill train` plans it. Nothing is run.
 * usage: bench_networks */
#include <stdio.h>

#include "train/models/models.h"
#include "train/nn/nn.h"

/* The sizes at which the networks are used; others are the default's. */
static struct sm_model_opt size_of(const char *name)
{
	struct sm_model_opt o = sm_model_default();
	const struct sm_model *flat = sm_model_find("unet2d");
	if (sm_model_find(name) != flat)
		return o;
	o.in_channels = 2;
	o.channels = 4;
	o.softmax = true;
	o.d = 1;
	o.h = o.w = 128;
	return o;
}

static enum sm_status print_row(const struct sm_model *m, struct sm_err *err)
{
	const struct sm_model_opt o = size_of(m->name);
	struct sm_optim adam = sm_optim_default("adam");
	const struct sm_net_opt opt = {.train = true,
				       .threads = 2,
				       .optim = &adam,
				       .fused = true,
				       .recompute = SM_RECOMPUTE_CHEAP};
	struct sm_graph *g = sm_graph_create();
	struct sm_heads heads;
	struct sm_net *net = NULL;
	double flops = 0;
	if (!g)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	if (sm_model_build(m->name, &o, g, &heads, err) == SM_OK)
		sm_g_loss(g, &(struct sm_loss_opt){.name = "soft_dice", .softmax = o.softmax},
			  &heads);
	SM_TRY(sm_net_plan(g, &opt, &net, err));
	for (size_t i = 0; i < sm_net_layers(net); i++) {
		struct sm_layer_time t = sm_net_profile(net, i);
		for (int p = 0; p < SM_PASSES; p++)
			flops += t.flops[p];
	}
	struct sm_forecast f = sm_net_forecast(net);
	printf("| `%s` | %d x %dx%dx%d | %d | %zu | %.1f | %.0f | %.0f |\n", m->name, o.in_channels,
	       o.d, o.h, o.w, o.channels, sm_net_weight_count(net), flops / 1e9,
	       (double)f.arena / 1048576, (double)(f.total - f.code) / 1048576);
	sm_net_free(net);
	return SM_OK;
}

int main(void)
{
	struct sm_err err = {0};
	puts("| network | input | outputs | parameters | GFLOP a step | activations, MiB | in all, "
	     "MiB |");
	puts("| --- | --- | --- | --- | --- | --- | --- |");
	for (size_t i = 0; sm_model_at(i); i++)
		if (print_row(sm_model_at(i), &err) != SM_OK) {
			fprintf(stderr, "bench_networks: %s\n", err.text);
			return sm_exit_code(err.code);
		}
	return 0;
}
