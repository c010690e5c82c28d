/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles for a training: which there are (ledgers of tile and split), in which order an epoch takes
 * them, and threads that decode the next batches while the network works on this one. The order and
 * the contents of batches do not depend on the number of threads.
 */
#ifndef SM_TRAIN_LOADER_H
#define SM_TRAIN_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/h5tile.h"
#include "core/ledger.h"
#include "core/mem.h"

/* The tiles of one fold, in order of case key, then tile number. */
struct sm_tiles;

/* Lists the tiles of every good case of the tile ledger whose fold in the split ledger is `fold`,
 * opens each shard and checks it against its hash in the ledger. dir is the folder of the tile
 * ledger. SM_INPUT: a case that the split does not know, tiles of different shapes, a changed or
 * damaged file, no tile at all. *out is freed with sm_tiles_free. */
enum sm_status sm_tiles_list(const char *dir, const struct sm_ledger *tile,
			     const struct sm_ledger *split, const char *fold, struct sm_mem *mem,
			     struct sm_tiles **out, struct sm_err *err);
void sm_tiles_free(struct sm_tiles *tiles); /* NULL is fine */

size_t sm_tiles_count(const struct sm_tiles *tiles);
size_t sm_tiles_cases(const struct sm_tiles *tiles);
/* Shape of every tile of the list (tiles = 1). */
struct sm_tile_shape sm_tiles_shape(const struct sm_tiles *tiles);

/* Reads tile i into x (C,Z,Y,X) and y (Z,Y,X) labels. Thread-safe for different i. */
enum sm_status sm_tiles_read(struct sm_tiles *tiles, size_t i, float *x, uint8_t *y,
			     struct sm_err *err);

struct sm_loader_opt {
	struct sm_tiles *train, *valid; /* borrowed; one shape */
	int classes;                    /* labels 1..classes; a larger one in a tile is SM_INPUT */
	int batch;
	int64_t steps;       /* training steps an epoch; 0 = every tile once, the last batch may be
				smaller */
	int64_t valid_tiles; /* validation tiles an epoch, the same in each; 0 = all */
	uint64_t seed;
	int64_t first_epoch, last_epoch; /* first_epoch..last_epoch - 1 are delivered */
	int threads;                     /* that decode, >= 1 */
};

struct sm_batch {
	int64_t epoch;
	bool valid;          /* of the validation fold */
	int n;               /* samples that count, 1..batch; the rest is zero */
	const float *x;      /* (batch,D,H,W,C) */
	const float *target; /* (batch,D,H,W,classes): one-hot without the background */
};

/* Which training tile is sample i of an epoch: a permutation by the stream (seed, "train.order",
 * epoch, round), and a new round when the tiles are used up. order receives n entries. */
enum sm_status sm_loader_order(uint64_t seed, int64_t epoch, size_t tiles, size_t *order, size_t n,
			       struct sm_err *err);

struct sm_loader;

/* Bytes that a loader takes, with what reading tiles takes for a moment. */
size_t sm_loader_bytes(const struct sm_loader_opt *opt);

/* Starts the threads; they work ahead by two batches. */
enum sm_status sm_loader_start(const struct sm_loader_opt *opt, struct sm_mem *mem,
			       struct sm_loader **out, struct sm_err *err);

/* Steps and validation batches of one epoch. */
int64_t sm_loader_train_steps(const struct sm_loader *loader);
int64_t sm_loader_valid_steps(const struct sm_loader *loader);
/* Samples of both in one epoch. */
int64_t sm_loader_epoch_samples(const struct sm_loader *loader);

/* The next batch: the training steps of an epoch, its validation batches, the next epoch, ... Its
 * memory is valid until the next call. A tile that cannot be read is reported when its batch is
 * asked for. */
enum sm_status sm_loader_next(struct sm_loader *loader, struct sm_batch *batch, struct sm_err *err);

/* Seconds that sm_loader_next has waited for data, the very first batch left out. For the log. */
double sm_loader_waited(const struct sm_loader *loader);

void sm_loader_stop(struct sm_loader *loader); /* joins the threads and frees; NULL is fine */

#endif
