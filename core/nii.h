/* SPDX-License-Identifier: Apache-2.0
 *
 * NIfTI-1 and NIfTI-2 files, .nii and .nii.gz: own checked header and payload reading (the
 * library's loaders accept damaged files), libnifti2 for the meaning of the geometry fields,
 * libdeflate for the payload.
 */
#ifndef SM_CORE_NII_H
#define SM_CORE_NII_H

#include "core/mem.h"
#include "core/vol.h"

/* What a reader should know besides the volume. */
struct sm_nii_info {
	int version;  /* 1 or 2 */
	bool swapped; /* other byte order than this machine */
	int sform_code, qform_code;
	double form_gap_mm; /* largest corner distance between sform and qform when both are set;
			     * infinite when the qform's quaternion is none */
	size_t not_finite;  /* NaN or Inf values in the payload */
	bool gz_padding; /* bytes after the declared payload (at most 64 KiB, more is refused), or
			  * bytes that are no gzip data behind the last gzip member */
	char affine_source[8]; /* "sform", "qform" or "none" (spacing only) */
	char sha256[65];       /* of the inflated bytes: the file's identity (sm_nii_read only) */
};

/* Reads only the header: dims, type, affine, slope; vol->data stays NULL. Works on .nii, .nii.gz
 * (inflates a few hundred bytes). */
enum sm_status sm_nii_read_header(const char *path, struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_err *err);

/* Reads a whole file. sform is preferred to qform, both to spacing only. Refuses (SM_INPUT): short
 * files, bad magic, dims out of 1..2^31-1 or more than 4 axes with size > 1, unknown data types,
 * bitpix that disagrees, zero / negative / not finite spacing, singular affine, vox_offset outside
 * the file, bad gzip CRC or length, slope that is infinite. Slope 0 or NaN means no scaling. NaN
 * voxels are kept and counted. info may be NULL. The caller clears vol. */
enum sm_status sm_nii_read(const char *path, struct sm_mem *mem, struct sm_vol *vol,
			   struct sm_nii_info *info, struct sm_err *err);

/* The same for a file's n bytes in memory; name stands in sentences and tells by its end whether
 * the bytes must be gzip data. bytes are only read. */
enum sm_status sm_nii_parse(const unsigned char *bytes, size_t n, const char *name,
			    struct sm_mem *mem, struct sm_vol *vol, struct sm_nii_info *info,
			    struct sm_err *err);

/* Writes NIfTI-1 (NIfTI-2 when a dim exceeds 32767), sform and qform (qform only when the affine
 * has no shear), empty descrip and aux_file, no extension: nothing of a person can hide in it. A
 * name that ends in .gz is compressed at `level` 1..12 (0 = 6) with a header without time or name,
 * in one piece on one thread; `jobs` is reserved and never changes the bytes. Atomic: temporary
 * name, fsync, rename. sha256 (65 bytes, or NULL) receives the hash of the uncompressed bytes, the file's
 * identity. */
enum sm_status sm_nii_write(const char *path, const struct sm_vol *vol, int level, int jobs,
			    char sha256[65], struct sm_err *err);

#endif
