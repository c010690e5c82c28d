/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ingest/series/dcm_frame.h"
#include "ingest/dicom/j2k.h"
#include "ingest/dicom/jpeg.h"
#include "ingest/dicom/jpegls.h"
#include "ingest/dicom/rle.h"

/* Compressed data that claim more than this and more than a thousand times their own length are
 * refused: no real picture shrinks so far, and decoders work before they notice. */
#define CLAIM_BYTES ((size_t)4 << 20)
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

/* What follows the last frame: a byte that makes the length even, or zeros of less than a frame, as
 * some writers fill up to whole blocks. Anything else is a picture that the header does not count.
 */
static enum sm_status check_rest(const struct sm_dicom_pixels *p, size_t need, size_t frame,
				 struct sm_err *err)
{
	size_t rest = p->n - need, zeros = 0;
	if (rest <= 1)
		return SM_OK;
	while (p->bytes && zeros < rest && rest < frame && !p->bytes[need + zeros])
		zeros++;
	if (rest < frame && (zeros == rest || !p->bytes))
		return SM_OK;
	return SM_FAIL(
		err, SM_INPUT,
		"PixelData holds %zu bytes, the frames that the header counts need %zu; allowed "
		"behind them are zeros of less than a frame",
		p->n, need);
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
		return SM_FAIL(err, SM_INPUT, "%d frame%s of %d rows and %d columns are too large",
			       f->frames, f->frames == 1 ? "" : "s", f->rows, f->columns);
	if (p.native && p.n < (bits + 7) / 8)
		return SM_FAIL(
			err, SM_INPUT,
			"PixelData holds %zu bytes, %d frame%s of %d rows and %d columns need %zu",
			p.n, f->frames, f->frames == 1 ? "" : "s", f->rows, f->columns,
			(bits + 7) / 8);
	if (p.native)
		return check_rest(&p, (bits + 7) / 8, bytes, err);
	if (!p.bytes)
		return SM_OK;
	uint64_t have = sm_dicom_pixel_bytes(dcm);
	if (!p.fragments || !have)
		return SM_FAIL(err, SM_INPUT, "holds no pixel data");
	if (all > CLAIM_BYTES && all / CLAIM_RATIO > have)
		return SM_FAIL(err, SM_INPUT,
			       "%llu bytes of compressed pixels claim %d frame%s of %d rows and %d "
			       "columns, "
			       "allowed is a ratio of %d",
			       (unsigned long long)have, f->frames, f->frames == 1 ? "" : "s",
			       f->rows, f->columns, CLAIM_RATIO);
	return sm_dicom_frames_match(dcm, (size_t)f->frames, syntax->way, err);
}

bool sm_frames_padded(const struct sm_dicom *dcm, const struct sm_pixel_format *f)
{
	struct sm_dicom_pixels p;
	size_t bits;
	return sm_dicom_pixels(dcm, &p) && p.native && sm_native_bits(f, &bits) &&
	       p.n > (bits * (size_t)f->frames + 7) / 8 + 1;
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
				    struct sm_mem *mem, void *out, size_t size,
				    struct sm_stream *about, struct sm_err *err)
{
	*about = (struct sm_stream){0};
	switch (syntax->way) {
	case SM_SYNTAX_RLE:
		return decode_rle(bytes, n, f, mem, out, size, err);
	case SM_SYNTAX_J2K:
		return sm_j2k_decode(bytes, n, f, mem, out, about, err);
	case SM_SYNTAX_JPEG:
		return sm_jpeg_decode(bytes, n, f, mem, out, about, err);
	case SM_SYNTAX_JPEGLS:
		return sm_jpegls_decode(bytes, n, f, mem, out, about, err);
	default:
		return SM_FAIL(err, SM_INPUT, "the transfer syntax %s is not supported",
			       syntax->name);
	}
}

/* What the picture says of itself against its transfer syntax. */
static enum sm_status check_stream(const struct sm_syntax *syntax, const struct sm_stream *s,
				   const unsigned char *bytes, size_t n, struct sm_err *err)
{
	if (syntax->way == SM_SYNTAX_RLE)
		return SM_OK;
	if (syntax->lossless && s->lossy)
		return SM_FAIL(err, SM_INPUT,
			       "the transfer syntax is %s and the picture is compressed with loss",
			       syntax->name);
	if (syntax->way == SM_SYNTAX_J2K && syntax->ht != s->ht)
		return SM_FAIL(err, SM_INPUT,
			       "the transfer syntax is %s and the picture is %sHTJ2K", syntax->name,
			       s->ht ? "" : "no ");
	if (!s->used)
		return SM_FAIL(err, SM_INPUT, "the compressed picture has no end marker");
	/* Padding may follow, another picture not. */
	const unsigned char *p = bytes + s->used;
	size_t left = n - s->used;
	for (; left && !*p; left--)
		p++;
	if (left >= 3 && p[0] == 0xff && ((p[1] == 0xd8 && p[2] == 0xff) || p[1] == 0x4f))
		return SM_FAIL(err, SM_INPUT,
			       "a second compressed picture follows in the same frame");
	return SM_OK;
}

static uint32_t word_at(const void *words, size_t i, int bits)
{
	return bits <= 8    ? ((const uint8_t *)words)[i]
	       : bits == 16 ? ((const uint16_t *)words)[i]
			    : ((const uint32_t *)words)[i];
}

/* Bits of overlays may stand above the picture's (retired in PS3.3 C.9.2). */
static bool overlay_bits(const struct sm_dicom *dcm)
{
	struct sm_dataset set = sm_dicom_data(dcm);
	for (unsigned group = 0x6000; group <= 0x601e; group += 2)
		if (sm_dataset_number_or(&set, SM_TAG(group, 0x0102), 0) > 0)
			return true;
	return false;
}

/* Words of a picture with more bits than the header tells: above HighBit is nothing, or copies of
 * the sign. */
static enum sm_status check_high_bits(const struct sm_dicom *dcm, const struct sm_pixel_format *f,
				      const struct sm_stream *s, const void *out, size_t count,
				      struct sm_err *err)
{
	int most = f->high_bit + 1 > f->bits_stored ? f->high_bit + 1 : f->bits_stored;
	if (most < 1 || s->precision <= most || s->precision > 31)
		return SM_OK;
	uint32_t mask = (1u << s->precision) - 1, sign = 1u << (most - 1),
		 high = mask & ~(2 * sign - 1);
	for (size_t i = 0; i < count; i++) {
		uint32_t w = word_at(out, i, f->bits_allocated) & mask;
		if (!(w & high) || (f->is_signed && (w & (high | sign)) == (high | sign)))
			continue;
		if (overlay_bits(dcm))
			return SM_OK;
		return SM_FAIL(
			err, SM_INPUT,
			"the compressed picture has %d bits and the value %u, BitsStored is %d "
			"and no overlay accounts for the bits above",
			s->precision, w, f->bits_stored);
	}
	return SM_OK;
}

/* Of a picture with fewer bits than the header tells the highest bit is the sign. */
static void extend_sign(const struct sm_pixel_format *f, const struct sm_stream *s, void *out,
			size_t count)
{
	if (!f->is_signed || s->is_signed || s->precision < 1 || s->precision >= f->bits_allocated)
		return;
	/* (w ^ sign) - sign extends the sign bit without branches. */
	uint32_t sign = 1u << (s->precision - 1);
	if (f->bits_allocated <= 8)
		for (size_t i = 0; i < count; i++)
			((uint8_t *)out)[i] = (uint8_t)((((uint8_t *)out)[i] ^ sign) - sign);
	else if (f->bits_allocated == 16)
		for (size_t i = 0; i < count; i++)
			((uint16_t *)out)[i] = (uint16_t)((((uint16_t *)out)[i] ^ sign) - sign);
	else
		for (size_t i = 0; i < count; i++)
			((uint32_t *)out)[i] = (((uint32_t *)out)[i] ^ sign) - sign;
}

/* From the bytes of one frame to words that agree with the header. */
static enum sm_status decode_stream(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
				    const struct sm_pixel_format *f, size_t frame,
				    struct sm_mem *mem, void *out, size_t size, struct sm_err *err)
{
	struct sm_stream about;
	const unsigned char *bytes;
	unsigned char *owned = NULL;
	size_t n, count = f->bits_allocated < 8 ? size : size / ((size_t)f->bits_allocated / 8);
	enum sm_status st =
		sm_dicom_frame_bytes(dcm, frame, (size_t)f->frames, mem, &bytes, &n, &owned, err);
	if (st == SM_OK)
		st = decode_packed(bytes, n, syntax, f, mem, out, size, &about, err);
	if (st == SM_OK)
		st = check_stream(syntax, &about, bytes, n, err);
	sm_free(owned);
	if (st == SM_OK)
		st = check_high_bits(dcm, f, &about, out, count, err);
	if (st == SM_OK)
		extend_sign(f, &about, out, count);
	return st;
}

enum sm_status sm_frame_decode(const struct sm_dicom *dcm, const struct sm_syntax *syntax,
			       const struct sm_pixel_format *f, size_t frame, struct sm_mem *mem,
			       void *out, struct sm_err *err)
{
	size_t size;
	if (!syntax || !sm_frame_size(f, &size))
		return SM_FAIL(err, SM_INPUT, "the frame cannot be decoded");
	SM_TRY(check_format(syntax, f, err));
	enum sm_status st;
	if (syntax->way == SM_SYNTAX_NATIVE)
		st = decode_native(dcm, syntax, f, frame, out, err);
	else
		st = decode_stream(dcm, syntax, f, frame, mem, out, size, err);
	bool planes = syntax->way == SM_SYNTAX_NATIVE && f->samples > 1 && f->planar &&
		      !sm_colour_is_halved(f);
	if (st == SM_OK && planes)
		st = sm_colour_interleave(f, mem, out, err);
	if (st == SM_OK && sm_colour_is_ybr(f))
		sm_colour_to_rgb(out, size / 3);
	return st;
}
