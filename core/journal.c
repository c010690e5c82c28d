/* SPDX-License-Identifier: Apache-2.0 */
#include "core/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

/* A line {"bytes": {path: hash}} has those of outputs: as we write it, of the record in the next
 * line. */
#define BYTES "bytes"

struct sm_journal {
	char *dir, *path, *new_path, *ledger;
	const char *stage;
	FILE *stream;
	json_t *header;            /* first line of the earlier ledger, or of the journal */
	struct sm_records *ended;  /* of an earlier run's ledger */
	struct sm_records *logged; /* of its journal: of several of one key the last counts, and
				      more than the ledger's */
	struct sm_sums *sums;      /* of the ledger; may be NULL */
	json_t *bytes;             /* path -> hash, of lines that no record follows */
	json_t *intended;          /* path -> true: of earlier runs, perhaps without a record */
	bool found;                /* a ledger or a journal stood there */
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

/* Adds the outputs of a record or header to a set of paths, or takes them away. */
static void note_outputs(json_t *set, const json_t *record, bool add)
{
	size_t k;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), k, output)
	{
		const char *path = sm_json_text(output, "path");
		if (path && add)
			json_object_set_new(set, path, json_true());
		else if (path)
			json_object_del(set, path);
	}
}

/* A later record counts; the files of the one before it (other settings, say) must stay known to
 * the sweep. */
static void supersede(struct sm_journal *j, struct sm_records *list, size_t before, size_t now)
{
	json_t *old = sm_records_get(list, before), *new = sm_records_get(j->logged, now);
	json_t *gone = json_object();
	note_outputs(gone, old, true);
	note_outputs(gone, new, false);
	json_object_update(j->intended, gone);
	json_decref(gone);
	json_decref(old);
	json_decref(new);
}

static void supersede_all(struct sm_journal *j)
{
	size_t n = sm_records_count(j->logged);
	for (size_t i = 0; i < n; i++) {
		const char *key = sm_records_key(j->logged, i);
		size_t before = sm_records_find(j->ended, key);
		if (before != SM_NONE)
			supersede(j, j->ended, before, i);
		if (i + 1 < n && strcmp(key, sm_records_key(j->logged, i + 1)) == 0)
			supersede(j, j->logged, i, i + 1);
	}
}

static enum sm_status take_header(struct sm_journal *j, json_t *header, const char *stage,
				  struct sm_err *err)
{
	if (strcmp(stage, j->stage) != 0)
		return SM_FAIL(
			err, SM_USAGE,
			"--out: %s holds outputs of stage '%s', allowed is a new folder or one of "
			"stage '%s'",
			j->dir, stage, j->stage);
	note_outputs(j->intended, j->header, true);
	json_decref(j->header);
	j->header = json_incref(header);
	return SM_OK;
}

/* The hashes of bytes in the line before. */
struct note {
	size_t n; /* length of the line, 0 = it has none */
	json_t *bytes;
};

/* The next line may have hashes, too; those of the last one belong to no record if they are still
 * there. */
static void next_note(struct sm_journal *j, struct note *note, json_t *bytes, size_t n)
{
	json_object_update(j->bytes, note->bytes);
	json_decref(note->bytes);
	*note = (struct note){.n = bytes ? n : 0, .bytes = json_incref(bytes)};
}

/* One line; what is no record (a cut end) is passed over: the
 * journal is our own scratch, and a lost line only means work done again. The stage that wrote the
 * file stands in its first line. */
static enum sm_status take_line(struct sm_journal *j, struct sm_records *list, const char *line,
				size_t n, uint64_t at, struct note *note, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	bool whole = line[n - 1] == '\n';
	json_t *value = whole ? json_loadb(line, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *stage = sm_json_text(value, "stage");
	if (stage) {
		st = take_header(j, value, stage, err);
	} else if (sm_record_key(value) && sm_json_text(value, "status")) {
		note_outputs(j->intended, value, false); /* known by the record from now on */
		st = sm_records_place(list, value, line, n - 1, at, note->n, err);
		json_decref(note->bytes);
		note->bytes = NULL;
	}
	note_paths(j->intended, json_object_get(value, INTENDED));
	next_note(j, note, json_object_get(value, BYTES), n);
	j->found = true;
	json_decref(value);
	return st;
}

/* The records among the lines of a file, sorted. */
static enum sm_status load(struct sm_journal *j, const char *path, struct sm_records **list,
			   struct sm_err *err)
{
	enum sm_status st = SM_OK;
	FILE *f = NULL;
	char *line = NULL;
	size_t room = 0;
	uint64_t at = 0;
	struct note note = {0};
	int own, fd;
	if (sm_file_absent(path))
		return SM_OK;
	SM_TRY(sm_file_open(path, 0, &own, NULL, err));
	fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
	f = fdopen(own, "rb");
	if (!f || fd < 0) {
		st = SM_FAIL(err, SM_IO, "%s: cannot be opened: %s", path, strerror(errno));
		close(f ? fd : own);
		if (!f && fd >= 0)
			close(fd);
		goto out;
	}
	*list = sm_records_in(fd, path);
	if (!*list)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", path));
	for (ssize_t n; st == SM_OK && (n = getline(&line, &room, f)) > 0; at += (uint64_t)n)
		st = take_line(j, *list, line, (size_t)n, at, &note, err);
	if (st == SM_OK && ferror(f))
		st = SM_FAIL(err, SM_IO, "%s: reading failed", path);
	sm_records_sort(*list);
out:
	next_note(j, &note, NULL, 0);
	free(line);
	if (f)
		fclose(f);
	return st;
}

/* Keeps the list of bytes when it belongs to the ledger. */
static void load_sums(struct sm_journal *j)
{
	char hex[65];
	if (sm_sums_open(j->dir, &j->sums, NULL) == SM_OK &&
	    sm_sha256_file(j->ledger, hex, NULL) == SM_OK &&
	    strcmp(hex, sm_sums_ledger(j->sums)) == 0)
		return;
	sm_sums_close(j->sums);
	j->sums = NULL;
}

/* What may stand there without a ledger: a temporary file, a cache or the list of bytes. They are
 * ours. */
static bool is_own(const char *name)
{
	return strcmp(name, SM_SUMS_NAME) == 0 ||
	       (name[0] == '.' && (sm_ends_with(name, ".partial") || sm_ends_with(name, ".cache")));
}

/* SM_USAGE when the folder has anything else. */
static enum sm_status check_empty(const struct sm_journal *j, struct sm_err *err)
{
	const char *dir = j->dir;
	DIR *d = opendir(dir);
	bool any = false;
	if (!d)
		return SM_FAIL(err, SM_IO, "%s: folder cannot be read: %s", dir, strerror(errno));
	for (struct dirent *e; !any && (e = readdir(d));)
		any = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		      !is_own(e->d_name);
	closedir(d);
	return any ? SM_FAIL(err, SM_USAGE,
			     "--out: %s holds files but %s " SM_LEDGER_NAME
			     ", allowed is a new folder or one of stage '%s'",
			     dir, sm_file_exists(j->ledger) ? "an empty" : "no", j->stage)
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
	j->intended = json_object();
	j->bytes = json_object();
	enum sm_status st = SM_OK;
	if (!j->dir || !j->path || !j->new_path || !j->ledger || !j->intended || !j->bytes)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	if (st == SM_OK)
		st = load(j, j->ledger, &j->ended, err);
	if (st == SM_OK)
		load_sums(j);
	if (st == SM_OK)
		st = load(j, j->path, &j->logged, err);
	if (st == SM_OK)
		supersede_all(j);
	if (st == SM_OK && !j->found)
		st = check_empty(j, err);
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

/* The list that has the record of a key which counts, and its number in it; NULL when there is
 * none. */
static struct sm_records *list_of(struct sm_journal *j, const char *key, size_t *i)
{
	*i = sm_records_find(j->logged, key);
	if (*i != SM_NONE)
		return j->logged;
	*i = sm_records_find(j->ended, key);
	return *i != SM_NONE ? j->ended : NULL;
}

json_t *sm_journal_find(struct sm_journal *j, const char *key)
{
	size_t i;
	struct sm_records *list = list_of(j, key, &i);
	return list ? sm_records_get(list, i) : NULL;
}

json_t *sm_journal_bytes(struct sm_journal *j, const char *key)
{
	size_t i, k;
	char hex[65];
	json_t *output, *bytes = json_object();
	struct sm_records *list = list_of(j, key, &i);
	json_t *record = list ? sm_records_get(list, i) : NULL,
	       *note = list ? sm_records_note(list, i) : NULL;
	json_array_foreach(json_object_get(record, "outputs"), k, output)
	{
		const char *path = sm_json_text(output, "path");
		const char *known = path ? sm_json_text(json_object_get(note, BYTES), path) : NULL;
		if (path && !known)
			known = sm_json_text(j->bytes, path);
		if (path && !known && list == j->ended && sm_sums_find(j->sums, path, hex))
			known = hex;
		if (known)
			json_object_set_new(bytes, path, json_string(known));
	}
	json_decref(note);
	json_decref(record);
	return bytes;
}

/* The record that counts of each key of a list, as it stands there. */
static bool append_list(struct sm_journal *j, struct sm_records *list)
{
	bool good = true;
	for (size_t i = 0; good && i < sm_records_count(list); i++) {
		size_t at, n;
		const char *key = sm_records_key(list, i);
		if (list_of(j, key, &at) != list || at != i)
			continue;
		json_t *bytes = sm_journal_bytes(j, key);
		char *line = sm_records_line(list, i, &n);
		good = line && append_bytes(j, bytes) && fwrite(line, 1, n, j->stream) == n;
		free(line);
		json_decref(bytes);
	}
	return good;
}

static bool write_new(struct sm_journal *j, const json_t *only)
{
	json_t *first = json_object();
	errno = 0;
	unlink(j->new_path); /* whatever it is: a pipe would keep us waiting */
	errno = 0;
	j->stream = fopen(j->new_path, "wbex");
	bool good = j->stream && first &&
		    json_object_set_new(first, "stage", json_string(j->stage)) == 0 &&
		    (!only || json_object_set(first, "only", (json_t *)only) == 0);
	/* The earlier header goes first: its outputs may have to be swept. */
	good = good && append(j, j->header ? j->header : first);
	good = good && append_list(j, j->ended) && append_list(j, j->logged);
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
	if (!write_new(j, only)) {
		int why = errno;
		/* A record that cannot be read any more is no trouble with writing. */
		SM_TRY(sm_records_check(j->ended, err));
		SM_TRY(sm_records_check(j->logged, err));
		return SM_FAIL(err, SM_IO, "%s: cannot be written: %s", j->dir,
			       why ? strerror(why) : "out of memory");
	}
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
	*partial = json_object_get(j->header, "only");
	return j->found;
}

/* At most once a second: each sync costs milliseconds, a record lost in a power cut only work done
 * again. */
static bool sync_seldom(struct sm_journal *j)
{
	struct timespec now;
	if (clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec - j->synced.tv_sec <= 1 &&
	    j->synced.tv_sec)
		return true;
	j->synced = now;
	return fdatasync(fileno(j->stream)) == 0;
}

enum sm_status sm_journal_add(struct sm_journal *j, const json_t *record, json_t *bytes,
			      struct sm_err *err)
{
	enum sm_status st = SM_OK;
	pthread_mutex_lock(&j->lock);
	errno = 0;
	if (!append_bytes(j, bytes) || !append(j, record) || fflush(j->stream) != 0 ||
	    !sync_seldom(j))
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
		note_outputs(paths, records[i], true);
	if (!json_object_size(paths))
		goto out;
	pthread_mutex_lock(&j->lock);
	errno = 0;
	if (!append_intended(j, paths) || fflush(j->stream) != 0 ||
	    fdatasync(fileno(j->stream)) != 0)
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", j->path, strerror(errno));
	clock_gettime(CLOCK_MONOTONIC, &j->synced);
	pthread_mutex_unlock(&j->lock);
out:
	json_decref(paths);
	return st;
}

/* Adds the outputs of a list's records that those of the same key in the ledger do not name. */
static enum sm_status note_lost(struct sm_journal *j, struct sm_records *list,
				const struct sm_ledger *ledger, json_t *lost, struct sm_err *err)
{
	size_t i, at;
	json_t *record;
	sm_records_foreach(list, i, record)
	{
		const char *key = sm_records_key(list, i);
		if (list_of(j, key, &at) != list || at != i)
			continue;
		json_t *now = sm_ledger_get(ledger, key);
		note_outputs(lost, record, true);
		note_outputs(lost, now, false);
		json_decref(now);
	}
	return sm_records_check(list, err);
}

/* What no record names. */
static enum sm_status list_lost(struct sm_journal *j, const struct sm_ledger *ledger, json_t *lost,
				struct sm_err *err)
{
	size_t i;
	json_t *record;
	note_outputs(lost, j->header, true);
	json_object_update(lost, j->intended);
	SM_TRY(note_lost(j, j->ended, ledger, lost, err));
	SM_TRY(note_lost(j, j->logged, ledger, lost, err));
	note_outputs(lost, ledger->header, false);
	if (!json_object_size(lost))
		return SM_OK;
	/* It may be another item's by now. */
	sm_records_foreach(ledger->records, i, record)
		note_outputs(lost, record, false);
	return sm_records_check(ledger->records, err);
}

enum sm_status sm_journal_sweep(struct sm_journal *j, const struct sm_ledger *ledger,
				struct sm_err *err)
{
	json_t *lost = json_object(), *unused;
	const char *path;
	enum sm_status st = lost ? list_lost(j, ledger, lost, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", j->dir);
	if (st != SM_OK)
		goto out;
	json_object_foreach(lost, path, unused)
	{
		/* A path from an old ledger is trusted only inside the folder. */
		if (!sm_path_is_inside(path))
			continue;
		char *full = sm_path_join(j->dir, path);
		if (full)
			unlink(full);
		free(full);
	}
out:
	json_decref(lost);
	return st;
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
	json_decref(j->header);
	sm_records_free(j->ended);
	sm_records_free(j->logged);
	sm_sums_close(j->sums);
	json_decref(j->bytes);
	json_decref(j->intended);
	pthread_mutex_destroy(&j->lock);
	free(j->dir);
	free(j->path);
	free(j->new_path);
	free(j->ledger);
	free(j);
}
