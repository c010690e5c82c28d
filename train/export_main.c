/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill export: a trained network as safetensors and ONNX.
 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/stage.h"
#include "train/export.h"
#include "train/nn/nn.h"

enum { SAFETENSORS, ONNX, BOTH };

struct options {
	char *checkpoint, *name;
	int format;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"checkpoint", SM_F_STRING, AT(checkpoint), .path = true,
	 .doc = "checkpoint of train (best.hdf5)"},
	{"format", SM_F_CHOICE, AT(format), "both", .choices = "safetensors|onnx|both",
	 .doc = "what to write"},
	{"name", SM_F_STRING, AT(name),
	 .doc = "the files' name without ending; absent = the checkpoint's"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("export", struct options, fields, "options of export");

/* The formats' files. Adding one: a row, and a choice of --format. */
static const struct {
	int format;
	const char *ending;
	enum sm_status (*write)(const struct sm_export *e, const char *path, struct sm_err *err);
} formats[] = {
	{SAFETENSORS, ".safetensors", sm_export_safetensors},
	{ONNX, ".onnx", sm_export_onnx},
};

static bool wanted(const struct options *o, size_t i)
{
	return o->format == BOTH || o->format == formats[i].format;
}

/* The name of the files: a checkpoint's without .hdf5. */
static enum sm_status stem_of(const struct options *o, char stem[101], struct sm_err *err)
{
	const char *base = o->name ? o->name : sm_path_base(o->checkpoint);
	size_t n = strlen(base);
	if (!o->name && sm_ends_with(base, ".hdf5"))
		n -= strlen(".hdf5");
	if (n <= 100) {
		memcpy(stem, base, n);
		stem[n] = 0;
	}
	if (n > 100 || !sm_key_is_safe(stem))
		return SM_FAIL(
			err, SM_USAGE,
			"--name: found '%s', allowed are 1 to 100 letters, digits, '_', '-', '.'",
			base);
	return SM_OK;
}

static enum sm_status path_of(const struct sm_run *run, const char *stem, size_t i, char **path,
			      struct sm_err *err)
{
	char *name = sm_strf("%s%s", stem, formats[i].ending);
	*path = name ? sm_path_join(run->out, name) : NULL;
	free(name);
	return *path ? SM_OK : SM_FAIL(err, SM_BUDGET, "export: out of memory");
}

/* Nothing is written when a file of one of the formats is there. */
static enum sm_status check_free(const struct sm_run *run, const char *stem, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	for (size_t i = 0; st == SM_OK && i < SM_COUNT(formats); i++) {
		char *path = NULL;
		if (!wanted(run->options, i))
			continue;
		SM_TRY(path_of(run, stem, i, &path, err));
		if (sm_file_exists(path))
			st = SM_FAIL(
				err, SM_USAGE,
				"%s: exists already: remove it, or give another --out or --name",
				path);
		free(path);
	}
	return st;
}

static enum sm_status write_one(struct sm_run *run, const struct sm_export *e, const char *stem,
				size_t i, struct sm_err *err)
{
	char *path = NULL, hex[65];
	enum sm_status st;
	SM_GOTO(st, path_of(run, stem, i, &path, err));
	SM_GOTO(st, formats[i].write(e, path, err));
	SM_GOTO(st, sm_sha256_file(path, hex, err));
	sm_info(&run->log, sm_path_base(path), "sha256 %s", hex);
out:
	free(path);
	return st;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	struct sm_export e = {0};
	char stem[101];
	enum sm_status st;
	if (!o->checkpoint)
		return SM_FAIL(err, SM_USAGE,
			       "--checkpoint: is missing (--help lists the options)");
	SM_TRY(stem_of(o, stem, err));
	SM_TRY(check_free(run, stem, err));
	SM_GOTO(st, sm_export_open(o->checkpoint, &run->mem, &e, err));
	sm_info(&run->log, NULL, "%s", e.doc);
	for (size_t i = 0; !run->dry_run && i < SM_COUNT(formats); i++)
		if (wanted(o, i))
			SM_GOTO(st, write_one(run, &e, stem, i, err));
out:
	sm_export_close(&e);
	return st;
}

static const struct sm_stage stage = {
	.name = "export",
	.summary = "a trained network as safetensors and ONNX for other programs",
	.details = "Writes OUT/<checkpoint>.safetensors (weights and running statistics, with the "
		   "names of the\n"
		   "MONAI network that is most like it) and OUT/<checkpoint>.onnx (the network "
		   "itself, channels\n"
		   "first, any batch size). docs/export.md tells names, inputs and outputs.\n"
		   "Networks of image translation (dataset: pair) are not exported.\n"
		   "  scanmill export --checkpoint work/train/best.hdf5 --format both --out "
		   "work/export",
	.version = 1,
	.needs = SM_NEEDS_OUT | SM_NO_LEDGER,
	.options = &options,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
