/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as one frame of JPEG or JPEG-LS: three bytes of format, then the code stream.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "ingest/dicom/jpeg.h"
#include "ingest/dicom/jpegls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 6)
		return 0;
	struct sm_pixel_format f = {
		.rows = data[0] % 64 + 1,
		.columns = data[1] % 64 + 1,
		.samples = data[2] & 1 ? 3 : 1,
		.frames = 1,
		.bits_allocated = data[2] & 2 ? 16 : 8,
	};
	f.bits_stored = f.bits_allocated;
	struct sm_stream about;
	size_t bytes = 0;
	struct sm_err err = {0};
	struct sm_mem mem;
	sm_mem_init(&mem, 4 << 20);
	if (!sm_frame_size(&f, &bytes))
		return 0;
	unsigned char *out = malloc(bytes);
	if (!out)
		return 0;
	enum sm_status st = data[2] & 4 ? sm_jpegls_decode(data + 3, size - 3, &f, &mem, out, &about, &err)
					: sm_jpeg_decode(data + 3, size - 3, &f, &mem, out, &about, &err);
	if ((st != SM_OK && !*err.text) || atomic_load(&mem.used))
		abort();
	free(out);
	return 0;
}
