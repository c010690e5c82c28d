/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of dcm_volume.c and dcm_load.c: the files of one series on their way into its volume.
 */
#ifndef SM_INGEST_SERIES_DCM_LOAD_H
#define SM_INGEST_SERIES_DCM_LOAD_H

#include <pthread.h>

#include "ingest/series/dcm_files.h"
#include "ingest/series/dcm_volume.h"

/* The slices that one file holds: order[first..first + n). */
struct sm_load {
	size_t first, n;
};

struct sm_load_work {
	const char *root;
	const struct sm_scan *scan;
	const struct sm_series *series;
	const struct sm_salt *salt;
	struct sm_mem *mem;
	struct sm_series_volume *out;
	struct sm_series_files files; /* none: hashes are not asked for */
	size_t *order;                /* the series' slices by file and frame */
	struct sm_load *load;
	size_t loads;
	int inner;                /* threads for the frames of one file */
	double *lowest, *highest; /* stored numbers of each slice */
	bool per_slice;           /* slope or intercept differ: real values at once */
	bool exact;               /* HU as whole numbers at once: all that can be stored fit */
	bool pet;
	pthread_mutex_t lock; /* of out->sidecar and out->pet */
};

static inline const struct sm_dcm_head *sm_load_head(const struct sm_load_work *w, size_t k)
{
	return &w->scan->head[w->series->slice[k].head];
}

static inline const struct sm_dcm_frame *sm_load_frame(const struct sm_load_work *w, size_t k)
{
	return sm_slice_frame(w->scan->head, w->series->slice[k]);
}

/* Reads file i of ctx, a struct sm_load_work, into its volume (a body for sm_par_for). */
enum sm_status sm_load_file(void *ctx, size_t i, struct sm_err *err);

#endif
