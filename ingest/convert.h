/* SPDX-License-Identifier: Apache-2.0
 *
 * One item of a raw tree to clean NIfTI files and a sidecar below the stage's output folder.
 */
#ifndef SM_INGEST_CONVERT_H
#define SM_INGEST_CONVERT_H

#include "core/vol.h"
#include "ingest/raw.h"

/* What the manifest and the command line ask for. */
struct sm_convert {
	const struct sm_raw *raw;
	bool regrid;           /* uneven: regrid */
	bool suv;              /* pet_units: suvbw */
	int compression;       /* gzip level, 0 = plain .nii */
	double grid_tolerance; /* mm */
};

/* Declares what a series' record depends on: its listing and the hash over its files. */
enum sm_status sm_convert_inputs(const struct sm_raw *raw, const struct sm_raw_item *it,
				 const char sha256[65], struct sm_item *item, struct sm_err *err);

/* Writes KEY/ROLE.nii.gz and KEY/ROLE.json of a series (sm_raw_role: image, or ct, mr, pet), and
 * fills the item's record; declares its inputs when that was deferred (sm_item_defer_inputs). */
enum sm_status sm_convert_series(const struct sm_convert *c, const struct sm_raw_item *it,
				 struct sm_item *item, struct sm_err *err);

/* Writes KEY/ROLE.nii.gz of each role and KEY/case.json, and fills the item's record. */
enum sm_status sm_convert_case(const struct sm_convert *c, const struct sm_raw_case *found,
			       struct sm_item *item, struct sm_err *err);

/* Writes vol to KEY/ROLE.nii[.gz] and notes it as an output. */
enum sm_status sm_convert_write(const struct sm_convert *c, const char *role,
				const struct sm_vol *vol, struct sm_item *item, struct sm_err *err);

/* Writes the sidecar to KEY/NAME and notes it as an output of role "sidecar". */
enum sm_status sm_convert_sidecar(const char *name, const json_t *sidecar, struct sm_item *item,
				  struct sm_err *err);

/* Writes text to KEY/NAME and notes it as an output. */
enum sm_status sm_convert_text(const char *name, const char *role, const char *text,
			       struct sm_item *item, struct sm_err *err);

/* True when every slice has a b-value, the same at all places of one volume, and there is
 * weighting: in this volume or in another one of its series (b 0 stands in the headers of plain
 * scans too). Not of maps computed from several b-values. */
bool sm_convert_has_b_values(const struct sm_raw *raw, const struct sm_series *s);

/* True when the directions can be written: every weighted volume has one, a single volume too, and
 * all are in the patient's axes. */
bool sm_convert_has_directions(const struct sm_raw *raw, const struct sm_series *s);

/* Writes KEY/ROLE.bval and KEY/ROLE.bvec of a diffusion series: b-values in s/mm2, and directions
 * along the volume's own axes as FSL and dcm2niix write them (the first component changes sign when
 * the affine's determinant is positive). Directions of several volumes that are not known, or not
 * in the patient's axes, are told in a warning, and there is no .bvec then. */
enum sm_status sm_convert_diffusion(const struct sm_raw *raw, const struct sm_series *s,
				    const char *role, const struct sm_vol *vol,
				    struct sm_item *item, struct sm_err *err);

/* {"dim", "spacing", "affine" (16 numbers, row-major), "axes"} of a volume; new reference. */
json_t *sm_convert_geometry(const struct sm_vol *vol);

#endif
