/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/image_parts.h"

const struct sm_image_part sm_image_parts[SM_PARTS] = {
	[SM_PART_BONE] = {SM_IMAGE_BONE, false, SM_WHY_NO_BONE},
	[SM_PART_INK] = {SM_IMAGE_INK, true, SM_WHY_NO_INK},
};

struct sm_ink sm_image_part(const struct sm_image_settings *s, int part)
{
	if (part == SM_PART_BONE)
		return (struct sm_ink){(float)s->bone, true};
	return (struct sm_ink){(float)s->ink, s->bright_ink};
}

void sm_part_counts(const float *const image[2], size_t n, size_t stride, int channels,
		    const struct sm_ink *part, const uint8_t *mask, uint64_t out[3])
{
	enum { RUN = 4096 };
	uint8_t is[2][RUN];
	out[0] = out[1] = out[2] = 0;
	for (size_t from = 0; from < n; from += RUN) {
		const size_t run = n - from < RUN ? n - from : RUN;
		unsigned sum[3] = {0};
		for (int k = 0; k < 2; k++)
			sm_ink_mask(image[k] + from, run, stride, channels, part, is[k]);
		for (size_t i = 0; i < run; i++) {
			const unsigned m = mask[from + i] != 0, p = m & is[0][i], q = m & is[1][i];
			sum[0] += p;
			sum[1] += q;
			sum[2] += p & q;
		}
		for (int k = 0; k < 3; k++)
			out[k] += sum[k];
	}
}
