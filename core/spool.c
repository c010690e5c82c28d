/* SPDX-License-Identifier: Apache-2.0 */
#include "core/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

/* Some file systems make no file without a name: it loses its name at once then. */
static int open_named(const char *dir)
{
	char *path = sm_strf("%s/.spool-XXXXXX.partial", dir);
	int fd = path ? mkostemps(path, 8, O_CLOEXEC) : -1;
	if (fd >= 0)
		unlink(path);
	free(path);
	return fd;
}

static enum sm_status make(struct sm_spool *s, struct sm_err *err)
{
	const char *dir = s->dir ? s->dir : getenv("TMPDIR");
	if (!dir || !*dir)
		dir = "/tmp";
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = open_named(dir);
	if (fd < 0)
		return SM_FAIL(err, SM_IO, "%s: no file can be made there: %s", dir,
			       strerror(errno));
	s->fd = fd;
	s->made = true;
	return SM_OK;
}

enum sm_status sm_spool_add(struct sm_spool *s, const void *bytes, size_t n, uint64_t *at,
			    struct sm_err *err)
{
	const char *from = bytes;
	if (!s->made)
		SM_TRY(make(s, err));
	if (at)
		*at = s->end;
	while (n) {
		ssize_t done = pwrite(s->fd, from, n, (off_t)s->end);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return SM_FAIL(err, SM_IO, "%s: writing failed: %s",
				       s->dir ? s->dir : "temporary folder",
				       strerror(done ? errno : ENOSPC));
		from += done;
		n -= (size_t)done;
		s->end += (uint64_t)done;
	}
	return SM_OK;
}

void sm_spool_clear(struct sm_spool *s)
{
	if (s->made)
		close(s->fd);
	*s = (struct sm_spool){.dir = s->dir};
}

enum sm_status sm_read_at(int fd, uint64_t at, void *bytes, size_t n, const char *name,
			  struct sm_err *err)
{
	char *to = bytes;
	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return SM_FAIL(err, SM_IO, "%s: reading failed: %s", name, strerror(errno));
		if (!got)
			return SM_FAIL(err, SM_IO, "%s: became shorter while it was read", name);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return SM_OK;
}
