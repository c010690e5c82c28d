/* SPDX-License-Identifier: Apache-2.0
 *
 * The volumes that a stage of this folder works on: those of an earlier stage's ledger (ingest,
 * preprocess, predict, interpolate) with their sidecars, or a single NIfTI file with the sidecar
 * beside it.
 */
#ifndef SM_DERIVE_SOURCES_H
#define SM_DERIVE_SOURCES_H

#include "core/stage.h"
#include "core/vol.h"

#define SM_SOURCE_VOLUMES 64 /* of one case */

struct sm_sources {
	struct sm_run *run;
	struct sm_ledger parent; /* of a folder */
	size_t *at, count;       /* good records */
	char *file_key;          /* of a single file: its name without the ending */
};

/* One volume of a case; texts are borrowed from the record, or from the run's arena. */
struct sm_source {
	/* role: of translated volumes, which stage predict calls images, what they are now */
	const char *role, *path; /* path below the input folder; of a single file its name */
	const char *sha256;      /* what the ledger says; NULL for a single file */
	const char *sidecar,
		*sidecar_sha256; /* path and hash of its JSON file; NULL when there is none */
};

/* Opens run->in. Rejected records are passed over with a warning, and the header lists them under
 * "rejected_before". SM_USAGE: a file whose name is no NIfTI name or no safe key. Close with
 * sm_sources_close. */
enum sm_status sm_sources_open(struct sm_run *run, struct sm_sources *s, struct sm_err *err);
void sm_sources_close(struct sm_sources *s);

/* Functions for struct sm_items; ctx is a struct sm_sources or a struct that starts with one. */
const char *sm_sources_key(void *ctx, size_t i);
enum sm_status sm_sources_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err);

/* The record of case i, a new reference (an empty object for a single file); NULL with the error.
 * Thread-safe. */
json_t *sm_sources_record(const struct sm_sources *s, size_t i, struct sm_err *err);

/* The volumes of a record: NIfTI files that are no labels, masks, regions or probabilities; of a
 * translated one that stands on the scan's grid too, the file that does. The
 * names of roles that are left out go to left_out (a JSON array, may be NULL). SM_INPUT when there
 * is none. */
enum sm_status sm_sources_list(const struct sm_sources *s, const json_t *record,
			       struct sm_source *out, size_t *n, json_t *left_out,
			       struct sm_err *err);

/* Reads a volume and its sidecar (a new reference; NULL when there is none). Both must have the
 * content that the ledger names, else SM_INPUT. The volume's meaning is that of the sidecar. sha256
 * (65 bytes) receives the volume's identity. The caller clears both. */
enum sm_status sm_source_read(const struct sm_sources *s, const struct sm_source *source,
			      struct sm_vol *vol, json_t **sidecar, char sha256[65],
			      struct sm_err *err);

/* Of a stage's folder: true when the volume turned out to hold labels; its role then goes to
 * left_out. A single file is what its user says it is: false. */
bool sm_source_is_label(const struct sm_sources *s, const struct sm_source *source,
			const struct sm_vol *vol, json_t *left_out);

/* Copies what the record of the source says of whose and what scan it is: patient, study,
 * frame_of_reference, modality, burned_text. */
void sm_sources_carry(const json_t *from, json_t *to);

#endif
