/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a shard (core/h5tile.h): what its writer and its reader share. Not for other modules.
 */
#ifndef SM_CORE_H5SHARD_H
#define SM_CORE_H5SHARD_H

#include <pthread.h>
#include <sys/types.h>

#include "core/file.h"
#include "core/h5base.h"
#include "core/h5tile.h"

/* The datasets with one chunk a sample, in the order in which the file holds them. */
enum { SM_SET_X, SM_SET_Y, SM_SET_B, SM_SETS };

/* One chunk on its way into the file, NULL once written, and the digest of its values. */
struct sm_shard_slot {
	unsigned char *packed[SM_SETS];
	size_t n[SM_SETS];
	char hash[SM_SETS][65];
	bool here;
};

/* Where a chunk stands in the file. */
struct sm_shard_piece {
	haddr_t at;
	hsize_t n;
};

struct sm_shard_set {
	bool used;
	hid_t id;
	int rank;     /* 5 with channels, 4 without */
	hsize_t dims[5];
	size_t bytes; /* of one sample */
	bool shuffled;
};

struct sm_shard {
	char *path, *name;
	struct sm_tile_shape shape;
	struct sm_shard_set set[SM_SETS];
	int width;      /* numbers of a place: 3 = start, 2 = index */
	int32_t *place; /* (tiles, width) */
	uint8_t *fold;  /* (tiles), NULL = none */
	int columns;    /* of crc: one a dataset in use, one for place, one for fold */
	uint32_t *crc;  /* (tiles, columns). A zlib stream has its own checksum, but a damaged chunk
			 * index can lead to another sample's good stream */
	/* writing */
	struct sm_outfile out;
	hid_t file;
	int level;
	int errnum;           /* errno of the first write that failed */
	pthread_mutex_t lock; /* of slots, next, error and the file */
	struct sm_shard_slot *slots;
	int64_t next;        /* first sample that is not in the file yet */
	struct sm_err error; /* the first failure: all later calls return it */
	/* reading */
	struct sm_shard_piece *pieces; /* SM_SETS a sample */
	off_t length;
};

/* An empty shard of this path; NULL (err filled) when out of memory. */
struct sm_shard *sm_shard_make(const char *path, struct sm_err *err);
/* Closes and frees everything; NULL is fine. */
void sm_shard_free(struct sm_shard *s);

/* Sets shape, datasets and their sizes, columns and width; false when a size overflows or is out of
 * range. */
bool sm_shard_set_shape(struct sm_shard *s, const struct sm_tile_shape *shape);
/* Makes room for place, fold and crc. */
enum sm_status sm_shard_make_tables(struct sm_shard *s, struct sm_err *err);

/* "x", "y", "b"; whether the values are float32 or uint8 labels. */
const char *sm_shard_set_name(int set);
/* "start" or "index". */
const char *sm_shard_place_name(const struct sm_shard *s);

/* The checksums of a place and of a fold. */
uint32_t sm_shard_crc_place(const struct sm_shard *s, const int32_t *place);
uint32_t sm_shard_crc_fold(uint8_t fold);

#endif
