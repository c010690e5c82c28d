/* SPDX-License-Identifier: Apache-2.0
 *
 * What decides a training's weights, as a text of JSON that its checkpoints keep, and what differs
 * between two of them.
 */
#ifndef SM_TRAIN_SETTINGS_H
#define SM_TRAIN_SETTINGS_H

#include <jansson.h>

#include "core/err.h"

/* The ledger's stage, version, settings and parents, without the keys that `skip` names in the
 * manifest's section; `more` (NULL = nothing; stolen) under the key `training`. *text is malloc
 * memory; fingerprint its SHA-256. SM_USAGE: longer than a checkpoint can hold. */
enum sm_status sm_settings_text(const json_t *header, const char *section, const char *const *skip,
				size_t skips, json_t *more, char **text, char fingerprint[65],
				struct sm_err *err);

struct sm_setting {
	char place[128];         /* as a person would write it: train.seed, --fold */
	char found[64], had[64]; /* now, then */
};

/* The first setting in which two texts differ; false when there is none or a text is none. */
bool sm_settings_differ(const char *now, const char *then, struct sm_setting *out);

#endif
