/* SPDX-License-Identifier: Apache-2.0
 *
 * Options of the command line that stand above a section of the manifest, and the ledger's settings
 * with them: what a reader of the ledger sees is what was used.
 */
#ifndef SM_EVAL_OVERRIDES_H
#define SM_EVAL_OVERRIDES_H

#include "core/field.h"
#include "core/stage.h"

/* An option by its key, where its value stands, and where it goes. */
struct sm_override {
	const char *key;
	void *to;
	const void *from;
	size_t size;
};

/* Copies the values of those that were given; true when there was one. */
bool sm_overrides_take(const struct sm_run *run, const struct sm_override *row, size_t n);

/* Fields of a section of the manifest by its name; it must be one. */
const struct sm_fieldset *sm_section_fields(const char *section);

/* Puts the section into the ledger's settings.manifest and makes settings_sha256 anew. SM_BUDGET.
 */
enum sm_status sm_overrides_record(struct sm_run *run, const char *section, const void *values,
				   struct sm_err *err);

#endif
