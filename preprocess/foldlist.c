/* SPDX-License-Identifier: Apache-2.0 */
#include "preprocess/foldlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "preprocess/split_cases.h"

/* A ledger is a text that anybody can change: what split promises is looked at again. */
static enum sm_status check_leaks(const struct sm_cases *cases, const struct sm_ledger *split, struct sm_err *err)
{
	struct sm_arena arena = {0};
	struct sm_split_case *c = calloc(cases->count + 1, sizeof *c);
	enum sm_status st =
		c ? sm_split_cases_of(cases, &arena, c, err) : SM_FAIL(err, SM_BUDGET, "split: out of memory");
	for (size_t i = 0; st == SM_OK && i < cases->count; i++)
		c[i].fold = sm_folds_of(split, c[i].key);
	if (st == SM_OK)
		st = sm_split_check(c, cases->count, err);
	sm_arena_clear(&arena);
	free(c);
	return st;
}

enum sm_status sm_folds_read(struct sm_run *run, const char *dir, struct sm_cases *cases,
			     struct sm_ledger *split, struct sm_err *err)
{
	size_t kept = 0;
	SM_TRY(sm_run_parent(run, dir, "split", split, err));
	for (size_t i = 0; i < cases->count; i++) {
		const char *key = sm_record_key(cases->records[i]);
		const char *fold = sm_json_text(sm_ledger_find(split, key), "fold");
		if (fold && strcmp(fold, "none") == 0)
			continue;
		if (!fold || sm_fold_of(fold) == SM_FOLDS)
			return SM_FAIL(err, SM_INPUT,
				       "%s: its fold in the split is %s, allowed are train, test, valid "
				       "and none: run split again",
				       key, fold ? fold : "missing");
		cases->records[kept++] = cases->records[i];
	}
	if (kept < cases->count)
		sm_info(&run->log, NULL, "%zu cases that split leaves out are left out",
			cases->count - kept);
	if (!kept)
		return SM_FAIL(err, SM_INPUT, "%s: split leaves out every case", dir);
	cases->count = kept;
	return check_leaks(cases, split, err);
}

enum sm_fold sm_folds_of(const struct sm_ledger *split, const char *key)
{
	const char *fold = sm_json_text(sm_ledger_find(split, key), "fold");
	return fold ? (enum sm_fold)sm_fold_of(fold) : SM_FOLDS;
}

json_t *sm_config_new(void)
{
	json_t *config = json_object();
	for (int f = 0; config && f < SM_FOLDS; f++)
		json_object_set_new(config, sm_fold_name((enum sm_fold)f), json_array());
	return config;
}

enum sm_status sm_config_write(struct sm_run *run, json_t *config, struct sm_err *err)
{
	char hex[65];
	char *text = config ? json_dumps(config, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
	char *path = sm_path_join(run->out, "config.json");
	enum sm_status st = text && path ? sm_file_write(path, text, strlen(text), err)
					 : SM_FAIL(err, SM_BUDGET, "config.json: out of memory");
	if (st == SM_OK) {
		sm_sha256_bytes(text, strlen(text), hex);
		json_object_set_new(run->ledger.header, "outputs",
				    json_pack("[{s:s, s:s, s:s}]", "path", "config.json", "role",
					      "config", "sha256", hex));
	}
	free(path);
	free(text);
	json_decref(config);
	return st;
}

void sm_folds_warn(struct sm_run *run, const struct sm_ledger *split, const size_t samples[SM_FOLDS])
{
	size_t i, cases[SM_FOLDS + 1] = {0};
	json_t *record;
	json_array_foreach(split->records, i, record)
		cases[sm_folds_of(split, sm_record_key(record))]++;
	for (int f = 0; !run->only_count && f < SM_FOLDS; f++)
		if (cases[f] && !samples[f])
			sm_warn(&run->log, NULL, "fold %s has no sample: none of its %zu cases gave one",
				sm_fold_name((enum sm_fold)f), cases[f]);
}

enum sm_status sm_config_outputs(struct sm_run *run, const struct sm_ledger *split,
				 size_t (*samples)(const json_t *record), struct sm_err *err)
{
	size_t i, k, cases[SM_FOLDS] = {0}, count[SM_FOLDS] = {0};
	json_t *record, *output, *config = sm_config_new();
	json_array_foreach(run->ledger.records, i, record)
	{
		if (!sm_record_ok(record))
			continue;
		const enum sm_fold fold = sm_folds_of(split, sm_record_key(record));
		cases[fold]++;
		count[fold] += samples(record);
		json_array_foreach(json_object_get(record, "outputs"), k, output)
			json_array_append(json_object_get(config, sm_fold_name(fold)),
					  json_object_get(output, "path"));
	}
	printf("fold\tcases\tsamples\n");
	for (int f = 0; f < SM_FOLDS; f++)
		printf("%s\t%zu\t%zu\n", sm_fold_name((enum sm_fold)f), cases[f], count[f]);
	sm_folds_warn(run, split, count);
	return sm_config_write(run, config, err);
}
