/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases of an earlier stage (ingest or preprocess): the good records of its ledger, reading their
 * volumes into a struct sm_case, and writing a case out. Shared by preprocess, tile, slice and
 * split.
 */
#ifndef SM_PREPROCESS_CASES_H
#define SM_PREPROCESS_CASES_H

#include "core/stage.h"
#include "manifests/schema.h"
#include "preprocess/case.h"

struct sm_cases {
	struct sm_run *run;
	struct sm_ledger parent;
	const char *dir;   /* folder of the ledger, borrowed */
	bool preprocessed; /* written by preprocess; otherwise by ingest */
	json_t **records;  /* the good ones, sorted by key */
	size_t count;
};

/* Reads run->in's ledger, which ingest or preprocess must have written. Rejected records are left
 * out with a warning: their reasons stand in that ledger. SM_INPUT when none is good. */
enum sm_status sm_cases_open(struct sm_run *run, struct sm_cases *cases, struct sm_err *err);
void sm_cases_close(struct sm_cases *cases);

/* Functions for struct sm_items; ctx is a struct sm_cases or a struct that starts with one. The
 * inputs are the volumes of the case. */
const char *sm_cases_key(void *ctx, size_t i);
enum sm_status sm_cases_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err);

/* True for roles that hold a volume (not "sidecar"). */
bool sm_role_is_volume(const char *role);

/* Reads the volumes of case i, up to `jobs` at a time, into *c (sm_case_init is done here; the
 * caller clears). Each file must have the content of its record, else SM_INPUT naming the file and
 * the stage to run again; a value that is not finite is SM_INPUT naming role and count. Of a
 * preprocessed case the image, channels, label, mask and the way back are restored. */
enum sm_status sm_cases_load(const struct sm_cases *cases, size_t i, int jobs, struct sm_case *c,
			     struct sm_err *err);

/* Writes the case's volumes below out as <key>/<role>.nii.gz (.nii at level 0) and adds to the
 * item's record: the outputs, "channels", "source_grid", "offset", "label_map", "facts". */
enum sm_status sm_case_save(struct sm_case *c, const char *out, int level, struct sm_item *item,
			    struct sm_err *err);

/* Copies the patient key of case i into the record. */
void sm_cases_patient(const struct sm_cases *cases, size_t i, json_t *record);

#endif
