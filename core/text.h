/* SPDX-License-Identifier: Apache-2.0
 *
 * A growing text: pages, tables and drawings are put together in memory and written in one piece.
 * A failed allocation is remembered, so that callers check once, at the end.
 */
#ifndef SM_CORE_TEXT_H
#define SM_CORE_TEXT_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>

#include "core/err.h"

/* Zero-initialise; data is zero-terminated malloc memory, or NULL while empty. */
struct sm_text {
	char *data;
	size_t n, room;
	bool failed; /* out of memory: what was added since is lost */
};

void sm_text_add(struct sm_text *text, const char *bytes, size_t n);
void sm_text_str(struct sm_text *text, const char *string); /* NULL adds nothing */
void sm_text_f(struct sm_text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A number with `decimals` digits, or `missing` for what is not finite. */
/* About how wide a text is in LaTeX's \footnotesize (8 pt Computer Modern), in pt, rather too wide
 * than too narrow. */
double sm_text_tex_width(const char *text);
void sm_text_number(struct sm_text *text, double v, int decimals, const char *missing);

/* The string with the characters escaped that mean something in HTML and SVG, in LaTeX; control
 * characters become '?'. NULL adds nothing. */
void sm_text_html(struct sm_text *text, const char *string);
void sm_text_tex(struct sm_text *text, const char *string);

/* One CSV field (RFC 4180): quoted where it must be. A field that a spreadsheet would take for a
 * formula is quoted with an apostrophe in front. */
void sm_text_csv(struct sm_text *text, const char *string);

/* n bytes in base 64 (RFC 4648), without line breaks. */
void sm_text_base64(struct sm_text *text, const void *bytes, size_t n);

/* SM_BUDGET when an addition failed. */
enum sm_status sm_text_check(const struct sm_text *text, const char *what, struct sm_err *err);

void sm_text_clear(struct sm_text *text);

#endif
