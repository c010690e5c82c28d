/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ingest/series/dcm_frame.h"

bool sm_colour_is_ybr(const struct sm_pixel_format *f)
{
	return f->samples == 3 && f->bits_allocated == 8 &&
	       (strcmp(f->photometric, "YBR_FULL") == 0 ||
		strcmp(f->photometric, "YBR_FULL_422") == 0);
}

bool sm_colour_is_halved(const struct sm_pixel_format *f)
{
	return f->samples == 3 && f->bits_allocated == 8 &&
	       strcmp(f->photometric, "YBR_FULL_422") == 0;
}

static unsigned char clip(int v)
{
	return (unsigned char)(v < 0 ? 0 : v > 255 ? 255 : v);
}

void sm_colour_to_rgb(unsigned char *p, size_t n)
{
	/* 1.402, 0.344136, 0.714136, 1.772 in 1/65536, rounded to nearest. */
	for (; n--; p += 3) {
		int y = p[0] << 16 | 1 << 15, b = p[1] - 128, r = p[2] - 128;
		p[0] = clip((y + 91881 * r) >> 16);
		p[1] = clip((y - 22554 * b - 46802 * r) >> 16);
		p[2] = clip((y + 116130 * b) >> 16);
	}
}

enum sm_status sm_colour_interleave(const struct sm_pixel_format *f, struct sm_mem *mem, void *out,
				    struct sm_err *err)
{
	size_t bytes, width = f->bits_allocated < 8 ? 1 : (size_t)f->bits_allocated / 8;
	size_t count = (size_t)f->rows * (size_t)f->columns, samples = (size_t)f->samples;
	if (!sm_frame_size(f, &bytes))
		return SM_FAIL(err, SM_INPUT, "frames are too large");
	unsigned char *copy = sm_alloc(mem, bytes, 1, "a colour frame", err);
	if (!copy)
		return SM_BUDGET;
	memcpy(copy, out, bytes);
	for (size_t s = 0; s < samples; s++)
		for (size_t i = 0; i < count; i++)
			memcpy((unsigned char *)out + (i * samples + s) * width,
			       copy + (s * count + i) * width, width);
	sm_free(copy);
	return SM_OK;
}
