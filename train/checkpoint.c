/* SPDX-License-Identifier: Apache-2.0 */
#include "train/checkpoint.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5base.h"
#include "core/hash.h"
#include "core/ledger.h"
#include "train/tensors.h"

#define SCHEMA "scanmill-checkpoint 3"
#define SCHEMA_BEFORE "scanmill-checkpoint 2"
#define META_ROOM SM_CHECKPOINT_SETTINGS /* HDF5 keeps attributes below 64 KiB */
#define MAX_EPOCHS 1000000
#define MAX_COLUMNS 4096

void sm_history_clear(struct sm_history *h)
{
	free(h->v);
	free(h->names);
	*h = (struct sm_history){0};
}

enum sm_status sm_history_add(struct sm_history *h, const double *row, struct sm_err *err)
{
	if (h->rows == h->room) {
		size_t room = 2 * h->room + 16, bytes;
		double *v =
			sm_mul3(room, h->columns, sizeof *v, &bytes) ? realloc(h->v, bytes) : NULL;
		if (!v)
			return SM_FAIL(err, SM_BUDGET, "history: out of memory");
		h->v = v;
		h->room = room;
	}
	memcpy(h->v + h->rows * h->columns, row, h->columns * sizeof *row);
	h->rows++;
	return SM_OK;
}

enum sm_status sm_history_begin(struct sm_history *h, const char *names, struct sm_err *err)
{
	*h = (struct sm_history){.columns = 1, .names = sm_strf("%s", names)};
	if (!h->names)
		return SM_FAIL(err, SM_BUDGET, "history: out of memory");
	for (const char *p = names; *p; p++)
		h->columns += *p == ',';
	return SM_OK;
}

/* Number of the column with the first n characters of `name`; h->columns when there is none. */
static size_t column_of(const struct sm_history *h, const char *name, size_t n)
{
	const char *p = h->names;
	size_t at = 0;
	for (; strcspn(p, ",") != n || memcmp(p, name, n) != 0; at++) {
		p += strcspn(p, ",");
		if (!*p++)
			return h->columns;
	}
	return at;
}

enum sm_status sm_history_recast(struct sm_history *h, const char *names, struct sm_err *err)
{
	struct sm_history new;
	enum sm_status st = sm_history_begin(&new, names, err);
	size_t count;
	if (st == SM_OK && (!sm_mul3(h->rows + 1, new.columns, sizeof *new.v, &count) ||
			    !(new.v = malloc(count))))
		st = SM_FAIL(err, SM_BUDGET, "history: out of memory");
	if (st != SM_OK)
		goto out;
	new.rows = h->rows;
	new.room = h->rows + 1;
	for (size_t c = 0; c < new.columns; c++) {
		size_t n = strcspn(names, ","), from = column_of(h, names, n);
		for (size_t r = 0; r < h->rows; r++)
			new.v[r * new.columns + c] =
				from < h->columns ? h->v[r * h->columns + from] : (double)NAN;
		names += n + (names[n] == ',');
	}
	sm_history_clear(h);
	*h = new;
	new = (struct sm_history){0};
out:
	sm_history_clear(&new);
	return st;
}

void sm_checkpoint_clear(struct sm_checkpoint *c)
{
	free(c->settings);
	json_decref(c->channels);
	sm_history_clear(&c->history);
	sm_seen_clear(&c->seen);
	*c = (struct sm_checkpoint){0};
}

/* ---- writing -------------------------------------------------------------------------------- */

static char *meta_of(const struct sm_checkpoint *c)
{
	const int64_t size[3] = {c->size[0], c->size[1], c->size[2]};
	json_t *meta = json_pack(
		"{s:s, s:f, s:s, s:s, s:f, s:i, s:o, s:i, s:o, s:o, s:i, s:i, s:b, s:O, s:I, s:s, "
		"s:I, s:I, s:I, "
		"s:f, s:s, s:s, s:s, s:I}",
		"model", c->model, "width", c->width, "norm", c->norm, "activation", c->activation,
		"dropout", c->dropout, "deep_supervision", c->deep_supervision, "spacing",
		sm_json_floats(c->spacing, 3), "in_channels", c->in_channels, "task",
		sm_task_dump(&c->task), "tile_size", sm_json_ints(size, 3), "standardise",
		(int)c->standardise, "plane", c->plane, "stored", (int)c->stored, "channels",
		c->channels, "parameters", (json_int_t)c->parameters, "optimiser", c->optimiser,
		"epoch", (json_int_t)c->epoch, "steps", (json_int_t)c->steps, "best_epoch",
		(json_int_t)c->best_epoch, "best_val_loss", c->best, "fingerprint", c->fingerprint,
		"split", c->split, "preprocess", c->preprocess, "fold", (json_int_t)c->fold);
	char *text = meta ? sm_json_line(meta) : NULL;
	json_decref(meta);
	return text;
}

static enum sm_status put_history(hid_t file, const struct sm_checkpoint *c, const char *name,
				  struct sm_err *err)
{
	const struct sm_history *h = &c->history;
	const hsize_t dims[2] = {h->rows, h->columns};
	bool good = h->names && h->rows && sm_h5_put_text(file, "history_columns", h->names) &&
		    sm_h5_put_stored(file, "history", H5T_IEEE_F64LE, 2, dims, h->v);
	return good ? SM_OK : SM_FAIL(err, SM_IO, "%s: HDF5 cannot write the history", name);
}

/* What goes into a file. */
struct content {
	struct sm_net *net;
	const struct sm_checkpoint *c;
};

static enum sm_status put_all(hid_t file, const char *name, void *arg, struct sm_err *err)
{
	const struct content *all = arg;
	const struct sm_checkpoint *c = all->c;
	char *meta = meta_of(c);
	bool good = meta && strlen(meta) < META_ROOM && sm_h5_put_text(file, "schema", SCHEMA) &&
		    sm_h5_put_text(file, "meta", meta) &&
		    (!c->settings || sm_h5_put_text(file, "settings", c->settings));
	free(meta);
	if (!good)
		return SM_FAIL(err, SM_IO, "%s: HDF5 cannot write the attributes", name);
	SM_TRY(put_history(file, c, name, err));
	SM_TRY(sm_seen_write(file, name, &c->seen, err));
	return sm_tensors_write(file, name, all->net, err);
}

enum sm_status sm_checkpoint_write(const char *path, struct sm_net *net,
				   const struct sm_checkpoint *c, char content[65],
				   struct sm_err *err)
{
	return sm_h5_write_file(path, put_all, &(struct content){net, c}, content, err);
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool get_text(const json_t *meta, const char *key, char *out, size_t room)
{
	const char *text = sm_json_text(meta, key);
	if (!text || strlen(text) >= room)
		return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static bool get_int(const json_t *meta, const char *key, int64_t low, int64_t high, int64_t *out)
{
	const json_t *v = json_object_get(meta, key);
	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= low && *out <= high;
}

static bool get_real(const json_t *meta, const char *key, double *out)
{
	const json_t *v = json_object_get(meta, key);
	*out = json_number_value(v);
	return json_is_number(v);
}

/* What rebuilds the network; the name of the first field that is missing or out of range, else
 * NULL. */
static const char *parse_network(const json_t *meta, struct sm_checkpoint *c)
{
	int64_t v, size[3];
	if (!get_text(meta, "model", c->model, sizeof c->model))
		return "model";
	if (!get_real(meta, "width", &c->width) || !(c->width > 0 && c->width <= 16))
		return "width";
	if (!get_text(meta, "norm", c->norm, sizeof c->norm))
		return "norm";
	if (!get_text(meta, "activation", c->activation, sizeof c->activation))
		return "activation";
	if (!get_real(meta, "dropout", &c->dropout) || !(c->dropout < 1))
		return "dropout";
	if (!get_int(meta, "deep_supervision", -1, 1, &v))
		return "deep_supervision";
	c->deep_supervision = (int)v;
	if (!sm_json_get_floats(meta, "spacing", c->spacing, 3))
		return "spacing";
	if (!get_int(meta, "in_channels", 1, 4096, &v))
		return "in_channels";
	c->in_channels = (int)v;
	if (!sm_task_parse(json_object_get(meta, "task"), &c->task))
		return "task";
	if (!sm_json_get_ints(meta, "tile_size", size, 3))
		return "tile_size";
	for (int a = 0; a < 3; a++) {
		if (size[a] < 1 || size[a] > 4096)
			return "tile_size";
		c->size[a] = (int)size[a];
	}
	return NULL;
}

/* An array of n texts, or an empty one. */
static bool is_names(const json_t *v, size_t n)
{
	size_t i;
	json_t *name;
	if (!json_is_array(v) || (json_array_size(v) && json_array_size(v) != n))
		return false;
	json_array_foreach(v, i, name)
		if (!json_is_string(name) || !json_string_length(name))
			return false;
	return true;
}

/* The rest, in the same way. */
static const char *parse_training(const json_t *meta, struct sm_checkpoint *c)
{
	int64_t v;
	if (!get_int(meta, "standardise", 0, SM_STANDARDISE_UNIT, &v))
		return "standardise";
	c->standardise = (enum sm_standardise)v;
	if (!get_int(meta, "plane", 0, 4, &v))
		return "plane";
	c->plane = (int)v;
	c->stored = json_is_true(json_object_get(meta, "stored"));
	c->channels = json_incref(json_object_get(meta, "channels"));
	if (!is_names(c->channels, (size_t)c->in_channels))
		return "channels";
	if (!get_int(meta, "parameters", 1, INT64_MAX, &c->parameters))
		return "parameters";
	if (!get_text(meta, "optimiser", c->optimiser, sizeof c->optimiser))
		return "optimiser";
	if (!get_int(meta, "epoch", 1, MAX_EPOCHS, &c->epoch))
		return "epoch";
	if (!get_int(meta, "steps", 0, INT64_MAX, &c->steps))
		return "steps";
	if (!get_int(meta, "best_epoch", 1, c->epoch, &c->best_epoch))
		return "best_epoch";
	if (!get_real(meta, "best_val_loss", &c->best))
		return "best_val_loss";
	if (!get_text(meta, "fingerprint", c->fingerprint, sizeof c->fingerprint))
		return "fingerprint";
	if (!get_text(meta, "split", c->split, sizeof c->split) || strlen(c->split) != 64)
		return "split";
	if (!get_text(meta, "preprocess", c->preprocess, sizeof c->preprocess) ||
	    strlen(c->preprocess) != 64)
		return "preprocess";
	c->fold = -1; /* files of before have no such field */
	if (json_object_get(meta, "fold") && !get_int(meta, "fold", -1, INT32_MAX, &c->fold))
		return "fold";
	return NULL;
}

static enum sm_status read_meta(hid_t file, const char *name, struct sm_checkpoint *c,
				struct sm_err *err)
{
	char schema[64] = "", *text = malloc(META_ROOM);
	json_t *meta = NULL;
	enum sm_status st = SM_OK;
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	bool told = sm_h5_get_text(file, "schema", schema, sizeof schema);
	if (told && strcmp(schema, SM_TRANSLATION_SCHEMA) == 0) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: is a checkpoint of image translation (dataset: pair), allowed "
			     "is one of segmentation",
			     name);
		goto out;
	}
	if (!told ||
	    (strcmp(schema, SCHEMA) != 0 && strcmp(schema, SCHEMA_BEFORE) != 0)) {
		st = SM_FAIL(err, SM_INPUT, "%s: attribute schema is '%s', allowed is '%s'", name,
			     schema, SCHEMA);
		goto out;
	}
	if (sm_h5_get_text(file, "meta", text, META_ROOM))
		meta = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	const char *bad = json_is_object(meta) ? parse_network(meta, c) : "meta";
	if (!bad)
		bad = parse_training(meta, c);
	if (bad)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: field %s of the checkpoint is missing or out of range", name,
			     bad);
	else if (H5Aexists(file, "settings") > 0 &&
		 (!sm_h5_get_text(file, "settings", text, META_ROOM) ||
		  !(c->settings = sm_strf("%s", text))))
		st = SM_FAIL(err, SM_INPUT, "%s: attribute settings is damaged", name);
out:
	json_decref(meta);
	free(text);
	return st;
}

static enum sm_status read_columns(hid_t set, const char *name, struct sm_history *h,
				   struct sm_err *err)
{
	char *names = malloc(META_ROOM);
	enum sm_status st = SM_OK;
	if (!names)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	if (!sm_h5_get_text(set, "history_columns", names, META_ROOM) ||
	    strncmp(names, SM_HISTORY_FIXED_NAMES, strlen(SM_HISTORY_FIXED_NAMES)) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: history_columns are missing or others than %s, ...", name,
			     SM_HISTORY_FIXED_NAMES);
	else
		st = sm_history_begin(h, names, err);
	free(names);
	return st;
}

/* The first columns name files and decide what is best: they must be what a training writes. */
static enum sm_status check_history(const char *name, const struct sm_checkpoint *c,
				    struct sm_err *err)
{
	const struct sm_history *h = &c->history;
	for (size_t r = 0; r < h->rows; r++) {
		const double *row = h->v + r * h->columns;
		bool good = fabs(row[0] - (double)(r + 1)) < 0.5;
		for (size_t k = 0; k < SM_HISTORY_FIXED; k++)
			good = good && isfinite(row[k]);
		if (!good)
			return SM_FAIL(err, SM_INPUT,
				       "%s: history, row %zu: found %g, %g, %g, %g, %g, allowed is "
				       "epoch %zu and numbers that are finite",
				       name, r, row[0], row[1], row[2], row[3], row[4], r + 1);
	}
	double own = h->v[(size_t)(c->best_epoch - 1) * h->columns + SM_HISTORY_VAL_LOSS];
	return fabs(own - c->best) <= 0
		       ? SM_OK
		       : SM_FAIL(err, SM_INPUT,
				 "%s: field best_val_loss is %g, the history's of epoch %lld is %g",
				 name, c->best, (long long)c->best_epoch, own);
}

static enum sm_status read_history(hid_t file, const char *name, struct sm_checkpoint *c,
				   struct sm_err *err)
{
	struct sm_history *h = &c->history;
	hsize_t dims[2] = {0, 0};
	size_t count;
	SM_TRY(read_columns(file, name, h, err));
	enum sm_status st = SM_OK;
	hid_t set = H5Dopen2(file, "history", H5P_DEFAULT),
	      space = set < 0 ? -1 : H5Dget_space(set);
	if (space < 0 || H5Sget_simple_extent_ndims(space) != 2 ||
	    H5Sget_simple_extent_dims(space, dims, NULL) != 2 || dims[0] != (hsize_t)c->epoch ||
	    dims[1] != h->columns || dims[1] > MAX_COLUMNS || !sm_mul(dims[0], dims[1], &count)) {
		st = SM_FAIL(err, SM_INPUT, "%s: history is %llu x %llu, allowed is %lld x %zu",
			     name, (unsigned long long)dims[0], (unsigned long long)dims[1],
			     (long long)c->epoch, h->columns);
		goto out;
	}
	h->v = calloc(count, sizeof *h->v); /* at most MAX_EPOCHS rows */
	if (!h->v) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
		goto out;
	}
	h->rows = h->room = dims[0];
	st = !sm_h5_read_all(set, H5T_NATIVE_DOUBLE, h->v)
		     ? SM_FAIL(err, SM_INPUT, "%s: history is damaged", name)
		     : check_history(name, c, err);
out:
	if (space >= 0)
		H5Sclose(space);
	sm_h5_close_dataset(&set);
	return st;
}

enum sm_status sm_checkpoint_open(const char *path, struct sm_checkpoint *c, struct sm_err *err)
{
	hid_t file = -1;
	enum sm_status st;
	*c = (struct sm_checkpoint){0};
	SM_GOTO(st, sm_h5_open_file(path, &file, err));
	SM_GOTO(st, read_meta(file, sm_path_base(path), c, err));
	SM_GOTO(st, read_history(file, sm_path_base(path), c, err));
	st = sm_seen_read(file, sm_path_base(path), &c->seen, err);
out:
	sm_h5_close_file(&file);
	if (st != SM_OK)
		sm_checkpoint_clear(c);
	return st;
}

bool sm_checkpoint_of_translation(const char *path)
{
	char schema[64];
	struct sm_err ignored = {0};
	hid_t file = -1;
	bool is = sm_h5_open_file(path, &file, &ignored) == SM_OK &&
		  sm_h5_get_text(file, "schema", schema, sizeof schema) &&
		  strcmp(schema, SM_TRANSLATION_SCHEMA) == 0;
	sm_h5_close_file(&file);
	return is;
}

enum sm_status sm_checkpoint_load(const char *path, struct sm_net *net, bool training,
				  struct sm_err *err)
{
	hid_t file = -1;
	SM_TRY(sm_h5_open_file(path, &file, err));
	enum sm_status st = sm_tensors_read(file, sm_path_base(path), net, training, err);
	sm_h5_close_file(&file);
	if (st == SM_OK)
		sm_net_touch(net);
	return st;
}

void sm_checkpoint_steps(const struct sm_ledger *ledger, char sha256[65])
{
	const json_t *settings = json_object_get(ledger->header, "settings");
	const json_t *sections = json_object_get(settings, "manifest");
	json_t *upto = json_object_get(json_object_get(settings, "options"), "upto");
	/* The steps decide the numbers; how the files were compressed does not. */
	json_t *own = json_deep_copy(json_object_get(sections, "preprocess"));
	json_object_del(own, "compression");
	/* preprocess --upto goes before the manifest's. */
	if (json_integer_value(upto))
		json_object_set(own, "upto", upto);
	char *line = own ? sm_json_line(own) : NULL;
	sm_sha256_bytes(line ? line : "", line ? strlen(line) : 0, sha256);
	free(line);
	json_decref(own);
}

const char *sm_checkpoint_plane(int plane)
{
	static const char *const names[] = {"none", "axial", "coronal", "sagittal", "all"};
	return plane >= 0 && (size_t)plane < sizeof names / sizeof names[0] ? names[plane] : NULL;
}
