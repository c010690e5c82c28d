/* SPDX-License-Identifier: Apache-2.0
 *
 * Data that are too large to hold, in a file without a name that is mapped into memory: the system
 * keeps the pages that are at work and has the disk for the
 * rest. */
#ifndef SM_CORE_MAPPED_H
#define SM_CORE_MAPPED_H

#include <stddef.h>

#include "core/err.h"
#include "core/nii.h"

/* Zero-initialise; the caller closes. */
struct sm_mapped {
	int fd;
	void *data; /* `bytes` bytes, zero at first; read and written like memory */
	size_t bytes;
};

/* Makes the file in folder dir with room for all bytes on the disk. SM_IO when there is none;
 * `what` starts the sentence. A spool that was not opened is all zeros. */
enum sm_status sm_mapped_open(struct sm_mapped *spool, const char *dir, size_t bytes,
			      const char *what, struct sm_err *err);
void sm_mapped_close(struct sm_mapped *spool);

/* Writes bytes at an offset, without taking memory for them. */
enum sm_status sm_mapped_put(struct sm_mapped *spool, size_t at, const void *bytes, size_t n,
			    const char *what, struct sm_err *err);

/* Gives the memory of all pages back; their content stays. */
void sm_mapped_let_go(const struct sm_mapped *spool);

/* sm_nii_read of one file (no pair) whose values become float32 as by sm_vol_to_f32, in a spool in
 * folder dir: vol->data is spool->data, not to be freed by sm_vol_clear. Takes a few MiB, whatever
 * the volume. The caller closes the spool. */
enum sm_status sm_nii_spool(const char *path, const char *dir, struct sm_vol *vol,
			    struct sm_nii_info *info, struct sm_mapped *spool, struct sm_err *err);

#endif
