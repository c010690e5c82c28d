/* SPDX-License-Identifier: Apache-2.0 */
/* What stage predict writes of a translated volume. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "derive/marks.h"
#include "preprocess/view.h"
#include "train/translate/predicting.h"

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

/* One file of a case. */
struct file {
	const char *stem, *role; /* "<case>/ct", "image" */
	const struct sm_vol *vol;
	int axis;            /* of its slices, */
	const uint8_t *kind; /* enum sm_made of each */
	bool scan;           /* on the scan's grid */
};

/* ---- the sidecar ----------------------------------------------------------------------------- */

/* {"axis", "index", "position"} of the slices of a kind, NULL when there is none. */
static json_t *slices_of(const struct file *f, enum sm_made kind)
{
	json_t *index = json_array(), *position = json_array();
	for (int64_t k = 0; k < f->vol->dim[f->axis]; k++)
		if (f->kind[k] == kind) {
			json_array_append_new(index, json_integer(k));
			json_array_append_new(position, json_real((double)k));
		}
	if (json_array_size(index))
		return json_pack("{s:i, s:o, s:o}", "axis", f->axis, "index", index, "position",
				 position);
	json_decref(index);
	json_decref(position);
	return NULL;
}

/* Which slices were predicted, which preprocess left as they are, and which hold nothing at all. */
static void mark_slices(const struct file *f, float fill, json_t *sidecar)
{
	json_t *predicted = slices_of(f, SM_MADE_PREDICTED), *none = slices_of(f, SM_MADE_NOT);
	json_t *processed = slices_of(f, SM_MADE_PROCESSED);
	size_t n = json_array_size(json_object_get(predicted, "index"));
	if (predicted && n < (size_t)f->vol->dim[f->axis])
		json_object_set(sidecar, "predicted_slices", predicted);
	json_decref(predicted);
	json_object_del(processed, "position");
	if (processed)
		json_object_set_new(sidecar, "processed_slices", processed);
	if (!none)
		return;
	json_object_del(none, "position");
	json_object_set_new(none, "value", json_real(fill));
	json_object_set_new(sidecar, "filled_slices", none);
}

/* What the source's sidecar said of the body, and of the slices where the file has the scan's. A
 * new reference, or NULL. */
static json_t *place_of(const struct sm_translate_prediction *p, const struct sm_translated *t,
			const struct file *f)
{
	const json_t *scans = json_object_get(t->record, "scans");
	const char *name = t->channel >= 0 ? p->source : t->role;
	json_t *own = json_copy(json_object_get(scans, name));
	/* The grid of a stacked image is that of its first channel. */
	if (!own || (f->scan && t->channel <= 0))
		return own;
	json_object_del(own, "SliceThickness");
	json_object_del(own, "SpacingBetweenSlices");
	return own;
}

static enum sm_status save_sidecar(const struct sm_translate_prediction *p,
				   const struct sm_translated *t, const struct file *f,
				   struct sm_item *item, struct sm_err *err)
{
	const struct sm_translation *about = &p->translator.about;
	char hex[65], *text = NULL, *name = sm_strf("%s.json", f->stem);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	const char *what = modality(p, t);
	json_t *source = place_of(p, t, f);
	json_t *o = sm_marks_translate(source, what ? what : "", meaning(p), about->generator,
				       p->translator.sha256);
	enum sm_status st = SM_OK;
	if (o && !what)
		json_object_del(o, "Modality");
	if (o)
		mark_slices(f, t->fill, o);
	text = o ? json_dumps(o, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15)) : NULL;
	if (!text || !path) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
		goto out;
	}
	size_t n = strlen(text);
	text[n] = '\n'; /* in the place of the zero byte */
	SM_GOTO(st, sm_outset_write(&item->files, path, text, n + 1, err));
	sm_sha256_bytes(text, n + 1, hex);
	st = sm_translate_note(item, "sidecar", name, hex, hex, err);
out:
	json_decref(o);
	json_decref(source);
	free(text);
	free(path);
	free(name);
	return st;
}

/* ---- the volume ------------------------------------------------------------------------------ */

/* ending: behind the target's name. */
static enum sm_status save(const struct sm_translate_prediction *p, const struct sm_translated *t,
			   struct file *f, const char *ending, struct sm_item *item,
			   struct sm_err *err)
{
	char hex[65], bytes[65];
	char *stem = sm_strf("%s/%s%s", item->key, p->target ? p->target : "image", ending);
	char *name = stem ? sm_strf("%s.nii.gz", stem) : NULL;
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	struct sm_vol vol = *f->vol;
	enum sm_status st = path ? SM_OK : SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	f->stem = stem;
	vol.meaning = meaning(p);
	if (st == SM_OK)
		st = sm_nii_write_in(&item->files, path, &vol, 0, item->jobs, hex, bytes, err);
	if (st == SM_OK)
		st = sm_translate_note(item, f->role, name, hex, bytes, err);
	if (st == SM_OK)
		st = save_sidecar(p, t, f, item, err);
	free(path);
	free(name);
	free(stem);
	return st;
}

struct two {
	const struct sm_mapped *from, *to;
};

static void let_go(void *ctx)
{
	const struct two *both = ctx;
	sm_mapped_let_go(both->from);
	sm_mapped_let_go(both->to);
}

/* The volume once more, on the scan's grid. */
static enum sm_status save_on_scan(const struct sm_translate_prediction *p,
				   const struct sm_translated *t, struct sm_placing *way,
				   struct sm_item *item, struct sm_err *err)
{
	struct sm_mapped spool = {0};
	struct sm_placed placed = {0};
	struct two both = {t->spool, &spool};
	struct sm_vol vol = *t->vol;
	size_t n, bytes;
	if (!sm_mul3((size_t)way->dim[0], (size_t)way->dim[1], (size_t)way->dim[2], &n) ||
	    !sm_mul3(n, (size_t)vol.dim[3], sizeof(float), &bytes))
		return SM_FAIL(err, SM_BUDGET, "%s: its scan is too large", item->key);
	enum sm_status st;
	SM_GOTO(st, sm_mapped_open(&spool, item->run->out, bytes, item->key, err));
	memcpy(vol.dim, way->dim, sizeof way->dim);
	memcpy(vol.affine, way->affine, sizeof vol.affine);
	vol.data = spool.data;
	way->let_go = let_go;
	way->ctx = &both;
	SM_GOTO(st, sm_placing_run(way, spool.data, &placed, err));
	json_object_set_new(item->record, "outside_voxels",
			    json_integer((json_int_t)placed.outside));
	struct file f = {.role = "scan",
			 .vol = &vol,
			 .axis = placed.axis,
			 .kind = placed.kind,
			 .scan = true};
	st = save(p, t, &f, "", item, err);
out:
	sm_placed_clear(&placed);
	sm_mapped_close(&spool);
	return st;
}

static size_t voxels_not_made(const struct sm_translated *t)
{
	size_t n = 0, plane = (size_t)(t->view.width * t->view.height);
	for (int64_t k = 0; k < t->view.count; k++)
		n += t->kind[k] == SM_MADE_NOT ? plane : 0;
	return n;
}

enum sm_status sm_translate_save_volume(const struct sm_translate_prediction *p,
					const struct sm_translated *t, struct sm_item *item,
					struct sm_err *err)
{
	bool asked = p->m->predict->grid == SM_GRID_SOURCE;
	struct sm_placing way = {
		.made = t->vol, .normal = t->view.normal, .kind = t->kind, .fill = t->fill};
	struct sm_err unknown = {0};
	struct file f = {.role = "image", .vol = t->vol, .axis = t->view.normal, .kind = t->kind};
	char *dir = sm_path_join(item->run->out, item->key);
	enum sm_status st =
		dir ? sm_mkdirs(dir, err) : SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	free(dir);
	SM_TRY(st);
	st = sm_placing_read(t->record, item->key, t->role, &way, asked ? err : &unknown);
	if (asked)
		SM_TRY(st);
	f.scan = st == SM_OK && sm_placing_is_identity(&way);
	if (f.scan)
		json_object_set_new(item->record, "outside_voxels",
				    json_integer((json_int_t)voxels_not_made(t)));
	SM_TRY(save(p, t, &f, asked && !f.scan ? ".preprocess" : "", item, err));
	return asked && !f.scan ? save_on_scan(p, t, &way, item, err) : SM_OK;
}
