/* SPDX-License-Identifier: Apache-2.0 */
/* Nets that play against each other over shared weights, and the networks that do: parameter
 * counts, frozen parameters, one arena for several nets, inference with live norms and drop-out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "train/models/translate.h"
#include "train/nn/net.h"

#define SIDE 32

static struct sm_image_opt small(void)
{
	struct sm_image_opt o = sm_image_default();
	o.width = 0.0625;
	o.levels = 3;
	return o;
}

/* The generator's graph; `frozen`: its discriminator is another net's. */
static struct sm_graph *generator_graph(bool frozen)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_image_opt o = small(), j = sm_image_default();
	struct sm_judge judge;
	const struct sm_shape s = {1, 1, SIDE, SIDE, 1};
	int a = sm_g_input(g, "a", s), b = sm_g_input(g, "b", s);
	o.dropout = 0;
	int fake = sm_g_output(g, sm_generator_build(g, "pix2pix", "g", a, &o), "fake");
	j.in_channels = 2;
	j.width = 0.0625;
	if (frozen)
		sm_graph_freeze(g, "d");
	sm_judge_build(g, "patch70", "d", sm_g_concat(g, (int[]){a, fake}, 2), &j, &judge);
	sm_g_loss_adversarial(g, "adversarial", judge.logits, true, SM_DISTANCE_BCE, 1);
	sm_g_loss_distance(g, "l1", fake, b, SM_DISTANCE_L1, 100);
	return g;
}

static struct sm_graph *judge_graph(void)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_image_opt j = sm_image_default();
	struct sm_judge real, fake;
	const struct sm_shape s = {1, 1, SIDE, SIDE, 1};
	int a = sm_g_input(g, "a", s), b = sm_g_input(g, "b", s), f = sm_g_input(g, "fake", s);
	j.in_channels = 2;
	j.width = 0.0625;
	sm_judge_build(g, "patch70", "d", sm_g_concat(g, (int[]){a, b}, 2), &j, &real);
	sm_judge_build(g, "patch70", "d", sm_g_concat(g, (int[]){a, f}, 2), &j, &fake);
	sm_g_loss_adversarial(g, "real", real.logits, true, SM_DISTANCE_BCE, 0.5f);
	sm_g_loss_adversarial(g, "fake", fake.logits, false, SM_DISTANCE_BCE, 0.5f);
	return g;
}

static struct sm_net *plan(struct sm_graph *g, struct sm_net *const *lender, int lenders)
{
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_net_opt opt = {.train = true,
				 .threads = 2,
				 .seed = 3,
				 .optim = &adam,
				 .lender = lender,
				 .lenders = lenders};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(g, &opt, &net, &err) != SM_OK)
		fail_msg("%s", err.text);
	return net;
}

static void fill(struct sm_net *net, const char *name, float phase)
{
	struct sm_shape s;
	float *x = sm_net_buffer(net, name, &s);
	assert_non_null(x);
	for (size_t i = 0; i < sm_shape_count(s); i++)
		x[i] = sinf(0.37f * (float)i + phase);
}

/* Both players: [0] the discriminator, which lends, [1] the generator. */
struct game {
	struct sm_net *net[2];
};

static void open_game(struct game *m, bool together)
{
	struct sm_err err = {0};
	m->net[0] = plan(judge_graph(), NULL, 0);
	m->net[1] = plan(generator_graph(true), m->net, 1);
	enum sm_status st = SM_OK;
	if (together) {
		st = sm_net_alloc_together(m->net, 2, NULL, &err);
	} else {
		st = sm_net_alloc(m->net[0], NULL, &err);
		st = st == SM_OK ? sm_net_alloc(m->net[1], NULL, &err) : st;
	}
	if (st != SM_OK)
		fail_msg("%s", err.text);
	for (int i = 0; i < 2; i++)
		sm_net_init(m->net[i], 7);
}

static void close_game(struct game *m)
{
	sm_net_free(m->net[1]);
	sm_net_free(m->net[0]);
}

static double play(struct game *m, uint64_t step)
{
	double a, b;
	float fake[SIDE * SIDE];
	fill(m->net[1], "a", 0);
	fill(m->net[1], "b", 1);
	assert_int_equal(sm_net_step(m->net[1], step, &a, NULL), SM_OK);
	memcpy(fake, sm_net_buffer(m->net[1], "fake", NULL), sizeof fake);
	fill(m->net[0], "a", 0);
	fill(m->net[0], "b", 1);
	memcpy(sm_net_buffer(m->net[0], "fake", NULL), fake, sizeof fake);
	assert_int_equal(sm_net_step(m->net[0], step, &b, NULL), SM_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sm_net_update(m->net[i], 1e-3, NULL, NULL), SM_OK);
	return a + b;
}

static void test_frozen_parameters_get_no_gradient_but_let_it_through(void **state)
{
	(void)state;
	struct game m;
	struct sm_err err = {0};
	double a, b;
	open_game(&m, false);
	/* The same graph with everything trained, with the same weights. */
	struct sm_net *all = plan(generator_graph(false), NULL, 0);
	assert_int_equal(sm_net_alloc(all, NULL, &err), SM_OK);
	sm_net_init(all, 7);
	struct sm_net *nets[] = {m.net[1], all};
	for (int i = 0; i < 2; i++) {
		fill(nets[i], "a", 0);
		fill(nets[i], "b", 1);
	}
	assert_int_equal(sm_net_step(m.net[1], 0, &a, &err), SM_OK);
	assert_int_equal(sm_net_step(all, 0, &b, &err), SM_OK);
	assert_true(a == b);
	size_t own = sm_net_weight_count(m.net[1]), n;
	assert_true(own < sm_net_weight_count(all));
	assert_int_equal(own + sm_net_weight_count(m.net[0]), sm_net_weight_count(all));
	assert_memory_equal(sm_net_gradients(m.net[1]), sm_net_gradients(all), own * sizeof(float));
	const struct sm_param *p = sm_net_params(m.net[1], &n);
	for (size_t i = 0; i < n; i++)
		assert_true(strncmp(p[i].name, "g.", 2) == 0);
	assert_true(fabs(sm_net_loss_value(all, "l1") * 100 +
			 sm_net_loss_value(all, "adversarial") - b) < 1e-12 * b);
	assert_true(isnan(sm_net_loss_value(all, "nothing")));
	sm_net_free(all);
	close_game(&m);
}

static void test_the_lenders_update_is_seen(void **state)
{
	(void)state;
	struct game m;
	double before, same, after;
	open_game(&m, false);
	fill(m.net[1], "a", 0);
	fill(m.net[1], "b", 1);
	sm_net_step(m.net[1], 0, &before, NULL);
	sm_net_step(m.net[1], 0, &same, NULL);
	assert_true(before == same);
	sm_net_weights(m.net[0])[0] += 0.5f;
	sm_net_step(m.net[1], 0, &after, NULL);
	assert_true(before != after);
	close_game(&m);
}

static void test_one_arena_gives_the_same_bits(void **state)
{
	(void)state;
	struct game a, b;
	open_game(&a, false);
	open_game(&b, true);
	for (uint64_t step = 0; step < 3; step++)
		assert_true(play(&a, step) == play(&b, step));
	for (int i = 0; i < 2; i++)
		assert_memory_equal(sm_net_weights(a.net[i]), sm_net_weights(b.net[i]),
				    sm_net_weight_count(a.net[i]) * sizeof(float));
	struct sm_forecast f[2] = {sm_net_forecast(b.net[0]), sm_net_forecast(b.net[1])},
			   g[2] = {sm_net_forecast(a.net[0]), sm_net_forecast(a.net[1])};
	assert_true(f[0].total + f[1].total < g[0].total + g[1].total);
	close_game(&a);
	close_game(&b);
}

static void test_a_lender_of_another_shape_is_refused(void **state)
{
	(void)state;
	struct sm_graph *g = sm_graph_create();
	struct sm_net *lender[1] = {plan(judge_graph(), NULL, 0)}, *net = NULL;
	struct sm_err err = {0};
	struct sm_net_opt opt = {.train = true, .threads = 1, .lender = lender, .lenders = 1};
	sm_graph_freeze(g, "d");
	int x = sm_g_input(g, "x", (struct sm_shape){1, 1, 8, 8, 3});
	x = sm_g_conv(g, x, "d.layer1.conv", (struct sm_conv){.out = 5, .k = {1, 4, 4}});
	sm_g_loss_adversarial(g, "l", x, true, SM_DISTANCE_L2, 1);
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_USAGE);
	assert_non_null(strstr(err.text, "d.layer1.conv.weight"));
	sm_net_free(lender[0]);
}

/* There and back again: each generator is used twice. */
static struct sm_graph *cycle_graph(void)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_image_opt o = sm_image_default();
	o.levels = 5;
	o.width = 0.25;
	o.dropout = 0;
	const struct sm_shape s = {1, 1, SIDE, SIDE, 1};
	int a = sm_g_input(g, "a", s), b = sm_g_input(g, "b", s);
	int fake_b = sm_generator_build(g, "pix2pix", "g", a, &o);
	int fake_a = sm_generator_build(g, "pix2pix", "f", b, &o);
	sm_g_loss_distance(g, "a", sm_generator_build(g, "pix2pix", "f", fake_b, &o), a,
			   SM_DISTANCE_L2, 10);
	sm_g_loss_distance(g, "b", sm_generator_build(g, "pix2pix", "g", fake_a, &o), b,
			   SM_DISTANCE_L2, 10);
	sm_g_loss_distance(g, "c", fake_b, b, SM_DISTANCE_L1, 1);
	return g;
}

static struct sm_net *trainer(bool fused)
{
	struct sm_optim adam = sm_optim_default("adam");
	struct sm_net_opt opt = {
		.train = true, .threads = 2, .seed = 3, .optim = &adam, .fused = fused};
	struct sm_net *net = NULL;
	struct sm_err err = {0};
	if (sm_net_plan(cycle_graph(), &opt, &net, &err) != SM_OK ||
	    sm_net_alloc(net, NULL, &err) != SM_OK)
		fail_msg("%s", err.text);
	sm_net_init(net, 11);
	return net;
}

static void test_updates_inside_of_backward(void **state)
{
	(void)state;
	struct sm_net *nets[2] = {trainer(false), trainer(true)};
	double loss[2], first = 0;
	int late = 0;
	for (int i = 0; i < nets[1]->g->params; i++)
		late += nets[1]->g->param[i].late;
	assert_true(late > 0 && late < nets[1]->g->params);
	for (uint64_t step = 0; step < 4; step++) {
		for (int k = 0; k < 2; k++) {
			fill(nets[k], "a", 0);
			fill(nets[k], "b", 1);
			assert_int_equal(sm_net_train(nets[k], step, 1e-3, &loss[k], NULL), SM_OK);
		}
		first = step ? first : loss[0];
		assert_true(fabs(loss[0] - loss[1]) <= 1e-4 * loss[0]);
	}
	assert_true(loss[1] < first);
	assert_null(sm_net_gradients(nets[1]));
	assert_int_equal(sm_net_update(nets[1], 1e-3, NULL, NULL), SM_INTERNAL);
	struct sm_forecast f = sm_net_forecast(nets[0]), g = sm_net_forecast(nets[1]);
	assert_true(g.total < f.total && g.grads == 0);
	for (int k = 0; k < 2; k++)
		sm_net_free(nets[k]);
}

/* A loss that is not finite leaves a fused net as it was. */
static void test_a_fused_net_keeps_its_weights_when_the_loss_is_not_finite(void **state)
{
	(void)state;
	struct sm_net *net = trainer(true);
	size_t n = sm_net_weight_count(net);
	float *before = malloc(n * sizeof *before);
	double loss;
	memcpy(before, sm_net_weights(net), n * sizeof *before);
	fill(net, "a", 0);
	fill(net, "b", 1);
	sm_net_buffer(net, "a", NULL)[7] = INFINITY;
	assert_int_equal(sm_net_train(net, 0, 1e-3, &loss, NULL), SM_OK);
	assert_false(isfinite(loss));
	assert_memory_equal(before, sm_net_weights(net), n * sizeof *before);
	free(before);
	sm_net_free(net);
}

/* tf: TensorFlow's tutorial of pix2pix; zhu: PyTorch's CycleGAN, whose instance norm has no scale
 * and shift (2 x 5248 less). */
static void test_parameter_counts(void **state)
{
	(void)state;
	const struct {
		const char *name;
		int in, out;
		size_t count;
	} want[] = {
		{"pix2pix", 3, 3, 54414979}, /* tf */
		{"patch70", 6, 0, 2768641},  /* tf */
		{"patch94", 6, 0, 6144 + 131072 + 524288 + 2097152 + 2 * (128 + 256 + 512) + 8193},
		{"casnet", 1, 1, 3 * 54403969}, /* first layers normed, the decoder not */
		{"resnet", 3, 3, 11378179 + 2 * 5248}, /* zhu */
		{"judge3", 1, 0, 640 + 128 + 73856 + 256 + 513},
	};
	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		struct sm_graph *g = sm_graph_create();
		struct sm_image_opt o = sm_image_default();
		struct sm_judge judge;
		o.in_channels = want[i].in;
		o.channels = want[i].out;
		int x = sm_g_input(g, "x", (struct sm_shape){1, 1, 256, 256, want[i].in});
		if (want[i].out)
			sm_generator_build(g, want[i].name, "n", x, &o);
		else
			sm_judge_build(g, want[i].name, "n", x, &o, &judge);
		struct sm_err err = {0};
		if (sm_graph_status(g, &err) != SM_OK)
			fail_msg("%s", err.text);
		if (g->param_count != want[i].count)
			fail_msg("%s has %zu parameters, not %zu", want[i].name, g->param_count,
				 want[i].count);
		sm_graph_free(g);
	}
}

/* Along a row, the input pixels that pixel `at` of the output (-1: its middle) looks at: all weights
 * positive, nothing normed, an image of zeros but for ones from one side up to a column. */
static int field_of(const char *name, bool judges, int side, int at)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_image_opt o = sm_image_default();
	struct sm_net *net = NULL;
	struct sm_judge judge;
	struct sm_err err = {0};
	int from[2], y, x = sm_g_input(g, "x", (struct sm_shape){1, 1, side, side, 1});
	o.width = 1.0 / 64;
	o.norm = "none";
	if (judges)
		sm_judge_build(g, name, "n", x, &o, &judge);
	y = judges ? judge.logits : sm_generator_build(g, name, "n", x, &o);
	const struct sm_shape s = sm_graph_shape(g, y);
	y = sm_g_output(g, y, "y");
	at = s.h / 2 * s.w + (at < 0 ? s.w / 2 : at);
	const struct sm_net_opt opt = {.threads = 2, .seed = 1};
	assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
	assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
	sm_net_init(net, 5);
	size_t n;
	const struct sm_param *p = sm_net_params(net, &n);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p[i].count; k++)
			sm_net_weights(net)[p[i].offset + k] = p[i].rank > 1 ? 0.25f : 0;
	sm_net_touch(net);
	for (int right = 0; right < 2; right++) {
		int lo = 0, hi = side; /* so many columns of ones: seen with hi, not with lo */
		while (hi - lo > 1) {
			int mid = (lo + hi) / 2;
			float *v = sm_net_buffer(net, "x", NULL);
			for (int i = 0; i < side * side; i++)
				v[i] = (right ? side - 1 - i % side : i % side) < mid ? 1 : 0;
			assert_int_equal(sm_net_forward(net, &err), SM_OK);
			*(sm_net_buffer(net, "y", NULL)[at] > 0 ? &hi : &lo) = mid;
		}
		from[right] = hi - 1;
	}
	sm_net_free(net);
	return side - from[0] - from[1];
}

/* What docs/networks.md and the names say. */
static void test_receptive_fields(void **state)
{
	(void)state;
	assert_int_equal(field_of("patch94", true, 256, -1), 94);
	assert_int_equal(field_of("patch70", true, 256, -1), 70);
	assert_int_equal(field_of("judge3", true, 64, -1), 11);
	assert_int_equal(field_of("resnet", false, 256, 128), 165);
	assert_int_equal(field_of("resnet", false, 256, 130), 169);
	assert_int_equal(field_of("pix2pix", false, 256, 100), 256);
}

static void test_live_norm_and_dropout(void **state)
{
	(void)state;
	struct sm_image_opt o = small();
	float first[SIDE * SIDE], *y;
	for (int mode = 0; mode < 2; mode++) {
		struct sm_graph *g = sm_graph_create();
		struct sm_net *net = NULL;
		struct sm_err err = {0};
		struct sm_net_opt opt = {
			.threads = 2, .seed = 1, .live_norm = true, .live_dropout = mode == 1};
		int x = sm_g_input(g, "x", (struct sm_shape){1, 1, SIDE, SIDE, 1});
		sm_g_output(g, sm_generator_build(g, "pix2pix", "g", x, &o), "y");
		assert_int_equal(sm_net_plan(g, &opt, &net, &err), SM_OK);
		assert_int_equal(sm_net_alloc(net, NULL, &err), SM_OK);
		sm_net_init(net, 5);
		fill(net, "x", 0);
		y = sm_net_buffer(net, "y", NULL);
		assert_int_equal(sm_net_forward(net, &err), SM_OK);
		memcpy(first, y, sizeof first);
		for (int i = 0; i < SIDE * SIDE; i++)
			assert_true(isfinite(y[i]) && fabsf(y[i]) <= 1);
		assert_int_equal(sm_net_forward(net, &err), SM_OK);
		/* Drop-out draws anew in each run; norms alone do not change. */
		assert_true((memcmp(first, y, sizeof first) == 0) == (mode == 0));
		/* The running statistics stay as they were. */
		size_t n;
		const struct sm_param *s = sm_net_states(net, &n);
		assert_true(n > 0);
		for (size_t i = 0; i < n; i++)
			for (size_t k = 0; k < s[i].count; k++)
				assert_true(sm_net_state_values(net)[s[i].offset + k] ==
					    (strstr(s[i].name, "var") ? 1.0f : 0.0f));
		sm_net_free(net);
	}
}

static void test_bad_options_are_refused(void **state)
{
	(void)state;
	struct sm_image_opt o = sm_image_default();
	struct sm_err err = {0};
	assert_int_equal(sm_image_check("pix2pix", &o, 256, 256, &err), SM_OK);
	assert_int_equal(sm_image_check("pix2pix", &o, 512, 256, &err), SM_OK);
	assert_int_equal(sm_image_check("pix2pix", &o, 300, 256, &err), SM_USAGE);
	assert_non_null(strstr(err.text, "the nearest are 256 and 512"));
	assert_int_equal(sm_image_check("pix2pix", &o, 64, 64, &err), SM_USAGE);
	assert_non_null(strstr(err.text, "the nearest is 256"));
	assert_int_equal(sm_image_check("pix3pix", &o, 256, 256, &err), SM_USAGE);
	assert_non_null(strstr(err.text, "known are pix2pix, casnet"));
	o.blocks = 4;
	assert_int_equal(sm_image_check("pix2pix", &o, 256, 256, &err), SM_USAGE);
	assert_int_equal(sm_image_check("resnet", &o, 256, 256, &err), SM_OK);
	o.norm = "depth";
	assert_int_equal(sm_image_check("resnet", &o, 256, 256, &err), SM_USAGE);
	o.norm = NULL;
	o.dropout = 0.5;
	assert_int_equal(sm_image_check("resnet", &o, 256, 256, &err), SM_USAGE);
	o.dropout = -1;
	o.width = -1;
	assert_int_equal(sm_image_check("resnet", &o, 256, 256, &err), SM_USAGE);
}

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frozen_parameters_get_no_gradient_but_let_it_through),
		cmocka_unit_test(test_the_lenders_update_is_seen),
		cmocka_unit_test(test_one_arena_gives_the_same_bits),
		cmocka_unit_test(test_a_lender_of_another_shape_is_refused),
		cmocka_unit_test(test_updates_inside_of_backward),
		cmocka_unit_test(test_a_fused_net_keeps_its_weights_when_the_loss_is_not_finite),
		cmocka_unit_test(test_parameter_counts),
		cmocka_unit_test(test_receptive_fields),
		cmocka_unit_test(test_live_norm_and_dropout),
		cmocka_unit_test(test_bad_options_are_refused),
	};
	return run_tap(tests);
}
