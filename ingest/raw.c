/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/raw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/dcm_pixels.h"

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct sm_raw_item *)a)->key, ((const struct sm_raw_item *)b)->key);
}

static enum sm_status list_items(struct sm_raw *raw, struct sm_err *err)
{
	const struct sm_scan *scan = &raw->scan;
	size_t broken = scan->count[SM_FILE_BROKEN], n = scan->list.n + raw->cases.n + broken;
	raw->item = calloc(n + 1, sizeof *raw->item);
	if (!raw->item)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory for %zu items", n);
	for (size_t i = 0; i < scan->list.n; i++)
		raw->item[raw->n++] = (struct sm_raw_item){SM_RAW_SERIES, i, scan->series_key[i]};
	for (size_t i = 0; i < raw->cases.n; i++)
		raw->item[raw->n++] = (struct sm_raw_item){SM_RAW_CASE, i, raw->cases.v[i].key};
	for (size_t i = 0; i < broken; i++) {
		char alias[13];
		sm_file_alias(&raw->salt, scan->paths.path[scan->broken[i]], alias);
		const char *key = sm_arena_strf(&raw->scan.arena, "file-%s", alias);
		if (!key)
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory for %zu items", n);
		raw->item[raw->n++] = (struct sm_raw_item){SM_RAW_BROKEN, i, key};
	}
	qsort(raw->item, raw->n, sizeof *raw->item, by_key);
	return SM_OK;
}

/* Single NIfTI files in the top folder, each a case of its own. */
static enum sm_status single_files(struct sm_raw *raw, struct sm_err *err)
{
	char role[] = "image", pattern[] = "{case}.nii*";
	struct sm_source source = {role, pattern, false, false};
	sm_raw_cases_clear(&raw->cases);
	SM_TRY(sm_raw_cases_find(&raw->scan.paths, &source, 1, &raw->cases, err));
	/* role points to this function's memory. */
	for (size_t i = 0; i < raw->cases.n; i++)
		for (size_t k = 0; k < raw->cases.v[i].n; k++)
			raw->cases.v[i].file[k].role = "image";
	return SM_OK;
}

static enum sm_status find_all(struct sm_run *run, const struct sm_ingest_section *section,
			       struct sm_raw *raw, struct sm_err *err)
{
	if (section->layout == SM_LAYOUT_FILES ||
	    (section->layout == SM_LAYOUT_AUTO && section->sources.n)) {
		if (!section->sources.n)
			return SM_FAIL(err, SM_USAGE,
				       "ingest.sources: is empty; layout files needs one "
				       "entry a role");
		SM_TRY(sm_walk(run->in, &raw->paths, err));
		return sm_raw_cases_find(&raw->paths, section->sources.items, section->sources.n,
					 &raw->cases, err);
	}
	if (section->layout == SM_LAYOUT_BRATS) {
		SM_TRY(sm_walk(run->in, &raw->paths, err));
		return sm_raw_cases_brats(&raw->paths, &raw->cases, err);
	}
	SM_TRY(sm_scan_tree(run->in, &raw->salt, run->jobs, &run->log, &raw->scan, err));
	if (section->layout == SM_LAYOUT_DICOM)
		return SM_OK;
	SM_TRY(sm_raw_cases_brats(&raw->scan.paths, &raw->cases, err));
	if (raw->cases.n == 0 && raw->scan.list.n == 0)
		return single_files(raw, err);
	return SM_OK;
}

static enum sm_status nothing_found(const struct sm_run *run,
				    const struct sm_ingest_section *section,
				    const struct sm_raw *raw, struct sm_err *err)
{
	size_t files = raw->scan.paths.count + raw->paths.count;
	if (section->sources.n) {
		const struct sm_source *first = section->sources.items;
		return SM_FAIL(err, SM_INPUT,
			       "%s: none of %zu files fits a pattern of ingest.sources (the first "
			       "is '%s')",
			       run->in, files, first->pattern);
	}
	return SM_FAIL(err, SM_INPUT, "%s: none of %zu files is what layout %s looks for (%s)",
		       run->in, files,
		       section->layout == SM_LAYOUT_BRATS   ? "brats"
		       : section->layout == SM_LAYOUT_DICOM ? "dicom"
							    : "auto",
		       section->layout == SM_LAYOUT_BRATS ? "NAME/NAME_flair.nii.gz and so on"
		       : section->layout == SM_LAYOUT_DICOM
			       ? "DICOM files"
			       : "DICOM files, BraTS folders, NIfTI files");
}

enum sm_status sm_raw_open(struct sm_run *run, const struct sm_ingest_section *section,
			   const char *salt_file, struct sm_raw *out, struct sm_err *err)
{
	*out = (struct sm_raw){0};
	enum sm_status st = sm_salt_read(salt_file, &out->salt, err);
	if (st == SM_OK)
		st = find_all(run, section, out, err);
	if (st == SM_OK)
		st = list_items(out, err);
	if (st == SM_OK && out->n == 0)
		st = nothing_found(run, section, out, err);
	if (st != SM_OK) {
		sm_raw_clear(out);
		return st;
	}
	if (out->cases.n && out->cases.unmatched && !out->scan.dicom_count)
		sm_info(&run->log, NULL, "%zu files belong to no case", out->cases.unmatched);
	if (out->scan.dicom_count && !out->salt.n)
		sm_warn(&run->log, NULL,
			"no --salt-file: who knows a PatientID or a UID can confirm its hash");
	json_object_set_new(run->ledger.header, "salted", json_boolean(out->salt.n > 0));
	return SM_OK;
}

void sm_raw_clear(struct sm_raw *raw)
{
	sm_salt_clear(&raw->salt);
	sm_scan_clear(&raw->scan);
	sm_raw_cases_clear(&raw->cases);
	sm_paths_clear(&raw->paths);
	free(raw->item);
	*raw = (struct sm_raw){0};
}

/* Angles and distances for people: the last bits of a double say nothing. */
static json_t *rounded(double v, double unit)
{
	return json_real(floor(v / unit + 0.5) * unit);
}

static void describe_stack(const struct sm_series *s, const struct sm_dcm_head *h, json_t *record)
{
	const struct sm_stack *k = &s->stack;
	json_t *notes = json_array();
	json_object_set_new(record, "columns", json_integer(h->columns));
	json_object_set_new(record, "rows", json_integer(h->rows));
	json_object_set_new(record, "pixel_mm", sm_json_floats(h->spacing, 2));
	if (k->gap_max > 0) {
		double gap[2] = {k->gap_min, k->gap_max};
		json_object_set_new(record, "slice_mm", sm_json_floats(gap, 2));
	}
	if (k->tilt_degrees > 0)
		json_object_set_new(record, "tilt_degrees", rounded(k->tilt_degrees, 0.01));
	for (unsigned v = 0; v < SM_VERDICT_COUNT; v++)
		if (s->notes >> v & 1)
			json_array_append_new(notes,
					      json_string(sm_verdict_code((enum sm_verdict)v)));
	if (json_array_size(notes))
		json_object_set(record, "notes", notes);
	json_decref(notes);
}

void sm_raw_describe_series(const struct sm_raw *raw, size_t series, json_t *record)
{
	const struct sm_series *s = &raw->scan.list.series[series];
	const struct sm_dcm_head *h = &raw->scan.head[s->head[0]];
	char hex[65];
	json_object_set_new(record, "patient", json_string(raw->scan.series_patient[series]));
	json_object_set_new(record, "modality", json_string(h->modality));
	json_object_set_new(record, "slices", json_integer((json_int_t)s->n));
	json_object_set_new(record, "verdict", json_string(sm_verdict_code(s->verdict)));
	json_object_set_new(record, "transfer_syntax", json_string(h->syntax));
	sm_salt_hash(&raw->salt, h->study, hex);
	json_object_set_new(record, "study", json_string(hex));
	if (*h->frame_of_reference) {
		/* Series with the same frame lie in the same space. */
		sm_salt_hash(&raw->salt, h->frame_of_reference, hex);
		json_object_set_new(record, "frame_of_reference", json_string(hex));
	}
	if (s->verdict != SM_VERDICT_OK)
		json_object_set_new(record, "verdict_reason", json_string_nocheck(s->why));
	if (s->copies)
		json_object_set_new(record, "copies", json_integer((json_int_t)s->copies));
	if (h->has_pixels_size)
		describe_stack(s, h, record);
}
