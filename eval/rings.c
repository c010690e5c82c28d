/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/rings.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "core/par.h"
#include "eval/surfel.h"

/* Offsets in a ball: up to 3 voxels away where the spacing is equal. */
#define BALL_OFFSETS 120
#define PIECE_WORDS 4096
#define MOST_PIECES 32

struct offset {
	double square;
	uint8_t row, dx;
};

static int shorter_first(const void *a, const void *b)
{
	const struct offset *p = a, *q = b;
	if (p->square != q->square)
		return p->square < q->square ? -1 : 1;
	return p->row != q->row ? p->row - q->row : p->dx - q->dx;
}

/* All offsets whose square is less than `limit`, and their rows, which stand nearest first. One too
 * many: SM_RING_LOOKS + 1. */
static size_t offsets_below(const struct sm_rows_near *near, double limit, struct offset *out)
{
	size_t n = 0;
	for (size_t r = 0; r < near->count && near->row[r].square < limit; r++)
		for (int dx = 0; dx < 64; dx++) {
			const double x = (double)dx * near->step[0],
				     square = x * x + near->row[r].square;
			if (!(square < limit))
				break;
			if (n == SM_RING_LOOKS || r == SM_RING_ROWS)
				return SM_RING_LOOKS + 1;
			out[n++] = (struct offset){square, (uint8_t)r, (uint8_t)dx};
		}
	return n;
}

void sm_rings_init(struct sm_rings *rings, const struct sm_rows_near *near)
{
	struct offset offset[SM_RING_LOOKS];
	const double *step = near->step, longest = 64 * step[0];
	const double radius = cbrt(BALL_OFFSETS * step[0] * step[1] * step[2] * 0.75 / acos(-1.0));
	/* Rows beyond `reach` and steps beyond a word are not looked at. */
	double limit = fmin(fmin(radius * radius, near->reach), longest * longest);
	size_t n = offsets_below(near, limit, offset);
	while (n > SM_RING_LOOKS)
		n = offsets_below(near, limit *= 0.75, offset);
	qsort(offset, n, sizeof *offset, shorter_first);
	*rings = (struct sm_rings){0};
	for (size_t i = 0; i < n; i++) {
		if (!i || offset[i].square != offset[i - 1].square) {
			if (rings->count == SM_RINGS)
				break;
			rings->mm[rings->count++] = near->scale * sqrt(offset[i].square);
		}
		rings->look[i].row = offset[i].row;
		rings->look[i].dx = offset[i].dx;
		rings->end[rings->count - 1] = (uint16_t)(i + 1);
		if (offset[i].row >= rings->rows)
			rings->rows = (size_t)offset[i].row + 1;
	}
	for (size_t r = 0; r < rings->rows; r++) {
		rings->row[r].dy = near->row[r].dy;
		rings->row[r].dz = near->row[r].dz;
	}
}

/* Consecutive planes of z of one search. Counts do not depend on how a search is cut. */
struct piece {
	struct sm_ring_search *search;
	int64_t from, to;
	uint32_t *count;
	size_t left;
};

struct work {
	const struct sm_rings *rings;
	int64_t wide, deep; /* the largest dy and dz */
	struct piece *piece;
	size_t pieces;
	uint32_t *count;
};

/* Where a row of points looks. */
struct view {
	const struct work *work;
	const struct sm_ring_search *search;
	const uint64_t *to; /* the row of sites itself */
	size_t row;
	int64_t y, z;
	bool inner; /* every row around is in the grid */
	ptrdiff_t step[SM_RING_ROWS];
};

/* Bits of word k whose sites are dx away, either way. */
static inline uint64_t shifted(const uint64_t *row, size_t k, size_t words, unsigned dx)
{
	if (!dx)
		return row[k];
	uint64_t out = row[k] << dx | row[k] >> dx;
	if (k)
		out |= row[k - 1] >> (64 - dx);
	if (k + 1 < words)
		out |= row[k + 1] << (64 - dx);
	return out;
}

static uint64_t meets(const struct view *v, size_t k, size_t look, size_t end)
{
	const struct sm_rings *rings = v->work->rings;
	const struct sm_bits *to = v->search->to;
	uint64_t out = 0;
	for (; look < end; look++) {
		const size_t r = rings->look[look].row;
		if (!v->inner && ((uint64_t)(v->y + rings->row[r].dy) >= (uint64_t)to->n[1] ||
				  (uint64_t)(v->z + rings->row[r].dz) >= (uint64_t)to->n[2]))
			continue;
		out |= shifted(v->to + v->step[r], k, to->words, rings->look[look].dx);
	}
	return out;
}

/* Counts the points of a word ring by ring; returns those that are left. */
static uint64_t search_word(const struct view *v, size_t k, uint64_t left, uint32_t *count)
{
	const struct sm_rings *rings = v->work->rings;
	const struct sm_bits *mask = v->search->mask;
	size_t look = 0;
	for (size_t r = 0; r < rings->count && left; r++) {
		const uint64_t here = left & meets(v, k, look, rings->end[r]);
		look = rings->end[r];
		if (!here)
			continue;
		if (mask)
			sm_surfels_count(mask, v->row, k, here, count + r * SM_SURFEL_CODES);
		else
			count[r] += (uint32_t)__builtin_popcountll(here);
		left &= ~here;
	}
	return left;
}

static enum sm_status search_piece(void *ctx, size_t i, struct sm_err *err)
{
	(void)err;
	const struct work *w = ctx;
	struct piece *p = &w->piece[i];
	const struct sm_bits *from = p->search->from, *to = p->search->to;
	const int64_t ny = to->n[1], nz = to->n[2];
	struct view v = {.work = w, .search = p->search};
	for (size_t r = 0; r < w->rings->rows; r++)
		v.step[r] = (ptrdiff_t)(w->rings->row[r].dz * ny + w->rings->row[r].dy) *
			    (ptrdiff_t)to->words;
	for (v.z = p->from; v.z < p->to; v.z++)
		for (v.y = 0; v.y < ny; v.y++) {
			v.row = (size_t)(v.z * ny + v.y);
			v.to = to->bit + v.row * to->words;
			v.inner = v.y >= w->wide && v.y + w->wide < ny && v.z >= w->deep &&
				  v.z + w->deep < nz;
			for (size_t k = 0; k < to->words; k++) {
				const size_t at = v.row * to->words + k;
				if (!from->bit[at])
					continue;
				const uint64_t left = search_word(&v, k, from->bit[at], p->count);
				if (!left)
					continue;
				p->search->rest.bit[at] = left;
				p->left += (size_t)__builtin_popcountll(left);
			}
		}
	return SM_OK;
}

size_t sm_ring_kinds(const struct sm_ring_search *search)
{
	return search->mask ? SM_SURFEL_CODES : 1;
}

/* Makes the results of all searches, and the pieces they fall into. */
static enum sm_status cut_pieces(struct work *w, struct sm_ring_search *search, size_t n,
				 struct sm_mem *mem, struct sm_err *err)
{
	size_t counts = 0, at = 0;
	w->piece = sm_alloc(mem, n * MOST_PIECES, sizeof *w->piece, "pieces of a search", err);
	if (!w->piece)
		return SM_BUDGET;
	for (size_t i = 0; i < n; i++) {
		const struct sm_bits *from = search[i].from;
		const int64_t box[3] = {from->n[0] - 2, from->n[1] - 2, from->n[2] - 2};
		const size_t words = (size_t)(from->n[1] * from->n[2]) * from->words,
			     most = words / PIECE_WORDS + 1;
		const int64_t pieces = most < MOST_PIECES ? (int64_t)most : MOST_PIECES,
			      planes = (from->n[2] + pieces - 1) / pieces;
		const size_t kinds = w->rings->count * sm_ring_kinds(&search[i]);
		SM_TRY(sm_bits_init(&search[i].rest, box, mem, err));
		search[i].count =
			sm_calloc(mem, kinds, sizeof *search[i].count, "counts of distances", err);
		if (!search[i].count)
			return SM_BUDGET;
		for (int64_t z = 0; z < from->n[2]; z += planes, counts += kinds)
			w->piece[w->pieces++] = (struct piece){
				.search = &search[i],
				.from = z,
				.to = z + planes < from->n[2] ? z + planes : from->n[2]};
	}
	w->count = sm_calloc(mem, counts, sizeof *w->count, "counts of distances", err);
	if (!w->count)
		return SM_BUDGET;
	for (size_t i = 0; i < w->pieces; i++) {
		w->piece[i].count = w->count + at;
		at += w->rings->count * sm_ring_kinds(w->piece[i].search);
	}
	return SM_OK;
}

enum sm_status sm_rings_all(struct sm_ring_search *search, size_t n, const struct sm_rings *rings,
			    struct sm_mem *mem, int jobs, struct sm_err *err)
{
	struct work w = {.rings = rings};
	enum sm_status st = SM_OK;
	if (!n)
		return SM_OK;
	for (size_t r = 0; r < rings->rows; r++) {
		const int64_t dy = labs(rings->row[r].dy), dz = labs(rings->row[r].dz);
		w.wide = dy > w.wide ? dy : w.wide;
		w.deep = dz > w.deep ? dz : w.deep;
	}
	SM_GOTO(st, cut_pieces(&w, search, n, mem, err));
	SM_GOTO(st, sm_par_for(w.pieces, jobs, search_piece, &w, err));
	for (size_t i = 0; i < w.pieces; i++) {
		struct sm_ring_search *s = w.piece[i].search;
		for (size_t k = 0; k < rings->count * sm_ring_kinds(s); k++)
			s->count[k] += w.piece[i].count[k];
		s->left += w.piece[i].left;
	}
out:
	sm_free(w.piece);
	sm_free(w.count);
	return st;
}

void sm_ring_search_clear(struct sm_ring_search *search)
{
	sm_bits_clear(&search->rest);
	sm_free(search->count);
	search->count = NULL;
}
