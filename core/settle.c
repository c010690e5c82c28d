/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settle.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* Items on their way at once. */
#define MOST 32

struct batch {
	struct sm_outset files[MOST];
	json_t *record[MOST], *bytes[MOST]; /* owned */
	size_t n;
};

struct sm_settler {
	struct sm_journal *journal;
	struct batch waiting;
	bool closing;
	struct sm_err err; /* the first failure */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	pthread_t thread;
};

/* The files of all items together, for one sync serves many; then the journal, which names nothing
 * that could get lost. */
static enum sm_status settle(struct sm_settler *s, struct batch *b, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct sm_outset all = {0};
	for (size_t i = 0; i < b->n; i++)
		SM_GOTO(st, sm_outset_move(&all, &b->files[i], err));
	SM_GOTO(st, sm_journal_intend(s->journal, (const json_t *const *)b->record, b->n, err));
	SM_GOTO(st, sm_outset_commit(&all, err));
	for (size_t i = 0; i < b->n; i++)
		SM_GOTO(st, sm_journal_add(s->journal, b->record[i], b->bytes[i], err));
out:
	sm_outset_abandon(&all);
	return st;
}

static void clear(struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		sm_outset_abandon(&b->files[i]);
		json_decref(b->record[i]);
		json_decref(b->bytes[i]);
	}
}

static void *settler_run(void *arg)
{
	struct sm_settler *s = arg;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->waiting.n && !s->closing)
			pthread_cond_wait(&s->moved, &s->lock);
		if (!s->waiting.n)
			break;
		struct batch now = s->waiting;
		struct sm_err err = s->err;
		s->waiting.n = 0;
		pthread_cond_broadcast(&s->moved);
		pthread_mutex_unlock(&s->lock);
		if (err.code == SM_OK)
			err.code = settle(s, &now, &err);
		clear(&now);
		pthread_mutex_lock(&s->lock);
		s->err = err;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

enum sm_status sm_settler_begin(struct sm_journal *journal, struct sm_settler **out,
				struct sm_err *err)
{
	struct sm_settler *s = calloc(1, sizeof *s);
	*out = NULL;
	if (!s)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	s->journal = journal;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->moved, NULL);
	if (pthread_create(&s->thread, NULL, settler_run, s) != 0) {
		free(s);
		return SM_FAIL(err, SM_BUDGET, "no thread can be started");
	}
	*out = s;
	return SM_OK;
}

enum sm_status sm_settler_add(struct sm_settler *s, struct sm_outset *files, json_t *record,
			      json_t *bytes, struct sm_err *err)
{
	pthread_mutex_lock(&s->lock);
	while (s->waiting.n == MOST)
		pthread_cond_wait(&s->moved, &s->lock);
	struct sm_err failed = s->err;
	if (failed.code == SM_OK) {
		s->waiting.files[s->waiting.n] = *files;
		s->waiting.record[s->waiting.n] = record;
		s->waiting.bytes[s->waiting.n++] = bytes;
		*files = (struct sm_outset){0};
		record = bytes = NULL;
		pthread_cond_broadcast(&s->moved);
	}
	pthread_mutex_unlock(&s->lock);
	sm_outset_abandon(files);
	json_decref(record);
	json_decref(bytes);
	if (failed.code != SM_OK && err)
		*err = failed;
	return failed.code;
}

enum sm_status sm_settler_end(struct sm_settler *s, struct sm_err *err)
{
	if (!s)
		return SM_OK;
	pthread_mutex_lock(&s->lock);
	s->closing = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	enum sm_status st = s->err.code;
	if (st != SM_OK && err)
		*err = s->err;
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return st;
}
