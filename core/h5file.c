/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "core/deflate_words.h"
#include "core/file.h"
#include "core/h5base.h"
#include "core/h5tile.h"
#include "core/hash.h"

#define LABELS SM_TILEFILE_LABELS
#define AXES "x (channel,x,y,z) float32; y (label 1..3,x,y,z) uint8 one-hot"

#define ACROSS \
	16 /* values of x at a time: whole cache lines are read and, with 16 slices, written */

/* src (Z,Y,X) -> dst (X,Y,Z). */
static void to_xyz(const float *src, float *dst, size_t depth, size_t height, size_t width)
{
	for (size_t x0 = 0; x0 < width; x0 += ACROSS) {
		size_t end = width - x0 < ACROSS ? width : x0 + ACROSS;
		for (size_t y = 0; y < height; y++) {
			size_t x = x0;
#ifdef __SSE__
			for (; x + 4 <= end && depth % 4 == 0; x += 4)
				for (size_t z = 0; z < depth; z += 4) {
					const float *from = src + (z * height + y) * width + x;
					float *to = dst + (x * height + y) * depth + z;
					__m128 a = _mm_loadu_ps(from);
					__m128 b = _mm_loadu_ps(from + height * width);
					__m128 c = _mm_loadu_ps(from + 2 * height * width);
					__m128 d = _mm_loadu_ps(from + 3 * height * width);
					_MM_TRANSPOSE4_PS(a, b, c, d);
					_mm_storeu_ps(to, a);
					_mm_storeu_ps(to + height * depth, b);
					_mm_storeu_ps(to + 2 * height * depth, c);
					_mm_storeu_ps(to + 3 * height * depth, d);
				}
#endif
			for (; x < end; x++)
				for (size_t z = 0; z < depth; z++)
					dst[(x * height + y) * depth + z] =
						src[(z * height + y) * width + x];
		}
	}
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
	for (size_t i = 0; i < n; i++) {
		uint64_t eight;
		/* most voxels have no label */
		while (i + 8 <= n && (memcpy(&eight, src + i, 8), !eight))
			i += 8;
		if (i >= n || !src[i])
			continue;
		if (src[i] > LABELS)
			return false;
		size_t x = i % width, y = i / width % height, z = i / width / height;
		dst[(src[i] - 1u) * n + (x * height + y) * depth + z] = 1;
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

static enum sm_status pack(const void *data, size_t bytes, bool shuffle, int level,
			   unsigned char **packed, size_t *n, struct sm_err *err)
{
	if (level == 1 && !shuffle && bytes % 4 == 0)
		return sm_deflate_words(data, bytes, packed, n, err);
	return sm_chunk_pack(data, bytes, shuffle, level, packed, n, err);
}

/* Whether values pack better with their bytes sorted: those of few different values, as scans of
 * whole numbers give, do not. Found by trial on pieces from within a channel. Sorted bytes have to
 * win by an eighth: two windows of the deflater show but a part of what repeats, and level 1 packs
 * values far faster as they are. */
static bool packs_better_shuffled(const void *data, size_t bytes, int level)
{
	static const size_t piece[2] = {65536, 16384};
	size_t n[2], made[2] = {0};
	for (int shuffle = 0; shuffle < 2; shuffle++) {
		unsigned char *packed = NULL;
		n[shuffle] = bytes < piece[shuffle] ? bytes / 4 * 4 : piece[shuffle];
		const unsigned char *from =
			(const unsigned char *)data + (bytes - n[shuffle]) / 32 * 12;
		if (pack(from, n[shuffle], shuffle, level, &packed, &made[shuffle], NULL) != SM_OK)
			return true;
		sm_free(packed);
	}
	return 8 * made[1] * n[0] <= 7 * made[0] * n[1];
}

/* A dataset of the file: its values, what stands of them in the file and where, and the digest that
 * sm_h5_identity defines. */
struct set {
	const char *name;
	hid_t type;
	hsize_t dims[4];
	const void *data;
	size_t size, bytes;
	unsigned char *packed; /* NULL: the values stand as they are */
	size_t stored;
	haddr_t at;
	char digest[65];
};

/* Packs the values into the one chunk of a new dataset, which stays open. */
static hid_t put_packed(hid_t file, struct set *s, int level, enum sm_status *st,
			struct sm_err *err)
{
	const hsize_t origin[4] = {0};
	hsize_t stored;
	bool shuffle = s->size == 4 && packs_better_shuffled(s->data, s->bytes, level);
	*st = pack(s->data, s->bytes, shuffle, level, &s->packed, &s->stored, err);
	if (*st != SM_OK)
		return -1;
	hid_t set = sm_h5_chunked(file, s->name, s->type, 4, s->dims, s->dims, shuffle, level);
	if (set >= 0 && (H5Dwrite_chunk(set, H5P_DEFAULT, 0, origin, s->stored, s->packed) < 0 ||
			 H5Dget_chunk_info_by_coord(set, origin, NULL, &s->at, &stored) < 0))
		sm_h5_close_dataset(&set);
	return set;
}

static hid_t put_plain(hid_t file, struct set *s)
{
	hid_t set = sm_h5_plain_open(file, s->name, s->type, s->type, 4, s->dims, s->data);
	s->stored = s->bytes;
	s->at = set >= 0 ? H5Dget_offset(set) : HADDR_UNDEF;
	return set;
}

/* Puts the values into the one chunk of a new dataset, or at level 0 leaves them as they are. */
static enum sm_status put_set(hid_t file, struct set *s, int level, const char *file_name,
			      struct sm_err *err)
{
	enum sm_status st = SM_OK;
	hid_t set = level ? put_packed(file, s, level, &st, err) : put_plain(file, s);
	SM_TRY(st);
	bool good = set >= 0 && s->at != HADDR_UNDEF;
	if (set >= 0)
		good = H5Dclose(set) >= 0 && good;
	return good ? SM_OK
		    : SM_FAIL(err, SM_IO, "%s: HDF5 cannot write dataset %s", file_name, s->name);
}

/* Adds the file's bytes from..to to the hash. */
static bool hash_part(int fd, haddr_t from, haddr_t to, struct sm_sha256 *h)
{
	unsigned char block[4096];
	while (from < to) {
		ssize_t n = pread(fd, block, to - from < sizeof block ? to - from : sizeof block,
				  (off_t)from);
		if (n <= 0)
			return false;
		sm_sha256_add(h, block, (size_t)n);
		from += (haddr_t)n;
	}
	return true;
}

/* The digests of the values and of the file's bytes: what the sets store is in memory, what stands
 * before, between and behind it is read. */
static enum sm_status hash_file(const char *path, const char *name, struct set *sets, size_t n,
				char file_sha256[65], struct sm_err *err)
{
	struct stat sb;
	haddr_t at = 0;
	struct sm_sha256 file, own;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool good = fd >= 0 && fstat(fd, &sb) == 0;
	sm_sha256_init(&file);
	for (struct set *s = sets; good && s < sets + n; s++) {
		sm_sha256_init(&own);
		good = s->at >= at && hash_part(fd, at, s->at, &file);
		if (s->packed) {
			sm_sha256_add(&file, s->packed, s->stored);
			sm_sha256_add(&own, s->data, s->bytes);
		} else {
			sm_sha256_add_pair(&file, &own, s->data, s->bytes);
		}
		at = s->at + s->stored;
		sm_sha256_final(&own, s->digest);
	}
	good = good && hash_part(fd, at, (haddr_t)sb.st_size, &file);
	sm_sha256_final(&file, file_sha256);
	/* The disk may begin: the sync at the end then finds less to do. */
	if (fd >= 0) {
		sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		close(fd);
	}
	return good ? SM_OK : SM_FAIL(err, SM_IO, "%s: cannot be hashed", name);
}

static enum sm_status put_file(struct sm_outfile *out, const char *name, struct set sets[2],
			       int level, char content[65], char file_sha256[65],
			       struct sm_err *err)
{
	enum sm_status st = SM_OK;
	int errnum;
	char whole[65];
	sm_h5_quiet();
	hid_t file = sm_h5_create(out->temp, &errnum);
	if (file < 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be created: %s", name,
			       errnum ? strerror(errnum) : "HDF5 failed");
	for (int i = 0; i < 2; i++)
		SM_GOTO(st, put_set(file, &sets[i], level, name, err));
	bool good =
	    sm_h5_put_text(file, "schema", SM_TILE_SCHEMA) && sm_h5_put_text(file, "axes", AXES);
	good = H5Fclose(file) >= 0 && good;
	file = -1;
	if (!good || errnum) {
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", name,
			     errnum ? strerror(errnum) : "HDF5 failed");
		goto out;
	}
	SM_GOTO(st, hash_file(out->temp, name, sets, 2, file_sha256, err));
	/* one slab along the first axis: its identity is the digest of the slabs' digests */
	for (int i = 0; level && i < 2; i++)
		if (sets[i].dims[0] == 1)
			sm_sha256_bytes(sets[i].digest, 64, sets[i].digest);
	const struct sm_h5_known known[] = {{"/x", sets[0].digest}, {"/y", sets[1].digest}};
	st = sm_h5_identity(out->temp, name, known, 2, NULL, content ? content : whole, err);
out:
	sm_h5_close_file(&file);
	for (int i = 0; i < 2; i++)
		sm_free(sets[i].packed);
	return st;
}

struct sm_tilefile {
	struct sm_tile_shape shape;
	char *path;
	float *x;
	uint8_t *y;
	size_t voxels;
};

enum sm_status sm_tilefile_begin(const char *path, const struct sm_tile_shape *shape,
				 struct sm_tilefile **out, struct sm_err *err)
{
	const char *name = sm_path_base(path);
	size_t n, all;
	*out = NULL;
	if (shape->tiles != 1 || shape->channels < 1 || shape->depth < 1 || shape->height < 1 ||
	    shape->width < 1 ||
	    !sm_mul3((size_t)shape->depth, (size_t)shape->height, (size_t)shape->width, &n) ||
	    !sm_mul3(n, (size_t)shape->channels, 4, &all) || all > UINT32_MAX)
		return SM_FAIL(err, SM_INTERNAL, "%s: shape of a tile file is out of range", name);
	struct sm_tilefile *t = calloc(1, sizeof *t);
	if (t) {
		t->shape = *shape;
		t->voxels = n;
		t->path = sm_strf("%s", path);
		t->x = sm_alloc(NULL, all, 1, name, err);
		t->y = t->x ? sm_alloc(NULL, n, LABELS, name, err) : NULL;
	}
	if (!t || !t->path || !t->y) {
		sm_tilefile_abandon(t);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	}
	*out = t;
	return SM_OK;
}

void sm_tilefile_abandon(struct sm_tilefile *t)
{
	if (!t)
		return;
	sm_free(t->x);
	sm_free(t->y);
	free(t->path);
	free(t);
}

void sm_tilefile_put_channel(struct sm_tilefile *t, int64_t channel, const float *x)
{
	to_xyz(x, t->x + (size_t)channel * t->voxels, (size_t)t->shape.depth,
	       (size_t)t->shape.height, (size_t)t->shape.width);
}

enum sm_status sm_tilefile_put_labels(struct sm_tilefile *t, const uint8_t *y, struct sm_err *err)
{
	if (!to_one_hot(y, t->y, (size_t)t->shape.depth, (size_t)t->shape.height,
			(size_t)t->shape.width))
		return SM_FAIL(err, SM_INPUT, "%s: a label is above 3, the file layout holds 0..3",
			       sm_path_base(t->path));
	return SM_OK;
}

enum sm_status sm_tilefile_end(struct sm_tilefile *t, struct sm_outset *set, int level,
			       char content[65], char file_sha256[65], struct sm_err *err)
{
	const struct sm_tile_shape *p = &t->shape;
	struct sm_outfile out = {0};
	char bytes[65];
	enum sm_status st = SM_OK;
	struct set sets[2] = {
		{.name = "x",
		 .type = H5T_IEEE_F32LE,
		 .data = t->x,
		 .size = 4,
		 .dims = {(hsize_t)p->channels, (hsize_t)p->width, (hsize_t)p->height,
			  (hsize_t)p->depth},
		 .bytes = 4 * (size_t)p->channels * t->voxels},
		{.name = "y",
		 .type = H5T_STD_U8LE,
		 .data = t->y,
		 .size = 1,
		 .dims = {LABELS, (hsize_t)p->width, (hsize_t)p->height, (hsize_t)p->depth},
		 .bytes = LABELS * t->voxels}};
	if (level < 0 || level > 12)
		SM_GOTO(st, SM_FAIL(err, SM_INTERNAL, "%s: level %d, allowed are 0 to 12",
				    sm_path_base(t->path), level));
	SM_GOTO(st, sm_outfile_begin(&out, t->path, false, err));
	SM_GOTO(st, put_file(&out, sm_path_base(t->path), sets, level, content,
			     file_sha256 ? file_sha256 : bytes, err));
	st = sm_outset_add(set, &out, err);
out:
	sm_outfile_abandon(&out);
	sm_tilefile_abandon(t);
	return st;
}

enum sm_status sm_tilefile_write(const char *path, const struct sm_tile_shape *shape,
				 const float *x, const uint8_t *y, int level, char content[65],
				 struct sm_err *err)
{
	struct sm_tilefile *t = NULL;
	SM_TRY(sm_tilefile_begin(path, shape, &t, err));
	for (int64_t c = 0; c < shape->channels; c++)
		sm_tilefile_put_channel(t, c, x + (size_t)c * t->voxels);
	enum sm_status st = sm_tilefile_put_labels(t, y, err);
	if (st == SM_OK)
		return sm_tilefile_end(t, NULL, level, content, NULL, err);
	sm_tilefile_abandon(t);
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
	if (!sm_h5_read_all(set, type, out))
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
				      (int64_t)xd[1], 0, 0};
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
