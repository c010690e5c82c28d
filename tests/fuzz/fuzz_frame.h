/* SPDX-License-Identifier: Apache-2.0
 *
 * One frame for the fuzz targets of code streams: three bytes of format, then the stream.
 */
#ifndef SM_TESTS_FUZZ_FRAME_H
#define SM_TESTS_FUZZ_FRAME_H

#include <stdlib.h>

#include "ingest/dicom/dcm_codec.h"

#define FRAME_FORMAT 3 /* bytes before the stream */

/* The format of a frame of at most 64 x 64 pixels, its bytes, and memory for them (malloc); NULL
 * when there is no stream behind it. Bit 2 of the third byte is the target's own. */
static inline unsigned char *frame_of(const uint8_t *data, size_t size, struct sm_pixel_format *f)
{
	size_t bytes = 0;
	if (size < 2 * FRAME_FORMAT)
		return NULL;
	*f = (struct sm_pixel_format){
		.rows = data[0] % 64 + 1,
		.columns = data[1] % 64 + 1,
		.samples = data[2] & 1 ? 3 : 1,
		.frames = 1,
		.bits_allocated = data[2] & 2 ? 16 : 8,
	};
	f->bits_stored = f->bits_allocated;
	return sm_frame_size(f, &bytes) ? malloc(bytes) : NULL;
}

#endif
