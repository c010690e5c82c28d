/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG 2000 and HTJ2K code streams of one picture, by OpenJPEG.
 */
#ifndef SM_INGEST_J2K_H
#define SM_INGEST_J2K_H

#include "ingest/dcm_codec.h"

/* Decodes bytes[0..n) into the words of one frame in out (sm_frame_size bytes), samples
 * interleaved; negative numbers as two's complement. A header that says signed over a code stream
 * of unsigned words means their highest bit is the sign (as pydicom and GDCM take it). SM_INPUT
 * when the code stream is damaged or its size, number of components or precision is not what the
 * header says; sizes are compared before anything is decoded. Thread-safe. */
enum sm_status sm_j2k_decode(const unsigned char *bytes, size_t n,
			     const struct sm_pixel_format *format, void *out, struct sm_err *err);

#endif
