/* SPDX-License-Identifier: Apache-2.0 */
#include "core/par.h"
#include "eval/image_parts.h"
#include "preprocess/morphology.h"
#include "preprocess/threshold.h"

#define AIR_HU (-300.0) /* between air and fat, as remove_background's preset `head` */

enum sm_status sm_body_mask(const float *v, const int64_t dim[3], const double spacing[3],
			    enum sm_meaning meaning, const char *name,
			    const struct sm_body_settings *s, struct sm_mem *mem, int jobs,
			    uint8_t *mask, struct sm_body *out, struct sm_err *err)
{
	const struct sm_grid g = {.n = {dim[0], dim[1], dim[2]},
				  .spacing = {spacing[0], spacing[1], spacing[2]},
				  .mem = mem,
				  .jobs = jobs};
	const size_t n = (size_t)(dim[0] * dim[1] * dim[2]);
	double lo, hi;
	*out = (struct sm_body){.threshold = s->value};
	SM_TRY(sm_image_refuse(v, name, dim, 1, jobs, err));
	sm_value_range(v, n, &lo, &hi);
	out->hu = s->rule == SM_BODY_AUTO && meaning == SM_MEANING_HU;
	if (out->hu) {
		out->threshold = AIR_HU;
		if (lo > AIR_HU)
			return SM_FAIL(err, SM_INPUT,
				       "%s: counts as CT in Hounsfield units, but holds no air: "
				       "its smallest "
				       "value is %g, needed is %g or less (a threshold that is "
				       "given overrides "
				       "this)",
				       name, lo, AIR_HU);
	} else if (s->rule != SM_BODY_VALUE) {
		if (!(lo < hi))
			return SM_FAIL(err, SM_INPUT,
				       "%s: is %g everywhere: there is no body to separate", name,
				       lo);
		out->threshold = sm_threshold_otsu(v, n, lo, hi);
	}
	for (size_t i = 0; i < n; i++)
		mask[i] = (double)v[i] > out->threshold;
	SM_TRY(sm_mask_erode(mask, &g, s->opening, err));
	SM_TRY(sm_mask_largest(mask, &g, NULL, err));
	SM_TRY(sm_mask_dilate(mask, &g, s->opening, err));
	SM_TRY(sm_mask_fill_planes(mask, &g, s->axis, err));
	out->voxels = sm_mask_count(mask, &g);
	return out->voxels ? SM_OK
			   : SM_FAIL(err, SM_INPUT,
				     "%s: no voxel is left above the threshold %g (opening %g mm): "
				     "there is no "
				     "body",
				     name, out->threshold, s->opening);
}
