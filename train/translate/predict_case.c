/* SPDX-License-Identifier: Apache-2.0 */
/* One case of stage predict, dataset pair. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "preprocess/cases.h"
#include "preprocess/view.h"
#include "train/translate/predicting.h"

struct work {
	struct sm_translate_prediction *p;
	const json_t *record;
	const char *key, *role;
	struct sm_vol vol, made;      /* data are those of the spools */
	struct sm_mapped spool, result;
	int64_t first, channel;       /* of its volume; -1 = it has no names of channels */
	struct sm_slice_view view;
	int64_t *index;               /* slices to predict */
	size_t n;
	uint8_t *kind;                /* enum sm_made of each slice */
	bool triplets;
};

static void clear(struct work *w)
{
	sm_mapped_close(&w->spool);
	sm_mapped_close(&w->result);
	free(w->index);
	free(w->kind);
}

/* ---- the volume ------------------------------------------------------------------------------ */

static bool is_volume(const char *role)
{
	return role && sm_role_is_volume(role) && strcmp(role, "label") != 0 &&
	       strcmp(role, "mask") != 0 && strcmp(role, "regions") != 0 &&
	       strcmp(role, "volume_mask") != 0;
}

const json_t *sm_translate_source(const json_t *record, const char *name, int64_t *channel)
{
	const json_t *only = NULL, *channels = json_object_get(record, "channels");
	const char *modality = sm_json_text(record, "modality");
	size_t i, volumes = 0;
	json_t *one;
	*channel = -1;
	json_array_foreach(json_object_get(record, "outputs"), i, one)
	{
		const char *role = sm_json_text(one, "role");
		if (!is_volume(role))
			continue;
		if (name && strcmp(role, name) == 0)
			return one;
		only = one;
		volumes++;
	}
	json_array_foreach(channels, i, one)
		if (name && json_is_string(one) && strcmp(json_string_value(one), name) == 0) {
			*channel = (int64_t)i;
			return sm_record_output(record, "image");
		}
		return volumes == 1 && (!name || (modality && sm_modality_is(modality, name)))
			       ? only
			       : NULL;
}

static enum sm_status read_volume(struct work *w, struct sm_err *err)
{
	const struct sm_translator *t = &w->p->translator;
	struct sm_run *run = w->p->run;
	struct sm_nii_info info = {0};
	int64_t channel, want = t->about.channels[t->from];
	const json_t *output = sm_translate_source(w->record, w->p->source, &channel);
	const char *name = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	if (!name || !sha)
		return SM_FAIL(err, SM_INPUT, "%s: has no volume, channel or modality '%s'", w->key,
			       w->p->source ? w->p->source : "(the only one)");
	w->role = sm_json_text(output, "role");
	char *path = sm_path_join(run->in, name);
	enum sm_status st = path ? sm_nii_spool(path, run->out, &w->vol, &info, &w->spool, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	SM_TRY(st);
	if (strcmp(info.sha256, sha) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: content is not what the ledger of preprocess says: run "
			       "preprocess again",
			       name);
	if (info.not_finite)
		return SM_FAIL(err, SM_INPUT,
			       "%s: holds %zu values that are NaN or infinite, allowed are 0", name,
			       info.not_finite);
	w->channel = channel;
	int64_t have = channel < 0 ? w->vol.dim[3] : 1;
	w->first = channel < 0 ? 0 : channel;
	if (have != want || w->first >= w->vol.dim[3])
		return SM_FAIL(err, SM_INPUT,
			       "%s: has %lld channels, the network was trained on images of %lld",
			       name, (long long)have, (long long)want);
	return SM_OK;
}

/* ---- the slices ------------------------------------------------------------------------------ */

/* Marks what select_slices kept of this volume, of all of them without a word. */
static enum sm_status kept_slices(const struct work *w, uint8_t *keep, struct sm_err *err)
{
	const json_t *own = json_object_get(json_object_get(w->record, "volume_slices"), w->role);
	const json_t *list = json_object_get(w->record, "slices");
	size_t i;
	json_t *one;
	list = list ? list : own;
	memset(keep, list ? 0 : 1, (size_t)w->view.count);
	json_array_foreach(list, i, one)
	{
		json_int_t k = json_is_integer(one) ? json_integer_value(one) : -1;
		if (k < 0 || k >= w->vol.dim[2])
			return SM_FAIL(
				err, SM_INPUT,
				"%s: slices of its record do not fit the volume: run preprocess "
				"again",
				w->key);
		if (w->view.normal == 2)
			keep[k] = 1;
	}
	/* Choices are of z slices: along another axis all are kept. */
	if (w->view.normal != 2)
		memset(keep, 1, (size_t)w->view.count);
	return SM_OK;
}

/* The slices that stage pair would take. */
static enum sm_status choose(struct work *w, struct sm_err *err)
{
	const struct sm_pair_section *s = w->p->m->pair;
	int64_t count = w->view.count, end = s->last >= 0 ? s->last : count - 1;
	if (s->first > end || end >= count)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %s has slices 0 to %lld, pair.first and pair.last ask for %lld to "
			"%lld",
			w->key, w->role, (long long)count - 1, (long long)s->first, (long long)end);
	uint8_t *keep = calloc((size_t)count, 1);
	w->index = calloc((size_t)count, sizeof *w->index);
	w->kind = calloc((size_t)count, 1);
	if (!keep || !w->index || !w->kind) {
		free(keep);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", w->key);
	}
	enum sm_status st = kept_slices(w, keep, err);
	int64_t inner = w->triplets ? 1 : 0;
	for (int64_t k = s->first + inner; st == SM_OK && k <= end - inner; k++)
		if (keep[k] && keep[k - inner] && keep[k + inner])
			w->index[w->n++] = k;
	free(keep);
	for (int64_t k = 0; w->triplets && k < count; k++)
		w->kind[k] = SM_MADE_PROCESSED;
	for (size_t i = 0; i < w->n; i++)
		w->kind[w->index[i]] = SM_MADE_PREDICTED;
	if (st == SM_OK && !w->n)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: %s has no %s left among the slices that preprocess keeps and "
			     "pair.first and pair.last ask for",
			     w->key, w->role, w->triplets ? "three consecutive slices" : "slice");
	return st;
}

/* ---- the network ----------------------------------------------------------------------------- */

static void cut(const struct work *w, int64_t k, float *out)
{
	const struct sm_translator *t = &w->p->translator;
	size_t n = (size_t)(w->view.width * w->view.height), frame = sm_vol_frame_count(&w->vol);
	for (int c = 0; c < t->about.channels[t->from]; c++)
		sm_slice_cut((const float *)w->vol.data + (size_t)(w->first + c) * frame,
			     w->vol.dim, &w->view, k, out + (size_t)c * n);
}

/* out is changed: to the target's unit. */
static void put(struct work *w, int64_t k, float *out)
{
	const struct sm_translator *t = &w->p->translator;
	size_t n = (size_t)(w->view.width * w->view.height), frame = sm_vol_frame_count(&w->made);
	sm_translator_out(t, t->to, out, n * (size_t)t->about.channels[t->to]);
	for (int c = 0; c < t->about.channels[t->to]; c++)
		sm_slice_put(out + (size_t)c * n, w->made.dim, &w->view, k,
			     (float *)w->made.data + (size_t)c * frame);
}

/* What stands where nothing is predicted: of triplets the source, else the lowest value. */
static void leave(struct work *w, int64_t k, float *out)
{
	const struct sm_translator *t = &w->p->translator;
	size_t n = (size_t)(w->view.width * w->view.height) * (size_t)t->about.channels[t->to];
	if (w->triplets)
		cut(w, k, out);
	for (size_t i = 0; i < n && !w->triplets; i++)
		out[i] = -1;
	put(w, k, out);
}

static enum sm_status predict_slice(struct work *w, int64_t k, float *in, float *out,
				    struct sm_err *err)
{
	struct sm_translator *t = &w->p->translator;
	size_t n = (size_t)(w->view.width * w->view.height) * (size_t)t->about.channels[t->from];
	cut(w, w->triplets ? k - 1 : k, in);
	if (w->triplets) {
		cut(w, k + 1, out);
		for (size_t i = 0; i < n; i++)
			in[i] = 0.5f * in[i] + 0.5f * out[i];
	}
	if (sm_translator_run(t, sm_translator_draw(w->key, k), in, out, err) != SM_OK)
		return sm_err_prefix(err, "%s: slice %lld", w->key, (long long)k);
	put(w, k, out);
	return SM_OK;
}

static enum sm_status predict_slices(struct work *w, struct sm_err *err)
{
	const struct sm_translator *t = &w->p->translator;
	size_t n = (size_t)(w->view.width * w->view.height), next = 0;
	const int *c = t->about.channels;
	float *in =
		sm_alloc(&w->p->run->mem, n * (size_t)(c[0] + c[1]), sizeof *in, "a slice", err);
	if (!in)
		return SM_BUDGET;
	float *out = in + n * (size_t)c[t->from];
	enum sm_status st = SM_OK;
	for (int64_t k = 0; st == SM_OK && k < w->view.count; k++) {
		bool asked = next < w->n && w->index[next] == k;
		next += asked;
		if (asked)
			st = predict_slice(w, k, in, out, err);
		else
			leave(w, k, out);
		if (k % 16 == 15) {
			sm_mapped_let_go(&w->spool);
			sm_mapped_let_go(&w->result);
		}
	}
	sm_free(in);
	return st;
}

static enum sm_status predict(struct work *w, struct sm_err *err)
{
	struct sm_translate_prediction *p = w->p;
	struct sm_translator *t = &p->translator;
	const struct sm_pair_section *s = p->m->pair;
	size_t bytes;
	w->triplets = t->about.triplets;
	sm_slice_plan(&w->vol, (enum sm_plane)s->plane, (enum sm_view_kind)s->view, &w->view);
	SM_TRY(sm_translator_fits(t, w->view.width, w->view.height, w->key, err));
	SM_TRY(choose(w, err));
	w->made = w->vol;
	w->made.dim[3] = t->about.channels[t->to];
	w->made.frame_seconds = 0;
	if (!sm_mul3(sm_vol_frame_count(&w->vol), (size_t)w->made.dim[3], sizeof(float), &bytes))
		return SM_FAIL(err, SM_BUDGET, "%s: is too large", w->key);
	SM_TRY(sm_mapped_open(&w->result, p->run->out, bytes, w->key, err));
	w->made.data = w->result.data;
	pthread_mutex_lock(&p->lock);
	enum sm_status st = sm_translator_size(t, w->view.width, w->view.height, err);
	if (st == SM_OK)
		st = predict_slices(w, err);
	pthread_mutex_unlock(&p->lock);
	return st;
}

enum sm_status sm_translate_case(struct sm_translate_prediction *p, const json_t *record,
				 struct sm_item *item, struct sm_err *err)
{
	struct work w = {.p = p, .record = record, .key = item->key};
	enum sm_status st;
	SM_GOTO(st, read_volume(&w, err));
	SM_GOTO(st, predict(&w, err));
	float fill = -1;
	sm_translator_out(&p->translator, p->translator.to, &fill, 1);
	const struct sm_translated made = {
		.vol = &w.made,
		.spool = &w.result,
		.record = record,
		.view = w.view,
		.index = w.index,
		.n = w.n,
		.kind = w.kind,
		.fill = fill,
		.role = w.role,
		.channel = w.channel,
		.triplets = w.triplets,
		.pictures = json_is_true(json_object_get(record, "pictures"))};
	st = sm_translate_save(p, &made, item, err);
out:
	clear(&w);
	return st;
}
