/* SPDX-License-Identifier: Apache-2.0
 *
 * A case of NIfTI files: checked, scrubbed, written again (see convert.h).
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "ingest/convert.h"

/* Sentences name the file below the tree, not where the tree stands. */
static enum sm_status read_file(const struct sm_raw_file *f, struct sm_item *item,
				struct sm_vol *vol, struct sm_nii_info *info, struct sm_err *err)
{
	unsigned char *bytes = NULL;
	size_t n;
	char *full = sm_path_join(item->run->in, f->path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	enum sm_status st = sm_file_read(full, 0, &item->run->mem, &bytes, &n, err);
	free(full);
	if (st == SM_IO)
		return SM_FAIL(err, SM_INPUT, "%s: cannot be read", f->path);
	SM_TRY(st);
	st = sm_nii_parse(bytes, n, f->path, &item->run->mem, vol, info, err);
	sm_free(bytes);
	return st;
}

/* How many voxels each label has: {"0": n, "1": n, ...}. */
static json_t *label_counts(const struct sm_vol *vol)
{
	size_t count[256] = {0}, n = sm_vol_count(vol);
	const uint8_t *v = vol->data;
	json_t *o = json_object();
	for (size_t i = 0; i < n; i++)
		count[v[i]]++;
	for (int k = 0; k < 256; k++) {
		char name[4] = {0};
		if (!count[k])
			continue;
		snprintf(name, sizeof name, "%d", k);
		json_object_set_new(o, name, json_integer((json_int_t)count[k]));
	}
	return o;
}

static json_t *describe(const struct sm_vol *vol, const struct sm_nii_info *info, bool label)
{
	json_t *o = json_object();
	json_object_set_new(o, "type", json_string(sm_dtype_name(vol->dtype)));
	json_object_set_new(o, "affine_source", json_string(info->affine_source));
	if (label) {
		json_object_set_new(o, "voxels", label_counts(vol));
		return o;
	}
	double range[2];
	size_t bad;
	sm_vol_range(vol, &range[0], &range[1], &bad);
	json_object_set_new(o, "range", sm_json_floats(range, 2));
	json_object_set_new(o, "not_finite", json_integer((json_int_t)bad));
	return o;
}

static void warn(const struct sm_raw_file *f, const struct sm_nii_info *info, struct sm_item *item)
{
	if (info->not_finite)
		sm_item_warn(item, "%s: %zu voxels are NaN or infinite and stay so", f->path,
			     info->not_finite);
	if (info->gz_padding)
		sm_item_warn(item, "%s: bytes behind the payload were left out", f->path);
	if (strcmp(info->affine_source, "none") == 0)
		sm_item_warn(item, "%s: neither sform nor qform; the grid has its spacing only",
			     f->path);
	if (info->sform_code > 0 && info->qform_code > 0 && info->form_gap_mm > 0.1)
		sm_item_warn(item, "%s: sform and qform differ by %.3g mm; the sform was taken",
			     f->path, info->form_gap_mm);
}

/* Reads one role, holds it against the first role's grid, writes it. */
static enum sm_status one_role(const struct sm_convert *c, const struct sm_raw_case *found,
			       size_t i, struct sm_vol *grid, json_t *sidecar, struct sm_item *item,
			       struct sm_err *err)
{
	const struct sm_raw_file *f = &found->file[i];
	struct sm_vol vol = {0};
	struct sm_nii_info info;
	enum sm_status st = read_file(f, item, &vol, &info, err);
	if (st != SM_OK)
		return st;
	warn(f, &info, item);
	if (f->label)
		SM_GOTO(st, sm_vol_to_labels(&vol, &item->run->mem, f->path, err));
	if (i == 0) {
		*grid = vol;
		grid->data = NULL;
		json_object_set_new(item->record, "geometry", sm_convert_geometry(&vol));
	} else {
		SM_GOTO(st, sm_vol_same_grid(grid, found->file[0].path, &vol, f->path,
					     c->grid_tolerance, err));
	}
	json_object_set_new(sidecar, f->role, describe(&vol, &info, f->label));
	SM_GOTO(st, sm_convert_write(c, f->role, &vol, item, err));
out:
	sm_vol_clear(&vol);
	return st;
}

enum sm_status sm_convert_case(const struct sm_convert *c, const struct sm_raw_case *found,
			       struct sm_item *item, struct sm_err *err)
{
	struct sm_vol grid = {0};
	enum sm_status st = SM_OK;
	json_object_set_new(item->record, "patient", json_string(found->patient));
	if (found->problem)
		return SM_FAIL(err, SM_INPUT, "%s", found->problem);
	if (found->warning)
		sm_item_warn(item, "%s", found->warning);
	json_t *sidecar = json_object(), *all = json_object();
	json_object_set_new(all, "ConversionSoftware", json_string("scanmill"));
	json_object_set(all, "Files", sidecar);
	for (size_t i = 0; i < found->n && st == SM_OK; i++)
		st = one_role(c, found, i, &grid, sidecar, item, err);
	if (st == SM_OK)
		st = sm_convert_sidecar("case.json", all, item, err);
	json_decref(sidecar);
	json_decref(all);
	return st;
}
