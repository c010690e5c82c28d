/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ingest/dcm_frame.h"
#include "ingest/j2k.h"
#include "ingest/jpeg.h"
#include "ingest/jpegls.h"
#include "ingest/rle.h"

/* Compressed data that claim more than this and more than a thousand times their own length are
 * refused: no real picture shrinks so far, and decoders work before they notice. */
#define CLAIM_BYTES ((size_t)64 << 20)
#define CLAIM_RATIO 1000

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are taken as they stand");

bool sm_frame_size(const struct sm_pixel_format *f, size_t *bytes)
{
	size_t pixels;
	return f->rows > 0 && f->columns > 0 && f->samples > 0 &&
	       sm_mul((size_t)f->rows, (size_t)f->columns, &pixels) &&
	       sm_mul3(pixels, (size_t)f->samples,
		       f->bits_allocated < 8 ? 1 : (size_t)f->bits_allocated / 8, bytes);
}

static enum sm_status check_format(const struct sm_syntax *syntax, const struct sm_pixel_format *f,
				   struct sm_err *err)
{
	if (f->rows < 1 || f->columns < 1 || f->rows > 65535 || f->columns > 65535)
		return SM_FAIL(err, SM_INPUT, "Rows %d and Columns %d, allowed are 1..65535",
			       f->rows, f->columns);
	if (f->samples < 1 || f->samples > 4 || f->frames < 1)
		return SM_FAIL(
			err, SM_INPUT,
			"SamplesPerPixel %d and NumberOfFrames %d, allowed are 1..4 and from 1 on",
			f->samples, f->frames);
	bool fine = f->is_float ? f->bits_allocated == 32 || f->bits_allocated == 64
				: f->bits_allocated == 1 || f->bits_allocated == 8 ||
					  f->bits_allocated == 16 || f->bits_allocated == 32;
	if (!fine)
		return SM_FAIL(err, SM_INPUT, "BitsAllocated is %d, allowed are 1, 8, 16 and 32",
			       f->bits_allocated);
	if (syntax->way != SM_SYNTAX_NATIVE && f->is_float)
		return SM_FAIL(err, SM_INPUT, "float pixel data cannot be compressed");
	if (syntax->way == SM_SYNTAX_NATIVE && sm_colour_is_halved(f) && f->columns % 2)
		return SM_FAIL(err, SM_INPUT,
			       "Columns is %d with YBR_FULL_422, allowed are even numbers",
			       f->columns);
	return SM_OK;
}

enum sm_status sm_frames_check(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
			       const struct sm_pixel_format *f, struct sm_err *err)
{
	struct sm_dicom_pixels p;
	size_t frame_bits, bits, bytes, all;
	if (!syntax || syntax->way == SM_SYNTAX_NONE)
		return SM_FAIL(err, SM_INPUT, "the transfer syntax %s is not supported",
			       syntax ? syntax->name : "of an unknown UID");
	SM_TRY(check_format(syntax, f, err));
	if (!sm_dicom_pixels(dcm, &p))
		return SM_FAIL(err, SM_INPUT, "holds no pixel data");
	bool is_float = p.tag != SM_TAG(0x7fe0, 0x0010);
	if (p.native != (syntax->way == SM_SYNTAX_NATIVE) || is_float != f->is_float)
		return SM_FAIL(err, SM_INPUT,
			       "PixelData are not of the kind that the header tells");
	if (!sm_native_bits(f, &frame_bits) || !sm_mul(frame_bits, (size_t)f->frames, &bits) ||
	    bits > SIZE_MAX - 7 || !sm_frame_size(f, &bytes) ||
	    !sm_mul(bytes, (size_t)f->frames, &all))
		return SM_FAIL(err, SM_INPUT, "%d frames of %d rows and %d columns are too large",
			       f->frames, f->rows, f->columns);
	if (p.native && p.n < (bits + 7) / 8)
		return SM_FAIL(
			err, SM_INPUT,
			"PixelData holds %zu bytes, %d frames of %d rows and %d columns need %zu",
			p.n, f->frames, f->rows, f->columns, (bits + 7) / 8);
	if (p.native || !p.bytes)
		return SM_OK;
	uint64_t have = sm_dicom_pixel_bytes(dcm);
	if (!p.fragments || !have)
		return SM_FAIL(err, SM_INPUT, "holds no pixel data");
	if (all > CLAIM_BYTES && all / CLAIM_RATIO > have)
		return SM_FAIL(err, SM_INPUT,
			       "%llu bytes of compressed pixels claim %d frames of %d rows and %d "
			       "columns, "
			       "allowed is a ratio of %d",
			       (unsigned long long)have, f->frames, f->rows, f->columns,
			       CLAIM_RATIO);
	return SM_OK;
}

const void *sm_frame_direct(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
			    const struct sm_pixel_format *f, size_t frame)
{
	struct sm_dicom_pixels p;
	size_t bytes, end;
	if (!syntax || syntax->way != SM_SYNTAX_NATIVE || f->bits_allocated < 8 ||
	    !sm_dicom_pixels(dcm, &p) || !p.native || !p.bytes || !sm_frame_size(f, &bytes))
		return NULL;
	if (f->samples > 1 && (f->planar || sm_colour_is_ybr(f)))
		return NULL;
	if (syntax->big_endian && (f->bits_allocated > 8 || p.words))
		return NULL;
	if (!sm_mul(bytes, frame + 1, &end) || end > p.n)
		return NULL;
	return p.bytes + end - bytes;
}

static enum sm_status decode_native(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
				    const struct sm_pixel_format *f, size_t frame, void *out,
				    struct sm_err *err)
{
	struct sm_dicom_pixels p;
	size_t bits, end;
	if (!sm_dicom_pixels(dcm, &p) || !p.native || !p.bytes || !sm_native_bits(f, &bits) ||
	    !sm_mul(bits, frame + 1, &end) || end > 8 * (uint64_t)p.n)
		return SM_FAIL(err, SM_INPUT, "PixelData does not hold frame %zu", frame + 1);
	/* An odd last byte has no partner to be swapped with. */
	if (syntax->big_endian && p.words && f->bits_allocated <= 8 && p.n % 2)
		return SM_FAIL(err, SM_INPUT,
			       "PixelData holds %zu bytes in words, allowed are even numbers", p.n);
	sm_native_decode(&p, syntax->big_endian, f, frame, out);
	return SM_OK;
}

static enum sm_status decode_rle(const unsigned char *bytes, size_t n,
				 const struct sm_pixel_format *f, struct sm_mem *mem, void *out,
				 size_t size, struct sm_err *err)
{
	if (f->bits_allocated > 1)
		return sm_rle_decode(bytes, n, f->bits_allocated / 8, f->samples, out, size, err);
	/* Eight pixels in a byte, the first one lowest. */
	size_t packed_n = (size + 7) / 8;
	unsigned char *packed = sm_alloc(mem, packed_n, 1, "a packed frame", err);
	if (!packed)
		return SM_BUDGET;
	enum sm_status st = sm_rle_decode(bytes, n, 1, 1, packed, packed_n, err);
	for (size_t i = 0; st == SM_OK && i < size; i++)
		((unsigned char *)out)[i] = packed[i / 8] >> (i % 8) & 1;
	sm_free(packed);
	return st;
}

static enum sm_status decode_packed(const unsigned char *bytes, size_t n,
				    const struct sm_syntax *syntax, const struct sm_pixel_format *f,
				    struct sm_mem *mem, void *out, size_t size, struct sm_err *err)
{
	switch (syntax->way) {
	case SM_SYNTAX_RLE:
		return decode_rle(bytes, n, f, mem, out, size, err);
	case SM_SYNTAX_J2K:
		return sm_j2k_decode(bytes, n, f, out, err);
	case SM_SYNTAX_JPEG:
		return sm_jpeg_decode(bytes, n, f, mem, out, err);
	case SM_SYNTAX_JPEGLS:
		return sm_jpegls_decode(bytes, n, f, mem, out, err);
	default:
		return SM_FAIL(err, SM_INPUT, "the transfer syntax %s is not supported",
			       syntax->name);
	}
}

enum sm_status sm_frame_decode(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
			       const struct sm_pixel_format *f, size_t frame, struct sm_mem *mem,
			       void *out, struct sm_err *err)
{
	size_t size, n;
	const unsigned char *bytes;
	unsigned char *owned = NULL;
	if (!syntax || !sm_frame_size(f, &size))
		return SM_FAIL(err, SM_INPUT, "the frame cannot be decoded");
	SM_TRY(check_format(syntax, f, err));
	enum sm_status st;
	if (syntax->way == SM_SYNTAX_NATIVE) {
		st = decode_native(dcm, syntax, f, frame, out, err);
	} else {
		st = sm_dicom_frame_bytes(dcm, frame, (size_t)f->frames, mem, &bytes, &n, &owned,
					  err);
		if (st == SM_OK)
			st = decode_packed(bytes, n, syntax, f, mem, out, size, err);
		sm_free(owned);
	}
	bool planes = syntax->way == SM_SYNTAX_NATIVE && f->samples > 1 && f->planar &&
		      !sm_colour_is_halved(f);
	if (st == SM_OK && planes)
		st = sm_colour_interleave(f, mem, out, err);
	if (st == SM_OK && sm_colour_is_ybr(f))
		sm_colour_to_rgb(out, size / 3);
	return st;
}
