/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/split_near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"

/* ---- the store ------------------------------------------------------------------------------- */

enum sm_status sm_near_store_init(struct sm_near_store *s, const char *dir, size_t n,
				  struct sm_err *err)
{
	*s = (struct sm_near_store){
		.spool = {.dir = dir}, .of = calloc(n + 1, sizeof *s->of), .n = n};
	pthread_mutex_init(&s->lock, NULL);
	return s->of ? SM_OK : SM_FAIL(err, SM_BUDGET, "split: out of memory");
}

void sm_near_store_clear(struct sm_near_store *s)
{
	if (!s->of)
		return;
	sm_spool_clear(&s->spool);
	sm_arena_clear(&s->arena);
	pthread_mutex_destroy(&s->lock);
	free(s->roles);
	free(s->of);
	*s = (struct sm_near_store){0};
}

/* The one copy of a role's name; NULL when out of memory. */
static const char *intern(struct sm_near_store *s, const char *role)
{
	for (size_t i = 0; i < s->role_count; i++)
		if (strcmp(s->roles[i], role) == 0)
			return s->roles[i];
	char **more = realloc(s->roles, (s->role_count + 1) * sizeof *more);
	char *copy = more ? sm_arena_strdup(&s->arena, role) : NULL;
	if (more)
		s->roles = more;
	if (copy)
		s->roles[s->role_count++] = copy;
	return copy;
}

enum sm_status sm_near_store_put(struct sm_near_store *s, size_t i, const struct sm_near_case *near,
				 struct sm_err *err)
{
	enum sm_status st = SM_OK;
	pthread_mutex_lock(&s->lock);
	for (size_t k = 0; k < near->count; k++)
		if (!intern(s, near->images[k].role))
			SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "split: out of memory"));
	SM_GOTO(st, sm_spool_add(&s->spool, near->images, near->count * sizeof *near->images,
				 &s->of[i].at, err));
	s->of[i].count = near->count;
out:
	pthread_mutex_unlock(&s->lock);
	return st;
}

enum sm_status sm_near_store_get(struct sm_near_store *s, size_t i, struct sm_near_case *out,
				 struct sm_err *err)
{
	size_t n = s->of[i].count;
	*out = (struct sm_near_case){.images = calloc(n + 1, sizeof *out->images), .count = n};
	if (!out->images)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	return n ? sm_read_at(s->spool.fd, s->of[i].at, out->images, n * sizeof *out->images,
			      "hashes", err)
		 : SM_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

struct reading {
	const struct sm_cases *cases;
	const struct sm_split_case *split;
	struct sm_near_store *store;
	bool *again; /* did not fit into the budget beside others */
	bool alone;
};

static enum sm_status hash_case(const struct sm_case *c, struct sm_near_case *near,
				struct sm_err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < c->count; i++)
		n += c->stacked ? (size_t)c->vols[i].vol.dim[3] : 1;
	near->images = calloc(n + 1, sizeof *near->images);
	if (!near->images)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", c->key);
	for (size_t i = 0; i < c->count; i++) {
		const struct sm_vol *v = &c->vols[i].vol;
		for (int64_t k = 0; k < (c->stacked ? v->dim[3] : 1); k++) {
			struct sm_near_image *image = &near->images[near->count];
			snprintf(image->role, sizeof image->role, "%s%s%s", c->vols[i].role,
				 c->stacked ? "/" : "", c->stacked ? c->channels[k] : "");
			SM_TRY(sm_near_hash(v, k, c->stacked ? 1 : v->dim[3], c->mem, &image->hash,
					    err));
			near->count++;
		}
	}
	return SM_OK;
}

static enum sm_status read_one(void *ctx, size_t i, struct sm_err *err)
{
	struct reading *r = ctx;
	struct sm_near_case near = {0};
	struct sm_case c = {0};
	if (r->split[i].left_out)
		return SM_OK;
	enum sm_status st = sm_cases_load(r->cases, i, 1, &c, err);
	if (st == SM_OK)
		st = hash_case(&c, &near, err);
	sm_case_clear(&c);
	if (st == SM_OK)
		st = sm_near_store_put(r->store, i, &near, err);
	sm_split_near_clear(&near);
	if (st != SM_BUDGET || r->alone)
		return st;
	r->again[i] = true;
	return SM_OK;
}

enum sm_status sm_split_near_read(const struct sm_cases *cases, const struct sm_split_case *split,
				  struct sm_near_store *store, struct sm_err *err)
{
	int jobs = cases->run->jobs;
	struct reading r = {.cases = cases,
			    .split = split,
			    .store = store,
			    .again = calloc(cases->count + 1, sizeof *r.again),
			    .alone = jobs <= 1};
	if (!r.again)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	enum sm_status st = sm_par_for(cases->count, jobs, read_one, &r, err);
	r.alone = true;
	for (size_t i = 0; st == SM_OK && i < cases->count; i++)
		if (r.again[i])
			st = read_one(&r, i, err);
	free(r.again);
	return st;
}

void sm_split_near_clear(struct sm_near_case *near)
{
	free(near->images);
	*near = (struct sm_near_case){0};
}

/* ---- pairs ---------------------------------------------------------------------------------- */

enum { BLOCK = 16 };

struct search {
	const struct sm_split_case *cases;
	struct sm_near_store *store;
	double limit[2]; /* of volumes, of single planes */
	size_t block; /* cases that are held against all before them at once: each of those is read
			 once for all */
	struct sm_near_pairs *found; /* of each case with those before it */
	size_t *room;                /* of each of them */
};

/* Sets *best to the images that are nearest in relation to their limit; no role when none is within
 * it. */
static void compare(const struct sm_near_case *a, const struct sm_near_case *b,
		    const double limit[2], struct sm_near_pair *best)
{
	double least = 1;
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++) {
			unsigned flip;
			if (strcmp(a->images[i].role, b->images[k].role) != 0)
				continue;
			double d = sm_near_distance(&a->images[i].hash, &b->images[k].hash, &flip);
			double most =
				limit[sm_near_planes(&a->images[i].hash, &b->images[k].hash) == 1];
			double ratio = most > 0 ? d / most : 0;
			if (d > most || (best->role && ratio >= least))
				continue;
			least = ratio;
			best->distance = d;
			best->flip = flip;
			best->role = a->images[i].role;
		}
}

/* Case k against case i behind it. */
static enum sm_status search_pair(struct search *s, size_t k, const struct sm_near_case *first,
				  size_t i, const struct sm_near_case *second, struct sm_err *err)
{
	struct sm_near_pairs *to = &s->found[i];
	struct sm_near_pair pair = {.a = k, .b = i, .distance = 1};
	if (s->cases[k].left_out || s->cases[i].left_out ||
	    strcmp(s->cases[k].patient, s->cases[i].patient) == 0)
		return SM_OK;
	compare(first, second, s->limit, &pair);
	if (!pair.role)
		return SM_OK;
	if (to->n == s->room[i]) {
		size_t room = s->room[i] * 2 + 4;
		struct sm_near_pair *v = realloc(to->v, room * sizeof *v);
		if (!v)
			return SM_FAIL(err, SM_BUDGET, "split: out of memory");
		to->v = v;
		s->room[i] = room;
	}
	pthread_mutex_lock(&s->store->lock);
	pair.role = intern(s->store, pair.role); /* the images go */
	pthread_mutex_unlock(&s->store->lock);
	to->v[to->n++] = pair;
	return SM_OK;
}

/* The cases of a block against all before each. */
static enum sm_status search_block(void *ctx, size_t b, struct sm_err *err)
{
	struct search *s = ctx;
	size_t first = b * s->block,
	       last = first + s->block < s->store->n ? first + s->block : s->store->n;
	struct sm_near_case rows[BLOCK] = {0}, one = {0};
	enum sm_status st = SM_OK;
	for (size_t i = first; i < last; i++)
		SM_GOTO(st, sm_near_store_get(s->store, i, &rows[i - first], err));
	for (size_t k = 0; k < last; k++) {
		if (k < first)
			SM_GOTO(st, sm_near_store_get(s->store, k, &one, err));
		const struct sm_near_case *before = k < first ? &one : &rows[k - first];
		for (size_t i = k < first ? first : k + 1; i < last; i++)
			SM_GOTO(st, search_pair(s, k, before, i, &rows[i - first], err));
		sm_split_near_clear(&one);
	}
out:
	sm_split_near_clear(&one);
	for (size_t i = 0; i < BLOCK; i++)
		sm_split_near_clear(&rows[i]);
	return st;
}

static int by_cases(const void *a, const void *b)
{
	const struct sm_near_pair *p = a, *q = b;
	if (p->a != q->a)
		return p->a < q->a ? -1 : 1;
	return p->b < q->b ? -1 : p->b > q->b;
}

enum sm_status sm_split_near_pairs(const struct sm_split_case *cases, struct sm_near_store *store,
				   const double limit[2], int jobs, struct sm_near_pairs *out,
				   struct sm_err *err)
{
	size_t all = 0, n = store->n, share = n / (8 * (size_t)jobs) + 1;
	*out = (struct sm_near_pairs){0};
	struct search s = {.cases = cases,
			   .store = store,
			   .limit = {limit[0], limit[1]},
			   .block = share < BLOCK ? share : BLOCK,
			   .found = calloc(n + 1, sizeof *s.found),
			   .room = calloc(n + 1, sizeof *s.room)};
	if (!s.found || !s.room) {
		free(s.found);
		free(s.room);
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	}
	enum sm_status st = sm_par_for((n + s.block - 1) / s.block, jobs, search_block, &s, err);
	for (size_t i = 0; i < n; i++)
		all += s.found[i].n;
	if (st == SM_OK) {
		out->v = malloc((all + 1) * sizeof *out->v);
		st = out->v ? SM_OK : SM_FAIL(err, SM_BUDGET, "split: out of memory");
	}
	for (size_t i = 0; i < n; i++) {
		if (st == SM_OK && s.found[i].n)
			memcpy(out->v + out->n, s.found[i].v, s.found[i].n * sizeof *out->v);
		out->n += st == SM_OK ? s.found[i].n : 0;
		free(s.found[i].v);
	}
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_cases);
	free(s.found);
	free(s.room);
	return st;
}

static size_t lead_of(size_t *lead, size_t i)
{
	for (; lead[i] != i; i = lead[i])
		lead[i] = lead[lead[i]];
	return i;
}

enum sm_status sm_split_near_groups(const struct sm_near_pairs *pairs, size_t n,
				    struct sm_near_groups *out, struct sm_err *err)
{
	*out = (struct sm_near_groups){
		.lead = calloc(n + 1, sizeof *out->lead),
		.cases = calloc(n + 1, sizeof *out->cases),
		.pairs = calloc(n + 1, sizeof *out->pairs),
		.nearest = calloc(n + 1, sizeof *out->nearest),
	};
	if (!out->lead || !out->cases || !out->pairs || !out->nearest) {
		sm_split_near_groups_clear(out);
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	}
	for (size_t i = 0; i < n; i++)
		out->lead[i] = i;
	for (size_t i = 0; i < pairs->n; i++) {
		size_t a = lead_of(out->lead, pairs->v[i].a), b = lead_of(out->lead, pairs->v[i].b);
		out->lead[a > b ? a : b] = a > b ? b : a;
	}
	for (size_t i = 0; i < n; i++) {
		out->lead[i] = lead_of(out->lead, i);
		out->cases[out->lead[i]]++;
	}
	for (size_t i = 0; i < pairs->n; i++) {
		const struct sm_near_pair *p = &pairs->v[i],
					  **nearest = &out->nearest[out->lead[p->a]];
		out->pairs[out->lead[p->a]]++;
		if (!*nearest || p->distance < (*nearest)->distance)
			*nearest = p;
	}
	return SM_OK;
}

void sm_split_near_groups_clear(struct sm_near_groups *groups)
{
	free(groups->lead);
	free(groups->cases);
	free(groups->pairs);
	free(groups->nearest);
	*groups = (struct sm_near_groups){0};
}

const char *sm_near_flip_text(unsigned flip)
{
	static const char *const texts[8] = {
		"",
		" (mirrored along x)",
		" (mirrored along y)",
		" (mirrored along x, y)",
		" (mirrored along z)",
		" (mirrored along x, z)",
		" (mirrored along y, z)",
		" (mirrored along x, y, z)",
	};
	return texts[flip & 7];
}

enum sm_status sm_split_near_check(const struct sm_split_case *cases,
				   const struct sm_near_pairs *pairs, struct sm_err *err)
{
	for (size_t i = 0; i < pairs->n; i++) {
		const struct sm_near_pair *p = &pairs->v[i];
		const struct sm_split_case *a = &cases[p->a], *b = &cases[p->b];
		if (sm_split_apart(a, b))
			return SM_FAIL(err, SM_INPUT,
				       "look-alike images (%s, %.3f of the bits differ%s) stand in "
				       "two folds: case %s in %s and case %s in %s: %s",
				       p->role, p->distance, sm_near_flip_text(p->flip), a->key,
				       sm_split_place(a).text, b->key, sm_split_place(b).text,
				       sm_split_advice(a, b));
	}
	return SM_OK;
}
