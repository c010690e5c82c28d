/* SPDX-License-Identifier: Apache-2.0
 *
 * The size of a picture from its header alone (see core/picture.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/picture_format.h"

#define PEEK 4096
#define MAX_SEGMENTS 100000 /* in front of a JPEG's frame header */

static unsigned be(const unsigned char *b, int n)
{
	unsigned v = 0;
	for (int i = 0; i < n; i++)
		v = v << 8 | b[i];
	return v;
}

static bool png_size(const unsigned char *b, size_t n, struct sm_picture_size *out)
{
	static const int channels[] = {1, 0, 3, 1, 2, 0, 4};
	if (n < 33 || be(b + 8, 4) != 13 || memcmp(b + 12, "IHDR", 4) != 0 || b[25] > 6)
		return false;
	*out = (struct sm_picture_size){
		be(b + 16, 4), be(b + 20, 4), b[24], channels[b[25]]};
	return out->channels > 0;
}

/* Segment by segment up to the frame header (SOF). */
static bool jpeg_size(FILE *f, struct sm_picture_size *out)
{
	unsigned char b[8];
	if (fseeko(f, 2, SEEK_SET) != 0)
		return false;
	for (int i = 0; i < MAX_SEGMENTS && fread(b, 1, 2, f) == 2 && b[0] == 0xff; i++) {
		if (b[1] == 0xff) { /* fill byte */
			if (fseeko(f, -1, SEEK_CUR) != 0)
				return false;
			continue;
		}
		bool frame = b[1] >= 0xc0 && b[1] <= 0xcf && b[1] != 0xc4 && b[1] != 0xc8 &&
			     b[1] != 0xcc;
		if (fread(b + 2, 1, 2, f) != 2)
			return false;
		unsigned size = be(b + 2, 2);
		if (frame && fread(b, 1, 6, f) == 6) {
			*out = (struct sm_picture_size){be(b + 3, 2), be(b + 1, 2), b[0], b[5]};
			return true;
		}
		if (frame || size < 2 || b[1] == 0xda || fseeko(f, (off_t)size - 2, SEEK_CUR) != 0)
			return false;
	}
	return false;
}

/* Three numbers, with blanks and comments between. */
static bool pnm_size(const unsigned char *b, size_t n, struct sm_picture_size *out)
{
	int64_t v[3] = {0};
	size_t at = 2;
	for (int k = 0; k < 3; k++) {
		while (at < n &&
		       (b[at] == '#' || b[at] == ' ' || (b[at] >= '\t' && b[at] <= '\r'))) {
			if (b[at] != '#') {
				at++;
				continue;
			}
			while (at < n && b[at] != '\n' && b[at] != '\r')
				at++;
		}
		size_t from = at;
		while (at < n && b[at] >= '0' && b[at] <= '9' && v[k] < 1000000)
			v[k] = v[k] * 10 + (b[at++] - '0');
		if (at == from || at == n)
			return false;
	}
	*out = (struct sm_picture_size){v[0], v[1], v[2] > 255 ? 16 : 8,
					b[1] == '3' || b[1] == '6' ? 3 : 1};
	return v[2] >= 1 && v[2] <= 65535;
}

static enum sm_status size_of(FILE *f, const char *name, struct sm_picture_size *out,
			      struct sm_err *err)
{
	unsigned char b[PEEK];
	const char *format;
	size_t n = fread(b, 1, sizeof b, f);
	if (ferror(f))
		return SM_FAIL(err, SM_IO, "%s: cannot read: %s", name, strerror(errno));
	SM_TRY(sm_picture_format(b, n, name, &format, err));
	bool good = strcmp(format, "PNG") == 0	  ? png_size(b, n, out)
		    : strcmp(format, "JPEG") == 0 ? jpeg_size(f, out)
						  : pnm_size(b, n, out);
	if (!good)
		return SM_FAIL(err, SM_INPUT, "%s: damaged %s: its header tells no size", name,
			       format);
	if (out->width < 1 || out->height < 1 || out->width > 65535 || out->height > 65535)
		return SM_FAIL(err, SM_INPUT, "%s: %lld x %lld pixels, allowed are 1..65535 a side",
			       name, (long long)out->width, (long long)out->height);
	return SM_OK;
}

enum sm_status sm_picture_read_header(const char *path, const char *name,
				      struct sm_picture_size *out, struct sm_err *err)
{
	*out = (struct sm_picture_size){0};
	FILE *f = fopen(path, "rbe");
	if (!f)
		return SM_FAIL(err, SM_IO, "%s: cannot open: %s", name, strerror(errno));
	enum sm_status st = size_of(f, name, out, err);
	fclose(f);
	return st;
}
