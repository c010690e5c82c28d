/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii_head.h"

#define CHUNK 262144 /* bytes hashed and moved at a time: stays in the second-level cache */
#define DEFLATE_MAX_RATIO 1032
/* Payloads beyond this are held against the length at the end of the gzip stream before memory is
 * taken, when they claim so many times the compressed bytes. */
#define TRUST_BYTES ((size_t)64 << 20)
#define TRUST_RATIO 200
#define HEAD_MAX (16 << 20) /* a .hdr file: header and extensions */
/* From so many compressed bytes on, and this share of what they hold, these are not kept beside the
 * volume. */
#define LARGE_GZIP ((size_t)4 << 20)
#define LARGE_SHARE 3

/* The name and the content must tell the same: a guess here would hide a damaged file. */
static enum sm_status check_name(const char *name, bool gzip, struct sm_err *err)
{
	if (gzip == sm_ends_like(name, ".gz"))
		return SM_OK;
	return SM_FAIL(err, SM_INPUT, "%s: the content is %sgzip data, but the name %s in .gz",
		       name, gzip ? "" : "no ", gzip ? "does not end" : "ends");
}

/* A file on its way through the reader; when `owned`, bytes is sm_alloc memory that the reader
 * takes over, otherwise it is only read. */
struct part {
	const unsigned char *bytes;
	size_t n;
	const char *name;
	unsigned char *owned;
};

/* The part's bytes, inflated, in memory of their own. room is the most that they may inflate to. */
static enum sm_status take(struct part *part, size_t room, const char *bound, struct sm_mem *mem,
			   struct sm_nii_buffer *out, struct sm_err *err)
{
	if (sm_nii_is_gzip(part->bytes, part->n)) {
		bool once = part->owned && part->n >= LARGE_GZIP && part->n >= room / LARGE_SHARE;
		if (once)
			SM_TRY(sm_nii_inflate_once(part->owned, part->n, room, bound, part->name,
						   mem, out, err));
		else
			SM_TRY(sm_nii_inflate(part->bytes, part->n, room, bound, part->name, mem,
					      out, err));
		sm_free(part->owned);
		part->owned = NULL;
	} else if (part->owned) {
		*out = (struct sm_nii_buffer){.bytes = part->owned, .n = part->n};
		part->owned = NULL;
	} else {
		*out = (struct sm_nii_buffer){.n = part->n};
		out->bytes = sm_alloc(mem, part->n, 1, part->name, err);
		if (!out->bytes)
			return SM_BUDGET;
		memcpy(out->bytes, part->bytes, part->n);
	}
	return SM_OK;
}

/* Does the stream end with the length that the header declares (and padding)? It is that of its
 * last member: streams of many members by design (BGZF has an extra field in each) are not asked.
 */
static bool ends_as_declared(const struct part *part, size_t total)
{
	if (total < TRUST_BYTES || total / TRUST_RATIO < part->n || part->n < 18 ||
	    part->bytes[3] & 4)
		return true;
	const unsigned char *end = part->bytes + part->n - 4;
	uint32_t length = (uint32_t)end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 |
			  (uint32_t)end[3] << 24;
	return length - (uint32_t)total <= SM_NII_PADDING;
}

/* The bytes of the part that holds the voxels, not less than declared and hardly more. */
static enum sm_status take_payload(struct part *part, const struct sm_nii_payload *p,
				   const struct sm_vol *vol, struct sm_mem *mem,
				   struct sm_nii_buffer *out, struct sm_err *err)
{
	size_t total = p->offset + p->bytes;
	char bound[80];
	bool gzip = sm_nii_is_gzip(part->bytes, part->n);
	if (gzip && total / DEFLATE_MAX_RATIO > part->n)
		return SM_FAIL(err, SM_INPUT,
			       "%s: the header declares %zu bytes, more than %zu compressed bytes "
			       "can hold",
			       part->name, total, part->n);
	if (gzip && !ends_as_declared(part, total))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the header declares %zu bytes, the gzip stream of %zu bytes ends "
			"with another length",
			part->name, total, part->n);
	snprintf(bound, sizeof bound, "the %zu bytes that the header declares", total);
	if (gzip)
		SM_TRY(take(part, total + SM_NII_PADDING, bound, mem, out, err));
	size_t n = gzip ? out->n : part->n;
	if (n < total || n - total > SM_NII_PADDING)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: holds %zu bytes, but vox_offset %zu and dim %lld x %lld x %lld x "
			"%lld of %zu bytes each declare %zu",
			part->name, n, p->offset, (long long)vol->dim[0], (long long)vol->dim[1],
			(long long)vol->dim[2], (long long)vol->dim[3], p->width, total);
	/* Only now: a cut file is not copied. */
	return gzip ? SM_OK : take(part, 0, bound, mem, out, err);
}

/* Extensions stand behind the header, up to vox_offset or the end of the .hdr file: each has its
 * size, a multiple of 16, and a code. Their content is never used (it can name a person). */
static enum sm_status walk_extensions(const struct sm_nii_fields *f, const unsigned char *bytes,
				      size_t end, const char *name, struct sm_nii_info *info,
				      struct sm_err *err)
{
	size_t at = f->version == 1 ? SM_NII1_SIZE : SM_NII2_SIZE;
	bool any = end >= at + 4 && bytes[at] != 0;
	at += 4;
	while (any && at < end) {
		uint32_t v[2] = {(uint32_t)-1, 0};
		if (end - at >= 8)
			memcpy(v, bytes + at, 8);
		int64_t size = (int32_t)(f->swapped ? __builtin_bswap32(v[0]) : v[0]);
		/* zero bytes up to vox_offset are alignment, as some writers leave it */
		if (size == 0)
			break;
		if (size < 16 || size % 16 || (size_t)size > end - at)
			return SM_FAIL(err, SM_INPUT,
				       "%s: the extension at byte %zu has size %lld, allowed are "
				       "multiples "
				       "of 16 up to %s %zu",
				       name, at, (long long)size,
				       info->pair ? "the file's end" : "vox_offset", end);
		if (info->extensions < SM_NII_CODES)
			info->extension_code[info->extensions] =
				(int32_t)(f->swapped ? __builtin_bswap32(v[1]) : v[1]);
		info->extensions++;
		at += (size_t)size;
	}
	return SM_OK;
}

/* Hashes the whole buffer (h NULL: not) and moves the payload to its start, in one walk. */
static void hash_and_move(struct sm_sha256 *h, const struct sm_nii_buffer *p, size_t offset)
{
	for (size_t at = 0; at < p->n; at += CHUNK) {
		size_t n = p->n - at < CHUNK ? p->n - at : CHUNK;
		if (h)
			sm_sha256_add(h, p->bytes + at, n);
		/* Moving overwrites only bytes that were hashed before: the target lies lower. */
		if (offset && at + n > offset) {
			size_t from = at < offset ? offset : at;
			memmove(p->bytes + from - offset, p->bytes + from, at + n - from);
		}
	}
}

/* The header file of a pair: its extensions and its part of the hash. */
static enum sm_status take_header(struct part *part, const struct sm_nii_fields *f,
				  struct sm_mem *mem, struct sm_sha256 *h, struct sm_nii_info *info,
				  struct sm_err *err)
{
	struct sm_nii_buffer head = {0};
	size_t most = HEAD_MAX;
	if (part->n < HEAD_MAX / DEFLATE_MAX_RATIO)
		most = (part->n + 1) * DEFLATE_MAX_RATIO;
	SM_TRY(take(part, most, "16 MiB, the most that a .hdr file may have", mem, &head, err));
	enum sm_status st = walk_extensions(f, head.bytes, head.n, part->name, info, err);
	info->gz_padding = head.garbage;
	if (st == SM_OK && h)
		sm_sha256_add(h, head.bytes, head.n);
	sm_free(head.bytes);
	return st;
}

static enum sm_status read_fields(const struct part *part, bool pair,
				  const struct sm_nii_rules *rules, struct sm_nii_fields *f,
				  struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_nii_payload *p, struct sm_err *err)
{
	unsigned char head[SM_NII_PEEK];
	size_t got = part->n < sizeof head ? part->n : sizeof head;
	bool gzip = sm_nii_is_gzip(part->bytes, part->n);
	if (part->n)
		SM_TRY(check_name(part->name, gzip, err));
	if (gzip)
		sm_nii_peek(part->bytes, part->n, head, sizeof head, &got);
	else if (got)
		memcpy(head, part->bytes, got);
	SM_TRY(sm_nii_fields_get(head, got, part->name, f, err));
	return sm_nii_fields_check(f, pair, rules, part->name, vol, info, p, err);
}

/* The common part. image is NULL for a single file. Frees what the parts own. */
static enum sm_status parse(struct part *file, struct part *image, const struct sm_nii_rules *rules,
			    struct sm_mem *mem, struct sm_vol *vol, struct sm_nii_info *asked,
			    struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct sm_nii_info own, *info = asked ? asked : &own;
	struct sm_nii_fields f;
	struct sm_nii_payload at;
	struct sm_nii_buffer p = {0};
	struct part *last = image ? image : file;
	struct sm_sha256 *h = asked ? sm_sha256_begin() : NULL; /* a third of the time */
	*info = (struct sm_nii_info){0};
	if (asked && !h)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", file->name));
	SM_GOTO(st, read_fields(file, image, rules, &f, vol, info, &at, err));
	if (image) {
		if (image->n)
			SM_GOTO(st, check_name(image->name, sm_nii_is_gzip(image->bytes, image->n),
					       err));
		SM_GOTO(st, take_header(file, &f, mem, h, info, err));
	}
	SM_GOTO(st, take_payload(last, &at, vol, mem, &p, err));
	if (!image)
		SM_GOTO(st, walk_extensions(&f, p.bytes, at.offset, file->name, info, err));
	info->gz_padding = info->gz_padding || p.garbage || p.n > at.offset + at.bytes;
	hash_and_move(h, &p, at.offset);
	SM_GOTO(st,
		sm_nii_values(p.bytes, at.bytes / at.width, at.width, last->name, vol, info, err));
	vol->data = p.bytes;
	p.bytes = NULL;
out:
	if (h)
		sm_sha256_end(h, info->sha256);
	sm_free(p.bytes);
	sm_free(file->owned);
	if (image)
		sm_free(image->owned);
	if (st != SM_OK)
		sm_vol_clear(vol);
	return st;
}

enum sm_status sm_nii_parse_as(const struct sm_nii_bytes *file, const struct sm_nii_bytes *image,
			       const struct sm_nii_rules *rules, struct sm_mem *mem,
			       struct sm_vol *vol, struct sm_nii_info *info, struct sm_err *err)
{
	struct part a = {file->bytes, file->n, file->name, NULL}, b = {0};
	if (image)
		b = (struct part){image->bytes, image->n, image->name, NULL};
	*vol = (struct sm_vol){0};
	return parse(&a, image ? &b : NULL, rules ? rules : &sm_nii_rules_default, mem, vol, info,
		     err);
}

enum sm_status sm_nii_parse(const unsigned char *bytes, size_t n, const char *name,
			    struct sm_mem *mem, struct sm_vol *vol, struct sm_nii_info *info,
			    struct sm_err *err)
{
	return sm_nii_parse_as(&(struct sm_nii_bytes){bytes, n, name}, NULL, NULL, mem, vol, info,
			       err);
}

size_t sm_nii_stem(const char *path)
{
	size_t n = strlen(path);
	if (sm_ends_like(path, ".nii.gz"))
		return n - strlen(".nii.gz");
	return sm_ends_like(path, ".nii") ? n - strlen(".nii") : 0;
}

/* Length of the path without its ending .hdr, .img and .gz; 0 when it has none of a pair. */
static size_t pair_stem(const char *path)
{
	size_t n = strlen(path);
	if (sm_ends_with(path, ".gz"))
		n -= 3;
	if (n <= 4 ||
	    (memcmp(path + n - 4, ".hdr", 4) != 0 && memcmp(path + n - 4, ".img", 4) != 0))
		return 0;
	return n - 4;
}

bool sm_nii_is_pair(const char *path)
{
	return pair_stem(path) > 0;
}

/* The file stem.end or stem.end.gz. */
static enum sm_status find_half(const char *path, const char *name, const char *end, char **out,
				struct sm_err *err)
{
	int n = (int)pair_stem(path);
	char *plain = sm_strf("%.*s.%s", n, path, end), *gz = sm_strf("%.*s.%s.gz", n, path, end);
	enum sm_status st = SM_OK;
	if (!plain || !gz) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
		goto out;
	}
	bool has_plain = sm_file_exists(plain), has_gz = sm_file_exists(gz);
	if (has_plain && has_gz)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: its pair has both a .%s and a .%s.gz, allowed is one of them",
			     name, end, end);
	else if (!has_plain && !has_gz)
		st = SM_FAIL(err, SM_INPUT,
			     "%s: the other half of the pair, of the same name with .%s or .%s.gz, "
			     "is missing",
			     name, end, end);
	else
		*out = has_plain ? plain : gz;
out:
	if (*out != plain)
		free(plain);
	if (*out != gz)
		free(gz);
	return st;
}

enum sm_status sm_nii_find_pair(const char *path, const char *name, char **header, char **image,
				struct sm_err *err)
{
	*header = *image = NULL;
	if (!sm_nii_is_pair(path))
		return SM_FAIL(err, SM_INPUT,
			       "%s: its name ends in none of .hdr, .hdr.gz, .img, "
			       ".img.gz",
			       name);
	SM_TRY(find_half(path, name, "hdr", header, err));
	enum sm_status st = find_half(path, name, "img", image, err);
	if (st != SM_OK) {
		free(*header);
		*header = NULL;
	}
	return st;
}

static enum sm_status read_part(const char *path, const char *name, size_t max, struct sm_mem *mem,
				struct part *out, struct sm_err *err)
{
	enum sm_status st = sm_file_read(path, max, mem, &out->owned, &out->n, err);
	out->bytes = out->owned;
	out->name = name;
	return st;
}

/* path is one of a pair; name what sentences call it. */
static enum sm_status read_pair(const char *path, const char *name,
				const struct sm_nii_rules *rules, struct sm_mem *mem,
				struct sm_vol *vol, struct sm_nii_info *info, struct sm_err *err)
{
	struct part head = {0}, image = {0};
	struct sm_nii_info first = {0};
	struct sm_nii_fields f;
	struct sm_nii_payload p;
	char *header_path = NULL, *image_path = NULL, *head_name = NULL, *image_name = NULL;
	int stem = (int)pair_stem(name);
	enum sm_status st = find_half(path, name, "hdr", &header_path, err);
	if (st != SM_OK)
		goto out;
	head_name = sm_strf("%.*s%s", stem, name, header_path + pair_stem(path));
	if (!head_name)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", name));
	SM_GOTO(st, read_part(header_path, head_name, HEAD_MAX, mem, &head, err));
	/* What the header is comes first: an Analyze header needs no sentence on its image. */
	SM_GOTO(st, read_fields(&head, true, rules, &f, vol, &first, &p, err));
	SM_GOTO(st, find_half(path, name, "img", &image_path, err));
	image_name = sm_strf("%.*s%s", stem, name, image_path + pair_stem(path));
	if (!image_name)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", name));
	SM_GOTO(st, read_part(image_path, image_name, 0, mem, &image, err));
	*vol = (struct sm_vol){0};
	st = parse(&head, &image, rules, mem, vol, info, err);
	head.owned = image.owned = NULL;
out:
	sm_free(head.owned);
	sm_free(image.owned);
	free(header_path);
	free(image_path);
	free(head_name);
	free(image_name);
	if (st != SM_OK)
		sm_vol_clear(vol);
	return st;
}

enum sm_status sm_nii_read_as(const char *path, const char *name, const struct sm_nii_rules *rules,
			      struct sm_mem *mem, struct sm_vol *vol, struct sm_nii_info *info,
			      struct sm_err *err)
{
	struct part file = {0};
	*vol = (struct sm_vol){0};
	if (info)
		*info = (struct sm_nii_info){0};
	rules = rules ? rules : &sm_nii_rules_default;
	if (sm_nii_is_pair(path) && sm_nii_is_pair(name))
		return read_pair(path, name, rules, mem, vol, info, err);
	SM_TRY(read_part(path, name, 0, mem, &file, err));
	return parse(&file, NULL, rules, mem, vol, info, err);
}

enum sm_status sm_nii_read(const char *path, struct sm_mem *mem, struct sm_vol *vol,
			   struct sm_nii_info *info, struct sm_err *err)
{
	return sm_nii_read_as(path, sm_path_base(path), NULL, mem, vol, info, err);
}

/* The first bytes of a file and its length. */
static enum sm_status read_start(const char *path, const char *name, unsigned char *out, size_t *n,
				 size_t *length, struct sm_err *err)
{
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

enum sm_status sm_nii_read_header_as(const char *path, const char *name,
				     const struct sm_nii_rules *rules, struct sm_vol *vol,
				     struct sm_nii_info *info, struct sm_err *err)
{
	struct sm_nii_info own;
	struct sm_nii_fields f;
	struct sm_nii_payload p;
	unsigned char start[8192];
	size_t length = 0;
	struct part part = {.bytes = start, .n = sizeof start, .name = name};
	bool pair = sm_nii_is_pair(path);
	enum sm_status st;
	*vol = (struct sm_vol){0};
	info = info ? info : &own;
	*info = (struct sm_nii_info){0};
	rules = rules ? rules : &sm_nii_rules_default;
	SM_GOTO(st, read_start(path, name, start, &part.n, &length, err));
	SM_GOTO(st, read_fields(&part, pair, rules, &f, vol, info, &p, err));
	bool gzip = sm_nii_is_gzip(start, part.n);
	if (!gzip && !pair && p.offset <= part.n)
		SM_GOTO(st, walk_extensions(&f, start, p.offset, name, info, err));
	size_t most = gzip ? length * DEFLATE_MAX_RATIO : length;
	if (!pair && p.offset + p.bytes > most)
		st = SM_FAIL(
			err, SM_INPUT,
			"%s: %zu bytes in the file cannot hold the %zu that vox_offset and dim "
			"declare",
			part.name, length, p.offset + p.bytes);
out:
	if (st != SM_OK)
		sm_vol_clear(vol);
	return st;
}

enum sm_status sm_nii_read_header(const char *path, struct sm_vol *vol, struct sm_nii_info *info,
				  struct sm_err *err)
{
	return sm_nii_read_header_as(path, sm_path_base(path), NULL, vol, info, err);
}
