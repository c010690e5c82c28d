/* SPDX-License-Identifier: Apache-2.0
 *
 * DICOM's RLE (PS3.5 annex G): byte planes of a picture, each packed by runs. Our own, because
 * DCMTK 3.6.7 reads outside the data when a segment's offset is wrong.
 */
#ifndef SM_INGEST_DICOM_RLE_H
#define SM_INGEST_DICOM_RLE_H

#include <stddef.h>

#include "core/err.h"

/* Decodes one frame of `samples` words of `width` bytes (1, 2 or 4) a pixel from bytes[0..n) into
 * out[0..size), samples interleaved, in this machine's (little endian) byte order; size is a
 * multiple of width * samples. The segments hold sample after sample, the most significant bytes
 * first. SM_INPUT for a wrong number of segments, offsets outside the data, and segments that end
 * early; bytes behind a full segment are padding. */
enum sm_status sm_rle_decode(const unsigned char *bytes, size_t n, int width, int samples,
			     void *out, size_t size, struct sm_err *err);

#endif
