/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage predict: a trained network over whole volumes, labels on the source's grid.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "core/stage.h"
#include "manifests/folds.h"
#include "manifests/schema.h"
#include "train/infer.h"
#include "train/network.h"
#include "train/way_back.h"

struct options {
	char *split, *model, *checkpoint;
	bool other_steps;
	bool probabilities;
	int64_t batch;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"split", SM_F_STRING, AT(split), .path = true,
	 .doc = "folder of split, that of the training; not needed for fold all"},
	{"model", SM_F_STRING, AT(model), .path = true,
	 .doc = "folder of train: its best checkpoint is used"},
	{"other_steps", SM_F_BOOL, AT(other_steps), "false",
	 .doc = "accept volumes that went through other preprocess settings than the training's"},
	{"checkpoint", SM_F_STRING, AT(checkpoint), .path = true, .doc = "this checkpoint instead"},
	{"probabilities", SM_F_BOOL, AT(probabilities), "false",
	 .doc = "write each class's probability too, as float32"},
	{"batch", SM_F_INT, AT(batch), "1", 1, 1024,
	 .doc = "windows that the network takes at once"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("predict", struct options, fields, "options of predict");

/* The cases to predict and the network. */
struct predicting {
	struct sm_run *run;
	struct sm_ledger cases, split, train;
	size_t *at; /* numbers of their records in cases */
	size_t count;
	char *checkpoint, sha256[65];
	struct sm_infer infer;
};

static const char *key(void *ctx, size_t i)
{
	const struct predicting *p = ctx;
	return sm_records_key(p->cases.records, p->at[i]);
}

/* A new reference; NULL with the error. */
static json_t *record_of(const struct predicting *p, size_t i, struct sm_err *err)
{
	json_t *record = sm_records_get(p->cases.records, p->at[i]);
	if (!record)
		sm_records_check(p->cases.records, err);
	return record;
}

/* The output of a record that the network is fed with: "image", or the only intensity volume. */
static const json_t *image_of(const json_t *record)
{
	size_t i, others = 0;
	json_t *output, *found = sm_record_output(record, "image"), *only = NULL;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *role = sm_json_text(output, "role");
		if (!role || strcmp(role, "label") == 0 || strcmp(role, "mask") == 0 ||
		    strcmp(role, "regions") == 0)
			continue;
		only = output;
		others++;
	}
	return found ? found : others == 1 ? only : NULL;
}

static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct predicting *p = ctx;
	json_t *record = record_of(p, i, err);
	const json_t *image = image_of(record);
	const char *path = sm_json_text(image, "path"), *sha = sm_json_text(image, "sha256");
	enum sm_status st = record ? SM_OK : SM_IO;
	if (record && (!path || !sha))
		st = SM_FAIL(err, SM_INPUT, "%s: has no single stacked image: preprocess.steps needs a stack",
			     item->key);
	if (st == SM_OK)
		st = sm_item_input_from(item, item->run->in, "image", path, sha, err);
	json_decref(record);
	return st == SM_OK ? sm_item_input(item, "checkpoint", sm_path_base(p->checkpoint), p->sha256, err) : st;
}

/* A network takes channels by position: names must be those of the training. */
static enum sm_status check_channels(const struct predicting *p, const json_t *record,
				     const char *who, struct sm_err *err)
{
	json_t *want = p->infer.about.channels, *have = json_object_get(record, "channels");
	size_t n = json_array_size(want);
	if (!n || !json_array_size(have) || json_equal(want, have))
		return SM_OK;
	for (size_t i = 0; i < n || i < json_array_size(have); i++) {
		const char *a = json_string_value(json_array_get(have, i));
		const char *b = json_string_value(json_array_get(want, i));
		if (!a || !b || strcmp(a, b) != 0)
			return SM_FAIL(err, SM_INPUT,
				       "%s: channel %zu is %s, the network was trained with %s",
				       who, i, a ? a : "missing", b ? b : "none");
	}
	return SM_OK;
}

static enum sm_status read_way_back(const json_t *record, const char *who, struct sm_way_back *way,
				    struct sm_err *err)
{
	const json_t *grid = json_object_get(record, "source_grid");
	json_t *map = json_object_get(record, "label_map"), *pair;
	double affine[16], walk[16];
	size_t i;
	if (!sm_json_get_ints(grid, "dim", way->dim, 3) ||
	    !sm_json_get_floats(grid, "affine", affine, 16) ||
	    !sm_json_get_floats(record, "way", walk, 16))
		return SM_FAIL(err, SM_INPUT,
			       "%s: record lacks source_grid or way: run preprocess again", who);
	for (int a = 0; a < 16; a++)
		if (!(fabs(walk[a]) <= INT32_MAX) || (a < 3 && way->dim[a] > INT32_MAX))
			return SM_FAIL(err, SM_INPUT, "%s: source_grid or way is out of range", who);
	memcpy(way->affine, affine, sizeof affine);
	memcpy(way->way, walk, sizeof walk);
	way->pairs = calloc(json_array_size(map) + 1, sizeof *way->pairs);
	if (!way->pairs)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", who);
	json_array_foreach(map, i, pair)
	{
		way->pairs[i][0] = (int)json_integer_value(json_array_get(pair, 0));
		way->pairs[i][1] = (int)json_integer_value(json_array_get(pair, 1));
	}
	way->pair_count = json_array_size(map);
	return SM_OK;
}

static enum sm_status read_image(const struct predicting *p, const json_t *record,
				 struct sm_vol *image, int jobs, struct sm_err *err)
{
	const json_t *output = image_of(record);
	const char *name = sm_json_text(output, "path");
	struct sm_nii_info info = {0};
	char *path = sm_path_join(p->run->in, name);
	enum sm_status st = path ? sm_nii_read(path, &p->run->mem, image, &info, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	SM_TRY(st);
	if (strcmp(info.sha256, sm_json_text(output, "sha256")) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: content is not what the ledger of preprocess says: run "
			       "preprocess again",
			       name);
	if (info.not_finite)
		return SM_FAIL(err, SM_INPUT,
			       "%s: holds %zu values that are NaN or infinite, allowed are 0", name,
			       info.not_finite);
	return sm_vol_to_f32(image, &p->run->mem, jobs, err);
}

static enum sm_status save(struct sm_item *item, const char *suffix, const char *role,
			   const struct sm_vol *vol, struct sm_err *err)
{
	char hex[65];
	char *name = sm_strf("%s%s.nii.gz", item->key, suffix);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	enum sm_status st = path ? sm_nii_write(path, vol, 0, item->jobs, hex, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	if (st == SM_OK)
		st = sm_item_output(item, role, name, hex, err);
	free(path);
	free(name);
	return st;
}

static enum sm_status write_labels(const struct predicting *p, struct sm_item *item,
				   const struct sm_vol *prob, const struct sm_way_back *way,
				   struct sm_err *err)
{
	const struct sm_predict_section *s =
		((const struct sm_manifest_root *)p->run->manifest)->predict;
	uint8_t original[256];
	int64_t counts[256];
	struct sm_vol labels = {0};
	int unclear = sm_way_back_labels(way, p->infer.about.classes, original);
	if (unclear >= 0)
		sm_item_warn(item, "label %d stands for several original labels: it stays %d",
			     unclear, unclear);
	enum sm_status st = sm_infer_labels(prob, way, s->threshold, original, &p->run->mem,
					    &labels, counts, err);
	if (st == SM_OK)
		st = save(item, "", "prediction", &labels, err);
	json_t *voxels = json_object();
	for (int i = 1; st == SM_OK && i < 256; i++) {
		char name[8];
		snprintf(name, sizeof name, "%d", i);
		if (counts[i])
			json_object_set_new(voxels, name, json_integer(counts[i]));
	}
	json_object_set_new(item->record, "voxels", voxels);
	sm_vol_clear(&labels);
	return st;
}

static enum sm_status predict_one(struct predicting *p, const json_t *record, struct sm_item *item,
				  struct sm_err *err)
{
	const struct options *o = p->run->options;
	struct sm_way_back way = {0};
	struct sm_vol image = {0}, prob = {0}, placed = {0};
	json_t *patient = json_object_get(record, "patient");
	enum sm_status st;
	if (patient)
		json_object_set(item->record, "patient", patient);
	SM_GOTO(st, check_channels(p, record, item->key, err));
	SM_GOTO(st, read_way_back(record, item->key, &way, err));
	SM_GOTO(st, read_image(p, record, &image, item->jobs, err));
	double started = sm_now();
	st = sm_infer_volume(&p->infer, &image, &p->run->mem, &prob, err);
	if (st != SM_OK) {
		sm_err_prefix(err, "%s", item->key);
		goto out;
	}
	sm_info(&p->run->log, item->key, "%.1f s in the network", sm_now() - started);
	sm_vol_clear(&image);
	SM_GOTO(st, write_labels(p, item, &prob, &way, err));
	if (o->probabilities) {
		SM_GOTO(st, sm_infer_place(&prob, &way, &p->run->mem, &placed, err));
		st = save(item, "_probabilities", "probabilities", &placed, err);
	}
out:
	free(way.pairs);
	sm_vol_clear(&image);
	sm_vol_clear(&prob);
	sm_vol_clear(&placed);
	return st;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	json_t *record = record_of(ctx, i, err);
	enum sm_status st = record ? predict_one(ctx, record, item, err) : SM_IO;
	json_decref(record);
	return st;
}

static enum sm_status list_cases(struct predicting *p, struct sm_err *err)
{
	struct sm_run *run = p->run;
	const struct options *o = run->options;
	int which = ((const struct sm_manifest_root *)run->manifest)->predict->fold;
	bool all = which == SM_PREDICT_ALL;
	const char *fold = all ? "all" : sm_fold_name((enum sm_fold)which);
	if (!all && !o->split)
		return SM_FAIL(err, SM_USAGE, "--split: is missing, fold %s needs it", fold);
	SM_TRY(sm_run_parent(run, run->in, "preprocess", &p->cases, err));
	if (o->split)
		SM_TRY(sm_run_parent(run, o->split, "split", &p->split, err));
	struct sm_records *records = p->cases.records;
	p->at = calloc(sm_records_count(records) + 1, sizeof *p->at);
	if (!p->at)
		return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	json_t *others = json_array(), *rejected = json_array();
	/* So that evaluate can tell why a truth has no prediction. */
	json_object_set_new(run->ledger.header, "not_predicted",
			    json_pack("{s:o, s:o}", "other_folds", others, "rejected", rejected));
	for (size_t i = 0; i < sm_records_count(records); i++) {
		const char *key = sm_records_key(records, i);
		char *in = all ? NULL : sm_ledger_text(&p->split, key, "fold");
		bool known = all || in, mine = all || (in && strcmp(in, fold) == 0);
		free(in);
		if (!sm_records_ok(records, i)) {
			sm_warn(&run->log, key, "was rejected by preprocess and is left out");
			json_array_append_new(rejected, json_string(key));
		} else if (!known) {
			SM_TRY(sm_records_check(p->split.records, err));
			return SM_FAIL(err, SM_INPUT,
				       "%s: stands in no fold of the split: run split again", key);
		} else if (mine) {
			p->at[p->count++] = i;
		} else {
			json_array_append_new(others, json_string(key));
		}
	}
	return p->count
		       ? SM_OK
		       : SM_FAIL(err, SM_INPUT, "fold %s: has 0 cases, needed is at least 1", fold);
}

/* The checkpoint that the ledger of train names. */
static enum sm_status take_best(struct predicting *p, const char *dir, const json_t *output, struct sm_err *err)
{
	const char *name = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	if (!name || !sha)
		return SM_FAIL(err, SM_INPUT, "%s: the ledger of train names no best checkpoint", dir);
	p->checkpoint = sm_path_join(dir, name);
	if (!p->checkpoint)
		return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	SM_TRY(sm_content_sha256(p->checkpoint, &p->run->mem, p->sha256, err));
	if (strcmp(sha, p->sha256) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: content is not what the ledger of train says: run train again",
			       p->checkpoint);
	return SM_OK;
}

/* The checkpoint's place and identity; that of --model must be what train wrote. */
static enum sm_status find_checkpoint(struct predicting *p, struct sm_err *err)
{
	struct sm_run *run = p->run;
	const struct options *o = run->options;
	if (!o->model == !o->checkpoint)
		return SM_FAIL(err, SM_USAGE,
			       "--model, --checkpoint: %s given, exactly one must be",
			       o->model ? "both were" : "neither was");
	if (o->checkpoint) {
		p->checkpoint = sm_strf("%s", o->checkpoint);
		if (!p->checkpoint)
			return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
		if (!sm_file_exists(p->checkpoint))
			return SM_FAIL(err, SM_INPUT, "%s: does not exist", p->checkpoint);
		return sm_content_sha256(p->checkpoint, &run->mem, p->sha256, err);
	}
	SM_TRY(sm_run_parent(run, o->model, "train", &p->train, err));
	json_t *best = sm_ledger_get(&p->train, "best");
	enum sm_status st = take_best(p, o->model, sm_record_output(best, "checkpoint"), err);
	json_decref(best);
	return st;
}

/* Folds of another split than the training's mean nothing: its test cases may have been trained on. */
static enum sm_status check_split(struct predicting *p, struct sm_err *err)
{
	const struct options *o = p->run->options;
	struct sm_checkpoint about;
	if (!o->split)
		return SM_OK;
	SM_TRY(sm_checkpoint_open(p->checkpoint, &about, err));
	const char *own = p->split.sha256, *other = about.split;
	/* The ledger of train vouches for its checkpoint's tensors, not for its attributes. */
	const json_t *parents = json_object_get(p->train.header, "parents");
	const char *noted = sm_json_text(parents, "split");
	enum sm_status st = SM_OK;
	if (o->model && (!noted || strcmp(noted, own) != 0))
		other = noted ? noted : "none";
	if (strcmp(own, other) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "--split: %s is split %.12s, %s was trained with split %.12s: its cases "
			     "of that split would be scored; give that one or train again",
			     o->split, own, o->model ? o->model : p->checkpoint, other);
	sm_checkpoint_clear(&about);
	return st;
}

/* A network knows only numbers made by the steps of its training. */
static enum sm_status check_steps(struct predicting *p, struct sm_err *err)
{
	struct sm_checkpoint about;
	char own[65];
	SM_TRY(sm_checkpoint_open(p->checkpoint, &about, err));
	sm_checkpoint_steps(&p->cases, own);
	enum sm_status st = SM_OK;
	const struct options *o = p->run->options;
	if (strcmp(own, about.preprocess) != 0 && o->other_steps)
		sm_warn(&p->run->log, NULL, "the volumes went through other preprocess settings than the training's");
	else if (strcmp(own, about.preprocess) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "--in: its volumes went through preprocess settings %.12s, the training's through "
			     "%.12s: preprocess as for the training, or give --other-steps",
			     own, about.preprocess);
	sm_checkpoint_clear(&about);
	return st;
}

static enum sm_status open_network(struct predicting *p, struct sm_err *err)
{
	const struct sm_predict_section *s =
		((const struct sm_manifest_root *)p->run->manifest)->predict;
	const struct options *o = p->run->options;
	SM_TRY(sm_infer_open(&p->infer, p->checkpoint, (int)o->batch, p->run->jobs, &p->run->mem,
			     err));
	p->infer.overlap = s->overlap;
	p->infer.gaussian = s->blend == SM_BLEND_GAUSSIAN;
	/* The weights are those of the last row; `best` is of the best epoch up to there. */
	const struct sm_history *h = &p->infer.about.history;
	sm_info(&p->run->log, NULL,
		"%s after epoch %lld, val_loss %.4f; memory forecast of the network %zu MiB",
		p->infer.about.model, (long long)p->infer.about.epoch,
		h->v[(h->rows - 1) * h->columns + SM_HISTORY_VAL_LOSS],
		sm_net_forecast(p->infer.net).total >> 20);
	return SM_OK;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	struct predicting p = {.run = run, .infer = {.lock = PTHREAD_MUTEX_INITIALIZER}};
	int jobs = run->jobs;
	enum sm_status st;
	SM_GOTO(st, list_cases(&p, err));
	SM_GOTO(st, find_checkpoint(&p, err));
	SM_GOTO(st, check_split(&p, err));
	SM_GOTO(st, check_steps(&p, err));
	if (!run->dry_run)
		SM_GOTO(st, open_network(&p, err));
	const struct sm_items items = {.count = p.count,
				       .noun = "cases",
				       .ctx = &p,
				       .key = key,
				       .inputs = inputs,
				       .work = work};
	/* The network uses all threads and takes one case at a time: a second case only reads and
	 * writes meanwhile. More would cost memory for nothing. */
	run->jobs = jobs > 1 ? 2 : 1;
	st = sm_run_items(run, &items, err);
	run->jobs = jobs;
	sm_info(&run->log, NULL, "peak memory %.0f MiB", sm_peak_mib());
out:
	sm_infer_close(&p.infer);
	sm_ledger_clear(&p.cases);
	sm_ledger_clear(&p.split);
	sm_ledger_clear(&p.train);
	free(p.at);
	free(p.checkpoint);
	return st;
}

static const char *const sections[] = {"predict", NULL};

static const struct sm_stage stage = {
	.name = "predict",
	.summary = "segment whole volumes with a trained network",
	.details = "Reads the folder of preprocess; writes <case>.nii.gz, labels in the original "
		   "numbers on the grid\n"
		   "of the source volumes. The network sees overlapping windows of the tile size "
		   "it was trained with.\n"
		   "--split must be the split of the training: its folds alone say which cases the "
		   "network never saw.\n"
		   "  scanmill predict --manifest m.yaml --in work/preprocess --split work/split "
		   "--model work/train "
		   "--out work/predict",
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
