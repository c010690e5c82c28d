/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces of the image scores that eval/image_metrics.c puts together: structural similarity, joint
 * histogram, slice-to-slice changes, parts beyond a threshold. Not for other folders.
 */
#ifndef SM_EVAL_IMAGE_PARTS_H
#define SM_EVAL_IMAGE_PARTS_H

#include "core/ink.h"
#include "eval/image_metrics.h"

/* ---- structural similarity (eval/image_ssim.c) ---- */

/* Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli (IEEE Trans. Image Process. 13, 2004):
 *	l  = (2 mx my + C1) / (mx^2 + my^2 + C1)
 *	cs = (2 sxy + C2) / (sx^2 + sy^2 + C2)
 *	SSIM = l cs, C1 = (0.01 L)^2, C2 = (0.03 L)^2
 * with moments under a Gaussian window of sigma 1.5 cut to 11 voxels an axis whose weights sum to 1
 * (population variances). Windows lie wholly inside the image: as scikit-image's value with
 * gaussian_weights=True, use_sample_covariance=False. */
enum { SM_SSIM_SIDE = 11, SM_SSIM_REACH = 5 };

/* MS-SSIM (Wang, Simoncelli, Bovik, Asilomar 2003): product over scales of cs^weight, at the last
 * of SSIM^weight. */
enum { SM_SSIM_SCALES = 5, SM_MS_SSIM_SIDE = 11 << 4 };

/* Sums over the windows of one slice whose centre is counted. */
struct sm_ssim_sums {
	double ssim, cs;
	uint64_t n;
};

/* Sums of slice z of one channel (nz slices of nx * ny) at full resolution: 2-D in the slice, or
 * 3-D with its five neighbours on each side (0 windows where these are missing). out[SM_IMAGE_BODY]
 * stays 0 without a mask. */
struct sm_ssim_image {
	const float *test, *truth;
	const uint8_t *mask; /* may be NULL */
	int64_t nx, ny, nz;
	double range;
	double low; /* taken from both images before */
	struct sm_mem *mem;
};
enum sm_status sm_ssim_slice(const struct sm_ssim_image *image, int64_t z, bool volume,
			     struct sm_ssim_sums out[SM_IMAGE_REGIONS], struct sm_err *err);

/* MS-SSIM of slice z, NaN where a region holds no window at some scale; first[] gets the sums at
 * full resolution, as sm_ssim_slice gives them. Between scales the images are halved by means of 2
 * x 2 pixels (an odd last row or column is left out), the mask too: inside from 2 of 4 on. A mean
 * cs or SSIM below 0 counts as 0. Both sides must be SM_MS_SSIM_SIDE or more. */
enum sm_status sm_ms_ssim_slice(const struct sm_ssim_image *image, int64_t z,
				double out[SM_IMAGE_REGIONS],
				struct sm_ssim_sums first[SM_IMAGE_REGIONS], struct sm_err *err);

/* ---- the joint histogram (eval/image_joint.c) ---- */

/* Mutual information in nat of n pairs of values (mask of `period` bytes, repeated; may be NULL).
 * Counts are whole: the result does not depend on jobs. NaN without a pair. */
struct sm_joint_image {
	const float *test, *truth;
	const uint8_t *mask;
	size_t n, period;
	double low, high;
	int bins;
	struct sm_mem *mem;
};
enum sm_status sm_mutual_information(const struct sm_joint_image *image, int jobs, double *out,
				     struct sm_err *err);

/* ---- parts beyond a threshold (eval/image_overlap.c) ---- */

/* What a Dice compares: of the metric's images the pixels on one side of a threshold. */
struct sm_image_part {
	int metric;
	bool joint; /* channels of a pixel count as one, else as voxels of their own */
	enum sm_image_reason none; /* neither image has any */
};
enum { SM_PART_BONE, SM_PART_INK, SM_PARTS };
extern const struct sm_image_part sm_image_parts[SM_PARTS];

/* Its threshold as the settings say. */
struct sm_ink sm_image_part(const struct sm_image_settings *s, int part);

/* Numbers of pixels of n that are of the part: in image[0], in image[1], in both; where mask is not
 * 0. Channels stand `stride` values apart. */
void sm_part_counts(const float *const image[2], size_t n, size_t stride, int channels,
		    const struct sm_ink *part, const uint8_t *mask, uint64_t out[3]);

/* ---- slice-to-slice changes ---- */

/* Means of a slice gap: sums of |difference| and how many. test and truth are two neighbouring
 * slices each. */
struct sm_jump_sums {
	double test, truth;
	uint64_t n;
};
void sm_jump_gap(const float *test[2], const float *truth[2], const uint8_t *mask[2], size_t n,
		 struct sm_jump_sums *out);

/* The first value that is not finite, as a sentence that names image and voxel; SM_OK when there is
 * none. */
enum sm_status sm_image_refuse(const float *v, const char *name, const int64_t dim[3],
			       int64_t channels, int jobs, struct sm_err *err);

#endif
