/* SPDX-License-Identifier: Apache-2.0
 *
 * The sample picture of an epoch: image, truth, prediction of a plane of one validation tile.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "train/fit.h"
#include "train/paint.h"

#define LOOKED_AT \
	64 /* validation tiles among which one with a labelled middle plane is looked for */
#define THRESHOLD 0.5

/* The tile is the same in all epochs and all runs. */
static enum sm_status choose(struct sm_fit *fit, struct sm_err *err)
{
	if (fit->picture_known)
		return SM_OK;
	SM_TRY(sm_tiles_find_label(fit->valid, LOOKED_AT, &fit->picture, err));
	if (fit->picture == sm_tiles_count(fit->valid))
		fit->picture = 0;
	fit->picture_known = true;
	return SM_OK;
}

/* Runs the network on the tile; *p is the output of its middle plane, x its input, y its labels. */
static enum sm_status predict(struct sm_fit *fit, uint8_t *y, float *first, const float **p,
			      struct sm_err *err)
{
	struct sm_tile_shape s = sm_tiles_shape(fit->valid);
	struct sm_shape xs, ps;
	size_t plane = (size_t)(s.height * s.width), voxels = plane * (size_t)s.depth;
	float *x = sm_net_buffer(fit->net, "x", &xs);
	SM_TRY(sm_tiles_read(fit->valid, fit->picture, first, y, err));
	memset(x, 0, sm_shape_count(xs) * sizeof *x);
	sm_to_channels_last(first, (int)s.channels, voxels, x);
	sm_net_set_valid(fit->net, 1);
	SM_TRY(sm_net_forward(fit->net, err));
	*p = sm_net_buffer(fit->net, "p", &ps);
	*p += (size_t)(s.depth / 2) * plane * (size_t)ps.c;
	return SM_OK;
}

static enum sm_status draw(struct sm_fit *fit, float *x, uint8_t *y, uint8_t *predicted,
			   struct sm_image *image, struct sm_err *err)
{
	struct sm_tile_shape s = sm_tiles_shape(fit->valid);
	size_t n = (size_t)(s.height * s.width), middle = (size_t)(s.depth / 2) * n;
	const float *p = NULL;
	SM_TRY(predict(fit, y, x, &p, err));
	sm_task_labels(&fit->state.task, p, n, THRESHOLD, predicted);
	struct sm_slice_view plane = {.width = s.width, .height = s.height, .x = x + middle};
	SM_TRY(sm_paint_begin(image, &plane, 3, fit->mem, err));
	sm_view_range(&plane);
	sm_paint(&plane, NULL, image, 0);
	sm_paint(&plane, y + middle, image, 1);
	sm_paint(&plane, predicted, image, 2);
	return SM_OK;
}

enum sm_status sm_fit_picture(struct sm_fit *fit, struct sm_err *err)
{
	struct sm_tile_shape s = sm_tiles_shape(fit->valid);
	size_t voxels = (size_t)(s.depth * s.height * s.width);
	struct sm_image image = {0};
	char name[64];
	SM_TRY(choose(fit, err));
	float *x = sm_alloc(fit->mem, voxels * (size_t)s.channels, sizeof *x, "a picture", err);
	uint8_t *y = x ? sm_alloc(fit->mem, voxels, 2, "a picture", err) : NULL;
	enum sm_status st = y ? draw(fit, x, y, y + voxels, &image, err) : SM_BUDGET;
	sm_fit_pictured(fit, fit->state.epoch, name);
	char *path = sm_path_join(fit->dir, name);
	if (st == SM_OK && !path)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	if (st == SM_OK)
		st = sm_png_write(path, &image, err);
	free(path);
	sm_image_clear(&image);
	sm_free(y);
	sm_free(x);
	return st;
}
