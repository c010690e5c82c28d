/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/translate.h"

const char *sm_translate_row_key(int row)
{
	return row ? sm_baselines[row - 1].key : "model";
}

const char *sm_translate_row_name(const char *model, int row)
{
	if (row == 1 + SM_BASE_AVERAGE)
		return "(A+C)/2, linear";
	return row ? sm_baselines[row - 1].name : model;
}

static void fill_absent(struct sm_image_scores *s)
{
	*s = (struct sm_image_scores){.range = NAN};
	for (int i = 0; i < SM_IMAGE_SCALES; i++)
		for (int r = 0; r < SM_IMAGE_REGIONS; r++)
			for (int m = 0; m < SM_IMAGE_METRICS; m++) {
				s->value[i][r][m] = NAN;
				/* A region that no other row has must not get a table for it. */
				s->why[i][r][m] =
					r == SM_IMAGE_BODY ? SM_WHY_NO_MASK : SM_WHY_NOT_MADE;
			}
}

static enum sm_status read_record(const json_t *record, struct sm_translate_table *t, size_t n,
				  bool present[SM_TRANSLATE_ROWS], struct sm_err *err)
{
	const json_t *all = json_object_get(record, "scores");
	const size_t at = t->cases++;
	t->keys[at] = sm_strf("%s", sm_record_key(record));
	if (!t->keys[at])
		return SM_FAIL(err, SM_BUDGET, "scores: out of memory");
	for (int row = 0; row < SM_TRANSLATE_ROWS; row++) {
		struct sm_image_scores *s = &t->scores[(size_t)row * n + at];
		const json_t *one = json_object_get(all, sm_translate_row_key(row));
		fill_absent(s);
		if (row && !one)
			continue;
		SM_TRY(sm_image_scores_from_json(one, t->keys[at], s, err));
		present[row] = true;
	}
	return SM_OK;
}

/* Numbers the patients: seen is name -> number. A case without a patient's name is its own. */
static bool number_patient(const json_t *record, json_t *seen, struct sm_translate_table *t)
{
	const char *name = sm_json_text(record, "patient");
	const size_t at = t->cases - 1;
	const json_t *number = name ? json_object_get(seen, name) : NULL;
	t->patient[at] = (uint32_t)(number ? (size_t)json_integer_value(number) : at);
	if (name && !number)
		json_object_set_new(seen, name, json_integer((json_int_t)at));
	return number != NULL;
}

enum sm_status sm_translate_table_read(struct sm_records *records, const char *model,
				       const struct sm_image_settings *settings,
				       struct sm_translate_table *out, struct sm_err *err)
{
	const size_t n = sm_records_count(records);
	bool present[SM_TRANSLATE_ROWS] = {true};
	size_t i, rows = 0;
	json_t *record, *seen = json_object();
	bool several = false; /* a patient has two cases */
	enum sm_status st = SM_OK;
	*out = (struct sm_translate_table){.settings = *settings};
	out->keys = calloc(n + 1, sizeof *out->keys);
	out->patient = calloc(n + 1, sizeof *out->patient);
	out->scores =
		sm_alloc(NULL, SM_TRANSLATE_ROWS * (n + 1), sizeof *out->scores, "scores", err);
	if (!out->keys || !out->scores || !out->patient || !seen)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "scores: out of memory"));
	sm_records_foreach(records, i, record)
	{
		if (sm_record_ok(record) && st == SM_OK)
			st = read_record(record, out, n, present, err);
		several |= sm_record_ok(record) && st == SM_OK && number_patient(record, seen, out);
		out->rejected += !sm_record_ok(record);
	}
	if (st == SM_OK)
		st = sm_records_check(records, err);
	for (int row = 0; row < SM_TRANSLATE_ROWS; row++)
		if (present[row])
			out->rows[rows++] =
				(struct sm_image_row){.key = sm_translate_row_key(row),
						      .name = sm_translate_row_name(model, row),
						      .baseline = row > 0,
						      .scores = out->scores + (size_t)row * n};
	if (st == SM_OK)
		st = sm_image_table_make(out->rows, rows, (const char *const *)out->keys,
					 several ? out->patient : NULL, out->cases, &out->settings,
					 &out->table, err);
out:
	json_decref(seen);
	if (st != SM_OK)
		sm_translate_table_clear(out);
	return st;
}

void sm_translate_table_clear(struct sm_translate_table *t)
{
	sm_image_table_clear(&t->table);
	for (size_t i = 0; t->keys && i < t->cases; i++)
		free(t->keys[i]);
	free(t->keys);
	free(t->patient);
	sm_free(t->scores);
	*t = (struct sm_translate_table){0};
}
