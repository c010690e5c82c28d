/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "core/par.h"
#include "eval/overlap.h"

int sm_slice_axis(const struct sm_evaluate_section *section, const double affine[4][4])
{
	int best = 0;
	double most = -1;
	if (section->slice_axis != SM_SLICE_AXIAL)
		return section->slice_axis - SM_SLICE_X;
	for (int a = 0; a < 3; a++) {
		double length = sqrt(affine[0][a] * affine[0][a] + affine[1][a] * affine[1][a] +
				     affine[2][a] * affine[2][a]);
		double share = length > 0 ? fabs(affine[2][a]) / length : 0;
		/* Of equal ones the last: axial stacks grow along z. */
		if (share >= most) {
			most = share;
			best = a;
		}
	}
	return best;
}

struct slicing {
	const struct sm_label_map *map;
	const uint8_t *truth, *prediction;
	int64_t dim[3];
	int axis;
	uint8_t class_of[256];
	struct sm_parts_counts *out;
};

/* The counts of all rows from the joint ones of the classes. */
static void to_rows(const struct slicing *s, size_t part, const struct sm_joint *joint)
{
	for (size_t r = 0; r < s->map->n; r++)
		s->out->counts[part * s->out->rows + r] =
			sm_joint_region(joint, s->map->row[r].members);
}

static void count_row(const struct slicing *s, size_t at, int64_t n, int64_t step,
		      struct sm_joint *joint)
{
	uint64_t background = 0;
	for (int64_t i = 0; i < n; i++, at += (size_t)step) {
		uint8_t t = s->truth[at], p = s->prediction[at];
		if (!(t | p))
			background++;
		else
			joint->n[s->class_of[t]][s->class_of[p]]++;
	}
	joint->n[0][0] += background;
}

/* One slice: the two other axes, the lower one inside. */
static enum sm_status count_slice(void *ctx, size_t i, struct sm_err *err)
{
	(void)err;
	const struct slicing *s = ctx;
	const int64_t stride[3] = {1, s->dim[0], s->dim[0] * s->dim[1]};
	int inner = s->axis == 0 ? 1 : 0, outer = s->axis == 2 ? 1 : 2;
	struct sm_joint joint = {0};
	for (int64_t o = 0; o < s->dim[outer]; o++)
		count_row(s, (size_t)((int64_t)i * stride[s->axis] + o * stride[outer]),
			  s->dim[inner], stride[inner], &joint);
	to_rows(s, i, &joint);
	return SM_OK;
}

static enum sm_status prepare(struct slicing *s, size_t parts, struct sm_mem *mem,
			      struct sm_err *err)
{
	for (size_t c = 0; c < s->map->classes; c++)
		s->class_of[s->map->value[c]] = (uint8_t)c;
	*s->out = (struct sm_parts_counts){.parts = parts, .rows = s->map->n};
	size_t n = parts * s->map->n;
	s->out->counts = sm_calloc(mem, n ? n : 1, sizeof *s->out->counts, "counts of parts", err);
	return s->out->counts ? SM_OK : SM_BUDGET;
}

enum sm_status sm_slice_counts(const struct sm_label_map *map, const uint8_t *truth,
			       const uint8_t *prediction, const int64_t dim[3], int axis, int jobs,
			       struct sm_mem *mem, struct sm_parts_counts *out, struct sm_err *err)
{
	struct slicing s = {.map = map,
			    .truth = truth,
			    .prediction = prediction,
			    .dim = {dim[0], dim[1], dim[2]},
			    .axis = axis,
			    .out = out};
	SM_TRY(prepare(&s, (size_t)dim[axis], mem, err));
	return sm_par_for((size_t)dim[axis], jobs, count_slice, &s, err);
}

struct tiling {
	struct slicing s;
	const struct sm_tile_list *tiles;
};

static enum sm_status count_tile(void *ctx, size_t i, struct sm_err *err)
{
	(void)err;
	const struct tiling *t = ctx;
	int64_t from[3], to[3];
	struct sm_joint joint = {0};
	for (int a = 0; a < 3; a++) {
		int64_t start = t->tiles->start[i][a], end = start + t->tiles->size[a];
		from[a] = start < 0 ? 0 : start;
		to[a] = end < t->s.dim[a] ? end : t->s.dim[a];
		if (from[a] > to[a])
			from[a] = to[a] = 0;
	}
	for (int64_t z = from[2]; z < to[2]; z++)
		for (int64_t y = from[1]; y < to[1]; y++)
			count_row(&t->s, (size_t)((z * t->s.dim[1] + y) * t->s.dim[0] + from[0]),
				  to[0] - from[0], 1, &joint);
	/* Beyond the volume's edge, where tiles are padded, there is background on both sides. */
	uint64_t inside = (uint64_t)((to[0] - from[0]) * (to[1] - from[1]) * (to[2] - from[2]));
	joint.n[0][0] +=
		(uint64_t)(t->tiles->size[0] * t->tiles->size[1] * t->tiles->size[2]) - inside;
	to_rows(&t->s, i, &joint);
	return SM_OK;
}

enum sm_status sm_tile_counts(const struct sm_label_map *map, const uint8_t *truth,
			      const uint8_t *prediction, const int64_t dim[3],
			      const struct sm_tile_list *tiles, int jobs, struct sm_mem *mem,
			      struct sm_parts_counts *out, struct sm_err *err)
{
	struct tiling t = {.s = {.map = map,
				 .truth = truth,
				 .prediction = prediction,
				 .dim = {dim[0], dim[1], dim[2]},
				 .out = out},
			   .tiles = tiles};
	SM_TRY(prepare(&t.s, tiles->n, mem, err));
	return sm_par_for(tiles->n, jobs, count_tile, &t, err);
}
