/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "core/ledger.h"
#include "eval/image_summary.h"

static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

/* The object `name` of parent, made when it is not there. */
static json_t *child(json_t *parent, const char *name)
{
	json_t *o = json_object_get(parent, name);
	if (!o && json_object_set_new(parent, name, o = json_object()))
		return NULL;
	return o;
}

json_t *sm_image_scores_to_json(const struct sm_image_scores *scores)
{
	json_t *all = json_object(), *missing = json_object();
	for (int s = 0; s < SM_IMAGE_SCALES; s++)
		for (int r = 0; r < SM_IMAGE_REGIONS; r++)
			for (int m = 0; m < SM_IMAGE_METRICS; m++) {
				const unsigned why = scores->why[s][r][m];
				const char *key = sm_image_metrics[m].key;
				if (why == SM_WHY_NOT_ASKED || why == SM_WHY_NO_WINDOW ||
				    why == SM_WHY_NO_MASK)
					continue;
				json_t *one = child(child(all, sm_image_scale_keys[s]),
						    sm_image_region_keys[r]);
				json_object_set_new(one, key, real(scores->value[s][r][m]));
				if (why == SM_WHY_NONE)
					continue;
				one = child(child(missing, sm_image_scale_keys[s]),
					    sm_image_region_keys[r]);
				json_object_set_new(one, key, json_string(sm_image_reasons[why]));
			}
	json_object_set_new(all, "missing", missing);
	json_object_set_new(all, "range", real(scores->range));
	json_object_set_new(all, "voxels", json_integer((json_int_t)scores->voxels));
	json_object_set_new(all, "body", json_integer((json_int_t)scores->body));
	json_object_set_new(all, "beyond", json_integer((json_int_t)scores->beyond));
	return all;
}

static const json_t *find(const json_t *all, int s, int r)
{
	return json_object_get(json_object_get(all, sm_image_scale_keys[s]),
			       sm_image_region_keys[r]);
}

static enum sm_image_reason reason_of(const json_t *text)
{
	const char *sentence = json_string_value(text);
	for (unsigned w = 1; sentence && w < SM_IMAGE_REASONS; w++)
		if (strcmp(sentence, sm_image_reasons[w]) == 0)
			return (enum sm_image_reason)w;
	return SM_WHY_NONE;
}

/* One metric; false when the field is neither a number nor null with a known reason. */
static bool read_value(const json_t *all, int s, int r, int m, struct sm_image_scores *out)
{
	const char *key = sm_image_metrics[m].key;
	const json_t *v = json_object_get(find(all, s, r), key);
	out->value[s][r][m] = NAN;
	if (!v) {
		out->why[s][r][m] = !json_object_get(all, sm_image_scale_keys[s]) ? SM_WHY_NO_WINDOW
				    : !find(all, s, r)                            ? SM_WHY_NO_MASK
						       : SM_WHY_NOT_ASKED;
		return true;
	}
	if (json_is_number(v)) {
		out->value[s][r][m] = json_number_value(v);
		return true;
	}
	out->why[s][r][m] = (uint8_t)reason_of(
		json_object_get(find(json_object_get(all, "missing"), s, r), key));
	if (out->why[s][r][m] == SM_WHY_EQUAL)
		out->value[s][r][m] = INFINITY;
	return json_is_null(v) && out->why[s][r][m] != SM_WHY_NONE;
}

static bool read_count(const json_t *all, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(all, name);
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

enum sm_status sm_image_scores_from_json(const json_t *json, const char *what,
					 struct sm_image_scores *out, struct sm_err *err)
{
	const json_t *range = json_object_get(json, "range");
	*out = (struct sm_image_scores){0};
	if (!find(json, SM_IMAGE_OWN, SM_IMAGE_WHOLE) || !json_is_number(range) ||
	    !read_count(json, "voxels", &out->voxels) || !read_count(json, "body", &out->body) ||
	    !read_count(json, "beyond", &out->beyond))
		return SM_FAIL(err, SM_INPUT,
			       "%s: image scores lack 'own', 'range', 'voxels', 'body' or "
			       "'beyond': run stage "
			       "evaluate again",
			       what);
	out->range = json_number_value(range);
	for (int s = 0; s < SM_IMAGE_SCALES; s++)
		for (int r = 0; r < SM_IMAGE_REGIONS; r++)
			for (int m = 0; m < SM_IMAGE_METRICS; m++)
				if (!read_value(json, s, r, m, out))
					return SM_FAIL(
						err, SM_INPUT,
						"%s: image scores: '%s' (%s, %s) is neither a "
						"number nor "
						"null with a reason: run stage evaluate again",
						what, sm_image_metrics[m].key,
						sm_image_scale_keys[s], sm_image_region_keys[r]);
	return SM_OK;
}

/* ---- the table
 * ----------------------------------------------------------------------------------- */

static json_t *cell_to_json(const struct sm_image_cell *c)
{
	json_t *o = json_object();
	json_object_set_new(o, "mean", real(c->stat.mean));
	json_object_set_new(o, "sd", real(c->stat.sd));
	json_object_set_new(o, "median", real(c->stat.median));
	json_object_set_new(o, "q1", real(c->stat.q1));
	json_object_set_new(o, "q3", real(c->stat.q3));
	json_object_set_new(o, "min", real(c->stat.min));
	json_object_set_new(o, "max", real(c->stat.max));
	json_object_set_new(o, "low95", real(c->stat.low95));
	json_object_set_new(o, "high95", real(c->stat.high95));
	if (c->stat.why_no_interval != SM_INTERVAL_DRAWN)
		json_object_set_new(o, "no_interval",
				    json_string(sm_interval_words[c->stat.why_no_interval]));
	json_object_set_new(o, "n", json_integer((json_int_t)c->stat.n));
	json_object_set_new(o, "infinite", json_integer((json_int_t)c->infinite));
	json_object_set_new(o, "missing", json_integer((json_int_t)c->missing));
	return o;
}

static void add_verdict(const struct sm_image_table *t, const struct sm_image_verdict *v, json_t *o)
{
	json_object_set_new(o, "outcome", json_string(sm_image_outcomes[v->outcome]));
	if (v->outcome == SM_OUTCOME_NONE)
		return;
	json_object_set_new(o, "against", json_string(t->row[v->against].key));
	json_object_set_new(o, "cases", json_integer((json_int_t)v->cases));
	json_object_set_new(o, "wins", json_integer((json_int_t)v->wins));
	json_object_set_new(o, "model_mean", real(v->model));
	json_object_set_new(o, "baseline_mean", real(v->baseline));
	json_object_set_new(o, "unmatched", json_integer((json_int_t)v->unmatched));
	json_object_set_new(o, "lead", real(v->lead));
	json_object_set_new(o, "lead_low95", real(v->lead_interval[0]));
	json_object_set_new(o, "lead_high95", real(v->lead_interval[1]));
	json_object_set_new(o, "wilcoxon_p", real(v->wilcoxon.p));
	json_object_set_new(o, "wilcoxon_holm", real(v->holm_wilcoxon));
	json_object_set_new(o, "permutation_p", real(v->permutation.p));
	json_object_set_new(o, "permutation_holm", real(v->holm_permutation));
}

static json_t *row_to_json(const struct sm_image_table *t, size_t row)
{
	json_t *scores = json_object();
	for (int s = 0; s < SM_IMAGE_SCALES; s++)
		for (int r = 0; r < SM_IMAGE_REGIONS; r++)
			for (int m = 0; m < SM_IMAGE_METRICS; m++) {
				if (!sm_image_shown(t, s, r, m) ||
				    !sm_image_row_shown(t, row, s, r))
					continue;
				json_t *o = cell_to_json(&t->cells[row].at[s][r][m]);
				if (!t->row[row].baseline)
					add_verdict(t, &t->cells[row].verdict[s][r][m], o);
				json_object_set_new(child(child(scores, sm_image_scale_keys[s]),
							  sm_image_region_keys[r]),
						    sm_image_metrics[m].key, o);
			}
	return json_pack("{s:s, s:s, s:b, s:o}", "key", t->row[row].key, "name", t->row[row].name,
			 "baseline", (int)t->row[row].baseline, "scores", scores);
}

json_t *sm_image_table_to_json(const struct sm_image_table *t)
{
	const struct sm_image_settings *s = t->settings;
	const bool windowed = s->window[1] > s->window[0], given = s->rule == SM_RANGE_GIVEN;
	json_t *rows = json_array(), *all = json_object();
	for (size_t i = 0; i < t->rows; i++)
		json_array_append_new(rows, row_to_json(t, i));
	json_object_set_new(all, "cases", json_integer((json_int_t)t->cases));
	json_object_set_new(all, "unit", json_string(s->unit));
	json_object_set_new(all, "range_rule", json_string(given ? "given" : "truth"));
	json_object_set_new(all, "range", given ? json_real(s->range) : json_null());
	json_object_set_new(all, "window", windowed ? sm_json_floats(s->window, 2) : json_null());
	json_object_set_new(all, "clip", json_boolean(s->clip));
	if (s->from_low)
		json_object_set_new(all, "ssim_low", json_real(s->low));
	json_object_set_new(all, "axis", json_integer(s->axis));
	json_object_set_new(all, "bins", json_integer(s->bins));
	json_object_set_new(all, "bone", json_real(s->bone));
	json_object_set_new(all, "ink", json_real(s->ink));
	json_object_set_new(all, "bright_ink", json_boolean(s->bright_ink));
	json_object_set_new(all, "seed", json_integer((json_int_t)s->seed));
	json_object_set_new(all, "resamples", json_integer((json_int_t)s->resamples));
	json_object_set_new(all, "rows", rows);
	return all;
}
