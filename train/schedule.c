/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>

#define PI 3.14159265358979323846

static double constant(const struct sm_schedule *s, double share)
{
	(void)share;
	return s->rate;
}

static double polynomial(const struct sm_schedule *s, double share)
{
	return (s->rate - s->min_rate) * pow(1 - share, s->power) + s->min_rate;
}

static double cosine(const struct sm_schedule *s, double share)
{
	return s->min_rate + (s->rate - s->min_rate) * (1 + cos(PI * share)) / 2;
}

static double linear(const struct sm_schedule *s, double share)
{
	return s->rate + (s->min_rate - s->rate) * share;
}

/* share is t/T, 0 <= share < 1. The plateau alone hangs on the losses. */
static const struct {
	const char *name;
	double (*rate)(const struct sm_schedule *s, double share);
} table[] = {
	{"constant", constant},
	{"plateau", NULL},
	{"polynomial", polynomial},
	{"cosine", cosine},
	{"linear", linear},
};
#define ROWS (sizeof table / sizeof *table)

const char *sm_schedule_name(size_t i)
{
	return i < ROWS ? table[i].name : NULL;
}

bool sm_schedule_falls(int row)
{
	return table[row].rate && table[row].rate != constant;
}

/* The losses again from the beginning. */
static double plateau(const struct sm_schedule *s, int64_t epoch, const double *val_loss,
		      size_t stride)
{
	double rate = s->rate, best = INFINITY;
	int64_t wait = 0;
	for (int64_t e = s->warmup; e < epoch; e++) {
		double loss = val_loss[(size_t)e * stride];
		if (loss < best - s->plateau.min_delta) {
			best = loss;
			wait = 0;
		} else if (++wait >= s->plateau.patience) {
			if (rate > s->plateau.min_rate)
				rate = fmax(rate * s->plateau.factor, s->plateau.min_rate);
			wait = 0;
		}
	}
	return rate;
}

double sm_schedule_epoch(const struct sm_schedule *s, int64_t epoch, const double *val_loss,
			 size_t stride)
{
	if (!table[s->row].rate)
		return plateau(s, epoch, val_loss, stride);
	if (epoch <= s->warmup)
		return s->rate;
	/* A warm-up as long as the training leaves nothing to fall. */
	return table[s->row].rate(s, (double)(epoch - s->warmup) / (double)(s->epochs - s->warmup));
}

double sm_schedule_step(const struct sm_schedule *s, int64_t epoch, int64_t step, int64_t steps,
			double of_epoch)
{
	if (epoch >= s->warmup)
		return of_epoch;
	double share = ((double)epoch * (double)steps + (double)step) /
		       ((double)s->warmup * (double)steps);
	return s->rate * (s->warmup_start + (1 - s->warmup_start) * share);
}

bool sm_schedule_stops(int64_t patience, const double *val_loss, size_t stride, int64_t n)
{
	double best = INFINITY;
	int64_t wait = 0;
	for (int64_t e = 0; e < n; e++) {
		double loss = val_loss[(size_t)e * stride];
		wait = loss < best ? 0 : wait + 1;
		best = fmin(best, loss);
		if (patience && wait >= patience)
			return true;
	}
	return false;
}
