/* SPDX-License-Identifier: Apache-2.0
 *
 * Grouping of frames into volumes (see dcm_series.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "ingest/series/dcm_stack.h"

/* A slice on its way to its group. */
struct member {
	struct sm_slice slice;
	const struct sm_dcm_head *head;
	const struct sm_dcm_frame *frame; /* NULL: none */
	size_t order;                     /* in the series */
	double number;                    /* of the key at work */
	const char *text;
};

struct grouping {
	const struct sm_dcm_head *heads;
	const struct sm_series_rules *rules;
	sm_same_file same;
	void *ctx;
	struct sm_series_list *out;
	size_t room;  /* of out->series */
	size_t first; /* of the series at work: its groups stand from here on */
	struct member *member; /* of the series at work */
	size_t members, member_room;
	size_t *copies, *seen; /* by head: files left out; the group that counted them, from 1 */
	bool *clash;           /* by head: another file has its SOPInstanceUID */
};

/* What must be the same in a volume. Numbers with a tolerance come last: those of a group hang
 * together by steps below it, in any order of the files. */
enum key {
	VERDICT,
	MODALITY,
	PATIENT,
	STUDY,
	ODD_KEYS, /* objects with a verdict of their own keep together by the ones above, so that
		   * each reason is told */
	ROWS = ODD_KEYS,
	COLUMNS,
	FLOAT,
	COMPONENT,
	STACK,
	FRAME_OF_REFERENCE,
	IMAGE_KIND,
	IMAGE_WORDS,
	KERNEL,
	TOLERANT_KEYS,
	SPACING_X = TOLERANT_KEYS,
	SPACING_Y,
	ACROSS_X,
	ACROSS_Y,
	ACROSS_Z,
	DOWN_X,
	DOWN_Y,
	DOWN_Z,
	ECHO,
	INVERSION,
	VOLTAGE,
	SLAB_WORDS, /* CT: ImageType again, unless it changes from one slab of the scan to the next
		     */
	KEYS
};

/* Two numbers are the same when they differ by at most this, or this share of the larger one. */
static const struct {
	double length, share;
} tolerance[KEYS] = {
	[SPACING_X] = {.share = SM_SAME_PIXEL},
	[SPACING_Y] = {.share = SM_SAME_PIXEL},
	[ACROSS_X] = {.length = SM_SAME_DIRECTION},
	[ACROSS_Y] = {.length = SM_SAME_DIRECTION},
	[ACROSS_Z] = {.length = SM_SAME_DIRECTION},
	[DOWN_X] = {.length = SM_SAME_DIRECTION},
	[DOWN_Y] = {.length = SM_SAME_DIRECTION},
	[DOWN_Z] = {.length = SM_SAME_DIRECTION},
	[ECHO] = {.length = SM_SAME_MS, .share = SM_SAME_TIME},
	[INVERSION] = {.length = SM_SAME_MS, .share = SM_SAME_TIME},
	[VOLTAGE] = {.share = SM_SAME_TIME},
};

/* The text of a key; NULL when the key is a number. */
static const char *text_of(const struct member *m, enum key key)
{
	const struct sm_dcm_head *h = m->head;
	const struct sm_dcm_frame *f = m->frame;
	bool mr = strcmp(h->modality, "MR") == 0, ct = strcmp(h->modality, "CT") == 0;
	switch (key) {
	case MODALITY:
		return h->modality;
	case PATIENT:
		return h->patient;
	case STUDY:
		return h->study;
	case FRAME_OF_REFERENCE:
		return h->frame_of_reference;
	case IMAGE_KIND:
		return mr ? f->image_kind : "";
	case IMAGE_WORDS:
		return mr ? f->image_words : "";
	case SLAB_WORDS:
		return ct ? f->image_words : "";
	case KERNEL:
		return ct ? f->kernel : "";
	default:
		return NULL;
	}
}

/* Beyond ODD_KEYS there is a frame. */
static double number_of(const struct sm_dcm_head *heads, const struct member *m, enum key key)
{
	const struct sm_dcm_head *h = m->head;
	const struct sm_dcm_frame *f = m->frame;
	bool mr = strcmp(h->modality, "MR") == 0, ct = strcmp(h->modality, "CT") == 0;
	switch (key) {
	case VERDICT:
		return sm_slice_verdict(heads, m->slice);
	case ROWS:
		return h->tile_rows;
	case COLUMNS:
		return h->tile_columns;
	case FLOAT:
		return h->format.is_float;
	case COMPONENT:
		return f->component;
	case STACK:
		return (double)f->stack;
	case SPACING_X:
	case SPACING_Y:
		return f->spacing[key - SPACING_X];
	case ACROSS_X:
	case ACROSS_Y:
	case ACROSS_Z:
		return f->across[key - ACROSS_X];
	case DOWN_X:
	case DOWN_Y:
	case DOWN_Z:
		return f->down[key - DOWN_X];
	case ECHO:
		return mr ? f->echo_time : NAN;
	case INVERSION:
		return mr ? f->inversion_time : NAN;
	case VOLTAGE:
		return ct ? f->kvp : NAN;
	default:
		return 0;
	}
}

/* Absent numbers come first, all together. */
static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int c = 0;
	if (x->text)
		c = strcmp(x->text, y->text);
	else if (isnan(x->number) || isnan(y->number))
		c = isnan(y->number) - isnan(x->number);
	else
		c = (x->number > y->number) - (x->number < y->number);
	return c ? c : (x->order > y->order) - (x->order < y->order);
}

static int by_height(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

/* True when the key lies between two neighbours in its order. */
static bool parts(const struct member *x, const struct member *y, enum key key)
{
	if (x->text)
		return strcmp(x->text, y->text) != 0;
	if (isnan(x->number) || isnan(y->number))
		return isnan(x->number) != isnan(y->number);
	double size = fmax(fabs(x->number), fabs(y->number)) * tolerance[key].share;
	return fabs(x->number - y->number) > fmax(size, tolerance[key].length);
}

/* True when slices with different texts stand in each other's way rather than in slabs side by
 * side. */
static bool interleaved(struct member *m, size_t n)
{
	double normal[3];
	size_t runs = 1, kinds = 1;
	bool shared = false;
	sm_cross3(m->frame->across, m->frame->down, normal);
	qsort(m, n, sizeof *m, by_key);
	for (size_t i = 0; i < n; i++) {
		m[i].number = sm_dot3(normal, m[i].frame->position);
		kinds += i && strcmp(m[i].text, m[i - 1].text) != 0;
	}
	qsort(m, n, sizeof *m, by_height);
	for (size_t i = 1; i < n; i++) {
		bool differs = strcmp(m[i].text, m[i - 1].text) != 0;
		runs += differs;
		shared = shared || (differs && m[i].number - m[i - 1].number < SM_SAME_MM);
	}
	return shared || runs > kinds;
}

struct sorter {
	const struct sm_dcm_head *head;
	size_t index;
};

/* Series, then SOP instance; files without either by their place in the list, which is the order
 * of paths. */
static int by_identity(const void *a, const void *b)
{
	const struct sorter *x = a, *y = b;
	int c = strcmp(x->head->series, y->head->series);
	if (c == 0)
		c = strcmp(x->head->sop, y->head->sop);
	return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* A group while those of its series are put in order. */
struct ranked {
	struct sm_series series;
	const struct sm_dcm_head *heads;
	size_t made; /* which one it was */
};

/* Largest first; of equals the one whose first slice comes first by what its frame says, because
 * the order of hashes depends on the salt. */
static int by_part(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->series.n != y->series.n)
		return x->series.n < y->series.n ? 1 : -1;
	int c = sm_slice_compare(x->heads, x->series.slice[0], y->series.slice[0]);
	return c ? c : (x->made > y->made) - (x->made < y->made);
}

static enum sm_status add_group(struct grouping *g, struct sm_series **made, struct sm_err *err)
{
	struct sm_series_list *out = g->out;
	if (out->n == g->room) {
		g->room = g->room ? g->room * 2 : 16;
		struct sm_series *more = realloc(out->series, g->room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "series: out of memory");
		out->series = more;
	}
	*made = &out->series[out->n++];
	**made = (struct sm_series){0};
	return SM_OK;
}

/* The group of all m: its first slice is the first by what the frames say. */
static enum sm_status emit(struct grouping *g, const struct member *m, size_t n, struct sm_err *err)
{
	struct sm_series *group = NULL;
	bool clash = false;
	SM_TRY(add_group(g, &group, err));
	group->slice = malloc(n * sizeof *group->slice);
	if (!group->slice)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu slices", n);
	group->n = n;
	for (size_t i = 0; i < n; i++) {
		size_t head = m[i].slice.head;
		group->slice[i] = m[i].slice;
		clash = clash || g->clash[head];
		if (g->seen[head] != g->out->n)
			group->copies += g->copies[head];
		g->seen[head] = g->out->n;
		if (sm_slice_compare(g->heads, group->slice[i], group->slice[0]) < 0) {
			group->slice[i] = group->slice[0];
			group->slice[0] = m[i].slice;
		}
	}
	if (clash)
		sm_series_judge(group, SM_VERDICT_CLASH,
				"two different files have the same SOPInstanceUID");
	return SM_OK;
}

/* Weighted by diffusion, along no direction? */
static bool is_trace(const struct member *m)
{
	return m->frame && m->frame->component == SM_MAGNITUDE && m->frame->b_value > 50 &&
	       sm_dot3(m->frame->b_vector, m->frame->b_vector) < 0.5;
}

/* Beside directions of diffusion, the mean over all of them is a volume of its own. */
static enum sm_status emit_volume(struct grouping *g, struct member *m, size_t n,
				  struct sm_err *err)
{
	size_t traces = 0, directions = 0;
	for (size_t i = 0; i < n && sm_slice_verdict(g->heads, m->slice) == SM_VERDICT_OK; i++) {
		const struct sm_dcm_frame *f = m[i].frame;
		directions += f && sm_dot3(f->b_vector, f->b_vector) > 0.5;
		if (is_trace(&m[i])) {
			struct member swap = m[traces];
			m[traces++] = m[i];
			m[i] = swap;
		}
	}
	if (traces == 0 || directions == 0)
		return emit(g, m, n, err);
	SM_TRY(emit(g, m, traces, err));
	g->out->series[g->out->n - 1].trace = true;
	return emit(g, m + traces, n - traces, err);
}

/* Rounds of parting by all keys with a tolerance: what one parts may leave gaps in another. */
#define ROUNDS 8

/* Parts m[0..n) by one key after the other. parted: one with a tolerance has parted them in this
 * round. */
static enum sm_status part(struct grouping *g, struct member *m, size_t n, enum key key, int round,
			   bool parted, struct sm_err *err)
{
	for (; n > 1 && key < KEYS; key++) {
		if (key == ODD_KEYS && sm_slice_verdict(g->heads, m->slice) != SM_VERDICT_OK)
			return emit(g, m, n, err);
		bool varies = false;
		for (size_t i = 0; i < n; i++) {
			m[i].text = text_of(&m[i], key);
			m[i].number = m[i].text ? 0 : number_of(g->heads, &m[i], key);
			varies = varies || parts(&m[0], &m[i], key);
		}
		if (!varies || (key == SLAB_WORDS && !interleaved(m, n)))
			continue;
		qsort(m, n, sizeof *m, by_key);
		size_t end = 1;
		while (end < n && !parts(&m[end - 1], &m[end], key))
			end++;
		if (end == n)
			continue;
		bool again = parted || key >= TOLERANT_KEYS;
		for (size_t i = 0; i < n; i = end) {
			for (end = i + 1; end < n && !parts(&m[end - 1], &m[end], key);)
				end++;
			SM_TRY(part(g, m + i, end - i, key + 1, round, again, err));
		}
		return SM_OK;
	}
	if (n > 1 && parted && round < ROUNDS)
		return part(g, m, n, TOLERANT_KEYS, round + 1, false, err);
	return emit_volume(g, m, n, err);
}

/* The object with the same SOPInstanceUID right before this one, if any: a copy is left out and
 * counted, anything else under the same UID spoils the groups of both. */
static enum sm_status check_twin(struct grouping *g, size_t last, size_t index, bool *copy,
				 struct sm_err *err)
{
	const struct sm_dcm_head *heads = g->heads;
	*copy = false;
	if (last == index || !*heads[index].sop || strcmp(heads[last].sop, heads[index].sop) != 0)
		return SM_OK;
	SM_TRY(g->same(g->ctx, last, index, copy, err));
	if (*copy)
		g->copies[last]++;
	else
		g->clash[last] = g->clash[index] = true;
	return SM_OK;
}

static enum sm_status add_member(struct grouping *g, struct sm_slice slice, struct sm_err *err)
{
	if (g->members == g->member_room) {
		g->member_room = g->member_room ? g->member_room * 2 : 64;
		struct member *more = realloc(g->member, g->member_room * sizeof *more);
		if (!more)
			return SM_FAIL(err, SM_BUDGET, "series: out of memory");
		g->member = more;
	}
	g->member[g->members] = (struct member){.slice = slice,
						.head = &g->heads[slice.head],
						.frame = sm_slice_frame(g->heads, slice),
						.order = g->members};
	g->members++;
	return SM_OK;
}

static enum sm_status add_file(struct grouping *g, size_t index, struct sm_err *err)
{
	const struct sm_dcm_head *h = &g->heads[index];
	bool whole = h->frame_count == 0 ||
		     (h->verdict != SM_VERDICT_OK && h->verdict != SM_VERDICT_FLAT);
	size_t n = whole ? 1 : h->frame_count;
	for (size_t k = 0; k < n; k++)
		SM_TRY(add_member(g, (struct sm_slice){(uint32_t)index, (uint32_t)k}, err));
	return SM_OK;
}

/* Pictures without a place are a group each, and so is what else is flat but for its verdict. */
static bool stands_alone(const struct member *m)
{
	return m->head->kind == SM_DCM_FLAT && m->head->frame_count > 0 &&
	       (m->head->verdict == SM_VERDICT_OK || m->head->verdict == SM_VERDICT_FLAT);
}

static enum sm_status make_groups(struct grouping *g, struct sm_err *err)
{
	size_t left = 0;
	for (size_t i = 0; i < g->members; i++) {
		if (stands_alone(&g->member[i]))
			SM_TRY(emit(g, &g->member[i], 1, err));
		else
			g->member[left++] = g->member[i];
	}
	g->members = 0;
	return left ? part(g, g->member, left, VERDICT, 0, false, err) : SM_OK;
}

static enum sm_status sort_groups(struct grouping *g, struct sm_series *s, size_t n,
				  struct sm_err *err)
{
	struct ranked *ranked = malloc(n * sizeof *ranked);
	if (!ranked)
		return SM_FAIL(err, SM_BUDGET, "series: out of memory");
	for (size_t i = 0; i < n; i++)
		ranked[i] = (struct ranked){s[i], g->heads, i};
	qsort(ranked, n, sizeof *ranked, by_part);
	for (size_t i = 0; i < n; i++)
		s[i] = ranked[i].series;
	free(ranked);
	return SM_OK;
}

/* Makes the groups of one series, numbers them, largest first, orders, judges and names them. */
static enum sm_status finish_series(struct grouping *g, struct sm_err *err)
{
	SM_TRY(make_groups(g, err));
	struct sm_series *s = g->out->series + g->first;
	size_t n = g->out->n - g->first;
	if (n == 0)
		return SM_OK;
	SM_TRY(sort_groups(g, s, n, err));
	for (size_t i = 0; i < n; i++) {
		s[i].part = (unsigned)i + 1;
		s[i].parts = (unsigned)n;
		SM_TRY(sm_series_order(&s[i], g->heads, g->rules, err));
	}
	sm_series_judge_planes(s, n, g->heads);
	for (size_t i = 0; i < n; i++)
		sm_series_judge_meaning(&s[i], g->heads);
	sm_series_name(s, n, g->heads);
	g->first = g->out->n;
	return SM_OK;
}

static enum sm_status group_all(struct grouping *g, const struct sorter *sorted, size_t n,
				struct sm_err *err)
{
	size_t last = 0;
	for (size_t i = 0; i < n; i++) {
		size_t index = sorted[i].index;
		bool copy = false;
		if (i && strcmp(sorted[i].head->series, sorted[i - 1].head->series) != 0)
			SM_TRY(finish_series(g, err));
		else if (i)
			SM_TRY(check_twin(g, last, index, &copy, err));
		if (copy)
			continue;
		SM_TRY(add_file(g, index, err));
		last = index;
	}
	return finish_series(g, err);
}

enum sm_status sm_series_group(const struct sm_dcm_head *heads, size_t n,
			       const struct sm_series_rules *rules, sm_same_file same, void *ctx,
			       struct sm_series_list *out, struct sm_err *err)
{
	*out = (struct sm_series_list){0};
	struct grouping g = {
		.heads = heads,
		.rules = rules,
		.same = same,
		.ctx = ctx,
		.out = out,
		.copies = calloc(n + 1, sizeof *g.copies),
		.seen = calloc(n + 1, sizeof *g.seen),
		.clash = calloc(n + 1, sizeof *g.clash),
	};
	enum sm_status st = SM_OK;
	struct sorter *sorted = calloc(n + 1, sizeof *sorted);
	if (!sorted || !g.copies || !g.seen || !g.clash)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "series: out of memory for %zu headers", n));
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct sorter){&heads[i], i};
	qsort(sorted, n, sizeof *sorted, by_identity);
	st = group_all(&g, sorted, n, err);
out:
	free(sorted);
	free(g.member);
	free(g.copies);
	free(g.seen);
	free(g.clash);
	if (st != SM_OK)
		sm_series_list_clear(out);
	return st;
}

void sm_series_list_clear(struct sm_series_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		free(list->series[i].slice);
		free(list->series[i].time_s);
	}
	free(list->series);
	*list = (struct sm_series_list){0};
}
