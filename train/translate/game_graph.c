/* SPDX-License-Identifier: Apache-2.0 */
#include "train/translate/game_graph.h"

#include <stdio.h>

#include "train/translate/vgg.h"

static struct sm_shape shape_of(const struct sm_game_opt *o, int side)
{
	return (struct sm_shape){o->batch, 1, o->height, o->width, o->channels[side]};
}

static int generator(struct sm_graph *g, const struct sm_game_opt *o, const char *prefix, int x,
		     int to)
{
	struct sm_image_opt opt = o->generator_opt;
	opt.in_channels = sm_graph_shape(g, x).c;
	opt.channels = o->channels[to];
	return sm_generator_build(g, o->generator, prefix, x, &opt);
}

static void judge(struct sm_graph *g, const struct sm_game_opt *o, const char *prefix, int x,
		  struct sm_judge *j)
{
	struct sm_image_opt opt = o->judge_opt;
	opt.in_channels = sm_graph_shape(g, x).c;
	sm_judge_build(g, o->judge, prefix, x, &opt, j);
}

static int pair(struct sm_graph *g, int a, int b)
{
	return sm_g_concat(g, (int[]){a, b}, 2);
}

/* |D_i(real) - D_i(fake)|, the mean over the layers. */
static void perceptual(struct sm_graph *g, const struct sm_game_opt *o, const struct sm_judge *real,
		       const struct sm_judge *fake)
{
	for (int i = 0; i < fake->count; i++) {
		char name[32];
		snprintf(name, sizeof name, "perceptual%d", i + 1);
		sm_g_loss_distance(g, name, fake->feature[i], real->feature[i], SM_DISTANCE_L1,
				   (float)(o->weight.perceptual / fake->count));
	}
}

static void content_and_style(struct sm_graph *g, const struct sm_game_opt *o, int fake, int b)
{
	struct sm_vgg of_fake, of_b;
	sm_graph_freeze(g, GAME_VGG);
	sm_vgg_build(g, GAME_VGG, b, &of_b);
	sm_vgg_build(g, GAME_VGG, fake, &of_fake);
	if (o->weight.content > 0)
		sm_g_loss_distance(g, "content", of_fake.content, of_b.content, SM_DISTANCE_L2,
				   (float)o->weight.content);
	for (int i = 0; o->weight.style > 0 && i < SM_VGG_STYLES; i++) {
		char name[32];
		snprintf(name, sizeof name, "style%d", i + 1);
		sm_g_loss_distance(g, name, sm_g_gram(g, of_fake.style[i]),
				   sm_g_gram(g, of_b.style[i]), SM_DISTANCE_L2,
				   (float)(o->weight.style / SM_VGG_STYLES));
	}
}

static void pix2pix(struct sm_graph *g, const struct sm_game_opt *o)
{
	const struct sm_game_weights *w = &o->weight;
	struct sm_judge on_fake, on_real;
	int a = sm_g_input(g, "a", shape_of(o, 0)), b = sm_g_input(g, "b", shape_of(o, 1));
	int fake = sm_g_output(g, generator(g, o, GAME_GENERATOR, a, 1), "fake_b");
	sm_graph_freeze(g, GAME_JUDGE);
	if (w->perceptual > 0)
		judge(g, o, GAME_JUDGE, pair(g, a, b), &on_real);
	judge(g, o, GAME_JUDGE, pair(g, a, fake), &on_fake);
	sm_g_loss_adversarial(g, "adversarial", on_fake.logits, true, o->adversarial,
			      (float)w->adversarial);
	if (w->l1 > 0)
		sm_g_loss_distance(g, "l1", fake, b, SM_DISTANCE_L1, (float)w->l1);
	if (w->perceptual > 0)
		perceptual(g, o, &on_real, &on_fake);
	if (w->content > 0 || w->style > 0)
		content_and_style(g, o, fake, b);
}

/* Of one direction: x to the other domain and back, and y, which is there already. */
static void half_cycle(struct sm_graph *g, const struct sm_game_opt *o, bool forth, int x, int y)
{
	const struct sm_game_weights *w = &o->weight;
	const char *there = forth ? GAME_GENERATOR : GAME_BACK,
		   *back = forth ? GAME_BACK : GAME_GENERATOR;
	struct sm_judge on_fake;
	int from = forth ? 0 : 1, to = 1 - from;
	int fake = sm_g_output(g, generator(g, o, there, x, to), forth ? "fake_b" : "fake_a");
	judge(g, o, forth ? GAME_JUDGE : GAME_JUDGE_A, fake, &on_fake);
	sm_g_loss_adversarial(g, forth ? "adversarial_b" : "adversarial_a", on_fake.logits, true,
			      o->adversarial, (float)w->adversarial);
	if (w->cycle > 0)
		sm_g_loss_distance(g, forth ? "cycle_a" : "cycle_b",
				   generator(g, o, back, fake, from), x, SM_DISTANCE_L1,
				   (float)w->cycle);
	if (w->identity > 0)
		sm_g_loss_distance(g, forth ? "identity_b" : "identity_a",
				   generator(g, o, there, y, to), y, SM_DISTANCE_L1,
				   (float)w->identity);
}

struct sm_graph *game_generators(const struct sm_game_opt *o)
{
	struct sm_graph *g = sm_graph_create();
	if (!g)
		return NULL;
	if (!o->cycle) {
		pix2pix(g, o);
		return g;
	}
	sm_graph_freeze(g, GAME_JUDGE);
	sm_graph_freeze(g, GAME_JUDGE_A);
	int a = sm_g_input(g, "a", shape_of(o, 0)), b = sm_g_input(g, "b", shape_of(o, 1));
	half_cycle(g, o, true, a, b);
	half_cycle(g, o, false, b, a);
	return g;
}

/* A discriminator's two losses on a real and a generated image. */
static void judge_both(struct sm_graph *g, const struct sm_game_opt *o, const char *prefix,
		       int real, int fake, const char *of_real, const char *of_fake)
{
	struct sm_judge r, f;
	judge(g, o, prefix, real, &r);
	sm_g_loss_adversarial(g, of_real, r.logits, true, o->adversarial, (float)o->weight.judge);
	judge(g, o, prefix, fake, &f);
	sm_g_loss_adversarial(g, of_fake, f.logits, false, o->adversarial, (float)o->weight.judge);
}

struct sm_graph *game_judges(const struct sm_game_opt *o)
{
	struct sm_graph *g = sm_graph_create();
	if (!g)
		return NULL;
	int a = sm_g_input(g, "a", shape_of(o, 0)), b = sm_g_input(g, "b", shape_of(o, 1));
	int fake_b = sm_g_input(g, "fake_b", shape_of(o, 1));
	if (!o->cycle) {
		/* An image of the pool comes with the input it was made of. */
		int of = o->pool ? sm_g_input(g, GAME_A_OF_FAKE_NAME, shape_of(o, 0)) : a;
		judge_both(g, o, GAME_JUDGE, pair(g, a, b), pair(g, of, fake_b), "real", "fake");
		return g;
	}
	int fake_a = sm_g_input(g, "fake_a", shape_of(o, 0));
	judge_both(g, o, GAME_JUDGE, b, fake_b, "real_b", "fake_b");
	judge_both(g, o, GAME_JUDGE_A, a, fake_a, "real_a", "fake_a");
	return g;
}
