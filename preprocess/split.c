/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/split.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

const char *sm_split_fold_name(enum sm_fold fold)
{
	return fold < SM_FOLDS ? sm_fold_name(fold) : "none";
}

/* ---- how many ------------------------------------------------------------------------------- */

/* Shares in millionths and their sum. */
static enum sm_status whole_shares(const double shares[SM_FOLDS], size_t n,
				   uint64_t share[SM_FOLDS], uint64_t *sum, struct sm_err *err)
{
	*sum = 0;
	for (int f = 0; f < SM_FOLDS; f++) {
		if (!(shares[f] >= 0 && shares[f] <= 1e6))
			return SM_FAIL(err, SM_USAGE,
				       "split.%s: share is %g, allowed is 0 to 1000000",
				       sm_fold_name((enum sm_fold)f), shares[f]);
		share[f] = (uint64_t)floor(shares[f] * 1e6 + 0.5);
		*sum += share[f];
	}
	if (!*sum)
		return SM_FAIL(err, SM_USAGE,
			       "split: all shares are 0, at least one must be positive");
	if (n > 1000000)
		return SM_FAIL(err, SM_USAGE, "split: %zu patients, allowed are 1000000", n);
	return SM_OK;
}

enum sm_status sm_split_counts(size_t n, const double shares[SM_FOLDS], size_t counts[SM_FOLDS],
			       struct sm_err *err)
{
	uint64_t share[SM_FOLDS], rest[SM_FOLDS], sum, given = 0;
	SM_TRY(whole_shares(shares, n, share, &sum, err));
	for (int f = 0; f < SM_FOLDS; f++) {
		counts[f] = (size_t)(n * share[f] / sum);
		rest[f] = n * share[f] % sum;
		given += counts[f];
	}
	for (; given < n; given++) {
		int best = 0;
		for (int f = 1; f < SM_FOLDS; f++)
			if (rest[f] > rest[best])
				best = f;
		counts[best]++;
		rest[best] = 0;
	}
	return SM_OK;
}

/* A place that a stratum may still give to a fold. */
struct cell {
	uint64_t rest;
	size_t stratum;
	int fold;
};

static int by_rest(const void *a, const void *b)
{
	const struct cell *p = a, *q = b;
	if (p->rest != q->rest)
		return p->rest < q->rest ? 1 : -1;
	if (p->fold != q->fold)
		return p->fold - q->fold;
	return (p->stratum > q->stratum) - (p->stratum < q->stratum);
}

enum sm_status sm_split_strata_counts(size_t strata, const size_t *n, const double shares[SM_FOLDS],
				      size_t (*counts)[SM_FOLDS], struct sm_err *err)
{
	uint64_t share[SM_FOLDS], sum;
	size_t all = 0, need[SM_FOLDS], k = 0;
	for (size_t s = 0; s < strata; s++)
		all += n[s];
	SM_TRY(sm_split_counts(all, shares, need, err));
	SM_TRY(whole_shares(shares, all, share, &sum, err));
	struct cell *cells = malloc((strata * SM_FOLDS + 1) * sizeof *cells);
	size_t *left = malloc((strata + 1) * sizeof *left); /* places that a stratum has to give */
	if (!cells || !left) {
		free(cells);
		free(left);
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	}
	for (size_t s = 0; s < strata; s++) {
		left[s] = n[s];
		for (int f = 0; f < SM_FOLDS; f++) {
			counts[s][f] = (size_t)(n[s] * share[f] / sum);
			left[s] -= counts[s][f];
			/* Floors of parts never exceed the floor of the whole. */
			need[f] -= counts[s][f];
			cells[k++] = (struct cell){n[s] * share[f] % sum, s, f};
		}
	}
	qsort(cells, k, sizeof *cells, by_rest);
	/* Twice at most: in the second round a stratum gives a fold one more than its ceiling. */
	for (int round = 0; round < SM_FOLDS; round++)
		for (size_t i = 0; i < k; i++) {
			struct cell *c = &cells[i];
			if (!left[c->stratum] || !need[c->fold] || (!round && !c->rest))
				continue;
			counts[c->stratum][c->fold]++;
			left[c->stratum]--;
			need[c->fold]--;
		}
	free(cells);
	free(left);
	return SM_OK;
}

/* ---- who ------------------------------------------------------------------------------------ */

struct patient {
	const char *key, *stratum; /* stratum "" = none */
	size_t joined, lead;       /* lead: index of the first patient of its group */
	size_t weight;             /* patients of the group; 0 for all but the first */
	int64_t index;             /* of k folds, -1 = none */
	enum sm_fold fold;
};

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct patient *)a)->key, ((const struct patient *)b)->key);
}

/* Patients of the test list, or all others, with a case that is not left out, sorted, each once;
 * malloc memory. */
static struct patient *patients_of(const struct sm_split_case *cases, size_t n, bool tests,
				   size_t *count)
{
	struct patient *p = calloc(n + 1, sizeof *p);
	size_t m = 0, k = 0;
	if (!p)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!cases[i].left_out && cases[i].tests == tests)
			p[m++].key = cases[i].patient;
	qsort(p, m, sizeof *p, by_key);
	for (size_t i = 0; i < m; i++)
		if (!i || strcmp(p[i].key, p[k - 1].key) != 0)
			p[k++] = (struct patient){.key = p[i].key, .stratum = "", .index = -1};
	*count = k;
	return p;
}

static struct patient *find_patient(struct patient *p, size_t count, const char *key)
{
	const struct patient wanted = {.key = key};
	return bsearch(&wanted, p, count, sizeof *p, by_key);
}

static size_t lead_of(const struct patient *p, size_t i)
{
	while (p[i].lead != i)
		i = p[i].lead;
	return i;
}

/* Cases that are joined, and cases of one patient, make groups of patients; the first leads. */
static enum sm_status make_groups(struct patient *p, size_t count,
				  const struct sm_split_case *cases, size_t n, struct sm_err *err)
{
	size_t *first = NULL, most = 0;
	for (size_t i = 0; i < count; i++)
		p[i].lead = i;
	for (size_t i = 0; i < n; i++)
		most = cases[i].joined > most ? cases[i].joined : most;
	first = calloc(most + 1, sizeof *first); /* patient number + 1 of each joined */
	if (!first)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < n; i++) {
		if (cases[i].left_out || cases[i].tests)
			continue;
		size_t at = (size_t)(find_patient(p, count, cases[i].patient) - p),
		       *to = &first[cases[i].joined];
		if (cases[i].stratum)
			p[at].stratum = cases[i].stratum;
		if (!cases[i].joined)
			continue;
		if (!*to)
			*to = at + 1;
		size_t a = lead_of(p, at), b = lead_of(p, *to - 1);
		p[a > b ? a : b].lead = a > b ? b : a;
	}
	for (size_t i = 0; i < count; i++) {
		p[i].lead = lead_of(p, i);
		p[p[i].lead].weight++;
	}
	free(first);
	return SM_OK;
}

/* One stratum at work: its groups in random order. */
struct dealing {
	struct patient *p;
	const size_t *group; /* numbers of leading patients */
	size_t groups;
	struct sm_rng rng;
};

static enum sm_fold draw_fold(struct sm_rng *rng, const size_t need[SM_FOLDS], size_t weight)
{
	uint32_t room = 0;
	int most = 0;
	for (int f = 0; f < SM_FOLDS; f++) {
		room += need[f] >= weight ? (uint32_t)need[f] : 0;
		most = need[f] > need[most] ? f : most;
	}
	if (!room)
		return (enum sm_fold)most;
	uint32_t drawn = sm_rng_below(rng, room);
	for (int f = 0; f < SM_FOLDS; f++) {
		if (need[f] < weight)
			continue;
		if (drawn < need[f])
			return (enum sm_fold)f;
		drawn -= (uint32_t)need[f];
	}
	return (enum sm_fold)most;
}

static void deal_shares(struct dealing *d, size_t need[SM_FOLDS])
{
	static const enum sm_fold order[SM_FOLDS] = {SM_TRAIN, SM_TEST, SM_VALID};
	for (size_t i = 0; i < d->groups; i++) {
		struct patient *p = &d->p[d->group[i]];
		if (p->weight == 1)
			continue;
		p->fold = draw_fold(&d->rng, need, p->weight);
		need[p->fold] -= need[p->fold] < p->weight ? need[p->fold] : p->weight;
	}
	for (size_t i = 0; i < d->groups; i++) {
		struct patient *p = &d->p[d->group[i]];
		int f = 0;
		if (p->weight != 1)
			continue;
		while (f < SM_FOLDS - 1 && !need[order[f]])
			f++;
		p->fold = order[f];
		need[p->fold] -= need[p->fold] > 0;
	}
}

static enum sm_fold role_of(const struct sm_split_rule *rule, size_t fold)
{
	size_t k = (size_t)rule->folds, valid = k > 2 ? ((size_t)rule->fold + 1) % k : k;
	if (fold == (size_t)rule->fold)
		return rule->held ? SM_VALID : SM_TEST;
	return fold == valid && !rule->held ? SM_VALID : SM_TRAIN;
}

/* total: patients of each fold over all strata so far; own: room for as many numbers. */
static void deal_folds(struct dealing *d, const struct sm_split_rule *rule, size_t *total,
		       size_t *own)
{
	size_t k = (size_t)rule->folds;
	memset(own, 0, k * sizeof *own);
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < d->groups; i++) {
			struct patient *p = &d->p[d->group[i]];
			size_t best = 0;
			if ((p->weight == 1) != pass)
				continue;
			for (size_t f = 1; f < k; f++)
				if (own[f] < own[best] ||
				    (own[f] == own[best] && total[f] < total[best]))
					best = f;
			own[best] += p->weight;
			total[best] += p->weight;
			p->index = (int64_t)best;
			p->fold = role_of(rule, best);
		}
}

static int by_stratum(const void *a, const void *b)
{
	const struct patient *p = *(const struct patient *const *)a,
			     *q = *(const struct patient *const *)b;
	int c = strcmp(p->stratum, q->stratum);
	return c ? c : strcmp(p->key, q->key);
}

struct strata {
	struct patient **lead; /* leading patients by stratum, then key */
	size_t groups;
	size_t *from,
		*size; /* of each stratum: its first in lead, its patients; from has one more */
	size_t (*counts)[SM_FOLDS];
	size_t n;
	size_t *order, *group; /* room for dealing */
	size_t *total, *own;   /* of k folds */
};

static void strata_clear(struct strata *s)
{
	free(s->lead);
	free(s->from);
	free(s->size);
	free(s->counts);
	free(s->order);
	free(s->group);
	free(s->total);
	free(s->own);
}

static enum sm_status strata_init(struct strata *s, struct patient *p, size_t count, size_t folds,
				  struct sm_err *err)
{
	*s = (struct strata){
		.lead = calloc(count + 1, sizeof *s->lead),
		.from = calloc(count + 2, sizeof *s->from),
		.size = calloc(count + 1, sizeof *s->size),
		.counts = calloc(count + 1, sizeof *s->counts),
		.order = calloc(count + 1, sizeof *s->order),
		.group = calloc(count + 1, sizeof *s->group),
		.total = calloc(folds + 1, sizeof *s->total),
		.own = calloc(folds + 1, sizeof *s->own),
	};
	if (!s->lead || !s->from || !s->size || !s->counts || !s->order || !s->group || !s->total ||
	    !s->own)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < count; i++)
		if (p[i].weight)
			s->lead[s->groups++] = &p[i];
	qsort(s->lead, s->groups, sizeof *s->lead, by_stratum);
	for (size_t i = 0; i < s->groups; i++) {
		if (!i || strcmp(s->lead[i]->stratum, s->lead[i - 1]->stratum) != 0)
			s->from[s->n++] = i;
		s->size[s->n - 1] += s->lead[i]->weight;
	}
	s->from[s->n] = s->groups;
	return SM_OK;
}

static void deal(struct strata *s, struct patient *p, const struct sm_split_rule *rule)
{
	for (size_t k = 0; k < s->n; k++) {
		struct patient **lead = s->lead + s->from[k];
		struct dealing d = {
			.p = p, .group = s->group, .groups = s->from[k + 1] - s->from[k]};
		sm_rng_init(&d.rng, rule->seed, "split", lead[0]->stratum, 0, 0);
		sm_rng_permutation(&d.rng, s->order, d.groups);
		for (size_t i = 0; i < d.groups; i++)
			s->group[i] = (size_t)(lead[s->order[i]] - p);
		if (rule->folds)
			deal_folds(&d, rule, s->total, s->own);
		else
			deal_shares(&d, s->counts[k]);
	}
}

/* Folds of the cases from those of their patients, and patients a fold. */
static void hand_out(struct sm_split_case *cases, size_t n, struct patient *p, size_t count,
		     size_t counts[SM_FOLDS])
{
	for (size_t i = 0; i < n; i++) {
		const bool tests = cases[i].tests && !cases[i].left_out;
		const struct patient *of = cases[i].left_out || tests
						   ? NULL
						   : find_patient(p, count, cases[i].patient);
		cases[i].fold = of ? of->fold : tests ? SM_TEST : SM_FOLDS;
		cases[i].fold_index = of ? of->index : -1;
	}
	if (counts)
		memset(counts, 0, SM_FOLDS * sizeof *counts);
	for (size_t i = 0; counts && i < count; i++)
		counts[p[i].fold]++;
}

enum sm_status sm_split_assign(struct sm_split_case *cases, size_t n,
			       const struct sm_split_rule *rule, size_t counts[SM_FOLDS],
			       struct sm_err *err)
{
	size_t count = 0, groups = 0, tests = 0;
	struct strata s = {0};
	enum sm_status st;
	struct patient *t = patients_of(cases, n, true, &tests),
		       *p = patients_of(cases, n, false, &count);
	free(t); /* their number alone is wanted */
	if (!p || !t)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "split: out of memory"));
	if (rule->folds && (size_t)rule->folds > count)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "split.folds: found %" PRId64
				    " folds, allowed for %zu patients%s are as many or fewer",
				    rule->folds, count, tests ? " beside the test list" : ""));
	SM_GOTO(st, make_groups(p, count, cases, n, err));
	for (size_t i = 0; i < count; i++)
		groups += p[i].weight > 0;
	if ((size_t)rule->folds > groups)
		SM_GOTO(st, SM_FAIL(err, SM_INPUT,
				    "split.folds: found %" PRId64
				    " folds, but the %zu patients make %zu groups that stay "
				    "together (near_duplicates: join, one image of several "
				    "patients): allowed are as many folds or fewer",
				    rule->folds, count, groups));
	SM_GOTO(st, strata_init(&s, p, count, (size_t)rule->folds, err));
	if (!rule->folds)
		SM_GOTO(st, sm_split_strata_counts(s.n, s.size, rule->shares, s.counts, err));
	deal(&s, p, rule);
	for (size_t i = 0; i < count; i++) {
		p[i].fold = p[p[i].lead].fold;
		p[i].index = p[p[i].lead].index;
	}
	hand_out(cases, n, p, count, counts);
	if (counts)
		counts[SM_TEST] += tests;
out:
	strata_clear(&s);
	free(p);
	return st;
}

/* ---- fixed lists ---------------------------------------------------------------------------- */

static bool has_patient(const struct sm_split_case *cases, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(cases[i].patient, key) == 0)
			return true;
	return false;
}

bool sm_split_is_gone(const struct sm_strings *gone, const char *key)
{
	for (size_t i = 0; gone && i < gone->n; i++)
		if (strcmp(gone->v[i], key) == 0)
			return true;
	return false;
}

static enum sm_status take_list(struct patient *p, size_t count, const struct sm_split_case *cases,
				size_t n, const struct sm_strings *list,
				const struct sm_strings *gone, enum sm_fold fold,
				struct sm_err *err)
{
	for (size_t i = 0; i < list->n; i++) {
		struct patient *at = find_patient(p, count, list->v[i]);
		if (at && at->fold != SM_FOLDS)
			return SM_FAIL(err, SM_INPUT,
				       "split.lists: patient %s stands in %s and again in %s, "
				       "allowed is once",
				       at->key, sm_fold_name(at->fold), sm_fold_name(fold));
		if (!at && !has_patient(cases, n, list->v[i]) &&
		    !sm_split_is_gone(gone, list->v[i]))
			return SM_FAIL(err, SM_INPUT, "split.lists.%s: patient %s is in no case",
				       sm_fold_name(fold), list->v[i]);
		if (at)
			at->fold = fold;
	}
	return SM_OK;
}

enum sm_status sm_split_by_lists(struct sm_split_case *cases, size_t n,
				 const struct sm_split_lists *lists, const struct sm_strings *gone,
				 size_t counts[SM_FOLDS], struct sm_err *err)
{
	size_t count = 0;
	struct patient *p = patients_of(cases, n, false, &count);
	enum sm_status st;
	if (!p)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < count; i++)
		p[i].fold = SM_FOLDS;
	SM_GOTO(st, take_list(p, count, cases, n, &lists->train, gone, SM_TRAIN, err));
	SM_GOTO(st, take_list(p, count, cases, n, &lists->test, gone, SM_TEST, err));
	SM_GOTO(st, take_list(p, count, cases, n, &lists->valid, gone, SM_VALID, err));
	for (size_t i = 0; i < count; i++)
		if (p[i].fold == SM_FOLDS)
			SM_GOTO(st, SM_FAIL(err, SM_INPUT,
					    "split.lists: patient %s stands in none of train, test "
					    "and valid (leave_out takes cases out)",
					    p[i].key));
	hand_out(cases, n, p, count, counts);
out:
	free(p);
	return st;
}
