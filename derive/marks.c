/* SPDX-License-Identifier: Apache-2.0 */
#include "derive/marks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"

/* axis and index of one of the two lists; name is that of the volume. */
static enum sm_status read_slices(const json_t *slices, const char *field, const struct sm_vol *vol,
				  const char *name, int *axis, int64_t **index, size_t *n,
				  struct sm_err *err)
{
	const json_t *a = json_object_get(slices, "axis"), *list = json_object_get(slices, "index");
	int64_t last = -1;
	size_t i;
	json_t *one;
	if (!json_is_integer(a) || json_integer_value(a) < 0 || json_integer_value(a) > 2 ||
	    !json_is_array(list))
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s in its sidecar lacks an axis of 0 to 2 or a list index",
			       name, field);
	*axis = (int)json_integer_value(a);
	*index = calloc(json_array_size(list) + 1, sizeof **index);
	if (!*index)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	json_array_foreach(list, i, one)
	{
		int64_t k = json_is_integer(one) ? json_integer_value(one) : -1;
		if (k <= last || k >= vol->dim[*axis])
			return SM_FAIL(err, SM_INPUT,
				       "%s: entry %zu of %s.index in its sidecar is no slice "
				       "number above the one before and below %lld",
				       name, i, field, (long long)vol->dim[*axis]);
		(*index)[(*n)++] = last = k;
	}
	return SM_OK;
}

enum sm_status sm_marks_read(const json_t *sidecar, const struct sm_vol *vol, const char *name,
			     struct sm_marks *out, struct sm_err *err)
{
	const json_t *synthetic = json_object_get(sidecar, "Synthetic");
	const json_t *slices = json_object_get(sidecar, "predicted_slices");
	const json_t *filled = json_object_get(sidecar, "filled_slices");
	const json_t *processed = json_object_get(sidecar, "processed_slices");
	enum sm_status st = SM_OK;
	*out = (struct sm_marks){.axis = -1};
	if (!synthetic && !slices && !filled && !processed)
		return SM_OK;
	if (!json_is_boolean(synthetic))
		return SM_FAIL(err, SM_INPUT, "%s: Synthetic in its sidecar is not true or false",
			       name);
	out->known = true;
	out->synthetic = json_is_true(synthetic);
	if (slices)
		st = read_slices(slices, "predicted_slices", vol, name, &out->axis, &out->index,
				 &out->n, err);
	if (filled && st == SM_OK)
		st = read_slices(filled, "filled_slices", vol, name, &out->filled_axis,
				 &out->filled, &out->filled_count, err);
	if (processed && st == SM_OK)
		st = read_slices(processed, "processed_slices", vol, name, &out->processed_axis,
				 &out->processed, &out->processed_count, err);
	if (st != SM_OK)
		sm_marks_clear(out);
	return st;
}

void sm_marks_clear(struct sm_marks *marks)
{
	free(marks->index);
	free(marks->filled);
	free(marks->processed);
	*marks = (struct sm_marks){.axis = -1};
}

enum sm_status sm_marks_none(const struct sm_marks *marks, int axis, const struct sm_vol *vol,
			     bool **none, struct sm_err *err)
{
	*none = NULL;
	if (!marks->filled_count || marks->filled_axis != axis)
		return SM_OK;
	*none = calloc((size_t)vol->dim[axis], sizeof **none);
	if (!*none)
		return SM_FAIL(err, SM_BUDGET, "slices: out of memory");
	for (size_t i = 0; i < marks->filled_count; i++)
		(*none)[marks->filled[i]] = true;
	return SM_OK;
}

int sm_slice_axis(const json_t *sidecar, const struct sm_vol *vol)
{
	double o[6], best = -1;
	int axis = 2;
	if (!sm_json_get_floats(sidecar, "ImageOrientationPatientDICOM", o, 6))
		return 2;
	/* the normal in LPS, turned to RAS */
	const double normal[3] = {-(o[1] * o[5] - o[2] * o[4]), -(o[2] * o[3] - o[0] * o[5]),
				  o[0] * o[4] - o[1] * o[3]};
	for (int a = 2; a >= 0; a--) {
		double dot = 0, length = 0;
		for (int i = 0; i < 3; i++) {
			dot += vol->affine[i][a] * normal[i];
			length += vol->affine[i][a] * vol->affine[i][a];
		}
		double lean = fabs(dot) / sqrt(length);
		if (lean > best + 1e-6) {
			best = lean;
			axis = a;
		}
	}
	return axis;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void spread_lists(json_t *o, const struct sm_interleaving *how)
{
	static const char *const by_slice[] = {"SliceTiming", "FrameDurationBySlice",
					       "DecayCorrectionFactorBySlice"};
	for (size_t k = 0; k < sizeof by_slice / sizeof *by_slice; k++) {
		json_t *list = json_object_get(o, by_slice[k]), *wide = json_array();
		for (int64_t i = 0; i <= (how->slices - 1) * how->factor; i++)
			if (i % how->factor)
				json_array_append_new(wide, json_null());
			else
				json_array_append(wide,
						  json_array_get(list, (size_t)(i / how->factor)));
		if (list && (int64_t)json_array_size(list) == how->slices)
			json_object_set(o, by_slice[k], wide);
		else
			json_object_del(o, by_slice[k]);
		json_decref(wide);
	}
}

static void move_slices(json_t *o, const struct sm_interleaving *how)
{
	size_t i;
	json_t *one, *spacing = json_object_get(o, "SpacingBetweenSlices");
	json_array_foreach(json_object_get(o, "SliceMap"), i, one)
	{
		json_t *index = json_object_get(one, "index");
		if (json_is_integer(index))
			json_integer_set(index, json_integer_value(index) * how->factor);
	}
	json_object_set_new(o, "SpacingBetweenSlices",
			    json_real(json_is_number(spacing)
					      ? json_number_value(spacing) / how->factor
					      : how->spacing));
	spread_lists(o, how);
}

/* DERIVED and SECONDARY in the place of ORIGINAL and PRIMARY; the words behind them stay. */
static void mark_type(json_t *o)
{
	json_t *type = json_object_get(o, "ImageType");
	if (!json_is_array(type)) {
		type = json_array();
		json_object_set_new(o, "ImageType", type);
	}
	while (json_array_size(type) < 2)
		json_array_append_new(type, json_string(""));
	json_array_set_new(type, 0, json_string("DERIVED"));
	json_array_set_new(type, 1, json_string("SECONDARY"));
}

/* Slice i of the result holds nothing: as a slice of the source, or beside such a one. */
static bool is_none(const struct sm_interleaving *how, int64_t i)
{
	int64_t k = i / how->factor;
	return how->none && (how->none[k] || (i % how->factor && how->none[k + 1]));
}

static void spread_filled(json_t *o, const struct sm_interleaving *how)
{
	json_t *index = json_array(), *filled = json_object_get(o, "filled_slices");
	for (int64_t i = 0; i <= (how->slices - 1) * how->factor; i++)
		if (is_none(how, i))
			json_array_append_new(index, json_integer(i));
	if (json_array_size(index))
		json_object_set(filled, "index", index);
	json_decref(index);
}

/* Slices predicted now, and those of the source that were predicted before. */
static json_t *predicted(const struct sm_marks *marks, const struct sm_interleaving *how)
{
	json_t *index = json_array(), *position = json_array();
	size_t old = 0;
	for (int64_t i = 0; i <= (how->slices - 1) * how->factor; i++) {
		bool now = i % how->factor, before = false;
		while (old < marks->n && marks->index[old] * how->factor < i)
			old++;
		if (marks->axis == how->axis)
			before = old < marks->n && marks->index[old] * how->factor == i;
		if ((!now && !before) || is_none(how, i))
			continue;
		json_array_append_new(index, json_integer(i));
		json_array_append_new(position, json_real((double)i / how->factor));
	}
	return json_pack("{s:i, s:o, s:o}", "axis", how->axis, "index", index, "position",
			 position);
}

/* Slices of the source that preprocess changed, under their new numbers; NULL when there is none.
 */
static json_t *processed(const struct sm_marks *marks, const struct sm_interleaving *how)
{
	json_t *index = json_array();
	size_t old = 0, at = 0;
	for (int64_t k = 0; k < how->slices; k++) {
		while (old < marks->n && marks->index[old] < k)
			old++;
		while (at < marks->processed_count && marks->processed[at] < k)
			at++;
		bool before = marks->axis == how->axis && old < marks->n && marks->index[old] == k;
		bool told = marks->processed_axis == how->axis && at < marks->processed_count &&
			    marks->processed[at] == k;
		if ((told || how->processed) && !before && !(how->none && how->none[k]))
			json_array_append_new(index, json_integer(k * how->factor));
	}
	if (json_array_size(index))
		return json_pack("{s:i, s:o}", "axis", how->axis, "index", index);
	json_decref(index);
	return NULL;
}

static void add_step(json_t *o, json_t *step, const char *model)
{
	json_t *steps = json_object_get(o, "Derivation");
	if (!json_is_array(steps)) {
		steps = json_array();
		json_object_set_new(o, "Derivation", steps);
	}
	if (model)
		json_object_set_new(step, "Model", json_string(model));
	json_array_append_new(steps, step);
}

json_t *sm_marks_interleave(const json_t *sidecar, const struct sm_marks *marks,
			    const struct sm_interleaving *how)
{
	json_t *o = sidecar ? json_deep_copy(sidecar) : json_object();
	if (!o)
		return NULL;
	if (how->own_axis)
		move_slices(o, how);
	mark_type(o);
	/* Of a volume that is predicted throughout, or along another axis, no slice is an original.
	 */
	bool all = marks->synthetic && (marks->axis < 0 || marks->axis != how->axis);
	json_object_set_new(o, "Synthetic", json_true());
	json_object_del(o, "predicted_slices");
	json_object_del(o, "processed_slices");
	spread_filled(o, how);
	if (!all)
		json_object_set_new(o, "predicted_slices", predicted(marks, how));
	json_t *changed = all ? NULL : processed(marks, how);
	if (changed)
		json_object_set_new(o, "processed_slices", changed);
	json_t *step = json_pack("{s:s, s:s, s:i, s:i}", "Stage", "interpolate", "Method",
				 how->method, "Factor", how->factor, "Axis", how->axis);
	add_step(o, step, how->model);
	return o;
}

json_t *sm_marks_translate(const json_t *sidecar, const char *modality, enum sm_meaning meaning,
			   const char *method, const char *model)
{
	static const char *const kept[] = {
		"BodyPartExamined", "PatientPosition",      "ImageOrientationPatientDICOM",
		"SliceThickness",   "SpacingBetweenSlices", "SliceMap",
		"Derivation"};
	json_t *o = json_object();
	if (!o)
		return NULL;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		json_t *value = json_object_get(sidecar, kept[i]);
		if (value)
			json_object_set_new(o, kept[i], json_deep_copy(value));
	}
	mark_type(o);
	json_object_set_new(o, "Modality", json_string(modality));
	json_object_set_new(o, "Meaning", json_string(sm_meaning_name(meaning)));
	json_object_set_new(o, "Synthetic", json_true());
	add_step(o, json_pack("{s:s, s:s}", "Stage", "predict", "Method", method), model);
	return o;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* A word that may stand in a DICOM file: a sidecar is a text file that anybody can write to. */
static const char *word(const json_t *object, const char *name)
{
	const char *text = sm_json_text(object, name);
	size_t n = text ? strlen(text) : 0;
	if (!n || n > 64)
		return NULL;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") ==
			       n
		       ? text
		       : NULL;
}

void sm_marks_say(const json_t *sidecar, char *out, size_t n)
{
	size_t i, used = 0;
	json_t *step;
	snprintf(out, n, "%s", "");
	json_array_foreach(json_object_get(sidecar, "Derivation"), i, step)
	{
		const char *stage = word(step, "Stage"), *method = word(step, "Method"),
			   *model = word(step, "Model");
		json_int_t factor = json_integer_value(json_object_get(step, "Factor"));
		char by[32] = "";
		if (factor > 1 && factor <= 1000)
			snprintf(by, sizeof by, ", factor %d", (int)factor);
		if (used < n)
			used += (size_t)snprintf(out + used, n - used, "%s%s%s%s%s%s%s",
						 used ? "; " : "", stage ? stage : "derived",
						 method ? " " : "", method ? method : "", by,
						 model ? ", model " : "", model ? model : "");
	}
}
