/* SPDX-License-Identifier: Apache-2.0
 *
 * What the last stage of a data set wrote, as a network will read it: samples of shards, tile files
 * and pictures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/h5tile.h"
#include "core/picture.h"
#include "eval/cases.h"
#include "eval/explore.h"
#include "eval/report.h"
#include "preprocess/quantile.h"
#include "preprocess/slice.h"

enum { MAX_WANT = 6, PER_SAMPLE = 3, CHANNELS = 4 };

struct drawing {
	struct sm_sheet *sheet;
	const json_t *record;
	const char *stage;
	bool pictures, triplets;
	struct sm_panel panels[MAX_WANT * PER_SAMPLE * CHANNELS];
	size_t count;
};

/* A panel of its own copy of planes. */
static enum sm_status add(struct drawing *d, const float *v, int64_t width, int64_t height,
			  int colours, const char *what, const char *which, const uint8_t *label,
			  struct sm_err *err)
{
	size_t n = (size_t)(width * height), all = n * (size_t)colours;
	if (d->count == SM_COUNT(d->panels))
		return SM_OK;
	struct sm_panel *p = &d->panels[d->count++];
	*p = (struct sm_panel){
		.width = width, .height = height, .pixel_mm = {1, 1}, .colours = colours};
	snprintf(p->caption[0], sizeof p->caption[0], "%.70s", what);
	snprintf(p->caption[1], sizeof p->caption[1], "%.70s", which);
	p->v = sm_alloc(d->sheet->mem, all, sizeof *p->v, "a sample", err);
	if (!p->v)
		return SM_BUDGET;
	memcpy(p->v, v, all * sizeof *v);
	if (d->pictures)
		sm_slice_range(v, all, &p->low, &p->high);
	else {
		p->low = sm_percentile_f32(v, NULL, all, all, 0.5);
		p->high = sm_percentile_f32(v, NULL, all, all, 99.5);
	}
	if (p->high <= p->low)
		sm_slice_range(v, all, &p->low, &p->high);
	if (!label)
		return SM_OK;
	uint8_t *copy = sm_alloc(d->sheet->mem, n, 1, "a sample's labels", err);
	if (!copy)
		return SM_BUDGET;
	memcpy(copy, label, n);
	p->label = copy;
	return SM_OK;
}

static enum sm_status flush(struct drawing *d, const char *name, struct sm_err *err)
{
	enum sm_status st =
		d->count ? sm_sheet_row(d->sheet, name, d->panels, d->count, err) : SM_OK;
	for (size_t i = 0; i < d->count; i++) {
		sm_free(d->panels[i].v);
		sm_free((void *)(uintptr_t)d->panels[i].label);
	}
	d->count = 0;
	return st;
}

/* Name of an image of a sample: of pairs from the record's sets, of others from its channels. */
static const char *image_name(const struct drawing *d, size_t side, int64_t channel, char domain)
{
	const char *fallback[2] = {"x", "b"};
	size_t i;
	json_t *set;
	if (d->triplets)
		return side ? "B, the middle slice" : "0.5 A + 0.5 C";
	json_array_foreach(json_object_get(d->record, "sets"), i, set)
	{
		const char *of = sm_json_text(set, "domain");
		const char *name =
			json_string_value(json_array_get(json_object_get(set, "images"), side));
		if (name && (!domain || (of && *of == domain)))
			return name;
	}
	const char *name = json_string_value(
		json_array_get(json_object_get(d->record, "channels"), (size_t)channel));
	return name ? name : fallback[side];
}

/* Planes of one side: all colours of a picture at once, else the first channels one by one. The
 * middle plane of each (C,Z,Y,X). */
static enum sm_status add_side(struct drawing *d, const struct sm_tile_shape *s, const float *v,
			       int64_t channels, size_t side, const char *which,
			       const uint8_t *label, char domain, struct sm_err *err)
{
	size_t plane = (size_t)(s->height * s->width), middle = (size_t)(s->depth / 2);
	if (channels == 3 && d->pictures && s->depth == 1)
		return add(d, v, s->width, s->height, 3, image_name(d, side, 0, domain), which,
			   NULL, err);
	/* Two images side by side need the room that more channels would take. */
	int64_t most = s->b_channels ? 1 : CHANNELS;
	for (int64_t c = 0; c < channels && c < most; c++)
		SM_TRY(add(d, v + ((size_t)c * (size_t)s->depth + middle) * plane, s->width,
			   s->height, 1, image_name(d, side, c, domain), which,
			   label ? label + middle * plane : NULL, err));
	return SM_OK;
}

static enum sm_status add_difference(struct drawing *d, const struct sm_tile_shape *s, float *x,
				     const float *b, const char *which, struct sm_err *err)
{
	for (size_t i = 0; i < (size_t)(s->height * s->width); i++)
		x[i] = b[i] > x[i] ? b[i] - x[i] : x[i] - b[i];
	return add(d, x, s->width, s->height, 1, "difference", which, NULL, err);
}

/* One sample in the buffers, onto the row. */
static enum sm_status add_sample(struct drawing *d, const struct sm_tile_shape *s,
				 struct sm_shard_room *room, bool labelled, char domain,
				 struct sm_err *err)
{
	char which[80];
	if (s->parts & SM_SHARD_INDEX)
		snprintf(which, sizeof which, "%s slice %d",
			 sm_plane_name((enum sm_plane)room->place[1]), room->place[0] + 1);
	else
		snprintf(which, sizeof which, "tile at %d, %d, %d", room->place[0], room->place[1],
			 room->place[2]);
	if (d->pictures)
		*which = '\0';
	SM_TRY(add_side(d, s, room->x, s->channels, 0, which, labelled ? room->y : NULL, domain,
			err));
	if (s->b_channels)
		SM_TRY(add_side(d, s, room->b, s->b_channels, 1, which, NULL, domain, err));
	return d->triplets && s->b_channels == s->channels
		       ? add_difference(d, s, room->x, room->b, which, err)
		       : SM_OK;
}

/* Of shards of tiles and of multi-channel slices a row a sample, of others one row. */
static enum sm_status read_shard(struct drawing *d, const char *path, size_t want, char domain,
				 struct sm_err *err)
{
	struct sm_tile_shape s;
	struct sm_shard *shard = NULL;
	struct sm_shard_room room = {0};
	char key[128];
	int64_t pick[MAX_WANT];
	enum sm_status st;
	SM_TRY(sm_shard_open(path, &shard, &s, key, err));
	size_t plane = (size_t)(s.depth * s.height * s.width);
	bool labelled = !(s.parts & SM_SHARD_UNLABELLED);
	room.x =
		sm_alloc(d->sheet->mem, plane, (size_t)s.channels * sizeof(float), "a sample", err);
	room.y = room.x && labelled ? sm_alloc(d->sheet->mem, plane, 1, "a sample", err) : NULL;
	room.b = room.x && s.b_channels
			 ? sm_alloc(d->sheet->mem, plane, (size_t)s.b_channels * sizeof(float),
				    "a sample", err)
			 : NULL;
	if (!room.x || (labelled && !room.y) || (s.b_channels && !room.b)) {
		st = SM_BUDGET;
		goto out;
	}
	size_t n = sm_spread_slices(0, s.tiles - 1, want < MAX_WANT ? want : MAX_WANT, pick);
	const char dom[4] = {'A' + (domain == 'b'), 0};
	for (size_t i = 0; i < n; i++) {
		SM_GOTO(st, sm_shard_read_sample(shard, pick[i], &room, err));
		SM_GOTO(st, add_sample(d, &s, &room, labelled, domain, err));
		if (d->count + PER_SAMPLE > 6 && i + 1 < n)
			SM_GOTO(st, flush(d, domain ? dom : d->stage, err));
	}
	st = flush(d, domain ? dom : d->stage, err);
out:
	if (st != SM_OK)
		flush(d, NULL, NULL);
	sm_free(room.x);
	sm_free(room.y);
	sm_free(room.b);
	sm_shard_close(shard);
	return st;
}

/* A tile in the original's layout: stored (C,X,Y,Z), read as (C,Z,Y,X). */
static enum sm_status read_tile(struct drawing *d, const char *path, struct sm_err *err)
{
	struct sm_tile_shape s;
	enum sm_status st;
	SM_TRY(sm_tilefile_read(path, &s, NULL, NULL, err));
	size_t plane = (size_t)(s.depth * s.height * s.width);
	float *x = sm_alloc(d->sheet->mem, plane, (size_t)s.channels * sizeof *x, "a tile", err);
	uint8_t *y = x ? sm_alloc(d->sheet->mem, plane, 1, "a tile", err) : NULL;
	if (!y) {
		st = SM_BUDGET;
		goto out;
	}
	SM_GOTO(st, sm_tilefile_read(path, &s, x, y, err));
	st = add_side(d, &s, x, s.channels, 0, "tile's middle", y, 0, err);
out:
	sm_free(x);
	sm_free(y);
	return st;
}

static enum sm_status read_png(struct drawing *d, const char *path, const char *what,
			       const char *which, struct sm_err *err)
{
	struct sm_image image;
	SM_TRY(sm_picture_read(path, d->sheet->mem, &image, NULL, err));
	size_t n = (size_t)(image.width * image.height), colours = (size_t)image.channels;
	float *v = sm_alloc(d->sheet->mem, n, colours * sizeof *v, "a picture", err);
	enum sm_status st = v ? SM_OK : SM_BUDGET;
	for (size_t i = 0; v && i < n * colours; i++)
		v[i % colours * n + i / colours] =
			image.bits == 16 ? (float)((const uint16_t *)image.data)[i]
					 : (float)((const uint8_t *)image.data)[i];
	if (st == SM_OK)
		st = add(d, v, image.width, image.height, (int)colours, what, which, NULL, err);
	if (st == SM_OK) { /* the file's whole range, as a viewer shows it */
		d->panels[d->count - 1].low = 0;
		d->panels[d->count - 1].high = image.bits == 16 ? 65535 : 255;
	}
	sm_free(v);
	sm_image_clear(&image);
	return st;
}

static bool ends_with(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);
	return n >= m && strcmp(path + n - m, end) == 0;
}

/* The k-th output of the kind (role, NULL = any; end of the name), or their number with out NULL.
 */
static size_t outputs(const json_t *record, const char *role, const char *end, size_t k,
		      const json_t **out)
{
	size_t i, n = 0;
	json_t *o;
	json_array_foreach(json_object_get(record, "outputs"), i, o)
	{
		const char *path = sm_json_text(o, "path"), *of = sm_json_text(o, "role");
		if (!path || !ends_with(path, end) || !sm_path_is_inside(path) ||
		    (role && (!of || strcmp(of, role) != 0)))
			continue;
		if (out && n == k)
			*out = o;
		n++;
	}
	return n;
}

static enum sm_status one_file(struct drawing *d, const char *dir, const json_t *output,
			       size_t want, bool shard, struct sm_err *err)
{
	const char *path = sm_json_text(output, "path");
	char domain = strncmp(path, "A/", 2) == 0 ? 'a' : strncmp(path, "B/", 2) == 0 ? 'b' : 0;
	char *full = sm_path_join(dir, path);
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const char *role = sm_json_text(output, "role");
	enum sm_status st = SM_OK;
	if (!full)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	else if (!sm_file_exists(full))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: is missing, but the ledger of %s names it: run %s again", path,
			     d->stage, d->stage);
	else if (ends_with(path, ".png"))
		st = read_png(d, full, role ? role : "", name, err);
	else if (shard)
		st = read_shard(d, full, want, domain, err);
	else
		st = read_tile(d, full, err);
	free(full);
	return st;
}

enum sm_status sm_sheet_samples(struct sm_sheet *sheet, const char *dir, const json_t *header,
				const json_t *record, bool pictures, size_t want,
				struct sm_err *err)
{
	const json_t *manifest = json_object_get(json_object_get(header, "settings"), "manifest");
	const char *mode = sm_json_text(json_object_get(manifest, "pair"), "mode");
	struct drawing d = {.sheet = sheet,
			    .record = record,
			    .pictures = pictures,
			    .stage = sm_json_text(header, "stage"),
			    .triplets = mode && strcmp(mode, "triplets") == 0};
	const json_t *o = NULL;
	enum sm_status st = SM_OK;
	int64_t pick[MAX_WANT];
	size_t shards = outputs(record, "shard", ".h5", 0, NULL);
	for (size_t i = 0; i < shards; i++) {
		outputs(record, "shard", ".h5", i, &o);
		SM_TRY(one_file(&d, dir, o, want, true, err));
	}
	if (shards)
		return SM_OK;
	const char *end = outputs(record, NULL, ".h5", 0, NULL) ? ".h5" : ".png";
	size_t n = sm_spread_slices(0, (int64_t)outputs(record, NULL, end, 0, NULL) - 1,
				    want < MAX_WANT ? want : MAX_WANT, pick);
	for (size_t i = 0; st == SM_OK && i < n; i++) {
		outputs(record, NULL, end, (size_t)pick[i], &o);
		st = one_file(&d, dir, o, want, false, err);
		if (st == SM_OK && d.count >= 4)
			st = flush(&d, d.stage, err);
	}
	enum sm_status end_st = flush(&d, d.stage, st == SM_OK ? err : NULL);
	return st == SM_OK ? end_st : st;
}
