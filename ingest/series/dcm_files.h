/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a series and the hash that names them in a ledger.
 */
#ifndef SM_INGEST_SERIES_DCM_FILES_H
#define SM_INGEST_SERIES_DCM_FILES_H

#include "ingest/scan.h"

/* Each file once, in the order in which the series' slices name them. */
struct sm_series_files {
	size_t n;
	size_t *head;    /* index of the scan's header of each */
	size_t *at;      /* header -> place in `head`; room for all headers that the series names */
	char (*hex)[65]; /* SHA-256 of each file's bytes, "" = not yet known */
};

/* SM_BUDGET. Clear with sm_series_files_clear, also after a failure; hashes are empty. */
enum sm_status sm_series_files_list(const struct sm_series *series, struct sm_series_files *out,
				    struct sm_err *err);
void sm_series_files_clear(struct sm_series_files *files);

/* Hashes the files whose hash is not yet known, on up to jobs threads. SM_INPUT when one cannot be
 * read; the sentence names its alias. */
enum sm_status sm_series_files_hash(struct sm_series_files *files, const char *root,
				    const struct sm_scan *scan, const struct sm_salt *salt,
				    int jobs, struct sm_err *err);

/* SHA-256 over the hashes of all files. SM_BUDGET. */
enum sm_status sm_series_files_sum(const struct sm_series_files *files, char hex[65],
				   struct sm_err *err);

/* SHA-256 of a file below the raw tree. SM_INPUT when it cannot be read; the sentence calls it
 * `name`, because its path may name a person or the machine. */
enum sm_status sm_raw_file_sha256(const char *root, const char *path, const char *name,
				  char hex[65], struct sm_err *err);

#endif
