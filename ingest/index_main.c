/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill index: what a raw tree holds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/raw.h"

struct options {
	char *salt_file, *find;
};

static const struct sm_field options[] = {
	{"salt_file", SM_F_STRING, .offset = offsetof(struct options, salt_file), .path = true,
	 .doc = "file whose bytes salt the hashes of patients, UIDs and file names"},
	{"find", SM_F_STRING, .offset = offsetof(struct options, find), .path = true,
	 .doc = "print the paths of the files whose hash begins with this, and nothing else"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("index", struct options, options, NULL);

static const char *key_of(void *ctx, size_t i)
{
	return ((struct sm_raw *)ctx)->item[i].key;
}

static enum sm_status describe_case(const struct sm_raw_case *c, struct sm_item *item,
				    struct sm_err *err)
{
	json_t *files = json_object();
	json_object_set_new(item->record, "patient", json_string(c->patient));
	for (size_t i = 0; i < c->n; i++)
		json_object_set_new(files, c->file[i].role, json_string_nocheck(c->file[i].path));
	json_object_set_new(item->record, "files", files);
	json_object_set_new(item->record, "verdict", json_string(c->problem ? "incomplete" : "ok"));
	if (c->warning)
		sm_item_warn(item, "%s", c->warning);
	if (c->problem)
		json_object_set_new(item->record, "verdict_reason",
				    json_string_nocheck(c->problem));
	return files ? SM_OK : SM_FAIL(err, SM_BUDGET, "index: out of memory");
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
	sm_raw_describe_series(raw, it->at, item->record);
	return SM_OK;
}

static void print_series(const struct sm_raw *raw, const struct sm_raw_item *it)
{
	const struct sm_series *s = &raw->scan.list.series[it->at];
	const struct sm_dcm_head *h = &raw->scan.head[s->slice[0].head];
	const struct sm_dcm_frame *f = sm_slice_frame(raw->scan.head, s->slice[0]);
	char size[64] = "-", mm[64] = "-";
	int at = 0;
	if (h->tile_rows > 0 && h->tile_columns > 0)
		at = snprintf(size, sizeof size, "%dx%dx%zu", h->tile_columns, h->tile_rows,
			      s->depth);
	if (at && s->times > 1)
		snprintf(size + at, sizeof size - (size_t)at, "x%zu", s->times);
	if (s->stack.gap_max > 0 && f)
		snprintf(mm, sizeof mm, "%.4gx%.4gx%.4g", f->spacing[0], f->spacing[1],
			 s->stack.gap_typical);
	printf("%-24s %-14s %-8s %-16s %-22s %s%s%s\n", it->key, raw->scan.series_patient[it->at],
	       h->modality, size, mm, sm_verdict_code(s->verdict), *s->why ? ": " : "", s->why);
}

static void print_table(const struct sm_raw *raw)
{
	printf("%-24s %-14s %-8s %-16s %-22s %s\n", "key", "patient", "kind", "size", "mm",
	       "verdict");
	for (size_t i = 0; i < raw->n; i++) {
		const struct sm_raw_item *it = &raw->item[i];
		if (it->kind == SM_RAW_SERIES) {
			print_series(raw, it);
		} else if (it->kind == SM_RAW_CASE) {
			const struct sm_raw_case *c = &raw->cases.v[it->at];
			printf("%-24s %-14.14s %-8s %-16zu %-22s %s%s\n", it->key, c->patient, "case",
			       c->n, "-", c->problem ? "incomplete: " : "ok",
			       c->problem ? c->problem : "");
		} else {
			printf("%-24s %-14s %-8s %-16s %-22s broken: the file %s\n", it->key, "-",
			       "file", "-", "-", raw->scan.broken_why[it->at]);
		}
	}
	for (int k = 0; k < SM_FILE_KINDS; k++)
		if (raw->scan.count[k])
			printf("%zu %s files\n", raw->scan.count[k],
			       sm_file_kind_name((enum sm_file_kind)k));
}

/* Paths may name a person: printed only because the user asks for this very file. */
static enum sm_status find(struct sm_run *run, const struct options *o, struct sm_err *err)
{
	struct sm_salt salt;
	struct sm_paths paths;
	size_t found = 0, n = strncmp(o->find, "file-", 5) == 0 ? 5 : 0;
	if (!o->find[n])
		return SM_FAIL(err, SM_USAGE, "--find: is empty; allowed are 1 to 12 hex digits");
	SM_TRY(sm_salt_read(o->salt_file, &salt, err));
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
	SM_TRY(sm_raw_open(run, m->ingest, o->salt_file, &raw, err));
	struct sm_items items = {
		.count = raw.n, .noun = "items", .ctx = &raw, .key = key_of, .inputs = inputs, .work = work};
	enum sm_status st = sm_run_items(run, &items, err);
	if (st == SM_OK)
		print_table(&raw);
	sm_raw_clear(&raw);
	return st;
}

static const char *const sections[] = {"ingest", NULL};

static const struct sm_stage stage = {
	.name = "index",
	.summary = "list what a folder of raw scans holds",
	.details = "Reads headers only and converts nothing. Prints a table; with --out writes the "
		   "ledger\n"
		   "that ingest can check against. Patients, UIDs and DICOM file names appear as "
		   "salted\n"
		   "hashes. NIfTI files that no case takes are counted in a warning.\n"
		   "Example: scanmill index --in raw --out work/index --salt-file salt",
	.version = 2,
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
