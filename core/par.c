/* SPDX-License-Identifier: Apache-2.0 */
#include "core/par.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define BLOCK 4096
#define MOST_THREADS 256

int sm_par_cores(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n > 0 ? n : 1;
}

/* The lowest failing index wins, so that the sentence does not depend on thread timing. */
struct outcome {
	pthread_mutex_t lock;
	size_t failed_at;
	struct sm_err err;
};

static void outcome_note(struct outcome *o, size_t i, const struct sm_err *err)
{
	pthread_mutex_lock(&o->lock);
	if (i < o->failed_at) {
		o->failed_at = i;
		o->err = *err;
	}
	pthread_mutex_unlock(&o->lock);
}

static bool outcome_open(struct outcome *o, size_t i)
{
	pthread_mutex_lock(&o->lock);
	bool open = i < o->failed_at;
	pthread_mutex_unlock(&o->lock);
	return open;
}

static enum sm_status outcome_close(struct outcome *o, struct sm_err *err)
{
	pthread_mutex_destroy(&o->lock);
	if (o->failed_at == SIZE_MAX)
		return SM_OK;
	if (err)
		*err = o->err;
	return o->err.code;
}

static enum sm_status run_one(sm_par_body body, void *ctx, size_t i, struct outcome *o)
{
	struct sm_err err = {0};
	enum sm_status st = body(ctx, i, &err);
	if (st != SM_OK) {
		err.code = st;
		outcome_note(o, i, &err);
	}
	return st;
}

static int clamp_jobs(int jobs, size_t n)
{
	if (jobs < 1)
		jobs = 1;
	return (size_t)jobs > n ? (int)(n ? n : 1) : jobs;
}

/* The caller's thread and jobs - 1 others. Threads of their own and not OpenMP's, which keep a core
 * busy waiting for the next loop. */
static void run_threads(int jobs, void *(*worker)(void *), void *arg)
{
	pthread_t thread[MOST_THREADS];
	int made = 0;
	while (made < jobs - 1 && made < MOST_THREADS &&
	       pthread_create(&thread[made], NULL, worker, arg) == 0)
		made++;
	worker(arg);
	while (made > 0)
		pthread_join(thread[--made], NULL);
}

struct loop {
	size_t n;
	atomic_size_t next;
	sm_par_body body;
	void *ctx;
	struct outcome *outcome;
};

static void *loop_worker(void *arg)
{
	struct loop *loop = arg;
	for (;;) {
		size_t i = atomic_fetch_add(&loop->next, 1);
		if (i >= loop->n)
			return NULL;
		if (outcome_open(loop->outcome, i))
			run_one(loop->body, loop->ctx, i, loop->outcome);
	}
}

enum sm_status sm_par_for(size_t n, int jobs, sm_par_body body, void *ctx, struct sm_err *err)
{
	struct outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .failed_at = SIZE_MAX};
	jobs = clamp_jobs(jobs, n);
	if (jobs == 1) {
		for (size_t i = 0; i < n; i++)
			if (run_one(body, ctx, i, &o) != SM_OK)
				break;
		return outcome_close(&o, err);
	}
	struct loop loop = {.n = n, .body = body, .ctx = ctx, .outcome = &o};
	run_threads(jobs, loop_worker, &loop);
	return outcome_close(&o, err);
}

/* State of an ordered loop: which items are worked, which is next to commit. */
struct ordered {
	size_t n, next_work, next_commit, window;
	bool committing;
	unsigned char *done; /* ring of `window` flags */
	pthread_mutex_t lock;
	pthread_cond_t moved;
	sm_par_body work, commit;
	void *ctx;
	struct outcome *outcome;
};

/* Commits every item that is due. Called with q->lock held; one thread commits at a time. */
static void commit_due(struct ordered *q)
{
	while (!q->committing && q->next_commit < q->n && q->done[q->next_commit % q->window]) {
		size_t i = q->next_commit;
		q->committing = true;
		pthread_mutex_unlock(&q->lock);
		if (outcome_open(q->outcome, i))
			run_one(q->commit, q->ctx, i, q->outcome);
		pthread_mutex_lock(&q->lock);
		q->done[i % q->window] = 0;
		q->committing = false;
		q->next_commit++;
		pthread_cond_broadcast(&q->moved);
	}
}

static void *ordered_worker(void *arg)
{
	struct ordered *q = arg;
	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (q->next_work < q->n && q->next_work >= q->next_commit + q->window)
			pthread_cond_wait(&q->moved, &q->lock);
		if (q->next_work >= q->n)
			break;
		size_t i = q->next_work++;
		pthread_mutex_unlock(&q->lock);
		if (outcome_open(q->outcome, i))
			run_one(q->work, q->ctx, i, q->outcome);
		pthread_mutex_lock(&q->lock);
		q->done[i % q->window] = 1;
		commit_due(q);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

enum sm_status sm_par_ordered(size_t n, int jobs, sm_par_body work, sm_par_body commit, void *ctx,
			      struct sm_err *err)
{
	struct outcome o = {.lock = PTHREAD_MUTEX_INITIALIZER, .failed_at = SIZE_MAX};
	jobs = clamp_jobs(jobs, n);
	if (jobs == 1) {
		for (size_t i = 0; i < n; i++)
			if (run_one(work, ctx, i, &o) != SM_OK ||
			    run_one(commit, ctx, i, &o) != SM_OK)
				break;
		return outcome_close(&o, err);
	}
	struct ordered q = {.n = n,
			    .window = 2 * (size_t)jobs,
			    .work = work,
			    .commit = commit,
			    .ctx = ctx,
			    .outcome = &o};
	q.done = calloc(q.window, 1);
	if (!q.done)
		return SM_FAIL(err, SM_BUDGET, "parallel loop: out of memory");
	pthread_mutex_init(&q.lock, NULL);
	pthread_cond_init(&q.moved, NULL);
	run_threads(jobs, ordered_worker, &q);
	pthread_cond_destroy(&q.moved);
	pthread_mutex_destroy(&q.lock);
	free(q.done);
	return outcome_close(&o, err);
}

double sm_sum_tree(double *partial, size_t n)
{
	for (size_t step = 1; step < n; step *= 2)
		for (size_t i = 0; i + step < n; i += 2 * step)
			partial[i] += partial[i + step];
	return n ? partial[0] : 0.0;
}

static double block_sum(const float *x, size_t n)
{
	double s = 0;
	for (size_t i = 0; i < n; i++)
		s += (double)x[i];
	return s;
}

double sm_sum_f32(const float *x, size_t n, int jobs)
{
	size_t blocks = (n + BLOCK - 1) / BLOCK;
	double *partial = blocks > 1 ? malloc(blocks * sizeof *partial) : NULL;
	if (!partial) {
		/* One block, or no memory for the tree: the same tree by recursion on halves of
		 * a power-of-two number of blocks. */
		if (blocks <= 1)
			return block_sum(x, n);
		size_t half = 1;
		while (half * 2 < blocks)
			half *= 2;
		return sm_sum_f32(x, half * BLOCK, 1) +
		       sm_sum_f32(x + half * BLOCK, n - half * BLOCK, 1);
	}
	jobs = clamp_jobs(jobs, blocks);
#pragma omp parallel for schedule(static) num_threads(jobs) if (jobs > 1)
	for (size_t b = 0; b < blocks; b++) {
		size_t from = b * BLOCK, len = n - from < BLOCK ? n - from : BLOCK;
		partial[b] = block_sum(x + from, len);
	}
	double s = sm_sum_tree(partial, blocks);
	free(partial);
	return s;
}
