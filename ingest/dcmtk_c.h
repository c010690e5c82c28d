/* SPDX-License-Identifier: Apache-2.0
 *
 * DCMTK behind C: open a DICOM file, look up elements, decode a frame. The only C++ source of the
 * project stands behind this header; no exception leaves it and no DCMTK type enters C.
 * Sentences name the element and never the file: the caller knows how files may be called.
 */
#ifndef SM_INGEST_DCMTK_C_H
#define SM_INGEST_DCMTK_C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "core/err.h"

/* An open file. One thread at a time; different handles on different threads are fine. */
struct sm_dicom;

/* A tag as one number: group << 16 | element. */
#define SM_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))

/* Reads the file's header up to the pixel data (head_only) or with it. Finds files without preamble
 * or meta header too. SM_INPUT when it is no whole DICOM file, SM_IO when it cannot be opened,
 * SM_INTERNAL when DCMTK's data dictionary is missing. Close with sm_dicom_close. Thread-safe. */
enum sm_status sm_dicom_open(const char *path, bool head_only, struct sm_dicom **out,
			     struct sm_err *err);
void sm_dicom_close(struct sm_dicom *dcm); /* NULL is fine */

/* TransferSyntaxUID as the meta header has it ("" without meta header: the library's guess then
 * decides); at most 64 characters. */
const char *sm_dicom_syntax(const struct sm_dicom *dcm);

/* A text or number element of the main data set as text, several values joined by '\'; padding
 * blanks removed; control characters replaced by '?'. False when absent, empty, or longer than n -
 * 1 (nothing is cut). */
bool sm_dicom_text(struct sm_dicom *dcm, uint32_t tag, char *out, size_t n);

/* The same for an element inside the first item of a sequence. */
bool sm_dicom_item_text(struct sm_dicom *dcm, uint32_t sequence, uint32_t tag, char *out, size_t n);

/* True when the element is there, whatever its value. */
bool sm_dicom_has(struct sm_dicom *dcm, uint32_t tag);

/* Length in bytes of the pixel data element as it stands in the file (all fragments together), 0
 * when there is none. */
uint64_t sm_dicom_pixel_bytes(struct sm_dicom *dcm);

/* Copies the pixel data of an object with one frame, as it stands in the file, into *bytes (malloc
 * memory, free with free()): all fragments joined when it is compressed. SM_INPUT when there is
 * none. */
enum sm_status sm_dicom_fragments(struct sm_dicom *dicom, unsigned char **bytes, size_t *n,
				  struct sm_err *err);

/* Decodes the pixels of an object with one frame into n bytes of words of BitsAllocated bits in
 * this machine's byte order, before masking: uncompressed, deflated, JPEG and JPEG-LS. n must be
 * Rows * Columns * bytes of a word (+ 1 when that is odd). The caller has checked these numbers
 * against its budget. SM_INPUT for damaged pixel data or a syntax that DCMTK cannot decode. */
enum sm_status sm_dicom_frame(struct sm_dicom *dicom, void *out, size_t n, struct sm_err *err);

/* How the pixels of a transfer syntax are decoded. */
enum sm_syntax_way {
	SM_SYNTAX_NATIVE, /* uncompressed: sm_dicom_frame */
	SM_SYNTAX_DCMTK,  /* compressed: sm_dicom_frame */
	SM_SYNTAX_RLE,    /* sm_dicom_fragments, then sm_rle_decode */
	SM_SYNTAX_J2K,    /* sm_dicom_fragments, then sm_j2k_decode */
	SM_SYNTAX_NONE,   /* not supported */
};

/* The way of a transfer syntax; *name (may be NULL) receives its plain name, or NULL for a UID that
 * is not in the table. "" counts as implicit little endian. */
enum sm_syntax_way sm_dicom_syntax_way(const char *uid, const char **name);

#ifdef __cplusplus
}
#endif

#endif
