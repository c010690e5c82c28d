/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tap.h"

#include <string.h>

#include "core/err.h"

static void test_err_sentence_holds_no_control_characters(void **state)
{
	(void)state;
	struct sm_err err = {0};
	assert_int_equal(SM_FAIL(&err, SM_INPUT, "file %s: field dim[0]", "a\x1b[31m\n"), SM_INPUT);
	assert_string_equal(err.text, "file a?[31m?: field dim[0]");
	assert_int_equal(err.code, SM_INPUT);
}

static void test_err_prefix_puts_context_first(void **state)
{
	(void)state;
	struct sm_err err = {0};
	SM_FAIL(&err, SM_IO, "disk full");
	assert_int_equal(sm_err_prefix(&err, "case %d", 7), SM_IO);
	assert_string_equal(err.text, "case 7: disk full");
}

static void test_err_may_name_itself_in_its_own_arguments(void **state)
{
	(void)state;
	struct sm_err err = {0};
	SM_FAIL(&err, SM_IO, "first");
	SM_FAIL(&err, SM_INPUT, "second after %s", err.text);
	assert_string_equal(err.text, "second after first");
}

static void test_err_long_sentence_is_cut_not_overrun(void **state)
{
	(void)state;
	struct sm_err err = {0};
	char text[3000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = 0;
	SM_FAIL(&err, SM_INPUT, "%s", text);
	assert_int_equal(strlen(err.text), SM_ERR_TEXT - 1);
	sm_err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), SM_ERR_TEXT - 1);
}

static void test_err_exit_codes_are_the_documented_ones(void **state)
{
	(void)state;
	assert_int_equal(sm_exit_code(SM_OK), 0);
	assert_int_equal(sm_exit_code(SM_USAGE), 2);
	assert_int_equal(sm_exit_code(SM_INPUT), 3);
	assert_int_equal(sm_exit_code(SM_BUDGET), 3);
	assert_int_equal(sm_exit_code(SM_IO), 4);
	assert_int_equal(sm_exit_code(SM_INTERNAL), 5);
	assert_int_equal(SM_FAIL(NULL, SM_IO, "nobody listens"), SM_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_err_sentence_holds_no_control_characters),
		cmocka_unit_test(test_err_prefix_puts_context_first),
		cmocka_unit_test(test_err_may_name_itself_in_its_own_arguments),
		cmocka_unit_test(test_err_long_sentence_is_cut_not_overrun),
		cmocka_unit_test(test_err_exit_codes_are_the_documented_ones),
	};
	return run_tap(tests);
}
