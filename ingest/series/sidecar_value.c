/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of a sidecar as JSON: which of the texts that were read may leave, and as what.
 */
#include "ingest/series/sidecar_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/series/words.h"

static json_t *codes_of(const struct sm_sidecar_row *row, const char *text, bool *left_out)
{
	json_t *list = json_array();
	while (*text) {
		size_t n = strcspn(text, "\\"), word = n;
		while (word && text[word - 1] == ' ')
			word--;
		if (sm_words_allow(SM_WORDS_CODES, row->codes, text, word))
			json_array_append_new(list, json_stringn(text, word));
		else if (word)
			*left_out = true;
		text += n + (text[n] == '\\');
	}
	if (json_array_size(list))
		return list;
	json_decref(list);
	return NULL;
}

/* Whole numbers as such, where the field holds no measure. */
static json_t *number_json(const struct sm_sidecar_row *row, double v)
{
	v /= row->divide;
	return row->kind != NUMBER && row->divide == 1 && v == floor(v) && fabs(v) < 1e15
		       ? json_integer((json_int_t)v)
		       : json_real(v);
}

/* Field i, whose first row is given, by time point; NULL when one of them has no number of its
 * own. */
static json_t *by_time(const struct sm_sidecar_times *t, const struct sm_sidecar_row *row, size_t i)
{
	const double *v = t ? t->value + i * t->times : NULL;
	bool told = t && t->times > 1 && sm_sidecar_is_number(row);
	for (size_t k = 0; told && k < t->times; k++)
		told = isfinite(v[k]);
	json_t *list = told ? json_array() : NULL;
	for (size_t k = 0; list && k < t->times; k++)
		json_array_append_new(list, number_json(row, v[k]));
	return list;
}

/* A value as JSON; NULL when it may not be written. */
static json_t *value_of(const struct sm_sidecar_row *row, const char *text, bool *left_out)
{
	size_t n = row->kind == PART ? strcspn(text, ",") : strlen(text);
	if (row->kind == CODES)
		return codes_of(row, text, left_out);
	if (row->kind >= CODE && row->kind <= PART) {
		bool fine = true;
		/* Several versions are joined by '\'; each must be allowed. */
		for (size_t at = 0; at < n && fine;) {
			size_t len = strcspn(text + at, "\\");
			len = len < n - at ? len : n - at;
			fine = sm_words_allow(row->kind == CODE ? SM_WORDS_CODES : SM_WORDS_MAKER,
					      row->codes, text + at, len);
			at += len + 1;
		}
		*left_out |= !fine;
		return fine ? json_stringn(text, n) : NULL;
	}
	char *end;
	double v = strtod(text, &end);
	if (*end || !isfinite(v)) {
		*left_out = true;
		return NULL;
	}
	return number_json(row, v);
}

/* Are there several values where one is allowed? None of them is the field's. */
static bool has_several(const struct sm_sidecar_row *row, const char *text)
{
	return (row->kind <= CODE || row->kind == PHASE) && strchr(text, '\\');
}

enum sm_status sm_sidecar_add(json_t *object, const struct sm_sidecar *s,
			      const struct sm_sidecar_times *t, struct sm_err *err)
{
	const struct sm_sidecar_row *row;
	for (size_t i = 0; (row = sm_sidecar_row(i)); i++) {
		bool left_out = s->too_long[i];
		if (sm_sidecar_field(i) != i)
			continue;
		if (s->varying[i] || has_several(row, s->value[i])) {
			json_t *list = by_time(t, row, i);
			if (list)
				json_object_set_new(object, row->name, list);
			else
				sm_sidecar_list(object, "VaryingFields", row->name);
			continue;
		}
		json_t *v = *s->value[i] ? value_of(row, s->value[i], &left_out) : NULL;
		if (v)
			json_object_set_new(object, row->name, v);
		if (left_out)
			sm_sidecar_list(object, "LeftOut", row->name);
	}
	return object ? SM_OK : SM_FAIL(err, SM_BUDGET, "sidecar: out of memory");
}
