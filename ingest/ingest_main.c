/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill ingest: raw scans to clean NIfTI volumes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/cases/case_head.h"
#include "ingest/convert.h"
#include "ingest/series/dcm_files.h"

struct options {
	char *salt_file, *index;
	bool single;
};

static const struct sm_field options[] = {
	{"salt_file", SM_F_STRING, .offset = offsetof(struct options, salt_file), .path = true,
	 .doc = "file whose bytes salt the hashes of patients, UIDs and file names"},
	{"index", SM_F_STRING, .offset = offsetof(struct options, index), .path = true,
	 .doc = "folder of the index stage: stop when the raw tree is no longer what it lists"},
	{"single", SM_F_BOOL, .offset = offsetof(struct options, single), "false",
	 .doc = "the folder must hold exactly one DICOM series"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("ingest", struct options, options, NULL);

static const char *key_of(void *ctx, size_t i)
{
	return ((struct sm_convert *)ctx)->raw->item[i].key;
}

static enum sm_status series_inputs(const struct sm_raw *raw, const struct sm_raw_item *it,
				    struct sm_item *item, struct sm_err *err)
{
	struct sm_series_files files;
	char hex[65];
	enum sm_status st = sm_series_files_list(&raw->scan.list.series[it->at], &files, err);
	if (st == SM_OK)
		st = sm_series_files_hash(&files, item->run->in, &raw->scan, &raw->salt, item->jobs,
					  err);
	if (st == SM_OK)
		st = sm_series_files_sum(&files, hex, err);
	sm_series_files_clear(&files);
	return st == SM_OK ? sm_convert_inputs(raw, it, hex, item, err) : st;
}

/* Inputs are named by role and hash of their bytes; DICOM paths stay out. */
static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_raw *raw = ((struct sm_convert *)ctx)->raw;
	const struct sm_raw_item *it = &raw->item[i];
	char hex[65];
	if (it->kind == SM_RAW_SERIES) /* hashed while they are read, when that is soon enough */
		return sm_item_defer_inputs(item) ? SM_OK : series_inputs(raw, it, item, err);
	SM_TRY(sm_raw_listing(raw, it, false, item, err));
	if (it->kind == SM_RAW_BROKEN)
		return SM_OK;
	const struct sm_raw_case *c = &raw->cases.v[it->at];
	for (size_t k = 0; k < c->n; k++) {
		const char *path = c->file[k].path;
		SM_TRY(sm_raw_file_sha256(item->run->in, path, path, hex, err));
		SM_TRY(sm_item_input(item, c->file[k].role, c->file[k].path, hex, err));
	}
	return SM_OK;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_convert *c = ctx;
	const struct sm_raw_item *it = &c->raw->item[i];
	if (it->kind == SM_RAW_SERIES)
		return sm_convert_series(c, it, item, err);
	if (it->kind == SM_RAW_CASE)
		return sm_convert_case(c, &c->raw->cases.v[it->at], item, err);
	return SM_FAIL(err, SM_INPUT, "the file %s (scanmill index --find %s prints its path)",
		       c->raw->scan.broken_why[it->at], it->key);
}

/* What ingest will surely refuse, by names and headers. */
static enum sm_status foresee(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_raw *raw = ((struct sm_convert *)ctx)->raw;
	const struct sm_raw_item *it = &raw->item[i];
	struct sm_case_head head;
	enum sm_verdict verdict;
	char why[500];
	if (it->kind == SM_RAW_BROKEN)
		return work(ctx, i, item, err);
	if (it->kind == SM_RAW_CASE)
		return sm_case_head(&raw->cases.v[it->at], item->run, &head, err);
	if (sm_raw_judge_series(raw, it->at, &verdict, why) == SM_RAW_USABLE)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT, "%s: %s", sm_verdict_code(verdict), why);
}

/* Bytes of pixels; of JPEG 2000 many times as much. Files whose size is not known yet count as
 * nothing. */
static double weight(void *ctx, size_t i)
{
	const struct sm_raw *raw = ((struct sm_convert *)ctx)->raw;
	const struct sm_raw_item *it = &raw->item[i];
	if (it->kind != SM_RAW_SERIES)
		return 0;
	const struct sm_series *s = &raw->scan.list.series[it->at];
	const struct sm_dcm_head *h = &raw->scan.head[s->slice[0].head];
	double slow = !h->syntax || h->syntax->way == SM_SYNTAX_NATIVE ? 1
		      : h->syntax->way == SM_SYNTAX_J2K                ? 8
								       : 2;
	return slow * (double)s->n * h->tile_rows * h->tile_columns * h->format.bits_allocated / 8;
}

/* Reports, plans and localisers are no volumes: they leave the list of items and are noted in the
 * header of the ledger. */
static void set_aside(struct sm_run *run, struct sm_raw *raw, size_t *aside)
{
	json_t *skipped = json_array();
	size_t kept = 0;
	for (size_t i = 0; i < raw->n; i++) {
		const struct sm_raw_item *it = &raw->item[i];
		const struct sm_series *s =
			it->kind == SM_RAW_SERIES ? &raw->scan.list.series[it->at] : NULL;
		if (!s || !sm_verdict_is_skip(s->verdict)) {
			raw->item[kept++] = *it;
			continue;
		}
		json_t *o = json_object();
		json_object_set_new(o, "key", json_string(it->key));
		json_object_set_new(o, "files", json_integer((json_int_t)s->n));
		json_object_set_new(o, "verdict", json_string(sm_verdict_code(s->verdict)));
		json_object_set_new(o, "reason", json_string_nocheck(s->why));
		json_array_append_new(skipped, o);
		sm_info(&run->log, it->key, "set aside: %s", s->why);
	}
	raw->n = kept;
	*aside = json_array_size(skipped);
	if (*aside)
		json_object_set(run->ledger.header, "set_aside", skipped);
	json_decref(skipped);
}

static enum sm_status check_single(const struct sm_run *run, const struct sm_raw *raw,
				   struct sm_err *err)
{
	size_t series = 0;
	const char *name[2] = {"", ""};
	for (size_t i = 0; i < raw->n; i++)
		if (raw->item[i].kind == SM_RAW_SERIES) {
			if (series < 2)
				name[series] = raw->item[i].key;
			series++;
		}
	if (series == 1 && raw->n == 1)
		return SM_OK;
	return SM_FAIL(
		err, SM_INPUT,
		"%s: holds %zu series%s%s%s%s%s and %zu other things, --single allows exactly one "
		"series (scanmill index lists them)",
		run->in, series, series ? " (" : "", name[0], series > 1 ? ", " : "", name[1],
		series > 2 ? ", ...)"
		: series   ? ")"
			   : "",
		raw->n - series);
}

static enum sm_status check_index(struct sm_run *run, const char *dir, const struct sm_raw *raw,
				  struct sm_err *err)
{
	struct sm_ledger index;
	SM_TRY(sm_run_parent(run, dir, "index", &index, err));
	enum sm_status st = SM_OK;
	for (size_t i = 0; i < raw->n && st == SM_OK; i++)
		if (sm_records_find(index.records, raw->item[i].key) == SM_NONE)
			st = SM_FAIL(err, SM_INPUT,
				     "--index: %s is in the raw tree but not in the index (made "
				     "with another "
				     "salt, or the tree changed): run scanmill index again",
				     raw->item[i].key);
	if (st == SM_OK && sm_records_count(index.records) != raw->n)
		st = SM_FAIL(err, SM_INPUT,
			     "--index: lists %zu items, the raw tree holds %zu: run scanmill index "
			     "again",
			     sm_records_count(index.records), raw->n);
	sm_ledger_clear(&index);
	return st;
}

static enum sm_status run_ingest(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	const struct sm_ingest_section *m =
		((const struct sm_manifest_root *)run->manifest)->ingest;
	struct sm_raw raw;
	SM_TRY(sm_raw_open(run, m, o->salt_file, NULL, &raw, err));
	struct sm_convert c = {
		.raw = &raw,
		.regrid = m->uneven == SM_UNEVEN_REGRID,
		.suv = m->pet_units == SM_PET_SUVBW,
		.compression = m->compression,
		.grid_tolerance = m->grid_tolerance,
	};
	enum sm_status st = SM_OK;
	size_t aside;
	if (o->index)
		SM_GOTO(st, check_index(run, o->index, &raw, err));
	set_aside(run, &raw, &aside);
	if (!raw.n)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "%s: nothing to convert: all of its %zu series are no scans "
				    "and were set aside (scanmill index lists them)",
				    run->in, aside));
	if (o->single)
		SM_GOTO(st, check_single(run, &raw, err));
	struct sm_items items = {.count = raw.n,
				 .noun = "items",
				 .ctx = &c,
				 .key = key_of,
				 .inputs = inputs,
				 .work = work,
				 .weight = weight,
				 .foresee = foresee};
	SM_GOTO(st, sm_run_items(run, &items, err));
out:
	sm_raw_clear(&raw);
	return st;
}

static const char *const sections[] = {"ingest", NULL};

static const struct sm_stage stage = {
	.name = "ingest",
	.summary = "raw scans to clean NIfTI volumes with sidecars",
	.details =
		"Each DICOM series becomes KEY/image.nii.gz and KEY/image.json (layout mixed: ct, "
		"mr, pet), each case of a "
		"NIfTI tree\n"
		"KEY/ROLE.nii.gz (of pictures KEY/ROLE.png) and KEY/case.json. The key of a series "
		"is a "
		"salted hash.\n"
		"Uneven, gapped and ambiguous series are refused with a sentence; ingest.uneven: "
		"regrid "
		"interpolates.\n"
		"Reports, plans and localisers are set aside; when nothing else is there, the exit "
		"code is 3.\n"
		"--dry-run tells what names and headers say will be refused, and exits with 0.\n"
		"Example: scanmill ingest --in raw --out work/ingest --salt-file salt",
	.version = 3,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT | SM_BY_ITEM,
	.options = &option_set,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_ingest,
};

int main(int argc, char **argv)
{
	sm_mem_one_pool();
	return sm_stage_main(&stage, argc, argv);
}
