/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "train/nn/nn.h"

void sm_to_channels_last(const float *src, int c, size_t n, float *dst)
{
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < c; k++)
			dst[i * c + k] = src[k * n + i];
}

void sm_to_channels_first(const float *src, int c, size_t n, float *dst)
{
	for (int k = 0; k < c; k++)
		for (size_t i = 0; i < n; i++)
			dst[k * n + i] = src[i * c + k];
}

void sm_onehot(const uint8_t *label, size_t n, int classes, float *dst)
{
	memset(dst, 0, n * classes * sizeof *dst);
	for (size_t i = 0; i < n; i++)
		if (label[i] >= 1 && label[i] <= classes)
			dst[i * classes + label[i] - 1] = 1.0f;
}
