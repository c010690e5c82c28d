/* SPDX-License-Identifier: Apache-2.0
 *
 * The two graphs of a game (game.h): what the generators' net and the discriminators' net compute.
 */
#ifndef SM_TRANSLATE_GAME_GRAPH_H
#define SM_TRANSLATE_GAME_GRAPH_H

#include "train/translate/game.h"

/* Prefixes of the parameters: generators a to b and b to a, discriminators of b and of a (pix2pix:
 * of pairs), VGG-19. */
#define GAME_GENERATOR "g"
#define GAME_BACK "f"
#define GAME_JUDGE "d"
#define GAME_JUDGE_A "e"
#define GAME_VGG "vgg"

/* Inputs of the discriminators' net: the images of enum sm_game_image and, with a pool of pix2pix,
 * the input that fake_b was made of, which is then not always the newest. */
enum { GAME_A_OF_FAKE = SM_GAME_IMAGES, GAME_INPUTS };
#define GAME_A_OF_FAKE_NAME "a_of_fake"

struct sm_graph *game_generators(const struct sm_game_opt *o);
struct sm_graph *game_judges(const struct sm_game_opt *o);

#endif
