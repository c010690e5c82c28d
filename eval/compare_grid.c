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

/* The text width of an article, and the space between columns (two tabcolsep), pt. */
static const double page_pt = 345, gap_pt = 8;

static double column_pt(const struct sm_grid *g, size_t c)
{
	const bool tail = g->tail_heads && c >= g->columns - g->tail;
	double most = tail ? 16 : 0;
	for (size_t r = tail; r < g->rows; r++) {
		const double pt = sm_text_tex_width(at(g, r, c));
		most = pt > most ? pt : most;
	}
	return most + gap_pt;
}

/* One block: the lead, columns from..to-1, the tail. */
static void tex_block(const struct sm_grid *g, size_t from, size_t to, size_t lead,
		      struct sm_text *out)
{
	const size_t last = g->columns - g->tail;
	sm_text_str(out, "\\begin{tabular}{l");
	for (size_t c = 1; c < lead + (to - from) + g->tail; c++)
		sm_text_str(out, c < lead ? "l" : "r");
	sm_text_str(out, "}\n\\toprule\n");
	for (size_t r = 0; r < g->rows; r++) {
		for (size_t c = 0; c < g->columns; c++) {
			if (c >= lead && c < last && (c < from || c >= to))
				continue;
			sm_text_str(out, c ? " & " : "");
			if (r == 0 && c >= last && g->tail_heads)
				sm_text_str(out, g->tail_heads[c - last]);
			else
				tex(out, at(g, r, c));
		}
		sm_text_str(out, r == 0 ? " \\\\\n\\midrule\n" : " \\\\\n");
	}
	sm_text_str(out, "\\bottomrule\n\\end{tabular}\n");
}

void sm_grid_tex(const struct sm_grid *g, const char *caption, struct sm_text *out)
{
	const size_t lead = g->lead ? g->lead : 1, step = g->group ? g->group : 1;
	const size_t last = g->columns - g->tail;
	double fixed = 0;
	out->failed |= g->failed;
	for (size_t c = 0; c < g->columns; c++)
		fixed += c < lead || c >= last ? column_pt(g, c) : 0;
	sm_text_str(out, "\\begin{table}\n\\centering\\footnotesize\n"
			 "\\setlength{\\tabcolsep}{4pt}\n\\caption{");
	tex(out, caption);
	if (g->tail_heads)
		sm_text_str(out, "; $n$: cases in the mean; $E_{rc}$, $E_r$, $E_c$: cases with "
				 "reference and compared, the reference alone, the compared alone "
				 "empty; $\\infty$: infinite");
	sm_text_str(out, "}\n");
	for (size_t from = lead, to; from < last || from == lead; from = to) {
		double pt = fixed;
		for (to = from; to < last; to += step) {
			double more = 0;
			for (size_t c = to; c < to + step && c < last; c++)
				more += column_pt(g, c);
			if (to > from && pt + more > page_pt)
				break;
			pt += more;
		}
		to = to < last ? to : last;
		sm_text_str(out, from > lead ? "\\par\\medskip\n" : "");
		tex_block(g, from, to, lead, out);
		if (to == from)
			break;
	}
	sm_text_str(out, "\\end{table}\n");
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
