/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill verify: recomputes the hash of every output that the ledgers name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/stage.h"
#include "manifests/schema.h"
#include "tools/folders.h"
#include "tools/rederive.h"
#include "tools/verify.h"

struct options {
	bool list, rederive;
	int64_t sample;
	int64_t limit;
	char *raw, *salt_file, *table, *scratch;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"list", SM_F_BOOL, AT(list), "false",
	 .doc = "also print hash and name of each output: equal lists = equal data sets"},
	{"rederive", SM_F_BOOL, AT(rederive), "false",
	 .doc = "also run the stages of a data set again, elsewhere, and compare; needs "
		"--manifest"},
	{"sample", SM_F_INT, AT(sample), "0", 0, 1e9,
	 .doc = "with --rederive: so many items of each stage, drawn by --seed; 0 = all"},
	{"raw", SM_F_STRING, AT(raw), .path = true,
	 .doc = "with --rederive: the raw scans; without them index and ingest are left out"},
	{"salt_file", SM_F_STRING, AT(salt_file), .path = true,
	 .doc = "with --rederive: the salt that index and ingest were given"},
	{"table", SM_F_STRING, AT(table), .path = true,
	 .doc = "with --rederive: the table that split was given; without it a split in strata is "
		"left out"},
	{"limit", SM_F_INT, AT(limit), "20", 0, 1e9, .doc = "differences listed a stage; 0 = all"},
	{"scratch", SM_F_STRING, AT(scratch), .path = true,
	 .doc = "with --rederive: where the new outputs stand for a while; absent = $TMPDIR or "
		"/tmp"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("verify", struct options, fields, NULL);

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

static enum sm_status print_list(const struct sm_verify *v, struct sm_err *err)
{
	size_t i;
	json_t *record;
	const char *stage = sm_json_text(v->ledger.header, "stage");
	list_outputs(stage, v->ledger.header);
	sm_records_foreach(v->ledger.records, i, record)
		list_outputs(stage, record);
	return sm_records_check(v->ledger.records, err);
}

/* Returns how many there are. */
static size_t print_complaints(const char *stage, const json_t *complaints, int64_t limit)
{
	size_t i, n = json_array_size(complaints);
	json_t *sentence;
	if (n)
		printf("  %zu differences\n", n);
	else
		printf("  good\n");
	json_array_foreach(complaints, i, sentence)
	{
		if (limit && (int64_t)i >= limit) {
			printf("  %s: ... %zu more differences (--limit)\n", stage, n - i);
			break;
		}
		printf("  %s: %s\n", stage, json_string_value(sentence));
	}
	return n;
}

/* What a link leads to is not looked at: it may be anybody's. */
static size_t print_link(const struct sm_folder *folder, int64_t limit)
{
	const char *stage = sm_folder_stage(folder);
	json_t *complaints = json_array();
	sm_complain(
		complaints,
		"%s: is a link, needed is the folder that the stage made (or give its own path)",
		sm_path_base(folder->dir));
	printf("%-12s", stage);
	size_t n = print_complaints(stage, complaints, limit);
	json_decref(complaints);
	return n;
}

static size_t print_folder(const struct sm_verify *v, int64_t limit)
{
	const char *stage = sm_json_text(v->ledger.header, "stage");
	printf("%-12s %6zu outputs %10.1f MB", stage, v->outputs, (double)v->bytes / 1e6);
	if (v->rejected)
		printf("  %zu rejected items", v->rejected);
	return print_complaints(stage, v->complaints, limit);
}

/* Folders given twice are looked at once more: harmless. */
static enum sm_status open_all(const struct sm_run *run, struct sm_folders *f, struct sm_err *err)
{
	if (run->in)
		SM_TRY(sm_folders_add(f, run->in, err));
	for (size_t i = 0; i < run->arg_count; i++)
		SM_TRY(sm_folders_add(f, run->args[i], err));
	return f->n ? SM_OK : SM_FAIL(err, SM_USAGE, "no folder given (--help shows how)");
}

/* Folder by folder: memory is that of the longest ledger. */
static enum sm_status check_all(struct sm_run *run, const struct sm_folders *f, struct sm_err *err)
{
	const struct options *options = run->options;
	size_t bad = 0, outputs = 0, n = f->n;
	struct sm_err unread = {
		0}; /* the first that cannot be read: the others are looked at all the same */
	for (size_t i = 0; i < n; i++) {
		if (f->v[i].link) {
			bad += print_link(&f->v[i], options->limit);
			continue;
		}
		struct sm_verify v = {.dir = f->v[i].dir, .whole = f->v[i].whole};
		enum sm_status st = sm_verify_folder(&v, &run->mem, run->jobs, err);
		if (st == SM_OK) {
			sm_verify_parents(&v, f);
			if (options->list)
				st = print_list(&v, err);
			if (st == SM_OK)
				bad += print_folder(&v, options->limit);
			outputs += v.outputs;
		}
		sm_verify_clear(&v);
		if (st == SM_IO) {
			printf("%-12s cannot be read\n", sm_folder_stage(&f->v[i]));
			unread = unread.code == SM_OK ? *err : unread;
			continue;
		}
		SM_TRY(st);
	}
	json_t *sentence;
	for (size_t i = 0; (sentence = json_array_get(f->strange, i)); i++, bad++)
		printf("%s\n", json_string_value(sentence));
	for (size_t i = 0; (sentence = json_array_get(f->closed, i)); i++)
		printf("%-12s may not be looked at\n", sm_json_text(sentence, "stage"));
	SM_TRY(sm_folders_need(f, NULL, err));
	if (unread.code != SM_OK) {
		*err = unread;
		return unread.code;
	}
	if (bad)
		return SM_FAIL(err, SM_INPUT,
			       "%zu differences between the ledgers of %zu stages and what stands "
			       "in their folders",
			       bad, n);
	sm_info(&run->log, NULL, "%zu stage%s, %zu output%s: all as their ledgers say", n,
		n == 1 ? "" : "s", outputs, outputs == 1 ? "" : "s");
	return SM_OK;
}

static void print_rederived(const char *stage, const struct sm_rederived *r, int64_t limit)
{
	if (r->why_not[0]) {
		printf("%-12s not derived again: %s\n", stage, r->why_not);
		return;
	}
	printf("%-12s %6zu of %zu items derived again: %zu equal", stage, r->derived, r->items,
	       r->equal);
	print_complaints(stage, r->complaints, limit);
	if (r->other_settings)
		printf("  %s: the items are not compared: the settings are not those of the run\n",
		       stage);
}

static enum sm_status rederive_all(struct sm_run *run, struct sm_folders *f, struct sm_err *err)
{
	const struct options *o = run->options;
	const struct sm_rederive_how how = {.manifest = run->manifest_path,
					    .raw = o->raw,
					    .salt_file = o->salt_file,
					    .table = o->table,
					    .scratch = o->scratch,
					    .jobs = run->jobs,
					    .sample = o->sample,
					    .seed = run->seed};
	size_t bad = 0, done = 0;
	bool other = false;
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].link)
			return SM_FAIL(err, SM_INPUT,
				       "%s: is a link, needed is the folder that the stage made "
				       "(or give its own path)",
				       f->v[i].dir);
	for (size_t i = 0; i < f->n && !other; i++) {
		struct sm_rederived r;
		SM_TRY(sm_folders_open(f, &f->v[i], err));
		enum sm_status st = sm_rederive(&how, f, &f->v[i], &r, err);
		if (st ==
		    SM_OK) /* else a ledger could not be read, and what was found says nothing */
			print_rederived(sm_folder_stage(&f->v[i]), &r, o->limit);
		fflush(stdout);
		done += !r.why_not[0];
		bad += json_array_size(r.complaints);
		other = r.other_settings;
		sm_rederived_clear(&r);
		SM_TRY(st);
	}
	if (other)
		return SM_FAIL(err, SM_INPUT,
			       "--manifest: %zu settings are not those of the run: nothing more is "
			       "derived again",
			       bad);
	if (bad)
		return SM_FAIL(err, SM_INPUT,
			       "%zu differences between %zu stages and what is derived again", bad,
			       done);
	if (!done)
		return SM_FAIL(err, SM_INPUT, "none of %zu stages could be derived again", f->n);
	sm_info(&run->log, NULL, "%zu stages derived again: all equal", done);
	return SM_OK;
}

static enum sm_status check_options(const struct sm_run *run, struct sm_err *err)
{
	static const char *const with[] = {"sample", "raw", "salt_file", "table", "scratch"};
	const struct options *o = run->options;
	if (o->rederive && !run->manifest_path)
		return SM_FAIL(err, SM_USAGE,
			       "--manifest: is missing, --rederive needs the one that the run was "
			       "made with");
	if (o->raw && !sm_is_dir(o->raw))
		return SM_FAIL(err, SM_USAGE, "--raw: %s: is no folder", o->raw);
	if (o->table && !sm_file_exists(o->table))
		return SM_FAIL(err, SM_USAGE, "--table: %s: is no file", o->table);
	for (size_t i = 0; !o->rederive && i < SM_COUNT(with); i++)
		if (sm_run_given(run, with[i]))
			return SM_FAIL(err, SM_USAGE, "--%s: allowed only with --rederive",
				       strcmp(with[i], "salt_file") == 0 ? "salt-file" : with[i]);
	return SM_OK;
}

/* Both looks, also when the first has found something. */
static enum sm_status look(struct sm_run *run, struct sm_folders *f, struct sm_err *err)
{
	struct sm_err first = {0};
	const struct options *o = run->options;
	enum sm_status st = check_all(run, f, &first), again = SM_OK;
	if (o->rederive && (st == SM_OK || st == SM_INPUT)) {
		if (st != SM_OK)
			sm_error(&run->log, NULL, "%s", first.text);
		again = rederive_all(run, f, err);
		if (again != SM_OK)
			return again;
	}
	if (st != SM_OK)
		*err = first;
	return st;
}

static enum sm_status run_verify(struct sm_run *run, struct sm_err *err)
{
	SM_TRY(check_options(run, err));
	struct sm_folders f = {0};
	enum sm_status st = open_all(run, &f, err);
	if (st == SM_OK)
		st = sm_folders_load(&f, err);
	if (st == SM_OK)
		st = look(run, &f, err);
	sm_folders_clear(&f);
	return st;
}

static const struct sm_stage stage = {
	.name = "verify",
	.summary = "recompute the hash of every output of a run",
	.details = "Takes folders of stages, or one that holds such folders. Reads each "
		   "ledger.jsonl,\n"
		   "hashes the content of every output again, and checks that each stage was made "
		   "from\n"
		   "the stages given beside it. Then compares the bytes of every file with "
		   "files.sha256, so\n"
		   "that also a change outside the content is found. Exit code 3 when a file is "
		   "missing,\n"
		   "changed or not in the ledger.\n"
		   "\n"
		   "--rederive runs index, ingest, preprocess, split, tile, slice and pair again "
		   "into a scratch\n"
		   "folder, with the options that their ledgers name, and compares: it also finds "
		   "a ledger that was\n"
		   "changed together with its output, and a manifest, raw scan or program that is "
		   "not the one of then.\n"
		   "\n"
		   "  scanmill verify work\n"
		   "  scanmill verify work/preprocess work/tile\n"
		   "  scanmill verify --rederive --sample 2 --manifest m.yaml --raw raw work",
	.args = "DIR...",
	.version = 2,
	.needs = SM_NO_LEDGER,
	.options = &option_set,
	.manifest = &sm_manifest_schema,
	.run = run_verify,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
