/* SPDX-License-Identifier: Apache-2.0 */
#include "train/network.h"

#include <sys/resource.h>

#include "train/models/models.h"

struct sm_model_opt sm_network_model(const struct sm_checkpoint *c, int batch)
{
	struct sm_model_opt m = sm_model_default();
	m.batch = batch;
	m.in_channels = c->in_channels;
	m.channels = c->task.channels;
	m.softmax = c->task.softmax;
	m.d = c->size[2];
	m.h = c->size[1];
	m.w = c->size[0];
	for (int a = 0; a < 3; a++)
		m.spacing[a] = c->spacing[2 - a];
	m.width = c->width;
	m.norm = c->norm;
	m.activation = c->activation;
	m.dropout = c->dropout;
	m.deep_supervision = c->deep_supervision;
	return m;
}

enum sm_status sm_network_plan(const struct sm_checkpoint *c, const struct sm_network_opt *opt,
			       struct sm_net **net, struct sm_err *err)
{
	const struct sm_model_opt model = sm_network_model(c, opt->batch);
	const struct sm_net_opt options = {.train = opt->loss,
					   .recompute = true,
					   .bf16 = opt->bf16,
					   .threads = opt->threads,
					   .seed = opt->seed,
					   .optim = opt->optim};
	struct sm_heads heads;
	*net = NULL;
	struct sm_graph *g = sm_graph_create();
	if (!g)
		return SM_FAIL(err, SM_BUDGET, "network: out of memory");
	/* A mistake stays in the graph: sm_net_plan reports it and frees. */
	if (sm_model_build(c->model, &model, g, &heads, err) == SM_OK && opt->loss)
		sm_g_loss(g, opt->loss, &heads);
	return sm_net_plan(g, &options, net, err);
}

double sm_peak_mib(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024 : 0;
}
