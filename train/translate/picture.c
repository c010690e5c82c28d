/* SPDX-License-Identifier: Apache-2.0 */
/* What the generators make of the first held-out images, one row each. */
#include <string.h>

#include "train/paint.h"
#include "train/translate/training.h"

/* Part `part` of row `row`: an image (H,W,C) in [-1, 1], of 1 or 3 channels, others by their first.
 */
static void put(struct sm_image *image, const float *v, int h, int w, int c, int row, int part)
{
	unsigned char *to = image->data;
	for (int y = 0; y < h; y++)
		for (int x = 0; x < w; x++)
			for (int k = 0; k < 3; k++) {
				float f = v[((size_t)y * w + x) * c + (c == 3 ? k : 0)];
				f = (f < -1 ? -1 : f > 1 ? 1 : f) * 127.5f + 127.5f;
				size_t at = (size_t)(row * (h + SM_PAINT_GAP) + y) *
						    (size_t)image->width +
					    (size_t)(part * (w + SM_PAINT_GAP) + x);
				to[at * 3 + k] = (unsigned char)(f + 0.5f);
			}
}

/* Inputs a and b of held-out sample i into the generators' first sample. */
static enum sm_status load(struct sm_translating *t, size_t i, struct sm_err *err)
{
	float *a = sm_game_image(&t->game, SM_GAME_A), *b = sm_game_image(&t->game, SM_GAME_B);
	bool cycle = t->state.cycle;
	SM_TRY(sm_images_read(t->held[0], i % sm_images_count(t->held[0]), NULL, 0, 0, a,
			      cycle ? NULL : b, err));
	if (cycle)
		SM_TRY(sm_images_read(t->held[1], i % sm_images_count(t->held[1]), NULL, 0, 0, b,
				      NULL, err));
	return SM_OK;
}

static enum sm_status draw(struct sm_translating *t, struct sm_image *image, int rows,
			   struct sm_err *err)
{
	static const enum sm_game_image pairs[] = {SM_GAME_A, SM_GAME_FAKE_B, SM_GAME_B};
	static const enum sm_game_image cycles[] = {SM_GAME_A, SM_GAME_FAKE_B, SM_GAME_B,
						    SM_GAME_FAKE_A};
	const struct sm_translation *c = &t->state;
	bool cycle = c->cycle;
	for (int r = 0; r < rows; r++) {
		SM_TRY(load(t, (size_t)r, err));
		sm_net_set_valid(t->game.generators, 1);
		enum sm_status st = sm_net_forward(t->game.generators, err);
		sm_net_set_valid(t->game.generators, (int)t->s->batch);
		SM_TRY(st);
		for (int p = 0; p < (cycle ? 4 : 3); p++) {
			enum sm_game_image which = cycle ? cycles[p] : pairs[p];
			int side = which == SM_GAME_A || which == SM_GAME_FAKE_A ? 0 : 1;
			put(image, sm_game_image(&t->game, which), c->height, c->width,
			    c->channels[side], r, p);
		}
	}
	return SM_OK;
}

enum sm_status sm_translate_picture(struct sm_translating *t, const char *path, struct sm_err *err)
{
	const struct sm_translation *c = &t->state;
	bool cycle = c->cycle;
	if (!t->held[0] || (cycle && !t->held[1]))
		return SM_OK;
	size_t there = sm_images_count(t->held[0]);
	if (cycle && sm_images_count(t->held[1]) > there)
		there = sm_images_count(t->held[1]);
	int rows = (int)t->s->sample_images, parts = cycle ? 4 : 3;
	rows = (size_t)rows < there ? rows : (int)there;
	struct sm_image image = {0};
	SM_TRY(sm_image_init(&image, parts * (c->width + SM_PAINT_GAP) - SM_PAINT_GAP,
			     rows * (c->height + SM_PAINT_GAP) - SM_PAINT_GAP, 3, 8, &t->run->mem,
			     err));
	memset(image.data, 0, (size_t)image.width * (size_t)image.height * 3);
	enum sm_status st = draw(t, &image, rows, err);
	if (st == SM_OK)
		st = sm_png_write(path, &image, err);
	sm_image_clear(&image);
	return st;
}
