/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands around the metrics: label maps, the truth among outputs, slices for the page, the
 * training log.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/box.h"
#include "eval/cases.h"
#include "eval/report.h"
#include "manifests/roles.h"

static struct sm_evaluate_label labels[] = {{1, "anterior"}, {2, "posterior"}, {200, "x-3"}};
static int64_t both[] = {1, 2, 1}, other[] = {3};
static struct sm_train_region regions[] = {{"hippocampus", {both, 2}}, {"rest", {both + 1, 1}}};

static void a_map_has_its_regions_and_then_its_labels(void **state)
{
	(void)state;
	static const char *const names[] = {"hippocampus", "rest", "anterior", "posterior", "x-3"};
	static const uint8_t t[] = {0, 1, 2, 200, 1}, p[] = {0, 1, 200, 200, 2};
	static const int64_t dim[3] = {5, 1, 1};
	struct sm_evaluate_section s = {.labels = {labels, 3}, .regions = {regions, 2}, .threshold = NAN};
	struct sm_err err = {0};
	struct sm_label_map map, back;
	struct sm_joint joint;
	struct sm_regions boxes;
	char text[SM_REGION_LABELS];
	assert_good(sm_label_map_make(&s, &map, &err), err);
	assert_true(map.classes == 4 && map.n == 5 && map.regions == 2 && map.singles == 2);
	assert_true(map.main == 2 && map.shown == 2);
	for (size_t r = 0; r < map.n; r++)
		assert_string_equal(map.row[r].name, names[r]);
	sm_region_labels(&map, 4, text);
	assert_string_equal(text, "200");
	assert_good(sm_scan_pair(&map, t, "t", p, "p", dim, 1, &joint, &boxes, &err), err);
	struct sm_counts first = sm_joint_region(&joint, map.row[0].members),
			 last = sm_joint_region(&joint, map.row[4].members);
	assert_true(first.tp == 2 && first.fn == 1 && !first.fp);
	assert_true(last.tp == 1 && last.fp == 1);
	static const uint8_t odd[] = {0, 1, 2, 4, 1};
	assert_refused(
		sm_scan_pair(&map, t, "t", odd, "prediction a.nii", dim, 1, &joint, &boxes, &err),
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

/* The maps that need no list of labels: 2023's, and that of masks cut at a threshold. */
static void built_in_maps_are_chosen_by_name(void **state)
{
	(void)state;
	struct sm_evaluate_section s = {.map = SM_MAP_BRATS2023, .threshold = NAN};
	struct sm_label_map map, back;
	struct sm_err err = {0};
	char text[SM_REGION_LABELS];
	assert_good(sm_label_map_make(&s, &map, &err), err);
	assert_true(map.n == 6 && map.main == 3 && map.singles == 3);
	sm_region_labels(&map, SM_WT, text);
	assert_string_equal(text, "1,2,3");
	sm_region_labels(&map, SM_TC, text);
	assert_string_equal(text, "1,3");
	sm_region_labels(&map, SM_ET, text);
	assert_string_equal(text, "3");
	json_t *json = json_pack("{s:s}", "map", "brats2023");
	assert_good(sm_label_map_read(json, &back, &err), err);
	assert_memory_equal(&back, &map, sizeof map);
	json_object_set_new(json, "threshold", json_real(0.5));
	assert_good(sm_label_map_read(json, &back, &err), err);
	assert_true(back.n == 1 && back.classes == 2 && back.value[1] == 1);
	assert_string_equal(back.row[0].key, "mask");
	json_decref(json);
	s = (struct sm_evaluate_section){.threshold = 0.5, .labels = {labels, 3}};
	assert_refused(sm_label_map_make(&s, &map, &err), SM_USAGE, err,
		       "threshold: is given with 3 labels, allowed is one");
	s.labels.n = 1;
	assert_good(sm_label_map_make(&s, &map, &err), err);
	assert_string_equal(map.row[0].name, "anterior");
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
		struct sm_evaluate_section s = {.labels = bad[i].labels,
						.regions = bad[i].regions,
						.threshold = NAN};
		struct sm_label_map map;
		struct sm_err err = {0};
		assert_refused(sm_label_map_make(&s, &map, &err), SM_USAGE, err, bad[i].sentence);
	}
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
		cmocka_unit_test(a_map_has_its_regions_and_then_its_labels),
		cmocka_unit_test(built_in_maps_are_chosen_by_name),
		cmocka_unit_test(a_map_that_cannot_be_is_refused_by_its_key),
		cmocka_unit_test(slices_are_the_middles_of_equal_parts),
		cmocka_unit_test(a_training_log_is_read_by_its_header),
		cmocka_unit_test(a_damaged_log_is_named_by_line),
		cmocka_unit_test(a_ledger_cannot_name_a_file_outside),
		cmocka_unit_test(the_truth_is_found_by_the_ledgers_word),
	};
	return run_tap(tests);
}
