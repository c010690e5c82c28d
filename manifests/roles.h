/* SPDX-License-Identifier: Apache-2.0
 *
 * Which volume of a case is the label: one rule for every stage, read from the ledger that the
 * volumes came with, so that it holds whatever manifest a later stage is given.
 */
#ifndef SM_MANIFESTS_ROLES_H
#define SM_MANIFESTS_ROLES_H

#include <jansson.h>
#include <stdbool.h>

#include "core/err.h"

/* True when role is a label volume: "seg", "label", or a source with label: true in the ingest
 * section that the header (of a ledger of ingest or preprocess; may be NULL) records. */
bool sm_role_is_label(const json_t *header, const char *role);

/* The role of the one label volume among a record's outputs, borrowed from the record. SM_INPUT
 * naming case and stage when there is none or more than one. */
enum sm_status sm_label_role(const json_t *header, const json_t *record, const char **role,
			     struct sm_err *err);

#endif
