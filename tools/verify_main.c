/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill verify: recomputes the hash of every output that the ledgers name.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/stage.h"
#include "tools/verify.h"

struct options {
	bool list;
};

static const struct sm_field fields[] = {
	{"list", SM_F_BOOL, offsetof(struct options, list), "false",
	 .doc = "also print hash and name of each output: equal lists = equal data sets"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("verify", struct options, fields, NULL);

struct folders {
	struct sm_verify *v;
	size_t n, room;
};

static bool has_ledger(const char *dir)
{
	char *path = sm_path_join(dir, SM_LEDGER_NAME);
	bool has = path && sm_file_exists(path);
	free(path);
	return has;
}

static enum sm_status add(struct folders *f, const char *dir, bool whole, struct sm_err *err)
{
	if (f->n == f->room) {
		size_t room = f->room ? f->room * 2 : 16;
		struct sm_verify *more = realloc(f->v, room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
		f->v = more;
		f->room = room;
	}
	f->v[f->n++] = (struct sm_verify){.dir = dir, .whole = whole};
	return SM_OK;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* A folder with a ledger, or one whose sub-folders have ledgers (the work folder of a run). */
static enum sm_status add_tree(struct sm_run *run, struct folders *f, const char *dir,
			       struct sm_err *err)
{
	if (!sm_is_dir(dir))
		return SM_FAIL(err, SM_USAGE, "%s: is no folder", dir);
	if (has_ledger(dir))
		return add(f, dir, false, err);
	struct dirent **list;
	int n = scandir(dir, &list, NULL, by_name);
	if (n < 0)
		return SM_FAIL(err, SM_IO, "%s: folder cannot be read: %s", dir, strerror(errno));
	size_t before = f->n;
	enum sm_status st = SM_OK;
	for (int i = 0; i < n; i++) {
		const char *below = sm_arena_strf(&run->arena, "%s/%s", dir, list[i]->d_name);
		if (st == SM_OK && list[i]->d_name[0] != '.' && below && has_ledger(below))
			st = add(f, below, true, err);
		free(list[i]);
	}
	free(list);
	if (st == SM_OK && f->n == before)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: neither it nor a folder in it has a %s: no stage has "
			     "finished there",
			     dir, SM_LEDGER_NAME);
	return st;
}

static void list_outputs(const char *stage, const json_t *owner)
{
	size_t k;
	json_t *output;
	json_array_foreach(json_object_get(owner, "outputs"), k, output)
	{
		const char *path = sm_json_text(output, "path");
		const char *sha256 = sm_json_text(output, "sha256");
		if (path && sha256)
			printf("%s  %s/%s\n", sha256, stage, path);
	}
}

static void print_list(const struct sm_verify *v)
{
	size_t i;
	json_t *record;
	const char *stage = sm_json_text(v->ledger.header, "stage");
	list_outputs(stage, v->ledger.header);
	json_array_foreach(v->ledger.records, i, record)
		list_outputs(stage, record);
}

static size_t print_folder(const struct sm_verify *v)
{
	size_t i, bad = json_array_size(v->complaints);
	json_t *sentence;
	const char *stage = sm_json_text(v->ledger.header, "stage");
	printf("%-12s %6zu outputs %10.1f MB", stage, v->outputs, (double)v->bytes / 1e6);
	if (v->rejected)
		printf("  %zu rejected items", v->rejected);
	if (bad)
		printf("  %zu differences\n", bad);
	else
		printf("  good\n");
	json_array_foreach(v->complaints, i, sentence)
		printf("  %s: %s\n", stage, json_string_value(sentence));
	return bad;
}

static enum sm_status run_verify(struct sm_run *run, struct sm_err *err)
{
	const struct options *options = run->options;
	struct folders f = {0};
	size_t bad = 0, outputs = 0;
	enum sm_status st = SM_OK;
	if (run->in)
		SM_GOTO(st, add_tree(run, &f, run->in, err));
	for (size_t i = 0; i < run->arg_count; i++)
		SM_GOTO(st, add_tree(run, &f, run->args[i], err));
	if (!f.n) {
		st = SM_FAIL(err, SM_USAGE, "no folder given (--help shows how)");
		goto out;
	}
	for (size_t i = 0; i < f.n; i++)
		SM_GOTO(st, sm_verify_folder(&f.v[i], &run->mem, run->jobs, err));
	for (size_t i = 0; i < f.n; i++) {
		sm_verify_parents(&f.v[i], f.v, f.n);
		if (options->list)
			print_list(&f.v[i]);
		bad += print_folder(&f.v[i]);
		outputs += f.v[i].outputs;
	}
	if (bad)
		st = SM_FAIL(err, SM_INPUT,
			     "%zu differences between the ledgers of %zu stages and "
			     "what stands in their folders",
			     bad, f.n);
	else
		sm_info(&run->log, NULL, "%zu stages, %zu outputs: all as their ledgers say", f.n,
			outputs);
out:
	for (size_t i = 0; i < f.n; i++)
		sm_verify_clear(&f.v[i]);
	free(f.v);
	return st;
}

static const struct sm_stage stage = {
	.name = "verify",
	.summary = "recompute the hash of every output of a run",
	.details =
		"Takes folders of stages, or one that holds such folders. Reads each ledger.jsonl,\n"
		"hashes the content of every output again, and checks that each stage was made from\n"
		"the stages given beside it. Then compares the bytes of every file with files.sha256, so\n"
		"that also a change outside the content is found. Exit code 3 when a file is missing,\n"
		"changed or not in the ledger.\n"
		"\n"
		"  scanmill verify work\n"
		"  scanmill verify work/preprocess work/tile",
	.args = "DIR...",
	.version = 1,
	.needs = SM_NO_LEDGER,
	.options = &option_set,
	.run = run_verify,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
