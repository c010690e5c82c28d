/* SPDX-License-Identifier: Apache-2.0
 *
 * A volume as a DICOM series: CT, MR or PET Image Storage, one file a slice, Explicit VR Little
 * Endian, 16 bits. For volumes that were derived from de-identified ones: nothing in a file comes
 * from a person, a clock, a host or a path; every UID is made from what the series holds.
 * docs/derived.md lists the elements.
 */
#ifndef SM_DERIVE_DICOM_SERIES_H
#define SM_DERIVE_DICOM_SERIES_H

#include <jansson.h>
#include <stdbool.h>

#include "core/vol.h"

struct sm_outset;

enum sm_dicom_kind { SM_DICOM_CT, SM_DICOM_MR, SM_DICOM_PT };

/* What a series says of itself. All texts are borrowed for the life of the series. */
struct sm_series_about {
	enum sm_dicom_kind kind;
	int axis;               /* of the slices, 0 to 2 */
	bool own_axis;          /* that is how the scan was taken: SliceThickness holds */
	const char *patient_id; /* at most 64 letters, digits, _ . -: a key of ours, never an
				   identifier from outside */
	const char *study; /* hash that one study's volumes share, or NULL: a study of its own */
	const char *frame; /* hash that volumes in one patient space share, or NULL: a space of its
			      own */
	const char *derivation; /* how it was made, plain ASCII, at most 900 characters */
	bool synthetic; /* numbers were predicted: of all slices, or of those of `predicted` */
	const bool *predicted; /* one for each slice, or NULL: all are as `synthetic` says */
	const bool *processed; /* of those not predicted the ones that preprocess changed; NULL =
				  none: copies of the scan */
	const bool *none; /* slices that hold nothing and have no file; NULL = there is none such */
	bool burned_in;   /* text in the pixels was found and kept */
	const json_t *sidecar; /* fields of ingest's sidecar that go over (derived.md), or NULL */
};

#define SM_UID 65

/* A series that is ready to be written. */
struct sm_dicom_series {
	struct sm_series_about about;
	const struct sm_vol *vol; /* borrowed */
	struct sm_mem *mem;       /* borrowed; for one slice at a time */
	int64_t slices;           /* of the volume, */
	int64_t written;          /* and those that have a file */
	char study[SM_UID], uid[SM_UID], frame[SM_UID];
	double across[3], down[3],
		normal[3]; /* unit vectors in LPS: columns, rows, across x down */
	double first[3],
		step[3]; /* LPS mm of the first voxel of slice 0, and from slice to slice */
	double pixel[2]; /* mm between rows, between columns */
	double apart;    /* mm between slices along the normal */
	bool reversed;   /* the volume's slices run against the normal */
	bool is_signed;
	bool stored;          /* the volume's own whole numbers are the pixels */
	double slope, inter;  /* real = slope * pixel + inter; both exactly what their texts say */
	double center, width; /* of the window: the whole range */
};

/* Makes UIDs, geometry and scaling.
 *
 * Pixels: whole numbers of 8 or 16 bits are written as they are, with the volume's slope and
 * intercept; others too when all of them are whole and fit into 16 bits, so that an HU volume has
 * slope 1. Anything else is quantised in 65536 steps over its range (PET: from 0 or, with negative
 * values, symmetric to it, as its intercept must be 0): the error is at most half of RescaleSlope.
 *
 * Geometry: LPS from the affine. Numbers of the affine that float32 holds exactly are taken as the
 * shortest decimal that float32 reads back as the same: what stood in the source's text before it
 * went through NIfTI. InstanceNumber grows along the normal of ImageOrientationPatient, so slices
 * of a volume with that axis reversed are numbered from its end.
 *
 * UIDs are "2.25." and 128 bits of SHA-256: of the series from voxels, affine and all of `about`,
 * of an instance from the series' and its number, of study and frame of reference from their
 * hashes: volumes of one study stay together, and in one space. The same content gives the same
 * UIDs anywhere, other content others.
 *
 * SM_INPUT, name before the sentence: a fourth axis, more than 65535 rows or columns, more than
 * 99999 slices, NaN or infinite values, columns and rows that are not perpendicular
 * (SM_NOT_SQUARE), slices in their own plane, a patient_id or derivation that is not as above. vol
 * must outlive the series. */
#define SM_NOT_SQUARE 1e-3 /* cosine of the angle between rows and columns */
enum sm_status sm_dicom_series_make(const struct sm_vol *vol, const struct sm_series_about *about,
				    const char *name, struct sm_mem *mem,
				    struct sm_dicom_series *out, struct sm_err *err);

/* The volume's slice that instance number 1..slices shows. */
int64_t sm_dicom_series_slice(const struct sm_dicom_series *s, int64_t number);

/* Writes one instance into the set (NULL = at once); sha256 (65 bytes) receives the hash of the
 * file's bytes. Thread-safe with sets of their own. */
enum sm_status sm_dicom_series_write(const struct sm_dicom_series *s, int64_t number,
				     struct sm_outset *set, const char *path, char sha256[65],
				     struct sm_err *err);

#endif
