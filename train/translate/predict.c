/* SPDX-License-Identifier: Apache-2.0 */
/* Stage predict, dataset pair: which cases, and the run. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "train/network.h"
#include "train/translate/predicting.h"

/* ---- what the manifest asks for ----------------------------------------------------------------
 */

static const char *const said_direction[] = {"a_to_b", "b_to_a"};

/* The names of a and b as the training had them. */
static void names_of(const struct sm_pair_section *s, const char *name[2])
{
	bool turned = s->mode == SM_PAIR_ALIGNED && s->direction == SM_B_TO_A;
	name[0] = turned ? s->b : s->a;
	name[1] = s->mode == SM_PAIR_TRIPLETS ? s->a : turned ? s->a : s->b;
}

static enum sm_status check_names(const struct sm_translate_prediction *p,
				  const char *const name[2], struct sm_err *err)
{
	const struct sm_translation *about = &p->translator.about;
	for (int i = 0; i < 2; i++)
		if (strcmp(name[i] ? name[i] : "image", about->domain[i]) != 0)
			return SM_FAIL(err, SM_INPUT,
				       "--model: it turns %s into %s, pair.a and pair.b (and "
				       "pair.direction) ask "
				       "for %s into %s",
				       about->domain[0], about->domain[1],
				       name[0] ? name[0] : "image", name[1] ? name[1] : "image");
	return SM_OK;
}

/* The checkpoint must be of this data set. */
static enum sm_status check_model(struct sm_translate_prediction *p, struct sm_err *err)
{
	static const char *const modes[] = {"aligned", "triplets", "unpaired"};
	static const char *const planes[] = {"axial", "coronal", "sagittal"};
	const struct sm_pair_section *s = p->m->pair;
	const struct sm_translation *about = &p->translator.about;
	int trained = about->triplets ? SM_PAIR_TRIPLETS
		      : about->cycle  ? SM_PAIR_UNPAIRED
				      : SM_PAIR_ALIGNED;
	const char *name[2];
	bool stored = s->view == SM_VIEW_STORED;
	if (s->mode != trained)
		return SM_FAIL(err, SM_INPUT,
			       "--model: was trained with pair.mode %s, the manifest has %s",
			       modes[trained], modes[s->mode]);
	names_of(s, name);
	SM_TRY(check_names(p, name, err));
	if (s->plane != about->plane || stored != about->stored)
		return SM_FAIL(err, SM_INPUT,
			       "--model: was trained on %s slices (pair.view %s), the manifest has "
			       "%s (%s)",
			       planes[about->plane], about->stored ? "stored" : "radiological",
			       planes[s->plane], stored ? "stored" : "radiological");
	p->source = name[p->translator.from];
	p->target = name[p->translator.to];
	if (p->target && !sm_key_is_safe(p->target))
		return SM_FAIL(err, SM_USAGE, "pair: found '%s', which is no safe file name",
			       p->target);
	return SM_OK;
}

/* A network knows only numbers made by the steps of its training. */
static enum sm_status check_steps(struct sm_translate_prediction *p, struct sm_err *err)
{
	const char *want = p->translator.about.preprocess;
	char own[65];
	sm_checkpoint_steps(&p->cases, own);
	if (strcmp(own, want) == 0)
		return SM_OK;
	if (!p->other_steps)
		return SM_FAIL(
			err, SM_INPUT,
			"--in: its volumes went through preprocess settings %.12s, the training's "
			"through %.12s: preprocess as for the training, or give --other-steps",
			own, want);
	sm_warn(&p->run->log, NULL,
		"the volumes went through other preprocess settings than the training's");
	return SM_OK;
}

/* ---- the cases ------------------------------------------------------------------------------- */

/* Why a case is not predicted. */
#define OTHER "other_folds"
#define UNASKED "not_asked"
#define REJECTED "rejected"
#define NO_SOURCE "no_source"

static const char *fold_name(const struct sm_translate_prediction *p)
{
	int fold = p->m->predict->fold;
	return !p->split || fold == SM_PREDICT_ALL ? "all" : sm_fold_name((enum sm_fold)fold);
}

/* NULL when the case is predicted. */
static const char *left_out(const struct sm_translate_prediction *p, const json_t *record,
			    const char *in)
{
	int64_t channel;
	if (!sm_record_ok(record))
		return REJECTED;
	if (p->one_case && strcmp(sm_record_key(record), p->one_case) != 0)
		return UNASKED;
	if (!p->one_case && strcmp(fold_name(p), "all") != 0 &&
	    (!in || strcmp(in, fold_name(p)) != 0))
		return OTHER;
	return sm_translate_source(record, p->source, &channel) ? NULL : NO_SOURCE;
}

/* Masks are of pictures, and no file of a case may have the name of another's. */
static enum sm_status check_mask(const struct sm_translate_prediction *p, const json_t *record,
				 struct sm_err *err)
{
	static const char ending[] = ".mask";
	const char *key = sm_record_key(record);
	const size_t n = strlen(key), m = sizeof ending - 1;
	if (!(p->m->predict->mask_threshold > 0))
		return SM_OK;
	if (!json_is_true(json_object_get(record, "pictures")))
		return SM_FAIL(err, SM_USAGE,
			       "predict.mask_threshold: found %g, allowed is 0 (off): %s is a "
			       "volume, masks are made of pictures",
			       p->m->predict->mask_threshold, key);
	if (n > m && strcmp(key + n - m, ending) == 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: its picture would have the name of another case's mask, with "
			       "predict.mask_threshold no key may end in %s",
			       key, ending);
	return SM_OK;
}

static enum sm_status pick(struct sm_translate_prediction *p, size_t i, const json_t *record,
			   json_t *why, struct sm_err *err)
{
	const char *key = sm_record_key(record);
	const struct sm_seen *seen = &p->translator.about.seen;
	json_t *its = p->split ? sm_ledger_get(&p->split_ledger, key) : NULL;
	const char *in = sm_json_text(its, "fold"), *reason = left_out(p, record, in);
	enum sm_status st = SM_OK;
	if (p->split && sm_record_ok(record) && !in && !p->one_case)
		st = SM_FAIL(err, SM_INPUT, "%s: stands in no fold of the split: run split again",
			     key);
	else if (reason)
		json_array_append_new(json_object_get(why, reason), json_string(key));
	else if ((st = check_mask(p, record, err)) == SM_OK)
		p->at[p->count++] =
			(struct sm_translating_pick){.record = i, .seen = sm_seen_has(seen, key)};
	json_decref(its);
	return st;
}

static enum sm_status list(struct sm_translate_prediction *p, struct sm_err *err)
{
	size_t i;
	json_t *record, *why = json_pack("{s:[], s:[], s:[]}", OTHER, REJECTED, NO_SOURCE);
	p->at = calloc(sm_records_count(p->cases.records) + 1, sizeof *p->at);
	if (!p->at || !why) {
		json_decref(why);
		return SM_FAIL(err, SM_BUDGET, "predict: out of memory");
	}
	if (p->one_case)
		json_object_set_new(why, UNASKED, json_array());
	json_object_set_new(p->run->ledger.header, "not_predicted", why);
	sm_records_foreach(p->cases.records, i, record)
	{
		enum sm_status st = pick(p, i, record, why, err);
		if (st != SM_OK) {
			json_decref(record);
			return st;
		}
	}
	SM_TRY(sm_records_check(p->cases.records, err));
	if (p->split)
		SM_TRY(sm_records_check(p->split_ledger.records, err));
	if (p->count)
		return SM_OK;
	if (p->one_case)
		return SM_FAIL(
			err, SM_USAGE,
			"--case: found '%s', allowed are the good cases of preprocess that hold %s",
			p->one_case, p->source ? p->source : "a volume");
	return SM_FAIL(err, SM_INPUT, "fold %s: has 0 cases with %s, needed is at least 1",
		       fold_name(p), p->source ? p->source : "a volume");
}

/* With folds of slices every case has slices that were trained on: later stages take the others. */
static bool by_patient(const struct sm_translate_prediction *p)
{
	return p->m->pair->split == SM_BY_PATIENT;
}

static enum sm_status unseen(const struct sm_translate_prediction *p, size_t i, struct sm_err *err)
{
	if (!p->at[i].seen || !by_patient(p) || p->m->predict->seen == SM_SEEN_ALLOW)
		return SM_OK;
	return SM_FAIL(err, SM_INPUT,
		       "%s was trained on it, a score of its prediction would say nothing: "
		       "predict.seen: allow predicts it all the same",
		       sm_path_base(p->translator.path));
}

/* ---- the run --------------------------------------------------------------------------------- */

static const char *key(void *ctx, size_t i)
{
	const struct sm_translate_prediction *p = ctx;
	return sm_records_key(p->cases.records, p->at[i].record);
}

/* A new reference; NULL with the error. */
static json_t *record_of(const struct sm_translate_prediction *p, size_t i, struct sm_err *err)
{
	json_t *record = sm_records_get(p->cases.records, p->at[i].record);
	if (!record)
		sm_records_check(p->cases.records, err);
	return record;
}

static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct sm_translate_prediction *p = ctx;
	int64_t channel;
	json_t *record = record_of(p, i, err);
	if (!record)
		return SM_IO;
	const json_t *source = sm_translate_source(record, p->source, &channel);
	const char *path = sm_json_text(source, "path"), *sha = sm_json_text(source, "sha256");
	enum sm_status st =
		path && sha ? sm_item_input_from(item, p->run->in, sm_json_text(source, "role"),
						 path, sha, err)
			    : SM_FAIL(err, SM_INPUT, "%s: its record names no volume", item->key);
	json_decref(record);
	if (st == SM_OK)
		st = sm_item_input(item, "checkpoint", sm_path_base(p->translator.path),
				   p->translator.sha256, err);
	return st;
}

static void note_fold(const struct sm_translate_prediction *p, const json_t *record,
		      struct sm_item *item)
{
	/* Not its modality: the image's own stands in the sidecar. */
	static const char *const carried[] = {"patient", "study", "frame_of_reference",
					      "burned_text", "pictures"};
	for (size_t k = 0; k < SM_COUNT(carried); k++) {
		json_t *value = json_object_get(record, carried[k]);
		if (value)
			json_object_set(item->record, carried[k], value);
	}
	json_t *its = p->split ? sm_ledger_get(&p->split_ledger, item->key) : NULL;
	json_t *fold = json_object_get(its, "fold");
	if (fold)
		json_object_set(item->record, "fold", fold);
	json_decref(its);
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct sm_translate_prediction *p = ctx;
	json_t *record = record_of(p, i, err);
	if (!record)
		return SM_IO;
	note_fold(p, record, item);
	enum sm_status st = unseen(p, i, err);
	if (st == SM_OK && p->at[i].seen) {
		json_object_set_new(item->record, "seen", json_true());
		sm_item_warn(item, "the network was trained on %s: a score of %s says nothing",
			     by_patient(p) ? "it" : "slices of it", by_patient(p) ? "it" : "those");
	}
	if (st == SM_OK)
		st = sm_translate_case(p, record, item, err);
	json_decref(record);
	return st;
}

static enum sm_status foresee(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	(void)item;
	return unseen(ctx, i, err);
}

static void describe(const struct sm_translate_prediction *p)
{
	const struct sm_translator *t = &p->translator;
	const struct sm_translation *about = &t->about;
	const struct sm_predict_section *s = p->m->predict;
	json_t *h = p->run->ledger.header;
	int direction = about->cycle ? t->from : p->m->pair->direction;
	bool unit = sm_translator_has_unit(t, t->to);
	json_object_set_new(h, "direction", json_string(said_direction[direction]));
	json_object_set_new(h, "source", json_string(about->domain[t->from]));
	json_object_set_new(h, "target", json_string(about->domain[t->to]));
	json_object_set_new(h, "unit", json_string(about->unit[t->to]));
	json_object_set_new(h, "low", unit ? json_real(about->low[t->to]) : json_null());
	json_object_set_new(h, "high", unit ? json_real(about->high[t->to]) : json_null());
	json_object_set_new(h, "network", json_string(about->generator));
	json_object_set_new(h, "checkpoint", json_string(t->sha256));
	/* What evaluate --pairs must be given. */
	json_object_set_new(h, "pair", json_string(about->pair));
	if (*about->samples)
		json_object_set_new(h, "samples", json_string(about->samples));
	json_object_set_new(h, "epoch", json_integer((json_int_t)about->epoch));
	json_object_set_new(h, "triplets", json_boolean(about->triplets));
	if (s->mask_threshold > 0) {
		json_object_set_new(h, "mask_threshold", json_real(s->mask_threshold));
		json_object_set_new(h, "mask_ink",
				    json_string(s->mask_ink == SM_INK_BRIGHT ? "bright" : "dark"));
	}
	sm_info(&p->run->log, NULL, "%s after epoch %lld: %s to %s, values are %s",
		about->generator, (long long)about->epoch, about->domain[t->from],
		about->domain[t->to], about->unit[t->to]);
}

static enum sm_status prepare(struct sm_translate_prediction *p, struct sm_err *err)
{
	struct sm_run *run = p->run;
	const struct sm_predict_section *s = p->m->predict;
	const struct sm_translator_opt opt = {.threads = run->jobs,
					      .seed = run->seed,
					      .back = s->direction == SM_B_TO_A,
					      .dropout = s->test_dropout,
					      .running_norm = s->test_norm == SM_NORM_RUNNING,
					      .bf16 = s->precision == SM_BF16};
	if (s->fold == SM_PREDICT_CROSS)
		return SM_FAIL(
			err, SM_USAGE,
			"predict.fold: found cross_validation, allowed with dataset pair are "
			"train, test, valid, all");
	SM_TRY(sm_run_parent(run, run->in, "preprocess", &p->cases, err));
	if (p->split)
		SM_TRY(sm_run_parent(run, p->split, "split", &p->split_ledger, err));
	SM_TRY(sm_translator_open(&p->translator, run, p->model, &opt, err));
	SM_TRY(check_model(p, err));
	SM_TRY(check_steps(p, err));
	SM_TRY(list(p, err));
	describe(p);
	return SM_OK;
}

enum sm_status sm_translate_predict(struct sm_translate_prediction *p, struct sm_err *err)
{
	struct sm_run *run = p->run;
	int threads = run->jobs;
	struct sm_items items = {.noun = "cases",
				 .ctx = p,
				 .key = key,
				 .inputs = inputs,
				 .work = work,
				 .foresee = foresee};
	pthread_mutex_init(&p->lock, NULL);
	enum sm_status st = prepare(p, err);
	if (st == SM_OK) {
		items.count = p->count;
		/* The network uses all threads; a second case reads and writes meanwhile. */
		run->jobs = threads > 1 ? 2 : 1;
		st = sm_run_items(run, &items, err);
		run->jobs = threads;
		sm_info(&run->log, NULL, "largest memory %.0f MiB", sm_peak_mib());
	}
	sm_translator_close(&p->translator);
	sm_ledger_clear(&p->cases);
	sm_ledger_clear(&p->split_ledger);
	free(p->at);
	pthread_mutex_destroy(&p->lock);
	return st;
}
