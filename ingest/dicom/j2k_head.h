/* SPDX-License-Identifier: Apache-2.0
 *
 * What the markers of a JPEG 2000 code stream (ITU-T T.800 annex A) promise, before any decoder
 * believes it.
 */
#ifndef SM_INGEST_DICOM_J2K_HEAD_H
#define SM_INGEST_DICOM_J2K_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define SM_J2K_COMPONENTS 4 /* more are refused */

struct sm_j2k_head {
	uint32_t columns, rows;
	int components, precision; /* precision: of the first component; all are alike */
	bool is_signed;
	bool lossy, ht;                  /* anywhere: the 9/7 transform; HTJ2K's block coder */
	uint64_t tiles, packets, blocks; /* upper bounds */
	size_t used;                     /* up to the end marker, that included; 0 = none found */
	size_t memory;                   /* bytes that OpenJPEG needs at most, about */
};

/* Reads the markers of bytes[0..n), bare or in boxes. SM_INPUT when they cannot be read, and when
 * they promise what n bytes cannot hold: a tile needs a header of 14 bytes, a packet a byte. */
enum sm_status sm_j2k_head_read(const unsigned char *bytes, size_t n, struct sm_j2k_head *out,
				struct sm_err *err);

#endif
