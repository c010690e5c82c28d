/* SPDX-License-Identifier: Apache-2.0 */
#include "derive/network.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "preprocess/slice.h"
#include "preprocess/view.h"

/* Values a rounding beyond [-1, 1] are still in it. */
#define SLACK 1e-3

void sm_between_close(struct sm_between *b)
{
	sm_translator_close(&b->translator);
}

void sm_between_steps(const struct sm_ledger *from, char sha256[65])
{
	const char *stage = sm_json_text(from->header, "stage");
	const char *told = sm_json_text(from->header, "preprocess_steps");
	sha256[0] = 0;
	if (stage && strcmp(stage, "preprocess") == 0)
		sm_checkpoint_steps(from, sha256);
	else if (stage && strcmp(stage, "interpolate") == 0 && told && strlen(told) == 64)
		memcpy(sha256, told, 65);
}

enum sm_status sm_between_open(struct sm_between *b, struct sm_run *run, const char *model,
			       const struct sm_ledger *from, struct sm_err *err)
{
	const struct sm_translator_opt opt = {.threads = run->jobs, .seed = run->seed};
	const struct sm_translation *about = &b->translator.about;
	char steps[65] = "";
	*b = (struct sm_between){.lock = PTHREAD_MUTEX_INITIALIZER};
	SM_TRY(sm_translator_open(&b->translator, run, model, &opt, err));
	const char *name = sm_path_base(b->translator.path);
	if (!about->triplets || about->channels[0] != 1 || about->channels[1] != 1)
		return SM_FAIL(
			err, SM_INPUT,
			"--model: %s turns %s into %s, allowed is a network of middle slices "
			"(pair.mode triplets, one channel)",
			name, about->domain[0], about->domain[1]);
	if (from)
		sm_between_steps(from, steps);
	b->ready = *steps != 0;
	if (b->ready && strcmp(steps, about->preprocess) != 0)
		return SM_FAIL(err, SM_INPUT,
			       "--in: its volumes went through preprocess settings %.12s, those "
			       "that %s was "
			       "trained on through %.12s: preprocess as for the training",
			       steps, name, about->preprocess);
	return SM_OK;
}

/* One volume at work. */
struct volume {
	struct sm_between *b;
	struct sm_slice_view view; /* of a volume of one slice */
	int64_t dim[3];
	const char *key;
	int64_t asked;
	int64_t wide, high; /* of the image that the network sees, padded */
	float *room;        /* two of these */
};

/* The nearest pixel of the slice: outside of it the edge goes on. */
static int64_t inside(int64_t at, int64_t n)
{
	return at < 0 ? 0 : at < n ? at : n - 1;
}

/* The slice in the middle of the padded image. */
static void pad(const struct volume *v, const float *slice, float *image)
{
	int64_t width = v->view.width, height = v->view.height;
	int64_t left = (v->wide - width) / 2, top = (v->high - height) / 2;
	for (int64_t y = 0; y < v->high; y++)
		for (int64_t x = 0; x < v->wide; x++)
			*image++ = slice[inside(y - top, height) * width + inside(x - left, width)];
}

/* And out of it again. */
static void cut_back(const struct volume *v, const float *image, float *slice)
{
	int64_t width = v->view.width, height = v->view.height;
	int64_t left = (v->wide - width) / 2, top = (v->high - height) / 2;
	for (int64_t y = 0; y < height; y++)
		memcpy(slice + y * width, image + (y + top) * v->wide + left,
		       (size_t)width * sizeof *slice);
}

static enum sm_status middle(void *ctx, const float *a, const float *c, float *out, int64_t width,
			     int64_t height, struct sm_err *err)
{
	struct volume *v = ctx;
	struct sm_translator *t = &v->b->translator;
	size_t n = (size_t)(width * height);
	float *x = v->room, *y = v->room + v->wide * v->high;
	memcpy(x, a, n * sizeof *x);
	memcpy(y, c, n * sizeof *y);
	if (!v->b->ready) {
		sm_translator_in(t, 0, x, n);
		sm_translator_in(t, 0, y, n);
	}
	for (size_t i = 0; i < n; i++)
		y[i] = 0.5f * x[i] + 0.5f * y[i];
	sm_slice_cut(y, v->dim, &v->view, 0, x);
	pad(v, x, y);
	SM_TRY(sm_translator_run(t, sm_translator_draw(v->key, v->asked++), y, x, err));
	cut_back(v, x, y);
	sm_slice_put(y, v->dim, &v->view, 0, out);
	if (!v->b->ready)
		sm_translator_out(t, 1, out, n);
	return SM_OK;
}

const char *sm_between_trained_on(const struct sm_between *b)
{
	return b->translator.about.domain[0];
}

bool sm_between_takes(const struct sm_between *b, const struct sm_between_source *s)
{
	const char *domain = sm_between_trained_on(b);
	/* "image": the training named none. */
	if (strcmp(s->role, domain) == 0 || strcmp(domain, "image") == 0)
		return true;
	if (sm_modality_known(s->role) && !sm_modality_is(s->role, domain))
		return false;
	if (s->modality && sm_modality_known(domain))
		return sm_modality_is(s->modality, domain);
	return strcmp(s->role, "image") == 0 || sm_modality_is(s->role, domain);
}

/* The modality whose values have a unit; NULL when several have it. */
static const char *modality_of(const char *unit)
{
	if (strcmp(unit, sm_meaning_name(SM_MEANING_HU)) == 0)
		return "CT";
	return strcmp(unit, sm_meaning_name(SM_MEANING_SUV)) == 0 ? "PT" : NULL;
}

static enum sm_status check_kind(const struct sm_between *b, const struct sm_between_source *s,
				 struct sm_err *err)
{
	const char *unit = b->translator.about.unit[0], *only = modality_of(unit);
	if (!sm_between_takes(b, s))
		return SM_FAIL(err, SM_INPUT, "%s: is %s, the network was trained on %s alone",
			       s->role, s->modality ? s->modality : "another volume",
			       sm_between_trained_on(b));
	if (only && s->modality && !sm_modality_is(s->modality, only))
		return SM_FAIL(err, SM_INPUT, "%s: is %s, the network knows %s of %s alone",
			       s->role, s->modality, unit, only);
	return SM_OK;
}

static enum sm_status check_values(const struct sm_between *b, const struct sm_vol *vol,
				   const struct sm_between_source *s, struct sm_item *item,
				   struct sm_err *err)
{
	const char *name = s->role, *unit = b->translator.about.unit[0], *own = sm_meaning_name(vol->meaning);
	double low, high;
	size_t bad;
	sm_vol_range(vol, &low, &high, &bad);
	if (bad)
		return SM_FAIL(err, SM_INPUT,
			       "%s: holds %zu values that are NaN or infinite, allowed are 0", name,
			       bad);
	if (b->ready)
		return SM_OK;
	if (!sm_translator_has_unit(&b->translator, 0)) {
		if (low >= -1 - SLACK && high <= 1 + SLACK)
			return SM_OK;
		return SM_FAIL(err, SM_INPUT,
			       "%s: values go from %g to %g, the network knows -1 to 1 alone (its "
			       "training's "
			       "preprocess has no fixed scale): give --in a folder of preprocess "
			       "made as for "
			       "the training",
			       name, low, high);
	}
	if (strcmp(unit, own) == 0)
		return SM_OK;
	if (s->told || vol->meaning != SM_MEANING_ARBITRARY)
		return SM_FAIL(err, SM_INPUT, "%s: its values are %s, the network knows %s alone",
			       name, own, unit);
	sm_item_warn(
		item,
		"%s: no sidecar says what its values are: they are taken for %s (%g to %g here)",
		name, unit, low, high);
	return SM_OK;
}

static enum sm_status check_axis(const struct sm_between *b, const struct sm_interleave *il,
				 const struct sm_slice_view *view, const char *name,
				 struct sm_err *err)
{
	static const char axes[] = "xyz";
	if (view->normal != il->from.axis)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: slices along %c are to be filled, the network was trained on %s ones, "
			"which lie along %c here: allowed is --axis %c",
			name, axes[il->from.axis],
			sm_plane_name((enum sm_plane)b->translator.about.plane), axes[view->normal],
			axes[view->normal]);
	return SM_OK;
}

/* What the network saw of slices that are not of its sizes goes to the record. */
static void note_padding(const struct volume *v, const char *role, struct sm_item *item)
{
	json_t *all = json_object_get(item->record, "padded");
	const int64_t size[2] = {v->wide, v->high};
	if (v->wide == v->view.width && v->high == v->view.height)
		return;
	if (!all) {
		all = json_object();
		json_object_set_new(item->record, "padded", all);
	}
	json_object_set_new(all, role, sm_json_ints(size, 2));
}

enum sm_status sm_between_fill(struct sm_between *b, struct sm_interleave *il,
			       const struct sm_between_source *source, struct sm_item *item,
			       struct sm_err *err)
{
	const char *name = source->role;
	const struct sm_translation *about = &b->translator.about;
	struct sm_mem *mem = &item->run->mem;
	struct volume v = {.b = b, .key = source->key};
	sm_slice_plan(il->source, (enum sm_plane)about->plane,
		      about->stored ? SM_VIEW_STORED : SM_VIEW_RADIOLOGICAL, &v.view);
	SM_TRY(check_kind(b, source, err));
	SM_TRY(check_axis(b, il, &v.view, name, err));
	SM_TRY(check_values(b, il->source, source, item, err));
	/* A slice as planes.c gives it is a volume of one slice along the axis. */
	memcpy(v.dim, il->source->dim, sizeof v.dim);
	v.dim[il->from.axis] = 1;
	v.view.count = 1;
	SM_TRY(sm_translator_pads(&b->translator, v.view.width, v.view.height, name, &v.wide,
				  &v.high, err));
	note_padding(&v, name, item);
	v.room = sm_alloc(mem, (size_t)(v.wide * v.high), 2 * sizeof *v.room, "slices", err);
	if (!v.room)
		return SM_BUDGET;
	const struct sm_filler filler = {.method = SM_FILL_MIDDLE, .middle = middle, .ctx = &v};
	pthread_mutex_lock(&b->lock);
	enum sm_status st = sm_translator_size(&b->translator, v.wide, v.high, err);
	if (st == SM_OK)
		st = sm_interleave_fill(il, &filler, 1, mem, err);
	pthread_mutex_unlock(&b->lock);
	sm_free(v.room);
	return st;
}
