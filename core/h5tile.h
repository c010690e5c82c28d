/* SPDX-License-Identifier: Apache-2.0
 *
 * Training samples in HDF5 (1.8 file format, no plugins, no time stamps, chunks written directly so
 * that the bytes do not depend on the library's filters or on threads).
 *
 * layout shard: one file a case: x (K,C,Z,Y,X) float32, y (K,Z,Y,X) uint8 labels, start (K,3)
 *   int32 = first voxel x,y,z of each tile, crc32 (K,3) uint32 of each tile's x, y and start; one
 *   chunk a tile; attributes schema, case, axes (in words), x_sha256 and y_sha256 (SHA-256 over the
 *   tiles' hexadecimal SHA-256 digests one behind the other).
 *   Shards of slices and of pairs differ by parts of the shape: no y; a second image b
 *   (K,Cb,Z,Y,X) float32 with b_sha256; index (K,2) int32 = slice number and plane (0 axial, 1
 *   coronal, 2 sagittal) in place of start; fold (K) uint8 (0 train, 1 test, 2 valid). crc32 has a
 *   column for each dataset there is, in the order x, y, b, start or index, fold.
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
	int64_t b_channels;           /* of the second image, 0 = none */
	int64_t parts;                /* SM_SHARD_*; 0 = tiles with y and start */
};
enum { /* sm_tile_shape.parts */
	SM_SHARD_UNLABELLED = 1, /* no y */
	SM_SHARD_INDEX = 2,      /* index in place of start */
	SM_SHARD_FOLD = 4,       /* with fold */
};
#define SM_SHARD_PARTS 7 /* all of them */

/* One sample to be written: pointers of parts that the shard has not are not looked at. */
struct sm_shard_sample {
	const float *x;   /* (C,Z,Y,X) */
	const uint8_t *y; /* (Z,Y,X) */
	const float *b;   /* (Cb,Z,Y,X) */
	int32_t place[3]; /* start x,y,z, or index: slice number and plane */
	uint8_t fold;     /* enum sm_fold */
};

/* Room for one to be read: a NULL is not read; place and fold are always filled (0 where there is
 * none). */
struct sm_shard_room {
	float *x;
	uint8_t *y;
	float *b;
	int32_t place[3];
	uint8_t fold;
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

/* The same for shards of any parts. */
enum sm_status sm_shard_put_sample(struct sm_shard *shard, int64_t k,
				   const struct sm_shard_sample *sample, struct sm_err *err);

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
 * any lock: chunks are read past the HDF5 library, and the file is opened for each call, so that
 * any number of shards can be in use. Damaged or exchanged chunks are SM_INPUT (checksums). */
enum sm_status sm_shard_read(struct sm_shard *shard, int64_t k, float *x, uint8_t *y,
			     int32_t start[3], struct sm_err *err);

/* The same for shards of any parts; asking for a part that the shard has not is SM_INTERNAL. */
enum sm_status sm_shard_read_sample(struct sm_shard *shard, int64_t k, struct sm_shard_room *room,
				    struct sm_err *err);

void sm_shard_close(struct sm_shard *shard);

/* The identity of a shard from the digests that it names itself (sm_h5_content_sha256 without
 * reading a sample: each is held against its checksum when it is read). SM_INPUT when it names
 * none. */
enum sm_status sm_shard_named_sha256(const char *path, struct sm_mem *mem, char sha256[65],
				     struct sm_err *err);

/* One tile in the original's layout on its way into a file: x is stored as (C,X,Y,Z) float32,
 * labels as one-hot (SM_TILEFILE_LABELS,X,Y,Z) uint8 of labels 1..3, the original's. shape as of a shard of one tile. Begin, put
 * all, end or abandon. */
#define SM_TILEFILE_LABELS 3
struct sm_tilefile;
struct sm_outset;
enum sm_status sm_tilefile_begin(const char *path, const struct sm_tile_shape *shape,
				 struct sm_tilefile **out, struct sm_err *err);
/* One channel (Z,Y,X). */
void sm_tilefile_put_channel(struct sm_tilefile *tile, int64_t channel, const float *x);
/* Labels (Z,Y,X); one above 3 is SM_INPUT. */
enum sm_status sm_tilefile_put_labels(struct sm_tilefile *tile, const uint8_t *y,
				      struct sm_err *err);
/* Writes the file into a set of files (core/file.h; NULL: it has its name at once) and frees the
 * tile either way. level 0 = plain, without chunks; 1 = core/deflate_words.h or, where shuffled
 * bytes pack better, as the others: libdeflate. content as in sm_shard_commit; file_sha256 is the
 * hash of the file's bytes (NULL: not wanted). */
enum sm_status sm_tilefile_end(struct sm_tilefile *tile, struct sm_outset *set, int level,
			       char content[65], char file_sha256[65], struct sm_err *err);
void sm_tilefile_abandon(struct sm_tilefile *tile); /* NULL is fine */

/* All of this at once: x (C,Z,Y,X), y (Z,Y,X); the file has its name when it returns. */
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
