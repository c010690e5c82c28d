/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "eval/report.h"

size_t sm_models_find(const struct sm_models *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcasecmp(m->v[i].name, name) == 0)
			return i;
	return SM_NONE;
}

static bool is_plain(const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr(" ._+-#", name[i]))
			return false;
	return n > 0 && n < SM_MODEL_NAME && name[0] != '-' && name[0] != ' ';
}

static enum sm_status add(struct sm_models *m, const char *name, size_t n, const char *dir,
			  struct sm_err *err)
{
	struct sm_model *model = &m->v[m->n];
	if (!is_plain(name, n))
		return SM_FAIL(err, SM_USAGE,
			       "--models: name '%.*s': allowed are 1 to %d letters, digits, blanks "
			       "and . _ + - #",
			       (int)(n < 60 ? n : 60), name, SM_MODEL_NAME - 1);
	if (m->n == SM_MODELS_MAX)
		return SM_FAIL(err, SM_USAGE, "--models: found more than %d models", SM_MODELS_MAX);
	*model = (struct sm_model){.dir = dir};
	memcpy(model->name, name, n);
	if (sm_models_find(m, model->name) != SM_NONE)
		return SM_FAIL(err, SM_USAGE, "--models: found two models called %s, needed is one",
			       model->name);
	m->n++;
	return SM_OK;
}

/* What the network of --in is called: by its ledger of training, else the manifest, else nothing
 * more than that. */
static const char *own_name(const struct sm_report *report)
{
	const json_t *manifest = json_object_get(
		json_object_get(report->from[SM_FROM_TRAIN].header, "settings"), "manifest");
	const char *name = sm_json_text(json_object_get(manifest, "train"), "model");
	if (name && is_plain(name, strlen(name)))
		return name;
	return is_plain(report->name, strlen(report->name)) ? report->name : "model";
}

static const json_t *section_of(const struct sm_model *m)
{
	const json_t *settings = json_object_get(m->evaluate.header, "settings");
	return json_object_get(json_object_get(settings, "manifest"), "evaluate");
}

/* Settings of evaluate that models side by side need not share: none of them changes a score of a
 * case that both have a prediction of. words: what a reader has to know of it. */
static const struct {
	const char *key, *words;
} may_differ[] = {
	/* Which cases there are; those without a prediction are marked. */
	{"missing", "what becomes of a truth without prediction"},
	/* Intervals alone. */
	{"resamples", "draws of the bootstrap behind an interval"},
	/* Which pairs are refused. */
	{"grid_tolerance", "mm from which on a pair is refused"},
	/* Of made images: label volumes are scored without them. */
	{"held", NULL},
	{"range", NULL},
	{"ssim_from", NULL},
	{"body", NULL},
	{"body_threshold", NULL},
	{"bone", NULL},
	{"ink", NULL},
	{"ink_tone", NULL},
};

static bool need_not_agree(const char *key)
{
	for (size_t i = 0; i < SM_COUNT(may_differ); i++)
		if (strcmp(may_differ[i].key, key) == 0)
			return true;
	return false;
}

static void add_value(struct sm_text *out, const json_t *v)
{
	char *text = json_is_string(v) ? NULL
				       : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY |
							       JSON_REAL_PRECISION(9));
	sm_text_str(out, json_is_string(v) ? json_string_value(v) : text ? text : "not told");
	free(text);
}

void sm_models_differences(const struct sm_models *m, struct sm_text *out)
{
	size_t told = 0;
	for (size_t k = 0; k < SM_COUNT(may_differ); k++) {
		const char *key = may_differ[k].key;
		bool same = true;
		for (size_t i = 1; i < m->n; i++)
			same = same && json_equal(json_object_get(section_of(&m->v[i]), key),
						  json_object_get(section_of(&m->v[0]), key));
		if (same || !may_differ[k].words)
			continue;
		sm_text_f(out, "%sevaluate.%s, %s (", told++ ? "; " : "", key, may_differ[k].words);
		for (size_t i = 0; i < m->n; i++) {
			sm_text_f(out, "%s%s ", i ? ", " : "", m->v[i].name);
			add_value(out, json_object_get(section_of(&m->v[i]), key));
		}
		sm_text_str(out, ")");
	}
}

/* Scores stand side by side only where they mean the same. */
static enum sm_status check_same(const struct sm_model *first, const struct sm_model *m,
				 struct sm_err *err)
{
	const char *key;
	json_t *value;
	const json_t *a = section_of(first), *b = section_of(m);
	json_object_foreach((json_t *)a, key, value)
	{
		if (need_not_agree(key) || json_equal(value, json_object_get(b, key)))
			continue;
		return SM_FAIL(err, SM_INPUT,
			       "evaluate.%s of model %s is not that of model %s, needed are models "
			       "scored alike: run stage evaluate again",
			       key, m->name, first->name);
	}
	if (!json_equal(json_object_get(first->evaluate.header, "columns"),
			json_object_get(m->evaluate.header, "columns")) ||
	    !json_equal(json_object_get(first->evaluate.header, "version"),
			json_object_get(m->evaluate.header, "version")))
		return SM_FAIL(err, SM_INPUT,
			       "model %s was scored by another version or with other metrics than "
			       "model %s: run stage evaluate again",
			       m->name, first->name);
	return SM_OK;
}

static const char *truth_of(const json_t *record)
{
	size_t i;
	json_t *input;
	json_array_foreach(json_object_get(record, "inputs"), i, input)
	{
		const char *role = sm_json_text(input, "role");
		if (role && strcmp(role, "truth") == 0)
			return sm_json_text(input, "sha256");
	}
	return NULL;
}

/* The same case has the same truth in every model. seen: key -> hash of what was found so far. */
static enum sm_status check_truths(struct sm_model *m, json_t *seen, struct sm_err *err)
{
	size_t i;
	json_t *record;
	enum sm_status st = SM_OK;
	sm_records_foreach(m->evaluate.records, i, record)
	{
		const char *key = sm_record_key(record), *truth = truth_of(record);
		const char *have = sm_json_text(seen, key);
		m->rejected += !sm_record_ok(record);
		m->assumed += sm_record_ok(record) &&
			      json_is_true(json_object_get(record, "prediction_missing"));
		if (!sm_record_ok(record) || !truth || st != SM_OK)
			continue;
		if (have && strcmp(have, truth) != 0)
			st = SM_FAIL(err, SM_INPUT,
				     "case %s of model %s: its truth has hash %.12s, that of the "
				     "models before %.12s, needed is one truth",
				     key, m->name, truth, have);
		else if (!have)
			json_object_set_new(seen, key, json_string(truth));
	}
	return st == SM_OK ? sm_records_check(m->evaluate.records, err) : st;
}

/* The bootstrap interval of one cell as evaluate drew it; false when it is not told, or was made of
 * other cases than those read here. */
static bool take_interval(const json_t *cell, struct sm_spread *s)
{
	const json_t *low = json_object_get(cell, "low95"), *high = json_object_get(cell, "high95");
	const char *none = sm_json_text(cell, "no_interval");
	int why = SM_INTERVAL_DRAWN;
	if (json_integer_value(json_object_get(cell, "n")) != (json_int_t)s->n)
		return false;
	for (int k = 0; none && k < SM_INTERVALS; k++)
		if (strcmp(none, sm_interval_words[k]) == 0)
			why = k;
	if ((why == SM_INTERVAL_DRAWN) != (json_is_number(low) && json_is_number(high)))
		return false;
	s->why_no_interval = (uint8_t)why;
	s->low95 = why == SM_INTERVAL_DRAWN ? json_number_value(low) : NAN;
	s->high95 = why == SM_INTERVAL_DRAWN ? json_number_value(high) : NAN;
	s->units = (size_t)json_integer_value(json_object_get(cell, "units"));
	s->resamples = (size_t)json_integer_value(json_object_get(cell, "resamples"));
	return true;
}

/* Drawing them again takes most of the time of a report of many cases. */
static bool take_intervals(const struct sm_report *report, struct sm_model *m)
{
	const json_t *summary = json_object_get(m->evaluate.header, "summary");
	const json_t *regions = json_object_get(summary, "regions");
	for (size_t r = 0; r < report->map.n; r++) {
		const json_t *columns = json_object_get(
			json_object_get(regions, report->map.row[r].key), "columns");
		for (size_t c = 0; c < report->columns.n; c++)
			if (!take_interval(json_object_get(columns, report->columns.at[c].key),
					   &m->summary.at[r * report->columns.n + c].s))
				return false;
	}
	m->summary.resamples = (size_t)json_integer_value(
		json_object_get(json_object_get(summary, "intervals"), "resamples"));
	return true;
}

static enum sm_status read_book(struct sm_report *report, struct sm_model *m, struct sm_err *err)
{
	const json_t *settings = json_object_get(m->evaluate.header, "settings");
	const json_t *resamples = json_object_get(section_of(m), "resamples");
	struct sm_summary_settings how = {
		.seed = (uint64_t)json_integer_value(json_object_get(settings, "seed")),
		.jobs = report->run->jobs,
	};
	SM_TRY(sm_scorebook_open(NULL, report->map.n, report->columns.n, &m->book, err));
	SM_TRY(sm_scorebook_read(m->book, m->evaluate.records, &report->map, &report->columns,
				 err));
	if (!sm_scorebook_cases(m->book))
		return SM_FAIL(err, SM_INPUT,
			       "evaluate ledger: has no good case%s%s, needed is at least 1",
			       report->models.n > 1 ? " of model " : "",
			       report->models.n > 1 ? m->name : "");
	SM_TRY(sm_summarise(m->book, &report->map, &report->columns, &how, &m->summary, err));
	if (take_intervals(report, m))
		return SM_OK;
	how.resamples =
		json_is_integer(resamples) ? (size_t)json_integer_value(resamples) : SM_RESAMPLES;
	sm_summary_clear(&m->summary);
	return sm_summarise(m->book, &report->map, &report->columns, &how, &m->summary, err);
}

/* NAME=DIR,...; the folder of --in is the main model, one of these or one before them. */
static enum sm_status list_models(struct sm_report *report, const struct sm_strings *given,
				  struct sm_err *err)
{
	struct sm_models *m = &report->models;
	const struct sm_ledger *own = &report->from[SM_FROM_EVALUATE];
	bool named = false;
	for (size_t i = 0; i < given->n && own->header && !named; i++) {
		const char *equals = strchr(given->v[i], '=');
		struct sm_ledger head;
		if (!equals || sm_ledger_read_head(equals + 1, &head, NULL) != SM_OK)
			continue;
		named = strcmp(head.sha256, own->sha256) == 0;
		sm_ledger_clear(&head);
	}
	if (own->header && !named) {
		const char *name = own_name(report);
		SM_TRY(add(m, name, strlen(name), report->dir[SM_FROM_EVALUATE], err));
	}
	for (size_t i = 0; i < given->n; i++) {
		const char *text = given->v[i], *equals = strchr(text, '=');
		if (!equals || !equals[1])
			return SM_FAIL(err, SM_USAGE,
				       "--models: found '%s', allowed is NAME=FOLDER", text);
		SM_TRY(add(m, text, (size_t)(equals - text), equals + 1, err));
	}
	return m->n ? SM_OK
		    : SM_FAIL(err, SM_USAGE, "found neither --in nor --models, needed is one");
}

static enum sm_status read_one(struct sm_report *report, struct sm_item *item, size_t i,
			       json_t *names, struct sm_err *err)
{
	struct sm_model *m = &report->models.v[i];
	struct sm_ledger *own = &report->from[SM_FROM_EVALUATE];
	enum sm_status st = sm_ledger_read(m->dir, "evaluate", &m->evaluate, err);
	if (st != SM_OK)
		return sm_err_prefix(err, "model %s", m->name);
	json_array_append_new(
		names, json_pack("{s:s, s:s}", "name", m->name, "ledger", m->evaluate.sha256));
	if (own->header && strcmp(own->sha256, m->evaluate.sha256) == 0) {
		report->models.main = i;
		return SM_OK;
	}
	if (json_object_get(m->evaluate.header, "only"))
		return SM_FAIL(err, SM_INPUT,
			       "model %s: its evaluate ledger holds some cases only (--only), "
			       "needed are all",
			       m->name);
	char *path = sm_strf("%s/%s", m->name, SM_LEDGER_NAME);
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "model %s: out of memory", m->name);
	st = sm_item_input(item, "evaluate", path, m->evaluate.sha256, err);
	free(path);
	return st;
}

enum sm_status sm_models_read(struct sm_report *report, const struct sm_strings *given,
			      struct sm_item *item, struct sm_err *err)
{
	struct sm_models *m = &report->models;
	json_t *seen = json_object(), *names = json_array();
	enum sm_status st;
	SM_GOTO(st, list_models(report, given, err));
	for (size_t i = 0; i < m->n; i++) {
		SM_GOTO(st, read_one(report, item, i, names, err));
		SM_GOTO(st, i ? check_same(&m->v[0], &m->v[i], err) : SM_OK);
		SM_GOTO(st, check_truths(&m->v[i], seen, err));
	}
	const struct sm_model *main = &m->v[m->main];
	SM_GOTO(st, sm_label_map_read(section_of(main), &report->map, err));
	SM_GOTO(st, sm_columns_read(json_object_get(main->evaluate.header, "columns"),
				    &report->columns, err));
	const char *policy = sm_json_text(section_of(main), "empty");
	for (int p = 0; policy && p < SM_POLICIES; p++)
		if (strcmp(policy, sm_policy_names[p]) == 0)
			report->policy = (enum sm_policy)p;
	for (size_t i = 0; i < m->n; i++)
		SM_GOTO(st, read_book(report, &m->v[i], err));
	report->count = sm_scorebook_cases(main->book);
	report->rejected = main->rejected;
	if (given->n)
		json_object_set(report->run->ledger.header, "models", names);
out:
	json_decref(seen);
	json_decref(names);
	return st;
}

enum sm_status sm_models_pair(const struct sm_models *m, size_t a, size_t b, size_t row,
			      size_t column, struct sm_model_pairs *out, struct sm_err *err)
{
	const struct sm_scorebook *ba = m->v[a].book, *bb = m->v[b].book;
	const size_t na = sm_scorebook_cases(ba), nb = sm_scorebook_cases(bb);
	struct sm_cell *ca = sm_alloc(NULL, na + nb + 1, sizeof *ca, "paired scores", err);
	double *x = sm_alloc(NULL, 2 * na + 1, sizeof *x, "paired scores", err), *y = x + na;
	uint32_t *cluster = sm_alloc(NULL, na + 1, sizeof *cluster, "paired scores", err);
	enum sm_status st = SM_BUDGET;
	*out = (struct sm_model_pairs){0};
	out->a = sm_alloc(NULL, na + 1, 4 * sizeof *out->a, "paired scores", err);
	if (!ca || !x || !cluster || !out->a)
		goto out;
	out->b = out->a + na;
	out->ranked_a = out->b + na;
	out->ranked_b = out->ranked_a + na;
	struct sm_cell *cb = ca + na;
	const uint32_t *patients = sm_scorebook_clusters(ba, NULL);
	size_t common = 0;
	SM_GOTO(st, sm_scorebook_column(ba, row, column, ca, err));
	SM_GOTO(st, sm_scorebook_column(bb, row, column, cb, err));
	for (size_t i = 0; i < na; i++) {
		const size_t k = sm_scorebook_find(bb, sm_scorebook_key(ba, i));
		if (k == SM_NONE) {
			out->left_out++;
			continue;
		}
		x[common] = sm_cell_number(&ca[i]);
		y[common] = sm_cell_number(&cb[k]);
		if (isnan(x[common]) || isnan(y[common]))
			out->no_number++;
		else
			out->infinite += isinf(x[common]) || isinf(y[common]);
		cluster[common++] = patients ? patients[i] : 0;
	}
	out->left_out += nb - common + out->no_number + out->infinite;
	/* A patient counts once, however many scans there are of him. */
	if (!patients) {
		sm_free(cluster);
		cluster = NULL;
	}
	SM_GOTO(st, sm_cluster_means(x, y, cluster, common, out->a, out->b, &out->n, err));
	st = sm_cluster_means_infinite(x, y, cluster, common, out->ranked_a, out->ranked_b,
				       &out->ranked, err);
out:
	sm_free(ca);
	sm_free(x);
	sm_free(cluster);
	return st;
}

void sm_models_unpair(struct sm_model_pairs *pairs)
{
	sm_free(pairs->a);
	*pairs = (struct sm_model_pairs){0};
}

size_t sm_models_apart(const struct sm_models *m)
{
	size_t apart = 0;
	for (size_t a = 0; a < m->n; a++)
		for (size_t i = 0; i < sm_scorebook_cases(m->v[a].book); i++) {
			const char *key = sm_scorebook_key(m->v[a].book, i);
			bool before = false, missing = false;
			for (size_t b = 0; b < m->n; b++) {
				const bool has = sm_scorebook_find(m->v[b].book, key) != SM_NONE;
				before |= has && b < a;
				missing |= !has;
			}
			apart += missing && !before;
		}
	return apart;
}

static enum sm_status fight(struct sm_report *report, struct sm_duel *d, struct sm_err *err)
{
	const struct sm_models *m = &report->models;
	struct sm_model_pairs p = {0};
	enum sm_interval why;
	char name[2 * SM_MODEL_NAME + SM_MAP_NAME + 40];
	const json_t *asked = json_object_get(section_of(&m->v[m->main]), "resamples");
	enum sm_status st;
	snprintf(name, sizeof name, "%s/%s/%s/%s", report->map.row[d->row].key,
		 report->columns.at[d->column].key, m->v[d->a].name, m->v[d->b].name);
	struct sm_resampling how = {.seed = report->run->seed,
				    .name = name,
				    .resamples = json_is_integer(asked)
							 ? (size_t)json_integer_value(asked)
							 : SM_RESAMPLES,
				    .level = 0.95,
				    .jobs = report->run->jobs};
	SM_GOTO(st, sm_models_pair(m, d->a, d->b, d->row, d->column, &p, err));
	d->n = p.n;
	d->left_out = p.left_out;
	d->no_number = p.no_number;
	d->infinite = p.infinite;
	SM_GOTO(st, sm_wilcoxon(p.ranked_a, p.ranked_b, p.ranked, &d->wilcoxon, err));
	struct sm_resampling signs = how;
	signs.resamples = how.resamples ? how.resamples : SM_RESAMPLES; /* 0: no intervals */
	SM_GOTO(st, sm_permutation(p.a, p.b, d->n, &signs, &d->permutation, err));
	for (size_t i = 0; i < d->n; i++)
		p.a[i] -= p.b[i];
	d->difference = d->n ? sm_sum_f64(p.a, d->n) / (double)d->n : NAN;
	st = sm_bootstrap_bca(p.a, NULL, d->n, &how, &d->low, &d->high, &why, err);
out:
	sm_models_unpair(&p);
	return st;
}

/* One family a metric: its duels stand side by side. */
static enum sm_status adjust(struct sm_duel *d, size_t n, struct sm_err *err)
{
	double *p = sm_alloc(NULL, 2 * n + 1, sizeof *p, "p values", err);
	enum sm_status st = p ? SM_OK : SM_BUDGET;
	for (size_t i = 0; p && i < n; i++) {
		p[i] = d[i].wilcoxon.p;
		p[n + i] = d[i].permutation.p;
	}
	if (st == SM_OK)
		st = sm_holm(p, n, err);
	if (st == SM_OK)
		st = sm_holm(p + n, n, err);
	for (size_t i = 0; st == SM_OK && i < n; i++) {
		d[i].holm_wilcoxon = p[i];
		d[i].holm_permutation = p[n + i];
	}
	sm_free(p);
	return st;
}

enum sm_status sm_models_compare(struct sm_report *report, struct sm_err *err)
{
	struct sm_models *m = &report->models;
	const size_t rows = report->map.shown, pairs = m->n * (m->n - 1) / 2;
	if (m->n < 2)
		return SM_OK;
	m->duel = sm_alloc(&report->run->mem, report->columns.n * rows * pairs + 1, sizeof *m->duel,
			   "paired tests", err);
	if (!m->duel)
		return SM_BUDGET;
	for (size_t c = 0; c < report->columns.n; c++) {
		struct sm_duel *family = m->duel + m->duels;
		for (size_t r = 0; r < rows; r++)
			for (size_t a = 0; a < m->n; a++)
				for (size_t b = a + 1; b < m->n; b++) {
					struct sm_duel *d = &m->duel[m->duels++];
					*d = (struct sm_duel){
						.a = a, .b = b, .row = r, .column = c};
					SM_TRY(fight(report, d, err));
				}
		SM_TRY(adjust(family, rows * pairs, err));
	}
	return SM_OK;
}

void sm_models_clear(struct sm_models *m)
{
	for (size_t i = 0; i < m->n; i++) {
		sm_scorebook_close(m->v[i].book);
		sm_summary_clear(&m->v[i].summary);
		sm_ledger_clear(&m->v[i].evaluate);
	}
	sm_free(m->duel);
	*m = (struct sm_models){0};
}
