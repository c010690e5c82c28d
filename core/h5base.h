/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the tile files: HDF5 property lists that make byte-stable files, small attributes,
 * and the packing of one chunk (byte shuffle and zlib stream). Not for other modules.
 */
#ifndef SM_CORE_H5BASE_H
#define SM_CORE_H5BASE_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

#define SM_TILES_SCHEMA "scanmill-tiles 1"
#define SM_SAMPLES_SCHEMA "scanmill-samples 1" /* shards of slices and pairs */
#define SM_TILE_SCHEMA "scanmill-tile 1"

/* No byte of an inflated stream needs fewer compressed bytes than this allows. */
#define SM_DEFLATE_MAX_RATIO 1032

/* Turns off the calling thread's printing of HDF5 errors (the library keeps that per thread). */
void sm_h5_quiet(void);

/* A new file (truncates) without time stamps in the 1.8 format. Negative on failure. Its writes
 * never fail in the library's eyes (which would leave it with a file that it cannot close): *error,
 * which must live until the file is closed, becomes the errno of the first write that did fail. */
hid_t sm_h5_create(const char *path, int *error);

/* Makes files of this access list report write errors that way. False on failure. */
bool sm_h5_set_sink(hid_t fapl, int *error);

/* An old file for reading. Negative on failure; sm_h5_open_failed, called next, tells whether that
 * is the file's fault (SM_INPUT) or descriptors ran out (SM_IO). */
hid_t sm_h5_open(const char *path);
enum sm_status sm_h5_open_failed(void);

/* An old file for reading, *file >= 0; says what is wrong with its path or its bytes. */
enum sm_status sm_h5_open_file(const char *path, hid_t *file, struct sm_err *err);

/* A new file as a whole: under a temporary name until `put` has written it and the disk has it.
 * name is the path's last part; content (or NULL) gets the file's identity as sm_h5_identity makes
 * it, "" on failure. */
typedef enum sm_status sm_h5_put_fn(hid_t file, const char *name, void *arg, struct sm_err *err);
enum sm_status sm_h5_write_file(const char *path, sm_h5_put_fn *put, void *arg, char content[65],
				struct sm_err *err);

/* A dataset whose chunks are written directly. filters: shuffle is named in the file when
 * shuffle is true; level is what the deflate filter's parameter tells. Negative on failure. */
hid_t sm_h5_chunked(hid_t file, const char *name, hid_t type, int rank, const hsize_t *dims,
		    const hsize_t *chunk, bool shuffle, int level);

/* The whole dataset as values of a memory type. False when it cannot be read, also when its index
 * does not find a chunk, for which H5Dread would leave the memory as it was. */
bool sm_h5_read_all(hid_t set, hid_t type, void *out);
/* Whether the index finds every chunk of a chunked dataset; true of others. */
bool sm_h5_chunks_there(hid_t set);

/* A small dataset stored in one piece, unfiltered. False on failure. */
bool sm_h5_plain(hid_t file, const char *name, hid_t type, hid_t memory_type, int rank,
		 const hsize_t *dims, const void *data);

/* The same, and the dataset stays open. Negative on failure. */
hid_t sm_h5_plain_open(hid_t file, const char *name, hid_t type, hid_t memory_type, int rank,
		       const hsize_t *dims, const void *data);

/* A text attribute of fixed length. False on failure. */
bool sm_h5_put_text(hid_t object, const char *name, const char *text);
/* Reads one into room bytes; false when missing, of another type, or too long. */
bool sm_h5_get_text(hid_t object, const char *name, char *text, size_t room);

/* Closers that take the negative handle of a failed open as nothing. */
void sm_h5_close_file(hid_t *id);
void sm_h5_close_dataset(hid_t *id);

/* out[p * n + i] = byte p of in[i]: HDF5's shuffle filter for 4-byte values, and its inverse. */
void sm_shuffle4(const unsigned char *in, unsigned char *out, size_t n);
void sm_unshuffle4(const unsigned char *in, unsigned char *out, size_t n);

/* Packs n bytes (a multiple of 4 with shuffle) into a zlib stream; level 0 stores, but keeps the
 * stream's checksum. *out is sm_alloc memory without budget. */
enum sm_status sm_chunk_pack(const void *in, size_t n, bool shuffle, int level, unsigned char **out,
			     size_t *out_n, struct sm_err *err);
/* The inverse; false when the stream is damaged or of another length than n, or no memory. */
bool sm_chunk_unpack(const unsigned char *in, size_t in_n, bool shuffle, void *out, size_t n);

/* Writes a dataset of one chunk, at least one value, into a file of sm_h5_create: the bytes that
 * sm_chunk_pack without shuffle at level 0 and H5Dwrite_chunk would make, with 64 KiB of memory
 * however large it is. False on failure. */
bool sm_h5_put_stored(hid_t where, const char *name, hid_t type, int rank, const hsize_t *dims,
		      const void *data);
/* Hands the bytes of such a dataset, whose type in the file is `type`, to take in order, 64 KiB at
 * most at a time, and checks the stream. False when the dataset was written in another way or is
 * damaged, which sm_h5_read_all tells apart; take may have had some of it by then. */
typedef void sm_h5_piece_fn(void *ctx, const void *piece, size_t n);
bool sm_h5_read_stored(hid_t set, hid_t type, sm_h5_piece_fn *take, void *ctx);

/* Of a file of sm_h5_create: bytes to a place in it, past the library; errors go to *error of
 * sm_h5_create. While it skips, raw data that the library writes get a place and are not written.
 * False when the file is another. */
bool sm_h5_sink_write(hid_t file, haddr_t at, const void *bytes, size_t n);
bool sm_h5_sink_skip(hid_t file, bool skip);

/* A digest that is known without reading the dataset. */
struct sm_h5_known {
	const char *path; /* "/x" */
	const char *digest;
};

/* sm_h5_content_sha256 with the data of some datasets known. */
enum sm_status sm_h5_identity(const char *path, const char *name, const struct sm_h5_known *known,
			      size_t known_n, struct sm_mem *mem, char sha256[65],
			      struct sm_err *err);

#endif
