/* SPDX-License-Identifier: Apache-2.0
 *
 * Which PET series have no SUV (see raw.h), by the code that ingest asks when it has read them.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/par.h"
#include "ingest/raw.h"
#include "ingest/series/dcm_files.h"
#include "ingest/series/pet.h"

/* One series at work. */
struct work {
	const char *root;
	const struct sm_scan *scan;
	struct sm_series_files files;
	struct sm_pet pet;
	pthread_mutex_t lock; /* of pet */
};

/* A file that is gone or no DICOM file any more is ingest's to tell. */
static enum sm_status read_file(void *ctx, size_t i, struct sm_err *err)
{
	struct work *w = ctx;
	size_t head = w->files.head[i];
	struct sm_dicom *dcm;
	struct sm_err why = {0};
	struct sm_pet one = {0};
	char *full = sm_path_join(w->root, sm_scan_path(w->scan, head));
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "index: out of memory");
	enum sm_status st = sm_dicom_open(full, SM_DICOM_HEAD, NULL, &dcm, &why);
	free(full);
	if (st == SM_INTERNAL || st == SM_BUDGET || why.scarce) {
		*err = why;
		return st == SM_IO ? sm_fail_unreadable(err, NULL) : st;
	}
	if (st != SM_OK)
		return SM_OK;
	sm_pet_read(&one, dcm, w->scan->head[head].units);
	sm_dicom_close(dcm);
	pthread_mutex_lock(&w->lock);
	sm_pet_join(&w->pet, &one);
	pthread_mutex_unlock(&w->lock);
	return SM_OK;
}

static enum sm_status foresee(struct sm_raw *raw, size_t series, const char *root, int jobs,
			      struct sm_err *err)
{
	struct work w = {.root = root, .scan = &raw->scan, .lock = PTHREAD_MUTEX_INITIALIZER};
	struct sm_pet_suv suv;
	char why[SM_PET_NO_SUV_SIZE];
	enum sm_status st = sm_series_files_list(&raw->scan.list.series[series], &w.files, err);
	if (st == SM_OK)
		st = sm_par_for(w.files.n, jobs, read_file, &w, err);
	raw->suv_files += w.files.n;
	sm_series_files_clear(&w.files);
	pthread_mutex_destroy(&w.lock);
	if (st != SM_OK || !w.pet.files)
		return st;
	sm_pet_suv(&w.pet, &suv);
	if (suv.known)
		return SM_OK;
	sm_pet_no_suv(&suv, why);
	raw->no_suv[series] = sm_arena_strf(&raw->scan.arena, "%s", why);
	return raw->no_suv[series] ? SM_OK : SM_FAIL(err, SM_BUDGET, "index: out of memory");
}

enum sm_status sm_raw_foresee_suv(struct sm_raw *raw, const char *root, int jobs,
				  struct sm_err *err)
{
	enum sm_verdict verdict;
	size_t n = raw->scan.list.n;
	if (raw->section->pet_units != SM_PET_SUVBW || !n)
		return SM_OK;
	raw->no_suv = calloc(n, sizeof *raw->no_suv);
	if (!raw->no_suv)
		return SM_FAIL(err, SM_BUDGET, "index: out of memory for %zu series", n);
	for (size_t i = 0; i < n; i++) {
		size_t head = raw->scan.list.series[i].slice[0].head;
		bool pet = strcmp(raw->scan.head[head].modality, "PT") == 0;
		if (pet && sm_raw_judge_series(raw, i, &verdict, NULL) == SM_RAW_USABLE)
			SM_TRY(foresee(raw, i, root, jobs, err));
	}
	return SM_OK;
}
