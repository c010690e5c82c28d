/* SPDX-License-Identifier: Apache-2.0
 *
 * What a score is worth where a region is empty, cell by cell of the policy table; columns from a
 * manifest and from a ledger; scores of a case in a ledger and back; a whole case by its policy.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "eval/case_score.h"

static const struct sm_metric *metric(const char *key)
{
	for (size_t m = 0; m < sm_metric_count; m++)
		if (strcmp(sm_metric_rows[m].key, key) == 0)
			return &sm_metric_rows[m];
	fail_msg("no metric %s", key);
	return NULL;
}

enum { NAN_ = -1, INF_ = -2, OUT_ = -3, FAR_ = -4 };

/* Of every policy, in its order: values for both empty, truth empty, prediction empty, where the
 * formula has none. */
static const struct {
	const char *key;
	double is[SM_POLICIES][3];
} cells[] = {
	{"dice", {{1, 0, 0}, {OUT_, OUT_, OUT_}, {1, 0, 0}, {1, 0, 0}}},
	{"hd95", {{0, FAR_, FAR_}, {OUT_, OUT_, OUT_}, {0, INF_, INF_}, {0, FAR_, FAR_}}},
	{"nsd", {{1, 0, 0}, {OUT_, OUT_, OUT_}, {1, 0, 0}, {1, 0, 0}}},
	{"specificity",
	 {{NAN_, NAN_, NAN_}, {NAN_, NAN_, NAN_}, {NAN_, NAN_, NAN_}, {NAN_, NAN_, NAN_}}},
};

static void every_policy_has_its_value(void **state)
{
	(void)state;
	for (size_t i = 0; i < SM_COUNT(cells); i++)
		for (int p = 0; p < SM_POLICIES; p++)
			for (int s = 0; s < 3; s++) {
				double v = NAN, want = cells[i].is[p][s];
				enum sm_why why =
					sm_policy_value((enum sm_policy)p, metric(cells[i].key),
							(enum sm_situation)(SM_BOTH_EMPTY + s), &v);
				enum sm_why expected = want == NAN_   ? SM_NOT_DEFINED
						       : want == INF_ ? SM_IS_INFINITE
						       : want == OUT_ ? SM_LEFT_OUT
								      : SM_BY_POLICY;
				assert_int_equal(why, expected);
				if (why != SM_BY_POLICY)
					assert_true(isnan(v));
				else
					assert_true(v ==
						    (want == FAR_ ? SM_BRATS_DISTANCE_MM : want));
			}
	assert_true(fabs(SM_BRATS_DISTANCE_MM - sqrt(240 * 240 + 240 * 240 + 155 * 155)) < 1e-12);
}

static void a_value_of_the_formula_stands(void **state)
{
	(void)state;
	for (int p = 0; p < SM_POLICIES; p++)
		for (int s = 0; s < SM_SITUATIONS; s++) {
			double v = 0.25;
			assert_int_equal(sm_policy_value((enum sm_policy)p, metric("dice"),
							 (enum sm_situation)s, &v),
					 SM_HAS_VALUE);
			assert_true(v == 0.25);
		}
	/* Both there and no value: no policy speaks. */
	double v = NAN;
	assert_int_equal(sm_policy_value(SM_POLICY_BRATS2020, metric("dice"), SM_BOTH_FULL, &v),
			 SM_NOT_DEFINED);
	assert_true(isnan(v));
}

static void situations_are_told_from_counts(void **state)
{
	(void)state;
	assert_int_equal(sm_situation_of(&(struct sm_counts){1, 0, 0, 9}), SM_BOTH_FULL);
	assert_int_equal(sm_situation_of(&(struct sm_counts){0, 1, 1, 9}), SM_BOTH_FULL);
	assert_int_equal(sm_situation_of(&(struct sm_counts){0, 0, 0, 9}), SM_BOTH_EMPTY);
	assert_int_equal(sm_situation_of(&(struct sm_counts){0, 1, 0, 9}), SM_TRUTH_EMPTY);
	assert_int_equal(sm_situation_of(&(struct sm_counts){0, 0, 1, 9}), SM_PREDICTION_EMPTY);
}

/* The original study's ratios: smoothed always, not only where something is empty. */
static void the_seed_policy_smooths(void **state)
{
	(void)state;
	const struct sm_counts c = {4, 2, 1, 93}, none = {0, 0, 0, 100};
	struct sm_cell cell = sm_overlap_cell(SM_POLICY_SEED, metric("dice"), &c, 1);
	assert_true(cell.v == 9.0 / 12 && cell.why == SM_HAS_VALUE);
	cell = sm_overlap_cell(SM_POLICY_SEED, metric("iou"), &c, 1);
	assert_true(cell.v == 5.0 / 8);
	cell = sm_overlap_cell(SM_POLICY_SEED, metric("sensitivity"), &c, 1);
	assert_true(cell.v == 4 / (5 + 1e-7));
	cell = sm_overlap_cell(SM_POLICY_SEED, metric("specificity"), &c, 1);
	assert_true(cell.v == 93 / (95 + 1e-7));
	cell = sm_overlap_cell(SM_POLICY_SEED, metric("accuracy"), &c, 1);
	assert_true(cell.v == 0.97);
	cell = sm_overlap_cell(SM_POLICY_SEED, metric("dice"), &none, 1);
	assert_true(cell.v == 1 && cell.why == SM_BY_POLICY);
	cell = sm_overlap_cell(SM_POLICY_SEED, metric("sensitivity"), &none, 1);
	assert_true(cell.v == 0 && cell.why == SM_BY_POLICY);
	cell = sm_overlap_cell(SM_POLICY_BRATS2020, metric("dice"), &c, 1);
	assert_true(cell.v == 8.0 / 11);
}

/* The manifest's choices stand in the order of the table. */
static void the_manifest_knows_the_policies(void **state)
{
	(void)state;
	const struct sm_fieldset *set = NULL;
	for (size_t i = 0; i < sm_manifest_schema.count; i++)
		if (strcmp(sm_manifest_schema.fields[i].key, "evaluate") == 0)
			set = sm_manifest_schema.fields[i].of;
	assert_non_null(set);
	char names[128], rules[128] = "off";
	int used = 0, room = 3;
	for (int p = 0; p < SM_POLICIES; p++)
		used += snprintf(names + used, sizeof names - (size_t)used, "%s%s", p ? "|" : "",
				 sm_policy_names[p]);
	for (int r = 0; r < SM_LESION_RULES; r++)
		room += snprintf(rules + room, sizeof rules - (size_t)room, "|%s",
				 sm_lesion_rules[r].name);
	size_t found = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (strcmp(set->fields[i].key, "empty") == 0) {
			assert_string_equal(set->fields[i].choices, names);
			assert_string_equal(set->fields[i].fallback, sm_policy_names[0]);
			found++;
		}
		if (strcmp(set->fields[i].key, "lesions") == 0) {
			assert_string_equal(set->fields[i].choices, rules);
			found++;
		}
	}
	assert_int_equal(found, 2);
}

static double one_mm[] = {1}, two[] = {0.5, 2}, twice[] = {2, 2}, zero[] = {0};

static void columns_are_those_of_the_manifest(void **state)
{
	(void)state;
	static const char *const usual[] = {"dice",        "iou",       "sensitivity",
					    "specificity", "precision", "hd95",
					    "assd",        "nsd_1mm",   "volume_difference"};
	static char *some[] = {"nsd", "dice", "pq"}, *all[] = {"all"}, *by[] = {"voxel", "slice"};
	struct sm_evaluate_section s = {.tolerances = {one_mm, 1}};
	struct sm_columns c;
	struct sm_err err = {0};
	assert_good(sm_columns_make(&s, &c, &err), err);
	assert_int_equal(c.n, SM_COUNT(usual));
	for (size_t i = 0; i < c.n; i++)
		assert_string_equal(c.at[i].key, usual[i]);
	assert_int_equal(c.families,
			 1 << SM_FROM_COUNTS | 1 << SM_FROM_SURFACE | 1 << SM_FROM_VOLUMES);
	s.metrics = (struct sm_strings){some, 3};
	s.tolerances = (struct sm_floats){two, 2};
	s.by = (struct sm_strings){by, 2};
	assert_good(sm_columns_make(&s, &c, &err), err);
	assert_int_equal(c.n, 5);
	assert_string_equal(c.at[0].key, "nsd_0.5mm");
	assert_string_equal(c.at[1].name, "NSD 2 mm");
	assert_true(c.at[1].tolerance == 1 && c.at[1].tolerance_mm == 2);
	assert_string_equal(c.at[4].key, "dice_by_slice");
	assert_int_equal(sm_column_find(&c, "pq"), 3);
	assert_int_equal(sm_column_find(&c, "p"), c.n);
	/* By way of a ledger. */
	struct sm_columns back;
	json_t *json = sm_columns_to_json(&c);
	assert_good(sm_columns_read(json, &back, &err), err);
	assert_memory_equal(&back, &c, sizeof c);
	json_object_set_new(json_array_get(json, 2), "metric", json_string("dize"));
	assert_refused(sm_columns_read(json, &back, &err), SM_INPUT, err,
		       "evaluate ledger: columns: found metric 'dize'");
	json_decref(json);
	assert_good(sm_columns_read(NULL, &back, &err), err);
	assert_true(back.n == 3 && sm_column_find(&back, "specificity") == 2);
	/* All of everything still fits. */
	s.metrics = (struct sm_strings){all, 1};
	by[0] = "tile";
	assert_good(sm_columns_make(&s, &c, &err), err);
	assert_true(c.n > sm_metric_count && c.units == 7);
	for (size_t i = 0; i < c.n; i++)
		assert_int_equal(sm_column_find(&c, c.at[i].key), i);
	by[0] = "voxel";
	/* A rule adds its columns to the usual ones. */
	s = (struct sm_evaluate_section){.tolerances = {one_mm, 1}, .lesions = 2};
	assert_good(sm_columns_make(&s, &c, &err), err);
	assert_true(sm_column_find(&c, "lesion_dice") < c.n && sm_column_find(&c, "dice") == 0);
	assert_string_equal(sm_lesion_rule_of(&s)->name, "ssa");
}

static void columns_that_cannot_be_are_refused(void **state)
{
	(void)state;
	static char *unknown[] = {"dize"}, *again[] = {"dice", "iou", "dice"};
	struct sm_evaluate_section s = {.tolerances = {one_mm, 1}, .metrics = {unknown, 1}};
	struct sm_columns c;
	struct sm_err err = {0};
	assert_refused(sm_columns_make(&s, &c, &err), SM_USAGE, err,
		       "metrics: found 'dize', allowed are all, dice, iou");
	s.metrics = (struct sm_strings){again, 3};
	assert_refused(sm_columns_make(&s, &c, &err), SM_USAGE, err,
		       "metrics: found 'dice' again, allowed is once");
	s = (struct sm_evaluate_section){.tolerances = {twice, 2}};
	assert_refused(sm_columns_make(&s, &c, &err), SM_USAGE, err, "evaluate.tolerances: found 2 and 2, which are both called 'nsd_2mm'");
	s.tolerances = (struct sm_floats){zero, 1};
	assert_refused(sm_columns_make(&s, &c, &err), SM_USAGE, err,
		       "evaluate.tolerances: found 0, allowed is above 0");
}

/* A case of two voxels of label 4 in the truth (3, 4 and 2 mm), one of them found; no label 1. */
static void make_pair(struct sm_vol *t, struct sm_vol *p)
{
	const int64_t dim[4] = {6, 5, 4, 1};
	struct sm_vol *both[] = {t, p};
	struct sm_err err = {0};
	for (int k = 0; k < 2; k++) {
		assert_good(sm_vol_init(both[k], dim, SM_U8, NULL, "volume", &err), err);
		memset(both[k]->data, 0, sm_vol_count(both[k]));
		both[k]->affine[0][0] = 3;
		both[k]->affine[1][1] = 4;
		both[k]->affine[2][2] = 2;
	}
	((uint8_t *)t->data)[2 * 30 + 2 * 6 + 2] = ((uint8_t *)t->data)[2 * 30 + 2 * 6 + 3] = 4;
	((uint8_t *)p->data)[2 * 30 + 2 * 6 + 2] = 4;
}

static struct sm_cell at(const struct sm_case_scores *s, const struct sm_columns *c, size_t row,
			 const char *key)
{
	size_t i = sm_column_find(c, key);
	assert_true(i < c->n);
	return s->cell[row * s->columns + i];
}

static void a_case_is_scored_by_its_policy(void **state)
{
	(void)state;
	static char *all[] = {"all"};
	struct sm_evaluate_section s = {.tolerances = {one_mm, 1},
					.metrics = {all, 1},
					.grid_tolerance = 0.01,
					.match_iou = 0.5};
	struct sm_columns c;
	struct sm_err err = {0};
	assert_good(sm_columns_make(&s, &c, &err), err);
	for (int policy = 0; policy < SM_POLICIES; policy++) {
		struct sm_vol t, p;
		struct sm_case_scores out, back;
		make_pair(&t, &p);
		s.empty = policy;
		assert_good(sm_case_score(&t, "truth", &p, "prediction", &s, &sm_brats_map, &c,
					  NULL, 2, &out, &err),
			    err);
		bool seed = policy == SM_POLICY_SEED;
		assert_true(at(&out, &c, SM_ET, "dice").v == (seed ? 3.0 / 4 : 2.0 / 3));
		/* d1 = 0 and 3 mm, d2 = 0. */
		assert_true(at(&out, &c, SM_ET, "hd").v == 3);
		assert_true(fabs(at(&out, &c, SM_ET, "hd95").v - 2.85) < 1e-12);
		assert_true(fabs(at(&out, &c, SM_ET, "hd95_pooled").v - 2.7) < 1e-12);
		assert_true(at(&out, &c, SM_ET, "assd").v == 1);
		assert_true(at(&out, &c, SM_ET, "assd_mean").v == 0.75);
		assert_true(at(&out, &c, SM_ET, "nsd_1mm").v == 2.0 / 3);
		assert_true(at(&out, &c, SM_ET, "volume_difference").v == -0.024);
		assert_true(at(&out, &c, SM_ET, "lesion_dice").why == SM_HAS_VALUE);
		assert_true(out.voxel_mm3 == 24 && out.spacing[1] == 4);
		assert_int_equal(out.situation[SM_ET], SM_BOTH_FULL);
		assert_int_equal(out.situation[SM_LABEL_1], SM_BOTH_EMPTY);
		struct sm_cell d = at(&out, &c, SM_LABEL_1, "dice"),
			       h = at(&out, &c, SM_LABEL_1, "hd95"),
			       l = at(&out, &c, SM_LABEL_1, "lesion_hd95");
		if (policy == SM_POLICY_NNUNET) {
			assert_true(d.why == SM_LEFT_OUT && isnan(d.v));
			assert_true(h.why == SM_LEFT_OUT && l.why == SM_LEFT_OUT);
		} else {
			assert_true(d.why == SM_BY_POLICY && d.v == 1);
			assert_true(h.why == SM_BY_POLICY && h.v == 0 && l.v == 0);
		}
		assert_true(at(&out, &c, SM_LABEL_1, "lesion_fp").v == 0);
		/* By way of a ledger. */
		json_t *record = json_object();
		json_object_set_new(record, "scores",
				    sm_case_scores_to_json(&sm_brats_map, &c, &out));
		json_object_set_new(record, "voxel_mm3", json_real(out.voxel_mm3));
		json_object_set_new(record, "spacing", sm_json_floats(out.spacing, 3));
		char *line = sm_json_line(record);
		json_decref(record);
		record = json_loads(line, 0, NULL);
		assert_good(sm_case_scores_from_json(&sm_brats_map, &c, record, "x", &back, &err),
			    err);
		assert_memory_equal(back.counts, out.counts, out.rows * sizeof *out.counts);
		assert_memory_equal(back.situation, out.situation, out.rows);
		for (size_t i = 0; i < out.rows * out.columns; i++) {
			assert_int_equal(back.cell[i].why, out.cell[i].why);
			assert_true(back.cell[i].v == out.cell[i].v ||
				    (isnan(back.cell[i].v) && isnan(out.cell[i].v)));
		}
		sm_case_scores_clear(&back);
		json_object_del(json_object_get(json_object_get(record, "scores"), "tc"), "hd95");
		assert_refused(
			sm_case_scores_from_json(&sm_brats_map, &c, record, "case x", &back, &err),
			SM_INPUT, err, "case x: scores: region 'tc' lacks 'hd95'");
		json_object_del(json_object_get(json_object_get(record, "scores"), "wt"), "fn");
		assert_refused(
			sm_case_scores_from_json(&sm_brats_map, &c, record, "case x", &back, &err),
			SM_INPUT, err, "region 'wt' lacks its counts");
		free(line);
		json_decref(record);
		sm_case_scores_clear(&out);
		sm_vol_clear(&t);
		sm_vol_clear(&p);
	}
}

/* One voxel in the truth, none predicted: infinite under strict, and told so. */
static void an_infinite_distance_is_no_number(void **state)
{
	(void)state;
	struct sm_evaluate_section s = {
		.tolerances = {one_mm, 1}, .grid_tolerance = 0.01, .empty = SM_POLICY_STRICT};
	struct sm_columns c;
	struct sm_case_scores out;
	struct sm_vol t, p;
	struct sm_err err = {0};
	assert_good(sm_columns_make(&s, &c, &err), err);
	make_pair(&t, &p);
	memset(p.data, 0, sm_vol_count(&p));
	assert_good(sm_case_score(&t, "truth", &p, "prediction", &s, &sm_brats_map, &c, NULL, 1,
				  &out, &err),
		    err);
	struct sm_cell h = at(&out, &c, SM_ET, "hd95");
	assert_true(h.why == SM_IS_INFINITE && isnan(h.v));
	assert_true(at(&out, &c, SM_ET, "dice").v == 0);
	assert_true(at(&out, &c, SM_ET, "nsd_1mm").v == 0);
	json_t *json = sm_case_scores_to_json(&sm_brats_map, &c, &out);
	const json_t *et = json_object_get(json, "et");
	assert_true(json_is_null(json_object_get(et, "hd95")));
	assert_string_equal(sm_json_text(json_object_get(et, "why"), "hd95"), "infinite");
	assert_string_equal(sm_json_text(et, "situation"), "prediction_empty");
	json_decref(json);
	sm_case_scores_clear(&out);
	sm_vol_clear(&t);
	sm_vol_clear(&p);
}

/* Ledgers before version 3: null is what was left out. */
static void older_records_are_read(void **state)
{
	(void)state;
	struct sm_columns c;
	struct sm_case_scores out;
	struct sm_err err = {0};
	struct sm_evaluate_label label = {1, "x"};
	struct sm_evaluate_section s = {.threshold = NAN, .labels = {&label, 1}};
	struct sm_label_map map;
	assert_good(sm_label_map_make(&s, &map, &err), err);
	assert_good(sm_columns_read(NULL, &c, &err), err);
	json_t *record = json_pack("{s:{s:{s:n, s:f, s:f, s:i, s:i, s:i, s:i}}, s:f}", "scores",
				   "x", "dice", "sensitivity", 0.5, "specificity", 1.0, "tp", 0,
				   "fp", 2, "fn", 0, "tn", 7, "voxel_mm3", 2.0);
	assert_non_null(record);
	assert_good(sm_case_scores_from_json(&map, &c, record, "k", &out, &err), err);
	assert_true(out.cell[0].why == SM_LEFT_OUT && isnan(out.cell[0].v));
	assert_true(out.cell[1].v == 0.5 && out.cell[1].why == SM_HAS_VALUE);
	assert_true(out.situation[0] == SM_TRUTH_EMPTY && out.voxel_mm3 == 2);
	sm_case_scores_clear(&out);
	json_decref(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_policy_has_its_value),
		cmocka_unit_test(a_value_of_the_formula_stands),
		cmocka_unit_test(situations_are_told_from_counts),
		cmocka_unit_test(the_seed_policy_smooths),
		cmocka_unit_test(the_manifest_knows_the_policies),
		cmocka_unit_test(columns_are_those_of_the_manifest),
		cmocka_unit_test(columns_that_cannot_be_are_refused),
		cmocka_unit_test(a_case_is_scored_by_its_policy),
		cmocka_unit_test(an_infinite_distance_is_no_number),
		cmocka_unit_test(older_records_are_read),
	};
	return run_tap(tests);
}
