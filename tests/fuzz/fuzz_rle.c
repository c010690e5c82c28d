/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as RLE pixel data of 8, 16 and 32 bits.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ingest/dicom/rle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int width = 1; width <= 4; width *= 2) {
		struct sm_err err = {0};
		size_t n = 64 * (size_t)width;
		unsigned char *out = malloc(n);
		if (out && sm_rle_decode(data, size, width, 1, out, n, &err) != SM_OK && !*err.text)
			abort();
		free(out);
	}
	return 0;
}
