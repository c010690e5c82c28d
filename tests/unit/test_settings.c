/* SPDX-License-Identifier: Apache-2.0 */
/* What the sentence of a refused --resume says of the setting that differs. */
#include "tests/unit/tap.h"

#include <stdio.h>
#include <string.h>

#include "train/settings.h"

static void differs(const char *now, const char *then, const char *place, const char *found,
		    const char *had)
{
	struct sm_setting s;
	assert_true(sm_settings_differ(now, then, &s));
	assert_string_equal(s.place, place);
	assert_string_equal(s.found, found);
	assert_string_equal(s.had, had);
}

#define HEX16 "0123456789abcdef"
#define HEX58 HEX16 HEX16 HEX16 "0123456789"

/* A value that is too long for the sentence is cut, but closed by what it was opened with. */
static void test_long_values_are_closed(void **state)
{
	(void)state;
	differs("{\"parents\":{\"tile\":\"" HEX58 "abcdef\"}}",
		"{\"parents\":{\"tile\":\"" HEX58 "abcdee\"}}", "the ledger of tile",
		"\"" HEX58 "...\"", "\"" HEX58 "...\"");
	/* 63 characters with their quotes just fit. */
	differs("{\"a\":\"" HEX58 "abc\"}", "{\"a\":\"" HEX58 "abcd\"}", "a", "\"" HEX58 "abc\"",
		"\"" HEX58 "...\"");
}

static void test_long_lists_and_letters_stay_whole(void **state)
{
	(void)state;
	differs("{\"a\":[1000001,1000002,1000003,1000004,1000005,1000006,1000007,1000008]}",
		"{\"a\":[]}", "a",
		"[1000001,1000002,1000003,1000004,1000005,1000006,1000007,...]", "[]");
	/* Two bytes a letter: the 58th byte is the first half of one. */
	differs("{\"a\":\"x\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\"}",
		"{}", "a",
		"\"x\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		"\u00e4\u00e4\u00e4...\"",
		"nothing");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long_values_are_closed),
		cmocka_unit_test(test_long_lists_and_letters_stay_whole),
	};
	return run_tap(tests);
}
