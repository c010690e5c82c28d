/* SPDX-License-Identifier: Apache-2.0
 *
 * One slice of a series: decoding and unpacking.
 */
#ifndef SM_INGEST_DCM_PIXELS_H
#define SM_INGEST_DCM_PIXELS_H

#include "core/mem.h"
#include "ingest/dcm_head.h"
#include "ingest/salt.h"
#include "ingest/sidecar.h"

/* Decodes the file behind head into rows * columns numbers, columns fastest, as stored (no
 * rescale). 32-bit unsigned numbers come as the int32_t with the same bits. text (may be NULL)
 * receives the sidecar's elements. SM_INPUT for damaged, short or implausible pixel data and for a
 * file that is no longer the one of the header. Thread-safe. */
enum sm_status sm_slice_read(const char *path, const struct sm_dcm_head *head, struct sm_mem *mem,
			     int32_t *out, struct sm_sidecar_text *text, struct sm_err *err);

/* Turns n stored words of BitsAllocated bits into numbers: the stored bits end at HighBit; signed
 * ones are sign-extended. */
void sm_pixels_unpack(const void *words, size_t n, const struct sm_dcm_head *head, int32_t *out);

/* First 12 hex digits of the salted hash of a file's path relative to the root: how sentences call
 * a file whose path may name a person. */
void sm_file_alias(const struct sm_salt *salt, const char *path, char out[13]);

#endif
