/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the figures come from: the chain of ledgers by hash, the counts of the split, and the
 * settings that decided the results.
 */
#include <stdlib.h>
#include <string.h>

#include "eval/report.h"

const char *const sm_from_stage[SM_FROMS] = {
	[SM_FROM_INGEST] = "ingest",   [SM_FROM_SPLIT] = "split",       [SM_FROM_TRAIN] = "train",
	[SM_FROM_PREDICT] = "predict", [SM_FROM_EVALUATE] = "evaluate",
};

const char *sm_report_fold(const struct sm_report *report)
{
	static const char *const words[][2] = {{"test", "held-out "},
					       {"valid", "validation "},
					       {"train", "training "},
					       {"cross_validation", "out-of-fold "}};
	const json_t *settings = json_object_get(report->from[SM_FROM_PREDICT].header, "settings");
	const json_t *predict = json_object_get(json_object_get(settings, "manifest"), "predict");
	const char *fold = sm_json_text(predict, "fold"), *seen = sm_json_text(predict, "seen");
	/* Allowed to predict what they were trained on: their fold's name says nothing. */
	if (fold && seen && strcmp(seen, "allow") == 0 && strcmp(fold, "train") != 0)
		return "";
	for (size_t i = 0; fold && i < SM_COUNT(words); i++)
		if (strcmp(fold, words[i][0]) == 0)
			return words[i][1];
	return "";
}

static void hash_cell(struct sm_text *out, const char *hash)
{
	sm_text_str(out, "<td><code>");
	sm_text_html(out, hash);
	sm_text_str(out, "</code></td>");
}

static void ledger_row(const char *stage, const struct sm_ledger *ledger, struct sm_text *out)
{
	size_t good = 0, all = sm_records_count(ledger->records);
	for (size_t i = 0; i < all; i++)
		good += sm_records_ok(ledger->records, i);
	sm_text_f(out, "<tr><th scope=\"row\">%s</th>", stage);
	sm_text_f(out, "<td class=\"n\">%lld</td><td class=\"n\">%zu</td><td class=\"n\">%zu</td>",
		  (long long)json_integer_value(json_object_get(ledger->header, "version")), good,
		  all - good);
	hash_cell(out, ledger->sha256);
	sm_text_str(out, "</tr>\n");
}

/* Parents that a given ledger names and that were not given themselves: tile, preprocess, index. */
static void parent_rows(const struct sm_report *report, struct sm_text *out)
{
	json_t *seen = json_object();
	for (size_t f = 0; f < SM_FROMS; f++)
		if (report->from[f].header)
			json_object_set_new(seen, sm_from_stage[f], json_true());
	for (size_t f = 0; f < SM_FROMS; f++) {
		const char *stage;
		json_t *hash;
		json_object_foreach(json_object_get(report->from[f].header, "parents"), stage, hash)
		{
			if (json_object_get(seen, stage) || !json_is_string(hash))
				continue;
			json_object_set_new(seen, stage, json_true());
			sm_text_str(out, "<tr><th scope=\"row\">");
			sm_text_html(out, stage);
			sm_text_f(out, "</th><td colspan=\"3\" class=\"quiet\">named by %s</td>",
				  sm_from_stage[f]);
			hash_cell(out, json_string_value(hash));
			sm_text_str(out, "</tr>\n");
		}
	}
	json_decref(seen);
}

static void split_line(const struct sm_report *report, struct sm_text *out)
{
	static const char *const folds[] = {"train", "valid", "test"};
	size_t count[SM_COUNT(folds)] = {0}, i;
	json_t *record;
	if (!report->from[SM_FROM_SPLIT].header)
		return;
	sm_records_foreach(report->from[SM_FROM_SPLIT].records, i, record)
	{
		const char *fold = sm_json_text(record, "fold");
		for (size_t k = 0; fold && k < SM_COUNT(folds); k++)
			count[k] += strcmp(fold, folds[k]) == 0;
	}
	sm_text_f(out,
		  "<p>Cases by fold (split by patient): <b>%zu</b> for training, <b>%zu</b> for "
		  "validation, "
		  "<b>%zu</b> for the test.</p>\n",
		  count[0], count[1], count[2]);
}

static void settings_block(const char *stage, const struct sm_ledger *ledger, struct sm_text *out)
{
	char *text = json_dumps(json_object_get(ledger->header, "settings"),
				JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(8));
	if (!text) {
		out->failed = true;
		return;
	}
	sm_text_f(out, "<details class=\"settings\"><summary>Settings of %s</summary><pre>", stage);
	sm_text_html(out, text);
	sm_text_str(out, "</pre></details>\n");
	free(text);
}

void sm_report_origin(const struct sm_report *report, struct sm_text *out)
{
	sm_text_str(out, "<section id=\"origin\">\n<h2>Where the figures come from</h2>\n");
	if (*report->name) {
		sm_text_str(out, "<p>Manifest <b>");
		sm_text_html(out, report->name);
		sm_text_str(out, "</b>.</p>\n");
	}
	split_line(report, out);
	sm_text_str(
		out,
		"<div class=\"wide\" tabindex=\"0\"><table>\n<caption>Each stage leaves a ledger "
		"with the hashes of "
		"its inputs and outputs and of the ledger before it; <code>scanmill verify</code> "
		"checks them.</caption>\n<thead><tr><th scope=\"col\">Stage</th>"
		"<th scope=\"col\" class=\"n\">Version</th><th scope=\"col\" class=\"n\">Good</th>"
		"<th scope=\"col\" class=\"n\">Rejected</th><th scope=\"col\">SHA-256 of the "
		"ledger</th>"
		"</tr></thead>\n<tbody>\n");
	for (size_t f = 0; f < SM_FROMS; f++)
		if (report->from[f].header)
			ledger_row(sm_from_stage[f], &report->from[f], out);
	parent_rows(report, out);
	sm_text_str(out, "</tbody></table></div>\n");
	for (size_t f = 0; f < SM_FROMS; f++)
		if (report->from[f].header)
			settings_block(sm_from_stage[f], &report->from[f], out);
	sm_text_str(out, "</section>\n");
}
