/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "eval/lesions.h"

/* Of github.com/rachitsaluja/BraTS-2023-Metrics, the challenge's own. */
const struct sm_lesion_rule sm_lesion_rules[SM_LESION_RULES] = {
	[SM_LESIONS_GLI] = {"gli", "BraTS 2023 adult glioma", 3, 50, SM_EDGES, SM_CORNERS, 374},
	[SM_LESIONS_SSA] = {"ssa", "BraTS 2023 glioma, Sub-Saharan Africa", 3, 50, SM_EDGES,
			    SM_CORNERS, 374},
	[SM_LESIONS_PED] = {"ped", "BraTS 2023 paediatric", 3, 50, SM_EDGES, SM_CORNERS, 374},
	[SM_LESIONS_MEN] = {"men", "BraTS 2023 meningioma", 1, 50, SM_EDGES, SM_CORNERS, 374},
	[SM_LESIONS_MET] = {"met", "BraTS 2023 metastases", 1, 2, SM_EDGES, SM_CORNERS, 374},
};

/* Dilated d times by faces, by edges or by corners, a voxel reaches what lies within d along each
 * axis and, of faces, d, of edges, 2 d in sum: so it is done at once, row by row. */
static int reach(const struct sm_lesion_rule *rule, int64_t dy, int64_t dz)
{
	int d = rule->dilate, used = (int)(llabs(dy) + llabs(dz));
	if (rule->step == SM_CORNERS)
		return d;
	int left = (rule->step == SM_FACES ? d : 2 * d) - used;
	return left < d ? left : d; /* below 0: the row is out of reach */
}

struct dilation {
	const struct sm_components *of;
	const struct sm_lesion_rule *rule;
	const int64_t *n;
	uint8_t *out;
};

static enum sm_status dilate_plane(void *ctx, size_t z, struct sm_err *err)
{
	const struct dilation *d = ctx;
	const int64_t *n = d->n, most = d->rule->dilate;
	(void)err;
	for (int64_t y = 0; y < n[1]; y++) {
		uint8_t *row = d->out + ((int64_t)z * n[1] + y) * n[0];
		for (int64_t dz = -most; dz <= most; dz++)
			for (int64_t dy = -most; dy <= most; dy++) {
				int64_t fy = y + dy, fz = (int64_t)z + dz;
				int far = reach(d->rule, dy, dz);
				if (far < 0 || fy < 0 || fy >= n[1] || fz < 0 || fz >= n[2])
					continue;
				size_t from = (size_t)(fz * n[1] + fy);
				for (size_t i = d->of->row[from]; i < d->of->row[from + 1]; i++) {
					const struct sm_run_of_voxels *r = &d->of->run[i];
					int64_t low = r->start - far;
					int64_t high = (int64_t)r->start + r->length + far;
					low = low < 0 ? 0 : low;
					high = high > n[0] ? n[0] : high;
					memset(row + low, 1, (size_t)(high - low));
				}
			}
	}
	return SM_OK;
}

enum sm_status sm_lesions_dilate(const struct sm_components *of, const struct sm_lesion_rule *rule,
				 const int64_t n[3], uint8_t *out, int jobs, struct sm_err *err)
{
	struct dilation d = {of, rule, n, out};
	return sm_par_for((size_t)n[2], jobs, dilate_plane, &d, err);
}
