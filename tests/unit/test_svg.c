/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing texts and drawings.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/svg.h"

#define assert_text(text, wanted) \
	do { \
		assert_false((text).failed); \
		assert_string_equal((text).data, (wanted)); \
		sm_text_clear(&(text)); \
	} while (0)

static void text_is_escaped_for_its_place(void **state)
{
	(void)state;
	struct sm_text t = {0};
	sm_text_html(&t, "<a & \"b\"> 'c' \x01");
	assert_text(t, "&lt;a &amp; &quot;b&quot;&gt; &#39;c&#39; ?");
	sm_text_tex(&t, "50 % of a_b & $c$ \\d <i>|");
	assert_text(t, "50 \\% of a\\_b \\& \\$c\\$ \\textbackslash{}d \\textless{}i\\textgreater{}\\textbar{}");
	sm_text_csv(&t, "plain");
	sm_text_str(&t, ",");
	sm_text_csv(&t, "1,2");
	sm_text_str(&t, ",");
	sm_text_csv(&t, "say \"a\"");
	sm_text_str(&t, ",");
	sm_text_csv(&t, "=1+1");
	assert_text(t, "plain,\"1,2\",\"say \"\"a\"\"\",\"'=1+1\"");
}

/* The examples of RFC 4648, section 10. */
static void base64_is_that_of_the_rfc(void **state)
{
	(void)state;
	static const char *const wanted[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
					     "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
	for (size_t n = 1; n <= 6; n++) {
		struct sm_text t = {0};
		sm_text_base64(&t, "foobar", n);
		assert_text(t, wanted[n]);
	}
}

static void texts_grow_without_bound_of_a_buffer(void **state)
{
	(void)state;
	struct sm_text t = {0};
	for (int i = 0; i < 5000; i++)
		sm_text_f(&t, "%05d,", i);
	assert_int_equal(t.n, 30000);
	assert_memory_equal(t.data + 6 * 4321, "04321,", 6);
	sm_text_clear(&t);
}

static void numbers_have_one_form(void **state)
{
	(void)state;
	struct sm_text t = {0};
	static const double v[] = {1, 0.5, 0.256, -0.001, 120, -3.10, NAN, INFINITY};
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		sm_svg_number(&t, v[i]);
		sm_text_str(&t, " ");
	}
	assert_text(t, "1 0.5 0.26 0 120 -3.1 0 0 ");
}

static void ticks_cover_the_range_in_nice_steps(void **state)
{
	(void)state;
	static const double range[][2] = {
		{0, 1},  {0.2, 0.93},        {1, 117},   {0.00011, 0.00019},
		{-3, 4}, {1234567, 2345678}, {0.5, 1.5}, {1, 2}};
	for (size_t i = 0; i < sizeof range / sizeof *range; i++) {
		double lo = range[i][0], hi = range[i][1];
		struct sm_ticks t = sm_ticks_nice(lo, hi, 5);
		double last = t.first + t.step * (t.count - 1), mantissa = t.step;
		assert_in_range(t.count, 2, 9);
		assert_true(t.first <= lo + 1e-9 * t.step && last >= hi - 1e-9 * t.step);
		assert_true(lo - t.first < t.step && last - hi <= t.step);
		while (mantissa >= 9.99)
			mantissa /= 10;
		while (mantissa < 0.999)
			mantissa *= 10;
		assert_true(fabs(mantissa - 1) < 1e-9 || fabs(mantissa - 2) < 1e-9 ||
			    fabs(mantissa - 5) < 1e-9);
		/* The digits shown tell neighbours apart and lose nothing of the step. */
		char shown[64];
		snprintf(shown, sizeof shown, "%.*f", t.decimals, t.step);
		assert_true(fabs(strtod(shown, NULL) - t.step) < 1e-9 * t.step);
	}
	struct sm_ticks flat = sm_ticks_nice(0.5, 0.5, 5), same = sm_ticks_nice(0.5, 1.5, 5);
	assert_memory_equal(&flat, &same, sizeof flat);
	struct sm_ticks bad = sm_ticks_nice(NAN, INFINITY, 5);
	assert_true(bad.first == 0 && bad.count >= 2);
}

/* Area inside path data of M x y, h, v, z, by the shoelace formula; *loops its closed parts. */
static double area_of(const char *d, int *loops)
{
	double area = 0, x = 0, y = 0, x0 = 0, y0 = 0;
	*loops = 0;
	while (d && *d) {
		char command = *d++, *end;
		double a = command == 'z' ? 0 : strtod(d, &end), b = 0;
		if (command == 'M')
			b = strtod(end, &end);
		double nx = command == 'M' ? a : command == 'h' ? x + a : command == 'v' ? x : x0;
		double ny = command == 'M' ? b : command == 'v' ? y + a : command == 'h' ? y : y0;
		if (command == 'M') {
			x0 = nx;
			y0 = ny;
		} else {
			area += (x * ny - nx * y) / 2;
		}
		*loops += command == 'z';
		x = nx;
		y = ny;
		if (command != 'z')
			d = end;
	}
	return area;
}

static void a_rectangle_has_four_corners(void **state)
{
	(void)state;
	struct sm_text t = {0};
	struct sm_err err = {0};
	uint8_t mask[6 * 5] = {0};
	for (int y = 1; y < 3; y++)
		for (int x = 2; x < 5; x++)
			mask[y * 6 + x] = 1;
	assert_good(sm_svg_outline(&t, mask, 6, 5, &err), err);
	assert_text(t, "M2 1h3v2h-3z");
	memset(mask, 0, sizeof mask);
	assert_good(sm_svg_outline(&t, mask, 6, 5, &err), err);
	assert_int_equal(t.n, 0);
}

static void touching_corners_part_and_holes_count_negative(void **state)
{
	(void)state;
	struct sm_text t = {0};
	struct sm_err err = {0};
	static const uint8_t cross[] = {1, 0, 0, 1};
	static const uint8_t ring[] = {1, 1, 1, 1, 0, 1, 1, 1, 1};
	int loops;
	assert_good(sm_svg_outline(&t, cross, 2, 2, &err), err);
	assert_true(area_of(t.data, &loops) == 2);
	assert_int_equal(loops, 2);
	sm_text_clear(&t);
	assert_good(sm_svg_outline(&t, ring, 3, 3, &err), err);
	assert_true(area_of(t.data, &loops) == 8);
	assert_int_equal(loops, 2);
	sm_text_clear(&t);
}

/* Whatever the mask, the outlines hold exactly its pixels. */
static void the_area_inside_is_the_number_of_pixels(void **state)
{
	(void)state;
	struct sm_err err = {0};
	struct sm_rng rng;
	sm_rng_init(&rng, 3, "test.outline", "", 0, 0);
	for (int round = 0; round < 300; round++) {
		int64_t w = 1 + sm_rng_below(&rng, 20), h = 1 + sm_rng_below(&rng, 20);
		uint32_t share = 1 + sm_rng_below(&rng, 9);
		struct sm_text t = {0};
		uint8_t mask[400];
		int count = 0, loops;
		for (int64_t i = 0; i < w * h; i++)
			count += mask[i] = sm_rng_below(&rng, 10) < share;
		assert_good(sm_svg_outline(&t, mask, w, h, &err), err);
		assert_true(area_of(t.data, &loops) == count);
		sm_text_clear(&t);
	}
}

/* The whole file of a mask, by hand: a square, a ring with its hole, a pixel, nothing. */
static void masks_become_closed_polygons(void **state)
{
	(void)state;
	struct sm_err err = {0};
	static const struct {
		const char *rows[5], *polygons;
	} cases[] = {
		{{".....", ".###.", ".###.", ".###.", "....."}, "M1 1h3v3h-3z"},
		{{"#####", "#...#", "#...#", "#####", "....."}, "M0 0h5v4h-5zM1 1v2h3v-2z"},
		{{".....", ".....", "....#", ".....", "....."}, "M4 2h1v1h-1z"},
		{{".....", ".....", ".....", ".....", "....."}, ""},
	};
	for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
		uint8_t mask[25];
		struct sm_text t = {0}, wanted = {0};
		for (int i = 0; i < 25; i++)
			mask[i] = cases[k].rows[i / 5][i % 5] == '#';
		sm_text_f(&wanted,
			  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"5\" height=\"5\" "
			  "viewBox=\"0 0 5 5\" shape-rendering=\"crispEdges\">\n"
			  "<path fill=\"#000\" fill-rule=\"evenodd\" d=\"%s\"/>\n</svg>\n",
			  cases[k].polygons);
		assert_good(sm_svg_mask(&t, mask, 5, 5, &err), err);
		assert_text(t, wanted.data);
		sm_text_clear(&wanted);
	}
}

static void a_chart_leaves_gaps_where_values_are_missing(void **state)
{
	(void)state;
	struct sm_text t = {0};
	double x[] = {1, 2, 3, 4, 5}, y[] = {0.1, 0.2, NAN, 0.4, 0.5};
	struct sm_svg_series s = {"a<b", sm_okabe_ito[SM_BLUE], x, y, 5, false};
	struct sm_svg_chart c = {.label = "loss & more",
				 .x_title = "epoch",
				 .width = 400,
				 .height = 200,
				 .y_low = NAN,
				 .y_high = NAN,
				 .mark = 4,
				 .mark_name = "best",
				 .series = &s,
				 .count = 1};
	sm_svg_lines(&t, &c);
	const char *path = strstr(t.data, " d=\"");
	assert_non_null(path);
	assert_int_equal(strspn(path + 4, "ML0123456789. "), strcspn(path + 4, "\""));
	int starts = 0;
	for (const char *p = path + 4; *p != '"'; p++)
		starts += *p == 'M';
	assert_int_equal(starts, 2);
	assert_non_null(strstr(t.data, "a&lt;b"));
	assert_non_null(strstr(t.data, "loss &amp; more"));
	assert_null(strstr(t.data, "nan"));
	sm_text_clear(&t);
	s.n = 0;
	sm_svg_lines(&t, &c);
	assert_false(t.failed);
	assert_null(strstr(t.data, "nan"));
	sm_text_clear(&t);
}

/* x of the k-th text that ends where the axis begins; its words. */
static double label_at(const char *text, int k, char words[32])
{
	for (; (text = strstr(text, "<text")); text++)
		if (strstr(text, "text-anchor=\"end\"") < strchr(text, '>') &&
		    strstr(text, "text-anchor=\"end\"") && !k--)
			break;
	assert_non_null(text);
	const char *from = strchr(text, '>') + 1;
	snprintf(words, 32, "%.*s", (int)strcspn(from, "<"), from);
	return strtod(strstr(text, " x=\"") + 4, NULL);
}

/* Digits of DejaVu Sans, one of the widest faces, are 7.63 units wide at 12, a point 3.82. */
static void labels_of_an_axis_are_not_cut_off(void **state)
{
	(void)state;
	static const double ends[][2] = {
		{0, 1}, {0.0001, 0.0002}, {0.999, 1}, {-0.00002, 0.00001}, {120000, 250000}};
	for (size_t k = 0; k < sizeof ends / sizeof *ends; k++) {
		struct sm_text t = {0};
		double x[] = {1, 2};
		struct sm_svg_series s = {"rate", sm_okabe_ito[SM_BLUE], x, ends[k], 2, false};
		struct sm_svg_chart c = {.label = "rate",
					 .x_title = "epoch",
					 .width = 400,
					 .height = 200,
					 .y_low = NAN,
					 .y_high = NAN,
					 .mark = NAN,
					 .series = &s,
					 .count = 1};
		sm_svg_lines(&t, &c);
		assert_false(t.failed);
		for (int i = 0; i < 3; i++) {
			char words[32];
			double at = label_at(t.data, i, words), width = 0;
			for (const char *w = words; *w; w++)
				width += *w == '.' ? 3.82 : *w == '-' ? 4.33 : 7.63;
			assert_true(at >= width);
			/* Short ones keep the usual margin. */
			assert_true(k || at == 38);
		}
		sm_text_clear(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped_for_its_place),
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(texts_grow_without_bound_of_a_buffer),
		cmocka_unit_test(numbers_have_one_form),
		cmocka_unit_test(ticks_cover_the_range_in_nice_steps),
		cmocka_unit_test(a_rectangle_has_four_corners),
		cmocka_unit_test(touching_corners_part_and_holes_count_negative),
		cmocka_unit_test(the_area_inside_is_the_number_of_pixels),
		cmocka_unit_test(masks_become_closed_polygons),
		cmocka_unit_test(a_chart_leaves_gaps_where_values_are_missing),
		cmocka_unit_test(labels_of_an_axis_are_not_cut_off),
	};
	return run_tap(tests);
}
