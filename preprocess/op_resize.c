/* SPDX-License-Identifier: Apache-2.0
 *
 * resize: every volume to `size` voxels over the same extent: along an axis of n old and m new
 * voxels the centre of new voxel i lies at old index (i + 0.5) n / m - 0.5 (half-pixel centres).
 * With method linear and no antialias this is OpenCV's INTER_LINEAR and PyTorch's interpolate with
 * align_corners=False; with antialias kernel it is PIL's resize (linear = BILINEAR, catmull_rom =
 * BICUBIC, sinc with 3 lobes = LANCZOS), with area OpenCV's INTER_AREA. Spacing and affine follow.
 * Methods: preprocess/resample.h.
 */

#include "preprocess/grid.h"
#include "preprocess/op_table.h"

struct resize {
	struct sm_ints size;
	struct sm_interpolation between;
};

#define AT(member) .offset = offsetof(struct resize, member)
static const struct sm_field fields[] = {
	{"size", SM_F_INTS, AT(size), NULL, 0, SM_GRID_MAX, .required = true,
	 .doc = "new x, y and, where wanted, z in voxels; 0 keeps an axis"},
	SM_INTERPOLATION_FIELDS(struct resize, between),
};
const struct sm_fieldset sm_op_resize_fields =
	SM_FIELDSET("resize", struct resize, fields, "to a size");

enum sm_status sm_op_resize_check(const void *params, struct sm_err *err)
{
	const struct resize *p = params;
	if (p->size.n != 2 && p->size.n != 3)
		return SM_FAIL(err, SM_USAGE, "size: found %zu numbers, allowed are 2 or 3",
			       p->size.n);
	if (p->size.v[0] == 0 && p->size.v[1] == 0 && (p->size.n == 2 || p->size.v[2] == 0))
		return SM_FAIL(
			err, SM_USAGE,
			"size: found 0 for every axis, which changes nothing: at least one must be "
			"above 0");
	return sm_interpolation_check(&p->between, err);
}

static void plan_of(const void *ctx, const struct sm_vol *v, struct sm_target *t)
{
	const struct sm_ints *size = ctx;
	double map[4][4] = {[3][3] = 1};
	int64_t dim[3];
	for (size_t a = 0; a < 3; a++) {
		int64_t wanted = a < size->n ? size->v[a] : 0;
		dim[a] = wanted ? wanted : v->dim[a];
		double step = (double)v->dim[a] / (double)dim[a];
		map[a][a] = step;
		map[a][3] = (step - 1) / 2;
	}
	sm_target_map(v, dim, map, t);
}

enum sm_status sm_op_resize(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct resize *p = params;
	const struct sm_resample how = sm_interpolation_how(&p->between);
	SM_TRY(sm_op_resize_check(params, err));
	return sm_case_move_each(c, plan_of, &p->size, &how, err);
}
