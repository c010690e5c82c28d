/* SPDX-License-Identifier: Apache-2.0
 *
 * NIfTI-1 and NIfTI-2 files, .nii and .hdr/.img pairs, plain or gzip: own checked header and
 * payload reading (the library's loaders accept damaged files), libnifti2 for the meaning of the
 * geometry fields, libdeflate for the payload.
 */
#ifndef SM_CORE_NII_H
#define SM_CORE_NII_H

#include "core/mem.h"
#include "core/vol.h"

/* Which of a header's two affines places the volume. */
enum sm_nii_affine {
	SM_NII_SFORM, /* the sform when sform_code is above 0, else the qform */
	SM_NII_QFORM, /* the qform when qform_code is above 0, else the sform */
	SM_NII_AGREE, /* the sform; refused when the qform places a corner voxel elsewhere */
};

struct sm_nii_rules {
	enum sm_nii_affine affine;
	double tolerance_mm; /* for SM_NII_AGREE */
};

#define SM_NII_CODES 16 /* extension codes that are kept; all are counted */

/* What a reader should know besides the volume. */
struct sm_nii_info {
	int version;  /* 1 or 2 */
	bool pair;    /* .hdr and .img */
	bool swapped; /* other byte order than this machine */
	int sform_code, qform_code, intent_code;
	double form_gap_mm; /* largest corner distance between sform and qform when both are set;
			     * infinite when one of them is no affine */
	double spacing_gap; /* largest difference between pixdim and the lengths of the sform's
			     * columns, as a share of pixdim; 0 when the sform was not taken */
	int space_unit;  /* of pixdim and affine: 0 unknown (taken as mm), 1 m, 2 mm, 3 micron; the
			  * volume is in mm */
	int fourth_unit; /* of the fourth axis: 0 unknown, 8 s, 16 ms, 24 us, 32 Hz, 40 ppm, 48
			    rad/s */
	int fourth_axis; /* 4..7: which of dim became the volume's fourth axis; 0 when none */
	double fourth_step; /* pixdim of that axis as it stands; frame_seconds of the volume is time
			     */
	size_t not_finite;  /* NaN or Inf values in the payload */
	size_t beyond_2_53; /* int64 and uint64 values that float64 cannot hold exactly */
	size_t rounded;     /* float128 values that lost digits on the way to float64 */
	size_t extensions;  /* their content is dropped: it can name a person */
	int extension_code[SM_NII_CODES]; /* of the first ones, in file order */
	bool gz_padding; /* bytes after the declared payload (at most 64 KiB, more is refused), or
			  * bytes that are no gzip data behind the last gzip member */
	char affine_source[8]; /* "sform", "qform" or "none" (spacing only) */
	char sha256[65]; /* of the inflated bytes, of a pair the header's and then the image's: the
			  * identity (not of sm_nii_read_header) */
};

/* What in the header speaks against the grid that was taken, a sentence each without the file's
 * name: no form at all, sform and qform that place a corner more than tolerance_mm apart, voxel
 * sizes that differ by more than 1 %. Returns how many. */
enum { SM_NII_DOUBTS = 2, SM_NII_DOUBT = 160 };
size_t sm_nii_doubts(const struct sm_nii_info *info, double tolerance_mm,
		     char out[SM_NII_DOUBTS][SM_NII_DOUBT]);

/* Reads only the header: dims, type, affine, slope; vol->data stays NULL. Works on .nii, .nii.gz
 * (inflates a few hundred bytes) and the .hdr of a pair, whose image is not looked at. Extensions
 * are walked only in an uncompressed .nii and when they end in its first 8 KiB. */
enum sm_status sm_nii_read_header(const char *path, struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_err *err);
/* The same by other rules (NULL = the default) and with another name for the file in sentences. */
enum sm_status sm_nii_read_header_as(const char *path, const char *name,
				     const struct sm_nii_rules *rules, struct sm_vol *vol,
				     struct sm_nii_info *info, struct sm_err *err);

/* Reads a whole file by the rules sm_nii_rules_default. A path that ends in .hdr, .hdr.gz, .img or
 * .img.gz stands for the pair. float128 (IEEE binary128) becomes float64, every other type stays as
 * it is stored. Refuses (SM_INPUT): short files, bad magic, Analyze 7.5 (does not tell left from
 * right), CIFTI, ECAT, dims out of 1..2^31-1, more than one axis above 1 behind the third, complex,
 * colour, one-bit and unknown data types, bitpix that disagrees, zero / negative / not finite
 * spacing, singular affine, vox_offset outside the file, bad extension sizes, bad gzip CRC or
 * length, slope that is infinite. Slope 0 or NaN means no scaling. NaN voxels are kept and counted.
 * Spacing in m or micron becomes mm, time in ms or us seconds. info may be NULL: then no hash is
 * taken, which spares a third of the time. The caller clears vol. */
enum sm_status sm_nii_read(const char *path, struct sm_mem *mem, struct sm_vol *vol,
			   struct sm_nii_info *info, struct sm_err *err);

/* The same by other rules (NULL = the default) and with another name for the file in sentences. */
enum sm_status sm_nii_read_as(const char *path, const char *name, const struct sm_nii_rules *rules,
			      struct sm_mem *mem, struct sm_vol *vol, struct sm_nii_info *info,
			      struct sm_err *err);

extern const struct sm_nii_rules sm_nii_rules_default; /* SM_NII_SFORM */

/* A file in memory. name stands in sentences and tells by its end whether the bytes must be gzip
 * data. bytes are only read. */
struct sm_nii_bytes {
	const unsigned char *bytes;
	size_t n;
	const char *name;
};

/* sm_nii_read for bytes in memory. */
enum sm_status sm_nii_parse(const unsigned char *bytes, size_t n, const char *name,
			    struct sm_mem *mem, struct sm_vol *vol, struct sm_nii_info *info,
			    struct sm_err *err);

/* sm_nii_read_as for bytes in memory; image is NULL for a single file. */
enum sm_status sm_nii_parse_as(const struct sm_nii_bytes *file, const struct sm_nii_bytes *image,
			       const struct sm_nii_rules *rules, struct sm_mem *mem,
			       struct sm_vol *vol, struct sm_nii_info *info, struct sm_err *err);

/* Length of the path without its ending .nii or .nii.gz, capitals or not; 0 when it has none. */
size_t sm_nii_stem(const char *path);

/* True when path ends in .hdr, .hdr.gz, .img or .img.gz. */
bool sm_nii_is_pair(const char *path);

/* The two files of the pair that path belongs to, as malloc memory (free both). SM_INPUT when one
 * is missing or stands there both plain and as gzip; sentences call path `name`. */
enum sm_status sm_nii_find_pair(const char *path, const char *name, char **header, char **image,
				struct sm_err *err);

/* Names of codes: "scanner", "aligned", "talairach", "mni", "template", "unknown" (0), "other". */
const char *sm_nii_form_name(int code);
/* "none", "Label index", "Vector", ...; "Unknown" for a code that the standard does not have. */
const char *sm_nii_intent_name(int code);
/* "m", "mm", "micron", "s", "ms", "us", "Hz", "ppm", "rad/s", "unknown". */
const char *sm_nii_unit_name(int code);

/* Writes NIfTI-1 (NIfTI-2 when a dim exceeds 32767), sform and qform (qform only when the affine
 * has no shear), empty descrip and aux_file, no extension: nothing of a person can hide in it. A
 * name that ends in .gz is compressed at `level` 1..12 (0 = 6, see core/gz_write.h) into one gzip
 * member without time or name, on up to `jobs` threads, which never change the bytes. Atomic:
 * temporary name, fsync, rename. sha256 (65 bytes, or NULL) receives the hash of the uncompressed
 * bytes, the file's identity; empty on failure. */
enum sm_status sm_nii_write(const char *path, const struct sm_vol *vol, int level, int jobs,
			    char sha256[65], struct sm_err *err);

/* The bytes of such a .nii.gz in fresh malloc memory (*bytes, *n; free with free()). */
enum sm_status sm_nii_encode(const struct sm_vol *vol, const char *name, int level, int jobs,
			     unsigned char **bytes, size_t *n, struct sm_err *err);

/* The same into a set (core/file.h; NULL = at once), and the hash of the file's bytes as they stand
 * (65 bytes, or NULL; empty on failure). */
struct sm_outset;
enum sm_status sm_nii_write_in(struct sm_outset *set, const char *path, const struct sm_vol *vol,
			       int level, int jobs, char sha256[65], char file_sha256[65],
			       struct sm_err *err);

#endif
