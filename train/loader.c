/* SPDX-License-Identifier: Apache-2.0 */
#include "train/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/rng.h"
#include "train/nn/nn.h"

#define SLOTS 3 /* one in the trainer's hands, two being filled */

struct slot {
	int64_t number; /* of the batch it holds or is being filled with; -1 = none yet */
	int64_t epoch;
	bool valid;
	int n, left; /* samples in all, and not decoded yet */
	float *x, *target;
	int failed; /* sample of `error`, or n */
	struct sm_err error;
};

/* Where the next sample to be taken up stands. */
struct place {
	int64_t number, epoch, step; /* batch over the whole run; epoch; batch in the epoch */
	int sample;
};

struct sm_loader {
	struct sm_loader_opt opt;
	struct sm_mem *mem;
	size_t voxels, channels;
	size_t train_samples, valid_samples; /* an epoch */
	int64_t train_steps, valid_steps;
	size_t *order; /* of the epoch at `at` */
	size_t *valid_order;
	float **scratch_x; /* of each thread */
	uint8_t **scratch_y;
	struct slot slot[SLOTS];
	pthread_mutex_t lock; /* of slots, at, taken, stop */
	pthread_cond_t moved;
	struct place at;
	int64_t taken;  /* batches that the trainer is done with */
	int64_t handed; /* batches handed out */
	bool stop;
	double waited;
	pthread_t *thread;
	int started;
};

/* What a thread got to do. */
struct task {
	struct slot *slot;
	int sample;
	size_t tile;
};

enum sm_status sm_loader_order(uint64_t seed, int64_t epoch, size_t tiles, size_t *order, size_t n,
			       struct sm_err *err)
{
	size_t *one = malloc((tiles ? tiles : 1) * sizeof *one);
	if (!one)
		return SM_FAIL(err, SM_BUDGET, "order of tiles: out of memory");
	for (size_t done = 0, round = 0; done < n && tiles; round++) {
		struct sm_rng rng;
		sm_rng_init(&rng, seed, "train.order", "", (uint64_t)epoch, round);
		sm_rng_permutation(&rng, one, tiles);
		size_t take = n - done < tiles ? n - done : tiles;
		memcpy(order + done, one, take * sizeof *order);
		done += take;
	}
	free(one);
	return SM_OK;
}

static int by_number(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	return x < y ? -1 : x > y;
}

/* The validation tiles: a seeded choice, the same in every epoch, read in their order. */
static void choose_valid(struct sm_loader *l, size_t *all)
{
	struct sm_rng rng;
	sm_rng_init(&rng, l->opt.seed, "train.valid", "", 0, 0);
	sm_rng_permutation(&rng, all, sm_tiles_count(l->opt.valid));
	qsort(all, l->valid_samples, sizeof *all, by_number);
}

static size_t at_most(size_t limit, size_t n)
{
	return limit && limit < n ? limit : n;
}

size_t sm_loader_bytes(const struct sm_loader_opt *o)
{
	struct sm_tile_shape s = sm_tiles_shape(o->train);
	size_t voxels = (size_t)(s.depth * s.height * s.width);
	size_t sample = voxels * ((size_t)s.channels + (size_t)o->classes) * sizeof(float);
	/* The tile, and while it is read its compressed and its shuffled bytes. */
	size_t scratch = 3 * voxels * ((size_t)s.channels * sizeof(float) + 1);
	return SLOTS * (size_t)o->batch * sample + (size_t)o->threads * scratch;
}

/* ---- the threads ---------------------------------------------------------------------------- */

static enum sm_status decode(struct sm_loader *l, const struct task *t, float *x, uint8_t *y,
			     struct sm_err *err)
{
	struct sm_tiles *tiles = t->slot->valid ? l->opt.valid : l->opt.train;
	size_t k = (size_t)l->opt.classes, each_x = l->voxels * l->channels, each_t = l->voxels * k;
	if (t->sample == 0) { /* what a smaller last batch leaves free */
		size_t rest = (size_t)(l->opt.batch - t->slot->n);
		memset(t->slot->x + (size_t)t->slot->n * each_x, 0, rest * each_x * sizeof(float));
		memset(t->slot->target + (size_t)t->slot->n * each_t, 0,
		       rest * each_t * sizeof(float));
	}
	SM_TRY(sm_tiles_read(tiles, t->tile, x, y, err));
	uint8_t largest = 0;
	for (size_t i = 0; i < l->voxels; i++)
		largest = y[i] > largest ? y[i] : largest;
	if (largest > l->opt.classes)
		return SM_FAIL(
			err, SM_INPUT,
			"tile %zu of fold %s: holds label %d, allowed are 0 to %d (train.classes)",
			t->tile, t->slot->valid ? "valid" : "train", largest, l->opt.classes);
	sm_to_channels_last(x, (int)l->channels, l->voxels,
			    t->slot->x + (size_t)t->sample * each_x);
	sm_onehot(y, l->voxels, l->opt.classes, t->slot->target + (size_t)t->sample * each_t);
	return SM_OK;
}

static int batch_size(const struct sm_loader *l, const struct place *p)
{
	bool valid = p->step >= l->train_steps;
	size_t all = valid ? l->valid_samples : l->train_samples;
	size_t first = (size_t)(valid ? p->step - l->train_steps : p->step) * (size_t)l->opt.batch;
	return (int)(all - first < (size_t)l->opt.batch ? all - first : (size_t)l->opt.batch);
}

/* Moves to the next sample. */
static void advance(struct sm_loader *l, int n)
{
	struct place *p = &l->at;
	if (++p->sample < n)
		return;
	p->sample = 0;
	p->number++;
	if (++p->step < l->train_steps + l->valid_steps)
		return;
	p->step = 0;
	p->epoch++;
}

/* With the lock: takes up the next sample into *t; false when there is none left or all ends. */
static bool take(struct sm_loader *l, struct task *t)
{
	struct place *p = &l->at;
	while (!l->stop && p->epoch < l->opt.last_epoch && p->number >= l->taken + SLOTS)
		pthread_cond_wait(&l->moved, &l->lock);
	if (l->stop || p->epoch >= l->opt.last_epoch)
		return false;
	struct slot *s = &l->slot[p->number % SLOTS];
	if (p->sample == 0) {
		int n = batch_size(l, p);
		s->epoch = p->epoch;
		s->valid = p->step >= l->train_steps;
		s->n = s->left = s->failed = n;
		s->number = p->number;
		if (p->step == 0 &&
		    sm_loader_order(l->opt.seed, p->epoch, sm_tiles_count(l->opt.train), l->order,
				    l->train_samples, &s->error) != SM_OK)
			s->failed = 0;
	}
	size_t first =
		(size_t)(s->valid ? p->step - l->train_steps : p->step) * (size_t)l->opt.batch;
	size_t i = first + (size_t)p->sample;
	*t = (struct task){s, p->sample, s->valid ? l->valid_order[i] : l->order[i]};
	advance(l, s->n);
	return true;
}

struct start {
	struct sm_loader *loader;
	int thread;
};

static void *work(void *arg)
{
	struct start *start = arg;
	struct sm_loader *l = start->loader;
	float *x = l->scratch_x[start->thread];
	uint8_t *y = l->scratch_y[start->thread];
	struct task t;
	free(start);
	pthread_mutex_lock(&l->lock);
	while (take(l, &t)) {
		struct sm_err err = {0};
		pthread_mutex_unlock(&l->lock);
		enum sm_status st = decode(l, &t, x, y, &err);
		pthread_mutex_lock(&l->lock);
		/* Of several failures that of the first sample counts, whoever came first. */
		if (st != SM_OK && t.sample < t.slot->failed) {
			t.slot->failed = t.sample;
			t.slot->error = err;
			t.slot->error.code = st;
		}
		if (--t.slot->left == 0)
			pthread_cond_broadcast(&l->moved);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static enum sm_status allocate(struct sm_loader *l, struct sm_err *err)
{
	size_t batch = (size_t)l->opt.batch, threads = (size_t)l->opt.threads;
	size_t all = sm_tiles_count(l->opt.valid);
	l->order = sm_calloc(l->mem, l->train_samples, sizeof *l->order, "order of tiles", err);
	l->valid_order = sm_alloc(l->mem, all, sizeof *l->valid_order, "order of tiles", err);
	l->scratch_x = calloc(threads, sizeof *l->scratch_x);
	l->scratch_y = calloc(threads, sizeof *l->scratch_y);
	l->thread = calloc(threads, sizeof *l->thread);
	if (!l->order || !l->valid_order)
		return SM_BUDGET;
	if (!l->scratch_x || !l->scratch_y || !l->thread)
		return SM_FAIL(err, SM_BUDGET, "loader: out of memory");
	for (size_t i = 0; i < threads; i++) {
		l->scratch_x[i] =
			sm_alloc(l->mem, l->voxels * l->channels, sizeof(float), "a tile", err);
		l->scratch_y[i] =
			l->scratch_x[i] ? sm_alloc(l->mem, l->voxels, 1, "a tile", err) : NULL;
		if (!l->scratch_y[i])
			return SM_BUDGET;
	}
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &l->slot[i];
		s->number = -1;
		s->x = sm_alloc(l->mem, batch * l->voxels * l->channels, sizeof(float), "a batch",
				err);
		s->target = s->x ? sm_alloc(l->mem, batch * l->voxels * (size_t)l->opt.classes,
					    sizeof(float), "a batch", err)
				 : NULL;
		if (!s->target)
			return SM_BUDGET;
	}
	choose_valid(l, l->valid_order);
	return SM_OK;
}

static enum sm_status start_threads(struct sm_loader *l, struct sm_err *err)
{
	for (; l->started < l->opt.threads; l->started++) {
		struct start *start = malloc(sizeof *start);
		if (start)
			*start = (struct start){l, l->started};
		if (!start || pthread_create(&l->thread[l->started], NULL, work, start) != 0) {
			free(start);
			return SM_FAIL(err, SM_BUDGET, "loader: thread %d of %d cannot be started",
				       l->started + 1, l->opt.threads);
		}
	}
	return SM_OK;
}

enum sm_status sm_loader_start(const struct sm_loader_opt *opt, struct sm_mem *mem,
			       struct sm_loader **out, struct sm_err *err)
{
	struct sm_tile_shape a = sm_tiles_shape(opt->train), b = sm_tiles_shape(opt->valid);
	*out = NULL;
	if (memcmp(&a, &b, sizeof a) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "tiles of the training and the validation fold differ in shape");
	struct sm_loader *l = calloc(1, sizeof *l);
	if (!l)
		return SM_FAIL(err, SM_BUDGET, "loader: out of memory");
	size_t batch = (size_t)opt->batch;
	l->opt = *opt;
	l->mem = mem;
	l->voxels = (size_t)(a.depth * a.height * a.width);
	l->channels = (size_t)a.channels;
	l->train_samples = opt->steps ? (size_t)opt->steps * batch : sm_tiles_count(opt->train);
	l->valid_samples = at_most((size_t)opt->valid_tiles, sm_tiles_count(opt->valid));
	l->train_steps = (int64_t)((l->train_samples + batch - 1) / batch);
	l->valid_steps = (int64_t)((l->valid_samples + batch - 1) / batch);
	l->at = (struct place){.epoch = opt->first_epoch};
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->moved, NULL);
	enum sm_status st = allocate(l, err);
	if (st == SM_OK)
		st = start_threads(l, err);
	if (st != SM_OK)
		sm_loader_stop(l);
	else
		*out = l;
	return st;
}

int64_t sm_loader_train_steps(const struct sm_loader *loader)
{
	return loader->train_steps;
}

int64_t sm_loader_valid_steps(const struct sm_loader *loader)
{
	return loader->valid_steps;
}

int64_t sm_loader_epoch_samples(const struct sm_loader *loader)
{
	return (int64_t)(loader->train_samples + loader->valid_samples);
}

enum sm_status sm_loader_next(struct sm_loader *l, struct sm_batch *batch, struct sm_err *err)
{
	double started = sm_now();
	enum sm_status st = SM_OK;
	int64_t all = (l->opt.last_epoch - l->opt.first_epoch) * (l->train_steps + l->valid_steps);
	*batch = (struct sm_batch){0};
	if (l->handed >= all)
		return SM_FAIL(err, SM_INTERNAL, "loader: asked for batch %lld of %lld",
			       (long long)l->handed + 1, (long long)all);
	pthread_mutex_lock(&l->lock);
	struct slot *s = &l->slot[l->handed % SLOTS];
	l->taken = l->handed;
	pthread_cond_broadcast(&l->moved);
	while (s->number != l->handed || s->left > 0)
		pthread_cond_wait(&l->moved, &l->lock);
	if (s->failed < s->n) {
		st = s->error.code;
		if (err)
			*err = s->error;
	}
	pthread_mutex_unlock(&l->lock);
	*batch = (struct sm_batch){s->epoch, s->valid, s->n, s->x, s->target};
	if (l->handed++)
		l->waited += sm_now() - started;
	return st;
}

double sm_loader_waited(const struct sm_loader *loader)
{
	return loader->waited;
}

void sm_loader_stop(struct sm_loader *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->moved);
	pthread_mutex_unlock(&l->lock);
	for (int i = 0; i < l->started; i++)
		pthread_join(l->thread[i], NULL);
	for (int i = 0; i < SLOTS; i++) {
		sm_free(l->slot[i].x);
		sm_free(l->slot[i].target);
	}
	for (int i = 0; i < l->opt.threads; i++) {
		sm_free(l->scratch_x ? l->scratch_x[i] : NULL);
		sm_free(l->scratch_y ? l->scratch_y[i] : NULL);
	}
	free(l->scratch_x);
	free(l->scratch_y);
	free(l->thread);
	sm_free(l->order);
	sm_free(l->valid_order);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->moved);
	free(l);
}
