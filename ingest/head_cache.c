/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/head_cache.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"

/* magic, stamp, sizes of the structs, entries, SHA-256 of all before it. Structs stand as they are
 * in memory: the cache never leaves its machine, and another compiler's sizes do not fit. */
static const char magic[8] = "SMHEADS2";

struct preamble {
	char magic[8], stamp[64];
	uint64_t entry_size, frame_size, count;
};

struct sm_head_cache {
	unsigned char *bytes; /* sm_alloc memory */
	size_t n, count;
	size_t *at;           /* offset of each entry, which are sorted by path */
};

void sm_cached_name(struct sm_cached *entry, const char hex[65], const struct stat *st)
{
	static const char digits[] = "0123456789abcdef";
	for (int i = 0; i < 32; i++) {
		const char *high = strchr(digits, hex[2 * i]),
			   *low = strchr(digits, hex[2 * i + 1]);
		entry->path[i] = (unsigned char)((high ? high - digits : 0) * 16 +
						 (low ? low - digits : 0));
	}
	entry->size = st->st_size;
	entry->changed_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	entry->inode_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
	entry->inode = (uint64_t)st->st_ino;
}

void sm_head_cache_free(struct sm_head_cache *cache)
{
	if (!cache)
		return;
	sm_free(cache->bytes);
	free(cache->at);
	free(cache);
}

static bool whole(const unsigned char *bytes, size_t n, const char *stamp, struct preamble *p)
{
	char hex[65];
	if (n < sizeof *p + 64)
		return false;
	memcpy(p, bytes, sizeof *p);
	sm_sha256_bytes(bytes, n - 64, hex);
	return memcmp(p->magic, magic, sizeof magic) == 0 && memcmp(p->stamp, stamp, 64) == 0 &&
	       p->entry_size == sizeof(struct sm_cached) &&
	       p->frame_size == sizeof(struct sm_dcm_frame) &&
	       memcmp(bytes + n - 64, hex, 64) == 0 && p->count <= n / sizeof(struct sm_cached);
}

/* Offsets of the entries; false when they do not fill the bytes exactly. */
static bool index_entries(struct sm_head_cache *c)
{
	size_t at = sizeof(struct preamble), end = c->n - 64;
	for (size_t i = 0; i < c->count; i++) {
		struct sm_cached e;
		if (end - at < sizeof e)
			return false;
		c->at[i] = at;
		memcpy(&e, c->bytes + at, sizeof e);
		at += sizeof e;
		size_t frames = e.has_head ? e.head.frame_count : 0;
		if (frames > (end - at) / sizeof(struct sm_dcm_frame))
			return false;
		at += frames * sizeof(struct sm_dcm_frame);
	}
	return at == end;
}

enum sm_status sm_head_cache_load(const char *dir, const char *stamp, struct sm_head_cache **out,
				  struct sm_err *err)
{
	struct preamble p;
	struct sm_err why = {0};
	*out = NULL;
	char *path = sm_path_join(dir, SM_HEAD_CACHE_NAME);
	struct sm_head_cache *c = calloc(1, sizeof *c);
	if (!path || !c) {
		free(path);
		free(c);
		return SM_FAIL(err, SM_BUDGET, "index: out of memory");
	}
	enum sm_status st = sm_file_read(path, 0, NULL, &c->bytes, &c->n, &why);
	free(path);
	if (st == SM_OK && whole(c->bytes, c->n, stamp, &p)) {
		c->count = (size_t)p.count;
		c->at = calloc(c->count + 1, sizeof *c->at);
		if (c->at && index_entries(c)) {
			*out = c;
			return SM_OK;
		}
	}
	sm_head_cache_free(c);
	return SM_OK;
}

bool sm_head_cache_find(const struct sm_head_cache *cache, struct sm_cached *entry)
{
	size_t low = 0, high = cache ? cache->count : 0;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		struct sm_cached found;
		memcpy(&found, cache->bytes + cache->at[mid], sizeof found);
		int c = memcmp(entry->path, found.path, sizeof found.path);
		if (c < 0) {
			high = mid;
		} else if (c > 0) {
			low = mid + 1;
		} else {
			if (found.size != entry->size || found.changed_ns != entry->changed_ns ||
			    found.inode_ns != entry->inode_ns || found.inode != entry->inode)
				return false;
			*entry = found;
			if (!found.has_head)
				return true;
			size_t bytes = found.head.frame_count * sizeof(struct sm_dcm_frame);
			entry->head.syntax = sm_syntax_find(found.head.syntax_uid);
			entry->head.frame = malloc(bytes ? bytes : 1);
			if (entry->head.frame)
				memcpy(entry->head.frame,
				       cache->bytes + cache->at[mid] + sizeof found, bytes);
			return entry->head.frame != NULL;
		}
	}
	return false;
}

/* Where an entry stands in the cache. */
struct rank {
	unsigned char path[32];
	size_t i;
};

static int by_path(const void *a, const void *b)
{
	return memcmp(((const struct rank *)a)->path, ((const struct rank *)b)->path, 32);
}

/* A stream and the hash of what goes to it. */
struct sink {
	FILE *f;
	struct sm_sha256 hash;
	bool good;
};

static void put(struct sink *to, const void *bytes, size_t n)
{
	sm_sha256_add(&to->hash, bytes, n);
	to->good = to->good && (!n || fwrite(bytes, 1, n, to->f) == n);
}

static void put_entry(struct sink *to, struct sm_cached *e)
{
	const struct sm_dcm_frame *frame = e->head.frame;
	e->head.syntax = NULL;
	e->head.frame = NULL;
	put(to, e, sizeof *e);
	if (e->has_head && e->head.frame_count)
		put(to, frame, e->head.frame_count * sizeof *frame);
}

static enum sm_status write_entries(FILE *f, const char *stamp, const struct rank *ranks, size_t n,
				    sm_cached_of of, void *ctx, struct sm_err *err)
{
	struct preamble p = {.entry_size = sizeof(struct sm_cached),
			     .frame_size = sizeof(struct sm_dcm_frame),
			     .count = n};
	struct sink to = {.f = f, .good = true};
	char hex[65];
	memcpy(p.magic, magic, sizeof magic);
	memcpy(p.stamp, stamp, sizeof p.stamp);
	sm_sha256_init(&to.hash);
	put(&to, &p, sizeof p);
	for (size_t i = 0; i < n; i++) {
		struct sm_cached e;
		memset(&e, 0, sizeof e); /* with its padding: it is written as it stands */
		if (of(ctx, ranks[i].i, &e))
			put_entry(&to, &e);
	}
	sm_sha256_final(&to.hash, hex);
	bool good = to.good && fwrite(hex, 1, 64, f) == 64;
	return good ? SM_OK : SM_FAIL(err, SM_IO, SM_HEAD_CACHE_NAME ": writing failed");
}

enum sm_status sm_head_cache_save(const char *dir, const char *stamp, size_t n, sm_cached_of of,
				  void *ctx, struct sm_err *err)
{
	struct rank *ranks = malloc((n + 1) * sizeof *ranks);
	struct sm_outfile out = {0};
	char *path = sm_path_join(dir, SM_HEAD_CACHE_NAME);
	size_t kept = 0;
	enum sm_status st;
	if (!ranks || !path)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET,
				    "index: out of memory for the headers of %zu files", n));
	for (size_t i = 0; i < n; i++) {
		struct sm_cached e;
		memset(&e, 0, sizeof e);
		if (!of(ctx, i, &e))
			continue;
		memcpy(ranks[kept].path, e.path, sizeof ranks->path);
		ranks[kept++].i = i;
	}
	if (kept)
		qsort(ranks, kept, sizeof *ranks, by_path);
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	SM_GOTO(st, write_entries(out.stream, stamp, ranks, kept, of, ctx, err));
	st = sm_outfile_commit(&out, err);
out:
	sm_outfile_abandon(&out);
	free(ranks);
	free(path);
	return st;
}
