/* SPDX-License-Identifier: Apache-2.0
 *
 * From settings to a planned network, for training and for prediction.
 */
#ifndef SM_TRAIN_NETWORK_H
#define SM_TRAIN_NETWORK_H

#include "train/checkpoint.h"
#include "train/nn/nn.h"

struct sm_network_opt {
	int batch, threads;
	const char *loss;             /* a row of the losses; NULL = inference only */
	const struct sm_optim *optim; /* NULL for inference */
	uint64_t seed;                /* of dropout */
};

/* Builds and plans the network that c describes (model, width, in_channels, classes, size). Nothing
 * big is allocated yet. SM_USAGE: unknown model or loss, a tile size that the model cannot take. */
enum sm_status sm_network_plan(const struct sm_checkpoint *c, const struct sm_network_opt *opt,
			       struct sm_net **net, struct sm_err *err);

/* Largest resident memory of this process so far, in MiB. For the log. */
double sm_peak_mib(void);

#endif
