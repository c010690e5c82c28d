/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON sidecar of a volume: scan parameters under their BIDS names, from one table of DICOM
 * elements that cannot hold a person. What is not in the table does not leave the DICOM file, and
 * dates, times of day, descriptions, comments, serial numbers, and names of people and places have
 * no row. Texts are kept only when their vocabulary allows them (words.h); the names of fields that
 * had to stay behind are listed under "LeftOut".
 */
#ifndef SM_INGEST_SERIES_SIDECAR_H
#define SM_INGEST_SERIES_SIDECAR_H

#include <jansson.h>

#include "core/mem.h"
#include "ingest/dicom/dicom.h"

#define SM_SIDECAR_FIELDS 96 /* room for the table's rows */
#define SM_SIDECAR_TEXT 96   /* longer texts count as left out */
#define SM_SIDECAR_POLARITY \
	"PhaseEncodingDirectionPositive" /* not written: sm_sidecar_plane makes a sign of it */

/* What the files of one volume say, joined. Zero-initialise. Raw texts stand in here: nothing but
 * sm_sidecar_add may write them anywhere. */
struct sm_sidecar {
	char value[SM_SIDECAR_FIELDS][SM_SIDECAR_TEXT]; /* "" = absent or empty */
	bool varying[SM_SIDECAR_FIELDS];
	bool too_long[SM_SIDECAR_FIELDS];
	size_t files;
};

/* Adds one file: elements of its main data set, or of the functional groups that its frames[0..n)
 * (numbers from 0, ascending; n = 0: all) share. */
void sm_sidecar_read(struct sm_sidecar *into, const struct sm_dicom *dcm, const uint32_t *frames,
		     size_t n);

/* Joins b into a. The result does not depend on the order of joins. */
void sm_sidecar_join(struct sm_sidecar *a, const struct sm_sidecar *b);

/* The numbers of each time point of a 4-D volume. Zero-initialised: none. */
struct sm_sidecar_times {
	size_t times;
	double *value; /* [field][time]: NAN = not read yet, INFINITY = absent in a slice or not the
			* same in all; sm_alloc memory */
};

/* Room for `times` time points; fewer than two need none. SM_BUDGET. Clear with
 * sm_sidecar_times_clear. */
enum sm_status sm_sidecar_times_init(struct sm_sidecar_times *t, size_t times, struct sm_mem *mem,
				     struct sm_err *err);
void sm_sidecar_times_clear(struct sm_sidecar_times *t);

/* Adds one file that sm_sidecar_read put into *one, which was zero before: its frames[0..n)
 * (numbers from 0, ascending; any when it has no functional groups) belong to the time points
 * time[0..n). The result does not depend on the order of files. */
void sm_sidecar_times_read(struct sm_sidecar_times *t, const struct sm_sidecar *one,
			   const struct sm_dicom *dcm, const uint32_t *frames, const uint32_t *time,
			   size_t n);

/* Adds to object every field that has one value in all files, in BIDS units (seconds for times). A
 * number that has one value in each time point (t, may be NULL), and not the same in all, becomes a
 * list by time point under its name. The names of other fields with several values stand under
 * "VaryingFields", and of those whose text the vocabulary does not know under "LeftOut". Lists of
 * codes lose only their unknown words. SM_BUDGET. */
enum sm_status sm_sidecar_add(json_t *object, const struct sm_sidecar *s,
			      const struct sm_sidecar_times *t, struct sm_err *err);

/* The plane of a volume, for what needs its axes. */
struct sm_sidecar_plane {
	int columns, rows; /* of one slice */
	double across[3],
		down[3]; /* unit vectors, LPS: direction of growing column and row index */
	int polarity;    /* sign of the phase encoding as the CSA header has it: 1 = along growing
			  * row or column index, 0 = against it, -1 = not known */
};

/* Adds ImageOrientationPatientDICOM, and for MR what follows from the phase encoding:
 * ReconMatrixPE, PhaseEncodingDirection ("i" columns, "j" rows, "-" against the index; the volume's
 * own axes) or without a known sign PhaseEncodingAxis, and from BandwidthPerPixelPhaseEncode (Hz)
 * of Siemens EffectiveEchoSpacing = 1 / (bandwidth * ReconMatrixPE) and TotalReadoutTime = spacing
 * * (ReconMatrixPE - 1), both in s. Call after sm_sidecar_add. */
void sm_sidecar_plane(json_t *object, const struct sm_sidecar_plane *plane);

/* Appends text to the list object[key], making it when absent. */
void sm_sidecar_list(json_t *object, const char *key, const char *text);

/* Writes object as indented JSON with sorted keys to path, into the set (core/file.h; NULL = at
 * once); sha256 as sm_item_output wants it. */
struct sm_outset;
enum sm_status sm_sidecar_write(struct sm_outset *set, const char *path, const json_t *object,
				char sha256[65], struct sm_err *err);

#endif
