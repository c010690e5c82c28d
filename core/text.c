/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct sm_text *text, size_t n)
{
	if (text->failed)
		return false;
	if (n < text->room - text->n)
		return true;
	size_t room = text->room ? text->room : 256;
	while (room - text->n <= n) {
		if (room > SIZE_MAX / 2) {
			text->failed = true;
			return false;
		}
		room *= 2;
	}
	char *data = realloc(text->data, room);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->room = room;
	return true;
}

void sm_text_add(struct sm_text *text, const char *bytes, size_t n)
{
	if (!reserve(text, n))
		return;
	memcpy(text->data + text->n, bytes, n);
	text->n += n;
	text->data[text->n] = '\0';
}

void sm_text_str(struct sm_text *text, const char *string)
{
	if (string)
		sm_text_add(text, string, strlen(string));
}

void sm_text_f(struct sm_text *text, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	if (n < 0) {
		text->failed = true;
	} else if (reserve(text, (size_t)n)) {
		vsnprintf(text->data + text->n, (size_t)n + 1, fmt, again);
		text->n += (size_t)n;
	}
	va_end(again);
	va_end(args);
}

void sm_text_number(struct sm_text *text, double v, int decimals, const char *missing)
{
	if (isfinite(v))
		sm_text_f(text, "%.*f", decimals, v);
	else
		sm_text_str(text, missing);
}

static bool is_control(char c)
{
	unsigned char u = (unsigned char)c;
	return (u < 0x20 && u != '\n' && u != '\t') || u == 0x7f;
}

/* Copies string; characters in `special` are replaced by the text of the same index. */
static void escape(struct sm_text *text, const char *string, const char *special,
		   const char *const *instead)
{
	for (const char *c = string; c && *c; c++) {
		const char *found = strchr(special, *c);
		if (found)
			sm_text_str(text, instead[found - special]);
		else
			sm_text_add(text, is_control(*c) ? "?" : c, 1);
	}
}

void sm_text_html(struct sm_text *text, const char *string)
{
	static const char *const instead[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
	escape(text, string, "&<>\"'", instead);
}

void sm_text_tex(struct sm_text *text, const char *string)
{
	static const char *const instead[] = {"\\&",
					      "\\%",
					      "\\$",
					      "\\#",
					      "\\_",
					      "\\{",
					      "\\}",
					      "\\textasciitilde{}",
					      "\\textasciicircum{}",
					      "\\textbackslash{}",
					      /* Other signs in LaTeX's oldest encoding. */
					      "\\textless{}",
					      "\\textgreater{}",
					      "\\textbar{}"};
	escape(text, string, "&%$#_{}~^\\<>|", instead);
}

void sm_text_csv(struct sm_text *text, const char *string)
{
	if (!string)
		return;
	bool formula = *string && strchr("=+-@\t", *string);
	if (!formula && !strpbrk(string, ",\"\n\r")) {
		sm_text_str(text, string);
		return;
	}
	sm_text_str(text, formula ? "\"'" : "\"");
	for (const char *c = string; *c; c++)
		sm_text_add(text, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
	sm_text_str(text, "\"");
}

void sm_text_base64(struct sm_text *text, const void *bytes, size_t n)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *b = bytes;
	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		unsigned v = (unsigned)b[i] << 16;
		v |= have > 1 ? (unsigned)b[i + 1] << 8 : 0;
		v |= have > 2 ? b[i + 2] : 0;
		char out[4] = {digit[v >> 18], digit[v >> 12 & 63], digit[v >> 6 & 63],
			       digit[v & 63]};
		for (size_t k = have + 1; k < 4; k++)
			out[k] = '=';
		sm_text_add(text, out, 4);
	}
}

enum sm_status sm_text_check(const struct sm_text *text, const char *what, struct sm_err *err)
{
	return text->failed ? SM_FAIL(err, SM_BUDGET, "%s: out of memory", what) : SM_OK;
}

void sm_text_clear(struct sm_text *text)
{
	free(text->data);
	*text = (struct sm_text){0};
}

double sm_text_tex_width(const char *text)
{
	double pt = 0;
	for (; *text; text++) {
		const unsigned char c = (unsigned char)*text;
		if ((c & 0xc0) == 0x80)
			continue;
		if (c >= '0' && c <= '9')
			pt += 4.3;
		else if (strchr(" .,:;-[]()|'ijl", c))
			pt += 3.2;
		else if ((c >= 'A' && c <= 'Z') || strchr("mw%&", c) || c >= 0x80)
			pt += 7.1;
		else
			pt += 4.6;
	}
	return pt;
}
