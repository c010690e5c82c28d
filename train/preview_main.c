/* SPDX-License-Identifier: Apache-2.0
 *
 * Tool preview: the first samples of an epoch as the network would get them, beside the tiles that
 * they are made of, as pictures.
 */
#include <stdlib.h>
#include <string.h>

#include "core/stage.h"
#include "core/text.h"
#include "manifests/schema.h"
#include "train/augment.h"
#include "train/paint.h"

struct options {
	char *split;
	int64_t count, epoch;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"split", SM_F_STRING, AT(split), .path = true, .doc = "folder of split"},
	{"count", SM_F_INT, AT(count), "12", 1, 9999, .doc = "samples"},
	{"epoch", SM_F_INT, AT(epoch), "1", 1, 1e6, .doc = "of which epoch"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("preview", struct options, fields, "options of preview");

struct preview {
	struct sm_run *run;
	const struct sm_train_section *s;
	struct sm_tiles *tiles;
	struct sm_tile_shape shape;
	size_t voxels;
	struct sm_augment augment;
	float *x, *changed;
	uint8_t *y, *moved;
	void *scratch;
	uint64_t seed;
};

static enum sm_status open_tiles(struct preview *p, struct sm_err *err)
{
	static const char *const stages[] = {"tile", "slice"};
	const struct options *o = p->run->options;
	const struct sm_manifest_root *m = p->run->manifest;
	struct sm_ledger data = {0}, split = {0};
	enum sm_status st;
	if (!o->split)
		return SM_FAIL(err, SM_USAGE, "--split: is missing (--help lists the options)");
	if (m->dataset > SM_LAST_SLICE)
		return SM_FAIL(err, SM_USAGE,
			       "dataset: found pair, allowed for preview is tile or slice");
	SM_GOTO(st, sm_ledger_read(p->run->in, stages[m->dataset], &data, err));
	SM_GOTO(st, sm_ledger_read(o->split, "split", &split, err));
	SM_GOTO(st,
		sm_tiles_list(p->run->in, &data, &split, "train", &p->run->mem, &p->tiles, err));
	p->shape = sm_tiles_shape(p->tiles);
	p->voxels = (size_t)(p->shape.depth * p->shape.height * p->shape.width);
out:
	sm_ledger_clear(&data);
	sm_ledger_clear(&split);
	return st;
}

static enum sm_status allocate(struct preview *p, struct sm_err *err)
{
	struct sm_mem *mem = &p->run->mem;
	size_t n = p->voxels * (size_t)p->shape.channels;
	p->x = sm_alloc(mem, n, sizeof *p->x, "a sample", err);
	p->changed = p->x ? sm_alloc(mem, n, sizeof *p->x, "a sample", err) : NULL;
	p->y = p->changed ? sm_alloc(mem, p->voxels, 1, "a sample", err) : NULL;
	p->moved = p->y ? sm_alloc(mem, p->voxels, 1, "a sample", err) : NULL;
	p->scratch = p->moved ? sm_alloc(mem, sm_augment_scratch(&p->augment, &p->shape) + 1, 1,
					 "a sample", err)
			      : NULL;
	return p->scratch ? SM_OK : SM_BUDGET;
}

/* The slice with the most labelled voxels, the middle one when none has any. */
static int64_t slice_of(const struct preview *p, const uint8_t *label)
{
	int64_t n = p->shape.height * p->shape.width, best = p->shape.depth / 2, most = 0;
	for (int64_t z = 0; z < p->shape.depth; z++) {
		int64_t own = 0;
		for (int64_t i = 0; i < n; i++)
			own += label[z * n + i] > 0;
		if (own > most) {
			most = own;
			best = z;
		}
	}
	return best;
}

/* Sample i of the epoch: the tile, its labels, the augmented sample, its labels, all of the first
 * channel; each in the slice with the most labels (a mirrored sample has it elsewhere). */
static enum sm_status draw(struct preview *p, size_t tile, size_t i, struct sm_err *err)
{
	const struct options *o = p->run->options;
	size_t n = p->voxels * (size_t)p->shape.channels;
	struct sm_image image = {0};
	char *path = NULL, name[32];
	enum sm_status st;
	SM_TRY(sm_tiles_read(p->tiles, tile, p->x, p->y, err));
	memcpy(p->changed, p->x, n * sizeof *p->x);
	memcpy(p->moved, p->y, p->voxels);
	sm_augment_apply(&p->augment, p->seed, o->epoch - 1, i, &p->shape, p->changed, p->moved,
			 p->scratch);
	int64_t slice = p->shape.height * p->shape.width;
	size_t at = (size_t)(slice_of(p, p->y) * slice),
	       moved = (size_t)(slice_of(p, p->moved) * slice);
	struct sm_slice_view plane = {
		.width = p->shape.width, .height = p->shape.height, .x = p->x + at};
	SM_GOTO(st, sm_paint_begin(&image, &plane, 4, &p->run->mem, err));
	sm_view_range(&plane);
	sm_paint(&plane, NULL, &image, 0);
	sm_paint(&plane, p->y + at, &image, 1);
	plane.x = p->changed + moved;
	sm_paint(&plane, NULL, &image, 2);
	sm_paint(&plane, p->moved + moved, &image, 3);
	snprintf(name, sizeof name, "preview-%04zu.png", i + 1);
	path = sm_path_join(p->run->out, name);
	st = path ? sm_png_write(path, &image, err)
		  : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
out:
	free(path);
	sm_image_clear(&image);
	return st;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	const struct sm_train_section *s = ((const struct sm_manifest_root *)run->manifest)->train;
	struct preview p = {.run = run, .s = s};
	size_t *order = NULL;
	char names[256];
	enum sm_status st;
	p.seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)s->seed;
	SM_GOTO(st, open_tiles(&p, err));
	SM_GOTO(st,
		sm_augment_init(&p.augment, (enum sm_augment_preset)s->augment, &s->augmentations,
				(enum sm_augment_border)s->augment_border, err));
	SM_GOTO(st, allocate(&p, err));
	order = malloc((size_t)o->count * sizeof *order);
	st = order ? sm_loader_order(p.seed, o->epoch - 1, sm_tiles_count(p.tiles), order,
				     (size_t)o->count, err)
		   : SM_FAIL(err, SM_BUDGET, "preview: out of memory");
	if (st == SM_OK)
		st = sm_mkdirs(run->out, err);
	for (int64_t i = 0; st == SM_OK && i < o->count; i++)
		st = draw(&p, order[i], (size_t)i, err);
	sm_augment_list(&p.augment, names, sizeof names);
	if (st == SM_OK)
		sm_info(&run->log, NULL,
			"%lld pictures of the first channel: tile, its labels, the sample, its "
			"labels; "
			"augmented by: %s",
			(long long)o->count, p.augment.n ? names : "nothing");
out:
	free(order);
	sm_free(p.x);
	sm_free(p.changed);
	sm_free(p.y);
	sm_free(p.moved);
	sm_free(p.scratch);
	sm_augment_clear(&p.augment);
	sm_tiles_free(p.tiles);
	return st;
}

static const char *const sections[] = {"train", NULL};

static const struct sm_stage stage = {
	.name = "preview",
	.summary = "pictures of training samples as augmentation makes them",
	.details = "Reads the folders of tile (or slice: manifest key dataset) and split; writes "
		   "the first "
		   "samples of an epoch\n"
		   "as preview-0001.png and so on: the tile, its labels, the augmented sample, its "
		   "labels. They are the samples\n"
		   "that train takes with the same manifest and seed (batch_of samples).\n"
		   "  scanmill preview --manifest m.yaml --in work/tile --split work/split --out "
		   "work/preview",
	.version = 1,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT | SM_NO_LEDGER,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
