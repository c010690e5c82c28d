/* SPDX-License-Identifier: Apache-2.0 */
/* Which cases stage predict works on, and by which networks. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "train/predict.h"

/* Why a case is not predicted. */
#define OTHER "other_folds"
#define UNASKED "not_asked"
#define REJECTED "rejected"

static const char *fold_name(const struct sm_predicting *p)
{
	return p->s->fold == SM_PREDICT_ALL     ? "all"
	       : p->s->fold == SM_PREDICT_CROSS ? "cross_validation"
						: sm_fold_name((enum sm_fold)p->s->fold);
}

enum sm_status sm_predict_ledgers(struct sm_predicting *p, struct sm_err *err)
{
	struct sm_run *run = p->run;
	bool needed = p->s->fold == SM_PREDICT_CROSS ||
		      (p->s->fold != SM_PREDICT_ALL && !p->o->one_case);
	if (needed && !p->o->split)
		return SM_FAIL(err, SM_USAGE, "--split: is missing, fold %s needs it",
			       fold_name(p));
	const struct sm_manifest_root *m = run->manifest;
	const char *samples = m->dataset == SM_LAST_SLICE ? "slice" : "tile";
	SM_TRY(sm_run_parent(run, run->in, p->o->tiles ? samples : "preprocess", &p->cases, err));
	return p->o->split ? sm_run_parent(run, p->o->split, "split", &p->split, err) : SM_OK;
}

/* Bits of the networks that were trained without the fold of this number. */
static uint64_t trained_without(const struct sm_predicting *p, const json_t *its)
{
	const json_t *index = json_object_get(its, "fold_index");
	uint64_t bits = 0;
	for (size_t m = 0; m < p->models && json_is_integer(index); m++)
		if (p->model[m].fold >= 0 && p->model[m].fold == json_integer_value(index))
			bits |= UINT64_C(1) << m;
	return bits;
}

/* Bits of the networks that were trained on the case. A checkpoint of before that does not say so
 * was trained on what the split calls train. */
static uint64_t trained_on(const struct sm_predicting *p, const char *key, const char *in)
{
	uint64_t bits = 0;
	for (size_t m = 0; m < p->models; m++) {
		const struct sm_seen *seen = &p->model[m].seen;
		if (seen->known ? sm_seen_has(seen, key) : in && strcmp(in, "train") == 0)
			bits |= UINT64_C(1) << m;
	}
	return bits;
}

/* NULL when the case is predicted. in: the name of its fold, or NULL. */
static const char *left_out(const struct sm_predicting *p, const char *key, const char *in,
			    uint64_t networks)
{
	if (p->o->one_case && strcmp(key, p->o->one_case) != 0)
		return UNASKED;
	if (p->s->fold == SM_PREDICT_CROSS)
		return networks && in && strcmp(in, "none") != 0 ? NULL : OTHER;
	if (p->o->one_case || p->s->fold == SM_PREDICT_ALL)
		return NULL;
	return in && strcmp(in, fold_name(p)) == 0 ? NULL : OTHER;
}

static enum sm_status pick(struct sm_predicting *p, size_t i, const json_t *its, json_t *why,
			   struct sm_err *err)
{
	const char *key = sm_records_key(p->cases.records, i), *in = sm_json_text(its, "fold");
	bool cross = p->s->fold == SM_PREDICT_CROSS;
	uint64_t all = UINT64_MAX >> (SM_INFER_MEMBERS - p->models);
	uint64_t networks = cross ? trained_without(p, its) : all;
	if (!sm_records_ok(p->cases.records, i)) {
		sm_warn(&p->run->log, key, "was rejected before and is left out");
		json_array_append_new(json_object_get(why, REJECTED), json_string(key));
		return SM_OK;
	}
	if (!in && p->o->split && !p->o->one_case && p->s->fold != SM_PREDICT_ALL)
		return SM_FAIL(err, SM_INPUT, "%s: stands in no fold of the split: run split again",
			       key);
	const char *reason = left_out(p, key, in, networks);
	if (reason) {
		json_array_append_new(json_object_get(why, reason), json_string(key));
		return SM_OK;
	}
	p->at[p->count++] = (struct sm_predict_pick){
		.record = i, .networks = networks, .seen = networks & trained_on(p, key, in)};
	return SM_OK;
}

/* Whether a record of the split is of the fixed test list beside k folds. */
static bool beside_folds(const json_t *its)
{
	const char *in = sm_json_text(its, "fold");
	return in && strcmp(in, "test") == 0 && !json_object_get(its, "fold_index");
}

/* Those of k folds must be there for what is asked. */
static enum sm_status check_folds(const struct sm_predicting *p, struct sm_err *err)
{
	for (size_t m = 0; p->s->fold == SM_PREDICT_CROSS && m < p->models; m++)
		if (p->model[m].fold < 0)
			return SM_FAIL(err, SM_USAGE,
				       "predict.fold: found cross_validation, but %s was not "
				       "trained on k folds (train --fold all, or --fold N): "
				       "allowed for it are train, test, valid, all",
				       p->model[m].name);
	for (size_t m = 0; m < p->models; m++)
		if (!p->model[m].seen.known)
			sm_warn(&p->run->log, p->model[m].name,
				"does not say which cases it was trained on: train again if scores "
				"shall count");
	return SM_OK;
}

enum sm_status sm_predict_list(struct sm_predicting *p, struct sm_err *err)
{
	size_t count = sm_records_count(p->cases.records), beside = 0;
	SM_TRY(check_folds(p, err));
	p->at = calloc(count + 1, sizeof *p->at);
	if (!p->at)
		return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	/* So that evaluate can tell why a truth has no prediction. */
	json_t *why = json_pack("{s:[], s:[]}", OTHER, REJECTED);
	if (p->o->one_case)
		json_object_set_new(why, UNASKED, json_array());
	json_object_set_new(p->run->ledger.header, "not_predicted", why);
	for (size_t i = 0; i < count; i++) {
		json_t *its = p->o->split ? sm_ledger_get(&p->split,
							  sm_records_key(p->cases.records, i))
					  : NULL;
		beside += p->s->fold == SM_PREDICT_CROSS && beside_folds(its);
		enum sm_status st = pick(p, i, its, why, err);
		json_decref(its);
		SM_TRY(st);
	}
	if (p->o->split)
		SM_TRY(sm_records_check(p->split.records, err));
	if (beside && !p->o->one_case)
		sm_info(&p->run->log, NULL,
			"%zu cases of the test list beside the folds are left out: predict.fold: "
			"test predicts them by the mean of all networks",
			beside);
	if (!p->count && p->o->one_case)
		return SM_FAIL(err, SM_USAGE,
			       "--case: found '%s', allowed are the good cases of preprocess%s",
			       p->o->one_case,
			       p->s->fold == SM_PREDICT_CROSS ? " that a fold holds" : "");
	return p->count ? SM_OK
			: SM_FAIL(err, SM_INPUT, "fold %s: has 0 cases, needed is at least 1",
				  fold_name(p));
}

/* Number of the first bit. */
static size_t first_of(uint64_t bits)
{
	size_t m = 0;
	while (!(bits >> m & 1))
		m++;
	return m;
}

enum sm_status sm_predict_unseen(const struct sm_predicting *p, size_t i, struct sm_err *err)
{
	const struct sm_predict_pick *at = &p->at[i];
	bool folds = p->model[0].fold >= 0 && p->s->fold != SM_PREDICT_CROSS;
	char which[192];
	size_t n = 0;
	if (!at->seen || p->s->seen == SM_SEEN_ALLOW)
		return SM_OK;
	for (uint64_t bits = at->seen; bits; bits &= bits - 1)
		n++;
	const char *first = p->model[first_of(at->seen)].name;
	if (p->models == 1)
		snprintf(which, sizeof which, "%s was", first);
	else
		snprintf(which, sizeof which, "%zu of the %zu checkpoints (%s) were", n, p->models,
			 first);
	return SM_FAIL(err, SM_INPUT,
		       "%s trained on it, a score of its prediction would say nothing: %s"
		       "predict.seen: allow predicts it all the same",
		       which,
		       folds ? "predict.fold: cross_validation takes for each case the network "
			       "that was not, "
			     : "");
}

enum sm_status sm_predict_note_seen(const struct sm_predicting *p, size_t i, struct sm_item *item,
				    struct sm_err *err)
{
	json_t *names = NULL;
	for (uint64_t bits = p->at[i].seen; bits; bits &= bits - 1) {
		if (!names)
			names = json_array();
		if (!names || json_array_append_new(
				      names, json_string(p->model[first_of(bits)].name)) != 0)
			return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	}
	if (!names)
		return SM_OK;
	sm_warn(&p->run->log, item->key,
		"the network was trained on it: a score of its prediction says nothing");
	return json_object_set_new(item->record, "trained_on_by", names) == 0
		       ? SM_OK
		       : SM_FAIL(err, SM_BUDGET, "predict: out of memory");
}
