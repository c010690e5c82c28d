/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases of a NIfTI tree: one patient's files found by patterns, with `{case}` for the case's name
 * and `*` for any text without a slash; the folder layouts of BraTS are built-in patterns.
 */
#ifndef SM_INGEST_CASES_H
#define SM_INGEST_CASES_H

#include "core/file.h"
#include "manifests/schema.h"

struct sm_raw_file {
	const char *role, *path; /* path relative to the tree */
	bool label;
};

struct sm_raw_case {
	const char *key;          /* safe as a file name */
	struct sm_raw_file *file; /* one a role, in the order of the sources */
	size_t n;
	const char *problem; /* why the case cannot be used, NULL when it can */
	const char *warning; /* NULL when nothing is odd */
};

struct sm_raw_cases {
	struct sm_raw_case *v; /* sorted by key */
	size_t n;
	size_t unmatched; /* paths that no pattern takes */
	struct sm_arena arena;
};

/* Finds cases by the manifest's sources. SM_USAGE when a pattern without {case} meets several
 * cases, SM_INPUT when two names give the same key. Clear with sm_raw_cases_clear. */
enum sm_status sm_raw_cases_find(const struct sm_paths *paths, const struct sm_source *sources,
				 size_t n, struct sm_raw_cases *out, struct sm_err *err);

/* Finds BraTS cases (names of 2018-2021: NAME/NAME_flair.nii.gz; of 2023: NAME/NAME-t2f.nii.gz) at
 * any depth. Roles are flair, t1ce, t1, t2, seg. seg may be absent when no case has one. A case
 * without seg whose folder holds exactly one other file named *Segm.nii* takes that with a warning
 * (case 355 of BraTS2020). */
enum sm_status sm_raw_cases_brats(const struct sm_paths *paths, struct sm_raw_cases *out,
				  struct sm_err *err);
void sm_raw_cases_clear(struct sm_raw_cases *list);

/* True when path fits the pattern; the {case} part (the shortest that fits) is copied to name, ""
 * when the pattern has none. name has n bytes; a longer case does not fit. */
bool sm_pattern_match(const char *pattern, const char *path, char *name, size_t n);

#endif
