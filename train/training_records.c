/* SPDX-License-Identifier: Apache-2.0 */
#include "train/training.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"

static enum sm_status add_record(struct sm_training *t, const char *prefix, const char *key,
				 const char *name, const char *role, int64_t epoch,
				 struct sm_err *err)
{
	char hex[65];
	char *path = sm_path_join(t->dir, name), *full = sm_strf("%s%s", prefix, name),
	     *own = sm_strf("%s%s", prefix, key);
	enum sm_status st = path && full && own
				    ? sm_content_sha256(path, &t->run->mem, hex, err)
				    : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
	const struct sm_history *h = &t->fit.state.history;
	json_t *record = NULL;
	/* Keys are no paths. */
	for (char *p = own; p && *p; p++)
		*p = *p == '/' ? '-' : *p;
	if (st == SM_OK)
		record = json_pack(
			"{s:s, s:s, s:I, s:f, s:[{s:s, s:s, s:s}]}", "key", own, "status", "ok",
			"epoch", (json_int_t)epoch, "val_loss",
			h->v[(size_t)(epoch - 1) * h->columns + SM_HISTORY_VAL_LOSS], "outputs",
			"path", full, "role", role, "sha256", hex);
	if (st == SM_OK && t->fold >= 0)
		json_object_set_new(record, "fold_index", json_integer(t->fold));
	if (st == SM_OK)
		st = record ? sm_records_add(t->run->ledger.records, record, NULL, err)
			    : SM_FAIL(err, SM_BUDGET, "train: out of memory");
	json_decref(record);
	free(own);
	free(full);
	free(path);
	return st;
}

/* The numbered file of an epoch, when it is still there. */
static enum sm_status add_numbered(struct sm_training *t, const char *prefix, const char *name,
				   const char *kind, const char *role, int64_t epoch,
				   struct sm_err *err)
{
	char key[64];
	char *path = sm_path_join(t->dir, name);
	bool there = path && sm_file_exists(path);
	free(path);
	if (!there) {
		sm_warn(&t->run->log, name, "is gone: it is left out of the ledger");
		return SM_OK;
	}
	snprintf(key, sizeof key, "%s-%04" PRId64, kind, epoch);
	return add_record(t, prefix, key, name, role, epoch, err);
}

/* Numbered checkpoints of an epoch that were written under other settings of names. */
static enum sm_status add_kept(struct sm_training *t, const char *prefix, int64_t epoch,
			       struct sm_err *err)
{
	static const char *const kinds[] = {"kept-model", "kept-unet2d", "kept-epoch"};
	char due[64], name[64];
	if (!sm_fit_numbered(&t->fit, epoch, due))
		due[0] = 0;
	for (size_t k = 0; sm_fit_named(&t->fit, k, epoch, name); k++)
		if (strcmp(name, due) != 0 && sm_fit_owns(&t->fit, name))
			SM_TRY(add_numbered(t, prefix, name, kinds[k], "checkpoint", epoch, err));
	return SM_OK;
}

enum sm_status sm_training_records(struct sm_training *t, const char *prefix, struct sm_err *err)
{
	const struct sm_checkpoint *c = &t->fit.state;
	char name[64];
	SM_TRY(add_record(t, prefix, "best", SM_FIT_BEST, "checkpoint", c->best_epoch, err));
	SM_TRY(add_record(t, prefix, "last", SM_FIT_LAST, "checkpoint", c->epoch, err));
	SM_TRY(add_record(t, prefix, "history", t->s->csv_name, "history", c->epoch, err));
	for (int64_t e = 1; e <= c->epoch; e++) {
		if (sm_fit_numbered(&t->fit, e, name))
			SM_TRY(add_numbered(t, prefix, name, "model", "checkpoint", e, err));
		SM_TRY(add_kept(t, prefix, e, err));
		if (sm_fit_pictured(&t->fit, e, name))
			SM_TRY(add_numbered(t, prefix, name, "sample", "picture", e, err));
	}
	return SM_OK;
}
