/* SPDX-License-Identifier: Apache-2.0 */
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/picture.h"

#define WINDOW 1048576
#define MAX_RATIO 1032

/* One member whose trailer tells its length truly: inflated in one piece. False = not so simple
 * (several members, above 4 GiB, damaged, or too little memory): the stream reader decides. */
static bool hash_quick(const unsigned char *in, size_t n, struct sm_mem *mem, const char *name,
		       char hex[65])
{
	if (n < 18)
		return false;
	size_t size = (size_t)in[n - 4] | (size_t)in[n - 3] << 8 | (size_t)in[n - 2] << 16 |
		      (size_t)in[n - 1] << 24;
	if (size / MAX_RATIO > n)
		return false;
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	unsigned char *out = d ? sm_alloc(mem, size ? size : 1, 1, name, NULL) : NULL;
	size_t used = 0, made = 0;
	bool good = out && libdeflate_gzip_decompress_ex(d, in, n, out, size, &used, &made) ==
			       LIBDEFLATE_SUCCESS;
	good = good && used == n && made == size;
	if (good)
		sm_sha256_bytes(out, size, hex);
	sm_free(out);
	libdeflate_free_decompressor(d);
	return good;
}

/* All members one behind the other, in constant memory. Bytes behind the last member that are no
 * gzip data are passed over, as the NIfTI reader does. */
static enum sm_status hash_stream(const unsigned char *in, size_t n, const char *name, char hex[65],
				  struct sm_err *err)
{
	enum sm_status st = SM_OK;
	unsigned char *out = malloc(WINDOW);
	struct sm_sha256 *h = sm_sha256_begin();
	z_stream z = {0};
	if (!out || !h || inflateInit2(&z, 15 + 16) != Z_OK) {
		st = SM_FAIL(err, SM_BUDGET, "%s: no memory to inflate", name);
		goto out;
	}
	const unsigned char *end = in + n;
	z.next_in = (unsigned char *)(uintptr_t)in;
	for (;;) {
		size_t left = (size_t)(end - z.next_in);
		z.avail_in = left < WINDOW ? (unsigned)left : WINDOW;
		z.next_out = out;
		z.avail_out = WINDOW;
		int r = inflate(&z, Z_NO_FLUSH);
		sm_sha256_add(h, out, WINDOW - z.avail_out);
		if (r == Z_STREAM_END) {
			left = (size_t)(end - z.next_in);
			if (left < 2 || z.next_in[0] != 0x1f || z.next_in[1] != 0x8b)
				break;
			inflateReset(&z);
		} else if (r != Z_OK) {
			st = SM_FAIL(err, SM_INPUT, "%s: the gzip stream is damaged or ends early",
				     name);
			break;
		}
	}
	inflateEnd(&z);
out:
	if (h)
		sm_sha256_end(h, hex);
	free(out);
	return st;
}

static enum sm_status hash_gzip(const char *path, struct sm_mem *mem, char hex[65],
				struct sm_err *err)
{
	unsigned char *in = NULL;
	size_t n = 0;
	SM_TRY(sm_file_read(path, 0, mem, &in, &n, err));
	enum sm_status st = SM_OK;
	if (!hash_quick(in, n, mem, sm_path_base(path), hex))
		st = hash_stream(in, n, sm_path_base(path), hex, err);
	sm_free(in);
	return st;
}

static enum sm_status hash_picture(const char *path, struct sm_mem *mem, char hex[65],
				   struct sm_err *err)
{
	struct sm_image image;
	SM_TRY(sm_picture_read(path, mem, &image, NULL, err));
	sm_image_sha256(&image, hex);
	sm_image_clear(&image);
	return SM_OK;
}

/* Weak: in a program that brings no code for tile files (core/h5hash.c) this is NULL, and it need
 * not load HDF5 and the 30 libraries behind it. A program that must know them anyway asks the
 * linker for it (tools/module.mk). */
__attribute__((weak)) enum sm_status sm_h5_content_sha256(const char *path, struct sm_mem *mem,
							  char sha256[65], struct sm_err *err);

static enum sm_status hash_h5(const char *path, struct sm_mem *mem, char hex[65],
			      struct sm_err *err)
{
	if (!sm_h5_content_sha256)
		return SM_FAIL(err, SM_INTERNAL, "%s: this program cannot read HDF5 files",
			       sm_path_base(path));
	return sm_h5_content_sha256(path, mem, hex, err);
}

/* Names by their end whose identity is not the hash of the file's bytes. */
static const struct {
	const char *suffix;
	enum sm_status (*hash)(const char *path, struct sm_mem *mem, char hex[65],
			       struct sm_err *err);
} kinds[] = {{".gz", hash_gzip}, {".h5", hash_h5}, {".hdf5", hash_h5}, {".png", hash_picture}};

bool sm_content_is_bytes(const char *path)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (sm_ends_like(path, kinds[i].suffix))
			return false;
	return true;
}

enum sm_status sm_content_sha256(const char *path, struct sm_mem *mem, char hex[65],
				 struct sm_err *err)
{
	enum sm_status st = SM_OK;
	size_t i = 0;
	hex[0] = 0;
	while (i < sizeof kinds / sizeof *kinds && !sm_ends_like(path, kinds[i].suffix))
		i++;
	st = i < sizeof kinds / sizeof *kinds ? kinds[i].hash(path, mem, hex, err)
					      : sm_sha256_file(path, hex, err);
	if (st != SM_OK)
		hex[0] = 0;
	return st;
}
