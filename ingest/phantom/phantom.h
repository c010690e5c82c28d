/* SPDX-License-Identifier: Apache-2.0
 *
 * Synthetic cohorts with exact truth, written as the real files of their kind: BraTS-like cases
 * (four modalities and a segmentation in NIfTI), CT heads and dynamic PET (DICOM series), MR and
 * PET heads in NIfTI beside CT, mammograms with drawings. The labels are decided by evaluating
 * closed shapes at voxel centres, so the truth has no error of its
 * own. */
#ifndef SM_INGEST_PHANTOM_PHANTOM_H
#define SM_INGEST_PHANTOM_PHANTOM_H

#include <jansson.h>
#include <stdint.h>

#include "core/err.h"
#include "core/log.h"
#include "core/mem.h"

/* What is wrong with a CT series, on purpose: rows of the choice list in manifests/schema.c. */
enum sm_phantom_defect {
	SM_DEFECT_NONE,
	SM_DEFECT_GAP,        /* the middle slice is missing */
	SM_DEFECT_DUPLICATE,  /* the middle slice is there twice, as two objects */
	SM_DEFECT_TWO_SERIES, /* a second series of the same study in the same folder */
	SM_DEFECT_TILT,       /* gantry tilted by the angle whose cosine is 0.96 and sine 0.28 */
	SM_DEFECT_UNEVEN,     /* the upper half has twice the slice distance */
};

struct sm_phantom {
	int64_t cases;
	int64_t size[3];   /* voxels x, y, z */
	double spacing[3]; /* mm */
	int64_t ct_size[3]; /* of the CTs beside MR or PET volumes; 0 = from size */
	int64_t frames;    /* of a PET, up to SM_FRAMES_MAX (phantom_frames.h) */
	double empty_et;   /* share of cases without enhancing tumour, exact by largest remainder */
	double noise; /* MR: Rician sigma, share of white matter; CT: sigma in 100 HU; pictures:
		       * sigma, share of 255 */
	double bias;       /* amplitude of the bias field, share of 1 (MR only) */
	enum sm_phantom_defect defect; /* CT only */
	uint64_t seed;
	int jobs;
	struct sm_mem *mem;
	struct sm_log *log;
};

/* Writes DIR/BraTS20_Training_NNN/BraTS20_Training_NNN_{flair,t1,t1ce,t2,seg}.nii.gz for NNN = 001
 * and up. Images are int16, exactly 0 outside the brain and at least 1 in it; seg is uint8 with 0,
 * 1 (necrosis), 2 (oedema), 4 (enhancing rim). *facts receives the truth, a new JSON array with one
 * object a case: key, voxels and mm3 of each region, the tumour's place. The bytes depend on the
 * settings alone, not on jobs. */
enum sm_status sm_phantom_brats(const struct sm_phantom *p, const char *dir, json_t **facts,
				struct sm_err *err);

/* Writes DIR/CT_NNN/NAME.dcm, one file a slice, names not in the order of the slices: 12-bit CT
 * with HU = stored - 1024. *facts as above: voxels and mm3 of skull, brain and ventricles over the
 * slices of the (first) series, and the defect. */
enum sm_status sm_phantom_ct(const struct sm_phantom *p, const char *dir, json_t **facts,
			     struct sm_err *err);

/* Writes DIR/PET_NNN/NAME.dcm, one file a slice and time point, names in no order: a dynamic PET in
 * Bq/ml, decay-corrected to the start of the scan, with a slope of its own in every slice.
 * The scan crosses midnight. Value of a voxel: its region's activity to half a slope. *facts:
 * voxels and mm3 of body and lesion, and start, duration (s) and activities (Bq/ml) of each frame,
 * their sums and means. */
enum sm_status sm_phantom_pet(const struct sm_phantom *p, const char *dir, json_t **facts,
			      struct sm_err *err);

/* Writes DIR/CT_NNN/NAME.dcm as sm_phantom_ct does, of heads by phantom_head.h, which differ from
 * case to case and change from slice to slice. *facts: voxels and mm3 of each tissue. */
enum sm_status sm_phantom_ct_stack(const struct sm_phantom *p, const char *dir, json_t **facts,
				   struct sm_err *err);

/* Unpaired domains of different patients: DIR/MR_NNN/mr.nii.gz (int16, T1-weighted, axes ALS, size
 * x from back to front) and DIR/CT_NNN/ by sm_phantom_ct_stack, cases of each. */
enum sm_status sm_phantom_mr_ct(const struct sm_phantom *p, const char *dir, json_t **facts,
				struct sm_err *err);

/* DIR/PAIR_NNN/mr.nii.gz and ct.nii.gz (int16, HU): one head, one grid. */
enum sm_status sm_phantom_mr_ct_pair(const struct sm_phantom *p, const char *dir, json_t **facts,
				     struct sm_err *err);

/* As mr_ct, with DIR/PET_NNN/pet.nii.gz: int16, Bq/ml, p->frames frames without noise. Every voxel
 * holds its region's activity exactly. *facts also: sum over all voxels of each frame. */
enum sm_status sm_phantom_pet_ct(const struct sm_phantom *p, const char *dir, json_t **facts,
				 struct sm_err *err);

/* DIR/PAIR_NNN/pet.nii.gz, pet.json and ct.nii.gz: one head, one grid. */
enum sm_status sm_phantom_pet_ct_pair(const struct sm_phantom *p, const char *dir, json_t **facts,
				      struct sm_err *err);

/* DIR/A/N.png, a picture like a mammogram, and DIR/B/N.png, the outlines of the same closed shapes
 * on white; RGB, size x by y. *facts: pixels of each shape. */
enum sm_status sm_phantom_mammo(const struct sm_phantom *p, const char *dir, json_t **facts,
				struct sm_err *err);

#endif
