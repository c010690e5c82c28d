/* SPDX-License-Identifier: Apache-2.0
 *
 * What ingest's sidecars say of the volumes of a case: unit, SUV factor, frame times. Operations on
 * PET need it; each volume keeps its own JSON object (struct sm_role_vol.sidecar), which they
 * change along with the voxels. The files are inputs of the stage like the volumes.
 */
#ifndef SM_PREPROCESS_SIDECAR_H
#define SM_PREPROCESS_SIDECAR_H

#include "core/stage.h"
#include "preprocess/case.h"

/* Declares the sidecars of a record of ingest, whose folder is dir, as inputs of the item. */
enum sm_status sm_sidecars_inputs(const char *dir, const json_t *record, struct sm_item *item,
				  struct sm_err *err);

/* Reads them from below dir: of a DICOM volume KEY/ROLE.json beside KEY/ROLE.nii.gz, of a case of
 * files KEY/case.json with one entry a role. SM_INPUT when one is missing or is not what the record
 * says. */
enum sm_status sm_sidecars_load(const char *dir, const json_t *record, struct sm_case *c,
				struct sm_err *err);

/* What the sidecars say of where the body lay and how the slices were taken, which holds of images
 * that are made of these volumes, too: {role: {BodyPartExamined, PatientPosition,
 * ImageOrientationPatientDICOM, SliceThickness, SpacingBetweenSlices}}, numbers and words of
 * capitals, digits, blanks and _ alone. A new reference; NULL when they say nothing of it. */
json_t *sm_sidecars_places(const struct sm_case *c);

/* Volumes become SM_MEANING_HU: those whose sidecar says so, and those of files without such a word
 * whose role, or whose case's modality, is ct (any case of letters). Not pictures. */
void sm_case_meanings(struct sm_case *c);

/* The list of one number a frame under a name; out has room for as many. SM_INPUT with the sentence
 * when there is none, or another number of them. */
enum sm_status sm_sidecar_numbers(const struct sm_case *c, const struct sm_role_vol *v,
				  const char *name, double *out, struct sm_err *err);

/* Lists of one entry a frame (there were `frames`) keep those of the n given frames. */
void sm_sidecar_select(struct sm_role_vol *v, size_t frames, const int64_t *chosen, size_t n);

/* The frames became one: lists of one entry a frame are dropped. */
void sm_sidecar_one_frame(struct sm_role_vol *v);

#endif
