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

#include "core/err.h"
#include "ingest/dicom/dicom.h"

#define SM_SIDECAR_FIELDS 96 /* room for the table's rows */
#define SM_SIDECAR_TEXT 96   /* longer texts count as left out */

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

/* Adds to object every field that has one value in all files, in BIDS units (seconds for times);
 * under "VaryingFields" the names of those that have several, and under "LeftOut" the names of
 * those whose text the vocabulary does not know. Lists of codes lose only their unknown words. */
enum sm_status sm_sidecar_add(json_t *object, const struct sm_sidecar *s, struct sm_err *err);

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

/* Writes object as indented JSON with sorted keys to path, atomically; sha256 as sm_item_output
 * wants it. */
enum sm_status sm_sidecar_write(const char *path, const json_t *object, char sha256[65],
				struct sm_err *err);

#endif
