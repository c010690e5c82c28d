/* SPDX-License-Identifier: Apache-2.0
 *
 * rotate90: k quarter turns in the xy plane, as numpy.rot90(v, k) of an array indexed [x][y]. One
 * turn: new (x, y) = old (y, ny - 1 - x). In a picture with row 0 at the top one turn is clockwise,
 * in one with y upwards counter-clockwise. The affine follows, so each voxel keeps its place in
 * millimetres. All volumes turn, whatever their grids.
 */

#include "preprocess/grid.h"
#include "preprocess/op_table.h"

struct rotate90 {
	int64_t k;
};

#define AT(member) .offset = offsetof(struct rotate90, member)
static const struct sm_field fields[] = {
	{"k", SM_F_INT, AT(k), "1", -3, 3,
	 .doc = "quarter turns; negative ones turn the other way"},
};
const struct sm_fieldset sm_op_rotate90_fields =
	SM_FIELDSET("rotate90", struct rotate90, fields, "quarter turns in the xy plane");

enum sm_status sm_op_rotate90_check(const void *params, struct sm_err *err)
{
	if (((const struct rotate90 *)params)->k == 0)
		return SM_FAIL(err, SM_USAGE, "k: found 0, which turns nothing");
	return SM_OK;
}

static void plan_of(const void *ctx, const struct sm_vol *v, struct sm_target *t)
{
	const int k = *(const int *)ctx;
	double map[4][4] = {[2][2] = 1, [3][3] = 1};
	int64_t dim[3] = {v->dim[k % 2], v->dim[1 - k % 2], v->dim[2]};
	double endx = (double)(v->dim[0] - 1), endy = (double)(v->dim[1] - 1);
	switch (k) {
	case 1:
		map[0][1] = 1;
		map[1][0] = -1;
		map[1][3] = endy;
		break;
	case 2:
		map[0][0] = map[1][1] = -1;
		map[0][3] = endx;
		map[1][3] = endy;
		break;
	case 3:
		map[0][1] = -1;
		map[0][3] = endx;
		map[1][0] = 1;
		break;
	default:
		map[0][0] = map[1][1] = 1;
		break;
	}
	sm_target_map(v, dim, map, t);
}

enum sm_status sm_op_rotate90(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct rotate90 *p = params;
	const struct sm_resample how = {.method = SM_NEAREST};
	int k = (int)((p->k % 4 + 4) % 4);
	return sm_case_move_each(c, plan_of, &k, &how, err);
}
