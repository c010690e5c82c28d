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

/* In the order of enum sm_phantom_kind: who makes it, and what stands for keys that are absent. */
static const struct kind {
	const char *name;
	enum sm_status (*make)(const struct sm_phantom *p, const char *dir, json_t **facts,
			       struct sm_err *err);
	int64_t size[3];
	double spacing[3];
	int64_t frames;     /* 0 = has none */
	int64_t ct_size[3]; /* when size is absent too; 0 = has none */
} kinds[SM_PHANTOM_KINDS] = {
	[SM_PHANTOM_BRATS] = {"brats", sm_phantom_brats, {240, 240, 155}, {1, 1, 1}, 0, {0}},
	[SM_PHANTOM_CT_HEAD] = {"ct_head", sm_phantom_ct, {512, 512, 40}, {0.5, 0.5, 4}, 0, {0}},
	[SM_PHANTOM_PET_DYNAMIC] =
		{"pet_dynamic", sm_phantom_pet, {128, 128, 63}, {2, 2, 2.75}, 5, {0}},
	[SM_PHANTOM_MR_CT] =
		{"mr_ct", sm_phantom_mr_ct, {256, 170, 176}, {1, 1, 1}, 0, {512, 512, 233}},
	[SM_PHANTOM_MR_CT_PAIR] =
		{"mr_ct_pair", sm_phantom_mr_ct_pair, {256, 170, 176}, {1, 1, 1}, 0, {0}},
	[SM_PHANTOM_PET_CT] =
		{"pet_ct", sm_phantom_pet_ct, {128, 128, 63}, {2, 2, 2.75}, 11, {512, 512, 233}},
	[SM_PHANTOM_PET_CT_PAIR] =
		{"pet_ct_pair", sm_phantom_pet_ct_pair, {128, 128, 63}, {2, 2, 2.75}, 11, {0}},
	[SM_PHANTOM_CT_STACK] =
		{"ct_stack", sm_phantom_ct_stack, {512, 512, 240}, {0.5, 0.5, 0.75}, 0, {0}},
	[SM_PHANTOM_MAMMO] = {"mammo", sm_phantom_mammo, {256, 256, 1}, {1, 1, 1}, 0, {0}},
};

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
	TAKE(ct_size);
	TAKE(frames);
	TAKE(empty_et);
	TAKE(noise);
	TAKE(bias);
	TAKE(defect);
#undef TAKE
	return s;
}

/* Keys that the kind does not know are refused; absent ones get its values. The arrays are borrowed
 * from the table and not written to. */
static enum sm_status settle(struct sm_phantom_section *s, struct sm_err *err)
{
	const struct kind *k = &kinds[s->kind];
	bool pictures = s->kind == SM_PHANTOM_MAMMO;
	if (s->kind != SM_PHANTOM_CT_HEAD && s->defect != SM_DEFECT_NONE)
		return SM_FAIL(
			err, SM_USAGE,
			"defect: allowed with kind %s is only none, defects belong to kind ct_head",
			k->name);
	if (s->frames && !k->frames)
		return SM_FAIL(err, SM_USAGE,
			       "frames: allowed with kind %s is only 0, frames belong to kinds "
			       "pet_dynamic, pet_ct and pet_ct_pair",
			       k->name);
	if (s->ct_size.n && !k->ct_size[0])
		return SM_FAIL(err, SM_USAGE,
			       "ct_size: is given, allowed with kind %s is none, it belongs to "
			       "kinds mr_ct and pet_ct",
			       k->name);
	if (s->spacing.n && pictures)
		return SM_FAIL(err, SM_USAGE, "spacing: is given, allowed with kind mammo is none");
	if (!s->size.n && !s->ct_size.n && k->ct_size[0])
		s->ct_size = (struct sm_ints){(int64_t *)(uintptr_t)k->ct_size, 3};
	if (!s->size.n)
		s->size = (struct sm_ints){(int64_t *)(uintptr_t)k->size, 3};
	if (!s->spacing.n)
		s->spacing = (struct sm_floats){(double *)(uintptr_t)k->spacing, 3};
	if (!s->frames)
		s->frames = k->frames;
	for (size_t a = 0; a < 3; a++) {
		int64_t n = s->size.v[a], low = pictures && a == 2 ? 1 : 8,
			high = pictures && a == 2 ? 1 : 4096;
		if (n < low || n > high)
			return SM_FAIL(
				err, SM_USAGE,
				"size: found '%lld', allowed with kind %s is from %lld to %lld",
				(long long)n, k->name, (long long)low, (long long)high);
	}
	return SM_OK;
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

/* A folder with anything in it but the same cohort, finished or not, is refused: cases would
 * mix. */
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
		json_t *mm3 = json_object_get(facts, "mm3");
		printf("%s", sm_json_text(facts, "key"));
		json_object_foreach(mm3 ? mm3 : json_object_get(facts, "voxels"), region, volume)
			printf(mm3 ? "  %s %.1f" : "  %s %.0f", region,
			       json_number_value(volume) / (mm3 ? 1000 : 1));
		printf("  %s\n", mm3 ? "cm3" : "voxels");
	}
}

/* The mark stands from before the first case until all is there: a killed run leaves it, so that
 * only the same cohort is made to an end. */
static enum sm_status make(const struct sm_phantom *p, int kind, const char *dir, const char *facts,
			   const char *mark, const json_t *settings, struct sm_err *err)
{
	json_t *cases = NULL;
	enum sm_status st = write_facts(mark, settings, NULL, err);
	if (st == SM_OK)
		st = kinds[kind].make(p, dir, &cases, err);
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
	SM_TRY(settle(&s, err));
	struct sm_phantom p = {
		.cases = s.cases,
		.size = {s.size.v[0], s.size.v[1], s.size.v[2]},
		.spacing = {s.spacing.v[0], s.spacing.v[1], s.spacing.v[2]},
		.empty_et = s.empty_et,
		.noise = s.noise,
		.bias = s.bias,
		.defect = (enum sm_phantom_defect)s.defect,
		.frames = s.frames,
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
	for (size_t a = 0; a < s.ct_size.n; a++)
		p.ct_size[a] = s.ct_size.v[a];
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
		"Writes below --out, by --kind:\n"
		"  brats        BraTS20_Training_NNN/: flair, t1, t1ce, t2, seg as .nii.gz\n"
		"  ct_head      CT_NNN/: a DICOM series, one file a slice\n"
		"  pet_dynamic  PET_NNN/: a DICOM series, one file a slice and frame (--frames)\n"
		"  mr_ct        MR_NNN/mr.nii.gz and CT_NNN/ (DICOM) of other patients\n"
		"  mr_ct_pair   PAIR_NNN/mr.nii.gz and ct.nii.gz of one head on one grid\n"
		"  pet_ct       PET_NNN/pet.nii.gz (4-D) and CT_NNN/ (DICOM) of other patients\n"
		"  pet_ct_pair  PAIR_NNN/pet.nii.gz (4-D) and ct.nii.gz of one head on one grid\n"
		"  ct_stack     CT_NNN/: a DICOM series of many thin slices\n"
		"  mammo        A/N.png and B/N.png: mammogram and drawing\n"
		"and --out/phantom.json with the volumes of every region. --seed decides all that "
		"is random.\n"
		"The folder must be empty or hold the same cohort, finished or not.\n"
		"\n"
		"  scanmill phantom --out raw --cases 12 --size 64,64,32\n"
		"  scanmill phantom --out ct --kind ct_head --cases 1 --size 256,256,40 --spacing "
		"1,1,4",
	.version = 2,
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
