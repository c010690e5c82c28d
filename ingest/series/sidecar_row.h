/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the sidecar share: sidecar.c (the table and its reader) and sidecar_value.c
 * (texts to JSON). Nobody else includes it.
 */
#ifndef SM_INGEST_SERIES_SIDECAR_ROW_H
#define SM_INGEST_SERIES_SIDECAR_ROW_H

#include "ingest/series/sidecar.h"

enum sm_sidecar_kind {
	NUMBER,   /* one number */
	POSITIVE, /* one number; 0 means absent */
	COUNT,    /* one whole number */
	CODE,     /* one code */
	CODES,    /* list of codes */
	MAKER,    /* text of makers' words */
	PART,     /* the same, up to its first comma */
	PHASE,    /* AcquisitionMatrix: the number of phase encoding steps */
};

struct sm_sidecar_row {
	const char *name;
	uint32_t group, tag; /* where the element stands; see the table */
	enum sm_sidecar_kind kind;
	double divide;     /* DICOM unit to BIDS unit */
	const char *codes; /* allowed, joined by '|' */
};

/* Row i of the table; NULL behind the last. */
const struct sm_sidecar_row *sm_sidecar_row(size_t i);

/* The first row of row i's field: under its number stand the field's values. */
size_t sm_sidecar_field(size_t i);

static inline bool sm_sidecar_is_number(const struct sm_sidecar_row *row)
{
	return row->kind <= COUNT || row->kind == PHASE;
}

#endif
