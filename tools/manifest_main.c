/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill manifest: checks a manifest and prints what it means, every default filled in.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ledger.h"
#include "core/manifest.h"
#include "core/stage.h"
#include "eval/column.h"
#include "eval/image_metrics.h"
#include "manifests/schema.h"

struct options {
	char *get;
};

static const struct sm_field fields[] = {
	{"get", SM_F_STRING, .offset = offsetof(struct options, get),
	 .doc = "print this key's value alone (dataset, tile.size); a text without quotation "
		"marks"},
};
static const struct sm_fieldset option_set = SM_FIELDSET("manifest", struct options, fields, NULL);

/* The value of a key by its path; NULL when there is none (borrowed). */
static const json_t *value_at(const json_t *all, const char *path)
{
	char key[128];
	while (all && *path) {
		size_t n = strcspn(path, ".");
		if (!n || n >= sizeof key)
			return NULL;
		memcpy(key, path, n);
		key[n] = '\0';
		all = json_object_get(all, key);
		path += n + (path[n] == '.');
	}
	return all;
}

static enum sm_status print_value(const json_t *all, const char *path, struct sm_err *err)
{
	const json_t *value = value_at(all, path);
	if (!value || !*path)
		return SM_FAIL(err, SM_USAGE,
			       "--get: found '%s', no key of the manifest (--describe prints all)",
			       path);
	char *text = json_is_string(value) ? NULL : sm_json_yaml(value, JSON_COMPACT);
	const char *s = json_is_string(value) ? json_string_value(value) : text;
	if (!s)
		return SM_FAIL(err, SM_BUDGET, "manifest: out of memory");
	puts(s);
	free(text);
	return SM_OK;
}

static enum sm_status print_root(const void *root, const char *get, struct sm_err *err)
{
	json_t *all = get ? sm_fields_dump(&sm_manifest_schema, root)
			  : sm_fields_given(&sm_manifest_schema, root);
	if (get) {
		enum sm_status st = print_value(all, get, err);
		json_decref(all);
		return st;
	}
	char *text = sm_json_yaml(all, JSON_INDENT(2));
	json_decref(all);
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "manifest: out of memory");
	puts(text);
	free(text);
	return SM_OK;
}

/* Names of metrics are known to the stage that scores, not to the manifest's own tables. */
static enum sm_status check_metrics(const struct sm_manifest_root *root, struct sm_err *err)
{
	struct sm_columns columns;
	uint32_t which;
	struct sm_err why;
	enum sm_status st =
		root->dataset == SM_LAST_PAIR
			? sm_image_metrics_named(&root->evaluate->metrics, &which, &why)
			: sm_columns_make(root->evaluate, &columns, &why);
	return st == SM_OK ? SM_OK : SM_FAIL(err, st, "evaluate.%s", why.text);
}

static enum sm_status show(const struct sm_manifest_root *root, const char *get,
			   struct sm_err *err)
{
	SM_TRY(check_metrics(root, err));
	return print_root(root, get, err);
}

static enum sm_status run_manifest(struct sm_run *run, struct sm_err *err)
{
	const char *get = ((const struct options *)run->options)->get;
	if (run->arg_count + run->manifest_given != 1)
		return SM_FAIL(err, SM_USAGE, "found %zu manifests, allowed is exactly one",
			       run->arg_count + run->manifest_given);
	if (run->manifest_given)
		return show(run->manifest, get, err);
	struct sm_manifest m;
	SM_TRY(sm_manifest_load(run->args[0], &sm_manifest_schema, &m, err));
	enum sm_status st = show(m.root, get, err);
	sm_manifest_clear(&m);
	return st;
}

static const char *const sections[] = {
	"name",  "dataset", "phantom", "ingest",   "preprocess", "split",   "tile", "slice",
	"pair",  "train",   "translate", "predict", "evaluate", "compare",    "report",
	"explore", NULL,
};

static const struct sm_stage stage = {
	.name = "manifest",
	.summary = "check a manifest and print it with all defaults",
	.details = "Prints the manifest as JSON with every default filled in. --describe prints "
		   "all keys\n"
		   "of all sections with their types, allowed values, defaults and meaning.\n"
		   "\n"
		   "  scanmill manifest manifests/demo.yaml\n"
		   "  scanmill manifest --get dataset manifests/demo.yaml",
	.args = "FILE",
	.version = 1,
	.needs = SM_NO_LEDGER,
	.manifest = &sm_manifest_schema,
	.options = &option_set,
	.sections = sections,
	.run = run_manifest,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
