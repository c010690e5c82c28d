/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage tile: sub-volumes of each case as HDF5.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/par.h"
#include "core/stage.h"
#include "manifests/roles.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"
#include "preprocess/foldlist.h"
#include "preprocess/op_table.h"
#include "preprocess/split.h"
#include "preprocess/tile_case.h"

struct options {
	char *split;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"split", SM_F_STRING, AT(split), .path = true,
	 .doc = "folder of split: config.json then lists the files of each fold"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("tile", struct options, fields, "options of tile");

/* The tiles of one case on their way out. */
struct writing {
	const struct sm_tile_section *s;
	const struct sm_case *c;
	const struct sm_tile_starts *at;
	struct sm_tile_shape shape;
	int32_t pad[3]; /* voxels of zeros added on the low sides */
	const char *out;
	struct sm_shard *shard;      /* layout shard */
	char **names, (*hashes)[65], (*file_hashes)[65]; /* layout files */
	struct sm_outset *files;     /* one a tile: threads share nothing */
};

/* Cuts one channel of the tile at `from` into x (Z,Y,X). */
static void cut(const struct writing *w, int64_t channel, const int32_t from[3], float *x)
{
	const struct sm_case *c = w->c;
	const int64_t size[3] = {w->shape.width, w->shape.height, w->shape.depth};
	sm_tile_cut_channel(&c->vols[c->apart ? channel : 0].vol, c->apart ? 0 : channel, size,
			    from, (enum sm_standardise)w->s->standardise, x);
}

/* x has room for one channel. */
static enum sm_status put_file(struct writing *w, size_t k, const int32_t start[3], float *x,
			       const uint8_t *y, struct sm_err *err)
{
	w->names[k] = sm_strf("%s_total.nii_%zu_x%d_y%d_z%d.h5", w->c->key, k, start[0], start[1],
			      start[2]);
	char *path = w->names[k] ? sm_path_join(w->out, w->names[k]) : NULL;
	struct sm_tile_shape one = w->shape;
	struct sm_tilefile *tile = NULL;
	one.tiles = 1;
	enum sm_status st = path ? sm_tilefile_begin(path, &one, &tile, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->c->key);
	free(path);
	SM_TRY(st);
	st = sm_tilefile_put_labels(tile, y, err);
	for (int64_t c = 0; st == SM_OK && c < one.channels; c++) {
		cut(w, c, w->at->start[k], x);
		sm_tilefile_put_channel(tile, c, x);
	}
	if (st == SM_OK)
		return sm_tilefile_end(tile, &w->files[k], w->s->compression, w->hashes[k],
				       w->file_hashes[k], err);
	sm_tilefile_abandon(tile);
	return st;
}

static enum sm_status put_one(void *ctx, size_t k, struct sm_err *err)
{
	struct writing *w = ctx;
	const int64_t size[3] = {w->shape.width, w->shape.height, w->shape.depth};
	size_t voxels = (size_t)(size[0] * size[1] * size[2]);
	int32_t start[3];
	enum sm_status st = SM_BUDGET;
	float *x = sm_alloc(w->c->mem, voxels * (size_t)(w->shard ? w->shape.channels : 1),
			    sizeof *x, "a tile", err);
	uint8_t *y = x ? sm_alloc(w->c->mem, voxels, 1, "a tile's labels", err) : NULL;
	if (!y)
		goto out;
	sm_tile_cut_label(&w->c->label, size, w->at->start[k], y);
	for (int a = 0; a < 3; a++)
		start[a] = w->at->start[k][a] - w->pad[a];
	for (int64_t c = 0; w->shard && c < w->shape.channels; c++)
		cut(w, c, w->at->start[k], x + (size_t)c * voxels);
	st = w->shard ? sm_shard_put(w->shard, (int64_t)k, x, y, start, err)
		      : put_file(w, k, start, x, y, err);
out:
	sm_free(x);
	sm_free(y);
	return st;
}

static enum sm_status write_shard(struct writing *w, struct sm_item *item, struct sm_err *err)
{
	char hex[65];
	char *name = sm_strf("%s.h5", w->c->key), *path = name ? sm_path_join(w->out, name) : NULL;
	enum sm_status st;
	if (!path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->c->key);
		goto out;
	}
	SM_GOTO(st, sm_shard_create(path, &w->shape, w->c->key, w->s->compression, &w->shard, err));
	SM_GOTO(st, sm_par_for((size_t)w->shape.tiles, w->c->jobs, put_one, w, err));
	struct sm_shard *shard = w->shard;
	w->shard = NULL;
	SM_GOTO(st, sm_shard_commit(shard, hex, err));
	st = sm_item_output(item, "shard", name, hex, err);
out:
	sm_shard_abandon(w->shard);
	free(path);
	free(name);
	return st;
}

static enum sm_status write_files(struct writing *w, struct sm_item *item, struct sm_err *err)
{
	size_t n = (size_t)w->shape.tiles;
	enum sm_status st;
	w->names = calloc(n, sizeof *w->names);
	w->hashes = calloc(n, sizeof *w->hashes);
	w->file_hashes = calloc(n, sizeof *w->file_hashes);
	w->files = calloc(n, sizeof *w->files);
	if (!w->names || !w->hashes || !w->file_hashes || !w->files)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->c->key);
	else
		st = sm_par_for(n, w->c->jobs, put_one, w, err);
	for (size_t k = 0; w->files && k < n; k++) {
		if (st == SM_OK)
			st = sm_item_output(item, "tile", w->names[k], w->hashes[k], err);
		if (st == SM_OK)
			st = sm_item_file_hash(item, w->names[k], w->file_hashes[k], err);
		if (st == SM_OK)
			st = sm_outset_move(&item->files, &w->files[k], err);
		sm_outset_abandon(&w->files[k]);
	}
	for (size_t k = 0; w->names && k < n; k++)
		free(w->names[k]);
	free(w->names);
	free(w->hashes);
	free(w->file_hashes);
	free(w->files);
	return st;
}

static void describe(const struct writing *w, json_t *record)
{
	json_t *starts = json_array(), *channels = json_array();
	for (int64_t k = 0; k < w->at->count; k++) {
		json_t *p = json_array();
		for (int a = 0; a < 3; a++)
			json_array_append_new(p, json_integer(w->at->start[k][a] - w->pad[a]));
		json_array_append_new(starts, p);
	}
	for (int64_t i = 0; i < w->shape.channels; i++)
		json_array_append_new(channels, json_string(sm_tile_channel(w->c, i)));
	json_object_set_new(record, "starts", starts);
	json_object_set_new(record, "channels", channels);
	if (w->s->rule != SM_TILES_GRID)
		json_object_set_new(record, "tumour_tiles", json_integer(w->at->tumour));
	if (w->s->rule == SM_TILES_BALANCED) {
		json_t *classes = json_array();
		for (size_t l = 0; l < w->s->class_shares.n; l++)
			json_array_append_new(classes, json_integer(w->at->of_class[l]));
		json_object_set_new(record, "class_tiles", classes);
	}
}

static enum sm_status check_count(const struct sm_tile_starts *at, const struct sm_tile_rule *s,
				  struct sm_item *item, struct sm_err *err)
{
	json_object_set_new(item->record, "tries", json_integer(at->tries));
	json_object_set_new(item->record, "tiles", json_integer(at->count));
	SM_TRY(sm_tile_check_count(at, s, item->key, err));
	if (s->choice == SM_TILES_RANDOM && at->count < s->per_case)
		sm_item_warn(
			item,
			"%lld tiles of %lld: no more in %lld positions with a background share "
			"below %g",
			(long long)at->count, (long long)s->per_case, (long long)at->tries,
			s->max_background);
	return SM_OK;
}

static enum sm_status tile_case(struct sm_case *c, struct sm_item *item, struct sm_err *err)
{
	const struct sm_tile_section *s =
		((const struct sm_manifest_root *)item->run->manifest)->tile;
	const struct sm_tile_rule rule = sm_tile_rule_of(item->run);
	struct sm_tile_starts at = {0};
	struct writing w = {.s = s, .c = c, .at = &at, .out = item->run->out};
	enum sm_status st;
	SM_GOTO(st, sm_tile_make_ready(c, s, w.pad, err));
	SM_GOTO(st, sm_tile_choose(&c->label, c->key, &rule, c->mem, &at, err));
	SM_GOTO(st, check_count(&at, &rule, item, err));
	w.shape = (struct sm_tile_shape){.tiles = at.count,
					 .channels = c->apart ? (int64_t)c->count
							      : c->vols[0].vol.dim[3],
					 .depth = rule.size[2],
					 .height = rule.size[1],
					 .width = rule.size[0]};
	describe(&w, item->record);
	st = s->layout == SM_TILES_SHARD ? write_shard(&w, item, err) : write_files(&w, item, err);
out:
	sm_tile_starts_clear(&at);
	return st;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_cases *cases = ctx;
	const struct sm_manifest_root *m = item->run->manifest;
	struct sm_case c = {0};
	sm_cases_patient(cases, i, item->record);
	SM_TRY(sm_cases_load(cases, i, item->jobs, &c, err));
	enum sm_status st = SM_OK;
	c.may_stay_apart = true;
	if (!cases->preprocessed)
		st = sm_ops_run(&c, &m->preprocess->steps, m->preprocess->upto, err);
	sm_case_warnings(&c, item);
	if (st == SM_OK)
		st = tile_case(&c, item, err);
	sm_case_clear(&c);
	return st;
}

/* As sm_case_regrid does to the label of a case that is smaller than a tile. */
static enum sm_status pad_label(struct sm_vol *label, const int64_t size[3], struct sm_mem *mem,
				struct sm_err *err)
{
	int64_t dim[4] = {0, 0, 0, 1}, low[3];
	const int64_t *d = label->dim;
	struct sm_vol out;
	bool small = false;
	for (int a = 0; a < 3; a++) {
		dim[a] = d[a] < size[a] ? size[a] : d[a];
		low[a] = (dim[a] - d[a]) / 2;
		small = small || dim[a] > d[a];
	}
	if (!small)
		return SM_OK;
	SM_TRY(sm_vol_init(&out, dim, SM_U8, mem, "label", err));
	memset(out.data, 0, sm_vol_frame_count(&out));
	const uint8_t *from = label->data;
	for (int64_t row = 0; row < d[1] * d[2]; row++) {
		int64_t y = low[1] + row % d[1], z = low[2] + row / d[1];
		memcpy((uint8_t *)out.data + (z * dim[1] + y) * dim[0] + low[0], from + row * d[0],
		       (size_t)d[0]);
	}
	sm_vol_clear(label);
	*label = out;
	return SM_OK;
}

/* Where tiles lie is a function of key, seed and label alone. */
static enum sm_status foresee_starts(const struct sm_cases *cases, size_t i, struct sm_item *item,
				     struct sm_err *err)
{
	const struct sm_tile_section *s =
		((const struct sm_manifest_root *)item->run->manifest)->tile;
	const struct sm_tile_rule rule = sm_tile_rule_of(item->run);
	struct sm_mem *mem = &item->run->mem;
	struct sm_tile_starts at = {0};
	struct sm_vol label = {0};
	enum sm_status st;
	SM_GOTO(st, sm_cases_load_label(cases, i, &label, err));
	if (s->small == SM_SMALL_PAD)
		SM_GOTO(st, pad_label(&label, rule.size, mem, err));
	SM_GOTO(st, sm_tile_choose(&label, item->key, &rule, mem, &at, err));
	st = check_count(&at, &rule, item, err);
out:
	sm_tile_starts_clear(&at);
	sm_vol_clear(&label);
	return st;
}

/* The intensity volumes among the outputs of a record of preprocess. */
static size_t count_volumes(const json_t *header, const json_t *record)
{
	size_t i, n = 0;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *role = sm_json_text(output, "role");
		n += role && sm_role_is_volume(role) && !sm_role_is_label(header, role) &&
		     strcmp(role, "mask") != 0 && strcmp(role, "regions") != 0;
	}
	return n;
}

/* What a record of preprocess and the label tell: no label, no stack, no room for a tile, nothing
 * but background. */
static enum sm_status foresee_record(const struct sm_cases *cases, size_t i, const json_t *record,
				     struct sm_item *item, struct sm_err *err)
{
	const struct sm_tile_section *s =
		((const struct sm_manifest_root *)item->run->manifest)->tile;
	struct sm_err why = {0};
	int64_t dim[4];
	const bool known = sm_json_get_ints(record, "dim", dim, 4);
	const bool stacked = json_array_size(json_object_get(record, "channels"));
	size_t volumes = count_volumes(cases->parent.header, record);
	if (!volumes)
		return SM_FAIL(err, SM_INPUT, "%s: has no intensity volume", item->key);
	/* In the order in which sm_tile_make_ready looks. */
	if (volumes != 1 || (!stacked && known && dim[3] != 1))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: has %zu volumes that are not stacked: preprocess.steps needs a stack",
			item->key, volumes);
	if (!sm_record_output(record, "label"))
		return SM_FAIL(err, SM_INPUT, "%s: has no label volume, so tiles have no y",
			       item->key);
	if (!known)
		return SM_OK;
	for (int a = 0; s->small == SM_SMALL_REJECT && a < 3; a++)
		if (dim[a] < s->size.v[a])
			return SM_FAIL(err, SM_INPUT,
				       "%s: has %lld voxels along %c, a tile needs %lld "
				       "(tile.small: pad adds zeros)",
				       item->key, (long long)dim[a], "xyz"[a],
				       (long long)s -> size.v[a]);
	enum sm_status st = foresee_starts(cases, i, item, &why);
	if (st == SM_BUDGET) { /* perhaps only beside others */
		sm_item_warn(item, "its tiles are not foreseen: %s", why.text);
		return SM_OK;
	}
	if (st != SM_OK)
		*err = why;
	return st;
}

static enum sm_status foresee(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_cases *cases = ctx;
	if (!cases->preprocessed)
		return SM_OK;
	json_t *record = sm_cases_record(cases, i, err);
	enum sm_status st = record ? foresee_record(cases, i, record, item, err) : SM_IO;
	json_decref(record);
	return st;
}

static void tell_not_foreseen(struct sm_run *run, const struct sm_cases *cases)
{
	if (!run->dry_run)
		return;
	if (cases->preprocessed)
		sm_info(&run->log, NULL,
			"not foreseen: damaged images, constant volumes (the labels alone are "
			"read), folds without a sample");
	else
		sm_info(&run->log, NULL,
			"not foreseen: what the operations of preprocess and the tiles' rule do to "
			"a case (--in a folder of preprocess tells)");
}

/* Tiles are taken and given back by the dozen: the allocator shall keep them, not hand their pages
 * back to the system, which would zero them again each time. */
static void keep_tiles(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

static size_t samples(const json_t *record)
{
	return (size_t)json_integer_value(json_object_get(record, "tiles"));
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	struct sm_cases cases = {0};
	struct sm_ledger split = {0};
	enum sm_status st;
	keep_tiles();
	SM_GOTO(st, sm_folds_open(run, o->split, &cases, &split, err));
	struct sm_items items = {.count = cases.count,
				 .noun = "cases",
				 .ctx = &cases,
				 .key = sm_cases_key,
				 .inputs = sm_cases_inputs,
				 .work = work,
				 .foresee = foresee,
				 .dry_code = true};
	tell_not_foreseen(run, &cases);
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (o->split && !run->dry_run)
		st = sm_config_outputs(run, &split, samples, err);
out:
	sm_ledger_clear(&split);
	sm_cases_close(&cases);
	return st;
}

/* ingest: its sources say which role is the label. */
static const char *const sections[] = {"ingest", "preprocess", "tile", NULL};

static const struct sm_stage stage = {
	.name = "tile",
	.summary = "cut training tiles out of each case",
	.details = "Reads the folder of preprocess, or of ingest: then the manifest's operations "
		   "run in memory\n"
		   "first, with the same tiles as a result. Writes <case>.h5 (layout shard) or\n"
		   "<case>_total.nii_<k>_x<sx>_y<sy>_z<sz>.h5 (layout files).\n"
		   "--dry-run foresees what the records and labels of preprocess tell (no label, "
		   "no stack, too "
		   "small,\n"
		   "background everywhere, labels without a share), not what images do (constant "
		   "volumes), and from "
		   "ingest's\n"
		   "folder nothing.\n"
		   "  scanmill tile --manifest m.yaml --in work/preprocess --split work/split "
		   "--out work/tile\n"
		   "  scanmill tile --manifest m.yaml --in work/ingest --out work/tile",
	.version = 2,
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
