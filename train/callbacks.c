/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens at the end of an epoch: one row each in the table at the end. Files are written
 * whole or not at all, and last.hdf5 behind the other checkpoints: whatever a killed run leaves,
 * the epoch after last.hdf5 is trained again with the same bits and writes the same files.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "train/fit.h"

static enum sm_status write_to(struct sm_fit *fit, const char *name, struct sm_err *err)
{
	char *path = sm_path_join(fit->dir, name);
	enum sm_status st = path ? sm_checkpoint_write(path, fit->net, &fit->state, NULL, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	return st;
}

static enum sm_status remove_file(const char *dir, const char *name, struct sm_err *err)
{
	char *path = sm_path_join(dir, name);
	enum sm_status st = SM_OK;
	if (!path)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	else if (unlink(path) != 0 && errno != ENOENT)
		st = SM_FAIL(err, SM_IO, "%s: cannot be removed: %s", path, strerror(errno));
	free(path);
	return st;
}

bool sm_fit_numbered(const struct sm_fit *fit, int64_t epoch, char name[64])
{
	const struct sm_history *h = &fit->state.history;
	if (!fit->checkpoint_every || epoch % fit->checkpoint_every != 0 || epoch < 1 ||
	    epoch > (int64_t)h->rows)
		return false;
	snprintf(name, 64, "model-%04" PRId64 "-%.4f.hdf5", epoch,
		 h->v[(size_t)(epoch - 1) * h->columns + 3]);
	return true;
}

static bool is_ours(const struct sm_fit *fit, const char *name)
{
	char own[64];
	int64_t epoch = (int64_t)strtoll(name + strlen("model-"), NULL, 10);
	return sm_fit_numbered(fit, epoch, own) && strcmp(own, name) == 0;
}

enum sm_status sm_fit_sweep(const struct sm_fit *fit, struct sm_err *err)
{
	struct sm_paths files = {0};
	enum sm_status st = sm_walk(fit->dir, &files, err);
	for (size_t i = 0; st == SM_OK && i < files.count; i++) {
		const char *name = files.path[i];
		if (strncmp(name, "model-", 6) == 0 && sm_ends_with(name, ".hdf5") &&
		    !strchr(name, '/') && !is_ours(fit, name))
			st = remove_file(fit->dir, name, err);
	}
	sm_paths_clear(&files);
	return st;
}

/* Files of another training leave only now, when an epoch of this one is about to replace them;
 * last.hdf5 first, since the others mean nothing without it. */
static enum sm_status clear_old(struct sm_fit *fit, struct sm_err *err)
{
	if (!fit->fresh)
		return SM_OK;
	fit->fresh = false;
	SM_TRY(remove_file(fit->dir, SM_FIT_LAST, err));
	SM_TRY(remove_file(fit->dir, SM_FIT_BEST, err));
	SM_TRY(remove_file(fit->dir, SM_FIT_CSV, err));
	return sm_fit_sweep(fit, err);
}

static enum sm_status numbered(struct sm_fit *fit, struct sm_err *err)
{
	char name[64];
	return sm_fit_numbered(fit, fit->state.epoch, name) ? write_to(fit, name, err) : SM_OK;
}

static enum sm_status best(struct sm_fit *fit, struct sm_err *err)
{
	return fit->improved ? write_to(fit, SM_FIT_BEST, err) : SM_OK;
}

static enum sm_status last(struct sm_fit *fit, struct sm_err *err)
{
	return write_to(fit, SM_FIT_LAST, err);
}

enum sm_status sm_fit_write_csv(const struct sm_fit *fit, struct sm_err *err)
{
	const struct sm_history *h = &fit->state.history;
	struct sm_text text = {0};
	char *columns = sm_history_columns(h->columns), *path = sm_path_join(fit->dir, SM_FIT_CSV);
	enum sm_status st;
	if (!columns || !path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", SM_FIT_CSV);
		goto out;
	}
	sm_text_f(&text, "%s\n", columns);
	for (size_t r = 0; r < h->rows; r++)
		for (size_t c = 0; c < h->columns; c++)
			sm_text_f(&text, "%.9g%s", h->v[r * h->columns + c],
				  c + 1 < h->columns ? "," : "\n");
	SM_GOTO(st, sm_text_check(&text, SM_FIT_CSV, err));
	st = sm_file_write(path, text.data, text.n, err);
out:
	sm_text_clear(&text);
	free(columns);
	free(path);
	return st;
}

/* Written anew from the history: no row can stand there twice. */
static enum sm_status csv(struct sm_fit *fit, struct sm_err *err)
{
	return sm_fit_write_csv(fit, err);
}

static enum sm_status report(struct sm_fit *fit, struct sm_err *err)
{
	(void)err;
	sm_info(fit->log, NULL,
		"epoch %" PRId64 " of %" PRId64
		": loss %.4f, dice %.4f, val_loss %.4f, val_dice %.4f%s; %.3g samples/s",
		fit->state.epoch, fit->epochs, fit->loss, fit->dice, fit->val_loss, fit->val_dice,
		fit->improved ? " (best)" : "",
		fit->seconds > 0 ? (double)fit->samples / fit->seconds : 0.0);
	return SM_OK;
}

/* The order is part of the contract: see the head of this file. */
static const struct {
	const char *name;
	enum sm_status (*epoch_end)(struct sm_fit *fit, struct sm_err *err);
} callbacks[] = {
	{"clear_old", clear_old},
	{"numbered", numbered},
	{"best", best},
	{"last", last},
	{"csv", csv},
	{"report", report},
};

enum sm_status sm_fit_epoch_end(struct sm_fit *fit, struct sm_err *err)
{
	for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++)
		if (callbacks[i].epoch_end(fit, err) != SM_OK)
			return sm_err_prefix(err, "epoch %" PRId64 ": %s", fit->state.epoch,
					     callbacks[i].name);
	return SM_OK;
}
