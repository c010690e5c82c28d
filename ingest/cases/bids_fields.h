/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON sidecars of a BIDS tree: the numbers that a file inherits. Only fields of a fixed list are
 * looked at, and only numbers and lists of numbers are taken: none can hold a person.
 */
#ifndef SM_INGEST_CASES_BIDS_FIELDS_H
#define SM_INGEST_CASES_BIDS_FIELDS_H

#include <jansson.h>

#include "core/file.h"

struct sm_bids_sidecar {
	const char *path; /* borrowed from the paths */
	size_t dir;       /* bytes of path in front of the last '/', 0 = the top folder */
	json_t *fields;   /* an object; what is taken of the file */
};

struct sm_bids_fields {
	struct sm_bids_sidecar *v; /* sorted by folder, then by name */
	size_t n;
	size_t broken; /* files that are no JSON object, or too long */
	const char *first_broken;
};

/* Reads every JSON file of the tree that can be a sidecar. Borrows paths. Clear with
 * sm_bids_fields_clear. */
enum sm_status sm_bids_fields_read(struct sm_bids_fields *out, const char *root,
				   const struct sm_paths *paths, struct sm_mem *mem,
				   struct sm_err *err);
void sm_bids_fields_clear(struct sm_bids_fields *fields);

/* The numbers for the NIfTI file at path by the inheritance rule: sidecars of its folder and of the
 * folders above it, with its suffix and with entities that are all among its own; the nearer
 * folder, then the more specific name, wins; `more` (an object, or NULL) is added. *line is JSON
 * in the arena, NULL when there is none. */
enum sm_status sm_bids_fields_of(const struct sm_bids_fields *fields, const char *path,
				 const json_t *more, struct sm_arena *arena, const char **line,
				 struct sm_err *err);

/* The same numbers for the volumes of a tree that is no BIDS tree: of STEM.json beside STEM.nii.gz,
 * as dcm2niix writes it. Fills `fields` of the cases' files. */
struct sm_raw_cases;
enum sm_status sm_fields_beside(const char *root, const struct sm_paths *paths, struct sm_mem *mem,
				struct sm_raw_cases *cases, struct sm_err *err);

/* {"bval": [...], "bvec": [[...], [...], [...]]} from the two files beside a NIfTI file (a new
 * reference); NULL when one is missing, is no table of numbers, or their lengths differ. */
enum sm_status sm_bids_gradients(const char *root, const struct sm_paths *paths, const char *path,
				 struct sm_mem *mem, json_t **fields, struct sm_err *err);

#endif
