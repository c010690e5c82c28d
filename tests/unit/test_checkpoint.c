/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: all that was written comes back bit by bit, the same contents give the same bytes,
 * and another network, a cut or damaged file, a wrong field and a full disk are each told in a
 * sentence. */
#include "tests/unit/tap.h"
#include "tests/unit/folder.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/file.h"
#include "core/h5tile.h"
#include "core/hash.h"
#include "train/checkpoint.h"
#include "train/network.h"

#define COLUMNS "epoch,loss,dice,val_loss,val_dice,val_dice_1,val_dice_2"
#define SPLIT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct sm_err err;

/* A network with batch norm and dropout: everything that a checkpoint has to hold. */
static struct sm_net *make(int width, bool extra, uint64_t seed)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_optim adam = sm_optim_default("adam");
	const struct sm_net_opt opt = {.train = true, .threads = 1, .seed = 5, .optim = &adam};
	struct sm_net *net = NULL;
	int x = sm_g_input(g, "x", (struct sm_shape){2, 4, 6, 5, 2});
	x = sm_g_conv(g, x, "first", (struct sm_conv){.out = width, .k = {3, 3, 3}});
	x = sm_g_relu(g, sm_g_batch_norm(g, x, "norm", 1e-5f, 0.1f));
	if (extra)
		x = sm_g_conv(g, x, "extra", (struct sm_conv){.out = width, .k = {1, 1, 1}});
	x = sm_g_dropout(g, x, 0.25f);
	x = sm_g_conv(g, x, "head", (struct sm_conv){.out = 2, .k = {1, 1, 1}});
	int p = sm_g_output(g, sm_g_sigmoid(g, x), "p");
	sm_g_loss(g, &(struct sm_loss_opt){.name = "soft_dice"},
		  &(struct sm_heads){.logits = {x}, .count = 1, .prob = p});
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	assert_good(sm_net_alloc(net, NULL, &err), err);
	sm_net_init(net, seed);
	return net;
}

static double step(struct sm_net *net, uint64_t number)
{
	struct sm_shape xs, ts;
	double loss;
	float *x = sm_net_buffer(net, "x", &xs), *t = sm_net_buffer(net, "target", &ts);
	for (size_t i = 0; i < sm_shape_count(xs); i++)
		x[i] = (float)((i * 37 + number * 11) % 101) / 50 - 1;
	for (size_t i = 0; i < sm_shape_count(ts); i++)
		t[i] = (i + number) % 3 == 0;
	assert_good(sm_net_step(net, number, &loss, &err), err);
	assert_good(sm_net_update(net, 0.01, NULL, &err), err);
	return loss;
}

static struct sm_checkpoint about(const struct sm_net *net)
{
	struct sm_checkpoint c = {.model = "unet3d",
				  .width = 0.125,
				  .in_channels = 2,
				  .norm = "auto",
				  .activation = "relu",
				  .dropout = 0.25,
				  .deep_supervision = -1,
				  .spacing = {1, 1, 1.25},
				  .size = {5, 6, 4},
				  .standardise = SM_STANDARDISE_SLICE,
				  .channels = json_pack("[s,s]", "t1", "t2"),
				  .parameters = (int64_t)sm_net_weight_count(net),
				  .optimiser = "adam",
				  .epoch = 3,
				  .steps = 4,
				  .best_epoch = 2,
				  .best = 1.0 / 3,
				  .fingerprint = "0123456789abcdef",
				  .split = SPLIT,
				  .preprocess = SPLIT};
	assert_good(sm_task_classes(&c.task, 2, false, &err), err);
	assert_good(sm_history_begin(&c.history, COLUMNS, &err), err);
	for (int e = 1; e <= 3; e++) {
		const double row[] = {e, 0.5 / e, 0.1 * e, 1.0 / 3, 0.25, 0.2, 0.3};
		assert_good(sm_history_add(&c.history, row, &err), err);
	}
	return c;
}

/* A network after four steps, written to name. */
static struct sm_net *written_of(int width, const char *name, char content[65])
{
	struct sm_net *net = make(width, false, 7);
	for (uint64_t i = 0; i < 4; i++)
		step(net, i);
	struct sm_checkpoint c = about(net);
	assert_good(sm_checkpoint_write(at(name), net, &c, content, &err), err);
	sm_checkpoint_clear(&c);
	return net;
}

static struct sm_net *written(const char *name, char content[65])
{
	return written_of(4, name, content);
}

static void same_floats(const float *a, const float *b, size_t n)
{
	assert_memory_equal(a, b, n * sizeof *a);
}

static void test_all_comes_back(void **state)
{
	(void)state;
	struct sm_net *net = written("a.hdf5", NULL), *other = make(4, false, 99);
	struct sm_checkpoint c;
	assert_good(sm_checkpoint_open(at("a.hdf5"), &c, &err), err);
	assert_good(sm_checkpoint_load(at("a.hdf5"), other, true, &err), err);
	size_t n = sm_net_weight_count(net), states;
	same_floats(sm_net_weights(net), sm_net_weights(other), n);
	const struct sm_param *s = sm_net_states(net, &states);
	assert_int_equal(states, 2); /* running mean and variance */
	same_floats(sm_net_state_values(net), sm_net_state_values(other), s[0].count + s[1].count);
	for (int i = 0; i < 2; i++)
		same_floats(sm_net_optim_array(net, i, NULL), sm_net_optim_array(other, i, NULL),
			    n);
	assert_int_equal(*sm_net_optim_steps(other), 4);
	assert_string_equal(c.model, "unet3d");
	assert_true(c.width == 0.125 && c.best == 1.0 / 3);
	assert_int_equal(c.in_channels + 10 * c.task.channels, 22);
	assert_int_equal(c.size[0] * 100 + c.size[1] * 10 + c.size[2], 564);
	assert_int_equal(c.standardise, SM_STANDARDISE_SLICE);
	assert_string_equal(c.split, SPLIT);
	assert_string_equal(c.preprocess, SPLIT);
	assert_string_equal(json_string_value(json_array_get(c.channels, 1)), "t2");
	assert_true(c.epoch == 3 && c.steps == 4 && c.best_epoch == 2);
	assert_true(c.history.rows == 3 && c.history.columns == 7 && c.history.v[7 + 1] == 0.25);
	/* the next step has the same bits, dropout and all */
	double a = step(net, 4), b = step(other, 4);
	assert_true(a == b);
	same_floats(sm_net_weights(net), sm_net_weights(other), n);
	sm_checkpoint_clear(&c);
	sm_net_free(net);
	sm_net_free(other);
}

static void test_same_contents_same_bytes(void **state)
{
	(void)state;
	char a[65], b[65], fa[65], fb[65], content[65];
	sm_net_free(written("a.hdf5", a));
	sm_net_free(written("other_name.hdf5", b));
	assert_string_equal(a, b);
	assert_good(sm_sha256_file(at("a.hdf5"), fa, &err), err);
	assert_good(sm_sha256_file(at("other_name.hdf5"), fb, &err), err);
	assert_string_equal(fa, fb);
	assert_good(sm_content_sha256(at("a.hdf5"), NULL, content, &err), err);
	assert_string_equal(content, a);
}

static void test_inference_needs_no_optimiser(void **state)
{
	(void)state;
	sm_net_free(written("a.hdf5", NULL));
	struct sm_net *net = make(4, false, 3);
	assert_good(sm_checkpoint_load(at("a.hdf5"), net, false, &err), err);
	assert_int_equal(*sm_net_optim_steps(net), 0);
	sm_net_free(net);
}

static void test_another_network_is_refused(void **state)
{
	(void)state;
	sm_net_free(written("a.hdf5", NULL));
	struct sm_net *wide = make(6, false, 1), *longer = make(4, true, 1);
	assert_refused(
		sm_checkpoint_load(at("a.hdf5"), wide, true, &err), SM_INPUT, err,
		"parameters/first.weight has shape (4,2,3,3,3), the network needs (6,2,3,3,3)");
	assert_refused(sm_checkpoint_load(at("a.hdf5"), longer, true, &err), SM_INPUT, err,
		       "has no parameters/extra.weight");
	struct sm_checkpoint c = about(longer);
	assert_good(sm_checkpoint_write(at("longer.hdf5"), longer, &c, NULL, &err), err);
	struct sm_net *net = make(4, false, 1);
	assert_refused(sm_checkpoint_load(at("longer.hdf5"), net, true, &err), SM_INPUT, err,
		       "is not in the network");
	sm_checkpoint_clear(&c);
	sm_net_free(wide);
	sm_net_free(longer);
	sm_net_free(net);
}

static unsigned char *slurp(const char *path, size_t *n)
{
	unsigned char *bytes = NULL;
	assert_good(sm_file_read(path, 0, NULL, &bytes, n, &err), err);
	return bytes;
}

static enum sm_status open_and_load(const char *path, struct sm_net *net)
{
	struct sm_checkpoint c;
	enum sm_status st = sm_checkpoint_open(path, &c, &err);
	if (st == SM_OK)
		st = sm_checkpoint_load(path, net, true, &err);
	sm_checkpoint_clear(&c);
	return st;
}

static void test_a_cut_file_is_refused_at_any_length(void **state)
{
	(void)state;
	sm_net_free(written("a.hdf5", NULL));
	struct sm_net *net = make(4, false, 3);
	size_t n;
	unsigned char *bytes = slurp(at("a.hdf5"), &n);
	for (size_t cut = 0; cut < n; cut += n / 23 + 1) {
		assert_good(sm_file_write(at("cut.hdf5"), bytes, cut, &err), err);
		assert_int_equal(open_and_load(at("cut.hdf5"), net), SM_INPUT);
		assert_non_null(strstr(err.text, "cut.hdf5"));
	}
	sm_free(bytes);
	sm_net_free(net);
}

static void test_a_damaged_weight_is_refused(void **state)
{
	(void)state;
	struct sm_net *net = written("a.hdf5", NULL);
	size_t n;
	unsigned char *bytes = slurp(at("a.hdf5"), &n);
	unsigned char *found = memmem(bytes, n, sm_net_weights(net), 32);
	assert_non_null(found);
	found[17] ^= 4;
	assert_good(sm_file_write(at("bad.hdf5"), bytes, n, &err), err);
	assert_int_equal(open_and_load(at("bad.hdf5"), net), SM_INPUT);
	assert_non_null(strstr(err.text, "parameters/first.weight is damaged"));
	sm_free(bytes);
	sm_net_free(net);
}

/* A chunk that its index does not find is not read at all, and the library calls that good. */
static void refuse_damaged_indices(int width)
{
	struct sm_net *net = written_of(width, "a.hdf5", NULL);
	size_t n, tried = 0;
	unsigned char *bytes = slurp(at("a.hdf5"), &n);
	for (size_t i = 0; i + 40 < n; i++) {
		/* A tree of chunks, of one: signature, type, level, entries, neighbours, size and
		 * mask, and the place in the dataset, of which a byte is changed. */
		if (memcmp(bytes + i, "TREE\1\0\1", 7) != 0)
			continue;
		char content[65];
		bytes[i + 34] ^= 1;
		assert_good(sm_file_write(at("bad.hdf5"), bytes, n, &err), err);
		assert_int_equal(open_and_load(at("bad.hdf5"), net), SM_INPUT);
		assert_non_null(strstr(err.text, "damaged"));
		assert_int_equal(sm_h5_content_sha256(at("bad.hdf5"), NULL, content, &err),
				 SM_INPUT);
		bytes[i + 34] ^= 1;
		tried++;
	}
	assert_true(tried > 4);
	sm_free(bytes);
	sm_net_free(net);
}

/* Of width 1 the first weight is one index of its first axis, which the identity hashes alone. */
static void test_a_damaged_index_is_refused(void **state)
{
	(void)state;
	refuse_damaged_indices(4);
	refuse_damaged_indices(1);
}

static void test_other_files_are_refused(void **state)
{
	(void)state;
	struct sm_checkpoint c;
	const float x[8] = {0};
	const uint8_t y[8] = {0};
	const struct sm_tile_shape one = {1, 1, 2, 2, 2, 0, 0};
	assert_good(sm_file_write(at("text.hdf5"), "hello", 5, &err), err);
	assert_refused(sm_checkpoint_open(at("text.hdf5"), &c, &err), SM_INPUT, err,
		       "is no HDF5 file");
	assert_good(sm_tilefile_write(at("tile.hdf5"), &one, x, y, 1, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("tile.hdf5"), &c, &err), SM_INPUT, err,
		       "schema is 'scanmill-tile 1', allowed is 'scanmill-checkpoint 3'");
	assert_refused(sm_checkpoint_open(at("none.hdf5"), &c, &err), SM_INPUT, err,
		       "does not exist");
}

static void test_fields_out_of_range_are_named(void **state)
{
	(void)state;
	struct sm_net *net = make(4, false, 7);
	struct sm_checkpoint c = about(net), got;
	c.epoch = 4; /* the history has three rows */
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err,
		       "history is 3 x 7, allowed is 4 x 7");
	c.epoch = 3;
	c.task.labels = 0;
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err, "field task");
	c.task.labels = 2;
	c.history.names[5] = 'x';
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err,
		       "history_columns are missing or others");
	c.history.names[5] = ',';
	c.width = -1;
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err, "field width");
	c.width = 1;
	c.size[1] = 5000;
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err,
		       "field tile_size");
	c.size[1] = 6;
	c.best_epoch = 4;
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err,
		       "field best_epoch");
	c.best_epoch = 2;
	c.best = 0.25;
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err,
		       "field best_val_loss is 0.25, the history's of epoch 2 is 0.333333");
	c.best = 1.0 / 3;
	c.split[40] = 0;
	assert_good(sm_checkpoint_write(at("f.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("f.hdf5"), &got, &err), SM_INPUT, err, "field split");
	sm_checkpoint_clear(&c);
	sm_net_free(net);
}

/* The names of channels go into predictions and exports. */
static void test_channels_are_names_or_none(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		bool good;
	} cases[] = {{"[]", true},          {"[\"a\",\"b\"]", true}, {"[\"a\"]", false},
		     {"[\"a\",\"\"]", false}, {"[1,null]", false},   {"[{},[]]", false},
		     {"[\"a\",\"b\",\"c\"]", false}};
	struct sm_net *net = make(4, false, 7);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct sm_checkpoint c = about(net), got;
		json_decref(c.channels);
		c.channels = json_loads(cases[i].json, 0, NULL);
		assert_good(sm_checkpoint_write(at("c.hdf5"), net, &c, NULL, &err), err);
		enum sm_status st = sm_checkpoint_open(at("c.hdf5"), &got, &err);
		if (st != (cases[i].good ? SM_OK : SM_INPUT))
			fail_msg("%s: %d", cases[i].json, st);
		if (st != SM_OK)
			assert_non_null(strstr(err.text, "field channels"));
		sm_checkpoint_clear(&got);
		sm_checkpoint_clear(&c);
	}
	sm_net_free(net);
}

/* The history names files and says what is best: a damaged byte, and numbers that no training
 * writes, are refused. */
static void test_the_history_is_checked(void **state)
{
	(void)state;
	struct sm_net *net = make(4, false, 7);
	struct sm_checkpoint c = about(net), got;
	size_t n;
	assert_good(sm_checkpoint_write(at("h.hdf5"), net, &c, NULL, &err), err);
	unsigned char *bytes = slurp(at("h.hdf5"), &n);
	unsigned char *found = memmem(bytes, n, c.history.v, 56);
	assert_non_null(found);
	for (size_t i = 0; i < 3 * 7 * sizeof(double); i += 5) {
		found[i] ^= 1;
		assert_good(sm_file_write(at("bad.hdf5"), bytes, n, &err), err);
		assert_refused(sm_checkpoint_open(at("bad.hdf5"), &got, &err), SM_INPUT, err,
			       "history is damaged");
		found[i] ^= 1;
	}
	sm_free(bytes);
	const double wrong[] = {NAN, INFINITY, -INFINITY};
	for (size_t k = 0; k < SM_HISTORY_FIXED; k++)
		for (size_t i = 0; i < 3; i++) {
			double *at_row = c.history.v + 7 + k, before = *at_row;
			*at_row = wrong[i];
			assert_good(sm_checkpoint_write(at("h.hdf5"), net, &c, NULL, &err), err);
			assert_refused(sm_checkpoint_open(at("h.hdf5"), &got, &err), SM_INPUT, err,
				       "history, row 1: found ");
			*at_row = before;
		}
	c.history.v[14] = 2; /* the epoch's number */
	assert_good(sm_checkpoint_write(at("h.hdf5"), net, &c, NULL, &err), err);
	assert_refused(sm_checkpoint_open(at("h.hdf5"), &got, &err), SM_INPUT, err,
		       "history, row 2: found 2, ");
	c.history.v[14] = 3;
	c.history.v[5] = NAN; /* of a metric: an epoch that did not measure it */
	assert_good(sm_checkpoint_write(at("h.hdf5"), net, &c, NULL, &err), err);
	assert_good(sm_checkpoint_open(at("h.hdf5"), &got, &err), err);
	sm_checkpoint_clear(&got);
	sm_checkpoint_clear(&c);
	sm_net_free(net);
}

static void test_columns_are_recast(void **state)
{
	(void)state;
	struct sm_history h;
	const double rows[2][3] = {{1, 2, 3}, {4, 5, 6}};
	assert_good(sm_history_begin(&h, "a,bb,c", &err), err);
	for (int r = 0; r < 2; r++)
		assert_good(sm_history_add(&h, rows[r], &err), err);
	assert_good(sm_history_recast(&h, "a,b,c,bb", &err), err);
	assert_true(h.rows == 2 && h.columns == 4);
	assert_string_equal(h.names, "a,b,c,bb");
	assert_true(h.v[0] == 1 && isnan(h.v[1]) && h.v[2] == 3 && h.v[3] == 2);
	assert_true(h.v[4] == 4 && isnan(h.v[5]) && h.v[6] == 6 && h.v[7] == 5);
	const double more[4] = {7, 8, 9, 10};
	assert_good(sm_history_add(&h, more, &err), err);
	assert_true(h.v[11] == 10 && h.v[7] == 5);
	sm_history_clear(&h);
}

static void test_settings_come_back(void **state)
{
	(void)state;
	struct sm_net *net = make(4, false, 7);
	struct sm_checkpoint c = about(net), got;
	c.settings = strdup("{\"train\":{\"width\":1.0}}");
	assert_good(sm_checkpoint_write(at("s.hdf5"), net, &c, NULL, &err), err);
	assert_good(sm_checkpoint_open(at("s.hdf5"), &got, &err), err);
	assert_string_equal(got.settings, c.settings);
	sm_checkpoint_clear(&got);
	sm_checkpoint_clear(&c);
	sm_net_free(net);
}

static void test_a_full_disk_leaves_nothing(void **state)
{
	(void)state;
	struct sm_net *net = make(4, false, 7);
	struct sm_checkpoint c = about(net);
	struct rlimit old, small;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = 3000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum sm_status st = sm_checkpoint_write(at("full.hdf5"), net, &c, NULL, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(st, SM_IO);
	assert_non_null(strstr(err.text, "full.hdf5: cannot be written: File too large"));
	assert_false(sm_file_exists(at("full.hdf5")));
	assert_false(sm_file_exists(at(".full.hdf5.partial")));
	assert_refused(sm_checkpoint_write(at("no/such.hdf5"), net, &c, NULL, &err), SM_IO, err,
		       "cannot be created");
	sm_checkpoint_clear(&c);
	sm_net_free(net);
}

static void test_columns_are_named(void **state)
{
	(void)state;
	struct sm_net *net = written("columns.hdf5", NULL);
	struct sm_checkpoint c;
	assert_good(sm_checkpoint_open(at("columns.hdf5"), &c, &err), err);
	assert_string_equal(c.history.names, COLUMNS);
	assert_int_equal(c.history.columns, SM_HISTORY_FIXED + 2);
	sm_checkpoint_clear(&c);
	sm_net_free(net);
}

/* What the outputs mean goes with the weights: regions of the same number of channels are no
 * classes. */
static void test_a_task_comes_back(void **state)
{
	(void)state;
	const int64_t whole[] = {1, 2, 3}, core[] = {1, 3};
	struct sm_net *net = make(4, false, 7);
	struct sm_checkpoint c = about(net), back;
	sm_task_regions(&c.task, 3);
	assert_good(sm_task_region(&c.task, "WT", whole, 3, &err), err);
	assert_good(sm_task_region(&c.task, "TC", core, 2, &err), err);
	assert_good(sm_task_check(&c.task, &err), err);
	assert_good(sm_checkpoint_write(at("task.hdf5"), net, &c, NULL, &err), err);
	assert_good(sm_checkpoint_open(at("task.hdf5"), &back, &err), err);
	assert_memory_equal(&back.task, &c.task, sizeof c.task);
	assert_string_equal(back.activation, "relu");
	assert_true(back.spacing[2] == 1.25 && back.dropout == 0.25 && back.deep_supervision == -1);
	sm_checkpoint_clear(&back);
	sm_checkpoint_clear(&c);
	sm_net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_comes_back),
		cmocka_unit_test(test_same_contents_same_bytes),
		cmocka_unit_test(test_inference_needs_no_optimiser),
		cmocka_unit_test(test_another_network_is_refused),
		cmocka_unit_test(test_a_cut_file_is_refused_at_any_length),
		cmocka_unit_test(test_a_damaged_weight_is_refused),
		cmocka_unit_test(test_a_damaged_index_is_refused),
		cmocka_unit_test(test_other_files_are_refused),
		cmocka_unit_test(test_fields_out_of_range_are_named),
		cmocka_unit_test(test_channels_are_names_or_none),
		cmocka_unit_test(test_the_history_is_checked),
		cmocka_unit_test(test_columns_are_recast),
		cmocka_unit_test(test_settings_come_back),
		cmocka_unit_test(test_a_full_disk_leaves_nothing),
		cmocka_unit_test(test_columns_are_named),
		cmocka_unit_test(test_a_task_comes_back),
	};
	if (folder_make())
		return 1;
	int failed = run_tap(tests);
	folder_remove();
	return failed;
}
