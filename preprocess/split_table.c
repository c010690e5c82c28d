/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/split_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"

#define MAX_TABLE ((size_t)64 << 20)
#define MAX_COLUMNS 4096

struct row {
	const char *key, *value;
};

struct table {
	const char *name;
	struct row *rows;
	size_t count, room;
};

/* Takes one field off the text, unquoted in place; false when a quote is left open or text follows
 * one. *end: the character behind it, ',' or '\n' or 0. */
static bool take_field(char **text, char **field, char *end)
{
	char *p = *text, *to = p;
	*field = p;
	if (*p == '"') {
		for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
			p += *p == '"';
			*to++ = *p;
		}
		if (*p != '"')
			return false;
		p++;
	} else {
		while (*p && *p != ',' && *p != '\n' && *p != '\r')
			*to++ = *p++;
	}
	p += *p == '\r' && (p[1] == '\n' || !p[1]);
	*end = *p;
	if (*end && *end != ',' && *end != '\n')
		return false;
	*text = p + (*end != 0);
	*to = 0;
	return true;
}

/* Reads one row; fields[c] is set for the columns asked for (NULL = not in the row). */
static enum sm_status take_row(const char *name, char **text, size_t row, const size_t *wanted,
			       char **fields, size_t n, size_t *columns, struct sm_err *err)
{
	char end = ',';
	size_t c = 0;
	for (size_t i = 0; i < n; i++)
		fields[i] = NULL;
	for (; end == ','; c++) {
		char *field;
		if (c >= MAX_COLUMNS || !take_field(text, &field, &end))
			return SM_FAIL(
				err, SM_INPUT,
				"%s: row %zu is no CSV (a quote left open, or text behind one)",
				name, row);
		for (size_t i = 0; i < n; i++)
			if (wanted[i] == c)
				fields[i] = field;
	}
	*columns = c;
	return SM_OK;
}

/* Numbers of the columns "key", "patient" and the one asked for; MAX_COLUMNS = none. */
static enum sm_status find_columns(const char *name, char **text, const char *column, size_t at[3],
				   size_t *columns, struct sm_err *err)
{
	const char *const names[3] = {"key", "patient", column};
	char end = ',';
	at[0] = at[1] = at[2] = MAX_COLUMNS;
	for (*columns = 0; end == ','; (*columns)++) {
		char *field;
		if (*columns >= MAX_COLUMNS || !take_field(text, &field, &end))
			return SM_FAIL(err, SM_INPUT, "%s: row 1 is no CSV", name);
		for (int i = 0; i < 3; i++)
			if (strcmp(field, names[i]) == 0 && at[i] == MAX_COLUMNS)
				at[i] = *columns;
	}
	if (at[0] == MAX_COLUMNS && at[1] == MAX_COLUMNS)
		return SM_FAIL(err, SM_USAGE,
			       "%s: has neither a column 'key' nor 'patient', needed is one", name);
	if (at[2] == MAX_COLUMNS)
		return SM_FAIL(err, SM_USAGE, "%s: has no column '%s', but split.stratify names it",
			       name, column);
	return SM_OK;
}

static int by_row(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static enum sm_status add_row(struct table *t, const char *key, const char *value,
			      struct sm_err *err)
{
	if (t->count == t->room) {
		size_t room = t->room * 2 + 64;
		struct row *rows = realloc(t->rows, room * sizeof *rows);
		if (!rows)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", t->name);
		t->rows = rows;
		t->room = room;
	}
	t->rows[t->count++] = (struct row){key, value};
	return SM_OK;
}

/* *by_case: the rows are of cases, otherwise of patients. */
static enum sm_status read_rows(struct table *t, char *text, const char *column, bool *by_case,
				struct sm_err *err)
{
	size_t at[3], columns, n = 0, row = 1;
	char *fields[3];
	SM_TRY(find_columns(t->name, &text, column, at, &columns, err));
	*by_case = at[0] != MAX_COLUMNS;
	while (*text) {
		if (*text == '\n' || (*text == '\r' && text[1] == '\n')) { /* an empty line */
			text += 1 + (*text == '\r');
			continue;
		}
		row++;
		SM_TRY(take_row(t->name, &text, row, at, fields, 3, &n, err));
		if (n != columns)
			return SM_FAIL(err, SM_INPUT,
				       "%s: row %zu has %zu fields, the first row has %zu", t->name,
				       row, n, columns);
		SM_TRY(add_row(t, fields[*by_case ? 0 : 1], fields[2], err));
	}
	if (t->count)
		qsort(t->rows, t->count, sizeof *t->rows, by_row);
	for (size_t i = 1; i < t->count; i++)
		if (strcmp(t->rows[i].key, t->rows[i - 1].key) == 0)
			return SM_FAIL(err, SM_INPUT,
				       "%s: %s '%s' stands in two rows, allowed is one", t->name,
				       *by_case ? "key" : "patient", t->rows[i].key);
	return SM_OK;
}

static int by_patient(const void *a, const void *b)
{
	const struct sm_split_case *p = *(const struct sm_split_case *const *)a,
				   *q = *(const struct sm_split_case *const *)b;
	int c = strcmp(p->patient, q->patient);
	return c ? c : strcmp(p->key, q->key);
}

static enum sm_status check_patients(const struct sm_split_case *cases, size_t n, const char *name,
				     struct sm_err *err)
{
	const struct sm_split_case **all = malloc((n + 1) * sizeof *all);
	size_t m = 0;
	enum sm_status st = SM_OK;
	if (!all)
		return SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; i < n; i++)
		if (!cases[i].left_out)
			all[m++] = &cases[i];
	qsort(all, m, sizeof *all, by_patient);
	for (size_t i = 1; st == SM_OK && i < m; i++)
		if (strcmp(all[i]->patient, all[i - 1]->patient) == 0 &&
		    strcmp(all[i]->stratum, all[i - 1]->stratum) != 0)
			st = SM_FAIL(err, SM_INPUT,
				     "%s: patient %s has '%s' in case %s and '%s' in case %s, "
				     "allowed is one value",
				     name, all[i]->patient, all[i - 1]->stratum, all[i - 1]->key,
				     all[i]->stratum, all[i]->key);
	free(all);
	return st;
}

enum sm_status sm_split_table(const char *path, const char *column, struct sm_split_case *cases,
			      size_t n, struct sm_arena *arena, char sha256[65], struct sm_err *err)
{
	struct table t = {.name = sm_path_base(path)};
	unsigned char *text = NULL;
	size_t size;
	bool by_case;
	enum sm_status st;
	SM_GOTO(st, sm_file_read(path, MAX_TABLE, NULL, &text, &size, err));
	sm_sha256_bytes(text, size, sha256);
	if (memchr(text, 0, size))
		SM_GOTO(st,
			SM_FAIL(err, SM_INPUT, "%s: holds zero bytes, allowed is text", t.name));
	size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	SM_GOTO(st, read_rows(&t, (char *)text + mark, column, &by_case, err));
	for (size_t i = 0; i < n; i++) {
		struct sm_split_case *c = &cases[i];
		if (c->left_out)
			continue;
		const struct row wanted = {.key = by_case ? c->key : c->patient};
		const struct row *row =
			t.count ? bsearch(&wanted, t.rows, t.count, sizeof wanted, by_row) : NULL;
		if (!row || !*row->value)
			SM_GOTO(st, SM_FAIL(err, SM_INPUT,
					    "%s: has no %s for %s '%s': leave it out or add it",
					    t.name, row ? column : "row",
					    by_case ? "key" : "patient", wanted.key));
		c->stratum = sm_arena_strdup(arena, row->value);
		if (!c->stratum)
			SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "split: out of memory"));
	}
	st = check_patients(cases, n, t.name, err);
out:
	free(t.rows);
	sm_free(text);
	return st;
}
