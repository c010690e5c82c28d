/* SPDX-License-Identifier: Apache-2.0
 *
 * What happens at the end of an epoch: one row each in the table at the end. Files are written
 * whole or not at all, and last.hdf5 behind the other checkpoints: whatever a killed run leaves,
 * the epoch after last.hdf5 is trained again with the same bits and writes the same files.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "train/fit.h"
#include "train/mpi.h"

static enum sm_status write_to(struct sm_fit *fit, const char *name, struct sm_err *err)
{
	char *path = sm_path_join(fit->dir, name);
	enum sm_status st = path ? sm_checkpoint_write(path, fit->net, &fit->state, NULL, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	return st;
}

/* The first best.hdf5 of a training that replaces another, until that one has left. (Names in
 * .partial leave when a stage begins.) */
#define FIRST_BEST ".first-" SM_FIT_BEST

static bool is_there(const struct sm_fit *fit, const char *name)
{
	char *path = sm_path_join(fit->dir, name);
	bool there = path && sm_file_exists(path);
	free(path);
	return there;
}

/* A training that fails in its first epoch leaves the folder as it was; so does a disk that has no
 * room for a checkpoint more: the first is written before what it replaces leaves. */
static enum sm_status begin(struct sm_fit *fit, struct sm_err *err)
{
	if (fit->begun || !fit->begin)
		return SM_OK;
	fit->begun = true;
	SM_TRY(sm_fit_remove(fit, FIRST_BEST, err)); /* of a killed run */
	if (fit->fresh && (is_there(fit, SM_FIT_LAST) || is_there(fit, SM_FIT_BEST))) {
		SM_TRY(write_to(fit, FIRST_BEST, err));
		fit->first_waits = true;
	}
	return fit->begin(fit->begin_ctx, err);
}

static enum sm_status clear_old(struct sm_fit *fit, struct sm_err *err)
{
	SM_TRY(sm_fit_clear_old(fit, err));
	if (!fit->first_waits)
		return SM_OK;
	char *from = sm_path_join(fit->dir, FIRST_BEST), *to = sm_path_join(fit->dir, SM_FIT_BEST);
	enum sm_status st = SM_OK;
	if (!from || !to)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", fit->dir);
	else if (rename(from, to) != 0)
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", to, strerror(errno));
	free(from);
	free(to);
	return st;
}

static enum sm_status picture(struct sm_fit *fit, struct sm_err *err)
{
	char name[64];
	return sm_fit_pictured(fit, fit->state.epoch, name) ? sm_fit_picture(fit, err) : SM_OK;
}

static enum sm_status numbered(struct sm_fit *fit, struct sm_err *err)
{
	char name[64];
	return sm_fit_numbered(fit, fit->state.epoch, name) ? write_to(fit, name, err) : SM_OK;
}

static enum sm_status best(struct sm_fit *fit, struct sm_err *err)
{
	bool there = fit->first_waits; /* clear_old put it there */
	fit->first_waits = false;
	return fit->improved && !there ? write_to(fit, SM_FIT_BEST, err) : SM_OK;
}

/* Behind what shows or keeps the weights that were validated, before what training goes on from. */
static enum sm_status average_back(struct sm_fit *fit, struct sm_err *err)
{
	(void)err;
	if (fit->averaged)
		sm_net_ema_swap(fit->net);
	fit->averaged = false;
	return SM_OK;
}

static enum sm_status last(struct sm_fit *fit, struct sm_err *err)
{
	return write_to(fit, SM_FIT_LAST, err);
}

/* Written anew from the history: no row can stand there twice. */
static enum sm_status csv(struct sm_fit *fit, struct sm_err *err)
{
	return sm_fit_write_csv(fit, err);
}

static enum sm_status report(struct sm_fit *fit, struct sm_err *err)
{
	char rate[48] = "";
	(void)err;
	if (fit->s->schedule || fit->s->warmup)
		snprintf(rate, sizeof rate, ", rate %.3g", fit->rate);
	sm_info(fit->log, NULL,
		"epoch %" PRId64 " of %" PRId64
		": loss %.4f, dice %.4f, val_loss %.4f, val_dice %.4f%s%s; %.3g samples/s",
		fit->state.epoch, fit->s->epochs, fit->loss, fit->dice, fit->val_loss,
		fit->val_dice, fit->improved ? " (best)" : "", rate,
		fit->seconds > 0 ? (double)fit->samples / fit->seconds : 0.0);
	return SM_OK;
}

/* The order is part of the contract: see the head of this file. Of several ranks only the first
 * writes. */
static const struct {
	const char *name;
	enum sm_status (*epoch_end)(struct sm_fit *fit, struct sm_err *err);
} callbacks[] = {
	{"begin", begin},
	{"clear_old", clear_old},
	{"picture", picture},
	{"numbered", numbered},
	{"best", best},
	{"average_back", average_back},
	{"last", last},
	{"csv", csv},
	{"report", report},
};

enum sm_status sm_fit_epoch_end(struct sm_fit *fit, struct sm_err *err)
{
	for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++)
		if ((sm_mpi_rank() == 0 || callbacks[i].epoch_end == average_back) &&
		    callbacks[i].epoch_end(fit, err) != SM_OK)
			return sm_err_prefix(err, "epoch %" PRId64 ": %s", fit->state.epoch,
					     callbacks[i].name);
	return SM_OK;
}
