/* SPDX-License-Identifier: Apache-2.0
 *
 * What the DICOM phantoms have in common: identity, place and grid of a slice's file, the folder of
 * a case, and the truth about its
 * regions. */
#ifndef SM_INGEST_PHANTOM_PHANTOM_DICOM_H
#define SM_INGEST_PHANTOM_PHANTOM_DICOM_H

#include "ingest/dicom/dicom_write.h"
#include "ingest/phantom/phantom.h"

/* Dates and times of day: "" = an empty element, NULL = none. */
struct sm_phantom_identity {
	const char *key; /* of the case: patient "Phantom^KEY" with the number "PHANTOM-KEY" */
	const char *class_uid, *instance, *modality, *image_type;
	const char *study_day, *series_day, *acquisition_day;
	const char *study_clock, *series_clock, *acquisition_clock;
};

/* Adds groups 0008 and 0010 up to PatientSex. */
void sm_phantom_put_identity(struct sm_dcm *d, const struct sm_phantom_identity *id);

struct sm_phantom_place {
	char study[65], series[65], frame[65]; /* UIDs */
	int64_t series_number, number;         /* SeriesNumber, InstanceNumber */
	double at[3], rows[6];                 /* ImagePositionPatient, ImageOrientationPatient */
};

/* Adds group 0020, and group 0028 up to PixelSpacing. */
void sm_phantom_put_place(struct sm_dcm *d, const struct sm_phantom *p,
			  const struct sm_phantom_place *place);

/* Makes DIR/KEY. SM_BUDGET, SM_IO. */
enum sm_status sm_phantom_folder(const char *dir, const char *key, struct sm_err *err);

/* Adds to a case's facts the voxels of n regions and, when voxel_mm3 is not 0, their mm3. */
void sm_phantom_put_regions(json_t *facts, const char *const *names, const int64_t *voxels,
			    size_t n, double voxel_mm3);

#endif
