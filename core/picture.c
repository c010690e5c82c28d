/* SPDX-License-Identifier: Apache-2.0 */
#include "core/picture.h"

#include <string.h>

#include "core/file.h"
#include "core/picture_format.h"

#define EXIF_ORIENTATION 0x0112

typedef enum sm_status (*reader)(const unsigned char *, size_t, const char *, struct sm_mem *,
				 struct sm_image *, struct sm_picture_info *, struct sm_err *);

/* read NULL: known, and refused. */
static const struct format {
	const char *name;
	size_t at, n; /* where the magic stands, its length */
	const char *magic;
	reader read;
} formats[] = {
	{"PNG", 0, 8, "\x89PNG\r\n\x1a\n", sm_picture_png},
	{"JPEG", 0, 3, "\xff\xd8\xff", sm_picture_jpeg},
	{"PGM", 0, 2, "P2", sm_picture_pnm},
	{"PPM", 0, 2, "P3", sm_picture_pnm},
	{"PGM", 0, 2, "P5", sm_picture_pnm},
	{"PPM", 0, 2, "P6", sm_picture_pnm},
	{"PBM", 0, 2, "P1", NULL},
	{"PBM", 0, 2, "P4", NULL},
	{"PAM", 0, 3, "P7\n", NULL},
	{"TIFF", 0, 4, "II*\0", NULL},
	{"TIFF", 0, 4, "MM\0*", NULL},
	{"BigTIFF", 0, 4, "II+\0", NULL},
	{"BigTIFF", 0, 4, "MM\0+", NULL},
	{"GIF", 0, 4, "GIF8", NULL},
	{"WebP", 8, 4, "WEBP", NULL},
	{"HEIF or AVIF", 4, 4, "ftyp", NULL},
	{"JPEG 2000", 0, 12, "\0\0\0\x0cjP  \r\n\x87\n", NULL},
	{"JPEG 2000", 0, 4, "\xff\x4f\xff\x51", NULL},
	{"BMP", 0, 2, "BM", NULL},
};

static uint32_t number(const unsigned char *b, int n, bool big)
{
	uint32_t v = 0;
	for (int i = 0; i < n; i++)
		v = v << 8 | b[big ? i : n - 1 - i];
	return v;
}

enum sm_status sm_picture_upright(const unsigned char *exif, size_t n, const char *name,
				  struct sm_err *err)
{
	if (n < 8 || (memcmp(exif, "II", 2) != 0 && memcmp(exif, "MM", 2) != 0))
		return SM_OK;
	bool big = exif[0] == 'M';
	size_t at = number(exif + 4, 4, big);
	if (at > n - 2)
		return SM_OK;
	size_t count = number(exif + at, 2, big);
	at += 2;
	for (size_t i = 0; i < count && n - at >= 12; i++, at += 12) {
		uint32_t turn = number(exif + at + 8, 2, big);
		if (number(exif + at, 2, big) == EXIF_ORIENTATION && turn != 1)
			return SM_FAIL(
				err, SM_INPUT,
				"%s: EXIF orientation is %u, allowed is 1 (upright): turn the "
				"pixels themselves first",
				name, turn);
	}
	return SM_OK;
}

static enum sm_status find_format(const unsigned char *bytes, size_t n, const char *name,
				  const struct format **out, struct sm_err *err)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		const struct format *f = &formats[i];
		if (n < f->at + f->n || memcmp(bytes + f->at, f->magic, f->n) != 0)
			continue;
		*out = f;
		return f->read ? SM_OK
			       : SM_FAIL(err, SM_INPUT,
					 "%s: is a %s picture, allowed are PNG, JPEG, PGM and PPM",
					 name, f->name);
	}
	return SM_FAIL(
		err, SM_INPUT,
		"%s: its first bytes are those of no picture, allowed are PNG, JPEG, PGM and PPM",
		name);
}

enum sm_status sm_picture_format(const unsigned char *bytes, size_t n, const char *name,
				 const char **out, struct sm_err *err)
{
	const struct format *f;
	SM_TRY(find_format(bytes, n, name, &f, err));
	*out = f->name;
	return SM_OK;
}

enum sm_status sm_picture_parse(const unsigned char *bytes, size_t n, const char *name,
				struct sm_mem *mem, struct sm_image *image,
				struct sm_picture_info *info, struct sm_err *err)
{
	struct sm_picture_info unused;
	info = info ? info : &unused;
	*info = (struct sm_picture_info){0};
	*image = (struct sm_image){0};
	const struct format *f;
	SM_TRY(find_format(bytes, n, name, &f, err));
	enum sm_status st = f->read(bytes, n, name, mem, image, info, err);
	if (st != SM_OK)
		sm_image_clear(image);
	return st;
}

enum sm_status sm_picture_read(const char *path, struct sm_mem *mem, struct sm_image *image,
			       struct sm_picture_info *info, struct sm_err *err)
{
	unsigned char *bytes;
	size_t n;
	*image = (struct sm_image){0};
	SM_TRY(sm_file_read(path, 0, mem, &bytes, &n, err));
	enum sm_status st = sm_picture_parse(bytes, n, sm_path_base(path), mem, image, info, err);
	sm_free(bytes);
	return st;
}
