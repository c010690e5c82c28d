/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of each augmentation (train.augmentations). */
#include "manifests/augment.h"
#include "manifests/schema_rows.h"

#define P_(text) REAL(sm_augment_params, p, "0.2", 0, 1, text)
#define P P_("probability that a sample gets it")
#define P_CHANNEL(def) \
	REAL(sm_augment_params, p_channel, def, 0, 1, \
	     "probability of each channel of such a sample")
#define AXES(def, text) ONEOF(sm_augment_params, axes, def, "auto|all|plane", text)
#define AXES_AUTO \
	AXES("auto", "all; plane = in the plane of the slices alone; auto = plane when a sample " \
		     "is more than " \
		     "three times as wide as deep")
#define RANGE(def, lo, hi, text) \
	{ "range", SM_F_FLOATS, AT(sm_augment_params, range), def, lo, hi, .count = 2, .doc = text }

static const struct sm_field flip[] = {
	REAL(sm_augment_params, p, "0.5", 0, 1, "probability of each axis"),
	AXES("all", "all; plane = in the plane of the slices alone; auto = plane when a sample is "
		    "more than three times as wide as deep"),
};
static const struct sm_field rotate90[] = {
	P,
	AXES("plane", "plane = about the axis of the slices; all = about one axis, drawn. Where "
		      "the two sides differ in length, only half turns"),
};
static const struct sm_field rotation[] = {
	P,
	REAL(sm_augment_params, degrees, "30", 0, 180, "largest angle about each axis"),
	REAL(sm_augment_params, plane_degrees, "-1", -1, 180,
	     "the same of a rotation in the plane alone; -1 = degrees"),
	AXES_AUTO,
};
static const struct sm_field scaling[] = {
	P,
	RANGE("0.7 1.4", 0.1, 10, "factor on positions: objects become 1/factor as large"),
	{"per_axis", SM_F_BOOL, AT(sm_augment_params, per_axis), "false",
	 .doc = "a factor for each axis"},
	AXES_AUTO,
};
static const struct sm_field translation[] = {
	P,
	REAL(sm_augment_params, share, "0.1", 0, 1,
	     "largest shift as a share of the sample's length along each axis"),
	AXES_AUTO,
};
static const struct sm_field elastic[] = {
	P,
	REAL(sm_augment_params, spacing, "32", 4, 1024, "voxels between the points of the grid"),
	REAL(sm_augment_params, magnitude, "4", 0, 400,
	     "standard deviation of the points' displacement in voxels, at most 0.4 spacing: "
	     "nothing folds"),
	AXES_AUTO,
};
static const struct sm_field shift[] = {
	P,
	P_CHANNEL("1"),
	RANGE("-0.1 0.1", -100, 100, "number added, in standard deviations of the channel"),
};
static const struct sm_field brightness[] = {
	P,
	P_CHANNEL("1"),
	RANGE("0.7 1.3", 0, 100, "factor"),
};
static const struct sm_field contrast[] = {
	P,
	P_CHANNEL("1"),
	RANGE("0.65 1.5", 0, 100, "factor; the result is cut to the range of before"),
};
static const struct sm_field gamma[] = {
	P,
	P_CHANNEL("1"),
	RANGE("0.7 1.5", 0.05, 20, "exponent"),
	{"invert", SM_F_BOOL, AT(sm_augment_params, invert), "false",
	 .doc = "of the negative picture"},
	{"retain", SM_F_BOOL, AT(sm_augment_params, retain), "true",
	 .doc = "mean and standard deviation stay"},
};
static const struct sm_field gaussian_noise[] = {
	P,
	P_CHANNEL("1"),
	RANGE("0 0.1", 0, 100, "sigma, in standard deviations of the channel"),
};
static const struct sm_field gaussian_blur[] = {
	P,
	P_CHANNEL("0.5"),
	RANGE("0.5 1.5", 0, 8, "sigma in voxels"),
	AXES("all", "all; plane = in the plane of the slices alone; auto = plane when a sample is "
		    "more than three times as wide as deep"),
};
static const struct sm_field low_resolution[] = {
	P,
	P_CHANNEL("0.5"),
	RANGE("0.5 1", 0.05, 1, "factor on the number of voxels along each axis"),
	ONEOF(sm_augment_params, order, "cubic", "linear|cubic", "interpolation back"),
	AXES_AUTO,
};
static const struct sm_field channel_dropout[] = {
	REAL(sm_augment_params, p, "0.1", 0, 1,
	     "probability of each channel; one channel at least stays"),
};

static enum sm_status check_params(const void *base, struct sm_err *err)
{
	const struct sm_augment_params *a = base;
	if (a->range.n && a->range.v[0] > a->range.v[1])
		return SM_FAIL(err, SM_USAGE,
			       "range: found %g to %g, allowed is the lower number first",
			       a->range.v[0], a->range.v[1]);
	if (a->magnitude > 0.4 * a->spacing)
		return SM_FAIL(err, SM_USAGE,
			       "magnitude: found %g, allowed is at most 0.4 spacing (%g voxels): "
			       "above, it folds",
			       a->magnitude, 0.4 * a->spacing);
	return SM_OK;
}

#define SET(name_, doc_) \
	static const struct sm_fieldset name_##_set = \
		SM_FIELDSET_CHECKED(check_params, #name_, struct sm_augment_params, name_, doc_);
SM_AUGMENTS(SET)
#undef SET

#define ROW(name_, doc_) \
	[SM_AUGMENT_##name_] = {.key = #name_, \
				.kind = SM_F_MAPPING, \
				.offset = SM_AUGMENT_##name_ * sizeof(void *), \
				.of = &name_##_set, \
				.doc = doc_},
static const struct sm_field rows[SM_AUGMENT_COUNT] = {SM_AUGMENTS(ROW)};
#undef ROW

const struct sm_fieldset sm_augment_fieldset = {
	.name = "augmentations",
	.size = SM_AUGMENT_COUNT * sizeof(void *),
	.fields = rows,
	.count = SM_AUGMENT_COUNT,
	.doc = "what is done to training samples",
};

enum sm_status sm_augment_check(const struct sm_steps *steps, struct sm_err *err)
{
	for (size_t i = 0; i < steps->n; i++)
		if (steps->v[i].when)
			return SM_FAIL(err, SM_USAGE,
				       "augmentations[%zu].when: found '%s', allowed is no `when`: "
				       "a sample is augmented as a whole",
				       i, steps->v[i].when);
	return SM_OK;
}
