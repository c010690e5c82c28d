/* SPDX-License-Identifier: Apache-2.0
 *
 * From an item or a file of a stage back to the scans, over the ledgers alone.
 */
#ifndef SM_TOOLS_TRACE_H
#define SM_TOOLS_TRACE_H

#include "tools/folders.h"

/* The way back as JSON (new reference in *out): {"stage", "item", "patient", "fold" (when a split
 * knows it), "outputs": [{"role","path","sha256"}] (those that were asked for or used), "from":
 * [the same for each record that made an input; of compare with the "rater" whose run it is], "raw": [{"role","path","sha256"}] (inputs that no
 * stage made: the scans), "ledgers": [{"stage","path","sha256"}] (parents' ledgers that were read
 * as a whole), "unresolved": [{"role","path", "sha256"}] (inputs that no record here made),
 * "missing": [stages that are not there in the run that this one was made from]}. An output of no
 * item (config.json) has "items" (how many its stage has) and "parents" {stage: hash of its ledger}
 * and nothing in "from"; a checkpoint, made of all that its parents list, has "parents". `what` is an item's key, or an output's path with or without its stage
 * ("tile/CASE.h5") or its folder as a person types it ("./work/tile/CASE.h5") in front; "." and
 * ".." in it are taken as words. Among several stages with the item the one that no other of them
 * was made from begins; explore and report, which only show, are passed over unless named so. f
 * must be loaded; its folders are opened one by one. SM_USAGE when no ledger knows it, SM_IO when a
 * folder that may not be looked at is needed. */
enum sm_status sm_trace(struct sm_folders *f, const char *what, json_t **out,
			struct sm_err *err);

/* The same of an item of one of the folders of f. SM_INPUT when its ledger has no such item. */
enum sm_status sm_trace_item(struct sm_folders *f, const struct sm_folder *folder, const char *key,
			     json_t **out, struct sm_err *err);

#endif
