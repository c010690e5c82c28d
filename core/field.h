/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of fields: one table describes the options of a stage on the command line, a section of
 * the manifest, or the parameters of an operation. From it come parsing, checking, defaults,
 * --help, --describe and the resolved record in a ledger.
 */
#ifndef SM_CORE_FIELD_H
#define SM_CORE_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

enum sm_field_kind {               /* C type at the field's offset */
		     SM_F_BOOL,    /* bool */
		     SM_F_INT,     /* int64_t */
		     SM_F_FLOAT,   /* double */
		     SM_F_STRING,  /* char *, NULL when absent */
		     SM_F_CHOICE,  /* int: index into choices */
		     SM_F_INTS,    /* struct sm_ints */
		     SM_F_FLOATS,  /* struct sm_floats */
		     SM_F_STRINGS, /* struct sm_strings */
		     SM_F_MAPPING, /* struct * of the fieldset `of`; NULL when absent */
		     SM_F_LIST,    /* struct sm_list of structs of the fieldset `of` */
		     SM_F_STEPS,   /* struct sm_steps: a list of mappings with one key of `of` and,
				      where wanted, `when` */
};

struct sm_ints { int64_t *v; size_t n; };
struct sm_floats { double *v; size_t n; };
struct sm_strings { char **v; size_t n; };
struct sm_list { void *items; size_t n; };
struct sm_step {
	size_t which; /* index of the field in `of` */
	void *params;
	char *when; /* the entry's key `when`: what the step is for; NULL = everything */
};
struct sm_steps { struct sm_step *v; size_t n; };

struct sm_fieldset;

struct sm_field {
	const char *key; /* as in YAML; on the command line '_' becomes '-' */
	enum sm_field_kind kind;
	size_t offset;
	const char *fallback; /* default as text, lists separated by blanks; NULL = no default: a
				 scalar is then required, a string, list or mapping may be absent.
				 "{}" for a mapping: present with its own defaults */
	double min,
		max; /* of each number; both 0 = unbounded. For lists with fixed length see count */
	const char *choices;  /* "a|b|c" for SM_F_CHOICE */
	size_t count;         /* lists: exact length, 0 = any */
	bool required;        /* strings, lists and mappings that must be there */
	bool path;            /* a place in the file system: never dumped into an output */
	bool none;       /* of SM_F_FLOAT: the word none is allowed: NaN, null in a dump */
	bool commas;     /* of SM_F_STRINGS in one text: blanks do not part it */
	bool no_setting; /* decides what is printed, not what is written: never dumped either */
	const struct sm_fieldset *of;
	const char *doc; /* one sentence with units */
	/* What must hold of other fields of the set for this one to count, parted by commas:
	 * "method gaussian|bilateral" (a choice or bool), "no range" (a string, list or mapping
	 * that is absent, a whole number that is 0), "any decay" (a number that is not 0). A
	 * manifest that gives the field although it does not count is refused: no value is
	 * swallowed. NULL = it always counts. */
	const char *only;
};

struct sm_fieldset {
	const char *name; /* of the section or operation */
	size_t size;      /* of the struct */
	const struct sm_field *fields;
	size_t count;
	const char *doc; /* may be NULL */
	/* Rules over several fields, called after a manifest filled base; SM_USAGE with a sentence
	 * that starts with the key ("window: found 80 to 0, ..."). NULL = none. */
	enum sm_status (*check)(const void *base, struct sm_err *err);
};

#define SM_COUNT(array) (sizeof(array) / sizeof *(array))
/* The second form has rules over several fields. */
#define SM_FIELDSET_CHECKED(check_, name_, type_, fields_, doc_)                                  \
	{                                                                                         \
		.name = (name_), .size = sizeof(type_), .fields = (fields_),                      \
		.count = SM_COUNT(fields_), .doc = (doc_), .check = (check_)                      \
	}
#define SM_FIELDSET(name_, type_, fields_, doc_) \
	{ \
		.name = (name_), .size = sizeof(type_), .fields = (fields_), \
		.count = SM_COUNT(fields_), .doc = (doc_) \
	}

/* Fills base (zeroed by the callee) with the defaults of every field. Memory comes from arena. */
enum sm_status sm_fields_default(const struct sm_fieldset *set, void *base, struct sm_arena *arena,
				 struct sm_err *err);

/* Converts one text to the field's type at base; `where` ("--seed", "train.batch") starts the error
 * sentence, which ends with the value found and the values allowed. Scalars and lists only.
 * SM_USAGE. */
enum sm_status sm_field_set(const struct sm_field *field, const char *where, const char *text,
			    void *base, struct sm_arena *arena, struct sm_err *err);

/* The same for a list given as separate texts. */
enum sm_status sm_field_set_list(const struct sm_field *field, const char *where,
				 const char *const *texts, size_t n, void *base,
				 struct sm_arena *arena, struct sm_err *err);

/* Whether the field's `only` holds of the values at base. */
bool sm_field_counts(const struct sm_fieldset *set, const struct sm_field *field, const void *base);

/* Text of the allowed values ("a whole number from 1 to 9"), for error sentences and --help. */
void sm_field_allowed(const struct sm_field *field, char *out, size_t n);

/* The name of a choice by its index, in the arena. */
const char *sm_choice_name(const struct sm_field *field, int index, struct sm_arena *arena);

/* The resolved values as JSON (new reference): what goes into a ledger's header. Fields marked
 * `path` or `no_setting` are left out: outputs hold no place of a machine. */
json_t *sm_fields_dump(const struct sm_fieldset *set, const void *base);
/* The same without absent values and keys that do not count: what a manifest may say. */
json_t *sm_fields_given(const struct sm_fieldset *set, const void *base);

/* The table itself as JSON (new reference): key, type, default, allowed, doc: what --describe
 * prints. */
json_t *sm_fields_describe(const struct sm_fieldset *set);

#endif
