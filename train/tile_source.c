/* SPDX-License-Identifier: Apache-2.0 */
#include "train/tile_source.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/spool.h"
#include "preprocess/cases.h"
#include "preprocess/tile_case.h"
#include "train/network.h"

/* The loader is at most in two epochs at once. */
#define EPOCHS 2

/* Where the tiles of an epoch lie. */
struct places {
	bool known;
	int64_t epoch;
	struct sm_tile_starts at;
};

struct unpacked {
	bool there;
	uint64_t image, label; /* of the spool: float32 (channel,z,y,x), uint8 (z,y,x) */
	int64_t dim[3];
	struct places first, later[EPOCHS]; /* of epoch 0; of the others */
	pthread_mutex_t lock;               /* of later */
};

struct sm_tile_source {
	struct sm_tile_feed feed;
	struct sm_run *run;
	struct sm_cases cases;
	const struct sm_tile_section *s;
	int most; /* label allowed */
	double peak; /* MiB, after the last case */
	struct sm_tile_rule rule;
	struct unpacked *v; /* of each case */
	size_t ready;       /* whose locks are made */
	struct sm_spool spool;
	int64_t channel_count;
	json_t *channels;
	size_t largest, longest; /* voxels of the largest case, of the longest row */
	int64_t most_slices;
};

/* ---- life ----------------------------------------------------------------------------------- */

void sm_tile_source_close(struct sm_tile_source *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->ready; i++) {
		sm_tile_starts_clear(&t->v[i].first.at);
		for (int e = 0; e < EPOCHS; e++)
			sm_tile_starts_clear(&t->v[i].later[e].at);
		pthread_mutex_destroy(&t->v[i].lock);
	}
	free(t->v);
	sm_spool_clear(&t->spool);
	sm_cases_close(&t->cases);
	json_decref(t->channels);
	free(t);
}

const struct sm_ledger *sm_tile_source_ledger(const struct sm_tile_source *t)
{
	return &t->cases.parent;
}

const json_t *sm_tile_source_channels(const struct sm_tile_source *t)
{
	return t->channels;
}

const struct sm_tile_feed *sm_tile_source_feed(const struct sm_tile_source *t)
{
	return &t->feed;
}

double sm_tile_source_peak(const struct sm_tile_source *t)
{
	return t->peak;
}

uint64_t sm_tile_source_unpacked(const struct sm_tile_source *t)
{
	return t->spool.end;
}

/* A band of rows of a plane; or, while an epoch's tiles are drawn, the label and what
 * sm_tile_choose takes: a table of 4 bytes a voxel, or counts of each label in each slice. */
static size_t bytes(const void *ctx)
{
	const struct sm_tile_source *t = ctx;
	size_t band = t->longest * (size_t)t->rule.size[1] * sizeof(float);
	size_t draw = t->rule.choice == SM_TILES_GRID ? 0 : t->largest;
	if (t->rule.choice == SM_TILES_BALANCED)
		draw += (size_t)t->most_slices * 256 * sizeof(uint32_t);
	if (t->rule.choice == SM_TILES_RANDOM) /* about: it has a border */
		draw += t->largest * sizeof(uint32_t) * 9 / 8;
	return band > draw ? band : draw;
}

/* ---- unpacking ------------------------------------------------------------------------------ */

static enum sm_status check_channels(struct sm_tile_source *t, const struct sm_case *c,
				     struct sm_err *err)
{
	const int64_t n = c->vols[0].vol.dim[3];
	json_t *names = json_array();
	enum sm_status st = SM_OK;
	for (int64_t i = 0; i < n; i++)
		json_array_append_new(names, json_string(sm_tile_channel(c, i)));
	if (!names || json_array_size(names) != (size_t)n)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	else if (t->channels && !json_equal(t->channels, names))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: its volumes have other channels than those of the cases before",
			     c->key);
	if (st == SM_OK && !t->channels) {
		t->channels = json_incref(names);
		t->channel_count = n;
	}
	json_decref(names);
	return st;
}

/* The image, some slices at a time, and the label. */
static enum sm_status unpack(struct sm_tile_source *t, const struct sm_case *c, struct unpacked *v,
			     struct sm_err *err)
{
	const struct sm_vol *image = &c->vols[0].vol;
	size_t plane = (size_t)(v->dim[0] * v->dim[1]);
	size_t planes = (size_t)(v->dim[2] * image->dim[3]);
	float *x = sm_alloc(c->mem, plane, sizeof *x, "a slice", err);
	enum sm_status st = x ? SM_OK : SM_BUDGET;
	v->image = t->spool.end;
	for (size_t z = 0; st == SM_OK && z < planes; z++) {
		sm_vol_run_f32(image, z * plane, plane, x);
		st = sm_spool_add(&t->spool, x, plane * sizeof *x, NULL, err);
	}
	sm_free(x);
	if (st == SM_OK)
		st = sm_spool_add(&t->spool, c->label.data, plane * (size_t)v->dim[2], &v->label,
				  err);
	return st == SM_OK ? st : sm_err_prefix(err, "%s", c->key);
}

/* All of the volume: tiles of later epochs lie elsewhere. */
static enum sm_status check_labels(const struct sm_tile_source *t, const struct sm_case *c,
				   struct sm_err *err)
{
	const uint8_t *label = c->label.data;
	uint8_t largest = 0;
	for (size_t i = 0; i < sm_vol_frame_count(&c->label); i++)
		largest = label[i] > largest ? label[i] : largest;
	if (largest > t->most)
		return SM_FAIL(err, SM_INPUT,
			       "%s: label volume holds label %d, allowed are 0 to %d "
			       "(train.classes)",
			       c->key, largest, t->most);
	return SM_OK;
}

static enum sm_status take_up(struct sm_tile_source *t, size_t number, struct sm_err *err)
{
	struct unpacked *v = &t->v[number];
	struct sm_case c = {0};
	int32_t pad[3];
	enum sm_status st;
	SM_GOTO(st, sm_cases_load(&t->cases, number, t->run->jobs, &c, err));
	SM_GOTO(st, sm_tile_make_ready(&c, t->s, pad, err));
	SM_GOTO(st, check_channels(t, &c, err));
	SM_GOTO(st, check_labels(t, &c, err));
	SM_GOTO(st, sm_tile_choose(&c.label, c.key, &t->rule, c.mem, &v->first.at, err));
	SM_GOTO(st, sm_tile_check_count(&v->first.at, &t->rule, c.key, err));
	memcpy(v->dim, c.label.dim, sizeof v->dim);
	SM_GOTO(st, unpack(t, &c, v, err));
	size_t voxels = (size_t)(v->dim[0] * v->dim[1] * v->dim[2]);
	t->largest = voxels > t->largest ? voxels : t->largest;
	t->longest = (size_t)v->dim[0] > t->longest ? (size_t)v->dim[0] : t->longest;
	t->most_slices = v->dim[2] > t->most_slices ? v->dim[2] : t->most_slices;
	v->there = true;
	t->peak = sm_peak_mib();
out:
	/* In each case the files have the same names. */
	if (st != SM_OK && !strstr(err->text, sm_cases_key(&t->cases, number)))
		sm_err_prefix(err, "%s", sm_cases_key(&t->cases, number));
	if (st != SM_OK)
		sm_tile_starts_clear(&v->first.at);
	sm_case_clear(&c);
	return st;
}

/* Cases are sorted by key. */
static bool find(struct sm_tile_source *t, const char *key, size_t *number)
{
	size_t low = 0, high = t->cases.count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(sm_cases_key(&t->cases, middle), key);
		if (order == 0) {
			*number = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static enum sm_status add(void *ctx, const char *key, struct sm_tile_fed *out, struct sm_err *err)
{
	struct sm_tile_source *t = ctx;
	size_t number = 0;
	if (!find(t, key, &number))
		return SM_FAIL(err, SM_INPUT, "%s: has no volumes in %s", key, t->cases.dir);
	if (!t->v[number].there)
		SM_TRY(take_up(t, number, err));
	*out = (struct sm_tile_fed){.number = number,
				    .shape = {.tiles = 1,
					      .channels = t->channel_count,
					      .depth = t->rule.size[2],
					      .height = t->rule.size[1],
					      .width = t->rule.size[0]},
				    .tiles = t->v[number].first.at.count};
	return SM_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

static enum sm_status draw(struct sm_tile_source *t, size_t number, int64_t epoch,
			   struct places *out, struct sm_err *err)
{
	const struct unpacked *v = &t->v[number];
	const int64_t dim[4] = {v->dim[0], v->dim[1], v->dim[2], 1};
	const char *key = sm_cases_key(&t->cases, number);
	struct sm_tile_rule rule = t->rule;
	struct sm_vol label;
	rule.epoch = (uint64_t)epoch;
	SM_TRY(sm_vol_init(&label, dim, SM_U8, &t->run->mem, "label", err));
	enum sm_status st = sm_read_at(t->spool.fd, v->label, label.data,
				       sm_vol_frame_count(&label), key, err);
	sm_tile_starts_clear(&out->at);
	out->known = false;
	if (st == SM_OK)
		st = sm_tile_choose(&label, key, &rule, &t->run->mem, &out->at, err);
	sm_vol_clear(&label);
	out->known = st == SM_OK;
	out->epoch = epoch;
	return st;
}

/* Where tile k lies. */
static enum sm_status place(struct sm_tile_source *t, size_t number, int64_t k, int64_t epoch,
			    int32_t start[3], struct sm_err *err)
{
	struct unpacked *v = &t->v[number];
	struct places *its = &v->first;
	enum sm_status st = SM_OK;
	if (epoch == 0 || t->rule.choice == SM_TILES_GRID) {
		memcpy(start, its->at.start[k], sizeof *its->at.start);
		return SM_OK;
	}
	pthread_mutex_lock(&v->lock);
	its = &v->later[epoch % EPOCHS];
	if (!its->known || its->epoch != epoch)
		st = draw(t, number, epoch, its, err);
	if (st == SM_OK) {
		const struct sm_tile_starts *at = its->at.count ? &its->at : &v->first.at;
		memcpy(start, at->start[k % at->count], sizeof *at->start);
	}
	pthread_mutex_unlock(&v->lock);
	return st;
}

/* A row of a tile at a time would be a call each: rows of a plane that a tile meets lie in one
 * stretch. */
static enum sm_status cut(struct sm_tile_source *t, const struct unpacked *v, uint64_t plane,
			  size_t bytes, const int32_t start[3], char *band, char *to,
			  const char *key, struct sm_err *err)
{
	size_t width = (size_t)v->dim[0], rows = (size_t)t->rule.size[1];
	size_t line = (size_t)t->rule.size[0] * bytes;
	SM_TRY(sm_read_at(t->spool.fd, plane + (uint64_t)start[1] * width * bytes, band,
			  rows * width * bytes, key, err));
	for (size_t r = 0; r < rows; r++)
		memcpy(to + r * line, band + (r * width + (size_t)start[0]) * bytes, line);
	return SM_OK;
}

static enum sm_status read_tile(void *ctx, size_t number, int64_t k, int64_t epoch, float *x,
				uint8_t *y, struct sm_err *err)
{
	struct sm_tile_source *t = ctx;
	const struct unpacked *v = &t->v[number];
	const char *key = sm_cases_key(&t->cases, number);
	const int64_t *size = t->rule.size;
	size_t plane = (size_t)(v->dim[0] * v->dim[1]), own = (size_t)(size[0] * size[1]);
	int32_t start[3];
	SM_TRY(place(t, number, k, epoch, start, err));
	char *band = sm_alloc(&t->run->mem, (size_t)(v->dim[0] * size[1]), sizeof(float),
			      "rows of a volume", err);
	enum sm_status st = band ? SM_OK : SM_BUDGET;
	for (int64_t c = 0; x && st == SM_OK && c < t->channel_count; c++) {
		float *to = x + (size_t)c * own * (size_t)size[2];
		for (int64_t z = 0; st == SM_OK && z < size[2]; z++) {
			size_t at = (size_t)(c * v->dim[2] + start[2] + z) * plane * sizeof(float);
			st = cut(t, v, v->image + at, sizeof(float), start, band,
				 (char *)(to + (size_t)z * own), key, err);
		}
	}
	for (int64_t z = 0; y && st == SM_OK && z < size[2]; z++)
		st = cut(t, v, v->label + (uint64_t)(start[2] + z) * plane, 1, start, band,
			 (char *)(y + (size_t)z * own), key, err);
	sm_free(band);
	if (st == SM_OK && x)
		sm_standardise(x, size, t->channel_count, (enum sm_standardise)t->s->standardise);
	return st;
}

enum sm_status sm_tile_source_open(struct sm_run *run, const char *dir, int most,
				   struct sm_tile_source **out, struct sm_err *err)
{
	struct sm_tile_source *t = calloc(1, sizeof *t);
	enum sm_status st;
	*out = NULL;
	if (!t)
		return SM_FAIL(err, SM_BUDGET, "volumes: out of memory");
	t->feed = (struct sm_tile_feed){t, add, read_tile, bytes};
	t->run = run;
	t->most = most;
	t->s = ((const struct sm_manifest_root *)run->manifest)->tile;
	t->rule = sm_tile_rule_of(run);
	SM_GOTO(st, sm_cases_open_at(run, dir, &t->cases, err));
	t->v = calloc(t->cases.count, sizeof *t->v);
	if (!t->v) {
		st = SM_FAIL(err, SM_BUDGET, "volumes: out of memory");
		goto out;
	}
	for (; t->ready < t->cases.count; t->ready++)
		pthread_mutex_init(&t->v[t->ready].lock, NULL);
out:
	if (st != SM_OK)
		sm_tile_source_close(t);
	else
		*out = t;
	return st;
}
