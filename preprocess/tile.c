/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/tile.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"

/* ---- where ---------------------------------------------------------------------------------- */

/* Summed-area table of (label != 0), one border of zeros on the low sides: 1000 tries then cost
 * eight look-ups each. Sums wrap at 2^32, which leaves differences below 2^32 exact. */
struct sums {
	int64_t nx, ny, nz; /* of the table: dims + 1 */
	uint32_t *s;
};

static enum sm_status sums_init(struct sums *t, const struct sm_vol *label, struct sm_mem *mem,
				struct sm_err *err)
{
	size_t count;
	*t = (struct sums){label->dim[0] + 1, label->dim[1] + 1, label->dim[2] + 1, NULL};
	if (!sm_mul3((size_t)t->nx, (size_t)t->ny, (size_t)t->nz, &count))
		return SM_FAIL(err, SM_BUDGET, "label: too large");
	t->s = sm_alloc(mem, count, sizeof *t->s, "sums of a label volume", err);
	if (!t->s)
		return SM_BUDGET;
	size_t plane = (size_t)(t->nx * t->ny);
	memset(t->s, 0, plane * sizeof *t->s);
	const uint8_t *v = label->data;
	for (int64_t z = 1; z < t->nz; z++) {
		uint32_t *now = t->s + (size_t)z * plane, *below = now - plane;
		memset(now, 0, (size_t)t->nx * sizeof *now);
		for (int64_t y = 1; y < t->ny; y++) {
			uint32_t row = 0, *out = now + y * t->nx;
			const uint32_t *up = out - t->nx, *low = below + y * t->nx,
				       *corner = low - t->nx;
			out[0] = 0;
			for (int64_t x = 1; x < t->nx; x++) {
				row += *v++ != 0;
				out[x] = row + up[x] + low[x] - corner[x];
			}
		}
	}
	return SM_OK;
}

static uint32_t sums_window(const struct sums *t, const int32_t at[3], const int64_t size[3])
{
	uint32_t total = 0;
	for (int corner = 0; corner < 8; corner++) {
		int64_t p[3];
		int high = 0;
		for (int a = 0; a < 3; a++) {
			int up = corner >> a & 1;
			p[a] = at[a] + (up ? size[a] : 0);
			high += up;
		}
		uint32_t v = t->s[(p[2] * t->ny + p[1]) * t->nx + p[0]];
		total += (3 - high) % 2 ? 0u - v : v;
	}
	return total;
}

/* Index of the labelled voxel number `rank`. */
static int64_t labelled_voxel(const struct sm_vol *label, const struct sums *t, uint32_t rank)
{
	const uint8_t *v = label->data;
	int64_t plane = label->dim[0] * label->dim[1], z = 0;
	const int32_t origin[3] = {0, 0, 0};
	for (; z < label->dim[2] - 1; z++) {
		const int64_t slab[3] = {label->dim[0], label->dim[1], z + 1};
		if (sums_window(t, origin, slab) > rank)
			break;
	}
	const int64_t before[3] = {label->dim[0], label->dim[1], z};
	uint32_t left = rank - sums_window(t, origin, before);
	for (int64_t i = z * plane;; i++)
		if (v[i] && left-- == 0)
			return i;
}

static void centre_tiles(const struct sm_vol *label, const char *key,
			 const struct sm_tile_rule *rule, const struct sums *t, int64_t wanted,
			 struct sm_tile_starts *out)
{
	const int32_t origin[3] = {0, 0, 0};
	uint32_t labelled = sums_window(t, origin, label->dim);
	for (int64_t k = 0; labelled && k < wanted; k++) {
		struct sm_rng rng;
		sm_rng_init(&rng, rule->seed, "tile.centre", key, 0, (uint64_t)k);
		int64_t i = labelled_voxel(label, t, sm_rng_below(&rng, labelled));
		const int64_t at[3] = {i % label->dim[0], i / label->dim[0] % label->dim[1],
				       i / label->dim[0] / label->dim[1]};
		for (int a = 0; a < 3; a++) {
			int64_t s = at[a] - rule->size[a] / 2, last = label->dim[a] - rule->size[a];
			out->start[out->count][a] = (int32_t)(s < 0 ? 0 : s > last ? last : s);
		}
		out->count++;
	}
	out->tumour = out->count;
}

static void uniform_tiles(const struct sm_vol *label, const char *key,
			  const struct sm_tile_rule *rule, const struct sums *t,
			  struct sm_tile_starts *out)
{
	double voxels = (double)(rule->size[0] * rule->size[1] * rule->size[2]);
	for (; out->count < rule->per_case && out->tries < rule->tries; out->tries++) {
		struct sm_rng rng;
		int32_t at[3];
		sm_rng_init(&rng, rule->seed, "tile.start", key, 0, (uint64_t)out->tries);
		for (int a = 0; a < 3; a++)
			at[a] = (int32_t)sm_rng_below(&rng, (uint32_t)(label->dim[a] -
								       rule->size[a] + 1));
		double background = (voxels - (double)sums_window(t, at, rule->size)) / voxels;
		if (background < out->least_background)
			out->least_background = background;
		if (background < rule->max_background)
			memcpy(out->start[out->count++], at, sizeof at);
	}
}

enum sm_status sm_tile_choose(const struct sm_vol *label, const char *key,
			      const struct sm_tile_rule *rule, struct sm_mem *mem,
			      struct sm_tile_starts *out, struct sm_err *err)
{
	struct sums t = {0};
	*out = (struct sm_tile_starts){.least_background = 1};
	for (int a = 0; a < 3; a++)
		if (label->dim[a] < rule->size[a])
			return SM_FAIL(err, SM_INPUT,
				       "%s: has %lld voxels along %c, a tile needs %lld "
				       "(tile.small: pad adds zeros)",
				       key, (long long)label->dim[a], "xyz"[a],
				       (long long)rule->size[a]);
	size_t voxels;
	if (!sm_mul3((size_t)rule->size[0], (size_t)rule->size[1], (size_t)rule->size[2],
		     &voxels) ||
	    voxels > UINT32_MAX)
		return SM_FAIL(err, SM_BUDGET,
			       "%s: a tile of %lld x %lld x %lld voxels is too large", key,
			       (long long)rule->size[0], (long long)rule->size[1],
			       (long long)rule->size[2]);
	if (sm_vol_frame_count(label) > UINT32_MAX)
		return SM_FAIL(err, SM_BUDGET, "%s: %zu voxels, allowed are 4294967295", key,
			       sm_vol_frame_count(label));
	out->start = sm_alloc(mem, (size_t)rule->per_case, sizeof *out->start, "positions of tiles",
			      err);
	if (!out->start)
		return SM_BUDGET;
	enum sm_status st = sums_init(&t, label, mem, err);
	if (st == SM_OK) {
		int64_t wanted = (int64_t)floor(rule->tumour_share * (double)rule->per_case + 0.5);
		centre_tiles(label, key, rule, &t, wanted, out);
		uniform_tiles(label, key, rule, &t, out);
	} else {
		sm_tile_starts_clear(out);
	}
	sm_free(t.s);
	return st;
}

void sm_tile_starts_clear(struct sm_tile_starts *starts)
{
	sm_free(starts->start);
	*starts = (struct sm_tile_starts){0};
}

/* ---- what ----------------------------------------------------------------------------------- */

void sm_tile_cut(const struct sm_vol *image, const struct sm_vol *label, const int64_t size[3],
		 const int32_t start[3], enum sm_standardise how, float *x, uint8_t *y)
{
	const int64_t *d = image->dim;
	size_t row = (size_t)size[0];
	const float *values = image->data;
	const uint8_t *labels = label->data;
	float *to = x;
	for (int64_t c = 0; c < d[3]; c++)
		for (int64_t z = start[2]; z < start[2] + size[2]; z++)
			for (int64_t r = start[1]; r < start[1] + size[1]; r++, to += row)
				memcpy(to, values + ((c * d[2] + z) * d[1] + r) * d[0] + start[0],
				       row * sizeof *to);
	for (int64_t z = start[2]; z < start[2] + size[2]; z++)
		for (int64_t r = start[1]; r < start[1] + size[1]; r++, y += row)
			memcpy(y, labels + (z * d[1] + r) * d[0] + start[0], row);
	sm_standardise(x, size, d[3], how);
}
