/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest: one YAML file that a person writes, read by libcyaml against a schema built from
 * field tables. Unknown keys, wrong types and values out of range are errors with file and line.
 */
#ifndef SM_CORE_MANIFEST_H
#define SM_CORE_MANIFEST_H

#include "core/field.h"

struct sm_manifest {
	struct sm_arena arena;
	void *root;       /* the struct of the root fieldset, defaults filled in */
	char *name;       /* file name without folder */
};

/* Reads path against the root fieldset. All failures are SM_USAGE (SM_IO when it cannot be read)
 * with "manifest.yaml:12: train: unknown key 'lerning_rate' (did you mean 'learning_rate'?)". */
enum sm_status sm_manifest_load(const char *path, const struct sm_fieldset *root,
				struct sm_manifest *out, struct sm_err *err);
void sm_manifest_clear(struct sm_manifest *manifest);

#endif
