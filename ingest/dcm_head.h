/* SPDX-License-Identifier: Apache-2.0
 *
 * What ingest needs from one DICOM file's header, as plain numbers: identity (for grouping and
 * hashes only, never printed), picture size and bits, place in the patient, rescale.
 */
#ifndef SM_INGEST_DCM_HEAD_H
#define SM_INGEST_DCM_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "ingest/dcmtk_c.h"

#define SM_UID_SIZE 68

/* Why an object is no slice of a volume; rows of the table in dcm_head.c. */
enum sm_verdict {
	SM_VERDICT_OK,
	SM_VERDICT_NOT_IMAGE,
	SM_VERDICT_LOCALISER,
	SM_VERDICT_MULTIFRAME,
	SM_VERDICT_MOSAIC,
	SM_VERDICT_COLOUR,
	SM_VERDICT_SYNTAX,
	SM_VERDICT_BITS,
	SM_VERDICT_NO_SIZE,
	SM_VERDICT_NO_SERIES,
	SM_VERDICT_NO_SPACING,
	SM_VERDICT_NO_ORIENTATION,
	SM_VERDICT_NO_POSITION,
	SM_VERDICT_BAD_RESCALE,
	SM_VERDICT_ONE_SLICE,
	SM_VERDICT_CLASH,
	SM_VERDICT_DUPLICATE,
	SM_VERDICT_REPEATED,
	SM_VERDICT_GAP,
	SM_VERDICT_UNEVEN,
	SM_VERDICT_CROOKED,
	SM_VERDICT_TILT,
	SM_VERDICT_NO_RESCALE,
	SM_VERDICT_COUNT
};

struct sm_dcm_head {
	char series[SM_UID_SIZE], study[SM_UID_SIZE], sop[SM_UID_SIZE],
		frame_of_reference[SM_UID_SIZE];
	char patient[132];                /* PatientID: for the salted hash only */
	char syntax[SM_UID_SIZE];         /* TransferSyntaxUID */
	char modality[17];                /* "CT", "MR", "PT", ... */
	char units[17];                   /* PET: "BQML", "GML", ... */
	char rescale_type[17];            /* "HU", "US", ... */
	char image_kind[17];              /* third value of ImageType: "M", "P", "LOCALIZER", ... */
	bool localiser, mosaic, inverted; /* inverted: MONOCHROME1 */
	bool has_pixels_size;             /* Rows and Columns are there */
	int rows, columns, samples, frames;
	int bits_allocated, bits_stored, high_bit;
	bool is_signed;
	bool has_orientation, has_position, has_spacing;
	double across[3],
		down[3];    /* unit vectors, LPS: direction of growing column and row index */
	double position[3]; /* LPS mm of the first pixel's centre */
	double spacing[2];  /* mm between columns (x), between rows (y) */
	double thickness, slice_step; /* SliceThickness, SpacingBetweenSlices; 0 = absent */
	double echo_time;             /* ms; 0 = absent */
	double slope, intercept;      /* 1 and 0 when absent */
	bool has_rescale;             /* RescaleSlope or RescaleIntercept is there */
	long instance, acquisition;
	enum sm_verdict verdict; /* what this one object says; SM_VERDICT_OK = a usable slice */
	char why[200];           /* the element, the value found, the value allowed; no full stop */
};

/* Fills head from an open file. Cannot fail: what is missing or wrong becomes head->verdict. */
void sm_dcm_head_read(struct sm_dicom *dcm, struct sm_dcm_head *head);

/* The verdict's code for records ("gap"). */
const char *sm_verdict_code(enum sm_verdict verdict);

/* True for things that are no scan at all (reports, plans, localisers): they are listed, and do not
 * count as rejected scans. */
bool sm_verdict_is_skip(enum sm_verdict verdict);

double sm_dot3(const double a[3], const double b[3]);

/* Parses n numbers out of text joined by '\'; false unless there are exactly n finite ones (n < 0:
 * at least -n). Decimal points only, whatever the locale. */
bool sm_dicom_numbers(const char *text, double *out, int n);

#endif
