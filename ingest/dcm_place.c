/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "ingest/dcm_head_in.h"

#define POSITION SM_TAG(0x0020, 0x0032)
#define ORIENTATION SM_TAG(0x0020, 0x0037)
#define THICKNESS SM_TAG(0x0018, 0x0050)
#define SLICE_STEP SM_TAG(0x0018, 0x0088)

double sm_dot3(const double a[3], const double b[3])
{
	return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

void sm_place_spacing(const struct sm_dataset *set, uint32_t tag, struct sm_dcm_frame *f)
{
	double s[2];
	f->has_spacing = sm_dataset_exactly(set, tag, s, 2) && s[0] > 1e-6 && s[1] > 1e-6 &&
			 s[0] < 1e4 && s[1] < 1e4;
	if (f->has_spacing) {
		/* PixelSpacing is the distance between rows, then between columns. */
		f->spacing[0] = s[1];
		f->spacing[1] = s[0];
	}
}

void sm_place_orientation(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	double v[6];
	f->has_orientation = false;
	if (!sm_dataset_exactly(set, ORIENTATION, v, 6))
		return;
	double la = sqrt(sm_dot3(v, v)), ld = sqrt(sm_dot3(v + 3, v + 3));
	bool unit = fabs(la - 1) < 0.01 && fabs(ld - 1) < 0.01;
	if (!unit || fabs(sm_dot3(v, v + 3)) >= 0.01 * la * ld)
		return;
	for (int i = 0; i < 3; i++) {
		f->across[i] = v[i] / la;
		f->down[i] = v[3 + i] / ld;
	}
	f->has_orientation = true;
}

void sm_place_position(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	f->has_position = sm_dataset_exactly(set, POSITION, f->position, 3);
	for (int i = 0; i < 3; i++)
		f->has_position = f->has_position && fabs(f->position[i]) < 1e7;
}

void sm_place_thickness(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	f->thickness = sm_dataset_number_or(set, THICKNESS, f->thickness);
	f->slice_step = sm_dataset_number_or(set, SLICE_STEP, f->slice_step);
}

void sm_place_judge(struct sm_dcm_head *h, struct sm_dcm_frame *f)
{
	if (!f->has_spacing)
		sm_frame_judge(h, f, SM_VERDICT_NO_SPACING,
			       "PixelSpacing is missing or is not two positive numbers of mm");
	if (!f->has_orientation)
		sm_frame_judge(h, f, SM_VERDICT_NO_ORIENTATION,
			       "ImageOrientationPatient is missing or is not two perpendicular "
			       "unit vectors");
	if (!f->has_position)
		sm_frame_judge(h, f, SM_VERDICT_NO_POSITION,
			       "ImagePositionPatient is missing or is not three numbers of mm");
}
