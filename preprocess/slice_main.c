/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage slice: planes of each case's volumes as PNG and as HDF5.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/par.h"
#include "core/stage.h"
#include "core/standardise.h"
#include "manifests/roles.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"
#include "preprocess/constant.h"
#include "preprocess/foldlist.h"
#include "preprocess/grid.h"
#include "preprocess/op_table.h"
#include "preprocess/slice.h"

struct options {
	char *role, *split;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"role", SM_F_STRING, AT(role),
	 .doc = "only this volume or channel; a label's or mask's pixels are its numbers (PNG); "
		"absent = "
		"every image"},
	{"split", SM_F_STRING, AT(split), .path = true,
	 .doc = "folder of split: config.json then lists the files of each fold"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("slice", struct options, fields, "options of slice");

/* What is cut: channels of one volume, or its labels. */
struct source {
	char name[SM_ROLE_MAX + 24];
	const float *v; /* channels frames one behind the other, or */
	const uint8_t *labels;
	int64_t channels;
	const struct sm_vol *vol;
	double low, high; /* of PNG */
};

/* The slices of one plane of one source on their way out. */
struct cutting {
	const struct sm_slice_section *s;
	const struct sm_case *c;
	struct sm_item *item;
	const struct source *source;
	enum sm_plane plane;
	struct sm_slice_view view;
	int64_t *index;
	size_t n;
	char **paths, (*hashes)[65]; /* PNG */
	struct sm_shard *shard;      /* HDF5 */
};

/* Cuts all channels of slice k into fresh memory; NULL when out of memory. */
static float *cut_planes(const struct cutting *t, size_t k, struct sm_err *err)
{
	const struct source *s = t->source;
	size_t n = (size_t)(t->view.width * t->view.height), frame = sm_vol_frame_count(s->vol);
	float *x = sm_alloc(t->c->mem, n, (size_t)s->channels * sizeof *x, "a slice", err);
	for (int64_t c = 0; x && c < s->channels; c++)
		sm_slice_cut(s->v + (size_t)c * frame, s->vol->dim, &t->view, t->index[k],
			     x + (size_t)c * n);
	return x;
}

static enum sm_status draw_one(void *ctx, size_t k, struct sm_err *err)
{
	struct cutting *t = ctx;
	const struct source *s = t->source;
	struct sm_run *run = t->item->run;
	struct sm_image image = {0};
	float *x = NULL;
	const char *key = t->item->key;
	bool all = t->s->plane == SM_PLANE_ALL;
	int bits = s->labels || t->s->bits == SM_SLICE_8 ? 8 : 16;
	enum sm_status st;
	t->paths[k] = sm_strf("%s/%s_%s%s%s_%04lld.png", key, key, s->name, all ? "_" : "",
			      all ? sm_plane_name(t->plane) : "", (long long)t->index[k]);
	if (!t->paths[k])
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	SM_GOTO(st, sm_image_init(&image, t->view.width, t->view.height, (int)s->channels, bits,
				  &run->mem, err));
	if (s->labels) {
		sm_slice_cut_labels(s->labels, s->vol->dim, &t->view, t->index[k], image.data);
	} else {
		x = cut_planes(t, k, err);
		st = x ? SM_OK : SM_BUDGET;
		if (x)
			sm_slice_paint(x, s->low, s->high, &image);
	}
	if (st == SM_OK)
		st = sm_slice_save(run->out, t->paths[k], &image, t->hashes[k], err);
out:
	sm_free(x);
	sm_image_clear(&image);
	return st;
}

/* Draws all slices wanted and adds the files to the record. */
static enum sm_status draw(struct cutting *t, struct sm_err *err)
{
	enum sm_status st;
	t->paths = calloc(t->n, sizeof *t->paths);
	t->hashes = calloc(t->n, sizeof *t->hashes);
	if (!t->paths || !t->hashes)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", t->item->key);
	else
		st = sm_par_for(t->n, t->item->jobs, draw_one, t, err);
	/* Also after a failure: whoever rejects the case removes the files named here. */
	for (size_t k = 0; t->paths && k < t->n; k++) {
		enum sm_status add = SM_OK;
		if (t->hashes && t->hashes[k][0])
			add = sm_item_output(t->item, t->source->name, t->paths[k], t->hashes[k],
					     st == SM_OK ? err : NULL);
		st = st == SM_OK ? add : st;
		free(t->paths[k]);
	}
	free(t->paths);
	free(t->hashes);
	t->paths = NULL;
	t->hashes = NULL;
	return st;
}

static enum sm_status put_one(void *ctx, size_t k, struct sm_err *err)
{
	struct cutting *t = ctx;
	const struct sm_vol *label = &t->c->label;
	const int64_t size[3] = {t->view.width, t->view.height, 1};
	static const enum sm_standardise how[] = {[SM_SLICE_AS_IS] = SM_STANDARDISE_NONE,
						  [SM_SLICE_ZSCORE] = SM_STANDARDISE_SLICE,
						  [SM_SLICE_UNIT] = SM_STANDARDISE_UNIT};
	struct sm_shard_sample sample = {.place = {(int32_t)t->index[k], (int32_t)t->plane}};
	enum sm_status st = SM_OK;
	uint8_t *y = NULL;
	float *x = cut_planes(t, k, err);
	if (!x)
		return SM_BUDGET;
	sm_standardise(x, size, t->source->channels, how[t->s->standardise]);
	if (label->data) {
		y = sm_alloc(t->c->mem, (size_t)(size[0] * size[1]), 1, "a slice's labels", err);
		if (!y) {
			st = SM_BUDGET;
			goto out;
		}
		sm_slice_cut_labels(label->data, label->dim, &t->view, t->index[k], y);
	}
	sample.x = x;
	sample.y = y;
	st = sm_shard_put_sample(t->shard, (int64_t)k, &sample, err);
out:
	sm_free(x);
	sm_free(y);
	return st;
}

static enum sm_status write_shard(struct cutting *t, struct sm_err *err)
{
	const struct sm_tile_shape shape = {
		.tiles = (int64_t)t->n,
		.channels = t->source->channels,
		.depth = 1,
		.height = t->view.height,
		.width = t->view.width,
		.parts = SM_SHARD_INDEX | (t->c->label.data ? 0 : SM_SHARD_UNLABELLED)};
	bool all = t->s->plane == SM_PLANE_ALL;
	char hex[65];
	enum sm_status st;
	char *name = sm_strf("%s%s%s.h5", t->item->key, all ? "_" : "",
			     all ? sm_plane_name(t->plane) : "");
	char *path = name ? sm_path_join(t->item->run->out, name) : NULL;
	if (!path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", t->item->key);
		goto out;
	}
	SM_GOTO(st, sm_shard_create(path, &shape, t->item->key, t->s->compression, &t->shard, err));
	SM_GOTO(st, sm_par_for(t->n, t->item->jobs, put_one, t, err));
	struct sm_shard *shard = t->shard;
	t->shard = NULL;
	SM_GOTO(st, sm_shard_commit(shard, hex, err));
	st = sm_item_output(t->item, "shard", name, hex, err);
out:
	sm_shard_abandon(t->shard);
	t->shard = NULL;
	free(path);
	free(name);
	return st;
}

/* Plans one plane of a source and writes it as told by `out`; `note` adds it to the record. */
static enum sm_status cut_plane(const struct sm_case *c, struct sm_item *item,
				const struct source *source, enum sm_plane plane, bool note,
				enum sm_status (*out)(struct cutting *, struct sm_err *),
				struct sm_err *err)
{
	struct cutting t = {
		.s = ((const struct sm_manifest_root *)item->run->manifest)->slice,
		.c = c, .item = item, .source = source, .plane = plane};
	enum sm_status st;
	sm_slice_plan(source->vol, plane, (enum sm_view_kind)t.s->view, &t.view);
	SM_GOTO(st, sm_slice_choose(c, source->vol, &t.view, source->name, t.s->first, t.s->last,
				    &t.index, &t.n, err));
	if (!t.n) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: %s has no slice left: preprocess keeps none of those that "
			     "slice.first and slice.last ask for",
			     c->key, source->name);
		goto out;
	}
	if (note && sm_slice_chosen(c, source->vol) && t.view.normal != 2)
		sm_item_warn(item, "preprocess has chosen z slices: %s ones are all written",
			     sm_plane_name(plane));
	if (note)
		json_array_append_new(
			json_object_get(item->record, "planes"),
			json_pack("{s:s, s:s, s:o, s:o, s:f}", "name", source->name, "plane",
				  sm_plane_name(plane), "slices", sm_json_ints(t.index, t.n),
				  "pixel_mm", sm_json_floats(t.view.pixel_mm, 2), "slice_mm",
				  t.view.slice_mm));
	st = out(&t, err);
out:
	free(t.index);
	return st;
}

/* The plane, or all; of pictures the one there is. */
static enum sm_status cut_planes_of(const struct sm_case *c, struct sm_item *item,
				    const struct source *source, bool note,
				    enum sm_status (*out)(struct cutting *, struct sm_err *),
				    struct sm_err *err)
{
	int plane = ((const struct sm_manifest_root *)item->run->manifest)->slice->plane;
	if (c->pictures && plane != SM_PLANE_AXIAL && plane != SM_PLANE_ALL)
		return SM_FAIL(err, SM_INPUT,
			       "%s: is a picture, slice.plane is %s, allowed is axial", c->key,
			       sm_plane_name((enum sm_plane)plane));
	for (int p = 0; p < (c->pictures ? 1 : SM_PLANES); p++)
		if (plane == SM_PLANE_ALL || plane == p)
			SM_TRY(cut_plane(c, item, source, (enum sm_plane)p, note, out, err));
	return SM_OK;
}

static bool is_wanted(const char *role, const char *volume, const char *name)
{
	return !role || strcmp(role, volume) == 0 || strcmp(role, name) == 0;
}

/* Pictures of one intensity volume, channel by channel; colours stay together. */
static enum sm_status draw_volume(struct sm_case *c, size_t which, struct sm_item *item,
				  size_t *drawn, struct sm_err *err)
{
	const struct sm_slice_section *s =
		((const struct sm_manifest_root *)item->run->manifest)->slice;
	const char *wanted = ((const struct options *)item->run->options)->role;
	const char *role = c->vols[which].role;
	struct sm_vol *v = &c->vols[which].vol;
	bool colour = c->pictures && !c->stacked && v->dim[3] == 3, noted = false;
	struct source source = {.channels = colour ? 3 : 1, .vol = v};
	double low, high;
	bool bits = sm_slice_picture_range(c, v, &low, &high);
	SM_TRY(sm_vol_to_f32(v, c->mem, c->jobs, err));
	size_t frame = sm_vol_frame_count(v);
	for (int64_t f = 0; f < v->dim[3]; f += source.channels) {
		if (c->stacked)
			snprintf(source.name, sizeof source.name, "%s", c->channels[f]);
		else if (v->dim[3] > source.channels)
			snprintf(source.name, sizeof source.name, "%s_f%03lld", role, (long long)f);
		else
			snprintf(source.name, sizeof source.name, "%s", role);
		if (!is_wanted(wanted, role, source.name))
			continue;
		SM_TRY(sm_case_shows(c, v, f, source.channels, role, err));
		source.v = (const float *)v->data + (size_t)f * frame;
		sm_slice_range(source.v, frame * (size_t)source.channels, &source.low,
			       &source.high);
		if (bits) {
			source.low = low;
			source.high = high;
		}
		if (s->window.n == 2) {
			source.low = s->window.v[0];
			source.high = s->window.v[1];
		}
		json_object_set_new(json_object_get(item->record, "windows"), source.name,
				    json_pack("[ff]", source.low, source.high));
		SM_TRY(cut_planes_of(c, item, &source, !noted, draw, err));
		noted = true;
		(*drawn)++;
	}
	return SM_OK;
}

/* The label or mask of that role, NULL when it is none. */
static const struct sm_vol *marks_of(const struct sm_case *c, const struct sm_cases *cases,
				     const char *role)
{
	const struct sm_vol *v = NULL;
	if (role && sm_role_is_label(cases->parent.header, role))
		v = &c->label;
	else if (role && strcmp(role, "mask") == 0)
		v = &c->mask;
	return v && v->data ? v : NULL;
}

static enum sm_status draw_case(struct sm_case *c, const struct sm_cases *cases,
				struct sm_item *item, struct sm_err *err)
{
	const char *role = ((const struct options *)item->run->options)->role;
	const struct sm_vol *marks = marks_of(c, cases, role);
	size_t drawn = 0;
	char *dir = sm_path_join(item->run->out, item->key);
	enum sm_status st =
		dir ? sm_mkdirs(dir, err) : SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	free(dir);
	SM_TRY(st);
	json_object_set_new(item->record, "windows", json_object());
	if (marks) {
		struct source source = {.labels = marks->data, .channels = 1, .vol = marks};
		snprintf(source.name, sizeof source.name, "%.*s", SM_ROLE_MAX, role);
		return cut_planes_of(c, item, &source, true, draw, err);
	}
	for (size_t i = 0; i < c->count; i++)
		SM_TRY(draw_volume(c, i, item, &drawn, err));
	if (!drawn)
		return SM_FAIL(err, SM_INPUT, "%s: has no volume or channel '%s'", c->key, role);
	return SM_OK;
}

/* The one image of HDF5: the stacked one, the only volume, or the one asked for. */
static enum sm_status find_image(struct sm_case *c, const char *role, struct source *source,
				 struct sm_err *err)
{
	struct sm_role_vol *v = c->count == 1 ? &c->vols[0] : NULL;
	int64_t channel = -1;
	for (size_t i = 0; role && i < c->count; i++)
		if (strcmp(role, c->vols[i].role) == 0)
			v = &c->vols[i];
	for (int64_t i = 0; role && c->stacked && i < v->vol.dim[3]; i++)
		if (strcmp(role, c->channels[i]) == 0)
			channel = i;
	if (!v)
		return SM_FAIL(err, SM_INPUT,
			       "%s: has %zu volumes that are not stacked: preprocess.steps needs a "
			       "stack, or slice the option --role",
			       c->key, c->count);
	if (role && channel < 0 && strcmp(role, v->role) != 0)
		return SM_FAIL(err, SM_INPUT, "%s: has no volume or channel '%s'", c->key, role);
	SM_TRY(sm_case_shows(c, &v->vol, channel < 0 ? 0 : channel, channel < 0 ? v->vol.dim[3] : 1,
			     v->role, err));
	SM_TRY(sm_vol_to_f32(&v->vol, c->mem, c->jobs, err));
	*source = (struct source){.vol = &v->vol, .channels = channel < 0 ? v->vol.dim[3] : 1};
	snprintf(source->name, sizeof source->name, "%s", channel < 0 ? v->role : role);
	source->v = (const float *)v->vol.data +
		    (channel < 0 ? 0 : (size_t)channel * sm_vol_frame_count(&v->vol));
	return SM_OK;
}

static enum sm_status off_grid(const struct sm_case *c, const struct source *source,
			       struct sm_err *err)
{
	if (c->pictures)
		return SM_FAIL(err, SM_INPUT, "%s: the label has not the size of %s", c->key,
			       source->name);
	if (sm_vol_same_grid(source->vol, source->name, &c->label, "the label", c->grid_tolerance,
			     err) != SM_OK)
		return sm_err_prefix(err, "%s", c->key);
	return SM_OK;
}

static enum sm_status store_case(struct sm_case *c, const struct sm_cases *cases,
				 struct sm_item *item, struct sm_err *err)
{
	const char *role = ((const struct options *)item->run->options)->role;
	const struct sm_slice_section *s =
		((const struct sm_manifest_root *)item->run->manifest)->slice;
	struct source source;
	json_t *channels = json_array();
	json_object_set_new(item->record, "channels", channels);
	if (marks_of(c, cases, role))
		return SM_FAIL(err, SM_USAGE,
			       "--role: found '%s', which is no image; slice.format allowed is png",
			       role);
	SM_TRY(find_image(c, role, &source, err));
	/* x and y are cut by one index: only these two have to lie on one grid. */
	if (c->label.data && !sm_case_same_grid(c, source.vol, &c->label))
		return off_grid(c, &source, err);
	for (int64_t i = 0; i < source.channels; i++)
		json_array_append_new(channels, json_string(c->stacked && source.channels > 1
								    ? c->channels[i]
								    : source.name));
	return cut_planes_of(c, item, &source, s->format == SM_FORMAT_HDF5, write_shard, err);
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_cases *cases = ctx;
	const struct sm_manifest_root *m = item->run->manifest;
	struct sm_case c = {0};
	sm_cases_patient(cases, i, item->record);
	SM_TRY(sm_cases_load(cases, i, item->jobs, &c, err));
	json_object_set_new(item->record, "planes", json_array());
	enum sm_status st = SM_OK;
	if (!cases->preprocessed)
		st = sm_ops_run(&c, &m->preprocess->steps, m->preprocess->upto, err);
	sm_case_warnings(&c, item);
	/* Pictures first: they look at a volume's type, which HDF5 changes. */
	if (st == SM_OK && m->slice->format != SM_FORMAT_HDF5)
		st = draw_case(&c, cases, item, err);
	if (st == SM_OK && m->slice->format != SM_FORMAT_PNG)
		st = store_case(&c, cases, item, err);
	sm_case_clear(&c);
	return st;
}

static size_t samples(const json_t *record)
{
	size_t i, n = 0;
	json_t *plane;
	json_array_foreach(json_object_get(record, "planes"), i, plane)
		n += json_array_size(json_object_get(plane, "slices"));
	return n;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	struct sm_cases cases = {0};
	struct sm_ledger split = {0};
	enum sm_status st;
	SM_GOTO(st, sm_folds_open(run, o->split, &cases, &split, err));
	struct sm_items items = {.count = cases.count,
				 .noun = "cases",
				 .ctx = &cases,
				 .key = sm_cases_key,
				 .inputs = sm_cases_inputs,
				 .work = work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (o->split && !run->dry_run)
		st = sm_config_outputs(run, &split, samples, err);
out:
	sm_ledger_clear(&split);
	sm_cases_close(&cases);
	return st;
}

/* ingest: its sources say which role is the label. */
static const char *const sections[] = {"ingest", "preprocess", "slice", NULL};

static const struct sm_stage stage = {
	.name = "slice",
	.summary = "planes of each volume as PNG pictures and HDF5",
	.details = "Reads the folder of preprocess, or of ingest: then the manifest's operations "
		   "run in memory\n"
		   "first. Writes <case>/<case>_<role>_<index>.png, where index counts along the\n"
		   "volume's own axis, and <case>.h5 (slice.format); with slice.plane: all the "
		   "plane stands in the\n"
		   "names. Radiological orientation: the patient's right is on the left of axial "
		   "and coronal\n"
		   "pictures, the front at the top of axial and on the left of sagittal ones.\n"
		   "Slices that preprocess has marked as of no use (select_slices) are left out.\n"
		   "  scanmill slice --in work/ingest --out work/slice\n"
		   "  scanmill slice --manifest m.yaml --in work/preprocess --split work/split "
		   "--out work/slice",
	.version = 4,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT | SM_BY_ITEM,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
