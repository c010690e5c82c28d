/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the NIfTI reader and writer: the header's fields in one struct for both versions,
 * where they stand in the bytes, and what they mean for a volume. Not for other modules.
 */
#ifndef SM_CORE_NII_HEAD_H
#define SM_CORE_NII_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/nii.h"

#define SM_NII1_SIZE 348
#define SM_NII2_SIZE 540
#define SM_NII_PEEK 544 /* a NIfTI-2 header and the four extension flags behind it */

/* Bytes behind the declared payload that are tolerated (and recorded as padding): more than that
 * means that the header lies about the size. */
#define SM_NII_PADDING 65536

/* The fields that scanmill reads or writes, as they stand in the header. */
struct sm_nii_fields {
	int version;  /* 1 or 2 */
	bool swapped; /* bytes are in the other order */
	char magic[8];
	int64_t dim[8];
	int64_t intent, datatype, bitpix, units, qform, sform;
	double pixdim[8], offset, slope, inter;
	double quatern[3], qoffset[3], srow[12];
};

/* Takes the fields out of the first n bytes of a file. SM_INPUT: too short, no NIfTI. */
enum sm_status sm_nii_fields_get(const unsigned char *bytes, size_t n, const char *name,
				 struct sm_nii_fields *f, struct sm_err *err);

/* Puts the fields into a zeroed header of SM_NII1_SIZE or SM_NII2_SIZE bytes, machine order. */
void sm_nii_fields_put(const struct sm_nii_fields *f, unsigned char *bytes);

/* Where the payload stands in its file; offset + bytes does not overflow. */
struct sm_nii_payload {
	size_t offset, bytes;
	size_t width; /* bytes of one stored value: 16 for float128, whose dtype is float64 */
};

/* Checks every field and fills *vol (data stays NULL) and *info. */
enum sm_status sm_nii_fields_check(const struct sm_nii_fields *f, bool pair,
				   const struct sm_nii_rules *rules, const char *name,
				   struct sm_vol *vol, struct sm_nii_info *info,
				   struct sm_nii_payload *payload, struct sm_err *err);

/* The part of sm_nii_fields_check that is geometry: units, spacing, affine. */
enum sm_status sm_nii_place_check(const struct sm_nii_fields *f, const struct sm_nii_rules *rules,
				  const char *name, struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_err *err);

bool sm_nii_is_gzip(const unsigned char *bytes, size_t n);

/* Inflates up to want bytes of the beginning, over member borders; *got may be less when the stream
 * ends (or is damaged) before. */
void sm_nii_peek(const unsigned char *in, size_t n, unsigned char *out, size_t want, size_t *got);

/* sm_alloc memory that was inflated. */
struct sm_nii_buffer {
	unsigned char *bytes;
	size_t n;
	bool garbage; /* bytes that are no gzip member behind the last one */
};

/* Inflates all members into at most room bytes; `bound` ends the sentence "inflates to more than
 * ...". */
enum sm_status sm_nii_inflate(const unsigned char *in, size_t n, size_t room, const char *bound,
			      const char *name, struct sm_mem *mem, struct sm_nii_buffer *out,
			      struct sm_err *err);

/* The same, slower, while the pages of `in`, sm_alloc memory that is lost by it, are given back to
 * the system: for streams that are not much smaller than what they hold. */
enum sm_status sm_nii_inflate_once(unsigned char *in, size_t n, size_t room, const char *bound,
				   const char *name, struct sm_mem *mem, struct sm_nii_buffer *out,
				   struct sm_err *err);

/* Brings the count values of the payload into the machine's order and into vol->dtype, in place,
 * and counts what info counts. */
enum sm_status sm_nii_values(void *data, size_t count, size_t width, const char *name,
			     const struct sm_vol *vol, struct sm_nii_info *info,
			     struct sm_err *err);

#endif
