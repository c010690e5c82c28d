/* SPDX-License-Identifier: Apache-2.0
 *
 * The learning rate over time: one row a schedule in schedule.c. Pure functions of the settings,
 * the epoch and the losses so far, so that a resumed training has nothing to restore.
 */
#ifndef SM_TRAIN_SCHEDULE_H
#define SM_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_schedule {
	int row;             /* of the table */
	double rate;         /* to begin with */
	int64_t epochs;      /* in all, warm-up among them */
	int64_t warmup;      /* epochs of warm-up */
	double warmup_start; /* share of the rate that its first step has */
	double power, min_rate; /* of polynomial, cosine and linear */
	struct {
		double factor, min_delta, min_rate;
		int64_t patience;
	} plateau;
};

/* Name of row i, NULL behind the last: constant, plateau, polynomial, cosine, linear. */
const char *sm_schedule_name(size_t i);

/* Whether the rates of row i depend on the number of epochs in all. */
bool sm_schedule_falls(int row);

/* Rate of an epoch (0..) behind the warm-up, whose epochs count as no epochs of the schedule. With
 * t and T the epoch and the epochs in all, both less the warm-up, and r the rate: constant    r
 *   plateau     times factor whenever val_loss was not below the best by more than min_delta for
 *               `patience` epochs in a row, never below plateau.min_rate (Keras's
 * ReduceLROnPlateau, cooldown 0; PyTorch's with patience - 1 and threshold_mode abs) polynomial  (r
 * - min) (1 - t/T)^power + min (PyTorch's PolynomialLR where min is 0; nnU-Net) cosine      min +
 * (r - min) (1 + cos(pi t/T)) / 2 (PyTorch's CosineAnnealingLR) linear      r + (min - r) t/T
 * (PyTorch's LinearLR, end_factor min/r) val_loss is that of the epochs 0..epoch-1, one every
 * `stride` doubles. */
double sm_schedule_epoch(const struct sm_schedule *s, int64_t epoch, const double *val_loss,
			 size_t stride);

/* Rate of a step (0..steps-1) of an epoch: in the warm-up it rises in equal steps from warmup_start
 * times the rate to the rate, which the first step behind it has; later it is `of_epoch`, what
 * sm_schedule_epoch said. */
double sm_schedule_step(const struct sm_schedule *s, int64_t epoch, int64_t step, int64_t steps,
			double of_epoch);

/* Whether a training stops: the last `patience` > 0 of n epochs had no val_loss below the best
 * before them. */
bool sm_schedule_stops(int64_t patience, const double *val_loss, size_t stride, int64_t n);

#endif
