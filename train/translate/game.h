/* SPDX-License-Identifier: Apache-2.0
 *
 * An adversarial training's players: one net trains all generators, one all discriminators; each
 * reads the other's weights, and their activations share one piece of memory. pix2pix (Isola et al.
 * 2017) for pairs of images, CycleGAN (Zhu et al. 2017) for two domains without pairs.
 *
 *   pix2pix    fake = G(a); the discriminator judges (a, b) and (a, fake)
 *   cyclegan   fake_b = G(a), fake_a = F(b), cycles F(G(a)), G(F(b)), identities G(b), F(a);
 *              one discriminator judges a and fake_a, one b and fake_b
 *
 * In a round both learn from each other's state before it, as in TensorFlow's tutorials: the
 * generators from the discriminators' weights, the discriminators from the generators' images (or
 * the pool's).
 */
#ifndef SM_TRANSLATE_GAME_H
#define SM_TRANSLATE_GAME_H

#include "train/models/translate.h"
#include "train/translate/pool.h"

/* Weights of the losses; 0 = not there. */
struct sm_game_weights {
	double adversarial;   /* of the generators */
	double l1;            /* pix2pix: |fake - b| */
	double cycle;         /* cyclegan: |F(G(a)) - a|, |G(F(b)) - b| */
	double identity;      /* cyclegan: |G(b) - b|, |F(a) - a| */
	double perceptual; /* |D_i(b) - D_i(fake)| over the discriminator's hidden layers (MedGAN,
			      Armanious et al. 2020); pix2pix alone */
	double content, style; /* of VGG-19 (vgg.h); pix2pix alone */
	double judge;         /* of the discriminators' losses; 0.5 = halved */
};

struct sm_game_opt {
	bool cycle;                       /* cyclegan; else pix2pix */
	const char *generator, *judge;    /* rows of train/models/translate.h */
	struct sm_image_opt generator_opt, judge_opt; /* in_channels and channels are set here */
	enum sm_distance adversarial;     /* SM_DISTANCE_BCE or SM_DISTANCE_L2 (LSGAN) */
	struct sm_game_weights weight;
	const char *vgg;   /* file of VGG-19's weights; needed with content or style */
	int pool;          /* images kept for the discriminators, of pix2pix each with the input that
			      it was made of; 0 = none (cyclegan: 50) */
	int batch, height, width;
	int channels[2];   /* of a and b */
	struct sm_optim optim;
	bool bf16;
	bool recompute;    /* of a generator's pass through an image only the ends are kept until
			      backward comes to it (SM_RECOMPUTE_STAGES) */
	bool profile;      /* keep the nets' times by layer */
	bool keep_gradients; /* all of them, for who wants to see them; else a fused net */
	int threads;
	uint64_t seed;     /* of initial weights, drop-out and pools */
};

/* The generators' inputs "a" and "b" and images: buffers of the nets, channels last, valid until
 * the next round. */
enum sm_game_image { SM_GAME_A, SM_GAME_B, SM_GAME_FAKE_B, SM_GAME_FAKE_A, SM_GAME_IMAGES };

#define SM_GAME_LOSSES 24

struct sm_game {
	struct sm_game_opt opt;
	struct sm_net *generators, *judges;
	struct sm_net *lender[2];
	struct sm_pool pool[2];              /* of fake_b, fake_a; of pix2pix (a, fake_b) */
	const char
		*loss_name[SM_GAME_LOSSES]; /* "g", the generators' total, "d", then the losses */
	int losses, generator_losses;
	struct sm_mem *mem; /* of sm_game_alloc */
};

/* What it will need in bytes, before anything big is allocated. SM_USAGE: a size or option that
 * does not fit; SM_INPUT: the VGG file. On success the caller closes it. */
enum sm_status sm_game_plan(const struct sm_game_opt *opt, struct sm_game *game,
			    struct sm_err *err);
size_t sm_game_forecast(const struct sm_game *game);
/* Of these the networks' code (struct sm_forecast), and pools and images on their way. */
size_t sm_game_code(const struct sm_game *game);
size_t sm_game_images_bytes(const struct sm_game *game);

/* Allocates, fills the weights from the seed and VGG's from its file. SM_BUDGET, before anything is
 * allocated: networks, pools and images do not fit together. */
enum sm_status sm_game_alloc(struct sm_game *game, struct sm_mem *mem, struct sm_err *err);
void sm_game_close(struct sm_game *game); /* a zeroed one is fine */

/* One round on what stands in the generators' inputs, numbered from 0 over the whole training:
 * losses[0 .. game->losses) as named. With `judge` false the discriminators are not trained (their
 * losses are NaN). SM_INPUT when a loss or gradient is not finite: the sentence names the players,
 * the layer and the step; the game is then of no use, its last checkpoint is. */
enum sm_status sm_game_round(struct sm_game *game, uint64_t round, double rate, bool judge,
			     double *losses, struct sm_err *err);

/* Buffer of an image; NULL when this game has none. */
float *sm_game_image(struct sm_game *game, enum sm_game_image which);

#endif
