/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "train/nn/nn.h"

void sm_to_channels_last(const float *src, int c, size_t n, float *dst)
{
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < c; k++)
			dst[i * c + k] = src[k * n + i];
}
