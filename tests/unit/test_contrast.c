/* SPDX-License-Identifier: Apache-2.0
 *
 * What tells the volumes of one series apart, and their names.
 */
#include "tests/unit/series_tree.h"

#include <stdlib.h>
#include <time.h>

static void make_mr(struct tree *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		slice(t, i, "1.2", (int)i, 0, 0, (double)(i / 2) * 4.0);
		snprintf(t->heads[i].modality, sizeof t->heads[i].modality, "MR");
		snprintf(t->frames[i]->image_kind, sizeof t->frames[i]->image_kind, "M");
	}
}

/* The two volumes of a series by their names, whichever comes first. */
static void expect_names(const struct sm_series_list *list, const char *a, const char *b)
{
	assert_int_equal(list->n, 2);
	bool turned = strcmp(list->series[0].name, a) != 0;
	assert_string_equal(list->series[turned].name, a);
	assert_string_equal(list->series[!turned].name, b);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(list->series[i].verdict, SM_VERDICT_OK);
}

static void test_series_named_by_contrast(void **state)
{
	(void)state;
	struct tree t;
	make_mr(&t, 6);
	for (size_t i = 0; i < 6; i++)
		t.frames[i]->echo_time = i % 2 ? 20 : 80;
	struct sm_series_list list = group(&t, 6);
	expect_names(&list, "e1", "e2");
	assert_true(t.frames[list.series[0].slice[0].head]->echo_time ==
		    (strcmp(list.series[0].name, "e1") ? 80 : 20));
	sm_series_list_clear(&list);
	make_mr(&t, 6);
	for (size_t i = 0; i < 6; i += 2)
		t.frames[i]->component = SM_PHASE;
	list = group(&t, 6);
	expect_names(&list, "ph", "mag");
	sm_series_list_clear(&list);
	for (size_t i = 0; i < 6; i += 2) {
		t.frames[i]->component = SM_DERIVED_MAP;
		snprintf(t.frames[i]->image_kind, sizeof t.frames[i]->image_kind, "ADC");
	}
	list = group(&t, 6);
	expect_names(&list, "adc", "mag");
	sm_series_list_clear(&list);
	make_mr(&t, 6);
	for (size_t i = 0; i < 6; i++)
		t.frames[i]->inversion_time = i % 2 ? 900 : 2500;
	list = group(&t, 6);
	expect_names(&list, "i1", "i2");
	sm_series_list_clear(&list);
}

/* Two voltages in turns, in another order at every other position. */
static void test_contrast_voltages(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 12; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, 3.0 * (double)(i / 2));
		t.frames[i]->kvp = (i + i / 2) % 2 ? 80 : 140;
	}
	struct sm_series_list list = group(&t, 12);
	expect_names(&list, "80kv", "140kv");
	for (size_t s = 0; s < 2; s++)
		for (size_t k = 0; k < 6; k++)
			assert_true(t.frames[list.series[s].slice[k].head]->kvp ==
				    (strcmp(list.series[s].name, "80kv") ? 140 : 80));
	sm_series_list_clear(&list);
}

/* Two kernels half a step apart look like one even stack. */
static void test_contrast_kernels(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 12; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, 1.5 * (double)i);
		/* hashes in the other order than numbers */
		memcpy(t.frames[i]->kernel, i % 2 ? "0000000a" : "f0000000", 9);
		t.frames[i]->kernel_number = i % 2 ? 70 : 30;
	}
	struct sm_series_list list = group(&t, 12);
	expect_names(&list, "k1", "k2");
	for (size_t s = 0; s < 2; s++)
		assert_true(t.frames[list.series[s].slice[0].head]->kernel_number ==
			    (strcmp(list.series[s].name, "k1") ? 70 : 30));
	sm_series_list_clear(&list);
}

/* CT: another word of ImageType for the next slab is one scan; where they meet, they are two. */
static void test_contrast_words_of_slabs(void **state)
{
	(void)state;
	struct tree t;
	for (size_t i = 0; i < 12; i++) {
		slice(&t, i, "1.2", (int)i, 0, 0, 3.0 * (double)i);
		memcpy(t.frames[i]->image_words, i < 6 ? "0000000a" : "0000000b", 9);
	}
	struct sm_series_list list = group(&t, 12);
	expect_one(&list, SM_VERDICT_OK, "");
	sm_series_list_clear(&list);
	for (size_t i = 0; i < 12; i++)
		t.frames[i]->position[2] = 3.0 * (double)(i % 6);
	list = group(&t, 12);
	expect_names(&list, "1", "2");
	sm_series_list_clear(&list);
}

static void test_contrast_parts_of_a_picture(void **state)
{
	(void)state;
	struct tree t;
	make_mr(&t, 6);
	for (size_t i = 0; i < 6; i++) {
		snprintf(t.frames[i]->shows, sizeof t.frames[i]->shows, i % 2 ? "fat" : "water");
		memcpy(t.frames[i]->image_words, i % 2 ? "0000000a" : "0000000b", 9);
	}
	struct sm_series_list list = group(&t, 6);
	expect_names(&list, "water", "fat");
	sm_series_list_clear(&list);
	/* words of no table */
	for (size_t i = 0; i < 6; i++)
		*t.frames[i]->shows = '\0';
	list = group(&t, 6);
	expect_names(&list, "1", "2");
	sm_series_list_clear(&list);
}

/* The last digit of a time parts nothing, a chain of small steps joins. */
static void test_contrast_times_with_a_last_digit(void **state)
{
	(void)state;
	struct tree t;
	for (int echo = 0; echo < 2; echo++) {
		make_mr(&t, 6);
		for (size_t i = 0; i < 6; i++) {
			t.frames[i]->position[2] = 4.0 * (double)i;
			if (echo)
				t.frames[i]->echo_time = i % 2 ? 2.980 : 2.982;
			else
				t.frames[i]->inversion_time = i % 2 ? 2500 : 2500.01;
		}
		struct sm_series_list list = group(&t, 6);
		expect_one(&list, SM_VERDICT_OK, "");
		assert_int_equal(list.series[0].depth, 6);
		sm_series_list_clear(&list);
	}
}

/* As many groups as slices. */
static void test_contrast_many_groups(void **state)
{
	(void)state;
	enum { COUNT = 20000 };
	struct tree t;
	struct sm_dcm_frame *frames = calloc(COUNT, sizeof *frames);
	assert_non_null(frames);
	slice(&t, 0, "1.2", 0, 0, 0, 0);
	for (size_t i = 0; i < COUNT; i++) {
		frames[i] = frame((int)i, 0, 0, 2.0 * (double)i);
		frames[i].stack = (long)i + 1;
	}
	t.heads[0].frame = frames;
	t.heads[0].frame_count = COUNT;
	clock_t begin = clock();
	struct sm_series_list list = group(&t, 1);
	double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
	assert_int_equal(list.n, COUNT);
	sm_series_list_clear(&list);
	free(frames);
	assert_true(seconds < 8); /* each with each: half a minute */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_series_named_by_contrast),
		cmocka_unit_test(test_contrast_voltages),
		cmocka_unit_test(test_contrast_kernels),
		cmocka_unit_test(test_contrast_words_of_slabs),
		cmocka_unit_test(test_contrast_parts_of_a_picture),
		cmocka_unit_test(test_contrast_times_with_a_last_digit),
		cmocka_unit_test(test_contrast_many_groups),
	};
	return run_tap(tests);
}
