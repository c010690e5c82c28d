/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/convert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "ingest/burned/burned_rule.h"
#include "ingest/series/dcm_volume.h"

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
	char *relative, *full, sha[65], file_sha[65];
	char *name = sm_strf("%s%s", role, c->compression ? ".nii.gz" : ".nii");
	if (!name)
		return SM_FAIL(err, SM_BUDGET, "ingest: out of memory");
	enum sm_status st = place(item, name, &relative, &full, err);
	free(name);
	SM_TRY(st);
	st = sm_nii_write_in(&item->files, full, vol, c->compression, item->jobs, sha, file_sha,
			     err);
	if (st == SM_OK)
		st = sm_item_output(item, role, relative, sha, err);
	if (st == SM_OK)
		st = sm_item_file_hash(item, relative, file_sha, err);
	free(relative);
	free(full);
	return st;
}

enum sm_status sm_convert_text(const char *name, const char *role, const char *text,
			       struct sm_item *item, struct sm_err *err)
{
	char *relative, *full, sha[65];
	SM_TRY(place(item, name, &relative, &full, err));
	sm_sha256_bytes(text, strlen(text), sha);
	enum sm_status st = sm_outset_write(&item->files, full, text, strlen(text), err);
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
	enum sm_status st = sm_sidecar_write(&item->files, full, sidecar, sha, err);
	if (st == SM_OK)
		st = sm_item_output(item, "sidecar", relative, sha, err);
	free(relative);
	free(full);
	return st;
}

/* Slice of the volume -> hash of its SOPInstanceUID and, when the file has several, the frame's
 * number from 1. After regridding, "at" tells where the old slice lies on the new grid. */
static json_t *slice_map(const struct sm_raw *raw, const struct sm_series *s,
			 const struct sm_series_volume *v)
{
	json_t *map = json_array();
	for (size_t k = 0; k < s->n; k++) {
		const struct sm_dcm_head *h = &raw->scan.head[s->slice[k].head];
		const struct sm_dcm_frame *f = sm_slice_frame(raw->scan.head, s->slice[k]);
		json_t *slice = json_object();
		json_object_set_new(slice, "index", json_integer((json_int_t)(k % s->depth)));
		if (s->times > 1)
			json_object_set_new(slice, "time",
					    json_integer((json_int_t)(k / s->depth)));
		json_object_set_new(slice, "sop_sha256", json_string(h->sop));
		if (h->kind == SM_DCM_MOSAIC)
			json_object_set_new(slice, "tile", json_integer((json_int_t)f->tile + 1));
		else if (h->frame_count > 1)
			json_object_set_new(slice, "frame",
					    json_integer((json_int_t)f->picture + 1));
		if (v->regridded) {
			double at = 0;
			for (int a = 0; a < 3; a++)
				at += s->stack.normal[a] * (f->position[a] - s->stack.origin[a]);
			json_object_set_new(slice, "at", json_real(at / v->grid_mm));
		}
		json_array_append_new(map, slice);
	}
	return map;
}

static json_t *scaling_of(const struct sm_series_volume *v)
{
	static const char *const sources[] = {
		[SM_SCALE_NONE] = "none",
		[SM_SCALE_RESCALE] = "RescaleSlope, RescaleIntercept",
		[SM_SCALE_PHILIPS] =
			"Philips MRScaleSlope (2005,100E), RescaleSlope, RescaleIntercept",
		[SM_SCALE_REAL_WORLD] = "RealWorldValueMappingSequence",
	};
	json_t *o = json_object();
	json_object_set_new(o, "kind", json_string(sm_scaling_name(v->scaling)));
	/* Some makers have a second, private scale: which one was used must not be guessed. */
	json_object_set_new(o, "source", json_string(sources[v->source]));
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
	json_object_set_new(o, "source_slices", json_integer((json_int_t)s->depth));
	json_object_set_new(o, "source_slice_mm", sm_json_floats(gap, 2));
	json_object_set_new(o, "slice_mm", json_real(v->grid_mm));
	json_object_set_new(o, "method", json_string("linear"));
	json_object_set_new(o, "fill", json_real(v->fill));
	json_object_set_new(o, "filled_voxels", json_integer((json_int_t)v->filled));
	return o;
}

static bool noted(const struct sm_series *s, enum sm_verdict verdict)
{
	return s->notes >> verdict & 1;
}

static void warn_place(const struct sm_series *s, const struct sm_dcm_head *first,
		       const struct sm_series_volume *v, struct sm_item *item)
{
	const struct sm_stack *k = &s->stack;
	bool even = k->tilt_degrees > 0 && k->gap_max - k->gap_min < SM_SAME_MM;
	if (v->regridded && even)
		sm_item_warn(item,
			     "%zu slices tilted by %.2f degrees, %.4g mm apart, were interpolated "
			     "to %lld straight slices every %.4g mm",
			     s->depth, k->tilt_degrees, k->gap_typical,
			     (long long)v->vol.dim[2], v->grid_mm);
	else if (v->regridded)
		sm_item_warn(item,
			     "%zu slices with distances from %.4g to %.4g mm%s were interpolated "
			     "to %lld slices every %.4g mm",
			     s->depth, k->gap_min, k->gap_max,
			     k->tilt_degrees > 0 ? ", tilted," : "", (long long)v->vol.dim[2],
			     v->grid_mm);
	else if (noted(s, SM_VERDICT_TILT))
		sm_item_warn(
			item,
			"the stack is tilted by %.2f degrees: the affine is sheared (sform only; "
			"ingest.uneven: regrid makes it orthogonal)",
			k->tilt_degrees);
	if (noted(s, SM_VERDICT_ONE_SLICE))
		sm_item_warn(item,
			     "one slice: its depth of %.4g mm is the header's, not a distance",
			     k->gap_typical);
	if (noted(s, SM_VERDICT_FLAT))
		sm_item_warn(item, "a flat picture: the volume has pixel sizes but no place in the "
				   "patient");
	if (noted(s, SM_VERDICT_INCOMPLETE))
		sm_item_warn(item, "NumberOfSlices is %ld, %zu are here", first->slices_declared,
			     s->depth);
	if (s->fourth == SM_FOURTH_OTHER)
		sm_item_warn(
			item,
			"%zu slices at each of %zu positions are ordered by %s alone: what the "
			"fourth axis is, is not known",
			s->times, s->depth, s->ordered_by);
	if (s->steps_differ)
		sm_item_warn(item, "TriggerTime rises by other steps from slice to slice (each has "
				   "heartbeats of its own): the fourth axis has no step");
	if (s->trace)
		sm_item_warn(item,
			     "weighted without a direction beside directions: kept as a volume of "
			     "its own, the mean over the directions (trace)");
}

static void warn(const struct sm_series *s, const struct sm_dcm_head *first,
		 const struct sm_series_volume *v, struct sm_item *item)
{
	warn_place(s, first, v, item);
	if (v->padded)
		sm_item_warn(item,
			     "zeros stand behind the last picture of a file and were left out");
	if (noted(s, SM_VERDICT_NO_RESCALE))
		sm_item_warn(
			item,
			"%s: CT without RescaleSlope and RescaleIntercept: the numbers have no "
			"known unit, they are not called HU",
			sm_verdict_code(SM_VERDICT_NO_RESCALE));
	if (s->parts > 1)
		sm_item_warn(item, "the series holds %u volumes; this is number %u", s->parts,
			     s->part);
	if (s->copies)
		sm_item_warn(item, "%zu %s left out", s->copies,
			     s->copies == 1 ? "file is a byte for byte copy of another and was"
					    : "files are byte for byte copies of others and were");
	if (v->inverted)
		sm_item_warn(item, "MONOCHROME1: numbers were inverted");
	if (v->inverted_kept)
		sm_item_warn(item, "MONOCHROME1 kept as it is: the numbers have a unit");
}

/* Unit, SUV factor and frame table of a PET volume. */
static enum sm_status pet_sidecar(const struct sm_convert *c, const struct sm_series *s,
				  const struct sm_series_volume *v, json_t *o, struct sm_item *item,
				  struct sm_err *err)
{
	struct sm_pet_suv suv;
	struct sm_pet_table table;
	sm_pet_suv(&v->pet, &suv);
	SM_TRY(sm_pet_table(&v->pet, c->raw->scan.head, s, &table, err));
	sm_pet_sidecar(o, &v->pet, &suv, &table, c->suv);
	if (!table.gated)
		json_object_del(o, "TimePointStart"); /* FrameTimesStart says it */
	for (unsigned w = 0; w < SM_PET_WARNINGS; w++)
		if (table.warnings >> w & 1)
			sm_item_warn(item, "%s", sm_pet_warning_text((enum sm_pet_warning)w));
	sm_pet_table_clear(&table);
	return SM_OK;
}

/* Seconds of slice k from any zero: of a mosaic, or of the second time point of an enhanced series
 * (FrameAcquisitionDateTime). NAN when not known. */
static double slice_time(const struct sm_raw *raw, const struct sm_series *s,
			 const struct sm_series_volume *v, size_t k)
{
	if (v->slice_times)
		return v->slice_times[k];
	if (s->fourth != SM_FOURTH_TIME)
		return NAN;
	const struct sm_slice *slice = &s->slice[s->depth + k];
	const struct sm_dcm_head *h = &raw->scan.head[slice->head];
	return h->kind == SM_DCM_ENHANCED && strcmp(h->modality, "MR") == 0
		       ? h->frame[slice->frame].time
		       : NAN;
}

/* SliceTiming in seconds from the first slice taken. Nothing when all were taken at once (3-D), or
 * when times lie after the volume's end: the scanner's mistake. */
static void slice_timing(const struct sm_raw *raw, const struct sm_series *s,
			 const struct sm_series_volume *v, json_t *o)
{
	double repetition = json_number_value(json_object_get(o, "RepetitionTime"));
	double first = slice_time(raw, s, v, 0), last = first;
	for (size_t k = 0; k < s->depth; k++) {
		double t = slice_time(raw, s, v, k);
		if (isnan(t))
			return;
		first = t < first ? t : first;
		last = t > last ? t : last;
	}
	if (v->regridded || !(last > first) || (repetition > 0 && last - first > repetition + 1e-3))
		return;
	json_t *timing = json_array();
	for (size_t k = 0; k < s->depth; k++)
		json_array_append_new(
			timing,
			json_real(floor((slice_time(raw, s, v, k) - first) * 1e6 + 0.5) / 1e6));
	json_object_set_new(o, "SliceTiming", timing);
}

static void plane_sidecar(const struct sm_raw *raw, const struct sm_series *s,
			  const struct sm_series_volume *v, json_t *o)
{
	const struct sm_dcm_head *h = &raw->scan.head[s->slice[0].head];
	struct sm_sidecar_plane plane = {
		.columns = h->tile_columns, .rows = h->tile_rows, .polarity = v->polarity};
	memcpy(plane.across, s->stack.across, sizeof plane.across);
	memcpy(plane.down, s->stack.down, sizeof plane.down);
	sm_sidecar_plane(o, &plane);
	slice_timing(raw, s, v, o);
}

/* b-values in s/mm2, and directions as unit vectors in the patient's axes (LPS), zero for none. */
static void diffusion_sidecar(const struct sm_raw *raw, const struct sm_series *s, json_t *o)
{
	json_t *values = json_array(), *vectors = json_array();
	for (size_t t = 0; t < s->times; t++) {
		const struct sm_dcm_frame *f =
			sm_slice_frame(raw->scan.head, s->slice[t * s->depth]);
		json_array_append_new(values, json_real(f->b_value));
		json_array_append_new(vectors, sm_json_floats(f->b_vector, 3));
	}
	json_object_set_new(o, "DiffusionBValues", values);
	if (sm_convert_has_directions(raw, s))
		json_object_set_new(o, "DiffusionDirections", vectors);
	else
		json_decref(vectors);
}

static void times_sidecar(const struct sm_raw *raw, const struct sm_series *s, json_t *o)
{
	if (sm_convert_has_b_values(raw, s))
		diffusion_sidecar(raw, s, o);
	if (s->times < 2)
		return;
	json_object_set_new(o, "TimePoints", json_integer((json_int_t)s->times));
	json_object_set_new(o, "TimePointsOrderedBy", json_string(s->ordered_by));
	if (s->time_s) {
		json_object_set_new(o, "TimePointStart", sm_json_floats(s->time_s, s->times));
		json_object_set_new(o, "TimeStepFrom", json_string(s->time_from));
	} else if (s->fourth == SM_FOURTH_TIME)
		json_object_set_new(
			o, "TimeStepMissing",
			json_string(s->steps_differ
					    ? "TriggerTime has other steps from slice to slice"
					    : "no clock tells when the time points begin"));
}

static enum sm_status series_sidecar(const struct sm_convert *c, size_t series,
				     const struct sm_series_volume *v, struct sm_item *item,
				     struct sm_err *err)
{
	const struct sm_raw *raw = c->raw;
	const struct sm_series *s = &raw->scan.list.series[series];
	const struct sm_dcm_head *h = &raw->scan.head[s->slice[0].head];
	char role[17], name[24];
	json_t *o = json_object();
	if (!o)
		return SM_FAIL(err, SM_BUDGET, "sidecar: out of memory");
	enum sm_status st = sm_sidecar_add(o, &v->sidecar, &v->by_time, err);
	if (!sm_series_is_flat(s, raw->scan.head))
		plane_sidecar(raw, s, v, o);
	json_object_set_new(o, "ConversionSoftware", json_string("scanmill"));
	json_object_set_new(o, "SeriesHash", json_string(h->series));
	json_object_set_new(o, "Meaning", json_string(sm_meaning_name(v->vol.meaning)));
	json_object_set_new(o, "Scaling", scaling_of(v));
	json_object_set_new(o, "SliceMap", slice_map(raw, s, v));
	json_object_set_new(o, "Verdict", json_string(sm_verdict_code(s->verdict)));
	if (noted(s, SM_VERDICT_FLAT))
		json_object_set_new(o, "PixelSpacingFrom",
				    json_string(*h->spacing_from ? h->spacing_from : "none"));
	times_sidecar(raw, s, o);
	if (s->stack.tilt_degrees > 0)
		json_object_set_new(o, "TiltDegrees",
				    json_real(floor(s->stack.tilt_degrees * 100 + 0.5) / 100));
	if (v->regridded)
		json_object_set_new(o, "Regrid", regrid_of(s, v));
	if (st == SM_OK && v->pet.files)
		st = pet_sidecar(c, s, v, o, item, err);
	sm_raw_role(raw, series, role);
	snprintf(name, sizeof name, "%s.json", role);
	if (st == SM_OK)
		st = sm_convert_sidecar(name, o, item, err);
	json_decref(o);
	return st;
}

/* ingest.pet_units: suvbw. */
static enum sm_status pet_suv(struct sm_series_volume *v, struct sm_item *item, struct sm_err *err)
{
	struct sm_pet_suv suv;
	sm_pet_suv(&v->pet, &suv);
	SM_TRY(sm_pet_to_suv(&v->vol, &suv, &item->run->mem, item->jobs, err));
	v->scaling = SM_SCALING_FLOAT;
	return SM_OK;
}

enum sm_status sm_convert_inputs(const struct sm_raw *raw, const struct sm_raw_item *it,
				 const char sha256[65], struct sm_item *item, struct sm_err *err)
{
	/* What the record says beyond the content of its own files: copies left out, other
	 * parts. */
	SM_TRY(sm_raw_listing(raw, it, false, item, err));
	return sm_item_input(item, "series", it->key, sha256, err);
}

enum sm_status sm_convert_series(const struct sm_convert *c, const struct sm_raw_item *it,
				 struct sm_item *item, struct sm_err *err)
{
	const struct sm_raw *raw = c->raw;
	size_t series = it->at;
	char sha256[65], role[17];
	const struct sm_series *s = &raw->scan.list.series[series];
	struct sm_series_volume v;
	sm_raw_describe_series(raw, series, item->record);
	const char *text = sm_raw_burned_in(raw, s);
	if (text)
		SM_TRY(sm_burned_declared(text, item, err));
	enum sm_status st = sm_series_read_hashed(item->run->in, &raw->scan, s, &raw->salt,
						  c->regrid, &item->run->mem, item->jobs,
						  item->deferred ? sha256 : NULL, &v, err);
	if (st != SM_OK)
		return st;
	if (item->deferred)
		SM_GOTO(st, sm_convert_inputs(raw, it, sha256, item, err));
	SM_GOTO(st, sm_burned_check(&v.vol, NULL, item, err));
	if (c->suv && v.pet.files)
		SM_GOTO(st, pet_suv(&v, item, err));
	json_object_set_new(item->record, "geometry", sm_convert_geometry(&v.vol));
	json_object_set_new(item->record, "meaning", json_string(sm_meaning_name(v.vol.meaning)));
	if (v.regridded)
		json_object_set_new(item->record, "regrid", regrid_of(s, &v));
	warn(s, &raw->scan.head[s->slice[0].head], &v, item);
	sm_raw_role(raw, series, role);
	st = sm_convert_write(c, role, &v.vol, item, err);
	if (st == SM_OK && sm_convert_has_b_values(raw, s))
		st = sm_convert_diffusion(raw, s, role, &v.vol, item, err);
	if (st == SM_OK)
		st = series_sidecar(c, series, &v, item, err);
out:
	sm_series_volume_clear(&v);
	return st;
}
