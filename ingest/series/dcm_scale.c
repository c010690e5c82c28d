/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "ingest/series/dcm_head_in.h"

#define SLOPE SM_TAG(0x0028, 0x1053)
#define INTERCEPT SM_TAG(0x0028, 0x1052)
#define DD5 "Philips MR Imaging DD 005"
#define REAL_WORLD SM_TAG(0x0040, 0x9096)
#define REAL_SLOPE SM_TAG(0x0040, 0x9225)
#define REAL_INTERCEPT SM_TAG(0x0040, 0x9224)

/* One of the two elements; false when it is absent. An empty one says nothing about the numbers and
 * is as wrong as a word. */
static bool read_factor(const struct sm_dataset *set, uint32_t tag, double *out, bool *bad)
{
	double value;
	if (!sm_dataset_has(set, tag))
		return false;
	if (sm_dataset_exactly(set, tag, &value, 1))
		*out = value;
	else
		*bad = true;
	return true;
}

void sm_scale_rescale(const struct sm_dataset *set, struct sm_factors *f)
{
	if (read_factor(set, SLOPE, &f->slope, &f->bad))
		f->has_slope = true;
	if (read_factor(set, INTERCEPT, &f->intercept, &f->bad))
		f->has_intercept = true;
}

void sm_scale_philips(const struct sm_dataset *set, struct sm_factors *f)
{
	uint32_t tag = sm_dataset_private(set, 0x2005, "Philips MR Imaging DD 001", 0x0e);
	double value;
	if (!tag || !sm_dataset_exactly(set, tag, &value, 1) || value == 0)
		return;
	f->philips = value;
	/* Older releases write the display's factors into private elements only. */
	double intercept, slope;
	if (!f->has_slope && !f->has_intercept &&
	    sm_dataset_exactly(set, sm_dataset_private(set, 0x2005, DD5, 0x09), &intercept, 1) &&
	    sm_dataset_exactly(set, sm_dataset_private(set, 0x2005, DD5, 0x0a), &slope, 1)) {
		f->has_slope = f->has_intercept = true;
		f->slope = slope;
		f->intercept = intercept;
	}
}

void sm_scale_real_world(const struct sm_dataset *set, struct sm_factors *f)
{
	struct sm_dataset item;
	struct sm_dicom_items it = sm_dataset_items(set, REAL_WORLD);
	int n = 0;
	while (sm_dicom_items_next(&it, &item)) {
		double slope, intercept;
		if (!sm_dataset_exactly(&item, REAL_SLOPE, &slope, 1) ||
		    !sm_dataset_exactly(&item, REAL_INTERCEPT, &intercept, 1))
			continue; /* a table of values instead of a line */
		if (n++ == 0) {
			f->real_slope = slope;
			f->real_intercept = intercept;
		}
	}
	if (n)
		f->real_worlds = n;
}

/* Philips: RescaleSlope RS and RescaleIntercept RI lead to what the console displays, and the
 * private scale slope SS leads from there to numbers that are comparable between scans: (stored *
 * RS + RI) / (RS * SS); Chenevert et al., Transl Oncol 7(1):65-71, 2014. */
static void philips_scale(const struct sm_factors *f, struct sm_dcm_frame *frame)
{
	double both = f->slope * f->philips;
	/* Maps (Hz, ms) have the product 1, and SS, a float32, knows fewer digits than RS. */
	bool same = fabs(both - 1) < 1e-6;
	frame->slope = same ? f->slope : 1 / f->philips;
	frame->intercept = same ? f->intercept : f->intercept / both;
	frame->scale = SM_SCALE_PHILIPS;
}

void sm_scale_apply(struct sm_head_job *job, const struct sm_factors *f, struct sm_dcm_frame *frame)
{
	struct sm_dcm_head *h = job->head;
	/* Another maker's machine that read a Philips picture and wrote its own leaves elements
	 * behind. */
	bool precise = f->philips != 0 && !job->rules.philips_display &&
		       (!*h->maker || strcmp(h->maker, "philips") == 0);
	frame->slope = 1;
	frame->intercept = 0;
	frame->scale = SM_SCALE_NONE;
	if (f->bad)
		sm_frame_judge(h, frame, SM_VERDICT_BAD_RESCALE,
			       "RescaleSlope or RescaleIntercept is there but is not one number");
	else if (f->has_slope && f->slope == 0)
		sm_frame_judge(h, frame, SM_VERDICT_BAD_RESCALE,
			       "RescaleSlope is 0, allowed is any other number");
	else if (precise)
		philips_scale(f, frame);
	else if (f->has_slope || f->has_intercept) {
		frame->slope = f->has_slope ? f->slope : 1;
		frame->intercept = f->has_intercept ? f->intercept : 0;
		frame->scale = SM_SCALE_RESCALE;
	} else if (f->real_worlds == 1) {
		frame->slope = f->real_slope;
		frame->intercept = f->real_intercept;
		frame->scale = SM_SCALE_REAL_WORLD;
		if (f->real_slope == 0)
			sm_frame_judge(h, frame, SM_VERDICT_BAD_RESCALE,
				       "RealWorldValueSlope is 0, allowed is any other number");
	} else if (f->real_worlds > 1)
		sm_frame_judge(h, frame, SM_VERDICT_BAD_RESCALE,
			       "%d RealWorldValueMappings and no RescaleSlope: which one to take "
			       "cannot be told",
			       f->real_worlds);
	/* Decimal strings of 16 characters hold any exponent: float32 volumes must stay finite. */
	double most = fabs(frame->slope) * 4294967296.0 + fabs(frame->intercept);
	if (frame->slope == 0 || !isfinite(most) || most > 3e38 || fabs(frame->slope) < 1e-30)
		sm_frame_judge(h, frame, SM_VERDICT_BAD_RESCALE,
			       "scale %g and %g leave the range of numbers", frame->slope,
			       frame->intercept);
}
