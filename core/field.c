/* SPDX-License-Identifier: Apache-2.0 */
#include "core/field.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST 4096

void sm_field_allowed(const struct sm_field *f, char *out, size_t n)
{
	bool ranged = f->min != 0 || f->max != 0;
	const char *many = f->kind == SM_F_INTS || f->kind == SM_F_FLOATS ? "each " : "";
	const char *none = f->none ? " or none" : "";
	switch (f->kind) {
	case SM_F_BOOL:
		snprintf(out, n, "true or false");
		break;
	case SM_F_CHOICE:
		snprintf(out, n, "one of %s", f->choices);
		break;
	case SM_F_INT:
	case SM_F_INTS:
		if (ranged)
			snprintf(out, n, "%sa whole number from %.0f to %.0f", many, f->min,
				 f->max);
		else
			snprintf(out, n, "%sa whole number", many);
		break;
	case SM_F_FLOAT:
	case SM_F_FLOATS:
		if (ranged)
			snprintf(out, n, "%sa number from %g to %g%s", many, f->min, f->max, none);
		else
			snprintf(out, n, "%sa finite number%s", many, none);
		break;
	default:
		snprintf(out, n, "a text");
	}
}

static enum sm_status refuse(const struct sm_field *f, const char *where, const char *text,
			     struct sm_err *err)
{
	char allowed[256];
	sm_field_allowed(f, allowed, sizeof allowed);
	return SM_FAIL(err, SM_USAGE, "%s: found '%s', allowed is %s", where, text, allowed);
}

static bool in_range(const struct sm_field *f, double v)
{
	return (f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max);
}

static bool to_int(const struct sm_field *f, const char *text, int64_t *out)
{
	char *end;
	errno = 0;
	intmax_t v = strtoimax(text, &end, 10);
	if (errno || end == text || *end || v > INT64_MAX || v < INT64_MIN)
		return false;
	*out = (int64_t)v;
	return in_range(f, (double)v);
}

static bool to_float(const struct sm_field *f, const char *text, double *out)
{
	char *end;
	if (f->none && strcmp(text, "none") == 0) {
		*out = NAN;
		return true;
	}
	*out = strtod(text, &end);
	return end != text && !*end && isfinite(*out) && in_range(f, *out);
}

static bool to_bool(const char *text, bool *out)
{
	*out = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0;
	return *out || strcmp(text, "false") == 0 || strcmp(text, "no") == 0 ||
	       strcmp(text, "0") == 0;
}

static bool to_choice(const char *choices, const char *text, int *out)
{
	size_t n = strlen(text);
	int index = 0;
	for (const char *p = choices; *p; index++) {
		size_t len = strcspn(p, "|");
		if (len == n && memcmp(p, text, n) == 0) {
			*out = index;
			return true;
		}
		p += len + (p[len] == '|');
	}
	return false;
}

enum sm_status sm_field_set(const struct sm_field *f, const char *where, const char *text,
			    void *base, struct sm_arena *arena, struct sm_err *err)
{
	void *at = (char *)base + f->offset;
	bool good;
	switch (f->kind) {
	case SM_F_BOOL:
		good = to_bool(text, at);
		break;
	case SM_F_INT:
		good = to_int(f, text, at);
		break;
	case SM_F_FLOAT:
		good = to_float(f, text, at);
		break;
	case SM_F_CHOICE:
		good = to_choice(f->choices, text, at);
		break;
	case SM_F_STRING:
		*(char **)at = sm_arena_strdup(arena, text);
		if (!*(char **)at)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", where);
		return SM_OK;
	case SM_F_INTS:
	case SM_F_FLOATS:
	case SM_F_STRINGS: {
		/* A list in one text: separated by blanks or commas. */
		const char *between = f->commas ? "," : " ,";
		char *copy = sm_arena_strdup(arena, text);
		const char **words = sm_arena_alloc(arena, MAX_LIST * sizeof *words);
		size_t n = 0;
		if (!copy || !words)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", where);
		char *save = NULL;
		for (char *w = strtok_r(copy, between, &save); w;
		     w = strtok_r(NULL, between, &save)) {
			if (n == MAX_LIST)
				return SM_FAIL(err, SM_USAGE, "%s: more than %d values", where,
					       MAX_LIST);
			words[n++] = w;
		}
		return sm_field_set_list(f, where, words, n, base, arena, err);
	}
	default:
		return SM_FAIL(err, SM_USAGE, "%s: cannot be set by a single text", where);
	}
	return good ? SM_OK : refuse(f, where, text, err);
}

enum sm_status sm_field_set_list(const struct sm_field *f, const char *where,
				 const char *const *texts, size_t n, void *base,
				 struct sm_arena *arena, struct sm_err *err)
{
	void *at = (char *)base + f->offset;
	size_t size = f->kind == SM_F_INTS     ? sizeof(int64_t)
		      : f->kind == SM_F_FLOATS ? sizeof(double)
					       : sizeof(char *);
	if (f->count && n != f->count)
		return SM_FAIL(err, SM_USAGE, "%s: found %zu values, allowed are exactly %zu",
			       where, n, f->count);
	void *v = sm_arena_alloc(arena, (n ? n : 1) * size);
	if (!v)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", where);
	for (size_t i = 0; i < n; i++) {
		bool good = true;
		if (f->kind == SM_F_INTS)
			good = to_int(f, texts[i], (int64_t *)v + i);
		else if (f->kind == SM_F_FLOATS)
			good = to_float(f, texts[i], (double *)v + i);
		else if (!(((char **)v)[i] = sm_arena_strdup(arena, texts[i])))
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", where);
		if (!good)
			return refuse(f, where, texts[i], err);
	}
	/* The three list structs have the same layout: a pointer and a count. */
	struct sm_list *list = at;
	list->items = v;
	list->n = n;
	return SM_OK;
}

enum sm_status sm_fields_default(const struct sm_fieldset *set, void *base, struct sm_arena *arena,
				 struct sm_err *err)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct sm_field *f = &set->fields[i];
		if (!f->fallback)
			continue;
		if (f->kind == SM_F_MAPPING) {
			void *sub = sm_arena_alloc(arena, f->of->size);
			if (!sub)
				return SM_FAIL(err, SM_BUDGET, "%s: out of memory", f->key);
			SM_TRY(sm_fields_default(f->of, sub, arena, err));
			*(void **)((char *)base + f->offset) = sub;
			continue;
		}
		if (sm_field_set(f, f->key, f->fallback, base, arena, err) != SM_OK)
			return SM_FAIL(err, SM_INTERNAL,
				       "default of %s.%s is not allowed by its own table",
				       set->name, f->key);
	}
	return SM_OK;
}

static size_t choice_span(const char *choices, int index, const char **start)
{
	const char *p = choices;
	while (index-- > 0)
		p += strcspn(p, "|") + 1;
	*start = p;
	return strcspn(p, "|");
}

const char *sm_choice_name(const struct sm_field *f, int index, struct sm_arena *arena)
{
	const char *start;
	size_t n = choice_span(f->choices, index, &start);
	return sm_arena_strf(arena, "%.*s", (int)n, start);
}

/* One condition of `only`, n bytes long. */
static bool holds(const struct sm_fieldset *set, const char *text, size_t n, const void *base)
{
	const bool no = n > 3 && strncmp(text, "no ", 3) == 0,
		   any = n > 4 && strncmp(text, "any ", 4) == 0;
	const char *key = no ? text + 3 : any ? text + 4 : text, *end = text + n;
	const size_t length = no || any ? (size_t)(end - key) : strcspn(key, " ");
	const struct sm_field *f = NULL;
	for (size_t i = 0; i < set->count; i++)
		if (strlen(set->fields[i].key) == length &&
		    memcmp(set->fields[i].key, key, length) == 0)
			f = &set->fields[i];
	if (!f)
		return false;
	const char *at = (const char *)base + f->offset, *name;
	if (any && f->kind == SM_F_INT)
		return *(const int64_t *)at;
	if (any)
		return fabs(*(const double *)at) > 0;
	if (no && f->kind == SM_F_INT)
		return !*(const int64_t *)at;
	if (no)
		return f->kind == SM_F_STRING || f->kind == SM_F_MAPPING
			       ? !*(void *const *)at
			       : !((const struct sm_list *)at)->n;
	size_t own;
	if (f->kind == SM_F_BOOL) {
		name = *(const bool *)at ? "true" : "false";
		own = strlen(name);
	} else {
		own = choice_span(f->choices, *(const int *)at, &name);
	}
	for (const char *p = key + length + 1; p < end;) {
		size_t len = 0;
		while (p + len < end && p[len] != '|')
			len++;
		if (len == own && memcmp(p, name, len) == 0)
			return true;
		p += len + 1;
	}
	return false;
}

bool sm_field_counts(const struct sm_fieldset *set, const struct sm_field *f, const void *base)
{
	for (const char *p = f->only; p && *p;) {
		size_t n = strcspn(p, ",");
		if (!holds(set, p, n, base))
			return false;
		p += n;
		p += strspn(p, ", ");
	}
	return true;
}

static json_t *dump_fields(const struct sm_fieldset *set, const void *base, bool given);

static json_t *dump_list(const struct sm_field *f, const struct sm_list *list, bool given)
{
	json_t *array = json_array();
	for (size_t i = 0; i < list->n; i++) {
		json_t *v = NULL;
		if (f->kind == SM_F_INTS)
			v = json_integer(((int64_t *)list->items)[i]);
		else if (f->kind == SM_F_FLOATS)
			v = json_real(((double *)list->items)[i]);
		else if (f->kind == SM_F_STRINGS)
			v = json_string(((char **)list->items)[i]);
		else
			v = dump_fields(f->of, (char *)list->items + i * f->of->size, given);
		json_array_append_new(array, v);
	}
	return array;
}

static json_t *dump_steps(const struct sm_field *f, const struct sm_steps *steps, bool given)
{
	json_t *array = json_array();
	for (size_t i = 0; i < steps->n; i++) {
		const struct sm_field *op = &f->of->fields[steps->v[i].which];
		json_t *one = json_object();
		json_object_set_new(one, op->key, dump_fields(op->of, steps->v[i].params, given));
		if (steps->v[i].when)
			json_object_set_new(one, "when", json_string(steps->v[i].when));
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *dump_field(const struct sm_field *f, const void *at, bool given)
{
	const char *start;
	switch (f->kind) {
	case SM_F_BOOL:
		return json_boolean(*(const bool *)at);
	case SM_F_INT:
		return json_integer(*(const int64_t *)at);
	case SM_F_FLOAT:
		return isnan(*(const double *)at) ? json_null() : json_real(*(const double *)at);
	case SM_F_STRING:
		return *(char *const *)at ? json_string(*(char *const *)at) : json_null();
	case SM_F_CHOICE: {
		size_t n = choice_span(f->choices, *(const int *)at, &start);
		return json_stringn(start, n);
	}
	case SM_F_MAPPING:
		return *(void *const *)at ? dump_fields(f->of, *(void *const *)at, given)
					  : json_null();
	case SM_F_STEPS:
		return dump_steps(f, at, given);
	default:
		return dump_list(f, at, given);
	}
}

/* given: without what nobody could have written, absent values and keys that do not count. */
static json_t *dump_fields(const struct sm_fieldset *set, const void *base, bool given)
{
	json_t *object = json_object();
	for (size_t i = 0; set && i < set->count; i++) {
		const struct sm_field *f = &set->fields[i];
		if (f->path || f->no_setting || (given && !sm_field_counts(set, f, base)))
			continue;
		json_t *value = dump_field(f, (const char *)base + f->offset, given);
		if (given && json_is_null(value))
			json_decref(value);
		else
			json_object_set_new(object, f->key, value);
	}
	return object;
}

json_t *sm_fields_dump(const struct sm_fieldset *set, const void *base)
{
	return dump_fields(set, base, false);
}

json_t *sm_fields_given(const struct sm_fieldset *set, const void *base)
{
	return dump_fields(set, base, true);
}

json_t *sm_fields_describe(const struct sm_fieldset *set)
{
	static const char *const kinds[] = {
		[SM_F_BOOL] = "bool",     [SM_F_INT] = "int",         [SM_F_FLOAT] = "float",
		[SM_F_STRING] = "string", [SM_F_CHOICE] = "choice",   [SM_F_INTS] = "ints",
		[SM_F_FLOATS] = "floats", [SM_F_STRINGS] = "strings", [SM_F_MAPPING] = "mapping",
		[SM_F_LIST] = "list",     [SM_F_STEPS] = "steps",
	};
	json_t *array = json_array();
	for (size_t i = 0; set && i < set->count; i++) {
		const struct sm_field *f = &set->fields[i];
		json_t *o = json_object();
		char allowed[256];
		json_object_set_new(o, "key", json_string(f->key));
		json_object_set_new(o, "type", json_string(kinds[f->kind]));
		if (f->of) {
			json_object_set_new(o, "of", sm_fields_describe(f->of));
		} else {
			sm_field_allowed(f, allowed, sizeof allowed);
			json_object_set_new(o, "allowed", json_string(allowed));
			json_object_set_new(o, "default",
					    f->fallback ? json_string(f->fallback) : json_null());
		}
		if (f->only)
			json_object_set_new(o, "only", json_string(f->only));
		if (f->doc)
			json_object_set_new(o, "doc", json_string(f->doc));
		json_array_append_new(array, o);
	}
	return array;
}
