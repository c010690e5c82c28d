/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "ingest/dcm_csa.h"
#include "ingest/dcm_head_in.h"

#define B_VALUE SM_TAG(0x0018, 0x9087)
#define DIRECTIONS SM_TAG(0x0018, 0x9076)
#define DIRECTION SM_TAG(0x0018, 0x9089)
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

/* The first of (0043,1039)'s values is the b-value, to which newer releases add 1e9 as a mark. The
 * direction (0019,10BB..BD) is that of frequency, phase and slice encoding, not the patient's. */
static void ge(const struct sm_dataset *set, struct sm_dcm_frame *f)
{
	double b, v[3];
	uint32_t tag = sm_dataset_private(set, 0x0043, "GEMS_PARM_01", 0x39);
	if (tag && sm_dataset_numbers(set, tag, &b, 1) > 0)
		set_value(f, b >= 1e9 ? b - 1e9 : b);
	tag = sm_dataset_private(set, 0x0019, "GEMS_ACQU_01", 0xbb);
	if (f->b_value > 0 && tag && sm_dataset_exactly(set, tag, &v[0], 1) &&
	    sm_dataset_exactly(set, tag + 1, &v[1], 1) &&
	    sm_dataset_exactly(set, tag + 2, &v[2], 1)) {
		set_vector(f, v);
		f->b_vector_local = true;
	}
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
	if (sm_dataset_exactly(set, UIH_DIRECTION, v, 3)) {
		set_vector(f, v);
		f->b_vector_local = true;
	}
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
