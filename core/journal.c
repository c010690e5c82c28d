/* SPDX-License-Identifier: Apache-2.0 */
#include "core/journal.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/ledger.h"
#include "core/sums.h"

/* They end in .partial: no walk of the folder shows them. */
#define NAME ".journal.partial"
#define NEW_NAME ".journal-new.partial"

/* A line {"intended": [paths]} has names that files may have without a record. */
#define INTENDED "intended"

/* Key under which the header of the earlier ledger is kept, for its outputs. No item has it. */
#define HEADER ""

/* A line {"bytes": {path: hash}} has those of outputs. */
#define BYTES "bytes"

struct sm_journal {
	char *dir, *path, *new_path, *ledger;
	const char *stage;
	FILE *stream;
	json_t *earlier; /* key -> record */
	json_t *bytes;   /* path -> hash of the bytes: of earlier runs, and of records not added yet */
	json_t *intended; /* path -> true: of earlier runs, perhaps without a record */
	bool found;      /* a ledger or a journal stood there */
	struct timespec synced;
	pthread_mutex_t lock;
};

/* Of an array of paths. */
static void note_paths(json_t *set, const json_t *paths)
{
	size_t k;
	json_t *path;
	json_array_foreach(paths, k, path)
		if (json_is_string(path))
			json_object_set_new(set, json_string_value(path), json_true());
}

static void note_outputs(json_t *set, const json_t *record)
{
	size_t k;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), k, output)
	{
		const char *path = sm_json_text(output, "path");
		if (path)
			json_object_set_new(set, path, json_true());
	}
}

/* A later record counts; the files of the one before it (other settings, say) must stay known to the sweep. */
static void replace(struct sm_journal *j, const char *key, json_t *record)
{
	note_outputs(j->intended, json_object_get(j->earlier, key));
	json_object_set(j->earlier, key, record);
}

/* Adds the records among the lines of a file; lines that are no record (a cut end) are passed over: the
 * journal is our own scratch, and a lost line only means work done again. The stage that wrote the
 * file stands in its first line. */
static enum sm_status load(struct sm_journal *j, const char *path, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	FILE *f = fopen(path, "rb");
	char *line = NULL;
	size_t room = 0;
	if (!f && errno == ENOENT)
		return SM_OK;
	if (!f)
		return SM_FAIL(err, SM_IO, "%s: cannot be opened: %s", path, strerror(errno));
	while (st == SM_OK && getline(&line, &room, f) > 0) {
		json_t *value = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		const char *stage = sm_json_text(value, "stage"), *key = sm_record_key(value);
		if (stage && strcmp(stage, j->stage) != 0)
			st = SM_FAIL(err, SM_USAGE,
				     "--out: %s holds outputs of stage '%s', allowed is a new folder or one of "
				     "stage '%s'",
				     j->dir, stage, j->stage);
		else if (stage)
			replace(j, HEADER, value);
		else if (key && sm_json_text(value, "status"))
			replace(j, key, value);
		json_object_update(j->bytes, json_object_get(value, BYTES));
		note_paths(j->intended, json_object_get(value, INTENDED));
		j->found = true;
		json_decref(value);
	}
	free(line);
	fclose(f);
	return st;
}

/* Takes the list of bytes over when it belongs to the ledger. */
static void load_sums(struct sm_journal *j)
{
	char hex[65];
	json_t *sums = NULL;
	if (sm_sums_read(j->dir, &sums, NULL) != SM_OK)
		return;
	const char *listed = sm_json_text(sums, SM_LEDGER_NAME);
	if (listed && sm_sha256_file(j->ledger, hex, NULL) == SM_OK && strcmp(hex, listed) == 0) {
		json_object_del(sums, SM_LEDGER_NAME);
		json_object_update(j->bytes, sums);
	}
	json_decref(sums);
}

/* What may stand there without a ledger: a temporary file, a cache or the list of bytes. They are ours. */
static bool is_own(const char *name)
{
	return strcmp(name, SM_SUMS_NAME) == 0 ||
	       (name[0] == '.' && (sm_ends_with(name, ".partial") || sm_ends_with(name, ".cache")));
}

/* SM_USAGE when the folder has anything else. */
static enum sm_status check_empty(const char *dir, const char *stage, struct sm_err *err)
{
	DIR *d = opendir(dir);
	bool any = false;
	if (!d)
		return SM_FAIL(err, SM_IO, "%s: folder cannot be read: %s", dir, strerror(errno));
	for (struct dirent *e; !any && (e = readdir(d));)
		any = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		      !is_own(e->d_name);
	closedir(d);
	return any ? SM_FAIL(err, SM_USAGE,
			     "--out: %s holds files but no " SM_LEDGER_NAME
			     ", allowed is a new folder or one of stage '%s'",
			     dir, stage)
		   : SM_OK;
}

static bool append(struct sm_journal *j, const json_t *record)
{
	char *line = sm_json_line(record);
	bool good = line && fprintf(j->stream, "%s\n", line) > 0;
	free(line);
	return good;
}

enum sm_status sm_journal_open(const char *dir, const char *stage, struct sm_journal **out,
			       struct sm_err *err)
{
	struct sm_journal *j = calloc(1, sizeof *j);
	*out = NULL;
	if (!j)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	pthread_mutex_init(&j->lock, NULL);
	j->stage = stage;
	j->dir = sm_strf("%s", dir);
	j->path = sm_path_join(dir, NAME);
	j->new_path = sm_path_join(dir, NEW_NAME);
	j->ledger = sm_path_join(dir, SM_LEDGER_NAME);
	j->earlier = json_object();
	j->intended = json_object();
	j->bytes = json_object();
	enum sm_status st = SM_OK;
	if (!j->dir || !j->path || !j->new_path || !j->ledger || !j->earlier || !j->intended || !j->bytes)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	if (st == SM_OK)
		st = load(j, j->ledger, err);
	if (st == SM_OK)
		load_sums(j);
	if (st == SM_OK)
		st = load(j, j->path, err);
	if (st == SM_OK && !j->found)
		st = check_empty(dir, stage, err);
	if (st != SM_OK) {
		sm_journal_close(j);
		return st;
	}
	*out = j;
	return SM_OK;
}

/* The keys of `paths`. */
static bool append_intended(struct sm_journal *j, json_t *paths)
{
	const char *path;
	json_t *unused, *line = json_object(), *list = json_array();
	if (!json_object_size(paths)) {
		json_decref(list);
		json_decref(line);
		return true;
	}
	bool good = line && list;
	json_object_foreach(paths, path, unused)
		good = good && json_array_append_new(list, json_string(path)) == 0;
	good = good && json_object_set(line, INTENDED, list) == 0 && append(j, line);
	json_decref(list);
	json_decref(line);
	return good;
}

static bool append_bytes(struct sm_journal *j, json_t *bytes)
{
	json_t *line = json_object_size(bytes) ? json_object() : NULL;
	if (!line)
		return !json_object_size(bytes);
	bool good = json_object_set(line, BYTES, bytes) == 0 && append(j, line);
	json_decref(line);
	return good;
}

static bool write_new(struct sm_journal *j, const json_t *only)
{
	const char *key;
	json_t *record, *first = json_object();
	errno = 0;
	j->stream = fopen(j->new_path, "wb");
	bool good = j->stream && first &&
		    json_object_set_new(first, "stage", json_string(j->stage)) == 0 &&
		    (!only || json_object_set(first, "only", (json_t *)only) == 0);
	/* The earlier header goes first: its outputs may have to be swept. */
	json_t *header = json_object_get(j->earlier, HEADER);
	good = good && append(j, header ? header : first);
	json_object_foreach(j->earlier, key, record)
		if (*key)
			good = good && append(j, record);
	good = good && append_bytes(j, j->bytes);
	good = good && append_intended(j, j->intended);
	json_decref(first);
	clock_gettime(CLOCK_MONOTONIC, &j->synced);
	return good && fflush(j->stream) == 0 && fsync(fileno(j->stream)) == 0 &&
	       rename(j->new_path, j->path) == 0;
}

enum sm_status sm_journal_begin(struct sm_journal *j, const json_t *only, struct sm_err *err)
{
	if (j->stream)
		return SM_OK;
	if (!write_new(j, only))
		return SM_FAIL(err, SM_IO, "%s: cannot be written: %s", j->dir, strerror(errno));
	if (unlink(j->ledger) != 0 && errno != ENOENT)
		return SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", j->ledger, strerror(errno));
	/* The list of bytes belongs to the ledger that is gone. */
	char *sums = sm_path_join(j->dir, SM_SUMS_NAME);
	bool gone = sums && (unlink(sums) == 0 || errno == ENOENT);
	free(sums);
	if (!gone)
		return SM_FAIL(err, SM_IO, "%s: " SM_SUMS_NAME " cannot be removed: %s", j->dir,
			       strerror(errno));
	return sm_remove_partials(j->dir, j->path, err);
}

bool sm_journal_found(const struct sm_journal *j, bool *partial)
{
	*partial = json_object_get(json_object_get(j->earlier, HEADER), "only");
	return j->found;
}

const json_t *sm_journal_find(const struct sm_journal *journal, const char *key)
{
	return json_object_get(journal->earlier, key);
}

/* At most once a second: each sync costs milliseconds, a record lost in a power cut only work done again. */
static bool sync_seldom(struct sm_journal *j)
{
	struct timespec now;
	if (clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec - j->synced.tv_sec <= 1 && j->synced.tv_sec)
		return true;
	j->synced = now;
	return fdatasync(fileno(j->stream)) == 0;
}

bool sm_journal_bytes(struct sm_journal *j, const char *path, char hex[65])
{
	pthread_mutex_lock(&j->lock);
	const char *known = sm_json_text(j->bytes, path);
	bool found = known && strlen(known) == 64;
	if (found)
		memcpy(hex, known, 65);
	pthread_mutex_unlock(&j->lock);
	return found;
}

enum sm_status sm_journal_note_bytes(struct sm_journal *j, const char *path, const char *hex, struct sm_err *err)
{
	pthread_mutex_lock(&j->lock);
	bool good = json_object_set_new(j->bytes, path, json_string(hex)) == 0;
	pthread_mutex_unlock(&j->lock);
	return good ? SM_OK : SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
}

/* The bytes of a record's outputs, which need not be remembered any longer. */
static bool add_bytes(struct sm_journal *j, const json_t *record)
{
	size_t i;
	json_t *output, *bytes = json_object();
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *path = sm_json_text(output, "path");
		json_t *hex = path ? json_object_get(j->bytes, path) : NULL;
		if (hex && json_object_set(bytes, path, hex) == 0)
			json_object_del(j->bytes, path);
	}
	bool good = bytes && append_bytes(j, bytes);
	json_decref(bytes);
	return good;
}

enum sm_status sm_journal_add(struct sm_journal *j, const json_t *record, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	pthread_mutex_lock(&j->lock);
	errno = 0;
	if (!add_bytes(j, record) || !append(j, record) || fflush(j->stream) != 0 || !sync_seldom(j))
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", j->path, strerror(errno));
	pthread_mutex_unlock(&j->lock);
	return st;
}

enum sm_status sm_journal_intend(struct sm_journal *j, const json_t *const *records, size_t n,
				 struct sm_err *err)
{
	enum sm_status st = SM_OK;
	json_t *paths = json_object();
	for (size_t i = 0; i < n; i++)
		note_outputs(paths, records[i]);
	if (!json_object_size(paths))
		goto out;
	pthread_mutex_lock(&j->lock);
	errno = 0;
	if (!append_intended(j, paths) || fflush(j->stream) != 0 || fdatasync(fileno(j->stream)) != 0)
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", j->path, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &j->synced);
	pthread_mutex_unlock(&j->lock);
out:
	json_decref(paths);
	return st;
}

/* Removes the folders that held a file and are empty now; path[0..top) stays. path is changed. */
static void remove_empty(char *path, size_t top)
{
	for (char *slash; (slash = strrchr(path, '/')) && (size_t)(slash - path) > top;) {
		*slash = '\0';
		if (rmdir(path) != 0)
			return;
	}
}

void sm_journal_sweep(struct sm_journal *j, const struct sm_ledger *ledger)
{
	json_t *current = json_object(), *before = json_object(), *record, *unused;
	const char *key, *path;
	size_t i;
	note_outputs(current, ledger->header);
	json_array_foreach(ledger->records, i, record)
		note_outputs(current, record);
	json_object_foreach(j->earlier, key, record)
		note_outputs(before, record);
	json_object_update(before, j->intended);
	json_object_foreach(before, path, unused)
	{
		/* A path from an old ledger is trusted only inside the folder. */
		if (!sm_path_is_inside(path) || json_object_get(current, path))
			continue;
		char *full = sm_path_join(j->dir, path);
		if (full && (unlink(full) == 0 || errno == ENOENT))
			remove_empty(full, strlen(j->dir));
		free(full);
	}
	json_decref(before);
	json_decref(current);
}

enum sm_status sm_journal_finish(struct sm_journal *j, struct sm_err *err)
{
	if (unlink(j->path) != 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", j->path, strerror(errno));
	return SM_OK;
}

void sm_journal_close(struct sm_journal *j)
{
	if (!j)
		return;
	if (j->stream)
		fclose(j->stream);
	json_decref(j->earlier);
	json_decref(j->bytes);
	json_decref(j->intended);
	pthread_mutex_destroy(&j->lock);
	free(j->dir);
	free(j->path);
	free(j->new_path);
	free(j->ledger);
	free(j);
}
