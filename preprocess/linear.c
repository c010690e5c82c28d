/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/linear.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/ledger.h"
#include "preprocess/op_table.h"
#include "preprocess/op_window.h"
#include "preprocess/view.h"

/* What an operation does to the numbers of a volume. An operation that is not listed loses them. */
enum effect { LOSES, KEEPS, STACKS, SUMS, WINDOWS, SCALES, TO_SUV };

static const enum effect effects[SM_OP_COUNT] = {
	[SM_OP_stack] = STACKS,
	[SM_OP_window] = WINDOWS,
	[SM_OP_pad_crop] = KEEPS,
	[SM_OP_crop_foreground] = KEEPS,
	[SM_OP_sum_frames] = SUMS,
	[SM_OP_remove_background] = KEEPS,
	[SM_OP_denoise] = KEEPS,
	[SM_OP_relabel] = KEEPS,
	[SM_OP_orient] = KEEPS,
	[SM_OP_resample] = KEEPS,
	[SM_OP_resize] = KEEPS,
	[SM_OP_rotate90] = KEEPS,
	[SM_OP_remove_band] = KEEPS,
	[SM_OP_scale] = SCALES,
	[SM_OP_select_frames] = KEEPS,
	[SM_OP_suv] = TO_SUV,
	[SM_OP_one_hot] = KEEPS,
	[SM_OP_regions] = KEEPS,
	[SM_OP_select_slices] = KEEPS,
};

#define MOST_LINES 32

/* The lines so far; each is undone by from + (v - to) * times. */
struct line {
	struct {
		double from, to, times;
	} undo[MOST_LINES];
	int n;
	bool stacked, lost;
};

enum is { NO, YES, PERHAPS };

static enum is is_for(const struct line *l, const char *when, const char *name)
{
	if (!when)
		return YES;
	if (l->stacked)
		return strcmp(when, "image") == 0 ? YES : PERHAPS;
	if (name && (strcmp(when, name) == 0 || sm_modality_is(name, when)))
		return YES;
	/* A modality beside a role's name, or the other way round, may mean the same volume. */
	return name && sm_modality_known(name) == sm_modality_known(when) ? NO : PERHAPS;
}

static enum is holds(const json_t *roles, const char *name)
{
	size_t i;
	json_t *one;
	if (!json_array_size(roles))
		return YES;
	json_array_foreach(roles, i, one)
		if (name && strcmp(json_string_value(one) ? json_string_value(one) : "", name) == 0)
			return YES;
	return name && !sm_modality_known(name) ? NO : PERHAPS;
}

static double number(const json_t *params, const char *key)
{
	return json_number_value(json_object_get(params, key));
}

static void then(struct line *l, double from, double to, double times)
{
	if (l->n == MOST_LINES || !(times > 0) || !isfinite(times)) {
		l->lost = true;
		return;
	}
	l->undo[l->n].from = from;
	l->undo[l->n].to = to;
	l->undo[l->n++].times = times;
}

/* From the last line to the first: the ends of a window come out exactly. */
static double back(const struct line *l, double v)
{
	for (int i = l->n; i-- > 0;)
		v = l->undo[i].from + (v - l->undo[i].to) * l->undo[i].times;
	return v;
}

static void window(struct line *l, const json_t *params)
{
	double range[2], to[2];
	const char *preset = sm_json_text(params, "preset");
	if (!sm_json_get_floats(params, "range", range, 2) && !sm_window_preset(preset, range)) {
		double half = number(params, "width") / 2;
		range[0] = number(params, "centre") - half;
		range[1] = number(params, "centre") + half;
	}
	if (!sm_json_get_floats(params, "to", to, 2))
		l->lost = true;
	else
		then(l, range[0], to[0], (range[1] - range[0]) / (to[1] - to[0]));
}

static void step(struct line *l, const json_t *entry, const char *name, char unit[SM_UNIT_NAME])
{
	const char *key;
	json_t *value;
	const struct sm_op *op = NULL;
	const json_t *params = NULL;
	json_object_foreach((json_t *)(uintptr_t)entry, key, value)
	{
		const struct sm_op *found = sm_op_find(key);
		op = found ? found : op;
		params = found ? value : params;
	}
	enum effect effect = op ? effects[op - sm_ops] : LOSES;
	enum is own = is_for(l, sm_json_text(entry, "when"), name);
	if (own == NO || effect == KEEPS)
		return;
	if (effect == WINDOWS || effect == SCALES) {
		enum is held = holds(json_object_get(params, "roles"), name);
		if (held == NO)
			return;
		own = held == PERHAPS ? PERHAPS : own;
	}
	if (effect == STACKS) {
		l->stacked = true;
		return;
	}
	const char *method = sm_json_text(params, "method");
	if (own == PERHAPS || effect == LOSES || (effect == TO_SUV && l->n) ||
	    (effect == SUMS && (!method || strcmp(method, "sum") == 0)))
		l->lost = true;
	else if (effect == WINDOWS)
		window(l, params);
	else if (effect == SCALES)
		then(l, 0, number(params, "add"),
		     number(params, "divide") / number(params, "multiply"));
	else if (effect == TO_SUV)
		snprintf(unit, SM_UNIT_NAME, "SUV");
}

static void first_unit(const json_t *manifest, const char *name, char unit[SM_UNIT_NAME])
{
	const json_t *ingest = json_object_get(manifest, "ingest");
	const char *layout = sm_json_text(ingest, "layout"),
		   *pet = sm_json_text(ingest, "pet_units");
	const char *said = "arbitrary";
	if (layout && strcmp(layout, "images") == 0)
		said = "grey";
	else if (name && sm_modality_is(name, "ct"))
		said = "HU";
	else if (name && (sm_modality_is(name, "pet") || strcmp(name, "pet") == 0) && pet &&
		 strcmp(pet, "suvbw") == 0)
		said = "SUV";
	snprintf(unit, SM_UNIT_NAME, "%s", said);
}

void sm_linear_of(const json_t *manifest, const char *name, struct sm_linear *out)
{
	const json_t *section = json_object_get(manifest, "preprocess");
	const json_t *steps = json_object_get(section, "steps");
	json_int_t upto = json_integer_value(json_object_get(section, "upto"));
	struct line l = {0};
	size_t n = json_array_size(steps);
	*out = (struct sm_linear){.low = -1, .high = 1};
	first_unit(manifest, name, out->unit);
	n = upto > 0 && (size_t)upto < n ? (size_t)upto : n;
	for (size_t i = 0; i < n; i++)
		step(&l, json_array_get(steps, i), name, out->unit);
	double low = back(&l, -1), high = back(&l, 1);
	out->known = section && !l.lost && isfinite(low) && isfinite(high);
	if (!out->known) {
		snprintf(out->unit, SM_UNIT_NAME, "%s", SM_UNIT_NORMALISED);
		return;
	}
	out->low = low;
	out->high = high;
}
