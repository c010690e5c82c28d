/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of image translation: listed by config.json and ledger, read with jitter, put in order;
 * what is refused. */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/hash.h"
#include "train/translate/images.h"

enum { H = 6, W = 8, CX = 3, CB = 2, SAMPLES = 4, ENLARGE = 3 };

static struct sm_err err;
/* A broken shard's sample 2 has a NaN. */
enum { WHOLE, BROKEN };

static float value(int side, int k, int c, int y, int x)
{
	unsigned v =
		(unsigned)(side * 7919 + k * 104729 + c * 1299709 + y * 15485863 + x * 32452843);
	return (float)(v * 2654435761u >> 8) / 8388608.0f - 1;
}

/* A shard of pairs of h rows, or of one domain (cb 0). */
static void write_shard(const char *name, const char *key, int h, int cb, int how, char sha[65])
{
	struct sm_tile_shape s = {.tiles = SAMPLES,
				  .channels = CX,
				  .depth = 1,
				  .height = h,
				  .width = W,
				  .b_channels = cb,
				  .parts = SM_SHARD_UNLABELLED | SM_SHARD_INDEX};
	struct sm_shard *shard;
	float x[CX * (H + 1) * W], b[CB * (H + 1) * W];
	assert_good(sm_shard_create(at(name), &s, key, 1, &shard, &err), err);
	for (int k = 0; k < SAMPLES; k++) {
		struct sm_shard_sample sample = {.x = x, .b = b, .place = {10 + k, 0}};
		for (int c = 0; c < CX; c++)
			for (int i = 0; i < h * W; i++)
				x[c * h * W + i] = value(0, k, c, i / W, i % W);
		for (int c = 0; c < cb; c++)
			for (int i = 0; i < h * W; i++)
				b[c * h * W + i] = value(1, k, c, i / W, i % W);
		if (how == BROKEN && k == 2)
			b[5] = NAN;
		assert_good(sm_shard_put_sample(shard, k, &sample, &err), err);
	}
	assert_good(sm_shard_commit(shard, sha, &err), err);
}

static void add_record(struct sm_ledger *ledger, const char *key, const char *name, const char *sha)
{
	json_t *r = json_pack("{s:s, s:s, s:[{s:s, s:s, s:s}]}", "key", key, "status", "ok",
			      "outputs", "role", "shard", "path", name, "sha256", sha);
	assert_non_null(r);
	assert_good(sm_records_add(ledger->records, r, NULL, &err), err);
	json_decref(r);
}

/* Entries of `train` from a file; domain NULL: pairs. file NULL: pictures alone. */
static void add_entries(json_t *config, const char *file, const char *domain)
{
	for (int k = 0; k < SAMPLES; k++) {
		json_t *e = json_pack("{s:i}", "slice", 10 + k);
		if (domain)
			json_object_set_new(e, "domain", json_string(domain));
		if (file) {
			json_object_set_new(e, "file", json_string(file));
			json_object_set_new(e, "sample", json_integer(k));
		} else {
			json_object_set_new(e, "a", json_string("trainA/x.png"));
		}
		json_array_append_new(json_object_get(config, "train"), e);
	}
}

static struct sm_ledger open_ledger(json_t *config)
{
	char hex[65];
	char *text = json_dumps(config, JSON_SORT_KEYS);
	assert_non_null(text);
	assert_good(sm_file_write(at("config.json"), text, strlen(text), &err), err);
	free(text);
	json_decref(config);
	assert_good(sm_sha256_file(at("config.json"), hex, &err), err);
	return (struct sm_ledger){.records = sm_records_new(NULL),
				  .header = json_pack("{s:[{s:s, s:s}]}", "outputs", "path",
						      "config.json", "sha256", hex)};
}

/* One case of pairs, c0.h5, in fold train. */
static struct sm_ledger one_case(int how)
{
	char sha[65];
	json_t *config = json_pack("{s:[], s:[], s:[]}", "train", "test", "valid");
	write_shard("c0.h5", "case_0", H, CB, how, sha);
	add_entries(config, "c0.h5", NULL);
	struct sm_ledger ledger = open_ledger(config);
	add_record(&ledger, "case_0", "c0.h5", sha);
	return ledger;
}

static struct sm_images *list(const struct sm_ledger *ledger, enum sm_domain domain, size_t least)
{
	struct sm_images *m;
	assert_good(sm_images_list(dir, ledger, domain, "train", least, NULL, &m, &err), err);
	return m;
}

static void test_samples_are_read_as_they_stand(void **state)
{
	(void)state;
	struct sm_ledger ledger = one_case(WHOLE);
	struct sm_images *m = list(&ledger, SM_PAIRS, SAMPLES);
	float x[H * W * CX], b[H * W * CB];
	assert_int_equal(sm_images_count(m), SAMPLES);
	assert_true(sm_images_height(m) == H && sm_images_width(m) == W);
	assert_true(sm_images_channels(m) == CX && sm_images_b_channels(m) == CB);
	assert_string_equal(sm_images_key(m, 3), "case_0");
	assert_int_equal(sm_images_slice(m, 3), 13);
	assert_good(sm_images_read(m, 3, NULL, 0, 0, x, b, &err), err);
	for (int i = 0; i < H * W; i++) {
		for (int c = 0; c < CX; c++)
			assert_true(x[i * CX + c] == value(0, 3, c, i / W, i % W));
		for (int c = 0; c < CB; c++)
			assert_true(b[i * CB + c] == value(1, 3, c, i / W, i % W));
	}
	sm_images_free(m);
	sm_ledger_clear(&ledger);
}

/* Pixel (y, x) of channel c of the image enlarged by bilinear interpolation, pixel centres at half
 * numbers. */
static double enlarged(int side, int k, int c, int y, int x)
{
	double fy = (y + 0.5) * H / (H + ENLARGE) - 0.5, fx = (x + 0.5) * W / (W + ENLARGE) - 0.5;
	fy = fy < 0 ? 0 : fy > H - 1 ? H - 1 : fy;
	fx = fx < 0 ? 0 : fx > W - 1 ? W - 1 : fx;
	int y0 = (int)fy, x0 = (int)fx, y1 = y0 + 1 < H ? y0 + 1 : y0,
	    x1 = x0 + 1 < W ? x0 + 1 : x0;
	double ay = fy - y0, ax = fx - x0;
	return (1 - ay) * ((1 - ax) * (double)value(side, k, c, y0, x0) +
			   ax * (double)value(side, k, c, y0, x1)) +
	       ay * ((1 - ax) * (double)value(side, k, c, y1, x0) +
		     ax * (double)value(side, k, c, y1, x1));
}

/* Largest difference of an image from the cut at (top, left), mirrored or not. */
static double apart(const float *v, int side, int k, int channels, int top, int left, bool mirrored)
{
	double worst = 0;
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			for (int c = 0; c < channels; c++) {
				int at_x = left + (mirrored ? W - 1 - x : x);
				double off = fabs((double)v[(y * W + x) * channels + c] -
						  enlarged(side, k, c, top + y, at_x));
				worst = off > worst ? off : worst;
			}
	return worst;
}

/* Each draw is one of the 2 x 4 x 4 cuts of the enlarged image, the same of both sides; all come
 * up. */
static void test_jitter_is_a_cut_of_the_enlarged_image(void **state)
{
	(void)state;
	enum { PLACES = (ENLARGE + 1) * (ENLARGE + 1), DRAWS = 640 };
	const struct sm_jitter jitter = {.enlarge = ENLARGE, .mirror = true};
	struct sm_ledger ledger = one_case(WHOLE);
	struct sm_images *m = list(&ledger, SM_PAIRS, 2);
	int seen[2 * PLACES] = {0};
	float x[H * W * CX], b[H * W * CB], again[H * W * CX];
	for (uint64_t draw = 0; draw < DRAWS; draw++) {
		int found = -1;
		assert_good(sm_images_read(m, 1, &jitter, 5, draw, x, b, &err), err);
		for (int p = 0; p < 2 * PLACES; p++) {
			int top = p / 2 / (ENLARGE + 1), left = p / 2 % (ENLARGE + 1);
			if (apart(x, 0, 1, CX, top, left, p % 2) > 1e-6)
				continue;
			assert_int_equal(found, -1);
			found = p;
			assert_true(apart(b, 1, 1, CB, top, left, p % 2) <= 1e-6);
		}
		assert_true(found >= 0);
		seen[found]++;
		assert_good(sm_images_read(m, 1, &jitter, 5, draw, again, NULL, &err), err);
		assert_memory_equal(x, again, sizeof x);
	}
	for (int p = 0; p < 2 * PLACES; p++)
		assert_in_range(seen[p], 2, 60); /* 20 on average */
	sm_images_free(m);
	sm_ledger_clear(&ledger);
}

/* Without enlarging the mirror alone, drawn for each image: about half of them. */
static void test_mirror_alone_is_exact(void **state)
{
	(void)state;
	const struct sm_jitter jitter = {.mirror = true}, none = {0};
	struct sm_ledger ledger = one_case(WHOLE);
	struct sm_images *m = list(&ledger, SM_PAIRS, 2);
	float x[H * W * CX], b[H * W * CB];
	int mirrored = 0;
	for (uint64_t draw = 0; draw < 400; draw++) {
		size_t k = draw % SAMPLES;
		assert_good(sm_images_read(m, k, &jitter, 9, draw, x, b, &err), err);
		bool turned = x[0] != value(0, (int)k, 0, 0, 0);
		mirrored += turned;
		for (int i = 0; i < H * W; i++) {
			int at_x = turned ? W - 1 - i % W : i % W;
			for (int c = 0; c < CX; c++)
				assert_true(x[i * CX + c] == value(0, (int)k, c, i / W, at_x));
			for (int c = 0; c < CB; c++)
				assert_true(b[i * CB + c] == value(1, (int)k, c, i / W, at_x));
		}
		assert_good(sm_images_read(m, k, &none, 9, draw, x, b, &err), err);
		assert_true(x[0] == value(0, (int)k, 0, 0, 0));
	}
	assert_in_range(mirrored, 140, 260);
	sm_images_free(m);
	sm_ledger_clear(&ledger);
}

static void test_domains_are_apart(void **state)
{
	(void)state;
	char sha[2][65];
	float x[H * W * CX];
	json_t *config = json_pack("{s:[]}", "train");
	write_shard("a.h5", "case_0", H, 0, WHOLE, sha[0]);
	write_shard("b.h5", "case_1", H, 0, WHOLE, sha[1]);
	add_entries(config, "a.h5", "a");
	add_entries(config, "b.h5", "b");
	add_entries(config, "b.h5", "b");
	struct sm_ledger ledger = open_ledger(config);
	add_record(&ledger, "case_0", "a.h5", sha[0]);
	add_record(&ledger, "case_1", "b.h5", sha[1]);
	struct sm_images *a = list(&ledger, SM_DOMAIN_A, 2), *b = list(&ledger, SM_DOMAIN_B, 2);
	assert_true(sm_images_count(a) == SAMPLES && sm_images_count(b) == 2 * SAMPLES);
	assert_string_equal(sm_images_key(b, 0), "case_1");
	assert_int_equal(sm_images_b_channels(a), 0);
	assert_good(sm_images_read(a, 2, NULL, 0, 0, x, NULL, &err), err);
	assert_true(x[CX] == value(0, 2, 0, 0, 1));
	sm_images_free(a);
	sm_images_free(b);
	struct sm_images *none;
	assert_refused(sm_images_list(dir, &ledger, SM_PAIRS, "train", 2, NULL, &none, &err),
		       SM_INPUT, err, "fold train: has 0 pairs, needed are at least 2");
	assert_refused(sm_images_list(dir, &ledger, SM_DOMAIN_A, "train", 5, NULL, &none, &err),
		       SM_INPUT, err, "has 4 images of domain a, needed are at least 5");
	sm_ledger_clear(&ledger);
}

static void refuse(const struct sm_ledger *ledger, const char *part)
{
	struct sm_images *none;
	assert_refused(sm_images_list(dir, ledger, SM_PAIRS, "train", 2, NULL, &none, &err),
		       SM_INPUT, err, part);
	assert_null(none);
}

static void test_bad_folders_are_refused(void **state)
{
	(void)state;
	char sha[65];
	struct sm_ledger ledger = one_case(WHOLE);
	/* Another shard under the name that the ledger knows. */
	write_shard("c0.h5", "case_0", H, CB, BROKEN, sha);
	refuse(&ledger, "c0.h5: content is not what the ledger of pair says");
	assert_good(sm_file_write(at("config.json"), "{}", 2, &err), err);
	refuse(&ledger, "config.json: content is not what the ledger of pair says");
	sm_ledger_clear(&ledger);

	json_t *config = json_pack("{s:[]}", "train");
	add_entries(config, NULL, NULL);
	ledger = open_ledger(config);
	refuse(&ledger, "needed is pair.format hdf5 or both");
	sm_ledger_clear(&ledger);

	config = json_pack("{s:[]}", "train");
	add_entries(config, "c0.h5", NULL);
	ledger = open_ledger(config);
	refuse(&ledger, "c0.h5: stands in config.json, but not in the ledger");
	sm_ledger_clear(&ledger);

	config = json_pack("{s:[]}", "train");
	add_entries(config, "../c0.h5", NULL);
	ledger = open_ledger(config);
	refuse(&ledger, "leaves the folder");
	sm_ledger_clear(&ledger);

	config = json_pack("{s:[{s:i, s:s, s:i}]}", "train", "slice", 1, "file", "c0.h5", "sample",
			   SAMPLES);
	ledger = open_ledger(config);
	add_record(&ledger, "case_0", "c0.h5", sha);
	refuse(&ledger, "sample 4 of c0.h5, allowed is 0 to 3");
	sm_ledger_clear(&ledger);
}

static void test_sizes_must_be_equal(void **state)
{
	(void)state;
	char sha[2][65];
	json_t *config = json_pack("{s:[]}", "train");
	write_shard("c0.h5", "case_0", H, CB, WHOLE, sha[0]);
	write_shard("c1.h5", "case_1", H + 1, CB, WHOLE, sha[1]);
	add_entries(config, "c0.h5", NULL);
	add_entries(config, "c1.h5", NULL);
	struct sm_ledger ledger = open_ledger(config);
	add_record(&ledger, "case_0", "c0.h5", sha[0]);
	add_record(&ledger, "case_1", "c1.h5", sha[1]);
	refuse(&ledger, "c1.h5: images are 8x7 with 3 and 2 channels, those of c0.h5 8x6");
	sm_ledger_clear(&ledger);

	config = json_pack("{s:[]}", "train");
	write_shard("c0.h5", "case_0", H, 0, WHOLE, sha[0]);
	add_entries(config, "c0.h5", NULL);
	ledger = open_ledger(config);
	add_record(&ledger, "case_0", "c0.h5", sha[0]);
	refuse(&ledger, "c0.h5: holds images of one domain, needed are pairs");
	sm_ledger_clear(&ledger);
}

static void test_a_value_that_is_not_finite_is_named(void **state)
{
	(void)state;
	struct sm_ledger ledger = one_case(BROKEN);
	struct sm_images *m = list(&ledger, SM_PAIRS, 2);
	float x[H * W * CX], b[H * W * CB];
	assert_good(sm_images_read(m, 1, NULL, 0, 0, x, b, &err), err);
	assert_refused(sm_images_read(m, 2, NULL, 0, 0, x, b, &err), SM_INPUT, err,
		       "case_0: slice 12 has a value that is not finite");
	sm_images_free(m);
	sm_ledger_clear(&ledger);
}

static void test_order_is_a_permutation_of_each_turn(void **state)
{
	(void)state;
	enum { N = 23, COUNT = 60 };
	size_t order[COUNT], other[COUNT];
	assert_good(sm_images_order(N, COUNT, 3, "a", 0, order, &err), err);
	for (size_t from = 0; from < COUNT; from += N) {
		bool seen[N] = {false};
		for (size_t i = from; i < from + N && i < COUNT; i++) {
			assert_true(order[i] < N && !seen[order[i]]);
			seen[order[i]] = true;
		}
	}
	assert_memory_not_equal(order, order + N, N * sizeof *order); /* anew in another order */
	assert_good(sm_images_order(N, COUNT, 3, "a", 0, other, &err), err);
	assert_memory_equal(order, other, sizeof order);
	assert_good(sm_images_order(N, COUNT, 3, "a", 1, other, &err), err);
	assert_memory_not_equal(order, other, sizeof order);
	assert_good(sm_images_order(N, COUNT, 3, "b", 0, other, &err), err);
	assert_memory_not_equal(order, other, sizeof order);
	assert_good(sm_images_order(N, COUNT, 4, "a", 0, other, &err), err);
	assert_memory_not_equal(order, other, sizeof order);
	/* The beginning does not hang on how many are asked for. */
	assert_good(sm_images_order(N, 5, 3, "a", 0, other, &err), err);
	assert_memory_equal(order, other, 5 * sizeof *order);
}

static int make_folder(void **state)
{
	(void)state;
	return folder_make();
}

static int remove_folder(void **state)
{
	(void)state;
	return folder_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_are_read_as_they_stand),
		cmocka_unit_test(test_jitter_is_a_cut_of_the_enlarged_image),
		cmocka_unit_test(test_mirror_alone_is_exact),
		cmocka_unit_test(test_domains_are_apart),
		cmocka_unit_test(test_bad_folders_are_refused),
		cmocka_unit_test(test_sizes_must_be_equal),
		cmocka_unit_test(test_a_value_that_is_not_finite_is_named),
		cmocka_unit_test(test_order_is_a_permutation_of_each_turn),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, make_folder, remove_folder);
}
