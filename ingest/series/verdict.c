/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/verdict.h"

static const struct {
	const char *code;
	bool skip, regrid;
} verdicts[SM_VERDICT_COUNT] = {
	[SM_VERDICT_OK] = {.code = "ok"},
	[SM_VERDICT_NOT_IMAGE] = {.code = "not_image", .skip = true},
	[SM_VERDICT_LOCALISER] = {.code = "localiser", .skip = true},
	[SM_VERDICT_COLOUR] = {.code = "colour"},
	[SM_VERDICT_SEGMENTATION] = {.code = "segmentation"},
	[SM_VERDICT_SYNTAX] = {.code = "unsupported_syntax"},
	[SM_VERDICT_BITS] = {.code = "bad_bits"},
	[SM_VERDICT_NO_SIZE] = {.code = "no_size"},
	[SM_VERDICT_NO_PIXELS] = {.code = "no_pixels"},
	[SM_VERDICT_NO_SERIES] = {.code = "no_series"},
	[SM_VERDICT_BAD_FRAMES] = {.code = "bad_frames"},
	[SM_VERDICT_NO_SPACING] = {.code = "no_spacing"},
	[SM_VERDICT_NO_ORIENTATION] = {.code = "no_orientation"},
	[SM_VERDICT_NO_POSITION] = {.code = "no_position"},
	[SM_VERDICT_BAD_RESCALE] = {.code = "bad_rescale"},
	[SM_VERDICT_MIXED_ORIENTATION] = {.code = "mixed_orientation"},
	[SM_VERDICT_FEW_SLICES] = {.code = "few_slices"},
	[SM_VERDICT_ONE_SLICE] = {.code = "one_slice"},
	[SM_VERDICT_CLASH] = {.code = "instance_clash"},
	[SM_VERDICT_DUPLICATE] = {.code = "duplicate_positions"},
	[SM_VERDICT_REPEATED] = {.code = "repeated_positions"},
	[SM_VERDICT_INCOMPLETE] = {.code = "incomplete"},
	[SM_VERDICT_GAP] = {.code = "gap", .regrid = true},
	[SM_VERDICT_UNEVEN] = {.code = "uneven", .regrid = true},
	[SM_VERDICT_CROOKED] = {.code = "crooked", .regrid = true},
	[SM_VERDICT_TILT] = {.code = "tilt", .regrid = true},
	[SM_VERDICT_NO_RESCALE] = {.code = "no_rescale"},
	[SM_VERDICT_FLAT] = {.code = "flat"},
	[SM_VERDICT_BURNED_IN] = {.code = "burned_in"},
	[SM_VERDICT_NO_SUV] = {.code = "no_suv"},
};

const char *sm_verdict_code(enum sm_verdict verdict)
{
	return verdicts[verdict].code;
}

bool sm_verdict_is_skip(enum sm_verdict verdict)
{
	return verdicts[verdict].skip;
}

bool sm_verdict_can_regrid(enum sm_verdict verdict)
{
	return verdicts[verdict].regrid;
}
