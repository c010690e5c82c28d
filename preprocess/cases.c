/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/cases.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "core/par.h"
#include "manifests/roles.h"

static enum sm_status open_cases(struct sm_run *run, struct sm_cases *cases, struct sm_err *err)
{
	size_t i, dropped = 0;
	json_t *record;
	*cases = (struct sm_cases){.run = run, .dir = run->in};
	SM_TRY(sm_run_parent(run, run->in, NULL, &cases->parent, err));
	const char *stage = sm_json_text(cases->parent.header, "stage");
	cases->preprocessed = strcmp(stage, "preprocess") == 0;
	if (!cases->preprocessed && strcmp(stage, "ingest") != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: ledger is of stage '%s', allowed are ingest and preprocess",
			       run->in, stage);
	cases->records = calloc(json_array_size(cases->parent.records) + 1, sizeof(json_t *));
	if (!cases->records)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", run->in);
	json_array_foreach(cases->parent.records, i, record)
	{
		if (sm_record_ok(record))
			cases->records[cases->count++] = record;
		else
			dropped++;
	}
	if (dropped)
		sm_warn(&run->log, NULL,
			"%zu cases that %s rejected are left out (its ledger tells why)", dropped,
			stage);
	if (!cases->count)
		return SM_FAIL(err, SM_INPUT, "%s: the ledger of %s holds no good case", run->in,
			       stage);
	return SM_OK;
}

enum sm_status sm_cases_open(struct sm_run *run, struct sm_cases *cases, struct sm_err *err)
{
	enum sm_status st = open_cases(run, cases, err);
	if (st != SM_OK)
		sm_cases_close(cases);
	return st;
}

void sm_cases_close(struct sm_cases *cases)
{
	sm_ledger_clear(&cases->parent);
	free(cases->records);
	*cases = (struct sm_cases){0};
}

const char *sm_cases_key(void *ctx, size_t i)
{
	return sm_record_key(((struct sm_cases *)ctx)->records[i]);
}

bool sm_role_is_volume(const char *role)
{
	return strcmp(role, "sidecar") != 0;
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
	enum sm_status st = list_files(cases->records[i], &f, &n, err);
	for (size_t k = 0; st == SM_OK && k < n; k++)
		st = sm_item_input(item, f[k].role, f[k].path, f[k].sha256, err);
	free(f);
	return st;
}

void sm_cases_patient(const struct sm_cases *cases, size_t i, json_t *record)
{
	json_t *patient = json_object_get(cases->records[i], "patient");
	json_object_set_new(record, "patient",
			    patient ? json_incref(patient)
				    : json_string(sm_record_key(cases->records[i])));
}

struct reading {
	const struct sm_cases *cases;
	const char *key;
	struct file *files;
};

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
	struct sm_vol *to = sm_role_is_label(cases->parent.header, f->role)   ? &c->label
			    : cases->preprocessed && !strcmp(f->role, "mask") ? &c->mask
									      : NULL;
	if (!to)
		return sm_case_take(c, f->role, &f->vol, err);
	if (to->data)
		return SM_FAIL(err, SM_INPUT, "%s: has two label volumes, allowed is 1", c->key);
	if (f->vol.dim[3] != 1)
		return SM_FAIL(err, SM_INPUT, "%s: %s has %lld frames, allowed is 1", c->key,
			       f->role, (long long)f->vol.dim[3]);
	SM_TRY(sm_vol_to_labels(&f->vol, c->mem, f->path, err));
	*to = f->vol;
	f->vol = (struct sm_vol){0};
	return SM_OK;
}

static enum sm_status restore_channels(struct sm_case *c, const json_t *record, struct sm_err *err)
{
	json_t *names = json_object_get(record, "channels");
	size_t n = json_array_size(names);
	if (!n)
		return SM_OK; /* was not stacked */
	if (c->count != 1 || (int64_t)n != c->vols[0].vol.dim[3])
		return SM_FAIL(err, SM_INPUT, "%s: record lists %zu channels, image holds %lld",
			       c->key, n, c->count ? (long long)c->vols[0].vol.dim[3] : 0LL);
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		if (!name || strlen(name) >= SM_ROLE_MAX)
			return SM_FAIL(err, SM_INPUT, "%s: channel %zu has no usable name", c->key,
				       i);
		memcpy(c->channels[i], name, strlen(name) + 1);
	}
	c->stacked = true;
	return SM_OK;
}

/* Restores what sm_case_save put into the record. */
static enum sm_status restore(struct sm_case *c, const json_t *record, struct sm_err *err)
{
	const json_t *grid = json_object_get(record, "source_grid");
	json_t *map = json_object_get(record, "label_map");
	size_t i, n = json_array_size(map);
	json_t *pair;
	double affine[16];
	if (!sm_json_get_ints(grid, "dim", c->source_dim, 3) ||
	    !sm_json_get_floats(grid, "affine", affine, 16) ||
	    !sm_json_get_ints(record, "offset", c->offset, 3))
		return SM_FAIL(err, SM_INPUT,
			       "%s: record lacks source_grid or offset: run preprocess again",
			       c->key);
	memcpy(c->source_affine, affine, sizeof affine);
	c->label_map = calloc(n + 1, sizeof *c->label_map);
	if (!c->label_map)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	json_array_foreach(map, i, pair)
	{
		c->label_map[i][0] = (int)json_integer_value(json_array_get(pair, 0));
		c->label_map[i][1] = (int)json_integer_value(json_array_get(pair, 1));
	}
	c->label_map_count = n;
	return restore_channels(c, record, err);
}

enum sm_status sm_cases_load(const struct sm_cases *cases, size_t i, int jobs, struct sm_case *c,
			     struct sm_err *err)
{
	const json_t *record = cases->records[i];
	struct file *files = NULL;
	size_t n = 0;
	SM_TRY(sm_case_init(c, sm_record_key(record), &cases->run->mem, jobs, err));
	enum sm_status st = list_files(record, &files, &n, err);
	struct reading r = {.cases = cases, .key = c->key, .files = files};
	if (st == SM_OK)
		st = sm_par_for(n, jobs, read_one, &r, err);
	for (size_t k = 0; st == SM_OK && k < n; k++)
		st = place(cases, c, &files[k], err);
	if (st == SM_OK && !c->count)
		st = SM_FAIL(err, SM_INPUT, "%s: has no intensity volume", c->key);
	if (st == SM_OK && cases->preprocessed)
		st = restore(c, record, err);
	for (size_t k = 0; k < n; k++)
		sm_vol_clear(&files[k].vol);
	free(files);
	if (st != SM_OK)
		sm_case_clear(c);
	return st;
}

static enum sm_status save_one(const struct sm_case *c, const char *out, const char *role,
			       const struct sm_vol *vol, int level, struct sm_item *item,
			       struct sm_err *err)
{
	char hex[65];
	char *name = sm_strf("%s/%s.nii%s", c->key, role, level ? ".gz" : "");
	char *path = name ? sm_path_join(out, name) : NULL;
	enum sm_status st = path ? sm_nii_write(path, vol, level, c->jobs, hex, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	if (st == SM_OK)
		st = sm_item_output(item, role, name, hex, err);
	free(path);
	free(name);
	return st;
}

static void describe(const struct sm_case *c, json_t *record)
{
	json_t *channels = json_array(), *map = json_array(), *grid = json_object();
	for (int64_t i = 0; c->stacked && i < c->vols[0].vol.dim[3]; i++)
		json_array_append_new(channels, json_string(c->channels[i]));
	for (size_t i = 0; i < c->label_map_count; i++)
		json_array_append_new(map,
				      json_pack("[ii]", c->label_map[i][0], c->label_map[i][1]));
	json_object_set_new(grid, "dim", sm_json_ints(c->source_dim, 3));
	json_object_set_new(grid, "affine", sm_json_floats(&c->source_affine[0][0], 16));
	json_object_set_new(record, "channels", channels);
	json_object_set_new(record, "label_map", map);
	json_object_set_new(record, "source_grid", grid);
	json_object_set_new(record, "offset", sm_json_ints(c->offset, 3));
	json_object_set_new(record, "dim", sm_json_ints(c->vols[0].vol.dim, 4));
	json_object_set(record, "facts", c->facts);
}

enum sm_status sm_case_save(struct sm_case *c, const char *out, int level, struct sm_item *item,
			    struct sm_err *err)
{
	char *dir = sm_path_join(out, c->key);
	enum sm_status st =
		dir ? sm_mkdirs(dir, err) : SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	free(dir);
	for (size_t i = 0; st == SM_OK && i < c->count; i++) {
		struct sm_vol *v = &c->vols[i].vol;
		/* NIfTI holds the scaling as float32: writing real values keeps what tile would
		 * see. */
		if (v->slope != 1 || v->inter != 0 || v->dtype == SM_F64)
			st = sm_vol_to_f32(v, c->mem, c->jobs, err);
		if (st == SM_OK)
			st = save_one(c, out, c->vols[i].role, v, level, item, err);
	}
	if (st == SM_OK && c->label.data)
		st = save_one(c, out, "label", &c->label, level, item, err);
	if (st == SM_OK && c->mask.data)
		st = save_one(c, out, "mask", &c->mask, level, item, err);
	if (st == SM_OK)
		describe(c, item->record);
	return st;
}
