/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "core/par.h"
#include "eval/evaluate.h"
#include "eval/label_files.h"
#include "manifests/roles.h"

/* Why a case of the truth has no prediction. */
enum { OTHER_FOLD, REJECTED_BY_INGEST, REJECTED_BY_PREPROCESS, NOT_TOLD, NO_FILE, REASONS };
static const struct {
	const char *key, *words;
} reasons[REASONS] = {
	[OTHER_FOLD] = {"other_folds", "of other folds"},
	[REJECTED_BY_INGEST] = {"rejected_by_ingest", "rejected by ingest"},
	[REJECTED_BY_PREPROCESS] = {"rejected_by_preprocess", "rejected by preprocess"},
	[NOT_TOLD] = {"not_told", "not named in the predict ledger"},
	[NO_FILE] = {"no_file", "no file of that name in the folder of predictions"},
};

static bool lists(const struct sm_evaluating *w, const char *name, const char *key)
{
	size_t i;
	json_t *entry;
	json_array_foreach(
		json_object_get(json_object_get(w->predict.header, "not_predicted"), name), i,
		entry) if (json_is_string(entry) &&
			   strcmp(json_string_value(entry), key) == 0) return true;
	return false;
}

static int why_not_predicted(const struct sm_evaluating *w, const struct sm_pair *p)
{
	if (w->from == SM_PAIRS_FOLDERS)
		return NO_FILE;
	if (p->truth == SM_NONE || !sm_records_ok(w->ingest.records, p->truth))
		return REJECTED_BY_INGEST;
	if (lists(w, "rejected", p->key))
		return REJECTED_BY_PREPROCESS;
	return lists(w, "other_folds", p->key) ? OTHER_FOLD : NOT_TOLD;
}

/* True when predict was asked for every case, so that a truth without prediction is a fault. */
static bool predicted_all(const struct sm_ledger *predict)
{
	const json_t *manifest =
		json_object_get(json_object_get(predict->header, "settings"), "manifest");
	const char *fold = sm_json_text(json_object_get(manifest, "predict"), "fold");
	return fold && strcmp(fold, "all") == 0;
}

static bool has_prediction(const struct sm_evaluating *w, const struct sm_pair *p)
{
	return w->from == SM_PAIRS_FOLDERS ? p->prediction_file != NULL : p->prediction != SM_NONE;
}

/* Adds a pair, or lists its case by reason. What was not to be predicted is no fault. */
static void add_pair(struct sm_evaluating *w, const struct sm_pair *pair, bool wanted)
{
	json_t *left_out = json_object_get(w->run->ledger.header, "not_predicted");
	if (pair->misnamed || has_prediction(w, pair)) {
		w->pairs[w->count++] = *pair;
		return;
	}
	int why = why_not_predicted(w, pair);
	/* An empty prediction in its place needs a truth. */
	bool scored = w->section.missing == SM_MISSING_WORST && why != OTHER_FOLD &&
		      why != REJECTED_BY_INGEST && (wanted || why == REJECTED_BY_PREPROCESS);
	if (scored || (wanted && w->section.missing != SM_MISSING_LIST))
		w->pairs[w->count++] = *pair;
	else
		json_array_append_new(json_object_get(left_out, reasons[why].key),
				      json_string(pair->key));
}

static enum sm_status begin_list(struct sm_evaluating *w, size_t most, struct sm_err *err)
{
	json_t *left_out = json_object();
	json_object_set_new(w->run->ledger.header, "not_predicted", left_out);
	for (int r = 0; r < REASONS; r++)
		if (r != NO_FILE || w->from == SM_PAIRS_FOLDERS)
			json_object_set_new(left_out, reasons[r].key, json_array());
	w->pairs = sm_arena_alloc(&w->run->arena, (most + 1) * sizeof *w->pairs);
	if (!w->pairs || !left_out)
		return SM_FAIL(err, SM_BUDGET, "list of cases: out of memory");
	return SM_OK;
}

/* Merges the two sorted ledgers. */
static enum sm_status list_records(struct sm_evaluating *w, struct sm_err *err)
{
	struct sm_records *predictions = w->predict.records, *truths = w->ingest.records;
	size_t np = sm_records_count(predictions), nt = sm_records_count(truths);
	bool all = predicted_all(&w->predict);
	SM_TRY(begin_list(w, np + nt, err));
	for (size_t i = 0, k = 0; i < np || k < nt;) {
		int order = i == np   ? 1
			    : k == nt ? -1
				      : strcmp(sm_records_key(predictions, i),
					       sm_records_key(truths, k));
		struct sm_pair pair = {.key = order <= 0 ? sm_records_key(predictions, i)
							 : sm_records_key(truths, k),
				       .prediction = order <= 0 ? i : SM_NONE,
				       .truth = order >= 0 ? k : SM_NONE};
		i += order <= 0;
		k += order >= 0;
		add_pair(w, &pair, all);
	}
	return SM_OK;
}

static enum sm_status list_folders(struct sm_evaluating *w, struct sm_err *err)
{
	struct sm_named *p = NULL, *t = NULL;
	size_t np, nt;
	SM_TRY(sm_label_files(w->o->pred, "--pred", &w->run->arena, &p, &np, err));
	SM_TRY(sm_label_files(w->o->truth, "--truth", &w->run->arena, &t, &nt, err));
	SM_TRY(begin_list(w, np + nt, err));
	for (size_t i = 0, k = 0; i < np || k < nt;) {
		int order = i == np ? 1 : k == nt ? -1 : strcmp(p[i].key, t[k].key);
		struct sm_pair pair = {.key = order <= 0 ? p[i].key : t[k].key,
				       .prediction = SM_NONE,
				       .truth = SM_NONE,
				       .prediction_file = order <= 0 ? p[i].file : NULL,
				       .truth_file = order >= 0 ? t[k].file : NULL,
				       .misnamed = order <= 0 ? p[i].misnamed : t[k].misnamed};
		i += order <= 0;
		k += order >= 0;
		add_pair(w, &pair, true);
	}
	return SM_OK;
}

enum sm_status sm_pairs_list(struct sm_evaluating *w, struct sm_err *err)
{
	if (w->from == SM_PAIRS_FILES) {
		w->pairs = sm_arena_alloc(&w->run->arena, sizeof *w->pairs);
		if (!w->pairs)
			return SM_FAIL(err, SM_BUDGET, "list of cases: out of memory");
		w->pairs[w->count++] =
			(struct sm_pair){.key = "pair", .prediction = SM_NONE, .truth = SM_NONE};
		return SM_OK;
	}
	SM_TRY(w->from == SM_PAIRS_FOLDERS ? list_folders(w, err) : list_records(w, err));
	const json_t *left_out = json_object_get(w->run->ledger.header, "not_predicted");
	for (int r = 0; r < REASONS; r++) {
		size_t n = json_array_size(json_object_get(left_out, reasons[r].key));
		if (n)
			sm_info(&w->run->log, NULL, "%zu %s not predicted and not scored: %s", n,
				n == 1 ? "case was" : "cases were", reasons[r].words);
	}
	return SM_OK;
}

/* The records of a pair while it is at work; NULL where there is none. */
struct records {
	json_t *prediction, *truth;
};

static enum sm_status open_records(const struct sm_evaluating *w, const struct sm_pair *p,
				   struct records *r, struct sm_err *err)
{
	if (w->from != SM_PAIRS_LEDGERS)
		return SM_OK;
	r->prediction = sm_records_get(w->predict.records, p->prediction);
	r->truth = sm_records_get(w->ingest.records, p->truth);
	SM_TRY(sm_records_check(w->predict.records, err));
	return sm_records_check(w->ingest.records, err);
}

static void close_records(struct records *r)
{
	json_decref(r->prediction);
	json_decref(r->truth);
}

static enum sm_status declare(struct sm_item *item, const char *dir, const json_t *record,
			      const char *role, const char *from, struct sm_err *err)
{
	const json_t *output = sm_record_output(record, from);
	const char *path = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	return path && sha ? sm_item_input_from(item, dir, role, path, sha, err) : SM_OK;
}

/* The tiles whose places count: other ones, other scores. */
static enum sm_status declare_tiles(const struct sm_evaluating *w, struct sm_item *item,
				    struct sm_err *err)
{
	if (!w->tiles.header)
		return SM_OK;
	json_t *record = sm_ledger_get(&w->tiles, item->key), *output;
	size_t i;
	enum sm_status st = sm_records_check(w->tiles.records, err);
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *path = sm_json_text(output, "path");
		const char *sha = sm_json_text(output, "sha256");
		if (st == SM_OK && path && sha)
			st = sm_item_input(item, "tiles", path, sha, err);
	}
	json_decref(record);
	return st;
}

/* Where a side of a pair lies when no ledger tells: 0 the truth, 1 the prediction; malloc memory.
 * *missing: there is none. */
static char *file_of(const struct sm_evaluating *w, const struct sm_pair *p, size_t side,
		     bool *missing)
{
	const char *option = side ? w->o->pred : w->o->truth;
	const char *file = side ? p->prediction_file : p->truth_file;
	*missing = w->from == SM_PAIRS_FOLDERS && !file;
	if (*missing)
		return NULL;
	return w->from == SM_PAIRS_FILES ? sm_strf("%s", option) : sm_path_join(option, file);
}

static const char *const roles[2] = {"truth", "prediction"};

static enum sm_status hash_files(struct sm_evaluating *w, const struct sm_pair *p,
				 struct sm_item *item, struct sm_err *err)
{
	for (size_t side = 2; side-- > 0;) {
		char hex[65];
		bool missing;
		char *path = file_of(w, p, side, &missing);
		if (missing)
			continue;
		enum sm_status st = path ? sm_content_sha256(path, &w->run->mem, hex, err)
					 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", p->key);
		if (st == SM_OK)
			st = sm_item_input(item, roles[side], sm_path_base(path), hex, err);
		free(path);
		SM_TRY(st);
	}
	return declare_tiles(w, item, err);
}

enum sm_status sm_pair_inputs(struct sm_evaluating *w, size_t i, struct sm_item *item,
			      struct sm_err *err)
{
	const struct sm_pair *p = &w->pairs[i];
	struct records r = {0};
	enum sm_status st;
	if (w->from != SM_PAIRS_LEDGERS)
		return !w->run->out || sm_item_defer_inputs(item) ? SM_OK
								  : hash_files(w, p, item, err);
	SM_GOTO(st, open_records(w, p, &r, err));
	if (!w->section.outputs.n)
		SM_GOTO(st,
			declare(item, w->run->in, r.prediction, "prediction", "prediction", err));
	for (size_t k = 0; k < w->section.outputs.n; k++) {
		const char *from = sm_output_role(r.prediction, k);
		if (from)
			SM_GOTO(st, declare(item, w->run->in, r.prediction, from, from, err));
	}
	/* Without one there is nothing to declare: the work function says what is wrong. */
	const char *role;
	if (sm_label_role(w->ingest.header, r.truth, &role, NULL) == SM_OK)
		SM_GOTO(st, declare(item, w->o->truth, r.truth, "truth", role, err));
	st = declare_tiles(w, item, err);
out:
	close_records(&r);
	return st;
}

/* What is said of a case whose prediction is missing. */
static enum sm_status no_prediction(const struct sm_evaluating *w, const struct sm_pair *p,
				    struct sm_err *err)
{
	int why = why_not_predicted(w, p);
	if (why == REJECTED_BY_INGEST || why == REJECTED_BY_PREPROCESS)
		return SM_FAIL(err, SM_INPUT, "case %s was %s, so it has no prediction", p->key,
			       reasons[why].words);
	if (why == NO_FILE)
		return SM_FAIL(err, SM_INPUT,
			       "case %s has a truth but no file %s.nii.gz or %s.nii in the folder "
			       "of predictions",
			       p->key, p->key, p->key);
	return SM_FAIL(err, SM_INPUT, "case %s has a truth but no record in the predict ledger",
		       p->key);
}

static enum sm_status check_sides(const struct sm_evaluating *w, const struct sm_pair *p,
				  const struct records *r, struct sm_pair_volumes *out,
				  struct sm_err *err)
{
	if (w->from == SM_PAIRS_FILES)
		return SM_OK;
	if (p->misnamed) {
		const bool pred = p->prediction_file;
		const struct sm_named file = {
			.file = pred ? p->prediction_file : p->truth_file};
		return sm_misnamed(&file, pred ? "--pred" : "--truth", err);
	}
	out->missing = !has_prediction(w, p);
	if (out->missing && w->section.missing != SM_MISSING_WORST)
		return no_prediction(w, p, err);
	if (w->from == SM_PAIRS_FOLDERS && !p->truth_file)
		return SM_FAIL(err, SM_INPUT,
			       "case %s has a prediction but no file of its name in the folder of "
			       "truths",
			       p->key);
	if (w->from == SM_PAIRS_LEDGERS && !r->truth && sm_record_ok(r->prediction))
		return SM_FAIL(err, SM_INPUT,
			       "case %s has a prediction but no record in the truth's ledger",
			       p->key);
	return SM_OK;
}

/* Both sides at once. */
struct reading {
	struct sm_evaluating *w;
	const struct sm_pair *p;
	const struct records *r;
	struct sm_pair_volumes *out;
	struct sm_nii_info info[2]; /* of files without ledger, with --out: for the hash */
};

static enum sm_status read_side(void *ctx, size_t side, struct sm_err *err)
{
	struct reading *g = ctx;
	struct sm_evaluating *w = g->w;
	struct sm_mem *mem = &w->run->mem;
	struct sm_vol *vol = side ? &g->out->prediction : &g->out->truth;
	bool missing;
	if (side && g->out->missing)
		return SM_OK;
	if (w->from == SM_PAIRS_LEDGERS && side && w->section.outputs.n)
		return sm_outputs_read(w->run->in, g->r->prediction, &w->section, mem, vol, err);
	if (w->from == SM_PAIRS_LEDGERS)
		return side ? sm_output_read(w->run->in, "predict", g->r->prediction, "prediction",
					     mem, vol, err)
			    : sm_truth_read(w->o->truth, &w->ingest, g->r->truth, mem, vol, err);
	char *path = file_of(w, g->p, side, &missing);
	/* Without a place for it no hash is taken: a third of the time. */
	enum sm_status st =
		path ? sm_nii_read(path, mem, vol, w->run->out ? &g->info[side] : NULL, err)
		     : SM_FAIL(err, SM_BUDGET, "%s: out of memory", g->p->key);
	free(path);
	return st;
}

/* What error sentences call a volume: "truth case01/seg.nii.gz". */
static enum sm_status name_sides(struct sm_evaluating *w, const struct sm_pair *p,
				 const struct records *r, struct sm_pair_volumes *out,
				 struct sm_err *err)
{
	for (size_t side = 0; side < 2; side++) {
		const char *role = "prediction", *path = NULL;
		if (w->from == SM_PAIRS_FILES)
			path = sm_path_base(side ? w->o->pred : w->o->truth);
		else if (w->from == SM_PAIRS_FOLDERS)
			path = side ? p->prediction_file : p->truth_file;
		else if (side || sm_label_role(w->ingest.header, r->truth, &role, NULL) == SM_OK)
			path = sm_json_text(sm_record_output(side ? r->prediction : r->truth, role),
					    "path");
		out->names[side] =
			sm_strf("%s%s%s", roles[side], path ? " " : "", path ? path : "");
		if (!out->names[side])
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", p->key);
	}
	const char *patient = json_string_value(json_object_get(r->truth, "patient"));
	if (patient) {
		out->patient = sm_strf("%s", patient);
		if (!out->patient)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", p->key);
	}
	return SM_OK;
}

/* The hashes of files that no ledger knows, as they were read. */
static enum sm_status declare_read(const struct reading *g, struct sm_item *item,
				   struct sm_err *err)
{
	struct sm_evaluating *w = g->w;
	if (!item->deferred)
		return SM_OK;
	for (size_t side = 2; side-- > 0;) {
		const char *file = side ? g->p->prediction_file : g->p->truth_file;
		const char *path = w->from == SM_PAIRS_FILES
					   ? sm_path_base(side ? w->o->pred : w->o->truth)
					   : file;
		if (path)
			SM_TRY(sm_item_input(item, roles[side], path, g->info[side].sha256, err));
	}
	return declare_tiles(w, item, err);
}

/* Nothing predicted, on the truth's grid. */
static enum sm_status make_empty(struct sm_pair_volumes *v, struct sm_mem *mem, struct sm_err *err)
{
	SM_TRY(sm_vol_init(&v->prediction, v->truth.dim, SM_U8, mem, "empty prediction", err));
	memset(v->prediction.data, 0, sm_vol_count(&v->prediction));
	memcpy(v->prediction.affine, v->truth.affine, sizeof v->truth.affine);
	return SM_OK;
}

enum sm_status sm_pair_open(struct sm_evaluating *w, size_t i, struct sm_item *item,
			    struct sm_pair_volumes *out, struct sm_err *err)
{
	const struct sm_pair *p = &w->pairs[i];
	struct records r = {0};
	struct reading g = {.w = w, .p = p, .r = &r, .out = out};
	enum sm_status st;
	*out = (struct sm_pair_volumes){0};
	SM_GOTO(st, open_records(w, p, &r, err));
	SM_GOTO(st, check_sides(w, p, &r, out, err));
	SM_GOTO(st, sm_par_for(2, item->jobs, read_side, &g, err));
	SM_GOTO(st, declare_read(&g, item, err));
	if (out->missing)
		SM_GOTO(st, make_empty(out, &w->run->mem, err));
	SM_GOTO(st, name_sides(w, p, &r, out, err));
	for (size_t side = 0; w->from != SM_PAIRS_LEDGERS && side < 2; side++) {
		bool missing;
		char *path = file_of(w, p, side, &missing);
		if (path && !missing)
			sm_warn_place(path, out->names[side], w->section.grid_tolerance, item);
		free(path);
	}
out:
	close_records(&r);
	return st;
}

void sm_pair_close(struct sm_pair_volumes *v)
{
	sm_vol_clear(&v->truth);
	sm_vol_clear(&v->prediction);
	free(v->names[0]);
	free(v->names[1]);
	free(v->patient);
	*v = (struct sm_pair_volumes){0};
}
