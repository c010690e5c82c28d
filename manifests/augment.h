/* SPDX-License-Identifier: Apache-2.0
 *
 * What a manifest may say of augmentation: the names of the operations, in one table, and their
 * parameters. train/augment.h applies them; docs/augmentation.md has formulas and sources.
 */
#ifndef SM_MANIFESTS_AUGMENT_H
#define SM_MANIFESTS_AUGMENT_H

#include "core/field.h"

/* Parameters of every operation; its fields in schema_augment.c say which of them it has. */
struct sm_augment_params {
	double p; /* of a sample; of flip and channel_dropout: of each axis, each channel */
	double p_channel;       /* of each channel of a sample that was chosen */
	struct sm_floats range; /* lowest and highest value, drawn uniformly */
	int axes;               /* enum sm_augment_axes */
	double degrees, plane_degrees;
	bool per_axis;
	double spacing, magnitude;
	double share;
	bool invert, retain;
	int order; /* enum sm_augment_order */
};
enum sm_augment_axes { SM_AXES_AUTO, SM_AXES_ALL, SM_AXES_PLANE };
enum sm_augment_order { SM_ORDER_LINEAR, SM_ORDER_CUBIC };

#define SM_AUGMENTS(X) \
	X(flip, "mirrored along axes, exactly") \
	X(rotate90, "quarter turns, exactly") \
	X(rotation, "turned about the middle of the sample") \
	X(scaling, "made larger or smaller about the middle") \
	X(translation, "shifted in space") \
	X(elastic, "smooth random displacements") \
	X(shift, "a number added to a channel") \
	X(brightness, "a channel multiplied by a number") \
	X(contrast, "distance from the mean multiplied by a number") \
	X(gamma, "power of the values scaled to 0..1") \
	X(gaussian_noise, "independent noise in every voxel") \
	X(gaussian_blur, "Gaussian filter") \
	X(low_resolution, "voxels left out and interpolated") \
	X(channel_dropout, "whole channels set to 0")

enum sm_augment_id {
#define SM_AUGMENT_ID(name, doc) SM_AUGMENT_##name,
	SM_AUGMENTS(SM_AUGMENT_ID)
#undef SM_AUGMENT_ID
	SM_AUGMENT_COUNT
};

/* One field of kind SM_F_MAPPING an operation, in table order: what train.augmentations may
 * hold. */
extern const struct sm_fieldset sm_augment_fieldset;

/* Keys `augment` and `augment_border` of section train. */
enum sm_augment_preset { SM_AUGMENT_NONE, SM_AUGMENT_NNUNET };
enum sm_augment_border { SM_BORDER_EDGE, SM_BORDER_ZERO };

/* SM_USAGE: an entry with `when`, which has no meaning for augmentation. */
enum sm_status sm_augment_check(const struct sm_steps *steps, struct sm_err *err);

#endif
