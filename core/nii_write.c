/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>
#include <nifti2_io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/gz_write.h"
#include "core/hash.h"
#include "core/nii_head.h"
#include "core/par.h"

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
	f->sform = vol->form_code > 0 ? vol->form_code : 1; /* 1: scanner coordinates */
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < 4; c++)
			f->srow[4 * r + c] = vol->affine[r][c];
	if (is_rigid(vol, spacing)) {
		nifti_dmat44 m;
		memcpy(m.m, vol->affine, sizeof m.m);
		f->qform = f->sform;
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

/* After so many bytes the disk may begin with them. */
#define PUSH_BYTES ((size_t)8 << 20)

/* A volume on its way into a file without compression. */
struct plain {
	FILE *out;
	const unsigned char *head;
	size_t head_n, n;
	const void *data;
	struct sm_sha256 *hash;
	const char *name;
};

/* Task 0 writes, task 1 hashes. */
static enum sm_status plain_task(void *ctx, size_t i, struct sm_err *err)
{
	const struct plain *p = ctx;
	if (i) {
		sm_sha256_add(p->hash, p->head, p->head_n);
		sm_sha256_add(p->hash, p->data, p->n);
		return SM_OK;
	}
	errno = 0;
	bool good = fwrite(p->head, 1, p->head_n, p->out) == p->head_n;
	for (size_t at = 0, n; good && at < p->n; at += n) {
		n = p->n - at < PUSH_BYTES ? p->n - at : PUSH_BYTES;
		good = fwrite((const char *)p->data + at, 1, n, p->out) == n;
		if (at + n < p->n)
			sm_stream_push(p->out);
	}
	return good ? SM_OK : SM_FAIL(err, SM_IO, "%s: cannot write: %s", p->name, strerror(errno));
}

/* Ends a hash (or none) and gives it to whoever asks; after a failure an empty one. */
static void give_hash(struct sm_sha256 *hash, enum sm_status st, char *a, char *b)
{
	char hex[65] = "";
	if (hash)
		sm_sha256_end(hash, hex);
	if (st != SM_OK)
		hex[0] = 0;
	if (a)
		memcpy(a, hex, sizeof hex);
	if (b)
		memcpy(b, hex, sizeof hex);
}

enum sm_status sm_nii_write(const char *path, const struct sm_vol *vol, int level, int jobs,
			    char sha256[65], struct sm_err *err)
{
	return sm_nii_write_in(NULL, path, vol, level, jobs, sha256, NULL, err);
}

enum sm_status sm_nii_write_in(struct sm_outset *set, const char *path, const struct sm_vol *vol,
			       int level, int jobs, char sha256[65], char file_sha256[65],
			       struct sm_err *err)
{
	const char *name = path; /* with its folder: a base name tells no item from another */
	unsigned char head[SM_NII_PEEK];
	struct sm_outfile out = {0};
	struct sm_sha256 *hash = NULL, *file_hash = NULL;
	bool gz = sm_ends_with(path, ".gz");
	enum sm_status st;
	SM_TRY(check(vol, name, level, err));
	size_t head_n = make_head(vol, head);
	size_t n = sm_vol_count(vol) * sm_dtype_size(vol->dtype);
	SM_TRY(sm_outfile_begin(&out, path, true, err));
	if ((sha256 || (file_sha256 && !gz)) && !(hash = sm_sha256_begin()))
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", name));
	if (file_sha256 && gz && !(file_hash = sm_sha256_begin()))
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", name));
	if (gz) {
		SM_GOTO(st, sm_gz_write(out.stream, head, head_n, vol->data, n, level, jobs, hash,
					file_hash, name, err));
	} else {
		struct plain p = {out.stream, head, head_n, n, vol->data, hash, name};
		SM_GOTO(st, sm_par_for(hash ? 2 : 1, jobs, plain_task, &p, err));
	}
	st = sm_outset_add(set, &out, err);
out:
	sm_outfile_abandon(&out);
	give_hash(hash, st, sha256, gz ? NULL : file_sha256);
	give_hash(file_hash, st, gz ? file_sha256 : NULL, NULL);
	return st;
}

enum sm_status sm_nii_encode(const struct sm_vol *vol, const char *name, int level, int jobs,
			     unsigned char **bytes, size_t *n, struct sm_err *err)
{
	unsigned char head[SM_NII_PEEK];
	char *text = NULL;
	*bytes = NULL;
	*n = 0;
	SM_TRY(check(vol, name, level, err));
	size_t head_n = make_head(vol, head);
	FILE *out = open_memstream(&text, n);
	if (!out)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	enum sm_status st = sm_gz_write(out, head, head_n, vol->data,
					sm_vol_count(vol) * sm_dtype_size(vol->dtype), level, jobs,
					NULL, NULL, name, err);
	if (fclose(out) != 0 && st == SM_OK)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	*bytes = (unsigned char *)text;
	if (st != SM_OK) {
		free(text);
		*bytes = NULL;
		*n = 0;
	}
	return st;
}
