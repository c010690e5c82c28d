/* SPDX-License-Identifier: Apache-2.0
 *
 * A DICOM file (PS3.5, PS3.10) as a checked index of its elements: own reader, because every later
 * step stands on it, hostile files must cost nothing, and a header must take microseconds. Bytes
 * stay as they are in the file; values are decoded when asked for. No recursion, nothing allocated
 * from a length in the file before it was held against the file's own length.
 * Sentences name the element and never the file: the caller knows how files may be called.
 */
#ifndef SM_INGEST_DICOM_DICOM_H
#define SM_INGEST_DICOM_DICOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

/* A tag as one number: group << 16 | element. */
#define SM_TAG(group, element) ((uint32_t)(group) << 16 | (uint32_t)(element))

/* An open file. Read-only after opening: any number of threads may ask it. */
struct sm_dicom;

/* A data set or an item of a sequence: a view of bytes that the sm_dicom owns. */
struct sm_dataset {
	const unsigned char *bytes;
	size_t n;
	bool implicit, big_endian;
	const struct sm_dicom
		*index; /* of the main data set: its sorted element table; else NULL */
};

/* One element: its value stands in bytes[0..n); a sequence's value are its items. */
struct sm_element {
	uint32_t tag;
	char vr[3]; /* "UN" when implicit and not in the dictionary */
	const unsigned char *bytes;
	size_t n;
	bool implicit, big_endian;
};

enum sm_dicom_part {
	SM_DICOM_HEAD,   /* up to the pixel data: reads only as much of the file as that takes;
			  * elements of more than 1 MiB that need not be looked through are there,
			  * but empty */
	SM_DICOM_WHOLE,  /* with the pixel data; what follows them is looked at when it is no more
			  * than 1 MiB. Large elements are empty in files of more than 64 MiB */
	SM_DICOM_PIECES, /* as SM_DICOM_HEAD; the uncompressed pixels of a deflated file can be
			  * taken with sm_dicom_pixels_next */
};

/* Opens a file: with or without preamble, with or without meta header (then implicit or explicit,
 * little or big endian by looking at the first elements), deflated ones inflated. SM_INPUT when it
 * is no whole DICOM file (empty, cut off inside an element, sequences nested deeper than 64, an
 * element longer than what holds it) or beyond what files have (a meta header of 1 MiB, a header of
 * 256 MiB, 100000 elements in the data set or one item), SM_IO when it cannot be opened or read,
 * SM_BUDGET. Close with sm_dicom_close. Thread-safe. */
enum sm_status sm_dicom_open(const char *path, enum sm_dicom_part part, struct sm_mem *mem,
			     struct sm_dicom **out, struct sm_err *err);
/* The same for n bytes in memory, which must outlive the handle (deflated ones are copied). */
enum sm_status sm_dicom_parse(const unsigned char *bytes, size_t n, enum sm_dicom_part part,
			      struct sm_mem *mem, struct sm_dicom **out, struct sm_err *err);
void sm_dicom_close(struct sm_dicom *dcm); /* NULL is fine */
/* The bytes of the whole file as they stood on the disk when it was opened; NULL when the handle
 * does not hold them (opened for its head only, or inflated). The handle owns them. */
const unsigned char *sm_dicom_file_bytes(const struct sm_dicom *dcm, size_t *n);

/* The main data set. Lives as long as the handle. */
struct sm_dataset sm_dicom_data(const struct sm_dicom *dcm);

/* TransferSyntaxUID as the meta header has it, at most 64 characters; without one, the uncompressed
 * syntax that the first element is written in. */
const char *sm_dicom_syntax(const struct sm_dicom *dcm);

/* Finds an element; false when it is not there. The first of several wins. */
bool sm_dataset_find(const struct sm_dataset *set, uint32_t tag, struct sm_element *out);
bool sm_dataset_has(const struct sm_dataset *set, uint32_t tag);

/* A text or number element as text, several values joined by '\'; padding blanks removed; control
 * characters replaced by '?'. Numbers of binary VRs are printed with %.17g. False when absent,
 * empty, or longer than n - 1 (nothing is cut); out is "" then. */
bool sm_dataset_text(const struct sm_dataset *set, uint32_t tag, char *out, size_t n);

/* The first `most` numbers of an element (DS, IS, US, SS, UL, SL, FL, FD, AT not); returns how many
 * values it has altogether, 0 when absent or empty, -1 when any of them is no finite decimal
 * number. Decimal points only, whatever the locale. */
int sm_dataset_numbers(const struct sm_dataset *set, uint32_t tag, double *out, int most);

/* Exactly n numbers? */
bool sm_dataset_exactly(const struct sm_dataset *set, uint32_t tag, double *out, int n);
double sm_dataset_number_or(const struct sm_dataset *set, uint32_t tag, double fallback);

/* Items of a sequence: for (struct sm_dicom_items it = sm_dataset_items(set, tag);
 * sm_dicom_items_next(&it, &item);) */
struct sm_dicom_items {
	const unsigned char *at, *end;
	bool implicit, big_endian;
};
struct sm_dicom_items sm_dataset_items(const struct sm_dataset *set, uint32_t tag);
bool sm_dicom_items_next(struct sm_dicom_items *it, struct sm_dataset *item);
/* The first item; false when there is none. */
bool sm_dataset_item(const struct sm_dataset *set, uint32_t tag, struct sm_dataset *item);

/* The first items of several sequences in one walk: item[i] belongs to tags[i], its bytes are NULL
 * when there is none. For items with many groups of undefined length, which each search walks
 * through. */
void sm_dataset_first_items(const struct sm_dataset *set, const uint32_t *tags, size_t n,
			    struct sm_dataset *item);

/* The tag of a private element: the block of `group` that `creator` reserved, and the last two hex
 * digits of the element. 0 when the creator is not there (then no element is found). */
uint32_t sm_dataset_private(const struct sm_dataset *set, unsigned group, const char *creator,
			    unsigned element);

/* Where an element's value stands in the file, for saying so: offset of bytes from the beginning of
 * the (inflated) file. */
size_t sm_dicom_offset(const struct sm_dicom *dcm, const struct sm_element *element);

/* PixelData as it stands in the file. SM_DICOM_WHOLE only. */
struct sm_dicom_pixels {
	uint32_t tag; /* (7FE0,0010), (7FE0,0008) float or (7FE0,0009) double; 0 = none */
	bool native;  /* one run of bytes */
	bool words; /* VR OW (or implicit): 8-bit pixels of big endian files stand in swapped words
		     */
	const unsigned char *bytes;
	size_t n;                     /* native: length of the value */
	size_t fragments;             /* encapsulated: how many, without the offset table */
	const unsigned char *offsets; /* basic offset table (32 bits each, little endian) or NULL */
	size_t offset_count;
};
bool sm_dicom_pixels(const struct sm_dicom *dcm, struct sm_dicom_pixels *out);
uint64_t sm_dicom_pixel_bytes(const struct sm_dicom *dcm); /* all fragments together */

/* Where native pixels begin in the file, for reading large ones piece by piece (a handle with
 * SM_DICOM_HEAD will do); false for encapsulated and deflated ones. */
bool sm_dicom_pixels_offset(const struct sm_dicom *dcm, uint64_t *offset);

/* Of a handle opened with SM_DICOM_PIECES on a deflated file: can its pixels be taken one after the
 * other, without all of them in memory? By one thread only; no other may ask the handle
 * meanwhile. */
bool sm_dicom_pixels_in_pieces(const struct sm_dicom *dcm);
/* The next n bytes of the pixels, in the file's order; out NULL passes over them. SM_INPUT when the
 * file is damaged or ends. */
enum sm_status sm_dicom_pixels_next(struct sm_dicom *dcm, void *out, size_t n, struct sm_err *err);
/* After the last one: reads the file to its end and looks at the elements there. *zeros: all bytes
 * of the pixels that were not taken are 0. No pixels can be had after that. SM_INPUT, SM_BUDGET. */
enum sm_status sm_dicom_pixels_finish(struct sm_dicom *dcm, bool *zeros, struct sm_err *err);

/* The compressed bytes of one frame out of `frames`: by the basic or extended offset table, by one
 * fragment a frame, or by the markers of JPEG, JPEG-LS and JPEG 2000 code streams when frames are
 * cut into fragments and there is no table. *bytes points into the file when one fragment holds the
 * frame, else to *owned (sm_alloc memory: sm_free it). SM_INPUT when they cannot be told apart. */
enum sm_status sm_dicom_frame_bytes(const struct sm_dicom *dcm, size_t frame, size_t frames,
				    struct sm_mem *mem, const unsigned char **bytes, size_t *n,
				    unsigned char **owned, struct sm_err *err);

/* Gives the memory of a frame's compressed bytes back, when the handle owns it and they can be
 * told: nobody may ask for that frame again. */
void sm_dicom_frame_let_go(const struct sm_dicom *dcm, size_t frame, size_t frames);

/* How the pixels of a transfer syntax are decoded. */
enum sm_syntax_way {
	SM_SYNTAX_NATIVE,
	SM_SYNTAX_RLE,
	SM_SYNTAX_JPEG, /* JPEG, lossy and lossless */
	SM_SYNTAX_JPEGLS,
	SM_SYNTAX_J2K,  /* OpenJPEG */
	SM_SYNTAX_NONE, /* not supported */
};
struct sm_syntax {
	const char *uid, *name;
	enum sm_syntax_way way;
	bool implicit, big_endian, deflated;
	bool lossless, ht; /* compressed without loss; with the block coder of HTJ2K */
};
/* The row of a transfer syntax, NULL for a UID that is not in the table. "" counts as implicit
 * little endian. */
const struct sm_syntax *sm_syntax_find(const char *uid);

/* Refuses (SM_INPUT) compressed pixel data that do not agree with themselves or with the number of
 * frames: more code streams (RLE: fragments) than frames, an offset table of another length or not
 * beginning at the first fragment, two tables that differ, lengths that are not those of the
 * fragments. */
enum sm_status sm_dicom_frames_match(const struct sm_dicom *dcm, size_t frames,
				     enum sm_syntax_way way, struct sm_err *err);

#endif
