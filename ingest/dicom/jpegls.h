/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG-LS (ITU-T T.87), lossless and near-lossless. Our own: DCMTK's decoder refuses right streams
 * of less than 8 bits, and starting it costs more than decoding a slice.
 */
#ifndef SM_INGEST_DICOM_JPEGLS_H
#define SM_INGEST_DICOM_JPEGLS_H

#include "ingest/dicom/dcm_codec.h"

/* Decodes bytes[0..n) into the words of one frame in out (sm_frame_size bytes), samples
 * interleaved. Size, number of components and precision must be what the header says; they are
 * compared before anything is decoded. about is filled on success. SM_INPUT for damaged data and
 * for what the standard allows and nobody writes (restart intervals, mapping tables, colour
 * transforms), SM_BUDGET. Thread-safe.
 */
enum sm_status sm_jpegls_decode(const unsigned char *bytes, size_t n,
				const struct sm_pixel_format *format, struct sm_mem *mem, void *out,
				struct sm_stream *about, struct sm_err *err);

#endif
