/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of pair on their way out (see pair.h).
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/par.h"
#include "preprocess/pair.h"

struct writing {
	const struct sm_pair_set *set;
	struct sm_item *item;
	struct sm_shard *shard; /* NULL = no HDF5 */
	bool pictures;
	char *(*paths)[2], (*hashes)[2][65]; /* of the pictures */
};

/* One slice of all channels of a side into out (C,H,W). */
static void cut(const struct sm_pair_set *set, const struct sm_pair_side *side, int64_t index,
		float *out)
{
	size_t n = (size_t)(set->view.width * set->view.height),
	       frame = sm_vol_frame_count(side->vol);
	for (int64_t c = 0; c < side->channels; c++)
		sm_slice_cut((const float *)side->vol->data + (size_t)(side->first + c) * frame,
			     side->vol->dim, &set->view, index, out + (size_t)c * n);
}

/* Both images of sample k; b is not touched when the set has none. */
static enum sm_status make_sample(const struct sm_pair_set *set, size_t k, float *x, float *b,
				  struct sm_err *err)
{
	size_t n = (size_t)(set->view.width * set->view.height * set->x.channels);
	if (set->s->mode != SM_PAIR_TRIPLETS) {
		cut(set, &set->x, set->index[k], x);
		if (b)
			cut(set, &set->b, set->index[k], b);
		return SM_OK;
	}
	float *after = sm_alloc(set->c->mem, n, sizeof *after, "a slice", err);
	if (!after)
		return SM_BUDGET;
	cut(set, &set->x, set->index[k] - 1, x);
	cut(set, &set->x, set->index[k] + 1, after);
	for (size_t i = 0; i < n; i++)
		x[i] = 0.5f * x[i] + 0.5f * after[i];
	cut(set, &set->b, set->index[k], b);
	sm_free(after);
	return SM_OK;
}

/* The picture of one side: which 0 is x, 1 is b. */
static enum sm_status draw(struct writing *w, size_t k, int which, const float *planes,
			   struct sm_err *err)
{
	const struct sm_pair_set *set = w->set;
	const struct sm_pair_side *side = which ? &set->b : &set->x;
	struct sm_image image = {0};
	char letter = (char)(set->domain ? set->domain - 'a' + 'A' : 'A' + which);
	w->paths[k][which] = sm_pair_picture_path(set->s, set->c->key, letter,
						  (enum sm_fold)set->fold[k], set->index[k]);
	if (!w->paths[k][which])
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", set->c->key);
	SM_TRY(sm_image_init(&image, set->view.width, set->view.height, (int)side->channels,
			     set->s->bits == SM_SLICE_8 ? 8 : 16, set->c->mem, err));
	sm_slice_paint(planes, side->low, side->high, &image);
	enum sm_status st = sm_slice_save(w->item->run->out, w->paths[k][which], &image,
					  w->hashes[k][which], err);
	sm_image_clear(&image);
	return st;
}

static enum sm_status write_one(void *ctx, size_t k, struct sm_err *err)
{
	struct writing *w = ctx;
	const struct sm_pair_set *set = w->set;
	size_t n = (size_t)(set->view.width * set->view.height);
	struct sm_shard_sample sample = {
		.place = {(int32_t)set->index[k], set->s->plane}, .fold = set->fold[k]};
	enum sm_status st = SM_BUDGET;
	float *b = NULL, *x = sm_alloc(set->c->mem, n, (size_t)set->x.channels * sizeof *x,
				       "a sample", err);
	if (x && set->b.vol)
		b = sm_alloc(set->c->mem, n, (size_t)set->b.channels * sizeof *b, "a sample", err);
	if (!x || (set->b.vol && !b))
		goto out;
	SM_GOTO(st, make_sample(set, k, x, b, err));
	sample.x = x;
	sample.b = b;
	if (w->shard)
		SM_GOTO(st, sm_shard_put_sample(w->shard, (int64_t)k, &sample, err));
	if (w->pictures)
		SM_GOTO(st, draw(w, k, 0, x, err));
	if (w->pictures && b)
		st = draw(w, k, 1, b, err);
out:
	sm_free(x);
	sm_free(b);
	return st;
}

static enum sm_status begin_shard(struct writing *w, char **name, struct sm_err *err)
{
	const struct sm_pair_set *set = w->set;
	const struct sm_tile_shape shape = {
		.tiles = (int64_t)set->n,
		.channels = set->x.channels,
		.depth = 1,
		.height = set->view.height,
		.width = set->view.width,
		.b_channels = set->b.vol ? set->b.channels : 0,
		.parts = SM_SHARD_UNLABELLED | SM_SHARD_INDEX |
			 (set->s->split == SM_BY_FIRST ? 0 : SM_SHARD_FOLD)};
	*name = sm_pair_shard_path(set->c->key, set->domain);
	char *path = *name ? sm_path_join(w->item->run->out, *name) : NULL;
	enum sm_status st = path ? sm_shard_create(path, &shape, set->c->key, set->s->compression,
						   &w->shard, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", set->c->key);
	free(path);
	return st;
}

/* Adds the pictures to the record, also after a failure (st): whoever rejects the case removes the
 * files named there. */
static enum sm_status add_pictures(struct writing *w, enum sm_status st, struct sm_err *err)
{
	for (size_t k = 0; w->paths && k < w->set->n; k++)
		for (int i = 0; i < 2; i++) {
			enum sm_status add = SM_OK;
			char side = (char)(w->set->domain ? w->set->domain : 'a' + i);
			const char role[2] = {side, 0};
			if (w->hashes && w->hashes[k][i][0])
				add = sm_item_output(w->item, role, w->paths[k][i], w->hashes[k][i],
						     st == SM_OK ? err : NULL);
			st = st == SM_OK ? add : st;
			free(w->paths[k][i]);
		}
	free(w->paths);
	free(w->hashes);
	return st;
}

/* Converts a side's volume and settles what is black and white in its pictures. */
static enum sm_status make_ready(struct sm_pair_set *set, struct sm_pair_side *side,
				 const struct sm_floats *window, struct sm_err *err)
{
	if (!side->vol)
		return SM_OK;
	bool known = sm_slice_picture_range(set->c, side->vol, &side->low, &side->high);
	SM_TRY(sm_vol_to_f32(side->vol, set->c->mem, set->c->jobs, err));
	size_t frame = sm_vol_frame_count(side->vol);
	if (window->n == 2) {
		side->low = window->v[0];
		side->high = window->v[1];
	} else if (!known) {
		sm_slice_range((const float *)side->vol->data + (size_t)side->first * frame,
			       frame * (size_t)side->channels, &side->low, &side->high);
	}
	if (set->s->format != SM_FORMAT_HDF5 && side->channels != 1 && side->channels != 3)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %s has %lld channels, a picture has 1 or 3: pair.format allowed is "
			"hdf5",
			set->c->key, side->name, (long long)side->channels);
	return SM_OK;
}

/* The two windows of a pair of sides; that of b is window_b, or window. */
static enum sm_status sides_ready(struct sm_pair_set *set, struct sm_err *err)
{
	const struct sm_pair_section *s = set->s;
	const struct sm_floats *of_b = s->window_b.n ? &s->window_b : &s->window;
	struct sm_pair_side *first = &set->x;
	/* The same volume once (triplets; two channels of one image): its type is asked for before
	 * it changes. */
	bool shared = set->b.vol == set->x.vol;
	double low = 0, high = 0;
	bool known = shared && sm_slice_picture_range(set->c, first->vol, &low, &high);
	SM_TRY(make_ready(set, first, set->domain == 'b' ? of_b : &s->window, err));
	SM_TRY(make_ready(set, &set->b, s->mode == SM_PAIR_TRIPLETS ? &s->window : of_b, err));
	if (known && of_b->n != 2) {
		set->b.low = low;
		set->b.high = high;
	}
	return SM_OK;
}

enum sm_status sm_pair_write(struct sm_pair_set *set, struct sm_item *item, struct sm_err *err)
{
	struct writing w = {
		.set = set, .item = item, .pictures = set->s->format != SM_FORMAT_HDF5};
	char *name = NULL, hex[65];
	enum sm_status st;
	SM_GOTO(st, sides_ready(set, err));
	if (set->s->format != SM_FORMAT_PNG)
		SM_GOTO(st, begin_shard(&w, &name, err));
	if (w.pictures) {
		w.paths = calloc(set->n, sizeof *w.paths);
		w.hashes = calloc(set->n, sizeof *w.hashes);
	}
	if (w.pictures && (!w.paths || !w.hashes))
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	else
		st = sm_par_for(set->n, item->jobs, write_one, &w, err);
	st = add_pictures(&w, st, err);
	if (st == SM_OK && w.shard) {
		struct sm_shard *shard = w.shard;
		w.shard = NULL;
		SM_GOTO(st, sm_shard_commit(shard, hex, err));
		st = sm_item_output(item, "shard", name, hex, err);
	}
out:
	sm_shard_abandon(w.shard);
	free(name);
	return st;
}
