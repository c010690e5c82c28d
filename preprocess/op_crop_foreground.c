/* SPDX-License-Identifier: Apache-2.0
 *
 * crop_foreground: cuts every volume to the smallest box that holds the mask (when the case has
 * one) or every voxel with a nonzero intensity in any volume, plus `margin` voxels, within the old
 * grid.
 */
#include <stdlib.h>
#include <string.h>

#include "preprocess/grid.h"
#include "preprocess/op_table.h"

struct crop_foreground {
	int64_t margin;
};

#define AT(member) .offset = offsetof(struct crop_foreground, member)
static const struct sm_field fields[] = {
	{"margin", SM_F_INT, AT(margin), "0", 0, 4096, .doc = "voxels kept around the box"},
};
const struct sm_fieldset sm_op_crop_foreground_fields =
	SM_FIELDSET("crop_foreground", struct crop_foreground, fields, "to the foreground");

struct box {
	int64_t lo[3], hi[3]; /* hi is the last voxel */
};

static void grow(struct box *b, int64_t x, int64_t y, int64_t z)
{
	const int64_t at[3] = {x, y, z};
	for (int a = 0; a < 3; a++) {
		b->lo[a] = at[a] < b->lo[a] ? at[a] : b->lo[a];
		b->hi[a] = at[a] > b->hi[a] ? at[a] : b->hi[a];
	}
}

/* By the mask, or by real values: the volumes keep their numbers as they are stored. */
static void find_box(const struct sm_case *c, float *row, struct box *box)
{
	const uint8_t *mask = c->mask.data;
	for (size_t i = 0; i < (mask ? 1 : c->count); i++) {
		const struct sm_vol *v = mask ? &c->mask : &c->vols[i].vol;
		const int64_t nx = v->dim[0], ny = v->dim[1], nz = v->dim[2];
		for (int64_t line = 0; line < ny * nz * v->dim[3]; line++) {
			sm_vol_run_f32(v, (size_t)(line * nx), (size_t)nx, row);
			for (int64_t x = 0; x < nx; x++)
				if (row[x] != 0)
					grow(box, x, line % ny, line / ny % nz);
		}
	}
}

enum sm_status sm_op_crop_foreground(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct crop_foreground *p = params;
	SM_TRY(sm_case_one_grid(c, err));
	SM_TRY(sm_case_on_grid(c, &c->label, "the label", err));
	SM_TRY(sm_case_on_grid(c, &c->mask, "the mask", err));
	SM_TRY(sm_case_on_grid(c, &c->regions, "the regions", err));
	const int64_t *d = c->vols[0].vol.dim;
	struct box box = {{d[0], d[1], d[2]}, {-1, -1, -1}};
	float *row = sm_alloc(c->mem, (size_t)d[0], sizeof *row, "row of a volume", err);
	if (!row)
		return SM_BUDGET;
	find_box(c, row, &box);
	sm_free(row);
	if (box.hi[0] < 0)
		return SM_FAIL(err, SM_INPUT, "%s: %s is 0 everywhere, so there is no foreground",
			       c->key, c->mask.data ? "the mask" : "every volume");
	int64_t dim[3], shift[3];
	for (int a = 0; a < 3; a++) {
		int64_t lo = box.lo[a] - p->margin, hi = box.hi[a] + p->margin;
		lo = lo < 0 ? 0 : lo;
		hi = hi > d[a] - 1 ? d[a] - 1 : hi;
		dim[a] = hi - lo + 1;
		shift[a] = -lo;
	}
	return sm_case_regrid(c, dim, shift, 0, err);
}
