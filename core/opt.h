/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line, parsed by popt from field tables (see core/field.h): --key VALUE, --key=VALUE,
 * --flag for booleans; '_' in a key is '-' on the command line; lists are one word "64,64,32".
 */
#ifndef SM_CORE_OPT_H
#define SM_CORE_OPT_H

#include <stdio.h>

#include "core/field.h"

/* One table and the struct that it fills. */
struct sm_opt_set {
	const struct sm_fieldset *table; /* NULL = empty */
	void *base;                      /* defaults filled in before */
};

/* Parses argv[1..]. given (arena memory, NULL-ended) receives the keys that were there, args (arena
 * memory, NULL-ended) what is not an option. All failures are SM_USAGE. */
enum sm_status sm_opt_parse(const struct sm_opt_set *sets, size_t n, int argc, char **argv,
			    struct sm_arena *arena, const char ***given, const char ***args,
			    struct sm_err *err);

/* Prints the options of a table for --help: name, doc, allowed values, default. */
void sm_opt_help(const struct sm_fieldset *table, FILE *to);

#endif
