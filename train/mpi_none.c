/* SPDX-License-Identifier: Apache-2.0 */
/* No MPI: one rank. */
#include "train/mpi.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

#define MPI_PROGRAM "scanmill-train-mpi"

/* How launchers tell a process the number of ranks: Open MPI, MPICH and Slurm's PMI. */
static const char *const launchers[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"};

static long ranks_told(void)
{
	const char *step = getenv("SLURM_STEP_NUM_TASKS");
	long most = step && getenv("SLURM_PROCID") ? strtol(step, NULL, 10) : 1;
	for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
		const char *text = getenv(launchers[i]);
		long n = text ? strtol(text, NULL, 10) : 1;
		most = n > most ? n : most;
	}
	return most;
}

enum sm_status sm_mpi_begin(int *argc, char ***argv, struct sm_err *err)
{
	char path[4096 + sizeof MPI_PROGRAM];
	long ranks = ranks_told();
	(void)argc;
	if (ranks <= 1)
		return SM_OK;
	ssize_t n = readlink("/proc/self/exe", path, 4096);
	while (n > 0 && path[n - 1] != '/')
		n--;
	memcpy(path + (n > 0 ? n : 0), MPI_PROGRAM, sizeof MPI_PROGRAM);
	if (n > 0 && n < 4096 && sm_file_exists(path))
		execv(path, *argv);
	return SM_FAIL(err, SM_USAGE,
		       "started as one of %ld ranks, but scanmill was built without MPI: install "
		       "libopenmpi-dev and run make MPI=1",
		       ranks);
}

void sm_mpi_end(int code)
{
	(void)code;
}

int sm_mpi_rank(void)
{
	return 0;
}

int sm_mpi_size(void)
{
	return 1;
}

enum sm_status sm_mpi_gather(const double *own, size_t n, double **all, size_t *total,
			     struct sm_err *err)
{
	*all = malloc((n + 1) * sizeof **all);
	if (!*all)
		return SM_FAIL(err, SM_BUDGET, "ranks: out of memory");
	memcpy(*all, own, n * sizeof *own);
	*total = n;
	return SM_OK;
}

enum sm_status sm_mpi_from_first(void *v, size_t bytes, struct sm_err *err)
{
	(void)v;
	(void)bytes;
	(void)err;
	return SM_OK;
}

enum sm_status sm_mpi_mean(float *g, size_t n, const double *before, const double *samples,
			   struct sm_err *err)
{
	(void)g;
	(void)n;
	(void)before;
	(void)samples;
	(void)err;
	return SM_OK;
}
