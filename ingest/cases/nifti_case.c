/* SPDX-License-Identifier: Apache-2.0
 *
 * A case of NIfTI files: checked, scrubbed, written again (see convert.h).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "ingest/burned/burned_rule.h"
#include "ingest/convert.h"
#include "ingest/cases/picture_case.h"

static const struct sm_ingest_section *section_of(const struct sm_item *item)
{
	return ((const struct sm_manifest_root *)item->run->manifest)->ingest;
}

/* Sentences name the file below the tree, not where the tree stands. */
static enum sm_status read_file(const struct sm_raw_file *f, struct sm_item *item,
				struct sm_vol *vol, struct sm_nii_info *info, struct sm_err *err)
{
	const struct sm_ingest_section *m = section_of(item);
	struct sm_nii_rules rules = {(enum sm_nii_affine)m->affine, m->grid_tolerance};
	char *full = sm_path_join(item->run->in, f->path);
	if (!full)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	enum sm_status st = sm_nii_read_as(full, f->path, &rules, &item->run->mem, vol, info, err);
	free(full);
	if (st == SM_IO)
		return sm_fail_unreadable(err, f->path);
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

/* The codes of the extensions; what they held is left out. */
static json_t *extension_codes(const struct sm_nii_info *info)
{
	json_t *list = json_array();
	for (size_t i = 0; i < info->extensions && i < SM_NII_CODES; i++)
		json_array_append_new(list, json_integer(info->extension_code[i]));
	return list;
}

/* Which axis of the file became the fourth, and its step as it stood. */
static json_t *fourth_axis(const struct sm_vol *vol, const struct sm_nii_info *info)
{
	static const char *const what[] = {"frame", "component", "dim6", "dim7"};
	json_t *o = json_object();
	json_object_set_new(o, "from", json_string(what[info->fourth_axis - 4]));
	json_object_set_new(o, "size", json_integer(vol->dim[3]));
	json_object_set_new(o, "unit", json_string(sm_nii_unit_name(info->fourth_unit)));
	if (isfinite(info->fourth_step))
		json_object_set_new(o, "step", json_real(info->fourth_step));
	if (vol->frame_seconds > 0)
		json_object_set_new(o, "seconds", json_real(vol->frame_seconds));
	return o;
}

/* What the file's header said that the written volume says in its own way, or no longer. */
static json_t *describe_header(const struct sm_vol *vol, const struct sm_nii_info *info)
{
	json_t *o = json_object();
	json_object_set_new(o, "version", json_integer(info->version));
	json_object_set_new(o, "pair", json_boolean(info->pair));
	json_object_set_new(o, "sform", json_string(sm_nii_form_name(info->sform_code)));
	json_object_set_new(o, "sform_code", json_integer(info->sform_code));
	json_object_set_new(o, "qform", json_string(sm_nii_form_name(info->qform_code)));
	json_object_set_new(o, "qform_code", json_integer(info->qform_code));
	if (info->sform_code > 0 && info->qform_code > 0 && isfinite(info->form_gap_mm))
		json_object_set_new(o, "form_gap_mm", sm_json_floats(&info->form_gap_mm, 1));
	json_object_set_new(o, "intent", json_string(sm_nii_intent_name(info->intent_code)));
	json_object_set_new(o, "intent_code", json_integer(info->intent_code));
	json_object_set_new(o, "space_unit", json_string(sm_nii_unit_name(info->space_unit)));
	if (info->fourth_axis)
		json_object_set_new(o, "fourth_axis", fourth_axis(vol, info));
	json_object_set_new(o, "extensions", json_integer((json_int_t)info->extensions));
	if (info->extensions)
		json_object_set_new(o, "extension_codes", extension_codes(info));
	if (vol->slope != 1 || vol->inter != 0) {
		json_object_set_new(o, "scl_slope", json_real(vol->slope));
		json_object_set_new(o, "scl_inter", json_real(vol->inter));
	}
	return o;
}

static json_t *describe(const struct sm_vol *vol, const struct sm_nii_info *info, size_t zeroed,
			bool label)
{
	json_t *o = json_object();
	json_object_set_new(o, "type", json_string(sm_dtype_name(vol->dtype)));
	json_object_set_new(o, "affine_source", json_string(info->affine_source));
	json_object_set_new(o, "header", describe_header(vol, info));
	if (zeroed)
		json_object_set_new(o, "not_finite_set_to_0", json_integer((json_int_t)zeroed));
	if (label) {
		json_object_set_new(o, "voxels", label_counts(vol));
		return o;
	}
	double range[2];
	size_t bad;
	sm_vol_range(vol, &range[0], &range[1], &bad);
	json_object_set_new(o, "range", sm_json_floats(range, 2));
	json_object_set_new(o, "not_finite", json_integer((json_int_t)bad));
	if (info->beyond_2_53)
		json_object_set_new(o, "beyond_2_53", json_integer((json_int_t)info->beyond_2_53));
	if (info->rounded)
		json_object_set_new(o, "rounded_float128", json_integer((json_int_t)info->rounded));
	return o;
}

static void warn_place(const struct sm_raw_file *f, const struct sm_nii_info *info,
		       double tolerance, struct sm_item *item)
{
	char doubt[SM_NII_DOUBTS][SM_NII_DOUBT];
	const size_t doubts = sm_nii_doubts(info, tolerance, doubt);
	for (size_t i = 0; i < doubts; i++)
		sm_item_warn(item, "%s: %s", f->path, doubt[i]);
	if (info->space_unit == 1 || info->space_unit == 3)
		sm_item_warn(item, "%s: lengths in %s became mm", f->path,
			     sm_nii_unit_name(info->space_unit));
	else if (info->space_unit == 0)
		sm_item_warn(item, "%s: xyzt_units has no unit of length; mm were taken", f->path);
}

static void warn_axis(const struct sm_raw_file *f, const struct sm_vol *vol,
		      const struct sm_nii_info *info, struct sm_item *item)
{
	if (info->fourth_axis > 4)
		sm_item_warn(item, "%s: the %lld components of dim[%d] became the fourth axis",
			     f->path, (long long)vol->dim[3], info->fourth_axis);
	else if (info->fourth_axis && info->fourth_unit == 0)
		sm_item_warn(
			item,
			"%s: xyzt_units has no unit for the %lld frames; their step of %g is not "
			"called seconds",
			f->path, (long long)vol->dim[3], info->fourth_step);
	else if (info->fourth_axis && vol->frame_seconds <= 0)
		sm_item_warn(item,
			     "%s: the step of the fourth axis, %g %s, is no time and left out",
			     f->path, info->fourth_step, sm_nii_unit_name(info->fourth_unit));
}

static void warn_whole_numbers(const struct sm_raw_file *f, const struct sm_vol *vol,
			       const struct sm_nii_info *info, struct sm_item *item)
{
	double lo, hi;
	size_t bad;
	if (info->beyond_2_53)
		sm_item_warn(
			item,
			"%s: %zu whole numbers beyond 2^53 are kept as %s, but no later step can "
			"hold them exactly",
			f->path, info->beyond_2_53, sm_dtype_name(vol->dtype));
	if (info->beyond_2_53 || vol->dtype < SM_I32 || vol->dtype > SM_U64 || f->label)
		return;
	sm_vol_range(&(struct sm_vol){.dim = {vol->dim[0], vol->dim[1], vol->dim[2], vol->dim[3]},
				      .dtype = vol->dtype,
				      .slope = 1,
				      .data = vol->data},
		     &lo, &hi, &bad);
	if (lo < -0x1p24 || hi > 0x1p24)
		sm_item_warn(item,
			     "%s: %s numbers beyond 2^24 (%.0f to %.0f) are kept, but steps that "
			     "compute "
			     "in float32 round them",
			     f->path, sm_dtype_name(vol->dtype), lo, hi);
}

static void warn(const struct sm_raw_file *f, const struct sm_vol *vol,
		 const struct sm_nii_info *info, struct sm_item *item)
{
	if (info->gz_padding)
		sm_item_warn(item, "%s: bytes behind the payload were left out", f->path);
	if (info->extensions)
		sm_item_warn(item, "%s: %zu header extensions (the first of code %d) were left out",
			     f->path, info->extensions, info->extension_code[0]);
	if (info->rounded)
		sm_item_warn(item, "%s: %zu float128 values were rounded to float64", f->path,
			     info->rounded);
	warn_whole_numbers(f, vol, info, item);
	warn_place(f, info, section_of(item)->grid_tolerance, item);
	if (!f->split)
		warn_axis(f, vol, info, item);
}

/* What the manifest wants done with NaN and Inf; *zeroed counts those that became 0. */
static enum sm_status settle_nan(const struct sm_raw_file *f, const struct sm_nii_info *info,
				 struct sm_vol *vol, size_t *zeroed, struct sm_item *item,
				 struct sm_err *err)
{
	int policy = section_of(item)->nan;
	*zeroed = 0;
	if (!info->not_finite)
		return SM_OK;
	if (policy == SM_NAN_REFUSE)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %zu voxels are NaN or infinite, allowed are none (ingest.nan: "
			       "refuse)",
			       f->path, info->not_finite);
	if (policy == SM_NAN_ZERO) {
		*zeroed = sm_vol_zero_not_finite(vol);
		sm_item_warn(item, "%s: %zu voxels were NaN or infinite and became 0", f->path,
			     *zeroed);
		return SM_OK;
	}
	sm_item_warn(item, "%s: %zu voxels are NaN or infinite and stay so", f->path,
		     info->not_finite);
	return SM_OK;
}

static size_t part_bytes(const struct sm_vol *part)
{
	return sm_vol_count(part) * sm_dtype_size(part->dtype);
}

/* The first of the channels that lie along the last axis; borrows vol's data. */
static enum sm_status first_part(const struct sm_raw_file *f, const struct sm_vol *vol,
				 struct sm_vol *part, struct sm_err *err)
{
	if (vol->dim[3] != (int64_t)f->split_n)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the fourth axis has %lld volumes, allowed is one for each of the %zu "
			"channels of dataset.json",
			f->path, (long long)vol->dim[3], f->split_n);
	part->dim[3] = 1;
	part->frame_seconds = 0;
	return SM_OK;
}

/* A volume on another grid than the case's first: says what can be done about it. */
static enum sm_status same_grid(const struct sm_raw_case *found, const struct sm_vol *grid,
				const struct sm_vol *v, size_t i, double tolerance,
				struct sm_err *err)
{
	char text[SM_ERR_TEXT];
	enum sm_status st = sm_vol_same_grid(grid, found->file[0].path, v, found->file[i].path,
					     tolerance, err);
	if (st == SM_OK || !err)
		return st;
	snprintf(text, sizeof text, "%s", err->text);
	return SM_FAIL(err, st,
		       "%.300s (layout mixed takes volumes on grids of their own, and a step "
		       "`resample: {like: %s}` brings them together)",
		       text, found->file[0].role);
}

/* Reads one role, holds it against the first role's grid, writes it, or each of its channels. */
static enum sm_status one_role(const struct sm_convert *c, const struct sm_raw_case *found,
			       size_t i, struct sm_vol *grid, json_t *sidecar, struct sm_item *item,
			       struct sm_err *err)
{
	const struct sm_raw_file *f = &found->file[i];
	struct sm_vol vol = {0}, part;
	struct sm_nii_info info;
	size_t zeroed;
	enum sm_status st = read_file(f, item, &vol, &info, err);
	if (st != SM_OK)
		return st;
	warn(f, &vol, &info, item);
	SM_GOTO(st, settle_nan(f, &info, &vol, &zeroed, item, err));
	if (f->label)
		SM_GOTO(st, sm_vol_to_labels(&vol, &item->run->mem, f->path, err));
	else
		SM_GOTO(st, sm_burned_check(&vol, f->path, item, err));
	part = vol;
	if (f->split)
		SM_GOTO(st, first_part(f, &vol, &part, err));
	if (i == 0) {
		*grid = part;
		grid->data = NULL;
		json_object_set_new(item->record, "geometry", sm_convert_geometry(&part));
	} else if (!found->own_grids) {
		SM_GOTO(st, same_grid(found, grid, &part, i, c->grid_tolerance, err));
	}
	for (size_t k = 0; k < (f->split ? f->split_n : 1); k++) {
		const char *role = f->split ? f->split[k] : f->role;
		json_t *about = describe(&part, &info, zeroed, f->label);
		if (found->own_grids)
			json_object_set_new(about, "geometry", sm_convert_geometry(&part));
		if (f->fields)
			json_object_set_new(about, "sidecar", json_loads(f->fields, 0, NULL));
		json_object_set_new(sidecar, role, about);
		SM_GOTO(st, sm_convert_write(c, role, &part, item, err));
		part.data = (char *)part.data + part_bytes(&part);
	}
out:
	sm_vol_clear(&vol);
	return st;
}

enum sm_status sm_convert_case(const struct sm_convert *c, const struct sm_raw_case *found,
			       struct sm_item *item, struct sm_err *err)
{
	struct sm_vol grid = {0};
	enum sm_status st = SM_OK;
	SM_TRY(sm_raw_describe_case(found, item, err));
	if (found->problem)
		return SM_FAIL(err, SM_INPUT, "%s", found->problem);
	if (found->pictures)
		return sm_convert_pictures(found, item, err);
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
