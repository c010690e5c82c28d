/* SPDX-License-Identifier: Apache-2.0
 *
 * From settings to a planned network, for training and for prediction.
 */
#ifndef SM_TRAIN_NETWORK_H
#define SM_TRAIN_NETWORK_H

#include "core/log.h"
#include "train/checkpoint.h"
#include "train/models/models.h"
#include "train/nn/nn.h"

struct sm_network_opt {
	int batch, threads;
	const struct sm_loss_opt *loss; /* NULL = inference only */
	const struct sm_optim *optim; /* NULL for inference */
	uint64_t seed;                /* of dropout */
	bool bf16, fused;             /* as sm_net_opt */
};

/* What the model's builder is told of c; the texts are borrowed from c. */
struct sm_model_opt sm_network_model(const struct sm_checkpoint *c, int batch);

/* Builds and plans the network that c describes (all that stands under "the network"). Nothing
 * big is allocated yet. SM_USAGE: unknown model or loss, a tile size that the model cannot take. */
enum sm_status sm_network_plan(const struct sm_checkpoint *c, const struct sm_network_opt *opt,
			       struct sm_net **net, struct sm_err *err);

/* The same of a checkpoint's file: SM_INPUT, beforehand where that can be known, when the network
 * has another number of weights than the file says or holds. */
enum sm_status sm_network_plan_file(const char *path, const struct sm_checkpoint *c,
				    const struct sm_network_opt *opt, struct sm_net **net,
				    struct sm_err *err);

/* Tells, with --log debug, the kernel of each convolution and pass; warns of passes that run by
 * plain loops and are large enough to be felt. */
void sm_network_tell(const struct sm_net *net, struct sm_log *log);

/* Largest resident memory of this process so far, in MiB. For the log. */
double sm_peak_mib(void);

#endif
