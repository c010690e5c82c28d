/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage slice: planes of each case's volumes as PNG.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/par.h"
#include "core/stage.h"
#include "manifests/roles.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"
#include "preprocess/slice.h"

struct options {
	char *role;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"role", SM_F_STRING, AT(role),
	 .doc = "only this volume or channel; a label's or mask's pixels are its numbers; absent = "
		"every image"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("slice", struct options, fields, "options of slice");

/* The slices of one frame of one volume. */
struct drawing {
	const struct sm_slice_section *s;
	struct sm_item *item;
	struct sm_slice_view view;
	char name[SM_ROLE_MAX + 24];
	const float *frame; /* or */
	const uint8_t *labels;
	int64_t dim[3];
	int64_t first;
	double low, high;
	char **paths, (*hashes)[65];
};

static enum sm_status draw_one(void *ctx, size_t k, struct sm_err *err)
{
	struct drawing *d = ctx;
	struct sm_run *run = d->item->run;
	struct sm_image image = {0};
	int64_t index = d->first + (int64_t)k;
	const char *key = d->item->key;
	int bits = d->labels || d->s->bits == SM_SLICE_8 ? 8 : 16;
	d->paths[k] = sm_strf("%s/%s_%s_%04lld.png", key, key, d->name, (long long)index);
	char *path = d->paths[k] ? sm_path_join(run->out, d->paths[k]) : NULL;
	enum sm_status st = path ? SM_OK : SM_FAIL(err, SM_BUDGET, "%s: out of memory", key);
	if (st == SM_OK)
		st = sm_image_init(&image, d->view.width, d->view.height, 1, bits, &run->mem, err);
	if (st != SM_OK)
		goto out;
	if (d->labels)
		sm_slice_draw_labels(d->labels, d->dim, &d->view, index, &image);
	else
		sm_slice_draw(d->frame, d->dim, &d->view, index, d->low, d->high, &image);
	SM_GOTO(st, sm_png_write(path, &image, err));
	sm_image_sha256(&image, d->hashes[k]);
out:
	sm_image_clear(&image);
	free(path);
	return st;
}

/* Draws all slices wanted and adds the files to the record. */
static enum sm_status draw(struct drawing *d, struct sm_err *err)
{
	int64_t last = d->s->last >= 0 ? d->s->last : d->view.count - 1;
	enum sm_status st;
	d->first = d->s->first;
	if (d->first > last || last >= d->view.count)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s has slices 0 to %lld, slice.first and slice.last ask for "
			       "%lld to %lld",
			       d->item->key, d->name, (long long)d->view.count - 1,
			       (long long)d->first, (long long)last);
	size_t n = (size_t)(last - d->first + 1);
	d->paths = calloc(n, sizeof *d->paths);
	d->hashes = calloc(n, sizeof *d->hashes);
	if (!d->paths || !d->hashes)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", d->item->key);
	else
		st = sm_par_for(n, d->item->jobs, draw_one, d, err);
	/* Also after a failure: whoever rejects the case removes the files named here. */
	for (size_t k = 0; d->paths && k < n; k++) {
		enum sm_status add = SM_OK;
		if (d->hashes && d->hashes[k][0])
			add = sm_item_output(d->item, d->name, d->paths[k], d->hashes[k],
					     st == SM_OK ? err : NULL);
		st = st == SM_OK ? add : st;
		free(d->paths[k]);
	}
	free(d->paths);
	free(d->hashes);
	d->paths = NULL;
	d->hashes = NULL;
	return st;
}

static void range(const float *v, size_t n, double *low, double *high)
{
	*low = *high = (double)v[0];
	for (size_t i = 1; i < n; i++) {
		*low = (double)v[i] < *low ? (double)v[i] : *low;
		*high = (double)v[i] > *high ? (double)v[i] : *high;
	}
}

/* One intensity volume, frame by frame. */
static enum sm_status draw_volume(struct sm_case *c, size_t which, const char *role,
				  struct drawing *d, json_t *windows, size_t *drawn,
				  struct sm_err *err)
{
	struct sm_vol *v = &c->vols[which].vol;
	size_t frame = sm_vol_frame_count(v);
	SM_TRY(sm_vol_to_f32(v, c->mem, c->jobs, err));
	sm_slice_plan(v, (enum sm_plane)d->s->plane, &d->view);
	memcpy(d->dim, v->dim, sizeof d->dim);
	for (int64_t f = 0; f < v->dim[3]; f++) {
		if (c->stacked)
			snprintf(d->name, sizeof d->name, "%s", c->channels[f]);
		else if (v->dim[3] > 1)
			snprintf(d->name, sizeof d->name, "%s_f%03lld", c->vols[which].role,
				 (long long)f);
		else
			snprintf(d->name, sizeof d->name, "%s", c->vols[which].role);
		if (role && strcmp(role, d->name) != 0 && strcmp(role, c->vols[which].role) != 0)
			continue;
		d->frame = (const float *)v->data + (size_t)f * frame;
		range(d->frame, frame, &d->low, &d->high);
		if (d->s->window.n == 2) {
			d->low = d->s->window.v[0];
			d->high = d->s->window.v[1];
		}
		json_object_set_new(windows, d->name, json_pack("[ff]", d->low, d->high));
		SM_TRY(draw(d, err));
		(*drawn)++;
	}
	return SM_OK;
}

static enum sm_status draw_case(struct sm_case *c, const struct sm_cases *cases,
				struct sm_item *item, struct sm_err *err)
{
	const struct options *o = item->run->options;
	struct drawing d = {.s = ((const struct sm_manifest_root *)item->run->manifest)->slice,
			    .item = item};
	json_t *windows = json_object();
	size_t drawn = 0;
	json_object_set_new(item->record, "windows", windows);
	const struct sm_vol *marks = NULL;
	if (o->role && sm_role_is_label(cases->parent.header, o->role))
		marks = &c->label;
	else if (o->role && strcmp(o->role, "mask") == 0)
		marks = &c->mask;
	if (marks && marks->data) {
		sm_slice_plan(marks, (enum sm_plane)d.s->plane, &d.view);
		memcpy(d.dim, marks->dim, sizeof d.dim);
		snprintf(d.name, sizeof d.name, "%.*s", SM_ROLE_MAX, o->role);
		d.labels = marks->data;
		SM_TRY(draw(&d, err));
		drawn++;
	}
	for (size_t i = 0; !marks && i < c->count; i++)
		SM_TRY(draw_volume(c, i, o->role, &d, windows, &drawn, err));
	if (!drawn)
		return SM_FAIL(err, SM_INPUT, "%s: has no volume or channel '%s'", c->key, o->role);
	json_object_set_new(item->record, "pixel_mm", sm_json_floats(d.view.pixel_mm, 2));
	json_object_set_new(item->record, "slice_mm", json_real(d.view.slice_mm));
	return SM_OK;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_cases *cases = ctx;
	struct sm_case c = {0};
	SM_TRY(sm_cases_load(cases, i, item->jobs, &c, err));
	sm_cases_patient(cases, i, item->record);
	char *dir = sm_path_join(item->run->out, item->key);
	enum sm_status st =
		dir ? sm_mkdirs(dir, err) : SM_FAIL(err, SM_BUDGET, "%s: out of memory", c.key);
	if (st == SM_OK)
		st = draw_case(&c, cases, item, err);
	free(dir);
	sm_case_clear(&c);
	return st;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	struct sm_cases cases = {0};
	SM_TRY(sm_cases_open(run, &cases, err));
	struct sm_items items = {.count = cases.count,
				 .noun = "cases",
				 .ctx = &cases,
				 .key = sm_cases_key,
				 .inputs = sm_cases_inputs,
				 .work = work};
	enum sm_status st = sm_run_items(run, &items, err);
	sm_cases_close(&cases);
	return st;
}

static const char *const sections[] = {"slice", NULL};

static const struct sm_stage stage = {
	.name = "slice",
	.summary = "planes of each volume as PNG pictures",
	.details = "Reads the folder of ingest or preprocess; writes "
		   "<case>/<case>_<role>_<index>.png, where index\n"
		   "counts along the volume's own axis. Radiological orientation: the patient's "
		   "right is on the\n"
		   "left of axial and coronal pictures, the front at the top of axial and on the "
		   "left of sagittal ones.\n"
		   "  scanmill slice --in work/ingest --out work/slice",
	.version = 3,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
