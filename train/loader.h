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
#include "train/task.h"

/* The tiles of one fold, in order of case key, then tile number. */
struct sm_tiles;

/* Lists the tiles of every good case of the tile ledger whose fold in the split ledger is `fold`,
 * opens each shard and checks it against its hash in the ledger. dir is the folder of the tile
 * ledger. SM_INPUT: a case that the split does not know, tiles of different shapes, a changed or
 * damaged file, no tile at all. *out is freed with sm_tiles_free. */
enum sm_status sm_tiles_list(const char *dir, const struct sm_ledger *tile,
			     const struct sm_ledger *split, const char *fold, struct sm_mem *mem,
			     struct sm_tiles **out, struct sm_err *err);

/* The same of a fold by name, or of k folds by number: the cases whose fold_index is `index`, or
 * all others. Cases that leave_out names are in neither, nor is a fixed test list beside the k
 * folds. Shards may be of tiles or of slices with
 * labels (depth 1). */
struct sm_tiles_fold {
	const char *name; /* NULL = by number */
	int64_t index;
	bool others;
};
/* Whether a record of the split (NULL is fine) stands in the fold. */
bool sm_tiles_fold_has(const struct sm_tiles_fold *fold, const json_t *record);
enum sm_status sm_tiles_list_fold(const char *dir, const struct sm_ledger *tile,
				  const struct sm_ledger *split, const struct sm_tiles_fold *fold,
				  struct sm_mem *mem, struct sm_tiles **out, struct sm_err *err);

/* Tiles that stand in no file: they are cut as they are asked for (train/tile_source.h). */
struct sm_tile_fed {
	size_t number;
	struct sm_tile_shape shape;
	int64_t tiles;
};
struct sm_tile_feed {
	void *ctx;
	/* Makes the case of this key ready; its number, its tiles an epoch, their shape (tiles =
	 * 1). */
	enum sm_status (*add)(void *ctx, const char *key, struct sm_tile_fed *out,
			      struct sm_err *err);
	/* Tile k of case `number` in an epoch; x or y may be NULL. Thread-safe. */
	enum sm_status (*read)(void *ctx, size_t number, int64_t k, int64_t epoch, float *x,
			       uint8_t *y, struct sm_err *err);
	size_t (*bytes)(const void *ctx); /* that read takes for a moment */
};
/* The same list of the cases of a ledger of volumes. feed must outlive *out; several lists may
 * share one. */
enum sm_status sm_tiles_list_feed(const struct sm_tile_feed *feed, const struct sm_ledger *volumes,
				  const struct sm_ledger *split, const struct sm_tiles_fold *fold,
				  struct sm_mem *mem, struct sm_tiles **out, struct sm_err *err);
/* The samples of one record of the ledger of tile or slice. SM_INPUT when it has none. */
enum sm_status sm_tiles_list_case(const char *dir, const json_t *record, struct sm_mem *mem,
				  struct sm_tiles **out, struct sm_err *err);
void sm_tiles_free(struct sm_tiles *tiles); /* NULL is fine */

size_t sm_tiles_count(const struct sm_tiles *tiles);
size_t sm_tiles_cases(const struct sm_tiles *tiles);
/* Number of the case (0..) that tile i is of. */
size_t sm_tiles_case(const struct sm_tiles *tiles, size_t i);
/* Its key. */
const char *sm_tiles_key(const struct sm_tiles *tiles, size_t i);
/* Shape of every tile of the list (tiles = 1). */
struct sm_tile_shape sm_tiles_shape(const struct sm_tiles *tiles);

/* Reads tile i into x (C,Z,Y,X) and y (Z,Y,X) labels. Thread-safe for different i. */
enum sm_status sm_tiles_read(struct sm_tiles *tiles, size_t i, float *x, uint8_t *y,
			     struct sm_err *err);
/* The same as a training sample of an epoch: tiles that are cut out of volumes lie elsewhere in
 * each (train/tile_source.h); sm_tiles_read gives those of epoch 0. */
enum sm_status sm_tiles_draw(struct sm_tiles *tiles, size_t i, int64_t epoch, float *x, uint8_t *y,
			     struct sm_err *err);
/* Bytes that either takes for a moment. */
size_t sm_tiles_reading(const struct sm_tiles *tiles);

/* The labels of tile i alone into y (Z,Y,X). Thread-safe for different i. */
enum sm_status sm_tiles_read_labels(struct sm_tiles *tiles, size_t i, uint8_t *y,
				    struct sm_err *err);

/* The first of the first `most` tiles with a voxel in its middle plane that is not background,
 * sm_tiles_count when there is none. */
enum sm_status sm_tiles_find_label(struct sm_tiles *tiles, size_t most, size_t *found,
				   struct sm_err *err);

/* What sentences call tile i: "<case>.h5: tile 12", or the name of its file. */
enum { SM_TILE_NAME = 256 };
void sm_tiles_name(const struct sm_tiles *tiles, size_t i, char out[SM_TILE_NAME]);

/* SM_INPUT and the sentence when a label of tile i is above `most`. */
enum sm_status sm_tiles_allow(const struct sm_tiles *tiles, size_t i, uint8_t label, int most,
			      struct sm_err *err);

/* The largest label that the file of tile i could hold. */
uint8_t sm_tiles_label_bound(const struct sm_tiles *tiles, size_t i);

/* Reads the labels of all cases, up to `jobs` at a time, but for those that the object survey knows
 * from another list, and adds them to it. *filled: there is a label above 0. SM_INPUT: one above
 * `most`, a tile that cannot be read. */
enum sm_status sm_tiles_survey(struct sm_tiles *tiles, json_t *survey, int most, int jobs,
			       struct sm_mem *mem, bool *filled, struct sm_err *err);

/* What is done to a training sample between reading and the network, for instance augmentation. It
 * changes x (C,D,H,W) and labels y (D,H,W) in place and must depend on its arguments alone: threads
 * call it for different samples at the same time, each with a scratch of its own. sample is the
 * place in the epoch's order, so that a tile taken twice is changed twice. */
struct sm_loader_hook {
	const void *ctx;
	size_t scratch; /* bytes that apply needs for a thread */
	/* NULL = nothing is done */
	enum sm_status (*apply)(const void *ctx, uint64_t seed, int64_t epoch, uint64_t sample,
				const struct sm_tile_shape *shape, float *x, uint8_t *y,
				void *scratch, struct sm_err *err);
};

struct sm_loader_opt {
	struct sm_tiles *train, *valid; /* borrowed; one shape */
	const struct sm_task *task; /* borrowed; a larger label than its in a tile is SM_INPUT */
	int batch;                      /* samples a step */
	int micro;     /* samples a batch handed out, 1..batch: a step comes in parts; 0 = batch */
	bool by_case;  /* a step is all samples of one case, in their order; batch then counts for
			  validation alone */
	int64_t steps; /* training steps an epoch; 0 = every tile once, the last batch may be
			  smaller */
	int64_t valid_tiles; /* validation tiles an epoch, the same in each; 0 = all */
	uint64_t seed;
	int64_t first_epoch, last_epoch; /* first_epoch..last_epoch - 1 are delivered */
	int threads;                     /* that decode, >= 1 */
	int rank, ranks; /* of several processes that share each step; ranks 0 = alone. Of a step's
			    P parts rank r is handed P r / ranks .. P (r+1) / ranks - 1 */
	struct sm_loader_hook hook;
};

struct sm_batch {
	int64_t epoch;
	bool valid;          /* of the validation fold */
	int n;               /* samples that count, 1..micro; the rest is zero. 0: a step of which
				this rank has no part */
	bool first, last;    /* of its step; of several ranks, of those of this one */
	int part, parts;     /* which one of how many of its step, all ranks' counted */
	int before;          /* samples of its step in the parts before */
	bool end;            /* last of the epoch's training, or of its validation */
	const float *x;      /* (micro,D,H,W,C) */
	const float *target; /* (micro,D,H,W,channels) of the task */
	const size_t *tile;  /* (n) number of each sample's tile, of training or validation */
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

/* Steps of one epoch's training. */
int64_t sm_loader_train_steps(const struct sm_loader *loader);
/* Samples of both in one epoch (by_case with a number of steps: about). */
int64_t sm_loader_epoch_samples(const struct sm_loader *loader);

/* The next batch: the training steps of an epoch, its validation batches, the next epoch, ... Its
 * memory is valid until the next call. A tile that cannot be read is reported when its batch is
 * asked for. */
enum sm_status sm_loader_next(struct sm_loader *loader, struct sm_batch *batch, struct sm_err *err);

/* Key of the case that sample i of a batch is of. */
const char *sm_loader_key(const struct sm_loader *loader, const struct sm_batch *batch, int i);

/* Seconds that sm_loader_next has waited for data, the very first batch left out. For the log. */
double sm_loader_waited(const struct sm_loader *loader);

void sm_loader_stop(struct sm_loader *loader); /* joins the threads and frees; NULL is fine */

#endif
