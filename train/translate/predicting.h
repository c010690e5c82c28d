/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage predict when the manifest says `dataset: pair`: a trained generator over the volumes or
 * pictures of a folder of preprocess, slice by slice.
 */
#ifndef SM_TRANSLATE_PREDICTING_H
#define SM_TRANSLATE_PREDICTING_H

#include <pthread.h>

#include "core/mapped.h"
#include "manifests/folds.h"
#include "manifests/schema.h"
#include "preprocess/slice.h"
#include "train/translate/placed.h"
#include "train/translate/translator.h"

struct sm_translating_pick {
	size_t record; /* its number in the ledger */
	bool seen;     /* the network was trained on slices of it */
};

struct sm_translate_prediction {
	/* filled by the caller */
	struct sm_run *run;
	const struct sm_manifest_root *m;
	const char *split;    /* folder; NULL = all cases */
	const char *model;    /* folder of train, or a checkpoint */
	const char *one_case; /* NULL = those of the fold */
	bool other_steps;     /* volumes of other preprocess settings are taken */

	const char *source, *target; /* pair's names, of this direction; NULL = the only volume */
	struct sm_translator translator;
	pthread_mutex_t lock; /* of the translator */
	struct sm_ledger cases, split_ledger;
	struct sm_translating_pick *at;
	size_t count;
};

/* The whole of it. */
enum sm_status sm_translate_predict(struct sm_translate_prediction *p, struct sm_err *err);

/* ---- predict_case.c ---- */

/* The volume of a record that is called `name` (sm_pair_find's rules); NULL when there is none. A
 * channel of a stacked image: *channel is its number, else -1. */
const json_t *sm_translate_source(const json_t *record, const char *name, int64_t *channel);

/* Predicts and writes one case. */
enum sm_status sm_translate_case(struct sm_translate_prediction *p, const json_t *record,
				 struct sm_item *item, struct sm_err *err);

/* ---- predict_files.c ---- */

/* What is written of a case. */
struct sm_translated {
	const struct sm_vol *vol;      /* x, y, z, channel; own unit */
	const struct sm_mapped *spool; /* of its data */
	const json_t *record;
	struct sm_slice_view view;
	const int64_t *index; /* slices that were predicted; of triplets others are the source's */
	size_t n;
	const uint8_t *kind; /* enum sm_made of each slice along the view's normal */
	float fill;          /* own unit: what stands where nothing was made */
	const char *role;    /* of the source's volume, */
	int64_t channel;     /* and its number there; -1 = the volume is not stacked */
	bool triplets, pictures;
};
/* A volume with its sidecar, or a picture; of that, when asked for, the mask of its ink. */
enum sm_status sm_translate_save(const struct sm_translate_prediction *p,
				 const struct sm_translated *t, struct sm_item *item,
				 struct sm_err *err);

/* Adds a file's name, path and hash to the record; bytes (hash of the file) may be NULL. */
enum sm_status sm_translate_note(struct sm_item *item, const char *role, const char *name,
				 const char *hex, const char *bytes, struct sm_err *err);

/* ---- predict_volume.c ---- */

/* On the grid of preprocess, and where that is another one and predict.grid asks for it, on that of
 * the scan. */
enum sm_status sm_translate_save_volume(const struct sm_translate_prediction *p,
					const struct sm_translated *t, struct sm_item *item,
					struct sm_err *err);

#endif
