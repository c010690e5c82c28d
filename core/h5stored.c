/* SPDX-License-Identifier: Apache-2.0 */
/* Datasets of one chunk that is a stored zlib stream, as large as the tensors of a network. The
 * library wants such a chunk whole in memory, and to read it takes it three times; here its place
 * comes from the library and its bytes go past it, a block of the stream at a time. */
#include <libdeflate.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/h5base.h"

/* The stream: a head, blocks of which all but the last are full, Adler-32 (RFC 1950, 1951). */
#define HEAD ((size_t)2)
#define BLOCK_HEAD ((size_t)5)
#define BLOCK ((size_t)65535)
#define SUM ((size_t)4)
static const unsigned char stream_head[HEAD] = {0x78, 0x01};

/* Of n bytes, at least one. */
static size_t packed_size(size_t n)
{
	return HEAD + ((n - 1) / BLOCK + 1) * BLOCK_HEAD + n + SUM;
}

static void block_head(size_t n, bool last, unsigned char out[BLOCK_HEAD])
{
	out[0] = last;
	out[1] = (unsigned char)n;
	out[2] = (unsigned char)(n >> 8);
	out[3] = (unsigned char)~out[1];
	out[4] = (unsigned char)~out[2];
}

static void sum_bytes(uint32_t sum, unsigned char out[SUM])
{
	for (size_t i = 0; i < SUM; i++)
		out[i] = (unsigned char)(sum >> (24 - 8 * i));
}

/* ---- writing -------------------------------------------------------------------------------- */

/* The stream of n bytes to its place in the file. Errors of the disk are the file's to tell. */
static bool write_stream(hid_t file, haddr_t at, const unsigned char *data, size_t n,
			 unsigned char *buffer)
{
	unsigned char sum[SUM];
	bool good = sm_h5_sink_write(file, at, stream_head, HEAD);
	at += HEAD;
	sum_bytes(libdeflate_adler32(1, data, n), sum);
	for (size_t done = 0; good && done < n;) {
		size_t some = n - done < BLOCK ? n - done : BLOCK;
		block_head(some, done + some == n, buffer);
		memcpy(buffer + BLOCK_HEAD, data + done, some);
		good = sm_h5_sink_write(file, at, buffer, BLOCK_HEAD + some);
		at += BLOCK_HEAD + some;
		done += some;
	}
	return good && sm_h5_sink_write(file, at, sum, SUM);
}

/* Has the library give a chunk of so many bytes a place, with nothing in it. */
static bool reserve(hid_t file, hid_t set, size_t bytes, haddr_t *at)
{
	const hsize_t zero[H5S_MAX_RANK] = {0};
	hsize_t found = 0;
	unsigned mask = 0;
	/* Pages that nobody writes to take no memory; nobody reads them either. */
	void *nothing =
		mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (nothing == MAP_FAILED)
		return false;
	bool good = sm_h5_sink_skip(file, true) &&
		    H5Dwrite_chunk(set, H5P_DEFAULT, 0, zero, bytes, nothing) >= 0;
	good = sm_h5_sink_skip(file, false) && good;
	munmap(nothing, bytes);
	return good && H5Dget_chunk_info_by_coord(set, zero, &mask, at, &found) >= 0 &&
	       *at != HADDR_UNDEF && found == bytes && !mask;
}

bool sm_h5_put_stored(hid_t where, const char *name, hid_t type, int rank, const hsize_t *dims,
		      const void *data)
{
	size_t n = H5Tget_size(type);
	haddr_t at = 0;
	for (int i = 0; i < rank; i++)
		if (!sm_mul(n, (size_t)dims[i], &n))
			return false;
	hid_t file = H5Iget_file_id(where),
	      set = sm_h5_chunked(where, name, type, rank, dims, dims, false, 0);
	unsigned char *buffer = sm_alloc(NULL, BLOCK_HEAD + BLOCK, 1, name, NULL);
	bool good = n && buffer && file >= 0 && set >= 0 &&
		    reserve(file, set, packed_size(n), &at) &&
		    write_stream(file, at, data, n, buffer);
	sm_free(buffer);
	if (set >= 0)
		good = H5Dclose(set) >= 0 && good;
	if (file >= 0)
		H5Fclose(file);
	return good;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_at(int fd, haddr_t at, size_t n, unsigned char *out)
{
	while (n) {
		ssize_t got = pread(fd, out, n, (off_t)at);
		if (got <= 0)
			return false;
		out += got;
		at += (haddr_t)got;
		n -= (size_t)got;
	}
	return true;
}

static bool read_stream(int fd, haddr_t at, size_t n, unsigned char *buffer, sm_h5_piece_fn *take,
			void *ctx)
{
	unsigned char head[BLOCK_HEAD], want[SUM];
	uint32_t sum = 1;
	if (!read_at(fd, at, HEAD, head) || memcmp(head, stream_head, HEAD) != 0)
		return false;
	at += HEAD;
	for (size_t done = 0; done < n;) {
		size_t some = n - done < BLOCK ? n - done : BLOCK;
		block_head(some, done + some == n, head);
		if (!read_at(fd, at, BLOCK_HEAD + some, buffer) ||
		    memcmp(buffer, head, BLOCK_HEAD) != 0)
			return false;
		sum = libdeflate_adler32(sum, buffer + BLOCK_HEAD, some);
		take(ctx, buffer + BLOCK_HEAD, some);
		at += BLOCK_HEAD + some;
		done += some;
	}
	sum_bytes(sum, want);
	return read_at(fd, at, SUM, head) && memcmp(head, want, SUM) == 0;
}

/* Values of such a type in one chunk with the deflate filter alone: their bytes in *n. */
static bool is_one_chunk(hid_t set, hid_t type, hid_t space, hid_t dcpl, size_t *n)
{
	hsize_t dims[H5S_MAX_RANK], chunk[H5S_MAX_RANK];
	unsigned flags, config;
	size_t values = 0;
	hid_t own = H5Dget_type(set);
	bool good = own >= 0 && H5Tequal(own, type) > 0;
	int rank = H5Sget_simple_extent_ndims(space);
	if (own >= 0)
		H5Tclose(own);
	if (!good || rank < 1 || H5Sget_simple_extent_dims(space, dims, NULL) != rank ||
	    H5Pget_layout(dcpl) != H5D_CHUNKED || H5Pget_chunk(dcpl, rank, chunk) != rank ||
	    memcmp(dims, chunk, (size_t)rank * sizeof *dims) != 0 || H5Pget_nfilters(dcpl) != 1 ||
	    H5Pget_filter2(dcpl, 0, &flags, &values, NULL, 0, NULL, &config) != H5Z_FILTER_DEFLATE)
		return false;
	*n = H5Tget_size(type);
	for (int i = 0; i < rank; i++)
		if (!sm_mul(*n, (size_t)dims[i], n))
			return false;
	return *n > 0;
}

/* The descriptor of an old file, as the library reads it; -1 when it reads in another way. */
static int descriptor_of(hid_t file)
{
	hid_t fapl = file < 0 ? -1 : H5Fget_access_plist(file);
	void *handle = NULL;
	bool plain = fapl >= 0 && H5Pget_driver(fapl) == H5FD_SEC2 &&
		     H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0;
	if (fapl >= 0)
		H5Pclose(fapl);
	return plain && handle ? *(int *)handle : -1;
}

bool sm_h5_read_stored(hid_t set, hid_t type, sm_h5_piece_fn *take, void *ctx)
{
	const hsize_t zero[H5S_MAX_RANK] = {0};
	unsigned mask = 0;
	haddr_t at = 0;
	hsize_t found = 0;
	size_t n = 0;
	hid_t file = H5Iget_file_id(set), space = H5Dget_space(set),
	      dcpl = H5Dget_create_plist(set);
	int fd = descriptor_of(file);
	bool good = fd >= 0 && space >= 0 && dcpl >= 0 &&
		    is_one_chunk(set, type, space, dcpl, &n) &&
		    H5Dget_chunk_info_by_coord(set, zero, &mask, &at, &found) >= 0 &&
		    at != HADDR_UNDEF && !mask && found > n && found == packed_size(n);
	unsigned char *buffer =
		good ? sm_alloc(NULL, BLOCK_HEAD + BLOCK, 1, "dataset", NULL) : NULL;
	good = buffer && read_stream(fd, at, n, buffer, take, ctx);
	sm_free(buffer);
	if (dcpl >= 0)
		H5Pclose(dcpl);
	if (space >= 0)
		H5Sclose(space);
	if (file >= 0)
		H5Fclose(file);
	return good;
}
