/* SPDX-License-Identifier: Apache-2.0
 *
 * What tells volumes of one series apart, from hand-made data sets.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ingest/series/image_words.h"
#include "tests/unit/dcm_build.h"

struct scan {
	const char *type, *modality, *agent, *kvp, *filter, *kernel, *flip;
};

static struct sm_dcm_head head_from(struct scan s, const char *salt)
{
	struct build b = begin((struct who){s.type, s.modality, NULL, NULL});
	if (s.agent)
		build_text(&b, T(0x18, 0x10), "LO", s.agent);
	if (s.kvp)
		build_text(&b, T(0x18, 0x60), "DS", s.kvp);
	if (s.filter)
		build_text(&b, T(0x18, 0x1160), "SH", s.filter);
	if (s.kernel)
		build_text(&b, T(0x18, 0x1210), "SH", s.kernel);
	if (s.flip)
		build_text(&b, T(0x18, 0x1314), "DS", s.flip);
	series(&b);
	place(&b);
	picture(&b, NULL, 64, 48);
	struct sm_dcm_head h = head_with(&b, salt, false);
	assert_int_equal(h.verdict, SM_VERDICT_OK);
	return h;
}

static void test_keys_of_image_types(void **state)
{
	(void)state;
	static const struct {
		const char *type, *shows;
		enum sm_component component;
	} rows[] = {
		{"DERIVED\\PRIMARY\\DIXON\\WATER", "water", SM_MAGNITUDE},
		{"DERIVED\\PRIMARY\\DIXON", "", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM7 SPI DUAL", "", SM_MAGNITUDE},
		{"DERIVED\\PRIMARY\\DIXON\\FAT", "fat", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\M\\ND\\NORM\\IN_PHASE", "inphase", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\OPP_PHASE\\ND", "outphase", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\W\\W\\DERIVED", "water", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\OP\\OP\\DERIVED", "outphase", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\ASL\\NONE\\LABEL", "label", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\ASL\\NONE\\CONTROL", "control", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\M\\ND\\NORM", "nd", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY\\P\\DIS2D", "dis2d", SM_PHASE},
		{"DERIVED\\PRIMARY\\T2_MAP\\NONE", "t2map", SM_DERIVED_MAP},
		{"ORIGINAL\\PRIMARY\\T1\\NONE", "", SM_MAGNITUDE},
		{"ORIGINAL\\PRIMARY", "", SM_MAGNITUDE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sm_dcm_head h = head_from((struct scan){rows[i].type, .modality = "MR"}, "");
		assert_string_equal(h.frame->shows, rows[i].shows);
		assert_int_equal(h.frame->component, rows[i].component);
		sm_dcm_head_clear(&h);
	}
}

static void test_keys_words_of_no_table_differ(void **state)
{
	(void)state;
	struct scan doe = {.type = "ORIGINAL\\PRIMARY\\M\\DOE", .modality = "MR"};
	struct scan roe = {.type = "ORIGINAL\\PRIMARY\\M\\ROE", .modality = "MR"};
	struct scan derived = {.type = "DERIVED\\SECONDARY\\M\\DOE", .modality = "MR"};
	struct sm_dcm_head a = head_from(doe, "salt"), b = head_from(roe, "salt");
	struct sm_dcm_head c = head_from(derived, "salt"), d = head_from(doe, "pepper");
	assert_int_equal(strlen(a.frame->image_words), 8);
	assert_string_not_equal(a.frame->image_words, b.frame->image_words);
	assert_string_equal(a.frame->image_words, c.frame->image_words);
	assert_string_not_equal(a.frame->image_words, d.frame->image_words);
	sm_dcm_head_clear(&a);
	sm_dcm_head_clear(&b);
	sm_dcm_head_clear(&c);
	sm_dcm_head_clear(&d);
}

static void test_keys_of_ct(void **state)
{
	(void)state;
	struct scan scan = {"ORIGINAL\\PRIMARY\\AXIAL", "CT", "DOE^JOHN", "80",
			    "DOE^JOHN",                 "DOE70JOHN", NULL};
	struct sm_dcm_head a = head_from(scan, "salt");
	assert_true(a.frame->kvp == 80 && a.frame->kernel_number == 70);
	assert_int_equal(strlen(a.frame->kernel), 8);
	static const char *const never[] = {"DOE", "JOHN"};
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		assert_null(memmem(a.frame, sizeof *a.frame, never[i], strlen(never[i])));
	scan.kernel = "DOE71JOHN";
	scan.agent = NULL;
	struct sm_dcm_head b = head_from(scan, "salt");
	assert_string_not_equal(a.frame->kernel, b.frame->kernel);
	assert_string_not_equal(a.frame->setting, b.frame->setting);
	scan = (struct scan){.type = "ORIGINAL\\PRIMARY\\AXIAL", .modality = "CT"};
	struct sm_dcm_head c = head_from(scan, "salt");
	assert_true(isnan(c.frame->kvp) && isnan(c.frame->kernel_number));
	assert_true(!*c.frame->kernel && !*c.frame->setting);
	sm_dcm_head_clear(&a);
	sm_dcm_head_clear(&b);
	sm_dcm_head_clear(&c);
}

/* Names go into file names. */
static void test_keys_names_are_safe(void **state)
{
	(void)state;
	static const char *const words[] = {"WATER", "IN PHASE", "UNI-DEN", "T2_STAR_MAP",
					    "CSA MPR"};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const struct sm_image_word *row = sm_image_word_find(words[i]);
		assert_non_null(row);
		assert_true(*row->shows &&
			    strlen(row->shows) < sizeof(struct sm_dcm_frame){0}.shows);
		assert_true(strspn(row->shows, "abcdefghijklmnopqrstuvwxyz0123456789") ==
			    strlen(row->shows));
	}
	assert_null(sm_image_word_find("DOE^JOHN"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_image_types),
		cmocka_unit_test(test_keys_words_of_no_table_differ),
		cmocka_unit_test(test_keys_of_ct),
		cmocka_unit_test(test_keys_names_are_safe),
	};
	return run_tap(tests);
}
