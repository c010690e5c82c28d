/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/summary.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	if (isnan(x) || isnan(y))
		return !!isnan(x) - !!isnan(y);
	return (x > y) - (x < y);
}

void sm_stat_of(double *v, size_t n, struct sm_stat *out)
{
	double sum = 0, squares = 0;
	*out = (struct sm_stat){NAN, NAN, NAN, 0};
	for (size_t i = 0; i < n; i++)
		if (!isnan(v[i])) {
			sum += v[i];
			out->n++;
		}
	if (!out->n)
		return;
	out->mean = sum / (double)out->n;
	for (size_t i = 0; i < n; i++)
		if (!isnan(v[i]))
			squares += (v[i] - out->mean) * (v[i] - out->mean);
	if (out->n > 1)
		out->sd = sqrt(squares / (double)(out->n - 1));
	qsort(v, n, sizeof *v, by_value);
	out->median = (v[(out->n - 1) / 2] + v[out->n / 2]) / 2;
}

enum sm_status sm_summarise(const struct sm_label_map *map, const struct sm_scores *scores,
			    size_t n, struct sm_summary *out, struct sm_err *err)
{
	double *v = sm_alloc(NULL, n ? n : 1, sizeof *v, "summary", err);
	*out = (struct sm_summary){.cases = n};
	if (!v)
		return SM_BUDGET;
	for (size_t r = 0; r < map->n; r++) {
		for (size_t m = 0; m < SM_METRICS; m++) {
			for (size_t i = 0; i < n; i++)
				v[i] = scores[i].value[r][m];
			sm_stat_of(v, n, &out->stat[r][m]);
		}
		for (size_t i = 0; i < n; i++) {
			bool none = sm_truth_empty(&scores[i].counts[r]);
			bool none_found = sm_prediction_empty(&scores[i].counts[r]);
			out->empty_truth[r] += none;
			out->empty_both[r] += none && none_found;
			out->empty_prediction[r] += !none && none_found;
		}
	}
	sm_free(v);
	return SM_OK;
}

static json_t *real(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

json_t *sm_scores_to_json(const struct sm_label_map *map, const struct sm_scores *scores)
{
	json_t *all = json_object();
	for (size_t r = 0; r < map->n; r++) {
		const struct sm_counts *c = &scores->counts[r];
		json_t *one = json_object();
		for (size_t m = 0; m < SM_METRICS; m++)
			json_object_set_new(one, sm_metrics[m].key, real(scores->value[r][m]));
		json_object_set_new(one, "tp", json_integer((json_int_t)c->tp));
		json_object_set_new(one, "fp", json_integer((json_int_t)c->fp));
		json_object_set_new(one, "fn", json_integer((json_int_t)c->fn));
		json_object_set_new(one, "tn", json_integer((json_int_t)c->tn));
		json_object_set_new(one, "empty_truth", json_boolean(sm_truth_empty(c)));
		json_object_set_new(one, "empty_prediction", json_boolean(sm_prediction_empty(c)));
		json_object_set_new(all, map->row[r].key, one);
	}
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

enum sm_status sm_scores_from_json(const struct sm_label_map *map, const json_t *json,
				   const char *what, struct sm_scores *out, struct sm_err *err)
{
	*out = (struct sm_scores){0};
	for (size_t r = 0; r < map->n; r++) {
		const json_t *one = json_object_get(json, map->row[r].key);
		struct sm_counts *c = &out->counts[r];
		if (!get_count(one, "tp", &c->tp) || !get_count(one, "fp", &c->fp) ||
		    !get_count(one, "fn", &c->fn) || !get_count(one, "tn", &c->tn))
			return SM_FAIL(err, SM_INPUT,
				       "%s: scores: region '%s' lacks its counts: run stage "
				       "evaluate again",
				       what, map->row[r].key);
		for (size_t m = 0; m < SM_METRICS; m++) {
			const json_t *v = json_object_get(one, sm_metrics[m].key);
			if (!json_is_number(v) && !json_is_null(v))
				return SM_FAIL(err, SM_INPUT,
					       "%s: scores: region '%s' lacks '%s': run stage "
					       "evaluate again",
					       what, map->row[r].key, sm_metrics[m].key);
			out->value[r][m] = json_is_null(v) ? NAN : json_number_value(v);
		}
	}
	return SM_OK;
}

json_t *sm_summary_to_json(const struct sm_label_map *map, const struct sm_summary *s)
{
	json_t *all = json_object(), *regions = json_object();
	for (size_t r = 0; r < map->n; r++) {
		json_t *one = json_object();
		for (size_t m = 0; m < SM_METRICS; m++) {
			const struct sm_stat *stat = &s->stat[r][m];
			json_t *o = json_object();
			json_object_set_new(o, "mean", real(stat->mean));
			json_object_set_new(o, "sd", real(stat->sd));
			json_object_set_new(o, "median", real(stat->median));
			json_object_set_new(o, "n", json_integer((json_int_t)stat->n));
			json_object_set_new(one, sm_metrics[m].key, o);
		}
		json_object_set_new(one, "empty_truth",
				    json_integer((json_int_t)s->empty_truth[r]));
		json_object_set_new(one, "empty_both", json_integer((json_int_t)s->empty_both[r]));
		json_object_set_new(one, "empty_prediction",
				    json_integer((json_int_t)s->empty_prediction[r]));
		json_object_set_new(regions, map->row[r].key, one);
	}
	json_object_set_new(all, "cases", json_integer((json_int_t)s->cases));
	json_object_set_new(all, "regions", regions);
	return all;
}

void sm_text_number(struct sm_text *out, double v, int decimals, const char *missing)
{
	if (isfinite(v))
		sm_text_f(out, "%.*f", decimals, v);
	else
		sm_text_str(out, missing);
}

void sm_region_labels(const struct sm_label_map *map, size_t row, char out[SM_REGION_LABELS])
{
	size_t n = 0;
	out[0] = '\0';
	for (size_t c = 0; c < map->classes; c++)
		if (map->row[row].members >> c & 1)
			n += (size_t)snprintf(out + n, SM_REGION_LABELS - n, "%s%u", n ? "," : "",
					      (unsigned)map->value[c]);
}

/* Widths of the first two columns of a table: the names' and the labels'. */
static void find_widths(const struct sm_label_map *map, int width[2])
{
	width[0] = 14;
	width[1] = 6;
	for (size_t r = 0; r < map->n; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		int n[2] = {(int)strlen(map->row[r].name), (int)strlen(labels)};
		for (int k = 0; k < 2; k++)
			width[k] = n[k] > width[k] ? n[k] : width[k];
	}
}

/* Right-aligned number in a column of the terminal table. */
static void cell(struct sm_text *out, double v)
{
	if (isfinite(v))
		sm_text_f(out, "  %11.4f", v);
	else
		sm_text_f(out, "  %11s", "-");
}

void sm_summary_print(const struct sm_label_map *map, struct sm_text *out,
		      const struct sm_summary *s)
{
	int width[2];
	find_widths(map, width);
	sm_text_f(out, "%zu %s\n\n%-*s  %-*s", s->cases, s->cases == 1 ? "case" : "cases",
		  width[0], "region", width[1], "labels");
	sm_text_f(out, "  %11s  %11s  %11s  %11s  %11s  %5s  %11s\n", "Dice", "SD", "median",
		  "sensitivity", "specificity", "n", "empty truth");
	for (size_t r = 0; r < map->n; r++) {
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		sm_text_f(out, "%-*s  %-*s", width[0], map->row[r].name, width[1], labels);
		cell(out, s->stat[r][SM_DICE].mean);
		cell(out, s->stat[r][SM_DICE].sd);
		cell(out, s->stat[r][SM_DICE].median);
		cell(out, s->stat[r][SM_SENSITIVITY].mean);
		cell(out, s->stat[r][SM_SPECIFICITY].mean);
		sm_text_f(out, "  %5zu  %11zu\n", s->stat[r][SM_DICE].n, s->empty_truth[r]);
	}
}

void sm_scores_print(const struct sm_label_map *map, struct sm_text *out,
		     const struct sm_scores *scores)
{
	int width[2];
	find_widths(map, width);
	sm_text_f(out, "%-*s  %-*s", width[0], "region", width[1], "labels");
	for (size_t m = 0; m < SM_METRICS; m++)
		sm_text_f(out, "  %11s", sm_metrics[m].name);
	sm_text_f(out, "  %10s  %10s\n", "truth", "prediction");
	for (size_t r = 0; r < map->n; r++) {
		const struct sm_counts *c = &scores->counts[r];
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		sm_text_f(out, "%-*s  %-*s", width[0], map->row[r].name, width[1], labels);
		for (size_t m = 0; m < SM_METRICS; m++)
			cell(out, scores->value[r][m]);
		sm_text_f(out, "  %10" PRIu64 "  %10" PRIu64 "\n", c->tp + c->fn, c->tp + c->fp);
	}
	sm_text_str(out, "(truth, prediction: voxels)\n");
}

void sm_summary_csv(const struct sm_label_map *map, struct sm_text *out,
		    const struct sm_summary *s)
{
	sm_text_str(
		out,
		"region,labels,metric,mean,sd,median,n,empty_truth,empty_both,empty_prediction\n");
	for (size_t r = 0; r < map->n; r++)
		for (size_t m = 0; m < SM_METRICS; m++) {
			const struct sm_stat *stat = &s->stat[r][m];
			char labels[SM_REGION_LABELS];
			sm_region_labels(map, r, labels);
			sm_text_f(out, "%s,", map->row[r].key);
			sm_text_csv(out, labels);
			sm_text_f(out, ",%s,", sm_metrics[m].key);
			sm_text_number(out, stat->mean, 6, "");
			sm_text_str(out, ",");
			sm_text_number(out, stat->sd, 6, "");
			sm_text_str(out, ",");
			sm_text_number(out, stat->median, 6, "");
			sm_text_f(out, ",%zu,%zu,%zu,%zu\n", stat->n, s->empty_truth[r],
				  s->empty_both[r], s->empty_prediction[r]);
		}
}

void sm_scores_csv_head(struct sm_text *out)
{
	sm_text_str(out, "case,region,labels");
	for (size_t m = 0; m < SM_METRICS; m++)
		sm_text_f(out, ",%s", sm_metrics[m].key);
	sm_text_str(out, ",tp,fp,fn,tn\n");
}

void sm_scores_csv(const struct sm_label_map *map, struct sm_text *out, const char *key,
		   const struct sm_scores *scores)
{
	for (size_t r = 0; r < map->n; r++) {
		const struct sm_counts *c = &scores->counts[r];
		char labels[SM_REGION_LABELS];
		sm_region_labels(map, r, labels);
		sm_text_csv(out, key);
		sm_text_f(out, ",%s,", map->row[r].key);
		sm_text_csv(out, labels);
		for (size_t m = 0; m < SM_METRICS; m++) {
			sm_text_str(out, ",");
			sm_text_number(out, scores->value[r][m], 6, "");
		}
		sm_text_f(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", c->tp, c->fp,
			  c->fn, c->tn);
	}
}
