/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices between slices by a trained network: what interpolate --method network adds to the library
 * of this folder, which knows of no network.
 */
#ifndef SM_DERIVE_NETWORK_H
#define SM_DERIVE_NETWORK_H

#include <pthread.h>

#include "derive/interleave.h"
#include "train/translate/translator.h"

struct sm_between {
	struct sm_translator translator;
	pthread_mutex_t lock; /* of the translator: one volume at a time */
	bool ready;           /* the volumes went through the training's preprocess steps */
};

/* Opens --model, which must have been trained on triplets of one channel. from is the ledger of
 * --in, or NULL of a single file: volumes of preprocess (or interpolated from them) must have gone
 * through the training's steps; others must be in the network's own unit, HU say. The caller closes
 * it, after a failure too. */
enum sm_status sm_between_open(struct sm_between *b, struct sm_run *run, const char *model,
			       const struct sm_ledger *from, struct sm_err *err);
void sm_between_close(struct sm_between *b); /* a zeroed one is fine */

/* The hash of the preprocess settings that the volumes of a ledger went through; "" when there is
 * none. */
void sm_between_steps(const struct sm_ledger *from, char sha256[65]);

/* What is known of a volume beside its voxels. */
struct sm_between_source {
	const char *key, *role; /* "image" of a single file */
	const char *modality;   /* of its sidecar, else of its record: CT, MR, PT; NULL = unknown */
	bool told; /* its sidecar says what the values are, "arbitrary" too */
};

/* True when the volume is what the network was trained on: by its role, else by its modality; of a
 * volume of role "image" and unknown modality nothing speaks against it. */
bool sm_between_takes(const struct sm_between *b, const struct sm_between_source *source);

/* The role, channel or modality that the network was trained on. */
const char *sm_between_trained_on(const struct sm_between *b);

/* All gaps of a volume along an axis. SM_INPUT: a volume that sm_between_takes refuses, slices of a
 * size or axis that the network does not take, values, a unit or a modality that it does not know.
 * Thread-safe. */
enum sm_status sm_between_fill(struct sm_between *b, struct sm_interleave *il,
			       const struct sm_between_source *source, struct sm_item *item,
			       struct sm_err *err);

#endif
