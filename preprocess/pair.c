/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/pair.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rng.h"
#include "preprocess/view.h"

static void take(struct sm_pair_side *side, struct sm_vol *vol, int64_t first, int64_t channels,
		 const char *name)
{
	side->vol = vol;
	side->first = first;
	side->channels = channels;
	snprintf(side->name, sizeof side->name, "%s", name);
}

void sm_pair_find(const struct sm_case *c, const char *name, struct sm_pair_side *side)
{
	*side = (struct sm_pair_side){0};
	for (size_t i = 0; name && i < c->count; i++)
		if (strcmp(c->vols[i].role, name) == 0) {
			take(side, &c->vols[i].vol, 0, c->vols[i].vol.dim[3], name);
			return;
		}
	for (int64_t i = 0; name && c->stacked && i < c->vols[0].vol.dim[3]; i++)
		if (strcmp(c->channels[i], name) == 0) {
			take(side, &c->vols[0].vol, i, 1, name);
			return;
		}
	if (c->count == 1 && (!name || sm_modality_is(c->modality, name)))
		take(side, &c->vols[0].vol, 0, c->vols[0].vol.dim[3],
		     name ? name : c->vols[0].role);
}

enum sm_status sm_pair_same_grid(const struct sm_case *c, const struct sm_pair_side *a,
				 const struct sm_pair_side *b, double tol, struct sm_err *err)
{
	const int64_t *da = a->vol->dim, *db = b->vol->dim;
	bool same = memcmp(da, db, 3 * sizeof *da) == 0;
	if (c->pictures && !same)
		return SM_FAIL(
			err, SM_INPUT,
			"%s: %s is %lld x %lld pixels, %s is %lld x %lld: must be equal (the step "
			"resize makes them so)",
			c->key, a->name, (long long)da[0], (long long)da[1], b->name,
			(long long)db[0], (long long)db[1]);
	double gap = same ? sm_vol_gap_mm(a->vol, b->vol) : 0;
	if (c->pictures || (same && gap <= tol))
		return SM_OK;
	if (!same)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s has %lld x %lld x %lld voxels, %s %lld x %lld x %lld: must "
			       "be equal (the step `resample: {like: %s}` makes them so)",
			       c->key, a->name, (long long)da[0], (long long)da[1],
			       (long long)da[2], b->name, (long long)db[0], (long long)db[1],
			       (long long)db[2], b->name);
	return SM_FAIL(
		err, SM_INPUT,
		"%s: the voxels of %s lie up to %.4g mm away from those of %s, allowed are %g mm "
		"(pair.grid_tolerance): the step `resample: {like: %s}` brings them together",
		c->key, a->name, gap, b->name, tol, b->name);
}

/* The fold into whose share t of [0,1) falls; folds without a share are never met. */
static enum sm_fold fold_at(const double shares[SM_FOLDS], double t)
{
	double sum = 0, reached = 0;
	int last = SM_TRAIN;
	for (int f = 0; f < SM_FOLDS; f++)
		sum += shares[f];
	for (int f = 0; f < SM_FOLDS; f++) {
		if (!(shares[f] > 0))
			continue;
		last = f;
		reached += shares[f] / sum;
		if (t < reached)
			break;
	}
	return (enum sm_fold)last;
}

/* Folds of n things in a random order, their numbers right to one. */
static enum sm_status draw_folds(const struct sm_pair_rule *rule, const char *purpose,
				 const char *key, char domain, size_t n, uint8_t *fold,
				 struct sm_err *err)
{
	struct sm_rng rng;
	size_t *order = sm_alloc(NULL, n, sizeof *order, "folds", err);
	if (!order)
		return SM_BUDGET;
	sm_rng_init(&rng, rule->seed, purpose, key, 0, (uint64_t)domain);
	double u = sm_rng_f64(&rng);
	sm_rng_permutation(&rng, order, n);
	for (size_t r = 0; r < n; r++)
		fold[order[r]] = (uint8_t)fold_at(rule->shares, ((double)r + u) / (double)n);
	sm_free(order);
	return SM_OK;
}

static enum sm_status fold_blocks(const struct sm_pair_rule *rule, const char *key, char domain,
				  const int64_t *index, size_t n, uint8_t *fold, struct sm_err *err)
{
	size_t size = (size_t)rule->block, count = (n + size - 1) / size;
	uint8_t *of = sm_alloc(NULL, count, 1, "folds", err);
	if (!of)
		return SM_BUDGET;
	enum sm_status st = draw_folds(rule, "pair.blocks", key, domain, count, of, err);
	for (size_t k = 0; st == SM_OK && k < n; k++) {
		size_t block = k / size;
		bool other = block && of[block - 1] != of[block];
		bool near = other && index[k] - index[block * size - 1] <= rule->gap;
		fold[k] = near ? SM_PAIR_GAP : of[block];
	}
	sm_free(of);
	return st;
}

enum sm_status sm_pair_folds(const struct sm_pair_rule *rule, const char *key, char domain,
			     const int64_t *index, size_t n, uint8_t *fold, struct sm_err *err)
{
	if (rule->split == SM_BY_SLICES)
		return draw_folds(rule, "pair.slices", key, domain, n, fold, err);
	if (rule->split == SM_BY_BLOCKS)
		return fold_blocks(rule, key, domain, index, n, fold, err);
	memset(fold, rule->split == SM_BY_PATIENT ? (int)rule->fold : SM_TRAIN, n);
	return SM_OK;
}

/* Leaves the slices whose neighbours on both sides are there, too. */
static void keep_middles(int64_t *index, size_t *n)
{
	size_t kept = 0;
	/* kept < k: what is written stands before all that is still to be read */
	for (size_t k = 1; k + 1 < *n; k++)
		if (index[k] - index[k - 1] == 1 && index[k + 1] - index[k] == 1)
			index[kept++] = index[k];
	*n = kept;
}

enum sm_status sm_pair_choose(struct sm_pair_set *set, const struct sm_pair_rule *rule,
			      struct sm_err *err)
{
	const struct sm_pair_section *s = set->s;
	size_t n, kept = 0;
	sm_slice_plan(set->x.vol, (enum sm_plane)s->plane, (enum sm_view_kind)s->view, &set->view);
	if (s->mode == SM_PAIR_TRIPLETS && set->view.count < 3)
		return SM_FAIL(err, SM_INPUT, "%s: %s has %lld slices, triplets need at least 3",
			       set->c->key, set->x.name, (long long)set->view.count);
	SM_TRY(sm_slice_choose(set->c, set->x.vol, &set->view, set->x.name, s->first, s->last,
			       &set->index, &n, err));
	if (set->b.vol)
		sm_slice_choose_also(set->c, set->b.vol, &set->view, set->index, &n);
	if (s->mode == SM_PAIR_TRIPLETS)
		keep_middles(set->index, &n);
	if (!n)
		return SM_FAIL(err, SM_INPUT,
			       "%s: %s has no %s left among the slices that preprocess keeps and "
			       "pair.first and pair.last ask for",
			       set->c->key, set->x.name,
			       s->mode == SM_PAIR_TRIPLETS ? "three consecutive slices" : "slice");
	set->fold = sm_alloc(NULL, n, 1, set->c->key, err);
	if (!set->fold)
		return SM_BUDGET;
	SM_TRY(sm_pair_folds(rule, set->c->key, set->domain, set->index, n, set->fold, err));
	for (size_t k = 0; k < n; k++) {
		if (set->fold[k] == SM_PAIR_GAP)
			continue;
		set->index[kept] = set->index[k];
		set->fold[kept++] = set->fold[k];
	}
	set->left_out = n - kept;
	set->n = kept;
	return SM_OK;
}

void sm_pair_set_clear(struct sm_pair_set *set)
{
	free(set->index);
	sm_free(set->fold);
	*set = (struct sm_pair_set){0};
}

char *sm_pair_picture_path(const struct sm_pair_section *s, const char *key, char side,
			   enum sm_fold fold, int64_t slice)
{
	return sm_strf("%s%c/%s_%04lld.png", s->split == SM_BY_FIRST ? "" : sm_fold_name(fold),
		       side, key, (long long)slice);
}

char *sm_pair_shard_path(const char *key, char domain)
{
	return domain ? sm_strf("%c/%s.h5", domain - 'a' + 'A', key) : sm_strf("%s.h5", key);
}
