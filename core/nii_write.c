/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libdeflate.h>
#include <math.h>
#include <nifti2_io.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii_head.h"

static const int codes[][2] = {
    /* datatype and bitpix by enum sm_dtype */
    [SM_U8] = {2, 8},    [SM_I8] = {256, 8},   [SM_I16] = {4, 16},    [SM_U16] = {512, 16},
    [SM_I32] = {8, 32},  [SM_U32] = {768, 32}, [SM_I64] = {1024, 64}, [SM_U64] = {1280, 64},
    [SM_F32] = {16, 32}, [SM_F64] = {64, 64},
};

/* True when the three axes are at right angles, so that a quaternion can tell the directions. */
static bool is_rigid(const struct sm_vol *vol, const double spacing[3])
{
	for (int a = 0; a < 3; a++) {
		int b = (a + 1) % 3;
		double dot = 0;
		for (int r = 0; r < 3; r++)
			dot += vol->affine[r][a] * vol->affine[r][b];
		if (!(fabs(dot) <= 1e-4 * spacing[a] * spacing[b]))
			return false;
	}
	return true;
}

static void set_forms(struct sm_nii_fields *f, const struct sm_vol *vol)
{
	double spacing[3], qfac = 1, unused[3];
	sm_vol_spacing(vol, spacing);
	f->sform = 1; /* scanner coordinates */
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 4; c++)
			f->srow[4 * r + c] = vol->affine[r][c];
	if (is_rigid(vol, spacing)) {
		nifti_dmat44 m;
		memcpy(m.m, vol->affine, sizeof m.m);
		f->qform = 1;
		nifti_dmat44_to_quatern(m, &f->quatern[0], &f->quatern[1], &f->quatern[2],
					&f->qoffset[0], &f->qoffset[1], &f->qoffset[2], &unused[0],
					&unused[1], &unused[2], &qfac);
	}
	f->pixdim[0] = qfac;
	for (int a = 0; a < 3; a++)
		f->pixdim[a + 1] = spacing[a];
}

/* Fills head and returns how many bytes of it stand before the payload. */
static size_t make_head(const struct sm_vol *vol, unsigned char head[SM_NII_PEEK])
{
	struct sm_nii_fields f = {.version = 1, .magic = "n+1"};
	f.dim[0] = vol->dim[3] > 1 ? 4 : 3;
	for (int a = 0; a < 7; a++) {
		f.dim[a + 1] = a < 4 ? vol->dim[a] : 1;
		f.pixdim[a + 1] = 1;
		if (f.dim[a + 1] > INT16_MAX)
			f.version = 2;
	}
	if (f.version == 2)
		memcpy(f.magic, "n+2\0\r\n\032\n", 8);
	f.offset = (f.version == 1 ? SM_NII1_SIZE : SM_NII2_SIZE) + 4;
	f.datatype = codes[vol->dtype][0];
	f.bitpix = codes[vol->dtype][1];
	f.intent = vol->meaning == SM_MEANING_LABEL ? 1002 : 0;
	f.units = 2; /* mm */
	f.slope = vol->slope;
	f.inter = vol->inter;
	set_forms(&f, vol);
	if (vol->frame_seconds > 0) {
		f.units |= 8; /* s */
		f.pixdim[4] = vol->frame_seconds;
	}
	memset(head, 0, SM_NII_PEEK);
	sm_nii_fields_put(&f, head);
	return (size_t)f.offset;
}

static enum sm_status check(const struct sm_vol *vol, const char *name, int level,
			    struct sm_err *err)
{
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 4; c++)
			if (!isfinite(vol->affine[r][c]))
				return SM_FAIL(err, SM_INTERNAL, "%s: affine is not finite", name);
	for (int a = 0; a < 4; a++)
		if (vol->dim[a] < 1 || vol->dim[a] > INT32_MAX)
			return SM_FAIL(err, SM_INTERNAL, "%s: size of axis %d is %lld", name, a + 1,
				       (long long)vol->dim[a]);
	if (!vol->data || !isfinite(vol->slope) || vol->slope == 0 || !isfinite(vol->inter))
		return SM_FAIL(err, SM_INTERNAL, "%s: a volume without data or with slope %g", name,
			       vol->slope);
	if (level < 0 || level > 12)
		return SM_FAIL(err, SM_INTERNAL, "%s: gzip level is %d, allowed are 0..12", name,
			       level);
	return SM_OK;
}

static void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

/* One gzip member: the NIfTI header as a stored deflate block (which ends on a byte border), then
 * the payload as libdeflate's stream. So the payload need not be copied behind its header. */
static enum sm_status put_gzip(FILE *out, const unsigned char *head, size_t head_n,
			       const void *data, size_t n, int level, const char *name,
			       struct sm_err *err)
{
	enum sm_status st = SM_OK;
	/* no name, no time, unknown system */
	static const unsigned char start[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
	unsigned char stored[5] = {0}, tail[8];
	unsigned char *packed = NULL;
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(level ? level : 6);
	if (!c)
		return SM_FAIL(err, SM_BUDGET, "%s: no memory for the deflater", name);
	size_t room = libdeflate_deflate_compress_bound(c, n);
	packed = sm_alloc(NULL, room, 1, name, err);
	if (!packed) {
		st = SM_BUDGET;
		goto out;
	}
	size_t packed_n = libdeflate_deflate_compress(c, data, n, packed, room);
	if (!packed_n) {
		st = SM_FAIL(err, SM_INTERNAL, "%s: libdeflate's bound was too small", name);
		goto out;
	}
	stored[1] = (unsigned char)head_n;
	stored[2] = (unsigned char)(head_n >> 8);
	stored[3] = (unsigned char)~stored[1];
	stored[4] = (unsigned char)~stored[2];
	put32(tail, libdeflate_crc32(libdeflate_crc32(0, head, head_n), data, n));
	put32(tail + 4, (uint32_t)(head_n + n));
	fwrite(start, 1, sizeof start, out);
	fwrite(stored, 1, sizeof stored, out);
	fwrite(head, 1, head_n, out);
	fwrite(packed, 1, packed_n, out);
	fwrite(tail, 1, sizeof tail, out);
out:
	sm_free(packed);
	libdeflate_free_compressor(c);
	return st;
}

enum sm_status sm_nii_write(const char *path, const struct sm_vol *vol, int level, int jobs,
			    char sha256[65], struct sm_err *err)
{
	const char *name = sm_path_base(path);
	unsigned char head[SM_NII_PEEK];
	struct sm_outfile out = {0};
	enum sm_status st;
	(void)jobs; /* reserved: libdeflate works on one thread */
	SM_TRY(check(vol, name, level, err));
	size_t head_n = make_head(vol, head);
	size_t n = sm_vol_count(vol) * sm_dtype_size(vol->dtype);
	SM_TRY(sm_outfile_begin(&out, path, true, err));
	if (sm_ends_with(path, ".gz")) {
		SM_GOTO(st, put_gzip(out.stream, head, head_n, vol->data, n, level, name, err));
	} else {
		fwrite(head, 1, head_n, out.stream);
		fwrite(vol->data, 1, n, out.stream);
	}
	if (ferror(out.stream)) {
		st = SM_FAIL(err, SM_IO, "%s: cannot write: %s", name, strerror(errno));
		goto out;
	}
	if (sha256) {
		struct sm_sha256 *h = sm_sha256_begin();
		if (!h) {
			st = SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", name);
			goto out;
		}
		sm_sha256_add(h, head, head_n);
		sm_sha256_add(h, vol->data, n);
		sm_sha256_end(h, sha256);
	}
	return sm_outfile_commit(&out, err);
out:
	sm_outfile_abandon(&out);
	return st;
}
