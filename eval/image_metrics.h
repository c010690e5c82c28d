/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores of a made image against the true one on the same grid: one table of metrics, each in the
 * images' own unit and (where that differs) in normalised units, over the whole image and inside a
 * body mask. Sums are double, in an order that depends on the sizes alone: equal for any number of
 * threads.
 */
#ifndef SM_EVAL_IMAGE_METRICS_H
#define SM_EVAL_IMAGE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/field.h"
#include "core/mem.h"
#include "core/vol.h"

/* Two images of one size. Values lie x fastest, then y, z, channel: slice number c * dim[2] + z
 * holds dim[1] rows of dim[0]. Everything is borrowed. */
struct sm_image_pair {
	const float *test, *truth;
	const char *test_name, *truth_name; /* for sentences */
	const uint8_t *mask; /* one byte a voxel of a channel, 0 = outside the body; may be NULL */
	int64_t dim[3];
	int64_t channels; /* 0 counts as 1 */
};

/* The range L of values that PSNR, SSIM and MS-SSIM stand on, in the own unit. In normalised units
 * it is 2, the width of [-1, 1]. */
enum sm_image_range {
	SM_RANGE_TRUTH, /* maximum - minimum of the true image, all of it */
	SM_RANGE_GIVEN, /* `range` of the settings, as 4000 HU */
};

enum {
	SM_IMAGE_MAE,
	SM_IMAGE_RMSE,
	SM_IMAGE_PSNR,
	SM_IMAGE_SSIM,
	SM_IMAGE_SSIM3D,
	SM_IMAGE_MS_SSIM,
	SM_IMAGE_NCC,
	SM_IMAGE_MI,
	SM_IMAGE_BONE,
	SM_IMAGE_INK,
	SM_IMAGE_JUMP,
	SM_IMAGE_BIAS,
	SM_IMAGE_METRICS
};
enum { SM_IMAGE_OWN, SM_IMAGE_NORMALISED, SM_IMAGE_SCALES };
enum { SM_IMAGE_WHOLE, SM_IMAGE_BODY, SM_IMAGE_REGIONS };

/* What is good. A model beats a baseline by a value that is larger, smaller, nearer to 1, nearer to
 * 0. */
enum sm_image_better { SM_BETTER_HIGH, SM_BETTER_LOW, SM_BETTER_ONE, SM_BETTER_ZERO };

struct sm_image_metric {
	const char *key, *name;
	const char *unit;    /* NULL = that of the image */
	const char *formula; /* in words; X = the made image, Y = the true one, L = the range */
	int decimals[SM_IMAGE_SCALES];
	enum sm_image_better better;
	bool normalised; /* in normalised units too; else the same number there, or of no use */
	bool counted;    /* among the scores that a model is better in; the others describe the kind
			  * of error: a copied slice has a perfect jump */
};
extern const struct sm_image_metric sm_image_metrics[SM_IMAGE_METRICS];
extern const char *const sm_image_scale_keys[SM_IMAGE_SCALES];   /* "own", "normalised" */
extern const char *const sm_image_region_keys[SM_IMAGE_REGIONS]; /* "whole", "body" */

/* Bit of a metric in sm_image_settings.which. */
#define SM_IMAGE_BIT(m) (1u << (m))
#define SM_IMAGE_ALL (SM_IMAGE_BIT(SM_IMAGE_METRICS) - 1)

struct sm_image_settings {
	uint32_t which;   /* metrics to compute: bits */
	const char *unit; /* of the image: "HU", "SUV", "1" */
	enum sm_image_range rule;
	double range; /* L of SM_RANGE_GIVEN */
	bool from_low; /* SSIM and MS-SSIM of X - low and Y - low, as published for CT; in normalised
			* units of X + 1 and Y + 1. They depend on where 0 is */
	double low;
	/* Normalised units: low -> -1, high -> 1 on a line; equal ends = none. */
	double window[2];
	bool clip;          /* values beyond the window become -1 and 1, as the network saw them */
	int axis;           /* slices are at right angles to it: 2 = z */
	double bone;        /* threshold of SM_IMAGE_BONE: bone is what lies above it */
	double ink;         /* threshold of SM_IMAGE_INK: ink is what lies at or below it */
	bool bright_ink;    /* above it instead */
	int bins;           /* of SM_IMAGE_MI, 2 to 256: equal steps over the window, or over the
			     * truth's range without one; values beyond count in the end bins */
	struct sm_mem *mem; /* for working memory; may be NULL */
	int jobs;
	uint64_t seed;    /* of tables over cases: draws of intervals and permutations */
	size_t resamples; /* 0 = no intervals and no permutations */
};

/* All metrics but the 3-D SSIM and the Dices of bone and ink, unit "1", range of the truth, no
 * window, clip, axis z, bone 150, dark ink 128, 64 bins, one thread, no
 * resamples. */
struct sm_image_settings sm_image_settings_default(void);

/* SM_USAGE when the settings contradict themselves: the field, the value found and those allowed.
 */
enum sm_status sm_image_settings_check(const struct sm_image_settings *s, struct sm_err *err);

/* Why a score is NaN (or null in JSON). */
enum sm_image_reason {
	SM_WHY_NONE,      /* there is a number */
	SM_WHY_NOT_ASKED, /* the metric is not among `which`, or not made in these units */
	SM_WHY_NO_WINDOW, /* normalised units need a window */
	SM_WHY_NO_MASK,
	SM_WHY_EMPTY_MASK, /* no voxel (SSIM: no window, jump: no pair of voxels) inside */
	SM_WHY_SMALL,      /* SSIM: a side is below 11 */
	SM_WHY_SMALL_MS,   /* MS-SSIM: a side is below 176 = 11 * 2^4 */
	SM_WHY_NO_RANGE,   /* L is 0: the true image is constant */
	SM_WHY_CONSTANT,   /* NCC: one image is constant */
	SM_WHY_ONE_SLICE,  /* jump */
	SM_WHY_STILL,      /* jump: the true image does not change from slice to slice */
	SM_WHY_NO_BONE,    /* nothing above the threshold in either image */
	SM_WHY_NO_INK,
	SM_WHY_APART,     /* jump, 3-D SSIM: the slices are no neighbours of each other */
	SM_WHY_NOT_MADE,  /* the image in question does not exist of this case */
	SM_WHY_BODY_ONLY, /* whole image: the image stands for the inside of the body alone */
	SM_WHY_EQUAL, /* PSNR is infinite: both images are equal; the value is +infinity, not NaN */
	SM_IMAGE_REASONS
};
extern const char *const sm_image_reasons[SM_IMAGE_REASONS]; /* sentences without a full stop; "" for NONE */

struct sm_image_scores {
	double value[SM_IMAGE_SCALES][SM_IMAGE_REGIONS][SM_IMAGE_METRICS];
	uint8_t why[SM_IMAGE_SCALES][SM_IMAGE_REGIONS][SM_IMAGE_METRICS]; /* enum sm_image_reason */
	double range;                                                     /* L in the own unit */
	uint64_t voxels; /* values compared, all channels */
	uint64_t body;   /* of these, inside the mask; 0 without one */
	uint64_t beyond; /* true values outside the window, if there is one */
};

/* All scores of a pair. Identical images: MAE, RMSE, bias 0, SSIM, MS-SSIM 1, PSNR +infinity. A
 * constant image: NCC NaN; range of a constant truth 0: PSNR, SSIM, MS-SSIM NaN. MS-SSIM never
 * falls back to fewer scales. SM_INPUT when a value of either is NaN or infinite (the sentence
 * names image, voxel, value); SM_USAGE, SM_BUDGET. Working memory: 8 bytes a voxel with a window or
 * slices not along z. */
enum sm_status sm_image_score(const struct sm_image_pair *pair, const struct sm_image_settings *s,
			      struct sm_image_scores *out, struct sm_err *err);

/* Bits of metrics by their keys; SM_USAGE names one that is none, and those there are. */
enum sm_status sm_image_metrics_named(const struct sm_strings *names, uint32_t *which,
				      struct sm_err *err);

/* The same of two volumes (fourth axis: channels), which become float32 real values in place. mask
 * (uint8, same grid, may be NULL) is borrowed. SM_INPUT when numbers of channels differ, or sizes
 * or corners beyond tolerance_mm. */
enum sm_status sm_image_score_volumes(struct sm_vol *test, const char *test_name,
				      struct sm_vol *truth, const char *truth_name,
				      const struct sm_vol *mask, double tolerance_mm,
				      const struct sm_image_settings *s,
				      struct sm_image_scores *out, struct sm_err *err);

/* Mean |I(z + 1) - I(z)| at each gap between slices along z, of the made and of the true image:
 * arrays of channels * (dim[2] - 1), own unit; inside the mask (both voxels) when there is one, NaN
 * where it has none. For charts: a made volume that flickers stands above the true one. */
enum sm_status sm_image_jumps(const struct sm_image_pair *pair, int jobs, double *test,
			      double *truth, struct sm_err *err);

/* ---- the body ---- */

enum sm_body_rule {
	SM_BODY_AUTO, /* -300 of an image in Hounsfield units, otherwise Otsu's */
	SM_BODY_OTSU,
	SM_BODY_VALUE, /* `value` */
};

struct sm_body_settings {
	enum sm_body_rule rule;
	double value;   /* threshold of SM_BODY_VALUE */
	double opening; /* mm: radius of a ball that cuts thin bridges (to a couch); 0 = none */
	int axis;       /* holes are filled in each slice at right angles to it: 2 = z */
};

struct sm_body {
	double threshold;
	bool hu; /* the threshold is the one of Hounsfield units */
	size_t voxels;
};

/* The body in v (dim voxels of spacing mm): voxels above the threshold, the largest component of
 * them (faces), holes of slices filled. mask: one byte a voxel, 0 or 1, of the caller. SM_INPUT
 * (naming `name`) for values that are not finite, an image that is constant where Otsu's threshold
 * is needed, one that counts as HU but holds no air, or when nothing is left. SM_BUDGET. */
enum sm_status sm_body_mask(const float *v, const int64_t dim[3], const double spacing[3],
			    enum sm_meaning meaning, const char *name,
			    const struct sm_body_settings *s, struct sm_mem *mem, int jobs,
			    uint8_t *mask, struct sm_body *out, struct sm_err *err);

#endif
