/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/compare.h"

#define PLUS_MINUS "\xc2\xb1"

void sm_grid_init(struct sm_grid *g, size_t rows, size_t columns)
{
	*g = (struct sm_grid){.rows = rows, .columns = columns, .cells = rows * columns};
	g->cell = calloc(g->cells + 1, sizeof *g->cell);
	g->failed = !g->cell;
}

void sm_grid_clear(struct sm_grid *g)
{
	for (size_t i = 0; g->cell && i < g->cells; i++)
		free(g->cell[i]);
	free(g->cell);
	*g = (struct sm_grid){0};
}

void sm_grid_put(struct sm_grid *g, size_t row, size_t column, const char *fmt, ...)
{
	va_list args;
	char text[512];
	if (g->failed)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	char **cell = &g->cell[row * g->columns + column];
	free(*cell);
	*cell = sm_strf("%s", text);
	g->failed |= !*cell;
}

static const char *at(const struct sm_grid *g, size_t row, size_t column)
{
	const char *text = g->failed ? NULL : g->cell[row * g->columns + column];
	return text ? text : "";
}

void sm_grid_md(const struct sm_grid *g, struct sm_text *out)
{
	out->failed |= g->failed;
	for (size_t r = 0; r < g->rows; r++) {
		for (size_t c = 0; c < g->columns; c++) {
			sm_text_str(out, "| ");
			for (const char *p = at(g, r, c); *p; p++)
				sm_text_f(out, "%s%c", *p == '|' ? "\\" : "", *p);
			sm_text_str(out, " ");
		}
		sm_text_str(out, "|\n");
		for (size_t c = 0; r == 0 && c < g->columns; c++)
			sm_text_str(out, c ? "|---:" : "|---");
		sm_text_str(out, r == 0 ? "|\n" : "");
	}
}

/* The text with its plus-minus signs in LaTeX's own way. */
static void tex(struct sm_text *out, const char *text)
{
	for (const char *sign; (sign = strstr(text, PLUS_MINUS)); text = sign + 2) {
		char *before = sm_strf("%.*s", (int)(sign - text), text);
		out->failed |= !before;
		sm_text_tex(out, before);
		free(before);
		sm_text_str(out, "$\\pm$");
	}
	sm_text_tex(out, text);
}

void sm_grid_tex(const struct sm_grid *g, const char *caption, struct sm_text *out)
{
	out->failed |= g->failed;
	sm_text_str(out, "\\begin{table}\n\\centering\n\\caption{");
	tex(out, caption);
	sm_text_str(out, "}\n\\begin{tabular}{l");
	for (size_t c = 1; c < g->columns; c++)
		sm_text_str(out, "r");
	sm_text_str(out, "}\n\\toprule\n");
	for (size_t r = 0; r < g->rows; r++) {
		for (size_t c = 0; c < g->columns; c++) {
			sm_text_str(out, c ? " & " : "");
			tex(out, at(g, r, c));
		}
		sm_text_str(out, r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n");
	}
	sm_text_str(out, "\\bottomrule\n\\end{tabular}\n\\end{table}\n");
}

/* Characters, of which some are two bytes. */
static size_t width(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void sm_grid_plain(const struct sm_grid *g, struct sm_text *out)
{
	out->failed |= g->failed;
	for (size_t r = 0; r < g->rows; r++) {
		for (size_t c = 0; c < g->columns; c++) {
			const char *text = at(g, r, c);
			size_t most = 0;
			for (size_t k = 0; k < g->rows; k++)
				most = width(at(g, k, c)) > most ? width(at(g, k, c)) : most;
			int pad = (int)(most - width(text));
			if (c)
				sm_text_f(out, "  %*s%s", pad, "", text);
			else
				sm_text_f(out, "%s%*s", text, pad, "");
		}
		sm_text_str(out, "\n");
	}
}
