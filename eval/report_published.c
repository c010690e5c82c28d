/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report_published.h"

#include <math.h>
#include <string.h>

static size_t row_of(struct sm_published *p, const struct sm_report_published *e)
{
	size_t r = 0, s = 0;
	while (r < p->rows &&
	       (strcmp(p->row[r]->name, e->name) != 0 || strcmp(p->row[r]->source, e->source) != 0))
		r++;
	if (r < p->rows)
		return r;
	while (s < p->sources && strcmp(p->source_text[s], e->source) != 0)
		s++;
	if (s == p->sources)
		p->source_text[p->sources++] = e->source;
	p->row[p->rows] = e;
	p->source[p->rows++] = s;
	return r;
}

static enum sm_status grid_alloc(struct sm_arena *arena, size_t n, struct sm_published *out,
				 struct sm_err *err)
{
	const size_t own = out->models * n;
	out->row = sm_arena_alloc(arena, n * sizeof *out->row);
	out->source = sm_arena_alloc(arena, n * sizeof *out->source);
	out->source_text = sm_arena_alloc(arena, n * sizeof *out->source_text);
	out->column = sm_arena_alloc(arena, n * sizeof *out->column);
	out->at = sm_arena_alloc(arena, n * n * sizeof *out->at);
	out->model = sm_arena_alloc(arena, (out->models + 1) * sizeof *out->model);
	out->own = sm_arena_alloc(arena, (own + 1) * sizeof *out->own);
	if (!out->row || !out->source || !out->source_text || !out->column || !out->at ||
	    !out->model || !out->own)
		return SM_FAIL(err, SM_BUDGET, "report.published: out of memory");
	memset((void *)out->at, 0, n * n * sizeof *out->at);
	memset(out->model, 0, (out->models + 1) * sizeof *out->model);
	for (size_t i = 0; i < own; i++)
		out->own[i] = (struct sm_published_value){.mean = NAN, .sd = NAN};
	return SM_OK;
}

enum sm_status sm_published_grid(const struct sm_report *report, sm_published_find *find,
				 const void *scores, size_t models, struct sm_published *out,
				 struct sm_err *err)
{
	const struct sm_list *list = &report->settings->published;
	const struct sm_report_published *e = list->items;
	const size_t n = list->n;
	*out = (struct sm_published){.models = n ? models : 0};
	if (!n)
		return SM_OK;
	SM_TRY(grid_alloc(&report->run->arena, n, out, err));
	for (size_t i = 0; i < n; i++) {
		struct sm_published_column c;
		size_t k = 0;
		SM_TRY(find(scores, &e[i], &c, err));
		const size_t r = row_of(out, &e[i]);
		while (k < out->columns && (out->column[k].region != c.region ||
					    strcmp(out->column[k].metric, c.metric) != 0))
			k++;
		if (k == out->columns)
			out->column[out->columns++] = c;
		/* n columns a row while it is filled. */
		if (out->at[r * n + k])
			return SM_FAIL(err, SM_USAGE,
				       "report.published: %s has two numbers for %s of %s, needed "
				       "is one",
				       e[i].name, e[i].metric, e[i].row);
		out->at[r * n + k] = &e[i];
	}
	for (size_t r = 0; r < out->rows; r++)
		memmove((void *)&out->at[r * out->columns], (const void *)&out->at[r * n],
			out->columns * sizeof *out->at);
	return SM_OK;
}

static void published_number(const struct sm_published *p, size_t r, size_t c, const char *none,
			     struct sm_text *out)
{
	const struct sm_report_published *e = p->at[r * p->columns + c];
	sm_text_number(out, e ? e->value : NAN, p->column[c].decimals, none);
}

/* Mean and its spread over cases. */
static void own_number(const struct sm_published *p, size_t model, size_t c, const char *sign,
		       const char *none, struct sm_text *out)
{
	const struct sm_published_value *v = &p->own[model * p->columns + c];
	sm_text_number(out, v->mean, p->column[c].decimals, v->infinite ? "inf" : none);
	if (isfinite(v->sd))
		sm_text_f(out, "%s%.*f", sign, p->column[c].decimals, v->sd);
}

static const char warning[] =
	"Published numbers come from other cases, and may have other definitions: only a test on "
	"the same cases compares models.";

void sm_published_html(const struct sm_published *p, struct sm_text *out)
{
	if (!p->rows)
		return;
	sm_text_f(out,
		  "<section id=\"published\">\n<h2>Beside published numbers</h2>\n<div "
		  "class=\"wide\" tabindex=\"0\"><table>\n<caption>%s Ours: mean ± standard "
		  "deviation over %zu case%s.</caption>\n<thead><tr><th scope=\"col\">Model</th>"
		  "<th scope=\"col\">Source</th>",
		  warning, p->cases, p->cases == 1 ? "" : "s");
	for (size_t c = 0; c < p->columns; c++) {
		sm_text_str(out, "<th scope=\"col\" class=\"n\">");
		sm_text_html(out, p->column[c].head[0]);
		sm_text_str(out, "<br/>");
		sm_text_html(out, p->column[c].head[1]);
		sm_text_str(out, "</th>");
	}
	sm_text_str(out, "</tr></thead>\n<tbody>\n");
	for (size_t r = 0; r < p->rows; r++) {
		sm_text_str(out, "<tr><th scope=\"row\">");
		sm_text_html(out, p->row[r]->name);
		sm_text_str(out, "</th><td>");
		sm_text_html(out, p->row[r]->source);
		if (p->row[r]->cases)
			sm_text_f(out, "; n = %lld", (long long)p->row[r]->cases);
		sm_text_str(out, "</td>");
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, "<td class=\"n\">");
			published_number(p, r, c, "–", out);
			sm_text_str(out, "</td>");
		}
		sm_text_str(out, "</tr>\n");
	}
	for (size_t m = 0; m < p->models; m++) {
		sm_text_str(out, "<tr><th scope=\"row\"><b>");
		sm_text_html(out, p->model[m].name);
		sm_text_f(out, "</b></th><td>this page; n = %zu</td>", p->model[m].cases);
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, "<td class=\"n\">");
			own_number(p, m, c, " ± ", "–", out);
			sm_text_str(out, "</td>");
		}
		sm_text_str(out, "</tr>\n");
	}
	sm_text_str(out, "</tbody></table></div>\n</section>\n");
}

void sm_report_md_text(struct sm_text *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			sm_text_str(out, "\\|");
		else if (*text == '\n')
			sm_text_str(out, " ");
		else
			sm_text_add(out, text, 1);
	}
}

void sm_published_md(const struct sm_published *p, struct sm_text *out)
{
	if (!p->rows)
		return;
	sm_text_str(out, "\n| Model |");
	for (size_t c = 0; c < p->columns; c++)
		sm_text_f(out, " %s %s |", p->column[c].head[0], p->column[c].head[1]);
	sm_text_str(out, "\n|---|");
	for (size_t c = 0; c < p->columns; c++)
		sm_text_str(out, "---:|");
	for (size_t r = 0; r < p->rows; r++) {
		sm_text_str(out, "\n| ");
		sm_report_md_text(out, p->row[r]->name);
		sm_text_f(out, ", published [%zu] |", p->source[r] + 1);
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, " ");
			published_number(p, r, c, "--", out);
			sm_text_str(out, " |");
		}
	}
	for (size_t m = 0; m < p->models; m++) {
		sm_text_str(out, "\n| ");
		sm_report_md_text(out, p->model[m].name);
		sm_text_str(out, ", here |");
		for (size_t c = 0; c < p->columns; c++) {
			sm_text_str(out, " ");
			own_number(p, m, c, " ± ", "--", out);
			sm_text_str(out, " |");
		}
	}
	sm_text_f(out, "\n\n%s", warning);
	for (size_t s = 0; s < p->sources; s++)
		sm_text_f(out, " [%zu] %s.", s + 1, p->source_text[s]);
	sm_text_str(out, "\n");
}

/* A line's first cell: behind \\ or a rule a bracket or a star would be read as its option. */
static void tex_name(const char *name, struct sm_text *out)
{
	sm_text_str(out, *name == '[' || *name == '*' ? "{}" : "");
	sm_text_tex(out, name);
}

/* Columns from..to of all rows. */
static void tex_block(const struct sm_published *p, size_t from, size_t to, struct sm_text *out)
{
	sm_text_str(out, "\\begin{tabular}{l");
	for (size_t c = from; c < to; c++)
		sm_text_str(out, "r");
	sm_text_str(out, "}\n\\toprule\nModel");
	for (int line = 0; line < 2; line++) {
		for (size_t c = from; c < to; c++) {
			sm_text_str(out, " & ");
			sm_text_tex(out, p->column[c].head[line]);
		}
		sm_text_str(out, " \\\\\n");
	}
	sm_text_str(out, "\\midrule\n");
	for (size_t r = 0; r < p->rows; r++) {
		tex_name(p->row[r]->name, out);
		sm_text_f(out, "$^{%zu}$", p->source[r] + 1);
		for (size_t c = from; c < to; c++) {
			sm_text_str(out, " & ");
			published_number(p, r, c, "--", out);
		}
		sm_text_str(out, " \\\\\n");
	}
	sm_text_str(out, "\\midrule\n");
	for (size_t m = 0; m < p->models; m++) {
		tex_name(p->model[m].name, out);
		for (size_t c = from; c < to; c++) {
			sm_text_str(out, " & ");
			own_number(p, m, c, " $\\pm$ ", "--", out);
		}
		sm_text_str(out, " \\\\\n");
	}
	sm_text_str(out, "\\bottomrule\n\\end{tabular}\n");
}

void sm_published_tex(const struct sm_published *p, struct sm_text *out)
{
	const size_t most = p->block ? p->block : p->columns;
	if (!p->rows)
		return;
	sm_text_str(out, "\n\\begin{table}\n\\centering\n\\caption{Published numbers beside those "
			 "of this work (mean $\\pm$ standard deviation). ");
	sm_text_str(out, warning);
	for (size_t s = 0; s < p->sources; s++) {
		sm_text_f(out, " $^{%zu}$ ", s + 1);
		sm_text_tex(out, p->source_text[s]);
		sm_text_str(out, ".");
	}
	sm_text_str(out, "}\n\\label{tab:published}\n");
	if (p->block)
		sm_text_str(out, "\\footnotesize\n\\setlength{\\tabcolsep}{3pt}\n");
	for (size_t c = 0; c < p->columns; c += most) {
		sm_text_str(out, c ? "\\par\\medskip\n" : "");
		tex_block(p, c, p->columns - c < most ? p->columns : c + most, out);
	}
	sm_text_str(out, "\\end{table}\n");
}
