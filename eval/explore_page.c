/* SPDX-License-Identifier: Apache-2.0
 *
 * The page: what a data set is made of, for people, in one file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/explore.h"
#include "eval/page.h"
#include "preprocess/op_table.h"

enum { REJECTED_SHOWN = 200 };

/* On top of the style of all pages. */
static const char more_css[] =
	".sheets{display:flex;flex-wrap:wrap;gap:1.2rem 2rem}\n"
	".sheet{margin:0;min-width:0;max-width:100%}.sheet svg{display:block;height:auto}\n"
	".chart.broad svg{max-width:860px}\n"
	"ol.steps li{margin:.3rem 0;max-width:85ch}\n"
	"h3{font-size:1.02rem;margin:1.4rem 0 .3rem}\n"
	"@media print{.sheets{gap:.6rem 2%}.half{flex:0 0 49%}.half svg{width:100%}"
	"details:not([open]){display:none}details[open]{display:block}"
	".sheet svg{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

/* ---- steps ----------------------------------------------------------------------------------- */

/* A parameter as people write it: 3, [1, 2], head. */
static void value_words(const json_t *v, struct sm_text *out)
{
	size_t i;
	json_t *e;
	const char *key;
	if (json_is_string(v)) {
		sm_text_html(out, json_string_value(v));
	} else if (json_is_number(v)) {
		sm_text_f(out, "%g", json_number_value(v));
	} else if (json_is_boolean(v)) {
		sm_text_str(out, json_is_true(v) ? "yes" : "no");
	} else if (json_is_array(v)) {
		sm_text_str(out, "[");
		json_array_foreach(v, i, e)
		{
			sm_text_str(out, i ? ", " : "");
			value_words(e, out);
		}
		sm_text_str(out, "]");
	} else if (json_is_object(v)) {
		bool first = true;
		sm_text_str(out, "{");
		json_object_foreach((json_t *)(uintptr_t)v, key, e)
		{
			sm_text_str(out, first ? "" : ", ");
			first = false;
			sm_text_html(out, key);
			sm_text_str(out, " ");
			value_words(e, out);
		}
		sm_text_str(out, "}");
	} else {
		sm_text_str(out, "none");
	}
}

/* Parameters of an operation that nobody set; a new reference or NULL. */
static json_t *defaults_of(const struct sm_op *op)
{
	struct sm_arena arena = {0};
	void *base = sm_arena_alloc(&arena, op->params->size);
	json_t *all = NULL;
	if (base && sm_fields_default(op->params, base, &arena, NULL) == SM_OK)
		all = sm_fields_dump(op->params, base);
	sm_arena_clear(&arena);
	return all;
}

static void one_step(const json_t *step, struct sm_text *out)
{
	const char *key, *name = NULL, *when = sm_json_text(step, "when");
	json_t *params = NULL, *v;
	json_object_foreach((json_t *)(uintptr_t)step, key, v) if (strcmp(key, "when") != 0)
	{
		name = key;
		params = v;
	}
	if (!name)
		return;
	const struct sm_op *op = sm_op_find(name);
	sm_text_str(out, "<li><b>");
	sm_text_html(out, name);
	sm_text_str(out, "</b>");
	if (op) {
		sm_text_str(out, ": ");
		sm_text_html(out, op->doc);
	}
	if (when) {
		sm_text_str(out, ", for ");
		sm_text_html(out, when);
		sm_text_str(out, " only");
	}
	sm_text_str(out, ".");
	json_t *usual = op ? defaults_of(op) : NULL;
	for (int pass = 0; pass < 2; pass++) {
		bool first = true;
		json_object_foreach(params, key, v)
		{
			if (json_is_null(v) || (json_is_array(v) && !json_array_size(v)) ||
			    json_equal(v, json_object_get(usual, key)) != (pass == 1))
				continue;
			sm_text_str(out, !first ? ", "
					 : pass ? " <span class=\"quiet\">By default: "
						: " ");
			first = false;
			sm_text_html(out, key);
			sm_text_str(out, " ");
			value_words(v, out);
		}
		sm_text_str(out, first ? "" : pass ? ".</span>" : ".");
	}
	json_decref(usual);
	sm_text_str(out, "</li>\n");
}

/* A section of a stage's settings in one line. */
static void one_section(const struct sm_ledger *ledger, const char *stage, struct sm_text *out)
{
	const json_t *manifest =
		json_object_get(json_object_get(ledger->header, "settings"), "manifest");
	const char *key;
	json_t *v, *section = json_object_get(manifest, stage);
	bool first = true;
	if (!section)
		return;
	sm_text_f(out, "<p><b>%s</b>: <span class=\"quiet\">", stage);
	json_object_foreach(section, key, v)
	{
		if (json_is_null(v) || (json_is_array(v) && !json_array_size(v)))
			continue;
		sm_text_str(out, first ? "" : ", ");
		first = false;
		sm_text_html(out, key);
		sm_text_str(out, " ");
		value_words(v, out);
	}
	sm_text_str(out, "</span></p>\n");
}

void sm_explore_steps(const struct sm_explore *x, struct sm_text *out)
{
	const json_t *manifest = json_object_get(
		json_object_get(x->from[SM_EX_PREPROCESS].header, "settings"), "manifest");
	json_t *step, *steps = json_object_get(json_object_get(manifest, "preprocess"), "steps");
	size_t i;
	sm_text_str(out, "<section id=\"steps\">\n<h2>How it was made</h2>\n");
	if (json_array_size(steps)) {
		sm_text_str(out, "<ol class=\"steps\">\n");
		json_array_foreach(steps, i, step) one_step(step, out);
		sm_text_str(out, "</ol>\n");
	} else if (x->from[SM_EX_PREPROCESS].header) {
		sm_text_str(out, "<p>Preprocess ran no steps.</p>\n");
	}
	one_section(&x->from[SM_EX_SPLIT], "split", out);
	if (x->from[SM_EX_DATA].header)
		one_section(&x->from[SM_EX_DATA], sm_json_text(x->from[SM_EX_DATA].header, "stage"),
			    out);
	sm_text_str(out, "</section>\n");
}

/* ---- rejected, origin ------------------------------------------------------------------------ */

static const char *stage_of(const struct sm_explore *x, size_t f)
{
	return f == SM_EX_DATA ? sm_json_text(x->from[f].header, "stage") : sm_ex_stage[f];
}

static size_t bad_of(const struct sm_ledger *ledger)
{
	size_t n = 0;
	for (size_t i = 0; i < sm_records_count(ledger->records); i++)
		n += !sm_records_ok(ledger->records, i);
	return n;
}

static size_t rejected_rows(const char *stage, const struct sm_ledger *ledger, size_t room,
			    struct sm_text *out)
{
	size_t n = 0;
	for (size_t i = 0; i < sm_records_count(ledger->records) && n < room; i++) {
		if (sm_records_ok(ledger->records, i))
			continue;
		json_t *record = sm_records_get(ledger->records, i);
		sm_text_f(out, "<tr><th scope=\"row\">%s</th><td>", stage);
		sm_text_html(out, sm_record_key(record));
		sm_text_str(out, "</td><td>");
		sm_text_html(out, sm_json_text(record, "reason"));
		sm_text_str(out, "</td></tr>\n");
		json_decref(record);
		n++;
	}
	return n;
}

void sm_explore_rejected(const struct sm_explore *x, struct sm_text *out)
{
	size_t all = bad_of(&x->run->ledger), room = REJECTED_SHOWN;
	for (size_t f = 0; f < SM_EX_FROMS; f++)
		all += bad_of(&x->from[f]);
	sm_text_str(out, "<section id=\"rejected\">\n<h2>Rejected</h2>\n");
	if (!all) {
		sm_text_str(out, "<p>No stage rejected a case.</p>\n</section>\n");
		return;
	}
	sm_text_f(out,
		  "<div class=\"wide\" tabindex=\"0\"><table>\n<caption>%zu in all; a case that "
		  "one stage "
		  "rejects does not reach the next%s</caption>\n<thead><tr><th "
		  "scope=\"col\">Stage</th>"
		  "<th scope=\"col\">Case</th><th scope=\"col\">Why</th></tr></thead>\n<tbody>\n",
		  all, all > REJECTED_SHOWN ? "; the first 200, the ledgers hold all" : "");
	for (size_t f = 0; f < SM_EX_FROMS; f++)
		if (x->from[f].header)
			room -= rejected_rows(stage_of(x, f), &x->from[f], room, out);
	rejected_rows("explore", &x->run->ledger, room, out);
	sm_text_str(out, "</tbody></table></div>\n</section>\n");
}

void sm_explore_origin(const struct sm_explore *x, struct sm_text *out)
{
	sm_text_str(
		out,
		"<section id=\"origin\">\n<h2>Where it comes from</h2>\n"
		"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Each stage leaves a ledger "
		"with "
		"the hashes of its inputs and outputs and of the ledger before it; <code>scanmill "
		"verify</code> checks them, <code>scanmill trace</code> walks them back to the "
		"scans.</caption>\n<thead><tr><th scope=\"col\">Stage</th><th scope=\"col\" "
		"class=\"n\">Version</th><th scope=\"col\" class=\"n\">Good</th><th scope=\"col\" "
		"class=\"n\">Rejected</th><th scope=\"col\">SHA-256 of the "
		"ledger</th></tr></thead>\n"
		"<tbody>\n");
	for (size_t f = 0; f < SM_EX_FROMS; f++) {
		const struct sm_ledger *l = &x->from[f];
		if (!l->header)
			continue;
		size_t bad = bad_of(l);
		sm_text_f(out,
			  "<tr id=\"ledger-%s\"><th scope=\"row\">%s</th><td class=\"n\">%lld</td>"
			  "<td class=\"n\">%zu</td><td "
			  "class=\"n\">%zu</td><td><code>%s</code></td></tr>\n",
			  stage_of(x, f), stage_of(x, f),
			  (long long)json_integer_value(json_object_get(l->header, "version")),
			  sm_records_count(l->records) - bad, bad, l->sha256);
	}
	sm_text_str(out, "</tbody></table></div>\n</section>\n");
}

/* ---- the page -------------------------------------------------------------------------------- */

static void head(const struct sm_explore *x, struct sm_text *out)
{
	const char *title = *x->name ? x->name : "Data set";
	size_t cases = sm_records_count(x->run->ledger.records) - x->run->rejected;
	sm_text_str(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
			 "<meta name=\"viewport\" content=\"width=device-width, "
			 "initial-scale=1\"/>\n<title>");
	sm_text_html(out, title);
	sm_text_str(out, ": the data set</title>\n<style>\n");
	sm_text_str(out, sm_page_css);
	sm_text_str(out, more_css);
	sm_text_str(out, "</style>\n</head>\n<body>\n<header>\n<h1>");
	sm_text_html(out, title);
	sm_text_f(out, "</h1>\n<p class=\"quiet\">%zu case%s", cases, cases == 1 ? "" : "s");
	if (x->from[SM_EX_DATA].header)
		sm_text_f(out, ", %zu samples", x->samples);
	for (size_t f = 0; f < SM_EX_FROMS; f++)
		if (x->from[f].header)
			sm_text_f(out, "; <a href=\"#ledger-%s\">%s</a> <code>%.12s</code>",
				  stage_of(x, f), stage_of(x, f), x->from[f].sha256);
	sm_text_str(out, "</p>\n<nav aria-label=\"Sections\"><a href=\"#sheet\">Cases</a>");
	if (x->from[SM_EX_DATA].header)
		sm_text_str(out, "<a href=\"#samples\">Samples</a>");
	sm_text_str(out, "<a href=\"#intensities\">Intensities</a>");
	for (int k = 1; k < SM_EX_LABELS; k++)
		if (x->holds[k]) {
			sm_text_str(out, "<a href=\"#labels\">Labels</a>");
			break;
		}
	if (x->from[SM_EX_SPLIT].header)
		sm_text_str(out, "<a href=\"#split\">Split</a>");
	sm_text_str(out, "<a href=\"#steps\">How it was made</a><a href=\"#rejected\">Rejected</a>"
			 "<a href=\"#origin\">Origin</a></nav>\n</header>\n<main>\n");
}

/* Two such drawings stand side by side on paper. */
static bool is_narrow(const char *svg)
{
	const char *width = strstr(svg, "width=\"");
	long pixels = width ? strtol(width + strlen("width=\""), NULL, 10) : 0;
	return pixels > 330 && pixels <= 520; /* smaller ones do as they are */
}

/* One drawing of a case; fold NULL = untold. */
static enum sm_status drawing(const struct sm_explore *x, const char *key, const char *fold,
			      const char *name, struct sm_text *out, struct sm_err *err)
{
	unsigned char *bytes = NULL;
	size_t n = 0;
	char *path = sm_path_join(x->run->out, name);
	enum sm_status st =
		path ? sm_file_read(path, (size_t)256 << 20, &x->run->mem, &bytes, &n, err)
		     : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	free(path);
	SM_TRY(st);
	sm_text_f(out, "<figure class=\"sheet%s\">\n<figcaption><b>",
		  is_narrow((const char *)bytes) ? " half" : "");
	sm_text_html(out, key);
	sm_text_str(out, "</b>");
	if (fold)
		sm_text_f(out, " <span class=\"tag\">%s</span>", fold);
	sm_text_str(out, "</figcaption>\n");
	sm_text_add(out, (const char *)bytes, n);
	sm_text_str(out, "</figure>\n");
	sm_free(bytes);
	return SM_OK;
}

/* The drawings of a role that cases left, in order. */
static enum sm_status sheets(const struct sm_explore *x, const char *role, uint8_t bit,
			     struct sm_text *out, struct sm_err *err)
{
	struct sm_records *records = x->run->ledger.records;
	bool tell_fold = bit != SM_EX_SAMPLES || sm_explore_by_patient(x);
	sm_text_str(out, "<div class=\"sheets\">\n");
	for (size_t i = 0; i < sm_records_count(records); i++) {
		if (!(x->drawn[i] & bit) || !sm_records_ok(records, i))
			continue;
		json_t *record = sm_records_get(records, i);
		const char *name = sm_json_text(sm_record_output(record, role), "path");
		char *fold = tell_fold ? sm_explore_fold(x, sm_records_key(records, i)) : NULL;
		enum sm_status st =
			name ? drawing(x, sm_records_key(records, i), fold, name, out, err) : SM_OK;
		free(fold);
		json_decref(record);
		SM_TRY(st);
	}
	sm_text_str(out, "</div>\n");
	return sm_records_check(records, err);
}

static void legend(const struct sm_explore *x, struct sm_text *out)
{
	bool first = true;
	for (int k = 1; k < SM_EX_LABELS; k++) {
		if (!x->holds[k])
			continue;
		sm_text_f(out,
			  "%s<span><i class=\"key\" style=\"background:%s\"></i>label %d</span> ",
			  first ? "<p class=\"legend\">" : "", sm_label_colour(k), k);
		first = false;
	}
	if (first)
		return;
	sm_text_str(out, x->when_count > 1
				 ? "<span class=\"quiet\">Numbers after preprocess.</span></p>\n"
				 : "</p>\n");
}

/* Pictures have neither slices nor mm. */
static bool is_pictures(const struct sm_explore *x)
{
	const struct sm_ledger *l =
		&x->from[x->from[SM_EX_PREPROCESS].header ? SM_EX_PREPROCESS : SM_EX_INGEST];
	size_t i = 0, n = sm_records_count(l->records);
	while (i < n && !sm_records_ok(l->records, i))
		i++;
	json_t *record = sm_records_get(l->records, i);
	bool is = json_is_true(json_object_get(record, "pictures"));
	json_decref(record);
	return is;
}

static enum sm_status samples(const struct sm_explore *x, struct sm_text *out, struct sm_err *err)
{
	const char *stage = stage_of(x, SM_EX_DATA);
	if (!x->from[SM_EX_DATA].header)
		return SM_OK;
	sm_text_str(out, "<section id=\"samples\">\n<h2>Samples</h2>\n<p>");
	if (x->samples)
		sm_text_f(out,
			  "What stage %s wrote of these cases, in the order in which a network "
			  "reads it; black and white are %s.</p>\n",
			  stage,
			  is_pictures(x) ? "the lowest and the highest value of each"
					 : "0.5 and 99.5 % of each");
	else
		sm_text_f(out, "Stage %s made none: see <a href=\"#rejected\">Rejected</a>.</p>\n",
			  stage);
	SM_TRY(sheets(x, "samples", SM_EX_SAMPLES, out, err));
	sm_text_str(out, "</section>\n");
	return SM_OK;
}

enum sm_status sm_explore_page(const struct sm_explore *x, struct sm_text *out, struct sm_err *err)
{
	size_t shown = 0, all = sm_records_count(x->run->ledger.records);
	for (size_t i = 0; i < all; i++)
		shown += (x->drawn[i] & SM_EX_SHEET) != 0;
	head(x, out);
	sm_text_f(out, "<section id=\"sheet\">\n<h2>Cases</h2>\n<p>%zu of %zu case%s%s%s</p>\n",
		  shown, all, all == 1 ? "" : "s", shown < all ? ", evenly chosen. " : ". ",
		  is_pictures(x)
			  ? "Black and white are the lowest and the highest value of each picture."
			  : "Slices through what is labelled, else through what is not constant, "
			    "seen "
			    "from the feet (the patient's right is on the left); gray from 0.5 to "
			    "99.5 % of each volume's foreground.");
	legend(x, out);
	SM_TRY(sheets(x, "sheet", SM_EX_SHEET, out, err));
	sm_text_str(out, "</section>\n");
	SM_TRY(samples(x, out, err));
	SM_TRY(sm_explore_histograms(x, out, err));
	SM_TRY(sm_explore_labels(x, out, err));
	SM_TRY(sm_explore_split(x, out, err));
	sm_explore_steps(x, out);
	sm_explore_rejected(x, out);
	sm_explore_origin(x, out);
	sm_text_f(out, "</main>\n<footer>Made by scanmill %s.</footer>\n</body>\n</html>\n",
		  SM_VERSION);
	return sm_text_check(out, "explore.html", err);
}
