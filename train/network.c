/* SPDX-License-Identifier: Apache-2.0 */
#include "train/network.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include "core/file.h"
#include "train/models/models.h"

/* Less is not felt: heads and first layers of very narrow networks may fall to plain loops without
 * costing anything. */
#define SLOW_SHARE 0.01

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
					   .recompute = SM_RECOMPUTE_CHEAP,
					   .bf16 = opt->bf16,
					   .fused = opt->fused,
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

enum sm_status sm_network_plan_file(const char *path, const struct sm_checkpoint *c,
				    const struct sm_network_opt *opt, struct sm_net **net,
				    struct sm_err *err)
{
	const char *name = sm_path_base(path);
	struct stat file;
	*net = NULL;
	if (stat(path, &file) == 0 && c->parameters > file.st_size / (int64_t)sizeof(float))
		return SM_FAIL(err, SM_INPUT,
			       "%s: says it has %lld weights, its %lld bytes hold at most %lld",
			       name, (long long)c->parameters, (long long)file.st_size,
			       (long long)file.st_size / (long long)sizeof(float));
	SM_TRY(sm_network_plan(c, opt, net, err));
	int64_t planned = (int64_t)sm_net_weight_count(*net);
	if (planned == c->parameters)
		return SM_OK;
	sm_net_free(*net);
	*net = NULL;
	return SM_FAIL(err, SM_INPUT,
		       "%s: model %s of width %g has %lld weights, the checkpoint says %lld: its "
		       "fields do not go together, or an earlier version wrote it, which "
		       "rounded such widths otherwise",
		       name, c->model, c->width, (long long)planned, (long long)c->parameters);
}

static void tell_line(void *log, const char *line)
{
	sm_debug(log, "kernel", "%s", line);
}

void sm_network_tell(const struct sm_net *net, struct sm_log *log)
{
	char slow[1000];
	if (log->level >= SM_LOG_DEBUG)
		sm_net_tell_kernels(net, tell_line, log);
	const double share = sm_net_slow(net, slow, sizeof slow);
	if (share >= SLOW_SHARE)
		sm_warn(log, NULL,
			"%.0f %% of the network's multiplications run by plain loops, many times "
			"slower, for neither this program nor oneDNN has fast code for them on "
			"this CPU: %s",
			100 * share, slow);
}

double sm_peak_mib(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss / 1024 : 0;
}
