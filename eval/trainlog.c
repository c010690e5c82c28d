/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/trainlog.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* The next field of a line: [*at, end) up to a comma; false at the line's end. */
static bool next_field(const char **at, const char *end, const char **field, size_t *length)
{
	if (!*at)
		return false;
	const char *comma = memchr(*at, ',', (size_t)(end - *at));
	*field = *at;
	*length = (size_t)((comma ? comma : end) - *at);
	*at = comma ? comma + 1 : NULL;
	return true;
}

static enum sm_status parse_names(const char *line, const char *end, const char *what,
				  struct sm_trainlog *out, struct sm_err *err)
{
	const char *field;
	size_t length;
	while (next_field(&line, end, &field, &length)) {
		if (out->columns == SM_TRAINLOG_COLUMNS || !length || length > 60)
			return SM_FAIL(err, SM_INPUT,
				       "%s: line 1: column %zu: allowed are up to %d names of 1 to "
				       "60 letters",
				       what, out->columns + 1, SM_TRAINLOG_COLUMNS);
		char *name = sm_strf("%.*s", (int)length, field);
		if (!name)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", what);
		out->name[out->columns++] = name;
		for (size_t i = 0; i + 1 < out->columns; i++)
			if (strcmp(out->name[i], name) == 0)
				return SM_FAIL(err, SM_INPUT,
					       "%s: line 1: column '%s' stands twice", what, name);
	}
	return SM_OK;
}

static enum sm_status parse_row(const char *line, const char *end, const char *what, size_t number,
				struct sm_trainlog *out, struct sm_err *err)
{
	const char *field;
	size_t length, column = 0;
	while (next_field(&line, end, &field, &length)) {
		char copy[64], *stop = copy;
		if (column == out->columns || length >= sizeof copy) {
			column = SIZE_MAX;
			break;
		}
		memcpy(copy, field, length);
		copy[length] = '\0';
		double v = length ? strtod(copy, &stop) : NAN;
		if (*stop && length)
			return SM_FAIL(err, SM_INPUT, "%s: line %zu: %s: '%s' is no number", what,
				       number, out->name[column], copy);
		out->column[column++][out->rows] = v;
	}
	if (column != out->columns)
		return SM_FAIL(err, SM_INPUT, "%s: line %zu: must have %zu fields as line 1 has",
			       what, number, out->columns);
	out->rows++;
	return SM_OK;
}

static enum sm_status parse(const char *text, size_t n, const char *what, struct sm_trainlog *out,
			    struct sm_err *err)
{
	size_t lines = 0, number = 1;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	for (const char *line = text, *end = text + n; line < end; number++) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		const char *next = stop ? stop + 1 : end;
		stop = stop ? stop : end;
		if (stop > line && stop[-1] == '\r')
			stop--;
		if (number == 1) {
			SM_TRY(parse_names(line, stop, what, out, err));
			for (size_t c = 0; c < out->columns; c++) {
				out->column[c] =
					sm_alloc(NULL, lines + 1, sizeof(double), what, err);
				if (!out->column[c])
					return SM_BUDGET;
			}
		} else if (stop > line) {
			SM_TRY(parse_row(line, stop, what, number, out, err));
		}
		line = next;
	}
	if (!out->columns)
		return SM_FAIL(err, SM_INPUT, "%s: line 1: has no column names", what);
	return SM_OK;
}

enum sm_status sm_trainlog_parse(const char *text, size_t n, const char *what,
				 struct sm_trainlog *out, struct sm_err *err)
{
	*out = (struct sm_trainlog){0};
	enum sm_status st = parse(text, n, what, out, err);
	if (st != SM_OK)
		sm_trainlog_clear(out);
	return st;
}

const double *sm_trainlog_find(const struct sm_trainlog *history, const char *name)
{
	for (size_t c = 0; c < history->columns; c++)
		if (strcmp(history->name[c], name) == 0)
			return history->column[c];
	return NULL;
}

void sm_trainlog_clear(struct sm_trainlog *history)
{
	for (size_t c = 0; c < history->columns; c++) {
		free(history->name[c]);
		sm_free(history->column[c]);
	}
	*history = (struct sm_trainlog){0};
}
