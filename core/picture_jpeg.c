/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG by libjpeg-turbo: slow integer DCT, so that the pixels do not depend on the processor. A
 * warning of the library (data invented for a part that is missing) is a refusal here.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include "core/picture_format.h"

/* An encoder uses about ten scans; a hostile file repeats them for hours. Each walks over all
 * blocks: more walks than this for a byte of the file are not worth their time. */
#define MAX_SCANS 100
#define MAX_WALKS 64
#define FREE_WALKS ((size_t)4 << 20)

/* All that lives over a long jump of libjpeg. */
struct decoder {
	struct jpeg_decompress_struct jpeg;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf jump;
	size_t bytes, blocks; /* of the file, of a scan of all components */
	char message[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr jpeg)
{
	struct decoder *d = jpeg->client_data;
	jpeg->err->format_message(jpeg, d->message);
	longjmp(d->jump, 1);
}

static void on_message(j_common_ptr jpeg, int level)
{
	if (level < 0)
		on_error(jpeg);
}

static void on_output(j_common_ptr jpeg)
{
	(void)jpeg;
}

static void on_progress(j_common_ptr jpeg)
{
	struct decoder *d = jpeg->client_data;
	size_t scans = d->jpeg.input_scan_number < 0 ? 0 : (size_t)d->jpeg.input_scan_number;
	size_t walks = scans * d->blocks;
	bool costly = walks > FREE_WALKS && walks / MAX_WALKS > d->bytes;
	if (scans <= MAX_SCANS && (scans < 2 || !costly))
		return;
	snprintf(d->message, sizeof d->message, "%zu scans of %zu blocks in %zu bytes", scans,
		 d->blocks, d->bytes);
	longjmp(d->jump, 1);
}

static bool open_decoder(struct decoder *d, const unsigned char *bytes, size_t n)
{
	d->jpeg.err = jpeg_std_error(&d->errors);
	d->errors.error_exit = on_error;
	d->errors.emit_message = on_message;
	d->errors.output_message = on_output;
	d->jpeg.client_data = d;
	if (setjmp(d->jump))
		return false;
	jpeg_create_decompress(&d->jpeg);
	d->progress.progress_monitor = on_progress;
	d->jpeg.progress = &d->progress;
	jpeg_mem_src(&d->jpeg, bytes, (unsigned long)n);
	jpeg_read_header(&d->jpeg, TRUE);
	return true;
}

static bool read_pixels(struct decoder *d, struct sm_image *image, size_t memory)
{
	size_t row = (size_t)image->width * (size_t)image->channels;
	if (setjmp(d->jump))
		return false;
	d->jpeg.mem->max_memory_to_use = (long)memory;
	d->jpeg.dct_method = JDCT_ISLOW;
	d->jpeg.out_color_space = image->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
	jpeg_start_decompress(&d->jpeg);
	while (d->jpeg.output_scanline < d->jpeg.output_height) {
		JSAMPROW line = (JSAMPROW)image->data + (size_t)d->jpeg.output_scanline * row;
		jpeg_read_scanlines(&d->jpeg, &line, 1);
	}
	jpeg_finish_decompress(&d->jpeg);
	return true;
}

/* Refuses what is no plain gray or colour picture. */
static enum sm_status check_head(struct decoder *d, size_t n, const char *name, struct sm_err *err)
{
	const struct jpeg_decompress_struct *j = &d->jpeg;
	size_t blocks = 0;
	if (j->jpeg_color_space == JCS_CMYK || j->jpeg_color_space == JCS_YCCK)
		return SM_FAIL(err, SM_INPUT,
			       "%s: JPEG of four inks (CMYK), allowed are gray and RGB", name);
	if (j->jpeg_color_space != JCS_GRAYSCALE && j->jpeg_color_space != JCS_YCbCr &&
	    j->jpeg_color_space != JCS_RGB)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: JPEG of %d channels of an unknown kind, allowed are gray and RGB",
			name, j->num_components);
	if (j->arith_code)
		return SM_FAIL(err, SM_INPUT,
			       "%s: arithmetic coded JPEG, allowed is Huffman coding", name);
	/* Each block of 8 x 8 pixels takes at least one bit. */
	for (int c = 0; c < j->num_components; c++) {
		const jpeg_component_info *k = &j->comp_info[c];
		size_t across = 8u * (size_t)j->max_h_samp_factor,
		       down = 8u * (size_t)j->max_v_samp_factor;
		blocks += (((size_t)j->image_width * (size_t)k->h_samp_factor + across - 1) /
			   across) *
			  (((size_t)j->image_height * (size_t)k->v_samp_factor + down - 1) / down);
	}
	d->blocks = blocks;
	d->bytes = n;
	if (blocks / 8 > n)
		return SM_FAIL(err, SM_INPUT,
			       "%s: damaged JPEG: %zu bytes cannot hold %u x %u pixels", name, n,
			       j->image_width, j->image_height);
	return SM_OK;
}

/* Bytes that libjpeg needs at most: the coefficients of a progressive picture, 16 bits each, in
 * whole blocks; and some rows. */
static size_t memory_needed(const struct jpeg_decompress_struct *j)
{
	size_t side = 8u * 4u, w = ((size_t)j->image_width / side + 2) * side;
	size_t h = ((size_t)j->image_height / side + 2) * side,
	       channels = (size_t)j->num_components;
	return (jpeg_has_multiple_scans((j_decompress_ptr)(uintptr_t)j) ? w * h * channels * 2
									: 0) +
	       w * side * channels * 8 + (1 << 18);
}

/* Application segments and comments in front of the pixels: counted; EXIF looked at. */
static enum sm_status walk_segments(const unsigned char *b, size_t n, const char *name,
				    struct sm_picture_info *info, struct sm_err *err)
{
	for (size_t at = 2; n - at >= 4 && b[at] == 0xff;) {
		unsigned mark = b[at + 1];
		size_t size = (size_t)b[at + 2] << 8 | b[at + 3];
		if (mark == 0xff) { /* fill byte */
			at++;
			continue;
		}
		if (mark == 0xda || size < 2 || size > n - at - 2)
			break;
		/* APP0 (JFIF) and APP14 (Adobe) tell about the pixels. */
		info->dropped += mark == 0xfe || (mark > 0xe0 && mark <= 0xef && mark != 0xee);
		if (mark == 0xe1 && size > 8 && memcmp(b + at + 4, "Exif\0", 6) == 0)
			SM_TRY(sm_picture_upright(b + at + 10, size - 8, name, err));
		at += 2 + size;
	}
	return SM_OK;
}

static enum sm_status decode(struct decoder *d, const unsigned char *bytes, size_t n,
			     const char *name, struct sm_mem *mem, struct sm_image *image,
			     struct sm_picture_info *info, struct sm_err *err)
{
	if (!open_decoder(d, bytes, n))
		return SM_FAIL(err, SM_INPUT, "%s: damaged JPEG: %s", name, d->message);
	int channels = d->jpeg.jpeg_color_space == JCS_GRAYSCALE ? 1 : 3;
	*info = (struct sm_picture_info){
		.format = "jpeg", .bits = 8, .channels = channels, .maxval = 255};
	SM_TRY(check_head(d, n, name, err));
	SM_TRY(walk_segments(bytes, n, name, info, err));
	SM_TRY(sm_image_init(image, d->jpeg.image_width, d->jpeg.image_height, channels, 8, mem,
			     err));
	/* The block is never touched: it stands for libjpeg's own memory in the budget. */
	size_t memory = memory_needed(&d->jpeg);
	void *stand_in = sm_alloc(mem, memory, 1, "coefficients of a JPEG picture", err);
	if (!stand_in)
		return SM_BUDGET;
	bool good = read_pixels(d, image, memory);
	sm_free(stand_in);
	if (good && d->jpeg.src->bytes_in_buffer)
		info->dropped++;
	return good ? SM_OK : SM_FAIL(err, SM_INPUT, "%s: damaged JPEG: %s", name, d->message);
}

enum sm_status sm_picture_jpeg(const unsigned char *bytes, size_t n, const char *name,
			       struct sm_mem *mem, struct sm_image *image,
			       struct sm_picture_info *info, struct sm_err *err)
{
	struct decoder d = {0};
	enum sm_status st = decode(&d, bytes, n, name, mem, image, info, err);
	jpeg_destroy_decompress(&d.jpeg);
	return st;
}
