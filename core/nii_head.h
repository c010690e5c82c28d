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

/* Checks every field and fills *vol (data stays NULL) and *info; *offset is where the payload
 * starts and *payload its length, whose sum does not overflow. */
enum sm_status sm_nii_fields_check(const struct sm_nii_fields *f, const char *name,
				   struct sm_vol *vol, struct sm_nii_info *info, size_t *offset,
				   size_t *payload, struct sm_err *err);

#endif
