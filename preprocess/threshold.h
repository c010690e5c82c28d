/* SPDX-License-Identifier: Apache-2.0
 *
 * Thresholds that separate an object from its background by the histogram of a volume.
 */
#ifndef SM_PREPROCESS_THRESHOLD_H
#define SM_PREPROCESS_THRESHOLD_H

#include <stddef.h>

/* Smallest and largest of n >= 1 finite values. */
void sm_value_range(const float *v, size_t n, double *lo, double *hi);

/* N. Otsu (IEEE Trans. SMC 9, 1979): the edge that maximises the variance between the two classes,
 * on 1024 bins from lo to hi (lo < hi, no value outside). What lies above it is the object. */
double sm_threshold_otsu(const float *v, size_t n, double lo, double hi);

/* G. W. Zack and others (J. Histochem. Cytochem. 25, 1977), the triangle: the bin farthest below
 * the line from the histogram's peak to the far end of its longer tail, on 256 bins from lo to hi;
 * its centre. For a large dark background with a thin bright tail, where Otsu cuts off dim tissue.
 * */
double sm_threshold_triangle(const float *v, size_t n, double lo, double hi);

/* For an object whose brightest part hides the rest, as fat does the brain in T1: Otsu's threshold
 * once values above twice the median of what is above the triangle's threshold are set to that.
 * `work` is memory for n values. */
double sm_threshold_clipped(const float *v, size_t n, double lo, double hi, float *work);

/* Otsu's threshold of log(1 + 255 (v - lo) / (hi - lo)), as a value: lower than Otsu's own, for
 * objects with a wide range of brightness on a dark ground, as in mammograms. `work` is memory for
 * n values. */
double sm_threshold_log(const float *v, size_t n, double lo, double hi, float *work);

#endif
