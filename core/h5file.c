/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/file.h"
#include "core/h5base.h"
#include "core/h5tile.h"
#include "core/hash.h"

#define LABELS 3 /* the original's one-hot channels: labels 1, 2, 3 */
#define AXES "x (channel,x,y,z) float32; y (label 1..3,x,y,z) uint8 one-hot"

/* src (Z,Y,X) -> dst (X,Y,Z). For one y the inner pair of loops reads depth rows side by side and
 * writes whole cache lines. */
static void to_xyz(const float *src, float *dst, size_t depth, size_t height, size_t width)
{
	for (size_t y = 0; y < height; y++)
		for (size_t x = 0; x < width; x++)
			for (size_t z = 0; z < depth; z++)
				dst[(x * height + y) * depth + z] =
				    src[(z * height + y) * width + x];
}

static void from_xyz(const float *src, float *dst, size_t depth, size_t height, size_t width)
{
	for (size_t y = 0; y < height; y++)
		for (size_t x = 0; x < width; x++)
			for (size_t z = 0; z < depth; z++)
				dst[(z * height + y) * width + x] =
				    src[(x * height + y) * depth + z];
}

/* labels (Z,Y,X) -> one-hot (3,X,Y,Z); false when a label is above 3. */
static bool to_one_hot(const uint8_t *src, uint8_t *dst, size_t depth, size_t height, size_t width)
{
	size_t n = depth * height * width;
	memset(dst, 0, LABELS * n);
	for (size_t z = 0; z < depth; z++)
		for (size_t y = 0; y < height; y++)
			for (size_t x = 0; x < width; x++) {
				uint8_t label = src[(z * height + y) * width + x];
				if (label > LABELS)
					return false;
				if (label)
					dst[(label - 1u) * n + (x * height + y) * depth + z] = 1;
			}
	return true;
}

/* The inverse; false when a voxel has two labels or a value other than 0 and 1. */
static bool from_one_hot(const uint8_t *src, uint8_t *dst, size_t depth, size_t height,
			 size_t width)
{
	size_t n = depth * height * width;
	for (size_t x = 0; x < width; x++)
		for (size_t y = 0; y < height; y++)
			for (size_t z = 0; z < depth; z++) {
				size_t at = (x * height + y) * depth + z;
				unsigned a = src[at], b = src[n + at], c = src[2 * n + at];
				if ((a | b | c) > 1 || a + b + c > 1)
					return false;
				dst[(z * height + y) * width + x] = (uint8_t)(a + 2 * b + 3 * c);
			}
	return true;
}

/* Packs data into the one chunk of a new dataset; digest as sm_h5_identity defines it. */
static enum sm_status put_set(hid_t file, const char *name, hid_t type, const hsize_t dims[4],
			      const void *data, size_t size, int level, const char *file_name,
			      char digest[65], struct sm_err *err)
{
	unsigned char *packed = NULL;
	size_t packed_n, bytes = size;
	hsize_t at[4] = {0};
	for (int i = 0; i < 4; i++)
		bytes *= (size_t)dims[i];
	bool shuffle = size == 4 && level > 0;
	enum sm_status st = sm_chunk_pack(data, bytes, shuffle, level, &packed, &packed_n, err);
	if (st != SM_OK)
		return st;
	hid_t set = sm_h5_chunked(file, name, type, 4, dims, dims, shuffle, level);
	bool good = set >= 0 && H5Dwrite_chunk(set, H5P_DEFAULT, 0, at, packed_n, packed) >= 0;
	if (set >= 0)
		good = H5Dclose(set) >= 0 && good;
	sm_free(packed);
	if (!good)
		return SM_FAIL(err, SM_IO, "%s: HDF5 cannot write dataset %s", file_name, name);
	sm_sha256_bytes(data, bytes, digest);
	/* one slab along the first axis: its identity is the digest of the slabs' digests */
	if (dims[0] == 1)
		sm_sha256_bytes(digest, 64, digest);
	return SM_OK;
}

static enum sm_status put_file(struct sm_outfile *out, const char *name,
			       const struct sm_tile_shape *p, const float *x, const uint8_t *y,
			       int level, char content[65], struct sm_err *err)
{
	enum sm_status st = SM_OK;
	int errnum;
	char xh[65], yh[65], whole[65];
	hsize_t xd[4] = {(hsize_t)p->channels, (hsize_t)p->width, (hsize_t)p->height,
			 (hsize_t)p->depth};
	hsize_t yd[4] = {LABELS, xd[1], xd[2], xd[3]};
	sm_h5_quiet();
	hid_t file = sm_h5_create(out->temp, &errnum);
	if (file < 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be created: %s", name,
			       errnum ? strerror(errnum) : "HDF5 failed");
	SM_GOTO(st, put_set(file, "x", H5T_IEEE_F32LE, xd, x, 4, level, name, xh, err));
	SM_GOTO(st,
		put_set(file, "y", H5T_STD_U8LE, yd, y, 1, level > 1 ? level : 1, name, yh, err));
	bool good =
	    sm_h5_put_text(file, "schema", SM_TILE_SCHEMA) && sm_h5_put_text(file, "axes", AXES);
	good = H5Fclose(file) >= 0 && good;
	file = -1;
	if (!good || errnum) {
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", name,
			     errnum ? strerror(errnum) : "HDF5 failed");
		goto out;
	}
	const struct sm_h5_known known[] = {{"/x", xh}, {"/y", yh}};
	st = sm_h5_identity(out->temp, name, known, 2, NULL, content ? content : whole, err);
out:
	sm_h5_close_file(&file);
	return st;
}

enum sm_status sm_tilefile_write(const char *path, const struct sm_tile_shape *shape,
				 const float *x, const uint8_t *y, int level, char content[65],
				 struct sm_err *err)
{
	const char *name = sm_path_base(path);
	size_t d = (size_t)shape->depth, h = (size_t)shape->height, w = (size_t)shape->width, n,
	       all;
	struct sm_outfile out = {0};
	float *tx = NULL;
	uint8_t *ty = NULL;
	enum sm_status st = SM_OK;
	if (shape->tiles != 1 || shape->channels < 1 || shape->depth < 1 || shape->height < 1 ||
	    shape->width < 1 || level < 0 || level > 12 || !sm_mul3(d, h, w, &n) ||
	    !sm_mul3(n, (size_t)shape->channels, 4, &all) || all > UINT32_MAX)
		return SM_FAIL(err, SM_INTERNAL,
			       "%s: shape or level of a tile file is out of range", name);
	tx = sm_alloc(NULL, all, 1, name, err);
	ty = sm_alloc(NULL, n, LABELS, name, err);
	if (!tx || !ty) {
		st = SM_BUDGET;
		goto out;
	}
	for (size_t c = 0; c < (size_t)shape->channels; c++)
		to_xyz(x + c * n, tx + c * n, d, h, w);
	if (!to_one_hot(y, ty, d, h, w)) {
		st = SM_FAIL(err, SM_INPUT, "%s: a label is above 3, the file layout holds 0..3",
			     name);
		goto out;
	}
	SM_GOTO(st, sm_outfile_begin(&out, path, false, err));
	SM_GOTO(st, put_file(&out, name, shape, tx, ty, level, content, err));
	st = sm_outfile_commit(&out, err);
out:
	sm_outfile_abandon(&out);
	sm_free(tx);
	sm_free(ty);
	return st;
}

/* Opens a dataset of rank 4 and tells its dims. */
static enum sm_status open_set(hid_t file, const char *set_name, const char *name, hid_t *set,
			       hsize_t dims[4], struct sm_err *err)
{
	*set = H5Dopen2(file, set_name, H5P_DEFAULT);
	hid_t space = *set < 0 ? -1 : H5Dget_space(*set);
	bool good = space >= 0 && H5Sget_simple_extent_ndims(space) == 4 &&
		    H5Sget_simple_extent_dims(space, dims, NULL) == 4;
	if (space >= 0)
		H5Sclose(space);
	for (int i = 0; good && i < 4; i++)
		good = dims[i] >= 1 && dims[i] <= INT32_MAX;
	if (!good)
		return SM_FAIL(err, SM_INPUT, "%s: dataset %s is missing or has not four axes",
			       name, set_name);
	return SM_OK;
}

/* Reads a dataset through the library's filters: files of the original have any pipeline. */
static enum sm_status get_set(hid_t set, const char *set_name, const char *name, hid_t type,
			      void *out, struct sm_err *err)
{
	if (H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) < 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: dataset %s is damaged or of a type without numbers", name,
			       set_name);
	return SM_OK;
}

enum sm_status sm_tilefile_read(const char *path, struct sm_tile_shape *shape, float *x, uint8_t *y,
				struct sm_err *err)
{
	const char *name = sm_path_base(path);
	hsize_t xd[4] = {0}, yd[4] = {0};
	hid_t xs = -1, ys = -1;
	void *raw = NULL;
	enum sm_status st;
	sm_h5_quiet();
	hid_t file = sm_h5_open(path);
	if (file < 0)
		return SM_FAIL(err, sm_h5_open_failed(),
			       "%s: cannot be opened, is no HDF5 file, or is cut off", name);
	SM_GOTO(st, open_set(file, "x", name, &xs, xd, err));
	SM_GOTO(st, open_set(file, "y", name, &ys, yd, err));
	struct sm_tile_shape found = {1, (int64_t)xd[0], (int64_t)xd[3], (int64_t)xd[2],
				      (int64_t)xd[1]};
	size_t d = (size_t)xd[3], h = (size_t)xd[2], w = (size_t)xd[1], n, all;
	if (yd[0] != LABELS || yd[1] != xd[1] || yd[2] != xd[2] || yd[3] != xd[3] ||
	    !sm_mul3(d, h, w, &n) || !sm_mul3(n, (size_t)xd[0], 4, &all) || all > UINT32_MAX) {
		st = SM_FAIL(
		    err, SM_INPUT,
		    "%s: x is (%lld, %lld, %lld, %lld), and y does not fit it or it is too large",
		    name, (long long)xd[0], (long long)xd[1], (long long)xd[2], (long long)xd[3]);
		goto out;
	}
	if ((x || y) && memcmp(&found, shape, sizeof found) != 0) {
		st = SM_FAIL(err, SM_INPUT,
			     "%s: the tile's shape is not the one that was asked for", name);
		goto out;
	}
	*shape = found;
	raw = x || y ? sm_alloc(NULL, all > LABELS * n ? all : LABELS * n, 1, name, err) : NULL;
	if ((x || y) && !raw) {
		st = SM_BUDGET;
		goto out;
	}
	if (x) {
		SM_GOTO(st, get_set(xs, "x", name, H5T_NATIVE_FLOAT, raw, err));
		for (size_t c = 0; c < (size_t)xd[0]; c++)
			from_xyz((const float *)raw + c * n, x + c * n, d, h, w);
	}
	if (y) {
		SM_GOTO(st, get_set(ys, "y", name, H5T_NATIVE_UINT8, raw, err));
		if (!from_one_hot(raw, y, d, h, w))
			st = SM_FAIL(err, SM_INPUT,
				     "%s: y is not one-hot (0 or 1, one label a voxel)", name);
	}
out:
	sm_h5_close_dataset(&xs);
	sm_h5_close_dataset(&ys);
	sm_h5_close_file(&file);
	sm_free(raw);
	return st;
}
