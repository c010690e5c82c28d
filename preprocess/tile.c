/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/tile.h"

#include <math.h>
#include <string.h>

#include "core/rng.h"

#define GRID_MOST 1000000 /* tiles of a grid */

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

/* Labelled voxels of each z slice; sm_alloc memory, or NULL. */
static uint32_t *count_slices(const struct sm_vol *label, struct sm_mem *mem, struct sm_err *err)
{
	size_t plane = (size_t)(label->dim[0] * label->dim[1]);
	uint32_t *in_slice =
		sm_alloc(mem, (size_t)label->dim[2], sizeof *in_slice, "counts of a label", err);
	for (int64_t z = 0; in_slice && z < label->dim[2]; z++) {
		const uint8_t *v = (const uint8_t *)label->data + (size_t)z * plane;
		uint32_t n = 0;
		for (size_t i = 0; i < plane; i++)
			n += v[i] != 0;
		in_slice[z] = n;
	}
	return in_slice;
}

/* Index of the labelled voxel number `rank`. */
static int64_t labelled_voxel(const struct sm_vol *label, const uint32_t *in_slice, uint32_t rank)
{
	const uint8_t *v = label->data;
	int64_t z = 0;
	while (rank >= in_slice[z])
		rank -= in_slice[z++];
	for (int64_t i = z * label->dim[0] * label->dim[1];; i++)
		if (v[i] && rank-- == 0)
			return i;
}

/* The start of the tile around a voxel, as far as the grid allows. */
static void centre(const struct sm_vol *label, const struct sm_tile_rule *rule, int64_t voxel,
		   int32_t start[3])
{
	const int64_t at[3] = {voxel % label->dim[0], voxel / label->dim[0] % label->dim[1],
			       voxel / label->dim[0] / label->dim[1]};
	for (int a = 0; a < 3; a++) {
		int64_t s = at[a] - rule->size[a] / 2, last = label->dim[a] - rule->size[a];
		start[a] = (int32_t)(s < 0 ? 0 : s > last ? last : s);
	}
}

static enum sm_status centre_tiles(const struct sm_vol *label, const char *key,
				   const struct sm_tile_rule *rule, int64_t wanted,
				   struct sm_mem *mem, struct sm_tile_starts *out,
				   struct sm_err *err)
{
	uint32_t labelled = 0, *in_slice = count_slices(label, mem, err);
	if (!in_slice)
		return SM_BUDGET;
	for (int64_t z = 0; z < label->dim[2]; z++)
		labelled += in_slice[z];
	for (int64_t k = 0; labelled && k < wanted; k++) {
		struct sm_rng rng;
		sm_rng_init(&rng, rule->seed, "tile.centre", key, rule->epoch, (uint64_t)k);
		int64_t i = labelled_voxel(label, in_slice, sm_rng_below(&rng, labelled));
		centre(label, rule, i, out->start[out->count++]);
	}
	out->tumour = out->count;
	sm_free(in_slice);
	return SM_OK;
}

static void uniform_tiles(const struct sm_vol *label, const char *key,
			  const struct sm_tile_rule *rule, const struct sums *t,
			  struct sm_tile_starts *out)
{
	double voxels = (double)(rule->size[0] * rule->size[1] * rule->size[2]);
	for (; out->count < rule->per_case && out->tries < rule->tries; out->tries++) {
		struct sm_rng rng;
		int32_t at[3];
		sm_rng_init(&rng, rule->seed, "tile.start", key, rule->epoch, (uint64_t)out->tries);
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

/* Along one axis: number of tiles of the grid, and the start of tile i. */
static int64_t grid_count(int64_t dim, int64_t size, int64_t step)
{
	return (dim - size + step - 1) / step + 1;
}

static int32_t grid_start(int64_t i, int64_t dim, int64_t size, int64_t step)
{
	return (int32_t)(i * step < dim - size ? i * step : dim - size);
}

static enum sm_status grid_tiles(const struct sm_vol *label, const char *key,
				 const struct sm_tile_rule *rule, const struct sums *t,
				 struct sm_mem *mem, struct sm_tile_starts *out, struct sm_err *err)
{
	double voxels = (double)(rule->size[0] * rule->size[1] * rule->size[2]);
	int64_t step[3], n[3];
	size_t all;
	for (int a = 0; a < 3; a++) {
		step[a] = (int64_t)floor((double)rule->size[a] * (1 - rule->overlap) + 0.5);
		step[a] = step[a] > 1 ? step[a] : 1;
		n[a] = grid_count(label->dim[a], rule->size[a], step[a]);
	}
	if (!sm_mul3((size_t)n[0], (size_t)n[1], (size_t)n[2], &all) || all > GRID_MOST)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: the grid has %lld x %lld x %lld tiles, allowed are %d: overlap less",
			key, (long long)n[0], (long long)n[1], (long long)n[2], GRID_MOST);
	out->start = sm_alloc(mem, all, sizeof *out->start, "positions of tiles", err);
	if (!out->start)
		return SM_BUDGET;
	for (int64_t i = 0; i < (int64_t)all; i++) {
		const int64_t place[3] = {i % n[0], i / n[0] % n[1], i / n[0] / n[1]};
		int32_t at[3];
		for (int a = 0; a < 3; a++)
			at[a] = grid_start(place[a], label->dim[a], rule->size[a], step[a]);
		double background = (voxels - (double)sums_window(t, at, rule->size)) / voxels;
		if (background < out->least_background)
			out->least_background = background;
		if (!rule->skip_background || background < rule->max_background)
			memcpy(out->start[out->count++], at, sizeof at);
		out->tries++;
	}
	return SM_OK;
}

/* Tiles of each label: per_case by largest remainder among those that the case has. */
static enum sm_status class_counts(const char *key, const struct sm_tile_rule *rule,
				   const uint32_t have[256], int64_t tiles[256], struct sm_err *err)
{
	double sum = 0, rest[256] = {0};
	int64_t given = 0;
	for (size_t l = rule->classes; l < 256; l++)
		if (have[l])
			return SM_FAIL(err, SM_INPUT,
				       "%s: has label %zu, but tile.class_shares ends at label %zu",
				       key, l, rule->classes - 1);
	for (size_t l = 0; l < rule->classes; l++)
		sum += have[l] ? rule->class_shares[l] : 0;
	if (!(sum > 0))
		return SM_FAIL(err, SM_INPUT,
			       "%s: has no voxel of any label with a share in tile.class_shares",
			       key);
	for (size_t l = 0; l < rule->classes; l++) {
		double quota = have[l] ? (double)rule->per_case * rule->class_shares[l] / sum : 0;
		tiles[l] = (int64_t)floor(quota);
		rest[l] = have[l] && rule->class_shares[l] > 0 ? quota - floor(quota) : -1;
		given += tiles[l];
	}
	for (; given < rule->per_case; given++) {
		size_t best = 0;
		for (size_t l = 1; l < rule->classes; l++)
			if (rest[l] > rest[best])
				best = l;
		tiles[best]++;
		rest[best] -= 1; /* may be needed again when rounding made the floors too small */
	}
	return SM_OK;
}

/* Index of voxel number `rank` of a label; by_slice counts each label's voxels in each slice. */
static int64_t class_voxel(const struct sm_vol *label, const uint32_t (*by_slice)[256], size_t l,
			   uint32_t rank)
{
	const uint8_t *v = label->data;
	int64_t z = 0;
	while (rank >= by_slice[z][l])
		rank -= by_slice[z++][l];
	for (int64_t i = z * label->dim[0] * label->dim[1];; i++)
		if (v[i] == l && rank-- == 0)
			return i;
}

static enum sm_status balanced_tiles(const struct sm_vol *label, const char *key,
				     const struct sm_tile_rule *rule, struct sm_mem *mem,
				     struct sm_tile_starts *out, struct sm_err *err)
{
	uint32_t have[256] = {0};
	size_t plane = (size_t)(label->dim[0] * label->dim[1]);
	uint32_t(*by_slice)[256] =
		sm_calloc(mem, (size_t)label->dim[2], sizeof *by_slice, "counts of labels", err);
	if (!by_slice)
		return SM_BUDGET;
	for (int64_t z = 0; z < label->dim[2]; z++) {
		const uint8_t *v = (const uint8_t *)label->data + (size_t)z * plane;
		for (size_t i = 0; i < plane; i++)
			by_slice[z][v[i]]++;
		for (int l = 0; l < 256; l++)
			have[l] += by_slice[z][l];
	}
	enum sm_status st = class_counts(key, rule, have, out->of_class, err);
	for (size_t l = 0; st == SM_OK && l < rule->classes; l++)
		for (int64_t k = 0; k < out->of_class[l]; k++) {
			struct sm_rng rng;
			sm_rng_init(&rng, rule->seed, "tile.class", key, rule->epoch,
				    (uint64_t)out->count);
			uint32_t rank = sm_rng_below(&rng, have[l]);
			centre(label, rule,
			       class_voxel(label, (const uint32_t(*)[256])by_slice, l, rank),
			       out->start[out->count]);
			out->tumour += l > 0;
			out->count++;
		}
	sm_free(by_slice);
	return st;
}

/* What no rule can do with. */
static enum sm_status check_sizes(const struct sm_vol *label, const char *key,
				  const struct sm_tile_rule *rule, struct sm_err *err)
{
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
	return SM_OK;
}

enum sm_status sm_tile_choose(const struct sm_vol *label, const char *key,
			      const struct sm_tile_rule *rule, struct sm_mem *mem,
			      struct sm_tile_starts *out, struct sm_err *err)
{
	struct sums t = {0};
	enum sm_status st = SM_OK;
	*out = (struct sm_tile_starts){.least_background = 1};
	SM_TRY(check_sizes(label, key, rule, err));
	if (rule->choice != SM_TILES_GRID) {
		out->start = sm_alloc(mem, (size_t)rule->per_case, sizeof *out->start,
				      "positions of tiles", err);
		if (!out->start)
			return SM_BUDGET;
	}
	if (rule->choice == SM_TILES_GRID) {
		SM_GOTO(st, sums_init(&t, label, mem, err));
		st = grid_tiles(label, key, rule, &t, mem, out, err);
	} else if (rule->choice == SM_TILES_BALANCED) {
		st = balanced_tiles(label, key, rule, mem, out, err);
	} else {
		int64_t wanted = (int64_t)floor(rule->tumour_share * (double)rule->per_case + 0.5);
		SM_GOTO(st, centre_tiles(label, key, rule, wanted, mem, out, err));
		if (out->count == rule->per_case)
			goto out; /* the table is not needed */
		SM_GOTO(st, sums_init(&t, label, mem, err));
		uniform_tiles(label, key, rule, &t, out);
	}
out:
	if (st != SM_OK)
		sm_tile_starts_clear(out);
	sm_free(t.s);
	return st;
}

void sm_tile_starts_clear(struct sm_tile_starts *starts)
{
	sm_free(starts->start);
	*starts = (struct sm_tile_starts){0};
}

/* ---- what ----------------------------------------------------------------------------------- */

void sm_tile_cut_channel(const struct sm_vol *image, int64_t channel, const int64_t size[3],
			 const int32_t start[3], enum sm_standardise how, float *x)
{
	const int64_t *d = image->dim;
	size_t row = (size_t)size[0];
	float *to = x;
	for (int64_t z = start[2]; z < start[2] + size[2]; z++)
		for (int64_t r = start[1]; r < start[1] + size[1]; r++, to += row)
			sm_vol_run_f32(
				image,
				(size_t)(((channel * d[2] + z) * d[1] + r) * d[0] + start[0]), row,
				to);
	sm_standardise(x, size, 1, how);
}

void sm_tile_cut_label(const struct sm_vol *label, const int64_t size[3], const int32_t start[3],
		       uint8_t *y)
{
	const int64_t *d = label->dim;
	const uint8_t *labels = label->data;
	size_t row = (size_t)size[0];
	for (int64_t z = start[2]; z < start[2] + size[2]; z++)
		for (int64_t r = start[1]; r < start[1] + size[1]; r++, y += row)
			memcpy(y, labels + (z * d[1] + r) * d[0] + start[0], row);
}

void sm_tile_cut(const struct sm_vol *image, const struct sm_vol *label, const int64_t size[3],
		 const int32_t start[3], enum sm_standardise how, float *x, uint8_t *y)
{
	size_t voxels = (size_t)(size[0] * size[1] * size[2]);
	for (int64_t c = 0; c < image->dim[3]; c++)
		sm_tile_cut_channel(image, c, size, start, how, x + (size_t)c * voxels);
	sm_tile_cut_label(label, size, start, y);
}
