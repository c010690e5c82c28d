/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/training.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "preprocess/pair_config.h"
#include "train/network.h"
#include "train/settings.h"

/* Pages of the program and its libraries, their buffers, and the machine code that is generated for
 * the kernels of a layer: 16 to 18 MiB (AVX-512) or 20 (AVX2) and up to 28 KiB, measured. The pages
 * hang on what the system has read already, so a figure of its own for each run would refuse today
 * what fitted yesterday. */
#define PROGRAM ((size_t)20 << 20)
#define LAYER_CODE ((size_t)24 << 10)

/* In the order of the choices of section translate. */
static const char *const generators[] = {"pix2pix", "casnet", "resnet"};
static const char *const judges[] = {"patch94", "patch70", "judge3"};
static const char *const norms[] = {"auto", "none", "batch", "instance"};

/* ---- the images ------------------------------------------------------------------------------ */

static enum sm_status check_mode(const struct sm_translating *t, struct sm_err *err)
{
	bool unpaired = t->m->pair->mode == SM_PAIR_UNPAIRED;
	if (unpaired != (t->s->system == SM_CYCLEGAN))
		return SM_FAIL(err, SM_USAGE, "translate.system: found %s, pair.mode %s needs %s",
			       unpaired ? "pix2pix" : "cyclegan",
			       unpaired ? "unpaired" : "aligned or triplets",
			       unpaired ? "cyclegan" : "pix2pix");
	return SM_OK;
}

/* The held-out images are for pictures alone: there may be none. */
static enum sm_status list_images(struct sm_translating *t, struct sm_err *err)
{
	static const enum sm_domain domains[] = {SM_DOMAIN_A, SM_DOMAIN_B};
	bool cycle = t->s->system == SM_CYCLEGAN;
	const char *in = t->run->in;
	struct sm_mem *mem = &t->run->mem;
	for (int i = 0; i < (cycle ? 2 : 1); i++) {
		enum sm_domain d = cycle ? domains[i] : SM_PAIRS;
		SM_TRY(sm_images_list(in, &t->pair, d, "train", cycle ? 2 : 1, mem, &t->train[i],
				      err));
		SM_TRY(sm_images_list(in, &t->pair, d, "test", 0, mem, &t->held[i], err));
		if (!sm_images_count(t->held[i])) {
			sm_images_free(t->held[i]);
			t->held[i] = NULL;
		}
	}
	if (cycle && (sm_images_height(t->train[0]) != sm_images_height(t->train[1]) ||
		      sm_images_width(t->train[0]) != sm_images_width(t->train[1])))
		return SM_FAIL(
			err, SM_INPUT,
			"domains a and b: images are %dx%d and %dx%d, must be equal (steps resize "
			"or pad_crop of preprocess)",
			sm_images_width(t->train[0]), sm_images_height(t->train[0]),
			sm_images_width(t->train[1]), sm_images_height(t->train[1]));
	return SM_OK;
}

/* ---- the networks ---------------------------------------------------------------------------- */

static void describe_networks(struct sm_translating *t)
{
	const struct sm_translate_section *s = t->s;
	struct sm_translation *c = &t->state;
	c->cycle = s->system == SM_CYCLEGAN;
	snprintf(c->generator, sizeof c->generator, "%s", generators[s->generator]);
	snprintf(c->judge, sizeof c->judge, "%s", judges[s->discriminator]);
	snprintf(c->generator_norm, sizeof c->generator_norm, "%s", norms[s->norm]);
	snprintf(c->judge_norm, sizeof c->judge_norm, "%s", norms[s->norm]);
	c->generator_opt = c->judge_opt = sm_image_default();
	c->generator_opt.width = s->width;
	c->generator_opt.norm = c->generator_norm;
	c->generator_opt.levels = (int)s->levels;
	c->generator_opt.chain = (int)s->chain;
	c->generator_opt.blocks = (int)s->blocks;
	c->generator_opt.resize = s->upsampling == 1;
	c->generator_opt.slope = s->slope;
	c->generator_opt.dropout = s->dropout;
	c->judge_opt.width = s->discriminator_width;
	c->judge_opt.norm = c->judge_norm;
	c->height = sm_images_height(t->train[0]);
	c->width = sm_images_width(t->train[0]);
	c->channels[0] = sm_images_channels(t->train[0]);
	c->channels[1] = c->cycle ? sm_images_channels(t->train[1])
				  : sm_images_b_channels(t->train[0]);
}

static enum sm_status describe_data(struct sm_translating *t, struct sm_err *err)
{
	const struct sm_pair_section *p = t->m->pair;
	struct sm_translation *c = &t->state;
	bool turned = p->mode == SM_PAIR_ALIGNED && p->direction == SM_B_TO_A;
	const char *names[2] = {turned ? p->b : p->a, turned ? p->a : p->b};
	c->triplets = p->mode == SM_PAIR_TRIPLETS;
	for (int i = 0; i < 2; i++) {
		const char *name = c->triplets ? p->a : names[i];
		snprintf(c->domain[i], SM_TRANSLATION_NAME, "%s", name ? name : "image");
		const json_t *settings = json_object_get(t->pair.header, "settings");
		struct sm_linear line;
		sm_linear_of(json_object_get(settings, "manifest"), name, &line);
		c->low[i] = line.low;
		c->high[i] = line.high;
		snprintf(c->unit[i], SM_UNIT_NAME, "%s", line.unit);
	}
	c->plane = p->plane;
	c->stored = p->view == SM_VIEW_STORED;
	snprintf(c->pair, sizeof c->pair, "%s", t->pair.sha256);
	SM_TRY(sm_pair_samples_sha256(&t->pair, c->samples, err));
	sm_checkpoint_steps(&t->pair, c->preprocess);
	for (int i = 0; i < 2 && t->train[i]; i++)
		for (size_t k = 0; k < sm_images_count(t->train[i]); k++)
			SM_TRY(sm_seen_add(&c->seen, sm_images_key(t->train[i], k), err));
	return SM_OK;
}

static struct sm_game_opt game_opt(const struct sm_translating *t)
{
	const struct sm_translate_section *s = t->s;
	const struct sm_translation *c = &t->state;
	struct sm_optim adam = sm_optim_default("adam");
	adam.beta1 = s->beta1;
	bool cycle = c->cycle;
	return (struct sm_game_opt){
		.cycle = cycle,
		.generator = c->generator,
		.judge = c->judge,
		.generator_opt = c->generator_opt,
		.judge_opt = c->judge_opt,
		.adversarial = s->adversarial ? SM_DISTANCE_L2 : SM_DISTANCE_BCE,
		.weight = {.adversarial = s->adversarial_weight,
			   .l1 = cycle ? 0 : s->l1,
			   .cycle = cycle ? s->cycle : 0,
			   .identity = cycle ? s->identity : 0,
			   .perceptual = cycle ? 0 : s->perceptual,
			   .content = cycle ? 0 : s->content,
			   .style = cycle ? 0 : s->style,
			   .judge = s->discriminator_weight},
		.vgg = t->vgg,
		.pool = (int)s->pool,
		.batch = (int)s->batch,
		.height = c->height,
		.width = c->width,
		.channels = {c->channels[0], c->channels[1]},
		.optim = adam,
		.bf16 = s->precision == SM_BF16,
		.recompute = s->memory == SM_MEMORY_LOW,
		.threads = t->run->jobs,
		.seed = t->seed};
}

/* Images that are read for a step, and the picture of held-out ones. */
static size_t picture_bytes(const struct sm_translating *t)
{
	const struct sm_translation *c = &t->state;
	size_t n = (size_t)c->width * (size_t)c->height,
	       read = 4 * n * (size_t)(c->channels[0] + c->channels[1]) * sizeof(float),
	       parts = c->cycle ? 4 : 3;
	return read + 3 * n * parts * (size_t)t->s->sample_images;
}

/* Bytes that the training takes: the forecast, and what is held against the budget. */
static size_t needs(const struct sm_translating *t)
{
	size_t layers = sm_net_layers(t->game.generators) + sm_net_layers(t->game.judges);
	/* The engine's own figure for code is part of the program. */
	return sm_game_forecast(&t->game) - sm_game_code(&t->game) + picture_bytes(t) + PROGRAM +
	       layers * LAYER_CODE + (sm_mib_up(sm_mem_heap()) << 20);
}

/* A checkpoint keeps a pool as one chunk of HDF5, which has less than 4 GiB. */
static enum sm_status check_pool(const struct sm_translating *t, struct sm_err *err)
{
	const struct sm_translation *c = &t->state;
	size_t pixels = (size_t)c->width * (size_t)c->height,
	       both = (size_t)(c->channels[0] + c->channels[1]);
	size_t each = pixels * both * sizeof(float), most = ((size_t)4000 << 20) / each;
	if ((size_t)t->s->pool <= most)
		return SM_OK;
	return SM_FAIL(err, SM_USAGE,
		       "translate.pool: found %" PRId64 ", allowed are at most %zu images of "
		       "%dx%d with %zu channels",
		       (int64_t)t->s->pool, most, c->width, c->height, both);
}

static enum sm_status plan(struct sm_translating *t, struct sm_err *err)
{
	const struct sm_translation *c = &t->state;
	SM_TRY(check_pool(t, err));
	struct sm_image_opt g = c->generator_opt, d = c->judge_opt;
	struct sm_game_opt opt = game_opt(t);
	if (sm_image_check(c->generator, &g, c->height, c->width, err) != SM_OK ||
	    sm_image_check(c->judge, &d, c->height, c->width, err) != SM_OK)
		return sm_err_prefix(err, "translate");
	SM_TRY(sm_game_plan(&opt, &t->game, err));
	size_t need = needs(t), limit = t->run->mem.limit;
	t->forecast = (double)need / 1048576;
	t->state.parameters[0] = (int64_t)sm_net_weight_count(t->game.generators);
	t->state.parameters[1] = (int64_t)sm_net_weight_count(t->game.judges);
	sm_info(&t->run->log, NULL,
		"%s: generators %s (%" PRId64 " parameters), discriminators %s (%" PRId64
		"), images %dx%d; memory forecast %zu MiB, of it pools and images %zu",
		c->cycle ? "cyclegan" : "pix2pix", c->generator, t->state.parameters[0], c->judge,
		t->state.parameters[1], c->width, c->height, sm_mib_up(need),
		sm_mib_up(sm_game_images_bytes(&t->game)));
	sm_network_tell(t->game.generators, &t->run->log);
	sm_network_tell(t->game.judges, &t->run->log);
	if (need > limit)
		return SM_FAIL(err, SM_BUDGET,
			       "train: needs %zu MiB, %zu MiB are allowed (--memory): a smaller "
			       "translate.width, batch, chain or pool, or smaller images",
			       sm_mib_up(need), limit >> 20);
	return SM_OK;
}

/* ---- an earlier training --------------------------------------------------------------------- */

/* Settings that decide no weight. */
static const char *const no_weight[] = {"time_budget",  "checkpoint_every", "sample_images",
					"sample_every", "memory",	     "epochs"};

static enum sm_status fingerprint(struct sm_translating *t, struct sm_err *err)
{
	/* A rate that falls does so over all epochs: their number then decides weights. */
	size_t skips = SM_COUNT(no_weight) - (t->s->linear_from ? 1 : 0);
	json_t *more = json_object();
	if (t->vgg) {
		char hex[65];
		SM_TRY(sm_sha256_file(t->vgg, hex, err));
		json_object_set_new(more, "vgg", json_string(hex));
	}
	return sm_settings_text(t->run->ledger.header, "translate", no_weight, skips, more,
				&t->state.settings, t->state.fingerprint, err);
}

static enum sm_status columns(struct sm_translating *t, struct sm_err *err)
{
	char names[512] = "epoch,rate";
	size_t at = strlen(names);
	for (int i = 0; i < t->game.losses && at < sizeof names; i++)
		at += (size_t)snprintf(names + at, sizeof names - at, ",%s", t->game.loss_name[i]);
	return sm_history_begin(&t->state.history, names, err);
}

#define WAYS "--restart replaces it, or another --out"

static enum sm_status check_earlier(const struct sm_translating *t,
				    const struct sm_translation *old, struct sm_err *err)
{
	struct sm_setting s;
	if (strcmp(old->fingerprint, t->state.fingerprint) == 0 && old->epoch <= t->s->epochs)
		return SM_OK;
	if (old->epoch > t->s->epochs)
		return SM_FAIL(err, SM_USAGE,
			       "translate.epochs: found %" PRId64 ", allowed is at least %" PRId64
			       ", which are trained already (or another --out)",
			       t->s->epochs, old->epoch);
	if (!sm_settings_differ(t->state.settings, old->settings, &s))
		return SM_FAIL(
			err, SM_USAGE,
			"--resume: the training in the output folder is of another version of "
			"this program: " WAYS);
	return SM_FAIL(err, SM_USAGE,
		       "--resume: %s is %s, but the training in the output folder (%" PRId64
		       " epochs) has %s: " WAYS,
		       s.place, s.found, old->epoch, s.had);
}

/* Where the training begins: at epoch 0, or behind last.hdf5. *from is its path then. */
static enum sm_status look(struct sm_translating *t, char **from, struct sm_err *err)
{
	struct sm_translation old = {0};
	char *last = sm_path_join(t->run->out, SM_TRANSLATE_LAST);
	enum sm_status st = last ? SM_OK : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	if (st != SM_OK || !sm_file_exists(last))
		goto out;
	if (!t->run->resume || t->restart) {
		sm_warn(&t->run->log, NULL,
			"an earlier training in the output folder is replaced: %s",
			t->restart ? "--restart was given" : "--resume was not given");
		goto out;
	}
	SM_GOTO(st, sm_translation_open(last, &old, err));
	SM_GOTO(st, check_earlier(t, &old, err));
	t->state.epoch = old.epoch;
	t->state.rounds = old.rounds;
	sm_history_clear(&t->state.history);
	t->state.history = old.history;
	old.history = (struct sm_history){0};
	*from = last;
	last = NULL;
out:
	if (st != SM_OK && st != SM_USAGE)
		sm_err_prefix(err, "--resume cannot go on (--restart starts from the beginning)");
	sm_translation_clear(&old);
	free(last);
	return st;
}

/* ---- records --------------------------------------------------------------------------------- */

static enum sm_status record(struct sm_translating *t, const char *key, const char *name,
			     const char *role, int64_t epoch, struct sm_err *err)
{
	char hex[65], *path = sm_path_join(t->run->out, name);
	json_t *r = NULL;
	enum sm_status st = path ? SM_OK : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	if (st == SM_OK && !sm_file_exists(path)) {
		sm_warn(&t->run->log, name, "is gone: it is left out of the ledger");
		goto out;
	}
	SM_GOTO(st, st == SM_OK ? sm_content_sha256(path, &t->run->mem, hex, err) : st);
	r = json_pack("{s:s, s:s, s:I, s:[{s:s, s:s, s:s}]}", "key", key, "status", "ok", "epoch",
		      (json_int_t)epoch, "outputs", "path", name, "role", role, "sha256", hex);
	st = r ? sm_records_add(t->run->ledger.records, r, NULL, err)
	       : SM_FAIL(err, SM_BUDGET, "train: out of memory");
out:
	json_decref(r);
	free(path);
	return st;
}

static enum sm_status records(struct sm_translating *t, struct sm_err *err)
{
	char name[64], key[64];
	SM_TRY(record(t, "last", SM_TRANSLATE_LAST, "checkpoint", t->state.epoch, err));
	SM_TRY(record(t, "history", SM_TRANSLATE_CSV, "history", t->state.epoch, err));
	for (int64_t e = 1; e <= t->state.epoch; e++) {
		snprintf(key, sizeof key, "epoch-%04" PRId64, e);
		if (sm_translate_numbered(t->s, e, name))
			SM_TRY(record(t, key, name, "checkpoint", e, err));
		snprintf(key, sizeof key, "sample-%04" PRId64, e);
		if (sm_translate_pictured(t->s, e, name) && t->held[0])
			SM_TRY(record(t, key, name, "picture", e, err));
	}
	json_t *header = t->run->ledger.header;
	json_object_set_new(header, "parameters",
			    json_pack("[II]", (json_int_t)t->state.parameters[0],
				      (json_int_t)t->state.parameters[1]));
	json_object_set_new(header, "epochs", json_integer(t->state.epoch));
	if (t->stopped)
		json_object_set_new(header, "stopped", json_string("time_budget"));
	return SM_OK;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void close_all(struct sm_translating *t)
{
	sm_game_close(&t->game);
	sm_translation_clear(&t->state);
	for (int i = 0; i < 2; i++) {
		sm_images_free(t->train[i]);
		sm_images_free(t->held[i]);
	}
	sm_ledger_clear(&t->pair);
}

static int64_t steps_of(const struct sm_translating *t)
{
	size_t n = sm_images_count(t->train[0]);
	if (t->train[1] && sm_images_count(t->train[1]) > n)
		n = sm_images_count(t->train[1]);
	if (t->s->steps_per_epoch)
		return t->s->steps_per_epoch;
	return ((int64_t)n + t->s->batch - 1) / t->s->batch;
}

/* In the last of each generator_steps rounds the discriminators learn: one must be in the training.
 */
static enum sm_status check_rounds(const struct sm_translating *t, struct sm_err *err)
{
	int64_t rounds = t->steps * t->s->epochs;
	if (t->s->generator_steps <= rounds)
		return SM_OK;
	return SM_FAIL(err, SM_USAGE,
		       "translate.generator_steps: found %" PRId64 ", allowed is at most %" PRId64
		       ", the steps of the whole training (%" PRId64 " epochs of %" PRId64
		       "): the discriminators would never be trained",
		       t->s->generator_steps, rounds, t->s->epochs, t->steps);
}

enum sm_status sm_translate_train(struct sm_translating *t, struct sm_err *err)
{
	char *from = NULL;
	enum sm_status st;
	SM_GOTO(st, check_mode(t, err));
	SM_GOTO(st, sm_run_parent(t->run, t->run->in, "pair", &t->pair, err));
	SM_GOTO(st, list_images(t, err));
	describe_networks(t);
	SM_GOTO(st, describe_data(t, err));
	SM_GOTO(st, plan(t, err));
	SM_GOTO(st, columns(t, err));
	SM_GOTO(st, fingerprint(t, err));
	SM_GOTO(st, look(t, &from, err));
	t->steps = steps_of(t);
	SM_GOTO(st, check_rounds(t, err));
	if (t->run->dry_run)
		goto out;
	SM_GOTO(st, sm_game_alloc(&t->game, &t->run->mem, err));
	if (from)
		SM_GOTO(st, sm_translation_load(from, &t->game, err));
	SM_GOTO(st, sm_translate_epochs(t, err));
	if (!t->begun)
		SM_GOTO(st, sm_run_begin(t->run, err));
	sm_info(&t->run->log, NULL, "peak memory %.0f MiB, %.2f of the forecast", sm_peak_mib(),
		sm_peak_mib() / t->forecast);
	st = records(t, err);
out:
	free(from);
	close_all(t);
	return st;
}
