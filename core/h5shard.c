/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/h5base.h"
#include "core/h5tile.h"
#include "core/hash.h"

#define AXES \
	"x (tile,channel,z,y,x) float32; y (tile,z,y,x) uint8 labels; " \
	"start (tile,3) first voxel x,y,z; crc32 (tile,3) of the values of x, y, start"

/* One tile on its way into the file. */
struct slot {
	unsigned char *x, *y; /* packed, NULL once written */
	size_t x_n, y_n;
	bool here;
	char x_hash[65], y_hash[65];
};

/* Where a chunk stands in the file. */
struct piece {
	haddr_t at;
	hsize_t n;
};

struct sm_shard {
	char *path, *name;
	struct sm_tile_shape shape;
	size_t x_bytes, y_bytes; /* of one tile */
	int32_t *start;          /* (tiles, 3) */
	uint32_t *crc; /* (tiles, 3): of x, y and start. A zlib stream has its own checksum, but a
			* damaged chunk index can lead to another tile's good stream */
	/* writing */
	struct sm_outfile out;
	hid_t file, x, y;
	int level;
	int errnum;           /* errno of the first write that failed */
	pthread_mutex_t lock; /* of slots, next, error and the file */
	struct slot *slots;
	int64_t next;        /* first tile that is not in the file yet */
	struct sm_err error; /* the first failure: all later calls return it */
	/* reading */
	struct piece *pieces; /* x and y of tile 0, x and y of tile 1, ... */
	bool x_shuffled, y_shuffled;
	off_t length;
};

static void destroy(struct sm_shard *s)
{
	if (!s)
		return;
	sm_h5_close_dataset(&s->x);
	sm_h5_close_dataset(&s->y);
	sm_h5_close_file(&s->file);
	sm_outfile_abandon(&s->out);
	for (int64_t k = 0; s->slots && k < s->shape.tiles; k++) {
		sm_free(s->slots[k].x);
		sm_free(s->slots[k].y);
	}
	sm_free(s->slots);
	sm_free(s->start);
	sm_free(s->crc);
	sm_free(s->pieces);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s->name);
	free(s);
}

static struct sm_shard *make(const char *path, struct sm_err *err)
{
	struct sm_shard *s = calloc(1, sizeof *s);
	if (s) {
		s->file = s->x = s->y = -1;
		pthread_mutex_init(&s->lock, NULL);
		s->path = sm_strf("%s", path);
		s->name = sm_strf("%s", sm_path_base(path));
	}
	if (!s || !s->path || !s->name) {
		destroy(s);
		SM_FAIL(err, SM_BUDGET, "%s: out of memory", sm_path_base(path));
		return NULL;
	}
	return s;
}

/* Sizes of a tile in bytes; false when they overflow or a dim is below 1. */
static bool set_shape(struct sm_shard *s, const struct sm_tile_shape *shape)
{
	size_t voxels, total;
	if (shape->tiles < 1 || shape->channels < 1 || shape->depth < 1 || shape->height < 1 ||
	    shape->width < 1)
		return false;
	s->shape = *shape;
	/* HDF5 chunks must stay below 4 GiB */
	if (!sm_mul3((size_t)shape->depth, (size_t)shape->height, (size_t)shape->width, &voxels) ||
	    !sm_mul3(voxels, (size_t)shape->channels, 4, &s->x_bytes) || s->x_bytes > UINT32_MAX ||
	    !sm_mul(s->x_bytes, (size_t)shape->tiles, &total) || total > INT64_MAX)
		return false;
	s->y_bytes = voxels;
	return true;
}

static const char *reason(const struct sm_shard *s)
{
	return s->errnum ? strerror(s->errnum) : "HDF5 failed";
}

static enum sm_status begin_file(struct sm_shard *s, const char *case_key, struct sm_err *err)
{
	const struct sm_tile_shape *p = &s->shape;
	hsize_t xd[5] = {(hsize_t)p->tiles, (hsize_t)p->channels, (hsize_t)p->depth,
			 (hsize_t)p->height, (hsize_t)p->width};
	hsize_t yd[4] = {xd[0], xd[2], xd[3], xd[4]};
	hsize_t xc[5] = {1, xd[1], xd[2], xd[3], xd[4]}, yc[4] = {1, yd[1], yd[2], yd[3]};
	sm_h5_quiet();
	SM_TRY(sm_outfile_begin(&s->out, s->path, false, err));
	s->file = sm_h5_create(s->out.temp, &s->errnum);
	if (s->file < 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be created: %s", s->name, reason(s));
	s->x = sm_h5_chunked(s->file, "x", H5T_IEEE_F32LE, 5, xd, xc, s->level > 0, s->level);
	s->y = sm_h5_chunked(s->file, "y", H5T_STD_U8LE, 4, yd, yc, false,
			     s->level > 1 ? s->level : 1);
	if (s->x < 0 || s->y < 0 || !sm_h5_put_text(s->file, "schema", SM_TILES_SCHEMA) ||
	    !sm_h5_put_text(s->file, "case", case_key) || !sm_h5_put_text(s->file, "axes", AXES))
		return SM_FAIL(err, SM_IO, "%s: HDF5 could not write the datasets' heads", s->name);
	return SM_OK;
}

enum sm_status sm_shard_create(const char *path, const struct sm_tile_shape *shape,
			       const char *case_key, int level, struct sm_shard **out,
			       struct sm_err *err)
{
	enum sm_status st = SM_OK;
	*out = NULL;
	struct sm_shard *s = make(path, err);
	if (!s)
		return SM_BUDGET;
	s->level = level;
	if (level < 0 || level > 12 || !set_shape(s, shape) || !sm_key_is_safe(case_key)) {
		st = SM_FAIL(
		    err, SM_INTERNAL,
		    "%s: level %d, %lld tiles of %lld x %lld x %lld x %lld, or the case key is "
		    "out of range",
		    s->name, level, (long long)shape->tiles, (long long)shape->channels,
		    (long long)shape->depth, (long long)shape->height, (long long)shape->width);
		goto out;
	}
	s->slots = sm_calloc(NULL, (size_t)shape->tiles, sizeof *s->slots, s->name, err);
	s->start = sm_calloc(NULL, (size_t)shape->tiles, 3 * sizeof *s->start, s->name, err);
	s->crc = sm_calloc(NULL, (size_t)shape->tiles, 3 * sizeof *s->crc, s->name, err);
	if (!s->slots || !s->start || !s->crc) {
		st = SM_BUDGET;
		goto out;
	}
	SM_GOTO(st, begin_file(s, case_key, err));
	*out = s;
	s = NULL;
out:
	destroy(s);
	return st;
}

static uint32_t crc_start(const int32_t start[3])
{
	return libdeflate_crc32(0, start, 3 * sizeof *start);
}

/* Writes the tiles whose turn it is. With the lock held. */
static enum sm_status flush(struct sm_shard *s, struct sm_err *err)
{
	for (; s->next < s->shape.tiles && s->slots[s->next].here; s->next++) {
		struct slot *t = &s->slots[s->next];
		hsize_t at[5] = {(hsize_t)s->next};
		if (H5Dwrite_chunk(s->x, H5P_DEFAULT, 0, at, t->x_n, t->x) < 0 ||
		    H5Dwrite_chunk(s->y, H5P_DEFAULT, 0, at, t->y_n, t->y) < 0 || s->errnum)
			return SM_FAIL(err, SM_IO, "%s: cannot write tile %lld: %s", s->name,
				       (long long)s->next, reason(s));
		sm_free(t->x);
		sm_free(t->y);
		t->x = t->y = NULL;
	}
	return SM_OK;
}

enum sm_status sm_shard_put(struct sm_shard *s, int64_t k, const float *x, const uint8_t *y,
			    const int32_t start[3], struct sm_err *err)
{
	enum sm_status st;
	struct slot t = {.here = true};
	uint32_t crc[3] = {libdeflate_crc32(0, x, s->x_bytes), libdeflate_crc32(0, y, s->y_bytes),
			   crc_start(start)};
	if (k < 0 || k >= s->shape.tiles)
		return SM_FAIL(err, SM_INTERNAL, "%s: tile %lld, allowed are 0..%lld", s->name,
			       (long long)k, (long long)s->shape.tiles - 1);
	sm_h5_quiet();
	sm_sha256_bytes(x, s->x_bytes, t.x_hash);
	sm_sha256_bytes(y, s->y_bytes, t.y_hash);
	SM_GOTO(st, sm_chunk_pack(x, s->x_bytes, s->level > 0, s->level, &t.x, &t.x_n, err));
	/* Labels are mostly runs: packing them costs next to nothing even when x is only stored. */
	SM_GOTO(st, sm_chunk_pack(y, s->y_bytes, false, s->level > 1 ? s->level : 1, &t.y, &t.y_n,
				  err));
	pthread_mutex_lock(&s->lock);
	if (s->error.code == SM_OK && s->slots[k].here)
		SM_FAIL(&s->error, SM_INTERNAL, "%s: tile %lld came twice", s->name, (long long)k);
	if (s->error.code == SM_OK) {
		s->slots[k] = t;
		t.x = t.y = NULL;
		memcpy(s->start + 3 * k, start, 3 * sizeof *start);
		memcpy(s->crc + 3 * k, crc, sizeof crc);
		flush(s, &s->error);
	}
	st = s->error.code;
	if (st != SM_OK && err)
		*err = s->error;
	pthread_mutex_unlock(&s->lock);
out:
	sm_free(t.x);
	sm_free(t.y);
	return st;
}

/* SHA-256 over the tiles' digests. */
static enum sm_status fold(const struct sm_shard *s, bool y, char hex[65], struct sm_err *err)
{
	struct sm_sha256 *h = sm_sha256_begin();
	if (!h)
		return SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", s->name);
	for (int64_t k = 0; k < s->shape.tiles; k++)
		sm_sha256_add(h, y ? s->slots[k].y_hash : s->slots[k].x_hash, 64);
	sm_sha256_end(h, hex);
	return SM_OK;
}

/* What stands behind the chunks; closes the file. */
static enum sm_status finish(struct sm_shard *s, char content[65], struct sm_err *err)
{
	char xh[65], yh[65], whole[65];
	hsize_t dims[2] = {(hsize_t)s->shape.tiles, 3};
	if (s->error.code != SM_OK) {
		if (err)
			*err = s->error;
		return s->error.code;
	}
	if (s->next < s->shape.tiles)
		return SM_FAIL(err, SM_INTERNAL, "%s: tile %lld of %lld never came", s->name,
			       (long long)s->next, (long long)s->shape.tiles);
	SM_TRY(fold(s, false, xh, err));
	SM_TRY(fold(s, true, yh, err));
	sm_h5_quiet();
	bool good =
	    sm_h5_plain(s->file, "start", H5T_STD_I32LE, H5T_NATIVE_INT32, 2, dims, s->start) &&
	    sm_h5_plain(s->file, "crc32", H5T_STD_U32LE, H5T_NATIVE_UINT32, 2, dims, s->crc) &&
	    sm_h5_put_text(s->file, "x_sha256", xh) && sm_h5_put_text(s->file, "y_sha256", yh);
	good = H5Dclose(s->x) >= 0 && good;
	good = H5Dclose(s->y) >= 0 && good;
	good = H5Fclose(s->file) >= 0 && good;
	s->x = s->y = s->file = -1;
	if (!good || s->errnum)
		return SM_FAIL(err, SM_IO, "%s: cannot finish the file: %s", s->name, reason(s));
	const struct sm_h5_known known[] = {{"/x", xh}, {"/y", yh}};
	return sm_h5_identity(s->out.temp, s->name, known, 2, NULL, content ? content : whole, err);
}

enum sm_status sm_shard_commit(struct sm_shard *s, char content[65], struct sm_err *err)
{
	enum sm_status st = finish(s, content, err);
	if (st == SM_OK)
		st = sm_outfile_commit(&s->out, err);
	if (st != SM_OK && content)
		content[0] = 0;
	destroy(s);
	return st;
}

void sm_shard_abandon(struct sm_shard *s)
{
	destroy(s);
}

void sm_shard_close(struct sm_shard *s)
{
	destroy(s);
}

/* Opens a dataset and checks type, rank, chunk (one tile) and filters (shuffle or none, deflate).
 */
static enum sm_status open_set(struct sm_shard *s, const char *name, hid_t want, int rank,
			       hsize_t *dims, hid_t *set, bool *shuffled, struct sm_err *err)
{
	hsize_t chunk[5] = {0};
	bool good = false;
	*set = H5Dopen2(s->file, name, H5P_DEFAULT);
	if (*set < 0)
		return SM_FAIL(err, SM_INPUT, "%s: has no dataset %s", s->name, name);
	hid_t type = H5Dget_type(*set), space = H5Dget_space(*set),
	      dcpl = H5Dget_create_plist(*set);
	if (type < 0 || space < 0 || dcpl < 0 || H5Tequal(type, want) <= 0 ||
	    H5Sget_simple_extent_ndims(space) != rank ||
	    H5Sget_simple_extent_dims(space, dims, NULL) != rank ||
	    H5Pget_layout(dcpl) != H5D_CHUNKED || H5Pget_chunk(dcpl, rank, chunk) != rank)
		goto out;
	good = chunk[0] == 1;
	for (int i = 1; i < rank; i++)
		good = good && chunk[i] == dims[i];
	int filters = H5Pget_nfilters(dcpl);
	*shuffled = filters == 2;
	good = good && (filters == 1 || filters == 2);
	for (int i = 0; good && i < filters; i++) {
		unsigned flags, config;
		size_t n = 0;
		H5Z_filter_t id =
		    H5Pget_filter2(dcpl, (unsigned)i, &flags, &n, NULL, 0, NULL, &config);
		good = id == (i < filters - 1 ? H5Z_FILTER_SHUFFLE : H5Z_FILTER_DEFLATE);
	}
	good = good && !(*shuffled && rank == 4); /* shuffling single bytes means nothing */
out:
	if (dcpl >= 0)
		H5Pclose(dcpl);
	if (space >= 0)
		H5Sclose(space);
	if (type >= 0)
		H5Tclose(type);
	if (!good)
		return SM_FAIL(
		    err, SM_INPUT,
		    "%s: dataset %s has not the type, rank, chunks (one tile each) or filters "
		    "(shuffle, deflate) of a shard",
		    s->name, name);
	return SM_OK;
}

/* Where the chunks stand, so that reading a tile needs no HDF5 and no lock. */
static enum sm_status locate(struct sm_shard *s, hid_t set, size_t which, size_t bytes,
			     struct sm_err *err)
{
	for (int64_t k = 0; k < s->shape.tiles; k++) {
		hsize_t at[5] = {(hsize_t)k};
		unsigned mask = 0;
		struct piece *p = &s->pieces[2 * (size_t)k + which];
		if (H5Dget_chunk_info_by_coord(set, at, &mask, &p->at, &p->n) < 0 ||
		    p->at == HADDR_UNDEF || mask)
			return SM_FAIL(err, SM_INPUT,
				       "%s: tile %lld of %s is missing or unfiltered", s->name,
				       (long long)k, which ? "y" : "x");
		if (p->n > (hsize_t)s->length || p->at > (hsize_t)s->length - p->n ||
		    bytes / SM_DEFLATE_MAX_RATIO > p->n)
			return SM_FAIL(err, SM_INPUT,
				       "%s: tile %lld of %s lies outside the file or is too short",
				       s->name, (long long)k, which ? "y" : "x");
	}
	return SM_OK;
}

/* Reads a dataset of (tiles, 3) numbers. */
static enum sm_status read_triples(struct sm_shard *s, const char *name, hid_t type, void *out,
				   struct sm_err *err)
{
	hsize_t dims[2] = {0, 0};
	bool good = false;
	hid_t set = H5Dopen2(s->file, name, H5P_DEFAULT);
	hid_t space = set < 0 ? -1 : H5Dget_space(set);
	if (space >= 0 && H5Sget_simple_extent_ndims(space) == 2 &&
	    H5Sget_simple_extent_dims(space, dims, NULL) == 2 &&
	    dims[0] == (hsize_t)s->shape.tiles && dims[1] == 3)
		good = H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;
	if (space >= 0)
		H5Sclose(space);
	sm_h5_close_dataset(&set);
	if (!good)
		return SM_FAIL(err, SM_INPUT, "%s: dataset %s is missing or not (%lld, 3)", s->name,
			       name, (long long)s->shape.tiles);
	return SM_OK;
}

static enum sm_status read_head(struct sm_shard *s, char case_key[128], struct sm_err *err)
{
	char schema[64];
	hsize_t xd[5] = {0}, yd[4] = {0};
	if (!sm_h5_get_text(s->file, "schema", schema, sizeof schema) ||
	    strcmp(schema, SM_TILES_SCHEMA) != 0)
		return SM_FAIL(err, SM_INPUT, "%s: attribute schema is \"%s\", allowed is \"%s\"",
			       s->name, schema, SM_TILES_SCHEMA);
	if (!sm_h5_get_text(s->file, "case", case_key, 128) || !sm_key_is_safe(case_key))
		return SM_FAIL(err, SM_INPUT, "%s: attribute case is missing or no key", s->name);
	SM_TRY(open_set(s, "x", H5T_IEEE_F32LE, 5, xd, &s->x, &s->x_shuffled, err));
	SM_TRY(open_set(s, "y", H5T_STD_U8LE, 4, yd, &s->y, &s->y_shuffled, err));
	struct sm_tile_shape shape = {(int64_t)xd[0], (int64_t)xd[1], (int64_t)xd[2],
				      (int64_t)xd[3], (int64_t)xd[4]};
	if (yd[0] != xd[0] || yd[1] != xd[2] || yd[2] != xd[3] || yd[3] != xd[4] ||
	    !set_shape(s, &shape))
		return SM_FAIL(
		    err, SM_INPUT,
		    "%s: x is (%lld, %lld, %lld, %lld, %lld), and y does not fit it or it is too "
		    "large",
		    s->name, (long long)xd[0], (long long)xd[1], (long long)xd[2], (long long)xd[3],
		    (long long)xd[4]);
	/* The chunks' own index needs more than this a tile, so a false count meets the file's end.
	 */
	if (shape.tiles > s->length / 8)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %lld tiles are more than its %lld bytes can hold", s->name,
			       (long long)shape.tiles, (long long)s->length);
	s->pieces = sm_calloc(NULL, (size_t)shape.tiles, 2 * sizeof *s->pieces, s->name, err);
	s->start = sm_calloc(NULL, (size_t)shape.tiles, 3 * sizeof *s->start, s->name, err);
	s->crc = sm_calloc(NULL, (size_t)shape.tiles, 3 * sizeof *s->crc, s->name, err);
	if (!s->pieces || !s->start || !s->crc)
		return SM_BUDGET;
	SM_TRY(locate(s, s->x, 0, s->x_bytes, err));
	SM_TRY(locate(s, s->y, 1, s->y_bytes, err));
	SM_TRY(read_triples(s, "start", H5T_NATIVE_INT32, s->start, err));
	SM_TRY(read_triples(s, "crc32", H5T_NATIVE_UINT32, s->crc, err));
	for (int64_t k = 0; k < shape.tiles; k++)
		if (crc_start(s->start + 3 * k) != s->crc[3 * k + 2])
			return SM_FAIL(err, SM_INPUT, "%s: start of tile %lld is damaged", s->name,
				       (long long)k);
	return SM_OK;
}

enum sm_status sm_shard_open(const char *path, struct sm_shard **out, struct sm_tile_shape *shape,
			     char case_key[128], struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct stat sb;
	char key[128];
	*out = NULL;
	*shape = (struct sm_tile_shape){0};
	struct sm_shard *s = make(path, err);
	if (!s)
		return SM_BUDGET;
	sm_h5_quiet();
	if (stat(path, &sb)) {
		st = SM_FAIL(err, SM_IO, "%s: cannot open: %s", s->name, strerror(errno));
		goto out;
	}
	s->length = sb.st_size;
	s->file = sm_h5_open(path);
	if (s->file < 0) {
		st = SM_FAIL(err, sm_h5_open_failed(), "%s: is no HDF5 file or is cut off (%lld bytes)",
			     s->name, (long long)s->length);
		goto out;
	}
	SM_GOTO(st, read_head(s, case_key ? case_key : key, err));
	sm_h5_close_dataset(&s->x);
	sm_h5_close_dataset(&s->y);
	sm_h5_close_file(&s->file);
	*shape = s->shape;
	*out = s;
	s = NULL;
out:
	destroy(s);
	if (st != SM_OK && case_key)
		case_key[0] = 0;
	return st;
}

/* Reads and unpacks one chunk of an open file. */
static enum sm_status read_piece(const struct sm_shard *s, int fd, int64_t k, bool is_y, void *out,
				 struct sm_err *err)
{
	const struct piece *p = &s->pieces[2 * (size_t)k + is_y];
	size_t n = (size_t)p->n, got = 0;
	unsigned char *packed = sm_alloc(NULL, n, 1, s->name, err);
	if (!packed)
		return SM_BUDGET;
	enum sm_status st = SM_OK;
	while (got < n) {
		ssize_t r = pread(fd, packed + got, n - got, (off_t)(p->at + got));
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			st = SM_FAIL(err, SM_IO, "%s: cannot read tile %lld: %s", s->name,
				     (long long)k, r ? strerror(errno) : "the file became shorter");
			break;
		}
		got += (size_t)r;
	}
	size_t bytes = is_y ? s->y_bytes : s->x_bytes;
	bool shuffled = is_y ? s->y_shuffled : s->x_shuffled;
	if (st == SM_OK && (!sm_chunk_unpack(packed, n, shuffled, out, bytes) ||
			    libdeflate_crc32(0, out, bytes) != s->crc[3 * k + is_y]))
		st =
		    SM_FAIL(err, SM_INPUT,
			    "%s: %s of tile %lld is damaged (its zlib stream or checksum is wrong)",
			    s->name, is_y ? "y" : "x", (long long)k);
	sm_free(packed);
	return st;
}

enum sm_status sm_shard_read(struct sm_shard *s, int64_t k, float *x, uint8_t *y, int32_t start[3],
			     struct sm_err *err)
{
	enum sm_status st = SM_OK;
	if (!s->pieces || k < 0 || k >= s->shape.tiles)
		return SM_FAIL(err, SM_INTERNAL, "%s: tile %lld, allowed are 0..%lld", s->name,
			       (long long)k, (long long)s->shape.tiles - 1);
	/* Opened for each tile: thousands of shards may be in use, and descriptors are few. */
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return SM_FAIL(err, SM_IO, "%s: cannot open: %s", s->name, strerror(errno));
	if (x)
		SM_GOTO(st, read_piece(s, fd, k, false, x, err));
	if (y)
		SM_GOTO(st, read_piece(s, fd, k, true, y, err));
	if (start)
		memcpy(start, s->start + 3 * k, 3 * sizeof *start);
out:
	close(fd);
	return st;
}
