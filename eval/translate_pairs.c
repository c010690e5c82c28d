/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/hash.h"
#include "core/par.h"
#include "eval/translate.h"
#include "preprocess/pair_config.h"

#define CONFIG "config.json"

static enum sm_status read_config(const char *dir, struct sm_pairs *p, struct sm_err *err)
{
	char hex[65], *path = sm_path_join(dir, CONFIG);
	const json_t *output = json_array_get(json_object_get(p->ledger.header, "outputs"), 0);
	const char *known = sm_json_text(output, "sha256");
	json_error_t why;
	enum sm_status st = path ? sm_sha256_file(path, hex, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", CONFIG);
	if (st == SM_OK && (!known || strcmp(known, hex) != 0))
		st = SM_FAIL(err, SM_INPUT,
			     "%s: content is not what the pair ledger says: run stage pair again",
			     CONFIG);
	if (st == SM_OK && !(p->config = json_load_file(path, JSON_REJECT_DUPLICATES, &why)))
		st = SM_FAIL(err, SM_INPUT, "%s: line %d: %s", CONFIG, why.line, why.text);
	free(path);
	return st;
}

enum sm_status sm_pairs_open(struct sm_run *run, const char *dir, bool unpaired, bool b_to_a,
			     struct sm_pairs *out, struct sm_err *err)
{
	*out = (struct sm_pairs){0};
	enum sm_status st = sm_run_parent(run, dir, "pair", &out->ledger, err);
	if (st == SM_OK)
		st = read_config(dir, out, err);
	if (unpaired) {
		out->source = b_to_a ? 'b' : 'a';
		out->target = b_to_a ? 'a' : 'b';
	}
	if (st != SM_OK)
		sm_pairs_close(out);
	return st;
}

void sm_pairs_close(struct sm_pairs *p)
{
	sm_ledger_clear(&p->ledger);
	json_decref(p->config);
	*p = (struct sm_pairs){0};
}

enum sm_status sm_pairs_trained_on(const struct sm_pairs *p, const json_t *predict,
				   struct sm_err *err)
{
	const char *ledger = sm_json_text(predict, "pair"),
		   *samples = sm_json_text(predict, "samples");
	char own[65];
	if (!ledger)
		return SM_FAIL(err, SM_INPUT,
			       "predict ledger: does not say which samples its network was trained "
			       "on, so nobody knows what was held out: run stage predict again");
	if (strcmp(ledger, p->ledger.sha256) == 0)
		return SM_OK;
	/* Made again, of another preprocess ledger say, samples may be the same. */
	SM_TRY(sm_pair_samples_sha256(&p->ledger, own, err));
	if (samples && strcmp(samples, own) == 0)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "--pairs: the network was trained on the samples of another folder (pair "
		       "ledger %.12s, here %.12s), so what this one holds out it may have seen: "
		       "give that folder, or train and predict again",
		       ledger, p->ledger.sha256);
}

static char domain_of(const json_t *entry)
{
	const char *d = sm_json_text(entry, "domain");
	return d ? *d : 0;
}

/* True when a file of pair (KEY.h5, A/KEY.h5, trainA/KEY_0012.png) is of the case. */
static bool is_of(const json_t *entry, const char *key)
{
	static const char *const names[] = {"file", "a", "b"};
	const size_t n = strlen(key);
	for (size_t i = 0; i < SM_COUNT(names); i++) {
		const char *path = sm_json_text(entry, names[i]);
		const char *base = path ? sm_path_base(path) : NULL;
		if (!base)
			continue;
		const char *end = i ? strrchr(base, '_') : strrchr(base, '.');
		return end && (size_t)(end - base) == n && memcmp(base, key, n) == 0;
	}
	return false;
}

static void mark(const struct sm_pairs *p, const char *key, const char *fold, char domain,
		 uint8_t value, uint8_t *use, int64_t count)
{
	size_t i;
	json_t *entry;
	json_array_foreach(json_object_get(p->config, fold), i, entry)
	{
		const json_int_t slice = json_integer_value(json_object_get(entry, "slice"));
		if (domain_of(entry) == domain && slice >= 0 && slice < count && is_of(entry, key))
			use[slice] = value;
	}
}

size_t sm_pairs_slices(const struct sm_pairs *p, const char *key, enum sm_scored held, uint8_t *use,
		       int64_t count)
{
	size_t n = 0;
	memset(use, 0, (size_t)count);
	if (held == SM_SCORE_TEST || held == SM_SCORE_HELD_OUT || held == SM_SCORE_ALL)
		mark(p, key, "test", p->source, 1, use, count);
	if (held == SM_SCORE_VALID || held == SM_SCORE_HELD_OUT || held == SM_SCORE_ALL)
		mark(p, key, "valid", p->source, 1, use, count);
	if (held == SM_SCORE_TRAIN || held == SM_SCORE_ALL)
		mark(p, key, "train", p->source, 1, use, count);
	/* Of two domains each has its own folds: the answer must not have been seen either. */
	if (held != SM_SCORE_TRAIN && held != SM_SCORE_ALL && p->target)
		mark(p, key, "train", p->target, 0, use, count);
	for (int64_t z = 0; z < count; z++)
		n += use[z];
	return n;
}

/* ---- training targets ------------------------------------------------------------------------ */

struct reader {
	struct sm_run *run;
	const char *dir;
	const struct sm_pairs *pairs;
	struct sm_training_targets *out;
	struct sm_mean_image mean;
	struct sm_shard *shard;
	struct sm_tile_shape shape;
	char file[300]; /* name of the open shard */
	float *image;
	size_t n; /* values of an image */
	double sum;
	uint64_t values;
	bool sizes_differ;
	bool with_body;
	struct sm_body_sum body;
};

/* Training slices of a shard. */
static size_t slices_of(const struct reader *r, const char *name)
{
	size_t i, n = 0;
	json_t *entry;
	json_array_foreach(json_object_get(r->pairs->config, "train"), i, entry)
	{
		const char *file = sm_json_text(entry, "file");
		n += domain_of(entry) == r->pairs->target && file && strcmp(file, name) == 0;
	}
	return n;
}

/* Hash that the ledger gives for a shard; malloc memory, NULL when no good record has it. */
static char *known_hash(const struct sm_ledger *ledger, const char *name)
{
	size_t i, k;
	json_t *record, *output;
	char *found = NULL;
	sm_records_foreach(ledger->records, i, record)
	{
		json_array_foreach(json_object_get(record, "outputs"), k, output)
		{
			const char *path = sm_json_text(output, "path"),
				   *sha = sm_json_text(output, "sha256");
			if (!found && sm_record_ok(record) && path && sha &&
			    strcmp(path, name) == 0)
				found = sm_strf("%s", sha);
		}
	}
	return found;
}

static enum sm_status open_shard(struct reader *r, const char *name, struct sm_err *err)
{
	char hex[65], key[128];
	sm_shard_close(r->shard);
	r->shard = NULL;
	r->file[0] = '\0';
	if (!sm_path_is_inside(name) || strlen(name) >= sizeof r->file)
		return SM_FAIL(err, SM_INPUT, "%s: file '%s' leaves the folder", CONFIG, name);
	char *path = sm_path_join(r->dir, name), *known = known_hash(&r->pairs->ledger, name);
	enum sm_status st;
	if (!path)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", name));
	SM_GOTO(st, sm_shard_open(path, &r->shard, &r->shape, key, err));
	SM_GOTO(st, sm_shard_named_sha256(path, &r->run->mem, hex, err));
	if (!known || strcmp(known, hex) != 0)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "%s: content is not what the pair ledger says: run stage pair "
				    "again",
				    name));
	if (!r->pairs->target && !r->shape.b_channels)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT, "%s: has no pairs, needed are some", name));
	snprintf(r->file, sizeof r->file, "%s", name);
out:
	free(path);
	free(known);
	return st;
}

/* The first image decides the size; of another one the mean image is undefined, the constant is
 * not. */
static enum sm_status begin_image(struct reader *r, struct sm_err *err)
{
	struct sm_training_targets *o = r->out;
	const int64_t channels = r->pairs->target ? r->shape.channels : r->shape.b_channels;
	const size_t n = (size_t)(r->shape.width * r->shape.height * channels);
	if (!o->images) {
		o->width = r->shape.width;
		o->height = r->shape.height;
		o->channels = channels;
		SM_TRY(sm_mean_image_init(&r->mean, n, &r->run->mem, err));
	}
	if (o->width != r->shape.width || o->height != r->shape.height || o->channels != channels)
		r->sizes_differ = true;
	if (n != r->n) {
		sm_free(r->image);
		r->image = sm_alloc(&r->run->mem, n, sizeof *r->image, "a training image", err);
		r->n = n;
	}
	return r->image ? SM_OK : SM_BUDGET;
}

static enum sm_status add_image(struct reader *r, const json_t *entry, struct sm_err *err)
{
	const char *name = sm_json_text(entry, "file");
	const json_int_t k = json_integer_value(json_object_get(entry, "sample"));
	if (!name)
		return SM_FAIL(err, SM_INPUT,
			       "%s: a sample has no HDF5 file: needed is pair.format hdf5 or both",
			       CONFIG);
	if (strcmp(r->file, name) != 0) {
		SM_TRY(sm_body_sum_end(&r->body, r->run->jobs, err));
		SM_TRY(open_shard(r, name, err));
		/* Colours have no body mask. */
		r->with_body &= (r->pairs->target ? r->shape.channels : r->shape.b_channels) == 1;
		if (r->with_body)
			SM_TRY(sm_body_sum_begin(&r->body, r->shape.width, r->shape.height,
						 slices_of(r, name), &r->run->mem, err));
	}
	if (k < 0 || k >= r->shape.tiles)
		return SM_FAIL(err, SM_INPUT, "%s: sample %lld of %s, allowed is 0 to %lld", CONFIG,
			       (long long)k, name, (long long)r->shape.tiles - 1);
	SM_TRY(begin_image(r, err));
	struct sm_shard_room room = {0};
	if (r->pairs->target)
		room.x = r->image;
	else
		room.b = r->image;
	SM_TRY(sm_shard_read_sample(r->shard, k, &room, err));
	const double sum = sm_sum_f32(r->image, r->n, 1);
	if (!isfinite(sum))
		return SM_FAIL(err, SM_INPUT, "%s: sample %lld has a value that is not finite",
			       name, (long long)k);
	if (!r->sizes_differ)
		SM_TRY(sm_mean_image_add(&r->mean, r->image, r->n, name, err));
	if (r->with_body)
		sm_body_sum_add(&r->body, r->image);
	r->sum += sum;
	r->values += r->n;
	r->out->images++;
	return SM_OK;
}

static enum sm_status body_of(struct reader *r, struct sm_err *err)
{
	struct sm_training_targets *o = r->out;
	if (!r->with_body)
		return SM_OK;
	SM_TRY(sm_body_sum_end(&r->body, r->run->jobs, err));
	SM_TRY(sm_body_sum_get(&r->body, &o->body_mean, &o->body_constant, err));
	if (o->body_mean)
		o->no_body = NULL;
	if (r->sizes_differ) {
		sm_free(o->body_mean);
		o->body_mean = NULL;
	}
	return SM_OK;
}

enum sm_status sm_training_targets_read(struct sm_run *run, const char *dir,
					const struct sm_pairs *pairs,
					const struct sm_body_rules *rules,
					struct sm_training_targets *out, struct sm_err *err)
{
	struct reader r = {
		.run = run, .dir = dir, .pairs = pairs, .out = out, .with_body = rules != NULL};
	enum sm_status st = SM_OK;
	size_t i;
	json_t *entry;
	*out = (struct sm_training_targets){.no_body = "no body was found in the training targets"};
	if (rules)
		r.body.rules = *rules;
	json_array_foreach(json_object_get(pairs->config, "train"), i, entry)
	{
		if (domain_of(entry) == pairs->target)
			SM_GOTO(st, add_image(&r, entry, err));
	}
	if (!out->images) {
		out->why = out->no_body = "pair lists no training sample of the target";
		goto out;
	}
	out->constant = r.sum / (double)r.values;
	SM_GOTO(st, body_of(&r, err));
	if (r.sizes_differ) {
		out->why = "the training targets are not of one size";
		goto out;
	}
	out->mean = sm_alloc(&run->mem, r.n, sizeof *out->mean, "the mean image", err);
	st = out->mean ? sm_mean_image_get(&r.mean, out->mean, err) : SM_BUDGET;
out:
	if (st != SM_OK)
		sm_training_targets_clear(out);
	sm_mean_image_clear(&r.mean);
	sm_body_sum_clear(&r.body);
	sm_shard_close(r.shard);
	sm_free(r.image);
	return st;
}

void sm_training_targets_clear(struct sm_training_targets *targets)
{
	sm_free(targets->mean);
	sm_free(targets->body_mean);
	*targets = (struct sm_training_targets){0};
}
