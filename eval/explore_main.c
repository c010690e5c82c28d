/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage explore: one page that shows a data set.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "eval/explore.h"

struct options {
	char *raw, *split, *data;
};

#define AT(member) .offset = offsetof(struct options, member)
static const struct sm_field fields[] = {
	{"raw", SM_F_STRING, AT(raw), .path = true,
	 .doc = "folder of ingest: the cases before preprocess beside them"},
	{"split", SM_F_STRING, AT(split), .path = true, .doc = "folder of split: cases by fold"},
	{"data", SM_F_STRING, AT(data), .path = true,
	 .doc = "folder of tile, slice or pair: its samples"},
};
static const struct sm_fieldset options =
	SM_FIELDSET("explore", struct options, fields, "options of explore");

struct stage_ctx {
	struct sm_cases cases; /* first: sm_cases_key takes the struct for it */
	struct sm_cases raw;   /* run NULL = not given */
	struct sm_explore x;
};

/* Whether case i of n stands on the sheets: `want` of them, evenly chosen. */
static bool is_shown(size_t i, size_t n, size_t want)
{
	if (want >= n || want < 2)
		return want >= n || (want && i == n / 2);
	size_t k = (i * (want - 1) + n - 2) /
		   (n - 1); /* the k-th is that at k * (n - 1) / (want - 1) */
	return k * (n - 1) / (want - 1) == i;
}

static bool shown(const struct stage_ctx *x, size_t i)
{
	return is_shown(i, x->cases.count, (size_t)x->x.s->cases);
}

/* Number of the case in the folder of ingest; its count when it is not there. */
static size_t raw_of(const struct stage_ctx *x, const char *key)
{
	size_t low = 0, high = x->raw.count;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(sm_cases_key((void *)(uintptr_t)&x->raw, mid), key);
		if (order == 0)
			return mid;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return x->raw.count;
}

/* What the data set has of the case. */
static enum sm_status sample_inputs(const struct stage_ctx *x, struct sm_item *item,
				    struct sm_err *err)
{
	json_t *data = sm_ledger_get(&x->x.from[SM_EX_DATA], item->key), *o;
	json_t *outputs = data && sm_record_ok(data) ? json_object_get(data, "outputs") : NULL;
	enum sm_status st = SM_OK;
	size_t k;
	json_array_foreach(outputs, k, o)
	{
		const char *path = sm_json_text(o, "path"), *sha = sm_json_text(o, "sha256");
		if (st == SM_OK && path && sha)
			st = sm_item_input_from(item, x->x.dir[SM_EX_DATA], "sample", path, sha,
						err);
	}
	json_decref(data);
	return st;
}

/* The volumes of both folders, and what decides whether and how the case is drawn. */
static enum sm_status inputs(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct stage_ctx *x = ctx;
	const char *word = shown(x, i) ? "shown" : "counted";
	char hex[65];
	size_t raw = raw_of(x, item->key);
	SM_TRY(sm_cases_inputs(&x->cases, i, item, err));
	if (raw < x->raw.count)
		SM_TRY(sm_cases_inputs(&x->raw, raw, item, err));
	sm_sha256_bytes(word, strlen(word), hex);
	SM_TRY(sm_item_input(item, "sheet", word, hex, err));
	return shown(x, i) ? sample_inputs(x, item, err) : SM_OK;
}

static enum sm_status write_text(struct sm_item *item, const char *dir, const struct sm_text *text,
				 const char *role, struct sm_err *err)
{
	char hex[65];
	char *name = sm_strf("%s/%s.svg", dir, item->key);
	char *path = name ? sm_path_join(item->run->out, name) : NULL;
	enum sm_status st = path ? sm_outset_write(&item->files, path, text->data, text->n, err)
				 : SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	if (st == SM_OK) {
		sm_sha256_bytes(text->data, text->n, hex);
		st = sm_item_output(item, role, name, hex, err);
	}
	free(path);
	free(name);
	return st;
}

static struct sm_sheet sheet_of(const struct stage_ctx *x)
{
	return (struct sm_sheet){.pixels = (int)x->x.s->pixels, .mem = &x->x.run->mem};
}

/* One folder's form of the case: its numbers, and its row when there is a sheet. */
static enum sm_status one_form(const struct stage_ctx *x, const struct sm_cases *cases, size_t i,
			       struct sm_item *item, struct sm_sheet *sheet, struct sm_cuts *cuts,
			       bool *pictures, struct sm_err *err)
{
	const char *when = cases->preprocessed ? "preprocess" : "ingest";
	struct sm_case c = {0};
	int64_t span[2];
	SM_TRY(sm_cases_load(cases, i, item->jobs, &c, err));
	*pictures = c.pictures;
	enum sm_status st =
		sm_explore_numbers(&c, when, (size_t)x->x.s->bins, item->record, span, err);
	if (st == SM_OK && sheet)
		st = sm_sheet_case(sheet, cases->preprocessed ? "preprocessed" : "as ingested", &c,
				   span, (size_t)x->x.s->slices, cuts, err);
	sm_case_clear(&c);
	return st;
}

/* The sheet of a case: how it came stands above what was made of it, although it is read last. */
static enum sm_status join_sheets(const struct stage_ctx *x, struct sm_sheet *made,
				  struct sm_sheet *came, struct sm_item *item, struct sm_err *err)
{
	struct sm_text out = {0};
	char words[200];
	snprintf(words, sizeof words, "Slices of case %.100s", item->key);
	if (came->body.n) {
		sm_text_f(&came->body, "<g transform=\"translate(0 ");
		sm_svg_number(&came->body, came->y);
		sm_text_str(&came->body, ")\">\n");
		sm_text_add(&came->body, made->body.data ? made->body.data : "", made->body.n);
		sm_text_str(&came->body, "</g>\n");
		came->y += made->y;
		came->width = made->width > came->width ? made->width : came->width;
		came->body.failed = came->body.failed || made->body.failed;
		sm_sheet_clear(made);
		*made = *came;
		*came = sheet_of(x);
	}
	enum sm_status st = sm_sheet_finish(made, words, &out, err);
	if (st == SM_OK)
		st = write_text(item, "sheet", &out, "sheet", err);
	sm_text_clear(&out);
	return st;
}

static enum sm_status draw_samples(const struct stage_ctx *x, struct sm_item *item, bool pictures,
				   struct sm_err *err)
{
	const struct sm_ledger *data = &x->x.from[SM_EX_DATA];
	json_t *record = sm_ledger_get(data, item->key);
	struct sm_sheet sheet = sheet_of(x);
	struct sm_text out = {0};
	char words[200];
	if (!record || !sm_record_ok(record)) {
		json_decref(record);
		return SM_OK;
	}
	snprintf(words, sizeof words, "Samples of case %.100s", item->key);
	enum sm_status st = sm_sheet_samples(&sheet, x->x.dir[SM_EX_DATA], data->header, record,
					     pictures, (size_t)x->x.s->slices, err);
	if (st == SM_OK && sheet.body.n)
		st = sm_sheet_finish(&sheet, words, &out, err);
	if (st == SM_OK && out.n)
		st = write_text(item, "samples", &out, "samples", err);
	json_decref(record);
	sm_sheet_clear(&sheet);
	sm_text_clear(&out);
	return st;
}

static enum sm_status work(void *ctx, size_t i, struct sm_item *item, struct sm_err *err)
{
	struct stage_ctx *x = ctx;
	struct sm_sheet made = sheet_of(x), came = sheet_of(x);
	struct sm_cuts cuts = {0};
	size_t raw = raw_of(x, item->key);
	bool draw = shown(x, i), pictures = false, raw_pictures;
	enum sm_status st;
	sm_cases_patient(&x->cases, i, item->record);
	SM_GOTO(st, one_form(x, &x->cases, i, item, draw ? &made : NULL, &cuts, &pictures, err));
	if (raw < x->raw.count)
		SM_GOTO(st, one_form(x, &x->raw, raw, item, draw ? &came : NULL, &cuts,
				     &raw_pictures, err));
	if (draw)
		SM_GOTO(st, join_sheets(x, &made, &came, item, err));
	if (draw && x->x.from[SM_EX_DATA].header)
		st = draw_samples(x, item, pictures, err);
out:
	sm_sheet_clear(&made);
	sm_sheet_clear(&came);
	return st;
}

/* ---- the run --------------------------------------------------------------------------------- */

static enum sm_status page(const struct sm_explore *x, FILE *f, struct sm_err *err)
{
	struct sm_text text = {0};
	enum sm_status st = sm_explore_page(x, &text, err);
	if (st == SM_OK && fwrite(text.data, 1, text.n, f) != text.n)
		st = SM_FAIL(err, SM_IO, "explore.html: writing failed");
	sm_text_clear(&text);
	return st;
}

/* What is written of all cases. */
static const struct file {
	const char *name, *role;
	enum sm_status (*write)(const struct sm_explore *x, FILE *f, struct sm_err *err);
	bool of_split;
} files[] = {{"explore.html", "page", page, false},
	     {"histograms.csv", "histograms", sm_explore_csv_hist, false},
	     {"intensities.csv", "intensities", sm_explore_csv_images, false},
	     {"labels.csv", "labels", sm_explore_csv_labels, false},
	     {"split.csv", "split", sm_explore_csv_split, true}};

static enum sm_status write_file(const struct sm_explore *x, const struct file *file,
				 json_t *outputs, struct sm_err *err)
{
	struct sm_outfile out = {0};
	char hex[65], *path = sm_path_join(x->run->out, file->name);
	enum sm_status st;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", file->name);
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	SM_GOTO(st, file->write(x, out.stream, err));
	SM_GOTO(st, sm_outfile_commit(&out, err));
	SM_GOTO(st, sm_sha256_file(path, hex, err));
	json_array_append_new(outputs, json_pack("{s:s, s:s, s:s}", "path", file->name, "role",
						 file->role, "sha256", hex));
out:
	sm_outfile_abandon(&out);
	free(path);
	return st;
}

static enum sm_status write_page(struct stage_ctx *x, struct sm_err *err)
{
	json_t *outputs = json_array();
	enum sm_status st;
	SM_GOTO(st, sm_explore_gather(&x->x, err));
	for (size_t i = 0; i < SM_COUNT(files); i++)
		if (!files[i].of_split || x->x.from[SM_EX_SPLIT].header)
			SM_GOTO(st, write_file(&x->x, &files[i], outputs, err));
	json_object_set(x->x.run->ledger.header, "outputs", outputs);
out:
	json_decref(outputs);
	return st;
}

/* The page must not mix runs: what a ledger names as its parent is what was given. */
static enum sm_status check_chain(const struct sm_explore *x, struct sm_err *err)
{
	for (size_t child = 0; child < SM_EX_FROMS; child++)
		for (size_t parent = 0; parent < SM_EX_FROMS; parent++) {
			const struct sm_ledger *c = &x->from[child], *p = &x->from[parent];
			const char *stage = p->header ? sm_json_text(p->header, "stage") : NULL;
			const char *named =
				stage ? sm_json_text(json_object_get(c->header, "parents"), stage)
				      : NULL;
			if (named && strcmp(named, p->sha256) != 0)
				return SM_FAIL(err, SM_INPUT,
					       "%s ledger: was made from the %s ledger %.12s, but "
					       "given is "
					       "%.12s: run stage %s again",
					       sm_json_text(c->header, "stage"), stage, named,
					       p->sha256, sm_json_text(c->header, "stage"));
		}
	return SM_OK;
}

static struct sm_ledger share(const struct sm_ledger *l)
{
	struct sm_ledger copy = *l;
	json_incref(copy.header);
	sm_records_share(copy.records);
	return copy;
}

static enum sm_status read_ledgers(struct stage_ctx *x, const struct options *o, struct sm_err *err)
{
	struct sm_run *run = x->x.run;
	SM_TRY(sm_cases_open(run, &x->cases, err));
	if (o->raw && !x->cases.preprocessed)
		return SM_FAIL(err, SM_USAGE,
			       "--raw: is given, but --in is the folder of ingest already");
	if (o->raw)
		SM_TRY(sm_cases_open_at(run, o->raw, &x->raw, err));
	if (o->raw && x->raw.preprocessed)
		return SM_FAIL(err, SM_USAGE,
			       "--raw: found the folder of preprocess, needed is that of ingest");
	const char *dir[SM_EX_FROMS] = {[SM_EX_INGEST] = x->cases.preprocessed ? o->raw : run->in,
					[SM_EX_PREPROCESS] = x->cases.preprocessed ? run->in : NULL,
					[SM_EX_SPLIT] = o->split,
					[SM_EX_DATA] = o->data};
	for (size_t f = 0; f < SM_EX_FROMS; f++) {
		x->x.dir[f] = dir[f];
		if (f == SM_EX_INGEST || f == SM_EX_PREPROCESS)
			x->x.from[f] = share(x->cases.preprocessed == (f == SM_EX_PREPROCESS)
						     ? &x->cases.parent
						     : &x->raw.parent);
		else if (dir[f])
			SM_TRY(sm_run_parent(run, dir[f], sm_ex_stage[f], &x->x.from[f], err));
	}
	const char *stage = sm_json_text(x->x.from[SM_EX_DATA].header, "stage");
	if (stage && strcmp(stage, "tile") != 0 && strcmp(stage, "slice") != 0 &&
	    strcmp(stage, "pair") != 0)
		return SM_FAIL(err, SM_USAGE,
			       "--data: ledger is of stage '%s', allowed are tile, slice and pair",
			       stage);
	return check_chain(&x->x, err);
}

static enum sm_status make_dirs(struct sm_run *run, struct sm_err *err)
{
	static const char *const names[] = {"sheet", "samples"};
	/* From here on the folder is an unfinished one. */
	SM_TRY(sm_run_begin(run, err));
	for (size_t i = 0; i < (((const struct options *)run->options)->data ? 2u : 1u); i++) {
		char *dir = sm_path_join(run->out, names[i]);
		enum sm_status st = dir ? sm_mkdirs(dir, err)
					: SM_FAIL(err, SM_BUDGET, "%s: out of memory", names[i]);
		free(dir);
		SM_TRY(st);
	}
	return SM_OK;
}

static enum sm_status run_stage(struct sm_run *run, struct sm_err *err)
{
	const struct sm_manifest_root *m = run->manifest;
	struct stage_ctx x = {
		.x = {.run = run, .s = m->explore, .name = run->manifest_given ? m->name : ""}};
	enum sm_status st;
	SM_GOTO(st, read_ledgers(&x, run->options, err));
	x.x.channels = sm_arena_alloc(&run->arena, SM_EX_CHANNELS * sizeof *x.x.channels);
	if (!x.x.channels) {
		st = SM_FAIL(err, SM_BUDGET, "explore: out of memory");
		goto out;
	}
	if (!run->dry_run)
		SM_GOTO(st, make_dirs(run, err));
	struct sm_items items = {.count = x.cases.count,
				 .noun = "cases",
				 .ctx = &x,
				 .key = sm_cases_key,
				 .inputs = inputs,
				 .work = work};
	SM_GOTO(st, sm_run_items(run, &items, err));
	if (!run->dry_run)
		st = write_page(&x, err);
out:
	for (size_t f = 0; f < SM_EX_FROMS; f++)
		sm_ledger_clear(&x.x.from[f]);
	sm_explore_clear(&x.x);
	sm_cases_close(&x.raw);
	sm_cases_close(&x.cases);
	return st;
}

/* ingest: its sources say which role is the label. */
static const char *const sections[] = {"name", "ingest", "preprocess", "explore", NULL};

static const struct sm_stage stage = {
	.name = "explore",
	.summary = "a page that shows a data set: sheets, histograms, labels, split",
	.details = "Reads the folder of preprocess (or of ingest). Writes explore.html (one file, "
		   "nothing "
		   "loaded\n"
		   "from elsewhere) and its numbers as histograms.csv, intensities.csv, labels.csv "
		   "and "
		   "split.csv;\n"
		   "sheet/<case>.svg and samples/<case>.svg are the page's drawings of the chosen "
		   "cases.\n"
		   "Numbers are of all cases, one in memory at a time and thread.\n"
		   "  scanmill explore --manifest m.yaml --in W/preprocess --raw W/ingest --split "
		   "W/split "
		   "\\\n"
		   "    --data W/tile --out W/explore",
	.version = 1,
	.needs = SM_NEEDS_IN | SM_NEEDS_OUT,
	.options = &options,
	.manifest = &sm_manifest_schema,
	.sections = sections,
	.run = run_stage,
};

int main(int argc, char **argv)
{
	return sm_stage_main(&stage, argc, argv);
}
