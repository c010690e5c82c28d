/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage pair: samples for networks that turn one image into another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/stage.h"
#include "manifests/schema.h"
#include "preprocess/cases.h"
#include "preprocess/constant.h"
#include "preprocess/foldlist.h"
#include "preprocess/op_table.h"
#include "preprocess/pair.h"
#include "preprocess/pair_config.h"
#include "preprocess/view.h"

struct options {
	char *split;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"split", SM_F_STRING, AT(split), .path = true,
	 .doc = "folder of split: its folds, with pair.split: patient; cases that it leaves out"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("pair", struct options, fields, "options of pair");

struct stage_ctx {
	struct sm_cases cases; /* first: sm_cases_key takes the struct for it */
	const struct sm_pair_section *s;
	struct sm_ledger split;
	struct sm_pair_rule rule; /* but for the fold of a case */
	bool by_patient;
};

/* The images of the case as the volumes do; a fold decides outputs, too. */
static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	const struct stage_ctx *x = ctx;
	char hex[65];
	SM_TRY(sm_cases_inputs(ctx, i, item, err));
	if (!x->by_patient)
		return SM_OK;
	const char *fold = sm_fold_name(sm_folds_of(&x->split, item->key));
	SM_TRY(sm_records_check(x->split.records, err));
	sm_sha256_bytes(fold, strlen(fold), hex);
	return sm_item_input(item, "fold", fold, hex, err);
}

static enum sm_status make_dirs(const struct stage_ctx *x, struct sm_run *run, struct sm_err *err)
{
	char name[16];
	enum sm_status st = SM_OK;
	bool shards = x->s->format != SM_FORMAT_PNG && x->s->mode == SM_PAIR_UNPAIRED;
	bool pictures = x->s->format != SM_FORMAT_HDF5, plain = x->s->split == SM_BY_FIRST;
	for (int side = 'A'; st == SM_OK && side <= 'B'; side++)
		for (int f = -1; st == SM_OK && f < SM_FOLDS; f++) {
			/* -1: the folder without a fold's name */
			if (f < 0 ? !shards && !(pictures && plain) : !pictures || plain)
				continue;
			if (f >= 0 && !x->by_patient && !(x->rule.shares[f] > 0))
				continue;
			snprintf(name, sizeof name, "%s%c",
				 f < 0 ? "" : sm_fold_name((enum sm_fold)f), side);
			char *dir = sm_path_join(run->out, name);
			st = dir ? sm_mkdirs(dir, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", name);
			free(dir);
		}
	return st;
}

/* What a manifest calls a side, for sentences. */
static const char *said(const char *name)
{
	return name ? name : "the only volume";
}

static enum sm_status write_set(struct stage_ctx *x, struct sm_case *c, char domain,
				const struct sm_pair_side *a, const struct sm_pair_side *b,
				struct sm_item *item, struct sm_err *err)
{
	struct sm_pair_rule rule = x->rule;
	struct sm_pair_set set = {.s = x->s, .c = c, .domain = domain, .x = *a};
	SM_TRY(sm_case_shows(c, a->vol, a->first, a->channels, a->name, err));
	if (b)
		SM_TRY(sm_case_shows(c, b->vol, b->first, b->channels, b->name, err));
	if (b)
		set.b = *b;
	if (x->by_patient)
		rule.fold = sm_folds_of(&x->split, item->key);
	SM_TRY(sm_records_check(x->split.records, err));
	enum sm_status st = sm_pair_choose(&set, &rule, err);
	if (st == SM_OK && sm_slice_chosen(c, a->vol) && set.view.normal != 2)
		sm_item_warn(item, "preprocess has chosen z slices: %s ones are all written",
			     sm_plane_name((enum sm_plane)x->s->plane));
	if (st == SM_OK)
		st = sm_pair_write(&set, item, err);
	if (st == SM_OK)
		sm_pair_note(&set, item->record);
	sm_pair_set_clear(&set);
	return st;
}

/* Both are missing: what is there tells why. */
static enum sm_status has_neither(const struct sm_case *c, const struct sm_pair_section *s,
				  struct sm_err *err)
{
	bool one = c->count == 1;
	return SM_FAIL(err, SM_INPUT,
		       "%s: has no volume, channel or modality '%s' (pair.a) and none of '%s' "
		       "(pair.b), but %s%s%s%s",
		       c->key, s->a, s->b, one ? "'" : "others", one ? c->vols[0].role : "",
		       one ? "' alone" : "",
		       one && c->pictures ? ", the role of pictures that lie in one folder" : "");
}

static enum sm_status pair_case(struct stage_ctx *x, struct sm_case *c, struct sm_item *item,
				struct sm_err *err)
{
	const struct sm_pair_section *s = x->s;
	struct sm_pair_side a, b = {0};
	sm_pair_find(c, s->a, &a);
	if (s->mode != SM_PAIR_TRIPLETS)
		sm_pair_find(c, s->b, &b);
	if (c->pictures && s->plane != SM_PLANE_AXIAL)
		return SM_FAIL(err, SM_INPUT,
			       "%s: is a picture, pair.plane is %s, allowed is axial", c->key,
			       sm_plane_name((enum sm_plane)s->plane));
	if (s->mode == SM_PAIR_UNPAIRED) {
		if (!a.vol && !b.vol)
			return has_neither(c, s, err);
		if (a.vol)
			SM_TRY(write_set(x, c, 'a', &a, NULL, item, err));
		return b.vol ? write_set(x, c, 'b', &b, NULL, item, err) : SM_OK;
	}
	if (!a.vol && !s->a)
		return SM_FAIL(err, SM_INPUT, "%s: has %zu volumes, pair.a must say which is meant",
			       c->key, c->count);
	if (!a.vol && !b.vol && s->mode == SM_PAIR_ALIGNED)
		return has_neither(c, s, err);
	if (!a.vol || (!b.vol && s->mode == SM_PAIR_ALIGNED))
		return SM_FAIL(err, SM_INPUT,
			       "%s: has no volume, channel or modality '%s' (pair.%c)", c->key,
			       a.vol ? s->b : said(s->a), a.vol ? 'b' : 'a');
	if (s->mode == SM_PAIR_TRIPLETS)
		return write_set(x, c, 0, &a, &a, item, err);
	SM_TRY(sm_pair_same_grid(c, &a, &b, s->grid_tolerance, err));
	bool back = s->direction == SM_B_TO_A;
	return write_set(x, c, 0, back ? &b : &a, back ? &a : &b, item, err);
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct stage_ctx *x = ctx;
	const struct sm_manifest_root *m = item->run->manifest;
	struct sm_case c = {0};
	sm_cases_patient(&x->cases, i, item->record);
	SM_TRY(sm_cases_load(&x->cases, i, item->jobs, &c, err));
	json_object_set_new(item->record, "sets", json_array());
	if (x->by_patient)
		json_object_set_new(item->record, "fold",
				    json_string(sm_fold_name(sm_folds_of(&x->split, item->key))));
	enum sm_status st = SM_OK;
	if (!x->cases.preprocessed)
		st = sm_ops_run(&c, &m->preprocess->steps, m->preprocess->upto, err);
	sm_case_warnings(&c, item);
	if (st == SM_OK)
		st = pair_case(x, &c, item, err);
	sm_case_clear(&c);
	return st;
}

/* True when the record of ingest or preprocess lists a volume, a channel or the modality of that
 * name. */
static bool holds(const json_t *record, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(record, "channels"), i, v)
		if (strcmp(json_string_value(v) ? json_string_value(v) : "", name) == 0)
			return true;
	const char *modality = sm_json_text(record, "modality");
	return sm_record_output(record, name) || (modality && sm_modality_is(modality, name));
}

/* A tree holds scans that are not for this data set (the MR and PET beside the CT): they are no bad
 * items, so they are left out, and the ledger's header lists them. With steps run here a channel
 * has no name yet, so nothing is. */
static enum sm_status leave_out_others(struct sm_run *run, struct stage_ctx *x, struct sm_err *err)
{
	enum sm_status st = SM_OK;
	json_t *list = json_array();
	size_t kept = 0;
	size_t *at = calloc(x->cases.count + 1, sizeof *at);
	if (!at)
		SM_GOTO(st, SM_FAIL(err, SM_BUDGET, "pair: out of memory"));
	for (size_t i = 0; i < x->cases.count; i++) {
		json_t *record = sm_cases_record(&x->cases, i, err);
		if (!record)
			SM_GOTO(st, SM_IO);
		if (holds(record, x->s->a) || (x->s->b && holds(record, x->s->b)))
			at[kept++] = x->cases.at[i];
		else
			json_array_append_new(list, json_string(sm_record_key(record)));
		json_decref(record);
	}
	size_t n = json_array_size(list);
	/* When none is left, each case says so itself. */
	if (n && kept) {
		memcpy(x->cases.at, at, kept * sizeof *at);
		sm_info(&run->log, NULL, "%zu case%s with neither pair.a nor pair.b left out", n,
			n == 1 ? "" : "s");
		json_object_set(run->ledger.header, "left_out", list);
		x->cases.count = kept;
	}
out:
	free(at);
	json_decref(list);
	return st;
}

/* What must be given for this mode and this split. */
static enum sm_status check(const struct stage_ctx *x, const struct options *o, struct sm_err *err)
{
	static const char *const modes[] = {"aligned", "triplets", "unpaired"};
	if (x->s->mode != SM_PAIR_TRIPLETS && (!x->s->a || !x->s->b))
		return SM_FAIL(err, SM_USAGE, "pair.%c: is missing, mode %s needs a and b",
			       x->s->a ? 'b' : 'a', modes[x->s->mode]);
	if (x->by_patient && !o->split)
		return SM_FAIL(
			err, SM_USAGE,
			"--split: is missing, pair.split: patient takes the folds of stage split");
	return SM_OK;
}

static enum sm_status run(struct sm_run *run, struct sm_err *err)
{
	const struct options *o = run->options;
	const struct sm_manifest_root *m = run->manifest;
	const struct sm_pair_section *s = m->pair;
	struct stage_ctx x = {
		.s = s,
		.by_patient = s->split == SM_BY_PATIENT,
		.rule = {.split = (enum sm_pair_split)s->split,
			 .seed = sm_run_given(run, "seed") ? run->seed : (uint64_t)s->seed,
			 .block = s->block,
			 .gap = s->gap,
			 .shares = {[SM_TRAIN] = m->split->train,
				    [SM_TEST] = m->split->test,
				    [SM_VALID] = m->split->valid}}};
	enum sm_status st;
	SM_TRY(check(&x, o, err));
	SM_GOTO(st, sm_folds_open(run, o->split, &x.cases, &x.split, err));
	if (s->a && x.cases.preprocessed)
		SM_GOTO(st, leave_out_others(run, &x, err));
	/* From here on the folder is an unfinished one. */
	if (!run->dry_run)
		SM_GOTO(st, sm_run_begin(run, err));
	if (!run->dry_run)
		SM_GOTO(st, make_dirs(&x, run, err));
	struct sm_items items = {.count = x.cases.count,
				 .noun = "cases",
				 .ctx = &x,
				 .key = sm_cases_key,
				 .inputs = inputs,
				 .work = work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (!run->dry_run)
		st = sm_pair_finish(run, s, x.rule.shares, x.by_patient ? &x.split : NULL, err);
out:
	sm_ledger_clear(&x.split);
	sm_cases_close(&x.cases);
	return st;
}

/* ingest: its sources say which role is the label; split: its shares. */
static const char *const sections[] = {"ingest", "preprocess", "split", "pair", NULL};

static const struct sm_stage stage = {
	.name = "pair",
	.summary = "pairs of images, slice triplets and unpaired domains",
	.details =
		"Reads the folder of preprocess, or of ingest: then the manifest's operations run "
		"in "
		"memory\n"
		"first. pair.mode aligned: two volumes of a case slice by slice, or two pictures; "
		"triplets: the\n"
		"middle of three slices from the mean of its neighbours, never across scans; "
		"unpaired: "
		"slices of\n"
		"two domains. Writes <case>.h5 (unpaired: A/<case>.h5, B/<case>.h5), pictures\n"
		"trainA/<case>_<slice>.png and so on, and config.json, which lists all samples by "
		"fold.\n"
		"  scanmill pair --manifest m.yaml --in work/preprocess --split work/split --out "
		"work/pair",
	.version = 1,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT | SM_BY_ITEM,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
