/* SPDX-License-Identifier: Apache-2.0 */
#include "core/reuse.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/journal.h"
#include "core/sums.h"

/* Every program that reads a folder of ours checks its content; but libhdf5 is not proof against
 * damaged files: those are parsed only when their bytes are known. */
static bool is_hdf5(const char *path)
{
	return sm_ends_with(path, ".h5") || sm_ends_with(path, ".hdf5");
}

/* hex becomes the hash of the bytes; true when it is `known` (may be NULL). */
static bool same_bytes(const char *full, const char *known, char hex[65])
{
	return sm_sha256_file(full, hex, NULL) == SM_OK && known && strcmp(hex, known) == 0;
}

/* hex is the hash of the bytes. */
static bool same_content(const struct sm_item *item, const char *full, const char *identity,
			 const char *hex)
{
	char content[65];
	if (sm_content_is_bytes(full))
		return strcmp(hex, identity) == 0;
	return sm_content_sha256(full, &item->run->mem, content, NULL) == SM_OK &&
	       strcmp(content, identity) == 0;
}

static bool output_holds(struct sm_item *item, const char *path, const char *identity,
			 const char *known)
{
	char hex[65];
	/* A link may lead to anybody's file. */
	if (!path || !identity || !known || !sm_file_is_own(item->run->out, path))
		return false;
	char *full = sm_path_join(item->run->out, path);
	bool same = full && same_bytes(full, known, hex) &&
		    same_content(item, full, identity, hex) &&
		    sm_item_file_hash(item, path, hex, NULL) == SM_OK;
	free(full);
	return same;
}

/* An input from another stage's folder, as {dir, path, sha256}: its ledger says what it shall be,
 * which says nothing of the file. */
static bool input_holds(const struct sm_item *item, const json_t *input)
{
	const char *dir = sm_json_text(input, "dir"), *path = sm_json_text(input, "path");
	const char *identity = sm_json_text(input, "sha256");
	if (!dir || !path || !identity)
		return false;
	char *full = sm_path_join(dir, path), hex[65], known[65];
	const struct sm_parent *parent = item->run->parents;
	while (parent && strcmp(parent->dir, dir) != 0)
		parent = parent->next;
	bool listed = parent && sm_sums_find(parent->sums, path, known);
	bool same = full && sm_file_exists(full);
	if (same && !same_bytes(full, listed ? known : NULL, hex))
		same = !is_hdf5(path) && same_content(item, full, identity, hex);
	free(full);
	return same;
}

bool sm_reuse_fits(struct sm_item *item, const json_t *earlier)
{
	const char *now = sm_json_text(item->record, "fingerprint");
	const char *then = sm_json_text(earlier, "fingerprint");
	/* A rejected item is looked at again: it costs little, and its reason may lie outside its
	 * inputs (the memory budget). */
	bool same = now && then && strcmp(now, then) == 0 && sm_record_ok(earlier);
	size_t i;
	json_t *file, *bytes = same ? sm_journal_bytes(item->run->journal, item->key) : NULL;
	json_array_foreach(json_object_get(earlier, "outputs"), i, file)
	{
		const char *path = sm_json_text(file, "path");
		same = same && output_holds(item, path, sm_json_text(file, "sha256"),
					    path ? sm_json_text(bytes, path) : NULL);
	}
	json_decref(bytes);
	json_array_foreach(item->from, i, file)
		same = same && input_holds(item, file);
	if (!same) {
		json_decref(item->file_hashes); /* they are going to be other files */
		item->file_hashes = NULL;
	}
	return same;
}

/* Where the bytes of an output are now: under the temporary name until the item has settled. *at:
 * where to begin to look for it, since both lists have the same order as a rule. */
static const char *place_now(const struct sm_outset *files, const char *full, size_t *at)
{
	for (size_t i = 0; i < files->n; i++) {
		const struct sm_outfile *f = &files->file[(*at + i) % files->n];
		if (strcmp(f->path, full) != 0)
			continue;
		*at = (*at + i + 1) % files->n;
		return f->temp;
	}
	return full;
}

static enum sm_status note(struct sm_item *item, const char *path, const char *identity, size_t *at,
			   struct sm_err *err)
{
	char hex[65];
	if (sm_json_text(item->file_hashes, path))
		return SM_OK;
	if (sm_content_is_bytes(path) && identity && strlen(identity) == 64)
		return sm_item_file_hash(item, path, identity, err);
	char *full = sm_path_join(item->run->out, path);
	enum sm_status st = full ? sm_sha256_file(place_now(&item->files, full, at), hex, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	free(full);
	return st == SM_OK ? sm_item_file_hash(item, path, hex, err) : st;
}

enum sm_status sm_reuse_note(struct sm_item *item, struct sm_err *err)
{
	size_t i, at = 0;
	json_t *output;
	json_array_foreach(json_object_get(item->record, "outputs"), i, output)
	{
		const char *path = sm_json_text(output, "path");
		if (path)
			SM_TRY(note(item, path, sm_json_text(output, "sha256"), &at, err));
	}
	return SM_OK;
}

enum sm_status sm_reuse_parent(struct sm_run *run, const struct sm_ledger *parent, const char *dir,
			       struct sm_err *err)
{
	bool partial;
	struct sm_parent *p = sm_arena_alloc(&run->arena, sizeof *p);
	if (!p)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	*p = (struct sm_parent){
		.dir = dir, .records = sm_records_share(parent->records), .next = run->parents};
	run->parents = p;
	if (!run->resume || !run->journal || !sm_journal_found(run->journal, &partial))
		return SM_OK;
	/* Without a list that belongs to the ledger the content is looked at. */
	if (sm_sums_open(dir, &p->sums, NULL) == SM_OK &&
	    strcmp(sm_sums_ledger(p->sums), parent->sha256) != 0) {
		sm_sums_close(p->sums);
		p->sums = NULL;
	}
	return SM_OK;
}

enum sm_status sm_reuse_check(const struct sm_run *run, struct sm_err *err)
{
	for (const struct sm_parent *p = run->parents; p; p = p->next)
		SM_TRY(sm_records_check(p->records, err));
	return sm_records_check(run->ledger.records, err);
}

void sm_reuse_clear(struct sm_run *run)
{
	for (struct sm_parent *p = run->parents; p; p = p->next) {
		sm_records_free(p->records);
		sm_sums_close(p->sums);
	}
	run->parents = NULL;
}
