/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints of image translation: one HDF5 file with all networks, optimisers and pools of a
 * game, all that a training needs to go on with the same bits and a prediction to rebuild the
 * generators. No time stamps; written whole or not at all.
 *
 *   generators/, discriminators/   each as a checkpoint of train/checkpoint.h: parameters/NAME,
 * state/NAME, optimiser/ARRAY/NAME pool/fake_b, pool/fake_a       (images, values) float32, when
 * there are any history                        (epochs, columns) float64; attribute history_columns
 *   attributes schema, meta (JSON: the fields of struct sm_translation), settings (JSON: what
 * decides the weights; its SHA-256 is the fingerprint)
 */
#ifndef SM_TRANSLATE_SAVE_H
#define SM_TRANSLATE_SAVE_H

#include "preprocess/linear.h"
#include "train/checkpoint.h"
#include "train/translate/game.h"

#define SM_TRANSLATION_NAME 64

struct sm_translation {
	/* the game */
	bool cycle;
	char generator[32], judge[32];
	struct sm_image_opt generator_opt, judge_opt; /* norm points into the two below */
	char generator_norm[16], judge_norm[16];      /* "auto" = its own */
	int height, width, channels[2];
	char domain[2][SM_TRANSLATION_NAME]; /* what a and b are: names of roles or channels */
	bool triplets;                       /* a is the mean of the slices around b */
	double low[2], high[2];              /* values of the volumes that became -1 and 1 */
	char unit[2][SM_UNIT_NAME]; /* of these (preprocess/linear.h); "normalised": -1 and 1 */
	int plane;                           /* enum sm_plane of the slices */
	bool stored;                         /* they lie as the voxels are stored (pair.view) */
	int64_t parameters[2];               /* of generators, of discriminators */
	/* the training */
	int64_t epoch, rounds;
	char fingerprint[65];
	char pair[65];       /* hash of the ledger of pair */
	char samples[65];    /* of its samples (preprocess/pair_config.h); "" = an older file */
	char preprocess[65]; /* of the preprocess section */
	struct sm_seen seen; /* cases it was trained on */
	char *settings;
	struct sm_history history;
};

void sm_translation_clear(struct sm_translation *t); /* a zeroed one is fine */

/* Writes atomically. content (65 bytes or NULL) receives the identity (sm_h5_content_sha256). */
enum sm_status sm_translation_write(const char *path, struct sm_game *game,
				    const struct sm_translation *t, char content[65],
				    struct sm_err *err);

/* Reads all but tensors and pools; the caller clears *t. SM_INPUT: no such checkpoint, cut off, a
 * field out of range. */
enum sm_status sm_translation_open(const char *path, struct sm_translation *t, struct sm_err *err);

/* Fills an allocated game of the same networks: weights, statistics, optimisers and pools. SM_INPUT
 * names the first tensor that differs. */
enum sm_status sm_translation_load(const char *path, struct sm_game *game, struct sm_err *err);

/* The weights and statistics of one generator ("g": a to b, "f": b to a) into a net of that graph
 * alone. */
enum sm_status sm_translation_load_generator(const char *path, struct sm_net *net,
					     struct sm_err *err);

#endif
