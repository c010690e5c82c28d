/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report_missing.h"

#include <string.h>

/* Reasons of predict, then those of evaluate. */
static const struct sm_lack known[] = {
	{.key = "other_folds", .words = "of other folds", .folded = true},
	{.key = "not_asked", .words = "not asked for"},
	{.key = "no_source", .words = "without the source"},
	{.key = "rejected", .words = "rejected by preprocess", .before_split = true},
	{.key = "rejected_by_preprocess", .words = "rejected by preprocess", .before_split = true},
	{.key = "rejected_by_ingest",
	 .words = "rejected by ingest",
	 .before_split = true,
	 .before_ingest = true},
	{.key = "not_told", .words = "not named in the ledger of predict"},
	{.key = "no_file", .words = "without a predicted file of their name"},
};

static bool is_known(const char *key)
{
	for (size_t i = 0; i < SM_COUNT(known); i++)
		if (strcmp(known[i].key, key) == 0)
			return true;
	return false;
}

size_t sm_missing_list(const json_t *header, struct sm_lack out[SM_MISSINGS])
{
	const char *key;
	json_t *names, *all = json_object_get(header, "not_predicted");
	size_t n = 0;
	for (size_t i = 0; i < SM_COUNT(known); i++) {
		names = json_object_get(all, known[i].key);
		if (!json_array_size(names))
			continue;
		out[n] = known[i];
		out[n++].names = names;
	}
	json_object_foreach(all, key, names)
	{
		if (n < SM_MISSINGS && json_array_size(names) && !is_known(key))
			out[n++] = (struct sm_lack){.key = key, .words = key, .names = names};
	}
	return n;
}

size_t sm_missing_count(const json_t *header)
{
	struct sm_lack m[SM_MISSINGS];
	size_t count = 0;
	for (size_t n = sm_missing_list(header, m), i = 0; i < n; i++)
		count += m[i].folded ? 0 : json_array_size(m[i].names);
	return count;
}

void sm_missing_names(const json_t *names, struct sm_text *out)
{
	enum { MOST = 20 };
	const size_t n = json_array_size(names);
	for (size_t i = 0; i < n && i < MOST; i++) {
		const char *name = json_string_value(json_array_get(names, i));
		sm_text_f(out, "%s%s", i ? ", " : " (", name ? name : "?");
	}
	if (n > MOST)
		sm_text_f(out, " and %zu more", n - MOST);
	sm_text_str(out, n ? ")" : "");
}

static json_t *named(const struct sm_ledger *evaluate, bool good)
{
	size_t i;
	json_t *record, *names = json_array();
	sm_records_foreach(evaluate->records, i, record)
	{
		const bool is = good ? json_is_true(json_object_get(record, "prediction_missing"))
				     : true;
		if (sm_record_ok(record) == good && is)
			json_array_append_new(names, json_string(sm_record_key(record)));
	}
	return names;
}

json_t *sm_missing_rejected(const struct sm_ledger *evaluate)
{
	return named(evaluate, false);
}

json_t *sm_missing_assumed(const struct sm_ledger *evaluate)
{
	return named(evaluate, true);
}

void sm_report_case_words(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_models *m = &report->models;
	const bool apart = m->n > 1 && sm_models_apart(m);
	size_t least = report->count, most = report->count;
	for (size_t i = 0; i < m->n; i++) {
		const size_t n = sm_scorebook_cases(m->v[i].book);
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	if (least < most)
		sm_text_f(out, "%zu to ", least);
	sm_text_f(out, "%zu %scase%s%s", most, sm_report_fold(report), most == 1 ? "" : "s",
		  apart ? ", not the same ones for every model" : "");
}

void sm_report_assumed_words(const struct sm_report *report, struct sm_text *out)
{
	const struct sm_models *m = &report->models;
	const size_t of = m->v[m->main].assumed;
	size_t told = 0;
	if (m->n == 1 && of)
		sm_text_f(out, "; %zu case%s without a prediction %s scored as %s", of,
			  of == 1 ? "" : "s", of == 1 ? "is" : "are",
			  of == 1 ? "an empty one" : "empty ones");
	for (size_t i = 0; m->n > 1 && i < m->n; i++)
		if (m->v[i].assumed)
			sm_text_f(out, "%s%zu of %s",
				  told++ ? ", "
					 : "; cases without a prediction are scored as empty ones: ",
				  m->v[i].assumed, m->v[i].name);
}
