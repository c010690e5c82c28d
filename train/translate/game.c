/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/game.h"

#include <math.h>
#include <string.h>

#include "train/translate/game_graph.h"
#include "train/translate/vgg.h"

/* Losses that a net can have, in the order of the columns. */
static const char *const generator_losses[] = {
	"adversarial", "l1", "perceptual", "content", "style", "adversarial_b", "adversarial_a",
	"cycle_a", "cycle_b", "identity_a", "identity_b"};
static const char *const judge_losses[] = {"real", "fake", "real_b", "fake_b", "real_a", "fake_a"};
/* Means of several loss nodes NAME1, NAME2 ... */
static const char *const numbered[] = {"perceptual", "style"};

/* A loss by the name of its column; NaN when the net has none. */
static double loss_of(const struct sm_net *net, const char *name)
{
	double sum = 0;
	int count = 0;
	for (size_t i = 0; i < sizeof numbered / sizeof *numbered; i++) {
		if (strcmp(numbered[i], name) != 0)
			continue;
		for (;; count++) {
			char full[32];
			snprintf(full, sizeof full, "%s%d", name, count + 1);
			double v = sm_net_loss_value(net, full);
			if (isnan(v) && !sm_net_has_loss(net, full))
				return count ? sum / count : NAN;
			sum += v;
		}
	}
	return sm_net_loss_value(net, name);
}

static bool has_loss(const struct sm_net *net, const char *name)
{
	char first[32];
	snprintf(first, sizeof first, "%s1", name);
	return sm_net_has_loss(net, name) || sm_net_has_loss(net, first);
}

static void name_losses(struct sm_game *game)
{
	game->losses = 0;
	game->loss_name[game->losses++] = "g";
	game->loss_name[game->losses++] = "d";
	for (size_t i = 0; i < sizeof generator_losses / sizeof *generator_losses; i++)
		if (has_loss(game->generators, generator_losses[i]))
			game->loss_name[game->losses++] = generator_losses[i];
	game->generator_losses = game->losses;
	for (size_t i = 0; i < sizeof judge_losses / sizeof *judge_losses; i++)
		if (has_loss(game->judges, judge_losses[i]))
			game->loss_name[game->losses++] = judge_losses[i];
}

static enum sm_status check(const struct sm_game_opt *o, struct sm_err *err)
{
	const struct sm_game_weights *w = &o->weight;
	bool vgg = w->content > 0 || w->style > 0;
	if (o->cycle && (vgg || w->perceptual > 0 || w->l1 > 0))
		return SM_FAIL(
			err, SM_USAGE,
			"translate: losses l1, perceptual, content and style compare an image with "
			"its own target, which cyclegan has not: allowed is 0");
	if (!o->cycle && (w->cycle > 0 || w->identity > 0))
		return SM_FAIL(err, SM_USAGE,
			       "translate: losses cycle and identity are cyclegan's: allowed is 0");
	if (o->cycle && w->identity > 0 && o->channels[0] != o->channels[1])
		return SM_FAIL(
			err, SM_USAGE,
			"translate: identity: images have %d and %d channels, it needs as many: "
			"allowed is 0",
			o->channels[0], o->channels[1]);
	if (vgg && !o->vgg)
		return SM_FAIL(err, SM_USAGE,
			       "--vgg: is missing, losses content and style need VGG-19's weights: "
			       "take " SM_VGG_WHERE);
	if (!vgg && o->vgg)
		return SM_FAIL(err, SM_USAGE,
			       "--vgg: was given, but no loss takes it: translate.content and "
			       "translate.style are 0");
	return vgg ? sm_vgg_check(o->vgg, err) : SM_OK;
}

enum sm_status sm_game_plan(const struct sm_game_opt *opt, struct sm_game *game, struct sm_err *err)
{
	*game = (struct sm_game){.opt = *opt};
	SM_TRY(check(opt, err));
	struct sm_net_opt net = {.train = true,
				 .threads = opt->threads,
				 .seed = opt->seed,
				 .optim = &opt->optim,
				 .fused = !opt->keep_gradients,
				 .bf16 = opt->bf16,
				 .profile = opt->profile};
	struct sm_graph *g = game_judges(opt);
	if (!g)
		return SM_FAIL(err, SM_BUDGET, "translate: out of memory");
	enum sm_status st = sm_net_plan(g, &net, &game->judges, err);
	if (st != SM_OK)
		return st;
	game->lender[0] = game->judges;
	net.lender = game->lender;
	net.lenders = 1;
	net.recompute = opt->recompute ? SM_RECOMPUTE_STAGES : SM_RECOMPUTE_NOTHING;
	net.live_norm = true; /* pictures on the way: norms as in training */
	g = game_generators(opt);
	st = g ? sm_net_plan(g, &net, &game->generators, err)
	       : SM_FAIL(err, SM_BUDGET, "translate: out of memory");
	if (st != SM_OK)
		sm_game_close(game);
	else
		name_losses(game);
	return st;
}

static size_t values(const struct sm_game *game, int side)
{
	const struct sm_game_opt *o = &game->opt;
	return (size_t)o->height * o->width * o->channels[side];
}

/* What one place of a pool keeps: an image; of pix2pix the input it was made of before it. */
static size_t kept(const struct sm_game *game, int pool)
{
	if (game->opt.cycle)
		return values(game, 1 - pool);
	return pool ? 0 : values(game, 0) + values(game, 1);
}

/* Whether the discriminators have that input. */
static bool has_input(const struct sm_game *game, int i)
{
	const struct sm_game_opt *o = &game->opt;
	return i < 3 || (i == SM_GAME_FAKE_A ? o->cycle : !o->cycle && o->pool);
}

/* Values of one such input, of all images of a step. */
static size_t input_values(const struct sm_game *game, int i)
{
	bool of_b = i == SM_GAME_B || i == SM_GAME_FAKE_B;
	return has_input(game, i) ? game->opt.batch * values(game, of_b) : 0;
}

size_t sm_game_images_bytes(const struct sm_game *game)
{
	size_t n = game->opt.pool * (kept(game, 0) + kept(game, 1)) + kept(game, 0);
	for (int i = 0; i < GAME_INPUTS; i++)
		n += input_values(game, i);
	return n * sizeof(float);
}

size_t sm_game_code(const struct sm_game *game)
{
	return sm_net_forecast(game->judges).code;
}

size_t sm_game_forecast(const struct sm_game *game)
{
	struct sm_forecast a = sm_net_forecast(game->judges), b = sm_net_forecast(game->generators);
	size_t arena = a.arena < b.arena ? a.arena : b.arena;
	/* Both forecasts count what a process has of its own. */
	return a.total + b.total - arena - a.code + sm_game_images_bytes(game);
}

enum sm_status sm_game_alloc(struct sm_game *game, struct sm_mem *mem, struct sm_err *err)
{
	const struct sm_game_opt *o = &game->opt;
	struct sm_net *nets[] = {game->judges, game->generators};
	size_t need = sm_game_forecast(game), used = mem ? atomic_load(&mem->used) : 0;
	if (mem && (used > mem->limit || need > mem->limit - used))
		return SM_FAIL(err, SM_BUDGET,
			       "translate: needs %zu MiB, %zu MiB are allowed; take a smaller "
			       "batch, image, width or pool",
			       sm_mib_up(need), mem->limit > used ? (mem->limit - used) >> 20 : 0);
	game->mem = mem;
	SM_TRY(sm_net_alloc_together(nets, 2, mem, err));
	SM_TRY(sm_pool_open(&game->pool[0], o->pool, kept(game, 0), mem, err));
	SM_TRY(sm_pool_open(&game->pool[1], o->cycle ? o->pool : 0, kept(game, 1), mem, err));
	sm_net_init(game->judges, o->seed);
	sm_net_init(game->generators, o->seed);
	if (o->weight.content > 0 || o->weight.style > 0)
		return sm_vgg_load(game->generators, GAME_VGG, o->vgg, mem, err);
	return SM_OK;
}

void sm_game_close(struct sm_game *game)
{
	sm_net_free(game->generators);
	sm_net_free(game->judges);
	sm_pool_close(&game->pool[0]);
	sm_pool_close(&game->pool[1]);
	*game = (struct sm_game){0};
}

float *sm_game_image(struct sm_game *game, enum sm_game_image which)
{
	static const char *const names[] = {"a", "b", "fake_b", "fake_a"};
	return sm_net_buffer(game->generators, names[which], NULL);
}

/* A net's step of this round; what is not finite is found and named. */
static enum sm_status learn(struct sm_net *net, const char *who, uint64_t round, double rate,
			    double *loss, struct sm_err *err)
{
	char what[SM_NET_WHAT];
	enum sm_status st = sm_net_train(net, round, rate, loss, err);
	if (st == SM_OK && isfinite(*loss))
		return SM_OK;
	if (st != SM_OK && st != SM_INPUT)
		return st;
	SM_TRY(sm_net_find_nonfinite(net, true, what, err));
	return SM_FAIL(err, SM_INPUT,
		       "translate: step %llu: %s of the %s is not finite; first not finite is %s",
		       (unsigned long long)round + 1, st == SM_OK ? "the loss" : "a gradient", who,
		       what[0] ? what : st == SM_OK ? "the loss" : "the gradient");
}

/* What the discriminators see in place of the newest images. pix2pix's judges an image beside the
 * input it was made of: the pool keeps and gives both, or it would learn to tell wrong pairs. */
static enum sm_status exchange(struct sm_game *game, float *const image[GAME_INPUTS],
			       uint64_t round, struct sm_err *err)
{
	const struct sm_game_opt *o = &game->opt;
	size_t a = values(game, 0), b = values(game, 1);
	for (int k = 0; o->cycle && k < o->batch; k++) {
		sm_pool_exchange(&game->pool[0], image[SM_GAME_FAKE_B] + k * b, o->seed, "fake_b",
				 round, (uint64_t)k);
		sm_pool_exchange(&game->pool[1], image[SM_GAME_FAKE_A] + k * a, o->seed, "fake_a",
				 round, (uint64_t)k);
	}
	if (o->cycle || !o->pool)
		return SM_OK;
	float *pair = sm_alloc(game->mem, a + b, sizeof *pair, "a pair of images", err);
	if (!pair)
		return err->code;
	for (int k = 0; k < o->batch; k++) {
		float *of = image[GAME_A_OF_FAKE] + k * a, *fake = image[SM_GAME_FAKE_B] + k * b;
		memcpy(pair, of, a * sizeof *pair);
		memcpy(pair + a, fake, b * sizeof *pair);
		sm_pool_exchange(&game->pool[0], pair, o->seed, "fake_b", round, (uint64_t)k);
		memcpy(of, pair, a * sizeof *pair);
		memcpy(fake, pair + a, b * sizeof *pair);
	}
	sm_free(pair);
	return SM_OK;
}

/* The discriminators' inputs: the memory of one net's activations is the other's too, so that
 * images are carried over in a place of their own. */
static enum sm_status hand_over(struct sm_game *game, uint64_t round, struct sm_err *err)
{
	static const char *const names[GAME_INPUTS] = {"a", "b", "fake_b", "fake_a",
						       GAME_A_OF_FAKE_NAME};
	size_t size[GAME_INPUTS] = {0}, total = 0;
	float *image[GAME_INPUTS] = {NULL}, *at;
	for (int i = 0; i < GAME_INPUTS; i++) {
		size[i] = input_values(game, i);
		total += size[i];
	}
	float *copy = at = sm_alloc(game->mem, total, sizeof *copy, "images", err);
	if (!copy)
		return err->code;
	for (int i = 0; i < GAME_INPUTS; at += size[i++]) {
		enum sm_game_image which = i == GAME_A_OF_FAKE ? SM_GAME_A : (enum sm_game_image)i;
		image[i] = at;
		if (size[i])
			memcpy(at, sm_game_image(game, which), size[i] * sizeof *at);
	}
	enum sm_status st = exchange(game, image, round, err);
	for (int i = 0; st == SM_OK && i < GAME_INPUTS; i++)
		if (size[i])
			memcpy(sm_net_buffer(game->judges, names[i], NULL), image[i],
			       size[i] * sizeof *at);
	sm_free(copy);
	return st;
}

enum sm_status sm_game_round(struct sm_game *game, uint64_t round, double rate, bool judge,
			     double *losses, struct sm_err *err)
{
	for (int i = 0; i < game->losses; i++)
		losses[i] = NAN;
	/* The discriminators' gradients do not depend on the generators' weights, only on their
	 * images. */
	SM_TRY(learn(game->generators, "generators", round, rate, &losses[0], err));
	for (int i = 2; i < game->generator_losses; i++)
		losses[i] = loss_of(game->generators, game->loss_name[i]);
	if (!judge)
		return SM_OK;
	SM_TRY(hand_over(game, round, err));
	SM_TRY(learn(game->judges, "discriminators", round, rate, &losses[1], err));
	for (int i = game->generator_losses; i < game->losses; i++)
		losses[i] = loss_of(game->judges, game->loss_name[i]);
	return SM_OK;
}
