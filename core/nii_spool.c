/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii_head.h"
#include "core/mapped.h"

#define CHUNK 262144 /* values brought over at a time */
#define IN_BYTES 262144

/* A file whose inflated bytes come in order. */
struct source {
	FILE *file;
	const char *name;
	bool gzip, ended; /* ended: of a gzip stream, its last member is complete */
	z_stream z;
	unsigned char in[IN_BYTES];
	struct sm_sha256 hash;
};

static enum sm_status source_open(struct source *s, const char *path, struct sm_err *err)
{
	s->name = sm_path_base(path);
	s->file = fopen(path, "rbe");
	if (!s->file)
		return SM_FAIL(err, SM_IO, "%s: cannot open: %s", s->name, strerror(errno));
	s->gzip = sm_ends_like(path, ".gz");
	if (s->gzip && inflateInit2(&s->z, 15 + 16) != Z_OK)
		return SM_FAIL(err, SM_BUDGET, "%s: no memory to inflate", s->name);
	sm_sha256_init(&s->hash);
	return SM_OK;
}

static void source_close(struct source *s)
{
	if (s->gzip)
		inflateEnd(&s->z);
	if (s->file)
		fclose(s->file);
}

static enum sm_status inflate_some(struct source *s, unsigned char *out, size_t n, size_t *got,
				   struct sm_err *err)
{
	s->z.next_out = out;
	s->z.avail_out = (unsigned)n;
	while (s->z.avail_out) {
		if (!s->z.avail_in) {
			s->z.next_in = s->in;
			s->z.avail_in = (unsigned)fread(s->in, 1, sizeof s->in, s->file);
			if (!s->z.avail_in)
				break;
		}
		if (s->ended) {
			s->ended = false;
			inflateReset(&s->z);
		}
		int r = inflate(&s->z, Z_NO_FLUSH);
		s->ended = r == Z_STREAM_END;
		if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
			return SM_FAIL(err, SM_INPUT, "%s: the gzip stream is damaged", s->name);
	}
	*got = n - s->z.avail_out;
	return SM_OK;
}

/* The next n bytes, which must be there. */
static enum sm_status take(struct source *s, void *out, size_t n, struct sm_err *err)
{
	size_t got = 0;
	if (s->gzip)
		SM_TRY(inflate_some(s, out, n, &got, err));
	else
		got = fread(out, 1, n, s->file);
	if (ferror(s->file))
		return SM_FAIL(err, SM_IO, "%s: cannot read: %s", s->name, strerror(errno));
	if (got < n)
		return SM_FAIL(err, SM_INPUT,
			       "%s: ends before the %zu more bytes that its header declares",
			       s->name, n - got);
	sm_sha256_add(&s->hash, out, n);
	return SM_OK;
}

/* Nothing may stand behind the payload. */
static enum sm_status take_end(struct source *s, struct sm_err *err)
{
	unsigned char more;
	size_t got = 0;
	if (s->gzip)
		SM_TRY(inflate_some(s, &more, 1, &got, err));
	else
		got = fread(&more, 1, 1, s->file);
	if (got || (s->gzip && !s->ended))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %s behind the bytes that its header declares, allowed is the end",
			s->name, got ? "more stands" : "the gzip stream is cut off");
	return SM_OK;
}

static enum sm_status take_values(struct source *s, const struct sm_nii_payload *at,
				  struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_mapped *spool, struct sm_err *err)
{
	size_t count = at->bytes / at->width, not_finite = 0;
	unsigned char *raw = sm_alloc(NULL, CHUNK, at->width, s->name, err);
	float *values = raw ? sm_alloc(NULL, CHUNK, sizeof *values, s->name, err) : NULL;
	enum sm_status st = values ? SM_OK : SM_BUDGET;
	for (size_t i = 0; st == SM_OK && i < count; i += CHUNK) {
		size_t n = count - i < CHUNK ? count - i : CHUNK;
		struct sm_vol part = *vol;
		part.dim[0] = (int64_t)n;
		part.dim[1] = part.dim[2] = part.dim[3] = 1;
		part.data = raw;
		SM_GOTO(st, take(s, raw, n * at->width, err));
		SM_GOTO(st, sm_nii_values(raw, n, at->width, s->name, &part, info, err));
		not_finite += info->not_finite;
		SM_GOTO(st, sm_vol_fits_f32(&part, err));
		sm_vol_run_f32(&part, 0, n, values);
		SM_GOTO(st, sm_mapped_put(spool, i * sizeof *values, values, n * sizeof *values,
					  s->name, err));
	}
	info->not_finite = not_finite;
out:
	sm_free(values);
	sm_free(raw);
	return st;
}

static enum sm_status read_all(struct source *s, const char *dir, struct sm_vol *vol,
			       struct sm_nii_info *info, struct sm_mapped *spool,
			       struct sm_err *err)
{
	unsigned char head[SM_NII_PEEK], skipped[4096];
	struct sm_nii_fields f;
	struct sm_nii_payload at;
	SM_TRY(take(s, head, SM_NII1_SIZE, err));
	size_t have = SM_NII1_SIZE, bytes;
	if (head[0] != (SM_NII1_SIZE & 255) && head[3] != (SM_NII1_SIZE & 255)) {
		SM_TRY(take(s, head + have, SM_NII_PEEK - have, err));
		have = SM_NII_PEEK;
	}
	SM_TRY(sm_nii_fields_get(head, have, s->name, &f, err));
	SM_TRY(sm_nii_fields_check(&f, false, &sm_nii_rules_default, s->name, vol, info, &at, err));
	for (size_t n; have < at.offset; have += n) {
		n = at.offset - have < sizeof skipped ? at.offset - have : sizeof skipped;
		SM_TRY(take(s, skipped, n, err));
	}
	if (!sm_mul(at.bytes / at.width, sizeof(float), &bytes))
		return SM_FAIL(err, SM_BUDGET, "%s: is too large", s->name);
	SM_TRY(sm_mapped_open(spool, dir, bytes, s->name, err));
	SM_TRY(take_values(s, &at, vol, info, spool, err));
	return take_end(s, err);
}

enum sm_status sm_nii_spool(const char *path, const char *dir, struct sm_vol *vol,
			    struct sm_nii_info *info, struct sm_mapped *spool, struct sm_err *err)
{
	struct source *s = sm_calloc(NULL, 1, sizeof *s, sm_path_base(path), err);
	*vol = (struct sm_vol){0};
	*info = (struct sm_nii_info){0};
	*spool = (struct sm_mapped){0};
	if (!s)
		return SM_BUDGET;
	enum sm_status st = source_open(s, path, err);
	if (st == SM_OK)
		st = read_all(s, dir, vol, info, spool, err);
	source_close(s);
	sm_sha256_final(&s->hash, info->sha256);
	sm_free(s);
	if (st != SM_OK) {
		sm_mapped_close(spool);
		*vol = (struct sm_vol){0};
		return st;
	}
	vol->dtype = SM_F32;
	vol->slope = 1;
	vol->inter = 0;
	vol->data = spool->data;
	return SM_OK;
}
