/* SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "train/loader.h"

/* One tile: an index of a shard, a file of its own, or of a feed. */
struct tile {
	struct sm_shard *shard;
	size_t fed; /* number of the case in the feed */
	int64_t k;
	size_t case_number;
	char *path, sha256[65];
	atomic_bool checked; /* content of a file compared with the ledger */
};

struct sm_tiles {
	struct tile *v;
	size_t count, room, cases;
	char **keys; /* of the cases */
	struct sm_shard **shards;
	size_t shard_count;
	const struct sm_tile_feed *feed; /* borrowed; NULL = shards and files */
	struct sm_tile_shape shape;
	char first[128]; /* file that the shape comes from */
	struct sm_mem *mem;
};

void sm_tiles_free(struct sm_tiles *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->v[i].path);
	for (size_t i = 0; i < t->shard_count; i++)
		sm_shard_close(t->shards[i]);
	for (size_t i = 0; i < t->cases; i++)
		free(t->keys[i]);
	free(t->keys);
	free(t->shards);
	free(t->v);
	free(t);
}

size_t sm_tiles_count(const struct sm_tiles *tiles)
{
	return tiles->count;
}

size_t sm_tiles_cases(const struct sm_tiles *tiles)
{
	return tiles->cases;
}

size_t sm_tiles_case(const struct sm_tiles *tiles, size_t i)
{
	return tiles->v[i].case_number;
}

const char *sm_tiles_key(const struct sm_tiles *tiles, size_t i)
{
	return tiles->keys[tiles->v[i].case_number];
}

struct sm_tile_shape sm_tiles_shape(const struct sm_tiles *tiles)
{
	return tiles->shape;
}

/* Makes room for n more tiles; NULL when out of memory. */
static struct tile *append(struct sm_tiles *t, size_t n)
{
	if (t->count + n > t->room) {
		size_t room = 2 * (t->count + n);
		struct tile *v = realloc(t->v, room * sizeof *v);
		if (!v)
			return NULL;
		t->v = v;
		t->room = room;
	}
	struct tile *at = t->v + t->count;
	memset(at, 0, n * sizeof *at);
	for (size_t i = 0; i < n; i++)
		at[i].case_number = t->cases;
	t->count += n;
	return at;
}

static enum sm_status check_shape(struct sm_tiles *t, struct sm_tile_shape s, const char *name,
				  struct sm_err *err)
{
	s.tiles = 1;
	s.parts = 0;
	if (!t->first[0]) {
		t->shape = s;
		snprintf(t->first, sizeof t->first, "%s", name);
	}
	if (memcmp(&s, &t->shape, sizeof s) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: tiles are %lld x %lld x %lld with %lld channels, those of %s "
			       "are %lld x %lld x "
			       "%lld with %lld: must be equal",
			       name, (long long)s.width, (long long)s.height, (long long)s.depth,
			       (long long)s.channels, t->first, (long long)t->shape.width,
			       (long long)t->shape.height, (long long)t->shape.depth,
			       (long long)t->shape.channels);
	return SM_OK;
}

/* No tile is read here, each is held against its checksum when it is. */
static enum sm_status check_shard(const char *path, const char *name, const char *sha256,
				  struct sm_mem *mem, struct sm_err *err)
{
	char hex[65];
	SM_TRY(sm_shard_named_sha256(path, mem, hex, err));
	if (strcmp(hex, sha256) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: content is not what the ledger of tile says: run tile again",
			       name);
	return SM_OK;
}

static enum sm_status add_shard(struct sm_tiles *t, const char *path, const char *name,
				const char *sha256, struct sm_err *err)
{
	struct sm_tile_shape shape;
	struct sm_shard *shard = NULL;
	struct sm_shard **list = realloc(t->shards, (t->shard_count + 1) * sizeof *list);
	if (!list)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	t->shards = list;
	SM_TRY(sm_shard_open(path, &shard, &shape, NULL, err));
	t->shards[t->shard_count++] = shard;
	if (shape.b_channels || (shape.parts & SM_SHARD_FOLD))
		return SM_FAIL(err, SM_INPUT,
			       "%s: is a shard of pairs, needed are tiles or slices with labels",
			       name);
	if (shape.parts & SM_SHARD_UNLABELLED)
		return SM_FAIL(err, SM_INPUT,
			       "%s: its slices have no labels, which a training needs (or "
			       "leave_out the case in the split)",
			       name);
	SM_TRY(check_shape(t, shape, name, err));
	SM_TRY(check_shard(path, name, sha256, t->mem, err));
	struct tile *v = append(t, (size_t)shape.tiles);
	if (!v)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	for (int64_t k = 0; k < shape.tiles; k++) {
		v[k].shard = shard;
		v[k].k = k;
	}
	return SM_OK;
}

static enum sm_status add_file(struct sm_tiles *t, const char *path, const char *name,
			       const char *sha256, struct sm_err *err)
{
	struct sm_tile_shape shape = {0};
	SM_TRY(sm_tilefile_read(path, &shape, NULL, NULL, err));
	SM_TRY(check_shape(t, shape, name, err));
	struct tile *v = append(t, 1);
	char *copy = sm_strf("%s", path);
	if (!v || !copy) {
		free(copy);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	}
	v->path = copy;
	snprintf(v->sha256, sizeof v->sha256, "%s", sha256);
	return SM_OK;
}

static enum sm_status add_fed(struct sm_tiles *t, const char *key, struct sm_err *err)
{
	struct sm_tile_fed its;
	SM_TRY(t->feed->add(t->feed->ctx, key, &its, err));
	SM_TRY(check_shape(t, its.shape, key, err));
	struct tile *v = append(t, (size_t)its.tiles);
	if (!v)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	for (int64_t k = 0; k < its.tiles; k++) {
		v[k].fed = its.number;
		v[k].k = k;
	}
	return SM_OK;
}

static enum sm_status add_outputs(struct sm_tiles *t, const char *dir, const json_t *record,
				  struct sm_err *err)
{
	size_t i;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *role = sm_json_text(output, "role"),
			   *name = sm_json_text(output, "path");
		const char *sha = sm_json_text(output, "sha256");
		if (!role || !name || !sha)
			return SM_FAIL(err, SM_INPUT,
				       "%s: output %zu of its record lacks role, path or sha256",
				       sm_record_key(record), i);
		bool shard = strcmp(role, "shard") == 0;
		if (!shard && strcmp(role, "tile") != 0)
			continue;
		char *path = sm_path_join(dir, name);
		enum sm_status st = !path   ? SM_FAIL(err, SM_BUDGET, "%s: out of memory", name)
				    : shard ? add_shard(t, path, name, sha, err)
					    : add_file(t, path, name, sha, err);
		free(path);
		SM_TRY(st);
	}
	return SM_OK;
}

static enum sm_status add_case(struct sm_tiles *t, const char *dir, const json_t *record,
			       struct sm_err *err)
{
	size_t before = t->count;
	SM_TRY(t->feed ? add_fed(t, sm_record_key(record), err)
		       : add_outputs(t, dir, record, err));
	if (t->count == before)
		return SM_OK;
	char **keys = realloc(t->keys, (t->cases + 1) * sizeof *keys);
	if (keys)
		t->keys = keys;
	if (!keys || !(keys[t->cases] = sm_strf("%s", sm_record_key(record))))
		return SM_FAIL(err, SM_BUDGET, "list of tiles: out of memory");
	t->cases++;
	return SM_OK;
}

/* What a case is in: the name of its fold, or for a fold by number "in", "out", "none" or
 * "test". */
static const char *place_of(const json_t *record, const struct sm_tiles_fold *fold)
{
	const char *name = sm_json_text(record, "fold");
	const json_t *index = json_object_get(record, "fold_index");
	if (fold->name || !name || strcmp(name, "none") == 0)
		return name;
	if (!json_is_integer(index)) /* the fixed test list beside the k folds is in none of them */
		return strcmp(name, "test") == 0 ? name : NULL;
	return json_integer_value(index) == fold->index ? "in" : "out";
}

static const char *wanted_place(const struct sm_tiles_fold *fold)
{
	return fold->name ? fold->name : fold->others ? "out" : "in";
}

bool sm_tiles_fold_has(const struct sm_tiles_fold *fold, const json_t *record)
{
	const char *place = place_of(record, fold);
	return place && strcmp(place, wanted_place(fold)) == 0;
}

/* No stage between can have rejected a case: each of the fold must have its volumes. */
static enum sm_status check_complete(const struct sm_ledger *volumes, const struct sm_ledger *split,
				     const struct sm_tiles_fold *fold, struct sm_err *err)
{
	size_t i;
	json_t *record;
	enum sm_status st = SM_OK;
	sm_records_foreach(split->records, i, record)
	{
		if (st != SM_OK || !sm_record_ok(record) || !sm_tiles_fold_has(fold, record))
			continue;
		json_t *its = sm_ledger_get(volumes, sm_record_key(record));
		if (!its || !sm_record_ok(its))
			st = SM_FAIL(err, SM_INPUT,
				     "%s: stands in a fold of the split, but has no volumes in "
				     "--in: run split again",
				     sm_record_key(record));
		json_decref(its);
	}
	return st == SM_OK ? sm_records_check(split->records, err) : st;
}

/* Adds to t, which takes the tiles of the whole fold. */
static enum sm_status list_fold(struct sm_tiles *t, const char *dir, const struct sm_ledger *tile,
				const struct sm_ledger *split, const struct sm_tiles_fold *fold,
				struct sm_err *err)
{
	const char *want = wanted_place(fold);
	size_t i;
	json_t *record;
	enum sm_status st = SM_OK;
	sm_records_foreach(tile->records, i, record)
	{
		if (!sm_record_ok(record) || st != SM_OK)
			continue;
		json_t *its = sm_ledger_get(split, sm_record_key(record));
		const char *in = place_of(its, fold);
		if (!in)
			st = sm_records_check(split->records, err);
		if (!in && st == SM_OK)
			st = SM_FAIL(err, SM_INPUT,
				     "%s: has %s, but stands in no fold of the split: run split "
				     "again",
				     sm_record_key(record), t->feed ? "volumes" : "tiles");
		else if (in && strcmp(in, want) == 0)
			st = add_case(t, dir, record, err);
		json_decref(its);
	}
	if (st == SM_OK)
		st = sm_records_check(tile->records, err);
	if (st == SM_OK && !t->count && fold->name)
		st = SM_FAIL(err, SM_INPUT, "fold %s: has 0 tiles, needed is at least 1",
			     fold->name);
	else if (st == SM_OK && !t->count)
		st = SM_FAIL(err, SM_INPUT, "fold %lld: has 0 tiles %s, needed is at least 1",
			     (long long)fold->index, fold->others ? "outside of it" : "in it");
	return st;
}

static enum sm_status list(const struct sm_tile_feed *feed, const char *dir,
			   const struct sm_ledger *tile, const struct sm_ledger *split,
			   const struct sm_tiles_fold *fold, struct sm_mem *mem,
			   struct sm_tiles **out, struct sm_err *err)
{
	struct sm_tiles *t;
	*out = NULL;
	if (feed)
		SM_TRY(check_complete(tile, split, fold, err));
	t = calloc(1, sizeof *t);
	if (!t)
		return SM_FAIL(err, SM_BUDGET, "list of tiles: out of memory");
	t->mem = mem;
	t->feed = feed;
	enum sm_status st = list_fold(t, dir, tile, split, fold, err);
	if (st == SM_OK)
		*out = t;
	else
		sm_tiles_free(t);
	return st;
}

enum sm_status sm_tiles_list_fold(const char *dir, const struct sm_ledger *tile,
				  const struct sm_ledger *split, const struct sm_tiles_fold *fold,
				  struct sm_mem *mem, struct sm_tiles **out, struct sm_err *err)
{
	return list(NULL, dir, tile, split, fold, mem, out, err);
}

enum sm_status sm_tiles_list_feed(const struct sm_tile_feed *feed, const struct sm_ledger *volumes,
				  const struct sm_ledger *split, const struct sm_tiles_fold *fold,
				  struct sm_mem *mem, struct sm_tiles **out, struct sm_err *err)
{
	return list(feed, NULL, volumes, split, fold, mem, out, err);
}

enum sm_status sm_tiles_list_case(const char *dir, const json_t *record, struct sm_mem *mem,
				  struct sm_tiles **out, struct sm_err *err)
{
	struct sm_tiles *t = calloc(1, sizeof *t);
	*out = NULL;
	if (!t)
		return SM_FAIL(err, SM_BUDGET, "list of tiles: out of memory");
	t->mem = mem;
	enum sm_status st = add_case(t, dir, record, err);
	if (st == SM_OK && !t->count)
		st = SM_FAIL(err, SM_INPUT, "%s: has 0 tiles, needed is at least 1",
			     sm_record_key(record));
	if (st == SM_OK)
		*out = t;
	else
		sm_tiles_free(t);
	return st;
}

enum sm_status sm_tiles_list(const char *dir, const struct sm_ledger *tile,
			     const struct sm_ledger *split, const char *fold, struct sm_mem *mem,
			     struct sm_tiles **out, struct sm_err *err)
{
	const struct sm_tiles_fold by_name = {.name = fold};
	return sm_tiles_list_fold(dir, tile, split, &by_name, mem, out, err);
}

static enum sm_status read_file(struct sm_tiles *t, struct tile *v, float *x, uint8_t *y,
				struct sm_err *err)
{
	char hex[65];
	/* A file of one tile holds no checksum of its own: its first use compares it with the
	 * ledger. */
	if (!atomic_load(&v->checked)) {
		SM_TRY(sm_h5_content_sha256(v->path, t->mem, hex, err));
		if (strcmp(hex, v->sha256) != 0)
			return SM_FAIL(
				err, SM_INPUT,
				"%s: content is not what the ledger of tile says: run tile again",
				sm_path_base(v->path));
		atomic_store(&v->checked, true);
	}
	struct sm_tile_shape shape = t->shape;
	return sm_tilefile_read(v->path, &shape, x, y, err);
}

enum sm_status sm_tiles_draw(struct sm_tiles *t, size_t i, int64_t epoch, float *x, uint8_t *y,
			     struct sm_err *err)
{
	struct tile *v = &t->v[i];
	if (t->feed)
		return t->feed->read(t->feed->ctx, v->fed, v->k, epoch, x, y, err);
	if (!v->shard)
		return read_file(t, v, x, y, err);
	struct sm_shard_room room = {.x = x, .y = y};
	return sm_shard_read_sample(v->shard, v->k, &room, err);
}

enum sm_status sm_tiles_read(struct sm_tiles *t, size_t i, float *x, uint8_t *y, struct sm_err *err)
{
	return sm_tiles_draw(t, i, 0, x, y, err);
}

size_t sm_tiles_reading(const struct sm_tiles *t)
{
	const struct sm_tile_shape *s = &t->shape;
	/* Compressed and shuffled bytes. */
	return t->feed ? t->feed->bytes(t->feed->ctx)
		       : 2 * (size_t)(s->depth * s->height * s->width) *
				 ((size_t)s->channels * sizeof(float) + 1);
}

/* A file of one tile cannot leave its x out. */
enum sm_status sm_tiles_read_labels(struct sm_tiles *t, size_t i, uint8_t *y, struct sm_err *err)
{
	const struct sm_tile_shape *s = &t->shape;
	if (t->v[i].shard || t->feed)
		return sm_tiles_read(t, i, NULL, y, err);
	float *x = sm_alloc(t->mem, (size_t)(s->height * s->width * s->depth * s->channels),
			    sizeof *x, "a tile", err);
	enum sm_status st = x ? sm_tiles_read(t, i, x, y, err) : SM_BUDGET;
	sm_free(x);
	return st;
}

enum sm_status sm_tiles_find_label(struct sm_tiles *t, size_t most, size_t *found,
				   struct sm_err *err)
{
	const struct sm_tile_shape *s = &t->shape;
	size_t plane = (size_t)(s->height * s->width), voxels = plane * (size_t)s->depth;
	size_t from = (size_t)(s->depth / 2) * plane;
	uint8_t *y = sm_alloc(t->mem, voxels, 1, "a tile", err);
	enum sm_status st = y ? SM_OK : SM_BUDGET;
	*found = t->count;
	for (size_t i = 0; st == SM_OK && i < t->count && i < most && *found == t->count; i++) {
		st = sm_tiles_read_labels(t, i, y, err);
		for (size_t k = from; st == SM_OK && k < from + plane; k++)
			if (y[k])
				*found = i;
	}
	sm_free(y);
	return st;
}

uint8_t sm_tiles_label_bound(const struct sm_tiles *t, size_t i)
{
	return t->v[i].path ? SM_TILEFILE_LABELS : UINT8_MAX;
}

void sm_tiles_name(const struct sm_tiles *t, size_t i, char out[SM_TILE_NAME])
{
	const struct tile *v = &t->v[i];
	if (v->path)
		snprintf(out, SM_TILE_NAME, "%s", sm_path_base(v->path));
	else
		snprintf(out, SM_TILE_NAME, "%s%s: %s %lld", sm_tiles_key(t, i),
			 v->shard ? ".h5" : "", t->shape.depth > 1 ? "tile" : "slice",
			 (long long)v->k);
}
