/* SPDX-License-Identifier: Apache-2.0
 *
 * One training from lists of tiles to checkpoints in a folder, or one of the k of a cross
 * validation: what stage train runs once, or once a fold.
 */
#ifndef SM_TRAIN_TRAINING_H
#define SM_TRAIN_TRAINING_H

#include "core/stage.h"
#include "train/augment.h"
#include "train/fit.h"
#include "train/tile_source.h"
#include "train/volumes.h"

struct sm_training {
	/* filled by the caller */
	struct sm_run *run;
	const struct sm_train_section *s;
	uint64_t seed;
	const char *data_stage; /* "tile", "slice" or, with a source, "preprocess" */
	const struct sm_ledger *data, *split;
	struct sm_tile_source *source; /* of tiles straight from volumes; or NULL */
	int64_t fold;    /* that validates; -1 = the split's folds train and valid */
	const char *dir; /* output folder; exists, or is made when the training begins */
	const char
		*volumes_dir; /* folder of preprocess, for validation on whole volumes; or NULL */
	double deadline;         /* of sm_now; 0 = none */
	bool restart;            /* replace an earlier training in dir, whatever it is */
	json_t *survey;          /* of the labels (sm_tiles_survey), of all folds */
	bool told;               /* the network's kernels were told by a fold before */
	size_t program;          /* bytes of the process without a network and batches */

	/* of the training */
	struct sm_tiles_fold valid_fold;
	struct sm_tiles *train, *valid;
	struct sm_volumes *volumes;
	size_t volume_bytes; /* of the budget for them */
	struct sm_fit fit;
	struct sm_loader_opt loader;
	struct sm_augment augment;
	double forecast; /* MiB that the process is going to have resident */
};

/* The task of the settings. SM_USAGE: regions, head or class_weight that do not fit together. */
enum sm_status sm_training_task(const struct sm_train_section *s, struct sm_task *task,
				struct sm_err *err);

/* Lists the tiles and describes input and network in fit.state; looks for an earlier training in
 * the folder; plans the network and holds its memory against the budget. Writes nothing. */
enum sm_status sm_training_open(struct sm_training *t, struct sm_err *err);

/* Trains what is left to train (with --dry-run nothing) and checks what stands in the folder. */
enum sm_status sm_training_run(struct sm_training *t, struct sm_err *err);

/* Adds a record for each file of the training to the run's ledger, with names below `prefix`
 * ("fold0/", or ""). */
enum sm_status sm_training_records(struct sm_training *t, const char *prefix, struct sm_err *err);

void sm_training_close(struct sm_training *t);

#endif
