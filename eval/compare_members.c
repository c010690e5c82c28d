/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"
#include "core/nii.h"
#include "core/par.h"
#include "eval/cases.h"
#include "eval/compare.h"
#include "eval/label_files.h"
#include "manifests/roles.h"

bool sm_members_meet(const struct sm_comparing *c, size_t reference, size_t compared)
{
	if (reference == compared || compared == c->truth)
		return false;
	return c->member[reference].kind != SM_MEMBER_RATER ||
	       c->member[compared].kind == SM_MEMBER_RATER;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A folder by its own name, or, of a stage's folder, by the one around it: models/a/predict is
 * called "a". */
static void name_folder(const char *path, const char *stage, char out[SM_MEMBER_NAME])
{
	const char *end = path + strlen(path);
	for (int up = 0; up < 2; up++) {
		while (end > path && end[-1] == '/')
			end--;
		const char *from = end;
		while (from > path && from[-1] != '/')
			from--;
		snprintf(out, SM_MEMBER_NAME, "%.*s", (int)(end - from), from);
		if (up || !stage || strcmp(out, stage) != 0 || from == path)
			return;
		end = from;
	}
}

static enum sm_status check_name(const struct sm_comparing *c, size_t m, struct sm_err *err)
{
	static const char *const taken[] = {"truth", "majority", "staple"};
	const char *name = c->member[m].name;
	if (!sm_key_is_safe(name))
		return SM_FAIL(err, SM_USAGE,
			       "--names: found '%s', allowed are 1 to %d letters, digits, '_', '-' "
			       "and '.', not first",
			       name, SM_MEMBER_NAME - 1);
	for (size_t i = 0; i < SM_COUNT(taken); i++)
		if (strcmp(name, taken[i]) == 0)
			return SM_FAIL(err, SM_USAGE,
				       "--names: a rater is called '%s', which stands for the "
				       "%s in the tables: name the raters otherwise",
				       name, i ? "fusion" : "truth");
	for (size_t i = 0; i < m; i++)
		if (strcmp(name, c->member[i].name) == 0)
			return SM_FAIL(err, SM_USAGE,
				       "--names: two raters are called '%s': name them apart",
				       name);
	return SM_OK;
}

static enum sm_status name_rater(struct sm_comparing *c, size_t m, struct sm_err *err)
{
	struct sm_member *rater = &c->member[m];
	const char *base = sm_path_base(rater->place);
	if (c->o->names.n) {
		if (strlen(c->o->names.v[m]) >= SM_MEMBER_NAME)
			return SM_FAIL(err, SM_USAGE,
				       "--names: found '%s', allowed are at most %d characters",
				       c->o->names.v[m], SM_MEMBER_NAME - 1);
		snprintf(rater->name, sizeof rater->name, "%s", c->o->names.v[m]);
	} else if (rater->folder) {
		name_folder(rater->place, rater->ledger.header ? "predict" : NULL, rater->name);
	} else {
		size_t n = sm_label_stem(base) ? sm_label_stem(base) : strlen(base);
		snprintf(rater->name, sizeof rater->name, "%.*s", (int)n, base);
	}
	return check_name(c, m, err);
}

/* ---- places ---------------------------------------------------------------------------------- */

/* The label files right in a folder. */
static enum sm_status list_folder(struct sm_comparing *c, struct sm_member *m, struct sm_err *err)
{
	char *where = sm_strf("%s: %s", m->kind == SM_MEMBER_TRUTH ? "--truth" : "--raters", m->name);
	enum sm_status st =
		where ? sm_label_files(m->place, where, &c->run->arena, &m->named, &m->files, err)
		      : SM_FAIL(err, SM_BUDGET, "list of cases: out of memory");
	free(where);
	return st;
}

/* The ledger of a stage's folder; other folders hold files that are matched by name. */
static enum sm_status open_folder(struct sm_comparing *c, struct sm_member *m, struct sm_err *err)
{
	struct sm_ledger head = {0};
	const char *stage = m->kind == SM_MEMBER_TRUTH ? "ingest" : "predict";
	char *path = sm_path_join(m->place, SM_LEDGER_NAME);
	bool there = path && sm_file_exists(path);
	enum sm_status st = path ? SM_OK : SM_FAIL(err, SM_BUDGET, "list of raters: out of memory");
	free(path);
	if (st != SM_OK || !there)
		return st;
	SM_TRY(sm_ledger_read_head(m->place, &head, err));
	const char *is = sm_json_text(head.header, "stage");
	bool mine = is && strcmp(is, stage) == 0;
	sm_ledger_clear(&head);
	if (!mine)
		return SM_OK;
	/* Raters have a line of their own in the header: several may be of one stage. */
	return m->kind == SM_MEMBER_TRUTH ? sm_run_parent(c->run, m->place, stage, &m->ledger, err)
					  : sm_ledger_read(m->place, stage, &m->ledger, err);
}

static enum sm_status open_place(struct sm_comparing *c, const char *option, const char *place,
				 enum sm_member_kind kind, struct sm_err *err)
{
	struct sm_member *m = &c->member[c->members];
	*m = (struct sm_member){.kind = kind, .place = place, .folder = sm_is_dir(place)};
	if (!m->folder && !sm_file_exists(place))
		return SM_FAIL(err, SM_USAGE, "%s: %s does not exist", option, place);
	if (c->members == 0)
		c->folders = m->folder;
	if (m->folder != c->folders)
		return SM_FAIL(err, SM_USAGE,
			       "%s: %s is a %s, the first rater is a %s: allowed are files alone "
			       "or folders alone",
			       option, place, m->folder ? "folder" : "file",
			       c->folders ? "folder" : "file");
	if (m->folder)
		SM_TRY(open_folder(c, m, err));
	if (kind == SM_MEMBER_RATER)
		SM_TRY(name_rater(c, c->members, err));
	else
		snprintf(m->name, sizeof m->name, "truth");
	if (m->folder && !m->ledger.header)
		SM_TRY(list_folder(c, m, err));
	c->members++;
	return SM_OK;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static const struct sm_named *named(const struct sm_member *m, const char *key)
{
	return sm_label_file(m->named, m->files, key);
}

static bool has_case(const struct sm_member *m, const char *key)
{
	if (m->kind > SM_MEMBER_TRUTH || !m->folder)
		return true;
	return m->ledger.header ? sm_records_find(m->ledger.records, key) != SM_NONE
				: named(m, key) != NULL;
}

/* The file behind a key that stands in the place of a name; NULL when it is a case's own. */
static const struct sm_named *misnamed(const struct sm_comparing *c, const char *key)
{
	for (size_t m = 0; m < c->members; m++) {
		const struct sm_named *file = named(&c->member[m], key);
		if (file && file->misnamed)
			return file;
	}
	return NULL;
}

static size_t key_count(const struct sm_member *m)
{
	return m->ledger.header ? sm_records_count(m->ledger.records) : m->files;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All cases that any rater has; those that another lacks are left to be rejected, or listed. */
static enum sm_status list_cases(struct sm_comparing *c, struct sm_err *err)
{
	size_t all = 0, n = 0;
	bool list = c->section.missing == SM_MISSING_LIST;
	for (size_t m = 0; m < c->raters; m++)
		all += key_count(&c->member[m]);
	c->key = sm_arena_alloc(&c->run->arena, (all + 2) * sizeof *c->key);
	if (!c->key)
		return SM_FAIL(err, SM_BUDGET, "list of cases: out of memory");
	for (size_t m = 0; m < c->raters; m++)
		for (size_t i = 0; i < key_count(&c->member[m]); i++)
			c->key[n++] = c->member[m].ledger.header
					      ? sm_records_key(c->member[m].ledger.records, i)
					      : c->member[m].named[i].key;
	if (!c->folders)
		c->key[n++] = "case";
	qsort(c->key, n, sizeof *c->key, by_text);
	json_t *left_out = json_object();
	for (size_t i = 0; i < n; i++) {
		bool complete = true;
		if (i && strcmp(c->key[i], c->key[i - 1]) == 0)
			continue;
		if (misnamed(c, c->key[i])) {
			c->key[c->cases++] = c->key[i]; /* to be rejected, whoever has it */
			continue;
		}
		for (size_t m = 0; m < c->members; m++) {
			const char *name = c->member[m].name;
			if (has_case(&c->member[m], c->key[i]))
				continue;
			complete = false;
			if (list && !json_object_get(left_out, name))
				json_object_set_new(left_out, name, json_array());
			if (list)
				json_array_append_new(json_object_get(left_out, name),
						      json_string(c->key[i]));
		}
		if (complete || !list)
			c->key[c->cases++] = c->key[i];
	}
	if (list)
		json_object_set(c->run->ledger.header, "missing", left_out);
	json_decref(left_out);
	return SM_OK;
}

static void add_fusion(struct sm_comparing *c, enum sm_member_kind kind, const char *name,
		       size_t *number)
{
	*number = c->members;
	c->member[c->members] = (struct sm_member){.kind = kind};
	snprintf(c->member[c->members++].name, SM_MEMBER_NAME, "%s", name);
}

/* Who took part, by name, with the hash of the ledger that tells what they said. */
static void write_header(const struct sm_comparing *c)
{
	json_t *list = json_array();
	for (size_t m = 0; m < c->members; m++) {
		static const char *const kinds[] = {"rater", "truth", "majority", "staple"};
		json_t *one = json_object();
		json_object_set_new(one, "name", json_string(c->member[m].name));
		json_object_set_new(one, "kind", json_string(kinds[c->member[m].kind]));
		if (c->member[m].ledger.header)
			json_object_set_new(one, "ledger_sha256",
					    json_string(c->member[m].ledger.sha256));
		json_array_append_new(list, one);
	}
	json_object_set_new(c->run->ledger.header, "members", list);
}

enum sm_status sm_members_open(struct sm_comparing *c, struct sm_err *err)
{
	const struct sm_compare_options *o = c->o;
	int fuse = c->settings.fuse;
	c->truth = c->majority = c->staple = SM_NONE;
	if (o->raters.n < 2 || o->raters.n > SM_RATERS)
		return SM_FAIL(err, SM_USAGE, "--raters: found %zu, allowed are 2 to %d",
			       o->raters.n, SM_RATERS);
	if (o->names.n && o->names.n != o->raters.n)
		return SM_FAIL(err, SM_USAGE, "--names: found %zu, allowed are %zu, one a rater",
			       o->names.n, o->raters.n);
	for (size_t i = 0; i < o->raters.n; i++)
		SM_TRY(open_place(c, "--raters", o->raters.v[i], SM_MEMBER_RATER, err));
	c->raters = c->members;
	if (o->truth) {
		c->truth = c->members;
		SM_TRY(open_place(c, "--truth", o->truth, SM_MEMBER_TRUTH, err));
	}
	/* Two raters leave open which of them is right where they differ. */
	if (fuse == SM_FUSE_AUTO)
		fuse = c->raters > 2 ? SM_FUSE_BOTH : SM_FUSE_OFF;
	if (fuse == SM_FUSE_MAJORITY || fuse == SM_FUSE_BOTH)
		add_fusion(c, SM_MEMBER_MAJORITY, "majority", &c->majority);
	if (fuse == SM_FUSE_STAPLE || fuse == SM_FUSE_BOTH)
		add_fusion(c, SM_MEMBER_STAPLE, "staple", &c->staple);
	if (c->staple != SM_NONE && c->raters == 2)
		sm_warn(&c->run->log, NULL,
			"STAPLE of two raters has no single answer: where it ends depends on where "
			"it begins");
	write_header(c);
	return list_cases(c, err);
}

void sm_members_close(struct sm_comparing *c)
{
	for (size_t m = 0; m < SM_MEMBERS; m++)
		sm_ledger_clear(&c->member[m].ledger);
}

/* ---- one case -------------------------------------------------------------------------------- */

static bool is_file(const struct sm_member *m)
{
	return m->kind <= SM_MEMBER_TRUTH;
}

static bool of_ledger(const struct sm_member *m)
{
	return m->ledger.header;
}

/* Where a member that no ledger tells of has its volume; malloc memory. *none: it has none. */
static char *path_of(const struct sm_member *m, const char *key, bool *none)
{
	const struct sm_named *file = m->folder ? named(m, key) : NULL;
	*none = m->folder && !file;
	if (*none)
		return NULL;
	return m->folder ? sm_path_join(m->place, file->file) : sm_strf("%s", m->place);
}

static enum sm_status no_file(const struct sm_member *m, const char *key, struct sm_err *err)
{
	return SM_FAIL(err, SM_INPUT, "case %s: %s has %s", key, m->name,
		       of_ledger(m) ? "no record of it" : "no file of that name");
}

static const char *role_of(const struct sm_member *m, const json_t *record)
{
	const char *role = "prediction";
	if (m->kind == SM_MEMBER_TRUTH &&
	    sm_label_role(m->ledger.header, record, &role, NULL) != SM_OK)
		return NULL;
	return role;
}

static enum sm_status input_of_ledger(const struct sm_member *m, struct sm_item *item,
				      struct sm_err *err)
{
	size_t i = sm_records_find(m->ledger.records, item->key);
	json_t *record = i == SM_NONE ? NULL : sm_records_get(m->ledger.records, i);
	const char *role = record ? role_of(m, record) : NULL;
	const json_t *output = role ? sm_record_output(record, role) : NULL;
	const char *path = sm_json_text(output, "path"), *sha = sm_json_text(output, "sha256");
	enum sm_status st =
		path && sha ? sm_item_input_from(item, m->place, m->name, path, sha, err) : SM_OK;
	json_decref(record);
	return st;
}

static enum sm_status input_of_file(struct sm_comparing *c, const struct sm_member *m,
				    struct sm_item *item, const char *known, struct sm_err *err)
{
	char hex[65];
	bool none;
	char *path = path_of(m, item->key, &none);
	if (none)
		return SM_OK;
	enum sm_status st = !path   ? SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key)
			    : known ? SM_OK
				    : sm_content_sha256(path, &c->run->mem, hex, err);
	if (st == SM_OK)
		st = sm_item_input(item, m->name, sm_path_base(path), known ? known : hex, err);
	free(path);
	return st;
}

enum sm_status sm_members_input(struct sm_comparing *c, struct sm_item *item, struct sm_err *err)
{
	bool ledgers = true;
	if (misnamed(c, item->key))
		return SM_OK;
	for (size_t m = 0; m < c->members; m++)
		ledgers &= !is_file(&c->member[m]) || of_ledger(&c->member[m]);
	if (!c->run->out || (!ledgers && sm_item_defer_inputs(item)))
		return SM_OK;
	for (size_t m = 0; m < c->members; m++)
		if (is_file(&c->member[m]))
			SM_TRY(of_ledger(&c->member[m])
				       ? input_of_ledger(&c->member[m], item, err)
				       : input_of_file(c, &c->member[m], item, NULL, err));
	return SM_OK;
}

struct reading {
	struct sm_comparing *c;
	struct sm_item *item;
	struct sm_vol *vol;
	struct sm_nii_info info[SM_MEMBERS];
};

static enum sm_status read_record(const struct reading *r, const struct sm_member *m,
				  struct sm_vol *vol, struct sm_err *err)
{
	struct sm_mem *mem = &r->c->run->mem;
	size_t i = sm_records_find(m->ledger.records, r->item->key);
	if (i == SM_NONE)
		return no_file(m, r->item->key, err);
	json_t *record = sm_records_get(m->ledger.records, i);
	enum sm_status st = record ? SM_OK : sm_records_check(m->ledger.records, err);
	if (st == SM_OK)
		st = m->kind == SM_MEMBER_TRUTH
			     ? sm_truth_read(m->place, &m->ledger, record, mem, vol, err)
			     : sm_output_read(m->place, "predict", record, "prediction", mem, vol,
					      err);
	json_decref(record);
	return st == SM_OK ? SM_OK : sm_err_prefix(err, "%s", m->name);
}

static enum sm_status read_member(void *ctx, size_t m, struct sm_err *err)
{
	struct reading *r = ctx;
	const struct sm_member *member = &r->c->member[m];
	bool none;
	if (!is_file(member))
		return SM_OK;
	if (of_ledger(member))
		return read_record(r, member, &r->vol[m], err);
	char *path = path_of(member, r->item->key, &none);
	enum sm_status st;
	if (none)
		st = no_file(member, r->item->key, err);
	else if (!path)
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", r->item->key);
	else /* without a place for it no hash is taken: a third of the time */
		st = sm_nii_read(path, &r->c->run->mem, &r->vol[m],
				 r->item->deferred ? &r->info[m] : NULL, err);
	free(path);
	return st;
}

enum sm_status sm_members_read(struct sm_comparing *c, struct sm_item *item, struct sm_vol *vol,
			       struct sm_err *err)
{
	enum sm_status st;
	const struct sm_named *odd = misnamed(c, item->key);
	if (odd)
		return sm_misnamed(odd, "--raters", err);
	struct reading *r = calloc(1, sizeof *r);
	if (!r)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", item->key);
	*r = (struct reading){.c = c, .item = item, .vol = vol};
	SM_GOTO(st, sm_par_for(c->members, item->jobs, read_member, r, err));
	for (size_t m = 0; m < c->members; m++) {
		bool none = true;
		char *name = sm_member_file(c, m, item->key);
		char *path = !is_file(&c->member[m]) || of_ledger(&c->member[m])
				     ? NULL
				     : path_of(&c->member[m], item->key, &none);
		if (path && name)
			sm_warn_place(path, name, c->section.grid_tolerance, item);
		free(path);
		free(name);
	}
	for (size_t m = 0; item->deferred && m < c->members; m++)
		if (is_file(&c->member[m]))
			SM_GOTO(st, of_ledger(&c->member[m])
					    ? input_of_ledger(&c->member[m], item, err)
					    : input_of_file(c, &c->member[m], item,
							    r->info[m].sha256, err));
out:
	free(r);
	return st;
}

char *sm_member_file(const struct sm_comparing *c, size_t m, const char *key)
{
	const struct sm_named *file = c->member[m].folder ? named(&c->member[m], key) : NULL;
	return sm_strf("%s%s%s", c->member[m].name, file ? " " : "", file ? file->file : "");
}

char *sm_members_patient(const struct sm_comparing *c, const char *key)
{
	for (size_t m = c->members; m-- > 0;) {
		if (!c->member[m].ledger.header)
			continue;
		char *patient = sm_ledger_text(&c->member[m].ledger, key, "patient");
		if (patient)
			return patient;
	}
	return NULL;
}
