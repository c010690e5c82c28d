/* SPDX-License-Identifier: Apache-2.0
 *
 * Another program of scanmill run from a tool, and a folder of its own for what it writes.
 */
#ifndef SM_TOOLS_CHILD_H
#define SM_TOOLS_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/* The path of scanmill-NAME beside this program, malloc memory; NULL when that is not known. */
char *sm_program_path(const char *name);

/* A command line that grows; zero-initialise. */
struct sm_command {
	char **arg; /* NULL-ended */
	size_t n, room;
	bool failed; /* out of memory: a word is missing */
};

/* Adds a copy of the word, or the option and its value. */
void sm_command_add(struct sm_command *command, const char *word);
void sm_command_option(struct sm_command *command, const char *option, const char *value);
void sm_command_clear(struct sm_command *command);

/* Runs scanmill-NAME, which stands beside this program, with the words behind its name; its
 * standard output is dropped, its log goes to the file `log`. *code: its exit code. SM_IO when it
 * cannot be started or ends by a signal. */
enum sm_status sm_child_run(const char *name, const struct sm_command *command, const char *log,
			    int *code, struct sm_err *err);

/* A new folder in dir (NULL = $TMPDIR, or /tmp); malloc memory. */
enum sm_status sm_scratch_make(const char *dir, char **out, struct sm_err *err);
/* Removes it with all that is in it, and frees; NULL is fine. Links are removed, not followed. */
void sm_scratch_remove(char *scratch);

#endif
