/* SPDX-License-Identifier: Apache-2.0 */
#include "core/h5base.h"

#include <libdeflate.h>
#include <errno.h>
#include <string.h>

void sm_h5_quiet(void)
{
	H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static hid_t access_list(int *error)
{
	hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
	if (fapl < 0)
		return fapl;
	/* Fixed bounds, or the file would change with the library's version. */
	if (H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0 ||
	    !sm_h5_set_sink(fapl, error)) {
		H5Pclose(fapl);
		return -1;
	}
	return fapl;
}

hid_t sm_h5_create(const char *path, int *error)
{
	*error = 0;
	hid_t file = -1, fapl = access_list(error), fcpl = H5Pcreate(H5P_FILE_CREATE);
	if (fapl >= 0 && fcpl >= 0 && H5Pset_obj_track_times(fcpl, false) >= 0)
		file = H5Fcreate(path, H5F_ACC_TRUNC, fcpl, fapl);
	if (fcpl >= 0)
		H5Pclose(fcpl);
	if (fapl >= 0)
		H5Pclose(fapl);
	return file;
}

hid_t sm_h5_open(const char *path)
{
	hid_t file = -1, fapl = H5Pcreate(H5P_FILE_ACCESS);
	errno = 0;
	/* locks are of no use to write-once files and fail on some network file systems */
	if (fapl >= 0 && H5Pset_file_locking(fapl, false, true) >= 0)
		file = H5Fopen(path, H5F_ACC_RDONLY, fapl);
	int saved = errno;
	if (fapl >= 0)
		H5Pclose(fapl);
	errno = saved;
	return file;
}

enum sm_status sm_h5_open_failed(void)
{
	return errno == EMFILE || errno == ENFILE ? SM_IO : SM_INPUT;
}

hid_t sm_h5_chunked(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims,
		    const hsize_t *chunk, bool shuffle, int level)
{
	hid_t set = -1, dcpl = H5Pcreate(H5P_DATASET_CREATE),
	      space = H5Screate_simple(rank, dims, NULL);
	bool good = dcpl >= 0 && space >= 0 && H5Pset_chunk(dcpl, rank, chunk) >= 0 &&
		    H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER) >= 0 &&
		    H5Pset_obj_track_times(dcpl, false) >= 0 &&
		    (!shuffle || H5Pset_shuffle(dcpl) >= 0) &&
		    H5Pset_deflate(dcpl, (unsigned)(level < 9 ? level : 9)) >= 0;
	if (good)
		set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
	if (space >= 0)
		H5Sclose(space);
	if (dcpl >= 0)
		H5Pclose(dcpl);
	return set;
}

hid_t sm_h5_plain_open(hid_t file, const char *name, hid_t type, hid_t memory_type, int rank,
		       const hsize_t *dims, const void *data)
{
	hid_t set = -1, dcpl = H5Pcreate(H5P_DATASET_CREATE),
	      space = H5Screate_simple(rank, dims, NULL);
	if (dcpl >= 0 && space >= 0 && H5Pset_obj_track_times(dcpl, false) >= 0 &&
	    H5Pset_fill_time(dcpl, H5D_FILL_TIME_NEVER) >= 0)
		set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
	if (set >= 0 && H5Dwrite(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
		sm_h5_close_dataset(&set);
	if (space >= 0)
		H5Sclose(space);
	if (dcpl >= 0)
		H5Pclose(dcpl);
	return set;
}

bool sm_h5_plain(hid_t file, const char *name, hid_t type, hid_t memory_type, int rank,
		 const hsize_t *dims, const void *data)
{
	hid_t set = sm_h5_plain_open(file, name, type, memory_type, rank, dims, data);
	return set >= 0 && H5Dclose(set) >= 0;
}

bool sm_h5_put_text(hid_t object, const char *name, const char *text)
{
	hid_t attr = -1, type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
	size_t n = strlen(text);
	if (type >= 0 && space >= 0 && H5Tset_size(type, n ? n : 1) >= 0 &&
	    H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0)
		attr = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
	bool good = attr >= 0 && H5Awrite(attr, type, text) >= 0;
	if (attr >= 0)
		good = H5Aclose(attr) >= 0 && good;
	if (space >= 0)
		H5Sclose(space);
	if (type >= 0)
		H5Tclose(type);
	return good;
}

bool sm_h5_get_text(hid_t object, const char *name, char *text, size_t room)
{
	bool good = false;
	hid_t attr = -1, type = -1, space = -1;
	text[0] = 0;
	if (H5Aexists(object, name) <= 0)
		return false;
	attr = H5Aopen(object, name, H5P_DEFAULT);
	if (attr < 0)
		return false;
	type = H5Aget_type(attr);
	space = H5Aget_space(attr);
	if (type < 0 || space < 0 || H5Tget_class(type) != H5T_STRING ||
	    H5Tis_variable_str(type) != 0 || H5Sget_simple_extent_npoints(space) != 1)
		goto out;
	size_t n = H5Tget_size(type);
	if (!n || n >= room)
		goto out;
	good = H5Aread(attr, type, text) >= 0;
	text[good ? n : 0] = 0;
out:
	if (space >= 0)
		H5Sclose(space);
	if (type >= 0)
		H5Tclose(type);
	H5Aclose(attr);
	return good;
}

void sm_h5_close_file(hid_t *id)
{
	if (*id >= 0)
		H5Fclose(*id);
	*id = -1;
}

void sm_h5_close_dataset(hid_t *id)
{
	if (*id >= 0)
		H5Dclose(*id);
	*id = -1;
}

enum sm_status sm_chunk_pack(const void *in, size_t n, bool shuffle, int level, unsigned char **out,
			     size_t *out_n, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	unsigned char *sorted = NULL, *packed = NULL;
	const void *from = in;
	*out = NULL;
	*out_n = 0;
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
	if (!c)
		return SM_FAIL(err, SM_BUDGET, "no memory for the deflater of a tile");
	if (shuffle) {
		sorted = sm_alloc(NULL, n, 1, "shuffled tile", err);
		if (!sorted) {
			st = SM_BUDGET;
			goto out;
		}
		sm_shuffle4(in, sorted, n / 4);
		from = sorted;
	}
	size_t room = libdeflate_zlib_compress_bound(c, n);
	packed = sm_alloc(NULL, room, 1, "compressed tile", err);
	if (!packed) {
		st = SM_BUDGET;
		goto out;
	}
	*out_n = libdeflate_zlib_compress(c, from, n, packed, room);
	if (!*out_n) {
		st = SM_FAIL(err, SM_INTERNAL, "libdeflate's bound was too small for a tile");
		goto out;
	}
	*out = packed;
	packed = NULL;
out:
	sm_free(packed);
	sm_free(sorted);
	libdeflate_free_compressor(c);
	return st;
}

bool sm_chunk_unpack(const unsigned char *in, size_t in_n, bool shuffle, void *out, size_t n)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	unsigned char *sorted = shuffle ? sm_alloc(NULL, n, 1, "shuffled tile", NULL) : NULL;
	bool good = false;
	if (d && (sorted || !shuffle)) {
		/* Without a place for the length made, libdeflate demands exactly n bytes; without
		 * one for the length used it would pass over bytes behind the stream. */
		size_t used = 0;
		good = libdeflate_zlib_decompress_ex(d, in, in_n, shuffle ? sorted : out, n, &used,
						     NULL) == LIBDEFLATE_SUCCESS &&
		       used == in_n;
	}
	if (good && shuffle)
		sm_unshuffle4(sorted, out, n / 4);
	sm_free(sorted);
	libdeflate_free_decompressor(d);
	return good;
}
