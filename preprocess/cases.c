/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/cases.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/par.h"
#include "core/picture.h"
#include "manifests/roles.h"
#include "preprocess/sidecar.h"

static enum sm_status open_cases(struct sm_run *run, const char *dir, struct sm_cases *cases,
				 struct sm_err *err)
{
	size_t dropped = 0;
	*cases = (struct sm_cases){.run = run, .dir = dir};
	SM_TRY(sm_run_parent(run, dir, NULL, &cases->parent, err));
	const char *stage = sm_json_text(cases->parent.header, "stage");
	cases->preprocessed = strcmp(stage, "preprocess") == 0;
	if (!cases->preprocessed && strcmp(stage, "ingest") != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: ledger is of stage '%s', allowed are ingest and preprocess",
			       dir, stage);
	size_t n = sm_records_count(cases->parent.records);
	cases->at = calloc(n + 1, sizeof *cases->at);
	if (!cases->at)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	for (size_t i = 0; i < n; i++) {
		if (sm_records_ok(cases->parent.records, i))
			cases->at[cases->count++] = i;
		else
			dropped++;
	}
	if (dropped)
		sm_warn(&run->log, NULL,
			"%zu cases that %s rejected are left out (its ledger tells why)", dropped,
			stage);
	if (!cases->count)
		return SM_FAIL(err, SM_INPUT, "%s: the ledger of %s holds no good case", dir,
			       stage);
	return SM_OK;
}

/* Who has been rejected up to here stands in each header: a later stage sees no record of him. */
static enum sm_status note_rejected(struct sm_run *run, const struct sm_cases *cases,
				    struct sm_err *err)
{
	struct sm_records *records = cases->parent.records;
	json_t *before = json_object_get(cases->parent.header, "rejected_before");
	json_t *list = before ? json_deep_copy(before) : json_array();
	for (size_t i = 0; i < sm_records_count(records); i++) {
		if (sm_records_ok(records, i))
			continue;
		json_t *record = sm_records_get(records, i);
		const char *key = sm_records_key(records, i),
			   *patient = sm_json_text(record, "patient");
		json_array_append_new(list, json_pack("{s:s, s:s}", "key", key, "patient",
						      patient ? patient : key));
		json_decref(record);
	}
	if (!list || (json_array_size(list) &&
		      json_object_set(run->ledger.header, "rejected_before", list) != 0)) {
		json_decref(list);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", cases->dir);
	}
	json_decref(list);
	return SM_OK;
}

enum sm_status sm_cases_open_at(struct sm_run *run, const char *dir, struct sm_cases *cases,
				struct sm_err *err)
{
	enum sm_status st = open_cases(run, dir, cases, err);
	if (st != SM_OK)
		sm_cases_close(cases);
	return st;
}

enum sm_status sm_cases_open(struct sm_run *run, struct sm_cases *cases, struct sm_err *err)
{
	SM_TRY(sm_cases_open_at(run, run->in, cases, err));
	enum sm_status st = note_rejected(run, cases, err);
	if (st != SM_OK)
		sm_cases_close(cases);
	return st;
}

void sm_cases_close(struct sm_cases *cases)
{
	sm_ledger_clear(&cases->parent);
	free(cases->at);
	*cases = (struct sm_cases){0};
}

const char *sm_cases_key(void *ctx, size_t i)
{
	const struct sm_cases *cases = ctx;
	return sm_records_key(cases->parent.records, cases->at[i]);
}

json_t *sm_cases_record(const struct sm_cases *cases, size_t i, struct sm_err *err)
{
	json_t *record = sm_records_get(cases->parent.records, cases->at[i]);
	if (!record)
		sm_records_check(cases->parent.records, err);
	return record;
}

bool sm_role_is_volume(const char *role)
{
	return strcmp(role, "sidecar") != 0 && strcmp(role, "bval") != 0 &&
	       strcmp(role, "bvec") != 0 && strcmp(role, "volume_mask") != 0;
}

/* One file of a record, its names borrowed from the ledger. */
struct file {
	const char *role, *path, *sha256;
	struct sm_vol vol;
};

static enum sm_status list_files(const json_t *record, struct file **files, size_t *count,
				 struct sm_err *err)
{
	size_t i, n = 0;
	json_t *output, *outputs = json_object_get(record, "outputs");
	struct file *f = calloc(json_array_size(outputs) + 1, sizeof *f);
	if (!f)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", sm_record_key(record));
	json_array_foreach(outputs, i, output)
	{
		f[n].role = sm_json_text(output, "role");
		f[n].path = sm_json_text(output, "path");
		f[n].sha256 = sm_json_text(output, "sha256");
		if (!f[n].role || !f[n].path || !f[n].sha256) {
			free(f);
			return SM_FAIL(err, SM_INPUT,
				       "%s: output %zu of its record lacks role, path or sha256",
				       sm_record_key(record), i);
		}
		n += sm_role_is_volume(f[n].role);
	}
	*files = f;
	*count = n;
	return SM_OK;
}

enum sm_status sm_cases_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_cases *cases = ctx;
	struct file *f = NULL;
	size_t n = 0;
	json_t *record = sm_cases_record(cases, i, err);
	enum sm_status st = record ? list_files(record, &f, &n, err) : SM_IO;
	for (size_t k = 0; st == SM_OK && k < n; k++)
		st = sm_item_input_from(item, cases->dir, f[k].role, f[k].path, f[k].sha256, err);
	free(f);
	if (st == SM_OK)
		st = sm_sidecars_inputs(cases->dir, record, item, err);
	json_decref(record);
	return st;
}

void sm_cases_patient(const struct sm_cases *cases, size_t i, json_t *record)
{
	json_t *from = sm_cases_record(cases, i, NULL), *patient = json_object_get(from, "patient");
	json_object_set_new(record, "patient",
			    patient ? json_incref(patient)
				    : json_string(sm_cases_key((void *)(uintptr_t)cases, i)));
	json_decref(from);
}

struct reading {
	const struct sm_cases *cases;
	const char *key;
	struct file *files;
};

/* A picture as a volume of one slice: x to the right, y downwards, the colours on the fourth axis.
 * Its axial slice is then the picture itself. */
static enum sm_status picture_vol(const struct sm_image *image, struct sm_mem *mem,
				  struct sm_vol *vol, struct sm_err *err)
{
	const int64_t dim[4] = {image->width, image->height, 1, image->channels};
	SM_TRY(sm_vol_init(vol, dim, image->bits == 16 ? SM_U16 : SM_U8, mem, "picture", err));
	vol->affine[0][0] = vol->affine[1][1] = -1;
	size_t pixels = sm_vol_frame_count(vol), colours = (size_t)image->channels;
	for (size_t c = 0; c < colours; c++)
		for (size_t i = 0; i < pixels; i++) {
			if (image->bits == 16)
				((uint16_t *)vol->data)[c * pixels + i] =
					((const uint16_t *)image->data)[i * colours + c];
			else
				((uint8_t *)vol->data)[c * pixels + i] =
					((const uint8_t *)image->data)[i * colours + c];
		}
	return SM_OK;
}

static bool is_picture(const char *path)
{
	size_t n = strlen(path);
	return n > 4 && strcmp(path + n - 4, ".png") == 0;
}

static enum sm_status read_picture(const char *path, struct sm_mem *mem, struct sm_vol *vol,
				   char sha256[65], struct sm_err *err)
{
	struct sm_image image;
	SM_TRY(sm_picture_read(path, mem, &image, NULL, err));
	sm_image_sha256(&image, sha256);
	enum sm_status st = picture_vol(&image, mem, vol, err);
	sm_image_clear(&image);
	return st;
}

static enum sm_status read_one(void *ctx, size_t i, struct sm_err *err)
{
	const struct reading *r = ctx;
	struct file *f = &r->files[i];
	struct sm_run *run = r->cases->run;
	struct sm_nii_info info = {0};
	const char *stage = r->cases->preprocessed ? "preprocess" : "ingest";
	enum sm_status st;
	char *path = sm_path_join(r->cases->dir, f->path);
	if (!path)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", f->path);
	else if (!sm_file_exists(path))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: is missing, but the ledger of %s names it: run %s again", f->path,
			     stage, stage);
	else if (is_picture(f->path))
		st = read_picture(path, &run->mem, &f->vol, info.sha256, err);
	else
		st = sm_nii_read(path, &run->mem, &f->vol, &info, err);
	free(path);
	SM_TRY(st);
	if (strcmp(info.sha256, f->sha256) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: content is not what the ledger of %s says: run %s again",
			       f->path, stage, stage);
	if (info.not_finite)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s holds %zu values that are NaN or infinite, allowed are 0",
			       r->key, f->role, info.not_finite);
	return SM_OK;
}

/* Gives a volume that was read its place in the case. */
static enum sm_status place(const struct sm_cases *cases, struct sm_case *c, struct file *f,
			    struct sm_err *err)
{
	bool own = cases->preprocessed;
	struct sm_vol *to = sm_role_is_label(cases->parent.header, f->role) ? &c->label
			    : own && !strcmp(f->role, "mask")		    ? &c->mask
			    : own && !strcmp(f->role, "regions")	    ? &c->regions
									    : NULL;
	if (!to)
		return sm_case_take(c, f->role, &f->vol, err);
	if (to->data)
		return SM_FAIL(err, SM_INPUT, "%s: has two label volumes, allowed is 1", c->key);
	if (f->vol.dim[3] != 1 && to != &c->regions)
		return SM_FAIL(err, SM_INPUT, "%s: %s has %lld frames, allowed is 1", c->key,
			       f->role, (long long)f->vol.dim[3]);
	SM_TRY(sm_vol_to_labels(&f->vol, c->mem, f->path, err));
	*to = f->vol;
	f->vol = (struct sm_vol){0};
	return SM_OK;
}

static enum sm_status load_case(const struct sm_cases *cases, const json_t *record, int jobs,
				struct sm_case *c, struct sm_err *err)
{
	struct file *files = NULL;
	size_t n = 0;
	const struct sm_manifest_root *m = cases->run->manifest;
	const char *modality = sm_json_text(record, "modality");
	SM_TRY(sm_case_init(c, sm_record_key(record), &cases->run->mem, jobs, err));
	c->grid_tolerance = m->preprocess->grid_tolerance;
	c->pictures = json_is_true(json_object_get(record, "pictures"));
	if (modality && strlen(modality) < sizeof c->modality)
		memcpy(c->modality, modality, strlen(modality) + 1);
	enum sm_status st = list_files(record, &files, &n, err);
	struct reading r = {.cases = cases, .key = c->key, .files = files};
	if (st == SM_OK)
		st = sm_par_for(n, jobs, read_one, &r, err);
	for (size_t k = 0; st == SM_OK && k < n; k++)
		st = place(cases, c, &files[k], err);
	if (st == SM_OK && !c->count)
		st = SM_FAIL(err, SM_INPUT, "%s: has no intensity volume", c->key);
	if (st == SM_OK && cases->preprocessed)
		st = sm_case_restore(c, record, err);
	else if (st == SM_OK)
		st = sm_sidecars_load(cases->dir, record, c, err);
	if (st == SM_OK && !cases->preprocessed)
		sm_case_meanings(c);
	for (size_t k = 0; k < n; k++)
		sm_vol_clear(&files[k].vol);
	free(files);
	if (st != SM_OK)
		sm_case_clear(c);
	return st;
}

static enum sm_status load_label(const struct sm_cases *cases, const json_t *record,
				 struct sm_vol *label, struct sm_err *err)
{
	const char *key = sm_record_key(record);
	const json_t *output = sm_record_output(record, "label");
	struct file f = {.role = "label",
			 .path = sm_json_text(output, "path"),
			 .sha256 = sm_json_text(output, "sha256")};
	const struct reading r = {.cases = cases, .key = key, .files = &f};
	*label = (struct sm_vol){0};
	if (!f.path || !f.sha256)
		return SM_FAIL(err, SM_INPUT, "%s: has no label volume", key);
	enum sm_status st = read_one((void *)(uintptr_t)&r, 0, err);
	if (st == SM_OK && f.vol.dim[3] != 1)
		st = SM_FAIL(err, SM_INPUT, "%s: label has %lld frames, allowed is 1", key,
			     (long long)f.vol.dim[3]);
	if (st == SM_OK)
		st = sm_vol_to_labels(&f.vol, &cases->run->mem, f.path, err);
	if (st == SM_OK)
		*label = f.vol;
	else
		sm_vol_clear(&f.vol);
	return st;
}

enum sm_status sm_cases_load(const struct sm_cases *cases, size_t i, int jobs, struct sm_case *c,
			     struct sm_err *err)
{
	json_t *record = sm_cases_record(cases, i, err);
	enum sm_status st = record ? load_case(cases, record, jobs, c, err) : SM_IO;
	json_decref(record);
	return st;
}

enum sm_status sm_cases_load_label(const struct sm_cases *cases, size_t i, struct sm_vol *label,
				   struct sm_err *err)
{
	json_t *record = sm_cases_record(cases, i, err);
	*label = (struct sm_vol){0};
	enum sm_status st = record ? load_label(cases, record, label, err) : SM_IO;
	json_decref(record);
	return st;
}
