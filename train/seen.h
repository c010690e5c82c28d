/* SPDX-License-Identifier: Apache-2.0
 *
 * Which cases a network was trained on, as its checkpoint says: of each case's key the first eight
 * bytes of its SHA-256, so that no key has to be told. Whoever predicts can ask for one.
 */
#ifndef SM_TRAIN_SEEN_H
#define SM_TRAIN_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ledger.h"

struct sm_tiles_fold; /* loader.h */

struct sm_seen {
	uint64_t *v; /* ascending; owned */
	size_t n;
	bool known; /* false: of a file that does not say */
};

/* Fills an empty *seen with the good cases of the ledger of tile (or slice) that stand in the fold
 * of the split. The caller clears it. */
enum sm_status sm_seen_collect(const struct sm_ledger *tile, const struct sm_ledger *split,
			       const struct sm_tiles_fold *fold, struct sm_seen *seen,
			       struct sm_err *err);

/* Adds the case of this key; nothing when it is there already. */
enum sm_status sm_seen_add(struct sm_seen *seen, const char *key, struct sm_err *err);

/* Whether a case of this key is among them. */
bool sm_seen_has(const struct sm_seen *seen, const char *key);

/* As dataset `trained_on` of a checkpoint (file: its hid_t); nothing when it is not known. name
 * calls the file. */
enum sm_status sm_seen_write(int64_t file, const char *name, const struct sm_seen *seen,
			     struct sm_err *err);

/* Back into an empty *seen; SM_INPUT when it is damaged. The caller clears it. */
enum sm_status sm_seen_read(int64_t file, const char *name, struct sm_seen *seen,
			    struct sm_err *err);
void sm_seen_clear(struct sm_seen *seen);

#endif
