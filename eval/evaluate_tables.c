/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "eval/evaluate.h"
#include "eval/scorebook.h"
#include "eval/summary.h"

/* A file of the run as a whole that grows case by case: nothing of it is kept in memory. */
struct stream {
	struct sm_outfile file;
	const char *name, *role;
};

static enum sm_status begin(struct sm_evaluating *w, const char *name, const char *role,
			    struct stream *s, struct sm_err *err)
{
	char *path = sm_path_join(w->run->out, name);
	*s = (struct stream){.name = name, .role = role};
	enum sm_status st = path ? sm_outfile_begin(&s->file, path, true, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	return st;
}

/* Passes the text on and empties it. */
static enum sm_status pass_on(struct stream *s, struct sm_text *text, struct sm_err *err)
{
	SM_TRY(sm_text_check(text, s->name, err));
	if (text->n && fwrite(text->data, 1, text->n, s->file.stream) != text->n)
		return SM_FAIL(err, SM_IO, "%s: cannot be written", s->name);
	text->n = 0;
	return SM_OK;
}

/* Gives the file its name and lists it with the hash of its bytes. */
static enum sm_status end(struct sm_evaluating *w, struct stream *s, json_t *outputs,
			  struct sm_err *err)
{
	char hex[65], *path = sm_path_join(w->run->out, s->name);
	enum sm_status st = path ? sm_outfile_commit(&s->file, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", s->name);
	if (st == SM_OK)
		st = sm_sha256_file(path, hex, err);
	free(path);
	SM_TRY(st);
	json_array_append_new(outputs, json_pack("{s:s, s:s, s:s}", "path", s->name, "role",
						 s->role, "sha256", hex));
	return SM_OK;
}

/* scores.csv, from the book. */
static enum sm_status write_scores(struct sm_evaluating *w, struct sm_scorebook *book,
				   json_t *outputs, struct sm_err *err)
{
	struct stream s = {0};
	struct sm_text text = {0};
	struct sm_case_scores scores = {0};
	enum sm_status st;
	SM_GOTO(st, begin(w, "scores.csv", "scores", &s, err));
	SM_GOTO(st, sm_case_scores_init(&scores, w->map.n, w->columns.n, err));
	sm_scores_csv_head(&w->columns, &text);
	for (size_t i = 0; i < sm_scorebook_cases(book); i++) {
		SM_GOTO(st, sm_scorebook_case(book, i, &scores, err));
		sm_scores_csv(&w->map, &w->columns, &text, sm_scorebook_key(book, i), &scores);
		SM_GOTO(st, pass_on(&s, &text, err));
	}
	SM_GOTO(st, pass_on(&s, &text, err));
	st = end(w, &s, outputs, err);
out:
	sm_outfile_abandon(&s.file);
	sm_text_clear(&text);
	sm_case_scores_clear(&scores);
	return st;
}

/* One case's rows of lesions.csv. */
static void lesion_rows(const struct sm_label_map *map, const json_t *record, struct sm_text *text)
{
	for (size_t r = 0; r < map->n; r++) {
		const json_t *list =
			json_object_get(json_object_get(record, "lesions"), map->row[r].key);
		for (size_t i = 0; i < json_array_size(list); i++) {
			const json_t *one = json_array_get(list, i);
			int64_t first[3] = {0};
			sm_json_get_ints(one, "first_voxel", first, 3);
			sm_text_csv(text, sm_record_key(record));
			sm_text_f(text, ",%s,%zu,%lld,%lld,%lld,%.3f,%.6f,%.6f,%lld,%s\n",
				  map->row[r].key, i + 1, (long long)first[0], (long long)first[1],
				  (long long)first[2],
				  json_number_value(json_object_get(one, "mm3")),
				  json_number_value(json_object_get(one, "dice")),
				  json_number_value(json_object_get(one, "hd95")),
				  (long long)json_integer_value(json_object_get(one, "parts")),
				  json_is_true(json_object_get(one, "left_out")) ? "yes" : "no");
		}
	}
}

static enum sm_status write_lesions(struct sm_evaluating *w, json_t *outputs, struct sm_err *err)
{
	struct stream s = {0};
	struct sm_text text = {0};
	size_t i;
	json_t *record;
	enum sm_status st;
	SM_GOTO(st, begin(w, "lesions.csv", "lesions", &s, err));
	sm_text_str(&text, "case,region,lesion,first_x,first_y,first_z,mm3,dice,hd95,predicted_"
			   "parts,left_out\n");
	sm_records_foreach(w->run->ledger.records, i, record)
	{
		if (st != SM_OK || !sm_record_ok(record))
			continue;
		lesion_rows(&w->map, record, &text);
		st = pass_on(&s, &text, err);
	}
	if (st != SM_OK)
		goto out;
	SM_GOTO(st, sm_records_check(w->run->ledger.records, err));
	SM_GOTO(st, pass_on(&s, &text, err));
	st = end(w, &s, outputs, err);
out:
	sm_outfile_abandon(&s.file);
	sm_text_clear(&text);
	return st;
}

static enum sm_status write_nnunet(struct sm_evaluating *w, struct sm_scorebook *book,
				   json_t *outputs, struct sm_err *err)
{
	struct stream s = {0};
	enum sm_status st;
	SM_GOTO(st, begin(w, "summary.json", "summary_nnunet", &s, err));
	SM_GOTO(st, sm_summary_nnunet(book, w->run->ledger.records, &w->map, &w->columns, &s.file,
				      err));
	st = end(w, &s, outputs, err);
out:
	sm_outfile_abandon(&s.file);
	return st;
}

static enum sm_status write_tables(struct sm_evaluating *w, struct sm_scorebook *book,
				   const struct sm_summary *sum, struct sm_err *err)
{
	struct sm_run *run = w->run;
	struct sm_text summary = {0}, worst = {0}, volumes = {0};
	json_t *outputs = json_array();
	enum sm_status st;
	json_object_set_new(run->ledger.header, "outputs", outputs);
	sm_summary_csv(&w->map, &w->columns, &summary, sum);
	sm_volumes_csv(&w->map, &volumes, sum);
	SM_GOTO(st, write_scores(w, book, outputs, err));
	SM_GOTO(st, sm_run_write(run, "summary.csv", "summary", &summary, outputs, err));
	SM_GOTO(st, sm_worst_csv(book, &w->map, &w->columns, sum, &worst, err));
	SM_GOTO(st, sm_run_write(run, "worst.csv", "worst", &worst, outputs, err));
	SM_GOTO(st, sm_run_write(run, "volumes.csv", "volumes", &volumes, outputs, err));
	SM_GOTO(st, write_nnunet(w, book, outputs, err));
	if (w->columns.families >> SM_FROM_LESIONS & 1)
		st = write_lesions(w, outputs, err);
out:
	sm_text_clear(&summary);
	sm_text_clear(&worst);
	sm_text_clear(&volumes);
	return st;
}

/* Cases whose prediction is missing and that were scored as an empty one (missing: worst). Their
 * numbers are made up: who reads a mean is told. */
static enum sm_status count_assumed(const struct sm_evaluating *w, size_t *assumed,
				    struct sm_err *err)
{
	size_t i;
	json_t *record;
	*assumed = 0;
	sm_records_foreach(w->run->ledger.records, i, record)
	{
		*assumed += sm_record_ok(record) &&
			    json_is_true(json_object_get(record, "prediction_missing"));
	}
	SM_TRY(sm_records_check(w->run->ledger.records, err));
	if (*assumed)
		sm_warn(&w->run->log, NULL,
			"%zu case%s no prediction and %s scored as an empty one (evaluate.missing: "
			"worst)",
			*assumed, *assumed == 1 ? " has" : "s have", *assumed == 1 ? "is" : "are");
	return SM_OK;
}

static enum sm_status print(const struct sm_evaluating *w, struct sm_scorebook *book,
			    const struct sm_summary *sum, size_t assumed, struct sm_err *err)
{
	struct sm_text screen = {0};
	struct sm_case_scores only = {0};
	enum sm_status st = SM_OK;
	if (!sm_scorebook_cases(book))
		return SM_OK;
	if (w->from == SM_PAIRS_FILES) {
		SM_GOTO(st, sm_case_scores_init(&only, w->map.n, w->columns.n, err));
		SM_GOTO(st, sm_scorebook_case(book, 0, &only, err));
		sm_scores_print(&w->map, &w->columns, &screen, &only);
	} else {
		sm_summary_print(&w->map, &w->columns, &screen, sum);
	}
	sm_text_f(&screen, "(empty regions: %s: %s)\n", sm_policy_names[w->section.empty],
		  sm_policy_words[w->section.empty]);
	if (assumed)
		sm_text_f(&screen, "(without a prediction, scored as an empty one: %zu of %zu)\n",
			  assumed, sm_scorebook_cases(book));
	SM_GOTO(st, sm_text_check(&screen, "table", err));
	fputs(screen.data, stdout);
out:
	sm_case_scores_clear(&only);
	sm_text_clear(&screen);
	return st;
}

enum sm_status sm_evaluate_finish(struct sm_evaluating *w, struct sm_err *err)
{
	struct sm_run *run = w->run;
	struct sm_scorebook *book = NULL;
	struct sm_summary sum = {0};
	size_t assumed;
	const struct sm_summary_settings settings = {
		.seed = run->seed,
		/* One case alone has no spread. */
		.resamples = w->from == SM_PAIRS_FILES ? 0 : (size_t)w->section.resamples,
		.jobs = run->jobs};
	enum sm_status st;
	SM_GOTO(st, sm_scorebook_open(run->out, w->map.n, w->columns.n, &book, err));
	SM_GOTO(st, sm_scorebook_read(book, run->ledger.records, &w->map, &w->columns, err));
	SM_GOTO(st, sm_summarise(book, &w->map, &w->columns, &settings, &sum, err));
	SM_GOTO(st, count_assumed(w, &assumed, err));
	json_t *summary = sm_summary_to_json(&sum, book, &w->map, &w->columns);
	json_object_set_new(summary, "prediction_missing", json_integer((json_int_t)assumed));
	json_object_set_new(run->ledger.header, "summary", summary);
	if (run->out)
		SM_GOTO(st, write_tables(w, book, &sum, err));
	st = print(w, book, &sum, assumed, err);
out:
	sm_summary_clear(&sum);
	sm_scorebook_close(book);
	return st;
}
