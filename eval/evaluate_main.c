/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/stage.h"
#include "eval/cases.h"
#include "eval/summary.h"
#include "eval/translate.h"
#include "manifests/roles.h"

struct options {
	char *pred, *truth, *pairs;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"pred", SM_F_STRING, AT(pred), .path = true,
	 .doc = "one predicted label volume, in place of --in"},
	{"truth", SM_F_STRING, AT(truth), .path = true,
	 .doc = "folder of stage ingest (its label volume is the truth: role seg, label, or a "
		"source with label: true), or one label volume; dataset pair: folder of stage "
		"preprocess"},
	{"pairs", SM_F_STRING, AT(pairs), .path = true,
	 .doc = "dataset pair: folder of stage pair: which slices were held out, and the training "
		"targets' mean"},
};
static const struct sm_fieldset options = SM_FIELDSET("evaluate", struct options, fields, NULL);

/* One case to score; either may be SM_NONE: then the case is rejected. */
struct pair {
	const char *key;
	size_t prediction, truth; /* numbers in the two ledgers */
};

/* Its records while it is at work; NULL where there is none. */
struct records {
	json_t *prediction, *truth;
};

struct work {
	struct sm_run *run;
	const struct options *o;
	const struct sm_evaluate_section *settings;
	struct sm_label_map map;
	struct sm_ledger predict, ingest;
	struct pair *pairs;
	size_t count;
};

static enum sm_status open_records(const struct work *w, const struct pair *p, struct records *r,
				   struct sm_err *err)
{
	r->prediction = sm_records_get(w->predict.records, p->prediction);
	r->truth = sm_records_get(w->ingest.records, p->truth);
	SM_TRY(sm_records_check(w->predict.records, err));
	return sm_records_check(w->ingest.records, err);
}

static void close_records(struct records *r)
{
	json_decref(r->prediction);
	json_decref(r->truth);
}

static const char *pair_key(void *ctx, size_t i)
{
	return ((struct work *)ctx)->pairs[i].key;
}

static enum sm_status declare(struct sm_item *item, const char *dir, const json_t *record,
			      const char *role, const char *from, struct sm_err *err)
{
	const json_t *output = sm_record_output(record, from);
	const char *path = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	return path && sha ? sm_item_input_from(item, dir, role, path, sha, err) : SM_OK;
}

static enum sm_status declare_file(struct sm_item *item, const char *role, const char *path,
				   struct sm_err *err)
{
	char hex[65];
	SM_TRY(sm_content_sha256(path, &item->run->mem, hex, err));
	return sm_item_input(item, role, sm_path_base(path), hex, err);
}

static enum sm_status pair_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct work *w = ctx;
	struct records r = {0};
	enum sm_status st;
	if (w->o->pred) {
		if (!w->run->out)
			return SM_OK;
		SM_TRY(declare_file(item, "prediction", w->o->pred, err));
		return declare_file(item, "truth", w->o->truth, err);
	}
	SM_GOTO(st, open_records(w, &w->pairs[i], &r, err));
	SM_GOTO(st, declare(item, w->run->in, r.prediction, "prediction", "prediction", err));
	/* Without one there is nothing to declare: the work function says what is wrong. */
	const char *role;
	if (sm_label_role(w->ingest.header, r.truth, &role, NULL) == SM_OK)
		st = declare(item, w->o->truth, r.truth, "truth", role, err);
out:
	close_records(&r);
	return st;
}

/* Why a case of the truth's ledger has no prediction. */
enum { OTHER_FOLD, REJECTED_BY_INGEST, REJECTED_BY_PREPROCESS, NOT_TOLD, REASONS };
static const struct {
	const char *key, *words;
} reasons[REASONS] = {
	[OTHER_FOLD] = {"other_folds", "of other folds"},
	[REJECTED_BY_INGEST] = {"rejected_by_ingest", "rejected by ingest"},
	[REJECTED_BY_PREPROCESS] = {"rejected_by_preprocess", "rejected by preprocess"},
	[NOT_TOLD] = {"not_told", "not named in the predict ledger"},
};

static bool lists(const struct work *w, const char *name, const char *key)
{
	size_t i;
	json_t *entry;
	json_array_foreach(
		json_object_get(json_object_get(w->predict.header, "not_predicted"), name), i,
		entry) if (json_is_string(entry) &&
			   strcmp(json_string_value(entry), key) == 0) return true;
	return false;
}

static int why_not_predicted(const struct work *w, const struct pair *p)
{
	if (p->truth == SM_NONE || !sm_records_ok(w->ingest.records, p->truth))
		return REJECTED_BY_INGEST;
	if (lists(w, "rejected", p->key))
		return REJECTED_BY_PREPROCESS;
	return lists(w, "other_folds", p->key) ? OTHER_FOLD : NOT_TOLD;
}

static enum sm_status no_prediction(const struct work *w, const struct pair *p, struct sm_err *err)
{
	int why = why_not_predicted(w, p);
	if (why == REJECTED_BY_INGEST || why == REJECTED_BY_PREPROCESS)
		return SM_FAIL(err, SM_INPUT, "case %s was %s, so it has no prediction", p->key,
			       reasons[why].words);
	return SM_FAIL(err, SM_INPUT, "case %s has a truth but no record in the predict ledger",
		       p->key);
}

/* What error sentences call a volume: "truth case01/seg.nii.gz"; malloc memory, NULL when out of
 * it. */
static char *name_of(const char *what, const char *file, const json_t *record, const char *role)
{
	const char *path =
		file ? sm_path_base(file) : sm_json_text(sm_record_output(record, role), "path");
	return sm_strf("%s%s%s", what, path ? " " : "", path ? path : "");
}

static enum sm_status read_pair(struct work *w, const struct pair *p, const struct records *r,
				struct sm_vol *prediction, struct sm_vol *truth, struct sm_err *err)
{
	struct sm_mem *mem = &w->run->mem;
	if (w->o->pred) {
		SM_TRY(sm_nii_read(w->o->pred, mem, prediction, NULL, err));
		return sm_nii_read(w->o->truth, mem, truth, NULL, err);
	}
	if (!r->prediction)
		return no_prediction(w, p, err);
	if (!r->truth && sm_record_ok(r->prediction))
		return SM_FAIL(err, SM_INPUT,
			       "case %s has a prediction but no record in the truth's ledger",
			       p->key);
	SM_TRY(sm_output_read(w->run->in, "predict", r->prediction, "prediction", mem, prediction,
			      err));
	return sm_truth_read(w->o->truth, &w->ingest, r->truth, mem, truth, err);
}

static enum sm_status pair_work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct work *w = ctx;
	const struct pair *p = &w->pairs[i];
	struct sm_vol prediction = {0}, truth = {0};
	struct records r = {0};
	struct sm_scores scores;
	char *names[2] = {0};
	const char *role = NULL;
	enum sm_status st;
	SM_GOTO(st, open_records(w, p, &r, err));
	SM_GOTO(st, read_pair(w, p, &r, &prediction, &truth, err));
	if (!w->o->pred)
		SM_GOTO(st, sm_label_role(w->ingest.header, r.truth, &role, err));
	names[0] = name_of("truth", w->o->pred ? w->o->truth : NULL, r.truth, role);
	names[1] = name_of("prediction", w->o->pred, r.prediction, "prediction");
	if (!names[0] || !names[1]) {
		st = SM_FAIL(err, SM_BUDGET, "out of memory");
		goto out;
	}
	SM_GOTO(st, sm_score_volumes(&truth, names[0], &prediction, names[1], w->settings, &w->map,
				     &w->run->mem, item->jobs, &scores, err));
	json_object_set_new(item->record, "scores", sm_scores_to_json(&w->map, &scores));
	json_object_set_new(item->record, "voxel_mm3", json_real(sm_voxel_mm3(&truth)));
	json_t *patient = json_object_get(r.truth, "patient");
	if (patient)
		json_object_set_new(item->record, "patient",
				    json_string(json_string_value(patient)));
out:
	free(names[0]);
	free(names[1]);
	close_records(&r);
	sm_vol_clear(&prediction);
	sm_vol_clear(&truth);
	return st;
}

/* True when predict was asked for every case, so that a truth without prediction is a fault. */
static bool predicted_all(const struct sm_ledger *predict)
{
	const json_t *manifest =
		json_object_get(json_object_get(predict->header, "settings"), "manifest");
	const char *fold = sm_json_text(json_object_get(manifest, "predict"), "fold");
	return fold && strcmp(fold, "all") == 0;
}

/* Merges the two sorted ledgers. Cases that were not to be predicted, or
 * could not be, are listed by reason. */
static enum sm_status list_pairs(struct work *w, struct sm_err *err)
{
	struct sm_records *predictions = w->predict.records, *truths = w->ingest.records;
	size_t np = sm_records_count(predictions), nt = sm_records_count(truths);
	bool all = predicted_all(&w->predict);
	json_t *left_out = json_object();
	json_object_set_new(w->run->ledger.header, "not_predicted", left_out);
	for (int r = 0; r < REASONS; r++)
		json_object_set_new(left_out, reasons[r].key, json_array());
	w->pairs = sm_arena_alloc(&w->run->arena, (np + nt + 1) * sizeof *w->pairs);
	if (!w->pairs || !left_out)
		return SM_FAIL(err, SM_BUDGET, "list of cases: out of memory");
	for (size_t i = 0, k = 0; i < np || k < nt;) {
		int order = i == np   ? 1
			    : k == nt ? -1
				      : strcmp(sm_records_key(predictions, i),
					       sm_records_key(truths, k));
		struct pair *pair = &w->pairs[w->count];
		*pair = (struct pair){order <= 0 ? sm_records_key(predictions, i)
						 : sm_records_key(truths, k),
				      order <= 0 ? i : SM_NONE, order >= 0 ? k : SM_NONE};
		i += order <= 0;
		k += order >= 0;
		if (pair->prediction != SM_NONE || all)
			w->count++;
		else
			json_array_append_new(
				json_object_get(left_out, reasons[why_not_predicted(w, pair)].key),
				json_string(pair->key));
	}
	for (int r = 0; r < REASONS; r++) {
		size_t n = json_array_size(json_object_get(left_out, reasons[r].key));
		if (n)
			sm_info(&w->run->log, NULL, "%zu %s not predicted and not scored: %s", n,
				n == 1 ? "case was" : "cases were", reasons[r].words);
	}
	return SM_OK;
}

/* The tables over all good cases: into the ledger's header, to CSV files, and to the terminal. */
static enum sm_status finish(struct work *w, struct sm_err *err)
{
	struct sm_run *run = w->run;
	struct sm_text cases = {0}, summary = {0}, screen = {0};
	struct sm_summary sum;
	size_t n = 0, i;
	json_t *record, *outputs = json_array();
	enum sm_status st = SM_OK;
	struct sm_scores *scores = sm_alloc(&run->mem, w->count + 1, sizeof *scores, "scores", err);
	json_object_set_new(run->ledger.header, "outputs", outputs);
	if (!scores)
		return SM_BUDGET;
	sm_scores_csv_head(&cases);
	sm_records_foreach(run->ledger.records, i, record)
	{
		if (!sm_record_ok(record) || st != SM_OK)
			continue;
		st = sm_scores_from_json(&w->map, json_object_get(record, "scores"),
					 sm_record_key(record), &scores[n], err);
		if (st == SM_OK)
			sm_scores_csv(&w->map, &cases, sm_record_key(record), &scores[n++]);
	}
	if (st != SM_OK)
		goto out;
	SM_GOTO(st, sm_records_check(run->ledger.records, err));
	SM_GOTO(st, sm_summarise(&w->map, scores, n, &sum, err));
	json_object_set_new(run->ledger.header, "summary", sm_summary_to_json(&w->map, &sum));
	sm_summary_csv(&w->map, &summary, &sum);
	if (run->out) {
		SM_GOTO(st, sm_run_write(run, "scores.csv", "scores", &cases, outputs, err));
		SM_GOTO(st, sm_run_write(run, "summary.csv", "summary", &summary, outputs, err));
	}
	if (w->o->pred && n)
		sm_scores_print(&w->map, &screen, &scores[0]);
	else if (n)
		sm_summary_print(&w->map, &screen, &sum);
	SM_GOTO(st, sm_text_check(&screen, "table", err));
	if (screen.n)
		fputs(screen.data, stdout);
out:
	sm_free(scores);
	sm_text_clear(&cases);
	sm_text_clear(&summary);
	sm_text_clear(&screen);
	return st;
}

static enum sm_status check_options(struct work *w, struct sm_err *err)
{
	const struct options *o = w->o;
	const struct sm_run *run = w->run;
	if (!o->truth)
		return SM_FAIL(err, SM_USAGE,
			       "--truth: is missing: a folder of stage ingest or a label volume");
	if (o->pairs)
		return SM_FAIL(err, SM_USAGE,
			       "--pairs: is given, allowed with dataset: pair alone");
	if (o->pred && run->in)
		return SM_FAIL(err, SM_USAGE, "--pred and --in: only one of them can be given");
	if (!o->pred && !run->in)
		return SM_FAIL(err, SM_USAGE, "--in: is missing (or --pred for a single volume)");
	if (!o->pred && !run->out)
		return SM_FAIL(err, SM_USAGE, "--out: is missing");
	if (o->pred && (sm_is_dir(o->pred) || sm_is_dir(o->truth)))
		return SM_FAIL(
			err, SM_USAGE,
			"--pred: with it, --pred and --truth are label volumes, not folders");
	if (o->pred && !sm_file_exists(o->pred))
		return SM_FAIL(err, SM_USAGE, "--pred: %s does not exist", o->pred);
	if (o->pred && !sm_file_exists(o->truth))
		return SM_FAIL(err, SM_USAGE, "--truth: %s does not exist", o->truth);
	return SM_OK;
}

/* Images are scored as images. */
static enum sm_status score_images(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	if (o->pred)
		return SM_FAIL(err, SM_USAGE,
			       "--pred: is given, allowed with dataset: pair is --in");
	if (!run->in || !o->truth || !run->out)
		return SM_FAIL(err, SM_USAGE, "--%s: is missing",
			       !run->in    ? "in"
			       : !o->truth ? "truth"
					   : "out");
	return sm_translate_evaluate(run, o->truth, o->pairs, err);
}

static enum sm_status run_stage(struct sm_run *run, struct sm_err *err)
{
	const struct sm_manifest_root *manifest = run->manifest;
	if (manifest->dataset == SM_LAST_PAIR)
		return score_images(run, err);
	struct work w = {.run = run, .o = run->options, .settings = manifest->evaluate};
	struct pair single = {.key = "pair", .prediction = SM_NONE, .truth = SM_NONE};
	enum sm_status st;
	SM_GOTO(st, check_options(&w, err));
	SM_GOTO(st, sm_label_map_make(w.settings, &w.map, err));
	if (w.o->pred) {
		w.pairs = &single;
		w.count = 1;
	} else {
		SM_GOTO(st, sm_run_parent(run, run->in, "predict", &w.predict, err));
		SM_GOTO(st, sm_run_parent(run, w.o->truth, "ingest", &w.ingest, err));
		SM_GOTO(st, list_pairs(&w, err));
	}
	struct sm_items items = {.count = w.count,
				 .noun = "cases",
				 .ctx = &w,
				 .key = pair_key,
				 .inputs = pair_inputs,
				 .work = pair_work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (!run->dry_run)
		st = finish(&w, err);
out:
	sm_ledger_clear(&w.predict);
	sm_ledger_clear(&w.ingest);
	return st;
}

static const char *const sections[] = {"dataset", "pair", "evaluate", NULL};
static const struct sm_stage stage = {
	.name = "evaluate",
	.summary = "scores predicted label volumes, or made images, against the truth",
	.details =
		"Reads the predictions of stage predict (--in) and the label volumes of stage "
		"ingest\n"
		"(--truth); writes scores.csv (a row a case and region), summary.csv and the "
		"ledger, and\n"
		"prints the table. The manifest's section evaluate names labels and regions; "
		"without it they\n"
		"are BraTS's WT, TC and ET, each label, and the original study's TC: its first "
		"output alone,\n"
		"which equals label 1 here, where each voxel gets one label.\n\n"
		"  scanmill evaluate --in W/predict --truth W/ingest --out W/evaluate\n"
		"  scanmill evaluate --pred p.nii.gz --truth t.nii.gz\n\n"
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
	.version = 2,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_stage,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
