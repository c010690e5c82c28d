/* SPDX-License-Identifier: Apache-2.0
 *
 * The operation relabel and what it keeps for the way back.
 */
#include "tests/unit/ops_case.h"

static void test_relabel_maps_at_once_and_remembers(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_label(&c, 4, 1, 1, (const uint8_t[]){0, 1, 2, 4});
	assert_good(op(&c, "relabel", "from", "4", "to", "3", "known", "0 1 2 4", NULL), err);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 1, 2, 3}), 4);
	assert_int_equal(c.label_map_count, 1);
	assert_true(c.label_map[0][0] == 4 && c.label_map[0][1] == 3);
	assert_good(op(&c, "relabel", "from", "1 2", "to", "2 1", NULL), err);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 2, 1, 3}), 4);
	assert_refused(op(&c, "relabel", "from", "3", "to", "1", NULL), SM_INPUT, err,
		       "holds label 1 (1 voxels), and label 3 would become 1 too");
	assert_refused(op(&c, "relabel", "from", "1", "to", "5", "known", "0 1 2", NULL), SM_INPUT,
		       err, "label 3 (1 voxel)");
	assert_refused(op(&c, "relabel", "from", "1 2", "to", "5", NULL), SM_USAGE, err,
		       "must be equal");
	assert_good(op(&c, "relabel", "from", "3", "to", "1", "merge", "true", NULL), err);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 2, 1, 1}), 4);
	sm_case_clear(&c);
}

/* The way back holds original numbers: a chain of relabels is one pair, a swap stays a swap. */
static void test_relabel_way_back_of_several_steps(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_label(&c, 4, 1, 1, (const uint8_t[]){0, 1, 1, 4});
	assert_good(op(&c, "relabel", "from", "4", "to", "3", NULL), err);
	assert_good(op(&c, "relabel", "from", "3", "to", "2", NULL), err);
	assert_int_equal(c.label_map_count, 1);
	assert_true(c.label_map[0][0] == 4 && c.label_map[0][1] == 2);
	assert_good(op(&c, "relabel", "from", "1 2", "to", "2 1", NULL), err);
	assert_memory_equal(c.label.data, ((const uint8_t[]){0, 2, 2, 1}), 4);
	assert_int_equal(c.label_map_count, 2);
	assert_true(c.label_map[0][0] == 4 && c.label_map[0][1] == 1);
	assert_true(c.label_map[1][0] == 1 && c.label_map[1][1] == 2);
	sm_case_clear(&c);
}

/* Whether two labels become one does not hang on what one case happens to hold. */
static void test_relabel_refuses_a_merge_by_its_parameters(void **state)
{
	(void)state;
	struct sm_case c = fresh();
	add_label(&c, 2, 1, 1, (const uint8_t[]){0, 1}); /* no label 4 */
	assert_refused(op(&c, "relabel", "from", "4", "to", "1", "known", "0 1 2 4", NULL),
		       SM_USAGE, err, "labels 1 and 4 would both become 1");
	assert_refused(op(&c, "relabel", "from", "2 4", "to", "3 3", NULL), SM_USAGE, err,
		       "labels 2 and 4 would both become 3");
	assert_refused(op(&c, "relabel", "from", "4", "to", "0", NULL), SM_USAGE, err,
		       "labels 0 and 4 would both become 0");
	assert_refused(op(&c, "relabel", "from", "4", "to", "1", NULL), SM_INPUT, err,
		       "holds label 1");
	assert_int_equal(c.label_map_count, 0);
	assert_good(op(&c, "relabel", "from", "4", "to", "3", NULL), err);
	sm_case_clear(&c);
}

static void assert_pairs(const struct sm_case *c, size_t n, const int (*wanted)[2])
{
	assert_int_equal(c->label_map_count, n);
	assert_memory_equal(c->label_map, wanted, n * sizeof *wanted);
}

/* With merge the way back lists every original label of the number, also the one that kept it. */
static void test_relabel_tells_what_was_merged(void **state)
{
	(void)state;
	struct sm_case c = fresh(); /* no label: the map comes from the parameters alone */
	assert_good(op(&c, "relabel", "from", "1", "to", "2", "merge", "true", NULL), err);
	assert_pairs(&c, 2, (const int[][2]){{1, 2}, {2, 2}});
	assert_good(op(&c, "relabel", "from", "2", "to", "5", NULL), err);
	assert_good(op(&c, "relabel", "from", "1", "to", "7", NULL), err); /* 1 is gone */
	assert_pairs(&c, 2, (const int[][2]){{1, 5}, {2, 5}});
	sm_case_clear(&c);
	c = fresh();
	assert_good(op(&c, "relabel", "from", "4", "to", "3", NULL), err);
	assert_good(op(&c, "relabel", "from", "1", "to", "3", "merge", "true", NULL), err);
	assert_pairs(&c, 2, (const int[][2]){{4, 3}, {1, 3}});
	sm_case_clear(&c);
	c = fresh(); /* 3 was no label, so 4 can come back */
	assert_good(op(&c, "relabel", "from", "4", "to", "3", "merge", "true", "known", "0 1 2 4",
		       NULL),
		    err);
	assert_pairs(&c, 1, (const int[][2]){{4, 3}});
	sm_case_clear(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relabel_maps_at_once_and_remembers),
		cmocka_unit_test(test_relabel_way_back_of_several_steps),
		cmocka_unit_test(test_relabel_refuses_a_merge_by_its_parameters),
		cmocka_unit_test(test_relabel_tells_what_was_merged),
	};
	return run_tap(tests);
}
