/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG (ITU-T T.81) as DICOM uses it: baseline and extended by Huffman codes (8 and 12 bits), and
 * lossless (2 to 16 bits, all predictors). Our own: DCMTK's decoders never return from some damaged
 * streams, and starting them costs more than decoding a slice.
 */
#ifndef SM_INGEST_DICOM_JPEG_H
#define SM_INGEST_DICOM_JPEG_H

#include "ingest/dicom/dcm_codec.h"

/* Decodes bytes[0..n) into the words of one frame in out (sm_frame_size bytes), samples
 * interleaved, colours as they are coded (YBR stays YBR; halved chromas are repeated). Size, number
 * of components and precision must be what the header says; they are compared before anything is
 * decoded. about is filled on success. SM_INPUT for damaged data and for progressive, hierarchical
 * and arithmetic coding, SM_BUDGET. Thread-safe. */
enum sm_status sm_jpeg_decode(const unsigned char *bytes, size_t n,
			      const struct sm_pixel_format *format, struct sm_mem *mem, void *out,
			      struct sm_stream *about, struct sm_err *err);

/* Behind the end marker of a JPEG or JPEG-LS stream whose last scan ends at `at` <= n; fill bytes,
 * comments and application data may stand before it. 0: it is not there. Pure. */
size_t sm_jpeg_end(const unsigned char *bytes, size_t n, size_t at);

#endif
