/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON sidecar of a volume: scan parameters under their BIDS names, from one table of DICOM
 * elements that cannot hold a person. What is not in the table does not leave the DICOM file.
 */
#ifndef SM_INGEST_SIDECAR_H
#define SM_INGEST_SIDECAR_H

#include <jansson.h>

#include "core/err.h"
#include "ingest/dcmtk_c.h"

#define SM_SIDECAR_FIELDS 40 /* room for the table's rows */
#define SM_SIDECAR_TEXT 64

/* The table's elements of one file as text; "" when absent. */
struct sm_sidecar_text {
	char field[SM_SIDECAR_FIELDS][SM_SIDECAR_TEXT];
};

void sm_sidecar_collect(struct sm_dicom *dicom, struct sm_sidecar_text *out);

/* Adds to object every field that has one value in all n files, in BIDS units (seconds for times),
 * and under "VaryingFields" the names of those that have not. */
enum sm_status sm_sidecar_add(json_t *object, const struct sm_sidecar_text *text, size_t n,
			      struct sm_err *err);

/* Writes object as indented JSON with sorted keys to path, atomically; sha256 as sm_item_output
 * wants it. */
enum sm_status sm_sidecar_write(const char *path, const json_t *object, char sha256[65],
				struct sm_err *err);

#endif
