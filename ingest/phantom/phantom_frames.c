/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/phantom/phantom_frames.h"

#include <stdio.h>

#define LN2 0.69314718055994530942
#define HALF_LIFE 6586.2
#define MINUTE_BEFORE_MIDNIGHT 86340

/* e^x for 0 <= x < 1, Taylor. libm's last bit differs between machines. */
static double power_of_e(double x)
{
	double sum = 1, term = 1;
	for (int i = 1; i < 25; i++) {
		term *= x / i;
		sum += term;
	}
	return sum;
}

static int duration_of(size_t t)
{
	static const int first[] = {30, 30, 60, 120, 240};
	return t < sizeof first / sizeof *first ? first[t] : 300;
}

void sm_frame_at(size_t t, struct sm_frame *f)
{
	static const double body[] = {2000, 5000, 6000, 5500, 5000};
	static const double lesion[] = {2000, 6000, 12000, 16500, 20000};
	size_t late = t < 5 ? 0 : t - 4;
	f->start = 0;
	for (size_t i = 0; i < t; i++)
		f->start += duration_of(i);
	f->duration = duration_of(t);
	f->body = late ? 5000 - 100 * (double)late : body[t];
	f->lesion = late ? 20000 + 200 * (double)late : lesion[t];
	int clock = MINUTE_BEFORE_MIDNIGHT + f->start, day = clock / 86400;
	clock %= 86400;
	snprintf(f->day, sizeof f->day, "200001%02d", 1 + day % 2);
	snprintf(f->clock, sizeof f->clock, "%02d%02d%02d.000", clock / 3600 % 24, clock / 60 % 60,
		 clock % 60);
	/* Start + ln(x / (1 - e^-x)) / l with x = l * duration: ln(x / (1 - e^-x)) is
	 * x/2 - x^2/24 + x^4/2880 - ... */
	double l = LN2 / HALF_LIFE, x = l * f->duration, xx = x * x;
	double at = f->start + (x / 2 - xx / 24 + xx * xx / 2880 - xx * xx * xx / 181440) / l;
	snprintf(f->reference, sizeof f->reference, "%.3f", at * 1000);
	snprintf(f->factor, sizeof f->factor, "%.8f", power_of_e(l * at));
}

void sm_phantom_put_frames(json_t *facts, size_t frames, const char *const *names, size_t n,
			   const double *activity, const int64_t *voxels)
{
	json_t *table = json_array(), *sums = json_object(), *means = json_object();
	json_t *weighted = json_object();
	struct sm_frame f;
	for (size_t t = 0; t < frames; t++) {
		json_t *row = json_object();
		double sum = 0;
		sm_frame_at(t, &f);
		json_object_set_new(row, "start", json_integer(f.start));
		json_object_set_new(row, "duration", json_integer(f.duration));
		for (size_t r = 0; r < n; r++) {
			json_object_set_new(row, names[r], json_real(activity[t * n + r]));
			sum += voxels ? activity[t * n + r] * (double)voxels[r] : 0;
		}
		if (voxels)
			json_object_set_new(row, "sum", json_real(sum));
		json_array_append_new(table, row);
	}
	for (size_t r = 0; r < n; r++) {
		double sum = 0, by_time = 0, time = 0;
		for (size_t t = 0; t < frames; t++) {
			sm_frame_at(t, &f);
			sum += activity[t * n + r];
			by_time += activity[t * n + r] * f.duration;
			time += f.duration;
		}
		json_object_set_new(sums, names[r], json_real(sum));
		json_object_set_new(means, names[r], json_real(sum / (double)frames));
		json_object_set_new(weighted, names[r], json_real(by_time / time));
	}
	json_object_set_new(facts, "frames", table);
	json_object_set_new(facts, "frame_sums", sums);
	json_object_set_new(facts, "frame_means", means);
	json_object_set_new(facts, "frame_weighted_means", weighted);
}
