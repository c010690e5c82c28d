/* SPDX-License-Identifier: Apache-2.0 */
/* What stage predict writes of a translated case. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/ink.h"
#include "core/nii.h"
#include "core/svg.h"
#include "derive/marks.h"
#include "preprocess/view.h"
#include "train/translate/predicting.h"

/* Adds a file's name, path and hash to the record. */
static enum sm_status note(struct sm_item *item, const char *role, const char *name,
			   const char *hex, const char *bytes, struct sm_err *err)
{
	SM_TRY(sm_item_output(item, role, name, hex, err));
	return bytes ? sm_item_file_hash(item, name, bytes, err) : SM_OK;
}

/* "CT", "MR", "PT", or NULL when nobody says. */
static const char *modality(const struct sm_translate_prediction *p, const struct sm_translated *t)
{
	static const char *const names[] = {"CT", "MR", "PT"};
	const char *own = sm_json_text(t->record, "modality");
	for (int i = 0; p->target && i < 3; i++)
		if (sm_modality_is(names[i], p->target))
			return names[i];
	/* Roles of one case that are no modalities: T1 and T2 of an MR. */
	for (int i = 0; own && i < 3; i++)
		if (sm_modality_is(own, names[i]) && !(p->target && sm_modality_known(p->target)))
			return names[i];
	return NULL;
}

static enum sm_meaning meaning(const struct sm_translate_prediction *p)
{
	const char *unit = p->translator.about.unit[p->translator.to];
	for (int m = SM_MEANING_HU; m < SM_MEANING_LABEL; m++)
		if (strcmp(unit, sm_meaning_name((enum sm_meaning)m)) == 0)
			return (enum sm_meaning)m;
	return SM_MEANING_ARBITRARY;
}

/* Of triplets the other slices are the source's. */
static json_t *predicted_slices(const struct sm_translated *t)
{
	json_t *position = json_array();
	for (size_t i = 0; i < t->n; i++)
		json_array_append_new(position, json_real((double)t->index[i]));
	return json_pack("{s:i, s:o, s:o}", "axis", t->view.normal, "index",
			 sm_json_ints(t->index, t->n), "position", position);
}

static enum sm_status save_sidecar(const struct sm_translate_prediction *p,
				   const struct sm_translated *t, const char *stem,
				   struct sm_item *item, struct sm_err *err)
{
	const struct sm_translation *about = &p->translator.about;
	char hex[65], *text = NULL, *name = sm_strf("%s.json", stem);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	const char *what = modality(p, t);
	json_t *o = sm_marks_translate(NULL, what ? what : "", meaning(p), about->generator,
				       p->translator.sha256);
	enum sm_status st = SM_OK;
	if (o && !what)
		json_object_del(o, "Modality");
	if (o && t->triplets)
		json_object_set_new(o, "predicted_slices", predicted_slices(t));
	text = o ? json_dumps(o, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
	if (!text || !path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
		goto out;
	}
	size_t n = strlen(text);
	text[n] = '\n'; /* in the place of the zero byte */
	SM_GOTO(st, sm_outset_write(&item->files, path, text, n + 1, err));
	sm_sha256_bytes(text, n + 1, hex);
	st = note(item, "sidecar", name, hex, hex, err);
out:
	json_decref(o);
	free(text);
	free(path);
	free(name);
	return st;
}

static enum sm_status save_volume(const struct sm_translate_prediction *p,
				  const struct sm_translated *t, struct sm_item *item,
				  struct sm_err *err)
{
	char hex[65], bytes[65],
		*stem = sm_strf("%s/%s", item->key, p->target ? p->target : "image");
	char *name = stem ? sm_strf("%s.nii.gz", stem) : NULL;
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	char *dir = sm_path_join(item->run->out, item->key);
	struct sm_vol vol = *t->vol;
	enum sm_status st = dir && path ? sm_mkdirs(dir, err)
					: SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	vol.meaning = meaning(p);
	if (st == SM_OK)
		st = sm_nii_write_in(&item->files, path, &vol, 0, item->jobs, hex, bytes, err);
	if (st == SM_OK)
		st = note(item, "image", name, hex, bytes, err);
	if (st == SM_OK)
		st = save_sidecar(p, t, stem, item, err);
	free(dir);
	free(path);
	free(name);
	free(stem);
	return st;
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
		st = note(item, role, name, hex ? hex : own, own, err);
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
		st = note(item, "image", name, hex, NULL, err);
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
	return t->pictures ? save_picture(p, t, item, err) : save_volume(p, t, item, err);
}
