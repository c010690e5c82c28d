/* SPDX-License-Identifier: Apache-2.0
 *
 * Would the stage make the same again? Hashes tell whether files are what the ledger says; only
 * making them once more tells whether the ledger says the
 * truth. */
#ifndef SM_TOOLS_REDERIVE_H
#define SM_TOOLS_REDERIVE_H

#include <jansson.h>
#include <stdint.h>

#include "tools/folders.h"

struct sm_rederive_how {
	const char *manifest;
	const char *raw,
		*salt_file; /* of index and ingest; NULL = these two stages cannot be derived */
	const char *table;           /* of split, when its ledger names one */
	const char *scratch;         /* folder in which to make a folder; NULL = $TMPDIR or /tmp */
	int jobs;
	int64_t sample; /* items of a stage; 0 = all */
	uint64_t seed;  /* of the choice */
};

struct sm_rederived {
	size_t items;            /* of the stage */
	size_t derived, equal;   /* of them */
	char why_not[160];       /* "" = done */
	bool other_settings;     /* the manifest is not the one of then: items were not compared */
	json_t *complaints;      /* array of sentences; NULL when not done */
};

/* Runs the program of the folder's stage into a scratch folder, on all items or on a sample, with
 * the options that its ledger names, and compares the two ledgers: status, hash of every output and
 * every other fact of each item; settings and version always; what belongs to no item (config.json)
 * when all items were derived. index and split are always derived as a whole. Differences become
 * complaints. f must be loaded, and the folder open; it holds the parents. SM_IO when the scratch
 * folder or the program fails, SM_BUDGET. */
enum sm_status sm_rederive(const struct sm_rederive_how *how, const struct sm_folders *f,
			   const struct sm_folder *folder, struct sm_rederived *out,
			   struct sm_err *err);

void sm_rederived_clear(struct sm_rederived *r);

#endif
