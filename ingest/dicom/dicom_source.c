/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bytes of a DICOM file come from: the caller's memory, a file read piece by piece, or
 * either of them inflated. Nothing is read or inflated before it is asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "ingest/dicom/dicom_bytes.h"

/* A deflated file that grows beyond this and a thousandfold is refused. */
#define BOMB_BYTES ((uint64_t)64 << 20)
#define BOMB_RATIO 1000

#define PIECE 65536
#define GZIP_FIRST 0x1f
/* CRC and length that end a gzip file: some writers leave them behind a deflated data set, with a
 * byte of padding. */
#define GZIP_TRAILER 8

/* Files up to this are read whole at once when their pixels are wanted; of longer ones what is
 * needed, with so many bytes read ahead. */
#define AT_ONCE ((uint64_t)64 << 20)
#define AHEAD ((size_t)1 << 20)

struct sm_inflate {
	z_stream z;
	const unsigned char *from; /* deflated bytes in memory; NULL: of the file */
	uint64_t left;             /* bytes not yet given to z */
	uint64_t total_in;
	bool gzip, ended;
	unsigned char *in; /* PIECE bytes, when read from the file */
};

static enum sm_status allocate(struct sm_mem *mem, size_t bytes, struct sm_dicom **out,
			       struct sm_err *err)
{
	struct sm_dicom *dcm = sm_alloc(mem, 1, sizeof *dcm + bytes, "a DICOM header", err);
	if (!dcm)
		return SM_BUDGET;
	memset(dcm, 0, offsetof(struct sm_dicom, first_entries));
	dcm->mem = mem;
	dcm->fd = -1;
	dcm->entries = dcm->first_entries;
	dcm->entry_room = FIRST_ENTRIES;
	dcm->most = MOST_HEADER;
	*out = dcm;
	return SM_OK;
}

enum sm_status sm_dicom_source_memory(const unsigned char *bytes, size_t n, struct sm_mem *mem,
				      struct sm_dicom **out, struct sm_err *err)
{
	SM_TRY(allocate(mem, 0, out, err));
	(*out)->bytes = bytes;
	(*out)->n = n;
	(*out)->file_size = (*out)->file_at = n;
	return SM_OK;
}

static enum sm_status read_at(struct sm_dicom *dcm, void *to, size_t n, struct sm_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t got =
			pread(dcm->fd, (char *)to + done, n - done, (off_t)(dcm->file_at + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return SM_FAIL(err, SM_IO, "cannot be read: %s", strerror(errno));
		if (got == 0)
			return SM_FAIL(err, SM_INPUT, "became shorter while it was being read");
		done += (size_t)got;
	}
	dcm->file_at += n;
	return SM_OK;
}

static enum sm_status open_regular(const char *path, int *fd, uint64_t *size, struct sm_err *err)
{
	struct stat st;
	/* Without O_NONBLOCK a named pipe would wait for its writer. */
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (*fd < 0)
		return SM_FAIL(err, SM_IO, "cannot be opened: %s", strerror(errno));
	if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(*fd);
		*fd = -1;
		return SM_FAIL(err, SM_IO, "is no regular file");
	}
	*size = (uint64_t)st.st_size;
	return SM_OK;
}

enum sm_status sm_dicom_source_file(const char *path, enum sm_dicom_part part, struct sm_mem *mem,
				    struct sm_dicom **out, struct sm_err *err)
{
	int fd;
	uint64_t size = 0;
	struct sm_dicom *dcm = NULL;
	SM_TRY(open_regular(path, &fd, &size, err));
	enum sm_status st = allocate(mem, FIRST_BYTES, &dcm, err);
	if (st != SM_OK) {
		close(fd);
		return st;
	}
	dcm->fd = fd;
	dcm->file_size = size;
	dcm->bytes = dcm->first;
	dcm->room = FIRST_BYTES;
	if (part == SM_DICOM_WHOLE && size > FIRST_BYTES && size <= AT_ONCE) {
		dcm->owned = sm_alloc(mem, (size_t)size, 1, "a DICOM file", err);
		st = dcm->owned ? SM_OK : SM_BUDGET;
		dcm->bytes = dcm->owned;
		dcm->room = (size_t)size;
	}
	size_t n = size < dcm->room ? (size_t)size : dcm->room;
	if (st == SM_OK)
		st = read_at(dcm, (unsigned char *)(uintptr_t)dcm->bytes, n, err);
	if (st != SM_OK) {
		sm_dicom_source_free(dcm);
		return st;
	}
	dcm->n = n;
	*out = dcm;
	return SM_OK;
}

enum sm_status sm_dicom_source_inflate(struct sm_dicom *dcm, size_t at, bool gzip,
				       struct sm_err *err)
{
	if (dcm->inflate)
		return SM_FAIL(err, SM_INPUT,
			       "is gzip-compressed and deflated inside; allowed is one of both");
	struct sm_inflate *f =
		sm_calloc(dcm->mem, 1, sizeof *f + PIECE, "an inflated DICOM file", err);
	if (!f)
		return SM_BUDGET;
	f->in = (unsigned char *)(f + 1);
	f->gzip = gzip;
	if (inflateInit2(&f->z, gzip ? 31 : -15) != Z_OK) {
		sm_free(f);
		return SM_FAIL(err, SM_BUDGET, "out of memory for inflating");
	}
	size_t room = FIRST_BYTES > 2 * at ? FIRST_BYTES : 2 * at;
	unsigned char *bytes = sm_alloc(dcm->mem, room, 1, "an inflated DICOM file", err);
	if (!bytes) {
		inflateEnd(&f->z);
		sm_free(f);
		return SM_BUDGET;
	}
	if (dcm->fd < 0 || dcm->file_at == dcm->file_size) {
		f->from = dcm->bytes + at;
		f->left = dcm->n - at;
	} else {
		f->left = dcm->file_size - at;
		dcm->file_at = at;
	}
	memcpy(bytes, dcm->bytes, at);
	if (f->from)
		dcm->deflated = dcm->owned;
	else
		sm_free(dcm->owned);
	dcm->owned = bytes;
	dcm->bytes = bytes;
	dcm->room = room;
	dcm->n = at;
	dcm->inflate = f;
	dcm->inflated = true;
	return SM_OK;
}

static enum sm_status grow(struct sm_dicom *dcm, size_t want, struct sm_err *err)
{
	size_t room = dcm->room;
	if (want <= room)
		return SM_OK;
	room = room < AHEAD / 4 ? 4 * room : room + room / 4;
	room = room < want ? want : room;
	if (!dcm->inflate && room > dcm->file_size)
		room = (size_t)dcm->file_size > want ? (size_t)dcm->file_size : want;
	/* Only while pixels are read there is no bound. */
	const char *what = dcm->most == SIZE_MAX ? "the pixel data of a file" : "a DICOM header";
	unsigned char *bytes = sm_alloc(dcm->mem, room, 1, what, err);
	if (!bytes)
		return SM_BUDGET;
	memcpy(bytes, dcm->bytes, dcm->n);
	sm_free(dcm->owned);
	dcm->owned = bytes;
	dcm->bytes = bytes;
	dcm->room = room;
	return SM_OK;
}

/* Gives z its next piece of deflated bytes. */
static enum sm_status feed(struct sm_dicom *dcm, struct sm_inflate *f, struct sm_err *err)
{
	size_t n = f->left < PIECE ? (size_t)f->left : PIECE;
	if (!n)
		return SM_FAIL(err, SM_INPUT, "is deflated or gzip-compressed and ends early");
	if (f->from) {
		f->z.next_in = (unsigned char *)(uintptr_t)f->from;
		f->from += n;
	} else {
		SM_TRY(read_at(dcm, f->in, n, err));
		f->z.next_in = f->in;
	}
	f->z.avail_in = (unsigned)n;
	f->left -= n;
	f->total_in += n;
	return SM_OK;
}

enum sm_status sm_dicom_source_claim(const struct sm_dicom *dcm, uint64_t want, struct sm_err *err)
{
	if (want > BOMB_BYTES && want / BOMB_RATIO > dcm->file_size)
		return SM_FAIL(err, SM_INPUT,
			       "has %llu deflated bytes that claim %llu, allowed is a ratio of %d",
			       (unsigned long long)dcm->file_size, (unsigned long long)want,
			       BOMB_RATIO);
	return SM_OK;
}

/* Behind the end of a stream: the next gzip member, zeros (padding), or what nobody may lose in
 * silence. */
static enum sm_status end_stream(struct sm_dicom *dcm, struct sm_inflate *f, struct sm_err *err)
{
	uint64_t rest = f->z.avail_in + f->left;
	bool trailer = !f->gzip && rest <= GZIP_TRAILER + 1;
	for (;;) {
		if (trailer || (!f->z.avail_in && !f->left)) {
			f->ended = true;
			return SM_OK;
		}
		if (!f->z.avail_in)
			SM_TRY(feed(dcm, f, err));
		if (*f->z.next_in)
			break;
		f->z.next_in++;
		f->z.avail_in--;
	}
	if (f->gzip && *f->z.next_in == GZIP_FIRST && f->z.avail_in + f->left == rest)
		return inflateReset(&f->z) == Z_OK
			       ? SM_OK
			       : SM_FAIL(err, SM_INTERNAL, "zlib cannot begin again");
	return SM_FAIL(err, SM_INPUT,
		       "is %s, and %llu bytes that are no part of the stream follow it",
		       f->gzip ? "gzip-compressed" : "deflated", (unsigned long long)rest);
}

/* As much as one piece of deflated bytes and the room allow. */
static enum sm_status inflate_some(struct sm_dicom *dcm, unsigned char *to, size_t room,
				   size_t *made, struct sm_err *err)
{
	struct sm_inflate *f = dcm->inflate;
	*made = 0;
	if (!f->z.avail_in)
		SM_TRY(feed(dcm, f, err));
	f->z.next_out = to;
	f->z.avail_out = room < 1u << 30 ? (unsigned)room : 1u << 30;
	unsigned before = f->z.avail_out;
	int got = inflate(&f->z, Z_NO_FLUSH);
	*made = before - f->z.avail_out;
	if (got == Z_STREAM_END)
		return end_stream(dcm, f, err);
	if (got != Z_OK && got != Z_BUF_ERROR)
		return SM_FAIL(err, SM_INPUT, "is deflated or gzip-compressed and damaged");
	return SM_OK;
}

static enum sm_status inflate_until(struct sm_dicom *dcm, size_t want, struct sm_err *err)
{
	SM_TRY(sm_dicom_source_claim(dcm, want, err));
	while (dcm->n < want && !dcm->inflate->ended) {
		/* An element may claim what never comes: memory grows with what does. */
		size_t step = 2 * dcm->n < want ? 2 * dcm->n : want, made;
		SM_TRY(grow(dcm, step < FIRST_BYTES ? FIRST_BYTES : step, err));
		SM_TRY(inflate_some(dcm, dcm->owned + dcm->n, dcm->room - dcm->n, &made, err));
		dcm->n += made;
	}
	return SM_OK;
}

enum sm_status sm_dicom_source_pass(struct sm_dicom *dcm, unsigned char *to, size_t n, size_t *got,
				    struct sm_err *err)
{
	*got = 0;
	while (*got < n && !dcm->inflate->ended) {
		size_t made;
		SM_TRY(inflate_some(dcm, to + *got, n - *got, &made, err));
		*got += made;
	}
	return SM_OK;
}

/* Does an inflated file end before the elements behind its pixels are too many? How long it is,
 * only the end tells, and words that are no elements claim any length. */
static enum sm_status look_for_end(struct sm_dicom *dcm, bool *ended, struct sm_err *err)
{
	uint64_t most =
		dcm->file_size > BOMB_BYTES / BOMB_RATIO ? dcm->file_size * BOMB_RATIO : BOMB_BYTES;
	SM_TRY(inflate_until(dcm, most < dcm->most ? (size_t)most : dcm->most, err));
	*ended = dcm->inflate->ended;
	return SM_OK;
}

enum sm_status sm_dicom_source_fill(struct sm_dicom *dcm, size_t want, struct sm_err *err)
{
	bool ended = false, much = want > dcm->most && want <= sm_dicom_source_limit(dcm);
	if (much && dcm->inflate && dcm->pixels.tag)
		SM_TRY(look_for_end(dcm, &ended, err));
	/* What the file cannot hold is not refused here but found missing. */
	if (ended)
		return SM_OK;
	if (much)
		return SM_FAIL(err, SM_INPUT,
			       "has more than %zu MiB of elements besides its pixel data, the most "
			       "allowed",
			       MOST_HEADER >> 20);
	if (dcm->inflate)
		return inflate_until(dcm, want, err);
	if (dcm->fd < 0)
		return SM_OK;
	uint64_t left = dcm->file_size - dcm->file_at;
	if (!left || want <= dcm->n)
		return SM_OK;
	if (want - dcm->n > left)
		want = dcm->n + (size_t)left;
	SM_TRY(grow(dcm, want, err));
	size_t n = dcm->room - dcm->n, most = want - dcm->n + AHEAD;
	n = n < most ? n : most;
	n = n < left ? n : (size_t)left;
	SM_TRY(read_at(dcm, (unsigned char *)(uintptr_t)dcm->bytes + dcm->n, n, err));
	dcm->n += n;
	return SM_OK;
}

bool sm_dicom_source_fragments_end(const struct sm_dicom *dcm, size_t at, size_t *end)
{
	unsigned char head[8];
	uint64_t limit = sm_dicom_source_limit(dcm), place = at;
	/* From bytes of the data set to bytes of the file: elements may have been passed over. */
	uint64_t offset = dcm->file_at - dcm->n;
	if (dcm->fd < 0 || dcm->inflate)
		return false;
	for (;;) {
		if (limit < 8 || place > limit - 8 ||
		    pread(dcm->fd, head, 8, (off_t)(place + offset)) != 8)
			return false;
		uint32_t tag = get_tag(head, dcm->big_endian), n = get32(head + 4, dcm->big_endian);
		place += 8;
		if (tag == SEQUENCE_END)
			break;
		if (tag != ITEM || n == UNDEFINED || n > limit - place)
			return false;
		place += n;
	}
	*end = (size_t)place;
	return true;
}

uint64_t sm_dicom_source_limit(const struct sm_dicom *dcm)
{
	return dcm->inflate ? UINT64_MAX : dcm->n + (dcm->file_size - dcm->file_at);
}

void sm_dicom_source_skip(struct sm_dicom *dcm, uint64_t count)
{
	dcm->file_at += count;
}

void sm_dicom_source_done(struct sm_dicom *dcm)
{
	if (dcm->fd >= 0)
		close(dcm->fd);
	dcm->fd = -1;
	if (dcm->inflate) {
		inflateEnd(&dcm->inflate->z);
		sm_free(dcm->inflate);
		dcm->inflate = NULL;
	}
	sm_free(dcm->deflated);
	dcm->deflated = NULL;
}

void sm_dicom_source_free(struct sm_dicom *dcm)
{
	sm_dicom_source_done(dcm);
	sm_free(dcm->owned);
	sm_free(dcm->owned_entries);
	sm_free(dcm->fragments);
	sm_free(dcm);
}
