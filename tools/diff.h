/* SPDX-License-Identifier: Apache-2.0
 *
 * Two ledgers of one stage: which items and outputs differ, and which input or setting is why.
 */
#ifndef SM_TOOLS_DIFF_H
#define SM_TOOLS_DIFF_H

#include <stdbool.h>

#include "core/ledger.h"

/* Compares two ledgers of the same stage (SM_USAGE otherwise). *out receives a new reference:
 * {"stage", "version": [a, b] (when they differ), "settings": [{"key","a","b"}] in order of keys,
 * "parents": [{"key": stage, "a", "b"}] (made from ledgers with other hashes),
 * "only_a": [keys], "only_b": [keys], "same": n (items with the same outputs and facts),
 * "outputs": [{"path","a","b"}] (of no item; null = not there), "facts": [{"key","a","b"}] (of the
 * header), "why" (of these two, when there are any; as below), "changed": [{"key", "status": [a, b]
 * (when it differs), "outputs": [{"role","path","a","b"}], "inputs": [{"role","path","a","b"}],
 * "facts": [{"key","a","b"}] (whatever else the record says: fold, tiles, ...), "why":
 * "inputs"|"settings"|"table"|"version"|"parents"|"inputs and settings"|...|"unexplained"}]}.
 * parents: of records without inputs, such as those of split. Unexplained: all of that is the same,
 * so the stage did not repeat itself. */
enum sm_status sm_diff_ledgers(const struct sm_ledger *a, const struct sm_ledger *b, json_t **out,
			       struct sm_err *err);

/* True when the comparison found outputs, items, their status or facts to differ (settings and
 * parents alone do not count). */
bool sm_diff_found(const json_t *diff);

#endif
