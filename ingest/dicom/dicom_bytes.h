/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the DICOM reader (dicom.c, dicom_*.c): bytes, element heads, sequences, the handle.
 */
#ifndef SM_INGEST_DICOM_DICOM_BYTES_H
#define SM_INGEST_DICOM_DICOM_BYTES_H

#include <string.h>

#include "ingest/dicom/dicom.h"

#define UNDEFINED 0xffffffffu
#define MOST_DEPTH 64 /* sequences within sequences */

#define ITEM SM_TAG(0xfffe, 0xe000)
#define ITEM_END SM_TAG(0xfffe, 0xe00d)
#define SEQUENCE_END SM_TAG(0xfffe, 0xe0dd)
#define FLOAT_PIXELS SM_TAG(0x7fe0, 0x0008)
#define DOUBLE_PIXELS SM_TAG(0x7fe0, 0x0009)
#define PIXELS SM_TAG(0x7fe0, 0x0010)

/* Two letters as one number. */
#define VR(a, b) ((uint16_t)((a) << 8 | (b)))
enum {
	VR_AE = VR('A', 'E'),
	VR_AS = VR('A', 'S'),
	VR_AT = VR('A', 'T'),
	VR_CS = VR('C', 'S'),
	VR_DA = VR('D', 'A'),
	VR_DS = VR('D', 'S'),
	VR_DT = VR('D', 'T'),
	VR_FD = VR('F', 'D'),
	VR_FL = VR('F', 'L'),
	VR_IS = VR('I', 'S'),
	VR_LO = VR('L', 'O'),
	VR_LT = VR('L', 'T'),
	VR_OB = VR('O', 'B'),
	VR_OD = VR('O', 'D'),
	VR_OF = VR('O', 'F'),
	VR_OL = VR('O', 'L'),
	VR_OV = VR('O', 'V'),
	VR_OW = VR('O', 'W'),
	VR_PN = VR('P', 'N'),
	VR_SH = VR('S', 'H'),
	VR_SL = VR('S', 'L'),
	VR_SQ = VR('S', 'Q'),
	VR_SS = VR('S', 'S'),
	VR_ST = VR('S', 'T'),
	VR_SV = VR('S', 'V'),
	VR_TM = VR('T', 'M'),
	VR_UC = VR('U', 'C'),
	VR_UI = VR('U', 'I'),
	VR_UL = VR('U', 'L'),
	VR_UN = VR('U', 'N'),
	VR_UR = VR('U', 'R'),
	VR_US = VR('U', 'S'),
	VR_UT = VR('U', 'T'),
	VR_UV = VR('U', 'V'),
	VR_XS = VR('x', 's'), /* dictionary: US or SS, as PixelRepresentation says */
};

static inline unsigned get16(const unsigned char *p, bool big)
{
	return big ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static inline uint32_t get32(const unsigned char *p, bool big)
{
	return big ? (uint32_t)get16(p, true) << 16 | get16(p + 2, true)
		   : (uint32_t)get16(p + 2, false) << 16 | get16(p, false);
}

static inline uint64_t get64(const unsigned char *p, bool big)
{
	return big ? (uint64_t)get32(p, true) << 32 | get32(p + 4, true)
		   : (uint64_t)get32(p + 4, false) << 32 | get32(p, false);
}

static inline uint32_t get_tag(const unsigned char *p, bool big)
{
	return (uint32_t)get16(p, big) << 16 | get16(p + 2, big);
}

/* What stands before a value. */
struct element_head {
	uint32_t tag, length; /* length may be UNDEFINED */
	uint16_t vr;
	bool implicit; /* how the value's items are written */
	unsigned size; /* bytes of the head itself */
};

/* Reads the head at p, of which `left` bytes are there; false when they are too few. Elements of an
 * explicit data set without a VR of two capital letters are taken as implicit ones. */
bool sm_dicom_head_at(const unsigned char *p, size_t left, bool implicit, bool big,
		      struct element_head *head);

/* Is what stands at p an explicit element? n >= 8. */
bool sm_dicom_looks_explicit(const unsigned char *p, bool big);

/* How much of the bytes is there, and where more comes from (NULL: nowhere). */
struct span {
	const unsigned char *bytes;
	size_t n;
	struct sm_dicom *more;
	struct sm_err *err; /* of `more` */
	enum sm_status st;  /* SM_OK unless `more` failed */
};

/* Are `count` bytes at `at` there? at <= n. */
bool sm_span_have_more(struct span *s, size_t at, size_t count);
static inline bool span_have(struct span *s, size_t at, size_t count)
{
	return count <= s->n - at || sm_span_have_more(s, at, count);
}

/* Most elements without VR need no look into the dictionary to tell that they are no sequence. */
static inline bool sm_dicom_may_be_items(struct span *s, size_t at)
{
	return !span_have(s, at, 4) || get16(s->bytes + at, false) == 0xfffe;
}

enum walk {
	WALK_OK,
	WALK_CUT,  /* the bytes end before the sequence does */
	WALK_BAD,  /* something else than items, or longer than what holds it */
	WALK_DEEP, /* more than MOST_DEPTH levels */
	WALK_MANY, /* more than MOST_ELEMENTS in one item */
};

/* Moves *at from the first byte of a sequence's value behind the sequence (its delimiter included
 * when length is UNDEFINED). *end (may be NULL) receives where the value ends. raw: items hold
 * bytes, not elements. */
enum walk sm_dicom_walk_sequence(struct span *s, size_t *at, uint32_t length, bool implicit,
				 bool big, bool raw, size_t *end);
/* The same for an item of undefined length. */
enum walk sm_dicom_walk_item(struct span *s, size_t *at, bool implicit, bool big, size_t *end);

/* VR of a public tag, VR_UN when it is not in the dictionary. */
uint16_t sm_dicom_vr(uint32_t tag);
/* VR of a private element (odd group) by its creator; *creator is to be asked for only when the
 * table has a row for these digits. */
struct private_row {
	uint16_t group;
	uint8_t element;
	uint16_t vr;
	const char *creator;
};
const struct private_row *sm_dicom_private_rows(uint32_t tag, size_t *count);

/* One element of the main data set. */
struct entry {
	uint32_t tag;
	uint16_t vr; /* as the file has it; VR_UN when implicit */
	bool implicit, skipped;
	size_t at, n; /* value in bytes; skipped ones have no bytes there */
};

struct fragment {
	size_t at, n;    /* value */
	uint32_t starts; /* how many of fragments 0..this one begin a code stream */
};

struct sm_inflate; /* see dicom_source.c */

/* Bounds that no real file comes near: the largest enhanced objects have headers of some tens of
 * MiB, meta headers and single items take some kB. */
#define MOST_HEADER ((size_t)256 << 20) /* bytes in front of the pixel data, and behind it */
#define MOST_META ((size_t)1 << 20)     /* bytes of group 2 */
#define MOST_ELEMENTS 100000            /* of a data set, of an item */

#define FIRST_ENTRIES 256
#define FIRST_BYTES 16384

struct sm_dicom {
	struct sm_mem *mem;
	const unsigned char *bytes; /* what is there so far */
	size_t n;
	size_t start; /* first byte of the main data set */
	bool implicit, big_endian, whole, unsorted;
	bool inflated; /* bytes are not those of the file */
	char syntax[65];
	const struct sm_syntax *known; /* NULL: not in the table */
	/* where more bytes come from */
	int fd;             /* -1: none */
	uint64_t file_size; /* of the file or of the caller's bytes */
	uint64_t file_at;   /* next byte to read */
	struct sm_inflate *inflate;
	unsigned char *owned;    /* bytes, when they are ours and not in `first` */
	unsigned char *deflated; /* the file, while it is being inflated */
	size_t room;
	uint64_t skipped; /* bytes of elements that were passed over */
	size_t most;      /* no more bytes than these are wanted: a header ends before */
	/* elements in tag order */
	struct entry *entries;
	size_t count, entry_room;
	struct entry *owned_entries;
	/* pixel data */
	struct entry pixels; /* tag 0 = none */
	bool encapsulated;
	struct fragment *fragments;
	size_t fragment_count;
	uint64_t pixel_bytes;
	size_t offset_count;
	uint64_t taken; /* bytes of them that were taken piece by piece */
	struct entry first_entries[FIRST_ENTRIES];
	unsigned char first[]; /* FIRST_BYTES, of a handle on a file */
};

/* dicom_source.c: bytes of the handle. */
enum sm_status sm_dicom_source_file(const char *path, enum sm_dicom_part part, struct sm_mem *mem,
				    struct sm_dicom **out, struct sm_err *err);
enum sm_status sm_dicom_source_memory(const unsigned char *bytes, size_t n, struct sm_mem *mem,
				      struct sm_dicom **out, struct sm_err *err);
/* From byte `at` on the bytes are deflated (gzip: with a gzip header): they are replaced by what
 * they inflate to. SM_INPUT when they were inflated before. */
enum sm_status sm_dicom_source_inflate(struct sm_dicom *dcm, size_t at, bool gzip,
				       struct sm_err *err);
/* Gets bytes until `want` are there; SM_OK with fewer when there are no more. Moves dcm->bytes. */
enum sm_status sm_dicom_source_fill(struct sm_dicom *dcm, size_t want, struct sm_err *err);
/* Inflates the next n bytes behind those that are there into `to` instead of the handle's memory;
 * *got < n when there are no more. SM_INPUT. */
enum sm_status sm_dicom_source_pass(struct sm_dicom *dcm, unsigned char *to, size_t n, size_t *got,
				    struct sm_err *err);
/* SM_INPUT when so few deflated bytes cannot be the `want` that an element claims. */
enum sm_status sm_dicom_source_claim(const struct sm_dicom *dcm, uint64_t want, struct sm_err *err);
/* Where the fragments of encapsulated pixel data end that begin at byte `at`: only their heads are
 * read. false when they end nowhere, or when that is not told by looking at a file. */
bool sm_dicom_source_fragments_end(const struct sm_dicom *dcm, size_t at, size_t *end);
/* How many bytes can come altogether; UINT64_MAX for deflated ones. */
uint64_t sm_dicom_source_limit(const struct sm_dicom *dcm);
/* Passes over `count` bytes of a file behind what is there, without reading them. */
void sm_dicom_source_skip(struct sm_dicom *dcm, uint64_t count);
/* No more bytes are needed. */
void sm_dicom_source_done(struct sm_dicom *dcm);
void sm_dicom_source_free(struct sm_dicom *dcm);

/* dicom.c: reads on behind pixel data that were taken piece by piece, from byte `at` of the
 * handle's bytes. */
enum sm_status sm_dicom_index_rest(struct sm_dicom *dcm, size_t at, struct sm_err *err);

/* dicom_pixels.c: finds the fragments of encapsulated pixel data behind *at. */
enum sm_status sm_dicom_fragments_read(struct sm_dicom *dcm, struct span *s, size_t *at,
				       struct sm_err *err);

#endif
