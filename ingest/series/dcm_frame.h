/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of dcm_codec.h: the ways from the bytes of one frame to its words.
 */
#ifndef SM_INGEST_SERIES_DCM_FRAME_H
#define SM_INGEST_SERIES_DCM_FRAME_H

#include "ingest/dicom/dcm_codec.h"

/* Bits of one uncompressed frame as it stands in the file. */
bool sm_native_bits(const struct sm_pixel_format *format, size_t *bits);

/* Uncompressed frame `frame` from p into out (sm_frame_size bytes). p is long enough. */
void sm_native_decode(const struct sm_dicom_pixels *p, bool big_endian,
		      const struct sm_pixel_format *format, size_t frame, void *out);

/* RRGGBB to RGBRGB, in place by way of a copy. SM_BUDGET. */
enum sm_status sm_colour_interleave(const struct sm_pixel_format *format, struct sm_mem *mem,
				    void *out, struct sm_err *err);
/* YBR_FULL to RGB (PS3.3 C.7.6.3.1.2), 8 bits. */
void sm_colour_to_rgb(unsigned char *pixels, size_t n);
bool sm_colour_is_ybr(const struct sm_pixel_format *format);
/* YBR_FULL_422 as it stands in uncompressed files: two lumas, then their common chromas. */
bool sm_colour_is_halved(const struct sm_pixel_format *format);

#endif
