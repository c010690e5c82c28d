/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/constant.h"

#include <string.h>

enum sm_status sm_case_shows(const struct sm_case *c, const struct sm_vol *vol, int64_t first,
			     int64_t n, const char *name, struct sm_err *err)
{
	const size_t value = sm_dtype_size(vol->dtype), frame = sm_vol_frame_count(vol) * value;
	const bool stacked = c->stacked && vol == &c->vols[0].vol;
	const size_t stretch = stacked ? frame : frame * (size_t)vol->dim[3];
	for (int64_t k = 0; k < (stacked ? n : 1); k++) {
		const char *v =
			(const char *)vol->data + (stacked ? (size_t)(first + k) * frame : 0);
		/* Each value is the one before it. */
		if (memcmp(v, v + value, stretch - value) == 0)
			return SM_FAIL(
				err, SM_INPUT,
				"%s: %s has the same value in every voxel, so it shows nothing",
				c->key, stacked ? c->channels[first + k] : name);
	}
	return SM_OK;
}
