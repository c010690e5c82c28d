/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of stage predict: its options, and what its files give each other.
 */
#ifndef SM_TRAIN_PREDICT_H
#define SM_TRAIN_PREDICT_H

#include "core/mapped.h"
#include "core/stage.h"
#include "manifests/folds.h"
#include "manifests/schema.h"
#include "train/infer.h"
#include "train/placer.h"
#include "train/postprocess.h"

struct sm_predict_options {
	char *split, *model, *checkpoint, *one_case;
	bool other_steps, probabilities, pictures, tiles;
	int64_t batch;
};

/* One checkpoint. */
struct sm_predict_model {
	char *path;     /* malloc memory */
	char name[128]; /* as the ledger calls it: without the place of the folder */
	char sha256[65];
	int64_t fold; /* of k folds: the one that it was trained without; -1 = none */
	struct sm_seen seen;
};

/* A case to predict. */
struct sm_predict_pick {
	size_t record;     /* its number in the ledger */
	uint64_t networks; /* bits of those whose mean is taken */
	uint64_t seen;     /* bits of those of them that were trained on it */
};

/* The cases to predict and the network. */
struct sm_predicting {
	struct sm_run *run;
	const struct sm_predict_options *o;
	const struct sm_predict_section *s;
	int threads;
	struct sm_ledger cases, split, train;
	struct sm_predict_pick *at;
	size_t count;
	struct sm_predict_model model[SM_INFER_MEMBERS];
	size_t models;
	struct sm_infer infer;
	struct sm_clean *clean; /* the manifest's rules, least in the manifest's unit */
};

/* One case at work. Zero-initialise. */
struct sm_predict_case {
	const char *key;
	const json_t *record; /* borrowed */
	uint64_t networks;    /* of struct sm_predict_pick */
	struct sm_vol image; /* data are those of a spool */
	struct sm_mapped spool, maps;
	struct sm_way_back way; /* to the grid of image */
	struct sm_placer placer;
};

/* ---- predict_cases.c ---- */

/* Output of a record that the network is fed with: "image", or the only intensity volume; NULL. */
const json_t *sm_predict_image(const json_t *record);
/* A network takes channels by position: names must be those of the training. */
enum sm_status sm_predict_channels(const struct sm_predicting *p, const json_t *record,
				   const char *who, struct sm_err *err);
/* Fills image, spool and way: of a network of slices the volume is turned as its slices were. */
enum sm_status sm_predict_read(const struct sm_predicting *p, struct sm_predict_case *c,
			       struct sm_err *err);
void sm_predict_case_clear(struct sm_predict_case *c);

/* ---- predict_pick.c ---- */

/* Reads the ledgers of --in and --split. */
enum sm_status sm_predict_ledgers(struct sm_predicting *p, struct sm_err *err);
/* Picks the cases, when the checkpoints are known. */
enum sm_status sm_predict_list(struct sm_predicting *p, struct sm_err *err);
/* SM_INPUT when a network of case i was trained on it and predict.seen does not allow that. */
enum sm_status sm_predict_unseen(const struct sm_predicting *p, size_t i, struct sm_err *err);
/* Says so in the log and in the record when it does. */
enum sm_status sm_predict_note_seen(const struct sm_predicting *p, size_t i, struct sm_item *item,
				    struct sm_err *err);

/* ---- predict_models.c ---- */

/* Finds the checkpoints; those of --model must be what train wrote, and of --split. */
enum sm_status sm_predict_find_models(struct sm_predicting *p, struct sm_err *err);
/* Loads them and tells what they are. */
enum sm_status sm_predict_open(struct sm_predicting *p, struct sm_err *err);

/* ---- predict_write.c ---- */

/* Makes rules of the manifest's; SM_USAGE for a label or region that the network does not have. */
enum sm_status sm_predict_rules(struct sm_predicting *p, struct sm_err *err);
/* Removes what the rules say, gives the labels their original numbers and writes all that is asked.
 */
enum sm_status sm_predict_write(struct sm_predicting *p, struct sm_predict_case *c,
				struct sm_item *item, struct sm_err *err);

/* Writes a volume as <case><suffix>.nii.gz and notes it. */
enum sm_status sm_predict_save(const struct sm_predicting *p, struct sm_item *item,
			       const char *suffix, const char *role, const struct sm_vol *vol,
			       struct sm_err *err);

/* ---- predict_tiles.c ---- */

/* The samples of tile or slice instead of volumes: one frame of the outputs each, in the order of
 * the samples, in the training's numbers. */
enum sm_status sm_predict_tiles(struct sm_predicting *p, const json_t *record, uint64_t networks,
				struct sm_item *item, struct sm_err *err);
/* Its inputs. */
enum sm_status sm_predict_tile_inputs(const json_t *record, struct sm_item *item,
				      struct sm_err *err);

#endif
