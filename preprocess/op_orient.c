/* SPDX-License-Identifier: Apache-2.0
 *
 * orient: axes are swapped and flipped so that x, y and z grow towards the three sides named
 * ("RAS": right, anterior, superior). Of an oblique volume each axis goes to the side that it is
 * nearest to: the assignment of axes to sides with the largest sum of cosines. Voxels are copied,
 * never interpolated, and keep their place in millimetres; each volume is turned by its own affine.
 * The same as nibabel's as_reoriented with io_orientation's
 * axes. */
#include <string.h>

#include "preprocess/grid.h"
#include "preprocess/op_table.h"

struct orient {
	char *axes;
};

#define AT(member) .offset = offsetof(struct orient, member)
static const struct sm_field fields[] = {
	{"axes", SM_F_STRING, AT(axes), "RAS",
	 .doc = "sides to which x, y and z grow: one each of R or L, A or P, S or I"},
};
const struct sm_fieldset sm_op_orient_fields =
	SM_FIELDSET("orient", struct orient, fields, "axes to named sides");

/* 0, 1, 2 for the world axis of a side, or -1; *flip is whether it is L, P or I. */
static int world_axis(char side, bool *flip)
{
	static const char sides[] = "RASLPI";
	const char *at = side ? strchr(sides, side) : NULL;
	if (!at)
		return -1;
	*flip = at - sides >= 3;
	return (int)(at - sides) % 3;
}

enum sm_status sm_op_orient_check(const void *params, struct sm_err *err)
{
	const struct orient *p = params;
	bool seen[3] = {false}, flip;
	bool good = p->axes && strlen(p->axes) == 3;
	for (int a = 0; good && a < 3; a++) {
		int w = world_axis(p->axes[a], &flip);
		good = w >= 0 && !seen[w];
		if (good)
			seen[w] = true;
	}
	if (good)
		return SM_OK;
	return SM_FAIL(
		err, SM_USAGE,
		"axes: found '%s', allowed are three letters, one each of R or L, A or P, S or I",
		p->axes ? p->axes : "");
}

static void plan_of(const void *ctx, const struct sm_vol *v, struct sm_target *t)
{
	const char *axes = ctx;
	char own[4];
	double map[4][4] = {{0}};
	int64_t dim[3];
	sm_vol_axes(v, own);
	map[3][3] = 1;
	for (int a = 0; a < 3; a++) {
		bool wanted = false, is = false;
		int w = world_axis(axes[a], &wanted), from = 0;
		while (world_axis(own[from], &is) != w)
			from++;
		dim[a] = v->dim[from];
		map[from][a] = wanted == is ? 1 : -1;
		map[from][3] = wanted == is ? 0 : (double)(v->dim[from] - 1);
	}
	sm_target_map(v, dim, map, t);
}

enum sm_status sm_op_orient(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct orient *p = params;
	const struct sm_resample how = {.method = SM_NEAREST};
	SM_TRY(sm_op_orient_check(params, err));
	return sm_case_move_each(c, plan_of, p->axes, &how, err);
}
