/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "eval/report.h"
#include "eval/translate_page.h"

struct options {
	char *train, *predict, *truth, *split;
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

static enum sm_status read_scores(struct sm_report *report, struct sm_err *err)
{
	const struct sm_ledger *ledger = &report->from[SM_FROM_EVALUATE];
	const json_t *manifest =
		json_object_get(json_object_get(ledger->header, "settings"), "manifest");
	const char *policy = sm_json_text(json_object_get(manifest, "evaluate"), "empty");
	size_t i, n = sm_records_count(ledger->records);
	json_t *record;
	struct sm_scores *scores =
		sm_alloc(&report->run->mem, n + 1, sizeof *scores, "scores", err);
	enum sm_status st = scores ? SM_OK : SM_BUDGET;
	if (st == SM_OK)
		st = sm_label_map_read(json_object_get(manifest, "evaluate"), &report->map, err);
	report->skip_empty = policy && strcmp(policy, "skip") == 0;
	report->cases = sm_arena_alloc(&report->run->arena, (n + 1) * sizeof *report->cases);
	if (st == SM_OK && !report->cases)
		st = SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	sm_records_foreach(ledger->records, i, record)
	{
		if (st != SM_OK)
			continue;
		if (!sm_record_ok(record)) {
			report->rejected++;
			continue;
		}
		struct sm_report_case *c = &report->cases[report->count];
		c->key = sm_records_key(ledger->records, i);
		c->voxel_mm3 = json_number_value(json_object_get(record, "voxel_mm3"));
		st = sm_scores_from_json(&report->map, json_object_get(record, "scores"), c->key,
					 &c->scores, err);
		scores[report->count++] = c->scores;
	}
	if (st == SM_OK)
		st = sm_records_check(ledger->records, err);
	if (st == SM_OK && !report->count)
		st = SM_FAIL(err, SM_INPUT,
			     "evaluate ledger: has no good case, needed is at least 1");
	if (st == SM_OK)
		st = sm_summarise(&report->map, scores, report->count, &report->summary, err);
	sm_free(scores);
	return st;
}

static enum sm_status write_all(struct sm_report *report, struct sm_item *item, struct sm_err *err)
{
	struct sm_text page = {0}, csv = {0}, tex = {0}, md = {0};
	enum sm_status st;
	SM_GOTO(st, sm_report_page(report, &page, err));
	sm_report_csv(report, &csv);
	sm_report_tex(report, &tex);
	sm_report_md(report, &md);
	SM_GOTO(st, sm_run_begin(item->run, err));
	SM_GOTO(st, sm_report_write(item, "report.html", "page", &page, err));
	SM_GOTO(st, sm_report_write(item, "table.csv", "csv", &csv, err));
	SM_GOTO(st, sm_report_write(item, "table.tex", "latex", &tex, err));
	SM_GOTO(st, sm_report_write(item, "table.md", "markdown", &md, err));
out:
	sm_text_clear(&page);
	sm_text_clear(&csv);
	sm_text_clear(&tex);
	sm_text_clear(&md);
	return st;
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
	if (images) {
		st = sm_translate_report(&report, o->truth, &item, err);
		if (st == SM_OK && !run->dry_run)
			st = sm_records_add(run->ledger.records, item.record, NULL, err);
		goto out;
	}
	SM_GOTO(st, read_scores(&report, err));
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
	sm_trainlog_clear(&report.history);
	return st;
}

static const char *const sections[] = {"name", "dataset", "pair", "report", NULL};
static const struct sm_stage stage = {
	.name = "report",
	.summary = "makes the page and the tables of an experiment",
	.details =
		"Writes report.html (one file, nothing loaded from elsewhere), table.csv, "
		"table.tex (needs\n"
		"the LaTeX package booktabs) and table.md from the ledgers of the earlier "
		"stages. Without\n"
		"--train there are no curves, without --predict and --truth no pictures.\n\n"
		"  scanmill report --in W/evaluate --train W/train --predict W/predict --truth "
		"W/ingest \\\n"
		"    --split W/split --out W/report\n\n"
		"dataset: pair shows input, output, target and error map, and with --predict and "
		"--truth (the\n"
		"folder of preprocess) also writes pages that scroll through the slices of each "
		"case.",
	.version = 1,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_stage,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
