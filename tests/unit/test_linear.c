/* SPDX-License-Identifier: Apache-2.0
 *
 * The way from [-1, 1] back to a volume's own unit, from the steps that a ledger tells.
 */
#include "tests/unit/tap.h"

#include <string.h>

#include "preprocess/linear.h"

#define WINDOW \
	"{\"window\":{\"preset\":\"none\",\"centre\":40,\"width\":400,\"range\":[-1024,3071]," \
	"\"to\":[-1,1]," \
	"\"roles\":[]},\"when\":\"ct\"}"
#define SCALE(roles) \
	"{\"scale\":{\"multiply\":1,\"divide\":127.5,\"add\":-1,\"clip\":[],\"roles\":[" roles "]}}"
#define PERCENTILES "{\"normalise\":{\"method\":\"percentile\"},\"when\":\"mr\"}"
#define SECTIONS(layout, steps, upto) \
	"{\"ingest\":{\"layout\":\"" layout \
	"\",\"pet_units\":\"stored\"},\"preprocess\":{\"steps\":[" steps "],\"upto\":" upto "}}"

static struct sm_linear of(const char *text, const char *name)
{
	struct sm_linear out;
	json_t *manifest = json_loads(text, 0, NULL);
	assert_non_null(manifest);
	sm_linear_of(manifest, name, &out);
	json_decref(manifest);
	return out;
}

static void expect(const char *text, const char *name, const char *unit, double low, double high)
{
	struct sm_linear l = of(text, name);
	assert_string_equal(l.unit, unit);
	assert_int_equal(l.known, strcmp(unit, SM_UNIT_NORMALISED) != 0);
	assert_true(l.low == low && l.high == high);
}

static void test_windows_and_scales_have_a_way_back(void **state)
{
	(void)state;
	expect(SECTIONS("mixed", WINDOW, "0"), "ct", "HU", -1024, 3071);
	expect(SECTIONS("images", SCALE(""), "0"), "A", "grey", 0, 255);
	/* both, one behind the other: the window to [-1, 1] is 127.5 times as steep before the
	 * scale */
	expect(SECTIONS("mixed",
			"{\"window\":{\"preset\":\"bone\",\"range\":[],\"to\":[0,255],\"roles\":[]}"
			"}," SCALE(""),
			"0"),
	       "ct", "HU", -500, 1300);
	expect(SECTIONS("mixed",
			"{\"window\":{\"preset\":\"none\",\"centre\":40,\"width\":80,\"range\":[],"
			"\"to\":[-1,1],\"roles\":[]}}",
			"0"),
	       "CT", "HU", 0, 80);
	expect(SECTIONS("mixed",
			"{\"suv\":{}},{\"scale\":{\"multiply\":1,\"divide\":5,\"add\":-1,\"roles\":"
			"[]}}",
			"0"),
	       "pet", "SUV", 0, 10);
	expect(SECTIONS("mixed", "", "0"), "mr", "arbitrary", -1, 1);
}

static void test_steps_for_others_do_not_count(void **state)
{
	(void)state;
	expect(SECTIONS("mixed", WINDOW "," PERCENTILES, "0"), "ct", "HU", -1024, 3071);
	expect(SECTIONS("mixed", WINDOW "," PERCENTILES, "0"), "mr", SM_UNIT_NORMALISED, -1, 1);
	expect(SECTIONS("mixed", WINDOW "," PERCENTILES, "1"), "mr", "arbitrary", -1, 1);
	expect(SECTIONS("images", SCALE("\"B\""), "0"), "A", "grey", -1, 1);
	expect(SECTIONS("images", SCALE("\"B\""), "0"), "B", "grey", 0, 255);
	expect(SECTIONS("mixed", "{\"orient\":{}}," WINDOW ",{\"pad_crop\":{}}", "0"), "ct", "HU",
	       -1024, 3071);
}

static void test_what_is_not_sure_is_not_known(void **state)
{
	(void)state;
	/* may be a CT, or not */
	expect(SECTIONS("files", WINDOW, "0"), "head", SM_UNIT_NORMALISED, -1, 1);
	expect(SECTIONS("mixed", WINDOW, "0"), NULL, SM_UNIT_NORMALISED, -1, 1);
	expect(SECTIONS("mixed", SCALE("\"first\""), "0"), "ct", SM_UNIT_NORMALISED, -1, 1);
	/* a falling line, an operation nobody knows, SUV of what is scaled already */
	expect(SECTIONS("images",
			"{\"scale\":{\"multiply\":-1,\"divide\":1,\"add\":0,\"roles\":[]}}", "0"),
	       "A", SM_UNIT_NORMALISED, -1, 1);
	expect(SECTIONS("images", "{\"nothing\":{}}", "0"), "A", SM_UNIT_NORMALISED, -1, 1);
	expect(SECTIONS("mixed", SCALE("") ",{\"suv\":{}}", "0"), "pet", SM_UNIT_NORMALISED, -1, 1);
	expect("{}", "A", SM_UNIT_NORMALISED, -1, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows_and_scales_have_a_way_back),
		cmocka_unit_test(test_steps_for_others_do_not_count),
		cmocka_unit_test(test_what_is_not_sure_is_not_known),
	};
	return run_tap(tests);
}
