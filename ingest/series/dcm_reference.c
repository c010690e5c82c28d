/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands for a whole group: an order of slices by what they say, and the mean of their axes.
 * Neither leans on hashes, which change with the salt, nor on one slice that happens to come first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/dcm_stack.h"

static int by_number(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(b) - isnan(a);
	return (a > b) - (a < b);
}

static int by_numbers(const double *a, const double *b, size_t n)
{
	int c = 0;
	for (size_t i = 0; i < n && c == 0; i++)
		c = by_number(a[i], b[i]);
	return c;
}

#define NUMBERS 16
static void numbers_of(const struct sm_dcm_frame *f, double out[NUMBERS])
{
	const double all[NUMBERS] = {
		(double)f->temporal, f->component, (double)f->stack, f->echo_time,
		f->inversion_time,   f->kvp,       f->kernel_number, f->trigger,
		f->time,             f->reference, f->b_value,       f->b_vector[0],
		f->b_vector[1],      f->b_vector[2], f->picture,     f->tile,
	};
	memcpy(out, all, sizeof all);
}

int sm_frame_compare(const struct sm_dcm_frame *f, const struct sm_dcm_frame *g)
{
	double a[NUMBERS], b[NUMBERS];
	if (!f || !g)
		return (f == NULL) - (g == NULL);
	if (f->acquisition != g->acquisition)
		return f->acquisition < g->acquisition ? -1 : 1;
	if (f->instance != g->instance)
		return f->instance < g->instance ? -1 : 1;
	int c = by_numbers(f->position, g->position, 3);
	if (c == 0)
		c = by_numbers(f->across, g->across, 3);
	if (c == 0)
		c = by_numbers(f->down, g->down, 3);
	if (c == 0)
		c = by_numbers(f->spacing, g->spacing, 2);
	if (c)
		return c;
	numbers_of(f, a);
	numbers_of(g, b);
	c = by_numbers(a, b, NUMBERS);
	/* Known words before hashes, which begin with x. */
	return c ? c : strcmp(f->shows, g->shows);
}

int sm_slice_compare(const struct sm_dcm_head *heads, struct sm_slice x, struct sm_slice y)
{
	int c = sm_frame_compare(sm_slice_frame(heads, x), sm_slice_frame(heads, y));
	if (c == 0)
		c = strcmp(heads[x.head].sop, heads[y.head].sop);
	if (c == 0)
		c = (x.head > y.head) - (x.head < y.head);
	return c ? c : (x.frame > y.frame) - (x.frame < y.frame);
}

void sm_cross3(const double a[3], const double b[3], double out[3])
{
	out[0] = a[1] * b[2] - a[2] * b[1];
	out[1] = a[2] * b[0] - a[0] * b[2];
	out[2] = a[0] * b[1] - a[1] * b[0];
}

static void unit3(double v[3])
{
	double size = sqrt(sm_dot3(v, v));
	for (int r = 0; r < 3; r++)
		v[r] /= size;
}

/* across, down and spacing of one slice. */
struct axes {
	double v[8];
};

static void axes_of(const struct sm_dcm_frame *f, struct axes *a)
{
	memcpy(a->v, f->across, sizeof f->across);
	memcpy(a->v + 3, f->down, sizeof f->down);
	memcpy(a->v + 6, f->spacing, sizeof f->spacing);
}

static int by_axes(const void *a, const void *b)
{
	return by_numbers(((const struct axes *)a)->v, ((const struct axes *)b)->v, 8);
}

/* Sums of doubles depend on their order: sorted, they do not depend on the files'. */
static void mean_axes(struct axes *all, size_t n, struct axes *mean)
{
	*mean = (struct axes){{0}};
	qsort(all, n, sizeof *all, by_axes);
	if (by_axes(&all[0], &all[n - 1]) == 0) {
		*mean = all[0]; /* what the files say, to the last bit */
		return;
	}
	for (size_t i = 0; i < n; i++)
		for (int r = 0; r < 8; r++)
			mean->v[r] += all[i].v[r];
	for (int r = 0; r < 8; r++)
		mean->v[r] /= (double)n;
	unit3(mean->v);
	unit3(mean->v + 3);
}

enum sm_status sm_stack_axes(struct sm_stack *k, const struct sm_slot *slot, size_t n,
			     double *spread, struct sm_err *err)
{
	struct axes mean, *all = malloc(n * sizeof *all);
	if (!all)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", n);
	for (size_t i = 0; i < n; i++)
		axes_of(slot[i].frame, &all[i]);
	mean_axes(all, n, &mean);
	*spread = 0;
	for (size_t i = 0; i < n; i++)
		for (int part = 0; part < 6; part += 3) {
			double d[3];
			for (int r = 0; r < 3; r++)
				d[r] = all[i].v[part + r] - mean.v[part + r];
			double off = sqrt(sm_dot3(d, d));
			*spread = off > *spread ? off : *spread;
		}
	free(all);
	memcpy(k->across, mean.v, sizeof k->across);
	memcpy(k->down, mean.v + 3, sizeof k->down);
	memcpy(k->spacing, mean.v + 6, sizeof k->spacing);
	sm_cross3(k->across, k->down, k->normal);
	unit3(k->normal);
	return SM_OK;
}
