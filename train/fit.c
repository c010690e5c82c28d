/* SPDX-License-Identifier: Apache-2.0 */
#include "train/fit.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "train/mpi.h"

#define DICE_EPS 1e-5
#define BLOCKS (SM_DICE_WORK / 2)

/* Sums of a row of work: t p of each class, then t + p. */
static void dice_block(const float *p, const float *t, size_t voxels, size_t classes, double *s)
{
	memset(s, 0, 2 * classes * sizeof *s);
	for (size_t i = 0; i < voxels; i++)
		for (size_t c = 0; c < classes; c++) {
			double a = (double)p[i * classes + c], b = (double)t[i * classes + c];
			s[c] += a * b;
			s[classes + c] += a + b;
		}
}

void sm_batch_dice(const float *p, const float *t, int n, size_t voxels, int channels, int threads,
		   double *work, double *sum)
{
	size_t k = (size_t)channels;
	for (int i = 0; i < n; i++) {
		const float *pi = p + (size_t)i * voxels * k, *ti = t + (size_t)i * voxels * k;
#pragma omp parallel for schedule(static) num_threads(threads)
		for (int b = 0; b < BLOCKS; b++) {
			size_t from = voxels * (size_t)b / BLOCKS,
			       to = voxels * (size_t)(b + 1) / BLOCKS;
			dice_block(pi + from * k, ti + from * k, to - from, k,
				   work + (size_t)b * 2 * k);
		}
		for (size_t c = 0; c < k; c++) {
			double both = 0, each = 0;
			for (size_t b = 0; b < BLOCKS; b++) {
				both += work[b * 2 * k + c];
				each += work[b * 2 * k + k + c];
			}
			sum[c] += (2 * both + DICE_EPS) / (each + DICE_EPS);
		}
	}
}

/* What an epoch adds up: of training, then of validation. */
struct sums {
	double loss, *dice; /* dice[channels] */
	int64_t samples, step; /* step: samples of the step at work */
};

/* Mean over the channels but the background. */
static double mean_dice(const struct sums *s, const struct sm_task *task)
{
	double sum = 0;
	int first = sm_task_first(task);
	for (int c = first; c < task->channels; c++)
		sum += s->dice[c];
	return sum / (double)(task->channels - first) / (double)s->samples;
}

/* Values above this overflow in squares and sums of many. */
#define HUGE_INPUT 1e15f

/* The case of the first sample of the batch with a value that no network can take, NULL when there
 * is none; *value is the largest of it. */
static const char *strange_case(const struct sm_fit *fit, const struct sm_batch *batch,
				double *value)
{
	struct sm_shape xs;
	sm_net_buffer(fit->net, "x", &xs);
	size_t each = sm_shape_count(xs) / (size_t)xs.n;
	for (int i = 0; i < batch->n; i++) {
		const float *x = batch->x + (size_t)i * each;
		float most = 0;
		for (size_t k = 0; k < each; k++)
			if (!(fabsf(x[k]) <= most))
				most = isfinite(x[k]) ? fabsf(x[k]) : INFINITY;
		*value = (double)most;
		if (!(most <= HUGE_INPUT))
			return sm_loader_key(fit->loader, batch, i);
	}
	return NULL;
}

/* What may have been the reason: the samples, or behind the first update the rate. */
static void explain(const struct sm_fit *fit, const struct sm_batch *batch, int64_t step,
		    char *text, size_t room)
{
	double value = 0;
	const char *key = strange_case(fit, batch, &value);
	size_t at = 0;
	if (key)
		snprintf(text, room,
			 "a sample of case %s holds values of up to %.3g: look at the case, or "
			 "scale the samples (standardise)",
			 key, value);
	else if (fit->state.epoch || step || batch->valid)
		snprintf(text, room, "a lower train.learning_rate may help");
	else {
		at = (size_t)snprintf(text, room, "before any update; its samples are of");
		for (int i = 0; i < batch->n && at < room; i++)
			at += (size_t)snprintf(text + at, room - at, "%s %s", i ? "," : "",
					       sm_loader_key(fit->loader, batch, i));
	}
}

/* The search runs what failed once more: a training step, or the evaluation. A fused net's weights
 * have moved when a gradient is bad, and the search would tell what comes of that: the net knows
 * the first itself. */
static enum sm_status not_finite(struct sm_fit *fit, const char *what,
				 const struct sm_batch *batch, int64_t step, struct sm_err *err)
{
	char kept[96] = "no checkpoint was written yet", where[SM_NET_WHAT] = "", why[256];
	if (fit->state.epoch)
		snprintf(kept, sizeof kept, "%s holds epoch %" PRId64, SM_FIT_LAST,
			 fit->state.epoch);
	explain(fit, batch, step, why, sizeof why);
	const char *bad = batch->valid ? NULL : sm_net_bad_gradient(fit->net);
	if (bad)
		snprintf(where, sizeof where, "gradient of %s", bad);
	else if (sm_net_find_nonfinite(fit->net, !batch->valid, where, NULL) != SM_OK)
		where[0] = 0;
	return SM_FAIL(err, SM_INPUT,
		       "training: the %s is not finite at step %" PRId64 " of epoch %" PRId64
		       "%s%s (%s); %s",
		       what, step + 1, fit->state.epoch + 1, where[0] ? ", first in the " : "",
		       where, why, kept);
}

static double rate_of(const struct sm_fit *fit, int64_t step)
{
	return sm_schedule_step(&fit->schedule, fit->state.epoch, step,
				sm_loader_train_steps(fit->loader), fit->rate);
}

/* A fused net's weights move here, others' at the end of the step. */
static enum sm_status learn(struct sm_fit *fit, const struct sm_batch *batch, int64_t step,
			    double *loss, struct sm_err *err)
{
	uint64_t number = (uint64_t)(fit->state.steps + batch->part);
	if (sm_net_is_fused(fit->net)) {
		enum sm_status st = sm_net_train(fit->net, number, rate_of(fit, step), loss, err);
		return st == SM_INPUT ? not_finite(fit, "gradient", batch, step, err) : st;
	}
	return batch->first ? sm_net_step_behind(fit->net, number, (size_t)batch->before, loss, err)
			    : sm_net_accumulate(fit->net, number, loss, err);
}

/* One batch through the network: trained on, or only measured. step is that of the epoch. */
static enum sm_status one_batch(struct sm_fit *fit, const struct sm_batch *batch, int64_t step,
				struct sm_err *err)
{
	struct sm_shape xs, ts;
	double loss = 0, *dice, *sums;
	float *x = sm_net_buffer(fit->net, "x", &xs), *t = sm_net_buffer(fit->net, "target", &ts);
	size_t voxels = (size_t)ts.d * ts.h * ts.w, k = (size_t)ts.c;
	memcpy(x, batch->x, sm_shape_count(xs) * sizeof *x);
	memcpy(t, batch->target, sm_shape_count(ts) * sizeof *t);
	sm_net_set_valid(fit->net, batch->n);
	SM_TRY(batch->valid ? sm_net_eval(fit->net, &loss, err)
			    : learn(fit, batch, step, &loss, err));
	if (!isfinite(loss))
		return not_finite(fit, batch->valid ? "validation loss" : "loss", batch, step,
				  err);
	/* The prediction is that of before the update, and lives until the next run. */
	const float *p = sm_net_buffer(fit->net, "p", NULL);
	const struct sm_metrics *m = fit->measured[batch->valid];
	SM_TRY(sm_parts_add(fit->parts, batch, loss, k, sm_metrics_part_size(m), &dice, &sums,
			    err));
	for (int i = 0; i < batch->n; i++)
		sm_batch_dice(p + (size_t)i * voxels * k, t + (size_t)i * voxels * k, 1, voxels,
			      ts.c, fit->threads, fit->work, dice + (size_t)i * k);
	sm_metrics_measure(m, p, t, (size_t)batch->n * voxels, fit->threads, sums);
	return SM_OK;
}

/* Adds the parts of a step, of all ranks, to the epoch's sums in their order. */
static enum sm_status sum_up(struct sm_fit *fit, bool valid, struct sums *s, struct sm_err *err)
{
	struct sm_metrics *m = fit->measured[valid];
	size_t k = (size_t)fit->state.task.channels;
	struct sm_part part;
	SM_TRY(sm_parts_exchange(fit->parts, err));
	while (sm_parts_next(fit->parts, k, sm_metrics_part_size(m), &part)) {
		for (size_t i = 0; i < (size_t)part.n; i++)
			for (size_t c = 0; c < k; c++)
				s->dice[c] += part.dice[i * k + c];
		sm_metrics_add_part(m, part.sums);
		s->loss += part.loss * part.n;
		s->samples += part.n;
		s->step += part.n;
	}
	sm_metrics_step(m, s->step);
	s->step = 0;
	return SM_OK;
}

/* Behind the last batch of a step: sums, and of a training step the update. */
static enum sm_status end_step(struct sm_fit *fit, const struct sm_batch *batch, int64_t step,
			       struct sums *s, struct sm_err *err)
{
	SM_TRY(sum_up(fit, batch->valid, s, err));
	if (batch->valid)
		return SM_OK;
	SM_TRY(sm_parts_join(fit->parts, fit->net, err));
	fit->state.steps += batch->parts;
	if (sm_net_is_fused(fit->net))
		return SM_OK;
	enum sm_status st = sm_net_update(fit->net, rate_of(fit, step), NULL, err);
	return st == SM_INPUT ? not_finite(fit, "gradient", batch, step, err) : st;
}

static enum sm_status phase(struct sm_fit *fit, struct sums *s, struct sm_progress *progress,
			    struct sm_err *err)
{
	size_t before = progress->done;
	struct sm_batch batch = {0};
	for (int64_t step = 0; !batch.end; step += batch.last) {
		char note[96];
		SM_TRY(sm_loader_next(fit->loader, &batch, err));
		if (batch.n)
			SM_TRY(one_batch(fit, &batch, step, err));
		if (!batch.last)
			continue;
		SM_TRY(end_step(fit, &batch, step, s, err));
		snprintf(note, sizeof note, "epoch %" PRId64 " of %" PRId64 ", loss %.4f",
			 fit->state.epoch + 1, fit->s->epochs, s->loss / (double)s->samples);
		sm_progress_set(progress, before + (size_t)s->samples, note);
	}
	progress->done = before + (size_t)s->samples;
	return SM_OK;
}

enum sm_status sm_fit_columns(struct sm_fit *fit, struct sm_err *err)
{
	const struct sm_task *task = &fit->state.task;
	struct sm_text text = {0};
	size_t n = sm_metrics_columns(fit->metrics, task);
	sm_text_str(&text, SM_HISTORY_FIXED_NAMES);
	for (int c = sm_task_first(task); c < task->channels; c++)
		sm_text_f(&text, ",val_dice_%s", task->name[c]);
	for (size_t i = 0; i < 2 * n; i++) {
		char name[64];
		sm_metrics_column(fit->metrics, task, i % n, name);
		sm_text_f(&text, ",%s%s", i < n ? "" : "val_", name);
	}
	if (fit->s->valid_volumes)
		sm_text_str(&text, ",volume_dice");
	for (int c = sm_task_first(task); fit->s->valid_volumes && c < task->channels; c++)
		sm_text_f(&text, ",volume_dice_%s", task->name[c]);
	sm_text_str(&text, ",rate");
	enum sm_status st = sm_text_check(&text, "history", err);
	if (st == SM_OK)
		st = sm_history_begin(&fit->state.history, text.data, err);
	sm_text_clear(&text);
	return st;
}

/* The columns volume_dice: NaN in epochs that measure none. */
static enum sm_status measure_volumes(struct sm_fit *fit, double *row, size_t *at,
				      struct sm_err *err)
{
	const struct sm_task *task = &fit->state.task;
	size_t n = (size_t)(task->channels - sm_task_first(task));
	double *mean = row + *at, *dice = mean + 1;
	if (!fit->s->valid_volumes)
		return SM_OK;
	*at += 1 + n;
	bool now = fit->volumes && fit->state.epoch % fit->s->valid_volumes == 0;
	if (now && sm_mpi_rank() == 0)
		SM_TRY(fit->volumes(fit->volumes_ctx, fit->net, dice, err));
	if (now)
		SM_TRY(sm_mpi_from_first(dice, n * sizeof *dice, err));
	*mean = now ? 0 : (double)NAN;
	for (size_t c = 0; c < n; c++) {
		dice[c] = now ? dice[c] : (double)NAN;
		*mean += dice[c] / (double)n;
	}
	if (now)
		sm_info(fit->log, NULL, "epoch %" PRId64 ": dice of whole volumes %.4f",
			fit->state.epoch, *mean);
	return SM_OK;
}

/* Takes the epoch's sums into the state: a row of history, the best so far. */
static enum sm_status close_epoch(struct sm_fit *fit, const struct sums *train,
				  const struct sums *valid, double *row, struct sm_err *err)
{
	const struct sm_task *task = &fit->state.task;
	size_t at = SM_HISTORY_FIXED;
	fit->loss = train->loss / (double)train->samples;
	fit->dice = mean_dice(train, task);
	fit->val_loss = valid->loss / (double)valid->samples;
	fit->val_dice = mean_dice(valid, task);
	fit->samples = train->samples;
	fit->state.epoch++;
	fit->improved = fit->state.epoch == 1 || fit->val_loss < fit->state.best;
	if (fit->improved) {
		fit->state.best = fit->val_loss;
		fit->state.best_epoch = fit->state.epoch;
	}
	const double fixed[SM_HISTORY_FIXED] = {(double)fit->state.epoch, fit->loss, fit->dice,
						fit->val_loss, fit->val_dice};
	memcpy(row, fixed, sizeof fixed);
	for (int c = sm_task_first(task); c < task->channels; c++)
		row[at++] = valid->dice[c] / (double)valid->samples;
	for (int v = 0; v < 2; v++) {
		sm_metrics_values(fit->measured[v], row + at);
		at += sm_metrics_columns(fit->metrics, task);
	}
	SM_TRY(measure_volumes(fit, row, &at, err));
	row[at] = fit->rate;
	return sm_history_add(&fit->state.history, row, err);
}

static const double *val_losses(const struct sm_fit *fit)
{
	const struct sm_history *h = &fit->state.history;
	return h->v ? h->v + SM_HISTORY_VAL_LOSS : NULL;
}

static enum sm_status one_epoch(struct sm_fit *fit, struct sm_progress *progress,
				struct sm_err *err)
{
	size_t k = (size_t)fit->state.task.channels;
	double *room = fit->work + SM_DICE_WORK * k;
	struct sums train = {.dice = room}, valid = {.dice = room + k};
	memset(room, 0, 2 * k * sizeof *room);
	sm_metrics_clear(fit->measured[0]);
	sm_metrics_clear(fit->measured[1]);
	fit->rate = sm_schedule_epoch(&fit->schedule, fit->state.epoch, val_losses(fit),
				      fit->state.history.columns);
	double started = sm_now();
	SM_TRY(phase(fit, &train, progress, err));
	fit->seconds = sm_now() - started;
	SM_TRY(sm_parts_same(fit->net, err));
	sm_net_ema_swap(fit->net);
	fit->averaged = fit->s->ema > 0;
	SM_TRY(phase(fit, &valid, progress, err));
	SM_TRY(close_epoch(fit, &train, &valid, room + 2 * k, err));
	return sm_fit_epoch_end(fit, err);
}

/* By the first rank's clock: all must agree. */
static bool is_late(const struct sm_fit *fit)
{
	bool late = sm_now() >= fit->deadline;
	return sm_mpi_from_first(&late, sizeof late, NULL) != SM_OK || late;
}

/* Whether the training is over before its last epoch. The early stop hangs on the history alone. */
static bool stops(struct sm_fit *fit)
{
	fit->stopped = NULL;
	if (fit->s->early_stop && sm_schedule_stops(fit->s->early_stop, val_losses(fit),
						    fit->state.history.columns, fit->state.epoch))
		fit->stopped = "early_stop";
	else if (fit->deadline > 0 && is_late(fit) && fit->state.epoch < fit->s->epochs)
		fit->stopped = "time_budget";
	return fit->stopped || fit->state.epoch >= fit->s->epochs;
}

enum sm_status sm_fit_run(struct sm_fit *fit, struct sm_err *err)
{
	size_t k = (size_t)fit->state.task.channels;
	size_t doubles = (SM_DICE_WORK + 2) * k + fit->state.history.columns;
	struct sm_progress progress;
	enum sm_status st = SM_OK;
	fit->work = calloc(doubles, sizeof *fit->work);
	for (int i = 0; i < 2; i++)
		fit->measured[i] = sm_metrics_make(fit->metrics, &fit->state.task, err);
	fit->parts = sm_parts_make(fit->net);
	if (!fit->work || !fit->measured[0] || !fit->measured[1] || !fit->parts) {
		st = SM_FAIL(err, SM_BUDGET, "training: out of memory");
		goto out;
	}
	int64_t left = fit->s->epochs - fit->state.epoch;
	sm_progress_begin(&progress, fit->log, "samples",
			  (size_t)(left * sm_loader_epoch_samples(fit->loader)));
	/* At least one epoch a run, however short its time. */
	double deadline = fit->deadline;
	fit->deadline = 0;
	while (st == SM_OK && !stops(fit)) {
		st = one_epoch(fit, &progress, err);
		fit->deadline = deadline;
	}
	sm_progress_end(&progress);
out:
	for (int i = 0; i < 2; i++)
		sm_metrics_free(fit->measured[i]);
	sm_parts_free(fit->parts);
	fit->parts = NULL;
	free(fit->work);
	fit->work = NULL;
	return st;
}
