/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/salt_file.h"

#include <sys/stat.h>

#include "core/file.h"

enum sm_status sm_salt_open(const char *path, const char *in, const char *out, struct sm_log *log,
			    struct sm_salt *salt, struct sm_err *err)
{
	struct stat info;
	const char *const folder[] = {in, out}, *const option[] = {"--in", "--out"};
	*salt = (struct sm_salt){0};
	for (int i = 0; path && i < 2; i++)
		if (folder[i] && sm_path_is_below(path, folder[i]))
			return SM_FAIL(err, SM_USAGE,
				       "--salt-file: lies in the folder of %s, allowed is a place "
				       "outside: a "
				       "salt that travels with the data protects nobody",
				       option[i]);
	SM_TRY(sm_salt_read(path, salt, err));
	if (salt->n && salt->n < SM_SALT_LEAST)
		sm_warn(log, NULL,
			"--salt-file: %zu bytes can be guessed; %d or more cannot (head -c 32 "
			"/dev/urandom)",
			salt->n, SM_SALT_LEAST);
	if (path && stat(path, &info) == 0 && (info.st_mode & S_IROTH))
		sm_warn(log, NULL,
			"--salt-file: everybody on this machine may read it (chmod 600)");
	return SM_OK;
}
