/* SPDX-License-Identifier: Apache-2.0
 *
 * A raw tree, walked and classified by content: DICOM files with their headers, grouped into
 * series; NIfTI files; pictures; the rest. Only headers are read.
 */
#ifndef SM_INGEST_SCAN_H
#define SM_INGEST_SCAN_H

#include "core/file.h"
#include "core/log.h"
#include "ingest/series/dcm_series.h"
#include "ingest/salt.h"

enum sm_file_kind {
	SM_FILE_OTHER,
	SM_FILE_DICOM,
	SM_FILE_NIFTI,
	SM_FILE_PICTURE,
	SM_FILE_BROKEN, /* says that it is DICOM but cannot be read */
	SM_FILE_KINDS
};

/* "other", "dicom", "nifti", "picture", "broken" */
const char *sm_file_kind_name(enum sm_file_kind kind);

/* What tells that a file changed: see struct sm_cached. size -1 when it could not be looked at or
 * read: nothing is kept of it then. */
struct sm_stamp {
	int64_t size, changed_ns, inode_ns;
	uint64_t inode;
};

struct sm_scan {
	struct sm_paths paths;   /* sorted, relative to the root */
	enum sm_file_kind *kind; /* one a path */
	struct sm_stamp *stamp;  /* one a path: what the file was before it was read */
	size_t opened;           /* files that the cache did not know */
	size_t count[SM_FILE_KINDS];
	size_t *dicom;            /* paths' indices of the DICOM files, in order of paths */
	struct sm_dcm_head *head; /* their headers; owned */
	size_t dicom_count;
	size_t *broken;             /* paths' indices of the broken ones */
	char (*broken_why)[200];    /* a sentence each that names no file */
	struct sm_series_list list; /* members are indices into head and dicom */
	struct sm_arena arena;
	const char **series_key; /* of each series: "ct-3fa2c1d2e4b5", with its name when it has one
				  * ("mr-3fa2c1d2e4b5-e2") */
	const char **series_patient; /* of each series: "p3fa2c1d2e4b5" */
	/* Of each series: "study" or "series" when it has no PatientID and its patient was made
	 * from that UID; else NULL. Static. */
	const char **patient_from;
};

/* What the manifest asks for. */
struct sm_scan_rules {
	struct sm_head_rules head;
	struct sm_series_rules series;
	const char *cache_dir; /* of a cache of headers (see head_cache.h) to read; NULL = none */
};

/* Warns of what a walk left out, and of what it could not look at: counts only, no names. */
void sm_scan_tell_left_out(struct sm_log *log, const struct sm_paths *paths);

/* Walks root, reads every header on up to `jobs` threads, groups. The result does not depend on
 * jobs. Fails only when the tree cannot be walked or memory runs out. Clear with sm_scan_clear. */
enum sm_status sm_scan_tree(const char *root, const struct sm_salt *salt,
			    const struct sm_scan_rules *rules, int jobs, struct sm_log *log,
			    struct sm_scan *out, struct sm_err *err);
void sm_scan_clear(struct sm_scan *scan);

/* Writes the headers of this scan to DIR/.heads.cache for the next one with the same salt and
 * rules. */
enum sm_status sm_scan_keep_heads(const struct sm_scan *scan, const struct sm_salt *salt,
				  const struct sm_scan_rules *rules, const char *dir,
				  struct sm_err *err);

/* The file behind a header: path relative to the root. It may name a person: for opening only. */
const char *sm_scan_path(const struct sm_scan *scan, size_t head);

/* Tells what the first n bytes of a file are (n up to 512, fewer only when the file is shorter). A
 * DICOM file without preamble is SM_FILE_DICOM too when its first element looks like one. */
enum sm_file_kind sm_file_kind_of(const unsigned char *bytes, size_t n, const char *name);

#endif
