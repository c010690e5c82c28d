/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as one frame of JPEG 2000 or HTJ2K: three bytes of format, then the code stream. Its
 * markers are ours to read; what they let through, OpenJPEG decodes. Everything is decoded twice:
 * what breaks an assertion of OpenJPEG loses memory on purpose (j2k_guard.h), all else must not.
 */
#include <stdlib.h>
#include <string.h>

#include <sanitizer/lsan_interface.h>

#include "core/mem.h"
#include "ingest/dicom/j2k.h"
#include "tests/fuzz/fuzz_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sm_pixel_format f;
	unsigned char *out = frame_of(data, size, &f);
	if (!out)
		return 0;
	f.is_signed = data[2] & 4;
	struct sm_stream about;
	struct sm_err err = {0};
	struct sm_mem mem;
	sm_mem_init(&mem, 64 << 20);
	__lsan_disable();
	enum sm_status st = sm_j2k_decode(data + FRAME_FORMAT, size - FRAME_FORMAT, &f, &mem, out,
					  &about, &err);
	__lsan_enable();
	if (st == SM_OK || !strstr(err.text, "assertion"))
		st = sm_j2k_decode(data + FRAME_FORMAT, size - FRAME_FORMAT, &f, &mem, out, &about,
				   &err);
	if ((st != SM_OK && !*err.text) || (st == SM_OK && about.used > size - FRAME_FORMAT) ||
	    atomic_load(&mem.used))
		abort();
	free(out);
	return 0;
}
