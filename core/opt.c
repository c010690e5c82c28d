/* SPDX-License-Identifier: Apache-2.0 */
#include "core/opt.h"

#include <popt.h>
#include <stdlib.h>
#include <string.h>

static char *dashed(const char *key, struct sm_arena *arena)
{
	char *name = sm_arena_strdup(arena, key);
	for (char *p = name; p && *p; p++)
		if (*p == '_')
			*p = '-';
	return name;
}

static size_t field_count(const struct sm_opt_set *sets, size_t n)
{
	size_t total = 0;
	for (size_t i = 0; i < n; i++)
		total += sets[i].table ? sets[i].table->count : 0;
	return total;
}

/* popt's val of an option is 1 + its running number over all tables. */
static const struct sm_field *field_of(const struct sm_opt_set *sets, size_t n, int val,
				       void **base)
{
	size_t k = (size_t)val - 1;
	for (size_t i = 0; i < n; i++) {
		size_t count = sets[i].table ? sets[i].table->count : 0;
		if (k < count) {
			*base = sets[i].base;
			return &sets[i].table->fields[k];
		}
		k -= count;
	}
	return NULL;
}

static struct poptOption *popt_table(const struct sm_opt_set *sets, size_t n, size_t total,
				     struct sm_arena *arena)
{
	struct poptOption *table = sm_arena_alloc(arena, (total + 1) * sizeof *table);
	size_t k = 0;
	for (size_t i = 0; table && i < n; i++)
		for (size_t j = 0; sets[i].table && j < sets[i].table->count; j++, k++) {
			const struct sm_field *f = &sets[i].table->fields[j];
			table[k].longName = dashed(f->key, arena);
			table[k].argInfo = f->kind == SM_F_BOOL ? POPT_ARG_NONE : POPT_ARG_STRING;
			table[k].val = (int)k + 1;
		}
	return table;
}

static enum sm_status take(poptContext popt, int val, const struct sm_opt_set *sets, size_t n,
			   const char **given, size_t *given_n, struct sm_arena *arena,
			   struct sm_err *err)
{
	void *base = NULL;
	const struct sm_field *f = field_of(sets, n, val, &base);
	if (!f)
		return SM_FAIL(err, SM_INTERNAL, "command line: option table out of step");
	char *text = f->kind == SM_F_BOOL ? NULL : poptGetOptArg(popt);
	char where[80];
	const char *name = dashed(f->key, arena);
	snprintf(where, sizeof where, "--%s", name ? name : f->key);
	for (size_t i = 0; i < *given_n; i++)
		if (strcmp(given[i], f->key) == 0) {
			free(text);
			return SM_FAIL(err, SM_USAGE, "%s: given twice", where);
		}
	given[(*given_n)++] = f->key;
	enum sm_status st = sm_field_set(f, where, text ? text : "true", base, arena, err);
	free(text);
	return st;
}

enum sm_status sm_opt_parse(const struct sm_opt_set *sets, size_t n, int argc, char **argv,
			    struct sm_arena *arena, const char ***given, const char ***args,
			    struct sm_err *err)
{
	size_t total = field_count(sets, n), given_n = 0, arg_n = 0;
	struct poptOption *table = popt_table(sets, n, total, arena);
	*given = sm_arena_alloc(arena, (total + 1) * sizeof **given);
	*args = sm_arena_alloc(arena, ((size_t)argc + 1) * sizeof **args);
	if (!table || !*given || !*args)
		return SM_FAIL(err, SM_BUDGET, "command line: out of memory");
	poptContext popt = poptGetContext(NULL, argc, (const char **)argv, table, 0);
	enum sm_status st = SM_OK;
	int val;
	while (st == SM_OK && (val = poptGetNextOpt(popt)) >= 0)
		st = take(popt, val, sets, n, *given, &given_n, arena, err);
	if (st == SM_OK && val < -1)
		st = SM_FAIL(err, SM_USAGE, "%s: %s (--help lists the options)",
			     poptBadOption(popt, POPT_BADOPTION_NOALIAS), poptStrerror(val));
	for (const char *arg; st == SM_OK && (arg = poptGetArg(popt));) {
		(*args)[arg_n] = sm_arena_strdup(arena, arg);
		if (!(*args)[arg_n++])
			st = SM_FAIL(err, SM_BUDGET, "command line: out of memory");
	}
	poptFreeContext(popt);
	return st;
}

void sm_opt_help(const struct sm_fieldset *table, FILE *to)
{
	for (size_t i = 0; table && i < table->count; i++) {
		const struct sm_field *f = &table->fields[i];
		struct sm_arena arena = {0};
		const char *key = dashed(f->key, &arena);
		char left[64], allowed[256];
		const char *what = f->kind == SM_F_BOOL	     ? ""
				   : f->path		     ? " PATH"
				   : f->kind == SM_F_STRING  ? " TEXT"
				   : f->kind == SM_F_CHOICE  ? " NAME"
				   : f->kind == SM_F_INTS || f->kind == SM_F_FLOATS ||
					     f->kind == SM_F_STRINGS
					   ? " N,N,..."
					   : " N";
		snprintf(left, sizeof left, "--%s%s", key ? key : f->key, what);
		fprintf(to, "  %-24s %s", left, f->doc ? f->doc : "");
		sm_field_allowed(f, allowed, sizeof allowed);
		if (f->kind != SM_F_BOOL && f->kind != SM_F_STRING && f->kind != SM_F_STRINGS)
			fprintf(to, "; %s", allowed);
		if (f->fallback && f->kind != SM_F_BOOL)
			fprintf(to, " (default %s)", f->fallback);
		fputc('\n', to);
		sm_arena_clear(&arena);
	}
}
