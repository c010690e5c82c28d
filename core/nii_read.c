/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libdeflate.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii_head.h"

#define CHUNK 262144 /* bytes hashed and moved at a time: stays in the second-level cache */
#define DEFLATE_MAX_RATIO 1032

static bool is_gzip(const unsigned char *bytes, size_t n)
{
	return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* The name and the content must tell the same: a guess here would hide a damaged file. */
static enum sm_status check_name(const char *name, bool gzip, struct sm_err *err)
{
	if (gzip == sm_ends_with(name, ".gz"))
		return SM_OK;
	return SM_FAIL(err, SM_INPUT, "%s: the content is %sgzip data, but the name %s in .gz",
		       name, gzip ? "" : "no ", gzip ? "does not end" : "ends");
}

/* Inflates up to want bytes of the beginning, over member borders; *got may be less when the
 * stream ends (or is damaged) before. */
static void gz_peek(const unsigned char *in, size_t n, unsigned char *out, size_t want, size_t *got)
{
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)in,
		      .avail_in = n < UINT32_MAX ? (unsigned)n : UINT32_MAX,
		      .next_out = out,
		      .avail_out = (unsigned)want};
	*got = 0;
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return;
	int r = Z_OK;
	while (z.avail_out && r == Z_OK) {
		r = inflate(&z, Z_SYNC_FLUSH);
		if (r == Z_STREAM_END && is_gzip(z.next_in, z.avail_in))
			r = inflateReset(&z);
	}
	*got = want - z.avail_out;
	inflateEnd(&z);
}

struct payload {
	unsigned char *bytes; /* sm_alloc memory: header, extensions, payload, padding */
	size_t n;
	bool garbage; /* bytes that are no gzip member behind the last one */
};

/* Inflates all members into a buffer of `total` declared bytes and the tolerated padding. */
static enum sm_status inflate_all(const unsigned char *in, size_t n, size_t total, const char *name,
				  struct sm_mem *mem, struct payload *out, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct libdeflate_decompressor *d = NULL;
	if (total / DEFLATE_MAX_RATIO > n)
		return SM_FAIL(
		    err, SM_INPUT,
		    "%s: the header declares %zu bytes, more than %zu compressed bytes can hold",
		    name, total, n);
	size_t room = total + SM_NII_PADDING;
	out->bytes = sm_alloc(mem, room, 1, name, err);
	if (!out->bytes)
		return SM_BUDGET;
	d = libdeflate_alloc_decompressor();
	if (!d) {
		st = SM_FAIL(err, SM_BUDGET, "%s: no memory for the inflater", name);
		goto out;
	}
	while (n) {
		size_t used = 0, made = 0;
		enum libdeflate_result r = libdeflate_gzip_decompress_ex(
		    d, in, n, out->bytes + out->n, room - out->n, &used, &made);
		if (r == LIBDEFLATE_INSUFFICIENT_SPACE)
			st = SM_FAIL(
			    err, SM_INPUT,
			    "%s: inflates to more than the %zu bytes that the header declares",
			    name, total);
		else if (r != LIBDEFLATE_SUCCESS)
			st = SM_FAIL(
			    err, SM_INPUT,
			    "%s: the gzip stream is damaged or ends early (its data, CRC or "
			    "length is wrong)",
			    name);
		if (st != SM_OK)
			goto out;
		in += used;
		n -= used;
		out->n += made;
		if (n && !is_gzip(in, n)) {
			out->garbage = true;
			break;
		}
	}
out:
	libdeflate_free_decompressor(d);
	if (st != SM_OK) {
		sm_free(out->bytes);
		*out = (struct payload){0};
	}
	return st;
}

/* Extensions stand between the header and vox_offset: each has its size, a multiple of 16. Their
 * content is never used (it can name a person), only walked over. */
static enum sm_status check_extensions(const struct sm_nii_fields *f, const unsigned char *bytes,
				       size_t offset, const char *name, struct sm_err *err)
{
	size_t at = f->version == 1 ? SM_NII1_SIZE : SM_NII2_SIZE;
	bool any = bytes[at] != 0;
	at += 4;
	while (any && at < offset) {
		int64_t size = -1;
		if (offset - at >= 8) {
			uint32_t v;
			memcpy(&v, bytes + at, 4);
			size = (int32_t)(f->swapped ? __builtin_bswap32(v) : v);
		}
		/* zero bytes up to vox_offset are alignment, as some writers leave it */
		if (size == 0)
			break;
		if (size < 16 || size % 16 || (size_t)size > offset - at)
			return SM_FAIL(
			    err, SM_INPUT,
			    "%s: the extension at byte %zu has size %lld, allowed are multiples "
			    "of 16 up to vox_offset %zu",
			    name, at, (long long)size, offset);
		at += (size_t)size;
	}
	return SM_OK;
}

static void swap_values(void *data, size_t count, size_t size)
{
	if (size == 2) {
		uint16_t *p = data;
		for (size_t i = 0; i < count; i++)
			p[i] = __builtin_bswap16(p[i]);
	} else if (size == 4) {
		uint32_t *p = data;
		for (size_t i = 0; i < count; i++)
			p[i] = __builtin_bswap32(p[i]);
	} else if (size == 8) {
		uint64_t *p = data;
		for (size_t i = 0; i < count; i++)
			p[i] = __builtin_bswap64(p[i]);
	}
}

static size_t count_not_finite(const void *data, size_t n, enum sm_dtype dtype)
{
	size_t bad = 0;
	if (dtype == SM_F32) {
		const float *p = data;
		for (size_t i = 0; i < n; i++)
			bad += p[i] - p[i] != 0;
	} else if (dtype == SM_F64) {
		const double *p = data;
		for (size_t i = 0; i < n; i++)
			bad += p[i] - p[i] != 0;
	}
	return bad;
}

/* Hashes the whole buffer and moves the payload to its start, in one walk. */
static enum sm_status hash_and_move(struct payload *p, size_t offset, char hex[65],
				    struct sm_err *err)
{
	struct sm_sha256 *h = sm_sha256_begin();
	if (!h)
		return SM_FAIL(err, SM_BUDGET, "no memory for a hash");
	for (size_t at = 0; at < p->n; at += CHUNK) {
		size_t n = p->n - at < CHUNK ? p->n - at : CHUNK;
		sm_sha256_add(h, p->bytes + at, n);
		/* Moving overwrites only bytes that were hashed before: the target lies lower. */
		if (at + n > offset) {
			size_t from = at < offset ? offset : at;
			memmove(p->bytes + from - offset, p->bytes + from, at + n - from);
		}
	}
	sm_sha256_end(h, hex);
	return SM_OK;
}

/* The common part: `bytes` is the file; when `owned`, it is sm_alloc memory that this function
 * takes over (frees or hands to vol), otherwise it is only read. */
static enum sm_status parse(const unsigned char *bytes, size_t n, unsigned char *owned,
			    const char *name, struct sm_mem *mem, struct sm_vol *vol,
			    struct sm_nii_info *info, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	unsigned char head[SM_NII_PEEK];
	struct sm_nii_fields f;
	struct payload p = {0};
	size_t got = n < sizeof head ? n : sizeof head, offset, size;
	bool gzip = is_gzip(bytes, n);
	if (n)
		SM_GOTO(st, check_name(name, gzip, err));
	if (gzip)
		gz_peek(bytes, n, head, sizeof head, &got);
	else
		memcpy(head, bytes, got);
	SM_GOTO(st, sm_nii_fields_get(head, got, name, &f, err));
	SM_GOTO(st, sm_nii_fields_check(&f, name, vol, info, &offset, &size, err));
	if (gzip) {
		SM_GOTO(st, inflate_all(bytes, n, offset + size, name, mem, &p, err));
		sm_free(owned);
		owned = NULL;
	} else if (owned) {
		p = (struct payload){.bytes = owned, .n = n};
		owned = NULL;
	} else {
		p = (struct payload){.bytes = sm_alloc(mem, n, 1, name, err), .n = n};
		if (!p.bytes) {
			st = SM_BUDGET;
			goto out;
		}
		memcpy(p.bytes, bytes, n);
	}
	if (p.n < offset + size || p.n - offset - size > SM_NII_PADDING) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: holds %zu bytes, but vox_offset %zu and dim declare %zu", name,
			     p.n, offset, offset + size);
		goto out;
	}
	SM_GOTO(st, check_extensions(&f, p.bytes, offset, name, err));
	info->gz_padding = p.garbage || p.n > offset + size;
	SM_GOTO(st, hash_and_move(&p, offset, info->sha256, err));
	size_t width = sm_dtype_size(vol->dtype);
	if (f.swapped)
		swap_values(p.bytes, size / width, width);
	info->not_finite = count_not_finite(p.bytes, size / width, vol->dtype);
	vol->data = p.bytes;
	p.bytes = NULL;
out:
	sm_free(p.bytes);
	sm_free(owned);
	if (st != SM_OK)
		sm_vol_clear(vol);
	return st;
}

enum sm_status sm_nii_parse(const unsigned char *bytes, size_t n, const char *name,
			    struct sm_mem *mem, struct sm_vol *vol, struct sm_nii_info *info,
			    struct sm_err *err)
{
	struct sm_nii_info own;
	*vol = (struct sm_vol){0};
	info = info ? info : &own;
	*info = (struct sm_nii_info){0};
	return parse(bytes, n, NULL, name, mem, vol, info, err);
}

enum sm_status sm_nii_read(const char *path, struct sm_mem *mem, struct sm_vol *vol,
			   struct sm_nii_info *info, struct sm_err *err)
{
	struct sm_nii_info own;
	unsigned char *bytes = NULL;
	size_t n = 0;
	*vol = (struct sm_vol){0};
	info = info ? info : &own;
	*info = (struct sm_nii_info){0};
	SM_TRY(sm_file_read(path, 0, mem, &bytes, &n, err));
	return parse(bytes, n, bytes, sm_path_base(path), mem, vol, info, err);
}

/* The first bytes of a file and its length. */
static enum sm_status read_start(const char *path, unsigned char *out, size_t *n, size_t *length,
				 struct sm_err *err)
{
	const char *name = sm_path_base(path);
	struct stat sb;
	FILE *file = fopen(path, "rbe");
	if (!file)
		return SM_FAIL(err, SM_IO, "%s: cannot open: %s", name, strerror(errno));
	enum sm_status st = SM_OK;
	if (fstat(fileno(file), &sb))
		st = SM_FAIL(err, SM_IO, "%s: cannot read: %s", name, strerror(errno));
	else if (!S_ISREG(sb.st_mode))
		st = SM_FAIL(err, SM_INPUT, "%s: is no regular file", name);
	if (st == SM_OK) {
		*length = (size_t)sb.st_size;
		*n = fread(out, 1, *n, file);
		if (ferror(file))
			st = SM_FAIL(err, SM_IO, "%s: cannot read: %s", name, strerror(errno));
	}
	fclose(file);
	return st;
}

enum sm_status sm_nii_read_header(const char *path, struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_err *err)
{
	const char *name = sm_path_base(path);
	struct sm_nii_info own;
	struct sm_nii_fields f;
	unsigned char start[8192], head[SM_NII_PEEK];
	size_t n = sizeof start, length = 0, got, offset, size;
	enum sm_status st;
	*vol = (struct sm_vol){0};
	info = info ? info : &own;
	*info = (struct sm_nii_info){0};
	SM_GOTO(st, read_start(path, start, &n, &length, err));
	bool gzip = is_gzip(start, n);
	if (n)
		SM_GOTO(st, check_name(name, gzip, err));
	got = n < sizeof head ? n : sizeof head;
	if (gzip)
		gz_peek(start, n, head, sizeof head, &got);
	else
		memcpy(head, start, got);
	SM_GOTO(st, sm_nii_fields_get(head, got, name, &f, err));
	SM_GOTO(st, sm_nii_fields_check(&f, name, vol, info, &offset, &size, err));
	size_t most = gzip ? length * DEFLATE_MAX_RATIO : length;
	if (offset + size > most)
		st =
		    SM_FAIL(err, SM_INPUT,
			    "%s: %zu bytes in the file cannot hold the %zu that vox_offset and dim "
			    "declare",
			    name, length, offset + size);
out:
	if (st != SM_OK)
		sm_vol_clear(vol);
	return st;
}
