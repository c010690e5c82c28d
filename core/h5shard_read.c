/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading shards: HDF5 for the head, plain reads for the samples.
 */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/h5shard.h"
#include "core/hash.h"

/* Opens a dataset and checks type, rank, chunk (one sample) and filters (shuffle or none,
 * deflate). */
static enum sm_status open_set(struct sm_shard *s, int which, struct sm_err *err)
{
	struct sm_shard_set *set = &s->set[which];
	bool labels = which == SM_SET_Y, good = false;
	const char *name = sm_shard_set_name(which);
	hsize_t chunk[5] = {0};
	int rank = labels ? 4 : 5;
	set->id = H5Dopen2(s->file, name, H5P_DEFAULT);
	if (set->id < 0)
		return SM_FAIL(err, SM_INPUT, "%s: has no dataset %s", s->name, name);
	hid_t type = H5Dget_type(set->id), space = H5Dget_space(set->id),
	      dcpl = H5Dget_create_plist(set->id);
	if (type < 0 || space < 0 || dcpl < 0 ||
	    H5Tequal(type, labels ? H5T_STD_U8LE : H5T_IEEE_F32LE) <= 0 ||
	    H5Sget_simple_extent_ndims(space) != rank ||
	    H5Sget_simple_extent_dims(space, set->dims, NULL) != rank ||
	    H5Pget_layout(dcpl) != H5D_CHUNKED || H5Pget_chunk(dcpl, rank, chunk) != rank)
		goto out;
	good = chunk[0] == 1;
	for (int i = 1; i < rank; i++)
		good = good && chunk[i] == set->dims[i];
	int filters = H5Pget_nfilters(dcpl);
	set->shuffled = filters == 2;
	good = good && (filters == 1 || filters == 2);
	for (int i = 0; good && i < filters; i++) {
		unsigned flags, config;
		size_t n = 0;
		H5Z_filter_t id =
		    H5Pget_filter2(dcpl, (unsigned)i, &flags, &n, NULL, 0, NULL, &config);
		good = id == (i < filters - 1 ? H5Z_FILTER_SHUFFLE : H5Z_FILTER_DEFLATE);
	}
	good = good && !(set->shuffled && labels); /* shuffling single bytes means nothing */
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

/* Where the chunks stand, so that reading a sample needs no HDF5 and no lock. */
static enum sm_status locate(struct sm_shard *s, int which, struct sm_err *err)
{
	const struct sm_shard_set *set = &s->set[which];
	const char *name = sm_shard_set_name(which);
	for (int64_t k = 0; k < s->shape.tiles; k++) {
		hsize_t at[5] = {(hsize_t)k};
		unsigned mask = 0;
		struct sm_shard_piece *p = &s->pieces[SM_SETS * (size_t)k + (size_t)which];
		if (H5Dget_chunk_info_by_coord(set->id, at, &mask, &p->at, &p->n) < 0 ||
		    p->at == HADDR_UNDEF || mask)
			return SM_FAIL(err, SM_INPUT,
				       "%s: tile %lld of %s is missing or unfiltered", s->name,
				       (long long)k, name);
		if (p->n > (hsize_t)s->length || p->at > (hsize_t)s->length - p->n ||
		    set->bytes / SM_DEFLATE_MAX_RATIO > p->n)
			return SM_FAIL(err, SM_INPUT,
				       "%s: tile %lld of %s lies outside the file or is too short",
				       s->name, (long long)k, name);
	}
	return SM_OK;
}

/* Reads a dataset of (tiles, width) numbers, or (tiles) when width is 0. */
static enum sm_status read_table(struct sm_shard *s, const char *name, hid_t type, int width,
				 void *out, struct sm_err *err)
{
	hsize_t dims[2] = {0, 0};
	int rank = width ? 2 : 1;
	bool good = false;
	hid_t set = H5Dopen2(s->file, name, H5P_DEFAULT);
	hid_t space = set < 0 ? -1 : H5Dget_space(set);
	if (space >= 0 && H5Sget_simple_extent_ndims(space) == rank &&
	    H5Sget_simple_extent_dims(space, dims, NULL) == rank &&
	    dims[0] == (hsize_t)s->shape.tiles && (int)dims[1] == width)
		good = sm_h5_read_all(set, type, out);
	if (space >= 0)
		H5Sclose(space);
	sm_h5_close_dataset(&set);
	if (!good)
		return SM_FAIL(err, SM_INPUT, "%s: dataset %s is missing or not (%lld%s%.0d)",
			       s->name, name, (long long)s->shape.tiles, width ? ", " : "", width);
	return SM_OK;
}

/* Schema and key; *plain tells a shard of tiles. */
static enum sm_status read_texts(struct sm_shard *s, char case_key[128], bool *plain,
				 struct sm_err *err)
{
	char schema[64];
	bool known = sm_h5_get_text(s->file, "schema", schema, sizeof schema);
	*plain = known && strcmp(schema, SM_TILES_SCHEMA) == 0;
	if (!*plain && (!known || strcmp(schema, SM_SAMPLES_SCHEMA) != 0))
		return SM_FAIL(err, SM_INPUT,
			       "%s: attribute schema is \"%s\", allowed is \"%s\" or \"%s\"",
			       s->name, schema, SM_TILES_SCHEMA, SM_SAMPLES_SCHEMA);
	if (!sm_h5_get_text(s->file, "case", case_key, 128) || !sm_key_is_safe(case_key))
		return SM_FAIL(err, SM_INPUT, "%s: attribute case is missing or no key", s->name);
	return SM_OK;
}

static bool has(const struct sm_shard *s, const char *name)
{
	return H5Lexists(s->file, name, H5P_DEFAULT) > 0;
}

/* Opens the datasets and derives the shape from them. */
static enum sm_status read_shape(struct sm_shard *s, bool plain, struct sm_err *err)
{
	bool y = plain || has(s, "y"), b = !plain && has(s, "b");
	SM_TRY(open_set(s, SM_SET_X, err));
	if (y)
		SM_TRY(open_set(s, SM_SET_Y, err));
	if (b)
		SM_TRY(open_set(s, SM_SET_B, err));
	const hsize_t *xd = s->set[SM_SET_X].dims, *yd = s->set[SM_SET_Y].dims,
		      *bd = s->set[SM_SET_B].dims;
	struct sm_tile_shape shape = {(int64_t)xd[0], (int64_t)xd[1], (int64_t)xd[2],
				      (int64_t)xd[3], (int64_t)xd[4], b ? (int64_t)bd[1] : 0, 0};
	if (!y)
		shape.parts |= SM_SHARD_UNLABELLED;
	if (!plain && has(s, "index"))
		shape.parts |= SM_SHARD_INDEX;
	if (!plain && has(s, "fold"))
		shape.parts |= SM_SHARD_FOLD;
	bool fits = !y || (yd[0] == xd[0] && memcmp(yd + 1, xd + 2, 3 * sizeof *xd) == 0);
	fits = fits &&
	       (!b || (bd[0] == xd[0] && bd[1] && memcmp(bd + 2, xd + 2, 3 * sizeof *xd) == 0));
	if (!fits || !sm_shard_set_shape(s, &shape))
		return SM_FAIL(
		    err, SM_INPUT,
		    "%s: x is (%lld, %lld, %lld, %lld, %lld), and %s does not fit it or it is too "
		    "large",
		    s->name, (long long)xd[0], (long long)xd[1], (long long)xd[2], (long long)xd[3],
		    (long long)xd[4], b ? "y or b" : "y");
	/* The chunks' own index needs more than this a tile, so a false count meets the file's end.
	 */
	if (shape.tiles > s->length / 8)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %lld tiles are more than its %lld bytes can hold", s->name,
			       (long long)shape.tiles, (long long)s->length);
	return SM_OK;
}

static enum sm_status check_tables(const struct sm_shard *s, struct sm_err *err)
{
	int at = s->columns - (s->fold ? 2 : 1);
	for (int64_t k = 0; k < s->shape.tiles; k++) {
		const uint32_t *crc = s->crc + s->columns * k;
		if (sm_shard_crc_place(s, s->place + s->width * k) != crc[at])
			return SM_FAIL(err, SM_INPUT, "%s: %s of tile %lld is damaged", s->name,
				       sm_shard_place_name(s), (long long)k);
		if (s->fold && (sm_shard_crc_fold(s->fold[k]) != crc[at + 1] || s->fold[k] > 2))
			return SM_FAIL(err, SM_INPUT, "%s: fold of tile %lld is damaged", s->name,
				       (long long)k);
	}
	return SM_OK;
}

static enum sm_status read_head(struct sm_shard *s, char case_key[128], struct sm_err *err)
{
	bool plain;
	SM_TRY(read_texts(s, case_key, &plain, err));
	SM_TRY(read_shape(s, plain, err));
	SM_TRY(sm_shard_make_tables(s, err));
	s->pieces =
	    sm_calloc(NULL, (size_t)s->shape.tiles, SM_SETS * sizeof *s->pieces, s->name, err);
	if (!s->pieces)
		return SM_BUDGET;
	for (int i = 0; i < SM_SETS; i++)
		if (s->set[i].used)
			SM_TRY(locate(s, i, err));
	SM_TRY(read_table(s, sm_shard_place_name(s), H5T_NATIVE_INT32, s->width, s->place, err));
	if (s->fold)
		SM_TRY(read_table(s, "fold", H5T_NATIVE_UINT8, 0, s->fold, err));
	SM_TRY(read_table(s, "crc32", H5T_NATIVE_UINT32, s->columns, s->crc, err));
	return check_tables(s, err);
}

enum sm_status sm_shard_open(const char *path, struct sm_shard **out, struct sm_tile_shape *shape,
			     char case_key[128], struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct stat sb;
	char key[128];
	*out = NULL;
	*shape = (struct sm_tile_shape){0};
	struct sm_shard *s = sm_shard_make(path, err);
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
		st = SM_FAIL(err, sm_h5_open_failed(),
			     "%s: is no HDF5 file or is cut off (%lld bytes)", s->name,
			     (long long)s->length);
		goto out;
	}
	SM_GOTO(st, read_head(s, case_key ? case_key : key, err));
	for (int i = 0; i < SM_SETS; i++)
		sm_h5_close_dataset(&s->set[i].id);
	sm_h5_close_file(&s->file);
	*shape = s->shape;
	*out = s;
	s = NULL;
out:
	sm_shard_free(s);
	if (st != SM_OK && case_key)
		case_key[0] = 0;
	return st;
}

void sm_shard_close(struct sm_shard *s)
{
	sm_shard_free(s);
}

/* Reads and unpacks one chunk of an open file; column: of crc. */
static enum sm_status read_piece(const struct sm_shard *s, int fd, int64_t k, int which, int column,
				 void *out, struct sm_err *err)
{
	const struct sm_shard_piece *p = &s->pieces[SM_SETS * (size_t)k + (size_t)which];
	const struct sm_shard_set *set = &s->set[which];
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
	if (st == SM_OK &&
	    (!sm_chunk_unpack(packed, n, set->shuffled, out, set->bytes) ||
	     libdeflate_crc32(0, out, set->bytes) != s->crc[s->columns * k + column]))
		st =
		    SM_FAIL(err, SM_INPUT,
			    "%s: %s of tile %lld is damaged (its zlib stream or checksum is wrong)",
			    s->name, sm_shard_set_name(which), (long long)k);
	sm_free(packed);
	return st;
}

enum sm_status sm_shard_read_sample(struct sm_shard *s, int64_t k, struct sm_shard_room *room,
				    struct sm_err *err)
{
	enum sm_status st = SM_OK;
	void *out[SM_SETS] = {room->x, room->y, room->b};
	int column = 0, fd = -1;
	if (!s->pieces || k < 0 || k >= s->shape.tiles)
		return SM_FAIL(err, SM_INTERNAL, "%s: tile %lld, allowed are 0..%lld", s->name,
			       (long long)k, (long long)s->shape.tiles - 1);
	for (int i = 0; i < SM_SETS; i++) {
		if (out[i] && !s->set[i].used) {
			st = SM_FAIL(err, SM_INTERNAL, "%s: has no %s to be read", s->name,
				     sm_shard_set_name(i));
			goto out;
		}
		/* Opened for each sample: thousands of shards may be in use, and descriptors are
		 * few. */
		if (out[i] && fd < 0)
			fd = open(s->path, O_RDONLY | O_CLOEXEC);
		if (out[i] && fd < 0)
			return SM_FAIL(err, SM_IO, "%s: cannot open: %s", s->name, strerror(errno));
		if (out[i])
			SM_GOTO(st, read_piece(s, fd, k, i, column, out[i], err));
		column += s->set[i].used;
	}
	memset(room->place, 0, sizeof room->place);
	memcpy(room->place, s->place + s->width * k, (size_t)s->width * sizeof *s->place);
	room->fold = s->fold ? s->fold[k] : 0;
out:
	if (fd >= 0)
		close(fd);
	return st;
}

enum sm_status sm_shard_read(struct sm_shard *s, int64_t k, float *x, uint8_t *y, int32_t start[3],
			     struct sm_err *err)
{
	struct sm_shard_room room = {.x = x, .y = y};
	SM_TRY(sm_shard_read_sample(s, k, &room, err));
	if (start)
		memcpy(start, room.place, sizeof room.place);
	return SM_OK;
}

enum sm_status sm_shard_named_sha256(const char *path, struct sm_mem *mem, char sha256[65],
				     struct sm_err *err)
{
	const char *name = sm_path_base(path);
	char hex[SM_SETS][65] = {"", "", ""}, at[SM_SETS][8], attr[16];
	struct sm_h5_known known[SM_SETS];
	size_t n = 0;
	sha256[0] = 0;
	sm_h5_quiet();
	hid_t file = sm_h5_open(path);
	bool good = file >= 0;
	for (int i = 0; good && i < SM_SETS; i++) {
		snprintf(at[i], sizeof at[i], "/%s", sm_shard_set_name(i));
		snprintf(attr, sizeof attr, "%s_sha256", sm_shard_set_name(i));
		if (H5Lexists(file, at[i], H5P_DEFAULT) <= 0)
			continue;
		good = sm_h5_get_text(file, attr, hex[i], sizeof hex[i]) && strlen(hex[i]) == 64;
		known[n++] = (struct sm_h5_known){at[i], hex[i]};
	}
	sm_h5_close_file(&file);
	if (!good || !n)
		return SM_FAIL(err, SM_INPUT,
			       "%s: lacks the attributes x_sha256 and so on of a shard", name);
	return sm_h5_identity(path, name, known, n, mem, sha256, err);
}
