/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of an open DICOM file as stored numbers, whatever the transfer syntax.
 */
#ifndef SM_INGEST_DICOM_DCM_CODEC_H
#define SM_INGEST_DICOM_DCM_CODEC_H

#include "ingest/dicom/dicom.h"

/* What decoding depends on, as the header has it. */
struct sm_pixel_format {
	int rows, columns, samples, frames;
	int bits_allocated, bits_stored, high_bit; /* bits_allocated: 1, 8, 16, 32; 64 for double */
	bool is_signed, is_float; /* is_float: FloatPixelData, DoubleFloatPixelData */
	int planar;               /* PlanarConfiguration, when samples > 1 */
	char photometric[20];
};

/* What a compressed picture says of itself. */
struct sm_stream {
	int precision;  /* bits of a sample */
	bool is_signed; /* samples are negative by themselves (JPEG 2000) */
	bool lossy;     /* its coding loses something */
	bool ht;        /* the block coder of HTJ2K */
	size_t used;    /* bytes up to its end marker, that included; 0 = none */
};

/* Bytes of one decoded frame: rows * columns * samples words of bits_allocated bits (1 bit: a byte
 * a pixel). False when that overflows. */
bool sm_frame_size(const struct sm_pixel_format *format, size_t *bytes);

/* Refuses (SM_INPUT) what can be refused before decoding: no pixel data, too short for what Rows,
 * Columns, frames claim, a claim no compressed data of that length can hold. */
enum sm_status sm_frames_check(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
			       const struct sm_pixel_format *format, struct sm_err *err);

/* Are there zeros behind the last native frame, more than the byte that makes the length even?
 * After sm_frames_check. */
bool sm_frames_padded(const struct sm_dicom *dcm, const struct sm_pixel_format *format);

/* Decodes frame `frame` (0-based) into words in this machine's byte order, before masking to
 * BitsStored: out has sm_frame_size bytes, samples interleaved (RGBRGB), colours as RGB when the
 * photometric interpretation is RGB or YBR_*. Call sm_frames_check first. SM_INPUT for damaged
 * data, SM_BUDGET. A compressed picture of fewer bits than BitsStored has its sign, when there is
 * one, in its own highest bit (as pydicom and GDCM take it). Refused by name: a picture that loses
 * something under a lossless transfer syntax, with another block coder than the syntax has, with
 * bits above HighBit that no overlay accounts for, and a second picture behind the first.
 * Thread-safe on one handle. */
enum sm_status sm_frame_decode(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
			       const struct sm_pixel_format *format, size_t frame,
			       struct sm_mem *mem, void *out, struct sm_err *err);

/* The place of a frame in the file when no decoding is needed at all (native, whole bytes, this
 * machine's byte order, aligned or not), else NULL. */
const void *sm_frame_direct(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
			    const struct sm_pixel_format *format, size_t frame);

/* Can a frame be made of its own bytes alone: uncompressed, one sample a pixel, whole bytes, words
 * of big endian files of two bytes or more? */
bool sm_native_alone(const struct sm_syntax *syntax, const struct sm_pixel_format *format);

/* One frame of a file that is not held in memory: from its descriptor and the place of the pixel
 * data (sm_dicom_pixels_offset), into out as sm_frame_decode does. Only what sm_native_readable
 * says: alone (see above) and not deflated. SM_INPUT when the file has become shorter.
 * Thread-safe. */
bool sm_native_readable(const struct sm_syntax *syntax, const struct sm_pixel_format *format);
enum sm_status sm_native_read(int fd, uint64_t offset, const struct sm_syntax *syntax,
			      const struct sm_pixel_format *format, size_t frame, void *out,
			      struct sm_err *err);

/* The next frame of a deflated file that is taken in pieces (sm_dicom_pixels_next), as
 * sm_native_read gives it; out NULL passes over it. */
enum sm_status sm_native_next(struct sm_dicom *dcm, const struct sm_syntax *syntax,
			      const struct sm_pixel_format *format, void *out, struct sm_err *err);

#endif
