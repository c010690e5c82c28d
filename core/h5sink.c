/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/h5base.h"

/* A file driver for HDF5 whose writes never fail. On a full disk the library's own driver makes
 * H5Fclose fail; the file then stays open inside the library, which crashes at the process's
 * end. Here the first error is noted for the caller, later writes are dropped, and closing always
 * works; the caller throws the file away. */
struct sink {
	H5FD_t pub; /* first: the library sees only this */
	int fd;
	int *error;
	haddr_t end_of_space, end_of_file;
	bool skip; /* raw data are not written */
};

/* What the property list carries to sink_open. */
struct sink_info {
	int *error;
};

static H5FD_t *sink_open(const char *name, unsigned flags, hid_t fapl, haddr_t max)
{
	(void)max;
	const struct sink_info *info = H5Pget_driver_info(fapl);
	struct sink *s = calloc(1, sizeof *s);
	if (!s || !info || !(flags & H5F_ACC_TRUNC)) {
		free(s);
		return NULL;
	}
	s->error = info->error;
	s->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->fd < 0) {
		*s->error = errno;
		free(s);
		return NULL;
	}
	return &s->pub;
}

static herr_t sink_close(H5FD_t *file)
{
	struct sink *s = (struct sink *)file;
	if (close(s->fd) && !*s->error)
		*s->error = errno;
	free(s);
	return 0;
}

static int sink_cmp(const H5FD_t *a, const H5FD_t *b)
{
	return a < b ? -1 : a > b;
}

static herr_t sink_query(const H5FD_t *file, unsigned long *flags)
{
	(void)file; /* the same as the library's own driver, so that the files are the same */
	*flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
		 H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
	return 0;
}

static haddr_t sink_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
	(void)type;
	return ((const struct sink *)file)->end_of_space;
}

static herr_t sink_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t addr)
{
	(void)type;
	((struct sink *)file)->end_of_space = addr;
	return 0;
}

static haddr_t sink_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
	(void)type;
	return ((const struct sink *)file)->end_of_file;
}

static herr_t sink_read(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t n,
			void *out)
{
	struct sink *s = (struct sink *)file;
	(void)type;
	(void)dxpl;
	while (n) {
		ssize_t r = pread(s->fd, out, n, (off_t)addr);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && !*s->error)
			*s->error = errno;
		if (r <= 0) {
			memset(out, 0, n); /* behind the end of the file stand zeros */
			return 0;
		}
		out = (char *)out + r;
		addr += (haddr_t)r;
		n -= (size_t)r;
	}
	return 0;
}

static herr_t sink_write(H5FD_t *file, H5FD_mem_t type, hid_t dxpl, haddr_t addr, size_t n,
			 const void *in)
{
	struct sink *s = (struct sink *)file;
	bool skip = s->skip && type == H5FD_MEM_DRAW;
	(void)dxpl;
	while (n && !skip && !*s->error) {
		ssize_t r = pwrite(s->fd, in, n, (off_t)addr);
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			*s->error = r ? errno : ENOSPC;
			break;
		}
		in = (const char *)in + r;
		addr += (haddr_t)r;
		n -= (size_t)r;
	}
	/* also for bytes that were dropped, or the library would find its own file cut off */
	if (addr + n > s->end_of_file)
		s->end_of_file = addr + n;
	return 0;
}

static herr_t sink_truncate(H5FD_t *file, hid_t dxpl, hbool_t closing)
{
	struct sink *s = (struct sink *)file;
	(void)dxpl;
	(void)closing;
	if (s->end_of_space == s->end_of_file)
		return 0;
	if (!*s->error && ftruncate(s->fd, (off_t)s->end_of_space))
		*s->error = errno;
	s->end_of_file = s->end_of_space;
	return 0;
}

static herr_t sink_get_handle(H5FD_t *file, hid_t fapl, void **handle)
{
	(void)fapl;
	*handle = file;
	return 0;
}

static const H5FD_class_t sink_class = {
    .name = "scanmill-sink",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct sink_info),
    .open = sink_open,
    .close = sink_close,
    .cmp = sink_cmp,
    .query = sink_query,
    .get_eoa = sink_get_eoa,
    .set_eoa = sink_set_eoa,
    .get_eof = sink_get_eof,
    .get_handle = sink_get_handle,
    .read = sink_read,
    .write = sink_write,
    .truncate = sink_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* Written once. The library wants a driver to outlive its files (closing one reads the driver's
 * record after giving it back), so it cannot belong to a file. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static hid_t driver = -1;

static void register_driver(void)
{
	driver = H5FDregister(&sink_class);
}

bool sm_h5_set_sink(hid_t fapl, int *error)
{
	const struct sink_info info = {.error = error};
	pthread_once(&once, register_driver);
	return driver >= 0 && H5Pset_driver(fapl, driver, &info) >= 0;
}

/* The sink behind an open file; NULL when it has another driver. */
static struct sink *sink_of(hid_t file)
{
	hid_t fapl = H5Fget_access_plist(file);
	void *handle = NULL;
	bool own = fapl >= 0 && driver >= 0 && H5Pget_driver(fapl) == driver &&
		   H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0;
	if (fapl >= 0)
		H5Pclose(fapl);
	return own ? handle : NULL;
}

bool sm_h5_sink_write(hid_t file, haddr_t at, const void *bytes, size_t n)
{
	struct sink *s = sink_of(file);
	return s && sink_write(&s->pub, H5FD_MEM_DRAW, H5P_DEFAULT, at, n, bytes) >= 0;
}

bool sm_h5_sink_skip(hid_t file, bool skip)
{
	struct sink *s = sink_of(file);
	if (s)
		s->skip = skip;
	return s;
}
