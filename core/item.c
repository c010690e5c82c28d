/* SPDX-License-Identifier: Apache-2.0
 *
 * The items of a stage: reuse, work, rejection, record (see core/stage.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/journal.h"
#include "core/par.h"
#include "core/reuse.h"
#include "core/settle.h"
#include "core/stage.h"

static enum sm_status add_file(struct sm_item *item, const char *list, const char *role,
			       const char *path, const char *sha256, struct sm_err *err)
{
	json_t *array = json_object_get(item->record, list);
	json_t *file = json_object();
	if (!array) {
		array = json_array();
		json_object_set_new(item->record, list, array);
	}
	/* json_string is NULL for text that is not UTF-8: such a path cannot stand in a ledger. */
	json_t *text = json_string(path);
	if (!text || !file || !array) {
		json_decref(text);
		json_decref(file);
		return SM_FAIL(err, SM_INPUT, "%s: file name is not UTF-8", path);
	}
	json_object_set_new(file, "path", text);
	json_object_set_new(file, "role", json_string(role));
	json_object_set_new(file, "sha256", json_string(sha256));
	json_array_append_new(array, file);
	return SM_OK;
}

enum sm_status sm_item_input(struct sm_item *item, const char *role, const char *path,
			     const char *sha256, struct sm_err *err)
{
	return add_file(item, "inputs", role, path, sha256, err);
}

enum sm_status sm_item_input_from(struct sm_item *item, const char *dir, const char *role,
				  const char *path, const char *sha256, struct sm_err *err)
{
	SM_TRY(sm_item_input(item, role, path, sha256, err));
	if (!item->may_keep)
		return SM_OK;
	if (!item->from)
		item->from = json_array();
	json_t *file = json_pack("{s:s, s:s, s:s}", "dir", dir, "path", path, "sha256", sha256);
	if (!file || json_array_append_new(item->from, file) != 0)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	return SM_OK;
}

enum sm_status sm_item_output(struct sm_item *item, const char *role, const char *path,
			      const char *sha256, struct sm_err *err)
{
	return add_file(item, "outputs", role, path, sha256, err);
}

enum sm_status sm_item_file_hash(struct sm_item *item, const char *path, const char *sha256,
				 struct sm_err *err)
{
	if (!item->file_hashes)
		item->file_hashes = json_object();
	if (!item->file_hashes ||
	    json_object_set_new(item->file_hashes, path, json_string(sha256)) != 0)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	return SM_OK;
}

bool sm_item_defer_inputs(struct sm_item *item)
{
	item->deferred = item->may_defer;
	return item->deferred;
}

void sm_item_warn(struct sm_item *item, const char *fmt, ...)
{
	char text[SM_ERR_TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	json_t *list = json_object_get(item->record, "warnings");
	if (!list) {
		list = json_array();
		json_object_set_new(item->record, "warnings", list);
	}
	json_array_append_new(list, json_string_nocheck(text));
	sm_warn(&item->run->log, item->key, "%s", text);
}

/* Hash of all that decides an item's outputs: the stage and its settings, the inputs. */
static void set_fingerprint(struct sm_item *item)
{
	json_t *all = json_object();
	json_object_set(all, "settings", json_object_get(item->run->ledger.header, "settings"));
	json_object_set(all, "stage", json_object_get(item->run->ledger.header, "stage"));
	json_object_set(all, "version", json_object_get(item->run->ledger.header, "version"));
	json_object_set(all, "inputs", json_object_get(item->record, "inputs"));
	json_object_set_new(all, "key", json_string(item->key));
	char *line = sm_json_line(all), hex[65];
	sm_sha256_bytes(line ? line : "", line ? strlen(line) : 0, hex);
	free(line);
	json_decref(all);
	json_object_set_new(item->record, "fingerprint", json_string(hex));
}

/* Takes a folder off the paths of a sentence that start with it: a ledger holds no place of a
 * machine. A folder starts with '/', './' or '../' (see core/stage.c), as no path relative to it
 * does: those stay whole. */
static void cut_folder(char *text, const char *folder)
{
	size_t n = folder ? strlen(folder) : 0;
	while (n && folder[n - 1] == '/')
		n--;
	for (char *p = text; n && (p = strstr(p, folder));) {
		bool starts = p == text || strchr(" ('\"", p[-1]);
		if (starts && p[n] == '/')
			memmove(p, p + n + 1, strlen(p + n + 1) + 1);
		else
			p++;
	}
}

/* The folders of the command line: --in, --out and the stage's own options that are paths. */
static void cut_folders(char *text, const struct sm_run *run)
{
	const struct sm_fieldset *set = run->stage->options;
	cut_folder(text, run->in);
	cut_folder(text, run->out);
	for (size_t i = 0; set && i < set->count; i++)
		if (set->fields[i].path && set->fields[i].kind == SM_F_STRING)
			cut_folder(text, *(char *const *)((const char *)run->options +
							  set->fields[i].offset));
}

/* What the work function wrote before it failed belongs to no good item. */
static void remove_outputs(struct sm_item *item)
{
	size_t i;
	json_t *output;
	sm_outset_abandon(&item->files);
	json_array_foreach(json_object_get(item->record, "outputs"), i, output)
	{
		char *full = sm_path_join(item->run->out, sm_json_text(output, "path"));
		if (full)
			unlink(full);
		free(full);
	}
}

static void reject(struct sm_item *item, struct sm_err *why)
{
	remove_outputs(item);
	cut_folders(why->text, item->run);
	json_object_del(item->record, "outputs");
	json_object_set_new(item->record, "status", json_string("rejected"));
	json_object_set_new(item->record, "code", json_string(sm_status_name(why->code)));
	json_object_set_new(item->record, "reason", json_string_nocheck(why->text));
	sm_error(&item->run->log, item->key, "rejected: %s", why->text);
}

struct loop {
	struct sm_run *run;
	const struct sm_items *items;
	size_t *order;  /* in which the items are begun */
	size_t n;       /* of them: all, or those of --only */
	bool *deferred; /* did not fit into the budget beside others: tried again alone */
	bool alone;
	int outer; /* items at once */
	size_t reused, done, rejected;
	size_t refused; /* in a dry run: items that would be rejected */
	struct sm_progress progress;
	struct sm_settler *settler; /* NULL: items are not journalled */
	pthread_mutex_t lock;
};

static void finished(struct loop *loop, bool reused)
{
	pthread_mutex_lock(&loop->lock);
	loop->reused += reused;
	size_t done = ++loop->done;
	pthread_mutex_unlock(&loop->lock);
	sm_progress_set(&loop->progress, done, NULL);
}

/* Threads for the item that is begun as number `at`. The last items get twice their share: when the
 * others end first, both cores of a small machine still have work, and the system sees to the
 * rest. */
static int inner_jobs(const struct loop *loop, size_t at)
{
	int jobs = loop->run->jobs;
	if (loop->alone)
		return 1;
	if (loop->n - at <= 4 * (size_t)loop->outer)
		jobs = loop->outer > 1 ? 2 * jobs : jobs;
	return jobs / loop->outer;
}

static json_t *new_record(const char *key)
{
	json_t *record = json_object();
	json_object_set_new(record, "key", json_string(key));
	json_object_set_new(record, "status", json_string("ok"));
	return record;
}

/* The record of an item shall not depend on when its inputs were hashed: what failed stands in it
 * as if they had been hashed first. */
static enum sm_status settle_inputs(const struct loop *loop, size_t i, struct sm_item *item,
				    enum sm_status st, struct sm_err *err)
{
	struct sm_item first = *item;
	struct sm_err why = {0};
	if (json_object_get(item->record, "inputs")) {
		set_fingerprint(item);
		return st;
	}
	first.may_defer = first.may_keep = first.deferred = false;
	first.record = new_record(item->key);
	enum sm_status got = first.record ? loop->items->inputs(loop->items->ctx, i, &first, &why)
					  : SM_FAIL(&why, SM_BUDGET, "out of memory");
	if (got == SM_OK) {
		json_object_set(item->record, "inputs", json_object_get(first.record, "inputs"));
		json_decref(first.record);
		set_fingerprint(item);
		return st;
	}
	remove_outputs(item);
	json_decref(item->record);
	item->record = first.record;
	*err = why;
	return got;
}

/* True when an earlier run's record takes the item's place. */
static bool reuse(struct sm_item *item, json_t *earlier)
{
	if (!earlier || !sm_reuse_fits(item, earlier))
		return false;
	json_decref(item->record);
	item->record = json_incref(earlier);
	return true;
}

/* All that a dry run does of an item. */
static enum sm_status foresee(struct loop *loop, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_run *run = loop->run;
	struct sm_err why = {0};
	enum sm_status st = loop->items->foresee
				    ? loop->items->foresee(loop->items->ctx, i, item, &why)
				    : SM_OK;
	if (st != SM_OK && st != SM_INPUT) {
		*err = why;
		return st;
	}
	if (st == SM_OK) {
		sm_info(&run->log, item->key, "would be made");
	} else {
		cut_folders(why.text, run);
		sm_warn(&run->log, item->key, "would be refused: %s", why.text);
		pthread_mutex_lock(&loop->lock);
		loop->refused++;
		pthread_mutex_unlock(&loop->lock);
	}
	finished(loop, false);
	return SM_OK;
}

static enum sm_status keep_record(struct loop *loop, const struct sm_item *item, struct sm_err *err)
{
	pthread_mutex_lock(&loop->lock);
	loop->rejected += !sm_record_ok(item->record);
	pthread_mutex_unlock(&loop->lock);
	return sm_records_add(loop->run->ledger.records, item->record, item->file_hashes, err);
}

/* Declares, reuses or works. *done: nothing is left to do. `earlier`: the record of an earlier run,
 * or NULL. */
static enum sm_status make_item(struct loop *loop, size_t i, struct sm_item *item, json_t *earlier,
				bool *done, struct sm_err *err)
{
	const struct sm_items *items = loop->items;
	struct sm_run *run = loop->run;
	item->may_defer = !earlier && !run->dry_run;
	item->may_keep = earlier;
	if (!items->writes_nothing && !run->dry_run && sm_key_is_reserved(item->key))
		return SM_FAIL(
			err, SM_INPUT,
			"the name %s ends as those of the stages' own files do (" SM_KEYS_RESERVED
			"): allowed are other names",
			item->key);
	if (items->inputs)
		SM_TRY(items->inputs(items->ctx, i, item, err));
	if (!item->deferred)
		set_fingerprint(item);
	*done = reuse(item, earlier);
	if (*done) {
		finished(loop, true);
		return keep_record(loop, item, err);
	}
	if (run->dry_run && !items->writes_nothing) {
		*done = true;
		SM_TRY(foresee(loop, i, item, err));
		return keep_record(loop, item, err);
	}
	enum sm_status st = items->work(items->ctx, i, item, err);
	if (!item->deferred || (st == SM_BUDGET && !loop->alone))
		return st;
	if (st != SM_OK && st != SM_INPUT && st != SM_BUDGET)
		return st;
	return settle_inputs(loop, i, item, st, err);
}

/* The files and the record of an item that is done, to the disk. */
static enum sm_status settle_item(struct loop *loop, struct sm_item *item, struct sm_err *err)
{
	if (loop->run->journal)
		SM_TRY(sm_reuse_note(item, err));
	SM_TRY(keep_record(loop, item, err));
	return loop->settler
		       ? sm_settler_add(loop->settler, &item->files, json_incref(item->record),
					json_incref(item->file_hashes), err)
		       : sm_outset_commit(&item->files, err);
}

/* Works, rejects, settles. */
static enum sm_status finish_item(struct loop *loop, size_t i, struct sm_item *item,
				  struct sm_err *err)
{
	bool done = false, may_keep = loop->run->resume && loop->run->journal;
	json_t *earlier = may_keep ? sm_journal_find(loop->run->journal, item->key) : NULL;
	enum sm_status st = make_item(loop, i, item, earlier, &done, err);
	json_decref(earlier);
	if (done)
		return st;
	if (st == SM_BUDGET && !loop->alone) {
		/* Whether it fits beside others or on many threads depends on --jobs; whether it
		 * fits alone on one thread does not. */
		loop->deferred[i] = true;
		return SM_OK;
	}
	if (st == SM_INPUT || st == SM_BUDGET) {
		/* What a parent's ledger no longer tells is not the item's fault. */
		SM_TRY(sm_reuse_check(loop->run, err));
		err->code = st;
		reject(item, err);
		if (loop->run->strict) /* the sentence stands in the log already */
			return SM_FAIL(err, st, "%s: rejected, and --strict stops at the first",
				       item->key);
		st = SM_OK;
	}
	if (st == SM_OK)
		st = settle_item(loop, item, err);
	finished(loop, false);
	return st;
}

static enum sm_status one_item(void *ctx, size_t at, struct sm_err *err)
{
	struct loop *loop = ctx;
	size_t i = loop->order[at];
	struct sm_run *run = loop->run;
	struct sm_item item = {
		.run = run,
		.key = loop->items->key(loop->items->ctx, i),
		.jobs = inner_jobs(loop, at),
	};
	if (!item.key || !sm_key_is_safe(item.key))
		return SM_FAIL(err, SM_INTERNAL, "item %zu has no usable key", i);
	item.record = new_record(item.key);
	if (!item.record)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	enum sm_status st = finish_item(loop, i, &item, err);
	sm_outset_abandon(&item.files);
	json_decref(item.record);
	json_decref(item.file_hashes);
	json_decref(item.from);
	return st;
}

struct weighed {
	double weight;
	size_t i;
};

static int by_weight(const void *a, const void *b)
{
	const struct weighed *x = a, *y = b;
	if (x->weight != y->weight)
		return x->weight < y->weight ? 1 : -1;
	return (x->i > y->i) - (x->i < y->i);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Where the item stands among those of --only; only_count when it is none of them. */
static size_t place_in_only(const struct sm_run *run, const char *key)
{
	const char *const *at =
		key ? bsearch(&key, run->only, run->only_count, sizeof *run->only, by_text) : NULL;
	return at ? (size_t)(at - run->only) : run->only_count;
}

/* The items to work on, heaviest first. */
static enum sm_status choose_items(const struct sm_run *run, const struct sm_items *items,
				   struct loop *loop, struct sm_err *err)
{
	size_t room = items->count ? items->count : 1;
	struct weighed *w = calloc(room, sizeof *w);
	bool *found = calloc(run->only_count + 1, sizeof *found);
	enum sm_status st = SM_OK;
	loop->order = calloc(room, sizeof *loop->order);
	if (!w || !found || !loop->order) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", run->stage->name);
		goto out;
	}
	for (size_t i = 0; i < items->count; i++) {
		size_t at = run->only_count ? place_in_only(run, items->key(items->ctx, i)) : 0;
		if (run->only_count && at == run->only_count)
			continue;
		found[at] = true;
		w[loop->n++] =
			(struct weighed){items->weight ? items->weight(items->ctx, i) : 0, i};
	}
	qsort(w, loop->n, sizeof *w, by_weight);
	for (size_t i = 0; i < loop->n; i++)
		loop->order[i] = w[i].i;
	for (size_t i = 0; st == SM_OK && i < run->only_count; i++)
		if (!found[i])
			st = SM_FAIL(err, SM_USAGE,
				     "--only: found '%.100s', none of the %zu %s has that key",
				     run->only[i], items->count, items->noun);
out:
	free(found);
	free(w);
	return st;
}

enum sm_status sm_run_items(struct sm_run *run, const struct sm_items *items, struct sm_err *err)
{
	size_t n = items->count;
	struct loop loop = {
		.run = run,
		.items = items,
		.deferred = calloc(n ? n : 1, sizeof(bool)),
		.alone = run->jobs <= 1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	enum sm_status st = choose_items(run, items, &loop, err);
	if (st == SM_OK && !loop.deferred)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", run->stage->name);
	if (st != SM_OK) {
		free(loop.order);
		free(loop.deferred);
		return st;
	}
	n = loop.n;
	loop.outer = n < (size_t)run->jobs ? (int)n : run->jobs;
	st = sm_run_begin(run, err);
	/* What writes nothing is cheaper to do again than to sync to the disk. */
	if (st == SM_OK && run->journal && !run->dry_run && !items->writes_nothing)
		st = sm_settler_begin(run->journal, &loop.settler, err);
	sm_progress_begin(&loop.progress, &run->log, items->noun, n);
	if (st == SM_OK)
		st = sm_par_for(n, run->jobs, one_item, &loop, err);
	loop.alone = true;
	for (size_t i = 0; st == SM_OK && i < n; i++)
		if (loop.deferred[loop.order[i]])
			st = one_item(&loop, i, err);
	if (st == SM_OK)
		st = sm_settler_end(loop.settler, err);
	else
		sm_settler_end(loop.settler, NULL);
	sm_progress_end(&loop.progress);
	sm_records_sort(run->ledger.records);
	free(loop.order);
	free(loop.deferred);
	pthread_mutex_destroy(&loop.lock);
	run->rejected += loop.rejected + (items->dry_code ? loop.refused : 0);
	/* "1 case", "2 cases" */
	int noun = (int)strlen(items->noun) - (n == 1 && sm_ends_with(items->noun, "s"));
	if (st == SM_OK && run->dry_run && !items->writes_nothing)
		sm_info(&run->log, NULL,
			"%zu %.*s: %zu would be made, %zu would be refused, %zu would be kept from "
			"an earlier run",
			n, noun, items->noun, n - loop.refused - loop.reused, loop.refused,
			loop.reused);
	else if (st == SM_OK)
		sm_info(&run->log, NULL,
			"%zu %.*s: %zu %s, %zu rejected, %zu reused from an earlier run", n, noun,
			items->noun, n - loop.rejected,
			items->good_word ? items->good_word : "good", loop.rejected, loop.reused);
	/* All are named, though the run would stop at the first. */
	if (st == SM_OK && run->strict && items->dry_code && loop.refused)
		st = SM_FAIL(err, SM_INPUT,
			     "%zu %.*s would be refused, and --strict stops at the first",
			     loop.refused, noun, items->noun);
	return st;
}
