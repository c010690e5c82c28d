/* SPDX-License-Identifier: Apache-2.0 */
#include "train/fit.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

void sm_batch_dice(const float *p, const float *t, int n, size_t voxels, int classes, int threads,
		   double *work, double *sum)
{
	size_t k = (size_t)classes;
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
	double loss, *dice; /* dice[classes] */
	int64_t samples;
};

static double mean_dice(const struct sums *s, int classes)
{
	double sum = 0;
	for (int c = 0; c < classes; c++)
		sum += s->dice[c];
	return sum / (double)classes / (double)s->samples;
}

static enum sm_status not_finite(const struct sm_fit *fit, const char *what, int64_t step,
				 struct sm_err *err)
{
	char kept[96] = "no checkpoint was written yet";
	if (fit->state.epoch)
		snprintf(kept, sizeof kept, "%s holds epoch %" PRId64, SM_FIT_LAST,
			 fit->state.epoch);
	return SM_FAIL(err, SM_INPUT,
		       "training: the %s is not finite at step %" PRId64 " of epoch %" PRId64
		       " (a lower train.learning_rate may help); %s",
		       what, step + 1, fit->state.epoch + 1, kept);
}

/* One batch through the network: trained on, or only measured. */
static enum sm_status one_batch(struct sm_fit *fit, int64_t step, struct sums *s,
				struct sm_err *err)
{
	struct sm_batch batch;
	struct sm_shape xs, ts;
	double loss = 0;
	SM_TRY(sm_loader_next(fit->loader, &batch, err));
	float *x = sm_net_buffer(fit->net, "x", &xs), *t = sm_net_buffer(fit->net, "target", &ts);
	memcpy(x, batch.x, sm_shape_count(xs) * sizeof *x);
	memcpy(t, batch.target, sm_shape_count(ts) * sizeof *t);
	sm_net_set_valid(fit->net, batch.n);
	SM_TRY(batch.valid ? sm_net_eval(fit->net, &loss, err)
			   : sm_net_step(fit->net, (uint64_t)fit->state.steps, &loss, err));
	if (!isfinite(loss))
		return not_finite(fit, batch.valid ? "validation loss" : "loss", step, err);
	/* The prediction is that of before the update, and lives until the next run. */
	sm_batch_dice(sm_net_buffer(fit->net, "p", NULL), t, batch.n, (size_t)ts.d * ts.h * ts.w,
		      ts.c, fit->threads, fit->work, s->dice);
	if (!batch.valid) {
		enum sm_status st = sm_net_update(fit->net, fit->learning_rate, NULL, err);
		if (st == SM_INPUT)
			return not_finite(fit, "gradient", step, err);
		SM_TRY(st);
		fit->state.steps++;
	}
	s->loss += loss * batch.n;
	s->samples += batch.n;
	return SM_OK;
}

static enum sm_status phase(struct sm_fit *fit, int64_t steps, struct sums *s,
			    struct sm_progress *progress, struct sm_err *err)
{
	size_t before = progress->done;
	for (int64_t i = 0; i < steps; i++) {
		char note[96];
		SM_TRY(one_batch(fit, i, s, err));
		snprintf(note, sizeof note, "epoch %" PRId64 " of %" PRId64 ", loss %.4f",
			 fit->state.epoch + 1, fit->epochs, s->loss / (double)s->samples);
		sm_progress_set(progress, before + (size_t)s->samples, note);
	}
	progress->done = before + (size_t)s->samples;
	return SM_OK;
}

/* Takes the epoch's sums into the state: a row of history, the best so far. */
static enum sm_status close_epoch(struct sm_fit *fit, const struct sums *train,
				  const struct sums *valid, double *row, struct sm_err *err)
{
	int classes = fit->state.classes;
	fit->loss = train->loss / (double)train->samples;
	fit->dice = mean_dice(train, classes);
	fit->val_loss = valid->loss / (double)valid->samples;
	fit->val_dice = mean_dice(valid, classes);
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
	for (int c = 0; c < classes; c++)
		row[SM_HISTORY_FIXED + c] = valid->dice[c] / (double)valid->samples;
	return sm_history_add(&fit->state.history, row, err);
}

static enum sm_status one_epoch(struct sm_fit *fit, struct sm_progress *progress,
				struct sm_err *err)
{
	size_t k = (size_t)fit->state.classes;
	double *room = fit->work + SM_DICE_WORK * k;
	struct sums train = {.dice = room}, valid = {.dice = room + k};
	memset(room, 0, 2 * k * sizeof *room);
	double started = sm_now();
	SM_TRY(phase(fit, sm_loader_train_steps(fit->loader), &train, progress, err));
	fit->seconds = sm_now() - started;
	SM_TRY(phase(fit, sm_loader_valid_steps(fit->loader), &valid, progress, err));
	SM_TRY(close_epoch(fit, &train, &valid, room + 2 * k, err));
	return sm_fit_epoch_end(fit, err);
}

enum sm_status sm_fit_run(struct sm_fit *fit, struct sm_err *err)
{
	size_t k = (size_t)fit->state.classes;
	size_t doubles = (SM_DICE_WORK + 3) * k + SM_HISTORY_FIXED;
	struct sm_progress progress;
	enum sm_status st = SM_OK;
	fit->state.history.columns = SM_HISTORY_FIXED + k;
	fit->work = calloc(doubles, sizeof *fit->work);
	if (!fit->work)
		return SM_FAIL(err, SM_BUDGET, "training: out of memory");
	int64_t left = fit->epochs - fit->state.epoch;
	sm_progress_begin(&progress, fit->log, "samples",
			  (size_t)(left * sm_loader_epoch_samples(fit->loader)));
	while (st == SM_OK && fit->state.epoch < fit->epochs)
		st = one_epoch(fit, &progress, err);
	sm_progress_end(&progress);
	free(fit->work);
	fit->work = NULL;
	return st;
}
