/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as one frame of JPEG or JPEG-LS: three bytes of format, then the code stream.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "ingest/dicom/jpeg.h"
#include "ingest/dicom/jpegls.h"
#include "tests/fuzz/fuzz_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_pixel_format f;
	unsigned char *out = frame_of(data, size, &f);
	if (!out)
		return 0;
	struct sm_stream about;
	struct sm_err err = {0};
	struct sm_mem mem;
	sm_mem_init(&mem, 4 << 20);
	bool is_ls = data[2] & 4;
	data += FRAME_FORMAT;
	size -= FRAME_FORMAT;
	enum sm_status st = is_ls ? sm_jpegls_decode(data, size, &f, &mem, out, &about, &err)
				  : sm_jpeg_decode(data, size, &f, &mem, out, &about, &err);
	if ((st != SM_OK && !*err.text) || atomic_load(&mem.used))
		abort();
	free(out);
	return 0;
}
