/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "eval/evaluate.h"
#include "eval/overrides.h"
#include "eval/translate.h"

#define AT(member) .offset = offsetof(struct sm_evaluate_options, member)
/* These are written to the ledger as settings of section evaluate. */
#define ABOVE .no_setting = true
static const struct sm_field fields[] = {
	{"pred", SM_F_STRING, AT(pred), .path = true,
	 .doc = "one predicted label volume, or a folder of them, in place of --in"},
	{"truth", SM_F_STRING, AT(truth), .path = true,
	 .doc = "folder of stage ingest (its label volume is the truth: role seg, label, or a "
		"source with label: true), with --pred one label volume or a folder with files of "
		"the same names; dataset pair: folder of stage preprocess"},
	{"tiles", SM_F_STRING, AT(tiles), .path = true,
	 .doc = "folder of stage tile: scores by tile too"},
	{"preprocess", SM_F_STRING, AT(preprocess), .path = true,
	 .doc = "with --tiles: folder of stage preprocess, where the tiles lie in the volumes"},
	{"pairs", SM_F_STRING, AT(pairs), .path = true,
	 .doc = "dataset pair: folder of stage pair: which slices were held out, and the training "
		"targets' mean"},
	{"metrics", SM_F_STRINGS, AT(metrics), ABOVE,
	 .doc = "columns by key, or all (evaluate.metrics)"},
	{"tolerances", SM_F_FLOATS, AT(tolerances), NULL, 1e-3, 1e3, ABOVE,
	 .doc = "mm of the normalised surface Dice (evaluate.tolerances)"},
	{"by", SM_F_STRINGS, AT(by), ABOVE,
	 .doc = "voxel, slice, tile: units that overlap is averaged over, too (evaluate.by)"},
	{"outputs", SM_F_INTS, AT(outputs), NULL, 1, 255, ABOVE,
	 .doc = "label of each output of the network: scores the probabilities (evaluate.outputs)"},
	{"empty", SM_F_CHOICE, AT(empty), "brats2020", .choices = "brats2020|nnunet|strict|seed",
	 ABOVE, .doc = "policy for empty regions (evaluate.empty)"},
	{"map", SM_F_CHOICE, AT(map), "brats", .choices = "brats|brats2023", ABOVE,
	 .doc = "labels and regions (evaluate.map)"},
	{"lesions", SM_F_CHOICE, AT(lesions), "off", .choices = "off|gli|ssa|ped|men|met", ABOVE,
	 .doc = "rule of lesion-wise columns (evaluate.lesions)"},
	{"missing", SM_F_CHOICE, AT(missing), "reject", .choices = "reject|list|worst", ABOVE,
	 .doc = "a truth without prediction (evaluate.missing)"},
	{"threshold", SM_F_FLOAT, AT(threshold), "none", -1e9, 1e9, .none = true, ABOVE,
	 .doc = "of masks that are no whole numbers (evaluate.threshold)"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("evaluate", struct sm_evaluate_options, fields, NULL);

static const char *pair_key(void *ctx, size_t i)
{
	return ((struct sm_evaluating *)ctx)->pairs[i].key;
}

static enum sm_status pair_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	return sm_pair_inputs(ctx, i, item, err);
}

static void describe(const struct sm_evaluating *w, const struct sm_pair_volumes *v,
		     const struct sm_case_scores *s, json_t *lesions, json_t *record)
{
	json_object_set_new(record, "scores", sm_case_scores_to_json(&w->map, &w->columns, s));
	json_object_set_new(record, "voxel_mm3", json_real(s->voxel_mm3));
	json_object_set_new(record, "spacing", sm_json_floats(s->spacing, 3));
	if (v->patient)
		json_object_set_new(record, "patient", json_string(v->patient));
	if (v->missing)
		json_object_set_new(record, "prediction_missing", json_true());
	if (lesions)
		json_object_set(record, "lesions", lesions);
}

static enum sm_status pair_work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_evaluating *w = ctx;
	struct sm_evaluate_section section = w->section;
	struct sm_pair_volumes v;
	struct sm_tile_list tiles = {0};
	struct sm_case_scores scores = {0};
	json_t *lesions = w->columns.families >> SM_FROM_LESIONS & 1 ? json_object() : NULL;
	enum sm_status st;
	SM_GOTO(st, sm_pair_open(w, i, item, &v, err));
	if (w->tiles.header)
		SM_GOTO(st, sm_tiles_of(&w->tiles, &w->preprocess, item->key, &tiles, err));
	if (section.outputs.n) {
		/* The threshold was that of the probabilities. */
		section.threshold = NAN;
		SM_GOTO(st, sm_outputs_check(&v.truth, v.names[0], &section.outputs, &w->run->mem,
					     err));
	}
	const struct sm_case_rules rules = {.section = &section,
					    .map = &w->measured,
					    .columns = &w->columns,
					    .tiles = w->tiles.header ? &tiles : NULL,
					    .lesions = lesions,
					    .mem = &w->run->mem,
					    .jobs = item->jobs};
	SM_GOTO(st, sm_case_measure(&rules, &v.truth, v.names[0], &v.prediction, v.names[1],
				    &scores, err));
	describe(w, &v, &scores, lesions, item->record);
out:
	sm_case_scores_clear(&scores);
	sm_tiles_clear(&tiles);
	sm_pair_close(&v);
	json_decref(lesions);
	return st;
}

/* The manifest's table of section evaluate. */
static bool has_tiles(const struct sm_strings *by)
{
	for (size_t i = 0; i < by->n; i++)
		if (strcmp(by->v[i], "tile") == 0)
			return true;
	return false;
}

/* The section with the options, which the ledger then has as if the manifest had said so. */
static enum sm_status take_options(struct sm_evaluating *w, struct sm_err *err)
{
	const struct sm_evaluate_options *o = w->o;
	struct sm_evaluate_section *s = &w->section;
	struct sm_run *run = w->run;
	const struct sm_override above[] = {
		{"metrics", &s->metrics, &o->metrics, sizeof s->metrics},
		{"tolerances", &s->tolerances, &o->tolerances, sizeof s->tolerances},
		{"by", &s->by, &o->by, sizeof s->by},
		{"outputs", &s->outputs, &o->outputs, sizeof s->outputs},
		{"empty", &s->empty, &o->empty, sizeof s->empty},
		{"map", &s->map, &o->map, sizeof s->map},
		{"lesions", &s->lesions, &o->lesions, sizeof s->lesions},
		{"missing", &s->missing, &o->missing, sizeof s->missing},
		{"threshold", &s->threshold, &o->threshold, sizeof s->threshold},
	};
	static char tile[] = "tile";
	bool any = sm_overrides_take(run, above, SM_COUNT(above));
	if (sm_run_given(run, "map") && s->labels.n)
		return SM_FAIL(err, SM_USAGE,
			       "--map: is given, but counts only where the manifest names no "
			       "labels");
	if (o->tiles && !has_tiles(&s->by)) {
		char **by = sm_arena_alloc(&run->arena, (s->by.n + 1) * sizeof *by);
		if (!by)
			return SM_FAIL(err, SM_BUDGET, "settings: out of memory");
		for (size_t i = 0; i < s->by.n; i++)
			by[i] = s->by.v[i];
		by[s->by.n] = tile;
		s->by = (struct sm_strings){by, s->by.n + 1};
		any = true;
	}
	if (!any)
		return SM_OK;
	SM_TRY(sm_section_fields("evaluate")->check(s, err));
	return sm_overrides_record(run, "evaluate", s, err);
}

static enum sm_status check_pred(struct sm_evaluating *w, struct sm_err *err)
{
	const struct sm_evaluate_options *o = w->o;
	bool folders = sm_is_dir(o->pred);
	if (w->run->in)
		return SM_FAIL(err, SM_USAGE, "--pred and --in: only one of them can be given");
	if (!sm_file_exists(o->pred) && !folders)
		return SM_FAIL(err, SM_USAGE, "--pred: %s does not exist", o->pred);
	if (!sm_file_exists(o->truth) && !sm_is_dir(o->truth))
		return SM_FAIL(err, SM_USAGE, "--truth: %s does not exist", o->truth);
	if (folders != sm_is_dir(o->truth))
		return SM_FAIL(err, SM_USAGE,
			       "--pred: is a %s and --truth a %s, allowed are two files or two "
			       "folders",
			       folders ? "folder" : "file", folders ? "file" : "folder");
	w->from = folders ? SM_PAIRS_FOLDERS : SM_PAIRS_FILES;
	if (folders && !w->run->out)
		return SM_FAIL(err, SM_USAGE, "--out: is missing");
	return SM_OK;
}

static enum sm_status check_options(struct sm_evaluating *w, struct sm_err *err)
{
	const struct sm_evaluate_options *o = w->o;
	const struct sm_run *run = w->run;
	if (!o->truth)
		return SM_FAIL(err, SM_USAGE,
			       "--truth: is missing: a folder of stage ingest or a label volume");
	if (o->pairs)
		return SM_FAIL(err, SM_USAGE,
			       "--pairs: is given, allowed with dataset: pair alone");
	if (!o->pred && !run->in)
		return SM_FAIL(err, SM_USAGE, "--in: is missing (or --pred for a single volume)");
	if (!o->pred && !run->out)
		return SM_FAIL(err, SM_USAGE, "--out: is missing");
	if (!o->tiles != !o->preprocess)
		return SM_FAIL(err, SM_USAGE, "--%s: is missing, %s needs it",
			       o->tiles ? "preprocess" : "tiles",
			       o->tiles ? "--tiles" : "--preprocess");
	return o->pred ? check_pred(w, err) : SM_OK;
}

/* Images are scored as images. */
static enum sm_status score_images(struct sm_run *run, struct sm_err *err)
{
	static const char *const not_here[] = {"pred",       "tiles",   "preprocess", "metrics",
					       "tolerances", "by",      "empty",      "map",
					       "lesions",    "missing", "threshold"};
	const struct sm_evaluate_options *o = run->options;
	for (size_t i = 0; i < SM_COUNT(not_here); i++)
		if (sm_run_given(run, not_here[i]))
			return SM_FAIL(err, SM_USAGE,
				       "--%s: is given, allowed with dataset: pair %s", not_here[i],
				       i ? "is none of the options of label volumes" : "is --in");
	if (!run->in || !o->truth || !run->out)
		return SM_FAIL(err, SM_USAGE, "--%s: is missing",
			       !run->in    ? "in"
			       : !o->truth ? "truth"
					   : "out");
	return sm_translate_evaluate(run, o->truth, o->pairs, err);
}

static enum sm_status open_ledgers(struct sm_evaluating *w, struct sm_err *err)
{
	struct sm_run *run = w->run;
	if (w->from == SM_PAIRS_LEDGERS) {
		SM_TRY(sm_run_parent(run, run->in, "predict", &w->predict, err));
		SM_TRY(sm_run_parent(run, w->o->truth, "ingest", &w->ingest, err));
	}
	if (w->columns.units >> SM_BY_TILE & 1 && !w->o->tiles)
		return SM_FAIL(err, SM_USAGE,
			       "--tiles: is missing: scores by tile need the folder of stage tile");
	if (w->o->tiles) {
		SM_TRY(sm_run_parent(run, w->o->tiles, "tile", &w->tiles, err));
		SM_TRY(sm_run_parent(run, w->o->preprocess, "preprocess", &w->preprocess, err));
	}
	return SM_OK;
}

static enum sm_status run_stage(struct sm_run *run, struct sm_err *err)
{
	const struct sm_manifest_root *manifest = run->manifest;
	if (manifest->dataset == SM_LAST_PAIR)
		return score_images(run, err);
	struct sm_evaluating w = {.run = run, .o = run->options, .section = *manifest->evaluate};
	enum sm_status st;
	SM_GOTO(st, check_options(&w, err));
	SM_GOTO(st, take_options(&w, err));
	SM_GOTO(st, sm_label_map_make(&w.section, &w.map, err));
	SM_GOTO(st, sm_outputs_map(&w.map, &w.section.outputs, &w.measured, err));
	if (w.section.outputs.n && w.from != SM_PAIRS_LEDGERS)
		SM_GOTO(st, SM_FAIL(err, SM_USAGE,
				    "outputs: is given, allowed with a folder of stage predict "
				    "(--in) alone"));
	SM_GOTO(st, sm_columns_make(&w.section, &w.columns, err));
	SM_GOTO(st, open_ledgers(&w, err));
	json_object_set_new(run->ledger.header, "columns", sm_columns_to_json(&w.columns));
	SM_GOTO(st, sm_pairs_list(&w, err));
	struct sm_items items = {.count = w.count,
				 .noun = "cases",
				 .ctx = &w,
				 .key = pair_key,
				 .inputs = pair_inputs,
				 .work = pair_work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (!run->dry_run)
		st = sm_evaluate_finish(&w, err);
out:
	sm_ledger_clear(&w.predict);
	sm_ledger_clear(&w.ingest);
	sm_ledger_clear(&w.tiles);
	sm_ledger_clear(&w.preprocess);
	return st;
}

static const char *const sections[] = {"dataset", "pair", "evaluate", NULL};
static const struct sm_stage stage = {
	.name = "evaluate",
	.summary = "scores predicted label volumes, or made images, against the truth",
	.details =
		"Reads the predictions of stage predict (--in) and the label volumes of stage "
		"ingest\n"
		"(--truth), two folders of label volumes with the same names, or two label "
		"volumes\n"
		"(--pred, --truth). Writes scores.csv (a row a case and region), summary.csv, "
		"worst.csv,\n"
		"volumes.csv, summary.json as nnU-Net has it, lesions.csv where lesions are "
		"scored, and the\n"
		"ledger, and prints the table. The manifest's section evaluate names labels, "
		"regions, metrics\n"
		"and the policy for empty regions (docs/metrics.md defines all of them); without "
		"it the regions\n"
		"are BraTS's WT, TC and ET, each label, and the original study's TC: its first "
		"output alone,\n"
		"which equals label 1 here, where each voxel gets one label.\n\n"
		"  scanmill evaluate --in W/predict --truth W/ingest --out W/evaluate\n"
		"  scanmill evaluate --pred p.nii.gz --truth t.nii.gz --metrics all\n"
		"  scanmill evaluate --pred predictions/ --truth truths/ --out W/evaluate\n"
		"  scanmill evaluate --in W/predict --truth W/ingest --tiles W/tile --preprocess "
		"W/preprocess \\\n"
		"    --empty seed --out W/evaluate\n\n"
		"dataset: pair scores made images (docs/image-scores.md): --truth is the folder of "
		"stage\n"
		"preprocess, --pairs that of stage pair; only what was held out counts. Beside the "
		"network\n"
		"stand baselines that need no learning. Writes scores.csv, summary.csv, "
		"summary.json, table.md\n"
		"and <case>/jumps.csv, and says of each score whether the network beats them "
		"all.\n\n"
		"  scanmill evaluate --manifest m.yaml --in W/predict --truth W/preprocess "
		"--pairs W/pair \\\n"
		"    --out W/evaluate",
	.version = 4, /* 4: threshold null, no more 0, is none */
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_stage,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
