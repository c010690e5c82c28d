/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill index: what a raw tree holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "ingest/cases/case_head.h"
#include "ingest/catalogue.h"
#include "ingest/raw.h"
#include "ingest/salt_file.h"

struct options {
	char *salt_file, *find;
	int format;
};

static const struct sm_field options[] = {
	{"salt_file", SM_F_STRING, .offset = offsetof(struct options, salt_file), .path = true,
	 .doc = "file whose bytes salt the hashes of patients, UIDs and file names"},
	{"find", SM_F_STRING, .offset = offsetof(struct options, find), .no_setting = true,
	 .doc = "print the paths of the files whose hash begins with this, and nothing else"},
	{"format", SM_F_CHOICE, .offset = offsetof(struct options, format), "table",
	 .choices = SM_CATALOGUE_CHOICES, .no_setting = true, .doc = "what is printed"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("index", struct options, options, NULL);

static const char *key_of(void *ctx, size_t i)
{
	return ((struct sm_raw *)ctx)->item[i].key;
}

/* Size and spacing as those of a series. */
static void describe_head(const struct sm_case_head *head, json_t *record)
{
	const double slice[2] = {head->mm[2], head->mm[2]};
	if (head->axes)
		json_object_set_new(record, "dim", sm_json_ints(head->dim, (size_t)head->axes));
	if (head->axes < 3)
		return;
	json_object_set_new(record, "pixel_mm", sm_json_floats(head->mm, 2));
	json_object_set_new(record, "slice_mm", sm_json_floats(slice, 2));
}

static enum sm_status describe_case(const struct sm_raw_case *c, struct sm_item *item,
				    struct sm_err *err)
{
	struct sm_case_head head;
	struct sm_err why = {0};
	SM_TRY(sm_raw_describe_case(c, item, err));
	json_t *files = json_object();
	for (size_t i = 0; i < c->n; i++)
		json_object_set_new(files, c->file[i].role, json_string_nocheck(c->file[i].path));
	json_object_set_new(item->record, "files", files);
	if (!files)
		return SM_FAIL(err, SM_BUDGET, "index: out of memory");
	enum sm_status st = sm_case_head(c, item->run, &head, &why);
	if (st == SM_BUDGET || head.unreadable) {
		*err = why;
		return st;
	}
	describe_head(&head, item->record);
	json_object_set_new(item->record, "verdict", json_string(head.verdict));
	json_object_set_new(item->record, "usable", json_boolean(st == SM_OK));
	if (st != SM_OK)
		json_object_set_new(item->record, "verdict_reason", json_string_nocheck(why.text));
	return SM_OK;
}

static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_raw *raw = ctx;
	return sm_raw_listing(raw, &raw->item[i], true, item, err);
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_raw *raw = ctx;
	const struct sm_raw_item *it = &raw->item[i];
	static const char *const kinds[] = {"series", "case", "broken"};
	json_object_set_new(item->record, "kind", json_string(kinds[it->kind]));
	if (it->kind == SM_RAW_BROKEN)
		return SM_FAIL(err, SM_INPUT, "the file %s", raw->scan.broken_why[it->at]);
	if (it->kind == SM_RAW_CASE)
		return describe_case(&raw->cases.v[it->at], item, err);
	enum sm_verdict verdict;
	sm_raw_describe_series(raw, it->at, item->record);
	enum sm_raw_use use = sm_raw_judge_series(raw, it->at, &verdict, NULL);
	/* What is set aside is neither: it is no scan. */
	if (use != SM_RAW_ASIDE)
		json_object_set_new(item->record, "usable", json_boolean(use == SM_RAW_USABLE));
	return SM_OK;
}

/* The status of a record says that it could be listed; what ingest will do with it is another
 * thing. */
static void tell_use(struct sm_run *run)
{
	size_t i, usable = 0, refused = 0, aside = 0;
	json_t *record;
	sm_records_foreach(run->ledger.records, i, record)
	{
		const json_t *use = json_object_get(record, "usable");
		usable += json_is_true(use);
		refused += json_is_false(use) || !sm_record_ok(record);
		aside += !use && sm_record_ok(record);
	}
	size_t all = usable + refused + aside;
	sm_info(&run->log, NULL, "%zu item%s: %zu usable, %zu refused, %zu set aside (see verdict)",
		all, all == 1 ? "" : "s", usable, refused, aside);
}

/* Kinds of files of the tree, those that occur. */
static json_t *file_counts(const struct sm_raw *raw)
{
	json_t *files = json_object();
	for (int k = 0; k < SM_FILE_KINDS; k++)
		if (raw->scan.count[k])
			json_object_set_new(files, sm_file_kind_name((enum sm_file_kind)k),
					    json_integer((json_int_t)raw->scan.count[k]));
	return files;
}

/* The catalogue belongs to no item, so the ledger's header names its files. */
static enum sm_status write_catalogue(struct sm_run *run, const char *name, const char *role,
				      json_t *files, enum sm_catalogue_format format,
				      json_t *outputs, struct sm_err *err)
{
	struct sm_outfile out = {0};
	struct sm_sha256 hash;
	char hex[65], *path = sm_path_join(run->out, name);
	enum sm_status st = path ? sm_outfile_begin(&out, path, true, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	SM_TRY(st);
	sm_sha256_init(&hash);
	st = sm_catalogue_write(run->ledger.records, files, format, out.stream, &hash, err);
	sm_sha256_final(&hash, hex);
	if (st == SM_OK)
		st = sm_outfile_commit(&out, err);
	sm_outfile_abandon(&out);
	json_array_append_new(outputs, json_pack("{s:s, s:s, s:s}", "path", name, "role", role,
						 "sha256", hex));
	return st;
}

static enum sm_status publish(struct sm_run *run, const struct sm_raw *raw, int format,
			      struct sm_err *err)
{
	static const struct {
		const char *file, *role;
	} rows[SM_CATALOGUE_FORMATS] = {
		[SM_CATALOGUE_CSV] = {"catalogue.csv", "csv"},
		[SM_CATALOGUE_JSON] = {"catalogue.json", "json"},
	};
	enum sm_status st = sm_ledger_sort(&run->ledger, err);
	json_t *files = file_counts(raw), *outputs = json_array();
	for (int f = 0; f < SM_CATALOGUE_FORMATS && st == SM_OK; f++) {
		const enum sm_catalogue_format how = (enum sm_catalogue_format)f;
		if (run->out && !run->dry_run && rows[f].file)
			st = write_catalogue(run, rows[f].file, rows[f].role, files, how, outputs,
					     err);
		if (st == SM_OK && f == format)
			st = sm_catalogue_write(run->ledger.records, files, how, stdout, NULL, err);
	}
	if (json_array_size(outputs))
		json_object_set(run->ledger.header, "outputs", outputs);
	json_decref(outputs);
	json_decref(files);
	return st;
}

/* Paths may name a person: printed only because the user asks for this very file. */
static enum sm_status find(struct sm_run *run, const struct options *o, struct sm_err *err)
{
	struct sm_salt salt;
	struct sm_paths paths;
	size_t found = 0, n = strncmp(o->find, "file-", 5) == 0 ? 5 : 0;
	size_t digits = strspn(o->find + n, "0123456789abcdef");
	if (!o->find[n])
		return SM_FAIL(err, SM_USAGE, "--find: is empty; allowed are 1 to 12 hex digits");
	if (o->find[n + digits] || digits > 12)
		return SM_FAIL(err, SM_USAGE,
			       "--find: found '%s', allowed are 1 to 12 hex digits (0-9, a-f)",
			       o->find + n);
	SM_TRY(sm_salt_open(o->salt_file, run->in, NULL, &run->log, &salt, err));
	enum sm_status st = sm_walk(run->in, &paths, err);
	for (size_t i = 0; st == SM_OK && i < paths.count; i++) {
		char alias[13];
		sm_file_alias(&salt, paths.path[i], alias);
		if (strncmp(alias, o->find + n, strlen(o->find + n)) != 0)
			continue;
		puts(paths.path[i]);
		found++;
	}
	if (st == SM_OK && !found)
		st = SM_FAIL(err, SM_INPUT,
			     "--find: no file below --in has a hash that begins with '%s'",
			     o->find + n);
	sm_paths_clear(&paths);
	sm_salt_clear(&salt);
	return st;
}

static enum sm_status run_index(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	const struct sm_manifest_root *m = run->manifest;
	struct sm_raw raw;
	if (o->find)
		return run->out ? SM_FAIL(err, SM_USAGE, "--find: prints only; leave out --out")
				: find(run, o, err);
	SM_TRY(sm_raw_open(run, m->ingest, o->salt_file, run->resume ? run->out : NULL, &raw, err));
	struct sm_items items = {
		.count = raw.n,
		.noun = "items",
		.ctx = &raw,
		.key = key_of,
		.inputs = inputs,
		.work = work,
		.writes_nothing = true,
		.good_word = "listed",
	};
	enum sm_status st = sm_run_items(run, &items, err);
	if (st == SM_OK)
		tell_use(run);
	if (st == SM_OK)
		st = publish(run, &raw, o->format, err);
	if (st == SM_OK && run->out && !run->dry_run && raw.scan.paths.count) {
		sm_info(&run->log, NULL, "%zu files, %zu of them opened", raw.scan.paths.count,
			raw.scan.opened);
		if (raw.suv_files)
			sm_info(&run->log, NULL,
				"%zu headers of PET files read again for ingest.pet_units: suvbw",
				raw.suv_files);
		st = sm_scan_keep_heads(&raw.scan, &raw.salt, &raw.rules, run->out, err);
	}
	sm_raw_clear(&raw);
	return st;
}

static const char *const sections[] = {"ingest", NULL};

static const struct sm_stage stage = {
	.name = "index",
	.summary = "list what a folder of raw scans holds",
	.details =
		"Reads headers only and converts nothing. Prints a table (or CSV, JSON: --format); "
		"with --out writes\n"
		"catalogue.csv, catalogue.json and the ledger that ingest can check against. Again "
		"with --resume, files\n"
		"whose path, size, inode and times of change are the same are not opened again\n"
		"(but for PET when ingest.pet_units asks for SUV). Patients, UIDs and DICOM file "
		"names appear as\n"
		"salted hashes. NIfTI files that no case takes are counted in a warning.\n"
		"The verdict of an item says what ingest will do with it, as far as headers tell:\n"
		"damage in the pixel data, text in them and anything behind them show only in "
		"ingest. The "
		"status in the\n"
		"ledger, the exit code and --strict are about listing: only a file that cannot be "
		"read is "
		"rejected here.\n"
		"Example: scanmill index --in raw --out work/index --salt-file salt",
	.version = 3,
	.needs = SM_NEEDS_IN,
	.options = &option_set,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_index,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
