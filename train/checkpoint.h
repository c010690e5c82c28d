/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints: one HDF5 file with all that a training needs to go on with the same bits, and that a
 * prediction needs to rebuild the network. No time stamps; written whole or not at all.
 *
 *   parameters/NAME        float32 in PyTorch's axis order (O,I,D,H,W)
 *   state/NAME             running statistics, when the network has any
 *   optimiser/ARRAY/NAME   for instance optimiser/adam.m/enc0.conv1.weight
 *   history                (epochs, columns) float64; attribute `history_columns` names the columns
 *   trained_on             (cases) uint64 (seen.h)
 *   attributes `schema`, `meta` (JSON: the fields of struct sm_checkpoint), `settings` (JSON: what
 *   decides the weights; its SHA-256 is the fingerprint)
 * Every dataset is a zlib stream (stored), so that a damaged byte is noticed. Files of schema 2,
 * whose history is plain and which have no settings, can be read (unless their
 * network's width is one that was rounded otherwise), but not gone on with.
 */
#ifndef SM_TRAIN_CHECKPOINT_H
#define SM_TRAIN_CHECKPOINT_H

#include <jansson.h>

#include "core/err.h"
#include "core/ledger.h"
#include "core/mem.h"
#include "core/standardise.h"
#include "train/nn/nn.h"
#include "train/seen.h"
#include "train/task.h"

/* The first columns: epoch, loss, dice, val_loss, val_dice. */
#define SM_HISTORY_FIXED 5
#define SM_HISTORY_FIXED_NAMES "epoch,loss,dice,val_loss,val_dice"
#define SM_HISTORY_VAL_LOSS 3

/* One row an epoch. */
struct sm_history {
	size_t rows, columns, room;
	double *v;
	char *names; /* of the columns, parted by commas; owned */
};

/* Begins an empty history with these columns (copied). */
enum sm_status sm_history_begin(struct sm_history *h, const char *names, struct sm_err *err);

/* Adds a row of `columns` values. */
enum sm_status sm_history_add(struct sm_history *h, const double *row, struct sm_err *err);

/* Gives h these columns in place of its own: those of the same name keep their values, others are
 * NaN in the rows that are there. */
enum sm_status sm_history_recast(struct sm_history *h, const char *names, struct sm_err *err);
void sm_history_clear(struct sm_history *h);

/* The longest text of settings that a file can hold. */
#define SM_CHECKPOINT_SETTINGS 60000

struct sm_checkpoint {
	/* the network */
	char model[64];
	double width;
	char norm[16], activation[16]; /* "auto" = the model's own */
	double dropout;                /* below 0 = the model's own */
	int deep_supervision;          /* the same */
	double spacing[3];             /* of the voxels, x,y,z in mm; 0 = equal */
	int in_channels;
	struct sm_task task; /* what the outputs mean */
	int size[3];                     /* of the tiles: x, y, z */
	enum sm_standardise standardise; /* how the tiles were scaled */
	int plane; /* trained on slices: 1 + enum sm_plane (4: all planes); 0 = on tiles */
	bool stored; /* slices in index order, not turned as a radiologist sees them */
	json_t *channels;   /* names of the channels in order; an empty array when they have none */
	int64_t parameters; /* number of weights */
	/* the training */
	char optimiser[32];
	int64_t epoch;        /* epochs done */
	int64_t steps;        /* training steps done: with the seed the whole position of the RNG */
	int64_t best_epoch;   /* 1.. */
	double best;          /* val_loss of it */
	char fingerprint[65]; /* hash of settings and tiles; a resumed training must have the same
			       */
	char split[65];       /* hash of the split's ledger: which cases were trained on */
	int64_t fold; /* of k folds: the one that it was trained without; -1 = of folds by name */
	struct sm_seen seen;  /* the cases it was trained on */
	char preprocess[65];  /* hash of the preprocess section that the tiles' volumes went through
			       */
	char *settings; /* what the fingerprint is the hash of; owned; NULL = the file has none */
	struct sm_history history; /* of all epochs done */
};

void sm_checkpoint_clear(struct sm_checkpoint *c); /* a zeroed one is fine */

/* Writes atomically the weights, running statistics and optimiser of net with what c says. content
 * (65 bytes or NULL) receives the identity (sm_h5_content_sha256). */
enum sm_status sm_checkpoint_write(const char *path, struct sm_net *net,
				   const struct sm_checkpoint *c, char content[65],
				   struct sm_err *err);

/* Reads all but the tensors; the caller clears *c. SM_INPUT: no checkpoint, cut off, a field out of
 * range, a history whose first columns are not the numbers of such epochs. */
enum sm_status sm_checkpoint_open(const char *path, struct sm_checkpoint *c, struct sm_err *err);

/* Whether a file can be read and says that it is a checkpoint of image translation
 * (train/translate/save.h). */
#define SM_TRANSLATION_SCHEMA "scanmill-translation 1"
bool sm_checkpoint_of_translation(const char *path);

/* Reads parameters and running statistics into net, and with `training` the optimiser too. The file
 * must hold exactly the network's tensors: otherwise SM_INPUT naming the first that differs. net is
 * then partly overwritten and of no use. */
enum sm_status sm_checkpoint_load(const char *path, struct sm_net *net, bool training,
				  struct sm_err *err);

/* Hash of the preprocess section in the settings of a ledger (of stage preprocess or tile). */
void sm_checkpoint_steps(const struct sm_ledger *ledger, char sha256[65]);

/* By the field plane: "none" (0, a network of tiles), "axial", "coronal", "sagittal", "all"; NULL
 * for another number. */
const char *sm_checkpoint_plane(int plane);

#endif
