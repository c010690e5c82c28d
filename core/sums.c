/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"
#include "core/sorter.h"
#include "core/spool.h"

#define MAX_SUMS ((size_t)1 << 32)
#define BLOCK 64 /* lines */

/* ---- writing --------------------------------------------------------------------------------- */

struct writing {
	const struct sm_ledger *ledger;
	const char *dir;
	struct sm_sorter *sorter;
};

static enum sm_status add_output(struct writing *w, const json_t *output, const json_t *known,
				 struct sm_err *err)
{
	const char *path = sm_json_text(output, "path");
	const char *hash = path ? sm_json_text(known, path) : NULL;
	char hex[65];
	if (!path)
		return SM_OK;
	char *full = sm_path_join(w->dir, path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	/* Where the hash of the bytes is known already, they need not be read again, but must be
	 * there. */
	enum sm_status st = SM_OK;
	if (!hash && sm_content_is_bytes(path))
		hash = sm_json_text(output, "sha256");
	if (!hash || strlen(hash) != 64 || !sm_file_exists(full)) {
		st = sm_sha256_file(full, hex, err);
		hash = hex;
	}
	free(full);
	return st == SM_OK ? sm_sorter_add(w->sorter, path, hash, err) : st;
}

static enum sm_status add_outputs(struct writing *w, const json_t *owner, const json_t *known,
				  struct sm_err *err)
{
	size_t k;
	json_t *output;
	json_array_foreach(json_object_get(owner, "outputs"), k, output)
		SM_TRY(add_output(w, output, known, err));
	return SM_OK;
}

static enum sm_status add_record(void *ctx, size_t i, struct sm_err *err)
{
	struct writing *w = ctx;
	json_t *record = sm_records_get(w->ledger->records, i),
	       *known = sm_records_note(w->ledger->records, i);
	enum sm_status st = record ? add_outputs(w, record, known, err) : SM_OK;
	json_decref(record);
	json_decref(known);
	return st == SM_OK ? sm_records_check(w->ledger->records, err) : st;
}

static enum sm_status write_sorted(struct writing *w, FILE *f, struct sm_err *err)
{
	const char *path, *hash;
	char hex[65];
	/* The ledger itself comes first; it is not on the disk yet. */
	SM_TRY(sm_ledger_hash(w->ledger, hex, err));
	bool good = fprintf(f, "%s  " SM_LEDGER_NAME "\n", hex) > 0;
	for (;;) {
		SM_TRY(sm_sorter_next(w->sorter, &path, &hash, err));
		if (!path)
			break;
		good = good && fprintf(f, "%s  %s\n", hash, path) > 0;
	}
	return good ? SM_OK : SM_FAIL(err, SM_IO, SM_SUMS_NAME ": writing failed");
}

enum sm_status sm_sums_write(const struct sm_ledger *ledger, const char *dir, int jobs,
			     struct sm_outset *set, struct sm_err *err)
{
	enum sm_status st;
	struct sm_outfile out = {0};
	struct writing w = {.ledger = ledger, .dir = dir, .sorter = sm_sorter_new(dir, 0)};
	char *path = sm_path_join(dir, SM_SUMS_NAME);
	if (!w.sorter || !path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
		goto out;
	}
	SM_GOTO(st, add_outputs(&w, ledger->header, NULL, err));
	SM_GOTO(st, sm_par_for(sm_records_count(ledger->records), jobs, add_record, &w, err));
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	SM_GOTO(st, write_sorted(&w, out.stream, err));
	st = sm_outset_add(set, &out, err);
out:
	sm_outfile_abandon(&out);
	sm_sorter_free(w.sorter);
	free(path);
	return st;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct sm_sums {
	int fd;
	char ledger[65];
	uint64_t *block; /* where each begins; one more for the end */
	size_t blocks, room, lines, sorted; /* sorted: lines in blocks */
};

/* Is the line "HASH  PATH" and its end? */
static bool is_sum(const char *line, size_t n)
{
	return n > 67 && line[n - 1] == '\n' && strspn(line, "0123456789abcdef") == 64 &&
	       line[64] == ' ' && line[65] == ' ' && strlen(line) == n;
}

static bool add_block(struct sm_sums *s, uint64_t at)
{
	if (s->blocks + 1 >= s->room) {
		size_t room = s->room ? 2 * s->room : 16;
		uint64_t *more = realloc(s->block, room * sizeof *more);
		if (!more)
			return false;
		s->block = more;
		s->room = room;
	}
	s->block[s->blocks++] = at;
	return true;
}

/* Takes one line; *before is the path of the one before it. */
static enum sm_status take_line(struct sm_sums *s, char *line, size_t n, uint64_t at, char **before,
				struct sm_err *err)
{
	size_t number = ++s->lines;
	if (!is_sum(line, n))
		return SM_FAIL(err, SM_INPUT, "%s: line %zu: is not 'HASH  PATH'", SM_SUMS_NAME,
			       number);
	line[n - 1] = '\0';
	/* We write it first; sorted in among the others it does as well. */
	bool ledger = strcmp(line + 66, SM_LEDGER_NAME) == 0, head = ledger && number == 1;
	if (ledger)
		snprintf(s->ledger, sizeof s->ledger, "%.64s", line);
	if (head)
		return SM_OK;
	if (*before && strcmp(*before, line + 66) > 0)
		return SM_FAIL(err, SM_INPUT, "%s: line %zu: its path is out of order",
			       SM_SUMS_NAME, number);
	free(*before);
	*before = strdup(line + 66);
	if (!*before || (s->sorted++ % BLOCK == 0 && !add_block(s, at)))
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", SM_SUMS_NAME);
	return SM_OK;
}

static enum sm_status take_lines(struct sm_sums *s, FILE *f, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	char *line = NULL, *before = NULL;
	size_t room = 0;
	uint64_t at = 0;
	for (ssize_t n; st == SM_OK && (n = getline(&line, &room, f)) > 0; at += (uint64_t)n)
		st = take_line(s, line, (size_t)n, at, &before, err);
	if (st == SM_OK && ferror(f))
		st = SM_FAIL(err, SM_IO, "%s: reading failed", SM_SUMS_NAME);
	if (st == SM_OK && !add_block(s, at))
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", SM_SUMS_NAME);
	s->blocks -= st == SM_OK;
	free(before);
	free(line);
	return st;
}

enum sm_status sm_sums_open(const char *dir, struct sm_sums **out, struct sm_err *err)
{
	char *path = sm_path_join(dir, SM_SUMS_NAME);
	struct sm_sums *s = calloc(1, sizeof *s);
	FILE *f = NULL;
	int fd = -1;
	enum sm_status st;
	*out = NULL;
	if (!path || !s)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir));
	s->fd = -1;
	if (!sm_file_exists(path))
		SM_GOTO(st, SM_FAIL(err, SM_INPUT, "%s: is missing", SM_SUMS_NAME));
	SM_GOTO(st, sm_file_open(path, MAX_SUMS, &s->fd, NULL, err));
	fd = dup(s->fd);
	f = fd >= 0 ? fdopen(fd, "rb") : NULL;
	st = f ? take_lines(s, f, err) : SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
out:
	if (f)
		fclose(f);
	else if (fd >= 0)
		close(fd);
	if (st == SM_OK)
		*out = s;
	else
		sm_sums_close(s);
	free(path);
	return st;
}

const char *sm_sums_ledger(const struct sm_sums *sums)
{
	return sums->ledger;
}

size_t sm_sums_count(const struct sm_sums *sums)
{
	return sums->lines;
}

/* A block with a zero byte behind it; malloc memory, NULL when it cannot be read. */
static char *read_block(const struct sm_sums *s, size_t b)
{
	size_t n = (size_t)(s->block[b + 1] - s->block[b]);
	char *text = malloc(n + 1);
	if (text && sm_read_at(s->fd, s->block[b], text, n, SM_SUMS_NAME, NULL) == SM_OK) {
		text[n] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

/* How the path stands to that of the line; *next is the line after it, NULL for a line that is none
 * (any more). */
static int compare(const char *path, const char *line, const char **next)
{
	const char *end = strchr(line, '\n');
	*next = end && end - line > 66 ? end + 1 : NULL;
	if (!*next)
		return 1;
	size_t n = strlen(path), m = (size_t)(end - line) - 66;
	int order = memcmp(path, line + 66, n < m ? n : m);
	return order ? order : (n > m) - (n < m);
}

bool sm_sums_find(const struct sm_sums *s, const char *path, char hex[65])
{
	const char *next;
	size_t low = 0, high = s ? s->blocks : 0;
	bool found = false;
	/* The last block that does not begin behind the path. */
	while (low + 1 < high) {
		size_t mid = (low + high) / 2;
		char *block = read_block(s, mid);
		if (block && compare(path, block, &next) >= 0)
			low = mid;
		else
			high = mid;
		free(block);
	}
	char *block = low < high ? read_block(s, low) : NULL;
	for (const char *line = block; line && *line && !found; line = next) {
		found = compare(path, line, &next) == 0;
		if (found)
			snprintf(hex, 65, "%.64s", line);
	}
	free(block);
	return found;
}

void sm_sums_close(struct sm_sums *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->block);
	free(s);
}
