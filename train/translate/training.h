/* SPDX-License-Identifier: Apache-2.0
 *
 * A training of image translation: from the samples of pair to checkpoints in a folder; what stage
 * train runs when the manifest says `dataset: pair`.
 */
#ifndef SM_TRANSLATE_TRAINING_H
#define SM_TRANSLATE_TRAINING_H

#include "core/stage.h"
#include "manifests/schema.h"
#include "train/translate/images.h"
#include "train/translate/save.h"

#define SM_TRANSLATE_LAST "last.hdf5"
#define SM_TRANSLATE_CSV "training.csv"

struct sm_translating {
	/* filled by the caller */
	struct sm_run *run;
	const struct sm_manifest_root *m;
	const struct sm_translate_section *s;
	uint64_t seed;
	const char *vgg;  /* NULL = none */
	bool restart;
	double deadline;  /* of sm_now; 0 = none */

	/* of the training */
	struct sm_ledger pair;
	struct sm_images *train[2]; /* pairs, NULL; or the domains */
	struct sm_images *held[2];  /* held out, for pictures; NULL when there is none */
	struct sm_game game;
	struct sm_translation state;
	int64_t steps;     /* an epoch */
	double forecast;   /* of memory, MiB */
	bool stopped;      /* the time was over before the last epoch */
	bool begun;        /* the folder's ledger has left */
};

/* The whole of it: lists, plans, resumes, trains, writes the records into the run's ledger. */
enum sm_status sm_translate_train(struct sm_translating *t, struct sm_err *err);

/* Epochs state.epoch .. s->epochs - 1. */
enum sm_status sm_translate_epochs(struct sm_translating *t, struct sm_err *err);

/* Name of the numbered checkpoint, and of the picture, of epoch 1.., when there is one. */
bool sm_translate_numbered(const struct sm_translate_section *s, int64_t epoch, char name[64]);
bool sm_translate_pictured(const struct sm_translate_section *s, int64_t epoch, char name[64]);

/* Real and generated images of the first held-out samples side by side: input, output, target of
 * pairs; of domains a, its translation, b, its translation. Drop-out is off, norms are by the image
 * itself. */
enum sm_status sm_translate_picture(struct sm_translating *t, const char *path, struct sm_err *err);

/* Learning rate of epoch 0..: constant, behind linear_from on its way to 0. */
double sm_translate_rate(const struct sm_translate_section *s, int64_t epoch);

#endif
