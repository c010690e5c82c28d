/* SPDX-License-Identifier: Apache-2.0
 *
 * crop_foreground: cuts every volume to the smallest box that holds the mask (when the case has
 * one) or every voxel with a nonzero intensity in any volume, plus `margin` voxels, within the old
 * grid.
 */
#include <stdlib.h>
#include <string.h>

#include "preprocess/case.h"
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

enum sm_status sm_op_crop_foreground(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct crop_foreground *p = params;
	struct sm_block *blocks = NULL;
	size_t n = 0;
	SM_TRY(sm_case_one_size(c, err));
	const int64_t *d = c->vols[0].vol.dim;
	struct box box = {{d[0], d[1], d[2]}, {-1, -1, -1}};
	const uint8_t *mask = c->mask.data;
	if (!mask)
		SM_TRY(sm_case_blocks(c, &blocks, &n, err));
	for (size_t b = 0; b < (mask ? 1 : n); b++)
		for (int64_t z = 0; z < (mask ? d[2] : blocks[b].nz); z++)
			for (int64_t y = 0; y < d[1]; y++)
				for (int64_t x = 0; x < d[0]; x++) {
					int64_t i = (z * d[1] + y) * d[0] + x;
					if (mask ? mask[i] != 0 : blocks[b].v[i] != 0)
						grow(&box, x, y, z % d[2]);
				}
	free(blocks);
	if (box.hi[0] < 0)
		return SM_FAIL(err, SM_INPUT, "%s: %s is 0 everywhere, so there is no foreground",
			       c->key, mask ? "the mask" : "every volume");
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
