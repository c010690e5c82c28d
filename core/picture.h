/* SPDX-License-Identifier: Apache-2.0
 *
 * Picture files in: PNG, JPEG (baseline and progressive), PGM and PPM. The kind is told by the
 * first bytes, never by the name; other kinds are refused by name. Only pixels come in: text, EXIF
 * and colour profiles are counted and left behind.
 */
#ifndef SM_CORE_PICTURE_H
#define SM_CORE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/png.h"

/* What a reader should know besides the pixels. */
struct sm_picture_info {
	const char *format; /* "png", "jpeg", "pgm" or "ppm" */
	int bits, channels; /* as stored: 1..16 bits, 1..4 channels (with alpha; a palette is 1) */
	int maxval;   /* largest value that the file could hold; samples are never rescaled to it */
	bool palette; /* colours were looked up */
	bool alpha;   /* there was an alpha channel, opaque everywhere, and it was left out */
	size_t dropped; /* blocks that are no pixels: text, EXIF, profiles, comments, bytes behind
			 * the picture */
	double spacing[2]; /* mm of a pixel across and down (PNG's pHYs in metres); 0 = not known */
};

/* Reads a picture of n bytes in memory; name stands in sentences. The image gets 8 bits for a
 * maxval up to 255, else 16; gray stays gray, a palette becomes RGB. SM_INPUT: other formats, CMYK,
 * transparent pixels, an EXIF orientation other than upright, damaged or short data (a warning of
 * the decoder counts as damage), more than 65535 pixels a side, more pixels than so few bytes can
 * hold. SM_BUDGET before anything large is allocated. info may be NULL. Free with sm_image_clear.
 * Thread-safe. */
enum sm_status sm_picture_parse(const unsigned char *bytes, size_t n, const char *name,
				struct sm_mem *mem, struct sm_image *image,
				struct sm_picture_info *info, struct sm_err *err);

/* The same for a file; sentences name its last part. */
enum sm_status sm_picture_read(const char *path, struct sm_mem *mem, struct sm_image *image,
			       struct sm_picture_info *info, struct sm_err *err);

/* What a picture's header tells. */
struct sm_picture_size {
	int64_t width, height;
	int bits, channels; /* as stored */
};

/* Reads only the header of a file: kind and size, both refused as by sm_picture_parse. What lies
 * behind is not looked at. name stands in sentences. SM_IO when the file cannot be read. */
enum sm_status sm_picture_read_header(const char *path, const char *name,
				      struct sm_picture_size *out, struct sm_err *err);

#endif
