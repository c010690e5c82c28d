/* SPDX-License-Identifier: Apache-2.0 */
#include "train/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/rng.h"
#include "train/nn/nn.h"

#define SLOTS 3 /* one in the trainer's hands, two being filled */

/* Samples first..first + n - 1 of the epoch's order (or of the validation's): one batch. */
struct cut {
	size_t first;
	int n;
	bool valid, begins, ends, end; /* begins and ends a step; ends the training or validation */
	int part, parts, before;       /* as in struct sm_batch */
};

struct slot {
	int64_t number; /* of the batch it holds or is being filled with; -1 = none yet */
	int64_t epoch;
	struct cut cut;
	int left; /* samples not decoded yet */
	float *x, *target;
	size_t *tile; /* number of each sample's */
	int failed; /* sample of `error`, or n */
	struct sm_err error;
};

/* Where the next sample to be taken up stands. */
struct place {
	int64_t number, epoch; /* batch over the whole run; epoch */
	size_t cut;            /* batch in the epoch */
	int sample;
};

struct sm_loader {
	struct sm_loader_opt opt;
	struct sm_mem *mem;
	struct sm_tile_shape shape;
	size_t voxels, channels, micro;
	size_t cases, *case_first;  /* by_case: of the training; case_first[cases] = all tiles */
	size_t most;                /* samples of the largest case */
	size_t train_samples, valid_samples; /* an epoch; room of order and valid_order */
	int64_t train_steps, valid_steps;
	size_t *order; /* of the epoch at `at` */
	size_t *valid_order;
	struct cut *cut; /* of the epoch at `at` */
	size_t cuts;
	float **scratch_x; /* of each thread */
	uint8_t **scratch_y;
	void **scratch_hook;
	struct slot slot[SLOTS];
	pthread_mutex_t lock; /* of slots, at, cut, order, taken, stop */
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
	size_t tile, place; /* place in the epoch's order */
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

static int micro_of(const struct sm_loader_opt *o)
{
	return o->micro > 0 && (o->micro < o->batch || o->by_case) ? o->micro : o->batch;
}

size_t sm_loader_bytes(const struct sm_loader_opt *o)
{
	struct sm_tile_shape s = sm_tiles_shape(o->train);
	size_t voxels = (size_t)(s.depth * s.height * s.width);
	size_t sample = voxels * ((size_t)s.channels + (size_t)o->task->channels) * sizeof(float);
	size_t scratch = voxels * ((size_t)s.channels * sizeof(float) + 1) +
			 sm_tiles_reading(o->train) + o->hook.scratch;
	return SLOTS * (size_t)micro_of(o) * sample + (size_t)o->threads * scratch;
}

/* ---- the batches of an epoch ---------------------------------------------------------------- */

/* Cuts a step of n samples from `first` on into batches: those of this rank, at least
 * an empty one. */
static void add_step(struct sm_loader *l, size_t first, size_t n, bool valid)
{
	size_t ranks = l->opt.ranks > 1 ? (size_t)l->opt.ranks : 1,
	       rank = ranks > 1 ? (size_t)l->opt.rank : 0;
	size_t parts = (n + l->micro - 1) / l->micro;
	size_t from = parts * rank / ranks, to = parts * (rank + 1) / ranks;
	size_t k = from;
	do {
		size_t done = k * l->micro, left = n - done;
		size_t take = k >= to ? 0 : left < l->micro ? left : l->micro;
		l->cut[l->cuts++] = (struct cut){.first = first + done,
						 .n = (int)take,
						 .valid = valid,
						 .begins = k == from,
						 .ends = k + 1 >= to,
						 .part = (int)k,
						 .parts = (int)parts,
						 .before = (int)done};
	} while (++k < to);
}

/* Steps of `batch` samples, or of a case each, of tiles in their order. */
static void cut_in_order(struct sm_loader *l, size_t samples, bool valid)
{
	size_t batch = (size_t)l->opt.batch;
	for (size_t first = 0, n; first < samples; first += n) {
		n = samples - first < batch ? samples - first : batch;
		add_step(l, first, n, valid);
	}
	l->cut[l->cuts - 1].end = true;
}

/* Each step a case: the order is that of a permutation of the cases. */
static enum sm_status cut_by_case(struct sm_loader *l, int64_t epoch, struct sm_err *err)
{
	size_t steps = (size_t)l->train_steps, at = 0;
	size_t *which = malloc(steps * sizeof *which);
	enum sm_status st =
		which ? SM_OK : SM_FAIL(err, SM_BUDGET, "order of cases: out of memory");
	if (st == SM_OK)
		st = sm_loader_order(l->opt.seed, epoch, l->cases, which, steps, err);
	for (size_t i = 0; st == SM_OK && i < steps; i++) {
		size_t from = l->case_first[which[i]], to = l->case_first[which[i] + 1], first = at;
		for (size_t k = from; k < to; k++)
			l->order[at++] = k;
		add_step(l, first, to - from, false);
	}
	if (l->cuts)
		l->cut[l->cuts - 1].end = true;
	free(which);
	return st;
}

static enum sm_status begin_epoch(struct sm_loader *l, int64_t epoch, struct sm_err *err)
{
	l->cuts = 0;
	if (l->opt.by_case) {
		SM_TRY(cut_by_case(l, epoch, err));
	} else {
		SM_TRY(sm_loader_order(l->opt.seed, epoch, sm_tiles_count(l->opt.train), l->order,
				       l->train_samples, err));
		cut_in_order(l, l->train_samples, false);
	}
	cut_in_order(l, l->valid_samples, true);
	return SM_OK;
}

/* ---- the threads ---------------------------------------------------------------------------- */

static enum sm_status decode(struct sm_loader *l, const struct task *t, int thread,
			     struct sm_err *err)
{
	const struct slot *s = t->slot;
	const struct sm_loader_hook *hook = &l->opt.hook;
	struct sm_tiles *tiles = s->cut.valid ? l->opt.valid : l->opt.train;
	float *x = l->scratch_x[thread];
	uint8_t *y = l->scratch_y[thread];
	size_t each_x = l->voxels * l->channels,
	       each_t = l->voxels * (size_t)l->opt.task->channels;
	if (t->sample == 0) { /* what a smaller last batch leaves free */
		size_t n = (size_t)s->cut.n, rest = l->micro - n;
		memset(s->x + n * each_x, 0, rest * each_x * sizeof(float));
		memset(s->target + n * each_t, 0, rest * each_t * sizeof(float));
	}
	SM_TRY(sm_tiles_draw(tiles, t->tile, s->cut.valid ? 0 : s->epoch, x, y, err));
	uint8_t largest = 0;
	for (size_t i = 0; i < l->voxels; i++)
		largest = y[i] > largest ? y[i] : largest;
	SM_TRY(sm_tiles_allow(tiles, t->tile, largest, l->opt.task->labels, err));
	if (hook->apply && !s->cut.valid)
		SM_TRY(hook->apply(hook->ctx, l->opt.seed, s->epoch, t->place, &l->shape, x, y,
				   l->scratch_hook[thread], err));
	sm_to_channels_last(x, (int)l->channels, l->voxels, s->x + (size_t)t->sample * each_x);
	sm_task_target(l->opt.task, y, l->voxels, s->target + (size_t)t->sample * each_t);
	return SM_OK;
}

/* Moves to the next sample. */
static void advance(struct sm_loader *l, int n)
{
	struct place *p = &l->at;
	if (++p->sample < n)
		return;
	p->sample = 0;
	p->number++;
	if (++p->cut < l->cuts)
		return;
	p->cut = 0;
	p->epoch++;
}

/* With the lock: waits until the next sample's slot is free; false when there is none left or all
 * ends. */
static bool wait_for_slot(struct sm_loader *l)
{
	const struct place *p = &l->at;
	while (!l->stop && p->epoch < l->opt.last_epoch && p->number >= l->taken + SLOTS)
		pthread_cond_wait(&l->moved, &l->lock);
	return !l->stop && p->epoch < l->opt.last_epoch;
}

/* With the lock: gives slot s to the batch that begins; false when nothing can be taken up any
 * more. */
static bool begin_batch(struct sm_loader *l, struct slot *s)
{
	const struct place *p = &l->at;
	enum sm_status st = p->cut == 0 ? begin_epoch(l, p->epoch, &s->error) : SM_OK;
	s->epoch = p->epoch;
	s->cut = st == SM_OK ? l->cut[p->cut] : (struct cut){.n = 1};
	s->left = s->cut.n;
	s->failed = st == SM_OK ? s->cut.n : 0;
	s->number = p->number;
	if (st == SM_OK)
		return true;
	l->stop = true;
	s->left = 0;
	s->error.code = st;
	pthread_cond_broadcast(&l->moved);
	return false;
}

/* With the lock: takes up the next sample into *t; false when there is none left or all ends. */
static bool take(struct sm_loader *l, struct task *t)
{
	struct place *p = &l->at;
	while (wait_for_slot(l)) {
		struct slot *s = &l->slot[p->number % SLOTS];
		if (p->sample == 0 && !begin_batch(l, s))
			return false;
		if (s->cut.n > 0) {
			size_t i = s->cut.first + (size_t)p->sample;
			size_t tile = s->cut.valid ? l->valid_order[i] : l->order[i];
			*t = (struct task){s, p->sample, tile, i};
			s->tile[p->sample] = tile;
			advance(l, s->cut.n);
			return true;
		}
		advance(l, 0); /* nothing of this step is ours */
		pthread_cond_broadcast(&l->moved);
	}
	return false;
}

struct start {
	struct sm_loader *loader;
	int thread;
};

static void *work(void *arg)
{
	struct start *start = arg;
	struct sm_loader *l = start->loader;
	int thread = start->thread;
	struct task t;
	free(start);
	pthread_mutex_lock(&l->lock);
	while (take(l, &t)) {
		struct sm_err err = {0};
		pthread_mutex_unlock(&l->lock);
		enum sm_status st = decode(l, &t, thread, &err);
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

static enum sm_status allocate_scratch(struct sm_loader *l, struct sm_err *err)
{
	size_t threads = (size_t)l->opt.threads, hook = l->opt.hook.scratch;
	l->scratch_x = calloc(threads, sizeof *l->scratch_x);
	l->scratch_y = calloc(threads, sizeof *l->scratch_y);
	l->scratch_hook = calloc(threads, sizeof *l->scratch_hook);
	l->thread = calloc(threads, sizeof *l->thread);
	if (!l->scratch_x || !l->scratch_y || !l->scratch_hook || !l->thread)
		return SM_FAIL(err, SM_BUDGET, "loader: out of memory");
	for (size_t i = 0; i < threads; i++) {
		l->scratch_x[i] =
			sm_alloc(l->mem, l->voxels * l->channels, sizeof(float), "a tile", err);
		l->scratch_y[i] =
			l->scratch_x[i] ? sm_alloc(l->mem, l->voxels, 1, "a tile", err) : NULL;
		if (!l->scratch_y[i])
			return SM_BUDGET;
		if (hook && !(l->scratch_hook[i] = sm_alloc(l->mem, hook, 1, "a tile", err)))
			return SM_BUDGET;
	}
	return SM_OK;
}

static enum sm_status allocate(struct sm_loader *l, struct sm_err *err)
{
	size_t all = sm_tiles_count(l->opt.valid), k = (size_t)l->opt.task->channels;
	size_t longest = l->opt.by_case ? l->most : (size_t)l->opt.batch;
	size_t cuts = (size_t)l->train_steps * (longest / l->micro + 1) +
		      (size_t)l->valid_steps * ((size_t)l->opt.batch / l->micro + 1);
	l->order = sm_calloc(l->mem, l->train_samples, sizeof *l->order, "order of tiles", err);
	l->valid_order = sm_alloc(l->mem, all, sizeof *l->valid_order, "order of tiles", err);
	l->cut = sm_alloc(l->mem, cuts, sizeof *l->cut, "order of tiles", err);
	if (!l->order || !l->valid_order || !l->cut)
		return SM_BUDGET;
	SM_TRY(allocate_scratch(l, err));
	for (int i = 0; i < SLOTS; i++) {
		struct slot *s = &l->slot[i];
		s->number = -1;
		s->x = sm_alloc(l->mem, l->micro * l->voxels * l->channels, sizeof(float),
				"a batch", err);
		s->target = s->x ? sm_alloc(l->mem, l->micro * l->voxels * k, sizeof(float),
					    "a batch", err)
				 : NULL;
		s->tile = sm_calloc(l->mem, l->micro, sizeof *s->tile, "a batch", err);
		if (!s->target || !s->tile)
			return SM_BUDGET;
	}
	choose_valid(l, l->valid_order);
	return SM_OK;
}

/* Where each case of the training begins, and how many samples an epoch can have at most. */
static enum sm_status find_cases(struct sm_loader *l, struct sm_err *err)
{
	size_t n = sm_tiles_count(l->opt.train);
	l->cases = sm_tiles_cases(l->opt.train);
	l->case_first =
		sm_alloc(l->mem, l->cases + 1, sizeof *l->case_first, "order of cases", err);
	if (!l->case_first)
		return SM_BUDGET;
	for (size_t i = n; i-- > 0;)
		l->case_first[sm_tiles_case(l->opt.train, i)] = i;
	l->case_first[l->cases] = n;
	for (size_t c = 0; c < l->cases; c++) {
		size_t own = l->case_first[c + 1] - l->case_first[c];
		l->most = own > l->most ? own : l->most;
	}
	l->train_steps = l->opt.steps ? l->opt.steps : (int64_t)l->cases;
	l->train_samples = l->opt.steps ? (size_t)l->opt.steps * l->most : n;
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

static enum sm_status measure(struct sm_loader *l, struct sm_err *err)
{
	const struct sm_loader_opt *o = &l->opt;
	size_t batch = (size_t)o->batch;
	l->micro = (size_t)micro_of(o);
	l->voxels = (size_t)(l->shape.depth * l->shape.height * l->shape.width);
	l->channels = (size_t)l->shape.channels;
	l->valid_samples = at_most((size_t)o->valid_tiles, sm_tiles_count(o->valid));
	l->valid_steps = (int64_t)((l->valid_samples + batch - 1) / batch);
	if (o->by_case)
		return find_cases(l, err);
	l->train_samples = o->steps ? (size_t)o->steps * batch : sm_tiles_count(o->train);
	l->train_steps = (int64_t)((l->train_samples + batch - 1) / batch);
	return SM_OK;
}

enum sm_status sm_loader_start(const struct sm_loader_opt *opt, struct sm_mem *mem,
			       struct sm_loader **out, struct sm_err *err)
{
	struct sm_tile_shape a = sm_tiles_shape(opt->train), b = sm_tiles_shape(opt->valid);
	*out = NULL;
	if (memcmp(&a, &b, sizeof a) != 0)
		return SM_FAIL(
			err, SM_INPUT,
			"tiles of the training and the validation fold differ in shape: "
			"%lld x %lld x %lld with %lld channels, and %lld x %lld x %lld with %lld",
			(long long)a.width, (long long)a.height, (long long)a.depth,
			(long long)a.channels, (long long)b.width, (long long)b.height,
			(long long)b.depth, (long long)b.channels);
	struct sm_loader *l = calloc(1, sizeof *l);
	if (!l)
		return SM_FAIL(err, SM_BUDGET, "loader: out of memory");
	l->opt = *opt;
	l->mem = mem;
	l->shape = a;
	l->at = (struct place){.epoch = opt->first_epoch};
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->moved, NULL);
	enum sm_status st = measure(l, err);
	if (st == SM_OK)
		st = allocate(l, err);
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

int64_t sm_loader_epoch_samples(const struct sm_loader *loader)
{
	return (int64_t)(loader->train_samples + loader->valid_samples);
}

/* With the lock: whether batch l->handed can never come. */
static bool is_over(const struct sm_loader *l)
{
	return l->at.epoch >= l->opt.last_epoch && l->handed >= l->at.number;
}

enum sm_status sm_loader_next(struct sm_loader *l, struct sm_batch *batch, struct sm_err *err)
{
	double started = sm_now();
	enum sm_status st = SM_OK;
	*batch = (struct sm_batch){0};
	pthread_mutex_lock(&l->lock);
	struct slot *s = &l->slot[l->handed % SLOTS];
	l->taken = l->handed;
	pthread_cond_broadcast(&l->moved);
	while (!is_over(l) && (s->number != l->handed || s->left > 0))
		pthread_cond_wait(&l->moved, &l->lock);
	if (is_over(l))
		st = SM_FAIL(err, SM_INTERNAL, "loader: asked for batch %lld of %lld",
			     (long long)l->handed + 1, (long long)l->at.number);
	else if (s->failed < s->cut.n) {
		st = s->error.code;
		if (err)
			*err = s->error;
	}
	pthread_mutex_unlock(&l->lock);
	*batch = (struct sm_batch){.epoch = s->epoch,
				   .valid = s->cut.valid,
				   .n = s->cut.n,
				   .first = s->cut.begins,
				   .last = s->cut.ends,
				   .end = s->cut.end,
				   .part = s->cut.part,
				   .parts = s->cut.parts,
				   .before = s->cut.before,
				   .x = s->x,
				   .target = s->target,
				   .tile = s->tile};
	if (l->handed++)
		l->waited += sm_now() - started;
	return st;
}

const char *sm_loader_key(const struct sm_loader *l, const struct sm_batch *batch, int i)
{
	return sm_tiles_key(batch->valid ? l->opt.valid : l->opt.train, batch->tile[i]);
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
		sm_free(l->slot[i].tile);
	}
	for (int i = 0; i < l->opt.threads; i++) {
		sm_free(l->scratch_x ? l->scratch_x[i] : NULL);
		sm_free(l->scratch_y ? l->scratch_y[i] : NULL);
		sm_free(l->scratch_hook ? l->scratch_hook[i] : NULL);
	}
	free(l->scratch_x);
	free(l->scratch_y);
	free(l->scratch_hook);
	free(l->thread);
	sm_free(l->order);
	sm_free(l->valid_order);
	sm_free(l->cut);
	sm_free(l->case_first);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->moved);
	free(l);
}
