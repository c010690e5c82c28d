/* SPDX-License-Identifier: Apache-2.0 */
#include "core/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/ledger.h"

/* Ends in .partial: no walk of the folder shows it. */
#define NAME ".journal.partial"

struct sm_journal {
	char *dir, *path;
	FILE *stream;
	json_t *earlier; /* key -> record */
	pthread_mutex_t lock;
};

/* Adds the records among the lines of a file; lines that are no record (a header, a cut end) are
 * passed over: the journal is our own scratch, and a lost line only means work done again. */
static void load(json_t *earlier, const char *path)
{
	FILE *f = fopen(path, "rb");
	char *line = NULL;
	size_t room = 0;
	if (!f)
		return;
	while (getline(&line, &room, f) > 0) {
		json_t *record = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		if (sm_record_key(record) && sm_json_text(record, "status"))
			json_object_set(earlier, sm_record_key(record), record);
		json_decref(record);
	}
	free(line);
	fclose(f);
}

static bool append(struct sm_journal *j, const json_t *record)
{
	char *line = sm_json_line(record);
	bool good = line && fprintf(j->stream, "%s\n", line) > 0;
	free(line);
	return good;
}

static enum sm_status start(struct sm_journal *j, struct sm_err *err)
{
	const char *key;
	json_t *record;
	errno = 0;
	j->stream = fopen(j->path, "wb");
	bool good = j->stream;
	json_object_foreach(j->earlier, key, record)
		good = good && append(j, record);
	good = good && fflush(j->stream) == 0 && fsync(fileno(j->stream)) == 0;
	if (!good)
		return SM_FAIL(err, SM_IO, "%s: cannot be written: %s", j->dir, strerror(errno));
	return SM_OK;
}

enum sm_status sm_journal_open(const char *dir, struct sm_journal **out, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	char *ledger = sm_path_join(dir, SM_LEDGER_NAME);
	struct sm_journal *j = calloc(1, sizeof *j);
	*out = NULL;
	if (!j || !ledger) {
		free(j);
		free(ledger);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	}
	pthread_mutex_init(&j->lock, NULL);
	j->dir = sm_strf("%s", dir);
	j->path = sm_path_join(dir, NAME);
	j->earlier = json_object();
	if (!j->dir || !j->path || !j->earlier) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
		goto out;
	}
	load(j->earlier, ledger);
	load(j->earlier, j->path);
	/* The old journal is one of the partial files: read first, then swept away with them. */
	SM_GOTO(st, sm_remove_partials(dir, err));
	SM_GOTO(st, start(j, err));
	if (unlink(ledger) != 0 && errno != ENOENT)
		st = SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", ledger, strerror(errno));
out:
	free(ledger);
	if (st != SM_OK) {
		sm_journal_close(j);
		j = NULL;
	}
	*out = j;
	return st;
}

const json_t *sm_journal_find(const struct sm_journal *journal, const char *key)
{
	return json_object_get(journal->earlier, key);
}

enum sm_status sm_journal_add(struct sm_journal *j, const json_t *record, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	pthread_mutex_lock(&j->lock);
	errno = 0;
	if (!append(j, record) || fflush(j->stream) != 0 || fdatasync(fileno(j->stream)) != 0)
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", j->path, strerror(errno));
	pthread_mutex_unlock(&j->lock);
	return st;
}

/* A path from an old ledger is trusted only inside the folder. */
static bool inside(const char *path)
{
	return path[0] != '/' && strncmp(path, "../", 3) != 0 && !strstr(path, "/../");
}

static json_t *output_set(const json_t *records)
{
	json_t *set = json_object(), *record, *output;
	size_t i, k;
	json_array_foreach(records, i, record)
	{
		json_array_foreach(json_object_get(record, "outputs"), k, output)
		{
			const char *path = sm_json_text(output, "path");
			if (path)
				json_object_set_new(set, path, json_true());
		}
	}
	return set;
}

enum sm_status sm_journal_finish(struct sm_journal *j, const json_t *records, struct sm_err *err)
{
	json_t *current = output_set(records), *record, *output;
	const char *key;
	size_t k;
	json_object_foreach(j->earlier, key, record)
	{
		json_array_foreach(json_object_get(record, "outputs"), k, output)
		{
			const char *path = sm_json_text(output, "path");
			if (!path || !inside(path) || json_object_get(current, path))
				continue;
			char *full = sm_path_join(j->dir, path);
			if (full)
				unlink(full);
			free(full);
		}
	}
	json_decref(current);
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
	pthread_mutex_destroy(&j->lock);
	free(j->dir);
	free(j->path);
	free(j);
}
