/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_read_tiles ROUNDS JOBS SHARD...: reads every sample of all shards ROUNDS times in a random
 * order on JOBS threads, as training does, and prints uncompressed bytes a second of the clock, and
 * a second of processor time times JOBS: what the clock would say on cores that nobody else
 * uses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/h5tile.h"
#include "core/mem.h"
#include "core/par.h"
#include "core/rng.h"

struct shard {
	struct sm_shard *shard;
	struct sm_tile_shape shape;
};

struct reading {
	struct shard *shards;
	size_t *order; /* of all samples: shard * 2^32 + sample */
	size_t bytes;  /* of the largest sample */
	int jobs;
	size_t n;
};

static size_t x_bytes(const struct sm_tile_shape *s)
{
	return (size_t)(s->channels * s->depth * s->height * s->width) * sizeof(float);
}

static size_t y_bytes(const struct sm_tile_shape *s)
{
	return s->parts & SM_SHARD_UNLABELLED ? 0 : (size_t)(s->depth * s->height * s->width);
}

static size_t b_bytes(const struct sm_tile_shape *s)
{
	return (size_t)(s->b_channels * s->depth * s->height * s->width) * sizeof(float);
}

/* One thread's share, into memory that it uses again. */
static enum sm_status read_share(void *ctx, size_t job, struct sm_err *err)
{
	struct reading *r = ctx;
	char *room = sm_alloc(NULL, r->bytes, 1, "a sample", err);
	enum sm_status st = room ? SM_OK : SM_BUDGET;
	for (size_t i = job; st == SM_OK && i < r->n; i += (size_t)r->jobs) {
		const struct shard *s = &r->shards[r->order[i] >> 32];
		size_t x = x_bytes(&s->shape), b = b_bytes(&s->shape);
		struct sm_shard_room out = {
			.x = (float *)room,
			.b = b ? (float *)(room + x) : NULL,
			.y = y_bytes(&s->shape) ? (uint8_t *)room + x + b : NULL};
		st = sm_shard_read_sample(s->shard, (int64_t)(r->order[i] & UINT32_MAX), &out, err);
	}
	sm_free(room);
	return st;
}

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum sm_status run(int rounds, int jobs, char **paths, size_t count, struct sm_err *err)
{
	struct reading r = {.jobs = jobs, .shards = calloc(count, sizeof *r.shards)};
	size_t *plain = NULL, *turn = NULL, bytes = 0;
	enum sm_status st = SM_OK;
	double best = 0, best_alone = 0;
	for (size_t i = 0; i < count; i++) {
		struct shard *s = &r.shards[i];
		SM_GOTO(st, sm_shard_open(paths[i], &s->shard, &s->shape, NULL, err));
		size_t one = x_bytes(&s->shape) + y_bytes(&s->shape) + b_bytes(&s->shape);
		r.bytes = one > r.bytes ? one : r.bytes;
		bytes += one * (size_t)s->shape.tiles;
		plain = realloc(plain, (r.n + (size_t)s->shape.tiles) * sizeof *plain);
		for (int64_t k = 0; k < s->shape.tiles; k++)
			plain[r.n++] = i << 32 | (size_t)k;
	}
	r.order = calloc(r.n, sizeof *r.order);
	turn = calloc(r.n, sizeof *turn);
	for (int round = 0; round < rounds; round++) {
		struct sm_rng rng;
		sm_rng_init(&rng, 1, "bench.read_tiles", "", (uint64_t)round, 0);
		sm_rng_permutation(&rng, turn, r.n);
		for (size_t i = 0; i < r.n; i++)
			r.order[i] = plain[turn[i]];
		double start = now(CLOCK_MONOTONIC), busy = now(CLOCK_PROCESS_CPUTIME_ID);
		SM_GOTO(st, sm_par_for((size_t)jobs, jobs, read_share, &r, err));
		double rate = (double)bytes / (now(CLOCK_MONOTONIC) - start) / 1e9;
		double alone = (double)bytes * jobs / (now(CLOCK_PROCESS_CPUTIME_ID) - busy) / 1e9;
		printf("  round %d: %.2f GB/s, by processor time %.2f\n", round + 1, rate, alone);
		best = rate > best ? rate : best;
		best_alone = alone > best_alone ? alone : best_alone;
	}
	printf("%zu samples of %zu shards, %.0f MB, %d threads: best %.2f GB/s, by processor time "
	       "%.2f\n",
	       r.n, count, (double)bytes / 1e6, jobs, best, best_alone);
out:
	for (size_t i = 0; i < count; i++)
		sm_shard_close(r.shards[i].shard);
	free(r.shards);
	free(r.order);
	free(plain);
	free(turn);
	return st;
}

int main(int argc, char **argv)
{
	struct sm_err err = {0};
	if (argc < 4) {
		fprintf(stderr, "usage: bench_read_tiles ROUNDS JOBS SHARD...\n");
		return 2;
	}
	int rounds = (int)strtol(argv[1], NULL, 10), jobs = (int)strtol(argv[2], NULL, 10);
	if (run(rounds, jobs < 1 ? 1 : jobs, argv + 3, (size_t)argc - 3, &err) != SM_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	return 0;
}
