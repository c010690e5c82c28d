/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a picture is ink: one rule for the masks that are written of drawings and for the scores
 * of them. A pixel is judged by its values as they stand, so that the mask of a picture can be made
 * again by anybody.
 */
#ifndef SM_CORE_INK_H
#define SM_CORE_INK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/png.h"

/* Ink is dark on white paper: at or below the threshold; or bright: above it. Of several channels
 * one is enough: a red, green or yellow line is ink on white paper. */
struct sm_ink {
	float threshold;
	bool bright;
};

/* mask[i] = 1 where pixel i of n is ink, else 0. Channel c of it stands at planes[c * stride + i].
 * Values are finite. Thread-safe. */
void sm_ink_mask(const float *planes, size_t n, size_t stride, int channels,
		 const struct sm_ink *ink, uint8_t *mask);

/* The same of a picture, in its own samples (0 to 255 of 8 bits): width x height bytes of mask,
 * rows from the top; returns the number of ink pixels. */
size_t sm_ink_of_image(const struct sm_image *image, const struct sm_ink *ink, uint8_t *mask);

#endif
