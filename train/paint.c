/* SPDX-License-Identifier: Apache-2.0 */
#include "train/paint.h"

#include <math.h>
#include <string.h>

/* Colours that people with any colour vision can tell apart (Okabe and Ito 2008). */
static const uint8_t colour[][3] = {{230, 159, 0}, {86, 180, 233}, {0, 158, 115}, {240, 228, 66},
				    {0, 114, 178}, {213, 94, 0},   {204, 121, 167}};

void sm_view_range(struct sm_slice_view *p)
{
	p->low = INFINITY;
	p->high = -INFINITY;
	for (int64_t i = 0; i < p->width * p->height; i++) {
		p->low = fminf(p->low, p->x[i]);
		p->high = fmaxf(p->high, p->x[i]);
	}
}

enum sm_status sm_paint_begin(struct sm_image *image, const struct sm_slice_view *p, int parts,
			      struct sm_mem *mem, struct sm_err *err)
{
	SM_TRY(sm_image_init(image, parts * p->width + (parts - 1) * SM_PAINT_GAP, p->height, 3, 8,
			     mem, err));
	memset(image->data, 0, (size_t)(image->width * image->height) * 3);
	return SM_OK;
}

void sm_paint(const struct sm_slice_view *p, const uint8_t *label, struct sm_image *image, int part)
{
	uint8_t *pixels = image->data;
	float span = p->high > p->low ? p->high - p->low : 1;
	for (int64_t y = 0; y < p->height; y++)
		for (int64_t x = 0; x < p->width; x++) {
			int64_t i = y * p->width + x;
			float v = fminf(fmaxf((p->x[i] - p->low) / span, 0), 1);
			int grey = (int)(255 * v + 0.5f);
			int64_t column = part * (p->width + SM_PAINT_GAP) + x;
			uint8_t *out = pixels + 3 * (y * image->width + column);
			for (int c = 0; c < 3; c++) {
				int over = label && label[i]
						   ? (grey + 2 * colour[(label[i] - 1) % 7][c]) / 3
						   : grey;
				out[c] = (uint8_t)over;
			}
		}
}
