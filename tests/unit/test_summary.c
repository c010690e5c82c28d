/* SPDX-License-Identifier: Apache-2.0
 *
 * The scores of many cases: the book that holds them, their summary, and the tables and JSON made
 * of it.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/mem.h"
#include "core/records.h"
#include "eval/summary.h"

/* Dice, HD95 and volume difference, of a map with one region and two labels. */
enum { DICE, HD95, VOLUME, COLUMNS };
static char *metric_names[] = {"dice", "hd95", "volume_difference"};
static struct sm_evaluate_label labels[] = {{1, "core"}, {2, "rim"}};
static int64_t both[] = {1, 2};
static struct sm_train_region regions[] = {{"whole", {both, 2}}};

struct setting {
	struct sm_label_map map;
	struct sm_columns columns;
	struct sm_scorebook *book;
};

static void open_setting(struct setting *s)
{
	const struct sm_evaluate_section section = {
		.threshold = NAN, .labels = {labels, 2}, .regions = {regions, 1}, .metrics = {metric_names, COLUMNS}};
	struct sm_err err = {0};
	assert_good(sm_label_map_make(&section, &s->map, &err), err);
	assert_good(sm_columns_make(&section, &s->columns, &err), err);
	assert_int_equal(s->map.n, 3);
	assert_int_equal(s->columns.n, COLUMNS);
	assert_good(sm_scorebook_open(NULL, s->map.n, s->columns.n, &s->book, &err), err);
}

/* Any scores of a case by its number. */
static void make_scores(struct sm_case_scores *s, size_t i)
{
	s->voxel_mm3 = 2;
	s->spacing[0] = 1;
	s->spacing[1] = 1;
	s->spacing[2] = 2;
	for (size_t r = 0; r < s->rows; r++) {
		s->counts[r] = (struct sm_counts){100 + i, i % 7, r, 1000};
		s->situation[r] = (uint8_t)((i + r) % SM_SITUATIONS);
		for (size_t c = 0; c < s->columns; c++) {
			size_t k = (i * 31 + r * 7 + c * 3) % 1009;
			bool infinite = c == HD95 && k % 50 == 3;
			s->cell[r * s->columns + c] =
				(struct sm_cell){infinite ? NAN : (double)k / 1009,
						 infinite ? SM_IS_INFINITE : SM_HAS_VALUE};
		}
	}
}

static void fill(struct setting *s, size_t n, size_t cases_a_patient)
{
	struct sm_case_scores scores;
	struct sm_err err = {0};
	assert_good(sm_case_scores_init(&scores, s->map.n, s->columns.n, &err), err);
	for (size_t i = 0; i < n; i++) {
		char key[24], patient[24];
		snprintf(key, sizeof key, "case%07zu", i);
		snprintf(patient, sizeof patient, "p%zu",
			 cases_a_patient ? i / cases_a_patient : 0);
		make_scores(&scores, i);
		assert_good(sm_scorebook_add(s->book, key, cases_a_patient ? patient : NULL,
					     &scores, &err),
			    err);
	}
	sm_case_scores_clear(&scores);
}

static void a_book_gives_back_what_went_in(void **state)
{
	(void)state;
	enum { N = 2500 }; /* two full blocks of 1024, and one that is not */
	struct setting s;
	struct sm_err err = {0};
	struct sm_case_scores wanted, found;
	static struct sm_cell column[N];
	static struct sm_counts counts[N];
	static double voxels[N];
	static uint8_t situation[N];
	open_setting(&s);
	fill(&s, N, 0);
	assert_int_equal(sm_scorebook_cases(s.book), N);
	assert_good(sm_case_scores_init(&wanted, s.map.n, COLUMNS, &err), err);
	assert_good(sm_case_scores_init(&found, s.map.n, COLUMNS, &err), err);
	for (size_t i = 0; i < N; i += i % 3 ? 1 : 401) {
		make_scores(&wanted, i);
		assert_good(sm_scorebook_case(s.book, i, &found, &err), err);
		assert_memory_equal(wanted.counts, found.counts, 3 * sizeof *wanted.counts);
		assert_memory_equal(wanted.situation, found.situation, 3);
		assert_true(found.voxel_mm3 == 2 && found.spacing[2] == 2);
		for (size_t k = 0; k < 3 * COLUMNS; k++)
			assert_memory_equal(&wanted.cell[k].v, &found.cell[k].v, sizeof(double));
	}
	for (size_t r = 0; r < 3; r++) {
		assert_good(sm_scorebook_counts(s.book, r, counts, &err), err);
		assert_good(sm_scorebook_situations(s.book, r, situation, &err), err);
		assert_good(sm_scorebook_column(s.book, r, HD95, column, &err), err);
		for (size_t i = 0; i < N; i++) {
			make_scores(&wanted, i);
			const struct sm_cell *cell = &wanted.cell[r * COLUMNS + HD95];
			assert_int_equal(counts[i].fp, wanted.counts[r].fp);
			assert_int_equal(situation[i], wanted.situation[r]);
			assert_true(column[i].why == cell->why &&
				    (column[i].v == cell->v || isnan(cell->v)));
		}
	}
	assert_good(sm_scorebook_voxels(s.book, voxels, &err), err);
	assert_true(voxels[0] == 2 && voxels[N - 1] == 2);
	assert_int_equal(sm_scorebook_find(s.book, "case0001234"), 1234);
	assert_true(sm_scorebook_find(s.book, "case") == SM_NONE);
	assert_null(sm_scorebook_clusters(s.book, NULL));
	assert_refused(sm_scorebook_case(s.book, N, &found, &err), SM_INTERNAL, err, "no case");
	assert_refused(sm_scorebook_add(s.book, "case0002499", NULL, &found, &err), SM_INTERNAL,
		       err, "twice");
	found.columns = 1;
	assert_refused(sm_scorebook_add(s.book, "x", NULL, &found, &err), SM_INTERNAL, err,
		       "3 x 1, not 3 x 3");
	found.columns = COLUMNS;
	sm_case_scores_clear(&wanted);
	sm_case_scores_clear(&found);
	sm_scorebook_close(s.book);
}

static void cases_of_a_patient_form_a_cluster(void **state)
{
	(void)state;
	struct setting s;
	struct sm_err err = {0};
	struct sm_case_scores scores;
	size_t patients;
	open_setting(&s);
	fill(&s, 600, 2);
	const uint32_t *cluster = sm_scorebook_clusters(s.book, &patients);
	assert_non_null(cluster);
	assert_int_equal(patients, 300);
	for (size_t i = 0; i < 600; i++)
		assert_int_equal(cluster[i], i / 2);
	sm_scorebook_close(s.book);
	/* A patient a case; names that are not known stand for themselves, in any order of keys. */
	open_setting(&s);
	assert_good(sm_case_scores_init(&scores, 3, COLUMNS, &err), err);
	static const char *const key[] = {"b", "a", "d", "c"};
	static const char *const name[] = {"x", NULL, "", "y"};
	for (size_t i = 0; i < 4; i++)
		assert_good(sm_scorebook_add(s.book, key[i], name[i], &scores, &err), err);
	assert_null(sm_scorebook_clusters(s.book, &patients));
	assert_int_equal(patients, 4);
	assert_int_equal(sm_scorebook_find(s.book, "a"), 1);
	assert_good(sm_scorebook_add(s.book, "e", "x", &scores, &err), err);
	cluster = sm_scorebook_clusters(s.book, &patients);
	assert_true(patients == 4 && cluster[4] == cluster[0] && cluster[1] != cluster[2]);
	sm_case_scores_clear(&scores);
	sm_scorebook_close(s.book);
}

static void a_summary_has_closed_forms(void **state)
{
	(void)state;
	/* Six cases of one region: Dice, HD95 (mm, < 0 infinite, > 900 left out), situation. */
	static const struct {
		double dice, hd95;
		enum sm_situation situation;
	} given[6] = {{0.9, 2, SM_BOTH_FULL},       {0.5, 8, SM_BOTH_FULL},
		      {1, 0, SM_BOTH_EMPTY},        {0, -1, SM_TRUTH_EMPTY},
		      {0, -1, SM_PREDICTION_EMPTY}, {0.6, 999, SM_BOTH_FULL}};
	struct setting s;
	struct sm_err err = {0};
	struct sm_summary sum;
	struct sm_case_scores scores;
	open_setting(&s);
	assert_good(sm_case_scores_init(&scores, 3, COLUMNS, &err), err);
	for (size_t i = 0; i < 6; i++) {
		char key[2] = {(char)('a' + i), 0};
		double hd = given[i].hd95;
		scores.voxel_mm3 = 1000;
		scores.situation[0] = (uint8_t)given[i].situation;
		scores.counts[0] = (struct sm_counts){10, i, 1, 0};
		scores.cell[DICE] =
			(struct sm_cell){given[i].dice, i == 2 ? SM_BY_POLICY : SM_HAS_VALUE};
		scores.cell[HD95] =
			(struct sm_cell){hd < 0 || hd > 900 ? NAN : hd, hd < 0     ? SM_IS_INFINITE
									: hd > 900 ? SM_LEFT_OUT
										   : SM_HAS_VALUE};
		scores.cell[VOLUME] = (struct sm_cell){(double)i - 1, SM_HAS_VALUE};
		assert_good(sm_scorebook_add(s.book, key, NULL, &scores, &err), err);
	}
	const struct sm_summary_settings how = {.resamples = 200, .jobs = 1};
	assert_good(sm_summarise(s.book, &s.map, &s.columns, &how, &sum, &err), err);
	const struct sm_summary_cell *dice = sm_summary_at(&sum, 0, DICE);
	const struct sm_summary_cell *hd95 = sm_summary_at(&sum, 0, HD95);
	assert_true(sum.cases == 6 && sum.patients == 6);
	assert_true(fabs(dice->s.mean - 0.5) < 1e-15 && dice->s.n == 6 && dice->s.infinite == 0);
	assert_true(dice->s.low95 < 0.5 && dice->s.high95 > 0.5);
	assert_true(hd95->s.n == 3 && hd95->s.infinite == 2 && hd95->s.left_out == 1);
	assert_true(fabs(hd95->s.mean - 10.0 / 3) < 1e-14 && hd95->s.median == 2);
	for (size_t k = 0; k < SM_SITUATIONS; k++)
		assert_int_equal(hd95->situation[k], k == SM_BOTH_FULL ? 3 : 1);
	static const size_t worst_dice[] = {3, 4, 1, 5, 0}, worst_hd95[] = {3, 4, 1, 0, 2};
	assert_memory_equal(dice->worst, worst_dice, sizeof worst_dice);
	assert_memory_equal(hd95->worst, worst_hd95, sizeof worst_hd95);
	/* Farthest from 0: 4, 3, 2, then -1 before 1. */
	static const size_t worst_volume[] = {5, 4, 3, 0, 2};
	assert_memory_equal(sm_summary_at(&sum, 0, VOLUME)->worst, worst_volume,
			    sizeof worst_volume);
	assert_int_equal(sm_summary_at(&sum, 1, DICE)->s.n, 0);
	assert_true(sm_summary_at(&sum, 1, DICE)->worst[0] == SM_NONE);
	/* Predicted minus true volumes, mL: i - 1. */
	assert_true(sum.volume[0].n == 6 && sum.volume[0].bias == 1.5 &&
		    fabs(sum.volume[0].sd - sqrt(3.5)) < 1e-15);
	sm_summary_clear(&sum);
	sm_case_scores_clear(&scores);
	sm_scorebook_close(s.book);
}

static void a_summary_is_the_same_on_any_number_of_threads(void **state)
{
	(void)state;
	struct setting s;
	struct sm_err err = {0};
	struct sm_summary one, other;
	struct sm_summary_settings how = {.seed = 3, .resamples = 300, .jobs = 1};
	open_setting(&s);
	fill(&s, 500, 2);
	assert_good(sm_summarise(s.book, &s.map, &s.columns, &how, &one, &err), err);
	for (how.jobs = 2; how.jobs < 40; how.jobs *= 4) {
		assert_good(sm_summarise(s.book, &s.map, &s.columns, &how, &other, &err), err);
		json_t *a = sm_summary_to_json(&one, s.book, &s.map, &s.columns);
		json_t *b = sm_summary_to_json(&other, s.book, &s.map, &s.columns);
		assert_true(json_equal(a, b));
		assert_int_equal(json_integer_value(json_object_get(a, "patients")), 250);
		json_decref(a);
		json_decref(b);
		sm_summary_clear(&other);
	}
	how.seed = 4;
	assert_good(sm_summarise(s.book, &s.map, &s.columns, &how, &other, &err), err);
	assert_true(one.at[0].s.mean == other.at[0].s.mean &&
		    one.at[0].s.low95 != other.at[0].s.low95 && one.at[0].s.units == 250);
	sm_summary_clear(&one);
	sm_summary_clear(&other);
	sm_scorebook_close(s.book);
}

/* Scans of one patient are no cases of their own to the limits of agreement either. */
static void volumes_know_patients(void **state)
{
	(void)state;
	struct setting s;
	struct sm_err err = {0};
	struct sm_summary sum[2];
	struct sm_text text = {0};
	const struct sm_summary_settings how = {.resamples = 0, .jobs = 1};
	for (int k = 0; k < 2; k++) {
		open_setting(&s);
		fill(&s, 60, k ? 7 : 0); /* of case i: fp - fn = i % 7 - row, 2 mm3 each */
		assert_good(sm_summarise(s.book, &s.map, &s.columns, &how, &sum[k], &err), err);
		json_t *all = sm_summary_to_json(&sum[k], s.book, &s.map, &s.columns);
		json_t *volume = json_object_get(
			json_object_get(json_object_get(all, "regions"), "whole"), "volume");
		assert_int_equal(json_integer_value(json_object_get(volume, "n")), 60);
		assert_int_equal(json_integer_value(json_object_get(volume, "patients")),
				 k ? 9 : 60);
		assert_true(json_is_real(json_object_get(volume, "sd_within_ml")) == k);
		json_decref(all);
		sm_volumes_csv(&s.map, &text, &sum[k]);
		assert_non_null(strstr(text.data, ",slope,patients\nwhole,\"1,2\",60,"));
		assert_non_null(strstr(text.data, k ? ",9\ncore" : ",60\ncore"));
		sm_text_clear(&text);
		sm_scorebook_close(s.book);
	}
	/* Eight patients of the same seven differences 0..6 voxels, one of four: patients are
	 * alike, the spread is inside them: (8 * 28 + 5) / (60 - 9) voxels^2. */
	const struct sm_agreement *alone = &sum[0].volume[0], *scans = &sum[1].volume[0];
	assert_true(scans->patients == 9 && scans->bias == alone->bias && scans->n == alone->n);
	assert_true(fabs(scans->within - 0.002 * sqrt(229.0 / 51)) < 1e-15);
	assert_true(scans->sd == scans->within && scans->sd > alone->sd);
	assert_true(scans->high_ci[1] > alone->high_ci[1]);
	sm_summary_clear(&sum[0]);
	sm_summary_clear(&sum[1]);
}

static void assert_has(const struct sm_text *text, const char *part)
{
	if (!text->data || !strstr(text->data, part))
		fail_msg("'%s' is not in:\n%s", part, text->data ? text->data : "");
}

static void tables_show_what_stands_behind_a_mean(void **state)
{
	(void)state;
	struct setting s;
	struct sm_err err = {0};
	struct sm_summary sum;
	struct sm_case_scores scores;
	struct sm_text text = {0};
	open_setting(&s);
	fill(&s, 8, 0);
	const struct sm_summary_settings how = {.resamples = 0, .jobs = 1};
	assert_good(sm_summarise(s.book, &s.map, &s.columns, &how, &sum, &err), err);
	sm_summary_csv(&s.map, &s.columns, &text, &sum);
	assert_has(&text,
		   "region,labels,metric,unit,mean,sd,median,q1,q3,min,max,ci_low,ci_high,n,"
		   "both_empty,truth_empty,prediction_empty,infinite,left_out,no_interval\n");
	assert_has(&text, "whole,\"1,2\",dice,1,0.107532,0.075257,0.107532,");
	assert_has(&text, ",,,8,2,2,2,0,0,not asked for\n");
	sm_text_clear(&text);
	sm_summary_print(&s.map, &s.columns, &text, &sum);
	assert_has(&text, "8 cases\n");
	assert_has(&text,
		   "\nwhole   1,2     HD95, mm                   0.126                     -  ");
	assert_has(&text, "both empty  truth empty  prediction empty  infinite\n");
	sm_text_clear(&text);
	sm_volumes_csv(&s.map, &text, &sum);
	assert_has(&text, "whole,\"1,2\",8,0.005250,");
	sm_text_clear(&text);
	assert_good(sm_worst_csv(s.book, &s.map, &s.columns, &sum, &text, &err), err);
	assert_has(&text, "whole,\"1,2\",dice,1,case0000000,0.000000\n");
	assert_has(&text, "core,1,hd95,1,");
	sm_text_clear(&text);
	assert_good(sm_case_scores_init(&scores, 3, COLUMNS, &err), err);
	scores.cell[HD95].why = SM_IS_INFINITE;
	scores.cell[DICE] = (struct sm_cell){0.25, SM_HAS_VALUE};
	sm_scores_csv_head(&s.columns, &text);
	sm_scores_csv(&s.map, &s.columns, &text, "a", &scores);
	assert_has(&text,
		   "case,region,labels,dice,hd95,volume_difference,situation,tp,fp,fn,tn\n"
		   "a,whole,\"1,2\",0.250000,inf,,both_empty,0,0,0,0\na,core,1,,,,both_empty");
	sm_text_clear(&text);
	sm_scores_print(&s.map, &s.columns, &text, &scores);
	assert_has(&text, "Dice  HD95, mm  Volume difference, mL");
	assert_has(&text, "0.2500       inf  ");
	sm_text_clear(&text);
	sm_case_scores_clear(&scores);
	sm_summary_clear(&sum);
	sm_scorebook_close(s.book);
}

static void nnunet_reads_our_summary(void **state)
{
	(void)state;
	struct setting s;
	struct sm_err err = {0};
	struct sm_outfile out = {0};
	char path[] = "/tmp/scanmill-test-summary-XXXXXX";
	int fd = mkstemp(path);
	open_setting(&s);
	fill(&s, 60, 0);
	assert_true(fd >= 0);
	close(fd);
	assert_good(sm_outfile_begin(&out, path, true, &err), err);
	assert_good(sm_summary_nnunet(s.book, NULL, &s.map, &s.columns, &out, &err), err);
	assert_good(sm_outfile_commit(&out, &err), err);
	json_t *all = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	unlink(path);
	assert_non_null(all);
	json_t *cases = json_object_get(all, "metric_per_case");
	assert_int_equal(json_array_size(cases), 60);
	json_t *one = json_array_get(cases, 7), *metrics = json_object_get(one, "metrics");
	assert_string_equal(json_string_value(json_object_get(one, "prediction_file")),
			    "case0000007");
	assert_int_equal(json_object_size(metrics), 3);
	json_t *row = json_object_get(metrics, "(1, 2)");
	assert_int_equal(json_integer_value(json_object_get(row, "TP")), 107);
	assert_int_equal(json_integer_value(json_object_get(row, "n_ref")), 107);
	assert_true(json_real_value(json_object_get(row, "Dice")) == 217.0 / 1009);
	/* Not a column here: by nnU-Net's formula. */
	assert_true(json_real_value(json_object_get(row, "IoU")) == 1);
	double mean[2] = {0};
	for (size_t i = 0; i < 60; i++) {
		mean[0] += (double)(i * 31 % 1009) / 1009 / 60;
		json_t *hd = json_object_get(
			json_object_get(json_object_get(json_array_get(cases, i), "metrics"), "1"),
			"hd95");
		assert_true(json_is_null(hd) == ((i * 31 + 10) % 1009 % 50 == 3));
	}
	json_t *means = json_object_get(all, "mean");
	mean[1] = json_real_value(json_object_get(json_object_get(means, "(1, 2)"), "Dice"));
	assert_true(fabs(mean[0] - mean[1]) < 1e-14);
	/* The one region is the foreground. */
	assert_true(json_equal(json_object_get(all, "foreground_mean"),
			       json_object_get(means, "(1, 2)")));
	json_decref(all);
	sm_scorebook_close(s.book);
}

/* Without regions the labels are the foreground; one without a mean takes its mean away. */
static void a_mean_that_is_none_is_null(void **state)
{
	(void)state;
	const struct sm_evaluate_section section = {.threshold = NAN, .labels = {labels, 2},
						    .metrics = {metric_names, 1}};
	struct setting s;
	struct sm_err err = {0};
	struct sm_outfile out = {0};
	struct sm_case_scores scores;
	char path[] = "/tmp/scanmill-test-summary-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	assert_good(sm_label_map_make(&section, &s.map, &err), err);
	assert_good(sm_columns_make(&section, &s.columns, &err), err);
	assert_good(sm_scorebook_open(NULL, 2, 1, &s.book, &err), err);
	assert_good(sm_case_scores_init(&scores, 2, 1, &err), err);
	scores.cell[0] = (struct sm_cell){0.5, SM_HAS_VALUE};
	scores.cell[1] = (struct sm_cell){NAN, SM_LEFT_OUT};
	scores.counts[0] = (struct sm_counts){3, 1, 0, 4};
	scores.counts[1] = (struct sm_counts){1, 1, 0, 6};
	assert_good(sm_scorebook_add(s.book, "a", NULL, &scores, &err), err);
	scores.cell[0].v = 0.75;
	assert_good(sm_scorebook_add(s.book, "b", NULL, &scores, &err), err);
	assert_good(sm_outfile_begin(&out, path, true, &err), err);
	assert_good(sm_summary_nnunet(s.book, NULL, &s.map, &s.columns, &out, &err), err);
	assert_good(sm_outfile_commit(&out, &err), err);
	json_t *all = json_load_file(path, 0, NULL);
	unlink(path);
	json_t *mean = json_object_get(all, "mean"),
	       *foreground = json_object_get(all, "foreground_mean");
	json_t *first = json_object_get(mean, "1"), *second = json_object_get(mean, "2");
	assert_true(json_real_value(json_object_get(first, "Dice")) == 0.625);
	assert_true(json_is_null(json_object_get(second, "Dice")));
	assert_true(json_is_null(json_object_get(foreground, "Dice")));
	assert_true(json_real_value(json_object_get(foreground, "IoU")) == (0.75 + 0.5) / 2);
	assert_true(json_real_value(json_object_get(foreground, "n_ref")) == 2);
	json_decref(all);
	sm_case_scores_clear(&scores);
	sm_scorebook_close(s.book);
}

static void a_ledger_makes_a_book(void **state)
{
	(void)state;
	struct setting s;
	struct sm_err err = {0};
	struct sm_case_scores scores, back;
	struct sm_records *records = sm_records_new(NULL);
	open_setting(&s);
	assert_non_null(records);
	assert_good(sm_case_scores_init(&scores, 3, COLUMNS, &err), err);
	assert_good(sm_case_scores_init(&back, 3, COLUMNS, &err), err);
	for (size_t i = 0; i < 4; i++) {
		char key[2] = {(char)('d' - i), 0};
		make_scores(&scores, i);
		json_t *record =
			json_pack("{s:s, s:s, s:s, s:f}", "key", key, "status",
				  i == 2 ? "rejected" : "ok", "patient", "p", "voxel_mm3", 2.0);
		if (i != 2)
			json_object_set_new(record, "scores",
					    sm_case_scores_to_json(&s.map, &s.columns, &scores));
		assert_good(sm_records_add(records, record, NULL, &err), err);
		json_decref(record);
	}
	sm_records_sort(records);
	assert_good(sm_scorebook_read(s.book, records, &s.map, &s.columns, &err), err);
	assert_int_equal(sm_scorebook_cases(s.book), 3);
	assert_string_equal(sm_scorebook_key(s.book, 0), "a");
	assert_non_null(sm_scorebook_clusters(s.book, NULL));
	make_scores(&scores, 3);
	assert_good(sm_scorebook_case(s.book, 0, &back, &err), err);
	assert_int_equal(back.counts[1].tp, scores.counts[1].tp);
	for (size_t k = 0; k < 3 * COLUMNS; k++)
		assert_true(back.cell[k].why == scores.cell[k].why &&
			    (back.cell[k].v == scores.cell[k].v || isnan(scores.cell[k].v)));
	json_t *bad = json_pack("{s:s, s:s, s:{}}", "key", "z", "status", "ok", "scores");
	assert_good(sm_records_add(records, bad, NULL, &err), err);
	json_decref(bad);
	assert_true(sm_scorebook_read(s.book, records, &s.map, &s.columns, &err) != SM_OK);
	sm_records_free(records);
	sm_case_scores_clear(&scores);
	sm_case_scores_clear(&back);
	sm_scorebook_close(s.book);
}

/* What 100000 cases take more than 1000 is their keys. */
static void memory_does_not_grow_with_the_cells(void **state)
{
	(void)state;
	enum { FEW = 1000, MANY = 100000 };
	struct setting s;
	struct sm_err err = {0};
	struct sm_summary sum;
	size_t before = sm_mem_heap(), took[2];
	for (int k = 0; k < 2; k++) {
		open_setting(&s);
		fill(&s, k ? MANY : FEW, k ? 4 : 0);
		took[k] = sm_mem_heap() - before;
		if (k)
			break;
		sm_scorebook_close(s.book);
	}
	if (before && took[1] > took[0] + 130 * (size_t)MANY)
		fail_msg("%zu bytes with %d cases, %zu with %d", took[1], MANY, took[0], FEW);
	const struct sm_summary_settings how = {.resamples = 0, .jobs = 2};
	assert_good(sm_summarise(s.book, &s.map, &s.columns, &how, &sum, &err), err);
	assert_int_equal(sum.cases, MANY);
	assert_int_equal(sum.patients, MANY / 4);
	assert_int_equal(sm_summary_at(&sum, 2, DICE)->s.n, MANY);
	sm_summary_clear(&sum);
	sm_scorebook_close(s.book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_book_gives_back_what_went_in),
		cmocka_unit_test(cases_of_a_patient_form_a_cluster),
		cmocka_unit_test(a_summary_has_closed_forms),
		cmocka_unit_test(volumes_know_patients),
		cmocka_unit_test(a_summary_is_the_same_on_any_number_of_threads),
		cmocka_unit_test(tables_show_what_stands_behind_a_mean),
		cmocka_unit_test(nnunet_reads_our_summary),
		cmocka_unit_test(a_mean_that_is_none_is_null),
		cmocka_unit_test(a_ledger_makes_a_book),
		cmocka_unit_test(memory_does_not_grow_with_the_cells),
	};
	return run_tap(tests);
}
