/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/picture.h"
#include "eval/cases.h"
#include "eval/translate.h"
#include "preprocess/pair.h"
#include "preprocess/view.h"

/* The names of a and b as stage predict had them, "image" for the only volume. */
static const char *named(const char *name)
{
	return name && *name ? name : "image";
}

/* The manifest must ask for the images that the ledger speaks of: a score against the other side
 * would be a number, too. */
static enum sm_status check_direction(const struct sm_translations *t, const char *direction,
				      struct sm_err *err)
{
	static const char *const ways[] = {"a_to_b", "b_to_a"};
	const struct sm_pair_section *s = t->pair;
	if (!direction || (strcmp(direction, ways[0]) != 0 && strcmp(direction, ways[1]) != 0))
		return SM_FAIL(err, SM_INPUT,
			       "predict ledger: direction is '%s', allowed are a_to_b and b_to_a",
			       direction ? direction : "");
	/* Of two domains predict.direction chooses. */
	if (!t->unpaired && strcmp(direction, ways[s->direction]) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "pair.direction: found %s, the predict ledger is of %s: needed is "
			       "the manifest that predict had",
			       ways[s->direction], direction);
	const char *a = named(s->a), *b = t->triplets ? a : named(s->b);
	const char *from = t->b_to_a ? b : a, *to = t->b_to_a ? a : b;
	if (strcmp(named(t->source), from) != 0 || strcmp(named(t->target), to) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "pair.a, pair.b: ask for %s into %s, the predict ledger is of %s "
			       "into %s: needed is the manifest that predict had",
			       from, to, named(t->source), named(t->target));
	return SM_OK;
}

static enum sm_status read_header(struct sm_translations *t, struct sm_err *err)
{
	const json_t *h = t->predict.header;
	const char *direction = sm_json_text(h, "direction"), *unit = sm_json_text(h, "unit");
	const json_t *low = json_object_get(h, "low"), *high = json_object_get(h, "high");
	const char *model = sm_json_text(h, "network");
	t->source = sm_json_text(h, "source"); /* "" = the only volume */
	t->target = sm_json_text(h, "target");
	t->triplets = json_is_true(json_object_get(h, "triplets"));
	t->unpaired = t->pair->mode == SM_PAIR_UNPAIRED;
	t->b_to_a = direction && strcmp(direction, "b_to_a") == 0;
	t->model = model ? model : "model";
	if (!t->source || !t->target || !unit)
		return SM_FAIL(
			err, SM_INPUT,
			"predict ledger: has no source, target or unit of images: it was not "
			"made with dataset: pair");
	if (t->triplets != (t->pair->mode == SM_PAIR_TRIPLETS))
		return SM_FAIL(err, SM_INPUT,
			       "pair.mode: the predict ledger is %s triplets, the manifest is not: "
			       "needed is the manifest that predict had",
			       t->triplets ? "of" : "not of");
	SM_TRY(check_direction(t, direction, err));
	const bool own = json_is_number(low) && json_is_number(high);
	t->unit = own ? unit : "1";
	t->range[0] = own ? json_number_value(low) : -1;
	t->range[1] = own ? json_number_value(high) : 1;
	if (!(t->range[1] > t->range[0]))
		return SM_FAIL(err, SM_INPUT,
			       "predict ledger: low is %g and high %g, must be low < high",
			       t->range[0], t->range[1]);
	return SM_OK;
}

enum sm_status sm_translations_open(struct sm_run *run, const char *predict, const char *truth,
				    struct sm_translations *out, struct sm_err *err)
{
	const struct sm_manifest_root *m = run->manifest;
	*out = (struct sm_translations){.run = run,
					.pair = m->pair,
					.dir = predict,
					.tolerance = m->evaluate->grid_tolerance};
	enum sm_status st;
	SM_GOTO(st, sm_run_parent(run, predict, "predict", &out->predict, err));
	SM_GOTO(st, sm_cases_open_at(run, truth, &out->cases, err));
	if (!out->cases.preprocessed)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "--truth: is a folder of stage ingest, allowed with dataset: "
				    "pair is one of stage preprocess"));
	const char *made =
		sm_json_text(json_object_get(out->predict.header, "parents"), "preprocess");
	if (made && strcmp(made, out->cases.parent.sha256) != 0)
		SM_GOTO(st,
			SM_FAIL(err, SM_INPUT,
				"predict ledger: was made from the preprocess ledger %.12s, but "
				"given is %.12s: run stage predict again",
				made, out->cases.parent.sha256));
	st = read_header(out, err);
out:
	if (st != SM_OK)
		sm_translations_close(out);
	return st;
}

void sm_translations_close(struct sm_translations *t)
{
	sm_ledger_clear(&t->predict);
	sm_cases_close(&t->cases);
	*t = (struct sm_translations){0};
}

size_t sm_translations_find(const struct sm_translations *t, const char *key)
{
	for (size_t i = 0; i < t->cases.count; i++)
		if (strcmp(sm_records_key(t->cases.parent.records, t->cases.at[i]), key) == 0)
			return i;
	return SM_NONE;
}

/* True when a record of preprocess lists a volume, a channel or, alone, the modality of that name.
 */
static bool holds(const json_t *record, const char *name)
{
	size_t i;
	json_t *v;
	if (!*name)
		return true;
	json_array_foreach(json_object_get(record, "channels"), i, v)
	{
		if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
			return true;
	}
	const char *modality = sm_json_text(record, "modality");
	return sm_record_output(record, name) || (modality && sm_modality_is(modality, name));
}

enum sm_status sm_translations_truth(const struct sm_translations *t, size_t at, bool *has,
				     struct sm_err *err)
{
	*has = false;
	if (at == SM_NONE)
		return SM_OK;
	json_t *record = sm_cases_record(&t->cases, at, err);
	if (!record)
		return SM_IO;
	*has = holds(record, t->target);
	json_decref(record);
	return SM_OK;
}

/* ---- which slices ---------------------------------------------------------------------------- */

/* What predict made: its list, else what pair would take. */
static enum sm_status made_slices(const struct sm_translations *t, const json_t *record,
				  const struct sm_case *c, const struct sm_pair_side *x,
				  const struct sm_pair_side *y, const struct sm_slice_view *view,
				  uint8_t *use, struct sm_err *err)
{
	const json_t *list = json_object_get(record, "slices");
	size_t i, n = 0;
	json_t *number;
	if (json_is_array(list)) {
		json_array_foreach(list, i, number)
		{
			const json_int_t z = json_integer_value(number);
			if (!json_is_integer(number) || z < 0 || z >= view->count)
				return SM_FAIL(err, SM_INPUT,
					       "predict ledger: case %s: slices[%zu] is not one of "
					       "0 to %lld",
					       c->key, i, (long long)view->count - 1);
			use[z] = 1;
		}
		return SM_OK;
	}
	int64_t *index = NULL;
	SM_TRY(sm_slice_choose(c, y->vol, view, y->name, t->pair->first, t->pair->last, &index, &n,
			       err));
	if (x->vol && x->vol != y->vol)
		sm_slice_choose_also(c, x->vol, view, index, &n);
	for (i = 0; i < n; i++)
		use[index[i]] = 1;
	free(index);
	return SM_OK;
}

static enum sm_status choose(const struct sm_translations *t, const json_t *record,
			     const struct sm_case *c, const struct sm_pair_side *x,
			     const struct sm_pair_side *y, sm_slice_filter filter, const void *ctx,
			     struct sm_made *out, struct sm_err *err)
{
	const int64_t count = out->view.count;
	uint8_t *use = sm_calloc(NULL, 2 * (size_t)count, 1, "list of slices", err);
	enum sm_status st = use ? SM_OK : SM_BUDGET;
	out->slice = use ? sm_alloc(NULL, (size_t)count, sizeof *out->slice, "list of slices", err)
			 : NULL;
	if (!out->slice)
		SM_GOTO(st, SM_BUDGET);
	SM_GOTO(st, made_slices(t, record, c, x, y, &out->view, use, err));
	memset(use + count, 1, (size_t)count);
	if (filter)
		SM_GOTO(st, filter(ctx, c->key, use + count, count, err));
	/* The ends of a stack have a neighbour on one side alone. */
	if (t->triplets)
		use[0] = use[count - 1] = 0;
	for (int64_t z = 0; z < count; z++)
		if (use[z] && use[count + z])
			out->slice[out->n++] = z;
	out->neighbours = out->n && out->slice[out->n - 1] - out->slice[0] == out->n - 1;
	if (!out->n)
		st = SM_FAIL(err, SM_INPUT,
			     "case %s: none of the slices that are asked for was predicted",
			     c->key);
out:
	sm_free(use);
	return st;
}

/* ---- images ---------------------------------------------------------------------------------- */

/* Slices of a side as planes, one channel behind the other; slice NULL = all `n`. */
static enum sm_status cut(const struct sm_made *c, const struct sm_pair_side *side,
			  const int64_t *slice, int64_t n, struct sm_mem *mem, float **out,
			  struct sm_err *err)
{
	const size_t plane = (size_t)(c->width * c->height), frame = sm_vol_frame_count(side->vol);
	const float *v = side->vol->data;
	*out = sm_alloc(mem, plane * (size_t)n, (size_t)side->channels * sizeof **out, "planes",
			err);
	if (!*out)
		return SM_BUDGET;
	for (int64_t k = 0; k < side->channels; k++)
		for (int64_t z = 0; z < n; z++)
			sm_slice_cut(v + (size_t)(side->first + k) * frame, side->vol->dim,
				     &c->view, slice ? slice[z] : z,
				     *out + (size_t)(k * n + z) * plane);
	return SM_OK;
}

/* From [-1, 1] to the own unit. */
static void to_own(const struct sm_translations *t, float *v, size_t n)
{
	const double half = (t->range[1] - t->range[0]) / 2;
	if (t->range[0] == -1 && t->range[1] == 1)
		return;
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(t->range[0] + ((double)v[i] + 1) * half);
}

static enum sm_status read_picture(const struct sm_translations *t, const json_t *record,
				   struct sm_made *c, struct sm_err *err)
{
	struct sm_image image = {0};
	char hex[65], *path = NULL;
	const json_t *output = sm_record_output(record, "image");
	const char *name = sm_json_text(output, "path"), *known = sm_json_text(output, "sha256");
	struct sm_mem *mem = &t->run->mem;
	enum sm_status st;
	SM_GOTO(st, sm_output_find(t->dir, "predict", record, "image", &path, err));
	SM_GOTO(st, sm_picture_read(path, mem, &image, NULL, err));
	sm_image_sha256(&image, hex);
	if (!known || strcmp(known, hex) != 0)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "%s: its content has hash %.12s, the predict ledger says "
				    "%.12s: run stage predict again",
				    name, hex, known ? known : "none"));
	if (image.width != c->width || image.height != c->height || image.channels != c->channels)
		SM_GOTO(st,
			SM_FAIL(err, SM_INPUT,
				"%s: is %lld x %lld pixels of %d channels, the true picture %lld "
				"x %lld of %lld: must be equal",
				name, (long long)image.width, (long long)image.height,
				image.channels, (long long)c->width, (long long)c->height,
				(long long)c->channels));
	const size_t n = (size_t)(c->width * c->height);
	/* Samples are greys themselves, or stand for [-1, 1]. */
	const bool own = strcmp(t->unit, "1") != 0;
	const double white = image.bits == 8 ? 255 : 65535;
	c->test = sm_alloc(mem, n, (size_t)c->channels * sizeof *c->test, "a picture", err);
	if (!c->test)
		SM_GOTO(st, SM_BUDGET);
	for (size_t i = 0; i < n * (size_t)c->channels; i++) {
		const double v = image.bits == 8 ? ((const uint8_t *)image.data)[i]
						 : ((const uint16_t *)image.data)[i];
		c->test[i % (size_t)c->channels * n + i / (size_t)c->channels] =
			(float)(own ? v : v / white * 2 - 1);
	}
out:
	sm_image_clear(&image);
	free(path);
	return st;
}

static enum sm_status read_volume(const struct sm_translations *t, const json_t *record,
				  const struct sm_pair_side *truth, int jobs, struct sm_made *c,
				  struct sm_err *err)
{
	struct sm_mem *mem = &t->run->mem;
	struct sm_vol vol = {0};
	enum sm_status st;
	SM_GOTO(st, sm_output_read(t->dir, "predict", record, "image", mem, &vol, err));
	const char *name = sm_json_text(sm_record_output(record, "image"), "path");
	SM_GOTO(st, sm_vol_same_grid(truth->vol, truth->name, &vol, name, t->tolerance, err));
	if (vol.dim[3] != truth->channels)
		SM_GOTO(st,
			SM_FAIL(err, SM_INPUT, "%s: has %lld channels, %s has %lld", name,
				(long long)vol.dim[3], truth->name, (long long)truth->channels));
	SM_GOTO(st, sm_vol_to_f32(&vol, mem, jobs, err));
	const struct sm_pair_side side = {.vol = &vol, .channels = vol.dim[3]};
	st = cut(c, &side, c->slice, c->n, mem, &c->test, err);
out:
	sm_vol_clear(&vol);
	return st;
}

/* The true volume, all of it, and the slices that count; the source. */
static enum sm_status read_given(const struct sm_translations *t, const struct sm_pair_side *x,
				 const struct sm_pair_side *y, int jobs, struct sm_made *c,
				 struct sm_err *err)
{
	struct sm_mem *mem = &t->run->mem;
	const size_t plane = (size_t)(c->width * c->height);
	SM_TRY(sm_vol_to_f32(y->vol, mem, jobs, err));
	SM_TRY(cut(c, y, NULL, c->count, mem, &c->whole, err));
	SM_TRY(cut(c, y, c->slice, c->n, mem, &c->truth, err));
	to_own(t, c->whole, plane * (size_t)(c->count * c->channels));
	to_own(t, c->truth, plane * (size_t)(c->n * c->channels));
	if (t->triplets)
		return SM_OK;
	SM_TRY(sm_vol_to_f32(x->vol, mem, jobs, err));
	c->source_channels = x->channels;
	return cut(c, x, c->slice, c->n, mem, &c->source, err);
}

static enum sm_status find_sides(const struct sm_translations *t, const struct sm_case *c,
				 struct sm_pair_side *x, struct sm_pair_side *y, struct sm_err *err)
{
	sm_pair_find(c, *t->source ? t->source : NULL, x);
	sm_pair_find(c, *t->target ? t->target : NULL, y);
	if (!x->vol || !y->vol)
		return SM_FAIL(err, SM_INPUT, "case %s: preprocess has no volume '%s'", c->key,
			       x->vol ? t->target : t->source);
	return sm_pair_same_grid(c, x, y, t->tolerance, err);
}

enum sm_status sm_made_load(const struct sm_translations *t, const json_t *record,
			    sm_slice_filter filter, const void *ctx, int jobs, struct sm_made *out,
			    struct sm_err *err)
{
	const char *key = sm_record_key(record),
		   *path = sm_json_text(sm_record_output(record, "image"), "path");
	const size_t at = sm_translations_find(t, key);
	struct sm_case c = {0};
	struct sm_pair_side x, y;
	enum sm_status st;
	*out = (struct sm_made){0};
	if (!path) {
		char *none;
		SM_TRY(sm_output_find(t->dir, "predict", record, "image", &none, err));
		free(none);
	}
	if (at == SM_NONE)
		return SM_FAIL(err, SM_INPUT,
			       "case %s: has no good record in the preprocess ledger", key);
	SM_GOTO(st, sm_cases_load(&t->cases, at, jobs, &c, err));
	SM_GOTO(st, find_sides(t, &c, &x, &y, err));
	sm_slice_plan(y.vol, (enum sm_plane)t->pair->plane, (enum sm_view_kind)t->pair->view,
		      &out->view);
	out->width = out->view.width;
	out->height = out->view.height;
	out->count = out->view.count;
	out->channels = y.channels;
	out->pictures = c.pictures;
	SM_GOTO(st, choose(t, record, &c, &x, &y, filter, ctx, out, err));
	SM_GOTO(st, read_given(t, &x, &y, jobs, out, err));
	st = sm_ends_with(path, ".png") ? read_picture(t, record, out, err)
					: read_volume(t, record, &y, jobs, out, err);
out:
	sm_case_clear(&c);
	if (st != SM_OK)
		sm_made_clear(out);
	return st;
}

void sm_made_clear(struct sm_made *c)
{
	sm_free(c->slice);
	sm_free(c->test);
	sm_free(c->truth);
	sm_free(c->source);
	sm_free(c->whole);
	sm_free(c->mask);
	free(c->no_mask);
	*c = (struct sm_made){0};
}
