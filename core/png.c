/* SPDX-License-Identifier: Apache-2.0 */
#include "core/png.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/png_message.h"
#include "core/file.h"
#include "core/hash.h"

#define MAX_SIDE 65535
/* Fixed, so that the same pixels give the same bytes whatever zlib's or libpng's defaults are. */
#define DEFLATE_LEVEL 6

enum sm_status sm_image_init(struct sm_image *image, int64_t width, int64_t height, int channels,
			     int bits, struct sm_mem *mem, struct sm_err *err)
{
	*image = (struct sm_image){0};
	if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE)
		return SM_FAIL(err, SM_INPUT,
			       "picture of %lld x %lld pixels, allowed are 1..%d a side",
			       (long long)width, (long long)height, MAX_SIDE);
	if ((channels != 1 && channels != 3) || (bits != 8 && bits != 16))
		return SM_FAIL(err, SM_INTERNAL,
			       "picture of %d channels and %d bits, allowed are 1 or 3 and 8 or 16",
			       channels, bits);
	void *data = sm_alloc(mem, (size_t)width * (size_t)height, (size_t)(channels * bits / 8),
			      "picture", err);
	if (!data)
		return SM_BUDGET;
	*image = (struct sm_image){
		.width = width, .height = height, .channels = channels, .bits = bits, .data = data};
	return SM_OK;
}

void sm_image_clear(struct sm_image *image)
{
	sm_free(image->data);
	*image = (struct sm_image){0};
}

/* What libpng's callbacks need: a file or a growing byte string, and the first error. */
struct stream {
	FILE *file; /* NULL: the bytes */
	unsigned char *bytes;
	size_t n, room;
	struct sm_png_message message;
};

static void on_write(png_structp png, png_bytep data, size_t n)
{
	struct stream *s = png_get_io_ptr(png);
	if (s->file) {
		if (fwrite(data, 1, n, s->file) != n)
			png_error(png, "cannot be written");
		return;
	}
	if (s->room - s->n < n) {
		size_t room = (s->n + n) * 2 + 4096;
		unsigned char *bytes = realloc(s->bytes, room);
		if (!bytes)
			png_error(png, "out of memory");
		s->bytes = bytes;
		s->room = room;
	}
	memcpy(s->bytes + s->n, data, n);
	s->n += n;
}

static void on_flush(png_structp png)
{
	(void)png;
}

static size_t row_bytes(const struct sm_image *image)
{
	return (size_t)image->width * (size_t)(image->channels * image->bits / 8);
}

/* False when libpng gave up; s->message tells why. All objects that live over the long jump are
 * the caller's. */
static bool encode(png_structp png, png_infop info, const struct sm_image *image, struct stream *s)
{
	if (setjmp(png_jmpbuf(png)))
		return false;
	png_set_write_fn(png, s, on_write, on_flush);
	png_set_user_limits(png, MAX_SIDE, MAX_SIDE);
	png_set_compression_level(png, DEFLATE_LEVEL);
	png_set_compression_strategy(png, 1); /* Z_FILTERED */
	png_set_compression_mem_level(png, 8);
	png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_ALL_FILTERS);
	png_set_IHDR(png, info, (png_uint_32)image->width, (png_uint_32)image->height, image->bits,
		     image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
		     PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	if (image->bits == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		png_set_swap(png);
	for (int64_t y = 0; y < image->height; y++)
		png_write_row(png, (png_const_bytep)image->data + (size_t)y * row_bytes(image));
	png_write_end(png, NULL);
	return true;
}

static enum sm_status encode_to(struct stream *s, const struct sm_image *image, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &s->message,
						  sm_png_on_error, sm_png_on_warning);
	png_infop info = png ? png_create_info_struct(png) : NULL;
	if (!info)
		st = SM_FAIL(err, SM_BUDGET, "no memory to encode a picture");
	else if (!encode(png, info, image, s))
		st = SM_FAIL(err, s->file && ferror(s->file) ? SM_IO : SM_INTERNAL,
			     "picture of %lld x %lld: libpng: %s", (long long)image->width,
			     (long long)image->height, s->message.text);
	png_destroy_write_struct(&png, &info);
	return st;
}

enum sm_status sm_png_encode(const struct sm_image *image, unsigned char **bytes, size_t *n,
			     struct sm_err *err)
{
	struct stream s = {0};
	*bytes = NULL;
	*n = 0;
	enum sm_status st = encode_to(&s, image, err);
	if (st != SM_OK) {
		free(s.bytes);
		return st;
	}
	*bytes = s.bytes;
	*n = s.n;
	return SM_OK;
}

enum sm_status sm_png_write(const char *path, const struct sm_image *image, struct sm_err *err)
{
	struct sm_outfile out;
	SM_TRY(sm_outfile_begin(&out, path, true, err));
	/* As it is encoded: no second picture in memory. */
	struct stream s = {.file = out.stream};
	enum sm_status st = encode_to(&s, image, err);
	if (st == SM_OK)
		return sm_outfile_commit(&out, err);
	sm_outfile_abandon(&out);
	return st;
}

void sm_image_sha256(const struct sm_image *image, char hex[65])
{
	char head[64];
	struct sm_sha256 h;
	sm_sha256_init(&h);
	snprintf(head, sizeof head, "%lld %lld %d %d\n", (long long)image->width,
		 (long long)image->height, image->channels, image->bits);
	sm_sha256_add(&h, head, strlen(head));
	sm_sha256_add(&h, image->data, row_bytes(image) * (size_t)image->height);
	sm_sha256_final(&h, hex);
}
