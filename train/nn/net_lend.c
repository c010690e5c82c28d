/* SPDX-License-Identifier: Apache-2.0 */
/* Nets that use each other's weights, as the players of an adversarial training do, and share the
 * memory of their activations. */
#include <string.h>

#include "train/nn/net.h"

/* Entry of that name; NULL when there is none. */
static const struct param *find(const struct param *p, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(p[i].name, name) == 0)
			return &p[i];
	return NULL;
}

static enum sm_status find_one(struct sm_net *net, struct param *p, bool state, struct sm_err *err)
{
	for (int k = 0; k < net->opt.lenders; k++) {
		const struct sm_graph *g = net->opt.lender[k]->g;
		const struct param *own = state ? find(g->state, g->states, p->name)
						: find(g->param, g->params, p->name);
		if (!own)
			continue;
		if (memcmp(own->pub.shape, p->pub.shape, sizeof p->pub.shape) != 0)
			return SM_FAIL(
				err, SM_USAGE,
				"network: frozen parameter %s has another shape in the net that "
				"trains it",
				p->name);
		p->lender = k;
		p->lent = own->pub.offset;
		return SM_OK;
	}
	return SM_OK;
}

enum sm_status net_find_lenders(struct sm_net *net, struct sm_err *err)
{
	struct sm_graph *g = net->g;
	g->fixed_count = 0;
	for (int i = 0; i < g->fixeds; i++) {
		struct param *p = &g->fixed[i];
		SM_TRY(find_one(net, p, false, err));
		p->pub.offset = g->fixed_count;
		g->fixed_count += p->lender < 0 ? p->pub.count : 0;
	}
	for (int i = 0; i < g->states; i++)
		if (g->state[i].frozen)
			SM_TRY(find_one(net, &g->state[i], true, err));
	return SM_OK;
}

const float *net_fixed_at(const struct sm_net *net, int i)
{
	const struct param *p = &net->g->fixed[i];
	return p->lender < 0 ? net->fixed + p->pub.offset
			     : net->opt.lender[p->lender]->weights + p->lent;
}

float *net_state_at(const struct sm_net *net, int i)
{
	const struct param *p = &net->g->state[i];
	return p->lender < 0 ? net->state + p->pub.offset
			     : net->opt.lender[p->lender]->state + p->lent;
}

enum sm_status sm_net_alloc_together(struct sm_net *const *nets, int count, struct sm_mem *mem,
				     struct sm_err *err)
{
	size_t total = 0, most = 0, used = mem ? atomic_load(&mem->used) : 0;
	for (int i = 0; i < count; i++) {
		const struct sm_forecast *f = &nets[i]->forecast;
		/* Each forecast counts what a process has of its own. */
		total += f->total - f->arena - (i ? f->code : 0);
		most = f->arena > most ? f->arena : most;
	}
	total += most;
	if (mem && (used > mem->limit || total > mem->limit - used))
		return SM_FAIL(err, SM_BUDGET,
			       "networks: %zu MiB are needed, %zu MiB are allowed; take a smaller "
			       "batch, image or width",
			       sm_mib_up(total), mem->limit > used ? (mem->limit - used) >> 20 : 0);
	nets[0]->forecast.total += most - nets[0]->forecast.arena;
	nets[0]->forecast.arena = most;
	SM_TRY(sm_net_alloc(nets[0], mem, err));
	for (int i = 1; i < count; i++) {
		struct sm_net *net = nets[i];
		net->forecast.total -= net->forecast.arena;
		net->forecast.arena = 0;
		net->arena_owner = nets[0];
		net->arena = nets[0]->arena;
		SM_TRY(sm_net_alloc(net, mem, err));
	}
	return SM_OK;
}
