/* SPDX-License-Identifier: Apache-2.0
 *
 * One gzip member written by several threads. One member, because many readers (browsers'
 * DecompressionStream, fflate, Go and Java programs) stop after the first.
 */
#ifndef SM_CORE_GZ_WRITE_H
#define SM_CORE_GZ_WRITE_H

#include <stddef.h>
#include <stdio.h>

#include "core/err.h"
#include "core/hash.h"

/* The payload is cut into chunks of this many bytes; up to one and a half are one chunk, which
 * needs no joining. */
#define SM_GZ_CHUNK ((size_t)524288)

/* Writes head[0..head_n) (at most 65535 bytes, stored) and data[0..n) (compressed) to out as one
 * gzip member without name or time. level 1..9 names the ratio that gzip has at that level (see
 * gz_write.c), 10..12 are libdeflate's own, 0 = 6. The bytes depend on the input and the version of
 * libdeflate alone, not on `jobs`. While the threads compress, adds head and data to `hash` and
 * what is written to `file_hash` (either may be NULL). Holds at most 2 * jobs chunks and one
 * deflater a thread, about 1.5 MiB a thread up to level 9 and 11 MiB above, outside any budget.
 * name stands in sentences. SM_IO when a write fails; out is neither flushed nor closed. */
enum sm_status sm_gz_write(FILE *out, const void *head, size_t head_n, const void *data, size_t n,
			   int level, int jobs, struct sm_sha256 *hash, struct sm_sha256 *file_hash,
			   const char *name, struct sm_err *err);

#endif
