/* SPDX-License-Identifier: Apache-2.0
 *
 * pad_crop: every volume of the case to `size` voxels, with the old grid at the centre (low side
 * gets floor((new - old) / 2) voxels, or loses floor((old - new) / 2)) or at the first corner.
 * Label and mask are padded with 0. The affine follows, so each voxel keeps its place in
 * millimetres.
 */
#include "preprocess/case.h"
#include "preprocess/op_table.h"

struct pad_crop {
	struct sm_ints size;
	int at;
	double fill;
};
enum { AT_CENTRE, AT_CORNER };

#define AT(member) .offset = offsetof(struct pad_crop, member)
static const struct sm_field fields[] = {
	{"size", SM_F_INTS, AT(size), NULL, 0, 4096, .count = 3, .required = true,
	 .doc = "new x, y, z in voxels; 0 keeps an axis"},
	{"at", SM_F_CHOICE, AT(at), "centre", .choices = "centre|corner",
	 .doc = "where the old grid lies"},
	{"fill", SM_F_FLOAT, AT(fill), "0", -1e9, 1e9, .doc = "intensity of new voxels"},
};
const struct sm_fieldset sm_op_pad_crop_fields =
	SM_FIELDSET("pad_crop", struct pad_crop, fields, "to a size");

enum sm_status sm_op_pad_crop_check(const void *params, struct sm_err *err)
{
	const struct pad_crop *p = params;
	if (p->size.v[0] == 0 && p->size.v[1] == 0 && p->size.v[2] == 0)
		return SM_FAIL(
			err, SM_USAGE,
			"size: found 0 for every axis, which changes nothing: at least one must be "
			"above 0");
	return SM_OK;
}

enum sm_status sm_op_pad_crop(struct sm_case *c, const void *params, struct sm_err *err)
{
	const struct pad_crop *p = params;
	int64_t dim[3], shift[3];
	SM_TRY(sm_case_one_size(c, err));
	for (int a = 0; a < 3; a++) {
		int64_t old = c->vols[0].vol.dim[a];
		dim[a] = p->size.v[a] ? p->size.v[a] : old;
		shift[a] = p->at == AT_CORNER ? 0
			   : dim[a] >= old    ? (dim[a] - old) / 2
					      : -((old - dim[a]) / 2);
	}
	return sm_case_regrid(c, dim, shift, p->fill, err);
}
