/* SPDX-License-Identifier: Apache-2.0 */
/* The epochs of a training. Files are written whole or not at all and last.hdf5 behind the others:
 * whatever a killed run leaves, the epoch after last.hdf5 is trained again with the same bits. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "train/translate/training.h"

#define FIXED 2 /* columns before the losses: epoch, rate */

double sm_translate_rate(const struct sm_translate_section *s, int64_t epoch)
{
	if (!s->linear_from || epoch < s->linear_from)
		return s->learning_rate;
	return s->learning_rate * (double)(s->epochs - epoch) /
	       (double)(s->epochs - s->linear_from);
}

bool sm_translate_numbered(const struct sm_translate_section *s, int64_t epoch, char name[64])
{
	snprintf(name, 64, "epoch-%04" PRId64 ".hdf5", epoch);
	return s->checkpoint_every && epoch % s->checkpoint_every == 0;
}

bool sm_translate_pictured(const struct sm_translate_section *s, int64_t epoch, char name[64])
{
	snprintf(name, 64, "sample-%04" PRId64 ".png", epoch);
	return s->sample_images && s->sample_every && epoch % s->sample_every == 0;
}

/* The order in which an epoch takes the samples of each list. */
static enum sm_status orders(struct sm_translating *t, size_t *order[2], struct sm_err *err)
{
	static const char *const names[] = {"a", "b"};
	size_t count = (size_t)(t->steps * t->s->batch);
	for (int i = 0; i < 2 && t->train[i]; i++) {
		order[i] = calloc(count, sizeof **order);
		if (!order[i])
			return SM_FAIL(err, SM_BUDGET, "train: out of memory");
		SM_TRY(sm_images_order(sm_images_count(t->train[i]), count, t->seed,
				       t->state.cycle ? names[i] : "pairs",
				       (uint64_t)t->state.epoch, order[i], err));
	}
	return SM_OK;
}

/* Samples of one step into the generators' inputs. */
static enum sm_status fill(struct sm_translating *t, size_t *const order[2], int64_t step,
			   struct sm_err *err)
{
	const struct sm_jitter jitter = {(int)t->s->jitter, t->s->mirror};
	size_t n = (size_t)t->state.height * t->state.width;
	float *a = sm_game_image(&t->game, SM_GAME_A), *b = sm_game_image(&t->game, SM_GAME_B);
	for (int64_t k = 0; k < t->s->batch; k++) {
		size_t at = (size_t)(step * t->s->batch + k);
		uint64_t draw = (uint64_t)((t->state.rounds + step) * t->s->batch + k);
		float *xa = a + k * n * t->state.channels[0],
		      *xb = b + k * n * t->state.channels[1];
		SM_TRY(sm_images_read(t->train[0], order[0][at], &jitter, t->seed, draw, xa,
				      t->state.cycle ? NULL : xb, err));
		if (t->state.cycle)
			SM_TRY(sm_images_read(t->train[1], order[1][at], &jitter, t->seed, draw,
					      xb, NULL, err));
	}
	return SM_OK;
}

/* Means over an epoch's steps; a loss that was not computed in a step does not count there. */
struct means {
	double sum[SM_GAME_LOSSES];
	int64_t n[SM_GAME_LOSSES];
};

static void add(struct means *m, const double *losses, int count)
{
	for (int i = 0; i < count; i++)
		if (!isnan(losses[i])) {
			m->sum[i] += losses[i];
			m->n[i]++;
		}
}

static enum sm_status steps(struct sm_translating *t, double rate, struct means *m,
			    struct sm_err *err)
{
	size_t *order[2] = {NULL, NULL};
	double losses[SM_GAME_LOSSES];
	enum sm_status st;
	SM_GOTO(st, orders(t, order, err));
	for (int64_t k = 0; k < t->steps; k++) {
		int64_t round = t->state.rounds + k;
		bool judge = (round + 1) % t->s->generator_steps == 0;
		SM_GOTO(st, fill(t, order, k, err));
		SM_GOTO(st, sm_game_round(&t->game, (uint64_t)round, rate, judge, losses, err));
		add(m, losses, t->game.losses);
	}
out:
	free(order[0]);
	free(order[1]);
	return st;
}

/* The whole history anew: no row can stand there twice. */
static enum sm_status write_csv(const struct sm_translating *t, struct sm_err *err)
{
	const struct sm_history *h = &t->state.history;
	struct sm_text text = {0};
	char *path = sm_path_join(t->run->out, SM_TRANSLATE_CSV);
	sm_text_f(&text, "%s\n", h->names);
	for (size_t r = 0; r < h->rows; r++)
		for (size_t c = 0; c < h->columns; c++) {
			double v = h->v[r * h->columns + c];
			/* NaN: no step of the epoch had this loss. */
			if (!isnan(v))
				sm_text_f(&text, "%.9g", v);
			sm_text_str(&text, c + 1 < h->columns ? "," : "\n");
		}
	enum sm_status st = sm_text_check(&text, SM_TRANSLATE_CSV, err);
	if (st == SM_OK)
		st = path ? sm_file_write(path, text.data, text.n, err)
			  : SM_FAIL(err, SM_BUDGET, "%s: out of memory", SM_TRANSLATE_CSV);
	sm_text_clear(&text);
	free(path);
	return st;
}

static enum sm_status write_checkpoint(struct sm_translating *t, const char *name,
				       struct sm_err *err)
{
	char *path = sm_path_join(t->run->out, name);
	enum sm_status st = path ? sm_translation_write(path, &t->game, &t->state, NULL, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	return st;
}

static enum sm_status epoch_end(struct sm_translating *t, struct sm_err *err)
{
	char name[64];
	if (!t->begun)
		SM_TRY(sm_run_begin(t->run, err));
	t->begun = true;
	if (sm_translate_pictured(t->s, t->state.epoch, name) && t->held[0]) {
		char *path = sm_path_join(t->run->out, name);
		enum sm_status st = path ? sm_translate_picture(t, path, err)
					 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
		free(path);
		SM_TRY(st);
	}
	SM_TRY(write_csv(t, err));
	if (sm_translate_numbered(t->s, t->state.epoch, name))
		SM_TRY(write_checkpoint(t, name, err));
	return write_checkpoint(t, SM_TRANSLATE_LAST, err);
}

static void tell(const struct sm_translating *t, const double *row, double seconds)
{
	struct sm_text text = {0};
	for (int i = 0; i < t->game.losses; i++)
		if (!isnan(row[FIXED + i]))
			sm_text_f(&text, "%s%s %.4f", i ? ", " : "", t->game.loss_name[i],
				  row[FIXED + i]);
	sm_info(&t->run->log, NULL, "epoch %" PRId64 " of %" PRId64 ": %s; %.3g images/s",
		t->state.epoch, t->s->epochs, text.data ? text.data : "",
		seconds > 0 ? (double)(t->steps * t->s->batch) / seconds : 0.0);
	sm_text_clear(&text);
}

static enum sm_status one_epoch(struct sm_translating *t, struct sm_err *err)
{
	double row[FIXED + SM_GAME_LOSSES], start = sm_now();
	double rate = sm_translate_rate(t->s, t->state.epoch);
	struct means m = {0};
	if (steps(t, rate, &m, err) != SM_OK)
		return sm_err_prefix(err, "epoch %" PRId64, t->state.epoch + 1);
	t->state.epoch++;
	t->state.rounds += t->steps;
	row[0] = (double)t->state.epoch;
	row[1] = rate;
	for (int i = 0; i < t->game.losses; i++)
		row[FIXED + i] = m.n[i] ? m.sum[i] / (double)m.n[i] : NAN;
	SM_TRY(sm_history_add(&t->state.history, row, err));
	tell(t, row, sm_now() - start);
	return epoch_end(t, err);
}

enum sm_status sm_translate_epochs(struct sm_translating *t, struct sm_err *err)
{
	while (t->state.epoch < t->s->epochs) {
		SM_TRY(one_epoch(t, err));
		/* Behind an epoch: each run gets on by one at least. */
		if (t->state.epoch < t->s->epochs && t->deadline > 0 && sm_now() > t->deadline) {
			t->stopped = true;
			sm_warn(&t->run->log, NULL,
				"the time is over behind epoch %" PRId64 " of %" PRId64
				": --resume goes on",
				t->state.epoch, t->s->epochs);
			return SM_OK;
		}
	}
	return SM_OK;
}
