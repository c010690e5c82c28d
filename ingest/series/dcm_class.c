/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/series/dcm_class.h"

#include <stddef.h>
#include <string.h>

#define STORAGE "1.2.840.10008.5.1.4.1.1."

/* A row holds for its UID and all that continue it behind a point; the longest that fits counts. */
static const struct {
	const char *uid, *what; /* what NULL: pictures after all */
} classes[] = {
	{STORAGE "4.2", "MR spectroscopy"},
	{STORAGE "9", "waveforms"},
	{STORAGE "11", "a presentation state"},
	{STORAGE "66", "raw data, a registration or fiducials"},
	{STORAGE "66.4", NULL}, /* segmentations have frames; they are refused by name */
	{STORAGE "66.7", NULL},
	{STORAGE "66.8", NULL},
	{STORAGE "67", "a real world value mapping"},
	{STORAGE "68", "a surface scan"},
	{STORAGE "78", "ophthalmic measurements"},
	{STORAGE "79", "ophthalmic measurements"},
	{STORAGE "80", "ophthalmic measurements"},
	{STORAGE "88", "a structured report or a key object selection"},
	{STORAGE "90", "an assessment"},
	{STORAGE "104", "an encapsulated document"},
	{STORAGE "131", "a display layout"},
	{STORAGE "200", "a protocol"},
	{STORAGE "481", "a radiotherapy plan, structure set or record"},
	{STORAGE "481.1", NULL},  /* RT Image */
	{STORAGE "481.2", NULL},  /* RT Dose */
	{STORAGE "481.23", NULL}, /* Enhanced RT Image */
	{STORAGE "481.24", NULL}, /* Enhanced Continuous RT Image */
	{"1.2.840.10008.1.3.10", "a directory of a disc"},
	{"1.2.840.10008.5.1.4.34", "a worklist"},
	{"1.2.840.10008.5.1.4.38", "a hanging protocol"},
	{"1.2.840.10008.5.1.4.39", "a colour palette"},
	{"1.3.12.2.1107.5.9.1", "Siemens non-image data"},
};

unsigned sm_modality_flags(const char *word)
{
#define ROW(name, own) {#name, SM_MODALITY_KNOWN | (own)},
	static const struct {
		const char *word;
		unsigned flags;
	} rows[] = {SM_MODALITIES(ROW)};
#undef ROW
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].word, word) == 0)
			return rows[i].flags;
	return 0;
}

bool sm_class_is(const char *sop_class, const char *name)
{
	size_t n = strlen(name);
	return strncmp(sop_class, name, n) == 0 && (sop_class[n] == '\0' || sop_class[n] == '.');
}

const char *sm_class_no_image(const char *sop_class)
{
	const char *what = NULL;
	size_t longest = 0;
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strlen(classes[i].uid) > longest && sm_class_is(sop_class, classes[i].uid)) {
			longest = strlen(classes[i].uid);
			what = classes[i].what;
		}
	return what;
}
