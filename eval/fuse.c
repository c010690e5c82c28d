/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/fuse.h"

#include <stdlib.h>
#include <string.h>

/* ---- patterns -------------------------------------------------------------------------------- */

static size_t hash(const uint8_t *label)
{
	uint64_t h = 0, word;
	for (size_t i = 0; i < SM_RATERS; i += 8) {
		memcpy(&word, label + i, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return (size_t)h;
}

/* The slot of a pattern: its own or the free one where it belongs. */
static uint32_t *slot_of(const struct sm_patterns *p, const uint8_t label[SM_RATERS])
{
	size_t i = hash(label) & (p->slots - 1);
	while (p->slot[i] && memcmp(p->at[p->slot[i] - 1].label, label, SM_RATERS) != 0)
		i = (i + 1) & (p->slots - 1);
	return &p->slot[i];
}

static void fill_slots(struct sm_patterns *p)
{
	memset(p->slot, 0, p->slots * sizeof *p->slot);
	for (size_t k = 0; k < p->n; k++)
		*slot_of(p, p->at[k].label) = (uint32_t)k + 1;
}

/* Room for twice as many. */
static enum sm_status grow(struct sm_patterns *p, struct sm_mem *mem, struct sm_err *err)
{
	size_t slots = p->slots ? 2 * p->slots : 1024;
	struct sm_pattern *at = sm_alloc(mem, slots / 2, sizeof *at, "patterns of labels", err);
	uint32_t *slot = sm_alloc(mem, slots, sizeof *slot, "patterns of labels", err);
	if (!at || !slot || slots > UINT32_MAX) {
		sm_free(at);
		sm_free(slot);
		return err->code == SM_BUDGET
			       ? SM_BUDGET
			       : SM_FAIL(err, SM_BUDGET, "raters: too many patterns of labels");
	}
	if (p->n)
		memcpy(at, p->at, p->n * sizeof *at);
	sm_free(p->at);
	sm_free(p->slot);
	p->at = at;
	p->slot = slot;
	p->slots = slots;
	fill_slots(p);
	return SM_OK;
}

static int by_labels(const void *a, const void *b)
{
	const struct sm_pattern *x = a, *y = b;
	return memcmp(x->label, y->label, SM_RATERS);
}

/* True when all raters give the same eight labels from i on as at i - 1. */
static bool goes_on(const uint8_t *const *rater, size_t raters, size_t i)
{
	for (size_t r = 0; r < raters; r++) {
		uint64_t word;
		memcpy(&word, rater[r] + i, 8);
		if (word != rater[r][i - 1] * UINT64_C(0x0101010101010101))
			return false;
	}
	return true;
}

static bool as_before(const uint8_t *const *rater, size_t raters, size_t i)
{
	for (size_t r = 0; r < raters; r++)
		if (rater[r][i] != rater[r][i - 1])
			return false;
	return true;
}

/* Voxels from i on that have the pattern of voxel i, at least 1: most of a scan is one run. */
static size_t run_from(const uint8_t *const *rater, size_t raters, size_t i, size_t n)
{
	size_t end = i + 1;
	for (;;) {
		while (end + 8 <= n && goes_on(rater, raters, end))
			end += 8;
		size_t stop = end + 8 < n ? end + 8 : n;
		while (end < stop && as_before(rater, raters, end))
			end++;
		if (end < stop || end == n)
			return end - i;
	}
}

static void labels_at(const uint8_t *const *rater, size_t raters, size_t i, uint8_t *out)
{
	memset(out, 0, SM_RATERS);
	for (size_t r = 0; r < raters; r++)
		out[r] = rater[r][i];
}

enum sm_status sm_patterns_count(struct sm_patterns *p, const uint8_t *const *rater, size_t raters,
				 size_t n, struct sm_mem *mem, struct sm_err *err)
{
	enum sm_status st;
	struct sm_err none;
	*p = (struct sm_patterns){.raters = raters, .voxels = n};
	err = err ? err : &none;
	err->code = SM_OK;
	if (!raters || raters > SM_RATERS)
		return SM_FAIL(err, SM_USAGE, "raters: found %zu, allowed are 1 to %d", raters,
			       SM_RATERS);
	SM_GOTO(st, grow(p, mem, err));
	for (size_t i = 0; i < n;) {
		uint8_t label[SM_RATERS];
		size_t run = run_from(rater, raters, i, n);
		labels_at(rater, raters, i, label);
		uint32_t *slot = slot_of(p, label);
		if (!*slot) {
			if (p->n == p->slots / 2) {
				SM_GOTO(st, grow(p, mem, err));
				slot = slot_of(p, label);
			}
			memcpy(p->at[p->n].label, label, SM_RATERS);
			p->at[p->n].voxels = 0;
			*slot = (uint32_t)++p->n;
		}
		p->at[*slot - 1].voxels += run;
		i += run;
	}
	/* Sums over patterns then do not depend on where in the volume they are. */
	qsort(p->at, p->n, sizeof *p->at, by_labels);
	fill_slots(p);
out:
	if (st != SM_OK)
		sm_patterns_clear(p);
	return st;
}

size_t sm_pattern_number(const struct sm_patterns *p, const uint8_t label[SM_RATERS])
{
	return *slot_of(p, label) - 1;
}

void sm_patterns_clear(struct sm_patterns *p)
{
	sm_free(p->at);
	sm_free(p->slot);
	*p = (struct sm_patterns){0};
}

void sm_patterns_fill(const struct sm_patterns *p, const uint8_t *const *rater, size_t n,
		      const uint8_t *of_pattern, uint8_t *out)
{
	for (size_t i = 0; i < n;) {
		uint8_t label[SM_RATERS];
		size_t run = run_from(rater, p->raters, i, n);
		labels_at(rater, p->raters, i, label);
		memset(out + i, of_pattern[sm_pattern_number(p, label)], run);
		i += run;
	}
}

/* ---- majority -------------------------------------------------------------------------------- */

void sm_majority_of(const struct sm_patterns *p, enum sm_ties ties, uint8_t *of_pattern,
		    uint64_t *tied)
{
	uint64_t sum = 0;
	for (size_t k = 0; k < p->n; k++) {
		const uint8_t *label = p->at[k].label;
		uint8_t votes[256] = {0}, most = 0, winners = 0;
		for (size_t r = 0; r < p->raters; r++)
			most = ++votes[label[r]] > most ? votes[label[r]] : most;
		for (int v = 0; v < 256; v++)
			winners = (uint8_t)(winners + (votes[v] == most));
		size_t first = 0;
		while (votes[label[first]] != most)
			first++;
		of_pattern[k] = winners == 1 || ties == SM_TIES_FIRST ? label[first] : 0;
		sum += winners > 1 ? p->at[k].voxels : 0;
	}
	if (tied)
		*tied = sum;
}

enum sm_status sm_fuse_majority(const uint8_t *const *rater, size_t raters, size_t n,
				enum sm_ties ties, struct sm_mem *mem, uint8_t *out, uint64_t *tied,
				struct sm_err *err)
{
	struct sm_patterns p;
	SM_TRY(sm_patterns_count(&p, rater, raters, n, mem, err));
	uint8_t *of_pattern = sm_alloc(mem, p.n + 1, 1, "fused labels", err);
	if (of_pattern) {
		sm_majority_of(&p, ties, of_pattern, tied);
		sm_patterns_fill(&p, rater, n, of_pattern, out);
	}
	sm_patterns_clear(&p);
	sm_free(of_pattern);
	return of_pattern ? SM_OK : SM_BUDGET;
}
