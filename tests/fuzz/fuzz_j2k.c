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
		.is_signed = data[2] & 4,
	};
	f.bits_stored = f.bits_allocated;
	size_t bytes = 0;
	struct sm_stream about;
	struct sm_err err = {0};
	struct sm_mem mem;
	sm_mem_init(&mem, 64 << 20);
	if (!sm_frame_size(&f, &bytes))
		return 0;
	unsigned char *out = malloc(bytes);
	if (!out)
		return 0;
	__lsan_disable();
	enum sm_status st = sm_j2k_decode(data + 3, size - 3, &f, &mem, out, &about, &err);
	__lsan_enable();
	if (st == SM_OK || !strstr(err.text, "assertion"))
		st = sm_j2k_decode(data + 3, size - 3, &f, &mem, out, &about, &err);
	if ((st != SM_OK && !*err.text) || (st == SM_OK && about.used > size - 3) ||
	    atomic_load(&mem.used))
		abort();
	free(out);
	return 0;
}
