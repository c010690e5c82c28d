/* SPDX-License-Identifier: Apache-2.0
 *
 * With s = x + y and d = x - y the four filtered maps E[s], E[d], E[s^2], E[d^2] give everything:
 * E[s]^2 - E[d]^2 = 4 mx my, E[s]^2 + E[d]^2 = 2 (mx^2 + my^2), and so with the variances. One map
 * less than with x and y, and equal images give exactly 1.
 *
 * A row of the image goes through the window along x into a ring of 11 rows, from which a row of
 * results comes by the window along y; in 3-D the row is first summed over 11 slices. So the
 * working set of a slice stays in the processor's cache whatever the size of the volume.
 */
#include <math.h>
#include <string.h>

#include "core/elementary.h"
#include "eval/image_parts.h"

#define LANES 8
#define SIDE SM_SSIM_SIDE
#define REACH SM_SSIM_REACH
#define MAPS 4
/* Vector code for the CPU at hand; every clone gives the same bits. Sanitizers cannot run the
 * resolvers. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
	!defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define CLONES
#endif

struct filter {
	const struct sm_ssim_image *image;
	double w[REACH + 1]; /* w[k] at distance k */
	double c1, c2;       /* twice C1 and C2 */
	double *line[MAPS];  /* nx each */
	double *ring;        /* SIDE rows of MAPS lines of nx */
	double *result;      /* MAPS lines of nx */
	uint8_t *ones;       /* nx: the mask of the whole image */
};

static void window_weights(double w[REACH + 1])
{
	double sum = 0;
	for (int k = 0; k <= REACH; k++) {
		w[k] = sm_exp((double)(-k * k) / 4.5); /* 2 sigma^2 */
		sum += k ? 2 * w[k] : w[k];
	}
	for (int k = 0; k <= REACH; k++)
		w[k] /= sum;
}

CLONES static void fill_row(const float *restrict x, const float *restrict y, double *restrict s,
			    double *restrict d, double *restrict ss, double *restrict dd,
			    double more, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		double a = (double)x[i] + (double)y[i] + more, b = (double)x[i] - (double)y[i];
		s[i] = a;
		d[i] = b;
		ss[i] = a * a;
		dd[i] = b * b;
	}
}

/* The same, times w, added, of two slices at one distance. */
CLONES static void add_rows(const float *restrict x0, const float *restrict y0,
			    const float *restrict x1, const float *restrict y1, double w,
			    double *restrict s, double *restrict d, double *restrict ss,
			    double *restrict dd, double more, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		double a = (double)x0[i] + (double)y0[i] + more;
		double b = (double)x0[i] - (double)y0[i];
		double e = (double)x1[i] + (double)y1[i] + more;
		double f = (double)x1[i] - (double)y1[i];
		s[i] += w * (a + e);
		d[i] += w * (b + f);
		ss[i] += w * (a * a + e * e);
		dd[i] += w * (b * b + f * f);
	}
}

CLONES static void scale_row(double *restrict v, double w, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		v[i] *= w;
}

/* out[i] = sum of w[k] in[i + REACH +- k], i < n. */
CLONES static void along_x(const double *restrict in, const double *restrict w,
			   double *restrict out, int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		out[i] = w[0] * in[i + 5] + w[1] * (in[i + 4] + in[i + 6]) +
			 w[2] * (in[i + 3] + in[i + 7]) + w[3] * (in[i + 2] + in[i + 8]) +
			 w[4] * (in[i + 1] + in[i + 9]) + w[5] * (in[i] + in[i + 10]);
}

/* The same down a column of eleven rows. */
CLONES static void along_y(const double *const in[SIDE], const double *restrict w,
			   double *restrict out, int64_t n)
{
	const double *a = in[0], *b = in[1], *c = in[2], *d = in[3], *e = in[4], *f = in[5];
	const double *g = in[6], *h = in[7], *j = in[8], *k = in[9], *l = in[10];
	for (int64_t i = 0; i < n; i++)
		out[i] = w[0] * f[i] + w[1] * (e[i] + g[i]) + w[2] * (d[i] + h[i]) +
			 w[3] * (c[i] + j[i]) + w[4] * (b[i] + k[i]) + w[5] * (a[i] + l[i]);
}

/* E[s], E[d] become SSIM and cs. */
CLONES static void qualities(double *restrict s, double *restrict d, const double *restrict ss,
			     const double *restrict dd, double c1, double c2, int64_t n)
{
	for (int64_t i = 0; i < n; i++) {
		double a = s[i] * s[i], b = d[i] * d[i];
		double p = ss[i] - a, q = dd[i] - b;
		double cs = (p - q + c2) / (p + q + c2);
		s[i] = (a - b + c1) / (a + b + c1) * cs;
		d[i] = cs;
	}
}

CLONES static void add_masked(const double *restrict ssim, const double *restrict cs,
			      const uint8_t *restrict mask, int64_t n, struct sm_ssim_sums *out)
{
	double a[LANES] = {0}, b[LANES] = {0}, sum[2] = {0};
	uint64_t count = 0;
	int64_t i = 0;
	for (; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) {
			double m = mask[i + l] ? 1 : 0;
			a[l] += m * ssim[i + l];
			b[l] += m * cs[i + l];
		}
	for (; i < n; i++) {
		a[0] += mask[i] ? ssim[i] : 0;
		b[0] += mask[i] ? cs[i] : 0;
	}
	for (int l = 0; l < LANES; l++) {
		sum[0] += a[l];
		sum[1] += b[l];
	}
	for (i = 0; i < n; i++)
		count += mask[i] != 0;
	out->ssim += sum[0];
	out->cs += sum[1];
	out->n += count;
}

/* Sums and products of row y of slice z, in 3-D through the window along z. */
static void enter_row(const struct filter *f, int64_t z, int64_t y, bool volume)
{
	const struct sm_ssim_image *m = f->image;
	const int64_t nx = m->nx, plane = nx * m->ny, at = z * plane + y * nx;
	const double more = -2 * m->low; /* of sums; differences have none */
	double *const *v = f->line;
	fill_row(m->test + at, m->truth + at, v[0], v[1], v[2], v[3], more, nx);
	if (!volume)
		return;
	for (int k = 0; k < MAPS; k++)
		scale_row(v[k], f->w[0], nx);
	for (int64_t k = 1; k <= REACH; k++) {
		const int64_t before = at - k * plane, after = at + k * plane;
		add_rows(m->test + before, m->truth + before, m->test + after, m->truth + after,
			 f->w[k], v[0], v[1], v[2], v[3], more, nx);
	}
}

/* The row of results whose windows end with row y. */
static void leave_row(const struct filter *f, int64_t z, int64_t y,
		      struct sm_ssim_sums out[SM_IMAGE_REGIONS])
{
	const struct sm_ssim_image *m = f->image;
	const int64_t nx = m->nx, n = nx - 2 * REACH;
	const int64_t centre = (z * m->ny + y - REACH) * nx + REACH;
	double *r[MAPS];
	for (int k = 0; k < MAPS; k++) {
		const double *rows[SIDE];
		for (int64_t i = 0; i < SIDE; i++)
			rows[i] = f->ring + ((y + 1 + i) % SIDE * MAPS + k) * nx;
		r[k] = f->result + k * nx;
		along_y(rows, f->w, r[k], n);
	}
	qualities(r[0], r[1], r[2], r[3], f->c1, f->c2, n);
	add_masked(r[0], r[1], f->ones, n, &out[SM_IMAGE_WHOLE]);
	if (m->mask)
		add_masked(r[0], r[1], m->mask + centre, n, &out[SM_IMAGE_BODY]);
}

enum sm_status sm_ssim_slice(const struct sm_ssim_image *m, int64_t z, bool volume,
			     struct sm_ssim_sums out[SM_IMAGE_REGIONS], struct sm_err *err)
{
	struct filter f = {.image = m,
			   .c1 = 2 * (0.01 * m->range) * (0.01 * m->range),
			   .c2 = 2 * (0.03 * m->range) * (0.03 * m->range)};
	const size_t nx = (size_t)m->nx;
	memset(out, 0, SM_IMAGE_REGIONS * sizeof *out);
	if (m->nx < SIDE || m->ny < SIDE || (volume && (z < REACH || z >= m->nz - REACH)))
		return SM_OK;
	/* Lines, ring, results; a ninth of a row more holds the bytes of the ones. */
	double *work = sm_alloc(m->mem, nx * (MAPS * (SIDE + 2) + 1), sizeof *work,
				"structural similarity", err);
	if (!work)
		return SM_BUDGET;
	for (int k = 0; k < MAPS; k++)
		f.line[k] = work + (size_t)k * nx;
	f.ring = work + MAPS * nx;
	f.result = f.ring + SIDE * MAPS * nx;
	f.ones = memset(f.result + MAPS * nx, 1, nx);
	window_weights(f.w);
	for (int64_t y = 0; y < m->ny; y++) {
		enter_row(&f, z, y, volume);
		for (int k = 0; k < MAPS; k++)
			along_x(f.line[k], f.w, f.ring + (y % SIDE * MAPS + k) * m->nx,
				m->nx - 2 * REACH);
		if (y >= SIDE - 1)
			leave_row(&f, z, y, out);
	}
	sm_free(work);
	return SM_OK;
}

/* ---- several scales -------------------------------------------------------------------------- */

static const double scale_weight[SM_SSIM_SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

CLONES static void halve(const float *restrict in, int64_t nx, int64_t ny, float *restrict out)
{
	const int64_t w = nx / 2, h = ny / 2;
	for (int64_t y = 0; y < h; y++) {
		const float *a = in + 2 * y * nx, *b = a + nx;
		for (int64_t x = 0; x < w; x++)
			out[y * w + x] = (float)(((double)a[2 * x] + (double)a[2 * x + 1] +
						  (double)b[2 * x] + (double)b[2 * x + 1]) /
						 4);
	}
}

static void halve_mask(const uint8_t *in, int64_t nx, int64_t ny, uint8_t *out)
{
	const int64_t w = nx / 2, h = ny / 2;
	for (int64_t y = 0; y < h; y++)
		for (int64_t x = 0; x < w; x++) {
			const uint8_t *a = in + 2 * y * nx + 2 * x;
			out[y * w + x] = !!a[0] + !!a[1] + !!a[nx] + !!a[nx + 1] >= 2;
		}
}

/* The next scale of `now` in memory of its own: test, truth, mask, all one block. */
static enum sm_status next_scale(struct sm_ssim_image *now, void **block, struct sm_err *err)
{
	const size_t n = (size_t)(now->nx / 2 * (now->ny / 2));
	float *v = sm_alloc(now->mem, n, 2 * sizeof *v + 1, "a halved slice", err);
	if (!v)
		return SM_BUDGET;
	uint8_t *mask = (uint8_t *)(v + 2 * n);
	halve(now->test, now->nx, now->ny, v);
	halve(now->truth, now->nx, now->ny, v + n);
	if (now->mask)
		halve_mask(now->mask, now->nx, now->ny, mask);
	now->test = v;
	now->truth = v + n;
	now->mask = now->mask ? mask : NULL;
	now->nx /= 2;
	now->ny /= 2;
	sm_free(*block);
	*block = v;
	return SM_OK;
}

enum sm_status sm_ms_ssim_slice(const struct sm_ssim_image *m, int64_t z,
				double out[SM_IMAGE_REGIONS],
				struct sm_ssim_sums first[SM_IMAGE_REGIONS], struct sm_err *err)
{
	struct sm_ssim_image now = *m;
	const int64_t at = z * m->nx * m->ny;
	double log_sum[SM_IMAGE_REGIONS] = {0};
	void *block = NULL;
	enum sm_status st = SM_OK;
	now.test += at;
	now.truth += at;
	now.mask = m->mask ? m->mask + at : NULL;
	now.nz = 1;
	for (int k = 0; k < SM_SSIM_SCALES; k++) {
		struct sm_ssim_sums sums[SM_IMAGE_REGIONS];
		if (k)
			SM_GOTO(st, next_scale(&now, &block, err));
		SM_GOTO(st, sm_ssim_slice(&now, 0, false, sums, err));
		if (!k)
			memcpy(first, sums, sizeof sums);
		for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
			double sum = k == SM_SSIM_SCALES - 1 ? sums[r].ssim : sums[r].cs;
			double mean = sums[r].n ? sum / (double)sums[r].n : NAN;
			log_sum[r] += scale_weight[k] * sm_log(mean < 0 ? 0 : mean);
		}
	}
	for (int r = 0; r < SM_IMAGE_REGIONS; r++)
		out[r] = sm_exp(log_sum[r]);
out:
	sm_free(block);
	return st;
}
