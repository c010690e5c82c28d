/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a NIfTI header places its volume, and the names of its codes (see core/nii_head.h).
 */
#include "core/nii_head.h"

#include <math.h>
#include <nifti2_io.h>
#include <stdio.h>
#include <string.h>

const struct sm_nii_rules sm_nii_rules_default = {.affine = SM_NII_SFORM};

const char *sm_nii_form_name(int code)
{
	static const char *const names[] = {"unknown",   "scanner", "aligned",
					    "talairach", "mni",     "template"};
	return code < 0 || code >= (int)(sizeof names / sizeof *names) ? "other" : names[code];
}

const char *sm_nii_intent_name(int code)
{
	return code ? nifti_intent_string(code) : "none";
}

const char *sm_nii_unit_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {{1, "m"},   {2, "mm"},  {3, "micron"}, {8, "s"},      {16, "ms"},
		     {24, "us"}, {32, "Hz"}, {40, "ppm"},   {48, "rad/s"}, {0, "unknown"}};
	size_t i = 0;
	while (names[i].code && names[i].code != code)
		i++;
	return names[i].name;
}

/* Spacing in mm of the three axes, as pixdim says; 1 for an axis that the image does not have. */
static enum sm_status check_spacing(const struct sm_nii_fields *f, const char *name,
				    double spacing[3], double *mm, struct sm_err *err)
{
	static const double scale[4] = {1, 1000, 1, 0.001}; /* unknown, m, mm, um */
	int unit = (int)(f->units & 7);
	if (unit > 3)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: xyzt_units is %lld, whose unit of length %d is unknown, allowed "
			"are 0..3",
			name, (long long)f->units, unit);
	*mm = scale[unit];
	for (int a = 0; a < 3; a++) {
		double d = f->pixdim[a + 1];
		bool good = isfinite(d) && d > 0;
		if (!good && a < f->dim[0])
			return SM_FAIL(err, SM_INPUT,
				       "%s: pixdim[%d] is %g, a spacing must be above 0 and finite",
				       name, a + 1, d);
		spacing[a] = good ? d * *mm : 1;
	}
	return SM_OK;
}

/* False when the quaternion is none. */
static bool qform_affine(const struct sm_nii_fields *f, const double spacing[3], double mm,
			 double affine[4][4])
{
	const double *q = f->quatern, *o = f->qoffset;
	double norm = q[0] * q[0] + q[1] * q[1] + q[2] * q[2];
	if (!(norm <= 1.001))
		return false;
	nifti_dmat44 m = nifti_quatern_to_dmat44(q[0], q[1], q[2], o[0] * mm, o[1] * mm, o[2] * mm,
						 spacing[0], spacing[1], spacing[2],
						 f->pixdim[0] < 0 ? -1 : 1);
	for (int i = 0; i < 16; i++)
		affine[i / 4][i % 4] = m.m[i / 4][i % 4] + 0.0; /* no -0 */
	return true;
}

/* Not finite, or so flat that no voxel could be found back. */
static bool is_singular(double m[4][4])
{
	double length = 1;
	for (int c = 0; c < 3; c++)
		length *= sqrt(m[0][c] * m[0][c] + m[1][c] * m[1][c] + m[2][c] * m[2][c]);
	double det = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
		     m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
		     m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
	bool finite = isfinite(m[0][3]) && isfinite(m[1][3]) && isfinite(m[2][3]);
	return !finite || !(fabs(det) > 1e-6 * length) || !isfinite(det);
}

/* One of the two affines of a header. */
struct form {
	const char *name;
	int code;
	bool good; /* an affine that can be inverted */
	double m[4][4];
};

static enum sm_status check_form(const struct form *form, const struct sm_nii_fields *f,
				 const char *name, struct sm_err *err)
{
	if (form->good)
		return SM_OK;
	if (form->name[0] == 's')
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the sform (sform_code %d) is singular or not finite, allowed is "
			"an affine that can be inverted",
			name, form->code);
	return SM_FAIL(err, SM_INPUT,
		       "%s: the qform's quaternion (%g, %g, %g) and offsets (%g, %g, %g) are no "
		       "rotation and place",
		       name, f->quatern[0], f->quatern[1], f->quatern[2], f->qoffset[0],
		       f->qoffset[1], f->qoffset[2]);
}

static void read_forms(const struct sm_nii_fields *f, const double spacing[3], double mm,
		       struct form *s, struct form *q)
{
	*s = (struct form){.name = "sform", .code = (int)f->sform};
	*q = (struct form){.name = "qform", .code = (int)f->qform};
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 4; c++)
			s->m[r][c] = f->srow[4 * r + c] * mm;
	s->m[3][3] = 1;
	s->good = !is_singular(s->m);
	q->good = qform_affine(f, spacing, mm, q->m) && !is_singular(q->m);
}

/* A header whose sform and pixdim tell different voxel sizes was edited by halves. */
static double spacing_gap(const struct sm_vol *vol, const double spacing[3])
{
	double column[3], worst = 0;
	sm_vol_spacing(vol, column);
	for (int a = 0; a < 3; a++)
		if (vol->dim[a] > 1)
			worst = fmax(worst, fabs(column[a] - spacing[a]) / spacing[a]);
	return worst;
}

enum sm_status sm_nii_place_check(const struct sm_nii_fields *f, const struct sm_nii_rules *rules,
				  const char *name, struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_err *err)
{
	double spacing[3] = {1, 1, 1}, mm = 1;
	struct form s, q;
	info->space_unit = (int)(f->units & 7);
	info->sform_code = (int)f->sform;
	info->qform_code = (int)f->qform;
	SM_TRY(check_spacing(f, name, spacing, &mm, err));
	read_forms(f, spacing, mm, &s, &q);
	bool both = s.code > 0 && q.code > 0;
	if (both)
		info->form_gap_mm =
			s.good && q.good ? sm_affine_gap_mm(s.m, q.m, vol->dim) : (double)INFINITY;
	if (both && rules->affine == SM_NII_AGREE) {
		SM_TRY(check_form(&s, f, name, err));
		SM_TRY(check_form(&q, f, name, err));
		if (!(info->form_gap_mm <= rules->tolerance_mm))
			return SM_FAIL(
				err, SM_INPUT,
				"%s: sform (code %d) and qform (code %d) place a corner voxel "
				"%.4g mm apart, allowed are %.4g mm",
				name, s.code, q.code, info->form_gap_mm, rules->tolerance_mm);
	}
	const struct form *first = rules->affine == SM_NII_QFORM ? &q : &s;
	const struct form *form = first->code > 0 ? first : first == &q ? &s : &q;
	if (form->code <= 0) {
		for (int a = 0; a < 3; a++)
			vol->affine[a][a] = spacing[a];
		vol->affine[3][3] = 1;
		memcpy(info->affine_source, "none", 5);
		vol->form_code = 2; /* the scanner's coordinates it is not */
		return SM_OK;
	}
	SM_TRY(check_form(form, f, name, err));
	memcpy(vol->affine, form->m, sizeof form->m);
	vol->form_code = form->code <= 5 ? form->code : 2;
	memcpy(info->affine_source, form->name, 6);
	if (form == &s)
		info->spacing_gap = spacing_gap(vol, spacing);
	return SM_OK;
}

size_t sm_nii_doubts(const struct sm_nii_info *info, double tolerance_mm,
		     char out[SM_NII_DOUBTS][SM_NII_DOUBT])
{
	const char *s = sm_nii_form_name(info->sform_code), *q = sm_nii_form_name(info->qform_code);
	size_t n = 0;
	if (strcmp(info->affine_source, "none") == 0)
		snprintf(out[n++], SM_NII_DOUBT,
			 "neither sform nor qform; the grid has its spacing only");
	else if (info->form_gap_mm > tolerance_mm && isinf(info->form_gap_mm))
		snprintf(out[n++], SM_NII_DOUBT,
			 "of sform (%s) and qform (%s) one is no affine; the %s was taken", s, q,
			 info->affine_source);
	else if (info->form_gap_mm > tolerance_mm)
		snprintf(out[n++], SM_NII_DOUBT,
			 "sform (%s) and qform (%s) differ by %.3g mm; the %s was taken", s, q,
			 info->form_gap_mm, info->affine_source);
	if (info->spacing_gap > 0.01)
		snprintf(out[n++], SM_NII_DOUBT,
			 "pixdim and the sform's columns differ by up to %.3g %% in voxel size; the "
			 "sform's was taken",
			 100 * info->spacing_gap);
	return n;
}
