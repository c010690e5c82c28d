/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ingest/series/dcm_head_in.h"

#define SPACING SM_TAG(0x0028, 0x0030)
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

/* Digits and what stands between them; the names that numbers have when they are none. */
static bool is_number_text(const char *text)
{
	for (const char *p = text; *p;) {
		if (strncasecmp(p, "nan", 3) == 0 || strncasecmp(p, "inf", 3) == 0)
			p += 3;
		else if (strchr("0123456789+-.,eE\\ ", *p))
			p++;
		else
			return false;
	}
	return text[strcspn(text, "0123456789nNiI")];
}

void sm_place_found(const struct sm_dataset *set, uint32_t tag, char out[SM_FOUND_SIZE])
{
	char text[512];
	if (!set || !sm_dataset_has(set, tag))
		snprintf(out, SM_FOUND_SIZE, "is missing");
	else if (!sm_dataset_text(set, tag, text, sizeof text))
		snprintf(out, SM_FOUND_SIZE, "is empty");
	else if (!is_number_text(text))
		snprintf(out, SM_FOUND_SIZE, "is no number");
	else
		snprintf(out, SM_FOUND_SIZE, "is %.60s%s", text, strlen(text) > 60 ? "..." : "");
}

void sm_place_judge(struct sm_dcm_head *h, const struct sm_dataset *const set[3],
		    struct sm_dcm_frame *f)
{
	char found[SM_FOUND_SIZE];
	if (!f->has_spacing) {
		sm_place_found(set[2], SPACING, found);
		sm_frame_judge(h, f, SM_VERDICT_NO_SPACING,
			       "PixelSpacing %s, allowed are two positive numbers of mm", found);
	}
	if (!f->has_orientation) {
		sm_place_found(set[1], ORIENTATION, found);
		sm_frame_judge(h, f, SM_VERDICT_NO_ORIENTATION,
			       "ImageOrientationPatient %s, allowed are two perpendicular unit "
			       "vectors",
			       found);
	}
	if (!f->has_position) {
		sm_place_found(set[0], POSITION, found);
		sm_frame_judge(h, f, SM_VERDICT_NO_POSITION,
			       "ImagePositionPatient %s, allowed are three numbers of mm", found);
	}
}
