/* SPDX-License-Identifier: Apache-2.0
 *
 * A small DICOM writer: one data set in Explicit VR Little Endian with a correct meta header.
 * Elements are put in ascending order of their tags; lengths are padded as the standard asks
 * (PS3.5). No encapsulated pixels.
 */
#ifndef SM_INGEST_DICOM_DICOM_WRITE_H
#define SM_INGEST_DICOM_DICOM_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* A data set being put together. Zero-initialise; the first failure sticks and is reported by
 * sm_dcm_write. */
struct sm_dcm {
	unsigned char *bytes;
	size_t size, room;
	uint32_t last; /* tag of the last element, group << 16 | element */
	char bad[96];  /* what went wrong first, "" when nothing */
};

#define SM_DCM_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))

/* Text elements (CS, LO, PN, DS, IS, UI, SH, DA, TM, ...); several values are joined by '\\' in
 * text. vr is two letters; UI is padded with a zero byte, others with a blank. "" gives an empty
 * element. */
void sm_dcm_text(struct sm_dcm *d, uint32_t tag, const char *vr, const char *text);

/* DS: n numbers, each in at most 16 characters. */
void sm_dcm_numbers(struct sm_dcm *d, uint32_t tag, const double *v, size_t n);

/* IS and US: one whole number. */
void sm_dcm_int(struct sm_dcm *d, uint32_t tag, int64_t v);
void sm_dcm_u16(struct sm_dcm *d, uint32_t tag, uint16_t v);

/* OW: n 16-bit words, as they stand in memory (little endian). */
void sm_dcm_words(struct sm_dcm *d, uint32_t tag, const uint16_t *words, size_t n);

/* SQ of n items, each a data set of its own; all lengths are told. */
void sm_dcm_sequence(struct sm_dcm *d, uint32_t tag, const struct sm_dcm *items, size_t n);

/* A UID "2.25.<decimal>" made from the SHA-256 of the text name: 128 bits in the form of a UUID
 * (PS3.5 annex B.2; version 8, RFC 9562). uid receives at most 44 characters and a zero byte. */
void sm_dcm_uid(const char *name, char uid[65]);

/* Writes preamble, meta header and data set atomically. */
enum sm_status sm_dcm_write(const struct sm_dcm *d, const char *path, const char *sop_class,
			    const char *sop_instance, struct sm_err *err);

/* The same into a set (core/file.h; NULL = at once), and the hash of the file's bytes (65 bytes, or
 * NULL; empty on failure). */
struct sm_outset;
enum sm_status sm_dcm_write_in(struct sm_outset *set, const struct sm_dcm *d, const char *path,
			       const char *sop_class, const char *sop_instance, char sha256[65],
			       struct sm_err *err);

void sm_dcm_clear(struct sm_dcm *d);

#endif
