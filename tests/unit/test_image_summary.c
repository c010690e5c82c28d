/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of image scores: statistics, what is better than what, and the files that say so.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "eval/image_summary.h"

enum { CASES = 3 };
static const char *const keys[CASES] = {"p1", "p2", "=p3"};

/* Scores that have nothing but whole-image numbers in the own unit. */
static struct sm_image_scores blank(void)
{
	struct sm_image_scores s = {.range = 2000, .voxels = 8};
	for (int i = 0; i < SM_IMAGE_SCALES * SM_IMAGE_REGIONS * SM_IMAGE_METRICS; i++) {
		(&s.value[0][0][0])[i] = NAN;
		(&s.why[0][0][0])[i] = i < SM_IMAGE_METRICS       ? SM_WHY_SMALL
				       : i < 2 * SM_IMAGE_METRICS ? SM_WHY_NO_MASK
								  : SM_WHY_NO_WINDOW;
	}
	return s;
}

static void set(struct sm_image_scores *s, int metric, double v)
{
	s->value[0][0][metric] = v;
	s->why[0][0][metric] = isinf(v) ? SM_WHY_EQUAL : SM_WHY_NONE;
}

struct world {
	struct sm_image_scores model[CASES], linear[CASES], cubic[CASES];
	struct sm_image_row row[3];
	struct sm_image_settings settings;
	struct sm_image_table table;
};

static void build(struct world *w, const double mae[3][CASES], const double psnr[3][CASES],
		  const double jump[3][CASES])
{
	struct sm_image_scores *of[3] = {w->model, w->linear, w->cubic};
	w->settings = sm_image_settings_default();
	w->settings.unit = "HU";
	w->settings.which = SM_IMAGE_BIT(SM_IMAGE_MAE) | SM_IMAGE_BIT(SM_IMAGE_PSNR) |
			    SM_IMAGE_BIT(SM_IMAGE_MS_SSIM) | SM_IMAGE_BIT(SM_IMAGE_JUMP);
	for (int r = 0; r < 3; r++)
		for (int c = 0; c < CASES; c++) {
			of[r][c] = blank();
			set(&of[r][c], SM_IMAGE_MAE, mae[r][c]);
			set(&of[r][c], SM_IMAGE_PSNR, psnr[r][c]);
			set(&of[r][c], SM_IMAGE_JUMP, jump[r][c]);
			of[r][c].why[0][0][SM_IMAGE_MS_SSIM] = SM_WHY_SMALL_MS;
		}
	w->row[0] = (struct sm_image_row){"gan", "GAN", false, w->model};
	w->row[1] = (struct sm_image_row){"linear", "Linear", true, w->linear};
	w->row[2] = (struct sm_image_row){"spline", "Cubic", true, w->cubic};
}

static void make(struct world *w)
{
	struct sm_err err = {0};
	assert_good(
		sm_image_table_make(w->row, 3, keys, NULL, CASES, &w->settings, &w->table, &err),
		err);
}

static const struct sm_image_verdict *verdict(const struct world *w, int metric)
{
	return &w->table.cells[0].verdict[0][0][metric];
}

/* MAE: beats linear, not cubic. PSNR: infinite once. Jump: distance from 1 counts. */
static const double mae[3][CASES] = {{10, 20, 30}, {15, 25, 26}, {9, 21, 29}};
static const double psnr[3][CASES] = {{30, INFINITY, 40}, {50, 60, 70}, {20, 20, INFINITY}};
static const double jump[3][CASES] = {{0.9, 1.1, 1}, {0.5, 0.5, 0.5}, {1.3, 1.3, 1.3}};

static void a_model_is_held_against_the_best_baseline(void **state)
{
	(void)state;
	struct world w;
	build(&w, mae, psnr, jump);
	make(&w);
	const struct sm_image_verdict *v = verdict(&w, SM_IMAGE_MAE);
	assert_int_equal(v->outcome, SM_OUTCOME_NOT_BETTER);
	assert_int_equal(v->against, 2);
	assert_true(v->model == 20 && fabs(v->baseline - 59.0 / 3) < 1e-12);
	assert_true(v->wins == 1 && v->cases == 3);
	v = verdict(&w, SM_IMAGE_JUMP);
	assert_int_equal(v->outcome, SM_OUTCOME_BETTER);
	assert_int_equal(v->against, 2); /* 0.3 from 1; linear is 0.5 away */
	assert_true(fabs(v->baseline - 0.3) < 1e-12 && v->wins == 3);
	v = verdict(&w, SM_IMAGE_MS_SSIM);
	assert_true(v->outcome == SM_OUTCOME_NONE && v->unmatched == 2);
	assert_int_equal(w.table.cells[1].verdict[0][0][SM_IMAGE_MAE].outcome, SM_OUTCOME_NONE);
	sm_image_table_clear(&w.table);
}

static void infinite_values_are_counted_and_win(void **state)
{
	(void)state;
	struct world w;
	build(&w, mae, psnr, jump);
	make(&w);
	const struct sm_image_cell *c = &w.table.cells[0].at[0][0][SM_IMAGE_PSNR];
	assert_true(c->stat.n == 2 && c->infinite == 1 && c->missing == 0 && c->stat.mean == 35);
	const struct sm_image_verdict *v = verdict(&w, SM_IMAGE_PSNR);
	/* One infinity each with cubic, then the finite pair 30 against 20; one more than linear.
	 */
	assert_int_equal(v->outcome, SM_OUTCOME_BETTER);
	assert_int_equal(v->against, 2);
	assert_true(v->model == 30 && v->baseline == 20 && v->wins == 2);
	sm_image_table_clear(&w.table);
	/* A baseline with an infinity more is not beaten by large numbers. */
	set(&w.model[1], SM_IMAGE_PSNR, 90);
	make(&w);
	assert_int_equal(verdict(&w, SM_IMAGE_PSNR)->outcome, SM_OUTCOME_NOT_BETTER);
	assert_int_equal(verdict(&w, SM_IMAGE_PSNR)->against, 2);
	sm_image_table_clear(&w.table);
}

static void equal_is_not_better(void **state)
{
	(void)state;
	static const double same[3][CASES] = {{9, 21, 29}, {15, 25, 35}, {9, 21, 29}};
	struct world w;
	build(&w, same, psnr, jump);
	make(&w);
	assert_int_equal(verdict(&w, SM_IMAGE_MAE)->outcome, SM_OUTCOME_NOT_BETTER);
	assert_int_equal(verdict(&w, SM_IMAGE_MAE)->wins, 0);
	sm_image_table_clear(&w.table);
}

/* Only cases that both have are compared. */
static void missing_cases_are_left_out_of_both(void **state)
{
	(void)state;
	struct world w;
	build(&w, mae, psnr, jump);
	w.cubic[0].value[0][0][SM_IMAGE_MAE] = w.cubic[2].value[0][0][SM_IMAGE_MAE] = NAN;
	make(&w);
	const struct sm_image_verdict *v = verdict(&w, SM_IMAGE_MAE);
	assert_int_equal(v->outcome, SM_OUTCOME_BETTER); /* 20 < 21, and mean 20 < 22 */
	assert_true(v->against == 2 && v->cases == 1 && v->model == 20 && v->baseline == 21);
	assert_int_equal(w.table.cells[2].at[0][0][SM_IMAGE_MAE].missing, 2);
	sm_image_table_clear(&w.table);
}

static char *written(const struct world *w,
		     void (*how)(const struct sm_image_table *, struct sm_text *))
{
	struct sm_text text = {0};
	struct sm_err err = {0};
	how(&w->table, &text);
	assert_good(sm_text_check(&text, "table", &err), err);
	return text.data;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in:\n%s", part, text);
}

static void the_page_says_it_plainly(void **state)
{
	(void)state;
	struct world w;
	build(&w, mae, psnr, jump);
	w.row[0].name = "G|A\nN";
	make(&w);
	char *md = written(&w, sm_image_table_md);
	has(md, "### HU, whole image\n");
	has(md, "| Image | MAE (HU) ↓ | PSNR (dB) ↑ | MS-SSIM ↑ | Jump → 1 |");
	has(md, "| Linear | 22.00 ± 6.08 | 60.00 ± 10.00 | -- | 0.500 ± 0.000 |");
	has(md, "| **G\\|A?N** | 20.00 ± 10.00 | 35.00 ± 7.07 (1 inf) |");
	has(md, "is better than every baseline in 1 of 2 scores:");
	has(md, "- MAE: **not better than** Cubic (20.00 against 19.67 HU; better in 1 of 3 cases; "
		"Wilcoxon p 1, by Holm 1)\n");
	has(md, "- Jump: better than every baseline, the best is Cubic (0.067 against 0.300 from "
		"1; better in 3 of 3");
	has(md, "- MS-SSIM: no case has the score (five scales need slices of 176 x 176 pixels or "
		"more)\n");
	has(md, "- MS-SSIM has no value 9 times: five scales need slices of 176 x 176");
	has(md, "L = maximum - minimum of the true image.");
	assert_null(strstr(md, "inside the body"));
	assert_null(strstr(md, "Normalised"));
	free(md);
	sm_image_table_clear(&w.table);
	/* Without baselines nothing is claimed. */
	struct sm_err err = {0};
	assert_good(sm_image_table_make(w.row, 1, keys, NULL, CASES, &w.settings, &w.table, &err),
		    err);
	md = written(&w, sm_image_table_md);
	has(md, "no baseline was scored");
	free(md);
	sm_image_table_clear(&w.table);
}

static void files_hold_every_number(void **state)
{
	(void)state;
	struct world w;
	build(&w, mae, psnr, jump);
	make(&w);
	char *csv = written(&w, sm_image_table_csv);
	has(csv, "\ngan,no,own,whole,mae,20.000000,10.000000,20.000000,3,0,0,not_better,spline,1,3,"
		 ",,15.000000,25.000000,10.000000,30.000000,-0.333333,,,1.000000,1.000000,,\n");
	has(csv, "\nspline,yes,own,whole,psnr,20.000000,0.000000,20.000000,2,1,0,,,,,"
		 ",,20.000000,20.000000,20.000000,20.000000,,,,,,,\n");
	has(csv, "\ngan,no,own,whole,ms_ssim,,,,0,0,3,,,,,,,,,,,,,,,,,\n");
	free(csv);
	csv = written(&w, sm_image_cases_csv);
	has(csv, "case,row,units,region,mae,rmse,psnr,ssim,ssim_3d,ms_ssim,ncc,mi,dice_bone,dice_"
		 "ink,jump,"
		 "bias,why\n");
	has(csv, "\np2,gan,own,whole,20.000000,,inf,,,,,,,,1.100000,,ms_ssim: five scales");
	has(csv, "\n\"'=p3\",gan,own,whole,30.000000,");
	free(csv);
	json_t *json = sm_image_table_to_json(&w.table);
	char *line = sm_json_line(json);
	has(line, "\"unit\":\"HU\"");
	json_t *gan = json_object_get(json_array_get(json_object_get(json, "rows"), 0), "scores");
	json_t *cell =
		json_object_get(json_object_get(json_object_get(gan, "own"), "whole"), "psnr");
	assert_string_equal(sm_json_text(cell, "outcome"), "better");
	assert_string_equal(sm_json_text(cell, "against"), "spline");
	assert_int_equal(json_integer_value(json_object_get(cell, "infinite")), 1);
	assert_null(json_object_get(gan, "normalised"));
	free(line);
	json_decref(json);
	sm_image_table_clear(&w.table);
}

/* Eight cases of four patients: MAE 10 .. 17 against 2 more, 4 more in turn; PSNR the other way. */
static void intervals_and_tests_stand_beside_a_verdict(void **state)
{
	(void)state;
	enum { N = 8 };
	static const char *const names[N] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	static const uint32_t patient[N] = {7, 7, 1, 1, 9, 9, 3, 3};
	struct sm_image_scores model[N], linear[N];
	struct sm_image_row row[2] = {{"gan", "GAN", false, model},
				      {"linear", "Linear", true, linear}};
	struct sm_image_settings settings = sm_image_settings_default();
	struct sm_image_table t;
	struct sm_err err = {0};
	settings.which = SM_IMAGE_BIT(SM_IMAGE_MAE) | SM_IMAGE_BIT(SM_IMAGE_PSNR) |
			 SM_IMAGE_BIT(SM_IMAGE_BIAS);
	settings.resamples = 400;
	for (size_t i = 0; i < N; i++) {
		model[i] = linear[i] = blank();
		set(&model[i], SM_IMAGE_MAE, 10 + (double)i);
		set(&linear[i], SM_IMAGE_MAE, 12 + (double)i + (i % 2 ? 2 : 0) + (double)i / 16);
		set(&model[i], SM_IMAGE_PSNR, 30);
		set(&linear[i], SM_IMAGE_PSNR, 31 + (double)i / 10);
		set(&model[i], SM_IMAGE_BIAS, i % 2 ? 1 : -1);
		set(&linear[i], SM_IMAGE_BIAS, 3);
	}
	assert_good(sm_image_table_make(row, 2, names, NULL, N, &settings, &t, &err), err);
	const struct sm_image_verdict *v = &t.cells[0].verdict[0][0][SM_IMAGE_MAE];
	assert_int_equal(v->outcome, SM_OUTCOME_BETTER);
	assert_true(v->wilcoxon.exact && v->wilcoxon.n == 8 && v->wilcoxon.p == 2 / 256.0);
	assert_true(v->permutation.exact && v->permutation.p == 2 / 256.0);
	/* Two counted scores, both as far apart as they can be; bias is none of them. */
	assert_true(v->holm_wilcoxon == 4 / 256.0 && v->holm_permutation == 4 / 256.0);
	assert_true(isnan(t.cells[0].verdict[0][0][SM_IMAGE_BIAS].holm_wilcoxon));
	assert_true(fabs(v->lead - (3 + 28.0 / 128)) < 1e-12 && v->lead_interval[0] > 2 &&
		    v->lead_interval[0] < v->lead && v->lead_interval[1] > v->lead);
	v = &t.cells[0].verdict[0][0][SM_IMAGE_PSNR];
	assert_true(v->outcome == SM_OUTCOME_NOT_BETTER && v->lead < 0 && v->lead_interval[1] < 0);
	char *md = NULL;
	struct sm_text text = {0};
	sm_image_table_md(&t, &text);
	md = text.data;
	has(md, "Linear (30.00 against 31.35 dB; better in 0 of 8 cases; behind by 1.35, 95 % 1.");
	has(md, "; Wilcoxon p 0.0078, by Holm 0.016; permutation p 0.0078, by Holm 0.016)\n");
	sm_text_clear(&text);
	sm_image_table_clear(&t);
	/* Of four patients no test can say more than 2 / 2^4. */
	assert_good(sm_image_table_make(row, 2, names, patient, N, &settings, &t, &err), err);
	v = &t.cells[0].verdict[0][0][SM_IMAGE_MAE];
	assert_true(v->wilcoxon.n == 4 && v->wilcoxon.p == 0.125 && v->permutation.p == 0.125);
	assert_int_equal(t.cells[0].at[0][0][SM_IMAGE_MAE].stat.units, 4);
	sm_image_table_clear(&t);
}

static void scores_come_back_from_json(void **state)
{
	(void)state;
	static float truth[13 * 13 * 2], test[13 * 13 * 2];
	static uint8_t mask[13 * 13 * 2];
	struct sm_err err = {0};
	struct sm_image_settings s = sm_image_settings_default();
	struct sm_image_scores a, b;
	struct sm_image_pair pair = {test, truth, "made", "true", mask, {13, 13, 2}, 1};
	for (int i = 0; i < 13 * 13 * 2; i++) {
		truth[i] = (float)(i % 29);
		test[i] = truth[i] + (float)(i < 169 && i % 13 < 3);
		mask[i] = i % 13 > 2;
	}
	for (int windowed = 0; windowed < 2; windowed++) {
		s.window[1] = windowed ? 20 : 0;
		assert_good(sm_image_score(&pair, &s, &a, &err), err);
		assert_true(isinf(a.value[0][SM_IMAGE_BODY][SM_IMAGE_PSNR]));
		json_t *json = sm_image_scores_to_json(&a);
		char *line = sm_json_line(json);
		assert_non_null(line);
		assert_null(strstr(line, "nan"));
		json_t *again = json_loads(line, 0, NULL);
		assert_good(sm_image_scores_from_json(again, "x", &b, &err), err);
		for (int i = 0; i < SM_IMAGE_SCALES * SM_IMAGE_REGIONS * SM_IMAGE_METRICS; i++) {
			double p = (&a.value[0][0][0])[i], q = (&b.value[0][0][0])[i];
			assert_true(isnan(p) ? isnan(q) : p == q);
			assert_int_equal((&a.why[0][0][0])[i], (&b.why[0][0][0])[i]);
		}
		assert_true(a.range == b.range && a.body == b.body && a.beyond == b.beyond);
		json_t *whole = json_object_get(json_object_get(again, "own"), "whole");
		json_object_set_new(whole, "mae", json_null());
		assert_refused(sm_image_scores_from_json(again, "x", &b, &err), SM_INPUT, err,
			       "'mae' (own, whole)");
		json_object_del(again, "range");
		assert_refused(sm_image_scores_from_json(again, "x", &b, &err), SM_INPUT, err,
			       "'range'");
		free(line);
		json_decref(json);
		json_decref(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_model_is_held_against_the_best_baseline),
		cmocka_unit_test(infinite_values_are_counted_and_win),
		cmocka_unit_test(equal_is_not_better),
		cmocka_unit_test(missing_cases_are_left_out_of_both),
		cmocka_unit_test(the_page_says_it_plainly),
		cmocka_unit_test(files_hold_every_number),
		cmocka_unit_test(intervals_and_tests_stand_beside_a_verdict),
		cmocka_unit_test(scores_come_back_from_json),
	};
	return run_tap(tests);
}
