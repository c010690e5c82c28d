/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/catalogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"

#define CELL 512

/* Numbers of an array or a single one, joined by 'x': "512x512", "0.488x0.488". */
static void join(const json_t *value, char *cell, size_t n)
{
	size_t count = json_is_array(value) ? json_array_size(value) : 1, at = 0;
	cell[0] = '\0';
	for (size_t i = 0; i < count && at < n; i++) {
		const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
		int got = json_is_integer(one)
				  ? snprintf(cell + at, n - at, "%s%lld", i ? "x" : "",
					     (long long)json_integer_value(one))
				  : snprintf(cell + at, n - at, "%s%.4g", i ? "x" : "",
					     json_number_value(one));
		at += got > 0 ? (size_t)got : 0;
	}
}

static void plain(const json_t *record, const char *field, char *cell, size_t n)
{
	const json_t *value = json_object_get(record, field);
	cell[0] = '\0';
	if (json_is_string(value))
		snprintf(cell, n, "%s", json_string_value(value));
	else if (json_is_number(value) || json_is_array(value))
		join(value, cell, n);
}

static void count(const json_t *record, const char *field, char *cell, size_t n)
{
	const json_t *value = json_object_get(record, field);
	cell[0] = '\0';
	if (json_is_object(value))
		snprintf(cell, n, "%zu", json_object_size(value));
	else
		plain(record, field, cell, n);
}

/* Smallest and largest distance, one number when they are the same to four digits. */
static void range(const json_t *record, const char *field, char *cell, size_t n)
{
	double v[2];
	char text[2][32];
	cell[0] = '\0';
	if (!sm_json_get_floats(record, field, v, 2))
		return;
	for (int i = 0; i < 2; i++)
		snprintf(text[i], sizeof text[i], "%.4g", v[i]);
	snprintf(cell, n, "%s%s%s", text[0], strcmp(text[0], text[1]) ? ".." : "",
		 strcmp(text[0], text[1]) ? text[1] : "");
}

/* A rejected record has no verdict: its file cannot be read. */
static void verdict(const json_t *record, const char *field, char *cell, size_t n)
{
	const char *text = sm_json_text(record, field);
	snprintf(cell, n, "%s", text ? text : sm_record_ok(record) ? "" : "broken");
}

/* "yes", "no"; nothing for what is no scan. */
static void usable(const json_t *record, const char *field, char *cell, size_t n)
{
	const json_t *use = json_object_get(record, field);
	snprintf(cell, n, "%s", !use && sm_record_ok(record) ? "" : json_is_true(use) ? "yes" : "no");
}

static void reason(const json_t *record, const char *field, char *cell, size_t n)
{
	const char *text = sm_json_text(record, field);
	text = text ? text : sm_json_text(record, "reason");
	snprintf(cell, n, "%s", text ? text : "");
}

/* "CT", "case", "file". */
static void short_kind(const json_t *record, const char *field, char *cell, size_t n)
{
	const char *modality = sm_json_text(record, "modality"), *kind = sm_json_text(record, field);
	snprintf(cell, n, "%s", modality ? modality : !kind ? "" : strcmp(kind, "broken") ? kind : "file");
}

/* Pixel and slice distance in one: "0.4883x0.4883x4.002"; of uneven slices the range. */
static void spacing(const json_t *record, const char *field, char *cell, size_t n)
{
	char slice[64];
	plain(record, field, cell, n);
	range(record, "slice_mm", slice, sizeof slice);
	size_t at = strlen(cell);
	if (at && *slice)
		snprintf(cell + at, n - at, "x%s", slice);
}

static void judged(const json_t *record, const char *field, char *cell, size_t n)
{
	char why[CELL];
	verdict(record, field, cell, n);
	reason(record, "verdict_reason", why, sizeof why);
	size_t at = strlen(cell);
	if (*why)
		snprintf(cell + at, n - at, ": %s", why);
}

static const struct column {
	const char *name, *field;
	int width; /* of the table; 0 = not in it */
	bool csv;
	void (*cell)(const json_t *record, const char *field, char *cell, size_t n);
} columns[] = {
	{"key", "key", 24, true, plain},
	{"patient", "patient", 14, true, plain},
	{"kind", "kind", 0, true, plain},
	{"kind", "kind", 8, false, short_kind},
	{"modality", "modality", 0, true, plain},
	{"size", "dim", 16, true, plain},
	{"mm", "pixel_mm", 22, false, spacing},
	{"pixel_mm", "pixel_mm", 0, true, plain},
	{"slice_mm", "slice_mm", 0, true, range},
	{"files", "files", 0, true, count},
	{"tilt_degrees", "tilt_degrees", 0, true, plain},
	{"transfer_syntax", "transfer_syntax", 0, true, plain},
	{"study", "study", 0, true, plain},
	{"frame_of_reference", "frame_of_reference", 0, true, plain},
	{"verdict", "verdict", 1, false, judged},
	{"verdict", "verdict", 0, true, verdict},
	{"usable", "usable", 0, true, usable},
	{"reason", "verdict_reason", 0, true, reason},
};
#define COLUMNS (sizeof columns / sizeof *columns)

static void add_line(struct sm_text *text, const json_t *record)
{
	char cell[CELL];
	for (size_t c = 0, shown = 0; c < COLUMNS; c++) {
		if (!columns[c].width)
			continue;
		if (record)
			columns[c].cell(record, columns[c].field, cell, sizeof cell);
		else
			snprintf(cell, sizeof cell, "%s", columns[c].name);
		sm_text_f(text, "%s%-*s", shown++ ? " " : "", columns[c].width, *cell ? cell : "-");
	}
	sm_text_str(text, "\n");
}

static void add_table(struct sm_text *text, const json_t *records, json_t *files)
{
	size_t i;
	const char *kind;
	json_t *record, *number;
	add_line(text, NULL);
	json_array_foreach((json_t *)(uintptr_t)records, i, record)
		add_line(text, record);
	json_object_foreach(files, kind, number)
		sm_text_f(text, "%lld %s files\n", (long long)json_integer_value(number), kind);
}

static void add_csv(struct sm_text *text, const json_t *records)
{
	size_t i;
	json_t *record;
	char cell[CELL];
	for (size_t c = 0, n = 0; c < COLUMNS; c++)
		if (columns[c].csv)
			sm_text_f(text, "%s%s", n++ ? "," : "", columns[c].name);
	sm_text_str(text, "\n");
	json_array_foreach((json_t *)(uintptr_t)records, i, record) {
		for (size_t c = 0, n = 0; c < COLUMNS; c++) {
			if (!columns[c].csv)
				continue;
			columns[c].cell(record, columns[c].field, cell, sizeof cell);
			sm_text_str(text, n++ ? "," : "");
			sm_text_csv(text, cell);
		}
		sm_text_str(text, "\n");
	}
}

static enum sm_status add_json(struct sm_text *text, const json_t *records, json_t *files,
			       struct sm_err *err)
{
	json_t *all = json_pack("{s:i, s:O, s:O}", "schema", 1, "files", files, "items", records);
	char *dump = all ? json_dumps(all, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_REAL_PRECISION(15))
			 : NULL;
	json_decref(all);
	if (!dump)
		return SM_FAIL(err, SM_BUDGET, "catalogue: out of memory");
	sm_text_str(text, dump);
	sm_text_str(text, "\n");
	free(dump);
	return SM_OK;
}

enum sm_status sm_catalogue_text(const json_t *records, json_t *files,
				 enum sm_catalogue_format format, struct sm_text *text,
				 struct sm_err *err)
{
	if (format == SM_CATALOGUE_TABLE)
		add_table(text, records, files);
	else if (format == SM_CATALOGUE_CSV)
		add_csv(text, records);
	else
		SM_TRY(add_json(text, records, files, err));
	return sm_text_check(text, "catalogue", err);
}
