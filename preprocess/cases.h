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
	size_t *at;        /* numbers of the good ones among its records, sorted by key */
	size_t count;
};

/* Reads run->in's ledger, which ingest or preprocess must have written. Rejected records are left
 * out with a warning: their reasons stand in that ledger, and the header of this run's ledger lists
 * key and patient under "rejected_before", with those whom that ledger's header lists. SM_INPUT
 * when none is good. */
enum sm_status sm_cases_open(struct sm_run *run, struct sm_cases *cases, struct sm_err *err);
/* The same of another folder than --in. */
enum sm_status sm_cases_open_at(struct sm_run *run, const char *dir, struct sm_cases *cases,
				struct sm_err *err);
void sm_cases_close(struct sm_cases *cases);

/* The record of case i, a new reference; NULL with the error when the ledger changed meanwhile.
 * Thread-safe. */
json_t *sm_cases_record(const struct sm_cases *cases, size_t i, struct sm_err *err);

/* Functions for struct sm_items; ctx is a struct sm_cases or a struct that starts with one. The
 * inputs are the volumes of the case. */
const char *sm_cases_key(void *ctx, size_t i);
enum sm_status sm_cases_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err);

/* True for roles that hold a volume (not "sidecar", "bval", "bvec"). */
bool sm_role_is_volume(const char *role);

/* Reads the volumes of case i, up to `jobs` at a time, into *c (sm_case_init is done here; the
 * caller clears). Each file must have the content of its record, else SM_INPUT naming the file and
 * the stage to run again; a value that is not finite is SM_INPUT naming role and count. A
 * picture becomes a volume (width, height, 1, colours) with the affine diag(-1, -1, 1). Of a
 * preprocessed case sm_case_restore brings the rest back. */
enum sm_status sm_cases_load(const struct sm_cases *cases, size_t i, int jobs, struct sm_case *c,
			     struct sm_err *err);

/* Reads nothing but the label of a case of preprocess into *label (x,y,z uint8; the caller clears).
 * Errors as sm_cases_load. SM_INPUT when there is none. */
enum sm_status sm_cases_load_label(const struct sm_cases *cases, size_t i, struct sm_vol *label,
				   struct sm_err *err);

/* Writes the case's volumes below out as <key>/<role>.nii.gz (.nii at level 0) and adds to the
 * item's record: the outputs, "channels", "source_grid", "way", "label_map", "facts", and where
 * there are such "grids", "pictures", "modality", "region_names" and "slices"
 * (preprocess/README.md). */
enum sm_status sm_case_save(struct sm_case *c, const char *out, int level, struct sm_item *item,
			    struct sm_err *err);

/* What operations warn of ("warning" in a fact) as warnings of the item. */
void sm_case_warnings(const struct sm_case *c, struct sm_item *item);

/* Restores from the record what sm_case_save put there; the volumes are read already. SM_INPUT when
 * the record does not fit them. */
enum sm_status sm_case_restore(struct sm_case *c, const json_t *record, struct sm_err *err);

/* Copies the patient key of case i into the record. */
void sm_cases_patient(const struct sm_cases *cases, size_t i, json_t *record);

#endif
