/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/save.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5base.h"
#include "manifests/schema.h"
#include "train/tensors.h"

#define SCHEMA SM_TRANSLATION_SCHEMA
#define META_ROOM SM_CHECKPOINT_SETTINGS
#define MAX_EPOCHS 1000000
#define MAX_COLUMNS 256
#define POOLS 2

static const char *const players[] = {"generators", "discriminators"};
static const char *const pools[POOLS] = {"fake_b", "fake_a"};

void sm_translation_clear(struct sm_translation *t)
{
	free(t->settings);
	sm_history_clear(&t->history);
	sm_seen_clear(&t->seen);
	*t = (struct sm_translation){0};
}

/* ---- the fields ------------------------------------------------------------------------------ */

static json_t *dump_network(const char *name, const char *norm, const struct sm_image_opt *o)
{
	return json_pack("{s:s, s:f, s:s, s:i, s:i, s:i, s:b, s:f, s:f}", "name", name, "width",
			 o->width, "norm", norm, "levels", o->levels, "chain", o->chain, "blocks",
			 o->blocks, "resize", (int)o->resize, "slope", o->slope, "dropout",
			 o->dropout);
}

static char *dump(const struct sm_translation *t)
{
	json_t *meta = json_pack(
		"{s:b, s:o, s:o, s:[ii], s:[ii], s:[ss], s:b, s:[ff], s:[ff], s:[ss], s:i, s:b, "
		"s:[II], s:I, s:I, s:s, s:s, s:s}",
		"cycle", (int)t->cycle, "generator",
		dump_network(t->generator, t->generator_norm, &t->generator_opt), "discriminator",
		dump_network(t->judge, t->judge_norm, &t->judge_opt), "size", t->width, t->height,
		"channels", t->channels[0], t->channels[1], "domains", t->domain[0], t->domain[1],
		"triplets", (int)t->triplets, "low", t->low[0], t->low[1], "high", t->high[0],
		t->high[1], "units", t->unit[0], t->unit[1], "plane", t->plane, "stored",
		(int)t->stored, "parameters", (json_int_t)t->parameters[0],
		(json_int_t)t->parameters[1], "epoch", (json_int_t)t->epoch, "rounds",
		(json_int_t)t->rounds, "fingerprint", t->fingerprint, "pair", t->pair, "preprocess",
		t->preprocess);
	if (meta && *t->samples)
		json_object_set_new(meta, "samples", json_string(t->samples));
	char *text = meta ? sm_json_line(meta) : NULL;
	json_decref(meta);
	return text;
}

static bool get_text(const json_t *v, char *out, size_t room)
{
	const char *text = json_string_value(v);
	if (!text || strlen(text) >= room)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static bool get_int(const json_t *v, int64_t low, int64_t high, int *out)
{
	json_int_t n = json_integer_value(v);
	if (!json_is_integer(v) || n < low || n > high)
		return false;
	*out = (int)n;
	return true;
}

static bool get_reals(const json_t *meta, const char *key, double v[2])
{
	return sm_json_get_floats(meta, key, v, 2) && isfinite(v[0]) && isfinite(v[1]);
}

static bool parse_network(const json_t *v, char name[32], char norm[16], struct sm_image_opt *o)
{
	int resize = json_is_true(json_object_get(v, "resize"));
	*o = sm_image_default();
	o->width = json_number_value(json_object_get(v, "width"));
	o->slope = json_number_value(json_object_get(v, "slope"));
	o->dropout = json_number_value(json_object_get(v, "dropout"));
	o->resize = resize;
	o->norm = norm;
	return json_is_object(v) && get_text(json_object_get(v, "name"), name, 32) &&
	       get_text(json_object_get(v, "norm"), norm, 16) &&
	       get_int(json_object_get(v, "levels"), 0, 64, &o->levels) &&
	       get_int(json_object_get(v, "chain"), 0, 64, &o->chain) &&
	       get_int(json_object_get(v, "blocks"), 0, 64, &o->blocks);
}

/* The name of the first field that is missing or out of range, else NULL. */
static const char *parse(const json_t *meta, struct sm_translation *t)
{
	int64_t size[2], channels[2];
	const json_t *domains = json_object_get(meta, "domains");
	t->cycle = json_is_true(json_object_get(meta, "cycle"));
	t->triplets = json_is_true(json_object_get(meta, "triplets"));
	if (!parse_network(json_object_get(meta, "generator"), t->generator, t->generator_norm,
			   &t->generator_opt))
		return "generator";
	if (!parse_network(json_object_get(meta, "discriminator"), t->judge, t->judge_norm,
			   &t->judge_opt))
		return "discriminator";
	if (!sm_json_get_ints(meta, "size", size, 2) || size[0] < 1 || size[1] < 1 ||
	    size[0] > 16384 || size[1] > 16384)
		return "size";
	t->width = (int)size[0];
	t->height = (int)size[1];
	if (!sm_json_get_ints(meta, "channels", channels, 2))
		return "channels";
	for (int i = 0; i < 2; i++) {
		if (channels[i] < 1 || channels[i] > 64)
			return "channels";
		t->channels[i] = (int)channels[i];
		if (!get_text(json_array_get(domains, (size_t)i), t->domain[i],
			      SM_TRANSLATION_NAME))
			return "domains";
	}
	if (!get_reals(meta, "low", t->low) || !get_reals(meta, "high", t->high))
		return "low or high";
	for (int i = 0; i < 2; i++)
		if (!(t->low[i] < t->high[i]) ||
		    !get_text(json_array_get(json_object_get(meta, "units"), (size_t)i), t->unit[i],
			      SM_UNIT_NAME))
			return "low, high or units";
	t->stored = json_is_true(json_object_get(meta, "stored"));
	if (!get_int(json_object_get(meta, "plane"), 0, SM_PLANES - 1, &t->plane))
		return "plane";
	if (!sm_json_get_ints(meta, "parameters", t->parameters, 2))
		return "parameters";
	t->epoch = json_integer_value(json_object_get(meta, "epoch"));
	t->rounds = json_integer_value(json_object_get(meta, "rounds"));
	if (t->epoch < 1 || t->epoch > MAX_EPOCHS || t->rounds < 1)
		return "epoch or rounds";
	if (!get_text(json_object_get(meta, "fingerprint"), t->fingerprint, 65) ||
	    !get_text(json_object_get(meta, "pair"), t->pair, 65) ||
	    !get_text(json_object_get(meta, "preprocess"), t->preprocess, 65))
		return "fingerprint, pair or preprocess";
	const json_t *samples = json_object_get(meta, "samples");
	if (samples && !get_text(samples, t->samples, 65))
		return "samples";
	return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A group without times; negative on failure. */
static hid_t make_group(hid_t file, const char *name)
{
	hid_t group = -1, list = H5Pcreate(H5P_GROUP_CREATE);
	if (list >= 0 && H5Pset_obj_track_times(list, false) >= 0)
		group = H5Gcreate2(file, name, H5P_DEFAULT, list, H5P_DEFAULT);
	if (list >= 0)
		H5Pclose(list);
	return group;
}

static enum sm_status put_player(hid_t file, const char *name, const char *player,
				 struct sm_net *net, struct sm_err *err)
{
	hid_t group = make_group(file, player);
	if (group < 0)
		return SM_FAIL(err, SM_IO, "%s: HDF5 cannot make group %s", name, player);
	enum sm_status st = sm_tensors_write(group, name, net, err);
	if (H5Gclose(group) < 0 && st == SM_OK)
		st = SM_FAIL(err, SM_IO, "%s: HDF5 cannot write group %s", name, player);
	return st;
}

/* A table of one chunk, so that a damaged byte is noticed. */
static bool put_array(hid_t at, const char *name, hid_t type, size_t rows, size_t columns,
		      const void *data)
{
	const hsize_t dims[2] = {rows, columns};
	return sm_h5_put_stored(at, name, type, 2, dims, data);
}

static enum sm_status put_pools(hid_t file, const char *name, const struct sm_game *game,
				struct sm_err *err)
{
	bool good = true;
	hid_t group = make_group(file, "pool");
	if (group < 0)
		return SM_FAIL(err, SM_IO, "%s: HDF5 cannot make group pool", name);
	for (int i = 0; i < POOLS; i++) {
		const struct sm_pool *p = &game->pool[i];
		size_t rows = (size_t)p->filled;
		if (rows)
			good = good && put_array(group, pools[i], H5T_IEEE_F32LE, rows, p->count,
						 p->image);
	}
	good = H5Gclose(group) >= 0 && good;
	return good ? SM_OK : SM_FAIL(err, SM_IO, "%s: HDF5 cannot write the pools", name);
}

/* What goes into a file. */
struct content {
	struct sm_game *game;
	const struct sm_translation *t;
};

static enum sm_status put_all(hid_t file, const char *name, void *arg, struct sm_err *err)
{
	const struct content *all = arg;
	const struct sm_translation *t = all->t;
	const struct sm_history *h = &t->history;
	char *meta = dump(t);
	bool good = meta && strlen(meta) < META_ROOM && sm_h5_put_text(file, "schema", SCHEMA) &&
		    sm_h5_put_text(file, "meta", meta) && t->settings &&
		    sm_h5_put_text(file, "settings", t->settings) &&
		    sm_h5_put_text(file, "history_columns", h->names);
	free(meta);
	if (!good)
		return SM_FAIL(err, SM_IO, "%s: HDF5 cannot write the attributes", name);
	if (!put_array(file, "history", H5T_IEEE_F64LE, h->rows, h->columns, h->v))
		return SM_FAIL(err, SM_IO, "%s: HDF5 cannot write the history", name);
	SM_TRY(sm_seen_write(file, name, &t->seen, err));
	SM_TRY(put_player(file, name, players[0], all->game->generators, err));
	SM_TRY(put_player(file, name, players[1], all->game->judges, err));
	return put_pools(file, name, all->game, err);
}

enum sm_status sm_translation_write(const char *path, struct sm_game *game,
				    const struct sm_translation *t, char content[65],
				    struct sm_err *err)
{
	return sm_h5_write_file(path, put_all, &(struct content){game, t}, content, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

static enum sm_status open_file(const char *path, hid_t *file, struct sm_err *err)
{
	char schema[64] = "";
	SM_TRY(sm_h5_open_file(path, file, err));
	if (sm_h5_get_text(*file, "schema", schema, sizeof schema) && strcmp(schema, SCHEMA) == 0)
		return SM_OK;
	sm_h5_close_file(file);
	if (strncmp(schema, "scanmill-checkpoint ", strlen("scanmill-checkpoint ")) == 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: is a checkpoint of segmentation, allowed is one of image "
			       "translation (dataset: pair)",
			       sm_path_base(path));
	return SM_FAIL(err, SM_INPUT, "%s: attribute schema is '%s', allowed is '%s'",
		       sm_path_base(path), schema, SCHEMA);
}

static enum sm_status read_meta(hid_t file, const char *name, struct sm_translation *t,
				struct sm_err *err)
{
	char *text = malloc(META_ROOM);
	json_t *meta = NULL;
	enum sm_status st = SM_OK;
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	if (sm_h5_get_text(file, "meta", text, META_ROOM))
		meta = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *bad = json_is_object(meta) ? parse(meta, t) : "meta";
	if (bad)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: field %s of the checkpoint is missing or out of range", name,
			     bad);
	else if (!sm_h5_get_text(file, "settings", text, META_ROOM) ||
		 !(t->settings = sm_strf("%s", text)))
		st = SM_FAIL(err, SM_INPUT, "%s: attribute settings is damaged", name);
	else if (!sm_h5_get_text(file, "history_columns", text, META_ROOM))
		st = SM_FAIL(err, SM_INPUT, "%s: attribute history_columns is damaged", name);
	else
		st = sm_history_begin(&t->history, text, err);
	json_decref(meta);
	free(text);
	return st;
}

/* The dataset's rows and columns; false when it is none of two dimensions. */
static bool dims_of(hid_t set, hsize_t dims[2])
{
	hid_t space = H5Dget_space(set);
	bool good = space >= 0 && H5Sget_simple_extent_ndims(space) == 2 &&
		    H5Sget_simple_extent_dims(space, dims, NULL) == 2;
	if (space >= 0)
		H5Sclose(space);
	return good;
}

static enum sm_status read_history(hid_t file, const char *name, struct sm_translation *t,
				   struct sm_err *err)
{
	struct sm_history *h = &t->history;
	hsize_t dims[2] = {0, 0};
	hid_t set = H5Dopen2(file, "history", H5P_DEFAULT);
	enum sm_status st = SM_OK;
	if (set < 0 || !dims_of(set, dims) || dims[0] != (hsize_t)t->epoch ||
	    dims[1] != h->columns || dims[1] > MAX_COLUMNS)
		st = SM_FAIL(err, SM_INPUT, "%s: history is %llu x %llu, allowed is %lld x %zu",
			     name, (unsigned long long)dims[0], (unsigned long long)dims[1],
			     (long long)t->epoch, h->columns);
	else if (!(h->v = calloc(dims[0] * dims[1], sizeof *h->v)))
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	else if (!sm_h5_read_all(set, H5T_NATIVE_DOUBLE, h->v))
		st = SM_FAIL(err, SM_INPUT, "%s: history is damaged", name);
	h->rows = h->room = st == SM_OK ? dims[0] : 0;
	sm_h5_close_dataset(&set);
	return st;
}

enum sm_status sm_translation_open(const char *path, struct sm_translation *t, struct sm_err *err)
{
	hid_t file = -1;
	enum sm_status st;
	*t = (struct sm_translation){0};
	SM_GOTO(st, open_file(path, &file, err));
	SM_GOTO(st, read_meta(file, sm_path_base(path), t, err));
	SM_GOTO(st, read_history(file, sm_path_base(path), t, err));
	st = sm_seen_read(file, sm_path_base(path), &t->seen, err);
out:
	sm_h5_close_file(&file);
	if (st != SM_OK)
		sm_translation_clear(t);
	return st;
}

static enum sm_status get_player(hid_t file, const char *name, const char *player,
				 struct sm_net *net, bool training, struct sm_err *err)
{
	hid_t group = H5Gopen2(file, player, H5P_DEFAULT);
	if (group < 0)
		return SM_FAIL(err, SM_INPUT, "%s: has no group %s", name, player);
	enum sm_status st = training ? sm_tensors_read(group, name, net, true, err)
				     : sm_tensors_read_part(group, name, net, err);
	H5Gclose(group);
	if (st == SM_OK)
		sm_net_touch(net);
	return st;
}

/* Where the next piece of a pool goes. */
struct copy {
	unsigned char *to;
};

static void copy_piece(void *ctx, const void *piece, size_t n)
{
	struct copy *copy = ctx;
	memcpy(copy->to, piece, n);
	copy->to += n;
}

/* A pool that is not there is empty. */
static enum sm_status get_pool(hid_t file, const char *name, int i, struct sm_pool *pool,
			       struct sm_err *err)
{
	char path[32];
	hsize_t dims[2] = {0, 0};
	snprintf(path, sizeof path, "pool/%s", pools[i]);
	pool->filled = 0;
	if (H5Lexists(file, path, H5P_DEFAULT) <= 0)
		return SM_OK;
	hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
	enum sm_status st = SM_OK;
	if (set < 0 || !dims_of(set, dims) || dims[0] > (hsize_t)pool->room ||
	    dims[1] != pool->count)
		st = SM_FAIL(err, SM_INPUT, "%s: %s is %llu x %llu, allowed is at most %d x %zu",
			     name, path, (unsigned long long)dims[0], (unsigned long long)dims[1],
			     pool->room, pool->count);
	else if (!sm_h5_read_stored(set, H5T_IEEE_F32LE, copy_piece,
				    &(struct copy){(unsigned char *)pool->image}) &&
		 !sm_h5_read_all(set, H5T_NATIVE_FLOAT, pool->image))
		st = SM_FAIL(err, SM_INPUT, "%s: %s is damaged or cut off", name, path);
	if (st == SM_OK)
		pool->filled = (int)dims[0];
	sm_h5_close_dataset(&set);
	return st;
}

enum sm_status sm_translation_load(const char *path, struct sm_game *game, struct sm_err *err)
{
	hid_t file = -1;
	const char *name = sm_path_base(path);
	SM_TRY(open_file(path, &file, err));
	enum sm_status st = get_player(file, name, players[0], game->generators, true, err);
	if (st == SM_OK)
		st = get_player(file, name, players[1], game->judges, true, err);
	for (int i = 0; st == SM_OK && i < POOLS; i++)
		st = get_pool(file, name, i, &game->pool[i], err);
	sm_h5_close_file(&file);
	return st;
}

enum sm_status sm_translation_load_generator(const char *path, struct sm_net *net,
					     struct sm_err *err)
{
	hid_t file = -1;
	SM_TRY(open_file(path, &file, err));
	enum sm_status st =
		get_player(file, sm_path_base(path), players[0], net, false, err);
	sm_h5_close_file(&file);
	return st;
}
