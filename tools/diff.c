/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/diff.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

static json_t *or_null(json_t *value)
{
	return value ? json_incref(value) : json_null();
}

static void add_pair(json_t *list, const char *name, const char *text, json_t *a, json_t *b)
{
	json_t *row = json_pack("{s:s}", name, text);
	json_object_set_new(row, "a", or_null(a));
	json_object_set_new(row, "b", or_null(b));
	json_array_append_new(list, row);
}

static bool is_tree(const json_t *v)
{
	return json_is_object(v) && json_object_size(v);
}

/* Leaves of two trees of settings that differ, named by their path ("tile.size"). */
static void diff_settings(const char *path, json_t *a, json_t *b, json_t *list)
{
	const char *key;
	json_t *value;
	if (json_equal(a, b))
		return;
	if (!is_tree(a) && !is_tree(b)) {
		add_pair(list, "key", path, a, b);
		return;
	}
	json_t *keys = json_object();
	if (is_tree(a))
		json_object_update(keys, a);
	if (is_tree(b))
		json_object_update_missing(keys, b);
	json_object_foreach(keys, key, value)
	{
		char *below = sm_strf("%s%s%s", path, *path ? "." : "", key);
		diff_settings(below ? below : key, is_tree(a) ? json_object_get(a, key) : NULL,
			      is_tree(b) ? json_object_get(b, key) : NULL, list);
		free(below);
	}
	json_decref(keys);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(sm_json_text(*(json_t *const *)a, "key"),
		      sm_json_text(*(json_t *const *)b, "key"));
}

/* Objects keep the order of insertion in jansson: settings are listed by name. */
static json_t *sorted(json_t *list)
{
	size_t n = json_array_size(list);
	json_t **v = calloc(n + 1, sizeof *v), *out = json_array();
	for (size_t i = 0; v && i < n; i++)
		v[i] = json_array_get(list, i);
	if (v && n)
		qsort(v, n, sizeof *v, by_key);
	for (size_t i = 0; v && i < n; i++)
		json_array_append(out, v[i]);
	free(v);
	json_decref(list);
	return out;
}

/* Is the value of the two objects the same, or absent in both? */
static bool same(const json_t *a, const json_t *b, const char *name)
{
	const json_t *x = json_object_get(a, name), *y = json_object_get(b, name);
	return (!x && !y) || json_equal(x, y);
}

static json_t *file_of(json_t *files, const json_t *like)
{
	size_t i;
	json_t *file;
	/* Files of a DICOM series have no path: they are told apart by their content. */
	const char *name = json_object_get(like, "path") ? "path" : "sha256";
	json_array_foreach(files, i, file)
	if (same(file, like, name) && same(file, like, "path") && same(file, like, "role"))
		return file;
	return NULL;
}

static void add_file(json_t *list, const json_t *like, json_t *a, json_t *b)
{
	json_t *row = json_object();
	json_object_set_new(row, "role", or_null(json_object_get(like, "role")));
	json_object_set_new(row, "path", or_null(json_object_get(like, "path")));
	json_object_set_new(row, "a", or_null(json_object_get(a, "sha256")));
	json_object_set_new(row, "b", or_null(json_object_get(b, "sha256")));
	json_array_append_new(list, row);
}

/* Files of the list `name` whose content differs, or that one side lacks. */
static json_t *diff_files(const json_t *a, const json_t *b, const char *name)
{
	size_t i;
	json_t *file, *out = json_array();
	json_t *in_a = json_object_get(a, name), *in_b = json_object_get(b, name);
	json_array_foreach(in_a, i, file)
	{
		json_t *other = file_of(in_b, file);
		if (!other ||
		    !json_equal(json_object_get(file, "sha256"), json_object_get(other, "sha256")))
			add_file(out, file, file, other);
	}
	json_array_foreach(in_b, i, file)
		if (!file_of(in_a, file))
			add_file(out, file, NULL, file);
	return out;
}

/* All other facts of two records or headers that differ, sorted by name. */
static json_t *diff_facts(const json_t *a, const json_t *b, const char *const *without)
{
	json_t *list = json_array(), *left = json_copy((json_t *)a),
	       *right = json_copy((json_t *)b);
	for (const char *const *k = without; *k; k++) {
		json_object_del(left, *k);
		json_object_del(right, *k);
	}
	diff_settings("", left, right, list);
	json_decref(left);
	json_decref(right);
	return sorted(list);
}

/* What differs of the whole run, and may be why an item differs. */
struct causes {
	bool settings, version, parents, table;
};

static json_t *why(bool inputs, bool parents, const struct causes *c)
{
	const char *const names[] = {inputs ? "inputs" : NULL, c->settings ? "settings" : NULL,
				     c->table ? "table" : NULL, c->version ? "version" : NULL,
				     parents ? "parents" : NULL};
	char text[80] = "";
	size_t n = 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i])
			n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? " and " : "",
					      names[i]);
	return json_string(*text ? text : "unexplained");
}

static void diff_record(const json_t *a, const json_t *b, const struct causes *causes, json_t *diff,
			size_t *equal)
{
	/* Of settings and inputs the fingerprint tells nothing new; a file without a path has no
	 * name to be listed by. */
	static const char *const of_item[] = {"key",     "status",      "inputs",
					      "outputs", "fingerprint", NULL};
	json_t *outputs = diff_files(a, b, "outputs"), *inputs = diff_files(a, b, "inputs");
	json_t *facts = diff_facts(a, b, of_item);
	bool status = !json_equal(json_object_get(a, "status"), json_object_get(b, "status"));
	if (!json_array_size(outputs) && !json_array_size(facts) && !status) {
		(*equal)++;
		json_decref(outputs);
		json_decref(inputs);
		json_decref(facts);
		return;
	}
	/* A record without files of its own, such as a fold, was made from the parents' records. */
	bool whole = !json_array_size(json_object_get(a, "inputs")) && causes->parents;
	json_t *row = json_pack("{s:s}", "key", sm_record_key(a));
	if (status)
		json_object_set_new(row, "status",
				    json_pack("[O, O]", json_object_get(a, "status"),
					      json_object_get(b, "status")));
	json_object_set_new(row, "outputs", outputs);
	json_object_set_new(row, "inputs", inputs);
	json_object_set_new(row, "facts", facts);
	json_object_set_new(row, "why", why(json_array_size(inputs) > 0, whole, causes));
	json_array_append_new(json_object_get(diff, "changed"), row);
}

/* Keys of the records that the other ledger lacks. */
static json_t *only(const struct sm_ledger *here, const struct sm_ledger *there)
{
	json_t *out = json_array();
	for (size_t i = 0; i < sm_records_count(here->records); i++) {
		const char *key = sm_records_key(here->records, i);
		if (sm_records_find(there->records, key) == SM_NONE)
			json_array_append_new(out, json_string(key));
	}
	return out;
}

/* Do the two stand there in the same letters? */
static bool same_line(struct sm_records *a, size_t i, struct sm_records *b, size_t k)
{
	size_t n, m;
	char *x = sm_records_line(a, i, &n), *y = sm_records_line(b, k, &m);
	bool same = x && y && n == m && memcmp(x, y, n) == 0;
	free(x);
	free(y);
	return same;
}

static enum sm_status diff_records(struct sm_records *a, struct sm_records *b,
				   const struct causes *causes, json_t *diff, struct sm_err *err)
{
	size_t equal = 0;
	for (size_t i = 0; i < sm_records_count(a); i++) {
		size_t k = sm_records_find(b, sm_records_key(a, i));
		if (k == SM_NONE)
			continue;
		if (same_line(a, i, b, k)) {
			equal++;
			continue;
		}
		json_t *record = sm_records_get(a, i), *twin = sm_records_get(b, k);
		if (record && twin)
			diff_record(record, twin, causes, diff, &equal);
		json_decref(record);
		json_decref(twin);
	}
	json_object_set_new(diff, "same", json_integer((json_int_t)equal));
	SM_TRY(sm_records_check(a, err));
	return sm_records_check(b, err);
}

/* What belongs to no item, and which of it explains items. */
static void diff_headers(const json_t *a, const json_t *b, json_t *diff, struct causes *causes)
{
	static const char *const apart[] = {"schema",  "stage",   "version",         "settings",
					    "outputs", "parents", "settings_sha256", NULL};
	json_t *parents = json_array(), *facts = diff_facts(a, b, apart);
	json_t *outputs = diff_files(a, b, "outputs");
	diff_settings("", json_object_get(a, "parents"), json_object_get(b, "parents"), parents);
	causes->settings = json_array_size(json_object_get(diff, "settings")) > 0;
	causes->parents = json_array_size(parents) > 0;
	causes->table = !same(a, b, "table_sha256");
	json_object_set_new(diff, "parents", sorted(parents));
	if (json_array_size(outputs) || json_array_size(facts))
		json_object_set_new(diff, "why", why(false, causes->parents, causes));
	json_object_set_new(diff, "outputs", outputs);
	json_object_set_new(diff, "facts", facts);
}

enum sm_status sm_diff_ledgers(const struct sm_ledger *a, const struct sm_ledger *b, json_t **out,
			       struct sm_err *err)
{
	const char *stage = sm_json_text(a->header, "stage"),
		   *other = sm_json_text(b->header, "stage");
	if (strcmp(stage, other) != 0)
		return SM_FAIL(
			err, SM_USAGE,
			"the first ledger is of stage %s, the second of %s: allowed is one stage",
			stage, other);
	json_t *diff = json_pack("{s:s, s:[]}", "stage", stage, "changed"),
	       *settings = json_array();
	json_t *va = json_object_get(a->header, "version"),
	       *vb = json_object_get(b->header, "version");
	struct causes causes = {.version = !json_equal(va, vb)};
	if (causes.version)
		json_object_set_new(diff, "version", json_pack("[O, O]", va, vb));
	diff_settings("", json_object_get(a->header, "settings"),
		      json_object_get(b->header, "settings"), settings);
	json_object_set_new(diff, "settings", sorted(settings));
	json_object_set_new(diff, "only_a", only(a, b));
	json_object_set_new(diff, "only_b", only(b, a));
	diff_headers(a->header, b->header, diff, &causes);
	enum sm_status st = diff_records(a->records, b->records, &causes, diff, err);
	if (st != SM_OK) {
		json_decref(diff);
		diff = NULL;
	}
	*out = diff;
	return st;
}

bool sm_diff_found(const json_t *diff)
{
	static const char *const lists[] = {"only_a", "only_b", "outputs", "facts", "changed"};
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (json_array_size(json_object_get(diff, lists[i])))
			return true;
	return false;
}
