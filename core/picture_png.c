/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG by libpng. libpng is told to pass over every chunk but those that make pixels; the two others
 * of interest (physical size, EXIF) are looked up here.
 */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "core/picture_format.h"
#include "core/png_message.h"

#define MAX_SIDE 65535
#define MAX_RATIO 1032 /* of deflate */
/* Pixels of fewer bits become bytes: beyond this that counts too. */
#define FREE_BYTES ((size_t)64 << 20)

/* All that lives over a long jump of libpng. */
struct source {
	const unsigned char *bytes;
	size_t n, at;
	struct sm_png_message message;
	int type, bits, channels; /* channels in the file */
	int64_t width, height;
};

static void on_read(png_structp png, png_bytep data, size_t n)
{
	struct source *s = png_get_io_ptr(png);
	if (s->n - s->at < n)
		png_error(png, "the file ends early");
	memcpy(data, s->bytes + s->at, n);
	s->at += n;
}

static bool read_head(png_structp png, png_infop info, struct source *s)
{
	if (setjmp(png_jmpbuf(png)))
		return false;
	png_set_read_fn(png, s, on_read);
	png_set_user_limits(png, MAX_SIDE, MAX_SIDE);
	png_set_chunk_malloc_max(png, 1 << 20);
	/* -1: every chunk but IHDR, PLTE, tRNS, IDAT and IEND. */
	png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
	png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
	png_set_benign_errors(png, 0);
	png_read_info(png, info);
	s->type = png_get_color_type(png, info);
	s->bits = png_get_bit_depth(png, info);
	s->channels = png_get_channels(png, info);
	s->width = (int64_t)png_get_image_width(png, info);
	s->height = (int64_t)png_get_image_height(png, info);
	return true;
}

/* Samples of fewer than 8 bits get a byte each and keep their value. */
static bool read_pixels(png_structp png, png_infop info, const struct source *s, png_bytepp rows)
{
	if (setjmp(png_jmpbuf(png)))
		return false;
	png_set_packing(png);
	if (s->bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		png_set_swap(png);
	png_set_interlace_handling(png);
	png_read_update_info(png, info);
	if (png_get_rowbytes(png, info) !=
	    (size_t)s->width * (size_t)s->channels * (s->bits == 16 ? 2 : 1))
		png_error(png, "rows of another size than the header tells");
	png_read_image(png, rows);
	png_read_end(png, NULL);
	return true;
}

static uint32_t be32(const unsigned char *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Chunks that hold no pixels: counted; physical size and EXIF looked at. libpng has already checked
 * their order, lengths and CRCs. */
static enum sm_status walk_chunks(const struct source *s, const char *name,
				  struct sm_picture_info *info, struct sm_err *err)
{
	static const char pixels[] = "IHDR PLTE tRNS IDAT IEND";
	size_t at = 8;
	while (at < s->at && s->n - at >= 12) {
		size_t n = be32(s->bytes + at);
		char kind[5] = {0};
		const unsigned char *data = s->bytes + at + 8;
		memcpy(kind, s->bytes + at + 4, 4);
		if (n > s->n - at - 12)
			break;
		info->dropped += !strstr(pixels, kind);
		if (strcmp(kind, "pHYs") == 0 && n == 9 && data[8] == 1) {
			for (int a = 0; a < 2; a++)
				info->spacing[a] =
					be32(data + 4 * a) ? 1e3 / be32(data + 4 * a) : 0;
		} else if (strcmp(kind, "acTL") == 0) {
			return SM_FAIL(err, SM_INPUT,
				       "%s: animated PNG, allowed is one picture a file", name);
		} else if (strcmp(kind, "eXIf") == 0) {
			SM_TRY(sm_picture_upright(data, n, name, err));
		}
		at += 12 + n;
	}
	info->dropped += s->at < s->n;
	return SM_OK;
}

static uint16_t sample(const void *data, int bits, size_t i)
{
	return bits == 16 ? ((const uint16_t *)data)[i] : ((const uint8_t *)data)[i];
}

static void put(void *data, int bits, size_t i, uint16_t v)
{
	if (bits == 16)
		((uint16_t *)data)[i] = v;
	else
		((uint8_t *)data)[i] = (uint8_t)v;
}

/* Leaves the alpha channel out; counts pixels that are not opaque. */
static size_t drop_alpha(const struct source *s, const void *raw, struct sm_image *image)
{
	size_t n = (size_t)s->width * (size_t)s->height, clear = 0;
	size_t from = (size_t)s->channels, to = from - 1;
	uint16_t opaque = s->bits == 16 ? 65535 : 255;
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < to; c++)
			put(image->data, s->bits, i * to + c, sample(raw, s->bits, i * from + c));
		clear += sample(raw, s->bits, i * from + to) != opaque;
	}
	return clear;
}

/* Pixels of the colour that tRNS calls transparent. */
static size_t count_key(const struct source *s, const struct sm_image *image, png_color_16p key)
{
	size_t n = (size_t)s->width * (size_t)s->height, clear = 0;
	for (size_t i = 0; i < n; i++)
		if (s->channels == 1)
			clear += sample(image->data, s->bits, i) == key->gray;
		else
			clear += sample(image->data, s->bits, 3 * i) == key->red &&
				 sample(image->data, s->bits, 3 * i + 1) == key->green &&
				 sample(image->data, s->bits, 3 * i + 2) == key->blue;
	return clear;
}

static enum sm_status look_up(png_structp png, png_infop info, const struct source *s,
			      const uint8_t *raw, struct sm_image *image, const char *name,
			      size_t *clear, struct sm_err *err)
{
	png_colorp colour = NULL;
	png_bytep alpha = NULL;
	int colours = 0, alphas = 0;
	png_get_PLTE(png, info, &colour, &colours);
	if (png_get_valid(png, info, PNG_INFO_tRNS))
		png_get_tRNS(png, info, &alpha, &alphas, NULL);
	uint8_t *out = image->data;
	for (size_t i = 0; i < (size_t)s->width * (size_t)s->height; i++) {
		if (raw[i] >= colours)
			return SM_FAIL(err, SM_INPUT,
				       "%s: a pixel has colour number %d, allowed are 0..%d", name,
				       raw[i], colours - 1);
		out[3 * i] = colour[raw[i]].red;
		out[3 * i + 1] = colour[raw[i]].green;
		out[3 * i + 2] = colour[raw[i]].blue;
		*clear += raw[i] < alphas && alpha[raw[i]] != 255;
	}
	return SM_OK;
}

static enum sm_status to_image(png_structp png, png_infop info, const struct source *s, void *raw,
			       struct sm_image *image, const char *name, struct sm_err *err)
{
	size_t clear = 0;
	png_color_16p key = NULL;
	if (s->type == PNG_COLOR_TYPE_PALETTE) {
		SM_TRY(look_up(png, info, s, raw, image, name, &clear, err));
	} else if (s->type & PNG_COLOR_MASK_ALPHA) {
		clear = drop_alpha(s, raw, image);
	} else if (png_get_valid(png, info, PNG_INFO_tRNS)) {
		png_get_tRNS(png, info, NULL, NULL, &key);
		clear = key ? count_key(s, image, key) : 0;
	}
	if (!clear)
		return SM_OK;
	return SM_FAIL(
		err, SM_INPUT,
		"%s: %zu pixels are transparent, allowed is none: what lies beneath them is not "
		"known",
		name, clear);
}

static enum sm_status decode(png_structp png, png_infop info, struct source *s, const char *name,
			     struct sm_mem *mem, struct sm_image *image,
			     struct sm_picture_info *about, struct sm_err *err)
{
	void *raw = NULL, *target;
	png_bytepp rows = NULL;
	enum sm_status st = SM_OK;
	if (!read_head(png, info, s))
		return SM_FAIL(err, SM_INPUT, "%s: damaged PNG: %s", name, s->message.text);
	bool palette = s->type == PNG_COLOR_TYPE_PALETTE;
	bool alpha = (s->type & PNG_COLOR_MASK_ALPHA) != 0;
	size_t row = (size_t)s->width * (size_t)s->channels * (s->bits == 16 ? 2 : 1);
	size_t packed =
		((size_t)s->width * (size_t)(s->channels * s->bits) / 8 + 1) * (size_t)s->height;
	size_t spread = row * (size_t)s->height * (palette ? 4 : 1);
	if (packed / MAX_RATIO > s->n || (spread > FREE_BYTES && spread / MAX_RATIO > s->n))
		return SM_FAIL(err, SM_INPUT,
			       "%s: damaged PNG: %zu bytes cannot hold %lld x %lld pixels", name,
			       s->n, (long long)s->width, (long long)s->height);
	SM_TRY(sm_image_init(image, s->width, s->height, s->type & PNG_COLOR_MASK_COLOR ? 3 : 1,
			     s->bits == 16 ? 16 : 8, mem, err));
	rows = sm_alloc(mem, (size_t)s->height, sizeof *rows, "rows of a picture", err);
	if (palette || alpha)
		raw = sm_alloc(mem, (size_t)s->height, row, "picture with alpha or palette", err);
	if (!rows || ((palette || alpha) && !raw)) {
		st = SM_BUDGET;
		goto out;
	}
	target = raw ? raw : image->data;
	for (size_t y = 0; y < (size_t)s->height; y++)
		rows[y] = (png_bytep)target + y * row;
	if (!read_pixels(png, info, s, rows))
		SM_GOTO(st, SM_FAIL(err, SM_INPUT, "%s: damaged PNG: %s", name, s->message.text));
	SM_GOTO(st, to_image(png, info, s, raw, image, name, err));
	*about = (struct sm_picture_info){.format = "png",
					  .bits = s->bits,
					  .channels = s->channels,
					  .maxval = palette ? 255 : (1 << s->bits) - 1,
					  .palette = palette,
					  .alpha = alpha};
	SM_GOTO(st, walk_chunks(s, name, about, err));
out:
	sm_free(rows);
	sm_free(raw);
	return st;
}

enum sm_status sm_picture_png(const unsigned char *bytes, size_t n, const char *name,
			      struct sm_mem *mem, struct sm_image *image,
			      struct sm_picture_info *info, struct sm_err *err)
{
	struct source s = {.bytes = bytes, .n = n};
	enum sm_status st;
	png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s.message,
						  sm_png_on_error, sm_png_on_warning);
	png_infop head = png ? png_create_info_struct(png) : NULL;
	if (head)
		st = decode(png, head, &s, name, mem, image, info, err);
	else
		st = SM_FAIL(err, SM_BUDGET, "%s: no memory to decode a picture", name);
	png_destroy_read_struct(&png, &head, NULL);
	return st;
}
