/* SPDX-License-Identifier: Apache-2.0 */
#include "train/mpi_step.h"

#include <stdlib.h>
#include <string.h>

#include "train/mpi.h"

/* A part as doubles: these, dice, sums. */
enum { RANK, SAMPLES, BEFORE, LOSS, HEAD };

struct sm_parts {
	double *v; /* of this rank */
	size_t n, room;
	double *all; /* of all ranks, once exchanged */
	size_t total, at;
	double *before, *samples; /* of each rank in the step */
	int *parts;
	float *start; /* running statistics at the begin of the step */
	size_t states;
};

int64_t sm_parts_micro(int64_t batch, int64_t micro)
{
	int64_t ranks = sm_mpi_size(), share = (batch + ranks - 1) / ranks;
	return micro && (ranks == 1 || micro < share) ? micro : share;
}

static size_t state_count(struct sm_net *net)
{
	size_t n;
	const struct sm_param *s = sm_net_states(net, &n);
	return n ? s[n - 1].offset + s[n - 1].count : 0;
}

static void remember(struct sm_parts *p, struct sm_net *net)
{
	if (p->states)
		memcpy(p->start, sm_net_state_values(net), p->states * sizeof *p->start);
}

struct sm_parts *sm_parts_make(struct sm_net *net)
{
	size_t ranks = (size_t)sm_mpi_size();
	struct sm_parts *p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->states = ranks > 1 ? state_count(net) : 0;
	p->before = calloc(2 * ranks, sizeof *p->before);
	p->parts = calloc(ranks, sizeof *p->parts);
	p->start = calloc(p->states + 1, sizeof *p->start);
	if (!p->before || !p->parts || !p->start) {
		sm_parts_free(p);
		return NULL;
	}
	p->samples = p->before + ranks;
	remember(p, net);
	return p;
}

void sm_parts_free(struct sm_parts *p)
{
	if (!p)
		return;
	free(p->v);
	free(p->all);
	free(p->before);
	free(p->parts);
	free(p->start);
	free(p);
}

enum sm_status sm_parts_add(struct sm_parts *p, const struct sm_batch *batch, double loss,
			    size_t channels, size_t sums, double **dice, double **at,
			    struct sm_err *err)
{
	size_t need = HEAD + (size_t)batch->n * channels + sums;
	if (p->n + need > p->room) {
		size_t room = 2 * p->room + need;
		double *v = realloc(p->v, room * sizeof *v);
		if (!v)
			return SM_FAIL(err, SM_BUDGET, "training: out of memory");
		p->v = v;
		p->room = room;
	}
	double *v = p->v + p->n;
	memset(v, 0, need * sizeof *v);
	v[RANK] = sm_mpi_rank();
	v[SAMPLES] = batch->n;
	v[BEFORE] = batch->before;
	v[LOSS] = loss;
	*dice = v + HEAD;
	*at = v + need - sums;
	p->n += need;
	return SM_OK;
}

enum sm_status sm_parts_exchange(struct sm_parts *p, struct sm_err *err)
{
	size_t ranks = (size_t)sm_mpi_size();
	SM_TRY(sm_mpi_gather(p->v, p->n, &p->all, &p->total, err));
	memset(p->before, 0, 2 * ranks * sizeof *p->before);
	memset(p->parts, 0, ranks * sizeof *p->parts);
	p->at = 0;
	return SM_OK;
}

bool sm_parts_next(struct sm_parts *p, size_t channels, size_t sums, struct sm_part *part)
{
	const double *v = p->all + p->at;
	if (p->at >= p->total) {
		free(p->all);
		p->all = NULL;
		p->n = 0;
		return false;
	}
	int rank = (int)v[RANK], n = (int)v[SAMPLES];
	if (!p->parts[rank]++)
		p->before[rank] = v[BEFORE];
	p->samples[rank] += n;
	*part = (struct sm_part){.n = n,
				 .loss = v[LOSS],
				 .dice = v + HEAD,
				 .sums = v + HEAD + (size_t)n * channels};
	p->at += HEAD + (size_t)n * channels + sums;
	return true;
}

static enum sm_status join_states(struct sm_parts *p, struct sm_net *net, struct sm_err *err)
{
	const float *own = sm_net_state_values(net);
	double *v = malloc(p->states * sizeof *v), *all = NULL;
	size_t total;
	if (!v)
		return SM_FAIL(err, SM_BUDGET, "training: out of memory");
	for (size_t i = 0; i < p->states; i++)
		v[i] = (double)own[i];
	enum sm_status st = sm_mpi_gather(v, p->states, &all, &total, err);
	if (st == SM_OK)
		sm_net_merge_states(net, p->start, all, p->parts, sm_mpi_size());
	remember(p, net);
	free(all);
	free(v);
	return st;
}

enum sm_status sm_parts_join(struct sm_parts *p, struct sm_net *net, struct sm_err *err)
{
	if (sm_mpi_size() == 1)
		return SM_OK;
	SM_TRY(sm_mpi_mean(sm_net_gradients(net), sm_net_weight_count(net), p->before, p->samples,
			   err));
	return p->states ? join_states(p, net, err) : SM_OK;
}

enum sm_status sm_parts_same(struct sm_net *net, struct sm_err *err)
{
	const float *w = sm_net_weights(net);
	uint64_t hash = 14695981039346656037u; /* FNV-1a over words */
	double *all;
	size_t total;
	if (sm_mpi_size() == 1)
		return SM_OK;
	for (size_t i = 0; i < sm_net_weight_count(net); i++) {
		uint32_t bits;
		memcpy(&bits, &w[i], sizeof bits);
		hash = (hash ^ bits) * 1099511628211u;
	}
	const double own[2] = {(double)(hash >> 32), (double)(hash & 0xffffffff)};
	SM_TRY(sm_mpi_gather(own, 2, &all, &total, err));
	bool same = true;
	for (size_t i = 2; i < total; i++)
		same = same && !(all[i] < all[i % 2]) && !(all[i] > all[i % 2]);
	free(all);
	return same ? SM_OK
		    : SM_FAIL(err, SM_INTERNAL,
			      "ranks: their weights differ after the same updates: all must run "
			      "the "
			      "same program");
}
