/* SPDX-License-Identifier: Apache-2.0
 *
 * Inflating for the NIfTI reader (see core/nii_head.h).
 */
#include <libdeflate.h>
#include <string.h>
#include <zlib.h>

#include "core/nii_head.h"

bool sm_nii_is_gzip(const unsigned char *bytes, size_t n)
{
	return n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

void sm_nii_peek(const unsigned char *in, size_t n, unsigned char *out, size_t want, size_t *got)
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
		if (r == Z_STREAM_END && sm_nii_is_gzip(z.next_in, z.avail_in))
			r = inflateReset(&z);
	}
	*got = want - z.avail_out;
	inflateEnd(&z);
}

/* What zlib says of a member of n compressed bytes (or more) that gave `made` before it was
 * refused. */
static enum sm_status damage(const z_stream *z, int r, size_t n, size_t made, const char *name,
			     struct sm_err *err)
{
	if (r == Z_BUF_ERROR)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the gzip stream ends early: %zu compressed bytes give %zu, and its "
			"end with CRC and length is not among them",
			name, n, made);
	if (r == Z_DATA_ERROR && z->msg && strstr(z->msg, "length check"))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the gzip stream is damaged: it has %zu bytes, not as many as it names",
			name, made);
	if (r == Z_DATA_ERROR && z->msg && strstr(z->msg, "data check"))
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the gzip stream is damaged: the CRC of its %zu bytes is not the one "
			"that it names",
			name, made);
	return SM_FAIL(err, SM_INPUT, "%s: the gzip stream is damaged after %zu bytes", name, made);
}

/* Why a member that libdeflate refused is refused: zlib walks it again, which tells more. */
static enum sm_status tell_damage(const unsigned char *in, size_t n, size_t room, const char *name,
				  struct sm_err *err)
{
	unsigned char scratch[16384];
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)in};
	size_t left = n, made = 0;
	int r = inflateInit2(&z, 15 + 16);
	if (r != Z_OK)
		return SM_FAIL(err, SM_BUDGET, "%s: no memory for the inflater", name);
	while (r == Z_OK && made <= room) {
		unsigned more = left < 1U << 30 ? (unsigned)left : 1U << 30;
		if (!z.avail_in) {
			z.avail_in = more;
			left -= more;
		}
		z.next_out = scratch;
		z.avail_out = sizeof scratch;
		r = inflate(&z, Z_NO_FLUSH);
		made += sizeof scratch - z.avail_out;
	}
	inflateEnd(&z);
	return damage(&z, r, n, made, name, err);
}

/* Compressed bytes taken between two looks, and then let go. */
#define BAND ((size_t)1 << 20)

/* One member into room bytes; the bytes that were read are let go. */
static enum sm_status inflate_member(z_stream *z, const unsigned char *in, size_t n,
				     unsigned char *out, size_t room, const char *bound,
				     const char *name, size_t *used, size_t *made,
				     struct sm_err *err)
{
	int r = Z_OK;
	*used = *made = 0;
	while (r == Z_OK) {
		size_t more = n - *used < BAND ? n - *used : BAND, left = room - *made;
		unsigned char one; /* does it go on behind the room? */
		z->next_in = (unsigned char *)(uintptr_t)(in + *used);
		z->avail_in = (unsigned)more;
		z->next_out = left ? out + *made : &one;
		z->avail_out = left ? (unsigned)(left < 1U << 30 ? left : 1U << 30) : 1;
		const unsigned char *from = z->next_out;
		r = inflate(z, Z_NO_FLUSH);
		if (!left && z->next_out != from)
			return SM_FAIL(err, SM_INPUT, "%s: inflates to more than %s", name, bound);
		*made += (size_t)(z->next_out - from);
		sm_let_go(in + *used, more - z->avail_in);
		*used += more - z->avail_in;
	}
	return r == Z_STREAM_END ? SM_OK : damage(z, r, n, *made, name, err);
}

enum sm_status sm_nii_inflate_once(unsigned char *in, size_t n, size_t room, const char *bound,
				   const char *name, struct sm_mem *mem, struct sm_nii_buffer *out,
				   struct sm_err *err)
{
	enum sm_status st = SM_OK;
	z_stream z = {0};
	*out = (struct sm_nii_buffer){.bytes = sm_alloc(mem, room, 1, name, err)};
	if (!out->bytes)
		return SM_BUDGET;
	if (inflateInit2(&z, 15 + 16) != Z_OK) {
		sm_free(out->bytes);
		*out = (struct sm_nii_buffer){0};
		return SM_FAIL(err, SM_BUDGET, "%s: no memory for the inflater", name);
	}
	while (n && st == SM_OK && !out->garbage) {
		size_t used, made;
		st = inflate_member(&z, in, n, out->bytes + out->n, room - out->n, bound, name,
				    &used, &made, err);
		in += used;
		n -= used;
		out->n += made;
		out->garbage = n && !sm_nii_is_gzip(in, n);
		if (inflateReset(&z) != Z_OK && st == SM_OK)
			st = SM_FAIL(err, SM_INTERNAL, "%s: the inflater cannot begin again", name);
	}
	inflateEnd(&z);
	if (st != SM_OK) {
		sm_free(out->bytes);
		*out = (struct sm_nii_buffer){0};
	}
	return st;
}

enum sm_status sm_nii_inflate(const unsigned char *in, size_t n, size_t room, const char *bound,
			      const char *name, struct sm_mem *mem, struct sm_nii_buffer *out,
			      struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct libdeflate_decompressor *d = NULL;
	*out = (struct sm_nii_buffer){.bytes = sm_alloc(mem, room, 1, name, err)};
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
			st = SM_FAIL(err, SM_INPUT, "%s: inflates to more than %s", name, bound);
		else if (r != LIBDEFLATE_SUCCESS)
			st = tell_damage(in, n, room - out->n, name, err);
		if (st != SM_OK)
			goto out;
		in += used;
		n -= used;
		out->n += made;
		if (n && !sm_nii_is_gzip(in, n)) {
			out->garbage = true;
			break;
		}
	}
out:
	libdeflate_free_decompressor(d);
	if (st != SM_OK) {
		sm_free(out->bytes);
		*out = (struct sm_nii_buffer){0};
	}
	return st;
}
