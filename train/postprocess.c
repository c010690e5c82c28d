/* SPDX-License-Identifier: Apache-2.0 */
#include "train/postprocess.h"

#include <string.h>

enum sm_status sm_clean(uint8_t *label, const int64_t dim[3], const struct sm_clean *rule,
			struct sm_mem *mem, int64_t *voxels, int64_t *parts, struct sm_err *err)
{
	struct sm_components p;
	size_t largest = 0;
	*voxels = *parts = 0;
	SM_TRY(sm_components_find(&p, label, dim, rule->member, rule->neighbours, mem, err));
	for (size_t i = 1; i < p.count; i++)
		largest = p.size[i] > p.size[largest] ? i : largest;
	for (size_t i = 0; i < p.count; i++)
		if ((rule->largest && i != largest) || p.size[i] < rule->least) {
			*voxels += p.size[i];
			++*parts;
			p.size[i] = 0; /* a mark: no part is empty */
		}
	for (size_t r = 0; r < p.rows; r++)
		for (size_t i = p.row[r]; i < p.row[r + 1]; i++)
			if (!p.size[p.run[i].part])
				memset(label + r * (size_t)dim[0] + p.run[i].start, 0,
				       (size_t)p.run[i].length);
	sm_components_clear(&p);
	return SM_OK;
}
