/* SPDX-License-Identifier: Apache-2.0 */
#include "train/augment_filter.h"

#include <math.h>
#include <string.h>

#include "core/elementary.h"
#include "train/augment_rows.h"

/* Voxel i of an axis of n becomes the sum over k < taps of weight[k n + i] times voxel
 * index[k n + i]. */
struct filter {
	int n, taps;
	int *index;
	float *weight;
	bool even; /* the weights of all voxels are the same and index rises by one: x needs no
		      gather */
};

static struct filter filter_at(float *work, int64_t n)
{
	struct filter f = {.n = (int)n, .weight = work};
	f.index = (int *)(void *)(work + SM_AUGMENT_TAPS * n);
	return f;
}

/* ---- applying ------------------------------------------------------------------------------- */

SM_AUGMENT_CLONES
static void add_row(float *restrict out, const float *restrict in, float w, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		out[i] += w * in[i];
}

/* Rows of `inner` numbers; the axis is in front of them. */
static void along_outer(const struct filter *f, const float *in, float *out, int64_t inner)
{
	for (int64_t i = 0; i < f->n; i++) {
		float *row = out + i * inner;
		memset(row, 0, (size_t)inner * sizeof *row);
		for (int k = 0; k < f->taps; k++)
			if (f->weight[k * f->n + i] != 0)
				add_row(row, in + f->index[k * f->n + i] * inner,
					f->weight[k * f->n + i], inner);
	}
}

/* A row of x: in and out may be the same. row holds n + taps numbers. */
SM_AUGMENT_CLONES
static void even_row(const struct filter *f, const float *in, float *out, float *restrict row)
{
	int n = f->n, taps = f->taps;
	for (int j = 0; j < taps - 1; j++)
		row[j] = in[f->index[j * n]];
	for (int j = 0; j < n; j++)
		row[taps - 1 + j] = in[f->index[(taps - 1) * n + j]];
	for (int i = 0; i < n; i++)
		out[i] = 0;
	for (int k = 0; k < taps; k++) {
		float w = f->weight[k * n];
		for (int i = 0; i < n; i++)
			out[i] += w * row[k + i];
	}
}

SM_AUGMENT_CLONES
static void uneven_row(const struct filter *f, const float *in, float *out, float *restrict row)
{
	int n = f->n;
	memcpy(row, in, (size_t)n * sizeof *row);
	for (int i = 0; i < n; i++)
		out[i] = 0;
	for (int k = 0; k < f->taps; k++) {
		const float *w = f->weight + k * n;
		const int *index = f->index + k * n;
		for (int i = 0; i < n; i++)
			out[i] += w[i] * row[index[i]];
	}
}

/* Filters each axis by what make() gives for its length. */
static void run(float *x, const int64_t size[3], bool plane, float *spare, float *work,
		void (*make)(struct filter *f, const void *how), const void *how)
{
	int64_t slice = size[1] * size[2], rows = size[0] * size[1], all = rows * size[2];
	int64_t longest = size[0];
	longest = size[1] > longest ? size[1] : longest;
	longest = size[2] > longest ? size[2] : longest;
	float *row = work + 2 * SM_AUGMENT_TAPS * longest;
	const float *from = x;
	if (!plane && size[0] > 1) {
		struct filter f = filter_at(work, size[0]);
		make(&f, how);
		along_outer(&f, x, spare, slice);
		from = spare;
	}
	if (size[1] > 1) {
		struct filter f = filter_at(work, size[1]);
		float *to = from == x ? spare : x;
		make(&f, how);
		for (int64_t z = 0; z < size[0]; z++)
			along_outer(&f, from + z * slice, to + z * slice, size[2]);
		from = to;
	}
	if (size[2] > 1) {
		struct filter f = filter_at(work, size[2]);
		make(&f, how);
		for (int64_t r = 0; r < rows; r++)
			(f.even ? even_row : uneven_row)(&f, from + r * size[2], x + r * size[2],
							 row);
		from = x;
	}
	if (from != x)
		memcpy(x, from, (size_t)all * sizeof *x);
}

/* ---- Gaussian ------------------------------------------------------------------------------- */

/* d c b a | a b c d | d c b a, however often. */
static int mirrored(int i, int n)
{
	int m = i % (2 * n);
	m = m < 0 ? m + 2 * n : m;
	return m < n ? m : 2 * n - 1 - m;
}

static void make_gaussian(struct filter *f, const void *how)
{
	double sigma = *(const double *)how, w[SM_AUGMENT_TAPS], sum = 0;
	int r = (int)(4 * sigma + 0.5);
	r = 2 * r + 1 > SM_AUGMENT_TAPS ? (SM_AUGMENT_TAPS - 1) / 2 : r;
	f->taps = 2 * r + 1;
	f->even = true;
	for (int k = 0; k < f->taps; k++) {
		w[k] = sm_exp(-0.5 * (k - r) * (k - r) / (sigma * sigma));
		sum += w[k];
	}
	for (int k = 0; k < f->taps; k++)
		for (int i = 0; i < f->n; i++) {
			f->weight[k * f->n + i] = (float)(w[k] / sum);
			f->index[k * f->n + i] = mirrored(i + k - r, f->n);
		}
}

void sm_filter_gaussian(float *x, const int64_t size[3], double sigma, bool plane, float *spare,
			float *work)
{
	if (sigma > 0)
		run(x, size, plane, spare, work, make_gaussian, &sigma);
}

/* ---- low resolution ------------------------------------------------------------------------- */

struct lower {
	double zoom;
	bool cubic;
};

static int within(int i, int n)
{
	return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* Keys 1981, a = -1/2. */
static double keys(double d)
{
	d = fabs(d);
	if (d < 1)
		return (1.5 * d - 2.5) * d * d + 1;
	return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

static void make_lower(struct filter *f, const void *how)
{
	const struct lower *l = how;
	int n = f->n, m = (int)(n * l->zoom + 0.5);
	m = m < 1 ? 1 : m;
	f->taps = l->cubic ? 4 : 2;
	for (int i = 0; i < n; i++) {
		double at = (i + 0.5) * m / n - 0.5;
		int low = (int)floor(at);
		for (int k = 0; k < f->taps; k++) {
			int j = low + k - (l->cubic ? 1 : 0);
			double d = at - j;
			int source = (int)((within(j, m) + 0.5) * n / m);
			f->index[k * n + i] = within(source, n);
			f->weight[k * n + i] = (float)(l->cubic ? keys(d) : 1 - fabs(d));
		}
	}
}

void sm_filter_low_resolution(float *x, const int64_t size[3], double zoom, bool cubic, bool plane,
			      float *spare, float *work)
{
	struct lower l = {zoom, cubic};
	if (zoom < 1)
		run(x, size, plane, spare, work, make_lower, &l);
}
