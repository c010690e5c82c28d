/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_head.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_class.h"
#include "ingest/series/dcm_clock.h"
#include "ingest/series/dcm_head_in.h"

#define SOP_CLASS SM_TAG(0x0008, 0x0016)
#define STUDY_DATE SM_TAG(0x0008, 0x0020)
#define ZONE SM_TAG(0x0008, 0x0201)
#define IMAGE_TYPE SM_TAG(0x0008, 0x0008)
#define SPACING SM_TAG(0x0028, 0x0030)
#define IMAGER_SPACING SM_TAG(0x0018, 0x1164)
#define SCANNED_SPACING SM_TAG(0x0018, 0x2010)
#define FRAMES SM_TAG(0x0028, 0x0008)
#define LUT SM_TAG(0x0028, 0x3000)
#define ORIENTATION SM_TAG(0x0020, 0x0037)
#define SHARED_GROUPS SM_TAG(0x5200, 0x9229)
#define FRAME_GROUPS SM_TAG(0x5200, 0x9230)
#define UIH_GRID SM_TAG(0x0065, 0x1050)
#define PLANE_POSITION SM_TAG(0x0020, 0x9113)
#define PLANE_ORIENTATION SM_TAG(0x0020, 0x9116)

/* Flat objects with more pictures than any cine loop: the claim of a damaged file. */
#define MOST_PICTURES 65536

void sm_head_judge(struct sm_dcm_head *h, enum sm_verdict verdict, const char *fmt, ...)
{
	if (h->verdict != SM_VERDICT_OK && h->verdict <= verdict)
		return;
	va_list args;
	va_start(args, fmt);
	vsnprintf(h->why, sizeof h->why, fmt, args);
	va_end(args);
	h->verdict = verdict;
}

void sm_frame_judge(struct sm_dcm_head *h, struct sm_dcm_frame *f, enum sm_verdict verdict,
		    const char *fmt, ...)
{
	char why[sizeof h->why];
	if (f->verdict == SM_VERDICT_OK || f->verdict > verdict)
		f->verdict = verdict;
	va_list args;
	va_start(args, fmt);
	vsnprintf(why, sizeof why, fmt, args);
	va_end(args);
	if (h->kind == SM_DCM_ENHANCED)
		sm_head_judge(h, verdict, "frame %lu: %s", (unsigned long)f->picture + 1, why);
	else
		sm_head_judge(h, verdict, "%s", why);
}

struct sm_dcm_frame sm_frame_unknown(void)
{
	return (struct sm_dcm_frame){
		.slope = 1,
		.kernel_number = NAN,
		.kvp = NAN,
		.echo_time = NAN,
		.inversion_time = NAN,
		.trigger = NAN,
		.time = NAN,
		.repetition = NAN,
		.reference = NAN,
		.duration = NAN,
		.decay_factor = NAN,
		.b_value = NAN,
	};
}

enum sm_status sm_head_frames(struct sm_dcm_head *h, size_t count, const struct sm_dcm_frame *like,
			      struct sm_err *err)
{
	h->frame = calloc(count, sizeof *h->frame);
	if (!h->frame)
		return SM_FAIL(err, SM_BUDGET, "no memory for %zu frames", count);
	h->frame_count = count;
	for (size_t i = 0; i < count; i++) {
		h->frame[i] = *like;
		h->frame[i].picture = (uint32_t)i;
	}
	return SM_OK;
}

/* What the object is, from elements that every kind has. */
static void read_kind(struct sm_head_job *job, const char *type)
{
	static const char *const scouts[] = {"LOCALIZER", "LOCALISER", "SCOUT", "SCOUTVIEW",
					     "SURVIEW",   "TOPOGRAM",  "TOPO"};
	struct sm_dcm_head *h = job->head;
	for (size_t i = 0; i < sizeof scouts / sizeof *scouts; i++)
		if (sm_text_has(type, scouts[i]))
			sm_head_judge(h, SM_VERDICT_LOCALISER, "ImageType says %s", scouts[i]);
}

void sm_head_spacing_from(struct sm_dcm_head *h, const struct sm_dcm_frame *f)
{
	if (f->has_spacing)
		memcpy(h->spacing_from, "PixelSpacing", sizeof "PixelSpacing");
}

static bool has_plane_groups(const struct sm_dataset *set)
{
	static const uint32_t groups[] = {FRAME_GROUPS, SHARED_GROUPS};
	struct sm_dataset item;
	for (int i = 0; i < 2; i++)
		if (sm_dataset_item(set, groups[i], &item) &&
		    (sm_dataset_has(&item, PLANE_POSITION) ||
		     sm_dataset_has(&item, PLANE_ORIENTATION)))
			return true;
	return false;
}

static enum sm_dcm_kind kind_of(struct sm_head_job *job, const char *type)
{
	/* Enhanced MR, CT, PET; legacy converted CT, MR, PET. */
	static const char *const enhanced[] = {
		"1.2.840.10008.5.1.4.1.1.4.1",   "1.2.840.10008.5.1.4.1.1.4.4",
		"1.2.840.10008.5.1.4.1.1.2.1",   "1.2.840.10008.5.1.4.1.1.2.2",
		"1.2.840.10008.5.1.4.1.1.130",   "1.2.840.10008.5.1.4.1.1.128.1",
	};
	const char *modality = job->head->modality;
	char sop[68];
	sm_dataset_text(&job->set, SOP_CLASS, sop, sizeof sop);
	for (size_t i = 0; i < sizeof enhanced / sizeof *enhanced; i++)
		if (strcmp(enhanced[i], sop) == 0)
			return SM_DCM_ENHANCED;
	bool placed = !strcmp(modality, "CT") || !strcmp(modality, "MR") || !strcmp(modality, "PT");
	if (sm_dataset_has(&job->set, FRAME_GROUPS) && (placed || has_plane_groups(&job->set)))
		return SM_DCM_ENHANCED;
	if (sm_mosaic_is(job, type))
		return SM_DCM_MOSAIC;
	/* Secondary Capture: a picture of a picture, whatever the modality. */
	bool flat = sm_class_is(sop, "1.2.840.10008.5.1.4.1.1.7") ||
		    (sm_modality_flags(modality) & SM_MODALITY_FLAT);
	if (flat && !sm_dataset_has(&job->set, ORIENTATION))
		return SM_DCM_FLAT;
	return SM_DCM_CLASSIC;
}

/* Of an object without pixel spacing in the patient: where the detector's stands. */
static void flat_spacing(struct sm_head_job *job, struct sm_dcm_frame *f)
{
	static const struct {
		uint32_t tag;
		const char *name;
	} from[] = {{SPACING, "PixelSpacing"},
		    {IMAGER_SPACING, "ImagerPixelSpacing"},
		    {SCANNED_SPACING, "NominalScannedPixelSpacing"}};
	for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
		sm_place_spacing(&job->set, from[i].tag, f);
		if (f->has_spacing) {
			snprintf(job->head->spacing_from, sizeof job->head->spacing_from, "%s",
				 from[i].name);
			return;
		}
	}
}

static enum sm_status flat_frames(struct sm_head_job *job, const char *type,
				  struct sm_dcm_frame *base, long claimed,
				  const struct sm_factors *factors, struct sm_err *err)
{
	bool tomographic = sm_text_has(type, "RECON TOMO") || sm_text_has(type, "RECON GATED TOMO");
	struct sm_dcm_head *h = job->head;
	flat_spacing(job, base);
	if (tomographic)
		sm_head_judge(h, SM_VERDICT_BAD_FRAMES,
			      "ImageType says RECON TOMO: the place of its slices stands in "
			      "DetectorInformationSequence, which is not read");
	if (claimed < 1 || claimed > MOST_PICTURES) {
		sm_head_judge(h, SM_VERDICT_BAD_FRAMES, "NumberOfFrames %ld, allowed 1..%d",
			      claimed, MOST_PICTURES);
		claimed = 1;
	}
	sm_scale_apply(job, factors, base);
	return sm_head_frames(h, (size_t)claimed, base, err);
}

static enum sm_status classic_frames(struct sm_head_job *job, struct sm_dcm_frame *base,
				     long claimed, struct sm_err *err)
{
	if (claimed != 1)
		sm_head_judge(job->head, SM_VERDICT_BAD_FRAMES,
			      "NumberOfFrames %ld in an object without functional groups, "
			      "allowed is 1",
			      claimed);
	if (strcmp(job->head->maker, "uih") == 0 &&
	    sm_dataset_number_or(&job->set, UIH_GRID, 1) > 1)
		sm_head_judge(job->head, SM_VERDICT_BAD_FRAMES,
			      "a grid of several slices in one picture (0065,1050), which is read "
			      "for Siemens mosaics only");
	sm_place_judge(job->head, (const struct sm_dataset *[]){&job->set, &job->set, &job->set},
		       base);
	return sm_head_frames(job->head, 1, base, err);
}

/* The elements that a classic object has at its top; an enhanced one may have them there, too. */
static void read_base(struct sm_head_job *job, const char *type, struct sm_dcm_frame *f,
		      struct sm_factors *factors)
{
	const struct sm_dataset *set = &job->set;
	*f = sm_frame_unknown();
	*factors = (struct sm_factors){.slope = 1};
	sm_place_spacing(set, SPACING, f);
	sm_head_spacing_from(job->head, f);
	sm_place_orientation(set, f);
	sm_place_position(set, f);
	sm_place_thickness(set, f);
	sm_keys_classic(job, set, f);
	sm_keys_image_type(job, type, f);
	sm_keys_component(job, set, f);
	sm_scale_rescale(set, factors);
	sm_scale_philips(set, factors);
	sm_scale_real_world(set, factors);
	if (sm_dataset_has(set, LUT))
		sm_head_judge(job->head, SM_VERDICT_BAD_RESCALE,
			      "ModalityLUTSequence is there; supported are RescaleSlope and "
			      "RescaleIntercept");
}

static long frames_claimed(struct sm_head_job *job)
{
	double v;
	int n = sm_dataset_numbers(&job->set, FRAMES, &v, 1);
	if (n == 0)
		return 1;
	if (n == 1 && v >= 0 && v <= 2147483647.0 && v == floor(v))
		return (long)v;
	char found[SM_FOUND_SIZE];
	sm_place_found(&job->set, FRAMES, found);
	sm_head_judge(job->head, SM_VERDICT_BAD_FRAMES,
		      "NumberOfFrames %s, allowed is one whole number", found);
	return 1;
}

static enum sm_status read_frames(struct sm_head_job *job, struct sm_err *err)
{
	struct sm_dcm_head *h = job->head;
	struct sm_dcm_frame base;
	struct sm_factors factors;
	char type[512];
	sm_dataset_text(&job->set, IMAGE_TYPE, type, sizeof type);
	read_kind(job, type);
	long claimed = frames_claimed(job);
	h->format.frames = (int)claimed;
	h->kind = kind_of(job, type);
	read_base(job, type, &base, &factors);
	if (h->kind == SM_DCM_ENHANCED)
		return sm_enhanced_frames(job, &base, &factors, claimed, err);
	if (h->kind == SM_DCM_FLAT)
		return flat_frames(job, type, &base, claimed, &factors, err);
	sm_scale_apply(job, &factors, &base);
	if (h->kind == SM_DCM_MOSAIC)
		return sm_mosaic_frames(job, type, &base, err);
	return classic_frames(job, &base, claimed, err);
}

enum sm_status sm_dcm_head_read(const struct sm_dicom *dcm, const struct sm_salt *salt,
				const struct sm_head_rules *rules, struct sm_dcm_head *h,
				struct sm_err *err)
{
	struct sm_head_job job = {.dcm = dcm,
				  .set = sm_dicom_data(dcm),
				  .salt = salt,
				  .rules = rules ? *rules : (struct sm_head_rules){0},
				  .head = h,
				  .midnight = NAN};
	char date[64];
	*h = (struct sm_dcm_head){0};
	if (sm_dataset_text(&job.set, STUDY_DATE, date, sizeof date))
		job.midnight = sm_dicom_day(date) * 86400;
	sm_dataset_text(&job.set, ZONE, job.zone, sizeof job.zone);
	sm_head_identity(&job);
	if (!sm_head_pixels(&job))
		return SM_OK;
	enum sm_status st = read_frames(&job, err);
	if (st != SM_OK)
		sm_dcm_head_clear(h);
	return st;
}

void sm_dcm_head_clear(struct sm_dcm_head *h)
{
	free(h->frame);
	*h = (struct sm_dcm_head){0};
}
