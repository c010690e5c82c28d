/* SPDX-License-Identifier: Apache-2.0 */
/* Training metrics against the original notebook's formulas in numpy (tests/golden/metrics.txt,
 * made by scripts/golden_metrics.py), and the same bits on any number of threads. */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/metrics.h"

enum { SIZES = 2, MOST = 500 };
static const size_t sizes[SIZES] = {500, 300};
static struct sm_err err;

/* As data() of the script. */
static void fill(const struct sm_task *task, size_t n, size_t step, float *p, float *t)
{
	size_t k = (size_t)task->channels;
	uint8_t label[MOST];
	for (size_t v = 0; v < n; v++) {
		float sum = 0;
		for (size_t c = 0; c < k; c++) {
			p[v * k + c] = (float)(((v * k + c) * 7919 + step * 104729) % 1009 + 1);
			sum += p[v * k + c];
		}
		for (size_t c = 0; c < k; c++)
			p[v * k + c] /= task->softmax ? sum : 1010.0f;
		label[v] = (uint8_t)((v * 31 + step * 17) % 97 % 4);
	}
	sm_task_target(task, label, n, t);
}

/* Two steps, each in two parts, of 5 and 3 samples. */
static void measure(const struct sm_task *task, unsigned rows, int threads, double *out)
{
	static float p[MOST * 4], t[MOST * 4];
	struct sm_metrics *m = sm_metrics_make(rows, task, &err);
	assert_non_null(m);
	double *part = calloc(sm_metrics_part_size(m) + 1, sizeof *part);
	for (int again = 0; again < 2; again++) {
		sm_metrics_clear(m);
		for (size_t s = 0; s < SIZES; s++) {
			size_t k = (size_t)task->channels, half = sizes[s] / 5 * 2;
			fill(task, sizes[s], s, p, t);
			sm_metrics_measure(m, p, t, half, threads, part);
			sm_metrics_add_part(m, part);
			sm_metrics_measure(m, p + half * k, t + half * k, sizes[s] - half, threads,
					   part);
			sm_metrics_add_part(m, part);
			sm_metrics_step(m, s ? 3 : 5);
		}
	}
	sm_metrics_values(m, out);
	sm_metrics_free(m);
	free(part);
}

static void test_values_are_the_originals(void **state)
{
	(void)state;
	FILE *f = fopen("tests/golden/metrics.txt", "r");
	char head[32];
	int channels, tasks = 0;
	const char *all = "all";
	unsigned rows;
	assert_non_null(f);
	assert_good(sm_metrics_choose(&all, 1, &rows, &err), err);
	while (fscanf(f, "%31s %d", head, &channels) == 2) {
		struct sm_task task;
		double v[16];
		bool softmax = strcmp(head, "softmax") == 0;
		assert_good(sm_task_classes(&task, 3, softmax, &err), err);
		assert_int_equal(task.channels, channels);
		assert_int_equal(sm_metrics_columns(rows, &task), 9);
		measure(&task, rows, 1, v);
		for (size_t i = 0; i < 9; i++) {
			char name[64], column[64];
			double want;
			assert_int_equal(fscanf(f, "%63s %lf", name, &want), 2);
			sm_metrics_column(rows, &task, i, column);
			assert_string_equal(column, name);
			assert_true(fabs(v[i] - want) < 1e-12);
		}
		tasks++;
	}
	fclose(f);
	assert_int_equal(tasks, 2);
}

static void test_threads_change_no_bit(void **state)
{
	(void)state;
	struct sm_task task;
	double one[16], more[16];
	assert_good(sm_task_classes(&task, 3, true, &err), err);
	measure(&task, 0x7f, 1, one);
	for (int threads = 2; threads < 5; threads++) {
		measure(&task, 0x7f, threads, more);
		assert_memory_equal(one, more, 9 * sizeof *one);
	}
}

static void test_rows_are_chosen_by_name(void **state)
{
	(void)state;
	const char *names[] = {"precision", "mean_iou"}, *wrong[] = {"accuracy", "iou"};
	struct sm_task task;
	unsigned rows;
	char column[64];
	double v[16], all[16];
	assert_good(sm_task_classes(&task, 3, true, &err), err);
	assert_good(sm_metrics_choose(names, 2, &rows, &err), err);
	assert_int_equal(sm_metrics_columns(rows, &task), 2);
	sm_metrics_column(rows, &task, 0, column);
	assert_string_equal(column, "mean_iou");
	measure(&task, rows, 1, v);
	measure(&task, 0x7f, 1, all);
	assert_true(v[0] == all[1] && v[1] == all[6]);
	assert_refused(sm_metrics_choose(wrong, 2, &rows, &err), SM_USAGE, err,
		       "train.metrics[1]: found 'iou', allowed is one of accuracy");
	assert_good(sm_metrics_choose(NULL, 0, &rows, &err), err);
	assert_int_equal(sm_metrics_columns(rows, &task), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_the_originals),
		cmocka_unit_test(test_threads_change_no_bit),
		cmocka_unit_test(test_rows_are_chosen_by_name),
	};
	return run_tap(tests);
}
