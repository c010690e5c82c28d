/* SPDX-License-Identifier: Apache-2.0 */
/* With MPI. Sums are never left to MPI_Allreduce, whose order is the library's own affair: values
 * travel unchanged and are added here, in the order of the ranks. */
#include "train/mpi.h"

#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536 /* values of one rank's segment */

enum sm_status sm_mpi_begin(int *argc, char ***argv, struct sm_err *err)
{
	int provided;
	/* Only the thread that calls begin calls later; the loader's and OpenMP's threads
	 * do not. */
	if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
		return SM_FAIL(err, SM_INTERNAL, "ranks: MPI cannot be started");
	if (provided < MPI_THREAD_FUNNELED)
		return SM_FAIL(err, SM_USAGE, "ranks: this MPI does not allow threads");
	return SM_OK;
}

void sm_mpi_end(int code)
{
	if (code != 0 && sm_mpi_size() > 1) {
		fprintf(stderr, "train: error: rank %d of %d failed: all ranks end\n",
			sm_mpi_rank(), sm_mpi_size());
		fflush(stderr);
		MPI_Abort(MPI_COMM_WORLD, code);
	}
	MPI_Finalize();
}

int sm_mpi_rank(void)
{
	int rank = 0;
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	return rank;
}

int sm_mpi_size(void)
{
	int size = 1;
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	return size;
}

static enum sm_status check(int code, struct sm_err *err)
{
	return code == MPI_SUCCESS ? SM_OK
				   : SM_FAIL(err, SM_IO, "ranks: another rank cannot be reached");
}

static enum sm_status gather(const double *own, int n, int *count, int *at, double **all,
			     size_t *total, struct sm_err *err)
{
	int size = sm_mpi_size(), sum = 0;
	SM_TRY(check(MPI_Allgather(&n, 1, MPI_INT, count, 1, MPI_INT, MPI_COMM_WORLD), err));
	for (int r = 0; r < size; r++) {
		at[r] = sum;
		if (count[r] < 0 || count[r] > INT32_MAX - sum)
			return SM_FAIL(err, SM_INTERNAL, "ranks: too many values");
		sum += count[r];
	}
	*total = (size_t)sum;
	*all = malloc((*total + 1) * sizeof **all);
	if (!*all)
		return SM_FAIL(err, SM_BUDGET, "ranks: out of memory");
	return check(
		MPI_Allgatherv(own, n, MPI_DOUBLE, *all, count, at, MPI_DOUBLE, MPI_COMM_WORLD),
		err);
}

enum sm_status sm_mpi_gather(const double *own, size_t n, double **all, size_t *total,
			     struct sm_err *err)
{
	int *count = malloc(2 * (size_t)sm_mpi_size() * sizeof *count);
	enum sm_status st;
	*all = NULL;
	if (!count || n > INT32_MAX)
		st = SM_FAIL(err, SM_BUDGET, "ranks: out of memory");
	else
		st = gather(own, (int)n, count, count + sm_mpi_size(), all, total, err);
	free(count);
	if (st != SM_OK) {
		free(*all);
		*all = NULL;
	}
	return st;
}

enum sm_status sm_mpi_from_first(void *v, size_t bytes, struct sm_err *err)
{
	for (size_t at = 0; at < bytes; at += 1 << 30) {
		size_t n = bytes - at < 1 << 30 ? bytes - at : 1 << 30;
		SM_TRY(check(MPI_Bcast((char *)v + at, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD), err));
	}
	return SM_OK;
}

/* The segments of all ranks, each n long, into the one behind them. */
static void add_in_order(float *segment, int n, const double *before, const double *samples)
{
	int size = sm_mpi_size();
	bool begun = false;
	float *sum = segment + (size_t)size * n; /* behind them */
	for (int r = 0; r < size; r++) {
		const float *part = segment + (size_t)r * n;
		float keep = (float)(before[r] / (before[r] + samples[r]));
		if (!(samples[r] > 0))
			continue;
		if (!begun)
			memcpy(sum, part, (size_t)n * sizeof *sum);
		else
			for (int i = 0; i < n; i++)
				sum[i] = sum[i] * keep + part[i];
		begun = true;
	}
}

enum sm_status sm_mpi_mean(float *g, size_t n, const double *before, const double *samples,
			   struct sm_err *err)
{
	size_t size = (size_t)sm_mpi_size(), segment = (n + size - 1) / size;
	segment = segment < CHUNK ? segment : CHUNK;
	size_t all = segment * size;
	float *out = calloc(all, sizeof *out), *in = malloc((all + segment) * sizeof *in);
	enum sm_status st = out && in ? SM_OK : SM_FAIL(err, SM_BUDGET, "ranks: out of memory");
	for (size_t at = 0; st == SM_OK && at < n; at += all) {
		size_t m = n - at < all ? n - at : all;
		memcpy(out, g + at, m * sizeof *g);
		SM_GOTO(st, check(MPI_Alltoall(out, (int)segment, MPI_FLOAT, in, (int)segment,
					       MPI_FLOAT, MPI_COMM_WORLD),
				  err));
		add_in_order(in, (int)segment, before, samples);
		SM_GOTO(st, check(MPI_Allgather(in + all, (int)segment, MPI_FLOAT, out,
						(int)segment, MPI_FLOAT, MPI_COMM_WORLD),
				  err));
		memcpy(g + at, out, m * sizeof *g);
	}
out:
	free(out);
	free(in);
	return st;
}
