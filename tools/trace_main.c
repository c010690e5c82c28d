/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill trace: from an item, a file or a figure of a run back to the scans.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/stage.h"
#include "tools/trace.h"
#include "tools/trace_cell.h"

struct options {
	bool json, slices;
	char *cell;
	struct sm_strings cases, also;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"json", SM_F_BOOL, AT(json), "false", .doc = "print the chain as JSON"},
	{"slices", SM_F_BOOL, AT(slices), "false",
	 .doc = "also print the hash of the SOP Instance UID of every DICOM slice"},
	{"cell", SM_F_STRING, AT(cell),
	 .doc = "a figure of the report's tables, ROW/MODEL or ROW/MODEL/METRIC: its cases"},
	{"case", SM_F_STRINGS, AT(cases), .doc = "of --cell: these cases alone"},
	{"also", SM_F_STRINGS, AT(also), .path = true, .commas = true,
	 .doc = "folders of other runs that a comparison was made from, parted by commas"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("trace", struct options, fields, NULL);

/* Where a file lies that no stage made. Of two plain folders the files have the same names, and the
 * role tells them apart: sides of an evaluation, or a rater by its name. */
static const char *raw_place(const char *stage, const char *role)
{
	if (!role || (strcmp(stage, "evaluate") != 0 && strcmp(stage, "compare") != 0))
		return "RAW";
	return strcmp(role, "truth") == 0	 ? "TRUTHS"
	       : strcmp(role, "prediction") == 0 ? "PREDICTIONS"
						 : role;
}

/* place NULL: files that no stage made, which `stage` read. */
static void print_files(const json_t *list, const char *place, const char *stage, int depth)
{
	size_t i;
	json_t *file;
	json_array_foreach(list, i, file)
	{
		const char *path = sm_json_text(file, "path"), *sha = sm_json_text(file, "sha256");
		const char *role = sm_json_text(file, "role");
		printf("%*s%-12s %.12s  %s/%s\n", depth * 2 + 2, "", role ? role : "",
		       sha ? sha : "", place ? place : raw_place(stage, role), path ? path : "");
	}
}

/* The slice map of a DICOM volume stands in its sidecar. */
static void print_map(const struct sm_folder *folder, const json_t *record, int depth)
{
	size_t i;
	json_t *slice;
	const char *path = sm_json_text(sm_record_output(record, "sidecar"), "path");
	char *full = path ? sm_path_join(folder->dir, path) : NULL;
	json_t *sidecar = full ? json_load_file(full, 0, NULL) : NULL;
	json_array_foreach(json_object_get(sidecar, "SliceMap"), i, slice)
	{
		const char *sop = sm_json_text(slice, "sop_sha256");
		printf("%*sslice %-6zu %s\n", depth * 2 + 2, "", i, sop ? sop : "");
	}
	json_decref(sidecar);
	free(full);
}

static enum sm_status print_slices(struct sm_folders *f, const json_t *node, int depth,
				   struct sm_err *err)
{
	const char *stage = sm_json_text(node, "stage");
	if (strcmp(stage, "ingest") != 0)
		return SM_OK;
	for (size_t k = 0; k < f->n; k++) {
		if (strcmp(sm_folder_stage(&f->v[k]), stage) != 0)
			continue;
		SM_TRY(sm_folders_open(f, &f->v[k], err));
		json_t *record = sm_ledger_get(&f->v[k].ledger, sm_json_text(node, "item"));
		print_map(&f->v[k], record, depth);
		json_decref(record);
		SM_TRY(sm_records_check(f->v[k].ledger.records, err));
	}
	return SM_OK;
}

/* Inputs that no record here made: under the stage that is missing when there is but one that makes
 * files. */
static void print_unresolved(const json_t *node, int depth)
{
	size_t i, n = 0;
	json_t *v, *list = json_object_get(node, "unresolved");
	const char *place = "?";
	if (!json_array_size(list))
		return;
	json_array_foreach(json_object_get(node, "missing"), i, v)
	{
		if (strcmp(json_string_value(v), "split") == 0)
			continue;
		place = n++ ? "?" : json_string_value(v);
	}
	printf("%*sunresolved: no record here made these\n", depth * 2 + 2, "");
	print_files(list, place, NULL, depth + 1);
}

static bool is_missing(const json_t *node, const char *stage)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(node, "missing"), i, v)
	if (strcmp(json_string_value(v), stage) == 0)
		return true;
	return false;
}

/* Those of a stage, or (NULL) of all that are here. */
static void print_ledgers(const json_t *node, const char *stage, int depth)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(node, "ledgers"), i, v)
	{
		const char *of = sm_json_text(v, "stage");
		if (stage ? strcmp(of, stage) == 0 : !is_missing(node, of))
			printf("%*s%-12s %.12s  %s/%s\n", depth * 2 + 2, "", "ledger",
			       sm_json_text(v, "sha256"), of, sm_json_text(v, "path"));
	}
}

static enum sm_status print_node(struct sm_folders *f, const json_t *node, bool slices, int depth,
				 struct sm_err *err)
{
	size_t i;
	json_t *v;
	const char *patient = sm_json_text(node, "patient"), *fold = sm_json_text(node, "fold");
	const char *reason = sm_json_text(node, "reason"), *rater = sm_json_text(node, "rater"),
		   *parent;
	printf("%*s%s  %s", depth * 2, "", sm_json_text(node, "stage"), sm_json_text(node, "item"));
	if (patient)
		printf("  patient %s", patient);
	if (fold)
		printf("  fold %s", fold);
	if (rater)
		printf("  rater %s", rater);
	printf("\n");
	const json_t *items = json_object_get(node, "items");
	json_object_foreach(json_object_get(node, "parents"), parent, v)
	{
		if (items)
			printf("%*sall %lld items here, from the ledger of %s %.12s\n",
			       depth * 2 + 2, "", (long long)json_integer_value(items), parent,
			       json_string_value(v));
		else
			printf("%*s%-12s %.12s  %s/" SM_LEDGER_NAME " as a whole\n",
			       depth * 2 + 2, "", "ledger", json_string_value(v), parent);
	}
	if (reason)
		printf("%*srejected: %s\n", depth * 2 + 2, "", reason);
	print_files(json_object_get(node, "outputs"), sm_json_text(node, "stage"), NULL, depth);
	if (slices)
		SM_TRY(print_slices(f, node, depth, err));
	print_ledgers(node, NULL, depth);
	json_array_foreach(json_object_get(node, "missing"), i, v)
	{
		printf("%*s(the run of %s that this was made from is not here)\n", depth * 2 + 2,
		       "", json_string_value(v));
		print_ledgers(node, json_string_value(v), depth + 1);
	}
	print_unresolved(node, depth);
	json_array_foreach(json_object_get(node, "from"), i, v)
		SM_TRY(print_node(f, v, slices, depth + 1, err));
	if (json_array_size(json_object_get(node, "raw"))) {
		printf("%*sraw\n", depth * 2 + 2, "");
		print_files(json_object_get(node, "raw"), NULL, sm_json_text(node, "stage"), depth + 1);
	}
	return SM_OK;
}

/* "mean 0.8125, median ..., n 12"; what is null is a dash. */
static void print_figure(const json_t *cell, const char *name)
{
	const json_t *v = json_object_get(cell, name);
	if (json_is_integer(v))
		printf(", %s %lld", name, (long long)json_integer_value(v));
	else if (json_is_number(v))
		printf(", %s %.9g", name, json_number_value(v));
	else
		printf(", %s -", name);
}

static enum sm_status print_case(struct sm_folders *f, const json_t *one, bool slices,
				 struct sm_err *err)
{
	const char *why = sm_json_text(one, "why");
	const json_t *value = json_object_get(one, "value"), *chain = json_object_get(one, "chain");
	printf("  case %s  ", sm_json_text(one, "key"));
	if (json_is_number(value))
		printf("%.9g", json_number_value(value));
	else
		printf("no value");
	printf("%s%s%s\n", why ? " (" : "", why ? why : "", why ? ")" : "");
	if (chain)
		return print_node(f, chain, slices, 2, err);
	print_files(json_object_get(one, "files"), NULL, "evaluate", 2);
	return SM_OK;
}

static enum sm_status print_cell(struct sm_folders *f, const json_t *cell, bool slices,
				 struct sm_err *err)
{
	size_t i;
	json_t *v;
	const char *situation;
	printf("cell  %s  %s of %s, model %s\n", sm_json_text(cell, "cell"),
	       sm_json_text(cell, "metric_name"), sm_json_text(cell, "row_name"),
	       sm_json_text(cell, "model_name"));
	printf("  cases %zu", json_array_size(json_object_get(cell, "of")));
	print_figure(cell, "mean");
	print_figure(cell, "median");
	print_figure(cell, "n");
	print_figure(cell, "infinite");
	print_figure(cell, "left_out");
	json_object_foreach(json_object_get(cell, "situations"), situation, v)
		printf(", %s %lld", situation, (long long)json_integer_value(v));
	printf("\n  %-12s %.12s  report/" SM_LEDGER_NAME "\n", "report",
	       sm_json_text(cell, "report"));
	printf("  %-12s %.12s  report/" SM_CELLS_NAME "\n", "cells", sm_json_text(cell, "cells"));
	printf("  %-12s %.12s  evaluate/" SM_LEDGER_NAME "\n", "ledger",
	       sm_json_text(cell, "ledger"));
	if (!json_is_true(json_object_get(cell, "here")))
		printf("  (the run of evaluate of this model is not here: name its folder, too)\n");
	json_array_foreach(json_object_get(cell, "of"), i, v)
		SM_TRY(print_case(f, v, slices, err));
	return SM_OK;
}

static void print_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_INDENT(1) | JSON_SORT_KEYS);
	puts(text ? text : "");
	free(text);
}

static void tell_closed(struct sm_run *run, const struct sm_folders *f)
{
	size_t i;
	json_t *node;
	json_array_foreach(f->closed, i, node)
		sm_warn(&run->log, NULL, "passed over: %s", sm_json_text(node, "why"));
}

static enum sm_status run_cell(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	struct sm_folders f = {0};
	json_t *cell = NULL;
	char *work = NULL;
	enum sm_status st = SM_OK;
	f.keep = true;
	if (!run->arg_count) {
		SM_GOTO(st, sm_trace_cell_where("work", o->cell, &work, err));
		SM_GOTO(st, sm_folders_add(&f, work, err));
	}
	for (size_t i = 0; i < run->arg_count; i++)
		SM_GOTO(st, sm_folders_add(&f, run->args[i], err));
	SM_GOTO(st, sm_folders_load(&f, err));
	tell_closed(run, &f);
	SM_GOTO(st, sm_trace_cell(&f, o->cell, o->cases.n ? &o->cases : NULL, &cell, err));
	if (o->json)
		print_json(cell);
	else
		st = print_cell(&f, cell, o->slices, err);
out:
	json_decref(cell);
	free(work);
	sm_folders_clear(&f);
	return st;
}

static enum sm_status run_trace(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	struct sm_folders f = {0};
	json_t *all = NULL, *node;
	enum sm_status st = SM_OK;
	size_t i;
	if (o->cell && o->also.n)
		return SM_FAIL(err, SM_USAGE,
			       "--also: counts without --cell, which takes several folders");
	if (o->cell)
		return run_cell(run, err);
	if (o->cases.n)
		return SM_FAIL(err, SM_USAGE, "--case: counts with --cell alone");
	all = json_array();
	if (run->arg_count < 2) {
		st = SM_FAIL(
			err, SM_USAGE,
			"found %zu arguments, needed are a folder and an item (--help shows how)",
			run->arg_count);
		goto out;
	}
	SM_GOTO(st, sm_folders_add(&f, run->args[0], err));
	f.own = f.n;
	for (i = 0; i < o->also.n; i++)
		SM_GOTO(st, sm_folders_add(&f, o->also.v[i], err));
	SM_GOTO(st, sm_folders_load(&f, err));
	tell_closed(run, &f);
	for (i = 1; i < run->arg_count; i++) {
		SM_GOTO(st, sm_trace(&f, run->args[i], &node, err));
		json_array_append_new(all, node);
	}
	if (o->json) {
		print_json(all);
		goto out;
	}
	json_array_foreach(all, i, node)
		SM_GOTO(st, print_node(&f, node, o->slices, 0, err));
out:
	json_decref(all);
	sm_folders_clear(&f);
	return st;
}

static const struct sm_stage stage = {
	.name = "trace",
	.summary = "from an item, a file or a figure of a run back to the scans",
	.details =
		"Takes a work folder and the key of an item, or the path of an output below it. "
		"Prints for each\n"
		"stage on the way back the files used with their hashes, down to the raw scans. "
		"The pages of\n"
		"explore and report are passed over unless named with their stage (explore/CASE).\n"
		"\n"
		"  scanmill trace work/brats3d BraTS20_Training_001\n"
		"  scanmill trace work/brats3d tile/BraTS20_Training_001.h5 --slices\n"
		"  scanmill trace compare BraTS20_Training_001 --also work/a,work/b\n\n"
		"--cell takes a figure of the report's tables: it prints the cases behind it, each "
		"with its value\n"
		"and its way back. Without a folder it looks for the report in work and in the "
		"folders in it; a\n"
		"report of several models needs the folder of each model's run, behind its own.\n\n"
		"  scanmill trace work/brats3d --cell WT/UNet3D/dice\n"
		"  scanmill trace --cell WT/UNet3D --case BraTS20_Training_006",
	.args = "[WORK] [ITEM...]",
	.version = 1,
	.needs = SM_NO_LEDGER,
	.options = &option_set,
	.run = run_trace,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
