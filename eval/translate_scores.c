/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "eval/translate.h"

/* More slices than a volume has: for asking whether pair lists any of a case. */
enum { MOST_SLICES = 1 << 16 };

/* Why a prediction is listed and not scored. */
enum { NO_TRUTH, NOT_HELD_OUT, REASONS };
static const struct {
	const char *key, *words;
} reasons[REASONS] = {
	[NO_TRUTH] = {"no_truth", "without a true image of the target"},
	[NOT_HELD_OUT] = {"not_asked_for",
			  "with no slice in the folds that evaluate.held asks for"},
};

struct work {
	struct sm_run *run;
	const struct sm_evaluate_section *s;
	struct sm_translations t;
	struct sm_pairs pairs;
	struct sm_training_targets targets;
	bool paired; /* a folder of pair is given */
	const char *pairs_dir;
	struct sm_image_settings settings;
	size_t *at; /* numbers of the predict records to be scored */
	size_t count;
};

/* Threshold and side of the ink: those of predict's masks unless the manifest says others. */
static void ink_settings(const struct sm_translations *t, const struct sm_evaluate_section *s,
			 bool pictures, struct sm_image_settings *out)
{
	const char *tone = sm_json_text(t->predict.header, "mask_ink");
	const double masks =
		json_number_value(json_object_get(t->predict.header, "mask_threshold"));
	if (pictures && masks > 0)
		out->which |= SM_IMAGE_BIT(SM_IMAGE_INK);
	out->ink = s->ink > 0 ? s->ink : masks > 0 ? masks : out->ink;
	/* Without a unit a picture's black and white are -1 and 1. */
	if (pictures && strcmp(t->unit, "1") == 0)
		out->ink = out->ink / 255 * 2 - 1;
	out->bright_ink = s->ink_tone == SM_INK_BRIGHT ||
			  (s->ink_tone == SM_INK_AUTO && tone && strcmp(tone, "bright") == 0);
}

enum sm_status sm_translate_score_settings(const struct sm_translations *t,
					   const struct sm_evaluate_section *s, bool pictures,
					   struct sm_image_settings *out, struct sm_err *err)
{
	const bool hu = strcmp(t->unit, "HU") == 0, own = strcmp(t->unit, "1") != 0;
	*out = sm_image_settings_default();
	out->unit = t->unit;
	out->rule = s->range < 0 ? SM_RANGE_TRUTH : SM_RANGE_GIVEN;
	out->range = s->range > 0 ? s->range : t->range[1] - t->range[0];
	out->from_low = s->ssim_from == SM_SSIM_FROM_LOW;
	out->low = t->range[0];
	out->bone = s->bone;
	out->mem = &t->run->mem;
	out->seed = t->run->seed;
	out->resamples = (size_t)s->resamples;
	if (own)
		memcpy(out->window, t->range, sizeof out->window);
	if (hu)
		out->which |= SM_IMAGE_BIT(SM_IMAGE_BONE);
	if (pictures)
		out->which &= ~SM_IMAGE_BIT(SM_IMAGE_JUMP);
	ink_settings(t, s, pictures, out);
	struct sm_err why;
	if (s->metrics.n && sm_image_metrics_named(&s->metrics, &out->which, &why) != SM_OK)
		return SM_FAIL(err, SM_USAGE, "evaluate.%s", why.text);
	return sm_image_settings_check(out, err);
}

/* ---- which cases ----------------------------------------------------------------------------- */

static const char *case_key(void *ctx, size_t i)
{
	const struct work *w = ctx;
	return sm_records_key(w->t.predict.records, w->at[i]);
}

static bool any_asked_for(const struct work *w, const char *key, uint8_t *use)
{
	return !w->paired ||
	       sm_pairs_slices(&w->pairs, key, (enum sm_scored)w->s->held, use, MOST_SLICES);
}

static bool are_pictures(const struct work *w, struct sm_err *err)
{
	for (size_t i = 0; i < w->t.cases.count; i++) {
		json_t *record = sm_cases_record(&w->t.cases, i, err);
		const bool yes = json_is_true(json_object_get(record, "pictures"));
		json_decref(record);
		if (yes)
			return true;
	}
	return false;
}

/* Rejected predictions are items, too: their reason is told again. */
static enum sm_status sort_out(struct work *w, size_t i, uint8_t *use, json_t *left_out,
			       struct sm_err *err)
{
	struct sm_records *all = w->t.predict.records;
	const char *key = sm_records_key(all, i);
	bool truth = true, asked = true;
	if (sm_records_ok(all, i)) {
		SM_TRY(sm_translations_truth(&w->t, sm_translations_find(&w->t, key), &truth, err));
		asked = any_asked_for(w, key, use);
	}
	if (truth && asked)
		w->at[w->count++] = i;
	else
		json_array_append_new(
			json_object_get(left_out, reasons[truth ? NOT_HELD_OUT : NO_TRUTH].key),
			json_string(key));
	return SM_OK;
}

static enum sm_status list_cases(struct work *w, struct sm_err *err)
{
	const size_t n = sm_records_count(w->t.predict.records);
	json_t *header = w->run->ledger.header, *left_out = json_object();
	json_t *not_predicted = json_object_get(w->t.predict.header, "not_predicted");
	json_object_set_new(header, "not_scored", left_out);
	if (not_predicted)
		json_object_set(header, "not_predicted", not_predicted);
	for (int r = 0; r < REASONS; r++)
		json_object_set_new(left_out, reasons[r].key, json_array());
	uint8_t *use = sm_alloc(NULL, MOST_SLICES, 1, "list of slices", err);
	w->at = sm_arena_alloc(&w->run->arena, (n + 1) * sizeof *w->at);
	enum sm_status st = use ? SM_OK : SM_BUDGET;
	if (st == SM_OK && !w->at)
		st = SM_FAIL(err, SM_BUDGET, "list of cases: out of memory");
	for (size_t i = 0; st == SM_OK && i < n; i++)
		st = sort_out(w, i, use, left_out, err);
	sm_free(use);
	if (st == SM_OK && !w->count)
		return SM_FAIL(
			err, SM_INPUT,
			"--in: 0 of its %zu cases can be scored (%zu %s, %zu %s), needed is at "
			"least 1",
			n, json_array_size(json_object_get(left_out, reasons[NO_TRUTH].key)),
			reasons[NO_TRUTH].words,
			json_array_size(json_object_get(left_out, reasons[NOT_HELD_OUT].key)),
			reasons[NOT_HELD_OUT].words);
	for (int r = 0; st == SM_OK && r < REASONS; r++) {
		const size_t many = json_array_size(json_object_get(left_out, reasons[r].key));
		if (many)
			sm_info(&w->run->log, NULL, "%zu case%s not scored: %s", many,
				many == 1 ? "" : "s", reasons[r].words);
	}
	return st;
}

/* ---- a case ---------------------------------------------------------------------------------- */

static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct work *w = ctx;
	const size_t at = sm_translations_find(&w->t, item->key);
	json_t *record = sm_records_get(w->t.predict.records, w->at[i]);
	const json_t *output = sm_record_output(record, "image");
	const char *path = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	enum sm_status st = record ? SM_OK : sm_records_check(w->t.predict.records, err);
	if (st == SM_OK && path && sha)
		st = sm_item_input_from(item, w->t.dir, "image", path, sha, err);
	if (st == SM_OK && at != SM_NONE)
		st = sm_cases_inputs(&w->t.cases, at, item, err);
	/* Which slices count, and the mean image, are those of this ledger. */
	if (st == SM_OK && w->paired)
		st = sm_item_input(item, "pairs", SM_LEDGER_NAME, w->pairs.ledger.sha256, err);
	json_decref(record);
	return st;
}

static enum sm_status only_asked_for(const void *ctx, const char *key, uint8_t *use, int64_t count,
				     struct sm_err *err)
{
	const struct work *w = ctx;
	(void)err;
	sm_pairs_slices(&w->pairs, key, (enum sm_scored)w->s->held, use, count);
	return SM_OK;
}

/* What is asked of neighbouring slices, of slices that are none. */
static void forget_neighbours(struct sm_image_scores *s)
{
	static const int of_neighbours[] = {SM_IMAGE_JUMP, SM_IMAGE_SSIM3D};
	for (size_t k = 0; k < SM_COUNT(of_neighbours); k++)
		for (int i = 0; i < SM_IMAGE_SCALES; i++)
			for (int r = 0; r < SM_IMAGE_REGIONS; r++) {
				const int m = of_neighbours[k];
				if (s->why[i][r][m] != SM_WHY_NONE &&
				    s->why[i][r][m] != SM_WHY_EMPTY_MASK)
					continue;
				s->value[i][r][m] = NAN;
				s->why[i][r][m] = SM_WHY_APART;
			}
}

/* What an image that stands for the body alone has of the whole one. */
static void forget_whole(struct sm_image_scores *s)
{
	for (int i = 0; i < SM_IMAGE_SCALES; i++)
		for (int m = 0; m < SM_IMAGE_METRICS; m++) {
			const uint8_t why = s->why[i][SM_IMAGE_WHOLE][m];
			if (why == SM_WHY_NOT_ASKED || why == SM_WHY_NO_WINDOW)
				continue;
			s->value[i][SM_IMAGE_WHOLE][m] = NAN;
			s->why[i][SM_IMAGE_WHOLE][m] = SM_WHY_BODY_ONLY;
		}
}

/* Mean change from slice to slice of the truth and of each row: columns of jumps.csv. */
struct jumps {
	double *column[1 + SM_TRANSLATE_ROWS]; /* the truth's first; NULL = no such row */
	double *room;
	size_t gaps; /* of all channels */
};

static enum sm_status jumps_init(struct jumps *j, const struct sm_made *c, struct sm_err *err)
{
	*j = (struct jumps){.gaps = (size_t)((c->n - 1) * c->channels)};
	j->room = sm_alloc(NULL, (2 + SM_TRANSLATE_ROWS) * (j->gaps + 1), sizeof *j->room, "jumps",
			   err);
	return j->room ? SM_OK : SM_BUDGET;
}

static enum sm_status jumps_add(struct jumps *j, const struct sm_image_pair *pair, int row,
				int jobs, struct sm_err *err)
{
	double *truth = j->room, *test = j->room + (size_t)(1 + row) * (j->gaps + 1);
	if (!j->gaps)
		return SM_OK;
	j->column[0] = truth;
	j->column[1 + row] = test;
	return sm_image_jumps(pair, jobs, test, truth, err);
}

/* "slice,truth,model,..." one line a gap between neighbours, from slice to slice + 1. */
static void jumps_text(const struct jumps *j, const struct sm_made *c, struct sm_text *out)
{
	sm_text_str(out, "slice,truth");
	for (int row = 0; row < SM_TRANSLATE_ROWS; row++)
		if (j->column[1 + row])
			sm_text_f(out, ",%s", sm_translate_row_key(row));
	sm_text_str(out, "\n");
	for (int64_t z = 0; z + 1 < c->n; z++) {
		if (c->slice[z + 1] != c->slice[z] + 1)
			continue;
		sm_text_f(out, "%lld", (long long)c->slice[z]);
		for (int k = 0; k <= SM_TRANSLATE_ROWS; k++) {
			double sum = 0;
			if (!j->column[k])
				continue;
			for (int64_t ch = 0; ch < c->channels; ch++)
				sum += j->column[k][ch * (c->n - 1) + z];
			sm_text_str(out, ",");
			sm_text_number(out, sum / (double)c->channels, 6, "");
		}
		sm_text_str(out, "\n");
	}
}

static enum sm_status write_jumps(const struct jumps *j, const struct sm_made *c,
				  struct sm_item *item, struct sm_err *err)
{
	struct sm_text text = {0};
	char hex[65], *name = sm_strf("%s/jumps.csv", item->key);
	char *dir = sm_path_join(item->run->out, item->key);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	enum sm_status st;
	if (!dir || !path)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key));
	jumps_text(j, c, &text);
	SM_GOTO(st, sm_text_check(&text, "jumps.csv", err));
	SM_GOTO(st, sm_mkdirs(dir, err));
	SM_GOTO(st, sm_outset_write(&item->files, path, text.data, text.n, err));
	sm_sha256_bytes(text.data, text.n, hex);
	st = sm_item_output(item, "jumps", name, hex, err);
out:
	sm_text_clear(&text);
	free(name);
	free(dir);
	free(path);
	return st;
}

static enum sm_status score_row(struct work *w, const struct sm_made *c, int row,
				const float *image, struct sm_item *item, struct jumps *j,
				struct sm_err *err)
{
	struct sm_image_settings settings = w->settings;
	struct sm_image_scores scores;
	const struct sm_image_pair pair = {
		.test = image,
		.truth = c->truth,
		.test_name = row ? sm_translate_row_key(row) : "the made image",
		.truth_name = w->t.target,
		.mask = c->mask,
		.dim = {c->width, c->height, c->n},
		.channels = c->channels,
	};
	settings.jobs = item->jobs;
	enum sm_status st = sm_image_score(&pair, &settings, &scores, err);
	if (st != SM_OK)
		return sm_err_prefix(err, "case %s", item->key);
	const bool body = row && sm_baselines[row - 1].body;
	if (!c->neighbours)
		forget_neighbours(&scores);
	if (body)
		forget_whole(&scores);
	json_object_set_new(json_object_get(item->record, "scores"), sm_translate_row_key(row),
			    sm_image_scores_to_json(&scores));
	return c->pictures || body ? SM_OK : jumps_add(j, &pair, row, item->jobs, err);
}

static enum sm_status score_rows(struct work *w, const struct sm_made *c, struct sm_item *item,
				 struct sm_err *err)
{
	const size_t n = (size_t)(c->width * c->height * c->n);
	struct jumps j;
	float *image = NULL;
	json_t *left_out = json_object();
	enum sm_status st;
	json_object_set_new(item->record, "scores", json_object());
	json_object_set_new(item->record, "without", left_out);
	SM_TRY(jumps_init(&j, c, err));
	SM_GOTO(st, score_row(w, c, 0, c->test, item, &j, err));
	image = sm_alloc(&w->run->mem, n, (size_t)c->channels * sizeof *image, "a baseline", err);
	if (!image)
		SM_GOTO(st, SM_BUDGET);
	for (int b = 0; b < SM_BASELINES; b++) {
		const char *why = sm_made_lacks(&w->t, w->paired ? &w->targets : NULL, c, b);
		if (why && *why)
			json_object_set_new(left_out, sm_baselines[b].key, json_string(why));
		if (why)
			continue;
		SM_GOTO(st, sm_made_base(&w->t, &w->targets, c, b, item->jobs, image, err));
		SM_GOTO(st, score_row(w, c, 1 + b, image, item, &j, err));
	}
	if (j.column[0])
		st = write_jumps(&j, c, item, err);
out:
	sm_free(image);
	sm_free(j.room);
	return st;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct work *w = ctx;
	struct sm_made c = {0};
	json_t *record = sm_records_get(w->t.predict.records, w->at[i]);
	enum sm_status st;
	if (!record)
		return sm_records_check(w->t.predict.records, err);
	SM_GOTO(st, sm_made_load(&w->t, record, w->paired ? only_asked_for : NULL, w, item->jobs,
				 &c, err));
	SM_GOTO(st, sm_made_body(&w->t, w->s, item->jobs, &c, err));
	json_object_set_new(item->record, "slices", sm_json_ints(c.slice, (size_t)c.n));
	json_object_set_new(item->record, "body", c.mask ? json_real(c.threshold) : json_null());
	const char *patient = sm_json_text(record, "patient"), *fold = sm_json_text(record, "fold");
	if (patient)
		json_object_set_new(item->record, "patient", json_string(patient));
	if (fold)
		json_object_set_new(item->record, "fold", json_string(fold));
	if (c.no_mask)
		sm_item_warn(item, "no body mask: %s", c.no_mask);
	st = score_rows(w, &c, item, err);
out:
	sm_made_clear(&c);
	json_decref(record);
	return st;
}

/* ---- the tables ------------------------------------------------------------------------------ */

static enum sm_status write_tables(struct work *w, const struct sm_image_table *table,
				   struct sm_err *err)
{
	struct sm_run *run = w->run;
	struct sm_text cases = {0}, summary = {0}, md = {0}, json = {0};
	json_t *outputs = json_array(), *all = sm_image_table_to_json(table);
	char *line = sm_json_line(all);
	enum sm_status st;
	json_object_set_new(run->ledger.header, "outputs", outputs);
	json_object_set_new(run->ledger.header, "summary", all);
	if (!line)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "summary.json: out of memory"));
	sm_image_cases_csv(table, &cases);
	sm_image_table_csv(table, &summary);
	sm_image_table_md(table, &md);
	sm_text_f(&json, "%s\n", line);
	SM_GOTO(st, sm_run_write(run, "scores.csv", "scores", &cases, outputs, err));
	SM_GOTO(st, sm_run_write(run, "summary.csv", "summary", &summary, outputs, err));
	SM_GOTO(st, sm_run_write(run, "summary.json", "summary_json", &json, outputs, err));
	SM_GOTO(st, sm_run_write(run, "table.md", "table", &md, outputs, err));
	fputs(md.data, stdout);
out:
	free(line);
	sm_text_clear(&cases);
	sm_text_clear(&summary);
	sm_text_clear(&md);
	sm_text_clear(&json);
	return st;
}

static enum sm_status finish(struct work *w, struct sm_err *err)
{
	struct sm_translate_table t;
	SM_TRY(sm_translate_table_read(w->run->ledger.records, w->t.model, &w->settings, &t, err));
	enum sm_status st = SM_OK;
	if (t.cases)
		st = write_tables(w, &t.table, err);
	else
		sm_warn(&w->run->log, NULL, "no case was scored, so there are no tables");
	sm_translate_table_clear(&t);
	return st;
}

/* ---- the stage ------------------------------------------------------------------------------- */

static enum sm_status check_pairs(const struct work *w, struct sm_err *err)
{
	static const char *const names[] = {"mode", "split", "plane",    "view",
					    "a",    "b",     "direction"};
	const json_t *theirs = json_object_get(
		json_object_get(json_object_get(w->pairs.ledger.header, "settings"), "manifest"),
		"pair");
	const json_t *ours = json_object_get(
		json_object_get(json_object_get(w->run->ledger.header, "settings"), "manifest"),
		"pair");
	for (size_t i = 0; i < SM_COUNT(names); i++) {
		json_t *a = json_object_get(theirs, names[i]), *b = json_object_get(ours, names[i]);
		if (a && b && !json_equal(a, b))
			return SM_FAIL(err, SM_INPUT,
				       "--pairs: its pair.%s is another than the manifest's: run "
				       "stage pair again",
				       names[i]);
	}
	return sm_pairs_trained_on(&w->pairs, w->t.predict.header, err);
}

static enum sm_status open_all(struct work *w, const char *truth, struct sm_err *err)
{
	struct sm_run *run = w->run;
	const struct sm_translations *t = &w->t;
	struct sm_err ignored = {0};
	SM_TRY(sm_translations_open(run, run->in, truth, &w->t, err));
	if (!w->paired && t->pair->split != SM_BY_PATIENT)
		return SM_FAIL(err, SM_USAGE,
			       "--pairs: is missing, with pair.split other than patient it tells "
			       "which slices were held out");
	if (!w->paired)
		sm_warn(&run->log, NULL,
			"--pairs is not given: every predicted slice is scored, and no baseline is "
			"made "
			"of the training targets");
	if (w->paired) {
		SM_TRY(sm_pairs_open(run, w->pairs_dir, t->unpaired, t->b_to_a, &w->pairs, err));
		SM_TRY(check_pairs(w, err));
	}
	SM_TRY(sm_translate_score_settings(t, w->s, are_pictures(w, &ignored), &w->settings, err));
	json_t *h = run->ledger.header;
	json_object_set_new(h, "source", json_string(t->source));
	json_object_set_new(h, "target", json_string(t->target));
	json_object_set_new(h, "unit", json_string(t->unit));
	json_object_set_new(h, "model", json_string(t->model));
	return list_cases(w, err);
}

static enum sm_status read_targets(struct work *w, struct sm_err *err)
{
	struct sm_err ignored = {0};
	struct sm_body_rules rules;
	const bool body = sm_body_rules(&w->t, w->s, are_pictures(w, &ignored), &rules);
	return sm_training_targets_read(w->run, w->pairs_dir, &w->pairs, body ? &rules : NULL,
					&w->targets, err);
}

enum sm_status sm_translate_evaluate(struct sm_run *run, const char *truth, const char *pairs,
				     struct sm_err *err)
{
	const struct sm_manifest_root *m = run->manifest;
	struct work w = {.run = run, .s = m->evaluate, .paired = pairs != NULL, .pairs_dir = pairs};
	enum sm_status st;
	SM_GOTO(st, open_all(&w, truth, err));
	if (w.paired && !run->dry_run && !w.t.triplets)
		SM_GOTO(st, read_targets(&w, err));
	struct sm_items items = {.count = w.count,
				 .noun = "cases",
				 .ctx = &w,
				 .key = case_key,
				 .inputs = inputs,
				 .work = work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (!run->dry_run)
		st = finish(&w, err);
out:
	sm_training_targets_clear(&w.targets);
	sm_pairs_close(&w.pairs);
	sm_translations_close(&w.t);
	return st;
}
