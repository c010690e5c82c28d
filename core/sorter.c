/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sorter.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/spool.h"

#define ROOM ((size_t)256 << 10)
/* Bytes of a run in memory while runs are merged, or one entry when that is longer. */
#define WINDOW 4096

/* An entry is a key, a zero byte, a text, a zero byte. */
struct run {
	uint64_t at, end; /* in the spool: what is not in memory yet */
	char *window;
	size_t n, room, pos; /* pos: of the entry that comes next */
};

struct sm_sorter {
	struct sm_spool spool;
	char *text; /* entries not in the spool yet, in the order in which they came */
	size_t n, room, count;
	struct run *runs;
	size_t run_count;
	const char **sorted; /* of text, when nothing is spooled */
	size_t next;
	struct run *last; /* whose entry was handed out */
	bool merging;
	pthread_mutex_t lock;
};

struct sm_sorter *sm_sorter_new(const char *dir, size_t room)
{
	struct sm_sorter *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	s->room = room ? room : ROOM;
	s->spool.dir = dir;
	s->text = malloc(s->room);
	if (!s->text) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void sm_sorter_free(struct sm_sorter *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->run_count; i++)
		free(s->runs[i].window);
	sm_spool_clear(&s->spool);
	pthread_mutex_destroy(&s->lock);
	free(s->sorted);
	free(s->runs);
	free(s->text);
	free(s);
}

static size_t length(const char *entry)
{
	size_t key = strlen(entry) + 1;
	return key + strlen(entry + key) + 1;
}

static int order(const char *a, const char *b)
{
	int c = strcmp(a, b);
	return c ? c : strcmp(a + strlen(a) + 1, b + strlen(b) + 1);
}

static int by_entry(const void *a, const void *b)
{
	return order(*(const char *const *)a, *(const char *const *)b);
}

/* The entries in memory, sorted; malloc memory. */
static const char **sort(const struct sm_sorter *s, struct sm_err *err)
{
	const char **list = malloc((s->count + 1) * sizeof *list);
	const char *p = s->text;
	if (!list) {
		SM_FAIL(err, SM_BUDGET, "sorting: out of memory");
		return NULL;
	}
	for (size_t i = 0; i < s->count; i++, p += length(p))
		list[i] = p;
	qsort(list, s->count, sizeof *list, by_entry);
	return list;
}

/* What is in memory becomes a sorted run of the spool. */
static enum sm_status spill(struct sm_sorter *s, struct sm_err *err)
{
	struct run *runs = realloc(s->runs, (s->run_count + 1) * sizeof *runs);
	const char **list = runs ? sort(s, err) : NULL;
	char *block = list ? malloc(s->n + 1) : NULL;
	size_t used = 0;
	enum sm_status st = SM_OK;
	if (runs)
		s->runs = runs;
	if (!block)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "sorting: out of memory"));
	for (size_t i = 0; i < s->count; i++) {
		size_t n = length(list[i]);
		memcpy(block + used, list[i], n);
		used += n;
	}
	struct run run = {0};
	SM_GOTO(st, sm_spool_add(&s->spool, block, used, &run.at, err));
	run.end = run.at + used;
	s->runs[s->run_count++] = run;
	s->n = s->count = 0;
out:
	free(block);
	free(list);
	return st;
}

enum sm_status sm_sorter_add(struct sm_sorter *s, const char *key, const char *text,
			     struct sm_err *err)
{
	size_t key_n = strlen(key) + 1, text_n = strlen(text) + 1;
	enum sm_status st = SM_OK;
	pthread_mutex_lock(&s->lock);
	if (s->count && key_n + text_n > s->room - s->n)
		SM_GOTO(st, spill(s, err));
	if (key_n + text_n > s->room) {
		char *more = realloc(s->text, key_n + text_n);
		if (!more)
			SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "sorting: out of memory"));
		s->text = more;
		s->room = key_n + text_n;
	}
	memcpy(s->text + s->n, key, key_n);
	memcpy(s->text + s->n + key_n, text, text_n);
	s->n += key_n + text_n;
	s->count++;
out:
	pthread_mutex_unlock(&s->lock);
	return st;
}

/* True when the window holds a whole entry at pos. */
static bool has_entry(const struct run *r)
{
	if (r->pos == r->n)
		return false;
	const char *at = r->window + r->pos, *end = r->window + r->n;
	const char *key_end = memchr(at, 0, (size_t)(end - at));
	return key_end && key_end + 1 < end && memchr(key_end + 1, 0, (size_t)(end - key_end - 1));
}

/* Brings the next entry into the window; n == pos when the run is at its end. */
static enum sm_status fill(struct sm_sorter *s, struct run *r, struct sm_err *err)
{
	while (!has_entry(r) && r->at < r->end) {
		if (r->pos) {
			memmove(r->window, r->window + r->pos, r->n - r->pos);
			r->n -= r->pos;
			r->pos = 0;
		}
		if (r->n == r->room) {
			size_t room = r->room ? 2 * r->room : WINDOW;
			char *more = realloc(r->window, room);
			if (!more)
				return SM_FAIL(err, SM_BUDGET, "sorting: out of memory");
			r->window = more;
			r->room = room;
		}
		size_t n = r->room - r->n;
		if (n > r->end - r->at)
			n = (size_t)(r->end - r->at);
		SM_TRY(sm_read_at(s->spool.fd, r->at, r->window + r->n, n, "sorting", err));
		r->n += n;
		r->at += n;
	}
	return SM_OK;
}

static enum sm_status begin(struct sm_sorter *s, struct sm_err *err)
{
	s->merging = true;
	if (!s->run_count) {
		s->sorted = sort(s, err);
		return s->sorted ? SM_OK : SM_BUDGET;
	}
	if (s->count)
		SM_TRY(spill(s, err));
	free(s->text);
	s->text = NULL;
	for (size_t i = 0; i < s->run_count; i++)
		SM_TRY(fill(s, &s->runs[i], err));
	return SM_OK;
}

enum sm_status sm_sorter_next(struct sm_sorter *s, const char **key, const char **text,
			      struct sm_err *err)
{
	const char *least = NULL;
	*key = *text = NULL;
	if (!s->merging)
		SM_TRY(begin(s, err));
	if (s->last) {
		s->last->pos += length(s->last->window + s->last->pos);
		SM_TRY(fill(s, s->last, err));
		s->last = NULL;
	}
	if (s->sorted && s->next < s->count)
		least = s->sorted[s->next++];
	for (size_t i = 0; i < s->run_count; i++) {
		struct run *r = &s->runs[i];
		if (r->pos == r->n || (least && order(least, r->window + r->pos) <= 0))
			continue;
		least = r->window + r->pos;
		s->last = r;
	}
	if (!least)
		return SM_OK;
	*key = least;
	*text = least + strlen(least) + 1;
	return SM_OK;
}
