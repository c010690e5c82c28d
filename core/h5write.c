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
