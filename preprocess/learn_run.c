/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/learn_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/par.h"
#include "preprocess/foldlist.h"
#include "preprocess/learn.h"

/* One case; empty again once it was added. */
struct slot {
	size_t at; /* in the list of cases */
	struct sm_learning *said;
	bool rejected;
	struct sm_err why;
};

struct job {
	struct sm_run *run;
	struct sm_cases *cases;
	const struct sm_steps *steps;
	size_t step; /* from 0 */
	int jobs;    /* threads a case may use */
	struct slot *slots;
	struct sm_learning all;
	size_t learnt, left_out;
};

static enum sm_status work(void *ctx, size_t i, struct sm_err *err)
{
	const struct job *j = ctx;
	struct slot *s = &j->slots[i];
	struct sm_case c = {0};
	s->said = calloc(1, sizeof *s->said);
	if (!s->said)
		return SM_FAIL(err, SM_BUDGET, "--learn: out of memory");
	enum sm_status st = sm_cases_load(j->cases, s->at, j->jobs, &c, &s->why);
	if (st == SM_OK && j->step)
		st = sm_ops_run(&c, j->steps, (int64_t)j->step, &s->why);
	if (st == SM_OK)
		st = sm_learn_case(&c, &j->steps->v[j->step], s->said, &s->why);
	sm_case_clear(&c);
	s->rejected = (st == SM_INPUT || st == SM_BUDGET) && !j->run->strict;
	if (st != SM_OK && !s->rejected) {
		*err = s->why;
		return st;
	}
	return SM_OK;
}

static enum sm_status commit(void *ctx, size_t i, struct sm_err *err)
{
	struct job *j = ctx;
	struct slot *s = &j->slots[i];
	enum sm_status st = SM_OK;
	if (s->rejected) {
		sm_warn(&j->run->log, NULL, "left out: %s", s->why.text);
		j->left_out++;
	} else if (s->said->count) {
		st = sm_learning_add(&j->all, s->said, err);
		j->learnt++;
	}
	sm_learning_clear(s->said);
	free(s->said);
	s->said = NULL;
	return st;
}

static enum sm_status print(const struct job *j, const char *split, struct sm_err *err)
{
	char *yaml;
	if (!j->all.count)
		return SM_FAIL(err, SM_INPUT, "--learn: no case says anything for step %zu (%s)",
			       j->step + 1, sm_ops[j->steps->v[j->step].which].name);
	yaml = sm_learning_yaml(&j->all, &j->steps->v[j->step]);
	if (!yaml)
		return SM_FAIL(err, SM_BUDGET, "--learn: out of memory");
	printf("    # learnt from %zu %s%s, %zu left out\n%s", j->learnt,
	       j->learnt == 1 ? "case" : "cases", split ? " of fold train" : "", j->left_out, yaml);
	free(yaml);
	return SM_OK;
}

/* The cases to learn from, in the order of their keys. */
static enum sm_status list_cases(struct job *j, const char *split, size_t *n, struct sm_err *err)
{
	struct sm_ledger folds = {0};
	enum sm_status st = SM_OK;
	*n = 0;
	if (split)
		st = sm_folds_read(j->run, split, j->cases, &folds, err);
	for (size_t i = 0; st == SM_OK && i < j->cases->count; i++)
		if (!split || sm_folds_of(&folds, sm_cases_key(j->cases, i)) == SM_TRAIN)
			j->slots[(*n)++].at = i;
	if (st == SM_OK)
		st = sm_records_check(folds.records, err);
	if (split)
		sm_ledger_clear(&folds);
	if (st == SM_OK && !*n)
		st = SM_FAIL(err, SM_INPUT, "%s: no case is of fold train", split);
	return st;
}

enum sm_status sm_learn_run(struct sm_run *run, struct sm_cases *cases, int64_t number,
			    const char *split, struct sm_err *err)
{
	const struct sm_manifest_root *m = run->manifest;
	const struct sm_steps *steps = &m->preprocess->steps;
	size_t n = 0;
	if (number < 1 || (size_t)number > steps->n)
		return SM_FAIL(err, SM_USAGE,
			       "--learn: found %lld, allowed is 1 to %zu (number of steps)",
			       (long long)number, steps->n);
	struct job j = {.run = run, .cases = cases, .steps = steps, .step = (size_t)number - 1};
	if (!sm_learner_find(steps->v[j.step].which))
		return SM_FAIL(err, SM_USAGE,
			       "--learn: step %lld is %s, allowed are match_histogram and nyul",
			       (long long)number, sm_ops[steps->v[j.step].which].name);
	j.slots = calloc(cases->count, sizeof *j.slots);
	if (!j.slots)
		return SM_FAIL(err, SM_BUDGET, "--learn: out of memory");
	enum sm_status st = list_cases(&j, split, &n, err);
	/* Few cases share the threads between them, as sm_run_items does. */
	j.jobs = n && (size_t)run->jobs > n ? run->jobs / (int)n : 1;
	if (st == SM_OK)
		st = sm_par_ordered(n, run->jobs, work, commit, &j, err);
	if (st == SM_OK)
		st = print(&j, split, err);
	for (size_t i = 0; i < n; i++)
		if (j.slots[i].said) {
			sm_learning_clear(j.slots[i].said);
			free(j.slots[i].said);
		}
	sm_learning_clear(&j.all);
	free(j.slots);
	return st;
}
