/* SPDX-License-Identifier: Apache-2.0 */
#include "derive/sources.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/nii.h"

#define MOST_SIDECAR (64u << 20)

/* ---- opening --------------------------------------------------------------------------------- */

static enum sm_status open_file(struct sm_run *run, struct sm_sources *s, struct sm_err *err)
{
	const char *name = sm_path_base(run->in);
	size_t n = sm_nii_stem(name);
	if (!n)
		return SM_FAIL(
			err, SM_USAGE,
			"--in: %s is a file, allowed are .nii and .nii.gz, or a stage's folder",
			run->in);
	s->file_key = sm_strf("%.*s", (int)(n < 200 ? n : 200), name);
	if (!s->file_key)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	if (!sm_key_is_safe(s->file_key) || sm_key_is_reserved(s->file_key))
		return SM_FAIL(err, SM_USAGE,
			       "--in: the name %s cannot name a case: allowed are up to 100 of "
			       "letters, digits, _ - . "
			       "not ending in %s",
			       name, SM_KEYS_RESERVED);
	s->count = 1;
	return SM_OK;
}

static enum sm_status note_rejected(struct sm_run *run, struct sm_sources *s, struct sm_err *err)
{
	struct sm_records *records = s->parent.records;
	json_t *before = json_object_get(s->parent.header, "rejected_before");
	json_t *list = before ? json_deep_copy(before) : json_array();
	for (size_t i = 0; list && i < sm_records_count(records); i++) {
		if (sm_records_ok(records, i))
			continue;
		json_t *record = sm_records_get(records, i);
		const char *key = sm_records_key(records, i),
			   *patient = sm_json_text(record, "patient");
		json_array_append_new(list, json_pack("{s:s, s:s}", "key", key, "patient",
						      patient ? patient : key));
		json_decref(record);
	}
	bool bad = !list || (json_array_size(list) &&
			     json_object_set(run->ledger.header, "rejected_before", list) != 0);
	json_decref(list);
	return bad ? SM_FAIL(err, SM_BUDGET, "%s: out of memory", run->in) : SM_OK;
}

static enum sm_status open_folder(struct sm_run *run, struct sm_sources *s, struct sm_err *err)
{
	SM_TRY(sm_run_parent(run, run->in, NULL, &s->parent, err));
	size_t n = sm_records_count(s->parent.records);
	s->at = calloc(n + 1, sizeof *s->at);
	if (!s->at)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", run->in);
	for (size_t i = 0; i < n; i++)
		if (sm_records_ok(s->parent.records, i))
			s->at[s->count++] = i;
	if (s->count < n)
		sm_warn(&run->log, NULL,
			"%zu cases that the stage before rejected are left out (its ledger tells "
			"why)",
			n - s->count);
	if (!s->count)
		return SM_FAIL(err, SM_INPUT, "%s: the ledger holds no good case", run->in);
	return note_rejected(run, s, err);
}

enum sm_status sm_sources_open(struct sm_run *run, struct sm_sources *s, struct sm_err *err)
{
	*s = (struct sm_sources){.run = run};
	enum sm_status st = sm_is_dir(run->in) ? open_folder(run, s, err) : open_file(run, s, err);
	if (st != SM_OK)
		sm_sources_close(s);
	return st;
}

void sm_sources_close(struct sm_sources *s)
{
	sm_ledger_clear(&s->parent);
	free(s->at);
	free(s->file_key);
	*s = (struct sm_sources){0};
}

/* ---- listing --------------------------------------------------------------------------------- */

const char *sm_sources_key(void *ctx, size_t i)
{
	const struct sm_sources *s = ctx;
	return s->file_key ? s->file_key : sm_records_key(s->parent.records, s->at[i]);
}

json_t *sm_sources_record(const struct sm_sources *s, size_t i, struct sm_err *err)
{
	if (s->file_key)
		return json_object();
	json_t *record = sm_records_get(s->parent.records, s->at[i]);
	if (!record)
		sm_records_check(s->parent.records, err);
	return record;
}

/* Numbers of a picture, not names of things in it: values between two labels mean nothing. */
static bool is_image(const char *role, const char *path)
{
	static const char *const others[] = {"label",   "seg",         "mask",
					     "regions", "volume_mask", "truth"};
	if (!sm_nii_stem(path) || strncmp(role, "mask_", 5) == 0 ||
	    strncmp(role, "probability_", 12) == 0)
		return false;
	for (size_t i = 0; i < SM_COUNT(others); i++)
		if (strcmp(role, others[i]) == 0)
			return false;
	return true;
}

/* PATH.json beside PATH.nii.gz, else the case's one file (case.json) with an entry a role. */
static void find_sidecar(const json_t *outputs, struct sm_source *source)
{
	size_t i, n = sm_nii_stem(source->path);
	json_t *output;
	json_array_foreach(outputs, i, output)
	{
		const char *role = sm_json_text(output, "role"),
			   *path = sm_json_text(output, "path");
		if (!role || !path || strcmp(role, "sidecar") != 0)
			continue;
		bool beside = strncmp(path, source->path, n) == 0 && strcmp(path + n, ".json") == 0;
		if (!beside && (source->sidecar || strcmp(sm_path_base(path), "case.json") != 0))
			continue;
		source->sidecar = path;
		source->sidecar_sha256 = sm_json_text(output, "sha256");
		if (beside)
			return;
	}
}

/* A translated volume that lies on the scan's grid stands for the one on the network's. */
static bool stands_elsewhere(const json_t *record, const char *role)
{
	return strcmp(role, "image") == 0 && sm_record_output(record, "scan");
}

static enum sm_status list_file(const struct sm_sources *s, struct sm_source *out, size_t *n,
				struct sm_err *err)
{
	out[0] = (struct sm_source){.role = "image", .path = sm_path_base(s->run->in)};
	*n = 1;
	return out[0].path ? SM_OK : SM_FAIL(err, SM_BUDGET, "out of memory");
}

enum sm_status sm_sources_list(const struct sm_sources *s, const json_t *record,
			       struct sm_source *out, size_t *n, json_t *left_out,
			       struct sm_err *err)
{
	const json_t *outputs = json_object_get(record, "outputs");
	const char *stage = sm_json_text(s->parent.header, "stage");
	bool predicted = stage && strcmp(stage, "predict") == 0;
	const char *target = predicted ? sm_json_text(s->parent.header, "target") : NULL;
	size_t i;
	json_t *output;
	*n = 0;
	if (s->file_key)
		return list_file(s, out, n, err);
	json_array_foreach(outputs, i, output)
	{
		const char *role = sm_json_text(output, "role"),
			   *path = sm_json_text(output, "path"),
			   *sha256 = sm_json_text(output, "sha256");
		if (!role || !path || !sha256)
			return SM_FAIL(err, SM_INPUT,
				       "output %zu of its record lacks role, path or sha256", i);
		struct sm_source one = {.role = role, .path = path, .sha256 = sha256};
		find_sidecar(outputs, &one);
		/* Without a word beside it, what stage predict wrote is a label map. */
		if (predicted && stands_elsewhere(record, role))
			continue;
		if (!is_image(role, path) || (predicted && !one.sidecar)) {
			if (left_out && sm_nii_stem(path))
				json_array_append_new(left_out, json_string(role));
			continue;
		}
		if (target && *target)
			one.role = target;
		if (!sm_key_is_safe(one.role))
			return SM_FAIL(
				err, SM_INPUT,
				"output %zu of its record has a role that is no safe file name", i);
		if (*n == SM_SOURCE_VOLUMES)
			return SM_FAIL(err, SM_INPUT, "has more than %d volumes",
				       SM_SOURCE_VOLUMES);
		out[(*n)++] = one;
	}
	if (!*n)
		return SM_FAIL(err, SM_INPUT, "has no NIfTI volume beside labels and masks");
	return SM_OK;
}

/* The place of the sidecar beside a single file, malloc memory; NULL when there is none, or no
 * memory. */
static char *file_sidecar(const char *in)
{
	char *path = sm_strf("%.*s.json", (int)sm_nii_stem(in), in);
	if (path && sm_file_exists(path))
		return path;
	free(path);
	return NULL;
}

static enum sm_status file_inputs(const struct sm_sources *s, struct sm_item *item,
				  struct sm_err *err)
{
	const char *in = s->run->in;
	char hex[65], *sidecar = file_sidecar(in);
	enum sm_status st;
	SM_GOTO(st, sm_content_sha256(in, &item->run->mem, hex, err));
	SM_GOTO(st, sm_item_input(item, "image", sm_path_base(in), hex, err));
	if (sidecar) {
		SM_GOTO(st, sm_sha256_file(sidecar, hex, err));
		st = sm_item_input(item, "sidecar", sm_path_base(sidecar), hex, err);
	}
out:
	free(sidecar);
	return st;
}

enum sm_status sm_sources_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_sources *s = ctx;
	struct sm_source source[SM_SOURCE_VOLUMES];
	size_t n;
	if (s->file_key)
		return file_inputs(s, item, err);
	json_t *record = sm_sources_record(s, i, err);
	if (!record)
		return SM_IO;
	enum sm_status st = sm_sources_list(s, record, source, &n, NULL, err);
	for (size_t k = 0; st == SM_OK && k < n; k++) {
		st = sm_item_input_from(item, item->run->in, source[k].role, source[k].path,
					source[k].sha256, err);
		/* A case of files has one for all of them. */
		bool told = k && source[k].sidecar && source[k - 1].sidecar &&
			    strcmp(source[k].sidecar, source[k - 1].sidecar) == 0;
		if (st == SM_OK && source[k].sidecar && source[k].sidecar_sha256 && !told)
			st = sm_item_input_from(item, item->run->in, "sidecar", source[k].sidecar,
						source[k].sidecar_sha256, err);
	}
	json_decref(record);
	return st;
}

/* ---- reading --------------------------------------------------------------------------------- */

static enum sm_status read_json(const char *path, const char *name, const char *sha256,
				struct sm_mem *mem, json_t **out, struct sm_err *err)
{
	unsigned char *text = NULL;
	size_t size;
	char hex[65];
	*out = NULL;
	SM_TRY(sm_file_read(path, MOST_SIDECAR, mem, &text, &size, err));
	enum sm_status st = SM_OK;
	sm_sha256_bytes(text, size, hex);
	if (sha256 && strcmp(hex, sha256) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: content is not what the ledger says: run the stage before again",
			     name);
	else if (!(*out = json_loadb((char *)text, size, 0, NULL)) || !json_is_object(*out))
		st = SM_FAIL(err, SM_INPUT, "%s: is no JSON object", name);
	sm_free(text);
	if (st != SM_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return st;
}

static enum sm_status read_sidecar(const struct sm_sources *s, const struct sm_source *source,
				   json_t **out, bool *label, struct sm_err *err)
{
	struct sm_run *run = s->run;
	json_t *all = NULL;
	char *path = NULL;
	*out = NULL;
	*label = false;
	if (!s->file_key && !source->sidecar)
		return SM_OK;
	path = s->file_key ? file_sidecar(run->in) : sm_path_join(run->in, source->sidecar);
	if (!path && s->file_key)
		return SM_OK;
	enum sm_status st =
		path ? read_json(path, source->sidecar ? source->sidecar : sm_path_base(path),
				 source->sidecar_sha256, &run->mem, &all, err)
		     : SM_FAIL(err, SM_BUDGET, "out of memory");
	free(path);
	SM_TRY(st);
	json_t *files = json_object_get(all, "Files");
	json_t *entry = json_object_get(files, source->role);
	*out = json_incref(files ? json_object_get(entry, "sidecar") : all);
	/* Of labels ingest counts the voxels of each number. */
	*label = json_is_object(json_object_get(entry, "voxels"));
	json_decref(all);
	return SM_OK;
}

static void set_meaning(const json_t *sidecar, struct sm_vol *vol)
{
	const char *said = sm_json_text(sidecar, "Meaning");
	for (int m = SM_MEANING_ARBITRARY; said && m <= SM_MEANING_LABEL; m++)
		if (strcmp(said, sm_meaning_name((enum sm_meaning)m)) == 0)
			vol->meaning = (enum sm_meaning)m;
}

bool sm_source_is_label(const struct sm_sources *s, const struct sm_source *source,
			const struct sm_vol *vol, json_t *left_out)
{
	if (vol->meaning != SM_MEANING_LABEL || s->file_key)
		return false;
	json_array_append_new(left_out, json_string(source->role));
	return true;
}

enum sm_status sm_source_read(const struct sm_sources *s, const struct sm_source *source,
			      struct sm_vol *vol, json_t **sidecar, char sha256[65],
			      struct sm_err *err)
{
	struct sm_nii_info info = {0};
	bool label = false;
	*vol = (struct sm_vol){0};
	*sidecar = NULL;
	char *path =
		s->file_key ? sm_strf("%s", s->run->in) : sm_path_join(s->run->in, source->path);
	enum sm_status st =
		path ? sm_nii_read_as(path, source->path, NULL, &s->run->mem, vol, &info, err)
		     : SM_FAIL(err, SM_BUDGET, "out of memory");
	free(path);
	SM_TRY(st);
	memcpy(sha256, info.sha256, 65);
	if (source->sha256 && strcmp(sha256, source->sha256) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: content is not what the ledger says: run the stage before again",
			     source->path);
	if (st == SM_OK)
		st = read_sidecar(s, source, sidecar, &label, err);
	if (st == SM_OK)
		set_meaning(*sidecar, vol);
	else
		sm_vol_clear(vol);
	if (st == SM_OK && label)
		vol->meaning = SM_MEANING_LABEL;
	return st;
}

void sm_sources_carry(const json_t *from, json_t *to)
{
	static const char *const names[] = {"patient", "study", "frame_of_reference", "modality",
					    "burned_text"};
	for (size_t i = 0; i < SM_COUNT(names); i++) {
		json_t *value = json_object_get(from, names[i]);
		if (value)
			json_object_set(to, names[i], value);
	}
}
