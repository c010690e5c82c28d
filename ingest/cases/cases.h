/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases of a tree of NIfTI files or pictures: the files of one scan session found by patterns, with
 * `{case}` for the case's name, `{patient}` for the patient's, `*` for any text without a slash and
 * `|` between alternatives; the folder layouts of BraTS are built-in patterns.
 * ingest/cases/layout.h finds cases in other
 * ways. */
#ifndef SM_INGEST_CASES_CASES_H
#define SM_INGEST_CASES_CASES_H

#include <jansson.h>

#include "core/file.h"
#include "manifests/schema.h"

struct sm_raw_file {
	const char *role, *path; /* path relative to the tree */
	bool label;
	const char *const *split; /* roles of the volumes along the last axis; NULL = one volume */
	size_t split_n;
	const char
		*fields; /* numbers of its JSON sidecars, a JSON object in one line; NULL = none */
};

struct sm_raw_case {
	const char *key;          /* safe as a file name */
	const char *patient;      /* follow-up scans of one patient have the same */
	struct sm_raw_file *file; /* one a role, in the order of the sources */
	size_t n;
	struct sm_raw_file *left; /* files that only a later alternative of their role's pattern
				   * fits, while an earlier one has a file; told in warning */
	size_t left_n;
	const char *problem; /* why the case cannot be used, NULL when it can */
	const char *warning; /* NULL when nothing is odd */
	bool pictures;       /* the files are pictures, of one size; else volumes */
	bool own_grids;      /* the volumes need not share a grid */
};

struct sm_raw_cases {
	struct sm_raw_case *v; /* sorted by key */
	size_t n;
	size_t unmatched; /* paths that no pattern takes */
	json_t *dataset;  /* for the ledger's header, what the layout tells of the whole: labels,
			   * channels, files left out, "warnings"; NULL = nothing */
	struct sm_arena arena;
};

/* Finds cases by the manifest's sources; hidden files are never taken. A file belongs to the first
 * alternative of a pattern that fits it, a role to its first alternative that has a file in this
 * case; files of later ones go to `left`. SM_USAGE when a pattern without {case} meets several
 * cases, has {patient} without {case} or an empty alternative, SM_INPUT when two names give the
 * same key. A case's patient is what {patient} stood for; without it the part of a BraTS name since
 * 2023 (BraTS-GLI-00005-001) before the time point, else the key. A case whose files name two
 * patients gets a problem. Clear with sm_raw_cases_clear. */
enum sm_status sm_raw_cases_find(const struct sm_paths *paths, const struct sm_source *sources,
				 size_t n, struct sm_raw_cases *out, struct sm_err *err);

/* Finds BraTS cases (names of 2018-2021: NAME/NAME_flair.nii.gz; of 2023: NAME/NAME-t2f.nii.gz) at
 * any depth. Roles are flair, t1ce, t1, t2, seg. seg may be absent when no case has one. A case
 * without seg whose folder holds exactly one other file named *Segm.nii* takes that with a warning
 * (case 355 of BraTS2020). */
enum sm_status sm_raw_cases_brats(const struct sm_paths *paths, struct sm_raw_cases *out,
				  struct sm_err *err);
void sm_raw_cases_clear(struct sm_raw_cases *list);

/* The key of a name: letters, digits, '_', '-', '.' stay, anything else becomes '_'. In the arena;
 * NULL when out of memory, or for name NULL. */
char *sm_raw_key(struct sm_arena *arena, const char *name);

/* Sorts the cases by key; SM_INPUT when a key stands twice or is longer than 100 bytes. A
 * key that is reserved (core/file.h) becomes its case's problem. */
enum sm_status sm_raw_cases_sort(struct sm_raw_cases *list, struct sm_err *err);

/* Adds a sentence to the list's "warnings". */
enum sm_status sm_raw_cases_warn(struct sm_raw_cases *list, struct sm_err *err, const char *fmt,
				 ...) __attribute__((format(printf, 3, 4)));

/* By the name alone: .nii and .nii.gz; names that begin with a point, as macOS leaves them. */
bool sm_raw_is_nifti(const char *path);
bool sm_raw_is_hidden(const char *path);

/* What the placeholders of a pattern stood for. */
struct sm_names {
	char name[101], patient[101]; /* of {case} and {patient}; "" when the pattern has none */
};

/* True when path fits the pattern, in which '|' is a letter like others. A placeholder stands for
 * the shortest text without a slash that fits, the same wherever it stands, and for at most 100
 * bytes. */
bool sm_pattern_match(const char *pattern, const char *path, struct sm_names *out);

/* The number, from 0, of the first alternative of "A | B | C" that path fits; -1 for none. */
int sm_pattern_which(const char *pattern, const char *path, struct sm_names *out);

/* Steps through the alternatives: the next one without blanks around it, *n its length, not
 * terminated; NULL after the last. *rest begins as the pattern. */
const char *sm_pattern_part(const char **rest, size_t *n);

/* True when the first n bytes of part contain word. */
bool sm_pattern_has(const char *part, size_t n, const char *word);

#endif
