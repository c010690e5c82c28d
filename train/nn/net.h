/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the engine: a planned network. net.c plans and allocates, net_run.c runs, net_info.c and
 * net_kernels.c answer questions.
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
	float *ema;     /* moving average of the weights, or the weights while `averaged` */
	bool averaged;  /* weights and average are exchanged */
	double sample_weight;  /* of a sample in the gradient of the step that runs */
	size_t grad_samples;   /* the gradients are the mean of so many */
	uint64_t last_step;
	char *watch; /* [SM_NET_WHAT] while the search for values that are not finite runs */
	unsigned char *arena, *packed;
	double *loss;   /* [loss node][batch] then [batch] totals, then blocks for the norm */
	double *sample; /* the totals */
	double *norm_partial;
	int losses;
	uint64_t optim_steps;
	bool repack; /* weights changed since the packed copies were made */
	struct sm_param *params_pub, *states_pub, *fixed_pub;
	float *fixed;       /* frozen parameters that no lender has */
	float *spare_state; /* opt.live_norm: where statistics go that are not kept */
	struct sm_net *arena_owner; /* whose arena it shares; NULL = its own */
	uint64_t forwards;  /* inference runs so far */
	double fused_lr;    /* of the sm_net_train that runs; below 0 = gradients alone */
	const struct param *bad; /* the first whose gradient was not finite */
};

/* Around all that computes: OpenMP's thread number becomes the net's for the calling thread, and
 * subnormal numbers count as zero in the threads of its team (x86-64). leave puts back what was. */
struct net_threads {
	int count;
	unsigned arithmetic;
};
struct net_threads net_threads_enter(const struct sm_net *net);
void net_threads_leave(const struct sm_net *net, struct net_threads before);

/* Element types of the tensors for opt.bf16; refuses on a CPU without such convolutions. */
enum sm_status net_choose_elements(struct sm_net *net, struct sm_err *err);

/* Finds frozen parameters, and the running statistics of their layers, in opt.lender; what no
 * lender has gets a place in net->fixed. SM_USAGE: another shape there. */
enum sm_status net_find_lenders(struct sm_net *net, struct sm_err *err);
/* Where fixed parameter i of the graph, and state i, stand. */
const float *net_fixed_at(const struct sm_net *net, int i);
float *net_state_at(const struct sm_net *net, int i);

/* Forward, loss and backward, whatever the net; a fused one updates when fused_lr is not below 0.
 */
enum sm_status net_gradients(struct sm_net *net, uint64_t step, double *loss, struct sm_err *err);

/* A fused net: which parameters' gradients are computed late, and where each sum stands (blocks of
 * the plan that is being made). */
void net_fused_uses(struct sm_net *net);
enum sm_status net_fused_blocks(struct sm_net *net, struct sm_err *err);
/* What else node n's backward has to do there: the sums of others' late gradients, and updates. r:
 * its call; gw of parameters that are late is NULL there. */
enum sm_status net_fused_before(struct sm_net *net, struct node *n, struct op_run *r,
				struct sm_err *err);
void net_fused_behind(struct sm_net *net, struct node *n);
/* Behind backward: the update of the parameters that no loss hangs on. */
void net_fused_rest(struct sm_net *net);
/* The call of node n in backward: net_run.c. */
struct op_run net_backward_call(struct sm_net *net, struct node *n, uint64_t step);
/* The values that node n reads in backward and forward has forgotten: made again for the first that
 * reads them, and put into its call. */
enum sm_status net_recall(struct sm_net *net, const struct node *n, struct op_run *r,
			  struct sm_err *err);
/* Zeros, by all threads where there are many. */
void net_clear(const struct sm_net *net, float *g, size_t n);
/* Moves a parameter by its gradient g (NULL = zeros); false when that is not finite: what is not
 * stays. */
bool net_update_param(struct sm_net *net, const struct sm_param *p, double lr, const float *g);

int net_add_block(struct sm_net *net, size_t size, int first, int last, struct sm_err *err);
void net_stretch(struct plan_block *b, int time);
int net_back_time(const struct sm_net *net, int node);

/* Live ranges, shared blocks, the arena's size and the forecast. */
enum sm_status net_plan_memory(struct sm_net *net, struct sm_err *err);

/* forecast.library of the plan that stands. */
size_t net_library_bytes(const struct sm_net *net);

/* A run may start: SM_INTERNAL when the net was not allocated, not planned for it, has no loss. */
enum sm_status net_check_ready(const struct sm_net *net, bool train, bool loss,
			       struct sm_err *err);

/* Look at what an operator has just written; the first that is not finite goes to net->watch. */
void net_watch_forward(const struct sm_net *net, const struct op_run *r);
void net_watch_backward(const struct sm_net *net, const struct op_run *r);

#endif
