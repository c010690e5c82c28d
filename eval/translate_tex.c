/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "eval/translate_page.h"

/* Columns of a block: as many as fit the text of an article beside the names of the rows. */
enum { BLOCK = 4 };

static void heads(const struct sm_translate_report *r, int s, const int *metric, size_t n,
		  struct sm_text *out)
{
	sm_text_str(out, "\\begin{tabular}{@{}l");
	for (size_t i = 0; i < n; i++)
		sm_text_str(out, "r");
	sm_text_str(out, "@{}}\n\\toprule\nImage");
	for (size_t i = 0; i < n; i++) {
		const char *unit = sm_image_unit(r->settings, s, metric[i]);
		sm_text_f(out, " & %s%s", sm_image_metrics[metric[i]].name, *unit ? " (" : "");
		sm_text_tex(out, unit);
		sm_text_str(out, *unit ? ")" : "");
	}
	sm_text_str(out, " \\\\\n\\midrule\n");
}

static void block(const struct sm_translate_report *r, int s, int g, const int *metric, size_t n,
		  struct sm_text *out)
{
	heads(r, s, metric, n, out);
	for (size_t i = 0; i < r->table.table.rows; i++) {
		if (!sm_image_row_shown(&r->table.table, i, s, g))
			continue;
		sm_text_tex(out, r->table.rows[i].name);
		for (size_t k = 0; k < n; k++) {
			const struct sm_image_cell *c =
				&r->table.table.cells[i].at[s][g][metric[k]];
			const int digits = sm_image_metrics[metric[k]].decimals[s];
			sm_text_str(out, " & ");
			sm_text_number(out, c->stat.mean, digits, c->infinite ? "inf" : "--");
			if (isfinite(c->stat.sd))
				sm_text_f(out, " $\\pm$ %.*f", digits, c->stat.sd);
		}
		sm_text_f(out, " \\\\\n%s", i ? "" : "\\addlinespace\n");
	}
	sm_text_str(out, "\\bottomrule\n\\end{tabular}\n");
}

static void verdicts(const struct sm_translate_report *r, int s, int g, struct sm_text *out)
{
	static const struct sm_verdict_form tex = {"better than every baseline, the best is ",
						   "\\textbf{not better than} ", sm_text_tex};
	const struct sm_image_cells *own = &r->table.table.cells[0];
	size_t better = 0, of = 0;
	/* Lines end by \par: what follows a \\ in brackets would be read as its length. */
	sm_text_str(out, "\\par\\medskip\n\\begin{minipage}{\\linewidth}\n\\raggedright\n");
	sm_text_tex(out, r->table.rows[0].name);
	if (r->table.table.rows < 2) {
		sm_text_str(out, ": no baseline was scored, so nothing shows that it is better "
				 "than none.\n\\end{minipage}\n");
		return;
	}
	for (int m = 0; m < SM_IMAGE_METRICS; m++)
		if (sm_image_metrics[m].counted && sm_image_shown(&r->table.table, s, g, m)) {
			better += own->verdict[s][g][m].outcome == SM_OUTCOME_BETTER;
			of += own->verdict[s][g][m].outcome != SM_OUTCOME_NONE;
		}
	sm_text_f(out, " is better than every baseline in %zu of %zu scores:\n", better, of);
	for (int m = 0; m < SM_IMAGE_METRICS; m++) {
		if (!sm_image_shown(&r->table.table, s, g, m))
			continue;
		sm_text_f(out, "\\par %s: ", sm_image_metrics[m].name);
		sm_translate_verdict(r, s, g, m, true, &tex, out);
		sm_text_str(out, "\n");
	}
	sm_text_str(out, "\\end{minipage}\n");
}

void sm_translate_tex(const struct sm_translate_report *r, struct sm_text *out)
{
	const int s = SM_IMAGE_OWN;
	sm_text_str(out, "% needs \\usepackage{booktabs}\n");
	for (int g = 0; g < SM_IMAGE_REGIONS; g++) {
		int metric[SM_IMAGE_METRICS];
		size_t n = 0;
		for (int m = 0; m < SM_IMAGE_METRICS; m++)
			if (sm_image_shown(&r->table.table, s, g, m))
				metric[n++] = m;
		if (!n)
			continue;
		sm_text_f(out,
			  "\\begin{table}\n\\centering\n\\caption{Scores of %zu case%s, %s, mean "
			  "$\\pm$ standard "
			  "deviation.}\n\\footnotesize\n\\setlength{\\tabcolsep}{3pt}\n",
			  r->table.cases, r->table.cases == 1 ? "" : "s",
			  g == SM_IMAGE_WHOLE ? "whole image" : "inside the body");
		for (size_t i = 0; i < n; i += BLOCK) {
			sm_text_str(out, i ? "\\par\\medskip\n" : "");
			block(r, s, g, metric + i, n - i < BLOCK ? n - i : BLOCK, out);
		}
		verdicts(r, s, g, out);
		sm_text_str(out, "\\end{table}\n");
	}
}
