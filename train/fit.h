/* SPDX-License-Identifier: Apache-2.0
 *
 * The epoch loop: training steps, validation, then what the table in callbacks.c lists. A run that
 * was killed goes on from last.hdf5 with the same bits.
 */
#ifndef SM_TRAIN_FIT_H
#define SM_TRAIN_FIT_H

#include "core/log.h"
#include "train/checkpoint.h"
#include "train/loader.h"
#include "train/nn/nn.h"

#define SM_FIT_LAST "last.hdf5"
#define SM_FIT_BEST "best.hdf5"
#define SM_FIT_CSV "model_history_log.csv"

struct sm_fit {
	/* filled by the caller */
	const char *dir;          /* output folder */
	struct sm_net *net;       /* weights set: fresh, or from last.hdf5 */
	struct sm_loader *loader; /* starts at epoch `state.epoch` */
	struct sm_log *log;
	int64_t epochs;           /* in all */
	int64_t checkpoint_every; /* numbered checkpoint each n epochs; 0 = none */
	double learning_rate;
	int threads;
	bool fresh;                 /* files of an earlier training in dir are not of this one */
	struct sm_checkpoint state; /* grows with each epoch; the caller clears it */

	/* of the epoch that ended, for the callbacks */
	double loss, dice, val_loss, val_dice;
	bool improved;   /* val_loss is the lowest so far */
	double seconds;  /* of its training steps */
	int64_t samples; /* trained in them */
	double *work;    /* of the loop itself */
};

/* Runs epochs state.epoch .. epochs - 1. SM_INPUT when a loss is not finite: the checkpoints of the
 * epochs before stay. */
enum sm_status sm_fit_run(struct sm_fit *fit, struct sm_err *err);

/* Runs all callbacks for the epoch that ended, in the order of their table. */
enum sm_status sm_fit_epoch_end(struct sm_fit *fit, struct sm_err *err);

/* Writes model_history_log.csv from state.history. */
enum sm_status sm_fit_write_csv(const struct sm_fit *fit, struct sm_err *err);

/* Name of the numbered checkpoint of epoch 1.. when there has to be one (false otherwise): the
 * original's model-{epoch:04d}-{val_loss:.4f}.hdf5. */
bool sm_fit_numbered(const struct sm_fit *fit, int64_t epoch, char name[64]);

/* Removes numbered checkpoints from dir that are not of this training. */
enum sm_status sm_fit_sweep(const struct sm_fit *fit, struct sm_err *err);

/* Adds the Dice coefficient (2 sum(t p) + e) / (sum t + sum p + e), e = 1e-5, of each class and
 * each of the first n samples to sum[class]; p and t are (n, voxels, classes). Sums go over fixed
 * blocks: their bits do not depend on threads. work holds SM_DICE_WORK * classes doubles. */
#define SM_DICE_WORK 128
void sm_batch_dice(const float *p, const float *t, int n, size_t voxels, int classes, int threads,
		   double *work, double *sum);

#endif
