/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 files opened and written as a whole. */
#include <string.h>

#include "core/file.h"
#include "core/h5base.h"

enum sm_status sm_h5_open_file(const char *path, hid_t *file, struct sm_err *err)
{
	sm_h5_quiet();
	*file = -1;
	if (!sm_file_exists(path))
		return SM_FAIL(err, SM_INPUT, "%s: does not exist", path);
	*file = sm_h5_open(path);
	if (*file < 0)
		return SM_FAIL(err, sm_h5_open_failed(),
			       "%s: cannot be opened, is no HDF5 file, or is cut off", path);
	return SM_OK;
}

/* Steps to the next chunk in index order; false behind the last. */
static bool next_chunk(int rank, const hsize_t *dims, const hsize_t *chunk, hsize_t *at)
{
	for (int i = rank - 1; i >= 0; i--) {
		at[i] += chunk[i];
		if (at[i] < dims[i])
			return true;
		at[i] = 0;
	}
	return false;
}

bool sm_h5_chunks_there(hid_t set)
{
	hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK], at[H5S_MAX_RANK] = {0}, size = 0;
	hid_t space = H5Dget_space(set), dcpl = H5Dget_create_plist(set);
	int rank = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dims, NULL);
	bool chunked = dcpl >= 0 && H5Pget_layout(dcpl) == H5D_CHUNKED;
	bool good = rank >= 0 && dcpl >= 0 &&
		    (!chunked || H5Pget_chunk(dcpl, H5S_MAX_RANK, chunk) == rank);
	for (bool more = good && chunked && H5Sget_simple_extent_npoints(space) > 0; more && good;
	     more = next_chunk(rank, dims, chunk, at))
		good = H5Dget_chunk_storage_size(set, at, &size) >= 0 && size > 0;
	if (dcpl >= 0)
		H5Pclose(dcpl);
	if (space >= 0)
		H5Sclose(space);
	return good;
}

bool sm_h5_read_all(hid_t set, hid_t type, void *out)
{
	return sm_h5_chunks_there(set) &&
	       H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out) >= 0;
}

enum sm_status sm_h5_write_file(const char *path, sm_h5_put_fn *put, void *arg, char content[65],
				struct sm_err *err)
{
	const char *name = sm_path_base(path);
	struct sm_outfile out = {0};
	int errnum = 0;
	hid_t file = -1;
	enum sm_status st;
	sm_h5_quiet();
	SM_GOTO(st, sm_outfile_begin(&out, path, false, err));
	file = sm_h5_create(out.temp, &errnum);
	if (file < 0) {
		st = SM_FAIL(err, SM_IO, "%s: cannot be created: %s", path,
			     errnum ? strerror(errnum) : "HDF5 failed");
		goto out;
	}
	st = put(file, name, arg, err);
	bool closed = H5Fclose(file) >= 0;
	file = -1;
	/* The disk's own reason comes before what the library makes of it. */
	if (errnum)
		st = SM_FAIL(err, SM_IO, "%s: cannot be written: %s", path, strerror(errnum));
	else if (st == SM_OK && !closed)
		st = SM_FAIL(err, SM_IO, "%s: HDF5 cannot finish the file", path);
	if (st == SM_OK && content)
		st = sm_h5_identity(out.temp, name, NULL, 0, NULL, content, err);
	if (st == SM_OK)
		st = sm_outfile_commit(&out, err);
out:
	sm_h5_close_file(&file);
	sm_outfile_abandon(&out);
	if (st != SM_OK && content)
		content[0] = 0;
	return st;
}
