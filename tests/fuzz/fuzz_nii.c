/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "core/nii.h"

/* Any bytes must give a volume or a sentence: no crash, no leak, no more memory than the budget.
 * The first byte says whether the name promises gzip data. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_mem mem;
	struct sm_vol vol;
	struct sm_nii_info info;
	struct sm_err err = {0};
	double min, max;
	size_t bad;
	char axes[4];
	if (!size)
		return 0;
	sm_mem_init(&mem, 64 << 20);
	enum sm_status st = sm_nii_parse(data + 1, size - 1, data[0] & 1 ? "f.nii.gz" : "f.nii",
					 &mem, &vol, &info, &err);
	if (st == SM_OK) {
		sm_vol_axes(&vol, axes);
		sm_vol_range(&vol, &min, &max, &bad);
		if (bad < sm_vol_count(&vol) && !(min <= max))
			abort();
		if (sm_vol_to_f32(&vol, &mem, 1, &err) == SM_OK)
			sm_vol_to_labels(&vol, &mem, "f", &err);
	} else if (!err.text[0] || vol.data) {
		abort();
	}
	sm_vol_clear(&vol);
	if (atomic_load(&mem.used))
		abort();
	return 0;
}
