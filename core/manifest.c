/* SPDX-License-Identifier: Apache-2.0
 *
 * A field table becomes a libcyaml schema at run time. Every mapping is loaded into an array of
 * slots, two a field (pointer and count): libcyaml does the YAML, the structure, unknown keys and
 * line numbers; field.c does types, ranges and defaults, the same as for the command
 * line. */
#include "core/manifest.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

#define MAX_MANIFEST (4u << 20)

struct slot {
	void *value;
	uint64_t count;
};

/* ---- schema ------------------------------------------------------------------------------- */

static cyaml_schema_field_t *mapping_schema(const struct sm_fieldset *set, bool when,
					    struct sm_arena *arena);

static const cyaml_schema_value_t text_entry = {
	.type = CYAML_STRING,
	.flags = CYAML_FLAG_POINTER,
	.data_size = sizeof(char),
	.string = {.min = 0, .max = CYAML_UNLIMITED},
};

/* An entry of a list; one of steps may carry `when` behind the fields of the set. */
static const cyaml_schema_value_t *mapping_entry(const struct sm_fieldset *set, bool when,
						 struct sm_arena *arena)
{
	cyaml_schema_value_t *v = sm_arena_alloc(arena, sizeof *v);
	if (!v)
		return NULL;
	v->type = CYAML_MAPPING;
	v->flags = CYAML_FLAG_DEFAULT;
	v->data_size = (uint32_t)(((set->count ? set->count : 1) + when) * sizeof(struct slot));
	v->mapping.fields = mapping_schema(set, when, arena);
	return v->mapping.fields ? v : NULL;
}

static bool field_schema(const struct sm_field *f, cyaml_schema_value_t *v, struct sm_arena *arena)
{
	v->flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL;
	switch (f->kind) {
	case SM_F_MAPPING:
		v->type = CYAML_MAPPING;
		v->data_size = (uint32_t)((f->of->count ? f->of->count : 1) * sizeof(struct slot));
		v->mapping.fields = mapping_schema(f->of, false, arena);
		return v->mapping.fields;
	case SM_F_LIST:
	case SM_F_STEPS:
		v->type = CYAML_SEQUENCE;
		v->sequence.entry = mapping_entry(f->of, f->kind == SM_F_STEPS, arena);
		v->sequence.max = CYAML_UNLIMITED;
		v->data_size = v->sequence.entry ? v->sequence.entry->data_size : 0;
		return v->sequence.entry;
	case SM_F_INTS:
	case SM_F_FLOATS:
	case SM_F_STRINGS:
		v->type = CYAML_SEQUENCE;
		v->sequence.entry = &text_entry;
		/* libcyaml does not tell an empty list from none, for which the default would
		 * stand. */
		v->sequence.min = f->fallback && *f->fallback;
		v->sequence.max = CYAML_UNLIMITED;
		v->data_size = sizeof(char *);
		return true;
	default:
		v->type = CYAML_STRING;
		v->data_size = sizeof(char);
		v->string.max = CYAML_UNLIMITED;
		return true;
	}
}

static cyaml_schema_field_t *mapping_schema(const struct sm_fieldset *set, bool when,
					    struct sm_arena *arena)
{
	static const struct sm_field word = {.key = "when", .kind = SM_F_STRING};
	cyaml_schema_field_t *fields = sm_arena_alloc(arena, (set->count + 2) * sizeof *fields);
	for (size_t i = 0; fields && i < set->count + when; i++) {
		const struct sm_field *f = i < set->count ? &set->fields[i] : &word;
		fields[i].key = f->key;
		fields[i].data_offset = (uint32_t)(i * sizeof(struct slot));
		fields[i].count_offset =
			(uint32_t)(i * sizeof(struct slot) + offsetof(struct slot, count));
		fields[i].count_size = sizeof(uint64_t);
		if (!field_schema(f, &fields[i].value, arena))
			return NULL;
	}
	return fields;
}

/* ---- libcyaml's log lines become one sentence ----------------------------------------------- */

#define MAX_NEST 16

struct complaint {
	char first[256];          /* the error itself */
	char in[MAX_NEST][64];    /* keys of the enclosing mappings, innermost first */
	size_t depth;
	int line;                 /* of the innermost */
};

/* Takes the key out of "in mapping field 'KEY' "; false for lines about sequence entries. */
static bool take_key(struct complaint *c, const char *body)
{
	const char *from = strstr(body, "mapping field '"), *to = NULL;
	if (from) {
		from += strlen("mapping field ");
		to = strchr(from + 1, '\'');
	}
	if (!to || c->depth == MAX_NEST)
		return false;
	snprintf(c->in[c->depth++], sizeof c->in[0], "%.*s", (int)(to - from - 1), from + 1);
	return true;
}

static void listen(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct complaint *c = ctx;
	char text[256];
	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(text, sizeof text, fmt, args);
	text[strcspn(text, "\n")] = 0;
	const char *body = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
	const char *line = strstr(body, "(line: ");
	if (line) {
		if (!c->line)
			c->line = (int)strtol(line + 7, NULL, 10);
		take_key(c, body);
	} else if (!c->first[0] && strncmp(body, "Backtrace", 9) != 0) {
		snprintf(c->first, sizeof c->first, "%s", body);
	}
}

/* Edit distance of two short words; two swapped neighbours count as one edit. */
static size_t distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), rows[3][65];
	if (n > 64 || m > 64)
		return 64;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3];
		const size_t *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);
			best = up[j] + 1 < best ? up[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    up2[j - 2] + 1 < best)
				best = up2[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n % 3][m];
}

/* The table of the mapping that the backtrace stands in, and its path ("train",
 * "preprocess.steps.stack"). The innermost key is the unknown one itself when libcyaml names it: it
 * is in no table. *when tells whether the key `when` may stand there too. */
static const struct sm_fieldset *enclosing(const struct sm_fieldset *root,
					   const struct complaint *c, char *path, size_t room,
					   bool *when)
{
	const struct sm_fieldset *set = root;
	size_t n = 0;
	*path = 0;
	for (size_t d = c->depth; d-- > 0;) {
		const struct sm_field *found = NULL;
		for (size_t i = 0; i < set->count; i++)
			if (strcmp(set->fields[i].key, c->in[d]) == 0)
				found = &set->fields[i];
		if (!found || !found->of)
			break;
		set = found->of;
		*when = found->kind == SM_F_STEPS;
		int w = snprintf(path + n, room - n, "%s%s", n ? "." : "", found->key);
		n = w < 0 || (size_t)w >= room - n ? room - 1 : n + (size_t)w;
	}
	return set;
}

/* Key i of a mapping; behind the fields of the set may stand `when`. */
static const char *key_at(const struct sm_fieldset *set, size_t i)
{
	return i < set->count ? set->fields[i].key : "when";
}

static const char *nearest_key(const struct sm_fieldset *set, bool when, const char *key)
{
	const char *best = NULL;
	size_t least = strlen(key) / 2 + 1;
	for (size_t i = 0; i < set->count + when; i++) {
		size_t d = distance(key, key_at(set, i));
		if (d < least) {
			least = d;
			best = key_at(set, i);
		}
	}
	return best;
}

static void all_keys(const struct sm_fieldset *set, bool when, char *out, size_t room)
{
	size_t n = 0;
	*out = 0;
	for (size_t i = 0; i < set->count + when && n < room; i++) {
		int w = snprintf(out + n, room - n, "%s%s", i ? ", " : "", key_at(set, i));
		n += w < 0 ? 0 : (size_t)w;
	}
}

/* First line of the file on which `key:` stands as a key, at or after line `from`; 0 = none. */
static int line_of_key(const char *yaml, const char *key, int from)
{
	size_t n = strlen(key);
	int line = 1;
	for (const char *p = yaml; *p; line++) {
		size_t len = strcspn(p, "\n");
		const char *hash = memchr(p, '#', len);
		size_t code = hash ? (size_t)(hash - p) : len;
		for (size_t i = 0; line >= from && i + n < code + 1; i++) {
			bool starts = i == 0 || strchr(" \t-{,\"'", p[i - 1]);
			size_t after = i + n;
			if (!starts || memcmp(p + i, key, n) != 0)
				continue;
			while (after < code && strchr(" \"'", p[after]))
				after++;
			if (after < code && p[after] == ':')
				return line;
		}
		p += len + (p[len] == '\n');
	}
	return 0;
}

static enum sm_status complain(const char *name, const char *yaml, const struct sm_fieldset *root,
			       const struct complaint *c, cyaml_err_t code, struct sm_err *err)
{
	const char *key = strstr(c->first, "Unexpected key: ");
	const char *twice = strstr(c->first, "already seen: ");
	const char *event = strstr(c->first, "got event: ");
	char path[256], keys[500];
	struct complaint in = *c;
	/* For a key that stands twice the backtrace begins with that key itself. */
	if (twice && in.depth && strcmp(in.in[0], twice + strlen("already seen: ")) == 0)
		memmove(in.in[0], in.in[1], --in.depth * sizeof in.in[0]);
	bool when = false;
	const struct sm_fieldset *set = enclosing(root, &in, path, sizeof path, &when);
	const char *where = *path ? path : "the manifest";
	int line = c->line ? c->line : 1;
	if (key) {
		key += strlen("Unexpected key: ");
		const char *best = nearest_key(set, when, key);
		/* The backtrace names the line where the enclosing mapping stands. */
		int own = line_of_key(yaml, key, line);
		all_keys(set, when, keys, sizeof keys);
		return SM_FAIL(err, SM_USAGE,
			       "%s:%d: unknown key '%s'%s%s%s in %s, allowed are: %s", name,
			       own ? own : line, key, best ? " (did you mean '" : "",
			       best ? best : "", best ? "'?)" : "", where, keys);
	}
	if (twice)
		return SM_FAIL(err, SM_USAGE, "%s:%d: key '%s' stands twice in %s", name, line,
			       twice + strlen("already seen: "), where);
	if (strstr(c->first, "Insufficient entries") && c->depth)
		return SM_FAIL(err, SM_USAGE,
			       "%s:%d: %s: %s: found an empty list, needed is at least one value",
			       name, line, where, c->in[0]);
	if (event)
		return SM_FAIL(
			err, SM_USAGE, "%s:%d: %s: found %s, needed is %s", name, line, where,
			strstr(event, "SCALAR")     ? "a single value or nothing"
			: strstr(event, "SEQUENCE") ? "a list"
						    : "a mapping (key: value)",
			strncmp(c->first, "Expecting MAPPING", 17) == 0 ? "a mapping (key: value)"
			: strncmp(c->first, "Expecting SEQUENCE", 18) == 0 ? "a list"
									   : "a single value");
	return SM_FAIL(err, SM_USAGE, "%s:%d: %s", name, line,
		       c->first[0] ? c->first : cyaml_strerror(code));
}

/* libcyaml reads the first document and never looks at a second. */
static enum sm_status one_document(const char *name, const char *yaml, struct sm_err *err)
{
	int line = 1;
	bool content = false;
	for (const char *p = yaml; *p; line++) {
		size_t n = strcspn(p, "\n");
		bool mark = n >= 3 && strncmp(p, "---", 3) == 0 &&
			    (n == 3 || p[3] == ' ' || p[3] == '\r');
		if (mark && content)
			return SM_FAIL(err, SM_USAGE,
				       "%s:%d: found a second document, allowed is one", name,
				       line);
		content = content || (!mark && n && *p != '#' && *p != '%');
		p += n + (p[n] == '\n');
	}
	return SM_OK;
}

/* ---- slots -> structs ----------------------------------------------------------------------- */

struct binder {
	const char *name, *yaml;
	struct sm_arena *arena;
};

static enum sm_status bind_mapping(struct binder *b, const struct sm_fieldset *set,
				   const struct slot *slots, const char *path, void *base,
				   struct sm_err *err);

/* A wrong value: puts "file:line: " before the sentence of field.c. */
static enum sm_status locate(struct binder *b, const struct sm_field *f, struct sm_err *err)
{
	int line = line_of_key(b->yaml, f->key, 1);
	/* The same key may stand in several sections: then the sentence's path must do. */
	bool unique = line && !line_of_key(b->yaml, f->key, line + 1);
	if (unique)
		return sm_err_prefix(err, "%s:%d", b->name, line);
	return sm_err_prefix(err, "%s", b->name);
}

static enum sm_status bind_list(struct binder *b, const struct sm_field *f, const struct slot *slot,
				const char *path, void *base, struct sm_err *err)
{
	struct sm_list *list = (void *)((char *)base + f->offset);
	size_t stride = (f->of->count ? f->of->count : 1) * sizeof(struct slot);
	list->n = slot->count;
	list->items = sm_arena_alloc(b->arena, (slot->count ? slot->count : 1) * f->of->size);
	if (!list->items)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", b->name);
	for (size_t i = 0; i < slot->count; i++) {
		const char *at = sm_arena_strf(b->arena, "%s[%zu]", path, i);
		SM_TRY(bind_mapping(b, f->of, (void *)((char *)slot->value + i * stride), at,
				    (char *)list->items + i * f->of->size, err));
	}
	return SM_OK;
}

static bool has_letter(const char *text)
{
	while (*text && !(((unsigned char)*text | 32) >= 'a' && ((unsigned char)*text | 32) <= 'z'))
		text++;
	return *text;
}

static enum sm_status bind_steps(struct binder *b, const struct sm_field *f,
				 const struct slot *slot, const char *path, void *base,
				 struct sm_err *err)
{
	struct sm_steps *steps = (void *)((char *)base + f->offset);
	size_t n = f->of->count;
	steps->n = slot->count;
	steps->v = sm_arena_alloc(b->arena, (slot->count ? slot->count : 1) * sizeof *steps->v);
	if (!steps->v)
		return SM_FAIL(err, SM_BUDGET, "%s: out of memory", b->name);
	for (size_t i = 0; i < slot->count; i++) {
		const struct slot *ops = (const struct slot *)slot->value + i * (n + 1);
		size_t given = 0, which = 0;
		for (size_t k = 0; k < n; k++)
			if (ops[k].value) {
				given++;
				which = k;
			}
		if (given != 1)
			return SM_FAIL(
				err, SM_USAGE,
				"%s: %s[%zu]: found %zu operations in one list entry, allowed is "
				"exactly one (start each with '- ')",
				b->name, path, i, given);
		const struct sm_field *op = &f->of->fields[which];
		const char *dot = strrchr(path, '.'), *list = dot ? dot + 1 : path;
		/* A number is a step's number or a slip, never a role. The sentence has the shape
		 * of those of the checks. */
		if (ops[n].value && (!sm_key_is_safe(ops[n].value) || !has_letter(ops[n].value)))
			return SM_FAIL(err, SM_USAGE,
				       "%s: %.*s%s%s: step %zu (%s): when: found '%s', allowed is "
				       "a role or modality (ct, mr, pet, ...)",
				       b->name, (int)(list > path ? list - path - 1 : 0), path,
				       list > path ? ": " : "", list, i + 1, op->key,
				       (const char *)ops[n].value);
		steps->v[i].which = which;
		steps->v[i].when = ops[n].value ? sm_arena_strdup(b->arena, ops[n].value) : NULL;
		steps->v[i].params = sm_arena_alloc(b->arena, op->of->size ? op->of->size : 1);
		const char *at = sm_arena_strf(b->arena, "%s[%zu].%s", path, i, op->key);
		if (!steps->v[i].params || !at || (ops[n].value && !steps->v[i].when))
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", b->name);
		SM_TRY(bind_mapping(b, op->of, ops[which].value, at, steps->v[i].params, err));
	}
	return SM_OK;
}

static enum sm_status bind_field(struct binder *b, const struct sm_field *f,
				 const struct slot *slot, const char *path, void *base,
				 struct sm_err *err)
{
	void **pointer = (void **)((char *)base + f->offset);
	switch (f->kind) {
	case SM_F_MAPPING:
		*pointer = sm_arena_alloc(b->arena, f->of->size ? f->of->size : 1);
		if (!*pointer)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", b->name);
		return bind_mapping(b, f->of, slot->value, path, *pointer, err);
	case SM_F_LIST:
		return bind_list(b, f, slot, path, base, err);
	case SM_F_STEPS:
		return bind_steps(b, f, slot, path, base, err);
	case SM_F_INTS:
	case SM_F_FLOATS:
	case SM_F_STRINGS:
		if (sm_field_set_list(f, path, slot->value, slot->count, base, b->arena, err) !=
		    SM_OK)
			return locate(b, f, err);
		return SM_OK;
	default:
		if (sm_field_set(f, path, slot->value, base, b->arena, err) != SM_OK)
			return locate(b, f, err);
		return SM_OK;
	}
}

static enum sm_status bind_mapping(struct binder *b, const struct sm_fieldset *set,
				   const struct slot *slots, const char *path, void *base,
				   struct sm_err *err)
{
	SM_TRY(sm_fields_default(set, base, b->arena, err));
	for (size_t i = 0; i < set->count; i++) {
		const struct sm_field *f = &set->fields[i];
		const char *at = sm_arena_strf(b->arena, "%s%s%s", path, *path ? "." : "", f->key);
		bool scalar = f->kind <= SM_F_CHOICE && f->kind != SM_F_STRING;
		if (!at)
			return SM_FAIL(err, SM_BUDGET, "%s: out of memory", b->name);
		if (slots[i].value)
			SM_TRY(bind_field(b, f, &slots[i], at, base, err));
		else if (f->required || (scalar && !f->fallback))
			return SM_FAIL(err, SM_USAGE, "%s: %s: is missing", b->name, at);
	}
	for (size_t i = 0; i < set->count; i++) {
		const struct sm_field *f = &set->fields[i];
		if (!slots[i].value || sm_field_counts(set, f, base))
			continue;
		SM_FAIL(err, SM_USAGE, "%s%s%s: is given, but counts only with %s", path,
			*path ? "." : "", f->key, f->only);
		return locate(b, f, err);
	}
	if (set->check && set->check(base, err) != SM_OK)
		return *path ? sm_err_prefix(err, "%s: %s", b->name, path)
			     : sm_err_prefix(err, "%s", b->name);
	return SM_OK;
}

enum sm_status sm_manifest_load(const char *path, const struct sm_fieldset *root,
				struct sm_manifest *out, struct sm_err *err)
{
	unsigned char *yaml = NULL;
	size_t size = 0;
	struct sm_arena schema_arena = {0};
	struct complaint c = {0};
	cyaml_data_t *slots = NULL;
	*out = (struct sm_manifest){0};
	enum sm_status st = sm_file_read(path, MAX_MANIFEST, NULL, &yaml, &size, err);
	if (st != SM_OK) {
		st = st == SM_INPUT ? SM_USAGE : st;
		goto out;
	}
	cyaml_schema_value_t top = {
		.type = CYAML_MAPPING,
		.flags = CYAML_FLAG_POINTER,
		.data_size = (uint32_t)(root->count * sizeof(struct slot)),
		.mapping = {.fields = mapping_schema(root, false, &schema_arena)},
	};
	cyaml_config_t config = {
		.log_fn = listen,
		.log_ctx = &c,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	out->name = sm_arena_strdup(&out->arena, sm_path_base(path));
	out->root = sm_arena_alloc(&out->arena, root->size);
	if (!top.mapping.fields || !out->name || !out->root) {
		st = SM_FAIL(err, SM_BUDGET, "%s: out of memory", path);
		goto out;
	}
	SM_GOTO(st, one_document(out->name, (char *)yaml, err));
	cyaml_err_t code = cyaml_load_data(yaml, size, &config, &top, &slots, NULL);
	if (code != CYAML_OK) {
		st = complain(out->name, (char *)yaml, root, &c, code, err);
		goto out;
	}
	if (!slots) {
		st = SM_FAIL(err, SM_USAGE, "%s:1: is empty", out->name);
		goto out;
	}
	struct binder b = {.name = out->name, .yaml = (char *)yaml, .arena = &out->arena};
	st = bind_mapping(&b, root, (void *)slots, "", out->root, err);
out:
	if (slots)
		cyaml_free(&config, &top, slots, 0);
	sm_arena_clear(&schema_arena);
	sm_free(yaml);
	if (st != SM_OK)
		sm_manifest_clear(out);
	return st;
}

void sm_manifest_clear(struct sm_manifest *manifest)
{
	sm_arena_clear(&manifest->arena);
	*manifest = (struct sm_manifest){0};
}
