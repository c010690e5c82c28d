/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors are values: every function that can fail returns a status and fills a caller-owned
 * sm_err with one sentence for people (file, field, value found, value allowed).
 * Library code never prints, exits or aborts; only main() turns a status into an exit code.
 */
#ifndef SM_CORE_ERR_H
#define SM_CORE_ERR_H

#include <stdbool.h>

enum sm_status {
	SM_OK = 0,
	SM_USAGE,    /* command line or manifest is wrong                       -> exit 2 */
	SM_INPUT,    /* an input file or item is not what it must be            -> exit 3 */
	SM_IO,       /* reading or writing failed: permission, full disk, ...   -> exit 4 */
	SM_BUDGET,   /* would need more memory than allowed or available        -> exit 3 */
	SM_INTERNAL, /* a mistake of ours, or of a library's                    -> exit 5 */
};

#define SM_ERR_TEXT 768

/* One error. `text` is a whole sentence without a final full stop; `origin` is the place in our
 * source for developers. No allocation happens on the error path. */
struct sm_err {
	enum sm_status code;
	int line;
	bool scarce; /* SM_IO because descriptors ran out: no fault of the file that was to be
			opened */
	const char *origin;
	char text[SM_ERR_TEXT];
};

/* Fills err (which may be NULL) and returns code; printf-like. Control characters in the result
 * are replaced by '?', so that a hostile file name cannot write to a terminal. With SM_IO, errno
 * EMFILE or ENFILE sets err->scarce. */
enum sm_status sm_fail_at(struct sm_err *err, enum sm_status code, const char *origin, int line,
			  const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* What the reader of an input makes of SM_IO, whose sentence has a path that may name a person:
 * SM_INPUT "NAME: cannot be read" (NULL: without a name), for the item is rejected and others go
 * on. When descriptors ran out it stays SM_IO. */
enum sm_status sm_fail_unreadable(struct sm_err *err, const char *name);

/* Puts "prefix: " before the sentence already in err; returns err's code. */
enum sm_status sm_err_prefix(struct sm_err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The status's name in ledgers: "ok", "usage", "input", "io", "budget", "internal". */
const char *sm_status_name(enum sm_status code);

/* The process exit code of a status (0, 2, 3, 4, 3, 5); 1 is kept for "some items rejected". */
int sm_exit_code(enum sm_status code);

#define SM_FAIL(err, code, ...) sm_fail_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)

/* Forwards a failure to the caller. */
#define SM_TRY(expr) \
	do { \
		enum sm_status sm_try_ = (expr); \
		if (sm_try_ != SM_OK) \
			return sm_try_; \
	} while (0)

/* Forwards a failure to the function's single `out:` label; `st` is its status variable. */
#define SM_GOTO(st, expr) \
	do { \
		(st) = (expr); \
		if ((st) != SM_OK) \
			goto out; \
	} while (0)

#endif
