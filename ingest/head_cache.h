/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers kept between two runs of the index over the same tree: a file whose hashed path, size,
 * inode and times of change are those of the last run is not opened again. The time of the last
 * change of the inode counts beside that of the content, which a copy may have set back (cp -p,
 * rsync -t). The cache (`.heads.cache` beside the ledger) is no output: no ledger names it, it may
 * be deleted at any time, and one that is damaged or of another salt, rule or version is not used.
 * It holds what heads hold: hashes, no
 * identity. */
#ifndef SM_INGEST_HEAD_CACHE_H
#define SM_INGEST_HEAD_CACHE_H

#include <sys/stat.h>

#include "ingest/series/dcm_head.h"

#define SM_HEAD_CACHE_NAME ".heads.cache"

struct sm_head_cache; /* read-only after loading: any number of threads */

/* What one file of the tree turned out to be. */
struct sm_cached {
	unsigned char path[32];   /* salted hash of the path below the root */
	int64_t size, changed_ns; /* st_size, st_mtim */
	int64_t inode_ns;         /* st_ctim */
	uint64_t inode;           /* st_ino */
	int kind;                 /* enum sm_file_kind */
	char why[200];            /* of a broken file */
	bool has_head;
	struct sm_dcm_head head;  /* when has_head; frame points to frame_count frames */
};

/* Fills path, size, times and inode of an entry. hex: 64 digits. */
void sm_cached_name(struct sm_cached *entry, const char hex[65], const struct stat *st);

/* Loads DIR/.heads.cache; *out stays NULL when there is none that fits `stamp` (64 hex digits over
 * salt, rules and version). Only SM_BUDGET fails. */
enum sm_status sm_head_cache_load(const char *dir, const char *stamp, struct sm_head_cache **out,
				  struct sm_err *err);
void sm_head_cache_free(struct sm_head_cache *cache);

/* The entry with entry's path, size, times and inode; fills the rest of it, head.frame being fresh
 * malloc memory of the caller's. False when there is none or the memory for it. cache may be
 * NULL. */
bool sm_head_cache_find(const struct sm_head_cache *cache, struct sm_cached *entry);

/* Makes entry i, or returns false when there is nothing to keep of it; head.frame is borrowed. */
typedef bool (*sm_cached_of)(void *ctx, size_t i, struct sm_cached *entry);

/* Writes DIR/.heads.cache, in the order of the path hashes, from n entries, of which one is in
 * memory at a time: each is made twice. */
enum sm_status sm_head_cache_save(const char *dir, const char *stamp, size_t n, sm_cached_of of,
				  void *ctx, struct sm_err *err);

#endif
