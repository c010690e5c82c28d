/* SPDX-License-Identifier: Apache-2.0
 *
 * What an earlier training left in the output folder: gone on with when all that decides the
 * weights is the same, else refused, or replaced when that was asked for.
 */
#include "train/training_resume.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "train/settings.h"

/* Settings of section train that decide when a training stops, what it shows or what its files are
 * called, but neither a weight nor which epoch is the best. Those of validation are not among them:
 * val_loss decides the best epoch, an early stop and a plateau. */
static const char *const no_weight[] = {
	"epochs",   "early_stop",       "time_budget",      "folds",   "sample_pictures", "csv",
	"csv_name", "checkpoint_every", "checkpoint_names", "metrics", "valid_volumes"};

enum sm_status sm_training_fingerprint(struct sm_training *t, struct sm_err *err)
{
	struct sm_checkpoint *c = &t->fit.state;
	const char *keys[] = {"stage", "version", "settings", "parents"};
	json_t *all = json_object();
	for (size_t i = 0; i < SM_COUNT(keys); i++)
		json_object_set_new(
			all, keys[i],
			json_deep_copy(json_object_get(t->run->ledger.header, keys[i])));
	json_t *settings = json_object_get(all, "settings");
	json_t *train = json_object_get(json_object_get(settings, "manifest"), "train");
	for (size_t i = 0; i < SM_COUNT(no_weight); i++)
		if (strcmp(no_weight[i], "epochs") != 0 || !sm_schedule_falls(t->s->schedule))
			json_object_del(train, no_weight[i]);
	json_object_del(json_object_get(settings, "options"), "fold");
	json_object_set_new(all, "fold", json_integer(t->fold));
	c->settings = sm_json_line(all);
	json_decref(all);
	if (!c->settings)
		return SM_FAIL(err, SM_BUDGET, "train: out of memory");
	size_t n = strlen(c->settings);
	if (n >= SM_CHECKPOINT_SETTINGS)
		return SM_FAIL(
			err, SM_USAGE,
			"train: its settings are %zu characters long, allowed are less than %d", n,
			SM_CHECKPOINT_SETTINGS);
	sm_sha256_bytes(c->settings, n, c->fingerprint);
	return SM_OK;
}

#define WAYS \
	"--restart replaces it (its files stay until the first epoch of the new one is done), or " \
	"another --out"

static enum sm_status refuse(const struct sm_training *t, const struct sm_checkpoint *old,
			     struct sm_err *err)
{
	struct sm_setting s;
	if (!sm_settings_differ(t->fit.state.settings, old->settings, &s))
		return SM_FAIL(err, SM_USAGE,
			       "--resume: the training in %s (%" PRId64
			       " epochs) is of another version of this program: " WAYS,
			       t->dir, old->epoch);
	return SM_FAIL(err, SM_USAGE,
		       "--resume: %s is %s, but the training in %s (%" PRId64
		       " epochs) has %s: " WAYS,
		       s.place, s.found, t->dir, old->epoch, s.had);
}

/* ---- an earlier training in the folder ------------------------------------------------------ */

/* best.hdf5 is not there or damaged; the numbered checkpoint of its epoch has the same bytes. */
static enum sm_status without_best(const struct sm_training *t, const struct sm_checkpoint *old,
				   const struct sm_err *why, struct sm_err *err)
{
	const struct sm_fit theirs = {.dir = t->dir, .state = *old};
	char name[64];
	for (size_t k = 0; sm_fit_named(&theirs, k, old->best_epoch, name); k++)
		if (sm_fit_owns(&theirs, name))
			return SM_FAIL(err, why->code,
				       "--resume cannot go on: %s; %s beside it is whole: a copy "
				       "of %s as %s mends it, or --restart starts from the "
				       "beginning",
				       why->text, SM_FIT_LAST, name, SM_FIT_BEST);
	return SM_FAIL(err, why->code,
		       "--resume cannot go on: %s; %s beside it is whole, but no numbered "
		       "checkpoint holds the best epoch, %" PRId64
		       ": another copy of %s mends it, or --restart starts from the beginning",
		       why->text, SM_FIT_LAST, old->best_epoch, SM_FIT_BEST);
}

/* Whether old, from last.hdf5, is this training; SM_USAGE and a sentence when it is not, SM_INPUT
 * when its best.hdf5 is not of it. */
static enum sm_status check_earlier(struct sm_training *t, const char *best_path,
				    const struct sm_checkpoint *old, struct sm_err *err)
{
	struct sm_checkpoint best = {0};
	struct sm_err why = {0};
	enum sm_status st = SM_OK;
	if (strcmp(old->fingerprint, t->fit.state.fingerprint) != 0)
		return refuse(t, old, err);
	if (old->epoch > t->s->epochs)
		return SM_FAIL(err, SM_USAGE,
			       "train.epochs: found %" PRId64 ", allowed is at least %" PRId64
			       ", which are trained already (or another --out)",
			       t->s->epochs, old->epoch);
	if (sm_checkpoint_open(best_path, &best, &why) != SM_OK)
		st = without_best(t, old, &why, err);
	/* A run killed between best.hdf5 and last.hdf5 leaves a best that is one epoch ahead; that
	 * epoch is run again and writes it again. */
	else if (strcmp(best.fingerprint, old->fingerprint) != 0 ||
		 (best.epoch != old->best_epoch && best.epoch != old->epoch + 1))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: is of another training than %s beside it: --restart starts from "
			     "the beginning",
			     best_path, SM_FIT_LAST);
	sm_checkpoint_clear(&best);
	return st;
}

/* The state of old becomes that of t, with the columns that are asked for now. */
static enum sm_status take_up(struct sm_training *t, struct sm_checkpoint *old, struct sm_err *err)
{
	struct sm_checkpoint *c = &t->fit.state;
	if (strcmp(old->history.names, c->history.names) != 0) {
		SM_TRY(sm_history_recast(&old->history, c->history.names, err));
		sm_info(&t->run->log, NULL,
			"the history has other columns than before: nan in the epochs that did not "
			"measure them");
	}
	sm_checkpoint_clear(c);
	*c = *old;
	*old = (struct sm_checkpoint){0};
	t->fit.fresh = false;
	return SM_OK;
}

/* What mends a folder without a whole last.hdf5, best being that of best.hdf5. The best of a
 * training with moving averages holds these: it is no last. */
static enum sm_status without_last(const struct sm_training *t, const struct sm_checkpoint *best,
				   const char *why, struct sm_err *err)
{
	char copy[120] = "";
	if (best->epoch && !(t->s->ema > 0))
		snprintf(copy, sizeof copy,
			 ", a copy of %s under that name goes on behind its epoch %" PRId64,
			 SM_FIT_BEST, best->epoch);
	return SM_FAIL(err, SM_INPUT,
		       "--resume cannot go on: %s: another copy of %s mends it%s, or --restart "
		       "starts from the beginning",
		       why, SM_FIT_LAST, copy);
}

/* A run killed in its first epoch can leave best.hdf5 alone, which then is of epoch 1; a later one
 * tells that last.hdf5 was lost, and starting anew would write over what is left. */
static enum sm_status missing_last(const struct sm_training *t, const char *best_path,
				   struct sm_err *err)
{
	struct sm_checkpoint best = {0};
	enum sm_status st = SM_OK;
	char why[600];
	if (sm_checkpoint_open(best_path, &best, NULL) == SM_OK && best.epoch > 1) {
		snprintf(why, sizeof why, "%s is missing in %s, whose %s holds epoch %" PRId64,
			 SM_FIT_LAST, t->dir, SM_FIT_BEST, best.epoch);
		st = without_last(t, &best, why, err);
	}
	sm_checkpoint_clear(&best);
	return st;
}

static enum sm_status damaged_last(const struct sm_training *t, const char *best_path,
				   const struct sm_err *why, struct sm_err *err)
{
	struct sm_checkpoint best = {0};
	if (sm_checkpoint_open(best_path, &best, NULL) != SM_OK)
		best.epoch = 0;
	enum sm_status st = without_last(t, &best, why->text, err);
	sm_checkpoint_clear(&best);
	return st;
}

enum sm_status sm_training_look(struct sm_training *t, struct sm_err *err)
{
	struct sm_checkpoint old = {0};
	struct sm_err why = {0};
	char *last = sm_path_join(t->dir, SM_FIT_LAST), *best = sm_path_join(t->dir, SM_FIT_BEST);
	bool go_on = t->run->resume && !t->restart;
	enum sm_status st = SM_OK;
	t->fit.fresh = true;
	if (!last || !best) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", t->dir);
		goto out;
	}
	if (go_on && !sm_file_exists(last)) {
		st = missing_last(t, best, err);
		goto out;
	}
	if (!sm_file_exists(last) && !sm_file_exists(best))
		goto out;
	st = sm_checkpoint_open(last, &old, &why);
	if (go_on) {
		if (st != SM_OK)
			st = damaged_last(t, best, &why, err);
		else if ((st = check_earlier(t, best, &old, err)) == SM_OK)
			st = take_up(t, &old, err);
		goto out;
	}
	/* What cannot be read names no files that would be its own. */
	if (st == SM_OK) {
		sm_checkpoint_clear(&t->fit.replaced);
		t->fit.replaced = old;
		old = (struct sm_checkpoint){0};
	}
	st = SM_OK;
	sm_warn(&t->run->log, NULL, "an earlier training in the output folder is replaced: %s",
		t->restart ? "--restart was given" : "--resume was not given");
out:
	sm_checkpoint_clear(&old);
	free(best);
	free(last);
	return st;
}
