/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "eval/compare.h"
#include "eval/overrides.h"

#define AT(member) .offset = offsetof(struct sm_compare_options, member)
/* These are written to the ledger as settings of their section. */
#define ABOVE .no_setting = true
static const struct sm_field fields[] = {
	{"raters", SM_F_STRINGS, AT(raters), .path = true,
	 .doc = "label volumes of one case, or folders: of stage predict, or with files of the "
		"same "
		"names"},
	{"names", SM_F_STRINGS, AT(names), .commas = true,
	 .doc = "of the raters, in their order; without it those of the files and folders"},
	{"truth", SM_F_STRING, AT(truth), .path = true,
	 .doc = "label volume, or folder: of stage ingest, or with files of the same names"},
	{"metrics", SM_F_STRINGS, AT(metrics), ABOVE,
	 .doc = "columns by key, or all (evaluate.metrics)"},
	{"tolerances", SM_F_FLOATS, AT(tolerances), NULL, 1e-3, 1e3, ABOVE,
	 .doc = "mm of the normalised surface Dice (evaluate.tolerances)"},
	{"empty", SM_F_CHOICE, AT(empty), "brats2020", .choices = "brats2020|nnunet|strict|seed",
	 ABOVE, .doc = "policy for empty regions (evaluate.empty)"},
	{"map", SM_F_CHOICE, AT(map), "brats", .choices = "brats|brats2023", ABOVE,
	 .doc = "labels and regions (evaluate.map)"},
	{"lesions", SM_F_CHOICE, AT(lesions), "off", .choices = "off|gli|ssa|ped|men|met", ABOVE,
	 .doc = "rule of lesion-wise columns (evaluate.lesions)"},
	{"threshold", SM_F_FLOAT, AT(threshold), "none", -1e9, 1e9, .none = true, ABOVE,
	 .doc = "of masks that are no whole numbers (evaluate.threshold)"},
	{"fuse", SM_F_CHOICE, AT(fuse), "auto", .choices = "auto|off|majority|staple|both", ABOVE,
	 .doc = "one label volume of all raters (compare.fuse)"},
	{"ties", SM_F_CHOICE, AT(ties), "background", .choices = "background|first", ABOVE,
	 .doc = "fused voxels with several winners (compare.ties)"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("compare", struct sm_compare_options, fields, NULL);

static const char *case_key(void *ctx, size_t i)
{
	return ((struct sm_comparing *)ctx)->key[i];
}

static enum sm_status case_inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	(void)i;
	return sm_members_input(ctx, item, err);
}

static enum sm_status case_work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	(void)i;
	return sm_compare_case(ctx, item, err);
}

/* The sections with the options, which the ledger then has as if the manifest had said so. */
static enum sm_status take_options(struct sm_comparing *c, struct sm_err *err)
{
	const struct sm_compare_options *o = c->o;
	struct sm_evaluate_section *s = &c->section;
	struct sm_run *run = c->run;
	const struct sm_override above[] = {
		{"metrics", &s->metrics, &o->metrics, sizeof s->metrics},
		{"tolerances", &s->tolerances, &o->tolerances, sizeof s->tolerances},
		{"empty", &s->empty, &o->empty, sizeof s->empty},
		{"map", &s->map, &o->map, sizeof s->map},
		{"lesions", &s->lesions, &o->lesions, sizeof s->lesions},
		{"threshold", &s->threshold, &o->threshold, sizeof s->threshold},
		{"fuse", &c->settings.fuse, &o->fuse, sizeof c->settings.fuse},
		{"ties", &c->settings.ties, &o->ties, sizeof c->settings.ties},
	};
	sm_overrides_take(run, above, SM_COUNT(above));
	if (sm_run_given(run, "map") && s->labels.n)
		return SM_FAIL(err, SM_USAGE,
			       "--map: is given, but counts only where the manifest names no "
			       "labels");
	SM_TRY(sm_section_fields("evaluate")->check(s, err));
	SM_TRY(sm_overrides_record(run, "evaluate", s, err));
	return sm_overrides_record(run, "compare", &c->settings, err);
}

static enum sm_status check(const struct sm_comparing *c, const struct sm_manifest_root *manifest,
			    struct sm_err *err)
{
	if (manifest->dataset == SM_LAST_PAIR)
		return SM_FAIL(err, SM_USAGE,
			       "dataset: found pair, compare takes label volumes: tile or slice");
	if (c->section.missing == SM_MISSING_WORST)
		return SM_FAIL(err, SM_USAGE,
			       "evaluate.missing: found worst, allowed with compare are reject and "
			       "list");
	if (c->columns.units >> SM_BY_TILE & 1)
		return SM_FAIL(err, SM_USAGE,
			       "evaluate.by: found tile, allowed with compare are voxel and slice");
	if (c->folders && !c->run->out)
		return SM_FAIL(err, SM_USAGE, "--out: is missing");
	return SM_OK;
}

static enum sm_status run_stage(struct sm_run *run, struct sm_err *err)
{
	const struct sm_manifest_root *manifest = run->manifest;
	enum sm_status st;
	struct sm_comparing *c = calloc(1, sizeof *c);
	if (!c)
		return SM_FAIL(err, SM_BUDGET, "compare: out of memory");
	c->run = run;
	c->o = run->options;
	c->section = *manifest->evaluate;
	c->settings = *manifest->compare;
	SM_GOTO(st, take_options(c, err));
	SM_GOTO(st, sm_label_map_make(&c->section, &c->map, err));
	SM_GOTO(st, sm_columns_make(&c->section, &c->columns, err));
	SM_GOTO(st, sm_members_open(c, err));
	SM_GOTO(st, check(c, manifest, err));
	json_object_set_new(run->ledger.header, "columns", sm_columns_to_json(&c->columns));
	struct sm_items items = {.count = c->cases,
				 .noun = "cases",
				 .ctx = c,
				 .key = case_key,
				 .inputs = case_inputs,
				 .work = case_work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (!run->dry_run) {
		SM_GOTO(st, sm_compare_sum_up(c, err));
		st = sm_compare_write(c, err);
	}
out:
	sm_compare_clear(c);
	sm_members_close(c);
	free(c);
	return st;
}

static const char *const sections[] = {"dataset", "evaluate", "compare", NULL};
static const struct sm_stage stage = {
	.name = "compare",
	.summary = "raters or models against each other and the truth, and fused to one",
	.details =
		"Takes two or more raters: label volumes of one case, or folders of them (of stage "
		"predict, or\n"
		"plain ones, matched by name). Scores each against each other, as evaluate scores "
		"a "
		"prediction,\n"
		"and against --truth; from three raters on makes one label volume of them by "
		"majority and by\n"
		"STAPLE (Warfield, Zou, Wells 2004), which also tells each rater's sensitivity and "
		"specificity.\n"
		"With a truth and several cases, raters are tested in pairs. Writes pairs.csv (a "
		"row a case,\n"
		"pair and region), summary.csv, staple.csv, tests.csv, table.md, table.tex, "
		"summary.json,\n"
		"majority/<case>.nii.gz, staple/<case>.nii.gz and the ledger, and prints the Dice "
		"of all pairs.\n"
		"docs/compare.md tells more.\n\n"
		"  scanmill compare --raters a.nii.gz,b.nii.gz,c.nii.gz --truth t.nii.gz\n"
		"  scanmill compare --raters W/a/predict,W/b/predict --truth W/ingest --out "
		"W/compare",
	.version = 2, /* 2: threshold null, no more 0, is none */
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_stage,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
