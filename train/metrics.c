/* SPDX-License-Identifier: Apache-2.0 */
#include "train/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 64
#define SMOOTH 1.0
#define CLASS_EPS 1e-6
#define KERAS_EPS 1e-7

/* Sums of one channel. */
enum { TP, T, P, TT, PP, HARD_TP, HARD_P, HARD_TN, NEGATIVE, BOTH, EITHER, RIGHT, SUMS };

struct sm_metrics {
	unsigned rows;
	const struct sm_task *task;
	size_t channels, columns;
	double *step;   /* [channels][SUMS] */
	double *epoch;  /* the same over all steps */
	double *value;  /* [columns], weighted by samples */
	double voxels;  /* of the epoch */
	int64_t samples;
};

/* ---- the table ------------------------------------------------------------------------------ */

static double total(const struct sm_metrics *m, const double *s, int which)
{
	double sum = 0;
	for (size_t c = 0; c < m->channels; c++)
		sum += s[c * SUMS + which];
	return sum;
}

static double accuracy(const struct sm_metrics *m, const double *s, size_t c)
{
	(void)c;
	return total(m, s, RIGHT) / (m->task->softmax ? 1 : (double)m->channels) / m->voxels;
}

static double mean_iou(const struct sm_metrics *m, const double *s, size_t c)
{
	double sum = 0;
	int n = 0;
	for (c = 0; c < m->channels; c++)
		if (s[c * SUMS + EITHER] > 0) {
			sum += s[c * SUMS + BOTH] / s[c * SUMS + EITHER];
			n++;
		}
	return n ? sum / n : 1;
}

static double dice_coef(const struct sm_metrics *m, const double *s, size_t c)
{
	double sum = 0;
	for (c = 0; c < m->channels; c++)
		sum += (2 * s[c * SUMS + TP] + SMOOTH) /
		       (s[c * SUMS + T] + s[c * SUMS + P] + SMOOTH);
	return sum / (double)m->channels;
}

static double dice_coef_class(const struct sm_metrics *m, const double *s, size_t c)
{
	const double *v = s + ((size_t)sm_task_first(m->task) + c) * SUMS;
	return 2 * v[TP] / (v[TT] + v[PP] + CLASS_EPS);
}

static double precision(const struct sm_metrics *m, const double *s, size_t c)
{
	(void)c;
	return total(m, s, HARD_TP) / (total(m, s, HARD_P) + KERAS_EPS);
}

static double sensitivity(const struct sm_metrics *m, const double *s, size_t c)
{
	(void)c;
	return total(m, s, HARD_TP) / (total(m, s, T) + KERAS_EPS);
}

static double specificity(const struct sm_metrics *m, const double *s, size_t c)
{
	(void)c;
	return total(m, s, HARD_TN) / (total(m, s, NEGATIVE) + KERAS_EPS);
}

static const struct row {
	const char *name;
	bool whole_epoch; /* of the sums of the epoch, not the mean over steps */
	bool by_class;
	double (*value)(const struct sm_metrics *m, const double *s, size_t c);
} table[] = {
	{"accuracy", true, false, accuracy},
	{"mean_iou", true, false, mean_iou},
	{"dice_coef", false, false, dice_coef},
	{"dice_coef_class", false, true, dice_coef_class},
	{"precision", false, false, precision},
	{"sensitivity", false, false, sensitivity},
	{"specificity", false, false, specificity},
};
#define ROWS (sizeof table / sizeof *table)

const char *sm_metric_name(size_t i)
{
	return i < ROWS ? table[i].name : NULL;
}

enum sm_status sm_metrics_choose(const char *const *names, size_t n, unsigned *rows,
				 struct sm_err *err)
{
	*rows = 0;
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < ROWS && strcmp(table[k].name, names[i]) != 0)
			k++;
		if (k == ROWS && strcmp(names[i], "all") != 0) {
			char known[256] = "";
			size_t at = 0;
			for (size_t r = 0; r < ROWS && at < sizeof known; r++)
				at += (size_t)snprintf(known + at, sizeof known - at, "%s, ",
						       table[r].name);
			return SM_FAIL(err, SM_USAGE,
				       "train.metrics[%zu]: found '%s', allowed is one of %sall", i,
				       names[i], known);
		}
		unsigned now = k == ROWS ? (1u << ROWS) - 1 : 1u << k;
		if (*rows & now)
			return SM_FAIL(err, SM_USAGE,
				       "train.metrics[%zu]: found '%s', but a name before it "
				       "stands for the same: allowed are each once, or all alone",
				       i, names[i]);
		*rows |= now;
	}
	return SM_OK;
}

static size_t width_of(const struct row *r, const struct sm_task *task)
{
	return r->by_class ? (size_t)(task->channels - sm_task_first(task)) : 1;
}

size_t sm_metrics_columns(unsigned rows, const struct sm_task *task)
{
	size_t n = 0;
	for (size_t k = 0; k < ROWS; k++)
		n += rows >> k & 1 ? width_of(&table[k], task) : 0;
	return n;
}

/* The row and its part that column i shows. */
static const struct row *find(unsigned rows, const struct sm_task *task, size_t *i)
{
	for (size_t k = 0; k < ROWS; k++) {
		size_t width = rows >> k & 1 ? width_of(&table[k], task) : 0;
		if (*i < width)
			return &table[k];
		*i -= width;
	}
	return NULL;
}

void sm_metrics_column(unsigned rows, const struct sm_task *task, size_t i, char out[64])
{
	const struct row *r = find(rows, task, &i);
	if (r && r->by_class)
		snprintf(out, 64, "dice_coef_%s", task->name[(size_t)sm_task_first(task) + i]);
	else
		snprintf(out, 64, "%s", r ? r->name : "");
}

/* ---- sums ----------------------------------------------------------------------------------- */

struct sm_metrics *sm_metrics_make(unsigned rows, const struct sm_task *task, struct sm_err *err)
{
	struct sm_metrics *m = calloc(1, sizeof *m);
	size_t each = (size_t)task->channels * SUMS;
	if (m) {
		*m = (struct sm_metrics){.rows = rows, .task = task,
					 .channels = (size_t)task->channels,
					 .columns = sm_metrics_columns(rows, task)};
		m->step = calloc(each, sizeof(double));
		m->epoch = calloc(each, sizeof(double));
		m->value = calloc(m->columns + 1, sizeof(double));
	}
	if (m && m->step && m->epoch && m->value)
		return m;
	sm_metrics_free(m);
	SM_FAIL(err, SM_BUDGET, "metrics: out of memory");
	return NULL;
}

void sm_metrics_free(struct sm_metrics *m)
{
	if (!m)
		return;
	free(m->step);
	free(m->epoch);
	free(m->value);
	free(m);
}

void sm_metrics_clear(struct sm_metrics *m)
{
	memset(m->step, 0, m->channels * SUMS * sizeof(double));
	memset(m->epoch, 0, m->channels * SUMS * sizeof(double));
	memset(m->value, 0, m->columns * sizeof(double));
	m->voxels = 0;
	m->samples = 0;
}

static size_t largest(const float *v, size_t n)
{
	size_t at = 0;
	for (size_t c = 1; c < n; c++)
		if (v[c] > v[at])
			at = c;
	return at;
}

static void sum_block(const struct sm_metrics *m, const float *p, const float *t, size_t n,
		      double *s)
{
	size_t k = m->channels;
	bool softmax = m->task->softmax;
	memset(s, 0, k * SUMS * sizeof *s);
	for (size_t i = 0; i < n; i++, p += k, t += k) {
		size_t pick = softmax ? largest(p, k) : 0, truth = softmax ? largest(t, k) : 0;
		for (size_t c = 0; c < k; c++) {
			double *v = s + c * SUMS, a = (double)p[c], b = (double)t[c];
			bool is = softmax ? pick == c : a > 0.5,
			     should = softmax ? truth == c : b > 0.5;
			v[TP] += a * b;
			v[T] += b;
			v[P] += a;
			v[TT] += b * b;
			v[PP] += a * a;
			v[HARD_TP] += a * b > 0.5;
			v[HARD_P] += a > 0.5;
			v[HARD_TN] += (1 - a) * (1 - b) > 0.5;
			v[NEGATIVE] += 1 - b;
			v[BOTH] += is && should;
			v[EITHER] += is || should;
			v[RIGHT] += softmax ? is && should : is == should;
		}
	}
}

size_t sm_metrics_part_size(const struct sm_metrics *m)
{
	return m->columns ? BLOCKS * m->channels * SUMS + 1 : 0;
}

void sm_metrics_measure(const struct sm_metrics *m, const float *p, const float *t, size_t n,
			int threads, double *part)
{
	size_t k = m->channels, each = k * SUMS;
	if (!m->columns)
		return;
#pragma omp parallel for schedule(static) num_threads(threads)
	for (int b = 0; b < BLOCKS; b++) {
		size_t from = n * (size_t)b / BLOCKS, to = n * (size_t)(b + 1) / BLOCKS;
		sum_block(m, p + from * k, t + from * k, to - from, part + (size_t)b * each);
	}
	part[BLOCKS * each] = (double)n;
}

void sm_metrics_add_part(struct sm_metrics *m, const double *part)
{
	size_t each = m->channels * SUMS;
	if (!m->columns)
		return;
	for (size_t b = 0; b < BLOCKS; b++)
		for (size_t i = 0; i < each; i++)
			m->step[i] += part[b * each + i];
	m->voxels += part[BLOCKS * each];
}

void sm_metrics_step(struct sm_metrics *m, int64_t samples)
{
	for (size_t i = 0; i < m->columns; i++) {
		size_t part = i;
		const struct row *r = find(m->rows, m->task, &part);
		if (r && !r->whole_epoch)
			m->value[i] += r->value(m, m->step, part) * (double)samples;
	}
	for (size_t i = 0; i < m->channels * SUMS; i++) {
		m->epoch[i] += m->step[i];
		m->step[i] = 0;
	}
	m->samples += samples;
}

void sm_metrics_values(const struct sm_metrics *m, double *out)
{
	for (size_t i = 0; i < m->columns; i++) {
		size_t part = i;
		const struct row *r = find(m->rows, m->task, &part);
		out[i] = r && r->whole_epoch ? r->value(m, m->epoch, part)
					     : m->value[i] / (double)m->samples;
	}
}
