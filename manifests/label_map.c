/* SPDX-License-Identifier: Apache-2.0 */
#include "manifests/label_map.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/ledger.h"

/* Classes of BraTS's label values. */
enum { NCR = 1 << 1, ED = 1 << 2, ET = 1 << 3 };

const struct sm_label_map sm_brats_map = {
	.classes = 4,
	.value = {0, 1, 2, 4},
	.n = SM_BRATS_ROWS,
	.regions = SM_ET + 1,
	.main = SM_ET + 1,
	.shown = SM_TC_ORIGINAL + 1,
	.singles = SM_LABEL_1,
	.row =
		{
			[SM_WT] = {"wt", "WT", "whole tumour, labels 1, 2 and 4", NCR | ED | ET},
			[SM_TC] = {"tc", "TC", "tumour core as BraTS defines it, labels 1 and 4",
				   NCR | ET},
			[SM_ET] = {"et", "ET", "enhancing tumour, label 4", ET},
			[SM_TC_ORIGINAL] = {"tc_original", "TC (original)",
					    "what the original study called tumour core: the "
					    "network's first output, thresholded on its own. "
					    "A voxel of a label volume gets one label, that of the "
					    "largest output, so this always equals label 1; "
					    "evaluate.outputs scores the outputs as they are",
					    NCR},
			[SM_LABEL_1] = {"label_1", "label 1 (NCR)",
					"necrosis and non-enhancing core", NCR},
			[SM_LABEL_2] = {"label_2", "label 2 (ED)", "oedema", ED},
			[SM_LABEL_4] = {"label_4", "label 4 (ET)", "enhancing tumour", ET},
		},
};

const struct sm_label_map sm_brats2023_map = {
	.classes = 4,
	.value = {0, 1, 2, 3},
	.n = 6,
	.regions = SM_ET + 1,
	.main = SM_ET + 1,
	.shown = SM_ET + 1,
	.singles = SM_ET + 1,
	.row =
		{
			[SM_WT] = {"wt", "WT", "whole tumour, labels 1, 2 and 3", NCR | ED | ET},
			[SM_TC] = {"tc", "TC", "tumour core, labels 1 and 3", NCR | ET},
			[SM_ET] = {"et", "ET", "enhancing tumour, label 3", ET},
			{"label_1", "label 1 (NCR)", "necrosis and non-enhancing core", NCR},
			{"label_2", "label 2 (ED)", "oedema and infiltrated tissue", ED},
			{"label_3", "label 3 (ET)", "enhancing tumour", ET},
		},
};

/* Masks that are cut at a threshold. */
static const struct sm_label_map mask_map = {
	.classes = 2,
	.value = {0, 1},
	.n = 1,
	.regions = 0,
	.main = 1,
	.shown = 1,
	.singles = 0,
	.row = {{"mask", "mask", "voxels above the threshold", 1 << 1}},
};

/* The class of a value; 0 = none but the background has it. */
static size_t class_of(const struct sm_label_map *map, int64_t value)
{
	for (size_t c = 1; c < map->classes; c++)
		if (map->value[c] == value)
			return c;
	return 0;
}

static enum sm_status add_class(struct sm_label_map *map, int64_t value, struct sm_err *err)
{
	size_t i = map->classes - 1;
	if (map->classes == SM_MAP_CLASSES)
		return SM_FAIL(err, SM_USAGE,
			       "labels: found more than %d, allowed are at most that many",
			       SM_MAP_CLASSES - 1);
	if (value < 1 || value > 255)
		return SM_FAIL(err, SM_USAGE,
			       "labels[%zu].value: found %" PRId64 ", allowed is 1 to 255", i,
			       value);
	if (class_of(map, value))
		return SM_FAIL(err, SM_USAGE,
			       "labels[%zu].value: found %" PRId64 " again, allowed is once", i,
			       value);
	map->value[map->classes++] = (uint8_t)value;
	return SM_OK;
}

static enum sm_status add_row(struct sm_label_map *map, const char *list, size_t i,
			      const char *name, uint64_t members, struct sm_err *err)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	struct sm_region *row = &map->row[map->n];
	size_t n = strlen(name);
	if (map->n == SM_MAP_ROWS)
		return SM_FAIL(err, SM_USAGE,
			       "regions: found more than %d with the labels, allowed are at most "
			       "that many",
			       SM_MAP_ROWS);
	if (n < 1 || n >= SM_MAP_NAME || strspn(name, safe) != n)
		return SM_FAIL(err, SM_USAGE,
			       "%s[%zu].name: found '%s', allowed are 1 to %d letters, digits, '_' "
			       "and '-'",
			       list, i, name, SM_MAP_NAME - 1);
	for (size_t r = 0; r < map->n; r++)
		if (strcmp(map->row[r].key, name) == 0)
			return SM_FAIL(err, SM_USAGE,
				       "%s[%zu].name: found '%s' again, allowed is once", list, i,
				       name);
	*row = (struct sm_region){.members = members};
	memcpy(row->key, name, n + 1);
	memcpy(row->name, name, n + 1);
	map->n++;
	return SM_OK;
}

static enum sm_status add_region(struct sm_label_map *map, size_t i, const char *name,
				 const int64_t *label, size_t n, struct sm_err *err)
{
	uint64_t members = 0;
	for (size_t k = 0; k < n; k++) {
		size_t c = class_of(map, label[k]);
		if (!c)
			return SM_FAIL(err, SM_USAGE,
				       "regions[%zu].labels: found %" PRId64
				       ", allowed are the values of labels",
				       i, label[k]);
		if (members >> c & 1)
			return SM_FAIL(err, SM_USAGE,
				       "regions[%zu].labels: found %" PRId64
				       " again, allowed is once",
				       i, label[k]);
		members |= (uint64_t)1 << c;
	}
	if (!members)
		return SM_FAIL(err, SM_USAGE,
			       "regions[%zu].labels: found none, needed is at least one", i);
	return add_row(map, "regions", i, name, members, err);
}

enum sm_status sm_label_map_make(const struct sm_evaluate_section *section,
				 struct sm_label_map *map, struct sm_err *err)
{
	const struct sm_evaluate_label *label = section->labels.items;
	const struct sm_train_region *region = section->regions.items;
	if (!section->labels.n && section->regions.n)
		return SM_FAIL(err, SM_USAGE, "regions: is given, needed are labels too");
	/* With outputs the threshold is that of their probabilities. */
	bool masks = !isnan(section->threshold) && !section->outputs.n;
	if (masks && section->labels.n > 1)
		return SM_FAIL(err, SM_USAGE, "threshold: is given with %zu labels, allowed is one",
			       section->labels.n);
	if (!section->labels.n) {
		*map = masks                              ? mask_map
		       : section->map == SM_MAP_BRATS2023 ? sm_brats2023_map
							  : sm_brats_map;
		return SM_OK;
	}
	*map = (struct sm_label_map){.classes = 1};
	for (size_t i = 0; i < section->labels.n; i++)
		SM_TRY(add_class(map, label[i].value, err));
	for (size_t i = 0; i < section->regions.n; i++)
		SM_TRY(add_region(map, i, region[i].name, region[i].labels.v, region[i].labels.n,
				  err));
	map->regions = map->singles = map->n;
	for (size_t i = 0; i < section->labels.n; i++)
		SM_TRY(add_row(map, "labels", i, label[i].name, (uint64_t)1 << (i + 1), err));
	map->main = map->shown = map->regions ? map->regions : map->n;
	return SM_OK;
}

enum sm_status sm_label_map_read(const json_t *section, struct sm_label_map *map,
				 struct sm_err *err)
{
	const json_t *labels = json_object_get(section, "labels"),
		     *regions = json_object_get(section, "regions");
	struct sm_evaluate_label label[SM_MAP_CLASSES];
	struct sm_train_region region[SM_MAP_ROWS];
	int64_t value[SM_MAP_ROWS][SM_MAP_CLASSES];
	const char *named = json_string_value(json_object_get(section, "map"));
	struct sm_evaluate_section s = {
		.labels = {label, json_array_size(labels)},
		.regions = {region, json_array_size(regions)},
		.map = named && strcmp(named, "brats2023") == 0 ? SM_MAP_BRATS2023 : SM_MAP_BRATS,
		.threshold = sm_json_number(section, "threshold"),
		.outputs.n = json_array_size(json_object_get(section, "outputs"))};
	struct sm_err why = {0};
	bool good = s.labels.n <= SM_MAP_CLASSES && s.regions.n <= SM_MAP_ROWS;
	for (size_t i = 0; good && i < s.labels.n; i++) {
		const json_t *one = json_array_get(labels, i);
		const char *name = json_string_value(json_object_get(one, "name"));
		label[i] = (struct sm_evaluate_label){
			json_integer_value(json_object_get(one, "value")), (char *)name};
		good = name;
	}
	for (size_t i = 0; good && i < s.regions.n; i++) {
		const json_t *one = json_array_get(regions, i),
			     *set = json_object_get(one, "labels");
		const char *name = json_string_value(json_object_get(one, "name"));
		size_t n = json_array_size(set);
		region[i] = (struct sm_train_region){(char *)name, {value[i], n}};
		good = name && n <= SM_MAP_CLASSES;
		for (size_t k = 0; good && k < n; k++)
			value[i][k] = json_integer_value(json_array_get(set, k));
	}
	if (!good)
		return SM_FAIL(err, SM_INPUT,
			       "evaluate ledger: its labels and regions are none: run stage "
			       "evaluate again");
	if (sm_label_map_make(&s, map, &why) != SM_OK)
		return SM_FAIL(err, SM_INPUT, "evaluate ledger: %s", why.text);
	return SM_OK;
}
