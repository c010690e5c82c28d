/* SPDX-License-Identifier: Apache-2.0 */
/* What stage predict writes of a translated picture; sm_translate_save of all cases. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/ink.h"
#include "core/svg.h"
#include "preprocess/view.h"
#include "train/translate/predicting.h"

enum sm_status sm_translate_note(struct sm_item *item, const char *role, const char *name,
				 const char *hex, const char *bytes, struct sm_err *err)
{
	SM_TRY(sm_item_output(item, role, name, hex, err));
	return bytes ? sm_item_file_hash(item, name, bytes, err) : SM_OK;
}

static enum sm_status draw(const struct sm_translate_prediction *p, const struct sm_translated *t,
			   struct sm_image *image, struct sm_err *err)
{
	const struct sm_translator *net = &p->translator;
	size_t n = (size_t)(t->view.width * t->view.height), channels = (size_t)t->vol->dim[3];
	bool grey = sm_translator_has_unit(net, net->to);
	/* Greys beyond 256 came from pictures of 16 bits. */
	bool deep = grey && net->about.high[net->to] > 256;
	if (channels != 1 && channels != 3)
		return SM_FAIL(err, SM_INPUT,
			       "the image of the network has %zu channels, a picture 1 or 3",
			       channels);
	float *planes = sm_alloc(&p->run->mem, n * channels, sizeof *planes, "a picture", err);
	if (!planes)
		return SM_BUDGET;
	for (size_t c = 0; c < channels; c++)
		sm_slice_cut((const float *)t->vol->data + c * sm_vol_frame_count(t->vol),
			     t->vol->dim, &t->view, 0, planes + c * n);
	enum sm_status st = sm_image_init(image, t->view.width, t->view.height, (int)channels,
					  deep ? 16 : 8, &p->run->mem, err);
	if (st == SM_OK)
		sm_slice_paint(planes, grey ? 0 : -1, !grey ? 1 : deep ? 65535 : 255, image);
	sm_free(planes);
	return st;
}

/* Adds a file of the item KEY with that ending. hex: its identity; NULL = that of its bytes. */
static enum sm_status save_bytes(struct sm_item *item, const char *role, const char *ending,
				 const void *bytes, size_t n, const char *hex, struct sm_err *err)
{
	char own[65], *name = sm_strf("%s%s", item->key, ending);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	enum sm_status st = path ? sm_outset_write(&item->files, path, bytes, n, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	sm_sha256_bytes(bytes, n, own);
	if (st == SM_OK)
		st = sm_translate_note(item, role, name, hex ? hex : own, own, err);
	free(path);
	free(name);
	return st;
}

static enum sm_status save_mask(const struct sm_image *mask, struct sm_item *item,
				struct sm_err *err)
{
	unsigned char *bytes = NULL;
	char hex[65];
	size_t n;
	SM_TRY(sm_png_encode(mask, &bytes, &n, err));
	sm_image_sha256(mask, hex);
	enum sm_status st = save_bytes(item, "mask", ".mask.png", bytes, n, hex, err);
	free(bytes);
	return st;
}

/* The ink of a picture as a label picture (0 and 1) and as polygons. */
static enum sm_status save_ink(const struct sm_translate_prediction *p,
			       const struct sm_image *image, struct sm_item *item,
			       struct sm_err *err)
{
	const struct sm_ink ink = {(float)p->m->predict->mask_threshold,
				   p->m->predict->mask_ink == SM_INK_BRIGHT};
	struct sm_image mask = {0};
	struct sm_text svg = {0};
	enum sm_status st;
	SM_GOTO(st, sm_image_init(&mask, image->width, image->height, 1, 8, &p->run->mem, err));
	const size_t pixels = sm_ink_of_image(image, &ink, mask.data);
	SM_GOTO(st, sm_svg_mask(&svg, mask.data, mask.width, mask.height, err));
	SM_GOTO(st, save_mask(&mask, item, err));
	SM_GOTO(st, save_bytes(item, "outlines", ".svg", svg.data, svg.n, NULL, err));
	json_object_set_new(item->record, "ink", json_integer((json_int_t)pixels));
out:
	sm_text_clear(&svg);
	sm_image_clear(&mask);
	return st;
}

static enum sm_status save_picture(const struct sm_translate_prediction *p,
				   const struct sm_translated *t, struct sm_item *item,
				   struct sm_err *err)
{
	struct sm_image image = {0};
	char hex[65], *name = sm_strf("%s.png", item->key);
	if (!name)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	enum sm_status st = draw(p, t, &image, err);
	/* First what gets its name with the item: a failure leaves no picture behind. */
	if (st == SM_OK && p->m->predict->mask_threshold > 0)
		st = save_ink(p, &image, item, err);
	if (st == SM_OK)
		st = sm_slice_save(item->run->out, name, &image, hex, err);
	if (st == SM_OK)
		st = sm_translate_note(item, "image", name, hex, NULL, err);
	sm_image_clear(&image);
	free(name);
	return st;
}

enum sm_status sm_translate_save(const struct sm_translate_prediction *p,
				 const struct sm_translated *t, struct sm_item *item,
				 struct sm_err *err)
{
	if (t->triplets || t->n < (size_t)t->view.count)
		json_object_set_new(item->record, "slices", sm_json_ints(t->index, t->n));
	json_object_set_new(item->record, "axis", json_integer(t->view.normal));
	return t->pictures ? save_picture(p, t, item, err)
			   : sm_translate_save_volume(p, t, item, err);
}
