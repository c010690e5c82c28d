/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5base.h"
#include "core/h5tile.h"
#include "core/hash.h"

#define MAX_OBJECTS 100000
#define MAX_RANK H5S_MAX_RANK

/* The identity is the SHA-256 of lines, one an attribute and one a dataset:
 *   attribute <path> <name> <type> <dims> <digest>
 *   dataset <path> <type> <dims> <digest>
 * objects in the order of their paths' bytes, "/" first, an object's attributes (by name) before
 * its data; path and name with their length before them, so that no name can look like two fields.
 * A digest is the SHA-256 of the values in little-endian order; of a dataset whose chunks are one
 * index of the first axis and all of the others, the SHA-256 of these slabs' hexadecimal
 * digests one behind the other, so that slabs can be hashed in parallel while they are made. */
struct walk {
	const char *name; /* for sentences */
	const struct sm_h5_known *known;
	size_t known_n;
	struct sm_mem *mem;
	struct sm_sha256 *hash;
	char **paths;
	size_t count, room;
	bool strange; /* a soft or external link, or too many objects */
	bool lost;    /* a line found no memory */
};

static void add_line(struct walk *w, char *line)
{
	if (line)
		sm_sha256_add(w->hash, line, strlen(line));
	else
		w->lost = true;
	free(line);
}

static herr_t on_link(hid_t group, const char *path, const H5L_info_t *info, void *ctx)
{
	struct walk *w = ctx;
	(void)group;
	if (info->type != H5L_TYPE_HARD || w->count >= MAX_OBJECTS) {
		w->strange = true;
		return -1;
	}
	if (w->count == w->room) {
		size_t room = w->room * 2 + 16;
		char **paths = realloc(w->paths, room * sizeof *paths);
		if (!paths)
			return -1;
		w->paths = paths;
		w->room = room;
	}
	w->paths[w->count] = sm_strf("/%s", path);
	if (!w->paths[w->count])
		return -1;
	w->count++;
	return 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A type as the file has it: its name in out, and the type to read it with (to be closed), or -1
 * when the identity does not know it. */
static hid_t read_type(hid_t type, char out[32])
{
	size_t size = H5Tget_size(type);
	switch (H5Tget_class(type)) {
	case H5T_INTEGER:
		snprintf(out, 32, "%s%zu", H5Tget_sign(type) == H5T_SGN_NONE ? "uint" : "int",
			 size * 8);
		break;
	case H5T_FLOAT:
		snprintf(out, 32, "float%zu", size * 8);
		break;
	case H5T_STRING:
		if (H5Tis_variable_str(type))
			return -1;
		snprintf(out, 32, "text%zu", size);
		return H5Tcopy(type);
	default:
		return -1;
	}
	hid_t memory = H5Tcopy(type);
	if (memory >= 0 && H5Tset_order(memory, H5T_ORDER_LE) < 0) {
		H5Tclose(memory);
		return -1;
	}
	return memory;
}

/* "2x3x4", "scalar"; false for a null or unreadable space. *count is the number of values. */
static bool read_dims(hid_t space, char text[MAX_RANK * 21 + 1], hsize_t dims[MAX_RANK], int *rank,
		      size_t *count)
{
	*rank = H5Sget_simple_extent_ndims(space);
	if (*rank < 0 || *rank > MAX_RANK || H5Sget_simple_extent_type(space) == H5S_NULL)
		return false;
	size_t n = (size_t)snprintf(text, MAX_RANK * 21 + 1, "%s", *rank ? "" : "scalar");
	*count = 1;
	if (*rank && H5Sget_simple_extent_dims(space, dims, NULL) != *rank)
		return false;
	for (int i = 0; i < *rank; i++) {
		n += (size_t)snprintf(text + n, 22, "%s%llu", i ? "x" : "",
				      (unsigned long long)dims[i]);
		if (!sm_mul(*count, (size_t)dims[i], count))
			return false;
	}
	return true;
}

/* True when each chunk is one index of the first axis. */
static bool has_slabs(hid_t set, int rank, const hsize_t dims[MAX_RANK])
{
	hsize_t chunk[MAX_RANK];
	hid_t dcpl = H5Dget_create_plist(set);
	bool slabs = dcpl >= 0 && rank > 1 && H5Pget_layout(dcpl) == H5D_CHUNKED &&
		     H5Pget_chunk(dcpl, rank, chunk) == rank && chunk[0] == 1;
	for (int i = 1; slabs && i < rank; i++)
		slabs = chunk[i] == dims[i];
	if (dcpl >= 0)
		H5Pclose(dcpl);
	return slabs;
}

static bool read_slab(hid_t set, hid_t space, hid_t type, int rank, const hsize_t *dims, hsize_t at,
		      size_t values, void *out)
{
	hsize_t start[MAX_RANK] = {at}, count[MAX_RANK], flat = values;
	memcpy(count, dims, (size_t)rank * sizeof *count);
	count[0] = 1;
	hid_t memory = H5Screate_simple(1, &flat, NULL);
	bool good = memory >= 0 &&
		    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL) >= 0 &&
		    H5Dread(set, type, memory, space, H5P_DEFAULT, out) >= 0;
	if (memory >= 0)
		H5Sclose(memory);
	return good;
}

static void add_piece(void *hash, const void *piece, size_t n)
{
	sm_sha256_add(hash, piece, n);
}

/* Of a dataset that is one stored chunk, whose size is then no matter; false when it is another. */
static bool hash_stored(hid_t set, hid_t type, bool slab, char hex[65])
{
	struct sm_sha256 hash;
	sm_sha256_init(&hash);
	if (!sm_h5_read_stored(set, type, add_piece, &hash))
		return false;
	sm_sha256_final(&hash, hex);
	if (slab)
		sm_sha256_bytes(hex, 64, hex);
	return true;
}

static enum sm_status hash_data(struct walk *w, const char *path, hid_t set, hid_t space,
				hid_t type, int rank, const hsize_t *dims, size_t count,
				char hex[65], struct sm_err *err)
{
	enum sm_status st = SM_OK;
	bool slabs = has_slabs(set, rank, dims);
	if (hash_stored(set, type, slabs, hex))
		return SM_OK;
	size_t values = slabs ? count / (size_t)dims[0] : count, size = H5Tget_size(type);
	struct sm_sha256 *fold = NULL;
	void *data = sm_alloc(w->mem, values, size, w->name, err);
	if (!data)
		return SM_BUDGET;
	if (!slabs) {
		if (!sm_h5_read_all(set, type, data))
			st = SM_FAIL(err, SM_INPUT, "%s: dataset %s is damaged", w->name, path);
		else
			sm_sha256_bytes(data, values * size, hex);
		goto out;
	}
	fold = sm_sha256_begin();
	if (!fold) {
		st = SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", w->name);
		goto out;
	}
	bool there = sm_h5_chunks_there(set);
	for (hsize_t k = 0; k < dims[0]; k++) {
		if (!there || !read_slab(set, space, type, rank, dims, k, values, data)) {
			st = SM_FAIL(err, SM_INPUT, "%s: dataset %s is damaged at index %llu",
				     w->name, path, (unsigned long long)k);
			break;
		}
		sm_sha256_bytes(data, values * size, hex);
		sm_sha256_add(fold, hex, 64);
	}
	sm_sha256_end(fold, hex);
out:
	sm_free(data);
	return st;
}

/* One attribute (attr, name not NULL) or dataset (attr NULL). */
static enum sm_status add_values(struct walk *w, const char *path, const char *attr, hid_t id,
				 struct sm_err *err)
{
	enum sm_status st = SM_OK;
	char kind[32], dims_text[MAX_RANK * 21 + 1], hex[65] = "";
	hsize_t dims[MAX_RANK];
	int rank = 0;
	size_t count = 0;
	hid_t type = attr ? H5Aget_type(id) : H5Dget_type(id), memory = -1;
	hid_t space = attr ? H5Aget_space(id) : H5Dget_space(id);
	if (type >= 0)
		memory = read_type(type, kind);
	if (memory < 0 || space < 0 || !read_dims(space, dims_text, dims, &rank, &count) ||
	    !count) {
		st = SM_FAIL(
		    err, SM_INPUT,
		    "%s: %s%s%s is neither numbers nor texts of fixed length, the identity does "
		    "not cover it",
		    w->name, path, attr ? " attribute " : "", attr ? attr : "");
		goto out;
	}
	if (attr) {
		void *data = sm_alloc(w->mem, count, H5Tget_size(memory), w->name, err);
		if (!data) {
			st = SM_BUDGET;
			goto out;
		}
		if (H5Aread(id, memory, data) < 0)
			st = SM_FAIL(err, SM_INPUT, "%s: attribute %s of %s is damaged", w->name,
				     attr, path);
		else
			sm_sha256_bytes(data, count * H5Tget_size(memory), hex);
		sm_free(data);
		add_line(w, sm_strf("attribute %zu:%s %zu:%s %s %s %s\n", strlen(path), path,
				    strlen(attr), attr, kind, dims_text, hex));
		goto out;
	}
	for (size_t i = 0; i < w->known_n; i++)
		if (!strcmp(w->known[i].path, path))
			memcpy(hex, w->known[i].digest, 65);
	if (!hex[0])
		st = hash_data(w, path, id, space, memory, rank, dims, count, hex, err);
	add_line(w, sm_strf("dataset %zu:%s %s %s %s\n", strlen(path), path, kind, dims_text, hex));
out:
	if (memory >= 0)
		H5Tclose(memory);
	if (type >= 0)
		H5Tclose(type);
	if (space >= 0)
		H5Sclose(space);
	return st;
}

static enum sm_status add_attributes(struct walk *w, const char *path, hid_t id, struct sm_err *err)
{
	H5O_info_t info;
	if (H5Oget_info2(id, &info, H5O_INFO_NUM_ATTRS) < 0)
		return SM_FAIL(err, SM_INPUT, "%s: %s is damaged", w->name, path);
	for (hsize_t i = 0; i < info.num_attrs; i++) {
		char attr_name[256];
		hid_t attr = H5Aopen_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT,
					    H5P_DEFAULT);
		if (attr < 0)
			return SM_FAIL(err, SM_INPUT, "%s: an attribute of %s is damaged", w->name,
				       path);
		enum sm_status st = SM_OK;
		ssize_t n = H5Aget_name(attr, sizeof attr_name, attr_name);
		if (n < 0 || n >= (ssize_t)sizeof attr_name)
			st = SM_FAIL(err, SM_INPUT,
				     "%s: an attribute of %s has a name above 255 bytes", w->name,
				     path);
		else
			st = add_values(w, path, attr_name, attr, err);
		H5Aclose(attr);
		if (st != SM_OK)
			return st;
	}
	return SM_OK;
}

static enum sm_status add_object(struct walk *w, hid_t file, const char *path, struct sm_err *err)
{
	hid_t id = H5Oopen(file, path, H5P_DEFAULT);
	if (id < 0)
		return SM_FAIL(err, SM_INPUT, "%s: %s is damaged", w->name, path);
	H5I_type_t type = H5Iget_type(id);
	enum sm_status st = SM_OK;
	if (type != H5I_GROUP && type != H5I_DATASET)
		st = SM_FAIL(err, SM_INPUT, "%s: %s is neither a group nor a dataset", w->name,
			     path);
	if (st == SM_OK)
		st = add_attributes(w, path, id, err);
	if (st == SM_OK && type == H5I_DATASET)
		st = add_values(w, path, NULL, id, err);
	H5Oclose(id);
	return st;
}

enum sm_status sm_h5_identity(const char *path, const char *name, const struct sm_h5_known *known,
			      size_t known_n, struct sm_mem *mem, char sha256[65],
			      struct sm_err *err)
{
	struct walk w = {.name = name, .known = known, .known_n = known_n, .mem = mem};
	enum sm_status st = SM_OK;
	sha256[0] = 0;
	sm_h5_quiet();
	hid_t file = sm_h5_open(path);
	if (file < 0)
		return SM_FAIL(err, sm_h5_open_failed(),
			       "%s: cannot be opened, is no HDF5 file, or is cut off", name);
	w.hash = sm_sha256_begin();
	if (!w.hash) {
		st = SM_FAIL(err, SM_BUDGET, "%s: no memory for a hash", name);
		goto out;
	}
	if (H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, on_link, &w) < 0) {
		st = SM_FAIL(err, SM_INPUT, "%s: %s", name,
			     w.strange ? "holds links to other places or more than 100000 objects"
				       : "its groups are damaged");
		goto out;
	}
	if (w.count)
		qsort(w.paths, w.count, sizeof *w.paths, by_bytes);
	SM_GOTO(st, add_object(&w, file, "/", err));
	for (size_t i = 0; i < w.count; i++)
		SM_GOTO(st, add_object(&w, file, w.paths[i], err));
	if (w.lost)
		st = SM_FAIL(err, SM_BUDGET, "%s: no memory for its identity", name);
out:
	for (size_t i = 0; i < w.count; i++)
		free(w.paths[i]);
	free(w.paths);
	if (w.hash)
		sm_sha256_end(w.hash, sha256);
	if (st != SM_OK)
		sha256[0] = 0;
	sm_h5_close_file(&file);
	return st;
}

/* Digests of the large datasets of an open shard: samples are read past the HDF5 library, three
 * times as fast. sets[i] is NULL where the shard has none. */
static enum sm_status shard_digest(struct sm_shard *s, int64_t tiles, void *const sets[3],
				   const size_t bytes[3], char hex[3][65], struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct sm_shard_room room = {.x = sets[0], .y = sets[1], .b = sets[2]};
	struct sm_sha256 *fold[3];
	char one[65];
	for (int i = 0; i < 3; i++) {
		fold[i] = sm_sha256_begin();
		if (!fold[i])
			st = SM_FAIL(err, SM_BUDGET, "no memory for a hash");
	}
	for (int64_t k = 0; st == SM_OK && k < tiles; k++) {
		st = sm_shard_read_sample(s, k, &room, err);
		for (int i = 0; st == SM_OK && i < 3; i++) {
			if (!sets[i])
				continue;
			sm_sha256_bytes(sets[i], bytes[i], one);
			sm_sha256_add(fold[i], one, 64);
		}
	}
	for (int i = 0; i < 3; i++)
		if (fold[i])
			sm_sha256_end(fold[i], hex[i]);
	return st;
}

enum sm_status sm_h5_content_sha256(const char *path, struct sm_mem *mem, char sha256[65],
				    struct sm_err *err)
{
	static const char *const paths[3] = {"/x", "/y", "/b"};
	const char *name = sm_path_base(path);
	struct sm_shard *s = NULL;
	struct sm_tile_shape p;
	char hex[3][65];
	struct sm_h5_known known[3];
	void *sets[3] = {0};
	size_t n = 0;
	enum sm_status st = SM_OK;
	sha256[0] = 0;
	if (sm_shard_open(path, &s, &p, NULL, NULL) != SM_OK)
		return sm_h5_identity(path, name, NULL, 0, mem, sha256, err);
	size_t voxels = (size_t)(p.depth * p.height * p.width);
	const size_t bytes[3] = {voxels * (size_t)p.channels * 4,
				 p.parts & SM_SHARD_UNLABELLED ? 0 : voxels,
				 voxels * (size_t)p.b_channels * 4};
	for (int i = 0; i < 3; i++) {
		if (!bytes[i])
			continue;
		sets[i] = sm_alloc(mem, bytes[i], 1, name, err);
		if (!sets[i]) {
			st = SM_BUDGET;
			goto out;
		}
		known[n++] = (struct sm_h5_known){paths[i], hex[i]};
	}
	SM_GOTO(st, shard_digest(s, p.tiles, sets, bytes, hex, err));
	st = sm_h5_identity(path, name, known, n, mem, sha256, err);
out:
	for (int i = 0; i < 3; i++)
		sm_free(sets[i]);
	sm_shard_close(s);
	return st;
}
