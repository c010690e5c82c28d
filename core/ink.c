/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ink.h"

#include <string.h>

void sm_ink_mask(const float *planes, size_t n, size_t stride, int channels,
		 const struct sm_ink *ink, uint8_t *mask)
{
	const float threshold = ink->threshold;
	const uint8_t flip = !ink->bright;
	memset(mask, 0, n);
	for (int c = 0; c < channels; c++) {
		const float *v = planes + (size_t)c * stride;
		for (size_t i = 0; i < n; i++)
			mask[i] |= (uint8_t)((v[i] > threshold) ^ flip);
	}
}

size_t sm_ink_of_image(const struct sm_image *image, const struct sm_ink *ink, uint8_t *mask)
{
	const size_t n = (size_t)(image->width * image->height), channels = (size_t)image->channels;
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		float v[4] = {0};
		for (size_t c = 0; c < channels; c++)
			v[c] = image->bits == 8 ? ((const uint8_t *)image->data)[i * channels + c]
						: ((const uint16_t *)image->data)[i * channels + c];
		sm_ink_mask(v, 1, 1, image->channels, ink, mask + i);
		count += mask[i];
	}
	return count;
}
