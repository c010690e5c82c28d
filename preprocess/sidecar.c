/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/sidecar.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/ledger.h"
#include "preprocess/view.h"

#define MAX_SIDECAR (64u << 20)

/* An output that is such a file: role sidecar, name .json. */
static const char *sidecar_path(const json_t *output, const char **sha256)
{
	const char *role = sm_json_text(output, "role"), *path = sm_json_text(output, "path");
	size_t n = path ? strlen(path) : 0;
	*sha256 = sm_json_text(output, "sha256");
	bool is = role && *sha256 && n > 5 && strcmp(role, "sidecar") == 0 &&
		  strcmp(path + n - 5, ".json") == 0;
	return is ? path : NULL;
}

enum sm_status sm_sidecars_inputs(const char *dir, const json_t *record, struct sm_item *item,
				  struct sm_err *err)
{
	size_t i;
	json_t *output;
	const char *sha256;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *path = sidecar_path(output, &sha256);
		if (path)
			SM_TRY(sm_item_input_from(item, dir, "sidecar", path, sha256, err));
	}
	return SM_OK;
}

static enum sm_status read_json(const char *dir, const char *path, const char *sha256,
				struct sm_mem *mem, json_t **out, struct sm_err *err)
{
	unsigned char *text = NULL;
	size_t size = 0;
	char hex[65];
	char *full = sm_path_join(dir, path);
	enum sm_status st = SM_OK;
	*out = NULL;
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	if (!sm_file_exists(full))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: is missing, but the ledger of ingest names it: run ingest again",
			     path);
	if (st == SM_OK)
		st = sm_file_read(full, MAX_SIDECAR, mem, &text, &size, err);
	free(full);
	SM_TRY(st);
	sm_sha256_bytes(text, size, hex);
	if (strcmp(hex, sha256) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: content is not what the ledger of ingest says: run ingest again",
			     path);
	else if (!(*out = json_loadb((char *)text, size, 0, NULL)) || !json_is_object(*out))
		st = SM_FAIL(err, SM_INPUT, "%s: is no JSON object", path);
	sm_free(text);
	if (st != SM_OK) {
		json_decref(*out);
		*out = NULL;
	}
	return st;
}

/* The volume that a sidecar stands beside: the same path but for the ending. */
static const char *role_beside(const json_t *record, const char *path)
{
	size_t i, n = strlen(path) - strlen(".json");
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *other = sm_json_text(output, "path");
		if (other && strncmp(other, path, n) == 0 &&
		    strncmp(other + n, ".nii", strlen(".nii")) == 0)
			return sm_json_text(output, "role");
	}
	return NULL;
}

static void attach(struct sm_case *c, const char *role, json_t *facts)
{
	for (size_t i = 0; role && i < c->count; i++)
		if (strcmp(c->vols[i].role, role) == 0 && json_is_object(facts)) {
			json_decref(c->vols[i].sidecar);
			c->vols[i].sidecar = json_incref(facts);
		}
}

enum sm_status sm_sidecars_load(const char *dir, const json_t *record, struct sm_case *c,
				struct sm_err *err)
{
	size_t i;
	json_t *output, *about;
	const char *sha256, *role;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		json_t *all = NULL;
		const char *path = sidecar_path(output, &sha256);
		if (!path)
			continue;
		SM_TRY(read_json(dir, path, sha256, c->mem, &all, err));
		json_t *files = json_object_get(all, "Files");
		if (!files)
			attach(c, role_beside(record, path), all);
		json_object_foreach(files, role, about)
			attach(c, role, json_object_get(about, "sidecar"));
		json_decref(all);
	}
	return SM_OK;
}

/* A number, numbers, or a code as DICOM has them (CS): no words that somebody typed. */
static bool is_plain(const json_t *value)
{
	size_t i;
	json_t *one;
	const char *text = json_string_value(value);
	if (text)
		return strlen(text) <= 16 &&
		       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ") == strlen(text);
	json_array_foreach(value, i, one) if (!json_is_number(one)) return false;
	return json_is_number(value) || (json_is_array(value) && json_array_size(value) <= 16);
}

json_t *sm_sidecars_places(const struct sm_case *c)
{
	static const char *const told[] = {"BodyPartExamined", "PatientPosition",
					   "ImageOrientationPatientDICOM", "SliceThickness",
					   "SpacingBetweenSlices"};
	json_t *all = json_object();
	for (size_t i = 0; i < c->count; i++) {
		json_t *one = json_object();
		for (size_t k = 0; k < sizeof told / sizeof *told; k++) {
			json_t *value = json_object_get(c->vols[i].sidecar, told[k]);
			if (value && is_plain(value))
				json_object_set(one, told[k], value);
		}
		if (json_object_size(one))
			json_object_set(all, c->vols[i].role, one);
		json_decref(one);
	}
	if (json_object_size(all))
		return all;
	json_decref(all);
	return NULL;
}

void sm_case_meanings(struct sm_case *c)
{
	for (size_t i = 0; i < c->count && !c->pictures; i++) {
		struct sm_role_vol *v = &c->vols[i];
		const char *said = sm_json_text(v->sidecar, "Meaning");
		bool ct = sm_modality_is(v->role, "ct") || sm_modality_is(c->modality, "ct");
		if (said ? strcmp(said, sm_meaning_name(SM_MEANING_HU)) == 0
			 : ct && v->vol.meaning == SM_MEANING_ARBITRARY)
			v->vol.meaning = SM_MEANING_HU;
	}
}

enum sm_status sm_sidecar_numbers(const struct sm_case *c, const struct sm_role_vol *v,
				  const char *name, double *out, struct sm_err *err)
{
	size_t frames = (size_t)v->vol.dim[3];
	json_t *list = json_object_get(v->sidecar, name);
	if (!list)
		return SM_FAIL(err, SM_INPUT, "%s: %s of %s is not known: ingest's sidecar %s",
			       c->key, name, v->role, v->sidecar ? "lacks it" : "is missing");
	if (!sm_json_get_floats(v->sidecar, name, out, frames))
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s of %s in ingest's sidecar holds %zu values, needed are %zu "
			       "numbers",
			       c->key, name, v->role, json_array_size(list), frames);
	return SM_OK;
}

/* What ingest writes with one entry a frame. */
static const char *const by_frame[] = {"FrameTimesStart",       "FrameDuration",
				       "DecayCorrectionFactor", "TimePointStart",
				       "DiffusionBValues",      "DiffusionDirections",
				       "FrameDurationBySlice",  "DecayCorrectionFactorBySlice"};

void sm_sidecar_select(struct sm_role_vol *v, size_t frames, const int64_t *chosen, size_t n)
{
	for (size_t k = 0; k < sizeof by_frame / sizeof *by_frame; k++) {
		json_t *list = json_object_get(v->sidecar, by_frame[k]), *kept = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append(kept, json_array_get(list, (size_t)chosen[i]));
		if (list && json_array_size(list) == frames)
			json_object_set(v->sidecar, by_frame[k], kept);
		else
			json_object_del(v->sidecar, by_frame[k]);
		json_decref(kept);
	}
}

void sm_sidecar_one_frame(struct sm_role_vol *v)
{
	for (size_t k = 0; k < sizeof by_frame / sizeof *by_frame; k++)
		json_object_del(v->sidecar, by_frame[k]);
}
