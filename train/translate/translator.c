/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/translator.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hash.h"
#include "train/translate/game_graph.h"

#define LAST "last"

void sm_translator_close(struct sm_translator *t)
{
	sm_net_free(t->net);
	sm_translation_clear(&t->about);
	free(t->path);
	*t = (struct sm_translator){0};
}

static bool is_folder(const char *path)
{
	struct stat s;
	return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* The last checkpoint of a training's folder. */
static enum sm_status find_last(struct sm_translator *t, struct sm_run *run, const char *dir,
				struct sm_err *err)
{
	struct sm_ledger train = {0};
	json_t *record = NULL;
	enum sm_status st;
	SM_GOTO(st, sm_run_parent(run, dir, "train", &train, err));
	record = sm_ledger_get(&train, LAST);
	const json_t *output = sm_record_output(record, "checkpoint");
	const char *name = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	if (!name || !sha || !sm_path_is_inside(name)) {
		st = SM_FAIL(err, SM_INPUT, "%s: the ledger of train names no checkpoint %s", dir,
			     LAST);
		goto out;
	}
	t->path = sm_path_join(dir, name);
	if (!t->path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
		goto out;
	}
	SM_GOTO(st, sm_content_sha256(t->path, &run->mem, t->sha256, err));
	if (strcmp(sha, t->sha256) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: content is not what the ledger of train says: run train again",
			     t->path);
out:
	json_decref(record);
	sm_ledger_clear(&train);
	return st;
}

static enum sm_status find(struct sm_translator *t, struct sm_run *run, const char *model,
			   struct sm_err *err)
{
	if (is_folder(model))
		return find_last(t, run, model, err);
	t->path = sm_strf("%s", model);
	if (!t->path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", model);
	if (!sm_file_exists(model))
		return SM_FAIL(err, SM_INPUT, "%s: does not exist", model);
	return sm_content_sha256(model, &run->mem, t->sha256, err);
}

enum sm_status sm_translator_open(struct sm_translator *t, struct sm_run *run, const char *model,
				  const struct sm_translator_opt *opt, struct sm_err *err)
{
	*t = (struct sm_translator){
		.opt = *opt, .from = opt->back ? 1 : 0, .to = opt->back ? 0 : 1, .mem = &run->mem};
	SM_TRY(find(t, run, model, err));
	SM_TRY(sm_translation_open(t->path, &t->about, err));
	if (opt->back && !t->about.cycle)
		return SM_FAIL(err, SM_USAGE,
			       "predict.direction: found b_to_a, %s is of pix2pix, which has one "
			       "direction alone (pair.direction): allowed is a_to_b",
			       sm_path_base(t->path));
	return SM_OK;
}

static struct sm_image_opt image_opt(const struct sm_translator *t)
{
	struct sm_image_opt o = t->about.generator_opt;
	/* The checkpoint's own copy: an opened one may have been moved. */
	o.norm = t->about.generator_norm;
	o.in_channels = t->about.channels[t->from];
	o.channels = t->about.channels[t->to];
	return o;
}

enum sm_status sm_translator_fits(const struct sm_translator *t, int64_t width, int64_t height,
				  const char *name, struct sm_err *err)
{
	struct sm_image_opt o = image_opt(t);
	enum sm_status st =
		width > 16384 || height > 16384
			? SM_FAIL(err, SM_INPUT, "images are %lld x %lld, allowed are up to 16384",
				  (long long)width, (long long)height)
			: sm_image_check(t->about.generator, &o, (int)height, (int)width, err);
	if (st == SM_OK)
		return SM_OK;
	sm_err_prefix(err, "%s", name);
	err->code = SM_INPUT; /* of this volume, not of how the stage was called */
	return SM_INPUT;
}

/* The first size from `least` to `most` that fits beside a fitting one; 0 when none does. */
static int64_t first_fit(const struct sm_translator *t, int64_t least, int64_t most)
{
	struct sm_image_opt o = image_opt(t);
	struct sm_err unused = {0};
	for (int64_t n = least; n <= most && n <= 16384; n++)
		if (sm_image_check(t->about.generator, &o, (int)n, (int)n, &unused) == SM_OK)
			return n;
	return 0;
}

enum sm_status sm_translator_pads(const struct sm_translator *t, int64_t width, int64_t height,
				  const char *name, int64_t *padded_width, int64_t *padded_height,
				  struct sm_err *err)
{
	*padded_width = first_fit(t, width, 2 * width);
	*padded_height = first_fit(t, height, 2 * height);
	if (*padded_width && *padded_height)
		return SM_OK;
	const bool wide = !*padded_width;
	const int64_t bad = wide ? width : height, next = first_fit(t, bad, 16384);
	if (!next)
		return SM_FAIL(err, SM_INPUT,
			       "%s: image %s is %lld, which the network does not take, nor any size "
			       "above it up to 16384",
			       name, wide ? "width" : "height", (long long)bad);
	return SM_FAIL(err, SM_INPUT,
		       "%s: image %s is %lld, the least that the network takes is %lld: padded to "
		       "it the image would more than double, allowed is up to twice a side",
		       name, wide ? "width" : "height", (long long)bad, (long long)next);
}

/* The generator alone. Takes no memory for backward. */
static enum sm_status plan(const struct sm_translator *t, int width, int height,
			   struct sm_net **net, struct sm_err *err)
{
	struct sm_image_opt o = image_opt(t);
	const struct sm_net_opt opt = {.threads = t->opt.threads,
				       .seed = t->opt.seed,
				       .live_norm = !t->opt.running_norm,
				       .live_dropout = t->opt.dropout,
				       .bf16 = t->opt.bf16};
	struct sm_graph *g = sm_graph_create();
	if (!g)
		return SM_FAIL(err, SM_BUDGET, "network: out of memory");
	int x = sm_g_input(g, "x", (struct sm_shape){1, 1, height, width, o.in_channels});
	sm_g_output(g,
		    sm_generator_build(g, t->about.generator,
				       t->opt.back ? GAME_BACK : GAME_GENERATOR, x, &o),
		    "y");
	return sm_net_plan(g, &opt, net, err);
}

/* The weights of the net of before, or those of the file. */
static enum sm_status fill(struct sm_translator *t, struct sm_net *net, struct sm_err *err)
{
	size_t states;
	if (!t->net)
		return sm_translation_load_generator(t->path, net, err);
	memcpy(sm_net_weights(net), sm_net_weights(t->net),
	       sm_net_weight_count(net) * sizeof(float));
	const struct sm_param *p = sm_net_states(net, &states);
	size_t n = states ? p[states - 1].offset + p[states - 1].count : 0;
	if (n)
		memcpy(sm_net_state_values(net), sm_net_state_values(t->net), n * sizeof(float));
	sm_net_touch(net);
	return SM_OK;
}

enum sm_status sm_translator_size(struct sm_translator *t, int64_t width, int64_t height,
				  struct sm_err *err)
{
	struct sm_net *net = NULL;
	if (t->net && t->width == width && t->height == height)
		return SM_OK;
	SM_TRY(plan(t, (int)width, (int)height, &net, err));
	enum sm_status st = sm_net_alloc(net, t->mem, err);
	if (st == SM_OK)
		st = fill(t, net, err);
	if (st != SM_OK) {
		sm_net_free(net);
		return st;
	}
	sm_net_free(t->net);
	t->net = net;
	t->width = (int)width;
	t->height = (int)height;
	return SM_OK;
}

enum sm_status sm_translator_run(struct sm_translator *t, uint64_t draw, const float *in,
				 float *out, struct sm_err *err)
{
	size_t n = (size_t)t->width * (size_t)t->height;
	int to = t->about.channels[t->to];
	sm_to_channels_last(in, t->about.channels[t->from], n, sm_net_buffer(t->net, "x", NULL));
	sm_net_number_forward(t->net, draw);
	SM_TRY(sm_net_forward(t->net, err));
	const float *y = sm_net_buffer(t->net, "y", NULL);
	for (size_t i = 0; i < n; i++)
		for (int c = 0; c < to; c++) {
			float v = y[i * (size_t)to + (size_t)c];
			if (!isfinite(v))
				return SM_FAIL(err, SM_INPUT,
					       "%s: the network gives a value that is not finite",
					       sm_path_base(t->path));
			out[(size_t)c * n + i] = v;
		}
	return SM_OK;
}

bool sm_translator_has_unit(const struct sm_translator *t, int side)
{
	return strcmp(t->about.unit[side], SM_UNIT_NORMALISED) != 0;
}

static bool is_identity(const struct sm_translator *t, int side)
{
	return !sm_translator_has_unit(t, side) ||
	       (t->about.low[side] == -1 && t->about.high[side] == 1);
}

void sm_translator_in(const struct sm_translator *t, int side, float *v, size_t n)
{
	double low = t->about.low[side], high = t->about.high[side];
	if (is_identity(t, side))
		return;
	for (size_t i = 0; i < n; i++) {
		double u = ((double)v[i] - low) / (high - low);
		u = u > 0 ? u < 1 ? u : 1 : 0;
		v[i] = (float)(-1 + 2 * u);
	}
}

void sm_translator_out(const struct sm_translator *t, int side, float *v, size_t n)
{
	double low = t->about.low[side], high = t->about.high[side];
	if (is_identity(t, side))
		return;
	for (size_t i = 0; i < n; i++)
		v[i] = (float)(low + (high - low) * (((double)v[i] + 1) / 2));
}

uint64_t sm_translator_draw(const char *key, int64_t slice)
{
	char hex[65];
	sm_sha256_bytes(key, strlen(key), hex);
	hex[10] = 0;
	return (uint64_t)strtoull(hex, NULL, 16) << 24 | ((uint64_t)slice & 0xffffff);
}
