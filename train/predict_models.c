/* SPDX-License-Identifier: Apache-2.0 */
/* The checkpoints of stage predict. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "train/network.h"
#include "train/predict.h"

/* Adds a checkpoint; path is malloc memory that is taken over, or NULL. sha256: what it must be, or
 * NULL. */
static enum sm_status add(struct sm_predicting *p, char *path, const char *name, const char *sha256,
			  struct sm_err *err)
{
	struct sm_predict_model *m = p->model + p->models;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	if (p->models == SM_INFER_MEMBERS) {
		free(path);
		return SM_FAIL(err, SM_USAGE, "checkpoints: found more than %d, allowed are %d",
			       SM_INFER_MEMBERS, SM_INFER_MEMBERS);
	}
	p->models++;
	m->path = path;
	snprintf(m->name, sizeof m->name, "%s", name);
	if (!sm_file_exists(path))
		return SM_FAIL(err, SM_INPUT, "%s: does not exist", path);
	SM_TRY(sm_content_sha256(path, &p->run->mem, m->sha256, err));
	if (sha256 && strcmp(sha256, m->sha256) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: content is not what the ledger of train says: run train again",
			       path);
	return SM_OK;
}

/* The best one of a training, or of one of its folds ("fold2-best"). */
static enum sm_status add_trained(struct sm_predicting *p, const char *key, struct sm_err *err)
{
	json_t *record = sm_ledger_get(&p->train, key);
	const json_t *output = sm_record_output(record, "checkpoint");
	const char *name = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	enum sm_status st =
		!name || !sha || !sm_path_is_inside(name)
			? SM_FAIL(err, SM_INPUT, "%s: the ledger of train names no checkpoint %s",
				  p->o->model, key)
			: add(p, sm_path_join(p->o->model, name), name, sha, err);
	json_decref(record);
	return st;
}

/* One fold's folder has checkpoints, but the ledger stands above it. */
static enum sm_status check_whole(const char *dir, struct sm_err *err)
{
	char *own = sm_path_join(dir, "ledger.jsonl"), *up = sm_path_join(dir, "../ledger.jsonl"),
	     *best = sm_path_join(dir, "best.hdf5");
	enum sm_status st = SM_OK;
	if (!own || !up || !best)
		st = SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	else if (!sm_file_exists(own) && sm_file_exists(up) && sm_file_exists(best))
		st = SM_FAIL(err, SM_INPUT,
			     "--model: %s is one fold of a training: give the folder above it, or "
			     "--checkpoint %s",
			     dir, best);
	free(own);
	free(up);
	free(best);
	return st;
}

static enum sm_status from_model(struct sm_predicting *p, struct sm_err *err)
{
	SM_TRY(check_whole(p->o->model, err));
	SM_TRY(sm_run_parent(p->run, p->o->model, "train", &p->train, err));
	json_int_t folds = json_integer_value(json_object_get(p->train.header, "folds"));
	if (!folds)
		return add_trained(p, "best", err);
	for (json_int_t f = 0; f < folds; f++) {
		char key[48];
		snprintf(key, sizeof key, "fold%lld-best", (long long)f);
		SM_TRY(add_trained(p, key, err));
	}
	return SM_OK;
}

/* One path, or several parted by commas. */
static enum sm_status from_list(struct sm_predicting *p, struct sm_err *err)
{
	const char *text = p->o->checkpoint;
	if (sm_file_exists(text) || !strchr(text, ','))
		return add(p, sm_strf("%s", text), sm_path_base(text), NULL, err);
	for (size_t n; *text; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		char *path = n ? sm_strf("%.*s", (int)n, text) : NULL;
		if (!n)
			return SM_FAIL(
				err, SM_USAGE,
				"--checkpoint: found '%s', allowed are paths parted by commas",
				p->o->checkpoint);
		SM_TRY(add(p, path, path ? sm_path_base(path) : "", NULL, err));
	}
	return SM_OK;
}

/* Folds of another split than the training's mean nothing: its test cases may have
 * been trained on. */
static enum sm_status check_split(struct sm_predicting *p, const struct sm_predict_model *m,
				  const struct sm_checkpoint *about, struct sm_err *err)
{
	if (!p->o->split)
		return SM_OK;
	const char *own = p->split.sha256, *other = about->split;
	/* The ledger of train vouches for its checkpoint's tensors, not for its attributes. */
	const json_t *parents = json_object_get(p->train.header, "parents");
	const char *noted = sm_json_text(parents, "split");
	if (p->o->model && (!noted || strcmp(noted, own) != 0))
		other = noted ? noted : "none";
	if (strcmp(own, other) == 0)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "--split: %s is split %.12s, %s was trained with split %.12s: its cases "
		       "of that split would be scored; give that one or train again",
		       p->o->split, own, p->o->model ? p->o->model : m->path, other);
}

/* A network knows only numbers made by the steps of its training. */
static enum sm_status check_steps(struct sm_predicting *p, const struct sm_checkpoint *about,
				  struct sm_err *err)
{
	char own[65];
	sm_checkpoint_steps(&p->cases, own);
	if (strcmp(own, about->preprocess) == 0)
		return SM_OK;
	if (!p->o->other_steps)
		return SM_FAIL(
			err, SM_INPUT,
			"--in: its volumes went through preprocess settings %.12s, the training's "
			"through %.12s: preprocess as for the training, or give --other-steps",
			own, about->preprocess);
	sm_warn(&p->run->log, NULL,
		"the volumes went through other preprocess settings than the training's");
	return SM_OK;
}

/* With --tiles: the samples must have been made as those of the training were. */
static enum sm_status check_samples(struct sm_predicting *p, const char *name,
				    const struct sm_checkpoint *about, struct sm_err *err)
{
	static const char *const keys[] = {"standardise", "plane", "view"};
	const char *want[] = {sm_standardise_name((size_t)about->standardise),
			      sm_checkpoint_plane(about->plane),
			      about->stored ? "stored" : "radiological"};
	const struct sm_manifest_root *m = p->run->manifest;
	const char *stage = m->dataset == SM_LAST_SLICE ? "slice" : "tile";
	const json_t *settings = json_object_get(p->cases.header, "settings");
	const json_t *own = json_object_get(json_object_get(settings, "manifest"), stage);
	for (size_t i = 0; p->o->tiles && i < SM_COUNT(keys); i++) {
		const char *found = sm_json_text(own, keys[i]);
		if (i > 0 && !found && m->dataset != SM_LAST_SLICE)
			found = i == 1 ? sm_checkpoint_plane(0) : want[i];
		if (!found || strcmp(found, want[i]) != 0)
			return SM_FAIL(err, SM_INPUT,
				       "--in: its samples were made with %s.%s %s, %s was trained "
				       "on %s: make them as for the training",
				       stage, keys[i], found ? found : "unknown", name, want[i]);
	}
	return SM_OK;
}

enum sm_status sm_predict_find_models(struct sm_predicting *p, struct sm_err *err)
{
	if (!p->o->model == !p->o->checkpoint)
		return SM_FAIL(err, SM_USAGE,
			       "--model, --checkpoint: %s given, exactly one must be",
			       p->o->model ? "both were" : "neither was");
	SM_TRY(p->o->model ? from_model(p, err) : from_list(p, err));
	for (size_t i = 0; i < p->models; i++) {
		struct sm_checkpoint about;
		SM_TRY(sm_checkpoint_open(p->model[i].path, &about, err));
		enum sm_status st = check_split(p, &p->model[i], &about, err);
		if (st == SM_OK)
			st = check_steps(p, &about, err);
		if (st == SM_OK)
			st = check_samples(p, p->model[i].name, &about, err);
		p->model[i].fold = about.fold;
		p->model[i].seen = about.seen;
		about.seen = (struct sm_seen){0};
		sm_checkpoint_clear(&about);
		SM_TRY(st);
	}
	return SM_OK;
}

enum sm_status sm_predict_open(struct sm_predicting *p, struct sm_err *err)
{
	struct sm_infer *f = &p->infer;
	SM_TRY(sm_infer_open_as(f, p->model[0].path, (int)p->o->batch, p->threads,
				p->s->precision == SM_BF16, &p->run->mem, err));
	for (size_t i = 1; i < p->models; i++)
		SM_TRY(sm_infer_add(f, p->model[i].path, &p->run->mem, err));
	f->overlap = p->s->overlap;
	f->gaussian = p->s->blend == SM_BLEND_GAUSSIAN;
	f->mirror = (unsigned)p->s->mirror;
	if (p->o->tiles) /* the tile stage has scaled them */
		f->about.standardise = SM_STANDARDISE_NONE;
	/* The weights are those of the last row; `best` is of the best epoch up to there. */
	const struct sm_history *h = &f->about.history;
	sm_info(&p->run->log, NULL,
		"%s after epoch %lld, val_loss %.4f; memory forecast of the network %zu MiB",
		f->about.model, (long long)f->about.epoch,
		h->v[(h->rows - 1) * h->columns + SM_HISTORY_VAL_LOSS],
		sm_net_forecast(f->net).total >> 20);
	sm_network_tell(f->net, &p->run->log);
	if (p->models > 1)
		sm_info(&p->run->log, NULL,
			p->s->fold == SM_PREDICT_CROSS
				? "%zu checkpoints, each for the cases of the fold that it was "
				  "trained without"
				: "mean of %zu checkpoints",
			p->models);
	if (f->about.plane > SM_PLANES)
		sm_warn(&p->run->log, NULL,
			"the network was trained on slices of all planes: axial ones are "
			"predicted");
	return SM_OK;
}
