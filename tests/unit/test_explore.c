/* SPDX-License-Identifier: Apache-2.0
 *
 * What the page of a data set counts: histograms that add up, backgrounds, gaps, clipping, label
 * volumes, and which case is far from the others.
 */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "eval/explore.h"

/* ---- histograms ------------------------------------------------------------------------------ */

static void bins_are_powers_of_two(void **state)
{
	(void)state;
	struct sm_hist h;
	sm_hist_plan(&h, 0, 100, 64, 0);
	assert_int_equal(h.power, 1);
	assert_int_equal(h.first, 0);
	assert_int_equal(h.n, 51);
	sm_hist_plan(&h, -3.7, 3.2, 8, -20);
	assert_int_equal(h.power, 0);
	assert_int_equal(h.first, -4);
	assert_int_equal(h.n, 8);
	sm_hist_plan(&h, 0.25, 0.25, 64, -20);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.power, -20);
	sm_hist_plan(&h, -1e30, 1e30, 16, 0);
	assert_true(h.n <= 16);
}

static void values_find_their_bin(void **state)
{
	(void)state;
	struct sm_hist h;
	sm_hist_plan(&h, -3.7, 3.2, 8, -20);
	const double v[] = {-4, -3.999, -1, -0.001, 0, 3.999, -4.001, 4};
	for (size_t i = 0; i < SM_COUNT(v); i++)
		sm_hist_add(&h, v[i]);
	assert_int_equal(h.count[0], 2);
	assert_int_equal(h.count[3], 2);
	assert_int_equal(h.count[4], 1);
	assert_int_equal(h.count[7], 1);
	assert_int_equal(h.below, 1);
	assert_int_equal(h.above, 1);
}

static uint64_t total(const struct sm_hist *h)
{
	uint64_t n = h->below + h->above;
	for (size_t i = 0; i < h->n; i++)
		n += h->count[i];
	return n;
}

/* Cases of quite different ranges: every order of merging gives the same counts, which are those of
 * all values counted at once. */
static void merging_is_exact_in_any_order(void **state)
{
	(void)state;
	enum { CASES = 6, VALUES = 500 };
	static const int orders[3][CASES] = {
		{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {3, 0, 5, 1, 4, 2}};
	static double v[CASES][VALUES];
	struct sm_hist one[CASES], sum[3] = {0};
	struct sm_rng rng;
	sm_rng_init(&rng, 7, "explore", "", 0, 0);
	for (int c = 0; c < CASES; c++) {
		double low = 1e9, high = -1e9;
		for (int i = 0; i < VALUES; i++) {
			v[c][i] = (sm_rng_f64(&rng) - 0.4) * pow(3, c);
			low = fmin(low, v[c][i]);
			high = fmax(high, v[c][i]);
		}
		sm_hist_plan(&one[c], low, high, 32, -30);
		for (int i = 0; i < VALUES; i++)
			sm_hist_add(&one[c], v[c][i]);
		assert_int_equal(total(&one[c]), VALUES);
		assert_int_equal(one[c].below + one[c].above, 0);
	}
	for (int o = 0; o < 3; o++)
		for (int c = 0; c < CASES; c++)
			sm_hist_merge(&sum[o], &one[orders[o][c]], 32);
	struct sm_hist direct = sum[0];
	memset(direct.count, 0, sizeof direct.count);
	for (int c = 0; c < CASES; c++)
		for (int i = 0; i < VALUES; i++)
			sm_hist_add(&direct, v[c][i]);
	assert_true(sum[0].n <= 32);
	assert_memory_equal(&direct, &sum[0], sizeof direct);
	assert_memory_equal(&sum[0], &sum[1], sizeof sum[0]);
	assert_memory_equal(&sum[0], &sum[2], sizeof sum[0]);
	assert_int_equal(total(&sum[0]), CASES * VALUES);
}

static void histograms_survive_the_ledger(void **state)
{
	(void)state;
	struct sm_hist h, back;
	sm_hist_plan(&h, -100, 155, 64, 0);
	for (int i = -110; i < 170; i++)
		sm_hist_add(&h, i);
	json_t *json = sm_hist_json(&h);
	assert_true(sm_hist_read(json, &back));
	assert_memory_equal(&h, &back, sizeof h);
	json_object_set_new(json, "counts", json_string("1 2 x"));
	assert_false(sm_hist_read(json, &back));
	json_object_set_new(json, "counts", json_string("1"));
	json_object_set_new(json, "power", json_integer(100000));
	assert_false(sm_hist_read(json, &back));
	json_decref(json);
	assert_false(sm_hist_read(NULL, &back));
}

/* ---- numbers of a volume --------------------------------------------------------------------- */

static struct sm_values look(float *v, int64_t nx, int64_t ny, int64_t nz)
{
	struct sm_block b = {.v = v, .nx = nx, .ny = ny, .nz = nz, .name = "t1"};
	struct sm_values out;
	struct sm_err err = {0};
	assert_int_equal(sm_values_of(&b, 64, NULL, &out, &err), SM_OK);
	return out;
}

static void background_is_left_out(void **state)
{
	(void)state;
	float v[6 * 6 * 10] = {0};
	for (int z = 3; z < 7; z++)
		for (int i = 0; i < 16; i++)
			v[z * 36 + 7 + i % 4 + i / 4 * 6] = (float)(10 * z + i);
	struct sm_values a = look(v, 6, 6, 10);
	assert_int_equal(a.voxels, 360);
	assert_int_equal(a.foreground, 64);
	assert_true(a.has_background);
	assert_true(a.background == 0);
	assert_true(a.min == 0 && a.max == 75);
	double sum = 0, square = 0;
	for (int i = 0; i < 360; i++)
		sum += v[i];
	for (int i = 0; i < 360; i++)
		square += v[i] > 0 ? (v[i] - sum / 64) * (v[i] - sum / 64) : 0;
	assert_true(fabs(a.mean - sum / 64) < 1e-12);
	assert_true(fabs(a.sd - sqrt(square / 64)) < 1e-12);
	assert_true(a.p1 == 30 && a.p99 == 74); /* ranks 0 and 62 of 64 */
	assert_int_equal(a.constant, 6);
	assert_int_equal(a.gaps, 0);
	assert_int_equal(a.first, 3);
	assert_int_equal(a.last, 6);
	assert_int_equal(total(&a.hist), 64);
	assert_int_equal(a.hist.power, 0); /* whole numbers: no bin is narrower than 1 */
}

static void gaps_and_constants_are_seen(void **state)
{
	(void)state;
	float v[5 * 5 * 8];
	for (int i = 0; i < 200; i++)
		v[i] = (float)(i % 25);
	for (int i = 0; i < 25; i++)
		v[3 * 25 + i] = 7;
	struct sm_values a = look(v, 5, 5, 8);
	assert_int_equal(a.constant, 1);
	assert_int_equal(a.gaps, 1);
	for (int i = 0; i < 200; i++)
		v[i] = 4;
	a = look(v, 5, 5, 8);
	assert_int_equal(a.constant, 8);
	assert_int_equal(a.gaps, 0);
	assert_int_equal(a.last, -1);
	assert_false(a.has_background);
	assert_true(a.p1 == 4 && a.p99 == 4 && a.sd == 0);
	assert_int_equal(total(&a.hist), 200);
}

static void clipping_is_a_heap_at_the_end(void **state)
{
	(void)state;
	enum { N = 20 * 20 * 10 };
	float *v = malloc(N * sizeof *v);
	assert_non_null(v);
	for (int i = 0; i < N; i++)
		v[i] = (float)(i * 37 % 200);
	struct sm_values a = look(v, 20, 20, 10);
	assert_false(a.clipped_low || a.clipped_high);
	for (int i = 0; i < N; i++)
		v[i] = v[i] > 150 ? 150 : v[i];
	a = look(v, 20, 20, 10);
	assert_true(a.clipped_high);
	assert_false(a.clipped_low);
	assert_int_equal(a.at_high, 50 * 20);
	free(v);
}

/* ---- a case ---------------------------------------------------------------------------------- */

static void labels_have_volumes(void **state)
{
	(void)state;
	struct sm_case c = {0};
	struct sm_err err = {0};
	struct sm_vol vol = {0};
	const int64_t dim[4] = {4, 5, 6, 1};
	int64_t span[2];
	assert_int_equal(sm_case_init(&c, "case", NULL, 1, &err), SM_OK);
	assert_int_equal(sm_vol_init(&vol, dim, SM_U8, NULL, "v", &err), SM_OK);
	for (int i = 0; i < 120; i++)
		((uint8_t *)vol.data)[i] = (uint8_t)i;
	assert_int_equal(sm_case_take(&c, "t1", &vol, &err), SM_OK);
	assert_int_equal(sm_vol_init(&c.label, dim, SM_U8, NULL, "l", &err), SM_OK);
	memset(c.label.data, 0, 120);
	memset((uint8_t *)c.label.data + 40, 3, 25); /* slices 2 and 3 */
	c.label.affine[0][0] = -2;
	c.label.affine[1][1] = 5;
	json_t *record = json_pack("{s:s, s:s}", "key", "case", "status", "ok");
	assert_int_equal(sm_explore_numbers(&c, "ingest", 64, record, span, &err), SM_OK);
	const json_t *l = sm_explore_label(record, "ingest", 3);
	assert_int_equal(json_integer_value(json_object_get(l, "voxels")), 25);
	assert_int_equal(json_integer_value(json_object_get(l, "slices")), 2);
	assert_true(fabs(sm_explore_real(l, "cm3") - 0.25) < 1e-12); /* 10 mm3 a voxel */
	assert_int_equal(span[0], 2);
	assert_int_equal(span[1], 3);
	assert_null(sm_explore_label(record, "ingest", 2));
	assert_null(sm_explore_label(record, "preprocess", 3));
	assert_non_null(sm_explore_entry(record, "images", "ingest", "t1"));
	json_object_set_new(record, "status", json_string("rejected"));
	assert_null(sm_explore_entry(record, "images", "ingest", "t1"));
	json_decref(record);
	sm_case_clear(&c);
}

/* ---- the cohort ------------------------------------------------------------------------------ */

static json_t *made(const char *key, double median, double spread)
{
	struct sm_hist h;
	sm_hist_plan(&h, median - spread / 2, median + spread / 2, 32, -20);
	for (int i = 0; i <= 100; i++)
		sm_hist_add(&h, median + (i - 50) * spread / 100);
	json_t *e =
		json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:i, s:[]}", "when",
			  "ingest", "name", "ct", "min", median - spread, "max", median + spread,
			  "p1", median - spread / 2, "p50", median, "p99", median + spread / 2,
			  "slices", 10, "constant_slices", 0, "gaps", 0, "clipped");
	json_object_set_new(e, "hist", sm_hist_json(&h));
	return json_pack("{s:s, s:s, s:[o]}", "key", key, "status", "ok", "images", e);
}

static void outliers_are_told(void **state)
{
	(void)state;
	const struct sm_explore_section s = {.cases = 12, .slices = 3, .bins = 32, .outlier = 5};
	struct sm_run run = {0};
	struct sm_err err = {0};
	struct sm_channel channels[SM_EX_CHANNELS];
	struct sm_explore x = {.run = &run, .s = &s, .name = "", .channels = channels};
	sm_mem_init(&run.mem, 0);
	run.ledger.header = json_object();
	run.ledger.records = sm_records_new(NULL);
	for (int i = 0; i < 9; i++) {
		const char key[] = {'c', (char)('0' + i), 0};
		json_t *record =
			i < 8 ? made(key, 100 + i % 3, 50 + i % 2) : made(key, 90000, 40000);
		json_t *odd = json_array_get(json_object_get(record, "images"), 0);
		if (i == 2) {
			json_object_set_new(odd, "gaps", json_integer(2));
			json_object_set_new(odd, "constant_slices", json_integer(6));
			json_object_set_new(odd, "clipped", json_pack("[s]", "high"));
		}
		assert_int_equal(sm_records_add(run.ledger.records, record, NULL, &err), SM_OK);
		json_decref(record);
	}
	assert_int_equal(sm_explore_gather(&x, &err), SM_OK);
	assert_int_equal(x.channel_count, 1);
	assert_int_equal(channels[0].cases, 9);
	/* One case a thousand times as bright does not take the bins from the others. */
	assert_int_equal(channels[0].drawn, 8);
	assert_int_equal(total(&channels[0].hist), 8 * 101);
	assert_true(channels[0].hist.n > 10);
	for (int i = 0; i < 8; i++)
		assert_int_equal(
			channels[0].of[i].odd,
			i == 2 ? 1u << SM_ODD_GAP | 1u << SM_ODD_EMPTY | 1u << SM_ODD_CLIPPED : 0);
	assert_int_equal(channels[0].of[8].odd,
			 1u << SM_ODD_MEDIAN | 1u << SM_ODD_HIGH | 1u << SM_ODD_SPREAD);
	struct sm_text page = {0};
	char *csv = NULL;
	size_t n;
	FILE *f = open_memstream(&csv, &n);
	assert_int_equal(sm_explore_page(&x, &page, &err), SM_OK);
	assert_non_null(
		strstr(page.data, "median far from the cohort's</td><td class=\"n\">1 of 9"));
	assert_null(strstr(page.data, "<script"));
	assert_null(strstr(page.data, "http://w3"));
	assert_int_equal(sm_explore_csv_images(&x, f, &err), SM_OK);
	fclose(f);
	assert_non_null(strstr(csv, "c8,,ingest,ct"));
	sm_text_clear(&page);
	free(csv);
	sm_explore_clear(&x);
	sm_arena_clear(&run.arena);
	sm_ledger_clear(&run.ledger);
}

static void sheets_average_large_pictures(void **state)
{
	(void)state;
	float v[40 * 20];
	struct sm_mem mem;
	struct sm_err err = {0};
	struct sm_text small = {0}, large = {0};
	sm_mem_init(&mem, 0);
	for (int i = 0; i < 800; i++)
		v[i] = (float)((i % 40 + i / 40) % 2); /* a chessboard: any 2 x 2 is gray */
	struct sm_panel p = {
		.width = 40, .height = 20, .pixel_mm = {1, 2}, .colours = 1, .v = v, .high = 1};
	struct sm_sheet s = {.pixels = 20, .mem = &mem};
	assert_int_equal(sm_sheet_row(&s, "row <1>", &p, 1, &err), SM_OK);
	assert_int_equal(sm_sheet_finish(&s, "a & b", &small, &err), SM_OK);
	for (int i = 0; i < 800; i++)
		v[i] = 0.5f;
	s = (struct sm_sheet){.pixels = 20, .mem = &mem};
	assert_int_equal(sm_sheet_row(&s, "row <1>", &p, 1, &err), SM_OK);
	assert_int_equal(sm_sheet_finish(&s, "a & b", &large, &err), SM_OK);
	assert_string_equal(small.data, large.data);
	assert_non_null(strstr(small.data, "row &lt;1&gt;"));
	assert_non_null(strstr(small.data, "aria-label=\"a &amp; b\""));
	sm_text_clear(&small);
	sm_text_clear(&large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bins_are_powers_of_two),
		cmocka_unit_test(values_find_their_bin),
		cmocka_unit_test(merging_is_exact_in_any_order),
		cmocka_unit_test(histograms_survive_the_ledger),
		cmocka_unit_test(background_is_left_out),
		cmocka_unit_test(gaps_and_constants_are_seen),
		cmocka_unit_test(clipping_is_a_heap_at_the_end),
		cmocka_unit_test(labels_have_volumes),
		cmocka_unit_test(outliers_are_told),
		cmocka_unit_test(sheets_average_large_pictures),
	};
	return run_tap(tests);
}
