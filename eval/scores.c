/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/scores.h"

#include <math.h>
#include <string.h>

#include "core/mem.h"

enum sm_status sm_case_scores_init(struct sm_case_scores *s, size_t rows, size_t columns,
				   struct sm_err *err)
{
	size_t cells;
	*s = (struct sm_case_scores){.rows = rows, .columns = columns};
	if (!sm_mul(rows ? rows : 1, columns ? columns : 1, &cells))
		return SM_FAIL(err, SM_BUDGET, "scores of a case: too many cells");
	s->counts = sm_calloc(NULL, rows ? rows : 1, sizeof *s->counts, "counts of a case", err);
	s->cell = sm_alloc(NULL, cells, sizeof *s->cell, "scores of a case", err);
	s->situation = sm_alloc(NULL, rows ? rows : 1, 1, "scores of a case", err);
	if (!s->counts || !s->cell || !s->situation) {
		sm_case_scores_clear(s);
		return SM_BUDGET;
	}
	/* The tail of a cell stays zero: books of scores are compared as bytes. */
	memset(s->cell, 0, cells * sizeof *s->cell);
	for (size_t i = 0; i < cells; i++) {
		s->cell[i].v = NAN;
		s->cell[i].why = SM_NOT_DEFINED;
	}
	memset(s->situation, SM_BOTH_EMPTY, rows ? rows : 1);
	return SM_OK;
}

void sm_case_scores_clear(struct sm_case_scores *s)
{
	sm_free(s->counts);
	sm_free(s->cell);
	sm_free(s->situation);
	*s = (struct sm_case_scores){0};
}

static json_t *row_to_json(const struct sm_columns *columns, const struct sm_case_scores *s,
			   size_t row)
{
	json_t *one = json_object(), *why = json_object();
	const struct sm_counts *c = &s->counts[row];
	for (size_t i = 0; i < columns->n; i++) {
		const struct sm_cell *cell = &s->cell[row * s->columns + i];
		const char *key = columns->at[i].key;
		json_object_set_new(one, key, isfinite(cell->v) ? json_real(cell->v) : json_null());
		if (cell->why != SM_HAS_VALUE)
			json_object_set_new(why, key, json_string(sm_why_keys[cell->why]));
	}
	json_object_set_new(one, "tp", json_integer((json_int_t)c->tp));
	json_object_set_new(one, "fp", json_integer((json_int_t)c->fp));
	json_object_set_new(one, "fn", json_integer((json_int_t)c->fn));
	json_object_set_new(one, "tn", json_integer((json_int_t)c->tn));
	json_object_set_new(one, "situation", json_string(sm_situation_keys[s->situation[row]]));
	if (json_object_size(why))
		json_object_set_new(one, "why", why);
	else
		json_decref(why);
	return one;
}

json_t *sm_case_scores_to_json(const struct sm_label_map *map, const struct sm_columns *columns,
			       const struct sm_case_scores *s)
{
	json_t *all = json_object();
	for (size_t r = 0; r < map->n; r++)
		json_object_set_new(all, map->row[r].key, row_to_json(columns, s, r));
	return all;
}

static bool get_count(const json_t *object, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

/* What the record says of a cell; false when it has no such cell. */
static bool get_cell(const json_t *row, const char *key, struct sm_cell *cell)
{
	const json_t *v = json_object_get(row, key);
	const char *word = json_string_value(json_object_get(json_object_get(row, "why"), key));
	if (!json_is_number(v) && !json_is_null(v))
		return false;
	size_t why = json_is_null(v) ? SM_LEFT_OUT : SM_HAS_VALUE;
	for (why = word ? 0 : why; word && why < SM_CELL_WHYS; why++)
		if (strcmp(word, sm_why_keys[why]) == 0)
			break;
	if (why == SM_CELL_WHYS || json_is_null(v) == (why == SM_HAS_VALUE || why == SM_BY_POLICY))
		return false;
	cell->v = json_is_null(v) ? NAN : json_number_value(v);
	cell->why = (uint8_t)why;
	return true;
}

static enum sm_status row_from_json(const struct sm_label_map *map,
				    const struct sm_columns *columns, const json_t *one,
				    const char *what, struct sm_case_scores *s, size_t row,
				    struct sm_err *err)
{
	struct sm_counts *c = &s->counts[row];
	if (!get_count(one, "tp", &c->tp) || !get_count(one, "fp", &c->fp) ||
	    !get_count(one, "fn", &c->fn) || !get_count(one, "tn", &c->tn))
		return SM_FAIL(err, SM_INPUT,
			       "%s: scores: region '%s' lacks its counts: run stage evaluate again",
			       what, map->row[row].key);
	s->situation[row] = (uint8_t)sm_situation_of(c);
	for (size_t i = 0; i < columns->n; i++)
		if (!get_cell(one, columns->at[i].key, &s->cell[row * s->columns + i]))
			return SM_FAIL(err, SM_INPUT,
				       "%s: scores: region '%s' lacks '%s': run stage evaluate "
				       "again",
				       what, map->row[row].key, columns->at[i].key);
	return SM_OK;
}

enum sm_status sm_case_scores_from_json(const struct sm_label_map *map,
					const struct sm_columns *columns, const json_t *record,
					const char *what, struct sm_case_scores *out,
					struct sm_err *err)
{
	const json_t *scores = json_object_get(record, "scores");
	const json_t *spacing = json_object_get(record, "spacing");
	enum sm_status st = sm_case_scores_init(out, map->n, columns->n, err);
	for (size_t r = 0; st == SM_OK && r < map->n; r++)
		st = row_from_json(map, columns, json_object_get(scores, map->row[r].key), what,
				   out, r, err);
	if (st != SM_OK) {
		sm_case_scores_clear(out);
		return st;
	}
	out->voxel_mm3 = json_number_value(json_object_get(record, "voxel_mm3"));
	for (size_t a = 0; a < 3; a++)
		out->spacing[a] = json_number_value(json_array_get(spacing, a));
	return SM_OK;
}
