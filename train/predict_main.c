/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage predict: a trained network, or the mean of several, over whole volumes, labels on the
 * source's grid.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "train/network.h"
#include "train/predict.h"
#include "train/translate/predicting.h"

#define AT(member) .offset = offsetof(struct sm_predict_options, member)
static const struct sm_field fields[] = {
	{"split", SM_F_STRING, AT(split), .path = true,
	 .doc = "folder of split, that of the training; not needed for fold all; dataset pair: "
		"absent "
		"= all cases"},
	{"model", SM_F_STRING, AT(model), .path = true,
	 .doc = "folder of train: its best checkpoint is used, of a training of all folds the mean "
		"of them all; dataset pair: its last one, or a numbered checkpoint's file"},
	{"other_steps", SM_F_BOOL, AT(other_steps), "false",
	 .doc = "accept volumes that went through other preprocess settings than the training's"},
	{"checkpoint", SM_F_STRING, AT(checkpoint), .path = true,
	 .doc = "this checkpoint instead, or the mean of several, parted by commas"},
	{"case", SM_F_STRING, AT(one_case), .doc = "only this case, whatever its fold"},
	{"probabilities", SM_F_BOOL, AT(probabilities), "false",
	 .doc = "write a float32 map of each of the network's outputs too: "
		"<case>_probability_<output>.nii.gz"},
	{"pictures", SM_F_BOOL, AT(pictures), "false",
	 .doc = "write a picture of each case too: image, truth, all classes, each class"},
	{"tiles", SM_F_BOOL, AT(tiles), "false",
	 .doc = "--in is a folder of tile or slice (manifest key dataset): predict its samples, "
		"one frame each"},
	{"batch", SM_F_INT, AT(batch), "1", 1, 1024,
	 .doc = "windows that the network takes at once"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("predict", struct sm_predict_options, fields, "options of predict");

static const char *key(void *ctx, size_t i)
{
	const struct sm_predicting *p = ctx;
	return sm_records_key(p->cases.records, p->at[i].record);
}

/* A new reference; NULL with the error. */
static json_t *record_of(const struct sm_predicting *p, size_t i, struct sm_err *err)
{
	json_t *record = sm_records_get(p->cases.records, p->at[i].record);
	if (!record)
		sm_records_check(p->cases.records, err);
	return record;
}

static enum sm_status add_inputs(const struct sm_predicting *p, json_t *record,
				 struct sm_item *item, struct sm_err *err)
{
	const json_t *image = sm_predict_image(record);
	const char *path = sm_json_text(image, "path"), *sha = sm_json_text(image, "sha256");
	if (!path || !sha)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has no single stacked image: preprocess.steps needs a stack",
			       item->key);
	SM_TRY(sm_item_input_from(item, item->run->in, "image", path, sha, err));
	const json_t *label = sm_record_output(record, "label");
	if (p->o->pictures && label)
		SM_TRY(sm_item_input_from(item, item->run->in, "label", sm_json_text(label, "path"),
					  sm_json_text(label, "sha256"), err));
	return SM_OK;
}

static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_predicting *p = ctx;
	json_t *record = record_of(p, i, err);
	if (!record)
		return SM_IO;
	enum sm_status st = p->o->tiles ? sm_predict_tile_inputs(record, item, err)
					: add_inputs(p, record, item, err);
	json_decref(record);
	/* Behind the files: those of --in come first. */
	for (size_t m = 0; st == SM_OK && m < p->models; m++)
		if (p->at[i].networks >> m & 1)
			st = sm_item_input(item, "checkpoint", p->model[m].name,
					   p->model[m].sha256, err);
	return st;
}

/* What the case takes besides the network is known before any of it is. */
static enum sm_status foresee_memory(const struct sm_predicting *p, const struct sm_predict_case *c,
				     struct sm_err *err)
{
	const int64_t *d = c->image.dim;
	size_t slab = sm_infer_bytes(&p->infer, d);
	size_t label = sm_placer_bytes(&c->way, &p->infer.about.task, d);
	size_t used = p->run->mem.used, limit = p->run->mem.limit;
	sm_info(&p->run->log, c->key,
		"memory forecast: %zu MiB for the labels, %zu MiB for a slab of windows",
		label >> 20, slab >> 20);
	if (!limit || (slab <= limit && label <= limit - slab && used <= limit - slab - label))
		return SM_OK;
	return SM_FAIL(err, SM_BUDGET,
		       "%s: needs %zu MiB for the labels of %lld x %lld x %lld voxels and %zu MiB "
		       "for a slab of "
		       "windows, free of the budget (--memory) are %zu MiB",
		       c->key, sm_mib_up(label), (long long)c->way.dim[0], (long long)c->way.dim[1],
		       (long long)c->way.dim[2], sm_mib_up(slab),
		       used < limit ? (limit - used) >> 20 : 0);
}

/* Pages of the spools that were read or written go back to the system behind each slab. */
static void let_go(void *ctx)
{
	const struct sm_predict_case *c = ctx;
	sm_mapped_let_go(&c->spool);
	sm_mapped_let_go(&c->maps);
}

static enum sm_status predict(struct sm_predicting *p, struct sm_predict_case *c,
			      struct sm_err *err)
{
	struct sm_placer *placer = &c->placer;
	const struct sm_infer_sink sink = {sm_placer_planes, placer, c->networks};
	size_t bytes;
	*placer = (struct sm_placer){.way = &c->way,
				     .task = &p->infer.about.task,
				     .threshold = p->s->threshold,
				     .let_go = let_go,
				     .ctx = c};
	memcpy(placer->dim, c->image.dim, sizeof placer->dim);
	SM_TRY(foresee_memory(p, c, err));
	SM_TRY(sm_placer_begin(placer, &p->run->mem, err));
	if (p->o->probabilities) {
		if (!sm_mul3(sm_vol_count(&placer->label), (size_t)p->infer.about.task.channels,
			     sizeof(float), &bytes))
			return SM_FAIL(err, SM_BUDGET, "%s: probabilities are too large", c->key);
		SM_TRY(sm_mapped_open(&c->maps, p->run->out, bytes, c->key, err));
		placer->map = c->maps.data;
	}
	double started = sm_now();
	if (sm_infer_stream(&p->infer, &c->image, &p->run->mem, &sink, err) != SM_OK)
		return sm_err_prefix(err, "%s", c->key);
	sm_info(&p->run->log, c->key, "%.1f s in the network", sm_now() - started);
	return SM_OK;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_predicting *p = ctx;
	json_t *record = record_of(p, i, err);
	struct sm_predict_case c = {
		.key = item->key, .record = record, .networks = p->at[i].networks};
	if (!record)
		return SM_IO;
	json_t *patient = json_object_get(record, "patient");
	if (patient)
		json_object_set(item->record, "patient", patient);
	enum sm_status st;
	SM_GOTO(st, sm_predict_unseen(p, i, err));
	SM_GOTO(st, sm_predict_note_seen(p, i, item, err));
	if (p->o->tiles) {
		st = sm_predict_tiles(p, record, c.networks, item, err);
		goto out;
	}
	SM_GOTO(st, sm_predict_read(p, &c, err));
	SM_GOTO(st, predict(p, &c, err));
	st = sm_predict_write(p, &c, item, err);
out:
	sm_predict_case_clear(&c);
	json_decref(record);
	return st;
}

static enum sm_status foresee(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	(void)item;
	return sm_predict_unseen(ctx, i, err);
}

/* A manifest whose data set are pairs. */
static enum sm_status translate(struct sm_run *run, struct sm_err *err)
{
	const struct sm_predict_options *o = run->options;
	const struct sm_manifest_root *m = run->manifest;
	const bool given[] = {o->probabilities, o->pictures, o->tiles, o->batch != 1};
	static const char *const names[] = {"probabilities", "pictures", "tiles", "batch"};
	for (size_t i = 0; i < SM_COUNT(given); i++)
		if (given[i])
			return SM_FAIL(
				err, SM_USAGE,
				"--%s: was given with dataset pair, whose results are images",
				names[i]);
	if (m->predict->clean.n || m->predict->mirror)
		return SM_FAIL(err, SM_USAGE,
			       "predict.%s: dataset is pair, whose results are images",
			       m->predict->clean.n ? "clean" : "mirror");
	if (!o->model == !o->checkpoint)
		return SM_FAIL(err, SM_USAGE,
			       "--model, --checkpoint: %s given, exactly one must be",
			       o->model ? "both were" : "neither was");
	struct sm_translate_prediction p = {.run = run,
					    .m = m,
					    .split = o->split,
					    .model = o->model ? o->model : o->checkpoint,
					    .one_case = o->one_case,
					    .other_steps = o->other_steps};
	return sm_translate_predict(&p, err);
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	if (((const struct sm_manifest_root *)run->manifest)->dataset == SM_LAST_PAIR)
		return translate(run, err);
	struct sm_predicting p = {.run = run,
				  .o = run->options,
				  .s = ((const struct sm_manifest_root *)run->manifest)->predict,
				  .threads = run->jobs,
				  .infer = {.lock = PTHREAD_MUTEX_INITIALIZER}};
	enum sm_status st;
	if (p.o->tiles && (p.o->pictures || p.s->clean.n)) {
		st = SM_FAIL(err, SM_USAGE,
			     "--tiles: was given with --pictures or predict.clean, which are of "
			     "volumes");
		goto out;
	}
	SM_GOTO(st, sm_predict_ledgers(&p, err));
	SM_GOTO(st, sm_predict_find_models(&p, err));
	SM_GOTO(st, sm_predict_list(&p, err));
	if (!run->dry_run) {
		SM_GOTO(st, sm_predict_open(&p, err));
		SM_GOTO(st, sm_predict_rules(&p, err));
	}
	const struct sm_items items = {.count = p.count,
				       .noun = "cases",
				       .ctx = &p,
				       .key = key,
				       .inputs = inputs,
				       .work = work,
				       .foresee = foresee};
	/* The network uses all threads and takes one case at a time: a second case only reads and
	 * writes meanwhile. More would cost memory for nothing. */
	run->jobs = p.threads > 1 ? 2 : 1;
	st = sm_run_items(run, &items, err);
	run->jobs = p.threads;
	sm_info(&run->log, NULL, "peak memory %.0f MiB", sm_peak_mib());
out:
	sm_infer_close(&p.infer);
	sm_ledger_clear(&p.cases);
	sm_ledger_clear(&p.split);
	sm_ledger_clear(&p.train);
	for (size_t i = 0; i < p.models; i++) {
		free(p.model[i].path);
		sm_seen_clear(&p.model[i].seen);
	}
	free(p.at);
	free(p.clean);
	return st;
}

static const char *const sections[] = {"predict", "pair", NULL};

static const struct sm_stage stage = {
	.name = "predict",
	.summary = "segment or translate whole volumes with a trained network",
	.details =
		"Reads the folder of preprocess; writes <case>.nii.gz, labels in the original "
		"numbers on the grid\n"
		"of the source volumes. The network sees overlapping windows of the tile size "
		"it was trained with;\n"
		"a network of slices sees each slice of the plane that it was trained on. Of "
		"several "
		"checkpoints the\n"
		"probabilities are averaged. Memory grows with the label map and one slab of "
		"windows, not with "
		"the volume's\n"
		"channels: these stand in nameless temporary files in --out.\n"
		"--split must be the split of the training. A case that a network was trained "
		"on is refused (predict.seen\n"
		"allows it). After train --fold all, predict.fold: cross_validation predicts "
		"the cases of all folds, each\n"
		"by the one network that was trained without its fold.\n"
		"dataset pair: translates the volumes or pictures that pair.a (or pair.b) names, "
		"slice by slice as stage pair\n"
		"cut them; writes <case>/<target>.nii.gz (float32, HU where preprocess has fixed "
		"windows) with its sidecar\n"
		"on the scan's grid, <case>/<target>.preprocess.nii.gz on the network's where that "
		"is another (predict.grid),\n"
		"or <case>.png and, with predict.mask_threshold, the mask of its ink: <case>.mask.png "
		"(0 and 1), <case>.svg\n"
		"(outlines). Keys: predict.direction, test_dropout, test_norm, mask_threshold, "
		"mask_ink.\n"
		"  scanmill predict --manifest m.yaml --in work/preprocess --split work/split "
		"--model work/train "
		"--out work/predict",
	.version = 6, /* 6: processed_slices of triplets */
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
