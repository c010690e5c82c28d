/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill manifest: checks a manifest and prints what it means, every default filled in.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/manifest.h"
#include "core/stage.h"
#include "manifests/schema.h"

static enum sm_status print_root(const void *root, struct sm_err *err)
{
	json_t *all = sm_fields_dump(&sm_manifest_schema, root);
	/* 15 digits: what a person wrote comes back as he wrote it. */
	char *text = json_dumps(all, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	json_decref(all);
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "manifest: out of memory");
	puts(text);
	free(text);
	return SM_OK;
}

static enum sm_status run_manifest(struct sm_run *run, struct sm_err *err)
{
	if (run->arg_count + run->manifest_given != 1)
		return SM_FAIL(err, SM_USAGE, "found %zu manifests, allowed is exactly one",
			       run->arg_count + run->manifest_given);
	if (run->manifest_given)
		return print_root(run->manifest, err);
	struct sm_manifest m;
	SM_TRY(sm_manifest_load(run->args[0], &sm_manifest_schema, &m, err));
	enum sm_status st = print_root(m.root, err);
	sm_manifest_clear(&m);
	return st;
}

static const char *const sections[] = {
	"phantom", "ingest",  "preprocess", "split",  "tile", "slice",
	"train",   "predict", "evaluate",   "report", NULL,
};

static const struct sm_stage stage = {
	.name = "manifest",
	.summary = "check a manifest and print it with all defaults",
	.details =
		"Prints the manifest as JSON with every default filled in. --describe prints all keys\n"
		"of all sections with their types, allowed values, defaults and meaning.\n"
		"\n"
		"  scanmill manifest manifests/demo.yaml",
	.args = "FILE",
	.version = 1,
	.needs = SM_NO_LEDGER,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_manifest,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
