/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage train: tiles -> checkpoints and the history of the training.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/stage.h"
#include "manifests/schema.h"
#include "train/fit.h"
#include "train/models/models.h"
#include "train/network.h"

struct options {
	char *split;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"split", SM_F_STRING, AT(split), .path = true, .doc = "folder of split"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("train", struct options, fields, "options of train");

static const char *const folds[] = {"valid", "train"};

/* All that a training holds. */
struct training {
	struct sm_run *run;
	const struct sm_train_section *s;
	uint64_t seed;
	struct sm_ledger tile, split;
	struct sm_tiles *train, *valid;
	struct sm_fit fit;
	struct sm_loader_opt loader;
	double forecast; /* MiB that the process is going to have resident */
};

/* Machine code that is generated for the kernels and buffers of the libraries, measured, MiB. The
 * engine's own figure for it counts the program too, which is here already. */
#define GENERATED 14.0

/* Hash of all that decides the weights after an epoch: settings without the number of epochs (a
 * finished training can be made longer), and the tiles. */
static enum sm_status fingerprint(struct sm_run *run, char hex[65], struct sm_err *err)
{
	const char *keys[] = {"stage", "version", "settings", "parents"};
	json_t *all = json_object();
	for (size_t i = 0; i < SM_COUNT(keys); i++)
		json_object_set_new(all, keys[i],
				    json_deep_copy(json_object_get(run->ledger.header, keys[i])));
	json_t *manifest = json_object_get(json_object_get(all, "settings"), "manifest");
	json_object_del(json_object_get(manifest, "train"), "epochs");
	char *line = sm_json_line(all);
	json_decref(all);
	if (!line)
		return SM_FAIL(err, SM_BUDGET, "train: out of memory");
	sm_sha256_bytes(line, strlen(line), hex);
	free(line);
	return SM_OK;
}

/* Names of the channels and the scaling, as the tile stage wrote them. */
static enum sm_status describe_input(struct training *t, struct sm_err *err)
{
	struct sm_checkpoint *c = &t->fit.state;
	struct sm_tile_shape shape = sm_tiles_shape(t->train);
	const json_t *settings = json_object_get(t->tile.header, "settings");
	const json_t *tile = json_object_get(json_object_get(settings, "manifest"), "tile");
	const char *how = sm_json_text(tile, "standardise");
	static const char *const hows[] = {"none", "slice", "tile", "unit"};
	size_t i, which = 0;
	json_t *record;
	enum sm_status st = SM_OK;
	while (which < SM_COUNT(hows) && (!how || strcmp(how, hows[which]) != 0))
		which++;
	if (which == SM_COUNT(hows))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: ledger says standardise %s, allowed are none, slice, tile, unit",
			t->run->in, how ? how : "nothing");
	c->standardise = (enum sm_standardise)which;
	c->in_channels = (int)shape.channels;
	c->size[0] = (int)shape.width;
	c->size[1] = (int)shape.height;
	c->size[2] = (int)shape.depth;
	sm_records_foreach(t->tile.records, i, record)
	{
		json_t *names = json_object_get(record, "channels");
		if (!sm_record_ok(record) || !json_is_array(names) || st != SM_OK)
			continue;
		if (c->channels && !json_equal(c->channels, names))
			st = SM_FAIL(
				err, SM_INPUT,
				"%s: its tiles have other channels than those of the cases before",
				sm_record_key(record));
		if (!c->channels)
			c->channels = json_deep_copy(names);
	}
	SM_TRY(st);
	SM_TRY(sm_records_check(t->tile.records, err));
	if (!c->channels)
		c->channels = json_array();
	return c->channels ? SM_OK : SM_FAIL(err, SM_BUDGET, "train: out of memory");
}

/* The tiles' size as the tile stage was told, before any tile is read. */
static enum sm_status check_size(const struct training *t, struct sm_err *err)
{
	const struct sm_model *model = sm_model_at((size_t)t->s->model);
	const json_t *settings = json_object_get(t->tile.header, "settings");
	const json_t *tile = json_object_get(json_object_get(settings, "manifest"), "tile");
	int64_t size[3];
	if (!sm_json_get_ints(tile, "size", size, 3))
		return SM_FAIL(err, SM_INPUT, "%s: ledger says no tile.size: run tile again",
			       t->run->in);
	for (int a = 0; a < 3; a++)
		if (size[a] % model->multiple[2 - a])
			return SM_FAIL(err, SM_USAGE,
				       "tile.size: tiles were cut with %" PRId64
				       " along %c, allowed for train.model %s are multiples of %d",
				       size[a], "xyz"[a], model->name, model->multiple[2 - a]);
	return SM_OK;
}

static enum sm_status read_inputs(struct training *t, struct sm_err *err)
{
	struct sm_run *run = t->run;
	const struct options *o = run->options;
	struct sm_checkpoint *c = &t->fit.state;
	if (!o->split)
		return SM_FAIL(err, SM_USAGE, "--split: is missing (--help lists the options)");
	SM_TRY(sm_run_parent(run, run->in, "tile", &t->tile, err));
	SM_TRY(check_size(t, err));
	SM_TRY(sm_run_parent(run, o->split, "split", &t->split, err));
	SM_TRY(sm_tiles_list(run->in, &t->tile, &t->split, "train", &run->mem, &t->train, err));
	SM_TRY(sm_tiles_list(run->in, &t->tile, &t->split, folds[t->s->valid_fold], &run->mem,
			     &t->valid, err));
	if (t->s->valid_fold)
		sm_warn(&run->log, NULL,
			"validation runs on the training tiles: its figures say nothing about "
			"other cases");
	snprintf(c->model, sizeof c->model, "%s", sm_model_at((size_t)t->s->model)->name);
	snprintf(c->optimiser, sizeof c->optimiser, "%s", sm_optim_name((size_t)t->s->optimiser));
	snprintf(c->split, sizeof c->split, "%s", t->split.sha256);
	sm_checkpoint_steps(&t->tile, c->preprocess);
	c->width = t->s->width;
	c->classes = (int)t->s->classes;
	SM_TRY(describe_input(t, err));
	SM_TRY(fingerprint(run, c->fingerprint, err));
	sm_info(&run->log, NULL,
		"%zu training tiles of %zu cases, %zu validation tiles of %zu cases",
		sm_tiles_count(t->train), sm_tiles_cases(t->train), sm_tiles_count(t->valid),
		sm_tiles_cases(t->valid));
	return SM_OK;
}

/* Takes up what an earlier run left in --out when it is of this training; *path is then last.hdf5.
 */
static enum sm_status look_for_earlier(struct training *t, char **path, struct sm_err *err)
{
	struct sm_run *run = t->run;
	struct sm_checkpoint old = {0}, best = {0};
	char *last = sm_path_join(run->out, SM_FIT_LAST),
	     *best_path = sm_path_join(run->out, SM_FIT_BEST);
	const char *why = NULL;
	enum sm_status st = SM_OK;
	*path = NULL;
	t->fit.fresh = true;
	if (!last || !best_path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", run->out);
		goto out;
	}
	if (!sm_file_exists(last))
		goto out;
	if (!run->resume) {
		why = "--resume was not given";
		goto out;
	}
	st = sm_checkpoint_open(last, &old, err);
	if (st == SM_OK)
		st = sm_checkpoint_open(best_path, &best, err);
	if (st != SM_OK) {
		sm_err_prefix(
			err, "--resume cannot go on (remove the file to start from the beginning)");
		goto out;
	}
	/* A run killed between best.hdf5 and last.hdf5 leaves a best that is one epoch ahead; that
	 * epoch is run again and writes it again. */
	if (strcmp(old.fingerprint, t->fit.state.fingerprint) != 0)
		why = "its settings or tiles were others";
	else if (old.epoch > t->s->epochs)
		st = SM_FAIL(err, SM_USAGE,
			     "train.epochs: found %" PRId64 ", allowed is at least %" PRId64
			     ", which are trained already (or another --out)",
			     t->s->epochs, old.epoch);
	else if (strcmp(best.fingerprint, old.fingerprint) != 0 ||
		 (best.epoch != old.best_epoch && best.epoch != old.epoch + 1))
		why = "its best.hdf5 is of another training";
	if (why || st != SM_OK)
		goto out;
	sm_checkpoint_clear(&t->fit.state);
	t->fit.state = old;
	old = (struct sm_checkpoint){0};
	t->fit.fresh = false;
	*path = last;
	last = NULL;
out:
	if (why)
		sm_warn(&run->log, NULL, "an earlier training in the output folder is replaced: %s",
			why);
	sm_checkpoint_clear(&old);
	sm_checkpoint_clear(&best);
	free(best_path);
	free(last);
	return st;
}

static enum sm_status plan(struct training *t, struct sm_err *err)
{
	struct sm_run *run = t->run;
	struct sm_optim optim = sm_optim_default(t->fit.state.optimiser);
	const struct sm_network_opt network = {.batch = (int)t->s->batch,
					       .threads = run->jobs,
					       .loss = sm_loss_name((size_t)t->s->loss),
					       .optim = &optim,
					       .seed = t->seed};
	optim.beta1 = optim.momentum = t->s->momentum;
	optim.clip_norm = t->s->clip_norm;
	SM_TRY(sm_network_plan(&t->fit.state, &network, &t->fit.net, err));
	t->fit.state.parameters = (int64_t)sm_net_weight_count(t->fit.net);
	t->loader = (struct sm_loader_opt){.train = t->train,
					   .valid = t->valid,
					   .classes = t->fit.state.classes,
					   .batch = (int)t->s->batch,
					   .steps = t->s->steps_per_epoch,
					   .valid_tiles = t->s->valid_tiles,
					   .seed = t->seed,
					   .first_epoch = t->fit.state.epoch,
					   .last_epoch = t->s->epochs,
					   .threads = run->jobs > 1 ? 2 : 1};
	struct sm_forecast f = sm_net_forecast(t->fit.net);
	size_t batches = sm_loader_bytes(&t->loader),
	       weights = f.params + f.grads + f.optim + f.state + f.packed;
	double rest = sm_peak_mib() + GENERATED;
	t->forecast = rest + (double)(batches + weights + f.arena) / 1048576;
	sm_info(&run->log, NULL,
		"%s: %" PRId64 " parameters; memory forecast %.0f MiB: activations %zu (%zu "
		"without reuse), weights, "
		"gradients and optimiser %zu, batches %zu, the program %.0f",
		t->fit.state.model, t->fit.state.parameters, t->forecast, f.arena >> 20,
		f.unplanned >> 20,
		weights >> 20, batches >> 20, rest);
	return SM_OK;
}

static enum sm_status train(struct training *t, const char *resume_from, struct sm_err *err)
{
	struct sm_run *run = t->run;
	struct sm_fit *fit = &t->fit;
	fit->log = &run->log;
	fit->epochs = t->s->epochs;
	fit->learning_rate = t->s->learning_rate;
	fit->threads = run->jobs;
	if (run->dry_run)
		return SM_OK;
	SM_TRY(sm_loader_start(&t->loader, &run->mem, &fit->loader, err));
	SM_TRY(sm_net_alloc(fit->net, &run->mem, err));
	SM_TRY(sm_run_begin(run, err));
	if (resume_from) {
		SM_TRY(sm_checkpoint_load(resume_from, fit->net, true, err));
		SM_TRY(sm_fit_write_csv(fit, err));
		sm_info(&run->log, NULL, "goes on after epoch %" PRId64, fit->state.epoch);
	} else {
		sm_net_init(fit->net, t->seed);
	}
	SM_TRY(sm_fit_run(fit, err));
	sm_info(&run->log, NULL,
		"waited %.2f s for tiles; peak memory %.0f MiB, %.2f of the forecast",
		sm_loader_waited(fit->loader), sm_peak_mib(), sm_peak_mib() / t->forecast);
	return SM_OK;
}

static enum sm_status add_record(struct training *t, const char *key, const char *name,
				 const char *role, int64_t epoch, struct sm_err *err)
{
	char hex[65];
	char *path = sm_path_join(t->run->out, name);
	enum sm_status st = path ? sm_content_sha256(path, &t->run->mem, hex, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	SM_TRY(st);
	const struct sm_history *h = &t->fit.state.history;
	json_t *record = json_pack("{s:s, s:s, s:I, s:f, s:[{s:s, s:s, s:s}]}", "key", key,
				   "status", "ok", "epoch", (json_int_t)epoch, "val_loss",
				   h->v[(size_t)(epoch - 1) * h->columns + SM_HISTORY_VAL_LOSS], "outputs",
				   "path", name, "role", role, "sha256", hex);
	st = record ? sm_records_add(t->run->ledger.records, record, NULL, err)
		    : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	json_decref(record);
	return st;
}

/* A run killed between best.hdf5 and last.hdf5 and gone on with on another kind of processor might
 * not meet the same best again. */
static enum sm_status check_best(const struct training *t, struct sm_err *err)
{
	struct sm_checkpoint best = {0};
	char *path = sm_path_join(t->run->out, SM_FIT_BEST);
	enum sm_status st = path ? sm_checkpoint_open(path, &best, err)
				 : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	if (st == SM_OK && best.epoch != t->fit.state.best_epoch)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: holds epoch %" PRId64 ", the best is %" PRId64
			     ": run train again without --resume",
			     path, best.epoch, t->fit.state.best_epoch);
	sm_checkpoint_clear(&best);
	free(path);
	return st;
}

static enum sm_status write_records(struct training *t, struct sm_err *err)
{
	const struct sm_checkpoint *c = &t->fit.state;
	json_t *header = t->run->ledger.header;
	char name[64], key[64];
	SM_TRY(check_best(t, err));
	SM_TRY(sm_fit_sweep(&t->fit, err));
	SM_TRY(add_record(t, "best", SM_FIT_BEST, "checkpoint", c->best_epoch, err));
	SM_TRY(add_record(t, "last", SM_FIT_LAST, "checkpoint", c->epoch, err));
	SM_TRY(add_record(t, "history", SM_FIT_CSV, "history", c->epoch, err));
	for (int64_t e = 1; e <= c->epoch; e++) {
		if (!sm_fit_numbered(&t->fit, e, name))
			continue;
		char *path = sm_path_join(t->run->out, name);
		bool there = path && sm_file_exists(path);
		free(path);
		if (!there) {
			sm_warn(&t->run->log, name, "is gone: it is left out of the ledger");
			continue;
		}
		snprintf(key, sizeof key, "model-%04" PRId64, e);
		SM_TRY(add_record(t, key, name, "checkpoint", e, err));
	}
	json_object_set_new(header, "parameters", json_integer(c->parameters));
	json_object_set_new(header, "epochs", json_integer(c->epoch));
	json_object_set_new(header, "best_epoch", json_integer(c->best_epoch));
	json_object_set_new(header, "train_tiles",
			    json_integer((json_int_t)sm_tiles_count(t->train)));
	json_object_set_new(header, "valid_tiles",
			    json_integer((json_int_t)sm_tiles_count(t->valid)));
	return SM_OK;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct sm_train_section *s = ((const struct sm_manifest_root *)run->manifest)->train;
	struct training t = {.run = run, .s = s};
	char *resume_from = NULL;
	enum sm_status st;
	t.seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)s->seed;
	t.fit.checkpoint_every = s->checkpoint_every;
	SM_GOTO(st, read_inputs(&t, err));
	SM_GOTO(st, look_for_earlier(&t, &resume_from, err));
	t.fit.dir = run->out;
	if (t.fit.state.epoch < s->epochs) {
		SM_GOTO(st, plan(&t, err));
		SM_GOTO(st, train(&t, resume_from, err));
	} else if (!run->dry_run) {
		SM_GOTO(st, sm_run_begin(run, err));
		SM_GOTO(st, sm_fit_write_csv(&t.fit, err));
	}
	if (!run->dry_run)
		st = write_records(&t, err);
	if (st == SM_OK && !run->dry_run)
		sm_info(&run->log, NULL, "best epoch %" PRId64 " with val_loss %.4f",
			t.fit.state.best_epoch, t.fit.state.best);
out:
	free(resume_from);
	sm_loader_stop(t.fit.loader);
	sm_net_free(t.fit.net);
	sm_checkpoint_clear(&t.fit.state);
	sm_tiles_free(t.train);
	sm_tiles_free(t.valid);
	sm_ledger_clear(&t.tile);
	sm_ledger_clear(&t.split);
	return st;
}

static const char *const sections[] = {"train", NULL};

static const struct sm_stage stage = {
	.name = "train",
	.summary = "train a network on tiles",
	.details = "Reads the folders of tile and split; writes model-EPOCH-VALLOSS.hdf5, "
		   "best.hdf5 and last.hdf5\n"
		   "(checkpoints) and model_history_log.csv. --resume goes on after a run that was "
		   "killed, or makes a\n"
		   "finished training longer when only train.epochs was raised. --jobs are the "
		   "network's threads.\n"
		   "  scanmill train --manifest m.yaml --in work/tile --split work/split --out "
		   "work/train",
	.version = 2,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	sm_nn_prepare_process(argv);
	return sm_stage_main(&stage, argc, argv);
}
