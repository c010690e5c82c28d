/* SPDX-License-Identifier: Apache-2.0 */
#include "train/network.h"

#include <sys/resource.h>

#include "train/models/models.h"

enum sm_status sm_network_plan(const struct sm_checkpoint *c, const struct sm_network_opt *opt,
			       struct sm_net **net, struct sm_err *err)
{
	const struct sm_model_opt model = {.batch = opt->batch,
					   .in_channels = c->in_channels,
					   .classes = c->classes,
					   .d = c->size[2],
					   .h = c->size[1],
					   .w = c->size[0],
					   .width = c->width};
	const struct sm_net_opt options = {.train = opt->loss,
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
		sm_g_loss(g, opt->loss, heads.logits, heads.prob);
	return sm_net_plan(g, &options, net, err);
}

double sm_peak_mib(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024 : 0;
}
