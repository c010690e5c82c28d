/* SPDX-License-Identifier: Apache-2.0 */
/* What outputs mean: targets, labels from probabilities, regions painted in order, and tasks that
 * make no sense. */
#include "tests/unit/tap.h"

#include <string.h>

#include "train/task.h"

static struct sm_err err;

static struct sm_task regions(void)
{
	const int64_t wt[] = {1, 2, 3}, tc[] = {1, 3}, et[] = {3};
	struct sm_task t;
	sm_task_regions(&t, 3);
	assert_good(sm_task_region(&t, "WT", wt, 3, &err), err);
	assert_good(sm_task_region(&t, "TC", tc, 2, &err), err);
	assert_good(sm_task_region(&t, "ET", et, 1, &err), err);
	assert_good(sm_task_check(&t, &err), err);
	return t;
}

static void test_targets(void **state)
{
	(void)state;
	const uint8_t labels[] = {0, 1, 2, 3, 9};
	struct sm_task sigmoid, softmax, region = regions();
	float t[5 * 4];
	assert_good(sm_task_classes(&sigmoid, 3, false, &err), err);
	assert_good(sm_task_classes(&softmax, 3, true, &err), err);
	sm_task_target(&sigmoid, labels, 5, t);
	const float one[15] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
	assert_memory_equal(t, one, sizeof one);
	sm_task_target(&softmax, labels, 5, t);
	const float two[20] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0};
	assert_memory_equal(t, two, sizeof two);
	sm_task_target(&region, labels, 5, t);
	const float three[15] = {0, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0};
	assert_memory_equal(t, three, sizeof three);
}

static void test_a_target_gives_its_labels_back(void **state)
{
	(void)state;
	const uint8_t labels[] = {0, 1, 2, 3, 2, 0};
	struct sm_task task[3] = {{0}, {0}, regions()};
	float t[6 * 4];
	uint8_t back[6];
	assert_good(sm_task_classes(&task[0], 3, false, &err), err);
	assert_good(sm_task_classes(&task[1], 3, true, &err), err);
	for (int i = 0; i < 3; i++) {
		sm_task_target(&task[i], labels, 6, t);
		sm_task_labels(&task[i], t, 6, 0.5, back);
		assert_memory_equal(back, labels, sizeof labels);
	}
}

static void test_labels_of_probabilities(void **state)
{
	(void)state;
	struct sm_task sigmoid, softmax, region = regions();
	uint8_t y[4];
	const float p[] = {0.5f,      0.2f, 0.5f, /**/ 0.6f, 0.6f,  0.9f,
			   /**/ 0.7f, 0.7f, 0.1f, /**/ 0.4f, 0.45f, 0.51f};
	assert_good(sm_task_classes(&sigmoid, 3, false, &err), err);
	sm_task_labels(&sigmoid, p, 4, 0.5, y);
	assert_memory_equal(y, ((uint8_t[]){0, 3, 1, 3}),
			    4); /* not above; largest; first of equal ones */
	sm_task_labels(&sigmoid, p, 4, 0.4, y);
	assert_memory_equal(y, ((uint8_t[]){1, 3, 1, 3}), 4);
	sm_task_labels(&region, p, 4, 0.5, y);
	assert_memory_equal(y, ((uint8_t[]){0, 3, 1, 3}), 4);
	assert_good(sm_task_classes(&softmax, 2, true, &err), err);
	sm_task_labels(&softmax, p, 4, 0.99, y); /* no threshold */
	assert_memory_equal(y, ((uint8_t[]){0, 2, 0, 2}), 4);
	/* ET without TC is still painted, WT alone is 2, TC covers WT */
	const float q[] = {0, 0, 1, /**/ 1, 0, 0, /**/ 1, 1, 0, /**/ 0, 1, 0};
	sm_task_labels(&region, q, 4, 0.5, y);
	assert_memory_equal(y, ((uint8_t[]){3, 2, 1, 1}), 4);
}

static void test_tasks_that_make_no_sense(void **state)
{
	(void)state;
	struct sm_task t;
	const int64_t a[] = {1, 2}, b[] = {2, 1}, bad[] = {4}, twice[] = {1, 1};
	assert_refused(sm_task_classes(&t, 64, true, &err), SM_USAGE, err,
		       "classes: found 64, allowed are 1 to 63");
	assert_good(sm_task_classes(&t, 64, false, &err), err);
	sm_task_regions(&t, 3);
	assert_refused(sm_task_check(&t, &err), SM_USAGE, err, "regions: found none");
	assert_refused(sm_task_region(&t, "X", bad, 1, &err), SM_USAGE, err,
		       "regions[0].labels: found 4, allowed are 1 to 3");
	sm_task_regions(&t, 3);
	assert_refused(sm_task_region(&t, "X", twice, 2, &err), SM_USAGE, err, "found 1 twice");
	sm_task_regions(&t, 3);
	assert_refused(sm_task_region(&t, "a,b", a, 2, &err), SM_USAGE, err, "found 'a,b'");
	assert_refused(sm_task_region(&t, "X", a, 0, &err), SM_USAGE, err, "labels: found none");
	assert_good(sm_task_region(&t, "X", a, 2, &err), err);
	assert_refused(sm_task_region(&t, "X", b, 2, &err), SM_USAGE, err, "found 'X' again");
	assert_good(sm_task_region(&t, "Y", b, 2, &err), err);
	assert_refused(sm_task_check(&t, &err), SM_USAGE, err,
		       "all labels of 'X' stand in later regions");
}

static void test_a_task_survives_as_text(void **state)
{
	(void)state;
	struct sm_task task[3] = {{0}, {0}, regions()}, back;
	assert_good(sm_task_classes(&task[0], 5, false, &err), err);
	assert_good(sm_task_classes(&task[1], 2, true, &err), err);
	for (int i = 0; i < 3; i++) {
		json_t *json = sm_task_dump(&task[i]);
		assert_true(sm_task_parse(json, &back));
		assert_memory_equal(&back, &task[i], sizeof back);
		assert_true(sm_task_equal(&back, &task[i]));
		assert_int_equal(sm_task_equal(&back, &task[(i + 1) % 3]), false);
		json_object_set_new(json, "labels", json_integer(0));
		assert_false(sm_task_parse(json, &back));
		json_decref(json);
	}
	assert_false(sm_task_parse(NULL, &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_a_target_gives_its_labels_back),
		cmocka_unit_test(test_labels_of_probabilities),
		cmocka_unit_test(test_tasks_that_make_no_sense),
		cmocka_unit_test(test_a_task_survives_as_text),
	};
	return run_tap(tests);
}
