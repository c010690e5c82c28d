/* SPDX-License-Identifier: Apache-2.0 */
/* Whole rounds of each system of image translation against PyTorch's numbers: losses of three
 * rounds with Adam, gradients of the first; parameters of the networks at full width
 * (scripts/golden_translate.py). */
#include "tests/unit/tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/folder.h"
#include "tests/unit/vgg_file.h"
#include "train/translate/game.h"

#define GOLDEN "tests/golden/translate_games.txt"
#define ROUNDS 3
#define WIDTH 0.125
/* Losses of the first round and gradients; later losses, after Adam, against their size in the
 * first round. */
#define CLOSE 1e-4
#define LATER 1e-3

static struct sm_err err;

/* A "game" line. */
struct system {
	char name[32], generator[16], generator_norm[16], judge[16], judge_norm[16], by[8];
	struct sm_game_opt opt;
	uint32_t offset;
};

static bool read_system(const char *line, struct system *s)
{
	*s = (struct system){0};
	struct sm_game_opt *o = &s->opt;
	struct sm_game_weights *w = &o->weight;
	struct sm_image_opt *g = &o->generator_opt, *j = &o->judge_opt;
	int cycle, resize;
	*g = *j = sm_image_default();
	if (sscanf(line,
		   "game %31s %d %d %15s %15s %d %d %d %lf %d %15s %15s %7s %d %d %lf %lf %lf %lf "
		   "%lf %lf %lf "
		   "%lf %u",
		   s->name, &o->height, &cycle, s->generator, s->generator_norm, &g->levels,
		   &g->chain, &g->blocks, &g->slope, &resize, s->judge, s->judge_norm, s->by,
		   &o->channels[0], &o->channels[1], &w->adversarial, &w->l1, &w->cycle,
		   &w->identity, &w->perceptual, &w->content, &w->style, &w->judge,
		   &s->offset) != 24)
		return false;
	o->cycle = cycle == 1;
	g->resize = resize == 1;
	g->norm = s->generator_norm;
	j->norm = s->judge_norm;
	g->width = j->width = WIDTH;
	g->dropout = strcmp(s->generator, "pix2pix") == 0 ? 0 : -1;
	o->generator = s->generator;
	o->judge = s->judge;
	o->adversarial = strcmp(s->by, "l2") == 0 ? SM_DISTANCE_L2 : SM_DISTANCE_BCE;
	o->batch = 1;
	o->width = o->height;
	o->optim = sm_optim_default("adam");
	o->optim.beta1 = 0.5;
	o->optim.eps = 1e-4;
	o->threads = 2;
	o->keep_gradients = true;
	return true;
}

static void open_game(const struct system *s, struct sm_game *game)
{
	assert_good(sm_game_plan(&s->opt, game, &err), err);
	assert_good(sm_game_alloc(game, NULL, &err), err);
	fill_weights(game->judges, s->offset);
	fill_weights(game->generators, s->offset);
}

static void play(const struct system *s, struct sm_game *game, uint64_t round, double *losses)
{
	for (uint32_t side = 0; side < 2; side++)
		fill_image(sm_game_image(game, side ? SM_GAME_B : SM_GAME_A),
			   (size_t)s->opt.height * s->opt.width * s->opt.channels[side],
			   10000000 * (side + 1) + s->offset);
	assert_good(sm_game_round(game, round, 2e-4, true, losses, &err), err);
}

static bool is_near(double got, double want, double within)
{
	return fabs(got - want) <= within * fabs(want);
}

static void check_loss(const struct sm_game *game, const struct system *s, const char *line,
		       double losses[ROUNDS][SM_GAME_LOSSES])
{
	char name[32];
	double want[ROUNDS];
	assert_int_equal(
		sscanf(line, "loss %*s %31s %lf %lf %lf", name, &want[0], &want[1], &want[2]), 4);
	for (int i = 0; i < game->losses; i++) {
		if (strcmp(game->loss_name[i], name) != 0)
			continue;
		for (int r = 0; r < ROUNDS; r++)
			if (!(fabs(losses[r][i] - want[r]) <= (r ? LATER : CLOSE) * fabs(want[0])))
				fail_msg("%s: loss %s of round %d is %.9g, PyTorch %.9g", s->name,
					 name, r + 1, losses[r][i], want[r]);
		return;
	}
	fail_msg("%s: has no loss %s", s->name, name);
}

/* Gradients of the first round, kept: player, name, values. */
struct kept {
	struct sm_net *net;
	float *gradients;
};

static double norm_of(const float *v, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)v[i] * (double)v[i];
	return sqrt(sum);
}

static void check_gradient(const struct kept *kept, const struct system *s, const char *line)
{
	char name[96];
	size_t want_n, count;
	double norm, v[5];
	assert_int_equal(sscanf(line, "grad %*s %95s %zu %lf %lf %lf %lf %lf %lf", name, &want_n,
				&norm, &v[0], &v[1], &v[2], &v[3], &v[4]),
			 8);
	const struct kept *k = &kept[strchr("gf", name[0]) ? 1 : 0];
	const struct sm_param *p = sm_net_params(k->net, &count);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(p[i].name, name) != 0)
			continue;
		const float *got = k->gradients + p[i].offset;
		assert_int_equal(p[i].count, want_n);
		if (!is_near(norm_of(got, want_n), norm, CLOSE))
			fail_msg("%s: norm of the gradient of %s is %.9g, PyTorch %.9g", s->name,
				 name, norm_of(got, want_n), norm);
		for (size_t q = 0; q < 5; q++) {
			double off = fabs((double)got[q * want_n / 5] - v[q]);
			if (!(off <= CLOSE * (norm / sqrt((double)want_n) + fabs(v[q]))))
				fail_msg("%s: gradient %zu of %s is %.9g, PyTorch %.9g", s->name,
					 q * want_n / 5, name, (double)got[q * want_n / 5], v[q]);
		}
		return;
	}
	fail_msg("%s: has no parameter %s", s->name, name);
}

static void check_player(const struct kept *kept, const struct system *s, const char *line)
{
	char player;
	double want, sum = 0;
	size_t count;
	assert_int_equal(sscanf(line, "all %*s %c %lf", &player, &want), 2);
	const struct kept *k = &kept[strchr("gf", player) ? 1 : 0];
	const struct sm_param *p = sm_net_params(k->net, &count);
	for (size_t i = 0; i < count; i++)
		if (p[i].name[0] == player)
			sum += pow(norm_of(k->gradients + p[i].offset, p[i].count), 2);
	if (!is_near(sqrt(sum), want, CLOSE))
		fail_msg("%s: norm of all gradients of %c is %.9g, PyTorch %.9g", s->name, player,
			 sqrt(sum), want);
}

static float *copy_of(struct sm_net *net)
{
	size_t n = sm_net_weight_count(net);
	float *copy = malloc(n * sizeof *copy);
	assert_non_null(copy);
	memcpy(copy, sm_net_gradients(net), n * sizeof *copy);
	return copy;
}

/* The lines of a system behind its "game" line; returns how many there are. */
static int compare(FILE *f, const struct system *s)
{
	struct sm_game game;
	double losses[ROUNDS][SM_GAME_LOSSES];
	struct kept kept[2];
	char line[512];
	int lines = 0;
	long at;
	open_game(s, &game);
	for (int r = 0; r < ROUNDS; r++) {
		play(s, &game, (uint64_t)r, losses[r]);
		if (r)
			continue;
		kept[0] = (struct kept){game.judges, copy_of(game.judges)};
		kept[1] = (struct kept){game.generators, copy_of(game.generators)};
	}
	while ((at = ftell(f)) >= 0 && fgets(line, sizeof line, f)) {
		if (strncmp(line, "loss ", 5) == 0)
			check_loss(&game, s, line, losses);
		else if (strncmp(line, "grad ", 5) == 0)
			check_gradient(kept, s, line);
		else if (strncmp(line, "all ", 4) == 0)
			check_player(kept, s, line);
		else
			break;
		lines++;
	}
	assert_int_equal(fseek(f, at, SEEK_SET), 0);
	/* Each loss has a line. */
	assert_true(lines > game.losses);
	free(kept[0].gradients);
	free(kept[1].gradients);
	sm_game_close(&game);
	return lines;
}

static void test_rounds_equal_pytorch(void **state)
{
	(void)state;
	struct system s;
	char line[512];
	int systems = 0;
	vgg_write(at("vgg19.h5"), true, -1, -1);
	FILE *f = fopen(GOLDEN, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (!read_system(line, &s))
			continue;
		if (s.opt.weight.content > 0)
			s.opt.vgg = at("vgg19.h5");
		assert_true(compare(f, &s) > 15);
		systems++;
	}
	fclose(f);
	assert_int_equal(systems, 8);
}

#define PLAYED 40

/* Losses on real and generated pairs of rounds at rate 0, each with other images. */
static void play_at_rest(struct system *s, int pool, double real[PLAYED], double fake[PLAYED])
{
	struct sm_game game;
	double losses[SM_GAME_LOSSES];
	s->opt.pool = pool;
	open_game(s, &game);
	for (uint32_t r = 0; r < PLAYED; r++) {
		for (uint32_t side = 0; side < 2; side++)
			fill_image(sm_game_image(&game, side ? SM_GAME_B : SM_GAME_A),
				   (size_t)s->opt.batch * s->opt.height * s->opt.width,
				   100000 * (2 * r + side) + 5);
		assert_good(sm_game_round(&game, r, 0, true, losses, &err), err);
		for (int i = 0; i < game.losses; i++)
			if (strcmp(game.loss_name[i], "real") == 0)
				real[r] = losses[i];
			else if (strcmp(game.loss_name[i], "fake") == 0)
				fake[r] = losses[i];
	}
	sm_game_close(&game);
}

/* The discriminator of pix2pix sees an image of the pool beside the input it was made of: nothing
 * learns here, so its loss on that pair is the one of the round in which both came. */
static void test_a_pool_of_pairs_keeps_them_together(void **state)
{
	(void)state;
	struct system s;
	double real[2][PLAYED], fake[2][PLAYED];
	int earlier = 0;
	assert_true(read_system("game pairs 32 0 pix2pix none 3 0 0 -1 0 judge3 none bce 1 1 1 100 "
				"0 0 0 0 0 1 3",
				&s));
	play_at_rest(&s, 0, real[0], fake[0]);
	play_at_rest(&s, 4, real[1], fake[1]);
	for (int r = 0; r < PLAYED; r++) {
		int from = -1;
		for (int q = 0; q <= r; q++)
			if (is_near(fake[1][r], fake[0][q], 1e-9))
				from = q;
		if (from < 0)
			fail_msg("round %d: the loss %.9g is of no pair that there was", r,
				 fake[1][r]);
		assert_true(is_near(real[1][r], real[0][r], 1e-9));
		earlier += from < r;
	}
	assert_in_range(earlier, 8, 30);
}

/* A file of VGG-19 that no loss asks for is no oversight to pass over; without one that is asked
 * for the sentence says where to get it. */
static void test_vgg_goes_with_its_losses(void **state)
{
	(void)state;
	struct system s;
	struct sm_game game;
	assert_true(read_system("game pairs 32 0 pix2pix none 3 0 0 -1 0 judge3 none bce 1 1 1 100 "
				"0 0 0 0 0 1 3",
				&s));
	s.opt.vgg = "vgg19.h5";
	assert_refused(sm_game_plan(&s.opt, &game, &err), SM_USAGE, err,
		       "--vgg: was given, but no loss takes it");
	s.opt.vgg = NULL;
	s.opt.weight.style = 1;
	assert_refused(sm_game_plan(&s.opt, &game, &err), SM_USAGE, err,
		       "storage.googleapis.com/tensorflow/keras-applications/vgg19");
}

static size_t parameters(const char *name, int in, int out, int chain)
{
	struct sm_graph *g = sm_graph_create();
	struct sm_image_opt o = sm_image_default();
	struct sm_net_opt opt = {.threads = 1};
	struct sm_net *net = NULL;
	struct sm_judge judge;
	o.in_channels = in;
	o.channels = out;
	o.chain = chain;
	int x = sm_g_input(g, "x", (struct sm_shape){1, 1, 256, 256, in});
	if (out)
		x = sm_generator_build(g, name, "n", x, &o);
	else
		sm_judge_build(g, name, "n", x, &o, &judge);
	sm_g_output(g, out ? x : judge.logits, "y");
	assert_good(sm_net_plan(g, &opt, &net, &err), err);
	size_t count = sm_net_weight_count(net);
	sm_net_free(net);
	return count;
}

static void test_parameters_equal_pytorch(void **state)
{
	(void)state;
	char line[512], name[32];
	int in, out, chain, lines = 0;
	size_t want;
	FILE *f = fopen(GOLDEN, "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "count %31s %d %d %d %zu", name, &in, &out, &chain, &want) != 5)
			continue;
		assert_int_equal(parameters(name, in, out, chain), want);
		lines++;
	}
	fclose(f);
	assert_int_equal(lines, 9);
}

/* A round leaves the same bits whatever the threads, and without discriminators theirs stay. */
static void test_threads_and_rounds_without_judges(void **state)
{
	(void)state;
	struct system s;
	struct sm_game game[2];
	double losses[SM_GAME_LOSSES], again[SM_GAME_LOSSES];
	char line[512];
	FILE *f = fopen(GOLDEN, "r");
	assert_non_null(f);
	do
		assert_non_null(fgets(line, sizeof line, f));
	while (!read_system(line, &s) || strcmp(s.name, "ct2ct") != 0);
	fclose(f);
	for (int i = 0; i < 2; i++) {
		s.opt.threads = i + 1;
		s.opt.keep_gradients = i == 0; /* else weights are updated inside of backward */
		open_game(&s, &game[i]);
	}
	size_t n = sm_net_weight_count(game[0].judges);
	float *before = malloc(n * sizeof *before);
	assert_non_null(before);
	for (uint64_t r = 0; r < 2; r++) {
		play(&s, &game[0], r, losses);
		play(&s, &game[1], r, again);
		assert_memory_equal(losses, again, (size_t)game[0].losses * sizeof *losses);
	}
	memcpy(before, sm_net_weights(game[0].judges), n * sizeof *before);
	assert_good(sm_game_round(&game[0], 2, 2e-4, false, losses, &err), err);
	assert_memory_equal(before, sm_net_weights(game[0].judges), n * sizeof *before);
	for (int i = 0; i < game[0].losses; i++)
		assert_true(isnan(losses[i]) == (i == 1 || i >= game[0].generator_losses));
	free(before);
	for (int i = 0; i < 2; i++)
		sm_game_close(&game[i]);
}

/* An input that is not finite stops the round before any weight has changed. */
static void test_what_is_not_finite_is_named(void **state)
{
	(void)state;
	struct system s;
	struct sm_game game;
	double losses[SM_GAME_LOSSES];
	char line[512];
	FILE *f = fopen(GOLDEN, "r");
	assert_non_null(f);
	do
		assert_non_null(fgets(line, sizeof line, f));
	while (!read_system(line, &s));
	fclose(f);
	open_game(&s, &game);
	size_t n = sm_net_weight_count(game.generators);
	float *before = malloc(n * sizeof *before);
	assert_non_null(before);
	memcpy(before, sm_net_weights(game.generators), n * sizeof *before);
	for (uint32_t side = 0; side < 2; side++)
		fill_image(sm_game_image(&game, side ? SM_GAME_B : SM_GAME_A),
			   (size_t)s.opt.channels[side] * s.opt.height * s.opt.width, side);
	sm_game_image(&game, SM_GAME_A)[1000] = NAN;
	assert_refused(sm_game_round(&game, 4, 2e-4, true, losses, &err), SM_INPUT, err,
		       "step 5: ");
	assert_non_null(strstr(err.text, "of the generators is not finite"));
	assert_memory_equal(before, sm_net_weights(game.generators), n * sizeof *before);
	free(before);
	sm_game_close(&game);
}

/* Networks, pools and the images on their way are held against the budget together, before the
 * first of them is allocated; a round takes no more. */
static void test_budget_counts_the_pools(void **state)
{
	(void)state;
	struct sm_game_opt o = {.generator = "pix2pix",
				.judge = "patch70",
				.generator_opt = sm_image_default(),
				.judge_opt = sm_image_default(),
				.adversarial = SM_DISTANCE_BCE,
				.weight = {.adversarial = 1, .l1 = 100, .judge = 1},
				.pool = 1000,
				.batch = 2,
				.height = 32,
				.width = 32,
				.channels = {1, 3},
				.optim = sm_optim_default("adam"),
				.threads = 1};
	struct sm_game game;
	struct sm_mem mem;
	double losses[SM_GAME_LOSSES];
	o.generator_opt.levels = 3;
	o.generator_opt.width = o.judge_opt.width = 0.0625;
	assert_good(sm_game_plan(&o, &game, &err), err);
	size_t need = sm_game_forecast(&game), pools = (size_t)1000 * 32 * 32 * 4 * sizeof(float);
	assert_true(need > pools && sm_game_images_bytes(&game) < pools + pools / 50);
	sm_mem_init(&mem, need - 1);
	assert_refused(sm_game_alloc(&game, &mem, &err), SM_BUDGET, err,
		       "a smaller batch, image, width or pool");
	assert_int_equal(mem.peak, 0);
	sm_mem_init(&mem, need);
	assert_good(sm_game_alloc(&game, &mem, &err), err);
	for (uint64_t r = 0; r < 2; r++)
		assert_good(sm_game_round(&game, r, 2e-4, true, losses, &err), err);
	assert_true(mem.peak <= need && mem.peak > pools);
	sm_game_close(&game);
	assert_int_equal(mem.used, 0);
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

int main(int argc, char **argv)
{
	(void)argc;
	sm_nn_prepare_process(argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds_equal_pytorch),
		cmocka_unit_test(test_a_pool_of_pairs_keeps_them_together),
		cmocka_unit_test(test_vgg_goes_with_its_losses),
		cmocka_unit_test(test_parameters_equal_pytorch),
		cmocka_unit_test(test_threads_and_rounds_without_judges),
		cmocka_unit_test(test_what_is_not_finite_is_named),
		cmocka_unit_test(test_budget_counts_the_pools),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name(__FILE__, tests, make_folder, remove_folder);
}
