/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ledger.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/hash.h"

#define MAX_LEDGER ((size_t)1 << 30)

/* Writes the number text[0..n) with the fewest digits that read back as the same. The length of what stands there. */
static size_t shorten_real(char *text, size_t n)
{
	char whole[40], less[40];
	/* 17 digits and a point; an exponent stays as it is. */
	if (n < 18 || n >= sizeof whole - 3 || memchr(text, 'e', n) || !memchr(text, '.', n))
		return n;
	memcpy(whole, text, n);
	whole[n] = '\0';
	for (int digits = 15; digits < 17; digits++) {
		snprintf(less, sizeof less - 3, "%.*g", digits, strtod(whole, NULL));
		if (!strpbrk(less, ".e"))
			memcpy(less + strlen(less), ".0", 3);
		size_t m = strlen(less);
		if (m < n && !strchr(less, 'e') && strtod(less, NULL) == strtod(whole, NULL)) {
			memcpy(text, less, m);
			return m;
		}
	}
	return n;
}

/* 16.260000000000002 -> 16.26: jansson writes as many digits for every number. */
static void shorten_reals(char *line)
{
	char *to = line;
	bool quoted = false;
	for (const char *from = line; *from;) {
		size_t n = quoted ? 0 : strspn(from, "+-.0123456789e");
		if (n) {
			memmove(to, from, n);
			to += shorten_real(to, n);
			from += n;
			continue;
		}
		if (*from == '"')
			quoted = !quoted;
		if (quoted && *from == '\\' && from[1])
			*to++ = *from++;
		*to++ = *from++;
	}
	*to = '\0';
}

char *sm_json_line(const json_t *value)
{
	char *line = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
	if (line)
		shorten_reals(line);
	return line;
}

const char *sm_json_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

const char *sm_record_key(const json_t *record)
{
	return sm_json_text(record, "key");
}

bool sm_record_ok(const json_t *record)
{
	const char *status = sm_json_text(record, "status");
	return status && strcmp(status, "ok") == 0;
}

json_t *sm_ledger_find(const struct sm_ledger *ledger, const char *key)
{
	size_t low = 0, high = json_array_size(ledger->records);
	while (low < high) {
		size_t mid = (low + high) / 2;
		json_t *record = json_array_get(ledger->records, mid);
		int order = strcmp(sm_record_key(record), key);
		if (order == 0)
			return record;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

json_t *sm_record_output(const json_t *record, const char *role)
{
	size_t i;
	json_t *output;
	json_array_foreach(json_object_get(record, "outputs"), i, output)
	{
		const char *name = sm_json_text(output, "role");
		if (name && strcmp(name, role) == 0)
			return output;
	}
	return NULL;
}

json_t *sm_json_ints(const int64_t *v, size_t n)
{
	json_t *array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_integer(v[i]));
	return array;
}

json_t *sm_json_floats(const double *v, size_t n)
{
	json_t *array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, isfinite(v[i]) ? json_real(v[i]) : json_null());
	return array;
}

bool sm_json_get_floats(const json_t *object, const char *name, double *v, size_t n)
{
	const json_t *array = json_object_get(object, name);
	if (!json_is_array(array) || json_array_size(array) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const json_t *x = json_array_get(array, i);
		if (!json_is_number(x))
			return false;
		v[i] = json_number_value(x);
	}
	return true;
}

bool sm_json_get_ints(const json_t *object, const char *name, int64_t *v, size_t n)
{
	const json_t *array = json_object_get(object, name);
	if (!json_is_array(array) || json_array_size(array) != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		const json_t *x = json_array_get(array, i);
		if (!json_is_integer(x))
			return false;
		v[i] = json_integer_value(x);
	}
	return true;
}

static enum sm_status check_header(const json_t *header, const char *path, const char *stage,
				   struct sm_err *err)
{
	const char *name = sm_json_text(header, "stage");
	json_int_t schema = json_integer_value(json_object_get(header, "schema"));
	if (!name)
		return SM_FAIL(err, SM_INPUT, "%s: line 1: is no header of a ledger: 'stage' is missing", path);
	if (schema != SM_LEDGER_SCHEMA)
		return SM_FAIL(err, SM_INPUT,
			       "%s: line 1: schema found %" JSON_INTEGER_FORMAT ", allowed is %d", path,
			       schema, SM_LEDGER_SCHEMA);
	if (stage && strcmp(stage, name) != 0)
		return SM_FAIL(err, SM_INPUT, "%s: was written by stage '%s', needed is '%s'", path, name,
			       stage);
	return SM_OK;
}

static enum sm_status check_record(const json_t *record, const char *before, const char *path,
				   size_t line, struct sm_err *err)
{
	const char *key = sm_record_key(record), *status = sm_json_text(record, "status");
	if (!key || !status || (strcmp(status, "ok") != 0 && strcmp(status, "rejected") != 0))
		return SM_FAIL(err, SM_INPUT, "%s: line %zu: is no record with key and status ok or rejected",
			       path, line);
	if (before && strcmp(before, key) >= 0)
		return SM_FAIL(err, SM_INPUT, "%s: line %zu: key '%s' is a duplicate or out of order",
			       path, line, key);
	return SM_OK;
}

/* What to read of a ledger. */
struct wanted {
	const char *stage;       /* NULL = of any */
	bool head;               /* line 1 alone */
	const char *const *keep; /* facts of a record; NULL = all */
	const struct sm_ledger *like; /* whose records are shared; NULL = none */
};

/* Deletes all facts but those of the NULL-ended list. */
static void keep_facts(json_t *record, const char *const *keep)
{
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(record, next, key, value)
	{
		const char *const *k = keep;
		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			json_object_del(record, key);
	}
}

/* What is kept of the last record; returns it. */
static json_t *shrink_last(json_t *records, const struct wanted *want)
{
	size_t last = json_array_size(records) - 1;
	json_t *record = json_array_get(records, last);
	if (want->keep)
		keep_facts(record, want->keep);
	json_t *twin = want->like ? sm_ledger_find(want->like, sm_record_key(record)) : NULL;
	if (!twin || !json_equal(twin, record))
		return record;
	json_array_set(records, last, twin);
	return twin;
}

static enum sm_status parse_lines(char *text, const char *path, const struct wanted *want,
				  struct sm_ledger *out, struct sm_err *err)
{
	const char *before = NULL;
	size_t line = 1;
	out->records = want->head ? NULL : json_array();
	for (char *p = text; *p && (line == 1 || !want->head); line++) {
		json_error_t why;
		size_t n = strcspn(p, "\n");
		if (p[n] != '\n')
			return SM_FAIL(err, SM_INPUT, "%s: line %zu: is cut short", path, line);
		json_t *value = json_loadb(p, n, JSON_REJECT_DUPLICATES, &why);
		if (!json_is_object(value)) {
			json_decref(value);
			return SM_FAIL(err, SM_INPUT, "%s: line %zu: is not a JSON object: %s", path, line,
				       value ? "another type" : why.text);
		}
		if (line == 1) {
			out->header = value;
			SM_TRY(check_header(value, path, want->stage, err));
		} else {
			json_array_append_new(out->records, value);
			SM_TRY(check_record(value, before, path, line, err));
			before = sm_record_key(shrink_last(out->records, want));
		}
		p += n + 1;
	}
	if (!out->header)
		return SM_FAIL(err, SM_INPUT, "%s: is empty", path);
	return SM_OK;
}

static enum sm_status read_ledger(const char *dir, const struct wanted *want, struct sm_ledger *out,
				  struct sm_err *err)
{
	const char *stage = want->stage;
	unsigned char *bytes = NULL;
	size_t size = 0;
	*out = (struct sm_ledger){0};
	char *path = sm_is_dir(dir) ? sm_path_join(dir, SM_LEDGER_NAME) : sm_strf("%s", dir);
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	enum sm_status st;
	if (!sm_file_exists(path)) {
		st = SM_FAIL(err, SM_INPUT, "%s: does not exist: %s%s has%s finished there", path,
			     stage ? "stage " : "no stage", stage ? stage : "", stage ? " not" : "");
		goto out;
	}
	SM_GOTO(st, sm_file_read(path, MAX_LEDGER, NULL, &bytes, &size, err));
	sm_sha256_bytes(bytes, size, out->sha256);
	st = parse_lines((char *)bytes, path, want, out, err);
out:
	if (st != SM_OK)
		sm_ledger_clear(out);
	sm_free(bytes);
	free(path);
	return st;
}

enum sm_status sm_ledger_read(const char *dir, const char *stage, struct sm_ledger *out,
			      struct sm_err *err)
{
	return read_ledger(dir, &(struct wanted){.stage = stage}, out, err);
}

enum sm_status sm_ledger_read_head(const char *dir, struct sm_ledger *out, struct sm_err *err)
{
	return read_ledger(dir, &(struct wanted){.head = true}, out, err);
}

enum sm_status sm_ledger_read_facts(const char *dir, const char *const *keep, const struct sm_ledger *like,
				    struct sm_ledger *out, struct sm_err *err)
{
	return read_ledger(dir, &(struct wanted){.keep = keep, .like = like}, out, err);
}

static int by_key(const void *a, const void *b)
{
	return strcmp(sm_record_key(*(json_t *const *)a), sm_record_key(*(json_t *const *)b));
}

enum sm_status sm_ledger_sort(struct sm_ledger *ledger, struct sm_err *err)
{
	size_t n = json_array_size(ledger->records);
	json_t **list = malloc((n ? n : 1) * sizeof *list);
	json_t *sorted = json_array();
	if (!list || !sorted) {
		free(list);
		json_decref(sorted);
		return SM_FAIL(err, SM_BUDGET, "ledger: out of memory");
	}
	for (size_t i = 0; i < n; i++)
		list[i] = json_array_get(ledger->records, i);
	qsort(list, n, sizeof *list, by_key);
	const char *twice = NULL;
	for (size_t i = 0; i < n; i++) {
		if (i && by_key(&list[i - 1], &list[i]) == 0)
			twice = sm_record_key(list[i]);
		json_array_append(sorted, list[i]);
	}
	free(list);
	json_decref(ledger->records);
	ledger->records = sorted;
	if (twice)
		return SM_FAIL(err, SM_INTERNAL, "ledger: key '%s' stands twice", twice);
	return SM_OK;
}

/* One line into the hash and, unless it is NULL, the stream. */
static bool add_line(struct sm_sha256 *hash, FILE *stream, const json_t *value)
{
	char *line = sm_json_line(value);
	if (!line)
		return false;
	size_t n = strlen(line);
	line[n] = '\n'; /* in place of the zero byte */
	sm_sha256_add(hash, line, n + 1);
	bool good = !stream || fwrite(line, 1, n + 1, stream) == n + 1;
	free(line);
	return good;
}

static bool add_all(const struct sm_ledger *ledger, struct sm_sha256 *hash, FILE *stream)
{
	bool good = hash && add_line(hash, stream, ledger->header);
	for (size_t i = 0; good && i < json_array_size(ledger->records); i++)
		good = add_line(hash, stream, json_array_get(ledger->records, i));
	return good;
}

enum sm_status sm_ledger_hash(const struct sm_ledger *ledger, char sha256[65], struct sm_err *err)
{
	struct sm_sha256 *hash = sm_sha256_begin();
	bool good = add_all(ledger, hash, NULL);
	sm_sha256_end(hash, sha256);
	return good ? SM_OK : SM_FAIL(err, SM_BUDGET, "ledger: out of memory");
}

enum sm_status sm_ledger_write(struct sm_ledger *ledger, const char *dir, struct sm_err *err)
{
	return sm_ledger_write_in(NULL, ledger, dir, err);
}

enum sm_status sm_ledger_write_in(struct sm_outset *set, struct sm_ledger *ledger, const char *dir,
				  struct sm_err *err)
{
	struct sm_outfile out = {0};
	struct sm_sha256 *hash = NULL;
	char *path = sm_path_join(dir, SM_LEDGER_NAME);
	enum sm_status st;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	SM_GOTO(st, sm_ledger_sort(ledger, err));
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	hash = sm_sha256_begin();
	if (!add_all(ledger, hash, out.stream)) {
		st = SM_FAIL(err, SM_IO, "%s: writing failed", path);
		goto out;
	}
	st = sm_outset_add(set, &out, err);
out:
	if (hash)
		sm_sha256_end(hash, ledger->sha256);
	sm_outfile_abandon(&out);
	free(path);
	return st;
}

void sm_ledger_clear(struct sm_ledger *ledger)
{
	json_decref(ledger->header);
	json_decref(ledger->records);
	*ledger = (struct sm_ledger){0};
}
