/* SPDX-License-Identifier: Apache-2.0 */
#include "train/window.h"

#include <math.h>
#include <stdlib.h>

/* exp(-t) for 0 <= t <= 64 with basic operations only: a Taylor polynomial at t / 256, squared
 * eight times. */
static double exp_minus(double t)
{
	double r = -t / 256, sum = 1, term = 1;
	for (int k = 1; k <= 10; k++) {
		term *= r / k;
		sum += term;
	}
	for (int k = 0; k < 8; k++)
		sum *= sum;
	return sum;
}

static enum sm_status axis_init(struct sm_window_axis *a, int64_t dim, int64_t size, double overlap,
				bool gaussian, struct sm_err *err)
{
	int64_t whole = dim > size ? dim : size, room = whole - size;
	int64_t step = (int64_t)floor((double)size * (1 - overlap));
	step = step < 1 ? 1 : step;
	*a = (struct sm_window_axis){.dim = dim,
				     .size = size,
				     .pad = (whole - dim) / 2,
				     .count = (room + step - 1) / step + 1};
	a->start = calloc((size_t)a->count, sizeof *a->start);
	a->weight = calloc((size_t)size, sizeof *a->weight);
	a->total = calloc((size_t)whole, sizeof *a->total);
	if (!a->start || !a->weight || !a->total)
		return SM_FAIL(err, SM_BUDGET, "windows: out of memory");
	for (int64_t i = 0; a->count > 1 && i < a->count; i++)
		a->start[i] = (2 * i * room + (a->count - 1)) / (2 * (a->count - 1));
	double sigma = (double)size / 8, centre = (double)(size - 1) / 2;
	for (int64_t i = 0; i < size; i++) {
		double d = ((double)i - centre) / sigma;
		a->weight[i] = gaussian ? (float)exp_minus(d * d / 2) : 1.0f;
	}
	for (int64_t k = 0; k < a->count; k++)
		for (int64_t i = 0; i < size; i++)
			a->total[a->start[k] + i] += a->weight[i];
	return SM_OK;
}

enum sm_status sm_windows_init(struct sm_windows *w, const int64_t dim[3], const int64_t size[3],
			       double overlap, bool gaussian, struct sm_err *err)
{
	*w = (struct sm_windows){.count = 1};
	for (int i = 0; i < 3; i++) {
		enum sm_status st = axis_init(&w->axis[i], dim[i], size[i], overlap, gaussian, err);
		if (st != SM_OK) {
			sm_windows_clear(w);
			return st;
		}
		w->count *= w->axis[i].count;
	}
	return SM_OK;
}

void sm_windows_clear(struct sm_windows *w)
{
	for (int i = 0; i < 3; i++) {
		free(w->axis[i].start);
		free(w->axis[i].weight);
		free(w->axis[i].total);
	}
	*w = (struct sm_windows){0};
}

void sm_windows_start(const struct sm_windows *w, int64_t i, int64_t start[3])
{
	for (int a = 0; a < 3; a++) {
		start[a] = w->axis[a].start[i % w->axis[a].count];
		i /= w->axis[a].count;
	}
}
