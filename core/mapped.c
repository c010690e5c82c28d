/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file.h"

/* Bytes as people read them. */
static const char *amount(size_t bytes, char text[32])
{
	if (bytes >> 20)
		snprintf(text, 32, "%zu MiB", bytes >> 20);
	else
		snprintf(text, 32, "%zu KiB", (bytes + 1023) >> 10);
	return text;
}

static enum sm_status make_file(struct sm_mapped *s, const char *dir, const char *what,
				struct sm_err *err)
{
	char *path = sm_path_join(dir, ".spool.XXXXXX");
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", what);
	int fd = mkostemp(path, O_CLOEXEC), errnum = errno;
	if (fd >= 0)
		unlink(path);
	free(path);
	if (fd < 0)
		return SM_FAIL(err, SM_IO,
			       "%s: cannot make a temporary file beside the outputs: %s", what,
			       strerror(errnum));
	s->fd = fd + 1; /* so that a zeroed spool is closed */
	return SM_OK;
}

enum sm_status sm_mapped_open(struct sm_mapped *s, const char *dir, size_t bytes, const char *what,
			     struct sm_err *err)
{
	char text[32];
	*s = (struct sm_mapped){0};
	SM_TRY(make_file(s, dir, what, err));
	/* All room now: writing to a mapping of a full disk would be a signal. */
	int errnum = posix_fallocate(s->fd - 1, 0, (off_t)bytes);
	if (errnum) {
		sm_mapped_close(s);
		return SM_FAIL(err, SM_IO, "%s: no room for a temporary file of %s: %s", what,
			       amount(bytes, text), strerror(errnum));
	}
	void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd - 1, 0);
	if (data == MAP_FAILED) {
		errnum = errno;
		sm_mapped_close(s);
		return SM_FAIL(err, SM_IO, "%s: cannot map a temporary file of %s: %s", what,
			       amount(bytes, text), strerror(errnum));
	}
	s->data = data;
	s->bytes = bytes;
	return SM_OK;
}

void sm_mapped_close(struct sm_mapped *s)
{
	if (s->data)
		munmap(s->data, s->bytes);
	if (s->fd)
		close(s->fd - 1);
	*s = (struct sm_mapped){0};
}

enum sm_status sm_mapped_put(struct sm_mapped *s, size_t at, const void *bytes, size_t n,
			     const char *what, struct sm_err *err)
{
	const char *from = bytes;
	while (n) {
		ssize_t done = pwrite(s->fd - 1, from, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return SM_FAIL(err, SM_IO, "%s: cannot write to a temporary file: %s", what,
				       strerror(errno));
		from += done;
		at += (size_t)done;
		n -= (size_t)done;
	}
	return SM_OK;
}

void sm_mapped_let_go(const struct sm_mapped *s)
{
	if (s->data)
		madvise(s->data, s->bytes,
			MADV_DONTNEED); /* shared: the file keeps what was written */
}
