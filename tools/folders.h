/* SPDX-License-Identifier: Apache-2.0
 *
 * The stages of a run as they stand on the disk: folders with a ledger, below a work folder or
 * named one by one, and which record of which of them made a file.
 */
#ifndef SM_TOOLS_FOLDERS_H
#define SM_TOOLS_FOLDERS_H

#include <stdbool.h>

#include "core/ledger.h"

struct sm_folder {
	char *dir;  /* owned; the ledger's own path when that was named */
	bool whole; /* stands in a work folder that was named as a whole */
	bool link;  /* and is a link there, which no stage makes */
	struct sm_ledger ledger; /* of sm_folders_load and sm_folders_open; else empty */
};

/* Zero-initialise; free with sm_folders_clear. */
struct sm_folders {
	struct sm_folder *v;
	size_t n, room;
	size_t own;  /* only the first so many are searched for items, the others were named for
			what these were made from; 0 = all */
	bool keep;       /* ledgers that were opened stay so: for many items of few stages */
	json_t *strange; /* sentences on what stands in a work folder, is called as a stage, and has
			    no ledger */
	json_t *closed;  /* {"stage", "why"} of folders there that are called as a stage and may not
			    be looked at */
};

/* Adds the stage's folder `path`, or, when it has no ledger, each folder directly in it that has
 * one, in order of names; a ledger file itself is taken too. Below a work folder, what has no
 * ledger that can be read is noted in `strange` or `closed` when it has a stage's name, and passed
 * over otherwise. SM_USAGE when there is no such folder, SM_INPUT when no stage has finished there,
 * SM_IO when it, or all that is in it, may not be looked at. */
enum sm_status sm_folders_add(struct sm_folders *f, const char *path, struct sm_err *err);

/* SM_IO with its sentence when the folder called as this stage (NULL: any) may not be looked at. */
enum sm_status sm_folders_need(const struct sm_folders *f, const char *stage, struct sm_err *err);
bool sm_folders_closed(const struct sm_folders *f, const char *stage);

/* Reads header and hash of all their ledgers. */
enum sm_status sm_folders_load(struct sm_folders *f, struct sm_err *err);

/* Opens the records of one of them, and closes those of all others (unless f->keep): one file is
 * open, however many stages there are. SM_INPUT when the ledger is another one than sm_folders_load
 * saw. */
enum sm_status sm_folders_open(struct sm_folders *f, const struct sm_folder *folder,
			       struct sm_err *err);
/* Closes the records that are open. */
void sm_folders_close(struct sm_folders *f);

void sm_folders_clear(struct sm_folders *f);

/* The stage's name in a ledger that was loaded. */
const char *sm_folder_stage(const struct sm_folder *folder);

/* The folder whose ledger is the parent `stage` of `child`: the one with the hash that the child's
 * header names; NULL when there is none. *stale (may be NULL) says that only another run of that
 * stage is there. */
const struct sm_folder *sm_folders_parent(const struct sm_folders *f, const struct sm_folder *child,
					  const char *stage, bool *stale);

#endif
