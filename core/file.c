/* SPDX-License-Identifier: Apache-2.0 */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static enum sm_status fail_errno(struct sm_err *err, const char *path, const char *what)
{
	return SM_FAIL(err, SM_IO, "%s: %s: %s", path, what, strerror(errno));
}

static const char *kind_of(const struct stat *s)
{
	return S_ISDIR(s->st_mode)    ? "a folder"
	       : S_ISFIFO(s->st_mode) ? "a pipe"
				      : "a device or socket";
}

enum sm_status sm_file_open(const char *path, size_t max, int *fd, size_t *size, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	struct stat s;
	/* A pipe without a writer would keep us waiting; of a regular file the flag changes
	 * nothing. */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return fail_errno(err, path, "cannot be opened");
	if (fstat(*fd, &s) != 0)
		st = fail_errno(err, path, "cannot be examined");
	else if (!S_ISREG(s.st_mode))
		st = SM_FAIL(err, SM_INPUT, "%s: is %s, not a regular file", path, kind_of(&s));
	else if (max && (size_t)s.st_size > max)
		st = SM_FAIL(err, SM_INPUT, "%s: %zu bytes long, allowed are at most %zu", path,
			     (size_t)s.st_size, max);
	if (st == SM_OK && size)
		*size = (size_t)s.st_size;
	if (st != SM_OK)
		close(*fd);
	return st;
}

enum sm_status sm_file_read(const char *path, size_t max, struct sm_mem *mem, unsigned char **data,
			    size_t *size, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	unsigned char *bytes = NULL;
	size_t n = 0;
	int fd;
	*data = NULL;
	*size = 0;
	SM_TRY(sm_file_open(path, max, &fd, &n, err));
	bytes = sm_alloc(mem, n + 1, 1, path, err);
	if (!bytes) {
		st = SM_BUDGET;
		goto out;
	}
	size_t got = 0;
	while (got < n) {
		ssize_t r = read(fd, bytes + got, n - got);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			st = fail_errno(err, path, "reading failed");
			goto out;
		}
		if (r == 0) {
			st = SM_FAIL(err, SM_IO, "%s: became shorter while it was read", path);
			goto out;
		}
		got += (size_t)r;
	}
	bytes[n] = 0;
	*data = bytes;
	*size = n;
	bytes = NULL;
out:
	sm_free(bytes);
	close(fd);
	return st;
}

const char *sm_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

char *sm_path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	return sm_strf("%.*s%s%s", (int)n, dir, n == 1 && dir[0] == '/' ? "" : "/", name);
}

bool sm_ends_with(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);
	return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; /* in every locale */
}

bool sm_ends_like(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix), i = 0;
	if (n < m)
		return false;
	while (i < m && lower(text[n - m + i]) == lower(suffix[i]))
		i++;
	return i == m;
}

bool sm_file_exists(const char *path)
{
	struct stat s;
	return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

bool sm_file_absent(const char *path)
{
	struct stat s;
	return stat(path, &s) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

bool sm_is_dir(const char *path)
{
	struct stat s;
	return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bool sm_file_is_own(const char *dir, const char *path)
{
	struct stat s = {0};
	char *full = sm_path_is_inside(path) ? sm_path_join(dir, path) : NULL;
	bool good = full;
	for (char *p = full ? full + strlen(full) - strlen(path) : NULL; good && p;
	     p = strchr(p, '/')) {
		p += *p == '/';
		char *slash = strchr(p, '/');
		if (slash)
			*slash = '\0';
		good = lstat(full, &s) == 0 && (slash ? S_ISDIR(s.st_mode) : S_ISREG(s.st_mode));
		if (slash)
			*slash = '/';
	}
	free(full);
	return good;
}

bool sm_key_is_reserved(const char *key)
{
	static const char *const ends[] = {".json", ".jsonl", ".sha256", ".csv",  ".html",
					   ".svg",  ".png",   ".h5",     ".hdf5", ".partial"};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		size_t n = strlen(key), m = strlen(ends[i]);
		if (n >= m && strcasecmp(key + n - m, ends[i]) == 0)
			return true;
	}
	return false;
}

bool sm_key_is_safe(const char *key)
{
	size_t n = strlen(key);
	if (n < 1 || n > 100 || key[0] == '.' || key[0] == '-')
		return false;
	return strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.") ==
	       n;
}

enum sm_status sm_outfile_begin(struct sm_outfile *out, const char *path, bool open_stream,
				struct sm_err *err)
{
	const char *base = sm_path_base(path);
	*out = (struct sm_outfile){
		.path = sm_strf("%s", path),
		.temp = sm_strf("%.*s.%s.partial", (int)(base - path), path, base),
	};
	if (!out->path || !out->temp) {
		sm_outfile_abandon(out);
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	}
	if (!open_stream)
		return SM_OK;
	out->stream = fopen(out->temp, "wb");
	if (!out->stream) {
		enum sm_status st = fail_errno(err, path, "cannot be created");
		free(out->path);
		free(out->temp);
		*out = (struct sm_outfile){0};
		return st;
	}
	return SM_OK;
}

void sm_outfile_abandon(struct sm_outfile *out)
{
	if (out->stream)
		fclose(out->stream);
	if (out->temp)
		unlink(out->temp);
	free(out->path);
	free(out->temp);
	*out = (struct sm_outfile){0};
}

void sm_stream_push(FILE *stream)
{
	int saved = errno, fd = fileno(stream);
	if (fd >= 0)
		sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	errno = saved;
}

static void push_path(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	close(fd);
}

static int sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int r = fsync(fd);
	int saved = errno;
	close(fd);
	errno = saved;
	return r;
}

static int sync_parent(const char *path)
{
	const char *base = sm_path_base(path);
	char *dir = base == path ? sm_strf(".") : sm_strf("%.*s", (int)(base - path), path);
	if (!dir) {
		errno = ENOMEM;
		return -1;
	}
	int r = sync_path(dir, O_RDONLY | O_DIRECTORY);
	free(dir);
	/* Some file systems cannot sync a folder; the rename itself is still atomic there. */
	return r < 0 && errno == EINVAL ? 0 : r;
}

/* The bytes on the disk, under the temporary name. */
static enum sm_status outfile_sync(struct sm_outfile *out, struct sm_err *err)
{
	int bad = 0;
	if (out->stream) {
		bad = fflush(out->stream) != 0 || ferror(out->stream);
		bad = bad || fsync(fileno(out->stream)) != 0;
		int saved = errno;
		bad |= fclose(out->stream) != 0;
		if (saved)
			errno = saved;
		out->stream = NULL;
	} else {
		bad = sync_path(out->temp, O_RDONLY) != 0;
	}
	return bad ? fail_errno(err, out->path, "writing failed") : SM_OK;
}

static enum sm_status outfile_place(struct sm_outfile *out, struct sm_err *err)
{
	if (rename(out->temp, out->path) != 0)
		return fail_errno(err, out->path, "cannot be put in place");
	free(out->temp);
	out->temp = NULL;
	return SM_OK;
}

enum sm_status sm_outfile_commit(struct sm_outfile *out, struct sm_err *err)
{
	enum sm_status st = outfile_sync(out, err);
	if (st == SM_OK)
		st = outfile_place(out, err);
	if (st == SM_OK && sync_parent(out->path) != 0)
		st = fail_errno(err, out->path, "folder cannot be synced");
	sm_outfile_abandon(out);
	return st;
}

/* Without a sync. */
static enum sm_status outfile_close(struct sm_outfile *out, struct sm_err *err)
{
	FILE *stream = out->stream;
	if (!stream)
		return SM_OK;
	errno = 0;
	bool bad = fflush(stream) != 0 || ferror(stream);
	int saved = errno;
	out->stream = NULL;
	if (fclose(stream) != 0)
		bad = true;
	else
		errno = saved;
	return bad ? fail_errno(err, out->path, "writing failed") : SM_OK;
}

static enum sm_status outset_grow(struct sm_outset *set, size_t n, struct sm_err *err)
{
	size_t room = set->room ? set->room : 4;
	while (room < set->n + n)
		room *= 2;
	struct sm_outfile *more =
		room > set->room ? realloc(set->file, room * sizeof *more) : set->file;
	if (!more)
		return SM_FAIL(err, SM_BUDGET, "files: out of memory");
	set->file = more;
	set->room = room;
	return SM_OK;
}

enum sm_status sm_outset_add(struct sm_outset *set, struct sm_outfile *out, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	if (!set)
		return sm_outfile_commit(out, err);
	SM_GOTO(st, outfile_close(out, err));
	SM_GOTO(st, outset_grow(set, 1, err));
	set->file[set->n++] = *out;
	*out = (struct sm_outfile){0};
out:
	sm_outfile_abandon(out);
	return st;
}

enum sm_status sm_outset_move(struct sm_outset *set, struct sm_outset *from, struct sm_err *err)
{
	SM_TRY(outset_grow(set, from->n, err));
	for (size_t i = 0; i < from->n; i++)
		set->file[set->n++] = from->file[i];
	from->n = 0;
	sm_outset_abandon(from);
	return SM_OK;
}

static bool same_folder(const char *a, const char *b)
{
	ptrdiff_t n = sm_path_base(a) - a;
	return n == sm_path_base(b) - b && strncmp(a, b, (size_t)n) == 0;
}

enum sm_status sm_outset_commit(struct sm_outset *set, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	/* First all are begun: so the first sync takes most of the others along. */
	for (size_t i = 0; i < set->n; i++)
		push_path(set->file[i].temp);
	for (size_t i = 0; i < set->n; i++)
		SM_GOTO(st, outfile_sync(&set->file[i], err));
	for (size_t i = 0; i < set->n; i++)
		SM_GOTO(st, outfile_place(&set->file[i], err));
	for (size_t i = 0; i < set->n; i++) {
		bool before = false;
		for (size_t k = 0; k < i && !before; k++)
			before = same_folder(set->file[k].path, set->file[i].path);
		if (!before && sync_parent(set->file[i].path) != 0)
			SM_GOTO(st, fail_errno(err, set->file[i].path, "folder cannot be synced"));
	}
out:
	sm_outset_abandon(set);
	return st;
}

void sm_outset_abandon(struct sm_outset *set)
{
	for (size_t i = 0; i < set->n; i++)
		sm_outfile_abandon(&set->file[i]);
	free(set->file);
	*set = (struct sm_outset){0};
}

enum sm_status sm_file_write(const char *path, const void *data, size_t size, struct sm_err *err)
{
	return sm_outset_write(NULL, path, data, size, err);
}

enum sm_status sm_outset_write(struct sm_outset *set, const char *path, const void *data,
			       size_t size, struct sm_err *err)
{
	struct sm_outfile out;
	SM_TRY(sm_outfile_begin(&out, path, true, err));
	errno = 0;
	if (size && fwrite(data, 1, size, out.stream) != size) {
		enum sm_status st = fail_errno(err, path, "writing failed");
		sm_outfile_abandon(&out);
		return st;
	}
	return sm_outset_add(set, &out, err);
}

enum sm_status sm_mkdirs(const char *path, struct sm_err *err)
{
	char *p = sm_strf("%s", path);
	if (!p)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	enum sm_status st = SM_OK;
	for (char *s = p + 1; st == SM_OK; s++) {
		if (*s && *s != '/')
			continue;
		char c = *s;
		*s = 0;
		if (mkdir(p, 0777) != 0 && (errno != EEXIST || !sm_is_dir(p)))
			st = fail_errno(err, p, "folder cannot be made");
		*s = c;
		if (!c)
			break;
	}
	free(p);
	return st;
}

bool sm_path_is_below(const char *inner, const char *outer)
{
	char *top = realpath(outer, NULL), *path = sm_strf("%s", inner), *real = NULL;
	/* The part of inner that exists decides. */
	while (path && *path && !(real = realpath(path, NULL))) {
		char *slash = strrchr(path, '/');
		if (slash == path)
			slash[1] = 0;
		else if (slash)
			*slash = 0;
		else
			snprintf(path, 2, ".");
	}
	size_t n = top ? strlen(top) : 0;
	bool below = top && real && strncmp(real, top, n) == 0 && (real[n] == '/' || !real[n]);
	free(top);
	free(path);
	free(real);
	return below;
}
