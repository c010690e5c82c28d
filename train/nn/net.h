/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the engine: a planned network. net.c plans and allocates, net_run.c runs, net_info.c
 * answers questions.
 */
#ifndef SM_TRAIN_NET_H
#define SM_TRAIN_NET_H

#include "train/nn/op.h"

struct sm_net {
	struct sm_graph *g;
	struct sm_net_opt opt;
	struct sm_optim optim;
	const struct optim_row *optim_row; /* NULL: none */
	struct conv_lib *conv;
	struct plan_block *block;
	int blocks, block_room;
	struct sm_forecast forecast;
	size_t per_batch; /* of the total: grows with the batch */
	int batch, valid;
	float *weights, *grads, *optim_state[2], *state;
	unsigned char *arena, *packed;
	double *loss;   /* [loss node][batch] then [batch] totals, then blocks for the norm */
	double *sample; /* the totals */
	double *norm_partial;
	int losses;
	uint64_t optim_steps;
	bool repack; /* weights changed since the packed copies were made */
	struct sm_param *params_pub, *states_pub;
};

/* Sets OpenMP's thread number to the net's for the calling thread; returns the one before. */
int net_threads_enter(const struct sm_net *net);
void net_threads_leave(int before);

#endif
