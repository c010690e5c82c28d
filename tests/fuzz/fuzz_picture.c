/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/picture.h"

/* Any bytes must give a picture or a sentence: no crash, no leak, no more memory than the budget.
 * A wrong CRC would end nearly every changed PNG at its first chunk: they are put right first. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend_png(uint8_t *b, size_t n)
{
	for (size_t at = 8; at < n && n - at >= 12;) {
		size_t len = (size_t)b[at] << 24 | (size_t)b[at + 1] << 16 |
			     (size_t)b[at + 2] << 8 | b[at + 3];
		if (len > n - at - 12)
			return;
		uint32_t crc = (uint32_t)crc32(0, b + at + 4, (unsigned)len + 4);
		for (int i = 0; i < 4; i++)
			b[at + 8 + len + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
		at += 12 + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_mem mem;
	struct sm_image image;
	struct sm_picture_info info;
	struct sm_err err = {0};
	char hex[65];
	uint8_t *bytes = malloc(size + !size);
	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	if (size > 8 && data[0] == 0x89)
		mend_png(bytes, size);
	sm_mem_init(&mem, 1 << 20);
	if (sm_picture_parse(bytes, size, "f", &mem, &image, &info, &err) == SM_OK) {
		int top = 0;
		size_t n = (size_t)(image.width * image.height) * (size_t)image.channels;
		sm_image_sha256(&image, hex);
		for (size_t i = 0; i < n; i++) {
			int v = image.bits == 16 ? ((uint16_t *)image.data)[i]
						 : ((uint8_t *)image.data)[i];
			top = v > top ? v : top;
		}
		if (top > info.maxval || !info.format || !hex[0])
			abort();
	} else if (!err.text[0] || image.data) {
		abort();
	}
	sm_image_clear(&image);
	free(bytes);
	if (atomic_load(&mem.used))
		abort();
	return 0;
}
