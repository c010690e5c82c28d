/* SPDX-License-Identifier: Apache-2.0
 *
 * The epoch loop: training steps, validation, then what the table in callbacks.c lists. A run that
 * was killed goes on from last.hdf5 with the same bits.
 */
#ifndef SM_TRAIN_FIT_H
#define SM_TRAIN_FIT_H

#include "core/log.h"
#include "manifests/schema.h"
#include "train/checkpoint.h"
#include "train/loader.h"
#include "train/metrics.h"
#include "train/mpi_step.h"
#include "train/nn/nn.h"
#include "train/schedule.h"

#define SM_FIT_LAST "last.hdf5"
#define SM_FIT_BEST "best.hdf5"

struct sm_fit {
	/* filled by the caller */
	const char *dir;          /* output folder */
	struct sm_net *net;       /* weights set: fresh, or from last.hdf5 */
	struct sm_loader *loader; /* starts at epoch `state.epoch` */
	struct sm_log *log;
	struct sm_mem *mem;
	const struct sm_train_section *s;
	struct sm_schedule schedule;
	struct sm_tiles *valid;     /* for sample pictures */
	/* Dice of whole validation volumes, one number a channel but the background; NULL = none */
	enum sm_status (*volumes)(void *ctx, struct sm_net *net, double *dice, struct sm_err *err);
	void *volumes_ctx;
	/* Before the first file is written: the folder's ledger leaves. NULL = nothing to do */
	enum sm_status (*begin)(void *ctx, struct sm_err *err);
	void *begin_ctx;
	unsigned metrics;           /* rows of train/metrics.h */
	int threads;
	double deadline;            /* of sm_now: no epoch begins behind it; 0 = none */
	bool fresh;                 /* files of an earlier training in dir are not of this one */
	struct sm_checkpoint state; /* grows with each epoch; the caller clears it */
	struct sm_checkpoint replaced; /* of a fresh training: that whose files stand in dir;
					  zeroed when there is none; the caller clears it */

	/* of the epoch that ended, for the callbacks */
	double loss, dice, val_loss, val_dice, rate;
	bool improved;   /* val_loss is the lowest so far */
	double seconds;  /* of its training steps */
	int64_t samples; /* trained in them */
	const char *stopped; /* why it ended before its last epoch: "early_stop", "time_budget"; or
				NULL */

	/* of the loop itself */
	double *work;
	struct sm_metrics *measured[2]; /* of training, of validation */
	size_t picture;                 /* validation tile of the pictures */
	struct sm_parts *parts;         /* of the step at work */
	bool picture_known, averaged;   /* averaged: the weights are their moving average now */
	bool begun;                     /* `begin` was called */
	bool first_waits;               /* best.hdf5 of the first epoch is written already */
};

/* Begins the history of a fresh training: names of all columns. */
enum sm_status sm_fit_columns(struct sm_fit *fit, struct sm_err *err);

/* Runs epochs state.epoch .. s->epochs - 1, fewer when an early stop or the time says so. SM_INPUT
 * when a loss is not finite, with the layer's name: the checkpoints of the epochs before stay. */
enum sm_status sm_fit_run(struct sm_fit *fit, struct sm_err *err);

/* Runs all callbacks for the epoch that ended, in the order of their table. */
enum sm_status sm_fit_epoch_end(struct sm_fit *fit, struct sm_err *err);

/* Writes s->csv_name from state.history, behind the rows of earlier trainings that are kept. */
enum sm_status sm_fit_write_csv(const struct sm_fit *fit, struct sm_err *err);

/* Name of the numbered checkpoint of epoch 1.. when there has to be one (false otherwise), as
 * s->checkpoint_names says: model-{epoch:04d}-{val_loss:.4f}.hdf5 and so on. */
bool sm_fit_numbered(const struct sm_fit *fit, int64_t epoch, char name[64]);

/* The same of the sample picture: sample-{epoch:04d}.png. */
bool sm_fit_pictured(const struct sm_fit *fit, int64_t epoch, char name[64]);

/* The names that checkpoints of epoch 1.. of this training can have, whatever the settings of names
 * were when it was written: name of kind 0.. in name, false behind the last kind. */
bool sm_fit_named(const struct sm_fit *fit, size_t kind, int64_t epoch, char name[64]);

/* Whether the file of that name in dir is a checkpoint of this training, by its fingerprint. */
bool sm_fit_owns(const struct sm_fit *fit, const char *name);

/* Removes from dir what this training itself has written and its history no longer names: numbered
 * checkpoints with its fingerprint (an epoch that a killed run trained on another kind of
 * processor). No other file is touched. */
enum sm_status sm_fit_sweep(const struct sm_fit *fit, struct sm_err *err);

/* Removes a file of dir, if it is there. */
enum sm_status sm_fit_remove(const struct sm_fit *fit, const char *name, struct sm_err *err);

/* Removes the files of the training that is replaced, but the history that s->csv append keeps. */
enum sm_status sm_fit_clear_old(struct sm_fit *fit, struct sm_err *err);

/* Writes the picture of the epoch: first channel, truth and prediction of the middle plane of one
 * validation tile, side by side. */
enum sm_status sm_fit_picture(struct sm_fit *fit, struct sm_err *err);

/* Adds the Dice coefficient (2 sum(t p) + e) / (sum t + sum p + e), e = 1e-5, of each channel and
 * each of the first n samples to sum[channel]; p and t are (n, voxels, channels). Sums go over
 * fixed blocks: their bits do not depend on threads. work holds SM_DICE_WORK * channels doubles. */
#define SM_DICE_WORK 128
void sm_batch_dice(const float *p, const float *t, int n, size_t voxels, int channels, int threads,
		   double *work, double *sum);

#endif
