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
		return SM_FAIL(err, SM_USAGE,
			       "translate: losses l1, perceptual, content and style compare an image with "
			       "its own target, which cyclegan has not: allowed is 0");
	if (!o->cycle && (w->cycle > 0 || w->identity > 0))
		return SM_FAIL(err, SM_USAGE,
			       "translate: losses cycle and identity are cyclegan's: allowed is 0");
	if (o->cycle && w->identity > 0 && o->channels[0] != o->channels[1])
		return SM_FAIL(err, SM_USAGE,
			       "translate: identity: images have %d and %d channels, it needs as many: "
			       "allowed is 0",
			       o->channels[0], o->channels[1]);
	if (vgg && !o->vgg)
		return SM_FAIL(err, SM_USAGE,
			       "--vgg: is missing, losses content and style need VGG-19's weights "
			       "(vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5 of Keras)");
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

size_t sm_game_forecast(const struct sm_game *game)
{
	struct sm_forecast a = sm_net_forecast(game->judges), b = sm_net_forecast(game->generators);
	size_t pools = game->opt.pool * (values(game, 1) + (game->opt.cycle ? values(game, 0) : 0));
	size_t arena = a.arena < b.arena ? a.arena : b.arena;
	/* Both forecasts count what a process has of its own. */
	return a.total + b.total - arena - a.code + pools * sizeof(float);
}

enum sm_status sm_game_alloc(struct sm_game *game, struct sm_mem *mem, struct sm_err *err)
{
	const struct sm_game_opt *o = &game->opt;
	struct sm_net *nets[] = {game->judges, game->generators};
	SM_TRY(sm_net_alloc_together(nets, 2, mem, err));
	SM_TRY(sm_pool_open(&game->pool[0], o->pool, values(game, 1), mem, err));
	SM_TRY(sm_pool_open(&game->pool[1], o->cycle ? o->pool : 0, values(game, 0), mem, err));
	sm_net_init(game->judges, o->seed);
	sm_net_init(game->generators, o->seed);
	if (o->weight.content > 0 || o->weight.style > 0)
		return sm_vgg_load(game->generators, GAME_VGG, o->vgg, err);
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

/* The discriminators' inputs: the memory of one net's activations is the other's too, so that images
 * are carried over in a place of their own. */
static enum sm_status hand_over(struct sm_game *game, uint64_t round, struct sm_err *err)
{
	static const char *const names[] = {"a", "b", "fake_b", "fake_a"};
	const struct sm_game_opt *o = &game->opt;
	int images = o->cycle ? 4 : 3;
	size_t size[4], total = 0;
	for (int i = 0; i < images; i++) {
		size[i] = o->batch * values(game, i == 0 || i == 3 ? 0 : 1);
		total += size[i];
	}
	float *copy = sm_alloc(NULL, total, sizeof *copy, "images", err);
	if (!copy)
		return err->code;
	float *at = copy;
	for (int i = 0; i < images; at += size[i++])
		memcpy(at, sm_game_image(game, (enum sm_game_image)i), size[i] * sizeof *at);
	at = copy;
	for (int i = 0; i < images; at += size[i++]) {
		struct sm_pool *pool = i < 2 ? NULL : &game->pool[i - 2];
		for (int k = 0; pool && k < o->batch; k++)
			sm_pool_exchange(pool, at + k * pool->count, o->seed, names[i], round,
					 (uint64_t)k);
		memcpy(sm_net_buffer(game->judges, names[i], NULL), at, size[i] * sizeof *at);
	}
	sm_free(copy);
	return SM_OK;
}

enum sm_status sm_game_round(struct sm_game *game, uint64_t round, double rate, bool judge,
			     double *losses, struct sm_err *err)
{
	for (int i = 0; i < game->losses; i++)
		losses[i] = NAN;
	/* The discriminators' gradients do not depend on the generators' weights, only on their images. */
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
