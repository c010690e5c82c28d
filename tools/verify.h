/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a stage's folder still hold what its ledger says? Every output is read and hashed again, by
 * the identity that core/hash.h defines, so that a recompressed file with the same content is
 * good and a single changed byte of content is not.
 */
#ifndef SM_TOOLS_VERIFY_H
#define SM_TOOLS_VERIFY_H

#include <stdbool.h>

#include "core/ledger.h"
#include "core/mem.h"
#include "tools/folders.h"

/* One stage's folder. Zero-initialise but for dir, which is borrowed, and whole. */
struct sm_verify {
	const char *dir;
	bool whole; /* stands in a work folder that is looked at as a whole: its parents must be
		       there */
	struct sm_ledger ledger;
	size_t outputs;     /* named by the ledger */
	size_t rejected;    /* records without outputs */
	size_t bytes;       /* on disk */
	json_t *complaints; /* array of sentences, in the order of the ledger */
};

/* Reads the ledger and checks everything inside the folder: each output is there and has its hash
 * (up to jobs threads), no path leaves the folder, the settings have their hash, no file stands
 * there that the ledger does not name. Differences become complaints; fails only when the ledger
 * itself cannot be read (SM_INPUT) or memory is short. */
enum sm_status sm_verify_folder(struct sm_verify *v, struct sm_mem *mem, int jobs,
				struct sm_err *err);

/* Adds a complaint to v for each parent whose folder is among all (loaded) with another ledger
 * hash, or is missing there though v->whole. */
void sm_verify_parents(struct sm_verify *v, const struct sm_folders *all);

/* Adds a sentence to an array of sentences; characters that steer a terminal become '?'. */
void sm_complain(json_t *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void sm_verify_clear(struct sm_verify *v);

#endif
