/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "ingest/series/dcm_csa.h"
#include "ingest/series/dcm_head_in.h"

#define B_VALUE SM_TAG(0x0018, 0x9087)
#define DIRECTIONS SM_TAG(0x0018, 0x9076)
#define DIRECTION SM_TAG(0x0018, 0x9089)
#define PATIENT_POSITION SM_TAG(0x0018, 0x5100)
#define PHASE_ENCODING SM_TAG(0x0018, 0x1312)
#define UIH_B_VALUE SM_TAG(0x0065, 0x1009)
#define UIH_DIRECTION SM_TAG(0x0065, 0x1037)

/* Vectors are unit vectors or nothing; some makers write (0,0,0) or a "not known" of 1e38. */
static void set_vector(struct sm_dcm_frame *f, const double v[3])
{
	double length = sqrt(sm_dot3(v, v));
	if (!(length > 0.5 && length < 2))
		return;
	for (int i = 0; i < 3; i++)
		f->b_vector[i] = v[i] / length;
}

static bool set_value(struct sm_dcm_frame *f, double b)
{
	if (!(b >= 0 && b < 1e6))
		return false;
	f->b_value = b;
	return true;
}

void sm_diffusion_standard(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	double b, v[3];
	struct sm_dataset item;
	if (sm_dataset_exactly(set, B_VALUE, &b, 1))
		set_value(f, b);
	if (sm_dataset_exactly(set, DIRECTION, v, 3) ||
	    (sm_dataset_item(set, DIRECTIONS, &item) &&
	     sm_dataset_exactly(&item, DIRECTION, v, 3)))
		set_vector(f, v);
}

static void siemens(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	double b, v[3];
	uint32_t tag = sm_dataset_private(set, 0x0019, "SIEMENS MR HEADER", 0x0c);
	if (tag) {
		if (sm_dataset_exactly(set, tag, &b, 1))
			set_value(f, b);
		if (sm_dataset_exactly(set, tag + 2, v, 3))
			set_vector(f, v);
		return;
	}
	struct sm_csa csa;
	if (!sm_csa_image(set, &csa))
		return;
	if (sm_csa_numbers(&csa, "B_value", &b, 1) == 1)
		set_value(f, b);
	if (sm_csa_numbers(&csa, "DiffusionGradientDirection", v, 3) == 3)
		set_vector(f, v);
}

/* A direction along the picture's rows, columns and normal, in the patient's axes; without the
 * place of the picture it stays as it is. */
static void from_picture(struct sm_dcm_frame *f, const double along[3])
{
	const double *a = f->across, *d = f->down;
	const double normal[3] = {a[1] * d[2] - a[2] * d[1], a[2] * d[0] - a[0] * d[2],
				  a[0] * d[1] - a[1] * d[0]};
	double v[3];
	for (int i = 0; i < 3; i++)
		v[i] = along[0] * a[i] + along[1] * d[i] + along[2] * normal[i];
	f->b_vector_local = !f->has_orientation;
	set_vector(f, f->b_vector_local ? along : v);
}

/* GE's components follow frequency, phase and slice encoding. Their signs along the picture's axes
 * are those that dcm2niix takes: one rule for each plane that slices may lie closest to, told only
 * for a patient lying head first and supine. */
static void ge_direction(const struct sm_dataset *set, struct sm_dcm_frame *f, const double v[3])
{
	static const double signs[3][3] = {{1, 1, -1}, {-1, 1, 1}, {-1, -1, 1}};
	char lies[16], phase[16];
	sm_dataset_text(set, PATIENT_POSITION, lies, sizeof lies);
	sm_dataset_text(set, PHASE_ENCODING, phase, sizeof phase);
	bool column = strcmp(phase, "COL") == 0;
	if (strcmp(lies, "HFS") != 0 || (!column && strcmp(phase, "ROW") != 0)) {
		set_vector(f, v);
		f->b_vector_local = true;
		return;
	}
	const double *a = f->across, *d = f->down;
	double normal[3] = {fabs(a[1] * d[2] - a[2] * d[1]), fabs(a[2] * d[0] - a[0] * d[2]),
			    fabs(a[0] * d[1] - a[1] * d[0])};
	int plane = normal[0] > normal[1] ? 0 : 1;
	if (normal[2] >= normal[plane])
		plane = 2;
	const double turned[3] = {column ? v[0] : v[1], column ? v[1] : -v[0], v[2]};
	const double along[3] = {signs[plane][0] * turned[0], signs[plane][1] * turned[1],
				 signs[plane][2] * turned[2]};
	from_picture(f, along);
	f->b_vector_doubtful = plane != 2;
}

/* The first of (0043,1039)'s values is the b-value, to which newer releases add 1e9 as a mark. It
 * is that of a direction of length 1: scans with several b-values shorten the direction, whose
 * square scales it; the result is given in steps of 5, as dcm2niix gives it. */
static void ge(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	double b, v[3];
	uint32_t tag = sm_dataset_private(set, 0x0043, "GEMS_PARM_01", 0x39);
	if (tag && sm_dataset_numbers(set, tag, &b, 1) > 0)
		set_value(f, b >= 1e9 ? b - 1e9 : b);
	tag = sm_dataset_private(set, 0x0019, "GEMS_ACQU_01", 0xbb);
	if (!(f->b_value > 0) || !tag || !sm_dataset_exactly(set, tag, &v[0], 1) ||
	    !sm_dataset_exactly(set, tag + 1, &v[1], 1) ||
	    !sm_dataset_exactly(set, tag + 2, &v[2], 1))
		return;
	double square = sm_dot3(v, v), length = sqrt(square);
	if (length > 0.03 && length < 0.97) {
		double fives = floor(f->b_value * square / 5 + 0.5);
		f->b_value = 5 * (fives > 1 ? fives : 1);
		for (int i = 0; i < 3; i++)
			v[i] /= length;
	}
	ge_direction(set, f, v);
}

static void philips(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	double b, v[3];
	uint32_t tag = sm_dataset_private(set, 0x2001, "Philips Imaging DD 001", 0x03);
	if (tag && sm_dataset_exactly(set, tag, &b, 1))
		set_value(f, b);
	tag = sm_dataset_private(set, 0x2005, "Philips MR Imaging DD 001", 0xb0);
	if (tag && sm_dataset_exactly(set, tag, &v[0], 1) &&
	    sm_dataset_exactly(set, tag + 1, &v[1], 1) &&
	    sm_dataset_exactly(set, tag + 2, &v[2], 1))
		set_vector(f, v);
}

static void uih(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	double b, v[3];
	if (sm_dataset_exactly(set, UIH_B_VALUE, &b, 1))
		set_value(f, b);
	/* along the picture's own axes */
	if (sm_dataset_exactly(set, UIH_DIRECTION, v, 3))
		from_picture(f, v);
}

void sm_diffusion_private(struct sm_head_job *job, const struct sm_dataset *set,
			  struct sm_dcm_frame *f)
{
	if (strcmp(job->head->modality, "MR") != 0)
		return;
	if (!isnan(f->b_value) && (f->b_value == 0 || sm_dot3(f->b_vector, f->b_vector) > 0))
		return; /* the standard's elements said it all */
	/* A maker that nobody can tell may be any of those whose blocks bear a name. */
	const char *maker = job->head->maker;
	bool any = !*maker;
	if (any || strcmp(maker, "siemens") == 0)
		siemens(set, f);
	if (any || strcmp(maker, "ge") == 0)
		ge(set, f);
	if (any || strcmp(maker, "philips") == 0)
		philips(set, f);
	if (strcmp(maker, "uih") == 0)
		uih(set, f);
}
