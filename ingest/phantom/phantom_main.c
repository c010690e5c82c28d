/* SPDX-License-Identifier: Apache-2.0
 *
 * scanmill phantom: writes a synthetic cohort and phantom.json, the truth about it. A tool, not a
 * stage: its folder stands for raw data, so it gets no ledger.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/stage.h"
#include "ingest/phantom/phantom.h"
#include "manifests/schema.h"

#define FACTS_NAME "phantom.json"
/* Holds the settings while the cohort is unfinished; no stage looks at .partial files. */
#define MARK_NAME ".phantom.partial"

/* The manifest's section, with what stands on the command line over it. */
static struct sm_phantom_section resolve(const struct sm_run *run)
{
	const struct sm_manifest_root *root = run->manifest;
	struct sm_phantom_section s = *root->phantom;
	const struct sm_phantom_section *given = run->options;
#define TAKE(member) \
	if (sm_run_given(run, #member)) \
	s.member = given->member
	TAKE(kind);
	TAKE(cases);
	TAKE(size);
	TAKE(spacing);
	TAKE(empty_et);
	TAKE(noise);
	TAKE(bias);
	TAKE(defect);
#undef TAKE
	return s;
}

static json_t *settings_of(const struct sm_run *run, const struct sm_phantom_section *s)
{
	json_t *settings = sm_fields_dump(&sm_phantom_fieldset, s);
	json_object_set_new(settings, "seed", json_integer((json_int_t)run->seed));
	json_object_set_new(settings, "version", json_integer(run->stage->version));
	return settings;
}

/* The settings in a file of an earlier run; NULL when it is not there or cannot be read. */
static json_t *settings_in(const char *path)
{
	json_t *all = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	json_t *settings = json_incref(json_object_get(all, "settings"));
	json_decref(all);
	return settings;
}

/* A folder with anything in it but the same cohort, finished or not, is refused: cases would mix. */
static enum sm_status check_folder(const char *dir, const char *facts, const char *mark,
				   const json_t *settings, struct sm_err *err)
{
	const char *found = sm_file_exists(facts)  ? facts
			    : sm_file_exists(mark) ? mark
						   : NULL;
	if (found) {
		json_t *old = settings_in(found);
		bool same = json_equal(old, settings);
		json_decref(old);
		return same ? SM_OK
			    : SM_FAIL(err, SM_USAGE,
				      "%s: belongs to a cohort with other settings, allowed is "
				      "an empty folder or the same cohort again",
				      found);
	}
	struct sm_paths paths = {0};
	if (sm_is_dir(dir))
		SM_TRY(sm_walk(dir, &paths, err));
	size_t n = paths.count;
	sm_paths_clear(&paths);
	return n == 0 ? SM_OK
		      : SM_FAIL(err, SM_USAGE,
				"%s: holds %zu files but no " FACTS_NAME ", allowed is an empty "
				"folder or the same cohort again",
				dir, n);
}

/* cases is NULL in the mark of an unfinished cohort. */
static enum sm_status write_facts(const char *path, const json_t *settings, json_t *cases,
				  struct sm_err *err)
{
	json_t *all = json_object();
	json_object_set_new(all, "schema", json_integer(1));
	json_object_set(all, "settings", (json_t *)settings);
	if (cases)
		json_object_set(all, "cases", cases);
	char *text = json_dumps(all, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(17));
	json_decref(all);
	if (!text)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
	enum sm_status st = sm_file_write(path, text, strlen(text), err);
	free(text);
	return st;
}

static void print_table(const json_t *cases)
{
	size_t i;
	const char *region;
	json_t *facts, *volume;
	json_array_foreach(cases, i, facts)
	{
		printf("%s", sm_json_text(facts, "key"));
		json_object_foreach(json_object_get(facts, "mm3"), region, volume)
			printf("  %s %.1f", region, json_real_value(volume) / 1000);
		printf("  cm3\n");
	}
}

/* In the order of enum sm_phantom_kind. */
static enum sm_status (*const kinds[])(const struct sm_phantom *p, const char *dir, json_t **facts,
				       struct sm_err *err) = {
	[SM_PHANTOM_BRATS] = sm_phantom_brats,
	[SM_PHANTOM_CT_HEAD] = sm_phantom_ct,
	[SM_PHANTOM_PET_DYNAMIC] = sm_phantom_pet,
};

/* The mark stands from before the first case until all is there: a killed run leaves it, so that
 * only the same cohort is made to an end. */
static enum sm_status make(const struct sm_phantom *p, int kind, const char *dir, const char *facts,
			   const char *mark, const json_t *settings, struct sm_err *err)
{
	json_t *cases = NULL;
	enum sm_status st = write_facts(mark, settings, NULL, err);
	if (st == SM_OK)
		st = kinds[kind](p, dir, &cases, err);
	if (st == SM_OK)
		st = write_facts(facts, settings, cases, err);
	if (st == SM_OK && unlink(mark) != 0)
		st = SM_FAIL(err, SM_IO, "%s: cannot be removed", mark);
	if (st == SM_OK)
		print_table(cases);
	json_decref(cases);
	return st;
}

static enum sm_status run_phantom(struct sm_run *run, struct sm_err *err)
{
	struct sm_phantom_section s = resolve(run);
	struct sm_phantom p = {
		.cases = s.cases,
		.size = {s.size.v[0], s.size.v[1], s.size.v[2]},
		.spacing = {s.spacing.v[0], s.spacing.v[1], s.spacing.v[2]},
		.empty_et = s.empty_et,
		.noise = s.noise,
		.bias = s.bias,
		.defect = (enum sm_phantom_defect)s.defect,
		.seed = run->seed,
		.jobs = run->jobs,
		.mem = &run->mem,
		.log = &run->log,
	};
	json_t *settings = NULL;
	enum sm_status st = SM_OK;
	char *facts = sm_path_join(run->out, FACTS_NAME), *mark = sm_path_join(run->out, MARK_NAME);
	if (!facts || !mark)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "phantom: out of memory"));
	if (s.kind != SM_PHANTOM_CT_HEAD && s.defect != SM_DEFECT_NONE)
		SM_GOTO(st, SM_FAIL(err, SM_USAGE,
				    "--defect: allowed with kinds brats and pet_dynamic is only none, "
				    "defects belong to kind ct_head"));
	settings = settings_of(run, &s);
	SM_GOTO(st, check_folder(run->out, facts, mark, settings, err));
	if (run->dry_run)
		sm_info(&run->log, NULL, "%lld cases would be made", (long long)p.cases);
	else
		st = make(&p, s.kind, run->out, facts, mark, settings, err);
out:
	json_decref(settings);
	free(facts);
	free(mark);
	return st;
}

static const char *const sections[] = {"phantom", NULL};

static const struct sm_stage stage = {
	.name = "phantom",
	.summary = "write a synthetic cohort with exact truth",
	.details =
		"Writes --out/BraTS20_Training_NNN/ (kind brats: flair, t1, t1ce, t2, seg as .nii.gz)\n"
		"or --out/CT_NNN/ (kind ct_head: a DICOM series, one file a slice) or --out/PET_NNN/\n"
		"(kind pet_dynamic: 5 frames of a DICOM series), and\n"
		"--out/phantom.json with the volumes of every region. --seed decides all that is random.\n"
		"The folder must be empty or hold the same cohort, finished or not.\n"
		"\n"
		"  scanmill phantom --out raw --cases 12 --size 64,64,32\n"
		"  scanmill phantom --out ct --kind ct_head --cases 1 --size 256,256,40 --spacing 1,1,4",
	.version = 1,
	.needs = SM_NEEDS_OUT | SM_NO_LEDGER,
	.options = &sm_phantom_fieldset,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_phantom,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
