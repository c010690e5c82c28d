/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/split_cases.h"

#include <string.h>

#include "manifests/roles.h"

/* Adds the hashes of a record's images; labels may be equal by chance (all empty). */
static void add_images(const json_t *list, const char **images, size_t *n, const json_t *header)
{
	size_t i;
	json_t *file;
	json_array_foreach(list, i, file)
	{
		const char *role = sm_json_text(file, "role"), *sha = sm_json_text(file, "sha256");
		if (role && sha && sm_role_is_volume(role) && !sm_role_is_label(header, role) &&
		    strcmp(role, "mask") != 0 && strcmp(role, "regions") != 0)
			images[(*n)++] = sha;
	}
}

enum sm_status sm_split_cases_of(const struct sm_cases *cases, struct sm_arena *arena, struct sm_split_case *out,
				 struct sm_err *err)
{
	for (size_t i = 0; i < cases->count; i++) {
		const json_t *record = cases->records[i];
		json_t *made_of = json_object_get(record, "inputs"), *files = json_object_get(record, "outputs");
		struct sm_split_case *c = &out[i];
		const char **images =
			sm_arena_alloc(arena, (json_array_size(made_of) + json_array_size(files) + 1) * sizeof *images);
		if (!images)
			return SM_FAIL(err, SM_BUDGET, "split: out of memory");
		*c = (struct sm_split_case){.key = sm_record_key(record), .fold = SM_FOLDS, .fold_index = -1};
		c->patient = sm_json_text(record, "patient");
		if (!c->patient)
			return SM_FAIL(err, SM_INPUT, "%s: its record names no patient", c->key);
		add_images(files, images, &c->image_count, cases->parent.header);
		if (cases->preprocessed) /* what was made from one scan in two ways is one scan */
			add_images(made_of, images, &c->image_count, cases->parent.header);
		c->images = images;
	}
	return SM_OK;
}
