/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands around the metrics: statistics over cases, scores in ledgers, the choice of cases
 * and slices for the page, the training log.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/cases.h"
#include "eval/report.h"
#include "manifests/roles.h"

static void statistics_are_those_of_the_textbook(void **state)
{
	(void)state;
	double v[] = {2, NAN, 4, 4, 4, 5, 5, 7, 9};
	struct sm_stat s;
	sm_stat_of(v, 9, &s);
	assert_int_equal(s.n, 8);
	assert_true(s.mean == 5);
	assert_true(fabs(s.sd - sqrt(32.0 / 7)) < 1e-15);
	assert_true(s.median == 4.5);
	double odd[] = {3, 1, 2};
	sm_stat_of(odd, 3, &s);
	assert_true(s.median == 2 && s.mean == 2 && s.sd == 1);
}

static void few_values_leave_gaps_not_zeros(void **state)
{
	(void)state;
	struct sm_stat s;
	double one[] = {0.5}, none[] = {NAN, NAN};
	sm_stat_of(one, 1, &s);
	assert_true(s.mean == 0.5 && s.median == 0.5 && isnan(s.sd));
	sm_stat_of(none, 2, &s);
	assert_true(s.n == 0 && isnan(s.mean) && isnan(s.median) && isnan(s.sd));
}

static struct sm_scores wt_score(uint64_t tp, uint64_t fp, uint64_t fn)
{
	struct sm_joint joint = {0};
	struct sm_scores s;
	joint.n[0][0] = 1000;
	joint.n[2][2] = tp;
	joint.n[0][2] = fp;
	joint.n[2][0] = fn;
	sm_scores_from_joint(&sm_brats_map, &joint, SM_EMPTY_SKIP, &s);
	return s;
}

static void summary_counts_empty_regions(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_summary sum;
	struct sm_scores s[] = {wt_score(10, 0, 0), wt_score(10, 10, 0), wt_score(0, 0, 0),
				wt_score(0, 4, 0), wt_score(0, 0, 6)};
	assert_good(sm_summarise(&sm_brats_map, s, 5, &sum, &err), err);
	assert_int_equal(sum.cases, 5);
	assert_int_equal(sum.empty_truth[SM_WT], 2);
	assert_int_equal(sum.empty_both[SM_WT], 1);
	assert_int_equal(sum.empty_prediction[SM_WT], 1);
	assert_int_equal(sum.empty_truth[SM_ET], 5);
	assert_int_equal(sum.stat[SM_WT][SM_DICE].n, 3);
	assert_true(fabs(sum.stat[SM_WT][SM_DICE].mean - (1 + 20.0 / 30 + 0) / 3) < 1e-15);
	assert_int_equal(sum.stat[SM_ET][SM_DICE].n, 0);
}

static void scores_come_back_from_json(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_scores a = wt_score(7, 3, 2), b;
	json_t *json = sm_scores_to_json(&sm_brats_map, &a);
	char *line = sm_json_line(json);
	json_t *again = json_loads(line, 0, NULL);
	assert_good(sm_scores_from_json(&sm_brats_map, again, "x", &b, &err), err);
	for (size_t r = 0; r < SM_BRATS_ROWS; r++) {
		assert_memory_equal(&a.counts[r], &b.counts[r], sizeof a.counts[r]);
		for (size_t m = 0; m < SM_METRICS; m++)
			assert_true(a.value[r][m] == b.value[r][m] ||
				    (isnan(a.value[r][m]) && isnan(b.value[r][m])));
	}
	json_object_del(json_object_get(again, "tc"), "fn");
	assert_refused(sm_scores_from_json(&sm_brats_map, again, "case x", &b, &err), SM_INPUT, err,
		       "region 'tc' lacks");
	free(line);
	json_decref(json);
	json_decref(again);
}

static struct sm_evaluate_label labels[] = {{1, "anterior"}, {2, "posterior"}, {200, "x-3"}};
static int64_t both[] = {1, 2, 1}, other[] = {3};
static struct sm_train_region regions[] = {{"hippocampus", {both, 2}}, {"rest", {both + 1, 1}}};

static void a_map_has_its_regions_and_then_its_labels(void **state)
{
	(void)state;
	static const char *const names[] = {"hippocampus", "rest", "anterior", "posterior", "x-3"};
	static const uint8_t t[] = {0, 1, 2, 200, 1}, p[] = {0, 1, 200, 200, 2};
	struct sm_evaluate_section s = {.labels = {labels, 3}, .regions = {regions, 2}};
	struct sm_err err = {0};
	struct sm_label_map map, back;
	struct sm_joint joint;
	struct sm_scores scores;
	char text[SM_REGION_LABELS];
	assert_good(sm_label_map_make(&s, &map, &err), err);
	assert_true(map.classes == 4 && map.n == 5 && map.regions == 2 && map.singles == 2);
	assert_true(map.main == 2 && map.shown == 2);
	for (size_t r = 0; r < map.n; r++)
		assert_string_equal(map.row[r].name, names[r]);
	sm_region_labels(&map, 4, text);
	assert_string_equal(text, "200");
	assert_good(sm_joint_count(&map, t, "t", p, "p", sizeof t, 1, &joint, &err), err);
	sm_scores_from_joint(&map, &joint, SM_EMPTY_BRATS, &scores);
	assert_true(scores.counts[0].tp == 2 && scores.counts[0].fn == 1 && !scores.counts[0].fp);
	assert_true(scores.counts[4].tp == 1 && scores.counts[4].fp == 1);
	static const uint8_t odd[] = {0, 1, 2, 4, 1};
	assert_refused(
		sm_joint_count(&map, t, "t", odd, "prediction a.nii", sizeof t, 1, &joint, &err),
		SM_INPUT, err,
		"prediction a.nii: label 4 at voxel number 3 is not in the label map: allowed are "
		"0, 1, 2, 200");
	/* By way of a ledger. */
	json_t *json = json_pack("{s:[{s:i, s:s}, {s:i, s:s}], s:[{s:s, s:[i, i]}]}", "labels",
				 "value", 1, "name", "anterior", "value", 2, "name", "posterior",
				 "regions", "name", "hippocampus", "labels", 2, 1);
	assert_non_null(json);
	assert_good(sm_label_map_read(json, &back, &err), err);
	assert_true(back.n == 3 && back.row[0].members == 6 && back.row[2].members == 4);
	json_object_del(json, "regions");
	assert_good(sm_label_map_read(json, &back, &err), err);
	assert_true(back.n == 2 && back.main == 2 && back.shown == 2 && back.regions == 0);
	json_object_set_new(json_array_get(json_object_get(json, "labels"), 0), "value",
			    json_integer(2));
	assert_refused(sm_label_map_read(json, &back, &err), SM_INPUT, err,
		       "evaluate ledger: labels[1].value");
	json_decref(json);
	assert_good(sm_label_map_read(NULL, &back, &err), err);
	assert_memory_equal(&back, &sm_brats_map, sizeof back);
}

static void a_map_that_cannot_be_is_refused_by_its_key(void **state)
{
	(void)state;
	struct sm_evaluate_label again[] = {{1, "a"}, {1, "b"}}, high[] = {{256, "a"}},
				 same[] = {{1, "a"}, {2, "a"}}, odd[] = {{1, "a b"}},
				 void_[] = {{1, ""}};
	struct sm_train_region twice[] = {{"r", {both, 3}}}, unknown[] = {{"r", {other, 1}}},
			       none[] = {{"r", {both, 0}}}, named[] = {{"posterior", {both, 2}}};
	const struct {
		struct sm_list labels, regions;
		const char *sentence;
	} bad[] = {
		{{again, 2}, {0}, "labels[1].value: found 1 again, allowed is once"},
		{{high, 1}, {0}, "labels[0].value: found 256, allowed is 1 to 255"},
		{{same, 2}, {0}, "labels[1].name: found 'a' again"},
		{{odd, 1}, {0}, "labels[0].name: found 'a b', allowed are 1 to 31 letters"},
		{{void_, 1}, {0}, "labels[0].name: found ''"},
		{{0}, {regions, 1}, "regions: is given, needed are labels too"},
		{{labels, 2}, {twice, 1}, "regions[0].labels: found 1 again"},
		{{labels, 2},
		 {unknown, 1},
		 "regions[0].labels: found 3, allowed are the values of labels"},
		{{labels, 2}, {none, 1}, "regions[0].labels: found none"},
		{{labels, 2}, {named, 1}, "labels[1].name: found 'posterior' again"},
	};
	for (size_t i = 0; i < SM_COUNT(bad); i++) {
		struct sm_evaluate_section s = {.labels = bad[i].labels, .regions = bad[i].regions};
		struct sm_label_map map;
		struct sm_err err = {0};
		assert_refused(sm_label_map_make(&s, &map, &err), SM_USAGE, err, bad[i].sentence);
	}
}

static void cases_are_spread_from_worst_to_best(void **state)
{
	(void)state;
	struct sm_err err = {0};
	static const double dice[] = {0.9, NAN, 0.2, 0.5, 0.5, 0.7};
	struct sm_report_case c[6] = {0};
	size_t index[6], rank[6], n;
	for (size_t i = 0; i < 6; i++)
		c[i].scores.value[SM_WT][SM_DICE] = dice[i];
	assert_good(sm_report_choose(c, 6, 6, index, rank, &n, &err), err);
	static const size_t order[] = {2, 3, 4, 5, 0, 1};
	assert_int_equal(n, 6);
	assert_memory_equal(index, order, sizeof order);
	assert_good(sm_report_choose(c, 5, 3, index, rank, &n, &err), err);
	assert_int_equal(n, 3);
	assert_true(index[0] == 2 && index[1] == 4 && index[2] == 1);
	assert_true(rank[0] == 0 && rank[1] == 2 && rank[2] == 4);
	assert_good(sm_report_choose(c, 6, 1, index, rank, &n, &err), err);
	assert_true(n == 1 && index[0] == 2);
	assert_good(sm_report_choose(c, 0, 4, index, rank, &n, &err), err);
	assert_int_equal(n, 0);
}

static void slices_are_the_middles_of_equal_parts(void **state)
{
	(void)state;
	int64_t z[8];
	assert_int_equal(sm_spread_slices(10, 19, 5, z), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(z[i], 11 + 2 * i);
	assert_int_equal(sm_spread_slices(4, 5, 8, z), 2);
	assert_true(z[0] == 4 && z[1] == 5);
	assert_int_equal(sm_spread_slices(3, 3, 1, z), 1);
	assert_int_equal(z[0], 3);
	assert_int_equal(sm_spread_slices(3, 2, 1, z), 0);
}

static void a_training_log_is_read_by_its_header(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_trainlog h;
	const char *text = "epoch,loss,val_loss\r\n1,0.5,nan\n2,2.5e-1,\n";
	assert_good(sm_trainlog_parse(text, strlen(text), "log", &h, &err), err);
	assert_true(h.columns == 3 && h.rows == 2);
	assert_true(sm_trainlog_find(&h, "loss")[1] == 0.25);
	assert_true(isnan(sm_trainlog_find(&h, "val_loss")[0]) &&
		    isnan(sm_trainlog_find(&h, "val_loss")[1]));
	assert_null(sm_trainlog_find(&h, "los"));
	sm_trainlog_clear(&h);
}

static void a_damaged_log_is_named_by_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *sentence;
	} bad[] = {
		{"", "line 1: has no column names"},
		{"a,b\n1\n", "line 2: must have 2 fields"},
		{"a,b\n1,2\n1,2,3\n", "line 3: must have 2 fields"},
		{"a,b\n1,2x\n", "line 2: b: '2x' is no number"},
		{"a,a\n", "column 'a' stands twice"},
		{"a,,b\n", "line 1: column 2"},
	};
	for (size_t i = 0; i < SM_COUNT(bad); i++) {
		struct sm_err err = {0};
		struct sm_trainlog h;
		assert_refused(sm_trainlog_parse(bad[i].text, strlen(bad[i].text), "log", &h, &err),
			       SM_INPUT, err, bad[i].sentence);
		assert_int_equal(h.columns, 0);
	}
}

/* seg, label, or what ingest's settings mark: the rule of preprocess and of evaluate alike. */
static void the_truth_is_found_by_the_ledgers_word(void **state)
{
	(void)state;
	struct sm_err err = {0};
	const char *role;
	json_t *header = json_pack("{s:s, s:{s:{s:{s:[{s:s, s:b}, {s:s, s:b}]}}}}", "stage",
				   "ingest", "settings", "manifest", "ingest", "sources", "role",
				   "t1", "label", 0, "role", "truth", "label", 1);
	json_t *record = json_pack("{s:s, s:[{s:s}, {s:s}]}", "key", "k", "outputs", "role", "t1",
				   "role", "truth");
	assert_non_null(header);
	assert_non_null(record);
	assert_true(sm_role_is_label(NULL, "seg") && sm_role_is_label(NULL, "label"));
	assert_true(sm_role_is_label(header, "truth") && sm_role_is_label(header, "seg"));
	assert_false(sm_role_is_label(header, "t1") || sm_role_is_label(NULL, "truth"));
	assert_good(sm_label_role(header, record, &role, &err), err);
	assert_string_equal(role, "truth");
	json_array_append_new(json_object_get(record, "outputs"),
			      json_pack("{s:s}", "role", "seg"));
	assert_refused(sm_label_role(header, record, &role, &err), SM_INPUT, err,
		       "two label volumes, 'truth' and 'seg'");
	json_array_clear(json_object_get(record, "outputs"));
	assert_refused(sm_label_role(header, record, &role, &err), SM_INPUT, err,
		       "wrote no label volume");
	json_decref(header);
	json_decref(record);
}

static void a_ledger_cannot_name_a_file_outside(void **state)
{
	(void)state;
	static const char *const paths[] = {"../x.nii", "/x.nii", "a/../../x.nii", ".."};
	for (size_t i = 0; i < SM_COUNT(paths); i++) {
		struct sm_err err = {0};
		char *path;
		json_t *record =
			json_pack("{s:s, s:s, s:[{s:s, s:s, s:s}]}", "key", "k", "status", "ok",
				  "outputs", "role", "seg", "path", paths[i], "sha256", "0");
		assert_refused(sm_output_find("dir", "ingest", record, "seg", &path, &err),
			       SM_INPUT, err, "leaves the folder");
		assert_refused(sm_output_find("dir", "ingest", record, "t1", &path, &err), SM_INPUT,
			       err, "wrote no volume of role 't1'");
		json_decref(record);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statistics_are_those_of_the_textbook),
		cmocka_unit_test(few_values_leave_gaps_not_zeros),
		cmocka_unit_test(summary_counts_empty_regions),
		cmocka_unit_test(scores_come_back_from_json),
		cmocka_unit_test(a_map_has_its_regions_and_then_its_labels),
		cmocka_unit_test(a_map_that_cannot_be_is_refused_by_its_key),
		cmocka_unit_test(cases_are_spread_from_worst_to_best),
		cmocka_unit_test(slices_are_the_middles_of_equal_parts),
		cmocka_unit_test(a_training_log_is_read_by_its_header),
		cmocka_unit_test(a_damaged_log_is_named_by_line),
		cmocka_unit_test(a_ledger_cannot_name_a_file_outside),
		cmocka_unit_test(the_truth_is_found_by_the_ledgers_word),
	};
	return run_tap(tests);
}
