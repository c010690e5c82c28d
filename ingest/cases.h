/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases of a NIfTI tree: the files of one scan session found by patterns, with `{case}` for the
 * case's name, `{patient}` for the patient's and `*` for any text without a slash; the folder
 * layouts of BraTS are built-in patterns.
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
	const char *patient;      /* follow-up scans of one patient have the same */
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
 * cases or one has {patient} without {case}, SM_INPUT when two names give the same key. A case's
 * patient is what {patient} stood for; without it the part of a BraTS name since 2023
 * (BraTS-GLI-00005-001) before the time point, else the key. A case whose files name two patients
 * gets a problem. Clear with sm_raw_cases_clear. */
enum sm_status sm_raw_cases_find(const struct sm_paths *paths, const struct sm_source *sources,
				 size_t n, struct sm_raw_cases *out, struct sm_err *err);

/* Finds BraTS cases (names of 2018-2021: NAME/NAME_flair.nii.gz; of 2023: NAME/NAME-t2f.nii.gz) at
 * any depth. Roles are flair, t1ce, t1, t2, seg. seg may be absent when no case has one. A case
 * without seg whose folder holds exactly one other file named *Segm.nii* takes that with a warning
 * (case 355 of BraTS2020). */
enum sm_status sm_raw_cases_brats(const struct sm_paths *paths, struct sm_raw_cases *out,
				  struct sm_err *err);
void sm_raw_cases_clear(struct sm_raw_cases *list);

/* What the placeholders of a pattern stood for. */
struct sm_names {
	char name[101], patient[101]; /* of {case} and {patient}; "" when the pattern has none */
};

/* True when path fits the pattern. A placeholder stands for the shortest text without a slash that
 * fits, the same wherever it stands, and for at most 100 bytes. */
bool sm_pattern_match(const char *pattern, const char *path, struct sm_names *out);

#endif
