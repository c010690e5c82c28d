/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ink.h"

#include <string.h>

/* By value: masks are bytes, which may alias a struct. */
static inline uint8_t is_ink(float v, float threshold, uint8_t flip)
{
	return (uint8_t)((v > threshold) ^ flip);
}

void sm_ink_mask(const float *planes, size_t n, size_t stride, int channels,
		 const struct sm_ink *ink, uint8_t *mask)
{
	const float threshold = ink->threshold;
	const uint8_t flip = !ink->bright;
	memset(mask, 0, n);
	for (int c = 0; c < channels; c++) {
		const float *v = planes + (size_t)c * stride;
		for (size_t i = 0; i < n; i++)
			mask[i] |= is_ink(v[i], threshold, flip);
	}
}

size_t sm_ink_of_image(const struct sm_image *image, const struct sm_ink *ink, uint8_t *mask)
{
	const size_t n = (size_t)(image->width * image->height), channels = (size_t)image->channels;
	const float threshold = ink->threshold;
	const uint8_t flip = !ink->bright;
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		mask[i] = 0;
		for (size_t k = i * channels; k < (i + 1) * channels; k++)
			mask[i] |= is_ink(image->bits == 8 ? ((const uint8_t *)image->data)[k]
							   : ((const uint16_t *)image->data)[k],
					  threshold, flip);
		count += mask[i];
	}
	return count;
}
