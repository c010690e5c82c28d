/* SPDX-License-Identifier: Apache-2.0
 *
 * Denoises a NIfTI file by non-local means: "scanmill SEARCH wall-seconds processor-seconds" a run.
 * bench_nlm IN OUT THREADS RUNS H SEARCH
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/field.h"
#include "core/nii.h"
#include "preprocess/case.h"
#include "preprocess/op_table.h"

static double seconds(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static enum sm_status set(const struct sm_op *op, void *params, struct sm_arena *arena,
			  const char *key, const char *value, struct sm_err *err)
{
	for (size_t i = 0; i < op->params->count; i++)
		if (strcmp(op->params->fields[i].key, key) == 0)
			return sm_field_set(&op->params->fields[i], key, value, params, arena, err);
	return SM_FAIL(err, SM_INTERNAL, "no parameter %s", key);
}

static enum sm_status run(char **argv, struct sm_arena *arena, struct sm_err *err)
{
	const struct sm_op *op = sm_op_find("denoise");
	void *params = sm_arena_alloc(arena, op->params->size);
	const int jobs = (int)strtol(argv[3], NULL, 10), runs = (int)strtol(argv[4], NULL, 10);
	if (!params)
		return SM_FAIL(err, SM_BUDGET, "out of memory");
	SM_TRY(sm_fields_default(op->params, params, arena, err));
	SM_TRY(set(op, params, arena, "h", argv[5], err));
	SM_TRY(set(op, params, arena, "search", argv[6], err));
	for (int i = 0; i < runs; i++) {
		struct sm_case c;
		struct sm_vol vol;
		SM_TRY(sm_case_init(&c, "bench", NULL, jobs, err));
		enum sm_status st = sm_nii_read(argv[1], NULL, &vol, NULL, err);
		if (st == SM_OK)
			st = sm_case_take(&c, "image", &vol, err);
		double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (st == SM_OK)
			st = op->apply(&c, params, err);
		printf("scanmill %s %.2f %.2f\n", argv[6], seconds(CLOCK_MONOTONIC) - wall,
		       seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
		if (st == SM_OK && i == 0)
			st = sm_nii_write(argv[2], &c.vols[0].vol, 0, 1, NULL, err);
		sm_case_clear(&c);
		SM_TRY(st);
	}
	return SM_OK;
}

int main(int argc, char **argv)
{
	struct sm_arena arena = {0};
	struct sm_err err = {0};
	if (argc != 7) {
		fprintf(stderr, "usage: bench_nlm IN OUT THREADS RUNS H SEARCH\n");
		return 2;
	}
	enum sm_status st = run(argv, &arena, &err);
	if (st != SM_OK)
		fprintf(stderr, "bench_nlm: %s\n", err.text);
	sm_arena_clear(&arena);
	return sm_exit_code(st);
}
