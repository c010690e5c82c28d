/* SPDX-License-Identifier: Apache-2.0
 *
 * A checkpoint's network for other programs: safetensors (weights and running statistics by name)
 * and ONNX (the whole network). Only what a checkpoint says goes in: no clock, no path.
 */
#ifndef SM_TRAIN_EXPORT_H
#define SM_TRAIN_EXPORT_H

#include <jansson.h>

#include "train/checkpoint.h"

struct sm_export {
	struct sm_checkpoint about;
	struct sm_net *net; /* for one sample, with the checkpoint's weights */
	char sha256[65];    /* identity of the checkpoint */
	json_t *meta;       /* object of texts, as docs/export.md tells */
	char *doc;          /* the same for people */
};

/* Opens a checkpoint; the caller closes (also after a failure). Activations are planned but never
 * touched, so that resident memory is that of the weights, and these are held against mem (NULL =
 * no budget). Failures: those of sm_checkpoint_open, _load and sm_network_plan_file; SM_BUDGET;
 * SM_INPUT with the name of a tensor that holds NaN or an infinite value. */
enum sm_status sm_export_open(const char *path, struct sm_mem *mem, struct sm_export *e,
			      struct sm_err *err);
void sm_export_close(struct sm_export *e);

/* Both write atomically. */
enum sm_status sm_export_safetensors(const struct sm_export *e, const char *path,
				     struct sm_err *err);
enum sm_status sm_export_onnx(const struct sm_export *e, const char *path, struct sm_err *err);

#endif
