/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/picture.h"

#define W 19
#define H 11

static struct sm_mem mem;
static struct sm_err err;
static struct sm_image image;
static struct sm_picture_info info;

/* The header of bytes in a file, which is gone afterwards. */
static enum sm_status header_of(const void *bytes, size_t n, struct sm_picture_size *size)
{
	char path[] = "/tmp/scanmill-picture.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	close(fd);
	enum sm_status st = sm_picture_read_header(path, "p.x", size, &err);
	unlink(path);
	assert_int_equal(sm_picture_read_header(path, "p.x", &(struct sm_picture_size){0}, NULL),
			 SM_IO);
	return st;
}

/* What can be read has a header that tells the same. */
static void check_header(const void *bytes, size_t n)
{
	struct sm_picture_size size;
	assert_good(header_of(bytes, n, &size), err);
	assert_int_equal(size.width, image.width);
	assert_int_equal(size.height, image.height);
	assert_int_equal(size.channels, info.channels);
}

static enum sm_status parse(const void *bytes, size_t n)
{
	sm_image_clear(&image);
	enum sm_status st = sm_picture_parse(bytes, n, "p.x", &mem, &image, &info, &err);
	if (st != SM_OK)
		assert_null(image.data);
	else
		check_header(bytes, n);
	return st;
}

static void test_header_refuses_what_tells_no_size(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t n;
		const char *part;
	} row[] = {
		{"", 0, "its first bytes are those of no picture"},
		{"GIF89a", 6, "is a GIF picture"},
		{"\x89PNG\r\n\x1a\n\0\0", 10, "damaged PNG: its header tells no size"},
		{"\xff\xd8\xff\xe0\0\x10JFIF", 10, "damaged JPEG: its header tells no size"},
		{"P5 12 ", 6, "damaged PGM: its header tells no size"},
		{"P5 0 7 255 ", 11, "0 x 7 pixels, allowed are 1..65535"},
	};
	for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
		struct sm_picture_size s;
		assert_refused(header_of(row[i].bytes, row[i].n, &s), SM_INPUT, err, row[i].part);
	}
}

/* What a written test PNG is like. */
struct png_kind {
	int type, bits;
	bool interlaced;
	int clear; /* alpha of pixel 7; 255 or 65535 = opaque; palette: of colour 1 */
	bool key;  /* tRNS names the colour of pixel 7 */
	const char *exif;
	size_t exif_n;
	bool notes; /* text, gamma, 5 pixels a millimetre across and 4 down */
};

struct bytes {
	unsigned char b[1 << 16];
	size_t n;
};

static struct bytes file;

static void on_write(png_structp png, png_bytep data, size_t n)
{
	struct bytes *out = png_get_io_ptr(png);
	assert_true(sizeof out->b - out->n >= n);
	memcpy(out->b + out->n, data, n);
	out->n += n;
}

static int channels_of(int type)
{
	return (type & PNG_COLOR_MASK_COLOR && type != PNG_COLOR_TYPE_PALETTE ? 3 : 1) +
	       (type & PNG_COLOR_MASK_ALPHA ? 1 : 0);
}

/* Sample c of pixel i: any value that fits. */
static unsigned value(const struct png_kind *k, size_t i, int c)
{
	unsigned max = (1u << k->bits) - 1;
	int channels = channels_of(k->type);
	if (k->type & PNG_COLOR_MASK_ALPHA && c == channels - 1)
		return i == 7 ? (unsigned)k->clear : max;
	return (unsigned)(i * 2654435761u >> 7 ^ (unsigned)c * 77) & max;
}

static void add_notes(png_structp png, png_infop head, const struct png_kind *k)
{
	png_color_16 key = {0};
	png_byte alpha[2] = {255, (png_byte)k->clear};
	char word[] = "Author", name[] = "Doe^Jane";
	png_text text = {.compression = PNG_TEXT_COMPRESSION_NONE, .key = word, .text = name};
	key.gray = key.red = (png_uint_16)value(k, 7, 0);
	key.green = (png_uint_16)value(k, 7, 1);
	key.blue = (png_uint_16)value(k, 7, 2);
	if (k->type == PNG_COLOR_TYPE_PALETTE && k->clear != 255)
		png_set_tRNS(png, head, alpha, 2, NULL);
	if (k->key)
		png_set_tRNS(png, head, NULL, 0, &key);
	if (k->notes) {
		png_set_text(png, head, &text, 1);
		png_set_gAMA(png, head, 0.45);
		png_set_pHYs(png, head, 5000, 4000, PNG_RESOLUTION_METER);
	}
	if (k->exif_n)
		png_set_eXIf_1(png, head, (png_uint_32)k->exif_n, (png_bytep)(uintptr_t)k->exif);
}

static void write_png(const struct png_kind *k)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop head = png_create_info_struct(png);
	int channels = channels_of(k->type);
	size_t row = W * 8;
	unsigned char pixels[H * W * 8], *rows[H];
	png_color palette[256];
	file.n = 0;
	for (size_t i = 0; i < 256; i++)
		palette[i] = (png_color){(png_byte)(i + 1), (png_byte)(3 * i), (png_byte)(255 - i)};
	for (size_t y = 0; y < H; y++) {
		rows[y] = pixels + y * row;
		for (size_t x = 0; x < W; x++)
			for (int c = 0; c < channels; c++) {
				unsigned v = value(k, y * W + x, c);
				size_t at = x * (size_t)channels + (size_t)c;
				if (k->bits == 16) {
					rows[y][2 * at] = (unsigned char)(v >> 8);
					rows[y][2 * at + 1] = (unsigned char)v;
				} else {
					rows[y][at] = (unsigned char)v;
				}
			}
	}
	png_set_write_fn(png, &file, on_write, NULL);
	png_set_IHDR(png, head, W, H, k->bits, k->type, k->interlaced, 0, 0);
	if (k->type == PNG_COLOR_TYPE_PALETTE)
		png_set_PLTE(png, head, palette, 1 << k->bits);
	add_notes(png, head, k);
	png_write_info(png, head);
	png_set_packing(png);
	png_set_interlace_handling(png);
	png_write_image(png, rows);
	png_write_end(png, NULL);
	png_destroy_write_struct(&png, &head);
}

static unsigned got(size_t i)
{
	return image.bits == 16 ? ((uint16_t *)image.data)[i] : ((uint8_t *)image.data)[i];
}

static void check_pixels(const struct png_kind *k)
{
	bool palette = k->type == PNG_COLOR_TYPE_PALETTE;
	int channels = k->type & PNG_COLOR_MASK_COLOR ? 3 : 1;
	assert_int_equal(image.width, W);
	assert_int_equal(image.height, H);
	assert_int_equal(image.channels, channels);
	assert_int_equal(image.bits, k->bits == 16 ? 16 : 8);
	assert_int_equal(info.maxval, palette ? 255 : (1 << k->bits) - 1);
	assert_int_equal(info.bits, k->bits);
	assert_int_equal(info.alpha, (k->type & PNG_COLOR_MASK_ALPHA) != 0);
	for (size_t i = 0; i < W * H; i++)
		for (int c = 0; c < channels; c++) {
			unsigned v = value(k, i, palette ? 0 : c);
			if (palette)
				v = (c == 0 ? v + 1 : c == 1 ? 3 * v : 255 - v) & 255;
			assert_int_equal(got(i * (size_t)channels + (size_t)c), v);
		}
}

static void test_png_of_every_kind_keeps_its_numbers(void **state)
{
	(void)state;
	static const struct {
		int type, bits;
	} kinds[] = {
		{PNG_COLOR_TYPE_GRAY, 1},        {PNG_COLOR_TYPE_GRAY, 2},
		{PNG_COLOR_TYPE_GRAY, 4},        {PNG_COLOR_TYPE_GRAY, 8},
		{PNG_COLOR_TYPE_GRAY, 16},       {PNG_COLOR_TYPE_GRAY_ALPHA, 8},
		{PNG_COLOR_TYPE_GRAY_ALPHA, 16}, {PNG_COLOR_TYPE_RGB, 8},
		{PNG_COLOR_TYPE_RGB, 16},        {PNG_COLOR_TYPE_RGB_ALPHA, 8},
		{PNG_COLOR_TYPE_RGB_ALPHA, 16},  {PNG_COLOR_TYPE_PALETTE, 1},
		{PNG_COLOR_TYPE_PALETTE, 2},     {PNG_COLOR_TYPE_PALETTE, 4},
		{PNG_COLOR_TYPE_PALETTE, 8},
	};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		for (int interlaced = 0; interlaced < 2; interlaced++) {
			bool palette = kinds[i].type == PNG_COLOR_TYPE_PALETTE;
			struct png_kind k = {.type = kinds[i].type,
					     .bits = kinds[i].bits,
					     .interlaced = interlaced,
					     .clear = palette ? 255 : (1 << kinds[i].bits) - 1};
			write_png(&k);
			assert_good(parse(file.b, file.n), err);
			check_pixels(&k);
			assert_string_equal(info.format, "png");
			assert_int_equal(info.dropped, 0);
		}
}

static void test_png_transparent_pixels_are_refused(void **state)
{
	(void)state;
	const struct png_kind kinds[] = {
		{.type = PNG_COLOR_TYPE_GRAY_ALPHA, .bits = 8, .clear = 254},
		{.type = PNG_COLOR_TYPE_RGB_ALPHA, .bits = 16, .clear = 0},
		{.type = PNG_COLOR_TYPE_PALETTE, .bits = 4, .clear = 10},
		{.type = PNG_COLOR_TYPE_GRAY, .bits = 4, .key = true},
		{.type = PNG_COLOR_TYPE_GRAY, .bits = 16, .key = true},
		{.type = PNG_COLOR_TYPE_RGB, .bits = 8, .key = true},
	};
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		write_png(&kinds[i]);
		assert_refused(parse(file.b, file.n), SM_INPUT, err,
			       "transparent, allowed is none");
	}
	/* A key that no pixel has makes none transparent. */
	struct png_kind k = {.type = PNG_COLOR_TYPE_RGB, .bits = 8, .key = true};
	write_png(&k);
	size_t at = (size_t)((unsigned char *)memmem(file.b, file.n, "tRNS", 4) - file.b);
	png_byte *data = file.b + at + 4;
	memset(data, 0, 6);
	data[1] = (png_byte)value(&k, 7, 0); /* red alone does not make it */
	data[3] = (png_byte)(value(&k, 7, 1) + 1);
	uint32_t crc = (uint32_t)crc32(0, file.b + at, 10);
	for (int b = 0; b < 4; b++)
		data[6 + b] = (png_byte)(crc >> (24 - 8 * b));
	assert_good(parse(file.b, file.n), err);
}

static const char turned[] = "MM\0*\0\0\0\x08\0\2\1\0\0\3\0\0\0\1\0\1\0\0"
			     "\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0";
static const char upright[] = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\1\0\0\0\0\0\0\0";

static void test_png_notes_are_dropped_and_counted(void **state)
{
	(void)state;
	struct png_kind k = {.type = PNG_COLOR_TYPE_GRAY, .bits = 8, .notes = true};
	write_png(&k);
	assert_non_null(memmem(file.b, file.n, "Doe^Jane", 8));
	assert_good(parse(file.b, file.n), err);
	assert_int_equal(info.dropped, 3);
	assert_float_equal(info.spacing[0], 0.2, 1e-12);
	assert_float_equal(info.spacing[1], 0.25, 1e-12);
	file.b[file.n++] = 'x'; /* behind the picture */
	assert_good(parse(file.b, file.n), err);
	assert_int_equal(info.dropped, 4);
	k = (struct png_kind){
		.type = PNG_COLOR_TYPE_RGB, .bits = 8, .exif = turned, .exif_n = sizeof turned - 1};
	write_png(&k);
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "EXIF orientation is 6, allowed is 1");
	k.exif = upright;
	k.exif_n = sizeof upright - 1;
	write_png(&k);
	assert_good(parse(file.b, file.n), err);
	assert_int_equal(info.dropped, 1);
}

static void test_png_animated_is_refused(void **state)
{
	(void)state;
	static const unsigned char chunk[] = {0,   0,   0, 8, 'a', 'c', 'T', 'L', 0, 0,
					      0,   2,   0, 0, 0,   0,   0,   0,   0, 0};
	struct png_kind k = {.type = PNG_COLOR_TYPE_GRAY, .bits = 8};
	write_png(&k);
	size_t at = 8 + 25; /* behind IHDR */
	memmove(file.b + at + sizeof chunk, file.b + at, file.n - at);
	memcpy(file.b + at, chunk, sizeof chunk);
	file.n += sizeof chunk;
	uint32_t crc = (uint32_t)crc32(0, chunk + 4, 12);
	for (int b = 0; b < 4; b++)
		file.b[at + 16 + (size_t)b] = (png_byte)(crc >> (24 - 8 * b));
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "animated PNG");
}

static void test_png_cut_flipped_or_too_large(void **state)
{
	(void)state;
	struct png_kind k = {.type = PNG_COLOR_TYPE_RGB_ALPHA, .bits = 8, .clear = 255};
	write_png(&k);
	for (size_t cut = 0; cut < file.n; cut += 7)
		assert_int_equal(parse(file.b, cut), SM_INPUT);
	for (size_t i = 8; i < file.n; i += 5) {
		file.b[i] ^= 32;
		assert_int_equal(parse(file.b, file.n), SM_INPUT);
		file.b[i] ^= 32;
	}
	assert_good(parse(file.b, file.n), err);
	/* 60000 x 60000 in a small file */
	memcpy(file.b + 16, "\0\0\xea\x60\0\0\xea\x60", 8);
	uint32_t crc = (uint32_t)crc32(0, file.b + 12, 17);
	for (int b = 0; b < 4; b++)
		file.b[29 + b] = (png_byte)(crc >> (24 - 8 * b));
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "cannot hold 60000 x 60000 pixels");
	struct sm_mem little;
	sm_mem_init(&little, 100);
	write_png(&k);
	assert_int_equal(sm_picture_parse(file.b, file.n, "p", &little, &image, &info, &err),
			 SM_BUDGET);
	assert_null(image.data);
}

static void test_png_colour_outside_the_palette(void **state)
{
	(void)state;
	struct png_kind k = {.type = PNG_COLOR_TYPE_PALETTE, .bits = 8, .clear = 255};
	write_png(&k);
	/* PLTE of 256 colours becomes one of 16: the rest of it an unknown chunk's worth of bytes
	 * less */
	unsigned char *plte = memmem(file.b, file.n, "PLTE", 4);
	size_t tail = file.n - (size_t)(plte + 4 + 768 + 4 - file.b);
	plte[-2] = 0;
	plte[-1] = 48;
	memmove(plte + 4 + 48 + 4, plte + 4 + 768 + 4, tail);
	file.n -= 720;
	uint32_t crc = (uint32_t)crc32(0, plte, 4 + 48);
	for (int b = 0; b < 4; b++)
		plte[52 + b] = (png_byte)(crc >> (24 - 8 * b));
	assert_int_equal(parse(file.b, file.n), SM_INPUT);
}

struct jpeg_kind {
	J_COLOR_SPACE space;
	bool progressive, arithmetic;
	const char *exif;
	size_t exif_n;
};

static void write_jpeg(const struct jpeg_kind *k)
{
	struct jpeg_compress_struct j;
	struct jpeg_error_mgr e;
	unsigned char *out = NULL, row[40 * 4];
	unsigned long n = 0;
	j.err = jpeg_std_error(&e);
	jpeg_create_compress(&j);
	jpeg_mem_dest(&j, &out, &n);
	j.image_width = 40;
	j.image_height = 24;
	j.in_color_space = k->space;
	j.input_components = k->space == JCS_CMYK ? 4 : k->space == JCS_RGB ? 3 : 1;
	jpeg_set_defaults(&j);
	jpeg_set_quality(&j, 100, TRUE);
	for (int c = 0; c < j.num_components; c++)
		j.comp_info[c].h_samp_factor = j.comp_info[c].v_samp_factor = 1;
	if (k->progressive)
		jpeg_simple_progression(&j);
	j.arith_code = k->arithmetic;
	jpeg_start_compress(&j, TRUE);
	if (k->exif_n) {
		unsigned char app[256] = "Exif\0";
		memcpy(app + 6, k->exif, k->exif_n);
		jpeg_write_marker(&j, JPEG_APP0 + 1, app, (unsigned)(6 + k->exif_n));
		jpeg_write_marker(&j, JPEG_COM, (const JOCTET *)"Doe^Jane", 8);
	}
	for (unsigned y = 0; y < 24; y++) {
		JSAMPROW line = row;
		for (unsigned x = 0; x < 40; x++)
			for (int c = 0; c < j.input_components; c++)
				row[x * (unsigned)j.input_components + (unsigned)c] =
					(unsigned char)(2 * x + 3 * y + 40 * (unsigned)c);
		jpeg_write_scanlines(&j, &line, 1);
	}
	jpeg_finish_compress(&j);
	jpeg_destroy_compress(&j);
	assert_true(n < sizeof file.b);
	memcpy(file.b, out, n);
	file.n = n;
	free(out);
}

static void test_jpeg_gray_and_colour(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct jpeg_kind k = {.space = i & 1 ? JCS_RGB : JCS_GRAYSCALE,
				      .progressive = i >= 2};
		int channels = i & 1 ? 3 : 1;
		write_jpeg(&k);
		assert_good(parse(file.b, file.n), err);
		assert_string_equal(info.format, "jpeg");
		assert_int_equal(image.channels, channels);
		assert_int_equal(image.bits, 8);
		assert_int_equal(info.dropped, 0);
		for (int y = 0; y < 24; y++)
			for (int x = 0; x < 40; x++)
				for (int c = 0; c < channels; c++) {
					int found = (int)got((size_t)((y * 40 + x) * channels + c));
					assert_in_range(found - (2 * x + 3 * y + 40 * c) + 2, 0, 4);
				}
		for (size_t cut = 0; cut < file.n - 2; cut += 13)
			assert_int_equal(parse(file.b, cut), SM_INPUT);
	}
}

static void test_jpeg_refused_kinds(void **state)
{
	(void)state;
	struct jpeg_kind k = {.space = JCS_CMYK};
	write_jpeg(&k);
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "CMYK");
	k = (struct jpeg_kind){.space = JCS_GRAYSCALE, .arithmetic = true};
	write_jpeg(&k);
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "arithmetic");
	k = (struct jpeg_kind){.space = JCS_RGB, .exif = turned, .exif_n = sizeof turned - 1};
	write_jpeg(&k);
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "EXIF orientation is 6");
	k.exif = upright;
	k.exif_n = sizeof upright - 1;
	write_jpeg(&k);
	assert_good(parse(file.b, file.n), err);
	assert_int_equal(info.dropped, 2);
	/* Rows and columns of 65000 in a small file: SOF0 is FFC0, length, precision, rows,
	 * columns. */
	unsigned char *sof = memmem(file.b, file.n, "\xff\xc0\0\x11\x08", 5);
	memcpy(sof + 5, "\xfd\xe8\xfd\xe8", 4);
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "cannot hold 65000 x 65000 pixels");
	sof[1] = 0xc3;
	assert_refused(parse(file.b, file.n), SM_INPUT, err, "SOF type 0xc3");
}

static void test_jpeg_many_scans_are_refused(void **state)
{
	(void)state;
	struct jpeg_kind k = {.space = JCS_GRAYSCALE, .progressive = true};
	write_jpeg(&k);
	/* The last scan, again and again. */
	size_t last = 0, end = file.n - 2;
	for (size_t i = 0; i + 1 < file.n; i++)
		if (file.b[i] == 0xff && file.b[i + 1] == 0xda)
			last = i;
	size_t n = end - last;
	for (int i = 0; i < 200 && file.n + n < sizeof file.b; i++) {
		memcpy(file.b + file.n - 2, file.b + last, n);
		file.n += n;
		memcpy(file.b + file.n - 2, "\xff\xd9", 2);
	}
	assert_int_equal(parse(file.b, file.n), SM_INPUT);
}

struct pnm {
	const char *text;
	size_t n;
	const char *refused; /* part of the sentence; NULL = good */
	int64_t width, height;
	int channels, bits, maxval;
	unsigned first, last;
};
#define TEXT(t) t, sizeof(t) - 1

static void test_pnm_of_every_kind(void **state)
{
	(void)state;
	static const struct pnm table[] = {
		{TEXT("P5\n2 2\n255\nabcd"), NULL, 2, 2, 1, 8, 255, 'a', 'd'},
		{TEXT("P5 2 1 # two\n# more\n255 ab\n"), NULL, 2, 1, 1, 8, 255, 'a', 'b'},
		{TEXT("P5 1 2 65535\n\x01\x02\xff\xfe"), NULL, 1, 2, 1, 16, 65535, 0x102, 0xfffe},
		{TEXT("P5 1 2 256\n\x01\x00\x00\x03"), NULL, 1, 2, 1, 16, 256, 256, 3},
		{TEXT("P6 1 1 9\n\1\2\11"), NULL, 1, 1, 3, 8, 9, 1, 9},
		{TEXT("P2\n3 1\n4095\n0 17 4095\n"), NULL, 3, 1, 1, 16, 4095, 0, 4095},
		{TEXT("P2 2 1 7 1#c\n7"), NULL, 2, 1, 1, 8, 7, 1, 7},
		{TEXT("P3 1 1 255 1 2 3"), NULL, 1, 1, 3, 8, 255, 1, 3},
		{TEXT("P5 1 1 15\n\x10"), "a sample is 16, allowed are 0..15", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P2 1 1 15 16"), "a sample is 16, allowed are 0..15", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P2 2 1 15 1 2 3"), "more samples than 2 x 1", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P2 2 1 15 1 -2"), "a sample is no whole number", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P2 2 1 15 1 "), "ends early", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P5 2 2 255\nabc"), "ends early: 3 bytes of pixels", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P5 2 1 255\nabP5"), "2 bytes behind the pixels", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P5 0 1 255\n"), "the width is 0, allowed are 1..65535", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P5 99999999999999999999 1 255\n"), "the width is 99999 or more", 0, 0, 0, 0,
		 0, 0, 0},
		{TEXT("P5 1 1 0\n."), "maxval is 0, allowed are 1..65535", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P5 1 1 65536\n.."), "maxval is 65536", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P5 1 x"), "the height is no whole number", 0, 0, 0, 0, 0, 0, 0},
		{TEXT("P5 60000 60000 255\n"), "60000 x 60000 pixels need 3600000000", 0, 0, 0, 0,
		 0, 0, 0},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		const struct pnm *p = &table[i];
		if (p->refused) {
			assert_refused(parse(p->text, p->n), SM_INPUT, err, p->refused);
			continue;
		}
		assert_good(parse(p->text, p->n), err);
		assert_int_equal(image.width, p->width);
		assert_int_equal(image.height, p->height);
		assert_int_equal(image.channels, p->channels);
		assert_int_equal(image.bits, p->bits);
		assert_int_equal(info.maxval, p->maxval);
		assert_int_equal(got(0), p->first);
		assert_int_equal(got((size_t)(p->width * p->height * p->channels) - 1), p->last);
	}
}

static void test_other_formats_are_refused_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t n;
		const char *name;
	} table[] = {
		{TEXT("II*\0....."), "TIFF"},
		{TEXT("MM\0*....."), "TIFF"},
		{TEXT("GIF89a...."), "GIF"},
		{TEXT("BM........"), "BMP"},
		{TEXT("RIFF....WEBP"), "WebP"},
		{TEXT("P4 1 1\n."), "PBM"},
		{TEXT("P7\nWIDTH 1"), "PAM"},
		{TEXT("....ftypheic"), "HEIF"},
		{TEXT("\xff\x4f\xff\x51.."), "JPEG 2000"},
		{TEXT("hello"), "no picture"},
		{TEXT(""), "no picture"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_refused(parse(table[i].text, table[i].n), SM_INPUT, err, table[i].name);
}

static void test_identity_is_that_of_the_pixels(void **state)
{
	(void)state;
	char path[] = "/tmp/sm_picture_XXXXXX.png", a[65], b[65];
	int fd = mkstemps(path, 4);
	assert_true(fd >= 0);
	close(fd);
	struct png_kind k = {.type = PNG_COLOR_TYPE_GRAY, .bits = 8};
	write_png(&k);
	assert_good(parse(file.b, file.n), err);
	sm_image_sha256(&image, a);
	k.interlaced = k.notes = true; /* other bytes, the same pixels */
	write_png(&k);
	assert_good(sm_file_write(path, file.b, file.n, &err), err);
	assert_good(sm_content_sha256(path, &mem, b, &err), err);
	assert_string_equal(a, b);
	((uint8_t *)image.data)[3] ^= 1;
	sm_image_sha256(&image, b);
	assert_string_not_equal(a, b);
	unlink(path);
}

int main(void)
{
	sm_mem_init(&mem, 64 << 20);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_refuses_what_tells_no_size),
		cmocka_unit_test(test_png_of_every_kind_keeps_its_numbers),
		cmocka_unit_test(test_png_transparent_pixels_are_refused),
		cmocka_unit_test(test_png_notes_are_dropped_and_counted),
		cmocka_unit_test(test_png_animated_is_refused),
		cmocka_unit_test(test_png_cut_flipped_or_too_large),
		cmocka_unit_test(test_png_colour_outside_the_palette),
		cmocka_unit_test(test_jpeg_gray_and_colour),
		cmocka_unit_test(test_jpeg_refused_kinds),
		cmocka_unit_test(test_jpeg_many_scans_are_refused),
		cmocka_unit_test(test_pnm_of_every_kind),
		cmocka_unit_test(test_other_formats_are_refused_by_name),
		cmocka_unit_test(test_identity_is_that_of_the_pixels),
	};
	int failed = run_tap(tests);
	sm_image_clear(&image);
	return failed || atomic_load(&mem.used);
}
