/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <string.h>

#include "ingest/cases/cases.h"

static bool fits(const char *pattern, const char *path, const char *want)
{
	struct sm_names is;
	return sm_pattern_match(pattern, path, &is) && strcmp(is.name, want) == 0;
}

static void test_pattern_match(void **state)
{
	(void)state;
	assert_true(fits("{case}/{case}_t1.nii*", "a1/a1_t1.nii.gz", "a1"));
	assert_false(fits("{case}/{case}_t1.nii*", "a1/a2_t1.nii.gz", "a1"));
	assert_false(fits("{case}_t1.nii*", "a1_t1ce.nii.gz", "a1"));
	assert_false(fits("{case}.nii*", "folder/a.nii", "folder/a"));
	assert_true(fits("*/{case}.nii", "any/b.nii", "b"));
	assert_true(fits("seg/fixed.nii", "seg/fixed.nii", ""));
	assert_true(fits("{case}_x_{case}", "q_x_q", "q"));
	assert_false(fits("{case}", "", ""));
	assert_true(fits("a*b*c{case}d", "a1b2b3cKd", "K"));
}

static void test_pattern_with_a_patient(void **state)
{
	(void)state;
	struct sm_names is;
	assert_true(sm_pattern_match("{patient}/*/{case}_T1w.nii*", "s-1/x/s-1_a_T1w.nii.gz", &is));
	assert_string_equal(is.patient, "s-1");
	assert_string_equal(is.name, "s-1_a");
	assert_true(
		sm_pattern_match("{patient}_{case}/{patient}_{case}.nii", "a_b_c/a_b_c.nii", &is));
	assert_string_equal(is.patient, "a");
	assert_string_equal(is.name, "b_c");
	assert_false(sm_pattern_match("{patient}/{patient}_{case}.nii", "a/b_c.nii", &is));
	assert_false(sm_pattern_match("{patient}_{case}.nii", "x/a_b.nii", &is));
}

static struct sm_paths paths_of(const char **path, size_t n)
{
	return (struct sm_paths){.path = (char **)path, .count = n};
}

static const char *path_of(const struct sm_raw_case *c, const char *role)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->file[i].role, role) == 0)
			return c->file[i].path;
	return "";
}

static void test_brats_names_of_both_kinds(void **state)
{
	(void)state;
	const char *path[] = {
		"top/B_001/B_001_flair.nii", "top/B_001/B_001_seg.nii", "top/B_001/B_001_t1.nii",
		"top/B_001/B_001_t1ce.nii",  "top/B_001/B_001_t2.nii",  "top/G-2/G-2-seg.nii.gz",
		"top/G-2/G-2-t1c.nii.gz",    "top/G-2/G-2-t1n.nii.gz",  "top/G-2/G-2-t2f.nii.gz",
		"top/G-2/G-2-t2w.nii.gz",    "top/name_mapping.csv",
	};
	struct sm_paths paths = paths_of(path, 11);
	struct sm_raw_cases list;
	struct sm_err err = {0};
	assert_good(sm_raw_cases_brats(&paths, &list, &err), err);
	assert_int_equal(list.n, 2);
	assert_int_equal(list.unmatched, 1);
	for (size_t i = 0; i < 2; i++) {
		assert_null(list.v[i].problem);
		assert_int_equal(list.v[i].n, 5);
		assert_string_equal(list.v[i].file[0].role, "flair");
		assert_true(list.v[i].file[4].label);
	}
	assert_string_equal(path_of(&list.v[1], "flair"), "top/G-2/G-2-t2f.nii.gz");
	assert_string_equal(path_of(&list.v[1], "t1ce"), "top/G-2/G-2-t1c.nii.gz");
	sm_raw_cases_clear(&list);
}

static void test_brats_ill_named_label(void **state)
{
	(void)state;
	const char *path[] = {
		"B_354/B_354_flair.nii", "B_354/B_354_seg.nii",
		"B_354/B_354_t1.nii",    "B_354/B_354_t1ce.nii",
		"B_354/B_354_t2.nii",    "B_355/B_355_flair.nii",
		"B_355/B_355_t1.nii",    "B_355/B_355_t1ce.nii",
		"B_355/B_355_t2.nii",    "B_355/W39_1998.09.19_Segm.nii",
		"B_355/second_Segm.nii",
	};
	struct sm_paths paths = paths_of(path, 10);
	struct sm_raw_cases list;
	struct sm_err err = {0};
	assert_good(sm_raw_cases_brats(&paths, &list, &err), err);
	assert_null(list.v[1].problem);
	assert_non_null(list.v[1].warning);
	assert_string_equal(path_of(&list.v[1], "seg"), "B_355/W39_1998.09.19_Segm.nii");
	assert_int_equal(list.unmatched, 0);
	sm_raw_cases_clear(&list);
	/* Two such files: no guess. */
	paths.count = 11;
	assert_good(sm_raw_cases_brats(&paths, &list, &err), err);
	assert_non_null(list.v[1].problem);
	assert_non_null(strstr(list.v[1].problem, "case B_355: no file for role seg"));
	assert_int_equal(list.unmatched, 2);
	sm_raw_cases_clear(&list);
}

static void test_brats_missing_and_twice(void **state)
{
	(void)state;
	const char *path[] = {
		"B_1/B_1_flair.nii",    "B_1/B_1_t1.nii", "B_1/B_1_t1ce.nii", "B_2/B_2_flair.nii",
		"B_2/B_2_flair.nii.gz", "B_2/B_2_t1.nii", "B_2/B_2_t1ce.nii", "B_2/B_2_t2.nii",
		"B_3/B_3_flair.nii",    "B_3/B_3_t1.nii", "B_3/B_3_t1ce.nii", "B_3/B_3_t2.nii",
	};
	struct sm_paths paths = paths_of(path, 12);
	struct sm_raw_cases list;
	struct sm_err err = {0};
	assert_good(sm_raw_cases_brats(&paths, &list, &err), err);
	assert_int_equal(list.n, 3);
	assert_non_null(strstr(list.v[0].problem, "case B_1: no file for role t2 (pattern"));
	assert_non_null(strstr(list.v[1].problem, "2 files fit role flair (B_2/B_2_flair.nii, "));
	/* No case has a label: a set without truth, to predict on. */
	assert_null(list.v[2].problem);
	assert_int_equal(list.v[2].n, 4);
	sm_raw_cases_clear(&list);
}

static void test_sources_of_a_manifest(void **state)
{
	(void)state;
	char role[] = "image", label[] = "seg", named[] = "im/{case}.nii*", fixed[] = "truth.nii";
	const struct sm_source sources[] = {{role, named, false, false},
					    {label, fixed, true, false}};
	const char *one[] = {"im/a b.nii", "truth.nii"};
	const char *two[] = {"im/a b.nii", "im/c.nii", "truth.nii"};
	const char *clash[] = {"im/a b.nii", "im/a_b.nii"};
	struct sm_paths paths = paths_of(one, 2);
	struct sm_raw_cases list;
	struct sm_err err = {0};
	assert_good(sm_raw_cases_find(&paths, sources, 2, &list, &err), err);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.v[0].key, "a_b");
	assert_string_equal(path_of(&list.v[0], "seg"), "truth.nii");
	sm_raw_cases_clear(&list);
	paths = paths_of(two, 3);
	assert_refused(sm_raw_cases_find(&paths, sources, 2, &list, &err), SM_USAGE, err,
		       "allowed only with exactly one case; 2 were found");
	paths = paths_of(clash, 2);
	assert_refused(sm_raw_cases_find(&paths, sources, 1, &list, &err), SM_INPUT, err,
		       "two case names become the same key a_b");
}

static void test_follow_up_scans_are_one_patient(void **state)
{
	(void)state;
	const char *path[] = {
		"BraTS-GLI-00005-000/BraTS-GLI-00005-000-t2f.nii.gz",
		"BraTS-GLI-00005-001/BraTS-GLI-00005-001-t2f.nii.gz",
		"BraTS-GoAT-00007/BraTS-GoAT-00007-t2f.nii.gz",
		"BraTS-MET-00005-000/BraTS-MET-00005-000-t2f.nii.gz",
		"BraTS20_Training_001/BraTS20_Training_001_flair.nii",
	};
	const char *want[] = {"BraTS-GLI-00005", "BraTS-GLI-00005", "BraTS-GoAT-00007",
			      "BraTS-MET-00005", "BraTS20_Training_001"};
	struct sm_paths paths = paths_of(path, 5);
	struct sm_raw_cases list;
	struct sm_err err = {0};
	assert_good(sm_raw_cases_brats(&paths, &list, &err), err);
	assert_int_equal(list.n, 5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(list.v[i].patient, want[i]);
	sm_raw_cases_clear(&list);
}

static void test_patients_of_a_manifest(void **state)
{
	(void)state;
	char role[] = "image", label[] = "seg", alone[] = "{patient}/t1.nii";
	char named[] = "{patient}/*/{case}.nii", plain[] = "seg/{case}.nii";
	const struct sm_source sources[] = {{role, named, false, false},
					    {label, plain, true, true}};
	const struct sm_source bad = {role, alone, false, false};
	const char *path[] = {"p 1/a/p1_a.nii", "p 1/b/p1_b.nii", "p2/a/p2_a.nii", "seg/p1_a.nii",
			      "p3/a/p2_a.nii"};
	struct sm_paths paths = paths_of(path, 4);
	struct sm_raw_cases list;
	struct sm_err err = {0};
	assert_good(sm_raw_cases_find(&paths, sources, 2, &list, &err), err);
	assert_int_equal(list.n, 3);
	assert_string_equal(list.v[0].patient, "p_1");
	assert_string_equal(list.v[1].patient, "p_1");
	assert_string_equal(list.v[2].patient, "p2");
	assert_int_equal(list.v[0].n, 2);
	sm_raw_cases_clear(&list);
	paths.count = 5;
	assert_good(sm_raw_cases_find(&paths, sources, 2, &list, &err), err);
	assert_non_null(list.v[2].problem);
	assert_non_null(strstr(list.v[2].problem, "its files name the patients p"));
	sm_raw_cases_clear(&list);
	assert_refused(sm_raw_cases_find(&paths, &bad, 1, &list, &err), SM_USAGE, err,
		       "has {patient} without {case}");
}

static void test_alternatives_of_a_pattern(void **state)
{
	(void)state;
	struct sm_names is;
	const char *pattern = "{case}/{case}_t1.nii* | flat/{case}.nii|x_{case}";
	assert_int_equal(sm_pattern_which(pattern, "a/a_t1.nii.gz", &is), 0);
	assert_string_equal(is.name, "a");
	assert_int_equal(sm_pattern_which(pattern, "flat/b.nii", &is), 1);
	assert_string_equal(is.name, "b");
	assert_int_equal(sm_pattern_which(pattern, "x_c", &is), 2);
	assert_string_equal(is.name, "c");
	assert_int_equal(sm_pattern_which(pattern, "flat/b.nii.gz", &is), -1);
	assert_int_equal(sm_pattern_which("{case}|*", "a/b", &is), -1);
	/* A name that the first alternative began to fit is forgotten. */
	assert_int_equal(sm_pattern_which("{case}_x{case} | {case}.y", "abc.y", &is), 1);
	assert_string_equal(is.name, "abc");
	/* The last letters are not read beyond the alternative. */
	assert_int_equal(sm_pattern_which("a{cas|e}", "a{cas", &is), 0);
}

static void test_first_alternative_wins(void **state)
{
	(void)state;
	char t1[] = "t1", seg[] = "seg";
	char of_t1[] = "{case}/{case}_t1.nii | flat/{case}_t1.nii | flat/{case}.nii",
	     of_seg[] = "m/{case} | s/{case}";
	const struct sm_source sources[] = {{t1, of_t1, false, false}, {seg, of_seg, true, true}};
	const char *path[] = {"a/a_t1.nii",    "b/b_t1.nii", "flat/a.nii",
			      "flat/a_t1.nii", "flat/c.nii", "m/a",
			      "s/a",           "s/c",        "other"};
	struct sm_paths paths = paths_of(path, 9);
	struct sm_raw_cases list;
	struct sm_err err = {0};
	assert_good(sm_raw_cases_find(&paths, sources, 2, &list, &err), err);
	assert_int_equal(list.n, 3);
	assert_string_equal(path_of(&list.v[0], "t1"), "a/a_t1.nii");
	assert_string_equal(path_of(&list.v[0], "seg"), "m/a");
	assert_null(list.v[0].problem);
	/* Files that were not taken are told, in the order of the alternatives. */
	assert_int_equal(list.v[0].left_n, 3);
	assert_string_equal(list.v[0].left[0].path, "flat/a_t1.nii");
	assert_string_equal(list.v[0].left[1].path, "flat/a.nii");
	assert_string_equal(list.v[0].left[2].path, "s/a");
	assert_string_equal(list.v[0].left[2].role, "seg");
	assert_true(list.v[0].left[2].label);
	assert_string_equal(list.v[0].warning, "role t1: a/a_t1.nii was taken; flat/a_t1.nii, "
					       "which fits a later alternative of the pattern, was "
					       "not; role t1: a/a_t1.nii was taken; flat/a.nii, "
					       "which fits a later alternative of the pattern, was "
					       "not; role seg: m/a was taken; s/a, which fits a "
					       "later alternative of the pattern, was not");
	assert_string_equal(path_of(&list.v[1], "t1"), "b/b_t1.nii");
	assert_int_equal(list.v[1].left_n, 0);
	assert_null(list.v[1].warning);
	/* No file of the first alternative: a later one is as good. */
	assert_string_equal(path_of(&list.v[2], "t1"), "flat/c.nii");
	assert_string_equal(path_of(&list.v[2], "seg"), "s/c");
	assert_null(list.v[2].warning);
	assert_int_equal(list.unmatched, 1);
	sm_raw_cases_clear(&list);
}

static void test_alternatives_that_do_not_do(void **state)
{
	(void)state;
	char role[] = "t1", twice[] = "x/{case}.nii* | {case}.nii", empty[] = "{case}.nii | | x",
	     end[] = "{case}.nii |", alone[] = "{case} | {patient}.nii",
	     fixed[] = "{case}.nii | fixed";
	const char *path[] = {"a.nii", "b.nii", "fixed", "x/a.nii", "x/a.nii.gz"};
	struct sm_paths paths = paths_of(path, 5);
	struct sm_source source = {role, twice, false, false};
	struct sm_raw_cases list;
	struct sm_err err = {0};
	/* Two of one alternative are one too many, whatever the others hold. */
	assert_good(sm_raw_cases_find(&paths, &source, 1, &list, &err), err);
	assert_string_equal(list.v[0].problem,
			    "case a: 2 files fit role t1 (x/a.nii, x/a.nii.gz), allowed is one");
	assert_int_equal(list.v[0].left_n, 1);
	assert_null(list.v[1].problem);
	sm_raw_cases_clear(&list);
	source.pattern = empty;
	assert_refused(sm_raw_cases_find(&paths, &source, 1, &list, &err), SM_USAGE, err,
		       "has an empty alternative");
	source.pattern = end;
	assert_refused(sm_raw_cases_find(&paths, &source, 1, &list, &err), SM_USAGE, err,
		       "has an empty alternative");
	source.pattern = alone;
	assert_refused(sm_raw_cases_find(&paths, &source, 1, &list, &err), SM_USAGE, err,
		       "the pattern '{patient}.nii' of role t1 has {patient} without {case}");
	/* A name for all cases, and two cases. */
	source.pattern = fixed;
	assert_refused(sm_raw_cases_find(&paths, &source, 1, &list, &err), SM_USAGE, err,
		       "2 were found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pattern_match),
		cmocka_unit_test(test_pattern_with_a_patient),
		cmocka_unit_test(test_follow_up_scans_are_one_patient),
		cmocka_unit_test(test_patients_of_a_manifest),
		cmocka_unit_test(test_brats_names_of_both_kinds),
		cmocka_unit_test(test_brats_ill_named_label),
		cmocka_unit_test(test_brats_missing_and_twice),
		cmocka_unit_test(test_sources_of_a_manifest),
		cmocka_unit_test(test_alternatives_of_a_pattern),
		cmocka_unit_test(test_first_alternative_wins),
		cmocka_unit_test(test_alternatives_that_do_not_do),
	};
	return run_tap(tests);
}
