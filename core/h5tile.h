/* SPDX-License-Identifier: Apache-2.0
 *
 * Training tiles in HDF5 (1.8 file format, no plugins, no time stamps, chunks written directly so
 * that the bytes do not depend on the library's filters or on threads).
 *
 * layout shard: one file a case: x (K,C,Z,Y,X) float32, y (K,Z,Y,X) uint8 labels, start (K,3)
 *   int32 = first voxel x,y,z of each tile, crc32 (K,3) uint32 of each tile's x, y and start; one
 *   chunk a tile; attributes schema, case, axes (in words), x_sha256 and y_sha256 (SHA-256 over the
 *   tiles' hexadecimal SHA-256 digests one behind the other).
 *
 * layout files (the original's): one file a tile: x (C,X,Y,Z) float32, y (3,X,Y,Z) one-hot of the
 *   labels 1, 2, 3.
 */
#ifndef SM_CORE_H5TILE_H
#define SM_CORE_H5TILE_H

#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

struct sm_tile_shape {
	int64_t tiles;                /* K */
	int64_t channels;             /* C */
	int64_t depth, height, width; /* Z, Y, X */
};

struct sm_shard; /* a shard being written, or open for reading */

/* Starts a shard under a temporary name beside path. level 1..12 = gzip (shuffle on), 0 = stored
 * (but still in a zlib stream with its checksum; labels are packed at level 1 even then). case_key
 * must be safe as a file name. */
enum sm_status sm_shard_create(const char *path, const struct sm_tile_shape *shape,
			       const char *case_key, int level, struct sm_shard **out,
			       struct sm_err *err);

/* Compresses tile k's x (C,Z,Y,X) and y (Z,Y,X) and stores them. May be called from several
 * threads with different k in any order; the file's bytes are the same whatever the order: chunks
 * go to the file in order of k, those ahead of their turn wait (packed) in memory. start is x,y,z.
 * After a failure each later call returns the first error again. */
enum sm_status sm_shard_put(struct sm_shard *shard, int64_t k, const float *x, const uint8_t *y,
			    const int32_t start[3], struct sm_err *err);

/* Checks that every tile came, writes the attributes, fsyncs, renames. content (65 bytes or NULL)
 * receives the identity, the same as sm_h5_content_sha256 of the file. Frees the shard also on
 * failure (then nothing stands under the final name). */
enum sm_status sm_shard_commit(struct sm_shard *shard, char content[65], struct sm_err *err);

/* Drops an unfinished shard and its temporary file; NULL is fine. */
void sm_shard_abandon(struct sm_shard *shard);

/* Opens for reading; checks shapes, types, attributes against each other and the file's length. */
enum sm_status sm_shard_open(const char *path, struct sm_shard **out, struct sm_tile_shape *shape,
			     char case_key[128], struct sm_err *err);

/* Reads tile k into x (C,Z,Y,X) and y (Z,Y,X), either may be NULL, start too. Thread-safe without
 * any lock: chunks are read past the HDF5 library, and the file is opened for each call, so that any
 * number of shards can be in use. Damaged or exchanged chunks are SM_INPUT (checksums). */
enum sm_status sm_shard_read(struct sm_shard *shard, int64_t k, float *x, uint8_t *y,
			     int32_t start[3], struct sm_err *err);

void sm_shard_close(struct sm_shard *shard);

/* Writes one tile in the original's layout, atomically: x (C,Z,Y,X) is stored as (C,X,Y,Z), y
 * labels (Z,Y,X) as one-hot (3,X,Y,Z) uint8 of labels 1..3. content as in sm_shard_commit. */
enum sm_status sm_tilefile_write(const char *path, const struct sm_tile_shape *shape,
				 const float *x, const uint8_t *y, int level, char content[65],
				 struct sm_err *err);

/* Reads such a file (also the original's own: any number type and filter of the library) back into
 * engine order: x (C,Z,Y,X), y labels (Z,Y,X). Call first with x and y NULL: *shape receives the
 * shape (tiles is 1). With buffers *shape must hold it: a file of another shape is SM_INPUT. */
enum sm_status sm_tilefile_read(const char *path, struct sm_tile_shape *shape, float *x, uint8_t *y,
				struct sm_err *err);

/* Identity of any HDF5 file of scanmill: SHA-256 over (path, type, dims, uncompressed values) of
 * every attribute and dataset in the order of paths; how is told in h5hash.c. It does not depend on
 * the compression. Files with links to other places, or with values that are neither numbers nor
 * texts of fixed length, are SM_INPUT. For verify. */
enum sm_status sm_h5_content_sha256(const char *path, struct sm_mem *mem, char sha256[65],
				    struct sm_err *err);

#endif
