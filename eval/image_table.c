/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of image metrics, the words for what cannot be told, and the ways in from volumes.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/par.h"
#include "eval/image_parts.h"

#define HIGH SM_BETTER_HIGH
#define LOW SM_BETTER_LOW

const struct sm_image_metric sm_image_metrics[SM_IMAGE_METRICS] = {
	/* key, name, unit, formula, decimals, what is good, in normalised units too, counted */
	[SM_IMAGE_MAE] = {"mae", "MAE", NULL, "mean of |X - Y|", {2, 4}, LOW, true, true},
	[SM_IMAGE_RMSE] = {"rmse", "RMSE", NULL, "root of the mean of (X - Y)^2", {2, 4}, LOW, true,
			   true},
	[SM_IMAGE_PSNR] = {"psnr", "PSNR", "dB", "20 log10(L / RMSE)", {2, 2}, HIGH, true, true},
	[SM_IMAGE_SSIM] = {"ssim", "SSIM", "1",
			   "mean over the slices' pixels of SSIM (Wang 2004: Gaussian 11 x 11, "
			   "sigma 1.5, K1 0.01, K2 0.03, population variances, windows wholly "
			   "inside)",
			   {4, 4}, HIGH, true, true},
	[SM_IMAGE_SSIM3D] = {"ssim_3d", "SSIM 3-D", "1",
			     "the same with a window of 11 x 11 x 11 voxels", {4, 4}, HIGH, true,
			     true},
	[SM_IMAGE_MS_SSIM] = {"ms_ssim", "MS-SSIM", "1",
			      "mean over slices of MS-SSIM (Wang 2003: 5 scales halved by means of "
			      "2 x 2, weights 0.0448 0.2856 0.3001 0.2363 0.1333; a factor below 0 "
			      "counts as 0)",
			      {4, 4}, HIGH, true, true},
	[SM_IMAGE_NCC] = {"ncc", "NCC", "1", "Pearson's correlation of X and Y", {4, 4}, HIGH,
			  false, true},
	[SM_IMAGE_MI] = {"mi", "MI", "nat",
			 "mutual information of X and Y from a joint histogram of fixed bins",
			 {3, 3}, HIGH, false, true},
	[SM_IMAGE_BONE] = {"dice_bone", "Dice bone", "1",
			   "2 |BX and BY| / (|BX| + |BY|), B = voxels above the bone threshold",
			   {3, 3}, HIGH, false, true},
	[SM_IMAGE_INK] = {"dice_ink", "Dice ink", "1",
			  "2 |IX and IY| / (|IX| + |IY|), I = pixels with a channel on the ink's "
			  "side of the threshold",
			  {3, 3}, HIGH, false, true},
	[SM_IMAGE_JUMP] = {"jump", "Jump", "1",
			   "sum of |X(z + 1) - X(z)| / sum of |Y(z + 1) - Y(z)| over neighbouring "
			   "slices; above 1: X flickers, below 1: it is smoother than Y",
			   {3, 3}, SM_BETTER_ONE, false, false},
	[SM_IMAGE_BIAS] = {"bias", "Bias", NULL, "mean of X - Y", {2, 4}, SM_BETTER_ZERO, true,
			   false},
};

const char *const sm_image_scale_keys[SM_IMAGE_SCALES] = {"own", "normalised"};
const char *const sm_image_region_keys[SM_IMAGE_REGIONS] = {"whole", "body"};

const char *const sm_image_reasons[SM_IMAGE_REASONS] = {
	[SM_WHY_NONE] = "",
	[SM_WHY_NOT_ASKED] = "not computed",
	[SM_WHY_NO_WINDOW] = "no window is given for normalised units",
	[SM_WHY_NO_MASK] = "there is no body mask",
	[SM_WHY_EMPTY_MASK] = "the body mask holds nothing to average",
	[SM_WHY_SMALL] = "the image is smaller than the window of 11 voxels along an axis",
	[SM_WHY_SMALL_MS] = "five scales need slices of 176 x 176 pixels or more",
	[SM_WHY_NO_RANGE] = "the range of values is 0: the true image is constant",
	[SM_WHY_CONSTANT] = "one of the images is constant",
	[SM_WHY_ONE_SLICE] = "there is one slice only",
	[SM_WHY_STILL] = "the true image does not change from slice to slice",
	[SM_WHY_NO_BONE] = "no voxel of either image is above the bone threshold",
	[SM_WHY_NO_INK] = "neither image has ink",
	[SM_WHY_APART] = "the scored slices are not all neighbours",
	[SM_WHY_NOT_MADE] = "there is no such image of the case",
	[SM_WHY_BODY_ONLY] = "it stands for the inside of the body alone",
	[SM_WHY_EQUAL] = "infinite: the images are equal",
};

struct sm_image_settings sm_image_settings_default(void)
{
	return (struct sm_image_settings){
		.which = SM_IMAGE_ALL &
			 ~(SM_IMAGE_BIT(SM_IMAGE_SSIM3D) | SM_IMAGE_BIT(SM_IMAGE_BONE) |
			   SM_IMAGE_BIT(SM_IMAGE_INK)),
		.unit = "1",
		.clip = true,
		.axis = 2,
		.bone = 150,
		.ink = 128,
		.bins = 64,
		.jobs = 1,
	};
}

enum sm_status sm_image_settings_check(const struct sm_image_settings *s, struct sm_err *err)
{
	if (s->rule == SM_RANGE_GIVEN && !(isfinite(s->range) && s->range > 0))
		return SM_FAIL(err, SM_USAGE,
			       "image scores: range is %g, allowed is a number above 0", s->range);
	if (!isfinite(s->window[0]) || !isfinite(s->window[1]) || s->window[0] > s->window[1])
		return SM_FAIL(err, SM_USAGE,
			       "image scores: window is %g to %g, allowed are two numbers, the "
			       "lower first",
			       s->window[0], s->window[1]);
	if (s->axis < 0 || s->axis > 2)
		return SM_FAIL(err, SM_USAGE, "image scores: axis is %d, allowed are 0, 1 and 2",
			       s->axis);
	if (s->bins < 2 || s->bins > 256)
		return SM_FAIL(err, SM_USAGE, "image scores: bins is %d, allowed are 2 to 256",
			       s->bins);
	if (!isfinite(s->bone))
		return SM_FAIL(err, SM_USAGE,
			       "image scores: bone threshold is %g, allowed is a number", s->bone);
	if (!isfinite(s->ink))
		return SM_FAIL(err, SM_USAGE,
			       "image scores: ink threshold is %g, allowed is a number", s->ink);
	return SM_OK;
}

enum sm_status sm_image_metrics_named(const struct sm_strings *names, uint32_t *which,
				      struct sm_err *err)
{
	*which = 0;
	for (size_t i = 0; i < names->n; i++) {
		int m = 0;
		while (m < SM_IMAGE_METRICS &&
		       strcmp(sm_image_metrics[m].key, names->v[i]) != 0)
			m++;
		if (m == SM_IMAGE_METRICS) {
			char known[256] = "";
			for (size_t k = 0, n = 0; k < SM_IMAGE_METRICS && n < sizeof known; k++)
				n += (size_t)snprintf(known + n, sizeof known - n, "%s%s",
						      k ? ", " : "", sm_image_metrics[k].key);
			return SM_FAIL(err, SM_USAGE, "metrics: found '%s', allowed are %s",
				       names->v[i], known);
		}
		*which |= SM_IMAGE_BIT(m);
	}
	return SM_OK;
}

static int64_t channels_of(const struct sm_vol *vol)
{
	return vol->dim[3];
}

enum sm_status sm_image_score_volumes(struct sm_vol *test, const char *test_name,
				      struct sm_vol *truth, const char *truth_name,
				      const struct sm_vol *mask, double tolerance_mm,
				      const struct sm_image_settings *s,
				      struct sm_image_scores *out, struct sm_err *err)
{
	struct sm_image_pair pair = {.test_name = test_name, .truth_name = truth_name};
	*out = (struct sm_image_scores){0};
	if (channels_of(test) != channels_of(truth))
		return SM_FAIL(err, SM_INPUT, "%s: has %lld channels, but %s has %lld", test_name,
			       (long long)channels_of(test), truth_name,
			       (long long)channels_of(truth));
	SM_TRY(sm_vol_same_grid(truth, truth_name, test, test_name, tolerance_mm, err));
	if (mask) {
		SM_TRY(sm_vol_same_grid(truth, truth_name, mask, "body mask", tolerance_mm, err));
		if (mask->dtype != SM_U8 || mask->dim[3] != 1)
			return SM_FAIL(err, SM_INPUT,
				       "body mask: is %s with %lld frames, allowed is uint8 with 1",
				       sm_dtype_name(mask->dtype), (long long)mask->dim[3]);
		pair.mask = mask->data;
	}
	SM_TRY(sm_vol_to_f32(test, s->mem, s->jobs, err));
	SM_TRY(sm_vol_to_f32(truth, s->mem, s->jobs, err));
	pair.test = test->data;
	pair.truth = truth->data;
	pair.channels = channels_of(truth);
	for (int a = 0; a < 3; a++)
		pair.dim[a] = truth->dim[a];
	return sm_image_score(&pair, s, out, err);
}

struct jump_job {
	const struct sm_image_pair *pair;
	double *test, *truth;
};

static enum sm_status one_gap(void *ctx, size_t gap, struct sm_err *err)
{
	const struct jump_job *job = ctx;
	const struct sm_image_pair *p = job->pair;
	const size_t plane = (size_t)(p->dim[0] * p->dim[1]), gaps = (size_t)(p->dim[2] - 1);
	const size_t z = gap % gaps, slice = gap / gaps * (gaps + 1) + z;
	const float *x = p->test + slice * plane, *y = p->truth + slice * plane;
	const uint8_t *m = p->mask ? p->mask + z * plane : NULL;
	struct sm_jump_sums sums;
	(void)err;
	sm_jump_gap((const float *[]){x, x + plane}, (const float *[]){y, y + plane},
		    m ? (const uint8_t *[]){m, m + plane} : NULL, plane, &sums);
	job->test[gap] = sums.n ? sums.test / (double)sums.n : NAN;
	job->truth[gap] = sums.n ? sums.truth / (double)sums.n : NAN;
	return SM_OK;
}

enum sm_status sm_image_jumps(const struct sm_image_pair *pair, int jobs, double *test,
			      double *truth, struct sm_err *err)
{
	const int64_t channels = pair->channels ? pair->channels : 1;
	struct jump_job job = {pair, test, truth};
	SM_TRY(sm_image_refuse(pair->truth, pair->truth_name, pair->dim, channels, jobs, err));
	SM_TRY(sm_image_refuse(pair->test, pair->test_name, pair->dim, channels, jobs, err));
	return sm_par_for((size_t)(channels * (pair->dim[2] - 1)), jobs, one_gap, &job, err);
}
