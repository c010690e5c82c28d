/* SPDX-License-Identifier: Apache-2.0
 *
 * The index as a catalogue: the records of a ledger as a table for the eye, as CSV for a
 * spreadsheet and as one JSON document for programs. One table of columns serves all
 * three. */
#ifndef SM_INGEST_CATALOGUE_H
#define SM_INGEST_CATALOGUE_H

#include <jansson.h>
#include <stdio.h>

#include "core/hash.h"
#include "core/records.h"
#include "core/text.h"

enum sm_catalogue_format {
	SM_CATALOGUE_TABLE,
	SM_CATALOGUE_CSV,
	SM_CATALOGUE_JSON,
	SM_CATALOGUE_FORMATS
};

/* The choices of --format, in order of the enumeration. */
#define SM_CATALOGUE_CHOICES "table|csv|json"

/* Writes the whole catalogue to the stream, and adds its bytes to the hash (may be NULL). records:
 * index records sorted by key, of which one is in memory at a time. files: object of kind of file
 * -> count, told below the table and in the JSON document. SM_BUDGET when out of memory, SM_IO. */
enum sm_status sm_catalogue_write(struct sm_records *records, json_t *files,
				  enum sm_catalogue_format format, FILE *stream,
				  struct sm_sha256 *hash, struct sm_err *err);

#endif
