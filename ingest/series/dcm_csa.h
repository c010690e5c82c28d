/* SPDX-License-Identifier: Apache-2.0
 *
 * Siemens CSA headers: the private block (0029,xx10) of MR files, a list of named values; both
 * layouts
 * ("SV10" and the older one without a mark). The bytes are hostile: every length is held against
 * the block, and nothing is
 * allocated. */
#ifndef SM_INGEST_SERIES_DCM_CSA_H
#define SM_INGEST_SERIES_DCM_CSA_H

#include "ingest/dicom/dicom.h"

/* A view of a CSA header inside a data set. */
struct sm_csa {
	const unsigned char *bytes;
	size_t n;
	bool second; /* the layout with "SV10" */
	unsigned count;
};

/* The image header (0029,xx10) of the block that "SIEMENS CSA HEADER" reserved; false when there is
 * none or it does not begin like one. */
bool sm_csa_image(const struct sm_dataset *set, struct sm_csa *out);
bool sm_csa_open(const unsigned char *bytes, size_t n, struct sm_csa *out);

/* Calls for value number `index` (0-based) of the named entry: text without padding into out.
 * False when there is no such value, it is empty, does not fit n - 1 characters or lies outside. */
bool sm_csa_text(const struct sm_csa *csa, const char *name, int index, char *out, size_t n);

/* The first `most` numbers of an entry; returns how many there are at most that, 0 when absent, -1
 * when one is no finite decimal number. */
int sm_csa_numbers(const struct sm_csa *csa, const char *name, double *out, int most);

/* When each slice of a Siemens mosaic was taken: seconds from the first one taken, in the order of
 * tiles (MosaicRefAcqTimes). Returns how many, at most `most`; 0 when the file does not say, or
 * says that they took longer than RepetitionTime. A jump over midnight is undone. The first volume
 * of some multi-band sequences has wrong times: take the second's where there is one. */
int sm_siemens_slice_times(const struct sm_dataset *set, double *seconds, int most);

#endif
