/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the operation bias_field: the histogram that sharpens. Not for other callers.
 */
#ifndef SM_PREPROCESS_OP_BIAS_FIELD_H
#define SM_PREPROCESS_OP_BIAS_FIELD_H

#include <stddef.h>
#include <stdint.h>

#define SM_SHARPEN_BINS_MAX 2048

/* What intensity each of the `bins` places from lo to hi, `step` apart, is expected to have had. */
struct sm_sharpen {
	double lo, step;
	int bins;
	double expected[SM_SHARPEN_BINS_MAX];
};

/* J. G. Sled and others, IEEE TMI 17, 1998: the histogram of u[i] with mask[i] != 0 (each value
 * shared between its two nearest bins) is deconvolved by a Gaussian of `fwhm` with Wiener's filter
 * and `noise`; expected[k] is the mean of the deconvolved intensities that the Gaussian spreads to
 * bin k. Returns nonzero when all values are equal. */
int sm_sharpen_make(struct sm_sharpen *s, const float *u, const uint8_t *mask, size_t n, int bins,
		    double fwhm, double noise);

/* The expectation at u, linear between bins. */
double sm_sharpen_at(const struct sm_sharpen *s, double u);

#endif
