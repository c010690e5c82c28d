/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ingest/series/dcm_frame.h"

bool sm_native_bits(const struct sm_pixel_format *f, size_t *bits)
{
	size_t pixels;
	if (!sm_mul((size_t)f->rows, (size_t)f->columns, &pixels))
		return false;
	if (sm_colour_is_halved(f))
		return sm_mul(pixels, 16, bits);
	return sm_mul3(pixels, (size_t)f->samples, (size_t)f->bits_allocated, bits);
}

/* First pixel in the lowest bit; frames follow each other without padding. Words of big endian
 * files hold their second byte first. */
static void unpack_bits(const unsigned char *p, size_t first, size_t n, bool swapped,
			unsigned char *out)
{
	for (size_t i = 0; i < n; i++) {
		size_t bit = first + i;
		out[i] = p[(bit >> 3) ^ (size_t)swapped] >> (bit & 7) & 1;
	}
}

static void swap_words(unsigned char *out, size_t bytes, size_t width)
{
	for (size_t i = 0; i + width <= bytes; i += width)
		for (size_t k = 0; k < width / 2; k++) {
			unsigned char t = out[i + k];
			out[i + k] = out[i + width - 1 - k];
			out[i + width - 1 - k] = t;
		}
}

/* Y1 Y2 Cb Cr for two pixels. */
static void spread_halved(const unsigned char *p, size_t pixels, unsigned char *out)
{
	for (size_t i = 0; i + 1 < pixels; i += 2, p += 4, out += 6) {
		out[0] = p[0];
		out[3] = p[1];
		out[1] = out[4] = p[2];
		out[2] = out[5] = p[3];
	}
}

static void copy_bytes(const struct sm_dicom_pixels *p, size_t first, size_t bytes, bool swapped,
		       unsigned char *out)
{
	if (!swapped) {
		memcpy(out, p->bytes + first, bytes);
		return;
	}
	for (size_t i = 0; i < bytes; i++)
		out[i] = p->bytes[(first + i) ^ 1];
}

void sm_native_decode(const struct sm_dicom_pixels *p, bool big_endian,
		      const struct sm_pixel_format *f, size_t frame, void *out)
{
	size_t bits, bytes, width = (size_t)f->bits_allocated / 8;
	if (!sm_native_bits(f, &bits) || !sm_frame_size(f, &bytes))
		return;
	bool swapped = big_endian && p->words && width <= 1;
	if (f->bits_allocated == 1)
		unpack_bits(p->bytes, frame * bits, bits, swapped, out);
	else if (sm_colour_is_halved(f))
		spread_halved(p->bytes + frame * (bits / 8), bits / 16, out);
	else
		copy_bytes(p, frame * (bits / 8), bytes, swapped, out);
	if (big_endian && width > 1)
		swap_words(out, bytes, width);
}

bool sm_native_alone(const struct sm_syntax *syntax, const struct sm_pixel_format *f)
{
	return syntax && syntax->way == SM_SYNTAX_NATIVE && f->samples == 1 &&
	       f->bits_allocated >= (syntax->big_endian ? 16 : 8);
}

bool sm_native_readable(const struct sm_syntax *syntax, const struct sm_pixel_format *f)
{
	return sm_native_alone(syntax, f) && !syntax->deflated;
}

enum sm_status sm_native_read(int fd, uint64_t offset, const struct sm_syntax *syntax,
			      const struct sm_pixel_format *f, size_t frame, void *out,
			      struct sm_err *err)
{
	size_t n;
	if (!sm_native_readable(syntax, f) || !sm_frame_size(f, &n))
		return SM_FAIL(err, SM_INPUT, "the frame cannot be read by itself");
	uint64_t at = offset + (uint64_t)frame * n;
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return SM_FAIL(err, SM_INPUT, "the pixels cannot be read");
		done += (size_t)got;
	}
	if (syntax->big_endian)
		swap_words(out, n, (size_t)f->bits_allocated / 8);
	return SM_OK;
}

enum sm_status sm_native_next(struct sm_dicom *dcm, const struct sm_syntax *syntax,
			      const struct sm_pixel_format *f, void *out, struct sm_err *err)
{
	size_t n;
	if (!sm_native_alone(syntax, f) || !sm_frame_size(f, &n))
		return SM_FAIL(err, SM_INPUT, "the frame cannot be read by itself");
	SM_TRY(sm_dicom_pixels_next(dcm, out, n, err));
	if (out && syntax->big_endian)
		swap_words(out, n, (size_t)f->bits_allocated / 8);
	return SM_OK;
}
