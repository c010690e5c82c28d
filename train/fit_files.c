/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a training: names, the history as CSV, what is removed of an earlier training.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "train/fit.h"

#define CSV_MOST ((size_t)64 << 20)

/* How the files are called that a training names itself: '#' stands for digits. */
static const char *const shapes[] = {
	[SM_NAMES_MODEL] = "model-#-#.#.hdf5",
	[SM_NAMES_UNET2D] = "model_.#-#.#.m5",
	[SM_NAMES_EPOCH] = "epoch-#.hdf5",
};
#define SHAPES (sizeof shapes / sizeof *shapes)

static bool shaped(const char *name, const char *shape)
{
	while (*shape && *name) {
		size_t n = strspn(name, "0123456789");
		if (*shape == '#' ? !n : *shape != *name)
			return false;
		name += *shape == '#' ? n : 1;
		shape++;
	}
	return !*shape && !*name;
}

enum sm_status sm_fit_remove(const struct sm_fit *fit, const char *name, struct sm_err *err)
{
	char *path = sm_path_join(fit->dir, name);
	enum sm_status st = SM_OK;
	if (!path)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	else if (unlink(path) != 0 && errno != ENOENT)
		st = SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", path, strerror(errno));
	free(path);
	return st;
}

static double val_loss_of(const struct sm_history *h, int64_t epoch)
{
	return h->v[(size_t)(epoch - 1) * h->columns + SM_HISTORY_VAL_LOSS];
}

static bool was_best(const struct sm_history *h, int64_t epoch)
{
	for (int64_t e = 1; e < epoch; e++)
		if (val_loss_of(h, e) <= val_loss_of(h, epoch))
			return false;
	return true;
}

/* Of epoch 1.. of the history. */
static void name_as(const struct sm_history *h, int naming, int64_t epoch, char name[64])
{
	double loss = val_loss_of(h, epoch);
	switch (naming) {
	case SM_NAMES_UNET2D:
		snprintf(name, 64, "model_.%02" PRId64 "-%.6f.m5", epoch, loss);
		break;
	case SM_NAMES_EPOCH:
		snprintf(name, 64, "epoch-%04" PRId64 ".hdf5", epoch);
		break;
	default:
		snprintf(name, 64, "model-%04" PRId64 "-%.4f.hdf5", epoch, loss);
	}
}

bool sm_fit_numbered(const struct sm_fit *fit, int64_t epoch, char name[64])
{
	const struct sm_history *h = &fit->state.history;
	int64_t every = fit->s->checkpoint_every;
	if (!every || epoch < 1 || epoch > (int64_t)h->rows)
		return false;
	name_as(h, fit->s->checkpoint_names, epoch, name);
	return fit->s->checkpoint_names == SM_NAMES_UNET2D ? was_best(h, epoch)
							   : epoch % every == 0;
}

bool sm_fit_named(const struct sm_fit *fit, size_t kind, int64_t epoch, char name[64])
{
	if (kind >= SHAPES)
		return false;
	name_as(&fit->state.history, (int)kind, epoch, name);
	return true;
}

bool sm_fit_pictured(const struct sm_fit *fit, int64_t epoch, char name[64])
{
	int64_t every = fit->s->sample_pictures;
	snprintf(name, 64, "sample-%04" PRId64 ".png", epoch);
	return every && epoch >= 1 && epoch <= (int64_t)fit->state.history.rows &&
	       epoch % every == 0;
}

static bool is_of(const struct sm_fit *fit, const char *name, const char *fingerprint)
{
	struct sm_checkpoint c = {0};
	char *path = sm_path_join(fit->dir, name);
	bool own = path && sm_checkpoint_open(path, &c, NULL) == SM_OK &&
		   strcmp(c.fingerprint, fingerprint) == 0;
	sm_checkpoint_clear(&c);
	free(path);
	return own;
}

bool sm_fit_owns(const struct sm_fit *fit, const char *name)
{
	return is_of(fit, name, fit->state.fingerprint);
}

/* A name that the history gives to a checkpoint. */
static bool has_name(const struct sm_history *h, int naming, const char *name)
{
	char own[64];
	int64_t epoch = (int64_t)strtoll(name + strcspn(name, "0123456789"), NULL, 10);
	if (epoch < 1 || epoch > (int64_t)h->rows)
		return false;
	name_as(h, naming, epoch, own);
	return strcmp(own, name) == 0;
}

/* Removes numbered checkpoints with this fingerprint, but those that `keep` names. */
static enum sm_status sweep(const struct sm_fit *fit, const char *fingerprint,
			    const struct sm_history *keep, struct sm_err *err)
{
	struct sm_paths files = {0};
	enum sm_status st = sm_walk(fit->dir, &files, err);
	for (size_t i = 0; st == SM_OK && i < files.count * SHAPES; i++) {
		const char *name = files.path[i / SHAPES];
		int naming = (int)(i % SHAPES);
		if (shaped(name, shapes[naming]) && !(keep && has_name(keep, naming, name)) &&
		    is_of(fit, name, fingerprint))
			st = sm_fit_remove(fit, name, err);
	}
	sm_paths_clear(&files);
	return st;
}

enum sm_status sm_fit_sweep(const struct sm_fit *fit, struct sm_err *err)
{
	return sweep(fit, fit->state.fingerprint, &fit->state.history, err);
}

/* ---- the history ---------------------------------------------------------------------------- */

/* The file that holds rows of trainings before this one: ".training.log.earlier". */
static char *earlier_path(const struct sm_fit *fit)
{
	char *name = sm_strf(".%s.earlier", fit->s->csv_name);
	char *path = name ? sm_path_join(fit->dir, name) : NULL;
	free(name);
	return path;
}

/* Reads a file into *text when there is one; its bytes must be freed with sm_free. */
static enum sm_status read_text(const char *path, unsigned char **text, size_t *n,
				struct sm_err *err)
{
	*text = NULL;
	*n = 0;
	return sm_file_exists(path) ? sm_file_read(path, CSV_MOST, NULL, text, n, err) : SM_OK;
}

static bool same_columns(const struct sm_fit *fit, const unsigned char *text, size_t n)
{
	size_t length = strlen(fit->state.history.names);
	return n > length && memcmp(text, fit->state.history.names, length) == 0 &&
	       text[length] == '\n';
}

/* Puts the rows of the earlier training aside, where the CSV is written from in each epoch. Without
 * a CSV what was put aside stays: a run that was killed here has removed it. */
static enum sm_status keep_rows(struct sm_fit *fit, const char *csv, const char *aside,
				struct sm_err *err)
{
	unsigned char *text;
	size_t n;
	enum sm_status st = SM_OK;
	SM_TRY(read_text(csv, &text, &n, err));
	if (n && same_columns(fit, text, n)) {
		st = sm_file_write(aside, text, n, err);
	} else if (n) {
		sm_warn(fit->log, fit->s->csv_name,
			"has other columns than this training's: its rows are not kept");
		if (unlink(aside) != 0 && errno != ENOENT)
			st = SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", aside,
				     strerror(errno));
	}
	sm_free(text);
	return st;
}

/* Files of another training leave only now, when an epoch of this one is about to replace them.
 * last.hdf5 tells which numbered ones are its own, so it leaves behind them; without it the others
 * mean nothing. */
enum sm_status sm_fit_clear_old(struct sm_fit *fit, struct sm_err *err)
{
	if (!fit->fresh)
		return SM_OK;
	fit->fresh = false;
	char *csv = sm_path_join(fit->dir, fit->s->csv_name), *earlier = earlier_path(fit);
	enum sm_status st = SM_OK;
	if (!csv || !earlier)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", fit->dir);
	if (st == SM_OK && fit->s->csv == SM_CSV_APPEND)
		st = keep_rows(fit, csv, earlier, err);
	else if (st == SM_OK && unlink(earlier) != 0 && errno != ENOENT)
		st = SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", earlier, strerror(errno));
	free(csv);
	free(earlier);
	SM_TRY(st);
	if (fit->replaced.fingerprint[0])
		SM_TRY(sweep(fit, fit->replaced.fingerprint, NULL, err));
	SM_TRY(sm_fit_remove(fit, SM_FIT_LAST, err));
	SM_TRY(sm_fit_remove(fit, SM_FIT_BEST, err));
	return sm_fit_remove(fit, fit->s->csv_name, err);
}

enum sm_status sm_fit_write_csv(const struct sm_fit *fit, struct sm_err *err)
{
	const struct sm_history *h = &fit->state.history;
	struct sm_text text = {0};
	char *path = sm_path_join(fit->dir, fit->s->csv_name), *before = earlier_path(fit);
	unsigned char *rows = NULL;
	size_t n = 0;
	enum sm_status st;
	if (!path || !before) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", fit->s->csv_name);
		goto out;
	}
	if (fit->s->csv == SM_CSV_APPEND)
		SM_GOTO(st, read_text(before, &rows, &n, err));
	if (n)
		sm_text_add(&text, (const char *)rows, n);
	else
		sm_text_f(&text, "%s\n", h->names);
	for (size_t r = 0; r < h->rows; r++)
		for (size_t c = 0; c < h->columns; c++)
			sm_text_f(&text, "%.9g%s", h->v[r * h->columns + c],
				  c + 1 < h->columns ? "," : "\n");
	SM_GOTO(st, sm_text_check(&text, fit->s->csv_name, err));
	st = sm_file_write(path, text.data, text.n, err);
out:
	sm_text_clear(&text);
	sm_free(rows);
	free(before);
	free(path);
	return st;
}
