/* SPDX-License-Identifier: Apache-2.0
 *
 * Layout mixed: DICOM series and cases by patterns in one tree.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/cases/layout.h"
#include "ingest/raw.h"

void sm_raw_role(const struct sm_raw *raw, size_t series, char role[17])
{
	const struct sm_series *s = &raw->scan.list.series[series];
	const char *modality = raw->scan.head[s->slice[0].head].modality;
	if (raw->section->layout != SM_LAYOUT_MIXED) {
		snprintf(role, 17, "image");
		return;
	}
	snprintf(role, 17, "%s", strcmp(modality, "PT") == 0 ? "pet" : modality);
	for (char *c = role; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

enum sm_status sm_raw_find_mixed(struct sm_raw *raw, struct sm_err *err)
{
	const struct sm_list *sources = &raw->section->sources;
	const struct sm_scan *scan = &raw->scan;
	/* A DICOM file belongs to its series, whatever it is called. */
	struct sm_paths rest = {.path = calloc(scan->paths.count + 1, sizeof *rest.path)};
	if (!rest.path)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory for %zu files",
			       scan->paths.count);
	for (size_t i = 0; i < scan->paths.count; i++)
		if (scan->kind[i] != SM_FILE_DICOM && scan->kind[i] != SM_FILE_BROKEN)
			rest.path[rest.count++] = scan->paths.path[i];
	enum sm_status st = sm_raw_cases_find(&rest, sources->items, sources->n, &raw->cases, err);
	if (st == SM_OK)
		st = sm_layout_mark_pictures(&raw->cases, err);
	/* Scans of several scanners stand beside each other. */
	for (size_t i = 0; st == SM_OK && i < raw->cases.n; i++)
		raw->cases.v[i].own_grids = !raw->cases.v[i].pictures;
	free(rest.path);
	return st;
}

enum sm_status sm_raw_check_keys(const struct sm_raw *raw, struct sm_err *err)
{
	for (size_t i = 1; i < raw->n; i++)
		if (strcmp(raw->item[i].key, raw->item[i - 1].key) == 0)
			return SM_FAIL(err, SM_INPUT,
				       "the key %s stands for two items of the tree, allowed is "
				       "one: rename "
				       "the case",
				       raw->item[i].key);
	return SM_OK;
}

enum sm_status sm_raw_describe_case(const struct sm_raw_case *c, struct sm_item *item,
				    struct sm_err *err)
{
	json_object_set_new(item->record, "patient", json_string(c->patient));
	if (c->warning)
		sm_item_warn(item, "%s", c->warning);
	if (!c->left_n)
		return SM_OK;
	json_t *left = json_array();
	for (size_t i = 0; left && i < c->left_n; i++)
		json_array_append_new(left, json_pack("{s:s, s:s}", "role", c->left[i].role, "path",
						      c->left[i].path));
	if (json_array_size(left) == c->left_n) {
		json_object_set_new(item->record, "not_taken", left);
		return SM_OK;
	}
	json_decref(left);
	return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
}
