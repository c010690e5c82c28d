/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "eval/cells.h"
#include "eval/report.h"
#include "eval/report_checklist.h"
#include "eval/report_groups.h"
#include "eval/report_tables.h"
#include "eval/translate_page.h"
#include "eval/viewer.h"

struct options {
	char *train, *predict, *truth, *split, *viewer;
	struct sm_strings models;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"train", SM_F_STRING, AT(train), .path = true, .doc = "folder of stage train: curves"},
	{"predict", SM_F_STRING, AT(predict), .path = true,
	 .doc = "folder of stage predict: pictures"},
	{"truth", SM_F_STRING, AT(truth), .path = true,
	 .doc = "folder of stage ingest (dataset pair: of stage preprocess): pictures"},
	{"split", SM_F_STRING, AT(split), .path = true,
	 .doc = "folder of stage split: counts of the folds"},
	{"viewer", SM_F_STRING, AT(viewer), .path = true,
	 .doc = "file of the viewer's library; by default the one beside the program, if it is "
		"there (make viewer)"},
	{"models", SM_F_STRINGS, AT(models), .path = true,
	 .doc = "NAME=FOLDER of stage evaluate, several: stand side by side and are tested against "
		"each other; the one that is also --in, or the first, is shown case by case"},
};
static const struct sm_fieldset options = SM_FIELDSET("report", struct options, fields, NULL);

/* The page must not mix runs: what a ledger names as its parent is what was given. */
static enum sm_status check_chain(const struct sm_report *report, struct sm_err *err)
{
	for (size_t child = 0; child < SM_FROMS; child++)
		for (size_t parent = 0; parent < SM_FROMS; parent++) {
			const json_t *parents =
				json_object_get(report->from[child].header, "parents");
			const char *named = sm_json_text(parents, sm_from_stage[parent]);
			const char *have = report->from[parent].sha256;
			if (named && report->from[parent].header && strcmp(named, have) != 0)
				return SM_FAIL(err, SM_INPUT,
					       "%s ledger: was made from the %s ledger %.12s, but "
					       "given is %.12s: "
					       "run stage %s again",
					       sm_from_stage[child], sm_from_stage[parent], named,
					       have, sm_from_stage[child]);
		}
	return SM_OK;
}

static enum sm_status read_ledgers(struct sm_report *report, struct sm_item *item,
				   struct sm_err *err)
{
	for (size_t f = 0; f < SM_FROMS; f++) {
		if (!report->dir[f])
			continue;
		SM_TRY(sm_run_parent(report->run, report->dir[f], sm_from_stage[f],
				     &report->from[f], err));
		SM_TRY(sm_item_input(item, sm_from_stage[f], SM_LEDGER_NAME, report->from[f].sha256,
				     err));
	}
	return check_chain(report, err);
}

/* The file of the history as the ledger of train names it; malloc memory, NULL when out of it. */
static char *history_name(const struct sm_ledger *train)
{
	json_t *record = sm_ledger_get(train, "history");
	const char *name = sm_json_text(sm_record_output(record, "history"), "path");
	char *copy = sm_strf("%s", name && sm_path_is_inside(name) ? name : SM_TRAINLOG_NAME);
	json_decref(record);
	return copy;
}

static enum sm_status read_history(struct sm_report *report, struct sm_item *item,
				   struct sm_err *err)
{
	unsigned char *bytes = NULL;
	size_t n = 0;
	char hex[65];
	/* A cross validation has a history a fold, and its own summary. */
	if (!report->dir[SM_FROM_TRAIN] ||
	    json_object_get(report->from[SM_FROM_TRAIN].header, "folds"))
		return SM_OK;
	char *name = history_name(&report->from[SM_FROM_TRAIN]);
	char *path = name ? sm_path_join(report->dir[SM_FROM_TRAIN], name) : NULL;
	enum sm_status st;
	if (!path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", SM_TRAINLOG_NAME);
		goto out;
	}
	if (!sm_file_exists(path)) {
		st = SM_FAIL(err, SM_INPUT, "%s: is missing in the folder of stage train", name);
		goto out;
	}
	SM_GOTO(st, sm_file_read(path, (size_t)64 << 20, &report->run->mem, &bytes, &n, err));
	sm_sha256_bytes(bytes, n, hex);
	SM_GOTO(st, sm_item_input(item, "history", name, hex, err));
	st = sm_trainlog_parse((const char *)bytes, n, name, &report->history, err);
out:
	sm_free(bytes);
	free(name);
	free(path);
	return st;
}

/* nnU-Net's summary.json of each model; the names of files tell several apart. */
static enum sm_status write_nnunet(const struct sm_report *report, size_t m, struct sm_item *item,
				   struct sm_err *err)
{
	const struct sm_model *model = &report->models.v[m];
	struct sm_outfile out = {0};
	char name[SM_MODEL_NAME + 24], hex[65], *path = NULL;
	enum sm_status st;
	if (report->models.n > 1)
		snprintf(name, sizeof name, "summary-%zu.json", m + 1);
	else
		snprintf(name, sizeof name, "summary.json");
	path = sm_path_join(report->run->out, name);
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	SM_GOTO(st, sm_summary_nnunet(model->book, model->evaluate.records, &report->map,
				      &report->columns, &out, err));
	SM_GOTO(st, sm_outfile_commit(&out, err));
	SM_GOTO(st, sm_sha256_file(path, hex, err));
	st = sm_item_output(item, "nnunet", name, hex, err);
out:
	sm_outfile_abandon(&out);
	free(path);
	return st;
}

/* A text of the report with its file and role; written and freed. */
struct piece {
	const char *name, *role;
	struct sm_text text;
};

static enum sm_status write_all(struct sm_report *report, struct sm_item *item, struct sm_err *err)
{
	enum { PAGE, CSV, TEX, MD, JSON, CELLS, CHECKLIST, TESTS, GROUPS, PIECES };
	struct piece piece[PIECES] = {
		[PAGE] = {"report.html", "page", {0}},
		[CSV] = {"table.csv", "csv", {0}},
		[TEX] = {"table.tex", "latex", {0}},
		[MD] = {"table.md", "markdown", {0}},
		[JSON] = {"table.json", "json", {0}},
		[CELLS] = {SM_CELLS_NAME, "cells", {0}},
		[CHECKLIST] = {"checklist.md", "checklist", {0}},
		[TESTS] = {"tests.csv", "tests", {0}},
		[GROUPS] = {"groups.csv", "groups", {0}},
	};
	struct sm_published published;
	struct sm_groups groups = {0};
	enum sm_status st;
	SM_GOTO(st, sm_published_make(report, &published, err));
	SM_GOTO(st, sm_groups_make(report, &groups, err));
	SM_GOTO(st, sm_report_page(report, &piece[PAGE].text, err));
	sm_report_csv(report, &piece[CSV].text);
	sm_report_tex(report, &published, &piece[TEX].text);
	sm_report_md(report, &published, &piece[MD].text);
	SM_GOTO(st, sm_report_json(report, &piece[JSON].text, err));
	SM_GOTO(st, sm_cells_write(report, &piece[CELLS].text, err));
	SM_GOTO(st, sm_checklist_md(report, &piece[CHECKLIST].text, err));
	if (report->models.duels)
		sm_report_tests_csv(report, &piece[TESTS].text);
	if (groups.n)
		sm_groups_csv(report, &groups, &piece[GROUPS].text);
	SM_GOTO(st, sm_run_begin(item->run, err));
	for (size_t i = 0; i < PIECES; i++)
		if (piece[i].text.n)
			SM_GOTO(st, sm_report_write(item, piece[i].name, piece[i].role,
						    &piece[i].text, err));
	for (size_t m = 0; m < report->models.n; m++)
		SM_GOTO(st, write_nnunet(report, m, item, err));
out:
	for (size_t i = 0; i < PIECES; i++)
		sm_text_clear(&piece[i].text);
	sm_groups_clear(&groups);
	return st;
}

static enum sm_status read_scores(struct sm_report *report, const struct options *o,
				  struct sm_item *item, struct sm_err *err)
{
	SM_TRY(sm_models_read(report, &o->models, item, err));
	struct sm_ledger *own = &report->from[SM_FROM_EVALUATE];
	const struct sm_model *main = &report->models.v[report->models.main];
	/* Without --in: the first of the models is the one whose chain the page tells. */
	if (!own->header) {
		SM_TRY(sm_run_parent(report->run, main->dir, "evaluate", own, err));
		SM_TRY(check_chain(report, err));
	}
	return sm_models_compare(report, err);
}

/* What only tables of segmentations have. */
static enum sm_status check_images(const struct sm_run *run, const struct options *o,
				   struct sm_err *err)
{
	if (!run->in)
		return SM_FAIL(err, SM_USAGE, "--in: is missing, needed is the folder of evaluate");
	if (o->models.n)
		return SM_FAIL(err, SM_USAGE,
			       "--models: found dataset: pair, it is for segmentations alone");
	return SM_OK;
}

static enum sm_status run_stage(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	const struct sm_manifest_root *manifest = run->manifest;
	const bool images = manifest->dataset == SM_LAST_PAIR;
	struct sm_report report = {
		.run = run,
		.settings = manifest->report,
		.name = run->manifest_given ? manifest->name : "",
		.dir = {[SM_FROM_INGEST] = images ? NULL : o->truth,
			[SM_FROM_SPLIT] = o->split,
			[SM_FROM_TRAIN] = o->train,
			[SM_FROM_PREDICT] = o->predict,
			[SM_FROM_EVALUATE] = run->in},
	};
	struct sm_item item = {
		.run = run, .key = "report", .record = json_object(), .jobs = run->jobs};
	enum sm_status st;
	json_object_set_new(item.record, "key", json_string(item.key));
	json_object_set_new(item.record, "status", json_string("ok"));
	SM_GOTO(st, read_ledgers(&report, &item, err));
	SM_GOTO(st, read_history(&report, &item, err));
	if (images)
		SM_GOTO(st, check_images(run, o, err));
	if (images) {
		st = sm_translate_report(&report, o->truth, &item, err);
		if (st == SM_OK && !run->dry_run)
			st = sm_records_add(run->ledger.records, item.record, NULL, err);
		goto out;
	}
	SM_GOTO(st, read_scores(&report, o, &item, err));
	SM_GOTO(st, sm_viewer_find(&report, o->viewer, &item, err));
	if (run->dry_run)
		sm_info(&run->log, NULL, "report of %zu cases would be made", report.count);
	else
		st = write_all(&report, &item, err);
	if (st == SM_OK)
		st = sm_records_add(run->ledger.records, item.record, NULL, err);
out:
	json_decref(item.record);
	for (size_t f = 0; f < SM_FROMS; f++)
		sm_ledger_clear(&report.from[f]);
	sm_viewer_clear(&report);
	sm_models_clear(&report.models);
	sm_trainlog_clear(&report.history);
	return st;
}

static const char *const sections[] = {"name", "dataset", "pair", "report", NULL};
static const struct sm_stage stage = {
	.name = "report",
	.summary = "makes the page and the tables of an experiment",
	.details =
		"Writes report.html (one file, nothing loaded from elsewhere), the tables as "
		"table.csv, .tex\n"
		"(needs the LaTeX package booktabs), .md, .json and as nnU-Net's summary.json, "
		"cells.jsonl (the\n"
		"cases and files behind every figure, for scanmill trace --cell) and checklist.md, "
		"from the\n"
		"ledgers of the earlier stages. Without --train there are no curves, without "
		"--predict and\n"
		"--truth no pictures.\n\n"
		"  scanmill report --in W/evaluate --train W/train --predict W/predict --truth "
		"W/ingest \\\n"
		"    --split W/split --out W/report\n\n"
		"--models puts several models that were scored alike, on the same truths, side by "
		"side, with\n"
		"paired tests (tests.csv).\n\n"
		"  scanmill report --models UNet3D=W1/evaluate,VNet=W2/evaluate --out compared\n\n"
		"dataset: pair shows input, output, target and error map, and with --predict and "
		"--truth (the\n"
		"folder of preprocess) also writes pages that scroll through the slices of each "
		"case.",
	.version = 3, /* 3: cases without a prediction, other cases in other models */
	.needs = SM_NEEDS_OUT,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_stage,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
