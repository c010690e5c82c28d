/* SPDX-License-Identifier: Apache-2.0
 *
 * One training step shared by several ranks (train/mpi.h): what each part of it measured goes round
 * and is added by everyone in the order of the parts, so that a history does not depend on the
 * ranks.
 */
#ifndef SM_TRAIN_MPI_STEP_H
#define SM_TRAIN_MPI_STEP_H

#include "train/loader.h"
#include "train/nn/nn.h"

/* Samples at once: `micro` (0 = the whole batch), of several ranks no more than a rank's share. */
int64_t sm_parts_micro(int64_t batch, int64_t micro);

/* The parts of the step at work. */
struct sm_parts;

struct sm_part {
	int n;              /* samples */
	double loss;        /* mean over them */
	const double *dice; /* [n][channels] */
	const double *sums; /* of the metrics */
};

/* For trainings of net, whose running statistics are remembered. NULL when out of memory. */
struct sm_parts *sm_parts_make(struct sm_net *net);
void sm_parts_free(struct sm_parts *p); /* NULL is fine */

/* Adds this rank's batch; *dice (batch->n * channels) and *sums (of so many) are to be filled
 * before the next call. */
enum sm_status sm_parts_add(struct sm_parts *p, const struct sm_batch *batch, double loss,
			    size_t channels, size_t sums, double **dice, double **at,
			    struct sm_err *err);

/* Behind this rank's last batch of a step: everyone has the parts of all. */
enum sm_status sm_parts_exchange(struct sm_parts *p, struct sm_err *err);

/* The next part; false behind the last, and then the list is empty for the next step. */
bool sm_parts_next(struct sm_parts *p, size_t channels, size_t sums, struct sm_part *part);

/* Gradients and running statistics of the step of all ranks. */
enum sm_status sm_parts_join(struct sm_parts *p, struct sm_net *net, struct sm_err *err);

/* SM_INTERNAL when the weights of the ranks are not the same: other program, other kind of CPU. */
enum sm_status sm_parts_same(struct sm_net *net, struct sm_err *err);

#endif
