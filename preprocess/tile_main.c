/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage tile: sub-volumes of each case as HDF5.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/hash.h"
#include "core/par.h"
#include "core/stage.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"
#include "preprocess/op_table.h"
#include "preprocess/split.h"
#include "preprocess/tile.h"

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
	char **names, (*hashes)[65]; /* layout files */
};

static enum sm_status put_file(struct writing *w, size_t k, const int32_t start[3], const float *x,
			       const uint8_t *y, struct sm_err *err)
{
	w->names[k] = sm_strf("%s_total.nii_%zu_x%d_y%d_z%d.h5", w->c->key, k, start[0], start[1],
			      start[2]);
	char *path = w->names[k] ? sm_path_join(w->out, w->names[k]) : NULL;
	struct sm_tile_shape one = w->shape;
	one.tiles = 1;
	enum sm_status st =
		path ? sm_tilefile_write(path, &one, x, y, w->s->compression, w->hashes[k], err)
		     : SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->c->key);
	free(path);
	return st;
}

static enum sm_status put_one(void *ctx, size_t k, struct sm_err *err)
{
	struct writing *w = ctx;
	const int64_t size[3] = {w->shape.width, w->shape.height, w->shape.depth};
	size_t voxels = (size_t)(size[0] * size[1] * size[2]);
	int32_t start[3];
	enum sm_status st = SM_BUDGET;
	float *x =
		sm_alloc(w->c->mem, voxels * (size_t)w->shape.channels, sizeof *x, "a tile", err);
	uint8_t *y = x ? sm_alloc(w->c->mem, voxels, 1, "a tile's labels", err) : NULL;
	if (!y)
		goto out;
	sm_tile_cut(&w->c->vols[0].vol, &w->c->label, size, w->at->start[k],
		    (enum sm_standardise)w->s->standardise, x, y);
	for (int a = 0; a < 3; a++)
		start[a] = w->at->start[k][a] - w->pad[a];
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
	if (!w->names || !w->hashes)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->c->key);
	else
		st = sm_par_for(n, w->c->jobs, put_one, w, err);
	/* Also after a failure: whoever rejects the case removes the files named here. */
	for (size_t k = 0; w->names && k < n; k++) {
		enum sm_status add = SM_OK;
		if (w->names[k] && w->hashes[k][0])
			add = sm_item_output(item, "tile", w->names[k], w->hashes[k],
					     st == SM_OK ? err : NULL);
		st = st == SM_OK ? add : st;
		free(w->names[k]);
	}
	free(w->names);
	free(w->hashes);
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
		json_array_append_new(channels, json_string(w->c->stacked ? w->c->channels[i]
									  : w->c->vols[0].role));
	json_object_set_new(record, "starts", starts);
	json_object_set_new(record, "channels", channels);
	json_object_set_new(record, "tumour_tiles", json_integer(w->at->tumour));
}

/* What tiles can be cut from: one image, its label, and room for a tile. */
static enum sm_status make_ready(struct sm_case *c, const struct sm_tile_section *s, int32_t pad[3],
				 struct sm_err *err)
{
	int64_t dim[3], shift[3];
	bool small = false;
	if (c->count != 1 || (!c->stacked && c->vols[0].vol.dim[3] != 1))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: has %zu volumes that are not stacked: preprocess.steps needs a stack",
			c->key, c->count);
	if (!c->label.data)
		return SM_FAIL(err, SM_INPUT, "%s: has no label volume, so tiles have no y",
			       c->key);
	SM_TRY(sm_case_one_size(c, err));
	for (int a = 0; a < 3; a++) {
		int64_t have = c->vols[0].vol.dim[a], want = s->size.v[a];
		dim[a] = have < want ? want : have;
		shift[a] = (dim[a] - have) / 2;
		pad[a] = (int32_t)shift[a];
		small = small || have < want;
	}
	if (small && s->small == SM_SMALL_PAD)
		SM_TRY(sm_case_regrid(c, dim, shift, 0, err));
	return sm_vol_to_f32(&c->vols[0].vol, c->mem, c->jobs, err);
}

static enum sm_status check_count(const struct sm_tile_starts *at, const struct sm_tile_section *s,
				  struct sm_item *item, struct sm_err *err)
{
	json_object_set_new(item->record, "tries", json_integer(at->tries));
	json_object_set_new(item->record, "tiles", json_integer(at->count));
	if (!at->count)
		return SM_FAIL(err, SM_INPUT,
			       "%s: none of %lld positions has a background share below %g "
			       "(smallest found %.4f)",
			       item->key, (long long)at->tries, s->max_background,
			       at->least_background);
	if (at->count < s->per_case)
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
	const struct sm_tile_rule rule = {
		.size = {s->size.v[0], s->size.v[1], s->size.v[2]},
		.per_case = s->per_case,
		.max_background = s->max_background,
		.tries = s->tries,
		.tumour_share = s->tumour_share,
		.seed = sm_run_given(item->run, "seed") ? item->run->seed : (uint64_t)s->seed,
	};
	struct sm_tile_starts at = {0};
	struct writing w = {.s = s, .c = c, .at = &at, .out = item->run->out};
	enum sm_status st;
	SM_GOTO(st, make_ready(c, s, w.pad, err));
	SM_GOTO(st, sm_tile_choose(&c->label, c->key, &rule, c->mem, &at, err));
	SM_GOTO(st, check_count(&at, s, item, err));
	w.shape = (struct sm_tile_shape){.tiles = at.count,
					 .channels = c->vols[0].vol.dim[3],
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
	SM_TRY(sm_cases_load(cases, i, item->jobs, &c, err));
	sm_cases_patient(cases, i, item->record);
	enum sm_status st = SM_OK;
	if (!cases->preprocessed)
		st = sm_ops_run(&c, &m->preprocess->steps, m->preprocess->upto, err);
	if (st == SM_OK)
		st = tile_case(&c, item, err);
	sm_case_clear(&c);
	return st;
}

/* The fold of each case as the split says; every case must stand in it. */
static enum sm_status read_split(struct sm_run *run, const struct sm_cases *cases,
				 struct sm_ledger *split, struct sm_err *err)
{
	const struct options *o = run->options;
	SM_TRY(sm_run_parent(run, o->split, "split", split, err));
	for (size_t i = 0; i < cases->count; i++) {
		const char *key = sm_record_key(cases->records[i]);
		const char *fold = sm_json_text(sm_ledger_find(split, key), "fold");
		if (!fold || sm_fold_of(fold) == SM_FOLDS)
			return SM_FAIL(err, SM_INPUT,
				       "%s: has fold %s in the split, allowed are train, test and "
				       "valid: run split again",
				       key, fold ? fold : "none");
	}
	return SM_OK;
}

/* config.json as in the original: file names by fold. It belongs to no case, so the ledger's header
 * names it. */
static enum sm_status write_config(struct sm_run *run, const struct sm_ledger *split,
				   struct sm_err *err)
{
	size_t i, k;
	json_t *record, *output, *config = json_object();
	char hex[65];
	for (int f = 0; f < SM_FOLDS; f++)
		json_object_set_new(config, sm_fold_name((enum sm_fold)f), json_array());
	json_array_foreach(run->ledger.records, i, record)
	{
		const char *fold =
			sm_json_text(sm_ledger_find(split, sm_record_key(record)), "fold");
		json_array_foreach(json_object_get(record, "outputs"), k, output)
			json_array_append(json_object_get(config, fold),
					  json_object_get(output, "path"));
	}
	char *text = json_dumps(config, JSON_INDENT(1) | JSON_SORT_KEYS);
	char *path = sm_path_join(run->out, "config.json");
	enum sm_status st = text && path ? sm_file_write(path, text, strlen(text), err)
					 : SM_FAIL(err, SM_BUDGET, "config.json: out of memory");
	if (st == SM_OK) {
		sm_sha256_bytes(text, strlen(text), hex);
		json_object_set_new(run->ledger.header, "outputs",
				    json_pack("[{s:s, s:s, s:s}]", "path", "config.json", "role",
					      "config", "sha256", hex));
	}
	free(path);
	free(text);
	json_decref(config);
	return st;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	struct sm_cases cases = {0};
	const struct sm_preprocess_section *s =
		((const struct sm_manifest_root *)run->manifest)->preprocess;
	struct sm_ledger split = {0};
	enum sm_status st;
	SM_GOTO(st, sm_cases_open(run, &cases, err));
	if (!cases.preprocessed)
		SM_GOTO(st, sm_ops_check(&s->steps, s->upto, err));
	if (o->split)
		SM_GOTO(st, read_split(run, &cases, &split, err));
	struct sm_items items = {.count = cases.count,
				 .noun = "cases",
				 .ctx = &cases,
				 .key = sm_cases_key,
				 .inputs = sm_cases_inputs,
				 .work = work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (o->split && !run->dry_run)
		st = write_config(run, &split, err);
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
		   "  scanmill tile --manifest m.yaml --in work/preprocess --split work/split "
		   "--out work/tile\n"
		   "  scanmill tile --manifest m.yaml --in work/ingest --out work/tile",
	.version = 1,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
