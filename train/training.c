/* SPDX-License-Identifier: Apache-2.0 */
#include "train/training.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "train/models/models.h"
#include "train/mpi.h"
#include "train/network.h"
#include "train/training_plan.h"
#include "train/training_resume.h"

/* ---- the task and the network --------------------------------------------------------------- */

/* Whether the outputs exclude each other: as told, else as the loss is made for, else as the
 * network's original. */
static bool is_softmax(const struct sm_train_section *s)
{
	enum sm_loss_outputs by_loss = sm_loss_outputs((size_t)s->loss);
	if (s->head != SM_HEAD_AUTO)
		return s->head == SM_HEAD_SOFTMAX;
	if (s->regions.n || by_loss == SM_LOSS_SIGMOID)
		return false;
	return by_loss == SM_LOSS_SOFTMAX || sm_model_at((size_t)s->model)->softmax;
}

/* Numbers that would have no effect. */
static enum sm_status check_background(const struct sm_train_section *s, bool softmax,
				       struct sm_err *err)
{
	size_t loss = (size_t)s->loss;
	if (s->background && !softmax)
		return SM_FAIL(err, SM_USAGE,
			       "background: found true, allowed with sigmoid outputs, which have "
			       "none, is false");
	if (softmax && s->class_weight.n && !s->background && !sm_loss_weighs_background(loss) &&
	    fabs(s->class_weight.v[0] - 1) > 0 && fabs(s->class_weight.v[0]) > 0)
		return SM_FAIL(err, SM_USAGE,
			       "class_weight[0]: found %g, allowed are 0 and 1: loss %s leaves the "
			       "background out (background: true takes it in)",
			       s->class_weight.v[0], sm_loss_name(loss));
	return SM_OK;
}

enum sm_status sm_training_task(const struct sm_train_section *s, struct sm_task *task,
				struct sm_err *err)
{
	const struct sm_train_region *region = s->regions.items;
	bool softmax = is_softmax(s);
	enum sm_status st = SM_OK;
	if (!s->regions.n) {
		st = sm_task_classes(task, (int)s->classes, softmax, err);
	} else {
		sm_task_regions(task, (int)s->classes);
		for (size_t i = 0; st == SM_OK && i < s->regions.n; i++)
			st = sm_task_region(task, region[i].name, region[i].labels.v,
					    region[i].labels.n, err);
		if (st == SM_OK)
			st = sm_task_check(task, err);
	}
	if (st == SM_OK && s->class_weight.n && s->class_weight.n != (size_t)task->channels)
		st = SM_FAIL(
			err, SM_USAGE,
			"class_weight: found %zu numbers, allowed are none or %d, one an output%s",
			s->class_weight.n, task->channels, softmax ? ", the background first" : "");
	if (st == SM_OK)
		st = check_background(s, softmax, err);
	return st == SM_OK ? st : sm_err_prefix(err, "train");
}

/* Planes of slices and how they are turned: a prediction must cut volumes in the same way. */
static void describe_slices(const json_t *section, struct sm_checkpoint *c)
{
	const char *plane = sm_json_text(section, "plane"), *view = sm_json_text(section, "view");
	for (int i = 1; plane && sm_checkpoint_plane(i); i++)
		if (strcmp(plane, sm_checkpoint_plane(i)) == 0)
			c->plane = i;
	c->stored = view && strcmp(view, "stored") == 0;
}

/* What the samples were cut by: the section of tile or slice as its ledger has it, or of tiles
 * straight from volumes, of this run. */
static const json_t *sample_section(const struct sm_training *t)
{
	const json_t *header = t->source ? t->run->ledger.header : t->data->header;
	const json_t *manifest =
		json_object_get(json_object_get(header, "settings"), "manifest");
	return json_object_get(manifest, t->source ? "tile" : t->data_stage);
}

/* The same names in each case. */
static enum sm_status describe_channels(struct sm_training *t, struct sm_err *err)
{
	struct sm_checkpoint *c = &t->fit.state;
	enum sm_status st = SM_OK;
	json_t *record;
	size_t i;
	if (t->source) { /* it has compared them */
		c->channels = json_deep_copy(sm_tile_source_channels(t->source));
		return c->channels ? SM_OK : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	}
	sm_records_foreach(t->data->records, i, record)
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
	SM_TRY(sm_records_check(t->data->records, err));
	if (!c->channels)
		c->channels = json_array();
	return c->channels ? SM_OK : SM_FAIL(err, SM_BUDGET, "train: out of memory");
}

/* Names of the channels, size and scaling. */
static enum sm_status describe_input(struct sm_training *t, struct sm_err *err)
{
	struct sm_checkpoint *c = &t->fit.state;
	struct sm_tile_shape shape = sm_tiles_shape(t->train);
	const json_t *section = sample_section(t);
	const char *how = sm_json_text(section, "standardise");
	size_t which = 0;
	while (sm_standardise_name(which) && (!how || strcmp(how, sm_standardise_name(which)) != 0))
		which++;
	if (!sm_standardise_name(which))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: ledger says standardise %s, allowed are none, slice, tile, unit",
			t->run->in, how ? how : "nothing");
	c->standardise = (enum sm_standardise)which;
	describe_slices(section, c);
	c->in_channels = (int)shape.channels;
	c->size[0] = (int)shape.width;
	c->size[1] = (int)shape.height;
	c->size[2] = (int)shape.depth;
	return describe_channels(t, err);
}

static enum sm_status describe_network(struct sm_training *t, struct sm_err *err)
{
	const struct sm_train_section *s = t->s;
	struct sm_checkpoint *c = &t->fit.state;
	snprintf(c->model, sizeof c->model, "%s", sm_model_at((size_t)s->model)->name);
	/* "auto" stands before the tables' names. */
	snprintf(c->norm, sizeof c->norm, "%s",
		 s->norm ? sm_model_norm((size_t)s->norm - 1) : "auto");
	snprintf(c->activation, sizeof c->activation, "%s",
		 s->activation ? sm_model_activation((size_t)s->activation - 1) : "auto");
	snprintf(c->optimiser, sizeof c->optimiser, "%s", sm_optim_name((size_t)s->optimiser));
	c->width = s->width;
	c->dropout = s->dropout;
	c->deep_supervision = s->deep_supervision - SM_SWITCH_OFF;
	for (size_t a = 0; a < s->spacing.n; a++)
		c->spacing[a] = s->spacing.v[a];
	return sm_training_task(s, &c->task, err);
}

/* The tiles' size as the manifest says, before any is read. */
static enum sm_status check_size(struct sm_training *t, struct sm_err *err)
{
	const json_t *tile = sample_section(t);
	struct sm_checkpoint c = t->fit.state;
	int64_t size[3];
	if (strcmp(t->data_stage, "slice") == 0)
		return SM_OK;
	if (!sm_json_get_ints(tile, "size", size, 3))
		return SM_FAIL(err, SM_INPUT, "%s: ledger says no tile.size: run tile again",
			       t->run->in);
	for (int a = 0; a < 3; a++)
		c.size[a] = (int)size[a];
	c.in_channels = 1;
	const struct sm_model_opt model = sm_network_model(&c, 1);
	return sm_model_check(c.model, &model, err) == SM_OK ? SM_OK
							     : sm_err_prefix(err, "train");
}

static enum sm_status list_fold(struct sm_training *t, const struct sm_tiles_fold *fold,
				struct sm_tiles **out, struct sm_err *err)
{
	struct sm_run *run = t->run;
	if (t->source)
		return sm_tiles_list_feed(sm_tile_source_feed(t->source), t->data, t->split, fold,
					  &run->mem, out, err);
	return sm_tiles_list_fold(run->in, t->data, t->split, fold, &run->mem, out, err);
}

/* All labels, once a run: nothing of them shall stop a training that has begun. */
static enum sm_status survey(struct sm_training *t, struct sm_tiles *tiles, const char *fold,
			     struct sm_err *err)
{
	struct sm_run *run = t->run;
	bool filled;
	SM_TRY(sm_tiles_survey(tiles, t->survey, t->fit.state.task.labels, run->jobs, &run->mem,
			       &filled, err));
	if (filled)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "fold %s: none of its %zu tiles has a voxel with a label above 0, needed is "
		       "at least one",
		       fold, sm_tiles_count(tiles));
}

static enum sm_status list_tiles(struct sm_training *t, struct sm_err *err)
{
	static const char *const names[] = {"valid", "train"};
	struct sm_run *run = t->run;
	bool by_name = t->fold < 0;
	const struct sm_tiles_fold train = {by_name ? "train" : NULL, t->fold, true};
	t->valid_fold = (struct sm_tiles_fold){by_name ? names[t->s->valid_fold] : NULL, t->fold,
					       !by_name &&
						       t->s->valid_fold == SM_VALIDATE_ON_TRAIN};
	SM_TRY(list_fold(t, &train, &t->train, err));
	SM_TRY(list_fold(t, &t->valid_fold, &t->valid, err));
	SM_TRY(survey(t, t->train, "train", err));
	SM_TRY(survey(t, t->valid, "valid", err));
	if (t->s->valid_fold == SM_VALIDATE_ON_TRAIN)
		sm_warn(&run->log, NULL,
			"validation runs on the training tiles: its figures say nothing about "
			"other cases");
	sm_info(&run->log, NULL,
		"%zu training tiles of %zu cases, %zu validation tiles of %zu cases",
		sm_tiles_count(t->train), sm_tiles_cases(t->train), sm_tiles_count(t->valid),
		sm_tiles_cases(t->valid));
	if (t->source)
		sm_info(&run->log, NULL,
			"tiles are cut out of volumes, %" PRIu64
			" MiB unpacked in the temporary folder",
			sm_tile_source_unpacked(t->source) >> 20);
	return SM_OK;
}

/* ---- planning ------------------------------------------------------------------------------- */

static void set_options(struct sm_training *t)
{
	const struct sm_train_section *s = t->s;
	struct sm_fit *fit = &t->fit;
	fit->s = s;
	fit->dir = t->dir;
	fit->log = &t->run->log;
	fit->mem = &t->run->mem;
	fit->threads = t->run->jobs;
	fit->valid = t->valid;
	fit->deadline = t->deadline;
	fit->schedule =
		(struct sm_schedule){.row = s->schedule,
				     .rate = s->learning_rate,
				     .epochs = s->epochs,
				     .warmup = s->warmup,
				     .warmup_start = s->warmup_start,
				     .power = s->power,
				     .min_rate = s->min_rate,
				     .plateau = {s->plateau->factor, s->plateau->min_delta,
						 s->plateau->min_rate, s->plateau->patience}};
	t->loader = (struct sm_loader_opt){
		.train = t->train,
		.valid = t->valid,
		.task = &fit->state.task,
		.batch = (int)s->batch,
		.micro = (int)sm_parts_micro(s->batch, s->micro_batch),
		.rank = sm_mpi_rank(), .ranks = sm_mpi_size(),
		.by_case = s->batch_of == SM_BATCH_OF_CASES,
		.steps = s->steps_per_epoch,
		.valid_tiles = s->valid_tiles,
		.seed = t->seed,
		.first_epoch = fit->state.epoch,
		.last_epoch = s->epochs,
		.threads = t->run->jobs > 1 ? 2 : 1};
}

static enum sm_status set_augment(struct sm_training *t, struct sm_err *err)
{
	const struct sm_train_section *s = t->s;
	const struct sm_tile_shape shape = sm_tiles_shape(t->train);
	char names[256];
	SM_TRY(sm_augment_init(&t->augment, (enum sm_augment_preset)s->augment, &s->augmentations,
			       (enum sm_augment_border)s->augment_border, err));
	t->loader.hook = sm_augment_hook(&t->augment, &shape);
	sm_augment_list(&t->augment, names, sizeof names);
	if (t->augment.n)
		sm_info(&t->run->log, NULL, "training samples are augmented: %s", names);
	return SM_OK;
}

enum sm_status sm_training_open(struct sm_training *t, struct sm_err *err)
{
	struct sm_checkpoint *c = &t->fit.state;
	snprintf(c->split, sizeof c->split, "%s", t->split->sha256);
	sm_checkpoint_steps(t->data, c->preprocess);
	SM_TRY(describe_network(t, err));
	SM_TRY(sm_metrics_choose((const char *const *)t->s->metrics.v, t->s->metrics.n,
				 &t->fit.metrics, err));
	SM_TRY(check_size(t, err));
	SM_TRY(list_tiles(t, err));
	SM_TRY(describe_input(t, err));
	SM_TRY(sm_training_fingerprint(t, err));
	set_options(t);
	SM_TRY(set_augment(t, err));
	SM_TRY(sm_fit_columns(&t->fit, err));
	SM_TRY(sm_training_look(t, err));
	t->loader.first_epoch = c->epoch;
	const struct sm_tiles_fold trained = {t->fold < 0 ? "train" : NULL, t->fold, true};
	sm_seen_clear(&c->seen);
	SM_TRY(sm_seen_collect(t->data, t->split, &trained, &c->seen, err));
	c->fold = t->fold < 0 ? -1 : t->fold;
	if (t->s->valid_volumes) {
		SM_TRY(sm_volumes_open(t->run, t->volumes_dir, t->split, &t->valid_fold, c,
				       &t->volumes, &t->volume_bytes, err));
		t->fit.volumes = sm_volumes_dice;
		t->fit.volumes_ctx = t->volumes;
	}
	return c->epoch < t->s->epochs ? sm_training_plan(t, err) : SM_OK;
}

/* ---- training ------------------------------------------------------------------------------- */

/* A run killed between best.hdf5 and last.hdf5 and gone on with on another kind of processor might
 * not meet the same best again. */
static enum sm_status check_best(const struct sm_training *t, struct sm_err *err)
{
	struct sm_checkpoint best = {0};
	char *path = sm_path_join(t->dir, SM_FIT_BEST);
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

/* Of the first rank, before it writes. */
static enum sm_status begin(void *ctx, struct sm_err *err)
{
	struct sm_training *t = ctx;
	SM_TRY(sm_run_begin(t->run, err));
	return sm_mkdirs(t->dir, err);
}

static enum sm_status load_last(struct sm_training *t, struct sm_err *err)
{
	char *last = sm_path_join(t->dir, SM_FIT_LAST);
	enum sm_status st = last ? sm_checkpoint_load(last, t->fit.net, true, err)
				 : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	free(last);
	return st == SM_OK ? st : sm_err_prefix(err, SM_RESUME_CANNOT);
}

static enum sm_status fit(struct sm_training *t, struct sm_err *err)
{
	struct sm_run *run = t->run;
	struct sm_fit *f = &t->fit;
	SM_TRY(sm_loader_start(&t->loader, &run->mem, &f->loader, err));
	SM_TRY(sm_net_alloc(f->net, &run->mem, err));
	f->begin = begin;
	f->begin_ctx = t;
	if (f->fresh) {
		sm_net_init(f->net, t->seed);
	} else {
		SM_TRY(load_last(t, err));
		sm_info(&run->log, NULL, "goes on after epoch %" PRId64, f->state.epoch);
	}
	double began = sm_now();
	SM_TRY(sm_fit_run(f, err));
	sm_info(&run->log, NULL,
		"waited %.2f s for tiles, %.2f %% of the training; peak memory %.0f MiB, %.2f of "
		"the forecast",
		sm_loader_waited(f->loader), 100 * sm_loader_waited(f->loader) / (sm_now() - began),
		sm_peak_mib(), sm_peak_mib() / t->forecast);
	return SM_OK;
}

enum sm_status sm_training_run(struct sm_training *t, struct sm_err *err)
{
	const struct sm_fit *f = &t->fit;
	/* Ranks behind the first run as --dry-run, so that no part of the stage writes. */
	if (t->run->dry_run && sm_mpi_rank() == 0)
		return SM_OK;
	if (f->state.epoch < t->s->epochs)
		SM_TRY(fit(t, err));
	if (sm_mpi_rank() > 0)
		return SM_OK;
	if (!f->begun) {
		SM_TRY(begin(t, err));
		SM_TRY(sm_fit_write_csv(f, err));
	}
	if (f->stopped)
		sm_info(&t->run->log, NULL,
			"stopped by train.%s after epoch %" PRId64 " of %" PRId64 "%s", f->stopped,
			f->state.epoch, t->s->epochs,
			strcmp(f->stopped, "time_budget") == 0 ? ": --resume goes on" : "");
	sm_info(&t->run->log, NULL, "best epoch %" PRId64 " with val_loss %.4f",
		f->state.best_epoch, f->state.best);
	SM_TRY(check_best(t, err));
	return sm_fit_sweep(f, err);
}

void sm_training_close(struct sm_training *t)
{
	sm_loader_stop(t->fit.loader);
	sm_augment_clear(&t->augment);
	sm_net_free(t->fit.net);
	sm_checkpoint_clear(&t->fit.state);
	sm_checkpoint_clear(&t->fit.replaced);
	sm_volumes_close(t->volumes);
	sm_tiles_free(t->train);
	sm_tiles_free(t->valid);
	t->volumes = NULL;
	t->fit.loader = NULL;
	t->fit.net = NULL;
	t->train = t->valid = NULL;
}
