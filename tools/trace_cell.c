/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/trace_cell.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"
#include "tools/trace.h"

/* ROW/MODEL[/METRIC] taken apart; the texts point into `room`. */
struct wanted {
	char room[256];
	const char *row, *model, *metric; /* metric NULL = the usual one */
};

static enum sm_status take_apart(const char *what, struct wanted *w, struct sm_err *err)
{
	const size_t n = strlen(what);
	memset(w, 0, sizeof *w);
	if (n < sizeof w->room)
		memcpy(w->room, what, n);
	char *model = strchr(w->room, '/'), *metric = model ? strchr(model + 1, '/') : NULL;
	if (!model || !model[1])
		return SM_FAIL(err, SM_USAGE, "--cell %s: allowed is ROW/MODEL or ROW/MODEL/METRIC",
			       what);
	*model = '\0';
	if (metric)
		*metric = '\0';
	w->row = w->room;
	w->model = model + 1;
	w->metric = metric ? metric + 1 : NULL;
	return SM_OK;
}

static bool says(const json_t *object, const char *name, const char *text)
{
	const char *have = sm_json_text(object, name);
	return have && strcasecmp(have, text) == 0;
}

static bool is_kind(const json_t *line, const char *kind)
{
	return says(line, "kind", kind);
}

/* Adds a name to a list of those that there are, once. */
static void note_name(json_t *list, const json_t *line, const char *name)
{
	size_t i;
	json_t *v, *have = json_object_get(line, name);
	json_array_foreach(list, i, v) if (json_equal(v, have)) return;
	json_array_append(list, have);
}

static void name_all(char *out, size_t room, const json_t *list)
{
	size_t i, n = 0;
	json_t *v;
	*out = '\0';
	json_array_foreach(list, i, v)
	{
		n += (size_t)snprintf(out + n, room - n, "%s%s", i ? ", " : "",
				      json_is_string(v) ? json_string_value(v) : "?");
		if (n >= room)
			return;
	}
}

/* What a look through the file is for: the line of the figure (first), or the cases of its model.
 */
struct search {
	struct wanted w;
	json_t *cell;                    /* owned */
	unsigned closeness;              /* of cell, see first_look */
	char rival[128];                 /* another figure as close as cell; "" = none */
	json_t *rows, *models, *metrics; /* names that were seen, owned */
	json_t *model, *cases;           /* owned; the second look's */
	json_t *sums;                    /* owned; of the report's ledger */
};

static void search_clear(struct search *s)
{
	json_decref(s->cell);
	json_decref(s->rows);
	json_decref(s->models);
	json_decref(s->metrics);
	json_decref(s->model);
	json_decref(s->cases);
	json_decref(s->sums);
}

/* How a name fits what was asked for: 2 letter by letter, 1 but for small and large, 0 not. Keys
 * and written names are one. */
static unsigned fits(const json_t *line, const char *key, const char *written, const char *text)
{
	const char *const have[2] = {sm_json_text(line, key), sm_json_text(line, written)};
	unsigned best = 0;
	for (int i = 0; i < 2; i++)
		if (have[i] && strcasecmp(have[i], text) == 0 && best < 2)
			best = strcmp(have[i], text) == 0 ? 2 : 1;
	return best;
}

/* Of several metrics dice when none was asked for, else the first. What is named letter by letter
 * goes before what differs in small and large letters: first the row, then the model. */
static void first_look(struct search *s, json_t *line)
{
	if (!is_kind(line, "cell"))
		return;
	note_name(s->rows, line, "row");
	note_name(s->models, line, "model_name");
	note_name(s->metrics, line, "metric");
	const unsigned row = fits(line, "row", "row_name", s->w.row),
		       model = fits(line, "model_name", "model_name", s->w.model),
		       metric = s->w.metric ? fits(line, "metric", "metric_name", s->w.metric) : 1;
	if (!row || !model || !metric)
		return;
	const unsigned close = row << 4 | model << 2 | metric;
	if (s->cell && close < s->closeness)
		return;
	if (s->cell && close == s->closeness) {
		const bool same =
			json_equal(json_object_get(line, "row"), json_object_get(s->cell, "row")) &&
			json_equal(json_object_get(line, "model_name"),
				   json_object_get(s->cell, "model_name"));
		if (!same || s->w.metric) {
			const char *name = sm_json_text(line, "cell");
			snprintf(s->rival, sizeof s->rival, "%s", name ? name : "?");
			return;
		}
		if (!says(line, "metric", "dice"))
			return;
	} else {
		*s->rival = '\0';
	}
	s->closeness = close;
	json_decref(s->cell);
	s->cell = json_incref(line);
}

static void second_look(struct search *s, json_t *line)
{
	if (!json_equal(json_object_get(line, "model"), json_object_get(s->cell, "model")))
		return;
	if (is_kind(line, "model")) {
		json_decref(s->model);
		s->model = json_incref(line);
	}
	if (is_kind(line, "case"))
		json_array_append(s->cases, line);
}

static enum sm_status each_line(const char *path, struct search *s,
				void (*look)(struct search *, json_t *), struct sm_err *err)
{
	int fd;
	SM_TRY(sm_file_open(path, 0, &fd, NULL, err));
	FILE *in = fdopen(fd, "rb");
	enum sm_status st = SM_OK;
	char *text = NULL;
	size_t room = 0, number = 0;
	ssize_t n;
	if (!in) {
		close(fd);
		return SM_FAIL(err, SM_BUDGET, SM_CELLS_NAME ": out of memory");
	}
	while (st == SM_OK && (n = getline(&text, &room, in)) > 0) {
		number++;
		json_t *line = json_loadb(text, (size_t)n, 0, NULL);
		if (!json_is_object(line) || !sm_json_text(line, "kind"))
			st = SM_FAIL(err, SM_INPUT,
				     SM_CELLS_NAME ": line %zu: is no line of a report's cells",
				     number);
		else
			look(s, line);
		json_decref(line);
	}
	if (st == SM_OK && ferror(in))
		st = SM_FAIL(err, SM_IO, SM_CELLS_NAME ": cannot be read");
	free(text);
	fclose(in);
	return st;
}

static enum sm_status find_cell(const char *path, const char *what, struct search *s,
				struct sm_err *err)
{
	SM_TRY(take_apart(what, &s->w, err));
	s->rows = json_array();
	s->models = json_array();
	s->metrics = json_array();
	s->cases = json_array();
	SM_TRY(each_line(path, s, first_look, err));
	if (s->cell && *s->rival)
		return SM_FAIL(
			err, SM_USAGE,
			"--cell %s: both %s and %s are called so, allowed is the name of one "
			"of them, letter by letter",
			what, sm_json_text(s->cell, "cell"), s->rival);
	if (s->cell)
		return SM_OK;
	char rows[160], models[160], metrics[240];
	name_all(rows, sizeof rows, s->rows);
	name_all(models, sizeof models, s->models);
	name_all(metrics, sizeof metrics, s->metrics);
	return SM_FAIL(err, SM_USAGE,
		       "--cell %s: the report has no such figure; its rows are %s, its models %s, "
		       "its metrics %s",
		       what, rows, models, metrics);
}

/* The report's folder with the file's path (malloc memory); the file is the one its ledger knows.
 */
static enum sm_status find_report(struct sm_folders *f, const struct sm_folder **report,
				  char **path, char sha256[65], struct sm_err *err)
{
	*report = NULL;
	/* Of several runs the first one named. */
	for (size_t k = 0; k < f->n && !*report; k++)
		if (strcmp(sm_folder_stage(&f->v[k]), "report") == 0)
			*report = &f->v[k];
	if (!*report)
		return SM_FAIL(err, SM_INPUT, "no folder of stage report is here, needed is one");
	SM_TRY(sm_folders_open(f, *report, err));
	json_t *record = sm_ledger_get(&(*report)->ledger, "report");
	const char *sha = sm_json_text(sm_record_output(record, "cells"), "sha256");
	enum sm_status st = SM_OK;
	snprintf(sha256, 65, "%s", sha ? sha : "");
	json_decref(record);
	if (!*sha256)
		return SM_FAIL(err, SM_INPUT,
			       "%s: its ledger has no " SM_CELLS_NAME ": run stage report again",
			       (*report)->dir);
	*path = sm_path_join((*report)->dir, SM_CELLS_NAME);
	if (!*path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", (*report)->dir);
	char hex[65];
	SM_GOTO(st, sm_sha256_file(*path, hex, err));
	if (strcmp(hex, sha256) != 0)
		st = SM_FAIL(err, SM_INPUT,
			     SM_CELLS_NAME ": its content has hash %.12s, the report's ledger says "
					   "%.12s: run stage report again",
			     hex, sha256);
out:
	return st;
}

static const struct sm_folder *evaluate_of(const struct sm_folders *f, const char *sha256)
{
	for (size_t k = 0; sha256 && k < f->n; k++)
		if (strcmp(f->v[k].ledger.sha256, sha256) == 0)
			return &f->v[k];
	return NULL;
}

/* One case of the figure. */
static enum sm_status add_case(struct sm_folders *f, const struct sm_folder *evaluate,
			       const json_t *cell, const json_t *line, json_t *of,
			       struct sm_err *err)
{
	const size_t number = (size_t)json_integer_value(json_object_get(line, "case"));
	const char *key = sm_json_text(line, "key");
	json_t *value = json_array_get(json_object_get(cell, "values"), number), *node = NULL;
	char name[24];
	snprintf(name, sizeof name, "%zu", number);
	json_t *why = json_object_get(json_object_get(cell, "why"), name);
	if (!key || !value)
		return SM_FAIL(err, SM_INPUT, SM_CELLS_NAME ": case %zu has no key or no value",
			       number);
	json_t *one = json_object();
	json_object_set_new(one, "key", json_string(key));
	json_object_set(one, "value", value);
	if (why)
		json_object_set(one, "why", why);
	json_object_set(one, "files", json_object_get(line, "files"));
	json_array_append_new(of, one);
	if (!evaluate)
		return SM_OK;
	SM_TRY(sm_trace_item(f, evaluate, key, &node, err));
	json_object_set_new(one, "chain", node);
	return SM_OK;
}

static bool is_wanted(const struct sm_strings *only, const json_t *line)
{
	for (size_t i = 0; only && i < only->n; i++)
		if (says(line, "key", only->v[i]))
			return true;
	return !only || !only->n;
}

enum sm_status sm_trace_cell(struct sm_folders *f, const char *what, const struct sm_strings *only,
			     json_t **out, struct sm_err *err)
{
	struct search s = {0};
	const struct sm_folder *report;
	char *path = NULL, sha256[65];
	size_t i;
	json_t *line, *node = NULL, *of;
	enum sm_status st;
	*out = NULL;
	SM_GOTO(st, find_report(f, &report, &path, sha256, err));
	SM_GOTO(st, find_cell(path, what, &s, err));
	SM_GOTO(st, each_line(path, &s, second_look, err));
	const char *ledger = sm_json_text(s.model, "ledger");
	const struct sm_folder *evaluate = evaluate_of(f, ledger);
	node = json_copy(s.cell);
	json_object_del(node, "values");
	json_object_del(node, "why");
	json_object_del(node, "kind");
	json_object_set_new(node, "report", json_string(report->ledger.sha256));
	json_object_set_new(node, "cells", json_string(sha256));
	json_object_set_new(node, "ledger", json_string(ledger ? ledger : ""));
	json_object_set_new(node, "here", json_boolean(evaluate));
	of = json_array();
	json_object_set_new(node, "of", of);
	json_array_foreach(s.cases, i, line) if (is_wanted(only, line))
		SM_GOTO(st, add_case(f, evaluate, s.cell, line, of, err));
	if (only && json_array_size(of) < only->n) {
		st = SM_FAIL(err, SM_USAGE,
			     "--case: %zu of the %zu cases named stand behind the figure %s",
			     json_array_size(of), only->n, what);
		goto out;
	}
	*out = json_incref(node);
out:
	json_decref(node);
	search_clear(&s);
	free(path);
	return st;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Whether the report below has the figure. */
static bool has_cell(const char *dir, const char *what)
{
	char *report = sm_path_join(dir, "report/" SM_CELLS_NAME);
	struct search s = {0};
	/* Also when it is not clear which one: the second look says so. */
	bool has = report && sm_file_exists(report) &&
		   (find_cell(report, what, &s, NULL) == SM_OK || s.cell);
	search_clear(&s);
	free(report);
	return has;
}

enum sm_status sm_trace_cell_where(const char *work, const char *what, char **out,
				   struct sm_err *err)
{
	struct dirent **list = NULL;
	char *first = NULL;
	enum sm_status st = SM_OK;
	struct wanted w;
	SM_TRY(take_apart(what, &w, err));
	char *own = sm_path_join(work, "report");
	const bool itself = own && sm_is_dir(own);
	free(own);
	int n = itself ? 0 : scandir(work, &list, NULL, by_name);
	if (n < 0)
		return SM_FAIL(err, SM_USAGE, "%s: is no folder, needed is one with a report in it",
			       work);
	for (int i = 0; i < n; i++) {
		char *below =
			list[i]->d_name[0] == '.' ? NULL : sm_path_join(work, list[i]->d_name);
		if (st == SM_OK && below && has_cell(below, what)) {
			if (first)
				st = SM_FAIL(
					err, SM_USAGE,
					"--cell %s: the reports in %s and %s have it: name one "
					"of these folders before --cell",
					what, first, below);
			else
				first = strdup(below);
		}
		free(below);
		free(list[i]);
	}
	free(list);
	if (itself)
		first = strdup(work);
	if (st == SM_OK && !first)
		st = SM_FAIL(err, SM_USAGE,
			     "--cell %s: no report in a folder of %s has it, needed is the folder "
			     "of a run with a report",
			     what, work);
	if (st != SM_OK) {
		free(first);
		return st;
	}
	*out = first;
	return SM_OK;
}
