/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/convert.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/nii.h"
#include "ingest/dcm_pixels.h"
#include "ingest/dcm_volume.h"

json_t *sm_convert_geometry(const struct sm_vol *vol)
{
	double spacing[3];
	char axes[4];
	json_t *g = json_object();
	sm_vol_spacing(vol, spacing);
	sm_vol_axes(vol, axes);
	json_object_set_new(g, "dim", sm_json_ints(vol->dim, vol->dim[3] > 1 ? 4 : 3));
	json_object_set_new(g, "spacing", sm_json_floats(spacing, 3));
	json_object_set_new(g, "affine", sm_json_floats(&vol->affine[0][0], 16));
	json_object_set_new(g, "axes", json_string(axes));
	return g;
}

/* The name below the output folder and the whole path; the case's folder is made. */
static enum sm_status place(const struct sm_item *item, const char *file, char **relative,
			    char **full, struct sm_err *err)
{
	char *folder = sm_path_join(item->run->out, item->key);
	enum sm_status st = folder ? sm_mkdirs(folder, err) : SM_BUDGET;
	*relative = sm_path_join(item->key, file);
	*full = *relative ? sm_path_join(item->run->out, *relative) : NULL;
	free(folder);
	if (st == SM_OK && *full)
		return SM_OK;
	free(*relative);
	free(*full);
	*relative = *full = NULL;
	return st == SM_IO ? st : SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
}

enum sm_status sm_convert_write(const struct sm_convert *c, const char *role,
				const struct sm_vol *vol, struct sm_item *item, struct sm_err *err)
{
	char *relative, *full, sha[65];
	char *name = sm_strf("%s%s", role, c->compression ? ".nii.gz" : ".nii");
	if (!name)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	enum sm_status st = place(item, name, &relative, &full, err);
	free(name);
	SM_TRY(st);
	st = sm_nii_write(full, vol, c->compression, item->jobs, sha, err);
	if (st == SM_OK)
		st = sm_item_output(item, role, relative, sha, err);
	free(relative);
	free(full);
	return st;
}

enum sm_status sm_convert_sidecar(const char *name, const json_t *sidecar, struct sm_item *item,
				  struct sm_err *err)
{
	char *relative, *full, sha[65];
	SM_TRY(place(item, name, &relative, &full, err));
	enum sm_status st = sm_sidecar_write(full, sidecar, sha, err);
	if (st == SM_OK)
		st = sm_item_output(item, "sidecar", relative, sha, err);
	free(relative);
	free(full);
	return st;
}

/* Slice of the volume -> hash of its SOPInstanceUID. After regridding, "at" tells where the old
 * slice lies on the new grid. */
static json_t *slice_map(const struct sm_raw *raw, const struct sm_series *s,
			 const struct sm_series_volume *v)
{
	json_t *map = json_array();
	for (size_t k = 0; k < s->n; k++) {
		const struct sm_dcm_head *h = &raw->scan.head[s->head[k]];
		json_t *slice = json_object();
		char hex[65];
		sm_salt_hash(&raw->salt, h->sop, hex);
		json_object_set_new(slice, "index", json_integer((json_int_t)k));
		json_object_set_new(slice, "sop_sha256", json_string(hex));
		if (v->regridded) {
			double at = 0;
			for (int a = 0; a < 3; a++)
				at += s->stack.normal[a] * (h->position[a] - s->stack.origin[a]);
			json_object_set_new(slice, "at", json_real(at / v->grid_mm));
		}
		json_array_append_new(map, slice);
	}
	return map;
}

static json_t *scaling_of(const struct sm_series_volume *v)
{
	json_t *o = json_object();
	json_object_set_new(o, "kind", json_string(sm_scaling_name(v->scaling)));
	/* Some makers have a second, private scale: which one was used must not be guessed. */
	json_object_set_new(o, "source", json_string("RescaleSlope, RescaleIntercept"));
	if (v->scaling != SM_SCALING_FLOAT) {
		json_object_set_new(o, "slope", json_real(v->slope));
		json_object_set_new(o, "intercept", json_real(v->intercept));
	}
	if (v->inverted)
		json_object_set_new(o, "monochrome1", json_string("inverted"));
	if (v->inverted_kept)
		json_object_set_new(o, "monochrome1", json_string("kept: the numbers have a unit"));
	return o;
}

static json_t *regrid_of(const struct sm_series *s, const struct sm_series_volume *v)
{
	json_t *o = json_object();
	double gap[2] = {s->stack.gap_min, s->stack.gap_max};
	json_object_set_new(o, "reason",
			    json_string(sm_verdict_code(
				    s->verdict != SM_VERDICT_OK ? s->verdict : SM_VERDICT_TILT)));
	json_object_set_new(o, "source_slices", json_integer((json_int_t)s->n));
	json_object_set_new(o, "source_slice_mm", sm_json_floats(gap, 2));
	json_object_set_new(o, "slice_mm", json_real(v->grid_mm));
	json_object_set_new(o, "method", json_string("linear"));
	json_object_set_new(o, "fill", json_real(v->fill));
	json_object_set_new(o, "filled_voxels", json_integer((json_int_t)v->filled));
	return o;
}

static void warn(const struct sm_series *s, const struct sm_series_volume *v, struct sm_item *item)
{
	const struct sm_stack *k = &s->stack;
	if (v->regridded)
		sm_item_warn(item,
			     "%zu slices with distances from %.4g to %.4g mm%s were interpolated "
			     "to %lld "
			     "slices every %.4g mm",
			     s->n, k->gap_min, k->gap_max, k->tilt_degrees > 0 ? ", tilted," : "",
			     (long long)v->vol.dim[2], v->grid_mm);
	else if (s->notes >> SM_VERDICT_TILT & 1)
		sm_item_warn(
			item,
			"the stack is tilted by %.2f degrees: the affine is sheared (sform only; "
			"ingest.uneven: regrid makes it orthogonal)",
			k->tilt_degrees);
	if (s->notes >> SM_VERDICT_ONE_SLICE & 1)
		sm_item_warn(item,
			     "one slice: its depth of %.4g mm is the header's, not a distance",
			     k->gap_typical);
	if (s->notes >> SM_VERDICT_NO_RESCALE & 1)
		sm_item_warn(item,
			     "%s: CT without RescaleSlope and RescaleIntercept: the numbers have no "
			     "known unit, they are not called HU",
			     sm_verdict_code(SM_VERDICT_NO_RESCALE));
	if (s->parts > 1)
		sm_item_warn(item, "the series holds %u stacks of slices; this is number %u",
			     s->parts, s->part);
	if (s->copies)
		sm_item_warn(item, "%zu files are byte for byte copies of others and were left out",
			     s->copies);
	if (v->inverted)
		sm_item_warn(item, "MONOCHROME1: numbers were inverted");
	if (v->inverted_kept)
		sm_item_warn(item, "MONOCHROME1 kept as it is: the numbers have a unit");
}

static enum sm_status series_sidecar(const struct sm_convert *c, size_t series,
				     const struct sm_series_volume *v, struct sm_item *item,
				     struct sm_err *err)
{
	const struct sm_raw *raw = c->raw;
	const struct sm_series *s = &raw->scan.list.series[series];
	char hex[65];
	json_t *o = json_object();
	if (!o)
		return SM_FAIL(err, SM_BUDGET, "sidecar: out of memory");
	enum sm_status st = sm_sidecar_add(o, v->text, s->n, err);
	sm_salt_hash(&raw->salt, raw->scan.head[s->head[0]].series, hex);
	json_object_set_new(o, "ConversionSoftware", json_string("scanmill"));
	json_object_set_new(o, "SeriesHash", json_string(hex));
	json_object_set_new(o, "Meaning", json_string(sm_meaning_name(v->vol.meaning)));
	json_object_set_new(o, "Scaling", scaling_of(v));
	json_object_set_new(o, "SliceMap", slice_map(raw, s, v));
	json_object_set_new(o, "Verdict", json_string(sm_verdict_code(s->verdict)));
	if (s->stack.tilt_degrees > 0)
		json_object_set_new(o, "TiltDegrees",
				    json_real(floor(s->stack.tilt_degrees * 100 + 0.5) / 100));
	if (v->regridded)
		json_object_set_new(o, "Regrid", regrid_of(s, v));
	if (st == SM_OK)
		st = sm_convert_sidecar("image.json", o, item, err);
	json_decref(o);
	return st;
}

enum sm_status sm_convert_series(const struct sm_convert *c, size_t series, struct sm_item *item,
				 struct sm_err *err)
{
	const struct sm_raw *raw = c->raw;
	const struct sm_series *s = &raw->scan.list.series[series];
	struct sm_series_volume v;
	sm_raw_describe_series(raw, series, item->record);
	enum sm_status st = sm_series_read(item->run->in, &raw->scan, s, &raw->salt, c->regrid,
					   &item->run->mem, item->jobs, &v, err);
	if (st != SM_OK)
		return st;
	json_object_set_new(item->record, "geometry", sm_convert_geometry(&v.vol));
	json_object_set_new(item->record, "meaning", json_string(sm_meaning_name(v.vol.meaning)));
	if (v.regridded)
		json_object_set_new(item->record, "regrid", regrid_of(s, &v));
	warn(s, &v, item);
	st = sm_convert_write(c, "image", &v.vol, item, err);
	if (st == SM_OK)
		st = series_sidecar(c, series, &v, item, err);
	sm_series_volume_clear(&v);
	return st;
}
