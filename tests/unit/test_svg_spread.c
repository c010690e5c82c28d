/* SPDX-License-Identifier: Apache-2.0
 *
 * Drawings of spread: the numbers behind them in closed form, and what is drawn of few and of many
 * values.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/svg_spread.h"

#define assert_near(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;
	for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
		n++;
	return n;
}

/* The value of the attribute in the k-th element that begins with `element`. */
static double number_in(const char *text, const char *element, size_t k, const char *name)
{
	const char *p = text;
	for (size_t i = 0; p && i <= k; i++)
		p = strstr(i ? p + 1 : p, element);
	assert_non_null(p);
	char key[32] = " ";
	strncat(key, name, sizeof key - 4);
	strcat(key, "=\"");
	p = strstr(p, key);
	assert_non_null(p);
	return strtod(p + strlen(key), NULL);
}

static void quantiles_are_numpys(void **state)
{
	(void)state;
	const double v[] = {1, 2, 4, 8, 16};
	assert_near(sm_svg_quantile(v, 5, 0), 1, 0);
	assert_near(sm_svg_quantile(v, 5, 0.25), 2, 0);
	assert_near(sm_svg_quantile(v, 5, 0.5), 4, 0);
	assert_near(sm_svg_quantile(v, 5, 0.9), 12.8, 1e-12);
	assert_near(sm_svg_quantile(v, 5, 1), 16, 0);
	assert_near(sm_svg_quantile(v, 4, 0.5), 3, 0);
	assert_near(sm_svg_quantile(v, 1, 0.3), 1, 0);
	assert_true(isnan(sm_svg_quantile(v, 0, 0.3)));
}

static void fifth_roots(void **state)
{
	(void)state;
	assert_near(sm_svg_fifth_root_inverse(1), 1, 1e-15);
	assert_near(sm_svg_fifth_root_inverse(32), 0.5, 1e-15);
	assert_near(sm_svg_fifth_root_inverse(243), 1 / 3.0, 1e-15);
	for (double n = 2; n < 1e7; n *= 3)
		assert_near(sm_svg_fifth_root_inverse(n), pow(n, -0.2), 1e-14);
}

static struct sm_svg_groups one_group(const struct sm_svg_column *c)
{
	static const char *const group[] = {"WT"};
	return (struct sm_svg_groups){.label = "test",
				      .width = 400,
				      .height = 240,
				      .low = 0,
				      .high = 10,
				      .groups = 1,
				      .series = 1,
				      .column = c,
				      .group = group};
}

/* Axis from 0 to 10: y of the drawing is linear in the value. */
static void a_box_stands_where_the_quartiles_are(void **state)
{
	(void)state;
	const double v[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	struct sm_svg_column c = {"WT", "#123456", v, 9};
	struct sm_svg_groups g = one_group(&c);
	struct sm_text t = {0};
	sm_svg_boxes(&t, &g);
	double top = number_in(t.data, "<rect", 0, "y");
	double height = number_in(t.data, "<rect", 0, "height");
	/* Lines of the axis: the first is 0, the last 10. */
	double zero = number_in(t.data, "<line", 0, "y1"),
	       ten = number_in(t.data, "<line", 5, "y1");
	assert_near(top, zero + (ten - zero) * 0.7, 0.011);
	assert_near(height, (zero - ten) * 0.4, 0.011);
	assert_int_equal(count_of(t.data, "<circle"), 9);
	assert_int_equal(count_of(t.data, "<rect"), 1);
	sm_text_clear(&t);
}

/* 0.9998 of DejaVu Sans is 42 units wide: five digits of 7.63 and a point. */
static void long_numbers_of_the_axis_have_room(void **state)
{
	(void)state;
	const double v[] = {0.9992, 0.9994, 0.9996, 0.9997, 0.9998, 0.9999};
	struct sm_svg_column c = {"WT", "#123456", v, 6};
	struct sm_svg_groups g = one_group(&c);
	g.low = NAN;
	g.high = 1;
	void (*const draw[])(struct sm_text *, const struct sm_svg_groups *) = {sm_svg_boxes,
										sm_svg_violins};
	for (size_t i = 0; i < 2; i++) {
		struct sm_text t = {0};
		draw[i](&t, &g);
		assert_non_null(strstr(t.data, ">1.0000<"));
		assert_true(number_in(t.data, "<text", 0, "x") > 42);
		sm_text_clear(&t);
	}
}

static void whiskers_leave_out_what_is_far(void **state)
{
	(void)state;
	double v[100];
	for (int i = 0; i < 98; i++)
		v[i] = 4 + 0.01 * i;
	v[98] = 9;
	v[99] = 9.5;
	struct sm_svg_column c = {"WT", "#123456", v, 100};
	struct sm_svg_groups g = one_group(&c);
	struct sm_text t = {0};
	sm_svg_boxes(&t, &g);
	/* Of more than 60 values only the two beyond the whiskers have dots. */
	assert_int_equal(count_of(t.data, "<circle"), 2);
	sm_text_clear(&t);
}

static void few_or_equal_values_show_themselves(void **state)
{
	(void)state;
	const double v[] = {1, 2, 3, 4, 4, 4, 4, 4, 4, 4};
	struct sm_svg_column few = {"WT", "#123456", v, 4}, equal = {"WT", "#123456", v + 3, 7},
			     none = {"WT", "#123456", v, 0};
	const struct {
		const struct sm_svg_column *c;
		size_t dots;
	} cases[] = {{&few, 4}, {&equal, 7}, {&none, 0}};
	for (size_t i = 0; i < 3; i++) {
		struct sm_svg_groups g = one_group(cases[i].c);
		struct sm_text t = {0};
		sm_svg_violins(&t, &g);
		assert_int_equal(count_of(t.data, "<circle"), cases[i].dots);
		assert_int_equal(count_of(t.data, "<path"), 0);
		sm_text_clear(&t);
	}
	struct sm_svg_groups g = one_group(&few);
	struct sm_text t = {0};
	sm_svg_boxes(&t, &g);
	assert_int_equal(count_of(t.data, "<rect"), 0);
	assert_int_equal(count_of(t.data, "<circle"), 4);
	sm_text_clear(&t);
}

/* Two heaps of values: the density has two wide places, at the heaps, and a waist between. */
static void a_violin_is_wide_where_the_values_are(void **state)
{
	(void)state;
	double v[40], half[49], y[49];
	for (int i = 0; i < 40; i++)
		v[i] = (i < 20 ? 2 : 8) + 0.02 * (i % 20);
	struct sm_svg_column c = {"WT", "#123456", v, 40};
	struct sm_svg_groups g = one_group(&c);
	struct sm_text t = {0};
	sm_svg_violins(&t, &g);
	const char *p = strstr(t.data, " d=\"M");
	assert_non_null(p);
	char *end = (char *)p + 5;
	for (int i = 0; i < 49; i++) {
		half[i] = strtod(end, &end);
		y[i] = strtod(end, &end);
		end++; /* L */
		assert_true(!i || y[i] <= y[i - 1]);
	}
	double middle = number_in(t.data, "<circle r=\"3\"", 0, "cx");
	double at_heap = middle - half[2], at_waist = middle - half[24],
	       at_other = middle - half[46];
	assert_true(at_heap > 2 * at_waist);
	assert_near(at_heap, at_other, at_heap * 0.05);
	sm_text_clear(&t);
}

/* Nine regions of two models with different numbers of values: a name or note and its neighbour on
 * the same line are as far from each other as they are wide; few regions stay on one line. */
static void crowded_labels_stand_on_two_lines(void **state)
{
	(void)state;
	const double v[] = {1, 2, 3};
	static const char *const group[] = {"wt", "tc", "tc_original", "label_1", "label_2",
					    "label_4", "label_8", "et", "kidney"};
	const char *note[9];
	struct sm_svg_column c[9];
	for (int i = 0; i < 9; i++) {
		c[i] = (struct sm_svg_column){"", "#123456", v, 3};
		note[i] = "n 14, 13 (1)";
	}
	for (size_t groups = 3; groups <= 9; groups += 6) {
		struct sm_svg_groups g = one_group(c);
		struct sm_text t = {0};
		double last_x[2] = {-1e9, -1e9}, first_y = 0;
		g.width = 540;
		g.groups = groups;
		g.group = group;
		g.note = note;
		sm_svg_boxes(&t, &g);
		const char *p = t.data;
		for (size_t i = 0; i < groups; i++, p++) {
			p = strstr(p, "<g fill-opacity=\".7\"");
			assert_non_null(p);
			double x = number_in(p, "<text", 0, "x"), y = number_in(p, "<text", 0, "y");
			first_y = i ? first_y : y;
			bool low = y > first_y;
			assert_true(low == (groups == 9 && i % 2));
			assert_true(x - last_x[low] > 6 * 12);
			assert_true(y < g.height);
			last_x[low] = x;
		}
		sm_text_clear(&t);
	}
}

static void models_stand_side_by_side_in_a_region(void **state)
{
	(void)state;
	static const char *const group[] = {"WT", "TC & <ET>"}, *const name[] = {"A", "B", "C"};
	const double v[] = {1, 2, 3, 4, 5, 6};
	struct sm_svg_column c[6];
	for (int i = 0; i < 6; i++)
		c[i] = (struct sm_svg_column){"", sm_okabe_ito[i % 3], v, 6};
	struct sm_svg_groups g = {.label = "a & b",
				  .width = 400,
				  .height = 240,
				  .low = NAN,
				  .high = NAN,
				  .groups = 2,
				  .series = 3,
				  .column = c,
				  .group = group,
				  .name = name};
	struct sm_text t = {0};
	sm_svg_boxes(&t, &g);
	assert_int_equal(count_of(t.data, "<rect"), 6);
	for (size_t i = 1; i < 6; i++)
		assert_true(number_in(t.data, "<rect", i, "x") >
			    number_in(t.data, "<rect", i - 1, "x") +
				    number_in(t.data, "<rect", i - 1, "width"));
	assert_non_null(strstr(t.data, "aria-label=\"a &amp; b\""));
	assert_non_null(strstr(t.data, ">TC &amp; &lt;ET&gt;</text>"));
	assert_int_equal(count_of(t.data, ">A</text>"), 1);
	sm_text_clear(&t);
}

static void a_scatter_leaves_out_what_is_not_finite(void **state)
{
	(void)state;
	const double x[] = {1, 2, NAN, 4}, y[] = {0.5, -0.5, 1, INFINITY};
	struct sm_svg_series s = {"WT", "#123456", x, y, 4, false};
	struct sm_svg_chart chart = {.label = "test",
				     .x_title = "mL",
				     .width = 400,
				     .height = 240,
				     .y_low = NAN,
				     .y_high = NAN,
				     .series = &s,
				     .count = 1};
	struct sm_svg_level level[] = {{2, "upper", true}, {0, "bias", false}, {NAN, "no", true}};
	struct sm_text t = {0};
	sm_svg_scatter(&t, &chart, "difference", level, 3);
	assert_int_equal(count_of(t.data, "<circle"), 2);
	assert_non_null(strstr(t.data, ">upper</text>"));
	assert_null(strstr(t.data, ">no</text>"));
	/* The axis reaches to the level at 2. */
	assert_non_null(strstr(t.data, ">2.0</text>"));
	assert_null(strstr(t.data, "nan"));
	assert_null(strstr(t.data, "inf"));
	sm_text_clear(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_numpys),
		cmocka_unit_test(fifth_roots),
		cmocka_unit_test(a_box_stands_where_the_quartiles_are),
		cmocka_unit_test(long_numbers_of_the_axis_have_room),
		cmocka_unit_test(whiskers_leave_out_what_is_far),
		cmocka_unit_test(few_or_equal_values_show_themselves),
		cmocka_unit_test(a_violin_is_wide_where_the_values_are),
		cmocka_unit_test(crowded_labels_stand_on_two_lines),
		cmocka_unit_test(models_stand_side_by_side_in_a_region),
		cmocka_unit_test(a_scatter_leaves_out_what_is_not_finite),
	};
	return run_tap(tests);
}
