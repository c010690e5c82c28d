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
	snprintf(cell, n, "%s",
		 !use && sm_record_ok(record) ? ""
		 : json_is_true(use)          ? "yes"
					      : "no");
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
	const char *modality = sm_json_text(record, "modality"),
		   *kind = sm_json_text(record, field);
	snprintf(cell, n, "%s",
		 modality                 ? modality
		 : !kind                  ? ""
		 : strcmp(kind, "broken") ? kind
					  : "file");
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

static void add_counts(struct sm_text *text, json_t *files)
{
	const char *kind;
	json_t *number;
	json_object_foreach(files, kind, number)
		sm_text_f(text, "%lld %s files\n", (long long)json_integer_value(number), kind);
}

static void add_names(struct sm_text *text)
{
	for (size_t c = 0, n = 0; c < COLUMNS; c++)
		if (columns[c].csv)
			sm_text_f(text, "%s%s", n++ ? "," : "", columns[c].name);
	sm_text_str(text, "\n");
}

static void add_row(struct sm_text *text, const json_t *record)
{
	char cell[CELL];
	for (size_t c = 0, n = 0; c < COLUMNS; c++) {
		if (!columns[c].csv)
			continue;
		columns[c].cell(record, columns[c].field, cell, sizeof cell);
		sm_text_str(text, n++ ? "," : "");
		sm_text_csv(text, cell);
	}
	sm_text_str(text, "\n");
}

/* A value of the document at a depth: its lines after the first begin with so many blanks. */
static void add_value(struct sm_text *text, const json_t *value, int depth)
{
	char *dump = json_dumps(value, JSON_SORT_KEYS | JSON_INDENT(1) | JSON_REAL_PRECISION(15) |
					       JSON_ENCODE_ANY);
	text->failed = text->failed || !dump;
	for (const char *line = dump; line && *line;) {
		size_t n = strcspn(line, "\n");
		sm_text_add(text, line, n);
		line += n;
		if (*line == '\n')
			sm_text_f(text, "\n%*s", depth, "");
		line += *line == '\n';
	}
	free(dump);
}

/* What stands before the records, each record, and what stands behind them. */
static void add_head(struct sm_text *text, json_t *files, enum sm_catalogue_format format)
{
	if (format == SM_CATALOGUE_TABLE) {
		add_line(text, NULL);
	} else if (format == SM_CATALOGUE_CSV) {
		add_names(text);
	} else {
		sm_text_str(text, "{\n \"files\": ");
		add_value(text, files, 1);
		sm_text_str(text, ",\n \"items\": [");
	}
}

static void add_record(struct sm_text *text, const json_t *record, size_t i,
		       enum sm_catalogue_format format)
{
	if (format == SM_CATALOGUE_TABLE) {
		add_line(text, record);
	} else if (format == SM_CATALOGUE_CSV) {
		add_row(text, record);
	} else {
		sm_text_str(text, i ? ",\n  " : "\n  ");
		add_value(text, record, 2);
	}
}

static void add_end(struct sm_text *text, json_t *files, size_t n, enum sm_catalogue_format format)
{
	if (format == SM_CATALOGUE_TABLE)
		add_counts(text, files);
	else if (format == SM_CATALOGUE_JSON)
		sm_text_str(text, n ? "\n ],\n \"schema\": 1\n}\n" : "],\n \"schema\": 1\n}\n");
}

/* Passes on what the text holds. */
static enum sm_status flush(struct sm_text *text, FILE *stream, struct sm_sha256 *hash,
			    struct sm_err *err)
{
	SM_TRY(sm_text_check(text, "catalogue", err));
	if (hash)
		sm_sha256_add(hash, text->data, text->n);
	bool good = fwrite(text->data, 1, text->n, stream) == text->n;
	text->n = 0;
	return good ? SM_OK : SM_FAIL(err, SM_IO, "catalogue: writing failed");
}

enum sm_status sm_catalogue_write(struct sm_records *records, json_t *files,
				  enum sm_catalogue_format format, FILE *stream,
				  struct sm_sha256 *hash, struct sm_err *err)
{
	struct sm_text text = {0};
	size_t i;
	json_t *record;
	enum sm_status st = SM_OK;
	add_head(&text, files, format);
	sm_records_foreach(records, i, record)
	{
		add_record(&text, record, i, format);
		st = flush(&text, stream, hash, err);
		if (st == SM_OK)
			continue;
		json_decref(record);
		goto out;
	}
	SM_GOTO(st, sm_records_check(records, err));
	add_end(&text, files, i, format);
	if (text.n)
		st = flush(&text, stream, hash, err);
out:
	sm_text_clear(&text);
	return st;
}
