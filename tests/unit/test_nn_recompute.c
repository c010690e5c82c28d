/* SPDX-License-Identifier: Apache-2.0 */
/* A training that makes a generator's pass again in backward has the bits of one that keeps it all:
 * losses, weights and running statistics after several rounds, of every generator, norm and way up,
 * on any number of threads; and needs less memory. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"
#include "train/nn/conv.h"
#include "train/translate/game.h"

#define ROUNDS 2
#define SIDE 16

struct player {
	const char *generator, *norm;
	int levels, chain, blocks;
	double dropout;
	bool resize, bf16, cycle;
};

static const struct player players[] = {
	{"casnet", "batch", 3, 3, 0, -1, false, false, true},
	{"casnet", "instance", 3, 2, 0, -1, true, false, true},
	{"casnet", "none", 3, 2, 0, -1, false, false, false},
	{"pix2pix", "batch", 3, 0, 0, 0.5, false, false, true},
	{"pix2pix", "batch", 3, 0, 0, 0.5, false, true, true},
	{"resnet", "instance", 0, 0, 2, -1, false, false, true},
	{"resnet", "batch", 0, 0, 2, -1, true, false, true},
};
#define PLAYERS (sizeof players / sizeof *players)

static struct sm_game_opt opt_of(const struct player *p, int side, int threads, bool fused,
				 bool recompute)
{
	struct sm_game_opt o = {
		.cycle = p->cycle,
		.generator = p->generator,
		.judge = "judge3",
		.generator_opt = sm_image_default(),
		.judge_opt = sm_image_default(),
		.adversarial = SM_DISTANCE_BCE,
		.weight = {.adversarial = 1, .judge = 0.5},
		.batch = 1,
		.height = side,
		.width = side,
		.channels = {1, 1},
		.optim = sm_optim_default("adam"),
		.bf16 = p->bf16,
		.recompute = recompute,
		.keep_gradients = !fused,
		.threads = threads,
		.seed = 4,
	};
	o.generator_opt.width = o.judge_opt.width = 0.125;
	o.generator_opt.norm = p->norm;
	o.generator_opt.levels = p->levels;
	o.generator_opt.chain = p->chain;
	o.generator_opt.blocks = p->blocks;
	o.generator_opt.dropout = p->dropout;
	o.generator_opt.resize = p->resize;
	if (p->cycle)
		o.weight.cycle = 10, o.weight.identity = 5;
	else
		o.weight.l1 = 100;
	return o;
}

/* All that a training leaves behind. */
struct outcome {
	double loss[ROUNDS][SM_GAME_LOSSES];
	float *value;
	size_t count;
};

static void append(struct outcome *o, const float *p, size_t n)
{
	o->value = realloc(o->value, (o->count + n + 1) * sizeof *o->value);
	assert_non_null(o->value);
	memcpy(o->value + o->count, p, n * sizeof *p);
	o->count += n;
}

static struct outcome train(const struct player *p, int threads, bool fused, bool recompute)
{
	struct sm_game_opt opt = opt_of(p, SIDE, threads, fused, recompute);
	struct outcome o = {0};
	struct sm_game game;
	struct sm_err err = {0};
	size_t n;
	assert_good(sm_game_plan(&opt, &game, &err), err);
	assert_good(sm_game_alloc(&game, NULL, &err), err);
	for (int round = 0; round < ROUNDS; round++) {
		for (int side = 0; side < 2; side++) {
			float *x = sm_game_image(&game, side ? SM_GAME_B : SM_GAME_A);
			for (int i = 0; i < SIDE * SIDE; i++)
				x[i] = (float)((i * 37 + round * 11 + side * 5) % 101) / 50 - 1;
		}
		assert_good(sm_game_round(&game, (uint64_t)round, 2e-3, true, o.loss[round], &err),
			    err);
	}
	append(&o, sm_net_weights(game.generators), sm_net_weight_count(game.generators));
	append(&o, sm_net_weights(game.judges), sm_net_weight_count(game.judges));
	const struct sm_param *state = sm_net_states(game.generators, &n);
	for (size_t i = 0; i < n; i++)
		append(&o, sm_net_state_values(game.generators) + state[i].offset, state[i].count);
	sm_game_close(&game);
	return o;
}

/* Bytes that the generators' activations need: two threads, a fused net. */
static size_t arena(const struct player *p, bool recompute)
{
	struct sm_game_opt opt = opt_of(p, 64, 2, true, recompute);
	struct sm_game game;
	struct sm_err err = {0};
	assert_good(sm_game_plan(&opt, &game, &err), err);
	size_t bytes = sm_net_forecast(game.generators).arena;
	sm_game_close(&game);
	return bytes;
}

static void same(const struct outcome *got, const struct outcome *want, const char *what)
{
	assert_int_equal(got->count, want->count);
	if (memcmp(got->loss, want->loss, sizeof got->loss) != 0)
		fail_msg("%s: other losses", what);
	if (memcmp(got->value, want->value, want->count * sizeof *want->value) != 0)
		fail_msg("%s: other weights or statistics", what);
}

static void check(const struct player *p)
{
	struct outcome want = train(p, 2, false, false);
	for (int k = 0; k < 3; k++) {
		struct outcome got = train(p, 2 - k % 2, k > 0, true);
		same(&got, &want, p->generator);
		free(got.value);
	}
	free(want.value);
}

static void test_recompute_changes_no_bit(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLAYERS; i++) {
		if (players[i].bf16 && !conv_lib_bf16())
			continue;
		check(&players[i]);
	}
}

/* A pix2pix of one U-net keeps all: backward begins in its stage. */
static void test_several_passes_need_less(void **state)
{
	(void)state;
	static const struct player one = {"pix2pix", "batch", 3, 0, 0, 0.5, false, false, false};
	check(&one);
	assert_int_equal(arena(&one, true), arena(&one, false));
	for (size_t i = 0; i < PLAYERS; i++) {
		const struct player *p = &players[i];
		if (p->bf16)
			continue;
		size_t again = arena(p, true), kept = arena(p, false);
		if (p->cycle ? 5 * again > 4 * kept : again > kept)
			fail_msg("%s, norm %s: %zu bytes, %zu when all is kept", p->generator,
				 p->norm, again, kept);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recompute_changes_no_bit),
		cmocka_unit_test(test_several_passes_need_less),
	};
	return run_tap(tests);
}
