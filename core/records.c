/* SPDX-License-Identifier: Apache-2.0 */
#include "core/records.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/ledger.h"
#include "core/mem.h"
#include "core/spool.h"

struct place {
	const char *key;
	uint64_t at; /* of the record's line; its note stands right before it */
	uint32_t n, note_n, crc;
	bool ok;
};

struct sm_records {
	struct sm_spool spool; /* of a file that was read only fd */
	char *name;            /* of that file, or the folder of the spool */
	struct place *v;
	size_t n, room, owners;
	struct sm_arena keys;
	struct sm_err failed;
	pthread_mutex_t lock;
};

static struct sm_records *make(const char *name)
{
	struct sm_records *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	r->owners = 1;
	r->name = name ? strdup(name) : NULL;
	if (name && !r->name) {
		sm_records_free(r);
		return NULL;
	}
	return r;
}

struct sm_records *sm_records_new(const char *dir)
{
	struct sm_records *r = make(dir);
	if (r)
		r->spool.dir = r->name;
	return r;
}

struct sm_records *sm_records_in(int fd, const char *name)
{
	struct sm_records *r = make(name);
	if (r)
		r->spool = (struct sm_spool){.fd = fd, .made = true};
	else
		close(fd);
	return r;
}

struct sm_records *sm_records_share(struct sm_records *r)
{
	if (r)
		r->owners++;
	return r;
}

void sm_records_free(struct sm_records *r)
{
	if (!r || --r->owners)
		return;
	sm_spool_clear(&r->spool);
	sm_arena_clear(&r->keys);
	pthread_mutex_destroy(&r->lock);
	free(r->name);
	free(r->v);
	free(r);
}

enum sm_status sm_records_place(struct sm_records *r, const json_t *record, const char *line,
				size_t n, uint64_t at, size_t note_n, struct sm_err *err)
{
	const char *key = sm_record_key(record);
	if (!key || n >= UINT32_MAX || note_n >= UINT32_MAX)
		return SM_FAIL(err, SM_INTERNAL, "record '%s' has no key or is too long",
			       key ? key : "");
	if (r->n == r->room) {
		size_t room = r->room ? r->room + r->room / 2 : 32;
		struct place *v = realloc(r->v, room * sizeof *v);
		if (!v)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
		r->v = v;
		r->room = room;
	}
	struct place p = {.key = sm_arena_strdup(&r->keys, key),
			  .at = at,
			  .n = (uint32_t)n,
			  .note_n = (uint32_t)note_n,
			  .crc = libdeflate_crc32(0, line, n),
			  .ok = sm_record_ok(record)};
	if (!p.key)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	r->v[r->n++] = p;
	return SM_OK;
}

/* The note's line and the record's line as one text; *note_n is where the second begins. */
static char *lines_of(const json_t *record, const json_t *note, size_t *note_n, size_t *n)
{
	char *second = sm_json_line(record), *first = note ? sm_json_line(note) : NULL,
	     *both = NULL;
	if (second && (first || !note))
		both = note ? sm_strf("%s\n%s\n", first, second) : sm_strf("%s\n", second);
	if (both) {
		*note_n = note ? strlen(first) + 1 : 0;
		*n = strlen(second);
	}
	free(first);
	free(second);
	return both;
}

enum sm_status sm_records_add(struct sm_records *r, const json_t *record, const json_t *note,
			      struct sm_err *err)
{
	size_t note_n = 0, n = 0;
	uint64_t at;
	char *text = lines_of(record, note, &note_n, &n);
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "record: out of memory");
	pthread_mutex_lock(&r->lock);
	enum sm_status st = sm_spool_add(&r->spool, text, note_n + n + 1, &at, err);
	if (st == SM_OK)
		st = sm_records_place(r, record, text + note_n, n, at + note_n, note_n, err);
	pthread_mutex_unlock(&r->lock);
	free(text);
	return st;
}

static int by_key(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = strcmp(x->key, y->key);
	return order ? order : (x->at > y->at) - (x->at < y->at);
}

void sm_records_sort(struct sm_records *r)
{
	if (r && r->n)
		qsort(r->v, r->n, sizeof *r->v, by_key);
}

const char *sm_records_twice(const struct sm_records *r)
{
	for (size_t i = 1; r && i < r->n; i++)
		if (strcmp(r->v[i - 1].key, r->v[i].key) == 0)
			return r->v[i].key;
	return NULL;
}

size_t sm_records_count(const struct sm_records *r)
{
	return r ? r->n : 0;
}

const char *sm_records_key(const struct sm_records *r, size_t i)
{
	return r->v[i].key;
}

bool sm_records_ok(const struct sm_records *r, size_t i)
{
	return r->v[i].ok;
}

size_t sm_records_find(const struct sm_records *r, const char *key)
{
	size_t low = 0, high = key ? sm_records_count(r) : 0;
	/* The first that is greater. */
	while (low < high) {
		size_t mid = (low + high) / 2;
		if (strcmp(r->v[mid].key, key) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low && key && strcmp(r->v[low - 1].key, key) == 0 ? low - 1 : SM_NONE;
}

static void *failed(struct sm_records *r, void *memory, const struct sm_err *why)
{
	pthread_mutex_lock(&r->lock);
	if (r->failed.code == SM_OK)
		r->failed = *why;
	pthread_mutex_unlock(&r->lock);
	free(memory);
	return NULL;
}

/* n bytes and a zero byte; NULL after noting why. */
static char *read_text(struct sm_records *r, uint64_t at, size_t n)
{
	struct sm_err why = {0};
	char *text = malloc(n + 1);
	if (!text)
		SM_FAIL(&why, SM_BUDGET, "%s: out of memory", r->name ? r->name : "records");
	else
		sm_read_at(r->spool.fd, at, text, n, r->name ? r->name : "records", &why);
	if (why.code != SM_OK)
		return failed(r, text, &why);
	text[n] = '\0';
	return text;
}

char *sm_records_line(struct sm_records *r, size_t i, size_t *n)
{
	struct sm_err why = {0};
	if (i >= sm_records_count(r))
		return NULL;
	const struct place *p = &r->v[i];
	char *text = read_text(r, p->at, p->n + 1);
	if (!text)
		return NULL;
	*n = p->n + 1;
	if (libdeflate_crc32(0, text, p->n) == p->crc)
		return text;
	SM_FAIL(&why, SM_IO, "%s: the record of '%s' has changed while it was read",
		r->name ? r->name : "records", p->key);
	return failed(r, text, &why);
}

static json_t *parse(struct sm_records *r, char *text, size_t n, const char *key)
{
	struct sm_err why = {0};
	json_t *value = text ? json_loadb(text, n, 0, NULL) : NULL;
	if (text && !value) {
		SM_FAIL(&why, SM_IO, "%s: what was noted of '%s' cannot be read any more",
			r->name ? r->name : "records", key);
		return failed(r, text, &why);
	}
	free(text);
	return value;
}

json_t *sm_records_get(struct sm_records *r, size_t i)
{
	size_t n = 0;
	char *line = sm_records_line(r, i, &n);
	return line ? parse(r, line, n, r->v[i].key) : NULL;
}

json_t *sm_records_note(struct sm_records *r, size_t i)
{
	if (i >= sm_records_count(r) || !r->v[i].note_n)
		return NULL;
	const struct place *p = &r->v[i];
	return parse(r, read_text(r, p->at - p->note_n, p->note_n), p->note_n, p->key);
}

enum sm_status sm_records_check(struct sm_records *r, struct sm_err *err)
{
	if (!r)
		return SM_OK;
	pthread_mutex_lock(&r->lock);
	struct sm_err why = r->failed;
	pthread_mutex_unlock(&r->lock);
	if (why.code != SM_OK && err)
		*err = why;
	return why.code;
}
