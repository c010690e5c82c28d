/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report_flow.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "eval/report_missing.h"

/* What the records of a ledger are. */
struct tally {
	size_t good, bad, patients; /* patients of the good ones */
	size_t fold[SM_FLOW_FOLDS];
};

static const char *const fold_keys[] = {"train", "valid", "test"};
static const char *const fold_words[] = {"training", "validation", "test"};

static enum sm_status count_records(const struct sm_ledger *ledger, struct tally *t,
				    struct sm_err *err)
{
	size_t i;
	json_t *record, *patients = json_object();
	*t = (struct tally){0};
	if (!patients)
		return SM_FAIL(err, SM_BUDGET, "case flow: out of memory");
	sm_records_foreach(ledger->records, i, record)
	{
		const char *patient = sm_json_text(record, "patient"),
			   *fold = sm_json_text(record, "fold");
		t->good += sm_record_ok(record);
		t->bad += !sm_record_ok(record);
		if (patient && sm_record_ok(record))
			json_object_set_new(patients, patient, json_true());
		for (size_t k = 0; fold && k < SM_COUNT(fold_keys); k++)
			t->fold[k] += strcmp(fold, fold_keys[k]) == 0;
	}
	t->patients = json_object_size(patients);
	json_decref(patients);
	return sm_records_check(ledger->records, err);
}

/* Adds "N words" to a list of words, nothing for 0. */
static void add_words(char text[SM_FLOW_WORDS], size_t count, const char *words)
{
	const size_t n = strlen(text);
	if (count)
		snprintf(text + n, SM_FLOW_WORDS - n, "%s%zu %s", n ? ", " : "", count, words);
}

static void lose(struct sm_flow_step *s, size_t count, const char *words)
{
	add_words(s->lost, count, words);
	s->gone += count;
}

static struct sm_flow_step *add_step(struct sm_flow *flow, const char *name, size_t cases,
				     size_t patients)
{
	struct sm_flow_step *s = &flow->step[flow->n++];
	*s = (struct sm_flow_step){.name = name, .cases = cases, .patients = patients};
	return s;
}

static size_t minus(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* Raw data, ingest, split. *ingested: good cases of ingest, SM_NONE when it is not given. */
static enum sm_status first_steps(const struct sm_report *report, struct sm_flow *flow,
				  struct sm_err *err)
{
	const struct sm_ledger *ingest = &report->from[SM_FROM_INGEST],
			       *split = &report->from[SM_FROM_SPLIT];
	struct tally t;
	size_t ingested = SM_NONE, bad = 0;
	struct sm_flow_step *s = NULL;
	if (ingest->header) {
		SM_TRY(count_records(ingest, &t, err));
		const size_t aside = json_array_size(json_object_get(ingest->header, "set_aside"));
		s = add_step(flow, "Found in the raw data", t.good + t.bad, 0);
		add_words(s->detail, aside, "series beside them that are no volumes");
		lose(s, t.bad, "rejected by ingest");
		s = add_step(flow, "Read and checked", t.good, t.patients);
		ingested = t.good;
		bad = t.bad;
	}
	if (!split->header)
		return SM_OK;
	SM_TRY(count_records(split, &t, err));
	const size_t before = json_array_size(json_object_get(split->header, "rejected_before")),
		     failed = minus(before, bad);
	if (s && ingested != SM_NONE) {
		lose(s, failed, "rejected by preprocess");
		lose(s, minus(ingested, t.good + failed), "left out of the split");
	}
	s = add_step(flow, "Split by patient", t.good, t.patients);
	for (size_t k = 0; k < SM_COUNT(fold_keys); k++)
		add_words(s->detail, t.fold[k], fold_words[k]);
	return SM_OK;
}

/* What a stage was not to predict or could not, by its reasons; of it only what the cases of the
 * step still hold. */
static void not_gone_on(const struct sm_report *report, const struct sm_ledger *ledger,
			struct sm_flow_step *s)
{
	const bool split = report->from[SM_FROM_SPLIT].header != NULL,
		   ingest = report->from[SM_FROM_INGEST].header != NULL;
	struct sm_lack m[SM_MISSINGS];
	for (size_t n = sm_missing_list(ledger->header, m), i = 0; i < n; i++) {
		const bool before = (split && m[i].before_split) || (ingest && m[i].before_ingest),
			   beside = !split && !ingest && m[i].folded;
		if (!before && !beside)
			lose(s, json_array_size(m[i].names), m[i].words);
	}
}

/* Where neither ingest nor split tell what there was: every case that evaluate names. NULL when it
 * scored all of them. */
static struct sm_flow_step *to_be_scored(const struct sm_ledger *evaluate, const struct tally *t,
					 struct sm_flow *flow)
{
	const size_t missing = sm_missing_count(evaluate->header);
	struct sm_lack m[SM_MISSINGS];
	if (!t->bad && !missing)
		return NULL;
	struct sm_flow_step *s = add_step(flow, "To be scored", t->good + t->bad + missing, 0);
	for (size_t n = sm_missing_list(evaluate->header, m), i = 0; i < n; i++)
		if (m[i].folded)
			add_words(s->detail, json_array_size(m[i].names),
				  "of other folds beside them");
	return s;
}

/* Cases that were predicted and that evaluate rejected. Evaluate repeats the rejections of predict
 * as its own: these were lost before. */
static enum sm_status count_failed(const struct sm_ledger *evaluate,
				   const struct sm_ledger *predict, size_t *failed,
				   struct sm_err *err)
{
	size_t i;
	json_t *record;
	*failed = 0;
	sm_records_foreach(evaluate->records, i, record)
	{
		json_t *before =
			predict->header ? sm_ledger_get(predict, sm_record_key(record)) : NULL;
		const bool predicted = !predict->header || (before && sm_record_ok(before));
		*failed += predicted && !sm_record_ok(record);
		json_decref(before);
	}
	return sm_records_check(evaluate->records, err);
}

bool sm_flow_folds(const struct sm_report *report, size_t of[SM_FLOW_FOLDS])
{
	const struct sm_ledger *split = &report->from[SM_FROM_SPLIT];
	const struct sm_model *m = &report->models.v[report->models.main];
	const json_t *settings = json_object_get(report->from[SM_FROM_PREDICT].header, "settings");
	const char *fold = sm_json_text(
		json_object_get(json_object_get(settings, "manifest"), "predict"), "fold");
	memset(of, 0, SM_FLOW_FOLDS * sizeof *of);
	if (!split->header || !fold || strcmp(fold, "all") != 0)
		return false;
	for (size_t i = 0; i < sm_scorebook_cases(m->book); i++) {
		json_t *record = sm_ledger_get(split, sm_scorebook_key(m->book, i));
		const char *in = sm_json_text(record, "fold");
		for (size_t k = 0; in && k < SM_FLOW_FOLDS; k++)
			of[k] += strcmp(in, fold_keys[k]) == 0;
		json_decref(record);
	}
	return true;
}

/* Cases of predict. before: what stands before it, NULL = nothing that is known. */
static enum sm_status predicted(const struct sm_report *report, struct sm_flow_step *before,
				bool told, struct sm_flow *out, struct sm_err *err)
{
	const struct sm_ledger *predict = &report->from[SM_FROM_PREDICT];
	struct tally t;
	SM_TRY(count_records(predict, &t, err));
	if (before) {
		/* Without ingest and split evaluate alone tells of the other truths. */
		const struct sm_model *m = &report->models.v[report->models.main];
		not_gone_on(report, told ? predict : &m->evaluate, before);
		lose(before, t.bad, "rejected by predict");
		lose(before, minus(before->cases, before->gone + t.good), "not given to predict");
	}
	add_step(out, "Predicted", t.good, t.patients);
	return SM_OK;
}

enum sm_status sm_flow_count(const struct sm_report *report, struct sm_flow *out,
			     struct sm_err *err)
{
	const struct sm_ledger *predict = &report->from[SM_FROM_PREDICT];
	const struct sm_model *m = &report->models.v[report->models.main];
	struct tally t;
	size_t failed;
	*out = (struct sm_flow){0};
	SM_TRY(first_steps(report, out, err));
	SM_TRY(count_records(&m->evaluate, &t, err));
	SM_TRY(count_failed(&m->evaluate, predict, &failed, err));
	const bool told = out->n > 0;
	struct sm_flow_step *s =
		told ? &out->step[out->n - 1] : to_be_scored(&m->evaluate, &t, out);
	if (predict->header) {
		SM_TRY(predicted(report, s, told, out, err));
		s = &out->step[out->n - 1];
	} else if (s) {
		not_gone_on(report, &m->evaluate, s);
	}
	if (s) {
		/* What is scored without a prediction is none of those predicted. */
		const size_t more = predict->header ? m->assumed : 0;
		lose(s, failed, "rejected by evaluate");
		lose(s, minus(s->cases + more, s->gone + t.good), "not scored");
	}
	s = add_step(out, "Scored", t.good, t.patients);
	size_t of[SM_FLOW_FOLDS];
	const bool mixed = sm_flow_folds(report, of);
	for (size_t k = 0; mixed && k < SM_FLOW_FOLDS; k++)
		add_words(s->detail, of[k], fold_words[k]);
	add_words(s->detail, m->assumed, "not predicted, scored as empty");
	return SM_OK;
}

/* The drawing: what is there in boxes below each other, what is lost in boxes beside the arrows. */
enum { BOX_W = 330, BOX_H = 72, GAP = 46, LOST_X = 372, WIDTH = 760, LINE = 20 };

static void svg_text(struct sm_text *out, int x, int y, bool strong, const char *text, size_t n)
{
	char words[SM_FLOW_WORDS + 80];
	snprintf(words, sizeof words, "%.*s", (int)n, text);
	sm_text_f(out, "<text x=\"%d\" y=\"%d\" font-size=\"14\"%s fill=\"currentColor\">", x, y,
		  strong ? " font-weight=\"600\"" : "");
	sm_text_html(out, words);
	sm_text_str(out, "</text>");
}

static void svg_box(struct sm_text *out, int x, int y, int w, int h, bool dashed)
{
	sm_text_f(out,
		  "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"none\" "
		  "stroke=\"currentColor\"%s/>",
		  x, y, w, h, dashed ? " stroke-dasharray=\"4 3\"" : "");
}

/* Down or to the right. */
static void arrow(struct sm_text *out, int x1, int y1, int x2, int y2)
{
	const bool down = x1 == x2;
	sm_text_f(out,
		  "<path d=\"M%d %dL%d %dM%d %dL%d %dL%d %d\" fill=\"none\" "
		  "stroke=\"currentColor\"/>",
		  x1, y1, x2, y2, x2 - (down ? 4 : 7), y2 - (down ? 7 : 4), x2, y2,
		  x2 + (down ? 4 : -7), y2 + (down ? -7 : 4));
}

/* One of its reasons a line. */
static void lost_box(struct sm_text *out, int middle, const char *lost)
{
	int lines = 1;
	for (const char *p = lost; (p = strstr(p, ", ")); p += 2)
		lines++;
	const int h = lines * LINE + 14;
	svg_box(out, LOST_X, middle - h / 2, WIDTH - LOST_X - 2, h, true);
	for (int y = middle - h / 2 + 22; *lost; y += LINE) {
		const char *end = strstr(lost, ", ");
		const size_t n = end ? (size_t)(end - lost) : strlen(lost);
		svg_text(out, LOST_X + 12, y, false, lost, n);
		lost += n + (end ? 2 : 0);
	}
}

static void drawing(const struct sm_flow *flow, struct sm_text *out)
{
	const int height = (int)flow->n * (BOX_H + GAP) - GAP + 4;
	sm_text_f(out,
		  "<figure class=\"chart\">\n<figcaption>Cases from the raw data to the "
		  "tables</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" "
		  "aria-label=\"Flow of the cases, as in the table below\" "
		  "xmlns=\"http://www.w3.org/2000/svg\" style=\"font-family:sans-serif\">",
		  WIDTH, height);
	for (size_t i = 0; i < flow->n; i++) {
		const struct sm_flow_step *s = &flow->step[i];
		const int y = 2 + (int)i * (BOX_H + GAP), middle = y + BOX_H + GAP / 2;
		char words[80];
		int n = snprintf(words, sizeof words, "%zu case%s", s->cases,
				 s->cases == 1 ? "" : "s");
		if (s->patients && s->patients != s->cases)
			snprintf(words + n, sizeof words - (size_t)n, " of %zu patients",
				 s->patients);
		svg_box(out, 2, y, BOX_W, BOX_H, false);
		svg_text(out, 14, y + 22, true, s->name, strlen(s->name));
		svg_text(out, 14, y + 22 + LINE, false, words, strlen(words));
		if (*s->detail)
			svg_text(out, 14, y + 22 + 2 * LINE, false, s->detail, strlen(s->detail));
		if (i + 1 == flow->n)
			break;
		arrow(out, 160, y + BOX_H, 160, y + BOX_H + GAP);
		if (*s->lost) {
			arrow(out, 160, middle, LOST_X, middle);
			lost_box(out, middle, s->lost);
		}
	}
	sm_text_str(out, "</svg>\n</figure>\n");
}

enum sm_status sm_report_flow(const struct sm_report *report, struct sm_text *out,
			      struct sm_err *err)
{
	struct sm_flow flow;
	SM_TRY(sm_flow_count(report, &flow, err));
	sm_text_str(out, "<section id=\"flow\">\n<h2>Case flow</h2>\n");
	if (flow.n > 1)
		drawing(&flow, out);
	sm_text_str(out,
		    "<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Cases at each stage, "
		    "counted from its ledger</caption>\n<thead><tr><th scope=\"col\">Stage</th>"
		    "<th scope=\"col\" class=\"n\">Cases</th><th scope=\"col\" "
		    "class=\"n\">Patients</th><th scope=\"col\">Of these</th>"
		    "<th scope=\"col\">Did not go on</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < flow.n; i++) {
		const struct sm_flow_step *s = &flow.step[i];
		sm_text_f(out, "<tr><th scope=\"row\">%s</th><td class=\"n\">%zu</td>", s->name,
			  s->cases);
		if (s->patients)
			sm_text_f(out, "<td class=\"n\">%zu</td>", s->patients);
		else
			sm_text_str(out, "<td class=\"n\">–</td>");
		sm_text_str(out, "<td>");
		sm_text_html(out, *s->detail ? s->detail : "–");
		sm_text_str(out, "</td><td>");
		sm_text_html(out, *s->lost ? s->lost : "–");
		sm_text_str(out, "</td></tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n</section>\n");
	return SM_OK;
}
