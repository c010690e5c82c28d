/* SPDX-License-Identifier: Apache-2.0
 *
 * From ledgers to volumes: the outputs of earlier stages are found by role, held against the hash
 * that their ledger gives.
 */
#ifndef SM_EVAL_CASES_H
#define SM_EVAL_CASES_H

#include "core/ledger.h"
#include "core/nii.h"
#include "core/stage.h"

/* Finds the output `role` of a record written by `stage`; *path (malloc memory, the caller frees)
 * is below dir. SM_INPUT when the record has none, or one whose path leaves the folder. */
enum sm_status sm_output_find(const char *dir, const char *stage, const json_t *record,
			      const char *role, char **path, struct sm_err *err);

/* The same, and reads the NIfTI volume. SM_INPUT when its content is not what the ledger says:
 * names the file and the stage to run again. The caller clears vol. */
enum sm_status sm_output_read(const char *dir, const char *stage, const json_t *record,
			      const char *role, struct sm_mem *mem, struct sm_vol *vol,
			      struct sm_err *err);

/* The truth among the outputs of ingest: the one label volume of a record (manifests/roles.h). */
enum sm_status sm_truth_read(const char *dir, const struct sm_ledger *ingest, const json_t *record,
			     struct sm_mem *mem, struct sm_vol *vol, struct sm_err *err);

/* Warns the item of what the header of a file that no stage made says against its own grid
 * (sm_nii_doubts): its distances and volumes may not be those that other programs see. `name`
 * stands in the sentences. */
void sm_warn_place(const char *path, const char *name, double tolerance_mm, struct sm_item *item);

/* Volume of one voxel in mm3. */
double sm_voxel_mm3(const struct sm_vol *vol);

#endif
