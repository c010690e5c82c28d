/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/hash.h"

#define MAX_LEDGER ((size_t)1 << 30)

/* e-05 -> e-5, e+20 -> e20: as jansson writes it. */
static void tidy_exponent(char *text)
{
	char *to = strchr(text, 'e');
	if (!to++)
		return;
	char *from = to + (*to == '+' || *to == '-');
	to += *to == '-';
	from += strspn(from, "0");
	memmove(to, from, strlen(from) + 1);
}

/* Writes the number text[0..n) with the fewest digits that read back as the same. The length of
 * what stands there. Ledgers keep numbers with an exponent as they are: hashes of settings hang on
 * them. */
static size_t shorten_real(char *text, size_t n, bool exponents)
{
	char whole[40], less[40];
	bool has_exponent = memchr(text, 'e', n);
	/* 17 digits and a point */
	if (n < 18 || n >= sizeof whole - 3 || (has_exponent && !exponents) ||
	    !memchr(text, '.', n))
		return n;
	memcpy(whole, text, n);
	whole[n] = '\0';
	for (int digits = has_exponent ? 1 : 15; digits < 17; digits++) {
		snprintf(less, sizeof less - 3, "%.*g", digits, strtod(whole, NULL));
		if (!strpbrk(less, ".e"))
			memcpy(less + strlen(less), ".0", 3);
		tidy_exponent(less);
		size_t m = strlen(less);
		if (m < n && !strchr(less, 'e') == !has_exponent &&
		    strtod(less, NULL) == strtod(whole, NULL)) {
			memcpy(text, less, m);
			return m;
		}
	}
	return n;
}

/* 16.260000000000002 -> 16.26: jansson writes as many digits for every number. */
static void shorten_reals(char *line, bool exponents)
{
	char *to = line;
	bool quoted = false;
	for (const char *from = line; *from;) {
		size_t n = quoted ? 0 : strspn(from, "+-.0123456789e");
		if (n) {
			memmove(to, from, n);
			to += shorten_real(to, n, exponents);
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
	char *line = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17) |
					       JSON_ENCODE_ANY);
	if (line)
		shorten_reals(line, false);
	return line;
}

/* The code point at p when YAML does not read it as it stands though JSON has it unescaped: DEL,
 * U+0080 to U+009F, the line ends U+2028 and U+2029, U+FEFF, U+FFFE, U+FFFF. Else 0. *n: its
 * bytes. */
static unsigned yaml_escaped(const char *text, size_t *n)
{
	const unsigned char *p = (const unsigned char *)text;
	*n = 1;
	if (*p < 0x7f)
		return 0;
	if (*p == 0x7f)
		return *p;
	if (*p == 0xc2 && p[1] < 0xa0) {
		*n = 2;
		return p[1];
	}
	*n = 3;
	if (*p == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
		return p[2] == 0xa8 ? 0x2028 : 0x2029;
	if (*p == 0xef && p[1] == 0xbb && p[2] == 0xbf)
		return 0xfeff;
	if (*p == 0xef && p[1] == 0xbf && p[2] >= 0xbe)
		return p[2] == 0xbe ? 0xfffe : 0xffff;
	*n = 1;
	return 0;
}

char *sm_json_yaml(const json_t *value, size_t flags)
{
	char *text = json_dumps(value, flags | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY);
	char *out = text ? malloc(6 * strlen(text) + 1) : NULL, *to = out;
	for (const char *p = text; out && *p;) {
		size_t n;
		unsigned c = yaml_escaped(p, &n);
		if (c)
			to += snprintf(to, 7, "\\u%04x", c);
		else
			*to++ = *p;
		p += n;
	}
	free(text);
	if (!out)
		return NULL;
	*to = '\0';
	shorten_reals(out, true);
	return out;
}

double sm_json_number(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	return json_is_number(v) ? json_number_value(v) : NAN;
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

json_t *sm_ledger_get(const struct sm_ledger *ledger, const char *key)
{
	return sm_records_get(ledger->records, sm_records_find(ledger->records, key));
}

char *sm_ledger_text(const struct sm_ledger *ledger, const char *key, const char *name)
{
	json_t *record = sm_ledger_get(ledger, key);
	const json_t *value = json_object_get(record, name);
	const char *text = json_string_value(value);
	char *copy = text ? strdup(text) : value ? sm_json_line(value) : NULL;
	json_decref(record);
	return copy;
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
		return SM_FAIL(err, SM_INPUT,
			       "%s: line 1: is no header of a ledger: 'stage' is missing", path);
	if (schema != SM_LEDGER_SCHEMA)
		return SM_FAIL(err, SM_INPUT,
			       "%s: line 1: schema found %" JSON_INTEGER_FORMAT ", allowed is %d",
			       path, schema, SM_LEDGER_SCHEMA);
	if (stage && strcmp(stage, name) != 0)
		return SM_FAIL(err, SM_INPUT, "%s: was written by stage '%s', needed is '%s'", path,
			       name, stage);
	return SM_OK;
}

static enum sm_status check_record(const json_t *record, const char *before, const char *path,
				   size_t line, struct sm_err *err)
{
	const char *key = sm_record_key(record), *status = sm_json_text(record, "status");
	if (!key || !status || (strcmp(status, "ok") != 0 && strcmp(status, "rejected") != 0))
		return SM_FAIL(err, SM_INPUT,
			       "%s: line %zu: is no record with key and status ok or rejected",
			       path, line);
	if (before && strcmp(before, key) >= 0)
		return SM_FAIL(err, SM_INPUT,
			       "%s: line %zu: key '%s' is a duplicate or out of order", path, line,
			       key);
	return SM_OK;
}

/* A ledger that is being read, line by line. */
struct reading {
	const char *path, *stage; /* stage NULL = any */
	FILE *f;
	char *text; /* the line, without its end */
	size_t n, room, line;
	uint64_t at; /* where it begins */
	struct sm_sha256 hash;
};

/* The next line; *more is false behind the last. */
static enum sm_status next_line(struct reading *r, bool *more, struct sm_err *err)
{
	r->at += r->line ? r->n + 1 : 0;
	r->line++;
	ssize_t n = getline(&r->text, &r->room, r->f);
	*more = n > 0;
	if (n <= 0)
		return ferror(r->f) ? SM_FAIL(err, SM_IO, "%s: reading failed", r->path) : SM_OK;
	sm_sha256_add(&r->hash, r->text, (size_t)n);
	r->n = (size_t)n - 1;
	if (r->text[r->n] != '\n')
		return SM_FAIL(err, SM_INPUT, "%s: line %zu: is cut short", r->path, r->line);
	return SM_OK;
}

/* The line as an object, a new reference. */
static enum sm_status parse_line(const struct reading *r, json_t **out, struct sm_err *err)
{
	json_error_t why;
	*out = json_loadb(r->text, r->n, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(*out))
		return SM_OK;
	enum sm_status st = SM_FAIL(err, SM_INPUT, "%s: line %zu: is not a JSON object: %s",
				    r->path, r->line, *out ? "another type" : why.text);
	json_decref(*out);
	*out = NULL;
	return st;
}

static enum sm_status read_records(struct reading *r, struct sm_records *records,
				   struct sm_err *err)
{
	bool more;
	for (;;) {
		size_t n = sm_records_count(records);
		json_t *record;
		SM_TRY(next_line(r, &more, err));
		if (!more)
			return SM_OK;
		SM_TRY(parse_line(r, &record, err));
		enum sm_status st = check_record(record, n ? sm_records_key(records, n - 1) : NULL,
						 r->path, r->line, err);
		if (st == SM_OK)
			st = sm_records_place(records, record, r->text, r->n, r->at, 0, err);
		json_decref(record);
		SM_TRY(st);
	}
}

/* What stands behind the header, for its hash alone. */
static enum sm_status pass_records(struct reading *r, struct sm_err *err)
{
	char block[16384];
	size_t n;
	while ((n = fread(block, 1, sizeof block, r->f)))
		sm_sha256_add(&r->hash, block, n);
	return ferror(r->f) ? SM_FAIL(err, SM_IO, "%s: reading failed", r->path) : SM_OK;
}

static enum sm_status read_lines(struct reading *r, bool head, struct sm_ledger *out,
				 struct sm_err *err)
{
	bool more;
	SM_TRY(next_line(r, &more, err));
	if (!more)
		return SM_FAIL(err, SM_INPUT, "%s: is empty", r->path);
	SM_TRY(parse_line(r, &out->header, err));
	SM_TRY(check_header(out->header, r->path, r->stage, err));
	if (head)
		return pass_records(r, err);
	int fd = fcntl(fileno(r->f), F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return SM_FAIL(err, SM_IO, "%s: cannot be opened: %s", r->path, strerror(errno));
	out->records = sm_records_in(fd, r->path);
	if (!out->records)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", r->path);
	return read_records(r, out->records, err);
}

static enum sm_status read_ledger(const char *dir, const char *stage, bool head,
				  struct sm_ledger *out, struct sm_err *err)
{
	*out = (struct sm_ledger){0};
	char *path = sm_is_dir(dir) ? sm_path_join(dir, SM_LEDGER_NAME) : sm_strf("%s", dir);
	struct reading r = {.path = path, .stage = stage};
	enum sm_status st;
	int fd;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	if (sm_file_absent(path)) {
		st = SM_FAIL(err, SM_INPUT, "%s: does not exist: %s%s has%s finished there", path,
			     stage ? "stage " : "no stage", stage ? stage : "",
			     stage ? " not" : "");
		goto out;
	}
	SM_GOTO(st, sm_file_open(path, MAX_LEDGER, &fd, NULL, err));
	r.f = fdopen(fd, "rb");
	if (!r.f) {
		close(fd);
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
		goto out;
	}
	sm_sha256_init(&r.hash);
	st = read_lines(&r, head, out, err);
	sm_sha256_final(&r.hash, out->sha256);
out:
	if (r.f)
		fclose(r.f);
	if (st != SM_OK)
		sm_ledger_clear(out);
	free(r.text);
	free(path);
	return st;
}

enum sm_status sm_ledger_read(const char *dir, const char *stage, struct sm_ledger *out,
			      struct sm_err *err)
{
	return read_ledger(dir, stage, false, out, err);
}

enum sm_status sm_ledger_read_head(const char *dir, struct sm_ledger *out, struct sm_err *err)
{
	return read_ledger(dir, NULL, true, out, err);
}

enum sm_status sm_ledger_sort(struct sm_ledger *ledger, struct sm_err *err)
{
	sm_records_sort(ledger->records);
	const char *twice = sm_records_twice(ledger->records);
	return twice ? SM_FAIL(err, SM_INTERNAL, "ledger: key '%s' stands twice", twice) : SM_OK;
}

/* One line, whose memory it frees, into the hash and, unless it is NULL, the stream. */
static enum sm_status add_line(struct sm_sha256 *hash, FILE *stream, char *line, size_t n,
			       struct sm_err *err)
{
	sm_sha256_add(hash, line, n);
	bool good = !stream || fwrite(line, 1, n, stream) == n;
	free(line);
	return good ? SM_OK
		    : SM_FAIL(err, SM_IO, SM_LEDGER_NAME ": writing failed: %s", strerror(errno));
}

static enum sm_status add_all(const struct sm_ledger *ledger, FILE *stream, char sha256[65],
			      struct sm_err *err)
{
	struct sm_sha256 hash;
	char *line = sm_json_line(ledger->header);
	size_t n = line ? strlen(line) : 0;
	if (!line)
		return SM_FAIL(err, SM_BUDGET, "ledger: out of memory");
	line[n] = '\n'; /* in place of the zero byte */
	sm_sha256_init(&hash);
	SM_TRY(add_line(&hash, stream, line, n + 1, err));
	for (size_t i = 0; (line = sm_records_line(ledger->records, i, &n)); i++)
		SM_TRY(add_line(&hash, stream, line, n, err));
	sm_sha256_final(&hash, sha256);
	return sm_records_check(ledger->records, err);
}

enum sm_status sm_ledger_hash(const struct sm_ledger *ledger, char sha256[65], struct sm_err *err)
{
	return add_all(ledger, NULL, sha256, err);
}

enum sm_status sm_ledger_write(struct sm_ledger *ledger, const char *dir, struct sm_err *err)
{
	return sm_ledger_write_in(NULL, ledger, dir, err);
}

enum sm_status sm_ledger_write_in(struct sm_outset *set, struct sm_ledger *ledger, const char *dir,
				  struct sm_err *err)
{
	struct sm_outfile out = {0};
	char *path = sm_path_join(dir, SM_LEDGER_NAME);
	enum sm_status st;
	if (!path)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", dir);
	SM_GOTO(st, sm_ledger_sort(ledger, err));
	SM_GOTO(st, sm_outfile_begin(&out, path, true, err));
	SM_GOTO(st, add_all(ledger, out.stream, ledger->sha256, err));
	st = sm_outset_add(set, &out, err);
out:
	sm_outfile_abandon(&out);
	free(path);
	return st;
}

void sm_ledger_clear(struct sm_ledger *ledger)
{
	json_decref(ledger->header);
	sm_records_free(ledger->records);
	*ledger = (struct sm_ledger){0};
}
