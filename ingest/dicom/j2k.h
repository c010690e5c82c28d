/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG 2000 and HTJ2K code streams of one picture, by OpenJPEG.
 */
#ifndef SM_INGEST_DICOM_J2K_H
#define SM_INGEST_DICOM_J2K_H

#include "ingest/dicom/dcm_codec.h"

/* Decodes bytes[0..n) into the words of one frame in out (sm_frame_size bytes), samples
 * interleaved; negative numbers as two's complement. about is filled on success. SM_INPUT when the
 * code stream is damaged, its size, number of components or precision is not what the header says,
 * or it is signed and the header is not; all that is compared before OpenJPEG sees a byte.
 * SM_BUDGET: OpenJPEG's own memory is charged to mem for as long as it works. Data that break an
 * assertion of OpenJPEG are refused with SM_INPUT too (j2k_guard.h), and what it had allocated for
 * them stays lost: the caller asks for no more pictures of that file. Thread-safe. */
enum sm_status sm_j2k_decode(const unsigned char *bytes, size_t n,
			     const struct sm_pixel_format *format, struct sm_mem *mem, void *out,
			     struct sm_stream *about, struct sm_err *err);

#endif
