/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/edt_plane.h"

#include <math.h>
#include <stdbool.h>

enum sm_status sm_edt_plane_init(struct sm_edt_plane *plane, struct sm_mem *mem, struct sm_err *err)
{
	const size_t ny = (size_t)plane->n[1], nz = (size_t)plane->n[2];
	const size_t most = ny > nz ? ny : nz;
	plane->at = sm_alloc(mem, ny * nz, sizeof *plane->at, "plane of distances", err);
	plane->line = sm_alloc(mem, most, sizeof *plane->line, "line of distances", err);
	plane->bound = sm_alloc(mem, most + 1, sizeof *plane->bound, "line of distances", err);
	plane->of = sm_alloc(mem, most, sizeof *plane->of, "line of distances", err);
	return plane->at && plane->line && plane->bound && plane->of ? SM_OK : SM_BUDGET;
}

void sm_edt_plane_clear(struct sm_edt_plane *plane)
{
	sm_free(plane->at);
	sm_free(plane->line);
	sm_free(plane->bound);
	sm_free(plane->of);
	plane->at = plane->line = plane->bound = NULL;
	plane->of = NULL;
}

/* out[i * stride] = least over j of f[j] + square[|i - j|]: the lower envelope of parabolas, each
 * the least from bound[k] to bound[k + 1]. */
static void envelope(struct sm_edt_plane *p, const double *f, int64_t n, int axis, double *out,
		     int64_t stride)
{
	const double *square = p->square[axis], *inverse = p->inverse[axis];
	int64_t top = -1;
	for (int64_t q = 0; q < n; q++) {
		if (isinf(f[q]))
			continue;
		double from = -INFINITY;
		while (top >= 0) {
			const int64_t v = p->of[top];
			from = (f[q] - f[v] + (square[q] - square[v])) * inverse[q - v];
			if (from > p->bound[top])
				break;
			top--;
			from = -INFINITY;
		}
		p->of[++top] = (int32_t)q;
		p->bound[top] = from;
	}
	if (top < 0) {
		for (int64_t i = 0; i < n; i++)
			out[i * stride] = INFINITY;
		return;
	}
	p->bound[top + 1] = INFINITY;
	for (int64_t i = 0, k = 0; i < n; i++) {
		while (p->bound[k + 1] < (double)i)
			k++;
		const int64_t v = p->of[k];
		out[i * stride] = f[v] + square[i > v ? i - v : v - i];
	}
}

void sm_edt_plane_solve(struct sm_edt_plane *p, const struct sm_bits *site, int64_t x,
			const uint8_t *wanted)
{
	const int64_t ny = p->n[1], nz = p->n[2];
	for (int64_t z = 0; z < nz; z++) {
		const uint64_t *row = site->bit + (size_t)(z * ny) * site->words;
		for (int64_t y = 0; y < ny; y++, row += site->words) {
			const int64_t d = sm_row_nearest(row, site->words, x);
			p->line[y] = d < 0 ? INFINITY : p->square[0][d];
		}
		envelope(p, p->line, ny, 1, p->at + z, nz);
	}
	for (int64_t y = 0; y < ny; y++) {
		if (!wanted[y])
			continue;
		double *line = p->at + y * nz;
		for (int64_t z = 0; z < nz; z++)
			p->line[z] = line[z];
		envelope(p, p->line, nz, 2, line, 1);
	}
}
