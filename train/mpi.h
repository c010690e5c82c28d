/* SPDX-License-Identifier: Apache-2.0
 *
 * Several processes that train one network (ranks): what of MPI a training uses. mpi.c has it with
 * MPI, for the program scanmill-train-mpi; mpi_none.c is a single rank without any.
 * All functions but rank and size are to be called by all ranks, in the same order, by one thread.
 */
#ifndef SM_TRAIN_MPI_H
#define SM_TRAIN_MPI_H

#include <stddef.h>

#include "core/err.h"

/* First thing in main. Without MPI: when the environment tells of several ranks the process becomes
 * scanmill-train-mpi, which stands beside it; SM_USAGE when that was not built. */
enum sm_status sm_mpi_begin(int *argc, char ***argv, struct sm_err *err);
/* Last thing in main. A code other than 0 ends all ranks at once with it. */
void sm_mpi_end(int code);

int sm_mpi_rank(void); /* 0.. */
int sm_mpi_size(void); /* 1 = alone */

/* Everyone's n doubles (n may differ), those of rank 0 first: *all has *total of them, to be freed
 * with free(). */
enum sm_status sm_mpi_gather(const double *own, size_t n, double **all, size_t *total,
			     struct sm_err *err);

/* Everyone gets what rank 0 has. */
enum sm_status sm_mpi_from_first(void *v, size_t bytes, struct sm_err *err);

/* g, of n values, becomes the mean over all samples of a step: rank r's part is weighted already by
 * 1 / (before[r] + samples[r]), where before[r] counts the samples of the ranks below. The parts
 * are added in the order of the ranks, each time  sum * before / (before + samples) + part,  as
 * sm_net_accumulate does: with one micro-batch a rank the bits are those of one process that
 * takes them one after the other. A rank without samples is passed over. */
enum sm_status sm_mpi_mean(float *g, size_t n, const double *before, const double *samples,
			   struct sm_err *err);

#endif
