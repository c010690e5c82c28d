/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures in memory, and PNG files of them by libpng, 8 or 16 bits, without time, text or gamma
 * chunks: same pixels, same bytes. core/picture.h reads.
 */
#ifndef SM_CORE_PNG_H
#define SM_CORE_PNG_H

#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

struct sm_image {
	int64_t width, height;
	int channels; /* 1 gray, 3 RGB */
	int bits;     /* 8 (uint8_t samples) or 16 (uint16_t samples, machine order) */
	void *data;   /* owned, rows top to bottom, interleaved channels */
};

/* Allocates width x height; pixels not initialised. Free with sm_image_clear. */
enum sm_status sm_image_init(struct sm_image *image, int64_t width, int64_t height, int channels,
			     int bits, struct sm_mem *mem, struct sm_err *err);
void sm_image_clear(struct sm_image *image);

/* Encodes into fresh malloc memory (*bytes, *n; free with free()), or writes a file atomically,
 * piece by piece as it is encoded. */
enum sm_status sm_png_encode(const struct sm_image *image, unsigned char **bytes, size_t *n,
			     struct sm_err *err);
enum sm_status sm_png_write(const char *path, const struct sm_image *image, struct sm_err *err);

/* Identity of a picture: SHA-256 over "width height channels bits\n" and the samples in machine
 * order (little-endian on every machine that is supported). hex is "" when memory ran out. */
void sm_image_sha256(const struct sm_image *image, char hex[65]);

#endif
