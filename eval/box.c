/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/box.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/par.h"

#define BLOCK_VOXELS ((int64_t)1 << 19)
#define EACH_BYTE UINT64_C(0x0101010101010101)

/* First and last voxel of each class along x, y, z; first > last: none. */
struct extent {
	int64_t first[3], last[3];
};

struct block {
	struct sm_joint joint;
	struct extent at[2][SM_MAP_CLASSES];
};

struct scan {
	const struct sm_label_map *map;
	const uint8_t *value[2];
	const char *name[2];
	const int64_t *dim;
	int64_t planes;        /* a block */
	uint8_t class_of[256]; /* SM_MAP_CLASSES = none */
	struct block *block;
};

static enum sm_status bad_label(const struct scan *s, int which, size_t at, struct sm_err *err)
{
	char list[6 * SM_MAP_CLASSES] = "";
	size_t used = 0;
	for (size_t c = 0; c < s->map->classes; c++)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%u", used ? ", " : "",
					 (unsigned)s->map->value[c]);
	return SM_FAIL(err, SM_INPUT,
		       "%s: label %u at voxel number %zu is not in the label map: allowed are %s",
		       s->name[which], (unsigned)s->value[which][at], at, list);
}

static uint64_t word_at(const uint8_t *p)
{
	uint64_t w;
	memcpy(&w, p, 8);
	return w;
}

static void stretch(struct extent *e, int axis, int64_t first, int64_t last)
{
	if (first < e->first[axis])
		e->first[axis] = first;
	if (last > e->last[axis])
		e->last[axis] = last;
}

/* `len` voxels of one pair of classes from x on. */
static void note(struct block *b, size_t t, size_t p, int64_t x, int64_t len, uint64_t seen[2])
{
	b->joint.n[t][p] += (uint64_t)len;
	seen[0] |= UINT64_C(1) << t;
	seen[1] |= UINT64_C(1) << p;
	stretch(&b->at[0][t], 0, x, x + len - 1);
	stretch(&b->at[1][p], 0, x, x + len - 1);
}

/* Background in both, 32 voxels at a time, is most of a scan. */
static int64_t skip_background(const uint8_t *t, const uint8_t *p, int64_t x, int64_t n)
{
	while (n - x >= 32) {
		uint64_t any = 0;
		for (int k = 0; k < 32; k += 8)
			any |= word_at(t + x + k) | word_at(p + x + k);
		if (any)
			break;
		x += 32;
	}
	return x;
}

static enum sm_status scan_row(const struct scan *s, struct block *b, size_t row, uint64_t seen[2],
			       struct sm_err *err)
{
	const int64_t n = s->dim[0];
	const size_t base = row * (size_t)n;
	const uint8_t *t = s->value[0] + base, *p = s->value[1] + base;
	for (int64_t x = 0; x < n;) {
		int64_t from = x, len = 8;
		x = skip_background(t, p, x, n);
		b->joint.n[0][0] += (uint64_t)(x - from);
		if (x == n)
			break;
		if (n - x < 8 || word_at(t + x) != t[x] * EACH_BYTE ||
		    word_at(p + x) != p[x] * EACH_BYTE)
			len = 1;
		const int64_t end = n - x < 8 ? n : x + 8;
		for (; x < end; x += len) {
			size_t tc = s->class_of[t[x]], pc = s->class_of[p[x]];
			if (tc == SM_MAP_CLASSES || pc == SM_MAP_CLASSES)
				return bad_label(s, tc != SM_MAP_CLASSES, base + (size_t)x, err);
			note(b, tc, pc, x, len, seen);
		}
	}
	return SM_OK;
}

static enum sm_status scan_block(void *ctx, size_t i, struct sm_err *err)
{
	const struct scan *s = ctx;
	struct block *b = &s->block[i];
	const int64_t from = (int64_t)i * s->planes;
	const int64_t to = from + s->planes < s->dim[2] ? from + s->planes : s->dim[2];
	for (int k = 0; k < 2; k++)
		for (size_t c = 0; c < SM_MAP_CLASSES; c++)
			b->at[k][c] =
				(struct extent){{INT64_MAX, INT64_MAX, INT64_MAX}, {-1, -1, -1}};
	for (int64_t z = from; z < to; z++)
		for (int64_t y = 0; y < s->dim[1]; y++) {
			uint64_t seen[2] = {0};
			SM_TRY(scan_row(s, b, (size_t)(z * s->dim[1] + y), seen, err));
			for (int k = 0; k < 2; k++)
				for (uint64_t left = seen[k]; left; left &= left - 1) {
					struct extent *e = &b->at[k][__builtin_ctzll(left)];
					stretch(e, 1, y, y);
					stretch(e, 2, z, z);
				}
		}
	return SM_OK;
}

static struct sm_box box_of_members(const struct extent at[SM_MAP_CLASSES], uint64_t members,
				    const int64_t dim[3])
{
	struct extent e = {{INT64_MAX, INT64_MAX, INT64_MAX}, {-1, -1, -1}};
	struct sm_box box = {0};
	for (uint64_t left = members; left; left &= left - 1) {
		size_t c = (size_t)__builtin_ctzll(left);
		for (int a = 0; a < 3; a++)
			stretch(&e, a, at[c].first[a], at[c].last[a]);
	}
	if (members & 1) /* the background's own place is not looked for */
		for (int a = 0; a < 3; a++)
			stretch(&e, a, 0, dim[a] - 1);
	for (int a = 0; e.last[0] >= 0 && a < 3; a++) {
		box.low[a] = e.first[a];
		box.n[a] = e.last[a] - e.first[a] + 1;
	}
	return box;
}

struct sm_box sm_box_join(const struct sm_box *a, const struct sm_box *b)
{
	struct sm_box out = *a;
	if (!a->n[0])
		return *b;
	for (int i = 0; b->n[0] && i < 3; i++) {
		int64_t end = a->low[i] + a->n[i], other = b->low[i] + b->n[i];
		out.low[i] = b->low[i] < a->low[i] ? b->low[i] : a->low[i];
		out.n[i] = (other > end ? other : end) - out.low[i];
	}
	return out;
}

static void gather(struct scan *s, size_t blocks, struct sm_joint *joint,
		   struct sm_regions *regions)
{
	const struct sm_label_map *map = s->map;
	for (size_t i = 0; i < blocks; i++)
		for (size_t t = 0; t < map->classes; t++) {
			for (size_t p = 0; p < map->classes; p++)
				joint->n[t][p] += s->block[i].joint.n[t][p];
			for (int k = 0; i && k < 2; k++)
				for (int a = 0; a < 3; a++)
					stretch(&s->block[0].at[k][t], a,
						s->block[i].at[k][t].first[a],
						s->block[i].at[k][t].last[a]);
		}
	regions->rows = map->n;
	for (size_t r = 0; r < map->n; r++) {
		const uint64_t members = map->row[r].members;
		struct sm_counts c = sm_joint_region(joint, members);
		if (c.tp + c.fn)
			regions->truth[r] = box_of_members(s->block[0].at[0], members, s->dim);
		if (c.tp + c.fp)
			regions->prediction[r] = box_of_members(s->block[0].at[1], members, s->dim);
		regions->both[r] = sm_box_join(&regions->truth[r], &regions->prediction[r]);
	}
}

enum sm_status sm_scan_pair(const struct sm_label_map *map, const uint8_t *truth,
			    const char *truth_name, const uint8_t *prediction,
			    const char *prediction_name, const int64_t dim[3], int jobs,
			    struct sm_joint *joint, struct sm_regions *regions, struct sm_err *err)
{
	struct scan s = {.map = map,
			 .value = {truth, prediction},
			 .name = {truth_name, prediction_name},
			 .dim = dim};
	const int64_t plane = dim[0] * dim[1];
	*joint = (struct sm_joint){0};
	*regions = (struct sm_regions){0};
	if (plane < 1 || dim[2] < 1)
		return SM_FAIL(err, SM_INTERNAL, "%s: empty grid", truth_name);
	s.planes = BLOCK_VOXELS / plane ? BLOCK_VOXELS / plane : 1;
	memset(s.class_of, SM_MAP_CLASSES, sizeof s.class_of);
	for (size_t c = 0; c < map->classes; c++)
		s.class_of[map->value[c]] = (uint8_t)c;
	const size_t blocks = (size_t)((dim[2] + s.planes - 1) / s.planes);
	s.block = sm_calloc(NULL, blocks, sizeof *s.block, "label counts", err);
	if (!s.block)
		return SM_BUDGET;
	enum sm_status st = sm_par_for(blocks, jobs, scan_block, &s, err);
	if (st == SM_OK)
		gather(&s, blocks, joint, regions);
	sm_free(s.block);
	return st;
}

void sm_region_members(const struct sm_label_map *map, size_t row, uint8_t member[256])
{
	memset(member, 0, 256);
	for (size_t c = 0; c < map->classes; c++)
		member[map->value[c]] = map->row[row].members >> c & 1;
}

void sm_region_cut(const struct sm_label_map *map, size_t row, const uint8_t *labels,
		   const int64_t dim[3], const struct sm_box *box, int64_t margin, uint8_t *out)
{
	uint8_t member[256];
	int64_t n[3];
	sm_region_members(map, row, member);
	for (int a = 0; a < 3; a++)
		n[a] = box->n[a] + 2 * margin;
	memset(out, 0, (size_t)(n[0] * n[1] * n[2]));
	for (int64_t z = 0; z < box->n[2]; z++)
		for (int64_t y = 0; y < box->n[1]; y++) {
			const uint8_t *in =
				labels + ((box->low[2] + z) * dim[1] + box->low[1] + y) * dim[0] +
				box->low[0];
			uint8_t *to = out + ((z + margin) * n[1] + y + margin) * n[0] + margin;
			for (int64_t x = 0; x < box->n[0]; x++)
				to[x] = member[in[x]];
		}
}

struct sm_box sm_box_of(const uint8_t *mask, const int64_t dim[3])
{
	struct extent e = {{INT64_MAX, INT64_MAX, INT64_MAX}, {-1, -1, -1}};
	struct sm_box box = {0};
	for (int64_t z = 0; z < dim[2]; z++)
		for (int64_t y = 0; y < dim[1]; y++) {
			const uint8_t *row = mask + (z * dim[1] + y) * dim[0];
			int64_t first = 0, last = dim[0];
			while (first < last && !row[first])
				first++;
			if (first == last)
				continue;
			while (!row[last - 1])
				last--;
			stretch(&e, 0, first, last - 1);
			stretch(&e, 1, y, y);
			stretch(&e, 2, z, z);
		}
	for (int a = 0; e.last[0] >= 0 && a < 3; a++) {
		box.low[a] = e.first[a];
		box.n[a] = e.last[a] - e.first[a] + 1;
	}
	return box;
}
