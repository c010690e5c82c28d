/* SPDX-License-Identifier: Apache-2.0 */
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void clean(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

enum sm_status sm_fail_at(struct sm_err *err, enum sm_status code, const char *origin, int line,
			  const char *fmt, ...)
{
	bool scarce = code == SM_IO && (errno == EMFILE || errno == ENFILE);
	if (!err)
		return code;
	/* The arguments may point into err->text itself when a caller adds context. */
	char text[SM_ERR_TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	clean(text);
	memcpy(err->text, text, sizeof text);
	err->code = code;
	err->scarce = scarce;
	err->origin = origin;
	err->line = line;
	return code;
}

enum sm_status sm_fail_unreadable(struct sm_err *err, const char *name)
{
	bool scarce = err && err->scarce;
	const char *colon = name ? ": " : "",
		   *why = scarce ? "too many files are open" : "cannot be read";
	SM_FAIL(err, scarce ? SM_IO : SM_INPUT, "%s%s%s", name ? name : "", colon, why);
	if (err)
		err->scarce = scarce;
	return scarce ? SM_IO : SM_INPUT;
}

enum sm_status sm_err_prefix(struct sm_err *err, const char *fmt, ...)
{
	if (!err)
		return SM_INTERNAL;
	char text[SM_ERR_TEXT];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (n < 0)
		n = 0;
	size_t at = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	/* The old sentence is cut rather than the prefix: where comes before what. */
	snprintf(text + at, sizeof text - at, ": %.*s", (int)(sizeof text - 3), err->text);
	clean(text);
	memcpy(err->text, text, sizeof text);
	return err->code;
}

const char *sm_status_name(enum sm_status code)
{
	static const char *const names[] = {
		[SM_OK] = "ok",
		[SM_USAGE] = "usage",
		[SM_INPUT] = "input",
		[SM_IO] = "io",
		[SM_BUDGET] = "budget",
		[SM_INTERNAL] = "internal",
	};
	return (unsigned)code < sizeof names / sizeof *names ? names[code] : "internal";
}

int sm_exit_code(enum sm_status code)
{
	switch (code) {
	case SM_OK:
		return 0;
	case SM_USAGE:
		return 2;
	case SM_INPUT:
	case SM_BUDGET:
		return 3;
	case SM_IO:
		return 4;
	case SM_INTERNAL:
		break;
	}
	return 5;
}
