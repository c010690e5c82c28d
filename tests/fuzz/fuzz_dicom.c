/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a DICOM file: header, then pixels. Give it real files as a corpus and a larger
 * -max_len for more than headers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ingest/dcm_pixels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one(const char *path)
{
	struct sm_dicom *dicom;
	struct sm_dcm_head head;
	struct sm_sidecar_text text;
	struct sm_err err = {0};
	struct sm_mem mem;
	if (sm_dicom_open(path, true, &dicom, &err) != SM_OK)
		return;
	sm_dcm_head_read(dicom, &head);
	sm_dicom_close(dicom);
	if (!head.has_pixels_size || (size_t)head.rows * (size_t)head.columns > 1 << 20)
		return;
	sm_mem_init(&mem, 64 << 20);
	int32_t *out =
		sm_alloc(&mem, (size_t)head.rows * (size_t)head.columns, sizeof *out, "fuzz", &err);
	if (out && sm_slice_read(path, &head, &mem, out, &text, &err) != SM_OK && !*err.text)
		abort();
	sm_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char deflated[] = "1.2.840.10008.1.2.1.99";
	char path[64];
	/* From a deflated stream DCMTK reserves (and does not touch) what an element claims, up to
	 * 4 GiB, which libFuzzer takes for running out of memory. */
	if (memmem(data, size, deflated, sizeof deflated - 1))
		return 0;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0)
		return 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size)
		one(path);
	close(fd);
	return 0;
}
