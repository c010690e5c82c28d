/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/raw.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/nii.h"
#include "ingest/cases/bids_fields.h"
#include "ingest/cases/layout.h"
#include "ingest/salt_file.h"

#define LISTING_PEEK 4096

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
	return sm_raw_check_keys(raw, err);
}

/* Single NIfTI files and pairs in the top folder, each a case of its own. ECAT files are taken to
 * be refused by name. */
static enum sm_status single_files(struct sm_raw *raw, struct sm_err *err)
{
	static const char *const patterns[] = {"{case}.nii*", "{case}.NII*", "{case}.hdr",
					       "{case}.hdr.gz", "{case}.v"};
	struct sm_source sources[sizeof patterns / sizeof *patterns];
	for (size_t s = 0; s < sizeof sources / sizeof *sources; s++)
		sources[s] = (struct sm_source){(char *)"image", (char *)patterns[s], false, true};
	sm_raw_cases_clear(&raw->cases);
	SM_TRY(sm_raw_cases_find(&raw->scan.paths, sources, sizeof sources / sizeof *sources,
				 &raw->cases, err));
	for (size_t i = 0; i < raw->cases.n; i++) {
		struct sm_raw_case *c = &raw->cases.v[i];
		if (c->n > 1 && !c->problem)
			c->problem = sm_arena_strf(
				&raw->cases.arena,
				"case %s: the files %s and %s have the same name but for their "
				"ends, allowed is one",
				c->key, c->file[0].path, c->file[1].path);
		if (c->n > 1 && !c->problem)
			return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
		/* the .img of a pair comes with its .hdr */
		if (c->n == 1 && sm_nii_is_pair(c->file[0].path) && raw->cases.unmatched)
			raw->cases.unmatched--;
	}
	return SM_OK;
}

static enum sm_status find_cases(struct sm_run *run, const struct sm_ingest_section *section,
				 enum sm_layout layout, const struct sm_paths *paths,
				 struct sm_raw *raw, struct sm_err *err)
{
	struct sm_layout_job job = {
		.root = run->in, .paths = paths, .section = section, .mem = &run->mem};
	sm_raw_cases_clear(&raw->cases);
	return sm_layout_rows[layout].find(&job, &raw->cases, err);
}

static bool any_picture(const struct sm_paths *paths)
{
	bool any = false;
	for (size_t i = 0; i < paths->count; i++)
		any = any || sm_layout_is_picture(paths->path[i]);
	return any;
}

static enum sm_status find_all(struct sm_run *run, const struct sm_ingest_section *section,
			       struct sm_raw *raw, struct sm_err *err)
{
	enum sm_layout layout = sm_layout_settle(run->in, section);
	if (section->layout == SM_LAYOUT_AUTO && sm_layout_rows[layout].mark)
		sm_info(&run->log, NULL, "%s is there: layout %s", sm_layout_rows[layout].mark,
			sm_layout_rows[layout].name);
	if (sm_layout_rows[layout].find) {
		SM_TRY(sm_walk(run->in, &raw->paths, err));
		sm_scan_tell_left_out(&run->log, &raw->paths);
		return find_cases(run, section, layout, &raw->paths, raw, err);
	}
	SM_TRY(sm_scan_tree(run->in, &raw->salt, &raw->rules, run->jobs, &run->log, &raw->scan,
			    err));
	if (layout == SM_LAYOUT_DICOM)
		return SM_OK;
	if (layout == SM_LAYOUT_MIXED) {
		SM_TRY(sm_raw_find_mixed(raw, err));
		return sm_fields_beside(run->in, &raw->scan.paths, &run->mem, &raw->cases, err);
	}
	SM_TRY(sm_raw_cases_brats(&raw->scan.paths, &raw->cases, err));
	if (raw->cases.n || raw->scan.list.n)
		return SM_OK;
	/* Pictures beside scans are previews. */
	if (!raw->scan.count[SM_FILE_DICOM] && !raw->scan.count[SM_FILE_BROKEN] &&
	    !raw->scan.count[SM_FILE_NIFTI] && any_picture(&raw->scan.paths))
		return find_cases(run, section, SM_LAYOUT_IMAGES, &raw->scan.paths, raw, err);
	return single_files(raw, err);
}

static enum sm_status nothing_found(const struct sm_run *run,
				    const struct sm_ingest_section *section,
				    const struct sm_raw *raw, struct sm_err *err)
{
	size_t files = raw->scan.paths.count + raw->paths.count;
	const struct sm_layout_row *row = &sm_layout_rows[sm_layout_settle(run->in, section)];
	if (raw->scan.count[SM_FILE_NIFTI] && section->layout == SM_LAYOUT_AUTO)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %zu of %zu files are NIfTI, but in subfolders: layout auto takes "
			"single NIfTI files only at the top and folders named as BraTS does; give "
			"patterns in ingest.sources (for example {role: image, pattern: "
			"\"*/{case}.nii.gz\"}) or --in the folder that holds the files",
			run->in, raw->scan.count[SM_FILE_NIFTI], files);
	if (section->sources.n && section->layout != SM_LAYOUT_MIXED) {
		const struct sm_source *first = section->sources.items;
		return SM_FAIL(err, SM_INPUT,
			       "%s: none of %zu files fits a pattern of ingest.sources (the first "
			       "is '%s')",
			       run->in, files, first->pattern);
	}
	return SM_FAIL(err, SM_INPUT, "%s: none of %zu files is what layout %s looks for (%s)",
		       run->in, files, row->name, row->looks_for);
}

/* What the layout tells of the whole tree goes to the ledger, its warnings to the log too. */
static void tell_dataset(struct sm_run *run, const json_t *dataset)
{
	const json_t *all = json_object_get(dataset, "warnings");
	for (size_t i = 0; i < json_array_size(all); i++)
		sm_warn(&run->log, NULL, "%s", json_string_value(json_array_get(all, i)));
	if (dataset)
		json_object_set(run->ledger.header, "dataset", (json_t *)(uintptr_t)dataset);
}

/* NIfTI files of a walked tree that no case took. */
static size_t nifti_left(const struct sm_raw *raw)
{
	size_t taken = 0, all = raw->scan.count[SM_FILE_NIFTI];
	for (size_t i = 0; i < raw->cases.n; i++)
		taken += raw->cases.v[i].n;
	return all > taken ? all - taken : 0;
}

/* Two studies of a person whose files carry no PatientID look like two persons, and may part in a
 * split. */
static void warn_patients(struct sm_run *run, const struct sm_raw *raw)
{
	const struct sm_scan *scan = &raw->scan;
	size_t without = 0, all = 0;
	for (size_t i = 0; i < scan->list.n; i++) {
		bool scanned = !sm_verdict_is_skip(scan->list.series[i].verdict);
		all += scanned;
		without += scanned && scan->patient_from[i];
	}
	if (without)
		sm_warn(&run->log, NULL,
			"%zu of %zu series have no PatientID: the study stands for the patient "
			"(patient_from in the record), so two studies of one person would be two "
			"patients",
			without, all);
}

enum sm_status sm_raw_open(struct sm_run *run, const struct sm_ingest_section *section,
			   const char *salt_file, const char *cache, struct sm_raw *out,
			   struct sm_err *err)
{
	*out = (struct sm_raw){.section = section};
	out->rules = (struct sm_scan_rules){
		.head = {.philips_display = section->philips_scale == SM_PHILIPS_DISPLAY},
		.series = {.min_slices = (size_t)section->min_slices,
			   .keep_tilt = section->tilt == SM_TILT_KEEP},
		.cache_dir = cache,
	};
	enum sm_status st = sm_salt_open(salt_file, run->in, run->out, &run->log, &out->salt, err);
	if (st == SM_OK)
		st = find_all(run, section, out, err);
	if (st == SM_OK)
		st = list_items(out, err);
	if (st == SM_OK)
		st = sm_raw_foresee_suv(out, run->in, run->jobs, err);
	if (st == SM_OK && out->n == 0)
		st = nothing_found(run, section, out, err);
	if (st != SM_OK) {
		sm_raw_clear(out);
		return st;
	}
	tell_dataset(run, out->cases.dataset);
	out->nifti_left = nifti_left(out);
	if (out->nifti_left) {
		/* Their names may be a person's: a count is all that leaves. */
		sm_warn(&run->log, NULL,
			"%zu NIfTI files belong to no series and no case and are left out "
			"(ingest.layout: files, or mixed, takes NIfTI files by patterns)",
			out->nifti_left);
		json_object_set_new(run->ledger.header, "nifti_left_out",
				    json_integer((json_int_t)out->nifti_left));
	}
	if (out->cases.n && out->cases.unmatched && !out->scan.dicom_count)
		sm_info(&run->log, NULL, "%zu files belong to no case", out->cases.unmatched);
	if (out->scan.dicom_count && !out->salt.n)
		sm_warn(&run->log, NULL,
			"no --salt-file: who knows a PatientID or a UID can confirm its hash");
	warn_patients(run, out);
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
	free(raw->no_suv);
	*raw = (struct sm_raw){0};
}

/* Angles and distances for people: the last bits of a double say nothing. */
static json_t *rounded(double v, double parts)
{
	return json_real(floor(v * parts + 0.5) / parts);
}

static void describe_times(const struct sm_series *s, json_t *record)
{
	static const char *const kinds[] = {
		[SM_FOURTH_NONE] = "none",
		[SM_FOURTH_TIME] = "time",
		[SM_FOURTH_DIFFUSION] = "diffusion",
		[SM_FOURTH_OTHER] = "other",
	};
	json_object_set_new(record, "times", json_integer((json_int_t)s->times));
	json_object_set_new(record, "fourth_axis", json_string(kinds[s->fourth]));
	json_object_set_new(record, "ordered_by", json_string(s->ordered_by));
}

static void describe_notes(const struct sm_series *s, json_t *record)
{
	json_t *notes = json_array();
	for (unsigned v = 0; v < SM_VERDICT_COUNT; v++)
		if (s->notes >> v & 1)
			json_array_append_new(notes,
					      json_string(sm_verdict_code((enum sm_verdict)v)));
	if (json_array_size(notes))
		json_object_set(record, "notes", notes);
	json_decref(notes);
}

static void describe_stack(const struct sm_series *s, const struct sm_dcm_head *h,
			   const struct sm_dcm_frame *f, json_t *record)
{
	const struct sm_stack *k = &s->stack;
	const int64_t dim[4] = {h->tile_columns, h->tile_rows, (int64_t)s->depth,
				(int64_t)s->times};
	json_object_set_new(record, "dim", sm_json_ints(dim, s->times > 1 ? 4 : 3));
	if (f->has_spacing)
		json_object_set_new(record, "pixel_mm", sm_json_floats(f->spacing, 2));
	if (k->gap_max > 0) {
		double gap[2] = {k->gap_min, k->gap_max};
		json_object_set_new(record, "slice_mm", sm_json_floats(gap, 2));
	}
	if (k->tilt_degrees > 0)
		json_object_set_new(record, "tilt_degrees", rounded(k->tilt_degrees, 100));
	if (s->times > 1)
		describe_times(s, record);
	describe_notes(s, record);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Files that hold a slice of the series; an enhanced one holds many. */
static size_t count_files(const struct sm_series *s)
{
	size_t files = 0;
	uint32_t *head = calloc(s->n + 1, sizeof *head);
	for (size_t k = 0; head && k < s->n; k++)
		head[k] = s->slice[k].head;
	if (head)
		qsort(head, s->n, sizeof *head, by_number);
	for (size_t k = 0; head && k < s->n; k++)
		files += !k || head[k] != head[k - 1];
	free(head);
	return files;
}

const char *sm_raw_burned_in(const struct sm_raw *raw, const struct sm_series *s)
{
	static const char *const why[] = {
		[SM_BURNED_NO] = NULL,
		[SM_BURNED_DECLARED] = "BurnedInAnnotation is YES",
		[SM_BURNED_CAPTURE] = "a secondary capture, which often carries text",
		[SM_BURNED_ULTRASOUND] = "an ultrasound picture, which often carries text",
	};
	for (size_t i = 0; i < s->n && (s->notes >> SM_VERDICT_BURNED_IN & 1); i++)
		if (raw->scan.head[s->slice[i].head].burned_in)
			return why[raw->scan.head[s->slice[i].head].burned_in];
	return NULL;
}

enum sm_raw_use sm_raw_judge_series(const struct sm_raw *raw, size_t series,
				    enum sm_verdict *verdict, char why[500])
{
	const struct sm_series *s = &raw->scan.list.series[series];
	const char *text = sm_raw_burned_in(raw, s);
	bool taken = s->verdict == SM_VERDICT_OK || (raw->section->uneven == SM_UNEVEN_REGRID &&
						     sm_verdict_can_regrid(s->verdict));
	if (text && raw->section->burned_text == SM_BURNED_TEXT_REFUSE) {
		*verdict = SM_VERDICT_BURNED_IN;
		if (why)
			snprintf(why, 500,
				 "%s (ingest.burned_text: keep takes it when a person has looked)",
				 text);
		return SM_RAW_REFUSED;
	}
	const char *no_suv = taken && raw->no_suv ? raw->no_suv[series] : NULL;
	*verdict = no_suv ? SM_VERDICT_NO_SUV : s->verdict;
	if (why)
		snprintf(why, 500, "%s", no_suv ? no_suv : s->why);
	if (no_suv)
		return SM_RAW_REFUSED;
	return taken                            ? SM_RAW_USABLE
	       : sm_verdict_is_skip(s->verdict) ? SM_RAW_ASIDE
						: SM_RAW_REFUSED;
}

void sm_raw_describe_series(const struct sm_raw *raw, size_t series, json_t *record)
{
	const struct sm_series *s = &raw->scan.list.series[series];
	const struct sm_dcm_head *h = &raw->scan.head[s->slice[0].head];
	const struct sm_dcm_frame *f = sm_slice_frame(raw->scan.head, s->slice[0]);
	enum sm_verdict verdict;
	char why[500];
	sm_raw_judge_series(raw, series, &verdict, why);
	json_object_set_new(record, "patient", json_string(raw->scan.series_patient[series]));
	if (raw->scan.patient_from[series])
		json_object_set_new(record, "patient_from",
				    json_string(raw->scan.patient_from[series]));
	json_object_set_new(record, "modality", json_string(h->modality));
	if (raw->section->layout == SM_LAYOUT_MIXED) {
		char role[17];
		sm_raw_role(raw, series, role);
		json_object_set_new(record, "role", json_string(role));
	}
	json_object_set_new(record, "slices", json_integer((json_int_t)s->depth));
	json_object_set_new(record, "files", json_integer((json_int_t)count_files(s)));
	json_object_set_new(record, "verdict", json_string(sm_verdict_code(verdict)));
	json_object_set_new(record, "transfer_syntax", json_string(h->syntax_uid));
	json_object_set_new(record, "study", json_string(h->study));
	/* Series with the same frame lie in the same space. */
	if (*h->frame_of_reference)
		json_object_set_new(record, "frame_of_reference",
				    json_string(h->frame_of_reference));
	if (verdict != SM_VERDICT_OK)
		json_object_set_new(record, "verdict_reason", json_string_nocheck(why));
	if (s->copies)
		json_object_set_new(record, "copies", json_integer((json_int_t)s->copies));
	if (f && h->tile_rows > 0 && h->tile_columns > 0)
		describe_stack(s, h, f, record);
}

static void add_text(struct sm_sha256 *sum, const char *text)
{
	sm_sha256_add(sum, text, strlen(text) + 1);
}

static void add_number(struct sm_sha256 *sum, double v)
{
	char text[32];
	snprintf(text, sizeof text, "%.17g", v);
	add_text(sum, text);
}

static void add_head(struct sm_sha256 *sum, const struct sm_dcm_head *h)
{
	const struct sm_pixel_format *p = &h->format;
	const double whole[] = {p->rows,         p->columns,       p->samples,
				p->frames,       p->bits_allocated, p->bits_stored,
				p->high_bit,     p->is_signed,      p->is_float,
				h->inverted,     h->kind,           h->tile_rows,
				h->tile_columns, h->tiles_across,   (double)h->slices_declared,
				h->burned_in,    (double)h->times_declared};
	const char *const text[] = {h->sop,        h->series,      h->study,
				    h->patient,    h->modality,    h->frame_of_reference,
				    h->syntax_uid, h->units,       h->maker,
				    h->why,        h->series_kind, p->photometric};
	for (size_t i = 0; i < sizeof text / sizeof *text; i++)
		add_text(sum, text[i]);
	for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
		add_number(sum, whole[i]);
}

static void add_frame(struct sm_sha256 *sum, const struct sm_dcm_frame *f)
{
	/* As bytes, not as text: an enhanced object may have tens of thousands of frames. */
	const double whole[] = {f->picture,
				f->tile,
				f->thickness,
				f->slice_step,
				f->slope,
				f->intercept,
				f->scale,
				f->component,
				f->kvp,
				f->echo_time,
				f->inversion_time,
				(double)f->stack,
				(double)f->acquisition,
				(double)f->instance,
				(double)f->temporal,
				f->trigger,
				f->time,
				f->reference,
				f->duration,
				f->decay_factor,
				f->b_value,
				f->spacing[0],
				f->spacing[1]};
	add_text(sum, f->image_kind);
	add_text(sum, f->image_words);
	add_text(sum, f->kernel);
	add_text(sum, f->setting);
	sm_sha256_add(sum, whole, sizeof whole);
	sm_sha256_add(sum, f->position, sizeof f->position);
	sm_sha256_add(sum, f->across, sizeof f->across);
	sm_sha256_add(sum, f->down, sizeof f->down);
	sm_sha256_add(sum, f->b_vector, sizeof f->b_vector);
}

static enum sm_status add_series(struct sm_sha256 *sum, const struct sm_raw *raw, size_t series,
				 struct sm_err *err)
{
	const struct sm_series *s = &raw->scan.list.series[series];
	json_t *record = json_object();
	if (record)
		sm_raw_describe_series(raw, series, record);
	char *line = sm_json_line(record);
	json_decref(record);
	if (!line)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	add_text(sum, line);
	free(line);
	add_number(sum, (double)s->copies);
	add_number(sum, s->part);
	add_number(sum, s->parts);
	add_number(sum, (double)s->notes);
	for (size_t k = 0; k < s->n; k++) {
		const struct sm_dcm_frame *f = sm_slice_frame(raw->scan.head, s->slice[k]);
		if (k == 0 || s->slice[k].head != s->slice[k - 1].head)
			add_head(sum, &raw->scan.head[s->slice[k].head]);
		if (f)
			add_frame(sum, f);
	}
	return SM_OK;
}

/* Size and first bytes; a file that cannot be read counts as such. */
static enum sm_status add_file(struct sm_sha256 *sum, const char *root, const char *path,
			       struct sm_err *err)
{
	char *full = sm_path_join(root, path), bytes[LISTING_PEEK];
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	FILE *f = fopen(full, "rb");
	free(full);
	if (!f && (errno == EMFILE || errno == ENFILE))
		return SM_FAIL(err, SM_IO, "a file cannot be opened: %s", strerror(errno));
	if (!f) {
		add_text(sum, "unreadable");
		return SM_OK;
	}
	sm_sha256_add(sum, bytes, fread(bytes, 1, sizeof bytes, f));
	add_number(sum, fseeko(f, 0, SEEK_END) == 0 ? (double)ftello(f) : -1);
	fclose(f);
	return SM_OK;
}

/* Both files of a .hdr/.img pair, of which a case names one. What is missing is told when it is
 * read. */
static enum sm_status add_pair(struct sm_sha256 *sum, const char *root, const char *path,
			       struct sm_err *err)
{
	char *full = sm_path_join(root, path), *half[2], hex[65];
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	enum sm_status st = sm_nii_find_pair(full, path, &half[0], &half[1], NULL);
	free(full);
	if (st != SM_OK) {
		add_text(sum, "incomplete");
		return st == SM_BUDGET ? SM_FAIL(err, SM_BUDGET, "ingest: out of memory") : SM_OK;
	}
	for (int i = 0; i < 2; i++) {
		struct sm_err why = {0};
		enum sm_status got = sm_sha256_file(half[i], hex, &why);
		if (why.scarce) {
			*err = why;
			st = sm_fail_unreadable(err, path);
		}
		add_text(sum, got == SM_OK ? hex : "unreadable");
		free(half[i]);
	}
	return st;
}

static enum sm_status add_case(struct sm_sha256 *sum, const struct sm_raw_case *c, const char *root,
			       bool heads, struct sm_err *err)
{
	add_text(sum, c->patient);
	add_text(sum, c->problem ? c->problem : "");
	add_text(sum, c->warning ? c->warning : "");
	for (size_t k = 0; k < c->n; k++) {
		add_text(sum, c->file[k].role);
		add_text(sum, c->file[k].path);
		add_text(sum, c->file[k].fields ? c->file[k].fields : "");
		for (size_t i = 0; i < c->file[k].split_n; i++)
			add_text(sum, c->file[k].split[i]);
		if (heads)
			SM_TRY(add_file(sum, root, c->file[k].path, err));
		if (sm_nii_is_pair(c->file[k].path))
			SM_TRY(add_pair(sum, root, c->file[k].path, err));
	}
	return SM_OK;
}

enum sm_status sm_raw_listing(const struct sm_raw *raw, const struct sm_raw_item *it, bool heads,
			      struct sm_item *item, struct sm_err *err)
{
	char hex[65], salted[65];
	struct sm_sha256 *sum = sm_sha256_begin();
	enum sm_status st = SM_OK;
	if (!sum)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	if (it->kind == SM_RAW_SERIES)
		st = add_series(sum, raw, it->at, err);
	else if (it->kind == SM_RAW_CASE)
		st = add_case(sum, &raw->cases.v[it->at], item->run->in, heads, err);
	else
		add_text(sum, raw->scan.broken_why[it->at]);
	sm_sha256_end(sum, hex);
	/* A PatientID and UIDs are in it. */
	sm_salt_hash(&raw->salt, hex, salted);
	return st == SM_OK ? sm_item_input(item, "listing", it->key, salted, err) : st;
}
