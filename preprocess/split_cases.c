/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/split_cases.h"

#include <string.h>

#include "manifests/roles.h"

/* Adds the hashes of a record's images; labels may be equal by chance (all empty). */
static bool add_images(const json_t *list, const char **images, size_t *n, const json_t *header,
		       struct sm_arena *arena)
{
	size_t i;
	json_t *file;
	json_array_foreach(list, i, file)
	{
		const char *role = sm_json_text(file, "role"), *sha = sm_json_text(file, "sha256");
		if (role && sha && sm_role_is_volume(role) && !sm_role_is_label(header, role) &&
		    strcmp(role, "mask") != 0 && strcmp(role, "regions") != 0)
			if (!(images[(*n)++] = sm_arena_strdup(arena, sha)))
				return false;
	}
	return true;
}

static enum sm_status take_case(const struct sm_cases *cases, const json_t *record,
				struct sm_arena *arena, struct sm_split_case *c, struct sm_err *err)
{
	json_t *made_of = json_object_get(record, "inputs"),
	       *files = json_object_get(record, "outputs");
	const json_t *header = cases->parent.header;
	const char *patient = sm_json_text(record, "patient");
	const char **images = sm_arena_alloc(
		arena, (json_array_size(made_of) + json_array_size(files) + 1) * sizeof *images);
	if (!patient)
		return SM_FAIL(err, SM_INPUT, "%s: its record names no patient", c->key);
	c->patient = sm_arena_strdup(arena, patient);
	c->images = images;
	/* What was made from one scan in two ways is one scan. */
	if (!images || !c->patient || !add_images(files, images, &c->image_count, header, arena) ||
	    (cases->preprocessed && !add_images(made_of, images, &c->image_count, header, arena)))
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	return SM_OK;
}

enum sm_status sm_split_cases_of(const struct sm_cases *cases, struct sm_arena *arena,
				 struct sm_split_case *out, struct sm_err *err)
{
	for (size_t i = 0; i < cases->count; i++) {
		json_t *record = sm_cases_record(cases, i, err);
		out[i] = (struct sm_split_case){.key = sm_cases_key((void *)(uintptr_t)cases, i),
						.fold = SM_FOLDS,
						.fold_index = -1};
		enum sm_status st = record ? take_case(cases, record, arena, &out[i], err) : SM_IO;
		json_decref(record);
		SM_TRY(st);
	}
	return SM_OK;
}

int64_t sm_split_index_of(const json_t *record)
{
	const json_t *index = json_object_get(record, "fold_index");
	return json_is_integer(index) ? json_integer_value(index) : -1;
}
